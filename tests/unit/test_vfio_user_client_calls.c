/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The calls of the client (vfu_client.h): the exact bytes that each of them sends to its server,
 * which the test plays, and the least and the worst reply. The linker redirects sendmsg() and
 * recvmsg() of the client to this file, so that they fail, or take a few bytes at a time.
 */

#include <fcntl.h>
#include <pthread.h>

#include <jansson.h>

#include "msg.h"
#include "test_clock.h"
#include "vfu_test.h"

#define MAX_CALLS 32
#define FDS       (VFU_MSG_FDS + 1)

/* A message of the client. */
struct call {
	struct vfio_user_header h;
	uint8_t data[1024];
	size_t len;
	unsigned int nr_fds;
};

/* The server. */
static struct {
	char path[100];
	int listen_fd, sock;
	pthread_t thread;
	const char *caps; /* of its VERSION, with the braces; NULL: none, and the defaults count */
	struct vfio_user_version version;
	struct call calls[MAX_CALLS]; /* [0]: VERSION */
	_Atomic unsigned int nr;
	/* The reply to other commands, and which of them has another one. */
	struct vfio_user_header hdr; /* flags beside the type, error_no */
	uint8_t data[1024];
	size_t len;
	bool grows;  /* region info: each reply asks for 16 bytes more than the request has */
	bool closes; /* after VERSION */
	bool echo;   /* reply with the payload of the command, and to a read also with data */
	int fd;      /* with the reply; -1: none */
} peer;

static struct vfu_client *client;
static char err[VFU_ERR_LEN], why[VFU_ERR_LEN];
static atomic_int lost;

/* The results of sendmsg() in the thread of the test, and of recvmsg() in the client. */
static pthread_t test_thread;
static int send_error;            /* of the next call; 0: none */
static bool sends_nevertheless;   /* that call sends the message before it fails */
static size_t most;               /* bytes that a call sends; 0: all */
static unsigned int refused_ms;   /* that pass during the call that fails */
static _Atomic int receive_error; /* of the next call */

ssize_t __real_sendmsg(int fd, const struct msghdr *mh, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *mh, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *mh, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *mh, int flags);

ssize_t
__wrap_sendmsg(int fd, const struct msghdr *mh, int flags)
{
	const int error = send_error;
	struct msghdr part = *mh;
	struct iovec iov;

	if (!pthread_equal(pthread_self(), test_thread) || fd == peer.sock)
		return __real_sendmsg(fd, mh, flags);
	assert_int_equal(flags, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (error != 0) {
		send_error = 0;
		if (sends_nevertheless)
			__real_sendmsg(fd, mh, flags);
		passed_ms += refused_ms;
		errno = error;
		return -1;
	}
	if (most == 0)
		return __real_sendmsg(fd, mh, flags);
	iov = mh->msg_iov[0];
	if (iov.iov_len > most)
		iov.iov_len = most;
	part.msg_iov = &iov;
	part.msg_iovlen = 1;
	return __real_sendmsg(fd, &part, flags);
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *mh, int flags)
{
	if (flags & MSG_DONTWAIT && receive_error != 0) {
		errno = atomic_exchange(&receive_error, 0);
		return -1;
	}
	return __real_recvmsg(fd, mh, flags);
}

static atomic_uint waits, busy_waits; /* poll() of the receiver; those that return at once */

int __real_poll(struct pollfd *pfds, nfds_t nr, int timeout);
int __wrap_poll(struct pollfd *pfds, nfds_t nr, int timeout);

int
__wrap_poll(struct pollfd *pfds, nfds_t nr, int timeout)
{
	if (!pthread_equal(pthread_self(), test_thread)) {
		busy_waits += timeout != -1;
		waits++;
	}
	return __real_poll(pfds, nr, timeout);
}

static atomic_uint shutdowns;
static bool holds_version; /* the client reads it after it has noticed the loss */

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);

int
__wrap_shutdown(int fd, int how)
{
	shutdowns++;
	return __real_shutdown(fd, how);
}

json_t *
__wrap_json_loads(const char *text, size_t flags, json_error_t *error)
{
	if (holds_version)
		wait_until(shutdowns != 0);
	return __real_json_loads(text, flags, error);
}

