/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the memory that a device reaches through the vfio-user bus (drivers/bus/vfio_user), as
 * its server sees it (bus_server.h): EAL memory, memory of the application, claim, page table, and
 * the promise of an unmap.
 */

#include "bus_server.h"

static int
page_seen(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	uint64_t *bytes = arg;

	assert_true(device_sees(&main_server, ms->iova, ms->addr, 64));
	*bytes += ms->len;
	return 0;
}

/* The device reaches all of EAL memory at its bus addresses, and nothing else. */
static void
device_reaches_all_eal_memory_and_no_more(void **state)
{
	uint64_t want = 0, have, maps;

	rte_memseg_walk(page_seen, &want);
	maps = device_maps(&main_server, &have);
	assert_int_equal(have, want);
	print_message("%" PRIu64 " bytes in %" PRIu64 " mappings\n", have, maps);
	if (!eal_huge() || *state != NULL)
		assert_int_equal(maps, 1);
	assert_true(maps <= want / (2 << 20) + 1);
	assert_int_equal(device_read(&main_server, 0, &maps, 8), -EFAULT);
}

/* The page frame number from the kernel's pagemap. The caller must have touched p. */
static uint64_t
frame_of(const volatile void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8), 8);
	close(fd);
	assert_true(entry >> 63); /* present */
	return entry & ((UINT64_C(1) << 55) - 1);
}

static void
fill(uint8_t *p, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i * 7);
}

/*
 * One buffer through its three addresses: X is the virtual, Y the physical and Z the bus address.
 * Each of them leads to the same bytes. Z is the device's view, in a mapping of its own, by bus
 * address. The test cannot access physical memory as such. For Y it uses a second mapping, which
 * the kernel reports as the page frame that gantry_virt_to_phys() named (needs root).
 */
static void
virtual_physical_and_bus_address_lead_to_same_bytes(void **state)
{
	struct gantry_dma_params params = { .name = "follow", .socket_id = SOCKET_ID_ANY };
	struct gantry_dma_dev *dma = gantry_dma_dev_create(&params);
	const size_t len = 1500;
	uint8_t *x = rte_zmalloc(NULL, 8192, 4096), *y = NULL, *second = NULL;
	uint8_t want[1500], got[1500];
	struct rte_memseg *ms = NULL;
	gantry_phys_addr_t phys;
	gantry_dma_addr_t z;
	size_t off = 0;
	int fd;

	assert_non_null(dma);
	assert_non_null(x);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dma, GANTRY_DMA_BIT_MASK(64)), 0);
	x += 100; /* not at the start of a page */

	if (geteuid() == 0) {
		ms = rte_mem_virt2memseg(x, NULL);
		assert_non_null(ms);
		fd = rte_memseg_get_fd(ms);
		assert_true(fd >= 0);
		assert_int_equal(rte_memseg_get_fd_offset(ms, &off), 0);
		second = mmap(NULL, ms->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off);
		assert_ptr_not_equal(second, MAP_FAILED);
		y = second + (x - (uint8_t *)ms->addr);
		assert_ptr_not_equal(x, y);
	}

	for (int turn = 0; turn < 3; turn++) {
		/* The CPU writes at X, the device reads. */
		fill(want, len, turn);
		memcpy(x, want, len);
		z = gantry_dma_map_single(dma, x, len, GANTRY_DMA_BIDIRECTIONAL);
		assert_false(gantry_dma_mapping_error(dma, z));
		assert_int_equal(device_read(&main_server, z, got, len), 0);
		assert_memory_equal(got, want, len);
		if (y != NULL) {
			assert_memory_equal(y, want, len);
			assert_int_equal(gantry_virt_to_phys(x, &phys), 0);
			assert_int_equal(frame_of(y), phys / PAGE);
			assert_int_equal(phys % PAGE, (uintptr_t)x % PAGE);
			if (rte_eal_iova_mode() == RTE_IOVA_PA)
				assert_int_equal(z, phys);
		}

		/* The device writes at Z, the CPU reads. */
		fill(want, len, 100 + turn);
		assert_int_equal(device_write(&main_server, z, want, len), 0);
		gantry_dma_sync_single_for_cpu(dma, z, len, GANTRY_DMA_BIDIRECTIONAL);
		assert_memory_equal(x, want, len);
		if (y != NULL)
			assert_memory_equal(y, want, len);
		gantry_dma_sync_single_for_device(dma, z, len, GANTRY_DMA_BIDIRECTIONAL);

		/* CPU and device both see a write to the page frame itself. */
		if (y != NULL) {
			fill(want, len, 200 + turn);
			memcpy(y, want, len);
			assert_memory_equal(x, want, len);
			assert_int_equal(device_read(&main_server, z, got, len), 0);
			assert_memory_equal(got, want, len);
		}
		gantry_dma_unmap_single(dma, z, len, GANTRY_DMA_BIDIRECTIONAL);
	}
	if (y != NULL) {
		print_message("X %p  Y 0x%" PRIx64 "  Z 0x%" PRIx64 "\n", (void *)x, phys, z);
		munmap(second, ms->len);
	}
	rte_free(x - 100);
	gantry_dma_dev_destroy(dma);
}

