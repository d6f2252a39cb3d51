/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of one device of the vfio-user bus from its connection to its end (vfio_user_device.c). The
 * test replaces its neighbours, the client of lib/vfio_user and the other files of the bus: each
 * call adds a letter to calls[], and one of them fails.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_common.h>

#include "../common/fds.h"
#include "call_letters.h"
#include "vfio_user_private.h"

#define PATH "/tmp/nic0"

int vfio_user_logtype;

static uint8_t config[256];
static struct vfu_device_info device_info;
static struct vfu_region config_region;
static struct vfu_client_params connected;
static struct rte_vfio_user_device dev;
static bool alive, quiesced, claimed_at_attach;
static unsigned int limit_ms;
static uint16_t command;

static struct vfu_client *const the_client = (struct vfu_client *)calls;

int
vfu_client_connect(const char *path, const struct vfu_client_params *params,
		struct vfu_client **client, char *err)
{
	assert_string_equal(path, PATH);
	connected = *params;
	*client = the_client;
	strcpy(err, PATH ": refused");
	return call('c');
}

void
vfu_client_close(struct vfu_client *client)
{
	assert_ptr_equal(client, the_client);
	call('C');
}

void
vfu_client_limit(struct vfu_client *client, unsigned int ms)
{
	assert_ptr_equal(client, the_client);
	limit_ms = ms;
}

bool
vfu_client_alive(const struct vfu_client *client)
{
	assert_ptr_equal(client, the_client);
	return alive;
}

bool
vfu_client_quiesced(const struct vfu_client *client)
{
	assert_ptr_equal(client, the_client);
	return quiesced;
}

int
vfu_client_device_info(struct vfu_client *client, struct vfu_device_info *info)
{
	*info = device_info;
	return call('i');
}

int
vfu_client_region_info(struct vfu_client *client, unsigned int index, struct vfu_region *region)
{
	assert_int_equal(index, VFIO_PCI_CONFIG_REGION_INDEX);
	*region = config_region;
	if (fail != 'r' && config_region.fd >= 0)
		region->fd = fcntl(config_region.fd, F_DUPFD_CLOEXEC, 0);
	return call('r');
}

int
vfu_client_reset(struct vfu_client *client)
{
	return call('R');
}

int
rte_vfio_user_read_config(struct rte_vfio_user_device *d, void *buf, size_t len, uint32_t offset)
{
	assert_int_equal(offset, 0);
	assert_int_equal(len, sizeof(config));
	memcpy(buf, config, len);
	return call('o');
}

struct vfu_client *
vfio_user_client_of(const struct rte_vfio_user_device *d)
{
	const struct vfio_user_priv *priv = d->bus_private;

	return priv != NULL ? priv->client : NULL;
}

int
vfio_user_command_update(struct rte_vfio_user_device *d, uint16_t set, uint16_t clear)
{
	command = (command | set) & ~clear;
	return call('m');
}

int
vfio_user_bars_setup(struct rte_vfio_user_device *d)
{
	return call('b');
}

void
vfio_user_bars_teardown(struct rte_vfio_user_device *d)
{
	call('B');
}

int
vfio_user_dma_attach(struct vfio_user_priv *priv, bool claimed)
{
	claimed_at_attach = claimed;
	priv->dma_attached = true;
	return call('d');
}

void
vfio_user_dma_detach(struct vfio_user_priv *priv)
{
	call('D');
}

void
vfio_user_dma_free(struct vfio_user_priv *priv)
{
	call('F');
}

void
vfio_user_pool_attach(void)
{
	call('p');
}

int
vfio_user_intr_setup(struct vfio_user_priv *priv)
{
	return call('v');
}

void
vfio_user_intr_teardown(struct vfio_user_priv *priv)
{
	call('V');
}

int
vfio_user_lost_setup(struct vfio_user_priv *priv)
{
	assert_int_equal(priv->lost_fd, -1);
	return call('l');
}

void
vfio_user_lost_teardown(struct vfio_user_priv *priv)
{
	call('L');
}

void
vfio_user_mp_hide(struct vfio_user_priv *priv)
{
	call('H');
}

/* Their addresses are passed on. */
int
vfio_user_dma_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	return -ENOTSUP;
}

int
vfio_user_dma_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	return -ENOTSUP;
}

void
vfio_user_lost(void *opaque, const char *why)
{
}

static void
put16(unsigned int at, uint16_t v)
{
	config[at] = (uint8_t)v;
	config[at + 1] = v >> 8;
}

