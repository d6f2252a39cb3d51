/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's operations for the vfio-user bus (igb_vfio_user.c), on a bus that records
 * the accesses, and whose accesses fail. The linker replaces the functions of the bus, and the
 * probe of the driver, by those below (--wrap): the test calls the operations that the driver
 * passes to its probe. The same for a vdev (igb_vdev.c), which owns a device of that bus.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <bus_vdev_driver.h>
#include <rte_devargs.h>

#include <bus_vfio_user_driver.h>
#include <vfio_user_dma_ops.h>

#include "igb_ethdev.h"

#define ID 0x55 /* a capability, at an offset of the same number: see read_config below */

static struct rte_vfio_user_driver *driver;
static struct igb_bus_dev bus;
static struct rte_vfio_user_device dev;
static unsigned int accesses, fail_at; /* the access of this number fails, from 1 */
static int probe_ret;

/* The last call of each of these functions of the bus and of the driver. */
static struct {
	uint32_t offset, value;
	size_t len;
	unsigned int heaps, epoll_freed;
	const struct rte_device *removed, *lost;
	bool alive, quiesced;
} seen;

#define FAKE(type, name, ...) \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

FAKE(void, rte_vfio_user_register, struct rte_vfio_user_driver *drv)
{
	driver = drv;
}

FAKE(int, igb_ethdev_probe, const struct igb_bus_dev *d)
{
	bus = *d;
	return probe_ret;
}

FAKE(int, igb_ethdev_remove, struct rte_device *d)
{
	seen.removed = d;
	return -EBUSY;
}

FAKE(void, igb_ethdev_lost, const struct rte_device *d)
{
	seen.lost = d;
}

/* An access that fails leaves a value behind that looks valid. */
FAKE(int, rte_vfio_user_read32, struct rte_vfio_user_device *d, unsigned int bar, uint32_t offset,
		uint32_t *value)
{
	assert_ptr_equal(d, &dev);
	assert_int_equal(bar, 0);
	*value = offset + 1;
	return ++accesses == fail_at ? -EIO : 0;
}

FAKE(int, rte_vfio_user_write32, struct rte_vfio_user_device *d, unsigned int bar, uint32_t offset,
		uint32_t value)
{
	assert_ptr_equal(d, &dev);
	assert_int_equal(bar, 0);
	seen.offset = offset;
	seen.value = value;
	return 0;
}

FAKE(int, rte_vfio_user_read_config, struct rte_vfio_user_device *d, void *buf, size_t len,
		uint32_t offset)
{
	assert_ptr_equal(d, &dev);
	memset(buf, ID, len);
	seen.offset = offset;
	return ++accesses == fail_at ? -EIO : 0;
}

FAKE(int, rte_vfio_user_write_config, struct rte_vfio_user_device *d, const void *buf, size_t len,
		uint32_t offset)
{
	assert_ptr_equal(d, &dev);
	seen.offset = offset;
	seen.len = len;
	seen.value = *(const uint8_t *)buf;
	return ++accesses == fail_at ? -EIO : 0;
}

FAKE(void *, rte_vfio_user_bar_ptr, struct rte_vfio_user_device *d, unsigned int bar,
		uint64_t offset, size_t len)
{
	static uint8_t memory[IGB_BAR0_SIZE];

	assert_ptr_equal(d, &dev);
	assert_int_equal(bar, 0);
	seen.len = len;
	return memory + offset;
}

FAKE(bool, rte_vfio_user_alive, const struct rte_vfio_user_device *d)
{
	return seen.alive;
}

FAKE(bool, rte_vfio_user_quiesced, const struct rte_vfio_user_device *d)
{
	return seen.quiesced;
}

FAKE(void, rte_vfio_user_dma_give_heaps, void)
{
	seen.heaps++;
}

FAKE(void, rte_intr_free_epoll_fd, struct rte_intr_handle *handle)
{
	assert_ptr_equal(handle, dev.intr_handle);
	seen.epoll_freed++;
}

/*
 * The vdev bus, and the device that a vdev owns.
 */

static struct rte_vdev_driver *vdev_driver;
static bool secondary;
static struct {
	const char *path;
	const struct rte_device *owner;
	unsigned int opened, closed, mapped, unmapped;
	int ret;
} vdev;

