/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The times of a flow's frames: traffic_schedule.c, which needs no clock. Each test composes the
 * flow, plays the wire, and computes the times that it expects by a formula that does not add up.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "traffic.h"

#define US    1000ULL
#define MS    1000000ULL
#define SEC   1000000000ULL
#define NEVER UINT64_MAX
#define T0    (1000 * SEC)

__extension__ typedef unsigned __int128 wide;

static struct traffic_flow flow;
static struct traffic_schedule sched;

/* Compose a flow without an end. */
static void
compose(enum traffic_rate_kind kind, uint64_t value)
{
	memset(&flow, 0, sizeof(flow));
	flow.rate = (struct traffic_rate){ .kind = kind, .value = value };
	flow.duration.gap = 12;
}

static void
start(unsigned int mbps)
{
	traffic_schedule_start(&sched, &flow, T0, mbps);
}

/* Send a frame. Return the time from it to the next one. */
static uint64_t
step(uint32_t len, unsigned int mbps)
{
	uint64_t before = sched.due;

	assert_true(before != NEVER);
	traffic_schedule_sent(&sched, len, mbps);
	return sched.due == NEVER ? NEVER : sched.due - before;
}

/* Send frames until the flow ends, but at most max. Return their number. */
static uint64_t
run(uint64_t max, uint32_t len, unsigned int mbps)
{
	uint64_t n;

	for (n = 0; n < max && sched.due != NEVER; n++)
		traffic_schedule_sent(&sched, len, mbps);
	return n;
}

/* Assert that frame n of 10 million is due n * num / den ns after the first, for each n. */
static void
is_exact(uint32_t len, unsigned int mbps, uint64_t num, uint64_t den)
{
	uint64_t n, want;

	start(mbps);
	for (n = 0; n < 10000000; n++) {
		want = T0 + (uint64_t)((wide)n * num / den);
		if (sched.due != want || sched.n != n)
			fail_msg("frame %llu: %llu, not %llu", (unsigned long long)n,
					(unsigned long long)sched.due, (unsigned long long)want);
		traffic_schedule_sent(&sched, len, mbps);
	}
}

static void
frames_a_second_are_exact_over_10_million_frames(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1488095);
	is_exact(60, 1000, SEC, 1488095);
	assert_int_equal(sched.due - T0, 10000000 * SEC / 1488095);
	is_exact(60, 0, SEC, 1488095);
	compose(TRAFFIC_RATE_PPS, 7);
	is_exact(1514, 997, SEC, 7);
}

static void
bits_a_second_are_exact_over_10_million_frames(void **state)
{
	compose(TRAFFIC_RATE_BPS, 333333333);
	is_exact(61, 1000, 85 * 8 * SEC, 333333333);
	compose(TRAFFIC_RATE_BPS, 1);
	start(1000);
	assert_int_equal(step(60, 1000), 672 * SEC);
}

static void
percent_are_exact_over_10_million_frames(void **state)
{
	compose(TRAFFIC_RATE_PERCENT, 33333000); /* 33.333 % */
	is_exact(60, 1000, 672 * 100000ULL, 33333);
	is_exact(1514, 2500, 1538 * 8 * 40000ULL, 33333);
	compose(TRAFFIC_RATE_PERCENT, 100000000);
	is_exact(60, 997, 672 * 1000, 997);
}

/* Each size has its own interval, and no remainder is lost between them. */
static void
bits_of_each_frame_count_at_mixed_sizes(void **state)
{
	static const uint32_t lens[] = { 60, 61, 577, 1514, 9000, TRAFFIC_FRAME_MAX };
	uint64_t bits = 0;

	compose(TRAFFIC_RATE_PERCENT, 77777777);
	start(1000);
	for (unsigned int n = 0; n < 600000; n++) {
		wide want = (wide)bits * 100000000 / 77777777;

		assert_int_equal(sched.due - T0, (uint64_t)want);
		traffic_schedule_sent(&sched, lens[n % 6], 1000);
		bits += (lens[n % 6] + 24) * 8;
	}
}

