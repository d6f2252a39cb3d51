/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the window mode of lib/dma (dma_window.c), and of the mode that the library chooses if
 * the driver asks for none (GANTRY_DMA_MODE_AUTO). The device is the test, behind the IOMMU of
 * dma_bus.h.
 *
 *     0 ... DEMAND            bus addresses for mappings on demand
 *     DEMAND ... mask         the window: all of EAL memory, at addresses the library chose,
 *                             except 0xfee00000 to 0xfeefffff (writes there are interrupts)
 *     mask too narrow         no window: everything is mapped on demand
 */

#include "dma_bus.h"

#include <rte_malloc.h>

#include "dma_iova.h"
#include "gantry_dma_sg.h"

#define LEN    2048
#define DEMAND (UINT64_C(64) << 20) /* bus addresses below are for mappings on demand */

static struct gantry_dma_dev *
window_device(const struct gantry_dma_ops *ops, unsigned int bits)
{
	struct gantry_dma_dev *dev = bus_device(ops, GANTRY_DMA_MODE_WINDOW);

	assert_string_equal(gantry_dma_mode_name(dev), "window");
	bus_mask(dev, bits);
	assert_string_equal(gantry_dma_mode_name(dev), "window");
	return dev;
}

static int
make_window(void **state)
{
	*state = window_device(&bus_with_table, 32);
	/*
	 * All memory fits: the library has claimed the device's mappings, and needs no page table.
	 */
	assert_int_equal(bus.claims, 1);
	assert_null(bus.table);
	assert_null(dma_device(DEV(state))->fast.mode);
	return 0;
}

static int
drop_window(void **state)
{
	gantry_dma_dev_destroy(DEV(state));
	assert_int_equal(bus.nr_maps, 0);
	return 0;
}

static gantry_dma_addr_t
map_window(struct gantry_dma_dev *dev, void *p, size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t a = bus_map_ok(dev, p, size, dir);

	assert_true(a >= DEMAND && a + (size - 1) <= gantry_dma_get_mask(dev));
	assert_true(a + size <= 0xfee00000 || a >= 0xfef00000);
	return a;
}

/*
 * Z, the bus address, differs from X (virtual) and Y (physical), the device reaches the bytes, and
 * a mapping is only a table look-up.
 */
static void
window_mapping_is_a_lookup(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, LEN, 64);
	unsigned int calls = bus.calls;
	gantry_dma_addr_t a;

	a = map_window(dev, p, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_int_not_equal(a, (uintptr_t)p);
	assert_int_not_equal(a, expected_bus(p));
	memset(p, 1, LEN);
	assert_seen(a, 1, LEN);
	assert_true(device_fill(a, 2, LEN));
	assert_bytes(p, 2, LEN);
	assert_false(device_fill(expected_bus(p), 3, 1) && expected_bus(p) > UINT32_MAX);
	gantry_dma_sync_single_for_cpu(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_sync_single_for_device(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_seen(a, 2, LEN);
	assert_int_equal(bus.calls, calls);
	assert_int_equal(a, map_window(dev, p, LEN, GANTRY_DMA_TO_DEVICE));
	assert_not_mapped(dev, p, 0, "no such range");
	assert_not_mapped(dev, NULL, 64, "nothing is there");
	rte_free(p);
}

static void
mbufs_are_reachable_through_window(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct rte_mempool *pool = rte_pktmbuf_pool_create("window", 1023, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct gantry_dma_seg segs[4];
	struct rte_mbuf *m[512], *chain;
	gantry_dma_addr_t a;
	unsigned int i;

	assert_non_null(pool);
	for (i = 0; i < RTE_DIM(m); i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		a = gantry_dma_map_mbuf(dev, m[i], m[i]->data_off, LEN, GANTRY_DMA_FROM_DEVICE);
		assert_false(gantry_dma_mapping_error(dev, a));
		assert_true(a <= UINT32_MAX);
		assert_true(device_fill(a, i, LEN));
		assert_bytes(rte_pktmbuf_mtod(m[i], uint8_t *), i, LEN);
		gantry_dma_unmap_mbuf(dev, m[i], a, LEN, GANTRY_DMA_FROM_DEVICE);
	}
	chain = m[0];
	rte_pktmbuf_append(m[0], 100);
	rte_pktmbuf_append(m[1], 200);
	rte_pktmbuf_chain(m[0], m[1]);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, chain, segs, 4, GANTRY_DMA_TO_DEVICE), 2);
	assert_seen(segs[1].addr, 1, 200);
	gantry_dma_unmap_mbuf_chain(dev, chain, segs, 2, GANTRY_DMA_TO_DEVICE);
	rte_mempool_free(pool);
}

/*
 * Large buffers are contiguous for the device, whether or not EAL's pages are scattered in physical
 * memory.
 */
static void
large_buffers_are_contiguous(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, 12 << 20, 4096);
	gantry_dma_addr_t a;
	unsigned int i;
	size_t size;

	assert_non_null(p);
	for (size = 4096; size <= 12 << 20; size *= 3) {
		a = map_window(dev, p, size, GANTRY_DMA_TO_DEVICE);
		for (i = 0; i < 64; i++) {
			size_t at = (size - 1) / 64 * i;

			p[at] = i;
			assert_seen(a + at, i, 1);
		}
		gantry_dma_unmap_single(dev, a, size, GANTRY_DMA_TO_DEVICE);
	}
	rte_free(p);
}

