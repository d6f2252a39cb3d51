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
 *     priv->maps, priv->served --> trees of struct vfio_user_map, by bus address
 *     priv->eal_maps           --> list of those that the bus made by itself (eal)
 *
 * Locks, in this order:
 *  - The memory lock of EAL. Events arrive with it held for writing; attach_walk() runs with it
 *    held for reading. Therefore this file uses the thread_unsafe calls only, and allocates nothing
 *    from EAL.
 *  - dma_lock: the list of attached devices and their tables. A thread holds it while it waits for
 *    the reply of the server, which the time-out of the connection bounds.
 *  - served_lock of a device, see vfio_user_private.h.
 * No thread that holds dma_lock may wait for the EAL lock of mempools, because the thread that
 * holds that lock may be waiting for memory, and so for dma_lock.
 */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "eal_run.h"
#include "sealed_file.h"
#include "vfio_user_private.h"

#define EVENT_NAME "vfio_user"

#define DMA_RW (RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE)
static_assert(RTE_VFIO_USER_DMA_READ == VFU_DMA_READ && RTE_VFIO_USER_DMA_WRITE == VFU_DMA_WRITE,
	"the bus' permissions are the wire's");

static pthread_mutex_t dma_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, vfio_user_priv) dma_devices = TAILQ_HEAD_INITIALIZER(dma_devices);
/* False if the memory of this process never changes: legacy memory, or without hugepages. */
static bool memory_changes;
static bool events_registered;

/*
 * The order of a tree of mappings. Mappings that overlap compare equal, so that the tree never
 * holds overlapping mappings.
 */
static int
compare(const void *one, const void *other)
{
	const struct vfio_user_map *a = one, *b = other;

	return a->iova + (a->len - 1) < b->iova ? -1 : a->iova > b->iova + (b->len - 1);
}

static int
tree_add(void **tree, struct vfio_user_map *map)
{
	struct vfio_user_map **node = tsearch(map, tree, compare);

	if (node == NULL)
		return -ENOMEM;
	return *node == map ? 0 : -EEXIST;
}

static struct vfio_user_map *
tree_find(void *const *tree, uint64_t iova, uint64_t len)
{
	const struct vfio_user_map key = { .iova = iova, .len = len };
	struct vfio_user_map **node = tfind(&key, tree, compare);

	return node != NULL ? *node : NULL;
}

static int
served_add(struct vfio_user_priv *priv, struct vfio_user_map *map)
{
	int ret;

	pthread_rwlock_wrlock(&priv->served_lock);
	ret = tree_add(&priv->served, map);
	pthread_rwlock_unlock(&priv->served_lock);
	return ret;
}

static void
served_del(struct vfio_user_priv *priv, struct vfio_user_map *map)
{
	pthread_rwlock_wrlock(&priv->served_lock);
	tdelete(map, &priv->served, compare);
	pthread_rwlock_unlock(&priv->served_lock);
}

/* Make one mapping. Every function that changes the tables requires dma_lock. */
static int
map_one(struct vfio_user_priv *priv, const struct vfio_user_map *what)
{
	struct vfio_user_map *map = malloc(sizeof(*map));
	int ret;

	if (map == NULL)
		return -ENOMEM;
	*map = *what;
	/*
	 * Before DMA_MAP, because the server may ask for the memory as soon as it knows the
	 * mapping.
	 */
	ret = tree_add(&priv->maps, map);
	if (ret != 0) {
		free(map);
		return ret;
	}
	ret = served_add(priv, map);
	if (ret == 0)
		ret = vfu_client_dma_map(priv->client, map->fd, map->offset, map->iova, map->len,
				map->prot);
	if (ret != 0) {
		served_del(priv, map);
		tdelete(map, &priv->maps, compare);
		free(map);
		return ret;
	}
	if (map->eal)
		TAILQ_INSERT_TAIL(&priv->eal_maps, map, next);
	/*
	 * The descriptor was borrowed, so only its sign is used from here on, except by
	 * map_again().
	 */
	VFIO_USER_LOG(DEBUG, "%s: mapped va 0x%" PRIx64 " at bus 0x%" PRIx64 ", 0x%" PRIx64
		" bytes%s", priv->dev->path, map->va, map->iova, map->len,
		map->fd < 0 ? ", by message" : "");
	return 0;
}

/* Remove a mapping from all tables. */
static void
forget_one(struct vfio_user_priv *priv, struct vfio_user_map *map)
{
	if (map->eal)
		TAILQ_REMOVE(&priv->eal_maps, map, next);
	served_del(priv, map);
	tdelete(map, &priv->maps, compare);
	free(map);
}

