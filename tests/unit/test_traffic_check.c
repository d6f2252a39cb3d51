/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The receiver of generated flows. The test replaces the functions of the other
 * files: a stamp is a structure of this file, and sizes and checksums follow simple rules.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing.h"
#include "traffic.h"

#define WINDOW  16384
#define HEADERS 42
#define SIZE    100
#define PORT    3
#define T0      5000000000ULL
#define GBIT    1000 /* Mb/s */

/* The stamp of a test: 16 bytes, as in a real frame. */
struct fake_stamp {
	uint64_t time : 40;
	uint64_t flow : 20; /* NO_FLOW: no stamp */
	uint64_t generation : 4;
	uint32_t sequence;
	uint32_t payload;
};

#define NO_FLOW 0xFFFFF

_Static_assert(sizeof(struct fake_stamp) == TRAFFIC_STAMP_LEN, "as a real stamp");

static uint64_t last_number; /* of which traffic_size_at() was asked */

bool
traffic_stamp_read(const uint8_t *frame, uint32_t len, struct traffic_stamp *stamp)
{
	struct fake_stamp fake;

	if (len < sizeof(fake))
		return false;
	memcpy(&fake, frame + len - sizeof(fake), sizeof(fake));
	*stamp = (struct traffic_stamp){ .flow = fake.flow,
		.generation = fake.generation,
		.sequence = fake.sequence,
		.time = fake.time,
		.payload = fake.payload };
	return fake.flow != NO_FLOW;
}

uint32_t
traffic_payload_sum(const uint8_t *payload, uint32_t len)
{
	uint32_t sum = 1, i;

	for (i = 0; i < len; i++)
		sum = sum * 31 + payload[i];
	return sum & 0xFFFFFF;
}

/* Return `first`, and `step` bytes more for each of up to 6 further frames. */
uint32_t
traffic_size_at(const struct traffic_size *s, uint64_t n)
{
	last_number = n;
	return s->first + n % 7 * s->step;
}

static struct traffic_flow flows[4];
static struct traffic traffic;
static struct traffic_receiver *receiver;

static int
set_up(void **state)
{
	unsigned int i;

	memset(flows, 0, sizeof(flows));
	for (i = 0; i < 4; i++) {
		flows[i].number = i;
		flows[i].rx_ports = 1ULL << PORT;
		flows[i].headers_len = HEADERS;
		flows[i].size.first = SIZE;
		flows[i].size.last = SIZE;
		flows[i].stamped = true;
	}
	traffic = (struct traffic){ .flows = flows, .nr_flows = 4 };
	receiver = traffic_receiver_new(&traffic, PORT);
	return receiver == NULL;
}

static int
tear_down(void **state)
{
	traffic_receiver_free(receiver);
	return 0;
}

/* Forget all frames, so that the next one is a flow's first. */
static void
restart(void)
{
	tear_down(NULL);
	receiver = traffic_receiver_new(&traffic, PORT);
	assert_non_null(receiver);
}

/* Write a frame of len bytes whose payload of `payload` bytes depends on its number. */
static void
write_frame(uint8_t *frame, uint32_t len, uint32_t payload, uint32_t sequence)
{
	struct fake_stamp stamp = { .sequence = sequence, .time = T0 };
	uint32_t end = len - sizeof(stamp), i;

	for (i = 0; i < end; i++)
		frame[i] = (uint8_t)(sequence + i);
	stamp.payload = traffic_payload_sum(frame + end - payload, payload);
	memcpy(frame + end, &stamp, sizeof(stamp));
}

/* Receive a frame that flow 0 sent at one time and that arrives at another. */
static void
arrive_at(uint32_t sequence, uint64_t sent, uint64_t at, unsigned int mbps)
{
	uint8_t frame[SIZE];
	struct fake_stamp stamp;

	write_frame(frame, SIZE, SIZE - HEADERS - TRAFFIC_STAMP_LEN, sequence);
	memcpy(&stamp, frame + SIZE - sizeof(stamp), sizeof(stamp));
	stamp.time = sent & 0xFFFFFFFFFF;
	memcpy(frame + SIZE - sizeof(stamp), &stamp, sizeof(stamp));
	traffic_receive(receiver, frame, SIZE, at, mbps);
}

static void
arrive(uint32_t sequence)
{
	arrive_at(sequence, T0, T0, 0);
}

