/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The operations that lib/dma needs of this bus, for gantry_dma_params.ops, with the device as
 * gantry_dma_params.opaque. All of them are in this header, for drivers: the bus does not know
 * lib/dma, and lib/dma does not know the bus.
 */

#ifndef VFIO_USER_DMA_OPS_H
#define VFIO_USER_DMA_OPS_H

#include <assert.h>

#include <gantry_dma.h>

#include "bus_vfio_user_driver.h"

/** @cond */
static_assert(GANTRY_DMA_PTE_READ == RTE_VFIO_USER_DMA_READ &&
				GANTRY_DMA_PTE_WRITE == RTE_VFIO_USER_DMA_WRITE,
		"one page table entry, two names");

/* Return the permission of the device on memory that is mapped in that direction. */
static inline uint32_t
vfio_user_dma_prot(enum gantry_dma_dir dir)
{
	switch (dir) {
	case GANTRY_DMA_TO_DEVICE:
		return RTE_VFIO_USER_DMA_READ;
	case GANTRY_DMA_FROM_DEVICE:
		return RTE_VFIO_USER_DMA_WRITE;
	case GANTRY_DMA_BIDIRECTIONAL:
		return RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE;
	default:
		return 0; /* the bus refuses this value */
	}
}

static inline int
vfio_user_dma_ops_map(void *dev, void *va, gantry_dma_addr_t iova, size_t len,
		enum gantry_dma_dir dir)
{
	return rte_vfio_user_dma_map(dev, va, iova, len, vfio_user_dma_prot(dir));
}

static inline int
vfio_user_dma_ops_map_fd(void *dev, struct gantry_dma_file file, void *va, gantry_dma_addr_t iova,
		size_t len, enum gantry_dma_dir dir)
{
	const struct rte_vfio_user_dma_file f = { .fd = file.fd, .offset = file.offset };

	return rte_vfio_user_dma_map_fd(dev, f, va, iova, len, vfio_user_dma_prot(dir));
}

static inline int
vfio_user_dma_ops_unmap(void *dev, void *va, gantry_dma_addr_t iova, size_t len)
{
	return rte_vfio_user_dma_unmap(dev, va, iova, len);
}

static inline int
vfio_user_dma_ops_claim(void *dev)
{
	return rte_vfio_user_dma_claim(dev);
}

static inline int
vfio_user_dma_ops_page_table(void *dev, gantry_dma_addr_t base, size_t nr, uint64_t **entries)
{
	return rte_vfio_user_dma_page_table(dev, base, nr, entries);
}
/** @endcond */

/** The page table of the device is an IOMMU: with these, gantry_dma_params.has_iommu is true. */
static const struct gantry_dma_ops vfio_user_dma_ops = {
	.name = "vfio-user",
	.map = vfio_user_dma_ops_map,
	.map_fd = vfio_user_dma_ops_map_fd,
	.unmap = vfio_user_dma_ops_unmap,
	.claim = vfio_user_dma_ops_claim,
	.page_table = vfio_user_dma_ops_page_table,
};

#endif /* VFIO_USER_DMA_OPS_H */
