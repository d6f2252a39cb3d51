/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Two servers in one process: a client exhausts only its own share of mappings, descriptors and
 * memory, and the server reports which limit the client has reached.
 */

#include <fcntl.h>
#include <sys/syscall.h>

#include "vfu_test.h"

#define UNIT 0x200000u /* part of a file that shares a mapping (server_window.c) */
#define MAPS 20

static struct device a, b;

static void
start(const struct vfu_limits *limits)
{
	device_start_limits(&a, SOON_MS, limits);
	device_start_limits(&b, SOON_MS, limits);
}

static void
stop(void)
{
	device_stop(&a);
	device_stop(&b);
}

/**
 * Map one unit after the other, from the first one on, until the server refuses.
 *
 * @param error   receives the error number of the refusal
 *
 * @return the number of units that were mapped
 */
static unsigned int
map_until_refused(int s, int mem, unsigned int first, int *error)
{
	unsigned int n = 0;

	while ((*error = raw_map(s, mem, (uint64_t)(first + n) * UNIT, (uint64_t)(first + n) * UNIT,
				4096, RW)) == 0 &&
			n < 4 * MAPS)
		n++;
	return n;
}

static void
mappings_of_one_client_leave_those_of_the_other(void **state)
{
	const struct vfu_limits limits = { .max_maps = MAPS };
	int mem = memory_file(8 * MAPS * UNIT), s, t, error;

	start(&limits);
	s = raw_attach(&a);
	t = raw_attach(&b);
	assert_int_equal(map_until_refused(s, mem, 0, &error), MAPS);
	assert_int_equal(error, ENOSPC);
	assert_non_null(strstr(a.line,
			"this client has 20 mappings of files here, its limit is max_maps=20"));
	/* A page that shares a mapping, and memory without a descriptor, count for no mapping. */
	assert_int_equal(raw_map(s, mem, 4096, 4096, 4096, RW), 0);
	assert_int_equal(raw_map(s, -1, 0, 1ull << 40, 1ull << 30, RW), 0);
	assert_int_equal(map_until_refused(t, mem, 0, &error), MAPS);

	assert_int_equal(raw_unmap(s, UNIT, 4096), 0);
	assert_int_equal(map_until_refused(s, mem, MAPS, &error), 1);
	assert_int_equal(raw_unmap(s, 0, MAPS * (uint64_t)UNIT), 0);
	assert_int_equal(map_until_refused(s, mem, 2 * MAPS, &error), MAPS - 1);
	close(s);
	s = raw_attach(&a);
	assert_int_equal(map_until_refused(s, mem, 0, &error), MAPS);
	close(s);
	close(t);
	close(mem);
	stop();
}

/* The server announces no more mappings than its client may have, so that QEMU knows the limit. */
static void
announced_number_of_mappings_is_within_the_limit(void **state)
{
	static const char payload[] = "\0\0\1\0{\"capabilities\":{\"max_dma_maps\":65535}}";
	const struct vfu_limits limits = { .max_maps = MAPS };
	char reply[4096] = "";
	int s;

	start(&limits);
	s = raw_connect(a.path);
	raw_command_fds(s, VFIO_USER_VERSION, payload, sizeof(payload), NULL, 0, reply, NULL);
	assert_non_null(strstr(reply + 4, "\"max_dma_maps\":20"));
	close(s);
	stop();
}

