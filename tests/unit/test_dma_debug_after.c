/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer at rare ends: mistakes whose consequences are no mistakes of their own,
 * mappings that the mode below refuses, and the queue in which freed mbufs rest.
 */

#include "dma_mbufs.h"

#include "dma_bus.h"
#include "dma_debug_object.h"
#include "gantry_dma_pool.h"
#include "gantry_dma_sg.h"

#define LEN 512

static uint8_t *
memory(size_t len)
{
	uint8_t *p = rte_zmalloc("test", len, 64);

	assert_non_null(p);
	return p;
}

/* A device with the debug layer on, on a bus in its initial state. */
static struct gantry_dma_dev *
debug_on(const struct gantry_dma_ops *ops, enum gantry_dma_mode_id mode, unsigned int bits)
{
	const struct gantry_dma_params p = {
		.name = "dev",
		.socket_id = SOCKET_ID_ANY,
		.ops = ops,
		.mode = mode,
		.has_iommu = ops != NULL,
		.debug = GANTRY_DMA_DEBUG_ON,
	};
	struct gantry_dma_dev *dev;

	bus_reset();
	dev = gantry_dma_dev_create(&p);
	assert_non_null(dev);
	bus_mask(dev, bits);
	reports_begin();
	return dev;
}

/*
 * Consequences.
 */

static HERE void
sync_freed(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *stays = memory(64), *p = memory(LEN);
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	assert_false(gantry_dma_mapping_error(dev, addr));
	if (!fixed)
		rte_free(p);
	gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	if (fixed)
		rte_free(p);
	rte_free(stays);
}

static void
sync_of_freed_memory_is_reported_once(void **state)
{
	struct gantry_dma_dev *dev = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64);

	sync_freed(dev, true);
	assert_int_equal(reports.nr, 0);
	sync_freed(dev, false);
	reports_expect(GANTRY_DMA_MISUSE_FREED_MAPPED, "sync_freed");
	assert_non_null(strstr(reports.at[0].text, "its memory was freed before it was synced"));
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 1);
}

static void
list_of(struct gantry_sg *sg, uint8_t *p, unsigned int n)
{
	unsigned int i;

	memset(sg, 0, n * sizeof(*sg));
	for (i = 0; i < n; i++)
		gantry_sg_set_buf(&sg[i], p + i * LEN, LEN / 2);
}

/* Unmap the first piece as a single mapping, and forget the others. */
static HERE void
unmap_first_piece(struct gantry_dma_dev *dev, uint8_t *p)
{
	struct gantry_sg sg[3];

	list_of(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE), 3);
	gantry_dma_unmap_single(dev, sg[0].dma.addr, LEN / 2, GANTRY_DMA_TO_DEVICE);
}

static HERE void
leak_list(struct gantry_dma_dev *dev, uint8_t *p)
{
	struct gantry_sg sg[2];

	list_of(sg, p, 2);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_TO_DEVICE), 2);
}

/* The rest of that list is a consequence; another list is not, nor is that of another device. */
static void
rest_of_a_list_that_was_unmapped_as_single_is_no_leak(void **state)
{
	struct gantry_dma_dev *dev = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64), *other;
	uint8_t *p = memory(3 * LEN), *q = memory(2 * LEN);

	other = device("other");
	leak_list(dev, q);
	unmap_first_piece(dev, p);
	reports_expect(GANTRY_DMA_MISUSE_WRONG_FUNCTION, "unmap_first_piece");
	leak_list(other, q);
	reports_begin();
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_LEAKED);
	assert_non_null(strstr(reports.at[0].map_symbol, "leak_list"));
	assert_non_null(strstr(reports.at[0].text, "2 of them, 512 bytes, were never unmapped"));
	reports_begin();
	gantry_dma_dev_destroy(other);
	assert_int_equal(reports.nr, 1);
	rte_free(p);
	rte_free(q);
}

static HERE void
unmap_no_entries(struct gantry_dma_dev *dev, struct gantry_sg *sg)
{
	gantry_dma_unmap_sg(dev, sg, 0, GANTRY_DMA_TO_DEVICE);
}

static void
list_of_no_entries_is_a_wrong_number(void **state)
{
	struct gantry_dma_dev *dev = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64);
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list_of(sg, p, 3);
	sg[0].dma.addr = 0x1000;
	unmap_no_entries(dev, sg);
	reports_expect(GANTRY_DMA_MISUSE_WRONG_NENTS, "unmap_no_entries");
	assert_non_null(strstr(reports.at[0].text, "a list of no entries"));
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* A mapping that failed belongs to its device, also if another device gets the address of it. */
static HERE void
unmap_error(struct gantry_dma_dev *dev)
{
	gantry_dma_unmap_single(dev, GANTRY_DMA_MAPPING_ERROR, LEN, GANTRY_DMA_TO_DEVICE);
}

