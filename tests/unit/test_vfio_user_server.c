/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server, message by message: valid, truncated, oversized, out of order. Also byte
 * transcripts of other clients.
 */

#include <fcntl.h>
#include <libgen.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>

#include "foreign_fd.h"
#include "vfu_rcu.h"
#include "vfu_test.h"

static struct device dev;

static int
setup(void **state)
{
	device_start(&dev);
	return 0;
}

static int
teardown(void **state)
{
	device_stop(&dev);
	return 0;
}

/* A string literal with its NUL, as VERSION needs it. */
#define VERSION_MSG(text) text, sizeof(text)

static int
try_version(const void *payload, size_t len)
{
	int s = raw_connect(dev.path);
	int e = raw_command(s, VFIO_USER_VERSION, payload, len);

	if (e != 0)
		assert_true(raw_closed(s));
	close(s);
	wait_until(dev.attached == dev.detached);
	return e;
}

static void
valid_versions_attach(void **state)
{
	int before = dev.attached;

	assert_int_equal(try_version("\0\0\0\0", 4), 0); /* as SPDK: no JSON at all */
	assert_int_equal(try_version("\0\0\1\0", 4), 0);
	assert_int_equal(try_version("\0\0\xff\xff", 4), 0); /* a later minor version */
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{}")), 0);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":{}}")), 0);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":{\"max_msg_fds\":0,"
		"\"twin_socket\":{\"supported\":true},\"unknown\":[1,2,3]}}")), 0);
	assert_int_equal(dev.attached, before + 6);
}

static void
invalid_versions_are_refused(void **state)
{
	int before = dev.attached;
	char deep[3000];

	assert_int_equal(try_version("", 0), EINVAL);
	assert_int_equal(try_version("\0\0\1", 3), EINVAL);
	assert_int_equal(try_version("\1\0\0\0", 4), EINVAL); /* major 1 */
	assert_non_null(strstr(dev.line, "major"));
	assert_int_equal(try_version("\0\0\1\0{}", 6), EINVAL); /* no NUL */
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0garbage")), EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":")), EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0[1]")), EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":7}")), EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":{\"max_msg_fds\":\"8\"}}")),
		EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":{\"max_msg_fds\":-1}}")),
		EINVAL);
	assert_int_equal(try_version(VERSION_MSG(
		"\0\0\1\0{\"capabilities\":{\"max_data_xfer_size\":0}}")), EINVAL);
	assert_int_equal(try_version(VERSION_MSG(
		"\0\0\1\0{\"capabilities\":{\"max_data_xfer_size\":99999999999999999999999999}}")), EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":{\"pgsizes\":4.5}}")),
		EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":{\"write_multiple\":1}}")),
		EINVAL);
	memset(deep, '[', sizeof(deep));
	memset(deep, 0, 4);
	deep[sizeof(deep) - 1] = '\0';
	assert_int_equal(try_version(deep, sizeof(deep)), EINVAL);
	assert_int_equal(dev.attached, before);
}

static void
commands_before_version_are_refused(void **state)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };
	int s = raw_connect(dev.path);

	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), EINVAL);
	assert_int_equal(raw_map(s, -1, 0, 0, 4096, 3), EINVAL);
	assert_int_equal(raw_version(s), 0);
	assert_int_equal(raw_version(s), EINVAL); /* a second one */
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)), 0);
	close(s);
}

static void
invalid_headers_end_the_connection(void **state)
{
	static const struct vfio_user_header bad[] = {
		{ .msg_size = 0 }, { .msg_size = 15 }, { .msg_size = UINT32_MAX },
		{ .msg_size = VFU_MSG_MAX + 1 },
		{ .msg_size = 16, .flags = 2 }, { .msg_size = 16, .flags = 15 },
		{ .msg_size = 16, .flags = VFIO_USER_F_TYPE_REPLY }, /* a reply to no command */
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vfio_user_header h = bad[i];
		int s = raw_attach(&dev);
		int detached = dev.detached;

		h.cmd = VFIO_USER_DEVICE_RESET;
		raw_send(s, &h, sizeof(h), NULL, 0);
		assert_true(raw_closed(s));
		close(s);
		wait_until(dev.detached == detached + 1);
	}
}

/* A message in as many pieces as it has bytes, and two messages in one piece. */
static void
messages_may_arrive_in_any_pieces(void **state)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_device_info info;
	} msg[2] = {
		{ { .msg_id = 7, .cmd = VFIO_USER_DEVICE_GET_INFO, .msg_size = 32 },
			{ .argsz = 16 } },
		{ { .msg_id = 8, .cmd = VFIO_USER_DEVICE_GET_INFO, .msg_size = 32 },
		{ .argsz = 16 } },
	};
	int s = raw_attach(&dev);

	for (unsigned int i = 0; i < sizeof(msg[0]); i++) {
		raw_send(s, (uint8_t *)&msg[0] + i, 1, NULL, 0);
		usleep(100);
	}
	assert_true(raw_recv(s, &msg[0], sizeof(msg[0]), NULL));
	assert_int_equal(msg[0].h.msg_id, 7);
	assert_int_equal(msg[0].info.num_irqs, 5);

	msg[0].h.flags = 0;
	memset(&msg[0].info, 0, sizeof(msg[0].info));
	msg[0].info.argsz = 16;
	raw_send(s, msg, sizeof(msg), NULL, 0);
	assert_true(raw_recv(s, msg, sizeof(msg), NULL));
	assert_int_equal(msg[0].h.msg_id, 7);
	assert_int_equal(msg[1].h.msg_id, 8);

	/* The client sends half a message, and disconnects. */
	raw_send(s, msg, 20, NULL, 0);
	close(s);
	wait_until(dev.detached == dev.attached);
}

static void
unknown_commands_are_refused(void **state)
{
	static const uint16_t cmds[] = { 0, 14, 16, 17, 18, 19, 255, 65535 };
	uint8_t zero[64] = { 0 };
	int s = raw_attach(&dev);

	for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++)
		assert_int_equal(raw_command(s, cmds[i], zero, sizeof(zero)), EOPNOTSUPP);
	assert_int_equal(raw_command(s, VFIO_USER_DMA_READ, zero, 16), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DMA_WRITE, zero, 16), EINVAL);
	close(s);
}