/* Receive frames in order: from a number up to, not including, another one. */
static void
arrive_run(uint32_t from, uint32_t to)
{
	for (; from != to; from++)
		arrive(from);
}

/* Return what arrived of a flow, until the next call; NULL: the port is not to receive it. */
static const struct traffic_rx *
received(unsigned int flow)
{
	static struct traffic_rx copy;

	return traffic_get_rx(receiver, flow, &copy) ? &copy : NULL;
}

static struct traffic_strays
strays(void)
{
	struct traffic_strays s;

	traffic_get_strays(receiver, &s);
	return s;
}

static const struct traffic_rx *
rx(void)
{
	return received(0);
}

/* Assert how many frames arrived, and which of them out of order. */
#define ASSERT_ORDER(all, copies, behind, extent, late) \
	do { \
		assert_int_equal(rx()->frames, all); \
		assert_int_equal(rx()->duplicated, copies); \
		assert_int_equal(rx()->reordered, behind); \
		assert_int_equal(rx()->extent_max, extent); \
		assert_int_equal(rx()->too_late, late); \
		assert_int_equal(rx()->corrupted, 0); \
	} while (0)

static void
new_receiver_has_counted_nothing(void **state)
{
	ASSERT_ORDER(0, 0, 0, 0, 0);
	assert_int_equal(rx()->bytes_fcs, 0);
	assert_int_equal(rx()->first_ns, 0);
	assert_int_equal(rx()->last_ns, 0);
	assert_int_equal(rx()->latency.count, 0);
	assert_true(rx()->latency.min == UINT64_MAX);
}

static void
frames_in_order_are_counted_with_fcs_and_times(void **state)
{
	uint32_t i;

	for (i = 0; i < 1000; i++)
		arrive_at(i, T0 + i, T0 + 7 + i, 0);
	ASSERT_ORDER(1000, 0, 0, 0, 0);
	assert_int_equal(rx()->bytes_fcs, 1000 * (SIZE + 4));
	assert_int_equal(rx()->first_ns, T0 + 7);
	assert_int_equal(rx()->last_ns, T0 + 7 + 999);
	assert_int_equal(rx()->latency.count, 1000);
}

static void
lost_frames_are_nothing_else(void **state)
{
	arrive_run(0, 10);
	arrive_run(11, 20);
	arrive_run(500, 510);
	ASSERT_ORDER(29, 0, 0, 0, 0);
}

static void
each_copy_after_the_first_is_a_duplicate(void **state)
{
	arrive(0);
	arrive(0);
	ASSERT_ORDER(2, 1, 0, 0, 0);
	arrive(1);
	arrive(2);
	arrive(1);
	arrive(1);
	arrive(0);
	ASSERT_ORDER(7, 4, 0, 0, 0);
}

static void
reordered_frame_that_arrives_again_is_a_duplicate(void **state)
{
	arrive(0);
	arrive(2);
	arrive(1);
	ASSERT_ORDER(3, 0, 1, 1, 0);
	arrive(1);
	ASSERT_ORDER(4, 1, 1, 1, 0);
}

/* Frames 4 to 6 took a longer path than 7 to 10. */
static void
three_frames_behind_four_have_extents_of_four_to_six(void **state)
{
	arrive_run(1, 4);
	arrive_run(7, 11);
	ASSERT_ORDER(7, 0, 0, 0, 0);
	arrive(4);
	ASSERT_ORDER(8, 0, 1, 4, 0);
	arrive(5);
	ASSERT_ORDER(9, 0, 2, 5, 0);
	arrive(6);
	ASSERT_ORDER(10, 0, 3, 6, 0);
	arrive(11);
	ASSERT_ORDER(11, 0, 3, 6, 0);
}

static void
one_late_frame_leaves_the_others_in_order(void **state)
{
	arrive_run(1, 5);
	arrive_run(6, 9);
	arrive(5);
	arrive_run(9, 12);
	ASSERT_ORDER(11, 0, 1, 3, 0);
}

static void
one_early_frame_puts_those_before_it_out_of_order(void **state)
{
	arrive_run(1, 3);
	arrive(6);
	arrive_run(3, 6);
	arrive(7);
	ASSERT_ORDER(7, 0, 3, 3, 0);
}

