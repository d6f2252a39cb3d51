/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Test of pools of small coherent blocks (lib/dma/ext/dma_pool.c). */

#include "dma_device.h"

#include "gantry_dma_pool.h"

#define MAX_BLOCKS 4096

static void
count_block(void *arg, const struct gantry_dma_block *b)
{
	(*(unsigned int *)arg)++;
}

/* Count the coherent blocks of the device. */
static unsigned int
nr_coherent(struct gantry_dma_dev *dev)
{
	unsigned int n = 0;

	gantry_dma_for_each_block(dev, count_block, &n);
	return n;
}

static int
by_address(const void *a, const void *b)
{
	const uint8_t *x = *(uint8_t *const *)a, *y = *(uint8_t *const *)b;

	return x < y ? -1 : x > y;
}

/*
 * Allocate n blocks and assert that they are aligned, within boundaries, at the bus address that
 * the pool returned, and that they do not overlap.
 */
static void
check_pool(struct gantry_dma_dev *dev, size_t size, size_t align, size_t boundary, unsigned int n)
{
	struct gantry_dma_pool *pool = gantry_dma_pool_create("test", dev, size, align, boundary);
	static gantry_dma_addr_t bus[MAX_BLOCKS];
	static uint8_t *cpu[MAX_BLOCKS], *sorted[MAX_BLOCKS];
	unsigned int i;

	assert_non_null(pool);
	for (i = 0; i < n; i++) {
		cpu[i] = gantry_dma_pool_alloc(pool, &bus[i]);
		assert_non_null(cpu[i]);
		assert_int_equal(bus[i], gantry_virt_to_bus(dev, cpu[i]));
		if (align != 0)
			assert_int_equal((bus[i] | (uintptr_t)cpu[i]) % align, 0);
		if (boundary != 0)
			assert_int_equal(bus[i] / boundary, (bus[i] + size - 1) / boundary);
		memset(cpu[i], i, size);
		sorted[i] = cpu[i];
	}
	qsort(sorted, n, sizeof(sorted[0]), by_address);
	for (i = 1; i < n; i++)
		assert_true(sorted[i] >= sorted[i - 1] + size);
	for (i = 0; i < n; i++) {
		assert_int_equal(cpu[i][0], (uint8_t)i);
		assert_int_equal(cpu[i][size - 1], (uint8_t)i);
		gantry_dma_pool_free(pool, cpu[i], bus[i]);
	}
	/*
	 * After all blocks are freed, one can be allocated without more memory, and it is zeroed.
	 */
	i = nr_coherent(dev);
	cpu[0] = gantry_dma_pool_zalloc(pool, &bus[0]);
	for (n = 0; n < size; n++)
		assert_int_equal(cpu[0][n], 0);
	assert_int_equal(nr_coherent(dev), i);
	gantry_dma_pool_free(pool, cpu[0], bus[0]);
	gantry_dma_pool_destroy(pool);
	assert_int_equal(nr_coherent(dev), 0);
}

static void
blocks_respect_alignment_and_boundary(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);

	check_pool(dev, 1, 0, 0, 4096);
	check_pool(dev, 64, 64, 0, 3000);
	check_pool(dev, 100, 4, 0, 2000);
	check_pool(dev, 100, 64, 0, 2000);   /* rounded up to 128 */
	check_pool(dev, 96, 32, 4096, 2000); /* 42 in a boundary, 64 bytes unused */
	check_pool(dev, 3000, 8, 4096, 200); /* one in each */
	check_pool(dev, 24, 8, 32, 4000);
	check_pool(dev, 2048, 2048, 2048, 100);
	check_pool(dev, 40000, 0, 0, 10);
	check_pool(dev, 200000, 4096, 1 << 20, 3);
	check_pool(dev, 64, 4096, 1 << 30, 100);
}

static void
invalid_pool_parameters_are_refused(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	static const size_t bad[][3] = {
		{ 0, 0, 0 },
		{ 64, 48, 0 },  /* alignment: not a power of two */
		{ 64, 0, 96 },  /* boundary: not a power of two */
		{ 64, 0, 32 },  /* larger than the boundary */
		{ 65, 64, 64 }, /* larger after rounding up */
		{ SIZE_MAX, 0, 0 },
		{ 64, SIZE_MAX / 2 + 1, 0 },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		rte_errno = 0;
		assert_null(gantry_dma_pool_create("bad", dev, bad[i][0], bad[i][1], bad[i][2]));
		assert_int_equal(rte_errno, EINVAL);
		assert_reason("\"bad\"");
	}
	assert_null(gantry_dma_pool_create(NULL, dev, 64, 0, 0));
	gantry_dma_pool_destroy(NULL);
}

