/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Prints how many mappings the kernel has in each vfio container of another process, one number on
 * each line:
 *
 *	vfio_mappings PID
 *
 * The process itself takes no part: this program duplicates its file descriptors (pidfd_getfd), and
 * the kernel reports how many of the allowed mappings (65,535 by default) are still free.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/vfio.h>

static int
wrong(const char *what)
{
	fprintf(stderr, "vfio_mappings: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Read how many mappings the module of the kernel allows in each container. */
static int
limit(unsigned int *entries)
{
	FILE *f = fopen("/sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "r");
	int n = 0;

	if (f != NULL) {
		n = fscanf(f, "%u", entries);
		fclose(f);
	}
	return n == 1 ? 0 : -1;
}

/*
 * Return how many more mappings the container can hold, or -1 if it has no IOMMU yet and thus no
 * mapping.
 */
static long
room(int container)
{
	char buf[4096] __attribute__((aligned(8))) = { 0 };
	struct vfio_iommu_type1_info *info = (void *)buf;
	const struct vfio_info_cap_header *cap;
	uint32_t at;

	info->argsz = sizeof(buf);
	if (ioctl(container, VFIO_IOMMU_GET_INFO, info) != 0 ||
			!(info->flags & VFIO_IOMMU_INFO_CAPS))
		return -1;
	for (at = info->cap_offset; at != 0 && at < sizeof(buf); at = cap->next) {
		cap = (const void *)(buf + at);
		if (cap->id == VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL)
			return ((const struct vfio_iommu_type1_info_dma_avail *)cap)->avail;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	char path[64], target[64];
	unsigned int entries;
	struct dirent *e;
	int pidfd, fd;
	ssize_t len;
	long left;
	DIR *dir;

	if (argc != 2) {
		fprintf(stderr, "usage: vfio_mappings PID\n");
		return 2;
	}
	if (limit(&entries) != 0)
		return wrong("dma_entry_limit");
	pidfd = syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd", atoi(argv[1]));
	dir = opendir(path);
	if (pidfd < 0 || dir == NULL)
		return wrong(path);
	while ((e = readdir(dir)) != NULL) {
		len = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		if (strcmp(target, "/dev/vfio/vfio") != 0)
			continue;
		fd = syscall(SYS_pidfd_getfd, pidfd, atoi(e->d_name), 0);
		if (fd < 0)
			return wrong(target);
		left = room(fd);
		close(fd);
		if (left >= 0)
			printf("%ld\n", (long)entries - left);
	}
	closedir(dir);
	return 0;
}
