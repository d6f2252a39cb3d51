/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * What is mapped, and what was: dma_debug_books.c.
 */

#ifndef DMA_DEBUG_BOOKS_H
#define DMA_DEBUG_BOOKS_H

#include "dma_debug.h"

/** Whether it is memory that is mapped, and not a block or a BAR. */
static inline bool
dma_kind_streams(enum dma_kind kind)
{
	return kind <= DMA_KIND_CHAIN;
}

/** Whether they share bytes of memory. */
static inline bool
dma_same_bytes(const struct dma_entry *a, const struct dma_entry *b)
{
	return a->ptr < b->ptr + b->size && b->ptr < a->ptr + a->size;
}

/** An entry to fill in, of which nothing is set; NULL: no memory. */
struct dma_entry *dma_books_new(void);
void dma_books_free(struct dma_entry *e);

/**
 * Enters it. fn is called for what stands on the same or neighbouring memory, its bucket locked,
 * perhaps twice for one.
 */
void dma_books_add(struct dma_entry *e, void (*fn)(struct dma_entry *other, void *arg), void *arg);

/** What is to be taken out. */
struct dma_want {
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	enum dma_kind kind;
	size_t size;
	enum gantry_dma_dir dir;
	const struct rte_mbuf *mbuf;
	const void *ptr;   /* NULL: any */
	const void *owner; /* NULL: any */
};
/**
 * Takes out what begins at an address and is most like it. NULL: nothing is there, or nothing
 * that may be taken out so: that is copied to other, of which addr is
 * GANTRY_DMA_MAPPING_ERROR if there is none.
 */
struct dma_entry *dma_books_take(const struct dma_want *w, struct dma_entry *other);
/** Takes out anything of a device's, or of one owner; NULL: there is no more. */
struct dma_entry *dma_books_take_any(struct gantry_dma_dev *dev, const void *owner);
/**
 * Calls fn for what stands in the buckets of that bus address, which is more than what covers
 * it, its bucket locked, until it returns true.
 */
bool dma_books_at_bus(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		bool (*fn)(struct dma_entry *e, void *arg), void *arg);

/** Somebody who was unmapped. */
struct dma_grave {
	const struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	const void *ptr;
	size_t size;
	const void *map_site, *unmap_site;
	uint64_t flags; /* those of the entry, its direction, its kind */
};
void dma_books_bury(const struct dma_entry *e, const void *site);
bool dma_books_dead(const struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		struct dma_grave *grave);
/** The device goes, and another may have its address. */
void dma_books_forget(const struct gantry_dma_dev *dev);

/** This thread's end is to be noticed. */
void dma_books_thread(struct dma_thread *t);

#endif /* DMA_DEBUG_BOOKS_H */
