/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Strict mode: every mapping is made on demand. dma_demand_unmap(), or for a burst
 * dma_demand_unmap_gathered(), ends it, after which the device starts no access (dma_demand.c).
 *
 * The table of hooks below leads from core/dma_map.c to dma_demand.c. "Strict" in doc/dma.md has
 * the way of an unmapping from the driver to its last step.
 */

#include <rte_memzone.h>

#include "dma_demand.h"
#include "dma_modes.h"
#include "dma_iova.h"

static int
strict_alloc_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask)
{
	int ret = dma_block_reserve(dev, b, size, align, socket_id, false);

	if (ret == 0) {
		ret = dma_demand_map_block(dev, b, align, mask);
		if (ret != 0)
			rte_memzone_free(b->mz);
	}
	return ret;
}

static void
strict_free_block(struct gantry_dma_dev *dev, struct dma_block *b)
{
	dma_demand_unmap_block(dev, b);
	rte_memzone_free(b->mz);
}

static uint64_t
strict_required_mask(struct gantry_dma_dev *dev)
{
	const uint64_t end = (uint64_t)dma_mode_state(dev)->demand.iova->nr << DMA_PAGE_BITS;

	return GANTRY_DMA_BIT_MASK(dma_bits(end - 1));
}

/* clang-format off */
#define ON_DEMAND(mode) \
	{ \
		.name = (mode), \
		.map = dma_demand_map, \
		.unmap = dma_demand_unmap, \
		.unmap_gather = dma_demand_unmap_gather, \
		.unmap_gathered = dma_demand_unmap_gathered, \
		.required_mask = strict_required_mask, \
		.max_mapping_size = dma_demand_max_mapping_size, \
		.alloc_block = strict_alloc_block, \
		.free_block = strict_free_block, \
		.map_resource = dma_demand_map_resource, \
		.unmap_resource = dma_demand_unmap_resource, \
		.set_mask = dma_demand_limit, \
		.for_each = dma_entries_for_each, \
		.end = dma_demand_end, \
	}
/* clang-format on */

static const struct gantry_dma_mode strict_mode = ON_DEMAND("strict");
/*
 * The hooks of strict mode for a device in window mode, if the window does not hold all EAL memory:
 * they bring buffers below the mask. That unmapping ends access is a side effect there.
 */
const struct gantry_dma_mode dma_on_demand_mode = ON_DEMAND("window");

int
dma_strict_start(struct gantry_dma_dev *dev, uint64_t mask)
{
	int ret = dma_demand_start(dev, mask, true);

	if (ret == 0)
		dma_set_mode(dev, &strict_mode);
	return ret;
}
