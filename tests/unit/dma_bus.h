/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A bus for the tests of lib/dma. The test itself is the device on it.
 *
 *     driver's side (the code under test)           device's side (the test)
 *
 *     gantry_dma_map_*()                            device_read(), device_fill()
 *           |                                                   | bus address
 *           v  struct gantry_dma_ops                            v
 *     bus_map() ... bus_unmap() ----> bus.maps[] <-------- bus_walk() -----> bus.table
 *     bus_claim(), bus_page_table()   (what the bus            |         (if the device
 *                                      has mapped)             v          has a page table)
 *                                                         a byte, or NULL: a fault
 *
 * The bus has an IOMMU that records each mapping. A device with an I/O page table looks up its bus
 * address in the table first, as a vfio-user device does, and the result among the mappings. The
 * test reads and writes memory by bus addresses; an access to an address that the device has no
 * right to is a fault, which device_read() and device_fill() return as false.
 *
 * Four tables of operations stand for the kinds of bus that lib/dma meets: see bus_with_table and
 * the next three. There is one bus, in the global `bus`; bus_device() resets it. A lock protects
 * the mappings, because tests map in several threads. The test sets the other members while no
 * other thread uses the bus.
 */

#ifndef DMA_BUS_H
#define DMA_BUS_H

#include "dma_device.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <rte_eal_memconfig.h>

#define BUS_MAPS 4096

static struct {
	pthread_mutex_t lock;
	bool claimed; /* else the device reaches EAL memory at EAL's IOVA */
	unsigned int claims;
	uint64_t *table; /* the I/O page table; NULL: none */
	size_t nr;
	struct {
		uint8_t *va;
		gantry_dma_addr_t iova;
		size_t len;
		enum gantry_dma_dir dir;
		bool file;
	} maps[BUS_MAPS];
	unsigned int nr_maps, calls;
	unsigned int fail_at; /* bus_add() call, from 1, that fails; 0: none */
	bool fails;           /* bus_add() always fails */
	bool keeps;           /* bus_unmap() fails: the mapping stays */
} bus = { .lock = PTHREAD_MUTEX_INITIALIZER };

/**
 * Record a mapping, as a call of map() or map_fd().
 * @param file  whether the memory was passed as a file descriptor
 * @retval 0  mapped
 * @retval -EINVAL  va, iova or len is not a multiple of 4096 bytes, len is 0, or the range wraps
 * @retval -ENOSPC  the test asked for a failure, or BUS_MAPS mappings exist
 * @retval -EEXIST  a mapping already covers a part of the range
 */
static inline int
bus_add(void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir, bool file)
{
	unsigned int i;
	int ret = 0;

	/* A real bus refuses these as well. */
	if ((((uintptr_t)va | iova | len) & 4095) != 0 || len == 0 || iova + len < iova)
		return -EINVAL;
	pthread_mutex_lock(&bus.lock);
	if (++bus.calls == bus.fail_at || bus.fails || bus.nr_maps == BUS_MAPS)
		ret = -ENOSPC;
	for (i = 0; i < bus.nr_maps && ret == 0; i++) {
		if (iova < bus.maps[i].iova + bus.maps[i].len && bus.maps[i].iova < iova + len)
			ret = -EEXIST;
	}
	if (ret == 0) {
		bus.maps[bus.nr_maps].va = va;
		bus.maps[bus.nr_maps].iova = iova;
		bus.maps[bus.nr_maps].len = len;
		bus.maps[bus.nr_maps].file = file;
		bus.maps[bus.nr_maps++].dir = dir;
	}
	pthread_mutex_unlock(&bus.lock);
	return ret;
}

static inline int
bus_map(void *opaque, void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir)
{
	return bus_add(va, iova, len, dir, false);
}

/** Map a file. It must contain the mapped range and nothing else, or the call fails with -EBADF. */
static inline int
bus_map_fd(void *opaque, struct gantry_dma_file file, void *va, gantry_dma_addr_t iova, size_t len,
		enum gantry_dma_dir dir)
{
	struct stat st;

	if (fstat(file.fd, &st) != 0 || file.offset != 0 || (size_t)st.st_size != len)
		return -EBADF;
	return bus_add(va, iova, len, dir, true);
}

static inline int
bus_unmap(void *opaque, void *va, gantry_dma_addr_t iova, size_t len)
{
	int ret = -ENOENT;
	unsigned int i;

	pthread_mutex_lock(&bus.lock);
	for (i = 0; i < bus.nr_maps && ret != 0; i++) {
		if (bus.maps[i].va != va || bus.maps[i].iova != iova || bus.maps[i].len != len)
			continue;
		ret = bus.keeps ? -EBUSY : 0;
		if (ret != 0)
			break;
		bus.maps[i] = bus.maps[--bus.nr_maps];
	}
	pthread_mutex_unlock(&bus.lock);
	return ret;
}

static inline int
bus_claim(void *opaque)
{
	bus.claims++;
	bus.claimed = true;
	return 0;
}

static inline int
bus_page_table(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries)
{
	if (base != 0 || bus.table != NULL || bus.claimed)
		return -EINVAL;
	bus.table = mmap(NULL, nr * sizeof(*bus.table), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bus.table == MAP_FAILED)
		return -ENOMEM;
	bus.nr = nr;
	*entries = bus.table;
	return 0;
}

/*
 * The bus of a soft NIC; a bus whose device has no page table; vfio, which maps any memory of the
 * process; and uio, which maps nothing.
 */
