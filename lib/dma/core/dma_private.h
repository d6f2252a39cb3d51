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

/**
 * The smallest unit of mappable memory and of bus addresses, and the size that a page table entry
 * covers, in bytes.
 */
#define DMA_PAGE      ((size_t)4096)
#define DMA_PAGE_BITS 12

/** Return the number of pages that [at, at + size) touches. */
static inline size_t
dma_pages(uint64_t at, size_t size)
{
	return ((at & (DMA_PAGE - 1)) + size + (DMA_PAGE - 1)) >> DMA_PAGE_BITS;
}

/**
 * The addresses at which an x86 machine takes writes as interrupts, with or without an IOMMU (Intel
 * SDM volume 3, "Message Address Register Format"; AMD I/O Virtualization, "Interrupt Address
 * Range").
 */
#define DMA_MSI_FIRST UINT64_C(0xFEE00000)
#define DMA_MSI_LEN   UINT64_C(0x100000)

/** A coherent block. */
struct dma_block {
	TAILQ_ENTRY(dma_block) next;
	const struct rte_memzone *mz; /* NULL: memory of the library's own, len bytes */
	size_t len;
	struct gantry_dma_block pub;
};

/** Mappings made one by one: see dma_strict.c. All 0: the device has none. */
struct dma_demand {
	uint64_t *entries;   /* the bus' page table; NULL: each mapping calls the bus */
	/* state of the mapping that begins in a page of bus addresses; records likewise */
	uint64_t *states;
	struct dma_record *records;
	struct dma_iova *iova;
	unsigned int id;     /* id of iova */
	uint32_t pair_max;   /* buffers up to this many bytes take a pair of pages; 0: none do */
	size_t nr;           /* number of elements of entries, states, records, below */
	gantry_dma_addr_t *below; /* with a page table: address at which the bus has mapped a BAR */
};

/** Limits of a segment until the driver sets others. */
#define DMA_MAX_SEG      ((size_t)64 << 10)
#define DMA_SEG_BOUNDARY GANTRY_DMA_BIT_MASK(32)

