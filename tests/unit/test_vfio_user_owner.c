/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server as its owner sees it (vfu_server.h), and its control thread when the system refuses
 * something: connections, memory, descriptors. The linker redirects accept4(), calloc() and
 * recvmsg() to this file, so that they fail.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include <linux/vfio.h>

#include "server_priv.h"
#include "test_clock.h"
#include "vfu_test.h"

#define PAGE  0x1000u
#define MSIX  VFIO_PCI_MSIX_IRQ_INDEX
#define INTX  VFIO_PCI_INTX_IRQ_INDEX
#define LEAF  VFU_LEAF_MAPS
#define SMALL (LEAF / 2) /* leaves that have no more together become one */

static struct device dev;

static _Atomic int accept_error; /* of the next call; 0: none */
static atomic_bool drops;        /* the owner drops the client while the next one is accepted */
static atomic_bool no_conn;      /* the next connection gets no memory */
static atomic_bool truncated;    /* the next message was sent with more descriptors than fit */
static atomic_uint accepts;      /* connections that the server has accepted */

int __real_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
ssize_t __real_recvmsg(int fd, struct msghdr *mh, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags);

int
__wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	assert_int_equal(flags, SOCK_CLOEXEC);
	if (accept_error != 0) {
		errno = atomic_exchange(&accept_error, 0);
		return -1;
	}
	if (atomic_exchange(&drops, false))
		vfu_server_drop_client(dev.server, "the former client");
	accepts++;
	return __real_accept4(fd, sa, len, flags);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	if (size == sizeof(struct vfu_conn) && atomic_exchange(&no_conn, false))
		return NULL;
	return __real_calloc(n, size);
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	ssize_t n = __real_recvmsg(fd, mh, flags);

	if (n > 0 && flags & MSG_DONTWAIT && atomic_exchange(&truncated, false))
		mh->msg_flags |= MSG_CTRUNC;
	return n;
}

static int
setup(void **state)
{
	accept_error = 0;
	no_conn = truncated = drops = false;
	device_start(&dev);
	return 0;
}

static int
teardown(void **state)
{
	device_stop(&dev);
	return 0;
}

static void
client_is_served_after_a_failed_accept(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM, ECONNABORTED };
	int s;

	for (unsigned int i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		accept_error = errors[i];
		s = raw_attach(&dev);
		assert_int_equal(accept_error, 0);
		close(s);
		wait_until(is_forgotten(&dev));
	}
	no_conn = true;
	s = raw_connect(dev.path);
	assert_true(raw_closed(s));
	assert_false(no_conn);
	close(s);
	wait_until(vfu_closer_held(dev.server->closer) == 0);
	close(raw_attach(&dev));
	wait_until(is_forgotten(&dev));
	assert_int_equal(dev.attached, 6);
}

/* The descriptors of a refused client are closed, and do not count for the served one. */
static void
refused_client_leaves_no_descriptor(void **state)
{
	static const char version[] = "\0\0\1\0";
	int s = raw_attach(&dev), fds[VFU_MSG_FDS], t;
	const int before = count_fds();

	for (unsigned int i = 0; i < VFU_MSG_FDS; i++)
		fds[i] = i % 2 == 0 ? s : eventfd(0, EFD_CLOEXEC);
	/*
	 * With the header, or with the payload, where they belong to no message. The last client
	 * leaves within its message.
	 */
	for (unsigned int i = 0; i < 3; i++) {
		const struct vfio_user_header h = {
			.cmd = VFIO_USER_VERSION,
			.msg_size = sizeof(h) + sizeof(version),
		};
		struct vfio_user_header reply;

		t = raw_connect(dev.path);
		raw_send(t, &h, sizeof(h), fds, i != 1 ? VFU_MSG_FDS : 0);
		if (i == 2)
			assert_int_equal(shutdown(t, SHUT_WR), 0);
		else
			raw_send(t, version, sizeof(version), fds, i == 1 ? VFU_MSG_FDS : 0);
		assert_true(raw_recv(t, &reply, sizeof(reply), NULL));
		assert_int_equal(reply.error_no, EBUSY);
		assert_true(raw_closed(t));
		close(t);
		wait_until(vfu_closer_held(dev.server->refused) == 0);
		assert_int_equal(vfu_closer_held(dev.server->closer), 1); /* the connection */
	}
	wait_until(count_fds() == before + (int)VFU_MSG_FDS / 2);
	for (unsigned int i = 1; i < VFU_MSG_FDS; i += 2)
		close(fds[i]);
	close(s);
	wait_until(is_forgotten(&dev));
}

