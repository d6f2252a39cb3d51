/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The ports' shares of the limits of the process: mappings, file descriptors, memory. The client of
 * a port uses up the share of that port, and no other port's.
 */

#ifndef PORT_LIMITS_H
#define PORT_LIMITS_H

#include <stdint.h>

#include "port_spec.h"

/* Limits of the process. */
struct limits {
	uint64_t maps;    /* vm.max_map_count */
	uint64_t fds;     /* RLIMIT_NOFILE */
	uint64_t mem_mib; /* RAM and swap, or the least limit of its memory cgroups */
};

/* Read the limits, after raising the soft limit of file descriptors to the hard one. */
void limits_get(struct limits *limits);

/*
 * Return the least memory limit of the process's cgroup and its parents: memory.max and memory.high
 * of version 2, memory.limit_in_bytes of version 1. Above memory.high the kernel slows the process
 * down, so that it counts as a limit.
 *
 * @param cgroups  /proc/self/cgroup
 * @param top      /sys/fs/cgroup
 * @return bytes; UINT64_MAX: no limit
 */
uint64_t limits_cgroup_memory(const char *cgroups, const char *top);

/*
 * Divide the rest that ports with explicit values leave equally among the others: max_maps,
 * max_fds, max_mem.
 *
 * @param err  SPEC_ERR_LEN bytes: one line, if the result is not 0
 * @retval 0  done
 * @retval 1  done, but err names a scarce resource
 * @return a negative errno value, if a port is left with less than it needs
 */
int limits_divide(const struct limits *limits, struct port_spec *specs, unsigned int nr, char *err);

#endif /* PORT_LIMITS_H */
