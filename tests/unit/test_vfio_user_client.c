/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The client of lib/vfio_user, against the server of lib/vfio_user, and against servers by
 * hand, which answer correctly, or wrongly in every field.
 */

#include <fcntl.h>
#include <pthread.h>

#include "test_clock.h"
#include "vfu_test.h"

static struct device dev;

struct loss {
	atomic_int lost;
	char why[VFU_ERR_LEN];
};

static void
on_lost(void *opaque, const char *why)
{
	struct loss *t = opaque;

	snprintf(t->why, sizeof(t->why), "%s", why);
	t->lost++;
}

static void
every_client_call_works_against_our_server(void **state)
{
	struct loss loss = { 0 };
	struct vfu_client_params params = { .lost = on_lost, .opaque = &loss };
	struct vfu_device_info info;
	struct vfu_irq_info irq;
	struct vfu_region r;
	struct vfu_client *c, *second;
	char err[VFU_ERR_LEN];
	static uint8_t big[BAR0_SIZE];
	int fds[25], before;
	uint64_t n;
	uint32_t v = 0xcafef00d;

	device_start(&dev);
	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	assert_true(vfu_client_alive(c));
	/*
	 * The refusal may arrive, followed by the end of the connection, before the client
	 * sends anything.
	 */
	for (unsigned int i = 0; i < 300; i++) {
		assert_int_equal(vfu_client_connect(dev.path, &params, &second, err), -EBUSY);
		assert_non_null(strstr(err, "another client"));
	}
	before = count_fds();

	assert_int_equal(vfu_client_device_info(c, &info), 0);
	assert_int_equal(info.flags, VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET);
	assert_int_equal(info.num_regions, VFU_SRV_REGIONS);
	assert_int_equal(info.num_irqs, VFU_SRV_IRQS);

	assert_int_equal(vfu_client_region_info(c, 0, &r), 0);
	assert_int_equal(r.size, BAR0_SIZE);
	assert_int_equal(r.flags, 7);
	assert_int_equal(r.nr_areas, 2);
	assert_int_equal(r.areas[1].offset, 0xe000);
	assert_int_equal(r.areas[1].size, 0x1000);
	assert_true(r.fd >= 0);
	close(r.fd);
	assert_int_equal(vfu_client_region_info(c, 7, &r), 0);
	assert_int_equal(r.size, 256);
	assert_int_equal(r.fd, -1);
	assert_int_equal(vfu_client_region_info(c, 3, &r), 0);
	assert_int_equal(r.size, 0);
	assert_int_equal(vfu_client_region_info(c, 9, &r), -EINVAL);
	wait_until(count_fds() <= before);

	assert_int_equal(vfu_client_region_write(c, 0, 0x40, &v, 4), 0);
	assert_int_equal(dev.last_len, 4);
	v = 0;
	assert_int_equal(vfu_client_region_read(c, 0, 0x40, &v, 4), 0);
	assert_int_equal(v, 0xcafef00d);
	assert_int_equal(vfu_client_region_write(c, 0, 0, big, sizeof(big)), 0);
	assert_int_equal(vfu_client_region_read(c, 0, 0, big, sizeof(big)), 0);
	assert_int_equal(vfu_client_region_read(c, 0, BAR0_SIZE, &v, 4), -EINVAL);
	assert_int_equal(vfu_client_region_read(c, 1, 0, &v, 4), -EPERM);
	dev.fail = -EIO;
	assert_int_equal(vfu_client_region_read(c, 0, 0, &v, 4), -EIO);
	assert_int_equal(vfu_client_reset(c), -EIO);
	dev.fail = 0;
	assert_int_equal(vfu_client_reset(c), 0);

	/* 25 vectors, some without an eventfd, in messages of at most 16. */
	assert_int_equal(vfu_client_irq_info(c, VFIO_PCI_MSIX_IRQ_INDEX, &irq), 0);
	assert_int_equal(irq.count, 25);
	for (unsigned int i = 0; i < 25; i++)
		fds[i] = i == 5 || i == 6 ? -1 : eventfd(0, EFD_NONBLOCK);
	assert_int_equal(vfu_client_set_irq_fds(c, VFIO_PCI_MSIX_IRQ_INDEX, 0, 25, fds), 0);
	for (unsigned int i = 0; i < 25; i++) {
		assert_int_equal(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, i),
				fds[i] >= 0);
		if (fds[i] >= 0)
			assert_int_equal(read(fds[i], &n, 8), 8);
	}
	assert_int_equal(vfu_client_set_irq_fds(c, VFIO_PCI_MSIX_IRQ_INDEX, 24, 2, fds), -EINVAL);
	assert_int_equal(vfu_client_set_irq_fds(c, VFIO_PCI_MSIX_IRQ_INDEX, 0, 0, NULL), 0);
	assert_false(vfu_server_irq(dev.server, VFIO_PCI_MSIX_IRQ_INDEX, 0));
	for (unsigned int i = 0; i < 25; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	wait_until(count_fds() <= before);

	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x800, 0x1000, 3), -EINVAL);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x1000, 0x1000, 4), -EINVAL);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, UINT64_MAX - 0xfff, 0x2000, 3), -EINVAL);
	assert_int_equal(vfu_client_dma_map(c, 9999, 0, 0x1000, 0x1000, 3), -EBADF);
	assert_true(vfu_client_alive(c));
	assert_int_equal(vfu_client_dma_unmap(c, 0x1000, 0x1000), -ENOENT);

	/* The server disconnects. */
	assert_int_equal(loss.lost, 0);
	assert_false(vfu_client_quiesced(c));
	device_stop(&dev);
	wait_until(loss.lost == 1);
	assert_false(vfu_client_alive(c));
	assert_true(vfu_client_quiesced(c));
	assert_int_equal(vfu_client_region_read(c, 0, 0x40, &v, 4), -ENODEV);
	assert_int_equal(vfu_client_reset(c), -ENODEV);
	assert_int_equal(vfu_client_dma_unmap(c, 0x1000, 0x1000), -ENODEV);
	vfu_client_close(c);
	assert_int_equal(loss.lost, 1);
}

