/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the vfio-user bus (drivers/bus/vfio_user) against servers in the same process.
 *
 * The device is a PCI function that matches no real one, with one memory BAR (one page of it
 * mappable), one I/O BAR, and MSI-X. The driver is a few lines that count the bus' calls. The
 * device named on EAL's command line (main_server) exists for the whole run; cases that need one in
 * another state start a second server.
 *
 *     test case                         drivers/bus/vfio_user           struct server
 *       rte_vfio_user_*() ------------>  lib/vfio_user, client  <====>  lib/vfio_user, server
 *       drv_probe(), drv_lost() <------                                     |
 *       device_read(), device_write() ----- by bus address -----------------+
 *
 * clock_gettime() is replaced for the whole process, so that time-outs pass without a wait.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
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
#include "vfio_user_dma_ops.h"
#include "vfu_client.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

#define VENDOR  0x1af4
#define DEVICE  0x7357
#define VECTORS 4
#define BAR0    0x10000u
#define PAGE    0x1000u
#define IRQ_REG 0x10 /* a write raises the vector whose number is written */
#define ELSEWHERE (UINT64_C(1) << 51) /* a bus address at which EAL has no memory */
#define RW      (RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE)

struct server {
	struct vfu_server *srv;
	uint8_t config[256];
	uint8_t bar0[BAR0];
	int memfd;
	uint8_t *mem;
	atomic_int attached, detached, resets;
	unsigned int slow_ms; /* time that passes while it answers, in ms */
	atomic_int slow;      /* how often it answered so late */
};

static struct server main_server;
static char main_path[64], dir[32];

/* The driver's calls, as the test observes them. */
static struct rte_vfio_user_device *probed;
static atomic_int probes, removes, losses, remove_events, vector0;
static int probe_result;
static unsigned int probe_ms; /* duration of the driver's probe, in ms */

/*
 * Replaces the C library's function, also for EAL and the bus: tests advance the time themselves.
 */
static _Atomic uint64_t passed_ms;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	const uint64_t ms = passed_ms;
	int ret = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += (time_t)(ms / 1000);
	ts->tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_sec++;
		ts->tv_nsec -= 1000000000;
	}
	return ret;
}

/*
 * The device.
 */

static void
answer_late(struct server *s)
{
	passed_ms += s->slow_ms;
	s->slow += s->slow_ms != 0;
}

static int
dev_read(void *opaque, unsigned int region, uint64_t offset, void *buf, size_t len)
{
	struct server *s = opaque;

	answer_late(s);
	if (region == VFIO_PCI_CONFIG_REGION_INDEX)
		memcpy(buf, s->config + offset, len);
	else if (region == 0)
		memcpy(buf, s->bar0 + offset, len);
	else
		memset(buf, 0, len);
	return 0;
}

static int
dev_write(void *opaque, unsigned int region, uint64_t offset, const void *buf, size_t len)
{
	struct server *s = opaque;
	uint32_t v = 0;

	answer_late(s);
	memcpy(&v, buf, RTE_MIN(len, sizeof(v)));
	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		if (offset == PCI_BASE_ADDRESS_0)
			v &= ~(BAR0 - 1);
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

static void
dev_attached(void *opaque)
{
	((struct server *)opaque)->attached++;
}

static void
dev_detached(void *opaque, const char *why)
{
	((struct server *)opaque)->detached++;
}

static int
dev_reset(void *opaque)
{
	((struct server *)opaque)->resets++;
	answer_late(opaque);
	return 0;
}

static void
put16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, 2);
}