static void
mapped_memory_of_one_client_leaves_that_of_the_other(void **state)
{
	static const char iopt[] = "\0\0\1\0{\"capabilities\":{\"" VFU_CAP_IO_PAGE_TABLE "\":1}}";
	const struct vfu_limits limits = { .max_mem = 4 * UNIT };
	struct vfio_user_io_page_table q = { .argsz = sizeof(q), .nr = UNIT / 8 };
	int table = memfd_create("gantry-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int mem = memory_file(8 * UNIT), s, t, error;

	start(&limits);
	s = raw_connect(a.path);
	assert_int_equal(raw_command(s, VFIO_USER_VERSION, iopt, sizeof(iopt)), 0);
	t = raw_attach(&b);
	assert_int_equal(map_until_refused(s, mem, 0, &error), 4);
	assert_int_equal(error, ENOSPC);
	assert_non_null(strstr(a.line,
			"has 8 MiB of files mapped here, its limit is max_mem=8, and this needs 2 more"));
	/*
	 * A mapping larger than the limit overflows no counter. The page table counts as mapped
	 * memory.
	 */
	assert_int_equal(raw_unmap(s, 0, 4 * UNIT), 0);
	assert_int_equal(raw_map(s, mem, 0, 0, 5 * UNIT, RW), ENOSPC);
	assert_int_equal(raw_map(s, mem, 0, 0, 4 * UNIT, RW), 0);
	assert_int_equal(ftruncate(table, UNIT), 0);
	assert_int_equal(fcntl(table, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &q, sizeof(q), table), ENOSPC);
	assert_non_null(strstr(a.line, "IO_PAGE_TABLE"));
	assert_int_equal(raw_unmap(s, 0, 4 * UNIT), 0);
	assert_int_equal(raw_command_fd(s, VFIO_USER_IO_PAGE_TABLE, &q, sizeof(q), table), 0);
	assert_int_equal(map_until_refused(s, mem, 0, &error), 3);
	assert_int_equal(map_until_refused(t, mem, 0, &error), 4);
	close(s);
	wait_until(a.detached == 1);
	s = raw_attach(&a);
	assert_int_equal(map_until_refused(s, mem, 0, &error), 4);
	close(s);
	close(t);

	/* Huge pages were set aside before: nobody is charged for them. */
	close(mem);
	mem = memfd_create("gantry-huge", MFD_CLOEXEC | MFD_HUGETLB | 21u << 26 /* 2 MiB */);
	assert_true(mem >= 0);
	assert_int_equal(ftruncate(mem, 8 * UNIT), 0);
	wait_until(a.detached == 2);
	s = raw_attach(&a);
	assert_int_equal(raw_map(s, mem, 0, 0, 8 * UNIT, RW), 0);
	close(s);
	close(table);
	close(mem);
	stop();
}

static int
wire(int s, unsigned int start, unsigned int count, const int *fds)
{
	struct vfio_irq_set q = { sizeof(q),
		VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX,
		start, count };

	return (int)raw_command_fds(s, VFIO_USER_DEVICE_SET_IRQS, &q, sizeof(q), fds, count, NULL,
			NULL)
			.error_no;
}

static void
descriptors_of_one_client_leave_those_of_the_other(void **state)
{
	const struct vfu_limits limits = { .max_fds = 11 };
	int fds[10], s, t, before;

	start(&limits);
	for (unsigned int i = 0; i < 10; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC);
	before = count_fds();
	s = raw_attach(&a);
	t = raw_attach(&b);
	/* With the connection's socket these are as many descriptors as the client may have. */
	assert_int_equal(wire(s, 0, 10, fds), 0);
	assert_int_equal(wire(s, 10, 1, fds), EMFILE);
	assert_non_null(strstr(a.line,
			"this client has 12 file descriptors open here, its limit is max_fds=11"));
	assert_true(count_fds() <= before + 4 + 10);
	assert_int_equal(wire(t, 0, 10, fds), 0);

	/*
	 * The server receives a message that it refuses for its descriptors, so that the sender
	 * learns why.
	 */
	assert_int_equal(wire(s, 0, 10, fds), EMFILE);
	for (unsigned int i = 0; i < 200; i++) {
		/* The server counts no descriptor twice, or forever. */
		assert_int_equal(wire(s, 0, 0, NULL), EINVAL);
		assert_int_equal(raw_map(s, -1, 0, 4096, 4096, RW), 0);
		assert_int_equal(raw_unmap(s, 4096, 4096), 0);
	}
	close(s);
	wait_until(a.detached == 1);
	s = raw_attach(&a);
	for (unsigned int i = 0; i < 50; i++) { /* the former socket may not be closed yet */
		assert_int_equal(wire(s, 0, 4, fds), 0);
		assert_int_equal(raw_map(s, fds[0], 0, 0, 4096, RW), EINVAL);
	}
	close(s);
	close(t);
	wait_until(a.detached == 2 && b.detached == 1);
	wait_until(count_fds() <= before);
	for (unsigned int i = 0; i < 10; i++)
		close(fds[i]);
	stop();
}

/* Replace the C library's munmap(), and record the most bytes that one call unmapped. */
static _Atomic uint64_t most_unmapped;

int
munmap(void *addr, size_t len)
{
	if (len > most_unmapped)
		most_unmapped = len;
	return (int)syscall(SYS_munmap, addr, len);
}

/* A neighbour waits for at most one step of an unmap. */
static void
large_ranges_are_unmapped_in_steps(void **state)
{
	const uint64_t size = 1ull << 30;
	int mem = memory_file(size), s;
	char line[256];
	FILE *maps;

	start(NULL);
	s = raw_attach(&a);
	most_unmapped = 0;
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(raw_map(s, mem, 0, 0, size, RW), 0);
		assert_int_equal(raw_map(s, mem, 4096, 2 * size, size - 8192, RW), 0);
		assert_int_equal(raw_map(s, mem, 4096, 4 * size, 4096, RW), 0);
		if (i == 0) {
			assert_int_equal(raw_unmap(s, 0, size), 0);
		} else if (i == 2) {
			close(s);
			wait_until(a.detached == 1);
			break;
		}
		assert_int_equal(raw_unmap(s, 0, 5 * size), 0);
	}
	assert_in_range(most_unmapped, 1, 64 << 20);
	stop();
	close(mem);
	maps = fopen("/proc/self/maps", "r");
	while (fgets(line, sizeof(line), maps) != NULL)
		assert_null(strstr(line, "gantry-test"));
	fclose(maps);
}