/* Let the closer hold more descriptors than a peer may have open, or no longer. */
static void
fill_closer(struct vfu_closer *c, bool full)
{
	for (unsigned int i = 0; i < VFU_DEFAULT_FDS + VFU_MSG_FDS + 1; i++) {
		if (full)
			vfu_closer_took(c);
		else
			vfu_closer_close(c, eventfd(0, EFD_CLOEXEC));
	}
}

/*
 * While the closer has too many descriptors of clients that left, or were refused, the server
 * accepts no further client, and looks again later.
 */
static void
client_is_accepted_when_former_ones_are_closed(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct vfu_closer *c = i == 0 ? dev.server->closer : dev.server->refused;
		struct vfio_user_header reply;
		int s = i == 0 ? -1 : raw_attach(&dev), t;
		unsigned int before;

		fill_closer(c, true);
		/* The control thread waits again, and does not accept. */
		if (i == 0) {
			vfu_server_drop_client(dev.server, "nobody");
			wait_until(!dev.server->drop);
		} else {
			assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
		}
		before = accepts;
		t = raw_connect(dev.path);
		for (unsigned int k = 0; i == 1 && k < 4; k++)
			assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
		usleep(20000);
		assert_int_equal(accepts, before);
		fill_closer(c, false);
		wait_until(accepts == before + 1);
		if (i == 0) {
			assert_int_equal(raw_version(t), 0);
		} else {
			raw_send(t, "", 1, NULL, 0);
			close(s);
			wait_until(is_forgotten(&dev));
			passed_ms += VFU_HANDSHAKE_MS;
			close(raw_attach(&dev));
			assert_true(raw_recv(t, &reply, sizeof(reply), NULL));
			assert_int_equal(reply.error_no, EBUSY);
		}
		close(t);
		wait_until(is_forgotten(&dev));
		wait_until(vfu_closer_held(c) == 0);
	}
}

/* The second client wakes the control thread after the time has passed. */
static void
client_without_version_is_dropped_in_time(void **state)
{
	int s = raw_connect(dev.path), second;
	char c;

	wait_until(dev.server->stats.client);
	second = raw_connect(dev.path);
	assert_int_equal(recv(s, &c, 1, MSG_DONTWAIT), -1);
	passed_ms += VFU_HANDSHAKE_MS;
	close(second);
	second = raw_connect(dev.path);
	assert_true(raw_closed(s));
	close(second);
	close(s);
	assert_int_equal(dev.attached + dev.detached, 0);
}

/* A reason to drop a client is meant for the one that is there. */
static void
next_client_is_not_dropped_for_the_former(void **state)
{
	int s;

	vfu_server_drop_client(dev.server, "nobody");
	wait_until(!dev.server->drop);
	s = raw_attach(&dev);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	vfu_server_drop_client(dev.server, "a reason of the owner");
	assert_true(raw_closed(s));
	wait_until(is_forgotten(&dev));
	assert_string_equal(dev.why, "a reason of the owner");
	close(s);
	s = raw_attach(&dev);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(dev.detached, 1);
	close(s);
	wait_until(is_forgotten(&dev));
	drops = true;
	s = raw_attach(&dev);
	assert_false(drops);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	close(s);
	wait_until(is_forgotten(&dev));
}

static void
message_with_lost_descriptors_is_refused(void **state)
{
	int s = raw_attach(&dev), mem = memory_file(PAGE);

	truncated = true;
	assert_int_equal(raw_map(s, mem, 0, 0, PAGE, RW), EMFILE);
	assert_non_null(strstr(dev.line, "more file descriptors than one message may have"));
	assert_int_equal(raw_map(s, mem, 0, 0, PAGE, RW), 0);
	close(s);
	close(mem);
	wait_until(is_forgotten(&dev));
}

/* A thread that is a reader of the device may stop the server, which waits for a grace period. */
static void
reader_may_stop_the_server(void **state)
{
	struct device d;
	int s, mem = memory_file(PAGE);

	device_start(&d);
	s = raw_attach(&d);
	assert_int_equal(raw_map(s, mem, 0, 0, PAGE, RW), 0);
	vfu_rcu_online();
	device_stop(&d);
	assert_true(vfu_rcu_is_online());
	vfu_rcu_offline();
	device_start(&d);
	device_stop(&d);
	assert_false(vfu_rcu_is_online());
	assert_true(raw_closed(s));
	close(s);
	close(mem);
}