static void
percent_without_a_speed_are_due_at_once(void **state)
{
	compose(TRAFFIC_RATE_PERCENT, 1);
	flow.duration.gap = 1000;
	flow.duration.delay_bytes = 1000;
	start(0);
	assert_int_equal(sched.due, T0);
	assert_int_equal(run(1000, 60, 0), 1000);
	assert_int_equal(sched.due, T0);
	assert_int_equal(sched.n, 1000);
}

static void
gap_of_the_wire_adds_nothing_and_one_byte_more_does(void **state)
{
	compose(TRAFFIC_RATE_PERCENT, 100000000);
	flow.duration.gap = 0;
	start(1000);
	assert_int_equal(step(60, 1000), 672);
	flow.duration.gap = 12;
	assert_int_equal(step(60, 1000), 672);
	flow.duration.gap = 13;
	assert_int_equal(step(60, 1000), 680);
	assert_int_equal(step(1514, 1000), 12312);
	assert_int_equal(step(60, 0), 0);
	flow.duration.gap = UINT32_MAX;
	assert_int_equal(step(60, 1000), (72 + (uint64_t)UINT32_MAX) * 8);
}

/* 12 bytes limit no rate: a flow that demands more than the wire has is late. */
static void
gap_of_the_wire_does_not_limit_the_rate(void **state)
{
	compose(TRAFFIC_RATE_PPS, 2000000);
	start(1000);
	assert_int_equal(step(60, 1000), 500);
}

static void
gap_counts_only_if_the_rate_demands_less(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000000);
	flow.duration.gap = 12 + 41; /* 84 + 41 bytes are 1000 ns */
	start(1000);
	assert_int_equal(step(60, 1000), 1000);
	flow.duration.gap++;
	assert_int_equal(step(60, 1000), 1008);
}

/* The rate demands the interval of one size, the gap that of another. */
static void
gaps_and_rates_that_alternate_are_exact(void **state)
{
	compose(TRAFFIC_RATE_PPS, 333333);
	flow.duration.gap = 100;
	start(997);
	for (uint64_t n = 0; n < 1000000; n++) {
		/* In parts of 1 / den ns, of which both intervals are multiples. */
		uint64_t den = 333333 * 997ULL, pairs = n / 2;
		wide pair = (wide)SEC * 997 + (wide)(1514 + 112) * 8 * 1000 * 333333;
		wide want = (wide)pairs * pair + (n % 2 != 0 ? (wide)SEC * 997 : 0);

		assert_int_equal(sched.due - T0, (uint64_t)(want / den));
		traffic_schedule_sent(&sched, n % 2 != 0 ? 1514 : 60, 997);
	}
}

static void
packets_end_the_flow_behind_the_last_one(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000);
	flow.duration.packets = 3;
	start(1000);
	assert_int_equal(step(60, 1000), MS);
	assert_int_equal(step(60, 1000), MS);
	assert_int_equal(step(60, 1000), NEVER);
	assert_int_equal(sched.n, 3);
	traffic_schedule_sent(&sched, 60, 1000);
	traffic_schedule_limit(&sched, T0 + SEC, 0);
	assert_int_equal(sched.due, NEVER);
	assert_int_equal(sched.n, 3);
	assert_int_equal(sched.late, 0);
	flow.duration.packets = 1;
	start(1000);
	assert_int_equal(run(2, 60, 1000), 1);
}

static void
no_frame_is_due_at_the_end_of_the_time(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1488095);
	flow.duration.ns = SEC;
	start(1000);
	assert_int_equal(run(NEVER, 60, 1000), 1488095);
	compose(TRAFFIC_RATE_PPS, 1000);
	flow.duration.ns = 2 * MS;
	start(1000);
	assert_int_equal(run(NEVER, 60, 1000), 2);
	flow.duration.ns = 2 * MS + 1;
	start(1000);
	assert_int_equal(run(NEVER, 60, 1000), 3);
	flow.duration.ns = 1;
	start(1000);
	assert_int_equal(run(NEVER, 60, 1000), 1);
}