static HERE gantry_dma_addr_t
map_failing(struct gantry_dma_dev *dev, uint8_t *p)
{
	dma_device(dev)->mask = GANTRY_DMA_BIT_MASK(24);
	return gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
}

static void
failed_mapping_ends_with_its_device(void **state)
{
	struct gantry_dma_dev *first = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64), *dev;
	uint8_t *p = memory(LEN);
	unsigned int round;

	assert_int_equal(map_failing(first, p), GANTRY_DMA_MAPPING_ERROR);
	unmap_error(first);
	reports_expect(GANTRY_DMA_MISUSE_UNMAP_ERROR, "unmap_error");
	assert_non_null(strstr(reports.at[0].map_symbol, "map_failing"));
	assert_ptr_equal(reports.at[0].cpu, p);
	gantry_dma_dev_destroy(first);
	for (round = 0; round < 2; round++) {
		first = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64);
		assert_int_equal(map_failing(first, p), GANTRY_DMA_MAPPING_ERROR);
		gantry_dma_dev_destroy(first);
		dev = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64);
		assert_ptr_equal(dev, first); /* EAL gives the same memory to it */
		unmap_error(dev);
		reports_expect(GANTRY_DMA_MISUSE_UNMAP_ERROR, "unmap_error");
		assert_null(reports.at[0].map_site);
		assert_null(reports.at[0].cpu);
		gantry_dma_dev_destroy(dev);
	}
	rte_free(p);
}

/*
 * Blocks of pools.
 */

static HERE void *
take_block(struct gantry_dma_pool *from, bool zero, gantry_dma_addr_t *addr)
{
	void *p = zero ? gantry_dma_pool_zalloc(from, addr) : gantry_dma_pool_alloc(from, addr);

	assert_non_null(p);
	return p;
}

static HERE void
free_into(struct gantry_dma_pool *into, void *p, gantry_dma_addr_t addr)
{
	gantry_dma_pool_free(into, p, addr);
}

static HERE void
unmap_block(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	gantry_dma_unmap_single(dev, addr, 64, GANTRY_DMA_BIDIRECTIONAL);
}

/* A report about a block names the code that took it, and from where. */
static void
block_of_a_pool_returns_to_that_pool(void **state)
{
	struct gantry_dma_pool *own, *other;
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	unsigned int i;
	void *p;

	for (i = 0; i < 4; i++) {
		dev = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64);
		own = gantry_dma_pool_create("own", dev, 64, 64, 0);
		other = gantry_dma_pool_create("other", dev, 64, 64, 0);
		assert_true(own != NULL && other != NULL);
		p = take_block(own, i % 2 != 0, &addr);
		if (i < 2)
			free_into(other, p, addr);
		else
			unmap_block(dev, addr);
		reports_expect(GANTRY_DMA_MISUSE_WRONG_FUNCTION,
				i < 2 ? "free_into" : "unmap_block");
		assert_true((strstr(reports.at[0].text, "from another pool's ") != NULL) ==
				(i < 2));
		assert_non_null(strstr(reports.at[0].map_symbol, "take_block+"));
		free_into(own, p, addr);
		assert_int_equal(reports.nr, 1);
		gantry_dma_pool_destroy(own);
		gantry_dma_pool_destroy(other);
		gantry_dma_dev_destroy(dev);
		assert_int_equal(reports.nr, 1);
	}
}

static HERE void
end_again(struct gantry_dma_dev *dev, bool block)
{
	uint8_t *p = memory(LEN), *cpu;
	gantry_dma_addr_t addr;
	unsigned int i;

	if (block) {
		cpu = gantry_dma_alloc_coherent(dev, LEN, &addr, SOCKET_ID_ANY);
		assert_non_null(cpu);
		for (i = 0; i < 2; i++)
			gantry_dma_free_coherent(dev, LEN, cpu, addr);
	} else {
		addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
		assert_false(gantry_dma_mapping_error(dev, addr));
		for (i = 0; i < 2; i++)
			gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	}
	rte_free(p);
}

