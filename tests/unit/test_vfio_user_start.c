/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The start of a server and of a client: descriptions that the server refuses, and system calls
 * that fail. A server or a client that does not start returns the error and its reason, and leaves
 * neither a descriptor nor a file. The linker redirects each of these calls to this file.
 */

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include <sys/resource.h>

#include "test_clock.h"
#include "vfu_test.h"

#define MAX_VECTORS 2048 /* of an index */

enum call {
	NONE,
	EVENTFD,
	OPEN_NULL,
	OPEN_FOLDER,
	EPOLL,
	AIO,
	SIGACTION,
	FLOCK,
	SOCKET,
	FCHMOD,
	BIND,
	CHMOD,
	LISTEN,
	THREAD,
	CONNECT,
	LSTAT,
	UNLINK,
};

static enum call failing;
static int error, left; /* of the failing call: its error, and how many calls succeed before */

static bool always; /* each call fails, and takes a second */

/* The call whose descriptor is to be 0, and how many such calls come before. */
static enum call zero;
static int zero_left;

/* Each redirected call comes here. Return whether it fails. */
static bool
fails(enum call call)
{
	if (call == zero && zero_left-- == 0)
		close(0);
	if (call != failing || (left-- != 0 && !always))
		return false;
	if (always)
		passed_ms += 1000;
	errno = error;
	return true;
}

#define WRAP(type, name, call, args, names) \
	type __real_##name args; \
	type __wrap_##name args; \
	type __wrap_##name args \
	{ \
		return fails(call) ? -1 : __real_##name names; \
	}

WRAP(int, eventfd, EVENTFD, (unsigned int n, int flags), (n, flags))
WRAP(int, epoll_create1, EPOLL, (int flags), (flags))
WRAP(int, flock, FLOCK, (int fd, int op), (fd, op))
WRAP(int, socket, SOCKET, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, fchmod, FCHMOD, (int fd, mode_t mode), (fd, mode))
WRAP(int, bind, BIND, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
WRAP(int, connect, CONNECT, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
WRAP(int, chmod, CHMOD, (const char *path, mode_t mode), (path, mode))
WRAP(int, lstat64, LSTAT, (const char *path, struct stat *st), (path, st))
WRAP(int, unlink, UNLINK, (const char *path), (path))
WRAP(int, listen, LISTEN, (int fd, int backlog), (fd, backlog))

static unsigned int installs; /* of a handler of SIGBUS, by the library */

int __real_sigaction(int sig, const struct sigaction *sa, struct sigaction *old);
int __wrap_sigaction(int sig, const struct sigaction *sa, struct sigaction *old);

int
__wrap_sigaction(int sig, const struct sigaction *sa, struct sigaction *old)
{
	if (fails(SIGACTION))
		return -1;
	installs += sig == SIGBUS && sa != NULL;
	return __real_sigaction(sig, sa, old);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *),
		void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *),
		void *arg);
long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);

int
__wrap_open64(const char *path, int flags, ...)
{
	if (fails(strcmp(path, "/dev/null") == 0 ? OPEN_NULL : OPEN_FOLDER))
		return -1;
	return __real_open64(path, flags);
}

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return fails(THREAD) ? error : __real_pthread_create(t, attr, run, arg);
}

