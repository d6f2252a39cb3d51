/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The waits of lib/vfio_user that keep a thread from spinning, and the call that ends a wait.
 *
 * The linker redirects the waits to this file, which notes how often and for how long a thread
 * waits. No test measures a time. A poll() of nothing returns at once.
 */

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "deadline.h"
#include "server_priv.h"
#include "vfu_client.h"
#include "vfu_server_test.h"

#define FIXED_MS   1000000 /* the time, while a test has its own clock */
#define STEP       (4 << 20)
#define NAP_NS     100000 /* of vfu_unmap() */
#define ACCEPT_MS  100
#define CONNECT_MS 10
#define FOLDER_MS  1
#define LOOK_MS    20

static pthread_t test_thread;
static bool own_clock;     /* for the thread of the test */
static uint64_t passed_ns; /* since FIXED_MS */

static atomic_uint polls; /* poll() of nothing: a sleep */
static atomic_int poll_ms[64];
static atomic_uint naps;
static atomic_long nap_ns; /* of the last one */

static atomic_uint accept_failures; /* to come */
static int accept_error;
static unsigned int connect_failures; /* to come */
static unsigned int lock_failures;    /* to come */
static bool lock_is_ours;             /* after them */
static unsigned int steps;            /* of an unmap */
static uint64_t step_ns[8];           /* that each takes */

static atomic_uint io_ends; /* io_destroy() of any thread */
static atomic_uint io_ends_here, io_ends_online;

static pthread_cond_t *watched; /* waits for it are noted */
static uint64_t watched_ms;     /* the end of the last one */
static unsigned int watched_waits;
static struct vfu_async *finishes; /* its work is done after the wait */
static bool real_wait;
static atomic_bool waits; /* a thread is about to wait, with the lock held */
static atomic_int result; /* of the last real wait */

int __real_poll(struct pollfd *pfds, nfds_t nr, int timeout);
int __wrap_poll(struct pollfd *pfds, nfds_t nr, int timeout);
int __real_nanosleep(const struct timespec *ts, struct timespec *left);
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __real_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
int __real_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len);
long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);
int __real_vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms);
int __wrap_vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms);

int
__wrap_poll(struct pollfd *pfds, nfds_t nr, int timeout)
{
	if (nr != 0)
		return __real_poll(pfds, nr, timeout);
	poll_ms[atomic_fetch_add(&polls, 1) % 64] = timeout;
	return 0;
}

int
__wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
	nap_ns = ts->tv_nsec;
	atomic_fetch_add(&naps, 1);
	return __real_nanosleep(ts, left);
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!own_clock || !pthread_equal(pthread_self(), test_thread))
		return __real_clock_gettime(id, ts);
	ts->tv_sec = FIXED_MS / 1000 + (time_t)(passed_ns / 1000000000);
	ts->tv_nsec = (long)(passed_ns % 1000000000);
	return 0;
}

int
__wrap_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
	if (accept_failures == 0)
		return __real_accept4(fd, sa, len, flags);
	atomic_fetch_sub(&accept_failures, 1);
	errno = accept_error;
	return -1;
}

int
__wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (connect_failures == 0)
		return __real_connect(fd, sa, len);
	connect_failures--;
	errno = EAGAIN;
	return -1;
}

int
__wrap_flock(int fd, int operation)
{
	/* Other programs lock the same folder, and only the failures of the test count. */
	if (lock_failures == 0)
		return lock_is_ours ? 0 : __real_flock(fd, operation);
	lock_failures--;
	errno = EWOULDBLOCK;
	return -1;
}

int
__wrap_munmap(void *at, size_t len)
{
	if (own_clock)
		passed_ns += step_ns[steps++ % 8];
	return __real_munmap(at, len);
}

int
__wrap_vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms)
{
	if (cond != watched)
		return __real_vfu_wait_until(cond, lock, deadline_ms);
	watched_ms = deadline_ms;
	watched_waits++;
	if (finishes != NULL)
		finishes->done = finishes->queued;
	if (real_wait) {
		waits = true;
		result = __real_vfu_wait_until(cond, lock, deadline_ms);
		return result;
	}
	return -ETIMEDOUT;
}

/* The kernel waits in io_destroy(). */
long
__wrap_syscall(long nr, ...)
{
	long a[5];
	va_list ap;

	va_start(ap, nr);
	for (unsigned int i = 0; i < 5; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_io_destroy) {
		atomic_fetch_add(&io_ends, 1);
		io_ends_here += pthread_equal(pthread_self(), test_thread) != 0;
		io_ends_online += vfu_rcu_is_online();
	}
	return __real_syscall(nr, a[0], a[1], a[2], a[3], a[4]);
}