static void
serve_as(struct server *s, const char *path, uint16_t device, bool sealed, bool page_table)
{
	static const struct vfu_server_ops ops = {
		.attached = dev_attached, .detached = dev_detached,
		.region_read = dev_read, .region_write = dev_write, .reset = dev_reset,
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

static void
serve(struct server *s, const char *path, uint16_t device, bool sealed)
{
	serve_as(s, path, device, sealed, true);
}

static void
unserve(struct server *s)
{
	vfu_server_stop(s->srv);
	munmap(s->mem, BAR0);
	close(s->memfd);
}

/*
 * The driver.
 */

static int
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

static int
drv_remove(struct rte_vfio_user_device *dev)
{
	assert_ptr_equal(dev, probed);
	probed = NULL;
	removes++;
	return 0;
}

static void
drv_lost(struct rte_vfio_user_device *dev)
{
	assert_true(rte_thread_is_intr());
	losses++;
}

static const struct rte_pci_id ids[] = {
	{
		.class_id = RTE_CLASS_ANY_ID, .vendor_id = VENDOR, .device_id = DEVICE,
		.subsystem_vendor_id = RTE_PCI_ANY_ID, .subsystem_device_id = RTE_PCI_ANY_ID,
	},
	{ .vendor_id = 0 },
};

static struct rte_vfio_user_driver driver = {
	.id_table = ids, .probe = drv_probe, .remove = drv_remove, .lost = drv_lost,
};

RTE_PMD_REGISTER_VFIO_USER(test_driver, driver);

static bool
soon(atomic_int *what, int value)
{
	for (int i = 0; i < 20000 && *what != value; i++)
		usleep(1000);
	return *what == value;
}

static int
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

static bool
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

static int
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

static int
device_write(struct server *s, uint64_t bus, const void *buf, size_t len)
{
	int ret;

	vfu_rcu_register();
	ret = vfu_dma_write(s->srv, bus, buf, len);
	vfu_dma_wait(s->srv); /* it may be posted */
	vfu_rcu_unregister();
	return ret;
}

static uint64_t
device_maps(struct server *s, uint64_t *bytes)
{
	struct vfu_server_stats stats;

	vfu_server_get_stats(s->srv, &stats);
	if (bytes != NULL)
		*bytes = stats.dma_bytes;
	return stats.dma_maps;
}

/*
 * Tests.
 */

/* The bus has set up the device that is named on EAL's command line. */
static void
device_on_command_line_is_set_up(void **state)
{
	struct rte_vfio_user_device *dev = probed;
	struct rte_vfio_user_bar *bar;
	uint8_t config[64];
	uint32_t v;

	assert_int_equal(probes, 1);
	assert_non_null(dev);
	assert_string_equal(dev->device.name, main_path);
	assert_string_equal(dev->path, main_path);
	assert_string_equal(dev->device.devargs->args, "speed=fast");
	assert_ptr_equal(rte_vfio_user_device_of(&dev->device), dev);
	assert_null(rte_vfio_user_device_of((struct rte_device *)&v));
	assert_true(rte_vfio_user_alive(dev));
	assert_int_equal(dev->id.vendor_id, VENDOR);
	assert_int_equal(dev->id.device_id, DEVICE);
	assert_int_equal(dev->id.class_id, 0x020000);

	/* The work of firmware and kernel on a real PCI bus. */
	v = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	assert_int_equal(main_server.config[PCI_COMMAND] & v, v);
	assert_true(main_server.config[0x63] & PCI_MSIX_FLAGS_ENABLE >> 8);
	bar = &dev->bars[0];
	assert_int_equal(bar->size, BAR0);
	assert_false(bar->is_io || bar->is_64);
	assert_true(bar->bus_addr != 0 && bar->bus_addr % BAR0 == 0);
	memcpy(&v, main_server.config + PCI_BASE_ADDRESS_0, 4);
	assert_int_equal(v, bar->bus_addr);
	assert_int_equal(dev->bars[1].size, 0);
	assert_int_equal(dev->bars[2].size, 32);
	assert_true(dev->bars[2].is_io);

	/* Registers by message, and through the mapping. */
	assert_int_equal(rte_vfio_user_write32(dev, 0, 0x100, 0x12345678), 0);
	memcpy(&v, main_server.bar0 + 0x100, 4);
	assert_int_equal(v, 0x12345678);
	assert_int_equal(rte_vfio_user_read32(dev, 0, 0x100, &v), 0);
	assert_int_equal(v, 0x12345678);
	assert_true(rte_vfio_user_read32(dev, 0, BAR0, &v) < 0);
	assert_int_equal(v, UINT32_MAX);
	assert_true(rte_vfio_user_read32(dev, 6, 0, &v) < 0);
	assert_int_equal(v, UINT32_MAX);
	assert_true(rte_vfio_user_alive(dev));
	assert_int_equal(rte_vfio_user_read_config(dev, config, sizeof(config), 0), 0);
	assert_memory_equal(config, main_server.config, sizeof(config));

	assert_int_equal(bar->nr_maps, 1);
	assert_null(rte_vfio_user_bar_ptr(dev, 0, 0, 4));
	assert_null(rte_vfio_user_bar_ptr(dev, 0, 3 * PAGE, 4));
	assert_null(rte_vfio_user_bar_ptr(dev, 0, 3 * PAGE - 4, 8));
	assert_null(rte_vfio_user_bar_ptr(dev, 0, UINT64_MAX, 8));
	assert_null(rte_vfio_user_bar_ptr(dev, 9, 0, 4));
	*(volatile uint32_t *)rte_vfio_user_bar_ptr(dev, 0, 3 * PAGE - 4, 4) = 0xcafe;
	assert_int_equal(*(uint32_t *)(main_server.mem + 3 * PAGE - 4), 0xcafe);
}

static int
page_seen(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	uint64_t *bytes = arg;

	assert_true(device_sees(&main_server, ms->iova, ms->addr, 64));
	*bytes += ms->len;
	return 0;
}

/* The device reaches all of EAL memory at its bus addresses, and nothing else. */
static void
device_reaches_all_eal_memory_and_no_more(void **state)
{
	uint64_t want = 0, have, maps;

	rte_memseg_walk(page_seen, &want);
	maps = device_maps(&main_server, &have);
	assert_int_equal(have, want);
	print_message("%" PRIu64 " bytes in %" PRIu64 " mappings\n", have, maps);
	if (!eal_huge() || *state != NULL)
		assert_int_equal(maps, 1);
	assert_true(maps <= want / (2 << 20) + 1);
	assert_int_equal(device_read(&main_server, 0, &maps, 8), -EFAULT);
}

/* The page frame number from the kernel's pagemap. The caller must have touched p. */
static uint64_t
frame_of(const volatile void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &entry, 8, (uintptr_t)p / PAGE * 8), 8);
	close(fd);
	assert_true(entry >> 63); /* present */
	return entry & ((UINT64_C(1) << 55) - 1);
}

static void
fill(uint8_t *p, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i * 7);
}

/*
 * One buffer through its three addresses: X is the virtual, Y the physical and Z the bus address.
 * Each of them leads to the same bytes. Z is the device's view, in a mapping of its own, by bus
 * address. The test cannot access physical memory as such. For Y it uses a second mapping, which
 * the kernel reports as the page frame that gantry_virt_to_phys() named (needs root).
 */
