/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * How the directions of a polling thread share its core.
 *
 * A direction of a wire has a source, and one polling thread serves several directions. Each
 * direction may cost a different amount of time per poll. The tests run two directions on one
 * thread, and count how often each is polled.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "poller.h"

/*
 * A source that has either an unlimited number of frames or none, and whose next() takes a
 * given time.
 */
struct rig_source {
	struct wire_source src;
	uint64_t ns;         /* how long next() takes */
	bool sleeps;         /* next() sleeps for that time, as in a page fault; else it computes */
	unsigned int frames; /* result of next() */
	atomic_uint looks;
	atomic_uint inside, most; /* threads in next() now, and at any time */
};

static void
enter(struct rig_source *s)
{
	unsigned int now = ++s->inside;

	if (now > s->most)
		s->most = now;
}

static unsigned int
rig_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	static const uint8_t data[WIRE_FRAME_MIN];
	struct rig_source *s = (struct rig_source *)src;
	uint64_t begin = poller_now();

	enter(s);
	while (poller_now() - begin < s->ns)
		if (s->sleeps)
			usleep((useconds_t)(s->ns / 1000));
	s->looks++;
	frames[0] = (struct m82576_frame){ .data = data, .len = sizeof(data) };
	s->inside--;
	return s->frames;
}

static bool
rig_pending(struct wire_source *src)
{
	return true;
}

static void
rig_close(struct wire_source *src)
{
}

static void
add(struct poller *poller, struct rig_source *s, struct wire_dir **dir)
{
	char err[WIRE_ERR_LEN];
	struct wire_sink *sink;

	s->src = (struct wire_source){
		.next = rig_next,
		.pending = rig_pending,
		.close = rig_close,
	};
	assert_int_equal(wire_null_open(&sink, err), 0);
	*dir = wire_dir_new(&s->src, sink, 0);
	assert_non_null(*dir);
	poller_add(poller, *dir, NULL, NULL);
}

/* Let two directions share a thread until the first one has been polled 50 times. */
static void
poll_both_until_first_polled_50_times(struct rig_source *a, struct rig_source *b)
{
	char err[WIRE_ERR_LEN];
	struct poller *poller = poller_new(-1, err);
	struct wire_dir *dirs[2];

	assert_non_null(poller);
	add(poller, a, &dirs[0]);
	add(poller, b, &dirs[1]);
	assert_int_equal(poller_start(poller, err), 0);
	while (a->looks < 50)
		usleep(1000);
	poller_free(poller);
	wire_dir_free(dirs[0]);
	wire_dir_free(dirs[1]);
}

/*
 * While a port's polls take 3 ms and yield nothing, its neighbour gets more than one burst per
 * poll.
 */
static void
neighbour_of_long_polls_has_as_much_time(void **state)
{
	struct rig_source slow = { .ns = 3000000, .frames = 0 };
	struct rig_source busy = { .ns = 0, .frames = 1 };

	poll_both_until_first_polled_50_times(&slow, &busy);
	assert_true(busy.looks > 3 * WIRE_BURST * slow.looks);
}

/* A port in whose polls the thread sleeps gets less than a fourth of the thread's time. */
static void
sleeping_port_gets_less_than_a_fourth_of_the_thread(void **state)
{
	struct rig_source sleepy = { .ns = 2000000, .frames = 0, .sleeps = true };
	struct rig_source busy = { .ns = 0, .frames = 1 };
	uint64_t begin = poller_now();

	poll_both_until_first_polled_50_times(&sleepy, &busy);
	assert_true(poller_now() - begin > (sleepy.looks - 1) * sleepy.ns * 4);
	/* The same holds while its neighbour has no frames. */
	busy.frames = 0;
	sleepy.looks = 0;
	begin = poller_now();
	poll_both_until_first_polled_50_times(&sleepy, &busy);
	assert_true(poller_now() - begin > (sleepy.looks - 1) * sleepy.ns * 4);
}

/*
 * A neighbour without frames does not use up the time that it could have: some 8,000 polls each
 * time. While the host has the core of a thread, another thread takes over and polls the neighbour
 * alone, so that the directions have several tries.
 */
static void
idle_neighbour_takes_no_time(void **state)
{
	struct rig_source slow = { .ns = 400000, .frames = 0 };
	struct rig_source idle = { .ns = 0, .frames = 0 };

	for (unsigned int tries = 0; tries < 50; tries++) {
		slow.looks = idle.looks = 0;
		poll_both_until_first_polled_50_times(&slow, &idle);
		if (idle.looks <= slow.looks + 1)
			return;
	}
	fail_msg("%u polls of %u", idle.looks, slow.looks);
}

