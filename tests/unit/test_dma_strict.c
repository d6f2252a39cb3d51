/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the strict mode of lib/dma (dma_strict.c): the device reaches a buffer from map to unmap,
 * and at no other time. The device is the test, behind the IOMMU of dma_bus.h.
 *
 * Most cases run twice: table_* on a bus with an I/O page table, where a mapping is an entry, and
 * calls_* on a bus without one, where a mapping is a call of the bus.
 */

#include "dma_bus.h"

#include <rte_malloc.h>

#include "gantry_dma_pool.h"
#include "gantry_dma_sg.h"
#include "promise.h"

#define LEN 2048

static struct gantry_dma_dev *
strict_device(const struct gantry_dma_ops *ops, unsigned int bits)
{
	struct gantry_dma_dev *dev = bus_device(ops, GANTRY_DMA_MODE_STRICT);

	bus_mask(dev, bits);
	assert_string_equal(gantry_dma_mode_name(dev), "strict");
	return dev;
}

static int
make_table(void **state)
{
	*state = strict_device(&bus_with_table, 64);
	assert_int_equal(bus.claims, 0);
	return 0;
}

static int
make_calls(void **state)
{
	*state = strict_device(&bus_any_memory, 64);
	assert_int_equal(bus.claims, 1);
	return 0;
}

/* Destroy the device, and assert that nothing of it is left on the bus. */
static int
drop_strict(void **state)
{
	size_t i;

	gantry_dma_dev_destroy(DEV(state));
	assert_int_equal(bus.nr_maps, 0);
	for (i = 0; i < bus.nr; i++)
		assert_int_equal(bus.table[i], 0);
	return 0;
}

/*
 * X, Y and Z are the virtual, the physical and the bus address. Z belongs to this mapping alone,
 * and leads to the same bytes.
 */
static void
device_reaches_buffer_only_while_mapped(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, LEN, 64);
	gantry_dma_addr_t a, b;

	assert_false(device_fill(expected_bus(p), 1, 1));
	memset(p, 1, LEN);
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_not_equal(a, expected_bus(p));
	assert_int_equal(a % 4096, (uintptr_t)p % 4096);
	assert_seen(a, 1, LEN);
	assert_false(device_fill(a, 9, 1)); /* it may only read */
	b = bus_map_ok(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_int_not_equal(a, b);
	assert_true(device_fill(b, 2, LEN));
	assert_bytes(p, 2, LEN);
	assert_false(device_read(b, &(uint8_t){ 0 }, 1));
	/* One mapping ends, the other remains. */
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	assert_false(device_read(a, &(uint8_t){ 0 }, 1));
	assert_true(device_fill(b, 3, LEN));
	gantry_dma_unmap_single(dev, b, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_false(device_fill(b, 4, 1));
	assert_bytes(p, 3, LEN);

	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_true(device_fill(a, 5, LEN));
	assert_seen(a, 5, LEN);
	gantry_dma_sync_single_for_cpu(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_sync_single_for_device(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_false(device_fill(a, 6, 1));
	rte_free(p);
}

/* Two buffers in one page. */
static void
buffers_in_one_page_are_mapped_apart(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, 4096, 4096);
	gantry_dma_addr_t a, b;

	a = bus_map_ok(dev, p, 100, GANTRY_DMA_FROM_DEVICE);
	b = bus_map_ok(dev, p + 100, 100, GANTRY_DMA_FROM_DEVICE);
	assert_int_not_equal(a >> 12, b >> 12);
	gantry_dma_unmap_single(dev, a, 100, GANTRY_DMA_FROM_DEVICE);
	assert_false(device_fill(a, 1, 1));
	memset(p, 0, 200);
	assert_true(device_fill(b, 2, 100));
	assert_bytes(p, 0, 100);
	assert_bytes(p + 100, 2, 100);
	gantry_dma_unmap_single(dev, b, 100, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

/* Buffers across page borders, also across EAL's pages, which need not be adjacent (IOVA as PA). */
static void
buffers_across_pages_are_reachable(void **state)
{
	static const struct {
		size_t at, size;
	} cases[] = {
		{ 0, 1 },
		{ 4095, 1 },
		{ 4095, 2 },
		{ 3000, 2048 },
		{ 0, 4096 },
		{ 1, 4096 },
		{ 4095, 4098 },
		{ 100, 9000 },
		{ 0, 65536 },
		{ 4000, 65536 },
		{ (2 << 20) - 1000, 2048 },
		{ (2 << 20) - 4096, 8192 },
		{ 0, (4 << 20) + 1 },
	};
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, 6 << 20, 2 << 20);
	gantry_dma_addr_t a;
	unsigned int i, dir;

	assert_non_null(p);
	for (i = 0; i < RTE_DIM(cases); i++) {
		uint8_t *at = p + cases[i].at;
		size_t size = cases[i].size, n = RTE_MIN(size, (size_t)65536);

		for (dir = 0; dir < GANTRY_DMA_NONE; dir++) {
			a = bus_map_ok(dev, at, size, dir);
			memset(at, i, size);
			if (dir != GANTRY_DMA_FROM_DEVICE) {
				assert_seen(a, i, n);
				assert_seen(a + size - n, i, n);
			}
			if (dir != GANTRY_DMA_TO_DEVICE) {
				assert_true(device_fill(a + size - n, i + 1, n));
				assert_bytes(at + size - n, i + 1, n);
			}
			/* Without a table, the device does not reach the page before. */
			assert_false(device_read((a & ~4095ul) - 1, &(uint8_t){ 0 }, 1) &&
					bus.table == NULL);
			gantry_dma_unmap_single(dev, a, size, dir);
			assert_false(device_read(a, &(uint8_t){ 0 }, 1));
			assert_false(device_fill(a + size - 1, 0, 1));
		}
	}
	rte_free(p);
}

/* A device that runs beyond the end of a page causes a fault. */
static void
access_beyond_page_faults(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, 4 * 4096, 4096);
	gantry_dma_addr_t a[64];
	unsigned int i;

	for (i = 0; i < 64; i++)
		a[i] = bus_map_ok(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);
	for (i = 0; i < 64; i++) {
		assert_true(device_fill(a[i], 1, 4096));
		assert_false(device_fill(a[i] + 4096, 1, 1));
		gantry_dma_unmap_single(dev, a[i], LEN, GANTRY_DMA_FROM_DEVICE);
	}
	rte_free(p);
}

/* A buffer that ends with its page has one page; one byte more, and it has two. */
static void
end_of_a_page_is_the_end_of_a_mapping(void **state)
{
	static const size_t sizes[] = { 1, 64, 2048, 4096 };
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, 4 * 4096, 4096);
	gantry_dma_addr_t a;
	unsigned int i, turn;

	/* Twice, because at first the thread's cache of bus addresses is empty. */
	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < RTE_DIM(sizes); i++) {
			a = bus_map_ok(dev, p + 4096 - sizes[i], sizes[i], GANTRY_DMA_FROM_DEVICE);
			assert_true(device_fill(a, 1, sizes[i]));
			assert_false(device_fill(a + sizes[i], 1, 1));
			gantry_dma_unmap_single(dev, a, sizes[i], GANTRY_DMA_FROM_DEVICE);
			a = bus_map_ok(dev, p + 4096 - sizes[i] + 1, sizes[i],
					GANTRY_DMA_FROM_DEVICE);
			assert_true(device_fill(a, 2, sizes[i]));
			assert_int_equal(p[4096], 2);
			gantry_dma_unmap_single(dev, a, sizes[i], GANTRY_DMA_FROM_DEVICE);
			assert_false(device_fill(a, 3, 1));
			assert_false(device_fill(a + sizes[i] - 1, 3, 1));
			memset(p, 0, 2 * 4096);
		}
	}
	rte_free(p);
}

