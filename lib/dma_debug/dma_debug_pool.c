/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The operations of a watched pool. They check each mbuf that is put or got, and call the pool's
 * own operations. Between the two is the quarantine, which replaces the caches of the pool.
 * dma_debug_mbuf.c has the theory.
 */

#include <stdio.h>
#include <stdlib.h>

#include "dma_checksum.h"
#include "dma_debug_object.h"
#include "uninitialized.h"

#define FREE_SUMMED 128 /* bytes of a free mbuf's data in its checksum */

/*
 * Objects.
 */

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
		return dma_checksum_foreign((const uint8_t *)m->buf_addr + head, size, sum);
	*sum = dma_checksum((const uint8_t *)rte_mbuf_to_baddr(m) + head, size);
	return true;
}

/*
 * Return whether no device that watches the pool can have written to a buffer after its unmapping.
 */
static bool
cut_off(const struct watch *w)
{
	bool all = true;
	unsigned int i;

	pthread_mutex_lock(&dma_watches_lock);
	for (i = 0; i < w->nr_devices; i++)
		all = all && dma_debug_cuts_off(w->devices[i]);
	pthread_mutex_unlock(&dma_watches_lock);
	return all;
}

/*
 * The code that puts objects: the same for all objects of a call, so it is searched for at most
 * once.
 */
struct put_call {
	const void *site;
	const void *caller; /* caller of DPDK's functions; NULL: not searched for yet */
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
			(struct rte_mbuf *)(uintptr_t)o->at :
			NULL;
}

/* Return false if the address is not an mbuf of the pool, and must not enter the pool. */
static bool
unknown_object_put(const struct watch *w, const void *obj, const struct put_call *by)
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
	pthread_mutex_lock(&dma_watches_lock);
	r.dev = w->nr_devices > 0 ? w->devices[0] : NULL;
	for (i = 0; r.mbuf == NULL && i < POOLS_MAX; i++) {
		const struct watch *of = dma_watches[i];

		if (of == NULL || !of->active)
			continue;
		r.mbuf = mbuf_around(of, obj);
		r.pool = r.mbuf != NULL ? of->pool->name : NULL;
	}
	pthread_mutex_unlock(&dma_watches_lock);
	if (r.mbuf == obj)
		snprintf(what, sizeof(what), "is an mbuf of another pool");
	else if (r.mbuf != NULL)
		snprintf(what, sizeof(what),
				"is no mbuf, but %zu bytes behind the beginning of one",
				(size_t)((uintptr_t)obj - (uintptr_t)r.mbuf));
	if (r.dev != NULL)
		dma_debug_report(&r, "%p is put into pool '%s', and %s; it does not enter the pool",
				obj, w->pool->name, obj == NULL ? "is no mbuf" : what);
	return false;
}

/* Return false if the object must not enter the pool. */
static bool
object_put(const struct watch *w, struct rte_mbuf *m, struct put_call *by)
{
	struct object *o = object_of(w, m);
	GANTRY_UNINITIALIZED struct dma_report r;
	uint64_t state;

	if (unlikely(o == NULL))
		return unknown_object_put(w, m, by);
	if (unlikely(dma_thread.unowned == m)) {
		dma_thread.unowned = NULL;
		return false;
	}
	state = __atomic_fetch_or(&o->state, FREE, __ATOMIC_ACQ_REL);
	if (unlikely(state & FREE)) {
		if (state & REPORTED)
			return false;
		r = dma_debug_report_mbuf(GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE, w, o, m, NULL,
				by->site);
		r.map_site = o->site;
		r.map_verb = "freed";
		REPORT_ONCE(o, r, "it is in its pool already, and is not put there again");
		return false;
	}
	if (unlikely(AWAY(state))) {
		__atomic_fetch_and(&o->state, ~FREE, __ATOMIC_RELEASE);
		if (state & REPORTED)
			return false;
		r = dma_debug_report_mbuf(GANTRY_DMA_MISUSE_MBUF_FREED, w, o, m, NULL, by->site);
		REPORT_ONCE(o, r, "freed while the device may %s; it is not put into its pool",
				COUNT(state, RX) != 0 ? "write to it" : "read it");
		return false;
	}
	if (by->caller == NULL)
		by->caller = dma_caller_of(by->site, DMA_CODE_DPDK);
	o->site = by->caller;
	o->fields.max_refs = 0;
	if ((state & WAS_RX) && free_sum(m, &o->sum))
		state |= SUMMED;
	/* This thread owns the object until it is in the pool. */
	__atomic_store_n(&o->state, (state & (SUMMED | REPORTED)) | FREE, __ATOMIC_RELEASE);
	return true;
}