/* Every payload that is shorter than the command's structure, down to none. */
static void
short_payloads_are_refused(void **state)
{
	static const struct {
		uint16_t cmd;
		size_t len;
	} cmds[] = {
		{ VFIO_USER_DMA_MAP, 32 }, { VFIO_USER_DMA_UNMAP, 24 }, { VFIO_USER_DEVICE_GET_INFO,
			16 },
		{ VFIO_USER_DEVICE_GET_REGION_INFO, 32 }, { VFIO_USER_DEVICE_GET_REGION_IO_FDS,
		16 },
		{ VFIO_USER_DEVICE_GET_IRQ_INFO, 16 }, { VFIO_USER_DEVICE_SET_IRQS, 20 },
		{ VFIO_USER_REGION_READ, 16 }, { VFIO_USER_REGION_WRITE, 16 },
		{ VFIO_USER_REGION_WRITE_MULTI, 8 },
	};
	uint32_t payload[16] = { sizeof(payload) };
	int s = raw_attach(&dev);

	for (unsigned int i = 0; i < sizeof(cmds) / sizeof(cmds[0]); i++) {
		for (size_t len = 0; len < cmds[i].len; len++)
			assert_int_equal(raw_command(s, cmds[i].cmd, payload, len), EINVAL);
	}
	/* An argsz smaller than the structure. */
	payload[0] = 15;
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_INFO, payload, 64), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_REGION_INFO, payload, 64), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_IRQ_INFO, payload, 64), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_SET_IRQS, payload, 64), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DMA_MAP, payload, 64), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DMA_UNMAP, payload, 64), EINVAL);
	/* A reset has no payload. */
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, payload, 4), EINVAL);
	assert_int_equal(dev.resets, 0);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(dev.resets, 1);
	dev.fail = -EIO;
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), EIO);
	dev.fail = 0;
	/* The server reports refusals to its owner, but a client cannot fill the owner's log. */
	assert_int_equal(dev.refused, 10);
	close(s);
}

static void
region_info_has_areas_and_descriptor_if_they_fit(void **state)
{
	struct {
		struct vfio_region_info r;
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area areas[2];
	} info;
	struct vfio_user_header h = { .cmd = VFIO_USER_DEVICE_GET_REGION_INFO, .msg_size = 48 };
	uint8_t msg[48];
	struct stat a, b;
	size_t len;
	int s = raw_attach(&dev), fd;

	/* Without room for the areas: the reply states the necessary size, without a descriptor. */
	memset(&info, 0, sizeof(info));
	info.r.argsz = sizeof(info.r);
	raw_command_fds(s, h.cmd, &info, sizeof(info.r), NULL, 0, &info, &len);
	assert_int_equal(len, sizeof(info.r));
	assert_int_equal(info.r.argsz, 80);
	assert_int_equal(info.r.flags, 7);
	assert_int_equal(info.r.size, BAR0_SIZE);

	memset(&info, 0, sizeof(info));
	info.r.argsz = 80;
	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), &info.r, sizeof(info.r));
	raw_send(s, msg, sizeof(msg), NULL, 0);
	assert_true(raw_recv(s, &h, sizeof(h), &fd));
	assert_int_equal(h.msg_size, 16 + 80);
	assert_true(raw_recv(s, &info, 80, NULL));
	assert_int_equal(info.r.argsz, 80);
	assert_int_equal(info.r.flags, 15);
	assert_int_equal(info.r.cap_offset, 32);
	assert_int_equal(info.cap.header.id, VFIO_REGION_INFO_CAP_SPARSE_MMAP);
	assert_int_equal(info.cap.header.version, 1);
	assert_int_equal(info.cap.header.next, 0);
	assert_int_equal(info.cap.nr_areas, 2);
	assert_int_equal(info.areas[0].offset, 0xc000);
	assert_int_equal(info.areas[1].offset, 0xe000);
	assert_int_equal(info.areas[1].size, 0x1000);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(fstat(dev.bar_fd, &b), 0);
	assert_true(a.st_ino == b.st_ino);
	close(fd);

	/* A region that the device does not have, and an invalid one. */
	memset(&info, 0, sizeof(info));
	info.r.argsz = 80;
	info.r.index = 3;
	raw_command_fds(s, VFIO_USER_DEVICE_GET_REGION_INFO, &info, 32, NULL, 0, &info, &len);
	assert_int_equal(info.r.size, 0);
	assert_int_equal(info.r.flags, 0);
	info.r.index = 9;
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_REGION_INFO, &info, 32), EINVAL);
	info.r.index = UINT32_MAX;
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_REGION_INFO, &info, 32), EINVAL);
	close(s);
}

static int pages_file; /* queue pages of the next client, or a negative errno value */

static int
give_pages(void *opaque)
{
	return pages_file;
}

/*
 * Only a client that names the capability gets areas of registers, and only if the device has
 * pages.
 */
static void
queue_pages_go_to_clients_that_ask(void **state)
{
	static const char asks[] = "\0\0\1\0{\"capabilities\":{\"" VFU_CAP_QUEUE_PAGES "\":7}}";
	static const char knows_not[] = "\0\0\1\0{\"capabilities\":{}}";
	static const char plain[] =
		"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}";
	static const char echoed[] = "{\"capabilities\":{\"max_msg_fds\":16,"
		"\"max_data_xfer_size\":1048576,\"" VFU_CAP_QUEUE_PAGES "\":1}}";
	struct vfu_server_ops ops = dev_ops;
	struct vfu_server_desc desc;
	struct vfio_region_info info;
	char err[VFU_ERR_LEN];
	struct device d = { 0 };
	uint8_t reply[512];
	size_t len;

	fill_desc(&desc, -1);
	test_path(d.path, sizeof(d.path));
	assert_int_equal(vfu_server_start(d.path, &desc, &ops, &d, &d.server, err), -EINVAL);
	ops.queue_pages = give_pages;
	assert_int_equal(vfu_server_start(d.path, &desc, &ops, &d, &d.server, err), 0);
	d.bar_fd = memory_file(BAR0_SIZE);
	for (unsigned int i = 0; i < 3; i++) {
		const bool ask = i != 0, get = i == 2;
		int s = raw_connect(d.path), fd = -1;
		struct vfio_user_header h = { .cmd = VFIO_USER_DEVICE_GET_REGION_INFO,
			.msg_size = sizeof(h) + sizeof(info) };
		struct stat a, b;

		pages_file = i == 1 ? -EMFILE : d.bar_fd;
		raw_command_fds(s, VFIO_USER_VERSION, ask ? asks : knows_not,
			ask ? sizeof(asks) : sizeof(knows_not), NULL, 0, reply, &len);
		assert_string_equal(reply + 4, get ? echoed : plain);

		info = (struct vfio_region_info){ .argsz = 80 };
		memcpy(reply, &h, sizeof(h));
		memcpy(reply + sizeof(h), &info, sizeof(info));
		raw_send(s, reply, h.msg_size, NULL, 0);
		assert_true(raw_recv(s, &h, sizeof(h), &fd));
		assert_true(raw_recv(s, reply, h.msg_size - sizeof(h), NULL));
		memcpy(&info, reply, sizeof(info));
		assert_int_equal(h.msg_size, 16 + (get ? 80 : 32));
		assert_int_equal(info.argsz, get ? 80 : 32);
		assert_int_equal(info.flags, get ? 15 : 3);
		assert_int_equal(fd >= 0, get);
		if (get) {
			assert_int_equal(fstat(fd, &a), 0);
			assert_int_equal(fstat(d.bar_fd, &b), 0);
			assert_true(a.st_ino == b.st_ino);
			close(fd);
		}
		close(s);
		wait_until(d.detached == d.attached);
	}
	device_stop(&d);
}

