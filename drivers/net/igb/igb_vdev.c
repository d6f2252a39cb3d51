/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The device at a socket as a vdev: --vdev net_gantry_igb0,path=SOCKET[,devargs]
 *
 * The device iterators of DPDK, and with them Open vSwitch, net_bonding and net_failsafe, find
 * ports only on the buses that they know; vdev is one of those. The vdev owns a device of the
 * vfio-user bus. The port belongs to the vdev, and has its name; everything else is in
 * igb_vfio_user.c.
 *
 * A secondary process learns the vdevs of the primary process by name only, without devargs. The
 * vfio-user bus finds the device by the name of the vdev.
 */

#include <bus_vdev_driver.h>
#include <bus_vfio_user_driver.h>
#include <rte_dev.h>

#include "igb_ethdev.h"

static int
igb_vdev_probe(struct rte_vdev_device *vdev)
{
	struct igb_devargs devargs;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return rte_vfio_user_open(NULL, &vdev->device);
	ret = igb_devargs_parse(rte_vdev_device_name(vdev), rte_vdev_device_args(vdev), true,
			&devargs);
	return ret != 0 ? ret : rte_vfio_user_open(devargs.path, &vdev->device);
}

static int
igb_vdev_remove(struct rte_vdev_device *vdev)
{
	return rte_vfio_user_close(&vdev->device);
}

static int
igb_vdev_dma_map(struct rte_vdev_device *vdev, void *addr, rte_iova_t iova, size_t len)
{
	return rte_dev_dma_map(&rte_vfio_user_device_of(&vdev->device)->device, addr, iova, len);
}

static int
igb_vdev_dma_unmap(struct rte_vdev_device *vdev, void *addr, rte_iova_t iova, size_t len)
{
	return rte_dev_dma_unmap(&rte_vfio_user_device_of(&vdev->device)->device, addr, iova, len);
}

static struct rte_vdev_driver igb_vdev_driver = {
	.driver = { .name = IGB_DRIVER_NAME },
	.probe = igb_vdev_probe,
	.remove = igb_vdev_remove,
	.dma_map = igb_vdev_dma_map,
	.dma_unmap = igb_vdev_dma_unmap,
};

void
igb_vdev_register(void)
{
	rte_vdev_register(&igb_vdev_driver);
}

RTE_PMD_REGISTER_PARAM_STRING(net_gantry_igb,
		"path=<string> untested=<0|1> "
		"dma=<auto|direct|window|strict|bounce> dma_debug=<0|1|abort>");
