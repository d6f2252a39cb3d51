/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Coherent memory: what CPU and device use at the same time, descriptor rings.
 *
 * A block is a memzone: hugepage memory of one NUMA node, contiguous in bus
 * addresses. Every CPU that DPDK runs fast on has DMA coherent with its caches,
 * so that nothing else is asked of it; order is what the driver's barriers are
 * for.
 *
 * Alignment. The HOWTO promises the smallest order of pages that holds the block, in
 * both addresses, so that a block never straddles a boundary of its own size. Within one of
 * EAL's pages virtual and bus addresses are aligned alike. A block over several is
 * aligned in virtual addresses only, where the two differ; a promise that chance keeps
 * is none, so the block is refused where it is not kept.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#include "dma_private.h"

static const struct rte_memzone *
reserve(size_t size, int socket_id, size_t align)
{
	static unsigned int number;
	char name[RTE_MEMZONE_NAMESIZE];

	/* The names are shared by all processes of an EAL instance. */
	snprintf(name, sizeof(name), "gantry_dma_%x_%x", (unsigned int)getpid(),
		__atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	return rte_memzone_reserve_aligned(name, size, socket_id, RTE_MEMZONE_IOVA_CONTIG, align);
}

void *
gantry_dma_alloc_coherent(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id)
{
	return dma_coherent_alloc(dev, size, handle, socket_id, dma_device(dev)->coherent_mask);
}

void *
dma_coherent_alloc(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	const struct rte_memzone *mz;
	struct dma_block *b;
	size_t align;

	if (size == 0 || size > SIZE_MAX / 4) {
		dma_fail("%s: a coherent block of %zu bytes", d->name, size);
		rte_errno = EINVAL;
		return NULL;
	}
	align = RTE_MAX((size_t)rte_align64pow2(size), (size_t)sysconf(_SC_PAGESIZE));
	if (socket_id == SOCKET_ID_ANY)
		socket_id = d->params.socket_id;

	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		dma_fail("%s: out of memory", d->name);
		rte_errno = ENOMEM;
		return NULL;
	}
	mz = reserve(size, socket_id, align);
	if (mz == NULL && socket_id != SOCKET_ID_ANY) {
		mz = reserve(size, SOCKET_ID_ANY, align);
		if (mz != NULL)
			DMA_LOG(WARNING, "%s: no memory left on node %d: %zu coherent bytes "
				"come from node %d", d->name, socket_id, size, mz->socket_id);
	}
	if (mz == NULL) {
		dma_fail("%s: no %zu bytes of contiguous hugepage memory (%s): give EAL more (-m, "
			"or more hugepages)", d->name, size, rte_strerror(rte_errno));
		free(b);
		rte_errno = ENOMEM;
		return NULL;
	}
	if (mz->iova == RTE_BAD_IOVA || mz->iova + (size - 1) > mask) {
		dma_fail("%s: coherent memory at bus address 0x%" PRIx64 " takes %u bits; the "
			"device drives %u", d->name, mz->iova, dma_bits(mz->iova + (size - 1)),
			dma_bits(mask));
		goto no_use;
	}
	if (mz->iova % align != 0) {
		dma_fail("%s: %zu coherent bytes at bus address 0x%" PRIx64 " are not aligned to "
			"%zu: take larger hugepages, or --iova-mode=va", d->name, size, mz->iova,
			align);
		goto no_use;
	}
	memset(mz->addr, 0, size);

	b->mz = mz;
	b->pub.cpu = mz->addr;
	b->pub.bus = mz->iova;
	b->pub.size = size;
	b->pub.socket_id = mz->socket_id;
	rte_spinlock_lock(&d->lock);
	TAILQ_INSERT_TAIL(&d->blocks, b, next);
	rte_spinlock_unlock(&d->lock);
	*handle = mz->iova;
	return mz->addr;

no_use:
	rte_memzone_free(mz);
	free(b);
	rte_errno = EIO;
	return NULL;
}

void
gantry_dma_free_coherent(struct gantry_dma_dev *dev, size_t size, void *cpu_addr,
		gantry_dma_addr_t handle)
{
	struct dma_device *d = dma_device(dev);
	struct dma_block *b;

	if (cpu_addr == NULL)
		return;
	rte_spinlock_lock(&d->lock);
	TAILQ_FOREACH(b, &d->blocks, next) {
		if (b->pub.cpu == cpu_addr)
			break;
	}
	if (b != NULL)
		TAILQ_REMOVE(&d->blocks, b, next);
	rte_spinlock_unlock(&d->lock);

	if (b == NULL) {
		dma_fail("%s: %p is no coherent block of this device: not freed", d->name,
			cpu_addr);
		DMA_LOG(ERR, "%s", gantry_dma_last_error());
		return;
	}
	if (b->pub.size != size || b->pub.bus != handle) {
		dma_fail("%s: coherent block %p freed as %zu bytes at bus 0x%" PRIx64 ", allocated "
			"as %zu at 0x%" PRIx64, d->name, cpu_addr, size, handle, b->pub.size,
			b->pub.bus);
		DMA_LOG(ERR, "%s", gantry_dma_last_error());
	}
	rte_memzone_free(b->mz);
	free(b);
}

void
gantry_dma_for_each_block(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_block *b), void *arg)
{
	struct dma_device *d = dma_device(dev);
	const struct dma_block *b;

	rte_spinlock_lock(&d->lock);
	TAILQ_FOREACH(b, &d->blocks, next)
		fn(arg, &b->pub);
	rte_spinlock_unlock(&d->lock);
}