static void
region_io_fds_are_none(void **state)
{
	struct vfio_user_region_io_fds q = { .argsz = 16, .index = 0 };
	size_t len;
	int s = raw_attach(&dev);

	raw_command_fds(s, VFIO_USER_DEVICE_GET_REGION_IO_FDS, &q, 16, NULL, 0, &q, &len);
	assert_int_equal(len, 16);
	assert_int_equal(q.count, 0);
	q.index = 9;
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_REGION_IO_FDS, &q, 16), EINVAL);
	q.index = 0;
	q.flags = 1;
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_GET_REGION_IO_FDS, &q, 16), EINVAL);
	close(s);
}

static int
raw_read(int s, uint32_t region, uint64_t offset, uint32_t count)
{
	struct vfio_user_region_access a = { .offset = offset, .region = region, .count = count };

	return raw_command(s, VFIO_USER_REGION_READ, &a, sizeof(a));
}

static int
raw_write(int s, uint32_t region, uint64_t offset, uint32_t count, size_t really)
{
	uint8_t buf[256] = { 0 };
	struct vfio_user_region_access a = { .offset = offset, .region = region, .count = count };

	memcpy(buf, &a, sizeof(a));
	return raw_command(s, VFIO_USER_REGION_WRITE, buf, sizeof(a) + really);
}

static void
region_access_outside_or_without_permission_is_refused(void **state)
{
	int s = raw_attach(&dev), before;

	assert_int_equal(raw_read(s, 7, 0, 256), 0);
	assert_int_equal(raw_read(s, 7, 256, 0), 0);
	assert_int_equal(raw_read(s, 7, 0, 257), EINVAL);
	assert_int_equal(raw_read(s, 7, 253, 4), EINVAL);
	assert_int_equal(raw_read(s, 7, 257, 0), EINVAL);
	assert_int_equal(raw_read(s, 7, UINT64_MAX, 4), EINVAL);
	assert_int_equal(raw_read(s, 7, UINT64_MAX - 3, 4), EINVAL);
	assert_int_equal(raw_read(s, 7, 0, UINT32_MAX), EINVAL);
	assert_int_equal(raw_read(s, 3, 0, 4), EINVAL);
	assert_int_equal(raw_read(s, 9, 0, 4), EINVAL);
	assert_int_equal(raw_read(s, UINT32_MAX, 0, 4), EINVAL);
	assert_int_equal(raw_read(s, 1, 0, 4), EPERM); /* write-only */
	dev.fail = -EIO;
	assert_int_equal(raw_read(s, 0, 0, 4), EIO);
	dev.fail = 0;

	before = dev.writes;
	assert_int_equal(raw_write(s, 0, BAR0_SIZE - 4, 4, 4), 0);
	assert_int_equal(dev.writes, before + 1);
	assert_int_equal(raw_write(s, 0, BAR0_SIZE - 3, 4, 4), EINVAL);
	assert_int_equal(raw_write(s, 0, 0, 4, 3), EINVAL);
	assert_int_equal(raw_write(s, 0, 0, 4, 5), EINVAL);
	assert_int_equal(raw_write(s, 0, 0, UINT32_MAX, 8), EINVAL);
	assert_int_equal(raw_write(s, 9, 0, 4, 4), EINVAL);
	assert_int_equal(raw_write(s, 0, UINT64_MAX, 4, 4), EINVAL);
	assert_int_equal(dev.writes, before + 1);
	close(s);
}

static void
write_multi_executes_all_writes_or_none(void **state)
{
	struct {
		uint64_t n;
		struct vfio_user_region_write w[3];
	} m = { .n = 3, .w = {
		{ 0x10, 0, 4, { 1, 2, 3, 4 } }, { 0x20, 0, 8, { 9 } }, { 4, 7, 2, { 5, 6 } },
	} };
	uint64_t n = 0;
	size_t len;
	int s = raw_attach(&dev), before = dev.writes;

	raw_command_fds(s, VFIO_USER_REGION_WRITE_MULTI, &m, sizeof(m), NULL, 0, &n, &len);
	assert_int_equal(len, 8);
	assert_int_equal(n, 3);
	assert_memory_equal(dev.bar + 0x10, "\1\2\3\4", 4);
	assert_int_equal(dev.bar[0x20], 9);
	assert_memory_equal(dev.config + 4, "\5\6", 2);
	assert_int_equal(dev.writes, before + 3);

	assert_int_equal(raw_command(s, VFIO_USER_REGION_WRITE_MULTI, &m, sizeof(m) - 1), EINVAL);
	m.n = 4;
	assert_int_equal(raw_command(s, VFIO_USER_REGION_WRITE_MULTI, &m, sizeof(m)), EINVAL);
	m.n = UINT64_MAX / sizeof(m.w[0]) + 2; /* times 24 wraps around */
	assert_int_equal(raw_command(s, VFIO_USER_REGION_WRITE_MULTI, &m, sizeof(m)), EINVAL);
	m.n = 3;
	m.w[2].count = 9;
	assert_int_equal(raw_command(s, VFIO_USER_REGION_WRITE_MULTI, &m, sizeof(m)), EINVAL);
	m.w[2].count = 2;
	m.w[2].offset = 255;
	assert_int_equal(raw_command(s, VFIO_USER_REGION_WRITE_MULTI, &m, sizeof(m)), EINVAL);
	assert_int_equal(dev.writes, before + 3); /* none of an invalid message */
	close(s);
}

