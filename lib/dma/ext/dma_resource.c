/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A BAR as the target of another device's DMA: peer to peer.
 *
 * A BAR is not memory: EAL knows no page of it, and does not map it for a device with the rest. If
 * nothing translates, the device reaches the BAR at the BAR's own address. If something does, the
 * backend must map it, in whole pages, by the virtual address that this process has for them.
 */

#include "dma_core.h"

static gantry_dma_addr_t
map(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	if (!dma_arguments_ok(dev, va, size, dir))
		return GANTRY_DMA_MAPPING_ERROR;
	if (gantry_mem_classify(va) != GANTRY_MEM_MMIO ||
			gantry_mem_classify((uint8_t *)va + (size - 1)) != GANTRY_MEM_MMIO) {
		dma_fail("%s: %p, %zu bytes: no part of a BAR; memory is mapped with "
			 "gantry_dma_map_single()",
				dma_device(dev)->name, va, size);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	return dma_base_map_resource(dev, va, phys, size, dir, site);
}

gantry_dma_addr_t
gantry_dma_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir)
{
	const struct dma_layer *layer = dma_device(dev)->layer;
	const void *site = __builtin_return_address(0);
	struct dma_object o = { .kind = DMA_KIND_RESOURCE, .ptr = va, .size = size, .dir = dir };

	layer->mapping(dev, site);
	o.addr = map(dev, va, phys, size, dir, site);
	if (o.addr != GANTRY_DMA_MAPPING_ERROR)
		layer->added(dev, &o, site);
	else
		layer->failed(dev, &o, site);
	return o.addr;
}

void
gantry_dma_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	struct dma_object o = { .kind = DMA_KIND_RESOURCE, .addr = addr, .size = size, .dir = dir };
	const struct dma_device *d = dma_device(dev);

	if (d->layer->removing(dev, &o, __builtin_return_address(0)) &&
			d->base->unmap_resource != NULL)
		d->base->unmap_resource(dev, addr, o.size, o.dir);
}
