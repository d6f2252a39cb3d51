/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The state of bounce mode, and library memory for it (dma_bounce_own.c).
 */

#ifndef DMA_BOUNCE_H
#define DMA_BOUNCE_H

#include <pthread.h>

#include "dma_iova.h"

/* Each mempool doubles its class. */
#define BOUNCE_POOLS_MAX 24

#define BOUNCE_CLASSES GANTRY_DMA_BOUNCE_CLASSES

struct slot {
	uint8_t *cpu;
	gantry_dma_addr_t bus;
	struct rte_mempool *home;
	/* Valid while the slot is mapped: */
	bool mapped;
	enum gantry_dma_dir dir;
	size_t size;
	uint8_t *buf;
	const void *site;
	uintptr_t list; /* list of which it is a piece; 0: none */
};

struct chunk {
	struct dma_block block;
	uint8_t *cpu;
	gantry_dma_addr_t bus;
	size_t size;
	unsigned int shift; /* log2 of its slots' size */
	struct slot *slots[];
};

struct chunks {
	struct chunks *before; /* the array that this one replaced */
	unsigned int nr;
	struct chunk *at[]; /* ordered by bus address */
};

struct size_class {
	unsigned int nr_pools;
	bool full; /* the class can no longer grow */
	struct rte_mempool *pools[BOUNCE_POOLS_MAX];
	uint32_t count;
};

struct dma_bounce {
	struct dma_iova *iova; /* of library memory; NULL: it is EAL memory */
	struct size_class classes[BOUNCE_CLASSES];
	struct chunks *chunks;
	pthread_mutex_t lock; /* held while adding to the above; protects the rest */
	size_t bytes, limit;  /* bytes in slots */
	char why[200];        /* reason why there can be no more slots; "": none was refused */
};

static inline struct dma_bounce *
bounce_of(struct gantry_dma_dev *dev)
{
	return dma_mode_state(dev)->bounce;
}

/**
 * Allocate a block of library memory, at bus addresses of its own. Return 0, or -errno with the
 * reason.
 */
int dma_bounce_own_alloc(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask);
void dma_bounce_own_free(struct gantry_dma_dev *dev, struct dma_block *b);

#endif /* DMA_BOUNCE_H */
