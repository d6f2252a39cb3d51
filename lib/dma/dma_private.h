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

/** Smallest piece of memory that can be mapped, of bus addresses, and entry of a page table. */
#define DMA_PAGE      ((size_t)4096)
#define DMA_PAGE_BITS 12

/** Pages that [at, at + size) lies in. */
static inline size_t
dma_pages(uint64_t at, size_t size)
{
	return ((at & (DMA_PAGE - 1)) + size + (DMA_PAGE - 1)) >> DMA_PAGE_BITS;
}

/**
 * Where an x86 machine takes writes for interrupts (Intel SDM volume 3, "Message Address
 * Register Format"; AMD I/O Virtualization, "Interrupt Address Range"), IOMMU or not.
 */
#define DMA_MSI_FIRST UINT64_C(0xFEE00000)
#define DMA_MSI_LEN   UINT64_C(0x100000)

/** A coherent block. */
struct dma_block {
	TAILQ_ENTRY(dma_block) next;
	const struct rte_memzone *mz; /* NULL: memory of the library's own, len bytes of it */
	size_t len;
	struct gantry_dma_block pub;
};

/** Mappings one by one: dma_strict.c. All 0: there are none. */
struct dma_demand {
	uint64_t *entries;   /* the bus' page table; NULL: the bus' own calls */
	uint64_t *states;    /* of mappings, by page of the bus address, as the next */
	struct dma_record *records;
	struct dma_iova *iova;
	unsigned int id;     /* its id */
	uint32_t pair_max;   /* buffers up to this many bytes take a pair of pages; 0: none */
	size_t nr;           /* entries, states, records, below */
	gantry_dma_addr_t *below; /* behind a page table: where the bus has mapped a BAR */
};

/** The limits on a segment until the driver sets others. */
#define DMA_MAX_SEG      ((size_t)64 << 10)
#define DMA_SEG_BOUNDARY GANTRY_DMA_BIT_MASK(32)

/** What a struct gantry_dma_dev pointer points to. */
struct dma_device {
	struct gantry_dma_dev fast; /* first */
	TAILQ_ENTRY(dma_device) next; /* of dma_reach.c */
	char name[64];
	struct gantry_dma_params params;
	uint64_t mask, coherent_mask;
	size_t max_seg;             /* the device's limits on a segment */
	uint64_t seg_boundary;
	struct gantry_dma_table eal; /* EAL's bus addresses of its memory */
	struct gantry_dma_table own; /* the window's */
	const struct gantry_dma_mode *base;  /* NULL: direct */
	const struct gantry_dma_mode *above; /* the debug layer, or NULL */
	struct dma_debug *debug;    /* NULL: off */
	struct dma_demand demand;   /* strict, window: mappings one by one */
	struct dma_window *window;  /* the window's memory */
	struct dma_bounce *bounce;
	/* Of the bus, for good: */
	bool claimed;
	uint64_t *entries;          /* the I/O page table; NULL: none */
	size_t nr_entries;
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
 * A mode that stands between a buffer and its bus address. The inline functions come here
 * through the _slow functions. What `site` is: who called the library, a return address.
 */
struct gantry_dma_mode {
	const char *name;
	/**
	 * Not 0: the inline functions map by dma_device.own. What isn't there comes to map(),
	 * which gives bus addresses up to this, and those come to unmap().
	 */
	gantry_dma_addr_t own_above;
	gantry_dma_addr_t (*map)(struct gantry_dma_dev *dev, void *ptr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs, const void *site);
	void (*unmap)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs);
	/**
	 * NULL, both: unmap() will do. The first may leave what has to be waited for to the
	 * second, which it calls itself when g is full.
	 */
	void (*unmap_gather)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, struct gantry_dma_gather *g);
	void (*unmap_gathered)(struct gantry_dma_dev *dev, struct gantry_dma_gather *g);
	/** NULL: nothing to do. */
	void (*sync)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, bool for_cpu);
	/** NULL: a comparison. */
	int (*mapping_error)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
	/** The mask that its bus addresses need; NULL: those of EAL's memory. */
	uint64_t (*required_mask)(struct gantry_dma_dev *dev);
	/** The longest mapping; NULL: no limit of its own. */
	size_t (*max_mapping_size)(struct gantry_dma_dev *dev);
	/**
	 * Fills in b->pub and what it is made of: size bytes, zeroed, aligned to align in both
	 * addresses. 0, or -errno. NULL, both: a memzone at EAL's address of it.
	 */
	int (*alloc_block)(struct gantry_dma_dev *dev, struct dma_block *b, size_t size,
			size_t align, int socket_id, uint64_t mask, const void *site);
	void (*free_block)(struct gantry_dma_dev *dev, struct dma_block *b);
	/** A BAR, at va and phys (or GANTRY_PHYS_ADDR_BAD); NULL, both: refused. */
	gantry_dma_addr_t (*map_resource)(struct gantry_dma_dev *dev, void *va,
			gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir,
			const void *site);
	void (*unmap_resource)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir);
	/**
	 * Another mask for streaming mappings: 0; -EIO, and all is as before. NULL: any will do.
	 */
	int (*set_mask)(struct gantry_dma_dev *dev, uint64_t mask);
	void (*for_each)(struct gantry_dma_dev *dev,
			void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg);
	/** Resources and blocks are gone: gives up the rest. NULL: nothing to do. */
	void (*end)(struct gantry_dma_dev *dev);
	/** Calls the bus no more; all stays as it is. NULL: it does nothing by itself. */
	void (*abandon)(struct gantry_dma_dev *dev);
};

