/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Probe and remove: a bus has found a device, and takes it away. Creates the port, or attaches to
 * it in a secondary process.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_malloc.h>

#include "igb_rxtx.h"

/*
 * In a secondary process: returns the port that the primary process has for the device, if this
 * process can poll it. Else logs the reason and returns NULL. In modes other than direct, and
 * with the debug layer, the DMA library keeps its records of mappings in the memory of the
 * primary process.
 */
static struct rte_eth_dev *
igb_attach_secondary(const struct rte_device *device)
{
	struct rte_eth_dev *dev = rte_eth_dev_attach_secondary(device->name);
	struct igb_hw hw;

	snprintf(hw.name, sizeof(hw.name), "%s", device->name);
	if (dev == NULL) {
		IGB_INIT_LOG(ERR, &hw, "the primary process has no such port");
		return NULL;
	}
	if (igb_adapter_of(dev)->dma_shared)
		return dev;
	IGB_INIT_LOG(ERR, &hw,
			"its DMA mode is not direct, or dma_debug is on: not available in a "
			"secondary process");
	rte_eth_dev_release_port(dev);
	return NULL;
}

bool
igb_ethdev_can_be_shared(const struct rte_device *device)
{
	struct rte_eth_dev *dev = igb_attach_secondary(device);

	if (dev != NULL)
		rte_eth_dev_release_port(dev);
	return dev != NULL;
}

static int
igb_probe_secondary(const struct igb_bus_dev *bus)
{
	struct rte_eth_dev *dev = igb_attach_secondary(bus->device);
	struct igb_hw hw;

	if (dev == NULL)
		return -ENODEV;
	snprintf(hw.name, sizeof(hw.name), "%s", bus->device->name);
	if (bus->ops->doorbell(bus->dev, IGB_RDT(0)) != igb_adapter_of(dev)->doorbells[0] ||
			bus->ops->doorbell(bus->dev, IGB_TDT(0)) !=
					igb_adapter_of(dev)->doorbells[1]) {
		IGB_INIT_LOG(ERR, &hw,
				"the doorbells are not mapped where the primary process "
				"has them: not available in a secondary process");
		rte_eth_dev_release_port(dev);
		return -ENOTSUP;
	}
	dev->device = bus->device;
	igb_ethdev_set_ops(dev);
	igb_rx_init();
	igb_rxtx_select(dev);
	rte_eth_dev_probing_finish(dev);
	return 0;
}

/*
 * Create the DMA device, before any register is accessed: a bus may have to open the device
 * again to claim it, which resets the device and moves its BARs.
 */
static int
igb_dma_open(struct igb_adapter *ad, const struct igb_bus_dev *bus)
{
	const struct gantry_dma_params params = {
		.name = ad->hw.name,
		.ops = bus->ops->dma,
		.opaque = bus->dev,
		.socket_id = bus->device->numa_node,
		.has_iommu = bus->ops->has_iommu(bus->dev),
		.mode = ad->devargs.dma,
		.debug = ad->devargs.dma_debug,
	};
	const char *mode;
	int ret = 0;

	ad->dma = gantry_dma_dev_create(&params);
	if (ad->dma == NULL)
		ret = -rte_errno;
	/* Descriptors hold 64-bit addresses; the device reports how many bits it drives. */
	if (ret == 0)
		ret = gantry_dma_set_mask_and_coherent(ad->dma,
				GANTRY_DMA_BIT_MASK(ad->hw.addr_bits));
	if (ret != 0) {
		if (ret != -EIO) /* -EIO: the library has logged the reason */
			IGB_INIT_LOG(ERR, &ad->hw, "no DMA: %s", gantry_dma_last_error());
		return ret;
	}
	mode = gantry_dma_mode_name(ad->dma);
	ad->dma_shared = strcmp(mode, "direct") == 0 && params.debug == GANTRY_DMA_DEBUG_OFF;
	if (!ad->dma_shared)
		IGB_INIT_LOG(NOTICE, &ad->hw, "DMA mode %s%s", mode,
				params.debug == GANTRY_DMA_DEBUG_OFF ? "" :
								       ", watched (dma_debug)");
	return 0;
}

/* Serve a request of a secondary process, in the EAL IPC thread. */
static int
igb_serve(struct rte_eth_dev *dev, enum igb_mp_op op)
{
	switch (op) {
	case IGB_MP_STATS:
		return igb_stats_collect(dev, true);
	case IGB_MP_XSTATS:
		return igb_stats_collect(dev, false);
	case IGB_MP_STATS_RESET:
		return igb_stats_reset(dev);
	case IGB_MP_LINK:
		igb_link_update(dev, 0);
		return 0;
	default:
		return -ENOTSUP;
	}
}

