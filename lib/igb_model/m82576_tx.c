/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Transmit (7.2): from the doorbell to the wire.
 *
 *    client's memory                  transmitting thread                          wire
 *    tail --(acquire)--> m82576_txq_fetch() --> desc[64]
 *    descriptors ----------------^            |
 *    buffers ------------------> m82576_tx_run() --> staging ---------------------> frames
 *            ----------------------> txq_data() --> staging --> m82576_tx_prepare() --> frames
 *    descriptors <-- m82576_txq_write_back() <-- wb[64] <-- m82576_txq_report()
 *
 * The wire takes frames in bursts. The thread fetches up to M82576_FETCH descriptors and copies the
 * buffers of each frame together; the frames of a burst are one behind the other in the staging
 * memory of their queue. The rest of a long frame stays in the client's buffer until the receiver
 * copies it (txq_leave_rest()).
 *
 * A frame whose end the driver has not posted yet remains as it is, and another queue has its turn.
 * m82576_tx_run() (m82576_tx_run.c) makes the frames that need nothing but a copy, which are most.
 * txq_frame() makes all others, a descriptor at a time.
 *
 * A bad frame (a buffer that is not mapped, a frame that is too long, a context that was never
 * given) is dropped up to its end (EOP), and its descriptors are reported done all the same, so
 * that the driver gets its buffers back.
 *
 * The device holds the write-backs of descriptors with RS back until the flush, M82576_WB_BATCH of
 * them at most: m82576_txq_report() writes those before it holds another. Queues take turns after
 * M82576_TX_QUANTUM frames. The numbers in the code are those of LIFE OF A TRANSMITTED FRAME in
 * m82576.c.
 *
 * The polling thread has other ports to serve, whatever a driver posts: for example descriptors
 * without a frame, or frames that are gathered and then turn out bad. So the work between two
 * flushes is bounded in descriptors, in bytes and in time. A port that has used up its budget gets
 * no frame until the next flush, and then begins with the next queue. Time counts because the
 * driver decides the cost of a descriptor: a page of its memory that is not present is a page fault
 * of this thread. A descriptor or a buffer that takes a message to the client is requested, and its
 * queue has no frame until the data has arrived.
 */

#include <string.h>

#include "m82576_tx.h"

static inline bool
is_full(const struct m82576_tx_burst *b)
{
	return b->n == b->max || b->left < 0;
}

static void
txq_open(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r, uint32_t gen)
{
	t->gen = gen;
	t->base = r->base;
	t->count = r->count;
	t->head = t->tail = r->head;
	t->head_wb = r->head_wb;
	t->dead = t->skip = t->started = t->tso = false;
	t->bad_tail = UINT32_MAX;
	t->fetched = t->used = t->wb_count = 0;
	t->len = 0;
	m82576_dma_cancel(m, &t->read);
	memset(t->ctx_valid, 0, sizeof(t->ctx_valid));
	if (t->count == 0)
		m82576_ring_unusable(m, r);
}

static void
txq_bad(struct m82576 *m, struct m82576_txq *t)
{
	t->skip = true;
	t->len = 0;
}

static void
txq_context(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		const union igb_tx_desc *d)
{
	uint32_t idx = (d->ctx.mss_l4len_idx >> IGB_TXD_IDX_SHIFT) & IGB_TXD_IDX_MASK;

	if (idx >= IGB_TX_CONTEXTS || t->started) {
		m82576_count(&m->txc.bad, 1);
		m82576_log_once(m, M82576_LOG_TXD, "transmit queue %u: %s: ignored", r->index,
				t->started ? "a context descriptor in the middle of a frame" :
					     "a context descriptor for another context than 0 and "
					     "1");
		return;
	}
	t->ctx[idx].vlan_macip_lens = d->ctx.vlan_macip_lens;
	t->ctx[idx].type_tucmd = d->ctx.type_tucmd;
	t->ctx[idx].mss_l4len_idx = d->ctx.mss_l4len_idx;
	t->ctx_valid[idx] = true;
}

/*
 * Leave the rest of a frame where it is, and copy its header only. That is possible for a frame of
 * one buffer of which the device computes nothing, if a pointer to it lasts until the frame is with
 * its receiver.
 */