/* Receive bytes and descriptors, which are counted and closed. */
static bool
receive(void *buf, size_t len, unsigned int *nr_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(FDS * sizeof(int))];
	} ctl;

	for (uint8_t *p = buf; len != 0;) {
		struct iovec iov = { p, len };
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = ctl.buf,
			.msg_controllen = sizeof(ctl.buf),
		};
		ssize_t n = __real_recvmsg(peer.sock, &mh, MSG_CMSG_CLOEXEC);
		struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&mh) : NULL;

		if (n <= 0)
			return false;
		for (size_t i = 0; c != NULL && i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
				i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			close(fd);
			(*nr_fds)++;
		}
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static void
answer(const struct call *c, bool is_version)
{
	struct vfio_user_header h = {
		.msg_id = c->h.msg_id,
		.cmd = c->h.cmd,
		.flags = VFIO_USER_F_TYPE_REPLY,
	};
	uint8_t msg[sizeof(h) + 2 * sizeof(c->data)];
	size_t len = peer.len;

	memcpy(msg + sizeof(h), peer.data, len);
	if (is_version) {
		len = sizeof(peer.version);
		memcpy(msg + sizeof(h), &peer.version, len);
		if (peer.caps != NULL) {
			strcpy((char *)msg + sizeof(h) + len, peer.caps);
			len += strlen(peer.caps) + 1;
		}
	} else if (peer.echo) {
		memcpy(msg + sizeof(h), c->data, c->len);
		len = c->len;
		if (c->h.cmd == VFIO_USER_REGION_READ) {
			const struct vfio_user_region_access *a = (const void *)c->data;

			for (uint32_t i = 0; i < a->count; i++)
				msg[sizeof(h) + len++] = (uint8_t)(a->offset + i);
		}
	}
	if (peer.grows && c->h.cmd == VFIO_USER_DEVICE_GET_REGION_INFO) {
		const uint32_t argsz = ((const struct vfio_region_info *)c->data)->argsz + 16;

		memcpy(msg + sizeof(h), &argsz, sizeof(argsz));
	}
	h.flags |= peer.hdr.flags;
	h.error_no = peer.hdr.error_no;
	h.msg_size = (uint32_t)(sizeof(h) + len);
	memcpy(msg, &h, sizeof(h));
	try_send(peer.sock, msg, h.msg_size, &peer.fd, !is_version && peer.fd >= 0 ? 1 : 0);
}

static void *
serve(void *arg)
{
	struct vfio_user_header h;
	unsigned int nr_fds = 0;

	peer.sock = accept(peer.listen_fd, NULL, NULL);
	while (receive(&h, sizeof(h), &nr_fds)) {
		struct call *c = &peer.calls[peer.nr];

		c->h = h;
		c->len = h.msg_size - sizeof(h);
		if (c->len > sizeof(c->data) || !receive(c->data, c->len, &nr_fds))
			break;
		c->nr_fds = nr_fds;
		nr_fds = 0;
		peer.nr++;
		if ((h.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_COMMAND)
			answer(c, peer.nr == 1);
		if (peer.nr == MAX_CALLS || peer.closes)
			break;
	}
	close(peer.sock);
	return NULL;
}

static void
on_lost(void *opaque, const char *text)
{
	snprintf(why, sizeof(why), "%s", text);
	lost++;
}

static int served_by_client; /* result of the next two functions */
static uint8_t served[16];

static int
client_memory_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	memset(buf, 0x5a, len);
	return served_by_client;
}

static int
client_memory_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	memcpy(served, buf, len < sizeof(served) ? len : sizeof(served));
	return served_by_client;
}

/* Start the server, and connect. Return the result. */
static int
begin(bool queue_pages)
{
	struct vfu_client_params params = {
		.timeout_ms = SOON_MS,
		.lost = on_lost,
		.queue_pages = queue_pages,
		.dma_read = client_memory_read,
		.dma_write = client_memory_write,
	};
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	test_path(peer.path, sizeof(peer.path));
	strcpy(sa.sun_path, peer.path);
	peer.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(peer.listen_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(peer.listen_fd, 1), 0);
	assert_int_equal(pthread_create(&peer.thread, NULL, serve, NULL), 0);
	client = NULL;
	return vfu_client_connect(peer.path, &params, &client, err);
}

static int
setup(void **state)
{
	memset(&peer, 0, sizeof(peer));
	peer.version.minor = VFIO_USER_MINOR;
	peer.fd = -1;
	lost = 0;
	why[0] = '\0';
	test_thread = pthread_self();
	send_error = served_by_client = 0;
	sends_nevertheless = false;
	most = refused_ms = 0;
	receive_error = 0;
	shutdowns = waits = busy_waits = 0;
	holds_version = false;
	return 0;
}

static int
teardown(void **state)
{
	vfu_client_close(client);
	pthread_join(peer.thread, NULL);
	close(peer.listen_fd);
	unlink(peer.path);
	return 0;
}

/* Fail the test unless the next command is this one. */
static void
assert_sent(unsigned int *nr, uint16_t cmd, const void *data, size_t len, unsigned int nr_fds)
{
	const struct call *c = &peer.calls[*nr];

	assert_true(*nr < peer.nr);
	assert_int_equal(c->h.cmd, cmd);
	assert_int_equal(c->h.flags, VFIO_USER_F_TYPE_COMMAND);
	assert_int_equal(c->h.error_no, 0);
	assert_int_equal(c->len, len);
	assert_memory_equal(c->data, data, len);
	assert_int_equal(c->nr_fds, nr_fds);
	if (*nr != 0)
		assert_int_equal((uint16_t)(c[0].h.msg_id - c[-1].h.msg_id), 1);
	++*nr;
}