FAKE(void, rte_vdev_register, struct rte_vdev_driver *drv)
{
	vdev_driver = drv;
}

FAKE(enum rte_proc_type_t, rte_eal_process_type, void)
{
	return secondary ? RTE_PROC_SECONDARY : RTE_PROC_PRIMARY;
}

FAKE(int, rte_vfio_user_open, const char *path, struct rte_device *owner)
{
	static char kept[128];

	vdev.opened++;
	vdev.owner = owner;
	vdev.path = path == NULL ? NULL : strcpy(kept, path);
	return vdev.ret;
}

FAKE(int, rte_vfio_user_close, const struct rte_device *owner)
{
	vdev.closed++;
	vdev.owner = owner;
	return vdev.ret;
}

FAKE(struct rte_vfio_user_device *, rte_vfio_user_device_of, const struct rte_device *owner)
{
	vdev.owner = owner;
	return &dev;
}

FAKE(int, rte_dev_dma_map, struct rte_device *d, void *addr, uint64_t iova, size_t len)
{
	assert_ptr_equal(d, &dev.device);
	assert_true(addr == &vdev && iova == 0x1000 && len == 0x2000);
	vdev.mapped++;
	return vdev.ret;
}

FAKE(int, rte_dev_dma_unmap, struct rte_device *d, void *addr, uint64_t iova, size_t len)
{
	assert_ptr_equal(d, &dev.device);
	assert_true(addr == &vdev && iova == 0x1000 && len == 0x2000);
	vdev.unmapped++;
	return vdev.ret;
}

static int
open_device(void **state)
{
	accesses = fail_at = 0;
	probe_ret = 0;
	memset(&seen, 0, sizeof(seen));
	memset(&dev, 0, sizeof(dev));
	dev.owner = &dev.device;
	dev.id.vendor_id = IGB_VENDOR_ID_INTEL;
	dev.id.device_id = IGB_DEV_ID_82576;
	dev.intr_handle = (struct rte_intr_handle *)&seen;
	dev.nb_vectors = 3;
	dev.bars[VFIO_USER_MAX_BARS - 1].size = 0x4000;
	return driver->probe(driver, &dev);
}

static void
failed_register_read_is_all_ones(void **state)
{
	fail_at = 2;
	assert_int_equal(bus.ops->read32(bus.dev, IGB_STATUS), IGB_STATUS + 1);
	assert_int_equal(bus.ops->read32(bus.dev, IGB_STATUS), UINT32_MAX);
	assert_int_equal(bus.ops->read32(bus.dev, IGB_CTRL), IGB_CTRL + 1);
}

static void
failed_configuration_read_is_an_error(void **state)
{
	uint8_t buf[4];

	fail_at = 1;
	assert_int_equal(bus.ops->read_config(bus.dev, buf, sizeof(buf), 0), -EIO);
	assert_int_equal(bus.ops->read_config(bus.dev, buf, sizeof(buf), 0), 0);
}

static void
capability_is_not_found_if_a_read_fails(void **state)
{
	assert_int_equal(igb_cap_find(bus.ops, bus.dev, ID, 0), ID & ~3);
	for (fail_at = 1; fail_at <= 2; fail_at++) {
		accesses = 0;
		assert_int_equal(igb_cap_find(bus.ops, bus.dev, ID, 0), 0);
		assert_int_equal(accesses, fail_at);
	}
}

static void
bar_beyond_the_last_is_refused(void **state)
{
	struct igb_bar bar = { .size = 7 };

	assert_int_equal(bus.ops->bar(bus.dev, VFIO_USER_MAX_BARS, &bar), -EINVAL);
	assert_int_equal(bar.size, 7);
	assert_int_equal(bus.ops->bar(bus.dev, VFIO_USER_MAX_BARS - 1, &bar), 0);
	assert_int_equal(bar.size, 0x4000);
}

/* Vector 0 is for other causes than queues. */
static void
more_queue_vectors_than_the_device_has_are_refused(void **state)
{
	assert_int_equal(bus.ops->queue_vectors_on(bus.dev, 2), 0);
	assert_int_equal(bus.ops->queue_vectors_on(bus.dev, 3), -ENOSPC);
}