long
__wrap_syscall(long nr, ...)
{
	long a[5];
	va_list ap;

	/* No test raises interrupts, and the kernel takes long to end a context. */
	if (nr == SYS_io_setup)
		return fails(AIO) ? -1 : 0;
	va_start(ap, nr);
	for (unsigned int i = 0; i < 5; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return __real_syscall(nr, a[0], a[1], a[2], a[3], a[4]);
}

static struct device dev;

/* Start a server by a description. A server that does not start leaves no descriptor. */
static int
start(const struct vfu_server_desc *desc, const struct vfu_server_ops *ops, const char *path,
		char *err)
{
	const int before = count_fds();
	int ret;

	dev.server = (void *)&dev;
	ret = vfu_server_start(path, desc, ops, &dev, &dev.server, err);
	if (ret != 0)
		assert_int_equal(count_fds(), before);
	else
		assert_string_equal(err, "");
	return ret;
}

/* Fail the test unless a server with this description starts. */
static void
assert_starts(const struct vfu_server_desc *desc)
{
	char path[100], err[VFU_ERR_LEN];

	test_path(path, sizeof(path));
	if (start(desc, &dev_ops, path, err) != 0)
		fail_msg("%s", err);
	vfu_server_stop(dev.server);
}

static void
assert_refuses(const struct vfu_server_desc *desc, const char *why)
{
	char path[100], err[VFU_ERR_LEN];

	test_path(path, sizeof(path));
	assert_int_equal(start(desc, &dev_ops, path, err), -EINVAL);
	assert_string_equal(err, why);
	assert_int_equal(access(path, F_OK), -1);
}

static struct vfu_server_desc
description(void)
{
	struct vfu_server_desc desc;

	fill_desc(&desc, dev.bar_fd);
	return desc;
}

static void
areas_are_whole_pages_inside_their_region(void **state)
{
	static const struct {
		uint64_t offset, size;
		bool ok;
	} t[] = {
		{ 0, BAR0_SIZE, true },
		{ BAR0_SIZE - 0x1000, 0x1000, true },
		{ BAR0_SIZE - 0x1000, 0x2000, false },
		{ BAR0_SIZE, 0x1000, false },
		{ BAR0_SIZE + 0x1000, 0x1000, false },
		{ UINT64_MAX - 0xfff, 0x1000, false },
		{ 0x1000, 0, false },
		{ 0x1000, 0x800, false },
		{ 0x1000, 0x1001, false },
		{ 0x800, 0x1000, false },
		{ 0x1001, 0x1000, false },
	};
	struct vfu_server_desc desc;

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		desc = description();
		desc.regions[0].areas[1].offset = t[i].offset;
		desc.regions[0].areas[1].size = t[i].size;
		if (t[i].ok)
			assert_starts(&desc);
		else
			assert_refuses(&desc, "region 0: area 1 is no pages of it");
	}
	desc = description();
	desc.regions[VFU_SRV_REGIONS - 1] = desc.regions[0];
	desc.regions[VFU_SRV_REGIONS - 1].areas[0].size = 1;
	assert_refuses(&desc, "region 8: area 0 is no pages of it");
}

static void
areas_have_a_descriptor_and_a_largest_number(void **state)
{
	static const char why[] = "region 0: too many areas, or areas without a descriptor";
	struct vfu_server_desc desc = description();

	for (unsigned int a = 0; a < VFU_SRV_AREAS; a++) {
		desc.regions[0].areas[a].offset = a * 0x1000u;
		desc.regions[0].areas[a].size = 0x1000;
	}
	desc.regions[0].nr_areas = VFU_SRV_AREAS;
	assert_starts(&desc);
	desc.regions[0].nr_areas = VFU_SRV_AREAS + 1;
	assert_refuses(&desc, why);
	desc.regions[0].nr_areas = 1;
	desc.regions[0].fd = -1;
	assert_refuses(&desc, why);
	desc.regions[0].nr_areas = 0;
	assert_starts(&desc);
}

static void
index_has_at_most_2048_vectors(void **state)
{
	struct vfu_server_desc desc = description();

	desc.irq_counts[VFU_SRV_IRQS - 1] = MAX_VECTORS;
	assert_starts(&desc);
	desc.irq_counts[VFU_SRV_IRQS - 1] = MAX_VECTORS + 1;
	assert_refuses(&desc, "interrupt index 4: more than 2048 vectors");
}

