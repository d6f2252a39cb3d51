/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The clock for limits: it follows CLOCK_MONOTONIC, in each thread, busy or after a sleep.
 */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "m82576.h"

#define MS 1000000ull

static __thread uint64_t readings; /* of the real clock, by this thread */

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	readings++;
	return (int)syscall(SYS_clock_gettime, id, ts);
}

static uint64_t
real_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Compare the clocks for 300 ms. Return the number of results that are more than 5 ms off. */
static uint64_t
compare(void)
{
	const uint64_t begin = real_now();
	uint64_t before, about, wrong = 0, n = 0;

	do {
		before = real_now();
		about = m82576_about_now();
		wrong += about + 5 * MS < before || about > real_now() + 5 * MS;
		if (++n % 20000 == 0)
			usleep(3000);
	} while (before - begin < 300 * MS);
	return wrong;
}

static void *
thread(void *arg)
{
	*(uint64_t *)arg = compare();
	return NULL;
}

static void
clock_follows_the_real_one(void **state)
{
	uint64_t wrong = UINT64_MAX;
	pthread_t t;

	assert_int_equal(compare(), 0);
	sleep(1);
	assert_int_equal(pthread_create(&t, NULL, thread, &wrong), 0);
	assert_int_equal(compare(), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(wrong, 0);
}

/* Most results come from the counter, and they differ: the clock does not stand still. */
static void
clock_advances_between_readings(void **state)
{
	uint64_t i, last, now, changes = 0;

	compare();
	last = m82576_about_now();
	for (i = 0; i < 100000; i++) {
		now = m82576_about_now();
		changes += now != last;
		last = now;
	}
	assert_true(changes > 1000);
}

/* The real clock is read seldom, unless a thread loses its core at each reading. */
static void
real_clock_is_read_seldom(void **state)
{
	uint64_t before;

	compare();
	before = readings;
	for (unsigned int i = 0; i < 1000000; i++)
		m82576_about_now();
	assert_in_range(readings - before, 1, 500000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_follows_the_real_one),
		cmocka_unit_test(clock_advances_between_readings),
#ifdef __x86_64__
		cmocka_unit_test(real_clock_is_read_seldom),
#endif
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
