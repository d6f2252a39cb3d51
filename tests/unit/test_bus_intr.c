/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the interrupts of a device on the vfio-user bus, and of the report of its loss
 * (vfio_user_intr.c). The test replaces the client of lib/vfio_user, and the interrupt thread of
 * EAL: it keeps the callbacks, and calls them. Each call adds a letter to calls[], and one fails.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include <rte_dev.h>
#include <rte_interrupts.h>

#include "../common/fds.h"
#include "call_letters.h"
#include "vfio_user_private.h"

#define MOST (1 + RTE_MAX_RXTX_INTR_VEC_ID)
#define CAP  0x60

int vfio_user_logtype;

static unsigned int fail_eventfd; /* the call of this number fails, from 1 */
static struct vfio_user_priv priv;
static struct rte_vfio_user_device dev;
static struct rte_device owner = { .name = "owner" };
static struct rte_vfio_user_driver driver;
static uint8_t flags[2]; /* of MSI-X */
static uint32_t count;   /* vectors of the server */
static bool alive, in_thread;
static int pending_ret;
static unsigned int losses, events;
static int wired[MOST];
static unsigned int nr_wired;

/* The callback that the interrupt thread of EAL has. */
static struct {
	rte_intr_callback_fn fn;
	void *arg;
	rte_intr_unregister_callback_fn done;
	int fd; /* of the handle: EAL has its own copy of it */
} thread;

int
vfu_client_irq_info(struct vfu_client *client, unsigned int index, struct vfu_irq_info *info)
{
	assert_int_equal(index, VFIO_PCI_MSIX_IRQ_INDEX);
	info->count = count;
	return call('i');
}