static void
object_got(const struct watch *w, struct rte_mbuf *m, const void *site)
{
	struct object *o = object_of(w, m);
	GANTRY_UNINITIALIZED struct dma_report r;
	uint64_t state, sum;

	/* From here on this thread may free it. */
	if (unlikely(dma_thread.unowned == m))
		dma_thread.unowned = NULL;
	if (unlikely(o == NULL))
		return;
	o->fields.max_refs = 0;
	state = __atomic_fetch_and(&o->state, ~(FREE | REPORTED | WAS_RX | SUMMED),
			__ATOMIC_ACQ_REL);
	if ((state & SUMMED) && !(state & REPORTED) && free_sum(m, &sum) &&
			unlikely(o->sum != sum)) {
		r = dma_debug_report_mbuf(GANTRY_DMA_MISUSE_MBUF_WRITTEN_FREE, w, o, m, NULL, site);
		r.map_site = o->site;
		r.map_verb = "freed";
		if (r.dev != NULL)
			dma_debug_report(&r, "its data changed while it was free: by the CPU, %s",
					cut_off(w) ? "as no device reaches unmapped memory" :
						     "or by a device that still owned it");
	}
}

/*
 * Caches and queues.
 */

/*
 * Return whether a call of the pool's operations is about the cache of an lcore itself: DPDK fills
 * or empties it.
 */
static bool
is_cache(const struct watch *w, void *const *objs)
{
	const unsigned int lcore = rte_lcore_id();
	struct rte_mempool_cache *cache;

	if (w->cache_size == 0 || lcore >= RTE_MAX_LCORE)
		return false;
	cache = &w->pool->local_cache[lcore];
	return objs >= cache->objs && objs < cache->objs + RTE_DIM(cache->objs);
}

void
dma_debug_pool_flush(const struct watch *w, unsigned int lcore)
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
static struct quarantine *
quarantine_lock(struct watch *w)
{
	const unsigned int lcore = rte_lcore_id();
	struct quarantine *q;

	if (w->cache_size == 0 || lcore >= RTE_MAX_LCORE)
		return NULL;
	q = w->quarantines[lcore];
	if (unlikely(q == NULL)) {
		q = calloc(1, sizeof(*q));
		if (q == NULL)
			return NULL;
		rte_spinlock_init(&q->lock);
		__atomic_store_n(&w->quarantines[lcore], q, __ATOMIC_RELEASE);
	}
	rte_spinlock_lock(&q->lock);
	if (likely(w->active))
		return q;
	rte_spinlock_unlock(&q->lock);
	return NULL;
}

/* Take the oldest objects of a queue. */
static void
quarantine_take(struct quarantine *q, void **objs, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		objs[i] = q->objs[q->head++ % QUARANTINE_MAX];
	q->n -= n;
}

/* Put that many of them into the pool. */
static int
quarantine_release(const struct watch *w, struct quarantine *q, unsigned int n)
{
	void *objs[QUARANTINE_MAX];

	quarantine_take(q, objs, n);
	return w->ops->enqueue(w->pool, objs, n);
}

void
dma_debug_pool_drain(struct watch *w)
{
	struct quarantine *q;
	unsigned int i;

	for (i = 0; i < RTE_MAX_LCORE; i++) {
		q = __atomic_load_n(&w->quarantines[i], __ATOMIC_ACQUIRE);
		if (q == NULL)
			continue;
		rte_spinlock_lock(&q->lock);
		if (q->n > 0)
			quarantine_release(w, q, q->n);
		rte_spinlock_unlock(&q->lock);
	}
}

