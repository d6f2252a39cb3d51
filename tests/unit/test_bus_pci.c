/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the devarg pci= of the vfio-user bus: drivers of DPDK's PCI bus on a server in the same
 * process (bus_server.h). The driver is a few lines that know the PCI bus only. The device on the
 * EAL command line belongs to the driver of bus_server.h, and is left alone.
 */

#include "bus_server.h"

#include <bus_pci_driver.h>
#include <rte_io.h>

/* One of the program's cases is a PCI device at a time. */
static struct rte_pci_device *pci;
static atomic_int pci_vector0;
static unsigned int pci_probes, pci_removes;
static int pci_probe_result, pci_remove_result;
static const char *probed_by;

static int
pci_drv_probe(struct rte_pci_driver *drv, struct rte_pci_device *dev)
{
	pci_probes++;
	pci = dev;
	probed_by = drv->driver.name;
	return pci_probe_result;
}

static int
pci_drv_remove(struct rte_pci_device *dev)
{
	assert_ptr_equal(dev, pci);
	pci_removes++;
	return pci_remove_result;
}

/* The first driver maps BARs by itself, and must not be offered the device. */
static struct rte_pci_driver drivers[] = {
	{ .driver.name = "net_maps_itself", .probe = pci_drv_probe, .id_table = ids },
	{
			.driver.name = "net_first",
			.probe = pci_drv_probe,
			.remove = pci_drv_remove,
			.id_table = ids,
			.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
	},
	{
			.driver.name = "net_second",
			.probe = pci_drv_probe,
			.remove = pci_drv_remove,
			.id_table = ids,
			.drv_flags = RTE_PCI_DRV_NEED_MAPPING,
	},
	{
			.driver.name = "net_virtual",
			.probe = pci_drv_probe,
			.remove = pci_drv_remove,
			.id_table = ids,
			.drv_flags = RTE_PCI_DRV_NEED_MAPPING | RTE_PCI_DRV_NEED_IOVA_AS_VA,
	},
};

static struct server server;
static char path[64];

static int
plug_with(const char *args)
{
	char what[128];

	snprintf(what, sizeof(what), "vfio_user:%s,%s", path, args);
	return rte_dev_probe(what);
}

static int
serve_device(void **state)
{
	snprintf(path, sizeof(path), "%s/pci", dir);
	serve(&server, path, DEVICE, true);
	pci_probes = pci_removes = 0;
	pci_probe_result = pci_remove_result = 0;
	pci = NULL;
	return 0;
}

static int
unserve_device(void **state)
{
	unserve(&server);
	return 0;
}

static volatile void *
bar0(uint64_t offset)
{
	return (volatile uint8_t *)pci->mem_resource[0].addr + offset;
}

static void
loads_and_stores_become_messages(void **state)
{
	struct rte_vfio_user_device *first = probed;
	uint32_t v;

	assert_int_equal(plug_with("pci=1"), 0);
	assert_int_equal(pci_probes, 1);
	assert_string_equal(probed_by, "net_first");
	assert_ptr_equal(probed, first); /* not the driver of this bus */
	assert_int_equal(pci->mem_resource[0].len, BAR0);
	assert_int_equal(pci->mem_resource[0].phys_addr,
			rte_vfio_user_device_of(&pci->device)->bars[0].bus_addr);
	assert_null(pci->mem_resource[2].addr); /* I/O space */

	rte_write32(0x12345678, bar0(0x100));
	memcpy(&v, server.bar0 + 0x100, sizeof(v));
	assert_int_equal(v, 0x12345678);
	assert_int_equal(rte_read32(bar0(0x100)), 0x12345678);
	assert_int_equal(rte_read8(bar0(0x101)), 0x56);
	/* Also where the server offers the memory: the driver does not know where it may store. */
	rte_write32(0xcafe, bar0(2 * PAGE));
	memcpy(&v, server.bar0 + 2 * PAGE, sizeof(v));
	assert_int_equal(v, 0xcafe);

	assert_int_equal(rte_dev_remove(&pci->device), 0);
	assert_int_equal(pci_removes, 1);
	assert_true(soon(&server.detached, 1));
	assert_int_equal(device_maps(&server, NULL), 0);
}

