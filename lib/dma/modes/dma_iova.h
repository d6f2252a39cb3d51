/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * An allocator of bus addresses, in pages of 4 KiB. The number of a page is its bus address divided
 * by 4 KiB. Any thread may call it; see dma_iova.c.
 */

#ifndef DMA_IOVA_H
#define DMA_IOVA_H

#include <sys/queue.h>

#include <rte_spinlock.h>

#include "dma_modes.h"

/*
 * Threads cache runs of up to this many pages: two for a buffer that straddles a page boundary,
 * four for a jumbo frame.
 */
#define DMA_IOVA_RUNS  4
#define DMA_IOVA_BATCH 64

/* The addresses of one allocator that one thread caches. */
struct dma_iova_cache {
	LIST_ENTRY(dma_iova_cache) next; /* in the allocator's list */
	struct dma_iova_stack {
		uint32_t n;
		uint32_t page[DMA_IOVA_BATCH];
		/* by pages - 1: runs to hand out; runs that were given back */
	} get[DMA_IOVA_RUNS], put[DMA_IOVA_RUNS];
};

struct dma_iova {
	unsigned int id;
	uint32_t batch; /* number of entries of a cache's stacks that are used */
	/* number of pages; those that may not be used are taken permanently */
	uint32_t nr;
	rte_spinlock_t lock; /* protects everything below */
	uint64_t *taken;     /* one bit for each page */
	uint32_t next;       /* page at which the search continues */
	uint32_t in_use;     /* taken pages that may be given back */
	LIST_HEAD(, dma_iova_cache) caches;
};

/* This thread's caches, by allocator id. */
extern __thread struct dma_iova_cache **dma_iova_mine
		__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Make an allocator of usable addresses up to last. Return NULL with rte_errno and the reason. */
struct dma_iova *dma_iova_create(const char *name, gantry_dma_addr_t last);
/* Free an allocator. No thread may use it any longer. */
void dma_iova_destroy(struct dma_iova *a);
/* Return the number of pages that are in use. Pages in a thread's cache do not count. */
uint32_t dma_iova_in_use(struct dma_iova *a);

/*
 * Take n adjacent pages, the first at a multiple of align pages (a power of two), none above last.
 * Return the first one's number; 0: there are none. Slower than dma_iova_get().
 */
uint32_t dma_iova_get_aligned(struct dma_iova *a, size_t n, size_t align, gantry_dma_addr_t last);
/* The same without alignment or limit; and the way back. */
uint32_t dma_iova_get_slow(struct dma_iova *a, size_t n);
void dma_iova_put_slow(struct dma_iova *a, uint32_t page, size_t n);

static inline uint32_t
dma_iova_get(struct dma_iova *a, size_t n)
{
	struct dma_iova_cache *c = dma_iova_mine[a->id];
	struct dma_iova_stack *s;

	if (unlikely(n > DMA_IOVA_RUNS || c == NULL || c->get[n - 1].n == 0))
		return dma_iova_get_slow(a, n);
	s = &c->get[n - 1];
	return s->page[--s->n];
}

static inline void
dma_iova_put(struct dma_iova *a, uint32_t page, size_t n)
{
	struct dma_iova_cache *c = dma_iova_mine[a->id];
	struct dma_iova_stack *s;

	if (unlikely(n > DMA_IOVA_RUNS || c == NULL || c->put[n - 1].n == a->batch)) {
		dma_iova_put_slow(a, page, n);
		return;
	}
	s = &c->put[n - 1];
	s->page[s->n++] = page;
}

#endif /* DMA_IOVA_H */