/* 1 4 2 5 3: frame 3 is behind 5, but the earliest larger number is 4. */
static void
extent_counts_from_the_earliest_larger_number(void **state)
{
	arrive(1);
	arrive(4);
	arrive(2);
	ASSERT_ORDER(3, 0, 1, 1, 0);
	arrive(5);
	arrive(3);
	ASSERT_ORDER(5, 0, 2, 3, 0);
}

static void
frames_in_reverse_have_extents_from_the_first_one(void **state)
{
	arrive(9);
	arrive(8);
	ASSERT_ORDER(2, 0, 1, 1, 0);
	arrive(7);
	ASSERT_ORDER(3, 0, 2, 2, 0);
	arrive(6);
	ASSERT_ORDER(4, 0, 3, 3, 0);
}

static void
smaller_extent_does_not_replace_the_largest(void **state)
{
	arrive(1);
	arrive_run(3, 6);
	arrive(2);
	ASSERT_ORDER(5, 0, 1, 3, 0);
	arrive(7);
	arrive(6);
	ASSERT_ORDER(7, 0, 2, 3, 0);
}

static void
extent_does_not_count_duplicates(void **state)
{
	arrive(1);
	arrive(3);
	arrive(3);
	arrive(1);
	arrive(2);
	ASSERT_ORDER(5, 2, 1, 1, 0);
}

static void
extent_does_not_count_frames_that_are_too_late(void **state)
{
	arrive(0);
	arrive(2 * WINDOW);
	arrive(1);
	arrive(0);
	arrive(2 * WINDOW - 1);
	ASSERT_ORDER(5, 0, 1, 1, 2);
}

static void
number_wraps_at_2_to_32(void **state)
{
	arrive_run(UINT32_MAX - 1, 2);
	ASSERT_ORDER(4, 0, 0, 0, 0);
	assert_true(last_number == 0x100000001);
	arrive(3);
	assert_true(last_number == 0x100000003);
	arrive(UINT32_MAX);
	assert_true(last_number == UINT32_MAX);
	arrive(2);
	ASSERT_ORDER(7, 1, 1, 1, 0);
	assert_true(last_number == 0x100000002);
}

static void
frames_before_the_wrap_may_arrive_behind_it(void **state)
{
	arrive(UINT32_MAX - 2);
	arrive_run(0, 3);
	arrive(UINT32_MAX);
	ASSERT_ORDER(5, 0, 1, 3, 0);
	arrive(UINT32_MAX - 1);
	ASSERT_ORDER(6, 0, 2, 4, 0);
	arrive(UINT32_MAX - 2);
	ASSERT_ORDER(7, 1, 2, 4, 0);
}

static void
flow_may_begin_at_any_number(void **state)
{
	arrive(0);
	arrive(UINT32_MAX);
	ASSERT_ORDER(2, 0, 1, 1, 0);
	restart();
	arrive(0xC0000000);
	assert_true(last_number == 0xC0000000);
	arrive(0xC0000001 - WINDOW);
	ASSERT_ORDER(2, 0, 1, 1, 0);
	arrive(0xC0000000 - WINDOW);
	ASSERT_ORDER(3, 0, 1, 1, 1);
}

static void
duplicate_is_known_up_to_the_window(void **state)
{
	arrive_run(0, WINDOW);
	arrive(0);
	ASSERT_ORDER(WINDOW + 1, 1, 0, 0, 0);
	arrive(WINDOW);
	arrive(0);
	ASSERT_ORDER(WINDOW + 3, 1, 0, 0, 1);
	arrive(1);
	ASSERT_ORDER(WINDOW + 4, 2, 0, 0, 1);
}

static void
reordered_frame_is_known_up_to_the_window(void **state)
{
	arrive(7);
	arrive_run(9, WINDOW + 8);
	arrive(8);
	ASSERT_ORDER(WINDOW + 1, 0, 1, WINDOW - 1, 0);
	restart();
	arrive(7);
	arrive_run(9, WINDOW + 9);
	arrive(8);
	ASSERT_ORDER(WINDOW + 2, 0, 0, 0, 1);
}

