/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Library memory for bounce mode: files in memory, which the bus maps for the device by file
 * descriptor or by address.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>
#include <numa.h>
#include <numaif.h>

#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "dma_bounce.h"
#include "sealed_file.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* Map a file at an address aligned to more than a page. Return NULL with errno. */
static void *
map_aligned(int fd, size_t len, size_t align)
{
	uint8_t *room = mmap(NULL, len + align, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *at = RTE_PTR_ALIGN_CEIL(room, align);
	int saved;

	if (room == MAP_FAILED)
		return NULL;
	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
		saved = errno;
		munmap(room, len + align);
		errno = saved;
		return NULL;
	}
	if (at > room)
		munmap(room, at - room);
	if (room + align > at)
		munmap(at + len, room + align - at);
	return at;
}

/* Make and map a file of len bytes. Return the descriptor, or -errno. */
static int
make_file(size_t len, size_t align, unsigned int flags, void **va)
{
	int fd = sealed_file("gantry_dma", len, flags), ret;

	if (fd < 0)
		return fd;
	*va = map_aligned(fd, len, align);
	if (*va != NULL)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

static int
own_file(struct dma_block *b, size_t size, size_t align)
{
	int fd = -ENOMEM;

	if (size >= HUGE_PAGE) {
		b->len = RTE_ALIGN_CEIL(size, HUGE_PAGE);
		fd = make_file(b->len, RTE_MAX(align, HUGE_PAGE), MFD_HUGETLB | MFD_HUGE_2MB,
				&b->pub.cpu);
	}
	if (fd < 0) {
		b->len = RTE_ALIGN_CEIL(size, DMA_PAGE);
		fd = make_file(b->len, align, 0, &b->pub.cpu);
	}
	return fd;
}

static int
own_map(const struct dma_device *d, const struct dma_block *b, int fd)
{
	const struct gantry_dma_ops *ops = d->params.ops;
	int ret;

	rte_mcfg_mem_read_lock();
	if (ops->map_fd != NULL)
		ret = ops->map_fd(d->params.opaque, (struct gantry_dma_file){ .fd = fd },
				b->pub.cpu, b->pub.bus, b->len, GANTRY_DMA_BIDIRECTIONAL);
	else
		ret = ops->map(d->params.opaque, b->pub.cpu, b->pub.bus, b->len,
				GANTRY_DMA_BIDIRECTIONAL);
	rte_mcfg_mem_read_unlock();
	if (ret != 0)
		dma_fail("%s: %zu bytes of bounce buffers: %s did not map them at bus address "
			 "0x%" PRIx64 ": %s",
				d->name, b->len, ops->name, b->pub.bus, strerror(-ret));
	return ret;
}

/* Place memory on a NUMA node, if that has some. Return the node that it came from. */
static int
own_place(struct dma_block *b, int socket_id)
{
	int node;

	if (socket_id >= 0 && socket_id <= numa_max_node() &&
			numa_bitmask_isbitset(numa_all_nodes_ptr, socket_id))
		numa_tonode_memory(b->pub.cpu, b->len, socket_id);
	memset(b->pub.cpu, 0, b->len);
	if (get_mempolicy(&node, NULL, 0, b->pub.cpu, MPOL_F_NODE | MPOL_F_ADDR) == 0)
		return node;
	return RTE_MAX(socket_id, 0); /* a container may forbid the call */
}

int
dma_bounce_own_alloc(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask)
{
	const struct dma_device *d = dma_device(dev);
	int fd = own_file(b, size, align), ret;
	uint32_t page;

	if (fd < 0) {
		dma_fail("%s: no memory for %zu bytes that the device may reach: %s", d->name, size,
				strerror(-fd));
		return -ENOMEM;
	}
	b->pub.socket_id = 0;
	if (numa_available() < 0)
		memset(b->pub.cpu, 0, b->len);
	else
		b->pub.socket_id = own_place(b, socket_id);
	b->pub.size = size;
	page = dma_iova_get_aligned(bounce_of(dev)->iova, b->len >> DMA_PAGE_BITS,
			align >> DMA_PAGE_BITS, mask);
	if (page == 0) {
		dma_fail("%s: no bus addresses are left for %zu bytes; the device drives %u bits",
				d->name, b->len, dma_bits(mask));
		ret = -EIO;
	} else {
		b->pub.bus = (gantry_dma_addr_t)page << DMA_PAGE_BITS;
		ret = own_map(d, b, fd);
		if (ret != 0)
			dma_iova_put(bounce_of(dev)->iova, page, b->len >> DMA_PAGE_BITS);
	}
	close(fd);
	if (ret != 0)
		munmap(b->pub.cpu, b->len);
	return ret;
}

void
dma_bounce_own_free(struct gantry_dma_dev *dev, struct dma_block *b)
{
	/* If the bus failed to unmap addresses, never hand them out again. */
	if (dma_bus_unmap(dev, b->pub.cpu, b->pub.bus, b->len) == 0)
		dma_iova_put(bounce_of(dev)->iova, b->pub.bus >> DMA_PAGE_BITS,
				b->len >> DMA_PAGE_BITS);
	munmap(b->pub.cpu, b->len);
}
