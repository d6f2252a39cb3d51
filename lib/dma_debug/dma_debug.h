/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The debug layer: its start, and the parts that its files share. dma_debug.c has the theory.
 */

#ifndef DMA_DEBUG_H
#define DMA_DEBUG_H

#include "dma_core.h"
#include "dma_ext.h"
#include "gantry_dma_debug.h"

/** The queue that a call serves. */
struct dma_context {
	char kind; /* 'r', 't', or 0: no queue */
	uint16_t queue, desc;
};

/** Put the layer around the device. Return 0 or -errno. */
int dma_debug_start(struct gantry_dma_dev *dev, enum gantry_dma_debug_level level);

/*
 * Within the layer.
 */

/** Flags of an entry. */
enum {
	DMA_CHECKED = 1 << 0,  /* gantry_dma_mapping_error() was called */
	DMA_REPORTED = 1 << 1, /* part of a reported misuse: report no consequences */
	DMA_CPU_TURN = 1 << 2, /* synced for the CPU */
	DMA_SUMMED = 1 << 3,   /* sum is valid */
	DMA_GONE = 1 << 4,     /* its memory was given back to EAL */
	DMA_UNOWNED = 1 << 5,  /* its mbuf was free when it was mapped */
	DMA_FOREIGN = 1 << 6,  /* its buffer is not the mbuf's own, and may be freed first */
	DMA_COUNTED = 1 << 7,  /* the object of its mbuf counts a device as owner */
};

/**
 * A link in the list of a bucket. Entries are aligned, so the address of a link leads to its entry.
 */
struct dma_link {
	struct dma_link *next;
};

/** A range that the device may reach. */
struct dma_entry {
	struct dma_link bus[2], cpu[2];
	gantry_dma_addr_t addr;
	uint8_t *ptr;
	size_t size;
	struct gantry_dma_dev *dev;

	struct rte_mbuf *mbuf;
	struct rte_mbuf *lender; /* the mbuf that owns the buffer, if mbuf is a clone */
	const void *site;        /* return address of the code that mapped it */
	const void *owner;       /* pool of a block; number of the list of a piece */
	uint64_t sum;
	uint64_t block; /* EAL heap header of the memory; 0: none */
	uint32_t nents; /* entries of a list, in its first piece */
	struct dma_context context;
	uint8_t kind, dir;
	uint8_t flags;
} __rte_aligned(128);

/** The current activity of this thread. */
struct dma_thread {
	struct dma_context context;
	const void *caller; /* caller of the driver's function */
	bool caller_known;  /* caller is already known to be outside of libraries */
	bool in_list;
	/* a mistake in the list was reported: one mistake, one report */
	bool list_reported;
	bool list_turn; /* the CPU owns a part of the range that is synced */
	bool reporting;
	bool registered; /* the layer is notified when the thread ends */
	enum dma_kind list_kind;
	const void *list_site;
	const void *list_owner;             /* its number, from its mapping */
	const void *unmapped_site;          /* code that had mapped the last unmapped piece */
	struct gantry_dma_promise *promise; /* about sent mbufs */
	/* The last mapping; the next test of a mapping error is likely for it. */
	struct dma_entry *last;
	/* A mapping that failed, and whose error was not tested yet. */
	struct gantry_dma_dev *failed;
	const void *failed_site;
	size_t failed_size;
	void *failed_ptr;
	/*
	 * An mbuf that the driver will free next, although it does not own it. It is valid until
	 * the thread maps something or gets that mbuf: then the driver did not free it. An
	 * unmapping does not end it, because drivers unmap a burst before they free it.
	 */
	const struct rte_mbuf *unowned;
	/* The stack; 0: not known yet. */
	uintptr_t stack, stack_end;
	/* Spare entries. */
	unsigned int nr_spare;
	struct dma_entry *spare[64];
};

extern __thread struct dma_thread dma_thread;

/** The debug state of a device. */
struct dma_debug {
	TAILQ_ENTRY(dma_debug) next;
	struct gantry_dma_dev *dev;
	enum gantry_dma_debug_level level;
	/* Protected by the lock of reports: */
	uint64_t errors, repeats;
	unsigned int nr_seen, max_seen;
	struct dma_seen *seen;
};

/** The contents of a report. Unknown members are NULL or 0. */
struct dma_report {
	enum gantry_dma_misuse misuse;
	struct gantry_dma_dev *dev;
	struct dma_context context;
	gantry_dma_addr_t addr; /* GANTRY_DMA_MAPPING_ERROR: none */
	const void *ptr;
	size_t size;
	enum gantry_dma_dir dir; /* GANTRY_DMA_NONE: none */
	const struct rte_mbuf *mbuf;
	const char *pool; /* unless the mbuf has one */
	const void *map_site;
	const char *map_verb; /* "mapped" */
	const void *site;     /* place of the misuse */
};
/** Report it, if it is new. The caller holds no lock. */
void dma_debug_report(const struct dma_report *r, const char *fmt, ...)
		__attribute__((format(printf, 2, 3)));