/* Memory that EAL adds and removes while the device is attached. */
static void
memory_events_map_and_unmap(void **state)
{
	const size_t len = 128 << 20;
	uint64_t before, maps = device_maps(&main_server, &before), bytes;
	const struct rte_memseg *ms;
	rte_iova_t bus;
	unsigned int i;
	uint8_t *p;

	if (!eal_huge() || eal_free_hugepages() < 80) {
		print_message("needs 80 free hugepages: EAL memory grows only with them\n");
		skip();
	}
	for (i = 0; i < 3; i++) {
		p = rte_zmalloc(NULL, len, 0);
		assert_non_null(p);
		ms = rte_mem_virt2memseg(p + len - 4096, NULL);
		bus = ms->iova + (p + len - 4096 - (uint8_t *)ms->addr);
		assert_true(device_sees(&main_server, bus, p + len - 4096, 64));
		device_maps(&main_server, &bytes);
		assert_true(bytes >= before + len - (8 << 20));
		rte_free(p);
		assert_int_equal(device_read(&main_server, bus, &bytes, 8), -EFAULT);
		assert_int_equal(device_maps(&main_server, &bytes), maps);
		assert_int_equal(bytes, before);
	}
	assert_true(rte_vfio_user_alive(probed));
}

/* Memory of the application has no file, so the device requests it by message. */
static void
application_memory_is_read_by_message(void **state)
{
	const size_t len = 16 * PAGE;
	const uint64_t bus = ELSEWHERE;
	uint64_t maps = device_maps(&main_server, NULL);
	struct rte_device *dev = &probed->device;
	uint8_t *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[32];

	assert_int_equal(rte_extmem_register(mem, len, NULL, 0, PAGE), 0);
	assert_int_equal(device_maps(&main_server, NULL), maps);
	assert_int_equal(rte_dev_dma_map(dev, mem, bus, len), 0);
	assert_int_equal(device_maps(&main_server, NULL), maps + 1);
	strcpy((char *)mem + 5000, "from the driver");
	assert_int_equal(device_read(&main_server, bus + 5000, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "from the driver");
	assert_int_equal(device_write(&main_server, bus + 6000, "from the device", 16), 0);
	assert_string_equal((char *)mem + 6000, "from the device");
	assert_int_equal(device_read(&main_server, bus + len - 8, buf, 16), -EFAULT);

	/*
	 * Map again, over a part, unaligned, empty, without or with an unknown permission,
	 * wrapping; unmap another size.
	 */
	assert_true(rte_vfio_user_dma_map(probed, mem, bus, len, RW) == -EEXIST);
	assert_true(rte_vfio_user_dma_map(probed, mem, bus - PAGE, 2 * PAGE, RW) == -EEXIST);
	assert_true(rte_vfio_user_dma_map(probed, mem, bus + 1, PAGE, RW) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, bus, 0, RW) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, 0x5000, PAGE, 0) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, 0x5000, PAGE, 4) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, -(uint64_t)PAGE, 2 * PAGE, RW) == -EINVAL);
	assert_true(rte_vfio_user_dma_unmap(probed, mem, bus, PAGE) == -ENOENT);
	assert_int_equal(rte_dev_dma_unmap(dev, mem, bus, len), 0);
	assert_int_equal(device_read(&main_server, bus + 5000, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(device_maps(&main_server, NULL), maps);
	assert_int_equal(rte_extmem_unregister(mem, len), 0);

	/* EAL memory at a second bus address: the bus finds its file. */
	mem = rte_malloc(NULL, PAGE, PAGE);
	assert_int_equal(rte_vfio_user_dma_map(probed, mem, bus, PAGE, RW), 0);
	assert_true(device_sees(&main_server, bus, mem, 64));
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem, bus, PAGE), 0);
	rte_free(mem);
}

