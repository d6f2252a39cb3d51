/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Fixtures for the tests of mbufs under the debug layer: a driver of a few lines that makes no
 * mistake, mempools of each kind, and a device with the debug layer on.
 *
 *     drv_post()  --> the device may write --> drv_deliver()   --> the application frees
 *     drv_send()  --> the device may read  --> drv_complete()  frees the mbuf
 */

#ifndef DMA_MBUFS_H
#define DMA_MBUFS_H

#define EAL_LCORES "0,1@0" /* two lcores on one CPU: they need not run concurrently */
#include "dma_device.h"

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memzone.h>
#include <rte_mempool.h>

#include "dma_reports.h"

#define MBUFS 255
#define CACHE 32
#define FRAME 200

static struct rte_mempool *pool;

/*
 * The driver. Each function is marked HERE, because reports must name it.
 */

static __rte_unused HERE gantry_dma_addr_t
drv_post(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint16_t desc)
{
	gantry_dma_addr_t addr;

	gantry_dma_debug_context('r', 1, desc);
	addr = gantry_dma_map_mbuf(dev, m, RTE_PKTMBUF_HEADROOM, FRAME, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	return addr;
}

static __rte_unused HERE void
drv_deliver(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr)
{
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_reset(m);
	assert_non_null(rte_pktmbuf_append(m, FRAME));
}

static __rte_unused HERE gantry_dma_addr_t
drv_send(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint16_t desc)
{
	gantry_dma_addr_t addr;

	gantry_dma_debug_context('t', 2, desc);
	addr = gantry_dma_map_mbuf(dev, m, m->data_off, m->data_len, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	return addr;
}

static __rte_unused HERE void
drv_complete(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr)
{
	gantry_dma_unmap_mbuf(dev, m, addr, m->data_len, GANTRY_DMA_TO_DEVICE);
	rte_pktmbuf_free_seg(m);
}

/** Allocate an mbuf with FRAME bytes of data. */
static inline __attribute__((always_inline)) struct rte_mbuf *
frame(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	char *data;

	assert_non_null(m);
	data = rte_pktmbuf_append(m, FRAME);
	assert_non_null(data);
	memset(data, 0x5A, FRAME);
	return m;
}

/*
 * Pools.
 */

struct kind {
	const char *ops; /* mempool operations; NULL: DPDK's default */
	unsigned int cache;
	bool pinned; /* each mbuf has an external buffer for life */
};

static const struct kind kinds[] = {
	{ .ops = "ring_mp_mc" },
	{ .ops = "ring_mp_mc", .cache = CACHE },
	{ .ops = "stack", .cache = CACHE },
	{ .ops = "ring_sp_sc" },
	{ .cache = CACHE, .pinned = true },
};

/* The buffers of a pool of pinned external buffers; NULL: the pool is of another kind. */
static const struct rte_memzone *pinned_zone;

static inline void
make_pinned_pool(const struct kind *k)
{
	const uint16_t size = 2048;
	struct rte_pktmbuf_extmem mem = { .elt_size = size, .buf_len = (size_t)size * MBUFS };

	pinned_zone = rte_memzone_reserve_aligned("pinned", mem.buf_len, SOCKET_ID_ANY,
			RTE_MEMZONE_IOVA_CONTIG, 4096);
	assert_non_null(pinned_zone);
	mem.buf_ptr = pinned_zone->addr;
	mem.buf_iova = pinned_zone->iova;
	pool = rte_pktmbuf_pool_create_extbuf("mbufs", MBUFS, k->cache, 0, size, SOCKET_ID_ANY,
			&mem, 1);
}

/** Create `pool` as k describes it, with mbufs in the cache of the calling lcore. */
static inline void
make_pool(const struct kind *k)
{
	struct rte_mbuf *m[CACHE];

	if (k->pinned)
		make_pinned_pool(k);
	else
		pool = rte_pktmbuf_pool_create_by_ops("mbufs", MBUFS, k->cache, 0, 2048,
				SOCKET_ID_ANY, k->ops);
	assert_non_null(pool);
	/* Fill the mempool cache of this lcore. */
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, RTE_DIM(m)), 0);
	rte_pktmbuf_free_bulk(m, RTE_DIM(m));
}

/** Assert that each mbuf is in the pool, and free the pool. */
static inline void
drop_pool(void)
{
	assert_true(rte_mempool_full(pool));
	rte_mempool_free(pool);
	if (pinned_zone != NULL)
		rte_memzone_free(pinned_zone);
	pinned_zone = NULL;
	pool = NULL;
}

/** Create a device in direct mode with the debug layer on and a mask of 64 bits. */
static inline struct gantry_dma_dev *
device(const char *name)
{
	struct gantry_dma_params p = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_DIRECT,
		.debug = GANTRY_DMA_DEBUG_ON,
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	return dev;
}

/** Move eight mbufs of the pool into the mempool cache of the lcore that runs this function. */
static inline int
use_cache(void *arg)
{
	struct rte_mbuf *m[8];

	if (rte_pktmbuf_alloc_bulk(pool, m, 8) != 0)
		return -1;
	rte_pktmbuf_free_bulk(m, 8);
	return 0;
}

#endif /* DMA_MBUFS_H */