static void
config_space_is_readable(void **state)
{
	uint8_t config[64];
	uint16_t command;

	assert_int_equal(plug_with("pci=1"), 0);
	assert_int_equal(rte_pci_read_config(pci, config, sizeof(config), 0), sizeof(config));
	assert_memory_equal(config, server.config, sizeof(config));
	assert_int_equal(rte_pci_read_config(pci, &command, 2, PCI_COMMAND), 2);
	assert_true(command & PCI_COMMAND_MASTER);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

static void
on_vector0(void *arg)
{
	pci_vector0++;
}

static void
vector0_is_delivered(void **state)
{
	struct rte_intr_handle *h;

	assert_int_equal(plug_with("pci=1"), 0);
	h = pci->intr_handle;
	assert_int_equal(rte_intr_callback_register(h, on_vector0, NULL), 0);
	assert_int_equal(rte_intr_enable(h), 0);
	assert_true(rte_intr_allow_others(h));
	assert_false(rte_intr_dp_is_en(h)); /* no vectors of queues */
	rte_write32(0, bar0(IRQ_REG));
	assert_true(soon(&pci_vector0, 1));
	assert_int_equal(rte_intr_ack(h), 0);
	assert_int_equal(rte_intr_disable(h), 0);
	rte_intr_efd_disable(h); /* as drivers do when they stop */
	assert_true(rte_intr_callback_unregister_sync(h, on_vector0, NULL) > 0);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

static void
driver_is_chosen_by_name(void **state)
{
	struct rte_vfio_user_device *first = probed;

	assert_int_equal(plug_with("pci=net_second"), 0);
	assert_string_equal(probed_by, "net_second");
	assert_int_equal(rte_dev_remove(&pci->device), 0);
	assert_int_equal(plug_with("pci=net_maps_itself"), -ENOTSUP);
	assert_int_equal(plug_with("pci=net_missing"), -ENOTSUP);
	assert_int_equal(plug_with("pci="), -EINVAL);
	assert_int_equal(pci_probes, 1);
	/* Without it, a driver of this bus has the device. */
	assert_int_equal(plug_with("key=value"), 0);
	assert_int_equal(pci_probes, 1);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	probed = first;
	assert_int_equal(plug_with("pci=1"), 0);
	assert_int_equal(pci_probes, 2);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

static void
driver_is_not_offered_a_device_without_memory(void **state)
{
	struct rte_vfio_user_device *first = probed;

	server.config[PCI_BASE_ADDRESS_0] = PCI_BASE_ADDRESS_SPACE_IO;
	assert_int_equal(plug_with("pci=1"), -ENODEV);
	assert_int_equal(pci_probes, 0);
	server.config[PCI_BASE_ADDRESS_0] = 0;
	assert_int_equal(plug_with("pci=1"), 0);
	assert_int_equal(pci_probes, 1);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
	probed = first;
}

static void
driver_may_refuse(void **state)
{
	pci_probe_result = -EIO;
	assert_int_equal(plug_with("pci=1"), -EIO);
	assert_true(soon(&server.detached, 1));
	pci_probe_result = 0;
	assert_int_equal(plug_with("pci=1"), 0);
	/* A driver that refuses the removal keeps a device that works. */
	pci_remove_result = -EBUSY;
	assert_true(rte_dev_remove(&pci->device) < 0);
	rte_write32(7, bar0(0x20));
	assert_int_equal(rte_read32(bar0(0x20)), 7);
	pci_remove_result = 0;
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

/* The device reaches EAL memory at its IOVA, without a mapping by the driver. */
static void
device_reaches_eal_memory(void **state)
{
	uint64_t *p;

	assert_int_equal(plug_with("pci=1"), 0);
	p = rte_malloc(NULL, sizeof(*p), 0);
	assert_non_null(p);
	assert_true(device_sees(&server, rte_malloc_virt2iova(p), p, sizeof(*p)));
	rte_free(p);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

/* The device that EAL finds is that of the port: an application compares the two. */
static void
eal_finds_device_of_port(void **state)
{
	struct rte_dev_iterator it;
	struct rte_device *found;
	unsigned int seen = 0;

	assert_int_equal(plug_with("pci=1"), 0);
	RTE_DEV_FOREACH(found, "bus=vfio_user", &it)
		seen += found == &pci->device ? 10 : 1;
	assert_int_equal(seen, 11); /* the other one is on the command line */
	plug_with("pci=1");         /* it is there; the result differs between releases */
	assert_int_equal(pci_probes, 1);
	assert_int_equal(rte_eal_hotplug_remove("vfio_user", path), 0);
	assert_int_equal(pci_removes, 1);
}

static void
driver_that_needs_virtual_addresses_gets_them(void **state)
{
	const bool is_va = rte_eal_iova_mode() == RTE_IOVA_VA;

	assert_int_equal(plug_with("pci=net_virtual"), is_va ? 0 : -ENOTSUP);
	assert_int_equal(pci_probes, is_va);
	if (is_va)
		assert_int_equal(rte_dev_remove(&pci->device), 0);
}

/* Memory that EAL does not know is mapped as for any device. */
static void
application_maps_its_memory(void **state)
{
	uint8_t *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t got = 0;

	assert_ptr_not_equal(m, MAP_FAILED);
	m[7] = 0x77;
	assert_int_equal(plug_with("pci=1"), 0);
	assert_int_equal(rte_extmem_register(m, PAGE, NULL, 0, PAGE), 0);
	assert_int_equal(rte_dev_dma_map(&pci->device, m, ELSEWHERE, PAGE), 0);
	assert_int_equal(device_read(&server, ELSEWHERE + 7, &got, 1), 0);
	assert_int_equal(got, 0x77);
	assert_int_equal(rte_dev_dma_unmap(&pci->device, m, ELSEWHERE, PAGE), 0);
	assert_int_equal(rte_extmem_unregister(m, PAGE), 0);
	assert_int_equal(device_read(&server, ELSEWHERE + 7, &got, 1), -EFAULT);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
	munmap(m, PAGE);
}

static int
refuse(struct server *s)
{
	return -EPERM;
}

/* End the connection of the client, before the reply. */
static int
hang_up(struct server *s)
{
	struct sockaddr_un sa;
	int fd, listens;

	for (fd = 0; fd < 1024; fd++) {
		socklen_t len = sizeof(sa), size = sizeof(listens);

		if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
				sa.sun_family == AF_UNIX && strcmp(sa.sun_path, path) == 0 &&
				getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 &&
				!listens)
			shutdown(fd, SHUT_RDWR);
	}
	return 0;
}

static int
answer_slowly(struct server *s)
{
	passed_ms += 70000;
	return 0;
}

static void
refused_read_is_ones_and_device_lives(void **state)
{
	assert_int_equal(plug_with("pci=1"), 0);
	rte_write32(0x5a5a5a5a, bar0(0x20));
	server.before_read = refuse;
	assert_int_equal(rte_read32(bar0(0x20)), UINT32_MAX);
	assert_int_equal(rte_read16(bar0(0x20)), UINT16_MAX);
	server.before_read = NULL;
	/* Registers that the device lacks. */
	assert_int_equal(rte_read32(bar0(BAR0)), UINT32_MAX);
	rte_write32(1, bar0(128 * BAR0));
	assert_int_equal(rte_read32(bar0(0x20)), 0x5a5a5a5a);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

static void
expect_lost(void)
{
	assert_int_equal(rte_read32(bar0(0x20)), UINT32_MAX);
	assert_false(rte_vfio_user_alive(rte_vfio_user_device_of(&pci->device)));
	server.before_read = NULL;
	assert_int_equal(rte_read64(bar0(0x20)), UINT64_MAX);
	rte_write32(1, bar0(0x20));
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

/* The connection ends while the driver waits for a register. */
static void
loss_in_the_middle_of_a_read_is_ones(void **state)
{
	assert_int_equal(plug_with("pci=1"), 0);
	server.before_read = hang_up;
	expect_lost();
	assert_true(soon(&server.detached, 1));
}

static void
server_that_answers_late_is_lost(void **state)
{
	assert_int_equal(plug_with("pci=1"), 0);
	server.before_read = answer_slowly;
	rte_read32(bar0(0x20)); /* after this one the client has waited long enough */
	expect_lost();
}

static void
lost_device_reads_as_ones(void **state)
{
	assert_int_equal(plug_with("pci=1"), 0);
	unserve(&server);
	assert_int_equal(rte_read32(bar0(0)), UINT32_MAX);
	rte_write32(1, bar0(0));
	assert_int_equal(rte_read8(bar0(5)), UINT8_MAX);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
	serve(&server, path, DEVICE, true);
	assert_int_equal(plug_with("pci=1"), 0);
	rte_write32(3, bar0(0x30));
	assert_int_equal(rte_read32(bar0(0x30)), 3);
	assert_int_equal(rte_dev_remove(&pci->device), 0);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(loads_and_stores_become_messages, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(config_space_is_readable, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(vector0_is_delivered, serve_device, unserve_device),
		cmocka_unit_test_setup_teardown(driver_is_chosen_by_name, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(driver_is_not_offered_a_device_without_memory,
				serve_device, unserve_device),
		cmocka_unit_test_setup_teardown(driver_may_refuse, serve_device, unserve_device),
		cmocka_unit_test_setup_teardown(device_reaches_eal_memory, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(eal_finds_device_of_port, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(driver_that_needs_virtual_addresses_gets_them,
				serve_device, unserve_device),
		cmocka_unit_test_setup_teardown(application_maps_its_memory, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(refused_read_is_ones_and_device_lives, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(loss_in_the_middle_of_a_read_is_ones, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(server_that_answers_late_is_lost, serve_device,
				unserve_device),
		cmocka_unit_test_setup_teardown(lost_device_reads_as_ones, serve_device,
				unserve_device),
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(drivers); i++)
		rte_pci_register(&drivers[i]);
	bus_begin(argc, argv);
	return bus_end(cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL,
			NULL));
}
