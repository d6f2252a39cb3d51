/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The lives of mbufs.
 *
 *        pool  --- get --->  application  --- map --->  device
 *         ^                   |       ^                   |
 *         +------ put --------+       +------ unmap ------+
 *
 * Only the current owner may follow an arrow away from itself. The arrows on the right are the
 * driver's calls of gantry_dma_map_mbuf(). For the arrows on the left the library gives the pool
 * other operations, which do the work of the pool's own, and watch. If an object comes back and is
 * already free, it was freed twice. If the device still owns it, it is freed in flight. The watch
 * detects both as they happen, so the backtrace is the culprit's. Neither object enters the pool,
 * so no other caller gets an mbuf that is still in use, and the program continues.
 *
 * Caches. The caches that a pool has for each lcore would hide most of that, so they are switched
 * off. Each lcore puts back the contents of its own cache at its next call, because only the lcore
 * itself may touch the cache of a running lcore. A free into a cache of the application's own is
 * not seen. Instead of the caches there are queues behind the watch, of the same size. A freed
 * object rests in the queue until half as many objects as a cache holds are freed after it. So a
 * device or an application that still uses it is found, and yet the object is got again before it
 * leaves the CPU's caches. Each queue has a lock, which only its lcore takes, until the pool is
 * empty or the watch ends: then all queues are emptied into the pool, including those of lcores
 * that are gone.
 *
 * Objects. The records of an object are apart from it, in an array: its state, and how often a
 * device has it. Objects that were in use when the watch began are assumed to be used correctly.
 *
 *      watches[] --> struct watch --> pool, its own operations
 *                    | chunks[] ----> struct object (one for each stride of the pool's memory)
 *                    | kept[] ------> queue of each lcore
 *                    | devices[]
 *
 * References. Several queues may send a packet at once if each has a reference. So an mbuf is "sent
 * while in a ring" if it is sent more often than its reference count allows. A clone has the buffer
 * of another mbuf, which is lent as long as a device has the clone.
 *
 * Parts. One hand-over may consist of several mappings: of header and payload separately, or the
 * entries of a list. So the number of mappings of an mbuf either shows that nothing is wrong, or
 * that the mappings must be examined. Mappings of the same bytes, with those of one list counted
 * once, are the hand-overs.
 *
 * Data. Data that is sent has a checksum, taken at the hand-over and compared when the mbuf comes
 * back. A free buffer into which a device had received also has one, of its first bytes, where a
 * device that still owns the buffer would write. A buffer that is neither the mbuf's own nor
 * another mbuf's belongs to the application, which may unmap it at any time. The watch reads such a
 * buffer with a system call, which returns an error where a load would fault.
 *
 * Fields. A driver reads an mbuf's fields at the hand-over, and again when the mbuf comes back, so
 * they must not change in between. The watch records them at the first hand-over. It counts
 * references: each hand-over needs one, and code without a reference cannot take one. Fields that
 * DPDK allows others to write at any time (dynamic fields, hash, time stamps, flags) are ignored.
 *
 * Threads. An atomic operation changes the state of an object. A mutex protects the table of
 * watches, their start and end, and their devices.
 *
 * Secondary processes do not have the pool's other operations, so an application with secondary
 * processes cannot be watched.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include "dma_checksum.h"
#include "dma_debug_books.h"

#define POOLS_MAX   256 /* number ever watched; a power of two */
#define DEVICES_MAX 32  /* number that watch one pool */
#define FREE_SUMMED 128 /* bytes of a free mbuf's data in its checksum */

/* The state of an object: flags, then how often devices have it. */
#define FREE    (UINT64_C(1) << 0)
#define ACCUSED (UINT64_C(1) << 1) /* misused: its consequences are not reported */
#define WAS_RX  (UINT64_C(1) << 2) /* received into since it was got */
#define SUMMED  (UINT64_C(1) << 3) /* sum is valid: the free mbuf's data */
#define FLAGS   UINT64_C(0xFFFF)
#define RX      (UINT64_C(1) << 16)
#define TX      (UINT64_C(1) << 32)
#define LENT    (UINT64_C(1) << 48) /* its buffer is lent to a clone */
#define COUNT(state, what) (((state) / (what)) & 0xFFFF)
#define AWAY(state)        ((state) >> 16 != 0)
#define IN_FLIGHT(state)   (COUNT(state, RX) != 0 || COUNT(state, TX) != 0)

/* The fields of an mbuf that must not change while a device has it. */
struct fields {
	const struct rte_mbuf *next;
	const void *buf_addr;
	uint32_t pkt_len;
	uint16_t data_off, data_len, nb_segs;
	uint16_t max_refs;          /* more references are a misuse; 0: the fields are unknown */
};

struct object {
	uint64_t state;
	const void *at;             /* address of the mbuf; NULL: none begins in this stride */
	struct gantry_dma_dev *dev; /* device that last received into it */
	struct dma_context context;
	union {
		struct { /* while it is free */
			uint64_t sum;
			const void *site;   /* code that freed it last */
		};
		struct fields fields;       /* while a device has it */
	};
} __rte_cache_aligned;

/* A piece of a pool's memory. Two objects are at least one stride apart. */
struct chunk {
	uintptr_t start, end;
	struct object *objects;
};

#define KEPT_MAX (RTE_MEMPOOL_CACHE_MAX_SIZE * 2) /* flushthresh is less; a power of two */

/* The queue of an lcore, behind the watch. */
struct kept {
	rte_spinlock_t lock;
	unsigned int head, n;
	void *objs[KEPT_MAX];
};

struct watch {
	struct rte_mempool *pool;
	bool active;
	/* The pool's own settings. */
	const struct rte_mempool_ops *ops;
	int32_t ops_index;
	uint32_t cache_size, cache_limit;
	size_t stride;
	uint32_t nr_objects;        /* when the watch began */
	unsigned int nr_chunks;
	struct chunk *chunks;       /* ordered by address */
	struct gantry_dma_dev *devices[DEVICES_MAX];
	unsigned int nr_devices;
	struct kept *kept[RTE_MAX_LCORE]; /* never freed, like the watch */
};

/* By the pool's address. An entry stays forever, because a call that uses it may be in progress. */
static struct watch *watches[POOLS_MAX];
static bool no_place; /* for another pool: one was refused, and that was logged */
/* what the watch would not see: no pool is watched, and that was logged */
static const char *blind;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects changes */
static int watch_ops_index = -1;

static struct watch *
find(const struct rte_mempool *pool)
{
	unsigned int i, at = (uintptr_t)pool / RTE_CACHE_LINE_SIZE * 2654435761u >> 24;
	struct watch *w;

	for (i = 0; i < POOLS_MAX; i++, at++) {
		w = __atomic_load_n(&watches[at % POOLS_MAX], __ATOMIC_ACQUIRE);
		if (w == NULL || w->pool == pool)
			return w;
	}
	return NULL;
}

/* Return the stride that contains an address. */
static struct object *
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
static struct object *
object_of(const struct watch *w, const void *obj)
{
	struct object *o = stride_of(w, obj);

	return likely(o != NULL && o->at == obj) ? o : NULL;
}

/*
 * Checksums.
 */

/* Sum memory that may be unmapped; return false if it is. */
static bool
foreign_sum(const uint8_t *p, size_t size, uint64_t *sum)
{
	uint8_t copy[4096];
	size_t n;

	for (*sum = size; size > 0; p += n, size -= n) {
		struct iovec to = { .iov_base = copy }, from = { .iov_base = (void *)(uintptr_t)p };

		n = RTE_MIN(size, sizeof(copy));
		to.iov_len = from.iov_len = n;
		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)n)
			return false;
		*sum = *sum * UINT64_C(0x9E3779B97F4A7C15) + dma_checksum(copy, n);
	}
	return true;
}