static size_t
nr_entries(void)
{
	size_t i, n = 0;

	for (i = 0; i < bus.nr; i++)
		n += bus.table[i] != 0;
	return n;
}

/*
 * The last page of the memory has no bus address: the entries that were made before it are removed.
 */
static void
failed_map_leaves_no_entry(void **state)
{
	rte_iova_t iovas[4] = { 0x10000000, 0x10001000, 0x20000000, RTE_BAD_IOVA };
	struct gantry_dma_dev *dev = DEV(state);
	const size_t before = nr_entries();
	unsigned int first, turn;
	uint8_t *mem = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	gantry_dma_addr_t a;

	assert_ptr_not_equal(mem, MAP_FAILED);
	assert_int_equal(rte_extmem_register(mem, 4 * 4096, iovas, 4, 4096), 0);
	for (turn = 0; turn < 2; turn++) {
		for (first = 0; first < 4; first++) {
			assert_not_mapped(dev, mem + first * 4096, (4 - first) * 4096,
					"bus address");
			assert_int_equal(nr_entries(), before);
		}
		/* Without that page it is mapped, although its pages are not adjacent. */
		a = bus_map_ok(dev, mem, 3 * 4096, GANTRY_DMA_TO_DEVICE);
		assert_int_equal(nr_entries(), before + 3);
		gantry_dma_unmap_single(dev, a, 3 * 4096, GANTRY_DMA_TO_DEVICE);
		assert_int_equal(nr_entries(), before);
	}
	assert_int_equal(rte_extmem_unregister(mem, 4 * 4096), 0);
	munmap(mem, 4 * 4096);
}

