/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of masks that reach only a part of EAL memory (dma_coherent.c, dma_direct.c, dma_choose.c).
 * EAL starts a bit below 4 GiB, so a mask of 32 bits ends in the middle of its memory. EAL returns
 * memory from the end first: the part that the mask does not reach.
 */

#include "dma_bus.h"

#include <rte_malloc.h>
#include <rte_mbuf.h>

#define BASE  "0xfe000000" /* 32 MiB below, half of the memory */
#define END   (UINT64_C(1) << 32)
#define BLOCK ((size_t)1 << 20)

static uintptr_t first, last; /* the first and the last byte of EAL memory */

static int
look(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	if (first == 0)
		first = (uintptr_t)ms->addr;
	last = (uintptr_t)ms->addr + (ms->len - 1);
	return 0;
}

/* State of the heap, for what a call leaves behind. */
static struct rte_malloc_socket_stats
heap(void)
{
	struct rte_malloc_socket_stats s;

	assert_int_equal(rte_malloc_get_socket_stats(0, &s), 0);
	return s;
}

static void
assert_heap(struct rte_malloc_socket_stats before)
{
	const struct rte_malloc_socket_stats now = heap();

	assert_int_equal(now.alloc_count, before.alloc_count);
	assert_int_equal(now.heap_allocsz_bytes, before.heap_allocsz_bytes);
}

static void
coherent_blocks_are_below_their_mask(void **state)
{
	static const size_t sizes[] = { 1, 4096, 12288, BLOCK };
	struct gantry_dma_dev *dev = bus_device(NULL, GANTRY_DMA_MODE_DIRECT);
	struct rte_malloc_socket_stats before;
	gantry_dma_addr_t addr;
	unsigned int i;
	void *p;

	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(33)), 0);
	assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(32)), 0);
	before = heap();
	for (i = 0; i < RTE_DIM(sizes); i++) {
		p = gantry_dma_alloc_coherent(dev, sizes[i], &addr, SOCKET_ID_ANY);
		assert_ptr_equal(p, addr);
		assert_in_range(addr, first, END - sizes[i]);
		gantry_dma_free_coherent(dev, sizes[i], p, addr);
		assert_heap(before);
	}
	assert_int_equal(dma_highest_address(), last);
	/* A mask of 33 bits reaches all EAL memory, which returns the part beyond END first. */
	assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(33)), 0);
	p = gantry_dma_alloc_coherent(dev, BLOCK, &addr, SOCKET_ID_ANY);
	assert_non_null(p);
	assert_true(addr >= END);
	gantry_dma_free_coherent(dev, BLOCK, p, addr);
	gantry_dma_dev_destroy(dev);
}

/* All memory below the mask can become blocks. If none is left, the reason is the mask. */
static void
memory_below_the_mask_is_used_up_before_a_block_is_refused(void **state)
{
	const struct rte_malloc_socket_stats before = heap();
	struct gantry_dma_dev *dev = bus_device(NULL, GANTRY_DMA_MODE_DIRECT);
	struct rte_malloc_socket_stats full;
	gantry_dma_addr_t addr[64], none;
	void *p[64];
	unsigned int n = 0;

	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(33)), 0);
	assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(32)), 0);
	while ((p[n] = gantry_dma_alloc_coherent(dev, BLOCK, &addr[n], SOCKET_ID_ANY)) != NULL) {
		assert_in_range(addr[n], first, END - BLOCK);
		assert_true(++n < RTE_DIM(p));
	}
	assert_int_equal(rte_errno, EIO);
	assert_reason("takes 33 bits; the device drives 32");
	/* A block is aligned, and behind a header of the heap: each takes two times its size. */
	assert_in_range(n, (END - first) / (2 * BLOCK) - 1, (END - first) / (2 * BLOCK) + 1);
	full = heap();
	assert_null(gantry_dma_alloc_coherent(dev, BLOCK, &none, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EIO);
	assert_heap(full);
	/* The rest is still there. */
	assert_true(full.greatest_free_size > 16 * BLOCK);
	while (n-- > 0)
		gantry_dma_free_coherent(dev, BLOCK, p[n], addr[n]);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(heap().heap_allocsz_bytes, before.heap_allocsz_bytes);
}

