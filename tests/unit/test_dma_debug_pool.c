/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer on mempools that are shared: calls in progress when the watching begins,
 * lcores that are at work, idle, or gone, devices that end in the meantime, and buffers that are
 * released while they are in flight.
 */

#include "dma_mbufs.h"

#include <sys/mman.h>

/*
 * Mempool operations that the test can interrupt in the middle.
 */

static struct {
	rte_spinlock_t lock;
	unsigned int n;
	void *objs[MBUFS];
} objects;
static void (*in_dequeue)(void); /* called once */
static unsigned int left_at_end;

static int
midway_alloc(struct rte_mempool *mp)
{
	rte_spinlock_init(&objects.lock);
	objects.n = 0;
	return 0;
}

/* At this time the pool's memory has been freed. */
static void
midway_free(struct rte_mempool *mp)
{
	left_at_end = objects.n;
}

static int
midway_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	int ret = -ENOBUFS;

	rte_spinlock_lock(&objects.lock);
	if (n <= MBUFS - objects.n) {
		memcpy(&objects.objs[objects.n], objs, n * sizeof(*objs));
		objects.n += n;
		ret = 0;
	}
	rte_spinlock_unlock(&objects.lock);
	return ret;
}

static int
midway_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	void (*hook)(void) = in_dequeue;
	int ret = -ENOENT;

	in_dequeue = NULL;
	if (hook != NULL)
		hook();
	rte_spinlock_lock(&objects.lock);
	if (n <= objects.n) {
		objects.n -= n;
		memcpy(objs, &objects.objs[objects.n], n * sizeof(*objs));
		ret = 0;
	}
	rte_spinlock_unlock(&objects.lock);
	return ret;
}

static unsigned int
midway_count(const struct rte_mempool *mp)
{
	return objects.n;
}

static const struct rte_mempool_ops midway = {
	.name = "midway",
	.alloc = midway_alloc,
	.free = midway_free,
	.enqueue = midway_enqueue,
	.dequeue = midway_dequeue,
	.get_count = midway_count,
};
RTE_MEMPOOL_REGISTER_OPS(midway);

static const struct kind stoppable = { .ops = "midway", .cache = CACHE };

/* The watching begins while DPDK fills a cache: none of the mbufs that DPDK gets may be lost. */

static struct gantry_dma_dev *watcher;

static void
begin_watching(void)
{
	assert_int_equal(gantry_dma_debug_watch(watcher, pool), 0);
}

static void
watching_during_refill_loses_no_mbuf(void **state)
{
	struct rte_mbuf *m[CACHE];

	make_pool(&stoppable);
	watcher = device("midway");
	reports_begin();
	rte_mempool_cache_flush(rte_mempool_default_cache(pool, rte_lcore_id()), pool);
	in_dequeue = begin_watching;
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, CACHE), 0);
	assert_null(in_dequeue);
	rte_pktmbuf_free_bulk(m, CACHE);
	assert_true(rte_mempool_full(pool));
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(watcher);
	drop_pool();
}

/*
 * Lcores.
 */

static bool watched;

/*
 * The lcore's cache holds mbufs that were freed before the watching began; DPDK flushes it
 * afterwards.
 */
static int
put_cache_back(void *arg)
{
	bool *ready = arg;

	use_cache(NULL);
	__atomic_store_n(ready, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&watched, __ATOMIC_ACQUIRE))
		sched_yield();
	rte_mempool_cache_flush(rte_mempool_default_cache(pool, rte_lcore_id()), pool);
	return 0;
}

