/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Receive with AVX2: igb_rx.c for eight descriptors at a time, in direct mode.
 *
 * A turn takes two cache lines of the ring if all eight descriptors are done and describe good
 * frames of one buffer each. Everything else is left to igb_rx_take(): errors, frames in several
 * buffers, the rest of a line, the end of a burst. So there is one implementation of what is rare,
 * and the results of both paths are equal, field by field.
 *
 * Both sides have 16 bytes, so that a shuffle moves length, tag and hash at once; packet type and
 * flags come from tables that also fit a shuffle:
 *
 *      descriptor      pkt_info hdr_info | rss              | staterr           | length vlan
 *      mbuf, from 32   packet_type       | pkt_len          | data_len vlan_tci | hash.rss
 *      mbuf, from 16   data_off refcnt   | nb_segs port     | ol_flags
 *
 * Descriptors i and i + 4 share a register, one in each half, so that unpacking, which works on
 * halves, collects the same word of all eight in order.
 *
 * Trust: each descriptor is loaded once, in a single access of 16 bytes, which CPUs with AVX
 * perform as a whole. All checks are made on the copy in the register.
 */

#include <immintrin.h>

#include <rte_io.h>

#include "igb_rxtx.h"

#define TURN 8

_Static_assert(offsetof(struct rte_mbuf, ol_flags) == offsetof(struct rte_mbuf, rearm_data) + 8 &&
				offsetof(struct rte_mbuf, packet_type) ==
						offsetof(struct rte_mbuf, rearm_data) + 16 &&
				offsetof(struct rte_mbuf, pkt_len) ==
						offsetof(struct rte_mbuf, packet_type) + 4 &&
				offsetof(struct rte_mbuf, data_len) ==
						offsetof(struct rte_mbuf, packet_type) + 8 &&
				offsetof(struct rte_mbuf, vlan_tci) ==
						offsetof(struct rte_mbuf, packet_type) + 10 &&
				offsetof(struct rte_mbuf, hash.rss) ==
						offsetof(struct rte_mbuf, packet_type) + 12,
		"the layout of struct rte_mbuf has changed");

/* A constant in each 32-bit word, and in each byte that a table can hold. */
#define ALL32(x)     _mm256_set1_epi32((int)(x))
#define TABLE(bytes) _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(bytes)))

#define MBUF_PART(m, field) ((__m128i *)RTE_PTR_ADD(m, offsetof(struct rte_mbuf, field)))

/* A shuffle returns 0 where the index has its highest bit set. */
#define NO 0x80

/* The descriptor's fields in the order of the mbuf; packet_type is added later. */
static const uint8_t rx_fields[16] __rte_aligned(
		16) = { NO, NO, NO, NO, 12, 13, NO, NO, 12, 13, 14, 15, 4, 5, 6, 7 };

/* Layer 3 by the low half of the packet type; the first byte of an mbuf's packet_type. */
static const uint8_t rx_l3[16] __rte_aligned(16) = {
#define V4  RTE_PTYPE_L3_IPV4
#define V4E RTE_PTYPE_L3_IPV4_EXT
#define V6  RTE_PTYPE_L3_IPV6
#define V6E RTE_PTYPE_L3_IPV6_EXT
	0, V4, V4E, V4E, V6, V4, V4E, V4E, V6E, V4, V4E, V4E, V6E, V4, V4E, V4E
#undef V4
#undef V4E
#undef V6
#undef V6E
};

/* Layer 4 by the high half, if there is a layer 3; the second byte. */
static const uint8_t rx_l4[16] __rte_aligned(16) = {
#define T (RTE_PTYPE_L4_TCP >> 8)
#define U (RTE_PTYPE_L4_UDP >> 8)
#define S (RTE_PTYPE_L4_SCTP >> 8)
	0, T, U, T, S, T, U, T, 0, T, U, T, S, T, U, T
#undef T
#undef U
#undef S
};

/*
 * rx_cksum_flags of igb_rx.c in two halves: packets that are not IPv6, and those that are. A byte
 * holds the flags, which are bits 3, 4, 7 and 8, shifted by one.
 */
