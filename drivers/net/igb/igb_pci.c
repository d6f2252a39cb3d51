/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The driver on the PCI bus of DPDK. Every register access is a load or a store.
 *
 * DMA
 *
 * With vfio, a device belongs to a container, which is a set of mappings. The container of EAL
 * maps all EAL memory. A device that the DMA library claims moves to a private container, which
 * maps nothing but what the library maps. To change its container a device must be closed and
 * opened again, which resets it and maps its BARs again, so the claim comes before any other step
 * in the life of a port. This file maps and unmaps devices itself, instead of EAL
 * (RTE_PCI_DRV_NEED_MAPPING), so that it can leave both kinds of container in the right order.
 *
 * The kernel permits 65,535 mappings in a container (dma_entry_limit of vfio_iommu_type1). The
 * EAL function stops at 256, so a private container does not use it.
 *
 * The container of EAL lacks memory that EAL does not map: external memory that is not a heap,
 * memory that EAL does not know, and heaps without hugepages (EAL sends no event for those). The
 * application maps it with rte_dev_dma_map(), and the driver warns about each mempool in such
 * memory.
 *
 * Removal
 *
 * The kernel driver determines how a device is removed.
 *
 *   vfio-pci         requests the device: EAL receives an event, in every application, and the
 *                    device stays, with its BARs and its DMA, until EAL has released it, that is,
 *                    until the application has detached it.
 *   uio_pci_generic  makes no request. A kernel event reports the removal afterwards, to an
 *                    application that called rte_dev_event_monitor_start(). By then the BAR is
 *                    gone, and an access raises SIGBUS. An application that wants to survive this
 *                    calls rte_dev_hotplug_handle_enable(); EAL then replaces the BAR by memory
 *                    of all ones.
 *
 * In both cases EAL raises RTE_DEV_EVENT_REMOVE with the name of the device. The driver accesses
 * no register from then on, except the doorbells until the port stops: their memory is still
 * mapped, or mapped again. A requested device may write to memory until its bus mastering is
 * disabled, which igb_pci_quiesced() does.
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <linux/pci_regs.h>

#include <bus_driver.h>
#include <bus_pci_driver.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_io.h>
#include <rte_mempool.h>
#include <rte_vfio.h>

#include <gantry_dma_vfio.h>

#include "igb_ethdev.h"
#include "igb_ids.h"

/** A device on this bus, from probe to remove. */
struct igb_pci {
	TAILQ_ENTRY(igb_pci) next;
	struct rte_pci_device *dev;
	bool mapped;   /* its BARs are; with vfio the device is in a container */
	int container; /* the private one; -1: that of EAL */
};

/* Removal searches this list, because the EAL device has no room for a driver pointer. */
static TAILQ_HEAD(, igb_pci) igb_pci_list = TAILQ_HEAD_INITIALIZER(igb_pci_list);
static pthread_mutex_t igb_pci_lock = PTHREAD_MUTEX_INITIALIZER;

static volatile uint32_t *
igb_pci_reg(const struct igb_pci *p, uint32_t reg)
{
	return (volatile uint32_t *)((volatile char *)p->dev->mem_resource[0].addr + reg);
}

static uint32_t
igb_pci_read32(void *arg, uint32_t reg)
{
	const struct igb_pci *p = arg;

	return p->mapped ? rte_le_to_cpu_32(rte_read32(igb_pci_reg(p, reg))) : UINT32_MAX;
}

static void
igb_pci_write32(void *arg, uint32_t reg, uint32_t value)
{
	const struct igb_pci *p = arg;

	if (p->mapped)
		rte_write32(rte_cpu_to_le_32(value), igb_pci_reg(p, reg));
}

static volatile uint32_t *
igb_pci_doorbell(void *arg, uint32_t reg)
{
	const struct igb_pci *p = arg;

	if (!p->mapped || p->dev->mem_resource[0].addr == NULL ||
			p->dev->mem_resource[0].len < IGB_BAR0_SIZE)
		return NULL;
	return igb_pci_reg(p, reg);
}

static int
igb_pci_read_config(void *arg, void *buf, size_t len, uint32_t offset)
{
	const struct igb_pci *p = arg;

	return rte_pci_read_config(p->dev, buf, len, offset) == (int)len ? 0 : -EIO;
}

