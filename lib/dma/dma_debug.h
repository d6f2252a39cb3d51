/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The debug layer, within the library: what the functions of a device call if
 * gantry_dma_debug_on(), and what the layer's own files share. Its theory is in dma_debug.c.
 */

#ifndef DMA_DEBUG_H
#define DMA_DEBUG_H

#include "dma_private.h"
#include "gantry_dma_debug.h"

/** Which functions something was mapped by, and must be unmapped by. */
enum dma_kind {
	DMA_KIND_SINGLE,
	DMA_KIND_MBUF,
	DMA_KIND_SG,    /* a piece of a list */
	DMA_KIND_CHAIN, /* a piece of a chain of mbufs */
	DMA_KIND_RESOURCE,
	DMA_KIND_COHERENT,
	DMA_KIND_POOL,  /* a block of a gantry_dma_pool */
};

/** On behalf of which queue. */
struct dma_context {
	char kind;      /* 'r', 't', or 0: no queue's */
	uint16_t queue, desc;
};

/*
 * For the library's functions. `site` is who called the library: a return address.
 */

/** Puts the layer above the device. 0 or -errno. */
int dma_debug_start(struct gantry_dma_dev *dev, enum gantry_dma_debug_level level);
/** The device goes: what is left is reported. Before anything of it is given up. */
void dma_debug_end(struct gantry_dma_dev *dev, const void *site);
/**
 * The device is left as it is, with all that it has: it watches no pool any more, and who frees or
 * maps what it may yet write to is reported.
 */
void dma_debug_abandon(struct gantry_dma_dev *dev);

gantry_dma_addr_t dma_debug_map(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_debug_unmap(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs, const void *site);
void dma_debug_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu, const void *site);
int dma_debug_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
/** Reports a mapping that may not be asked for so. */
void dma_debug_arguments(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr, size_t size,
		enum gantry_dma_dir dir, const void *site);

/**
 * What this thread maps, unmaps and syncs are pieces of a list, from here to
 * dma_debug_list_end().
 */
void dma_debug_list_begin(enum dma_kind kind, const void *site);
/** The list is mapped: its first segment, and how many its owner was told of. */
void dma_debug_list_mapped(struct gantry_dma_dev *dev, gantry_dma_addr_t first,
		unsigned int nents);
/** The nents that a list is to be unmapped or synced with; 0: not at all. */
unsigned int dma_debug_list_nents(struct gantry_dma_dev *dev, gantry_dma_addr_t first,
		unsigned int nents, bool unmap);
