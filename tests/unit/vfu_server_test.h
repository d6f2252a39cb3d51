/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A device and its server for each test of a group: T(test) in the list of tests.
 */

#ifndef VFU_SERVER_TEST_H
#define VFU_SERVER_TEST_H

#include "vfu_test.h"

static struct device dev;

static int
setup(void **state)
{
	device_start(&dev);
	return 0;
}

static int
teardown(void **state)
{
	device_stop(&dev);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif /* VFU_SERVER_TEST_H */