/* No reply, not even to a refused command. The order of commands is kept. */
static void
command_without_reply_gets_none_and_keeps_order(void **state)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_region_access a;
		uint8_t data[4];
	} w = {
		{ .msg_id = 1, .cmd = VFIO_USER_REGION_WRITE, .msg_size = 36,
			.flags = VFIO_USER_F_NO_REPLY },
		{ .offset = 0x100, .region = 0, .count = 4 }, { 1, 1, 1, 1 },
	};
	int s = raw_attach(&dev), before = dev.writes;

	for (uint8_t i = 0; i < 50; i++) {
		w.data[0] = i;
		raw_send(s, &w, 36, NULL, 0);
	}
	w.a.region = 9;
	raw_send(s, &w, 36, NULL, 0);
	w.h.cmd = 99;
	raw_send(s, &w, 36, NULL, 0);
	assert_int_equal(raw_read(s, 0, 0x100, 4), 0); /* the next reply belongs to it */
	assert_int_equal(dev.writes, before + 50);
	assert_int_equal(dev.bar[0x100], 49);
	close(s);
}

/*
 * More descriptors than allowed, or where none belong: the server refuses, and closes all of
 * them.
 */
static void
unexpected_descriptors_are_refused_and_closed(void **state)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };
	struct vfio_user_dma_map m = { sizeof(m), 3, 0, 0, 4096 };
	int mem = memory_file(4096), many[40], s = raw_attach(&dev), before;
	struct vfio_user_header h;

	for (unsigned int i = 0; i < 40; i++)
		many[i] = mem;
	before = count_fds();
	h = raw_command_fds(s, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info), many, 1, NULL, NULL);
	assert_int_equal(h.error_no, EINVAL);
	h = raw_command_fds(s, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info), many, 40, NULL,
		NULL);
	assert_int_equal(h.error_no, EMFILE);
	h = raw_command_fds(s, VFIO_USER_DMA_MAP, &m, sizeof(m), many, 2, NULL, NULL);
	assert_int_equal(h.error_no, EINVAL);
	h = raw_command_fds(s, VFIO_USER_DEVICE_RESET, NULL, 0, many, 16, NULL, NULL);
	assert_int_equal(h.error_no, EINVAL);
	wait_until(count_fds() <= before);

	/* Descriptors with an oversized message, and with half a message. */
	h.msg_size = UINT32_MAX;
	raw_send(s, &h, sizeof(h), many, 5);
	assert_true(raw_closed(s));
	close(s);
	wait_until(dev.attached == dev.detached);
	s = raw_attach(&dev);
	raw_send(s, &h, 7, many, 5);
	close(s);
	wait_until(dev.attached == dev.detached);
	wait_until(count_fds() == before - 2); /* s, and the server's end of it */
	close(mem);
}

/**
 * Create a socket whose close() waits as long as its peer does not read.
 *
 * @param peer   receives the peer; the caller closes it
 */
static int
lingering(int listener, int *peer)
{
	static const struct linger linger = { .l_onoff = 1, .l_linger = 100 };
	static const uint8_t data[65536];
	struct sockaddr_in sa = { .sin_family = AF_INET };
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	*peer = accept(listener, NULL, NULL);
	assert_true(*peer >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	return fd;
}

/*
 * Such a descriptor delays neither the client's next command, nor the end of the connection,
 * nor that of the server.
 */
static void
descriptor_whose_close_waits_stops_nothing(void **state)
{
	static const struct {
		struct vfio_user_header h;
		struct vfio_user_device_info info;
	} q = { { .cmd = VFIO_USER_DEVICE_GET_INFO, .msg_size = sizeof(q) },
		{ .argsz = sizeof(q.info) } };
	const uint8_t *last = (const uint8_t *)(&q + 1) - 1;
	int listener = socket(AF_INET, SOCK_STREAM, 0), peers[VFU_MAX_CLOSING + 1], before, s, t;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct vfio_user_header r;
	struct pollfd pfd = { .events = POLLIN };

	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 8), 0);
	before = count_fds();
	s = raw_attach(&dev);
	for (unsigned int i = 0; i <= VFU_MAX_CLOSING; i++) {
		int fd = lingering(listener, &peers[i]);

		/*
		 * The server must have the last reference, so the rest follows after the test
		 * has closed its own.
		 */
		raw_send(s, &q, sizeof(q) - 1, &fd, 1);
		close(fd);
		raw_send(s, last, 1, NULL, 0);
		if (i == VFU_MAX_CLOSING)
			break;
		assert_true(raw_recv(s, &r, sizeof(r), NULL));
		assert_int_equal(r.error_no, EINVAL);
	}
	wait_until(dev.detached == dev.attached);
	assert_non_null(strstr(dev.why, "do not close"));
	close(s);

	/* The port is served again when they are closed. */
	t = pfd.fd = raw_connect(dev.path);
	raw_send(t, &q, sizeof(q), NULL, 0);
	assert_int_equal(poll(&pfd, 1, 100), 0);
	for (unsigned int i = 0; i <= VFU_MAX_CLOSING; i++)
		close(peers[i]);
	assert_true(raw_recv(t, &r, sizeof(r), NULL));
	close(t);
	wait_until(count_fds() <= before);

	/* A descriptor that does not close does not prevent the server from ending. */
	s = raw_attach(&dev);
	t = lingering(listener, &peers[0]);
	raw_send(s, &q, sizeof(q.h), &t, 1);
	close(t);
	close(s);
	device_stop(&dev);
	close(peers[0]);
	device_start(&dev);
	close(listener);
}

static int
raw_irqs(int s, uint32_t flags, uint32_t index, uint32_t start, uint32_t count, const int *fds,
		unsigned int nr_fds)
{
	struct vfio_irq_set q = { sizeof(q), flags, index, start, count };

	return (int)raw_command_fds(s, VFIO_USER_DEVICE_SET_IRQS, &q, sizeof(q), fds, nr_fds, NULL,
		NULL).error_no;
}