static void
version_names_the_capabilities_of_the_client(void **state)
{
	char json[512];

	for (unsigned int pages = 0; pages < 2; pages++) {
		const struct vfio_user_version v = { VFIO_USER_MAJOR, VFIO_USER_MINOR };
		const struct call *c = &peer.calls[0];

		setup(NULL);
		assert_int_equal(begin(pages == 1), 0);
		assert_string_equal(err, "");
		snprintf(json, sizeof(json),
				"{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":"
				"65536,\"max_dma_maps\":%u,\"pgsizes\":4096,"
				"\"gantry_io_page_table\":1%s}}",
				VFU_MSG_FDS, VFU_MAX_DMA_MAPS,
				pages == 1 ? ",\"gantry_queue_pages\":1" : "");
		assert_int_equal(c->h.cmd, VFIO_USER_VERSION);
		assert_int_equal(c->len, sizeof(v) + strlen(json) + 1);
		assert_memory_equal(c->data, &v, sizeof(v));
		assert_string_equal((const char *)c->data + sizeof(v), json);
		if (pages == 0)
			teardown(NULL);
	}
}

static void
refused_version_has_its_reason(void **state)
{
	static const struct {
		struct vfio_user_version v;
		const char *caps;
		uint32_t flags, error;
		int ret;
		const char *why;
	} t[] = {
		{ .flags = VFIO_USER_F_ERROR,
				.error = EINVAL,
				.ret = -EPROTO,
				.why = "server refuses vfio-user version 0.1: Invalid argument" },
		{ .flags = VFIO_USER_F_ERROR,
				.error = EBUSY,
				.ret = -EBUSY,
				.why = "serves another client; end that first" },
		{ .v = { 1, 0 },
				.ret = -EPROTO,
				.why = "server speaks vfio-user 1.0, this is 0.1" },
		{ .v = { 0, 2 },
				.ret = -EPROTO,
				.why = "server speaks vfio-user 0.2, this is 0.1" },
		{ .v = { 0, 0 }, .ret = 0 }, /* an older one */
		{ .caps = "{\"capabilities\":[]}",
				.ret = -EPROTO,
				.why = "reply of the server to VERSION: the capabilities are no "
				       "JSON object" },
	};
	char expected[VFU_ERR_LEN];

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		setup(NULL);
		peer.version = t[i].v;
		peer.caps = t[i].caps;
		peer.hdr.flags = t[i].flags;
		peer.hdr.error_no = t[i].error;
		assert_int_equal(begin(false), t[i].ret);
		snprintf(expected, sizeof(expected), "%s: %s", peer.path, t[i].why);
		assert_string_equal(err, t[i].ret == 0 ? "" : expected);
		assert_int_equal(lost, 0);
		if (i + 1 != sizeof(t) / sizeof(t[0]))
			teardown(NULL);
	}
}

/* The owner gets a client, and learns that it is lost. */
static void
loss_during_the_connection_is_reported(void **state)
{
	peer.caps = "{}";
	peer.closes = true;
	holds_version = true;
	assert_int_equal(begin(false), 0);
	assert_false(vfu_client_alive(client));
	assert_int_equal(lost, 1);
	assert_string_equal(why, "server: connection closed");
	assert_true(vfu_client_quiesced(client));
}

static void
message_has_at_most_16_descriptors(void **state)
{
	int fds[VFU_MSG_FDS + 1], socks[2], before;
	struct vfio_user_header h;
	struct vfu_out out = { .fds = fds, .nr_fds = VFU_MSG_FDS + 1 };
	unsigned int nr = 0;

	assert_int_equal(begin(false), 0); /* for the teardown */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	for (unsigned int i = 0; i <= VFU_MSG_FDS; i++)
		fds[i] = socks[0];
	before = peer.sock;
	peer.sock = socks[1];
	assert_int_equal(vfu_msg_send(socks[0], &out, now_ms()), -EINVAL);
	assert_int_equal(recv(socks[1], &h, sizeof(h), MSG_DONTWAIT), -1);
	out.nr_fds--;
	assert_int_equal(vfu_msg_send(socks[0], &out, now_ms()), 0);
	assert_true(receive(&h, sizeof(h), &nr));
	peer.sock = before;
	assert_int_equal(nr, VFU_MSG_FDS);
	assert_int_equal(h.msg_size, sizeof(h));
	close(socks[0]);
	close(socks[1]);
}