static void
virtual_physical_and_bus_address_lead_to_same_bytes(void **state)
{
	struct gantry_dma_params params = { .name = "follow", .socket_id = SOCKET_ID_ANY };
	struct gantry_dma_dev *dma = gantry_dma_dev_create(&params);
	const size_t len = 1500;
	uint8_t *x = rte_zmalloc(NULL, 8192, 4096), *y = NULL, *second = NULL;
	uint8_t want[1500], got[1500];
	struct rte_memseg *ms = NULL;
	gantry_phys_addr_t phys;
	gantry_dma_addr_t z;
	size_t off = 0;
	int fd;

	assert_non_null(dma);
	assert_non_null(x);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dma, GANTRY_DMA_BIT_MASK(64)), 0);
	x += 100; /* not at the start of a page */

	if (geteuid() == 0) {
		ms = rte_mem_virt2memseg(x, NULL);
		assert_non_null(ms);
		fd = rte_memseg_get_fd(ms);
		assert_true(fd >= 0);
		assert_int_equal(rte_memseg_get_fd_offset(ms, &off), 0);
		second = mmap(NULL, ms->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off);
		assert_ptr_not_equal(second, MAP_FAILED);
		y = second + (x - (uint8_t *)ms->addr);
		assert_ptr_not_equal(x, y);
	}

	for (int turn = 0; turn < 3; turn++) {
		/* The CPU writes at X, the device reads. */
		fill(want, len, turn);
		memcpy(x, want, len);
		z = gantry_dma_map_single(dma, x, len, GANTRY_DMA_BIDIRECTIONAL);
		assert_false(gantry_dma_mapping_error(dma, z));
		assert_int_equal(device_read(&main_server, z, got, len), 0);
		assert_memory_equal(got, want, len);
		if (y != NULL) {
			assert_memory_equal(y, want, len);
			assert_int_equal(gantry_virt_to_phys(x, &phys), 0);
			assert_int_equal(frame_of(y), phys / PAGE);
			assert_int_equal(phys % PAGE, (uintptr_t)x % PAGE);
			if (rte_eal_iova_mode() == RTE_IOVA_PA)
				assert_int_equal(z, phys);
		}

		/* The device writes at Z, the CPU reads. */
		fill(want, len, 100 + turn);
		assert_int_equal(device_write(&main_server, z, want, len), 0);
		gantry_dma_sync_single_for_cpu(dma, z, len, GANTRY_DMA_BIDIRECTIONAL);
		assert_memory_equal(x, want, len);
		if (y != NULL)
			assert_memory_equal(y, want, len);
		gantry_dma_sync_single_for_device(dma, z, len, GANTRY_DMA_BIDIRECTIONAL);

		/* CPU and device both see a write to the page frame itself. */
		if (y != NULL) {
			fill(want, len, 200 + turn);
			memcpy(y, want, len);
			assert_memory_equal(x, want, len);
			assert_int_equal(device_read(&main_server, z, got, len), 0);
			assert_memory_equal(got, want, len);
		}
		gantry_dma_unmap_single(dma, z, len, GANTRY_DMA_BIDIRECTIONAL);
	}
	if (y != NULL) {
		print_message("X %p  Y 0x%" PRIx64 "  Z 0x%" PRIx64 "\n", (void *)x, phys, z);
		munmap(second, ms->len);
	}
	rte_free(x - 100);
	gantry_dma_dev_destroy(dma);
}

/* Memory that EAL adds and removes while the device is attached. */
static void
memory_events_map_and_unmap(void **state)
{
	const size_t len = 128 << 20;
	uint64_t before, maps = device_maps(&main_server, &before), bytes;
	const struct rte_memseg *ms;
	rte_iova_t bus;
	unsigned int i;
	uint8_t *p;

	if (!eal_huge() || eal_free_hugepages() < 80) {
		print_message("needs 80 free hugepages: EAL's memory grows only with them\n");
		skip();
	}
	for (i = 0; i < 3; i++) {
		p = rte_zmalloc(NULL, len, 0);
		assert_non_null(p);
		ms = rte_mem_virt2memseg(p + len - 4096, NULL);
		bus = ms->iova + (p + len - 4096 - (uint8_t *)ms->addr);
		assert_true(device_sees(&main_server, bus, p + len - 4096, 64));
		device_maps(&main_server, &bytes);
		assert_true(bytes >= before + len - (8 << 20));
		rte_free(p);
		assert_int_equal(device_read(&main_server, bus, &bytes, 8), -EFAULT);
		assert_int_equal(device_maps(&main_server, &bytes), maps);
		assert_int_equal(bytes, before);
	}
	assert_true(rte_vfio_user_alive(probed));
}