int
vfu_client_set_irq_fds(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int nr, const int *fds)
{
	assert_int_equal(index, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(start, 0);
	assert_true(nr <= MOST);
	nr_wired = nr;
	if (nr != 0)
		memcpy(wired, fds, nr * sizeof(*fds));
	return call('s');
}

bool
vfu_client_alive(const struct vfu_client *client)
{
	return alive;
}

int
rte_vfio_user_read_config(struct rte_vfio_user_device *d, void *buf, size_t len, uint32_t offset)
{
	assert_int_equal(offset, CAP + PCI_MSIX_FLAGS);
	assert_int_equal(len, sizeof(flags));
	memcpy(buf, flags, len);
	return call('r');
}

int
rte_vfio_user_write_config(struct rte_vfio_user_device *d, const void *buf, size_t len,
		uint32_t offset)
{
	assert_int_equal(offset, CAP + PCI_MSIX_FLAGS);
	assert_int_equal(len, sizeof(flags));
	memcpy(flags, buf, len);
	return call('w');
}

#define FAKE(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

FAKE(int, eventfd, unsigned int initial, int fd_flags)
{
	assert_int_equal(fd_flags, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fail_eventfd == 0 || --fail_eventfd != 0)
		return __real_eventfd(initial, fd_flags);
	errno = EMFILE;
	return -1;
}

FAKE(int, rte_intr_callback_register, const struct rte_intr_handle *handle, rte_intr_callback_fn fn,
		void *arg)
{
	thread.fn = fn;
	thread.arg = arg;
	thread.fd = rte_intr_fd_get(handle);
	return call('c');
}

FAKE(int, rte_intr_callback_unregister_sync, const struct rte_intr_handle *handle,
		rte_intr_callback_fn fn, void *arg)
{
	assert_int_equal(rte_intr_fd_get(handle), thread.fd);
	assert_ptr_equal(fn, thread.fn);
	assert_ptr_equal(arg, thread.arg);
	return call('u');
}

FAKE(int, rte_intr_callback_unregister_pending, const struct rte_intr_handle *handle,
		rte_intr_callback_fn fn, void *arg, rte_intr_unregister_callback_fn done)
{
	assert_ptr_equal(fn, thread.fn);
	assert_ptr_equal(arg, thread.arg);
	thread.done = done;
	call('p');
	return pending_ret;
}

FAKE(int, rte_thread_is_intr, void)
{
	return in_thread;
}

FAKE(void, rte_dev_event_callback_process, const char *name, enum rte_dev_event_type type)
{
	assert_string_equal(name, owner.name);
	assert_int_equal(type, RTE_DEV_EVENT_REMOVE);
	events++;
}

static void
on_loss(struct rte_vfio_user_device *d)
{
	assert_ptr_equal(d, &dev);
	assert_int_equal(events, 0); /* the driver first */
	losses++;
}

static int fds;

static int
device_new(void **state)
{
	memset(calls, 0, sizeof(calls));
	memset(&priv, 0, sizeof(priv));
	memset(&dev, 0, sizeof(dev));
	memset(&thread, 0, sizeof(thread));
	fail = 0;
	fail_eventfd = losses = events = nr_wired = 0;
	alive = true;
	in_thread = false;
	pending_ret = 1;
	count = 8;
	flags[0] = 0x12;
	flags[1] = (PCI_MSIX_FLAGS_MASKALL | 0x100) >> 8;
	dev.path = (char *)(uintptr_t) "nic0";
	dev.owner = &owner;
	dev.nb_vectors = 5;
	driver.lost = on_loss;
	priv.dev = &dev;
	priv.msix_cap = CAP;
	priv.lost_fd = -1;
	pthread_mutex_init(&priv.lost_lock, NULL);
	fds = count_fds();
	return 0;
}

static int
device_gone(void **state)
{
	vfio_user_intr_teardown(&priv);
	vfio_user_lost_teardown(&priv);
	assert_null(dev.intr_handle);
	assert_null(priv.lost_handle);
	assert_int_equal(count_fds(), fds);
	return 0;
}

static void
each_vector_has_a_descriptor(void **state)
{
	struct rte_intr_handle *h;
	unsigned int i;

	assert_int_equal(vfio_user_intr_setup(&priv), 0);
	CALLS("icsrw");
	h = dev.intr_handle;
	assert_int_equal(dev.nb_vectors, 5);
	assert_int_equal(nr_wired, 5);
	assert_int_equal(rte_intr_type_get(h), RTE_INTR_HANDLE_VDEV);
	assert_int_equal(rte_intr_dev_fd_get(h), -1);
	assert_int_equal(rte_intr_efd_counter_size_get(h), 8);
	assert_int_equal(rte_intr_max_intr_get(h), 5);
	assert_int_equal(rte_intr_nb_efd_get(h), 4);
	assert_int_equal(wired[0], rte_intr_fd_get(h));
	for (i = 1; i < 5; i++)
		assert_int_equal(wired[i], rte_intr_efds_index_get(h, i - 1));
	assert_int_equal(count_fds(), fds + 5);
	/* Enabled, and not masked. The other bits stay. */
	assert_int_equal(flags[0], 0x12);
	assert_int_equal(flags[1], (PCI_MSIX_FLAGS_ENABLE | 0x100) >> 8);
	vfio_user_intr_teardown(&priv);
	CALLS("rwsu");
	assert_int_equal(flags[1], 0x100 >> 8);
	assert_int_equal(nr_wired, 0);
}

static void
vectors_are_those_that_all_have(void **state)
{
	static const struct {
		uint32_t device, server, vectors;
	} t[] = { { 5, 4, 4 }, { 5, 6, 5 }, { 1, 1, 1 }, { 2048, 2048, MOST } };
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		dev.nb_vectors = t[i].device;
		count = t[i].server;
		assert_int_equal(vfio_user_intr_setup(&priv), 0);
		assert_int_equal(dev.nb_vectors, t[i].vectors);
		assert_int_equal(nr_wired, t[i].vectors);
		vfio_user_intr_teardown(&priv);
		priv.irqs_wired = false;
		assert_int_equal(count_fds(), fds);
		memset(calls, 0, sizeof(calls));
	}
}

