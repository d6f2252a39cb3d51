/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A clock for limits: m82576_about_now().
 *
 * clock_gettime() waits until all earlier loads are complete. A polling thread has many of them in
 * flight, each for a cache line of the other core, so that reading the clock in the middle of a
 * burst costs far more than its instructions. This clock reads the time stamp counter, which waits
 * for nothing, and converts it by the rate since the thread's first call. Every SYNC_NS it reads
 * the real clock again, so that it is never far off, whatever happens to the counter.
 */

#include "m82576_priv.h"

#ifdef __x86_64__
#include <x86intrin.h>

#define SYNC_NS 50000
#define RATE_NS 1000000 /* the rate of a shorter time would not be exact */
#define SHIFT   24

static __thread struct {
	uint64_t tsc, ns;             /* when the real clock was read last */
	uint64_t ticks;               /* until it is read again */
	uint64_t ns_per_tick;         /* fixed point, SHIFT bits */
	uint64_t first_tsc, first_ns; /* begin of the time that gives the rate; 0: none */
} base;

static uint64_t
sync_clock(uint64_t tsc)
{
	const uint64_t ns = m82576_now_ns();
	double rate;

	base.tsc = tsc;
	base.ns = ns;
	if (base.first_ns == 0 || tsc <= base.first_tsc) {
		base.first_tsc = tsc;
		base.first_ns = ns;
		base.ticks = 0;
	} else if (ns - base.first_ns >= RATE_NS) {
		rate = (double)(ns - base.first_ns) / (double)(tsc - base.first_tsc);
		base.ns_per_tick = (uint64_t)(rate * (1 << SHIFT));
		base.ticks = (uint64_t)(SYNC_NS / rate);
	}
	return ns;
}

uint64_t
m82576_about_now(void)
{
	const uint64_t tsc = __rdtsc(), ticks = tsc - base.tsc;

	if (__builtin_expect(ticks >= base.ticks, 0))
		return sync_clock(tsc);
	return base.ns + (ticks * base.ns_per_tick >> SHIFT);
}
#else
uint64_t
m82576_about_now(void)
{
	return m82576_now_ns();
}
#endif