static int
quarantine_add(const struct watch *w, struct quarantine *q, void *const *objs, unsigned int n)
{
	unsigned int i;
	int ret;

	if (q->n + n > w->cache_limit) {
		ret = quarantine_release(w, q,
				q->n - RTE_MIN(q->n, w->cache_size - RTE_MIN(w->cache_size, n)));
		if (ret != 0)
			return ret;
	}
	for (i = 0; i < n; i++)
		q->objs[(q->head + q->n++) % QUARANTINE_MAX] = objs[i];
	return 0;
}

/*
 * Operations.
 */

/* Put objects that passed the watch into the queue, or into the pool. */
static int
enter_pool(struct watch *w, void *const *objs, unsigned int n)
{
	struct quarantine *q = n <= w->cache_limit ? quarantine_lock(w) : NULL;
	int ret;

	if (q == NULL)
		return w->ops->enqueue(w->pool, objs, n);
	ret = quarantine_add(w, q, objs, n);
	rte_spinlock_unlock(&q->lock);
	return ret;
}

int
dma_debug_pool_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	struct put_call by = { .site = __builtin_return_address(0) };
	struct watch *w = watch_of(mp);
	unsigned int i, done = 0;
	int ret = 0;

	if (unlikely(w == NULL))
		return dma_debug_probe_put(objs, n);
	/* If DPDK itself puts a cache back, its contents are from before the watch. */
	if (!is_cache(w, objs))
		dma_debug_pool_flush(w, rte_lcore_id());
	for (i = 0; i < n && ret == 0; i++) {
		if (likely(!w->active || object_put(w, objs[i], &by)))
			continue;
		/* Put the objects before this one; this one stays out. */
		if (i > done)
			ret = enter_pool(w, &objs[done], i - done);
		done = i + 1;
	}
	if (ret == 0 && n > done)
		ret = enter_pool(w, &objs[done], n - done);
	return ret;
}

/* Get all objects or none. Objects that rest in queues are used only if nothing else is left. */
static int
leave_pool(struct watch *w, void **objs, unsigned int n)
{
	struct quarantine *q = quarantine_lock(w);
	unsigned int here, rest;
	int ret;

	if (q != NULL) {
		rest = RTE_MIN(q->n, w->cache_size / 2);
		here = RTE_MIN(n, q->n - rest);
		ret = n > here ? w->ops->dequeue(w->pool, &objs[here], n - here) : 0;
		if (ret == 0)
			quarantine_take(q, objs, here);
		rte_spinlock_unlock(&q->lock);
	} else {
		ret = w->ops->dequeue(w->pool, objs, n);
	}
	if (likely(ret == 0))
		return 0;
	dma_debug_pool_drain(w);
	return w->ops->dequeue(w->pool, objs, n);
}

int
dma_debug_pool_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	const void *site = __builtin_return_address(0);
	struct watch *w = watch_of(mp);
	unsigned int i;
	int ret;

	if (unlikely(w == NULL))
		return dma_debug_probe_get(objs, n);
	/* Refuse to fill a cache: DPDK then asks for the objects that it needs. */
	if (w->active && is_cache(w, objs))
		return -ENOBUFS;
	dma_debug_pool_flush(w, rte_lcore_id());
	ret = leave_pool(w, objs, n);
	for (i = 0; i < n && ret == 0 && w->active; i++)
		object_got(w, objs[i], site);
	return ret;
}

unsigned int
dma_debug_pool_count(const struct rte_mempool *mp)
{
	const struct watch *w = watch_of(mp);
	unsigned int count = w->ops->get_count(mp), i;

	for (i = 0; i < RTE_MAX_LCORE; i++) {
		const struct quarantine *q = __atomic_load_n(&w->quarantines[i], __ATOMIC_ACQUIRE);

		if (q != NULL)
			count += __atomic_load_n(&q->n, __ATOMIC_RELAXED);
	}
	return count;
}
