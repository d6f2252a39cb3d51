/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Shared fixtures of the vfio-user tests, test_vfio_user_*.c.
 *
 * The tests exercise the two ends of the vfio-user protocol (lib/vfio_user): the server, which
 * a device owns, and the client, which a driver owns. This header provides both a recording
 * device and the protocol by hand, byte by byte, so that a test can put a correct or an
 * incorrect peer opposite either end.
 *
 *    test (main thread)                    server under test (lib/vfio_user)
 *    +-----------------------+             +---------------------------------+
 *    | raw_connect()  -> fd -+-- socket ---+-> control thread                |
 *    | raw_command(), ...    |             |     calls dev_ops of the device |
 *    |                       |             |     opaque                      |
 *    | struct device         |<------------+-------'                         |
 *    |   server -------------+------------>| struct vfu_server               |
 *    |   bar[], config[]     |             |   mappings -> client's memory   |
 *    |   attached, why, ...  |             +---------------------------------+
 *    | POLLING(...) ---------+-- vfu_dma_ptr(), vfu_dma_read(), vfu_dma_write()
 *    +-----------------------+
 *
 * Organisation of this file:
 * - struct device, dev_*() and dev_ops: a device that records each callback of the server
 * - device_start*(), device_stop(): lifecycle of that device and its server
 * - POLLING(), device_ptr(), dma_read(): DMA of the device, as its polling thread issues it
 * - raw_*(): the client's side of the protocol without lib/vfio_user's client
 *
 * Lifecycle of a test: device_start(), raw_attach() or vfu_client_connect(), the steps under
 * test, close() or vfu_client_close(), device_stop(). device_stop() asserts that the socket's
 * path has been unlinked.
 *
 * Threads: the server calls dev_*() in its control thread. The test reads the counters of
 * struct device, which are atomic, in its own thread: wait_until() waits for a counter. why,
 * line and last_* are plain: the server's control thread writes them before it increments the
 * counter (why, line) or sends the reply (last_*). The test's thread becomes a polling thread
 * only within POLLING(), because an online RCU reader that reports no quiescent state would
 * block the control thread.
 *
 * Not done: no assertion of this header depends on how long an operation takes. SOON_MS only
 * bounds a hanging test.
 */

#ifndef VFU_TEST_H
#define VFU_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../common/fds.h"
#define MUTEXES_COUNTED
#include "mutexes.h"
#include "vfu_client.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

/*
 * The structures of the protocol end in flexible arrays. The tests place the payload that
 * belongs there directly behind the structure.
 */
#ifdef __clang__
#pragma clang diagnostic ignored "-Wgnu-variable-sized-type-not-at-end"
#endif

#define RW        (VFU_DMA_READ | VFU_DMA_WRITE)
#define BAR0_SIZE 0x20000u
#define MEM_SIZE  0x100000u
#define SOON_MS   20000 /* bounds hanging only: an expected event comes earlier */

struct device {
	struct vfu_server *server;
	char path[100];
	int bar_fd;
	atomic_int attached, detached, resets, irqs_changed, refused;
	atomic_int writes;
	char why[VFU_ERR_LEN];
	char line[VFU_ERR_LEN];
	uint8_t bar[BAR0_SIZE];
	uint8_t config[256];
	unsigned int last_region;
	uint64_t last_offset;
	size_t last_len;
	int fail; /* result of each access and reset, 0 or -errno */
	void (*on_write)(struct device *dev, uint64_t offset, const void *buf, size_t len);
};

static inline void
dev_attached(void *opaque)
{
	((struct device *)opaque)->attached++;
}

static inline void
dev_detached(void *opaque, const char *why)
{
	struct device *d = opaque;

	snprintf(d->why, sizeof(d->why), "%s", why);
	d->detached++;
}

static inline uint8_t *
dev_mem(struct device *d, unsigned int region, uint64_t offset)
{
	return region == 0 ? d->bar + offset : d->config + offset;
}

static inline int
dev_read(void *opaque, unsigned int region, uint64_t offset, void *buf, size_t len)
{
	struct device *d = opaque;

	d->last_region = region;
	d->last_offset = offset;
	d->last_len = len;
	if (d->fail != 0)
		return d->fail;
	memcpy(buf, dev_mem(d, region, offset), len);
	return 0;
}

