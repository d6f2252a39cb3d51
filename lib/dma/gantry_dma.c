/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The DMA library: theory, the device object, its masks.
 *
 * Theory. A byte of memory has up to three addresses. The driver's code uses
 * its virtual address X. The memory controller knows it by its physical address
 * Y. The device uses a bus address Z, and something between device and memory
 * (an IOMMU, a vfio-user server's table, or nothing at all) leads from Z to Y.
 *
 *       CPU                     memory                   device
 *        |  X  ---- MMU ---->  Y  <---- IOMMU ----  Z   |
 *
 * Mapping a buffer is finding (or making) its Z. In direct mode all of EAL's
 * memory has been mapped by the device's bus once and for all, and Z is known:
 * IOVA-as-VA Z = X, IOVA-as-PA Z = Y. Mapping is then a look-up, and unmapping
 * nothing. In bounce mode Z leads to a buffer of the library's own, and the data is
 * copied between that and X.
 *
 * What can go wrong is therefore in the buffer: memory that is not EAL's has no
 * Z; a buffer over two pages whose Z are not neighbours is no buffer to a device;
 * a Z that the device cannot drive (its mask) is out of reach. Each is an error
 * with a reason, never a wrong address.
 *
 * Files: gantry_dma_inline.h the hot path; dma_map.c what it leaves; here
 * devices, masks and limits; dma_coherent.c rings; dma_pool.c blocks smaller
 * than those; dma_sg.c lists and chains; dma_resource.c BARs as targets;
 * dma_bounce.c the bounce mode;
 * dma_translate.c which memory is what, and between the three spaces;
 * dma_numa.c cores and nodes.
 *
 * Who owns what: a device object belongs to the driver that made it, its
 * coherent blocks to the object until they are freed, a streaming buffer to the
 * device from map to unmap. The table of EAL's memory belongs to the process that
 * made it.
 *
 * Secondary processes. A device object and the table lie in EAL's shared memory,
 * so that a queue that points to its device can be polled in any process: the
 * inline functions work everywhere. Devices, masks and coherent memory are the
 * affair of the process that made the device.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_string_fns.h>

#include "dma_private.h"

RTE_LOG_REGISTER(gantry_dma_logtype, lib.gantry_dma, NOTICE);

static __thread char last_error[256];

void
dma_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	va_end(ap);
}

const char *
gantry_dma_last_error(void)
{
	return last_error;
}

void
dma_set_mode(struct gantry_dma_dev *dev, const struct gantry_dma_mode *mode)
{
	dma_device(dev)->base = dev->mode = mode;
	/* Never all ones, so that an unknown bus address (RTE_BAD_IOVA) lies beyond. */
	dev->direct_last = mode != NULL ? 0 : RTE_MIN(dma_device(dev)->mask, UINT64_MAX - 1);
}

struct gantry_dma_dev *
gantry_dma_dev_create(const struct gantry_dma_params *params)
{
	struct dma_device *d;
	int ret;

	if (params == NULL || params->name == NULL || params->name[0] == '\0') {
		dma_fail("a DMA device needs a name");
		rte_errno = EINVAL;
		return NULL;
	}
	if ((unsigned int)params->mode > GANTRY_DMA_MODE_BOUNCE) {
		dma_fail("%s: no DMA mode has the number %u", params->name, params->mode);
		rte_errno = EINVAL;
		return NULL;
	}
	d = rte_zmalloc("gantry_dma_dev", sizeof(*d), RTE_CACHE_LINE_SIZE);
	if (d == NULL) {
		dma_fail("%s: no memory left in EAL's heap for a device", params->name);
		rte_errno = ENOMEM;
		return NULL;
	}
	strlcpy(d->name, params->name, sizeof(d->name));
	d->params = *params;
	d->params.name = d->name;
	rte_spinlock_init(&d->lock);
	TAILQ_INIT(&d->blocks);
	TAILQ_INIT(&d->pools);
	TAILQ_INIT(&d->resources);
	/* The kernel's defaults, all of them. */
	d->mask = d->coherent_mask = GANTRY_DMA_BIT_MASK(32);
	d->max_seg = 64 << 10;
	d->seg_boundary = GANTRY_DMA_BIT_MASK(32);
	ret = dma_table_get(&d->fast.table);
	if (ret != 0) {
		rte_free(d);
		rte_errno = -ret;
		return NULL;
	}
	dma_set_mode(&d->fast, NULL);
	if (d->params.mode == GANTRY_DMA_MODE_BOUNCE) {
		ret = dma_bounce_start(&d->fast);
		if (ret != 0) {
			gantry_dma_dev_destroy(&d->fast);
			rte_errno = -ret;
			return NULL;
		}
	}
	return &d->fast;
}

