/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * DMA as drivers see it: mappings of their own, claiming a device, and the I/O page table.
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "eal_run.h"
#include "sealed_file.h"
#include "vfio_user_private.h"

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

	old = vfio_user_map_find(priv, map->iova, map->len);
	if (vfio_user_map_is_external(old, map->va, map->iova, map->len))
		return 0;
	while (ret == 0 && (old = vfio_user_map_find(priv, map->iova, map->len)) != NULL) {
		if (!old->external)
			return -EEXIST;
		rest = *old;
		ret = vfio_user_map_remove(priv, old);
		if (ret == 0 && rest.iova < map->iova) {
			struct vfio_user_map left = rest;

			left.len = map->iova - rest.iova;
			ret = vfio_user_map_add(priv, &left);
		}
		if (ret == 0 && rest.iova + rest.len > map->iova + map->len) {
			const uint64_t cut = map->iova + map->len - rest.iova;

			rest.va += cut;
			rest.iova += cut;
			rest.len -= cut;
			ret = vfio_user_map_add(priv, &rest);
		}
	}
	return ret != 0 ? ret : vfio_user_map_add(priv, map);
}

static int
map_range(struct rte_vfio_user_device *dev, struct vfio_user_map *map)
{
	struct vfio_user_priv *priv = dev->bus_private;
	int ret;

	if (map->len == 0 || ((map->iova | map->len) & 4095) != 0 ||
			map->iova + (map->len - 1) < map->iova ||
			map->va + (map->len - 1) < map->va || map->prot == 0 ||
			(map->prot & ~VFIO_USER_DMA_RW) != 0)
		return -EINVAL;
	pthread_mutex_lock(&vfio_user_dma_lock);
	ret = map_over_external(priv, map);
	pthread_mutex_unlock(&vfio_user_dma_lock);
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
		.va = (uintptr_t)va,
		.iova = iova,
		.len = len,
		.fd = -1,
		.prot = prot,
	};

	if (!attached(dev))
		return -ENODEV;
	find_file(&map);
	return map_range(dev, &map);
}

int
rte_vfio_user_dma_map_fd(struct rte_vfio_user_device *dev, struct rte_vfio_user_dma_file file,
		void *va, uint64_t iova, size_t len, uint32_t prot)
{
	struct vfio_user_map map = {
		.va = (uintptr_t)va,
		.iova = iova,
		.len = len,
		.fd = file.fd,
		.offset = file.offset,
		.prot = prot,
	};

	if (!attached(dev))
		return -ENODEV;
	return file.fd < 0 ? -EBADF : map_range(dev, &map);
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
	pthread_mutex_lock(&vfio_user_dma_lock);
	map = vfio_user_map_find(priv, iova, len);
	if (map != NULL && !map->eal && map->va == (uintptr_t)va && map->iova == iova &&
			map->len == len)
		ret = vfio_user_map_remove(priv, map);
	else if (vfio_user_map_is_external(map, (uintptr_t)va, iova, len))
		ret = 0; /* a mempool or a heap is in it */
	pthread_mutex_unlock(&vfio_user_dma_lock);
	return ret;
}

static int
map_again(const struct vfio_user_priv *priv, const struct vfio_user_map *map)
{
	int ret = vfu_client_dma_map(priv->client, map->fd, map->offset, map->iova, map->len,
			map->prot);

	if (ret != 0 && vfu_client_alive(priv->client))
		VFIO_USER_LOG(ERR, priv->dev->path,
				"memory at 0x%" PRIx64 ": the device can no longer "
				"reach it: %s",
				map->va, strerror(-ret));
	return ret;
}

/*
 * Claim all EAL memory, or none: a driver could not continue with half of it. This needs the
 * server's cooperation: if it refuses to unmap a piece, and then to map again what it had unmapped,
 * the device can no longer reach that part, and the bus logs each piece. Pages and their files
 * cannot disappear in the meantime, because their event waits for vfio_user_dma_lock.
 */
int
rte_vfio_user_dma_claim(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv = dev->bus_private;
	struct vfio_user_map *refused, *map, *next;
	int ret = 0;

	if (!attached(dev))
		return -ENODEV;
	pthread_mutex_lock(&vfio_user_dma_lock);
	TAILQ_FOREACH(refused, &priv->eal_maps, next) {
		ret = vfio_user_map_unmap(priv, refused);
		if (ret != 0)
			break;
	}
	/* Before vfio_user_dma_lock is released: later events must find the device claimed. */
	priv->dma_claimed |= ret == 0;
	for (map = TAILQ_FIRST(&priv->eal_maps); map != refused; map = next) {
		next = TAILQ_NEXT(map, next);
		if (ret == 0 || map_again(priv, map) != 0)
			vfio_user_map_forget(priv, map);
	}
	pthread_mutex_unlock(&vfio_user_dma_lock);
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
	pthread_mutex_lock(&vfio_user_dma_lock);
	ret = make_page_table(priv, base, nr);
	if (ret == 0)
		*entries = priv->ptes;
	pthread_mutex_unlock(&vfio_user_dma_lock);
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