static uint64_t
events(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

#define EVENTFD (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define NONE    (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)
#define MSIX    VFIO_PCI_MSIX_IRQ_INDEX

static void
msix_vectors_trigger_mask_and_disconnect(void **state)
{
	struct vfio_irq_info info = { .argsz = 16, .index = MSIX };
	struct {
		struct vfio_irq_set q;
		uint8_t bools[3];
	} b = { { 23, VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, 0, 3 }, { } };
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
		NULL, 0), 0);
	assert_false(vfu_server_irq_pending(dev.server, MSIX, 1));
	assert_true(vfu_server_irq(dev.server, MSIX, 1));
	assert_true(vfu_server_irq_pending(dev.server, MSIX, 1));
	assert_false(vfu_server_irq_pending(dev.server, MSIX, 25));
	assert_int_equal(events(fd[0]), 0);
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, MSIX, 1,
		1,
		NULL, 0), 0);
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
	wait_until(dev.detached == dev.attached);
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
	int fd = eventfd(0, EFD_NONBLOCK), eoi = eventfd(0, 0), none = -1, s = raw_attach(&dev), changed;
	int many = eventfd(1000000, EFD_SEMAPHORE);
	const uint64_t one = 1;

	raw_command_fds(s, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, 16, NULL, 0, &info, NULL);
	assert_int_equal(info.flags, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
		VFIO_IRQ_INFO_AUTOMASKED);
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
		assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_NONE | unmask, info.index, 0, 1, NULL, 0), 0);
		assert_int_equal(dev.irqs_changed, ++changed);
		assert_int_equal(events(fd), 0);
	}
	/*
	 * Unmasked by an event, as KVM reports the end of an interrupt. The event may even
	 * block its readers.
	 */
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, info.index, 0, 1, &eoi, 1), 0);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(vfu_server_irq(dev.server, info.index, 0));
		assert_int_equal(events(fd), 1);
		assert_int_equal(write(eoi, &one, 8), 8);
		++changed;
		wait_until(dev.irqs_changed == changed);
	}
	/* An eventfd that stays readable counts once for each write. */
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, info.index, 0, 1, &many, 1), 0);
	wait_until(dev.irqs_changed == changed + 1);
	for (unsigned int i = 0; i < 100; i++)
		raw_command_fds(s, VFIO_USER_DEVICE_GET_IRQ_INFO, &info, 16, NULL, 0, &info, NULL);
	assert_int_equal(dev.irqs_changed, ++changed);
	assert_int_equal(write(many, &one, 8), 8);
	++changed;
	wait_until(dev.irqs_changed == changed);
	/* Disconnected: the events have no meaning. */
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, info.index, 0, 1, &none, 0), 0);
	assert_int_equal(write(many, &one, 8), 8);
	assert_int_equal(write(eoi, &one, 8), 8);
	assert_int_equal(raw_irqs(s, VFIO_IRQ_SET_DATA_EVENTFD | unmask, MSIX, 0, 1, &eoi, 1), EINVAL);
	assert_int_equal(dev.irqs_changed, changed);
	close(s);
	close(many);
	close(eoi);
	close(fd);
}

/* Expect the error reply of a server that serves another client, and the end of the connection. */
static void
assert_refused(int t, uint16_t msg_id)
{
	struct vfio_user_header h;

	assert_true(raw_recv(t, &h, sizeof(h), NULL));
	assert_int_equal(h.msg_id, msg_id);
	assert_int_equal(h.cmd, VFIO_USER_VERSION);
	assert_int_equal(h.flags, VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR);
	assert_int_equal(h.error_no, EBUSY);
	assert_int_equal(h.msg_size, sizeof(h));
	assert_true(raw_closed(t));
	close(t);
}

static void
next_client_is_served_however_fast(void **state)
{
	int s = raw_attach(&dev);

	for (unsigned int i = 0; i < 200; i++) {
		close(s);
		s = raw_attach(&dev);
	}
	close(s);
	wait_until(dev.detached == dev.attached);
}

/*
 * A second client sends VERSION at any time, in pieces and with descriptors, and never gets
 * EPIPE.
 */
static void
second_client_gets_a_reply_to_its_version(void **state)
{
	const struct {
		struct vfio_user_header h;
		char payload[44];
	} version = {
		{ .msg_id = 0x4321, .cmd = VFIO_USER_VERSION, .msg_size = sizeof(version) },
		"\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}",
	};
	const uint8_t *bytes = (const uint8_t *)&version;
	int s = raw_attach(&dev), before = count_fds();

	for (unsigned int i = 0; i < 100; i++) {
		int t = raw_connect(dev.path);
		struct pollfd pfd = { .fd = t, .events = POLLIN };
		size_t half = i % sizeof(version);

		if (i % 10 == 0) {
			assert_int_equal(poll(&pfd, 1, 20), 0); /* the server waits for VERSION */
			assert_true(try_send(t, bytes, half, &s, half != 0 ? 1 : 0));
		} else {
			assert_true(try_send(t, bytes, half, NULL, 0));
		}
		assert_true(try_send(t, bytes + half, sizeof(version) - half, NULL, 0));
		assert_refused(t, version.h.msg_id);
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	}
	wait_until(count_fds() <= before);
	close(s);
	wait_until(dev.detached == dev.attached);
}

/*
 * Clients that send nothing, or half a message, delay no other client, and their connection
 * ends.
 */
static void
silent_second_clients_are_refused_in_time(void **state)
{
	static const struct vfio_user_header long_one = { .cmd = VFIO_USER_VERSION,
		.msg_size = VFU_MSG_MAX }, bad = { .msg_size = 3 };
	enum { SILENT = 40, KEPT = 4 };
	int s = raw_attach(&dev), before = count_fds(), t[SILENT];

	for (unsigned int i = 0; i < SILENT; i++) {
		t[i] = raw_connect(dev.path);
		raw_send(t[i], &long_one, i % (sizeof(long_one) + 1), NULL, 0);
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
		if (i >= KEPT) /* the oldest makes room, at once */
			assert_refused(t[i - KEPT], 0);
	}
	for (unsigned int i = SILENT - KEPT; i < SILENT; i++)
		assert_refused(t[i], 0);

	/* A message that cannot be parsed, and a client that disconnects. */
	t[0] = raw_connect(dev.path);
	raw_send(t[0], &bad, sizeof(bad), NULL, 0);
	assert_refused(t[0], 0);
	close(raw_connect(dev.path));
	wait_until(count_fds() <= before);
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);

	/* Clients that remain when the server stops, or after the first client has disconnected. */
	for (unsigned int i = 0; i < 2; i++) {
		t[i] = raw_connect(dev.path);
		/*
		 * The server accepts one client a turn. The reply means that it has accepted
		 * this one.
		 */
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	}
	close(s);
	wait_until(dev.detached == dev.attached);
	raw_send(t[0], &long_one, sizeof(long_one) - 1, NULL, 0);
	close(raw_attach(&dev));
	device_stop(&dev);
	assert_refused(t[0], 0);
	assert_refused(t[1], 0);
	device_start(&dev);
}