static void
failed_call_leaves_nothing(void **state)
{
	static const struct {
		enum call call;
		int error;
		const char *why;
		int left;
	} t[] = {
		{ EVENTFD, EMFILE, "%s: Too many open files", 0 },
		{ OPEN_NULL, EMFILE, "%s: cannot set up interrupts: Too many open files", 0 },
		{ EPOLL, ENFILE, "%s: cannot set up interrupts: Too many open files in system", 0 },
		{ AIO, EAGAIN, "%s: cannot set up interrupts: Resource temporarily", 0 },
		{ OPEN_FOLDER, EACCES, "%s: its folder cannot be locked: Permission denied", 0 },
		{ FLOCK, ENOLCK, "%s: its folder cannot be locked: No locks available", 0 },
		{ SOCKET, EMFILE, "%s: cannot make the socket: Too many open files", 0 },
		{ FCHMOD, EPERM, "%s: cannot make the socket: Operation not permitted", 0 },
		{ BIND, EROFS, "%s: cannot make the socket: Read-only file system", 0 },
		{ CHMOD, EPERM, "%s: cannot listen: Operation not permitted", 0 },
		{ LISTEN, EADDRINUSE, "%s: cannot listen: Address already in use", 0 },
		{ THREAD, EAGAIN, "%s: cannot start a thread: Resource temporarily", 0 },
		{ LSTAT, EIO, "%s: Input/output error", 0 },
		{ LSTAT, EIO, "%s: cannot listen: Input/output error", 1 },
	};
	const struct vfu_server_desc desc = description();
	char path[100], err[VFU_ERR_LEN], why[VFU_ERR_LEN];

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		test_path(path, sizeof(path));
		snprintf(why, sizeof(why), t[i].why, path);
		failing = t[i].call;
		error = t[i].error;
		left = t[i].left;
		assert_int_equal(start(&desc, &dev_ops, path, err), -t[i].error);
		failing = NONE;
		assert_memory_equal(err, why, strlen(why));
		assert_null(dev.server);
		assert_int_equal(access(path, F_OK), -1);
		assert_int_equal(start(&desc, &dev_ops, path, err), 0);
		vfu_server_stop(dev.server);
		assert_int_equal(access(path, F_OK), -1);
	}
}

