/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Test of BARs as the target of another device's DMA, peer to peer (lib/dma/ext/dma_resource.c). */

#include <sys/mman.h>

#include "dma_device.h"

#include <rte_malloc.h>

#define PAGE     4096
#define BAR_SIZE (8 * PAGE)
#define BAR_PHYS UINT64_C(0xfe800000)

/* A backend that counts its calls and records the last one. */
static struct {
	pthread_mutex_t lock;
	int refuse;
	unsigned int maps, unmaps, live;
	uint8_t *va;
	gantry_dma_addr_t iova;
	size_t len;
} backend = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int
backend_called(void *va, gantry_dma_addr_t iova, size_t len, unsigned int *calls, int live)
{
	if (backend.refuse != 0)
		return backend.refuse;
	pthread_mutex_lock(&backend.lock);
	backend.va = va;
	backend.iova = iova;
	backend.len = len;
	(*calls)++;
	backend.live += live;
	pthread_mutex_unlock(&backend.lock);
	return 0;
}

static int
backend_map(void *opaque, void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir)
{
	assert_ptr_equal(opaque, &backend);
	return backend_called(va, iova, len, &backend.maps, 1);
}

static int
backend_unmap(void *opaque, void *va, gantry_dma_addr_t iova, size_t len)
{
	return backend_called(va, iova, len, &backend.unmaps, -1);
}

static const struct gantry_dma_ops with_map = {
	.name = "bus",
	.map = backend_map,
	.unmap = backend_unmap,
};
static uint8_t *bar;

static struct gantry_dma_dev *
device(bool has_iommu, const struct gantry_dma_ops *ops, unsigned int bits)
{
	const struct gantry_dma_params p = {
		.name = "peer",
		.socket_id = SOCKET_ID_ANY,
		.has_iommu = has_iommu,
		.ops = ops,
		.opaque = &backend,
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	dma_device(dev)->mask = GANTRY_DMA_BIT_MASK(bits);
	dma_set_mode(dev, &dma_direct_mode);
	return dev;
}

static void
assert_refused(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		const char *why)
{
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_resource(dev, va, phys, size, GANTRY_DMA_TO_DEVICE)));
	assert_reason(why);
}

static int
make_bar(void **state)
{
	bar = mmap(NULL, BAR_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(bar != MAP_FAILED);
	backend.refuse = 0;
	backend.maps = backend.unmaps = backend.live = 0;
	return gantry_mem_mmio_add(bar, BAR_SIZE);
}

static int
drop_bar(void **state)
{
	gantry_mem_mmio_del(bar);
	return munmap(bar, BAR_SIZE);
}

/* Without an IOMMU, the bus address is the BAR's physical address. */
static void
bar_has_physical_address_without_iommu(void **state)
{
	struct gantry_dma_dev *dev = device(false, &with_map, 32);
	gantry_dma_addr_t a;

	a = gantry_dma_map_resource(dev, bar + 16, BAR_PHYS + 16, 64, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, a));
	assert_int_equal(a, BAR_PHYS + 16);
	assert_int_equal(backend.maps, 0);
	gantry_dma_unmap_resource(dev, a, 64, GANTRY_DMA_FROM_DEVICE);

	assert_refused(dev, bar, GANTRY_PHYS_ADDR_BAD, 64, "without its physical address");
	assert_refused(dev, bar, UINT64_C(0x100000000), 64, "the device drives 32");
	assert_refused(dev, bar, UINT32_MAX, 2, "the device drives 32");
	assert_refused(dev, bar, UINT64_MAX - 1, 64, "the device drives 32");
	gantry_dma_dev_destroy(dev);
}

/* With an IOMMU, the backend maps the BAR, in whole pages. */
static void
bar_is_mapped_in_whole_pages(void **state)
{
	const bool va = rte_eal_iova_mode() == RTE_IOVA_VA;
	struct gantry_dma_dev *dev = device(true, &with_map, 64);
	gantry_dma_addr_t a, base = va ? (uintptr_t)bar : BAR_PHYS;

	a = gantry_dma_map_resource(dev, bar + PAGE + 8,
			va ? GANTRY_PHYS_ADDR_BAD : BAR_PHYS + PAGE + 8, PAGE,
			GANTRY_DMA_BIDIRECTIONAL);
	assert_int_equal(a, base + PAGE + 8);
	assert_ptr_equal(backend.va, bar + PAGE);
	assert_int_equal(backend.iova, base + PAGE);
	assert_int_equal(backend.len, 2 * PAGE);
	backend.len = 0;
	gantry_dma_unmap_resource(dev, a, PAGE, GANTRY_DMA_BIDIRECTIONAL);
	assert_ptr_equal(backend.va, bar + PAGE);
	assert_int_equal(backend.iova, base + PAGE);
	assert_int_equal(backend.len, 2 * PAGE);
	assert_int_equal(backend.live, 0);
	gantry_dma_dev_destroy(dev);
}

