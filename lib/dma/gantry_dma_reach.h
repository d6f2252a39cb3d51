/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * What a device may reach right now, for people: gantry_dma_for_each_mapping() with the
 * thousand mappings of one place in a driver as one.
 *
 * Telemetry: /gantry/dma/reach lists the process' devices, /gantry/dma/reach,DEVICE shows one:
 * its mode and mask, and an array for each of the members below.
 *
 * Thread safety: any thread.
 */

#ifndef GANTRY_DMA_REACH_H
#define GANTRY_DMA_REACH_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Mappings of one kind and direction that were made by one place in a program; of EAL's memory,
 * and bounce buffers, a piece that is contiguous in bus and CPU addresses.
 */
struct gantry_dma_reach_group {
	enum gantry_dma_reach reach; /**< why */
	enum gantry_dma_dir dir;     /**< who writes */
	gantry_dma_addr_t first;     /**< the lowest bus address */
	gantry_dma_addr_t last;      /**< the highest; between them may be what isn't reachable */
	const void *cpu;             /**< where the CPU has the lowest */
	uint64_t bytes;              /**< in all, without what else is in the pages */
	unsigned int nr;             /**< how many mappings */
	uint64_t oldest_ms;          /**< for how long the oldest exists; UINT64_MAX: not known */
	uint64_t youngest_ms;        /**< and the youngest */
	/**
	 * Who mapped it: "function+0x12 (file)"; or the layer that did; or "unknown". Valid during
	 * the call.
	 */
	const char *by;
};

/** Calls fn for each group, by ascending lowest address; as gantry_dma_for_each_mapping(). */
void gantry_dma_for_each_group(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_reach_group *group), void *arg);
/** "memory", "buffer", "coherent", "BAR", "unknown". */
const char *gantry_dma_reach_name(enum gantry_dma_reach reach);
/** What the device may do: "r", "w", "rw". */
const char *gantry_dma_access_name(enum gantry_dma_dir dir);

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_REACH_H */