/* All numbers between two frames arrive behind them. */
static void
gap_of_a_window_can_be_filled(void **state)
{
	arrive(0);
	arrive(WINDOW);
	arrive(0);
	ASSERT_ORDER(3, 0, 0, 0, 1);
	arrive_run(1, WINDOW);
	ASSERT_ORDER(WINDOW + 2, 0, WINDOW - 1, WINDOW - 1, 1);
	arrive_run(1, WINDOW + 1);
	ASSERT_ORDER(2 * WINDOW + 2, WINDOW, WINDOW - 1, WINDOW - 1, 1);
}

static void
window_behind_a_larger_gap_has_no_former_frames(void **state)
{
	const uint32_t far[] = { 2 * WINDOW - 1, 2 * WINDOW, 2 * WINDOW + 1, 100 * WINDOW + 77 };
	unsigned int i;

	for (i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		restart();
		arrive_run(0, WINDOW);
		arrive(far[i]);
		ASSERT_ORDER(WINDOW + 1, 0, 0, 0, 0);
		arrive(far[i] - WINDOW);
		ASSERT_ORDER(WINDOW + 2, 0, 0, 0, 1);
		arrive_run(far[i] - WINDOW + 1, far[i]);
		ASSERT_ORDER(2 * WINDOW + 1, 0, WINDOW - 1, WINDOW - 1, 1);
		arrive(far[i] - WINDOW + 1);
		arrive(far[i]);
		ASSERT_ORDER(2 * WINDOW + 3, 2, WINDOW - 1, WINDOW - 1, 1);
	}
}

static void
number_is_ahead_by_less_than_2_to_31(void **state)
{
	arrive(0);
	arrive(1U + INT32_MAX);
	ASSERT_ORDER(2, 0, 0, 0, 0);
	assert_true(last_number == 0x80000000);
	arrive(INT32_MAX);
	ASSERT_ORDER(3, 0, 1, 1, 0);
	restart();
	arrive(0);
	arrive(2U + INT32_MAX);
	ASSERT_ORDER(2, 0, 0, 0, 1);
	arrive(1);
	ASSERT_ORDER(3, 0, 0, 0, 1);
}

static void
many_gaps_of_almost_2_to_31_are_passed(void **state)
{
	uint64_t n = 5;
	unsigned int i;

	for (i = 0; i < 1000; i++) {
		arrive((uint32_t)n);
		assert_true(last_number == n);
		n += INT32_MAX;
	}
	ASSERT_ORDER(1000, 0, 0, 0, 0);
}

/* The order of frames as RFC 4737 defines it, with all arrivals in memory. */
struct reference {
	uint64_t arrived[6000];
	unsigned int arrivals;
	uint64_t next, duplicated, reordered, extent_max, too_late;
};

static void
refer(struct reference *r, uint64_t n)
{
	unsigned int first, i;

	if (r->arrivals == 0)
		r->next = n;
	if (r->next > n && r->next - n > WINDOW) {
		r->too_late++;
		return;
	}
	for (i = 0; i < r->arrivals && r->arrived[i] != n; i++)
		;
	if (i < r->arrivals) {
		r->duplicated++;
		return;
	}
	if (n < r->next) {
		r->reordered++;
		for (first = 0; r->arrived[first] < n; first++)
			;
		if (r->arrivals - first > r->extent_max)
			r->extent_max = r->arrivals - first;
	} else {
		r->next = n + 1;
	}
	r->arrived[r->arrivals++] = n;
}

static void
assert_as_reference(const struct reference *r, uint64_t frames)
{
	ASSERT_ORDER(frames, r->duplicated, r->reordered, r->extent_max, r->too_late);
}

static void
random_permutation_is_counted_as_by_the_reference(void **state)
{
	struct reference r = { 0 };
	uint64_t numbers[5000], swap;
	unsigned int i, j;

	srand(4737);
	for (i = 0; i < 5000; i++)
		numbers[i] = UINT32_MAX - 2500ULL + i;
	for (i = 4999; i > 0; i--) {
		j = (unsigned int)rand() % (i + 1);
		swap = numbers[i];
		numbers[i] = numbers[j];
		numbers[j] = swap;
	}
	for (i = 0; i < 5000; i++) {
		refer(&r, numbers[i]);
		arrive((uint32_t)numbers[i]);
		assert_true(last_number == numbers[i]);
		assert_as_reference(&r, i + 1);
	}
	assert_int_equal(r.arrivals, 5000);
	assert_true(r.reordered > 4900);
}

