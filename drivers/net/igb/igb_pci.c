/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The driver on DPDK's PCI bus: every register is a load or a store.
 *
 * How a device is removed depends on the kernel's driver.
 *
 *   vfio-pci       asks: EAL is sent an event, in any application, and the device
 *                  stays, with its BARs and its DMA, until EAL has let go of it,
 *                  that is, until the application has detached it.
 *   uio_pci_generic  does not ask. The kernel's event tells afterwards, to an
 *                  application that called rte_dev_event_monitor_start(). The BAR
 *                  is gone then, and touching it SIGBUS; who wants to live through
 *                  that calls rte_dev_hotplug_handle_enable(), and EAL puts memory
 *                  of all ones in its place.
 *
 * Either way EAL raises RTE_DEV_EVENT_REMOVE under the device's name. From then
 * on no register is touched. The doorbells are, until the port is stopped: they
 * lie in what is still, or again, mapped. A device that was asked for may write
 * to memory until it is forbidden to be bus master, which igb_pci_quiesced() does.
 */

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <bus_driver.h>
#include <bus_pci_driver.h>
#include <rte_dev.h>
#include <rte_interrupts.h>
#include <rte_io.h>
#include <rte_vfio.h>

#include "igb_ethdev.h"
#include "igb_ids.h"

static volatile uint32_t *
igb_pci_reg(const struct rte_pci_device *dev, uint32_t reg)
{
	return (volatile uint32_t *)((volatile char *)dev->mem_resource[0].addr + reg);
}

static uint32_t
igb_pci_read32(void *dev, uint32_t reg)
{
	return rte_le_to_cpu_32(rte_read32(igb_pci_reg(dev, reg)));
}

static void
igb_pci_write32(void *dev, uint32_t reg, uint32_t value)
{
	rte_write32(rte_cpu_to_le_32(value), igb_pci_reg(dev, reg));
}

static volatile uint32_t *
igb_pci_doorbell(void *arg, uint32_t reg)
{
	const struct rte_pci_device *dev = arg;

	if (dev->mem_resource[0].addr == NULL || dev->mem_resource[0].len < IGB_BAR0_SIZE)
		return NULL;
	return igb_pci_reg(dev, reg);
}

static int
igb_pci_read_config(void *dev, void *buf, size_t len, uint32_t offset)
{
	return rte_pci_read_config(dev, buf, len, offset) == (int)len ? 0 : -EIO;
}

/* A register that is never all ones: a pulled card's are. */
static bool
igb_pci_alive(void *dev)
{
	return rte_read32(igb_pci_reg(dev, IGB_STATUS)) != UINT32_MAX;
}

/* Out of its slot, or else no bus master any more: reading that back orders it after its writes. */
static bool
igb_pci_quiesced(void *dev)
{
	uint16_t command;

	if (rte_pci_read_config(dev, &command, sizeof(command), PCI_COMMAND) != sizeof(command) ||
			command == UINT16_MAX)
		return true;
	rte_pci_set_bus_master(dev, false);
	return rte_pci_read_config(dev, &command, sizeof(command), PCI_COMMAND) !=
		sizeof(command) || command == UINT16_MAX || !(command & PCI_COMMAND_MASTER);
}

static int
igb_pci_bar(void *arg, unsigned int index, struct igb_bar *bar)
{
	const struct rte_pci_device *dev = arg;

	if (index >= PCI_MAX_RESOURCE)
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

/* vfio is told all event file descriptors at once, when the interrupts are enabled after this. */
static int
igb_pci_queue_vectors_on(void *arg, uint32_t nb)
{
	struct rte_pci_device *dev = arg;

	return rte_intr_efd_enable(dev->intr_handle, nb);
}

static void
igb_pci_queue_vectors_off(void *arg)
{
	struct rte_pci_device *dev = arg;

	rte_intr_efd_disable(dev->intr_handle);
}

static bool
igb_pci_has_iommu(void *arg)
{
	const struct rte_pci_device *dev = arg;

	return dev->kdrv == RTE_PCI_KDRV_VFIO && rte_vfio_noiommu_is_enabled() == 0;
}

static int
igb_pci_dma_map(void *dev, void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir)
{
	return rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, (uintptr_t)va, iova,
		len) == 0 ? 0 : -rte_errno;
}