static bool
txq_leave_rest(struct m82576 *m, struct m82576_txq *t, const union igb_tx_desc *d)
{
	const uint32_t cmd = d->data.cmd_type_len, len = cmd & IGB_TXD_DTALEN_MASK;
	const uint8_t *p;

	if (!m->tx_rest || len < M82576_REST_MIN || t->len != 0 || !(cmd & IGB_TXD_EOP) ||
			t->is_legacy || !(t->cmd & IGB_TXD_IFCS) || m82576_tx_needs_context(t) ||
			!vfu_tlb_lasts(&m->tx_tlb))
		return false;
	p = m82576_dma_ptr(m, &m->tx_tlb, d->data.addr, len, VFU_DMA_READ);
	if (p == NULL)
		return false;
	memcpy(m82576_tx_gathered(t), p, M82576_HEADER);
	t->rest = p + M82576_HEADER;
	t->has_rests = true;
	return true;
}

/*
 * Gather the buffer of one data descriptor.
 *
 * @return false: the buffer was requested from the client; call again with the same descriptor
 */
static bool
txq_data(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		const union igb_tx_desc *d)
{
	uint32_t cmd = d->data.cmd_type_len, len = cmd & IGB_TXD_DTALEN_MASK, max;
	int ret;

	if (!t->started) {
		t->started = true;
		t->skip = false;
		t->len = 0;
		t->rest = NULL;
		t->cmd = cmd;
		t->olinfo = d->data.olinfo;
		t->is_legacy = !(cmd & IGB_TXD_DEXT);
		t->legacy = *d;
		if (m82576_tx_needs_context(t) && !m82576_tx_start(m, t))
			txq_bad(m, t);
	}
	if (!t->skip && t->is_legacy == !!(cmd & IGB_TXD_DEXT)) {
		m82576_log_once(m, M82576_LOG_TXD,
				"transmit queue %u: a frame of legacy and advanced "
				"descriptors mixed: dropped",
				r->index);
		txq_bad(m, t);
	}
	if (!t->skip && len != 0) {
		max = m82576_tx_is_tso(t) ? M82576_STAGING - 2 * M82576_HEADROOM : IGB_MAX_FRAME;
		if (t->len + len > max) {
			m82576_log_once(m, M82576_LOG_SIZE,
					"transmit queue %u: a frame of more than %u bytes: "
					"dropped",
					r->index, max);
			txq_bad(m, t);
			return true;
		}
		ret = txq_leave_rest(m, t, d) ?
				0 :
				m82576_dma_get(m, &m->tx_tlb, &t->read, d->data.addr,
						m82576_tx_gathered(t) + t->len, len);
		if (ret == -EAGAIN)
			return false;
		if (ret != 0) {
			m82576_log_dma(m, M82576_DMA_BUFFER,
					"transmit queue %u, descriptor %u, a buffer of %u bytes at "
					"0x%lx: frame dropped",
					r->index, t->head, len, (unsigned long)d->data.addr);
			txq_bad(m, t);
			return true;
		}
		t->len += len;
		m->tx_bytes += len;
	}
	return true;
}

/*
 * Count a frame that is dropped. Its descriptors are reported done as those of any other frame, so
 * that a driver learns of the loss from HTDPMC only.
 */
static void
tx_discard(struct m82576 *m)
{
	m82576_count(&m->txc.bad, 1);
	m82576_count(&m->txc.stat[M82576_STAT(IGB_HTDPMC)], 1);
}

/*
 * End the frame at its last descriptor.
 *
 * @return true: the frame is good so far
 */
static bool
txq_end(struct m82576 *m, struct m82576_txq *t)
{
	t->started = false;
	if (t->skip)
		tx_discard(m);
	return !t->skip;
}

/*
 * Return whether a data descriptor must wait for the next burst: the first of a frame if the
 * staging memory is full, each of a frame that will be cut if there is no room for a segment, which
 * another queue may have taken since the first. A frame that will be cut fills the staging memory
 * alone.
 */
static bool
must_wait(const struct m82576 *m, const struct m82576_txq *t, uint32_t cmd)
{
	if (t->started)
		return m82576_tx_is_tso(t) && !m82576_tx_out_has_room(m);
	if (cmd & IGB_TXD_DEXT && cmd & IGB_TXD_TSE)
		return t->at != 0 || !m82576_tx_out_has_room(m);
	return t->at + M82576_HEADROOM + IGB_MAX_FRAME > M82576_STAGING;
}

/*
 * Return whether the queue must report nothing more in this burst: some buffers have not been
 * copied yet, so that the write-backs that are held back must not be written.
 */
