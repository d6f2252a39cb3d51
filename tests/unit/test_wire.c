/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Wires: their clock, with a virtual time; the carrier; the start of a replay.
 */

#include "wire_fakes.h"

/*
 * Count the frames that start within [0, ns] on a wire that is always busy: the k-th one (from
 * 0) starts at k * bits / (mbps * 1e-3 bits per ns).
 */
static uint64_t
exact(unsigned int mbps, uint32_t len, uint64_t ns)
{
	uint64_t bits = (uint64_t)(len + 24) * 8;

	/* The direction computes in whole nanoseconds, as the clock does: start < ns + 1. */
	return ((ns + 1) * mbps - 1) / (bits * 1000) + 1;
}

static void
rate(unsigned int mbps, uint32_t size, uint64_t ns, uint64_t step)
{
	uint32_t len = size - 4; /* sizes include the FCS */
	struct wire_dir *dir = fresh(mbps, len, UINT64_MAX);
	struct wire_stats stats;
	uint64_t t, want = exact(mbps, len, ns);

	for (t = 0; t < ns; t += step)
		drain(dir, T0 + t);
	drain(dir, T0 + ns);
	if (sink.got != want)
		fail_msg("%u Mb/s, %u bytes, %llu ns: %llu frames, not %llu", mbps, size,
				(unsigned long long)ns, (unsigned long long)sink.got,
				(unsigned long long)want);
	wire_dir_get_stats(dir, T0 + ns, &stats);
	assert_int_equal(stats.frames, want);
	assert_int_equal(stats.bytes, want * len);
	assert_int_equal(stats.drops, 0);
	assert_int_equal(stats.stalled_ns, 0);
	assert_true(sink.in_order);
	wire_dir_free(dir);
	assert_true(source.closed);
	assert_true(sink.closed);
}

/* Every size at every speed, for one second unless that takes a unit test too long. */
static void
rate_is_exact_at_every_size_and_speed(void **state)
{
	static const unsigned int rfc2544[] = { 64, 128, 256, 512, 1024, 1280, 1518 };
	uint32_t size;
	size_t i;

	for (size = 64; size <= 1518; size++) {
		rate(10, size, SEC, 190 * US);
		rate(100, size, SEC, 190 * US);
		rate(1000, size, SEC, 100003);
		rate(2500, size, 10 * MS, 100003);
		rate(10000, size, 5 * MS, 10007);
		rate(25000, size, 2 * MS, 10007);
		rate(997, size, 10 * MS, 10007); /* divides nothing */
	}
	for (i = 0; i < sizeof(rfc2544) / sizeof(rfc2544[0]); i++)
		rate(1000, rfc2544[i], SEC, 100003);
	rate(1000, 9018, SEC, 100003);

	/*
	 * The well-known number counts whole frames in a second. One more starts, because the
	 * first one starts at time 0.
	 */
	assert_int_equal(exact(1000, 60, SEC - 1), 1488096);
	assert_int_equal(SEC / 672, 1488095);
}

/* The rate is exact however finely or coarsely the wire is polled, up to the permitted lag. */
static void
rate_is_exact_at_any_polling_step(void **state)
{
	static const uint64_t steps[] = { 1, 671, 672, 673, 5000, 100 * US, 190 * US, WIRE_LAG_NS };
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		rate(1000, 64, steps[i] < 1000 ? MS : 100 * MS, steps[i]);
}

static unsigned int timed_mbps;
static uint64_t timed_bits; /* of the frames so far, and of the gaps behind them */

/* Put frames that start where the one before them ends: the quotient, rounded down once. */
static unsigned int
put_timed(struct wire_sink *to, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(at[i] - T0, timed_bits * 1000 / timed_mbps);
		timed_bits += (frames[i].len + 24) * 8;
	}
	return fake_put(to, at, frames, n, wait);
}

