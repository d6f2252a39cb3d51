/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver on DPDK's PCI bus (igb_pci.c) without a card. The linker replaces the
 * functions of EAL and of the bus, and the probe of the driver, by those below (--wrap). Each of
 * them writes a letter, so that a case can compare the order of calls.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <bus_driver.h>
#include <bus_pci_driver.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_mempool.h>
#include <rte_vfio.h>

#include "dpdk_compat.h"
#include "igb_ethdev.h"

#define CONTAINER 0 /* a file descriptor like any other */
#define GROUP     5
#define BAR_SIZE  0x20000

static struct rte_pci_driver *driver;
static struct igb_bus_dev bus;
static rte_dev_event_cb_fn removed;
static rte_mempool_event_callback *pool_event;

static struct {
	char calls[64];
	char fail; /* the call with this letter fails */
	int probe_ret, remove_ret;
	bool no_iommu, secondary, shared, no_hugepages;
	const struct rte_device *lost;
	struct rte_mempool *complete; /* a pool that exists when a device is probed */
	uint8_t config[256];
	unsigned int masters; /* stores to the bus master bit that had an effect */
	bool master_stays;
	struct rte_memseg_list msl;
	bool eal_knows; /* the memory of pools */
	int vfio_errno;
	uint64_t unmapped;
} fake;

static bool deaf; /* EAL accepts no callback */
static uint32_t bar0[BAR_SIZE / 4];
static struct rte_pci_device card = {
	.name = "0000:00:03.0",
	.device.name = "0000:00:03.0",
	.addr = { 0, 0, 3, 0 },
	.id = { .vendor_id = IGB_VENDOR_ID_INTEL, .device_id = IGB_DEV_ID_82576 },
	.kdrv = RTE_PCI_KDRV_VFIO,
};

static int
call(char letter)
{
	const size_t n = strlen(fake.calls);

	assert_true(n + 1 < sizeof(fake.calls));
	fake.calls[n] = letter;
	return letter == fake.fail ? -1 : 0;
}

#define FAKE(type, name, ...) \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

FAKE(void, rte_pci_register, struct rte_pci_driver *drv)
{
	driver = drv;
}

FAKE(int, rte_pci_map_device, struct rte_pci_device *dev)
{
	return call('m');
}

FAKE(void, rte_pci_unmap_device, struct rte_pci_device *dev)
{
	call('u');
}

FAKE(int, rte_pci_read_config, const struct rte_pci_device *dev, void *buf, size_t len,
		off_t offset)
{
	if (fake.fail == 'r')
		return (int)len - 1;
	memcpy(buf, fake.config + offset, len);
	return (int)len;
}

FAKE(int, rte_pci_write_config, const struct rte_pci_device *dev, const void *buf, size_t len,
		off_t offset)
{
	if (fake.fail == 'w')
		return (int)len - 1;
	memcpy(fake.config + offset, buf, len);
	return (int)len;
}

FAKE(int, rte_pci_set_bus_master, struct rte_pci_device *dev, bool enable)
{
	fake.masters++;
	assert_false(enable);
	if (!fake.master_stays)
		fake.config[PCI_COMMAND] &= (uint8_t)~PCI_COMMAND_MASTER;
	return 0;
}

FAKE(int, rte_vfio_noiommu_is_enabled, void)
{
	return fake.no_iommu;
}

FAKE(int, rte_vfio_get_group_num, const char *sysfs, const char *addr, int *group)
{
	assert_string_equal(addr, card.name);
	*group = GROUP;
	return call('g') == 0 ? 1 : 0;
}

FAKE(int, rte_vfio_container_create, void)
{
	return call('c') == 0 ? CONTAINER : -1;
}

FAKE(int, rte_vfio_container_group_bind, int container, int group)
{
	assert_int_equal(container, CONTAINER);
	assert_int_equal(group, GROUP);
	return call('b') == 0 ? 9 : -1;
}

FAKE(int, rte_vfio_container_destroy, int container)
{
	assert_int_equal(container, CONTAINER);
	return call('d');
}

FAKE(int, rte_vfio_container_dma_map, int container, uint64_t va, uint64_t iova, uint64_t len)
{
	assert_int_equal(container, RTE_VFIO_DEFAULT_CONTAINER_FD);
	rte_errno = fake.vfio_errno;
	return call('M');
}

FAKE(int, rte_vfio_container_dma_unmap, int container, uint64_t va, uint64_t iova, uint64_t len)
{
	assert_int_equal(container, RTE_VFIO_DEFAULT_CONTAINER_FD);
	rte_errno = fake.vfio_errno;
	return call('U');
}

