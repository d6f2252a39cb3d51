/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * A readable report of what a device can reach right now: gantry_dma_for_each_mapping(), with the
 * thousand mappings of one place in a driver as one group.
 *
 * Telemetry: /gantry/dma/reach lists the devices of the process. /gantry/dma/reach,DEVICE shows one
 * device: its mode and mask, and an array for each of the members below.
 *
 * Thread safety: any thread may call these functions.
 */

#ifndef GANTRY_DMA_REACH_H
#define GANTRY_DMA_REACH_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Mappings of one kind and direction that one place in a program made. For EAL memory and bounce
 * buffers, a group is a range that is contiguous in bus and CPU addresses.
 */
struct gantry_dma_reach_group {
	enum gantry_dma_reach reach; /**< why */
	enum gantry_dma_dir dir;     /**< which side writes */
	gantry_dma_addr_t first;     /**< the lowest bus address */
	gantry_dma_addr_t last;      /**< the highest; addresses in between may be unreachable */
	const void *cpu;             /**< CPU address of the lowest */
	uint64_t bytes;              /**< total, without other data in the same pages */
	unsigned int nr;             /**< number of mappings */
	uint64_t oldest_ms;          /**< age of the oldest; UINT64_MAX: unknown */
	uint64_t youngest_ms;        /**< age of the youngest */
	/**
	 * The code that mapped it: "function+0x12 (file)"; or the layer that did; or "unknown".
	 * Valid during the call.
	 */
	const char *by;
};

/**
 * Call fn for each group, by ascending lowest address. The rules for fn are those of
 * gantry_dma_for_each_mapping().
 * @param dev  the device
 * @param fn   the function to call
 * @param arg  passed to @p fn
 */
void gantry_dma_for_each_group(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_reach_group *group), void *arg);
/** Return the name: "memory", "buffer", "coherent", "BAR", "unknown". */
const char *gantry_dma_reach_name(enum gantry_dma_reach reach);
/** Return the accesses that the device may make: "r", "w", "rw". */
const char *gantry_dma_access_name(enum gantry_dma_dir dir);

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_REACH_H */