static void
connect_without_server_fails_in_time(void **state)
{
	struct vfu_client_params params = { .timeout_ms = 300 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct vfu_client *c;
	char err[VFU_ERR_LEN], path[200];
	int fd, before = count_fds(), clients[64], n = 0;
	uint64_t start;

	memset(path, 'x', sizeof(path));
	path[150] = '\0';
	assert_int_equal(vfu_client_connect(path, &params, &c, err), -ENAMETOOLONG);
	assert_int_equal(vfu_client_connect("", &params, &c, err), -ENAMETOOLONG);
	test_path(path, sizeof(path));
	assert_int_equal(vfu_client_connect(path, &params, &c, err), -ENOENT);
	assert_non_null(strstr(err, path));
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(vfu_client_connect(path, &params, &c, err), -ECONNREFUSED);
	unlink(path);

	/* A server that accepts and sends nothing; then one that does not even accept. */
	strcpy(sa.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 0), 0);
	start = now_ms();
	assert_int_equal(vfu_client_connect(path, &params, &c, err), -ETIMEDOUT);
	assert_true(now_ms() - start >= 290);
	while (n < 64) {
		clients[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(clients[n++], (struct sockaddr *)&sa, sizeof(sa)) != 0)
			break;
	}
	assert_int_equal(vfu_client_connect(path, &params, &c, err), -ETIMEDOUT);
	while (n-- > 0)
		close(clients[n]);
	close(fd);
	unlink(path);
	wait_until(count_fds() <= before);
}

/* A server by hand: it answers VERSION correctly, and each later command as the test specifies. */

struct fake {
	char path[100];
	int listen_fd, sock;
	pthread_t thread;
	const void *version; /* payload of the reply to VERSION, or NULL: a correct one */
	size_t version_len;
	struct vfio_user_header hdr; /* msg_id and cmd are XORed with the request's */
	uint8_t payload[2048];
	size_t len;
	uint32_t size_lie; /* msg_size of the reply, if not 0 */
	int fds[20];
	unsigned int nr_fds;
	bool silent;
	unsigned int timeout_ms; /* time limit of the client, or 0: SOON_MS */
	unsigned int max;        /* commands until the test takes the socket, or 0: never */
	unsigned int extra;      /* additional copies of the reply */
};

