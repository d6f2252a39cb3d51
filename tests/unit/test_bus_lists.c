/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the operations that EAL calls on the vfio-user bus (bus_vfio_user.c): scan, probe, search
 * and removal of devices, in primary and secondary processes. The test is EAL, without its
 * initialization, and replaces the other files of the bus: each call adds a letter to calls[], and
 * one of them fails.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bus_driver.h>
#include <dev_driver.h>
#include <rte_devargs.h>
#include <rte_errno.h>

#include "dpdk_compat.h"
#include "call_letters.h"
#include "vfio_user_private.h"

#define VENDOR 0x1AF4
#define DEVICE 0x7357

#if RTE_VERSION >= RTE_VERSION_NUM(26, 7, 0, 0)
#define THE_BUS       bus
#define NO_DRIVER     NULL,
#define THE_BUS_FIRST bus,
#else
#define THE_BUS
#define NO_DRIVER
#define THE_BUS_FIRST
#endif

static struct rte_bus *bus;
static bool secondary;

static int (*found_in_primary)(const char *path);
static unsigned int lists, serves;
static int list_ret;
static bool is_pci, alive;
static uint16_t device_id;
static bool start_claimed;
static unsigned int limit_ms;
static struct rte_device pci_owner;
static struct vfio_user_priv priv;
static struct {
	const struct rte_vfio_user_device *dev;
	void *va;
	uint64_t iova;
	size_t len;
	uint32_t prot;
} mapped;

enum rte_proc_type_t __wrap_rte_eal_process_type(void);

enum rte_proc_type_t
__wrap_rte_eal_process_type(void)
{
	return secondary ? RTE_PROC_SECONDARY : RTE_PROC_PRIMARY;
}

/*
 * The other files of the bus, and the client.
 */

void
vfio_user_mp_serve(void)
{
	serves++;
}

int
vfio_user_mp_list(int (*found)(const char *path))
{
	lists++;
	found_in_primary = found;
	return list_ret;
}

int
vfio_user_pci_prepare(struct rte_vfio_user_device *dev)
{
	dev->is_pci = is_pci;
	return call('i');
}

struct rte_device *
vfio_user_pci_owner(const struct rte_vfio_user_device *dev)
{
	return &pci_owner;
}

void
vfio_user_pci_release(struct rte_vfio_user_device *dev)
{
	dev->is_pci = false;
	call('I');
}

int
vfio_user_device_open(struct rte_vfio_user_device *dev)
{
	dev->bus_private = &priv;
	dev->id.vendor_id = VENDOR;
	dev->id.device_id = device_id;
	return call('o');
}

int
vfio_user_mp_attach(struct rte_vfio_user_device *dev)
{
	dev->id.vendor_id = VENDOR;
	dev->id.device_id = device_id;
	return call('a');
}

int
vfio_user_device_start(struct rte_vfio_user_device *dev, bool claimed)
{
	start_claimed = claimed;
	return call('s');
}

void
vfio_user_device_close(struct rte_vfio_user_device *dev)
{
	dev->bus_private = NULL;
	call('C');
}

void
vfu_client_limit(struct vfu_client *client, unsigned int ms)
{
	limit_ms = ms;
	call('l');
}

void
vfio_user_mp_show(struct vfio_user_priv *p)
{
	assert_ptr_equal(p, &priv);
	call('S');
}

void
vfio_user_mp_hide(struct vfio_user_priv *p)
{
	assert_ptr_equal(p, &priv);
	call('H');
}

void
vfio_user_lost_teardown(struct vfio_user_priv *p)
{
	assert_ptr_equal(p, &priv);
	call('L');
}

void
vfio_user_lost_again(struct vfio_user_priv *p)
{
	assert_ptr_equal(p, &priv);
	call('A');
}

bool
rte_vfio_user_alive(const struct rte_vfio_user_device *dev)
{
	return alive;
}

int
rte_vfio_user_dma_map(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len,
		uint32_t prot)
{
	mapped.dev = dev;
	mapped.va = va;
	mapped.iova = iova;
	mapped.len = len;
	mapped.prot = prot;
	return call('m');
}

int
rte_vfio_user_dma_unmap(struct rte_vfio_user_device *dev, void *va, uint64_t iova, size_t len)
{
	mapped.dev = dev;
	mapped.va = va;
	mapped.iova = iova;
	mapped.len = len;
	return call('u');
}

/*
 * The driver.
 */

