/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Faults of a wire: sets that are refused or replaced, the limit of the queue, sinks without room,
 * frames with a rest, frames that are looped back, timed sources, and memory that is missing.
 */

#include <errno.h>
#include <pthread.h>

#include "wire_fault_rig.h"

/* malloc() and calloc() of the code under test fail after so many calls. */
static unsigned int calls_left = UINT32_MAX;
static int blocks; /* that it has allocated */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void __real_free(void *ptr);
void __wrap_free(void *ptr);

void
__wrap_free(void *ptr)
{
	__atomic_fetch_sub(&blocks, ptr != NULL, __ATOMIC_RELAXED);
	__real_free(ptr);
}

static bool
has_memory(void)
{
	__atomic_fetch_add(&blocks, calls_left != 0, __ATOMIC_RELAXED);
	if (calls_left == UINT32_MAX)
		return true;
	return calls_left != 0 && calls_left-- != 0;
}

void *
__wrap_malloc(size_t size)
{
	return has_memory() ? __real_malloc(size) : NULL;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return has_memory() ? __real_calloc(n, size) : NULL;
}

static const struct wire_faults delay_1ms = { .delay = { .ns = MS } };
static const struct wire_faults lose_all = {
	.loss = { .kind = WIRE_LOSS_RANDOM, .probability = WIRE_FAULT_ALWAYS },
};
static const struct wire_faults duplicate_all = { .duplicate = WIRE_FAULT_ALWAYS };

/*
 * Sets.
 */

static void
valid_limits_are_accepted_and_the_next_value_is_refused(void **state)
{
	static const struct wire_faults good[] = {
		{ .loss = { .kind = WIRE_LOSS_BURSTS,
				  .probability = WIRE_FAULT_ALWAYS,
				  .bad_probability = WIRE_FAULT_ALWAYS,
				  .enter = WIRE_FAULT_ALWAYS,
				  .leave = WIRE_FAULT_ALWAYS } },
		{ .loss = { .kind = WIRE_LOSS_EVERY, .every = 1 } },
		{ .corrupt = { .probability = WIRE_FAULT_ALWAYS, .bits = WIRE_FAULT_BITS_MAX } },
		{ .bad_fcs = WIRE_FAULT_ALWAYS, .duplicate = WIRE_FAULT_ALWAYS },
		{ .reorder = { .probability = WIRE_FAULT_ALWAYS,
				  .extent = WIRE_FAULT_EXTENT_MAX,
				  .hold_ns = WIRE_FAULT_DELAY_MAX } },
		{ .delay = { .ns = WIRE_FAULT_DELAY_MAX,
				  .jitter = WIRE_FAULT_DELAY_MAX,
				  .distribution = WIRE_JITTER_PARETO } },
		{ .queue_bytes = WIRE_FAULT_QUEUE_MAX },
		{ .queue_bytes = WIRE_FAULT_QUEUE_UNIT },
	};
	static const struct {
		const char *reason;
		struct wire_faults faults;
	} bad[] = {
		{ "loss: unknown model", { .loss = { .kind = WIRE_LOSS_BURSTS + 1 } } },
		{ "loss: probability above 1",
				{ .loss = { .probability = WIRE_FAULT_ALWAYS + 1 } } },
		{ "loss: probability above 1",
				{ .loss = { .bad_probability = WIRE_FAULT_ALWAYS + 1 } } },
		{ "loss: probability of a change of state above 1",
				{ .loss = { .enter = WIRE_FAULT_ALWAYS + 1 } } },
		{ "loss: probability of a change of state above 1",
				{ .loss = { .leave = WIRE_FAULT_ALWAYS + 1 } } },
		{ "loss: every 0th frame", { .loss = { .kind = WIRE_LOSS_EVERY } } },
		{ "corruption: probability above 1",
				{ .corrupt = { .probability = WIRE_FAULT_ALWAYS + 1,
						  .bits = 1 } } },
		{ "corruption: number of bits not from 1 to 64",
				{ .corrupt = { .probability = 1 } } },
		{ "corruption: number of bits not from 1 to 64",
				{ .corrupt = { .probability = 1,
						  .bits = WIRE_FAULT_BITS_MAX + 1 } } },
		{ "bad FCS: probability above 1", { .bad_fcs = WIRE_FAULT_ALWAYS + 1 } },
		{ "duplication: probability above 1", { .duplicate = WIRE_FAULT_ALWAYS + 1 } },
		{ "reordering: probability above 1",
				{ .reorder = { .probability = WIRE_FAULT_ALWAYS + 1,
						  .extent = 1 } } },
		{ "reordering: extent not from 1 to 65536", { .reorder = { .probability = 1 } } },
		{ "reordering: extent not from 1 to 65536",
				{ .reorder = { .probability = 1,
						  .extent = WIRE_FAULT_EXTENT_MAX + 1 } } },
		{ "reordering: time limit above 10 s",
				{ .reorder = { .hold_ns = WIRE_FAULT_DELAY_MAX + 1 } } },
		{ "delay: above 10 s", { .delay = { .ns = WIRE_FAULT_DELAY_MAX + 1 } } },
		{ "delay: above 10 s", { .delay = { .jitter = WIRE_FAULT_DELAY_MAX + 1 } } },
		{ "delay: unknown distribution of jitter",
				{ .delay = { .distribution = WIRE_JITTER_PARETO + 1 } } },
		{ "queue: less than 256 bytes", { .queue_bytes = WIRE_FAULT_QUEUE_UNIT - 1 } },
		{ "queue: above 64 MiB", { .queue_bytes = WIRE_FAULT_QUEUE_MAX + 1 } },
	};
	struct wire_dir *dir = fresh(1000, 60, 0);

	for (unsigned int i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_null(wire_faults_check(&good[i]));
		assert_int_equal(wire_dir_set_faults(dir, &good[i]), 0);
	}
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_string_equal(wire_faults_check(&bad[i].faults), bad[i].reason);
		assert_int_equal(wire_dir_set_faults(dir, &bad[i].faults), -EINVAL);
	}
	wire_dir_free(dir);
}

