/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of a window while EAL adds and removes memory (dma_window.c). The pages, and the events,
 * come from the test, so that the pages may be anywhere, and no hugepages are needed.
 */

#include "dma_bus.h"

#include <rte_malloc.h>
#include <rte_memzone.h>

#define PAGES  256
#define PAGE   ((size_t)2 << 20)
#define DEMAND (UINT64_C(64) << 20)

/* The memory: PAGES pages in a row, of which some are there. */
static uint8_t *base;
static struct rte_memseg_list list;
static struct rte_memseg pages[PAGES];

static rte_mem_event_callback_t event;
static void *event_arg;

int __real_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t fn,
		void *arg);
int __wrap_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t fn,
		void *arg);
int __real_rte_mem_event_callback_unregister(const char *name, void *arg);
int __wrap_rte_mem_event_callback_unregister(const char *name, void *arg);
int __wrap_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t fn, void *arg);
struct rte_memseg_list *__real_rte_mem_virt2memseg_list(const void *addr);
struct rte_memseg_list *__wrap_rte_mem_virt2memseg_list(const void *addr);
struct rte_memseg *__real_rte_mem_virt2memseg(const void *addr, const struct rte_memseg_list *msl);
struct rte_memseg *__wrap_rte_mem_virt2memseg(const void *addr, const struct rte_memseg_list *msl);

int
__wrap_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t fn, void *arg)
{
	if (strcmp(name, "gantry_window") != 0)
		return __real_rte_mem_event_callback_register(name, fn, arg);
	if (event != NULL) { /* no assertion: the caller has a lock */
		rte_errno = EEXIST;
		return -1;
	}
	event = fn;
	event_arg = arg;
	return 0;
}

int
__wrap_rte_mem_event_callback_unregister(const char *name, void *arg)
{
	if (strcmp(name, "gantry_window") != 0)
		return __real_rte_mem_event_callback_unregister(name, arg);
	assert_ptr_equal(arg, event_arg);
	event = NULL;
	return 0;
}

int
__wrap_rte_memseg_walk_thread_unsafe(rte_memseg_walk_t fn, void *arg)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < PAGES && ret == 0; i++)
		if (pages[i].len != 0)
			ret = fn(&list, &pages[i], arg);
	return ret;
}

static bool
is_ours(const void *addr)
{
	return (uintptr_t)addr - (uintptr_t)base < PAGES * PAGE;
}

struct rte_memseg_list *
__wrap_rte_mem_virt2memseg_list(const void *addr)
{
	return is_ours(addr) ? &list : __real_rte_mem_virt2memseg_list(addr);
}

struct rte_memseg *
__wrap_rte_mem_virt2memseg(const void *addr, const struct rte_memseg_list *msl)
{
	return is_ours(addr) ? &pages[((uintptr_t)addr - (uintptr_t)base) / PAGE] :
			       __real_rte_mem_virt2memseg(addr, msl);
}

/* Make pages exist. flags: RTE_MEMSEG_FLAG_DO_NOT_FREE makes one piece of neighbours. */
static void
fill(unsigned int first, unsigned int n, uint32_t flags)
{
	unsigned int i;

	for (i = first; i < first + n; i++) {
		pages[i].addr = base + i * PAGE;
		pages[i].iova = (uintptr_t)pages[i].addr;
		pages[i].hugepage_sz = pages[i].len = PAGE;
		pages[i].flags = flags;
	}
}

static void
added(unsigned int first, unsigned int n, uint32_t flags)
{
	fill(first, n, flags);
	event(RTE_MEM_EVENT_ALLOC, base + first * PAGE, n * PAGE, event_arg);
}

static void
removed(unsigned int first, unsigned int n)
{
	unsigned int i;

	event(RTE_MEM_EVENT_FREE, base + first * PAGE, n * PAGE, event_arg);
	for (i = first; i < first + n; i++)
		pages[i].len = 0;
}

/** Return the bus address of a page; 0: the bus does not map it; fail if it maps it twice. */
static gantry_dma_addr_t
place(unsigned int page)
{
	const uint8_t *va = base + page * PAGE;
	gantry_dma_addr_t at = 0;
	unsigned int i;

	for (i = 0; i < bus.nr_maps; i++) {
		if (va < bus.maps[i].va || va >= bus.maps[i].va + bus.maps[i].len)
			continue;
		assert_int_equal(at, 0);
		at = bus.maps[i].iova + (va - bus.maps[i].va);
		assert_in_range(at, DEMAND, UINT32_MAX);
		assert_int_equal(at % PAGE, (uintptr_t)va % PAGE);
	}
	return at;
}

/* Assert that these pages, and no others, are contiguous from a bus address on. */
static void
assert_placed(unsigned int first, unsigned int n, gantry_dma_addr_t at)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		assert_int_equal(place(first + i), at + i * PAGE);
}

static unsigned int
nr_placed(void)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		n += place(i) != 0;
	return n;
}