/* The payloads of requests without further arguments. */
static void
requests_name_what_they_ask_for(void **state)
{
	const struct vfio_user_device_info device = { .argsz = 16 };
	const struct vfio_region_info region = { .argsz = 32 + 16 + 8 * 16, .index = 3 };
	const struct vfio_irq_info irq = { .argsz = 16, .index = 4 };
	const struct vfio_irq_set unmask = { .argsz = 20,
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = 2,
		.start = 5,
		.count = 6 };
	struct vfu_device_info di = { 9, 9, 9 };
	struct vfu_irq_info ii = { 9, 9 };
	struct vfu_region r;
	unsigned int nr = 1;

	assert_int_equal(begin(false), 0);
	peer.echo = true;
	assert_int_equal(vfu_client_device_info(client, &di), 0);
	assert_sent(&nr, VFIO_USER_DEVICE_GET_INFO, &device, 16, 0);
	assert_int_equal(di.flags | di.num_regions | di.num_irqs, 0);
	assert_int_equal(vfu_client_region_info(client, 3, &r), 0);
	assert_sent(&nr, VFIO_USER_DEVICE_GET_REGION_INFO, &region, 32, 0);
	assert_int_equal(r.fd, -1);
	assert_int_equal(vfu_client_irq_info(client, 4, &ii), 0);
	assert_sent(&nr, VFIO_USER_DEVICE_GET_IRQ_INFO, &irq, 16, 0);
	assert_int_equal(ii.flags | ii.count, 0);
	assert_int_equal(vfu_client_unmask_irqs(client, 2, 5, 6), 0);
	assert_sent(&nr, VFIO_USER_DEVICE_SET_IRQS, &unmask, 20, 0);
	assert_int_equal(vfu_client_reset(client), 0);
	assert_sent(&nr, VFIO_USER_DEVICE_RESET, "", 0, 0);
	peer.hdr.flags = VFIO_USER_F_ERROR;
	peer.hdr.error_no = EPERM;
	assert_int_equal(vfu_client_device_info(client, &di), -EPERM);
	assert_int_equal(vfu_client_irq_info(client, 4, &ii), -EPERM);
	assert_int_equal(vfu_client_unmask_irqs(client, 2, 5, 6), -EPERM);
	assert_int_equal(vfu_client_reset(client), -EPERM);
}

/* With a transfer size of 8 bytes, 19 bytes are three messages. */
static void
long_accesses_are_cut_into_messages(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t n;
	} cuts[] = { { 0x30, 8 }, { 0x38, 8 }, { 0x40, 3 } };
	uint8_t buf[20], sent[16 + 8];
	unsigned int nr = 1;

	peer.caps = "{\"capabilities\":{\"max_data_xfer_size\":8}}";
	assert_int_equal(begin(false), 0);
	peer.echo = true;
	memset(buf, 0xee, sizeof(buf));
	assert_int_equal(vfu_client_region_read(client, 6, 0x30, buf, 19), 0);
	for (unsigned int i = 0; i < 19; i++)
		assert_int_equal(buf[i], 0x30 + i);
	assert_int_equal(buf[19], 0xee);
	for (unsigned int i = 0; i < 3; i++) {
		const struct vfio_user_region_access a = { cuts[i].offset, 6, cuts[i].n };

		assert_sent(&nr, VFIO_USER_REGION_READ, &a, sizeof(a), 0);
	}
	assert_int_equal(vfu_client_region_write(client, 6, 0x30, buf, 19), 0);
	for (unsigned int i = 0; i < 3; i++) {
		const struct vfio_user_region_access a = { cuts[i].offset, 6, cuts[i].n };

		memcpy(sent, &a, sizeof(a));
		memcpy(sent + sizeof(a), buf + 8 * i, cuts[i].n);
		assert_sent(&nr, VFIO_USER_REGION_WRITE, sent, sizeof(a) + cuts[i].n, 0);
	}
	/* Nothing is no message. */
	assert_int_equal(vfu_client_region_read(client, 6, 0x30, buf, 0), 0);
	assert_int_equal(vfu_client_region_write(client, 6, 0x30, buf, 0), 0);
	assert_int_equal(peer.nr, nr);
}

