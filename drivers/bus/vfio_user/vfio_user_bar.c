/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The BARs of a device: their sizes and bus addresses, and the areas of them that are mapped here.
 *
 * Shared memory is a matter of trust: if a server truncates the file under a mapping, the next
 * access raises SIGBUS and kills the process. So the bus maps a file only if it is sealed against
 * shrinking, or if the bus can still seal it.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "vfio_user_private.h"

/*
 * The bus addresses of BARs that have none; the bus acts as firmware here. The range is the hole
 * below 4 GiB that PCs reserve for PCI, which never is a bus address of memory. Each device has a
 * window, by its index in mmio_slots.
 */
#define MMIO_BASE   UINT64_C(0xe0000000)
#define MMIO_WINDOW UINT64_C(0x00400000)
#define MMIO_SLOTS  64
#define IO_BASE     0x1000u
#define IO_WINDOW   0x0100u

#define MAP_ALIGN (UINT64_C(1) << 21)

static const struct rte_vfio_user_device *mmio_slots[MMIO_SLOTS];

/*
 * Report whether the file can never become shorter than the mapped part, and never lacks a page of
 * it. The seal does not prevent that a hole is punched, and an access to a hole of a hugetlb file
 * raises SIGBUS if no huge page is free.
 */
static bool
cannot_shrink(int fd, uint64_t end)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	if (seals < 0 || fstatfs(fd, &fs) != 0 || fs.f_type == HUGETLBFS_MAGIC)
		return false;
	if (!(seals & F_SEAL_SHRINK) && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		return false;
	return fstat(fd, &st) == 0 && st.st_size >= 0 && (uint64_t)st.st_size >= end;
}

static int
end_of_memory(const struct rte_memseg_list *msl, void *arg)
{
	uintptr_t *end = arg;

	if (!msl->external)
		*end = RTE_MAX(*end, (uintptr_t)msl->base_va + msl->len);
	return 0;
}

/*
 * Map an area above EAL memory, where a secondary process can also map it. The kernel would choose
 * an address among libraries and stacks, whose places differ between processes. The distance to EAL
 * memory leaves room for the PCI bus of DPDK, which does the same.
 */
static void *
map_above_memory(size_t size, int fd, uint64_t offset)
{
	const uintptr_t room = UINT64_C(1) << 40;
	static uintptr_t next;
	unsigned int tries;
	void *addr;

	if (next == 0) {
		rte_memseg_list_walk(end_of_memory, &next);
		next = RTE_ALIGN_CEIL(next, MAP_ALIGN) + room;
	}
	for (tries = 0; tries < 16; tries++) {
		addr = mmap((void *)next, size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED_NOREPLACE, fd, offset);
		/* mmap() has verified the size that the server sent, so the sum is valid. */
		if (addr == MAP_FAILED && errno != EEXIST)
			break;
		next += RTE_ALIGN_CEIL(size, MAP_ALIGN);
		if (addr != MAP_FAILED)
			return addr;
	}
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
}

static int
map_area(struct rte_vfio_user_device *dev, unsigned int index, const struct vfu_region *region,
		uint64_t offset, uint64_t size)
{
	struct rte_vfio_user_bar *bar = &dev->bars[index];
	const uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t start, end;
	void *addr;

	if (size == 0 || offset > region->size || size > region->size - offset ||
			(offset | size) % page != 0 ||
			__builtin_add_overflow(region->fd_offset, offset, &start) ||
			__builtin_add_overflow(start, size, &end) || end > INT64_MAX ||
			start % page != 0 || bar->nr_maps == RTE_DIM(bar->maps)) {
		VFIO_USER_LOG(ERR, dev->path,
				"BAR%u: the server offers an invalid area, offset 0x%" PRIx64
				", size 0x%" PRIx64,
				index, offset, size);
		return -EPROTO;
	}
	if (!cannot_shrink(region->fd, end)) {
		VFIO_USER_LOG(WARNING, dev->path,
				"BAR%u: the memory of the server is too short, in huge pages, or "
				"not sealed against shrinking: not mapped, accessed by message",
				index);
		return 0;
	}
	addr = map_above_memory(size, region->fd, start);
	if (addr == MAP_FAILED) {
		int ret = -errno;

		VFIO_USER_LOG(ERR, dev->path,
				"BAR%u: cannot map 0x%" PRIx64 " bytes at 0x%" PRIx64 ": %s", index,
				size, offset, strerror(-ret));
		return ret;
	}
	bar->maps[bar->nr_maps].addr = addr;
	bar->maps[bar->nr_maps].offset = offset;
	bar->maps[bar->nr_maps].size = size;
	bar->nr_maps++;
	return 0;
}