/* A device with an MSI-X capability of 5 vectors behind another capability. */
static int
device_new(void **state)
{
	memset(calls, 0, sizeof(calls));
	memset(&dev, 0, sizeof(dev));
	memset(config, 0, sizeof(config));
	fail = 0;
	alive = true;
	command = limit_ms = 0;
	quiesced = claimed_at_attach = false;
	dev.path = (char *)(uintptr_t)PATH;
	device_info = (struct vfu_device_info){
		.flags = VFIO_DEVICE_FLAGS_PCI,
		.num_regions = VFIO_PCI_CONFIG_REGION_INDEX + 1,
	};
	config_region = (struct vfu_region){ .size = 256, .fd = -1 };
	put16(PCI_VENDOR_ID, 0x8086);
	put16(PCI_DEVICE_ID, 0x10C9);
	config[PCI_CLASS_PROG] = 0x12;
	put16(PCI_CLASS_DEVICE, 0x0200);
	put16(PCI_SUBSYSTEM_VENDOR_ID, 0x1AF4);
	put16(PCI_SUBSYSTEM_ID, 0x1100);
	put16(PCI_STATUS, PCI_STATUS_CAP_LIST);
	config[PCI_CAPABILITY_LIST] = 0x43; /* the low bits are reserved */
	config[0x40] = PCI_CAP_ID_PM;
	config[0x41] = 0x62;
	config[0x60] = PCI_CAP_ID_MSIX;
	put16(0x62, 4);
	return 0;
}

static int
device_gone(void **state)
{
	vfio_user_device_close(&dev);
	return 0;
}

static void
open_reads_what_the_device_is(void **state)
{
	const struct vfio_user_priv *priv;
	unsigned int i;

	assert_int_equal(vfio_user_device_open(&dev), 0);
	CALLS("lciro");
	assert_int_equal(dev.id.vendor_id, 0x8086);
	assert_int_equal(dev.id.device_id, 0x10C9);
	assert_int_equal(dev.id.class_id, 0x020012);
	assert_int_equal(dev.id.subsystem_vendor_id, 0x1AF4);
	assert_int_equal(dev.id.subsystem_device_id, 0x1100);
	assert_int_equal(dev.nb_vectors, 5);
	priv = dev.bus_private;
	assert_ptr_equal(priv->dev, &dev);
	assert_int_equal(priv->msix_cap, 0x60);
	for (i = 0; i < VFIO_USER_MAX_BARS; i++)
		assert_int_equal(priv->bar_files[i].fd, -1);
	assert_ptr_equal(connected.opaque, priv);
	assert_ptr_equal(connected.dma_read, vfio_user_dma_read);
	assert_ptr_equal(connected.dma_write, vfio_user_dma_write);
	assert_ptr_equal(connected.lost, vfio_user_lost);
	assert_true(connected.queue_pages);
	assert_int_equal(connected.limit_ms, VFIO_USER_PROBE_MS);
	assert_int_equal(limit_ms, 0);
}

/* A PCI driver stores anywhere in the queue pages. */
static void
queue_pages_are_not_for_pci_drivers(void **state)
{
	dev.is_pci = true;
	assert_int_equal(vfio_user_device_open(&dev), 0);
	assert_false(connected.queue_pages);
}

/* The first step that fails is the last one, and a close undoes the earlier ones. */
static void
open_ends_at_the_first_failure(void **state)
{
	static const struct {
		char fail;
		const char *opened, *closed;
	} t[] = {
		{ 'l', "l", "HVDFLB" },
		{ 'c', "lc", "HVDFLB" },
		{ 'i', "lci", "HVDCFLB" },
		{ 'r', "lcir", "HVDCFLB" },
		{ 'o', "lciro", "HVDCFLB" },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		fail = t[i].fail;
		assert_int_equal(vfio_user_device_open(&dev), -EIO);
		CALLS(t[i].opened);
		fail = 0;
		vfio_user_device_close(&dev);
		CALLS(t[i].closed);
		assert_null(dev.bus_private);
		assert_int_equal(dev.nb_vectors, 0);
	}
	vfio_user_device_close(&dev);
	CALLS("B");
}

static void
not_pci(void)
{
	device_info.flags = ~VFIO_DEVICE_FLAGS_PCI;
}

static void
no_config_region(void)
{
	device_info.num_regions = VFIO_PCI_CONFIG_REGION_INDEX;
}

static void
short_config(void)
{
	config_region.size = 255;
}

static void
no_vendor(void)
{
	put16(PCI_VENDOR_ID, 0xFFFF);
}

static void
zero_vendor(void)
{
	put16(PCI_VENDOR_ID, 0);
}

static void
bridge(void)
{
	config[PCI_HEADER_TYPE] = PCI_HEADER_TYPE_BRIDGE;
}

static void
several_functions(void)
{
	config[PCI_HEADER_TYPE] = 0x80;
}

static void
long_config(void)
{
	config_region.size = 4096;
}

