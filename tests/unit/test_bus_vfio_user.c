/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the vfio-user bus (drivers/bus/vfio_user) against servers in the same process
 * (bus_server.h): probe, interrupts, hot-plug, loss, and what a bus must not accept. Memory is the
 * subject of test_bus_vfio_user_memory.c.
 */

#include "bus_server.h"

#include <bus_driver.h>

#include "dpdk_compat.h"

static atomic_int remove_events, vector0;

/* The bus has set up the device that is named on the EAL command line. */
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
						 RTE_INTR_VEC_RXTX_OFFSET + q,
						 (void *)(uintptr_t)q),
				0);
		assert_int_equal(rte_vfio_user_write32(dev, 0, IRQ_REG, 1 + q), 0);
		assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 20000), 1);
		assert_ptr_equal(ev.epdata.data, (void *)(uintptr_t)q);
		assert_int_equal(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 10), 0);
		assert_int_equal(rte_intr_rx_ctl(h, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL,
						 RTE_INTR_VEC_RXTX_OFFSET + q, NULL),
				0);
	}
	assert_int_equal(rte_intr_disable(h), 0);
	assert_true(rte_intr_callback_unregister_sync(h, on_vector0, dev) > 0);
}

static int
has_name(const struct rte_device *dev, const void *name)
{
	return strcmp(dev->name, name);
}

/* Return the device of this name that the bus has, or NULL. */
static struct rte_device *
find(const char *name)
{
	struct rte_bus *bus = rte_bus_find_by_name("vfio_user");

	assert_non_null(bus);
	return GANTRY_BUS_FIND_DEVICE(bus, NULL, has_name, name);
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
	assert_int_equal(plug(path), 0); /* the result of EAL for a device that is already there */
	assert_int_equal(probes, 2);
	assert_ptr_equal(find(path), &probed->device);
	assert_int_equal(rte_dev_remove(&probed->device), 0);
	assert_int_equal(removes, 1);

	/* The bus has released it in order: reset, no bus mastering, no memory, no vectors. */
	assert_true(soon(&second.detached, 1));
	assert_int_equal(second.resets, 1);
	assert_int_equal(second.config[PCI_COMMAND] & PCI_COMMAND_MASTER, 0);
	assert_int_equal(second.config[0x63] & PCI_MSIX_FLAGS_ENABLE >> 8, 0);
	assert_int_equal(device_maps(&second, NULL), 0);
	if (!GANTRY_BUS_KEEPS_UNPLUGGED)
		assert_null(find(path));

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

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_on_command_line_is_set_up),
		cmocka_unit_test(each_vector_is_delivered_once),
		cmocka_unit_test(plug_and_unplug_release_everything),
		cmocka_unit_test(probe_and_close_have_time_limits),
		cmocka_unit_test(shrinkable_bar_is_not_mapped),
		cmocka_unit_test(lost_server_is_reported_once_and_can_return),
		cmocka_unit_test(bad_sockets_are_refused_without_probe),
	};

	bus_begin(argc, argv);
	return bus_end(cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL,
			NULL));
}
