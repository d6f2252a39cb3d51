/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Grace periods (vfu_rcu.h): the readers for which they wait, and those for which they do not.
 *
 *    reader of a ----- online ...... quiescent ......
 *    reader of b ----- online ......................... does not delay a's grace period
 *    vfu_rcu_wait(a)          |======| returns
 */

#include <pthread.h>
#include <stdatomic.h>

#include "vfu_test.h"

/* Two devices. A grace period needs only the address of a device. */
static char devices[2];
static struct vfu_server *const a = (void *)&devices[0], *const b = (void *)&devices[1];

enum step { QUIET, QUIESCENT, OFFLINE, ONLINE, LEAVE };

/* A thread that executes a step on request, and nothing otherwise: it keeps its pointers. */
struct reader {
	pthread_t thread;
	struct vfu_server *only; /* NULL: all devices */
	_Atomic enum step step;
	atomic_bool in;
	void *self; /* of vfu_rcu_self() */
};

static void *
reader_main(void *arg)
{
	struct reader *r = arg;

	vfu_rcu_register();
	if (r->only != NULL)
		vfu_rcu_only(&r->only, 1);
	assert_true(vfu_rcu_reads(r->only != NULL ? r->only : a));
	r->self = vfu_rcu_self();
	r->in = true;
	for (;;) {
		enum step step = r->step;

		if (step == QUIESCENT)
			vfu_rcu_quiescent();
		else if (step == OFFLINE)
			vfu_rcu_offline();
		else if (step == ONLINE)
			vfu_rcu_online();
		else if (step == LEAVE)
			break;
		if (step != QUIET)
			r->step = QUIET;
		usleep(100);
	}
	vfu_rcu_unregister();
	return NULL;
}

static void
reader_start(struct reader *r, struct vfu_server *only)
{
	*r = (struct reader){ .only = only };
	assert_int_equal(pthread_create(&r->thread, NULL, reader_main, r), 0);
	wait_until(r->in);
}

static void
tell(struct reader *r, enum step step)
{
	r->step = step;
	if (step == LEAVE)
		pthread_join(r->thread, NULL);
	else
		wait_until(r->step == QUIET);
}

struct waiter {
	pthread_t thread;
	struct vfu_server *server;
	atomic_bool over;
};

static void *
waiter_main(void *arg)
{
	struct waiter *w = arg;

	vfu_rcu_wait(w->server);
	w->over = true;
	return NULL;
}

static void
waiter_start(struct waiter *w, struct vfu_server *server)
{
	*w = (struct waiter){ .server = server };
	assert_int_equal(pthread_create(&w->thread, NULL, waiter_main, w), 0);
}

static void
waits_for_readers_of_the_device_alone(void **state)
{
	struct reader of_a, of_b;
	struct waiter w;

	reader_start(&of_a, a);
	reader_start(&of_b, b);
	waiter_start(&w, a);
	usleep(20000);
	assert_false(w.over);
	tell(&of_b, QUIESCENT);
	usleep(5000);
	assert_false(w.over);
	tell(&of_a, QUIESCENT);
	pthread_join(w.thread, NULL);
	assert_true(w.over);
	/* One quiescent state ends one grace period: the next one waits again. */
	waiter_start(&w, a);
	usleep(20000);
	assert_false(w.over);
	tell(&of_a, OFFLINE);
	pthread_join(w.thread, NULL);
	vfu_rcu_wait(a);
	tell(&of_a, ONLINE);
	waiter_start(&w, a);
	usleep(20000);
	assert_false(w.over);
	tell(&of_a, LEAVE);
	pthread_join(w.thread, NULL);
	vfu_rcu_wait(a);
	tell(&of_b, LEAVE);
	vfu_rcu_wait(b);
}