static void
every_frame_of_a_chunk_has_its_own_time(void **state)
{
	static const unsigned int speeds[] = { 1, 3, 10, 997, 1000, 1024, 2500, 99999, 400000 };
	static const uint32_t lens[] = { 60, 61, 577, 1514, 9000, WIRE_FRAME_MAX };

	for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++) {
		struct wire_dir *dir = fresh(speeds[i], 60, UINT64_MAX);
		uint64_t t = 0;

		timed_mbps = speeds[i];
		timed_bits = 0;
		sink.sink.put = put_timed;
		for (unsigned int poll = 0; poll < 600; poll++) {
			source.len = lens[poll % 6];
			drain(dir, T0 + t);
			t += 1 + poll * 7919 % (190 * US);
		}
		assert_true(sink.got > 3);
		assert_true(sink.most > 1 || speeds[i] <= 10);
		wire_dir_free(dir);
	}
}

/* A wire that was idle sends one frame, and the next one only after the time of the first. */
static void
idle_time_gives_no_credit(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 1);
	uint64_t t = T0;

	assert_int_equal(drain(dir, t), 1);
	assert_int_equal(drain(dir, t + 672), 0);
	t += 3 * SEC; /* the wire is polled, but has nothing to send */
	assert_int_equal(drain(dir, t), 0);
	t += 5 * MS; /* no poll; then a thousand frames wait */
	source.avail = 1000;
	assert_int_equal(drain(dir, t), 1);
	assert_int_equal(sink.last_at, t);
	assert_int_equal(drain(dir, t + 671), 0);
	assert_int_equal(drain(dir, t + 672), 1);
	assert_int_equal(sink.last_at, t + 672);
	/* From here on there is a backlog, and a pause in polling (not too long) costs nothing. */
	assert_int_equal(drain(dir, t + 672 * 250), 249);
	assert_int_equal(sink.last_at, t + 672 * 250);
	wire_dir_free(dir);
}

/*
 * Frames that arrive while the wire is busy are sent back to back, even without a poll at the
 * moment when the wire becomes free.
 */
static void
frames_seen_while_busy_go_back_to_back(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 1);

	assert_int_equal(drain(dir, T0), 1);
	source.avail = 10;
	assert_int_equal(drain(dir, T0 + 300), 0); /* busy; sees them */
	assert_int_equal(drain(dir, T0 + 672 * 5), 5);
	assert_int_equal(sink.first_at, T0);
	assert_int_equal(sink.last_at, T0 + 672 * 5);
	wire_dir_free(dir);

	/* If the wire has not seen them, they start when it does. */
	dir = fresh(1000, 60, 1);
	assert_int_equal(drain(dir, T0), 1);
	assert_int_equal(drain(dir, T0 + 300), 0);
	source.avail = 10;
	assert_int_equal(drain(dir, T0 + 672 * 5), 1);
	assert_int_equal(sink.last_at, T0 + 672 * 5);
	wire_dir_free(dir);
}

/* A source with a budget for each flush is not empty when it has used up its budget. */
static void
budget_of_the_source_costs_no_wire_time(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, UINT64_MAX);
	struct wire_stats stats;

	source.per_flush = 8;
	for (uint64_t t = 0; t <= 10 * MS; t += 20000) /* 29.8 frames */
		for (unsigned int i = 0; i < 5; i++)
			wire_dir_poll(dir, T0 + t);
	assert_int_equal(sink.got, exact(1000, 60, 10 * MS));
	wire_dir_get_stats(dir, T0 + 10 * MS, &stats);
	assert_int_equal(stats.stalled_ns, 0);
	wire_dir_free(dir);
}

/*
 * If the poller is away for longer than the lag, wire time is lost, and counted to the
 * nanosecond.
 */
static void
wire_time_beyond_the_lag_is_lost_and_counted(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, UINT64_MAX);
	struct wire_stats stats;
	uint64_t away = 25 * MS;

	assert_int_equal(drain(dir, T0), 1);
	drain(dir, T0 + 672 + away);
	wire_dir_get_stats(dir, T0 + 672 + away, &stats);
	assert_int_equal(stats.stalled_ns, away - WIRE_LAG_NS);
	assert_int_equal(stats.frames, 1 + WIRE_LAG_NS / 672 + 1);
	assert_int_equal(stats.longest_gap_ns, 672 + away);
	wire_dir_free(dir);

	/* Another lag. */
	dir = fresh(1000, 60, UINT64_MAX);
	wire_dir_set_lag(dir, 10 * MS);
	drain(dir, T0);
	drain(dir, T0 + 672 + away);
	wire_dir_get_stats(dir, T0 + 672 + away, &stats);
	assert_int_equal(stats.stalled_ns, away - 10 * MS);
	assert_int_equal(stats.frames, 1 + 10 * MS / 672 + 1);
	wire_dir_free(dir);

	/* Without frames to send, nothing is lost. */
	dir = fresh(1000, 60, 0);
	drain(dir, T0);
	drain(dir, T0 + away);
	wire_dir_get_stats(dir, T0 + away, &stats);
	assert_int_equal(stats.stalled_ns, 0);
	wire_dir_free(dir);
}