static void *
fake_thread(void *arg)
{
	static const char proper[] = "\0\0\1\0{\"capabilities\":{\"max_msg_fds\":8}}";
	struct fake *f = arg;
	struct vfio_user_header h;
	uint8_t msg[4096];

	f->sock = accept(f->listen_fd, NULL, NULL);
	for (unsigned int n = 0; raw_recv(f->sock, &h, sizeof(h), NULL); n++) {
		uint16_t id = h.msg_id, cmd = h.cmd;
		size_t len;

		if (h.msg_size > sizeof(h) && !raw_recv(f->sock, msg, h.msg_size - sizeof(h), NULL))
			break;
		memset(&h, 0, sizeof(h));
		h.flags = 1;
		if (n == 0) {
			len = f->version != NULL ? f->version_len : sizeof(proper);
			memcpy(msg + 16, f->version != NULL ? f->version : proper, len);
		} else {
			if (f->silent)
				continue;
			h = f->hdr;
			len = f->len;
			memcpy(msg + 16, f->payload, len);
		}
		h.msg_id ^= id;
		h.cmd ^= cmd;
		h.msg_size = n != 0 && f->size_lie != 0 ? f->size_lie : (uint32_t)(16 + len);
		memcpy(msg, &h, 16);
		for (unsigned int i = 0; i <= (n == 0 ? 0 : f->extra); i++)
			try_send(f->sock, msg, 16 + len, f->fds, n == 0 ? 0 : f->nr_fds);
		if (n + 1 == f->max)
			return NULL;
	}
	close(f->sock);
	return NULL;
}

static void
fake_start(struct fake *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	test_path(f->path, sizeof(f->path));
	strcpy(sa.sun_path, f->path);
	f->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(f->listen_fd, 1), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
}

static void
fake_stop(struct fake *f)
{
	pthread_join(f->thread, NULL);
	close(f->listen_fd);
	unlink(f->path);
}

static int
connect_fake(struct fake *f, struct vfu_client **c, struct loss *loss, char *err)
{
	struct vfu_client_params params = {
		.lost = on_lost,
		.opaque = loss,
		.timeout_ms = f->timeout_ms != 0 ? f->timeout_ms : SOON_MS,
	};

	return vfu_client_connect(f->path, &params, c, err);
}

static void
invalid_version_replies_are_refused(void **state)
{
	static const struct {
		const char *p;
		size_t len;
	} t[] = {
#define V(text) { text, sizeof(text) }
		{ "", 0 },
		{ "\0\0", 2 },
		{ "\1\0\0\0", 4 },
		{ "\0\0\2\0", 4 },
		{ "\0\0\1\0{}", 6 },
		V("\0\0\1\0nonsense"),
		V("\0\0\1\0{\"capabilities\":[]}"),
		V("\0\0\1\0{\"capabilities\":{\"max_data_xfer_size\":1}}"),
		V("\0\0\1\0{\"capabilities\":{\"max_msg_fds\":true}}"),
	};
	int before = count_fds();

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct fake f = { .version = t[i].p, .version_len = t[i].len };
		struct loss loss = { 0 };
		struct vfu_client *c;
		char err[VFU_ERR_LEN] = "";

		fake_start(&f);
		assert_int_equal(connect_fake(&f, &c, &loss, err), -EPROTO);
		assert_non_null(strstr(err, f.path));
		assert_null(strchr(err, '\n'));
		assert_int_equal(loss.lost, 0);
		fake_stop(&f);
	}
	wait_until(count_fds() <= before);
}

/**
 * Let the client process one reply to DEVICE_GET_REGION_INFO.
 *
 * @param alive   receives whether the connection is still up afterwards
 *
 * @return the result of vfu_client_region_info()
 */
static int
region_reply(struct fake *f, struct vfu_region *r, bool *alive)
{
	struct loss loss = { 0 };
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	int ret;

	fake_start(f);
	assert_int_equal(connect_fake(f, &c, &loss, err), 0);
	ret = vfu_client_region_info(c, 0, r);
	*alive = vfu_client_alive(c);
	if (ret == 0 && r->fd >= 0)
		close(r->fd);
	vfu_client_close(c);
	fake_stop(f);
	return ret;
}

