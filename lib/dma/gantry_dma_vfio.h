/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Mappings in a vfio container that belongs to the driver, for gantry_dma_ops.map and unmap.
 *
 * They use the kernel's own calls, because EAL's (rte_vfio_container_dma_map()) stop at 256
 * mappings, and the kernel at 65,535 (dma_entry_limit of vfio_iommu_type1).
 */

#ifndef GANTRY_DMA_VFIO_H
#define GANTRY_DMA_VFIO_H

#include <errno.h>
#include <sys/ioctl.h>

#include <linux/vfio.h>

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Let the container's devices reach [va, va + len) at bus address iova. Any thread may call it.
 * @param container  from rte_vfio_container_create(), with a group bound to it
 * @param va         page-aligned memory of this process
 * @param iova       bus address
 * @param len        bytes
 * @param dir        which side writes
 * @retval 0        mapped
 * @retval -EEXIST  something is already mapped there
 * @retval -ENOSPC  no more mappings
 * @retval -EINVAL  no direction, or the kernel refuses the arguments
 * @retval -errno   the kernel's ioctl failed
 */
static inline int
gantry_dma_vfio_map(int container, void *va, gantry_dma_addr_t iova, size_t len,
		enum gantry_dma_dir dir)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = (dir != GANTRY_DMA_FROM_DEVICE ? VFIO_DMA_MAP_FLAG_READ : 0) |
				(dir != GANTRY_DMA_TO_DEVICE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)va,
		.iova = iova,
		.size = len,
	};

	if ((unsigned int)dir >= GANTRY_DMA_NONE)
		return -EINVAL;
	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) == 0 ? 0 : -errno;
}

/** End such a mapping. Return 0 or -errno; -ENOENT: the range, or a part of it, was not mapped. */
static inline int
gantry_dma_vfio_unmap(int container, gantry_dma_addr_t iova, size_t len)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = iova,
		.size = len,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) != 0)
		return -errno;
	return unmap.size == len ? 0 : -ENOENT; /* the kernel returns how much it unmapped */
}

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_VFIO_H */
