/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Runs of plain frames, which most frames are: untagged, good, in one buffer of queue 0, with
 * nothing to compute but their packet type. A run does what receive() (m82576_rx.c) does with each
 * of its frames, with a third of the instructions, because it decides once what is the same for all
 * of them. A run fetches descriptors only at its beginning, if no fetched one is left (run_max()).
 * It ends before the first frame that is not plain, and where a limit needs attention: no fetched
 * descriptor is left, write-backs are to be written, a buffer has no pointer, or memory was
 * truncated. If the next run then has no frame either, receive() takes the next frame. The numbers
 * in the code are those of LIFE OF A RECEIVED FRAME in m82576.c.
 */

#include <string.h>

#include "m82576_rx.h"
#include "m82576_rx_filter.h"
#include "uninitialized.h"

#define MAX_FRAME (IGB_MAX_FRAME - M82576_FCS_LEN)

#define RUN 32 /* frames of a run, at most */

/* Offsets in an untagged frame of IPv4 without options. */
#define AT_TYPE  12
#define AT_IP    14
#define AT_TOTAL (AT_IP + 2)
#define AT_FRAG  (AT_IP + 6)
#define AT_PROTO (AT_IP + 9)
#define AT_L4    (AT_IP + 20)

/*
 * Return the packet type as m82576_parse() finds it. Negative: the frame is not plain. That
 * includes headers that are rare or wrong.
 */
static inline int
plain_type(const uint8_t *p, uint32_t len, uint16_t vet)
{
	const uint16_t type = m82576_be16(p + AT_TYPE);
	uint32_t least = 20, total;
	int ptype = IGB_RXD_PTYPE_IPV4;

	if (type == vet || type == M82576_ETH_IPV6)
		return -1;
	if (type != M82576_ETH_IPV4)
		return 0;
	if (p[AT_IP] != 0x45 || m82576_be16(p + AT_FRAG) & 0x3FFF)
		return -1;
	if (p[AT_PROTO] == M82576_IP_UDP) {
		ptype |= IGB_RXD_PTYPE_UDP;
		least += 8;
	} else if (p[AT_PROTO] == M82576_IP_TCP) {
		ptype |= IGB_RXD_PTYPE_TCP;
		least += (p[AT_L4 + 12] >> 4) * 4;
		if (least < 40)
			return -1;
	} else {
		return -1;
	}
	total = m82576_be16(p + AT_TOTAL);
	return total >= least && AT_IP + total <= len ? ptype : -1;
}

uint32_t
m82576_rx_run_longest(const struct m82576 *m, const struct m82576_rx_burst *b)
{
	uint32_t max = M82576_MAX_STD_FRAME;

	if (b->rss || !(b->rctl & IGB_RCTL_SECRC) || !(b->rxcsum & IGB_RXCSUM_PCSD) ||
			b->rxcsum & (IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL) ||
			m82576_reg(m, IGB_CTRL_EXT) & IGB_CTRL_EXT_EXT_VLAN ||
			vfu_dma_by_message(m->server))
		return 0;
	if (b->rctl & IGB_RCTL_LPE)
		max = m82576_reg(m, IGB_RLPML);
	if (max < M82576_FCS_LEN)
		return 0;
	return max - M82576_FCS_LEN < MAX_FRAME ? max - M82576_FCS_LEN : MAX_FRAME;
}

/* A run in progress. */
struct run {
	uint8_t *to[RUN]; /* the buffer of each frame */
	bool alike;       /* the frames have the same length and destination */
};

/* Bytes of a header that decide: destination; type; of IPv4 version, length, fragment, protocol. */
struct key {
	uint64_t address, ip, ip2; /* from AT_TYPE on, from AT_FRAG on */
};

/* The last frame that was decided. The next one often has the same key and length. */
struct decided {
	struct key key;
	uint32_t len;    /* 0: none */
	unsigned int nr; /* decisions of this run */
	union igb_rx_desc wb;
};

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline struct key
key_of(const uint8_t *data)
{
	return (struct key){ load64(data), load64(data + AT_TYPE), load64(data + AT_FRAG) };
}

/* Return whether the decision about the last frame is right for this one. */
static inline bool
is_decided(const struct decided *last, const uint8_t *data, uint32_t len)
{
	struct key k;

	/* A decided frame has at least 60 bytes, so that the key is inside the frame. */
	if (len != last->len)
		return false;
	k = key_of(data);
	/* Bytes 0 to 5; 12, 13, 14, 16, 17; 20 and 21 without the flag DF, and 23. */
	return (((k.address ^ last->key.address) & 0x0000FFFFFFFFFFFF) |
			       ((k.ip ^ last->key.ip) & 0x0000FFFF00FFFFFF) |
			       ((k.ip2 ^ last->key.ip2) & 0x00000000FF00FF3F)) == 0;
}

/*
 * Decide about a frame of at most max bytes: fill in its write-back. Return false: it is not plain.
 */
