/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer of lib/dma and its books of mappings (dma_debug.c): the library reports
 * each class of misuse once, with its class and its place, and reports nothing for the same code
 * without the mistake.
 *
 * The plays below are that code; each makes one mistake unless `fixed` is true (see dma_reports.h).
 * each_mistake_is_reported_once_with_class_and_place() and correct_code_is_not_reported() run all of
 * them. The other cases test what a report contains, leaks, the filter, telemetry, threads, and
 * numbers of mappings.
 */

#define EAL_TELEMETRY "--telemetry"
#include "dma_device.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dma_debug.h"
#include "dma_reports.h"
#include "dma_telemetry.h"
#include "gantry_dma_pool.h"
#include "gantry_dma_sg.h"

#define LEN 512

static struct rte_mempool *pool;

static uint8_t *
memory(size_t len)
{
	uint8_t *p = rte_zmalloc("test", len, RTE_CACHE_LINE_SIZE);

	assert_non_null(p);
	return p;
}

/* Always inline, without optimisation as well: reports must name the caller as the place. */
static __rte_always_inline gantry_dma_addr_t
map(struct gantry_dma_dev *dev, void *p, size_t len, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, len, dir);

	assert_false(gantry_dma_mapping_error(dev, addr));
	return addr;
}

/* Single mappings. */

static void HERE
unmap_unknown(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	if (!fixed)
		gantry_dma_unmap_single(dev, addr + LEN / 2, LEN / 2, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

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
wrong_size(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	gantry_dma_unmap_single(dev, addr, fixed ? LEN : 60, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static void HERE
wrong_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	gantry_dma_unmap_single(dev, addr, LEN, fixed ? GANTRY_DMA_FROM_DEVICE :
		GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN, fixed ?
		GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_NONE);

	if (gantry_dma_mapping_error(dev, addr) == 0)
		gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_BIDIRECTIONAL);
	rte_free(p);
}

static void HERE
sg_no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	struct gantry_sg sg;

	gantry_sg_set_buf(&sg, p, LEN);
	if (gantry_dma_map_sg(dev, &sg, 1, fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_NONE) != 0)
		gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_BIDIRECTIONAL);
	rte_free(p);
}

static void HERE
chain_no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct gantry_dma_seg seg;

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, LEN));
	if (gantry_dma_map_mbuf_chain(dev, m, &seg, 1, fixed ? GANTRY_DMA_BIDIRECTIONAL :
			GANTRY_DMA_NONE) == 1)
		gantry_dma_unmap_mbuf_chain(dev, m, &seg, 1, GANTRY_DMA_BIDIRECTIONAL);
	rte_pktmbuf_free(m);
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
		gantry_dma_unmap_single(dev, gantry_sg_dma_address(&sg), LEN,
			GANTRY_DMA_TO_DEVICE);
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

/* Map memory that must not be mapped; in some modes this succeeds. */
static inline __attribute__((always_inline)) void
map_and_unmap(struct gantry_dma_dev *dev, void *p, size_t len)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, len, GANTRY_DMA_TO_DEVICE);

	if (gantry_dma_mapping_error(dev, addr) == 0)
		gantry_dma_unmap_single(dev, addr, len, GANTRY_DMA_TO_DEVICE);
}

static void HERE
map_nothing(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	map_and_unmap(dev, fixed ? p : (void *)(uintptr_t)LEN, LEN);
	rte_free(p);
}

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

/* Lists, chains, BARs. */

static void
list(struct gantry_sg *sg, uint8_t *p, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		gantry_sg_set_buf(&sg[i], p + i * LEN, LEN / 2);
}

static void HERE
sg_nents_less(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_FROM_DEVICE), 3);
	gantry_dma_unmap_sg(dev, sg, fixed ? 3 : 2, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

/* Unmapped with the number that mapping returned, after it had merged entries. */
static void HERE
sg_nents_merged(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(2 * LEN);
	struct gantry_sg sg[2];
	unsigned int n;

	gantry_sg_set_buf(&sg[0], p, LEN);
	gantry_sg_set_buf(&sg[1], p + LEN, LEN);
	n = gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(n, 1);
	gantry_dma_unmap_sg(dev, sg, fixed ? 2 : n, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
sg_sync_nents(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_FROM_DEVICE), 3);
	gantry_dma_sync_sg_for_cpu(dev, sg, fixed ? 3 : 1, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static void HERE
sg_twice(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE), 3);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE);
	if (!fixed)
		gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* Adjacent small pieces of one list may share a cache line that the device writes. */
static void HERE
sg_overlap(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	struct gantry_sg sg[2];

	gantry_sg_set_buf(&sg[0], p, 10);
	gantry_sg_set_buf(&sg[1], p + (fixed ? 10 : 9), 10);
	assert_int_not_equal(gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE), 0);
	gantry_dma_unmap_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static void HERE
sg_too_long(struct gantry_dma_dev *dev, bool fixed)
{
	const size_t max = gantry_dma_get_max_seg_size(dev);
	uint8_t *p = memory(2 * LEN);
	struct gantry_sg sg;

	assert_int_equal(gantry_dma_set_max_seg_size(dev, LEN), 0);
	gantry_sg_set_buf(&sg, p, fixed ? LEN : LEN + 1);
	if (gantry_dma_map_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE) != 0)
		gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_set_max_seg_size(dev, max), 0);
	rte_free(p);
}