/* Bus addresses that are free, in the windows of a device. */
struct window {
	uint64_t next, end;
};

struct windows {
	struct window mmio, io;
};

static struct windows
windows_of(const struct rte_vfio_user_device *dev)
{
	struct windows w;
	unsigned int slot;

	for (slot = 0; slot < MMIO_SLOTS && mmio_slots[slot] != NULL; slot++)
		;
	w.mmio.next = w.mmio.end = MMIO_BASE + slot * MMIO_WINDOW;
	w.io.next = w.io.end = IO_BASE + slot * IO_WINDOW;
	if (slot < MMIO_SLOTS) {
		mmio_slots[slot] = dev;
		w.mmio.end += MMIO_WINDOW;
		w.io.end += IO_WINDOW;
	}
	return w;
}

static uint64_t
place_bar(const struct rte_vfio_user_device *dev, struct window *w, uint64_t size)
{
	uint64_t at = RTE_ALIGN_CEIL(w->next, size);

	if (!rte_is_power_of_2(size) || at + size > w->end) {
		VFIO_USER_LOG(DEBUG, dev->path,
				"a BAR of 0x%" PRIx64 " bytes gets no address: its "
				"size is no power of 2, or the window is full",
				size);
		return 0;
	}
	w->next = at + size;
	return at;
}

/*
 * Size a BAR as PCI 3.0, 6.2.5.1 describes: write ones, read back which bits are writable. Also
 * reads its kind and its address.
 */