/*
 * Sum the bytes that a device would write if the mbuf is free: in the mbuf's permanent buffer. That
 * buffer follows the mbuf, unless the mbufs of the pool are pinned to buffers of the application.
 */
static bool
free_sum(struct rte_mbuf *m, uint64_t *sum)
{
	const uint32_t room = rte_pktmbuf_data_room_size(m->pool);
	const uint32_t head = RTE_MIN((uint32_t)RTE_PKTMBUF_HEADROOM, room);
	const uint32_t size = RTE_MIN(room - head, (uint32_t)FREE_SUMMED);

	if (unlikely(rte_pktmbuf_priv_flags(m->pool) & RTE_PKTMBUF_POOL_F_PINNED_EXT_BUF))
		return foreign_sum((const uint8_t *)m->buf_addr + head, size, sum);
	*sum = dma_checksum((const uint8_t *)rte_mbuf_to_baddr(m) + head, size);
	return true;
}

/* Sum the data of a mapping; return false if the data is no longer there. */
static bool
data_sum(const struct dma_entry *e, uint64_t *sum)
{
	gantry_dma_addr_t addr;

	if (unlikely(e->flags & DMA_FOREIGN))
		return foreign_sum(e->ptr, e->size, sum);
	/* EAL memory, or memory registered with EAL. */
	if (!gantry_dma_look_up(&dma_device(e->dev)->eal, e->ptr, e->size, GANTRY_DMA_ADDR_MAX,
			&addr) && rte_mem_virt2memseg_list(e->ptr) == NULL)
		return false;
	*sum = dma_checksum(e->ptr, e->size);
	return true;
}

void
dma_debug_mbuf_sum(struct dma_entry *e)
{
	if (e->dir == GANTRY_DMA_TO_DEVICE && data_sum(e, &e->sum))
		e->flags |= DMA_SUMMED;
}

/*
 * Hand-overs.
 */

#define RIVALS_MAX 64 /* counted at most */

/*
 * Other hand-overs in one direction that conflict with a mapping: they have bytes of it, in its
 * mbuf.
 */
struct rivals {
	const struct dma_entry *of;
	bool rx;
	unsigned int nr;
	const void *by[RIVALS_MAX]; /* each a list, or a mapping */
};

static bool
is_rival(const struct dma_entry *e, const struct rivals *v)
{
	return e->mbuf == v->of->mbuf && (e->dir != GANTRY_DMA_TO_DEVICE) == v->rx &&
		(e->owner == NULL || e->owner != v->of->owner) && dma_same_bytes(e, v->of);
}

static bool
add_rival(struct dma_entry *e, void *arg)
{
	struct rivals *v = arg;
	const void *by = e->owner != NULL ? e->owner : e;
	unsigned int i;

	if (!is_rival(e, v))
		return false;
	for (i = 0; i < v->nr; i++)
		if (v->by[i] == by)
			return false;
	v->by[v->nr++] = by;
	return v->nr == RIVALS_MAX;
}

/* Count the conflicting hand-overs. The mapping itself is not in the books. */
static unsigned int
count_rivals(struct rivals *v, const struct dma_entry *of, bool rx)
{
	v->of = of;
	v->rx = rx;
	v->nr = 0;
	dma_debug_for_each_at(of->ptr, of->size, add_rival, v);
	return v->nr;
}

/*
 * Reports.
 */

struct search {
	const struct rte_mbuf *m;
	const struct rivals *rivals; /* find one of these; NULL: any mapping of the mbuf's buffer */
	struct dma_entry found;
};

static bool
find_mapping(struct dma_entry *e, void *arg)
{
	struct search *s = arg;

	if (s->rivals != NULL ? !is_rival(e, s->rivals) : e->mbuf != s->m && e->lender != s->m)
		return false;
	s->found = *e;
	e->flags |= DMA_ACCUSED;
	return true;
}

/*
 * Start a report about an mbuf: with the mapping by which a device has it, if there is one. The
 * device may be destroyed before the report; then there is no report.
 */