/* A block is allocated and freed, other memory is mapped and unmapped. */
static void
report_has_the_words_of_the_kind(void **state)
{
	struct gantry_dma_dev *dev;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		dev = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64);
		end_again(dev, i != 0);
		reports_expect(GANTRY_DMA_MISUSE_UNMAP_TWICE, "end_again");
		assert_non_null(strstr(reports.at[0].text,
				i != 0 ? "of an address that is freed already" :
					 "of an address that is unmapped already"));
		assert_non_null(strstr(reports.at[0].text,
				i != 0 ? "; allocated by end_again+" : "; mapped by end_again+"));
		gantry_dma_dev_destroy(dev);
	}
}

/*
 * Refusals.
 */

static HERE void
map_refused(struct gantry_dma_dev *dev, void *p, size_t size)
{
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, p, size, GANTRY_DMA_TO_DEVICE)));
}

/* The mode has no room, or the mask is too narrow: that is no mistake of the caller. */
static void
refusal_for_lack_of_room_is_not_reported(void **state)
{
	static const struct {
		const struct gantry_dma_ops *ops;
		enum gantry_dma_mode_id mode;
		bool heap; /* memory of the process, which is not EAL's */
	} cases[] = {
		{ NULL, GANTRY_DMA_MODE_DIRECT, false },
		{ &bus_any_memory, GANTRY_DMA_MODE_STRICT, false },
		{ &bus_any_memory, GANTRY_DMA_MODE_STRICT, true },
		{ &bus_with_files, GANTRY_DMA_MODE_STRICT, false },
	};
	uint8_t *eal = rte_zmalloc(NULL, 3 * 4096, 4096), *heap = malloc(LEN);
	struct gantry_dma_dev *dev;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		dev = debug_on(cases[i].ops, cases[i].mode, 64);
		bus.fails = true;
		if (cases[i].ops == NULL) /* as if EAL had more memory than when the mask was set */
			dma_device(dev)->mask = GANTRY_DMA_BIT_MASK(24);
		if (cases[i].heap)
			map_refused(dev, heap, LEN);
		else
			map_refused(dev, eal + 100, 2 * 4096);
		if (reports.nr != 0)
			fail_msg("case %u: %s", i, reports.at[0].text);
		gantry_dma_dev_destroy(dev);
	}
	free(heap);
	rte_free(eal);
}

static void
memory_without_a_bus_address_is_reported(void **state)
{
	static const struct {
		const struct gantry_dma_ops *ops;
		enum gantry_dma_mode_id mode;
	} cases[] = {
		{ NULL, GANTRY_DMA_MODE_DIRECT },
		{ &bus_with_files, GANTRY_DMA_MODE_STRICT },
	};
	uint8_t *heap = malloc(LEN);
	struct gantry_dma_dev *dev;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		dev = debug_on(cases[i].ops, cases[i].mode, 64);
		map_refused(dev, heap, LEN);
		reports_expect(GANTRY_DMA_MISUSE_MAP_SCATTERED, "map_refused");
		assert_non_null(strstr(reports.at[0].text, "it has no single bus address for the"));
		assert_non_null(strstr(reports.at[0].text, "process memory"));
		assert_reason("process memory");
		gantry_dma_dev_destroy(dev);
	}
	free(heap);
}

/* The driver computes with the address in the mbuf, so that one must be right. */
static HERE void
map_with_iova(struct gantry_dma_dev *dev, rte_iova_t iova)
{
	struct rte_mbuf *m = frame();
	const rte_iova_t own = rte_mbuf_iova_get(m);

	rte_mbuf_iova_set(m, iova == 0 ? own : iova);
	drv_complete(dev, m, drv_send(dev, m, 0));
	rte_mbuf_iova_set(m, own);
}

static void
address_in_the_mbuf_is_that_of_its_buffer(void **state)
{
	static const struct {
		rte_iova_t iova;
		bool right;
	} cases[] = {
		{ 0, true }, /* its own */
		{ RTE_BAD_IOVA, true },
		{ 4096, false },
		{ GANTRY_DMA_ADDR_MAX + 1, true },
	};
	struct gantry_dma_dev *dev;
	unsigned int i;

	make_pool(&kinds[1]);
	for (i = 0; i < RTE_DIM(cases); i++) {
		dev = debug_on(NULL, GANTRY_DMA_MODE_DIRECT, 64);
		map_with_iova(dev, cases[i].iova);
		if (cases[i].right) {
			if (reports.nr != 0)
				fail_msg("case %u: %s", i, reports.at[0].text);
		} else {
			assert_int_equal(reports_count(GANTRY_DMA_MISUSE_MAP_INVALID), 1);
			assert_non_null(strstr(reports.at[0].text,
					"buf_iova of the mbuf is 0x1000, the bus address of other"));
		}
		gantry_dma_dev_destroy(dev);
	}
	drop_pool();
}

