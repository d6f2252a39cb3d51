/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Queues: being enabled, and letting go (8.10.8, 8.12.13).
 *
 * The queues' registers lie in two pages that the client may map. Only the
 * tails are meant to be used so; everything else arrives as messages, which
 * makes this simple:
 *  - ENABLE samples base, length, head and SRRCTL, then makes the ring's
 *    generation odd. The polling thread notices the new generation and takes a
 *    copy; from then on it looks at nothing but the tail.
 *  - Clearing ENABLE makes the generation even, and waits for a grace period:
 *    no polling thread is inside the queue any more when the reply goes out.
 *    What a thread held back of an old generation, it drops.
 * A client that stores ENABLE through the mapping is served, too: the polling
 * thread looks at the pages now and then. The ring's lock keeps it from taking
 * the control thread's unfinished work for a request; it never waits for it.
 */

#include <sys/mman.h>

#include "igb_model_priv.h"

#define RING_LEN_MASK 0xFFFFF

static bool
ring_trylock(struct igb_ring *r)
{
	return !__atomic_exchange_n(&r->lock, 1, __ATOMIC_ACQUIRE);
}

static void
ring_lock(struct igb_ring *r)
{
	/* A polling thread holds it for a few instructions only. */
	while (!ring_trylock(r))
		__builtin_ia32_pause();
}

static void
ring_unlock(struct igb_ring *r)
{
	__atomic_store_n(&r->lock, 0, __ATOMIC_RELEASE);
}

void
igb_ring_init(struct igb_model *m)
{
	unsigned int i;

	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		m->rx_ring[i].reg = (uint32_t *)(m->pages[0] + i * IGB_QUEUE_STRIDE);
		m->rx_ring[i].index = i;
		m->tx_ring[i].reg = (uint32_t *)(m->pages[1] + i * IGB_QUEUE_STRIDE);
		m->tx_ring[i].index = i;
		m->tx_ring[i].is_tx = true;
	}
	igb_ring_reset(m);
}

static uint32_t
page_reg(const struct igb_ring *r, uint32_t off)
{
	return igb_ld(&r->reg[off / 4]);
}

/* With the lock held, and the queue disabled. */
static void
ring_enable(struct igb_model *m, struct igb_ring *r)
{
	uint32_t len = page_reg(r, IGB_Q_LEN) & RING_LEN_MASK;
	uint32_t head = page_reg(r, IGB_Q_HEAD) & 0xFFFF;

	r->base = (uint64_t)page_reg(r, IGB_Q_BAH) << 32 | page_reg(r, IGB_Q_BAL);
	r->count = len / IGB_DESC_SIZE;
	if (len == 0 || len > IGB_MAX_RING_BYTES || len % IGB_RING_ALIGN != 0 ||
		r->base % IGB_RING_ALIGN != 0) {
		igb_log(m, IGB_LOG_RING,
			"%s queue %u enabled with a ring of %u bytes at 0x%lx: "
			"both must be multiples of %u, and the length 1 to %u; "
			"the queue stays idle",
			r->is_tx ? "transmit" : "receive", r->index, len, (unsigned long)r->base,
			IGB_RING_ALIGN, IGB_MAX_RING_BYTES);
		r->count = 0;
	}
	r->head = head < r->count ? head : 0;
	r->srrctl = page_reg(r, IGB_Q_SRRCTL);
	r->head_wb = r->is_tx
			     ? (uint64_t)page_reg(r, IGB_Q_TDWBAH) << 32 | page_reg(r, IGB_Q_TDWBAL)
			     : 0;
	igb_st(&r->reg[IGB_Q_HEAD / 4], r->head);
	__atomic_store_n(&r->gen, r->gen + 1, __ATOMIC_RELEASE);
	__atomic_fetch_or(
		r->is_tx ? &m->tx_enabled : &m->rx_enabled, 1u << r->index, __ATOMIC_RELEASE);
}

/* With the lock held, and the queue enabled. The caller sees to the grace period. */
static void
ring_disable(struct igb_model *m, struct igb_ring *r)
{
	__atomic_fetch_and(
		r->is_tx ? &m->tx_enabled : &m->rx_enabled, ~(1u << r->index), __ATOMIC_RELEASE);
	__atomic_store_n(&r->gen, r->gen + 1, __ATOMIC_RELEASE);
}

