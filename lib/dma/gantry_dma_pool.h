/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Pools of small coherent blocks of one size: descriptors, commands, what is too
 * small for gantry_dma_alloc_coherent(), whose smallest block is a page.
 *
 * Semantics of the kernel's dma_pool (DMA-API, "Part Ib - small DMA-coherent buffers").
 *
 * Thread safety: create and destroy belong to one thread, alloc and free may be called
 * from any, in the process that made the pool.
 */

#ifndef GANTRY_DMA_POOL_H
#define GANTRY_DMA_POOL_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A pool. It belongs to whoever made it, and its memory to the device. */
struct gantry_dma_pool;

/**
 * Makes a pool. The kernel's dma_pool_create().
 *
 * @param name      for messages; copied
 * @param dev       the device; its coherent mask and NUMA node count for the blocks
 * @param size      of a block, in bytes, not 0; rounded up to a multiple of @p align
 * @param align     of a block, in both addresses: a power of two, or 0 for none
 * @param boundary  bus addresses that no block crosses: every so many bytes, a power of two
 *   not less than the rounded @p size; or 0 for none
 * @return NULL with rte_errno: EINVAL; ENOMEM
 */
struct gantry_dma_pool *gantry_dma_pool_create(const char *name, struct gantry_dma_dev *dev,
		size_t size, size_t align, size_t boundary);
/**
 * Ends it. The kernel's dma_pool_destroy(). Blocks that are still in use are reported, and
 * stay usable until the device is destroyed. NULL is allowed.
 */
void gantry_dma_pool_destroy(struct gantry_dma_pool *pool);

/**
 * Takes a block; what is in it is whatever its last user left. The kernel's dma_pool_alloc().
 * @param pool    the pool
 * @param handle  [out] its bus address
 * @return NULL with rte_errno as from gantry_dma_alloc_coherent()
 */
void *gantry_dma_pool_alloc(struct gantry_dma_pool *pool, gantry_dma_addr_t *handle);
/** The same, zeroed. The kernel's dma_pool_zalloc(). */
void *gantry_dma_pool_zalloc(struct gantry_dma_pool *pool, gantry_dma_addr_t *handle);
/**
 * Gives a block back; @p handle as from the allocation. The kernel's dma_pool_free(). What is
 * no block of this pool in use with this bus address is reported, and nothing else
 * happens. NULL is allowed.
 */
void gantry_dma_pool_free(struct gantry_dma_pool *pool, void *cpu_addr, gantry_dma_addr_t handle);

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_POOL_H */
