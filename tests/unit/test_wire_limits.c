/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A direction's limits, each tested on both sides: the time of a poll, polling gaps, the start of a
 * replay, padding, and ends that lack the functions that they need not have.
 */

#include "wire_fakes.h"

#define CHECK (10 * MS) /* between two looks at the listener */

/* Starts. */

static struct wire_dir *
again(unsigned int mbps)
{
	struct wire_dir *dir = wire_dir_new(&source.src, &sink.sink, mbps);

	assert_non_null(dir);
	return dir;
}

/* A source that is not patient starts at once, and a patient one if its sink always listens. */
static void
source_starts_at_once_unless_it_waits_for_a_listener(void **state)
{
	for (unsigned int i = 0; i < 3; i++) {
		struct wire_dir *dir;

		wire_dir_free(fresh(1000, 60, 10));
		source.src.start = fake_start;
		source.src.patient = i != 0;
		sink.sink.listening = i == 1 ? NULL : fake_listening;
		dir = again(1000);
		assert_int_equal(source.starts, i < 2);
		wire_dir_poll(dir, T0);
		assert_int_equal(source.starts, i < 2);
		assert_int_equal(sink.got, i < 2);
		wire_dir_free(dir);
	}
	wire_dir_free(NULL);
}

/*
 * Poll a patient direction whose sink listens from T0 on, at T0 and at another time.
 *
 * @param quiet   ns for which the listener must be quiet; 0: start on demand
 * @param busy    when the listener was busy last, ns after T0; -1: the sink does not report it
 * @param second  ns after T0
 * @return whether it has started
 */
static bool
started_by(uint64_t quiet, int64_t busy, uint64_t second)
{
	struct wire_dir *dir;
	bool started;

	wire_dir_free(fresh(1000, 60, 10));
	source.src.patient = true;
	source.src.start = fake_start;
	if (busy >= 0)
		sink.sink.busy_at = fake_busy_at;
	sink.busy_at = T0 + (uint64_t)busy;
	sink.ears = true;
	dir = again(1000);
	if (quiet == 0) {
		wire_dir_set_on_demand(dir);
		wire_dir_start(dir);
	} else {
		wire_dir_set_quiet(dir, quiet);
	}
	assert_int_equal(wire_dir_poll(dir, T0), 0);
	wire_dir_poll(dir, T0 + second);
	started = source.starts != 0;
	assert_int_equal(source.starts, started);
	assert_int_equal(sink.got, started);
	wire_dir_free(dir);
	return started;
}

static void
replay_starts_to_the_nanosecond(void **state)
{
	static const struct {
		uint64_t quiet;
		int64_t busy;
		uint64_t after;
	} t[] = {
		{ 50 * MS, -1, 50 * MS }, { 50 * MS, 0, 50 * MS }, { 50 * MS, 7 * MS, 57 * MS },
		{ CHECK, -1, CHECK }, { 1, -1, CHECK }, /* the shortest */
		{ CHECK + 1, -1, CHECK + 1 }, { 50 * MS, 3600 * SEC, 50 * MS + WIRE_BUSY_NS },
		{ 0, 3600 * SEC, CHECK }, /* on demand */
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_false(started_by(t[i].quiet, t[i].busy, t[i].after - 1));
		assert_true(started_by(t[i].quiet, t[i].busy, t[i].after));
	}
}

/* A look at the listener comes at its time, and not at each poll. */
static void
listener_is_looked_at_every_10_ms(void **state)
{
	struct wire_dir *dir;

	wire_dir_free(fresh(1000, 60, 10));
	source.src.patient = true;
	dir = again(1000);
	wire_dir_set_quiet(dir, CHECK);
	wire_dir_poll(dir, T0); /* a look: it does not listen */
	sink.ears = true;
	wire_dir_poll(dir, T0 + CHECK - 1); /* none */
	wire_dir_poll(dir, T0 + CHECK);     /* it listens from here on */
	wire_dir_poll(dir, T0 + 2 * CHECK - 1);
	assert_int_equal(sink.got, 0);
	wire_dir_poll(dir, T0 + 2 * CHECK);
	assert_int_equal(sink.got, 1);
	wire_dir_free(dir);
}

static void
replay_without_a_start_function_starts(void **state)
{
	struct wire_dir *dir;

	wire_dir_free(fresh(1000, 60, 10));
	source.src.patient = true;
	sink.ears = true;
	dir = again(1000);
	wire_dir_set_on_demand(dir);
	wire_dir_poll(dir, T0);
	wire_dir_poll(dir, T0 + CHECK);
	assert_int_equal(sink.got, 0); /* nobody has asked for it */
	wire_dir_start(dir);
	wire_dir_poll(dir, T0 + 2 * CHECK);
	assert_int_equal(sink.got, 1);
	wire_dir_free(dir);
}