static void
only_a_pci_function_is_accepted(void **state)
{
	static const struct {
		void (*change)(void);
		int ret;
	} t[] = {
		{ not_pci, -ENODEV },
		{ no_config_region, -ENODEV },
		{ short_config, -ENODEV },
		{ long_config, 0 },
		{ no_vendor, -ENODEV },
		{ zero_vendor, -ENODEV },
		{ bridge, -ENODEV },
		{ several_functions, 0 },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		device_new(state);
		t[i].change();
		if (vfio_user_device_open(&dev) != t[i].ret)
			fail_msg("device %u", i);
		vfio_user_device_close(&dev);
	}
}

/* Nothing maps configuration space. */
static void
file_of_configuration_space_is_closed(void **state)
{
	const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int before = count_fds();

	assert_true(file >= 0);
	config_region.fd = file;
	assert_int_equal(vfio_user_device_open(&dev), 0);
	assert_int_equal(count_fds(), before);
	vfio_user_device_close(&dev);
	/* A program may have closed its standard input. */
	assert_int_equal(close(STDIN_FILENO), 0);
	before--;
	assert_int_equal(vfio_user_device_open(&dev), 0);
	assert_int_equal(count_fds(), before);
	vfio_user_device_close(&dev);
	assert_int_equal(dup2(file, STDIN_FILENO), STDIN_FILENO);
	before++;
	/* It is not the number of a file if the request failed. */
	config_region.fd = file;
	fail = 'r';
	assert_int_equal(vfio_user_device_open(&dev), -EIO);
	assert_int_equal(count_fds(), before);
	close(file);
}

static void
vectors_come_from_the_msix_capability(void **state)
{
	static const struct {
		uint16_t status;
		uint8_t first, second; /* offsets of the capabilities; second: MSI-X */
		uint16_t flags;
		unsigned int vectors;
	} t[] = {
		{ PCI_STATUS_CAP_LIST, 0x40, 0x60, 4, 5 },
		{ PCI_STATUS_CAP_LIST, 0x60, 0, 4, 5 },
		{ PCI_STATUS_CAP_LIST, 0x40, 0x60, 0, 1 },
		{ PCI_STATUS_CAP_LIST, 0x40, 0x60, 0xFFFF, 2048 },
		{ PCI_STATUS_CAP_LIST, 0x40, 0xFC, 7, 8 }, /* its flags are the last bytes */
		{ (uint16_t)~PCI_STATUS_CAP_LIST, 0x40, 0x60, 4, 0 },
		{ PCI_STATUS_CAP_LIST, 0x40, 0x40, 4, 0 }, /* a ring without it */
		{ PCI_STATUS_CAP_LIST, 0x3C, 0x60, 4, 0 }, /* in the header */
		{ PCI_STATUS_CAP_LIST, 0, 0x60, 4, 0 },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		device_new(state);
		memset(config + 0x3C, 0, sizeof(config) - 0x3C);
		put16(PCI_STATUS, t[i].status);
		config[PCI_CAPABILITY_LIST] = t[i].first;
		config[t[i].second] = t[i].second >= 0x40 ? PCI_CAP_ID_MSIX : config[t[i].second];
		if (t[i].second != 0)
			put16(t[i].second + PCI_MSIX_FLAGS, t[i].flags);
		if (t[i].first >= 0x3C && t[i].first != 0x60) {
			config[t[i].first] = PCI_CAP_ID_PM;
			config[t[i].first + 1] = t[i].second;
		} else if (t[i].first != 0) {
			config[t[i].first] = PCI_CAP_ID_MSIX;
			put16(t[i].first + PCI_MSIX_FLAGS, t[i].flags);
		}
		assert_int_equal(vfio_user_device_open(&dev), 0);
		if (dev.nb_vectors != t[i].vectors)
			fail_msg("device %u: %u vectors", i, dev.nb_vectors);
		vfio_user_device_close(&dev);
	}
}

/* The list fills configuration space, and MSI-X is its end. */
static void
longest_list_of_capabilities_is_followed(void **state)
{
	unsigned int at;

	config[PCI_CAPABILITY_LIST] = PCI_STD_HEADER_SIZEOF;
	for (at = PCI_STD_HEADER_SIZEOF; at < sizeof(config); at += PCI_CAP_SIZEOF) {
		config[at] = PCI_CAP_ID_PM;
		config[at + 1] = at + PCI_CAP_SIZEOF;
	}
	config[0xFC] = PCI_CAP_ID_MSIX;
	put16(0xFC + PCI_MSIX_FLAGS, 2);
	assert_int_equal(vfio_user_device_open(&dev), 0);
	assert_int_equal(dev.nb_vectors, 3);
}

#define ON (PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE)