/* Start a device whose window has eight pages: 100 to 107. */
static struct gantry_dma_dev *
window(uint32_t flags, unsigned int bits)
{
	struct gantry_dma_dev *dev;
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		pages[i].len = 0;
	fill(100, 8, flags);
	dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_WINDOW);
	bus_mask(dev, bits);
	assert_string_equal(gantry_dma_mode_name(dev), "window");
	assert_non_null(event);
	assert_int_equal(nr_placed(), 8);
	return dev;
}

static void
end_window(struct gantry_dma_dev *dev)
{
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);
	assert_null(event);
}

/* If EAL removes a part of a piece, the rest stays where it is. */
static void
rest_of_a_piece_stays_in_place(void **state)
{
	static const struct {
		unsigned int first, n; /* removed */
		unsigned int maps;     /* pieces that are left */
	} cases[] = {
		{ 100, 1, 1 },
		{ 107, 1, 1 },
		{ 103, 1, 2 },
		{ 101, 6, 2 },
		{ 100, 8, 0 },
		{ 90, 11, 1 },
		{ 107, 9, 1 },
		{ 90, 30, 0 },
		{ 92, 8, 1 },
		{ 108, 8, 1 },
	};
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t at;
	unsigned int i, k, n;

	for (i = 0; i < RTE_DIM(cases); i++) {
		dev = window(RTE_MEMSEG_FLAG_DO_NOT_FREE, 32);
		assert_int_equal(bus.nr_maps, 1);
		at = place(100);
		assert_placed(100, 8, at);
		removed(cases[i].first, cases[i].n);
		assert_int_equal(bus.nr_maps, cases[i].maps);
		for (k = 100, n = 0; k < 108; k++) {
			const bool gone = k - cases[i].first < cases[i].n;

			assert_int_equal(place(k), gone ? 0 : at + (k - 100) * PAGE);
			n += !gone;
		}
		assert_int_equal(nr_placed(), n);
		end_window(dev);
	}
}

/* If the bus does not map the rest again, the device no longer reaches it. */
static void
rest_that_is_not_mapped_again_is_gone(void **state)
{
	struct gantry_dma_dev *dev = window(RTE_MEMSEG_FLAG_DO_NOT_FREE, 32);
	const gantry_dma_addr_t at = place(100);

	bus.fail_at = bus.calls + 1;
	removed(103, 2);
	assert_placed(105, 3, at + 5 * PAGE);
	assert_int_equal(nr_placed(), 3);
	/* It is no longer in the window's list either. */
	bus.fail_at = 0;
	removed(100, 3);
	removed(105, 3);
	assert_int_equal(nr_placed(), 0);
	end_window(dev);
}

static void
pages_are_pieces_of_their_own_if_they_may_go(void **state)
{
	struct gantry_dma_dev *dev = window(0, 32);
	const gantry_dma_addr_t at = place(100);

	assert_int_equal(bus.nr_maps, 8);
	assert_placed(100, 8, at);
	assert_int_equal(gantry_dma_get_required_mask(dev),
			GANTRY_DMA_BIT_MASK(64 - __builtin_clzll(at + 8 * PAGE - 1)));
	removed(102, 3);
	assert_int_equal(bus.nr_maps, 5);
	assert_placed(100, 2, at);
	assert_placed(105, 3, at + 5 * PAGE);
	/* Its former place is free. */
	added(102, 3, 0);
	assert_placed(100, 8, at);
	/* Without memory, only the addresses on demand count. */
	removed(0, PAGES);
	assert_int_equal(bus.nr_maps, 0);
	assert_int_equal(gantry_dma_get_required_mask(dev), DEMAND - 1);
	end_window(dev);
}

/* A buffer over old and new pages is contiguous for the device, in both directions. */
static void
new_pages_are_next_to_their_neighbours(void **state)
{
	struct gantry_dma_dev *dev = window(0, 32);
	const gantry_dma_addr_t at = place(100);
	gantry_dma_addr_t middle;

	added(108, 4, 0);
	assert_placed(100, 12, at);
	/* Without a neighbour there is room on both sides. */
	added(40, 2, 0);
	middle = place(40);
	assert_true(middle > at + 20 * PAGE);
	added(37, 3, 0);
	assert_placed(37, 5, middle - 3 * PAGE);
	added(42, 1, 0);
	assert_placed(37, 6, middle - 3 * PAGE);
	/* There is none below the first pages: these are elsewhere. */
	added(98, 2, 0);
	assert_int_not_equal(place(98), 0);
	assert_int_equal(nr_placed(), 20);
	/* Pages that are there already stay. */
	event(RTE_MEM_EVENT_ALLOC, base + 37 * PAGE, 6 * PAGE, event_arg);
	assert_placed(37, 6, middle - 3 * PAGE);
	assert_int_equal(bus.nr_maps, 20);
	/* An event may name pages that are gone again. */
	event(RTE_MEM_EVENT_ALLOC, base + 200 * PAGE, PAGE, event_arg);
	event(RTE_MEM_EVENT_ALLOC, base + 111 * PAGE, 2 * PAGE, event_arg);
	assert_int_equal(nr_placed(), 20);
	end_window(dev);
}