/*
 * Memory that EAL adds is reachable when EAL hands it out, and no longer after EAL has removed it.
 */
static void
added_and_removed_memory_is_followed(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	const unsigned int before = bus.nr_maps;
	gantry_dma_addr_t a[4];
	uint8_t *p[4];
	unsigned int i, round;

	if (!eal_huge()) {
		print_message("needs hugepages, which come and go\n");
		skip();
	}
	for (round = 0; round < 3; round++) {
		for (i = 0; i < 4; i++) {
			p[i] = rte_malloc(NULL, 30 << 20, 2 << 20);
			assert_non_null(p[i]);
			memset(p[i], i, 30 << 20);
			a[i] = map_window(dev, p[i] + (29 << 20), 1 << 20, GANTRY_DMA_TO_DEVICE);
			assert_seen(a[i] + 1000, i, 1000);
			/* Its bus addresses are contiguous. */
			assert_int_equal(map_window(dev, p[i], 4096, GANTRY_DMA_TO_DEVICE),
					a[i] - (29 << 20));
		}
		assert_true(bus.nr_maps > before);
		for (i = 0; i < 4; i++)
			rte_free(p[i]);
		for (i = 0; i < 4; i++) {
			if (rte_mem_virt2memseg(p[i] + (29 << 20), NULL) == NULL ||
					rte_mem_virt2memseg(p[i] + (29 << 20), NULL)->len == 0)
				assert_false(device_read(a[i], &(uint8_t){ 0 }, 1));
		}
		assert_int_equal(bus.nr_maps, before);
	}
}

/*
 * An abandoned device may still write to its memory: the library keeps all of it, and no longer
 * calls the bus for it.
 */