#define L4(bad) ((bad) ? RTE_MBUF_F_RX_L4_CKSUM_BAD >> 1 : RTE_MBUF_F_RX_L4_CKSUM_GOOD >> 1)
#define IP(bad) ((bad) ? RTE_MBUF_F_RX_IP_CKSUM_BAD >> 1 : RTE_MBUF_F_RX_IP_CKSUM_GOOD >> 1)
static const uint8_t rx_cksum[16] __rte_aligned(16) = { 0, L4(0), IP(0), L4(0) | IP(0), 0, L4(1),
	IP(0), L4(1) | IP(0), 0, L4(0), IP(1), L4(0) | IP(1), 0, L4(1), IP(1), L4(1) | IP(1) };
static const uint8_t rx_cksum_ipv6[16] __rte_aligned(16) = { IP(0), L4(0) | IP(0), IP(0),
	L4(0) | IP(0), IP(0), L4(1) | IP(0), IP(0), L4(1) | IP(0), IP(0), L4(0) | IP(0), IP(1),
	L4(0) | IP(1), IP(0), L4(1) | IP(0), IP(1), L4(1) | IP(1) };
#undef L4
#undef IP

/* Load descriptors i and i + 4 into the halves of a register. */
static inline __m256i
load_pair(const union igb_rx_desc *d, unsigned int i)
{
	return _mm256_inserti128_si256(_mm256_castsi128_si256(
						       _mm_load_si128((const __m128i *)&d[i])),
			_mm_load_si128((const __m128i *)&d[i + 4]), 1);
}

/* Return whether all are done, good, and frames of one buffer. */
static inline bool
all_good(__m256i staterr, __m256i len, uint16_t buf_len)
{
	const __m256i want = ALL32(IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP);
	const __m256i status = _mm256_and_si256(staterr,
			ALL32(IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP | IGB_RXD_ERR_RXE));
	const __m256i bad_len = _mm256_or_si256(_mm256_cmpeq_epi32(len, _mm256_setzero_si256()),
			_mm256_cmpgt_epi32(len, ALL32(buf_len)));

	return _mm256_movemask_epi8(_mm256_andnot_si256(bad_len,
			       _mm256_cmpeq_epi32(status, want))) == -1;
}

/* Return eight packet_type. info: pkt_info in the low half of each word. */
static inline __m256i
packet_types(__m256i info)
{
	const __m256i low = _mm256_and_si256(_mm256_srli_epi32(info, IGB_RXD_PTYPE_SHIFT),
			ALL32(0xF));
	/* The high half of the packet type happens to be in the second byte. */
	const __m256i high = _mm256_and_si256(info, ALL32(0xF00));
	const __m256i no_l3 = _mm256_cmpeq_epi32(low, _mm256_setzero_si256());
	const __m256i l3 = _mm256_shuffle_epi8(TABLE(rx_l3), low);
	const __m256i l4 = _mm256_shuffle_epi8(TABLE(rx_l4), high);

	return _mm256_or_si256(_mm256_or_si256(l3, ALL32(RTE_PTYPE_L2_ETHER)),
			_mm256_andnot_si256(no_l3, l4));
}

/* Return the low words of eight ol_flags. */
static inline __m256i
packet_flags(__m256i info, __m256i staterr, uint16_t ipv6_mask)
{
	/* Only the lowest byte of each word selects something. */
	const __m256i at = _mm256_or_si256(ALL32(0x80808000),
			_mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(staterr, 27),
							ALL32(0xC)),
					_mm256_and_si256(_mm256_srli_epi32(staterr, 5), ALL32(3))));
	const __m256i not_ipv6 = _mm256_cmpeq_epi32(_mm256_and_si256(info, ALL32(ipv6_mask)),
			_mm256_setzero_si256());
	const __m256i cksum = _mm256_slli_epi32(
			_mm256_blendv_epi8(_mm256_shuffle_epi8(TABLE(rx_cksum_ipv6), at),
					_mm256_shuffle_epi8(TABLE(rx_cksum), at), not_ipv6),
			1);
	const __m256i no_hash = _mm256_cmpeq_epi32(_mm256_and_si256(info,
								   ALL32(IGB_RXD_RSSTYPE_MASK)),
			_mm256_setzero_si256());
	const __m256i no_tag = _mm256_cmpeq_epi32(_mm256_and_si256(staterr, ALL32(IGB_RXD_STAT_VP)),
			_mm256_setzero_si256());

	return _mm256_or_si256(cksum,
			_mm256_or_si256(_mm256_andnot_si256(no_hash, ALL32(RTE_MBUF_F_RX_RSS_HASH)),
					_mm256_andnot_si256(no_tag,
							ALL32(RTE_MBUF_F_RX_VLAN |
									RTE_MBUF_F_RX_VLAN_STRIPPED))));
}