/** There is a part of what is to be synced. All of them are asked before one is. */
void dma_debug_list_turn(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
/** A sync of [off, off + size) of a chain's bytes, which has fewer. */
void dma_debug_list_range(struct gantry_dma_dev *dev, gantry_dma_addr_t first, size_t off,
		size_t size, enum gantry_dma_dir dir);
/** A chain is unmapped with more pieces than it was mapped with. */
void dma_debug_list_longer(struct gantry_dma_dev *dev, enum gantry_dma_dir dir);
/** With fewer: what is left there is unmapped, one piece. Its size; 0: none begins there. */
size_t dma_debug_list_left(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);
/** A piece that is no segment for this device. */
void dma_debug_list_refused(struct gantry_dma_dev *dev, void *ptr, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir);
void dma_debug_list_end(void);

/** gantry_dma_map_resource(), by dma_resource_map(). */
gantry_dma_addr_t dma_debug_map_resource(struct gantry_dma_dev *dev, void *va,
		gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir, const void *site);
/**
 * Something was allocated, or a BAR mapped.
 * @param owner  of a block of a pool: which
 */
void dma_debug_add(struct gantry_dma_dev *dev, enum dma_kind kind, const void *owner, void *ptr,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, const void *site);
/** What is to be freed or unmapped. */
struct dma_debug_ref {
	enum dma_kind kind;
	const void *owner;
	void *ptr;
	gantry_dma_addr_t addr;
	size_t size;
	enum gantry_dma_dir dir;
};
/** It is freed: false if that must not be; else ref says what was allocated. */
bool dma_debug_remove(struct gantry_dma_dev *dev, struct dma_debug_ref *ref, const void *site);
/** Blocks of this owner that are left are reported, and forgotten. */
void dma_debug_drop(struct gantry_dma_dev *dev, const void *owner, const void *site);
/** A mapping by gantry_dma_map_resource() of what is no BAR. */
void dma_debug_no_resource(struct gantry_dma_dev *dev, void *va, size_t size,
		enum gantry_dma_dir dir, const void *site);

/*
 * Within the layer.
 */

/** Of an entry. */
enum {
	DMA_CHECKED = 1 << 0,  /* gantry_dma_mapping_error() was asked */
	DMA_ACCUSED = 1 << 1,  /* part of a misuse that was reported: nothing follows from it */
	DMA_CPU_TURN = 1 << 2, /* synced for the CPU */
	DMA_SUMMED = 1 << 3,   /* sum is the data's */
	DMA_GONE = 1 << 4,     /* its memory was given back to EAL */
	DMA_UNOWNED = 1 << 5,  /* its mbuf was free when it was mapped */
	DMA_FOREIGN = 1 << 6,  /* its buffer isn't the mbuf's own, and may go before that */
	DMA_COUNTED = 1 << 7,  /* its mbuf's object says that a device has it */
};

/** A member of a bucket's list. An entry is aligned, so that its address leads to it. */
struct dma_link {
	struct dma_link *next;
};

/** Something that the device may reach. */
struct dma_entry {
	struct dma_link bus[2], cpu[2];
	gantry_dma_addr_t addr;
	uint8_t *ptr;
	size_t size;
	struct gantry_dma_dev *dev;

	struct rte_mbuf *mbuf;
	struct rte_mbuf *lender; /* whose buffer it is, where mbuf is a clone */
	const void *site;       /* who mapped it */
	const void *owner;      /* of a pool's block the pool, of a list's piece its number */
	uint64_t sum;
	uint64_t block;         /* what EAL's heap said of the memory; 0: nothing */
	uint32_t nents;         /* of the first piece of a list */
	struct dma_context context;
	uint8_t kind, dir;
	uint8_t flags;
} __rte_aligned(128);

/** What this thread is doing. */
struct dma_thread {
	struct dma_context context;
	const void *caller;          /* on whose behalf the driver works */
	bool caller_known;           /* it is no function of a library's */
	bool in_list;
	bool list_told;              /* of what is wrong with it: one mistake, one report */
	bool list_turn;              /* a part of what is synced is the CPU's */
	bool reporting;
	bool registered;             /* its end is noticed */
	enum dma_kind list_kind;
	const void *list_site;
	const void *list_owner;      /* its number, when it was mapped */
	const void *unmapped_site;   /* who had mapped what was unmapped last */
	struct gantry_dma_promise *promise; /* of what is sent */
	/* The last mapping, whose mapping error is asked next. */
	struct dma_entry *last;
	/* A mapping that failed, and nobody has asked. */
	struct gantry_dma_dev *failed;
	const void *failed_site;
	size_t failed_size;
	void *failed_ptr;
	/*
	 * An mbuf that the driver gives back next, and that isn't its to give. Until something is
	 * mapped, or the thread gets that mbuf: then the driver did not give it back. Not until
	 * something is unmapped: drivers unmap a burst before they give it back.
	 */
	const struct rte_mbuf *unowned;
	/* The stack; 0: not known yet. */
	uintptr_t stack, stack_end;
	/* Entries to use. */
	unsigned int nr_spare;
	struct dma_entry *spare[64];
};

extern __thread struct dma_thread dma_thread;

/** Of a device. */
struct dma_debug {
	TAILQ_ENTRY(dma_debug) next;
	struct gantry_dma_dev *dev;
	enum gantry_dma_debug_level level;
	/* Under the report's lock: */
	uint64_t errors, repeats;
	unsigned int nr_seen, max_seen;
	struct dma_seen *seen;
};

/** What is reported. Unknown: NULL, or 0. */
struct dma_report {
	enum gantry_dma_misuse misuse;
	struct gantry_dma_dev *dev;
	struct dma_context context;
	gantry_dma_addr_t addr;      /* GANTRY_DMA_MAPPING_ERROR: none */
	const void *ptr;
	size_t size;
	enum gantry_dma_dir dir;     /* GANTRY_DMA_NONE: none */
	const struct rte_mbuf *mbuf;
	const char *pool;            /* unless the mbuf says */
	const void *map_site;
	const char *map_verb;        /* "mapped" */
	const void *site;            /* where the misuse is */
};
/** Reports it, if it is new. Called without locks. */
void dma_debug_report(const struct dma_report *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/** What an entry says, to begin with. */
struct dma_report dma_debug_report_of(enum gantry_dma_misuse misuse, const struct dma_entry *e,
		const void *site);

/** Calls fn for each entry of all devices, its bucket locked; ends if it returns true. */
void dma_debug_for_each(bool (*fn)(struct dma_entry *e, void *arg), void *arg);
/** Calls fn for each entry on [ptr, ptr + size) likewise; perhaps twice for one. */
void dma_debug_for_each_at(const void *ptr, size_t size,
		bool (*fn)(struct dma_entry *e, void *arg), void *arg);

/**
 * Whoever holds this finds each device of the list alive. It is a report's lock, too: no lock of
 * EAL's is taken under it, as reports come from under those. Recursive.
 */
void dma_debug_lock_devices(void);
void dma_debug_unlock_devices(void);
TAILQ_HEAD(dma_debug_list, dma_debug);
extern struct dma_debug_list dma_debug_devices;

/** What EAL's heap says of the block that begins here; 0: nothing, or it is free. */
uint64_t dma_debug_block(struct gantry_dma_dev *dev, const void *ptr);
/** Whether memory is a stack, text, or nothing at all: the MAP_ misuse; else MAX. */
enum gantry_dma_misuse dma_debug_memory(struct gantry_dma_dev *dev, const void *ptr, size_t size);
/** Whether EAL's memory is contiguous in EAL's bus addresses. */
bool dma_debug_contiguous(struct gantry_dma_dev *dev, const void *ptr, size_t size);
/** With the first device, after the last. */
void dma_debug_memory_start(void);
void dma_debug_memory_end(void);

/**
 * Whether each mapping has bus addresses of its own, which lead nowhere when it ends, as in strict
 * and bounce mode; else the device reaches whatever lies at EAL's, or the window's.
 */
static inline bool
dma_debug_cuts_off(struct gantry_dma_dev *dev)
{
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	return base != NULL && base->own_above == 0;
}

/** "to the device" and the like; of none "no way". */
const char *dma_debug_dir_name(enum gantry_dma_dir dir);

/** A code address as "function+0x12 (file)". False: not even a file. */
bool dma_symbol(const void *addr, char *buf, size_t len);
/** Whose code it is; more is more of a library's. */
enum dma_code {
	DMA_CODE_FOREIGN, /* the application's, or another driver's */
	DMA_CODE_LIBRARY, /* gantry's or DPDK's */
	DMA_CODE_DPDK,    /* a function of DPDK's API, perhaps in the program itself */
};
#define DMA_WAY_MAX 32
/**
 * A return address on this thread's way here, and from there outwards the first that is less than
 * code; site itself if none is. NULL: it is not on the way. As slow as a backtrace.
 */
const void *dma_way_out(const void *site, enum dma_code code);
/** The same; site if it is not on the way, and at once if that is less than code. */
const void *dma_who_called(const void *site, enum dma_code code);

/** The lives of mbufs: one is handed over, before its entry is in the books. */
void dma_debug_mbuf_mapped(struct dma_entry *e, const void *site);
/** And comes back, when it no longer is. With quiet nothing is told. */
void dma_debug_mbuf_unmapped(struct dma_entry *e, bool quiet, const void *site);
/** The same mbuf twice, for receive: it is told of when the application gets it. */
bool dma_debug_mbuf_twice(const struct dma_entry *a, const struct dma_entry *b);
/** The device's turn: from here on its data may not change. A bucket may be locked. */
void dma_debug_mbuf_sum(struct dma_entry *e);
/**
 * Whether mempools work so that a pool with these operations can be watched: the first call tests
 * it. NULL: they do; else what would go unseen.
 * @param ops_index  the watch's operations, which pass those of a pool that they do not know to
 *   dma_debug_probe_put() and _get()
 */
const char *dma_debug_probe(int32_t ops_index);
int dma_debug_probe_put(void * const *objs, unsigned int n);
int dma_debug_probe_get(void **objs, unsigned int n);
/** Whether another process shares the memory of this one now. */
bool dma_debug_is_shared(void);
/** The device watches no pool any more. */
void dma_debug_mbuf_end(struct gantry_dma_dev *dev);

/** Counts and the last reports, for telemetry. */
#define DMA_DEBUG_KEPT 32
struct dma_debug_counts {
	uint64_t errors, repeats;
	uint64_t by_class[GANTRY_DMA_MISUSE_MAX];
	unsigned int nr_kept;
	char *kept[DMA_DEBUG_KEPT]; /* oldest first; the caller's to free() */
};
void dma_debug_counts(struct dma_debug_counts *c);
/** Registers the commands. Once. */
void dma_debug_telemetry(void);
/** The filter as it is. */
void dma_debug_filter_get(char *buf, size_t len);

#endif /* DMA_DEBUG_H */
