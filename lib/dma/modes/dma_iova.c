/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Bus addresses for mappings that are made one by one.
 *
 * The lower layer is a bitmap of pages with a lock and one search position, which cycles through
 * all pages: the allocator hands out a freed run again only after the search has been everywhere
 * else. So a device that uses a stale address finds nothing there for as long as there is room.
 * dma_iova_get_aligned(), for coherent blocks, takes the lowest free pages instead.
 *
 *       thread:  get <- 64 runs at a time -  bitmap  <- 64 runs at a time - put  :thread
 *
 * In the upper layer each thread keeps two stacks for each of the usual lengths: runs to hand out,
 * and runs that were given back, which return to the bitmap when there are 64. So a thread takes
 * the lock twice in 64 mappings. One thread may unmap what another thread mapped. Other threads
 * cannot get the runs that a thread keeps; if addresses are scarce, each thread keeps fewer.
 *
 * The allocator never hands out page 0, so that no mapping has the address 0, and the addresses of
 * interrupts (DMA_MSI_FIRST).
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>

#include "dma_iova.h"

#define ALLOCATORS_MAX 128 /* in a process */

/* The caches of one thread, by allocator. */
struct mine {
	LIST_ENTRY(mine) next;
	struct dma_iova_cache *caches[ALLOCATORS_MAX];
};

static struct dma_iova_cache *none[ALLOCATORS_MAX];
__thread struct dma_iova_cache **dma_iova_mine
		__attribute__((tls_model("initial-exec"), visibility("hidden"))) = none;

/*
 * Protects everything below, because allocators and threads come and go. A thread takes it before
 * the lock of an allocator.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct dma_iova *allocators[ALLOCATORS_MAX];
static LIST_HEAD(, mine) threads = LIST_HEAD_INITIALIZER(threads);
static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;
static int thread_error;

/*
 * The bitmap. All functions run with the allocator's lock held.
 */

static bool
is_taken(const struct dma_iova *a, uint32_t page)
{
	return a->taken[page / 64] >> page % 64 & 1;
}

/* Return the bits of n pages from this one on that are in its word. */
static inline uint64_t
bits_of(uint32_t page, size_t n)
{
	return (n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX) << page % 64;
}

static inline void
set_taken(struct dma_iova *a, uint32_t page, size_t n, bool taken)
{
	size_t here;

	for (; n > 0; n -= here, page += here) {
		here = RTE_MIN(n, 64 - page % 64);
		if (taken)
			a->taken[page / 64] |= bits_of(page, here);
		else
			a->taken[page / 64] &= ~bits_of(page, here);
	}
}

static uint32_t
words(const struct dma_iova *a)
{
	return (a->nr + 63) / 64;
}

/*
 * Take up to max runs of n pages, none of them across the end of a word. The first run is the last
 * element, because the stack hands out from its end. Return how many runs there are.
 */
static uint32_t
take_short(struct dma_iova *a, unsigned int n, uint32_t *page, uint32_t max)
{
	uint32_t at = a->next, left = max, looked;

	for (looked = 0; looked <= words(a) && left > 0; looked++) {
		uint64_t word = a->taken[at / 64], starts = ~word & UINT64_MAX << at % 64;
		unsigned int i, bit;

		for (i = 1; i < n; i++)
			starts &= ~word >> i;
		while (starts != 0 && left > 0) {
			bit = __builtin_ctzll(starts);
			word |= bits_of(bit, n);
			starts &= ~bits_of(bit, n);
			page[--left] = at / 64 * 64 + bit;
		}
		a->taken[at / 64] = word;
		/*
		 * Continue with the rest of the word. Pages in it may be given back in the
		 * meantime.
		 */
		at = starts != 0 ? page[left] + n : (at / 64 + 1) * 64;
		if (at >= a->nr)
			at = 0;
	}
	a->next = at;
	a->in_use += (max - left) * n;
	if (left > 0)
		memmove(page, page + left, (max - left) * sizeof(*page));
	return max - left;
}

/* Take n pages in [first, end), the first a multiple of align. Return 0 if there are none. */
static uint32_t
take_long(struct dma_iova *a, size_t n, size_t align, uint32_t first, uint32_t end)
{
	uint64_t page = RTE_ALIGN_CEIL((uint64_t)first, align);
	size_t i;

	while (page + n <= end) {
		for (i = n; i > 0 && !is_taken(a, page + i - 1); i--)
			;
		if (i == 0) {
			set_taken(a, page, n, true);
			a->in_use += n;
			return page;
		}
		page = RTE_ALIGN_CEIL(page + i, align);
	}
	return 0;
}