/* Frames with gaps, copies and delays: mostly small ones, some beyond the window. */
static void
random_losses_and_delays_are_counted_as_by_the_reference(void **state)
{
	struct reference r = { 0 };
	uint64_t n, newest = UINT32_MAX - 100000ULL;
	unsigned int i;

	srand(2544);
	for (i = 0; i < 6000; i++) {
		newest += rand() % 50 == 0 ? (unsigned int)rand() % (2 * WINDOW) :
					     (unsigned int)rand() % 4;
		n = newest;
		if (rand() % 8 == 0)
			n -= (unsigned int)rand() % (rand() % 4 == 0 ? 2 * WINDOW : 30);
		refer(&r, n);
		arrive((uint32_t)n);
		assert_true(last_number == n);
		assert_as_reference(&r, i + 1);
	}
	assert_true(newest > UINT32_MAX + 100000ULL);
	assert_true(r.duplicated > 100);
	assert_true(r.reordered > 100);
	assert_true(r.too_late > 50);
}

/*
 * Receive frame 0 as it is when forwarding left len bytes of it, in memory of that size. The byte
 * at `bad` is inverted; len: none.
 */
static void
arrive_forwarded(uint32_t len, uint32_t payload, uint32_t bad)
{
	uint8_t *frame = malloc(len + 1);

	assert_non_null(frame);
	write_frame(frame + 1, len, payload, 0);
	if (bad < len)
		frame[1 + bad] ^= 0xFF;
	traffic_receive(receiver, frame + 1, len, T0, 0);
	free(frame);
}

static void
each_byte_of_the_payload_is_checked(void **state)
{
	const uint32_t payload = SIZE - HEADERS - TRAFFIC_STAMP_LEN;
	uint32_t i;

	arrive_forwarded(SIZE, payload, SIZE);
	assert_int_equal(rx()->corrupted, 0);
	for (i = 0; i < payload; i++)
		arrive_forwarded(SIZE, payload, HEADERS + i);
	assert_int_equal(rx()->corrupted, payload);
	assert_int_equal(rx()->frames, 1 + payload);
}

static void
changed_header_is_no_corruption(void **state)
{
	uint32_t i;

	for (i = 0; i < HEADERS; i++)
		arrive_forwarded(SIZE, SIZE - HEADERS - TRAFFIC_STAMP_LEN, i);
	assert_int_equal(rx()->corrupted, 0);
	assert_int_equal(rx()->frames, HEADERS);
}

static void
added_and_removed_headers_are_no_corruption(void **state)
{
	const uint32_t payload = SIZE - HEADERS - TRAFFIC_STAMP_LEN;

	arrive_forwarded(SIZE + 4, payload, SIZE + 4);
	arrive_forwarded(SIZE - 4, payload, SIZE - 4);
	arrive_forwarded(SIZE - HEADERS, payload, SIZE - HEADERS);
	assert_int_equal(rx()->corrupted, 0);
	assert_int_equal(rx()->bytes_fcs, 3 * SIZE - HEADERS + 3 * 4);
	arrive_forwarded(SIZE + 4, payload, HEADERS + 4);
	arrive_forwarded(SIZE - 4, payload, HEADERS - 4);
	arrive_forwarded(SIZE - HEADERS, payload, 0);
	assert_int_equal(rx()->corrupted, 3);
}

static void
frame_that_is_too_short_for_its_payload_is_corrupted(void **state)
{
	const uint32_t payload = SIZE - HEADERS - TRAFFIC_STAMP_LEN;

	arrive_forwarded(SIZE - HEADERS - 1, payload - 1, SIZE);
	assert_int_equal(rx()->corrupted, 1);
	arrive_forwarded(TRAFFIC_STAMP_LEN, 0, SIZE);
	assert_int_equal(rx()->corrupted, 2);
	assert_int_equal(rx()->frames, 2);
}

static void
frame_without_payload_is_intact(void **state)
{
	flows[0].headers_len = SIZE - TRAFFIC_STAMP_LEN;
	arrive_forwarded(SIZE, 0, SIZE);
	arrive_forwarded(SIZE, 0, SIZE - TRAFFIC_STAMP_LEN - 1);
	arrive_forwarded(TRAFFIC_STAMP_LEN, 0, SIZE);
	assert_int_equal(rx()->corrupted, 0);
	flows[0].headers_len++;
	arrive_forwarded(SIZE, 0, SIZE);
	assert_int_equal(rx()->corrupted, 0);
	assert_int_equal(rx()->frames, 4);
}

