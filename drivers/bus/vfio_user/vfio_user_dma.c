/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * EAL memory in the IOMMU of the device.
 *
 * The bus gives a device all EAL memory when the device is attached. After that it gives each page
 * that EAL adds, and takes each page before EAL removes it (memory events). A mapping is a piece of
 * a file that the server also maps.
 *
 * Size of a mapping. The bus merges neighbours in file, virtual address and bus address if EAL
 * never gives them back: the pages that EAL has from the start. Later pages stay single, because
 * EAL may give them back one by one. The protocol cannot take one page out of a mapping without
 * removing the whole mapping for a moment, in which the device would fault.
 *
 * Memory without a file (external memory, no memfd) is also mapped. The server then asks for its
 * content by message, and the receiving thread of the client copies. A server may ask for any
 * memory that is mapped, with or without a file.
 *
 * External memory. The bus gives the memory of a heap to the device when EAL adds it, list by list,
 * as EAL later removes it. EAL sends the event before it marks the list as a heap, and without
 * hugepages it sends none. Therefore the bus checks all heaps again when a mempool is complete and
 * when a port starts; the latter because external buffers may be in a heap that no mempool is in.
 * EAL may not know the memory that a mempool was populated with. Therefore the bus also gives the
 * device the memory of each complete mempool, as far as the device lacks it, until no mempool is in
 * it (vfio_user_pool.c). A mapping that the application makes by itself (rte_dev_dma_map()) takes
 * precedence over all of that.
 *
 * A driver may choose otherwise. It claims the device, in its probe (the bus then takes EAL memory
 * away, for good) or before it (the bus then never hands any over), and the device reaches only
 * what the driver maps. Or the driver puts an I/O page table in front of the mappings, if the
 * server has the extension: the mappings stay, and are reached only through its entries.
 *
 * Locks, in this order:
 *  - The memory lock of EAL. Events arrive with it held for writing; attach_walk() runs with it
 *    held for reading. Therefore this file uses the thread_unsafe calls only, and allocates nothing
 *    from EAL.
 *  - vfio_user_dma_lock: the list of attached devices and their tables. A thread holds it while it
 *    waits for the reply of the server, which the time-out of the connection bounds.
 *  - served_lock of a device, see vfio_user_private.h.
 * No thread that holds vfio_user_dma_lock may wait for the EAL lock of mempools, because the thread
 * that holds that lock may be waiting for memory, and so for vfio_user_dma_lock.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/uio.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "eal_run.h"
#include "vfio_user_private.h"

#define EVENT_NAME "vfio_user"

static TAILQ_HEAD(, vfio_user_priv) dma_devices = TAILQ_HEAD_INITIALIZER(dma_devices);
/* False if the memory of this process never changes: legacy memory, or without hugepages. */
static bool memory_changes;
static bool events_registered;

/* Pages that are being merged into one mapping; external pages all come from the list msl. */
struct walk {
	struct vfio_user_priv *priv;
	struct eal_run run; /* len 0: none */
	const struct rte_memseg_list *msl;
	bool pool; /* given because of a mempool */
};

static int
walk_flush(struct walk *w)
{
	const struct vfio_user_map map = {
		.va = w->run.va,
		.iova = w->run.iova,
		.len = w->run.len,
		.fd = w->run.fd,
		.offset = w->run.offset,
		.prot = VFIO_USER_DMA_RW,
		.eal = true,
		.external = w->msl != NULL && w->msl->external,
		.pool = w->pool,
	};

	if (map.external) /* its owner may have mapped a part of it */
		return vfio_user_map_gaps(w->priv, &map);
	return map.len != 0 ? vfio_user_map_add(w->priv, &map) : 0;
}

static int
walk_add(struct walk *w, const struct rte_memseg_list *msl, const struct rte_memseg *ms)
{
	struct eal_run page = eal_run_of(msl, ms, memory_changes);
	int ret;

	if (ms->iova == RTE_BAD_IOVA)
		return 0;
	page.stays |= msl->external; /* as long as its neighbours in the list */
	if (w->run.len != 0 && w->run.stays && eal_run_continues(&w->run, &page) &&
			w->run.iova + w->run.len == page.iova &&
			(w->msl == msl || !(w->msl->external || msl->external))) {
		w->run.len += page.len;
		return 0;
	}
	ret = walk_flush(w);
	w->run = page;
	w->msl = msl;
	return ret;
}

static int
walk_page(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	/* The owner of external memory that is no heap maps it (rte_dev_dma_map()). */
	return !msl->external || msl->heap ? walk_add(arg, msl, ms) : 0;
}

static void
report_unreachable(const struct vfio_user_priv *priv, uint64_t va, int ret)
{
	if (ret != 0 && vfu_client_alive(priv->client))
		VFIO_USER_LOG(ERR, priv->dev->path,
				"memory at 0x%" PRIx64 ": the device cannot reach "
				"it: %s",
				va, strerror(-ret));
}

