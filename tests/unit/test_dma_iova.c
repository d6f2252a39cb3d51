/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the allocator of bus addresses of lib/dma (dma_iova.c). It hands out runs of pages of 4
 * KiB.
 */

#include "dma_device.h"

#include "dma_iova.h"

#define PAGES 4096u
#define LAST  ((gantry_dma_addr_t)PAGES * DMA_PAGE - 1)

static struct dma_iova *
make(gantry_dma_addr_t last)
{
	struct dma_iova *a = dma_iova_create("test", last);

	assert_non_null(a);
	return a;
}

/*
 * The allocator hands out each page except page 0 once, then none; after all pages are released,
 * each page once again.
 */
static void
each_page_but_zero_is_handed_out_once(void **state)
{
	struct dma_iova *a = make(LAST);
	static bool had[PAGES];
	unsigned int round, i;
	uint32_t page;

	for (round = 0; round < 3; round++) {
		memset(had, 0, sizeof(had));
		for (i = 1; i < PAGES; i++) {
			page = dma_iova_get(a, 1);
			assert_true(page > 0 && page < PAGES && !had[page]);
			had[page] = true;
		}
		assert_int_equal(dma_iova_get(a, 1), 0);
		assert_int_equal(dma_iova_get(a, 7), 0);
		assert_int_equal(dma_iova_in_use(a), PAGES - 1);
		for (page = 1; page < PAGES; page++)
			dma_iova_put(a, page, 1);
		assert_int_equal(dma_iova_in_use(a), 0);
	}
	dma_iova_destroy(a);
}

/* A released address is among the last to be handed out again. */
static void
released_address_is_reused_late(void **state)
{
	struct dma_iova *a = make(LAST);
	uint32_t first = dma_iova_get(a, 2), page;
	unsigned int n = 0;

	dma_iova_put(a, first, 2);
	do {
		page = dma_iova_get(a, 2);
		dma_iova_put(a, page, 2);
		n++;
	} while (page != first);
	assert_true(n > PAGES / 2 - 4 * DMA_IOVA_BATCH);
	dma_iova_destroy(a);
}

/* Runs of random lengths: no page has two owners. */
static void
random_runs_never_overlap(void **state)
{
	struct dma_iova *a = make(LAST);
	static uint8_t owner[PAGES];
	struct {
		uint32_t page, n;
	} run[200];
	unsigned int i, j, count = 0, step;

	memset(owner, 0, sizeof(owner));
	owner[0] = 1;
	srand(1);
	for (step = 0; step < 100000; step++) {
		if (count < RTE_DIM(run) && (count == 0 || rand() % 2)) {
			uint32_t n = rand() % 8 != 0 ? 1 + rand() % 5 : 1 + rand() % 100;
			uint32_t page = dma_iova_get(a, n);

			if (page == 0)
				continue;
			for (j = 0; j < n; j++) {
				assert_true(page + j < PAGES);
				assert_int_equal(owner[page + j], 0);
				owner[page + j] = 1;
			}
			run[count].page = page;
			run[count++].n = n;
		} else {
			i = rand() % count;
			memset(&owner[run[i].page], 0, run[i].n);
			dma_iova_put(a, run[i].page, run[i].n);
			run[i] = run[--count];
		}
	}
	while (count > 0) {
		count--;
		dma_iova_put(a, run[count].page, run[count].n);
	}
	assert_int_equal(dma_iova_in_use(a), 0);
	/*
	 * No page is lost to fragmentation: except for what this thread's cache holds, the longest
	 * run is free.
	 */
	assert_true(dma_iova_get(a, PAGES * 3 / 4) != 0);
	dma_iova_destroy(a);
}

static void
alignment_and_limit_are_respected(void **state)
{
	struct dma_iova *a = make(LAST);
	uint32_t page;
	size_t align;

	for (align = 1; align <= 1024; align *= 4) {
		page = dma_iova_get_aligned(a, align, align, UINT64_MAX);
		assert_true(page != 0 && page % align == 0);
	}
	/* A limit of the call, below that of the allocator. */
	page = dma_iova_get_aligned(a, 3, 1, 0xfffff);
	assert_true(page != 0 && page + 3 <= 256);
	while ((page = dma_iova_get_aligned(a, 1, 1, 0xfffff)) != 0)
		assert_true(page < 256);
	assert_int_equal(dma_iova_get_aligned(a, 4096, 1, UINT64_MAX), 0);
	assert_true(dma_iova_get_aligned(a, 1, 1, 0x100fff) == 256 ||
			dma_iova_get_aligned(a, 1, 1, UINT64_MAX) > 256);
	dma_iova_destroy(a);
}

