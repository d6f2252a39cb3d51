/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The core, for the floors above it: the device object, the table of operations that each mode
 * fills, the table of the layer around a device, errors, coherent memory.
 */

#ifndef DMA_CORE_H
#define DMA_CORE_H

#include <stdint.h>
#include <sys/queue.h>

#include <rte_log.h>
#include <rte_spinlock.h>

#include "gantry_dma.h"

extern int gantry_dma_logtype;

/** Log a line about the device with this name, or about a part of the library. */
#define DMA_LOG(level, name, fmt, ...) \
	rte_log(RTE_LOG_##level, gantry_dma_logtype, "gantry_dma: %s: " fmt "\n", name, \
			##__VA_ARGS__)

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

/** A coherent block. */
struct dma_block {
	TAILQ_ENTRY(dma_block) next;
	const struct rte_memzone *mz; /* NULL: library memory, len bytes */
	size_t len;
	const void *site; /* return address of the call that allocates it */
	struct gantry_dma_block pub;
};

/**
 * An object of a floor above, which ends with the device: the core then calls drop(), which must
 * detach it.
 */
struct dma_attached {
	TAILQ_ENTRY(dma_attached) next;
	void (*drop)(struct dma_attached *a);
};

/** Limits of a segment until the driver sets others. */
#define DMA_MAX_SEG      ((size_t)64 << 10)
#define DMA_SEG_BOUNDARY GANTRY_DMA_BIT_MASK(32)

/** The object behind a struct gantry_dma_dev pointer. */
struct dma_device {
	struct gantry_dma_dev fast;   /* must be the first member */
	TAILQ_ENTRY(dma_device) next; /* in the list of all devices */
	char name[64];
	struct gantry_dma_params params;
	uint64_t mask, coherent_mask;
	size_t max_seg; /* the device's limits of a segment */
	uint64_t seg_boundary;
	struct gantry_dma_table eal;           /* EAL's bus addresses of EAL memory */
	struct gantry_dma_table own;           /* the mode's bus addresses of it */
	const struct gantry_dma_mode *base;    /* the mode, whatever layer is around */
	const struct gantry_dma_mode *waiting; /* the mode of a device that waits for one */
	const struct dma_layer *layer;         /* the layer around the device; dma_no_layer: none */
	void *layer_state;                     /* the layer's; NULL: no layer */
	/* Changes that the bus has made permanently: */
	bool claimed;
	uint64_t *entries; /* the I/O page table that the bus has made; NULL: none */
	size_t nr_entries;
	bool mask_logged;
	rte_spinlock_t lock; /* protects the lists below */
	TAILQ_HEAD(, dma_block) blocks;
	TAILQ_HEAD(, dma_attached) attached;
	TAILQ_HEAD(, dma_resource) resources; /* BARs mapped in direct mode */
	uint64_t mode_state[];                /* of the modes; only they know its structure */
};

static inline struct dma_device *
dma_device(struct gantry_dma_dev *dev)
{
	return (struct dma_device *)dev;
}

/**
 * A call of the API. Members that it does not have are NULL or 0. A hook may change its call, since
 * a copy of members that have just been stored stalls the processor.
 */
struct dma_call {
	struct gantry_dma_dev *dev;
	struct rte_mbuf *m;
	void *ptr;
	gantry_dma_addr_t addr;
	size_t size;
	enum gantry_dma_dir dir;
	unsigned long attrs;
	const void *site; /* return address of the call to the library */
};

/**
 * The hooks of a mode, which decide a buffer's bus address. The inline functions reach them through
 * the _slow functions. `site` is the return address of the call to the library.
 */
struct gantry_dma_mode {
	const char *name;
	/**
	 * The part of the project that gave the device memory in advance (GANTRY_DMA_REACH_MEMORY);
	 * NULL: the mode gives it none.
	 */
	const char *memory_by;
	/** The inline functions map by dma_device.eal. map() gets what they cannot map. */
	bool by_eal;
	/**
	 * Not 0: the inline functions map by dma_device.own. map() gets the buffers that are not in
	 * that table, and gives them bus addresses up to this one; unmap() gets only those
	 * addresses.
	 */
	gantry_dma_addr_t own_above;
	gantry_dma_addr_t (*map)(struct gantry_dma_dev *dev, void *ptr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs, const void *site);
	void (*unmap)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, unsigned long attrs, const void *site);
	/** NULL (both): the library calls map() and unmap(), because an mbuf is like any memory. */
	gantry_dma_addr_t (*map_mbuf)(struct dma_call *c);
	void (*unmap_mbuf)(struct dma_call *c);
	/**
	 * NULL (both): the library calls unmap_mbuf() or, without that, unmap(). unmap_gather() may
	 * defer the wait to unmap_gathered(), which it calls if g is full.
	 */
	void (*unmap_gather)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, struct gantry_dma_gather *g);
	void (*unmap_gathered)(struct gantry_dma_dev *dev, struct gantry_dma_gather *g);
	/** NULL: a sync does nothing but order accesses. */
	void (*sync)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
			enum gantry_dma_dir dir, bool for_cpu, const void *site);
	/** Called only for a device with a layer around it: otherwise a comparison suffices. */
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
			size_t align, int socket_id, uint64_t mask);
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
	/** Likewise for coherent memory. NULL: alloc_block() finds a place, or logs the reason. */
	int (*set_coherent_mask)(struct gantry_dma_dev *dev, uint64_t mask);
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