/** The object behind a struct gantry_dma_dev pointer. */
struct dma_device {
	struct gantry_dma_dev fast; /* must be the first member */
	TAILQ_ENTRY(dma_device) next; /* in the list of dma_reach.c */
	char name[64];
	struct gantry_dma_params params;
	uint64_t mask, coherent_mask;
	size_t max_seg;             /* the device's limits of a segment */
	uint64_t seg_boundary;
	struct gantry_dma_table eal; /* EAL's bus addresses of EAL memory */
	struct gantry_dma_table own; /* the window's bus addresses of it */
	const struct gantry_dma_mode *base;  /* NULL: direct */
	const struct gantry_dma_mode *above; /* the debug layer, or NULL */
	struct dma_debug *debug;    /* NULL: off */
	struct dma_demand demand;   /* strict, window: mappings made one by one */
	struct dma_window *window;  /* EAL memory in the window */
	struct dma_bounce *bounce;
	/* Changes that the bus has made permanently: */
	bool claimed;
	uint64_t *entries;          /* the I/O page table; NULL: none */
	size_t nr_entries;
	bool mask_logged;
	rte_spinlock_t lock;        /* protects the lists below */
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
 * The hooks of a mode, which decide a buffer's bus address. The inline functions reach them through
 * the _slow functions. `site` is the return address of the call to the library.
 */
struct gantry_dma_mode {
	const char *name;
	/**
	 * Not 0: the inline functions map by dma_device.own. map() gets the buffers that are not in
	 * that table, and gives them bus addresses up to this one; unmap() gets only those
	 * addresses.
	 */
	gantry_dma_addr_t own_above;
	gantry_dma_addr_t (*map)(struct gantry_dma_dev *dev, void *ptr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs, const void *site);
	void (*unmap)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs);
	/**
	 * NULL (both): the library calls unmap(). unmap_gather() may leave the wait to
	 * unmap_gathered(), which it calls itself when g is full.
	 */
	void (*unmap_gather)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, struct gantry_dma_gather *g);
	void (*unmap_gathered)(struct gantry_dma_dev *dev, struct gantry_dma_gather *g);
	/** NULL: a sync does nothing but order accesses. */
	void (*sync)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, bool for_cpu);
	/** NULL: a comparison suffices. */
	int (*mapping_error)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
	/**
	 * Return the mask that the mode's bus addresses require; NULL: the mask that EAL memory
	 * requires.
	 */
	uint64_t (*required_mask)(struct gantry_dma_dev *dev);
	/** Return the longest mapping in bytes; NULL: the mode has no limit of its own. */
	size_t (*max_mapping_size)(struct gantry_dma_dev *dev);
	/**
	 * Allocate size bytes, zeroed, and aligned to align in both addresses; fill in b->pub, and
	 * b->mz or b->len. Return 0, or -errno. NULL (both): the block is a memzone at EAL's bus
	 * address.
	 */
	int (*alloc_block)(struct gantry_dma_dev *dev, struct dma_block *b, size_t size,
			size_t align, int socket_id, uint64_t mask, const void *site);
	void (*free_block)(struct gantry_dma_dev *dev, struct dma_block *b);
	/**
	 * Map a BAR, at va and phys (or GANTRY_PHYS_ADDR_BAD). NULL (both): the library refuses.
	 */
	gantry_dma_addr_t (*map_resource)(struct gantry_dma_dev *dev, void *va,
			gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir,
			const void *site);
	void (*unmap_resource)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir);
	/**
	 * Accept another mask for streaming mappings. Return 0; -EIO: nothing has changed. NULL:
	 * the mode accepts any mask.
	 */
	int (*set_mask)(struct gantry_dma_dev *dev, uint64_t mask);
	void (*for_each)(struct gantry_dma_dev *dev,
			void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg);
	/** Free the rest, once resources and blocks are gone. NULL: nothing to free. */
	void (*end)(struct gantry_dma_dev *dev);
	/**
	 * Stop all calls to the bus; everything else stays. NULL: the mode makes no calls by
	 * itself.
	 */
	void (*abandon)(struct gantry_dma_dev *dev);
};

/** Return the number of bits that an address needs. */
static inline unsigned int
dma_bits(uint64_t addr)
{
	return addr == 0 ? 1 : 64 - __builtin_clzll(addr);
}

/** Set the text that gantry_dma_last_error() returns. */
void dma_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** Copy that text without the device's name at its start. */
void dma_reason(struct gantry_dma_dev *dev, char *why, size_t size);

/*
 * Modes.
 */

/** Switch the device to a mode; NULL: direct. The device must have nothing mapped. */
void dma_set_mode(struct gantry_dma_dev *dev, const struct gantry_dma_mode *mode);
/**
 * No mode yet. A mask, or else the first mapping or allocation, starts the mode that was requested,
 * or reports the reason why it cannot be.
 */
extern const struct gantry_dma_mode dma_no_mode;
/** Put the debug layer above the current and every later mode, or remove it (NULL). */
void dma_set_above(struct gantry_dma_dev *dev, const struct gantry_dma_mode *above);

/** Start a mode within the mask. Return 0, or -errno with the reason. */
int dma_window_start(struct gantry_dma_dev *dev, uint64_t mask);
int dma_strict_start(struct gantry_dma_dev *dev, uint64_t mask);
int dma_bounce_start(struct gantry_dma_dev *dev, uint64_t mask);

/**
 * Make the bus take its own mappings away, unless it already has. Return 0, or -errno with the
 * reason.
 */
int dma_claim(struct gantry_dma_dev *dev);
/** Return whether the bus can do that; if not, with the reason. */
bool dma_can_claim(struct gantry_dma_dev *dev);
/** Call ops->map with the EAL memory lock held. */
int dma_bus_map(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len,
		enum gantry_dma_dir dir);
/** Call ops->unmap likewise; log a failure. */
int dma_bus_unmap(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len);

/*
 * The mode below the debug layer, for checked arguments: the look-up of direct mode, or the hook of
 * the device's mode.
 */