static int
igb_pci_dma_unmap(void *dev, void *va, gantry_dma_addr_t iova, size_t len)
{
	return rte_vfio_container_dma_unmap(RTE_VFIO_DEFAULT_CONTAINER_FD, (uintptr_t)va, iova,
		len) == 0 ? 0 : -rte_errno;
}

static const struct igb_bus_ops igb_pci_ops = {
	.name = "PCI",
	.read32 = igb_pci_read32,
	.write32 = igb_pci_write32,
	.doorbell = igb_pci_doorbell,
	.read_config = igb_pci_read_config,
	.alive = igb_pci_alive,
	.quiesced = igb_pci_quiesced,
	.bar = igb_pci_bar,
	.queue_vectors_on = igb_pci_queue_vectors_on,
	.queue_vectors_off = igb_pci_queue_vectors_off,
	.has_iommu = igb_pci_has_iommu,
	.dma = { .name = "PCI", .map = igb_pci_dma_map, .unmap = igb_pci_dma_unmap },
};

/* How many vectors the device has (PCI 3.0, 6.8.2.3): EAL's handle has room for more. */
static uint32_t
igb_pci_vectors(struct rte_pci_device *dev)
{
	const uint8_t at = igb_cap_find(&igb_pci_ops, dev, PCI_CAP_ID_MSIX, 0);
	uint16_t flags;

	if (at == 0 || igb_pci_read_config(dev, &flags, sizeof(flags), at + PCI_MSIX_FLAGS) != 0)
		return 1;
	return RTE_MIN((flags & PCI_MSIX_FLAGS_QSIZE) + 1u, (uint32_t)RTE_MAX_RXTX_INTR_VEC_ID);
}

static int
igb_pci_is_at(const struct rte_device *dev, const void *addr)
{
	return rte_pci_addr_cmp(&RTE_DEV_TO_PCI_CONST(dev)->addr, addr);
}

/* Of any device, in EAL's interrupt thread; more than once. The name is EAL's or the kernel's. */
static void
igb_pci_event(const char *name, enum rte_dev_event_type type, void *arg)
{
	struct rte_bus *bus = rte_bus_find_by_name("pci");
	struct rte_pci_addr addr;
	struct rte_device *dev;

	if (type != RTE_DEV_EVENT_REMOVE || bus == NULL || rte_pci_addr_parse(name, &addr) != 0)
		return;
	dev = bus->find_device(NULL, igb_pci_is_at, &addr);
	if (dev != NULL)
		igb_ethdev_lost(dev);
}

/*
 * One registration for all devices, for good: one of a device's own could not be
 * taken back while the application closes the port in the midst of the event.
 */
static int igb_pci_listening;

static void
igb_pci_listen(void)
{
	igb_pci_listening = rte_dev_event_callback_register(NULL, igb_pci_event, NULL);
}

static int
igb_pci_probe(struct rte_pci_driver *drv, struct rte_pci_device *dev)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const struct igb_bus_dev bus = {
		.ops = &igb_pci_ops,
		.dev = dev,
		.device = &dev->device,
		.intr_handle = dev->intr_handle,
		.vendor_id = dev->id.vendor_id,
		.device_id = dev->id.device_id,
		.nb_vectors = igb_pci_vectors(dev),
		.intr_per_queue = rte_intr_cap_multiple(dev->intr_handle) != 0,
	};

	if (rte_eal_process_type() == RTE_PROC_PRIMARY)
		pthread_once(&once, igb_pci_listen);
	return igb_pci_listening != 0 ? igb_pci_listening : igb_ethdev_probe(&bus);
}

static int
igb_pci_remove(struct rte_pci_device *dev)
{
	return igb_ethdev_remove(&dev->device);
}

static const struct rte_pci_id igb_pci_ids[] = {
	IGB_PCI_IDS
};

static struct rte_pci_driver igb_pci_driver = {
	.driver = { .name = IGB_DRIVER_NAME },
	.id_table = igb_pci_ids,
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING | RTE_PCI_DRV_INTR_LSC | RTE_PCI_DRV_INTR_RMV,
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