/* Write two mbufs: rearm has data_off to ol_flags of each, fields packet_type to hash. */
static inline void
write_pair(struct rte_mbuf **m, __m256i rearm, __m256i fields)
{
	_mm_storeu_si128(MBUF_PART(m[0], rearm_data), _mm256_castsi256_si128(rearm));
	_mm_storeu_si128(MBUF_PART(m[0], packet_type), _mm256_castsi256_si128(fields));
	_mm_storeu_si128(MBUF_PART(m[4], rearm_data), _mm256_extracti128_si256(rearm, 1));
	_mm_storeu_si128(MBUF_PART(m[4], packet_type), _mm256_extracti128_si256(fields, 1));
}

/* Receive eight frames. Return false, having changed nothing, unless all of them are good. */
static __rte_always_inline bool
rx_turn(const struct igb_rx_queue *q, uint16_t next, struct rte_mbuf **pkts, __m256i *bytes)
{
	const union igb_rx_desc *d = &q->ring[next];
	struct rte_mbuf **m = &q->sw_mbuf[next];
	const __m256i init = _mm256_set1_epi64x((int64_t)q->mbuf_init);
	const __m256i to_fields = TABLE(rx_fields), zero = _mm256_setzero_si256();
	__m256i d0, d1, d2, d3, low01, low23, high01, high23, info, staterr, len, type, flags, f;

	d0 = load_pair(d, 0);
	d1 = load_pair(d, 1);
	d2 = load_pair(d, 2);
	d3 = load_pair(d, 3);
	rte_io_rmb(); /* reads of the data come later, and nothing reads a descriptor again */
	low01 = _mm256_unpacklo_epi32(d0, d1);
	low23 = _mm256_unpacklo_epi32(d2, d3);
	high01 = _mm256_unpackhi_epi32(d0, d1);
	high23 = _mm256_unpackhi_epi32(d2, d3);
	info = _mm256_unpacklo_epi64(low01, low23);
	staterr = _mm256_unpacklo_epi64(high01, high23);
	len = _mm256_and_si256(_mm256_unpackhi_epi64(high01, high23), ALL32(0xFFFF));
	if (unlikely(!all_good(staterr, len, q->buf_len)))
		return false;

	igb_request_line(&d[0]); /* see "Cache lines" in igb_rx.c */
	igb_request_line(&d[4]);
	_mm256_storeu_si256((__m256i *)&pkts[0], _mm256_loadu_si256((const __m256i *)&m[0]));
	_mm256_storeu_si256((__m256i *)&pkts[4], _mm256_loadu_si256((const __m256i *)&m[4]));
	*bytes = _mm256_add_epi32(*bytes, len);
	type = packet_types(info);
	flags = packet_flags(info, staterr, q->ipv6_mask);
	f = _mm256_unpacklo_epi32(flags, zero);
	write_pair(&m[0], _mm256_unpacklo_epi64(init, f),
			_mm256_blend_epi32(_mm256_shuffle_epi8(d0, to_fields), type, 0x11));
	write_pair(&m[1], _mm256_blend_epi32(f, init, 0x33),
			_mm256_blend_epi32(_mm256_shuffle_epi8(d1, to_fields),
					_mm256_srli_si256(type, 4), 0x11));
	f = _mm256_unpackhi_epi32(flags, zero);
	write_pair(&m[2], _mm256_unpacklo_epi64(init, f),
			_mm256_blend_epi32(_mm256_shuffle_epi8(d2, to_fields),
					_mm256_srli_si256(type, 8), 0x11));
	write_pair(&m[3], _mm256_blend_epi32(f, init, 0x33),
			_mm256_blend_epi32(_mm256_shuffle_epi8(d3, to_fields),
					_mm256_srli_si256(type, 12), 0x11));
	return true;
}

static inline bool
is_done(const union igb_rx_desc *d)
{
	return __atomic_load_n(&d->wb.staterr, __ATOMIC_RELAXED) & IGB_RXD_STAT_DD;
}