static void
payload_has_the_size_of_the_frames_number(void **state)
{
	uint8_t frame[SIZE + 60];
	uint32_t i, payload;

	flows[0].size.step = 10;
	for (i = 0; i < 14; i++) {
		payload = SIZE + i % 7 * 10 - HEADERS - TRAFFIC_STAMP_LEN;
		write_frame(frame, sizeof(frame), payload, i);
		traffic_receive(receiver, frame, sizeof(frame), T0, 0);
	}
	assert_int_equal(rx()->frames, 14);
	assert_int_equal(rx()->corrupted, 0);
	write_frame(frame, sizeof(frame), SIZE - HEADERS - TRAFFIC_STAMP_LEN, 15);
	traffic_receive(receiver, frame, sizeof(frame), T0, 0);
	assert_int_equal(rx()->corrupted, 1);
}

static uint64_t
latency(uint64_t sent, uint64_t at, unsigned int mbps)
{
	restart();
	arrive_at(0, sent, at, mbps);
	assert_int_equal(rx()->latency.count, 1);
	assert_true(rx()->latency.min == rx()->latency.max);
	assert_true(rx()->latency.sum == rx()->latency.max);
	return rx()->latency.max;
}

/* A frame of 100 bytes ends after 8 more bytes in front and 4 of FCS: 112 bytes of 8 ns. */
static void
latency_counts_from_the_last_bit(void **state)
{
	assert_int_equal(latency(T0, T0 + 896, GBIT), 0);
	assert_int_equal(latency(T0, T0 + 897, GBIT), 1);
	assert_int_equal(latency(T0, T0 + 896 + 12345, GBIT), 12345);
	assert_int_equal(latency(T0, T0 + 89600, 10), 0);
	assert_int_equal(latency(T0, T0 + 89601, 10), 1);
	assert_int_equal(latency(T0, T0 + 8960, 100), 0);
	assert_int_equal(latency(T0, T0 + 8961, 100), 1);
}

static void
latency_of_a_longest_frame_does_not_overflow(void **state)
{
	flows[0].size.first = TRAFFIC_FRAME_MAX;
	assert_int_equal(latency(T0, T0 + 16396 * 8000ULL + 1, 1), 1);
	flows[0].size.first = UINT32_MAX;
	assert_int_equal(latency(T0, T0 + (UINT32_MAX + 12ULL) * 8 + 1, GBIT), 1);
}

static void
latency_counts_from_the_first_bit_of_a_cut_through_flow(void **state)
{
	flows[0].cut_through = true;
	assert_int_equal(latency(T0, T0, GBIT), 0);
	assert_int_equal(latency(T0, T0 + 1, GBIT), 1);
	assert_int_equal(latency(T0, T0 + 1, 10), 1);
}

static void
latency_counts_from_the_first_bit_without_a_speed(void **state)
{
	assert_int_equal(latency(T0, T0, 0), 0);
	assert_int_equal(latency(T0, T0 + 1, 0), 1);
}

static void
negative_latency_counts_as_0(void **state)
{
	assert_int_equal(latency(T0, T0 + 895, GBIT), 0);
	assert_int_equal(latency(T0, T0, GBIT), 0);
	assert_int_equal(latency(T0, T0 - 1, 0), 0);
	assert_int_equal(latency(T0, T0 - 1000000, 10), 0);
	assert_int_equal(latency(T0, 0, 0), 0);
}

static void
time_of_a_stamp_wraps_at_2_to_40(void **state)
{
	const uint64_t wrap = 1ULL << 40;

	assert_int_equal(latency(wrap - 10, wrap - 1, 0), 9);
	assert_int_equal(latency(wrap - 10, wrap, 0), 10);
	assert_int_equal(latency(wrap - 10, wrap + 90, 0), 100);
	assert_int_equal(latency(wrap, wrap + 5, 0), 5);
	assert_int_equal(latency(5 * wrap - 10, 5 * wrap + 90, 0), 100);
	assert_int_equal(latency(wrap - 896, wrap + 3, GBIT), 3);
	assert_int_equal(latency(wrap - 895, wrap, GBIT), 0);
	assert_int_equal(latency(wrap, wrap - 1, 0), 0);
	assert_int_equal(latency(UINT64_MAX, UINT64_MAX, 0), 0);
}