/* Each permission alone, in EAL memory and in memory without a file. */
static void
each_permission_is_enforced_alone(void **state)
{
	uint8_t *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *mems[2] = { own, rte_malloc(NULL, PAGE, PAGE) };
	const uint64_t bus = ELSEWHERE;
	char buf[8] = "device";

	for (unsigned int i = 0; i < 2; i++) {
		strcpy((char *)mems[i], "driver");
		assert_int_equal(rte_vfio_user_dma_map(probed, mems[i], bus, PAGE,
						 RTE_VFIO_USER_DMA_WRITE),
				0);
		assert_int_equal(device_read(&main_server, bus, buf, sizeof(buf)), -EFAULT);
		assert_int_equal(device_write(&main_server, bus, buf, sizeof(buf)), 0);
		assert_string_equal((char *)mems[i], "device");
		assert_int_equal(rte_vfio_user_dma_unmap(probed, mems[i], bus, PAGE), 0);

		assert_int_equal(rte_vfio_user_dma_map(probed, mems[i], bus, PAGE,
						 RTE_VFIO_USER_DMA_READ),
				0);
		strcpy((char *)mems[i], "driver");
		assert_int_equal(device_write(&main_server, bus, buf, sizeof(buf)), -EFAULT);
		assert_string_equal((char *)mems[i], "driver");
		assert_int_equal(device_read(&main_server, bus, buf, sizeof(buf)), 0);
		assert_string_equal(buf, "driver");
		assert_int_equal(rte_vfio_user_dma_unmap(probed, mems[i], bus, PAGE), 0);
		strcpy(buf, "device");
	}
	munmap(own, PAGE);
	rte_free(mems[1]);
}

/* Memory in a file of the driver. */
static void
pages_of_a_file_are_mapped(void **state)
{
	const uint64_t bus = ELSEWHERE;
	uint64_t maps = device_maps(&main_server, NULL);
	int fd = memfd_create("arena", MFD_CLOEXEC), pipes[2];
	uint8_t *mem;

	assert_int_equal(ftruncate(fd, 8 * PAGE), 0);
	mem = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, (struct rte_vfio_user_dma_file){ -1, 0 },
					 mem, bus, PAGE, RW),
			-EBADF);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed,
					 (struct rte_vfio_user_dma_file){ fd, 7 * PAGE }, mem, bus,
					 2 * PAGE, RW),
			-EINVAL);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed,
					 (struct rte_vfio_user_dma_file){ fd, 100 }, mem, bus, PAGE,
					 RW),
			-EINVAL);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, (struct rte_vfio_user_dma_file){ fd, 0 },
					 mem, bus, 100, RW),
			-EINVAL);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed,
					 (struct rte_vfio_user_dma_file){ pipes[0], 0 }, mem, bus,
					 PAGE, RW),
			-EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(device_maps(&main_server, NULL), maps);

	/*
	 * Two pages of the file, in reverse order. The driver may close the descriptor afterwards.
	 */
	assert_int_equal(rte_vfio_user_dma_map_fd(probed,
					 (struct rte_vfio_user_dma_file){ fd, 3 * PAGE },
					 mem + 3 * PAGE, bus, PAGE, RW),
			0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed,
					 (struct rte_vfio_user_dma_file){ fd, 2 * PAGE },
					 mem + 2 * PAGE, bus + PAGE, PAGE, RTE_VFIO_USER_DMA_READ),
			0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, (struct rte_vfio_user_dma_file){ fd, 0 },
					 mem, bus + PAGE, PAGE, RW),
			-EEXIST);
	close(fd);
	fill(mem, 8 * PAGE, 1);
	assert_true(device_sees(&main_server, bus, mem + 3 * PAGE, PAGE));
	assert_true(device_sees(&main_server, bus + PAGE, mem + 2 * PAGE, PAGE));
	assert_int_equal(device_write(&main_server, bus + PAGE, "x", 1), -EFAULT);
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem, bus, PAGE), -ENOENT);
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem + 3 * PAGE, bus, PAGE), 0);
	assert_false(device_sees(&main_server, bus, mem + 3 * PAGE, PAGE));
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem + 2 * PAGE, bus + PAGE, PAGE), 0);
	assert_int_equal(device_maps(&main_server, NULL), maps);
	munmap(mem, 8 * PAGE);
}

