/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Faults of a wire: each kind by itself, their numbers for a seed, and that runs are repeatable. */

#include "wire_fault_rig.h"

/* A probability in percent. */
#define PERCENT(p) ((uint64_t)(WIRE_FAULT_ALWAYS * (p) / 100))

/* Assert that number is within "limit" standard deviations of p * n. */
static void
assert_binomial(uint64_t number, uint64_t n, double p, double limit)
{
	double off = (double)number - (double)n * p;

	assert_true(off * off < limit * limit * (double)n * p * (1 - p));
}

/* Return a hash of all that the sink got. */
static uint64_t
print_of_run(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr_got; i++) {
		sum = (sum ^ got[i].at) * 6364136223846793005ULL + got[i].number;
		sum = (sum ^ sum >> 29) * 6364136223846793005ULL + got[i].sum;
		sum += got[i].flags;
	}
	return sum;
}

/*
 * Loss.
 */

static void
every_nth_frame_is_lost(void **state)
{
	const struct wire_faults faults = { .loss = { .kind = WIRE_LOSS_EVERY, .every = 7 } };
	struct wire_dir *dir = sent(700, &faults, 0);

	assert_int_equal(nr_got, 600);
	for (unsigned int i = 0; i < nr_got; i++) {
		assert_int_equal(got[i].number, i / 6 * 7 + i % 6);
		assert_int_equal(got[i].at, T0 + got[i].number * SLOT);
	}
	assert_int_equal(stats.lost, 100);
	wire_dir_free(dir);
}

static void
only_frames_of_the_window_have_faults(void **state)
{
	const struct wire_faults faults = {
		.first = 100,
		.count = 3,
		.loss = { .kind = WIRE_LOSS_EVERY, .every = 1 },
	};
	struct wire_dir *dir = sent(1000, &faults, 0);

	assert_int_equal(nr_got, 997);
	assert_int_equal(got[99].number, 99);
	assert_int_equal(got[100].number, 103);
	wire_dir_free(dir);
}

static void
random_loss_has_an_exact_number_for_a_seed(void **state)
{
	static const struct {
		uint64_t seed, lost;
	} runs[] = { { 1, 9773 }, { 2, 10076 }, { 1, 9773 } };
	uint64_t prints[3];

	for (unsigned int i = 0; i < 3; i++) {
		const struct wire_faults faults = {
			.seed = runs[i].seed,
			.loss = { .kind = WIRE_LOSS_RANDOM, .probability = PERCENT(10) },
		};
		struct wire_dir *dir = sent(100000, &faults, 0);

		assert_int_equal(stats.lost, runs[i].lost);
		assert_int_equal(nr_got, 100000 - stats.lost);
		assert_binomial(stats.lost, 100000, 0.1, 3);
		prints[i] = print_of_run();
		wire_dir_free(dir);
	}
	assert_int_equal(prints[0], prints[2]);
	assert_int_not_equal(prints[0], prints[1]);
}

static void
probability_1_hits_each_frame_and_0_hits_none(void **state)
{
	struct wire_faults faults = {
		.loss = { .kind = WIRE_LOSS_RANDOM, .probability = WIRE_FAULT_ALWAYS },
	};
	struct wire_dir *dir = sent(1000, &faults, 0);

	assert_int_equal(stats.lost, 1000);
	wire_dir_free(dir);
	faults.loss.probability = 0;
	dir = sent(1000, &faults, 0);
	assert_int_equal(stats.lost, 0);
	assert_int_equal(nr_got, 1000);
	wire_dir_free(dir);
}

/* A bad state lasts for 20 frames on average, and is a tenth of the time: 1 / 180 begins one. */
static void
bursts_of_loss_have_their_mean_length_and_share(void **state)
{
	const struct wire_faults faults = {
		.seed = 3,
		.loss = { .kind = WIRE_LOSS_BURSTS,
				.bad_probability = WIRE_FAULT_ALWAYS,
				.enter = WIRE_FAULT_ALWAYS / 180,
				.leave = WIRE_FAULT_ALWAYS / 20 },
	};
	struct wire_dir *dir = sent(180000, &faults, 0);
	unsigned int bursts = 0;

	for (unsigned int i = 1; i < nr_got; i++)
		bursts += got[i].number != got[i - 1].number + 1;
	assert_in_range(bursts, 800, 1000); /* 900 in 180000 frames, less 5% without a loss */
	assert_in_range(stats.lost, 15000, 21000);
	assert_in_range(stats.lost / bursts, 18, 22);
	wire_dir_free(dir);
}