static void HERE
single_boundary(struct gantry_dma_dev *dev, bool fixed)
{
	const uint64_t mask = gantry_dma_get_seg_boundary(dev);
	uint8_t *p = rte_malloc("test", 8192, 8192);
	gantry_dma_addr_t addr;
	size_t at;

	assert_non_null(p);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, 4095), 0);
	at = fixed ? 0 : 3840;
	addr = gantry_dma_map_single(dev, p + at, LEN, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, mask), 0);
	rte_free(p);
}

/* The list was never mapped: a reset path that walks each list it has. */
static void HERE
sg_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	memset(sg, 0, sizeof(sg));
	list(sg, p, 3);
	if (fixed)
		assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE), 3);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* The entry is longer than it was when mapped: no segment covers all of it. */
static void HERE
sg_grown(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(2 * LEN);
	struct gantry_sg sg;

	gantry_sg_set_buf(&sg, p, LEN);
	assert_int_equal(gantry_dma_map_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE), 1);
	sg.length += fixed ? 0 : LEN;
	gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* Two chained mbufs that are not adjacent in memory, and a third that is not in the chain. */
static void
chain(struct rte_mbuf *m[3])
{
	unsigned int i;

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, 3), 0);
	for (i = 0; i < 3; i++)
		assert_non_null(rte_pktmbuf_append(m[i], LEN));
	assert_int_equal(rte_pktmbuf_chain(m[0], m[1]), 0);
}

static void
chain_free(struct rte_mbuf *m[3])
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		m[i]->next = NULL;
		m[i]->nb_segs = 1;
		rte_pktmbuf_free(m[i]);
	}
}

static void HERE
chain_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[4] = { 0 };
	struct rte_mbuf *m[3];
	int n = 2;

	chain(m);
	if (fixed)
		n = gantry_dma_map_mbuf_chain(dev, m[0], segs, 4, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(n, 2);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, n, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

/* The mapping failed for lack of segments, and the clean-up unmaps it nevertheless. */
static void HERE
chain_failed(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	if (gantry_dma_map_mbuf_chain(dev, m[0], segs, fixed ? 2 : 1, GANTRY_DMA_TO_DEVICE) < 0)
		assert_false(fixed);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

/*
 * The chain has another number of mbufs than when it was mapped. The library unmaps the remaining
 * ones with the rest.
 */
static void HERE
chain_cut(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE), 2);
	if (!fixed)
		m[0]->next = NULL;
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

static void HERE
chain_grown(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE), 2);
	if (!fixed)
		m[1]->next = m[2];
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

/* Sync a chain that the device writes, in the given way. */
static inline __attribute__((always_inline)) void
chain_sync(struct gantry_dma_dev *dev, enum gantry_dma_dir dir, size_t size, unsigned int nb_segs,
		bool for_cpu)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE), 2);
	if (for_cpu)
		gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m[0], segs, nb_segs, 10, size, dir);
	gantry_dma_sync_mbuf_chain_for_device(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
	chain_free(m);
}

static void HERE
chain_sync_range(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE), 2);
	gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m[0], segs, 2, LEN - 10,
		LEN + (fixed ? 10 : 11), GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
	chain_free(m);
}

/* Sync all or a part of a chain, while it is mapped or afterwards. */
static inline __attribute__((always_inline)) void
chain_sync_when(struct gantry_dma_dev *dev, bool mapped, bool all)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];
	unsigned int i;

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE), 2);
	for (i = 0; i < 2; i++) {
		if (i == mapped)
			gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
		else if (all)
			gantry_dma_sync_mbuf_chain_for_cpu(dev, m[0], segs, 2,
				GANTRY_DMA_FROM_DEVICE);
		else
			gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m[0], segs, 2, LEN, LEN,
				GANTRY_DMA_FROM_DEVICE);
	}
	chain_free(m);
}

static void HERE
chain_sync_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync_when(dev, fixed, true);
}

static void HERE
chain_sync_part_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync_when(dev, fixed, false);
}