static void
no_faults_count_nothing(void **state)
{
	static const struct wire_faults none = { .seed = 1, .queue_bytes = 4096 };
	struct wire_dir *dir = faulty(1000, 60, 100, NULL);

	poll_from_to(dir, 0, 100 * SLOT, 20 * US);
	assert_int_equal(wire_dir_set_faults(dir, &none), 0);
	source.avail = 100;
	poll_from_to(dir, 200 * SLOT, 300 * SLOT, 20 * US);
	assert_int_equal(nr_got, 200);
	assert_int_equal(stats.frames, 0);
	assert_int_equal(stats.delivered, 0);
	wire_dir_free(dir);
}

static void
set_numbers_frames_from_0_on_and_only_the_last_one_counts(void **state)
{
	const struct wire_faults third = { .loss = { .kind = WIRE_LOSS_EVERY, .every = 3 } };
	struct wire_dir *dir = faulty(1000, 60, 2, &lose_all);

	assert_int_equal(wire_dir_set_faults(dir, &third), 0); /* before a poll */
	poll_at(dir, T0 + SLOT);
	poll_at(dir, T0 + 2 * SLOT);
	assert_int_equal(nr_got, 2);
	assert_int_equal(wire_dir_set_faults(dir, &third), 0);
	source.avail = 3;
	poll_from_to(dir, 3 * SLOT, 8 * SLOT, SLOT);
	assert_int_equal(nr_got, 4); /* frames 2 and 3; 4 is the third one of this set */
	assert_int_equal(got[3].number, 3);
	assert_int_equal(stats.lost, 1);
	wire_dir_free(dir);
}

static void
former_set_remains_without_memory(void **state)
{
	const struct wire_faults faults = {
		.corrupt = { .probability = 1, .bits = 1 },
		.delay = { .ns = 1 },
	};
	struct wire_dir *dir = faulty(1000, 60, 10, &lose_all);

	for (unsigned int calls = 0; calls < 3; calls++) {
		calls_left = calls;
		assert_int_equal(wire_dir_set_faults(dir, &faults), -ENOMEM);
		calls_left = UINT32_MAX;
	}
	poll_from_to(dir, 0, 10 * SLOT, SLOT);
	assert_int_equal(stats.lost, 10);
	wire_dir_free(dir);
}

/*
 * The queue, and sets that are replaced while it has frames.
 */