static void
invalid_region_replies_are_refused(void **state)
{
	struct reply {
		struct vfio_region_info r;
		struct vfio_region_info_cap_sparse_mmap cap;
		struct vfio_region_sparse_mmap_area areas[10];
	} good, bad;
	int mem = memory_file(0x20000), before = count_fds();
	struct vfu_region r;
	struct fake f;
	bool alive;

	memset(&good, 0, sizeof(good));
	good.r.argsz = 80;
	good.r.flags = 15;
	good.r.cap_offset = 32;
	good.r.size = 0x20000;
	good.cap.header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
	good.cap.header.version = 1;
	good.cap.nr_areas = 2;
	good.areas[0].offset = 0xc000;
	good.areas[0].size = 0x1000;
	good.areas[1].offset = 0x1f000;
	good.areas[1].size = 0x1000;

#define TRY(length, want, ...) \
	do { \
		memset(&f, 0, sizeof(f)); \
		f.hdr.flags = 1; \
		f.fds[0] = f.fds[1] = f.fds[2] = mem; \
		f.nr_fds = 1; \
		bad = good; \
		__VA_ARGS__; \
		f.len = (length); \
		memcpy(f.payload, &bad, sizeof(bad)); \
		assert_int_equal(region_reply(&f, &r, &alive), want); \
		wait_until(count_fds() <= before); \
		if ((want) != 0) \
			assert_int_equal(r.fd, -1); \
	} while (0)

	TRY(80, 0, );
	assert_int_equal(r.nr_areas, 2);
	assert_int_equal(r.flags, 7);
	TRY(80, 0, f.nr_fds = 3); /* two extra ones are closed */
	TRY(80, 0, f.nr_fds = 0); /* none: not mappable */
	assert_int_equal(r.flags, 3);
	assert_int_equal(r.nr_areas, 0);
	TRY(31, -ENODEV, );
	assert_false(alive);
	TRY(0, -ENODEV, );
	TRY(32, -EPROTO, ); /* the capabilities are missing */
	TRY(44, -EPROTO, ); /* the number of areas is missing */
	TRY(79, -EPROTO, );
	TRY(80, -EPROTO, bad.r.index = 1);
	TRY(80, -EPROTO, bad.r.size = UINT64_MAX);
	TRY(80, -EPROTO, bad.r.size = UINT64_C(1) << 63);
	TRY(80, -EPROTO, bad.r.size = 0x1f000); /* the second area is outside */
	TRY(80, -EPROTO, bad.r.cap_offset = 4);
	TRY(80, -EPROTO, bad.r.cap_offset = 76);
	TRY(80, -EPROTO, bad.r.cap_offset = UINT32_MAX);
	TRY(80, -EPROTO, bad.cap.header.next = 32); /* a cycle */
	TRY(80, -EPROTO, bad.cap.header.next = 16);
	TRY(80, -EPROTO, bad.cap.header.next = 200);
	TRY(80, -EPROTO, bad.cap.nr_areas = 3);
	TRY(sizeof(bad), -E2BIG, bad.cap.nr_areas = 9);
	TRY(80, -E2BIG, bad.cap.nr_areas = UINT32_MAX);
	TRY(80, -EPROTO, bad.areas[0].offset = 1);
	TRY(80, -EPROTO, bad.areas[0].size = 0x800);
	TRY(80, -EPROTO, bad.areas[0].size = 0);
	TRY(80, -EPROTO, bad.areas[0].size = UINT64_MAX & ~0xfffull);
	TRY(80, -EPROTO, bad.areas[0].offset = UINT64_MAX & ~0xfffull);
	TRY(80, -EPROTO, bad.r.offset = 0x1000); /* the file ends before the last area */
	TRY(80, -EPROTO, bad.r.offset = 0x1000; bad.areas[0] = good.areas[1];
			bad.areas[1] = good.areas[0]);
	TRY(80, -EPROTO, bad.r.offset = UINT64_MAX & ~0xfffull);
	TRY(80, -EPROTO, bad.r.offset = 12);
	TRY(80, -E2BIG, bad.r.argsz = 0x20000);
	TRY(80, 0, bad.cap.header.id = 99; bad.r.cap_offset = 32); /* another one: no areas */
	assert_int_equal(r.nr_areas, 0);
	close(mem);
}