/* If the server has no such mapping, the device has lost it already, which is the purpose. */
static int
unmap_at_server(struct vfio_user_priv *priv, const struct vfio_user_map *map)
{
	int ret = vfu_client_dma_unmap(priv->client, map->iova, map->len);

	return ret == -ENOENT ? 0 : ret;
}

static int
unmap_one(struct vfio_user_priv *priv, struct vfio_user_map *map)
{
	int ret = unmap_at_server(priv, map);

	forget_one(priv, map);
	return ret;
}

/* Return the mapping with the lowest bus address of those that overlap [iova, iova + len). */
static struct vfio_user_map *
first_map(const struct vfio_user_priv *priv, uint64_t iova, uint64_t len)
{
	struct vfio_user_map *first = NULL, *map;

	while (len != 0 && (map = tree_find(&priv->maps, iova, len)) != NULL) {
		first = map;
		len = map->iova > iova ? map->iova - iova : 0;
	}
	return first;
}

/* Map the parts of the range that are not mapped yet. */
static int
map_gaps(struct vfio_user_priv *priv, const struct vfio_user_map *what)
{
	uint64_t done = 0, stop;
	int ret = 0;

	while (ret == 0 && done < what->len) {
		const struct vfio_user_map *next = first_map(priv, what->iova + done,
			what->len - done);
		struct vfio_user_map gap = *what;

		stop = next != NULL && next->iova > what->iova + done ? next->iova - what->iova :
			next != NULL ? done : what->len;
		gap.va += done;
		gap.iova += done;
		gap.len = stop - done;
		if (gap.len != 0)
			ret = map_one(priv, &gap);
		done = next != NULL ? next->iova + next->len - what->iova : what->len;
	}
	return ret;
}

/* Pages that are being merged into one mapping; external pages all come from the list msl. */
struct walk {
	struct vfio_user_priv *priv;
	struct eal_run run; /* len 0: none */
	const struct rte_memseg_list *msl;
	bool pool;          /* given because of a mempool */
};

static int
walk_flush(struct walk *w)
{
	const struct vfio_user_map map = { .va = w->run.va, .iova = w->run.iova,
		.len = w->run.len, .fd = w->run.fd, .offset = w->run.offset, .prot = DMA_RW,
		.eal = true, .external = w->msl != NULL && w->msl->external, .pool = w->pool };
	int ret = 0;

	w->run.len = 0;
	if (map.external) /* its owner may have mapped a part of it */
		ret = map_gaps(w->priv, &map);
	else if (map.len != 0)
		ret = map_one(w->priv, &map);
	return ret;
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
		VFIO_USER_LOG(ERR, "%s: memory at 0x%" PRIx64 ": the device cannot reach it: %s",
			priv->dev->path, va, strerror(-ret));
}

static void
report_kept(const struct vfio_user_priv *priv, uint64_t va, int ret)
{
	if (ret != 0 && vfu_client_alive(priv->client))
		VFIO_USER_LOG(ERR, "%s: the device keeps memory at 0x%" PRIx64
			" that was given back: %s", priv->dev->path, va, strerror(-ret));
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
		report_kept(priv, start, unmap_one(priv, map));
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

	pthread_mutex_lock(&dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next) {
		if (priv->dma_claimed)
			continue;
		if (type == RTE_MEM_EVENT_ALLOC)
			give_pages(priv, (uintptr_t)addr, len, false);
		else
			remove_pages(priv, (uintptr_t)addr, len);
	}
	pthread_mutex_unlock(&dma_lock);
}