static void
both_states_of_the_burst_model_lose_frames(void **state)
{
	const struct wire_faults faults = {
		.loss = { .kind = WIRE_LOSS_BURSTS,
				.probability = PERCENT(1),
				.bad_probability = PERCENT(50),
				.enter = PERCENT(1),
				.leave = PERCENT(1) },
	};
	struct wire_dir *dir = sent(100000, &faults, 0);

	assert_in_range(stats.lost, 23000, 28000); /* half of the time each */
	wire_dir_free(dir);
}

/*
 * Corruption, duplication.
 */

static void
so_many_bits_are_flipped_behind_the_offset(void **state)
{
	static const unsigned int numbers[] = { 1, 2, 8, WIRE_FAULT_BITS_MAX };

	for (unsigned int i = 0; i < 4; i++) {
		const struct wire_faults faults = {
			.corrupt = { .probability = PERCENT(25), .bits = numbers[i], .offset = 8 },
		};
		struct wire_dir *dir = sent(10000, &faults, 0);
		unsigned int hit = 0;

		assert_int_equal(nr_got, 10000);
		for (unsigned int j = 0; j < nr_got; j++) {
			assert_int_equal(got[j].number, j);
			assert_true(got[j].flips == 0 || got[j].flips == numbers[i]);
			assert_int_equal(got[j].flags, 0);
			hit += got[j].flips != 0;
		}
		assert_int_equal(stats.corrupted, hit);
		assert_binomial(hit, 10000, 0.25, 4);
		wire_dir_free(dir);
	}
}

static unsigned int flips_at[60 * 8];

/* Count the flips of each bit. All frames arrive in their order. */
static unsigned int
count_flips(struct wire_sink *s, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	uint8_t made[60];

	for (unsigned int i = 0; i < n; i++) {
		rig_fill(made, nr_got++, sizeof(made));
		for (unsigned int b = 0; b < sizeof(made) * 8; b++)
			flips_at[b] += (made[b / 8] ^ frames[i].data[b / 8]) >> b % 8 & 1;
	}
	return n;
}

static void
each_bit_of_a_frame_is_flipped_equally_often(void **state)
{
	const struct wire_faults faults = {
		.corrupt = { .probability = WIRE_FAULT_ALWAYS, .bits = 1 },
	};
	struct wire_dir *dir = faulty(1000, 60, 96000, &faults);

	sink.sink.put = count_flips;
	memset(flips_at, 0, sizeof(flips_at));
	poll_from_to(dir, 0, 96000 * SLOT, 20 * US);
	for (unsigned int b = 0; b < 60 * 8; b++)
		assert_in_range(flips_at[b], 200 - 65, 200 + 65); /* 4.6 standard deviations */
	wire_dir_free(dir);
}

static void
frame_has_at_most_as_many_flips_as_bits_behind_the_offset(void **state)
{
	struct wire_faults faults = {
		.corrupt = { .probability = WIRE_FAULT_ALWAYS, .bits = 64, .offset = 59 },
	};
	struct wire_dir *dir = sent(10, &faults, 0);

	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(got[i].flips, 8);
	assert_int_equal(stats.corrupted, 10);
	wire_dir_free(dir);
	faults.corrupt.offset = 60;
	dir = sent(10, &faults, 0);
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(got[i].flips, 0);
	assert_int_equal(stats.corrupted, 0);
	wire_dir_free(dir);
}

static void
bad_fcs_is_a_flag_of_an_intact_frame(void **state)
{
	const struct wire_faults faults = { .bad_fcs = PERCENT(50) };
	struct wire_dir *dir = sent(10000, &faults, 0);
	unsigned int bad = 0;

	for (unsigned int i = 0; i < nr_got; i++) {
		assert_int_equal(got[i].flips, 0);
		assert_int_equal(got[i].flags & ~M82576_FRAME_BAD_FCS, 0);
		bad += got[i].flags != 0;
	}
	assert_int_equal(stats.bad_fcs, bad);
	assert_binomial(bad, 10000, 0.5, 4);
	wire_dir_free(dir);
}