static void HERE
chain_sync_nents(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync(dev, GANTRY_DMA_FROM_DEVICE, LEN, fixed ? 2 : 1, true);
}

static void HERE
chain_sync_direction(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync(dev, fixed ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_BIDIRECTIONAL, LEN, 2, true);
}

static void HERE
chain_sync_pointless(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync(dev, GANTRY_DMA_FROM_DEVICE, 1, 2, fixed);
}

/* One byte beyond the segment that covers both entries. */
static void HERE
merged_sync_range(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[2];

	gantry_sg_set_buf(&sg[0], p, LEN);
	gantry_sg_set_buf(&sg[1], p + LEN, LEN);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE), 1);
	gantry_dma_sync_single_range_for_cpu(dev, gantry_sg_dma_address(&sg[0]), 10,
		2 * LEN - (fixed ? 10 : 9), GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

#define BAR_LEN  8192
#define BAR_PHYS 0xE0000000

static uint8_t *
make_bar(void)
{
	uint8_t *bar = mmap(NULL, BAR_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		0);

	assert_ptr_not_equal(bar, MAP_FAILED);
	assert_int_equal(gantry_mem_mmio_add(bar, BAR_LEN), 0);
	return bar;
}

static void
drop_bar(uint8_t *bar)
{
	gantry_mem_mmio_del(bar);
	munmap(bar, BAR_LEN);
}

static void HERE
resource_size(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, BAR_LEN,
		GANTRY_DMA_BIDIRECTIONAL);

	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_resource(dev, addr, fixed ? BAR_LEN : 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_single(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, 4096,
		GANTRY_DMA_BIDIRECTIONAL);

	assert_false(gantry_dma_mapping_error(dev, addr));
	if (!fixed)
		gantry_dma_unmap_single(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

/* A BAR whose physical address is unknown cannot be mapped. */
static void HERE
resource_error(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, GANTRY_PHYS_ADDR_BAD, 4096,
		GANTRY_DMA_BIDIRECTIONAL);

	if (!gantry_dma_mapping_error(dev, addr) || !fixed)
		gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, 4096, fixed ?
		GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_NONE);

	if (!gantry_dma_mapping_error(dev, addr))
		gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_empty(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, fixed ? 1 : 0,
		GANTRY_DMA_BIDIRECTIONAL);

	if (!gantry_dma_mapping_error(dev, addr))
		gantry_dma_unmap_resource(dev, addr, 1, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

/* The mapping fails, and the thread continues with another mapping. */
static void HERE
resource_unchecked(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar(), *p = memory(LEN);
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, GANTRY_PHYS_ADDR_BAD, 4096,
		GANTRY_DMA_BIDIRECTIONAL);

	if (fixed)
		assert_true(gantry_dma_mapping_error(dev, addr));
	addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
	drop_bar(bar);
}

/* The same, but the next mapping is of a BAR. */
static void HERE
unchecked_then_resource(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, GANTRY_PHYS_ADDR_BAD, 4096,
		GANTRY_DMA_BIDIRECTIONAL);

	if (fixed)
		assert_true(gantry_dma_mapping_error(dev, addr));
	addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, 4096, GANTRY_DMA_BIDIRECTIONAL);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_memory(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	if (!fixed)
		assert_true(gantry_dma_mapping_error(dev, gantry_dma_map_resource(dev, p, 0x1000,
			LEN, GANTRY_DMA_BIDIRECTIONAL)));
	rte_free(p);
}

static const struct play plays[] = {
	PLAY(unmap_unknown, UNMAP_UNKNOWN),
	PLAY(unmap_twice, UNMAP_TWICE),
	PLAY(wrong_size, WRONG_SIZE),
	PLAY(wrong_direction, WRONG_DIRECTION),
	PLAY(no_direction, WRONG_DIRECTION),
	PLAY(sg_no_direction, WRONG_DIRECTION),
	PLAY(chain_no_direction, WRONG_DIRECTION),
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
	PLAY(sg_nents_less, WRONG_NENTS),
	PLAY(sg_nents_merged, WRONG_NENTS),
	PLAY(sg_sync_nents, WRONG_NENTS),
	PLAY(sg_twice, UNMAP_TWICE),
	PLAY(sg_overlap, OVERLAP),
	PLAY(sg_too_long, SEGMENT_SIZE),
	PLAY(sg_unmapped, UNMAP_UNKNOWN),
	PLAY(sg_grown, WRONG_SIZE),
	PLAY(chain_unmapped, UNMAP_UNKNOWN),
	PLAY(chain_failed, UNMAP_ERROR),
	PLAY(chain_cut, WRONG_NENTS),
	PLAY(chain_grown, WRONG_NENTS),
	PLAY(chain_sync_range, SYNC_RANGE),
	PLAY(chain_sync_unmapped, SYNC_UNMAPPED),
	PLAY(chain_sync_part_unmapped, SYNC_UNMAPPED),
	PLAY(chain_sync_nents, WRONG_NENTS),
	PLAY(chain_sync_direction, SYNC_DIRECTION),
	PLAY(chain_sync_pointless, SYNC_POINTLESS),
	PLAY(merged_sync_range, SYNC_RANGE),
	PLAY(single_boundary, SEGMENT_BOUNDARY),
	PLAY(resource_size, WRONG_SIZE),
	PLAY(resource_single, WRONG_FUNCTION),
	PLAY(resource_memory, MAP_INVALID),
	PLAY(resource_error, UNMAP_ERROR),
	PLAY(resource_no_direction, WRONG_DIRECTION),
	PLAY(resource_empty, MAP_INVALID),
	PLAY(resource_unchecked, UNCHECKED),
	PLAY(unchecked_then_resource, UNCHECKED),
};

static struct gantry_dma_dev *
debug_device(const char *name, enum gantry_dma_debug_level level)
{
	struct gantry_dma_params p = { .name = name, .socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_DIRECT, .debug = level };
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	return dev;
}

/* Each play without its mistake, all on one device: no report. */
static void
correct_code_is_not_reported(void **state)
{
	struct gantry_dma_dev *dev = debug_device("twins", GANTRY_DMA_DEBUG_ON);
	unsigned int i, round;

	reports_begin();
	for (round = 0; round < 2; round++) {
		for (i = 0; i < RTE_DIM(plays); i++) {
			plays[i].play(dev, true);
			if (reports.nr != 0)
				fail_msg("%s: %s", plays[i].name, reports.at[0].text);
			assert_int_equal(gantry_dma_debug_live(dev), 0);
		}
	}
	assert_int_equal(gantry_dma_debug_errors(dev), 0);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 0);
}