/* Report whether [iova, iova + len) is part of external memory that the device has at va. */
static bool
is_external(const struct vfio_user_map *map, uint64_t va, uint64_t iova, uint64_t len)
{
	return map != NULL && map->external && iova >= map->iova && va - map->va == iova - map->iova &&
		len <= map->len - (iova - map->iova);
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
	const uint64_t before = va & 4095;
	struct vfio_user_map map = { .va = va - before, .iova = iova - before,
		.len = RTE_ALIGN_CEIL(len + before, UINT64_C(4096)), .fd = -1, .prot = DMA_RW,
		.eal = true, .external = true, .pool = true };
	const struct rte_memseg_list *msl;
	const struct rte_memseg *ms = eal_page_at(va, &msl);
	int ret;

	if (iova == RTE_BAD_IOVA || len == 0 || (ms != NULL && !msl->external) ||
			is_external(tree_find(&priv->maps, iova, 1), va, iova, len))
		return;
	if (ms != NULL && ms->iova != RTE_BAD_IOVA) {
		give_pages(priv, (uintptr_t)msl->base_va, msl->len, true);
		return;
	}
	ret = (iova & 4095) == before ? map_gaps(priv, &map) : -EINVAL;
	if (ret != 0 && vfu_client_alive(priv->client))
		VFIO_USER_LOG(ERR, "%s: mempool %s: the device cannot reach its memory at 0x%"
			PRIx64 ", bus address 0x%" PRIx64 ": %s", priv->dev->path, mp->name, va,
			iova, strerror(-ret));
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

	pthread_mutex_lock(&dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next)
		give_pool(priv, mp);
	pthread_mutex_unlock(&dma_lock);
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
			report_kept(priv, va, unmap_one(priv, map));
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

	pthread_mutex_lock(&dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next) {
		if (priv->dma_claimed)
			continue;
		sweep_heaps(priv);
		rte_memseg_list_walk_thread_unsafe(give_heap, priv);
	}
	pthread_mutex_unlock(&dma_lock);
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
vfio_user_dma_take_pool(const struct iovec *gone, size_t nr_gone, const struct iovec *left,
		size_t nr_left)
{
	struct vfio_user_priv *priv;
	struct vfio_user_map *map, *next;
	int ret;

	pthread_mutex_lock(&dma_lock);
	TAILQ_FOREACH(priv, &dma_devices, dma_next) {
		for (map = TAILQ_FIRST(&priv->eal_maps); map != NULL; map = next) {
			next = TAILQ_NEXT(map, next);
			if (!map->pool || !overlaps(map, gone, nr_gone) ||
					overlaps(map, left, nr_left))
				continue;
			ret = unmap_one(priv, map);
			if (ret != 0 && vfu_client_alive(priv->client))
				VFIO_USER_LOG(ERR, "%s: the device keeps the memory of a mempool "
					"that was freed: %s", priv->dev->path, strerror(-ret));
		}
	}
	pthread_mutex_unlock(&dma_lock);
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

	pthread_mutex_lock(&dma_lock);
	ret = w->priv->dma_claimed ? 0 : rte_memseg_walk_thread_unsafe(walk_page, w);
	if (ret == 0)
		ret = walk_flush(w);
	TAILQ_INSERT_TAIL(&dma_devices, w->priv, dma_next);
	w->priv->dma_attached = true;
	pthread_mutex_unlock(&dma_lock);
	return ret != 0 ? ret : 1;
}

int
vfio_user_dma_attach(struct vfio_user_priv *priv, bool claimed)
{
	struct walk w = { .priv = priv };
	int ret;

	/*
	 * Not under dma_lock: the callback list of EAL has a lock of its own, which EAL holds while
	 * it calls memory_event(). Devices come and go in one thread.
	 */
	if (!events_registered) {
		ret = rte_mem_event_callback_register(EVENT_NAME, memory_event, NULL);
		if (ret != 0 && rte_errno != ENOTSUP)
			return -rte_errno;
		events_registered = memory_changes = ret == 0;
	}
	priv->dma_claimed = claimed;
	ret = rte_memseg_list_walk(attach_walk, &w);
	if (ret == 1 && !claimed)
		vfio_user_pool_attach();
	return ret == 1 ? 0 : ret;
}

void
vfio_user_dma_detach(struct vfio_user_priv *priv)
{
	bool last;

	if (priv->dma_attached) {
		pthread_mutex_lock(&dma_lock);
		TAILQ_REMOVE(&dma_devices, priv, dma_next);
		priv->dma_attached = false;
		/* If the device is lost, each call returns at once. */
		while (priv->maps != NULL)
			unmap_one(priv, *(struct vfio_user_map **)priv->maps);
		pthread_mutex_unlock(&dma_lock);
	}
	pthread_mutex_lock(&dma_lock);
	last = TAILQ_EMPTY(&dma_devices);
	pthread_mutex_unlock(&dma_lock);
	if (last && events_registered) {
		rte_mem_event_callback_unregister(EVENT_NAME, NULL);
		events_registered = false;
	}
}

/* Find the file of [va, va + len), if all of the range is one piece of one EAL file. */
static void
find_file(struct vfio_user_map *map)
{
	const uint64_t end = map->va + map->len;
	struct eal_run run = { 0 }, page;
	const struct rte_memseg_list *msl;
	const struct rte_memseg *ms;

	do {
		ms = eal_page_at(run.len == 0 ? map->va : run.va + run.len, &msl);
		if (ms == NULL)
			return;
		page = eal_run_of(msl, ms, false);
		if (page.fd < 0 || (run.len != 0 && !eal_run_continues(&run, &page)))
			return;
		if (run.len == 0)
			run = page;
		else
			run.len += page.len;
	} while (run.va + run.len < end);
	map->fd = run.fd;
	map->offset = run.offset + (map->va - run.va);
}

/*
 * Map external memory for its owner. The device keeps the rest of the memory that the bus gave it
 * unasked.
 */
static int
map_over_external(struct vfio_user_priv *priv, const struct vfio_user_map *map)
{
	struct vfio_user_map *old, rest;
	int ret = 0;

	if (is_external(tree_find(&priv->maps, map->iova, map->len), map->va, map->iova, map->len))
		return 0;
	while (ret == 0 && (old = tree_find(&priv->maps, map->iova, map->len)) != NULL) {
		if (!old->external)
			return -EEXIST;
		rest = *old;
		ret = unmap_one(priv, old);
		if (ret == 0 && rest.iova < map->iova) {
			struct vfio_user_map left = rest;

			left.len = map->iova - rest.iova;
			ret = map_one(priv, &left);
		}
		if (ret == 0 && rest.iova + rest.len > map->iova + map->len) {
			const uint64_t cut = map->iova + map->len - rest.iova;

			rest.va += cut;
			rest.iova += cut;
			rest.len -= cut;
			ret = map_one(priv, &rest);
		}
	}
	return ret != 0 ? ret : map_one(priv, map);
}

static int
map_range(struct rte_vfio_user_device *dev, struct vfio_user_map *map)
{
	struct vfio_user_priv *priv = dev->bus_private;
	int ret;

	if (map->len == 0 || ((map->iova | map->len) & 4095) != 0 ||
			map->iova + (map->len - 1) < map->iova ||
			map->va + (map->len - 1) < map->va ||
			map->prot == 0 || (map->prot & ~DMA_RW) != 0)
		return -EINVAL;
	pthread_mutex_lock(&dma_lock);
	ret = map_over_external(priv, map);
	pthread_mutex_unlock(&dma_lock);
	return ret;
}

static bool
attached(const struct rte_vfio_user_device *dev)
{
	const struct vfio_user_priv *priv = dev->bus_private;

	return priv != NULL && priv->dma_attached;
}

int
rte_vfio_user_dma_map(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len,
		uint32_t prot)
{
	struct vfio_user_map map = {
		.va = (uintptr_t)va, .iova = iova, .len = len, .fd = -1, .prot = prot,
	};

	if (!attached(dev))
		return -ENODEV;
	find_file(&map);
	return map_range(dev, &map);
}

int
rte_vfio_user_dma_map_fd(struct rte_vfio_user_device *dev, int fd, uint64_t offset, void *va,
		uint64_t iova, size_t len, uint32_t prot)
{
	struct vfio_user_map map = {
		.va = (uintptr_t)va, .iova = iova, .len = len, .fd = fd, .offset = offset,
		.prot = prot,
	};

	if (!attached(dev))
		return -ENODEV;
	return fd < 0 ? -EBADF : map_range(dev, &map);
}

int
rte_vfio_user_dma_unmap(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len)
{
	struct vfio_user_priv *priv = dev->bus_private;
	struct vfio_user_map *map;
	int ret = -ENOENT;

	if (!attached(dev))
		return -ENODEV;
	if (len == 0)
		return -EINVAL;
	pthread_mutex_lock(&dma_lock);
	map = tree_find(&priv->maps, iova, len);
	if (map != NULL && !map->eal && map->va == (uintptr_t)va && map->iova == iova &&
			map->len == len)
		ret = unmap_one(priv, map);
	else if (is_external(map, (uintptr_t)va, iova, len))
		ret = 0; /* a mempool or a heap is in it */
	pthread_mutex_unlock(&dma_lock);
	return ret;
}

static int
map_again(const struct vfio_user_priv *priv, const struct vfio_user_map *map)
{
	int ret = vfu_client_dma_map(priv->client, map->fd, map->offset, map->iova, map->len,
		map->prot);

	if (ret != 0 && vfu_client_alive(priv->client))
		VFIO_USER_LOG(ERR, "%s: the device cannot reach memory at 0x%" PRIx64
			" any more: %s", priv->dev->path, map->va, strerror(-ret));
	return ret;
}

/*
 * Claim all EAL memory, or none: a driver could not continue with half of it. This needs the
 * server's cooperation: if it refuses to unmap a piece, and then to map again what it had unmapped,
 * the device can no longer reach that part, and the bus logs each piece. Pages and their files
 * cannot disappear in the meantime, because their event waits for dma_lock.
 */
int
rte_vfio_user_dma_claim(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv = dev->bus_private;
	struct vfio_user_map *kept, *map, *next;
	int ret = 0;

	if (!attached(dev))
		return -ENODEV;
	pthread_mutex_lock(&dma_lock);
	TAILQ_FOREACH(kept, &priv->eal_maps, next) {
		ret = unmap_at_server(priv, kept);
		if (ret != 0)
			break;
	}
	/* Before dma_lock is released: later events must find the device claimed. */
	priv->dma_claimed |= ret == 0;
	for (map = TAILQ_FIRST(&priv->eal_maps); map != kept; map = next) {
		next = TAILQ_NEXT(map, next);
		if (ret == 0 || map_again(priv, map) != 0)
			forget_one(priv, map);
	}
	pthread_mutex_unlock(&dma_lock);
	return ret;
}

/*
 * The I/O page table. Its file is sealed, because the server maps it and relies on its size. The
 * server may only read it, because only this process decides about the entries.
 */

static int
make_page_table(struct vfio_user_priv *priv, uint64_t base, size_t nr)
{
	const size_t len = nr * sizeof(uint64_t);
	void *ptes;
	int fd, ret;

	/* A second table, if the server took it, would replace the first one, which is in use. */
	if (priv->ptes != NULL)
		return -EEXIST;
	fd = sealed_file_to_read("gantry-io-page-table", len, &ptes);
	if (fd < 0)
		return fd;
	ret = vfu_client_page_table(priv->client, fd, base, nr);
	close(fd);
	if (ret != 0) {
		munmap(ptes, len);
		return ret;
	}
	priv->ptes = ptes;
	priv->ptes_len = len;
	return 0;
}

int
rte_vfio_user_dma_page_table(struct rte_vfio_user_device *dev, uint64_t base, size_t nr,
		uint64_t **entries)
{
	struct vfio_user_priv *priv = dev->bus_private;
	int ret;

	if (!attached(dev))
		return -ENODEV;
	if (nr == 0 || nr > VFU_MAX_PTES || (base & 4095) != 0)
		return -EINVAL;
	pthread_mutex_lock(&dma_lock);
	ret = make_page_table(priv, base, nr);
	if (ret == 0)
		*entries = priv->ptes;
	pthread_mutex_unlock(&dma_lock);
	return ret;
}

/* Free the page table, after the connection has ended. */
void
vfio_user_dma_free(struct vfio_user_priv *priv)
{
	if (priv->ptes != NULL)
		munmap(priv->ptes, priv->ptes_len);
	priv->ptes = NULL;
}

/*
 * The requests of the server, in the receiving thread of the client. The library has checked that
 * the range is in one mapping. This code looks the mapping up again, because an unmapping may be in
 * progress. The memory itself may have gone, if its owner unmapped it without notice: so the kernel
 * copies, and reports a fault instead of raising a signal.
 */

static int
copy(const struct vfio_user_priv *priv, uint64_t iova, void *buf, size_t len, bool to_memory)
{
	const struct vfio_user_map *m = tree_find(&priv->served, iova, 1);
	struct iovec ours = { .iov_base = buf, .iov_len = len }, memory = { .iov_len = len };
	ssize_t ret;

	if (m == NULL || len > m->len - (iova - m->iova))
		return -EFAULT;
	memory.iov_base = (void *)(uintptr_t)(m->va + (iova - m->iova));
	ret = to_memory ? process_vm_writev(getpid(), &ours, 1, &memory, 1, 0) :
		process_vm_readv(getpid(), &ours, 1, &memory, 1, 0);
	if (ret >= 0 || (errno != EPERM && errno != ENOSYS))
		return ret == (ssize_t)len ? 0 : -EFAULT;
	/* A sandbox forbids these calls: copy directly. */
	if (to_memory)
		memcpy(memory.iov_base, buf, len);
	else
		memcpy(buf, memory.iov_base, len);
	return 0;
}

int
vfio_user_dma_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	struct vfio_user_priv *priv = opaque;
	int ret;

	pthread_rwlock_rdlock(&priv->served_lock);
	ret = copy(priv, iova, buf, len, false);
	pthread_rwlock_unlock(&priv->served_lock);
	return ret;
}

int
vfio_user_dma_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	struct vfio_user_priv *priv = opaque;
	int ret;

	pthread_rwlock_rdlock(&priv->served_lock);
	ret = copy(priv, iova, (void *)(uintptr_t)buf, len, true);
	pthread_rwlock_unlock(&priv->served_lock);
	return ret;
}