/* The private container. */
FAKE(int, ioctl, int fd, unsigned long request, void *arg)
{
	struct vfio_iommu_type1_dma_unmap *unmap = arg;

	assert_int_equal(fd, CONTAINER);
	if (request == VFIO_IOMMU_UNMAP_DMA)
		unmap->size = fake.unmapped;
	errno = ENOSPC;
	return call(request == VFIO_IOMMU_MAP_DMA ? 'i' : 'o');
}

FAKE(int, igb_ethdev_probe, const struct igb_bus_dev *dev)
{
	bus = *dev;
	call('p');
	return fake.probe_ret;
}

FAKE(int, igb_ethdev_remove, struct rte_device *dev)
{
	call('x');
	return fake.remove_ret;
}

FAKE(bool, igb_ethdev_can_be_shared, const struct rte_device *dev)
{
	return fake.shared;
}

FAKE(void, igb_ethdev_lost, const struct rte_device *dev)
{
	fake.lost = dev;
}

FAKE(enum rte_proc_type_t, rte_eal_process_type, void)
{
	return fake.secondary ? RTE_PROC_SECONDARY : RTE_PROC_PRIMARY;
}

FAKE(int, rte_dev_event_callback_register, const char *name, rte_dev_event_cb_fn fn, void *arg)
{
	assert_null(name);
	removed = fn;
	return deaf ? -ENOMEM : 0;
}

FAKE(int, rte_mempool_event_callback_register, rte_mempool_event_callback *fn, void *arg)
{
	pool_event = fn;
	return 0;
}

FAKE(void, rte_mempool_walk, void (*fn)(struct rte_mempool *, void *), void *arg)
{
	if (fake.complete != NULL)
		fn(fake.complete, arg);
}

FAKE(struct rte_memseg_list *, rte_mem_virt2memseg_list, const void *va)
{
	return fake.eal_knows ? &fake.msl : NULL;
}

FAKE(int, rte_intr_efd_enable, struct rte_intr_handle *handle, uint32_t nb)
{
	assert_ptr_equal(handle, card.intr_handle);
	assert_int_equal(nb, 3);
	return call('e');
}

FAKE(void, rte_intr_efd_disable, struct rte_intr_handle *handle)
{
	assert_ptr_equal(handle, card.intr_handle);
	call('f');
}

FAKE(int, rte_eal_has_hugepages, void)
{
	return !fake.no_hugepages;
}

static struct rte_device *
find_device(GANTRY_BUS_ARG const struct rte_device *start, rte_dev_cmp_t cmp, const void *data)
{
	return cmp(&card.device, data) == 0 ? &card.device : NULL;
}

FAKE(struct rte_bus *, rte_bus_find_by_name, const char *name)
{
	static struct rte_bus pci;

	assert_string_equal(name, "pci");
	pci.find_device = find_device;
	return &pci;
}

static int
set_up(void **state)
{
	memset(&fake, 0, sizeof(fake));
	memset(bar0, 0, sizeof(bar0));
	card.kdrv = RTE_PCI_KDRV_VFIO;
	card.mem_resource[0].addr = bar0;
	card.mem_resource[0].len = BAR_SIZE;
	card.mem_resource[0].phys_addr = 0xF0000000;
	/* MSI-X with 10 vectors at 0x70, behind another capability. */
	fake.config[0x34] = 0x50;
	fake.config[0x50] = PCI_CAP_ID_PM;
	fake.config[0x51] = 0x70;
	fake.config[0x70] = PCI_CAP_ID_MSIX;
	fake.config[0x70 + PCI_MSIX_FLAGS] = 9;
	fake.config[PCI_COMMAND] = PCI_COMMAND_MASTER;
	return 0;
}

/* Compare the calls since the last comparison. */
#define CALLS(expected) \
	do { \
		assert_string_equal(fake.calls, expected); \
		memset(fake.calls, 0, sizeof(fake.calls)); \
	} while (0)

static void
probe(void)
{
	assert_int_equal(driver->probe(driver, &card), 0);
	CALLS("mp");
}

static void
done(const char *calls)
{
	assert_int_equal(driver->remove(&card), 0);
	CALLS(calls);
}

static void
device_is_mapped_from_probe_to_remove(void **state)
{
	probe();
	assert_ptr_equal(bus.device, &card.device);
	assert_int_equal(bus.vendor_id, IGB_VENDOR_ID_INTEL);
	assert_int_equal(bus.device_id, IGB_DEV_ID_82576);
	assert_int_equal(bus.nb_vectors, 10);
	/* A port that cannot be removed keeps its device. */
	fake.remove_ret = -EBUSY;
	assert_int_equal(driver->remove(&card), -EBUSY);
	CALLS("x");
	fake.remove_ret = 0;
	done("xu");
	/* It is no longer in the list. */
	done("x");
}