static void
client_that_ends_no_message_is_dropped_in_time(void **state)
{
	static const struct {
		struct vfio_user_header h;
		uint32_t half;
	} q = { { .cmd = VFIO_USER_DEVICE_GET_INFO, .msg_size = 32 }, 16 };
	int s = raw_attach(&dev);

	raw_send(s, &q, sizeof(q), NULL, 0);
	wait_until(dev.detached == dev.attached);
	assert_non_null(strstr(dev.why, "did not send the rest"));
	assert_true(raw_closed(s));
	close(s);
	close(raw_attach(&dev));
	wait_until(dev.detached == dev.attached);
}

/* A client that sends commands and never reads the replies. */
static void
client_that_never_reads_is_dropped(void **state)
{
	struct {
		struct vfio_user_header h;
		struct vfio_user_region_access a;
	} q = {
		{ .cmd = VFIO_USER_REGION_READ, .msg_size = 32 },
		{ .offset = 0, .region = 0, .count = BAR0_SIZE },
	};
	int s = raw_attach(&dev), n = 0;

	while (send(s, &q, sizeof(q), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		n++;
	assert_true(n > 0);
	wait_until(dev.detached == dev.attached);
	assert_non_null(strstr(dev.why, "does not read"));
	close(s);
	close(raw_attach(&dev));
	wait_until(dev.detached == dev.attached);
}

static void
owner_can_drop_the_client(void **state)
{
	int s = raw_attach(&dev);

	vfu_server_drop_client(dev.server, "the operator wishes so");
	assert_true(raw_closed(s));
	wait_until(dev.detached == dev.attached);
	assert_string_equal(dev.why, "the operator wishes so");
	close(s);
	vfu_server_drop_client(dev.server, "nobody is there");
	close(raw_attach(&dev));
	wait_until(dev.detached == dev.attached);
}

static atomic_bool busy;

static void
stay_busy(struct device *d, uint64_t offset, const void *buf, size_t len)
{
	while (busy)
		usleep(200);
}

static bool
gone(void)
{
	bool ret;

	vfu_rcu_register();
	ret = vfu_server_peer_gone(dev.server);
	vfu_rcu_unregister();
	return ret;
}

/* Other threads notice that the client has disconnected before the control thread handles that. */
static void
closed_peer_is_seen_while_the_control_thread_is_busy(void **state)
{
	struct {
		struct vfio_user_region_access a;
		uint32_t v;
	} wr = { { .offset = 0, .region = 0, .count = 4 }, 1 };
	uint8_t msg[sizeof(struct vfio_user_header) + sizeof(wr)];
	struct vfio_user_header h = { .msg_id = 7, .cmd = VFIO_USER_REGION_WRITE,
		.msg_size = sizeof(h) + 20 };
	int s, writes = dev.writes;

	assert_false(gone());
	s = raw_attach(&dev);
	assert_false(gone());
	busy = true;
	dev.on_write = stay_busy;
	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), &wr, sizeof(wr));
	raw_send(s, msg, h.msg_size, NULL, 0);
	wait_until(dev.writes == writes + 1);
	assert_false(gone());
	close(s);
	assert_true(gone());
	busy = false;
	wait_until(dev.detached == dev.attached);
	dev.on_write = NULL;
	wait_until(!gone());
}

/* The socket file. */

static int
start_at(const char *path, struct vfu_server **server, char *err)
{
	struct vfu_server_desc desc;

	fill_desc(&desc, -1);
	desc.regions[0].nr_areas = 0;
	return vfu_server_start(path, &desc, &dev_ops, &dev, server, err);
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
	wait_until(dev.detached == dev.attached);
}

static void
socket_file_is_private_and_only_stale_ones_are_replaced(void **state)
{
	struct vfu_server *server;
	char err[VFU_ERR_LEN], path[200], longer[200];
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int fd;

	/* No other user has access, regardless of the umask. */
	for (mode_t m = 0; m <= 0777; m += 0777) {
		test_path(path, sizeof(path));
		mask = umask(m);
		assert_int_equal(start_at(path, &server, err), 0);
		umask(mask);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode, S_IFSOCK | 0600);
		vfu_server_stop(server);
		assert_int_equal(stat(path, &st), -1);
	}

	/* A live socket of this process. */
	assert_int_equal(start_at(dev.path, &server, err), -EADDRINUSE);
	assert_non_null(strstr(err, "in use"));

	/* A stale socket is replaced. */
	test_path(path, sizeof(path));
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	assert_int_equal(start_at(path, &server, err), 0);

	/* If somebody else has replaced the socket, the server must not remove it. */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	vfu_server_stop(server);
	assert_int_equal(access(path, F_OK), 0);

	/* A file that is no socket is left alone. */
	assert_int_equal(start_at(path, &server, err), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);

	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[108] = '\0';
	assert_int_equal(start_at(longer, &server, err), -ENAMETOOLONG);
	assert_int_equal(start_at("", &server, err), -ENAMETOOLONG);
	assert_int_equal(start_at("/nonexistent/folder/socket", &server, err), -ENOENT);
}

struct starter {
	pthread_t thread;
	const char *path;
	struct vfu_server *server;
	char err[VFU_ERR_LEN];
	int ret;
	atomic_bool done;
};

static void *
start_in_thread(void *arg)
{
	struct starter *s = arg;

	s->ret = start_at(s->path, &s->server, s->err);
	s->done = true;
	return NULL;
}

/*
 * A server that is about to look for a stale socket waits for another one (here the test) that
 * is doing the same. It then finds the other one's socket, and leaves it alone.
 */