/* A frame that finds a sink without room has used wire time nevertheless. */
static void
frame_without_room_is_dropped_and_counted(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, UINT64_MAX);
	struct wire_stats stats;

	sink.room = 100;
	drain(dir, T0);
	drain(dir, T0 + 672 * 249);
	wire_dir_get_stats(dir, T0 + 672 * 249, &stats);
	assert_int_equal(stats.frames, 250);
	assert_int_equal(stats.drops, 150);
	assert_int_equal(sink.got, 100);
	assert_int_equal(sink.refused, 150);
	assert_int_equal(sink.waits, 0);

	sink.lost_inside = 7;
	wire_dir_get_stats(dir, T0 + 672 * 249, &stats);
	assert_int_equal(stats.drops, 157);
	wire_dir_free(dir);
}

/* speed=max: no clock, no loss; a refused frame is the first to be sent. */
static void
unlimited_wire_waits_and_loses_nothing(void **state)
{
	struct wire_dir *dir = fresh(0, 60, 1000);
	struct wire_stats stats;

	sink.room = 40;
	assert_int_equal(wire_dir_poll(dir, T0), WIRE_BURST);
	assert_int_equal(wire_dir_poll(dir, T0), 40 - WIRE_BURST);
	assert_int_equal(wire_dir_poll(dir, T0), 0);
	assert_int_equal(source.given, 2 * WIRE_BURST); /* the rest of a chunk waits */
	assert_true(source.paused);
	sink.room = 1;
	assert_int_equal(wire_dir_poll(dir, T0), 1);
	assert_int_equal(sink.number, 40);
	sink.room = UINT64_MAX;
	assert_int_equal(drain(dir, T0), 1000 - 41);
	assert_false(source.paused);
	assert_int_equal(sink.number, 999);
	assert_true(sink.in_order);
	wire_dir_get_stats(dir, T0, &stats);
	assert_int_equal(stats.frames, 1000);
	assert_int_equal(stats.bytes, 60000);
	assert_int_equal(stats.drops, 0);
	assert_true(sink.waits > 0);
	wire_dir_free(dir);

	/* The longest frame. Each has the time of its poll. */
	dir = fresh(0, WIRE_FRAME_MAX, 2);
	sink.room = 1;
	assert_int_equal(wire_dir_poll(dir, T0), 1);
	assert_int_equal(sink.last_at, T0);
	sink.room = 1;
	assert_int_equal(wire_dir_poll(dir, T0 + 7), 1);
	assert_int_equal(sink.last_at, T0 + 7);
	assert_int_equal(sink.last_len, WIRE_FRAME_MAX);
	wire_dir_free(dir);
}

/* Frames pass in chunks, which span at most 20 us of the wire, or one frame. */
static void
chunks_are_bounded_in_wire_time_and_bytes(void **state)
{
	static const struct {
		unsigned int speed;
		uint32_t len;
		unsigned int most;
	} cases[] = {
		{ 10, 60, 1 }, { 100, 60, 3 }, /* 6.72 us each */
		{ 1000, 60, 30 },              /* 672 ns each */
		{ 1000, 1514, 2 },             /* 12.3 us each */
		{ 10000, 60, WIRE_BURST }, { 10000, 1514, 17 }, { 10000, 9000, 3 },
		{ 0, 60, WIRE_BURST }, { 0, 9000, 4 }, /* 32 KiB */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_dir *dir = fresh(cases[i].speed, cases[i].len, 1000);

		drain(dir, T0);
		drain(dir, T0 + 190 * US);
		drain(dir, T0 + 380 * US);
		assert_int_equal(sink.most, cases[i].most);
		assert_true(sink.in_order);
		wire_dir_free(dir);
	}
}

static unsigned int allowed, gathered;

static void
fake_allow_rest(struct wire_source *src)
{
	allowed++;
}