/* At most two descriptors in a message, and only vectors of one kind. */
static void
vectors_are_wired_in_groups(void **state)
{
	struct vfio_irq_set s = { .argsz = 20,
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = 2 };
	static const uint32_t groups[][3] = { { 3, 2, 2 }, { 5, 1, 1 }, { 6, 3, 0 }, { 9, 1, 1 } };
	int fd = eventfd(0, EFD_CLOEXEC);
	const int fds[] = { fd, fd, fd, -1, -1, -1, fd };
	unsigned int nr = 1;

	peer.caps = "{\"capabilities\":{\"max_msg_fds\":2}}";
	assert_int_equal(begin(false), 0);
	assert_int_equal(vfu_client_set_irq_fds(client, 2, 3, 7, fds), 0);
	for (unsigned int i = 0; i < 4; i++) {
		s.start = groups[i][0];
		s.count = groups[i][1];
		assert_sent(&nr, VFIO_USER_DEVICE_SET_IRQS, &s, 20, groups[i][2]);
	}
	s.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
	s.start = s.count = 0;
	assert_int_equal(vfu_client_set_irq_fds(client, 2, 3, 0, NULL), 0);
	assert_sent(&nr, VFIO_USER_DEVICE_SET_IRQS, &s, 20, 0);
	assert_int_equal(vfu_client_set_irq_fds(client, 2, 3, 1, NULL), -EINVAL);
	assert_int_equal(vfu_client_set_irq_fds(client, 2, 3, 0, fds), 0);
	assert_int_equal(peer.nr, nr);
	/* The first message that fails is the last one. */
	peer.hdr.flags = VFIO_USER_F_ERROR;
	peer.hdr.error_no = ENOSPC;
	assert_int_equal(vfu_client_set_irq_fds(client, 2, 3, 7, fds), -ENOSPC);
	assert_int_equal(peer.nr, nr + 1);
	close(fd);
}

static void
server_without_descriptors_gets_none(void **state)
{
	int fd = memory_file(0x1000);
	const int none[] = { -1, -1 };
	unsigned int nr = 1;

	peer.caps = "{\"capabilities\":{\"max_msg_fds\":0,\"gantry_io_page_table\":1}}";
	assert_int_equal(begin(false), 0);
	assert_int_equal(vfu_client_set_irq_fds(client, 2, 0, 1, &fd), -EOPNOTSUPP);
	assert_int_equal(vfu_client_dma_map(client, fd, 0, 0, 0x1000, RW), -EOPNOTSUPP);
	assert_int_equal(vfu_client_page_table(client, fd, 0, 1), -EOPNOTSUPP);
	assert_int_equal(peer.nr, nr);
	assert_int_equal(vfu_client_set_irq_fds(client, 2, 0, 2, none), 0);
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0, 0x1000, RW), 0);
	assert_int_equal(peer.nr, nr + 2);
	close(fd);
}

static void
page_table_needs_a_server_that_knows_it(void **state)
{
	const struct vfio_user_io_page_table p = { sizeof(p), 0, 0x5000, 77 };
	int fd = memory_file(0x1000);
	unsigned int nr = 1;

	assert_int_equal(begin(false), 0);
	assert_int_equal(vfu_client_page_table(client, fd, 0x5000, 77), -EOPNOTSUPP);
	assert_int_equal(peer.nr, 1);
	teardown(NULL);
	setup(NULL);
	peer.caps = "{\"capabilities\":{\"gantry_io_page_table\":1}}";
	assert_int_equal(begin(false), 0);
	assert_int_equal(vfu_client_page_table(client, fd, 0x5000, 77), 0);
	assert_sent(&nr, VFIO_USER_IO_PAGE_TABLE, &p, sizeof(p), 1);
	close(fd);
}

static void
mappings_are_page_ranges_without_overlap(void **state)
{
	static const struct {
		uint64_t iova, size;
		bool ok;
	} t[] = {
		{ 0x1000, 0x1000, true },
		{ 0x4000, 0x3000, true },
		{ UINT64_MAX - 0xfff, 0x1000, true },
		{ UINT64_MAX - 0xfff, 0x2000, false },
		{ 0x10000, 0, false },
		{ 0x10000, 0x800, false },
		{ 0x10800, 0x1000, false },
	};
	int fd = memory_file(0x10000);
	unsigned int nr = 1;

	assert_int_equal(begin(false), 0);
	peer.echo = true;
	for (unsigned int i = 0; i < 2 * sizeof(t) / sizeof(t[0]); i++) {
		const bool file = i % 2 == 1, ok = t[i / 2].ok;
		const uint64_t iova = t[i / 2].iova, size = t[i / 2].size;
		const struct vfio_user_dma_map m = { sizeof(m), VFU_DMA_READ, file ? 0x3000 : 0,
			iova, size };
		const struct vfio_user_dma_unmap u = { sizeof(u), 0, iova, size };

		assert_int_equal(vfu_client_dma_map(client, file ? fd : -1, 0x3000, iova, size,
						 VFU_DMA_READ),
				ok ? 0 : -EINVAL);
		if (ok)
			assert_sent(&nr, VFIO_USER_DMA_MAP, &m, sizeof(m), file ? 1 : 0);
		assert_int_equal(vfu_client_dma_unmap(client, iova, size), ok ? 0 : -EINVAL);
		if (ok)
			assert_sent(&nr, VFIO_USER_DMA_UNMAP, &u, sizeof(u), 0);
		assert_int_equal(peer.nr, nr);
	}
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x1000, 0x1000, 0), -EINVAL);
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x1000, 0x1000, 4 | RW), -EINVAL);
	assert_int_equal(peer.nr, nr);
	/* A range that the server refuses is free again. */
	peer.hdr.flags = VFIO_USER_F_ERROR;
	peer.hdr.error_no = ENOSPC;
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x4000, 0x3000, RW), -ENOSPC);
	peer.hdr = (struct vfio_user_header){ 0 };
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x4000, 0x3000, RW), 0);
	nr = peer.nr;
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x4000, 0x1000, RW), -EEXIST);
	assert_int_equal(vfu_client_dma_map(client, fd, 0, 0x6000, 0x2000, RW), -EEXIST);
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x3000, 0x2000, RW), -EEXIST);
	assert_int_equal(peer.nr, nr);
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x3000, 0x1000, RW), 0);
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x7000, 0x1000, RW), 0);
	close(fd);
}

