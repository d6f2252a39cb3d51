/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of mempools that the debug layer cannot watch: the library logs one line, reports nothing
 * about their mbufs, and still watches mappings.
 *
 * This program defines some functions of DPDK itself, which treat a mempool cache as another
 * release might. The library tests DPDK once per process, so each case is a process of its own.
 */

#include "dma_mbufs.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static bool put_stays, get_fills; /* how this DPDK differs */

static struct rte_mempool_cache *
cache_of(struct rte_mempool *mp)
{
	return rte_mempool_default_cache(mp, rte_lcore_id());
}

/* As DPDK does; or a cache keeps what is put, regardless of its flush threshold, as since 26.07. */
void
rte_pktmbuf_free_bulk(struct rte_mbuf **mbufs, unsigned int n)
{
	struct rte_mempool_cache *cache = cache_of(mbufs[0]->pool);
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (put_stays && cache != NULL && cache->len < cache->size)
			cache->objs[cache->len++] = mbufs[i];
		else
			rte_pktmbuf_free(mbufs[i]);
	}
}

/* As DPDK does; or an allocation fails if the cache cannot be filled, as if the pool were empty. */
struct rte_mbuf *
rte_pktmbuf_clone(struct rte_mbuf *md, struct rte_mempool *mp)
{
	struct rte_mempool_cache *cache = cache_of(mp);
	struct rte_mbuf *m;

	if (get_fills)
		return rte_mempool_ops_dequeue_bulk(mp, cache->objs, cache->size) != 0 ?
				NULL :
				cache->objs[0];
	m = rte_pktmbuf_alloc(mp);
	if (m != NULL)
		rte_pktmbuf_attach(m, md);
	return m;
}

/*
 * Announce `pool` twice and another pool once. Return what the library logs; the caller frees it.
 */
static char *
watch_pools(struct gantry_dma_dev *dev, int expected)
{
	struct rte_mempool *other = rte_pktmbuf_pool_create("other", 63, CACHE, 0, 2048,
			SOCKET_ID_ANY);
	char *log = NULL;
	size_t len;
	FILE *f = open_memstream(&log, &len);

	assert_non_null(other);
	assert_non_null(f);
	rte_openlog_stream(f);
	rte_log_set_level_pattern("lib.gantry_dma", RTE_LOG_NOTICE);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), expected);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), expected);
	assert_int_equal(gantry_dma_debug_watch(dev, other), expected);
	rte_log_set_level_pattern("lib.gantry_dma", RTE_LOG_CRIT);
	rte_openlog_stream(NULL);
	fclose(f);
	rte_mempool_free(other);
	return log;
}

static unsigned int
lines_of(const char *log)
{
	unsigned int n = 0;

	while ((log = strchr(log, '\n')) != NULL) {
		log++;
		n++;
	}
	return n;
}

/* A driver and an application that make no mistake, and then one mistake with a mapping. */
static void
use_blindly(struct gantry_dma_dev *dev)
{
	gantry_dma_addr_t addr;
	struct rte_mbuf *m;
	unsigned int i;

	for (i = 0; i < 3 * MBUFS; i++) {
		m = frame();
		drv_complete(dev, m, drv_send(dev, m, 0));
		m = frame();
		rte_pktmbuf_free_bulk(&m, 1);
	}
	assert_int_equal(reports.nr, 0);
	m = frame();
	addr = drv_send(dev, m, 1);
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME - 1, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_WRONG_SIZE);
	rte_pktmbuf_free(m);
}

static void
is_refused(const char *why)
{
	struct gantry_dma_dev *dev;
	char *log;

	make_pool(&kinds[1]);
	dev = device("blind");
	reports_begin();
	log = watch_pools(dev, -ENOTSUP);
	if (lines_of(log) != 1 ||
			strstr(log, "blind: pool 'mbufs': its mbufs are not watched") == NULL ||
			strstr(log, why) == NULL)
		fail_msg("%u lines: %s", lines_of(log), log);
	free(log);
	use_blindly(dev);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

static void
test_put(void **state)
{
	put_stays = true;
	is_refused("mbufs that rte_pktmbuf_free_bulk() puts into a pool stay in a cache, unseen");
}

static void
test_get(void **state)
{
	get_fills = true;
	is_refused("mbufs that rte_pktmbuf_clone() takes from a pool come from a cache, unseen");
}

/*
 * A thread that is no lcore has no cache to test, so the library postpones its test until an lcore
 * calls.
 */
static void *
watch_first(void *dev)
{
	assert_int_equal(rte_lcore_id(), LCORE_ID_ANY);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	return NULL;
}

static void
test_no_lcore(void **state)
{
	struct gantry_dma_dev *dev;
	pthread_t thread;
	char *log;

	make_pool(&kinds[1]);
	dev = device("no_lcore");
	assert_int_equal(pthread_create(&thread, NULL, watch_first, dev), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	gantry_dma_dev_destroy(dev);

	put_stays = true;
	dev = device("blind");
	log = watch_pools(dev, -ENOTSUP);
	assert_int_equal(lines_of(log), 1);
	free(log);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/* This DPDK behaves as the library requires. */
static void
test_sees(void **state)
{
	struct gantry_dma_dev *dev;
	struct rte_mbuf *m;
	char *log;

	make_pool(&kinds[1]);
	dev = device("sees");
	reports_begin();
	log = watch_pools(dev, 0);
	assert_int_equal(lines_of(log), 0);
	free(log);
	m = frame();
	rte_pktmbuf_free_bulk(&m, 1);
	assert_int_equal(reports.nr, 0);
	rte_pktmbuf_free_bulk(&m, 1);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE);
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/*
 * While a secondary process is attached, the library refuses to watch, because that process would
 * call mempool operations that it does not have. After the process has gone, the library watches.
 */
static void
test_secondary(void **state)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const char *dir = rte_eal_get_runtime_dir();
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct gantry_dma_dev *dev;
	bool made;
	char *log;

	made = mkdir(dir, 0700) == 0;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.80s/mp_socket_1_2", dir);
	unlink(addr.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	make_pool(&kinds[1]);
	dev = device("shared");
	log = watch_pools(dev, -EBUSY);
	if (lines_of(log) != 3 || strstr(log, "a secondary process is attached") == NULL)
		fail_msg("%u lines: %s", lines_of(log), log);
	free(log);
	close(fd);
	log = watch_pools(dev, 0);
	assert_int_equal(lines_of(log), 0);
	free(log);
	gantry_dma_dev_destroy(dev);
	drop_pool();
	unlink(addr.sun_path);
	if (made)
		rmdir(dir);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_get),
		cmocka_unit_test(test_no_lcore),
		cmocka_unit_test(test_sees),
		cmocka_unit_test(test_secondary),
	};
	char prefix[64], *eal[] = { "no-huge", "no-huge" };

	if (argc != 2) {
		printf("usage: %s CASE\n", argv[0]);
		return 2;
	}
	/* Cases that run concurrently need a directory each. */
	snprintf(prefix, sizeof(prefix), "blind-%s", argv[1]);
	eal_start(2, eal, "--file-prefix", prefix, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
