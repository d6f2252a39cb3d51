/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Values and sizes by the number of a frame (lib/traffic/traffic_pattern.c). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "traffic.h"

#define ARRAY_SIZE(a)            (sizeof(a) / sizeof((a)[0]))
#define ALL_ONES                 (~(traffic_value)0)
#define assert_value_equal(a, b) assert_true((traffic_value)(a) == (traffic_value)(b))

/* Return a random value of 128 bits. */
static traffic_value
random_value(void)
{
	traffic_value value = 0;
	unsigned int i;

	for (i = 0; i < 8; i++)
		value = value << 16 ^ (traffic_value)random();
	return value;
}

/* Patterns */

static void
hashes_differ_in_half_of_their_bits(void **state)
{
	unsigned int bit, n, by_n, by_seed;

	/* 6400 bits for each bit of the argument: 5 % is eight times the standard deviation. */
	for (bit = 0; bit < 64; bit++) {
		by_n = by_seed = 0;
		for (n = 0; n < 100; n++) {
			const uint64_t a = traffic_hash(7, n), flip = UINT64_C(1) << bit;

			by_n += (unsigned int)__builtin_popcountll(a ^ traffic_hash(7, n ^ flip));
			by_seed += (unsigned int)__builtin_popcountll(
					a ^ traffic_hash(7 ^ flip, n));
		}
		assert_in_range(by_n, 2880, 3520);
		assert_in_range(by_seed, 2880, 3520);
	}
	assert_true(traffic_hash(0, 0) != 0);
}

static void
list_returns_to_its_first_value(void **state)
{
	traffic_value list[] = { 7, ALL_ONES, 9 };
	struct traffic_pattern p = { .kind = TRAFFIC_LIST, .bits = 128, .count = 3, .list = list };

	assert_value_equal(traffic_pattern_at(&p, 0), 7);
	assert_value_equal(traffic_pattern_at(&p, 1), ALL_ONES);
	assert_value_equal(traffic_pattern_at(&p, 2), 9);
	assert_value_equal(traffic_pattern_at(&p, 3), 7);
	assert_value_equal(traffic_pattern_at(&p, UINT64_MAX), 7); /* 2^64 - 1 = 3 * ... */
	p.bits = 3;
	assert_value_equal(traffic_pattern_at(&p, 1), 7);
	assert_value_equal(traffic_pattern_at(&p, 2), 1);
}

static void
counter_returns_to_its_first_value(void **state)
{
	struct traffic_pattern p = { .kind = TRAFFIC_COUNTER,
		.bits = 16,
		.count = 4,
		.first = 100,
		.step = 10 };

	assert_value_equal(traffic_pattern_at(&p, 0), 100);
	assert_value_equal(traffic_pattern_at(&p, 3), 130);
	assert_value_equal(traffic_pattern_at(&p, 4), 100);
	p.count = 1;
	assert_value_equal(traffic_pattern_at(&p, 1), 100);
	p.count = UINT64_MAX;
	p.step = 1;
	assert_value_equal(traffic_pattern_at(&p, UINT64_MAX - 1), (100 - 2) & 0xFFFF);
	assert_value_equal(traffic_pattern_at(&p, UINT64_MAX), 100);
}

static void
counter_is_modulo_its_width(void **state)
{
	struct traffic_pattern p = { .kind = TRAFFIC_COUNTER,
		.bits = 8,
		.count = 1000,
		.first = 254,
		.step = 1 };

	assert_value_equal(traffic_pattern_at(&p, 1), 255);
	assert_value_equal(traffic_pattern_at(&p, 2), 0);
	p.bits = 1;
	assert_value_equal(traffic_pattern_at(&p, 1), 1);
	assert_value_equal(traffic_pattern_at(&p, 2), 0);
	p.bits = 128;
	p.first = ALL_ONES - 1;
	assert_value_equal(traffic_pattern_at(&p, 1), ALL_ONES);
	assert_value_equal(traffic_pattern_at(&p, 2), 0);
	p.first = 0;
	p.step = (traffic_value)1 << 127;
	assert_value_equal(traffic_pattern_at(&p, 1), p.step);
	assert_value_equal(traffic_pattern_at(&p, 2), 0);
}

