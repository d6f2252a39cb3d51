/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The interrupts of the server: DEVICE_SET_IRQS, vectors, and the clients that wire them.
 */

#include <fcntl.h>

#include "vfu_server_test.h"

static int
raw_irqs(int s, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, const int *fds,
		unsigned int nr_fds)
{
	struct vfio_irq_set q = { sizeof(q), flags, index, start, count };

	return (int)raw_command_fds(s, VFIO_USER_DEVICE_SET_IRQS, &q, sizeof(q), fds, nr_fds, NULL,
			NULL)
			.error_no;
}

static uint64_t
events(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* The error of each read of an event that ends an interrupt; 0: none. */
static atomic_int eoi_errno;
static atomic_int eoi_reads;

ssize_t __real_preadv64v2(int fd, const struct iovec *v, int n, off64_t offset, int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *v, int n, off64_t offset, int flags);
ssize_t
__wrap_preadv64v2(int fd, const struct iovec *v, int n, off64_t offset, int flags)
{
	const int error = eoi_errno; /* before the test learns of the read, and changes it */

	eoi_reads++;
	if (error == 0)
		return __real_preadv64v2(fd, v, n, offset, flags);
	errno = error;
	return -1;
}

/* Grace periods that the server has waited for. */
static atomic_uint grace_periods;

void __real_vfu_rcu_wait(struct vfu_server *server);
void __wrap_vfu_rcu_wait(struct vfu_server *server);
void
__wrap_vfu_rcu_wait(struct vfu_server *server)
{
	grace_periods++;
	__real_vfu_rcu_wait(server);
}

#define EVENTFD (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define NONE    (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)
#define MSIX    VFIO_PCI_MSIX_IRQ_INDEX

/* A polling thread may be about to signal an eventfd that is replaced: it is closed later. */
static void
replaced_eventfd_outlives_a_grace_period(void **state)
{
	const int s = raw_attach(&dev), fd = eventfd(0, EFD_NONBLOCK);

	grace_periods = 0;
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 1, 1, &fd, 1), 0);
	assert_int_equal(grace_periods, 0);
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 1, 1, &fd, 1), 0);
	assert_int_equal(grace_periods, 1);
	assert_int_equal(raw_irqs(s, NONE, MSIX, 0, 0, NULL, 0), 0);
	assert_int_equal(grace_periods, 2);
	close(fd);
	close(s);
	wait_until(is_forgotten(&dev));
}

/* As above, of a client that leaves: each vector that it leaves wired has a grace period. */
static void
eventfd_of_a_former_client_outlives_a_grace_period(void **state)
{
	const int fd = eventfd(0, EFD_NONBLOCK);
	unsigned int without = 0;

	for (unsigned int nr = 0; nr < 3; nr++) {
		int s = raw_attach(&dev);

		for (unsigned int v = 0; v < nr; v++)
			assert_int_equal(raw_irqs(s, EVENTFD, MSIX, v, 1, &fd, 1), 0);
		grace_periods = 0;
		close(s);
		wait_until(is_forgotten(&dev));
		if (nr == 0)
			without = grace_periods;
		assert_int_equal(grace_periods, without + nr);
	}
	close(fd);
}