static void
report_still_mapped(const struct vfio_user_priv *priv, uint64_t va, int ret)
{
	if (ret != 0 && vfu_client_alive(priv->client))
		VFIO_USER_LOG(ERR, priv->dev->path,
				"memory at 0x%" PRIx64 ": freed, but the device "
				"can still reach it: %s",
				va, strerror(-ret));
}

/* Give the device the pages of [va, va + len), which EAL has just added, or a mempool is in. */
static void
give_pages(struct vfio_user_priv *priv, uint64_t va, uint64_t len, bool pool)
{
	struct walk w = { .priv = priv, .pool = pool };
	const uint64_t end = va + len;
	const struct rte_memseg_list *msl;
	const struct rte_memseg *ms;
	int ret = 0;

	for (; ret == 0 && va < end && (ms = eal_page_at(va, &msl)) != NULL; va += ms->len)
		ret = walk_add(&w, msl, ms);
	report_unreachable(priv, va, ret != 0 ? ret : walk_flush(&w));
}

/*
 * EAL removes [va, va + len). A mapping that reaches beyond this range consists of pages that EAL
 * should have kept. When EAL itself ends, it also removes those; the bus then gives the rest of the
 * mapping back to the device.
 */
static void
remove_pages(struct vfio_user_priv *priv, uint64_t va, uint64_t len)
{
	const uint64_t end = va + len;
	struct vfio_user_map *map;
	uint64_t start, stop;

	for (;;) {
		TAILQ_FOREACH(map, &priv->eal_maps, next) {
			if (map->va < end && map->va + map->len > va)
				break;
		}
		if (map == NULL)
			break;
		start = map->va;
		stop = map->va + map->len;
		report_still_mapped(priv, start, vfio_user_map_remove(priv, map));
		if (start < va)
			give_pages(priv, start, va - start, false);
		if (stop > end)
			give_pages(priv, end, stop - end, false);
	}
}

static void
memory_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	struct vfio_user_priv *priv;

	pthread_mutex_lock(&vfio_user_dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next) {
		if (priv->dma_claimed)
			continue;
		if (type == RTE_MEM_EVENT_ALLOC)
			give_pages(priv, (uintptr_t)addr, len, false);
		else
			remove_pages(priv, (uintptr_t)addr, len);
	}
	pthread_mutex_unlock(&vfio_user_dma_lock);
}

/*
 * Give a piece of the memory of a mempool. The bus gives all of an external list at once, because
 * other mempools may be in it, and on the same page. It gives whole pages of memory that EAL does
 * not know.
 */
static void
give_piece(struct vfio_user_priv *priv, const struct rte_mempool *mp, uint64_t va, uint64_t iova,
		uint64_t len)
{
	const uint64_t offset = va & 4095;
	struct vfio_user_map map = {
		.va = va - offset,
		.iova = iova - offset,
		.len = RTE_ALIGN_CEIL(len + offset, UINT64_C(4096)),
		.fd = -1,
		.prot = VFIO_USER_DMA_RW,
		.eal = true,
		.external = true,
		.pool = true,
	};
	const struct rte_memseg_list *msl;
	const struct rte_memseg *ms = eal_page_at(va, &msl);
	int ret;

	if (iova == RTE_BAD_IOVA || len == 0 || (ms != NULL && !msl->external) ||
			vfio_user_map_is_external(vfio_user_map_find(priv, iova, 1), va, iova, len))
		return;
	if (ms != NULL && ms->iova != RTE_BAD_IOVA) {
		give_pages(priv, (uintptr_t)msl->base_va, msl->len, true);
		return;
	}
	ret = (iova & 4095) == offset ? vfio_user_map_gaps(priv, &map) : -EINVAL;
	if (ret != 0 && vfu_client_alive(priv->client))
		VFIO_USER_LOG(ERR, priv->dev->path,
				"mempool %s: the device cannot reach its memory "
				"at 0x%" PRIx64 ", bus address 0x%" PRIx64 ": %s",
				mp->name, va, iova, strerror(-ret));
}

static void
give_pool(struct vfio_user_priv *priv, const struct rte_mempool *mp)
{
	const struct rte_mempool_memhdr *hdr;

	if (priv->dma_claimed || mp->flags & RTE_MEMPOOL_F_NON_IO)
		return;
	STAILQ_FOREACH(hdr, &mp->mem_list, next)
		give_piece(priv, mp, (uintptr_t)hdr->addr, hdr->iova, hdr->len);
}

void
vfio_user_dma_give_pool(const struct rte_mempool *mp)
{
	struct vfio_user_priv *priv;

	pthread_mutex_lock(&vfio_user_dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next)
		give_pool(priv, mp);
	pthread_mutex_unlock(&vfio_user_dma_lock);
}