static void
abandoned_device_keeps_its_memory(void **state)
{
	/* For leak checkers, which do not search EAL memory, where the device resides. */
	static const void *volatile kept[2];
	struct gantry_dma_dev *dev = window_device(&bus_any_memory, 32);
	gantry_dma_addr_t handle;
	unsigned int maps, calls;
	uint8_t *ring, *p;

	if (!eal_huge()) {
		gantry_dma_dev_destroy(dev);
		print_message("needs hugepages, which come and go\n");
		skip();
	}
	ring = gantry_dma_alloc_coherent(dev, 4096, &handle, SOCKET_ID_ANY);
	assert_non_null(ring);
	p = rte_malloc(NULL, 30 << 20, 2 << 20);
	assert_non_null(p);
	maps = bus.nr_maps;
	calls = bus.calls;
	kept[0] = dma_mode_state(dev)->window;
	kept[1] = TAILQ_FIRST(&dma_device(dev)->blocks);
	assert_true(kept[0] != NULL && kept[1] != NULL);
	gantry_dma_dev_abandon(dev);
	rte_free(p);
	p = rte_malloc(NULL, 60 << 20, 2 << 20);
	assert_non_null(p);
	rte_free(p);
	assert_int_equal(bus.nr_maps, maps);
	assert_int_equal(bus.calls, calls);
	/* The ring's memory is not handed out to anyone else. */
	memset(ring, 0xA5, 4096);
	assert_true(device_read(handle, &(uint8_t){ 0 }, 1));
	gantry_dma_dev_abandon(NULL);
}

/* If the bus refuses to map new memory, the library maps it on demand. */
static void
unplaced_memory_is_mapped_on_demand(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	gantry_dma_addr_t a;
	unsigned int maps;
	uint8_t *p;

	if (!eal_huge()) {
		print_message("needs hugepages, which come and go\n");
		skip();
	}
	bus.fail_at = bus.calls + 1;
	p = rte_malloc(NULL, 100 << 20, 2 << 20); /* more than EAL has */
	maps = bus.nr_maps;
	bus.fail_at = 0;
	assert_non_null(p);
	memset(p, 1, LEN);
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	assert_seen(a, 1, LEN);
	assert_true(a + LEN <= DEMAND);
	assert_int_equal(bus.nr_maps, maps + 1);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(bus.nr_maps, maps);
	assert_false(device_read(a, &(uint8_t){ 0 }, 1));
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	assert_reason("unmapped twice?");
	rte_free(p);
}

/*
 * If the bus fails to unmap memory that EAL removes, its bus addresses are not reused, because the
 * device may still reach that memory.
 */
static void
addresses_of_failed_unmap_are_not_reused(void **state)
{
	struct gantry_dma_dev *dev = window_device(&bus_any_memory, 32);
	unsigned int before, kept, i;
	gantry_dma_addr_t a;
	uint8_t *p;

	if (!eal_huge()) {
		gantry_dma_dev_destroy(dev);
		print_message("needs hugepages, which come and go\n");
		skip();
	}
	before = bus.nr_maps;
	p = rte_malloc(NULL, 100 << 20, 2 << 20); /* more than EAL has */
	assert_non_null(p);
	kept = bus.nr_maps - before;
	assert_true(kept > 0);
	bus.keeps = true;
	rte_free(p);
	bus.keeps = false;
	assert_int_equal(bus.nr_maps, before + kept);
	p = rte_malloc(NULL, 100 << 20, 2 << 20);
	assert_non_null(p);
	assert_int_equal(bus.nr_maps, before + 2 * kept);
	for (i = 0; i < 100; i++) {
		memset(p + (i << 20), i, LEN);
		a = map_window(dev, p + (i << 20), LEN, GANTRY_DMA_TO_DEVICE);
		assert_seen(a, i, LEN);
	}
	rte_free(p);
	assert_int_equal(bus.nr_maps, before + kept);
	/* Another window also avoids these addresses, or the library makes none. */
	gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(27));
	assert_true(bus.nr_maps >= kept);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, kept);
	bus_reset();
}

