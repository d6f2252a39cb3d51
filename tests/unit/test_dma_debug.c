/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer of lib/dma and its books of mappings (dma_debug.c): the library reports
 * each class of misuse once, with its class and its place, and reports nothing for the same code
 * without the mistake. The plays below are that code, for single mappings, syncs, kinds of memory,
 * coherent memory and pools.
 */

#include "dma_plays.h"

#include <sys/mman.h>

#include "gantry_dma_pool.h"

/* Single mappings. */

static void HERE
unmap_twice(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	if (fixed)
		addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN,
			fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_NONE);

	if (gantry_dma_mapping_error(dev, addr) == 0)
		gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_BIDIRECTIONAL);
	rte_free(p);
}

static void HERE
wrong_function(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_sg sg;
	uint8_t *p = memory(LEN);

	gantry_sg_set_buf(&sg, p, LEN);
	assert_int_equal(gantry_dma_map_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE), 1);
	if (fixed)
		gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE);
	else
		gantry_dma_unmap_single(dev, gantry_sg_dma_address(&sg), LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
unmap_error(struct gantry_dma_dev *dev, bool fixed)
{
	gantry_dma_addr_t addr = GANTRY_DMA_MAPPING_ERROR;

	if (!fixed)
		gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
}

static void HERE
unchecked(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	if (fixed)
		assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* The check may come late, after other mappings. */
static void HERE
unchecked_one_of_two(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(2 * LEN);
	gantry_dma_addr_t a, b;

	a = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	b = gantry_dma_map_single(dev, p + LEN, LEN, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, a));
	if (fixed)
		assert_false(gantry_dma_mapping_error(dev, b));
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, b, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* Sync. */

static void HERE
sync_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	if (fixed)
		gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	if (!fixed)
		gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static void HERE
sync_range(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	gantry_dma_sync_single_range_for_cpu(dev, addr, 100, fixed ? LEN - 100 : LEN - 99,
			GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static void HERE
sync_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	enum gantry_dma_dir dir = fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_TO_DEVICE;
	gantry_dma_addr_t addr = map(dev, p, LEN, dir);

	/* A sync in one direction is valid for memory that is mapped for both. */
	gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, dir);
	rte_free(p);
}

static void HERE
sync_pointless_cpu(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	if (!fixed)
		gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	p[0]++;
	gantry_dma_sync_single_for_device(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
sync_pointless_device(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	/* A sync back to the device is legitimate after the CPU has only read the buffer. */
	if (fixed)
		gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_sync_single_for_device(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

/* Memory. */

static void HERE
map_empty(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	map_and_unmap(dev, p, fixed ? 1 : 0);
	rte_free(p);
}

static void HERE
map_bar(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN), *bar;

	bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(bar, MAP_FAILED);
	assert_int_equal(gantry_mem_mmio_add(bar, 4096), 0);
	map_and_unmap(dev, fixed ? p : bar, LEN);
	gantry_mem_mmio_del(bar);
	munmap(bar, 4096);
	rte_free(p);
}

static void HERE
map_stack(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	/* not an array, because ASan may place it elsewhere */
	uint8_t *local = __builtin_alloca(LEN);

	memset(local, 0, LEN);
	map_and_unmap(dev, fixed ? p : local, LEN);
	rte_free(p);
}

static const char text[64] = "read-only data";

static void HERE
map_text(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	map_and_unmap(dev, fixed ? p : (void *)(uintptr_t)text, sizeof(text));
	rte_free(p);
}

static void HERE
map_code(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	map_and_unmap(dev, fixed ? p : (void *)(uintptr_t)map_code, 16);
	rte_free(p);
}

static void HERE
map_scattered(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN), *heap = calloc(1, LEN);

	map_and_unmap(dev, fixed ? p : heap, LEN);
	free(heap);
	rte_free(p);
}

static void HERE
overlap_bytes(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	enum gantry_dma_dir dir = fixed ? GANTRY_DMA_TO_DEVICE : GANTRY_DMA_FROM_DEVICE;
	gantry_dma_addr_t a, b;

	/* Two mappings that the device only reads may overlap. */
	a = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	b = gantry_dma_map_single(dev, p + 128, 128, dir);
	assert_false(gantry_dma_mapping_error(dev, b));
	gantry_dma_unmap_single(dev, b, 128, dir);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
overlap_line(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	const size_t first = fixed ? 128 : 100;
	gantry_dma_addr_t a, b;

	a = map(dev, p, first, GANTRY_DMA_FROM_DEVICE);
	b = gantry_dma_map_single(dev, p + first, 100, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, b));
	gantry_dma_unmap_single(dev, b, 100, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, a, first, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

/* A large mapping, and a small one in the middle of it. */
static void HERE
overlap_sizes(struct gantry_dma_dev *dev, bool fixed)
{
	const size_t large = 200000;
	uint8_t *p = memory(large);
	gantry_dma_addr_t a, b;

	a = map(dev, p + 100096, 256, GANTRY_DMA_TO_DEVICE);
	b = gantry_dma_map_single(dev, p, fixed ? 100096 : large, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, b));
	gantry_dma_unmap_single(dev, b, fixed ? 100096 : large, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, a, 256, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* The freed block shares its page with others, so that EAL keeps the page. */
static void HERE
freed_mapped(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	if (!fixed)
		rte_free(p);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	if (fixed)
		rte_free(p);
}

/* Freed, allocated again as part of a larger block, and mapped again. */
static void HERE
freed_reused(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN), *q;
	gantry_dma_addr_t a, b;

	a = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	if (fixed)
		gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
	q = memory(4 * LEN);
	b = gantry_dma_map_single(dev, q, 4 * LEN, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, b));
	gantry_dma_unmap_single(dev, b, 4 * LEN, GANTRY_DMA_TO_DEVICE);
	/* The address of q does not matter. */
	if (!fixed)
		gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(q);
}

/* Coherent memory, pools. */

static void HERE
coherent_twice(struct gantry_dma_dev *dev, bool fixed)
{
	gantry_dma_addr_t addr;
	void *cpu = gantry_dma_alloc_coherent(dev, LEN, &addr, SOCKET_ID_ANY);

	assert_non_null(cpu);
	gantry_dma_free_coherent(dev, LEN, cpu, addr);
	if (!fixed)
		gantry_dma_free_coherent(dev, LEN, cpu, addr);
}

static void HERE
coherent_unknown(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	if (!fixed)
		gantry_dma_free_coherent(dev, LEN, p, (uintptr_t)p);
	rte_free(p);
}

static void HERE
coherent_size(struct gantry_dma_dev *dev, bool fixed)
{
	gantry_dma_addr_t addr;
	void *cpu = gantry_dma_alloc_coherent(dev, LEN, &addr, SOCKET_ID_ANY);

	assert_non_null(cpu);
	gantry_dma_free_coherent(dev, fixed ? LEN : LEN * 2, cpu, addr);
}

static void HERE
coherent_pointer(struct gantry_dma_dev *dev, bool fixed)
{
	gantry_dma_addr_t addr;
	uint8_t *cpu = gantry_dma_alloc_coherent(dev, LEN, &addr, SOCKET_ID_ANY);

	assert_non_null(cpu);
	gantry_dma_free_coherent(dev, LEN, fixed ? cpu : cpu + 64, addr);
}

static void HERE
coherent_handle(struct gantry_dma_dev *dev, bool fixed)
{
	gantry_dma_addr_t addr;
	uint8_t *cpu = gantry_dma_alloc_coherent(dev, LEN, &addr, SOCKET_ID_ANY);

	assert_non_null(cpu);
	gantry_dma_free_coherent(dev, LEN, cpu, fixed ? addr : addr + 64);
}

static void HERE
coherent_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	gantry_dma_addr_t addr;
	uint8_t *cpu = gantry_dma_alloc_coherent(dev, LEN, &addr, SOCKET_ID_ANY);

	assert_non_null(cpu);
	if (!fixed)
		gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_free_coherent(dev, LEN, cpu, addr);
}

static void HERE
pool_twice(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_pool *pool = gantry_dma_pool_create("p", dev, 64, 64, 0);
	gantry_dma_addr_t a, b;
	void *x = gantry_dma_pool_alloc(pool, &a), *y = gantry_dma_pool_zalloc(pool, &b);

	assert_true(x != NULL && y != NULL);
	gantry_dma_pool_free(pool, x, a);
	if (!fixed)
		gantry_dma_pool_free(pool, x, a);
	gantry_dma_pool_free(pool, y, b);
	gantry_dma_pool_destroy(pool);
}

static void HERE
pool_pointer(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_pool *pool = gantry_dma_pool_create("p", dev, 64, 64, 0);
	gantry_dma_addr_t a, b;
	void *x = gantry_dma_pool_alloc(pool, &a), *y = gantry_dma_pool_alloc(pool, &b);

	assert_true(x != NULL && y != NULL);
	gantry_dma_pool_free(pool, fixed ? x : y, a);
	gantry_dma_pool_free(pool, y, b);
	gantry_dma_pool_destroy(pool);
}

static void HERE
pool_other(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_pool *pool = gantry_dma_pool_create("p", dev, 64, 64, 0);
	struct gantry_dma_pool *other = gantry_dma_pool_create("q", dev, 64, 64, 0);
	gantry_dma_addr_t a;
	void *x = gantry_dma_pool_alloc(pool, &a);

	assert_non_null(x);
	if (!fixed)
		gantry_dma_pool_free(other, x, a);
	gantry_dma_pool_free(pool, x, a);
	gantry_dma_pool_destroy(other);
	gantry_dma_pool_destroy(pool);
}

static void HERE
pool_leaked(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_pool *pool = gantry_dma_pool_create("p", dev, 64, 64, 0);
	gantry_dma_addr_t a;
	void *x = gantry_dma_pool_alloc(pool, &a);

	assert_non_null(x);
	if (fixed)
		gantry_dma_pool_free(pool, x, a);
	gantry_dma_pool_destroy(pool);
}

static const struct play plays[] = {
	PLAY(unmap_unknown, UNMAP_UNKNOWN),
	PLAY(unmap_twice, UNMAP_TWICE),
	PLAY(wrong_size, WRONG_SIZE),
	PLAY(wrong_direction, WRONG_DIRECTION),
	PLAY(no_direction, WRONG_DIRECTION),
	PLAY(wrong_function, WRONG_FUNCTION),
	PLAY(unmap_error, UNMAP_ERROR),
	PLAY(unchecked, UNCHECKED),
	PLAY(unchecked_one_of_two, UNCHECKED),
	PLAY(sync_unmapped, SYNC_UNMAPPED),
	PLAY(sync_range, SYNC_RANGE),
	PLAY(sync_direction, SYNC_DIRECTION),
	PLAY(sync_pointless_cpu, SYNC_POINTLESS),
	PLAY(sync_pointless_device, SYNC_POINTLESS),
	PLAY(map_nothing, MAP_INVALID),
	PLAY(map_empty, MAP_INVALID),
	PLAY(map_bar, MAP_INVALID),
	PLAY(map_stack, MAP_STACK),
	PLAY(map_text, MAP_TEXT),
	PLAY(map_code, MAP_TEXT),
	PLAY(map_scattered, MAP_SCATTERED),
	PLAY(overlap_bytes, OVERLAP),
	PLAY(overlap_line, OVERLAP),
	PLAY(overlap_sizes, OVERLAP),
	PLAY(freed_mapped, FREED_MAPPED),
	PLAY(freed_reused, FREED_MAPPED),
	PLAY(coherent_twice, UNMAP_TWICE),
	PLAY(coherent_unknown, UNMAP_UNKNOWN),
	PLAY(coherent_size, WRONG_SIZE),
	PLAY(coherent_pointer, WRONG_CPU_ADDRESS),
	PLAY(coherent_handle, WRONG_CPU_ADDRESS),
	PLAY(coherent_unmapped, WRONG_FUNCTION),
	PLAY(pool_twice, UNMAP_TWICE),
	PLAY(pool_pointer, WRONG_CPU_ADDRESS),
	PLAY(pool_other, WRONG_FUNCTION),
	PLAY(pool_leaked, LEAKED),
};

static void
correct_code_is_not_reported(void **state)
{
	plays_without_mistakes(plays, RTE_DIM(plays));
}

static void
each_mistake_is_reported_once_with_class_and_place(void **state)
{
	plays_with_mistakes(plays, RTE_DIM(plays));
}

static int
run(const char *mode)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(correct_code_is_not_reported),
		cmocka_unit_test(each_mistake_is_reported_once_with_class_and_place),
	};

	return cmocka_run_group_tests_name(mode, tests, NULL, NULL);
}

int
main(int argc, char **argv)
{
	return plays_run(argc, argv, run);
}