static inline int
dev_write(void *opaque, unsigned int region, uint64_t offset, const void *buf, size_t len)
{
	struct device *d = opaque;

	d->last_region = region;
	d->last_offset = offset;
	d->last_len = len;
	d->writes++;
	if (d->fail != 0)
		return d->fail;
	memcpy(dev_mem(d, region, offset), buf, len);
	if (d->on_write != NULL)
		d->on_write(d, offset, buf, len);
	return 0;
}

static inline int
dev_reset(void *opaque)
{
	struct device *d = opaque;

	d->resets++;
	return d->fail;
}

static inline void
dev_irqs_changed(void *opaque, unsigned int index)
{
	((struct device *)opaque)->irqs_changed++;
}

static inline void
dev_refused(void *opaque, const char *line)
{
	struct device *d = opaque;

	snprintf(d->line, sizeof(d->line), "%s", line);
	d->refused++;
}

static const struct vfu_server_ops dev_ops = {
	.attached = dev_attached,
	.detached = dev_detached,
	.region_read = dev_read,
	.region_write = dev_write,
	.reset = dev_reset,
	.irqs_changed = dev_irqs_changed,
	.refused = dev_refused,
};

static inline void
test_path(char *path, size_t size)
{
	static int n;
	const char *dir = getenv("TMPDIR");

	snprintf(path, size, "%s/gantry-vfu-%d-%d", dir != NULL && strlen(dir) < 60 ? dir : "/tmp",
			(int)getpid(), n++);
}