static void
one_server_at_a_time_takes_a_stale_socket(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char path[100], folder[100];
	struct starter s = { .path = path };
	int fd, lock;

	test_path(path, sizeof(path));
	strcpy(sa.sun_path, path);
	strcpy(folder, path);
	lock = open(dirname(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(pthread_create(&s.thread, NULL, start_in_thread, &s), 0);
	usleep(50000);
	assert_false(s.done);
	assert_int_equal(listen(fd, 1), 0); /* no longer stale */
	close(lock);
	assert_int_equal(pthread_join(s.thread, NULL), 0);
	assert_int_equal(s.ret, -EADDRINUSE);
	assert_non_null(strstr(s.err, "in use"));
	assert_int_equal(unlink(path), 0);
	close(fd);
}

/*
 * Interoperation: raw bytes in, and every byte of the replies compared. The transcripts follow
 * the specification, and messages that these clients were seen to send.
 */

struct step {
	const char *what;
	const char *send;  /* hexadecimal */
	const char *text;  /* appended with its NUL, or NULL */
	const char *reply;
	const char *reply_text;
	int fd;            /* 'm': memory goes along, 'e': an eventfd, 'r': the reply has one */
};

static size_t
bytes(uint8_t *out, const char *hex, const char *text)
{
	size_t n = 0;
	unsigned int b;
	int used;

	for (; sscanf(hex, " %2x%n", &b, &used) == 1; hex += used)
		out[n++] = (uint8_t)b;
	if (text != NULL) {
		memcpy(out + n, text, strlen(text) + 1);
		n += strlen(text) + 1;
	}
	return n;
}

static void
play(const struct step *steps, size_t n)
{
	int s = raw_connect(dev.path), mem = memory_file(MEM_SIZE), event = eventfd(0,
		EFD_NONBLOCK);

	for (size_t i = 0; i < n; i++) {
		const struct step *p = &steps[i];
		uint8_t out[1024], expect[1024], got[1024];
		size_t len = bytes(out, p->send, p->text), want;
		int *pass = p->fd == 'm' ? &mem : p->fd == 'e' ? &event : NULL, fd;

		print_message("    %s\n", p->what);
		raw_send(s, out, len, pass, pass != NULL ? 1 : 0);
		want = bytes(expect, p->reply, p->reply_text);
		if (want == 0)
			continue;
		assert_true(raw_recv(s, got, want, &fd));
		assert_memory_equal(got, expect, want);
		assert_int_equal(fd >= 0, p->fd == 'r');
		if (fd >= 0)
			close(fd);
	}
	close(mem);
	close(event);
	close(s);
	wait_until(dev.detached == dev.attached);
}

static void
qemu_transcript_gets_exact_replies(void **state)
{
	static const struct step steps[] = {
		{ "VERSION 0.0",
			"0000 0100 d6000000 00000000 00000000  0000 0000",
			"{\"capabilities\": {\"max_msg_fds\": 16, \"write_multiple\": true, "
			"\"max_dma_maps\": 65535, \"migration\": {\"pgsize\": 4096, \"max_bitmap_size\": "
			"268435456}, \"pgsizes\": 4096, \"max_data_xfer_size\": 1048576}}",
			"0000 0100 8f000000 01000000 00000000  0000 0000",
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,"
			"\"max_dma_maps\":57344,\"pgsizes\":4096,\"write_multiple\":true}}", 0 },
		{ "DMA_MAP of guest memory, with its descriptor",
			"0100 0200 30000000 00000000 00000000  20000000 03000000 0000000000000000"
			"0000000000000000 0000080000000000", NULL,
			"0100 0200 10000000 01000000 00000000", NULL, 'm' },
		{ "DMA_MAP of a ROM without one, read only",
			"0200 0200 30000000 00000000 00000000  20000000 01000000 0000000000000000"
			"0000fcff00000000 0000040000000000", NULL,
			"0200 0200 10000000 01000000 00000000", NULL, 0 },
		{ "DEVICE_GET_INFO",
			"0300 0400 20000000 00000000 00000000  10000000 00000000 00000000 00000000", NULL,
			"0300 0400 20000000 01000000 00000000  10000000 03000000 09000000 05000000", NULL, 0 },
		{ "DEVICE_GET_REGION_INFO of BAR0, the fixed part",
			"0400 0500 30000000 00000000 00000000  20000000 00000000 00000000 00000000"
			"0000000000000000 0000000000000000", NULL,
			"0400 0500 30000000 01000000 00000000  50000000 07000000 00000000 00000000"
			"0000020000000000 0000000000000000", NULL, 0 },
		{ "again with room for the capabilities",
			"0500 0500 30000000 00000000 00000000  50000000 00000000 00000000 00000000"
			"0000000000000000 0000000000000000", NULL,
			"0500 0500 60000000 01000000 00000000  50000000 0f000000 00000000 20000000"
			"0000020000000000 0000000000000000  0100 0100 00000000 02000000 00000000"
			"00c0000000000000 0010000000000000 00e0000000000000 0010000000000000", NULL, 'r' },
		{ "DEVICE_GET_REGION_INFO of configuration space",
			"0600 0500 30000000 00000000 00000000  20000000 00000000 07000000 00000000"
			"0000000000000000 0000000000000000", NULL,
			"0600 0500 30000000 01000000 00000000  20000000 03000000 07000000 00000000"
			"0001000000000000 0000000000000000", NULL, 0 },
		{ "DEVICE_GET_IRQ_INFO of MSI-X",
			"0700 0700 20000000 00000000 00000000  10000000 00000000 02000000 00000000", NULL,
			"0700 0700 20000000 01000000 00000000  10000000 01000000 02000000 19000000", NULL, 0 },
		{ "REGION_READ of 4 bytes of configuration space",
			"0800 0900 20000000 00000000 00000000  0400000000000000 07000000 04000000", NULL,
			"0800 0900 24000000 01000000 00000000  0400000000000000 07000000 04000000"
			"04050607", NULL, 0 },
		{ "REGION_WRITE of 2 bytes of it",
			"0900 0a00 22000000 00000000 00000000  0400000000000000 07000000 02000000 0701", NULL,
			"0900 0a00 20000000 01000000 00000000  0400000000000000 07000000 02000000", NULL, 0 },
		{ "a posted REGION_WRITE: no reply",
			"0a00 0a00 24000000 10000000 00000000  0000000000000000 00000000 04000000 deadbeef", NULL,
			"", NULL, 0 },
		{ "REGION_WRITE_MULTI, posted",
			"0b00 0f00 30000000 10000000 00000000  0100000000000000"
			"0400000000000000 00000000 04000000 0102030400000000", NULL, "", NULL, 0 },
		{ "REGION_READ of what the two wrote",
			"0c00 0900 20000000 00000000 00000000  0000000000000000 00000000 08000000", NULL,
			"0c00 0900 28000000 01000000 00000000  0000000000000000 00000000 08000000"
			"deadbeef01020304", NULL, 0 },
		{ "DEVICE_SET_IRQS: an eventfd for vector 0",
			"0d00 0800 24000000 00000000 00000000  14000000 24000000 02000000 00000000 01000000", NULL,
			"0d00 0800 10000000 01000000 00000000", NULL, 'e' },
		{ "the same without one: unwired",
			"0e00 0800 24000000 00000000 00000000  14000000 24000000 02000000 00000000 01000000", NULL,
			"0e00 0800 10000000 01000000 00000000", NULL, 0 },
		{ "DEVICE_SET_IRQS: all of MSI-X off",
			"0f00 0800 24000000 00000000 00000000  14000000 21000000 02000000 00000000 00000000", NULL,
			"0f00 0800 10000000 01000000 00000000", NULL, 0 },
		{ "DMA_UNMAP",
			"1000 0300 28000000 00000000 00000000  18000000 00000000"
			"0000000000000000 0000080000000000", NULL,
			"1000 0300 28000000 01000000 00000000  18000000 00000000"
			"0000000000000000 0000080000000000", NULL, 0 },
		{ "DMA_UNMAP of everything",
			"1100 0300 28000000 00000000 00000000  18000000 02000000"
			"0000000000000000 0000000000000000", NULL,
			"1100 0300 28000000 01000000 00000000  18000000 02000000"
			"0000000000000000 0000000000000000", NULL, 0 },
		{ "DEVICE_RESET",
			"1200 0d00 10000000 00000000 00000000", NULL,
			"1200 0d00 10000000 01000000 00000000", NULL, 0 },
		{ "an error: region 100",
			"1300 0900 20000000 00000000 00000000  0000000000000000 64000000 04000000", NULL,
			"1300 0900 10000000 21000000 16000000", NULL, 0 },
	};

	play(steps, sizeof(steps) / sizeof(steps[0]));
}

/* libvfio-user's sample client: version 0.1, compact JSON; also requests dirty pages. */
static void
libvfio_user_transcript_gets_exact_replies(void **state)
{
	static const struct step steps[] = {
		{ "VERSION 0.1",
			"0000 0100 5a000000 00000000 00000000  0000 0100",
			"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":1048576}}      ",
			"0000 0100 55000000 01000000 00000000  0000 0100",
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}", 0 },
		{ "DEVICE_GET_INFO",
			"0100 0400 20000000 00000000 00000000  10000000 00000000 00000000 00000000", NULL,
			"0100 0400 20000000 01000000 00000000  10000000 03000000 09000000 05000000", NULL, 0 },
		{ "DMA_MAP with the newer MMAP flag",
			"0200 0200 30000000 00000000 00000000  20000000 07000000 0000000000000000"
			"0000001000000000 0000010000000000", NULL,
			"0200 0200 10000000 01000000 00000000", NULL, 'm' },
		{ "DMA_MAP over it",
			"0300 0200 30000000 00000000 00000000  20000000 03000000 0000000000000000"
			"0000001000000000 0000010000000000", NULL,
			"0300 0200 10000000 21000000 11000000", NULL, 'm' },
		{ "DEVICE_FEATURE, which is not offered",
			"0400 1000 18000000 00000000 00000000  08000000 01000500", NULL,
			"0400 1000 10000000 21000000 5f000000", NULL, 0 },
		{ "DEVICE_GET_REGION_IO_FDS: none",
			"0500 0600 20000000 00000000 00000000  10000000 00000000 00000000 00000000", NULL,
			"0500 0600 20000000 01000000 00000000  10000000 00000000 00000000 00000000", NULL, 0 },
	};

	play(steps, sizeof(steps) / sizeof(steps[0]));
}