/* The allocator never hands out the MSI range, where writes are interrupts. */
static void
msi_range_is_never_handed_out(void **state)
{
	struct dma_iova *a = make(UINT32_MAX);
	uint64_t addr;
	uint32_t page;
	unsigned int i;

	page = dma_iova_get_aligned(a, 0xfedff, 1, UINT64_MAX);
	assert_int_equal(page, 1);
	for (i = 0; i < 1800; i++) {
		page = dma_iova_get(a, 1 + i % 3);
		addr = (uint64_t)page << DMA_PAGE_BITS;
		assert_true(page != 0);
		assert_true(addr + (1 + i % 3) * DMA_PAGE <= 0xfee00000 || addr >= 0xfef00000);
	}
	dma_iova_destroy(a);
}

/*
 * Threads: one releases what another has allocated. Each thread marks its pages with an atomic
 * exchange, which detects two owners of a page, whichever threads they are.
 */

#define THREADS 8
#define RING    512

static uint8_t mark[PAGES * 16];
static struct dma_iova *shared;
static uint32_t ring[RING]; /* 0: empty */

struct worker {
	pthread_t thread;
	unsigned int bad, none;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	unsigned int seed = (uintptr_t)w, i;
	uint32_t page, old;

	for (i = 0; i < 200000; i++) {
		page = dma_iova_get(shared, 2);
		if (page == 0) {
			w->none++;
			continue;
		}
		w->bad += __atomic_exchange_n(&mark[page], 1, __ATOMIC_SEQ_CST) != 0;
		w->bad += __atomic_exchange_n(&mark[page + 1], 1, __ATOMIC_SEQ_CST) != 0;
		old = __atomic_exchange_n(&ring[rand_r(&seed) % RING], page, __ATOMIC_SEQ_CST);
		if (old == 0)
			continue;
		w->bad += __atomic_exchange_n(&mark[old], 0, __ATOMIC_SEQ_CST) != 1;
		w->bad += __atomic_exchange_n(&mark[old + 1], 0, __ATOMIC_SEQ_CST) != 1;
		dma_iova_put(shared, old, 2);
	}
	return NULL;
}

static void
threads_never_share_a_page(void **state)
{
	struct worker w[THREADS];
	unsigned int i, left = 0;

	shared = make((gantry_dma_addr_t)sizeof(mark) * DMA_PAGE - 1);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ 0 };
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
		assert_int_equal(w[i].none, 0);
	}
	for (i = 0; i < RING; i++)
		left += ring[i] != 0;
	/* The caches of threads that have ended hold nothing. */
	assert_int_equal(dma_iova_in_use(shared), left * 2);
	rte_spinlock_lock(&shared->lock);
	assert_int_equal(shared->in_use, left * 2);
	assert_true(LIST_EMPTY(&shared->caches));
	rte_spinlock_unlock(&shared->lock);
	dma_iova_destroy(shared);
}

/*
 * An allocator is destroyed while threads that have used it still run; the next allocator gets the
 * same id.
 */
static pthread_barrier_t step;

static void *
outlive(void *arg)
{
	struct worker *w = arg;

	w->bad += dma_iova_get(shared, 1) == 0;
	pthread_barrier_wait(&step);
	pthread_barrier_wait(&step);
	w->bad += dma_iova_get(shared, 1) == 0;
	return NULL;
}

static void
allocator_id_is_reusable_after_destroy(void **state)
{
	struct worker w = { 0 };
	unsigned int id;

	pthread_barrier_init(&step, NULL, 2);
	shared = make(LAST);
	id = shared->id;
	start_thread(&w.thread, outlive, &w);
	pthread_barrier_wait(&step);
	dma_iova_destroy(shared);
	shared = make(LAST);
	assert_int_equal(shared->id, id);
	pthread_barrier_wait(&step);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.bad, 0);
	assert_int_equal(dma_iova_in_use(shared), 1);
	dma_iova_destroy(shared);
	pthread_barrier_destroy(&step);
}

static void
allocators_beyond_limit_are_refused(void **state)
{
	struct dma_iova *a[200];
	unsigned int n = 0;

	while (n < RTE_DIM(a) && (a[n] = dma_iova_create("many", LAST)) != NULL)
		n++;
	assert_true(n < RTE_DIM(a));
	assert_int_equal(rte_errno, ENOSPC);
	assert_reason("there can be no more");
	while (n > 0)
		dma_iova_destroy(a[--n]);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_page_but_zero_is_handed_out_once),
		cmocka_unit_test(released_address_is_reused_late),
		cmocka_unit_test(random_runs_never_overlap),
		cmocka_unit_test(alignment_and_limit_are_respected),
		cmocka_unit_test(msi_range_is_never_handed_out),
		cmocka_unit_test(threads_never_share_a_page),
		cmocka_unit_test(allocator_id_is_reusable_after_destroy),
		cmocka_unit_test(allocators_beyond_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