/** Start a report with the contents of an entry. */
struct dma_report dma_debug_report_of(enum gantry_dma_misuse misuse, const struct dma_entry *e,
		const void *site);

/** Start a report about a call for which the books have no entry. */
struct dma_report dma_debug_report_call(enum gantry_dma_misuse misuse, const struct dma_call *c);
/** The names of the functions that begin and end a mapping, by kind. */
struct dma_functions {
	const char *map, *unmap;
};
extern const struct dma_functions dma_debug_functions[];

/** Call fn for each entry of all devices, with its bucket locked, until fn returns true. */
void dma_debug_for_each(bool (*fn)(struct dma_entry *e, void *arg), void *arg);
/** Call fn likewise for each entry on [ptr, ptr + size), possibly twice for one entry. */
void dma_debug_for_each_at(const void *ptr, size_t size, bool (*fn)(struct dma_entry *e, void *arg),
		void *arg);

/**
 * Keep each device in the list alive. This is also the lock of reports: a thread that holds it must
 * not take an EAL lock, because reports come from threads that hold EAL locks. Recursive.
 */
void dma_debug_lock_devices(void);
void dma_debug_unlock_devices(void);
TAILQ_HEAD(dma_debug_list, dma_debug);
extern struct dma_debug_list dma_debug_devices;

/** Return the EAL heap header of the block that begins here; 0: none, or the block is free. */
uint64_t dma_debug_block(struct gantry_dma_dev *dev, const void *ptr);
/** Return the MAP_ misuse if the memory is a stack, text, or not mapped; otherwise MAX. */
enum gantry_dma_misuse dma_debug_memory(struct gantry_dma_dev *dev, const void *ptr, size_t size);
/** Return whether EAL memory is contiguous in EAL's bus addresses. */
bool dma_debug_contiguous(struct gantry_dma_dev *dev, const void *ptr, size_t size);
/** Start with the first device; end after the last. */
void dma_debug_memory_start(void);
void dma_debug_memory_end(void);

/**
 * Return whether each mapping has bus addresses of its own, with nothing behind them after it ends,
 * as in strict and bounce mode. In the other modes the device reaches whatever is at EAL's or the
 * window's addresses.
 */
static inline bool
dma_debug_cuts_off(struct gantry_dma_dev *dev)
{
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	return !base->by_eal && base->own_above == 0;
}

/** Return "to the device" and the like; "no way" without a direction. */
const char *dma_debug_dir_name(enum gantry_dma_dir dir);

/** Record that an mbuf is handed over, before its entry is in the books. */
void dma_debug_mbuf_mapped(struct dma_entry *e, const void *site);
/** Record that it comes back, after its entry left the books. quiet: report nothing. */
void dma_debug_mbuf_unmapped(struct dma_entry *e, bool quiet, const void *site);
/**
 * Return whether both are the same mbuf, for receive: that is reported when the application gets
 * it.
 */
bool dma_debug_mbuf_twice(const struct dma_entry *a, const struct dma_entry *b);
/** Start the device's turn: from here on the data must not change. A bucket may be locked. */
void dma_debug_mbuf_sum(struct dma_entry *e);
/**
 * Test whether mempools work so that a pool with these operations can be watched. Only the first
 * call tests. Return NULL if they do; otherwise text that describes what the watch would not see.
 * @param ops_index  operations of the watch, which pass calls for a pool that they do not know to
 *   dma_debug_probe_put() and _get()
 */
const char *dma_debug_probe(int32_t ops_index);
int dma_debug_probe_put(void *const *objs, unsigned int n);
int dma_debug_probe_get(void **objs, unsigned int n);
/** Return whether another process shares the memory of this process now. */
bool dma_debug_is_shared(void);
/** Stop watching all pools for a device. */
void dma_debug_unwatch(struct gantry_dma_dev *dev);

/** Get counts and the last reports, for telemetry. */
#define DMA_DEBUG_RECENT 32
struct dma_debug_counts {
	uint64_t errors, repeats;
	uint64_t by_class[GANTRY_DMA_MISUSE_MAX];
	unsigned int nr_recent;
	char *recent[DMA_DEBUG_RECENT]; /* oldest first; the caller frees them */
};
void dma_debug_counts(struct dma_debug_counts *c);
/** Register the commands. Called once. */
void dma_debug_telemetry(void);
/** Copy the current filter. */
void dma_debug_filter_get(char *buf, size_t len);

#endif /* DMA_DEBUG_H */
