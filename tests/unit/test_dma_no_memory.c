/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of lib/dma and of the debug layer when memory runs out. The linker replaces the functions
 * that allocate (--wrap). A case repeats the life of a device, and the first, second, ...
 * allocation of its thread fails, until none is left that could; then likewise with the calls that
 * map on the bus. Each life must leave nothing behind: no memory of the C library or of EAL, no
 * mapping, no file descriptor, no mapping of the bus.
 */

#include "dma_bus.h"

#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#define FAILING_COUNTER __thread long

#include "../common/fds.h"
#include "failing.h"
#include "gantry_dma_debug.h"
#include "gantry_dma_pool.h"
#include "gantry_dma_reach.h"

static __thread long mapped; /* bytes that are mapped */

WRAP(void *, mmap64, void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p = fails() ? MAP_FAILED : __real_mmap64(addr, len, prot, flags, fd, offset);

	if (p != MAP_FAILED && (flags & MAP_FIXED) == 0)
		mapped += len;
	return p;
}

WRAP(int, munmap, void *addr, size_t len)
{
	mapped -= len;
	return __real_munmap(addr, len);
}

WRAP(int, memfd_create, const char *name, unsigned int flags)
{
	return fails() ? -1 : __real_memfd_create(name, flags);
}

WRAP(void *, rte_zmalloc, const char *type, size_t size, unsigned int align)
{
	return fails() ? NULL : __real_rte_zmalloc(type, size, align);
}

WRAP(const struct rte_memzone *, rte_memzone_reserve_aligned, const char *name, size_t len,
		int socket_id, unsigned int flags, unsigned int align)
{
	return eal_fails() ? NULL :
			     __real_rte_memzone_reserve_aligned(name, len, socket_id, flags, align);
}

WRAP(struct rte_mempool *, rte_mempool_create_empty, const char *name, unsigned int n,
		unsigned int size, unsigned int cache, unsigned int private_size, int socket_id,
		unsigned int flags)
{
	return eal_fails() ? NULL :
			     __real_rte_mempool_create_empty(name, n, size, cache, private_size,
					     socket_id, flags);
}

WRAP(int, rte_mempool_populate_default, struct rte_mempool *mp)
{
	return fails() ? -ENOMEM : __real_rte_mempool_populate_default(mp);
}

WRAP(int, rte_mem_event_callback_register, const char *name, rte_mem_event_callback_t fn, void *arg)
{
	return eal_fails() ? -1 : __real_rte_mem_event_callback_register(name, fn, arg);
}

/* The page table is the test's own: only allocations of the library fail. */
static int
page_table(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries)
{
	const unsigned int saved = left;
	int ret;

	left = 0;
	ret = bus_page_table(opaque, base, nr, entries);
	left = saved;
	return ret;
}

static const struct gantry_dma_ops with_table = {
	.name = "bus",
	.any_memory = true,
	.map = bus_map,
	.unmap = bus_unmap,
	.claim = bus_claim,
	.page_table = page_table,
};

/* The resources in use. */
struct usage {
	long live, mapped;
	int fds;
	unsigned int eal;
};

static struct usage
usage(void)
{
	struct usage u = { live, mapped, count_fds(), 0 };
	struct rte_malloc_socket_stats heap;
	unsigned int i;

	for (i = 0; i < rte_socket_count(); i++)
		if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &heap) == 0)
			u.eal += heap.alloc_count;
	return u;
}

static void
assert_usage(const struct usage *before, const char *name, unsigned int nr)
{
	const struct usage now = usage();

	if (now.live != before->live || now.mapped != before->mapped || now.fds != before->fds ||
			now.eal != before->eal)
		fail_msg("%s: allocation %u failed: %ld allocations, %ld bytes mapped, "
			 "%d descriptors, %d allocations of EAL are left",
				name, nr, now.live - before->live, now.mapped - before->mapped,
				now.fds - before->fds, (int)(now.eal - before->eal));
}

struct life {
	const char *name;
	const struct gantry_dma_ops *ops;
	enum gantry_dma_mode_id mode;
	unsigned int bits; /* of the mask */
	uint32_t slots;    /* of bounce buffers, in each class; 0: the default */
	unsigned int maps; /* at one time */
	bool leaks;        /* the driver ends without what it has to unmap and free */
};

