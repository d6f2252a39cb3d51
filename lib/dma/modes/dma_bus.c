/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The calls that the modes make on the bus of a device.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal_memconfig.h>

#include "dma_modes.h"

bool
dma_can_claim(struct gantry_dma_dev *dev)
{
	const struct dma_device *d = dma_device(dev);
	const struct gantry_dma_ops *ops = d->params.ops;

	if (d->params.has_iommu && ops != NULL && ops->claim != NULL && ops->map != NULL &&
			ops->unmap != NULL)
		return true;
	if (d->params.has_iommu)
		dma_fail("%s: the bus maps all EAL memory for the device permanently", d->name);
	else
		dma_fail("%s: nothing translates between the device and memory (no IOMMU)",
				d->name);
	return false;
}

int
dma_claim(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	int ret;

	if (d->claimed)
		return 0;
	if (!dma_can_claim(dev))
		return -EIO;
	ret = d->params.ops->claim(d->params.opaque);
	if (ret != 0) {
		dma_fail("%s: %s did not take EAL memory away from the device: %s", d->name,
				d->params.ops->name, strerror(-ret));
		return ret;
	}
	d->claimed = true;
	return 0;
}

int
dma_bus_map(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len,
		enum gantry_dma_dir dir)
{
	const struct dma_device *d = dma_device(dev);
	int ret;

	rte_mcfg_mem_read_lock();
	ret = d->params.ops->map(d->params.opaque, va, addr, len, dir);
	rte_mcfg_mem_read_unlock();
	if (ret != 0)
		dma_fail("%s: %p, %zu bytes: %s did not map it at bus address 0x%" PRIx64 ": %s",
				d->name, va, len, d->params.ops->name, addr, strerror(-ret));
	return ret;
}

int
dma_bus_unmap(struct gantry_dma_dev *dev, void *va, gantry_dma_addr_t addr, size_t len)
{
	const struct dma_device *d = dma_device(dev);
	int ret;

	rte_mcfg_mem_read_lock();
	ret = d->params.ops->unmap(d->params.opaque, va, addr, len);
	rte_mcfg_mem_read_unlock();
	if (ret != 0) {
		dma_fail("%s: bus address 0x%" PRIx64 ", %zu bytes: %s did not unmap it: %s",
				d->name, addr, len, d->params.ops->name, strerror(-ret));
		if (ret != -ENODEV) /* a removed device reaches nothing */
			dma_log_error(dev, RTE_LOG_ERR);
	}
	return ret;
}