static void
queue_has_room_for_its_limit_in_bytes(void **state)
{
	static const struct {
		uint32_t len, units;
	} frames[] = { { 60, 1 }, { 256, 1 }, { 257, 2 }, { 1514, 6 }, { WIRE_FRAME_MAX, 64 } };

	for (unsigned int i = 0; i < 5; i++) {
		const struct wire_faults faults = {
			.delay = { .ns = SEC },
			.queue_bytes = 3 * frames[i].units * 256 + 255,
		};
		struct wire_dir *dir = faulty(1000, frames[i].len, 5, &faults);

		poll_from_to(dir, 0, SEC, MS / 8);
		assert_int_equal(stats.queue_full, 2);
		poll_from_to(dir, SEC, 2 * SEC, 10 * MS);
		assert_int_equal(nr_got, 3);
		for (unsigned int j = 0; j < 3; j++) {
			assert_int_equal(got[j].number, j);
			assert_int_equal(got[j].len, frames[i].len);
			assert_int_equal(got[j].flips, 0);
		}
		assert_int_equal(stats.queued, 0);
		wire_dir_free(dir);
	}
}

static void
only_the_duplicate_is_lost_if_there_is_room_for_one_copy(void **state)
{
	const struct wire_faults faults = {
		.duplicate = WIRE_FAULT_ALWAYS,
		.delay = { .ns = MS },
		.queue_bytes = 3 * 256,
	};
	struct wire_dir *dir = faulty(1000, 60, 2, &faults);

	poll_from_to(dir, 0, 2 * MS, 100 * US);
	assert_int_equal(nr_got, 3);
	assert_int_equal(stats.duplicated, 2);
	assert_int_equal(stats.queue_full, 1);
	wire_dir_free(dir);
}

/* The queue needs no more memory after frames of any lengths, in any order, than before. */
static void
queue_reuses_all_of_its_memory(void **state)
{
	const struct wire_faults faults = {
		.delay = { .ns = 150 * US, .jitter = 150 * US, .any_order = true },
		.queue_bytes = 256 * 1024,
	};
	struct wire_dir *dir = faulty(10000, 60, 0, &faults);
	uint64_t t = 0, given = 0;

	for (unsigned int round = 0; round < 200; round++) {
		source.len = 60 + round * 331 % 9000;
		source.avail = 1000 / ((source.len + 255) / 256);
		given += source.avail;
		poll_from_to(dir, t, t + 500 * US, 20 * US);
		t += 500 * US;
	}
	assert_int_equal(stats.queue_full, 0);
	assert_int_equal(stats.delivered, given);
	assert_int_equal(stats.queued, 0);
	for (unsigned int i = 0; i < nr_got; i++)
		assert_int_equal(got[i].flips, 0);
	wire_dir_free(dir);
}

static void
queued_frames_arrive_after_the_faults_are_off(void **state)
{
	struct wire_dir *dir = faulty(1000, 60, 100, &delay_1ms);

	poll_from_to(dir, 0, 100 * SLOT, 20 * US);
	assert_int_equal(stats.queued, 100);
	assert_int_equal(wire_dir_set_faults(dir, NULL), 0);
	source.avail = 50; /* do not overtake the others */
	poll_from_to(dir, 500 * US, MS - 1, 20 * US);
	assert_int_equal(nr_got, 0);
	assert_int_equal(stats.queued, 150);
	poll_from_to(dir, MS, 2 * MS, 20 * US);
	assert_int_equal(nr_got, 150);
	for (unsigned int i = 0; i < 150; i++) {
		assert_int_equal(got[i].number, i);
		assert_int_equal(got[i].at, T0 + MS + (i < 100 ? i : 99) * SLOT);
	}
	source.avail = 10; /* no longer a matter of the faults */
	poll_from_to(dir, 3 * MS, 4 * MS, 20 * US);
	assert_int_equal(got[150].at, T0 + 3 * MS);
	assert_int_equal(stats.frames, 150);
	wire_dir_free(dir);
}