/* Send SET_IRQS with or without a descriptor. Return the error of the reply, or 0. */
static int
set_irqs(int s, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, int fd)
{
	const struct vfio_irq_set set = { sizeof(set), flags, index, start, count };

	return fd >= 0 ? raw_command_fd(s, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set), fd) :
			 raw_command(s, VFIO_USER_DEVICE_SET_IRQS, &set, sizeof(set));
}

/* Return how many interrupts have come, once the first one has. */
static uint64_t
interrupts(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void
owner_masks_a_vector(void **state)
{
	int s = raw_attach(&dev), fds[] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	const uint32_t wire = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

	/* The first and the last vector. */
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(set_irqs(s, wire, MSIX, 24 * i, 1, fds[i]), 0);
		assert_true(vfu_server_irq_wired(dev.server, MSIX, 24 * i));
	}
	assert_false(vfu_server_irq_wired(dev.server, MSIX, 1));
	assert_false(vfu_server_irq_wired(dev.server, MSIX, 25));
	assert_false(vfu_server_irq_wired(dev.server, VFU_SRV_IRQS, 0));
	for (unsigned int i = 0; i < 2; i++) {
		vfu_server_irq_mask(dev.server, MSIX, 24 * i, true);
		POLLING(assert_true(vfu_server_irq(dev.server, MSIX, 24 * i)));
		assert_int_equal(interrupts(fds[i]), 0);
		assert_true(vfu_server_irq_pending(dev.server, MSIX, 24 * i));
		vfu_server_irq_mask(dev.server, MSIX, 24 * i, false);
		assert_int_equal(interrupts(fds[i]), 1);
		assert_false(vfu_server_irq_pending(dev.server, MSIX, 24 * i));
		POLLING(assert_true(vfu_server_irq(dev.server, MSIX, 24 * i)));
		assert_int_equal(interrupts(fds[i]), 1);
	}
	/* Vectors that do not exist. */
	for (unsigned int i = 0; i < 2; i++) {
		const unsigned int index = i == 0 ? MSIX : VFU_SRV_IRQS, vector = i == 0 ? 25 : 0;

		vfu_server_irq_mask(dev.server, index, vector, true);
		vfu_server_irq_mask(dev.server, index, vector, false);
		assert_false(vfu_server_irq_pending(dev.server, index, vector));
		POLLING(assert_false(vfu_server_irq(dev.server, index, vector)));
	}
	close(s);
	wait_until(is_forgotten(&dev));
	close(fds[0]);
	close(fds[1]);
}

/* A count of 0 also ends the watch of the eventfd that unmasks. */
static void
disabled_intx_is_not_unmasked_by_its_eventfd(void **state)
{
	const uint32_t data = VFIO_IRQ_SET_DATA_EVENTFD;
	int s = raw_attach(&dev), raised = eventfd(0, EFD_NONBLOCK), unmask = eventfd(0, 0);
	const int before = count_fds();
	const uint64_t one = 1;

	assert_int_equal(set_irqs(s, data | VFIO_IRQ_SET_ACTION_TRIGGER, INTX, 0, 1, raised), 0);
	assert_int_equal(set_irqs(s, data | VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1, unmask), 0);
	assert_int_equal(count_fds(), before + 2);
	assert_int_equal(dev.irqs_changed, 1);
	POLLING(assert_true(vfu_server_irq(dev.server, INTX, 0)));
	assert_int_equal(interrupts(raised), 1);
	assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
	wait_until(dev.irqs_changed == 2);
	POLLING(assert_true(vfu_server_irq(dev.server, INTX, 0)));
	assert_int_equal(interrupts(raised), 1);
	assert_int_equal(set_irqs(s, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, INTX, 0,
					 0, -1),
			0);
	assert_int_equal(dev.irqs_changed, 3);
	assert_int_equal(count_fds(), before);
	assert_int_equal(dev.server->irqs[INTX].unmask_fd, -1);
	assert_false(dev.server->irqs[INTX].masked[0]);
	assert_int_equal(write(unmask, &one, sizeof(one)), sizeof(one));
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(dev.irqs_changed, 3);
	close(s);
	wait_until(is_forgotten(&dev));
	close(raised);
	close(unmask);
}

