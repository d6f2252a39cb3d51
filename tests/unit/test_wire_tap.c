/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the wire to a TAP (lib/igb_model/wire_tap.c) without a TAP: the test replaces the device
 * file by one end of a socket, and plays the kernel at the other end.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../common/fds.h"
#include "m82576.h"
#include "stderr_capture.h"
#include "wire.h"

#define T0      UINT64_C(1000000000)
#define MIN_NS  1000 /* the shortest and the longest delay of a read after one in vain */
#define MAX_NS  20000
#define NAP_NS  10000000 /* the thread of a TAP looks 100 times a second */
#define SOON_MS 20000    /* bounds hanging only */

static struct {
	int fd, far;         /* the ends of the socket */
	int open_errno;      /* 0: the device file can be opened */
	int attach_errno[2]; /* of TUNSETIFF, first and second call */
	unsigned int attaches;
	struct ifreq request[2];
	int carrier;  /* last TUNSETCARRIER; -1: none */
	bool deleted; /* reads fail as those of a deleted interface */
	unsigned int reads;
	unsigned int polls, carriers; /* calls of poll(), and of TUNSETCARRIER */
	bool poll_error;              /* poll() finds an error only, as of a deleted interface */
	unsigned int naps;            /* sleeps of the thread that polls */
	unsigned int early;           /* calls of poll() without a sleep after the one before */
	unsigned int wrong_naps;      /* sleeps of another length than NAP_NS */
	int thread_errno;             /* 0: a thread can be started */
} tap;

static struct wire_source *src;
static struct wire_sink *sink;
static char err[WIRE_ERR_LEN];

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long request, void *arg);
ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __real_nanosleep(const struct timespec *time, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);
int __real_vfu_thread_start(pthread_t *thread, const pthread_attr_t *attr, const char *name,
		void *(*start)(void *), void *arg);
int __wrap_vfu_thread_start(pthread_t *thread, const pthread_attr_t *attr, const char *name,
		void *(*start)(void *), void *arg);

/* Only the thread of the TAP sleeps by this function: the test itself calls the real one. */
int
__wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
	if (time->tv_sec != 0 || time->tv_nsec != NAP_NS)
		__atomic_fetch_add(&tap.wrong_naps, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&tap.naps, 1, __ATOMIC_RELAXED);
	return __real_nanosleep(time, rest);
}

int
__wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	static unsigned int naps;

	if (__atomic_fetch_add(&tap.polls, 1, __ATOMIC_RELAXED) != 0 && tap.naps == naps)
		__atomic_fetch_add(&tap.early, 1, __ATOMIC_RELAXED);
	naps = tap.naps;
	if (!__atomic_load_n(&tap.poll_error, __ATOMIC_RELAXED))
		return __real_poll(fds, n, timeout);
	fds[0].revents = POLLERR;
	return 1;
}

int
__wrap_vfu_thread_start(pthread_t *thread, const pthread_attr_t *attr, const char *name,
		void *(*start)(void *), void *arg)
{
	return tap.thread_errno != 0 ? -tap.thread_errno :
				       __real_vfu_thread_start(thread, attr, name, start, arg);
}

int
__wrap_open64(const char *path, int flags, ...)
{
	int pair[2];

	if (strcmp(path, "/dev/net/tun") != 0)
		return __real_open64(path, flags);
	errno = tap.open_errno;
	if (errno != 0)
		return -1;
	assert_int_equal(flags & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC),
			O_RDWR | O_NONBLOCK | O_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	tap.fd = pair[0];
	tap.far = pair[1];
	return tap.fd;
}

int
__wrap_ioctl(int fd, unsigned long request, void *arg)
{
	assert_int_equal(fd, tap.fd);
	if (request == TUNSETCARRIER) {
		__atomic_store_n(&tap.carrier, *(int *)arg, __ATOMIC_RELEASE);
		__atomic_fetch_add(&tap.carriers, 1, __ATOMIC_RELAXED);
		return 0;
	}
	assert_int_equal(request, TUNSETIFF);
	assert_true(tap.attaches < 2);
	tap.request[tap.attaches] = *(struct ifreq *)arg;
	errno = tap.attach_errno[tap.attaches++];
	return errno != 0 ? -1 : 0;
}

ssize_t
__wrap_read(int fd, void *buf, size_t len)
{
	if (fd != tap.fd)
		return __real_read(fd, buf, len);
	tap.reads++;
	if (!tap.deleted)
		return __real_read(fd, buf, len);
	errno = EBADFD;
	return -1;
}

