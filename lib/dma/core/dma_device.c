/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The device object: its mode, its masks and limits, and the list of all devices.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_string_fns.h>

#include "dma_core.h"

/*
 * Modes.
 */

/* Select the mappings that the inline functions may make without a hook. */
static void
set_fast(struct dma_device *d)
{
	const struct gantry_dma_mode *base = d->base;
	struct gantry_dma_dev *fast = &d->fast;
	const struct gantry_dma_table *table = NULL;

	if (d->layer == &dma_no_layer && base->by_eal)
		table = &d->eal;
	else if (d->layer == &dma_no_layer && base->own_above != 0)
		table = &d->own;
	/*
	 * An empty table sends every look-up out of line, whatever else the reader finds in the
	 * meantime.
	 */
	__atomic_store_n(&fast->table.span, 0, __ATOMIC_SEQ_CST);
	fast->layered = d->layer != &dma_no_layer;
	if (fast->layered)
		fast->mode = &d->layer->mode;
	else
		fast->mode = table == NULL ? base : NULL;
	fast->table_last = RTE_MIN(d->mask, GANTRY_DMA_ADDR_MAX);
	fast->mbuf_last = table == &d->eal ? fast->table_last : 0;
	fast->undo_last = table == NULL ? UINT64_MAX : table == &d->eal ? 0 : base->own_above;
	if (table != NULL) {
		fast->table.base = table->base;
		fast->table.offset = table->offset;
		fast->table.page_mask = table->page_mask;
		fast->table.shift = table->shift;
		__atomic_store_n(&fast->table.span, table->span, __ATOMIC_RELEASE);
	}
}

void
dma_set_mode(struct gantry_dma_dev *dev, const struct gantry_dma_mode *mode)
{
	dma_device(dev)->base = mode;
	set_fast(dma_device(dev));
}

void
dma_set_layer(struct gantry_dma_dev *dev, const struct dma_layer *layer)
{
	dma_device(dev)->layer = layer;
	set_fast(dma_device(dev));
}

/*
 * The devices of this process.
 */

static pthread_mutex_t devices_lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(, dma_device) devices = TAILQ_HEAD_INITIALIZER(devices);

void
dma_devices_lock(void)
{
	pthread_mutex_lock(&devices_lock);
}

void
dma_devices_unlock(void)
{
	pthread_mutex_unlock(&devices_lock);
}

void
dma_devices_add(struct gantry_dma_dev *dev)
{
	dma_devices_lock();
	TAILQ_INSERT_TAIL(&devices, dma_device(dev), next);
	dma_devices_unlock();
}

static void
devices_remove(struct dma_device *d)
{
	dma_devices_lock();
	TAILQ_REMOVE(&devices, d, next);
	dma_devices_unlock();
}

void
dma_devices_for_each(void (*fn)(struct dma_device *d, void *arg), void *arg)
{
	struct dma_device *d;

	dma_devices_lock();
	TAILQ_FOREACH(d, &devices, next)
		fn(d, arg);
	dma_devices_unlock();
}

/*
 * Objects of other floors that end with the device.
 */

void
dma_attach(struct gantry_dma_dev *dev, struct dma_attached *a)
{
	struct dma_device *d = dma_device(dev);

	rte_spinlock_lock(&d->lock);
	TAILQ_INSERT_TAIL(&d->attached, a, next);
	rte_spinlock_unlock(&d->lock);
}

void
dma_detach(struct gantry_dma_dev *dev, struct dma_attached *a)
{
	struct dma_device *d = dma_device(dev);

	rte_spinlock_lock(&d->lock);
	TAILQ_REMOVE(&d->attached, a, next);
	rte_spinlock_unlock(&d->lock);
}

/*
 * Devices.
 */

