/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The part that both ways of a received frame share: m82576_rx.c receives every frame, and
 * m82576_rx_run.c runs of plain frames. Receiving thread.
 */

#ifndef M82576_RX_H
#define M82576_RX_H

#include "m82576_priv.h"

/*
 * A burst in progress: the registers that each frame needs, read once, so that a changed register
 * takes effect at the next burst, and the frames so far.
 */
struct m82576_rx_burst {
	uint32_t rctl, rxcsum;
	bool rss, strip;
	uint32_t run_longest; /* bytes of the longest frame of a run; 0: there are no runs */
	uint16_t vet;         /* EtherType of a VLAN tag */
	struct m82576_sum arrived, good, delivered;
};

/* Prefetch the buffer of a fetched descriptor, if there is one of that number. */
static inline void
m82576_rxq_prefetch(struct m82576 *m, const struct m82576_rxq *x, uint32_t i)
{
	if (i < x->fetched)
		m82576_dma_prefetch(m, &m->rx_tlb, x->desc[i].read.pkt_addr, VFU_DMA_WRITE);
}

/* Use up n descriptors, whose write-backs are filled in. */
static inline void
m82576_rxq_advance(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r, uint32_t n)
{
	x->used += n;
	x->wb_count += n;
	x->head += n;
	if (x->head >= x->count)
		x->head -= x->count;
	m->rx_dirty |= 1u << r->index;
}

/* m82576_rx_desc.c */
/* Load the tail. Return the number of descriptors that the device owns. */
uint32_t m82576_rxq_available(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r);
/*
 * Make n descriptors, from the head on, available in desc[].
 *
 * @return false: the ring has fewer, or they are not read yet
 */
bool m82576_rxq_need(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r,
		uint32_t n);
/*
 * Write back the descriptors that are held back, the last one first: the driver polls the first of
 * them, and when that is done, so are all. In the other order it would take the lines away one by
 * one, some of them half written, and the device would have to fetch them again; and its burst
 * would end where the device is. So a driver must count the descriptors that are done from its
 * first one on: DD of a later one does not mean that those before it are done. With an I/O page
 * table, or by messages, each write costs more than a line, and the order is that of the ring.
 */
void m82576_rxq_write_back(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r);
/* Stop a queue whose ring met a DMA fault, and log the fault. */
void m82576_rxq_dead(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r);

/* m82576_rx_run.c */
/* Return the length of the longest frame of a run, in bytes; 0: these registers allow no runs. */
uint32_t m82576_rx_run_longest(const struct m82576 *m, const struct m82576_rx_burst *b);
/* Receive plain frames: a run of those that come next. Return their number, which may be 0. */
unsigned int m82576_rx_run(struct m82576 *m, struct m82576_rx_burst *b,
		const struct m82576_frame *frames, unsigned int n);

#endif /* M82576_RX_H */