static atomic_bool held;

/* A page fault that lasts as long as some other process likes. */
static unsigned int
held_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	struct rig_source *s = (struct rig_source *)src;

	enter(s);
	s->looks++;
	while (held)
		usleep(1000);
	s->inside--;
	return 0;
}

/* While a thread is stuck in one direction, another one polls the rest; several may be stuck. */
static void
stuck_poll_holds_up_its_own_direction_only(void **state)
{
	struct rig_source stuck[2] = { 0 }, busy = { .frames = 1 };
	char err[WIRE_ERR_LEN];
	struct poller *poller = poller_new(-1, err);
	struct wire_dir *dirs[3];
	unsigned int before;

	held = true;
	for (unsigned int i = 0; i < 2; i++) {
		add(poller, &stuck[i], &dirs[i]);
		stuck[i].src.next = held_next;
	}
	add(poller, &busy, &dirs[2]);
	assert_int_equal(poller_start(poller, err), 0);
	while (busy.looks < 100000)
		usleep(1000);
	assert_int_equal(stuck[0].looks, 1);
	assert_int_equal(stuck[1].looks, 1);
	held = false;
	/* The directions are polled again, and the threads that were stuck watch again. */
	for (unsigned int i = 0; i < 2; i++)
		while (stuck[i].looks < 10)
			usleep(1000);
	for (unsigned int round = 0; round < 5; round++) {
		held = true;
		before = busy.looks;
		while (busy.looks < before + 10000)
			usleep(1000);
		held = false;
		for (unsigned int i = 0; i < 2; i++)
			for (before = stuck[i].looks; stuck[i].looks < before + 10;)
				usleep(1000);
	}
	poller_free(poller);
	for (unsigned int i = 0; i < 3; i++)
		wire_dir_free(dirs[i]);
}

/*
 * All directions sleep for longer than the watcher waits, and rest, so that threads take over from
 * each other all the time, also while there is nothing to poll: no two are ever in one direction,
 * and each direction is polled again and again.
 */
static void
no_two_threads_are_in_one_direction(void **state)
{
	struct rig_source sleepy[4] = { 0 };
	char err[WIRE_ERR_LEN];
	struct poller *poller = poller_new(-1, err);
	struct wire_dir *dirs[4];

	for (unsigned int i = 0; i < 4; i++) {
		add(poller, &sleepy[i], &dirs[i]);
		sleepy[i].ns = (6 + 7 * i) * 1000000;
		sleepy[i].sleeps = true;
	}
	assert_int_equal(poller_start(poller, err), 0);
	for (unsigned int i = 0; i < 4; i++)
		while (sleepy[i].looks < 10)
			usleep(1000);
	assert_true(pollers_stop(&poller, 1, 60000));
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(sleepy[i].most, 1);
		assert_false(pollers_use(&poller, 1, dirs[i]));
	}
	poller_free(poller);
	for (unsigned int i = 0; i < 4; i++)
		wire_dir_free(dirs[i]);
}

/* A thread that is stuck at the end keeps its direction, and nothing else. */
static void
stuck_thread_does_not_hold_up_the_end(void **state)
{
	struct rig_source stuck = { 0 }, busy = { .frames = 1 };
	char err[WIRE_ERR_LEN];
	struct poller *poller = poller_new(-1, err);
	struct wire_dir *dirs[2];

	held = true;
	add(poller, &stuck, &dirs[0]);
	stuck.src.next = held_next;
	add(poller, &busy, &dirs[1]);
	assert_int_equal(poller_start(poller, err), 0);
	while (busy.looks < 1000)
		usleep(1000);
	assert_false(pollers_stop(&poller, 1, 50));
	assert_true(pollers_use(&poller, 1, dirs[0]));
	while (pollers_use(&poller, 1, dirs[1])) /* its thread may just need its time to end */
		pollers_stop(&poller, 1, 50);
	held = false;
	assert_true(pollers_stop(&poller, 1, 60000));
	assert_false(pollers_use(&poller, 1, dirs[0]));
	assert_int_equal(stuck.looks, 1);
	poller_free(poller);
	wire_dir_free(dirs[0]);
	wire_dir_free(dirs[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbour_of_long_polls_has_as_much_time),
		cmocka_unit_test(sleeping_port_gets_less_than_a_fourth_of_the_thread),
		cmocka_unit_test(stuck_poll_holds_up_its_own_direction_only),
		cmocka_unit_test(no_two_threads_are_in_one_direction),
		cmocka_unit_test(stuck_thread_does_not_hold_up_the_end),
		cmocka_unit_test(idle_neighbour_takes_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