static bool
decide(struct m82576 *m, const struct m82576_rx_burst *b, const struct m82576_frame *frame,
		uint32_t max, struct decided *last)
{
	const uint8_t *data = frame->data;
	const uint32_t len = frame->len;
	uint32_t st = IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP;
	enum m82576_verdict v;
	int ptype;

	last->len = 0;
	last->nr++;
	if (len < M82576_MIN_FRAME || len > max)
		return false;
	v = m82576_address_passes(m, b->rctl, data);
	ptype = plain_type(data, len, b->vet);
	if (v == M82576_REJECT || ptype < 0)
		return false;
	if (v == M82576_INEXACT)
		st |= IGB_RXD_STAT_PIF;
	last->wb.qw[0] = (uint16_t)(ptype << IGB_RXD_PTYPE_SHIFT);
	last->wb.qw[1] = (uint64_t)len << 32 | st;
	/* The type of a TCP frame also depends on the length of its header. */
	if (ptype & IGB_RXD_PTYPE_TCP)
		return true;
	last->key = key_of(data);
	last->len = len;
	return true;
}

/* Return the number of frames, of n, for which there are descriptors and room for write-backs. */
static unsigned int
run_max(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r, unsigned int n)
{
	/* A queue that was opened as this one is enabled; one that was never opened has no ring. */
	if (x->gen != m82576_ld_acq(&r->gen) || x->dead || x->count == 0 || x->split || x->legacy ||
			m->rx_busy)
		return 0;
	if (x->used == x->fetched && !m82576_rxq_need(m, x, r, 1))
		return 0;
	if (n > x->fetched - x->used)
		n = x->fetched - x->used;
	if (n > M82576_WB_BATCH - x->wb_count)
		n = M82576_WB_BATCH - x->wb_count;
	return n < RUN ? n : RUN;
}

/*
 * Decide about frames, fill in their write-backs, and find their buffers.
 *
 * @return how many of n frames are plain, and have a buffer
 */
static unsigned int
plan(struct m82576 *m, struct m82576_rxq *x, const struct m82576_rx_burst *b,
		const struct m82576_frame *frames, unsigned int n, struct run *run)
{
	const uint32_t max = b->run_longest < x->bufsize ? b->run_longest : x->bufsize;
	const union igb_rx_desc *d = &x->desc[x->used];
	union igb_rx_desc *wb = &x->wb[x->wb_count];
	struct decided last = { .len = 0 };
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct m82576_frame *f = &frames[i];

		/* 2. Filter: FCS, length, MAC address, VLAN. */
		if (f->flags & M82576_FRAME_BAD_FCS)
			break;
		if (!is_decided(&last, f->data, f->len) && !decide(m, b, f, max, &last))
			break;
		/* 3. Choose a queue: queue 0. 4. Fetch a descriptor: it is fetched. */
		run->to[i] = m82576_dma_ptr(m, &m->rx_tlb, d[i].read.pkt_addr, f->len,
				VFU_DMA_WRITE);
		if (run->to[i] == NULL)
			break;
		__asm__("prefetchw %0" : : "m"(*run->to[i]));
		wb[i] = last.wb;
	}
	run->alike = last.nr == 1;
	return i;
}

/*
 * Write a frame into its buffer. The clients may share memory, so that the rest of a frame may
 * overlap the buffer.
 *
 * @return false: the frame is damaged
 */
static inline bool
put(const struct m82576_frame *f, uint8_t *to)
{
	if (__builtin_expect(f->rest == NULL, 1)) {
		m82576_copy(to, f->data, f->len);
		return true;
	}
	if (vfu_server_dma_poisoned(f->sender))
		return false;
	memcpy(to, f->data, M82576_HEADER);
	memmove(to + M82576_HEADER, f->rest, f->len - M82576_HEADER);
	return !vfu_server_dma_poisoned(f->sender);
}

unsigned int
m82576_rx_run(struct m82576 *m, struct m82576_rx_burst *b, const struct m82576_frame *frames,
		unsigned int n)
{
	const bool lasts = vfu_tlb_lasts(&m->rx_tlb);
	const struct m82576_ring *r = &m->rx_ring[0];
	struct m82576_rxq *x = &m->rxq[0];
	GANTRY_UNINITIALIZED struct run run;
	uint64_t bytes;
	unsigned int i;

	n = run_max(m, x, r, n);
	if (n == 0)
		return 0;
	if (x->wb_count == 0)
		x->wb_first = x->head;
	if (!lasts)
		m82576_rxq_prefetch(m, x, x->used + M82576_PREFETCH);
	/* A pointer that does not last is used at once, for one buffer. */
	n = plan(m, x, b, frames, lasts ? n : 1, &run);
	/* 6. Write the data. */
	for (i = 0; i < n && put(&frames[i], run.to[i]); i++) {
		/* One signal is enough: write nothing more to memory that was truncated. */
		if (__builtin_expect(vfu_server_dma_poisoned(m->server), 0))
			n = i + 1;
	}
	if (i == 0)
		return 0;
	bytes = m82576_stats_rx(m, frames, i, run.alike);
	m82576_rxq_advance(m, x, r, i);
	b->arrived.frames += i;
	b->arrived.bytes += bytes;
	b->good.frames += i;
	b->good.bytes += bytes;
	b->delivered.frames += i;
	b->delivered.bytes += bytes;
	m82576_count(&x->frames, i);
	return i;
}
