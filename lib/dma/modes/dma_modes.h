/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The modes, for gantry_dma.c and for each other.
 */

#ifndef DMA_MODES_H
#define DMA_MODES_H

#include "dma_demand.h"

/** The state of the modes of a device, in dma_device.mode_state. */
struct dma_mode_state {
	struct dma_demand demand;  /* strict, window: mappings made one by one */
	struct dma_window *window; /* window: EAL memory in the window */
	struct dma_bounce *bounce; /* bounce: slots */
};

static inline struct dma_mode_state *
dma_mode_state(const struct gantry_dma_dev *dev)
{
	return (struct dma_mode_state *)((struct dma_device *)(uintptr_t)dev)->mode_state;
}

/**
 * The addresses at which an x86 machine takes writes as interrupts, with or without an IOMMU (Intel
 * SDM volume 3, "Message Address Register Format"; AMD I/O Virtualization, "Interrupt Address
 * Range").
 */
#define DMA_MSI_FIRST UINT64_C(0xFEE00000)
#define DMA_MSI_LEN   UINT64_C(0x100000)

/** Start the requested mode, or wait for the mask that starts it. */
void dma_mode_begin(struct gantry_dma_dev *dev);
/**
 * Start a mode for memory that a mask does not reach. AUTO tries window, then bounce.
 * @param mask    the mask for streaming mappings
 * @param beyond  the mask that EAL memory exceeds: the same, or the narrower one for coherent
 *   memory
 */
int dma_choose(struct gantry_dma_dev *dev, uint64_t mask, uint64_t beyond);

extern const struct gantry_dma_mode dma_direct_mode;
/** The mode of a device that waits for a mask: dma_choose.c. */
extern const struct gantry_dma_mode dma_waiting_mode;
/** Start a mode within the mask. Return 0, or -errno with the reason. */
int dma_window_start(struct gantry_dma_dev *dev, uint64_t mask);
int dma_strict_start(struct gantry_dma_dev *dev, uint64_t mask);
int dma_bounce_start(struct gantry_dma_dev *dev, uint64_t mask);

/**
 * Make the bus take its own mappings away, unless it already has. Return 0, or -errno with the
 * reason.
 */
int dma_claim(struct gantry_dma_dev *dev);
/** Return whether the bus can do that; if not, with the reason. */
bool dma_can_claim(struct gantry_dma_dev *dev);
/** Call ops->map with the EAL memory lock held. */
int dma_bus_map(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len,
		enum gantry_dma_dir dir);
/** Call ops->unmap likewise; log a failure. */
int dma_bus_unmap(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len);

#endif /* DMA_MODES_H */