static int
open_tap(const char *name)
{
	src = NULL;
	sink = NULL;
	return wire_tap_open(name, &src, &sink, err);
}

static int
setup(void **state)
{
	memset(&tap, 0, sizeof(tap));
	tap.fd = tap.far = tap.carrier = -1;
	return 0;
}

static int
setup_open(void **state)
{
	setup(state);
	assert_int_equal(open_tap("gt0"), 0);
	return 0;
}

static int
teardown(void **state)
{
	if (tap.far >= 0)
		close(tap.far);
	return 0;
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int
teardown_open(void **state)
{
	src->close(src);
	assert_true(is_open(tap.fd));
	sink->close(sink);
	assert_false(is_open(tap.fd));
	return teardown(state);
}

static void
wait_for(uint32_t (*value)(void), uint32_t want)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	unsigned int i;

	for (i = 0; i < SOON_MS && value() != want; i++)
		__real_nanosleep(&ms, NULL);
	assert_int_equal(value(), want);
}

static void
kernel_sends(const void *data, size_t len)
{
	assert_int_equal(send(tap.far, data, len, 0), len);
}

/* Frames. */

static const uint64_t ats[3] = { T0, T0, T0 };

static void
frames_pass_in_both_directions(void **state)
{
	uint8_t out[60] = "out", in[1514] = "in", got[2048];
	struct m82576_frame f = { .data = out, .len = sizeof(out) };

	kernel_sends(in, sizeof(in));
	assert_int_equal(src->next(src, T0, &f, WIRE_BURST, UINT32_MAX), 1);
	assert_int_equal(f.len, sizeof(in));
	assert_int_equal(f.flags, 0);
	assert_memory_equal(f.data, in, sizeof(in));
	assert_true(src->pending(src));
	assert_int_equal(src->next(src, T0, &f, WIRE_BURST, UINT32_MAX), 0);
	assert_false(src->pending(src));

	f = (struct m82576_frame){ .data = out, .len = sizeof(out) };
	assert_int_equal(sink->put(sink, ats, &f, 1, false), 1);
	assert_int_equal(recv(tap.far, got, sizeof(got), 0), sizeof(out));
	assert_memory_equal(got, out, sizeof(out));
	/* The partner's MAC drops a damaged frame. */
	f.flags = M82576_FRAME_BAD_FCS;
	assert_int_equal(sink->put(sink, ats, &f, 1, false), 1);
	assert_int_equal(recv(tap.far, got, sizeof(got), 0), -1);
	assert_int_equal(sink->drops(sink), 0);
}

static void
full_stack_drops_the_frame_or_lets_it_wait(void **state)
{
	uint8_t data[1514] = { 0 };
	struct m82576_frame f[3];
	unsigned int n = 0, k;

	for (k = 0; k < 3; k++)
		f[k] = (struct m82576_frame){ .data = data, .len = sizeof(data) };
	do {
		k = sink->put(sink, ats, f, 3, true);
		n += k;
		assert_true(n < 100000);
	} while (k == 3);
	assert_int_equal(sink->put(sink, ats, f, 1, true), 0);
	assert_int_equal(sink->drops(sink), 0);
	assert_int_equal(sink->put(sink, ats, f, 3, false), 3);
	assert_int_equal(sink->drops(sink), 3);
	/* Another error does not end, so the frames do not wait. */
	close(tap.far);
	tap.far = -1;
	assert_int_equal(sink->put(sink, ats, f, 3, true), 3);
	assert_int_equal(sink->drops(sink), 6);
}

/* After a read in vain the next one is delayed, each time for twice as long, up to a limit. */
static void
idle_tap_is_read_less_and_less_often(void **state)
{
	static const unsigned int delays[] = { MIN_NS, 2 * MIN_NS, 4 * MIN_NS, 8 * MIN_NS,
		16 * MIN_NS, MAX_NS, MAX_NS };
	uint8_t data[60] = { 0 };
	struct m82576_frame f;
	uint64_t now = T0;
	unsigned int i;

	assert_int_equal(src->next(src, now, &f, WIRE_BURST, UINT32_MAX), 0);
	for (i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		assert_int_equal(tap.reads, i + 1);
		assert_int_equal(src->next(src, now + delays[i] - 1, &f, WIRE_BURST, UINT32_MAX),
				0);
		assert_int_equal(tap.reads, i + 1);
		now += delays[i];
		assert_int_equal(src->next(src, now, &f, WIRE_BURST, UINT32_MAX), 0);
	}
	/* A frame ends the delay; it begins again with the shortest. */
	kernel_sends(data, sizeof(data));
	now += MAX_NS;
	assert_int_equal(src->next(src, now, &f, WIRE_BURST, UINT32_MAX), 1);
	assert_int_equal(src->next(src, now, &f, WIRE_BURST, UINT32_MAX), 0);
	kernel_sends(data, sizeof(data));
	assert_int_equal(src->next(src, now + MIN_NS - 1, &f, WIRE_BURST, UINT32_MAX), 0);
	assert_int_equal(src->next(src, now + MIN_NS, &f, WIRE_BURST, UINT32_MAX), 1);
}