/* Replies with a wrong header. */
static void
invalid_reply_headers_lose_the_connection(void **state)
{
	static const struct {
		struct fake f;
		int want;
		bool alive;
	} t[] = {
		{ { .hdr = { .flags = 1 } }, 0, true },
		{ { .hdr = { .flags = 0x21, .error_no = ENOSPC } }, -ENOSPC, true },
		{ { .hdr = { .flags = 0x21 } }, -EIO, true },
		{ { .hdr = { .flags = 0x21, .error_no = UINT32_MAX } }, -EIO, true },
		/*
		 * The client returns these two errors itself, and only if the connection is
		 * lost. It is not.
		 */
		{ { .hdr = { .flags = 0x21, .error_no = ENODEV } }, -EIO, true },
		{ { .hdr = { .flags = 0x21, .error_no = ETIMEDOUT } }, -EIO, true },
		{ { .hdr = { .flags = 1, .msg_id = 1 } }, -ENODEV, false },
		{ { .hdr = { .flags = 1, .cmd = 1 } }, -ENODEV, false },
		{ { .hdr = { .flags = 7 } }, -ENODEV, false },
		{ { .hdr = { .flags = 1 }, .size_lie = 15 }, -ENODEV, false },
		{ { .hdr = { .flags = 1 }, .size_lie = UINT32_MAX }, -ENODEV, false },
		{ { .hdr = { .flags = 1 }, .size_lie = 1000 }, -ETIMEDOUT, false },
		{ { .silent = true }, -ETIMEDOUT, false },
		{ { .hdr = { .flags = 0 } }, -ETIMEDOUT, false }, /* a command, unknown */
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct fake f = t[i].f;
		struct loss loss = { 0 };
		struct vfu_client *c;
		char err[VFU_ERR_LEN];

		print_message("    reply %u\n", i);
		if (t[i].want == -ETIMEDOUT)
			f.timeout_ms = 1500; /* waits that long; VERSION is answered earlier */
		fake_start(&f);
		assert_int_equal(connect_fake(&f, &c, &loss, err), 0);
		assert_int_equal(vfu_client_reset(c), t[i].want);
		assert_int_equal(vfu_client_alive(c), t[i].alive);
		/*
		 * The thread that notices the loss reports it, possibly after the call has
		 * returned.
		 */
		wait_until(loss.lost == (t[i].alive ? 0 : 1));
		if (!t[i].alive) {
			assert_int_equal(vfu_client_reset(c), -ENODEV);
			assert_true(strlen(loss.why) > 0);
		}
		vfu_client_close(c);
		fake_stop(&f);
	}
}

/* A reply whose length differs from the request, and one surplus reply. */
static void
read_reply_of_wrong_length_is_refused(void **state)
{
	for (size_t len = 0; len <= 32; len += 4) {
		struct fake f = { .hdr = { .flags = 1 }, .len = len };
		struct vfio_user_region_access a = { .count = 8 };
		struct loss loss = { 0 };
		struct vfu_client *c;
		char err[VFU_ERR_LEN];
		int expected = -EPROTO;
		uint8_t buf[8];

		if (len < 16)
			expected = -ENODEV;
		else if (len == 24)
			expected = 0;
		memcpy(f.payload, &a, sizeof(a));
		fake_start(&f);
		assert_int_equal(connect_fake(&f, &c, &loss, err), 0);
		assert_int_equal(vfu_client_region_read(c, 0, 0, buf, 8), expected);
		vfu_client_close(c);
		fake_stop(&f);
	}

	struct fake f = { .hdr = { .flags = 1 }, .extra = 1 };
	struct loss loss = { 0 };
	struct vfu_client *c;
	char err[VFU_ERR_LEN];

	fake_start(&f);
	assert_int_equal(connect_fake(&f, &c, &loss, err), 0);
	assert_int_equal(vfu_client_reset(c), 0);
	wait_until(loss.lost == 1);
	vfu_client_close(c);
	fake_stop(&f);
}

/* A server whose DMA_READ and DMA_WRITE exceed the client's mappings. */

static int
give(void *opaque, uint64_t iova, void *buf, size_t len)
{
	assert_true(len <= 0x1000 - (iova & 0xFFF)); /* one mapping at a time */
	memset(buf, 0x77, len);
	return 0;
}

static int
take(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	return 0;
}

