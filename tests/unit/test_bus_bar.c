/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the BARs of the vfio-user bus (vfio_user_bar.c, vfio_user_config.c): sizes, addresses and
 * mapped areas. The test replaces the client of lib/vfio_user: the functions below are the device.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>
#include <rte_memory.h>

#include "../common/fds.h"
#include "vfio_user_private.h"

#define PAGE UINT64_C(4096)
#define MB   (UINT64_C(1) << 20)

#define ALL (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY)

int vfio_user_logtype;

static uint8_t config[256];
static uint32_t writable[VFIO_USER_MAX_BARS]; /* bits of each BAR */
static struct vfu_region regions[VFIO_USER_MAX_BARS];
static unsigned int requests, fail_at; /* the request of this number fails, from 1 */
static struct vfio_user_priv priv;
static struct rte_vfio_user_device dev;
static int file, fds;

static int
result(void)
{
	return ++requests == fail_at ? -EIO : 0;
}

int
vfu_client_region_info(struct vfu_client *client, unsigned int index, struct vfu_region *region)
{
	*region = regions[index];
	if (fail_at != 0 && requests + 1 == fail_at)
		return result();
	if (region->fd >= 0)
		region->fd = fcntl(region->fd, F_DUPFD_CLOEXEC, 0);
	return result();
}

/* A BAR is accessed as a whole register. */
static bool
is_bar(uint64_t offset, size_t len)
{
	const bool is = offset >= PCI_BASE_ADDRESS_0 && offset < PCI_BASE_ADDRESS_5 + 4;

	assert_true(!is || (len == 4 && offset % 4 == 0));
	return is;
}

int
vfu_client_region_read(struct vfu_client *client, unsigned int index, uint64_t offset, void *buf,
		size_t len)
{
	assert_int_equal(index, VFIO_PCI_CONFIG_REGION_INDEX);
	is_bar(offset, len);
	memcpy(buf, config + offset, len);
	return result();
}

int
vfu_client_region_write(struct vfu_client *client, unsigned int index, uint64_t offset,
		const void *buf, size_t len)
{
	const unsigned int bar = (offset - PCI_BASE_ADDRESS_0) / 4;
	uint32_t v = 0, old;

	assert_int_equal(index, VFIO_PCI_CONFIG_REGION_INDEX);
	memcpy(&v, buf, len);
	if (is_bar(offset, len)) {
		/* No decoding while a BAR holds anything else than its address. */
		assert_int_equal(config[PCI_COMMAND] & ALL, PCI_COMMAND_PARITY);
		memcpy(&old, config + offset, sizeof(old));
		v = (v & writable[bar]) | (old & ~writable[bar]);
	}
	memcpy(config + offset, &v, len);
	return result();
}

#define EAL_END (UINT64_C(1) << 45) /* AddressSanitizer also leaves room there */

int __wrap_rte_memseg_list_walk(rte_memseg_list_walk_t fn, void *arg);

/* EAL memory, and external memory, which may be anywhere. */
int
__wrap_rte_memseg_list_walk(rte_memseg_list_walk_t fn, void *arg)
{
	static const struct rte_memseg_list lists[] = {
		{ .base_va = (void *)(EAL_END - 256 * MB), .len = 256 * MB },
		{ .base_va = (void *)(UINT64_C(1) << 32), .len = MB },
		{ .base_va = (void *)(UINT64_C(1) << 46), .len = MB, .external = 1 },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(lists); i++)
		assert_int_equal(fn(&lists[i], arg), 0);
	return 0;
}