/* Gather frames: those of the fake source are whole, but the wire need not know. */
static void
fake_gather(struct wire_source *src, struct m82576_frame *frames, unsigned int n)
{
	uint64_t number;

	gathered += n;
	/* They are the last ones of the chunk, which the sink has not taken. */
	memcpy(&number, frames[n - 1].data, sizeof(number));
	assert_int_equal(number, source.given - 1);
}

/* A source may leave rests of frames where they are if its sink takes them; none is kept there. */
static void
frames_that_wait_are_gathered(void **state)
{
	struct wire_dir *dir = fresh(0, 60, 1000);

	wire_dir_free(dir);
	source.src.allow_rest = fake_allow_rest;
	source.src.gather = fake_gather;
	dir = wire_dir_new(&source.src, &sink.sink, 0);
	assert_int_equal(allowed, 0);
	wire_dir_free(dir);
	sink.sink.takes_rest = true;
	dir = wire_dir_new(&source.src, &sink.sink, 0);
	assert_int_equal(allowed, 1);
	sink.room = 20;
	wire_dir_poll(dir, T0);
	assert_int_equal(gathered, 12);
	sink.room = 3;
	wire_dir_poll(dir, T0 + 1);
	assert_int_equal(gathered, 12 + 9);
	sink.room = UINT64_MAX;
	drain(dir, T0 + 2);
	assert_int_equal(gathered, 12 + 9);
	assert_int_equal(sink.got, 1000);
	wire_dir_free(dir);
}

static uint64_t slow_base; /* the clock when slow_given frames had been given */
static uint64_t slow_given;

/* A clock by which each frame takes 3 us. */
static uint64_t
slow_clock(void)
{
	return slow_base + 3 * US * (source.given - slow_given);
}

static bool is_slow;

static uint64_t
clock_of_the_test(void)
{
	return is_slow ? slow_clock() : slow_base;
}

static unsigned int
slow_poll(struct wire_dir *dir, uint64_t now)
{
	slow_base = now;
	slow_given = source.given;
	return wire_dir_poll(dir, now);
}

/* A poll ends when it has used up its time; the frames that were due go at the next one. */
static void
slow_poll_ends_early(void **state)
{
	static const struct {
		unsigned int speed;
		uint32_t len;
		unsigned int moved;
	} cases[] = {
		{ 0, 60, 8 },
		{ 10000, 60, 8 },
		{ 0, 9000, 7 },
	};
	struct wire_stats stats;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_dir *dir = fresh(cases[i].speed, cases[i].len, 1000);

		wire_dir_set_clock(dir, slow_clock);
		assert_int_equal(slow_poll(dir, T0), cases[i].speed != 0 ? 1 : cases[i].moved);
		assert_int_equal(slow_poll(dir, T0 + 100 * US), cases[i].moved);
		assert_int_equal(slow_poll(dir, T0 + 100 * US), cases[i].moved);
		wire_dir_get_stats(dir, T0 + 100 * US, &stats);
		assert_int_equal(stats.drops, 0);
		wire_dir_free(dir);
	}
}

/* Chunks grow while they are quick. After a poll that was slow they are small again. */
static void
chunks_grow_until_a_poll_is_slow(void **state)
{
	struct wire_dir *dir = fresh(0, 60, 1000);

	wire_dir_set_clock(dir, clock_of_the_test);
	assert_int_equal(slow_poll(dir, T0), WIRE_BURST);
	assert_int_equal(sink.most, 16); /* 8, 16, and 8 that remain */
	assert_int_equal(slow_poll(dir, T0), WIRE_BURST);
	assert_int_equal(sink.most, WIRE_BURST);
	is_slow = true;
	assert_int_equal(slow_poll(dir, T0), WIRE_BURST);
	assert_int_equal(slow_poll(dir, T0), 8);
	is_slow = false;
	wire_dir_free(dir);
}

static void
short_frames_are_padded_to_60_bytes(void **state)
{
	struct wire_dir *dir = fresh(1000, 14, 2);

	drain(dir, T0);
	drain(dir, T0 + 671);
	assert_int_equal(sink.got, 1);
	drain(dir, T0 + 672);
	assert_int_equal(sink.got, 2);
	assert_int_equal(sink.last_len, 60);
	wire_dir_free(dir);
}

