/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Everything that differs between the DPDK releases gantry builds with
 * (22.11, 24.11, 25.11), and nothing else.
 */

#ifndef GANTRY_DPDK_COMPAT_H
#define GANTRY_DPDK_COMPAT_H

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

#endif /* GANTRY_DPDK_COMPAT_H */
