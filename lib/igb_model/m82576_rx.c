/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Receive (7.1): from the wire to the driver's buffers.
 *
 *    wire                         receiving thread                        client's memory
 *    frames --> m82576_receive()
 *                 +-> receive() --> m82576_rxq_need() <-- desc[64] <------------- descriptors
 *                       |  filters, RSS
 *                       +-> deliver() -- m82576_dma_put() ---------------> buffers
 *                              +-> wb[64] --> m82576_rxq_write_back() --(release)--> descriptors
 *
 * m82576_receive() first offers the next frames to m82576_rx_run(), which receives plain ones;
 * receive() receives every other.
 *
 * Frames come in bursts, so that a burst pays for registers, statistics and the check of the DMA
 * table once. A frame passes the length and address filters, and gets a queue (by RSS, or queue 0).
 * It then gets as many descriptors as its length needs, or none: a frame that does not fit as a
 * whole is dropped and counted, as on hardware, unless the wire can wait. The device writes the
 * data first. It collects the write-backs of descriptors and writes them at the flush, from the
 * last to the first: the first half of each before the second one, which holds DD, and which is a
 * release store. The numbers in the code are those of LIFE OF A RECEIVED FRAME in m82576.c.
 */

#include <string.h>

#include "m82576_rx.h"
#include "m82576_rx_filter.h"
#include "uninitialized.h"

enum fate { NO_DESC, DELIVERED, DAMAGED };

/* A frame in progress. */
struct rx_frame {
	const uint8_t *data; /* as it shall be in memory, len bytes */
	const uint8_t *rest; /* the bytes behind M82576_HEADER; NULL: they are at data */
	const struct vfu_server *sender; /* whose memory the rest is */
	uint32_t len;
	uint32_t stripped; /* bytes of the VLAN tag that was removed */
	uint32_t staterr;  /* of the advanced format (7.1.5.2) */
	uint32_t rss, rss_type;
	struct m82576_pkt pkt;
};

static void
rxq_open(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r, uint32_t gen)
{
	static const uint16_t bsize[4] = { 2048, 1024, 512, 256 };
	const uint32_t desctype = r->srrctl & IGB_SRRCTL_DESCTYPE_MASK;

	/* deliver() waits for all descriptors of a frame at once. */
	_Static_assert(IGB_MAX_FRAME / 256 < M82576_FETCH, "a frame has more descriptors");
	x->gen = gen;
	x->base = r->base;
	x->count = r->count;
	x->head = x->tail = r->head;
	x->min = ((r->srrctl >> IGB_SRRCTL_RDMTS_SHIFT) & IGB_SRRCTL_RDMTS_MASK) * 16;
	x->drop = r->srrctl & IGB_SRRCTL_DROP_EN;
	x->legacy = desctype == IGB_SRRCTL_DESCTYPE_LEGACY;
	x->always = desctype == IGB_SRRCTL_DESCTYPE_HDR_ALWAYS;
	x->bufsize = (r->srrctl & IGB_SRRCTL_BSIZEPKT_MASK) << IGB_SRRCTL_BSIZEPKT_SHIFT;
	if (x->bufsize == 0)
		x->bufsize = bsize[(m82576_reg(m, IGB_RCTL) >> IGB_RCTL_BSIZE_SHIFT) & 3];
	x->hdrsize = ((r->srrctl & IGB_SRRCTL_BSIZEHDR_MASK) >> IGB_SRRCTL_BSIZEHDR_SHIFT) * 64;
	x->split = x->hdrsize != 0 && (x->always || desctype == IGB_SRRCTL_DESCTYPE_HDR_SPLIT);
	x->dead = x->low = false;
	x->bad_tail = UINT32_MAX;
	x->fetched = x->used = x->wb_count = 0;
	m82576_dma_cancel(m, &x->read);
	if (x->count == 0)
		m82576_ring_unusable(m, r);
}

