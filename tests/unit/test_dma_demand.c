/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of mappings on demand at their limits (dma_demand.c): BARs, what the bus refuses, masks that
 * change. And of the way into a mode (dma_choose.c, dma_bus.c).
 */

#include "dma_bus.h"

#include <rte_malloc.h>

#include "dma_demand.h"
#include "dma_iova.h"

#define PAGE ((size_t)4096)
#define BAR  (8 * PAGE)
#define HUGE ((size_t)2 << 30) /* more than there are bus addresses on demand */
#define PHYS UINT64_C(0xfe800000)

static uint8_t *bar; /* reserved addresses, of which only the first BAR bytes are a BAR */

static int
make_bar(void **state)
{
	bar = mmap(NULL, HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(bar, MAP_FAILED);
	return gantry_mem_mmio_add(bar, BAR);
}

static int
drop_bar(void **state)
{
	gantry_mem_mmio_del(bar);
	return munmap(bar, HUGE);
}

static uint32_t
pages_in_use(struct gantry_dma_dev *dev)
{
	return dma_iova_in_use(dma_mode_state(dev)->demand.iova);
}

static gantry_dma_addr_t
map_bar(struct gantry_dma_dev *dev, size_t size)
{
	return gantry_dma_map_resource(dev, bar + 8, PHYS + 8, size, GANTRY_DMA_FROM_DEVICE);
}

static void
assert_bar_refused(struct gantry_dma_dev *dev, size_t size, const char *why)
{
	assert_int_equal(map_bar(dev, size), GANTRY_DMA_MAPPING_ERROR);
	assert_reason(why);
}

/* Nothing that a refused BAR took stays taken. */
static void
bar_that_is_refused_leaves_nothing_behind(void **state)
{
	static const struct gantry_dma_ops *const kinds[] = { &bus_with_table, &bus_any_memory };
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	unsigned int i, maps;

	for (i = 0; i < RTE_DIM(kinds); i++) {
		dev = bus_device(kinds[i], GANTRY_DMA_MODE_STRICT);
		bus_mask(dev, 32);
		maps = bus.nr_maps;
		bus.fails = true;
		assert_bar_refused(dev, 64, "bus did not map it at bus address");
		bus.fails = false;
		assert_int_equal(pages_in_use(dev), 0);
		gantry_mem_mmio_add(bar, HUGE);
		assert_bar_refused(dev, HUGE - 8,
				"bytes: no 524288 pages of bus addresses in a row");
		gantry_mem_mmio_del(bar);
		gantry_mem_mmio_add(bar, BAR);
		assert_int_equal(pages_in_use(dev), 0);
		assert_int_equal(bus.nr_maps, maps);
		/* One that is accepted takes each page that it touches. */
		addr = map_bar(dev, 2 * PAGE);
		assert_int_equal(addr % PAGE, 8);
		assert_int_equal(pages_in_use(dev), 3);
		assert_int_equal(bus.nr_maps, maps + 1);
		assert_int_equal(bus.maps[maps].len, 3 * PAGE);
		assert_ptr_equal(bus.maps[maps].va, bar);
		/* No other unmapping ends it. */
		gantry_dma_unmap_resource(dev, addr, PAGE, GANTRY_DMA_FROM_DEVICE);
		assert_reason("mapped with another size or direction");
		gantry_dma_unmap_resource(dev, addr + 1, 2 * PAGE, GANTRY_DMA_FROM_DEVICE);
		assert_reason("no mapping begins there");
		gantry_dma_unmap_resource(dev, UINT32_MAX - 63, 64, GANTRY_DMA_FROM_DEVICE);
		assert_reason("nothing was mapped there");
		assert_int_equal(bus.nr_maps, maps + 1);
		gantry_dma_unmap_resource(dev, addr, 2 * PAGE, GANTRY_DMA_FROM_DEVICE);
		assert_int_equal(bus.nr_maps, maps);
		assert_int_equal(pages_in_use(dev), 0);
		gantry_dma_dev_destroy(dev);
	}
}

/* A table shows the device what the bus has mapped, and nothing maps the BAR. */
static void
bar_needs_a_bus_that_maps_it(void **state)
{
	struct gantry_dma_ops ops = bus_with_table;
	struct gantry_dma_dev *dev;

	ops.map = NULL;
	dev = bus_device(&ops, GANTRY_DMA_MODE_STRICT);
	bus_mask(dev, 32);
	assert_string_equal(gantry_dma_mode_name(dev), "strict");
	assert_non_null(bus.table);
	assert_bar_refused(dev, 64, "the bus cannot map a BAR");
	assert_int_equal(pages_in_use(dev), 0);
	gantry_dma_dev_destroy(dev);
}

/* A BAR that is mapped before any mask starts the mode, like other memory. */
static void
bar_starts_the_mode_that_waits(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_STRICT);
	gantry_dma_addr_t addr;

	assert_ptr_equal(dma_device(dev)->base, dma_device(dev)->waiting);
	assert_int_equal(bus.claims, 0);
	addr = map_bar(dev, 64);
	assert_int_not_equal(addr, GANTRY_DMA_MAPPING_ERROR);
	assert_ptr_not_equal(dma_device(dev)->base, dma_device(dev)->waiting);
	assert_int_equal(bus.claims, 1);
	assert_int_equal(bus.nr_maps, 1);
	gantry_dma_unmap_resource(dev, addr, 64, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(bus.nr_maps, 0);
	gantry_dma_dev_destroy(dev);
	/* If the mode does not start, nothing is mapped. */
	dev = bus_device(&bus_without, GANTRY_DMA_MODE_STRICT);
	assert_bar_refused(dev, 64, "no IOMMU");
	assert_ptr_equal(dma_device(dev)->base, dma_device(dev)->waiting);
	gantry_dma_dev_destroy(dev);
}

/* A BAR that is mapped at its own address excludes a mode with other addresses. */
static void
mask_comes_before_the_first_bar(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_AUTO);
	gantry_dma_addr_t addr;

	bus_mask(dev, 64);
	addr = map_bar(dev, 64);
	assert_int_equal(addr, (uintptr_t)bar + 8);
	assert_int_equal(gantry_dma_set_mask(dev, UINT32_MAX), -EIO);
	assert_reason("BARs mapped, in direct mode: the mask comes first");
	assert_int_equal(bus.claims, 0);
	gantry_dma_unmap_resource(dev, addr, 64, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(gantry_dma_set_mask(dev, UINT32_MAX), 0);
	gantry_dma_dev_destroy(dev);
}

/*
 * The bus.
 */

static struct {
	int claim, page_table, unmap; /* what these calls return */
} refuses;

static int
refuse_claim(void *opaque)
{
	return refuses.claim;
}

static int
refuse_table(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries)
{
	return refuses.page_table;
}

/* A mode that translates takes EAL memory away from the device, for which it needs three calls. */
static void
mode_that_translates_needs_a_bus_that_takes_memory_away(void **state)
{
	static const char permanent[] = "maps all EAL memory for the device permanently";
	struct gantry_dma_ops ops[6] = { bus_any_memory, bus_any_memory, bus_any_memory,
		bus_any_memory, bus_with_table, bus_with_table };
	static const struct {
		const char *why; /* NULL: started */
		int ret;
	} expected[] = {
		{ permanent, -EIO },
		{ permanent, -EIO },
		{ permanent, -EIO },
		{ "bus did not take EAL memory away from the device: Operation not p", -EPERM },
		{ "bus makes no page table of 262144 entries: Cannot allocate", -ENOMEM },
		{ NULL, 0 },
	};
	struct gantry_dma_params p = { .name = "dev",
		.socket_id = SOCKET_ID_ANY,
		.has_iommu = true,
		.mode = GANTRY_DMA_MODE_STRICT };
	struct gantry_dma_dev *dev;
	unsigned int i;
	int ret;

	ops[0].claim = NULL;
	ops[1].map = NULL;
	ops[2].unmap = NULL;
	ops[3].claim = refuse_claim;
	ops[4].page_table = ops[5].page_table = refuse_table;
	refuses.claim = -EPERM;
	for (i = 0; i < RTE_DIM(ops); i++) {
		bus_reset();
		refuses.page_table = i == 4 ? -ENOMEM : -ENOTSUP;
		p.ops = &ops[i];
		dev = gantry_dma_dev_create(&p);
		assert_non_null(dev);
		ret = gantry_dma_set_mask(dev, UINT32_MAX);
		if (ret != expected[i].ret)
			fail_msg("%u: %d: %s", i, ret, gantry_dma_last_error());
		if (expected[i].why != NULL)
			assert_reason(expected[i].why);
		assert_int_equal(bus.claims, expected[i].why == NULL);
		assert_int_equal(dma_device(dev)->claimed, expected[i].why == NULL);
		assert_true((dma_device(dev)->base == dma_device(dev)->waiting) ==
				(expected[i].why != NULL));
		gantry_dma_dev_destroy(dev);
	}
	p.has_iommu = false;
	p.ops = &bus_any_memory;
	dev = gantry_dma_dev_create(&p);
	assert_int_equal(gantry_dma_set_mask(dev, UINT32_MAX), -EIO);
	assert_reason("nothing translates between the device and memory (no IOMMU)");
	gantry_dma_dev_destroy(dev);
}

/* A bus that maps no other memory than EAL's: both ends of a buffer are in it. */
static void
buffer_outside_of_eal_memory_needs_a_bus_that_maps_any(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_files, GANTRY_DMA_MODE_STRICT);
	uint8_t *heap = malloc(64), *eal = rte_malloc(NULL, 64, 64);
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(eal);
	uint8_t *end = RTE_PTR_ADD(msl->base_va, msl->len);
	gantry_dma_addr_t addr;

	bus_mask(dev, 32);
	assert_not_mapped(dev, heap, 64, "process memory");
	assert_int_equal(pages_in_use(dev), 0);
	if (!eal_huge()) { /* then EAL has its memory to the end of the list */
		addr = bus_map_ok(dev, end - 16, 16, GANTRY_DMA_TO_DEVICE);
		gantry_dma_unmap_single(dev, addr, 16, GANTRY_DMA_TO_DEVICE);
		assert_true(gantry_dma_mapping_error(dev,
				gantry_dma_map_single(dev, end - 16, 17, GANTRY_DMA_TO_DEVICE)));
	}
	assert_int_equal(bus.nr_maps, 0);
	gantry_dma_dev_destroy(dev);
	rte_free(eal);
	free(heap);
}

