/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of a window that a narrower mask moves (dma_window.c). A window has two pieces only if
 * EAL memory does; the test adds the second one to EAL's walk over its memory.
 */

#include "dma_bus.h"

#define EXTRA ((size_t)2 << 20)

static struct rte_memseg_list extra_list;
static struct rte_memseg extra;

int __real_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t func, void *arg);
int __wrap_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t func, void *arg);

int
__wrap_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t func, void *arg)
{
	int ret = __real_rte_memseg_walk_thread_unsafe(func, arg);

	return ret != 0 ? ret : func(&extra_list, &extra, arg);
}

/** Return the bus address of that memory; fail the test if the bus does not map it once. */
static gantry_dma_addr_t
place_of(const void *va)
{
	gantry_dma_addr_t at = GANTRY_DMA_MAPPING_ERROR;
	unsigned int i;

	for (i = 0; i < bus.nr_maps; i++) {
		if (bus.maps[i].va == va) {
			assert_int_equal(at, GANTRY_DMA_MAPPING_ERROR);
			at = bus.maps[i].iova;
		}
	}
	assert_int_not_equal(at, GANTRY_DMA_MAPPING_ERROR);
	return at;
}

static int
make_window(void **state)
{
	*state = bus_device(&bus_any_memory, GANTRY_DMA_MODE_WINDOW);
	bus_mask(DEV(state), 64);
	assert_true(place_of(extra.addr) > UINT32_MAX);
	return 0;
}

static int
drop_window(void **state)
{
	gantry_dma_dev_destroy(DEV(state));
	assert_int_equal(bus.nr_maps, 0);
	return 0;
}

static void
narrower_mask_moves_all_pieces_below_it(void **state)
{
	const unsigned int maps = bus.nr_maps;

	assert_int_equal(gantry_dma_set_mask(DEV(state), UINT32_MAX), 0);
	assert_int_equal(bus.nr_maps, maps);
	assert_true(place_of(extra.addr) + EXTRA - 1 <= UINT32_MAX);
	assert_true(gantry_dma_get_required_mask(DEV(state)) <= UINT32_MAX);
	/* A wider mask does not move it again. */
	assert_int_equal(gantry_dma_set_mask(DEV(state), UINT64_MAX), 0);
	assert_true(place_of(extra.addr) + EXTRA - 1 <= UINT32_MAX);
}

/* If the bus maps nothing at the new place, each piece is where it was, with the former mask. */
static void
failed_move_keeps_the_window(void **state)
{
	const uint64_t need = gantry_dma_get_required_mask(DEV(state));
	const gantry_dma_addr_t place = place_of(extra.addr);
	const unsigned int maps = bus.nr_maps;
	unsigned int piece;

	for (piece = 1; piece <= maps; piece++) {
		bus.fail_at = bus.calls + piece;
		assert_int_equal(gantry_dma_set_mask(DEV(state), UINT32_MAX), -ENOSPC);
		assert_reason("did not map it at bus address");
		assert_int_equal(bus.nr_maps, maps);
		assert_int_equal(place_of(extra.addr), place);
		assert_int_equal(gantry_dma_get_mask(DEV(state)), UINT64_MAX);
		assert_int_equal(gantry_dma_get_required_mask(DEV(state)), need);
		assert_string_equal(gantry_dma_mode_name(DEV(state)), "window");
	}
}

#define IN_WINDOW(f) cmocka_unit_test_setup_teardown(f, make_window, drop_window)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_WINDOW(narrower_mask_moves_all_pieces_below_it),
		IN_WINDOW(failed_move_keeps_the_window),
	};

	eal_start(argc, argv, NULL);
	/* Not next to other memory. */
	extra.addr = mmap(NULL, 3 * EXTRA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	if (extra.addr == MAP_FAILED)
		return 1;
	extra.addr = RTE_PTR_ALIGN_CEIL(RTE_PTR_ADD(extra.addr, 4096), EXTRA);
	extra.len = EXTRA;
	extra.hugepage_sz = EXTRA;
	return cmocka_run_group_tests_name("dma_window_move", tests, NULL, NULL);
}