gantry_dma_addr_t dma_base_map(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_base_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
void dma_base_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu);

/** gantry_dma_map_resource() without the records of the debug layer. */
gantry_dma_addr_t dma_resource_map(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys,
		size_t size, enum gantry_dma_dir dir, const void *site);
/** Call the hook of a mode other than direct, or refuse. */
gantry_dma_addr_t dma_base_map_resource(struct gantry_dma_dev *dev, void *va,
		gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir, const void *site);

/** Report what is wrong with the arguments of a mapping. */
void dma_refuse_arguments(struct gantry_dma_dev *dev, const void *ptr, size_t size) __rte_cold;

/** Return whether the arguments of a mapping are valid; call dma_fail() if not. */
static inline bool
dma_arguments_ok(struct gantry_dma_dev *dev, const void *ptr, size_t size,
		enum gantry_dma_dir dir)
{
	/* A size of 0 wraps to an address below. */
	if (likely((uintptr_t)ptr + (size - 1) >= (uintptr_t)ptr &&
			(unsigned int)dir < GANTRY_DMA_NONE))
		return true;
	dma_refuse_arguments(dev, ptr, size);
	return false;
}

/**
 * The list or chain of mbufs whose pieces this thread maps; 0: none. Each list has a number of its
 * own, which no other list ever has.
 */
extern __thread uintptr_t dma_list;

/** Report why memory of this kind has no bus address. */
void dma_refuse_class(struct gantry_dma_dev *dev, const void *ptr);
/** Report and log that an operation (`what`) was not done, and why. */
void dma_misuse(struct gantry_dma_dev *dev, const char *what, gantry_dma_addr_t addr,
		size_t size, const char *why);

/*
 * Coherent memory and resources.
 */

/**
 * gantry_dma_alloc_coherent() and gantry_dma_free_coherent() without the records of the debug
 * layer.
 */
void *dma_coherent_alloc(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id, const void *site);
void dma_coherent_free(struct gantry_dma_dev *dev, size_t size, void *cpu_addr,
		gantry_dma_addr_t handle);
/**
 * Reserve zeroed, aligned EAL memory, in whole pages, and fill in b->mz and b->pub, except the bus
 * address. Return 0, or -errno with the reason.
 * @param contig  it must be contiguous in EAL's bus addresses
 */
int dma_block_reserve(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, bool contig);
/** Allocate a block as the mode does, for checked arguments. */
int dma_block_alloc(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask, const void *site);
/** Allocate a block at EAL's bus address, which must also be inside the mask and aligned. */
int dma_block_direct(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask);

/** Return whether EAL's bus address of some EAL memory is inside the mask. */
bool dma_block_reachable(uint64_t mask);

/** Unmap the device's resources, and log a warning for each. */
void dma_resources_drop(struct gantry_dma_dev *dev);

/** Destroy the device's pools, and log a warning for each. */
void dma_pools_drop(struct gantry_dma_dev *dev);

/**
 * Add a device to the list of all devices, for telemetry, or remove it. After the removal telemetry
 * does not access it.
 */
void dma_reach_add(struct gantry_dma_dev *dev);
void dma_reach_remove(struct gantry_dma_dev *dev);
/**
 * Protect the list. The caller also holds this lock while the mode of a listed device begins or
 * changes.
 */
void dma_reach_lock(void);
void dma_reach_unlock(void);

/*
 * The table of EAL memory.
 */

/** Add one user of the process' table, or remove one. */
int dma_table_get(struct gantry_dma_table *table);
void dma_table_put(void);
/**
 * Make an empty table for all pages that EAL can ever have. If that is too many, entries is NULL,
 * and look-ups find nothing. The caller frees the entries with rte_free(). Return 0 or -ENOMEM.
 */
int dma_table_make(struct gantry_dma_table *table, uint64_t **entries);
/**
 * Set the offset between virtual and bus addresses of the part of [va, va + len) that the table
 * covers.
 */
void dma_table_set(const struct gantry_dma_table *table, uint64_t *entries, const void *va,
		size_t len, uint64_t offset);

#endif /* DMA_PRIVATE_H */