/* Return the number of buffers for len bytes, at least one. */
static inline uint32_t
buffers(const struct m82576_rxq *x, uint32_t len)
{
	return len <= x->bufsize ? 1 : (len + x->bufsize - 1) / x->bufsize;
}

/* Fill in the write-back of one descriptor, whose buffer has "part" bytes of the frame. */
static inline void
fill_in(const struct m82576_rxq *x, const struct rx_frame *f, const union igb_rx_desc *d,
		uint32_t part, uint32_t st, union igb_rx_desc *wb)
{
	if (!x->legacy) {
		wb->wb.pkt_info = (uint16_t)(f->rss_type | f->pkt.ptype << IGB_RXD_PTYPE_SHIFT);
		wb->wb.hdr_info = 0;
		wb->wb.rss = f->rss;
		wb->wb.staterr = st | IGB_RXD_STAT_DD;
		wb->wb.length = (uint16_t)part;
		wb->wb.vlan = f->pkt.tci;
		return;
	}
	/* Status and errors have one byte each, with the same bits in other places (7.1.5.1). */
	wb->legacy.addr = d->legacy.addr;
	wb->legacy.length = (uint16_t)part;
	wb->legacy.csum = (uint16_t)(f->rss >> 16);
	wb->legacy.status = (uint8_t)(st | IGB_RXD_STAT_DD);
	wb->legacy.errors = (uint8_t)((st & IGB_RXD_ERR_L4E ? IGB_RXD_LEG_ERR_TCPE : 0) |
			(st & IGB_RXD_ERR_IPE ? IGB_RXD_LEG_ERR_IPE : 0) |
			(st & IGB_RXD_ERR_RXE ? IGB_RXD_LEG_ERR_RXE : 0));
	wb->legacy.vlan = f->pkt.tci;
}

/*
 * Report a frame whose buffer met a DMA fault. As on hardware, the write-back goes on as if nothing
 * had happened. A length of 0 would be a better report, but Linux's driver takes it for "not
 * written back yet" and waits for ever. Linux's driver drops a frame with RXE, as gantry's does.
 */
static void
report_lost(struct m82576 *m, const struct m82576_rxq *x, const struct m82576_ring *r,
		union igb_rx_desc *wb, uint32_t n)
{
	m82576_log_dma(m, M82576_DMA_BUFFER,
			"receive queue %u, descriptor %u, a buffer of %u bytes: "
			"frame lost, reported with RXE",
			r->index, x->head, x->bufsize);
	for (; n > 0; n--, wb++) {
		if (x->legacy)
			wb->legacy.errors = IGB_RXD_LEG_ERR_RXE;
		else
			wb->wb.staterr |= IGB_RXD_ERR_RXE;
	}
}

/*
 * Write a piece of the rest of a frame to memory. The clients may share memory, so that the two
 * buffers may overlap.
 *
 * @return false: DMA fault
 */
static bool
put_rest(struct m82576 *m, uint64_t addr, const uint8_t *rest, uint32_t len)
{
	void *p = m82576_dma_ptr(m, &m->rx_tlb, addr, len, VFU_DMA_WRITE);

	if (__builtin_expect(p == NULL, 0)) {
		memcpy(m->whole, rest, len);
		return vfu_dma_write(m->server, addr, m->whole, len) == 0;
	}
	memmove(p, rest, len);
	return true;
}

/*
 * Write a part of a frame to memory.
 *
 * @return false: DMA fault
 */
static inline bool
put_part(struct m82576 *m, uint64_t addr, const struct rx_frame *f, uint32_t off, uint32_t len)
{
	uint32_t n = len, header; /* bytes of the header in this part; from off on */
	bool ok = true;

	if (f->rest != NULL) {
		header = off < M82576_HEADER ? M82576_HEADER - off : 0;
		n = len < header ? len : header;
	}
	if (n != 0)
		ok = m82576_dma_put(m, &m->rx_tlb, addr, f->data + off, n);
	if (ok && n != len)
		ok = put_rest(m, addr + n, f->rest + (off + n - M82576_HEADER), len - n);
	return ok;
}