/* Receive as many whole turns of good frames as there are. Return the number of packets. */
static inline uint16_t
rx_turns(struct igb_rx_queue *q, struct rte_mbuf **pkts, uint16_t nb)
{
	uint16_t next = q->next, posted = q->posted, nb_rx = 0, i;
	__m256i bytes = _mm256_setzero_si256();
	uint32_t sums[TURN];

	/*
	 * The device writes the descriptors in the order of the ring, or a burst of them from its
	 * end (gantry-nic). The first descriptor comes first, so that an idle queue polls one line
	 * only; both ends of the second line, so that it loads no line that is half written.
	 */
	while (nb - nb_rx >= TURN && posted >= TURN && next + TURN <= q->nb_desc &&
			is_done(&q->ring[next]) && is_done(&q->ring[next + IGB_LINE_DESC]) &&
			is_done(&q->ring[next + TURN - 1]) &&
			rx_turn(q, next, &pkts[nb_rx], &bytes)) {
		nb_rx += TURN;
		posted -= TURN;
		next += TURN;
		if (next == q->nb_desc)
			next = 0;
	}
	if (nb_rx == 0)
		return 0;
	q->next = next;
	q->posted = posted;
	q->stats->now.packets += nb_rx;
	_mm256_storeu_si256((__m256i *)sums, bytes);
	for (i = 0; i < TURN; i++)
		q->stats->now.bytes += sums[i];
	return nb_rx;
}

static uint16_t
rx_write(struct igb_rx_queue *q, uint16_t at, uint16_t n)
{
	const __m256i last = _mm256_set1_epi64x((int64_t)q->iova_last);
	const __m256i zero = _mm256_setzero_si256();
	__m256i bad = zero;
	uint16_t i;

	for (i = 0; i + 4 <= n; i += 4) {
		struct rte_mbuf **m = &q->sw_mbuf[at + i];
		__m256i *d = (__m256i *)&q->ring[at + i];
		const __m256i iova = _mm256_set_epi64x((int64_t)rte_mbuf_iova_get(m[3]),
				(int64_t)rte_mbuf_iova_get(m[2]), (int64_t)rte_mbuf_iova_get(m[1]),
				(int64_t)rte_mbuf_iova_get(m[0]));
		const __m256i addr = _mm256_add_epi64(iova,
				_mm256_set1_epi64x(RTE_PKTMBUF_HEADROOM));
		/* 0 and 2, 1 and 3; the second word of a descriptor, hdr_addr, is 0 */
		const __m256i even = _mm256_unpacklo_epi64(addr, zero);
		const __m256i odd = _mm256_unpackhi_epi64(addr, zero);

		/* The comparison is signed: RTE_BAD_IOVA is negative. */
		bad = _mm256_or_si256(bad, _mm256_or_si256(iova, _mm256_cmpgt_epi64(iova, last)));
		_mm256_storeu_si256((__m256i *)&q->sw_addr[at + i], addr);
		_mm256_storeu_si256(&d[0], _mm256_permute2x128_si256(even, odd, 0x20));
		_mm256_storeu_si256(&d[1], _mm256_permute2x128_si256(even, odd, 0x31));
	}
	/* The device does not own the descriptors yet: if an mbuf is special, begin again. */
	if (unlikely(_mm256_movemask_pd(_mm256_castsi256_pd(bad)) != 0))
		return igb_rx_write(q, at, n);
	return i == n ? n : i + igb_rx_write(q, at + i, n - i);
}

uint16_t
igb_recv_pkts_avx2(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct igb_rx_queue *q = rxq;
	uint16_t nb_rx = 0, rest, n;

	do {
		if (q->first == NULL && !q->drop_rest)
			nb_rx += rx_turns(q, &pkts[nb_rx], nb - nb_rx);
		/* The rest of the line; thereafter, `next` is at the start of a line again. */
		rest = RTE_MIN(IGB_LINE_DESC - q->next % IGB_LINE_DESC, nb - nb_rx);
		n = igb_rx_take(q, &pkts[nb_rx], rest);
		nb_rx += n;
	} while (n == rest && nb_rx < nb);
	igb_rx_refill(q, rx_write);
	return nb_rx;
}