static int
igb_pci_write_config(void *arg, const void *buf, size_t len, uint32_t offset)
{
	const struct igb_pci *p = arg;

	return rte_pci_write_config(p->dev, buf, len, offset) == (int)len ? 0 : -EIO;
}

/* STATUS is never all ones; the registers of a pulled card are. */
static bool
igb_pci_alive(void *arg)
{
	return igb_pci_read32(arg, IGB_STATUS) != UINT32_MAX;
}

/*
 * True if the card is out of its slot, or is no longer a bus master. Reading the command register
 * back returns after all earlier writes of the device.
 */
static bool
igb_pci_quiesced(void *arg)
{
	struct rte_pci_device *dev = ((struct igb_pci *)arg)->dev;
	uint16_t command;

	if (rte_pci_read_config(dev, &command, sizeof(command), PCI_COMMAND) != sizeof(command) ||
			command == UINT16_MAX)
		return true;
	rte_pci_set_bus_master(dev, false);
	return rte_pci_read_config(dev, &command, sizeof(command), PCI_COMMAND) !=
			sizeof(command) ||
			command == UINT16_MAX || !(command & PCI_COMMAND_MASTER);
}

static int
igb_pci_bar(void *arg, unsigned int index, struct igb_bar *bar)
{
	const struct igb_pci *p = arg;
	const struct rte_pci_device *dev = p->dev;

	if (index >= PCI_MAX_RESOURCE || !p->mapped)
		return -EINVAL;
	memset(bar, 0, sizeof(*bar));
	bar->bus_addr = dev->mem_resource[index].phys_addr;
	bar->size = dev->mem_resource[index].len;
	if (dev->mem_resource[index].addr != NULL) {
		bar->nr_maps = 1;
		bar->maps[0].size = bar->size;
		bar->maps[0].addr = dev->mem_resource[index].addr;
	}
	return 0;
}

/* vfio receives all event file descriptors at once, when interrupts are enabled after this. */
static int
igb_pci_queue_vectors_on(void *arg, uint32_t nb)
{
	const struct igb_pci *p = arg;

	return rte_intr_efd_enable(p->dev->intr_handle, nb);
}

static void
igb_pci_queue_vectors_off(void *arg)
{
	const struct igb_pci *p = arg;

	rte_intr_efd_disable(p->dev->intr_handle);
}

/*
 * DMA.
 */

static bool
igb_pci_has_iommu(void *arg)
{
	const struct igb_pci *p = arg;

	return p->dev->kdrv == RTE_PCI_KDRV_VFIO && rte_vfio_noiommu_is_enabled() == 0;
}

static int
igb_pci_map(struct igb_pci *p)
{
	const int ret = rte_pci_map_device(p->dev);

	p->mapped = ret == 0;
	return ret;
}

/* A container can be destroyed when no device is in it. */
static void
igb_pci_unmap(struct igb_pci *p)
{
	if (p->mapped)
		rte_pci_unmap_device(p->dev);
	p->mapped = false;
	if (p->container >= 0)
		rte_vfio_container_destroy(p->container);
	p->container = -1;
}

/* Create a private container for a device that is not mapped yet. */
static int
igb_pci_own_container(struct igb_pci *p)
{
	int group;

	if (rte_vfio_get_group_num(rte_pci_get_sysfs_path(), p->dev->name, &group) <= 0)
		return -ENODEV;
	p->container = rte_vfio_container_create();
	if (p->container < 0)
		return -ENOSPC; /* EAL supports 64 containers */
	/* The group is already open if another device of it is in use. */
	return rte_vfio_container_group_bind(p->container, group) < 0 ? -EBUSY : 0;
}

static int
igb_pci_dma_claim(void *arg)
{
	struct igb_pci *p = arg;
	int ret;

	if (!igb_pci_has_iommu(p))
		return -ENOTSUP;
	if (p->container >= 0)
		return 0;
	igb_pci_unmap(p);
	ret = igb_pci_own_container(p);
	if (ret == 0 && igb_pci_map(p) != 0)
		ret = -EIO;
	if (ret != 0) {
		igb_pci_unmap(p);
		igb_pci_map(p); /* as before; if this fails, its registers are inaccessible */
	}
	return ret;
}