/* Memory of the application has no file, so the device requests it by message. */
static void
application_memory_is_read_by_message(void **state)
{
	const size_t len = 16 * PAGE;
	const uint64_t bus = ELSEWHERE;
	uint64_t maps = device_maps(&main_server, NULL);
	struct rte_device *dev = &probed->device;
	uint8_t *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char buf[32];

	assert_int_equal(rte_extmem_register(mem, len, NULL, 0, PAGE), 0);
	assert_int_equal(device_maps(&main_server, NULL), maps);
	assert_int_equal(rte_dev_dma_map(dev, mem, bus, len), 0);
	assert_int_equal(device_maps(&main_server, NULL), maps + 1);
	strcpy((char *)mem + 5000, "from the driver");
	assert_int_equal(device_read(&main_server, bus + 5000, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "from the driver");
	assert_int_equal(device_write(&main_server, bus + 6000, "from the device", 16), 0);
	assert_string_equal((char *)mem + 6000, "from the device");
	assert_int_equal(device_read(&main_server, bus + len - 8, buf, 16), -EFAULT);

	/*
	 * Map again, over a part, unaligned, empty, without or with an unknown permission,
	 * wrapping; unmap another size.
	 */
	assert_true(rte_vfio_user_dma_map(probed, mem, bus, len, RW) == -EEXIST);
	assert_true(rte_vfio_user_dma_map(probed, mem, bus - PAGE, 2 * PAGE, RW) == -EEXIST);
	assert_true(rte_vfio_user_dma_map(probed, mem, bus + 1, PAGE, RW) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, bus, 0, RW) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, 0x5000, PAGE, 0) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, 0x5000, PAGE, 4) == -EINVAL);
	assert_true(rte_vfio_user_dma_map(probed, mem, -(uint64_t)PAGE, 2 * PAGE, RW) == -EINVAL);
	assert_true(rte_vfio_user_dma_unmap(probed, mem, bus, PAGE) == -ENOENT);
	assert_int_equal(rte_dev_dma_unmap(dev, mem, bus, len), 0);
	assert_int_equal(device_read(&main_server, bus + 5000, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(device_maps(&main_server, NULL), maps);
	assert_int_equal(rte_extmem_unregister(mem, len), 0);

	/* EAL memory at a second bus address: the bus finds its file. */
	mem = rte_malloc(NULL, PAGE, PAGE);
	assert_int_equal(rte_vfio_user_dma_map(probed, mem, bus, PAGE, RW), 0);
	assert_true(device_sees(&main_server, bus, mem, 64));
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem, bus, PAGE), 0);
	rte_free(mem);
}

/* Each permission alone, in EAL memory and in memory without a file. */
static void
each_permission_is_enforced_alone(void **state)
{
	uint8_t *own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *mems[2] = { own, rte_malloc(NULL, PAGE, PAGE) };
	const uint64_t bus = ELSEWHERE;
	char buf[8] = "device";

	for (unsigned int i = 0; i < 2; i++) {
		strcpy((char *)mems[i], "driver");
		assert_int_equal(rte_vfio_user_dma_map(probed, mems[i], bus, PAGE,
			RTE_VFIO_USER_DMA_WRITE), 0);
		assert_int_equal(device_read(&main_server, bus, buf, sizeof(buf)), -EFAULT);
		assert_int_equal(device_write(&main_server, bus, buf, sizeof(buf)), 0);
		assert_string_equal((char *)mems[i], "device");
		assert_int_equal(rte_vfio_user_dma_unmap(probed, mems[i], bus, PAGE), 0);

		assert_int_equal(rte_vfio_user_dma_map(probed, mems[i], bus, PAGE,
			RTE_VFIO_USER_DMA_READ), 0);
		strcpy((char *)mems[i], "driver");
		assert_int_equal(device_write(&main_server, bus, buf, sizeof(buf)), -EFAULT);
		assert_string_equal((char *)mems[i], "driver");
		assert_int_equal(device_read(&main_server, bus, buf, sizeof(buf)), 0);
		assert_string_equal(buf, "driver");
		assert_int_equal(rte_vfio_user_dma_unmap(probed, mems[i], bus, PAGE), 0);
		strcpy(buf, "device");
	}
	munmap(own, PAGE);
	rte_free(mems[1]);
}

/* Memory in a file of the driver. */
static void
pages_of_a_file_are_mapped(void **state)
{
	const uint64_t bus = ELSEWHERE;
	uint64_t maps = device_maps(&main_server, NULL);
	int fd = memfd_create("arena", MFD_CLOEXEC), pipes[2];
	uint8_t *mem;

	assert_int_equal(ftruncate(fd, 8 * PAGE), 0);
	mem = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, -1, 0, mem, bus, PAGE, RW), -EBADF);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, fd, 7 * PAGE, mem, bus, 2 * PAGE, RW),
		-EINVAL);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, fd, 100, mem, bus, PAGE, RW), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, fd, 0, mem, bus, 100, RW), -EINVAL);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, pipes[0], 0, mem, bus, PAGE, RW),
		-EINVAL);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(device_maps(&main_server, NULL), maps);

	/*
	 * Two pages of the file, in reverse order. The driver may close the descriptor afterwards.
	 */
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, fd, 3 * PAGE, mem + 3 * PAGE, bus, PAGE,
		RW), 0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, fd, 2 * PAGE, mem + 2 * PAGE, bus + PAGE,
		PAGE, RTE_VFIO_USER_DMA_READ), 0);
	assert_int_equal(rte_vfio_user_dma_map_fd(probed, fd, 0, mem, bus + PAGE, PAGE, RW),
		-EEXIST);
	close(fd);
	fill(mem, 8 * PAGE, 1);
	assert_true(device_sees(&main_server, bus, mem + 3 * PAGE, PAGE));
	assert_true(device_sees(&main_server, bus + PAGE, mem + 2 * PAGE, PAGE));
	assert_int_equal(device_write(&main_server, bus + PAGE, "x", 1), -EFAULT);
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem, bus, PAGE), -ENOENT);
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem + 3 * PAGE, bus, PAGE), 0);
	assert_false(device_sees(&main_server, bus, mem + 3 * PAGE, PAGE));
	assert_int_equal(rte_vfio_user_dma_unmap(probed, mem + 2 * PAGE, bus + PAGE, PAGE), 0);
	assert_int_equal(device_maps(&main_server, NULL), maps);
	munmap(mem, 8 * PAGE);
}

static int
page_hidden(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	char byte;

	assert_int_equal(device_read(arg, ms->iova, &byte, 1), -EFAULT);
	return 0;
}

