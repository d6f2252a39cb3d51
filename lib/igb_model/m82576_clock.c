/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A clock for limits: m82576_about_now().
 *
 * clock_gettime() waits until all earlier loads are complete. A polling thread has many of them in
 * flight, each for a cache line of the other core, so that reading the clock in the middle of a
 * burst costs far more than its instructions. This clock reads the time stamp counter, which waits
 * for nothing, and converts it by the rate of the last second. Every SYNC_NS it reads the real
 * clock again.
 */

#include "m82576_priv.h"

#ifdef __x86_64__
#include <x86intrin.h>

#define SYNC_NS  50000
#define FIRST_NS 1000000    /* the rate of a shorter time would not be exact */
#define AGAIN_NS 1000000000 /* a new rate: the counter may have jumped, with the machine */
#define SHIFT    24

static __thread struct {
	uint64_t tsc, ns;             /* when the real clock was read last */
	uint64_t ticks;               /* until it is read again; 0: there is no rate */
	uint64_t ns_per_tick;         /* the rate, with SHIFT bits behind the point */
	uint64_t since_tsc, since_ns; /* begin of the time that gives the rate; 0: none */
} base;

static void
measure_from_now(void)
{
	base.since_tsc = base.tsc;
	base.since_ns = base.ns;
}

/* Read the real clock, and compute the rate. Return ns. */
static uint64_t
sync_clock(uint64_t tsc)
{
	uint64_t ns;
	double rate;

	base.tsc = tsc;
	base.ns = m82576_now_ns();
	ns = base.ns - base.since_ns;
	if (base.since_ns == 0 || tsc <= base.since_tsc) {
		base.ticks = 0;
		measure_from_now();
	} else if (ns >= FIRST_NS) {
		rate = (double)ns / (double)(tsc - base.since_tsc);
		base.ticks = 0;
		/* Counters run at 0.1 to 10 GHz. A jump gives another rate. */
		if (rate > 0.1 && rate < 10) {
			base.ns_per_tick = (uint64_t)(rate * (1 << SHIFT));
			base.ticks = (uint64_t)(SYNC_NS / rate);
		}
		if (base.ticks == 0 || ns >= AGAIN_NS)
			measure_from_now();
	}
	return base.ns;
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