/* Start a server of the test's own description. */
static void
start(struct device *d, const struct vfu_server_desc *desc, const struct vfu_server_ops *ops)
{
	char err[VFU_ERR_LEN];

	memset(d, 0, sizeof(*d));
	test_path(d->path, sizeof(d->path));
	if (vfu_server_start(d->path, desc, ops, d, &d->server, err) != 0)
		fail_msg("%s", err);
}

static void
owner_need_not_be_notified(void **state)
{
	struct vfu_server_ops ops = dev_ops;
	struct vfu_server_desc desc;
	struct device d;
	int s, fd = eventfd(0, EFD_NONBLOCK);

	ops.refused = NULL;
	ops.irqs_changed = NULL;
	fill_desc(&desc, -1);
	desc.regions[0].nr_areas = 0;
	start(&d, &desc, &ops);
	s = raw_attach(&d);
	assert_int_equal(raw_command(s, 999, NULL, 0), EOPNOTSUPP);
	assert_int_equal(set_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX,
					 0, 1, fd),
			0);
	assert_int_equal(set_irqs(s, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, MSIX, 0, 1,
					 -1),
			0);
	close(s);
	wait_until(is_forgotten(&d));
	vfu_server_stop(d.server);
	close(fd);
}

static void
region_without_areas_is_offered_as_a_whole(void **state)
{
	const struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct vfu_server_desc desc;
	char err[VFU_ERR_LEN];
	struct vfu_client *c;
	struct vfu_region r;
	struct device d;
	int mem = memory_file(BAR0_SIZE);

	fill_desc(&desc, mem);
	desc.regions[0].nr_areas = 0;
	desc.regions[0].flags |= VFIO_REGION_INFO_FLAG_MMAP;
	start(&d, &desc, &dev_ops);
	assert_int_equal(vfu_client_connect(d.path, &params, &c, err), 0);
	assert_int_equal(vfu_client_region_info(c, 0, &r), 0);
	assert_int_equal(r.flags, 7);
	assert_int_equal(r.nr_areas, 0);
	assert_int_equal(r.size, BAR0_SIZE);
	assert_true(r.fd >= 0);
	close(r.fd);
	vfu_client_close(c);
	vfu_server_stop(d.server);
	close(mem);
}

/* Receive a request of the server for the client's memory, and reply with the address as data. */
static void
serve_read(int s, uint64_t addr, uint64_t count)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_dma_access a;
		uint8_t data[64];
	} m;

	assert_true(raw_recv(s, &m, sizeof(m.h) + sizeof(m.a), NULL));
	assert_int_equal(m.h.cmd, VFIO_USER_DMA_READ);
	assert_int_equal(m.a.addr, addr);
	assert_int_equal(m.a.count, count);
	for (uint64_t i = 0; i < count; i++)
		m.data[i] = (uint8_t)(addr + i);
	m.h.flags = VFIO_USER_F_TYPE_REPLY;
	m.h.msg_size = (uint32_t)(sizeof(m.h) + sizeof(m.a) + count);
	raw_send(s, &m, m.h.msg_size, NULL, 0);
}

/* Send a command that needs no reply, several times. */
static void
send_commands(int s, unsigned int n, uint16_t cmd, size_t len)
{
	const size_t size = sizeof(struct vfio_user_header) + len;
	uint8_t *msg = calloc(1, size);
	const struct vfio_user_header h = {
		.cmd = cmd,
		.flags = VFIO_USER_F_NO_REPLY,
		.msg_size = (uint32_t)size,
	};

	memcpy(msg, &h, sizeof(h));
	for (; n != 0; n--) {
		for (size_t sent = 0; sent < size;) {
			ssize_t k = send(s, msg + sent, size - sent, MSG_NOSIGNAL);

			assert_true(k > 0);
			sent += (size_t)k;
		}
	}
	free(msg);
}