static void
flush_of_old_cache_is_not_reported(void **state)
{
	const unsigned int lcore = rte_get_next_lcore(-1, 1, 0);
	struct gantry_dma_dev *dev = device("flush");
	bool ready = false;

	make_pool(&kinds[1]);
	reports_begin();
	watched = false;
	assert_int_equal(rte_eal_remote_launch(put_cache_back, &ready, lcore), 0);
	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	__atomic_store_n(&watched, true, __ATOMIC_RELEASE);
	assert_int_equal(rte_eal_wait_lcore(lcore), 0);
	if (reports.nr != 0)
		fail_msg("%s", reports.at[0].text);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

static void *
watch_pool(void *dev)
{
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	return NULL;
}

/*
 * The library empties the caches of idle lcores only if the calling thread knows that they are
 * idle, which is the main lcore.
 */
static void
caches_of_idle_lcores_are_emptied(void **state)
{
	const unsigned int lcore = rte_get_next_lcore(-1, 1, 0);
	struct rte_mbuf *m[MBUFS];
	struct gantry_dma_dev *dev;
	unsigned int from_main, len;
	pthread_t thread;

	for (from_main = 0; from_main < 2; from_main++) {
		dev = device("idle");
		make_pool(&kinds[1]);
		assert_int_equal(rte_eal_remote_launch(use_cache, NULL, lcore), 0);
		assert_int_equal(rte_eal_wait_lcore(lcore), 0);
		len = pool->local_cache[lcore].len;
		assert_int_not_equal(len, 0);
		if (from_main) {
			watch_pool(dev);
		} else {
			/* The main lcore may give them work at any time. */
			start_thread(&thread, watch_pool, dev);
			assert_int_equal(pthread_join(thread, NULL), 0);
			assert_int_equal(pool->local_cache[lcore].len, len);
			assert_int_equal(rte_eal_remote_launch(use_cache, NULL, lcore), 0);
			assert_int_equal(rte_eal_wait_lcore(lcore), 0);
		}
		/* All mbufs can be allocated. */
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, MBUFS), 0);
		rte_pktmbuf_free_bulk(m, MBUFS);
		gantry_dma_dev_destroy(dev);
		drop_pool();
	}
}

static void *
be_lcore(void *arg)
{
	assert_int_equal(rte_thread_register(), 0);
	assert_int_equal(use_cache(NULL), 0);
	rte_thread_unregister();
	return NULL;
}

/* Other lcores can allocate mbufs that an lcore freed before it ended. */
static void
mbufs_freed_by_ended_lcore_are_available(void **state)
{
	struct gantry_dma_dev *dev = device("gone");
	struct rte_mbuf *m[MBUFS];
	pthread_t thread;

	make_pool(&kinds[1]);
	reports_begin();
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	start_thread(&thread, be_lcore, NULL);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, MBUFS), 0);
	rte_pktmbuf_free_bulk(m, MBUFS);
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/*
 * Ends.
 */

/*
 * Another lcore has freed mbufs, and the library still holds them when the pool is freed: none of
 * them is put into the pool after its memory is gone.
 */
static void
freed_pool_receives_no_late_put(void **state)
{
	const unsigned int lcore = rte_get_next_lcore(-1, 1, 0);
	struct gantry_dma_dev *dev = device("rest");

	make_pool(&stoppable);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	assert_int_equal(rte_eal_remote_launch(use_cache, NULL, lcore), 0);
	assert_int_equal(rte_eal_wait_lcore(lcore), 0);
	assert_int_not_equal(objects.n, MBUFS);
	left_at_end = MBUFS;
	rte_mempool_free(pool);
	assert_int_equal(left_at_end, 0);
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
}

/*
 * An abandoned device no longer watches a pool, and its end reports no leaks. But it may still
 * write to what it has mapped, so the library reports a free of that memory.
 */