/*
 * Each play with its mistake: one report, of the right class, which names the play. Repetitions are
 * not reported.
 */
static void
each_mistake_is_reported_once_with_class_and_place(void **state)
{
	const uint64_t before = gantry_dma_debug_errors(NULL);
	struct gantry_dma_dev *dev;
	unsigned int i, round;

	for (i = 0; i < RTE_DIM(plays); i++) {
		dev = debug_device(plays[i].name, GANTRY_DMA_DEBUG_ON);
		reports_begin();
		for (round = 0; round < 3; round++) {
			plays[i].play(dev, false);
			reports_expect(plays[i].misuse, plays[i].name);
			assert_string_equal(reports.at[0].device, plays[i].name);
		}
		assert_int_equal(gantry_dma_debug_errors(dev), 1);
		assert_int_equal(gantry_dma_debug_live(dev), 0);
		/*
		 * If the number of entries is wrong, the report still names the call that mapped
		 * them.
		 */
		if (plays[i].misuse == GANTRY_DMA_MISUSE_WRONG_NENTS)
			assert_non_null(reports.at[0].map_site);
		gantry_dma_dev_destroy(dev);
		assert_int_equal(reports.nr, 1);
	}
	assert_int_equal(gantry_dma_debug_errors(NULL) - before, RTE_DIM(plays));
}

static void
expect_why(struct gantry_dma_dev *dev, void *ptr, size_t size, const char *why)
{
	reports_begin();
	assert_true(gantry_dma_mapping_error(dev, gantry_dma_map_single(dev, ptr, size,
		GANTRY_DMA_TO_DEVICE)));
	assert_reason(why);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_MAP_SCATTERED);
	if (strstr(reports.at[0].text, why) == NULL)
		fail_msg("not \"%s\": %s", why, reports.at[0].text);
}

/* Memory has no bus address for one of several reasons: the report gives the right one. */
static void
report_gives_reason_for_missing_bus_address(void **state)
{
	const size_t page = 4096, n = 3;
	rte_iova_t iovas[3] = { 0x10000000, 0x10001000, 0x20000000 };
	uint8_t *mem = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		-1, 0);
	static const char *const whys[] = { "the device was not given them",
		"registered with EAL without a bus address", "0x10001fff is followed by 0x20000000",
	};
	struct gantry_dma_dev *dev;
	unsigned int i;

	assert_ptr_not_equal(mem, MAP_FAILED);
	for (i = 0; i < RTE_DIM(whys); i++) {
		dev = debug_device("why", GANTRY_DMA_DEBUG_ON);
		if (i > 0)
			assert_int_equal(rte_extmem_register(mem, n * page, i == 1 ? NULL : iovas,
				i == 1 ? 0 : n, page), 0);
		expect_why(dev, mem, n * page, whys[i]);
		if (i > 0)
			assert_int_equal(rte_extmem_unregister(mem, n * page), 0);
		gantry_dma_dev_destroy(dev);
	}
	munmap(mem, n * page);
}