/* Gaps. */

static void
gap_classes_are_exact(void **state)
{
	static const uint64_t limits[] = { 100 * US, MS, 10 * MS };

	for (unsigned int i = 0; i < 6; i++) {
		struct wire_dir *dir = fresh(1000, 60, 0);
		const uint64_t gap = limits[i / 2] + i % 2;
		struct wire_stats stats;

		wire_dir_poll(dir, T0);
		wire_dir_poll(dir, T0 + gap);
		wire_dir_get_stats(dir, T0 + gap, &stats);
		assert_int_equal(stats.gaps_over_100us, gap > 100 * US);
		assert_int_equal(stats.gaps_over_1ms, gap > MS);
		assert_int_equal(stats.gaps_over_10ms, gap > 10 * MS);
		assert_int_equal(stats.longest_gap_ns, gap);
		assert_int_equal(stats.longest_gap_at, T0 + gap);
		wire_dir_free(dir);
	}
}

/* The longest gap is the first of its length, or the one that has not ended yet. */
static void
longest_gap_is_known_at_any_time(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 0);
	struct wire_stats stats;

	wire_dir_get_stats(dir, T0, &stats); /* not polled yet: no gap */
	assert_int_equal(stats.longest_gap_ns, 0);
	wire_dir_poll(dir, T0);
	wire_dir_get_stats(dir, T0 - 1, &stats); /* the time was read before the poll */
	assert_int_equal(stats.longest_gap_ns, 0);
	wire_dir_poll(dir, T0 + 500);
	wire_dir_poll(dir, T0 + 1000);
	wire_dir_get_stats(dir, T0 + 1500, &stats);
	assert_int_equal(stats.longest_gap_ns, 500);
	assert_int_equal(stats.longest_gap_at, T0 + 500);
	wire_dir_get_stats(dir, T0 + 1501, &stats);
	assert_int_equal(stats.longest_gap_ns, 501);
	assert_int_equal(stats.longest_gap_at, T0 + 1501);
	wire_dir_rest(dir);
	wire_dir_get_stats(dir, T0 + SEC, &stats); /* at rest */
	assert_int_equal(stats.longest_gap_ns, 500);
	assert_int_equal(stats.longest_gap_at, T0 + 500);
	wire_dir_free(dir);
}

/* A thread that goes to rest leaves nothing to catch up with. */
static void
rest_gives_no_credit(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, UINT64_MAX);
	struct wire_stats stats;

	assert_int_equal(drain(dir, T0), 1);
	wire_dir_rest(dir);
	assert_int_equal(drain(dir, T0 + 100 * US), 1);
	assert_int_equal(sink.last_at, T0 + 100 * US);
	wire_dir_get_stats(dir, T0 + 100 * US, &stats);
	assert_int_equal(stats.stalled_ns, 0);
	assert_int_equal(stats.longest_gap_ns, 0);
	wire_dir_free(dir);
}

/* Clock. */

/* Move frames at 997 Mb/s, whose frame times are no whole numbers. Return when the last began. */
static uint64_t
last_of(struct wire_dir *dir, uint64_t now, unsigned int n)
{
	sink.got = 0;
	source.avail = n;
	drain(dir, now);
	drain(dir, now + 150 * US);
	assert_int_equal(sink.got, n);
	return sink.last_at - now;
}

/* The fraction of a nanosecond of the last frame does not count after a time without frames. */
static void
fraction_of_a_nanosecond_ends_with_the_run(void **state)
{
	uint64_t want;

	for (unsigned int n = 2; n < 40; n++) {
		struct wire_dir *dir = fresh(997, 61, 0);

		want = last_of(dir, T0, 35);
		assert_int_equal(want, 34 * 85 * 8 * 1000ull / 997);
		last_of(dir, T0 + SEC, n);
		assert_int_equal(last_of(dir, T0 + 2 * SEC, 35), want);
		wire_dir_free(dir);
		/* Neither does it after a stall, nor after a change of the speed. */
		dir = fresh(997, 61, UINT64_MAX);
		drain(dir, T0);
		drain(dir, T0 + n * 700);
		sink.got = 0;
		drain(dir, T0 + SEC);
		assert_int_equal(sink.first_at, T0 + SEC - WIRE_LAG_NS);
		assert_int_equal(sink.last_at - sink.first_at,
				(sink.got - 1) * 85 * 8 * 1000 / 997);
		wire_dir_free(dir);
	}
}