static void
duplicate_follows_its_original_and_equals_it(void **state)
{
	const struct wire_faults faults = {
		.duplicate = PERCENT(20),
		.corrupt = { .probability = PERCENT(50), .bits = 3, .offset = 8 },
	};
	struct wire_dir *dir = sent(10000, &faults, 0);
	unsigned int twice = 0;

	assert_int_equal(nr_got, 10000 + stats.duplicated);
	for (unsigned int i = 1; i < nr_got; i++) {
		assert_in_range(got[i].number - got[i - 1].number, 0, 1);
		if (got[i].number != got[i - 1].number)
			continue;
		assert_memory_equal(&got[i], &got[i - 1], sizeof(got[i]));
		twice++;
	}
	assert_int_equal(stats.duplicated, twice);
	assert_binomial(twice, 10000, 0.2, 4);
	wire_dir_free(dir);
}

/*
 * Reordering.
 */

static void
frame_is_held_back_behind_so_many_later_frames(void **state)
{
	static const unsigned int extents[] = { 1, 3, 40 };

	for (unsigned int i = 0; i < 3; i++) {
		const struct wire_faults faults = {
			.first = 10,
			.count = 1,
			.reorder = { .probability = WIRE_FAULT_ALWAYS, .extent = extents[i] },
		};
		struct wire_dir *dir = sent(100, &faults, 0);
		unsigned int place = 10 + extents[i];

		assert_int_equal(nr_got, 100);
		for (unsigned int j = 0; j < 100; j++)
			if (j != place)
				assert_int_equal(got[j].number, j < 10 || j > place ? j : j + 1);
		assert_int_equal(got[place].number, 10);
		assert_int_equal(got[place].at, T0 + place * SLOT);
		assert_int_equal(stats.reordered, 1);
		wire_dir_free(dir);
	}
}

/* RFC 4737: the extent of a reordered frame is its distance to the first frame that overtook it. */
static void
random_reordering_has_at_least_its_extent(void **state)
{
	const struct wire_faults faults = {
		.seed = 5,
		.reorder = { .probability = PERCENT(5), .extent = 4 },
	};
	struct wire_dir *dir = sent(20000, &faults, 20 * MS);
	unsigned int held = 0;
	uint64_t top = 0;

	assert_int_equal(nr_got, 20000);
	for (unsigned int i = 0; i < nr_got; i++) {
		if (i == 0 || got[i].number > top) {
			top = got[i].number;
			continue;
		}
		held++;
		assert_in_range(top - got[i].number, 4, 12);
	}
	assert_in_range(held, stats.reordered - 1,
			stats.reordered); /* the last one may pass late */
	assert_binomial(stats.reordered, 20000, 0.05, 4);
	wire_dir_free(dir);
}

static void
frame_is_not_held_back_longer_than_its_limit(void **state)
{
	struct wire_faults faults = {
		.reorder = { .probability = WIRE_FAULT_ALWAYS, .extent = 5, .hold_ns = 30 * US },
		.delay = { .ns = 2 * US },
	};
	struct wire_dir *dir = faulty(1000, 60, 3, &faults);

	poll_at(dir, T0);
	poll_at(dir, T0 + 32 * US - 1);
	assert_int_equal(nr_got, 0);
	assert_int_equal(stats.queued, 3);
	poll_at(dir, T0 + 32 * US);
	assert_int_equal(nr_got, 1);
	assert_int_equal(got[0].at, T0 + 32 * US);
	poll_at(dir, T0 + MS);
	assert_int_equal(nr_got, 3);
	assert_int_equal(got[2].number, 2);
	assert_int_equal(got[2].at, T0 + 32 * US + 2 * SLOT);
	wire_dir_free(dir);
	faults.delay.ns = 0;
	dir = faulty(1000, 60, 1, &faults);
	poll_at(dir, T0);
	poll_at(dir, T0 + 30 * US - 1);
	assert_int_equal(nr_got, 0);
	poll_at(dir, T0 + 30 * US);
	assert_int_equal(nr_got, 1);
	wire_dir_free(dir);
}

/*
 * Delay.
 */

static void
constant_delay_is_exact(void **state)
{
	static const uint64_t delays[] = { 1, SLOT, 123457, 20 * MS };

	for (unsigned int i = 0; i < 4; i++) {
		const struct wire_faults faults = { .delay = { .ns = delays[i] } };
		struct wire_dir *dir = sent(10000, &faults, delays[i] - 1);

		assert_int_equal(nr_got, 10000);
		for (unsigned int j = 0; j < nr_got; j++) {
			assert_int_equal(got[j].number, j);
			assert_int_equal(got[j].at, T0 + j * SLOT + delays[i]);
		}
		assert_int_equal(stats.delayed, 10000);
		wire_dir_free(dir);
	}
}