static int
get_device_info(void)
{
	struct vfu_device_info info;

	return vfu_client_device_info(client, &info);
}

static int
get_region_info(void)
{
	struct vfu_region r;

	return vfu_client_region_info(client, 0, &r);
}

static int
get_irq_info(void)
{
	struct vfu_irq_info info;

	return vfu_client_irq_info(client, 0, &info);
}

static int
read_nothing_of(void)
{
	uint8_t b;

	return vfu_client_region_read(client, 0, 0, &b, 1);
}

static int
write_byte(void)
{
	return vfu_client_region_write(client, 0, 0, "", 1);
}

/* A payload of zeros: the least that a call accepts, and a byte less. */
static void
short_reply_loses_the_connection(void **state)
{
	static const struct {
		int (*call)(void);
		size_t least;
		int ret; /* with the least payload */
		const char *name;
	} t[] = {
		{ get_device_info, 16, 0, "DEVICE_GET_INFO" },
		{ get_region_info, 32, 0, "DEVICE_GET_REGION_INFO" },
		{ get_irq_info, 16, 0, "DEVICE_GET_IRQ_INFO" },
		{ read_nothing_of, 16, -EPROTO, "REGION_READ" },
		{ write_byte, 16, -EPROTO, "REGION_WRITE" },
	};
	char expected[100];

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		setup(NULL);
		assert_int_equal(begin(false), 0);
		peer.len = t[i].least;
		assert_int_equal(t[i].call(), t[i].ret);
		assert_true(vfu_client_alive(client));
		peer.len = t[i].least - 1;
		assert_int_equal(t[i].call(), -ENODEV);
		assert_false(vfu_client_alive(client));
		assert_int_equal(lost, 1);
		snprintf(expected, sizeof(expected), "server's reply to %s is too short",
				t[i].name);
		assert_string_equal(why, expected);
		if (i + 1 != sizeof(t) / sizeof(t[0]))
			teardown(NULL);
	}
}

static void
answer_about_another_object_is_refused(void **state)
{
	struct vfio_irq_info irq = { .index = 1, .flags = 2, .count = 3 };
	struct vfio_user_region_access a = { 0, 0, 2 };
	struct vfu_irq_info info;
	uint8_t byte;

	assert_int_equal(begin(false), 0);
	wait_until(waits != 0); /* for the next reply, and for as long as that takes */
	assert_int_equal(busy_waits, 0);
	memcpy(peer.data, &irq, sizeof(irq));
	peer.len = sizeof(irq);
	assert_int_equal(vfu_client_irq_info(client, 1, &info), 0);
	assert_int_equal(info.flags, 2);
	assert_int_equal(info.count, 3);
	assert_int_equal(vfu_client_irq_info(client, 0, &info), -EPROTO);
	memcpy(peer.data, &a, sizeof(a));
	peer.len = sizeof(a) + 1;
	assert_int_equal(vfu_client_region_read(client, 0, 0, &byte, 1), -EPROTO);
	assert_int_equal(vfu_client_region_write(client, 0, 0, &byte, 1), -EPROTO);
	a.count = 1;
	memcpy(peer.data, &a, sizeof(a));
	assert_int_equal(vfu_client_region_read(client, 0, 0, &byte, 1), 0);
	assert_int_equal(vfu_client_region_write(client, 0, 0, &byte, 1), 0);
	peer.len++;
	assert_int_equal(vfu_client_region_read(client, 0, 0, &byte, 1), -EPROTO);
	assert_true(vfu_client_alive(client));
}