/* Return whether a frame goes as it is into the buffer of one descriptor: the usual case. */
static inline bool
is_plain(const struct m82576_rxq *x, const struct rx_frame *f)
{
	return !x->split && !x->legacy && f->rest == NULL && f->len <= x->bufsize;
}

/* Write a plain frame, for which there is a descriptor, as deliver() does. */
static inline void
deliver_plain(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r,
		const struct rx_frame *f)
{
	const union igb_rx_desc *d = &x->desc[x->used];
	union igb_rx_desc *wb;

	if (x->wb_count == M82576_WB_BATCH)
		m82576_rxq_write_back(m, x, r);
	if (x->wb_count == 0)
		x->wb_first = x->head;
	m82576_rxq_prefetch(m, x, x->used + M82576_PREFETCH);
	wb = &x->wb[x->wb_count];
	fill_in(x, f, d, f->len, f->staterr | IGB_RXD_STAT_EOP, wb);
	if (!m82576_dma_put(m, &m->rx_tlb, d->read.pkt_addr, f->data, f->len))
		report_lost(m, x, r, wb, 1);
	m82576_rxq_advance(m, x, r, 1);
}

/*
 * Write a frame to the buffers of one queue. A frame that turns out damaged leaves the descriptors
 * as they are.
 */
static enum fate
deliver(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r,
		const struct rx_frame *f)
{
	const struct m82576_split split = x->split ?
			m82576_rx_split(x, &f->pkt, f->stripped, f->len) :
			(struct m82576_split){ 0 };
	uint32_t n = buffers(x, f->len - split.bytes), i, part, off = split.bytes;
	union igb_rx_desc *wb;
	bool ok = true;

	if (!m82576_rxq_need(m, x, r, n))
		return NO_DESC;
	if (x->wb_count + n > M82576_WB_BATCH)
		m82576_rxq_write_back(m, x, r);
	if (x->wb_count == 0)
		x->wb_first = x->head;
	m82576_rxq_prefetch(m, x, x->used + M82576_PREFETCH);
	wb = &x->wb[x->wb_count];
	for (i = 0; i < n; i++, off += part) {
		const union igb_rx_desc *d = &x->desc[x->used + i];

		part = f->len - off < x->bufsize ? f->len - off : x->bufsize;
		if (i == 0 && !put_part(m, d->read.hdr_addr & ~1ull, f, 0, split.bytes))
			ok = false;
		if (!put_part(m, d->read.pkt_addr, f, off, part))
			ok = false;
		fill_in(x, f, d, part, i + 1 == n ? f->staterr | IGB_RXD_STAT_EOP : 0, &wb[i]);
	}
	if (x->split) {
		wb->wb.hdr_info = (split.len << IGB_RXD_HDR_LEN_SHIFT & IGB_RXD_HDR_LEN_MASK) |
				(split.sph ? IGB_RXD_SPH : 0);
		wb->wb.staterr |= split.hbo ? IGB_RXD_ERR_HBO : 0;
	}
	if (f->rest != NULL && vfu_server_dma_poisoned(f->sender))
		return DAMAGED;
	if (!ok)
		report_lost(m, x, r, wb, n);
	m82576_rxq_advance(m, x, r, n);
	return DELIVERED;
}

static inline void
add(struct m82576_sum *sum, uint32_t len)
{
	sum->frames++;
	sum->bytes += len;
}

/* Count a frame that is dropped because it is bad. Return false. */
static bool
bad(struct m82576 *m, struct m82576_rx_burst *b, uint32_t stat, uint32_t len)
{
	add(&b->arrived, len);
	m82576_count(&m->rxc.stat[M82576_STAT(stat)], 1);
	m82576_count(&m->rxc.bad, 1);
	return false;
}

