/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Descriptors of a transmit queue: fetched from the ring (7.2.1), and written back (7.2.3). */

#include "m82576_tx.h"

/* Return the tail if it is inside the ring, else the last valid one. */
static uint32_t
txq_tail(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r)
{
	uint32_t tail = m82576_ld_acq(r->tail);

	if (tail < t->count) {
		t->tail = tail;
	} else if (tail != t->bad_tail) {
		t->bad_tail = tail;
		m82576_count(&m->txc.bad_doorbells, 1);
		m82576_log_once(m, M82576_LOG_TAIL,
				"TDT of queue %u set to %u, the ring has %u descriptors: ignored",
				r->index, tail, t->count);
	}
	return t->tail;
}

void
m82576_txq_dead(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r)
{
	m82576_log_dma(m, M82576_DMA_RING,
			"transmit queue %u, ring at 0x%lx: the queue stops until it is enabled "
			"again",
			r->index, (unsigned long)t->base);
	t->dead = true;
}

bool
m82576_txq_fetch(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r)
{
	uint32_t tail = txq_tail(m, t, r), n;
	int ret;

	if (tail == t->head)
		return false;
	n = (tail > t->head ? tail : t->count) - t->head;
	if (n > M82576_FETCH)
		n = M82576_FETCH;
	if (t->read.asked != 0)
		n = t->read.asked / IGB_DESC_SIZE;
	ret = m82576_dma_get(m, &m->tx_tlb, &t->read, t->base + (uint64_t)t->head * IGB_DESC_SIZE,
			t->desc, n * IGB_DESC_SIZE);
	if (ret != 0) {
		if (ret != -EAGAIN)
			m82576_txq_dead(m, t, r);
		return false;
	}
	t->fetched = n;
	t->used = 0;
	for (n = 0; n <= M82576_PREFETCH; n++)
		m82576_txq_prefetch(m, t, n);
	return true;
}

void
m82576_txq_write_back(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r)
{
	union igb_tx_desc *d;
	void *ring = NULL;
	uint32_t i;

	if (t->wb_count != 0)
		ring = m82576_dma_ring(m, &m->tx_tlb, t->base, t->count);
	for (i = 0; i < t->wb_count; i++) {
		uint64_t addr = t->base + (uint64_t)t->wb[i].index * IGB_DESC_SIZE + 8;

		d = m82576_dma_desc(m, &m->tx_tlb, ring, t->base, t->wb[i].index);
		if (d != NULL)
			__atomic_store_n(&d->qw[1], t->wb[i].qw1, __ATOMIC_RELEASE);
		else if (vfu_dma_write(m->server, addr, &t->wb[i].qw1, 8) != 0)
			m82576_txq_dead(m, t, r);
	}
	t->wb_count = 0;
}

void
m82576_txq_report(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		uint32_t index, const union igb_tx_desc *d)
{
	if (t->wb_count == M82576_WB_BATCH)
		m82576_txq_write_back(m, t, r);
	t->wb[t->wb_count].index = index;
	t->wb[t->wb_count].qw1 = d->qw[1] | (uint64_t)IGB_TXD_STAT_DD << 32;
	/* In an advanced descriptor only the status remains (7.2.2.4). */
	if (d->data.cmd_type_len & IGB_TXD_DEXT)
		t->wb[t->wb_count].qw1 = (uint64_t)IGB_TXD_STAT_DD << 32;
	t->wb_count++;
}