/*
 * Masks.
 */

static void
mask_may_widen_but_not_narrow_below_mappings(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, PAGE, PAGE);
	gantry_dma_addr_t addr, top = 0, all[8];
	unsigned int i;

	bus_mask(dev, 30);
	assert_int_equal(gantry_dma_max_mapping_size(dev), (size_t)1 << 28);
	assert_int_equal(gantry_dma_get_required_mask(dev), GANTRY_DMA_BIT_MASK(30));
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), 0);
	assert_int_equal(gantry_dma_get_required_mask(dev), GANTRY_DMA_BIT_MASK(24));
	assert_int_equal(gantry_dma_max_mapping_size(dev), (size_t)1 << 22);
	addr = bus_map_ok(dev, p, PAGE, GANTRY_DMA_TO_DEVICE);
	assert_true(addr < 1 << 24);
	/* Wider: the mapping stays, and later ones are below the former mask. */
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(30)), 0);
	assert_int_equal(gantry_dma_get_mask(dev), GANTRY_DMA_BIT_MASK(30));
	assert_int_equal(gantry_dma_get_required_mask(dev), GANTRY_DMA_BIT_MASK(24));
	for (i = 0; i < RTE_DIM(all); i++) {
		all[i] = bus_map_ok(dev, p, PAGE, GANTRY_DMA_TO_DEVICE);
		top = RTE_MAX(top, all[i]);
	}
	assert_true(top < 1 << 24);
	for (i = 0; i < RTE_DIM(all); i++)
		gantry_dma_unmap_single(dev, all[i], PAGE, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, addr, PAGE, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(29)), 0);
	assert_int_equal(gantry_dma_get_required_mask(dev), GANTRY_DMA_BIT_MASK(29));
	addr = bus_map_ok(dev, p, PAGE, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(28)), -EIO);
	assert_reason("1 pages of bus addresses are mapped, up to 0x1fffffff");
	assert_int_equal(gantry_dma_get_required_mask(dev), GANTRY_DMA_BIT_MASK(29));
	gantry_dma_unmap_single(dev, addr, PAGE, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
masks_have_24_to_64_bits(void **state)
{
	static const uint64_t invalid[] = { 0, 1, GANTRY_DMA_BIT_MASK(23), 0xFFFFFF0,
		UINT64_MAX - 1, UINT64_C(1) << 32 };
	struct gantry_dma_dev *dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_STRICT);
	unsigned int i;

	for (i = 0; i < RTE_DIM(invalid); i++) {
		assert_int_equal(gantry_dma_set_mask(dev, invalid[i]), -EINVAL);
		assert_reason("is no mask of 24 to 64 address bits");
		assert_int_equal(gantry_dma_set_coherent_mask(dev, invalid[i]), -EINVAL);
		assert_reason("is no mask of 24 to 64 address bits");
		assert_int_equal(gantry_dma_set_mask_and_coherent(dev, invalid[i]), -EINVAL);
	}
	assert_int_equal(gantry_dma_get_mask(dev), UINT32_MAX);
	assert_int_equal(gantry_dma_get_coherent_mask(dev), UINT32_MAX);
	assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(24)), 0);
	assert_int_equal(gantry_dma_get_coherent_mask(dev), GANTRY_DMA_BIT_MASK(24));
	assert_int_equal(gantry_dma_set_mask(dev, UINT64_MAX), 0);
	assert_int_equal(gantry_dma_get_mask(dev), UINT64_MAX);
	gantry_dma_dev_destroy(dev);
}

