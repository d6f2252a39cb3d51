/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The connections of the server: clients that come too early, are silent, or leave; the socket. */

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <sys/file.h>

#include "server_priv.h"
#include "test_clock.h"
#include "vfu_server_test.h"

/* How long the control thread waits for its descriptors, milliseconds; -1: without a limit. */
static atomic_int wait_ms;

int __real_poll(struct pollfd *pfds, nfds_t nr, int timeout);
int __wrap_poll(struct pollfd *pfds, nfds_t nr, int timeout);

int
__wrap_poll(struct pollfd *pfds, nfds_t nr, int timeout)
{
	if (nr == 4 + VFU_REFUSALS)
		wait_ms = timeout;
	return __real_poll(pfds, nr, timeout);
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
	wait_until(is_forgotten(&dev));
}

static void
client_that_is_attached_at_the_end_is_detached_with_the_reason(void **state)
{
	int s = raw_attach(&dev);

	device_stop(&dev);
	assert_int_equal(dev.detached, dev.attached);
	assert_string_equal(dev.why, "server stops");
	assert_true(raw_closed(s));
	close(s);
	device_start(&dev);
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
	wait_until(is_forgotten(&dev));
}

/*
 * Clients that send nothing, or half a message, delay no other client, and their connection
 * ends.
 */
static void
silent_second_clients_are_refused_in_time(void **state)
{
	static const struct vfio_user_header long_one = { .cmd = VFIO_USER_VERSION,
		.msg_size = VFU_MSG_MAX, },
					     bad = { .msg_size = 3 };
	enum { SILENT = 40, WAITING = 4 };
	int s = raw_attach(&dev), before = count_fds(), t[SILENT];

	for (unsigned int i = 0; i < SILENT; i++) {
		t[i] = raw_connect(dev.path);
		raw_send(t[i], &long_one, i % (sizeof(long_one) + 1), NULL, 0);
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
		if (i >= WAITING) /* the oldest makes room, at once */
			assert_refused(t[i - WAITING], 0);
	}
	for (unsigned int i = SILENT - WAITING; i < SILENT; i++)
		assert_refused(t[i], 0);

	/* A message that cannot be parsed, and a client that disconnects. */
	t[0] = raw_connect(dev.path);
	raw_send(t[0], &bad, sizeof(bad), NULL, 0);
	assert_refused(t[0], 0);
	close(raw_connect(dev.path));
	/* The server accepts one client a turn: the reply means that it has seen that one. */
	assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	wait_until(count_fds() <= before);

	/* Clients that remain when the server stops, or after the first client has disconnected. */
	for (unsigned int i = 0; i < 2; i++) {
		t[i] = raw_connect(dev.path);
		/* As above. */
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	}
	close(s);
	wait_until(is_forgotten(&dev));
	raw_send(t[0], &long_one, sizeof(long_one) - 1, NULL, 0);
	close(raw_attach(&dev));
	device_stop(&dev);
	assert_refused(t[0], 0);
	assert_refused(t[1], 0);
	device_start(&dev);
}

static bool
has_client(void)
{
	struct vfu_server_stats st;

	vfu_server_get_stats(dev.server, &st);
	return st.client;
}

/* Either time may end first: that of a client without VERSION, or that of a refused one. */
static void
control_thread_waits_for_the_first_deadline(void **state)
{
	const int first = 3000;
	int s = raw_connect(dev.path), t;

	wait_until(has_client());
	passed_ms += VFU_HANDSHAKE_MS - first;
	t = raw_connect(dev.path);
	wait_until(wait_ms >= 0 && wait_ms <= first);
	close(s);
	wait_until(!has_client());
	usleep(20000); /* the control thread waits for the refused client alone */
	wait_ms = INT_MAX;
	passed_ms += VFU_HANDSHAKE_MS - first;
	s = raw_connect(dev.path);
	wait_until(wait_ms >= 0 && wait_ms <= first);
	close(s);
	close(t);
	wait_until(!has_client() && wait_ms == -1);
}