static void
mbufs_and_chains_are_reachable_while_mapped(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_seg segs[8];
	struct rte_mbuf *m, *tail;
	struct rte_mempool *pool;
	gantry_dma_addr_t a;
	int n, i;

	pool = rte_pktmbuf_pool_create("strict", 63, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	assert_non_null(pool);
	m = rte_pktmbuf_alloc(pool);
	tail = rte_pktmbuf_alloc(pool);
	a = gantry_dma_map_mbuf(dev, m, m->data_off, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, a));
	assert_true(device_fill(a, 7, LEN));
	assert_bytes(rte_pktmbuf_mtod(m, uint8_t *), 7, LEN);
	gantry_dma_unmap_mbuf(dev, m, a, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_false(device_fill(a, 7, 1));

	rte_pktmbuf_append(m, 100);
	rte_pktmbuf_append(tail, 200);
	memset(rte_pktmbuf_mtod(tail, uint8_t *), 8, 200);
	rte_pktmbuf_chain(m, tail);
	n = gantry_dma_map_mbuf_chain(dev, m, segs, RTE_DIM(segs), GANTRY_DMA_TO_DEVICE);
	assert_true(n >= 2);
	assert_seen(segs[n - 1].addr, 8, segs[n - 1].len);
	gantry_dma_unmap_mbuf_chain(dev, m, segs, n, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < n; i++)
		assert_false(device_read(segs[i].addr, &(uint8_t){ 0 }, 1));
	rte_pktmbuf_free(m);
	rte_mempool_free(pool);
}

/*
 * Each coherent block is mapped as a whole and nothing beyond it, aligned as promised; large ones
 * as well.
 */
static void
coherent_block_is_mapped_exactly(void **state)
{
	static const size_t sizes[] = { 1, 4096, 4097, 65536, 100000, 3 << 20 };
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_pool *pool;
	gantry_dma_addr_t a, b;
	unsigned int i;
	uint8_t *p, *q;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		const size_t pages = RTE_ALIGN_CEIL(sizes[i], 4096);

		p = gantry_dma_alloc_coherent(dev, sizes[i], &a, SOCKET_ID_ANY);
		assert_non_null(p);
		assert_int_equal(a % rte_align64pow2(pages), 0);
		assert_int_equal((uintptr_t)p % rte_align64pow2(pages), 0);
		assert_bytes(p, 0, sizes[i]);
		assert_true(device_fill(a, 5, sizes[i]));
		assert_bytes(p, 5, sizes[i]);
		assert_seen(a, 5, RTE_MIN(sizes[i], (size_t)65536));
		assert_false(device_fill(a + pages, 5, 1));
		assert_false(device_fill(a - 1, 5, 1));
		/* A coherent block is not a streaming mapping. */
		gantry_dma_unmap_single(dev, a, sizes[i], GANTRY_DMA_BIDIRECTIONAL);
		assert_reason("by another function");
		assert_true(device_fill(a, 6, 1));
		gantry_dma_free_coherent(dev, sizes[i], p, a);
		assert_false(device_fill(a, 6, 1));
	}
	pool = gantry_dma_pool_create("small", dev, 48, 16, 4096);
	p = gantry_dma_pool_alloc(pool, &a);
	q = gantry_dma_pool_alloc(pool, &b);
	assert_true(p != NULL && q != NULL && a != b);
	assert_true(device_fill(a, 1, 48) && device_fill(b, 2, 48));
	assert_bytes(p, 1, 48);
	assert_bytes(q, 2, 48);
	gantry_dma_pool_free(pool, p, a);
	gantry_dma_pool_free(pool, q, b);
	gantry_dma_pool_destroy(pool);
	assert_false(device_fill(a, 1, 1));
}

static void
misuse_is_reported_and_mapping_remains(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, 8192, 4096);
	gantry_dma_addr_t a = bus_map_ok(dev, p + 1000, 4096, GANTRY_DMA_FROM_DEVICE);

	gantry_dma_unmap_single(dev, GANTRY_DMA_MAPPING_ERROR, 64, GANTRY_DMA_FROM_DEVICE);
	assert_reason("nothing was mapped there");
	gantry_dma_unmap_single(dev, 0, 64, GANTRY_DMA_FROM_DEVICE);
	assert_reason("it is not mapped");
	gantry_dma_unmap_single(dev, a, 4095, GANTRY_DMA_FROM_DEVICE);
	assert_reason("another size or direction");
	gantry_dma_unmap_single(dev, a, 4096, GANTRY_DMA_TO_DEVICE);
	assert_reason("another size or direction");
	gantry_dma_unmap_single(dev, a + 1, 4096, GANTRY_DMA_FROM_DEVICE);
	assert_reason("no mapping begins there");
	gantry_dma_unmap_single(dev, a + 4096, 4096, GANTRY_DMA_FROM_DEVICE);
	assert_reason("it is not mapped");
	gantry_dma_unmap_resource(dev, a, 4096, GANTRY_DMA_FROM_DEVICE);
	assert_reason("by another function");
	assert_true(device_fill(a, 3, 4096));
	gantry_dma_unmap_single(dev, a, 4096, GANTRY_DMA_FROM_DEVICE);
	assert_false(device_fill(a, 3, 1));
	gantry_dma_unmap_single(dev, a, 4096, GANTRY_DMA_FROM_DEVICE);
	assert_reason("unmapped twice?");

	assert_not_mapped(dev, p, 0, "no such range");
	assert_not_mapped(dev, NULL, 64, "nothing is there");
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, p, 64, GANTRY_DMA_NONE)));
	rte_free(p);
}