static void
counter_counts_down_below_zero(void **state)
{
	struct traffic_pattern p = { .kind = TRAFFIC_COUNTER,
		.bits = 16,
		.count = 10,
		.first = 3,
		.step = -3 };

	assert_value_equal(traffic_pattern_at(&p, 1), 0);
	assert_value_equal(traffic_pattern_at(&p, 2), 0xFFFD);
	p.bits = 128;
	assert_value_equal(traffic_pattern_at(&p, 2), ALL_ONES - 2);
	assert_value_equal(traffic_pattern_at(&p, 10), 3);
}

static void
random_value_is_in_range_and_reproducible(void **state)
{
	struct traffic_pattern p = { .kind = TRAFFIC_RANDOM,
		.bits = 32,
		.count = 100000,
		.first = 1000,
		.step = 4,
		.seed = 3 };
	unsigned int seen[5] = { 0 }, n;
	traffic_value value;

	for (n = 0; n < 50000; n++) {
		value = traffic_pattern_at(&p, n);
		assert_true(value >= 1000 && value <= 1004);
		assert_value_equal(traffic_pattern_at(&p, n), value);
		seen[value - 1000]++;
	}
	/* 500 is more than five times the standard deviation. */
	for (n = 0; n < 5; n++)
		assert_in_range(seen[n], 9500, 10500);
	p.step = 0;
	assert_value_equal(traffic_pattern_at(&p, 1), 1000);
	/* The seed matters, and values return after `count` frames. */
	p.step = UINT32_MAX;
	p.count = 8;
	assert_value_equal(traffic_pattern_at(&p, 13), traffic_pattern_at(&p, 5));
	value = traffic_pattern_at(&p, 5);
	p.seed = 4;
	assert_true(traffic_pattern_at(&p, 5) != value);
}

static void
random_value_of_128_bits_is_even(void **state)
{
	const traffic_value quarter = (traffic_value)1 << 126;
	struct traffic_pattern p = { .kind = TRAFFIC_RANDOM,
		.bits = 128,
		.count = UINT64_MAX,
		.step = ALL_ONES,
		.seed = 1 };
	unsigned int seen[4] = { 0 }, ones[128] = { 0 }, n, bit;

	for (n = 0; n < 40000; n++) {
		const traffic_value value = traffic_pattern_at(&p, n);

		seen[value / quarter]++;
		for (bit = 0; bit < 128; bit++)
			ones[bit] += value >> bit & 1;
	}
	for (n = 0; n < 4; n++)
		assert_in_range(seen[n], 9500, 10500);
	for (bit = 0; bit < 128; bit++)
		assert_in_range(ones[bit], 19500, 20500);
	/* Three quarters of the range. */
	p.step = 3 * quarter - 1;
	memset(seen, 0, sizeof(seen));
	for (n = 0; n < 30000; n++)
		seen[traffic_pattern_at(&p, n) / quarter]++;
	for (n = 0; n < 3; n++)
		assert_in_range(seen[n], 9500, 10500);
	assert_int_equal(seen[3], 0);
}

static void
random_range_may_pass_the_largest_value(void **state)
{
	struct traffic_pattern p = { .kind = TRAFFIC_RANDOM,
		.bits = 8,
		.count = 1000,
		.first = 255,
		.step = 1,
		.seed = 1 };
	unsigned int zeros = 0, n;

	for (n = 0; n < 1000; n++) {
		const traffic_value value = traffic_pattern_at(&p, n);

		assert_true(value == 255 || value == 0);
		zeros += value == 0;
	}
	assert_in_range(zeros, 400, 600);
}

/* Each place and width, on a background of zeros, ones and random bits. */
static void
field_changes_its_own_bits_only(void **state)
{
	uint8_t frame[19], expected[19];
	unsigned int bit, bits, i, round;

	for (bit = 0; bit < 24; bit++) {
		for (bits = 1; bits <= 128; bits++) {
			for (round = 0; round < 3; round++) {
				const traffic_value value = round == 0 ? ALL_ONES : random_value();

				for (i = 0; i < sizeof(frame); i++)
					frame[i] = round < 2 ? (uint8_t)-round : (uint8_t)random();
				memcpy(expected, frame, sizeof(frame));
				for (i = 0; i < bits; i++) {
					const unsigned int at = bit + bits - 1 - i;
					const uint8_t mask = (uint8_t)(0x80 >> at % 8);

					if (value >> i & 1)
						expected[at / 8] |= mask;
					else
						expected[at / 8] &= (uint8_t)~mask;
				}
				traffic_put_bits(frame, bit, bits, value);
				assert_memory_equal(frame, expected, sizeof(frame));
			}
		}
	}
}

