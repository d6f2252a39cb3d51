/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the vfio-user bus (drivers/bus/vfio_user) if one of its calls fails: memory, mappings,
 * event file descriptors, interrupt handlers. The linker replaces these functions (--wrap). A case
 * repeats the probe of a device, and the first, second, ... call of its thread fails, until none is
 * left that could. Each attempt ends with an error, or with a device that works without what
 * failed, and leaves no memory, mapping or file descriptor behind.
 */

#include "bus_server.h"

#include <sys/eventfd.h>
#include <sys/stat.h>

#include <bus_pci_driver.h>
#include <rte_kvargs.h>

#include "../common/fds.h"
#include "failing.h"

/* Steps of a probe by this thread that fail, each with an error that no other step returns. */
static __thread bool no_trap, no_config_file, no_config_data, no_config_handle;
static int config_fd = -1;        /* of the last device */
static __thread bool config_at_0; /* it replaces standard input */

WRAP(void *, mmap64, void *addr, size_t len, int prot, int flags, int fd, off64_t offset)
{
	if (no_trap && prot == PROT_NONE && len >= 16 << 20) {
		errno = EDQUOT;
		return MAP_FAILED;
	}
	return fails() ? MAP_FAILED : __real_mmap64(addr, len, prot, flags, fd, offset);
}

WRAP(int, eventfd, unsigned int count, int flags)
{
	return fails() ? -1 : __real_eventfd(count, flags);
}

WRAP(int, memfd_create, const char *name, unsigned int flags)
{
	const bool is_config = strcmp(name, "vfio_user_config") == 0;
	int fd;

	if (no_config_file && is_config) {
		errno = ENFILE;
		return -1;
	}
	fd = fails() ? -1 : __real_memfd_create(name, flags);
	if (is_config && config_at_0) {
		assert_int_equal(dup3(fd, STDIN_FILENO, O_CLOEXEC), STDIN_FILENO);
		close(fd);
		fd = STDIN_FILENO;
	}
	if (is_config)
		config_fd = fd;
	return fd;
}

WRAP(ssize_t, pwrite64, int fd, const void *buf, size_t len, off64_t offset)
{
	if (no_config_data && fd == config_fd)
		return __real_pwrite64(fd, buf, len / 2, offset);
	return fails() ? -1 : __real_pwrite64(fd, buf, len, offset);
}

WRAP(int, rte_intr_dev_fd_set, struct rte_intr_handle *handle, int fd)
{
	return no_config_handle && fd == config_fd ? -EDOM : __real_rte_intr_dev_fd_set(handle, fd);
}

WRAP(struct rte_intr_handle *, rte_intr_instance_alloc, uint32_t flags)
{
	return eal_fails() ? NULL : __real_rte_intr_instance_alloc(flags);
}

WRAP(int, rte_intr_callback_register, const struct rte_intr_handle *handle, rte_intr_callback_fn cb,
		void *arg)
{
	return fails() ? -ENOMEM : __real_rte_intr_callback_register(handle, cb, arg);
}

WRAP(struct rte_kvargs *, rte_kvargs_parse, const char *args, const char *const keys[])
{
	return fails() ? NULL : __real_rte_kvargs_parse(args, keys);
}

static struct rte_pci_device *pci;

static int
pci_drv_probe(struct rte_pci_driver *drv, struct rte_pci_device *dev)
{
	pci = dev;
	return probe_result;
}

static int
pci_drv_remove(struct rte_pci_device *dev)
{
	return 0;
}

static struct rte_pci_driver pci_driver = {
	.driver.name = "net_test",
	.probe = pci_drv_probe,
	.remove = pci_drv_remove,
	.id_table = ids,
	.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
};

struct held {
	long live;
	int fds;
	unsigned int maps; /* of BARs */
};

static struct held
held_now(void)
{
	struct held held = { .live = live, .fds = count_fds() };
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		held.maps += strstr(line, "memfd:bar0") != NULL;
	fclose(f);
	return held;
}

/* The state before a case began, when no client was connected to the server. */
static struct held before;

static struct server server;
static char path[64];
static struct rte_vfio_user_device *first;

/* A second device, beside the one on the command line. */
static int
serve_device(void **state)
{
	first = probed;
	snprintf(path, sizeof(path), "%s/fails", dir);
	serve(&server, path, DEVICE, true);
	before = held_now();
	return 0;
}

static int
unserve_device(void **state)
{
	unserve(&server);
	probed = first;
	assert_true(rte_vfio_user_alive(first));
	return 0;
}

/*
 * Wait until the server has also released what it had for the connection. It holds more memory
 * after some connections than after others, so that less than before is no mistake.
 */
static void
assert_held(const struct held *want)
{
	struct held now = held_now();
	unsigned int i;

	for (i = 0; i < 20000 &&
			(now.fds != want->fds || now.maps != want->maps || now.live > want->live);
			i++) {
		usleep(1000);
		now = held_now();
	}
	assert_int_equal(now.fds, want->fds);
	assert_int_equal(now.maps, want->maps);
	assert_true(now.live <= want->live);
}

/* Return the number of calls without which the probe fails. */
static unsigned int
fail_each_call(int (*begin)(void), void (*end)(void))
{
	unsigned int n, errors = 0;
	bool failed = true;
	int ret = 0;

	/*
	 * Some memory is allocated once, some released a moment after the end: the most that is
	 * held after several attempts.
	 */
	for (n = 0; n < 5; n++) {
		assert_int_equal(begin(), 0);
		end();
		before.live = n == 0 ? live : RTE_MAX(before.live, live);
	}
	for (n = 1; failed; n++) {
		left = n;
		ret = begin();
		failed = left == 0;
		left = 0;
		errors += ret != 0;
		if (ret == 0)
			end();
		assert_held(&before);
	}
	assert_int_equal(ret, 0);
	return errors;
}