static inline int
memory_file(size_t size)
{
	int fd = memfd_create("gantry-test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	return fd;
}

static inline void
fill_desc(struct vfu_server_desc *desc, int bar_fd)
{
	memset(desc, 0, sizeof(*desc));
	for (unsigned int i = 0; i < VFU_SRV_REGIONS; i++)
		desc->regions[i].fd = -1;
	desc->regions[0].size = BAR0_SIZE;
	desc->regions[0].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	desc->regions[0].fd = bar_fd;
	desc->regions[0].nr_areas = 2;
	desc->regions[0].areas[0].offset = 0xc000;
	desc->regions[0].areas[0].size = 0x1000;
	desc->regions[0].areas[1].offset = 0xe000;
	desc->regions[0].areas[1].size = 0x1000;
	desc->regions[1].size = 0x40; /* write-only */
	desc->regions[1].flags = VFIO_REGION_INFO_FLAG_WRITE;
	desc->regions[7].size = 256;
	desc->regions[7].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	desc->irq_counts[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	desc->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = 25;
}

/**
 * Start a device with a server on a new socket path. Fail the test if the server does not
 * start.
 *
 * @param d                the device, uninitialized; the caller calls device_stop()
 * @param dma_timeout_ms   the limit for a client's answers to DMA_READ and DMA_WRITE,
 *   milliseconds
 * @param limits           the limits of the device's description, or NULL for the defaults
 */
static inline void
device_start_limits(struct device *d, unsigned int dma_timeout_ms, const struct vfu_limits *limits)
{
	struct vfu_server_desc desc;
	char err[VFU_ERR_LEN];

	memset(d, 0, sizeof(*d));
	d->bar_fd = memory_file(BAR0_SIZE);
	for (unsigned int i = 0; i < sizeof(d->config); i++)
		d->config[i] = (uint8_t)i;
	fill_desc(&desc, d->bar_fd);
	desc.dma_timeout_ms = dma_timeout_ms;
	if (limits != NULL)
		desc.limits = *limits;
	test_path(d->path, sizeof(d->path));
	if (vfu_server_start(d->path, &desc, &dev_ops, d, &d->server, err) != 0)
		fail_msg("%s", err);
}

static inline void
device_start_dma(struct device *d, unsigned int dma_timeout_ms)
{
	device_start_limits(d, dma_timeout_ms, NULL);
}

static inline void
device_start(struct device *d)
{
	device_start_dma(d, SOON_MS);
}

static inline void
device_stop(struct device *d)
{
	vfu_server_stop(d->server);
	close(d->bar_fd);
	assert_int_equal(access(d->path, F_OK), -1);
}

/*
 * Run statements of the test's thread as a polling thread does. The thread is an online RCU
 * reader only within them, because an online reader blocks the threads that wait for a grace
 * period.
 */
#define POLLING(...) \
	do { \
		vfu_rcu_online(); \
		__VA_ARGS__; \
		vfu_rcu_quiescent(); \
		vfu_rcu_offline(); \
	} while (0)

static inline void *
device_ptr(struct device *d, uint64_t iova, size_t len, uint32_t prot)
{
	void *p;

	POLLING(p = vfu_dma_ptr(d->server, iova, len, prot));
	return p;
}

static inline uint64_t
device_faults(const struct device *d)
{
	struct vfu_server_stats st;

	vfu_server_get_stats(d->server, &st);
	return st.dma_faults;
}

static inline uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Wait until a condition that another thread establishes is true. Fail the test after SOON_MS. */
#define wait_until(cond) \
	do { \
		uint64_t end_ = now_ms() + SOON_MS; \
		bool met_; /* the condition may change again */ \
		while (!(met_ = (cond)) && now_ms() < end_) \
			usleep(200); \
		assert_true(met_); \
	} while (0)

/**
 * Call it for a server that runs, after a client has had a reply.
 *
 * @return whether the server has forgotten its last client: its mappings, its interrupts and its
 *         connection. The callback detached() comes before that.
 */
static inline bool
is_forgotten(struct device *d)
{
	struct vfu_server_stats st;

	vfu_server_get_stats(d->server, &st);
	return d->detached == d->attached && !st.client;
}

/**
 * Read guest memory, and repeat vfu_dma_read() in slot 0 until the client's data has arrived.
 *
 * Call from an online RCU reader.
 *
 * @return the result of vfu_dma_read() other than -EAGAIN: 0, or -errno
 */
static inline int
dma_read(struct vfu_server *server, uint64_t iova, void *buf, size_t len)
{
	int ret;

	while ((ret = vfu_dma_read(server, 0, iova, buf, len)) == -EAGAIN)
		vfu_dma_wait(server);
	return ret;
}

/* The client's side of the protocol, by hand. */

/**
 * Connect to a server's socket.
 *
 * @return a descriptor that the caller closes; a failure fails the test
 */
static inline int
raw_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/**
 * Send bytes, and up to 64 file descriptors with them, by one sendmsg().
 *
 * @return true if all bytes were sent
 */
static inline bool
try_send(int fd, const void *buf, size_t len, const int *fds, unsigned int nr_fds)
{
	return send_fds(fd, buf, len, fds, nr_fds, 0) == (ssize_t)len;
}

static inline void
raw_send(int fd, const void *buf, size_t len, const int *fds, unsigned int nr_fds)
{
	assert_true(try_send(fd, buf, len, fds, nr_fds));
}

enum raw_end { RAW_ALL, RAW_CLOSED, RAW_SILENCE };

/**
 * Receive exactly len bytes.
 *
 * @param got_fd   if not NULL, receives the first file descriptor that arrived, or -1; the
 *   caller closes it. All other descriptors are closed.
 *
 * @retval RAW_ALL       all bytes arrived
 * @retval RAW_CLOSED    the peer closed the connection
 * @retval RAW_SILENCE   nothing arrived for SOON_MS
 */
static inline enum raw_end
raw_recv_end(int fd, void *buf, size_t len, int *got_fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(16 * sizeof(int))];
	} ctl;
	uint8_t *p = buf;

	if (got_fd != NULL)
		*got_fd = -1;
	while (len != 0) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		struct iovec iov = { .iov_base = p, .iov_len = len };
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = ctl.buf,
			.msg_controllen = sizeof(ctl.buf),
		};
		struct cmsghdr *c;
		ssize_t n;

		if (poll(&pfd, 1, SOON_MS) != 1)
			return RAW_SILENCE;
		n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return RAW_CLOSED;
		for (c = CMSG_FIRSTHDR(&mh); c != NULL; c = CMSG_NXTHDR(&mh, c)) {
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
				int one;

				memcpy(&one, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
				if (got_fd != NULL && *got_fd < 0)
					*got_fd = one;
				else
					close(one);
			}
		}
		p += n;
		len -= (size_t)n;
	}
	return RAW_ALL;
}

static inline bool
raw_recv(int fd, void *buf, size_t len, int *got_fd)
{
	return raw_recv_end(fd, buf, len, got_fd) == RAW_ALL;
}

static inline bool
raw_closed(int fd)
{
	char c;

	return raw_recv_end(fd, &c, 1, NULL) == RAW_CLOSED;
}