static void
start_makes_the_device_ready(void **state)
{
	assert_int_equal(vfio_user_device_open(&dev), 0);
	CALLS("lciro");
	assert_int_equal(vfio_user_device_start(&dev, false), 0);
	CALLS("bdpmv");
	assert_false(claimed_at_attach);
	assert_int_equal(command, ON);
	assert_int_equal(dev.nb_vectors, 5);
}

/* A driver that claims the device gives it memory by itself. */
static void
claimed_device_gets_no_pools(void **state)
{
	assert_int_equal(vfio_user_device_open(&dev), 0);
	CALLS("lciro");
	assert_int_equal(vfio_user_device_start(&dev, true), 0);
	CALLS("bdmv");
	assert_true(claimed_at_attach);
}

static void
pci_driver_gets_one_vector(void **state)
{
	dev.is_pci = true;
	assert_int_equal(vfio_user_device_open(&dev), 0);
	assert_int_equal(vfio_user_device_start(&dev, false), 0);
	assert_int_equal(dev.nb_vectors, 1);
	vfio_user_device_close(&dev);
	put16(PCI_STATUS, 0);
	assert_int_equal(vfio_user_device_open(&dev), 0);
	assert_int_equal(vfio_user_device_start(&dev, false), 0);
	assert_int_equal(dev.nb_vectors, 0);
}

static void
start_ends_at_the_first_failure(void **state)
{
	static const struct {
		char fail;
		const char *calls;
	} t[] = { { 'b', "b" }, { 'd', "bd" }, { 'm', "bdpm" }, { 'v', "bdpmv" } };
	unsigned int i;

	assert_int_equal(vfio_user_device_open(&dev), 0);
	CALLS("lciro");
	for (i = 0; i < RTE_DIM(t); i++) {
		fail = t[i].fail;
		assert_int_equal(vfio_user_device_start(&dev, false), -EIO);
		CALLS(t[i].calls);
	}
	fail = 0;
}

/* First the device ends its DMA, then its memory and the connection go. */
static void
close_stops_a_device_that_is_alive_and_has_memory(void **state)
{
	static const struct {
		bool alive, started;
		const char *calls;
	} t[] = {
		{ true, true, "HmRVDCFLB" },
		{ false, true, "HVDCFLB" },
		{ true, false, "HVDCFLB" },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		assert_int_equal(vfio_user_device_open(&dev), 0);
		if (t[i].started)
			assert_int_equal(vfio_user_device_start(&dev, false), 0);
		memset(calls, 0, sizeof(calls));
		command = ON;
		alive = t[i].alive;
		vfio_user_device_close(&dev);
		alive = true;
		CALLS(t[i].calls);
		assert_int_equal(command,
				t[i].alive && t[i].started ? ON & ~PCI_COMMAND_MASTER : ON);
		assert_int_equal(limit_ms, VFIO_USER_CLOSE_MS);
		assert_null(dev.bus_private);
	}
}

static void
state_is_that_of_the_connection(void **state)
{
	assert_false(rte_vfio_user_alive(&dev));
	assert_false(rte_vfio_user_quiesced(&dev));
	fail = 'c';
	quiesced = true;
	assert_int_equal(vfio_user_device_open(&dev), -EIO);
	assert_false(rte_vfio_user_alive(&dev));
	assert_false(rte_vfio_user_quiesced(&dev));
	vfio_user_device_close(&dev);
	fail = 0;
	assert_int_equal(vfio_user_device_open(&dev), 0);
	assert_true(rte_vfio_user_alive(&dev));
	assert_true(rte_vfio_user_quiesced(&dev));
	alive = quiesced = false;
	assert_false(rte_vfio_user_alive(&dev));
	assert_false(rte_vfio_user_quiesced(&dev));
}

#define ON_DEVICE(name) cmocka_unit_test_setup_teardown(name, device_new, device_gone)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_DEVICE(open_reads_what_the_device_is),
		ON_DEVICE(queue_pages_are_not_for_pci_drivers),
		ON_DEVICE(open_ends_at_the_first_failure),
		ON_DEVICE(only_a_pci_function_is_accepted),
		ON_DEVICE(file_of_configuration_space_is_closed),
		ON_DEVICE(vectors_come_from_the_msix_capability),
		ON_DEVICE(longest_list_of_capabilities_is_followed),
		ON_DEVICE(start_makes_the_device_ready),
		ON_DEVICE(claimed_device_gets_no_pools),
		ON_DEVICE(pci_driver_gets_one_vector),
		ON_DEVICE(start_ends_at_the_first_failure),
		ON_DEVICE(close_stops_a_device_that_is_alive_and_has_memory),
		ON_DEVICE(state_is_that_of_the_connection),
	};

	return cmocka_run_group_tests_name("bus_device", tests, NULL, NULL);
}
