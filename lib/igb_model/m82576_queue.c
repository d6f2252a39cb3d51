/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Queues: enable and disable (8.10.8, 8.12.13).
 *
 * The control thread writes the queue registers, which arrive as messages. The tails are an
 * exception: a client that negotiated it (vfio_user.h, queue pages) may also store them into pages
 * that it maps.
 *
 * - Setting ENABLE samples base, length, head and SRRCTL, then makes the ring's generation odd. The
 *   polling thread notices the new generation and copies the configuration; from then on it reads
 *   only the tail.
 * - Clearing ENABLE makes the generation even, and waits for a grace period. When the reply goes
 *   out, no polling thread is inside the queue. A thread drops what it held back for an old
 *   generation.
 *
 * From the pages the device reads only tails, and it stores heads there as hints. It ignores
 * everything else that a client stores in them.
 */

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "m82576_priv.h"
#include "sealed_file.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* in the C library since glibc 2.35 */
#endif

#define PAGES_SIZE 0x10000 /* bytes of the file; only two of its pages are ever touched */

/*
 * Implemented bits of the queue registers (8.10, 8.12); the others read as 0. The device remembers
 * what was written to the others all the same, so that it can report a ring that is not aligned.
 */
#define BAL_MASK      0xFFFFFF80u
#define LEN_MASK      0x000FFFF0u
#define RING_LEN_MASK 0x000FFFFFu /* including bits that are not implemented */
#define PTR_MASK      0x0000FFFFu
/* clang-format off */
#define COMMON_MASKS \
	[IGB_Q_BAL / 4] = BAL_MASK, [IGB_Q_BAH / 4] = ~0u, [IGB_Q_LEN / 4] = LEN_MASK, \
	[IGB_Q_HEAD / 4] = PTR_MASK, [IGB_Q_DCA / 4] = ~0u, [IGB_Q_TAIL / 4] = PTR_MASK, \
	[IGB_Q_DCTL / 4] = ~IGB_DCTL_SWFLSH
/* clang-format on */

static const uint32_t bits[2][IGB_QUEUE_STRIDE / 4] = {
	{ COMMON_MASKS, [IGB_Q_SRRCTL / 4] = ~0u },
	{ COMMON_MASKS, [IGB_Q_TDWBAL / 4] = ~0u, [IGB_Q_TDWBAH / 4] = ~0u },
};

static struct m82576_ring *
ring_of(struct m82576 *m, unsigned int is_tx, unsigned int i)
{
	return is_tx ? &m->tx_ring[i] : &m->rx_ring[i];
}

/* Set where the tails and the hints for the heads are. No queue may be enabled. */
static void
place_pointers(struct m82576 *m)
{
	unsigned int i, k;

	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		for (k = 0; k < 2; k++) {
			struct m82576_ring *r = ring_of(m, k, i);
			uint32_t *block = r->reg;

			if (m->pages[k] != NULL)
				block = (uint32_t *)(m->pages[k] + i * IGB_QUEUE_STRIDE);
			r->tail = &block[IGB_Q_TAIL / 4];
			r->head_hint = &block[IGB_Q_HEAD / 4];
		}
	}
}

void
m82576_ring_init(struct m82576 *m)
{
	unsigned int i, k;

	m->pages_fd = -1;
	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		for (k = 0; k < 2; k++) {
			ring_of(m, k, i)->index = i;
			ring_of(m, k, i)->is_tx = k;
		}
	}
	place_pointers(m);
	m82576_ring_reset(m);
}

void
m82576_ring_unmap(struct m82576 *m)
{
	unsigned int k;

	for (k = 0; k < 2; k++) {
		if (m->pages[k] != NULL)
			munmap(m->pages[k], VFU_PAGE_SIZE);
		m->pages[k] = NULL;
	}
	if (m->pages_fd >= 0)
		close(m->pages_fd);
	m->pages_fd = -1;
	place_pointers(m);
}

/*
 * Allocate a page of the file in the control thread, which can report that the kernel has none.
 * Otherwise the first access allocates it, often in a polling thread, and raises SIGBUS if the
 * kernel refuses the page, as it may with vm.overcommit_memory=2.
 *
 * @return 0, or a negative errno value
 */
static int
allocate_page(void *page)
{
	if (madvise(page, VFU_PAGE_SIZE, MADV_POPULATE_WRITE) == 0)
		return 0;
	/* Linux before 5.14 does not know the advice: the first access allocates the page. */
	if (errno == EINVAL)
		return 0;
	/* An access would raise SIGBUS. */
	return errno == EFAULT ? -ENOMEM : -errno;
}

int
m82576_ring_map(struct m82576 *m)
{
	unsigned int k;
	int ret;

	ret = m->pages_fd = sealed_file("igb-queues", PAGES_SIZE, 0);
	for (k = 0; ret >= 0 && k < 2; k++) {
		void *p = mmap(NULL, VFU_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->pages_fd,
				k == 0 ? IGB_RXQ_BASE : IGB_TXQ_BASE);

		if (p == MAP_FAILED) {
			ret = -errno;
		} else {
			m->pages[k] = p;
			ret = allocate_page(p);
		}
	}
	if (ret < 0) {
		m82576_ring_unmap(m);
		return ret;
	}
	place_pointers(m);
	return m->pages_fd;
}

static uint32_t
ring_reg(const struct m82576_ring *r, uint32_t off)
{
	return m82576_ld(&r->reg[off / 4]);
}

