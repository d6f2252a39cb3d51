/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The debug layer: the counterpart of the kernel's dma-debug, and the lives of mbufs.
 *
 * It is above any mode of a device that was created with gantry_dma_params::debug. It reports
 * each misuse once, as one line in the log and as a struct gantry_dma_error. It does not carry out
 * a call that would do harm (unmapping something that is not mapped). Everything else works as
 * without it.
 *
 * Telemetry: /gantry/dma/errors, /gantry/dma/live, /gantry/dma/dump, /gantry/dma/filter.
 *
 * Thread safety: any thread may call these functions, unless noted otherwise.
 */

#ifndef GANTRY_DMA_DEBUG_H
#define GANTRY_DMA_DEBUG_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/**
 * Every class of misuse: X(suffix of the constant, name). "From the class to the function" in
 * doc/dma_debug.md has all cases of each class.
 */
#define GANTRY_DMA_MISUSES(X) \
	X(UNMAP_UNKNOWN, "unmap-unknown")           /* unmapped or freed, never mapped */ \
	X(UNMAP_TWICE, "unmap-twice")               /* unmapped or freed, for the second time */ \
	X(WRONG_SIZE, "wrong-size")                 /* unmapped or freed with another size */ \
	X(WRONG_FUNCTION, "wrong-function")         /* by another kind's function, to another pool */ \
	X(WRONG_DIRECTION, "wrong-direction")       /* unmapped with another, mapped with none */ \
	X(WRONG_CPU_ADDRESS, "wrong-cpu-address")   /* coherent block, other pointer or bus address */ \
	X(WRONG_NENTS, "wrong-nents")               /* list or chain, other pieces: unmap, sync */ \
	X(UNMAP_ERROR, "unmap-error-address")       /* unmap of a mapping error */ \
	X(UNCHECKED, "unchecked-mapping")           /* the mapping error was not tested */ \
	X(LEAKED, "leaked-mapping")                 /* left when the device, or its pool, ends */ \
	X(SYNC_UNMAPPED, "sync-unmapped")           /* sync of unmapped memory */ \
	X(SYNC_RANGE, "sync-out-of-range")          /* sync beyond the mapping's end */ \
	X(SYNC_DIRECTION, "sync-wrong-direction")   /* sync with another direction */ \
	X(SYNC_POINTLESS, "sync-pointless")         /* sync with nothing to hand over */ \
	X(MAP_INVALID, "map-invalid")               /* no memory, a BAR, or a wrong buf_iova */ \
	X(MAP_STACK, "map-stack")                   /* memory of a thread's stack */ \
	X(MAP_TEXT, "map-text")                     /* program text, or read-only data */ \
	X(MAP_SCATTERED, "map-not-contiguous")      /* no bus address: scattered, not shared */ \
	X(OVERLAP, "overlap")                       /* line in two mappings, device writes one */ \
	X(SEGMENT_SIZE, "segment-too-long")         /* longer than the device takes */ \
	X(SEGMENT_BOUNDARY, "segment-boundary")     /* crosses the device's boundary */ \
	X(FREED_MAPPED, "freed-while-mapped")       /* memory released, still mapped */ \
	X(MBUF_FREED, "mbuf-freed-in-flight")       /* freed in flight, or sent or posted when free */ \
	X(MBUF_DOUBLE_FREE, "mbuf-double-free")     /* freed twice */ \
	X(MBUF_WRITTEN, "mbuf-written-after-send")  /* written while the device owned it */ \
	X(MBUF_WRITTEN_FREE, "mbuf-written-after-free") /* written while it was free */ \
	X(MBUF_IN_RING, "mbuf-sent-in-ring")        /* sent while posted, or without a reference */ \
	X(MBUF_RECEIVED_INTO, "mbuf-received-into") /* taken while another posting remains */ \
	X(MBUF_CHANGED, "mbuf-changed-in-flight")   /* its fields changed before its return or reuse */ \
	X(MBUF_FAST_FREE, "mbuf-fast-free-broken")  /* breaks MBUF_FAST_FREE */ \
	X(MBUF_CHAIN, "mbuf-chain-not-enabled")     /* chain without MULTI_SEGS */ \
	X(MBUF_NOT_OF_POOL, "mbuf-not-of-pool")     /* put into a pool it is not from */

/** The classes of misuse. */
enum gantry_dma_misuse {
#define GANTRY_DMA_MISUSE(id, name) GANTRY_DMA_MISUSE_ ## id,
	GANTRY_DMA_MISUSES(GANTRY_DMA_MISUSE)
#undef GANTRY_DMA_MISUSE
	GANTRY_DMA_MISUSE_MAX
};
/* clang-format on */

/** Return the name of a class, as above. */
const char *gantry_dma_misuse_name(enum gantry_dma_misuse misuse);

#define GANTRY_DMA_TRACE_MAX 16 /**< return addresses in a report */