static struct dma_report
report_mbuf(enum gantry_dma_misuse misuse, const struct watch *w, const struct object *o,
		const struct rte_mbuf *m, const struct rivals *rivals, const void *site)
{
	struct search s = { .m = m, .rivals = rivals };
	struct dma_report r = {
		.misuse = misuse,
		.addr = GANTRY_DMA_MAPPING_ERROR,
		.ptr = m->buf_addr,
		.dir = GANTRY_DMA_NONE,
		.mbuf = m,
		.pool = w->pool->name,
		.site = site,
	};
	unsigned int i;

	dma_debug_for_each_at(rte_mbuf_to_baddr((struct rte_mbuf *)(uintptr_t)m),
		rte_pktmbuf_data_room_size(w->pool), find_mapping, &s);
	if (s.found.dev == NULL && m->buf_addr != NULL && m->buf_len != 0)
		dma_debug_for_each_at(m->buf_addr, m->buf_len, find_mapping, &s);
	if (s.found.dev != NULL) {
		r = dma_debug_report_of(misuse, &s.found, site);
		r.mbuf = m; /* not the clone that was handed over */
		r.pool = w->pool->name;
		return r;
	}
	/* Otherwise the device that last received into it, or any device that watches the pool. */
	pthread_mutex_lock(&lock);
	if (w->nr_devices > 0)
		r.dev = w->devices[0];
	for (i = 0; i < w->nr_devices; i++) {
		if (w->devices[i] == o->dev) {
			r.dev = o->dev;
			r.context = o->context;
		}
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/*
 * Return whether no device that watches the pool can have written to a buffer after its unmapping.
 */
static bool
cut_off(const struct watch *w)
{
	bool all = true;
	unsigned int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < w->nr_devices; i++)
		all = all && dma_debug_cuts_off(w->devices[i]);
	pthread_mutex_unlock(&lock);
	return all;
}

/* Report a misuse of an object, once, and mark that later ones are consequences. */
#define TELL(o, r, ...) do { \
	if (!(__atomic_fetch_or(&(o)->state, ACCUSED, __ATOMIC_RELAXED) & ACCUSED) && \
			(r).dev != NULL) \
		dma_debug_report(&(r), __VA_ARGS__); \
} while (0)

/*
 * The pool's side.
 */

/*
 * The code that puts objects: the same for all objects of a call, so it is searched for at most
 * once.
 */
struct putter {
	const void *site;
	const void *who; /* caller of DPDK's functions; NULL: not searched for yet */
};

/* Return the mbuf of a watched pool that contains an address; NULL: none does. */
static struct rte_mbuf *
mbuf_around(const struct watch *w, const void *obj)
{
	const struct object *o = stride_of(w, obj);

	/* The mbuf may begin in the previous stride. */
	if (o != NULL && (o->at == NULL || o->at > obj))
		o = stride_of(w, (const uint8_t *)obj - w->stride);
	return o != NULL && o->at != NULL && o->at <= obj &&
		(uintptr_t)obj - (uintptr_t)o->at < w->pool->elt_size ?
		(struct rte_mbuf *)(uintptr_t)o->at : NULL;
}

/* Return false if the address is not an mbuf of the pool, and must not enter the pool. */
static bool
stranger_put(const struct watch *w, const void *obj, const struct putter *by)
{
	struct dma_report r = {
		.misuse = GANTRY_DMA_MISUSE_MBUF_NOT_OF_POOL,
		.addr = GANTRY_DMA_MAPPING_ERROR,
		.ptr = obj,
		.dir = GANTRY_DMA_NONE,
		.site = by->site,
	};
	char what[64] = "is no mbuf of a watched pool";
	unsigned int i;

	/* The pool got more memory after the watch began. */
	if (w->pool->populated_size != w->nr_objects && stride_of(w, obj) == NULL)
		return true;
	pthread_mutex_lock(&lock);
	r.dev = w->nr_devices > 0 ? w->devices[0] : NULL;
	for (i = 0; r.mbuf == NULL && i < POOLS_MAX; i++) {
		const struct watch *of = watches[i];

		if (of == NULL || !of->active)
			continue;
		r.mbuf = mbuf_around(of, obj);
		r.pool = r.mbuf != NULL ? of->pool->name : NULL;
	}
	pthread_mutex_unlock(&lock);
	if (r.mbuf == obj)
		snprintf(what, sizeof(what), "is an mbuf of another pool");
	else if (r.mbuf != NULL)
		snprintf(what, sizeof(what), "is no mbuf, but %zu bytes behind the beginning of one",
			(size_t)((uintptr_t)obj - (uintptr_t)r.mbuf));
	if (r.dev != NULL)
		dma_debug_report(&r, "%p is put into pool '%s', and %s; it does not enter the pool",
			obj, w->pool->name, obj == NULL ? "is no mbuf" : what);
	return false;
}

/* Return false if the object must not enter the pool. */
static bool
object_put(const struct watch *w, struct rte_mbuf *m, struct putter *by)
{
	struct object *o = object_of(w, m);
	struct dma_report r;
	uint64_t state;

	if (unlikely(o == NULL))
		return stranger_put(w, m, by);
	if (unlikely(dma_thread.unowned == m)) {
		dma_thread.unowned = NULL;
		return false;
	}
	state = __atomic_fetch_or(&o->state, FREE, __ATOMIC_ACQ_REL);
	if (unlikely(state & FREE)) {
		if (state & ACCUSED)
			return false;
		r = report_mbuf(GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE, w, o, m, NULL, by->site);
		r.map_site = o->site;
		r.map_verb = "freed";
		TELL(o, r, "it is in its pool already, and is not put there again");
		return false;
	}
	if (unlikely(AWAY(state))) {
		__atomic_fetch_and(&o->state, ~FREE, __ATOMIC_RELEASE);
		if (state & ACCUSED)
			return false;
		r = report_mbuf(GANTRY_DMA_MISUSE_MBUF_FREED, w, o, m, NULL, by->site);
		TELL(o, r, "freed while the device may %s; it is not put into its pool",
			COUNT(state, RX) != 0 ? "write to it" : "read it");
		return false;
	}
	if (by->who == NULL)
		by->who = dma_who_called(by->site, DMA_CODE_DPDK);
	o->site = by->who;
	o->fields.max_refs = 0;
	if ((state & WAS_RX) && free_sum(m, &o->sum))
		state |= SUMMED;
	/* This thread owns the object until it is in the pool. */
	__atomic_store_n(&o->state, (state & (SUMMED | ACCUSED)) | FREE, __ATOMIC_RELEASE);
	return true;
}

static void
object_got(const struct watch *w, struct rte_mbuf *m, const void *site)
{
	struct object *o = object_of(w, m);
	struct dma_report r;
	uint64_t state, sum;

	/* From here on this thread may free it. */
	if (unlikely(dma_thread.unowned == m))
		dma_thread.unowned = NULL;
	if (unlikely(o == NULL))
		return;
	o->fields.max_refs = 0;
	state = __atomic_fetch_and(&o->state, ~(FREE | ACCUSED | WAS_RX | SUMMED),
		__ATOMIC_ACQ_REL);
	if ((state & SUMMED) && !(state & ACCUSED) && free_sum(m, &sum) &&
			unlikely(o->sum != sum)) {
		r = report_mbuf(GANTRY_DMA_MISUSE_MBUF_WRITTEN_FREE, w, o, m, NULL, site);
		r.map_site = o->site;
		r.map_verb = "freed";
		if (r.dev != NULL)
			dma_debug_report(&r, "its data changed while it was free: by the CPU, %s",
				cut_off(w) ? "as no device reaches what was unmapped" :
				"or by a device that still had it");
	}
}