static void
replaced_set_keeps_queued_frames_their_times_and_the_order(void **state)
{
	static const struct wire_faults later[] = {
		{ .delay = { .ns = 100 * US } },
		{ .delay = { .ns = 5 * MS } },
		{ .bad_fcs = WIRE_FAULT_ALWAYS },
		{ .delay = { .ns = 100 * US }, .queue_bytes = 256 },
		{ .delay = { .ns = 100 * US, .any_order = true } },
	};
	/* When the first frame of the second set arrives, which starts 700 us after T0. */
	static const uint64_t arrives[] = { 1000 * US + 99 * SLOT, 5700 * US, 1000 * US + 99 * SLOT,
		0, 800 * US };

	for (unsigned int i = 0; i < 5; i++) {
		struct wire_dir *dir = faulty(1000, 60, 100, &delay_1ms);
		bool full = later[i].queue_bytes != 0;

		poll_from_to(dir, 0, 100 * SLOT, 20 * US);
		assert_int_equal(wire_dir_set_faults(dir, &later[i]), 0);
		source.avail = 10;
		poll_from_to(dir, 700 * US, 10 * MS, 20 * US);
		assert_int_equal(stats.queue_full, full ? 10 : 0);
		assert_int_equal(nr_got, full ? 100 : 110);
		for (unsigned int j = 0; j < nr_got; j++) {
			if (got[j].number < 100)
				assert_int_equal(got[j].at, T0 + MS + got[j].number * SLOT);
			if (got[j].number == 100)
				assert_int_equal(got[j].at, T0 + arrives[i]);
			if (!later[i].delay.any_order)
				assert_int_equal(got[j].number, j);
		}
		wire_dir_free(dir);
	}
}

static void
frame_held_back_arrives_at_once_without_reordering(void **state)
{
	const struct wire_faults faults = {
		.reorder = { .probability = WIRE_FAULT_ALWAYS, .extent = 3, .hold_ns = SEC },
	};
	struct wire_dir *dir = faulty(1000, 60, 5, &faults);

	poll_from_to(dir, 0, 10 * MS, 20 * US);
	assert_int_equal(stats.queued, 5);
	assert_int_equal(wire_dir_set_faults(dir, &lose_all), 0);
	poll_at(dir, T0 + 11 * MS);
	assert_int_equal(nr_got, 5);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(got[i].number, i);
	wire_dir_free(dir);
}

static void
direction_frees_queued_frames_and_pending_sets(void **state)
{
	struct wire_dir *dir = faulty(1000, 60, 100, &delay_1ms);

	poll_from_to(dir, 0, 100 * SLOT, 20 * US);
	assert_int_equal(stats.queued, 100);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(wire_dir_set_faults(dir, &delay_1ms), 0);
		poll_once(dir, T0 + 100 * SLOT);
		/* The direction; the queue; this set, and the former one with its own queue. */
		assert_in_range(blocks, 4, 6);
	}
	assert_int_equal(wire_dir_set_faults(dir, &lose_all), 0);
	wire_dir_free(dir);
	assert_int_equal(blocks, 0);
}

static void
poll_delivers_a_bounded_number_of_frames(void **state)
{
	const struct wire_faults faults = { .delay = { .ns = MS, .jitter = 1 } };
	struct wire_dir *dir = faulty(1000, 60, 1000, &faults);

	poll_from_to(dir, 0, 1000 * SLOT, 20 * US);
	assert_int_equal(nr_got, 0);
	assert_int_equal(poll_once(dir, T0 + 5 * MS), WIRE_BURST);
	assert_int_equal(nr_got, 2 * WIRE_BURST);
	poll_at(dir, T0 + 5 * MS);
	assert_int_equal(nr_got, 1000);
	wire_dir_free(dir);
}

/*
 * Wires without a speed.
 */

static void
frame_waits_for_the_sink_and_has_the_same_faults_then(void **state)
{
	const struct wire_faults faults = {
		.seed = 4,
		.loss = { .kind = WIRE_LOSS_BURSTS,
				.bad_probability = WIRE_FAULT_ALWAYS,
				.enter = WIRE_FAULT_ALWAYS / 10,
				.leave = WIRE_FAULT_ALWAYS / 2 },
		.corrupt = { .probability = WIRE_FAULT_ALWAYS / 4, .bits = 5, .offset = 8 },
		.duplicate = WIRE_FAULT_ALWAYS / 3,
	};
	static struct got free_run[3000];
	struct wire_dir *dir = faulty(0, 60, 2000, &faults);
	unsigned int n;

	poll_at(dir, T0);
	n = nr_got;
	assert_in_range(n, 1000, 3000);
	memcpy(free_run, got, n * sizeof(*got));
	wire_dir_free(dir);

	dir = faulty(0, 60, 2000, &faults);
	sink.room = 0;
	for (unsigned int i = 0; nr_got < n; i++) {
		poll_at(dir, T0);
		sink.room = 1 + i % 7;
	}
	assert_memory_equal(got, free_run, n * sizeof(*got));
	sink.room = 100;
	poll_at(dir, T0);
	assert_int_equal(nr_got, n);
	assert_int_equal(stats.frames, 2000);
	assert_false(source.paused);
	assert_source_is_unchanged();
	wire_dir_free(dir);
}