/*
 * SPDK's client: all messages have number 0; no JSON; a region info request as long as the
 * buffer for the reply; DMA_UNMAP with the memory's descriptor.
 */
static void
spdk_transcript_gets_exact_replies(void **state)
{
	static const struct step steps[] = {
		{ "VERSION without JSON",
			"0000 0100 14000000 00000000 00000000  0000 0100", NULL,
			"0000 0100 55000000 01000000 00000000  0000 0100",
			"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576}}", 0 },
		{ "DEVICE_GET_REGION_INFO with a long payload",
			"0000 0500 60000000 00000000 00000000  50000000 00000000 00000000 00000000"
			"0000000000000000 0000000000000000 0000000000000000 0000000000000000"
			"0000000000000000 0000000000000000 0000000000000000 0000000000000000", NULL,
			"0000 0500 60000000 01000000 00000000  50000000 0f000000 00000000 20000000"
			"0000020000000000 0000000000000000  0100 0100 00000000 02000000 00000000"
			"00c0000000000000 0010000000000000 00e0000000000000 0010000000000000", NULL, 'r' },
		{ "DMA_MAP",
			"0000 0200 30000000 00000000 00000000  20000000 03000000 0000000000000000"
			"0000002000000000 0000020000000000", NULL,
			"0000 0200 10000000 01000000 00000000", NULL, 'm' },
		{ "DMA_UNMAP with a descriptor",
			"0000 0300 28000000 00000000 00000000  18000000 00000000"
			"0000002000000000 0000020000000000", NULL,
			"0000 0300 28000000 01000000 00000000  18000000 00000000"
			"0000002000000000 0000020000000000", NULL, 'm' },
	};

	play(steps, sizeof(steps) / sizeof(steps[0]));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(valid_versions_attach),
		T(invalid_versions_are_refused),
		T(commands_before_version_are_refused),
		T(invalid_headers_end_the_connection),
		T(messages_may_arrive_in_any_pieces),
		T(unknown_commands_are_refused),
		T(short_payloads_are_refused),
		T(region_info_has_areas_and_descriptor_if_they_fit),
		T(queue_pages_go_to_clients_that_ask),
		T(region_io_fds_are_none),
		T(region_access_outside_or_without_permission_is_refused),
		T(write_multi_executes_all_writes_or_none),
		T(command_without_reply_gets_none_and_keeps_order),
		T(unexpected_descriptors_are_refused_and_closed),
		T(descriptor_whose_close_waits_stops_nothing),
		T(msix_vectors_trigger_mask_and_disconnect),
		T(intx_masks_itself_until_it_is_unmasked),
		T(next_client_is_served_however_fast),
		T(second_client_gets_a_reply_to_its_version),
		T(silent_second_clients_are_refused_in_time),
		T(client_that_ends_no_message_is_dropped_in_time),
		T(client_that_never_reads_is_dropped),
		T(owner_can_drop_the_client),
		T(closed_peer_is_seen_while_the_control_thread_is_busy),
		T(next_client_finds_no_vector_masked_or_pending),
		T(socket_file_is_private_and_only_stale_ones_are_replaced),
		T(one_server_at_a_time_takes_a_stale_socket),
		T(qemu_transcript_gets_exact_replies),
		T(libvfio_user_transcript_gets_exact_replies),
		T(spdk_transcript_gets_exact_replies),
	};

	return cmocka_run_group_tests_name("vfio_user_server", tests, NULL, NULL);
}
