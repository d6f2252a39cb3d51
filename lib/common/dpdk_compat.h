/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Everything that differs between the DPDK releases gantry builds with
 * (22.11, 24.11, 25.11, 26.07), and nothing else.
 */

#ifndef GANTRY_DPDK_COMPAT_H
#define GANTRY_DPDK_COMPAT_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_version.h>

/*
 * The size of a list of packet types is passed along since 24.07
 * (dev_supported_ptypes_get); before, it ended with RTE_PTYPE_UNKNOWN.
 */
#if RTE_VERSION >= RTE_VERSION_NUM(24, 7, 0, 0)
#define GANTRY_PTYPES_ARG , size_t *nb_ptypes
#define GANTRY_PTYPES_RETURN(list) (*nb_ptypes = RTE_DIM(list) - 1, (list))
#else
#define GANTRY_PTYPES_ARG
#define GANTRY_PTYPES_RETURN(list) (list)
#endif

/* Per-queue statistics have a structure of their own since 25.11 (stats_get). */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
#define GANTRY_QSTATS_ARG , struct eth_queue_stats *qstats
#define GANTRY_QSTATS(stats) (qstats)
#else
#define GANTRY_QSTATS_ARG
#define GANTRY_QSTATS(stats) (stats)
#endif

/* rx_queue_count() can report errors since 25.11. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
typedef int gantry_rx_queue_count_t;
#else
typedef uint32_t gantry_rx_queue_count_t;
#endif

/* A driver's name for tools that read its file; numbered by its user until 25.11. */
#if RTE_VERSION >= RTE_VERSION_NUM(25, 11, 0, 0)
#define GANTRY_PMD_EXPORT_NAME(name) RTE_PMD_EXPORT_NAME(name)
#else
#define GANTRY_PMD_EXPORT_NAME(name) RTE_PMD_EXPORT_NAME(name, __COUNTER__)
#endif

/* Telemetry's unsigned numbers were called u64 until 23.03. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
#define GANTRY_TEL_UINT_VAL RTE_TEL_UINT_VAL
#define gantry_tel_add_array_uint rte_tel_data_add_array_uint
#else
#define GANTRY_TEL_UINT_VAL RTE_TEL_U64_VAL
#define gantry_tel_add_array_uint rte_tel_data_add_array_u64
#endif

/*
 * Since 26.07 a bus' operations are given the bus, and EAL looks for a driver in the bus' own
 * list, by match, before it has a device probed. A bus that knows what fits only when it has
 * connected puts one driver there that matches any device, and chooses itself. EAL writes to
 * a device after its unplug, so that the bus must keep it.
 */
#if RTE_VERSION >= RTE_VERSION_NUM(26, 7, 0, 0)
#define GANTRY_BUS_ONLY_ARG struct rte_bus *bus
#define GANTRY_BUS_ARG const struct rte_bus *bus,
#define GANTRY_DRIVER_ARG struct rte_driver *driver,
#define GANTRY_BUS_PLUG probe_device
#define GANTRY_BUS_UNPLUG unplug_device
#define GANTRY_BUS_KEEPS_UNPLUGGED true
#define GANTRY_BUS_FIND_DEVICE(bus, start, cmp, data) \
	(bus)->find_device(bus, start, cmp, data)
#define GANTRY_BUS_MATCH_ANY .match = gantry_bus_match_any,
#define GANTRY_BUS_ADD_ANY_DRIVER(bus) do { \
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
#define GANTRY_BUS_PLUG plug
#define GANTRY_BUS_UNPLUG unplug
#define GANTRY_BUS_KEEPS_UNPLUGGED false
#define GANTRY_BUS_FIND_DEVICE(bus, start, cmp, data) (bus)->find_device(start, cmp, data)
#define GANTRY_BUS_MATCH_ANY
#define GANTRY_BUS_ADD_ANY_DRIVER(bus)
#endif

#endif /* GANTRY_DPDK_COMPAT_H */