/* At the 66th frame of 997 Mb/s the smallest fraction that is left over makes a nanosecond. */
static void
no_fraction_is_left_over(void **state)
{
	const uint64_t want = 65 * 85 * 8 * 1000ull / 997;
	struct wire_dir *dir = fresh(997, 61, 0);

	assert_int_equal(last_of(dir, T0, 66), want);
	assert_int_equal(last_of(dir, T0 + SEC, 66), want); /* after a time without frames */
	wire_dir_free(dir);
	dir = fresh(1000, 61, 0); /* after a change of the speed */
	source.src.speed = fake_speed_out;
	last_of(dir, T0, 3);
	source.speed = 997;
	assert_int_equal(last_of(dir, T0 + SEC, 66), want);
	wire_dir_free(dir);
}

/* A wire that became free a nanosecond ago gives no credit for it. */
static void
frame_starts_no_earlier_than_it_is_seen(void **state)
{
	const uint64_t cost = 84 * 8;

	for (unsigned int late = 0; late < 3; late++) {
		struct wire_dir *dir = fresh(1000, 60, 1);

		assert_int_equal(wire_dir_poll(dir, T0), 1);
		source.avail = 2;
		assert_int_equal(wire_dir_poll(dir, T0 + cost + late), 1);
		assert_int_equal(sink.last_at, T0 + cost + late);
		assert_int_equal(wire_dir_poll(dir, T0 + 2 * cost + late - 1), 0);
		assert_int_equal(wire_dir_poll(dir, T0 + 2 * cost + late), 1);
		wire_dir_free(dir);
	}
}

/* A wire that is behind by exactly its lag has lost nothing; by one nanosecond more, that one. */
static void
lag_is_exact(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct wire_dir *dir = fresh(1000, 60, UINT64_MAX);
		struct wire_stats stats;

		drain(dir, T0);
		drain(dir, T0 + 672 + WIRE_LAG_NS + i);
		wire_dir_get_stats(dir, T0 + 672 + WIRE_LAG_NS + i, &stats);
		assert_int_equal(stats.stalled_ns, i);
		assert_int_equal(stats.frames, 2 + WIRE_LAG_NS / 672);
		wire_dir_free(dir);
	}
}

static uint64_t clock_at;
static unsigned int clock_reads;

static uint64_t
still_clock(void)
{
	clock_reads++;
	return clock_at;
}

/* As a capture or a TAP, which have memory for one frame. */
static unsigned int
next_one(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	return fake_next(src, now, frames, 1, bytes);
}

/*
 * A poll may take 20 us. The clock, which may be behind, is read when the frames and the KiB since
 * the last reading are 8.
 */
static void
time_of_a_poll_is_exact(void **state)
{
	static const struct {
		uint64_t clock;
		uint32_t len;
		unsigned int moved, reads;
	} t[] = {
		{ T0 + 20000, 60, 8, 1 },
		{ T0 + 19999, 60, WIRE_BURST, 3 }, /* after 8, 24 and 32 */
		{ T0 - 1, 60, WIRE_BURST, 3 },
		{ T0 + 20000, 1024, 4, 1 }, /* one by one: a frame and a KiB each */
		{ T0 + 20000, 1023, 8, 1 },
		{ T0 + 19999, 1023, WIRE_BURST, 4 },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct wire_dir *dir = fresh(0, t[i].len, 1000);

		source.src.next = t[i].len > 60 ? next_one : fake_next;
		clock_at = t[i].clock;
		clock_reads = 0;
		wire_dir_set_clock(dir, still_clock);
		assert_int_equal(wire_dir_poll(dir, T0), t[i].moved);
		assert_int_equal(clock_reads, t[i].reads);
		wire_dir_free(dir);
	}
}

/* Frames. */

static uint8_t kept[4][WIRE_FRAME_MAX];
static unsigned int nr_kept;

static unsigned int
keep_frames(struct wire_sink *to, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	for (unsigned int i = 0; i < n && nr_kept < 4; i++)
		memcpy(kept[nr_kept++], frames[i].data, frames[i].len);
	return fake_put(to, at, frames, n, wait);
}

/* Short frames of a chunk are padded with zeros, and longer ones are as they were. */
static void
padding_is_zeros_behind_each_short_frame(void **state)
{
	static const uint32_t lens[] = { 14, 59, 60, 61 };

	for (unsigned int i = 0; i < 4; i++) {
		struct wire_dir *dir = fresh(0, lens[i], 3);
		struct wire_stats stats;

		sink.sink.put = keep_frames;
		nr_kept = 0;
		memset(kept, 0xEE, sizeof(kept));
		memset(source.data, 0x5A, sizeof(source.data));
		assert_int_equal(wire_dir_poll(dir, T0), 3);
		assert_int_equal(sink.last_len, lens[i] < 60 ? 60 : lens[i]);
		for (uint64_t k = 0; k < 3; k++) {
			assert_memory_equal(kept[k], &k, sizeof(k));
			for (uint32_t at = sizeof(k); at < 62; at++)
				assert_int_equal(kept[k][at],
						at < lens[i]            ? 0x5A :
								at < 60 ? 0 :
									  0xEE);
		}
		wire_dir_get_stats(dir, T0, &stats);
		assert_int_equal(stats.bytes, 3 * (lens[i] < 60 ? 60 : lens[i]));
		wire_dir_free(dir);
	}
}