/* A reader that another thread restricts to a device delays that device only; other waits end. */
static void
restricted_reader_holds_up_its_device_only(void **state)
{
	const struct vfu_rcu_devices only_b = { &b, 1 };
	struct reader of_a, of_both;
	struct waiter w;

	reader_start(&of_a, a);
	reader_start(&of_both, NULL);
	tell(&of_a, OFFLINE);
	waiter_start(&w, a);
	usleep(20000);
	assert_false(w.over);
	vfu_rcu_restrict(of_both.self, &only_b);
	pthread_join(w.thread, NULL);
	vfu_rcu_wait(a);
	waiter_start(&w, b);
	usleep(20000);
	assert_false(w.over);
	tell(&of_both, QUIESCENT);
	pthread_join(w.thread, NULL);
	tell(&of_both, LEAVE);
	tell(&of_a, LEAVE);
}

/* A long grace period of one device does not delay another device's. */
static void
waiters_do_not_wait_for_each_other(void **state)
{
	struct reader of_a, of_b, of_all;
	struct waiter wa, wb;

	reader_start(&of_a, a);
	reader_start(&of_b, b);
	waiter_start(&wa, a);
	waiter_start(&wb, b);
	usleep(5000);
	tell(&of_b, QUIESCENT);
	pthread_join(wb.thread, NULL);
	assert_false(wa.over);
	tell(&of_a, QUIESCENT);
	pthread_join(wa.thread, NULL);
	tell(&of_a, LEAVE);
	tell(&of_b, LEAVE);

	reader_start(&of_all, NULL);
	waiter_start(&wa, a);
	waiter_start(&wb, b);
	usleep(20000);
	assert_false(wa.over || wb.over);
	tell(&of_all, QUIESCENT);
	pthread_join(wa.thread, NULL);
	pthread_join(wb.thread, NULL);
	tell(&of_all, LEAVE);
}

static void
reader_may_wait_itself(void **state)
{
	struct waiter w;

	vfu_rcu_online();
	vfu_rcu_wait(a);
	assert_true(vfu_rcu_is_online());
	vfu_rcu_offline();
	vfu_rcu_wait(a);
	assert_false(vfu_rcu_is_online());
	waiter_start(&w, a);
	pthread_join(w.thread, NULL);
}

/* Readers follow a pointer that is replaced, and the memory that it led to is invalidated. */
#define VALID 0x600d600du

static _Atomic(uint32_t *) current;
static atomic_bool stop_following;
static atomic_ulong followed, invalid;

static void *
follow(void *arg)
{
	vfu_rcu_register();
	vfu_rcu_only(arg, 1);
	while (!stop_following) {
		for (unsigned int i = 0; i < 100; i++) {
			volatile uint32_t *p = atomic_load_explicit(&current,
				memory_order_acquire);

			if (*p != VALID || *p != VALID)
				invalid++;
		}
		followed++;
		vfu_rcu_quiescent();
		if (followed % 64 == 0) {
			vfu_rcu_offline();
			vfu_rcu_online();
		}
	}
	vfu_rcu_unregister();
	return NULL;
}

static void
nothing_is_used_after_a_grace_period(void **state)
{
	struct vfu_server *server = a;
	uint32_t words[2] = { VALID, VALID };
	pthread_t t[3];

	current = &words[0];
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, follow, &server), 0);
	wait_until(followed > 10);
	for (unsigned int i = 0; i < 200; i++) {
		uint32_t *old = &words[i % 2];

		current = &words[(i + 1) % 2];
		vfu_rcu_wait(a);
		*(volatile uint32_t *)old = 0xbadbad;
		*(volatile uint32_t *)old = VALID;
	}
	stop_following = true;
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(invalid, 0);
}

int
main(void)
{
	int ret;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_readers_of_the_device_alone),
		cmocka_unit_test(restricted_reader_holds_up_its_device_only),
		cmocka_unit_test(waiters_do_not_wait_for_each_other),
		cmocka_unit_test(reader_may_wait_itself),
		cmocka_unit_test(nothing_is_used_after_a_grace_period),
	};

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_rcu", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