static int
drv_probe(struct rte_vfio_user_driver *drv, struct rte_vfio_user_device *dev)
{
	assert_ptr_equal(dev->driver, drv);
	return call('p');
}

static int
drv_remove(struct rte_vfio_user_device *dev)
{
	return call('R');
}

static bool
drv_claims(const struct rte_vfio_user_device *dev)
{
	return call('c') != 0;
}

static const struct rte_pci_id ids[] = {
	{
			.class_id = RTE_CLASS_ANY_ID,
			.vendor_id = VENDOR,
			.device_id = DEVICE,
			.subsystem_vendor_id = RTE_PCI_ANY_ID,
			.subsystem_device_id = RTE_PCI_ANY_ID,
	},
	{ .vendor_id = 0 },
};

static struct rte_vfio_user_driver driver = {
	.driver = { .name = "of the test" },
	.id_table = ids,
	.probe = drv_probe,
	.remove = drv_remove,
	.claims = drv_claims,
};

struct rte_vfio_user_driver *
vfio_user_pci_driver(const struct rte_vfio_user_device *dev)
{
	return call('P') == 0 ? &driver : NULL;
}

/*
 * EAL.
 */

static int
has_name(const struct rte_device *dev, const void *name)
{
	return strcmp(dev->name, name);
}

static int
is_any(const struct rte_device *dev, const void *unused)
{
	return 0;
}

static struct rte_device *
find(const char *name)
{
	return GANTRY_BUS_FIND_DEVICE(bus, NULL, has_name, name);
}

static unsigned int
count(void)
{
	struct rte_device *dev = NULL;
	unsigned int n = 0;

	while ((dev = GANTRY_BUS_FIND_DEVICE(bus, dev, is_any, NULL)) != NULL)
		n++;
	return n;
}

static int
plug(struct rte_device *dev)
{
	return bus->GANTRY_BUS_PLUG(NO_DRIVER dev);
}

static void
reset_calls(void)
{
	memset(calls, 0, sizeof(calls));
	memset(&mapped, 0, sizeof(mapped));
	fail = 0;
	fail_with = -EIO;
	is_pci = secondary = start_claimed = false;
	alive = true;
	device_id = DEVICE;
	limit_ms = 7;
}

/* Two devices, /a and /b, from device arguments that are not EAL's. */
static int
two_devices(void **state)
{
	reset_calls();
	rte_vfio_user_register(&driver);
	assert_int_equal(rte_devargs_add(RTE_DEVTYPE_ALLOWED, "vfio_user:/a,key=1"), 0);
	assert_int_equal(rte_devargs_add(RTE_DEVTYPE_ALLOWED, "vfio_user:/b"), 0);
	assert_int_equal(bus->scan(), 0);
	assert_int_equal(count(), 2);
	return 0;
}

/* No device is left, and no driver. */
static int
none(void **state)
{
	struct rte_devargs *da;

	reset_calls();
	assert_int_equal(bus->cleanup(THE_BUS), 0);
	assert_int_equal(count(), 0);
	rte_vfio_user_unregister(&driver);
	while ((da = rte_devargs_next("vfio_user", NULL)) != NULL)
		assert_int_equal(rte_devargs_remove(da), 0);
	return 0;
}

/*
 * A secondary process without device arguments has all devices of the primary process, except those
 * that its arguments block. It asks once. This case comes first: the bus remembers names.
 */
static void
secondary_process_asks_for_the_devices_once(void **state)
{
	reset_calls();
	assert_int_equal(bus->scan(), 0);
	assert_int_equal(serves, 1);
	assert_int_equal(lists, 0);
	assert_int_equal(rte_devargs_add(RTE_DEVTYPE_BLOCKED, "vfio_user:/blocked"), 0);
	secondary = true;
	list_ret = -EPROTO;
	assert_int_equal(bus->scan(), -EPROTO);
	assert_int_equal(serves, 1);
	assert_int_equal(lists, 1);
	assert_int_equal(count(), 0);
	assert_int_equal(found_in_primary("/seen"), 0);
	assert_int_equal(found_in_primary("/seen"), 0);
	assert_int_equal(found_in_primary("/blocked"), 0);
	assert_int_equal(count(), 1);
	assert_non_null(find("/seen"));
	assert_int_equal(bus->scan(), 0);
	assert_int_equal(lists, 1);
	secondary = false;
	rte_vfio_user_register(&driver); /* none() unregisters it */
}