static void
dma_requests_outside_mappings_are_refused(void **state)
{
	struct fake f = { .hdr = { .flags = 1 }, .max = 8 }; /* VERSION, maps, unmap */
	struct vfu_client_params params = {
		.timeout_ms = SOON_MS,
		.dma_read = give,
		.dma_write = take,
	};
	const int fd = memory_file(0x2000);
	static const struct {
		uint16_t cmd;
		uint64_t addr, count;
		size_t data;
		uint32_t error;
	} t[] = {
		{ 11, 0x100000, 16, 0, 0 },
		{ 11, 0x100ff0, 16, 0, 0 },
		{ 11, 0x100ff1, 16, 0, 0 }, /* adjacent */
		{ 11, 0x100010, 0x1ff1, 0, EFAULT },
		{ 12, 0x100ff8, 16, 16, EFAULT },
		/* With a file: for reading, for both, adjacent; and beyond. */
		{ 11, 0x300000, 16, 0, 0 },
		{ 12, 0x300000, 16, 16, EFAULT },
		{ 11, 0x300ff8, 16, 0, 0 },
		{ 12, 0x301000, 16, 16, 0 },
		{ 12, 0x300ff8, 16, 16, EFAULT },
		{ 11, 0x301ff8, 16, 0, EFAULT },
		{ 11, 0x2ffff8, 16, 0, EFAULT },
		{ 11, 0, 16, 0, EFAULT },
		{ 11, 0x100000, 0, 0, EINVAL },
		{ 11, 0x100000, 65537, 0, EINVAL },
		{ 11, 0x100000, UINT64_MAX, 0, EINVAL },
		{ 11, UINT64_MAX, 16, 0, EFAULT },
		{ 11, 0x200000, 16, 0, EFAULT }, /* mapped for writing only */
		{ 11, 0x101ff8, 16, 0, EFAULT }, /* its end was unmapped */
		{ 12, 0x200000, 16, 16, 0 },
		{ 12, 0x101000, 16, 16, EFAULT }, /* read-only */
		{ 12, 0x200000, 16, 15, EINVAL },
		{ 12, 0x200000, 16, 17, EINVAL },
		{ 12, 0x200000, UINT64_MAX, 16, EINVAL },
		{ 13, 0, 0, 0, EOPNOTSUPP },
		{ 999, 0, 0, 0, EOPNOTSUPP },
	};
	struct vfu_client *c;
	char err[VFU_ERR_LEN];

	fake_start(&f);
	assert_int_equal(vfu_client_connect(f.path, &params, &c, err), 0);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x100000, 0x1000,
					 VFU_DMA_READ | VFU_DMA_WRITE),
			0);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x101000, 0x1000, VFU_DMA_READ), 0);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x102000, 0x1000, VFU_DMA_READ), 0);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x200000, 0x1000, VFU_DMA_WRITE), 0);
	assert_int_equal(vfu_client_dma_map(c, fd, 0, 0x300000, 0x1000, VFU_DMA_READ), 0);
	assert_int_equal(vfu_client_dma_map(c, fd, 0x1000, 0x301000, 0x1000,
					 VFU_DMA_READ | VFU_DMA_WRITE),
			0);
	assert_int_equal(vfu_client_dma_unmap(c, 0x102000, 0x1000), 0);
	/* From here on the test speaks for the server. */
	pthread_join(f.thread, NULL);
	int s = f.sock;

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint8_t buf[64] = { 0 };
		struct vfio_user_dma_access a = { t[i].addr, t[i].count };
		struct vfio_user_header r;

		memcpy(buf, &a, sizeof(a));
		r = raw_command_fds(s, t[i].cmd, buf, 16 + t[i].data, NULL, 0, NULL, NULL);
		assert_int_equal(r.error_no, t[i].error);
		if (t[i].cmd == 11 && t[i].error == 0)
			assert_int_equal(r.msg_size, 32 + t[i].count);
	}
	assert_true(vfu_client_alive(c));
	vfu_client_close(c);
	close(s);
	close(fd);
	close(f.listen_fd);
	unlink(f.path);
}

/* The owner of the client's memory: bytes that name their address. */
struct owner {
	uint8_t taken[0x2000];
	unsigned int calls;
	int ret;
};

static int
owner_give(void *opaque, uint64_t iova, void *buf, size_t len)
{
	struct owner *o = opaque;

	o->calls++;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)((iova + i) * 7);
	return o->ret;
}

static int
owner_take(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	struct owner *o = opaque;

	o->calls++;
	memcpy(o->taken + (iova - 0x100000), buf, len);
	return o->ret;
}

