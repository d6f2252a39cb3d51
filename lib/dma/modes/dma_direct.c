/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Direct mode: the bus has mapped all EAL memory, and EAL knows the bus addresses. A device begins
 * in this mode, or it waits for the start of another one (dma_choose.c).
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "dma_modes.h"

static gantry_dma_addr_t
direct_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	const struct dma_device *d = dma_device(dev);
	gantry_dma_addr_t addr;

	/* The look-up of the inline functions, for calls that come through the debug layer. */
	if (gantry_dma_look_up(&d->eal, ptr, size, RTE_MIN(d->mask, GANTRY_DMA_ADDR_MAX), &addr))
		return addr;
	return dma_map_eal(dev, ptr, size);
}

static void
direct_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
}

/*
 * BARs, each in a list of the device.
 */

/** A mapping. */
struct dma_resource {
	TAILQ_ENTRY(dma_resource) next;
	gantry_dma_addr_t bus;
	size_t size;
	enum gantry_dma_dir dir;
	/* The range that the backend mapped, in whole pages; len 0: none. */
	uint8_t *va;
	gantry_dma_addr_t iova;
	size_t len;
};

/* Set bus, and the range that the backend must map for it. Return false if there is no way. */
static bool
plan(const struct dma_device *d, struct dma_resource *r, uint8_t *va, gantry_phys_addr_t phys)
{
	const bool translated = d->params.has_iommu;
	const size_t page = sysconf(_SC_PAGESIZE), in_page = (uintptr_t)va % page;

	if (translated &&
			(d->params.ops == NULL || d->params.ops->map == NULL ||
					d->params.ops->unmap == NULL)) {
		dma_fail("%s: %p: there is an IOMMU, and the bus cannot map a BAR through it",
				d->name, va);
		return false;
	}
	if (translated && rte_eal_iova_mode() == RTE_IOVA_VA) {
		r->bus = (uintptr_t)va;
	} else if (phys == GANTRY_PHYS_ADDR_BAD) {
		dma_fail("%s: %p: a BAR without its physical address", d->name, va);
		return false;
	} else {
		r->bus = phys;
	}
	if (r->bus + (r->size - 1) < r->bus || r->bus + (r->size - 1) > d->mask) {
		dma_fail("%s: %p: a BAR at bus address 0x%" PRIx64 ", %zu bytes; the device drives "
			 "%u bits",
				d->name, va, r->bus, r->size, dma_bits(d->mask));
		return false;
	}
	if (translated) {
		r->va = va - in_page;
		r->iova = r->bus - in_page;
		r->len = RTE_ALIGN_CEIL(in_page + r->size, page);
	}
	return true;
}

static void
resource_end(struct gantry_dma_dev *dev, struct dma_resource *r)
{
	if (r->len != 0)
		dma_bus_unmap(dev, r->va, r->iova, r->len);
	free(r);
}

static gantry_dma_addr_t
direct_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	struct dma_device *d = dma_device(dev);
	struct dma_resource *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		dma_fail("%s: out of memory", d->name);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	r->size = size;
	r->dir = dir;
	if (!plan(d, r, va, phys)) {
		free(r);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	if (r->len != 0 && dma_bus_map(dev, r->va, r->iova, r->len, dir) != 0) {
		free(r);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	rte_spinlock_lock(&d->lock);
	TAILQ_INSERT_TAIL(&d->resources, r, next);
	rte_spinlock_unlock(&d->lock);
	return r->bus;
}

static void
direct_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	struct dma_device *d = dma_device(dev);
	struct dma_resource *r;

	rte_spinlock_lock(&d->lock);
	TAILQ_FOREACH(r, &d->resources, next) {
		if (r->bus == addr && r->size == size && r->dir == dir)
			break;
	}
	if (r != NULL)
		TAILQ_REMOVE(&d->resources, r, next);
	rte_spinlock_unlock(&d->lock);
	if (r == NULL) {
		dma_fail("%s: no BAR is mapped at bus address 0x%" PRIx64 " with %zu bytes and "
			 "direction %u: not unmapped",
				d->name, addr, size, dir);
		dma_log_error(dev, RTE_LOG_ERR);
		return;
	}
	resource_end(dev, r);
}

static void
direct_end(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	struct dma_resource *r;

	while ((r = TAILQ_FIRST(&d->resources)) != NULL) {
		DMA_LOG(WARNING, d->name,
				"BAR mapped at bus address 0x%" PRIx64
				" (%zu bytes) was never unmapped",
				r->bus, r->size);
		TAILQ_REMOVE(&d->resources, r, next);
		resource_end(dev, r);
	}
}

/*
 * Masks: a device that does not reach all memory takes another mode.
 */

static int
direct_set_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	return dma_highest_address() <= mask ? 0 : dma_choose(dev, mask, mask);
}

/*
 * Return whether direct mode suffices for coherent memory: blocks then come from below the mask. A
 * device that can have a window leaves direct mode, because the window has a place for every block.
 */
static bool
stays_direct(struct gantry_dma_dev *dev, uint64_t mask)
{
	if (dma_highest_address() <= mask)
		return true;
	return dma_block_reachable(mask) &&
			(dma_device(dev)->params.mode == GANTRY_DMA_MODE_DIRECT ||
					!dma_can_claim(dev));
}

static int
direct_set_coherent_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	return stays_direct(dev, mask) ? 0 : dma_choose(dev, dma_device(dev)->mask, mask);
}

/*
 * Memory that the device can reach.
 */

struct reach {
	void (*fn)(void *arg, const struct gantry_dma_mapping *mapping);
	void *arg;
	struct gantry_dma_mapping run; /* size 0: none */
};

static void
reach_flush(struct reach *r)
{
	if (r->run.size != 0)
		r->fn(r->arg, &r->run);
	r->run.size = 0;
}

static int
reach_page(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct reach *r = arg;

	if (ms->iova == RTE_BAD_IOVA)
		return 0;
	if (r->run.size == 0 || r->run.addr + r->run.size != ms->iova ||
			(uintptr_t)r->run.cpu + r->run.size != (uintptr_t)ms->addr) {
		reach_flush(r);
		r->run = (struct gantry_dma_mapping){
			.reach = GANTRY_DMA_REACH_MEMORY,
			.addr = ms->iova,
			.cpu = ms->addr,
			.dir = GANTRY_DMA_BIDIRECTIONAL,
			.age_ms = UINT64_MAX,
		};
	}
	r->run.size += ms->len;
	return 0;
}

static void
direct_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg)
{
	struct reach r = { .fn = fn, .arg = arg };

	rte_memseg_walk(reach_page, &r);
	reach_flush(&r);
}

const struct gantry_dma_mode dma_direct_mode = {
	.name = "direct",
	.memory_by = "bus, all EAL memory",
	.by_eal = true,
	.map = direct_map,
	.unmap = direct_unmap,
	.map_resource = direct_map_resource,
	.unmap_resource = direct_unmap_resource,
	.set_mask = direct_set_mask,
	.set_coherent_mask = direct_set_coherent_mask,
	.for_each = direct_for_each,
	.end = direct_end,
};

void
dma_mode_begin(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);

	d->waiting = &dma_waiting_mode;
	dma_set_mode(dev, d->params.mode > GANTRY_DMA_MODE_DIRECT ? d->waiting : &dma_direct_mode);
}