static _Atomic unsigned int replaced;

void *
mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	replaced += (flags & MAP_FIXED) != 0;
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

/*
 * Each access to a truncated mapping raises a signal in the polling thread, whose handler looks
 * up the mapping. A thousand of them in one poll would stall the thread. After the first one
 * there is none.
 */
static void
truncating_many_mappings_is_one_signal(void **state)
{
	struct vfu_dma_fault fault = { .why = VFU_DMA_NOT_MAPPED };
	int mem = memory_file(8 * UNIT), s, error, ret = 0;
	unsigned int ptrs = 0;
	uint32_t v;

	start(NULL);
	s = raw_attach(&a);
	assert_int_equal(map_until_refused(s, mem, 0, &error), 8);
	assert_int_equal(ftruncate(mem, 0), 0);
	replaced = 0;
	vfu_rcu_online();
	for (unsigned int i = 0; i < 8; i++) {
		ptrs += vfu_dma_ptr(a.server, i * UNIT, 4, VFU_DMA_READ) != NULL;
		if (dma_read(a.server, i * UNIT, &v, sizeof(v)) == -EFAULT)
			ret++;
		if (vfu_dma_write(a.server, i * UNIT, &v, sizeof(v)) == -EFAULT)
			ret++;
	}
	fault = *vfu_dma_last_fault();
	vfu_rcu_quiescent();
	vfu_rcu_offline();
	assert_int_equal(ret, 16);
	assert_int_equal(ptrs, 1);
	assert_int_equal(replaced, 1);
	assert_int_equal(fault.why, VFU_DMA_TRUNCATED);
	wait_until(a.detached == 1);
	close(s);
	stop();
	close(mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_of_one_client_leave_those_of_the_other),
		cmocka_unit_test(announced_number_of_mappings_is_within_the_limit),
		cmocka_unit_test(mapped_memory_of_one_client_leaves_that_of_the_other),
		cmocka_unit_test(descriptors_of_one_client_leave_those_of_the_other),
		cmocka_unit_test(large_ranges_are_unmapped_in_steps),
		cmocka_unit_test(truncating_many_mappings_is_one_signal),
	};

	vfu_rcu_register();
	vfu_rcu_offline();
	return cmocka_run_group_tests_name("vfio_user_limits", tests, NULL, NULL);
}