/* Return false, and assert that the library gives a reason, if a call failed. */
static bool
check(bool good)
{
	if (!good)
		assert_reason(bus.fail_at == 0 ? "memory" : "No space left");
	return good;
}

static void
count_bytes(void *arg, const struct gantry_dma_reach_group *g)
{
	*(uint64_t *)arg += g->bytes;
}

/* EIO: the mode did not start, or the bus refused. */
static void
assert_block_error(void)
{
	assert_true(rte_errno == (bus.fail_at == 0 ? ENOMEM : ENOSPC) || rte_errno == EIO);
}

static bool
use_pool(const struct life *l, struct gantry_dma_dev *dev)
{
	struct gantry_dma_pool *pool = gantry_dma_pool_create("pool", dev, 64, 0, 0);
	gantry_dma_addr_t addr;
	void *p;

	if (!check(pool != NULL)) {
		assert_int_equal(rte_errno, ENOMEM);
		return false;
	}
	p = gantry_dma_pool_zalloc(pool, &addr);
	if (check(p != NULL)) {
		assert_bytes(p, 0, 64);
		if (!l->leaks)
			gantry_dma_pool_free(pool, p, addr);
	} else {
		assert_block_error();
	}
	if (!l->leaks)
		gantry_dma_pool_destroy(pool);
	return p != NULL;
}

static bool
use_device(const struct life *l, struct gantry_dma_dev *dev, uint8_t *buf)
{
	static gantry_dma_addr_t addr[8192];
	gantry_dma_addr_t block_addr;
	bool good = true;
	unsigned int i, n;
	uint64_t bytes = 0;
	void *block;

	for (n = 0; n < l->maps; n++) {
		addr[n] = gantry_dma_map_single(dev, buf, 256, GANTRY_DMA_TO_DEVICE);
		if (gantry_dma_mapping_error(dev, addr[n]))
			break;
	}
	good &= check(n == l->maps);
	gantry_dma_for_each_group(dev, count_bytes, &bytes);
	for (i = l->leaks ? n / 2 : 0; i < n; i++)
		gantry_dma_unmap_single(dev, addr[i], 256, GANTRY_DMA_TO_DEVICE);
	block = gantry_dma_alloc_coherent(dev, 5000, &block_addr, SOCKET_ID_ANY);
	if (check(block != NULL)) {
		assert_bytes(block, 0, 5000);
		if (!l->leaks)
			gantry_dma_free_coherent(dev, 5000, block, block_addr);
	} else {
		assert_block_error();
		good = false;
	}
	return good & use_pool(l, dev);
}

static unsigned int bus_calls; /* in the last life */

/* A device lives and ends. Return false if any call failed. */
static bool
live_once(const struct life *l, enum gantry_dma_debug_level debug, uint8_t *buf)
{
	const struct gantry_dma_params p = {
		.name = l->name,
		.socket_id = SOCKET_ID_ANY,
		.ops = l->ops,
		.mode = l->mode,
		.has_iommu = l->ops->map != NULL,
		.debug = debug,
		.bounce_slots = { l->slots, l->slots, l->slots, l->slots },
	};
	struct gantry_dma_dev *dev;
	bool good;
	int ret;

	dev = gantry_dma_dev_create(&p);
	if (!check(dev != NULL)) {
		assert_int_equal(rte_errno, ENOMEM);
		return false;
	}
	ret = gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(l->bits));
	good = check(ret == 0);
	assert_true(ret == 0 || ret == -EIO || ret == (bus.fail_at == 0 ? -ENOMEM : -ENOSPC));
	good &= use_device(l, dev, buf);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);
	bus_calls = bus.calls;
	bus_reset();
	assert_int_equal(gantry_dma_debug_live(NULL), 0);
	return good;
}

static void
ignore(void *arg, const struct gantry_dma_error *e)
{
}