static inline bool
must_hold_back(const struct m82576_txq *t)
{
	return t->has_rests && t->wb_count == M82576_WB_BATCH;
}

/* Keep a frame in the staging memory until the burst is over. There is room for its rest. */
static inline void
txq_keep(const struct m82576 *m, struct m82576_txq *t, struct m82576_frame *frame)
{
	uint32_t end = (uint32_t)(frame->data + frame->len - t->staging);

	frame->rest = t->rest;
	frame->sender = m->server;
	t->at = (end + M82576_CACHE_LINE - 1) & ~(M82576_CACHE_LINE - 1u);
}

/*
 * Apply the offloads of a frame that is complete.
 *
 * @return false: the frame is bad
 */
static inline bool
txq_finish(struct m82576 *m, struct m82576_txq *t, struct m82576_frame *frame)
{
	if (m82576_tx_is_plain(t)) {
		frame->data = m82576_tx_gathered(t);
		frame->len = t->len;
		frame->flags = 0;
	} else if (!m82576_tx_prepare(m, t, frame)) {
		return false;
	}
	if (!m82576_tx_is_tso(t))
		txq_keep(m, t, frame);
	return true;
}

static void
txq_unknown(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r, uint32_t index,
		uint32_t cmd)
{
	m82576_log_once(m, M82576_LOG_TXD,
			"transmit queue %u: descriptor %u is of type %u, "
			"which an 82576 does not know: ignored",
			r->index, index, M82576_TXD_DTYP(cmd) >> 20);
	m82576_count(&m->txc.bad, 1);
	if (t->started)
		txq_bad(m, t);
}

/*
 * Make the next frame of one queue.
 *
 * @return false: there is none, or it must wait for the next burst
 */
static bool
txq_frame(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		struct m82576_frame *frame)
{
	const union igb_tx_desc *d;
	uint32_t cmd, index;

	if (t->tso) {
		if (!m82576_tx_out_has_room(m))
			return false;
		if (m82576_tx_segment(m, t, frame))
			return true;
		t->tso = false;
	}
	while (m82576_tx_within_budget(m) && !must_hold_back(t)) {
		/* 2. Fetch descriptors. */
		if (t->used == t->fetched && !m82576_txq_fetch(m, t, r))
			return false;
		if (m->tx_descs == 0)
			m->tx_began = m82576_about_now();
		d = &t->desc[t->used];
		m82576_txq_prefetch(m, t, t->used + 1 + M82576_PREFETCH);
		cmd = d->data.cmd_type_len;
		/* 3. Gather the buffer. */
		if (m82576_txd_is_data(cmd) && (must_wait(m, t, cmd) || !txq_data(m, t, r, d)))
			return false;
		index = t->head;
		m82576_txq_advance(m, t, r, 1);
		if (cmd & IGB_TXD_RS)
			m82576_txq_report(m, t, r, index, d);
		if (m82576_txd_is_data(cmd)) {
			if (!(cmd & IGB_TXD_EOP) || !txq_end(m, t))
				continue;
			/* 4. Apply offloads. */
			if (txq_finish(m, t, frame))
				return true;
			tx_discard(m);
		} else if (M82576_TXD_DTYP(cmd) == IGB_TXD_DTYP_CTXT) {
			txq_context(m, t, r, d);
		} else {
			txq_unknown(m, t, r, index, cmd);
		}
	}
	return false;
}

/*
 * Fill the staging memory from its beginning again, because the frames of former bursts are no
 * longer in use. A frame that is not complete moves there. One that is being cut is there already.
 */
static void
txq_rewind(struct m82576_txq *t, uint32_t burst)
{
	if (t->at != 0 && t->started && t->len != 0)
		memmove(t->staging + M82576_HEADROOM, m82576_tx_gathered(t), t->len);
	t->at = 0;
	t->burst = burst;
	t->has_rests = false;
}

/*
 * Make frames of one queue, until its turn is over.
 *
 * @return their number
 */