static void
scan_finds_each_device_once(void **state)
{
	struct rte_device *a = find("/a");

	assert_non_null(a);
	assert_string_equal(a->devargs->args, "key=1");
	assert_ptr_equal(a->bus, bus);
	assert_int_equal(a->numa_node, SOCKET_ID_ANY);
	assert_int_equal(rte_devargs_add(RTE_DEVTYPE_BLOCKED, "vfio_user:/c"), 0);
	assert_int_equal(bus->scan(), 0);
	assert_int_equal(count(), 2);
	assert_ptr_equal(find("/a"), a);
	assert_null(find("/c"));
	assert_ptr_equal(rte_vfio_user_device_of(a)->owner, a);
}

static void
probe_takes_all_steps(void **state)
{
	struct rte_device *a = find("/a");

	assert_int_equal(plug(a), 0);
	CALLS("iocsplS");
	assert_false(start_claimed);
	assert_int_equal(limit_ms, 0);
	assert_ptr_equal(a->driver, &driver.driver);
	assert_int_equal(plug(a), -EEXIST);
	CALLS("");
	/* A driver that claims it, and a device that was lost during its probe. */
	fail = 'c';
	alive = false;
	assert_int_equal(plug(find("/b")), 0);
	CALLS("iocsplSA");
	assert_true(start_claimed);
}

static void
driver_without_claims_claims_nothing(void **state)
{
	driver.claims = NULL;
	start_claimed = true;
	assert_int_equal(plug(find("/a")), 0);
	driver.claims = drv_claims;
	CALLS("iosplS");
	assert_false(start_claimed);
}

static void
probe_that_fails_closes_the_device(void **state)
{
	static const struct {
		char fail;
		int with, ret;
		const char *calls;
	} t[] = {
		{ 'i', -EIO, -EIO, "iC" },
		{ 'o', -EIO, -EIO, "ioC" },
		{ 's', -EIO, -EIO, "iocsC" },
		{ 'p', -EBUSY, -EBUSY, "iocspC" },
		{ 'p', 1, -1, "iocspC" },
	};
	struct rte_device *a = find("/a");
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		fail = t[i].fail;
		fail_with = t[i].with;
		assert_int_equal(plug(a), t[i].ret);
		CALLS(t[i].calls);
		assert_null(rte_vfio_user_device_of(a)->driver);
		assert_null(a->driver);
	}
	fail = 0;
	device_id++; /* no driver for it */
	assert_int_equal(plug(a), -ENOTSUP);
	CALLS("ioC");
	device_id--;
	assert_int_equal(plug(a), 0);
}

/* The probe of the bus fails only if each device that it tried did. */
static void
bus_probe_fails_if_no_device_works(void **state)
{
	fail = 'o';
	rte_errno = 0;
	assert_int_equal(bus->probe(THE_BUS), -1);
	assert_int_equal(rte_errno, EIO);
	fail = 0;
	assert_int_equal(plug(find("/a")), 0);
	fail = 'o';
	assert_int_equal(bus->probe(THE_BUS), -1);
	fail = 0;
	assert_int_equal(bus->probe(THE_BUS), 0);
	fail = 'o';
	assert_int_equal(bus->probe(THE_BUS), 0); /* it tried none */
	assert_non_null(find("/b")->driver);
}

static unsigned int second_probe;

static int
fail_once(struct rte_vfio_user_driver *drv, struct rte_vfio_user_device *dev)
{
	return second_probe++ == 0 ? -EIO : 0;
}

static void
bus_probe_succeeds_if_one_device_works(void **state)
{
	second_probe = 0;
	driver.probe = fail_once;
	assert_int_equal(bus->probe(THE_BUS), 0);
	driver.probe = drv_probe;
	assert_int_equal(second_probe, 2);
	assert_null(find("/a")->driver);
	assert_non_null(find("/b")->driver);
}

static void
secondary_process_attaches(void **state)
{
	struct rte_device *a = find("/a");

	secondary = true;
	assert_int_equal(plug(a), 0);
	CALLS("ap");
	assert_int_equal(limit_ms, 7);
	assert_ptr_equal(a->driver, &driver.driver);
	/* It has nothing to hide. */
	assert_int_equal(bus->GANTRY_BUS_UNPLUG(a), 0);
	CALLS("RC");
	fail = 'a';
	assert_int_equal(plug(find("/b")), -EIO);
	CALLS("aC");
}

