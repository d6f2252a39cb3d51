/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The debug layer: what the kernel calls dma-debug, and the life of mbufs.
 *
 * It stands above any mode of a device that was created with
 * gantry_dma_params::debug. Each misuse is reported once, as one line of the log and
 * what stands in struct gantry_dma_error. What would do harm is not carried out (an
 * unmapping of what isn't mapped); all else goes on as without.
 *
 * Telemetry: /gantry/dma/errors, /gantry/dma/live, /gantry/dma/dump, /gantry/dma/filter.
 *
 * Thread safety: any thread, unless it says otherwise.
 */

#ifndef GANTRY_DMA_DEBUG_H
#define GANTRY_DMA_DEBUG_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Every class of misuse: X(constant's end, name). */
#define GANTRY_DMA_MISUSES(X) \
	X(UNMAP_UNKNOWN, "unmap-unknown")           /* what was never mapped is unmapped, freed */ \
	X(UNMAP_TWICE, "unmap-twice")               /* what was unmapped, or freed, already */ \
	X(WRONG_SIZE, "wrong-size")                 /* unmapped or freed with another size */ \
	X(WRONG_FUNCTION, "wrong-function")         /* unmapped by the function of another kind */ \
	X(WRONG_DIRECTION, "wrong-direction")       /* unmapped with another direction */ \
	X(WRONG_CPU_ADDRESS, "wrong-cpu-address")   /* a coherent block with another pointer */ \
	X(WRONG_NENTS, "wrong-nents")               /* a list, a chain with other pieces */ \
	X(UNMAP_ERROR, "unmap-error-address")       /* what gantry_dma_mapping_error() is true of */ \
	X(UNCHECKED, "unchecked-mapping")           /* never asked for a mapping error */ \
	X(LEAKED, "leaked-mapping")                 /* left when the device goes */ \
	X(SYNC_UNMAPPED, "sync-unmapped")           /* sync of what is not mapped */ \
	X(SYNC_RANGE, "sync-out-of-range")          /* sync beyond the mapping's end */ \
	X(SYNC_DIRECTION, "sync-wrong-direction")   /* sync with another direction */ \
	X(SYNC_POINTLESS, "sync-pointless")         /* for the CPU what the device only reads, ... */ \
	X(MAP_INVALID, "map-invalid")               /* nothing is there, or a BAR */ \
	X(MAP_STACK, "map-stack")                   /* memory of a thread's stack */ \
	X(MAP_TEXT, "map-text")                     /* program text, or read-only data */ \
	X(MAP_SCATTERED, "map-not-contiguous")      /* no one bus address: scattered, not given */ \
	X(OVERLAP, "overlap")                       /* a cache line mapped twice, written once */ \
	X(SEGMENT_SIZE, "segment-too-long")         /* longer than the device takes */ \
	X(SEGMENT_BOUNDARY, "segment-boundary")     /* across a boundary that it may not cross */ \
	X(FREED_MAPPED, "freed-while-mapped")       /* memory given back to EAL with a mapping on it */ \
	X(MBUF_FREED, "mbuf-freed-in-flight")       /* freed while the device may touch it */ \
	X(MBUF_DOUBLE_FREE, "mbuf-double-free")     /* freed twice */ \
	X(MBUF_WRITTEN, "mbuf-written-after-send")  /* written after it was handed over */ \
	X(MBUF_WRITTEN_FREE, "mbuf-written-after-free") /* written while it was free */ \
	X(MBUF_IN_RING, "mbuf-sent-in-ring")        /* sent while it is still in a ring */ \
	X(MBUF_RECEIVED_INTO, "mbuf-received-into") /* received into after it was taken */ \
	X(MBUF_CHANGED, "mbuf-changed-in-flight")   /* its own fields, while the device had it */ \
	X(MBUF_FAST_FREE, "mbuf-fast-free-broken")  /* sent against the promise of MBUF_FAST_FREE */ \
	X(MBUF_CHAIN, "mbuf-chain-not-enabled")     /* a chain, without MULTI_SEGS */ \
	X(MBUF_NOT_OF_POOL, "mbuf-not-of-pool")     /* no mbuf of the pool that it is put into */

/** The classes. */
enum gantry_dma_misuse {
#define GANTRY_DMA_MISUSE(id, name) GANTRY_DMA_MISUSE_ ## id,
	GANTRY_DMA_MISUSES(GANTRY_DMA_MISUSE)
#undef GANTRY_DMA_MISUSE
	GANTRY_DMA_MISUSE_MAX
};

/** The name of a class, as above. */
const char *gantry_dma_misuse_name(enum gantry_dma_misuse misuse);

#define GANTRY_DMA_TRACE_MAX 16

/** One report. Pointers are good during the call of the handler. */
struct gantry_dma_error {
	enum gantry_dma_misuse misuse;
	const char *device;        /**< its name */
	int queue;                 /**< -1: no queue's */
	char queue_kind;           /**< 'r'eceive, 't'ransmit, or 0 */
	int descriptor;            /**< index in the ring; -1: none */
	gantry_dma_addr_t addr;    /**< bus address */
	const void *cpu;           /**< CPU address; NULL: unknown */
	size_t size;               /**< bytes */
	enum gantry_dma_dir dir;
	const struct rte_mbuf *mbuf; /**< NULL: none is known */
	const char *pool;          /**< the mbuf's; NULL */
	/**
	 * Who mapped it: a return address, of whoever called the driver if it says so
	 * (gantry_dma_debug_caller()). Of what was freed, sent or allocated twice who did so
	 * first; of an overlap who mapped the other. NULL: nobody is known.
	 */
	const void *map_site;
	const char *map_symbol;    /**< as text: "function+0x12 (file)" */
	unsigned int nr_trace;     /**< who misused it, innermost first: return addresses */
	const void *trace[GANTRY_DMA_TRACE_MAX];
	/**
	 * The first of these outside of gantry and DPDK, and above the driver if it says who called
	 * it; or the first.
	 */
	const char *symbol;
	const char *text;          /**< the whole line, as it was logged */
};

/**
 * Called for each report, after it was logged, in the thread that met it, which may hold
 * EAL's memory lock: it must not allocate or free memory of EAL's, nor map.
 */
typedef void (*gantry_dma_error_fn)(void *arg, const struct gantry_dma_error *error);

/** Who gets the reports of this process besides the log; NULL: nobody. One at a time. */
void gantry_dma_debug_handler(gantry_dma_error_fn fn, void *arg);
/** Reports so far of a device; NULL: of all, those that are gone included. */
uint64_t gantry_dma_debug_errors(struct gantry_dma_dev *dev);
/** Mappings that exist now, coherent blocks included; 0 with debug off. */
uint64_t gantry_dma_debug_live(struct gantry_dma_dev *dev);
/** Only devices whose name contains this are reported from now on; NULL or "": all. */
void gantry_dma_debug_filter(const char *name);

/**
 * For drivers: the mappings, unmappings and syncs of this thread are on behalf of a queue,
 * from here to the next call. A store or two; call it if gantry_dma_debug_on().
 * @param kind   'r'eceive, 't'ransmit, or 0: no queue's
 * @param queue  its number
 * @param desc   the descriptor's index
 */
void gantry_dma_debug_context(char kind, uint16_t queue, uint16_t desc);
/**
 * For drivers: whoever called the driver's function, __builtin_return_address(0) there. Until
 * the next call, what this thread maps is said to be mapped by that: of an application the
 * place in it, which is further out if the functions of ethdev were not inlined. NULL: by the
 * driver itself.
 */
void gantry_dma_debug_caller(const void *site);
/** What an application has promised of the mbufs that a queue sends. */
struct gantry_dma_promise {
	/** One pool, one reference each, direct buffers: RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE. */
	bool fast_free;
	bool one_segment; /**< no chains: RTE_ETH_TX_OFFLOAD_MULTI_SEGS is not enabled */
	/** The pool of the first mbuf. The library sets it; NULL to begin with. */
	const struct rte_mempool *pool;
};
/**
 * For drivers: until the next call, each mbuf that this thread maps to the device is sent under
 * this promise, and is reported if it breaks it. A driver that frees accordingly should not do so
 * if gantry_dma_debug_on(), because a broken promise then does more harm than a report.
 * @param promise  the queue's, which no two threads use concurrently; NULL: none
 */
void gantry_dma_debug_promise(struct gantry_dma_promise *promise);
/** Whether the device is watched. Cheap: for the data path. */
static inline bool gantry_dma_debug_on(const struct gantry_dma_dev *dev);
/**
 * For drivers: mbufs of this pool will be handed to the device (a receive queue's pool, say).
 * From here on its objects' lives are watched. Pools of mbufs that are mapped and not
 * known are added by themselves, later than would be good.
 *
 * The first pool is watched after a test whether this release of DPDK shows the library each put
 * and each get.
 * @return 0, and always with debug off; -EINVAL: no pool of mbufs; -ENOSPC: DPDK has no room
 *   for another kind of mempool, or too many devices watch it; -ENOMEM; -EEXIST: another copy of
 *   this library watches it; -ENOTSUP: puts or gets would not be seen; -EBUSY: secondary
 *   processes are attached. What failed is logged, and all else works without.
 */
int gantry_dma_debug_watch(struct gantry_dma_dev *dev, struct rte_mempool *pool);

/** @cond */
static inline bool
gantry_dma_debug_on(const struct gantry_dma_dev *dev)
{
	return unlikely(dev->debug);
}
/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_DEBUG_H */