static int
begin(void **state)
{
	int ret;

	test_thread = pthread_self();
	own_clock = real_wait = false;
	passed_ns = 0;
	accept_failures = 0;
	io_ends = io_ends_here = io_ends_online = 0;
	connect_failures = lock_failures = steps = watched_waits = 0;
	lock_is_ours = false;
	watched = NULL;
	finishes = NULL;
	waits = false;
	memset(step_ns, 0, sizeof(step_ns));
	ret = setup(state);
	/* The start waits while another program of this machine keeps the folder locked. */
	polls = naps = 0;
	return ret;
}

static void
assert_polls(unsigned int nr, int ms)
{
	assert_int_equal(polls, nr);
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(poll_ms[i], ms);
}

/* Unmap four steps and a rest. @return the number of sleeps */
static unsigned int
unmap_steps(void)
{
	const size_t len = 4 * (size_t)STEP + 1;
	void *at = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	naps = steps = 0;
	own_clock = true;
	vfu_unmap(at, len);
	own_clock = false;
	assert_int_equal(steps, 5);
	assert_int_equal(msync(at, len, MS_ASYNC), -1);
	return naps;
}

static void
unmap_sleeps_once_after_each_slow_step(void **state)
{
	assert_int_equal(unmap_steps(), 0);
	for (unsigned int i = 0; i < 5; i++)
		step_ns[i] = NAP_NS;
	assert_int_equal(unmap_steps(), 0);
	step_ns[1] = NAP_NS + 1;
	assert_int_equal(unmap_steps(), 1);
	assert_int_equal(nap_ns, NAP_NS);
	for (unsigned int i = 0; i < 5; i++)
		step_ns[i] = 2000000000; /* seconds count */
	assert_int_equal(unmap_steps(), 4);
}

/* The client stays in the backlog, so that the listener remains readable. */
static void
control_thread_sleeps_while_the_process_has_no_descriptors(void **state)
{
	static const int errors[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };

	for (unsigned int i = 0; i < 4; i++) {
		int s;

		polls = 0;
		accept_error = errors[i];
		accept_failures = 10;
		s = raw_attach(&dev);
		assert_int_equal(accept_failures, 0);
		assert_polls(10, ACCEPT_MS);
		close(s);
		wait_until(is_forgotten(&dev));
	}
}

/* The next accept4() may succeed: the control thread goes on at once. */
static void
control_thread_does_not_sleep_for_a_client_that_left(void **state)
{
	int s;

	accept_error = ECONNABORTED;
	accept_failures = 10;
	s = raw_attach(&dev);
	assert_int_equal(accept_failures, 0);
	assert_int_equal(polls, 0);
	close(s);
}

static void
client_sleeps_while_the_backlog_is_full(void **state)
{
	const struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct vfu_client *client;
	char err[VFU_ERR_LEN];

	connect_failures = 10;
	assert_int_equal(vfu_client_connect(dev.path, &params, &client, err), 0);
	assert_polls(10, CONNECT_MS);
	vfu_client_close(client);
}

/* The limit of all messages bounds the connecting, however long a single message may take. */
static void
connecting_is_within_the_common_limit(void **state)
{
	const struct vfu_client_params params = { .timeout_ms = 1000 * SOON_MS, .limit_ms = 1 };
	struct vfu_client *client;
	char err[VFU_ERR_LEN];

	connect_failures = UINT_MAX;
	assert_int_equal(vfu_client_connect(dev.path, &params, &client, err), -ETIMEDOUT);
	assert_non_null(strstr(err, "does not answer"));
}

static void
server_sleeps_while_another_one_starts_in_its_folder(void **state)
{
	struct device d;

	lock_failures = 10;
	lock_is_ours = true;
	device_start(&d);
	assert_polls(10, FOLDER_MS);
	device_stop(&d);
}

/* The waits of the control thread for accesses in flight. A loop repeats them. */
static void
wait_for_the_dma_thread_has_20_ms(void **state)
{
	struct vfu_server *s = calloc(1, sizeof(*s));
	struct vfu_async *a = &s->async;

	assert_int_equal(vfu_async_init(s), 0);
	own_clock = true;
	watched = &a->progress;
	finishes = a;
	a->queued = 1;
	vfu_async_forget_client(s);
	assert_int_equal(watched_waits, 1);
	assert_int_equal(watched_ms, FIXED_MS + LOOK_MS);

	atomic_store(&a->started, true);
	a->queued = 2;
	watched_ms = 0;
	vfu_dma_wait(s);
	assert_int_equal(watched_waits, 2);
	assert_int_equal(watched_ms, FIXED_MS + LOOK_MS);
	atomic_store(&a->started, false);
	own_clock = false;
	vfu_async_fini(s);
	free(s);
}