static void
device_without_vectors_has_no_interrupts(void **state)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		dev.nb_vectors = i == 0 ? 0 : 5;
		count = i == 0 ? 8 : 0;
		assert_int_equal(vfio_user_intr_setup(&priv), 0);
		CALLS("i");
		assert_int_equal(rte_intr_fd_get(dev.intr_handle), -1);
		vfio_user_intr_teardown(&priv);
		CALLS("");
	}
	vfio_user_intr_teardown(&priv);
	CALLS("");
}

static void
failing_step_is_undone(void **state)
{
	static const struct {
		char fail;
		unsigned int eventfd;
		int ret;
		const char *set_up, *torn_down;
	} t[] = {
		{ 'i', 0, -EIO, "i", "" },
		{ 0, 1, -EMFILE, "i", "" },
		{ 0, 3, -EMFILE, "i", "" },
		{ 'c', 0, -EIO, "ic", "" },
		{ 's', 0, -EIO, "ics", "rwsu" },
		{ 'r', 0, -EIO, "icsr", "rwsu" },
		{ 'w', 0, -EIO, "icsrw", "rwsu" },
	};
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		priv.irqs_wired = false;
		fail = t[i].fail;
		fail_eventfd = t[i].eventfd;
		assert_int_equal(vfio_user_intr_setup(&priv), t[i].ret);
		CALLS(t[i].set_up);
		fail = 0;
		vfio_user_intr_teardown(&priv);
		CALLS(t[i].torn_down);
		assert_null(dev.intr_handle);
		assert_int_equal(count_fds(), fds);
	}
}

/* A program may have closed its standard input: descriptor 0 is one like the others. */
static void
descriptor_0_is_used_and_closed(void **state)
{
	const int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 10);
	eventfd_t n;
	int before;

	assert_true(input >= 0);
	assert_int_equal(close(STDIN_FILENO), 0);
	before = count_fds();
	assert_int_equal(vfio_user_intr_setup(&priv), 0);
	assert_int_equal(rte_intr_fd_get(dev.intr_handle), 0);
	vfio_user_intr_teardown(&priv);
	assert_int_equal(count_fds(), before);
	assert_int_equal(vfio_user_lost_setup(&priv), 0);
	assert_int_equal(priv.lost_fd, 0);
	vfio_user_lost(&priv, "of the test");
	assert_int_equal(eventfd_read(0, &n), 0);
	assert_int_equal(n, 1);
	vfio_user_lost_teardown(&priv);
	assert_int_equal(count_fds(), before);
	assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
	close(input);
}

/* A lost server is not asked for anything. */
static void
teardown_of_a_lost_device_sends_nothing(void **state)
{
	assert_int_equal(vfio_user_intr_setup(&priv), 0);
	CALLS("icsrw");
	alive = false;
	vfio_user_intr_teardown(&priv);
	CALLS("u");
}

static void
vector_0_is_drained(void **state)
{
	eventfd_t n;

	assert_int_equal(vfio_user_intr_setup(&priv), 0);
	eventfd_write(rte_intr_fd_get(dev.intr_handle), 3);
	thread.fn(thread.arg);
	assert_int_equal(eventfd_read(rte_intr_fd_get(dev.intr_handle), &n), -1);
	assert_int_equal(errno, EAGAIN);
	thread.fn(thread.arg); /* another reader was faster */
}

/*
 * Loss.
 */