static int
page_hidden(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	char byte;

	assert_int_equal(device_read(arg, ms->iova, &byte, 1), -EFAULT);
	return 0;
}

/* After a claim, none of the bus' own mappings remains, and the bus adds none. */
static void
claim_removes_all_bus_mappings(void **state)
{
	struct rte_vfio_user_device *first = probed, *dev;
	const uint64_t bus = ELSEWHERE;
	struct server second;
	char path[64];
	void *mem;

	snprintf(path, sizeof(path), "%s/claimed", dir);
	serve(&second, path, DEVICE, true);
	assert_int_equal(plug(path), 0);
	dev = probed;
	mem = rte_malloc(NULL, PAGE, PAGE);
	assert_int_equal(rte_vfio_user_dma_map(dev, mem, bus, PAGE, RW), 0);
	assert_true(device_maps(&second, NULL) > 1);
	assert_int_equal(rte_vfio_user_dma_claim(dev), 0);
	assert_int_equal(device_maps(&second, NULL), 1); /* the driver's own mapping remains */
	assert_true(device_sees(&second, bus, mem, 64));
	rte_memseg_walk(page_hidden, &second);
	assert_int_equal(rte_vfio_user_dma_claim(dev), 0);
	/* Mappings of the application are useless from now on: they succeed without effect. */
	assert_int_equal(rte_dev_dma_map(&dev->device, mem, 2 * bus, PAGE), 0);
	assert_int_equal(rte_dev_dma_unmap(&dev->device, mem, 2 * bus, PAGE), 0);
	assert_int_equal(device_maps(&second, NULL), 1);

	if (eal_huge() && eal_free_hugepages() >= 80) {
		void *more = rte_zmalloc(NULL, 128 << 20, 0);

		assert_non_null(more);
		assert_int_equal(device_maps(&second, NULL), 1);
		rte_memseg_walk(page_hidden, &second);
		assert_true(device_maps(&main_server, NULL) > 1); /* that device is not claimed */
		rte_free(more);
	}
	/* The driver may now use the bus addresses of EAL for mappings of its own. */
	assert_int_equal(rte_vfio_user_dma_map(dev, mem, rte_malloc_virt2iova(mem), PAGE, RW), 0);
	assert_true(device_sees(&second, rte_malloc_virt2iova(mem), mem, 64));
	assert_int_equal(rte_dev_remove(&dev->device), 0);
	assert_int_equal(device_maps(&second, NULL), 0);

	/* The next driver of the device finds EAL memory mapped again. */
	assert_int_equal(plug(path), 0);
	assert_true(device_sees(&second, rte_malloc_virt2iova(mem), mem, 64));
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
	rte_free(mem);
}

/* 65,536 pages, each mapped by one message, no two of them adjacent. */
static void
many_separate_pages_can_be_mapped(void **state)
{
	enum { N = 65536 };
	const size_t len = (size_t)N * PAGE;
	int fd = memfd_create("many", MFD_CLOEXEC);
	uint64_t maps = device_maps(&main_server, NULL);
	const uint64_t bus = UINT64_C(1) << 50;
	uint8_t *mem;

	assert_int_equal(ftruncate(fd, len), 0);
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t page = i * 40503 % N; /* odd factor: each page once */

		assert_int_equal(rte_vfio_user_dma_map_fd(probed,
						 (struct rte_vfio_user_dma_file){ fd,
								 (uint64_t)page * PAGE },
						 mem + (size_t)page * PAGE,
						 bus + (uint64_t)i * 2 * PAGE, PAGE, RW),
				0);
	}
	assert_int_equal(device_maps(&main_server, NULL), maps + N);
	for (uint32_t i = 0; i < N; i += 97)
		assert_true(device_sees(&main_server, bus + (uint64_t)i * 2 * PAGE,
				mem + (size_t)(i * 40503 % N) * PAGE, 8));
	for (uint32_t i = 0; i < N; i++) {
		uint32_t k = i * 3 % N;

		assert_int_equal(rte_vfio_user_dma_unmap(probed,
						 mem + (size_t)(k * 40503 % N) * PAGE,
						 bus + (uint64_t)k * 2 * PAGE, PAGE),
				0);
	}
	assert_int_equal(device_maps(&main_server, NULL), maps);
	munmap(mem, len);
	close(fd);
}