static void
msix_vectors_trigger_mask_and_disconnect(void **state)
{
	struct vfio_irq_info info = { .argsz = 16, .index = MSIX };
	struct {
		struct vfio_irq_set q;
		uint8_t bools[3];
	} b = { { 23, VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, 0, 3 }, {} };
	uint8_t bytes[23];
	int fd[3], s = raw_attach(&dev), mem = memory_file(4096), pipes[2], before, changed;

	raw_command_fds(s, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, 16, NULL, 0, &info, NULL);
	assert_int_equal(info.count, 25);
	assert_int_equal(info.flags, VFIO_IRQ_INFO_EVENTFD);
	info.index = 5;
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, 16), EINVAL);

	assert_int_equal(pipe(pipes), 0);
	for (unsigned int i = 0; i < 3; i++)
		fd[i] = eventfd(0, EFD_NONBLOCK);
	before = count_fds();
	changed = dev.irqs_changed;

	assert_false(vfu_server_irq(dev.server, MSIX, 0));
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 1, 3, fd, 3), 0);
	assert_int_equal(dev.irqs_changed, changed + 1);
	assert_false(vfu_server_irq(dev.server, MSIX, 0));
	assert_true(vfu_server_irq(dev.server, MSIX, 1));
	assert_true(vfu_server_irq(dev.server, MSIX, 3));
	assert_false(vfu_server_irq(dev.server, MSIX, 4));
	assert_false(vfu_server_irq(dev.server, MSIX, 25));
	assert_false(vfu_server_irq(dev.server, 5, 0));
	assert_int_equal(events(fd[0]), 1);
	assert_int_equal(events(fd[1]), 0);
	assert_int_equal(events(fd[2]), 1);

	/* The client triggers its own vectors: all of a range, or those that are true. */
	assert_int_equal(raw_irqs(s, NONE, MSIX, 0, 3, NULL, 0), 0);
	assert_int_equal(events(fd[0]), 1);
	assert_int_equal(events(fd[1]), 1);
	assert_int_equal(events(fd[2]), 0);
	memcpy(bytes, &b.q, 20);
	memcpy(bytes + 20, "\0\1\0", 3);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_SET_IRQS, bytes, 23), 0);
	assert_int_equal(events(fd[0]), 1);
	assert_int_equal(events(fd[1]), 0);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_SET_IRQS, bytes, 22), EINVAL);

	/* A masked vector is held back until it is unmasked. */
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, MSIX, 1, 1,
					 NULL, 0),
			0);
	assert_false(vfu_server_irq_pending(dev.server, MSIX, 1));
	assert_true(vfu_server_irq(dev.server, MSIX, 1));
	assert_true(vfu_server_irq_pending(dev.server, MSIX, 1));
	assert_false(vfu_server_irq_pending(dev.server, MSIX, 25));
	assert_int_equal(events(fd[0]), 0);
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, MSIX, 1,
					 1, NULL, 0),
			0);
	assert_int_equal(events(fd[0]), 1);

	/* None is lost on the way. */
	for (unsigned int i = 0; i < 1000; i++)
		assert_true(vfu_server_irq(dev.server, MSIX, 1));
	assert_int_equal(events(fd[0]), 1000);

	/*
	 * A client that fills its eventfd blocks neither a polling thread nor the control
	 * thread, not even if it makes the eventfd blocking.
	 */
	uint64_t full = UINT64_MAX - 1;
	assert_int_equal(write(fd[0], &full, 8), 8);
	assert_int_equal(fcntl(fd[0], F_SETFL, 0), 0);
	alarm(10);
	assert_true(vfu_server_irq(dev.server, MSIX, 1));
	assert_true(vfu_server_irq(dev.server, MSIX, 1));
	assert_int_equal(raw_irqs(s, NONE, MSIX, 1, 1, NULL, 0), 0);
	alarm(0);

	/* Refused. */
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 24, 2, fd, 2), EINVAL);
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, UINT32_MAX, 2, fd, 2), EINVAL);
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 1, UINT32_MAX, fd, 2), EINVAL);
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 0, 3, fd, 2), EINVAL);
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 0, 0, NULL, 0), EINVAL);
	assert_int_equal(raw_irqs(s, EVENTFD, 5, 0, 1, fd, 1), EINVAL);
	assert_int_equal(raw_irqs(s, NONE, MSIX, 0, 1, fd, 1), EINVAL);
	assert_int_equal(raw_irqs(s, NONE, MSIX, 1, 0, NULL, 0), EINVAL);
	assert_int_equal(raw_irqs(s, 0, MSIX, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(raw_irqs(s, 0x3f, MSIX, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(raw_irqs(s, NONE | 0x40, MSIX, 0, 1, NULL, 0), EINVAL);
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 0, 1, &mem, 1), EINVAL); /* no eventfd */
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 0, 1, &pipes[1], 1), EINVAL);
	wait_until(count_fds() == before + 3);

	/* Disconnect one vector, then all. */
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 2, 1, NULL, 0), 0);
	assert_false(vfu_server_irq(dev.server, MSIX, 2));
	assert_true(vfu_server_irq(dev.server, MSIX, 3));
	assert_int_equal(raw_irqs(s, NONE, MSIX, 0, 0, NULL, 0), 0);
	assert_false(vfu_server_irq(dev.server, MSIX, 3));
	wait_until(count_fds() <= before);

	/* Vectors that the client leaves connected. */
	assert_int_equal(raw_irqs(s, EVENTFD, MSIX, 0, 3, fd, 3), 0);
	close(s);
	wait_until(is_forgotten(&dev));
	assert_false(vfu_server_irq(dev.server, MSIX, 0));
	wait_until(count_fds() == before - 2);
	for (unsigned int i = 0; i < 3; i++)
		close(fd[i]);
	close(mem);
	close(pipes[0]);
	close(pipes[1]);
}

/*
 * INTx is a level: an event masks it, and an unmask makes the device check whether it is still
 * asserted.
 */