static void
delayed_frame_does_not_arrive_before_its_time(void **state)
{
	const struct wire_faults faults = { .delay = { .ns = 100 * US } };
	struct wire_dir *dir = faulty(1000, 60, 1, &faults);

	assert_int_equal(poll_once(dir, T0), 1); /* sent */
	assert_int_equal(poll_once(dir, T0 + 100 * US - 1), 0);
	assert_int_equal(nr_got, 0);
	assert_int_equal(stats.queued, 1);
	assert_int_equal(poll_once(dir, T0 + 100 * US), 1); /* arrived */
	assert_int_equal(nr_got, 1);
	wire_dir_free(dir);
}

/* Mean, standard deviation and limits of 100,000 delays, in ns, and these delays exactly. */
static void
jitter_has_its_distribution(void **state)
{
	static const struct {
		enum wire_jitter distribution;
		double mean, deviation, slack;
		uint64_t least, most, print;
	} kinds[] = {
		{ WIRE_JITTER_UNIFORM, 50000, 5774, 0.01, 40000, 60000, 0x32d55d3b211dd034 },
		{ WIRE_JITTER_NORMAL, 50000, 10000, 0.01, 0, 110000, 0x383a8aed9df8bb9f },
		{ WIRE_JITTER_PARETO, 60000, 17320, 0.35, 50000, 50000 + 20000 * 1625,
				0xd44d328f038e564 },
	};

	for (unsigned int i = 0; i < 3; i++) {
		const struct wire_faults faults = {
			.seed = 9,
			.delay = { .ns = 50 * US,
					.jitter = 10 * US,
					.any_order = true,
					.distribution = kinds[i].distribution },
		};
		struct wire_dir *dir = sent(100000, &faults, 40 * MS);
		double sum = 0, squares = 0;

		assert_int_equal(nr_got, 100000);
		for (unsigned int j = 0; j < nr_got; j++) {
			uint64_t delay = got[j].at - T0 - got[j].number * SLOT;
			double off = (double)delay - kinds[i].mean;

			assert_in_range(delay, kinds[i].least, kinds[i].most);
			sum += off;
			squares += off * off;
		}
		assert_true(print_of_run() == kinds[i].print);
		assert_in_range(sum / nr_got + 200, 0, 400);
		squares /= (double)nr_got * kinds[i].deviation * kinds[i].deviation;
		assert_true(squares > (1 - kinds[i].slack) * (1 - kinds[i].slack));
		assert_true(squares < (1 + kinds[i].slack) * (1 + kinds[i].slack));
		wire_dir_free(dir);
	}
}

static void
pareto_jitter_has_a_limit(void **state)
{
	const struct wire_faults faults = {
		.delay = { .jitter = WIRE_FAULT_DELAY_MAX / 4,
				.any_order = true,
				.distribution = WIRE_JITTER_PARETO },
	};
	struct wire_dir *dir = faulty(1000, 60, 1000, &faults);
	unsigned int above = 0;

	poll_from_to(dir, 0, 1000 * SLOT, 20 * US);
	poll_at(dir, T0 + 1000 * SLOT + WIRE_FAULT_DELAY_MAX);
	assert_int_equal(nr_got, 1000);
	for (unsigned int i = 0; i < nr_got; i++)
		above += got[i].at == T0 + got[i].number * SLOT + WIRE_FAULT_DELAY_MAX;
	assert_in_range(above, 20, 60); /* each with a probability of 1 / 27 */
	wire_dir_free(dir);
}

static void
jitter_changes_the_order_only_if_that_is_permitted(void **state)
{
	struct wire_faults faults = { .delay = { .ns = 100 * US, .jitter = 100 * US } };

	for (unsigned int permitted = 0; permitted < 2; permitted++) {
		struct wire_dir *dir;
		unsigned int overtaken = 0;

		faults.delay.any_order = permitted;
		dir = sent(10000, &faults, 200 * US);
		assert_int_equal(nr_got, 10000);
		for (unsigned int i = 1; i < nr_got; i++) {
			assert_true(got[i].at >= got[i - 1].at);
			overtaken += got[i].number < got[i - 1].number;
		}
		assert_true(permitted ? overtaken > 1000 : overtaken == 0);
		wire_dir_free(dir);
	}
}

