/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * An allocator of bus addresses, by pages of 4 KiB. A page's number is its bus address
 * divided by that. Any thread; see dma_iova.c.
 */

#ifndef DMA_IOVA_H
#define DMA_IOVA_H

#include <sys/queue.h>

#include <rte_spinlock.h>

#include "dma_private.h"

/* Runs of up to so many pages are kept by threads: two for a buffer that straddles a page
 * boundary, four for a jumbo frame's.
 */
#define DMA_IOVA_RUNS  4
#define DMA_IOVA_BATCH 64

/* What one thread keeps of one allocator. */
struct dma_iova_cache {
	LIST_ENTRY(dma_iova_cache) next; /* of the allocator */
	struct dma_iova_stack {
		uint32_t n;
		uint32_t page[DMA_IOVA_BATCH];
	} get[DMA_IOVA_RUNS], put[DMA_IOVA_RUNS]; /* by pages - 1: to be handed out; given back */
};

struct dma_iova {
	unsigned int id;
	uint32_t batch;          /* entries of a cache's stacks that are used */
	uint32_t nr;             /* pages; those that may not be used are taken for good */
	rte_spinlock_t lock;     /* of all below */
	uint64_t *taken;         /* a bit a page */
	uint32_t next;           /* page where the search goes on */
	uint32_t in_use;         /* pages that are taken and may be given back */
	LIST_HEAD(, dma_iova_cache) caches;
};

/* Of this thread, by the allocator's id. */
extern __thread struct dma_iova_cache **dma_iova_mine
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Addresses up to last that devices may be given. NULL with rte_errno and the reason. */
struct dma_iova *dma_iova_create(const char *name, gantry_dma_addr_t last);
/* Nobody may use it any more. */
void dma_iova_destroy(struct dma_iova *a);
/* Pages that somebody has, or a thread keeps after they were given back. */
uint32_t dma_iova_in_use(struct dma_iova *a);

/*
 * n pages in a row, the first of them a multiple of align pages (a power of two), none above
 * last. The first one's number; 0: there are none. Slower than dma_iova_get().
 */
uint32_t dma_iova_get_aligned(struct dma_iova *a, size_t n, size_t align, gantry_dma_addr_t last);
/* The same without a wish. */
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