static void
give(struct dma_iova *a, const uint32_t *page, uint32_t count, size_t n)
{
	uint64_t free = 0; /* bits of the word that contains the last runs */
	uint32_t word = 0, i;

	for (i = 0; i < count; i++) {
		if (page[i] % 64 + n > 64) {
			set_taken(a, page[i], n, false);
			continue;
		}
		if (page[i] / 64 != word) {
			a->taken[word] &= ~free;
			word = page[i] / 64;
			free = 0;
		}
		free |= bits_of(page[i], n);
	}
	a->taken[word] &= ~free;
	a->in_use -= count * n;
}

/*
 * Threads.
 */

/* Give back everything that a thread keeps. The allocator's lock is held. */
static void
cache_empty(struct dma_iova *a, struct dma_iova_cache *c)
{
	unsigned int i;

	for (i = 0; i < DMA_IOVA_RUNS; i++) {
		give(a, c->get[i].page, c->get[i].n, i + 1);
		give(a, c->put[i].page, c->put[i].n, i + 1);
		c->get[i].n = c->put[i].n = 0;
	}
}

static void
thread_ends(void *arg)
{
	struct mine *mine = arg;
	unsigned int i;

	dma_iova_mine = none;
	pthread_mutex_lock(&lock);
	LIST_REMOVE(mine, next);
	for (i = 0; i < ALLOCATORS_MAX; i++) {
		if (mine->caches[i] == NULL)
			continue;
		rte_spinlock_lock(&allocators[i]->lock);
		cache_empty(allocators[i], mine->caches[i]);
		LIST_REMOVE(mine->caches[i], next);
		rte_spinlock_unlock(&allocators[i]->lock);
		free(mine->caches[i]);
	}
	pthread_mutex_unlock(&lock);
	free(mine);
}

static void
make_key(void)
{
	thread_error = pthread_key_create(&thread_key, thread_ends);
}