static void
devices_and_modes_have_names(void **state)
{
	static const char *const names[] = { "auto", "direct", "window", "strict", "bounce" };
	static const char *const others[] = { "", "Direct", "strict ", "stric", "boun", "5" };
	struct gantry_dma_params p = { .socket_id = SOCKET_ID_ANY };
	enum gantry_dma_mode_id mode = GANTRY_DMA_MODE_STRICT;
	unsigned int i;

	for (i = 0; i < RTE_DIM(others); i++) {
		assert_int_equal(gantry_dma_mode_of_name(others[i], &mode), -EINVAL);
		assert_int_equal(mode, GANTRY_DMA_MODE_STRICT);
	}
	for (i = 0; i < RTE_DIM(names); i++) {
		assert_int_equal(gantry_dma_mode_of_name(names[i], &mode), 0);
		assert_int_equal(mode, GANTRY_DMA_MODE_AUTO + i);
	}
	assert_int_equal(mode, GANTRY_DMA_MODE_BOUNCE);
	for (i = 0; i < 2; i++) {
		p.name = i == 0 ? NULL : "";
		rte_errno = 0;
		assert_null(gantry_dma_dev_create(&p));
		assert_int_equal(rte_errno, EINVAL);
		assert_reason("a DMA device needs a name");
	}
	p.name = "dev";
	p.mode = mode + 1;
	assert_null(gantry_dma_dev_create(&p));
	assert_int_equal(rte_errno, EINVAL);
	assert_reason("no DMA mode has the number 5");
}