static void
abandoned_device_keeps_its_mappings_watched(void **state)
{
	/* For leak checkers, which do not search EAL memory, where the device resides. */
	static const void *volatile kept[2];
	struct gantry_dma_dev *dev = device("silent"), *other;
	gantry_dma_addr_t handle;
	struct rte_mbuf *m[2];
	int32_t ops;

	make_pool(&kinds[1]);
	ops = pool->ops_index;
	reports_begin();
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	assert_non_null(gantry_dma_alloc_coherent(dev, 4096, &handle, SOCKET_ID_ANY));
	kept[0] = TAILQ_FIRST(&dma_device(dev)->blocks);
	kept[1] = dma_device(dev)->layer_state;
	assert_true(kept[0] != NULL && kept[1] != NULL);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, 2), 0);
	drv_post(dev, m[0], 1);
	drv_post(dev, m[1], 2);
	gantry_dma_dev_abandon(dev);
	assert_int_equal(pool->ops_index, ops);
	assert_int_equal(gantry_dma_debug_live(NULL), 3);
	assert_int_equal(reports.nr, 0);
	/* Another device that begins to watch takes the mappings in flight into account. */
	other = device("other");
	assert_int_equal(gantry_dma_debug_watch(other, pool), 0);
	rte_pktmbuf_free(m[0]);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_FREED, "abandoned_device_keeps_its_mappings_watched");
	assert_string_equal(reports.at[0].device, "silent");
	assert_int_equal(reports.at[0].descriptor, 1);
	rte_mempool_free(pool);
	assert_int_equal(reports.nr, 2);
	assert_int_equal(reports.at[1].misuse, GANTRY_DMA_MISUSE_FREED_MAPPED);
	assert_int_equal(reports.at[1].descriptor, 2);
	gantry_dma_dev_destroy(other);
}

/*
 * A pool is watched again while another device, which has not announced it, has mbufs of it in
 * flight.
 */
static void
rewatching_accepts_mbufs_in_flight(void **state)
{
	struct gantry_dma_dev *first = device("first"), *second = device("second");
	gantry_dma_addr_t addr;
	struct rte_mbuf *m;

	make_pool(&kinds[1]);
	reports_begin();
	assert_int_equal(gantry_dma_debug_watch(first, pool), 0);
	m = frame();
	addr = drv_send(second, m, 0);
	gantry_dma_dev_destroy(first);
	first = device("first");
	assert_int_equal(gantry_dma_debug_watch(first, pool), 0);
	drv_complete(second, m, addr);
	if (reports.nr != 0)
		fail_msg("%s", reports.at[0].text);
	assert_true(rte_mempool_full(pool));
	gantry_dma_dev_destroy(first);
	gantry_dma_dev_destroy(second);
	drop_pool();
}

/*
 * A thread frees an mbuf in flight while its device is being destroyed: the library may or may not
 * report it, and no mbuf is lost.
 */

#define ENDS 400

static struct {
	struct rte_mbuf *m;
	unsigned int begun, done; /* rounds */
} ending;

static void *
free_in_flight(void *arg)
{
	unsigned int round;

	for (round = 1; round <= ENDS; round++) {
		while (__atomic_load_n(&ending.begun, __ATOMIC_ACQUIRE) != round)
			rte_pause();
		rte_pktmbuf_free(ending.m);
		__atomic_store_n(&ending.done, round, __ATOMIC_RELEASE);
	}
	return NULL;
}

