/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The choice of a mode: by name, by a mask, or at the first mapping.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dma_modes.h"

static const char *const mode_names[] = {
	[GANTRY_DMA_MODE_AUTO] = "auto",
	[GANTRY_DMA_MODE_DIRECT] = "direct",
	[GANTRY_DMA_MODE_WINDOW] = "window",
	[GANTRY_DMA_MODE_STRICT] = "strict",
	[GANTRY_DMA_MODE_BOUNCE] = "bounce",
};

/*
 * Start a mode for memory that a mask does not reach. AUTO tries window, then bounce.
 * @param mask    the mask for streaming mappings
 * @param beyond  the mask that EAL memory exceeds: the same, or the narrower one for coherent
 *   memory
 */
int
dma_choose(struct gantry_dma_dev *dev, uint64_t mask, uint64_t beyond)
{
	struct dma_device *d = dma_device(dev);
	const char *coherent = beyond == mask ? "" : " for coherent memory";
	const uint64_t last = dma_highest_address();
	char no_window[160], no_bounce[160];

	if (d->params.mode == GANTRY_DMA_MODE_DIRECT) {
		dma_fail("%s: the device drives %u address bits%s, but EAL memory reaches up to "
			 "bus address 0x%" PRIx64 ", which takes %u; %s",
				d->name, dma_bits(beyond), coherent, last, dma_bits(last),
				rte_eal_iova_mode() == RTE_IOVA_VA ?
						"start with --iova-mode=pa, or with "
						"--base-virtaddr low enough" :
						"nothing translates in between (start with "
						"--iova-mode=va if something does)");
		return -EIO;
	}
	if (!TAILQ_EMPTY(&d->blocks) || !TAILQ_EMPTY(&d->resources)) {
		dma_fail("%s: EAL memory reaches up to bus address 0x%" PRIx64 ", the device "
			 "drives %u address bits%s; but there are coherent blocks, or BARs mapped, "
			 "in direct mode: the mask comes first",
				d->name, last, dma_bits(beyond), coherent);
		return -EIO;
	}
	if (dma_window_start(dev, mask) == 0)
		return 0;
	dma_reason(dev, no_window, sizeof(no_window));
	/* Bounce buffers help coherent memory only if they reside below its mask. */
	if (dma_bounce_start(dev, RTE_MIN(mask, beyond)) == 0)
		return 0;
	dma_reason(dev, no_bounce, sizeof(no_bounce));
	dma_fail("%s: the device drives %u address bits%s, but EAL memory reaches up to bus "
		 "address 0x%" PRIx64 ", which takes %u; no window: %s; no bounce buffers: %s",
			d->name, dma_bits(beyond), coherent, last, dma_bits(last), no_window,
			no_bounce);
	/* One of the modes took the bus mappings away from the device, permanently. */
	if (d->claimed || d->entries != NULL)
		dma_set_mode(dev, d->waiting);
	return -EIO;
}

static int
start_mode(struct gantry_dma_dev *dev, enum gantry_dma_mode_id mode, uint64_t mask)
{
	switch (mode) {
	case GANTRY_DMA_MODE_AUTO:
		return dma_choose(dev, mask, mask);
	case GANTRY_DMA_MODE_WINDOW:
		return dma_window_start(dev, mask);
	case GANTRY_DMA_MODE_STRICT:
		return dma_strict_start(dev, mask);
	case GANTRY_DMA_MODE_BOUNCE:
		return dma_bounce_start(dev, mask);
	default:
		return -EINVAL;
	}
}

/*
 * A requested mode that waits for a mask. If the driver sets no mask, the first mapping or
 * allocation starts the mode with the default of 32 bits, like the kernel's. A device also waits if
 * the bus took its mappings away before a mode failed to start: it cannot return to direct mode.
 */

static int
start_waiting(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	int ret = 0;

	dma_devices_lock();
	if (d->base == d->waiting)
		ret = start_mode(dev, d->params.mode, d->mask);
	dma_devices_unlock();
	return ret;
}

static gantry_dma_addr_t
wait_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	if (start_waiting(dev) != 0)
		return GANTRY_DMA_MAPPING_ERROR;
	return dma_base_map(dev, ptr, size, dir, attrs, site);
}

static void
wait_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	dma_misuse(dev, "unmapping", addr, size, "nothing was mapped there");
}

static gantry_dma_addr_t
wait_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	if (start_waiting(dev) != 0)
		return GANTRY_DMA_MAPPING_ERROR;
	return dma_base_map_resource(dev, va, phys, size, dir, site);
}

static int
wait_alloc_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask)
{
	int ret = start_waiting(dev);

	if (ret != 0)
		return ret;
	return dma_block_alloc(dev, b, size, align, socket_id, mask);
}

static int
wait_set_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	int ret = start_mode(dev, d->params.mode, mask);

	if (ret != 0)
		return ret;
	return d->base->set_mask != NULL ? d->base->set_mask(dev, mask) : 0;
}

const struct gantry_dma_mode dma_waiting_mode = {
	.name = "waiting",
	.map = wait_map,
	.unmap = wait_unmap,
	.alloc_block = wait_alloc_block,
	.map_resource = wait_map_resource,
	.set_mask = wait_set_mask,
};

int
gantry_dma_mode_of_name(const char *name, enum gantry_dma_mode_id *mode)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(mode_names); i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			*mode = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
gantry_dma_mode_name(struct gantry_dma_dev *dev)
{
	const struct dma_device *d = dma_device(dev);

	return d->base == d->waiting ? mode_names[d->params.mode] : d->base->name;
}