static void
latency_of_2_to_39_counts_as_negative(void **state)
{
	const uint64_t half = 1ULL << 39;

	assert_true(latency(T0, T0 + half - 1, 0) == half - 1);
	assert_int_equal(latency(T0, T0 + half, 0), 0);
}

static void
jitter_sums_differences_of_successive_latencies(void **state)
{
	arrive_at(0, T0, T0 + 100, 0);
	assert_int_equal(rx()->jitter_sum, 0);
	arrive_at(1, T0, T0 + 150, 0);
	assert_int_equal(rx()->jitter_sum, 50);
	arrive_at(2, T0, T0 + 120, 0);
	assert_int_equal(rx()->jitter_sum, 80);
	arrive_at(3, T0, T0 + 120, 0);
	assert_int_equal(rx()->jitter_sum, 80);
	assert_int_equal(rx()->latency.count, 4);
	assert_int_equal(rx()->latency.sum, 490);
	assert_int_equal(rx()->latency.min, 100);
	assert_int_equal(rx()->latency.max, 150);
}

/* Receive a frame whose stamp names a flow. */
static void
arrive_of(uint32_t flow, uint32_t sequence)
{
	struct fake_stamp stamp = { .flow = flow, .sequence = sequence, .payload = 1 };

	traffic_receive(receiver, (const uint8_t *)&stamp, sizeof(stamp), T0, 0);
}

static void
frame_of_no_flow_is_unknown(void **state)
{
	const uint8_t byte = 0;

	arrive_of(NO_FLOW, 0);
	traffic_receive(receiver, &byte, 1, T0, 0);
	traffic_receive(receiver, &byte, 0, T0, 0);
	assert_int_equal(strays().unknown, 3);
	arrive_of(3, 0);
	assert_int_equal(strays().unknown, 3);
	arrive_of(4, 0);
	assert_int_equal(strays().unknown, 4);
	arrive_of(NO_FLOW - 1, 0);
	assert_int_equal(strays().unknown, 5);
	assert_int_equal(strays().misdelivered, 0);
}

static void
frame_of_former_flows_is_counted_apart(void **state)
{
	struct fake_stamp stamp = { .flow = 0, .generation = 5 };

	traffic_receive(receiver, (const uint8_t *)&stamp, sizeof(stamp), T0, 0);
	stamp.flow = 1000;
	traffic_receive(receiver, (const uint8_t *)&stamp, sizeof(stamp), T0, 0);
	assert_int_equal(strays().former, 2);
	assert_int_equal(strays().unknown, 0);
	assert_int_equal(rx()->frames, 0);
	traffic.generation = 5;
	restart();
	stamp.flow = 0;
	traffic_receive(receiver, (const uint8_t *)&stamp, sizeof(stamp), T0, 0);
	assert_int_equal(strays().former, 0);
	assert_int_equal(rx()->frames, 1);
	traffic.generation = 0;
}

static void
frame_for_another_port_is_misdelivered(void **state)
{
	flows[1].rx_ports = ~(1ULL << PORT);
	flows[2].rx_ports = 0;
	restart();
	arrive_of(0, 0);
	arrive_of(3, 0);
	assert_int_equal(strays().misdelivered, 0);
	arrive_of(1, 0);
	arrive_of(2, 0);
	assert_int_equal(strays().misdelivered, 2);
	assert_int_equal(strays().unknown, 0);
	assert_int_equal(rx()->frames, 1);
}

static void
port_has_counters_of_its_flows_alone(void **state)
{
	flows[1].rx_ports = 1ULL << 63;
	tear_down(NULL);
	receiver = traffic_receiver_new(&traffic, 63);
	assert_non_null(receiver);
	assert_null(received(0));
	assert_non_null(received(1));
	assert_null(received(4));
	assert_null(received(UINT32_MAX));
}

static void
flows_are_counted_apart(void **state)
{
	arrive_of(1, 7);
	arrive_of(2, 7);
	arrive_of(1, 8);
	arrive_of(2, 7);
	arrive_of(1, 3);
	assert_int_equal(received(1)->frames, 3);
	assert_int_equal(received(1)->duplicated, 0);
	assert_int_equal(received(1)->reordered, 1);
	assert_int_equal(received(2)->frames, 2);
	assert_int_equal(received(2)->duplicated, 1);
	assert_int_equal(received(2)->reordered, 0);
	assert_int_equal(rx()->frames, 0);
}