static unsigned int
txq_frames(struct m82576 *m, unsigned int q, struct m82576_tx_burst *b)
{
	struct m82576_ring *r = &m->tx_ring[q];
	struct m82576_txq *t = &m->txq[q];
	uint32_t gen = m82576_ld_acq(&r->gen);
	unsigned int first = b->n;

	if (!(gen & 1))
		return 0;
	if (__builtin_expect(t->gen != gen, 0))
		txq_open(m, t, r, gen);
	if (t->used == t->fetched && !t->tso && m82576_ld(r->tail) == t->head)
		return 0; /* idle: the usual case of most of 16 queues */
	if (t->dead || t->count == 0)
		return 0;
	if (t->burst != m->tx_burst)
		txq_rewind(t, m->tx_burst);
	while (!is_full(b) && m->tx_quantum < b->turn) {
		struct m82576_frame *frame = &b->frames[b->n];

		if (m82576_tx_run(m, t, r, b) != 0)
			continue;
		if (!txq_frame(m, t, r, frame))
			break;
		b->differ = 1;
		b->n++;
		b->left -= m82576_wire_bytes(frame->len);
		m->tx_quantum++;
	}
	m82576_count(&t->frames, b->n - first);
	return b->n - first;
}

/* Return the queue whose turn is after that of q. */
static unsigned int
queue_after(uint32_t enabled, unsigned int q)
{
	uint32_t after = enabled & ~1u << q;

	return (unsigned int)__builtin_ctz(after != 0 ? after : enabled);
}

static unsigned int
next_frames(struct m82576 *m, struct m82576_frame *frames, unsigned int n, uint32_t bytes)
{
	struct m82576_tx_burst b = { .frames = frames,
		.max = n,
		.turn = M82576_TX_QUANTUM,
		.left = bytes };
	uint32_t enabled = m82576_ld_acq(&m->tx_enabled);
	uint32_t idle = 0; /* queues that had no frame, one bit each, since the last frame */
	unsigned int q = m->tx_next;

	if (enabled == 0 || m->tx_busy || n == 0)
		return 0;
	vfu_tlb_begin(&m->tx_tlb, m->server);
	m->tx_burst++;
	m->out_used = 0;
	/* 1. Choose a queue, until the burst is full or no queue has a frame. */
	if ((enabled & (enabled - 1)) == 0) {
		b.turn = n; /* nobody waits for this turn to end */
		m->tx_quantum = 0;
	}
	if (!(enabled & 1u << q) || m->tx_quantum >= b.turn) {
		q = queue_after(enabled, q);
		m->tx_quantum = 0;
	}
	for (;;) {
		if (txq_frames(m, q, &b) != 0)
			idle = 0;
		if (is_full(&b))
			break;
		if (m->tx_quantum < b.turn)
			idle |= 1u << q;
		q = queue_after(enabled, q);
		m->tx_quantum = 0;
		if (idle == enabled) {
			/* Another queue is the first to use the next budget. */
			q = queue_after(enabled, q);
			break;
		}
	}
	m->tx_next = q;
	/* Memory that the client truncated reads as zeros: such a frame never existed. */
	if (__builtin_expect(vfu_server_dma_poisoned(m->server), 0))
		return 0;
	/* 5. Hand the frames to the wire. */
	m82576_stats_tx(m, frames, b.n, b.differ == 0);
	return b.n;
}

/*
 * Transmit one frame in loopback: as m82576_tx(). Without a speed a frame waits for a
 * descriptor, as it would on the wire.
 */
static unsigned int
loop_tx(struct m82576 *m, struct m82576_frame *frame)
{
	m->tx_rest = false;
	if (m->looped.data == NULL && next_frames(m, &m->looped, 1, 0) == 0)
		return 0;
	if (!(m82576_ld_acq(&m->gates) & M82576_GATE_RXEN)) {
		__atomic_fetch_add(&m->rxc.off, 1, __ATOMIC_RELAXED);
	} else if (m82576_receive(m, &m->looped, 1, m->speed_mbps == 0) == 0) {
		m82576_st(&m->loop_waits, 1);
		return 0;
	}
	m82576_st(&m->loop_waits, 0);
	*frame = m->looped;
	frame->flags |= M82576_FRAME_LOOPED;
	m->looped.data = NULL;
	return 1;
}

unsigned int
m82576_tx(struct m82576 *m, struct m82576_frame *frames, unsigned int n, uint32_t bytes)
{
	uint32_t gates;

	gates = m82576_ld_acq(&m->gates);
	if ((gates & M82576_GATES_TX) != M82576_GATES_TX)
		return 0;
	m->tx_rest = m->tx_rest_allowed;
	if (gates & M82576_GATE_WIRE)
		return next_frames(m, frames, n, bytes);
	return gates & M82576_GATE_LOOP && n != 0 ? loop_tx(m, frames) : 0;
}