/* Count a frame that is for another address or VLAN. Return false. */
static bool
filtered(struct m82576 *m, struct m82576_rx_burst *b, uint32_t len)
{
	add(&b->arrived, len);
	m82576_count(&m->rxc.filtered, 1);
	return false;
}

/*
 * Filter a frame, and parse its headers.
 *
 * @return false: it is dropped, and counted
 */
static bool
passes(struct m82576 *m, struct m82576_rx_burst *b, const struct m82576_frame *frame,
		struct rx_frame *f)
{
	uint32_t len = frame->len;
	enum m82576_verdict v;

	f->staterr = 0;
	if (frame->flags & M82576_FRAME_BAD_FCS) {
		if (!(b->rctl & IGB_RCTL_SBP) || len < M82576_MIN_FRAME ||
				len > IGB_MAX_FRAME - M82576_FCS_LEN)
			return bad(m, b, IGB_CRCERRS, len);
		f->staterr = IGB_RXD_ERR_RXE;
	}
	if (len < M82576_MIN_FRAME)
		return bad(m, b, IGB_RUC, len);
	if (len > IGB_MAX_FRAME - M82576_FCS_LEN)
		return bad(m, b, IGB_ROC, len);
	v = m82576_address_passes(m, b->rctl, frame->data);
	if (v == M82576_REJECT)
		return filtered(m, b, len);
	m82576_parse(m, frame->data, frame->rest != NULL ? M82576_HEADER : len, len, &f->pkt);
	if (!m82576_vlan_passes(m, b->rctl, &f->pkt))
		return filtered(m, b, len);
	if (!m82576_length_passes(m, b->rctl, &f->pkt))
		return bad(m, b, IGB_ROC, len);
	if (v == M82576_INEXACT)
		f->staterr |= IGB_RXD_STAT_PIF;
	return true;
}

/* Return the queue of a frame: by the RSS hash, or queue 0. */
static inline unsigned int
choose_queue(const struct m82576 *m, const struct m82576_rx_burst *b,
		const struct m82576_frame *frame, struct rx_frame *f)
{
	/* The entries of RETA, one byte each. */
	const uint8_t *reta = (const uint8_t *)&m->reg[IGB_RETA(0) / 4];

	f->rss = 0;
	f->rss_type = IGB_RXD_RSS_NONE;
	if (!b->rss)
		return 0;
	f->rss = m82576_rss_hash(m, frame->data, &f->pkt, &f->rss_type);
	if (f->rss_type == IGB_RXD_RSS_NONE)
		return 0;
	return __atomic_load_n(&reta[f->rss % IGB_NUM_RETA], __ATOMIC_RELAXED) & 0xF;
}

/* Return whether the device must read all of a frame, and not only its header. */
static inline bool
needs_all(const struct m82576_rx_burst *b, const struct m82576_pkt *pkt)
{
	return pkt->cut || !(b->rctl & IGB_RCTL_SECRC) || !(b->rxcsum & IGB_RXCSUM_PCSD) ||
			(pkt->l4 != 0 && b->rxcsum & (IGB_RXCSUM_TUOFL | IGB_RXCSUM_CRCOFL)) ||
			(pkt->tagged && b->strip);
}

/*
 * Copy a frame with a rest into memory of the device.
 *
 * @return false: it is damaged
 */
static bool
gather(struct m82576 *m, const struct m82576_frame *frame, struct m82576_frame *all)
{
	memcpy(m->whole, frame->data, M82576_HEADER);
	memcpy(m->whole + M82576_HEADER, frame->rest, frame->len - M82576_HEADER);
	*all = (struct m82576_frame){ .data = m->whole, .len = frame->len, .flags = frame->flags };
	return !vfu_server_dma_poisoned(frame->sender);
}

/* Verify checksums, strip the VLAN tag, append the FCS. */
static void
finish(struct m82576 *m, const struct m82576_rx_burst *b, const struct m82576_frame *frame,
		struct rx_frame *f)
{
	const uint8_t *data = frame->data;
	uint32_t len = frame->len, at, fcs;