/* Unmap heaps that EAL no longer has: without memory events, nothing has reported their end. */
static void
sweep_heaps(struct vfio_user_priv *priv)
{
	const struct rte_memseg_list *msl;
	struct vfio_user_map *map, *next;

	for (map = TAILQ_FIRST(&priv->eal_maps); map != NULL; map = next) {
		const uint64_t va = map->va;

		next = TAILQ_NEXT(map, next);
		if (map->external && !map->pool &&
				(eal_page_at(va, &msl) == NULL || !msl->external))
			report_still_mapped(priv, va, vfio_user_map_remove(priv, map));
	}
}

static int
give_heap(const struct rte_memseg_list *msl, void *arg)
{
	if (msl->external && msl->heap)
		give_pages(arg, (uintptr_t)msl->base_va, msl->len, false);
	return 0;
}

/* Called once, for the first list, with the memory lock of EAL held. */
static int
heaps_walk(const struct rte_memseg_list *msl, void *arg)
{
	struct vfio_user_priv *priv;

	pthread_mutex_lock(&vfio_user_dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next) {
		if (priv->dma_claimed)
			continue;
		sweep_heaps(priv);
		rte_memseg_list_walk_thread_unsafe(give_heap, priv);
	}
	pthread_mutex_unlock(&vfio_user_dma_lock);
	return 1;
}

void
rte_vfio_user_dma_give_heaps(void)
{
	rte_memseg_list_walk(heaps_walk, NULL);
}

static bool
overlaps(const struct vfio_user_map *map, const struct iovec *pieces, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		const uint64_t va = (uintptr_t)pieces[i].iov_base;

		if (va < map->va + map->len && map->va < va + pieces[i].iov_len)
			return true;
	}
	return false;
}

void
vfio_user_dma_take_pool(const struct iovec *freed, size_t nr_freed, const struct iovec *in_use,
		size_t nr_in_use)
{
	struct vfio_user_priv *priv;
	struct vfio_user_map *map, *next;
	int ret;

	pthread_mutex_lock(&vfio_user_dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next) {
		for (map = TAILQ_FIRST(&priv->eal_maps); map != NULL; map = next) {
			next = TAILQ_NEXT(map, next);
			if (!map->pool || !overlaps(map, freed, nr_freed) ||
					overlaps(map, in_use, nr_in_use))
				continue;
			ret = vfio_user_map_remove(priv, map);
			if (ret != 0 && vfu_client_alive(priv->client))
				VFIO_USER_LOG(ERR, priv->dev->path,
						"memory of a freed mempool: the "
						"device can still reach it: %s",
						strerror(-ret));
		}
	}
	pthread_mutex_unlock(&vfio_user_dma_lock);
}

/*
 * Map all memory and enter the device in the list. The walk holds the memory lock of EAL, so that
 * no page comes or goes between the two steps.
 */
static int
attach_walk(const struct rte_memseg_list *msl, void *arg)
{
	/* Called once, for the first list, which represents all of them. */
	struct walk *w = arg;
	int ret;

	pthread_mutex_lock(&vfio_user_dma_lock);
	ret = w->priv->dma_claimed ? 0 : rte_memseg_walk_thread_unsafe(walk_page, w);
	if (ret == 0)
		ret = walk_flush(w);
	TAILQ_INSERT_TAIL(&dma_devices, w->priv, dma_next);
	w->priv->dma_attached = true;
	pthread_mutex_unlock(&vfio_user_dma_lock);
	return ret != 0 ? ret : 1;
}

int
vfio_user_dma_attach(struct vfio_user_priv *priv, bool claimed)
{
	struct walk w = { .priv = priv };
	int ret;

	/*
	 * Not under vfio_user_dma_lock: the callback list of EAL has a lock of its own, which EAL
	 * holds while it calls memory_event(). Devices come and go in one thread.
	 */
	if (!events_registered) {
		ret = rte_mem_event_callback_register(EVENT_NAME, memory_event, NULL);
		if (ret != 0 && rte_errno != ENOTSUP)
			return -rte_errno;
		events_registered = memory_changes = ret == 0;
	}
	priv->dma_claimed = claimed;
	ret = rte_memseg_list_walk(attach_walk, &w);
	return ret == 1 ? 0 : ret;
}

void
vfio_user_dma_detach(struct vfio_user_priv *priv)
{
	bool last;

	if (priv->dma_attached) {
		pthread_mutex_lock(&vfio_user_dma_lock);
		TAILQ_REMOVE(&dma_devices, priv, dma_next);
		priv->dma_attached = false;
		/* If the device is lost, each call returns at once. */
		while (priv->maps != NULL)
			vfio_user_map_remove(priv, *(struct vfio_user_map **)priv->maps);
		pthread_mutex_unlock(&vfio_user_dma_lock);
	}
	pthread_mutex_lock(&vfio_user_dma_lock);
	last = TAILQ_EMPTY(&dma_devices);
	pthread_mutex_unlock(&vfio_user_dma_lock);
	if (last && events_registered) {
		rte_mem_event_callback_unregister(EVENT_NAME, NULL);
		events_registered = false;
	}
}