/* A frame whose duplicate waits for the sink does not arrive a third time. */
static void
frame_between_its_copies_survives_a_replaced_set(void **state)
{
	static const struct {
		const struct wire_faults *faults;
		unsigned int arrived;
	} later[] = { { NULL, 4 }, { &lose_all, 3 }, { &duplicate_all, 5 }, { &delay_1ms, 4 } };

	for (unsigned int i = 0; i < 4; i++) {
		struct wire_dir *dir = faulty(0, 60, 3, &duplicate_all);

		sink.room = 3;
		poll_at(dir, T0);
		assert_int_equal(nr_got, 3); /* 0, 0, 1 */
		assert_int_equal(stats.delivered, 2);
		assert_int_equal(wire_dir_set_faults(dir, later[i].faults), 0);
		poll_at(dir, T0 + 1);
		sink.room = 100;
		poll_at(dir, T0 + 2);
		poll_at(dir, T0 + 2 * MS);
		assert_int_equal(source.avail, 0);
		assert_int_equal(nr_got, later[i].arrived);
		assert_int_equal(got[2].number, 1);
		if (nr_got > 3)
			assert_int_equal(got[3].number, 2);
		assert_int_equal(stats.queued, 0);
		wire_dir_free(dir);
	}
}

static void
change_of_speed_drops_frames_that_wait_for_the_sink(void **state)
{
	struct wire_dir *dir = faulty(0, 60, 3, &duplicate_all);
	struct wire_stats all;

	source.src.speed = fake_speed_out;
	sink.room = 3;
	poll_at(dir, T0);
	source.speed = 100;
	sink.room = 100;
	source.avail = 1;
	poll_at(dir, T0 + 1);
	assert_int_equal(nr_got, 5); /* 0, 0, 1, then 3 twice */
	assert_int_equal(got[3].number, 3);
	assert_int_equal(got[4].number, 3);
	wire_dir_get_stats(dir, T0 + 1, &all);
	assert_int_equal(all.drops, 2);
	assert_int_equal(stats.delivered, 5);
	wire_dir_free(dir);
}

static void
change_of_speed_after_a_replaced_set_ends_the_frame(void **state)
{
	struct wire_dir *dir = faulty(0, 60, 1, &duplicate_all);

	source.src.speed = fake_speed_out;
	sink.room = 1;
	poll_at(dir, T0);
	assert_int_equal(wire_dir_set_faults(dir, &duplicate_all), 0);
	poll_at(dir, T0);
	assert_int_equal(source.paused, false); /* the other copy is not of this set */
	source.speed = 100;
	sink.room = 100;
	source.avail = 1;
	poll_at(dir, T0 + 1);
	assert_int_equal(nr_got, 3);
	assert_int_equal(got[1].number, 1);
	wire_dir_free(dir);
}

static void
full_queue_lets_the_source_wait(void **state)
{
	const struct wire_faults faults = { .delay = { .ns = MS }, .queue_bytes = 10 * 256 };
	struct wire_dir *dir = faulty(0, 60, 25, &faults);

	poll_at(dir, T0);
	assert_int_equal(stats.queued, 10);
	assert_true(source.paused);
	sink.room = 4;
	poll_at(dir, T0 + MS);
	assert_int_equal(nr_got, 4);
	sink.room = 100;
	for (unsigned int i = 1; i < 10; i++)
		poll_at(dir, T0 + i * MS);
	assert_int_equal(nr_got, 25);
	for (unsigned int i = 0; i < 25; i++)
		assert_int_equal(got[i].number, i);
	assert_int_equal(stats.queue_full, 0);
	assert_false(source.paused);
	wire_dir_free(dir);
}