/*
 * Return whether a call of the pool's operations is about the cache of an lcore itself: DPDK fills
 * or empties it.
 */
static bool
is_cache(const struct watch *w, void * const *objs)
{
	const unsigned int lcore = rte_lcore_id();
	struct rte_mempool_cache *cache;

	if (w->cache_size == 0 || lcore >= RTE_MAX_LCORE)
		return false;
	cache = &w->pool->local_cache[lcore];
	return objs >= cache->objs && objs < cache->objs + RTE_DIM(cache->objs);
}

/*
 * Empty an lcore's cache of objects from before the watch. The lcore is the caller's own, or idle.
 */
static void
flush(const struct watch *w, unsigned int lcore)
{
	struct rte_mempool_cache *cache;
	unsigned int i, n;

	if (w->cache_size == 0 || lcore >= RTE_MAX_LCORE)
		return;
	cache = &w->pool->local_cache[lcore];
	if (likely(cache->len == 0))
		return;
	n = cache->len;
	for (i = 0; i < n; i++) {
		struct object *o = object_of(w, cache->objs[i]);

		if (o == NULL)
			continue;
		o->site = NULL; /* before the watch */
		__atomic_fetch_or(&o->state, FREE, __ATOMIC_RELEASE);
	}
	cache->len = 0;
	w->ops->enqueue(w->pool, cache->objs, n);
}

/*
 * Return this lcore's queue, locked; NULL: it has none. If the pool had no caches, there are no
 * queues.
 */
static struct kept *
kept_get(struct watch *w)
{
	const unsigned int lcore = rte_lcore_id();
	struct kept *k;

	if (w->cache_size == 0 || lcore >= RTE_MAX_LCORE)
		return NULL;
	k = w->kept[lcore];
	if (unlikely(k == NULL)) {
		k = calloc(1, sizeof(*k));
		if (k == NULL)
			return NULL;
		rte_spinlock_init(&k->lock);
		__atomic_store_n(&w->kept[lcore], k, __ATOMIC_RELEASE);
	}
	rte_spinlock_lock(&k->lock);
	if (likely(w->active))
		return k;
	rte_spinlock_unlock(&k->lock);
	return NULL;
}

/* Take the oldest objects of a queue. */
static void
kept_take(struct kept *k, void **objs, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		objs[i] = k->objs[k->head++ % KEPT_MAX];
	k->n -= n;
}

/* Put that many of them into the pool. */
static int
kept_drop(const struct watch *w, struct kept *k, unsigned int n)
{
	void *objs[KEPT_MAX];

	kept_take(k, objs, n);
	return w->ops->enqueue(w->pool, objs, n);
}

/* Put the contents of all queues into the pool. The caller holds no queue's lock. */
static void
empty_kept(struct watch *w)
{
	struct kept *k;
	unsigned int i;

	for (i = 0; i < RTE_MAX_LCORE; i++) {
		k = __atomic_load_n(&w->kept[i], __ATOMIC_ACQUIRE);
		if (k == NULL)
			continue;
		rte_spinlock_lock(&k->lock);
		if (k->n > 0)
			kept_drop(w, k, k->n);
		rte_spinlock_unlock(&k->lock);
	}
}

static int
keep(const struct watch *w, struct kept *k, void * const *objs, unsigned int n)
{
	unsigned int i;
	int ret;

	if (k->n + n > w->cache_limit) {
		ret = kept_drop(w, k, k->n - RTE_MIN(k->n, w->cache_size -
			RTE_MIN(w->cache_size, n)));
		if (ret != 0)
			return ret;
	}
	for (i = 0; i < n; i++)
		k->objs[(k->head + k->n++) % KEPT_MAX] = objs[i];
	return 0;
}

/* Put objects that passed the watch into the queue, or into the pool. */
static int
let_in(struct watch *w, void * const *objs, unsigned int n)
{
	struct kept *k = n <= w->cache_limit ? kept_get(w) : NULL;
	int ret;

	if (k == NULL)
		return w->ops->enqueue(w->pool, objs, n);
	ret = keep(w, k, objs, n);
	rte_spinlock_unlock(&k->lock);
	return ret;
}

static int
watch_enqueue(struct rte_mempool *mp, void * const *objs, unsigned int n)
{
	struct putter by = { .site = __builtin_return_address(0) };
	struct watch *w = find(mp);
	unsigned int i, done = 0;
	int ret = 0;

	if (unlikely(w == NULL))
		return dma_debug_probe_put(objs, n);
	/* If DPDK itself puts a cache back, its contents are from before the watch. */
	if (!is_cache(w, objs))
		flush(w, rte_lcore_id());
	for (i = 0; i < n && ret == 0; i++) {
		if (likely(!w->active || object_put(w, objs[i], &by)))
			continue;
		/* Put the objects before this one; this one stays out. */
		if (i > done)
			ret = let_in(w, &objs[done], i - done);
		done = i + 1;
	}
	if (ret == 0 && n > done)
		ret = let_in(w, &objs[done], n - done);
	return ret;
}

/* Get all objects or none. Objects that rest in queues are used only if nothing else is left. */
static int
let_out(struct watch *w, void **objs, unsigned int n)
{
	struct kept *k = kept_get(w);
	unsigned int here, rest;
	int ret;

	if (k != NULL) {
		rest = RTE_MIN(k->n, w->cache_size / 2);
		here = RTE_MIN(n, k->n - rest);
		ret = n > here ? w->ops->dequeue(w->pool, &objs[here], n - here) : 0;
		if (ret == 0)
			kept_take(k, objs, here);
		rte_spinlock_unlock(&k->lock);
	} else {
		ret = w->ops->dequeue(w->pool, objs, n);
	}
	if (likely(ret == 0))
		return 0;
	empty_kept(w);
	return w->ops->dequeue(w->pool, objs, n);
}

