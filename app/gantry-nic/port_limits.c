/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "port_limits.h"

/* The process itself needs these: threads, libraries, captures; and the kernel's default. */
#define MAPS_OWN     8192
#define MAPS_DEFAULT 65530
#define FDS_OWN      128
/*
 * Of each port: sockets, eventfds, a TAP or captures; and what two receipts at one time (by the
 * control thread and a polling thread) bring beyond the limit, 253 descriptors each.
 */
#define FDS_PORT     (32 + 2 * 253)

void
limits_get(struct limits *limits)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	struct rlimit nofile;
	struct sysinfo info;

	if (file == NULL || fscanf(file, "%" SCNu64, &limits->maps) != 1)
		limits->maps = MAPS_DEFAULT;
	if (file != NULL)
		fclose(file);

	getrlimit(RLIMIT_NOFILE, &nofile);
	nofile.rlim_cur = nofile.rlim_max;
	setrlimit(RLIMIT_NOFILE, &nofile);
	getrlimit(RLIMIT_NOFILE, &nofile);
	limits->fds = nofile.rlim_cur;

	sysinfo(&info);
	limits->mem_mib = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit >> 20;
}

/* A share of have, of which the ports' own values take given; 0: it is not enough. */
static uint64_t
share(uint64_t have, uint64_t own, uint64_t given, unsigned int nr)
{
	have = have > 2 * own ? have - own : have / 2;
	return given > have || nr == 0 ? 0 : (have - given) / nr;
}

int
limits_divide(const struct limits *limits, struct port_spec *specs, unsigned int nr, char *err)
{
	uint64_t maps = 0, fds = 0, mem = limits->mem_mib;
	unsigned int no_maps = 0, no_fds = 0, i;

	for (i = 0; i < nr; i++) {
		maps += specs[i].max_maps;
		fds += specs[i].max_fds != 0 ? specs[i].max_fds + FDS_PORT : 0;
		no_maps += specs[i].max_maps == 0;
		no_fds += specs[i].max_fds == 0;
	}
	maps = share(limits->maps, MAPS_OWN, maps, no_maps);
	if (no_maps != 0 && maps < MAX_MAPS_MIN) {
		snprintf(err, SPEC_ERR_LEN, "%u ports are left with %" PRIu64 " mappings each, of %"
			PRIu64 " that the process may have: lower max_maps of the others, or raise "
			"vm.max_map_count", no_maps, maps, limits->maps);
		return -ENOSPC;
	}
	fds = share(limits->fds, FDS_OWN, fds, no_fds);
	/* Few clients at a time go as far as they may: a port always has what a driver needs. */
	fds = fds < FDS_PORT + MAX_FDS_MIN ? MAX_FDS_MIN : fds - FDS_PORT;
	if (mem == 0 || mem > MAX_MEM_MAX)
		mem = MAX_MEM_MAX;
	for (i = 0; i < nr; i++) {
		if (specs[i].max_maps == 0)
			specs[i].max_maps = maps < MAX_MAPS_MAX ? maps : MAX_MAPS_MAX;
		if (specs[i].max_fds == 0)
			specs[i].max_fds = fds < MAX_FDS_DEFAULT ? fds : MAX_FDS_DEFAULT;
		if (specs[i].max_mem_mib == 0)
			specs[i].max_mem_mib = mem;
	}
	return 0;
}