/* Registered memory, and any other memory if the bus can map it: on demand, below the window. */
static void
other_memory_is_mapped_on_demand(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0),
		*heap = malloc(LEN);
	struct gantry_sg sg[2];
	gantry_dma_addr_t a;

	assert_int_equal(rte_extmem_register(p, 4 * 4096, NULL, 0, 4096), 0);
	memset(p, 1, 4 * 4096);
	a = bus_map_ok(dev, p + 4000, 8000, GANTRY_DMA_TO_DEVICE);
	assert_true(a + 8000 <= DEMAND);
	assert_seen(a, 1, 8000);
	assert_false(device_fill(a, 1, 1));
	gantry_dma_unmap_single(dev, a, 8000, GANTRY_DMA_TO_DEVICE);
	assert_false(device_read(a, &(uint8_t){ 0 }, 1));

	gantry_sg_set_buf(&sg[0], p, 100);
	gantry_sg_set_buf(&sg[1], heap, 200);
	memset(heap, 2, 200);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_TO_DEVICE), 2);
	assert_seen(sg[0].dma.addr, 1, 100);
	assert_seen(sg[1].dma.addr, 2, 200);
	gantry_dma_unmap_sg(dev, sg, 2, GANTRY_DMA_TO_DEVICE);
	assert_false(device_read(sg[0].dma.addr, &(uint8_t){ 0 }, 1));
	assert_false(device_read(sg[1].dma.addr, &(uint8_t){ 0 }, 1));
	assert_int_equal(rte_extmem_unregister(p, 4 * 4096), 0);
	munmap(p, 4 * 4096);
	free(heap);
}

static void
coherent_blocks_are_aligned_within_mask(void **state)
{
	static const size_t sizes[] = { 1, 4097, 65536, 100000, 3 << 20 };
	struct gantry_dma_dev *dev = DEV(state);
	gantry_dma_addr_t a;
	unsigned int i;
	uint8_t *p;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		const size_t align = rte_align64pow2(RTE_ALIGN_CEIL(sizes[i], 4096));

		p = gantry_dma_alloc_coherent(dev, sizes[i], &a, SOCKET_ID_ANY);
		assert_non_null(p);
		assert_int_equal(a % align, 0);
		assert_int_equal((uintptr_t)p % align, 0);
		assert_true(a + sizes[i] - 1 <= UINT32_MAX);
		assert_true(device_fill(a, 5, sizes[i]));
		assert_bytes(p, 5, sizes[i]);
		gantry_dma_free_coherent(dev, sizes[i], p, a);
	}
	/* A coherent mask that the window exceeds. */
	assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(24)), 0);
	p = gantry_dma_alloc_coherent(dev, 65536, &a, SOCKET_ID_ANY);
	assert_true(p != NULL && a + 65535 <= GANTRY_DMA_BIT_MASK(24) && a % 65536 == 0);
	assert_true(device_fill(a, 6, 65536));
	assert_bytes(p, 6, 65536);
	gantry_dma_free_coherent(dev, 65536, p, a);
	assert_false(device_fill(a, 7, 1));
}

static void
bar_is_reachable_while_mapped(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	gantry_dma_addr_t a;

	assert_int_equal(gantry_mem_mmio_add(bar, 4096), 0);
	a = gantry_dma_map_resource(dev, bar + 40, GANTRY_PHYS_ADDR_BAD, 8, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, a));
	assert_true(device_fill(a, 9, 8));
	assert_bytes(bar + 40, 9, 8);
	gantry_dma_unmap_resource(dev, a, 8, GANTRY_DMA_FROM_DEVICE);
	assert_false(device_fill(a, 9, 1));
	gantry_mem_mmio_del(bar);
	munmap(bar, 4096);
}

struct sum {
	size_t memory, buffers;
	uint64_t last;
};

static void
add_up(void *arg, const struct gantry_dma_mapping *m)
{
	struct sum *s = arg;

	if (m->reach == GANTRY_DMA_REACH_MEMORY)
		s->memory += m->size;
	else
		s->buffers += m->size;
	s->last = RTE_MAX(s->last, m->addr + m->size - 1);
}

static int
add_len(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	*(size_t *)arg += msl->external ? 0 : ms->len;
	return 0;
}

static void
all_memory_is_listed(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct sum s = { 0 };
	size_t len = 0;

	gantry_dma_for_each_mapping(dev, add_up, &s);
	rte_memseg_walk(add_len, &len);
	assert_int_equal(s.memory, len);
	assert_int_equal(s.buffers, 0);
	assert_true(s.last <= gantry_dma_get_required_mask(dev));
	assert_true(gantry_dma_get_required_mask(dev) <= UINT32_MAX);
	assert_false(gantry_dma_addressing_limited(dev));
}