/* The bus keeps the vectors. EAL has an epoll descriptor for each that a thread waited for. */
static void
epoll_descriptors_of_queue_vectors_are_freed(void **state)
{
	assert_int_equal(bus.ops->queue_vectors_on(bus.dev, 2), 0);
	assert_int_equal(seen.epoll_freed, 0);
	bus.ops->queue_vectors_off(bus.dev);
	assert_int_equal(seen.epoll_freed, 1);
}

static void
device_is_described_to_the_probe(void **state)
{
	static struct rte_device owner;

	assert_ptr_equal(bus.device, &dev.device);
	assert_false(bus.vdev);
	assert_ptr_equal(bus.dev, &dev);
	assert_ptr_equal(bus.intr_handle, dev.intr_handle);
	assert_int_equal(bus.vendor_id, IGB_VENDOR_ID_INTEL);
	assert_int_equal(bus.device_id, IGB_DEV_ID_82576);
	assert_int_equal(bus.nb_vectors, 3);
	assert_true(bus.intr_per_queue);
	assert_true(bus.ops->has_iommu(bus.dev));
	assert_string_equal(bus.ops->dma->name, vfio_user_dma_ops.name);

	dev.owner = &owner;
	dev.nb_vectors = 2;
	assert_int_equal(driver->probe(driver, &dev), 0);
	assert_ptr_equal(bus.device, &owner);
	assert_true(bus.vdev);
	assert_true(bus.intr_per_queue);
	dev.nb_vectors = 1;
	probe_ret = -ENODEV;
	assert_int_equal(driver->probe(driver, &dev), -ENODEV);
	assert_false(bus.intr_per_queue);
}

static void
accesses_go_to_the_bus(void **state)
{
	const uint8_t value = 9;
	uint8_t *first, *last;

	bus.ops->write32(bus.dev, IGB_CTRL, 7);
	assert_true(seen.offset == IGB_CTRL && seen.value == 7);
	assert_int_equal(bus.ops->write_config(bus.dev, &value, 1, 6), 0);
	assert_true(seen.offset == 6 && seen.len == 1 && seen.value == 9);
	fail_at = 2;
	assert_int_equal(bus.ops->write_config(bus.dev, &value, 1, 6), -EIO);
	seen.alive = true;
	assert_true(bus.ops->alive(bus.dev));
	assert_false(bus.ops->quiesced(bus.dev));
	seen.alive = false;
	seen.quiesced = true;
	assert_false(bus.ops->alive(bus.dev));
	assert_true(bus.ops->quiesced(bus.dev));
	bus.ops->give_memory(bus.dev);
	assert_int_equal(seen.heaps, 1);

	/* The memory reaches from the first queue's doorbell to the end of the last one's. */
	first = (uint8_t *)(uintptr_t)bus.ops->doorbell(bus.dev, IGB_RDT(0));
	last = (uint8_t *)(uintptr_t)bus.ops->doorbell(bus.dev, IGB_RDT(IGB_MAX_QUEUES - 1));
	assert_int_equal(seen.len, last + sizeof(uint32_t) - first);
}

static void
areas_of_a_bar_are_passed_on(void **state)
{
	struct rte_vfio_user_bar *from = &dev.bars[2];
	struct igb_bar bar;
	unsigned int i;

	from->bus_addr = 0x1000;
	from->is_io = true;
	from->nr_maps = RTE_DIM(from->maps);
	for (i = 0; i < from->nr_maps; i++) {
		from->maps[i].offset = i + 1;
		from->maps[i].size = i + 100;
		from->maps[i].addr = &dev + i;
	}
	assert_int_equal(bus.ops->bar(bus.dev, 2, &bar), 0);
	assert_true(bar.bus_addr == 0x1000 && bar.size == 0 && bar.is_io);
	assert_int_equal(bar.nr_maps, RTE_MIN(RTE_DIM(bar.maps), RTE_DIM(from->maps)));
	for (i = 0; i < bar.nr_maps; i++) {
		assert_int_equal(bar.maps[i].offset, i + 1);
		assert_int_equal(bar.maps[i].size, i + 100);
		assert_ptr_equal(bar.maps[i].addr, &dev + i);
	}
}

static void
removal_and_loss_name_the_owner(void **state)
{
	static struct rte_device owner;

	dev.owner = &owner;
	assert_int_equal(driver->remove(&dev), -EBUSY);
	assert_ptr_equal(seen.removed, &owner);
	driver->lost(&dev);
	assert_ptr_equal(seen.lost, &owner);
}

