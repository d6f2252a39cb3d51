/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The rate of the clock for limits (m82576_clock.c), to the nanosecond: the test supplies the time
 * stamp counter and the real clock. test_igb_model_clock.c compares the clock with the machine's.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "m82576_priv.h"

#ifdef __x86_64__
#include <x86intrin.h>

static uint64_t counter, real; /* time stamp counter; the real clock, in ns */
static unsigned int readings;  /* of the real clock */

#undef __rdtsc
#define __rdtsc()       counter
#define m82576_now_ns() (readings++, real)
#include "m82576_clock.c"

/* Let ns pass, at a number of ticks for each. */
static void
pass(uint64_t ns, uint64_t ticks)
{
	real += ns;
	counter += ns * ticks;
}

/* Forget everything: the first reading of a thread is at 1 s. */
static int
set_up(void **state)
{
	memset(&base, 0, sizeof(base));
	counter = 500000000; /* since the machine started, as the clock: not a rate yet */
	real = 1000000000;
	readings = 0;
	return 0;
}

/* Read the clock. Return whether it read the real clock for that. */
static bool
reads(void)
{
	const unsigned int before = readings;

	m82576_about_now();
	return readings != before;
}

/* Learn a rate of so many ticks for each ns. */
static void
learn(uint64_t ticks)
{
	m82576_about_now();
	pass(FIRST_NS, ticks);
	assert_true(reads());
}

static void
rate_takes_a_millisecond(void **state)
{
	assert_int_equal(m82576_about_now(), real);
	pass(FIRST_NS - 1, 2);
	for (unsigned int i = 0; i < 3; i++)
		assert_true(reads());
	pass(1, 2);
	assert_int_equal(m82576_about_now(), real);
	assert_false(reads());
}

/* Between two readings of the real clock, the counter alone decides. */
static void
counter_advances_the_clock(void **state)
{
	static const uint64_t rates[] = { 1, 2, 4, 8 };

	for (unsigned int i = 0; i < 4; i++) {
		uint64_t begin;

		set_up(state);
		learn(rates[i]);
		begin = real;
		pass(30000, rates[i]);
		real = 1; /* nobody looks */
		assert_int_equal(m82576_about_now(), begin + 30000);
		pass(SYNC_NS - 30000 - 1, rates[i]);
		assert_int_equal(m82576_about_now(), begin + SYNC_NS - 1);
		real = begin + SYNC_NS;
		counter += rates[i];
		assert_true(reads());
		assert_false(reads());
	}
}

/* A counter that is slower than the real clock also has a rate. */
static void
slow_counter_has_a_rate(void **state)
{
	uint64_t begin;

	m82576_about_now();
	real += FIRST_NS;
	counter += FIRST_NS / 4;
	m82576_about_now();
	begin = real;
	counter += 5000;
	assert_int_equal(m82576_about_now(), begin + 20000);
	counter += 7499;
	assert_false(reads());
	counter += 1;
	assert_true(reads());
}

/* Within a second the rate is that of the time since its begin; then that time begins again. */
static void
rate_is_that_of_the_last_second(void **state)
{
	uint64_t begin;

	learn(2);
	/* Just less than a second since the begin, at twice the rate: 4 - 2 * 1 ms / 1 s. */
	pass(AGAIN_NS - FIRST_NS - 1, 4);
	assert_true(reads());
	begin = real;
	counter += 39980;
	assert_in_range(m82576_about_now(), begin + 9999, begin + 10001);
	/* A second: the next rate knows nothing of what was before. */
	counter += 200000;
	real += 1;
	assert_true(reads());
	pass(FIRST_NS, 8);
	assert_true(reads());
	begin = real;
	counter += 80000;
	assert_in_range(m82576_about_now(), begin + 9999, begin + 10000);
}

/* Until the time that gives the rate is long enough again, the former rate holds. */
static void
former_rate_holds_while_the_next_is_measured(void **state)
{
	uint64_t begin;

	learn(2);
	pass(AGAIN_NS - FIRST_NS, 2);
	assert_true(reads());
	pass(SYNC_NS, 2);
	assert_true(reads());
	begin = real;
	pass(10000, 2);
	assert_int_equal(m82576_about_now(), begin + 10000);
	assert_false(reads());
}

/* A rate that no counter has is the result of a jump: it is not used, and measured again. */
static void
jump_of_a_clock_gives_no_rate(void **state)
{
	/* ns and ticks since the begin; whether that is a rate. */
	static const struct {
		uint64_t ns, ticks;
		bool good;
	} t[] = {
		{ FIRST_NS, FIRST_NS / 9, true },
		{ FIRST_NS, FIRST_NS / 10, false },
		{ FIRST_NS, FIRST_NS / 12, false },
		{ FIRST_NS, 9 * FIRST_NS, true },
		{ FIRST_NS, 10 * FIRST_NS, false },
		{ FIRST_NS, 11 * FIRST_NS, false },
		{ AGAIN_NS, AGAIN_NS / 12, false },
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		set_up(state);
		m82576_about_now();
		real += t[i].ns;
		counter += t[i].ticks;
		assert_int_equal(m82576_about_now(), real);
		assert_int_equal(reads(), !t[i].good);
		/* Since the jump, the clocks agree. */
		pass(FIRST_NS, 2);
		assert_int_equal(m82576_about_now(), real);
		assert_false(reads());
		/* The rate since the jump, unless there was none. */
		counter += 20000;
		if (!t[i].good)
			assert_int_equal(m82576_about_now(), real + 10000);
	}
	/* A jump also ends the rate that there was. */
	set_up(state);
	learn(2);
	real += AGAIN_NS / 2;
	counter += 2 * SYNC_NS;
	assert_true(reads());
	assert_true(reads());
}

/* A counter that goes back, as that of another core may, begins again. */
static void
counter_that_goes_back_begins_again(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		set_up(state);
		learn(2);
		real += 2 * FIRST_NS;
		counter = 500000000 - i; /* that of the begin, or the one before */
		assert_int_equal(m82576_about_now(), real);
		assert_true(reads());
		pass(FIRST_NS - 1, 4);
		assert_true(reads());
		pass(1, 4);
		assert_true(reads());
		assert_false(reads());
		pass(20000, 4);
		assert_int_equal(m82576_about_now(), real);
		assert_false(reads());
	}
}
#endif

int
main(void)
{
#ifdef __x86_64__
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(rate_takes_a_millisecond, set_up),
		cmocka_unit_test_setup(counter_advances_the_clock, set_up),
		cmocka_unit_test_setup(slow_counter_has_a_rate, set_up),
		cmocka_unit_test_setup(rate_is_that_of_the_last_second, set_up),
		cmocka_unit_test_setup(former_rate_holds_while_the_next_is_measured, set_up),
		cmocka_unit_test_setup(jump_of_a_clock_gives_no_rate, set_up),
		cmocka_unit_test_setup(counter_that_goes_back_begins_again, set_up),
	};

	return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
#else
	puts("needs the time stamp counter of x86");
	return 77;
#endif
}