static void
loss_is_reported_once_to_a_driver_that_has_the_device(void **state)
{
	eventfd_t n;

	assert_int_equal(vfio_user_lost_setup(&priv), 0);
	CALLS("c");
	assert_int_equal(rte_intr_type_get(priv.lost_handle), RTE_INTR_HANDLE_EXT);
	assert_int_equal(rte_intr_fd_get(priv.lost_handle), priv.lost_fd);
	/* In the thread of the client it wakes the other thread. */
	vfio_user_lost(&priv, "of the test");
	assert_int_equal(losses, 0);
	thread.fn(thread.arg);
	assert_int_equal(eventfd_read(priv.lost_fd, &n), -1);
	assert_int_equal(losses + events, 0);
	dev.device.driver = &driver.driver;
	dev.driver = &driver;
	vfio_user_lost_again(&priv);
	assert_int_equal(eventfd_read(priv.lost_fd, &n), 0);
	assert_int_equal(n, 1);
	thread.fn(thread.arg);
	assert_int_equal(losses, 1);
	assert_int_equal(events, 1);
	thread.fn(thread.arg);
	assert_int_equal(losses, 1);
	assert_int_equal(events, 1);
}

static void
driver_without_lost_leaves_the_event(void **state)
{
	assert_int_equal(vfio_user_lost_setup(&priv), 0);
	dev.device.driver = &driver.driver;
	dev.driver = &driver;
	driver.lost = NULL;
	thread.fn(thread.arg);
	assert_int_equal(events, 1);
}

static void
failing_setup_for_the_loss_is_undone(void **state)
{
	fail_eventfd = 1;
	assert_int_equal(vfio_user_lost_setup(&priv), -EMFILE);
	vfio_user_lost_teardown(&priv);
	CALLS("");
	fail = 'c';
	assert_int_equal(vfio_user_lost_setup(&priv), -EIO);
	CALLS("c");
	assert_null(priv.lost_handle);
	vfio_user_lost_teardown(&priv);
	CALLS("");
	assert_int_equal(count_fds(), fds);
	/* Nobody is notified of it. */
	vfio_user_lost_again(&priv);
}

/*
 * In the callback, which may remove the device, the thread that is to wait is the one to wait for:
 * EAL ends it, and then has the descriptor closed.
 */
static void
teardown_in_the_callback_is_completed_by_eal(void **state)
{
	struct rte_intr_handle *copy = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);

	assert_non_null(copy);
	assert_int_equal(vfio_user_lost_setup(&priv), 0);
	CALLS("c");
	in_thread = true;
	vfio_user_lost_teardown(&priv);
	CALLS("p");
	assert_null(priv.lost_handle);
	assert_int_equal(priv.lost_fd, -1);
	assert_int_equal(count_fds(), fds + 1);
	rte_intr_fd_set(copy, thread.fd);
	thread.done(copy, thread.arg);
	rte_intr_instance_free(copy);
	assert_int_equal(count_fds(), fds);
	/* EAL has no such callback, or the thread is another one. */
	for (pending_ret = 0; pending_ret >= -1; pending_ret--) {
		assert_int_equal(vfio_user_lost_setup(&priv), 0);
		in_thread = pending_ret == 0;
		vfio_user_lost_teardown(&priv);
		CALLS(pending_ret == 0 ? "cpu" : "cu");
		assert_int_equal(count_fds(), fds);
	}
}

#define ON_DEVICE(name) cmocka_unit_test_setup_teardown(name, device_new, device_gone)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_DEVICE(each_vector_has_a_descriptor),
		ON_DEVICE(vectors_are_those_that_all_have),
		ON_DEVICE(device_without_vectors_has_no_interrupts),
		ON_DEVICE(failing_step_is_undone),
		ON_DEVICE(descriptor_0_is_used_and_closed),
		ON_DEVICE(teardown_of_a_lost_device_sends_nothing),
		ON_DEVICE(vector_0_is_drained),
		ON_DEVICE(loss_is_reported_once_to_a_driver_that_has_the_device),
		ON_DEVICE(driver_without_lost_leaves_the_event),
		ON_DEVICE(failing_setup_for_the_loss_is_undone),
		ON_DEVICE(teardown_in_the_callback_is_completed_by_eal),
	};

	return cmocka_run_group_tests_name("bus_intr", tests, NULL, NULL);
}