/* EAL knows the device of the PCI driver instead, until the device is closed. */
static void
pci_driver_has_a_device_of_its_own(void **state)
{
	struct rte_vfio_user_device *dev = rte_vfio_user_device_of(find("/a"));

	is_pci = true;
	pci_owner.name = "0000:00:01.0";
	assert_int_equal(plug(&dev->device), 0);
	CALLS("ioPcsplS");
	assert_ptr_equal(dev->owner, &pci_owner);
	assert_ptr_equal(find(pci_owner.name), &pci_owner);
	assert_ptr_equal(rte_vfio_user_device_of(&pci_owner), dev);
	assert_ptr_equal(rte_vfio_user_device_of(&dev->device), dev);
	fail = 'R';
	assert_int_equal(bus->GANTRY_BUS_UNPLUG(&pci_owner), -EIO);
	CALLS("HLR");
	assert_ptr_equal(dev->owner, &pci_owner);
	fail = 0;
	assert_int_equal(bus->GANTRY_BUS_UNPLUG(&pci_owner), 0);
	CALLS("HLRCI");
	assert_null(find(pci_owner.name));
	/* A probe that fails gives the device back. */
	dev = rte_vfio_user_device_of(find("/b"));
	fail = 'P';
	assert_int_equal(plug(&dev->device), -ENOTSUP);
	CALLS("ioPCI");
	assert_ptr_equal(dev->owner, &dev->device);
	assert_ptr_equal(find("/b"), &dev->device);
}

static void
unplug_needs_the_driver(void **state)
{
	struct rte_device *a = find("/a");

	assert_int_equal(plug(a), 0);
	CALLS("iocsplS");
	fail = 'R';
	assert_int_equal(bus->GANTRY_BUS_UNPLUG(a), -EIO);
	CALLS("HLR");
	assert_ptr_equal(find("/a"), a);
	assert_ptr_equal(a->driver, &driver.driver);
	fail = 0;
	assert_int_equal(bus->GANTRY_BUS_UNPLUG(a), 0);
	CALLS("HLRC");
	assert_int_equal(count(), GANTRY_BUS_KEEPS_UNPLUGGED ? 2 : 1);
	assert_non_null(find("/b"));
	/* A driver without a remove, and a device without a driver. */
	assert_int_equal(plug(find("/b")), 0);
	CALLS("iocsplS");
	driver.remove = NULL;
	assert_int_equal(bus->GANTRY_BUS_UNPLUG(find("/b")), 0);
	driver.remove = drv_remove;
	CALLS("HLC");
}

static void
cleanup_closes_despite_the_driver(void **state)
{
	assert_int_equal(bus->probe(THE_BUS), 0);
	memset(calls, 0, sizeof(calls));
	fail = 'R';
	assert_int_equal(bus->cleanup(THE_BUS), -1);
	CALLS("HLRCHLRC");
	assert_int_equal(count(), 0);
}

static void
names_are_absolute_paths(void **state)
{
	const char *path = NULL;

	assert_int_equal(bus->parse("/a", &path), 0);
	assert_string_equal(path, "/a");
	assert_int_equal(bus->parse("/a", NULL), 0);
	path = NULL;
	assert_int_equal(bus->parse("/", &path), -EINVAL);
	assert_int_equal(bus->parse("", &path), -EINVAL);
	assert_int_equal(bus->parse("0000:00:01.0", &path), -EINVAL);
	assert_null(path);
	assert_int_equal(bus->get_iommu_class(), RTE_IOVA_DC);
}

static void
iterator_selects_by_name(void **state)
{
	static const struct {
		const char *str, *after, *name; /* name NULL: none */
		int err;
	} t[] = {
		{ NULL, NULL, "/a", 0 },
		{ NULL, "/a", "/b", 0 },
		{ NULL, "/b", NULL, 0 },
		{ "name=/b", NULL, "/b", 0 },
		{ "name=/b", "/a", "/b", 0 },
		{ "name=/a", "/a", NULL, 0 },
		{ "name=/c", NULL, NULL, 0 },
		{ "path=/a", NULL, NULL, EINVAL },
	};
	const struct rte_device *got;
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		const void *after = t[i].after != NULL ? find(t[i].after) : NULL;

		rte_errno = 0;
		got = bus->dev_iterate(THE_BUS_FIRST after, t[i].str, NULL);
		if ((got == NULL) != (t[i].name == NULL) ||
				(got != NULL && strcmp(got->name, t[i].name) != 0))
			fail_msg("iterator %u: %s", i, got != NULL ? got->name : "none");
		assert_int_equal(rte_errno, t[i].err);
	}
}

