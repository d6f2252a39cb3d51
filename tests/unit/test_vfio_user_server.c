/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server, message by message: valid, truncated, oversized, out of order.
 */

#include <netinet/in.h>
#include <signal.h>

#include "foreign_fd.h"
#include "vfu_server_test.h"

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
	assert_int_equal(
			try_version(VERSION_MSG(
					"\0\0\1\0{\"capabilities\":{\"max_msg_fds\":0,"
					"\"twin_socket\":{\"supported\":true},\"unknown\":[1,2,3]}}")),
			0);
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
	assert_int_equal(try_version(VERSION_MSG(
					 "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":\"8\"}}")),
			EINVAL);
	assert_int_equal(try_version(VERSION_MSG(
					 "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":-1}}")),
			EINVAL);
	assert_int_equal(try_version(VERSION_MSG(
					 "\0\0\1\0{\"capabilities\":{\"max_data_xfer_size\":0}}")),
			EINVAL);
	assert_int_equal(
			try_version(VERSION_MSG(
					"\0\0\1\0{\"capabilities\":{\"max_data_xfer_size\":99999999999999999999999999}}")),
			EINVAL);
	assert_int_equal(try_version(VERSION_MSG("\0\0\1\0{\"capabilities\":{\"pgsizes\":4.5}}")),
			EINVAL);
	assert_int_equal(try_version(VERSION_MSG(
					 "\0\0\1\0{\"capabilities\":{\"write_multiple\":1}}")),
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
		{ .msg_size = VFU_MSG_MAX + 1 }, { .msg_size = 16, .flags = 2 },
		{ .msg_size = 16, .flags = 15 },
		{ .msg_size = 16, .flags = VFIO_USER_F_TYPE_REPLY }, /* a reply to no command */
	};
	struct vfu_server_stats st;
	int left;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vfio_user_header h = bad[i];
		int s = raw_attach(&dev);
		int detached = dev.detached;

		h.cmd = VFIO_USER_DEVICE_RESET;
		raw_send(s, &h, sizeof(h), NULL, 0);
		assert_true(raw_closed(s));
		close(s);
		wait_until(dev.detached == detached + 1);
		vfu_server_get_stats(dev.server, &st);
		assert_int_equal(st.bad_messages, i + 1);
	}
	/* A client that leaves has sent no bad message. */
	left = dev.detached + 1;
	close(raw_attach(&dev));
	wait_until(dev.detached == left);
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.bad_messages, sizeof(bad) / sizeof(bad[0]));
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
	wait_until(is_forgotten(&dev));
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
		{ VFIO_USER_DMA_MAP, 32 },
		{ VFIO_USER_DMA_UNMAP, 24 },
		{ VFIO_USER_DEVICE_GET_INFO, 16 },
		{ VFIO_USER_DEVICE_GET_REGION_INFO, 32 },
		{ VFIO_USER_DEVICE_GET_REGION_IO_FDS, 16 },
		{ VFIO_USER_DEVICE_GET_IRQ_INFO, 16 },
		{ VFIO_USER_DEVICE_SET_IRQS, 20 },
		{ VFIO_USER_REGION_READ, 16 },
		{ VFIO_USER_REGION_WRITE, 16 },
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
				     "\"max_data_xfer_size\":1048576,\"" VFU_CAP_QUEUE_PAGES
				     "\":1}}";
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
		struct vfio_user_header h = {
			.cmd = VFIO_USER_DEVICE_GET_REGION_INFO,
			.msg_size = sizeof(h) + sizeof(info),
		};
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
	} m = {
		.n = 3,
		.w[0] = { 0x10, 0, 4, { 1, 2, 3, 4 } },
		.w[1] = { 0x20, 0, 8, { 9 } },
		.w[2] = { 4, 7, 2, { 5, 6 } },
	};
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
		{
				.msg_id = 1,
				.cmd = VFIO_USER_REGION_WRITE,
				.msg_size = 36,
				.flags = VFIO_USER_F_NO_REPLY,
		},
		{ .offset = 0x100, .region = 0, .count = 4 },
		{ 1, 1, 1, 1 },
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