static void
time_counts_behind_the_delay(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000);
	flow.duration.ns = 2 * MS;
	flow.duration.delay_ns = 5 * MS + 7;
	start(1000);
	assert_int_equal(sched.due, T0 + 5 * MS + 7);
	assert_int_equal(run(NEVER, 60, 1000), 2);
}

static void
delay_in_bytes_counts_at_the_speed(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000);
	flow.duration.delay_bytes = 125;
	start(1000);
	assert_int_equal(sched.due, T0 + 1000);
	start(10);
	assert_int_equal(sched.due, T0 + 100000);
	flow.duration.delay_ns = 3;
	start(1000);
	assert_int_equal(sched.due, T0 + 1003);
	start(0);
	assert_int_equal(sched.due, T0 + 3);
}

/* A delay of 1000 / 997 ns for each bit leaves a remainder, which later frames also have. */
static void
remainder_of_the_delay_is_kept(void **state)
{
	compose(TRAFFIC_RATE_PERCENT, 100000000);
	flow.duration.delay_bytes = 1;
	start(997);
	for (uint64_t n = 0; n < 10000; n++) {
		assert_int_equal(sched.due - T0, (8 + n * 672) * 1000 / 997);
		traffic_schedule_sent(&sched, 60, 997);
	}
}

static void
gap_follows_each_burst(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000000);
	flow.duration.is_bursts = true;
	flow.duration.packets = 3;
	flow.duration.bursts = 2;
	flow.duration.burst_gap_ns = MS;
	start(1000);
	assert_int_equal(step(60, 1000), 1000);
	assert_int_equal(step(60, 1000), 1000);
	assert_int_equal(step(60, 1000), MS + 72 * 8); /* behind the end of the frame */
	assert_int_equal(step(60, 1000), 1000);
	assert_int_equal(step(60, 1000), 1000);
	assert_int_equal(step(60, 1000), NEVER);
	assert_int_equal(sched.n, 6);
}

static void
gap_between_bursts_in_bytes_counts_at_the_speed(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000000);
	flow.duration.is_bursts = true;
	flow.duration.packets = 1;
	flow.duration.burst_gap_bytes = 53;
	start(1000);
	assert_int_equal(step(60, 1000), 1000); /* (72 + 53) * 8 */
	flow.duration.burst_gap_bytes = 54;
	assert_int_equal(step(60, 1000), 1008);
	flow.duration.burst_gap_ns = 10;
	assert_int_equal(step(60, 1000), 1018);
	assert_int_equal(step(60, 100), 10090);
	flow.duration.burst_gap_ns = 2000;
	assert_int_equal(step(60, 0), 2000);
}

static void
gap_between_frames_holds_between_bursts(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000000);
	flow.duration.is_bursts = true;
	flow.duration.packets = 1;
	flow.duration.burst_gap_bytes = 54;
	flow.duration.gap = 55;
	start(1000);
	assert_int_equal(step(60, 1000), 1016);
	flow.duration.gap = 53;
	assert_int_equal(step(60, 1000), 1008);
}

static void
bursts_without_a_number_do_not_end(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000000);
	flow.duration.is_bursts = true;
	flow.duration.packets = 2;
	start(1000);
	assert_int_equal(run(100000, 60, 1000), 100000);
	assert_int_equal(sched.due - T0, 100 * MS);
	flow.duration.bursts = 1;
	start(1000);
	assert_int_equal(run(100000, 60, 1000), 2);
	flow.duration.packets = 0; /* the only burst has no end */
	start(1000);
	assert_int_equal(run(100000, 60, 1000), 100000);
	flow.duration.is_bursts = false; /* bursts are of no meaning */
	flow.duration.packets = 2;
	flow.duration.bursts = 5;
	start(1000);
	assert_int_equal(run(100000, 60, 1000), 2);
}

static void
rate_in_percent_follows_a_change_of_the_speed(void **state)
{
	compose(TRAFFIC_RATE_PERCENT, 50000000);
	start(1000);
	assert_int_equal(step(60, 1000), 1344);
	assert_int_equal(step(60, 100), 13440);
	assert_int_equal(step(60, 10), 134400);
	assert_int_equal(step(60, 0), 0);
	assert_int_equal(step(60, 1000), 1344);
}

