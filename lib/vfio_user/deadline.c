/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Deadlines: see deadline.h.
 */

#include <time.h>

#include "deadline.h"

uint64_t
vfu_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int
vfu_ms_left(uint64_t deadline_ms)
{
	uint64_t now = vfu_now_ms();

	if (now >= deadline_ms)
		return 0;
	return deadline_ms - now > 1000000 ? 1000000 : (int)(deadline_ms - now);
}

static struct timespec
to_timespec(uint64_t deadline_ms)
{
	return (struct timespec){
		.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000,
	};
}

int
vfu_lock_until(pthread_mutex_t *lock, uint64_t deadline_ms)
{
	const struct timespec ts = to_timespec(deadline_ms);

	return -pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &ts);
}

int
vfu_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int ret;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ret = -pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return ret;
}

int
vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms)
{
	const struct timespec ts = to_timespec(deadline_ms);

	return -pthread_cond_timedwait(cond, lock, &ts);
}