static void
intx_masks_itself_until_it_is_unmasked(void **state)
{
	const uint32_t unmask = VFIO_IRQ_SET_ACTION_UNMASK;
	struct vfio_irq_info info = { .argsz = 16, .index = VFIO_PCI_INTX_IRQ_INDEX };
	int fd = eventfd(0, EFD_NONBLOCK), eoi = eventfd(0, 0), none = -1, s = raw_attach(&dev),
	    changed;
	int many = eventfd(1000000, EFD_SEMAPHORE);
	const uint64_t one = 1;

	raw_command_fds(s, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, 16, NULL, 0, &info, NULL);
	assert_int_equal(info.flags,
			VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED);
	assert_int_equal(raw_irqs(s, EVENTFD, info.index, 0, 1, &fd, 1), 0);
	changed = dev.irqs_changed;
	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int k = 0; k < 3; k++)
			assert_true(vfu_server_irq(dev.server, info.index, 0));
		assert_int_equal(events(fd), 1);
		/*
		 * The device decides whether an interrupt that arrived in the meantime still
		 * has a cause.
		 */
		assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_NONE | unmask, info.index, 0, 1,
						 NULL, 0),
				0);
		assert_int_equal(dev.irqs_changed, ++changed);
		assert_int_equal(events(fd), 0);
	}
	/*
	 * Unmasked by an event, as KVM reports the end of an interrupt. The event may even
	 * block its readers.
	 */
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, info.index, 0, 1, &eoi, 1),
			0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(vfu_server_irq(dev.server, info.index, 0));
		assert_int_equal(events(fd), 1);
		assert_int_equal(write(eoi, &one, 8), 8);
		++changed;
		wait_until(dev.irqs_changed == changed);
	}
	/* An eventfd that stays readable counts once for each write. */
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, info.index, 0, 1, &many,
					 1),
			0);
	wait_until(dev.irqs_changed == changed + 1);
	for (unsigned int i = 0; i < 100; i++)
		raw_command_fds(s, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, 16, NULL, 0, &info, NULL);
	assert_int_equal(dev.irqs_changed, ++changed);
	assert_int_equal(write(many, &one, 8), 8);
	++changed;
	wait_until(dev.irqs_changed == changed);
	/* Disconnected: the events have no meaning. */
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, info.index, 0, 1, &none,
					 0),
			0);
	assert_int_equal(write(many, &one, 8), 8);
	assert_int_equal(write(eoi, &one, 8), 8);
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, MSIX, 0, 1, &eoi, 1),
			EINVAL);
	assert_int_equal(dev.irqs_changed, changed);
	close(s);
	close(many);
	close(eoi);
	close(fd);
}

/*
 * Another process may read the event before the server does: the next one counts. An eventfd that
 * cannot be read is forgotten.
 */
static void
event_that_is_gone_unmasks_nothing(void **state)
{
	const uint32_t unmask = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
	int s = raw_attach(&dev), eoi = eventfd(0, EFD_NONBLOCK), reads = eoi_reads;
	int changed = dev.irqs_changed;
	const uint64_t one = 1;

	assert_int_equal(raw_irqs(s, unmask, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &eoi, 1), 0);
	eoi_errno = EAGAIN;
	assert_int_equal(write(eoi, &one, 8), 8);
	wait_until(eoi_reads == reads + 1);
	eoi_errno = 0;
	assert_int_equal(write(eoi, &one, 8), 8);
	wait_until(dev.irqs_changed == changed + 1);
	assert_int_equal(eoi_reads, reads + 2);

	eoi_errno = EIO;
	assert_int_equal(write(eoi, &one, 8), 8);
	wait_until(eoi_reads == reads + 3);
	eoi_errno = 0;
	assert_int_equal(write(eoi, &one, 8), 8);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(dev.irqs_changed, changed + 1);
	assert_int_equal(eoi_reads, reads + 3);
	close(s);
	close(eoi);
}

/*
 * A vector that one client masked is not masked for the next client, and no pending event is
 * delivered.
 */
static void
next_client_finds_no_vector_masked_or_pending(void **state)
{
	const uint32_t wire = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	const uint32_t mask = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	static const uint32_t kinds[] = { VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX };

	for (unsigned int i = 0; i < 2; i++) {
		int s = raw_attach(&dev);

		assert_int_equal(raw_irqs(s, wire, kinds[i], 0, 1, &fd, 1), 0);
		assert_int_equal(raw_irqs(s, mask, kinds[i], 0, 1, NULL, 0), 0);
		POLLING(assert_true(vfu_server_irq(dev.server, kinds[i], 0)));
		assert_int_equal(events(fd), 0);
		close(s);
		s = raw_attach(&dev);
		assert_int_equal(raw_irqs(s, wire, kinds[i], 0, 1, &fd, 1), 0);
		assert_int_equal(events(fd), 0);
		POLLING(assert_true(vfu_server_irq(dev.server, kinds[i], 0)));
		assert_int_equal(events(fd), 1);
		close(s);
	}
	close(fd);
	wait_until(is_forgotten(&dev));
}

/* Return the number of contexts of asynchronous I/O, each of which is a mapping of that name. */
static unsigned int
aio_contexts(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "[aio]") != NULL;
	fclose(f);
	return n;
}

static void
stopped_server_leaves_no_descriptor_and_no_context(void **state)
{
	static struct device other;
	const unsigned int contexts = aio_contexts();
	const int fds = count_fds();

	assert_int_equal(contexts, 1); /* that of the server of this test */
	device_start(&other);
	assert_int_equal(aio_contexts(), contexts + 1);
	device_stop(&other);
	assert_int_equal(aio_contexts(), contexts);
	assert_int_equal(count_fds(), fds);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(msix_vectors_trigger_mask_and_disconnect),
		T(replaced_eventfd_outlives_a_grace_period),
		T(eventfd_of_a_former_client_outlives_a_grace_period),
		T(intx_masks_itself_until_it_is_unmasked),
		T(event_that_is_gone_unmasks_nothing),
		T(next_client_finds_no_vector_masked_or_pending),
		T(stopped_server_leaves_no_descriptor_and_no_context),
	};

	return cmocka_run_group_tests_name("vfio_user_irqs", tests, NULL, NULL);
}
