/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Transmit with AVX2: the plain packets of igb_tx.c, four at a time.
 *
 * A turn writes the four descriptors of a cache line, in two stores, if four packets are plain and
 * of one kind. igb_tx_write_plain() sends what is before the start of a line, and all packets that
 * are too few for a turn or of several kinds. Two packets share a register, one in each half:
 *
 *      mbuf, from 16   data_off refcnt | nb_segs port | ol_flags
 *      mbuf, from 32   packet_type     | pkt_len      | data_len vlan_tci | hash
 *      descriptor      addr                           | cmd, data_len     | olinfo, pkt_len << 14
 */

#include <immintrin.h>

#include "igb_rxtx.h"

#define TURN IGB_LINE_DESC

_Static_assert(TURN == 4, "a turn is two registers of two descriptors");
_Static_assert(offsetof(struct rte_mbuf, ol_flags) == offsetof(struct rte_mbuf, rearm_data) + 8 &&
				offsetof(struct rte_mbuf, nb_segs) ==
						offsetof(struct rte_mbuf, rearm_data) + 4 &&
				offsetof(struct rte_mbuf, data_off) ==
						offsetof(struct rte_mbuf, rearm_data) &&
				offsetof(struct rte_mbuf, pkt_len) ==
						offsetof(struct rte_mbuf, packet_type) + 4 &&
				offsetof(struct rte_mbuf, data_len) ==
						offsetof(struct rte_mbuf, packet_type) + 8 &&
				offsetof(struct rte_mbuf, vlan_tci) ==
						offsetof(struct rte_mbuf, packet_type) + 10,
		"the layout of struct rte_mbuf has changed");

/* A kind of plain packets (struct igb_tx_plain), in registers; each half is the same. */
struct kind {
	__m256i mask0, want0; /* of the part of the mbuf from rearm_data */
	__m256i mask1, want1; /* of the part from packet_type */
	__m256i below, above; /* limits of pkt_len; 0 where data_len and pkt_len are not */
	__m256i iova_last;
	__m256i desc; /* descriptor without address and length */
};

static inline __m256i
both_halves(uint64_t low, uint64_t high)
{
	return _mm256_set_epi64x((int64_t)high, (int64_t)low, (int64_t)high, (int64_t)low);
}

static inline struct kind
kind_load(const struct igb_tx_queue *q, const struct igb_tx_plain *k)
{
	const uint64_t max = k->max_len, min = k->min_len;

	return (struct kind){
		.mask0 = both_halves(UINT64_C(0xFFFF) << 32, k->flags_mask),
		.want0 = both_halves(UINT64_C(1) << 32, k->flags), /* nb_segs is 1 */
		.mask1 = both_halves(0, (uint64_t)k->vlan_mask << 16),
		.want1 = both_halves(0, (uint64_t)k->vlan << 16),
		.below = both_halves(0, min << 32 | min),
		.above = both_halves(0, max << 32 | max),
		.iova_last = _mm256_set1_epi64x((int64_t)q->iova_last),
		.desc = both_halves(0, (uint64_t)k->olinfo << 32 | k->cmd),
	};
}

/* Load 16 bytes at the same place of two mbufs. */
#define LOAD_PAIR(m, field) \
	_mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(( \
						const __m128i *)RTE_PTR_ADD((m)[0], \
						offsetof(struct rte_mbuf, field)))), \
			_mm_loadu_si128((const __m128i *)RTE_PTR_ADD((m)[1], \
					offsetof(struct rte_mbuf, field))), \
			1)

/*
 * Return the descriptors of two packets. Set a bit of *odd unless both are of the kind. As a
 * signed number, a bad IOVA or length is negative.
 */