/** The functions that mapped something, and that must unmap it. */
enum dma_kind {
	DMA_KIND_SINGLE,
	DMA_KIND_MBUF,
	DMA_KIND_SG,    /* a piece of a list */
	DMA_KIND_CHAIN, /* a piece of a chain of mbufs */
	DMA_KIND_RESOURCE,
	DMA_KIND_COHERENT,
	DMA_KIND_POOL, /* a block of a gantry_dma_pool */
};

/** An object that was allocated, or a mapped BAR. */
struct dma_object {
	enum dma_kind kind;
	const void *owner; /* for a block of a pool: the pool */
	void *ptr;
	gantry_dma_addr_t addr;
	size_t size;
	enum gantry_dma_dir dir;
};

/**
 * A layer around a device: it sees each call of the API before the mode does. `mode` has the hooks
 * that the out-of-line functions call in place of the mode's: map, map_mbuf, unmap, unmap_mbuf,
 * sync, mapping_error. They call the device's mode. No other member may be NULL.
 */
struct dma_layer {
	struct gantry_dma_mode mode;
	/**
	 * The layer knows the mappings that the caller unmaps: a list is unmapped by what the layer
	 * knows of it, even if the caller has changed it.
	 */
	bool knows;
	/** A mapping with invalid arguments, which gantry_dma_last_error() describes. */
	gantry_dma_addr_t (*refused)(struct dma_call *c);

	/** A mapping of a BAR begins; it succeeded; it failed. */
	void (*mapping)(struct gantry_dma_dev *dev, const void *site);
	void (*added)(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site);
	void (*failed)(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site);
	/**
	 * An object is to be freed or unmapped. Return false if it must not; otherwise o describes
	 * what was allocated.
	 */
	bool (*removing)(struct gantry_dma_dev *dev, struct dma_object *o, const void *site);
	/** The owner of objects ends. */
	void (*dropping)(struct gantry_dma_dev *dev, const void *owner, const void *site);