static void
frame_above_the_limit_of_an_empty_queue_does_not_wait(void **state)
{
	const struct wire_faults faults = { .delay = { .ns = MS }, .queue_bytes = 256 };
	struct wire_dir *dir = faulty(0, 257, 3, &faults);

	poll_at(dir, T0);
	assert_int_equal(stats.queue_full, 3);
	wire_dir_free(dir);
}

/*
 * Special frames and sources.
 */

static unsigned int gathered;
static bool looped;

/* As rig_next(), but each second frame has a rest, or all frames are looped. */
static unsigned int
special_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	n = rig_next(src, now, frames, n, bytes);
	for (unsigned int i = 0; i < n; i++) {
		if (looped)
			frames[i].flags = M82576_FRAME_LOOPED;
		else if (i % 2)
			frames[i].rest = frames[i].data + M82576_HEADER;
	}
	return n;
}

static void
count_gather(struct wire_source *src, struct m82576_frame *frames, unsigned int n)
{
	assert_int_equal(n, 1);
	gathered += frames->rest != NULL;
	frames->rest = NULL;
}

static unsigned int rests;

static unsigned int
count_rests(struct wire_sink *s, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	for (unsigned int i = 0; i < n; i++)
		rests += frames[i].rest != NULL;
	return n;
}

static void
rest_is_gathered_only_for_a_copy(void **state)
{
	static const struct {
		struct wire_faults faults;
		unsigned int gathered, rests;
	} sets[] = {
		{ { .bad_fcs = WIRE_FAULT_ALWAYS }, 0, 8 },
		{ { .loss = { .kind = WIRE_LOSS_EVERY, .every = 2 } }, 0, 0 },
		{ { .duplicate = WIRE_FAULT_ALWAYS }, 8, 0 },
		{ { .corrupt = { .probability = WIRE_FAULT_ALWAYS, .bits = 1 } }, 8, 0 },
		{ { .delay = { .ns = 1 } }, 8, 0 },
	};

	for (unsigned int i = 0; i < 5; i++) {
		struct wire_dir *dir = faulty(0, 1514, 16, &sets[i].faults);

		source.src.next = special_next;
		source.src.gather = count_gather;
		sink.sink.put = count_rests;
		looped = false;
		gathered = rests = 0;
		poll_at(dir, T0);
		assert_int_equal(gathered, sets[i].gathered);
		assert_int_equal(rests, sets[i].rests);
		assert_source_is_unchanged();
		wire_dir_free(dir);
	}
}

static void
looped_frames_have_no_fault_and_no_number(void **state)
{
	const struct wire_faults faults = {
		.loss = { .kind = WIRE_LOSS_EVERY, .every = 2 },
		.delay = { .ns = 5 },
	};
	struct wire_dir *dir = faulty(1000, 60, 3, &faults);

	source.src.next = special_next;
	looped = true;
	poll_from_to(dir, 0, 3 * SLOT, SLOT);
	assert_int_equal(nr_got, 0);
	assert_int_equal(stats.frames, 0);
	looped = false;
	source.src.next = rig_next;
	source.avail = 2;
	poll_from_to(dir, 10 * SLOT, 20 * SLOT, SLOT);
	assert_int_equal(nr_got, 1);
	assert_int_equal(got[0].number, 3);
	assert_int_equal(stats.lost, 1);
	wire_dir_free(dir);
}

/* A timed source whose frames are due every 10 us. */
static void
no_begin(struct wire_source *src, uint64_t now, uint64_t lag, unsigned int mbps)
{
}

static uint64_t
due_10us(struct wire_source *src)
{
	return source.avail != 0 ? T0 + source.given * 10 * US : UINT64_MAX;
}

static bool
make_frame(struct wire_source *src, uint64_t at, unsigned int slot, struct m82576_frame *frame)
{
	rig_fill(source.data[slot], source.given++, source.len);
	source.avail--;
	*frame = (struct m82576_frame){ .data = source.data[slot], .len = source.len };
	return true;
}

