/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of which pools the debug layer watches, and which objects of them (dma_debug_watch.c,
 * dma_debug_pool.c): pools of several pieces of memory, pools that grow, and objects that are no
 * mbufs.
 */

#include "dma_mbufs.h"
#include "dma_plays.h"

#define HALF 8 /* mbufs in each of two pieces of memory */

/* The results of the probe's operations, which DPDK calls, but does not always check. */
static struct {
	unsigned int nr;
	int ret[8];
} probe_puts, probe_gets;

int __real_dma_debug_probe_put(void *const *objs, unsigned int n);
int __wrap_dma_debug_probe_put(void *const *objs, unsigned int n);
int __real_dma_debug_probe_get(void **objs, unsigned int n);
int __wrap_dma_debug_probe_get(void **objs, unsigned int n);

int
__wrap_dma_debug_probe_put(void *const *objs, unsigned int n)
{
	assert_true(probe_puts.nr < RTE_DIM(probe_puts.ret));
	return probe_puts.ret[probe_puts.nr++] = __real_dma_debug_probe_put(objs, n);
}

int
__wrap_dma_debug_probe_get(void **objs, unsigned int n)
{
	assert_true(probe_gets.nr < RTE_DIM(probe_gets.ret));
	return probe_gets.ret[probe_gets.nr++] = __real_dma_debug_probe_get(objs, n);
}

/* The first pool of a process is preceded by the probe: it puts two mbufs and gets the first. */
static void
probe_answers_as_a_pool_does(void **state)
{
	struct gantry_dma_dev *dev = device("probe");
	unsigned int i, got = 0;

	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	assert_int_equal(probe_puts.nr, 2);
	for (i = 0; i < probe_puts.nr; i++)
		assert_int_equal(probe_puts.ret[i], 0);
	assert_in_range(probe_gets.nr, 2, RTE_DIM(probe_gets.ret));
	for (i = 0; i < probe_gets.nr; i++) {
		got += probe_gets.ret[i] == 0;
		if (probe_gets.ret[i] != 0 && probe_gets.ret[i] != -ENOBUFS)
			assert_int_equal(probe_gets.ret[i], -ENOENT);
	}
	assert_int_equal(got, 1);
	assert_int_equal(probe_gets.ret[probe_gets.nr - 1], -ENOENT);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/* DPDK ignores the result of a put, but a caller of the operations need not. */
static void
operations_of_a_watched_pool_return_0_or_an_error(void **state)
{
	struct gantry_dma_dev *dev = device("operations");
	void *objs[MBUFS + 1];
	unsigned int k, n;

	for (k = 0; k < 2; k++) { /* without a cache and with one */
		make_pool(&kinds[k]);
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		reports_begin();
		for (n = 1; n <= MBUFS; n += n) {
			assert_int_equal(rte_mempool_ops_dequeue_bulk(pool, objs, n), 0);
			assert_int_equal(rte_mempool_ops_enqueue_bulk(pool, objs, n), 0);
		}
		assert_true(rte_mempool_ops_dequeue_bulk(pool, objs, MBUFS + 1) < 0);
		assert_true(rte_mempool_full(pool));
		assert_int_equal(reports.nr, 0);
		drop_pool();
	}
	gantry_dma_dev_destroy(dev);
}

static void
pool_of_other_objects_is_not_watched(void **state)
{
	static const struct {
		unsigned int size, private_size;
		int ret;
	} cases[] = {
		{ sizeof(struct rte_mbuf) - 64, sizeof(struct rte_pktmbuf_pool_private), -EINVAL },
		{ sizeof(struct rte_mbuf), 0, -EINVAL },
		{ sizeof(struct rte_mbuf), sizeof(struct rte_pktmbuf_pool_private), 0 },
	};
	struct gantry_dma_dev *dev = device("objects");
	struct rte_mempool *mp;
	int32_t before;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		mp = rte_mempool_create("objects", 7, cases[i].size, 0, cases[i].private_size, NULL,
				NULL, NULL, NULL, SOCKET_ID_ANY, 0);
		assert_non_null(mp);
		before = mp->ops_index;
		assert_int_equal(gantry_dma_debug_watch(dev, mp), cases[i].ret);
		assert_true((mp->ops_index == before) == (cases[i].ret != 0));
		rte_mempool_free(mp);
	}
	gantry_dma_dev_destroy(dev);
}

