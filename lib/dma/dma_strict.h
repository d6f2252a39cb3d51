/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mappings one by one, on demand: all there is in strict mode, and what doesn't fit into the
 * window.
 */

#ifndef DMA_STRICT_H
#define DMA_STRICT_H

#include "dma_private.h"

/*
 * Gives the device a struct dma_demand with bus addresses up to last, by its bus' page table
 * (if use_table), or else by claim(), map() and unmap(). 0, or -errno with the reason.
 */
int dma_demand_start(struct gantry_dma_dev *dev, gantry_dma_addr_t last, bool use_table);
/* Takes it away; what is still mapped is reported. */
void dma_demand_end(struct gantry_dma_dev *dev);
/* Another limit for its addresses: 0; -EIO as long as something is mapped; -ENOMEM. */
int dma_demand_limit(struct gantry_dma_dev *dev, gantry_dma_addr_t last);

/* Whether something is mapped. */
bool dma_demand_in_use(struct gantry_dma_dev *dev);

/* All of them as hooks, for the window that holds nothing. */
extern const struct gantry_dma_mode dma_on_demand_mode;

/* As the hooks of struct gantry_dma_mode. */
gantry_dma_addr_t dma_demand_map(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_demand_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
void dma_demand_unmap_gather(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, struct gantry_dma_gather *g);
void dma_demand_unmap_gathered(struct gantry_dma_dev *dev, struct gantry_dma_gather *g);
size_t dma_demand_max_mapping_size(struct gantry_dma_dev *dev);
gantry_dma_addr_t dma_demand_map_resource(struct gantry_dma_dev *dev, void *va,
		gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir, const void *site);
void dma_demand_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir);
void dma_demand_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg);

/* The mapping that begins in this page of bus addresses. False: none does. */
bool dma_demand_at(struct gantry_dma_dev *dev, uint64_t page, struct gantry_dma_mapping *m);
/* Likewise of what is in the page table, where there is one: dma_entries.c. */
void dma_entries_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg);

/*
 * A block's memory, whole pages of it, from where EAL knows it; and back.
 * 0, or -errno with the reason.
 */
int dma_demand_map_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t align,
		uint64_t mask, const void *site);
void dma_demand_unmap_block(struct gantry_dma_dev *dev, struct dma_block *b);

#endif /* DMA_STRICT_H */