/* A narrower mask moves the window, unless one of its bus addresses is in use. */
static void
narrower_mask_moves_unused_window(void **state)
{
	struct gantry_dma_dev *dev = window_device(&bus_any_memory, 64);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t a;
	void *cpu;

	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, UINT32_MAX), 0);
	a = map_window(dev, p, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_true(device_fill(a, 1, LEN));
	assert_bytes(p, 1, LEN);
	cpu = gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY);
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), -EIO);
	assert_reason("and mappings");
	assert_true(device_fill(a, 1, 4096));
	gantry_dma_free_coherent(dev, 4096, cpu, a);
	/* Within this mask there is no room for all memory. */
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(24)), 0);
	assert_string_equal(gantry_dma_mode_name(dev), "window");
	assert_int_equal(bus.nr_maps, 0);
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_true(a + LEN - 1 <= GANTRY_DMA_BIT_MASK(24));
	assert_true(device_fill(a, 2, LEN));
	assert_bytes(p, 2, LEN);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);
	rte_free(p);
}

/* With 24 bits not all memory fits: it is mapped on demand, through the page table or by calls. */
static void
narrow_mask_maps_on_demand(void **state)
{
	const struct gantry_dma_ops *ops[] = { &bus_with_table, &bus_with_files };
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t a, b;
	unsigned int i;
	uint8_t *cpu;

	for (i = 0; i < RTE_DIM(ops); i++) {
		struct gantry_dma_dev *dev = window_device(ops[i], 24);

		assert_int_equal(bus.claimed, ops[i]->page_table == NULL);
		cpu = gantry_dma_alloc_coherent(dev, 8192, &b, SOCKET_ID_ANY);
		assert_true(cpu != NULL && b + 8191 <= GANTRY_DMA_BIT_MASK(24));
		a = bus_map_ok(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);
		assert_true(a + LEN - 1 <= GANTRY_DMA_BIT_MASK(24));
		assert_true(device_fill(a, i, LEN) && device_fill(b, i, 8192));
		assert_bytes(p, i, LEN);
		assert_bytes(cpu, i, 8192);
		gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_FROM_DEVICE);
		assert_false(device_fill(a, 9, 1));
		gantry_dma_free_coherent(dev, 8192, cpu, b);
		assert_false(device_fill(b, 9, 1));
		gantry_dma_dev_destroy(dev);
		assert_int_equal(bus.nr_maps, 0);
	}
	rte_free(p);
}

/* If the bus maps nothing, there is no window, and nothing is left. */
static void
failing_bus_leaves_no_window(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_WINDOW);

	bus.fail_at = 1;
	assert_true(gantry_dma_set_mask(dev, UINT32_MAX) < 0);
	assert_reason("did not map it at bus address");
	assert_int_equal(bus.nr_maps, 0);
	/* A later attempt may succeed. */
	assert_int_equal(gantry_dma_set_mask(dev, UINT32_MAX), 0);
	assert_true(bus.nr_maps > 0);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);

	dev = bus_device(&bus_without, GANTRY_DMA_MODE_WINDOW);
	assert_int_equal(gantry_dma_set_mask(dev, UINT32_MAX), -EIO);
	assert_reason("nothing translates");
	gantry_dma_dev_destroy(dev);
}

/*
 * A page table cannot be removed again: if mapping on demand fails afterwards, the library does not
 * fall back to another mode.
 */
