/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Pools of small coherent blocks of one size: descriptors, commands, and other structures that are
 * too small for gantry_dma_alloc_coherent(), whose smallest block is a page.
 *
 * The semantics are those of the kernel's dma_pool (DMA-API, "Part Ib - small DMA-coherent
 * buffers").
 *
 * Thread safety: create and destroy belong to one thread. Any thread of the process that made the
 * pool may allocate and free.
 */

#ifndef GANTRY_DMA_POOL_H
#define GANTRY_DMA_POOL_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A pool. The caller that made it owns it; its memory belongs to the device. */
struct gantry_dma_pool;

/**
 * Make a pool. The kernel's dma_pool_create().
 *
 * @param name      for messages; copied
 * @param dev       the device; its coherent mask and NUMA node apply to the blocks
 * @param size      of a block, in bytes, not 0; rounded up to a multiple of @p align
 * @param align     of a block, in both addresses: a power of two, or 0 for none
 * @param boundary  distance in bytes of the bus addresses that no block crosses: a power of two not
 *   less than the rounded @p size; or 0 for none
 * @return the pool; NULL with rte_errno: EINVAL; ENOMEM
 */
struct gantry_dma_pool *gantry_dma_pool_create(const char *name, struct gantry_dma_dev *dev,
		size_t size, size_t align, size_t boundary);
/**
 * Destroy a pool. The kernel's dma_pool_destroy().
 *
 * The library reports blocks that are still in use. They remain usable until the device is
 * destroyed.
 * @param pool  the pool; NULL is allowed
 */
void gantry_dma_pool_destroy(struct gantry_dma_pool *pool);

/**
 * Allocate a block with undefined content. The kernel's dma_pool_alloc().
 * @param pool    the pool
 * @param handle  [out] its bus address
 * @return the block; NULL with rte_errno as from gantry_dma_alloc_coherent()
 */
void *gantry_dma_pool_alloc(struct gantry_dma_pool *pool, gantry_dma_addr_t *handle);
/**
 * Allocate a zeroed block. The kernel's dma_pool_zalloc().
 * @param pool    the pool
 * @param handle  [out] its bus address
 * @return as from gantry_dma_pool_alloc()
 */
void *gantry_dma_pool_zalloc(struct gantry_dma_pool *pool, gantry_dma_addr_t *handle);
/**
 * Free a block. The kernel's dma_pool_free().
 *
 * If this pool has no block in use with these addresses, the library reports that and does nothing
 * else.
 * @param pool      the pool
 * @param cpu_addr  the block; NULL is allowed
 * @param handle    its bus address, as returned by the allocation
 */
void gantry_dma_pool_free(struct gantry_dma_pool *pool, void *cpu_addr, gantry_dma_addr_t handle);

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_POOL_H */
