/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mempools, because of their memory: see "External memory" in vfio_user_dma.c. DPDK reports each
 * mempool that is complete, and each that is about to be freed. When a mempool is freed, the device
 * keeps those parts of its memory that other mempools are in.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_memory.h>

#include "vfio_user_private.h"

/* One event at a time. A thread takes this lock before all others. */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static bool pool_events;

struct pieces {
	struct iovec *list;
	size_t nr;
	const struct rte_mempool *except; /* collect() skips this one */
	bool failed;
};

/* Return the memory that a mempool keeps mapped: all of an external list that it is in. */
static struct iovec
mapped_memory(const struct rte_mempool_memhdr *hdr)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(hdr->addr);

	if (msl != NULL && msl->external)
		return (struct iovec){ .iov_base = msl->base_va, .iov_len = msl->len };
	return (struct iovec){ .iov_base = hdr->addr, .iov_len = hdr->len };
}

static void
collect(struct rte_mempool *mp, void *arg)
{
	const struct rte_mempool_memhdr *hdr;
	struct pieces *p = arg;
	const size_t max = p->nr + mp->nb_mem_chunks;
	struct iovec *list;

	if (mp == p->except || mp->nb_mem_chunks == 0)
		return;
	list = realloc(p->list, max * sizeof(*list));
	if (list == NULL) {
		p->failed = true;
		return;
	}
	p->list = list;
	STAILQ_FOREACH(hdr, &mp->mem_list, next) {
		if (p->nr < max) /* the mempool may be growing: stay inside the list */
			p->list[p->nr++] = mapped_memory(hdr);
	}
}

static void
pool_event(enum rte_mempool_event event, struct rte_mempool *mp, void *arg)
{
	struct pieces freed = { .nr = 0 }, in_use = { .except = mp };

	pthread_mutex_lock(&pool_lock);
	if (event == RTE_MEMPOOL_EVENT_READY) {
		rte_vfio_user_dma_give_heaps(); /* for pinned external buffers */
		vfio_user_dma_give_pool(mp);
	} else {
		collect(mp, &freed);
		rte_mempool_walk(collect, &in_use);
		if (!freed.failed && !in_use.failed)
			vfio_user_dma_take_pool(freed.list, freed.nr, in_use.list, in_use.nr);
	}
	pthread_mutex_unlock(&pool_lock);
	free(freed.list);
	free(in_use.list);
}

static void
give(struct rte_mempool *mp, void *arg)
{
	if (mp->populated_size == mp->size)
		vfio_user_dma_give_pool(mp);
}

/* A device was attached: give it the memory of the mempools that exist, and of later ones. */
void
vfio_user_pool_attach(void)
{
	pthread_mutex_lock(&pool_lock);
	if (!pool_events && rte_mempool_event_callback_register(pool_event, NULL) != 0)
		VFIO_USER_LOG(WARNING, "bus",
				"no events of mempools: %s: call rte_dev_dma_map() for "
				"mempools outside of EAL memory",
				strerror(rte_errno));
	else
		pool_events = true;
	rte_mempool_walk(give, NULL);
	pthread_mutex_unlock(&pool_lock);
}