/*
 * A burst of unmaps ends at gantry_dma_unmap_gathered() at the latest, and when
 * GANTRY_DMA_GATHER_MAX (64) are gathered. A mapping of the same memory at another bus address
 * remains.
 */
static void
gathered_unmaps_end_together(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	gantry_dma_addr_t a[GANTRY_DMA_GATHER_MAX + 10], kept;
	struct gantry_dma_gather g;
	struct rte_mbuf *m[RTE_DIM(a)];
	struct rte_mempool *pool;
	unsigned int i;

	gantry_dma_gather_init(&g, 0);
	pool = rte_pktmbuf_pool_create("gather", 127, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	assert_non_null(pool);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, RTE_DIM(m)), 0);
	for (i = 0; i < RTE_DIM(a); i++) {
		a[i] = gantry_dma_map_mbuf(dev, m[i], 0, LEN, GANTRY_DMA_FROM_DEVICE);
		assert_false(gantry_dma_mapping_error(dev, a[i]));
	}
	kept = gantry_dma_map_mbuf(dev, m[0], 0, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, kept));
	for (i = 0; i < RTE_DIM(a); i++) {
		gantry_dma_unmap_mbuf_gather(dev, m[i], a[i], LEN, GANTRY_DMA_FROM_DEVICE, &g);
		assert_true(g.n < GANTRY_DMA_GATHER_MAX);
	}
	for (i = 0; i < GANTRY_DMA_GATHER_MAX; i++)
		assert_false(device_fill(a[i], 1, 1));
	gantry_dma_unmap_gathered(dev, &g);
	assert_int_equal(g.n, 0);
	for (i = 0; i < RTE_DIM(a); i++)
		assert_false(device_fill(a[i], 1, 1));
	assert_true(device_fill(kept, 2, LEN));

	/* Each mistake is reported once, and the mapping remains. */
	gantry_dma_unmap_mbuf_gather(dev, m[0], a[0], LEN, GANTRY_DMA_FROM_DEVICE, &g);
	assert_reason("unmapped twice?");
	gantry_dma_unmap_mbuf_gather(dev, m[0], kept, LEN - 1, GANTRY_DMA_FROM_DEVICE, &g);
	assert_reason("another size or direction");
	assert_int_equal(g.n, 0);
	assert_true(device_fill(kept, 3, LEN));
	gantry_dma_unmap_mbuf_gather(dev, m[0], kept, LEN, GANTRY_DMA_FROM_DEVICE, &g);
	gantry_dma_unmap_mbuf_gather(dev, m[0], kept, LEN, GANTRY_DMA_FROM_DEVICE, &g);
	gantry_dma_unmap_gathered(dev, &g);
	assert_reason("unmapped twice");
	assert_false(device_fill(kept, 4, 1));

	/* The mappings of a burst may differ in direction. */
	a[0] = gantry_dma_map_mbuf(dev, m[0], 0, LEN, GANTRY_DMA_FROM_DEVICE);
	a[1] = gantry_dma_map_mbuf(dev, m[1], 0, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_mbuf_gather(dev, NULL, 8, LEN, GANTRY_DMA_FROM_DEVICE, &g);
	assert_reason("bus address 0x8");
	gantry_dma_unmap_mbuf_gather(dev, m[0], a[0], LEN, GANTRY_DMA_FROM_DEVICE, &g);
	gantry_dma_unmap_mbuf_gather(dev, m[1], a[1], LEN, GANTRY_DMA_TO_DEVICE, &g);
	gantry_dma_unmap_gathered(dev, &g);
	assert_reason("bus address 0x8"); /* no further mistake */

	/* No bus address has been released twice: the addresses of the new mappings differ. */
	for (i = 0; i < RTE_DIM(a); i++) {
		a[i] = gantry_dma_map_mbuf(dev, m[i], 0, LEN, GANTRY_DMA_FROM_DEVICE);
		assert_false(gantry_dma_mapping_error(dev, a[i]));
		assert_true(device_fill(a[i], i, LEN));
	}
	for (i = 0; i < RTE_DIM(a); i++) {
		assert_bytes((uint8_t *)m[i]->buf_addr, i, LEN);
		gantry_dma_unmap_mbuf(dev, m[i], a[i], LEN, GANTRY_DMA_FROM_DEVICE);
	}
	rte_mempool_free(pool);
}

