/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The parts that the server and the client share: descriptors of the other side (foreign_fd.h),
 * threads (thread.h), deadlines (deadline.h), requests that wait (pending.h), addresses of sockets
 * (unix_socket.h).
 *
 * The linker redirects calls of the C library to this file: close(), so that the test decides how
 * long it takes; pthread_create() and malloc(), so that they fail; the clock; the waits with a
 * deadline, which it notes.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

#include "deadline.h"
#include "foreign_fd.h"
#include "pending.h"
#include "server_priv.h"
#include "thread.h"
#include "unix_socket.h"
#include "vfu_client.h"
#include "vfu_test.h"

#define FAKE     100000 /* descriptors from here on are numbers only */
#define ROOM     4096   /* of a closer, foreign_fd.c */
#define NO_CLOCK UINT64_MAX

#define CLOSER_MS  20  /* that a test waits for a closer */
#define CLOSERS_MS 100 /* that servers wait for theirs, from vfu_server_end() */

static pthread_t test_thread;
static atomic_bool hold;               /* close() in other threads takes until this is cleared */
static atomic_uint closing, nr_closed; /* calls in other threads: begun, ended */
static atomic_uint next_closed;        /* the next element of closed[] */
static int closed[2 * ROOM];           /* their descriptors */
static unsigned int closed_here;       /* calls of this thread for numbers */
static bool no_thread, no_memory;      /* pthread_create(), malloc() fail */
static uint64_t fixed_clock_ns = NO_CLOCK;
static struct timespec deadline;   /* of the last wait of this thread */
static uint64_t cond_deadlines[8]; /* of its waits for a condition, milliseconds */
static unsigned int nr_cond_waits, joined;

int __real_close(int fd);
int __wrap_close(int fd);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *),
		void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *),
		void *arg);
int __real_pthread_join(pthread_t t, void **ret);
int __wrap_pthread_join(pthread_t t, void **ret);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int __real_pthread_mutex_clocklock(pthread_mutex_t *lock, clockid_t id, const struct timespec *ts);
int __wrap_pthread_mutex_clocklock(pthread_mutex_t *lock, clockid_t id, const struct timespec *ts);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
		const struct timespec *ts);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
		const struct timespec *ts);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int
__wrap_close(int fd)
{
	if (pthread_equal(pthread_self(), test_thread)) {
		closed_here += fd >= FAKE;
	} else {
		atomic_fetch_add(&closing, 1);
		while (atomic_load(&hold))
			usleep(100);
		closed[atomic_fetch_add(&next_closed, 1)] = fd;
		atomic_fetch_add(&nr_closed, 1);
	}
	return fd < FAKE ? __real_close(fd) : 0;
}

int
__wrap_pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	return no_thread ? EAGAIN : __real_pthread_create(t, attr, run, arg);
}

int
__wrap_pthread_join(pthread_t t, void **ret)
{
	joined++;
	return __real_pthread_join(t, ret);
}

void *
__wrap_malloc(size_t size)
{
	return no_memory ? NULL : __real_malloc(size);
}

int
__wrap_pthread_mutex_clocklock(pthread_mutex_t *lock, clockid_t id, const struct timespec *ts)
{
	assert_int_equal(id, CLOCK_MONOTONIC);
	if (pthread_equal(pthread_self(), test_thread))
		deadline = *ts;
	return __real_pthread_mutex_clocklock(lock, id, ts);
}

int
__wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
		const struct timespec *ts)
{
	if (pthread_equal(pthread_self(), test_thread)) {
		deadline = *ts;
		cond_deadlines[nr_cond_waits++ % 8] = (uint64_t)ts->tv_sec * 1000 +
				(uint64_t)ts->tv_nsec / 1000000;
	}
	return __real_pthread_cond_timedwait(cond, lock, ts);
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (fixed_clock_ns == NO_CLOCK)
		return __real_clock_gettime(id, ts);
	assert_int_equal(id, CLOCK_MONOTONIC);
	ts->tv_sec = (time_t)(fixed_clock_ns / 1000000000);
	ts->tv_nsec = (long)(fixed_clock_ns % 1000000000);
	return 0;
}