static void
device_without_the_debug_layer_watches_nothing(void **state)
{
	struct gantry_dma_dev *dev = debug_device("plain", GANTRY_DMA_DEBUG_OFF);
	int32_t before;

	make_pool(&kinds[1]);
	before = pool->ops_index;
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	assert_int_equal(pool->ops_index, before);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/* There is room for 32 devices. One that asks again, or that ends, takes no room. */
static void
pool_is_watched_by_32_devices(void **state)
{
	struct gantry_dma_dev *dev[32], *late;
	unsigned int i, round;
	int32_t before;

	make_pool(&kinds[1]);
	before = pool->ops_index;
	for (i = 0; i < RTE_DIM(dev); i++)
		dev[i] = device("many");
	late = device("late");
	for (round = 0; round < 2; round++)
		for (i = 0; i < RTE_DIM(dev); i++)
			assert_int_equal(gantry_dma_debug_watch(dev[i], pool), 0);
	assert_int_equal(gantry_dma_debug_watch(late, pool), -ENOSPC);
	assert_reason("late: pool 'mbufs': its mbufs are not watched, mappings are: 32 devices");
	gantry_dma_dev_destroy(dev[7]);
	assert_int_equal(gantry_dma_debug_watch(late, pool), 0);
	assert_int_equal(gantry_dma_debug_watch(late, pool), 0);
	for (i = 0; i < RTE_DIM(dev); i++) {
		assert_int_not_equal(pool->ops_index, before);
		if (i != 7)
			gantry_dma_dev_destroy(dev[i]);
	}
	assert_int_not_equal(pool->ops_index, before);
	gantry_dma_dev_destroy(late);
	assert_int_equal(pool->ops_index, before);
	drop_pool();
}

/*
 * Pieces.
 */

static uint8_t *pieces; /* memory of EAL for two pieces, with a gap between them */
static size_t piece;    /* bytes of each */

/* Create `pool`, still without memory, and return the length of HALF mbufs. */
static void
begin_pool(void)
{
	struct rte_pktmbuf_pool_private priv = { .mbuf_data_room_size = 2048 };

	pool = rte_mempool_create_empty("pieces", 2 * HALF, sizeof(struct rte_mbuf) + 2048, 0,
			sizeof(priv), SOCKET_ID_ANY, 0);
	assert_non_null(pool);
	assert_int_equal(rte_mempool_set_ops_byname(pool, "ring_mp_mc", NULL), 0);
	rte_pktmbuf_pool_init(pool, &priv);
	piece = (size_t)HALF * (pool->header_size + pool->elt_size + pool->trailer_size) + 512;
	piece = RTE_ALIGN(piece, 4096);
	pieces = rte_zmalloc(NULL, 4 * piece, 4096);
	assert_non_null(pieces);
}

static void
add_piece(unsigned int n)
{
	uint8_t *at = pieces + 2 * n * piece;
	const int got = rte_mempool_populate_iova(pool, (char *)at, rte_mem_virt2iova(at), piece,
			NULL, NULL);

	assert_in_range(got, 1, 2 * HALF);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
}

static void
end_pool(void)
{
	assert_int_equal(rte_mempool_avail_count(pool), pool->populated_size);
	rte_mempool_free(pool);
	rte_free(pieces);
	pool = NULL;
}

static HERE void
free_twice(struct rte_mbuf *m)
{
	rte_mbuf_raw_free(m);
	rte_mbuf_refcnt_set(m, 1);
	rte_mbuf_raw_free(m);
}

/* The records of mbufs are per piece; the pieces need not be in the order of their addresses. */
static void
mbufs_of_each_piece_of_a_pool_are_watched(void **state)
{
	struct rte_mbuf *m[2 * HALF];
	struct gantry_dma_dev *dev;
	unsigned int i, n, life, low;

	begin_pool();
	add_piece(1); /* the one with the higher address is first */
	add_piece(0);
	assert_int_equal(pool->nb_mem_chunks, 2);
	n = pool->populated_size;
	for (life = 0; life < 2; life++) { /* the second life finds the records of the first one */
		for (i = 0, low = 0; i < n; i++) {
			dev = device("pieces");
			assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
			reports_begin();
			assert_int_equal(rte_mempool_get(pool, (void **)&m[i]), 0);
			low += (uint8_t *)m[i] < pieces + piece;
			free_twice(m[i]);
			reports_expect(GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE, "free_twice");
			assert_ptr_equal(reports.at[0].mbuf, m[i]);
			assert_int_equal(rte_mempool_avail_count(pool), n);
			gantry_dma_dev_destroy(dev);
		}
		assert_in_range(low, 1, n - 1); /* both pieces were used */
	}
	end_pool();
}

/* Memory that the pool gets later is not watched; its mbufs are no strangers. */
static void
mbufs_of_a_later_piece_are_accepted(void **state)
{
	struct gantry_dma_dev *dev = device("grows");
	struct rte_mbuf *m[2 * HALF];
	unsigned int i, n;

	begin_pool();
	add_piece(0);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	add_piece(1);
	n = pool->populated_size;
	assert_int_equal(rte_mempool_avail_count(pool), n);
	for (i = 0; i < n; i++)
		assert_int_equal(rte_mempool_get(pool, (void **)&m[i]), 0);
	for (i = 0; i < n; i++)
		rte_mempool_put(pool, m[i]);
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
	end_pool();
}

static HERE void
put_object(void *obj)
{
	rte_mempool_put(pool, obj);
}

/* The report names the mbuf that contains the address, to its last byte. */
static void
address_in_an_mbuf_is_not_put(void **state)
{
	static const struct {
		ptrdiff_t at, from_end;
		const char *what;
	} cases[] = {
		{ 1, 0, "is no mbuf, but 1 bytes behind the beginning of one" },
		{ 128, 0, "is no mbuf, but 128 bytes behind the beginning of one" },
		{ 0, -1, "bytes behind the beginning of one" },
		{ 0, -64, "bytes behind the beginning of one" },
		{ 0, 0, "is no mbuf of a watched pool" },
	};
	struct gantry_dma_dev *dev;
	struct rte_mbuf *m;
	uint8_t *obj;
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		make_pool(&kinds[0]);
		dev = device("within");
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		m = rte_pktmbuf_alloc(pool);
		obj = (uint8_t *)m + cases[i].at;
		if (cases[i].at == 0)
			obj += pool->elt_size + cases[i].from_end;
		reports_begin();
		put_object(obj);
		reports_expect(GANTRY_DMA_MISUSE_MBUF_NOT_OF_POOL, "put_object");
		if (strstr(reports.at[0].text, cases[i].what) == NULL)
			fail_msg("not \"%s\": %s", cases[i].what, reports.at[0].text);
		assert_ptr_equal(reports.at[0].mbuf,
				strstr(cases[i].what, "behind") != NULL ? m : NULL);
		assert_string_equal(reports.at[0].pool,
				strstr(cases[i].what, "behind") != NULL ? "mbufs" : "");
		rte_pktmbuf_free(m);
		gantry_dma_dev_destroy(dev);
		drop_pool();
	}
}

