/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The driver on DPDK's PCI bus: every register is a load or a store.
 */

#include <errno.h>

#include <bus_pci_driver.h>
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

/* It is not in its slot any more. */
static bool
igb_pci_quiesced(void *dev)
{
	return true;
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

/* vfio is told all event file descriptors at once: off and on again. */
static int
igb_pci_queue_vectors_on(void *arg, uint32_t nb)
{
	struct rte_pci_device *dev = arg;

	rte_intr_disable(dev->intr_handle);
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

static int
igb_pci_probe(struct rte_pci_driver *drv, struct rte_pci_device *dev)
{
	const struct igb_bus_dev bus = {
		.ops = &igb_pci_ops,
		.dev = dev,
		.device = &dev->device,
		.intr_handle = dev->intr_handle,
		.vendor_id = dev->id.vendor_id,
		.device_id = dev->id.device_id,
		.nb_vectors = RTE_MAX_RXTX_INTR_VEC_ID,
		.intr_per_queue = rte_intr_cap_multiple(dev->intr_handle) != 0,
	};

	return igb_ethdev_probe(&bus);
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
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING | RTE_PCI_DRV_INTR_LSC,
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
