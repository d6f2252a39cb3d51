/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The mappings of a device: what it reaches at which bus address. Each mapping is a DMA_MAP that
 * the server has.
 *
 *     priv->maps, priv->served --> trees of struct vfio_user_map, by bus address
 *     priv->eal_maps           --> list of those that the bus made by itself (eal)
 */

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vfio_user_private.h"

static_assert(RTE_VFIO_USER_DMA_READ == VFU_DMA_READ && RTE_VFIO_USER_DMA_WRITE == VFU_DMA_WRITE,
		"the bus' permissions are the wire's");

pthread_mutex_t vfio_user_dma_lock = PTHREAD_MUTEX_INITIALIZER;

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

struct vfio_user_map *
vfio_user_map_find(const struct vfio_user_priv *priv, uint64_t iova, uint64_t len)
{
	return tree_find(&priv->maps, iova, len);
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
served_remove(struct vfio_user_priv *priv, struct vfio_user_map *map)
{
	pthread_rwlock_wrlock(&priv->served_lock);
	tdelete(map, &priv->served, compare);
	pthread_rwlock_unlock(&priv->served_lock);
}

int
vfio_user_map_add(struct vfio_user_priv *priv, const struct vfio_user_map *what)
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
		served_remove(priv, map);
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
	VFIO_USER_LOG(DEBUG, priv->dev->path,
			"mapped va 0x%" PRIx64 " at bus 0x%" PRIx64 ", 0x%" PRIx64 " bytes%s",
			map->va, map->iova, map->len, map->fd < 0 ? ", by message" : "");
	return 0;
}

void
vfio_user_map_forget(struct vfio_user_priv *priv, struct vfio_user_map *map)
{
	if (map->eal)
		TAILQ_REMOVE(&priv->eal_maps, map, next);
	served_remove(priv, map);
	tdelete(map, &priv->maps, compare);
	free(map);
}

int
vfio_user_map_unmap(struct vfio_user_priv *priv, const struct vfio_user_map *map)
{
	int ret = vfu_client_dma_unmap(priv->client, map->iova, map->len);

	/* The device has lost the mapping already, which is the purpose. */
	return ret == -ENOENT ? 0 : ret;
}

int
vfio_user_map_remove(struct vfio_user_priv *priv, struct vfio_user_map *map)
{
	int ret = vfio_user_map_unmap(priv, map);

	vfio_user_map_forget(priv, map);
	return ret;
}

/* Return the mapping with the lowest bus address of those that overlap [iova, iova + len). */
static struct vfio_user_map *
first_map(const struct vfio_user_priv *priv, uint64_t iova, uint64_t len)
{
	struct vfio_user_map *first = NULL, *map;

	while (len != 0 && (map = vfio_user_map_find(priv, iova, len)) != NULL) {
		first = map;
		len = map->iova > iova ? map->iova - iova : 0;
	}
	return first;
}

int
vfio_user_map_gaps(struct vfio_user_priv *priv, const struct vfio_user_map *what)
{
	uint64_t done = 0, stop;
	int ret = 0;

	while (ret == 0 && done < what->len) {
		const struct vfio_user_map *next = first_map(priv, what->iova + done,
				what->len - done);
		struct vfio_user_map gap = *what;

		if (next == NULL)
			stop = what->len;
		else if (next->iova > what->iova + done)
			stop = next->iova - what->iova;
		else
			stop = done;
		gap.va += done;
		gap.iova += done;
		gap.len = stop - done;
		if (gap.len != 0)
			ret = vfio_user_map_add(priv, &gap);
		done = next != NULL ? next->iova + next->len - what->iova : what->len;
	}
	return ret;
}

bool
vfio_user_map_is_external(const struct vfio_user_map *map, uint64_t va, uint64_t iova, uint64_t len)
{
	return map != NULL && map->external && iova >= map->iova &&
			va - map->va == iova - map->iova && len <= map->len - (iova - map->iova);
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