/* A state that is gone is reported when the block is freed, and the memory returns to EAL. */
static void
block_whose_mapping_is_gone_is_freed_with_a_report(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_STRICT);
	gantry_dma_addr_t addr;
	void *p;

	bus_mask(dev, 32);
	p = gantry_dma_alloc_coherent(dev, PAGE, &addr, SOCKET_ID_ANY);
	assert_non_null(p);
	dma_mode_state(dev)->demand.states[addr / PAGE] = 0;
	gantry_dma_free_coherent(dev, PAGE, p, addr);
	assert_reason("freeing");
	assert_reason("it is not mapped (unmapped twice?)");
	assert_true(TAILQ_EMPTY(&dma_device(dev)->blocks));
	gantry_dma_dev_destroy(dev);
	bus_reset();
}

#define WITH_BAR(f) cmocka_unit_test_setup_teardown(f, make_bar, drop_bar)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		WITH_BAR(bar_that_is_refused_leaves_nothing_behind),
		WITH_BAR(bar_needs_a_bus_that_maps_it),
		WITH_BAR(bar_starts_the_mode_that_waits),
		WITH_BAR(mask_comes_before_the_first_bar),
		cmocka_unit_test(mode_that_translates_needs_a_bus_that_takes_memory_away),
		cmocka_unit_test(buffer_outside_of_eal_memory_needs_a_bus_that_maps_any),
		cmocka_unit_test(mask_may_widen_but_not_narrow_below_mappings),
		cmocka_unit_test(masks_have_24_to_64_bits),
		cmocka_unit_test(devices_and_modes_have_names),
		cmocka_unit_test(block_whose_mapping_is_gone_is_freed_with_a_report),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	return cmocka_run_group_tests_name("dma_demand", tests, NULL, NULL);
}
