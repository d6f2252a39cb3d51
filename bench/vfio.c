/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * bench-vfio: cost of having the kernel map a page for a device, and unmap it: one ioctl each.
 *
 *	bench-vfio GROUP [SAMPLES]
 *
 * GROUP is the number of an IOMMU group whose devices are bound to vfio-pci. Prints ns per pair,
 * one sample per line.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/vfio.h>

#define PAIRS 2000
#define PAGES 64
#define PAGE  4096
#define IOVA  UINT64_C(0x100000)

static int
fail(const char *what)
{
	fprintf(stderr, "bench-vfio: %s: %s\n", what, strerror(errno));
	return 1;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int
main(int argc, char **argv)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.size = PAGE,
	};
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .size = PAGE };
	int samples = argc > 2 ? atoi(argv[2]) : 5, container, group;
	char path[64];
	uint64_t begin;
	uint8_t *page;

	if (argc < 2 || argc > 3 || samples <= 0) {
		fputs("usage: bench-vfio GROUP [SAMPLES]\n", stderr);
		return 2;
	}
	snprintf(path, sizeof(path), "/dev/vfio/%s", argv[1]);
	container = open("/dev/vfio/vfio", O_RDWR);
	if (container < 0)
		return fail("/dev/vfio/vfio");
	group = open(path, O_RDWR);
	if (group < 0)
		return fail(path);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) != 0 ||
			ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0)
		return fail("a container");
	page = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (page == MAP_FAILED)
		return fail("memory");
	for (; samples > 0; samples--) {
		begin = now_ns();
		for (unsigned int i = 0; i < PAIRS; i++) {
			map.vaddr = (uintptr_t)page + i % PAGES * PAGE;
			map.iova = unmap.iova = IOVA + i % PAGES * PAGE;
			if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map) != 0)
				return fail("VFIO_IOMMU_MAP_DMA");
			if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) != 0)
				return fail("VFIO_IOMMU_UNMAP_DMA");
		}
		printf("%.1f\n", (double)(now_ns() - begin) / PAIRS);
	}
	return 0;
}
