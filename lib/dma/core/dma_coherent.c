/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Coherent memory: memory that CPU and device use at the same time, such as descriptor rings.
 *
 * A block is a memzone: hugepage memory of one NUMA node, contiguous in bus addresses. These are
 * EAL's, or those at which the device's mode maps the block. (A mode may have library memory in
 * place of a memzone.) Every CPU on which DPDK runs fast has DMA coherent with its caches, so the
 * memory needs no other property. The driver's barriers order the accesses.
 *
 * Alignment. The HOWTO promises the smallest order of pages that holds the block, in both
 * addresses, so that a block never straddles a boundary of its own size. Within one EAL page,
 * virtual addresses and EAL's bus addresses have the same alignment. A block over several EAL pages
 * is aligned in virtual addresses only, if the two differ. It may be aligned in bus addresses by
 * chance, but chance is no promise, so the library refuses a block that is not aligned. A mode that
 * chooses the bus address aligns it.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memzone.h>

#include "dma_core.h"

/* The number of blocks that are tried at most to find one that the mask reaches. */
#define ASIDE_MAX 512
/* The largest piece, in bytes, in which other memory that the mask does not reach is set aside. */
#define ASIDE_LEN ((size_t)1 << 20)

static const struct rte_memzone *
reserve(size_t size, int socket_id, size_t align, bool contig)
{
	static unsigned int number;
	char name[RTE_MEMZONE_NAMESIZE];

	/* All processes of an EAL instance share the names. */
	snprintf(name, sizeof(name), "gantry_dma_%x_%x", (unsigned int)getpid(),
			__atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	return rte_memzone_reserve_aligned(name, size, socket_id,
			contig ? RTE_MEMZONE_IOVA_CONTIG : 0, align);
}

int
dma_block_reserve(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, bool contig)
{
	const struct dma_device *d = dma_device(dev);
	/* Whole pages, so that the caller that maps them maps nothing else. */
	const size_t len = RTE_ALIGN_CEIL(size, DMA_PAGE);

	b->mz = reserve(len, socket_id, align, contig);
	if (b->mz == NULL && socket_id != SOCKET_ID_ANY) {
		b->mz = reserve(len, SOCKET_ID_ANY, align, contig);
		if (b->mz != NULL)
			DMA_LOG(WARNING, d->name,
					"no memory left on node %d: %zu coherent bytes come from "
					"node %d",
					socket_id, size, b->mz->socket_id);
	}
	if (b->mz == NULL) {
		dma_fail("%s: no %zu bytes of contiguous hugepage memory (%s): give EAL more (-m, "
			 "or more hugepages)",
				d->name, size, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	memset(b->mz->addr, 0, len);
	b->pub.cpu = b->mz->addr;
	b->pub.size = size;
	b->pub.socket_id = b->mz->socket_id;
	return 0;
}

/* Return whether a device with this mask can use the block, so aligned; if not, with the reason. */
static bool
usable(const struct dma_device *d, const struct dma_block *b, size_t align, uint64_t mask)
{
	const size_t size = b->pub.size;

	if (b->pub.bus == RTE_BAD_IOVA || b->pub.bus + (size - 1) > mask)
		dma_fail("%s: coherent memory at bus address 0x%" PRIx64 " takes %u bits; the "
			 "device drives %u",
				d->name, b->pub.bus, dma_bits(b->pub.bus + (size - 1)),
				dma_bits(mask));
	else if (b->pub.bus % align != 0)
		dma_fail("%s: %zu coherent bytes at bus address 0x%" PRIx64 " are not aligned to "
			 "%zu: take larger hugepages, or --iova-mode=va",
				d->name, size, b->pub.bus, align);
	else
		return true;
	return false;
}

static int
reaches(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	return !msl->external && ms->iova <= *(uint64_t *)arg;
}

bool
dma_block_reachable(uint64_t mask)
{
	return rte_memseg_walk(reaches, &mask) != 0;
}

static uint64_t
eal_address(const void *p)
{
	const struct rte_memseg *ms = rte_mem_virt2memseg(p, NULL);

	return ms == NULL ? 0 : ms->iova + RTE_PTR_DIFF(p, ms->addr);
}

/*
 * Allocate memory that EAL already has. Return it to the caller, which owns it, if it is beyond the
 * mask; otherwise NULL.
 */
static void **
get_beyond(size_t len, int socket_id, uint64_t mask)
{
	struct rte_malloc_socket_stats heap;
	void **piece;

	if (rte_malloc_get_socket_stats(socket_id, &heap) != 0 || heap.greatest_free_size < 2 * len)
		return NULL;
	piece = rte_malloc_socket(NULL, len, DMA_PAGE, socket_id);
	if (piece == NULL ||
			(eal_address(piece) > mask &&
					eal_address((uint8_t *)piece + len - 1) > mask))
		return piece;
	rte_free(piece);
	return NULL;
}

/*
 * Allocate the memory that EAL would return next, as long as it is beyond the mask: large pieces
 * first, then smaller ones for the gaps between other blocks. The first word of each piece points
 * to the previous piece.
 */
static void
set_aside(void ***pieces, int socket_id, uint64_t mask)
{
	void **piece;
	size_t len;

	for (len = ASIDE_LEN; len >= DMA_PAGE; len /= 2) {
		while ((piece = get_beyond(len, socket_id, mask)) != NULL) {
			*piece = *pieces;
			*pieces = piece;
		}
	}
}

int
dma_block_direct(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask)
{
	const struct rte_memzone *aside[ASIDE_MAX];
	void **pieces = NULL, **piece;
	unsigned int n = 0;
	int ret;

	/*
	 * EAL gives no control over which memory it returns. Memory beyond the mask is kept until
	 * EAL returns a usable block.
	 */
	for (;;) {
		ret = dma_block_reserve(dev, b, size, align, socket_id, true);
		if (ret != 0)
			break;
		b->pub.bus = b->mz->iova;
		if (usable(dma_device(dev), b, align, mask))
			break;
		ret = -EIO;
		aside[n++] = b->mz;
		if (n == ASIDE_MAX || !dma_block_reachable(mask))
			break;
		set_aside(&pieces, b->pub.socket_id, mask);
	}
	if (ret == -ENOMEM && n > 0) {
		b->pub.bus = aside[0]->iova;
		usable(dma_device(dev), b, align, mask);
		ret = -EIO;
	}
	while (n > 0)
		rte_memzone_free(aside[--n]);
	while ((piece = pieces) != NULL) {
		pieces = *piece;
		rte_free(piece);
	}
	return ret;
}

int
dma_block_alloc(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask)
{
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	if (base->alloc_block != NULL)
		return base->alloc_block(dev, b, size, align, socket_id, mask);
	return dma_block_direct(dev, b, size, align, socket_id, mask);
}

void *
dma_coherent_alloc(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id, const void *site)
{
	struct dma_device *d = dma_device(dev);
	struct dma_block *b;
	size_t align;
	int ret;

	if (size == 0 || size > SIZE_MAX / 4) {
		dma_fail("%s: a coherent block of %zu bytes", d->name, size);
		rte_errno = EINVAL;
		return NULL;
	}
	align = RTE_MAX((size_t)rte_align64pow2(size), DMA_PAGE);
	if (socket_id == SOCKET_ID_ANY)
		socket_id = d->params.socket_id;
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		dma_fail("%s: out of memory", d->name);
		rte_errno = ENOMEM;
		return NULL;
	}
	b->site = site;
	ret = dma_block_alloc(dev, b, size, align, socket_id, d->coherent_mask);
	if (ret != 0) {
		free(b);
		rte_errno = -ret;
		return NULL;
	}
	rte_spinlock_lock(&d->lock);
	TAILQ_INSERT_TAIL(&d->blocks, b, next);
	rte_spinlock_unlock(&d->lock);
	*handle = b->pub.bus;
	return b->pub.cpu;
}

void *
gantry_dma_alloc_coherent(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id)
{
	const void *site = __builtin_return_address(0);
	struct dma_object o = {
		.kind = DMA_KIND_COHERENT,
		.size = size,
		.dir = GANTRY_DMA_BIDIRECTIONAL,
	};

	o.ptr = dma_coherent_alloc(dev, size, handle, socket_id, site);
	if (o.ptr != NULL) {
		o.addr = *handle;
		dma_device(dev)->layer->added(dev, &o, site);
	}
	return o.ptr;
}

void
dma_coherent_free(struct gantry_dma_dev *dev, size_t size, void *cpu_addr, gantry_dma_addr_t handle)
{
	struct dma_device *d = dma_device(dev);
	struct dma_block *b;

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
		dma_log_error(dev, RTE_LOG_ERR);
		return;
	}
	if (b->pub.size != size || b->pub.bus != handle) {
		dma_fail("%s: coherent block %p freed as %zu bytes at bus 0x%" PRIx64 ", allocated "
			 "as %zu at 0x%" PRIx64,
				d->name, cpu_addr, size, handle, b->pub.size, b->pub.bus);
		dma_log_error(dev, RTE_LOG_ERR);
	}
	if (d->base->free_block != NULL)
		d->base->free_block(dev, b);
	else
		rte_memzone_free(b->mz);
	free(b);
}

void
gantry_dma_free_coherent(struct gantry_dma_dev *dev, size_t size, void *cpu_addr,
		gantry_dma_addr_t handle)
{
	struct dma_object o = {
		.kind = DMA_KIND_COHERENT,
		.ptr = cpu_addr,
		.addr = handle,
		.size = size,
	};

	if (cpu_addr != NULL &&
			dma_device(dev)->layer->removing(dev, &o, __builtin_return_address(0)))
		dma_coherent_free(dev, o.size, o.ptr, o.addr);
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
