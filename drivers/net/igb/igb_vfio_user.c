/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The driver on the vfio-user bus. A register access is a message, except for the doorbells. The
 * other registers in the pages of the doorbells have side effects for which a plain store cannot
 * wait (ENABLE), or which it would lose (counters that clear when read).
 */

#include <errno.h>

#include <rte_interrupts.h>
#include <rte_kvargs.h>

#include <bus_vfio_user_driver.h>
#include <vfio_user_dma_ops.h>

#include "igb_ethdev.h"
#include "igb_ids.h"

static uint32_t
igb_vfio_user_read32(void *dev, uint32_t reg)
{
	uint32_t value;

	return rte_vfio_user_read32(dev, 0, reg, &value) == 0 ? value : UINT32_MAX;
}

static void
igb_vfio_user_write32(void *dev, uint32_t reg, uint32_t value)
{
	rte_vfio_user_write32(dev, 0, reg, value);
}

static volatile uint32_t *
igb_vfio_user_doorbell(void *dev, uint32_t reg)
{
	/* One mapping for the doorbells of all sixteen queues. */
	return rte_vfio_user_bar_ptr(dev, 0, reg, (IGB_MAX_QUEUES - 1) * IGB_QUEUE_STRIDE + 4);
}

static int
igb_vfio_user_read_config(void *dev, void *buf, size_t len, uint32_t offset)
{
	return rte_vfio_user_read_config(dev, buf, len, offset);
}

static int
igb_vfio_user_write_config(void *dev, const void *buf, size_t len, uint32_t offset)
{
	return rte_vfio_user_write_config(dev, buf, len, offset);
}

static bool
igb_vfio_user_alive(void *dev)
{
	return rte_vfio_user_alive(dev);
}

static bool
igb_vfio_user_quiesced(void *dev)
{
	return rte_vfio_user_quiesced(dev);
}

static int
igb_vfio_user_bar(void *arg, unsigned int index, struct igb_bar *bar)
{
	const struct rte_vfio_user_device *dev = arg;
	unsigned int i;

	if (index >= VFIO_USER_MAX_BARS)
		return -EINVAL;
	bar->bus_addr = dev->bars[index].bus_addr;
	bar->size = dev->bars[index].size;
	bar->is_io = dev->bars[index].is_io;
	bar->nr_maps = RTE_MIN(dev->bars[index].nr_maps, RTE_DIM(bar->maps));
	for (i = 0; i < bar->nr_maps; i++) {
		bar->maps[i].offset = dev->bars[index].maps[i].offset;
		bar->maps[i].size = dev->bars[index].maps[i].size;
		bar->maps[i].addr = dev->bars[index].maps[i].addr;
	}
	return 0;
}

/* The bus has created and connected an event file descriptor for every vector. */
static int
igb_vfio_user_queue_vectors_on(void *arg, uint32_t nb)
{
	const struct rte_vfio_user_device *dev = arg;

	return nb < dev->nb_vectors ? 0 : -ENOSPC;
}

static void
igb_vfio_user_queue_vectors_off(void *arg)
{
	const struct rte_vfio_user_device *dev = arg;

	rte_intr_free_epoll_fd(dev->intr_handle);
}

/* The device has its own page table. */
static bool
igb_vfio_user_has_iommu(void *dev)
{
	return true;
}

static void
igb_vfio_user_give_memory(void *dev)
{
	rte_vfio_user_dma_give_heaps();
}

static const struct igb_bus_ops igb_vfio_user_ops = {
	.name = "vfio-user",
	.read32 = igb_vfio_user_read32,
	.write32 = igb_vfio_user_write32,
	.doorbell = igb_vfio_user_doorbell,
	.read_config = igb_vfio_user_read_config,
	.write_config = igb_vfio_user_write_config,
	.alive = igb_vfio_user_alive,
	.quiesced = igb_vfio_user_quiesced,
	.bar = igb_vfio_user_bar,
	.queue_vectors_on = igb_vfio_user_queue_vectors_on,
	.queue_vectors_off = igb_vfio_user_queue_vectors_off,
	.has_iommu = igb_vfio_user_has_iommu,
	.give_memory = igb_vfio_user_give_memory,
	.dma = &vfio_user_dma_ops,
};

static int
igb_vfio_user_probe(struct rte_vfio_user_driver *drv, struct rte_vfio_user_device *dev)
{
	const struct igb_bus_dev bus = {
		.ops = &igb_vfio_user_ops,
		.dev = dev,
		.device = dev->owner,
		.vdev = dev->owner != &dev->device,
		.intr_handle = dev->intr_handle,
		.vendor_id = dev->id.vendor_id,
		.device_id = dev->id.device_id,
		.nb_vectors = dev->nb_vectors,
		.intr_per_queue = dev->nb_vectors > 1,
	};

	return igb_ethdev_probe(&bus);
}

/*
 * A device that must be isolated (dma=bounce) is isolated from the start, because it could keep
 * the file descriptors that it once received. The probe refuses invalid devargs.
 */
static bool
igb_vfio_user_claims(const struct rte_vfio_user_device *dev)
{
	const char *args = dev->owner->devargs == NULL ? NULL : dev->owner->devargs->args;
	struct rte_kvargs *kvlist = args == NULL ? NULL : rte_kvargs_parse(args, NULL);
	const char *name = kvlist == NULL ? NULL : rte_kvargs_get(kvlist, "dma");
	enum gantry_dma_mode_id mode = GANTRY_DMA_MODE_AUTO;

	if (name != NULL)
		gantry_dma_mode_of_name(name, &mode);
	rte_kvargs_free(kvlist);
	return mode == GANTRY_DMA_MODE_BOUNCE;
}

static int
igb_vfio_user_remove(struct rte_vfio_user_device *dev)
{
	return igb_ethdev_remove(dev->owner);
}

static void
igb_vfio_user_lost(struct rte_vfio_user_device *dev)
{
	igb_ethdev_lost(dev->owner);
}

static const struct rte_pci_id igb_vfio_user_ids[] = { IGB_PCI_IDS };

static struct rte_vfio_user_driver igb_vfio_user_driver = {
	.driver = { .name = IGB_DRIVER_NAME },
	.id_table = igb_vfio_user_ids,
	.probe = igb_vfio_user_probe,
	.remove = igb_vfio_user_remove,
	.claims = igb_vfio_user_claims,
	.lost = igb_vfio_user_lost,
};

void
igb_vfio_user_register(void)
{
	rte_vfio_user_register(&igb_vfio_user_driver);
}