/** Bits that an address needs. */
static inline unsigned int
dma_bits(uint64_t addr)
{
	return addr == 0 ? 1 : 64 - __builtin_clzll(addr);
}

/** Sets what gantry_dma_last_error() says. */
void dma_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/** What it says now, without the device's name before it. */
void dma_reason(struct gantry_dma_dev *dev, char *why, size_t size);

/*
 * Modes.
 */

/** What the mode is from now on; NULL: direct. The device must have nothing mapped. */
void dma_set_mode(struct gantry_dma_dev *dev, const struct gantry_dma_mode *mode);
/**
 * None yet: the first mapping or allocation, and a mask, start the one that was asked for, or say
 * why that can't be.
 */
extern const struct gantry_dma_mode dma_no_mode;
/** The debug layer, or NULL, above whatever mode there is or will be. */
void dma_set_above(struct gantry_dma_dev *dev, const struct gantry_dma_mode *above);

/** Make the device one of that mode, within the mask. 0, or -errno with the reason. */
int dma_window_start(struct gantry_dma_dev *dev, uint64_t mask);
int dma_strict_start(struct gantry_dma_dev *dev, uint64_t mask);
int dma_bounce_start(struct gantry_dma_dev *dev, uint64_t mask);

/** The bus takes away what it has mapped, if it didn't already. 0, or -errno with the reason. */
int dma_claim(struct gantry_dma_dev *dev);
/** Whether the bus can: false with the reason. */
bool dma_can_claim(struct gantry_dma_dev *dev);
/** ops->map, with EAL's memory lock taken. */
int dma_bus_map(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len,
		enum gantry_dma_dir dir);
/** ops->unmap, likewise; logs if it failed. */
int dma_bus_unmap(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len);

/*
 * What the mode below debug does with arguments that were checked: direct's look-up, or the
 * hook of the device's mode.
 */
gantry_dma_addr_t dma_base_map(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_base_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
void dma_base_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu);

/** gantry_dma_map_resource() without the books of the debug layer. */
gantry_dma_addr_t dma_resource_map(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys,
		size_t size, enum gantry_dma_dir dir, const void *site);
/** The hook of a mode other than direct, or a refusal. */
gantry_dma_addr_t dma_base_map_resource(struct gantry_dma_dev *dev, void *va,
		gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir, const void *site);

/** Says what is wrong with the arguments of a mapping. */
void dma_refuse_arguments(struct gantry_dma_dev *dev, const void *ptr, size_t size) __rte_cold;

/** Whether a mapping may be asked for so; dma_fail() if not. */
static inline bool
dma_arguments_ok(struct gantry_dma_dev *dev, const void *ptr, size_t size,
		enum gantry_dma_dir dir)
{
	/* A size of 0 wraps to below. */
	if (likely((uintptr_t)ptr + (size - 1) >= (uintptr_t)ptr &&
			(unsigned int)dir < GANTRY_DMA_NONE))
		return true;
	dma_refuse_arguments(dev, ptr, size);
	return false;
}

/**
 * The list or chain of mbufs whose pieces this thread maps; 0: none. A number that no other has
 * had.
 */
extern __thread uintptr_t dma_list;

/** Says why memory of this kind has no bus address. */
void dma_refuse_class(struct gantry_dma_dev *dev, const void *ptr);
/** Says and logs that something (`what`) was not done, and why. */
void dma_misuse(struct gantry_dma_dev *dev, const char *what, gantry_dma_addr_t addr,
		size_t size, const char *why);

/*
 * Coherent memory and resources.
 */

/** gantry_dma_alloc_coherent() and its undoing, without the books of the debug layer. */
void *dma_coherent_alloc(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id, const void *site);
void dma_coherent_free(struct gantry_dma_dev *dev, size_t size, void *cpu_addr,
		gantry_dma_addr_t handle);
/**
 * Fills in b->mz and b->pub but for the bus address: aligned, zeroed memory of EAL's, whole
 * pages. 0, or -errno with the reason.
 * @param contig  contiguous in EAL's bus addresses
 */
int dma_block_reserve(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, bool contig);
/** What the mode does for gantry_dma_alloc_coherent(), with arguments that were checked. */
int dma_block_alloc(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask, const void *site);
/** A block at EAL's bus address of it, which lies inside the mask and is aligned, too. */
int dma_block_direct(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask);

/** Whether some of EAL's memory lies, at EAL's bus address of it, inside the mask. */
bool dma_block_reachable(uint64_t mask);

/** Unmaps the device's resources, with a warning for each. */
void dma_resources_drop(struct gantry_dma_dev *dev);

/** Destroys the device's pools, with a warning for each. */
void dma_pools_drop(struct gantry_dma_dev *dev);

/** The list of all devices, for telemetry. Once they are removed nobody looks at them. */
void dma_reach_add(struct gantry_dma_dev *dev);
void dma_reach_remove(struct gantry_dma_dev *dev);
/** Of a device in the list: its mode begins, or is another, with this held. */
void dma_reach_lock(void);
void dma_reach_unlock(void);

/*
 * The table of EAL's memory.
 */

/** One user more, one less. */
int dma_table_get(struct gantry_dma_table *table);
void dma_table_put(void);
/**
 * An empty table for all the pages that EAL can have; entries NULL, and nothing is found in
 * it, if that is too many. The entries are rte_free()'d by the caller. 0 or -ENOMEM.
 */
int dma_table_make(struct gantry_dma_table *table, uint64_t **entries);
/** [va, va + len), as far as it is in the table, has bus addresses with this offset. */
void dma_table_set(const struct gantry_dma_table *table, uint64_t *entries, const void *va,
		size_t len, uint64_t offset);

#endif /* DMA_PRIVATE_H */
