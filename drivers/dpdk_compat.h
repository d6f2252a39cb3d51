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

#include <rte_version.h>

#endif /* GANTRY_DPDK_COMPAT_H */