/* The denominator of a rate in frames has the speed as a factor, and the remainder has it too. */
static void
rate_in_frames_stays_exact_if_the_speed_changes(void **state)
{
	static const unsigned int speeds[] = { 1000, 100, 10, 997, 0, 2500 };

	compose(TRAFFIC_RATE_PPS, 1488095);
	start(1000);
	for (uint64_t n = 0; n < 1000000; n++) {
		assert_int_equal(sched.due - T0, n * SEC / 1488095);
		traffic_schedule_sent(&sched, 60, speeds[n % 6]);
	}
}

static void
frame_that_is_due_no_longer_ago_than_the_lag_is_not_put_off(void **state)
{
	compose(TRAFFIC_RATE_PPS, 3);
	start(1000);
	assert_int_equal(step(60, 1000), SEC / 3);
	traffic_schedule_limit(&sched, T0 + SEC / 3 + 200 * US, 200 * US);
	assert_int_equal(sched.due, T0 + SEC / 3);
	assert_int_equal(sched.late, 0);
	assert_int_not_equal(sched.rem, 0);
	traffic_schedule_limit(&sched, T0 + SEC / 3 + 200 * US + 1, 200 * US);
	assert_int_equal(sched.due, T0 + SEC / 3 + 1);
	assert_int_equal(sched.late, 1);
	assert_int_equal(sched.rem, 0);
	traffic_schedule_limit(&sched, T0 + SEC, 0);
	assert_int_equal(sched.due, T0 + SEC);
	assert_int_equal(sched.late, SEC - SEC / 3);
	assert_int_equal(step(60, 1000), SEC / 3);
}

static void
time_before_the_lag_puts_nothing_off(void **state)
{
	compose(TRAFFIC_RATE_PPS, 3);
	traffic_schedule_start(&sched, &flow, 5, 1000);
	traffic_schedule_limit(&sched, 10, 11);
	assert_int_equal(sched.due, 5);
	assert_int_equal(sched.late, 0);
}

/* A flow that was away at its end does not send behind it, and is late up to it only. */
static void
flow_that_is_put_off_to_its_end_has_ended(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1000);
	flow.duration.ns = 10 * MS;
	start(1000);
	traffic_schedule_limit(&sched, T0 + 10 * MS - 1, 0);
	assert_int_equal(sched.due, T0 + 10 * MS - 1);
	start(1000);
	traffic_schedule_limit(&sched, T0 + 10 * MS, 0);
	assert_int_equal(sched.due, NEVER);
	assert_int_equal(sched.late, 10 * MS);
	start(1000);
	traffic_schedule_limit(&sched, T0 + SEC, 0);
	assert_int_equal(sched.due, NEVER);
	assert_int_equal(sched.late, 10 * MS);
}

static void
time_that_does_not_fit_is_never(void **state)
{
	compose(TRAFFIC_RATE_PPS, 1);
	flow.duration.delay_ns = NEVER - T0 - 1;
	start(1000);
	assert_int_equal(sched.due, NEVER - 1);
	flow.duration.delay_ns++;
	start(1000);
	assert_int_equal(sched.due, NEVER);
	compose(TRAFFIC_RATE_PPS, 1);
	flow.duration.ns = NEVER - T0;
	start(1000);
	assert_int_equal(sched.end, NEVER);
	flow.duration.ns--;
	start(1000);
	assert_int_equal(sched.end, NEVER - 1);
	flow.duration.ns = NEVER;
	start(1000);
	assert_int_equal(sched.end, NEVER);
}

static uint64_t
den_of(uint64_t rate, unsigned int mbps)
{
	compose(TRAFFIC_RATE_PPS, rate);
	start(mbps);
	return sched.den;
}