/* Leaks: one report for each place that has leaked mappings, however many. */
static void
leaks_are_reported_once_per_place(void **state)
{
	struct gantry_dma_dev *dev = debug_device("leaks", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(64 * LEN);
	gantry_dma_addr_t bus;
	void *block;
	unsigned int i;

	reports_begin();
	for (i = 0; i < 32; i++)
		map(dev, p + i * LEN, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_map_single(dev, p + 40 * LEN, LEN, GANTRY_DMA_FROM_DEVICE);
	block = gantry_dma_alloc_coherent(dev, 100, &bus, SOCKET_ID_ANY);
	assert_non_null(block);
	assert_int_equal(gantry_dma_debug_live(dev), 34);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(gantry_dma_debug_live(NULL), 0);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_LEAKED), 3);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_UNCHECKED), 1);
	assert_int_equal(reports.nr, 4);
	rte_free(p);
}

/* The report names the call that mapped and the call that misused the mapping. */
static gantry_dma_addr_t HERE
who_maps(struct gantry_dma_dev *dev, void *p)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	assert_false(gantry_dma_mapping_error(dev, addr));
	return addr;
}

static void HERE
who_unmaps(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	gantry_dma_unmap_single(dev, addr, LEN - 1, GANTRY_DMA_TO_DEVICE);
	assert_non_null(dev); /* keeps the call above from being a tail call */
}

/*
 * Whether the symbol of `site` is `name`, with the distance from the function's start as its
 * offset.
 */
static bool
is_in(const void *site, const char *name, const void *fn)
{
	const size_t len = strlen(name);
	char symbol[160];

	return dma_symbol(site, symbol, sizeof(symbol)) && strncmp(symbol, name, len) == 0 &&
		symbol[len] == '+' &&
		strtoul(symbol + len + 1, NULL, 0) == (uintptr_t)site - (uintptr_t)fn;
}
#define IS_IN(site, fn) is_in(site, #fn, (const void *)fn)

/*
 * A function that maps on behalf of its caller, and that the library does not know to be a
 * driver's.
 */
static void HERE
drives(struct gantry_dma_dev *dev)
{
	gantry_dma_debug_caller(__builtin_return_address(0));
	assert_true(gantry_dma_mapping_error(dev, gantry_dma_map_single(dev, drives, 1,
		GANTRY_DMA_TO_DEVICE)));
	gantry_dma_debug_caller(NULL);
}

static void
report_names_mapping_and_misusing_call(void **state)
{
	struct gantry_dma_dev *dev = debug_device("sites", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(LEN);
	const struct report *r;
	gantry_dma_addr_t addr;

	reports_begin();
	gantry_dma_debug_context('t', 3, 17);
	addr = who_maps(dev, p);
	gantry_dma_debug_context(0, 0, 0);
	who_unmaps(dev, addr);
	assert_int_equal(reports.nr, 1);
	r = &reports.at[0];
	assert_true(IS_IN(r->map_site, who_maps));
	assert_true(IS_IN(r->trace[0], who_unmaps));
	assert_true(IS_IN(r->trace[1], report_names_mapping_and_misusing_call));
	assert_non_null(strstr(r->map_symbol, "who_maps+0x"));
	assert_non_null(strstr(r->symbol, "who_unmaps+0x"));
	assert_int_equal(r->queue, 3);
	assert_int_equal(r->queue_kind, 't');
	assert_int_equal(r->descriptor, 17);
	assert_int_equal(r->addr, addr);
	assert_ptr_equal(r->cpu, p);
	assert_int_equal(r->size, LEN);
	assert_int_equal(r->dir, GANTRY_DMA_TO_DEVICE);
	assert_non_null(strstr(r->text, "sites: wrong-size: unmap_single as 511 bytes"));
	assert_non_null(strstr(r->text, "tx queue 3, descriptor 17"));
	assert_non_null(strstr(r->text, "who_maps+0x"));
	assert_null(strchr(r->text, '\n'));

	/* A driver may name the caller on whose behalf it maps. */
	reports_begin();
	gantry_dma_debug_caller(report_names_mapping_and_misusing_call);
	addr = who_maps(dev, p);
	gantry_dma_debug_caller(NULL);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(reports.nr, 1);
	assert_ptr_equal(reports.at[0].map_site, report_names_mapping_and_misusing_call);
	drives(dev);
	assert_int_equal(reports.nr, 2);
	assert_true(IS_IN(reports.at[1].trace[0], drives));
	assert_non_null(strstr(reports.at[1].symbol, "report_names_mapping_and_misusing_call+0x"));
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* A mapping fails, nobody checks it, and the thread continues as if it had succeeded. */
static void HERE
never_asks(struct gantry_dma_dev *dev)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, never_asks, 1,
		GANTRY_DMA_TO_DEVICE);

	assert_true(addr == GANTRY_DMA_MAPPING_ERROR);
}