static int
igb_probe_primary(struct rte_eth_dev *dev, const struct igb_bus_dev *bus)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = &ad->hw;
	int ret;

	ad->port_id = dev->data->port_id;
	ad->nb_vectors = bus->nb_vectors;
	ad->intr_per_queue = bus->intr_per_queue;
	ad->nb_queues = hw->ctl->nb_queues;
	rte_spinlock_init(&ad->stats_lock);
	rte_spinlock_init(&ad->intr_lock);

	igb_hw_identify(hw);
	ret = igb_dma_open(ad, bus);
	if (ret != 0)
		return ret;
	ad->doorbells[0] = bus->ops->doorbell(bus->dev, IGB_RDT(0));
	ad->doorbells[1] = bus->ops->doorbell(bus->dev, IGB_TDT(0));
	if (ad->doorbells[0] == NULL || ad->doorbells[1] == NULL) {
		IGB_INIT_LOG(ERR, hw,
				"cannot map the queue registers (pages 0xC000 and 0xE000 of "
				"BAR 0): the driver does not support such a device");
		return -ENOTSUP;
	}
	igb_ethdev_note_bars(hw, true);
	ret = igb_hw_init(hw);
	if (ret != 0)
		return ret;

	dev->data->mac_addrs = rte_zmalloc("igb_mac_addrs",
			hw->ctl->nb_rar * sizeof(struct rte_ether_addr), 0);
	if (dev->data->mac_addrs == NULL)
		return -ENOMEM;
	rte_ether_addr_copy(&hw->perm_addr, &dev->data->mac_addrs[0]);

	ret = igb_intr_setup(dev);
	if (ret != 0)
		return ret;
	igb_rx_init();
	igb_rxtx_select(dev);
	igb_ethdev_set_ops(dev);
	/* A port that is not started has no link, as after a stop. */
	return igb_link_off(hw);
}

int
igb_ethdev_probe(const struct igb_bus_dev *bus)
{
	const struct igb_controller *ctl = igb_controller_find(bus->vendor_id, bus->device_id);
	const char *args = bus->device->devargs == NULL ? NULL : bus->device->devargs->args;
	struct igb_devargs devargs;
	struct igb_adapter *ad;
	struct rte_eth_dev *dev;
	struct igb_hw id;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return igb_probe_secondary(bus);

	snprintf(id.name, sizeof(id.name), "%s", bus->device->name);
	ret = igb_devargs_parse(id.name, args, bus->vdev, &devargs);
	if (ret != 0)
		return ret;
	if (ctl == NULL)
		return 1;
	if (!ctl->tested && !devargs.untested) {
		IGB_INIT_LOG(WARNING, &id,
				"%s (%04x:%04x): untested with this driver, not "
				"started: set the devarg untested=1 to try it",
				ctl->name, bus->vendor_id, bus->device_id);
		return 1; /* lets another driver try */
	}

	dev = rte_eth_dev_allocate(bus->device->name);
	if (dev == NULL)
		return -ENOMEM;
	ad = igb_zmalloc("igb_adapter", sizeof(*ad), bus->device->numa_node);
	if (ad == NULL) {
		rte_eth_dev_release_port(dev);
		return -ENOMEM;
	}
	dev->data->dev_private = ad;
	dev->device = bus->device;
	dev->intr_handle = bus->intr_handle;
	dev->data->numa_node = bus->device->numa_node;
	dev->data->dev_flags |= RTE_ETH_DEV_INTR_LSC | RTE_ETH_DEV_INTR_RMV |
			RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
	ad->devargs = devargs;
	snprintf(ad->hw.name, sizeof(ad->hw.name), "%s", bus->device->name);
	ad->hw.bus = bus->ops;
	ad->hw.bus_dev = bus->dev;
	ad->controller = *ctl;
	ad->hw.ctl = &ad->controller;

	ret = igb_probe_primary(dev, bus);
	if (ret != 0) {
		igb_ethdev_close(dev);
		rte_eth_dev_release_port(dev);
		return ret;
	}
	igb_mp_open(dev, igb_serve);
	IGB_INIT_LOG(INFO, &ad->hw, "port %u: %s " RTE_ETHER_ADDR_PRT_FMT, ad->port_id, ctl->name,
			RTE_ETHER_ADDR_BYTES(&ad->hw.perm_addr));
	igb_event_enable(dev, true);
	rte_eth_dev_probing_finish(dev);
	return 0;
}

/*
 * The port may exist in this process alone. When the primary process closed it, it cleared the
 * shared part, including the name and the port number, by which rte_eth_dev_release_port() finds
 * the local state to release.
 */
static int
igb_secondary_remove(const struct rte_device *device)
{
	struct rte_eth_dev *dev;
	uint16_t i;

	for (i = 0; i < RTE_MAX_ETHPORTS; i++) {
		dev = &rte_eth_devices[i];
		if (dev->state == RTE_ETH_DEV_UNUSED || dev->device != device)
			continue;
		if (dev->data->name[0] == '\0')
			dev->data->port_id = i;
		return rte_eth_dev_release_port(dev);
	}
	return 0;
}

int
igb_ethdev_remove(struct rte_device *device)
{
	struct rte_eth_dev *dev;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return igb_secondary_remove(device);
	dev = rte_eth_dev_allocated(device->name);
	if (dev == NULL) /* the application closed it before */
		return 0;
	igb_ethdev_close(dev);
	return rte_eth_dev_release_port(dev);
}
