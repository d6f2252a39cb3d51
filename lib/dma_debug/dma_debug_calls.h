/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The calls that the layer sees: what the files that check them share, and the functions that fill
 * its table (struct dma_layer; dma_debug.c).
 */

#ifndef DMA_DEBUG_CALLS_H
#define DMA_DEBUG_CALLS_H

#include "dma_debug_books.h"

/* Lists return a number, and allocations a pointer, so they have no mapping error to test. */
static inline bool
dma_debug_needs_check(enum dma_kind kind)
{
	return kind <= DMA_KIND_MBUF || kind == DMA_KIND_RESOURCE;
}

/* Return the caller, or the caller of the list's function. */
static inline const void *
dma_debug_site_of(const struct dma_thread *t, const void *site)
{
	return t->in_list ? t->list_site : site;
}

/*
 * Return the code that maps: the driver's caller, if the driver reports it. The search for it takes
 * place once for each gantry_dma_debug_caller().
 */
static inline const void *
dma_debug_mapper(struct dma_thread *t, const void *site)
{
	if (t->caller == NULL)
		return site;
	if (!t->caller_known)
		t->caller = dma_caller_of(t->caller, DMA_CODE_LIBRARY);
	t->caller_known = true;
	return t->caller;
}

static inline enum dma_kind
dma_debug_kind_of(const struct dma_thread *t, const struct rte_mbuf *m)
{
	return t->in_list ? t->list_kind : m != NULL ? DMA_KIND_MBUF : DMA_KIND_SINGLE;
}

static inline bool
dma_debug_has_byte(const struct dma_entry *e, const struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr)
{
	return e->dev == dev && addr >= e->addr && addr - e->addr < e->size;
}

/*
 * Mapping: dma_debug_map.c.
 */

void dma_debug_mapping(struct gantry_dma_dev *dev, const void *site);
gantry_dma_addr_t dma_debug_map_call(struct dma_call *c);
gantry_dma_addr_t dma_debug_map(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
int dma_debug_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
/** Remember a failed mapping: the thread's next mapping shows whether the error was tested. */
void dma_debug_mapping_failed(const struct dma_call *c);
/** Report a mapping with invalid arguments. */
void dma_debug_arguments(const struct dma_call *c);
/** A single mapping must keep the limits that the driver has set; a piece of a list, all limits. */
void dma_debug_segment(const struct dma_call *c, bool list);

/*
 * Unmapping, blocks and BARs: dma_debug_unmap.c.
 */

void dma_debug_unmap_call(struct dma_call *c);
void dma_debug_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_debug_added(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site);
void dma_debug_failed(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site);
bool dma_debug_removing(struct gantry_dma_dev *dev, struct dma_object *ref, const void *site);
/** Check that the memory of a mapping was not freed before it was unmapped or synced (`when`). */
void dma_debug_freed(struct dma_entry *e, const char *when, const void *site);
/** Mark the mapping as part of a reported misuse. */
void dma_debug_mark_reported(struct dma_entry *e);

/*
 * Syncs: dma_debug_sync.c.
 */

void dma_debug_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu, const void *site);

/*
 * Lists: dma_debug_list.c.
 */

void dma_debug_list_begin(enum dma_kind kind, const void *site);
void dma_debug_list_end(void);
void dma_debug_list_mapped(struct gantry_dma_dev *dev, gantry_dma_addr_t first, unsigned int nents);
unsigned int dma_debug_list_nents(struct gantry_dma_dev *dev, gantry_dma_addr_t first,
		unsigned int nents, bool unmap);
void dma_debug_list_refused(struct dma_call *c);
void dma_debug_list_turn(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
void dma_debug_list_range(struct gantry_dma_dev *dev, gantry_dma_addr_t first, size_t off,
		size_t size, enum gantry_dma_dir dir);
void dma_debug_list_longer(struct gantry_dma_dev *dev, enum gantry_dma_dir dir);
size_t dma_debug_list_left(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

/*
 * Leaks: dma_debug_leak.c.
 */

/** Report and forget what this owner has left; NULL: the device. */
void dma_debug_dropping(struct gantry_dma_dev *dev, const void *owner, const void *site);

#endif /* DMA_DEBUG_CALLS_H */