static void
unchecked_failure_is_reported(void **state)
{
	struct gantry_dma_dev *dev = debug_device("failed", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr;

	reports_begin();
	never_asks(dev);
	addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 2);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_MAP_TEXT);
	assert_int_equal(reports.at[1].misuse, GANTRY_DMA_MISUSE_UNCHECKED);
	assert_true(IS_IN(reports.at[1].map_site, never_asks));
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
filter_suppresses_other_devices(void **state)
{
	struct gantry_dma_dev *a = debug_device("card-a", GANTRY_DMA_DEBUG_ON);
	struct gantry_dma_dev *b = debug_device("card-b", GANTRY_DMA_DEBUG_ON);

	reports_begin();
	gantry_dma_debug_filter("-b");
	wrong_size(a, false);
	wrong_size(b, false);
	reports_expect(GANTRY_DMA_MISUSE_WRONG_SIZE, "wrong_size");
	assert_string_equal(reports.at[0].device, "card-b");
	assert_int_equal(gantry_dma_debug_errors(a), 0);
	assert_int_equal(gantry_dma_debug_errors(b), 1);
	gantry_dma_debug_filter(NULL);
	wrong_size(a, false);
	assert_int_equal(gantry_dma_debug_errors(a), 1);
	gantry_dma_dev_destroy(a);
	gantry_dma_dev_destroy(b);
}

/* With GANTRY_DMA_DEBUG_ABORT the process aborts at the mistake, after the report. */
static void
abort_level_ends_process(void **state)
{
	struct gantry_dma_dev *dev = debug_device("abort", GANTRY_DMA_DEBUG_ABORT);
	int status = 0;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		unmap_unknown(dev, true);
		unmap_unknown(dev, false);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	gantry_dma_dev_destroy(dev);
}

/* Another thread's stack, while that thread waits. */
static void *
lend_stack(void *arg)
{
	uint8_t *local = __builtin_alloca(LEN);
	uint8_t **out = arg;

	memset(local, 0, LEN);
	__atomic_store_n(out, local, __ATOMIC_RELEASE);
	while (__atomic_load_n(out, __ATOMIC_ACQUIRE) != NULL)
		sched_yield();
	return NULL;
}

static void
other_threads_stack_is_reported(void **state)
{
	struct gantry_dma_dev *dev = debug_device("stack", GANTRY_DMA_DEBUG_ON);
	uint8_t *lent = NULL;
	pthread_t thread;

	reports_begin();
	start_thread(&thread, lend_stack, &lent);
	while (__atomic_load_n(&lent, __ATOMIC_ACQUIRE) == NULL)
		sched_yield();
	map_and_unmap(dev, lent, LEN);
	__atomic_store_n(&lent, NULL, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	reports_expect(GANTRY_DMA_MISUSE_MAP_STACK, "other_threads_stack_is_reported");
	gantry_dma_dev_destroy(dev);
}

/* EAL returns pages to the system while they are mapped. */
static void
page_released_while_mapped_is_reported(void **state)
{
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	uint8_t *p;

	if (!eal_huge()) {
		printf("needs hugepages\n");
		skip();
	}
	dev = debug_device("pages", GANTRY_DMA_DEBUG_ON);
	p = rte_malloc("test", 80 << 20, 0); /* more than the heap has, and keeps */
	if (p == NULL) {
		printf("needs 48 more free hugepages of 2 MB\n");
		gantry_dma_dev_destroy(dev);
		skip();
	}
	reports_begin();
	addr = map(dev, p + (40 << 20), LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
	reports_expect(GANTRY_DMA_MISUSE_FREED_MAPPED, "page_released_while_mapped_is_reported");
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 1);
	gantry_dma_dev_destroy(dev);
}

/* In bounce mode any memory can be mapped; the checks are the same. */
static void
checks_apply_in_bounce_mode(void **state)
{
	struct gantry_dma_params p = { .name = "bounce", .socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_BOUNCE, .debug = GANTRY_DMA_DEBUG_ON,
		.bounce_slots = { 64, 64, 8, 0 } };
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);
	uint8_t *heap = malloc(LEN), *local = __builtin_alloca(LEN);
	gantry_dma_addr_t addr;

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	assert_non_null(heap);
	memset(heap, 1, LEN);
	memset(local, 1, LEN);
	reports_begin();
	addr = map(dev, heap, LEN, GANTRY_DMA_BIDIRECTIONAL);
	memset(heap, 2, LEN);
	gantry_dma_sync_single_range_for_device(dev, addr, 100, 100, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_int_equal(heap[99], 1);
	assert_int_equal(heap[100], 2);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_int_equal(reports.nr, 0);
	map_and_unmap(dev, local, LEN);
	reports_expect(GANTRY_DMA_MISUSE_MAP_STACK, "checks_apply_in_bounce_mode");
	/* An unmap with the wrong size still releases the slot. */
	reports_begin();
	wrong_size(dev, false);
	reports_expect(GANTRY_DMA_MISUSE_WRONG_SIZE, "wrong_size");
	map_nothing(dev, false);
	assert_int_equal(reports.nr, 2);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 2);
	free(heap);
}