/* The server gives the room that the information needs. */
static void
region_info_is_requested_once_more(void **state)
{
	struct vfio_region_info r = { .argsz = 176 };
	struct vfio_region_info req = { .argsz = 65536 };
	struct vfu_region region;
	unsigned int nr = 2;

	assert_int_equal(begin(false), 0);
	peer.len = sizeof(r);
	memcpy(peer.data, &r, sizeof(r));
	assert_int_equal(vfu_client_region_info(client, 0, &region), 0);
	assert_int_equal(peer.nr, 2);
	r.argsz = 65536;
	memcpy(peer.data, &r, sizeof(r));
	assert_int_equal(vfu_client_region_info(client, 0, &region), 0);
	assert_int_equal(peer.nr, 4);
	nr = 3;
	assert_sent(&nr, VFIO_USER_DEVICE_GET_REGION_INFO, &req, sizeof(req), 0);
	r.argsz = 65537;
	memcpy(peer.data, &r, sizeof(r));
	assert_int_equal(vfu_client_region_info(client, 0, &region), -E2BIG);
	assert_int_equal(peer.nr, 5);
	assert_int_equal(region.fd, -1);
	peer.grows = true;
	assert_int_equal(vfu_client_region_info(client, 0, &region), -EPROTO);
	assert_int_equal(peer.nr, 7);
}

