/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "port_limits.h"

/* Reserved for the process itself (threads, libraries, captures); and the kernel's default. */
#define MAPS_OWN     8192
#define MAPS_DEFAULT 65530
#define FDS_OWN      128
#define MEM_OWN      256
/*
 * Descriptors for each port: sockets, eventfds, a TAP or captures. Two receipts at one time (by the
 * control thread and the DMA thread) may also exceed the limit by 253 descriptors each. Clients
 * that are refused have up to 64 that wait for their close(), and 4 connections, each with a socket
 * and the 16 descriptors of a message (foreign_fd.h, server_priv.h).
 */
#define FDS_PORT (32 + 2 * 253 + 64 + 4 * (1 + 16))

/* Read a number from a file. UINT64_MAX: the file does not exist, or holds no number ("max"). */
static uint64_t
read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t value = UINT64_MAX;

	if (file != NULL) {
		if (fscanf(file, "%" SCNu64, &value) != 1)
			value = UINT64_MAX;
		fclose(file);
	}
	return value;
}

/* Return the lowest value that the files of that name have in folder top/group and its parents. */
static uint64_t
least_of_parents(const char *top, const char *group, const char *name)
{
	char path[2 * PATH_MAX];
	uint64_t least = UINT64_MAX, limit;

	/* Up to the top, whose file has the limit of a container. */
	for (size_t len = strlen(group);; len--) {
		if (len != 0 && group[len] != '/' && group[len] != '\0')
			continue;
		snprintf(path, sizeof(path), "%s%.*s/%s", top, (int)len, group, name);
		limit = read_number(path);
		if (limit < least)
			least = limit;
		if (len == 0)
			return least;
	}
}

/* Return whether a list of controllers, "cpu,memory", has this one. */
static bool
has_controller(char *list, const char *name)
{
	for (char *save, *one = strtok_r(list, ",", &save); one != NULL;
			one = strtok_r(NULL, ",", &save))
		if (strcmp(one, name) == 0)
			return true;
	return false;
}

uint64_t
limits_cgroup_memory(const char *cgroups, const char *top)
{
	char line[PATH_MAX], v1[PATH_MAX];
	FILE *file = fopen(cgroups, "re");
	uint64_t least = UINT64_MAX, limit;

	if (file == NULL)
		return least;
	snprintf(v1, sizeof(v1), "%s/memory", top);
	while (fgets(line, sizeof(line), file) != NULL) {
		char *list = strchr(line, ':'),
		     *group = list != NULL ? strchr(list + 1, ':') : NULL;

		if (group == NULL)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (*++list == '\0') {
			limit = least_of_parents(top, group, "memory.max");
			least = limit < least ? limit : least;
			limit = least_of_parents(top, group, "memory.high");
		} else if (has_controller(list, "memory")) {
			limit = least_of_parents(v1, group, "memory.limit_in_bytes");
		} else {
			continue;
		}
		least = limit < least ? limit : least;
	}
	fclose(file);
	return least;
}

void
limits_get(struct limits *limits)
{
	uint64_t cgroup = limits_cgroup_memory("/proc/self/cgroup", "/sys/fs/cgroup") >> 20;
	struct rlimit nofile;
	struct sysinfo info;

	limits->maps = read_number("/proc/sys/vm/max_map_count");
	if (limits->maps == UINT64_MAX)
		limits->maps = MAPS_DEFAULT;

	getrlimit(RLIMIT_NOFILE, &nofile);
	nofile.rlim_cur = nofile.rlim_max;
	setrlimit(RLIMIT_NOFILE, &nofile);
	getrlimit(RLIMIT_NOFILE, &nofile);
	limits->fds = nofile.rlim_cur;

	sysinfo(&info);
	limits->mem_mib = ((uint64_t)info.totalram + info.totalswap) * info.mem_unit >> 20;
	if (cgroup < limits->mem_mib)
		limits->mem_mib = cgroup;
}

/*
 * Return an equal share of what the process itself and the ports with values of their own (given)
 * leave of have; 0: it is not enough.
 */
static uint64_t
share(uint64_t have, uint64_t own, uint64_t given, unsigned int nr)
{
	have = have > 2 * own ? have - own : have / 2;
	return given > have || nr == 0 ? 0 : (have - given) / nr;
}

int
limits_divide(const struct limits *limits, struct port_spec *specs, unsigned int nr, char *err)
{
	uint64_t maps = 0, fds = 0, mem = 0;
	unsigned int no_maps = 0, no_fds = 0, no_mem = 0, i;
	bool short_of_fds;

	for (i = 0; i < nr; i++) {
		maps += specs[i].max_maps;
		fds += specs[i].max_fds != 0 ? specs[i].max_fds + FDS_PORT : 0;
		mem += specs[i].max_mem_mib;
		no_maps += specs[i].max_maps == 0;
		no_mem += specs[i].max_mem_mib == 0;
		no_fds += specs[i].max_fds == 0;
	}
	maps = share(limits->maps, MAPS_OWN, maps, no_maps);
	if (no_maps != 0 && maps < MAX_MAPS_MIN) {
		snprintf(err, SPEC_ERR_LEN,
				"%u ports are left with %" PRIu64 " mappings each, of %" PRIu64
				" that the process may have: lower max_maps of the others, or "
				"raise vm.max_map_count",
				no_maps, maps, limits->maps);
		return -ENOSPC;
	}
	fds = share(limits->fds, FDS_OWN, fds, no_fds);
	/* Few clients at a time go as far as they may: a port always has what a driver needs. */
	short_of_fds = no_fds != 0 && fds < FDS_PORT + MAX_FDS_MIN;
	if (short_of_fds)
		snprintf(err, SPEC_ERR_LEN,
				"the process may have %" PRIu64 " open files: too few for the "
				"clients of all ports at one time; "
				"raise the hard limit (ulimit -Hn)",
				limits->fds);
	fds = short_of_fds ? MAX_FDS_MIN : fds - FDS_PORT;
	mem = share(limits->mem_mib, MEM_OWN, mem, no_mem);
	if (no_mem != 0 && mem == 0) {
		snprintf(err, SPEC_ERR_LEN,
				"the max_mem of other ports leaves %u ports nothing of the %" PRIu64
				" MiB that the process may use: give each of them a max_mem",
				no_mem, limits->mem_mib);
		return -ENOSPC;
	}
	for (i = 0; i < nr; i++) {
		if (specs[i].max_maps == 0)
			specs[i].max_maps = maps < MAX_MAPS_MAX ? maps : MAX_MAPS_MAX;
		if (specs[i].max_fds == 0)
			specs[i].max_fds = fds < MAX_FDS_DEFAULT ? fds : MAX_FDS_DEFAULT;
		if (specs[i].max_mem_mib == 0)
			specs[i].max_mem_mib = mem < MAX_MEM_MAX ? mem : MAX_MEM_MAX;
	}
	return short_of_fds;
}