static int
watch_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	const void *site = __builtin_return_address(0);
	struct watch *w = find(mp);
	unsigned int i;
	int ret;

	if (unlikely(w == NULL))
		return dma_debug_probe_get(objs, n);
	/* Refuse to fill a cache: DPDK then asks for the objects that it needs. */
	if (w->active && is_cache(w, objs))
		return -ENOBUFS;
	flush(w, rte_lcore_id());
	ret = let_out(w, objs, n);
	for (i = 0; i < n && ret == 0 && w->active; i++)
		object_got(w, objs[i], site);
	return ret;
}

static unsigned int
watch_get_count(const struct rte_mempool *mp)
{
	const struct watch *w = find(mp);
	unsigned int count = w->ops->get_count(mp), i;

	for (i = 0; i < RTE_MAX_LCORE; i++) {
		const struct kept *k = __atomic_load_n(&w->kept[i], __ATOMIC_ACQUIRE);

		if (k != NULL)
			count += __atomic_load_n(&k->n, __ATOMIC_RELAXED);
	}
	return count;
}

static int
watch_alloc(struct rte_mempool *mp)
{
	return -ENOTSUP; /* no pool starts with these operations */
}

static void unwatch(struct watch *w);
static void free_chunks(struct watch *w);

struct of_pool {
	const struct watch *w;
	struct dma_entry found;
};

static bool
find_of_pool(struct dma_entry *e, void *arg)
{
	struct of_pool *s = arg;

	if (e->mbuf == NULL || object_of(s->w, e->mbuf) == NULL)
		return false;
	s->found = *e;
	e->flags |= DMA_GONE | DMA_ACCUSED;
	e->mbuf = NULL;
	return true;
}

/*
 * The pool is freed, and its memory already is: mappings of its mbufs are stale from now on. All
 * objects in the pool and in the queues were got before.
 */
static void
watch_free(struct rte_mempool *mp)
{
	struct watch *w = find(mp);
	struct of_pool s = { .w = w };
	struct dma_report r;

	for (; w->active; s.found.dev = NULL) {
		dma_debug_for_each(find_of_pool, &s);
		if (s.found.dev == NULL)
			break;
		if (s.found.flags & DMA_ACCUSED)
			continue;
		s.found.mbuf = NULL;
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, &s.found,
			__builtin_return_address(0));
		r.pool = mp->name;
		dma_debug_report(&r, "its pool is freed");
	}
	pthread_mutex_lock(&lock);
	w->nr_devices = 0;
	unwatch(w);
	free_chunks(w);
	pthread_mutex_unlock(&lock);
	if (w->ops->free != NULL)
		w->ops->free(mp);
}

static const struct rte_mempool_ops watch_ops = {
	.name = "gantry_watch",
	.alloc = watch_alloc,
	.free = watch_free,
	.enqueue = watch_enqueue,
	.dequeue = watch_dequeue,
	.get_count = watch_get_count,
};

/*
 * Start and end.
 */