static void
failing_probe_leaves_nothing_mapped(void **state)
{
	fake.fail = 'm';
	assert_int_equal(driver->probe(driver, &card), -1);
	CALLS("m");
	fake.fail = 0;
	fake.probe_ret = -EIO;
	assert_int_equal(driver->probe(driver, &card), -EIO);
	CALLS("mpu");
	fake.probe_ret = 0;
	done("x");
}

static void
secondary_takes_only_shared_devices(void **state)
{
	fake.secondary = true;
	assert_int_equal(driver->probe(driver, &card), -ENOTSUP);
	CALLS("");
	fake.shared = true;
	probe();
	done("xu");
}

static void
vectors_are_those_of_the_device(void **state)
{
	fake.config[0x51] = 0; /* no MSI-X */
	probe();
	assert_int_equal(bus.nb_vectors, 1);
	done("xu");
	fake.config[0x51] = 0x70;
	fake.config[0x70 + PCI_MSIX_FLAGS] = 0xFF; /* the table has 2048 */
	fake.config[0x70 + PCI_MSIX_FLAGS + 1] = 0x07;
	probe();
	assert_int_equal(bus.nb_vectors, RTE_MAX_RXTX_INTR_VEC_ID);
	done("xu");
}

/* EAL has the descriptors of the queues. */
static void
vectors_of_queues_are_those_of_eal(void **state)
{
	card.intr_handle = (struct rte_intr_handle *)&fake;
	probe();
	assert_int_equal(bus.ops->queue_vectors_on(bus.dev, 3), 0);
	fake.fail = 'e';
	assert_int_equal(bus.ops->queue_vectors_on(bus.dev, 3), -1);
	fake.fail = 0;
	bus.ops->queue_vectors_off(bus.dev);
	CALLS("eef");
	done("xu");
	card.intr_handle = NULL;
}

static void
registers_are_loads_and_stores(void **state)
{
	struct igb_bar bar;
	uint16_t v = 0;

	probe();
	bus.ops->write32(bus.dev, 0x100, 0x12345678);
	assert_int_equal(rte_le_to_cpu_32(bar0[0x100 / 4]), 0x12345678);
	assert_int_equal(bus.ops->read32(bus.dev, 0x100), 0x12345678);
	assert_ptr_equal(bus.ops->doorbell(bus.dev, 0x100), &bar0[0x100 / 4]);
	assert_true(bus.ops->alive(bus.dev));
	bar0[IGB_STATUS / 4] = UINT32_MAX;
	assert_false(bus.ops->alive(bus.dev));
	card.mem_resource[0].len = 0x10000;
	assert_null(bus.ops->doorbell(bus.dev, 0x100));
	card.mem_resource[0].len = BAR_SIZE;

	assert_int_equal(bus.ops->read_config(bus.dev, &v, 2, PCI_COMMAND), 0);
	assert_int_equal(v, PCI_COMMAND_MASTER);
	v = 0xABCD;
	assert_int_equal(bus.ops->write_config(bus.dev, &v, 2, 0x40), 0);
	assert_int_equal(fake.config[0x40] | fake.config[0x41] << 8, 0xABCD);
	fake.fail = 'r';
	assert_int_equal(bus.ops->read_config(bus.dev, &v, 2, PCI_COMMAND), -EIO);
	fake.fail = 'w';
	assert_int_equal(bus.ops->write_config(bus.dev, &v, 2, 0x40), -EIO);
	fake.fail = 0;

	assert_int_equal(bus.ops->bar(bus.dev, 0, &bar), 0);
	assert_true(bar.bus_addr == 0xF0000000 && bar.size == BAR_SIZE && bar.nr_maps == 1);
	assert_true(bar.maps[0].addr == bar0 && bar.maps[0].size == BAR_SIZE);
	assert_int_equal(bus.ops->bar(bus.dev, 5, &bar), 0);
	assert_true(bar.size == 0 && bar.nr_maps == 0);
	assert_int_equal(bus.ops->bar(bus.dev, 6, &bar), -EINVAL);
	done("xu");
}