/* A bus with a page table knows EAL memory only; the other one maps any memory of the process. */
static void
process_memory_only_by_calls(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *heap = aligned_alloc(4096, 4096);
	gantry_dma_addr_t a;

	memset(heap, 1, 4096);
	if (bus.table != NULL) {
		assert_not_mapped(dev, heap, 64, "process memory");
	} else {
		a = bus_map_ok(dev, heap + 8, 64, GANTRY_DMA_TO_DEVICE);
		assert_seen(a, 1, 64);
		gantry_dma_unmap_single(dev, a, 64, GANTRY_DMA_TO_DEVICE);
	}
	free(heap);
	assert_not_mapped(dev, (void *)8, 64, "nothing is there");
}

static void
registered_memory_uses_its_iovas(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	rte_iova_t iovas[4] = { 0x7000000000, 0x7000005000, 0x7000002000, 0x7000008000 };
	uint8_t *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	gantry_dma_addr_t a;

	assert_int_equal(rte_extmem_register(p, 4 * 4096, iovas, 4, 4096), 0);
	a = bus_map_ok(dev, p + 4000, 8000, GANTRY_DMA_FROM_DEVICE);
	if (bus.table != NULL) {
		/* The entries have the addresses with which the memory was registered. */
		assert_int_equal(bus.table[a >> 12] & ~4095ul, iovas[0]);
		assert_int_equal(bus.table[(a >> 12) + 1] & ~4095ul, iovas[1]);
		assert_int_equal(bus.table[(a >> 12) + 2] & ~4095ul, iovas[2]);
	} else {
		assert_true(device_fill(a, 1, 8000));
		assert_bytes(p + 4000, 1, 8000);
	}
	gantry_dma_unmap_single(dev, a, 8000, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(rte_extmem_unregister(p, 4 * 4096), 0);
	munmap(p, 4 * 4096);
}

static void
bar_is_reachable_while_mapped(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *bar = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	gantry_dma_addr_t a;

	assert_int_equal(gantry_mem_mmio_add(bar, 4 * 4096), 0);
	a = gantry_dma_map_resource(dev, bar + 4000, 0xf0000000 + 4000, 200,
			GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, a));
	assert_true(device_fill(a, 9, 200));
	assert_bytes(bar + 4000, 9, 200);
	assert_false(device_read(a, &(uint8_t){ 0 }, 1));
	gantry_dma_unmap_resource(dev, a, 199, GANTRY_DMA_FROM_DEVICE);
	assert_reason("another size");
	assert_true(device_fill(a, 9, 200));
	/* An entry that was changed in the meantime does not mislead the library at unmap. */
	if (bus.table != NULL)
		bus.table[a >> 12] = 0x123456789000 | GANTRY_DMA_PTE_WRITE;
	gantry_dma_unmap_resource(dev, a, 200, GANTRY_DMA_FROM_DEVICE);
	assert_false(device_fill(a, 9, 1));
	assert_int_equal(bus.nr_maps, 0);
	/* Leaked: the device's destruction unmaps it. */
	gantry_dma_map_resource(dev, bar, 0xf0000000, 4096, GANTRY_DMA_FROM_DEVICE);
	gantry_mem_mmio_del(bar);
}

struct seen {
	unsigned int n;
	struct gantry_dma_mapping m[8];
};

static void
see(void *arg, const struct gantry_dma_mapping *m)
{
	struct seen *s = arg;

	assert_true(s->n < RTE_DIM(s->m));
	s->m[s->n++] = *m;
}

static void
mappings_are_listed_with_age_and_site(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	struct seen s = { 0 };
	gantry_dma_addr_t a, ring;
	void *cpu;
	unsigned int i, looks = 0;

	gantry_dma_for_each_mapping(dev, see, &s);
	assert_int_equal(s.n, 0);
	cpu = gantry_dma_alloc_coherent(dev, 4096, &ring, SOCKET_ID_ANY);
	a = bus_map_ok(dev, p + 5, 1000, GANTRY_DMA_TO_DEVICE);
	/* Mappings grow older. Half a minute is enough time for that. */
	do {
		if (looks++ == 3000)
			fail_msg("its age stays 0");
		s.n = 0;
		gantry_dma_for_each_mapping(dev, see, &s);
		assert_int_equal(s.n, 2);
		i = s.m[0].reach == GANTRY_DMA_REACH_BUFFER ? 0 : 1;
		usleep(10000);
	} while (s.m[i].age_ms == 0);
	assert_int_equal(s.m[i].reach, GANTRY_DMA_REACH_BUFFER);
	assert_int_equal(s.m[i].addr, a);
	assert_ptr_equal(s.m[i].cpu, p + 5);
	assert_int_equal(s.m[i].size, 1000);
	assert_int_equal(s.m[i].dir, GANTRY_DMA_TO_DEVICE);
	/* The place that mapped is in this program. */
	assert_true((uintptr_t)s.m[i].site - (uintptr_t)bus_map_ok + (1 << 20) < 2 << 20);
	assert_true(s.m[i].age_ms < UINT64_MAX);
	assert_int_equal(s.m[1 - i].reach, GANTRY_DMA_REACH_COHERENT);
	assert_int_equal(s.m[1 - i].addr, ring);
	assert_ptr_equal(s.m[1 - i].cpu, cpu);
	gantry_dma_unmap_single(dev, a, 1000, GANTRY_DMA_TO_DEVICE);
	gantry_dma_free_coherent(dev, 4096, cpu, ring);
	s.n = 0;
	gantry_dma_for_each_mapping(dev, see, &s);
	assert_int_equal(s.n, 0);
	rte_free(p);
}