/*
 * The queue in which freed mbufs rest, in place of the pool's cache.
 */

static unsigned int
resting(void)
{
	const struct quarantine *q = watch_of(pool)->quarantines[rte_lcore_id()];

	return q != NULL ? q->n : 0;
}

static void
freed_mbufs_rest_in_a_queue_of_the_size_of_the_cache(void **state)
{
	struct gantry_dma_dev *dev = device("rest");
	const unsigned int limit = CACHE + CACHE / 2; /* DPDK's factor of a cache */
	struct rte_mbuf *m[MBUFS], *again[MBUFS];
	unsigned int i, k;

	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, 200), 0);
	assert_int_equal(resting(), 0);
	for (i = 0; i < limit; i++) {
		rte_mempool_put(pool, m[i]);
		assert_int_equal(resting(), i + 1);
	}
	/* The next one makes the oldest ones leave, so that the queue is as full as a cache. */
	rte_mempool_put(pool, m[limit]);
	assert_int_equal(resting(), CACHE);
	/* A burst also ends with a queue that is as full as a cache, or with the burst alone. */
	for (i = limit + 1; i < 2 * limit - CACHE + 1; i++)
		rte_mempool_put(pool, m[i]);
	assert_int_equal(resting(), limit);
	rte_mempool_put_bulk(pool, (void **)&m[i], 20);
	assert_int_equal(resting(), CACHE);
	i += 20;
	rte_mempool_put_bulk(pool, (void **)&m[i], CACHE + 1);
	assert_int_equal(resting(), CACHE + 1);
	i += CACHE + 1;
	/* A longer burst goes past the queue. */
	rte_mempool_put_bulk(pool, (void **)&m[i], limit + 1);
	assert_int_equal(resting(), CACHE + 1);
	i += limit + 1;
	rte_mempool_put_bulk(pool, (void **)&m[i], 200 - i);
	assert_true(rte_mempool_full(pool));
	/* Half of a cache rests as long as the pool has others. */
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, again, 100), 0);
	assert_int_equal(resting(), CACHE / 2);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, again + 100, MBUFS - 100), 0);
	assert_int_equal(resting(), 0);
	for (i = 0; i < MBUFS; i++)
		for (k = 0; k < i; k++)
			assert_ptr_not_equal(again[i], again[k]);
	assert_null(rte_pktmbuf_alloc(pool));
	rte_pktmbuf_free_bulk(again, MBUFS);
	assert_true(rte_mempool_full(pool));
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/* Mbufs leave the queue in the order in which they came. */
static void
mbuf_that_rests_longest_leaves_first(void **state)
{
	struct gantry_dma_dev *dev = device("order");
	struct rte_mbuf *m[MBUFS], *next;
	unsigned int i;

	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, MBUFS), 0);
	for (i = 0; i < CACHE; i++)
		rte_mempool_put(pool, m[i]);
	for (i = 0; i < CACHE / 2; i++) {
		next = rte_pktmbuf_alloc(pool);
		assert_ptr_equal(next, m[i]);
	}
	assert_int_equal(resting(), CACHE / 2);
	/* The pool has no other, so all leave. */
	next = rte_pktmbuf_alloc(pool);
	assert_ptr_equal(next, m[CACHE / 2]);
	assert_int_equal(resting(), 0);
	rte_mempool_put_bulk(pool, (void **)m, CACHE / 2 + 1);
	rte_mempool_put_bulk(pool, (void **)&m[CACHE], MBUFS - CACHE);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sync_of_freed_memory_is_reported_once),
		cmocka_unit_test(rest_of_a_list_that_was_unmapped_as_single_is_no_leak),
		cmocka_unit_test(list_of_no_entries_is_a_wrong_number),
		cmocka_unit_test(failed_mapping_ends_with_its_device),
		cmocka_unit_test(block_of_a_pool_returns_to_that_pool),
		cmocka_unit_test(report_has_the_words_of_the_kind),
		cmocka_unit_test(refusal_for_lack_of_room_is_not_reported),
		cmocka_unit_test(memory_without_a_bus_address_is_reported),
		cmocka_unit_test(address_in_the_mbuf_is_that_of_its_buffer),
		cmocka_unit_test(freed_mbufs_rest_in_a_queue_of_the_size_of_the_cache),
		cmocka_unit_test(mbuf_that_rests_longest_leaves_first),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	return cmocka_run_group_tests_name("dma_debug_after", tests, NULL, NULL);
}