/* After a claim, none of the bus' own mappings remains, and the bus adds none. */
static void
claim_removes_all_bus_mappings(void **state)
{
	struct rte_vfio_user_device *first = probed, *dev;
	const uint64_t bus = ELSEWHERE;
	struct server second;
	char path[64];
	void *mem;

	snprintf(path, sizeof(path), "%s/claimed", dir);
	serve(&second, path, DEVICE, true);
	assert_int_equal(plug(path), 0);
	dev = probed;
	mem = rte_malloc(NULL, PAGE, PAGE);
	assert_int_equal(rte_vfio_user_dma_map(dev, mem, bus, PAGE, RW), 0);
	assert_true(device_maps(&second, NULL) > 1);
	assert_int_equal(rte_vfio_user_dma_claim(dev), 0);
	assert_int_equal(device_maps(&second, NULL), 1); /* the driver's own mapping remains */
	assert_true(device_sees(&second, bus, mem, 64));
	rte_memseg_walk(page_hidden, &second);
	assert_int_equal(rte_vfio_user_dma_claim(dev), 0);

	if (eal_huge() && eal_free_hugepages() >= 80) {
		void *more = rte_zmalloc(NULL, 128 << 20, 0);

		assert_non_null(more);
		assert_int_equal(device_maps(&second, NULL), 1);
		rte_memseg_walk(page_hidden, &second);
		assert_true(device_maps(&main_server, NULL) > 1); /* that device is not claimed */
		rte_free(more);
	}
	/* The driver may now use EAL's bus addresses for mappings of its own. */
	assert_int_equal(rte_vfio_user_dma_map(dev, mem, rte_malloc_virt2iova(mem), PAGE, RW), 0);
	assert_true(device_sees(&second, rte_malloc_virt2iova(mem), mem, 64));
	assert_int_equal(rte_dev_remove(&dev->device), 0);
	assert_int_equal(device_maps(&second, NULL), 0);

	/* The next driver of the device finds EAL memory mapped again. */
	assert_int_equal(plug(path), 0);
	assert_true(device_sees(&second, rte_malloc_virt2iova(mem), mem, 64));
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
	rte_free(mem);
}

/* 65,536 pages, each mapped by one message, no two of them adjacent. */
static void
many_separate_pages_can_be_mapped(void **state)
{
	enum { N = 65536 };
	const size_t len = (size_t)N * PAGE;
	int fd = memfd_create("many", MFD_CLOEXEC);
	uint64_t maps = device_maps(&main_server, NULL);
	const uint64_t bus = UINT64_C(1) << 50;
	uint8_t *mem;

	assert_int_equal(ftruncate(fd, len), 0);
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	assert_ptr_not_equal(mem, MAP_FAILED);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t page = i * 40503 % N; /* odd factor: each page once */

		assert_int_equal(rte_vfio_user_dma_map_fd(probed, fd, (uint64_t)page * PAGE,
			mem + (size_t)page * PAGE, bus + (uint64_t)i * 2 * PAGE, PAGE, RW), 0);
	}
	assert_int_equal(device_maps(&main_server, NULL), maps + N);
	for (uint32_t i = 0; i < N; i += 97)
		assert_true(device_sees(&main_server, bus + (uint64_t)i * 2 * PAGE,
			mem + (size_t)(i * 40503 % N) * PAGE, 8));
	for (uint32_t i = 0; i < N; i++) {
		uint32_t k = i * 3 % N;

		assert_int_equal(rte_vfio_user_dma_unmap(probed,
			mem + (size_t)(k * 40503 % N) * PAGE, bus + (uint64_t)k * 2 * PAGE, PAGE),
			0);
	}
	assert_int_equal(device_maps(&main_server, NULL), maps);
	munmap(mem, len);
	close(fd);
}

static void
on_vector0(void *arg)
{
	assert_ptr_equal(arg, probed);
	vector0++;
}

static void
each_vector_is_delivered_once(void **state)
{
	struct rte_vfio_user_device *dev = probed;
	struct rte_intr_handle *h = dev->intr_handle;
	struct rte_epoll_event ev;
	unsigned int q;

	assert_int_equal(dev->nb_vectors, VECTORS);
	assert_int_equal(rte_intr_nb_efd_get(h), VECTORS - 1);
	assert_true(rte_intr_allow_others(h));
	assert_true(rte_intr_cap_multiple(h));
	assert_int_equal(rte_intr_callback_register(h, on_vector0, dev), 0);
	assert_int_equal(rte_intr_enable(h), 0);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(rte_vfio_user_write32(dev, 0, IRQ_REG, 0), 0);
		assert_true(soon(&vector0, i));
		assert_int_equal(rte_intr_ack(h), 0);
	}
	usleep(20000); /* each interrupt arrives once, not repeatedly */
	assert_int_equal(vector0, 3);

	for (q = 0; q < VECTORS - 1; q++) {
		assert_int_equal(rte_intr_rx_ctl(h, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD,
			RTE_INTR_VEC_RXTX_OFFSET + q, (void *)(uintptr_t)q), 0);
		assert_int_equal(rte_vfio_user_write32(dev, 0, IRQ_REG, 1 + q), 0);
		assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 20000), 1);
		assert_ptr_equal(ev.epdata.data, (void *)(uintptr_t)q);
		assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 10), 0);
		assert_int_equal(rte_intr_rx_ctl(h, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL,
			RTE_INTR_VEC_RXTX_OFFSET + q, NULL), 0);
	}
	assert_int_equal(rte_intr_disable(h), 0);
	assert_true(rte_intr_callback_unregister_sync(h, on_vector0, dev) > 0);
}