/*
 * The I/O page table, from the driver's call to the device's access: the device reaches EAL memory
 * at the bus addresses of valid entries, and nowhere else.
 */
static void
page_table_entry_alone_gives_access(void **state)
{
	enum { N = 512 };
	const uint64_t base = 0x40000000;
	struct rte_vfio_user_device *first = probed, *dev;
	struct server second;
	uint64_t *entries, *none;
	uint8_t *mem, buf[64];
	rte_iova_t iova;
	char path[64];

	snprintf(path, sizeof(path), "%s/paged", dir);
	serve(&second, path, DEVICE, true);
	assert_int_equal(plug(path), 0);
	dev = probed;
	mem = rte_zmalloc(NULL, 2 * PAGE, PAGE);
	fill(mem, 2 * PAGE, 7);
	iova = rte_malloc_virt2iova(mem);
	assert_true(device_sees(&second, iova, mem, 64));

	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, 0, &none), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base + 1, N, &none), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, SIZE_MAX, &none), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, 0 - (uint64_t)PAGE, 2, &none), -EINVAL);
	assert_true(device_sees(&second, iova, mem, 64)); /* unchanged */
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, N, &entries), 0);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, N, &none), -EEXIST);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(entries[i], 0);
	rte_memseg_walk(page_hidden, &second);
	assert_int_equal(device_read(&second, base, buf, 1), -EFAULT);

	entries[N - 1] = iova | RW;
	assert_true(device_sees(&second, base + (N - 1) * PAGE, mem, PAGE));
	assert_int_equal(device_write(&second, base + (N - 1) * PAGE + 9, "stale", 6), 0);
	assert_string_equal((char *)mem + 9, "stale");
	assert_int_equal(device_read(&second, base + N * PAGE - 1, buf, 2), -EFAULT);
	entries[N - 1] = iova | RTE_VFIO_USER_DMA_READ;
	assert_int_equal(device_write(&second, base + (N - 1) * PAGE, buf, 1), -EFAULT);
	assert_int_equal(device_read(&second, base + (N - 1) * PAGE, buf, 1), 0);
	entries[N - 1] = 0;
	assert_int_equal(device_read(&second, base + (N - 1) * PAGE, buf, 1), -EFAULT);

	/* An entry that remains does not lead to a page that EAL has released. */
	if (eal_huge() && eal_free_hugepages() >= 80) {
		void *more = rte_zmalloc(NULL, 128 << 20, 0);

		assert_non_null(more);
		entries[0] = rte_malloc_virt2iova(more) / PAGE * PAGE | RW;
		assert_int_equal(device_read(&second, base, buf, 1), 0);
		rte_free(more);
		assert_int_equal(device_read(&second, base, buf, 1), -EFAULT);
	}
	/* After a claim, entries lead only to memory that the driver has mapped. */
	assert_int_equal(rte_vfio_user_dma_claim(dev), 0);
	entries[1] = iova | RW;
	assert_int_equal(device_read(&second, base + PAGE, buf, 1), -EFAULT);
	assert_int_equal(rte_vfio_user_dma_map(dev, mem, 0x7000, PAGE, RW), 0);
	entries[1] = 0x7000 | RW;
	assert_true(device_sees(&second, base + PAGE, mem, 64));
	assert_int_equal(device_read(&second, 0x7000, buf, 1), -EFAULT);
	assert_int_equal(rte_dev_remove(&dev->device), 0);

	/* The page table ended with the connection. */
	assert_int_equal(plug(path), 0);
	assert_true(device_sees(&second, iova, mem, 64));
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
	rte_free(mem);
}