	f->data = data;
	f->rest = frame->rest;
	f->sender = frame->sender;
	f->len = len;
	f->stripped = 0;
	if (b->rxcsum & (IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL | IGB_RXCSUM_CRCOFL))
		f->staterr |= m82576_rx_verify(b->rxcsum, data, &f->pkt);
	if (!(b->rxcsum & IGB_RXCSUM_PCSD)) {
		f->rss = m82576_rx_fragment(b->rxcsum, data, &f->pkt, &f->staterr);
		f->rss_type = IGB_RXD_RSS_NONE; /* there is no hash to describe */
	}
	if (f->pkt.outer_tagged)
		f->staterr |= IGB_RXD_STAT_VEXT;
	if (f->pkt.tagged && b->strip) {
		f->staterr |= IGB_RXD_STAT_VP;
		f->stripped = M82576_VLAN_TAG_LEN;
	} else {
		f->pkt.tci = 0;
		if (b->rctl & IGB_RCTL_SECRC)
			return;
	}
	at = f->stripped != 0 ? f->pkt.vlan_off : len;
	memcpy(m->in, data, at);
	memcpy(m->in + at, data + at + f->stripped, len - at - f->stripped);
	f->data = m->in;
	f->len = len - f->stripped;
	if (b->rctl & IGB_RCTL_SECRC)
		return;
	fcs = m82576_fcs(data, len);
	if (frame->flags & M82576_FRAME_BAD_FCS)
		fcs = ~fcs;
	memcpy(m->in + f->len, &fcs, M82576_FCS_LEN);
	f->len += M82576_FCS_LEN;
}

/*
 * Count a frame that found too few descriptors.
 *
 * @return whether the MAC has received it successfully: it was dropped behind the packet buffer
 */
static bool
count_no_desc(struct m82576 *m, struct m82576_rxq *x, unsigned int q)
{
	struct m82576_counters *c = &m->rxc;

	m82576_count(&c->no_desc, 1);
	m82576_count(&x->no_desc, 1);
	if (x->drop) {
		m82576_count(&c->rqdpc[q], 1);
		return true;
	}
	/* Hardware keeps frames in its packet buffer, which then overflows. */
	m82576_count(&c->stat[M82576_STAT(IGB_RNBC)], 1);
	m82576_count(&c->stat[M82576_STAT(IGB_MPC)], 1);
	m->rx_causes |= IGB_ICR_RXO;
	return false;
}

/*
 * Receive one frame of a burst.
 *
 * @return false: not taken, because it can wait for descriptors
 */