static void
page_table_excludes_other_modes(void **state)
{
	static struct dma_iova *taken[1024];
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_AUTO);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t a;
	unsigned int n = 0;

	while (n < RTE_DIM(taken) && (taken[n] = dma_iova_create("other", UINT32_MAX)) != NULL)
		n++;
	assert_true(n > 0 && n < RTE_DIM(taken));
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), -EIO);
	assert_reason("there can be no more");
	assert_reason("bounce buffers have no entries");
	assert_non_null(bus.table);
	assert_int_equal(bus.claims, 0);
	assert_string_equal(gantry_dma_mode_name(dev), "auto");
	assert_not_mapped(dev, p, LEN, "there can be no more");
	while (n > 0)
		dma_iova_destroy(taken[--n]);
	/* The mapping uses the table, although the mask would reach all memory. */
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(40)), 0);
	assert_string_equal(gantry_dma_mode_name(dev), "window");
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_true(device_fill(a, 7, LEN));
	assert_bytes(p, 7, LEN);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_false(device_fill(a, 8, 1));
	assert_int_equal(bus.claims, 0);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/*
 * The mode follows from mask and memory.
 */

static void
mode_follows_mask_and_memory(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_AUTO);
	const uint64_t need = gantry_dma_get_required_mask(dev);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	struct sum s = { 0 };
	gantry_dma_addr_t a;
	size_t len = 0;

	/* Direct, if the mask reaches all memory. */
	assert_string_equal(gantry_dma_mode_name(dev), "direct");
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, need), 0);
	assert_string_equal(gantry_dma_mode_name(dev), "direct");
	assert_int_equal(bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE), expected_bus(p));
	assert_int_equal(bus.claims, 0);
	gantry_dma_for_each_mapping(dev, add_up, &s);
	rte_memseg_walk(add_len, &len);
	assert_int_equal(s.memory, len);
	/* A narrower mask is refused once coherent blocks exist. */
	assert_non_null(gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY));
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), -EIO);
	assert_reason("the mask comes first");
	assert_string_equal(gantry_dma_mode_name(dev), "direct");
	gantry_dma_dev_destroy(dev);

	/* Otherwise the window; the driver may change the mask. */
	dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_AUTO);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, UINT64_MAX), 0);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(24)), 0);
	assert_string_equal(gantry_dma_mode_name(dev), "window");
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_true(a + LEN - 1 <= GANTRY_DMA_BIT_MASK(24) && device_fill(a, 1, LEN));
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_dev_destroy(dev);

	/* A narrow coherent mask also leads to the window. */
	dev = bus_device(&bus_with_files, GANTRY_DMA_MODE_AUTO);
	assert_int_equal(gantry_dma_set_mask(dev, need), 0);
	assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(24)), 0);
	assert_string_equal(gantry_dma_mode_name(dev), "window");
	assert_non_null(gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY));
	assert_true(a + 4095 <= GANTRY_DMA_BIT_MASK(24) && device_fill(a, 1, 4096));
	gantry_dma_dev_destroy(dev);

	/*
	 * Otherwise bounce buffers, if memory for them exists. Here none does: that is the reason.
	 */
	dev = bus_device(&bus_without, GANTRY_DMA_MODE_AUTO);
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), -EIO);
	assert_reason("the device drives 24 address bits, but EAL memory reaches up to");
	assert_reason("no window: nothing translates");
	assert_reason("no bounce buffers: coherent memory at bus address");
	/* Nothing is lost: with a wider mask the device is in direct mode. */
	assert_int_equal(gantry_dma_set_mask(dev, need), 0);
	assert_string_equal(gantry_dma_mode_name(dev), "direct");
	assert_int_equal(bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE), expected_bus(p));
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/*
 * A bus that takes all memory away from the device and then maps nothing: there is no mode, and one
 * line gives the reason. The library does not hand out bus addresses of memory that was taken away.
 */