static void
set_bar(unsigned int i, uint64_t size, uint32_t flags)
{
	memcpy(config + PCI_BASE_ADDRESS_0 + 4 * i, &flags, sizeof(flags));
	writable[i] = (uint32_t)-size;
	if (flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
		writable[i + 1] = (uint32_t)(-size >> 32);
	regions[i].size = size;
}

static uint32_t
bar_register(unsigned int i)
{
	uint32_t v;

	memcpy(&v, config + PCI_BASE_ADDRESS_0 + 4 * i, sizeof(v));
	return v;
}

static void
clear_config(void)
{
	memset(config, 0, sizeof(config));
	config[PCI_COMMAND] = ALL;
}

static int
device_new(void **state)
{
	unsigned int i;

	clear_config();
	memset(writable, 0, sizeof(writable));
	memset(regions, 0, sizeof(regions));
	memset(&priv, 0, sizeof(priv));
	memset(&dev, 0, sizeof(dev));
	requests = fail_at = 0;
	for (i = 0; i < VFIO_USER_MAX_BARS; i++)
		regions[i].fd = priv.bar_files[i].fd = -1;
	priv.client = (struct vfu_client *)&priv;
	dev.bus_private = &priv;
	dev.path = (char *)(uintptr_t) "device";
	file = memfd_create("bar", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(file, 64 * PAGE), 0);
	fds = count_fds();
	return 0;
}

static int
device_gone(void **state)
{
	vfio_user_bars_teardown(&dev);
	assert_int_equal(count_fds(), fds);
	close(file);
	return 0;
}

static void
six_kinds_of_bars(void)
{
	set_bar(0, 16 * PAGE, 0);
	set_bar(2, 32, PCI_BASE_ADDRESS_SPACE_IO);
	set_bar(3, MB, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH);
	set_bar(5, PAGE, 0xd0000000);
}

static void
bars_are_sized_and_get_addresses(void **state)
{
	struct rte_vfio_user_device second;

	six_kinds_of_bars();
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_true(dev.bars[0].size == 16 * PAGE && dev.bars[0].bus_addr == 0xe0000000);
	assert_true(!dev.bars[0].is_io && !dev.bars[0].is_64);
	assert_true(dev.bars[1].size == 0 && dev.bars[1].bus_addr == 0);
	assert_true(dev.bars[2].size == 32 && dev.bars[2].bus_addr == 0x1000);
	assert_true(dev.bars[2].is_io && !dev.bars[2].is_64);
	assert_true(dev.bars[3].size == MB && dev.bars[3].bus_addr == 0xe0100000);
	assert_true(dev.bars[3].is_64 && !dev.bars[3].is_io);
	assert_int_equal(dev.bars[4].size, 0);
	assert_true(dev.bars[5].size == PAGE && dev.bars[5].bus_addr == 0xd0000000);
	assert_int_equal(bar_register(0), 0xe0000000);
	assert_int_equal(bar_register(2), 0x1000 | PCI_BASE_ADDRESS_SPACE_IO);
	assert_int_equal(bar_register(3), 0xe010000c);
	assert_int_equal(bar_register(4), 0);
	assert_int_equal(bar_register(5), 0xd0000000);
	assert_int_equal(config[PCI_COMMAND], PCI_COMMAND_PARITY);

	/* A second device has a window of its own; the window of the first becomes free. */
	second = dev;
	memset(second.bars, 0, sizeof(second.bars));
	six_kinds_of_bars();
	assert_int_equal(vfio_user_bars_setup(&second), 0);
	assert_int_equal(second.bars[0].bus_addr, 0xe0400000);
	assert_int_equal(second.bars[2].bus_addr, 0x1100);
	vfio_user_bars_teardown(&dev);
	assert_int_equal(dev.bars[0].size, 0);
	six_kinds_of_bars();
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[0].bus_addr, 0xe0000000);
	vfio_user_bars_teardown(&second);
}

/* An address above 4 GiB, in both registers, as firmware may have left it. */
static void
address_of_64_bits_is_kept(void **state)
{
	const uint32_t high = 0x78000012;

	set_bar(0, UINT64_C(8) << 30, 0x40000000 | PCI_BASE_ADDRESS_MEM_TYPE_64);
	memcpy(config + PCI_BASE_ADDRESS_1, &high, sizeof(high));
	/* The last but one has a register for the upper half, the last BAR has none. */
	set_bar(4, MB, 0x50000000 | PCI_BASE_ADDRESS_MEM_TYPE_64);
	memcpy(config + PCI_BASE_ADDRESS_5, &high, sizeof(high));
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_true(dev.bars[4].is_64);
	assert_int_equal(dev.bars[4].bus_addr, UINT64_C(0x7800001250000000));
	clear_config();
	memset(&dev.bars, 0, sizeof(dev.bars));
	set_bar(0, UINT64_C(8) << 30, 0x40000000 | PCI_BASE_ADDRESS_MEM_TYPE_64);
	memcpy(config + PCI_BASE_ADDRESS_1, &high, sizeof(high));
	set_bar(4, 0, 0);
	set_bar(5, PAGE, 0xd0000000);
	config[PCI_BASE_ADDRESS_5] = PCI_BASE_ADDRESS_MEM_TYPE_64;
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[0].bus_addr, UINT64_C(0x7800001240000000));
	assert_int_equal(bar_register(1), high);
	assert_int_equal(dev.bars[0].size, UINT64_C(8) << 30);
	assert_false(dev.bars[5].is_64);
	assert_int_equal(dev.bars[5].bus_addr, 0xd0000000);
}

static void
absent_bars_are_sized_and_not_written_again(void **state)
{
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	/* The command; an address, the four steps of a size, and the region. */
	assert_int_equal(requests, 2 + VFIO_USER_MAX_BARS * (1 + 4 + 1));
}