/* If nothing is below the mask, one attempt suffices to know. */
static void
block_is_refused_if_the_mask_reaches_nothing(void **state)
{
	struct gantry_dma_dev *dev = bus_device(NULL, GANTRY_DMA_MODE_DIRECT);
	struct rte_malloc_socket_stats before;
	gantry_dma_addr_t addr;

	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(33)), 0);
	assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(31)), -EIO);
	assert_int_equal(gantry_dma_get_coherent_mask(dev), UINT32_MAX);
	dma_device(dev)->coherent_mask = GANTRY_DMA_BIT_MASK(31);
	before = heap();
	assert_null(gantry_dma_alloc_coherent(dev, 4096, &addr, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EIO);
	assert_reason("bits; the device drives 31");
	assert_heap(before);
	gantry_dma_dev_destroy(dev);
}

/* A device stays in direct mode if coherent memory can come from below the mask. */
static void
mask_for_coherent_memory_decides_about_the_mode(void **state)
{
	static const struct {
		const struct gantry_dma_ops *ops;
		enum gantry_dma_mode_id mode;
		unsigned int bits; /* of the mask for coherent memory */
		const char *name;  /* of the mode; NULL: refused */
	} cases[] = {
		{ NULL, GANTRY_DMA_MODE_DIRECT, 33, "direct" },
		{ NULL, GANTRY_DMA_MODE_DIRECT, 32, "direct" },
		{ NULL, GANTRY_DMA_MODE_DIRECT, 31, NULL },
		{ NULL, GANTRY_DMA_MODE_AUTO, 33, "direct" },
		{ NULL, GANTRY_DMA_MODE_AUTO, 32, "direct" },
		{ NULL, GANTRY_DMA_MODE_AUTO, 31, NULL },
		{ &bus_any_memory, GANTRY_DMA_MODE_DIRECT, 32, "direct" },
		{ &bus_any_memory, GANTRY_DMA_MODE_AUTO, 33, "direct" },
		{ &bus_any_memory, GANTRY_DMA_MODE_AUTO, 32, "window" },
	};
	struct gantry_dma_dev *dev;
	unsigned int i;
	int ret;

	for (i = 0; i < RTE_DIM(cases); i++) {
		dev = bus_device(cases[i].ops, cases[i].mode);
		assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(33)), 0);
		assert_string_equal(gantry_dma_mode_name(dev), "direct");
		ret = gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(cases[i].bits));
		if (cases[i].name == NULL) {
			assert_int_equal(ret, -EIO);
			assert_reason(" for coherent memory, but EAL memory reaches up to bus");
			assert_string_equal(gantry_dma_mode_name(dev), "direct");
		} else {
			assert_int_equal(ret, 0);
			assert_string_equal(gantry_dma_mode_name(dev), cases[i].name);
		}
		gantry_dma_dev_destroy(dev);
	}
}

