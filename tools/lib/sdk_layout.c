/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The driver headers of one 22.11.x may stand in for those of another (tools/lib/debian.py),
 * because the long-term series does not change the layout of what drivers and libraries share.
 * tools/setup compiles this file with the headers that it found, to verify that.
 */

#include <stddef.h>

#include <rte_version.h>
#include <ethdev_driver.h>
#include <bus_driver.h>
#include <bus_pci_driver.h>
#include <dev_driver.h>

#if RTE_VER_YEAR == 22 && RTE_VER_MONTH == 11 && defined(RTE_ARCH_X86_64)

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has another size")
#define PLACE(type, field, at) \
	_Static_assert(offsetof(type, field) == (at), #type "." #field " is elsewhere")

SIZE(struct rte_eth_dev, 16512);
PLACE(struct rte_eth_dev, data, 48);
PLACE(struct rte_eth_dev, dev_ops, 64);
PLACE(struct rte_eth_dev, device, 72);
PLACE(struct rte_eth_dev, state, 16488);

SIZE(struct rte_eth_dev_data, 6144);
PLACE(struct rte_eth_dev_data, dev_private, 96);
PLACE(struct rte_eth_dev_data, mac_addrs, 2400);
PLACE(struct rte_eth_dev_data, port_id, 3440);
PLACE(struct rte_eth_dev_data, dev_flags, 5492);

SIZE(struct eth_dev_ops, 904);
PLACE(struct eth_dev_ops, stats_get, 144);

SIZE(struct rte_bus, 144);
PLACE(struct rte_bus, get_iommu_class, 104);
SIZE(struct rte_device, 64);
PLACE(struct rte_device, devargs, 56);
SIZE(struct rte_driver, 32);
SIZE(struct rte_pci_device, 312);
SIZE(struct rte_pci_driver, 96);

#endif