/*
 * Consequences.
 */

static HERE void
post_free_mbuf(struct gantry_dma_dev *dev)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr;

	rte_pktmbuf_free(m);
	addr = gantry_dma_map_mbuf(dev, m, RTE_PKTMBUF_HEADROOM, FRAME, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_free(m); /* it was not its to free */
}

static void
free_mbuf_that_is_posted_is_reported_and_not_freed_again(void **state)
{
	struct gantry_dma_dev *dev;

	make_pool(&kinds[1]);
	dev = device("posts");
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	post_free_mbuf(dev);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_FREED, "post_free_mbuf");
	assert_non_null(strstr(reports.at[0].text, "posted for receive when it was free already"));
	assert_non_null(strstr(reports.at[0].text, "freed"));
	assert_non_null(reports.at[0].map_site);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

static HERE void
free_three_times(struct rte_mbuf *m)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		rte_mbuf_refcnt_set(m, 1);
		rte_mbuf_raw_free(m);
	}
}

/* Each further free is a consequence; the mbuf's next life is watched again. */
static void
each_life_of_an_mbuf_has_a_report_of_its_own(void **state)
{
	struct gantry_dma_dev *dev;
	struct rte_mbuf *m;
	unsigned int i;

	make_pool(&kinds[0]);
	for (i = 0; i < 2; i++) {
		dev = device("lives");
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		m = rte_pktmbuf_alloc(pool);
		reports_begin();
		free_three_times(m);
		reports_expect(GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE, "free_three_times");
		assert_true(rte_mempool_full(pool));
		gantry_dma_dev_destroy(dev);
	}
	drop_pool();
}