static bool
receive(struct m82576 *m, struct m82576_rx_burst *b, const struct m82576_frame *frame, bool wait)
{
	enum fate fate = NO_DESC;
	struct m82576_frame all;
	struct m82576_ring *r;
	struct m82576_rxq *x;
	GANTRY_UNINITIALIZED struct rx_frame f;
	unsigned int q;
	uint32_t gen;

	/* 2. Filter: FCS, length, MAC address, VLAN. */
	if (!passes(m, b, frame, &f))
		return true;
	/* One signal is enough: read nothing more of memory that was truncated. */
	if (frame->rest != NULL && vfu_server_dma_poisoned(frame->sender)) {
		bad(m, b, IGB_CRCERRS, frame->len);
		return true;
	}
	if (frame->rest != NULL && needs_all(b, &f.pkt)) {
		if (!gather(m, frame, &all)) {
			bad(m, b, IGB_CRCERRS, frame->len);
			return true;
		}
		frame = &all;
		m82576_parse(m, frame->data, frame->len, frame->len, &f.pkt);
	}
	/* 3. Choose a queue. */
	q = choose_queue(m, b, frame, &f);
	r = &m->rx_ring[q];
	x = &m->rxq[q];
	gen = m82576_ld_acq(&r->gen);
	if (!(gen & 1)) {
		__atomic_fetch_add(&m->rxc.off, 1, __ATOMIC_RELAXED);
		return true;
	}
	if (__builtin_expect(x->gen != gen, 0))
		rxq_open(m, x, r, gen);
	/* 4. Fetch a descriptor: before the work of checksums, check whether there is one. */
	if (!x->dead && x->count != 0 && !m->rx_busy && m82576_rxq_need(m, x, r, 1)) {
		/* 5. Verify checksums, strip the VLAN tag, append the FCS. */
		finish(m, b, frame, &f);
		/* 6. Write the data, and fill in the write-backs. */
		if (is_plain(x, &f)) {
			deliver_plain(m, x, r, &f);
			fate = DELIVERED;
		} else {
			fate = deliver(m, x, r, &f);
		}
	}
	if (fate == DAMAGED) {
		bad(m, b, IGB_CRCERRS, frame->len);
		return true;
	}
	if (fate == NO_DESC && wait && !x->dead &&
			buffers(x, frame->len + M82576_FCS_LEN) < x->count)
		return false;
	add(&b->arrived, frame->len);
	if (fate == NO_DESC && !count_no_desc(m, x, q))
		return true;
	if (frame->flags & M82576_FRAME_BAD_FCS) {
		m82576_count(&m->rxc.stat[M82576_STAT(IGB_CRCERRS)], 1);
	} else {
		add(&b->good, frame->len);
		m82576_stats_rx(m, frame, 1, true);
	}
	if (fate == DELIVERED) {
		add(&b->delivered, frame->len);
		m82576_count(&x->frames, 1);
	}
	return true;
}

/* One signal is enough: translate nothing more of memory that was truncated. */
static inline void
forget_truncated(struct m82576 *m)
{
	if (__builtin_expect(vfu_server_dma_poisoned(m->server), 0))
		vfu_tlb_begin(&m->rx_tlb, m->server);
}

/* Receive plain frames, up to the first that is not plain. Return their number. */
static unsigned int
runs(struct m82576 *m, struct m82576_rx_burst *b, const struct m82576_frame *frames, unsigned int n)
{
	unsigned int i, got;

	for (i = 0; i < n; i += got) {
		got = m82576_rx_run(m, b, &frames[i], n - i);
		if (got == 0)
			break;
		forget_truncated(m);
	}
	return i;
}

unsigned int
m82576_receive(struct m82576 *m, const struct m82576_frame *frames, unsigned int n, bool wait)
{
	struct m82576_rx_burst b = {
		.rctl = m82576_reg(m, IGB_RCTL),
		.rxcsum = m82576_reg(m, IGB_RXCSUM),
		.rss = (m82576_reg(m, IGB_MRQC) & IGB_MRQC_ENABLE_MASK) == IGB_MRQC_ENABLE_RSS,
		.strip = m82576_reg(m, IGB_CTRL) & IGB_CTRL_VME,
		.vet = (uint16_t)m82576_reg(m, IGB_VET),
	};
	unsigned int i = 0;

	b.run_longest = m82576_rx_run_longest(m, &b);
	vfu_tlb_begin(&m->rx_tlb, m->server);
	for (;; i++) {
		if (b.run_longest != 0)
			i += runs(m, &b, &frames[i], n - i);
		if (i == n || !receive(m, &b, &frames[i], wait))
			break;
		forget_truncated(m);
	}
	m82576_stats_received(m, &b.arrived, &b.good, &b.delivered);
	if (i < n) {
		/* Finished frames must not wait together with this one. */
		m82576_intr_flush(true);
		m82576_receive_flush(m);
		m82576_intr_flush(false);
	}
	return i;
}

unsigned int
m82576_rx(struct m82576 *m, const struct m82576_frame *frames, unsigned int n, bool wait)
{
	/* 1. Check the gates. */
	if ((m82576_ld_acq(&m->gates) & M82576_GATES_RX) != M82576_GATES_RX) {
		__atomic_fetch_add(&m->rxc.off, n, __ATOMIC_RELAXED);
		return n;
	}
	return m82576_receive(m, frames, n, wait);
}

