/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The part that both ways of a transmitted frame share: m82576_tx.c makes every frame, and
 * m82576_tx_run.c runs of plain frames. Transmitting thread.
 */

#ifndef M82576_TX_H
#define M82576_TX_H

#include "m82576_priv.h"

#define M82576_TX_QUANTUM 8           /* frames of a queue's turn, if there are several queues */
#define M82576_TX_DESCS   1024        /* descriptors between two flushes */
#define M82576_TX_BYTES   (256 << 10) /* bytes between two flushes, not counting the last buffer */
#define M82576_TX_NS      20000       /* ns between two flushes, not counting the last step */
#define M82576_TX_STEP    16          /* descriptors between two reads of the clock */

#define M82576_REST_MIN (2 * M82576_HEADER) /* bytes of the shortest frame that has a rest */

#define M82576_TXD_DTYP(cmd) ((cmd)&IGB_TXD_DTYP_MASK)

/* A burst in progress. */
struct m82576_tx_burst {
	struct m82576_frame *frames;
	unsigned int n, max;
	unsigned int turn; /* frames of a queue's turn */
	int64_t left;      /* bytes on the wire before the last frame; negative: none may follow */
	uint32_t differ;   /* not 0: frames may differ in length, or have a group address */
};

static inline bool
m82576_txd_is_data(uint32_t cmd)
{
	return !(cmd & IGB_TXD_DEXT) || M82576_TXD_DTYP(cmd) == IGB_TXD_DTYP_DATA;
}

/* Prefetch the buffer of a fetched descriptor, if there is one of that number. */
static inline void
m82576_txq_prefetch(struct m82576 *m, const struct m82576_txq *t, uint32_t i)
{
	if (i < t->fetched && m82576_txd_is_data(t->desc[i].data.cmd_type_len))
		m82576_dma_prefetch(m, &m->tx_tlb, t->desc[i].data.addr, VFU_DMA_READ);
}

/* Return whether the port may process one more descriptor before the next flush. */
static inline bool
m82576_tx_within_budget(struct m82576 *m)
{
	if (m->tx_descs % M82576_TX_STEP == 0 && m->tx_descs != 0 &&
			(int64_t)(m82576_about_now() - m->tx_began) > M82576_TX_NS)
		m->tx_descs = M82576_TX_DESCS;
	return m->tx_descs < M82576_TX_DESCS && m->tx_bytes < M82576_TX_BYTES;
}

/* Use up n descriptors, whose buffers are gathered. */
static inline void
m82576_txq_advance(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r, uint32_t n)
{
	t->used += n;
	m->tx_descs += n;
	t->head += n;
	if (t->head >= t->count)
		t->head -= t->count;
	m->tx_dirty |= 1u << r->index;
}

/* m82576_tx_desc.c */
/* Fetch the next descriptors of a queue that has used all. Return false: there are none yet. */
bool m82576_txq_fetch(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r);
/*
 * Hold back the write-back of a descriptor with RS, until the flush. If M82576_WB_BATCH write-backs
 * are held back already, those are written first.
 */
void m82576_txq_report(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		uint32_t index, const union igb_tx_desc *d);
/*
 * Write back DD of all descriptors that are held back. The status is in the last 4 of a
 * descriptor's 16 bytes; a single 8-byte store writes it. The order is that of the ring, because
 * DD gives the driver all descriptors up to this one, which it may post again at once.
 */
void m82576_txq_write_back(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r);
/* Stop a queue whose ring met a DMA fault, and log the fault. */
void m82576_txq_dead(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r);

/* m82576_tx_run.c */
/*
 * Make frames of plain descriptors, up to the first that is not plain. Return their number, which
 * may be 0.
 */
unsigned int m82576_tx_run(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		struct m82576_tx_burst *b);

#endif /* M82576_TX_H */