static void
frame_that_is_too_long_is_dropped(void **state)
{
	static uint8_t data[WIRE_FRAME_MAX + 1];
	struct m82576_frame f;

	kernel_sends(data, sizeof(data));
	kernel_sends(data, sizeof(data));
	kernel_sends(data, sizeof(data) - 1);
	begin_stderr_capture();
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(src->next(src, T0, &f, WIRE_BURST, UINT32_MAX), 0);
		assert_true(src->pending(src));
	}
	assert_string_equal(captured_stderr(),
			"gantry: TAP gt0: frames longer than 16384 bytes are dropped; lower the "
			"interface's MTU\n");
	assert_int_equal(src->next(src, T0, &f, WIRE_BURST, UINT32_MAX), 1);
	assert_int_equal(f.len, WIRE_FRAME_MAX);
}

/* A single byte is a frame, which the wire pads. An empty read is none. */
static void
shortest_frame_is_a_frame(void **state)
{
	struct m82576_frame f;

	kernel_sends("\x5A", 1);
	assert_int_equal(src->next(src, T0, &f, WIRE_BURST, UINT32_MAX), 1);
	assert_int_equal(f.len, 1);
	assert_int_equal(f.data[0], 0x5A);
	kernel_sends("", 0);
	assert_int_equal(src->next(src, T0, &f, WIRE_BURST, UINT32_MAX), 0);
	assert_false(src->pending(src));
}

static void
deleted_interface_is_read_no_more(void **state)
{
	struct m82576_frame f;

	tap.deleted = true;
	begin_stderr_capture();
	assert_int_equal(src->next(src, T0, &f, WIRE_BURST, UINT32_MAX), 0);
	assert_int_equal(src->next(src, T0 + MAX_NS, &f, WIRE_BURST, UINT32_MAX), 0);
	assert_string_equal(captured_stderr(),
			"gantry: TAP gt0 was deleted; its wire carries nothing from now on\n");
	assert_int_equal(tap.reads, 1);
}

/* The cable. */

static uint32_t
carrier_of_interface(void)
{
	return (uint32_t)__atomic_load_n(&tap.carrier, __ATOMIC_ACQUIRE);
}

static void
carrier_of_the_port_is_that_of_the_interface(void **state)
{
	assert_int_equal(tap.carrier, 0);
	sink->carrier(sink, true);
	wait_for(carrier_of_interface, 1);
	sink->carrier(sink, false);
	wait_for(carrier_of_interface, 0);
}

static uint32_t
carrier_of_wire(void)
{
	return src->carrier(src);
}

/* An interface that is down is not writable: here its queue is full. */
static void
carrier_of_the_wire_follows_the_interface(void **state)
{
	uint8_t data[1514] = { 0 }, got[2048];

	wait_for(carrier_of_wire, 1);
	while (send(tap.fd, data, sizeof(data), 0) > 0)
		;
	wait_for(carrier_of_wire, 2);
	while (recv(tap.far, got, sizeof(got), 0) > 0)
		;
	wait_for(carrier_of_wire, 3);
}

static uint32_t
enough_polls(void)
{
	return __atomic_load_n(&tap.polls, __ATOMIC_RELAXED) > 20;
}

/* The thread sets the carrier when it changes, and not each time. */
static void
carrier_of_the_interface_is_set_once(void **state)
{
	wait_for(enough_polls, 1);
	assert_int_equal(__atomic_load_n(&tap.carriers, __ATOMIC_RELAXED), 1);
	sink->carrier(sink, true);
	wait_for(carrier_of_interface, 1);
	__atomic_store_n(&tap.polls, 0, __ATOMIC_RELAXED);
	wait_for(enough_polls, 1);
	assert_int_equal(__atomic_load_n(&tap.carriers, __ATOMIC_RELAXED), 2);
}