static void
timed_source_has_faults_whatever_the_polls(void **state)
{
	const struct wire_faults faults = {
		.loss = { .kind = WIRE_LOSS_EVERY, .every = 10 },
		.reorder = { .probability = WIRE_FAULT_ALWAYS / 10, .extent = 2 },
		.delay = { .ns = 3 * US, .jitter = 15 * US, .any_order = true },
	};
	static struct got former[900];

	for (unsigned int i = 0; i < 3; i++) {
		struct wire_dir *dir = fresh(1000, 60, 0);

		wire_dir_free(dir);
		source.src.begin = no_begin;
		source.src.due = due_10us;
		source.src.make = make_frame;
		source.avail = 1000;
		sink.sink.put = rig_put;
		nr_got = 0;
		dir = wire_dir_new(&source.src, &sink.sink, 1000);
		assert_int_equal(wire_dir_set_faults(dir, &faults), 0);
		for (uint64_t t = 0; t < 25 * MS; t += 1 + i * 70001)
			poll_once(dir, T0 + t);
		assert_int_equal(nr_got, 900);
		assert_int_equal(stats.lost, 100);
		if (i != 0)
			assert_memory_equal(got, former, sizeof(former));
		memcpy(former, got, sizeof(former));
		wire_dir_free(dir);
	}
}

/*
 * Threads.
 */

static int setters; /* that have not ended */

static void *
set_again_and_again(void *arg)
{
	static const struct wire_faults *const sets[] = { NULL, &lose_all, &delay_1ms,
		&duplicate_all };
	struct wire_fault_stats s;

	for (unsigned int i = 0; i < 2000; i++) {
		if (wire_dir_set_faults(arg, sets[i % 4]) != 0)
			break;
		wire_dir_get_fault_stats(arg, &s);
	}
	__atomic_fetch_sub(&setters, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void
two_threads_set_faults_while_frames_pass(void **state)
{
	struct wire_dir *dir = faulty(1000, 60, UINT32_MAX, NULL);
	pthread_t threads[2];
	uint64_t t = 0;

	setters = 2;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, set_again_and_again, dir), 0);
	while (__atomic_load_n(&setters, __ATOMIC_ACQUIRE) != 0) {
		nr_got = 0;
		poll_once(dir, T0 + t);
		t += 5 * US;
	}
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wire_dir_set_faults(dir, NULL), 0);
	source.avail = 0;
	nr_got = 0;
	poll_at(dir, T0 + t);
	poll_at(dir, T0 + t + 2 * MS);
	assert_int_equal(stats.queued, 0);
	wire_dir_free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_limits_are_accepted_and_the_next_value_is_refused),
		cmocka_unit_test(no_faults_count_nothing),
		cmocka_unit_test(set_numbers_frames_from_0_on_and_only_the_last_one_counts),
		cmocka_unit_test(former_set_remains_without_memory),
		cmocka_unit_test(queue_has_room_for_its_limit_in_bytes),
		cmocka_unit_test(only_the_duplicate_is_lost_if_there_is_room_for_one_copy),
		cmocka_unit_test(queue_reuses_all_of_its_memory),
		cmocka_unit_test(queued_frames_arrive_after_the_faults_are_off),
		cmocka_unit_test(replaced_set_keeps_queued_frames_their_times_and_the_order),
		cmocka_unit_test(frame_held_back_arrives_at_once_without_reordering),
		cmocka_unit_test(direction_frees_queued_frames_and_pending_sets),
		cmocka_unit_test(poll_delivers_a_bounded_number_of_frames),
		cmocka_unit_test(frame_waits_for_the_sink_and_has_the_same_faults_then),
		cmocka_unit_test(frame_between_its_copies_survives_a_replaced_set),
		cmocka_unit_test(change_of_speed_drops_frames_that_wait_for_the_sink),
		cmocka_unit_test(change_of_speed_after_a_replaced_set_ends_the_frame),
		cmocka_unit_test(full_queue_lets_the_source_wait),
		cmocka_unit_test(frame_above_the_limit_of_an_empty_queue_does_not_wait),
		cmocka_unit_test(rest_is_gathered_only_for_a_copy),
		cmocka_unit_test(looped_frames_have_no_fault_and_no_number),
		cmocka_unit_test(timed_source_has_faults_whatever_the_polls),
		cmocka_unit_test(two_threads_set_faults_while_frames_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
