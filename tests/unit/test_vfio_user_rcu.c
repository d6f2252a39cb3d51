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
#include <sched.h>
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
		enum step next = r->step;

		if (next == QUIESCENT)
			vfu_rcu_quiescent();
		else if (next == OFFLINE)
			vfu_rcu_offline();
		else if (next == ONLINE)
			vfu_rcu_online();
		else if (next == LEAVE)
			break;
		if (next != QUIET)
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
step(struct reader *r, enum step next)
{
	r->step = next;
	if (next == LEAVE)
		pthread_join(r->thread, NULL);
	else
		wait_until(r->step == QUIET);
}

struct waiter {
	pthread_t thread;
	struct vfu_server *server;
	atomic_bool begun, over;
};

static void *
waiter_main(void *arg)
{
	struct waiter *w = arg;

	w->begun = true;
	vfu_rcu_wait(w->server);
	w->over = true;
	return NULL;
}

static void
waiter_start(struct waiter *w, struct vfu_server *server)
{
	*w = (struct waiter){ .server = server };
	assert_int_equal(pthread_create(&w->thread, NULL, waiter_main, w), 0);
	wait_until(w->begun);
}

static void
assert_waits(struct waiter *w)
{
	usleep(20000);
	assert_false(w->over);
}

/* The end of the wait, within SOON_MS. */
static void
waiter_ends(struct waiter *w)
{
	wait_until(w->over);
	pthread_join(w->thread, NULL);
}

/*
 * Let a reader end a wait by quiescent states. One is enough, but it counts only if the waiter has
 * asked for it, and a waiter that the kernel does not run has not.
 */
static void
quiescent_ends(struct reader *r, struct waiter *w)
{
	uint64_t end = now_ms() + SOON_MS;

	while (!w->over && now_ms() < end)
		step(r, QUIESCENT);
	waiter_ends(w);
}

static void
waits_for_readers_of_the_device_alone(void **state)
{
	struct reader of_a, of_b;
	struct waiter w;

	reader_start(&of_a, a);
	reader_start(&of_b, b);
	waiter_start(&w, a);
	assert_waits(&w);
	step(&of_b, QUIESCENT);
	assert_waits(&w);
	quiescent_ends(&of_a, &w);
	/* One quiescent state ends one grace period: the next one waits again. */
	waiter_start(&w, a);
	assert_waits(&w);
	step(&of_a, OFFLINE);
	waiter_ends(&w);
	vfu_rcu_wait(a);
	step(&of_a, ONLINE);
	waiter_start(&w, a);
	assert_waits(&w);
	step(&of_a, LEAVE);
	waiter_ends(&w);
	vfu_rcu_wait(a);
	step(&of_b, LEAVE);
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
	step(&of_a, OFFLINE);
	waiter_start(&w, a);
	assert_waits(&w);
	vfu_rcu_restrict(of_both.self, &only_b);
	waiter_ends(&w);
	vfu_rcu_wait(a);
	waiter_start(&w, b);
	assert_waits(&w);
	quiescent_ends(&of_both, &w);
	step(&of_both, LEAVE);
	step(&of_a, LEAVE);
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
	quiescent_ends(&of_b, &wb);
	assert_false(wa.over);
	quiescent_ends(&of_a, &wa);
	step(&of_a, LEAVE);
	step(&of_b, LEAVE);

	reader_start(&of_all, NULL);
	waiter_start(&wa, a);
	waiter_start(&wb, b);
	assert_waits(&wa);
	assert_waits(&wb);
	quiescent_ends(&of_all, &wa);
	quiescent_ends(&of_all, &wb);
	step(&of_all, LEAVE);
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
	waiter_ends(&w);
}

/*
 * Readers follow a pointer that is replaced, and the word that it led to becomes invalid for good.
 * A reader yields the core while it holds the pointer, so that the word would become invalid under
 * it.
 */
#define VALID  0x600d600du
#define ROUNDS 500

static uint32_t words[ROUNDS + 1];
static _Atomic(uint32_t *) current;
static atomic_bool stop_following;
static atomic_ulong followed, invalid;

static void *
follow(void *arg)
{
	vfu_rcu_register();
	vfu_rcu_only(arg, 1);
	for (unsigned int n = 0; !stop_following; n++) {
		volatile uint32_t *p = atomic_load_explicit(&current, memory_order_acquire);

		for (unsigned int i = 0; i < 4; i++) {
			invalid += *p != VALID;
			sched_yield();
		}
		followed++;
		vfu_rcu_quiescent();
		if (n % 8 == 0) {
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
	pthread_t t[3];

	for (unsigned int i = 0; i <= ROUNDS; i++)
		words[i] = VALID;
	current = &words[0];
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, follow, &server), 0);
	wait_until(followed > 10);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		current = &words[i + 1];
		vfu_rcu_wait(a);
		*(volatile uint32_t *)&words[i] = ~VALID;
		usleep(100); /* the readers get further, even if no wait takes time */
	}
	stop_following = true;
	for (unsigned int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(invalid, 0);
}

/* A reader leaves between two others, one of which leaves and comes back. */
static void
list_of_readers_stays_whole(void **state)
{
	struct reader r[4];
	struct waiter w;

	for (unsigned int i = 0; i < 4; i++)
		reader_start(&r[i], NULL);
	/* The newest is the first of the list. Leave in the middle, at the front, at its end. */
	step(&r[1], LEAVE);
	step(&r[3], LEAVE);
	for (unsigned int i = 0; i < 2; i++) { /* this thread, which came before all of them */
		vfu_rcu_unregister();
		vfu_rcu_register();
		vfu_rcu_offline();
	}
	for (unsigned int i = 0; i < 4; i += 2) {
		step(&r[2 - i], OFFLINE);
		waiter_start(&w, a);
		assert_waits(&w); /* for the other one */
		step(&r[i], QUIESCENT);
		waiter_ends(&w);
		step(&r[2 - i], ONLINE);
	}
	step(&r[0], LEAVE);
	waiter_start(&w, a);
	assert_waits(&w);
	step(&r[2], LEAVE);
	waiter_ends(&w);
	vfu_rcu_wait(a);
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
		cmocka_unit_test(list_of_readers_stays_whole),
		cmocka_unit_test(nothing_is_used_after_a_grace_period),
	};

	alarm(6 * SOON_MS / 1000); /* bounds a vfu_rcu_wait() that does not end */
	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_rcu", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