/*
 * Masks.
 */

static void
bus_addresses_respect_masks(void **state)
{
	static const unsigned int bits[] = { 24, 32, 40, 64 };
	const struct gantry_dma_ops *ops[] = { &bus_with_table, &bus_any_memory };
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t a, b;
	unsigned int i, j, k;
	void *cpu;

	for (i = 0; i < RTE_DIM(bits); i++) {
		for (j = 0; j < RTE_DIM(ops); j++) {
			const uint64_t mask = GANTRY_DMA_BIT_MASK(bits[i]);
			struct gantry_dma_dev *dev = strict_device(ops[j], bits[i]);

			assert_int_equal(gantry_dma_get_mask(dev), mask);
			assert_true(gantry_dma_get_required_mask(dev) <= mask);
			assert_false(gantry_dma_addressing_limited(dev));
			assert_true(gantry_dma_max_mapping_size(dev) >= 1 << 20);
			for (k = 0; k < 5000; k++) {
				a = bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
				assert_true(a != 0 && a + LEN - 1 <= mask);
				gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
			}
			cpu = gantry_dma_alloc_coherent(dev, 65536, &b, SOCKET_ID_ANY);
			assert_true(cpu != NULL && b + 65535 <= mask);
			/* A separate coherent mask. */
			assert_int_equal(gantry_dma_set_coherent_mask(dev, GANTRY_DMA_BIT_MASK(24)),
					0);
			gantry_dma_free_coherent(dev, 65536, cpu, b);
			cpu = gantry_dma_alloc_coherent(dev, 4096, &b, SOCKET_ID_ANY);
			assert_true(cpu != NULL && b + 4095 <= GANTRY_DMA_BIT_MASK(24));
			/* A narrower mask is accepted only while nothing is mapped. */
			if (bits[i] > 24) {
				assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)),
						-EIO);
				assert_reason("are mapped");
				assert_int_equal(gantry_dma_get_mask(dev), mask);
			}
			gantry_dma_free_coherent(dev, 4096, cpu, b);
			assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), 0);
			a = bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
			assert_true(a + LEN - 1 <= GANTRY_DMA_BIT_MASK(24));
			gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
			assert_int_equal(gantry_dma_set_mask(dev, mask), 0);
			gantry_dma_dev_destroy(dev);
		}
	}
	rte_free(p);
}

/* The default mask has 32 bits, and the mode is set up at the first call that needs it. */
static void
default_mask_is_32_bits(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t a;
	void *cpu;

	assert_string_equal(gantry_dma_mode_name(dev), "strict");
	assert_null(bus.table);
	gantry_dma_unmap_single(dev, 0x1000, LEN, GANTRY_DMA_TO_DEVICE);
	assert_reason("nothing was mapped there");
	cpu = gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY);
	assert_true(cpu != NULL && a + 4095 <= UINT32_MAX);
	assert_true(device_fill(a, 1, 4096));
	gantry_dma_free_coherent(dev, 4096, cpu, a);
	gantry_dma_dev_destroy(dev);

	dev = bus_device(&bus_any_memory, GANTRY_DMA_MODE_STRICT);
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	assert_true(a + LEN - 1 <= UINT32_MAX);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* Strict mode requires an IOMMU. */
static void
strict_needs_an_iommu(void **state)
{
	struct gantry_dma_dev *dev = bus_device(NULL, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t a;

	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, UINT64_MAX), -EIO);
	assert_reason("nothing translates");
	assert_not_mapped(dev, p, LEN, "nothing translates");
	assert_null(gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY));
	assert_reason("nothing translates");
	gantry_dma_dev_destroy(dev);
	dev = bus_device(&bus_without, GANTRY_DMA_MODE_STRICT);
	assert_int_equal(gantry_dma_set_mask(dev, UINT64_MAX), -EIO);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/*
 * Too many mappings.
 */