/** One report. Its pointers are valid during the call of the handler. */
struct gantry_dma_error {
	enum gantry_dma_misuse misuse; /**< its class */
	const char *device;            /**< its name */
	int queue;                     /**< -1: no queue */
	char queue_kind;               /**< 'r'eceive, 't'ransmit, or 0 */
	int descriptor;                /**< index in the ring; -1: none */
	gantry_dma_addr_t addr;        /**< bus address */
	const void *cpu;               /**< CPU address; NULL: unknown */
	size_t size;                   /**< bytes */
	enum gantry_dma_dir dir;       /**< direction of the mapping or of the call */
	const struct rte_mbuf *mbuf;   /**< NULL: none known */
	const char *pool;              /**< name of the mbuf's pool; NULL: none known */
	/**
	 * Return address of the code that mapped it; if the driver reports its caller
	 * (gantry_dma_debug_caller()), of that caller. If something was freed, sent or allocated
	 * twice: of the first time. For an overlap: of the code that mapped the other. NULL:
	 * unknown.
	 */
	const void *map_site;
	const char *map_symbol;                  /**< as text: "function+0x12 (file)" */
	unsigned int nr_trace;                   /**< number of return addresses in trace */
	const void *trace[GANTRY_DMA_TRACE_MAX]; /**< of the misuse, innermost first */
	/**
	 * The culprit: the first of these outside of gantry and DPDK, and above the driver if it
	 * reports its caller; otherwise the first.
	 */
	const char *symbol;
	const char *text; /**< the whole line, as logged */
};

/**
 * Handler of reports. The library calls it for each report, after it logged the report, in the
 * thread that detected the misuse. That thread may hold the EAL memory lock: the handler must not
 * allocate or free EAL memory, nor map.
 */
typedef void (*gantry_dma_error_fn)(void *arg, const struct gantry_dma_error *error);

/**
 * Set the handler of this process' reports, in addition to the log; NULL: none. The library calls
 * it for one report at a time.
 * @param fn   the handler
 * @param arg  its first argument
 */
void gantry_dma_debug_handler(gantry_dma_error_fn fn, void *arg);
/**
 * Return the number of reports of a device so far; NULL: of all devices, including destroyed ones.
 */
uint64_t gantry_dma_debug_errors(struct gantry_dma_dev *dev);
/** Return the number of current mappings, including coherent blocks; 0 with debug off. */
uint64_t gantry_dma_debug_live(struct gantry_dma_dev *dev);
/** From now on report only devices whose name contains this text; NULL or "": all devices. */
void gantry_dma_debug_filter(const char *name);

/**
 * Attribute this thread's mappings, unmappings and syncs to a queue, until the next call.
 *
 * For drivers. It costs a store or two; a driver calls it if gantry_dma_debug_on().
 * @param kind   'r'eceive, 't'ransmit, or 0: no queue
 * @param queue  its number
 * @param desc   the index of the descriptor
 */
void gantry_dma_debug_context(char kind, uint16_t queue, uint16_t desc);
/**
 * Set the caller of the driver's function, until the next call.
 *
 * For drivers: @p site is __builtin_return_address(0) of the driver's function. The library
 * attributes this thread's mappings to it. If it is a function of ethdev that was not inlined, the
 * library attributes them to the place in the application, further out. NULL: the driver itself
 * maps.
 * @param site  a return address, or NULL
 */
void gantry_dma_debug_caller(const void *site);
/** The promises that an application has made about the mbufs that it sends on a queue. */
struct gantry_dma_promise {
	/** One pool, one reference each, direct buffers: RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE. */
	bool fast_free;
	bool one_segment; /**< no chains: RTE_ETH_TX_OFFLOAD_MULTI_SEGS is not enabled */
	/** The pool of the first mbuf. The library sets it; NULL at first. */
	const struct rte_mempool *pool;
};
/**
 * Check each mbuf that this thread maps to the device against a promise, until the next call.
 *
 * For drivers. The library reports an mbuf that breaks the promise. A driver that frees by the
 * promise should not do so if gantry_dma_debug_on(), because a broken promise then does more harm
 * than a report.
 * @param promise  of the queue, which no two threads use concurrently; NULL: none
 */
void gantry_dma_debug_promise(struct gantry_dma_promise *promise);
/** Return whether the debug layer watches the device. Cheap enough for the data path. */
static inline bool gantry_dma_debug_on(const struct gantry_dma_dev *dev);
/**
 * Watch the lives of a pool's mbufs from now on.
 *
 * For drivers, for a pool whose mbufs will be handed to the device (a receive queue's pool, for
 * example). If an mbuf of an unknown pool is mapped, the library adds the pool by itself, but later
 * than is useful.
 *
 * Before it watches the first pool, the library tests whether this release of DPDK shows it each
 * put and each get. It logs what failed, and everything else works without the watch.
 * @param dev   the device
 * @param pool  the pool
 * @retval 0         the pool is watched, or debug is off
 * @retval -EINVAL   not a pool of mbufs
 * @retval -ENOSPC   DPDK has no room for another kind of mempool, or too many devices watch the
 *   pool
 * @retval -ENOMEM   out of memory
 * @retval -EEXIST   another copy of this library watches the pool
 * @retval -ENOTSUP  the library would not see puts or gets
 * @retval -EBUSY    secondary processes are attached
 * @retval -ENFILE   too many pools were watched in this process
 */
int gantry_dma_debug_watch(struct gantry_dma_dev *dev, struct rte_mempool *pool);

/** @cond */
static inline bool
gantry_dma_debug_on(const struct gantry_dma_dev *dev)
{
	/* The debug layer is the only layer. */
	return unlikely(dev->layered);
}
/** @endcond */

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_DEBUG_H */