/* A thread that polled without a pause would use up a core. */
static void
thread_sleeps_between_two_polls(void **state)
{
	wait_for(enough_polls, 1);
	assert_int_equal(__atomic_load_n(&tap.early, __ATOMIC_RELAXED), 0);
	assert_int_equal(__atomic_load_n(&tap.wrong_naps, __ATOMIC_RELAXED), 0);
}

static void
interface_that_has_an_error_only_is_down(void **state)
{
	wait_for(carrier_of_wire, 1);
	__atomic_store_n(&tap.poll_error, true, __ATOMIC_RELAXED);
	wait_for(carrier_of_wire, 2);
	__atomic_store_n(&tap.poll_error, false, __ATOMIC_RELAXED);
	wait_for(carrier_of_wire, 3);
}

/* Opening. */

static void
tap_of_several_queues_is_attached_with_its_flag(void **state)
{
	tap.attach_errno[0] = EINVAL;
	assert_int_equal(open_tap("fifteen-letters"), 0);
	assert_int_equal(tap.attaches, 2);
	assert_string_equal(tap.request[0].ifr_name, "fifteen-letters");
	assert_int_equal(tap.request[0].ifr_flags, IFF_TAP | IFF_NO_PI);
	assert_string_equal(tap.request[1].ifr_name, "fifteen-letters");
	assert_int_equal(tap.request[1].ifr_flags, IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
	teardown_open(state);
	tap.far = -1;
}

static void
tap_that_cannot_be_attached_is_explained_and_closed(void **state)
{
	static const struct {
		int error;
		unsigned int attaches;
		const char *why;
	} t[] = {
		{ EPERM, 1, "not permitted" },
		{ EACCES, 1, "not permitted" },
		{ EBUSY, 1, "another process has it open" },
		{ EINVAL, 2, "it is no TAP" },
		{ ENOMEM, 1, "Cannot allocate memory" },
	};
	const int fds = count_fds();
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		setup(state);
		tap.attach_errno[0] = tap.attach_errno[1] = t[i].error;
		assert_int_equal(open_tap("gt0"), -t[i].error);
		assert_non_null(strstr(err, "TAP gt0: "));
		assert_non_null(strstr(err, t[i].why));
		assert_int_equal(tap.attaches, t[i].attaches);
		assert_false(is_open(tap.fd));
		teardown(state);
	}
	/* The second attempt may fail for a reason of its own. */
	setup(state);
	tap.attach_errno[0] = EINVAL;
	tap.attach_errno[1] = EBUSY;
	assert_int_equal(open_tap("gt0"), -EBUSY);
	assert_false(is_open(tap.fd));
	teardown(state);
	setup(state);
	tap.thread_errno = EAGAIN;
	assert_int_equal(open_tap("gt0"), -EAGAIN);
	assert_string_equal(err,
			"TAP gt0: cannot start a thread: Resource temporarily unavailable");
	assert_false(is_open(tap.fd));
	teardown(state);
	setup(state);
	tap.open_errno = ENOENT;
	assert_int_equal(open_tap("gt0"), -ENOENT);
	assert_string_equal(err, "TAP gt0: cannot open /dev/net/tun: No such file or directory");
	assert_int_equal(open_tap("sixteen-letters-"), -EINVAL);
	assert_string_equal(err,
			"TAP 'sixteen-letters-': an interface's name has 1 to 15 characters");
	assert_int_equal(open_tap(""), -EINVAL);
	assert_int_equal(count_fds(), fds);
}

#define OPEN(f)   cmocka_unit_test_setup_teardown(f, setup_open, teardown_open)
#define CLOSED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		OPEN(frames_pass_in_both_directions),
		OPEN(full_stack_drops_the_frame_or_lets_it_wait),
		OPEN(idle_tap_is_read_less_and_less_often),
		OPEN(frame_that_is_too_long_is_dropped),
		OPEN(shortest_frame_is_a_frame),
		OPEN(deleted_interface_is_read_no_more),
		OPEN(carrier_of_the_port_is_that_of_the_interface),
		OPEN(carrier_of_the_wire_follows_the_interface),
		OPEN(carrier_of_the_interface_is_set_once),
		OPEN(thread_sleeps_between_two_polls),
		OPEN(interface_that_has_an_error_only_is_down),
		CLOSED(tap_of_several_queues_is_attached_with_its_flag),
		CLOSED(tap_that_cannot_be_attached_is_explained_and_closed),
	};

	return cmocka_run_group_tests_name("wire_tap", tests, NULL, NULL);
}