static void
polling_gaps_are_counted_by_length(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 0);
	struct wire_stats stats;
	uint64_t t = T0;

	wire_dir_poll(dir, t);
	wire_dir_poll(dir, t += 100000); /* exactly 100 us: not over */
	wire_dir_poll(dir, t += 100001);
	wire_dir_poll(dir, t += 2 * MS);
	wire_dir_poll(dir, t += 11 * MS);
	wire_dir_poll(dir, t += 10);
	wire_dir_get_stats(dir, t, &stats);
	assert_int_equal(stats.gaps_over_100us, 3);
	assert_int_equal(stats.gaps_over_1ms, 2);
	assert_int_equal(stats.gaps_over_10ms, 1);
	assert_int_equal(stats.longest_gap_ns, 11 * MS);
	assert_int_equal(stats.longest_gap_at, t - 10);

	wire_dir_new_interval(dir);
	wire_dir_poll(dir, t += 500);
	wire_dir_get_stats(dir, t, &stats);
	assert_int_equal(stats.longest_gap_ns, 500);
	assert_int_equal(stats.gaps_over_10ms, 1);
	/* A gap that has not ended yet. */
	wire_dir_get_stats(dir, t + 30 * MS, &stats);
	assert_int_equal(stats.longest_gap_ns, 30 * MS);
	/* A rest is no gap. */
	wire_dir_rest(dir);
	wire_dir_poll(dir, t += SEC);
	wire_dir_get_stats(dir, t, &stats);
	assert_int_equal(stats.longest_gap_ns, 500);
	assert_int_equal(source.flushes, 8);
	assert_int_equal(sink.flushes, 8);
	wire_dir_free(dir);
}

/* Create the direction of a patient source. Its sink does not listen yet. */
static struct wire_dir *
patient(void)
{
	wire_dir_free(fresh(1000, 60, 10));
	source.src.patient = true;
	source.src.start = fake_start;
	sink.sink.busy_at = fake_busy_at;
	return wire_dir_new(&source.src, &sink.sink, 1000);
}

/**
 * Poll each millisecond, from *t on, until a frame arrives or ns have passed.
 *
 * @param t    time after T0 in ns; advanced by the polls
 * @param ns   how long to poll
 *
 * @return when a frame arrived, in ns after T0, or 0: none arrived
 */
static uint64_t
first_within(struct wire_dir *dir, uint64_t *t, uint64_t ns)
{
	uint64_t end = *t + ns;

	for (; *t < end; *t += MS) {
		wire_dir_poll(dir, T0 + *t);
		if (sink.got != 0)
			return *t;
	}
	return 0;
}

static void
replay_starts_when_the_listener_is_quiet(void **state)
{
	struct wire_dir *dir = patient();
	uint64_t t = 0, began;

	assert_int_equal(first_within(dir, &t, SEC), 0);
	sink.ears = true;
	/* The listener is busy with its set-up, at intervals of a tenth of a second. */
	for (began = t; t < began + 3 * SEC;) {
		sink.busy_at = T0 + t;
		assert_int_equal(first_within(dir, &t, 100 * MS), 0);
	}
	began = first_within(dir, &t, 2 * SEC);
	assert_in_range(began, sink.busy_at - T0 + WIRE_QUIET_NS,
			sink.busy_at - T0 + WIRE_QUIET_NS + 12 * MS);
	assert_int_equal(source.starts, 1);
	for (; t < began + MS * 10; t += 1000)
		wire_dir_poll(dir, T0 + t);
	assert_int_equal(sink.got, 10);
	assert_int_equal(sink.last_at - sink.first_at, 9 * 672);
	sink.ears = false; /* once started, the replay continues */
	source.avail = 5;
	first_within(dir, &t, MS);
	for (; source.avail != 0; t += MS)
		wire_dir_poll(dir, T0 + t);
	assert_int_equal(sink.got, 15);
	wire_dir_free(dir);
}