static void
address_of_io_space_is_kept(void **state)
{
	set_bar(2, 32, 0x2000 | PCI_BASE_ADDRESS_SPACE_IO);
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[2].bus_addr, 0x2000);
	assert_int_equal(bar_register(2), 0x2000 | PCI_BASE_ADDRESS_SPACE_IO);
}

static void
bar_gets_no_address_if_the_window_is_full(void **state)
{
	set_bar(0, 4 * MB, 0);
	set_bar(1, PAGE, 0);
	set_bar(2, 128, PCI_BASE_ADDRESS_SPACE_IO);
	set_bar(3, 128, PCI_BASE_ADDRESS_SPACE_IO);
	set_bar(4, 4, PCI_BASE_ADDRESS_SPACE_IO);
	set_bar(5, PAGE, 0);
	regions[5].size = 2 * PAGE; /* not as configuration space has it */
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[0].bus_addr, 0xe0000000);
	assert_int_equal(dev.bars[1].bus_addr, 0);
	assert_int_equal(dev.bars[2].bus_addr, 0x1000);
	assert_int_equal(dev.bars[3].bus_addr, 0x1080);
	assert_int_equal(dev.bars[4].bus_addr, 0);
	assert_int_equal(dev.bars[5].bus_addr, 0);
	assert_int_equal(dev.bars[5].size, 2 * PAGE);
}

static void
device_beyond_the_last_window_gets_no_address(void **state)
{
	static struct rte_vfio_user_device all[64];
	unsigned int i;

	for (i = 0; i < RTE_DIM(all); i++) {
		all[i] = dev;
		set_bar(0, PAGE, 0);
		assert_int_equal(vfio_user_bars_setup(&all[i]), 0);
		assert_int_equal(all[i].bars[0].bus_addr, 0xe0000000 + i * 4 * MB);
	}
	set_bar(0, PAGE, 0);
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[0].bus_addr, 0);
	for (i = 0; i < RTE_DIM(all); i++)
		vfio_user_bars_teardown(&all[i]);
}

static void
failed_request_is_returned_and_leaves_no_file(void **state)
{
	unsigned int n;
	int ret = -EIO;

	for (n = 1; ret != 0; n++) {
		clear_config();
		six_kinds_of_bars();
		regions[0].fd = file;
		regions[0].flags = VFIO_REGION_INFO_FLAG_MMAP;
		requests = 0;
		fail_at = n;
		ret = vfio_user_bars_setup(&dev);
		assert_int_equal(ret, requests >= n ? -EIO : 0);
		vfio_user_bars_teardown(&dev);
		priv.bar_files[0].fd = -1;
		assert_int_equal(count_fds(), fds);
	}
	assert_true(n > 30);
}

static void
invalid_areas_are_refused(void **state)
{
	static const struct {
		uint64_t fd_offset, offset, size;
		int ret;
		bool mapped;
	} t[] = {
		{ 0, 0, PAGE, 0, true },
		{ 0, 15 * PAGE, PAGE, 0, true },
		{ 0, 0, 16 * PAGE, 0, true },
		{ 48 * PAGE, 0, 16 * PAGE, 0, true },
		{ 49 * PAGE, 0, 16 * PAGE, 0, false }, /* beyond the end of the file */
		{ 0, 0, 0, -EPROTO, false },
		{ 0, 16 * PAGE, PAGE, -EPROTO, false },
		{ 0, 15 * PAGE, 2 * PAGE, -EPROTO, false },
		{ 0, 17 * PAGE, PAGE, -EPROTO, false },
		{ 0, 0, PAGE - 1, -EPROTO, false },
		{ 0, 1, PAGE, -EPROTO, false },
		{ 1, 0, PAGE, -EPROTO, false },
		{ UINT64_MAX - PAGE + 1, PAGE, PAGE, -EPROTO, false },
		{ INT64_MAX - PAGE + 1, 0, PAGE, -EPROTO, false },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		clear_config();
		set_bar(0, 16 * PAGE, 0);
		regions[0].fd = file;
		regions[0].flags = VFIO_REGION_INFO_FLAG_MMAP;
		regions[0].fd_offset = t[i].fd_offset;
		regions[0].nr_areas = 1;
		regions[0].areas[0].offset = t[i].offset;
		regions[0].areas[0].size = t[i].size;
		if (vfio_user_bars_setup(&dev) != t[i].ret || dev.bars[0].nr_maps != t[i].mapped)
			fail_msg("area %u", i);
		if (t[i].mapped) {
			assert_int_equal(dev.bars[0].maps[0].offset, t[i].offset);
			assert_int_equal(dev.bars[0].maps[0].size, t[i].size);
			assert_int_equal(priv.bar_files[0].offset, t[i].fd_offset);
			assert_int_equal(fcntl(file, F_GET_SEALS), F_SEAL_SHRINK);
		}
		vfio_user_bars_teardown(&dev);
		priv.bar_files[0].fd = -1;
		assert_int_equal(count_fds(), fds);
	}
}