void
gantry_dma_dev_destroy(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	struct dma_block *b;

	if (dev == NULL)
		return;
	if (dma_device(dev)->base != NULL && dma_device(dev)->base->end != NULL)
		dma_device(dev)->base->end(dev);
	dma_resources_drop(dev);
	dma_pools_drop(dev);
	while ((b = TAILQ_FIRST(&d->blocks)) != NULL) {
		DMA_LOG(WARNING, "%s: coherent block %p (bus 0x%" PRIx64 ", %zu bytes) was never "
			"freed", d->name, b->pub.cpu, b->pub.bus, b->pub.size);
		gantry_dma_free_coherent(dev, b->pub.size, b->pub.cpu, b->pub.bus);
	}
	dma_table_put();
	rte_free(d);
}

static int
highest(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	uint64_t *last = arg;

	if (!msl->external && ms->iova != RTE_BAD_IOVA && ms->iova + (ms->len - 1) > *last)
		*last = ms->iova + (ms->len - 1);
	return 0;
}

uint64_t
gantry_dma_get_required_mask(struct gantry_dma_dev *dev)
{
	uint64_t last = 0;

	if (dma_device(dev)->base != NULL && dma_device(dev)->base->required_mask != NULL)
		return dma_device(dev)->base->required_mask(dev);
	rte_memseg_walk(highest, &last);
	return GANTRY_DMA_BIT_MASK(dma_bits(last));
}

uint64_t
gantry_dma_get_mask(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->mask;
}

uint64_t
gantry_dma_get_coherent_mask(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->coherent_mask;
}

bool
gantry_dma_addressing_limited(struct gantry_dma_dev *dev)
{
	return gantry_dma_get_mask(dev) < gantry_dma_get_required_mask(dev);
}

size_t
gantry_dma_max_mapping_size(struct gantry_dma_dev *dev)
{
	if (dma_device(dev)->base != NULL && dma_device(dev)->base->max_mapping_size != NULL)
		return dma_device(dev)->base->max_mapping_size(dev);
	return SIZE_MAX;
}

/* Whether a device with this mask can do with the memory there is. */
static int
check_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	uint64_t last = 0;

	if (mask < GANTRY_DMA_BIT_MASK(24) || (mask & (mask + 1)) != 0) {
		dma_fail("%s: 0x%" PRIx64 " is no mask of 24 to 64 address bits", d->name, mask);
		return -EINVAL;
	}
	rte_memseg_walk(highest, &last);
	if (last <= mask || dma_device(dev)->base != NULL)
		return 0;
	dma_fail("%s: the device drives %u address bits, but EAL's memory reaches up to bus "
		"address 0x%" PRIx64 ", which takes %u; %s", d->name, dma_bits(mask), last,
		dma_bits(last), rte_eal_iova_mode() == RTE_IOVA_VA ?
		"start with --iova-mode=pa, or with --base-virtaddr low enough" :
		"nothing translates in between (start with --iova-mode=va if something does)");
	if (!d->mask_logged) {
		DMA_LOG(ERR, "%s", gantry_dma_last_error());
		d->mask_logged = true;
	}
	return -EIO;
}

int
gantry_dma_set_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	int ret = check_mask(dev, mask);

	if (ret == 0 && dma_device(dev)->base != NULL && dma_device(dev)->base->check_mask != NULL)
		ret = dma_device(dev)->base->check_mask(dev, mask);
	if (ret != 0)
		return ret;
	dma_device(dev)->mask = mask;
	dma_set_mode(dev, dma_device(dev)->base);
	return 0;
}

int
gantry_dma_set_coherent_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	int ret = check_mask(dev, mask);

	if (ret == 0)
		dma_device(dev)->coherent_mask = mask;
	return ret;
}

int
gantry_dma_set_mask_and_coherent(struct gantry_dma_dev *dev, uint64_t mask)
{
	int ret = gantry_dma_set_mask(dev, mask);

	if (ret == 0)
		dma_device(dev)->coherent_mask = mask;
	return ret;
}

/*
 * What one segment may be, for scatter/gather.
 */

int
gantry_dma_set_max_seg_size(struct gantry_dma_dev *dev, size_t size)
{
	struct dma_device *d = dma_device(dev);

	if (size == 0) {
		dma_fail("%s: segments of no byte", d->name);
		return -EINVAL;
	}
	d->max_seg = size;
	return 0;
}

size_t
gantry_dma_get_max_seg_size(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->max_seg;
}

int
gantry_dma_set_seg_boundary(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);

	if (mask == 0 || (mask & (mask + 1)) != 0) {
		dma_fail("%s: 0x%" PRIx64 " is no mask of the address bits below a boundary",
			d->name, mask);
		return -EINVAL;
	}
	d->seg_boundary = mask;
	return 0;
}

uint64_t
gantry_dma_get_seg_boundary(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->seg_boundary;
}