static void
carrier_changes_reach_the_sink_in_order_and_none_is_lost(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 0);

	sink.sink.carrier = fake_far_carrier;
	/* A source without a carrier function always has a carrier. */
	wire_dir_poll(dir, T0);
	wire_dir_poll(dir, T0 + 1);
	assert_string_equal(sink.carrier, "u");
	wire_dir_free(dir);

	dir = fresh(1000, 60, 0);
	sink.sink.carrier = fake_far_carrier;
	source.src.carrier = fake_carrier;
	wire_dir_poll(dir, T0);
	assert_string_equal(sink.carrier, "");
	source.carrier = 2; /* appeared and disappeared */
	wire_dir_poll(dir, T0 + 1);
	assert_string_equal(sink.carrier, "");
	source.carrier = 3;
	wire_dir_poll(dir, T0 + 2);
	wire_dir_poll(dir, T0 + 3);
	assert_string_equal(sink.carrier, "u");
	source.carrier = 7; /* disappeared and appeared, twice */
	wire_dir_poll(dir, T0 + 4);
	assert_string_equal(sink.carrier, "udu");
	source.carrier = 8;
	wire_dir_poll(dir, T0 + 5);
	assert_string_equal(sink.carrier, "udud");
	wire_dir_free(dir);
}

static void
partner_is_known_before_its_carrier(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 0);

	sink.sink.carrier = fake_far_carrier;
	sink.sink.partner = fake_partner;
	wire_dir_poll(dir, T0); /* a source without an ability function can do everything */
	assert_string_equal(sink.carrier, "pu");
	assert_int_equal(sink.partner, M82576_ABLE_ALL);
	wire_dir_free(dir);

	dir = fresh(1000, 60, 0);
	sink.sink.carrier = fake_far_carrier;
	sink.sink.partner = fake_partner;
	source.src.carrier = fake_carrier;
	source.src.ability = fake_ability;
	source.able = M82576_ABLE_100_FULL;
	source.carrier = 1;
	wire_dir_poll(dir, T0);
	assert_int_equal(sink.partner, M82576_ABLE_100_FULL);
	source.able = M82576_ABLE_10_HALF;
	source.carrier = 3;
	wire_dir_poll(dir, T0 + 1);
	assert_int_equal(sink.partner, M82576_ABLE_10_HALF);
	source.carrier = 4;
	wire_dir_poll(dir, T0 + 2);
	assert_string_equal(sink.carrier, "pudpud");
	wire_dir_free(dir);
}

/**
 * Send for a millisecond between two ends that have negotiated a speed.
 *
 * @param wire   speed of the wire, Mb/s; 0: without a clock
 * @param out    speed of the source, Mb/s; 0: that of the wire
 * @param in     speed of the sink, Mb/s; 0: that of the wire
 *
 * @return the number of frames
 */
static uint64_t
in_a_millisecond(unsigned int wire, unsigned int out, unsigned int in)
{
	struct wire_dir *dir = fresh(wire, 60, UINT64_MAX);
	uint64_t t;

	source.src.speed = fake_speed_out;
	sink.sink.speed = fake_speed_in;
	source.speed = out;
	sink.speed = in;
	for (t = 0; t < 1000000; t += 10000)
		drain(dir, T0 + t);
	drain(dir, T0 + 1000000);
	wire_dir_free(dir);
	return sink.got;
}

static void
rate_follows_the_speed_that_the_ends_agreed_on(void **state)
{
	struct wire_dir *dir;
	struct wire_stats stats;

	assert_int_equal(in_a_millisecond(1000, 0, 0), exact(1000, 60, 1000000));
	assert_int_equal(in_a_millisecond(1000, 100, 0), exact(100, 60, 1000000));
	assert_int_equal(in_a_millisecond(1000, 0, 10), exact(10, 60, 1000000));
	assert_int_equal(in_a_millisecond(1000, 10, 100), exact(10, 60, 1000000));
	/*
	 * A wire without a clock gets one. The frames that waited for the sink are lost with the
	 * link: the rest of a chunk, of which the sink took five.
	 */
	assert_int_equal(in_a_millisecond(0, 100, 100), exact(100, 60, 1000000));
	dir = fresh(0, 60, UINT64_MAX);
	source.src.speed = fake_speed_out;
	sink.room = 5;
	drain(dir, T0);
	assert_true(source.paused);
	source.speed = 100;
	sink.room = UINT64_MAX;
	drain(dir, T0 + 1);
	assert_false(source.paused);
	wire_dir_get_stats(dir, T0 + 1, &stats);
	assert_int_equal(stats.drops, WIRE_BURST - 5);
	assert_true(sink.got > 5);
	source.speed = 0;
	wire_dir_poll(dir, T0 + 2);
	assert_true(sink.got >= 5 + WIRE_BURST);
	/* A clock begins when it is set: earlier time is not made up for. */
	source.speed = 100;
	sink.got = 0;
	wire_dir_poll(dir, T0 + 3600 * SEC);
	assert_int_equal(sink.got, 1);
	wire_dir_get_stats(dir, T0 + 3600 * SEC, &stats);
	assert_int_equal(stats.stalled_ns, 0);
	wire_dir_free(dir);
}