/* The control thread waits for an access of the device, so that commands wait for it. */
static void
waiting_commands_have_exact_limits(void **state)
{
	static const struct {
		unsigned int nr;
		size_t len;
	} t[] = { { VFU_QUEUE_MSGS, 0 }, { 17, VFU_QUEUE_BYTES / 16 } };
	uint8_t buf[8], request[sizeof(struct vfio_user_header) + 16];
	struct vfu_server_stats st;

	for (unsigned int i = 0; i < 2; i++) {
		const int s = raw_attach(&dev);
		const struct vfu_conn *conn = dev.server->conn;
		uint64_t before;

		assert_int_equal(raw_map(s, -1, 0, 0, PAGE, RW), 0);
		POLLING(assert_int_equal(vfu_dma_read(dev.server, 0, 0, buf, 8), -EAGAIN));
		assert_true(raw_recv(s, request, sizeof(request), NULL));
		vfu_server_get_stats(dev.server, &st);
		before = st.messages;
		send_commands(s, 1, VFIO_USER_DEVICE_RESET, 0);
		wait_until((vfu_server_get_stats(dev.server, &st),
				st.messages == before + 1 &&
						*(const volatile unsigned int *)&conn->nr_queued ==
								0));
		send_commands(s, t[i].nr, 999, t[i].len);
		wait_until((vfu_server_get_stats(dev.server, &st),
				st.messages == before + 1 + t[i].nr || conn->dead));
		assert_false(conn->dead);
		send_commands(s, 1, 999, t[i].len);
		wait_until(is_forgotten(&dev));
		assert_string_equal(dev.why,
				"client sent too many commands without waiting for replies");
		close(s);
	}
}

/* A client that takes 16 bytes a message, and a device that drives 32 bits of an address. */
static void
message_accesses_are_cut_and_wrap(void **state)
{
	static const char version[] = "\0\0\1\0{\"capabilities\":{\"max_data_xfer_size\":16}}";
	const uint64_t end = UINT64_C(1) << 32;
	struct vfu_server_desc desc;
	uint8_t buf[40];
	struct device d;
	int s, ret;

	fill_desc(&desc, -1);
	desc.regions[0].nr_areas = 0;
	desc.addr_mask = end - 1;
	desc.dma_timeout_ms = SOON_MS;
	start(&d, &desc, &dev_ops);
	s = raw_connect(d.path);
	assert_int_equal(raw_command(s, VFIO_USER_VERSION, version, sizeof(version)), 0);
	assert_false(vfu_dma_by_message(d.server));
	assert_int_equal(raw_map(s, -1, 0, 0, PAGE, RW), 0);
	assert_int_equal(raw_map(s, -1, 0, end - PAGE, PAGE, RW), 0);
	assert_true(vfu_dma_by_message(d.server));
	POLLING(ret = vfu_dma_read(d.server, 0, 2 * end - 20, buf, sizeof(buf)));
	assert_int_equal(ret, -EAGAIN);
	serve_read(s, end - 20, 16);
	serve_read(s, end - 4, 4);
	serve_read(s, 0, 16);
	serve_read(s, 16, 4);
	vfu_dma_wait(d.server);
	POLLING(ret = vfu_dma_read(d.server, 0, 2 * end - 20, buf, sizeof(buf)));
	assert_int_equal(ret, 0);
	for (unsigned int i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], (uint8_t)(end - 20 + i));
	close(s);
	wait_until(is_forgotten(&d));
	assert_false(vfu_dma_by_message(d.server));
	vfu_server_stop(d.server);
}

/* A reply to DMA_WRITE that names another address or another length. */
static void
wrong_reply_to_a_write_drops_the_client(void **state)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct {
			struct vfio_user_header h;
			struct vfio_user_dma_access a;
			uint32_t data;
		} m;
		const uint64_t faults = device_faults(&dev);
		int s = raw_attach(&dev);
		uint32_t v = 0x12345678;

		assert_int_equal(raw_map(s, -1, 0, 0, PAGE, RW), 0);
		POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x10, &v, 4), 0));
		assert_true(raw_recv(s, &m, sizeof(m.h) + sizeof(m.a) + 4, NULL));
		assert_int_equal(m.h.cmd, VFIO_USER_DMA_WRITE);
		assert_int_equal(m.a.addr, 0x10);
		assert_int_equal(m.a.count, 4);
		assert_int_equal(m.data, v);
		m.h.flags = VFIO_USER_F_TYPE_REPLY;
		m.h.msg_size = sizeof(m.h) + sizeof(m.a);
		m.a.addr += i == 1;
		m.a.count += i == 2;
		m.h.cmd -= i == 3;
		raw_send(s, &m, m.h.msg_size, NULL, 0);
		if (i != 0)
			assert_true(raw_closed(s));
		vfu_dma_wait(dev.server);
		close(s);
		wait_until(is_forgotten(&dev));
		assert_int_equal(device_faults(&dev), faults + (i != 0));
		if (i == 3)
			assert_string_equal(dev.why,
					"client's reply names another command than the request");
		else if (i != 0)
			assert_string_equal(dev.why,
					"reply to DMA_READ or DMA_WRITE that does not "
					"fit the request");
	}
}