/*
 * The I/O page table, from the driver's call to the device's access: the device reaches EAL memory
 * at the bus addresses of valid entries, and nowhere else.
 */
static void
page_table_entry_alone_gives_access(void **state)
{
	enum { N = 512 };
	const uint64_t base = 0x40000000;
	struct rte_vfio_user_device *first = probed, *dev;
	struct server second;
	uint64_t *entries, *none;
	uint8_t *mem, buf[64];
	rte_iova_t iova;
	char path[64];

	snprintf(path, sizeof(path), "%s/paged", dir);
	serve(&second, path, DEVICE, true);
	assert_int_equal(plug(path), 0);
	dev = probed;
	mem = rte_zmalloc(NULL, 2 * PAGE, PAGE);
	fill(mem, 2 * PAGE, 7);
	iova = rte_malloc_virt2iova(mem);
	assert_true(device_sees(&second, iova, mem, 64));

	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, 0, &none), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base + 1, N, &none), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, SIZE_MAX, &none), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, 0 - (uint64_t)PAGE, 2, &none), -EINVAL);
	assert_true(device_sees(&second, iova, mem, 64)); /* unchanged */
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, N, &entries), 0);
	assert_int_equal(rte_vfio_user_dma_page_table(dev, base, N, &none), -EEXIST);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(entries[i], 0);
	rte_memseg_walk(page_hidden, &second);
	assert_int_equal(device_read(&second, base, buf, 1), -EFAULT);

	entries[N - 1] = iova | RW;
	assert_true(device_sees(&second, base + (N - 1) * PAGE, mem, PAGE));
	assert_int_equal(device_write(&second, base + (N - 1) * PAGE + 9, "stale", 6), 0);
	assert_string_equal((char *)mem + 9, "stale");
	assert_int_equal(device_read(&second, base + N * PAGE - 1, buf, 2), -EFAULT);
	entries[N - 1] = iova | RTE_VFIO_USER_DMA_READ;
	assert_int_equal(device_write(&second, base + (N - 1) * PAGE, buf, 1), -EFAULT);
	assert_int_equal(device_read(&second, base + (N - 1) * PAGE, buf, 1), 0);
	entries[N - 1] = 0;
	assert_int_equal(device_read(&second, base + (N - 1) * PAGE, buf, 1), -EFAULT);

	/* An entry that remains does not lead to a page that EAL has released. */
	if (eal_huge() && eal_free_hugepages() >= 80) {
		void *more = rte_zmalloc(NULL, 128 << 20, 0);

		assert_non_null(more);
		entries[0] = rte_malloc_virt2iova(more) / PAGE * PAGE | RW;
		assert_int_equal(device_read(&second, base, buf, 1), 0);
		rte_free(more);
		assert_int_equal(device_read(&second, base, buf, 1), -EFAULT);
	}
	/* After a claim, entries lead only to memory that the driver has mapped. */
	assert_int_equal(rte_vfio_user_dma_claim(dev), 0);
	entries[1] = iova | RW;
	assert_int_equal(device_read(&second, base + PAGE, buf, 1), -EFAULT);
	assert_int_equal(rte_vfio_user_dma_map(dev, mem, 0x7000, PAGE, RW), 0);
	entries[1] = 0x7000 | RW;
	assert_true(device_sees(&second, base + PAGE, mem, 64));
	assert_int_equal(device_read(&second, 0x7000, buf, 1), -EFAULT);
	assert_int_equal(rte_dev_remove(&dev->device), 0);

	/* The page table ended with the connection. */
	assert_int_equal(plug(path), 0);
	assert_true(device_sees(&second, iova, mem, 64));
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
	rte_free(mem);
}