/* Without an IOMMU, a device that does not reach all memory gets copies of it. */
static void
buffers_beyond_the_mask_are_copied_below_it(void **state)
{
	struct gantry_dma_params params = {
		.name = "dev",
		.socket_id = SOCKET_ID_ANY,
		.bounce_slots = { 4, 4, 4, 0 },
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&params);
	uint8_t *p = rte_malloc(NULL, 2 * BLOCK, 64); /* no gap between other blocks has room */
	gantry_dma_addr_t addr;
	void *block;

	assert_non_null(dev);
	assert_true((uintptr_t)p >= END);
	bus_mask(dev, 32);
	assert_string_equal(gantry_dma_mode_name(dev), "bounce");
	addr = bus_map_ok(dev, p, 1500, GANTRY_DMA_TO_DEVICE);
	assert_in_range(addr, first, END - 1500);
	gantry_dma_unmap_single(dev, addr, 1500, GANTRY_DMA_TO_DEVICE);
	block = gantry_dma_alloc_coherent(dev, 8192, &addr, SOCKET_ID_ANY);
	assert_non_null(block);
	assert_in_range(addr, first, END - 8192);
	gantry_dma_free_coherent(dev, 8192, block, addr);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

struct listed {
	gantry_dma_addr_t addr[32];
	unsigned int nr;
};

static void
list_buffer(void *arg, const struct gantry_dma_mapping *m)
{
	struct listed *l = arg;

	if (m->reach != GANTRY_DMA_REACH_BUFFER)
		return;
	assert_true(l->nr < RTE_DIM(l->addr));
	l->addr[l->nr++] = m->addr;
}

/* The list of memory that the device reaches has each slot that is in use. */
static void
each_copy_is_listed_once(void **state)
{
	struct gantry_dma_params params = {
		.name = "dev",
		.socket_id = SOCKET_ID_ANY,
		.bounce_slots = { 8, 8, 8, 0 },
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&params);
	uint8_t *p = rte_malloc(NULL, 2 * BLOCK, 64);
	struct listed l = { .nr = 0 };
	static const size_t sizes[] = { 200, 1500, 4000 }; /* each of its own class of slots */
	gantry_dma_addr_t addr[24];
	unsigned int i, k, n;

	assert_non_null(dev);
	bus_mask(dev, 32);
	for (i = 0; i < RTE_DIM(addr); i++)
		addr[i] = bus_map_ok(dev, p + i * 4096, sizes[i / 8], GANTRY_DMA_TO_DEVICE);
	dma_device(dev)->base->for_each(dev, list_buffer, &l);
	assert_int_equal(l.nr, RTE_DIM(addr));
	for (i = 0; i < RTE_DIM(addr); i++) {
		for (k = 0, n = 0; k < l.nr; k++)
			n += l.addr[k] == addr[i];
		assert_int_equal(n, 1);
		gantry_dma_unmap_single(dev, addr[i], sizes[i / 8], GANTRY_DMA_TO_DEVICE);
	}
	l.nr = 0;
	dma_device(dev)->base->for_each(dev, list_buffer, &l);
	assert_int_equal(l.nr, 0);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* The last byte counts, not the first. */
static void
mapping_may_end_at_the_last_byte_of_the_mask(void **state)
{
	struct gantry_dma_dev *dev = bus_device(NULL, GANTRY_DMA_MODE_DIRECT);
	gantry_dma_addr_t addr;

	/* As if EAL memory had been added after the mask was set. */
	dma_device(dev)->mask = UINT32_MAX;
	dma_set_mode(dev, &dma_direct_mode);
	addr = bus_map_ok(dev, (void *)(END - 256), 256, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(addr, END - 256);
	gantry_dma_unmap_single(dev, addr, 256, GANTRY_DMA_TO_DEVICE);
	assert_not_mapped(dev, (void *)(END - 256), 257, "the device drives 32");
	assert_not_mapped(dev, (void *)(END - 1), 2, "the device drives 32");
	assert_not_mapped(dev, (void *)END, 1, "the device drives 32");
	gantry_dma_dev_destroy(dev);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(coherent_blocks_are_below_their_mask),
		cmocka_unit_test(memory_below_the_mask_is_used_up_before_a_block_is_refused),
		cmocka_unit_test(block_is_refused_if_the_mask_reaches_nothing),
		cmocka_unit_test(mask_for_coherent_memory_decides_about_the_mode),
		cmocka_unit_test(buffers_beyond_the_mask_are_copied_below_it),
		cmocka_unit_test(each_copy_is_listed_once),
		cmocka_unit_test(mapping_may_end_at_the_last_byte_of_the_mask),
	};

	eal_start(argc, argv, "--base-virtaddr=" BASE, "--log-level", "lib.gantry_dma:critical",
			NULL);
	rte_memseg_walk(look, NULL);
	if (first >= END || last < END) {
		printf("needs EAL memory around 4 GiB: it is at 0x%" PRIxPTR "\n", first);
		return EAL_SKIPPED;
	}
	return cmocka_run_group_tests_name("dma_half", tests, NULL, NULL);
}