/**
 * Send one command, and receive its reply.
 *
 * Fail the test if the reply's id, command or type does not match the command, or if an error
 * reply has a payload.
 *
 * @param payload   the command's payload of len bytes (at most 4080), or NULL
 * @param fds       nr_fds file descriptors that accompany the command
 * @param out       receives the reply's payload (at most 4096 bytes), or NULL
 * @param out_len   receives the length of that payload, or NULL
 *
 * @return the header of the reply
 */
static inline struct vfio_user_header
raw_command_fds(int fd, uint16_t cmd, const void *payload, size_t len, const int *fds,
		unsigned int nr_fds, void *out, size_t *out_len)
{
	static uint16_t id = 0x1234;
	uint8_t msg[4096];
	struct vfio_user_header h = {
		.msg_id = ++id,
		.cmd = cmd,
		.msg_size = (uint32_t)(sizeof(h) + len),
	};
	struct vfio_user_header r;
	uint8_t skip[4096];

	assert_true(len <= sizeof(msg) - sizeof(h));
	memcpy(msg, &h, sizeof(h));
	if (payload != NULL)
		memcpy(msg + sizeof(h), payload, len);
	raw_send(fd, msg, sizeof(h) + len, fds, nr_fds);
	assert_true(raw_recv(fd, &r, sizeof(r), NULL));
	assert_int_equal(r.msg_id, h.msg_id);
	assert_int_equal(r.cmd, cmd);
	assert_int_equal(r.flags & VFIO_USER_F_TYPE_MASK, VFIO_USER_F_TYPE_REPLY);
	assert_true(r.msg_size >= sizeof(r) && r.msg_size - sizeof(r) <= sizeof(skip));
	if (r.flags & VFIO_USER_F_ERROR)
		assert_int_equal(r.msg_size, sizeof(r));
	else
		assert_int_equal(r.error_no, 0);
	if (r.msg_size > sizeof(r))
		assert_true(raw_recv(fd, out != NULL ? out : skip, r.msg_size - sizeof(r), NULL));
	if (out_len != NULL)
		*out_len = r.msg_size - sizeof(r);
	return r;
}

/**
 * Send one command without file descriptors, and discard the reply's payload.
 *
 * @return the error number of the reply, or 0 if the reply reports no error
 */
static inline int
raw_command(int fd, uint16_t cmd, const void *payload, size_t len)
{
	return (int)raw_command_fds(fd, cmd, payload, len, NULL, 0, NULL, NULL).error_no;
}

static inline int
raw_command_fd(int fd, uint16_t cmd, const void *payload, size_t len, int pass)
{
	return (int)raw_command_fds(fd, cmd, payload, len, &pass, 1, NULL, NULL).error_no;
}

/**
 * Negotiate the version, with up to 8 file descriptors a message.
 *
 * @return the error number of the reply, or 0
 */
static inline int
raw_version(int fd)
{
	static const char payload[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}";

	return raw_command(fd, VFIO_USER_VERSION, payload, sizeof(payload));
}

/**
 * Connect to a device, and negotiate the version.
 *
 * @return the socket; the caller closes it
 */
static inline int
raw_attach(const struct device *d)
{
	int fd = raw_connect(d->path);

	assert_int_equal(raw_version(fd), 0);
	return fd;
}

/**
 * Send DMA_MAP.
 *
 * @param fd      the memory's file, or -1 for memory that the server reaches by messages only
 * @param flags   VFU_DMA_READ and VFU_DMA_WRITE, as seen from the device
 *
 * @return the error number of the reply, or 0
 */
static inline int
raw_map(int sock, int fd, uint64_t offset, uint64_t addr, uint64_t size, uint32_t flags)
{
	struct vfio_user_dma_map m = { sizeof(m), flags, offset, addr, size };

	return fd >= 0 ? raw_command_fd(sock, VFIO_USER_DMA_MAP, &m, sizeof(m), fd) :
			 raw_command(sock, VFIO_USER_DMA_MAP, &m, sizeof(m));
}

/**
 * Send DMA_UNMAP.
 *
 * @return the error number of the reply, or 0
 */
static inline int
raw_unmap(int sock, uint64_t addr, uint64_t size)
{
	struct vfio_user_dma_unmap u = { sizeof(u), 0, addr, size };

	return raw_command(sock, VFIO_USER_DMA_UNMAP, &u, sizeof(u));
}

#endif /* VFU_TEST_H */