static void
invalid_bar_mappings_are_refused(void **state)
{
	static const struct gantry_dma_ops without_map = { .name = "none" };
	struct gantry_dma_dev *dev;
	uint8_t *huge = rte_malloc(NULL, PAGE, 0), *heap = malloc(64);
	gantry_dma_addr_t a;

	/* The bus cannot map it, or refuses. */
	dev = device(true, NULL, 64);
	assert_refused(dev, bar, BAR_PHYS, 64, "the bus cannot map a BAR");
	gantry_dma_dev_destroy(dev);
	dev = device(true, &without_map, 64);
	assert_refused(dev, bar, BAR_PHYS, 64, "the bus cannot map a BAR");
	gantry_dma_dev_destroy(dev);
	dev = device(true, &with_map, 64);
	backend.refuse = -EOPNOTSUPP;
	assert_refused(dev, bar, BAR_PHYS, 64, "bus did not map it at bus address");
	backend.refuse = 0;

	/* Memory is not part of a BAR. */
	assert_refused(dev, huge, BAR_PHYS, 64, "no part of a BAR");
	assert_refused(dev, heap, BAR_PHYS, 64, "no part of a BAR");
	assert_refused(dev, bar + BAR_SIZE - 1, BAR_PHYS, 2 * PAGE, "no part of a BAR");
	assert_refused(dev, NULL, BAR_PHYS, 64, "no part of a BAR");
	assert_refused(dev, bar, BAR_PHYS, 0, "no such range");
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_resource(dev, bar, BAR_PHYS, 64, GANTRY_DMA_NONE)));
	assert_reason("without a direction");
	assert_int_equal(backend.maps, 0);

	/* An unmap that differs from the mapping is reported and has no effect. */
	a = gantry_dma_map_resource(dev, bar, BAR_PHYS, 64, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, a));
	gantry_dma_unmap_resource(dev, a, 65, GANTRY_DMA_TO_DEVICE);
	assert_reason("with 65 bytes");
	gantry_dma_unmap_resource(dev, a, 64, GANTRY_DMA_FROM_DEVICE);
	assert_reason("direction 2");
	gantry_dma_unmap_resource(dev, a + 1, 64, GANTRY_DMA_TO_DEVICE);
	assert_reason("no BAR is mapped");
	assert_int_equal(backend.live, 1);
	gantry_dma_unmap_resource(dev, a, 64, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(backend.live, 0);
	gantry_dma_unmap_resource(dev, a, 64, GANTRY_DMA_TO_DEVICE);
	assert_reason("no BAR is mapped");

	/* Leaked: the device's destruction unmaps it. */
	gantry_dma_map_resource(dev, bar, BAR_PHYS, 64, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(backend.live, 0);
	free(heap);
	rte_free(huge);
}

static gantry_dma_addr_t
mode_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	return phys + 1;
}

static void
mode_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	assert_int_equal(addr, BAR_PHYS + 1);
	backend.unmaps++;
}

static void
mode_can_map_bars(void **state)
{
	struct gantry_dma_dev *dev = device(false, NULL, 64);
	struct gantry_dma_mode mode = { .name = "wooden" };
	gantry_dma_addr_t a;

	dma_set_mode(dev, &mode);
	assert_refused(dev, bar, BAR_PHYS, 64, "in mode wooden");
	mode.map_resource = mode_map_resource;
	mode.unmap_resource = mode_unmap_resource;
	a = gantry_dma_map_resource(dev, bar, BAR_PHYS, 64, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(a, BAR_PHYS + 1);
	gantry_dma_unmap_resource(dev, a, 64, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(backend.unmaps, 1);
	gantry_dma_dev_destroy(dev);
}

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	pthread_barrier_t *begin;
	unsigned int page, bad;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	unsigned int round;

	pthread_barrier_wait(w->begin);
	for (round = 0; round < 2000; round++) {
		gantry_dma_addr_t a = gantry_dma_map_resource(w->dev, bar + w->page * PAGE,
				BAR_PHYS + w->page * PAGE, PAGE, GANTRY_DMA_TO_DEVICE);

		w->bad += gantry_dma_mapping_error(w->dev, a);
		gantry_dma_unmap_resource(w->dev, a, PAGE, GANTRY_DMA_TO_DEVICE);
	}
	return NULL;
}

static void
threads_map_bars_concurrently(void **state)
{
	struct gantry_dma_dev *dev = device(true, &with_map, 64);
	struct worker w[BAR_SIZE / PAGE];
	pthread_barrier_t begin;
	unsigned int i;

	pthread_barrier_init(&begin, NULL, RTE_DIM(w));
	for (i = 0; i < RTE_DIM(w); i++) {
		w[i] = (struct worker){ .dev = dev, .begin = &begin, .page = i };
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < RTE_DIM(w); i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
	}
	pthread_barrier_destroy(&begin);
	assert_int_equal(backend.maps, 2000 * RTE_DIM(w));
	assert_int_equal(backend.live, 0);
	gantry_dma_dev_destroy(dev);
}

#define WITH_BAR(f) cmocka_unit_test_setup_teardown(f, make_bar, drop_bar)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		WITH_BAR(bar_has_physical_address_without_iommu),
		WITH_BAR(bar_is_mapped_in_whole_pages),
		WITH_BAR(invalid_bar_mappings_are_refused),
		WITH_BAR(mode_can_map_bars),
		WITH_BAR(threads_map_bars_concurrently),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