/* EAL functions set rte_errno, but not for every failure. */
static int
igb_pci_eal_error(void)
{
	return rte_errno != 0 ? -rte_errno : -EIO;
}

static int
igb_pci_dma_map(void *arg, void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir)
{
	const struct igb_pci *p = arg;

	if (p->container < 0) {
		rte_errno = 0;
		return rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, (uintptr_t)va,
				       iova, len) == 0 ?
				0 :
				igb_pci_eal_error();
	}
	return gantry_dma_vfio_map(p->container, va, iova, len, dir);
}

static int
igb_pci_dma_unmap(void *arg, void *va, gantry_dma_addr_t iova, size_t len)
{
	const struct igb_pci *p = arg;

	if (p->container < 0) {
		rte_errno = 0;
		return rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, (uintptr_t)va,
				       iova, len) == 0 ?
				0 :
				igb_pci_eal_error();
	}
	return gantry_dma_vfio_unmap(p->container, iova, len);
}

static const struct gantry_dma_ops igb_pci_dma_ops = {
	.name = "PCI",
	.any_memory = true,
	.map = igb_pci_dma_map,
	.unmap = igb_pci_dma_unmap,
	.claim = igb_pci_dma_claim,
};

static const struct igb_bus_ops igb_pci_ops = {
	.name = "PCI",
	.read32 = igb_pci_read32,
	.write32 = igb_pci_write32,
	.doorbell = igb_pci_doorbell,
	.read_config = igb_pci_read_config,
	.write_config = igb_pci_write_config,
	.alive = igb_pci_alive,
	.quiesced = igb_pci_quiesced,
	.bar = igb_pci_bar,
	.queue_vectors_on = igb_pci_queue_vectors_on,
	.queue_vectors_off = igb_pci_queue_vectors_off,
	.has_iommu = igb_pci_has_iommu,
	.dma = &igb_pci_dma_ops,
};

/* Number of vectors of the device (PCI 3.0, 6.8.2.3): the EAL handle has room for more. */
static uint32_t
igb_pci_vectors(struct igb_pci *p)
{
	const uint8_t at = igb_cap_find(&igb_pci_ops, p, PCI_CAP_ID_MSIX, 0);
	uint16_t flags;

	if (at == 0 || igb_pci_read_config(p, &flags, sizeof(flags), at + PCI_MSIX_FLAGS) != 0)
		return 1;
	return RTE_MIN((flags & PCI_MSIX_FLAGS_QSIZE) + 1u, (uint32_t)RTE_MAX_RXTX_INTR_VEC_ID);
}

static int
igb_pci_is_at(const struct rte_device *dev, const void *addr)
{
	return rte_pci_addr_cmp(&container_of(dev, const struct rte_pci_device, device)->addr,
			addr);
}

/*
 * Called for any device, in the EAL interrupt thread, possibly more than once. The name is that of
 * EAL or that of the kernel.
 */
static void
igb_pci_event(const char *name, enum rte_dev_event_type type, void *arg)
{
	struct rte_bus *bus = rte_bus_find_by_name("pci");
	struct rte_pci_addr addr;
	struct rte_device *dev;

	if (type != RTE_DEV_EVENT_REMOVE || bus == NULL || rte_pci_addr_parse(name, &addr) != 0)
		return;
	dev = GANTRY_BUS_FIND_DEVICE(bus, NULL, igb_pci_is_at, &addr);
	if (dev != NULL)
		igb_ethdev_lost(dev);
}

/* True if EAL has mapped the memory, or will map it, for devices in its own container. */
static bool
igb_pci_in_eal_container(const struct rte_mempool_memhdr *mem)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(mem->addr);

	return msl != NULL && (!msl->external || (msl->heap && rte_eal_has_hugepages()));
}

static void
igb_pci_check_pool(struct igb_pci *p, const struct rte_mempool *mp)
{
	const struct rte_mempool_memhdr *mem;

	if (p->container >= 0 || !igb_pci_has_iommu(p) || (mp->flags & RTE_MEMPOOL_F_NON_IO))
		return;
	STAILQ_FOREACH(mem, &mp->mem_list, next) {
		if (igb_pci_in_eal_container(mem))
			continue;
		IGB_INIT_LOG(WARNING, p->dev,
				"mempool %s: EAL has not mapped its memory at %p for devices: the "
				"IOMMU blocks DMA there unless the application maps it: call "
				"rte_dev_dma_map(), or start with dma=bounce",
				mp->name, mem->addr);
		return;
	}
}

