/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the books of the debug layer (dma_debug_books.c): each thread has a store of entries,
 * and returns it when it ends.
 */

#include "dma_device.h"

#include "dma_debug_books.h"

static bool no_memory;

int __real_posix_memalign(void **p, size_t align, size_t size);
int __wrap_posix_memalign(void **p, size_t align, size_t size);

int
__wrap_posix_memalign(void **p, size_t align, size_t size)
{
	return no_memory ? ENOMEM : __real_posix_memalign(p, align, size);
}

/* An empty store is filled to half, and one of these entries is taken. */
static void
empty_store_is_filled_to_half(void **state)
{
	struct dma_entry *e = dma_books_new();

	assert_non_null(e);
	assert_int_equal(dma_thread.nr_spare, RTE_DIM(dma_thread.spare) / 2 - 1);
	dma_books_free(e);
}

/* Take an entry and return it. */
static struct dma_entry *
use_entry(void)
{
	struct dma_entry *e = dma_books_new();

	assert_non_null(e);
	dma_books_free(e);
	return e;
}

static void *
use_one(void *arg)
{
	return use_entry();
}

static struct dma_entry *
entry_of_a_thread(void *(*fn)(void *arg))
{
	pthread_t thread;
	void *e;

	start_thread(&thread, fn, NULL);
	assert_int_equal(pthread_join(thread, &e), 0);
	return e;
}

/* A process that starts a thread for each job must not need more entries with each. */
static void
entries_of_an_ended_thread_are_reused(void **state)
{
	struct dma_entry *first = entry_of_a_thread(use_one);

	assert_ptr_equal(entry_of_a_thread(use_one), first);
}

static pthread_key_t late;

static void
use_late(void *arg)
{
	use_entry();
}

static void *
use_until_the_end(void *arg)
{
	pthread_setspecific(late, &late);
	return use_entry();
}

/* The destructor of another key may run after that of the books. */
static void
entries_used_while_a_thread_ends_are_reused(void **state)
{
	struct dma_entry *first = entry_of_a_thread(use_one);

	assert_int_equal(pthread_key_create(&late, use_late), 0);
	assert_ptr_equal(entry_of_a_thread(use_until_the_end), first);
	assert_ptr_equal(entry_of_a_thread(use_one), first);
	pthread_key_delete(late);
}

static void *
free_more_than_a_store_holds(void *arg)
{
	struct dma_entry *e[3 * RTE_DIM(dma_thread.spare)];
	bool full = false;
	unsigned int i;

	for (i = 0; i < RTE_DIM(e); i++)
		e[i] = dma_books_new();
	for (i = 0; i < RTE_DIM(e); i++) {
		dma_books_free(e[i]);
		full |= dma_thread.nr_spare == RTE_DIM(dma_thread.spare);
		assert_in_range(dma_thread.nr_spare, full ? RTE_DIM(dma_thread.spare) / 2 : 0,
				RTE_DIM(dma_thread.spare));
	}
	assert_true(full);
	return NULL;
}

static void
full_store_returns_half_of_its_entries(void **state)
{
	entry_of_a_thread(free_more_than_a_store_holds);
}

/* Without memory there is no entry, and the ones that exist stay usable. */
static void
exhausted_store_has_no_entry(void **state)
{
	static struct dma_entry *all[4096];
	unsigned int n = 0;

	no_memory = true;
	while (n < RTE_DIM(all) && (all[n] = dma_books_new()) != NULL)
		n++;
	assert_true(n < RTE_DIM(all));
	assert_null(dma_books_new());
	no_memory = false;
	use_entry();
	while (n > 0)
		dma_books_free(all[--n]);
}

static void *
use_many(void *arg)
{
	struct dma_entry *e[2 * RTE_DIM(dma_thread.spare)];
	uintptr_t bad = 0;
	unsigned int i, turn;

	for (turn = 0; turn < 20000; turn++) {
		for (i = 0; i < RTE_DIM(e); i++) {
			e[i] = dma_books_new();
			if (e[i] == NULL)
				return "no entry";
			e[i]->owner = &e[i];
		}
		for (i = 0; i < RTE_DIM(e); i++) {
			bad += e[i]->owner != &e[i];
			dma_books_free(e[i]);
		}
	}
	return bad != 0 ? "an entry of two threads" : NULL;
}

static void
no_entry_is_given_to_two_threads(void **state)
{
	pthread_t thread[4];
	unsigned int i;
	void *why;

	for (i = 0; i < RTE_DIM(thread); i++)
		start_thread(&thread[i], use_many, NULL);
	for (i = 0; i < RTE_DIM(thread); i++) {
		pthread_join(thread[i], &why);
		if (why != NULL)
			fail_msg("%s", (char *)why);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_store_is_filled_to_half),
		cmocka_unit_test(entries_of_an_ended_thread_are_reused),
		cmocka_unit_test(entries_used_while_a_thread_ends_are_reused),
		cmocka_unit_test(full_store_returns_half_of_its_entries),
		cmocka_unit_test(exhausted_store_has_no_entry),
		cmocka_unit_test(no_entry_is_given_to_two_threads),
	};

	return cmocka_run_group_tests_name("dma_debug_books", tests, NULL, NULL);
}
