/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * For tests of the vfio-user bus (drivers/bus/vfio_user) against servers in the same process: the
 * servers, the driver, and the life of EAL around the cases.
 *
 * The device is a PCI function that matches no real one, with one memory BAR (one page of it
 * mappable), one I/O BAR, and MSI-X. The driver is a few lines that count the bus' calls. The
 * device on the EAL command line (main_server) exists for the whole run; cases that need one in
 * another state start a second server.
 *
 *     test case                         drivers/bus/vfio_user           struct server
 *       rte_vfio_user_*() ------------>  lib/vfio_user, client  <====>  lib/vfio_user, server
 *       drv_probe(), drv_lost() <------                                     |
 *       device_read(), device_write() ----- by bus address -----------------+
 *
 * The clock is that of test_clock.h, so that time-outs pass without a wait.
 */

#ifndef BUS_SERVER_H
#define BUS_SERVER_H

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "dma_eal.h"

#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_epoll.h>
#include <rte_interrupts.h>
#include <rte_malloc.h>

#include "bus_vfio_user_driver.h"
#include "gantry_dma.h"
#include "promise_server.h"
#include "test_clock.h"
#include "vfio_user_dma_ops.h"
#include "vfu_client.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

#define VENDOR    0x1af4
#define DEVICE    0x7357
#define VECTORS   4
#define BAR0      0x10000u
#define PAGE      0x1000u
#define IRQ_REG   0x10                /* a write raises the vector whose number is written */
#define ELSEWHERE (UINT64_C(1) << 51) /* a bus address at which EAL has no memory */
#define RW        (RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE)

struct server {
	struct vfu_server *srv;
	uint8_t config[256];
	uint8_t bar0[BAR0];
	int memfd;
	uint8_t *mem;
	atomic_int attached, detached, resets;
	unsigned int slow_ms; /* time that passes while it answers, in ms */
	atomic_int slow;      /* how often it answered so late */
	/* Called by a read of BAR 0; an error is the reply. */
	int (*before_read)(struct server *s);
};

static struct server main_server;
static char main_path[64], dir[32];

/* The driver's calls, as the test observes them. */
static struct rte_vfio_user_device *probed;
static atomic_int probes, removes, losses;
static int probe_result;
static unsigned int probe_ms; /* duration of the driver's probe, in ms */

/*
 * The device.
 */

static inline void
answer_late(struct server *s)
{
	passed_ms += s->slow_ms;
	s->slow += s->slow_ms != 0;
}

static inline int
dev_read(void *opaque, unsigned int region, uint64_t offset, void *buf, size_t len)
{
	struct server *s = opaque;
	int ret = region == 0 && s->before_read != NULL ? s->before_read(s) : 0;

	answer_late(s);
	if (ret != 0)
		return ret;
	if (region == VFIO_PCI_CONFIG_REGION_INDEX)
		memcpy(buf, s->config + offset, len);
	else if (region == 0)
		memcpy(buf, s->bar0 + offset, len);
	else
		memset(buf, 0, len);
	return 0;
}

static inline int
dev_write(void *opaque, unsigned int region, uint64_t offset, const void *buf, size_t len)
{
	struct server *s = opaque;
	uint32_t v = 0;

	answer_late(s);
	memcpy(&v, buf, RTE_MIN(len, sizeof(v)));
	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		if (offset == PCI_BASE_ADDRESS_0)
			v = (v & ~(BAR0 - 1)) | (s->config[offset] & PCI_BASE_ADDRESS_SPACE_IO);
		else if (offset == PCI_BASE_ADDRESS_2)
			v = (v & ~31u) | PCI_BASE_ADDRESS_SPACE_IO;
		else if (offset >= PCI_BASE_ADDRESS_1 && offset <= PCI_BASE_ADDRESS_5)
			v = 0;
		memcpy(s->config + offset, &v, len);
	} else if (region == 0) {
		memcpy(s->bar0 + offset, buf, len);
		if (offset == IRQ_REG)
			vfu_server_irq(s->srv, VFIO_PCI_MSIX_IRQ_INDEX, v);
	}
	return 0;
}

static inline void
dev_attached(void *opaque)
{
	((struct server *)opaque)->attached++;
}

static inline void
dev_detached(void *opaque, const char *why)
{
	((struct server *)opaque)->detached++;
}

static inline int
dev_reset(void *opaque)
{
	((struct server *)opaque)->resets++;
	answer_late(opaque);
	return 0;
}

static inline void
put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

