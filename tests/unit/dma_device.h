/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Fixtures for the tests of lib/dma: a device that is created for each test case (ON_DEVICE),
 * threads, and the "books", a mapping mode that records each mapping and can fail the n-th.
 *
 *     driver call --> dma_device.base = books --> books.at[]     one entry per live mapping
 *     unmap, sync ---------------------------->   must find that entry, else books.wrong++
 *
 * books_open() installs the mode on a device, books_close() removes it and asserts that each
 * mapping was unmapped with the values it was mapped with.
 */

#ifndef DMA_DEVICE_H
#define DMA_DEVICE_H

#include "dma_eal.h"

#include <pthread.h>
#include <sched.h>

#include "dma_core.h"
#include "dma_modes.h"

#define DEV(state) (*(state))

static inline int
make_device(void **state)
{
	struct gantry_dma_params p = {
		.name = "test",
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_DIRECT,
	};

	*state = gantry_dma_dev_create(&p);
	assert_non_null(*state);
	assert_int_equal(gantry_dma_set_mask_and_coherent(*state, GANTRY_DMA_BIT_MASK(64)), 0);
	return 0;
}

static inline int
drop_device(void **state)
{
	gantry_dma_dev_destroy(*state);
	return 0;
}

#define ON_DEVICE(f) cmocka_unit_test_setup_teardown(f, make_device, drop_device)

/** Assert that the library's last error message of this thread contains `part`. */
static inline void
assert_reason(const char *part)
{
	if (strstr(gantry_dma_last_error(), part) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", gantry_dma_last_error(), part);
}

/**
 * Compute the bus address that direct mode must return.
 * @return ptr in IOVA-as-VA, its physical address in IOVA-as-PA (needs root)
 */
static inline gantry_dma_addr_t
expected_bus(const void *ptr)
{
	gantry_phys_addr_t phys;

	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		return (uintptr_t)ptr;
	assert_int_equal(gantry_virt_to_phys(ptr, &phys), 0);
	return phys;
}

/**
 * Start a thread that may run on any CPU.
 *
 * EAL has bound the calling thread to one CPU, and a new thread would inherit that.
 */
static inline void
start_thread(pthread_t *thread, void *(*fn)(void *arg), void *arg)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	unsigned int i;

	CPU_ZERO(&cpus);
	for (i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &cpus);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus), 0);
	assert_int_equal(pthread_create(thread, &attr, fn, arg), 0);
	pthread_attr_destroy(&attr);
}

/*
 * The books. The bus address is that of direct mode, because the tests check the pairs of map and
 * unmap, not the addresses.
 */
static struct {
	rte_spinlock_t lock;
	unsigned int fail_at; /* mapping, from 1, that fails; 0: none */
	unsigned int maps, unmaps, syncs;
	unsigned int live;
	unsigned int wrong; /* unmaps and syncs without a matching mapping */
	struct {
		gantry_dma_addr_t addr;
		size_t size;
		enum gantry_dma_dir dir;
	} at[1024];
} books;

static inline gantry_dma_addr_t
books_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	gantry_dma_addr_t addr = gantry_virt_to_bus(dev, ptr);

	rte_spinlock_lock(&books.lock);
	if (++books.maps == books.fail_at || books.live == RTE_DIM(books.at) ||
			addr == GANTRY_DMA_MAPPING_ERROR) {
		dma_fail("%s: a mapping that fails", dma_device(dev)->name);
		addr = GANTRY_DMA_MAPPING_ERROR;
	} else {
		books.at[books.live].addr = addr;
		books.at[books.live].size = size;
		books.at[books.live++].dir = dir;
	}
	rte_spinlock_unlock(&books.lock);
	return addr;
}

static inline void
books_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
	unsigned int i = 0;

	rte_spinlock_lock(&books.lock);
	while (i < books.live &&
			(books.at[i].addr != addr || books.at[i].size != size ||
					books.at[i].dir != dir))
		i++;
	if (i == books.live)
		books.wrong++;
	else
		books.at[i] = books.at[--books.live];
	books.unmaps++;
	rte_spinlock_unlock(&books.lock);
}

static inline void
books_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		bool for_cpu, const void *site)
{
	unsigned int i = 0;

	rte_spinlock_lock(&books.lock);
	while (i < books.live &&
			(addr < books.at[i].addr || books.at[i].dir != dir ||
					addr - books.at[i].addr + size > books.at[i].size))
		i++;
	books.wrong += i == books.live;
	books.syncs++;
	rte_spinlock_unlock(&books.lock);
}

/**
 * Start new books for a device.
 * @param fail_at  the mapping, from 1, that is to fail; 0: none
 */
static inline void
books_open(struct gantry_dma_dev *dev, unsigned int fail_at)
{
	static const struct gantry_dma_mode mode = {
		.name = "books",
		.map = books_map,
		.unmap = books_unmap,
		.sync = books_sync,
	};

	memset(&books, 0, sizeof(books));
	books.fail_at = fail_at;
	dma_set_mode(dev, &mode);
}

/** Assert that everything was unmapped with the values it was mapped with, and remove the mode. */
static inline void
books_close(struct gantry_dma_dev *dev)
{
	dma_set_mode(dev, &dma_direct_mode);
	assert_int_equal(books.wrong, 0);
	assert_int_equal(books.live, 0);
}

#endif /* DMA_DEVICE_H */