static void
receiver_without_memory_leaves_none_behind(void **state)
{
	struct traffic_receiver *r;
	long before = live;
	unsigned int n;

	for (n = 1; n <= 5; n++) {
		left = n;
		assert_null(traffic_receiver_new(&traffic, PORT));
		assert_int_equal(live, before);
	}
	left = n;
	r = traffic_receiver_new(&traffic, PORT);
	assert_int_equal(left, 1);
	left = 0;
	assert_non_null(r);
	traffic_receiver_free(r);
	assert_int_equal(live, before);
	traffic_receiver_free(NULL);
}

#define ON_RECEIVER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		ON_RECEIVER(new_receiver_has_counted_nothing),
		ON_RECEIVER(frames_in_order_are_counted_with_fcs_and_times),
		ON_RECEIVER(lost_frames_are_nothing_else),
		ON_RECEIVER(each_copy_after_the_first_is_a_duplicate),
		ON_RECEIVER(reordered_frame_that_arrives_again_is_a_duplicate),
		ON_RECEIVER(three_frames_behind_four_have_extents_of_four_to_six),
		ON_RECEIVER(one_late_frame_leaves_the_others_in_order),
		ON_RECEIVER(one_early_frame_puts_those_before_it_out_of_order),
		ON_RECEIVER(extent_counts_from_the_earliest_larger_number),
		ON_RECEIVER(frames_in_reverse_have_extents_from_the_first_one),
		ON_RECEIVER(smaller_extent_does_not_replace_the_largest),
		ON_RECEIVER(extent_does_not_count_duplicates),
		ON_RECEIVER(extent_does_not_count_frames_that_are_too_late),
		ON_RECEIVER(number_wraps_at_2_to_32),
		ON_RECEIVER(frames_before_the_wrap_may_arrive_behind_it),
		ON_RECEIVER(flow_may_begin_at_any_number),
		ON_RECEIVER(duplicate_is_known_up_to_the_window),
		ON_RECEIVER(reordered_frame_is_known_up_to_the_window),
		ON_RECEIVER(gap_of_a_window_can_be_filled),
		ON_RECEIVER(window_behind_a_larger_gap_has_no_former_frames),
		ON_RECEIVER(number_is_ahead_by_less_than_2_to_31),
		ON_RECEIVER(many_gaps_of_almost_2_to_31_are_passed),
		ON_RECEIVER(random_permutation_is_counted_as_by_the_reference),
		ON_RECEIVER(random_losses_and_delays_are_counted_as_by_the_reference),
		ON_RECEIVER(each_byte_of_the_payload_is_checked),
		ON_RECEIVER(changed_header_is_no_corruption),
		ON_RECEIVER(added_and_removed_headers_are_no_corruption),
		ON_RECEIVER(frame_that_is_too_short_for_its_payload_is_corrupted),
		ON_RECEIVER(frame_without_payload_is_intact),
		ON_RECEIVER(payload_has_the_size_of_the_frames_number),
		ON_RECEIVER(latency_counts_from_the_last_bit),
		ON_RECEIVER(latency_of_a_longest_frame_does_not_overflow),
		ON_RECEIVER(latency_counts_from_the_first_bit_of_a_cut_through_flow),
		ON_RECEIVER(latency_counts_from_the_first_bit_without_a_speed),
		ON_RECEIVER(negative_latency_counts_as_0),
		ON_RECEIVER(time_of_a_stamp_wraps_at_2_to_40),
		ON_RECEIVER(latency_of_2_to_39_counts_as_negative),
		ON_RECEIVER(jitter_sums_differences_of_successive_latencies),
		ON_RECEIVER(frame_of_no_flow_is_unknown),
		ON_RECEIVER(frame_of_former_flows_is_counted_apart),
		ON_RECEIVER(frame_for_another_port_is_misdelivered),
		ON_RECEIVER(port_has_counters_of_its_flows_alone),
		ON_RECEIVER(flows_are_counted_apart),
		ON_RECEIVER(receiver_without_memory_leaves_none_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