/* The application maps for both directions. A claimed device has its driver for that. */
static void
application_maps_unless_the_driver_does(void **state)
{
	struct rte_device *a = find("/a");

	assert_int_equal(plug(a), 0);
	CALLS("iocsplS");
	assert_int_equal(bus->dma_map(a, &mapped, 0x1000, 0x2000), 0);
	assert_ptr_equal(mapped.dev, rte_vfio_user_device_of(a));
	assert_ptr_equal(mapped.va, &mapped);
	assert_int_equal(mapped.iova, 0x1000);
	assert_int_equal(mapped.len, 0x2000);
	assert_int_equal(mapped.prot, RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE);
	memset(&mapped, 0, sizeof(mapped));
	assert_int_equal(bus->dma_unmap(a, &mapped, 0x1000, 0x2000), 0);
	assert_ptr_equal(mapped.dev, rte_vfio_user_device_of(a));
	assert_ptr_equal(mapped.va, &mapped);
	assert_int_equal(mapped.iova, 0x1000);
	assert_int_equal(mapped.len, 0x2000);
	CALLS("mu");
	rte_errno = 0;
	fail = 'm';
	assert_int_equal(bus->dma_map(a, &mapped, 0x1000, 0x2000), -1);
	assert_int_equal(rte_errno, EIO);
	fail = 'u';
	fail_with = -ENOENT;
	assert_int_equal(bus->dma_unmap(a, &mapped, 0x1000, 0x2000), -1);
	assert_int_equal(rte_errno, ENOENT);
	CALLS("mu");
	priv.dma_claimed = true;
	assert_int_equal(bus->dma_map(a, &mapped, 0x1000, 0x2000), 0);
	assert_int_equal(bus->dma_unmap(a, &mapped, 0x1000, 0x2000), 0);
	priv.dma_claimed = false;
	CALLS("");
}

static void
device_of_another_bus_is_not_listed(void **state)
{
	struct rte_device owner = { .name = "/vdev0" };
	struct rte_vfio_user_device *dev;

	assert_int_equal(rte_vfio_user_close(&owner), -ENODEV);
	fail = 'o';
	assert_int_equal(rte_vfio_user_open("/c", &owner), -EIO);
	assert_null(rte_vfio_user_device_of(&owner));
	fail = 0;
	memset(calls, 0, sizeof(calls));
	assert_int_equal(rte_vfio_user_open("/c", &owner), 0);
	CALLS("iocsplS");
	dev = rte_vfio_user_device_of(&owner);
	assert_non_null(dev);
	assert_string_equal(dev->path, "/c");
	assert_ptr_equal(dev->owner, &owner);
	assert_int_equal(count(), 2);
	fail = 'R';
	assert_int_equal(rte_vfio_user_close(&owner), -EIO);
	assert_ptr_equal(rte_vfio_user_device_of(&owner), dev);
	fail = 0;
	assert_int_equal(rte_vfio_user_close(&owner), 0);
	assert_null(rte_vfio_user_device_of(&owner));
	/* In a secondary process, its name is all that is known. */
	assert_int_equal(rte_vfio_user_open(NULL, &owner), 0);
	assert_string_equal(rte_vfio_user_device_of(&owner)->path, "/vdev0");
	assert_int_equal(rte_vfio_user_close(&owner), 0);
}

#define ON_TWO(name) cmocka_unit_test_setup_teardown(name, two_devices, none)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(secondary_process_asks_for_the_devices_once, none),
		ON_TWO(scan_finds_each_device_once),
		ON_TWO(probe_takes_all_steps),
		ON_TWO(driver_without_claims_claims_nothing),
		ON_TWO(probe_that_fails_closes_the_device),
		ON_TWO(bus_probe_fails_if_no_device_works),
		ON_TWO(bus_probe_succeeds_if_one_device_works),
		ON_TWO(secondary_process_attaches),
		ON_TWO(pci_driver_has_a_device_of_its_own),
		ON_TWO(unplug_needs_the_driver),
		ON_TWO(cleanup_closes_despite_the_driver),
		ON_TWO(names_are_absolute_paths),
		ON_TWO(iterator_selects_by_name),
		ON_TWO(application_maps_unless_the_driver_does),
		ON_TWO(device_of_another_bus_is_not_listed),
	};

	bus = rte_bus_find_by_name("vfio_user");
	if (bus == NULL)
		return 1;
	return cmocka_run_group_tests_name("bus_lists", tests, NULL, NULL);
}