/* Called when any mempool is complete, or about to be freed. */
static void
igb_pci_pool_event(enum rte_mempool_event event, struct rte_mempool *mp, void *arg __rte_unused)
{
	struct igb_pci *p;

	if (event != RTE_MEMPOOL_EVENT_READY)
		return;
	pthread_mutex_lock(&igb_pci_lock);
	TAILQ_FOREACH(p, &igb_pci_list, next)
		igb_pci_check_pool(p, mp);
	pthread_mutex_unlock(&igb_pci_lock);
}

static void
igb_pci_check_complete_pool(struct rte_mempool *mp, void *arg)
{
	if (mp->populated_size == mp->size)
		igb_pci_check_pool(arg, mp);
}

/*
 * One permanent registration serves all devices: a registration per device could not be removed
 * while the application closes the port during the event.
 */
static int igb_pci_listening;

static void
igb_pci_listen(void)
{
	igb_pci_listening = rte_dev_event_callback_register(NULL, igb_pci_event, NULL);
	rte_mempool_event_callback_register(igb_pci_pool_event, NULL);
}

static int
igb_pci_open(struct igb_pci *p)
{
	struct rte_pci_device *dev = p->dev;
	struct igb_bus_dev bus = {
		.ops = &igb_pci_ops,
		.dev = p,
		.device = &dev->device,
		.intr_handle = dev->intr_handle,
		.vendor_id = dev->id.vendor_id,
		.device_id = dev->id.device_id,
	};
	int ret;

	ret = igb_pci_map(p);
	if (ret != 0)
		return ret;
	bus.nb_vectors = igb_pci_vectors(p);
	bus.intr_per_queue = rte_intr_cap_multiple(dev->intr_handle) != 0;
	ret = igb_ethdev_probe(&bus);
	if (ret != 0)
		igb_pci_unmap(p);
	return ret;
}

static int
igb_pci_probe(struct rte_pci_driver *drv, struct rte_pci_device *dev)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct igb_pci *p;
	int ret;

	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		pthread_once(&once, igb_pci_listen);
	else if (!igb_ethdev_can_be_shared(&dev->device))
		return -ENOTSUP;
	if (igb_pci_listening != 0)
		return igb_pci_listening;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->dev = dev;
	p->container = -1;
	ret = igb_pci_open(p);
	if (ret != 0) {
		free(p);
		return ret;
	}
	pthread_mutex_lock(&igb_pci_lock);
	TAILQ_INSERT_TAIL(&igb_pci_list, p, next);
	pthread_mutex_unlock(&igb_pci_lock);
	rte_mempool_walk(igb_pci_check_complete_pool, p);
	return 0;
}

static int
igb_pci_remove(struct rte_pci_device *dev)
{
	const int ret = igb_ethdev_remove(&dev->device);
	struct igb_pci *p;

	if (ret != 0)
		return ret;
	pthread_mutex_lock(&igb_pci_lock);
	TAILQ_FOREACH(p, &igb_pci_list, next) {
		if (p->dev == dev)
			break;
	}
	if (p != NULL)
		TAILQ_REMOVE(&igb_pci_list, p, next);
	pthread_mutex_unlock(&igb_pci_lock);
	if (p != NULL)
		igb_pci_unmap(p);
	free(p);
	return 0;
}

static const struct rte_pci_id igb_pci_ids[] = { IGB_PCI_IDS };

static struct rte_pci_driver igb_pci_driver = {
	.driver = { .name = IGB_DRIVER_NAME },
	.id_table = igb_pci_ids,
	.drv_flags = RTE_PCI_DRV_INTR_LSC | RTE_PCI_DRV_INTR_RMV,
	.probe = igb_pci_probe,
	.remove = igb_pci_remove,
};

void
igb_pci_register(void)
{
	rte_pci_register(&igb_pci_driver);
}

RTE_PMD_REGISTER_PCI_TABLE(net_gantry_igb, igb_pci_ids);
RTE_PMD_REGISTER_KMOD_DEP(net_gantry_igb, "* vfio-pci | uio_pci_generic");