static const struct gantry_dma_ops bus_with_table = {
	.name = "bus",
	.any_memory = true,
	.map = bus_map,
	.unmap = bus_unmap,
	.map_fd = bus_map_fd,
	.claim = bus_claim,
	.page_table = bus_page_table,
};
static const struct gantry_dma_ops bus_with_files = {
	.name = "bus",
	.map = bus_map,
	.unmap = bus_unmap,
	.map_fd = bus_map_fd,
	.claim = bus_claim,
};
static const struct gantry_dma_ops bus_any_memory = {
	.name = "bus",
	.any_memory = true,
	.map = bus_map,
	.unmap = bus_unmap,
	.claim = bus_claim,
};
static const struct gantry_dma_ops bus_without = { .name = "bus" };

static inline void
bus_reset(void)
{
	if (bus.table != NULL)
		munmap(bus.table, bus.nr * sizeof(*bus.table));
	bus.table = NULL;
	bus.claimed = bus.fails = bus.keeps = false;
	bus.claims = bus.nr_maps = bus.calls = bus.fail_at = 0;
	bus.nr = 0;
}

/**
 * Create a device on a bus in its initial state. The device's mask is not yet set.
 * @param ops  one of the four tables above; NULL: no bus
 * @return the device, which the caller destroys with gantry_dma_dev_destroy()
 */
static inline struct gantry_dma_dev *
bus_device(const struct gantry_dma_ops *ops, enum gantry_dma_mode_id mode)
{
	const struct gantry_dma_params p = {
		.name = "dev",
		.socket_id = SOCKET_ID_ANY,
		.ops = ops,
		.mode = mode,
		.has_iommu = ops != NULL && ops->map != NULL,
	};
	struct gantry_dma_dev *dev;

	bus_reset();
	dev = gantry_dma_dev_create(&p);
	assert_non_null(dev);
	return dev;
}

static inline void
bus_mask(struct gantry_dma_dev *dev, unsigned int bits)
{
	if (gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(bits)) != 0)
		fail_msg("%u bits: %s", bits, gantry_dma_last_error());
}

/*
 * The device's side.
 */

static inline bool
bus_may(enum gantry_dma_dir dir, bool write)
{
	return dir == GANTRY_DMA_BIDIRECTIONAL ||
			dir == (write ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_TO_DEVICE);
}

/**
 * Translate a bus address for one access.
 * @param write  whether the device writes
 * @return the address of the byte in this process; NULL: a fault
 */
static inline uint8_t *
bus_walk(gantry_dma_addr_t addr, bool write)
{
	uint8_t *p = NULL;
	unsigned int i;
	uint64_t entry;

	if (bus.table != NULL) {
		if (addr >> 12 >= bus.nr)
			return NULL;
		entry = __atomic_load_n(&bus.table[addr >> 12], __ATOMIC_ACQUIRE);
		if (!(entry & (write ? GANTRY_DMA_PTE_WRITE : GANTRY_DMA_PTE_READ)))
			return NULL;
		addr = (entry & ~UINT64_C(4095)) | (addr & 4095);
		write = false; /* with a table, the bus has mapped it for both directions */
	}
	pthread_mutex_lock(&bus.lock);
	for (i = 0; i < bus.nr_maps && p == NULL; i++) {
		if (addr - bus.maps[i].iova < bus.maps[i].len &&
				(bus.table != NULL || bus_may(bus.maps[i].dir, write)))
			p = bus.maps[i].va + (addr - bus.maps[i].iova);
	}
	pthread_mutex_unlock(&bus.lock);
	return p == NULL && !bus.claimed ? rte_mem_iova2virt(addr) : p;
}

/**
 * Read size bytes as the device.
 * @return false at a fault; the bytes before the fault have been copied
 */
static inline bool
device_read(gantry_dma_addr_t addr, void *to, size_t size)
{
	uint8_t *p, *out = to;

	for (; size > 0; size--) {
		p = bus_walk(addr++, false);
		if (p == NULL)
			return false;
		*out++ = *p;
	}
	return true;
}

/**
 * Set size bytes to value as the device.
 * @return false at a fault; the bytes before the fault have been written
 */
static inline bool
device_fill(gantry_dma_addr_t addr, uint8_t value, size_t size)
{
	uint8_t *p;

	for (; size > 0; size--) {
		p = bus_walk(addr++, true);
		if (p == NULL)
			return false;
		*p = value;
	}
	return true;
}

static inline void
assert_bytes(const uint8_t *p, uint8_t value, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		assert_int_equal(p[i], value);
}

/** Assert that the device reads size bytes (at most 64 KiB) of this value at this bus address. */
static inline void
assert_seen(gantry_dma_addr_t addr, uint8_t value, size_t size)
{
	uint8_t seen[65536];

	assert_true(size <= sizeof(seen));
	assert_true(device_read(addr, seen, size));
	assert_bytes(seen, value, size);
}

/**
 * Map a buffer; fail the test if the library refuses it.
 * @return the bus address
 */
static inline gantry_dma_addr_t
bus_map_ok(struct gantry_dma_dev *dev, void *p, size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t a = gantry_dma_map_single(dev, p, size, dir);

	if (gantry_dma_mapping_error(dev, a))
		fail_msg("%p, %zu bytes: %s", p, size, gantry_dma_last_error());
	return a;
}

/** Assert that the library refuses the mapping, and that its error message contains `why`. */
static inline void
assert_not_mapped(struct gantry_dma_dev *dev, void *p, size_t size, const char *why)
{
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, p, size, GANTRY_DMA_TO_DEVICE)));
	assert_reason(why);
}

#endif /* DMA_BUS_H */