static void
field_is_in_network_order(void **state)
{
	uint8_t frame[4] = { 0 };

	traffic_put_bits(frame, 12, 20, 0xABCDE);
	assert_memory_equal(frame, ((uint8_t[]){ 0x00, 0x0A, 0xBC, 0xDE }), 4);
	traffic_put_bits(frame, 0, 4, 6);
	traffic_put_bits(frame, 4, 8, 0x12);
	assert_memory_equal(frame, ((uint8_t[]){ 0x61, 0x2A, 0xBC, 0xDE }), 4);
	traffic_put_bits(frame, 7, 1, 0);
	assert_memory_equal(frame, ((uint8_t[]){ 0x60, 0x2A, 0xBC, 0xDE }), 4);
}

/* Sizes */

static void
size_counter_returns_to_first(void **state)
{
	struct traffic_size s = { .kind = TRAFFIC_SIZE_COUNTER,
		.first = 60,
		.last = 100,
		.step = 20 };

	assert_int_equal(traffic_size_at(&s, 0), 60);
	assert_int_equal(traffic_size_at(&s, 2), 100);
	assert_int_equal(traffic_size_at(&s, 3), 60);
	assert_true(traffic_size_mean_bits(&s) == (80 + 24) * 8);
	s.last = 99;
	assert_int_equal(traffic_size_at(&s, 1), 80);
	assert_int_equal(traffic_size_at(&s, 2), 60);
	assert_int_equal(traffic_size_at(&s, UINT64_MAX), 80);
	assert_true(traffic_size_mean_bits(&s) == (70 + 24) * 8);
	s.step = 0;
	assert_int_equal(traffic_size_at(&s, 1), 60);
	assert_true(traffic_size_mean_bits(&s) == (60 + 24) * 8);
}

static void
size_random_is_even_and_reproducible(void **state)
{
	struct traffic_size s = { .kind = TRAFFIC_SIZE_RANDOM, .first = 60, .last = 64, .seed = 1 };
	unsigned int seen[5] = { 0 }, n;
	uint32_t size;

	for (n = 0; n < 50000; n++) {
		size = traffic_size_at(&s, n);
		assert_in_range(size, 60, 64);
		assert_int_equal(traffic_size_at(&s, n), size);
		seen[size - 60]++;
	}
	for (n = 0; n < 5; n++)
		assert_in_range(seen[n], 9500, 10500);
	assert_true(traffic_size_mean_bits(&s) == (62 + 24) * 8);
	s.last = 60;
	assert_int_equal(traffic_size_at(&s, 1), 60);
}

static void
size_weights_are_kept(void **state)
{
	/* A weight of 0 has no frame. */
	static const struct traffic_size s = {
		.kind = TRAFFIC_SIZE_WEIGHTS,
		.seed = 5,
		.nr = 4,
		.sizes = { 60, 570, 9000, 1514 },
		.below = { 7 * (UINT64_C(1) << 32) / 12, 11 * (UINT64_C(1) << 32) / 12,
				11 * (UINT64_C(1) << 32) / 12, UINT64_C(1) << 32 },
	};
	unsigned int small = 0, middle = 0, large = 0, n;
	double mean;

	for (n = 0; n < 100000; n++) {
		const uint32_t size = traffic_size_at(&s, n);

		small += size == 60;
		middle += size == 570;
		large += size == 1514;
	}
	assert_int_equal(small + middle + large, 100000);
	assert_in_range(small, 58333 - 583, 58333 + 583);
	assert_in_range(middle, 33333 - 333, 33333 + 333);
	assert_in_range(large, 8333 - 83, 8333 + 83);
	mean = traffic_size_mean_bits(&s) / 8 - 24;
	/* (7 * 60 + 4 * 570 + 1514) / 12 */
	assert_true(mean > 351.166 && mean < 351.167);
}

/* All cases draw the same random numbers. */
static int
set_up(void **state)
{
	srandom(1);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(hashes_differ_in_half_of_their_bits),
		TEST(list_returns_to_its_first_value),
		TEST(counter_returns_to_its_first_value),
		TEST(counter_is_modulo_its_width),
		TEST(counter_counts_down_below_zero),
		TEST(random_value_is_in_range_and_reproducible),
		TEST(random_value_of_128_bits_is_even),
		TEST(random_range_may_pass_the_largest_value),
		TEST(field_changes_its_own_bits_only),
		TEST(field_is_in_network_order),
		TEST(size_counter_returns_to_first),
		TEST(size_random_is_even_and_reproducible),
		TEST(size_weights_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