/* Each mapping is a call of the owner, whose error becomes that of the reply. */
static void
owner_of_memory_answers_dma_requests(void **state)
{
	static const struct {
		int ret;
		uint32_t error;
		unsigned int calls;
	} t[] = { { 0, 0, 2 }, { -ENXIO, ENXIO, 1 }, { 1, EIO, 1 } };
	struct {
		struct vfio_user_dma_access a;
		uint8_t data[32];
	} req = { .a = { 0x100ff0, 32 } }, got;
	struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct vfio_user_header r;
	struct owner o;
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	size_t len;

	for (unsigned int i = 0; i < sizeof(req.data); i++)
		req.data[i] = (uint8_t)(i + 1);
	for (int with = 0; with < 2; with++) {
		struct fake f = { .hdr = { .flags = 1 }, .max = 3 }; /* VERSION, maps */

		params.opaque = &o;
		params.dma_read = with ? owner_give : NULL;
		params.dma_write = with ? owner_take : NULL;
		fake_start(&f);
		assert_int_equal(vfu_client_connect(f.path, &params, &c, err), 0);
		for (uint64_t iova = 0x100000; iova < 0x102000; iova += 0x1000)
			assert_int_equal(vfu_client_dma_map(c, -1, 0, iova, 0x1000, RW), 0);
		pthread_join(f.thread, NULL);
		for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
			o = (struct owner){ .ret = t[i].ret };
			r = raw_command_fds(f.sock, VFIO_USER_DMA_READ, &req, sizeof(req.a), NULL,
					0, &got, &len);
			assert_int_equal(r.error_no, with ? t[i].error : EOPNOTSUPP);
			assert_int_equal(o.calls, with ? t[i].calls : 0);
			assert_int_equal(len, r.error_no == 0 ? sizeof(got) : 0);
			for (unsigned int k = 0; r.error_no == 0 && k < 32; k++)
				assert_int_equal(got.data[k], (uint8_t)((0x100ff0 + k) * 7));
			if (r.error_no == 0)
				assert_memory_equal(&got.a, &req.a, sizeof(req.a));

			o = (struct owner){ .ret = t[i].ret };
			r = raw_command_fds(f.sock, VFIO_USER_DMA_WRITE, &req, sizeof(req), NULL, 0,
					&got, &len);
			assert_int_equal(r.error_no, with ? t[i].error : EOPNOTSUPP);
			assert_int_equal(o.calls, with ? t[i].calls : 0);
			assert_int_equal(len, r.error_no == 0 ? sizeof(got.a) : 0);
			if (r.error_no == 0) {
				assert_memory_equal(&got.a, &req.a, sizeof(req.a));
				assert_memory_equal(o.taken + 0xff0, req.data, 32);
				assert_int_equal(o.taken[0xfef] | o.taken[0x1010], 0);
			}
		}
		/* Too short for its structure. */
		for (uint16_t cmd = VFIO_USER_DMA_READ; cmd <= VFIO_USER_DMA_WRITE; cmd++)
			assert_int_equal(raw_command(f.sock, cmd, &req, sizeof(req.a) - 1), EINVAL);
		assert_true(vfu_client_alive(c));
		vfu_client_close(c);
		close(f.sock);
		close(f.listen_fd);
		unlink(f.path);
	}
}

/*
 * The server no longer has the mapping, and reports that in either of two ways: the client may
 * map the range again.
 */
static void
range_that_the_server_has_lost_is_forgotten(void **state)
{
	static const struct vfio_user_dma_unmap nothing = { sizeof(nothing), 0, 0x1000, 0 };
	struct fake f = { .hdr = { .flags = 1 } };
	struct vfu_client *c;
	struct loss loss;
	char err[VFU_ERR_LEN];

	fake_start(&f);
	assert_int_equal(connect_fake(&f, &c, &loss, err), 0);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x1000, 0x1000, VFU_DMA_READ), 0);
	f.hdr = (struct vfio_user_header){ .flags = 0x21, .error_no = ENOENT };
	assert_int_equal(vfu_client_dma_unmap(c, 0x1000, 0x1000), -ENOENT);
	f.hdr = (struct vfio_user_header){ .flags = 1 };
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x1000, 0x1000, VFU_DMA_READ), 0);
	memcpy(f.payload, &nothing, sizeof(nothing));
	f.len = sizeof(nothing);
	assert_int_equal(vfu_client_dma_unmap(c, 0x1000, 0x1000), -ENOENT);
	f.len = 0;
	assert_int_equal(vfu_client_dma_map(c, -1, 0, 0x1000, 0x1000, VFU_DMA_READ), 0);
	vfu_client_close(c);
	fake_stop(&f);
}

/* Many threads use one connection concurrently. */
static void *
hammer(void *arg)
{
	struct vfu_client *c = arg;

	for (uint32_t i = 0; i < 300; i++) {
		uint64_t at = 0x1000 + 8 * ((uintptr_t)pthread_self() / 4096 % 256);
		uint32_t v;

		if (vfu_client_region_write(c, 0, at, &i, 4) != 0 ||
				vfu_client_region_read(c, 7, 4, &v, 4) != 0 || v != 0x07060504)
			return (void *)1;
	}
	return NULL;
}