/* A list that does not fit leaves no entry behind. */
static void
exhausted_addresses_leave_no_entry(void **state)
{
	struct gantry_dma_dev *dev = strict_device(&bus_with_table, 24);
	static struct gantry_sg sg[5000];
	static gantry_dma_addr_t a[5000];
	uint8_t *p = rte_malloc(NULL, 8192, 4096);
	unsigned int n, i, round;

	for (i = 0; i < RTE_DIM(sg); i++)
		gantry_sg_set_buf(&sg[i], p, 64);
	for (round = 0; round < 3; round++) {
		assert_int_equal(gantry_dma_map_sg(dev, sg, RTE_DIM(sg), GANTRY_DMA_TO_DEVICE), 0);
		assert_reason("no 1 pages of bus addresses");
		for (i = 0; i < bus.nr; i++)
			assert_int_equal(bus.table[i], 0);
		for (n = 0; n < RTE_DIM(a); n++) {
			a[n] = gantry_dma_map_single(dev, p, 64, GANTRY_DMA_TO_DEVICE);
			if (gantry_dma_mapping_error(dev, a[n]))
				break;
		}
		assert_int_equal(n, 4095); /* all but page 0 */
		assert_not_mapped(dev, p + 4000, 200, "no 2 pages");
		assert_null(gantry_dma_alloc_coherent(dev, 4096, &a[n], SOCKET_ID_ANY));
		assert_reason("no 1 pages of bus addresses");
		while (n > 0)
			gantry_dma_unmap_single(dev, a[--n], 64, GANTRY_DMA_TO_DEVICE);
	}
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/*
 * If the bus fails to map, no bus address is handed out and none is lost. If it fails to unmap, the
 * bus address remains in use.
 */
static void
failing_bus_loses_no_address(void **state)
{
	struct gantry_dma_dev *dev = strict_device(&bus_any_memory, 24);
	uint8_t *p = rte_malloc(NULL, 8192, 4096);
	gantry_dma_addr_t a;
	unsigned int i;

	for (i = 0; i < 5000; i++) {
		bus.fail_at = bus.calls + 1;
		assert_not_mapped(dev, p, LEN, "No space left");
		bus.fail_at = bus.calls + 1;
		assert_null(gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY));
	}
	bus.fail_at = 0;
	a = bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	bus.keeps = true;
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	assert_reason("did not unmap it");
	bus.keeps = false;
	for (i = 0; i < 8000; i++) {
		gantry_dma_addr_t b = bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

		assert_int_not_equal(b >> 12, a >> 12);
		gantry_dma_unmap_single(dev, b, LEN, GANTRY_DMA_TO_DEVICE);
	}
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* The device's destruction unmaps what the driver has left mapped. */
static void
device_end_unmaps_leaks(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t a;

	bus_map_ok(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	bus_map_ok(dev, p, 1, GANTRY_DMA_BIDIRECTIONAL);
	assert_non_null(gantry_dma_alloc_coherent(dev, 4096, &a, SOCKET_ID_ANY));
	rte_free(p);
}

/* Return the bytes of address space of this process. */
static size_t
address_space(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages * 4096;
}

/* Its records take megabytes. All of them are gone with it. */
static void
device_end_returns_its_memory(void **state)
{
	struct gantry_dma_dev *dev = NULL;
	size_t before = 0, with = 0, i;

	for (i = 0; i < 12; i++) {
		if (i == 1)
			before = address_space(); /* the first device may fill the heap of EAL */
		dev = strict_device(&bus_any_memory, 64);
		if (i == 1)
			with = address_space();
		gantry_dma_dev_destroy(dev);
	}
	assert_true(with > before);
	assert_true(address_space() < before + (with - before) / 2);
}

/*
 * Threads, some of them registered as lcores, with mappings of their own; each reads them as the
 * device.
 */

#define THREADS 8

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	uint8_t *buf;
	unsigned int id, bad, rounds;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	gantry_dma_addr_t a[100];
	unsigned int round, i;
	uint8_t byte;

	if (w->id % 2 == 0 && rte_thread_register() != 0)
		w->bad++;
	for (round = 0; round < w->rounds; round++) {
		for (i = 0; i < 100; i++) {
			w->buf[i * 50] = w->id * 100 + i;
			a[i] = gantry_dma_map_single(w->dev, w->buf + i * 50, 50 + i,
					GANTRY_DMA_BIDIRECTIONAL);
			w->bad += gantry_dma_mapping_error(w->dev, a[i]);
		}
		for (i = 0; i < 100; i++) {
			w->bad += !device_read(a[i], &byte, 1) ||
					byte != (uint8_t)(w->id * 100 + i);
			gantry_dma_unmap_single(w->dev, a[i], 50 + i, GANTRY_DMA_BIDIRECTIONAL);
		}
	}
	if (w->id % 2 == 0)
		rte_thread_unregister();
	return NULL;
}

static void
threads_map_their_own_buffers(void **state)
{
	struct worker w[THREADS];
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){
			.dev = DEV(state),
			.id = i,
			.buf = rte_malloc(NULL, 8192, 0),
			.rounds = bus.table != NULL ? 300 : 20,
		};
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
		rte_free(w[i].buf);
	}
}

