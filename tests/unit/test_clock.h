/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Replaces the C library's clock in the whole program, also for EAL and the library under test: a
 * test advances the time by passed_ms, and waits for nothing.
 */

#ifndef TEST_CLOCK_H
#define TEST_CLOCK_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t passed_ms;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	const uint64_t ms = passed_ms;
	int ret = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += (time_t)(ms / 1000);
	ts->tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts->tv_nsec >= 1000000000) {
		ts->tv_sec++;
		ts->tv_nsec -= 1000000000;
	}
	return ret;
}

#endif /* TEST_CLOCK_H */