	/**
	 * Until list_end(), this thread's mappings, unmappings and syncs are pieces of a list.
	 */
	void (*list_begin)(enum dma_kind kind, const void *site);
	void (*list_end)(void);
	/** A list is mapped: its first segment, and the number of entries that its owner knows. */
	void (*list_mapped)(struct gantry_dma_dev *dev, gantry_dma_addr_t first,
			unsigned int nents);
	/** Return the number of entries to unmap or sync; 0: do neither. */
	unsigned int (*list_nents)(struct gantry_dma_dev *dev, gantry_dma_addr_t first,
			unsigned int nents, bool unmap);
	/** A piece that cannot be mapped without a direction, or is no segment for this device. */
	void (*list_refused)(struct dma_call *c);
	/** One part of a list that is to be synced. All parts are passed before one is synced. */
	void (*list_turn)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
	/** A sync of [off, off + size) of a chain that has fewer bytes: it is not done. */
	void (*list_range)(struct gantry_dma_dev *dev, gantry_dma_addr_t first, size_t off,
			size_t size, enum gantry_dma_dir dir);
	/** A chain is unmapped with more pieces than it was mapped with. */
	void (*list_longer)(struct gantry_dma_dev *dev, enum gantry_dma_dir dir);
	/**
	 * With fewer: unmap one piece that is left there. Return its size; 0: none begins there.
	 */
	size_t (*list_left)(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

	/** The device is destroyed, and everything it has is about to be freed. */
	void (*end)(struct gantry_dma_dev *dev, const void *site);
	/** The device is abandoned. */
	void (*abandon)(struct gantry_dma_dev *dev);
};
/** No layer. */
extern const struct dma_layer dma_no_layer;

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
/** Log that text as a line about the device, at a level like RTE_LOG_ERR. */
void dma_log_error(struct gantry_dma_dev *dev, uint32_t level);

/** Switch the device to a mode. The device must have nothing mapped. */
void dma_set_mode(struct gantry_dma_dev *dev, const struct gantry_dma_mode *mode);
/** Put a layer around the device, whatever its mode is or becomes, or remove it (dma_no_layer). */
void dma_set_layer(struct gantry_dma_dev *dev, const struct dma_layer *layer);

/*
 * The hooks of the device's mode, below the layer, for checked arguments.
 */
gantry_dma_addr_t dma_base_map(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_base_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
void dma_base_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu);

/** Call the hook, or refuse. */
gantry_dma_addr_t dma_base_map_resource(struct gantry_dma_dev *dev, void *va,
		gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir, const void *site);

/** Map by EAL's bus addresses, which must be contiguous and within the mask. */
gantry_dma_addr_t dma_map_eal(struct gantry_dma_dev *dev, const void *ptr, size_t size);

/** Report what is wrong with the arguments of a mapping. */
void dma_refuse_arguments(struct gantry_dma_dev *dev, const void *ptr, size_t size) __rte_cold;

/** Return whether the arguments of a mapping are valid. */
static inline bool
dma_arguments_are_valid(const void *ptr, size_t size, enum gantry_dma_dir dir)
{
	/* A size of 0 wraps to an address below. */
	return likely((uintptr_t)ptr + (size - 1) >= (uintptr_t)ptr &&
			(unsigned int)dir < GANTRY_DMA_NONE);
}

/** The same; report what is wrong with them. */
static inline bool
dma_arguments_ok(struct gantry_dma_dev *dev, const void *ptr, size_t size, enum gantry_dma_dir dir)
{
	if (dma_arguments_are_valid(ptr, size, dir))
		return true;
	dma_refuse_arguments(dev, ptr, size);
	return false;
}

/**
 * The list or chain of mbufs whose pieces this thread maps; 0: none. Each list has a number of its
 * own, which no other list ever has.
 */
extern __thread uintptr_t dma_list;

/** A region of the process' memory: a line of /proc/self/maps. */
struct dma_region {
	uintptr_t start, end;
	char perms[5], path[256];
};
/** Call fn for each region, in the order of addresses, until fn returns true. */
void dma_for_each_region(bool (*fn)(const struct dma_region *r, void *arg), void *arg);

/** Report why memory of this kind has no bus address. */
void dma_refuse_class(struct gantry_dma_dev *dev, const void *ptr);
/** Report and log that an operation (`what`) was not done, and why. */
void dma_misuse(struct gantry_dma_dev *dev, const char *what, gantry_dma_addr_t addr, size_t size,
		const char *why);

/*
 * Coherent memory.
 */

/**
 * gantry_dma_alloc_coherent() and gantry_dma_free_coherent() without the layer.
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
		int socket_id, uint64_t mask);
/** Allocate a block at EAL's bus address, which must also be inside the mask and aligned. */
int dma_block_direct(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask);

/** Return whether EAL's bus address of some EAL memory is inside the mask. */
bool dma_block_reachable(uint64_t mask);

/*
 * Devices.
 */

/**
 * Allocate a device without a mode.
 * @param params      the caller's parameters, not yet checked
 * @param mode_state  bytes to allocate for dma_device.mode_state, zeroed
 * @return  the device, or NULL with rte_errno set
 */
struct dma_device *dma_device_create(const struct gantry_dma_params *params, size_t mode_state);
/** Add a device with a mode to the list of all devices. Its end removes it. */
void dma_devices_add(struct gantry_dma_dev *dev);
/** Call fn for each device, with the list locked. */
void dma_devices_for_each(void (*fn)(struct dma_device *d, void *arg), void *arg);
/**
 * Protect the list. The caller also holds this lock while the mode of a listed device begins or
 * changes. It is a mutex: a thread that shows what a device reaches may sleep.
 */
void dma_devices_lock(void);
void dma_devices_unlock(void);
/** Add an object that ends with the device, or remove it. */
void dma_attach(struct gantry_dma_dev *dev, struct dma_attached *a);
void dma_detach(struct gantry_dma_dev *dev, struct dma_attached *a);
/** Return the highest of EAL's bus addresses. */
uint64_t dma_highest_address(void);

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

#endif /* DMA_CORE_H */