static inline __m256i
describe_pair(const struct kind *k, struct rte_mbuf **m, __m256i *odd)
{
	const __m256i lengths = _mm256_set_epi8(7, 6, 5, 4, -1, -1, 9, 8, -1, -1, -1, -1, -1, -1,
			-1, -1, 7, 6, 5, 4, -1, -1, 9, 8, -1, -1, -1, -1, -1, -1, -1, -1);
	const __m256i to_paylen = _mm256_set_epi32(IGB_TXD_PAYLEN_SHIFT, 0, 0, 0,
			IGB_TXD_PAYLEN_SHIFT, 0, 0, 0);
	const __m256i iova = _mm256_set_epi64x(0, (int64_t)rte_mbuf_iova_get(m[1]), 0,
			(int64_t)rte_mbuf_iova_get(m[0]));
	const __m256i part0 = LOAD_PAIR(m, rearm_data), part1 = LOAD_PAIR(m, packet_type);
	/* 0, 0, data_len, pkt_len */
	const __m256i len = _mm256_shuffle_epi8(part1, lengths);
	const __m256i off = _mm256_and_si256(part0, both_halves(UINT16_MAX, 0));
	__m256i bad;

	bad = _mm256_and_si256(_mm256_xor_si256(part0, k->want0), k->mask0);
	bad = _mm256_or_si256(bad, _mm256_and_si256(_mm256_xor_si256(part1, k->want1), k->mask1));
	bad = _mm256_or_si256(bad,
			_mm256_xor_si256(len, _mm256_shuffle_epi32(len, _MM_SHUFFLE(2, 3, 1, 0))));
	bad = _mm256_or_si256(bad, _mm256_cmpgt_epi32(k->below, len));
	bad = _mm256_or_si256(bad, _mm256_cmpgt_epi32(len, k->above));
	bad = _mm256_or_si256(bad, _mm256_cmpgt_epi64(iova, k->iova_last));
	bad = _mm256_or_si256(bad, _mm256_srli_epi64(iova, 63));
	*odd = _mm256_or_si256(*odd, bad);
	return _mm256_or_si256(_mm256_add_epi64(iova, off),
			_mm256_or_si256(_mm256_sllv_epi32(len, to_paylen), k->desc));
}

/* Return whether the headers that four packets describe have the lengths of the kind. */
static inline bool
same_offload(const struct igb_tx_plain *k, struct rte_mbuf **m)
{
	return (((m[0]->tx_offload ^ k->offload) | (m[1]->tx_offload ^ k->offload) |
				(m[2]->tx_offload ^ k->offload) | (m[3]->tx_offload ^ k->offload)) &
			       k->offload_mask) == 0;
}

/* Return whether one of four packets has a further segment, against its nb_segs. */
static inline bool
any_chained(struct rte_mbuf **m)
{
	return ((uintptr_t)m[0]->next | (uintptr_t)m[1]->next | (uintptr_t)m[2]->next |
			       (uintptr_t)m[3]->next) != 0;
}

/* Send whole turns of packets of the kind of the first one. Return the number of packets. */
static inline uint16_t
tx_turns(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	const struct igb_tx_plain *plain =
			&q->kinds[(pkts[0]->ol_flags & q->kinds[0].flags_mask) != 0];
	const struct kind kind = kind_load(q, plain);
	uint16_t i;

	for (i = 0; i + TURN <= n; i += TURN) {
		struct rte_mbuf **m = &pkts[i];
		__m256i *d = (__m256i *)&q->ring[at + i];
		__m256i odd = _mm256_setzero_si256();
		const __m256i first = describe_pair(&kind, &m[0], &odd);
		const __m256i second = describe_pair(&kind, &m[2], &odd);

		if (unlikely(!_mm256_testz_si256(odd, odd)))
			break;
		if (plain->offload_mask != 0 && unlikely(!same_offload(plain, m)))
			break;
		if (!q->no_chains && unlikely(any_chained(m)))
			break;
		_mm256_storeu_si256((__m256i *)&q->sw_mbuf[at + i],
				_mm256_loadu_si256((const __m256i *)m));
		_mm256_storeu_si256(&d[0], first);
		_mm256_storeu_si256(&d[1], second);
		*bytes += m[0]->pkt_len + m[1]->pkt_len + m[2]->pkt_len + m[3]->pkt_len;
	}
	return i;
}

static uint16_t
tx_write(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	uint16_t done = 0, some, part;

	while (done < n) {
		some = n - done;
		part = (at + done) % TURN;
		if (part == 0 && some >= TURN) {
			part = tx_turns(q, at + done, &pkts[done], some, bytes);
			done += part;
			if (part != 0)
				continue;
		}
		/* The rest of a line */
		some = RTE_MIN(some, TURN - part);
		part = igb_tx_write_plain(q, at + done, &pkts[done], some, bytes);
		done += part;
		if (part != some)
			break;
	}
	return done;
}

uint16_t
igb_xmit_pkts_avx2(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	return igb_tx_burst(txq, pkts, nb, tx_write);
}
