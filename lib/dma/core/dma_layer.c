/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A device without a layer around it: the functions of the table that a layer fills.
 */

#include "dma_core.h"

static gantry_dma_addr_t
no_refused(struct dma_call *c)
{
	return GANTRY_DMA_MAPPING_ERROR;
}

static void
no_mapping(struct gantry_dma_dev *dev, const void *site)
{
}

static void
no_added(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site)
{
}

static bool
no_removing(struct gantry_dma_dev *dev, struct dma_object *o, const void *site)
{
	return true;
}

static void
no_dropping(struct gantry_dma_dev *dev, const void *owner, const void *site)
{
}

static void
no_list_begin(enum dma_kind kind, const void *site)
{
}

static void
no_list_end(void)
{
}

static void
no_list_mapped(struct gantry_dma_dev *dev, gantry_dma_addr_t first, unsigned int nents)
{
}

static unsigned int
no_list_nents(struct gantry_dma_dev *dev, gantry_dma_addr_t first, unsigned int nents, bool unmap)
{
	return nents;
}

static void
no_list_refused(struct dma_call *c)
{
}

static void
no_list_turn(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
}

static void
no_list_range(struct gantry_dma_dev *dev, gantry_dma_addr_t first, size_t off, size_t size,
		enum gantry_dma_dir dir)
{
	dma_misuse(dev, "sync", first + off, size, "beyond the end of the chain");
}

static void
no_list_longer(struct gantry_dma_dev *dev, enum gantry_dma_dir dir)
{
}

static size_t
no_list_left(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	return 0;
}

static void
no_abandon(struct gantry_dma_dev *dev)
{
}

const struct dma_layer dma_no_layer = {
	.refused = no_refused,
	.mapping = no_mapping,
	.added = no_added,
	.failed = no_added,
	.removing = no_removing,
	.dropping = no_dropping,
	.list_begin = no_list_begin,
	.list_end = no_list_end,
	.list_mapped = no_list_mapped,
	.list_nents = no_list_nents,
	.list_refused = no_list_refused,
	.list_turn = no_list_turn,
	.list_range = no_list_range,
	.list_longer = no_list_longer,
	.list_left = no_list_left,
	.end = no_mapping,
	.abandon = no_abandon,
};