/* A device is quiet if it is no bus master, as a second read shows, or if it is gone. */
static void
device_is_quiesced_by_its_bus_master_bit(void **state)
{
	probe();
	assert_true(bus.ops->quiesced(bus.dev));
	assert_int_equal(fake.masters, 1);
	fake.config[PCI_COMMAND] = PCI_COMMAND_MASTER;
	fake.master_stays = true;
	assert_false(bus.ops->quiesced(bus.dev));
	fake.fail = 'r';
	assert_true(bus.ops->quiesced(bus.dev));
	fake.fail = 0;
	fake.config[PCI_COMMAND] = fake.config[PCI_COMMAND + 1] = 0xFF;
	assert_true(bus.ops->quiesced(bus.dev));
	assert_int_equal(fake.masters, 2);
	done("xu");
}

/* The claim moves the device to a container of its own, or leaves it as it was. */
static void
claim_is_complete_or_undone(void **state)
{
	static const struct {
		char fail;
		int ret;
		const char *calls;
	} t[] = {
		{ 'g', -ENODEV, "ugm" },
		{ 'c', -ENOSPC, "ugcm" },
		{ 'b', -EBUSY, "ugcbdm" },
	};
	unsigned int i;

	probe();
	for (i = 0; i < RTE_DIM(t); i++) {
		fake.fail = t[i].fail;
		assert_int_equal(bus.ops->dma->claim(bus.dev), t[i].ret);
		CALLS(t[i].calls);
		assert_int_equal(bus.ops->read32(bus.dev, 0x100), 0);
	}
	/* The device cannot be mapped again, so that its registers are out of reach. */
	fake.fail = 'm';
	bar0[0x100 / 4] = 1;
	assert_int_equal(bus.ops->dma->claim(bus.dev), -EIO);
	CALLS("ugcbmdm");
	assert_int_equal(bus.ops->read32(bus.dev, 0x100), UINT32_MAX);
	bus.ops->write32(bus.dev, 0x100, 2);
	assert_int_equal(bar0[0x100 / 4], 1);
	assert_null(bus.ops->doorbell(bus.dev, 0x100));
	assert_int_equal(bus.ops->bar(bus.dev, 0, &(struct igb_bar){ 0 }), -EINVAL);
	fake.fail = 0;
	done("x");

	probe();
	assert_int_equal(bus.ops->dma->claim(bus.dev), 0);
	CALLS("ugcbm");
	assert_int_equal(bus.ops->dma->claim(bus.dev), 0);
	CALLS("");
	done("xud");
}

static void
only_a_device_behind_an_iommu_can_be_claimed(void **state)
{
	probe();
	assert_true(bus.ops->has_iommu(bus.dev));
	fake.no_iommu = true;
	assert_false(bus.ops->has_iommu(bus.dev));
	assert_int_equal(bus.ops->dma->claim(bus.dev), -ENOTSUP);
	fake.no_iommu = false;
	card.kdrv = RTE_PCI_KDRV_UIO_GENERIC;
	assert_false(bus.ops->has_iommu(bus.dev));
	assert_int_equal(bus.ops->dma->claim(bus.dev), -ENOTSUP);
	CALLS("");
	done("xu");
}

static void
memory_is_mapped_in_the_container_of_the_device(void **state)
{
	const struct gantry_dma_ops *dma;

	probe();
	dma = bus.ops->dma;
	assert_int_equal(dma->map(bus.dev, bar0, 0x1000, 0x2000, GANTRY_DMA_TO_DEVICE), 0);
	assert_int_equal(dma->unmap(bus.dev, bar0, 0x1000, 0x2000), 0);
	CALLS("MU");
	fake.fail = 'M';
	fake.vfio_errno = ENOSPC;
	assert_int_equal(dma->map(bus.dev, bar0, 0x1000, 0x2000, GANTRY_DMA_TO_DEVICE), -ENOSPC);
	fake.vfio_errno = 0;
	assert_int_equal(dma->map(bus.dev, bar0, 0x1000, 0x2000, GANTRY_DMA_TO_DEVICE), -EIO);
	fake.fail = 'U';
	assert_int_equal(dma->unmap(bus.dev, bar0, 0x1000, 0x2000), -EIO);
	CALLS("MMU");
	fake.fail = 0;
	assert_int_equal(dma->claim(bus.dev), 0);
	CALLS("ugcbm");
	assert_int_equal(dma->map(bus.dev, bar0, 0x1000, 0x2000, GANTRY_DMA_TO_DEVICE), 0);
	fake.unmapped = 0x2000;
	assert_int_equal(dma->unmap(bus.dev, bar0, 0x1000, 0x2000), 0);
	fake.unmapped = 0x1000;
	assert_int_equal(dma->unmap(bus.dev, bar0, 0x1000, 0x2000), -ENOENT);
	fake.fail = 'i';
	assert_int_equal(dma->map(bus.dev, bar0, 0x1000, 0x2000, GANTRY_DMA_TO_DEVICE), -ENOSPC);
	CALLS("iooi");
	fake.fail = 0;
	done("xud");
}

