/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * All differences between the DPDK releases that gantry builds with (22.11, 24.11, 25.11, 26.07),
 * and nothing else.
 */

#ifndef GANTRY_DPDK_COMPAT_H
#define GANTRY_DPDK_COMPAT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_version.h>

/*
 * Since 24.07 the driver returns the size of a list of packet types (dev_supported_ptypes_get);
 * before, RTE_PTYPE_UNKNOWN ended the list.
 */
#if RTE_VERSION >= RTE_VERSION_NUM(24, 7, 0, 0)
#define GANTRY_PTYPES_ARG          , size_t *nb_ptypes
#define GANTRY_PTYPES_RETURN(list) (*nb_ptypes = RTE_DIM(list) - 1, (list))
#else
#define GANTRY_PTYPES_ARG
#define GANTRY_PTYPES_RETURN(list) (list)
#endif

/* Since 25.11 the statistics of a queue have a structure of their own (stats_get). */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
#define GANTRY_QSTATS_ARG    , struct eth_queue_stats *qstats
#define GANTRY_QSTATS(stats) (qstats)
#else
#define GANTRY_QSTATS_ARG
#define GANTRY_QSTATS(stats) (stats)
#endif

/* Since 25.11 rx_queue_count() can report errors. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
typedef int gantry_rx_queue_count_t;
#else
typedef uint32_t gantry_rx_queue_count_t;
#endif

/* Since 23.11 an application can have transmitted mbufs moved to a receive ring. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
#define GANTRY_MBUF_RECYCLING
#define GANTRY_MBUF_RECYCLING_OPS(info_get) .recycle_rxq_info_get = (info_get),
#else
#define GANTRY_MBUF_RECYCLING_OPS(info_get)
#endif

/* The driver name for tools that read the plugin file; until 25.11 the caller numbers it. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
#define GANTRY_PMD_EXPORT_NAME(name) RTE_PMD_EXPORT_NAME(name)
#else
#define GANTRY_PMD_EXPORT_NAME(name) RTE_PMD_EXPORT_NAME(name, __COUNTER__)
#endif

/* Until 23.03 telemetry called unsigned numbers u64. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define GANTRY_TEL_UINT_VAL       RTE_TEL_UINT_VAL
#define gantry_tel_add_array_uint rte_tel_data_add_array_uint
#else
#define GANTRY_TEL_UINT_VAL       RTE_TEL_U64_VAL
#define gantry_tel_add_array_uint rte_tel_data_add_array_u64
#endif

/*
 * Since 26.07 EAL passes the bus to the operations of a bus, and searches the list of drivers of
 * the bus, by match, before it has a device probed. A bus that knows the right driver only after it
 * has connected puts one driver into that list, which matches any device, and chooses by itself.
 * EAL writes to a device after its unplug, so the bus must keep the device.
 */
#if RTE_VERSION >= RTE_VERSION_NUM(26, 7, 0, 0)
#define GANTRY_BUS_ONLY_ARG                           struct rte_bus *bus
#define GANTRY_BUS_ARG                                const struct rte_bus *bus,
#define GANTRY_DRIVER_ARG                             struct rte_driver *driver,
#define GANTRY_BUS_PLUG                               probe_device
#define GANTRY_BUS_UNPLUG                             unplug_device
#define GANTRY_BUS_KEEPS_UNPLUGGED                    true
#define GANTRY_BUS_FIND_DEVICE(bus, start, cmp, data) (bus)->find_device(bus, start, cmp, data)
#define GANTRY_BUS_MATCH_ANY                          .match = gantry_bus_match_any,
#define GANTRY_BUS_ADD_ANY_DRIVER(bus) \
	do { \
		static struct rte_driver any_driver = { .name = "any" }; \
		rte_bus_add_driver(bus, &any_driver); \
	} while (0)

struct rte_device;
struct rte_driver;

static inline bool
gantry_bus_match_any(const struct rte_driver *driver, const struct rte_device *device)
{
	return true;
}
#else
#define GANTRY_BUS_ONLY_ARG void
#define GANTRY_BUS_ARG
#define GANTRY_DRIVER_ARG
#define GANTRY_BUS_PLUG                               plug
#define GANTRY_BUS_UNPLUG                             unplug
#define GANTRY_BUS_KEEPS_UNPLUGGED                    false
#define GANTRY_BUS_FIND_DEVICE(bus, start, cmp, data) (bus)->find_device(start, cmp, data)
#define GANTRY_BUS_MATCH_ANY
#define GANTRY_BUS_ADD_ANY_DRIVER(bus)
#endif

/*
 * Since 26.07 the PCI bus keeps its drivers in its struct rte_bus, and device.driver is the only
 * pointer of a PCI device to its driver. Both are set before the probe.
 */
#if RTE_VERSION >= RTE_VERSION_NUM(26, 7, 0, 0)
#define GANTRY_PCI_DRIVERS_IN_BUS       1
#define GANTRY_PCI_SET_DRIVER(dev, drv) ((dev)->device.driver = (drv))
#else
#define GANTRY_PCI_DRIVERS_IN_BUS 0
#define GANTRY_PCI_SET_DRIVER(dev, drv) \
	((dev)->driver = container_of(drv, struct rte_pci_driver, driver))
#endif

#endif /* GANTRY_DPDK_COMPAT_H */