static int
by_start(const void *a, const void *b)
{
	const struct chunk *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void
free_chunks(struct watch *w)
{
	while (w->nr_chunks > 0)
		free(w->chunks[--w->nr_chunks].objects);
	free(w->chunks);
	w->chunks = NULL;
}

/*
 * The pool is watched again. Its chunks are reused, because a call may be in progress that began
 * when it was watched before. Devices still have the objects that they had.
 */
static bool
reuse_chunks(struct watch *w, const struct rte_mempool *pool, size_t stride)
{
	const struct rte_mempool_memhdr *hdr;
	const struct chunk *c;
	unsigned int i;
	size_t k;

	if (w->nr_chunks != pool->nb_mem_chunks || w->stride != stride)
		return false;
	STAILQ_FOREACH(hdr, &pool->mem_list, next) {
		for (i = 0; i < w->nr_chunks; i++)
			if (w->chunks[i].start == (uintptr_t)hdr->addr &&
					w->chunks[i].end == (uintptr_t)hdr->addr + hdr->len)
				break;
		if (i == w->nr_chunks)
			return false;
	}
	for (c = w->chunks; c < &w->chunks[w->nr_chunks]; c++)
		for (k = 0; k <= (c->end - c->start) / stride; k++)
			__atomic_fetch_and(&c->objects[k].state, ~FLAGS, __ATOMIC_ACQ_REL);
	return true;
}

/* Two objects are at least one stride apart, so each has an entry of its own. */
static void
enter_object(struct rte_mempool *pool, void *w, void *obj, unsigned int idx)
{
	struct object *o = stride_of(w, obj);

	if (o != NULL)
		o->at = obj;
}

static int
make_chunks(struct watch *w, struct rte_mempool *pool)
{
	const size_t stride = (size_t)pool->header_size + pool->elt_size + pool->trailer_size;
	const struct rte_mempool_memhdr *hdr;
	struct chunk *c;
	size_t size;

	if (reuse_chunks(w, pool, stride))
		return 0;
	/* Another pool, at the address of a freed one: no call is in progress there. */
	free_chunks(w);
	w->stride = stride;
	w->chunks = calloc(pool->nb_mem_chunks, sizeof(*w->chunks));
	if (w->chunks == NULL)
		return -ENOMEM;
	STAILQ_FOREACH(hdr, &pool->mem_list, next) {
		c = &w->chunks[w->nr_chunks];
		c->start = (uintptr_t)hdr->addr;
		c->end = c->start + hdr->len;
		size = (hdr->len / w->stride + 1) * sizeof(*c->objects);
		c->objects = aligned_alloc(alignof(struct object), size);
		if (c->objects == NULL) {
			free_chunks(w);
			return -ENOMEM;
		}
		memset(c->objects, 0, size);
		w->nr_chunks++;
	}
	qsort(w->chunks, w->nr_chunks, sizeof(*w->chunks), by_start);
	return 0;
}

/* Find a place for a pool: its former place if it had one. The lock is held. */
static struct watch *
place(struct rte_mempool *pool)
{
	unsigned int i, at = (uintptr_t)pool / RTE_CACHE_LINE_SIZE * 2654435761u >> 24;
	struct watch *w = find(pool);

	if (w != NULL)
		return w;
	for (i = 0; i < POOLS_MAX; i++, at++) {
		if (watches[at % POOLS_MAX] != NULL)
			continue;
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return NULL;
		w->pool = pool;
		__atomic_store_n(&watches[at % POOLS_MAX], w, __ATOMIC_RELEASE);
		return w;
	}
	__atomic_store_n(&no_place, true, __ATOMIC_RELAXED);
	return NULL;
}

/*
 * Set how many objects are put into a pool's caches. 0: none. The size of the caches stays, because
 * a get reads it twice, and would lose objects if it changed in between. The pool's own cache_size
 * stays, because it determines where the pool's private data begin.
 */
static void
set_caches(const struct watch *w, uint32_t limit)
{
	unsigned int i;

	for (i = 0; w->cache_size != 0 && i < RTE_MAX_LCORE; i++)
		__atomic_store_n(&w->pool->local_cache[i].flushthresh, limit, __ATOMIC_RELEASE);
}

/*
 * Empty the caches of lcores that are certainly idle. Only the main lcore can know that, because it
 * starts work on the others.
 */
static void
flush_idle(const struct watch *w)
{
	const unsigned int self = rte_lcore_id();
	unsigned int lcore;

	flush(w, self);
	if (self != rte_get_main_lcore())
		return;
	RTE_LCORE_FOREACH_WORKER(lcore)
		if (rte_eal_get_lcore_state(lcore) == WAIT)
			flush(w, lcore);
}

/* The lock is held. */
static int
watch(struct watch *w, struct rte_mempool *pool)
{
	int ret;

	if (watch_ops_index < 0) {
		ret = rte_mempool_register_ops(&watch_ops);
		if (ret < 0)
			return ret;
		watch_ops_index = ret;
	}
	if (strcmp(rte_mempool_get_ops(pool->ops_index)->name, watch_ops.name) == 0)
		return -EEXIST; /* another copy of this library watches it */
	blind = dma_debug_probe(watch_ops_index);
	if (blind != NULL)
		return -ENOTSUP;
	if (dma_debug_is_shared())
		return -EBUSY;
	ret = make_chunks(w, pool);
	if (ret != 0)
		return ret;
	w->nr_objects = rte_mempool_obj_iter(pool, enter_object, w);
	w->ops_index = pool->ops_index;
	w->ops = rte_mempool_get_ops(pool->ops_index);
	w->cache_size = pool->cache_size;
	if (w->cache_size != 0)
		w->cache_limit = pool->local_cache[0].flushthresh;
	__atomic_store_n(&w->active, true, __ATOMIC_RELEASE);
	__atomic_store_n(&pool->ops_index, watch_ops_index, __ATOMIC_RELEASE);
	set_caches(w, 0);
	flush_idle(w);
	return 0;
}

/* The lock is held. A call in progress finds everything as it was, or an empty queue. */
static void
unwatch(struct watch *w)
{
	if (!w->active)
		return;
	/* Before the queues are emptied: a thread that makes a queue reads this flag afterwards. */
	__atomic_store_n(&w->active, false, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	empty_kept(w);
	__atomic_store_n(&w->pool->ops_index, w->ops_index, __ATOMIC_RELEASE);
	set_caches(w, w->cache_limit);
}

/* The lock is held. */
static int
add_device(struct watch *w, struct gantry_dma_dev *dev)
{
	unsigned int i;

	for (i = 0; i < w->nr_devices; i++)
		if (w->devices[i] == dev)
			return 0;
	if (w->nr_devices == DEVICES_MAX)
		return -ENOSPC;
	w->devices[w->nr_devices++] = dev;
	return 0;
}

/* Return why a pool is not watched. */
static const char *
why_not(int ret, char *buf, size_t len)
{
	switch (ret) {
	case -ENOSPC:
		return "DPDK has room for 16 kinds of mempools, all in use";
	case -ENFILE:
		return "256 pools were watched already, and there can be no more; nor are later "
			"ones";
	case -EEXIST:
		return "another copy of this library watches it";
	case -EBUSY:
		return "a secondary process is attached, which does not have the watch's "
			"operations: end it first";
	case -ENOTSUP:
		snprintf(buf, len, "with %s %s; nor are other pools: use a release that was "
			"tested", rte_version(), blind);
		return buf;
	default:
		return strerror(-ret);
	}
}

int
gantry_dma_debug_watch(struct gantry_dma_dev *dev, struct rte_mempool *pool)
{
	bool said = false;
	struct watch *w;
	char why[256];
	int ret = 0;

	if (!gantry_dma_debug_on(dev))
		return 0;
	if (pool->elt_size < sizeof(struct rte_mbuf) ||
			pool->private_data_size < sizeof(struct rte_pktmbuf_pool_private))
		return -EINVAL;
	pthread_mutex_lock(&lock);
	said = no_place || blind != NULL;
	w = place(pool);
	if (w == NULL)
		ret = no_place ? -ENFILE : -ENOMEM;
	if (ret == 0 && !w->active)
		ret = watch(w, pool);
	if (ret == 0)
		ret = add_device(w, dev);
	pthread_mutex_unlock(&lock);
	if (ret != 0) {
		dma_fail("%s: pool '%s': its mbufs are not watched, mappings are: %s",
			dma_device(dev)->name, pool->name, why_not(ret, why, sizeof(why)));
		if ((ret != -ENFILE && ret != -ENOTSUP) || !said)
			DMA_LOG(NOTICE, "%s", gantry_dma_last_error());
	}
	return ret;
}

void
dma_debug_mbuf_end(struct gantry_dma_dev *dev)
{
	unsigned int i, k;

	pthread_mutex_lock(&lock);
	for (i = 0; i < POOLS_MAX; i++) {
		struct watch *w = watches[i];

		for (k = 0; w != NULL && k < w->nr_devices; k++) {
			if (w->devices[k] != dev)
				continue;
			w->devices[k] = w->devices[--w->nr_devices];
			if (w->nr_devices == 0)
				unwatch(w);
		}
	}
	pthread_mutex_unlock(&lock);
}

/*
 * The device's side.
 */

/* Return the object of an mbuf; NULL: it is unknown. */
static struct object *
lookup(struct gantry_dma_dev *dev, const struct rte_mbuf *m, struct watch **w)
{
	if (m->pool == NULL)
		return NULL;
	*w = find(m->pool);
	if (unlikely(*w == NULL || !(*w)->active)) {
		if (*w == NULL && __atomic_load_n(&no_place, __ATOMIC_RELAXED))
			return NULL;
		if (*w != NULL && (*w)->nr_devices == 0 && (*w)->nr_chunks == 0)
			return NULL; /* it was tried before, and failed */
		if (gantry_dma_debug_watch(dev, m->pool) != 0)
			return NULL;
		*w = find(m->pool);
	}
	return object_of(*w, m);
}

/*
 * Record the fields at the first hand-over, and how many references may exist from now on.
 */
static void
note_fields(struct object *o, const struct rte_mbuf *m, uint16_t max_refs)
{
	if (!IN_FLIGHT(__atomic_load_n(&o->state, __ATOMIC_ACQUIRE)))
		o->fields = (struct fields){
			.next = m->next,
			.buf_addr = m->buf_addr,
			.pkt_len = m->pkt_len,
			.data_off = m->data_off,
			.data_len = m->data_len,
			.nb_segs = m->nb_segs,
			.max_refs = max_refs,
		};
	else if (o->fields.max_refs != 0)
		o->fields.max_refs = max_refs;
}

/*
 * Return whether fields changed, and how. A driver may write the length of received data before it
 * unmaps it. min_refs: the number of references that the hand-overs need.
 */
static bool
fields_differ(const struct object *o, const struct dma_entry *e, unsigned int refs,
		unsigned int min_refs, char *how, size_t len)
{
	const bool received = e->dir != GANTRY_DMA_TO_DEVICE;
	const struct fields *f = &o->fields;
	const struct rte_mbuf *m = e->mbuf;
	const bool lengths = !received && (m->data_len != f->data_len || m->pkt_len != f->pkt_len);
	size_t at = 0;

	if (likely(m->next == f->next && m->buf_addr == f->buf_addr && m->data_off == f->data_off &&
			m->nb_segs == f->nb_segs && !lengths && refs >= min_refs &&
			refs <= f->max_refs))
		return false;
	/*
	 * A chain that was cut or extended is unmapped with other pieces, and is reported for that.
	 */
	if (e->kind == DMA_KIND_CHAIN && m->next != f->next)
		return false;
#define ADD(...) (at += snprintf(how + at, len - at, __VA_ARGS__))
	if (m->next != f->next)
		ADD(", next from %p to %p", (const void *)f->next, (const void *)m->next);
	if (m->buf_addr != f->buf_addr)
		ADD(", buf_addr from %p to %p", f->buf_addr, m->buf_addr);
	if (m->data_off != f->data_off)
		ADD(", data_off from %u to %u", f->data_off, m->data_off);
	if (lengths && m->data_len != f->data_len)
		ADD(", data_len from %u to %u", f->data_len, m->data_len);
	if (lengths && m->pkt_len != f->pkt_len)
		ADD(", pkt_len from %u to %u", f->pkt_len, m->pkt_len);
	if (m->nb_segs != f->nb_segs)
		ADD(", nb_segs from %u to %u", f->nb_segs, m->nb_segs);
	if (refs < min_refs)
		ADD(", refcnt to %u, where %u %s with a device", refs, min_refs,
			min_refs == 1 ? "reference is" : "references are");
	else if (refs > f->max_refs)
		ADD(", refcnt from %u to %u, and nobody else had a reference", f->max_refs, refs);
#undef ADD
	return true;
}

/* Report changed fields. */
static bool
check_fields(struct dma_entry *e, struct object *o, unsigned int refs, unsigned int min_refs,
		const char *when, const void *site)
{
	struct dma_report r;
	char how[320];

	if (likely(o->fields.max_refs == 0 ||
			!fields_differ(o, e, refs, min_refs, how, sizeof(how))))
		return false;
	e->flags |= DMA_ACCUSED;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_CHANGED, e, site);
	TELL(o, r, "its fields changed between being handed over and %s: %s", when, &how[2]);
	return true;
}

/*
 * Check an mbuf that comes back. Its mapping is no longer in the books, and other mappings may end
 * in the meantime.
 */
static void
check_returned(struct dma_entry *e, struct object *o, const void *site)
{
	unsigned int refs = rte_mbuf_refcnt_read(e->mbuf), needed = 1;
	const uint64_t state = __atomic_load_n(&o->state, __ATOMIC_ACQUIRE);
	struct rivals v;

	if ((state & (FREE | ACCUSED)) || (e->flags & DMA_ACCUSED))
		return;
	if (e->dir != GANTRY_DMA_TO_DEVICE) {
		needed = o->fields.max_refs;
	} else if (unlikely(refs < COUNT(state, TX))) {
		needed = count_rivals(&v, e, false) + 1;
		refs = RTE_MAX(refs, (unsigned int)rte_mbuf_refcnt_read(e->mbuf));
	}
	check_fields(e, o, refs, needed, "coming back", site);
}

/* Check the promises of a queue. */
static void
check_promise(struct dma_entry *e, struct object *o, const void *site)
{
	struct gantry_dma_promise *p = dma_thread.promise;
	struct rte_mbuf *m = e->mbuf;
	const char *but = NULL;
	struct dma_report r;

	if (p->one_segment && m->next != NULL) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_CHAIN, e, site);
		e->flags |= DMA_ACCUSED;
		TELL(o, r, "a chain is sent on a queue without RTE_ETH_TX_OFFLOAD_MULTI_SEGS");
		return;
	}
	if (!p->fast_free)
		return;
	if (p->pool == NULL)
		p->pool = m->pool;
	if (rte_mbuf_refcnt_read(m) != 1)
		but = "has more references than one";
	else if (m->pool != p->pool)
		but = "is of another pool than those before";
	else if (RTE_MBUF_CLONED(m))
		but = "is indirect: its buffer is another mbuf's";
	else if (RTE_MBUF_HAS_EXTBUF(m) && !RTE_MBUF_HAS_PINNED_EXTBUF(m))
		but = "has an external buffer";
	if (likely(but == NULL))
		return;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_FAST_FREE, e, site);
	e->flags |= DMA_ACCUSED;
	TELL(o, r, "sent on a queue with RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, and %s", but);
}