static void
no_mode_is_reported_in_one_line(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_AUTO);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	const struct gantry_dma_ops ops = {
		.name = "bus",
		.map = bus_map,
		.unmap = bus_unmap,
		.claim = bus_claim,
	};
	const uint64_t narrow = gantry_dma_get_required_mask(dev) >> 1;
	gantry_dma_addr_t a;
	struct sum s = { 0 };
	char *log = NULL, *first;
	size_t len;
	FILE *f;

	gantry_dma_dev_destroy(dev);
	dev = bus_device(&ops, GANTRY_DMA_MODE_AUTO);
	bus.fails = true;
	f = open_memstream(&log, &len);
	assert_non_null(f);
	rte_openlog_stream(f);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, narrow), -EIO);
	rte_openlog_stream(NULL);
	fclose(f);
	/* One line. */
	first = strchr(log, '\n');
	assert_true(first != NULL && first[1] == '\0');
	assert_non_null(strstr(log, gantry_dma_last_error()));
	free(log);
	assert_reason("no window: ");
	assert_reason("no bounce buffers: ");
	assert_reason("did not map");
	assert_int_equal(bus.nr_maps, 0);
	assert_true(bus.claimed);

	/* Even if the memory is below the mask. */
	assert_int_equal(gantry_dma_set_mask(dev, UINT64_MAX), -EIO);
	assert_not_mapped(dev, p, LEN, "did not map");
	assert_null(gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY));
	assert_reason("did not map");
	gantry_dma_for_each_mapping(dev, add_up, &s);
	assert_int_equal(s.memory + s.buffers, 0);

	/* Until the bus works again. */
	bus.fails = false;
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, narrow), 0);
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_true(device_fill(a, 7, LEN));
	assert_bytes(p, 7, LEN);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);
	rte_free(p);
}

/* Threads that map while EAL memory grows and shrinks. */

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	unsigned int id, bad;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	gantry_dma_addr_t a;
	unsigned int i;
	uint8_t *p;

	for (i = 0; i < 60; i++) {
		size_t size = w->id % 2 == 0 ? 100000 : 3 << 20;

		p = rte_malloc(NULL, size, 0);
		if (p == NULL)
			continue;
		memset(p + size / 2, w->id, LEN);
		a = gantry_dma_map_single(w->dev, p + size / 2, LEN, GANTRY_DMA_BIDIRECTIONAL);
		if (gantry_dma_mapping_error(w->dev, a)) {
			w->bad++;
		} else {
			uint8_t byte = 0;

			w->bad += !device_read(a + LEN - 1, &byte, 1) || byte != w->id;
			gantry_dma_unmap_single(w->dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
		}
		rte_free(p);
	}
	return NULL;
}

static void
threads_map_while_memory_changes(void **state)
{
	struct worker w[4];
	unsigned int i;

	for (i = 0; i < RTE_DIM(w); i++) {
		w[i] = (struct worker){ .dev = DEV(state), .id = i };
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < RTE_DIM(w); i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
	}
}

#define IN_WINDOW(f) cmocka_unit_test_setup_teardown(f, make_window, drop_window)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		IN_WINDOW(window_mapping_is_a_lookup),
		IN_WINDOW(mbufs_are_reachable_through_window),
		IN_WINDOW(large_buffers_are_contiguous),
		IN_WINDOW(added_and_removed_memory_is_followed),
		IN_WINDOW(unplaced_memory_is_mapped_on_demand),
		cmocka_unit_test(addresses_of_failed_unmap_are_not_reused),
		IN_WINDOW(other_memory_is_mapped_on_demand),
		IN_WINDOW(coherent_blocks_are_aligned_within_mask),
		IN_WINDOW(bar_is_reachable_while_mapped),
		IN_WINDOW(all_memory_is_listed),
		cmocka_unit_test(narrower_mask_moves_unused_window),
		cmocka_unit_test(narrow_mask_maps_on_demand),
		cmocka_unit_test(failing_bus_leaves_no_window),
		cmocka_unit_test(page_table_excludes_other_modes),
		cmocka_unit_test(mode_follows_mask_and_memory),
		cmocka_unit_test(no_mode_is_reported_in_one_line),
		cmocka_unit_test(abandoned_device_keeps_its_memory),
		IN_WINDOW(threads_map_while_memory_changes),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