/* A list could not be mapped for lack of bounce buffers, and is unmapped as if it had been. */
static void HERE
unmap_failed_list(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	if (gantry_dma_map_sg(dev, sg, fixed ? 2 : 3, GANTRY_DMA_TO_DEVICE) == 0) {
		assert_false(fixed);
		assert_reason("are in use");
	}
	gantry_dma_unmap_sg(dev, sg, fixed ? 2 : 3, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void
unmap_of_failed_list_is_reported(void **state)
{
	struct gantry_dma_params p = { .name = "short", .socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_BOUNCE, .debug = GANTRY_DMA_DEBUG_ON,
		.bounce_slots = { 2, 0, 0, 0 } };
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	reports_begin();
	unmap_failed_list(dev, true);
	assert_int_equal(reports.nr, 0);
	unmap_failed_list(dev, false);
	reports_expect(GANTRY_DMA_MISUSE_UNMAP_ERROR, "unmap_failed_list");
	/* No buffer is lost. */
	unmap_failed_list(dev, true);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 1);
}

/*
 * Threads: each maps its own memory, and nothing is reported; then all of them unmap the same
 * mapping.
 */

#define THREADS 16
#define BUFS    64

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	uint8_t *mem;
	unsigned int bad;
	gantry_dma_addr_t shared;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	gantry_dma_addr_t addr[BUFS];
	unsigned int round, i;

	for (round = 0; round < 200; round++) {
		for (i = 0; i < BUFS; i++) {
			addr[i] = gantry_dma_map_single(w->dev, w->mem + i * LEN,
				LEN - 64 * (i % 3), GANTRY_DMA_FROM_DEVICE);
			w->bad += gantry_dma_mapping_error(w->dev, addr[i]) != 0;
		}
		for (i = 0; i < BUFS; i++) {
			const unsigned int k = (i + round) % BUFS;

			gantry_dma_sync_single_for_cpu(w->dev, addr[k] + 64, 64,
				GANTRY_DMA_FROM_DEVICE);
			gantry_dma_unmap_single(w->dev, addr[k], LEN - 64 * (k % 3),
				GANTRY_DMA_FROM_DEVICE);
		}
	}
	return NULL;
}

static void *
unmap_shared(void *arg)
{
	struct worker *w = arg;

	gantry_dma_unmap_single(w->dev, w->shared, LEN, GANTRY_DMA_TO_DEVICE);
	return NULL;
}

static void
threads_are_not_reported_for_each_other(void **state)
{
	struct gantry_dma_dev *dev = debug_device("threads", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(THREADS * BUFS * LEN);
	struct worker w[THREADS];
	unsigned int i;

	reports_begin();
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .dev = dev, .mem = p + i * BUFS * LEN };
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
	}
	assert_int_equal(reports.nr, 0);
	assert_int_equal(gantry_dma_debug_live(dev), 0);

	w[0].shared = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < THREADS; i++) {
		w[i].shared = w[0].shared;
		start_thread(&w[i].thread, unmap_shared, &w[i]);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	/*
	 * Another site may have been seen first, so there may be two causes, but never one for each
	 * thread.
	 */
	assert_true(reports.nr >= 1 && reports.nr <= 2);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_UNMAP_TWICE);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
