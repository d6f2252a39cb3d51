/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef DMA_PRIVATE_H
#define DMA_PRIVATE_H

#include <stdint.h>
#include <sys/queue.h>

#include <rte_log.h>
#include <rte_spinlock.h>

#include "gantry_dma.h"

extern int gantry_dma_logtype;

#define DMA_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, gantry_dma_logtype, "gantry_dma: " fmt "\n", ##__VA_ARGS__)

/** A coherent block. */
struct dma_block {
	TAILQ_ENTRY(dma_block) next;
	const struct rte_memzone *mz;
	struct gantry_dma_block pub;
};

/** What a struct gantry_dma_dev pointer points to. */
struct dma_device {
	struct gantry_dma_dev fast; /* first */
	char name[64];
	struct gantry_dma_params params;
	uint64_t mask, coherent_mask;
	size_t max_seg;             /* the device's limits on a segment */
	uint64_t seg_boundary;
	const struct gantry_dma_mode *base; /* NULL: direct; fast.mode is debug's, if that is on */
	void *mode_data;            /* the mode's own */
	struct dma_debug *debug;    /* NULL: off */
	bool mask_logged;
	rte_spinlock_t lock;        /* of the lists */
	TAILQ_HEAD(, dma_block) blocks;
	TAILQ_HEAD(, gantry_dma_pool) pools;
	TAILQ_HEAD(, dma_resource) resources;
};

static inline struct dma_device *
dma_device(struct gantry_dma_dev *dev)
{
	return (struct dma_device *)dev;
}

/**
 * A mode that stands between a buffer and its bus address. The inline functions
 * come here through the _slow functions as soon as a device has one.
 */
struct gantry_dma_mode {
	const char *name;
	gantry_dma_addr_t (*map)(struct gantry_dma_dev *dev, void *ptr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs);
	void (*unmap)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs);
	void (*sync)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, bool for_cpu);
	int (*mapping_error)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
	/** The mask that its bus addresses need; NULL: those of EAL's memory. */
	uint64_t (*required_mask)(struct gantry_dma_dev *dev);
	/** The longest mapping; NULL: no limit of its own. */
	size_t (*max_mapping_size)(struct gantry_dma_dev *dev);
	/** A BAR, at va and phys (or GANTRY_PHYS_ADDR_BAD); NULL, both: refused. */
	gantry_dma_addr_t (*map_resource)(struct gantry_dma_dev *dev, void *va,
			gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir);
	void (*unmap_resource)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir);
	/** Whether it can do with this mask for streaming mappings: 0, or -EIO. NULL: it can. */
	int (*check_mask)(struct gantry_dma_dev *dev, uint64_t mask);
	/** The device goes. NULL: nothing to do. */
	void (*end)(struct gantry_dma_dev *dev);
};

/** Bits that an address needs. */
static inline unsigned int
dma_bits(uint64_t addr)
{
	return addr == 0 ? 1 : 64 - __builtin_clzll(addr);
}

/** Sets what gantry_dma_last_error() says. */
void dma_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** gantry_dma_alloc_coherent() within any mask. */
void *dma_coherent_alloc(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id, uint64_t mask);

/** Makes the device one of bounce mode. 0 or -errno. */
int dma_bounce_start(struct gantry_dma_dev *dev);

/** Makes the device direct, or hands it to a mode. The device must have nothing mapped. */
void dma_set_mode(struct gantry_dma_dev *dev, const struct gantry_dma_mode *mode);

/*
 * What the mode below debug does with arguments that were checked: direct's look-up, or the
 * hook of the device's mode.
 */
gantry_dma_addr_t dma_base_map(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
void dma_base_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
void dma_base_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu);

/** Whether a mapping may be asked for so; dma_fail() if not. */
bool dma_arguments_ok(struct gantry_dma_dev *dev, const void *ptr, size_t size,
		enum gantry_dma_dir dir);

/** Unmaps the device's resources, with a warning for each. */
void dma_resources_drop(struct gantry_dma_dev *dev);

/** Destroys the device's pools, with a warning for each. */
void dma_pools_drop(struct gantry_dma_dev *dev);

/** The table of EAL's memory: one user more, one less. */
int dma_table_get(const struct gantry_dma_table **table);
void dma_table_put(void);

#endif /* DMA_PRIVATE_H */