struct dma_device *
dma_device_create(const struct gantry_dma_params *params, size_t mode_state)
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
	d = rte_zmalloc("gantry_dma_dev", sizeof(*d) + mode_state, RTE_CACHE_LINE_SIZE);
	if (d == NULL) {
		dma_fail("%s: no memory left in the EAL heap for a device", params->name);
		rte_errno = ENOMEM;
		return NULL;
	}
	strlcpy(d->name, params->name, sizeof(d->name));
	d->params = *params;
	d->params.name = d->name;
	rte_spinlock_init(&d->lock);
	TAILQ_INIT(&d->blocks);
	TAILQ_INIT(&d->attached);
	TAILQ_INIT(&d->resources);
	d->layer = &dma_no_layer;
	/* The defaults are the kernel's. */
	d->mask = d->coherent_mask = GANTRY_DMA_BIT_MASK(32);
	d->max_seg = DMA_MAX_SEG;
	d->seg_boundary = DMA_SEG_BOUNDARY;
	ret = dma_table_get(&d->eal);
	if (ret != 0) {
		rte_free(d);
		rte_errno = -ret;
		return NULL;
	}
	return d;
}

void
gantry_dma_dev_destroy(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	struct dma_attached *a;
	struct dma_block *b;

	if (dev == NULL)
		return;
	devices_remove(d);
	d->layer->end(dev, __builtin_return_address(0));
	while ((a = TAILQ_FIRST(&d->attached)) != NULL)
		a->drop(a);
	while ((b = TAILQ_FIRST(&d->blocks)) != NULL) {
		DMA_LOG(WARNING, d->name,
				"coherent block %p (bus 0x%" PRIx64 ", %zu bytes) was never freed",
				b->pub.cpu, b->pub.bus, b->pub.size);
		gantry_dma_free_coherent(dev, b->pub.size, b->pub.cpu, b->pub.bus);
	}
	if (d->base->end != NULL)
		d->base->end(dev);
	dma_table_put();
	rte_free(d);
}

void
gantry_dma_dev_abandon(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);

	if (dev == NULL)
		return;
	devices_remove(d);
	d->layer->abandon(dev);
	if (d->base->abandon != NULL)
		d->base->abandon(dev);
}

/*
 * Masks.
 */

static int
highest(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	uint64_t *last = arg;

	if (!msl->external && ms->iova != RTE_BAD_IOVA && ms->iova + (ms->len - 1) > *last)
		*last = ms->iova + (ms->len - 1);
	return 0;
}

uint64_t
dma_highest_address(void)
{
	uint64_t last = 0;

	rte_memseg_walk(highest, &last);
	return last;
}

uint64_t
gantry_dma_get_required_mask(struct gantry_dma_dev *dev)
{
	if (dma_device(dev)->base->required_mask != NULL)
		return dma_device(dev)->base->required_mask(dev);
	return GANTRY_DMA_BIT_MASK(dma_bits(dma_highest_address()));
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
	if (dma_device(dev)->base->max_mapping_size != NULL)
		return dma_device(dev)->base->max_mapping_size(dev);
	return SIZE_MAX;
}

static bool
is_mask(const struct dma_device *d, uint64_t mask)
{
	if (mask >= GANTRY_DMA_BIT_MASK(24) && (mask & (mask + 1)) == 0)
		return true;
	dma_fail("%s: 0x%" PRIx64 " is no mask of 24 to 64 address bits", d->name, mask);
	return false;
}

/* Log -EIO, once only: a driver may try several masks. */
static int
mask_refused(struct dma_device *d, int ret)
{
	if (ret == -EIO && !d->mask_logged) {
		dma_log_error(&d->fast, RTE_LOG_ERR);
		d->mask_logged = true;
	}
	return ret;
}

int
gantry_dma_set_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	int ret;

	if (!is_mask(d, mask))
		return -EINVAL;
	dma_devices_lock();
	ret = d->base->set_mask != NULL ? d->base->set_mask(dev, mask) : 0;
	if (ret == 0) {
		d->mask = mask;
		set_fast(d);
	}
	dma_devices_unlock();
	return mask_refused(d, ret);
}

int
gantry_dma_set_coherent_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	int ret = 0;

	if (!is_mask(d, mask))
		return -EINVAL;
	dma_devices_lock();
	/* A mode finds a place for each block, or reports that there is none. */
	if (d->base->set_coherent_mask != NULL)
		ret = d->base->set_coherent_mask(dev, mask);
	if (ret == 0)
		d->coherent_mask = mask;
	dma_devices_unlock();
	return mask_refused(d, ret);
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
 * The limits of one segment, for scatter/gather.
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

void
gantry_dma_for_each_mapping(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg)
{
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	if (base->for_each != NULL)
		base->for_each(dev, fn, arg);
}