static int
size_bar(struct rte_vfio_user_device *dev, unsigned int index, uint64_t *size)
{
	struct rte_vfio_user_bar *bar = &dev->bars[index];
	const uint32_t at = PCI_BASE_ADDRESS_0 + 4 * index, ones = UINT32_MAX;
	uint32_t old[2] = { 0, 0 }, mask[2] = { 0, 0 };
	unsigned int i;
	int ret;

	ret = rte_vfio_user_read_config(dev, &old[0], 4, at);
	if (ret != 0)
		return ret;
	bar->is_io = old[0] & PCI_BASE_ADDRESS_SPACE_IO;
	bar->is_64 = !bar->is_io &&
			(old[0] & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64 &&
			index + 1 < VFIO_USER_MAX_BARS;
	for (i = 0; i < (bar->is_64 ? 2 : 1); i++) {
		ret = rte_vfio_user_read_config(dev, &old[i], 4, at + 4 * i);
		ret = ret != 0 ? ret : rte_vfio_user_write_config(dev, &ones, 4, at + 4 * i);
		ret = ret != 0 ? ret : rte_vfio_user_read_config(dev, &mask[i], 4, at + 4 * i);
		ret = ret != 0 ? ret : rte_vfio_user_write_config(dev, &old[i], 4, at + 4 * i);
		if (ret != 0)
			return ret;
	}
	if (bar->is_io) {
		bar->bus_addr = old[0] & PCI_BASE_ADDRESS_IO_MASK;
		mask[0] &= (uint32_t)PCI_BASE_ADDRESS_IO_MASK;
		*size = mask[0] & -mask[0];
	} else {
		bar->bus_addr = (uint64_t)old[1] << 32 |
				(old[0] & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
		*size = (uint64_t)mask[1] << 32 | (mask[0] & (uint32_t)PCI_BASE_ADDRESS_MEM_MASK);
		*size &= -*size;
	}
	return 0;
}

static int
assign_address(struct rte_vfio_user_device *dev, unsigned int index, struct windows *w)
{
	struct rte_vfio_user_bar *bar = &dev->bars[index];
	const uint32_t at = PCI_BASE_ADDRESS_0 + 4 * index;
	const uint64_t to = place_bar(dev, bar->is_io ? &w->io : &w->mmio, bar->size);
	const uint32_t lo = (uint32_t)to, hi = (uint32_t)(to >> 32);
	int ret;

	ret = rte_vfio_user_write_config(dev, &lo, 4, at);
	if (ret == 0 && bar->is_64)
		ret = rte_vfio_user_write_config(dev, &hi, 4, at + 4);
	if (ret == 0)
		bar->bus_addr = to;
	return ret;
}

/*
 * Find out size and address of a BAR. Keep an address that is there. If there is none, because no
 * firmware has run, assign one. Returns the region if it returns 0; the caller closes its file.
 */
static int
locate_bar(struct rte_vfio_user_device *dev, unsigned int index, struct windows *w,
		struct vfu_region *region)
{
	struct rte_vfio_user_bar *bar = &dev->bars[index];
	uint64_t sized;
	int ret;

	ret = size_bar(dev, index, &sized);
	if (ret != 0)
		return ret;
	ret = vfu_client_region_info(vfio_user_client_of(dev), index, region);
	if (ret != 0)
		return ret;
	/* The region size is the accessible part; configuration space may have a smaller one. */
	bar->size = region->size;
	if (sized != bar->size)
		VFIO_USER_LOG(DEBUG, dev->path,
				"BAR%u: 0x%" PRIx64 " bytes by configuration "
				"space, 0x%" PRIx64 " by region",
				index, sized, bar->size);
	if (bar->size != 0 && bar->size == sized && bar->bus_addr == 0)
		ret = assign_address(dev, index, w);
	if (ret != 0 && region->fd >= 0)
		close(region->fd);
	return ret;
}

/* Map the areas of a BAR that its region offers. Takes over the file of the region. */
static int
map_bar(struct rte_vfio_user_device *dev, unsigned int index, const struct vfu_region *region)
{
	struct vfio_user_priv *priv = dev->bus_private;
	unsigned int a;
	int ret = 0;

	if ((region->flags & VFIO_REGION_INFO_FLAG_MMAP) && region->fd >= 0) {
		if (region->nr_areas == 0)
			ret = map_area(dev, index, region, 0, region->size);
		for (a = 0; a < region->nr_areas && ret == 0; a++)
			ret = map_area(dev, index, region, region->areas[a].offset,
					region->areas[a].size);
	}
	if (dev->bars[index].nr_maps != 0) {
		/* Keep the file for secondary processes. */
		priv->bar_files[index].fd = region->fd;
		priv->bar_files[index].offset = region->fd_offset;
	} else if (region->fd >= 0) {
		close(region->fd);
	}
	return ret;
}

/* Switch the decoding of addresses off; vfio_user_device_start() switches it on again. */
int
vfio_user_bars_setup(struct rte_vfio_user_device *dev)
{
	struct windows w = windows_of(dev);
	struct vfu_region region;
	unsigned int i = 0;
	int ret;

	/* No decoding while the registers hold anything else than addresses. */
	ret = vfio_user_command_update(dev, 0,
			PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	for (i = 0; ret == 0 && i < VFIO_USER_MAX_BARS; i += dev->bars[i].is_64 ? 2 : 1) {
		ret = locate_bar(dev, i, &w, &region);
		if (ret != 0)
			break;
		ret = map_bar(dev, i, &region);
		if (ret != 0)
			return ret; /* map_area() has logged the reason */
	}
	if (ret != 0)
		VFIO_USER_LOG(ERR, dev->path, "cannot set up BAR%u: %s", i, strerror(-ret));
	return ret;
}

void
vfio_user_bars_teardown(struct rte_vfio_user_device *dev)
{
	struct vfio_user_priv *priv = dev->bus_private;
	unsigned int i, m;

	for (i = 0; i < VFIO_USER_MAX_BARS; i++) {
		for (m = 0; m < dev->bars[i].nr_maps; m++)
			munmap(dev->bars[i].maps[m].addr, dev->bars[i].maps[m].size);
		if (priv != NULL && priv->bar_files[i].fd >= 0)
			close(priv->bar_files[i].fd);
	}
	memset(dev->bars, 0, sizeof(dev->bars));
	for (i = 0; i < MMIO_SLOTS; i++) {
		if (mmio_slots[i] == dev)
			mmio_slots[i] = NULL;
	}
}

void *
rte_vfio_user_bar_ptr(struct rte_vfio_user_device *dev, unsigned int bar, uint64_t offset,
		size_t len)
{
	unsigned int m;

	if (bar >= VFIO_USER_MAX_BARS)
		return NULL;
	for (m = 0; m < dev->bars[bar].nr_maps; m++) {
		uint64_t start = dev->bars[bar].maps[m].offset;
		uint64_t size = dev->bars[bar].maps[m].size;

		if (offset >= start && offset - start <= size && len <= size - (offset - start))
			return (uint8_t *)dev->bars[bar].maps[m].addr + (offset - start);
	}
	return NULL;
}