static void
replay_waits_again_for_a_listener_that_went_away(void **state)
{
	struct wire_dir *dir = patient();
	uint64_t t = 0, began;

	sink.ears = true;
	assert_int_equal(first_within(dir, &t, 400 * MS), 0);
	sink.ears = false;
	assert_int_equal(first_within(dir, &t, 20 * MS), 0);
	sink.ears = true;
	began = t;
	assert_in_range(first_within(dir, &t, 2 * SEC), began + WIRE_QUIET_NS,
			began + WIRE_QUIET_NS + 12 * MS);
	wire_dir_free(dir);
}

static void
replay_starts_at_last_although_the_listener_is_busy(void **state)
{
	struct wire_dir *dir = patient();
	uint64_t t = 0, began = 0;

	sink.ears = true;
	wire_dir_set_quiet(dir, 2 * SEC);
	while (began == 0 && t < 20 * SEC) {
		sink.busy_at = T0 + t;
		began = first_within(dir, &t, 100 * MS);
	}
	assert_in_range(began, 2 * SEC + WIRE_BUSY_NS, 2 * SEC + WIRE_BUSY_NS + 20 * MS);
	wire_dir_free(dir);
}

static void
replay_on_demand_starts_when_told_and_listened_to(void **state)
{
	struct wire_dir *dir = patient();
	uint64_t t = 0;

	wire_dir_set_on_demand(dir);
	sink.ears = true;
	assert_int_equal(first_within(dir, &t, 30 * SEC), 0);
	sink.ears = false;
	wire_dir_start(dir);
	assert_int_equal(first_within(dir, &t, SEC), 0);
	assert_int_equal(source.starts, 0);
	sink.ears = true;
	sink.busy_at = T0 + t; /* does not matter */
	/* The receiver is enabled before it has descriptors. */
	assert_int_equal(first_within(dir, &t, 9 * MS), 0);
	assert_int_not_equal(first_within(dir, &t, 15 * MS), 0);
	assert_int_equal(source.starts, 1);
	wire_dir_free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_is_exact_at_every_size_and_speed),
		cmocka_unit_test(rate_is_exact_at_any_polling_step),
		cmocka_unit_test(every_frame_of_a_chunk_has_its_own_time),
		cmocka_unit_test(idle_time_gives_no_credit),
		cmocka_unit_test(frames_seen_while_busy_go_back_to_back),
		cmocka_unit_test(budget_of_the_source_costs_no_wire_time),
		cmocka_unit_test(wire_time_beyond_the_lag_is_lost_and_counted),
		cmocka_unit_test(frame_without_room_is_dropped_and_counted),
		cmocka_unit_test(unlimited_wire_waits_and_loses_nothing),
		cmocka_unit_test(chunks_are_bounded_in_wire_time_and_bytes),
		cmocka_unit_test(frames_that_wait_are_gathered),
		cmocka_unit_test(slow_poll_ends_early),
		cmocka_unit_test(chunks_grow_until_a_poll_is_slow),
		cmocka_unit_test(short_frames_are_padded_to_60_bytes),
		cmocka_unit_test(polling_gaps_are_counted_by_length),
		cmocka_unit_test(carrier_changes_reach_the_sink_in_order_and_none_is_lost),
		cmocka_unit_test(partner_is_known_before_its_carrier),
		cmocka_unit_test(rate_follows_the_speed_that_the_ends_agreed_on),
		cmocka_unit_test(replay_starts_when_the_listener_is_quiet),
		cmocka_unit_test(replay_waits_again_for_a_listener_that_went_away),
		cmocka_unit_test(replay_starts_at_last_although_the_listener_is_busy),
		cmocka_unit_test(replay_on_demand_starts_when_told_and_listened_to),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
