/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Pools: the start and end of watching one. dma_debug_mbuf.c has the theory.
 */

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_version.h>

#include "dma_debug_object.h"

static bool table_full; /* for another pool: one was refused, and that was logged */
/* what the watch would not see: no pool is watched, and that was logged */
static const char *probe_failure;
static int watch_ops_index = -1;

/*
 * Objects of a pool.
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

/*
 * Start and end.
 */

/* Find a place for a pool: its former place if it had one. The lock is held. */
static struct watch *
find_or_add(struct rte_mempool *pool)
{
	unsigned int i, at = (uintptr_t)pool / RTE_CACHE_LINE_SIZE * 2654435761u >> 24;
	struct watch *w = watch_of(pool);

	if (w != NULL)
		return w;
	for (i = 0; i < POOLS_MAX; i++, at++) {
		if (dma_watches[at % POOLS_MAX] != NULL)
			continue;
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			return NULL;
		w->pool = pool;
		__atomic_store_n(&dma_watches[at % POOLS_MAX], w, __ATOMIC_RELEASE);
		return w;
	}
	__atomic_store_n(&table_full, true, __ATOMIC_RELAXED);
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

	dma_debug_pool_flush(w, self);
	if (self != rte_get_main_lcore())
		return;
	RTE_LCORE_FOREACH_WORKER(lcore)
		if (rte_eal_get_lcore_state(lcore) == WAIT)
			dma_debug_pool_flush(w, lcore);
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
	dma_debug_pool_drain(w);
	__atomic_store_n(&w->pool->ops_index, w->ops_index, __ATOMIC_RELEASE);
	set_caches(w, w->cache_limit);
}

static int
watch_alloc(struct rte_mempool *mp)
{
	return -ENOTSUP; /* no pool starts with these operations */
}

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
	e->flags |= DMA_GONE | DMA_REPORTED;
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
	struct watch *w = watch_of(mp);
	struct of_pool s = { .w = w };
	struct dma_report r;

	for (; w->active; s.found.dev = NULL) {
		dma_debug_for_each(find_of_pool, &s);
		if (s.found.dev == NULL)
			break;
		if (s.found.flags & DMA_REPORTED)
			continue;
		s.found.mbuf = NULL;
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, &s.found,
				__builtin_return_address(0));
		r.pool = mp->name;
		dma_debug_report(&r, "its pool is freed");
	}
	pthread_mutex_lock(&dma_watches_lock);
	w->nr_devices = 0;
	unwatch(w);
	free_chunks(w);
	pthread_mutex_unlock(&dma_watches_lock);
	if (w->ops->free != NULL)
		w->ops->free(mp);
}

static const struct rte_mempool_ops watch_ops = {
	.name = "gantry_watch",
	.alloc = watch_alloc,
	.free = watch_free,
	.enqueue = dma_debug_pool_enqueue,
	.dequeue = dma_debug_pool_dequeue,
	.get_count = dma_debug_pool_count,
};

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
	probe_failure = dma_debug_probe(watch_ops_index);
	if (probe_failure != NULL)
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

/* The lock is held. */
static int
add_device(struct watch *w, struct gantry_dma_dev *dev)
{
	unsigned int i;

	for (i = 0; i < w->nr_devices; i++)
		if (w->devices[i] == dev)
			return 0;
	if (w->nr_devices == DEVICES_MAX)
		return -EUSERS;
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
	case -EUSERS:
		return "32 devices watch it already, and there can be no more";
	case -EEXIST:
		return "another copy of this library watches it";
	case -EBUSY:
		return "a secondary process is attached, which does not have the watch's "
		       "operations: end it first";
	case -ENOTSUP:
		snprintf(buf, len,
				"with %s %s; nor are other pools: use a release that was "
				"tested",
				rte_version(), probe_failure);
		return buf;
	default:
		return strerror(-ret);
	}
}

int
gantry_dma_debug_watch(struct gantry_dma_dev *dev, struct rte_mempool *pool)
{
	bool logged = false;
	struct watch *w;
	char why[256];
	int ret = 0;

	if (!gantry_dma_debug_on(dev))
		return 0;
	if (pool->elt_size < sizeof(struct rte_mbuf) ||
			pool->private_data_size < sizeof(struct rte_pktmbuf_pool_private))
		return -EINVAL;
	pthread_mutex_lock(&dma_watches_lock);
	logged = table_full || probe_failure != NULL;
	w = find_or_add(pool);
	if (w == NULL)
		ret = table_full ? -ENFILE : -ENOMEM;
	if (ret == 0 && !w->active)
		ret = watch(w, pool);
	if (ret == 0)
		ret = add_device(w, dev);
	pthread_mutex_unlock(&dma_watches_lock);
	if (ret != 0) {
		dma_fail("%s: pool '%s': its mbufs are not watched, mappings are: %s",
				dma_device(dev)->name, pool->name, why_not(ret, why, sizeof(why)));
		if ((ret != -ENFILE && ret != -ENOTSUP) || !logged)
			dma_log_error(dev, RTE_LOG_NOTICE);
	}
	return ret != -EUSERS ? ret : -ENOSPC;
}

struct watch *
dma_debug_watch_pool(struct gantry_dma_dev *dev, struct rte_mempool *pool)
{
	const struct watch *w = watch_of(pool);

	if (w == NULL && __atomic_load_n(&table_full, __ATOMIC_RELAXED))
		return NULL;
	if (w != NULL && w->nr_devices == 0 && w->nr_chunks == 0)
		return NULL; /* it was tried before, and failed */
	return gantry_dma_debug_watch(dev, pool) == 0 ? watch_of(pool) : NULL;
}

void
dma_debug_unwatch(struct gantry_dma_dev *dev)
{
	unsigned int i, k;

	pthread_mutex_lock(&dma_watches_lock);
	for (i = 0; i < POOLS_MAX; i++) {
		struct watch *w = dma_watches[i];

		for (k = 0; w != NULL && k < w->nr_devices; k++) {
			if (w->devices[k] != dev)
				continue;
			w->devices[k] = w->devices[--w->nr_devices];
			if (w->nr_devices == 0)
				unwatch(w);
		}
	}
	pthread_mutex_unlock(&dma_watches_lock);
}