/*
 * Repeatable runs.
 */

static const struct wire_faults all_faults = {
	.seed = 11,
	.loss = { .kind = WIRE_LOSS_BURSTS,
			.probability = PERCENT(1),
			.bad_probability = PERCENT(60),
			.enter = PERCENT(1),
			.leave = PERCENT(20) },
	.corrupt = { .probability = PERCENT(5), .bits = 4, .offset = 8 },
	.bad_fcs = PERCENT(3),
	.duplicate = PERCENT(4),
	.reorder = { .probability = PERCENT(6), .extent = 9, .hold_ns = 50 * US },
	.delay = { .ns = 60 * US, .jitter = 50 * US, .any_order = true },
};

/* Poll every "step" ns, once each. The wire catches up with all absences. */
static uint64_t
run_with_polls(const struct wire_faults *faults, uint64_t step)
{
	struct wire_dir *dir = faulty(1000, 60, 20000, faults);
	uint64_t print;

	wire_dir_set_lag(dir, SEC);
	for (uint64_t t = 0; t < 40 * MS; t += step)
		poll_once(dir, T0 + t);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.frames, 20000);
	assert_int_equal(stats.queue_full, 0);
	assert_int_equal(nr_got, stats.delivered);
	print = print_of_run();
	wire_dir_free(dir);
	return print;
}

static void
polls_have_no_influence(void **state)
{
	static const uint64_t steps[] = { 100, 672, 3333, 10 * US, 20 * US };
	struct wire_faults faults = all_faults;

	for (unsigned int i = 0; i < 2; i++) {
		uint64_t print = run_with_polls(&faults, 1000);

		for (unsigned int j = 0; j < 5; j++)
			assert_int_equal(run_with_polls(&faults, steps[j]), print);
		faults.seed++;
		assert_int_not_equal(run_with_polls(&faults, 1000), print);
		faults.delay.any_order = false;
	}
}

static void
all_faults_have_exact_numbers_for_a_seed(void **state)
{
	struct wire_dir *dir = sent(100000, &all_faults, MS);

	assert_int_equal(stats.frames, 100000);
	assert_int_equal(stats.lost, 3944);
	assert_int_equal(stats.corrupted, 4837);
	assert_int_equal(stats.bad_fcs, 2880);
	assert_int_equal(stats.duplicated, 3982);
	assert_int_equal(stats.reordered, 5751);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.queue_full, 0);
	assert_true(print_of_run() == 0x41091bf19090a612);
	wire_dir_free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_nth_frame_is_lost),
		cmocka_unit_test(only_frames_of_the_window_have_faults),
		cmocka_unit_test(random_loss_has_an_exact_number_for_a_seed),
		cmocka_unit_test(probability_1_hits_each_frame_and_0_hits_none),
		cmocka_unit_test(bursts_of_loss_have_their_mean_length_and_share),
		cmocka_unit_test(both_states_of_the_burst_model_lose_frames),
		cmocka_unit_test(so_many_bits_are_flipped_behind_the_offset),
		cmocka_unit_test(each_bit_of_a_frame_is_flipped_equally_often),
		cmocka_unit_test(frame_has_at_most_as_many_flips_as_bits_behind_the_offset),
		cmocka_unit_test(bad_fcs_is_a_flag_of_an_intact_frame),
		cmocka_unit_test(duplicate_follows_its_original_and_equals_it),
		cmocka_unit_test(frame_is_held_back_behind_so_many_later_frames),
		cmocka_unit_test(random_reordering_has_at_least_its_extent),
		cmocka_unit_test(frame_is_not_held_back_longer_than_its_limit),
		cmocka_unit_test(constant_delay_is_exact),
		cmocka_unit_test(delayed_frame_does_not_arrive_before_its_time),
		cmocka_unit_test(jitter_has_its_distribution),
		cmocka_unit_test(pareto_jitter_has_a_limit),
		cmocka_unit_test(jitter_changes_the_order_only_if_that_is_permitted),
		cmocka_unit_test(polls_have_no_influence),
		cmocka_unit_test(all_faults_have_exact_numbers_for_a_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