static void
removal_of_the_device_is_passed_on(void **state)
{
	probe();
	removed("0000:00:04.0", RTE_DEV_EVENT_REMOVE, NULL);
	removed("eth0", RTE_DEV_EVENT_REMOVE, NULL);
	removed(card.name, RTE_DEV_EVENT_ADD, NULL);
	assert_null(fake.lost);
	removed(card.name, RTE_DEV_EVENT_REMOVE, NULL);
	assert_ptr_equal(fake.lost, &card.device);
	done("xu");
}

/* Return whether a pool of this memory is warned about. */
static bool
warns(struct rte_mempool *mp, enum rte_mempool_event event)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	bool found;

	assert_non_null(f);
	rte_openlog_stream(f);
	pool_event(event, mp, NULL);
	rte_openlog_stream(NULL);
	fclose(f);
	found = strstr(text, "mempool strange: EAL has not mapped its memory") != NULL;
	free(text);
	return found;
}

static void
pools_that_the_iommu_blocks_are_named(void **state)
{
	struct rte_mempool_memhdr mem = { .addr = bar0 };
	static struct rte_mempool mp = { .name = "strange" };
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	STAILQ_INIT(&mp.mem_list);
	STAILQ_INSERT_TAIL(&mp.mem_list, &mem, next);
	probe();
	assert_true(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	assert_false(warns(&mp, RTE_MEMPOOL_EVENT_DESTROY));
	fake.eal_knows = true;
	assert_false(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	fake.msl.external = 1;
	assert_true(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	fake.msl.heap = 1;
	assert_false(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	fake.no_hugepages = true;
	assert_true(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	mp.flags = RTE_MEMPOOL_F_NON_IO;
	assert_false(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	mp.flags = 0;
	fake.no_iommu = true;
	assert_false(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	fake.no_iommu = false;
	assert_int_equal(bus.ops->dma->claim(bus.dev), 0);
	CALLS("ugcbm");
	assert_false(warns(&mp, RTE_MEMPOOL_EVENT_READY));
	done("xud");
	assert_false(warns(&mp, RTE_MEMPOOL_EVENT_READY));

	/* A pool that is older than the device, if it is complete. */
	fake.complete = &mp;
	mp.size = 2;
	for (mp.populated_size = 1; mp.populated_size <= 2; mp.populated_size++) {
		f = open_memstream(&text, &len);
		assert_non_null(f);
		rte_openlog_stream(f);
		probe();
		rte_openlog_stream(NULL);
		fclose(f);
		assert_int_equal(strstr(text, "mempool strange") != NULL, mp.populated_size == 2);
		free(text);
		done("xu");
	}
}

/* The driver registers once in a process, so that this case has a process of its own. */
static void
without_events_no_device_is_probed(void **state)
{
	assert_int_equal(driver->probe(driver, &card), -ENOMEM);
	assert_int_equal(driver->probe(driver, &card), -ENOMEM);
	CALLS("");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest alone[] = {
		cmocka_unit_test_setup(without_events_no_device_is_probed, set_up),
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(device_is_mapped_from_probe_to_remove, set_up),
		cmocka_unit_test_setup(failing_probe_leaves_nothing_mapped, set_up),
		cmocka_unit_test_setup(secondary_takes_only_shared_devices, set_up),
		cmocka_unit_test_setup(vectors_are_those_of_the_device, set_up),
		cmocka_unit_test_setup(vectors_of_queues_are_those_of_eal, set_up),
		cmocka_unit_test_setup(registers_are_loads_and_stores, set_up),
		cmocka_unit_test_setup(device_is_quiesced_by_its_bus_master_bit, set_up),
		cmocka_unit_test_setup(claim_is_complete_or_undone, set_up),
		cmocka_unit_test_setup(only_a_device_behind_an_iommu_can_be_claimed, set_up),
		cmocka_unit_test_setup(memory_is_mapped_in_the_container_of_the_device, set_up),
		cmocka_unit_test_setup(removal_of_the_device_is_passed_on, set_up),
		cmocka_unit_test_setup(pools_that_the_iommu_blocks_are_named, set_up),
	};

	deaf = argc > 1 && strcmp(argv[1], "deaf") == 0;
	if (deaf)
		return cmocka_run_group_tests_name("igb_pci_deaf", alone, NULL, NULL);
	return cmocka_run_group_tests_name("igb_pci", tests, NULL, NULL);
}