static void
dctl_write(struct igb_model *m, struct igb_ring *r, uint32_t v)
{
	bool want = v & IGB_DCTL_ENABLE, is;

	v &= ~IGB_DCTL_SWFLSH;
	ring_lock(r);
	is = r->gen & 1;
	if (want && !is)
		ring_enable(m, r);
	if (!want && is) {
		ring_disable(m, r);
		igb_grace_period();
	}
	/* Readers of the page, too, see ENABLE go only after the thread let go. */
	igb_st(&r->reg[IGB_Q_DCTL / 4], v);
	ring_unlock(r);
}

uint32_t
igb_ring_reg_read(struct igb_model *m, struct igb_ring *r, uint32_t off)
{
	if (off == IGB_Q_RQDPC && !r->is_tx)
		return igb_rqdpc_read(m, r->index);
	return page_reg(r, off);
}

void
igb_ring_reg_write(struct igb_model *m, struct igb_ring *r, uint32_t off, uint32_t v)
{
	switch (off) {
	case IGB_Q_DCTL:
		dctl_write(m, r, v);
		return;
	case IGB_Q_LEN:
		v &= RING_LEN_MASK;
		break;
	case IGB_Q_HEAD:
		/* The device's own head is not moved under a running queue. */
		if (r->gen & 1)
			return;
		v &= 0xFFFF;
		break;
	case IGB_Q_TAIL:
		/* As a driver's store through the mapping: what was written before is seen first.
		 */
		__atomic_store_n(&r->reg[off / 4], v & 0xFFFF, __ATOMIC_RELEASE);
		return;
	case IGB_Q_RQDPC:
		if (!r->is_tx)
			return;
		break;
	}
	igb_st(&r->reg[off / 4], v);
}

/* All queues off, and nobody inside. */
void
igb_ring_quiesce(struct igb_model *m)
{
	unsigned int i, k;

	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		for (k = 0; k < 2; k++) {
			struct igb_ring *r = k ? &m->tx_ring[i] : &m->rx_ring[i];

			ring_lock(r);
			if (r->gen & 1)
				ring_disable(m, r);
			/* Held until the page says the same, or this would be taken for a request.
			 */
		}
	}
	igb_grace_period();
	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		for (k = 0; k < 2; k++) {
			struct igb_ring *r = k ? &m->tx_ring[i] : &m->rx_ring[i];

			igb_st(&r->reg[IGB_Q_DCTL / 4], page_reg(r, IGB_Q_DCTL) & ~IGB_DCTL_ENABLE);
			ring_unlock(r);
		}
	}
}

void
igb_ring_reset(struct igb_model *m)
{
	unsigned int i, k, o;

	igb_ring_quiesce(m);
	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		for (k = 0; k < 2; k++) {
			struct igb_ring *r = k ? &m->tx_ring[i] : &m->rx_ring[i];

			ring_lock(r);
			for (o = 0; o < IGB_QUEUE_STRIDE; o += 4)
				igb_st(&r->reg[o / 4], 0);
			/*
			 * 8.10.8: WTHRESH is 1. Hardware also enables queue 0, with a
			 * length of 0; here ENABLE means "sample the ring now", so it
			 * is left to software, which all sets it.
			 */
			if (!r->is_tx) {
				igb_st(&r->reg[IGB_Q_DCTL / 4], 1u << IGB_DCTL_WTHRESH_SHIFT);
				igb_st(&r->reg[IGB_Q_SRRCTL / 4], 0x00000400); /* BSIZEHDR 4 */
			} else {
				/* Relaxed ordering, of reads and of data (8.13.2). */
				igb_st(&r->reg[IGB_Q_DCA / 4], 0x00002A00);
			}
			ring_unlock(r);
		}
	}
}

/* The polling thread's look at ENABLE bits that were stored through the mapping. */
void
igb_ring_look(struct igb_model *m, struct igb_ring *rings)
{
	unsigned int i;

	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		struct igb_ring *r = &rings[i];
		bool want = page_reg(r, IGB_Q_DCTL) & IGB_DCTL_ENABLE;

		if (want == !!(igb_ld(&r->gen) & 1) || !ring_trylock(r))
			continue;
		want = page_reg(r, IGB_Q_DCTL) & IGB_DCTL_ENABLE;
		if (want && !(r->gen & 1))
			ring_enable(m, r);
		else if (!want && r->gen & 1)
			ring_disable(m, r);
		ring_unlock(r);
	}
}