static void
sent(struct dma_entry *e, struct watch *w, struct object *o, const void *site)
{
	struct rte_mbuf *m = e->mbuf;
	const unsigned int refs = rte_mbuf_refcnt_read(m);
	unsigned int others = 0;
	struct rivals v;
	struct dma_report r;
	uint64_t state = __atomic_load_n(&o->state, __ATOMIC_ACQUIRE);

	if (unlikely(COUNT(state, TX) + 1 >= refs && COUNT(state, TX) != 0))
		others = count_rivals(&v, e, false);
	if (likely(!(state & FREE)))
		note_fields(o, m, refs > others + 1 ? UINT16_MAX : refs);
	state = __atomic_fetch_add(&o->state, TX, __ATOMIC_ACQ_REL);
	if (unlikely(state & FREE)) {
		e->flags |= DMA_ACCUSED | DMA_UNOWNED;
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_FREED, e, site);
		r.map_site = o->site;
		r.map_verb = "freed";
		TELL(o, r, "sent when it was free already");
	} else if (unlikely(COUNT(state, RX) != 0) && count_rivals(&v, e, true) != 0) {
		e->flags |= DMA_ACCUSED;
		r = report_mbuf(GANTRY_DMA_MISUSE_MBUF_IN_RING, w, o, m, &v, site);
		TELL(o, r, "sent while it is posted for receive");
	} else if (unlikely(COUNT(state, TX) >= refs) && count_rivals(&v, e, false) >= refs) {
		e->flags |= DMA_ACCUSED;
		r = report_mbuf(GANTRY_DMA_MISUSE_MBUF_IN_RING, w, o, m, &v, site);
		TELL(o, r, "sent again, with %u references, while it is in a send ring %u times",
			refs, v.nr);
	} else if (COUNT(state, TX) != 0 &&
			check_fields(e, o, refs, 0, "being handed over once more", site)) {
		/* Already reported. */
	} else if (dma_thread.promise != NULL) {
		check_promise(e, o, site);
	}
	dma_debug_mbuf_sum(e);
}