static void
region_without_areas_is_mapped_as_a_whole(void **state)
{
	struct vfio_region_info r = { .argsz = 32, .flags = 7, .size = 0x2000, .offset = 0x1000 };
	int socks[2], mem = memory_file(0x3000);
	struct vfu_region region;

	assert_int_equal(begin(false), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	peer.fd = mem;
	peer.len = sizeof(r);
	memcpy(peer.data, &r, sizeof(r));
	assert_int_equal(vfu_client_region_info(client, 0, &region), 0);
	assert_int_equal(region.size, 0x2000);
	assert_int_equal(region.fd_offset, 0x1000);
	assert_int_equal(region.flags, 7);
	assert_int_equal(region.nr_areas, 0);
	assert_true(region.fd >= 0);
	close(region.fd);
	assert_int_equal(ftruncate(mem, 0x2fff), 0);
	assert_int_equal(vfu_client_region_info(client, 0, &region), -EPROTO);
	assert_int_equal(region.fd, -1);
	assert_int_equal(region.size, 0);
	assert_int_equal(ftruncate(mem, 0xfff), 0); /* the region begins behind its end */
	assert_int_equal(vfu_client_region_info(client, 0, &region), -EPROTO);
	/* A file that is no memory is not mapped. */
	peer.fd = socks[0];
	assert_int_equal(vfu_client_region_info(client, 0, &region), 0);
	assert_int_equal(region.flags, 3);
	assert_int_equal(region.fd, -1);
	assert_int_equal(region.size, 0x2000);
	peer.fd = mem;
	r.size = 0;
	memcpy(peer.data, &r, sizeof(r));
	assert_int_equal(vfu_client_region_info(client, 0, &region), 0);
	assert_int_equal(region.flags, 3);
	assert_int_equal(region.fd, -1);
	/* The largest region that the offsets of a file could reach. */
	r.flags = 3;
	r.size = INT64_MAX;
	memcpy(peer.data, &r, sizeof(r));
	assert_int_equal(vfu_client_region_info(client, 0, &region), 0);
	assert_int_equal(region.size, INT64_MAX);
	r.size++;
	memcpy(peer.data, &r, sizeof(r));
	assert_int_equal(vfu_client_region_info(client, 0, &region), -EPROTO);
	close(socks[0]);
	close(socks[1]);
	close(mem);
}

static void
failed_send_has_its_consequence(void **state)
{
	static const struct {
		int error, ret;
		bool sends;
		unsigned int ms;
		const char *why; /* NULL: the connection is alive */
	} t[] = {
		{ EINTR, 0, false, 0, NULL },
		{ EAGAIN, 0, false, 0, NULL },
		{ EBADF, -EBADF, false, 0, NULL },
		{ ETOOMANYREFS, -ETOOMANYREFS, false, 0, NULL },
		/* The reply of a server that closes may be in the socket. */
		{ EPIPE, 0, true, 0, NULL },
		{ ECONNRESET, 0, true, 0, NULL },
		{ EAGAIN, -ETIMEDOUT, false, SOON_MS, "server does not read its socket" },
		{ ENOBUFS, -ENODEV, false, 0, "cannot send to the server" },
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		setup(NULL);
		assert_int_equal(begin(false), 0);
		send_error = t[i].error;
		sends_nevertheless = t[i].sends;
		refused_ms = t[i].ms;
		assert_int_equal(vfu_client_reset(client), t[i].ret);
		assert_int_equal(vfu_client_alive(client), t[i].why == NULL);
		assert_int_equal(lost, t[i].why == NULL ? 0 : 1);
		assert_string_equal(why, t[i].why == NULL ? "" : t[i].why);
		assert_int_equal(vfu_client_reset(client), t[i].why == NULL ? 0 : -ENODEV);
		if (i + 1 != sizeof(t) / sizeof(t[0]))
			teardown(NULL);
	}
}

/* The socket takes a few bytes at a time. The descriptors go with the first of them. */
static void
message_is_sent_in_pieces(void **state)
{
	const struct vfio_user_region_access a = { 0x40, 1, 12 };
	uint8_t sent[sizeof(a) + 12];
	int mem = memory_file(0x1000);
	unsigned int nr = 1;

	memcpy(sent, &a, sizeof(a));
	memcpy(sent + sizeof(a), "twelve bytes", 12);
	assert_int_equal(begin(false), 0);
	peer.echo = true;
	for (most = 1; most <= 12; most++) {
		const struct vfio_user_dma_map m = { sizeof(m), RW, 0, most << 12, 0x1000 };

		assert_int_equal(vfu_client_region_write(client, 1, 0x40, "twelve bytes", 12), 0);
		assert_sent(&nr, VFIO_USER_REGION_WRITE, sent, sizeof(sent), 0);
		assert_int_equal(vfu_client_dma_map(client, mem, 0, most << 12, 0x1000, RW), 0);
		assert_sent(&nr, VFIO_USER_DMA_MAP, &m, sizeof(m), 1);
	}
	close(mem);
}

static void
failed_receipt_has_its_consequence(void **state)
{
	static const int harmless[] = { EINTR, EAGAIN };

	assert_int_equal(begin(false), 0);
	for (unsigned int i = 0; i < 2; i++) {
		receive_error = harmless[i];
		assert_int_equal(vfu_client_reset(client), 0);
		assert_int_equal(receive_error, 0);
	}
	receive_error = ENOTCONN;
	assert_int_equal(vfu_client_reset(client), -ENODEV);
	wait_until(lost == 1);
	assert_string_equal(why, "server: connection reset");
}

/* Requests of the server: one that needs no reply, and those that the owner of the memory fails. */
static void
server_gets_no_reply_that_it_does_not_need(void **state)
{
	struct __attribute__((packed)) {
		struct vfio_user_header h;
		struct vfio_user_dma_access a;
		uint8_t data[4];
	} req = {
		.h = { .msg_id = 5,
				.cmd = VFIO_USER_DMA_WRITE,
				.flags = VFIO_USER_F_NO_REPLY,
				.msg_size = sizeof(req) },
		.a = { 0x1000, 4 },
		.data = { 1, 2, 3, 4 },
	};
	const struct call *c = &peer.calls[2];

	assert_int_equal(begin(false), 0);
	assert_int_equal(vfu_client_dma_map(client, -1, 0, 0x1000, 0x1000, RW), 0);
	raw_send(peer.sock, &req, sizeof(req), NULL, 0);
	wait_until(served[3] == 4);
	served_by_client = -ENXIO;
	req.h.msg_id = 6;
	req.h.flags = 0;
	raw_send(peer.sock, &req, sizeof(req), NULL, 0);
	wait_until(peer.nr == 3);
	assert_int_equal(c->h.msg_id, 6);
	assert_int_equal(c->h.cmd, VFIO_USER_DMA_WRITE);
	assert_int_equal(c->h.flags, VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR);
	assert_int_equal(c->h.error_no, ENXIO);
	assert_int_equal(c->len, 0);
	served_by_client = 0;
	req.h.msg_id = 7;
	req.h.cmd = VFIO_USER_DMA_READ;
	req.h.msg_size = sizeof(req.h) + sizeof(req.a);
	raw_send(peer.sock, &req, req.h.msg_size, NULL, 0);
	wait_until(peer.nr == 4);
	c++;
	assert_int_equal(c->h.msg_id, 7);
	assert_int_equal(c->h.flags, VFIO_USER_F_TYPE_REPLY);
	assert_int_equal(c->len, sizeof(req.a) + 4);
	assert_memory_equal(c->data, &req.a, sizeof(req.a));
	assert_memory_equal(c->data + sizeof(req.a), "\x5a\x5a\x5a\x5a", 4);
	assert_true(vfu_client_alive(client));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(version_names_the_capabilities_of_the_client),
		T(refused_version_has_its_reason),
		T(loss_during_the_connection_is_reported),
		T(message_has_at_most_16_descriptors),
		T(requests_name_what_they_ask_for),
		T(long_accesses_are_cut_into_messages),
		T(vectors_are_wired_in_groups),
		T(server_without_descriptors_gets_none),
		T(page_table_needs_a_server_that_knows_it),
		T(mappings_are_page_ranges_without_overlap),
		T(short_reply_loses_the_connection),
		T(answer_about_another_object_is_refused),
		T(region_info_is_requested_once_more),
		T(region_without_areas_is_mapped_as_a_whole),
		T(failed_send_has_its_consequence),
		T(message_is_sent_in_pieces),
		T(failed_receipt_has_its_consequence),
		T(server_gets_no_reply_that_it_does_not_need),
	};

	return cmocka_run_group_tests_name("vfio_user_client_calls", tests, NULL, NULL);
}