/* A socket of its own for a connection without a control thread. */
static struct vfu_conn *
new_conn(int *peer)
{
	struct vfu_conn *conn;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	conn = vfu_conn_new(fds[0], NULL);
	assert_non_null(conn);
	*peer = fds[1];
	watched = &conn->cond;
	return conn;
}

static void
wait_for_another_reader_has_20_ms(void **state)
{
	struct vfu_msg *msg;
	int peer;
	struct vfu_conn *conn = new_conn(&peer);

	own_clock = true;
	conn->reading = true;
	assert_false(vfu_conn_begin_reading(conn, &msg));
	own_clock = false;
	assert_null(msg);
	assert_int_equal(watched_waits, 1);
	assert_int_equal(watched_ms, FIXED_MS + VFU_READER_MS);
	vfu_conn_free(conn);
	close(peer);
}

static void *
request(void *arg)
{
	struct vfu_out out = { .hdr.cmd = VFIO_USER_DMA_READ };
	struct vfu_msg *reply;

	return (void *)(intptr_t)vfu_conn_request(NULL, arg, &out, vfu_now_ms() + SOON_MS, &reply);
}

/* The request sleeps, because another thread reads the socket. */
static void
end_of_the_connection_wakes_a_request(void **state)
{
	pthread_t thread;
	void *ret;
	int peer;
	struct vfu_conn *conn = new_conn(&peer);

	real_wait = conn->reading = true;
	assert_int_equal(pthread_create(&thread, NULL, request, conn), 0);
	wait_until(waits);
	vfu_conn_kill(conn, "a reason"); /* takes the lock, so the request sleeps by now */
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_int_equal((intptr_t)ret, -ENODEV);
	assert_int_equal(result, 0); /* woken, not timed out */
	vfu_conn_free(conn);
	close(peer);
}

/* So servers that end concurrently wait for the kernel concurrently. */
static void
control_thread_waits_for_the_end_of_asynchronous_io(void **state)
{
	struct device d;

	device_start(&d);
	vfu_server_end(d.server);
	wait_until(io_ends == 1); /* no other thread waits for the control thread yet */
	device_stop(&d);
	assert_int_equal(io_ends, 1);
	assert_int_equal(io_ends_here + io_ends_online, 0);
}

static void
server_that_does_not_start_ends_its_asynchronous_io(void **state)
{
	struct vfu_server_desc desc;
	struct vfu_server *server;
	char err[VFU_ERR_LEN];

	fill_desc(&desc, dev.bar_fd);
	assert_int_equal(vfu_server_start(dev.path, &desc, &dev_ops, &dev, &server, err),
			-EADDRINUSE);
	assert_int_equal(io_ends, 1);
}

static atomic_bool reads;

/* Be a polling thread that passes a quiescent state only when the waiter has slept. */
static void *
read_for_long(void *arg)
{
	uint64_t end = now_ms() + SOON_MS;

	vfu_rcu_register();
	reads = true;
	while (naps < 3 && now_ms() < end)
		sched_yield();
	vfu_rcu_unregister();
	return NULL;
}

static void
long_grace_period_is_slept_through(void **state)
{
	pthread_t thread;

	reads = false;
	assert_int_equal(pthread_create(&thread, NULL, read_for_long, NULL), 0);
	wait_until(reads);
	vfu_rcu_wait(dev.server);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(naps >= 3);
	assert_int_equal(nap_ns, 20000);
}

int
main(void)
{
#define W(f) cmocka_unit_test_setup_teardown(f, begin, teardown)
	const struct CMUnitTest tests[] = {
		W(unmap_sleeps_once_after_each_slow_step),
		W(control_thread_sleeps_while_the_process_has_no_descriptors),
		W(control_thread_does_not_sleep_for_a_client_that_left),
		W(client_sleeps_while_the_backlog_is_full),
		W(connecting_is_within_the_common_limit),
		W(server_sleeps_while_another_one_starts_in_its_folder),
		W(wait_for_the_dma_thread_has_20_ms),
		W(wait_for_another_reader_has_20_ms),
		W(end_of_the_connection_wakes_a_request),
		W(control_thread_waits_for_the_end_of_asynchronous_io),
		W(server_that_does_not_start_ends_its_asynchronous_io),
		W(long_grace_period_is_slept_through),
	};

	return cmocka_run_group_tests_name("vfio_user_waits", tests, NULL, NULL);
}