static void
concurrent_calls_get_their_own_replies(void **state)
{
	struct vfu_client_params params = { 0 };
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	pthread_t t[4];
	void *bad;

	device_start(&dev);
	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	for (unsigned int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, hammer, c);
	for (unsigned int i = 0; i < 4; i++) {
		pthread_join(t[i], &bad);
		assert_null(bad);
	}
	vfu_client_close(c);
	device_stop(&dev);
}

static void
messages_beyond_the_common_limit_lose_the_connection(void **state)
{
	struct vfu_client_params params = { 0 };
	struct vfu_device_info info;
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	struct device dev;

	device_start(&dev);
	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	vfu_client_limit(c, 1);
	vfu_client_limit(c, 0);
	usleep(2000);
	assert_int_equal(vfu_client_device_info(c, &info), 0);
	vfu_client_limit(c, 1);
	usleep(2000);
	assert_int_equal(vfu_client_device_info(c, &info), -ETIMEDOUT);
	assert_false(vfu_client_alive(c));
	vfu_client_close(c);

	/* The limit of the connecting holds for the messages that follow until it changes. */
	params.limit_ms = 60000;
	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	assert_int_equal(vfu_client_device_info(c, &info), 0);
	passed_ms += params.limit_ms;
	assert_int_equal(vfu_client_device_info(c, &info), -ETIMEDOUT);
	vfu_client_close(c);
	device_stop(&dev);
}

static unsigned int reply_ms;

static void
answer_late(struct device *d, uint64_t offset, const void *buf, size_t len)
{
	passed_ms += reply_ms;
}

/**
 * Write until the connection is lost.
 *
 * @param each_ms    how late the server answers each write, ms
 * @param pause_ms   pause after each write, ms
 *
 * @return the number of writes before the loss, at most n
 */
static unsigned int
write_until_lost(struct vfu_client *c, unsigned int n, unsigned int each_ms, unsigned int pause_ms)
{
	uint32_t v = 0;
	unsigned int i;

	reply_ms = each_ms;
	for (i = 0; i < n && vfu_client_region_write(c, 0, 0, &v, sizeof(v)) == 0; i++)
		passed_ms += pause_ms;
	return i;
}

/*
 * Hundreds of messages that are each answered just in time must not make an operation last for
 * hours.
 */
static void
server_that_is_always_slow_is_lost(void **state)
{
	struct vfu_client_params params = { 0 };
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	struct device dev;
	uint32_t v = 0;

	device_start(&dev);
	dev.on_write = answer_late;
	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	/*
	 * Delays that a scheduler may cause cost nothing, nor does a server that is slow now
	 * and then.
	 */
	assert_int_equal(write_until_lost(c, 8000, 8, 0), 8000);
	assert_int_equal(write_until_lost(c, 100, 4000, 4000), 100);
	/* After a while most of the delay no longer counts, but only once. */
	assert_int_equal(write_until_lost(c, 14, 4000, 0), 14);
	passed_ms += 40000;
	assert_in_range(write_until_lost(c, 100, 4000, 0), 9, 12);
	assert_int_equal(vfu_client_region_write(c, 0, 0, &v, sizeof(v)), -ENODEV);
	assert_false(vfu_client_alive(c));
	vfu_client_close(c);
	device_stop(&dev);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_client_call_works_against_our_server),
		cmocka_unit_test(connect_without_server_fails_in_time),
		cmocka_unit_test(invalid_version_replies_are_refused),
		cmocka_unit_test(invalid_region_replies_are_refused),
		cmocka_unit_test(invalid_reply_headers_lose_the_connection),
		cmocka_unit_test(read_reply_of_wrong_length_is_refused),
		cmocka_unit_test(dma_requests_outside_mappings_are_refused),
		cmocka_unit_test(owner_of_memory_answers_dma_requests),
		cmocka_unit_test(range_that_the_server_has_lost_is_forgotten),
		cmocka_unit_test(concurrent_calls_get_their_own_replies),
		cmocka_unit_test(messages_beyond_the_common_limit_lose_the_connection),
		cmocka_unit_test(server_that_is_always_slow_is_lost),
	};

	return cmocka_run_group_tests_name("vfio_user_client", tests, NULL, NULL);
}
