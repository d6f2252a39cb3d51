/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's operations for the vfio-user bus (igb_vfio_user.c), on a bus whose accesses
 * fail. The linker replaces the functions of the bus, and the probe of the driver, by those below
 * (--wrap): the test calls the operations that the driver passes to its probe.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <bus_vfio_user_driver.h>

#include "igb_ethdev.h"

#define ID 0x55 /* a capability, at an offset of the same number: see read_config below */

static struct rte_vfio_user_driver *driver;
static struct igb_bus_dev bus;
static unsigned int accesses, fail_at; /* the access of this number fails, from 1 */

void __wrap_rte_vfio_user_register(struct rte_vfio_user_driver *drv);
int __wrap_igb_ethdev_probe(const struct igb_bus_dev *dev);
int __wrap_rte_vfio_user_read32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t *value);
int __wrap_rte_vfio_user_read_config(struct rte_vfio_user_device *dev, void *buf, size_t len,
		uint32_t offset);

void
__wrap_rte_vfio_user_register(struct rte_vfio_user_driver *drv)
{
	driver = drv;
}

int
__wrap_igb_ethdev_probe(const struct igb_bus_dev *dev)
{
	bus = *dev;
	return 0;
}

/* An access that fails leaves a value behind that looks valid. */
int
__wrap_rte_vfio_user_read32(struct rte_vfio_user_device *dev, unsigned int bar, uint32_t offset,
		uint32_t *value)
{
	assert_int_equal(bar, 0);
	*value = offset + 1;
	return ++accesses == fail_at ? -EIO : 0;
}

int
__wrap_rte_vfio_user_read_config(struct rte_vfio_user_device *dev, void *buf, size_t len,
		uint32_t offset)
{
	memset(buf, ID, len);
	return ++accesses == fail_at ? -EIO : 0;
}

static int
open_device(void **state)
{
	static struct rte_vfio_user_device dev;

	accesses = fail_at = 0;
	memset(&dev, 0, sizeof(dev));
	dev.owner = &dev.device;
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
	};

	return cmocka_run_group_tests_name("igb_bus", tests, NULL, NULL);
}