/* Several vectors are raised behind one write: each comes once, after the write. */
static void
vectors_behind_one_write_all_come(void **state)
{
	static const unsigned int vectors[] = { 0, 3, 24 };
	struct {
		struct vfio_user_header h;
		struct vfio_user_dma_access a;
		uint32_t data;
	} m;
	int s = raw_attach(&dev), fds[3];
	struct vfu_server_stats st;
	uint32_t v = 1;

	for (unsigned int i = 0; i < 3; i++) {
		fds[i] = eventfd(0, EFD_NONBLOCK);
		assert_int_equal(set_irqs(s,
						 VFIO_IRQ_SET_DATA_EVENTFD |
								 VFIO_IRQ_SET_ACTION_TRIGGER,
						 MSIX, vectors[i], 1, fds[i]),
				0);
	}
	assert_int_equal(raw_map(s, -1, 0, 0, PAGE, RW), 0);
	vfu_rcu_online();
	assert_int_equal(vfu_dma_write(dev.server, 0, &v, 4), 0);
	for (unsigned int i = 0; i < 6; i++)
		assert_true(vfu_server_irq(dev.server, MSIX, vectors[i % 3]));
	assert_false(vfu_server_irq(dev.server, MSIX, 1));
	vfu_rcu_quiescent();
	vfu_rcu_offline();
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.dma_posted, 4);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(interrupts(fds[i]), 0);
	assert_true(raw_recv(s, &m, sizeof(m.h) + sizeof(m.a) + 4, NULL));
	m.h.flags = VFIO_USER_F_TYPE_REPLY;
	m.h.msg_size = sizeof(m.h) + sizeof(m.a);
	raw_send(s, &m, m.h.msg_size, NULL, 0);
	vfu_dma_wait(dev.server);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(interrupts(fds[i]), 1);
		close(fds[i]);
	}
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.dma_posted, 0);
	close(s);
	wait_until(is_forgotten(&dev));
}

struct seen {
	unsigned int nr;
	struct vfu_dma_entry e[4];
};

static void
see(void *arg, const struct vfu_dma_entry *e)
{
	struct seen *seen = arg;

	assert_true(seen->nr < 4);
	seen->e[seen->nr++] = *e;
}

static void
ranges_are_listed_in_order(void **state)
{
	int s = raw_attach(&dev), mem = memory_file(PAGE);
	struct seen seen = { 0 };
	void *p;

	assert_int_equal(raw_map(s, mem, 0, 0x5000, PAGE, VFU_DMA_READ), 0);
	assert_int_equal(raw_map(s, -1, 0, UINT64_MAX - 0x1fff, 2 * PAGE, RW), 0);
	assert_int_equal(raw_map(s, -1, 0, 0, 2 * PAGE, VFU_DMA_WRITE), 0);
	p = device_ptr(&dev, 0x5000, 1, VFU_DMA_READ);
	assert_non_null(p);
	POLLING(vfu_server_dma_for_each(dev.server, see, &seen));
	assert_int_equal(seen.nr, 3);
	assert_int_equal(seen.e[0].iova, 0);
	assert_int_equal(seen.e[0].size, 2 * PAGE);
	assert_int_equal(seen.e[0].prot, VFU_DMA_WRITE);
	assert_null(seen.e[0].vaddr);
	assert_int_equal(seen.e[1].iova, 0x5000);
	assert_int_equal(seen.e[1].size, PAGE);
	assert_int_equal(seen.e[1].prot, VFU_DMA_READ);
	assert_ptr_equal(seen.e[1].vaddr, p);
	assert_int_equal(seen.e[2].iova, UINT64_MAX - 0x1fff);
	assert_int_equal(seen.e[2].size, 2 * PAGE);
	assert_int_equal(seen.e[2].prot, RW);
	close(s);
	close(mem);
	wait_until(is_forgotten(&dev));
}

static void
each_fault_has_its_text(void **state)
{
	static const struct {
		enum vfu_dma_why why;
		const char *read, *write;
	} t[] = {
		{ VFU_DMA_NOT_MAPPED, "not mapped", "not mapped" },
		{ VFU_DMA_NOT_PERMITTED, "not mapped for reading", "not mapped for writing" },
		{ VFU_DMA_NO_ENTRY, "no entry in the page table", "no entry in the page table" },
		{ VFU_DMA_ENTRY_FORBIDS, "not for reading by the page table",
				"not for writing by the page table" },
		{ VFU_DMA_NO_ANSWER, "the client refused it, or did not answer",
				"the client refused it, or did not answer" },
		{ VFU_DMA_TRUNCATED, "the client truncated its memory",
				"the client truncated its memory" },
		{ (enum vfu_dma_why)99, "?", "?" },
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct vfu_dma_fault f = { 0, VFU_DMA_READ, t[i].why };

		assert_string_equal(vfu_dma_why_text(&f), t[i].read);
		f.prot = VFU_DMA_WRITE;
		assert_string_equal(vfu_dma_why_text(&f), t[i].write);
	}
}