/*
 * The promise of gantry_dma_unmap_single() in strict mode, from the driver's call to the device's
 * access. See promise.h.
 */

struct buffer {
	struct gantry_dma_dev *dma;
	uint8_t *mem;
};

static uint64_t
map_buffer(void *arg, unsigned int i)
{
	const struct buffer *b = arg;
	gantry_dma_addr_t addr = gantry_dma_map_single(b->dma, b->mem, 64, GANTRY_DMA_FROM_DEVICE);

	assert_false(gantry_dma_mapping_error(b->dma, addr));
	return addr;
}

static void
unmap_buffer(void *arg, const uint64_t *addr, unsigned int nr)
{
	gantry_dma_unmap_single(((struct buffer *)arg)->dma, *addr, 64, GANTRY_DMA_FROM_DEVICE);
}

/*
 * Without a page table the server itself unmaps what the driver unmaps, so a device that caches a
 * translation would have an invalid pointer. For the same check to catch such a device, and not to
 * crash, it asks the server for permission, and then writes through the driver's pointer.
 */
struct beside {
	struct vfu_server *srv;
	uint8_t *mem;
	unsigned int accesses;
};

static uint8_t *
beside_ptr(void *device, uint64_t addr)
{
	struct beside *b = device;
	const bool may = promise_server_ptr(b->srv, addr) != NULL;

	/* As a device does: translate first, write some time later. */
	for (unsigned int spin = b->accesses++ % 16 != 0 ? 0 : 500; spin > 0; spin--)
		rte_pause();
	return may ? b->mem : NULL;
}

static void
promised(bool page_table, unsigned int times)
{
	struct rte_vfio_user_device *first = probed;
	struct gantry_dma_params params = {
		.name = "promise",
		.socket_id = SOCKET_ID_ANY,
		.ops = &vfio_user_dma_ops,
		.has_iommu = true,
		.mode = GANTRY_DMA_MODE_STRICT,
	};
	struct server second;
	struct buffer buffer;
	struct beside beside;
	struct promise p;
	char path[64];

	snprintf(path, sizeof(path), "%s/promises", dir);
	serve_as(&second, path, DEVICE, true, page_table);
	assert_int_equal(plug(path), 0);
	params.opaque = probed;
	buffer.dma = gantry_dma_dev_create(&params);
	assert_non_null(buffer.dma);
	assert_int_equal(gantry_dma_set_mask_and_coherent(buffer.dma, UINT64_MAX), 0);
	buffer.mem = rte_zmalloc(NULL, 64, 64);
	assert_non_null(buffer.mem);
	p = (struct promise){
		PROMISE_OF_SERVER(second.srv),
		.nr = 1,
		.memory = { (uint64_t *)(void *)buffer.mem },
		.map = map_buffer,
		.unmap = unmap_buffer,
		.arg = &buffer,
	};
	if (!page_table) {
		beside = (struct beside){ .srv = second.srv, .mem = buffer.mem };
		p.device = &beside;
		p.translate = beside_ptr;
		p.ends = true;
	}
	promise_test(&p, times);
	gantry_dma_dev_destroy(buffer.dma);
	rte_free(buffer.mem);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
}

static void
unmap_by_page_table_keeps_promise(void **state)
{
	promised(true, 2000);
}

/* Each mapping is a DMA_MAP message, and its end a DMA_UNMAP message with its reply. */
static void
unmap_by_message_keeps_promise(void **state)
{
	promised(false, 500);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_reaches_all_eal_memory_and_no_more),
		cmocka_unit_test(virtual_physical_and_bus_address_lead_to_same_bytes),
		cmocka_unit_test(memory_events_map_and_unmap),
		cmocka_unit_test(application_memory_is_read_by_message),
		cmocka_unit_test(each_permission_is_enforced_alone),
		cmocka_unit_test(pages_of_a_file_are_mapped),
		cmocka_unit_test(many_separate_pages_can_be_mapped),
		cmocka_unit_test(claim_removes_all_bus_mappings),
		cmocka_unit_test(page_table_entry_alone_gives_access),
		cmocka_unit_test(unmap_by_page_table_keeps_promise),
		cmocka_unit_test(unmap_by_message_keeps_promise),
	};

	bus_begin(argc, argv);
	return bus_end(cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL,
			NULL));
}
