/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mappings made one by one, on demand: all mappings of strict mode, and those that do not fit into
 * the window.
 */

#ifndef DMA_DEMAND_H
#define DMA_DEMAND_H

#include "dma_core.h"

/* The mappings of one device: see dma_demand.c. All 0: the device has none. */
struct dma_demand {
	uint64_t *entries; /* dma_device.entries, in use; NULL: each mapping calls the bus */
	/* states[p], records[p]: the mapping that begins in page p of bus addresses */
	uint64_t *states;
	struct dma_record *records;
	struct dma_iova *iova;
	unsigned int id;   /* id of iova */
	uint32_t pair_max; /* buffers up to this many bytes take a pair of pages; 0: none do */
	size_t nr;         /* number of elements of entries, states, records, below */
	gantry_dma_addr_t *below; /* with a page table: address at which the bus has mapped a BAR */
};

/*
 * Give the device a struct dma_demand with bus addresses up to last. It uses the page table of the
 * bus (if use_table), or otherwise claim(), map() and unmap(). Return 0, or -errno with the reason.
 */
int dma_demand_start(struct gantry_dma_dev *dev, gantry_dma_addr_t last, bool use_table);
/* Take it away, and report everything that is still mapped. */
void dma_demand_end(struct gantry_dma_dev *dev);
/* Set another limit for its addresses. Return 0; -EIO as long as something is mapped; -ENOMEM. */
int dma_demand_limit(struct gantry_dma_dev *dev, gantry_dma_addr_t last);

/* Return whether something is mapped. */
bool dma_demand_in_use(struct gantry_dma_dev *dev);

/* The functions below as hooks, for window mode if EAL memory does not fit into a window. */
extern const struct gantry_dma_mode dma_on_demand_mode;

/* See the hooks of struct gantry_dma_mode. */
gantry_dma_addr_t dma_demand_map(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_demand_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
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

/* Find the mapping that begins in this page of bus addresses. Return false if none does. */
bool dma_demand_at(struct gantry_dma_dev *dev, uint64_t page, struct gantry_dma_mapping *m);
/* Likewise for the entries of the page table, if there is one: dma_entries.c. */
void dma_entries_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg);

/*
 * Map the memory of a block, in whole pages, at bus addresses of its own; and unmap it. Return 0,
 * or -errno with the reason.
 */
int dma_demand_map_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t align,
		uint64_t mask);
void dma_demand_unmap_block(struct gantry_dma_dev *dev, struct dma_block *b);

#endif /* DMA_DEMAND_H */