static void
map_page(int s, uint64_t i)
{
	assert_int_equal(raw_map(s, -1, 0, i * PAGE, PAGE, RW), 0);
}

static void
unmap_pages(int s, uint64_t first, uint64_t end)
{
	assert_int_equal(raw_unmap(s, first * PAGE, (end - first) * PAGE), 0);
}

/* Fail the test unless the table has leaves of these sizes. */
static void
assert_leaves(uint32_t first, uint32_t second, uint32_t third)
{
	const struct vfu_dma_table *t = dev.server->table;
	const uint32_t nr[] = { first, second, third };
	uint32_t n = 0, sum = 0;

	while (n < 3 && nr[n] != 0)
		n++;
	assert_int_equal(t->nr_leaves, n);
	for (uint32_t l = 0; l < n; l++) {
		const struct vfu_dma_leaf *leaf = t->leaves[l].leaf;

		assert_int_equal(leaf->nr, nr[l]);
		assert_int_equal(leaf->maps[leaf->nr - 1].last, t->leaves[l].last);
		for (uint32_t i = 1; i < leaf->nr; i++)
			assert_true(leaf->maps[i - 1].last < leaf->maps[i].iova);
		sum += leaf->nr;
	}
	assert_int_equal(t->nr, sum);
	assert_int_equal(t->nr_messages, sum);
}

/* A full leaf is split, and small neighbours are joined: the one before, and the one behind. */
static void
leaves_are_split_and_joined(void **state)
{
	int s = raw_attach(&dev);
	uint64_t i;

	for (i = 0; i < LEAF; i++)
		map_page(s, i);
	assert_leaves(LEAF, 0, 0);
	map_page(s, i++);
	assert_leaves(SMALL, SMALL + 1, 0);
	for (; i < SMALL + LEAF; i++)
		map_page(s, i);
	assert_leaves(SMALL, LEAF, 0);
	map_page(s, i); /* pages 0 to 2 * LEAF - SMALL */
	assert_leaves(SMALL, SMALL, SMALL + 1);

	/* The first leaf has none before it, and joins the one behind it. */
	unmap_pages(s, SMALL, 2 * SMALL - 28);
	assert_leaves(SMALL, 28, SMALL + 1);
	unmap_pages(s, 0, 27);
	assert_leaves(SMALL - 27, 28, SMALL + 1);
	unmap_pages(s, 27, 28);
	assert_leaves(SMALL, SMALL + 1, 0);
	/* The last one joins the one before it. */
	unmap_pages(s, 28, 28 + 100);
	assert_leaves(28, SMALL + 1, 0);
	unmap_pages(s, 2 * SMALL, 2 * SMALL + 28);
	assert_leaves(28, SMALL + 1 - 28, 0);
	unmap_pages(s, 2 * SMALL + 28, 2 * SMALL + 29);
	assert_leaves(SMALL, 0, 0);
	unmap_pages(s, 0, 1000);
	assert_leaves(0, 0, 0);
	close(s);
	wait_until(is_forgotten(&dev));
}

/* The test pretends that the table has nearly its largest number of ranges. */
static void
number_of_ranges_has_a_limit(void **state)
{
	int s = raw_attach(&dev);

	map_page(s, 0);
	dev.server->table->nr = VFU_MAX_DMA_MAPS - 1;
	map_page(s, 1);
	assert_int_equal(dev.server->table->nr, VFU_MAX_DMA_MAPS);
	assert_int_equal(raw_map(s, -1, 0, 2 * PAGE, PAGE, RW), ENOSPC);
	assert_non_null(strstr(dev.line, "this client has 262144 ranges, its limit"));
	dev.server->table->nr = 2;
	map_page(s, 2);
	close(s);
	wait_until(is_forgotten(&dev));
}