static void
plug_and_unplug_release_everything(void **state)
{
	struct server second;
	char path[64];

	snprintf(path, sizeof(path), "%s/second", dir);
	serve(&second, path, DEVICE, true);

	/* A second device, concurrently with the first. */
	struct rte_vfio_user_device *first = probed;
	uint64_t addr = first->bars[0].bus_addr;

	assert_int_equal(plug(path), 0);
	assert_ptr_not_equal(probed, first);
	assert_string_equal(probed->device.name, path);
	assert_string_equal(probed->device.devargs->args, "key=value");
	assert_true(probed->bars[0].bus_addr != addr);
	assert_true(device_maps(&second, NULL) > 0);
	assert_int_equal(plug(path), 0); /* EAL's result for a device that is already there */
	assert_int_equal(probes, 2);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	assert_int_equal(removes, 1);

	/* The bus has released it in order: reset, no bus mastering, no memory, no vectors. */
	assert_true(soon(&second.detached, 1));
	assert_int_equal(second.resets, 1);
	assert_int_equal(second.config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
	assert_int_equal(second.config[0x63] & PCI_MSIX_FLAGS_ENABLE >> 8, 0);
	assert_int_equal(device_maps(&second, NULL), 0);

	/* Repeatedly. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(plug(path), 0);
		assert_int_equal(rte_dev_remove(&probed->device), 0);
	}
	/*
	 * The driver refuses the device: the bus closes the connection, and a later probe may
	 * succeed.
	 */
	probe_result = -ENOMEM;
	assert_int_equal(plug(path), -ENOMEM);
	probe_result = 0;
	assert_true(soon(&second.detached, 5));
	assert_int_equal(plug(path), 0);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
	assert_true(rte_vfio_user_alive(first));
}

/*
 * A probe as a whole has a time limit, and so has a close as a whole. The time between them has
 * none.
 */
static void
probe_and_close_have_time_limits(void **state)
{
	struct rte_vfio_user_device *first = probed;
	struct server second;
	char path[64];
	uint32_t v;

	snprintf(path, sizeof(path), "%s/slow", dir);
	serve(&second, path, DEVICE, true);
	/* A device that answers each message in time: the probe ends after a minute. */
	second.slow_ms = 4000;
	assert_true(plug(path) < 0);
	assert_in_range(second.slow, 10, 16);
	assert_true(soon(&second.detached, 1));

	/* A probe in which the driver takes too long. */
	second.slow_ms = 0;
	probe_ms = 61000;
	assert_int_equal(plug(path), -ETIMEDOUT);
	probe_ms = 59000;
	assert_int_equal(plug(path), 0);
	probe_ms = 0;
	passed_ms += 61000;
	assert_int_equal(rte_vfio_user_read32(probed, 0, 0, &v), 0);

	second.slow = 0;
	second.slow_ms = 4900;
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	assert_in_range(second.slow, 2, 3);
	assert_true(soon(&second.detached, 3));
	unserve(&second);
	probed = first;
	assert_true(rte_vfio_user_alive(first));
}

/* The bus does not map memory that the server could shrink; registers then work by message. */
static void
shrinkable_bar_is_not_mapped(void **state)
{
	struct rte_vfio_user_device *first = probed;
	struct server second;
	char path[64];
	uint32_t v;

	snprintf(path, sizeof(path), "%s/unsealed", dir);
	serve(&second, path, DEVICE, false);
	assert_int_equal(plug(path), 0);
	assert_int_equal(probed->bars[0].nr_maps, 0);
	assert_null(rte_vfio_user_bar_ptr(probed, 0, 2 * PAGE, 4));
	assert_int_equal(rte_vfio_user_write32(probed, 0, 2 * PAGE, 42), 0);
	assert_int_equal(rte_vfio_user_read32(probed, 0, 2 * PAGE, &v), 0);
	assert_int_equal(v, 42);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
}

static void
on_event(const char *name, enum rte_dev_event_type type, void *arg)
{
	if (type == RTE_DEV_EVENT_REMOVE)
		remove_events++;
}

static void
lost_server_is_reported_once_and_can_return(void **state)
{
	struct rte_vfio_user_device *first = probed;
	struct server second;
	char path[64];
	uint8_t config[8];
	uint32_t v = 0;
	void *p;

	snprintf(path, sizeof(path), "%s/dies", dir);
	serve(&second, path, DEVICE, true);
	assert_int_equal(plug(path), 0);
	assert_int_equal(rte_dev_event_callback_register(path, on_event, NULL), 0);
	p = rte_vfio_user_bar_ptr(probed, 0, 2 * PAGE, 4);

	unserve(&second);
	assert_true(soon(&losses, 1));
	assert_true(soon(&remove_events, 1));
	assert_false(rte_vfio_user_alive(probed));
	assert_int_equal(rte_vfio_user_read32(probed, 0, 0, &v), -ENODEV);
	assert_int_equal(v, UINT32_MAX);
	assert_int_equal(rte_vfio_user_read_config(probed, config, sizeof(config), 0), -ENODEV);
	assert_int_equal(config[0], 0xff);
	assert_int_equal(rte_vfio_user_write32(probed, 0, 0, 1), -ENODEV);
	*(volatile uint32_t *)p = 1; /* the mapping outlives the server */
	if (eal_huge() && eal_free_hugepages() >= 40) {
		/* EAL adds and removes memory as usual. */
		p = rte_malloc(NULL, 64 << 20, 0);
		assert_non_null(p);
		rte_free(p);
	}
	usleep(20000);
	assert_int_equal(losses, 1);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	rte_dev_event_callback_unregister(path, on_event, NULL);

	/* The device comes back. */
	serve(&second, path, DEVICE, true);
	assert_int_equal(plug(path), 0);
	assert_true(rte_vfio_user_alive(probed));
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
}

static void *
talk_nonsense(void *arg)
{
	int sock = *(int *)arg;
	int conn = accept(sock, NULL, NULL);
	ssize_t n = write(conn, "220 mail.example.org ESMTP ready\r\n", 34);

	usleep(100000);
	close(conn);
	return (void *)(intptr_t)n;
}

static void
bad_sockets_are_refused_without_probe(void **state)
{
	const int before = probes;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct server other;
	char path[100];
	pthread_t thread;
	int sock;

	snprintf(path, sizeof(path), "%s/missing", dir);
	assert_int_equal(plug(path), -ENOENT);
	assert_int_equal(plug(path), -ENOENT);

	snprintf(path, sizeof(path), "%s/file", dir);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(plug(path), -ECONNREFUSED);
	unlink(path);

	/* EAL limits names to 63 bytes; the path of a socket may have 107. */
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[80] = '\0';
	assert_true(plug(path) < 0);
	assert_true(plug("relative.sock") < 0);

	snprintf(path, sizeof(path), "%s/other", dir);
	serve(&other, path, 0x1234, true);
	assert_int_equal(plug(path), -ENOTSUP);
	assert_true(soon(&other.detached, 1));
	put16(other.config + PCI_VENDOR_ID, 0xffff);
	assert_int_equal(plug(path), -ENODEV);
	unserve(&other);

	snprintf(path, sizeof(path), "%s/smtp", dir);
	strcpy(sa.sun_path, path);
	sock = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(sock, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(sock, 1), 0);
	pthread_create(&thread, NULL, talk_nonsense, &sock);
	assert_int_equal(plug(path), -EPROTO);
	pthread_join(thread, NULL);
	close(sock);
	unlink(path);

	assert_int_equal(probes, before);
}

/*
 * The promise of gantry_dma_unmap_single() in strict mode, from the driver's call to the device's
 * access. See promise.h.
 */

struct buffer {
	struct gantry_dma_dev *dma;
	uint8_t *mem;
};

static uint64_t
map_buffer(void *arg, unsigned int i)
{
	const struct buffer *b = arg;
	gantry_dma_addr_t addr = gantry_dma_map_single(b->dma, b->mem, 64, GANTRY_DMA_FROM_DEVICE);

	assert_false(gantry_dma_mapping_error(b->dma, addr));
	return addr;
}

static void
unmap_buffer(void *arg, const uint64_t *addr, unsigned int nr)
{
	gantry_dma_unmap_single(((struct buffer *)arg)->dma, *addr, 64, GANTRY_DMA_FROM_DEVICE);
}

/*
 * Without a page table the server itself unmaps what the driver unmaps, so a device that caches a
 * translation would have an invalid pointer. For the same check to catch such a device, and not to
 * crash, it asks the server for permission, and then writes through the driver's pointer.
 */
struct beside {
	struct vfu_server *srv;
	uint8_t *mem;
	unsigned int accesses;
};

static uint8_t *
beside_ptr(void *device, uint64_t addr)
{
	struct beside *b = device;
	const bool may = promise_server_ptr(b->srv, addr) != NULL;

	/* As a device does: translate first, write some time later. */
	for (unsigned int spin = b->accesses++ % 16 != 0 ? 0 : 500; spin > 0; spin--)
		rte_pause();
	return may ? b->mem : NULL;
}

static void
promised(bool page_table, unsigned int times)
{
	struct rte_vfio_user_device *first = probed;
	struct gantry_dma_params params = { .name = "promise", .socket_id = SOCKET_ID_ANY,
		.ops = &vfio_user_dma_ops, .has_iommu = true, .mode = GANTRY_DMA_MODE_STRICT };
	struct server second;
	struct buffer buffer;
	struct beside beside;
	struct promise p;
	char path[64];

	snprintf(path, sizeof(path), "%s/promises", dir);
	serve_as(&second, path, DEVICE, true, page_table);
	assert_int_equal(plug(path), 0);
	params.opaque = probed;
	buffer.dma = gantry_dma_dev_create(&params);
	assert_non_null(buffer.dma);
	assert_int_equal(gantry_dma_set_mask_and_coherent(buffer.dma, UINT64_MAX), 0);
	buffer.mem = rte_zmalloc(NULL, 64, 64);
	assert_non_null(buffer.mem);
	p = (struct promise){ PROMISE_OF_SERVER(second.srv), .nr = 1,
		.memory = { (uint64_t *)(void *)buffer.mem }, .map = map_buffer,
		.unmap = unmap_buffer, .arg = &buffer };
	if (!page_table) {
		beside = (struct beside){ .srv = second.srv, .mem = buffer.mem };
		p.device = &beside;
		p.translate = beside_ptr;
		p.ends = true;
	}
	promise_test(&p, times);
	gantry_dma_dev_destroy(buffer.dma);
	rte_free(buffer.mem);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	unserve(&second);
	probed = first;
}

static void
unmap_by_page_table_keeps_promise(void **state)
{
	promised(true, 2000);
}

/* Each mapping is a DMA_MAP message, and its end a DMA_UNMAP message with its reply. */
static void
unmap_by_message_keeps_promise(void **state)
{
	promised(false, 500);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_on_command_line_is_set_up),
		cmocka_unit_test(device_reaches_all_eal_memory_and_no_more),
		cmocka_unit_test(virtual_physical_and_bus_address_lead_to_same_bytes),
		cmocka_unit_test(memory_events_map_and_unmap),
		cmocka_unit_test(application_memory_is_read_by_message),
		cmocka_unit_test(each_permission_is_enforced_alone),
		cmocka_unit_test(pages_of_a_file_are_mapped),
		cmocka_unit_test(many_separate_pages_can_be_mapped),
		cmocka_unit_test(each_vector_is_delivered_once),
		cmocka_unit_test(plug_and_unplug_release_everything),
		cmocka_unit_test(probe_and_close_have_time_limits),
		cmocka_unit_test(shrinkable_bar_is_not_mapped),
		cmocka_unit_test(claim_removes_all_bus_mappings),
		cmocka_unit_test(page_table_entry_alone_gives_access),
		cmocka_unit_test(unmap_by_page_table_keeps_promise),
		cmocka_unit_test(unmap_by_message_keeps_promise),
		cmocka_unit_test(lost_server_is_reported_once_and_can_return),
		cmocka_unit_test(bad_sockets_are_refused_without_probe),
	};
	/* A second argument puts all hugepages into one file, and so into one mapping. */
	char *single = argc > 2 ? argv[2] : NULL;
	char devargs[128];
	int ret;

	snprintf(dir, sizeof(dir), "/tmp/gantry-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return 1;
	snprintf(main_path, sizeof(main_path), "%s/nic0", dir);
	serve(&main_server, main_path, DEVICE, true);
	snprintf(devargs, sizeof(devargs), "vfio_user:%s,speed=fast", main_path);
	eal_start(argc, argv, "-a", devargs, single, NULL);
	ret = cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
	rte_eal_cleanup();
	if (probed != NULL || !soon(&main_server.detached, 1)) {
		printf("rte_eal_cleanup() left the device\n");
		ret = 1;
	}
	unserve(&main_server);
	rmdir(dir);
	return ret;
}