/* A region may end within a page, and so may its file: the rest of the page is not mapped. */
static void
area_beyond_a_part_of_a_page_is_refused(void **state)
{
	set_bar(0, 16 * PAGE, 0);
	regions[0].size--;
	regions[0].fd = file;
	regions[0].flags = VFIO_REGION_INFO_FLAG_MMAP;
	regions[0].nr_areas = 1;
	regions[0].areas[0].offset = 16 * PAGE;
	regions[0].areas[0].size = PAGE;
	assert_int_equal(vfio_user_bars_setup(&dev), -EPROTO);
	regions[0].size++;
	regions[0].areas[0].offset = 15 * PAGE;
	assert_int_equal(ftruncate(file, 16 * PAGE - 1), 0);
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[0].nr_maps, 0);
}

static void
areas_show_their_part_of_the_file(void **state)
{
	const uint8_t byte = 0x5a;
	uint8_t *m;
	unsigned char resident;

	assert_int_equal(pwrite(file, &byte, 1, 6 * PAGE + 7), 1);
	set_bar(1, 16 * PAGE, 0);
	regions[1].fd = file;
	regions[1].fd_offset = 2 * PAGE;
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[1].nr_maps, 0); /* not offered */
	assert_int_equal(count_fds(), fds);
	regions[1].flags = VFIO_REGION_INFO_FLAG_MMAP;
	regions[1].nr_areas = 2;
	regions[1].areas[0].offset = 8 * PAGE;
	regions[1].areas[0].size = regions[1].areas[1].size = PAGE;
	regions[1].areas[1].offset = 4 * PAGE;
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[1].nr_maps, 2);
	m = rte_vfio_user_bar_ptr(&dev, 1, 4 * PAGE + 7, 1);
	assert_non_null(m);
	assert_int_equal(*m, 0x5a);
	assert_ptr_equal(rte_vfio_user_bar_ptr(&dev, 1, 4 * PAGE, PAGE), m - 7);
	assert_null(rte_vfio_user_bar_ptr(&dev, 1, 4 * PAGE + 1, PAGE));
	assert_null(rte_vfio_user_bar_ptr(&dev, 1, 4 * PAGE - 1, 1));
	vfio_user_bars_teardown(&dev);
	priv.bar_files[1].fd = -1;
	assert_int_equal(mincore(m - 7, PAGE, &resident), -1);
	/* Without a list of areas, the whole region. */
	set_bar(1, 16 * PAGE, 0);
	regions[1].nr_areas = 0;
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	assert_int_equal(dev.bars[1].maps[0].size, 16 * PAGE);
}

/* The file of a region may be descriptor 0: a program may run without standard input. */
static int
device_new_at_0(void **state)
{
	device_new(state);
	close(STDIN_FILENO);
	fds = count_fds();
	return 0;
}

static int
device_gone_from_0(void **state)
{
	device_gone(state);
	assert_int_equal(open("/dev/null", O_RDONLY), STDIN_FILENO);
	return 0;
}

/* A secondary process can also map there: see map_above_memory(). */
static void
maps_are_far_above_eal_memory(void **state)
{
	const uintptr_t room = UINT64_C(1) << 40;
	uintptr_t at[2];

	set_bar(1, 16 * PAGE, 0);
	regions[1].fd = file;
	regions[1].flags = VFIO_REGION_INFO_FLAG_MMAP;
	regions[1].nr_areas = 2;
	regions[1].areas[0].size = regions[1].areas[1].size = PAGE;
	regions[1].areas[1].offset = PAGE;
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	at[0] = (uintptr_t)dev.bars[1].maps[0].addr;
	at[1] = (uintptr_t)dev.bars[1].maps[1].addr;
	assert_in_range(at[0], EAL_END + room, EAL_END + 2 * room);
	assert_int_equal(at[0] % (2 * MB), 0);
	assert_int_equal(at[1], at[0] + 2 * MB);
}