/* Without a socket the server cannot know whether a file is stale, and leaves it. */
static void
stale_socket_stays_if_it_cannot_be_tried(void **state)
{
	const struct vfu_server_desc desc = description();
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char err[VFU_ERR_LEN];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	test_path(sa.sun_path, sizeof(sa.sun_path) - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	close(fd);
	failing = SOCKET;
	error = EMFILE;
	left = 0;
	assert_int_equal(start(&desc, &dev_ops, sa.sun_path, err), -EMFILE);
	failing = NONE;
	assert_non_null(strstr(err, ": socket: Too many open files"));
	assert_int_equal(access(sa.sun_path, F_OK), 0);
	failing = UNLINK;
	error = EROFS;
	left = 0;
	assert_int_equal(start(&desc, &dev_ops, sa.sun_path, err), -EROFS);
	failing = NONE;
	assert_non_null(strstr(err, ": stale socket cannot be removed: Read-only file system"));
	assert_int_equal(access(sa.sun_path, F_OK), 0);
	assert_int_equal(start(&desc, &dev_ops, sa.sun_path, err), 0);
	vfu_server_stop(dev.server);
}

/* Another process puts a file at the path of the socket, or removes the socket. */
static void
stopped_server_removes_only_its_own_socket(void **state)
{
	const struct vfu_server_desc desc = description();
	char path[100], err[VFU_ERR_LEN];
	int fd;

	for (unsigned int i = 0; i < 3; i++) {
		test_path(path, sizeof(path));
		assert_int_equal(start(&desc, &dev_ops, path, err), 0);
		if (i != 0)
			assert_int_equal(unlink(path), 0);
		if (i == 1) {
			fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
			assert_true(fd >= 0);
			close(fd);
		}
		vfu_server_stop(dev.server);
		assert_int_equal(access(path, F_OK), i == 1 ? 0 : -1);
		if (i == 1)
			assert_int_equal(unlink(path), 0);
	}
}

/* A process that keeps the folder locked: the server waits for it, but not for ever. */
static void
locked_folder_is_waited_for_in_time(void **state)
{
	const struct vfu_server_desc desc = description();
	char path[100], err[VFU_ERR_LEN];

	test_path(path, sizeof(path));
	failing = FLOCK;
	error = EWOULDBLOCK;
	left = 0;
	assert_int_equal(start(&desc, &dev_ops, path, err), 0); /* it is free the second time */
	failing = NONE;
	vfu_server_stop(dev.server);
	failing = FLOCK;
	left = 0;
	always = true;
	assert_int_equal(start(&desc, &dev_ops, path, err), -EBUSY);
	always = false;
	failing = NONE;
	assert_non_null(strstr(err,
			": its folder cannot be locked: another process keeps it locked"));
	assert_int_equal(access(path, F_OK), -1);
}

static struct vfu_server_stats
stats(void)
{
	struct vfu_server_stats st;

	memset(&st, 0xff, sizeof(st));
	vfu_server_get_stats(dev.server, &st);
	return st;
}

/* A client that does not connect leaves no descriptor, and reports what to do. */
static void
client_whose_start_fails_leaves_nothing(void **state)
{
	static const struct {
		enum call call;
		int error;
		const char *why;
	} t[] = {
		{ SOCKET, EMFILE, "Too many open files" },
		{ CONNECT, ENOENT, "no such socket; is the server started, and the path right?" },
		{ CONNECT, ECONNREFUSED, "no server listens there; start the server" },
		{ CONNECT, EACCES,
				"permission denied; the socket belongs to the user of its server" },
		{ CONNECT, ETIMEDOUT, "the server does not answer: is it stopped?" },
		{ CONNECT, EPERM, "Operation not permitted" },
		{ THREAD, EAGAIN, "cannot start a thread: Resource temporarily unavailable" },
	};
	const struct vfu_server_desc desc = description();
	const struct vfu_client_params params = { .timeout_ms = SOON_MS };
	char path[100], err[VFU_ERR_LEN], why[VFU_ERR_LEN + 100];
	struct vfu_client *c;
	int before;

	test_path(path, sizeof(path));
	assert_int_equal(start(&desc, &dev_ops, path, err), 0);
	before = count_fds();
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		snprintf(why, sizeof(why), "%s: %s", path, t[i].why);
		failing = t[i].call;
		error = t[i].error;
		left = 0;
		assert_int_equal(vfu_client_connect(path, &params, &c, err), -t[i].error);
		failing = NONE;
		assert_string_equal(err, why);
		wait_until(!stats().client && count_fds() == before);
	}
	/* A signal interrupts the call, which the client repeats. */
	failing = CONNECT;
	error = EINTR;
	left = 0;
	assert_int_equal(vfu_client_connect(path, &params, &c, err), 0);
	failing = NONE;
	assert_string_equal(err, "");
	assert_true(vfu_client_alive(c));
	vfu_client_close(c);
	wait_until(!stats().client && count_fds() == before);
	vfu_server_stop(dev.server);
}

static void
other_handler(int sig, siginfo_t *info, void *context)
{
}

