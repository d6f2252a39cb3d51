/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Descriptors of a receive queue: fetched from the ring (7.1.7), and written back (7.1.8). */

#include <string.h>

#include "m82576_rx.h"

uint32_t
m82576_rxq_available(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r)
{
	uint32_t tail = m82576_ld_acq(r->tail);

	if (tail < x->count) {
		x->tail = tail;
	} else if (tail != x->bad_tail) {
		x->bad_tail = tail;
		m82576_count(&m->rxc.bad_doorbells, 1);
		m82576_log_once(m, M82576_LOG_TAIL,
				"RDT of queue %u set to %u, the ring has %u descriptors: ignored",
				r->index, tail, x->count);
	}
	return x->tail >= x->head ? x->tail - x->head : x->tail + x->count - x->head;
}

void
m82576_rxq_dead(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r)
{
	m82576_log_dma(m, M82576_DMA_RING,
			"receive queue %u, ring at 0x%lx: the queue stops until it is enabled "
			"again",
			r->index, (unsigned long)x->base);
	x->dead = true;
}

bool
m82576_rxq_need(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r, uint32_t n)
{
	uint32_t have, avail, at, part;
	uint64_t addr;
	int ret;

	while ((have = x->fetched - x->used) < n) {
		avail = m82576_rxq_available(m, x, r);
		if (avail < n)
			return false;
		if (avail > M82576_FETCH)
			avail = M82576_FETCH;
		if (x->used != 0) {
			memmove(x->desc, x->desc + x->used, have * sizeof(x->desc[0]));
			x->used = 0;
			x->fetched = have;
		}
		at = x->head + have;
		if (at >= x->count)
			at -= x->count;
		part = avail - have < x->count - at ? avail - have : x->count - at;
		if (x->read.asked != 0)
			part = x->read.asked / IGB_DESC_SIZE;
		addr = x->base + (uint64_t)at * IGB_DESC_SIZE;
		m82576_dma_own(m, &m->rx_tlb, addr, part * IGB_DESC_SIZE);
		ret = m82576_dma_get(m, &m->rx_tlb, &x->read, addr, x->desc + have,
				part * IGB_DESC_SIZE);
		if (ret != 0) {
			if (ret != -EAGAIN)
				m82576_rxq_dead(m, x, r);
			return false;
		}
		x->fetched = have + part;
		for (at = 0; have == 0 && at < M82576_PREFETCH; at++)
			m82576_rxq_prefetch(m, x, at);
	}
	return true;
}

/* Write back a descriptor. */
static inline void
write_back_one(union igb_rx_desc *d, const union igb_rx_desc *wb)
{
	__atomic_store_n(&d->qw[0], wb->qw[0], __ATOMIC_RELAXED);
	__atomic_store_n(&d->qw[1], wb->qw[1], __ATOMIC_RELEASE);
}

/* Write back a descriptor of a ring to which there is no pointer, or none that lasts. */
static void
write_back_by_address(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r,
		uint32_t at, const union igb_rx_desc *wb)
{
	union igb_rx_desc *d = m82576_dma_desc(m, &m->rx_tlb, NULL, x->base, at);

	if (d != NULL)
		write_back_one(d, wb);
	else if (vfu_dma_write(m->server, x->base + (uint64_t)at * IGB_DESC_SIZE, wb,
				 IGB_DESC_SIZE) != 0)
		m82576_rxq_dead(m, x, r);
}

/* Write back n descriptors that are neighbours, from the last to the first. */
static inline void
write_back_range(union igb_rx_desc *d, const union igb_rx_desc *wb, uint32_t n)
{
	for (d += n, wb += n; n > 0; n--)
		write_back_one(--d, --wb);
}

void
m82576_rxq_write_back(struct m82576 *m, struct m82576_rxq *x, const struct m82576_ring *r)
{
	const uint32_t first = x->wb_first, n = x->wb_count;
	uint32_t end = x->count - first, i; /* descriptors up to the end of the ring */
	union igb_rx_desc *ring;

	if (n == 0)
		return;
	if (end > n)
		end = n;
	ring = m82576_dma_ring(m, &m->rx_tlb, x->base, x->count);
	if (__builtin_expect(ring != NULL, 1)) {
		write_back_range(ring, &x->wb[end], n - end);
		write_back_range(&ring[first], x->wb, end);
	} else {
		for (i = 0; i < n; i++)
			write_back_by_address(m, x, r, i < end ? first + i : i - end, &x->wb[i]);
	}
	x->wb_count = 0;
}