static void
misuse_is_reported_without_effect(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_pool *pool = gantry_dma_pool_create("cmds", dev, 96, 32, 4096);
	struct gantry_dma_pool *other = gantry_dma_pool_create("other", dev, 96, 32, 4096);
	gantry_dma_addr_t bus, bus2, foreign_bus, again_bus;
	uint8_t *p = gantry_dma_pool_alloc(pool, &bus), *q = gantry_dma_pool_alloc(pool, &bus2);
	uint8_t *foreign = gantry_dma_pool_alloc(other, &foreign_bus), *again;

	gantry_dma_pool_free(pool, NULL, 0);
	gantry_dma_pool_free(pool, foreign, foreign_bus);
	assert_reason("pool cmds: ");
	assert_reason("no block of this pool");
	gantry_dma_pool_free(pool, (void *)1, 1);
	assert_reason("no block of this pool");
	gantry_dma_pool_free(pool, (void *)UINTPTR_MAX, 1);
	assert_reason("no block of this pool");
	gantry_dma_pool_free(pool, p + 32, bus + 32);
	assert_reason("no block begins there");
	gantry_dma_pool_free(pool, p + 42 * 96, bus + 42 * 96); /* unused up to 4,096 */
	assert_reason("no block begins there");
	gantry_dma_pool_free(pool, p, bus2);
	assert_reason("not its bus address");
	gantry_dma_pool_free(pool, p + 2 * 96, bus + 2 * 96);
	assert_reason("free already");
	/* None of these calls had an effect. */
	gantry_dma_pool_free(pool, p, bus);
	gantry_dma_pool_free(pool, p, bus);
	assert_reason("freed twice");
	again = gantry_dma_pool_alloc(pool, &again_bus);
	assert_ptr_equal(again, p);
	assert_int_equal(again_bus, bus);
	assert_ptr_not_equal(gantry_dma_pool_alloc(pool, &again_bus), p);

	/* A pool that is destroyed with blocks in use reports them, and their memory remains. */
	gantry_dma_pool_free(pool, q, bus2);
	gantry_dma_pool_destroy(pool);
	assert_reason("pool cmds destroyed with 2 blocks of 96 bytes in use");
	assert_int_equal(nr_coherent(dev), 2);
	memset(p, 1, 96);
	/* The device's destruction destroys the other pool. */
}

static void
alloc_fails_without_memory_or_mask(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_pool *pool = gantry_dma_pool_create("huge", dev, UINT32_MAX, 0, 0);
	struct gantry_dma_pool *high = gantry_dma_pool_create("high", dev, 64, 0, 0);
	gantry_dma_addr_t bus;

	assert_null(gantry_dma_pool_alloc(pool, &bus));
	assert_int_equal(rte_errno, ENOMEM);
	assert_reason("hugepage memory");
	assert_null(gantry_dma_pool_zalloc(pool, &bus));
	gantry_dma_pool_destroy(pool);

	/* The blocks are coherent memory, so the coherent mask applies. */
	dma_device(dev)->coherent_mask = GANTRY_DMA_BIT_MASK(24);
	assert_null(gantry_dma_pool_alloc(high, &bus));
	assert_int_equal(rte_errno, EIO);
	gantry_dma_pool_destroy(high);
	assert_int_equal(nr_coherent(dev), 0);
}

/*
 * Threads allocate blocks, check that no other thread's mark is in them, leave their own mark, and
 * check it when they free them. Rounds are short, so that two threads are often in the pool
 * concurrently.
 */

#define THREADS 8

struct worker {
	pthread_t thread;
	struct gantry_dma_pool *pool;
	pthread_barrier_t *begin;
	uint32_t mark;
	unsigned int bad;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	gantry_dma_addr_t bus[8];
	uint32_t *cpu[8];
	unsigned int i, round;

	pthread_barrier_wait(w->begin);
	for (round = 0; round < 100000; round++) {
		for (i = 0; i < 8; i++) {
			cpu[i] = gantry_dma_pool_alloc(w->pool, &bus[i]);
			if (cpu[i] == NULL) {
				w->bad++;
				return NULL;
			}
			w->bad += __atomic_exchange_n(cpu[i], w->mark, __ATOMIC_RELAXED) != 0;
		}
		for (i = 0; i < 8; i++) {
			w->bad += __atomic_exchange_n(cpu[i], 0, __ATOMIC_RELAXED) != w->mark;
			gantry_dma_pool_free(w->pool, cpu[i], bus[i]);
		}
	}
	return NULL;
}

static void
threads_never_share_a_block(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_pool *pool = gantry_dma_pool_create("threads", dev, 96, 32, 4096);
	struct worker w[THREADS];
	pthread_barrier_t begin;
	unsigned int i;

	pthread_barrier_init(&begin, NULL, THREADS);
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .pool = pool, .begin = &begin, .mark = i + 1 };
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
	}
	pthread_barrier_destroy(&begin);
	gantry_dma_pool_destroy(pool);
	assert_int_equal(nr_coherent(dev), 0); /* no block was in use */
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ON_DEVICE(blocks_respect_alignment_and_boundary),
		ON_DEVICE(invalid_pool_parameters_are_refused),
		ON_DEVICE(misuse_is_reported_without_effect),
		ON_DEVICE(alloc_fails_without_memory_or_mask),
		ON_DEVICE(threads_never_share_a_block),
	};

	/*
	 * A limit that the test can exhaust, and that leaves memory to programs that run
	 * concurrently.
	 */
	eal_start(argc, argv, eal_no_huge(argc, argv) ? NULL : "--socket-limit=256", NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