static void
free_races_with_device_end_safely(void **state)
{
	struct gantry_dma_dev *stays = device("stays"), *dev;
	pthread_t thread;
	unsigned int round;

	make_pool(&kinds[0]);
	assert_int_equal(gantry_dma_debug_watch(stays, pool), 0);
	start_thread(&thread, free_in_flight, NULL);
	for (round = 1; round <= ENDS; round++) {
		dev = device("ends");
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		ending.m = rte_pktmbuf_alloc(pool);
		assert_non_null(ending.m);
		drv_post(dev, ending.m, 0);
		reports_begin();
		__atomic_store_n(&ending.begun, round, __ATOMIC_RELEASE);
		if (round % 2 == 0)
			sched_yield();
		gantry_dma_dev_destroy(dev);
		while (__atomic_load_n(&ending.done, __ATOMIC_ACQUIRE) != round)
			sched_yield();
		/* The mbuf is in the pool if the device ended first. */
		if (!rte_mempool_full(pool))
			rte_pktmbuf_free(ending.m);
		assert_true(rte_mempool_full(pool));
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	gantry_dma_dev_destroy(stays);
	drop_pool();
}

/*
 * Buffers of the application.
 */

#define EXT 8192

static void
ext_free(void *addr, void *opaque)
{
	*(unsigned int *)opaque += 1;
}

static struct rte_mbuf *
with_buffer(void *buf, rte_iova_t iova, uint16_t len, struct rte_mbuf_ext_shared_info *shinfo,
		unsigned int *freed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	*freed = 0;
	shinfo->free_cb = ext_free;
	shinfo->fcb_opaque = freed;
	rte_mbuf_ext_refcnt_set(shinfo, 1);
	rte_pktmbuf_attach_extbuf(m, buf, iova, EXT, shinfo);
	m->data_off = 0;
	assert_non_null(rte_pktmbuf_append(m, len));
	return m;
}

enum { RIGHT, WRITTEN, TAKEN_AWAY };

static void
external_buffer_misuse_is_reported(void **state)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct gantry_dma_dev *dev = device("external");
	struct rte_mbuf_ext_shared_info shinfo;
	rte_iova_t iova[EXT / 4096];
	unsigned int what, freed, i;
	gantry_dma_addr_t addr;
	struct rte_mbuf *m;
	uint8_t *buf;

	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	for (what = RIGHT; what <= TAKEN_AWAY; what++) {
		reports_begin();
		buf = mmap(NULL, EXT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(buf, MAP_FAILED);
		for (i = 0; i < EXT / page; i++)
			iova[i] = (uintptr_t)buf + i * page;
		assert_int_equal(rte_extmem_register(buf, EXT, iova, EXT / page, page), 0);
		m = with_buffer(buf, (uintptr_t)buf, 6000, &shinfo, &freed);
		addr = drv_send(dev, m, 4);
		if (what == WRITTEN)
			buf[5999]++;
		if (what == TAKEN_AWAY) {
			assert_int_equal(rte_extmem_unregister(buf, EXT), 0);
			assert_int_equal(munmap(buf, EXT), 0);
		}
		drv_complete(dev, m, addr);
		assert_int_equal(freed, 1);
		if (what == RIGHT)
			assert_int_equal(reports.nr, 0);
		else
			reports_expect(what == WRITTEN ? GANTRY_DMA_MISUSE_MBUF_WRITTEN :
							 GANTRY_DMA_MISUSE_FREED_MAPPED,
					"drv_complete");
		assert_true(rte_mempool_full(pool));
		if (what != TAKEN_AWAY) {
			assert_int_equal(rte_extmem_unregister(buf, EXT), 0);
			assert_int_equal(munmap(buf, EXT), 0);
		}
	}
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/*
 * EAL returns the page of an external buffer to the system: the mbuf still exists and returns to
 * its pool.
 */
static void
external_page_release_keeps_mbuf(void **state)
{
	struct gantry_dma_dev *dev = device("page");
	struct rte_mbuf_ext_shared_info shinfo;
	gantry_dma_addr_t addr;
	unsigned int freed;
	struct rte_mbuf *m;
	uint8_t *buf;

	if (!eal_huge()) {
		gantry_dma_dev_destroy(dev);
		print_message("needs hugepages\n");
		skip();
	}
	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	buf = rte_malloc("external", 80 << 20, 0); /* more than the heap has, and keeps */
	if (buf == NULL) {
		gantry_dma_dev_destroy(dev);
		drop_pool();
		print_message("needs 48 more free hugepages of 2 MB\n");
		skip();
	}
	m = with_buffer(buf + (40 << 20), rte_mem_virt2iova(buf + (40 << 20)), FRAME, &shinfo,
			&freed);
	addr = drv_send(dev, m, 4);
	rte_free(buf);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_FREED_MAPPED), 1);
	drv_complete(dev, m, addr);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(freed, 1);
	assert_true(rte_mempool_full(pool));
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(watching_during_refill_loses_no_mbuf),
		cmocka_unit_test(flush_of_old_cache_is_not_reported),
		cmocka_unit_test(caches_of_idle_lcores_are_emptied),
		cmocka_unit_test(mbufs_freed_by_ended_lcore_are_available),
		cmocka_unit_test(freed_pool_receives_no_late_put),
		cmocka_unit_test(rewatching_accepts_mbufs_in_flight),
		cmocka_unit_test(free_races_with_device_end_safely),
		cmocka_unit_test(external_buffer_misuse_is_reported),
		cmocka_unit_test(external_page_release_keeps_mbuf),
		/* last: the abandoned device remains */
		cmocka_unit_test(abandoned_device_keeps_its_mappings_watched),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