/* If there is no room for all, as many pages as possible are in the window, none twice. */
static void
pages_without_room_are_left_out(void **state)
{
	struct gantry_dma_dev *dev = window(0, 28); /* room for 96 pages */
	unsigned int i, n;

	added(110, 120, 0);
	n = nr_placed();
	assert_in_range(n, 90, 96);
	for (i = 0; i < bus.nr_maps; i++)
		assert_in_range(bus.maps[i].iova, DEMAND, (1 << 28) - PAGE);
	/* A page that goes makes room for another one. */
	removed(103, 1);
	added(50, 3, 0);
	assert_int_equal(nr_placed(), n);
	end_window(dev);
}

/* The device may still reach what the bus did not unmap, so nothing else gets that place. */
static void
place_of_failed_unmapping_stays_taken(void **state)
{
	struct gantry_dma_dev *dev = window(0, 32);
	const gantry_dma_addr_t at = place(100);
	unsigned int i;

	bus.keeps = true;
	removed(103, 2);
	bus.keeps = false;
	assert_int_equal(bus.nr_maps, 8);
	/* The test takes these mappings off the bus, to see the new ones. */
	for (i = 0; i < bus.nr_maps; i++)
		if (bus.maps[i].iova == at + 3 * PAGE || bus.maps[i].iova == at + 4 * PAGE)
			bus.maps[i--] = bus.maps[--bus.nr_maps];
	assert_int_equal(bus.nr_maps, 6);
	added(103, 2, 0);
	assert_int_equal(bus.nr_maps, 8);
	assert_int_not_equal(place(103), at + 3 * PAGE);
	assert_int_not_equal(place(104), at + 4 * PAGE);
	/* A window that moves avoids it also. */
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(27)), 0);
	assert_int_equal(nr_placed(), 8);
	for (i = 100; i < 108; i++)
		assert_true(place(i) + PAGE <= 1 << 27);
	end_window(dev);
}

static void
new_page_that_the_bus_refuses_is_left_out(void **state)
{
	struct gantry_dma_dev *dev = window(0, 32);
	const gantry_dma_addr_t at = place(100);

	bus.fail_at = bus.calls + 1;
	added(108, 1, 0);
	assert_int_equal(place(108), 0);
	assert_int_equal(nr_placed(), 8);
	/* It may be added later. */
	added(108, 1, 0);
	assert_placed(100, 9, at);
	end_window(dev);
}

/* A block that has no mapping has no memory. */
static void
refused_block_is_returned_to_eal(void **state)
{
	struct gantry_dma_dev *dev = window(0, 32);
	struct rte_malloc_socket_stats before, after;
	gantry_dma_addr_t addr;
	void *p;

	bus.fails = true;
	rte_malloc_get_socket_stats(0, &before);
	assert_null(gantry_dma_alloc_coherent(dev, 8192, &addr, SOCKET_ID_ANY));
	rte_malloc_get_socket_stats(0, &after);
	assert_int_equal(after.alloc_count, before.alloc_count);
	bus.fails = false;
	p = gantry_dma_alloc_coherent(dev, 8192, &addr, SOCKET_ID_ANY);
	assert_non_null(p);
	assert_true(addr < DEMAND); /* no page of the window */
	gantry_dma_free_coherent(dev, 8192, p, addr);
	rte_malloc_get_socket_stats(0, &after);
	assert_int_equal(after.alloc_count, before.alloc_count);
	end_window(dev);
}

static int
refuse(void *opaque)
{
	return -EPERM;
}

static void
window_needs_a_bus_that_takes_memory_away(void **state)
{
	struct gantry_dma_ops ops = bus_any_memory;
	struct gantry_dma_dev *dev;

	ops.claim = refuse;
	dev = bus_device(&ops, GANTRY_DMA_MODE_WINDOW);
	assert_int_equal(gantry_dma_set_mask(dev, UINT32_MAX), -EPERM);
	assert_ptr_equal(dma_device(dev)->base, dma_device(dev)->waiting);
	assert_false(dma_device(dev)->claimed);
	assert_int_equal(bus.nr_maps, 0);
	end_window(dev);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(rest_of_a_piece_stays_in_place),
		cmocka_unit_test(rest_that_is_not_mapped_again_is_gone),
		cmocka_unit_test(pages_are_pieces_of_their_own_if_they_may_go),
		cmocka_unit_test(new_pages_are_next_to_their_neighbours),
		cmocka_unit_test(pages_without_room_are_left_out),
		cmocka_unit_test(place_of_failed_unmapping_stays_taken),
		cmocka_unit_test(new_page_that_the_bus_refuses_is_left_out),
		cmocka_unit_test(refused_block_is_returned_to_eal),
		cmocka_unit_test(window_needs_a_bus_that_takes_memory_away),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	base = mmap(NULL, (PAGES + 1) * PAGE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return 1;
	base = RTE_PTR_ALIGN_CEIL(base, PAGE);
	list.base_va = base;
	list.len = PAGES * PAGE;
	list.page_sz = PAGE;
	return cmocka_run_group_tests_name("dma_window_events", tests, NULL, NULL);
}