static inline void
serve_as(struct server *s, const char *path, uint16_t device, bool sealed, bool page_table)
{
	static const struct vfu_server_ops ops = {
		.attached = dev_attached,
		.detached = dev_detached,
		.region_read = dev_read,
		.region_write = dev_write,
		.reset = dev_reset,
	};
	struct vfu_server_desc desc;
	char err[VFU_ERR_LEN];

	memset(s, 0, sizeof(*s));
	put16(s->config + PCI_VENDOR_ID, VENDOR);
	put16(s->config + PCI_DEVICE_ID, device);
	put16(s->config + PCI_CLASS_DEVICE, 0x0200);
	put16(s->config + PCI_STATUS, PCI_STATUS_CAP_LIST);
	s->config[PCI_CAPABILITY_LIST] = 0x40;
	s->config[0x40] = PCI_CAP_ID_PM;
	s->config[0x41] = 0x60;
	s->config[0x60] = PCI_CAP_ID_MSIX;
	put16(s->config + 0x62, VECTORS - 1);
	put16(s->config + PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_SPACE_IO);

	s->memfd = memfd_create("bar0", MFD_ALLOW_SEALING);
	assert_true(s->memfd >= 0);
	assert_int_equal(ftruncate(s->memfd, BAR0), 0);
	assert_int_equal(fcntl(s->memfd, F_ADD_SEALS, sealed ? F_SEAL_SHRINK : F_SEAL_SEAL), 0);
	s->mem = mmap(NULL, BAR0, PROT_READ | PROT_WRITE, MAP_SHARED, s->memfd, 0);
	assert_ptr_not_equal(s->mem, MAP_FAILED);

	memset(&desc, 0, sizeof(desc));
	for (unsigned int i = 0; i < VFU_SRV_REGIONS; i++)
		desc.regions[i].fd = -1;
	desc.regions[0].size = BAR0;
	desc.regions[0].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			VFIO_REGION_INFO_FLAG_MMAP;
	desc.regions[0].fd = s->memfd;
	desc.regions[0].nr_areas = 1;
	desc.regions[0].areas[0].offset = 2 * PAGE;
	desc.regions[0].areas[0].size = PAGE;
	desc.regions[2].size = 32;
	desc.regions[2].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = 256;
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].flags = VFIO_REGION_INFO_FLAG_READ |
			VFIO_REGION_INFO_FLAG_WRITE;
	desc.irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = VECTORS;
	desc.dma_timeout_ms = 20000;
	desc.no_page_table = !page_table;
	if (vfu_server_start(path, &desc, &ops, s, &s->srv, err) != 0) {
		printf("%s\n", err);
		exit(1);
	}
}

static inline void
serve(struct server *s, const char *path, uint16_t device, bool sealed)
{
	serve_as(s, path, device, sealed, true);
}

static inline void
unserve(struct server *s)
{
	vfu_server_stop(s->srv);
	munmap(s->mem, BAR0);
	close(s->memfd);
}

/*
 * The driver.
 */

static inline int
drv_probe(struct rte_vfio_user_driver *drv, struct rte_vfio_user_device *dev)
{
	probed = dev;
	probes++;
	if (probe_ms != 0) {
		passed_ms += probe_ms;
		return rte_vfio_user_write32(dev, 0, 0, 0);
	}
	return probe_result;
}

static inline int
drv_remove(struct rte_vfio_user_device *dev)
{
	assert_ptr_equal(dev, probed);
	probed = NULL;
	removes++;
	return 0;
}

static inline void
drv_lost(struct rte_vfio_user_device *dev)
{
	assert_true(rte_thread_is_intr());
	losses++;
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
	.id_table = ids,
	.probe = drv_probe,
	.remove = drv_remove,
	.lost = drv_lost,
};

RTE_PMD_REGISTER_VFIO_USER(test_driver, driver);

static inline bool
soon(atomic_int *what, int value)
{
	for (int i = 0; i < 20000 && *what != value; i++)
		usleep(1000);
	return *what == value;
}

static inline int
plug(const char *path)
{
	char args[256];

	snprintf(args, sizeof(args), "vfio_user:%s,key=value", path);
	return rte_dev_probe(args);
}

/*
 * The device's view: its reads and writes by bus address, as its polling thread performs them, and
 * the number of its mappings.
 */

static inline bool
device_sees(struct server *s, uint64_t bus, void *va, size_t len)
{
	void *p;
	bool same = false;

	vfu_rcu_register();
	p = vfu_dma_ptr(s->srv, bus, len, VFU_DMA_READ);
	if (p != NULL) {
		*(volatile uint8_t *)va ^= 0xff;
		same = memcmp(p, va, len) == 0;
		*(volatile uint8_t *)va ^= 0xff;
	}
	vfu_rcu_unregister();
	return same;
}

static inline int
device_read(struct server *s, uint64_t bus, void *buf, size_t len)
{
	int ret;

	vfu_rcu_register();
	/*
	 * Memory without a descriptor takes a message: the server requests it, and the read is
	 * retried.
	 */
	while ((ret = vfu_dma_read(s->srv, 0, bus, buf, len)) == -EAGAIN)
		vfu_dma_wait(s->srv);
	vfu_rcu_unregister();
	return ret;
}

static inline int
device_write(struct server *s, uint64_t bus, const void *buf, size_t len)
{
	int ret;

	vfu_rcu_register();
	ret = vfu_dma_write(s->srv, bus, buf, len);
	vfu_dma_wait(s->srv); /* it may be posted */
	vfu_rcu_unregister();
	return ret;
}

static inline uint64_t
device_maps(struct server *s, uint64_t *bytes)
{
	struct vfu_server_stats stats;

	vfu_server_get_stats(s->srv, &stats);
	if (bytes != NULL)
		*bytes = stats.dma_bytes;
	return stats.dma_maps;
}

/* Start the server of the device on the command line, and EAL with the arguments of the program. */
static inline void
bus_begin(int argc, char **argv)
{
	/* A second argument puts all hugepages into one file, and so into one mapping. */
	char *single = argc > 2 ? argv[2] : NULL;
	static char devargs[128];

	snprintf(dir, sizeof(dir), "/tmp/gantry-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		exit(1);
	snprintf(main_path, sizeof(main_path), "%s/nic0", dir);
	serve(&main_server, main_path, DEVICE, true);
	snprintf(devargs, sizeof(devargs), "vfio_user:%s,speed=fast", main_path);
	eal_start(argc, argv, "-a", devargs, single, NULL);
}

/* End EAL, which must close the device. Return ret, the result of the cases, or 1. */
static inline int
bus_end(int ret)
{
	rte_eal_cleanup();
	if (probed != NULL || !soon(&main_server.detached, 1)) {
		printf("rte_eal_cleanup() left the device\n");
		ret = 1;
	}
	unserve(&main_server);
	rmdir(dir);
	return ret;
}

#endif /* BUS_SERVER_H */