static int
setup(void **state)
{
	test_thread = pthread_self();
	hold = no_thread = no_memory = false;
	closing = nr_closed = next_closed = closed_here = nr_cond_waits = 0;
	fixed_clock_ns = NO_CLOCK;
	return 0;
}

static void
free_closer(struct vfu_closer *c)
{
	vfu_closer_stop(c);
	vfu_closer_free(c, vfu_now_ms() + CLOSER_MS);
}

/* Hand numbers to a closer that counts them as open. */
static void
leave_to(struct vfu_closer *c, int first, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		vfu_closer_took(c);
		vfu_closer_close(c, first + (int)i);
	}
}

static void
assert_closed_in_order(int first, unsigned int nr)
{
	wait_until(atomic_load(&nr_closed) == nr);
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(closed[i], first + (int)i);
}

static void
peer_is_refused_beyond_64_descriptors_that_do_not_close(void **state)
{
	struct vfu_closer *c = vfu_closer_new(0);

	hold = true;
	leave_to(c, FAKE, VFU_MAX_CLOSING);
	wait_until(atomic_load(&closing) == 1); /* it counts until it is closed */
	assert_null(vfu_closer_refuses(c));
	leave_to(c, FAKE + VFU_MAX_CLOSING, 1);
	assert_string_equal(vfu_closer_refuses(c),
			"the peer passed file descriptors that do not close");
	assert_int_equal(vfu_closer_held(c), VFU_MAX_CLOSING + 1);
	hold = false;
	assert_closed_in_order(FAKE, VFU_MAX_CLOSING + 1);
	wait_until(vfu_closer_refuses(c) == NULL && vfu_closer_held(c) == 0);
	assert_int_equal(closed_here, 0);

	/* The thread waits for further ones. */
	leave_to(c, FAKE + VFU_MAX_CLOSING + 1, 1);
	assert_closed_in_order(FAKE, VFU_MAX_CLOSING + 2);
	free_closer(c);
}

static void
peer_is_refused_beyond_its_open_descriptors(void **state)
{
	static const unsigned int limits[] = { 1, 10 };

	for (unsigned int i = 0; i < 2; i++) {
		struct vfu_closer *c = vfu_closer_new(limits[i]);

		for (unsigned int k = 0; k < limits[i] + VFU_MSG_FDS; k++) {
			assert_null(vfu_closer_refuses(c));
			vfu_closer_took(c);
		}
		assert_null(vfu_closer_refuses(c));
		vfu_closer_took(c);
		assert_string_equal(vfu_closer_refuses(c),
				"the peer passed more file descriptors "
				"than it may have open (max_fds)");
		vfu_closer_close(c, eventfd(0, EFD_CLOEXEC));
		assert_null(vfu_closer_refuses(c));
		assert_int_equal(vfu_closer_held(c), limits[i] + VFU_MSG_FDS);
		free_closer(c);
	}
}