/* Ranges share a window if it is the same part of the same file, with the same permission. */
static void
window_is_shared_by_ranges_that_fit(void **state)
{
	const uint64_t unit = 0x200000;
	/* Offsets this far apart are in the same bucket of windows. */
	const uint64_t far = VFU_WINDOW_BUCKETS * unit;
	int s = raw_attach(&dev), mem = memory_file(far + unit), other = memory_file(4 * unit);
	const struct {
		int fd;
		uint64_t offset, size;
		uint32_t prot, windows;
	} t[] = {
		{ mem, 0, PAGE, RW, 1 },
		{ mem, unit - PAGE, PAGE, RW, 1 },
		{ other, 0, PAGE, RW, 2 },
		{ mem, PAGE, PAGE, VFU_DMA_READ, 3 },
		{ mem, unit, PAGE, RW, 4 },
		{ mem, 0, unit, RW, 4 },
		{ mem, unit - PAGE, 2 * PAGE, RW, 5 },
		{ mem, 0, unit + PAGE, RW, 6 },
		{ mem, 0, unit + 2 * PAGE, RW, 7 },
		{ mem, 0, unit + PAGE, RW, 7 },
		{ mem, far, PAGE, RW, 8 },
	};
	const unsigned int n = sizeof(t) / sizeof(t[0]);

	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(raw_map(s, t[i].fd, t[i].offset, 0x10000000u * i, t[i].size,
						 t[i].prot),
				0);
		assert_int_equal(dev.server->nr_maps, t[i].windows);
	}
	assert_int_equal(dev.server->mapped, 5 * unit + 2 * PAGE + unit + PAGE + unit + 2 * PAGE);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(raw_unmap(s, 0x10000000u * i, t[i].size), 0);
	assert_int_equal(dev.server->nr_maps, 0);
	assert_int_equal(dev.server->mapped, 0);
	close(s);
	close(mem);
	close(other);
	wait_until(is_forgotten(&dev));
}

/* A server announces at most what the library can hold, also to a client that can hold more. */
static void
announced_ranges_have_a_limit(void **state)
{
	static const char version[] = "\0\0\1\0{\"capabilities\":{\"max_dma_maps\":1000000}}";
	static const uint32_t limits[] = { VFU_MAX_DMA_MAPS + 1, 500, 0 };
	static const unsigned int announced[] = { VFU_MAX_DMA_MAPS, 500, VFU_DEFAULT_MAPS };

	for (unsigned int i = 0; i < 3; i++) {
		const struct vfu_limits l = { .max_maps = limits[i] };
		char reply[4096] = "", expected[64];
		struct device d;
		int s;

		device_start_limits(&d, SOON_MS, &l);
		s = raw_connect(d.path);
		raw_command_fds(s, VFIO_USER_VERSION, version, sizeof(version), NULL, 0, reply,
				NULL);
		snprintf(expected, sizeof(expected), "\"max_dma_maps\":%u}", announced[i]);
		assert_non_null(strstr(reply + 4, expected));
		close(s);
		device_stop(&d);
	}
}

static void
control_thread_moves_to_the_core_that_it_gets(void **state)
{
	cpu_set_t cores, one, now;
	int core = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(cores), &cores), 0);
	while (!CPU_ISSET(core, &cores))
		core++;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	assert_int_equal(vfu_server_run_on(dev.server, &one), 0);
	assert_int_equal(pthread_getaffinity_np(dev.server->thread, sizeof(now), &now), 0);
	assert_true(CPU_EQUAL(&now, &one));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(client_is_served_after_a_failed_accept),
		T(refused_client_leaves_no_descriptor),
		T(client_is_accepted_when_former_ones_are_closed),
		T(client_without_version_is_dropped_in_time),
		T(next_client_is_not_dropped_for_the_former),
		T(message_with_lost_descriptors_is_refused),
		T(reader_may_stop_the_server),
		T(owner_masks_a_vector),
		T(disabled_intx_is_not_unmasked_by_its_eventfd),
		T(owner_need_not_be_notified),
		T(region_without_areas_is_offered_as_a_whole),
		T(waiting_commands_have_exact_limits),
		T(message_accesses_are_cut_and_wrap),
		T(wrong_reply_to_a_write_drops_the_client),
		T(vectors_behind_one_write_all_come),
		T(ranges_are_listed_in_order),
		T(each_fault_has_its_text),
		T(leaves_are_split_and_joined),
		T(number_of_ranges_has_a_limit),
		T(window_is_shared_by_ranges_that_fit),
		T(announced_ranges_have_a_limit),
		T(control_thread_moves_to_the_core_that_it_gets),
	};
	int ret;

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_owner", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
