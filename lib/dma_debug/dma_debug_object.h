/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The records of a watched pool's mbufs, which the files that follow owners share. See
 * dma_debug_mbuf.c.
 */

#ifndef DMA_DEBUG_OBJECT_H
#define DMA_DEBUG_OBJECT_H

#include <pthread.h>

#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "dma_debug_books.h"

#define POOLS_MAX   256 /* number ever watched; a power of two */
#define DEVICES_MAX 32  /* number that watch one pool */

/* The state of an object: flags, then how often devices have it. */
#define FREE               (UINT64_C(1) << 0)
#define REPORTED           (UINT64_C(1) << 1) /* misused: its consequences are not reported */
#define WAS_RX             (UINT64_C(1) << 2) /* received into since it was got */
#define SUMMED             (UINT64_C(1) << 3) /* sum is valid: the free mbuf's data */
#define FLAGS              UINT64_C(0xFFFF)
#define RX                 (UINT64_C(1) << 16)
#define TX                 (UINT64_C(1) << 32)
#define LENT               (UINT64_C(1) << 48) /* its buffer is lent to a clone */
#define COUNT(state, what) (((state) / (what)) & 0xFFFF)
#define AWAY(state)        ((state) >> 16 != 0)
#define IN_FLIGHT(state)   (COUNT(state, RX) != 0 || COUNT(state, TX) != 0)

/* The fields of an mbuf that must not change while a device has it. */
struct fields {
	const struct rte_mbuf *next;
	const void *buf_addr;
	uint32_t pkt_len;
	uint16_t data_off, data_len, nb_segs;
	uint16_t max_refs; /* more references are a misuse; 0: the fields are unknown */
};

struct object {
	uint64_t state;
	const void *at;             /* address of the mbuf; NULL: none begins in this stride */
	struct gantry_dma_dev *dev; /* device that last received into it */
	struct dma_context context;
	union {
		struct { /* while it is free */
			uint64_t sum;
			const void *site; /* code that freed it last */
		};
		struct fields fields; /* while a device has it */
	};
} __rte_cache_aligned;

/* A piece of a pool's memory. Two objects are at least one stride apart. */
struct chunk {
	uintptr_t start, end;
	struct object *objects;
};

#define QUARANTINE_MAX (RTE_MEMPOOL_CACHE_MAX_SIZE * 2) /* flushthresh is less; a power of two */

/* The queue of an lcore, behind the watch. */
struct quarantine {
	rte_spinlock_t lock;
	unsigned int head, n;
	void *objs[QUARANTINE_MAX];
};

struct watch {
	struct rte_mempool *pool;
	bool active;
	/* The pool's own settings. */
	const struct rte_mempool_ops *ops;
	int32_t ops_index;
	uint32_t cache_size, cache_limit;
	size_t stride;
	uint32_t nr_objects; /* when the watch began */
	unsigned int nr_chunks;
	struct chunk *chunks; /* ordered by address */
	struct gantry_dma_dev *devices[DEVICES_MAX];
	unsigned int nr_devices;
	struct quarantine *quarantines[RTE_MAX_LCORE]; /* never freed, like the watch */
};

/**
 * By the pool's address. An entry stays forever, because a call that uses it may be in progress.
 */
extern struct watch *dma_watches[POOLS_MAX];
/** Protects changes of the table, and the devices of each watch. */
extern pthread_mutex_t dma_watches_lock;

static inline struct watch *
watch_of(const struct rte_mempool *pool)
{
	unsigned int i, at = (uintptr_t)pool / RTE_CACHE_LINE_SIZE * 2654435761u >> 24;
	struct watch *w;

	for (i = 0; i < POOLS_MAX; i++, at++) {
		w = __atomic_load_n(&dma_watches[at % POOLS_MAX], __ATOMIC_ACQUIRE);
		if (w == NULL || w->pool == pool)
			return w;
	}
	return NULL;
}

/* Return the stride that contains an address. */
static inline struct object *
stride_of(const struct watch *w, const void *obj)
{
	unsigned int low = 0, high = w->nr_chunks, mid;
	const struct chunk *c;

	while (low < high) {
		mid = (low + high) / 2;
		if (w->chunks[mid].start <= (uintptr_t)obj)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	c = &w->chunks[low - 1];
	if ((uintptr_t)obj >= c->end)
		return NULL;
	return &c->objects[((uintptr_t)obj - c->start) / w->stride];
}

/* Return the object of an mbuf; NULL: it is not an object of the pool. */
static inline struct object *
object_of(const struct watch *w, const void *obj)
{
	struct object *o = stride_of(w, obj);

	return likely(o != NULL && o->at == obj) ? o : NULL;
}

#define CONFLICTS_MAX 64 /* counted at most */

/*
 * Other hand-overs in one direction that conflict with a mapping: they have bytes of it, in its
 * mbuf.
 */
struct conflicts {
	const struct dma_entry *of;
	bool rx;
	unsigned int nr;
	const void *by[CONFLICTS_MAX]; /* each a list, or a mapping */
};

/** Count the conflicting hand-overs. The mapping itself is not in the books. */
unsigned int dma_debug_count_conflicts(struct conflicts *v, const struct dma_entry *of, bool rx);
/**
 * Start a report about an mbuf: with the mapping by which a device has it, if there is one. The
 * device may be destroyed before the report; then there is no report.
 */
struct dma_report dma_debug_report_mbuf(enum gantry_dma_misuse misuse, const struct watch *w,
		const struct object *o, const struct rte_mbuf *m, const struct conflicts *conflicts,
		const void *site);

/* Report a misuse of an object, once, and mark that later ones are consequences. */
#define REPORT_ONCE(o, r, ...) \
	do { \
		if (!(__atomic_fetch_or(&(o)->state, REPORTED, __ATOMIC_RELAXED) & REPORTED) && \
				(r).dev != NULL) \
			dma_debug_report(&(r), __VA_ARGS__); \
	} while (0)

/*
 * Pools: dma_debug_watch.c.
 */

/** Watch the pool of an mbuf that is mapped. Return NULL if it is not watched. */
struct watch *dma_debug_watch_pool(struct gantry_dma_dev *dev, struct rte_mempool *pool);

/*
 * The operations of a watched pool: dma_debug_pool.c.
 */

int dma_debug_pool_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n);
int dma_debug_pool_dequeue(struct rte_mempool *mp, void **objs, unsigned int n);
unsigned int dma_debug_pool_count(const struct rte_mempool *mp);
/**
 * Empty an lcore's cache of objects from before the watch. The lcore is the caller's own, or idle.
 */
void dma_debug_pool_flush(const struct watch *w, unsigned int lcore);
/** Put the contents of all queues into the pool. The caller holds no queue's lock. */
void dma_debug_pool_drain(struct watch *w);

#endif /* DMA_DEBUG_OBJECT_H */