/*
 * Fetch, before a frame needs them, descriptors that take a message to the client, as the
 * hardware's cache does. A frame that arrives before its descriptors is dropped.
 */
static void
read_ahead(struct m82576 *m)
{
	uint32_t enabled = m82576_ld_acq(&m->rx_enabled), avail;

	vfu_tlb_begin(&m->rx_tlb, m->server);
	while (enabled != 0) {
		unsigned int q = (unsigned int)__builtin_ctz(enabled);
		const struct m82576_ring *r = &m->rx_ring[q];
		struct m82576_rxq *x = &m->rxq[q];
		uint32_t gen = m82576_ld_acq(&r->gen);

		enabled &= enabled - 1;
		if (!(gen & 1))
			continue;
		if (x->gen != gen)
			rxq_open(m, x, r, gen);
		if (x->dead || x->count == 0)
			continue;
		avail = m82576_rxq_available(m, x, r);
		m82576_rxq_need(m, x, r, avail < M82576_FETCH / 2 ? avail : M82576_FETCH / 2);
	}
}

void
m82576_receive_flush(struct m82576 *m)
{
	uint32_t dirty = m->rx_dirty, reported = 0, causes = m->rx_causes;

	/* After a gate has closed, held-back write-backs wait, or a reset drops them. */
	if ((m82576_ld_acq(&m->gates) & M82576_GATES_DMA) != M82576_GATES_DMA)
		return;
	if (__builtin_expect(vfu_dma_by_message(m->server), 0)) {
		if (m82576_ld(&m->gates) & M82576_GATE_RXEN)
			read_ahead(m);
		m->rx_busy = vfu_dma_busy(m->server);
		if (m->rx_busy)
			return;
	} else {
		m->rx_busy = false;
	}
	/* 7. Write back, move the heads, raise interrupts. */
	if (dirty != 0)
		vfu_tlb_begin(&m->rx_tlb, m->server);
	m->rx_dirty = 0;
	m->rx_causes = 0;
	while (dirty != 0) {
		unsigned int q = (unsigned int)__builtin_ctz(dirty);
		struct m82576_ring *r = &m->rx_ring[q];
		struct m82576_rxq *x = &m->rxq[q];

		dirty &= dirty - 1;
		/* Disabled in the meantime: the old ring no longer belongs to the device. */
		if (m82576_ld_acq(&r->gen) != x->gen)
			continue;
		m82576_rxq_write_back(m, x, r);
		m82576_st(&r->reg[IGB_Q_HEAD / 4], x->head);
		reported |= 1u << q;
		/*
		 * The minimum threshold, in units of 16 descriptors (8.10.2): reported when it is
		 * crossed.
		 */
		if (x->min != 0) {
			bool low = m82576_rxq_available(m, x, r) < x->min;

			if (low && !x->low) {
				m82576_count(&m->rxc.stat[M82576_STAT(IGB_RXDMTC)], 1);
				causes |= IGB_ICR_RXDMT0;
			}
			x->low = low;
		}
	}
	for (dirty = m82576_hints_due(&m->rx_hints, reported); dirty != 0; dirty &= dirty - 1) {
		unsigned int q = (unsigned int)__builtin_ctz(dirty);

		if (m82576_ld_acq(&m->rx_ring[q].gen) == m->rxq[q].gen)
			m82576_st(m->rx_ring[q].head_hint, m->rxq[q].head);
	}
	if (reported != 0)
		m82576_intr_queues(m, reported, false);
	if (causes != 0)
		m82576_intr_other(m, causes);
}

void
m82576_rx_flush(struct m82576 *m)
{
	m82576_intr_flush(true);
	if (m82576_ld_acq(&m->gates) & M82576_GATE_WIRE)
		m82576_receive_flush(m);
	if (__builtin_expect(m82576_ld(&m->intr_pending), 0))
		m82576_intr_fire(m);
	m82576_intr_flush(false);
}