/* A device that is not claimed gets all EAL memory before the probe of the driver. */
static void
only_a_device_to_be_isolated_is_claimed(void **state)
{
	static const struct {
		const char *args;
		bool claimed;
	} t[] = {
		{ NULL, false }, { "", false }, { "dma=bounce", true },
		{ "untested=1,dma=bounce", true }, { "dma=direct", false }, { "dma=strict", false },
		{ "dma=unknown", false }, { "dma=[bounce", false }, /* the probe refuses it */
	};
	struct rte_devargs devargs = { 0 };
	unsigned int i;

	assert_false(driver->claims(&dev));
	dev.device.devargs = &devargs;
	for (i = 0; i < RTE_DIM(t); i++) {
		devargs.args = (char *)(uintptr_t)t[i].args;
		if (driver->claims(&dev) != t[i].claimed)
			fail_msg("%s", t[i].args);
	}
}

/* The calls of the vdev bus go to the device at the socket, whose results they return. */
static void
vdev_owns_the_device_at_its_socket(void **state)
{
	struct rte_devargs devargs = { .args = (char *)(uintptr_t) "path=/tmp/nic0,dma=strict" };
	struct rte_vdev_device owner = { .device = { .name = "net_gantry_igb0" } };

	memset(&vdev, 0, sizeof(vdev));
	owner.device.devargs = &devargs;
	assert_string_equal(vdev_driver->driver.name, IGB_DRIVER_NAME);
	assert_int_equal(vdev_driver->probe(&owner), 0);
	assert_ptr_equal(vdev.owner, &owner.device);
	assert_string_equal(vdev.path, "/tmp/nic0");
	vdev.ret = -ENODEV;
	assert_int_equal(vdev_driver->probe(&owner), -ENODEV);
	assert_int_equal(vdev.opened, 2);
	/* Without a path there is nothing to open. */
	devargs.args = (char *)(uintptr_t) "dma=strict";
	assert_int_equal(vdev_driver->probe(&owner), -EINVAL);
	assert_int_equal(vdev.opened, 2);
	/* A secondary process knows the name only. */
	secondary = true;
	vdev.ret = 0;
	assert_int_equal(vdev_driver->probe(&owner), 0);
	secondary = false;
	assert_int_equal(vdev.opened, 3);
	assert_null(vdev.path);
	assert_ptr_equal(vdev.owner, &owner.device);

	for (vdev.ret = -5; vdev.ret <= 0; vdev.ret += 5) {
		vdev.owner = NULL;
		assert_int_equal(vdev_driver->remove(&owner), vdev.ret);
		assert_ptr_equal(vdev.owner, &owner.device);
		assert_int_equal(vdev_driver->dma_map(&owner, &vdev, 0x1000, 0x2000), vdev.ret);
		assert_int_equal(vdev_driver->dma_unmap(&owner, &vdev, 0x1000, 0x2000), vdev.ret);
	}
	assert_int_equal(vdev.closed, 2);
	assert_int_equal(vdev.mapped, 2);
	assert_int_equal(vdev.unmapped, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(failed_register_read_is_all_ones, open_device),
		cmocka_unit_test_setup(failed_configuration_read_is_an_error, open_device),
		cmocka_unit_test_setup(capability_is_not_found_if_a_read_fails, open_device),
		cmocka_unit_test_setup(bar_beyond_the_last_is_refused, open_device),
		cmocka_unit_test_setup(more_queue_vectors_than_the_device_has_are_refused,
				open_device),
		cmocka_unit_test_setup(epoll_descriptors_of_queue_vectors_are_freed, open_device),
		cmocka_unit_test_setup(device_is_described_to_the_probe, open_device),
		cmocka_unit_test_setup(accesses_go_to_the_bus, open_device),
		cmocka_unit_test_setup(areas_of_a_bar_are_passed_on, open_device),
		cmocka_unit_test_setup(removal_and_loss_name_the_owner, open_device),
		cmocka_unit_test_setup(only_a_device_to_be_isolated_is_claimed, open_device),
		cmocka_unit_test_setup(vdev_owns_the_device_at_its_socket, open_device),
	};

	return cmocka_run_group_tests_name("igb_bus", tests, NULL, NULL);
}