/* Return this thread's cache, and make it if there is none; NULL: no memory for one. */
static struct dma_iova_cache *
cache_of_thread(struct dma_iova *a)
{
	struct dma_iova_cache *c = dma_iova_mine[a->id];
	struct mine *mine;

	if (c != NULL)
		return c;
	pthread_once(&thread_once, make_key);
	if (thread_error != 0)
		return NULL;
	if (dma_iova_mine == none) {
		mine = calloc(1, sizeof(*mine));
		if (mine == NULL || pthread_setspecific(thread_key, mine) != 0) {
			free(mine);
			return NULL;
		}
		pthread_mutex_lock(&lock);
		LIST_INSERT_HEAD(&threads, mine, next);
		pthread_mutex_unlock(&lock);
		dma_iova_mine = mine->caches;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	rte_spinlock_lock(&a->lock);
	LIST_INSERT_HEAD(&a->caches, c, next);
	rte_spinlock_unlock(&a->lock);
	dma_iova_mine[a->id] = c;
	return c;
}

/*
 * The calls that the inline functions cannot serve.
 */

uint32_t
dma_iova_get_aligned(struct dma_iova *a, size_t n, size_t align, gantry_dma_addr_t last)
{
	const uint32_t end = RTE_MIN((uint64_t)a->nr, (last >> DMA_PAGE_BITS) + 1);
	uint32_t page;

	rte_spinlock_lock(&a->lock);
	page = n < end ? take_long(a, n, align, 1, end) : 0;
	rte_spinlock_unlock(&a->lock);
	return page;
}

static uint32_t
get_long(struct dma_iova *a, size_t n)
{
	uint32_t page = take_long(a, n, 1, a->next, a->nr);

	if (page == 0)
		page = take_long(a, n, 1, 1, RTE_MIN(a->next + n, (size_t)a->nr));
	if (page != 0)
		a->next = page + n < a->nr ? page + n : 0;
	return page;
}

uint32_t
dma_iova_get_slow(struct dma_iova *a, size_t n)
{
	struct dma_iova_cache *c = cache_of_thread(a);
	struct dma_iova_stack *s;
	uint32_t page = 0;
	unsigned int i;

	if (n >= a->nr)
		return 0;
	rte_spinlock_lock(&a->lock);
	/* The second round also uses the runs that this thread keeps; other threads keep theirs. */
	for (i = 0; i < 2 && page == 0; i++) {
		if (i == 1 && c != NULL)
			cache_empty(a, c);
		if (c != NULL && n <= DMA_IOVA_RUNS) {
			s = &c->get[n - 1];
			s->n = take_short(a, n, s->page, a->batch);
			if (s->n > 0)
				page = s->page[--s->n];
		}
		/* A longer run, or one across the end of a word. */
		if (page == 0)
			page = get_long(a, n);
	}
	rte_spinlock_unlock(&a->lock);
	return page;
}

void
dma_iova_put_slow(struct dma_iova *a, uint32_t page, size_t n)
{
	struct dma_iova_cache *c = n <= DMA_IOVA_RUNS ? cache_of_thread(a) : NULL;
	struct dma_iova_stack *s = c != NULL ? &c->put[n - 1] : NULL;

	if (s != NULL && s->n < a->batch) {
		s->page[s->n++] = page;
		return;
	}
	rte_spinlock_lock(&a->lock);
	if (s != NULL) {
		give(a, s->page, s->n, n);
		s->n = 0;
	}
	give(a, &page, 1, n);
	rte_spinlock_unlock(&a->lock);
}

/*
 * Allocators.
 */

struct dma_iova *
dma_iova_create(const char *name, gantry_dma_addr_t last)
{
	struct dma_iova *a = calloc(1, sizeof(*a));
	unsigned int id;
	uint64_t page;

	if (a == NULL)
		goto no_memory;
	a->nr = (last + 1) >> DMA_PAGE_BITS;
	a->taken = calloc(words(a), sizeof(*a->taken));
	if (a->taken == NULL)
		goto no_memory;
	rte_spinlock_init(&a->lock);
	LIST_INIT(&a->caches);
	/* If there are few pages, threads keep fewer. */
	a->batch = RTE_MAX(4u, RTE_MIN(a->nr / 1024, (uint32_t)DMA_IOVA_BATCH));
	set_taken(a, 0, 1, true);
	page = DMA_MSI_FIRST >> DMA_PAGE_BITS;
	if (page < a->nr)
		set_taken(a, page, RTE_MIN(a->nr - page, DMA_MSI_LEN >> DMA_PAGE_BITS), true);
	set_taken(a, a->nr, (size_t)words(a) * 64 - a->nr, true);

	pthread_mutex_lock(&lock);
	for (id = 0; id < ALLOCATORS_MAX && allocators[id] != NULL; id++)
		;
	if (id < ALLOCATORS_MAX)
		allocators[id] = a;
	pthread_mutex_unlock(&lock);
	if (id == ALLOCATORS_MAX) {
		dma_fail("%s: %u devices have bus addresses of their own, and there can be no more "
			 "in a process",
				name, ALLOCATORS_MAX);
		free(a->taken);
		free(a);
		rte_errno = ENOSPC;
		return NULL;
	}
	a->id = id;
	return a;

no_memory:
	free(a);
	dma_fail("%s: out of memory", name);
	rte_errno = ENOMEM;
	return NULL;
}

void
dma_iova_destroy(struct dma_iova *a)
{
	struct dma_iova_cache *c;
	struct mine *mine;

	if (a == NULL)
		return;
	pthread_mutex_lock(&lock);
	allocators[a->id] = NULL;
	LIST_FOREACH(mine, &threads, next)
		mine->caches[a->id] = NULL;
	while ((c = LIST_FIRST(&a->caches)) != NULL) {
		LIST_REMOVE(c, next);
		free(c);
	}
	pthread_mutex_unlock(&lock);
	free(a->taken);
	free(a);
}

uint32_t
dma_iova_in_use(struct dma_iova *a)
{
	struct dma_iova_cache *c;
	uint32_t in_use;
	unsigned int i;

	rte_spinlock_lock(&a->lock);
	in_use = a->in_use;
	LIST_FOREACH(c, &a->caches, next) {
		for (i = 0; i < DMA_IOVA_RUNS; i++)
			in_use -= (c->get[i].n + c->put[i].n) * (i + 1);
	}
	rte_spinlock_unlock(&a->lock);
	return in_use;
}