/*
 * A pool is freed while mappings are left: each is reported, except one that a misuse was reported
 * of already.
 */
static HERE void
free_pool(void)
{
	rte_mempool_free(pool);
	pool = NULL;
}

static void
mapping_with_a_report_is_not_reported_when_its_pool_is_freed(void **state)
{
	gantry_dma_addr_t addr[3];
	struct gantry_dma_dev *dev;
	unsigned int i, first;

	for (first = 0; first < 3; first++) {
		make_pool(&kinds[0]);
		dev = device("freed pool");
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		for (i = 0; i < RTE_DIM(addr); i++)
			addr[i] = drv_post(dev, rte_pktmbuf_alloc(pool), i);
		/* An unmapping by another function leaves it, and is reported. */
		reports_begin();
		gantry_dma_unmap_resource(dev, addr[first], FRAME, GANTRY_DMA_FROM_DEVICE);
		assert_int_equal(reports_count(GANTRY_DMA_MISUSE_WRONG_FUNCTION), 1);
		reports_begin();
		free_pool();
		assert_int_equal(reports.nr, 1); /* two mappings of one cause */
		assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_FREED_MAPPED);
		assert_int_not_equal(reports.at[0].addr, addr[first]);
		assert_string_equal(reports.at[0].pool, "mbufs");
		gantry_dma_dev_destroy(dev);
		assert_int_equal(reports.nr, 1);
	}
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_answers_as_a_pool_does), /* before any other */
		cmocka_unit_test(operations_of_a_watched_pool_return_0_or_an_error),
		cmocka_unit_test(pool_of_other_objects_is_not_watched),
		cmocka_unit_test(device_without_the_debug_layer_watches_nothing),
		cmocka_unit_test(pool_is_watched_by_32_devices),
		cmocka_unit_test(mbufs_of_each_piece_of_a_pool_are_watched),
		cmocka_unit_test(mbufs_of_a_later_piece_are_accepted),
		cmocka_unit_test(address_in_an_mbuf_is_not_put),
		cmocka_unit_test(free_mbuf_that_is_posted_is_reported_and_not_freed_again),
		cmocka_unit_test(each_life_of_an_mbuf_has_a_report_of_its_own),
		cmocka_unit_test(mapping_with_a_report_is_not_reported_when_its_pool_is_freed),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	return cmocka_run_group_tests_name("dma_debug_watch", tests, NULL, NULL);
}