static void
closer_without_limit_refuses_nothing(void **state)
{
	struct vfu_closer *c = vfu_closer_new(0);
	int fd = memory_file(1);

	for (unsigned int i = 0; i < 10000; i++)
		vfu_closer_took(c);
	assert_null(vfu_closer_refuses(c));
	free_closer(c);

	/* No closer: a descriptor is closed at once, and nothing is counted. */
	vfu_closer_took(NULL);
	assert_null(vfu_closer_refuses(NULL));
	vfu_closer_close(NULL, FAKE);
	assert_int_equal(closed_here, 1);
	vfu_closer_close(NULL, fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	free_closer(NULL);
	assert_int_equal(closing, 0);
}

static void
memory_and_eventfds_are_closed_at_once(void **state)
{
	int fds[] = { memory_file(1), eventfd(0, EFD_CLOEXEC) };
	struct vfu_closer *c = vfu_closer_new(0);

	for (unsigned int i = 0; i < 2; i++) {
		vfu_closer_took(c);
		vfu_closer_close(c, fds[i]);
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
		assert_int_equal(vfu_closer_held(c), 0);
	}
	free_closer(c);
	assert_int_equal(closing, 0);
}

/* The ring has room for so many beside the one that is being closed; the next is closed here. */
static void
full_ring_closes_in_the_thread_of_the_caller(void **state)
{
	struct vfu_closer *c = vfu_closer_new(0);

	hold = true;
	leave_to(c, FAKE, 1);
	wait_until(atomic_load(&closing) == 1);
	leave_to(c, FAKE + 1, ROOM);
	assert_int_equal(closed_here, 0);
	assert_int_equal(vfu_closer_held(c), ROOM + 1);
	leave_to(c, FAKE + 2 * ROOM, 3);
	assert_int_equal(closed_here, 3);
	assert_int_equal(vfu_closer_held(c), ROOM + 1);
	hold = false;
	assert_closed_in_order(FAKE, ROOM + 1);
	wait_until(vfu_closer_held(c) == 0);
	free_closer(c);
}

static void
closer_without_thread_closes_in_the_thread_of_the_caller(void **state)
{
	struct vfu_closer *c = vfu_closer_new(0);

	no_thread = true;
	leave_to(c, FAKE, 2);
	assert_int_equal(closed_here, 2);
	assert_int_equal(vfu_closer_held(c), 0);
	no_thread = false;
	leave_to(c, FAKE, 1); /* starts it now */
	assert_closed_in_order(FAKE, 1);
	assert_int_equal(closed_here, 2);
	free_closer(c);
}

static void
freed_closer_closes_what_it_has(void **state)
{
	struct vfu_closer *c = vfu_closer_new(0);

	leave_to(c, FAKE, 100);
	free_closer(c);
	assert_closed_in_order(FAKE, 100);

	/* It waits for no close() that takes long. */
	c = vfu_closer_new(0);
	hold = true;
	nr_closed = next_closed = 0;
	leave_to(c, FAKE, 3);
	free_closer(c);
	assert_int_equal(nr_closed, 0);
	hold = false;
	assert_closed_in_order(FAKE, 3);
}

/* The thread has nothing to close, so the caller waits for its end, whatever the deadline. */
static void
idle_closer_ends_with_the_call_after_any_deadline(void **state)
{
	struct vfu_closer *c = vfu_closer_new(0);

	leave_to(c, FAKE, 1);
	wait_until(vfu_closer_held(c) == 0);
	joined = 0;
	vfu_closer_stop(c);
	vfu_closer_free(c, 0);
	assert_int_equal(joined, 1);
}

/*
 * Every close() takes long. The first wait ends at the deadline; the others find that it has
 * passed.
 */
static void
servers_that_end_together_share_the_wait_of_their_closers(void **state)
{
	struct device d[2];
	uint64_t begin;

	for (unsigned int i = 0; i < 2; i++)
		device_start(&d[i]);
	hold = true;
	for (unsigned int i = 0; i < 2; i++) {
		leave_to(d[i].server->closer, FAKE + 10 * (int)i, 3);
		leave_to(d[i].server->refused, FAKE + 100 + 10 * (int)i, 3);
	}
	wait_until(atomic_load(&closing) == 4);
	begin = vfu_now_ms();
	fixed_clock_ns = begin * 1000000;
	for (unsigned int i = 0; i < 2; i++)
		vfu_server_end(d[i].server);
	fixed_clock_ns = (begin + CLOSERS_MS - 10) * 1000000; /* the control threads take that */
	nr_cond_waits = 0;
	for (unsigned int i = 0; i < 2; i++)
		vfu_server_stop(d[i].server);
	fixed_clock_ns = NO_CLOCK;
	assert_int_equal(nr_cond_waits, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(cond_deadlines[i], begin + CLOSERS_MS);
	assert_int_equal(nr_closed, 0);
	hold = false;
	wait_until(atomic_load(&nr_closed) == 12 + 2); /* and the sockets that listened */
	for (unsigned int i = 0; i < 2; i++)
		close(d[i].bar_fd);
}

/* A server that only stops gives its closers the same time. */
static void
stop_alone_begins_the_wait_of_the_closers(void **state)
{
	struct device d;
	uint64_t begin;

	device_start(&d);
	hold = true;
	leave_to(d.server->closer, FAKE, 1);
	wait_until(atomic_load(&closing) == 1);
	begin = vfu_now_ms();
	fixed_clock_ns = begin * 1000000;
	nr_cond_waits = 0;
	vfu_server_stop(d.server);
	fixed_clock_ns = NO_CLOCK;
	assert_int_equal(nr_cond_waits, 2); /* the other closer has the socket that listened */
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(cond_deadlines[i], begin + CLOSERS_MS);
	hold = false;
	wait_until(atomic_load(&nr_closed) == 2);
	close(d.bar_fd);
}

static void
client_waits_20_ms_for_its_closer(void **state)
{
	const struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct vfu_client *client;
	char err[VFU_ERR_LEN];
	struct device d;
	uint64_t begin;

	device_start(&d);
	assert_int_equal(vfu_client_connect(d.path, &params, &client, err), 0);
	hold = true;
	begin = vfu_now_ms();
	fixed_clock_ns = begin * 1000000;
	nr_cond_waits = 0;
	vfu_client_close(client); /* leaves its socket to the closer */
	fixed_clock_ns = NO_CLOCK;
	assert_int_equal(nr_cond_waits, 1);
	assert_int_equal(cond_deadlines[0], begin + CLOSER_MS);
	hold = false;
	device_stop(&d);
}

/* The sockets of clients that were refused close late: that is no fault of the served client. */
static void
refused_clients_do_not_drop_the_served_one(void **state)
{
	struct device d;
	int s;

	device_start(&d);
	s = raw_attach(&d);
	hold = true;
	for (unsigned int i = 0; i <= VFU_MAX_CLOSING; i++) {
		int second = raw_connect(d.path);

		assert_int_equal(raw_version(second), EBUSY);
		close(second);
	}
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(raw_command(s, VFIO_USER_DEVICE_RESET, NULL, 0), 0);
	assert_int_equal(d.detached, 0);
	hold = false;
	close(s);
	wait_until(is_forgotten(&d));
	device_stop(&d);
}

static void
kinds_of_descriptors_are_known(void **state)
{
	int mem = memory_file(1), event = eventfd(0, EFD_CLOEXEC);
	int epoll = epoll_create1(EPOLL_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	assert_true(vfu_fd_is_memory(mem));
	assert_false(vfu_fd_is_memory(event));
	assert_false(vfu_fd_is_memory(null));
	assert_false(vfu_fd_is_memory(-1));
	assert_true(vfu_fd_is_eventfd(event));
	assert_false(vfu_fd_is_eventfd(mem));
	assert_false(vfu_fd_is_eventfd(epoll));
	assert_false(vfu_fd_is_eventfd(null));
	assert_false(vfu_fd_is_eventfd(-1));
	close(mem);
	close(event);
	close(epoll);
	close(null);
}

/* The state of a thread when it started. */
static struct {
	sigset_t mask;
	const char *name, *starter;
	void *arg;
	pthread_t child;
} begun;

static void
hook(const char *name, const char *starter)
{
	begun.name = name;
	begun.starter = starter;
}

static void *
note(void *arg)
{
	pthread_sigmask(SIG_SETMASK, NULL, &begun.mask);
	begun.arg = arg;
	return arg;
}

static void *
start_another(void *arg)
{
	assert_int_equal(vfu_thread_start(&begun.child, NULL, "second", note, arg), 0);
	pthread_join(begun.child, NULL);
	return NULL;
}

static void
assert_mask_of_caller(void)
{
	sigset_t now;

	pthread_sigmask(SIG_SETMASK, NULL, &now);
	assert_true(sigismember(&now, SIGUSR1));
	assert_false(sigismember(&now, SIGTERM));
	assert_false(sigismember(&now, SIGUSR2));
}

static void
thread_receives_only_signals_of_its_faults(void **state)
{
	static const int faults[] = { SIGBUS, SIGSEGV, SIGFPE, SIGILL };
	static const int others[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGIO };
	sigset_t own, before;
	pthread_t t;
	void *result;

	sigemptyset(&own);
	sigaddset(&own, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &own, &before);
	vfu_thread_hook = hook;
	assert_int_equal(vfu_thread_start(&t, NULL, "first", note, &t), 0);
	assert_int_equal(pthread_join(t, &result), 0);
	assert_ptr_equal(result, &t);
	assert_ptr_equal(begun.arg, &t);
	assert_string_equal(begun.name, "first");
	assert_null(begun.starter);
	for (unsigned int i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		assert_false(sigismember(&begun.mask, faults[i]));
	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_true(sigismember(&begun.mask, others[i]));
	assert_mask_of_caller();

	assert_int_equal(vfu_thread_start(&t, NULL, "first", start_another, &own), 0);
	pthread_join(t, NULL);
	assert_ptr_equal(begun.arg, &own);
	assert_string_equal(begun.name, "second");
	assert_string_equal(begun.starter, "first");
	vfu_thread_hook = NULL;

	no_thread = true;
	assert_int_equal(vfu_thread_start(&t, NULL, "first", note, NULL), -EAGAIN);
	assert_mask_of_caller();
	no_thread = false;
	no_memory = true;
	assert_int_equal(vfu_thread_start(&t, NULL, "first", note, NULL), -ENOMEM);
	assert_mask_of_caller();
	no_memory = false;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void
time_left_is_bounded(void **state)
{
	fixed_clock_ns = UINT64_C(7999999999);
	assert_int_equal(vfu_now_ms(), 7999);
	assert_int_equal(vfu_ms_left(0), 0);
	assert_int_equal(vfu_ms_left(7998), 0);
	assert_int_equal(vfu_ms_left(7999), 0);
	assert_int_equal(vfu_ms_left(8000), 1);
	assert_int_equal(vfu_ms_left(7999 + 999999), 999999);
	assert_int_equal(vfu_ms_left(7999 + 1000000), 1000000);
	assert_int_equal(vfu_ms_left(7999 + 1000001), 1000000);
	assert_int_equal(vfu_ms_left(UINT64_MAX), 1000000);
	fixed_clock_ns = UINT64_C(8000000000);
	assert_int_equal(vfu_now_ms(), 8000);
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t deadline;
	int ret;
};

static void *
lock_late(void *arg)
{
	struct waiter *w = arg;

	w->ret = vfu_lock_until(&w->lock, w->deadline);
	if (w->ret == 0) {
		pthread_cond_signal(&w->cond);
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

/* Deadlines are times of the clock that nobody sets. An hour is far away on any machine. */
static void
waits_end_at_a_time_of_the_monotonic_clock(void **state)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_t t;

	assert_int_equal(vfu_cond_init(&w.cond), 0);
	pthread_mutex_lock(&w.lock);
	assert_int_equal(vfu_wait_until(&w.cond, &w.lock, vfu_now_ms()), -ETIMEDOUT);
	assert_int_equal(vfu_wait_until(&w.cond, &w.lock, vfu_now_ms() + 1), -ETIMEDOUT);

	/* Another thread does not get the lock, and later does, and wakes this one. */
	w.deadline = vfu_now_ms();
	assert_int_equal(vfu_thread_start(&t, NULL, "late", lock_late, &w), 0);
	pthread_join(t, NULL);
	assert_int_equal(w.ret, -ETIMEDOUT);
	w.deadline = vfu_now_ms() + 3600000;
	assert_int_equal(vfu_thread_start(&t, NULL, "late", lock_late, &w), 0);
	assert_int_equal(vfu_wait_until(&w.cond, &w.lock, w.deadline), 0);
	pthread_mutex_unlock(&w.lock);
	pthread_join(t, NULL);
	assert_int_equal(w.ret, 0);
	pthread_cond_destroy(&w.cond);
}

/* A deadline of the past, so that each wait ends at once. */
static void
deadline_is_exact_to_the_millisecond(void **state)
{
	static const uint64_t deadlines[] = { 0, 1, 999, 1000, 1999 };
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER };

	assert_int_equal(vfu_cond_init(&w.cond), 0);
	pthread_mutex_lock(&w.lock);
	for (unsigned int i = 0; i < 2 * sizeof(deadlines) / sizeof(deadlines[0]); i++) {
		const uint64_t ms = deadlines[i / 2];

		deadline.tv_sec = deadline.tv_nsec = -1;
		assert_int_equal(i % 2 == 0 ? vfu_wait_until(&w.cond, &w.lock, ms) :
					      vfu_lock_until(&w.lock, ms),
				-ETIMEDOUT);
		assert_int_equal(deadline.tv_sec, ms / 1000);
		assert_int_equal(deadline.tv_nsec, ms % 1000 * 1000000);
	}
	pthread_mutex_unlock(&w.lock);
	pthread_cond_destroy(&w.cond);
}

static bool
reply_to(struct vfu_pending_list *list, struct vfu_msg *msg, uint16_t id)
{
	memset(msg, 0, sizeof(*msg));
	msg->hdr.msg_id = id;
	return vfu_pending_reply(list, msg);
}

static void
reply_goes_to_its_request_once(void **state)
{
	struct vfu_pending_list list = { .next_id = 65534 };
	struct vfu_pending p[4];
	struct vfu_msg msg[4];

	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(vfu_pending_add(&list, &p[i]), (uint16_t)(65534 + i));
		assert_null(p[i].reply);
	}
	assert_false(reply_to(&list, &msg[0], 2));
	assert_false(reply_to(&list, &msg[0], 65533));
	assert_true(reply_to(&list, &msg[1], 65535)); /* neither the first nor the last */
	assert_ptr_equal(p[1].reply, &msg[1]);
	assert_false(reply_to(&list, &msg[0], 65535));
	assert_ptr_equal(p[1].reply, &msg[1]);
	vfu_pending_remove(&list, &p[1]); /* is no longer there */
	vfu_pending_remove(&list, &p[2]);
	assert_false(reply_to(&list, &msg[2], 0));
	assert_null(p[2].reply);
	assert_true(reply_to(&list, &msg[3], 1));
	assert_ptr_equal(p[3].reply, &msg[3]);
	assert_true(reply_to(&list, &msg[0], 65534));
	assert_ptr_equal(p[0].reply, &msg[0]);
	assert_null(list.first);
}

static void
socket_address_has_1_to_107_bytes(void **state)
{
	struct sockaddr_un sa;
	char path[110], err[VFU_ERR_LEN];

	memset(path, 'a', sizeof(path));
	path[108] = '\0';
	assert_int_equal(vfu_socket_address(&sa, path, err), -ENAMETOOLONG);
	assert_string_equal(err, "socket path of 108 bytes; it must have 1 to 107");
	assert_int_equal(vfu_socket_address(&sa, "", err), -ENAMETOOLONG);
	assert_string_equal(err, "socket path of 0 bytes; it must have 1 to 107");
	path[107] = '\0';
	assert_int_equal(vfu_socket_address(&sa, path, err), 0);
	assert_int_equal(sa.sun_family, AF_UNIX);
	assert_string_equal(sa.sun_path, path);
	assert_int_equal(vfu_socket_address(&sa, "b", err), 0);
	assert_string_equal(sa.sun_path, "b");
}

static void
socket_is_closed_by_exec_and_never_blocks(void **state)
{
	int fd = vfu_socket_new();

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(peer_is_refused_beyond_64_descriptors_that_do_not_close),
		T(peer_is_refused_beyond_its_open_descriptors),
		T(closer_without_limit_refuses_nothing),
		T(memory_and_eventfds_are_closed_at_once),
		T(full_ring_closes_in_the_thread_of_the_caller),
		T(closer_without_thread_closes_in_the_thread_of_the_caller),
		T(freed_closer_closes_what_it_has),
		T(idle_closer_ends_with_the_call_after_any_deadline),
		T(servers_that_end_together_share_the_wait_of_their_closers),
		T(stop_alone_begins_the_wait_of_the_closers),
		T(client_waits_20_ms_for_its_closer),
		T(refused_clients_do_not_drop_the_served_one),
		T(kinds_of_descriptors_are_known),
		T(thread_receives_only_signals_of_its_faults),
		T(time_left_is_bounded),
		T(waits_end_at_a_time_of_the_monotonic_clock),
		T(deadline_is_exact_to_the_millisecond),
		T(reply_goes_to_its_request_once),
		T(socket_address_has_1_to_107_bytes),
		T(socket_is_closed_by_exec_and_never_blocks),
	};

	return cmocka_run_group_tests_name("vfio_user_parts", tests, NULL, NULL);
}