/* EAL keeps a device whose probe has failed, so that the attempts begin alike. */
static int
refuse(const char *args)
{
	char what[128];
	int ret;

	snprintf(what, sizeof(what), "vfio_user:%s,%s", path, args);
	probe_result = -EPERM;
	ret = rte_dev_probe(what);
	probe_result = 0;
	return ret;
}

static int
plug_device(void)
{
	return plug(path);
}

static void
unplug_device(void)
{
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	assert_int_equal(refuse("key=value"), -EPERM);
}

static void
failed_call_fails_the_probe_and_leaves_nothing(void **state)
{
	unsigned int errors;

	assert_int_equal(refuse("key=value"), -EPERM);
	errors = fail_each_call(plug_device, unplug_device);
	/* state, loss (3), connection, mappings, vectors with their handle and handler */
	assert_true(errors >= 1 + 3 + 1 + 1 + VECTORS + 2);
	assert_int_equal(plug(path), 0);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
}

static int
plug_pci(void)
{
	char what[128];

	snprintf(what, sizeof(what), "vfio_user:%s,pci=1", path);
	return rte_dev_probe(what);
}

static void
unplug_pci(void)
{
	assert_int_equal(rte_dev_remove(&pci->device), 0);
	assert_int_equal(refuse("pci=1"), -EPERM);
}

/* Also the devargs, the copy of configuration space, and the memory that traps accesses. */
static void
failed_call_fails_the_probe_of_a_pci_driver(void **state)
{
	unsigned int errors;

	assert_int_equal(refuse("pci=1"), -EPERM);
	errors = fail_each_call(plug_pci, unplug_pci);
	assert_true(errors >= 1 + 3 + 1 + 1 + 1 + 1 + 2 + 3);
	assert_int_equal(plug_pci(), 0);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

/* No PCI driver gets a device without its BARs, or without its configuration space. */
static void
pci_probe_returns_the_error_of_each_step(void **state)
{
	const struct {
		bool *fails;
		int ret;
	} t[] = {
		{ &no_config_file, -ENFILE },
		{ &no_config_data, -EIO },
		{ &no_config_handle, -EDOM },
		{ &no_trap, -EDQUOT },
	};
	unsigned int i;

	before.live = LONG_MAX; /* files only: the case above counts memory */
	for (i = 0; i < RTE_DIM(t); i++) {
		pci = NULL;
		*t[i].fails = true;
		assert_int_equal(plug_pci(), t[i].ret);
		*t[i].fails = false;
		assert_null(pci);
		assert_held(&before);
	}
	assert_int_equal(plug_pci(), 0);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

static void
removal_unmaps_what_traps_accesses(void **state)
{
	unsigned char resident;
	void *bar;

	assert_int_equal(plug_pci(), 0);
	bar = pci->mem_resource[0].addr;
	assert_int_equal(mincore(bar, PAGE, &resident), 0);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
	assert_int_equal(mincore(bar, PAGE, &resident), -1);
}

/* A program may run without standard input, so that the copy is descriptor 0. */
static void
copy_of_configuration_space_may_be_descriptor_0(void **state)
{
	const int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	struct stat copy, now;
	uint16_t vendor = 0;

	config_at_0 = true;
	assert_int_equal(plug_pci(), 0);
	config_at_0 = false;
	assert_int_equal(config_fd, STDIN_FILENO);
	assert_int_equal(fstat(STDIN_FILENO, &copy), 0);
	assert_int_equal(rte_pci_read_config(pci, &vendor, 2, PCI_VENDOR_ID), 2);
	assert_int_equal(vendor, VENDOR);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
	assert_true(fstat(STDIN_FILENO, &now) != 0 || now.st_ino != copy.st_ino);
	if (input >= 0) {
		assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
		close(input);
	}
}

static struct rte_device owner = { .name = "owner0" };

static int
open_owned(void)
{
	return rte_vfio_user_open(path, &owner);
}

static void
close_owned(void)
{
	assert_int_equal(rte_vfio_user_close(&owner), 0);
}

/* Also the memory of the device itself, which nothing keeps. */
static void
failed_call_fails_to_open_an_owned_device(void **state)
{
	unsigned int errors = fail_each_call(open_owned, close_owned);

	assert_true(errors >= 2 + 1 + 3 + 1 + 1 + VECTORS + 2);
	assert_int_equal(rte_vfio_user_close(&owner), -ENODEV);
}

static void
new_device_needs_memory(void **state)
{
	for (unsigned int n = 1; n <= 2; n++) {
		left = n;
		assert_int_equal(plug(path), -ENOMEM);
		assert_int_equal(left, 0);
		assert_held(&before);
	}
}

#define ON_SERVER(name) cmocka_unit_test_setup_teardown(name, serve_device, unserve_device)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ON_SERVER(new_device_needs_memory),
		ON_SERVER(failed_call_fails_the_probe_and_leaves_nothing),
		ON_SERVER(failed_call_fails_the_probe_of_a_pci_driver),
		ON_SERVER(pci_probe_returns_the_error_of_each_step),
		ON_SERVER(removal_unmaps_what_traps_accesses),
		ON_SERVER(copy_of_configuration_space_may_be_descriptor_0),
		ON_SERVER(failed_call_fails_to_open_an_owned_device),
	};

	rte_pci_register(&pci_driver);
	bus_begin(argc, argv);
	return bus_end(cmocka_run_group_tests_name("bus_failures", tests, NULL, NULL));
}