/* Frames that their sender has received itself take their time, and do not reach the sink. */
static unsigned int
next_looped(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	n = fake_next(src, now, frames, n, bytes);
	for (unsigned int i = 0; i < n; i++)
		frames[i].flags = M82576_FRAME_LOOPED;
	return n;
}

static void
looped_frames_take_time_only(void **state)
{
	for (unsigned int i = 0; i < 2; i++) {
		struct wire_dir *dir = fresh(i == 0 ? 1000 : 0, 60, 100);
		struct wire_stats stats;

		source.src.next = next_looped;
		sink.room = 0;
		drain(dir, T0);
		drain(dir, T0 + 10 * 672);
		wire_dir_get_stats(dir, T0 + 10 * 672, &stats);
		assert_int_equal(stats.frames, i == 0 ? 11 : 100);
		assert_int_equal(stats.bytes, stats.frames * 60);
		assert_int_equal(stats.drops, 0);
		assert_int_equal(sink.most, 0);
		wire_dir_free(dir);
	}
}

/* Each function that an end may lack. */
static void
ends_may_lack_functions(void **state)
{
	struct wire_dir *dir;
	struct wire_stats stats;

	wire_dir_free(fresh(0, 60, 100));
	source.src.flush = NULL;
	source.src.pause = NULL;
	source.src.allow_rest = NULL;
	source.src.start = NULL;
	sink.sink.flush = NULL;
	sink.sink.drops = NULL;
	sink.sink.takes_rest = true;
	dir = again(0);
	sink.room = 10;
	sink.lost_inside = 5;
	assert_int_equal(wire_dir_poll(dir, T0), 10);
	sink.room = UINT64_MAX;
	assert_int_equal(drain(dir, T0 + 1), 90);
	wire_dir_get_stats(dir, T0 + 1, &stats);
	assert_int_equal(stats.drops, 0);
	assert_int_equal(stats.frames, 100);
	assert_false(source.paused);
	wire_dir_free(dir);
}

/* Waiting frames go first, and count in their poll; the poll is as long as any other. */
static void
frames_that_waited_are_part_of_a_burst(void **state)
{
	struct wire_dir *dir = fresh(0, 60, 1000);
	struct wire_stats stats;

	sink.room = 30;
	assert_int_equal(wire_dir_poll(dir, T0), 30);
	assert_int_equal(source.given, WIRE_BURST);
	sink.room = UINT64_MAX;
	assert_int_equal(wire_dir_poll(dir, T0 + 1), WIRE_BURST);
	assert_int_equal(source.given, 30 + WIRE_BURST);
	assert_int_equal(sink.number, 30 + WIRE_BURST - 1);
	assert_true(sink.in_order);
	wire_dir_get_stats(dir, T0 + 1, &stats);
	assert_int_equal(stats.frames, 30 + WIRE_BURST);
	assert_int_equal(stats.bytes, (30 + WIRE_BURST) * 60);
	wire_dir_free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_starts_at_once_unless_it_waits_for_a_listener),
		cmocka_unit_test(replay_starts_to_the_nanosecond),
		cmocka_unit_test(listener_is_looked_at_every_10_ms),
		cmocka_unit_test(replay_without_a_start_function_starts),
		cmocka_unit_test(gap_classes_are_exact),
		cmocka_unit_test(longest_gap_is_known_at_any_time),
		cmocka_unit_test(rest_gives_no_credit),
		cmocka_unit_test(fraction_of_a_nanosecond_ends_with_the_run),
		cmocka_unit_test(no_fraction_is_left_over),
		cmocka_unit_test(frame_starts_no_earlier_than_it_is_seen),
		cmocka_unit_test(lag_is_exact),
		cmocka_unit_test(time_of_a_poll_is_exact),
		cmocka_unit_test(padding_is_zeros_behind_each_short_frame),
		cmocka_unit_test(looped_frames_take_time_only),
		cmocka_unit_test(ends_may_lack_functions),
		cmocka_unit_test(frames_that_waited_are_part_of_a_burst),
	};

	return cmocka_run_group_tests_name("wire_limits", tests, NULL, NULL);
}