static void
posted(struct dma_entry *e, struct object *o, const void *site)
{
	uint64_t state = __atomic_load_n(&o->state, __ATOMIC_ACQUIRE);
	struct dma_report r;

	if (likely(!(state & FREE)))
		note_fields(o, e->mbuf, rte_mbuf_refcnt_read(e->mbuf));
	state = __atomic_fetch_add(&o->state, RX, __ATOMIC_ACQ_REL);
	o->dev = e->dev;
	o->context = e->context;
	if (likely(!(state & FREE)))
		return;
	e->flags |= DMA_ACCUSED | DMA_UNOWNED;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_FREED, e, site);
	r.map_site = o->site;
	r.map_verb = "freed";
	TELL(o, r, "posted for receive when it was free already");
}

/* An mbuf's own buffer follows it, behind its private data. A clone has another mbuf's buffer. */
static inline bool
is_foreign(const struct rte_mbuf *m)
{
	return RTE_MBUF_HAS_EXTBUF(m) || (!RTE_MBUF_CLONED(m) &&
		(uintptr_t)m->buf_addr - (uintptr_t)m > sizeof(*m) + UINT16_MAX);
}

void
dma_debug_mbuf_mapped(struct dma_entry *e, const void *site)
{
	struct object unknown = { 0 };
	struct watch *w;
	struct object *o;

	if (RTE_MBUF_CLONED(e->mbuf)) {
		o = lookup(e->dev, rte_mbuf_from_indirect(e->mbuf), &w);
		if (o != NULL) {
			e->lender = rte_mbuf_from_indirect(e->mbuf);
			__atomic_fetch_add(&o->state, LENT, __ATOMIC_ACQ_REL);
		}
	}
	if (unlikely(is_foreign(e->mbuf)))
		e->flags |= DMA_FOREIGN;
	o = lookup(e->dev, e->mbuf, &w);
	if (o == NULL) {
		if (e->dir == GANTRY_DMA_TO_DEVICE && dma_thread.promise != NULL)
			check_promise(e, &unknown, site);
		dma_debug_mbuf_sum(e);
		return;
	}
	e->flags |= DMA_COUNTED;
	if (e->dir == GANTRY_DMA_TO_DEVICE)
		sent(e, w, o, site);
	else
		posted(e, o, site);
}

bool
dma_debug_mbuf_twice(const struct dma_entry *a, const struct dma_entry *b)
{
	return a->mbuf != NULL && a->mbuf == b->mbuf && a->dir != GANTRY_DMA_TO_DEVICE &&
		b->dir != GANTRY_DMA_TO_DEVICE;
}

static void
check_data(struct dma_entry *e, const void *site)
{
	struct dma_report r;
	uint64_t sum;

	if (!(e->flags & DMA_SUMMED) || (e->flags & (DMA_ACCUSED | DMA_GONE)))
		return;
	if (unlikely(!data_sum(e, &sum))) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, e, site);
		dma_debug_report(&r, "its data was taken away between being handed over for "
			"sending and coming back");
	} else if (unlikely(sum != e->sum)) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_WRITTEN, e, site);
		dma_debug_report(&r, "its data changed between being handed over for sending and "
			"coming back");
	}
}

void
dma_debug_mbuf_unmapped(struct dma_entry *e, bool quiet, const void *site)
{
	struct object *o = NULL, *lender;
	struct watch *w = NULL, *lent_by;
	struct rivals v;
	struct dma_report r;
	uint64_t state;

	if ((e->flags & (DMA_GONE | DMA_FOREIGN)) == DMA_GONE)
		return; /* the mbuf is gone as well: neither may be accessed */
	if (e->flags & DMA_COUNTED) {
		w = find(e->mbuf->pool);
		o = w != NULL ? object_of(w, e->mbuf) : NULL;
		if (o != NULL && !quiet)
			check_returned(e, o, site);
	}
	if (!quiet)
		check_data(e, site);
	if (e->lender != NULL) {
		lent_by = find(e->lender->pool);
		lender = lent_by != NULL ? object_of(lent_by, e->lender) : NULL;
		if (lender != NULL)
			__atomic_fetch_sub(&lender->state, LENT, __ATOMIC_ACQ_REL);
	}
	if (o == NULL)
		return;
	if (!quiet && (e->flags & DMA_UNOWNED))
		dma_thread.unowned = e->mbuf;
	if (e->dir == GANTRY_DMA_TO_DEVICE) {
		__atomic_fetch_sub(&o->state, TX, __ATOMIC_ACQ_REL);
		return;
	}
	__atomic_fetch_or(&o->state, WAS_RX, __ATOMIC_RELAXED);
	state = __atomic_fetch_sub(&o->state, RX, __ATOMIC_ACQ_REL);
	if (likely(COUNT(state, RX) <= 1) || quiet || (e->flags & DMA_ACCUSED) ||
			count_rivals(&v, e, true) == 0)
		return;
	r = report_mbuf(GANTRY_DMA_MISUSE_MBUF_RECEIVED_INTO, w, o, e->mbuf, &v, site);
	TELL(o, r, "it is given to the application, and posted for receive once more");
}
