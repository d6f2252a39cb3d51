/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A BAR as the target of another device's DMA: peer to peer.
 *
 * A BAR is not memory: EAL knows no page of it, and does not map it for a device with the rest. If
 * nothing translates, the device reaches the BAR at the BAR's own address. If something does, the
 * backend must map it, in whole pages, by the virtual address that this process has for them.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dma_debug.h"

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

	if (translated && (d->params.ops == NULL || d->params.ops->map == NULL ||
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
			"%u bits", d->name, va, r->bus, r->size, dma_bits(d->mask));
		return false;
	}
	if (translated) {
		r->va = va - in_page;
		r->iova = r->bus - in_page;
		r->len = RTE_ALIGN_CEIL(in_page + r->size, page);
	}
	return true;
}

gantry_dma_addr_t
dma_base_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	if (base->map_resource != NULL)
		return base->map_resource(dev, va, phys, size, dir, site);
	dma_fail("%s: %p: no BAR can be mapped in mode %s", dma_device(dev)->name, va,
		gantry_dma_mode_name(dev));
	return GANTRY_DMA_MAPPING_ERROR;
}

gantry_dma_addr_t
dma_resource_map(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	struct dma_device *d = dma_device(dev);
	struct dma_resource *r;

	if (!dma_arguments_ok(dev, va, size, dir))
		return GANTRY_DMA_MAPPING_ERROR;
	if (gantry_mem_classify(va) != GANTRY_MEM_MMIO ||
			gantry_mem_classify((uint8_t *)va + (size - 1)) != GANTRY_MEM_MMIO) {
		dma_fail("%s: %p, %zu bytes: no part of a BAR; memory is mapped with "
			"gantry_dma_map_single()", d->name, va, size);
		if (gantry_dma_debug_on(dev))
			dma_debug_no_resource(dev, va, size, dir, site);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	if (d->base != NULL)
		return dma_base_map_resource(dev, va, phys, size, dir, site);

	r = calloc(1, sizeof(*r));
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

gantry_dma_addr_t
gantry_dma_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir)
{
	const void *site = __builtin_return_address(0);

	if (gantry_dma_debug_on(dev))
		return dma_debug_map_resource(dev, va, phys, size, dir, site);
	return dma_resource_map(dev, va, phys, size, dir, site);
}

static void
resource_end(struct gantry_dma_dev *dev, struct dma_resource *r)
{
	if (r->len != 0)
		dma_bus_unmap(dev, r->va, r->iova, r->len);
	free(r);
}

void
gantry_dma_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	struct dma_debug_ref ref = { .kind = DMA_KIND_RESOURCE, .addr = addr, .size = size,
		.dir = dir };
	struct dma_device *d = dma_device(dev);
	struct dma_resource *r;

	if (gantry_dma_debug_on(dev)) {
		if (!dma_debug_remove(dev, &ref, __builtin_return_address(0)))
			return;
		size = ref.size;
		dir = ref.dir;
	}
	if (d->base != NULL) {
		if (d->base->unmap_resource != NULL)
			d->base->unmap_resource(dev, addr, size, dir);
		return;
	}
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
			"direction %u: not unmapped", d->name, addr, size, dir);
		DMA_LOG(ERR, "%s", gantry_dma_last_error());
		return;
	}
	resource_end(dev, r);
}

void
dma_resources_drop(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	struct dma_resource *r;

	while ((r = TAILQ_FIRST(&d->resources)) != NULL) {
		DMA_LOG(WARNING, "%s: BAR mapped at bus address 0x%" PRIx64 " (%zu bytes) was "
			"never unmapped", d->name, r->bus, r->size);
		TAILQ_REMOVE(&d->resources, r, next);
		resource_end(dev, r);
	}
}