/* While descriptors wait to be closed, the control thread looks at them every 20 ms. */
static void
control_thread_looks_again_for_closed_descriptors(void **state)
{
	const unsigned int nr = VFU_DEFAULT_FDS + VFU_MSG_FDS + 1;
	int s = raw_connect(dev.path), t;

	wait_until(has_client());
	for (unsigned int i = 0; i < nr; i++)
		vfu_closer_took(dev.server->refused);
	t = raw_connect(dev.path);
	wait_until(wait_ms == 20);
	for (unsigned int i = 0; i < nr; i++)
		vfu_closer_close(dev.server->refused, eventfd(0, EFD_CLOEXEC));
	wait_until(wait_ms > 20);
	close(s);
	close(t);
	wait_until(!has_client() && wait_ms == -1);
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
	wait_until(is_forgotten(&dev));
	assert_non_null(strstr(dev.why, "did not send the rest"));
	assert_true(raw_closed(s));
	close(s);
	close(raw_attach(&dev));
	wait_until(is_forgotten(&dev));
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
	wait_until(is_forgotten(&dev));
	assert_non_null(strstr(dev.why, "does not read"));
	close(s);
	close(raw_attach(&dev));
	wait_until(is_forgotten(&dev));
}

static void
owner_can_drop_the_client(void **state)
{
	int s = raw_attach(&dev);

	vfu_server_drop_client(dev.server, "the operator wishes so");
	assert_true(raw_closed(s));
	wait_until(is_forgotten(&dev));
	assert_string_equal(dev.why, "the operator wishes so");
	close(s);
	vfu_server_drop_client(dev.server, "nobody is there");
	close(raw_attach(&dev));
	wait_until(is_forgotten(&dev));
}

static atomic_bool busy;
static atomic_bool reads_own, reads_other; /* the devices whose grace periods wait for a command */

static void
stay_busy(struct device *d, uint64_t offset, const void *buf, size_t len)
{
	reads_own = vfu_rcu_is_online() && vfu_rcu_reads(d->server);
	reads_other = vfu_rcu_reads((const void *)d);
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
	struct vfio_user_header h = {
		.msg_id = 7,
		.cmd = VFIO_USER_REGION_WRITE,
		.msg_size = sizeof(h) + 20,
	};
	int s, writes = dev.writes;

	assert_false(gone());
	s = raw_attach(&dev);
	assert_false(gone());
	busy = true;
	reads_own = false;
	reads_other = true;
	dev.on_write = stay_busy;
	memcpy(msg, &h, sizeof(h));
	memcpy(msg + sizeof(h), &wr, sizeof(wr));
	raw_send(s, msg, h.msg_size, NULL, 0);
	wait_until(dev.writes == writes + 1);
	assert_false(gone());
	close(s);
	assert_true(gone());
	busy = false;
	wait_until(is_forgotten(&dev));
	assert_true(reads_own);
	assert_false(reads_other);
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
	assert_non_null(strstr(err, "in use by another process"));

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
	assert_non_null(strstr(s.err, "in use by another process"));
	assert_int_equal(unlink(path), 0);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(client_that_is_attached_at_the_end_is_detached_with_the_reason),
		T(next_client_is_served_however_fast),
		T(second_client_gets_a_reply_to_its_version),
		T(silent_second_clients_are_refused_in_time),
		T(control_thread_waits_for_the_first_deadline),
		T(control_thread_looks_again_for_closed_descriptors),
		T(client_that_ends_no_message_is_dropped_in_time),
		T(client_that_never_reads_is_dropped),
		T(owner_can_drop_the_client),
		T(closed_peer_is_seen_while_the_control_thread_is_busy),
		T(socket_file_is_private_and_only_stale_ones_are_replaced),
		T(one_server_at_a_time_takes_a_stale_socket),
	};

	return cmocka_run_group_tests_name("vfio_user_connections", tests, NULL, NULL);
}