static void
live_without_memory(const struct life *l, enum gantry_dma_debug_level debug)
{
	uint8_t *buf = rte_zmalloc("test", 4096, 4096);
	unsigned int nr, failed = 0, used;
	struct usage before;
	bool good;

	assert_non_null(buf);
	gantry_dma_debug_handler(ignore, NULL);
	/* Some of what the first lives allocate stays, such as the last reports. */
	for (nr = 0; nr < (l->leaks ? 32 : 2); nr++)
		assert_true(live_once(l, debug, buf));
	before = usage();
	assert_true(live_once(l, debug, buf));
	assert_usage(&before, l->name, 0);
	for (nr = 1; failed < nr; nr++) {
		left = nr;
		good = live_once(l, debug, buf);
		used = left;
		left = 0;
		assert_usage(&before, l->name, nr);
		if (used != 0) {
			assert_true(good);
			break;
		}
		failed++;
		/* The next device is not affected. */
		assert_true(live_once(l, debug, buf));
		assert_usage(&before, l->name, nr);
	}
	assert_true(failed > 3);
	rte_free(buf);
}

/* The first: what a thread keeps of bus addresses stays until the thread ends. */
static const struct life lives[] = {
	{ "strict", &with_table, GANTRY_DMA_MODE_STRICT, 64, 0, 3, false },
	{ "direct", &bus_without, GANTRY_DMA_MODE_DIRECT, 64, 0, 3, false },
	{ "window", &bus_with_files, GANTRY_DMA_MODE_WINDOW, 64, 0, 3, false },
	{ "narrow", &bus_with_files, GANTRY_DMA_MODE_WINDOW, 24, 0, 3, false },
	{ "calls", &bus_any_memory, GANTRY_DMA_MODE_STRICT, 64, 0, 3, false },
	{ "files", &bus_with_files, GANTRY_DMA_MODE_BOUNCE, 64, 32, 3, false },
	{ "eal", &bus_without, GANTRY_DMA_MODE_BOUNCE, 64, 32, 3, false },
	{ "leaks", &with_table, GANTRY_DMA_MODE_STRICT, 64, 0, 6, true },
};

static void
device_without_memory(void **state)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(lives); i++)
		live_without_memory(&lives[i], GANTRY_DMA_DEBUG_OFF);
}

static void
watched_device_without_memory(void **state)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(lives); i++)
		live_without_memory(&lives[i], GANTRY_DMA_DEBUG_ON);
}

static void
device_on_a_bus_that_refuses(void **state)
{
	uint8_t *buf = rte_zmalloc("test", 4096, 4096);
	const struct life *l;
	struct usage before;
	unsigned int nr;
	bool good;

	assert_non_null(buf);
	for (l = lives; l < &lives[RTE_DIM(lives)]; l++) {
		assert_true(live_once(l, GANTRY_DMA_DEBUG_OFF, buf));
		before = usage();
		for (nr = 1;; nr++) {
			bus.fail_at = nr;
			good = live_once(l, GANTRY_DMA_DEBUG_OFF, buf);
			assert_usage(&before, l->name, nr);
			if (bus_calls < nr)
				break;
			assert_true(live_once(l, GANTRY_DMA_DEBUG_OFF, buf));
			assert_usage(&before, l->name, nr);
		}
		assert_true(good);
		assert_true(nr > 1 || l->ops->map == NULL || l->ops == &with_table);
	}
	rte_free(buf);
}

/* A pool that cannot be watched now can be watched later. */
static void
watched_pool_without_memory(void **state)
{
	const struct gantry_dma_params p = {
		.name = "watch",
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_DIRECT,
		.debug = GANTRY_DMA_DEBUG_ON,
	};
	struct rte_mempool *pool = rte_pktmbuf_pool_create("mbufs", 31, 0, 0, 256, SOCKET_ID_ANY);
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);
	unsigned int nr;
	int ret = -1;

	assert_non_null(pool);
	assert_non_null(dev);
	for (nr = 1; ret != 0; nr++) {
		assert_true(nr < 10);
		left = nr;
		ret = gantry_dma_debug_watch(dev, pool);
		left = 0;
		if (ret == -ENOTSUP) {
			assert_reason("out of memory; nor are other pools");
		} else if (ret != 0) {
			assert_int_equal(ret, -ENOMEM);
			assert_reason("pool 'mbufs': its mbufs are not watched, mappings are: "
				      "Cannot allocate memory");
		}
	}
	assert_true(nr > 3);
	gantry_dma_dev_destroy(dev);
	rte_mempool_free(pool);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_without_memory),
		cmocka_unit_test(watched_device_without_memory),
		cmocka_unit_test(device_on_a_bus_that_refuses),
		cmocka_unit_test(watched_pool_without_memory),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	return cmocka_run_group_tests_name("dma_no_memory", tests, NULL, NULL);
}