/* The servers of a process share it. The program may have installed its own one in between. */
static void
handler_of_sigbus_is_installed_once_and_again_after_another(void **state)
{
	const struct vfu_server_desc desc = description();
	struct sigaction first, now;
	char path[100], err[VFU_ERR_LEN];

	signal(SIGBUS, SIG_IGN);
	for (int before = 0; before < 2; before++) {
		test_path(path, sizeof(path));
		failing = SIGACTION;
		error = EPERM;
		left = before;
		assert_int_equal(start(&desc, &dev_ops, path, err), -EPERM);
		failing = NONE;
		assert_non_null(strstr(err, ": cannot handle SIGBUS: Operation not permitted"));
	}
	installs = 0;
	assert_starts(&desc);
	assert_int_equal(installs, 1);
	assert_int_equal(__real_sigaction(SIGBUS, NULL, &first), 0);
	assert_int_equal(first.sa_flags & (SA_SIGINFO | SA_ONSTACK | SA_RESTART),
			SA_SIGINFO | SA_ONSTACK | SA_RESTART);
	for (int sig = 1; sig < 32; sig++)
		assert_false(sigismember(&first.sa_mask, sig));
	assert_starts(&desc);
	assert_int_equal(installs, 1);
	signal(SIGBUS, SIG_IGN);
	assert_starts(&desc);
	assert_int_equal(installs, 2);
	assert_int_equal(__real_sigaction(SIGBUS, NULL, &now), 0);
	assert_ptr_equal(now.sa_sigaction, first.sa_sigaction);
	/* Another one of the same kind. */
	now.sa_sigaction = other_handler;
	assert_int_equal(__real_sigaction(SIGBUS, &now, NULL), 0);
	assert_starts(&desc);
	assert_int_equal(installs, 3);
}

/* 256 servers share the handler of SIGBUS, and each that ends makes room for another. */
#define FILES 2048u

static void
process_has_at_most_256_servers(void **state)
{
	const struct vfu_server_desc desc = description();
	static struct vfu_server *servers[256];
	char path[100], err[VFU_ERR_LEN];
	struct rlimit files;

	/* A server has four descriptors. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = FILES;
	if (files.rlim_max < files.rlim_cur) {
		print_message("needs %u file descriptors\n", FILES);
		skip();
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	for (unsigned int i = 0; i < 256; i++) {
		test_path(path, sizeof(path));
		if (vfu_server_start(path, &desc, &dev_ops, &dev, &servers[i], err) != 0)
			fail_msg("server %u: %s", i, err);
	}
	test_path(path, sizeof(path));
	assert_int_equal(start(&desc, &dev_ops, path, err), -ENOSPC);
	assert_non_null(strstr(err, "too many servers in one process"));
	assert_null(dev.server);
	for (unsigned int i = 0; i < 256; i += 85) { /* the first and the last one, and others */
		vfu_server_stop(servers[i]);
		assert_int_equal(start(&desc, &dev_ops, path, err), 0);
		servers[i] = dev.server;
		test_path(path, sizeof(path));
		assert_int_equal(start(&desc, &dev_ops, path, err), -ENOSPC);
	}
	for (unsigned int i = 0; i < 256; i++)
		vfu_server_stop(servers[i]);
}

/* A program may run without standard input. */
static void
any_descriptor_may_be_0(void **state)
{
	static const enum call calls[] = { EVENTFD, OPEN_NULL, OPEN_FOLDER, EPOLL, SOCKET };
	const struct vfu_client_params params = { .timeout_ms = SOON_MS };
	const struct vfu_server_desc desc = description();
	const int before = count_fds();
	char path[100], err[VFU_ERR_LEN];
	struct vfu_client *c;
	unsigned int i, n = 0;
	int k;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (k = 0;; k++, n++) {
			test_path(path, sizeof(path));
			zero = calls[i];
			zero_left = k;
			assert_int_equal(start(&desc, &dev_ops, path, err), 0);
			assert_int_equal(vfu_client_connect(path, &params, &c, err), 0);
			zero = NONE;
			vfu_client_close(c);
			vfu_server_stop(dev.server);
			if (zero_left >= 0)
				break;
			/* A thread may close a socket later than the end of the server. */
			wait_until(fcntl(0, F_GETFD) < 0);
			assert_int_equal(open("/dev/null", O_RDONLY), 0);
			wait_until(count_fds() <= before);
		}
	}
	assert_true(n >= 6); /* of the server 5, of the client 1 */
}

