/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The books: current and former mappings. See dma_debug_books.c.
 */

#ifndef DMA_DEBUG_BOOKS_H
#define DMA_DEBUG_BOOKS_H

#include "dma_debug.h"

/** Return whether it is a mapping of memory, not a block or a BAR. */
static inline bool
dma_kind_streams(enum dma_kind kind)
{
	return kind <= DMA_KIND_CHAIN;
}

/** Return whether both share bytes of memory. */
static inline bool
dma_same_bytes(const struct dma_entry *a, const struct dma_entry *b)
{
	return a->ptr < b->ptr + b->size && b->ptr < a->ptr + a->size;
}

/** Make the books, before the first device. Not thread-safe. Return 0 or -ENOMEM. */
int dma_books_open(void);

/** Return an entry to fill in, with undefined content; NULL: no memory. */
struct dma_entry *dma_books_new(void);
void dma_books_free(struct dma_entry *e);

/**
 * Enter it. Call fn for each entry on the same or neighbouring memory, with its bucket locked,
 * possibly twice for one entry.
 */
void dma_books_add(struct dma_entry *e, void (*fn)(struct dma_entry *other, void *arg), void *arg);

/** Description of the entry to take out. */
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
 * Take out the entry that begins at the address and is most like the description. NULL: there is
 * none, or none that may be taken out so. In the latter case it is copied to other; otherwise
 * other->addr is GANTRY_DMA_MAPPING_ERROR.
 */
struct dma_entry *dma_books_take(const struct dma_want *w, struct dma_entry *other);
/** Take out any entry of a device, or of one owner; NULL: there are no more. */
struct dma_entry *dma_books_take_any(struct gantry_dma_dev *dev, const void *owner);
/**
 * Call fn for each entry in the buckets of that bus address, with its bucket locked, until fn
 * returns true. The buckets also hold entries that do not cover the address.
 */
bool dma_books_at_bus(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		bool (*fn)(struct dma_entry *e, void *arg), void *arg);

/** A former mapping: one line of the cache, because each unmapping writes one. */
struct dma_former {
	const struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	const void *ptr;
	size_t size;
	const void *map_site, *unmap_site;
	uint64_t flags; /* flags, direction and kind of the entry */
} __rte_cache_aligned;
void dma_books_add_former(const struct dma_entry *e, const void *site);
bool dma_books_find_former(const struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		struct dma_former *former);
/** Forget a device that is destroyed, because another may get its address. */
void dma_books_forget(const struct gantry_dma_dev *dev);

#endif /* DMA_DEBUG_BOOKS_H */