static const struct info_request {
	struct vfio_user_header h;
	struct vfio_user_device_info info;
} info_request = {
	{ .cmd = VFIO_USER_DEVICE_GET_INFO, .msg_size = sizeof(info_request) },
	{ .argsz = sizeof(info_request.info) },
};

static int
tcp_listener(void)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 8), 0);
	return listener;
}

/*
 * Connect, and pass so many descriptors whose close() waits that the server ends the connection,
 * and accepts no client until they are closed.
 *
 * @param peers  VFU_MAX_CLOSING + 1 peers of the descriptors; the caller closes them
 */
static void
leave_lingering(int listener, int *peers)
{
	const uint8_t *last = (const uint8_t *)(&info_request + 1) - 1;
	struct vfio_user_header r;
	int s = raw_attach(&dev);

	for (unsigned int i = 0; i <= VFU_MAX_CLOSING; i++) {
		int fd = lingering(listener, &peers[i]);

		/*
		 * The server must have the last reference, so the rest follows after the test
		 * has closed its own.
		 */
		raw_send(s, &info_request, sizeof(info_request) - 1, &fd, 1);
		close(fd);
		raw_send(s, last, 1, NULL, 0);
		if (i == VFU_MAX_CLOSING)
			break;
		assert_true(raw_recv(s, &r, sizeof(r), NULL));
		assert_int_equal(r.error_no, EINVAL);
	}
	wait_until(is_forgotten(&dev));
	assert_non_null(strstr(dev.why, "do not close"));
	close(s);
}

static void
close_all(const int *fds, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		close(fds[i]);
}

/*
 * Such a descriptor delays neither the client's next command, nor the end of the connection,
 * nor that of the server.
 */
static void
descriptor_whose_close_waits_stops_nothing(void **state)
{
	int listener = tcp_listener(), peers[VFU_MAX_CLOSING + 1], before = count_fds(), s, t;
	struct vfio_user_header r;
	struct pollfd pfd = { .events = POLLIN };

	leave_lingering(listener, peers);

	/* The port is served again when they are closed. */
	t = pfd.fd = raw_connect(dev.path);
	raw_send(t, &info_request, sizeof(info_request), NULL, 0);
	assert_int_equal(poll(&pfd, 1, 100), 0);
	close_all(peers, VFU_MAX_CLOSING + 1);
	assert_true(raw_recv(t, &r, sizeof(r), NULL));
	close(t);
	wait_until(count_fds() <= before);

	/* A descriptor that does not close does not prevent the server from ending. */
	s = raw_attach(&dev);
	t = lingering(listener, &peers[0]);
	raw_send(s, &info_request, sizeof(info_request.h), &t, 1);
	close(t);
	close(s);
	device_stop(&dev);
	close(peers[0]);
	device_start(&dev);
	close(listener);
}

/* Nor does one in a message of a client that the server never accepted. */
static void
descriptor_in_the_backlog_does_not_delay_the_end(void **state)
{
	int listener = tcp_listener(), peers[VFU_MAX_CLOSING + 1], peer, t, fd;

	leave_lingering(listener, peers);
	t = raw_connect(dev.path);
	fd = lingering(listener, &peer);
	raw_send(t, &info_request, sizeof(info_request), &fd, 1);
	close(fd);
	close(t);
	device_stop(&dev);
	close_all(peers, VFU_MAX_CLOSING + 1);
	close(peer);
	device_start(&dev);
	close(listener);
}

int
main(void)
{
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
		T(descriptor_in_the_backlog_does_not_delay_the_end),
	};

	return cmocka_run_group_tests_name("vfio_user_server", tests, NULL, NULL);
}