/*
 * The promise (promise.h), for one mapping, and for several that are unmapped in a burst.
 */

struct buffers {
	struct gantry_dma_dev *dev;
	uint8_t *at; /* LEN bytes each */
};

static uint8_t *
walk_to_write(void *device, uint64_t addr)
{
	return bus_walk(addr, true);
}

static uint64_t
map_buffer(void *arg, unsigned int i)
{
	const struct buffers *b = arg;

	return bus_map_ok(b->dev, b->at + i * LEN, LEN, GANTRY_DMA_FROM_DEVICE);
}

static void
unmap_each(void *arg, const uint64_t *addr, unsigned int nr)
{
	const struct buffers *b = arg;

	while (nr-- > 0)
		gantry_dma_unmap_single(b->dev, addr[nr], LEN, GANTRY_DMA_FROM_DEVICE);
}

static void
unmap_burst(void *arg, const uint64_t *addr, unsigned int nr)
{
	struct gantry_dma_gather g;
	const struct buffers *b = arg;

	gantry_dma_gather_init(&g, 0);
	while (nr-- > 0)
		gantry_dma_unmap_mbuf_gather(b->dev, NULL, addr[nr], LEN, GANTRY_DMA_FROM_DEVICE,
				&g);
	gantry_dma_unmap_gathered(b->dev, &g);
}

static void
no_access_starts_after_unmap(void **state)
{
	struct buffers b = { .dev = DEV(state), .at = rte_zmalloc(NULL, 8 * LEN, 64) };
	struct promise p = {
		.translate = walk_to_write,
		.nr = 1,
		.map = map_buffer,
		.unmap = unmap_each,
		.arg = &b,
	};
	unsigned int i;

	assert_non_null(b.at);
	for (i = 0; i < 8; i++)
		p.memory[i] = (uint64_t *)(void *)(b.at + i * LEN);
	promise_test(&p, 5000);
	p.nr = 8;
	p.unmap = unmap_burst;
	promise_test(&p, 5000);
	rte_free(b.at);
}

#define BY_TABLE(f) \
	{ \
		"table_" #f, f, make_table, drop_strict, NULL \
	}
#define BY_CALLS(f) \
	{ \
		"calls_" #f, f, make_calls, drop_strict, NULL \
	}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		BY_TABLE(device_reaches_buffer_only_while_mapped),
		BY_CALLS(device_reaches_buffer_only_while_mapped),
		BY_TABLE(buffers_in_one_page_are_mapped_apart),
		BY_CALLS(buffers_in_one_page_are_mapped_apart),
		BY_TABLE(buffers_across_pages_are_reachable),
		BY_CALLS(buffers_across_pages_are_reachable),
		BY_TABLE(access_beyond_page_faults),
		BY_TABLE(failed_map_leaves_no_entry),
		BY_TABLE(end_of_a_page_is_the_end_of_a_mapping),
		BY_CALLS(end_of_a_page_is_the_end_of_a_mapping),
		BY_TABLE(mbufs_and_chains_are_reachable_while_mapped),
		BY_CALLS(mbufs_and_chains_are_reachable_while_mapped),
		BY_TABLE(coherent_block_is_mapped_exactly),
		BY_CALLS(coherent_block_is_mapped_exactly),
		BY_TABLE(misuse_is_reported_and_mapping_remains),
		BY_CALLS(misuse_is_reported_and_mapping_remains),
		BY_TABLE(gathered_unmaps_end_together),
		BY_CALLS(gathered_unmaps_end_together),
		BY_TABLE(process_memory_only_by_calls),
		BY_CALLS(process_memory_only_by_calls),
		BY_TABLE(registered_memory_uses_its_iovas),
		BY_CALLS(registered_memory_uses_its_iovas),
		BY_TABLE(bar_is_reachable_while_mapped),
		BY_CALLS(bar_is_reachable_while_mapped),
		BY_TABLE(mappings_are_listed_with_age_and_site),
		BY_CALLS(mappings_are_listed_with_age_and_site),
		cmocka_unit_test(device_end_returns_its_memory),
		cmocka_unit_test(bus_addresses_respect_masks),
		cmocka_unit_test(default_mask_is_32_bits),
		cmocka_unit_test(strict_needs_an_iommu),
		cmocka_unit_test(exhausted_addresses_leave_no_entry),
		cmocka_unit_test(failing_bus_loses_no_address),
		BY_TABLE(device_end_unmaps_leaks),
		BY_CALLS(device_end_unmaps_leaks),
		BY_TABLE(threads_map_their_own_buffers),
		BY_CALLS(threads_map_their_own_buffers),
		BY_TABLE(no_access_starts_after_unmap),
		BY_CALLS(no_access_starts_after_unmap),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