void
m82576_tx_allow_rest(struct m82576 *m)
{
	m->tx_rest_allowed = true;
}

void
m82576_tx_gather(struct m82576 *m, struct m82576_frame *frames, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct m82576_frame *f = &frames[i];

		if (f->rest == NULL)
			continue;
		/* The header is in the staging memory of a queue, and has room behind it. */
		memcpy((uint8_t *)(uintptr_t)f->data + M82576_HEADER, f->rest,
				f->len - M82576_HEADER);
		f->rest = NULL;
		if (vfu_server_dma_poisoned(m->server))
			f->flags |= M82576_FRAME_BAD_FCS;
	}
}

static void
flush(struct m82576 *m)
{
	uint32_t dirty = m->tx_dirty, reported = 0, moved = 0, gates = m82576_ld_acq(&m->gates);

	m->tx_descs = m->tx_bytes = 0;
	if (__builtin_expect(m82576_ld(&m->intr_pending), 0))
		m82576_intr_fire(m);
	/* After a gate has closed, held-back write-backs wait, or a reset drops them. */
	if ((gates & M82576_GATES_DMA) != M82576_GATES_DMA)
		return;
	if (gates & M82576_GATE_LOOP)
		m82576_receive_flush(m);
	m->tx_busy = vfu_dma_busy(m->server);
	if (m->tx_busy)
		return;
	/* 6. Write back, move the heads, raise interrupts. */
	m->tx_dirty = 0;
	if (dirty != 0)
		vfu_tlb_begin(&m->tx_tlb, m->server);
	while (dirty != 0) {
		unsigned int q = (unsigned int)__builtin_ctz(dirty);
		struct m82576_ring *r = &m->tx_ring[q];
		struct m82576_txq *t = &m->txq[q];
		bool report = t->wb_count != 0;

		dirty &= dirty - 1;
		/* Disabled in the meantime: the old ring no longer belongs to the device. */
		if (m82576_ld_acq(&r->gen) != t->gen)
			continue;
		if (t->head_wb & 1) {
			/* Head write-back instead of DD (7.2.3). */
			uint32_t head = t->head;

			if (report &&
					!m82576_dma_put(m, &m->tx_tlb, t->head_wb & ~3ull, &head,
							sizeof(head)))
				m82576_txq_dead(m, t, r);
			t->wb_count = 0;
		} else {
			m82576_txq_write_back(m, t, r);
		}
		m82576_st(&r->reg[IGB_Q_HEAD / 4], t->head);
		moved |= 1u << q;
		if (report)
			reported |= 1u << q;
	}
	for (dirty = m82576_hints_due(&m->tx_hints, moved); dirty != 0; dirty &= dirty - 1) {
		unsigned int q = (unsigned int)__builtin_ctz(dirty);

		if (m82576_ld_acq(&m->tx_ring[q].gen) == m->txq[q].gen)
			m82576_st(m->tx_ring[q].head_hint, m->txq[q].head);
	}
	if (reported != 0)
		m82576_intr_queues(m, reported, true);
}

void
m82576_tx_flush(struct m82576 *m)
{
	m82576_intr_flush(true);
	flush(m);
	m82576_intr_flush(false);
}

void
m82576_tx_pause(struct m82576 *m, bool paused)
{
	m82576_st(&m->tx_paused, paused);
}

bool
m82576_tx_pending(struct m82576 *m)
{
	uint32_t enabled = m82576_ld_acq(&m->tx_enabled);

	if ((m82576_ld_acq(&m->gates) & M82576_GATES_TX) != M82576_GATES_TX)
		return false;
	while (enabled != 0) {
		unsigned int q = (unsigned int)__builtin_ctz(enabled);
		const struct m82576_ring *r = &m->tx_ring[q];
		const struct m82576_txq *t = &m->txq[q];

		uint32_t tail = m82576_ld(r->tail), gen = m82576_ld_acq(&r->gen);

		enabled &= enabled - 1;
		if (t->gen != gen) {
			/* The polling thread has not served this queue since it was enabled. */
			if (gen & 1 && tail < r->count && tail != r->head)
				return true;
			continue;
		}
		/* A read that waits for the client's answer is no frame yet. */
		if (t->dead || t->count == 0 || t->read.asked != 0)
			continue;
		if (t->tso || t->used != t->fetched || (tail < t->count && tail != t->head))
			return true;
	}
	return false;
}
