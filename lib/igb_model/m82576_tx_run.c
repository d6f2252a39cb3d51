/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Runs of plain frames, which most frames are: each is in one buffer, and goes to the wire as it
 * is. A run does what txq_frame() (m82576_tx.c) does with each of its frames, with a third of the
 * instructions, because it decides once what is the same for all of them. It ends before the first
 * descriptor that is not plain, and where a limit of txq_frame() needs attention; txq_frame() then
 * makes the next frame. The numbers in the code are those of LIFE OF A TRANSMITTED FRAME in
 * m82576.c.
 *
 * A run first translates and prefetches all of its buffers, which reside in the other core's cache,
 * and then copies them: so the lines are on their way at the same time.
 */

#include "m82576_tx.h"
#include "uninitialized.h"

/*
 * Bits of the second half of a plain descriptor: a frame that one buffer holds, with FCS and no
 * other offload. Its upper 32 bits are olinfo.
 */
#define POPTS_MASK ((uint64_t)(IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM) << 32)
#define PLAIN_MASK \
	(POPTS_MASK | IGB_TXD_DEXT | IGB_TXD_DTYP_MASK | IGB_TXD_EOP | IGB_TXD_IFCS | \
			IGB_TXD_TSE | IGB_TXD_VLE)
#define PLAIN (IGB_TXD_DEXT | IGB_TXD_DTYP_DATA | IGB_TXD_EOP | IGB_TXD_IFCS)

#define MAX_FRAME (IGB_MAX_FRAME - M82576_FCS_LEN)
/* Bytes of the staging memory that a frame of a run uses beyond its bytes on the wire, at most. */
#define GAP (M82576_HEADROOM + M82576_CACHE_LINE)

/* Return the number of frames that the limits permit, apart from those in bytes. */
static unsigned int
run_max(struct m82576 *m, const struct m82576_txq *t, const struct m82576_tx_burst *b)
{
	unsigned int n = t->fetched - t->used;

	if (n > b->turn - m->tx_quantum)
		n = b->turn - m->tx_quantum;
	if (n > b->max - b->n)
		n = b->max - b->n;
	if (n > M82576_TX_STEP - m->tx_descs % M82576_TX_STEP)
		n = M82576_TX_STEP - m->tx_descs % M82576_TX_STEP;
	if (n > M82576_WB_BATCH - t->wb_count)
		n = M82576_WB_BATCH - t->wb_count;
	return n;
}

/*
 * Return how many bytes on the wire the frames before the last one of a run may have. That is the
 * least of three limits, two of which count fewer bytes for a frame: the run may end early, and
 * txq_frame() then makes the next frame.
 */
static int64_t
run_bytes(const struct m82576 *m, const struct m82576_txq *t, const struct m82576_tx_burst *b)
{
	const int64_t staging = (int64_t)M82576_STAGING - t->at -
			(M82576_HEADROOM + IGB_MAX_FRAME) - M82576_TX_STEP * GAP;
	const int64_t budget = (int64_t)M82576_TX_BYTES - 1 - m->tx_bytes;
	const int64_t least = staging < budget ? staging : budget;

	return b->left < least ? b->left : least;
}

/*
 * Fill in at most n frames, from the descriptor d on, whose data is not copied yet.
 *
 * @param[out] from  the buffer of each
 * @return their number
 */
static unsigned int
plan(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r, struct m82576_tx_burst *b,
		unsigned int n, const uint8_t **from)
{
	const uint32_t rest_min = m->tx_rest && vfu_tlb_lasts(&m->tx_tlb) ? M82576_REST_MIN :
									    UINT32_MAX;
	const int64_t most = run_bytes(m, t, b);
	const union igb_tx_desc *d = &t->desc[t->used];
	struct m82576_frame *frame = &b->frames[b->n];
	uint8_t *to = m82576_tx_gathered(t);
	int64_t left = most;
	unsigned int i;

	for (i = 0; i < n && left >= 0; i++, d++, frame++) {
		const uint64_t qw1 = d->qw[1];
		const uint32_t len = qw1 & IGB_TXD_DTALEN_MASK;

		/* 2. The descriptors of this run are fetched. */
		if ((qw1 & PLAIN_MASK) != PLAIN ||
				len - M82576_MIN_FRAME > MAX_FRAME - M82576_MIN_FRAME)
			break;
		from[i] = m82576_dma_ptr(m, &m->tx_tlb, d->data.addr, len, VFU_DMA_READ);
		if (from[i] == NULL)
			break;
		__builtin_prefetch(from[i]);
		frame->data = to;
		frame->len = len;
		frame->flags = 0;
		frame->rest = NULL;
		if (len >= rest_min) {
			frame->rest = from[i] + M82576_HEADER;
			frame->sender = m->server;
			t->has_rests = true;
		}
		to += (M82576_HEADROOM + len + M82576_CACHE_LINE - 1) & ~(M82576_CACHE_LINE - 1u);
		left -= m82576_wire_bytes(len);
		if (__builtin_expect(qw1 & IGB_TXD_RS, 0))
			m82576_txq_report(m, t, r, (t->head + i) % t->count, d);
	}
	t->at = (uint32_t)(to - M82576_HEADROOM - t->staging);
	b->left -= most - left;
	return i;
}

/* 3. Gather the buffers of n frames. */
static void
gather(struct m82576 *m, struct m82576_tx_burst *b, const uint8_t *const *from, unsigned int n)
{
	const struct m82576_frame *frame = &b->frames[b->n];
	const uint32_t first = b->frames[0].len;
	uint32_t bytes = 0, differ = 0;
	unsigned int i;

	for (i = 0; i < n; i++, frame++) {
		m82576_copy((uint8_t *)(uintptr_t)frame->data, from[i],
				frame->rest != NULL ? M82576_HEADER : frame->len);
		bytes += frame->len;
		differ |= (frame->len ^ first) | (frame->data[0] & 1);
	}
	m->tx_bytes += bytes;
	b->differ |= differ;
}

unsigned int
m82576_tx_run(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		struct m82576_tx_burst *b)
{
	const bool lasts = vfu_tlb_lasts(&m->tx_tlb);
	GANTRY_UNINITIALIZED const uint8_t *from[M82576_TX_STEP];
	unsigned int max, n = 0, step, got;

	if (t->started || t->tso || !m82576_tx_within_budget(m))
		return 0;
	if (t->used == t->fetched && !m82576_txq_fetch(m, t, r))
		return 0;
	max = run_max(m, t, b);
	if (max == 0)
		return 0;
	if (m->tx_descs == 0)
		m->tx_began = m82576_about_now();
	do {
		/* A pointer that does not last is used at once, for one buffer. */
		step = lasts ? max - n : 1;
		if (!lasts)
			m82576_txq_prefetch(m, t, t->used + 1 + M82576_PREFETCH);
		got = plan(m, t, r, b, step, from);
		if (got == 0)
			break;
		gather(m, b, from, got);
		m82576_txq_advance(m, t, r, got);
		b->n += got;
		n += got;
	} while (got == step && n < max);
	m->tx_quantum += n;
	return n;
}
