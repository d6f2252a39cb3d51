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

/* Neither does it hand out a page above the last one, although the bitmap has bits for some. */
static void
pages_end_within_a_word_of_the_bitmap(void **state)
{
	struct dma_iova *a = make(100 * DMA_PAGE - 1);
	unsigned int i;

	for (i = 1; i < 100; i++)
		assert_in_range(dma_iova_get(a, 1), 1, 99);
	assert_int_equal(dma_iova_get(a, 1), 0);
	dma_iova_destroy(a);
}

/* A run may have all pages but page 0, and the position of the search may be in it. */
static void
long_run_is_found_wherever_it_is(void **state)
{
	struct dma_iova *a = make(LAST);

	assert_int_equal(dma_iova_get_aligned(a, PAGES - 1, 1, UINT64_MAX), 1);
	dma_iova_put(a, 1, PAGES - 1);
	assert_int_equal(dma_iova_get(a, PAGES - 1), 1);
	dma_iova_put(a, 1, PAGES - 1);
	assert_int_equal(dma_iova_get(a, 104), 1);
	assert_int_equal(a->next, 105);
	assert_int_equal(dma_iova_get_aligned(a, PAGES - 105, 1, UINT64_MAX), 105);
	dma_iova_put(a, 100, 10);
	assert_int_equal(dma_iova_get(a, 11), 0);
	assert_int_equal(dma_iova_get(a, 10), 100);
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

static pthread_key_t late;

static void
use_late(void *arg)
{
	dma_iova_put(shared, dma_iova_get(shared, 1), 1);
}

static void *
use_until_the_end(void *arg)
{
	pthread_setspecific(late, &late);
	use_late(NULL);
	return NULL;
}

/* The destructor of another key may run after that of the allocator. */
static void
addresses_used_while_a_thread_ends_are_returned(void **state)
{
	pthread_t thread;

	shared = make(LAST);
	dma_iova_put(shared, dma_iova_get(shared, 1), 1); /* the allocator's key is the first */
	assert_int_equal(pthread_key_create(&late, use_late), 0);
	start_thread(&thread, use_until_the_end, NULL);
	pthread_join(thread, NULL);
	/* This thread keeps the batch that it has taken. */
	assert_int_equal(shared->in_use, shared->batch);
	assert_ptr_equal(LIST_FIRST(&shared->caches), dma_iova_mine[shared->id]);
	assert_null(LIST_NEXT(LIST_FIRST(&shared->caches), next));
	pthread_key_delete(late);
	dma_iova_destroy(shared);
}

/* If there are few pages, threads keep few: a 1,024th of them in each stack. */
static void
threads_keep_a_share_of_the_pages(void **state)
{
	static const struct {
		uint32_t pages, batch;
	} sizes[] = {
		{ 64, 4 },
		{ 5 * 1024 - 1, 4 },
		{ 5 * 1024, 5 },
		{ 64 * 1024 - 1, 63 },
		{ 64 * 1024, 64 },
		{ 66 * 1024, 64 },
	};
	struct dma_iova *a;
	unsigned int i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		a = make((gantry_dma_addr_t)sizes[i].pages * DMA_PAGE - 1);
		assert_int_equal(a->nr, sizes[i].pages);
		assert_int_not_equal(dma_iova_get(a, 2), 0);
		assert_int_equal(dma_iova_mine[a->id]->get[1].n, sizes[i].batch - 1);
		dma_iova_destroy(a);
	}
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
	assert_int_equal(n, 128);
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
		cmocka_unit_test(pages_end_within_a_word_of_the_bitmap),
		cmocka_unit_test(long_run_is_found_wherever_it_is),
		cmocka_unit_test(released_address_is_reused_late),
		cmocka_unit_test(random_runs_never_overlap),
		cmocka_unit_test(alignment_and_limit_are_respected),
		cmocka_unit_test(msi_range_is_never_handed_out),
		cmocka_unit_test(threads_never_share_a_page),
		cmocka_unit_test(addresses_used_while_a_thread_ends_are_returned),
		cmocka_unit_test(threads_keep_a_share_of_the_pages),
		cmocka_unit_test(allocator_id_is_reusable_after_destroy),
		cmocka_unit_test(allocators_beyond_limit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