static void
control_thread_runs_on_the_cores_that_it_gets(void **state)
{
	const struct vfu_server_desc desc = description();
	cpu_set_t cores, none;
	char path[100], err[VFU_ERR_LEN];

	test_path(path, sizeof(path));
	assert_int_equal(start(&desc, &dev_ops, path, err), 0);
	assert_int_equal(sched_getaffinity(0, sizeof(cores), &cores), 0);
	CPU_ZERO(&none);
	assert_int_equal(vfu_server_run_on(dev.server, &cores), 0);
	assert_int_equal(vfu_server_run_on(dev.server, &none), -EINVAL);
	vfu_server_stop(dev.server);
	vfu_server_stop(NULL);
}

static void
clients_and_their_messages_are_counted(void **state)
{
	struct vfio_user_header bad = { .cmd = VFIO_USER_DEVICE_RESET, .msg_size = 1 };
	const struct vfu_server_desc desc = description();
	char path[sizeof(dev.path)], err[VFU_ERR_LEN];
	int s;

	test_path(path, sizeof(path));
	memcpy(dev.path, path, sizeof(path));
	dev.attached = dev.detached = 0;
	assert_int_equal(start(&desc, &dev_ops, path, err), 0);
	assert_int_equal(stats().clients, 0);
	assert_int_equal(stats().messages, 0);
	assert_false(stats().client);
	assert_int_equal(vfu_server_peer(dev.server), 0);
	for (unsigned int i = 1; i <= 2; i++) {
		s = raw_attach(&dev);
		assert_int_equal(stats().clients, i);
		assert_int_equal(stats().messages, 3 * i - 2);
		assert_true(stats().client);
		assert_int_equal(vfu_server_peer(dev.server), getpid());
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
		assert_int_equal(stats().messages, 3 * i);
		assert_int_equal(stats().bad_messages, i - 1);
		raw_send(s, &bad, sizeof(bad), NULL, 0);
		assert_true(raw_closed(s));
		close(s);
		wait_until(!stats().client);
		assert_int_equal(dev.detached, i);
		assert_int_equal(stats().bad_messages, i);
		assert_int_equal(stats().messages, 3 * i);
		assert_int_equal(stats().dma_maps, 0);
		assert_int_equal(stats().dma_bytes, 0);
		assert_int_equal(stats().ptes, 0);
		assert_int_equal(stats().dma_posted, 0);
	}
	vfu_server_stop(dev.server);
}

static int
group_setup(void **state)
{
	if (fcntl(0, F_GETFD) < 0)
		assert_int_equal(open("/dev/null", O_RDONLY), 0);
	dev.bar_fd = memory_file(BAR0_SIZE);
	return 0;
}

static int
group_teardown(void **state)
{
	close(dev.bar_fd);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(areas_are_whole_pages_inside_their_region),
		cmocka_unit_test(areas_have_a_descriptor_and_a_largest_number),
		cmocka_unit_test(index_has_at_most_2048_vectors),
		cmocka_unit_test(failed_call_leaves_nothing),
		cmocka_unit_test(stale_socket_stays_if_it_cannot_be_tried),
		cmocka_unit_test(stopped_server_removes_only_its_own_socket),
		cmocka_unit_test(locked_folder_is_waited_for_in_time),
		cmocka_unit_test(client_whose_start_fails_leaves_nothing),
		cmocka_unit_test(handler_of_sigbus_is_installed_once_and_again_after_another),
		cmocka_unit_test(process_has_at_most_256_servers),
		cmocka_unit_test(any_descriptor_may_be_0),
		cmocka_unit_test(control_thread_runs_on_the_cores_that_it_gets),
		cmocka_unit_test(clients_and_their_messages_are_counted),
	};

	return cmocka_run_group_tests_name("vfio_user_start", tests, group_setup, group_teardown);
}