/* Map one page, and return its address. */
static uintptr_t
map_page(void)
{
	uintptr_t at;

	memset(config + PCI_BASE_ADDRESS_0, 0, 4ul * VFIO_USER_MAX_BARS);
	set_bar(1, 16 * PAGE, 0);
	regions[1].fd = file;
	regions[1].flags = VFIO_REGION_INFO_FLAG_MMAP;
	regions[1].nr_areas = 1;
	regions[1].areas[0].size = PAGE;
	errno = 0;
	assert_int_equal(vfio_user_bars_setup(&dev), 0);
	at = (uintptr_t)dev.bars[1].maps[0].addr;
	vfio_user_bars_teardown(&dev);
	priv.bar_files[1].fd = -1;
	return at;
}

/* The bus tries 16 addresses. If another library has all of them, the kernel chooses one. */
static void
map_is_beyond_what_others_have_there(void **state)
{
	const unsigned int used[] = { 1, 15, 16 };
	uintptr_t at, next;
	unsigned int i, k;

	for (i = 0; i < RTE_DIM(used); i++) {
		at = map_page();
		for (k = 1; k <= used[i]; k++)
			assert_ptr_equal(mmap((void *)(at + k * 2 * MB), PAGE, PROT_NONE,
							 MAP_PRIVATE | MAP_ANONYMOUS |
									 MAP_FIXED_NOREPLACE,
							 -1, 0),
					at + k * 2 * MB);
		next = map_page();
		if (used[i] < 16)
			assert_int_equal(next, at + k * 2 * MB);
		else
			assert_false(next >= at && next <= at + 64 * MB);
		for (k = 1; k <= used[i]; k++)
			munmap((void *)(at + k * 2 * MB), PAGE);
	}
}

#define ON_DEVICE(name) cmocka_unit_test_setup_teardown(name, device_new, device_gone)
/* In a secondary process there is no client. No access is made, and a read is all ones. */
static void
device_without_a_client_is_not_accessed(void **state)
{
	uint32_t value = 7;
	uint8_t buf[4] = { 0 };

	assert_int_equal(rte_vfio_user_write32(&dev, VFIO_USER_MAX_BARS, 0, 7), -EINVAL);
	assert_int_equal(rte_vfio_user_read32(&dev, VFIO_USER_MAX_BARS, 0, &value), -EINVAL);
	assert_int_equal(value, UINT32_MAX);
	dev.bus_private = NULL;
	assert_null(vfio_user_client_of(&dev));
	value = 7;
	assert_int_equal(rte_vfio_user_read32(&dev, 0, 0, &value), -ENOTSUP);
	assert_int_equal(value, UINT32_MAX);
	assert_int_equal(rte_vfio_user_write32(&dev, 0, 0, 7), -ENOTSUP);
	assert_int_equal(rte_vfio_user_read_config(&dev, buf, sizeof(buf), 0), -ENOTSUP);
	assert_int_equal(buf[0] & buf[3], 0xFF);
	assert_int_equal(rte_vfio_user_write_config(&dev, buf, sizeof(buf), 0), -ENOTSUP);
	assert_int_equal(vfio_user_command_update(&dev, 1, 0), -ENOTSUP);
	assert_int_equal(requests, 0);
	dev.bus_private = &priv;
}

#define ON_DEVICE_AT_0(name) \
	{ \
#name ", descriptor 0", name, device_new_at_0, device_gone_from_0, NULL \
	}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		ON_DEVICE(bars_are_sized_and_get_addresses),
		ON_DEVICE(address_of_64_bits_is_kept),
		ON_DEVICE(absent_bars_are_sized_and_not_written_again),
		ON_DEVICE(address_of_io_space_is_kept),
		ON_DEVICE(bar_gets_no_address_if_the_window_is_full),
		ON_DEVICE(device_beyond_the_last_window_gets_no_address),
		ON_DEVICE(failed_request_is_returned_and_leaves_no_file),
		ON_DEVICE(invalid_areas_are_refused),
		ON_DEVICE(areas_show_their_part_of_the_file),
		ON_DEVICE(area_beyond_a_part_of_a_page_is_refused),
		ON_DEVICE(maps_are_far_above_eal_memory),
		ON_DEVICE(map_is_beyond_what_others_have_there),
		ON_DEVICE(device_without_a_client_is_not_accessed),
		ON_DEVICE_AT_0(failed_request_is_returned_and_leaves_no_file),
		ON_DEVICE_AT_0(invalid_areas_are_refused),
		ON_DEVICE_AT_0(areas_show_their_part_of_the_file),
	};

	if (fcntl(STDIN_FILENO, F_GETFD) < 0)
		assert_int_equal(open("/dev/null", O_RDONLY), STDIN_FILENO);
	return cmocka_run_group_tests_name("bus_bar", tests, NULL, NULL);
}