static void
rates_are_limited_so_that_the_denominator_fits(void **state)
{
	assert_int_equal(den_of((1ULL << 50) - 1, 1), (1ULL << 50) - 1);
	assert_int_equal(den_of(1ULL << 50, 1), 1ULL << 50);
	assert_int_equal(den_of((1ULL << 50) + 1, 1), 1ULL << 50);
	assert_int_equal(den_of(NEVER, 0), 1ULL << 50);
	assert_int_equal(den_of(1ULL << 42, 1 << 20), 1ULL << 62);
	assert_int_equal(den_of((1ULL << 42) + 1, 1 << 20), 1ULL << 62);
	assert_int_equal(den_of(1ULL << 30, UINT32_MAX), (1ULL << 62) - (1ULL << 30));
	assert_int_equal(den_of((1ULL << 30) + 1, UINT32_MAX), (1ULL << 62) - (1ULL << 30));
	assert_int_equal(den_of(0, 1000), 1000); /* not permitted: taken as 1 */
}

/* Every value at its maximum, at each speed: the sums are computed without an overflow. */
static void
largest_values_do_not_overflow(void **state)
{
	static const unsigned int speeds[] = { 0, 1, 1000, 400000, UINT32_MAX };

	for (unsigned int i = 0; i < 5; i++) {
		for (int kind = TRAFFIC_RATE_PPS; kind <= TRAFFIC_RATE_PERCENT; kind++) {
			compose(kind, NEVER);
			start(speeds[i]);
			assert_in_range(step(UINT32_MAX, speeds[i]), 0, 60 * SEC);
			flow.duration.is_bursts = true;
			flow.duration.packets = 1;
			flow.duration.burst_gap_ns = NEVER;
			flow.duration.burst_gap_bytes = NEVER;
			start(speeds[i]);
			assert_int_equal(step(UINT32_MAX, speeds[i]), NEVER);
			flow.duration.delay_ns = NEVER;
			flow.duration.delay_bytes = NEVER;
			start(speeds[i]);
			assert_int_equal(sched.due, NEVER);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_a_second_are_exact_over_10_million_frames),
		cmocka_unit_test(bits_a_second_are_exact_over_10_million_frames),
		cmocka_unit_test(percent_are_exact_over_10_million_frames),
		cmocka_unit_test(bits_of_each_frame_count_at_mixed_sizes),
		cmocka_unit_test(percent_without_a_speed_are_due_at_once),
		cmocka_unit_test(gap_of_the_wire_adds_nothing_and_one_byte_more_does),
		cmocka_unit_test(gap_of_the_wire_does_not_limit_the_rate),
		cmocka_unit_test(gap_counts_only_if_the_rate_demands_less),
		cmocka_unit_test(gaps_and_rates_that_alternate_are_exact),
		cmocka_unit_test(packets_end_the_flow_behind_the_last_one),
		cmocka_unit_test(no_frame_is_due_at_the_end_of_the_time),
		cmocka_unit_test(time_counts_behind_the_delay),
		cmocka_unit_test(delay_in_bytes_counts_at_the_speed),
		cmocka_unit_test(remainder_of_the_delay_is_kept),
		cmocka_unit_test(gap_follows_each_burst),
		cmocka_unit_test(gap_between_bursts_in_bytes_counts_at_the_speed),
		cmocka_unit_test(gap_between_frames_holds_between_bursts),
		cmocka_unit_test(bursts_without_a_number_do_not_end),
		cmocka_unit_test(rate_in_percent_follows_a_change_of_the_speed),
		cmocka_unit_test(rate_in_frames_stays_exact_if_the_speed_changes),
		cmocka_unit_test(frame_that_is_due_no_longer_ago_than_the_lag_is_not_put_off),
		cmocka_unit_test(time_before_the_lag_puts_nothing_off),
		cmocka_unit_test(flow_that_is_put_off_to_its_end_has_ended),
		cmocka_unit_test(time_that_does_not_fit_is_never),
		cmocka_unit_test(rates_are_limited_so_that_the_denominator_fits),
		cmocka_unit_test(largest_values_do_not_overflow),
	};

	return cmocka_run_group_tests_name("traffic_schedule", tests, NULL, NULL);
}