telemetry_shows_mappings_and_errors(void **state)
{
	struct gantry_dma_dev *dev = debug_device("tel0", GANTRY_DMA_DEBUG_ON);
	struct gantry_dma_dev *other = debug_device("tel1", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(100 * LEN);
	char expected[64];
	unsigned int i;
	int fd = telemetry_connect();

	reports_begin();
	gantry_dma_debug_context('r', 5, 6);
	for (i = 0; i < 100; i++)
		map(dev, p + i * LEN, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_debug_context(0, 0, 0);
	ask(fd, "/gantry/dma/live", "\"devices\":[\"tel0\",\"tel1\"],\"mappings\":[100,0]");
	ask(fd, "/gantry/dma/dump", "\"total\":100,\"first\":0,\"mappings\":[\"0x");
	ask(fd, "/gantry/dma/dump,tel0", " 512 from single rx5:6 telemetry_shows_mappings_and_errors+0x");
	ask(fd, "/gantry/dma/dump,tel0,99", "\"first\":99,\"mappings\":[\"0x");
	ask(fd, "/gantry/dma/dump,tel0,100", "\"mappings\":[]");
	ask(fd, "/gantry/dma/dump,tel1", "\"total\":0");
	ask(fd, "/gantry/dma/dump,tel2", "null");

	wrong_size(other, false);
	wrong_size(other, false);
	snprintf(expected, sizeof(expected), "\"errors\":%u,\"repeats\":",
		(unsigned int)gantry_dma_debug_errors(NULL));
	ask(fd, "/gantry/dma/errors", expected);
	ask(fd, "/gantry/dma/errors", "\"wrong_size\":");
	ask(fd, "/gantry/dma/errors,1", "tel1: wrong-size: unmap_single as 60 bytes what has 512");
	ask(fd, "/gantry/dma/errors,0", "null");
	ask(fd, "/gantry/dma/errors,1000", "null");

	ask(fd, "/gantry/dma/filter", "\"*\"");
	/* The filter suppresses reports of devices that do not match, and no others. */
	ask(fd, "/gantry/dma/filter,el0", "\"el0\"");
	wrong_direction(other, false);
	assert_int_equal(reports.nr, 1);
	wrong_direction(dev, false);
	assert_int_equal(reports.nr, 2);
	assert_string_equal(reports.at[1].device, "tel0");
	ask(fd, "/gantry/dma/filter,*", "\"*\"");
	wrong_direction(other, false);
	assert_int_equal(reports.nr, 3);
	assert_string_equal(reports.at[2].device, "tel1");
	close(fd);
	gantry_dma_dev_destroy(dev);
	gantry_dma_dev_destroy(other);
	rte_free(p);
}

/* More mappings than the index has buckets, and of every size. */
static void
many_mappings_are_tracked(void **state)
{
	struct gantry_dma_dev *dev = debug_device("many", GANTRY_DMA_DEBUG_ON);
	const unsigned int nr = 100000;
	gantry_dma_addr_t *addr = malloc(nr * sizeof(*addr));
	uint8_t *p = memory(nr * 64);
	unsigned int i, top;

	assert_non_null(addr);
	reports_begin();
	for (i = 0; i < nr; i++)
		addr[i] = map(dev, p + i * 64, 64, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(gantry_dma_debug_live(dev), nr);
	for (i = 0; i < nr; i++)
		gantry_dma_unmap_single(dev, addr[i], 64, GANTRY_DMA_FROM_DEVICE);
	/* Physical pages are scattered, so a large mapping may be impossible in IOVA-as-PA. */
	top = rte_eal_iova_mode() == RTE_IOVA_VA ? 20 : 9;
	for (i = 1; i < top; i++) {
		addr[i] = map(dev, p, 10ul << (i % 19), GANTRY_DMA_TO_DEVICE);
		assert_int_equal(gantry_dma_debug_live(dev), i);
	}
	for (i = top - 1; i > 0; i--)
		gantry_dma_unmap_single(dev, addr[i], 10ul << (i % 19), GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
	free(addr);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(correct_code_is_not_reported),
		cmocka_unit_test(each_mistake_is_reported_once_with_class_and_place),
		cmocka_unit_test(report_gives_reason_for_missing_bus_address),
		cmocka_unit_test(leaks_are_reported_once_per_place),
		cmocka_unit_test(report_names_mapping_and_misusing_call),
		cmocka_unit_test(unchecked_failure_is_reported),
		cmocka_unit_test(filter_suppresses_other_devices),
		cmocka_unit_test(abort_level_ends_process),
		cmocka_unit_test(other_threads_stack_is_reported),
		cmocka_unit_test(page_released_while_mapped_is_reported),
		cmocka_unit_test(checks_apply_in_bounce_mode),
		cmocka_unit_test(unmap_of_failed_list_is_reported),
		cmocka_unit_test(threads_are_not_reported_for_each_other),
		cmocka_unit_test(telemetry_shows_mappings_and_errors),
		cmocka_unit_test(many_mappings_are_tracked),
	};
	uint8_t *stays;

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	/* One block of the heap remains in the pages that the tests use, so that EAL keeps them. */
	stays = memory(64);
	pool = rte_pktmbuf_pool_create("mbufs", 63, 0, 0, 2048, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	gantry_dma_debug_filter("");
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL) +
		(stays == NULL);
}