/* Enable a queue that is disabled. */
static void
ring_enable(struct m82576 *m, struct m82576_ring *r)
{
	uint32_t head = ring_reg(r, IGB_Q_HEAD);

	r->base = (uint64_t)ring_reg(r, IGB_Q_BAH) << 32 | ring_reg(r, IGB_Q_BAL);
	r->len = ring_reg(r, IGB_Q_LEN) & RING_LEN_MASK;
	r->count = r->len / IGB_DESC_SIZE;
	if (r->len > IGB_MAX_RING_BYTES || r->len % IGB_RING_ALIGN != 0 ||
			r->base % IGB_RING_ALIGN != 0)
		r->count = 0;
	r->head = head < r->count ? head : 0;
	r->srrctl = ring_reg(r, IGB_Q_SRRCTL);
	r->head_wb = (uint64_t)ring_reg(r, IGB_Q_TDWBAH) << 32 | ring_reg(r, IGB_Q_TDWBAL);
	m82576_ring_set_head(r, r->head);
	__atomic_store_n(&r->gen, r->gen + 1, __ATOMIC_RELEASE);
	__atomic_fetch_or(r->is_tx ? &m->tx_enabled : &m->rx_enabled, 1u << r->index,
			__ATOMIC_RELEASE);
}

/* Disable a queue that is enabled. The caller must wait for a grace period afterwards. */
static void
ring_disable(struct m82576 *m, struct m82576_ring *r)
{
	__atomic_fetch_and(r->is_tx ? &m->tx_enabled : &m->rx_enabled, ~(1u << r->index),
			__ATOMIC_RELEASE);
	__atomic_store_n(&r->gen, r->gen + 1, __ATOMIC_RELEASE);
}

/*
 * Write RXDCTL or TXDCTL. SWFLSH clears itself and has no effect, because the device holds nothing
 * back beyond the next flush.
 */
static void
dctl_write(struct m82576 *m, struct m82576_ring *r, uint32_t v)
{
	bool want = v & IGB_DCTL_ENABLE, is = r->gen & 1;

	if (want && !is)
		ring_enable(m, r);
	if (!want && is) {
		ring_disable(m, r);
		m82576_grace_period(m);
	}
	m82576_st(&r->reg[IGB_Q_DCTL / 4], v);
}

uint32_t
m82576_ring_reg_read(struct m82576 *m, struct m82576_ring *r, uint32_t off)
{
	if (off == IGB_Q_RQDPC && !r->is_tx)
		return m82576_rqdpc_read(m, r->index);
	if (off == IGB_Q_TAIL)
		return m82576_ld(r->tail) & PTR_MASK;
	return ring_reg(r, off) & bits[r->is_tx][off / 4];
}

void
m82576_ring_reg_write(struct m82576 *m, struct m82576_ring *r, uint32_t off, uint32_t v)
{
	switch (off) {
	case IGB_Q_DCTL:
		dctl_write(m, r, v);
		return;
	case IGB_Q_HEAD:
		/* Software cannot move the head of a running queue. */
		if (!(r->gen & 1))
			m82576_ring_set_head(r, v & PTR_MASK);
		return;
	case IGB_Q_TAIL:
		/*
		 * Release, as in a driver's store through the mapping: what the client wrote before
		 * is visible first.
		 */
		__atomic_store_n(r->tail, v & PTR_MASK, __ATOMIC_RELEASE);
		return;
	}
	m82576_st(&r->reg[off / 4], v);
}

/*
 * Disable all queues, wait until no polling thread is inside one, and restore the values that
 * registers have after power-on.
 */
void
m82576_ring_reset(struct m82576 *m)
{
	unsigned int i, k, o;

	for (i = 0; i < IGB_MAX_QUEUES; i++)
		for (k = 0; k < 2; k++)
			if (ring_of(m, k, i)->gen & 1)
				ring_disable(m, ring_of(m, k, i));
	m82576_grace_period(m);
	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		for (k = 0; k < 2; k++) {
			struct m82576_ring *r = ring_of(m, k, i);

			for (o = 0; o < IGB_QUEUE_STRIDE; o += 4)
				m82576_st(&r->reg[o / 4], 0);
			m82576_st(r->tail, 0);
			m82576_st(r->head_hint, 0);
			/*
			 * WTHRESH is 1 (8.10.8). Hardware also enables queue 0, with a length of 0.
			 * Here ENABLE means "sample the ring now", so the device leaves it to
			 * software, which always sets it.
			 */
			if (!r->is_tx) {
				m82576_st(&r->reg[IGB_Q_DCTL / 4], 1u << IGB_DCTL_WTHRESH_SHIFT);
				m82576_st(&r->reg[IGB_Q_SRRCTL / 4], 0x00000400); /* BSIZEHDR 4 */
			} else {
				/* Relaxed ordering of reads and of data (8.13.2). */
				m82576_st(&r->reg[IGB_Q_DCA / 4], 0x00002A00);
			}
		}
	}
}

void
m82576_ring_unusable(struct m82576 *m, const struct m82576_ring *r)
{
	m82576_log_once(m, M82576_LOG_RING,
			"%s queue %u enabled with a ring of %u bytes at 0x%lx: both must be "
			"multiples of %u, and the length 1 to %u; the queue stays idle",
			r->is_tx ? "transmit" : "receive", r->index, r->len, (unsigned long)r->base,
			IGB_RING_ALIGN, IGB_MAX_RING_BYTES);
}
