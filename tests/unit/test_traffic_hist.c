/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The histogram of times of lib/traffic. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "traffic.h"

static struct traffic_hist hist;

/* Return the end of a value's bucket: what the median is if the other value is the largest one. */
static uint64_t
bucket_end(uint64_t ns)
{
	traffic_hist_clear(&hist);
	traffic_hist_add(&hist, ns);
	traffic_hist_add(&hist, UINT64_MAX);
	return traffic_hist_quantile(&hist, 0.5);
}

static void
buckets_below_256_are_exact(void **state)
{
	uint64_t i;

	for (i = 0; i < 256; i++)
		assert_int_equal(bucket_end(i), i);
}

static void
buckets_double_their_width_at_powers_of_two(void **state)
{
	unsigned int e;

	assert_int_equal(bucket_end(256), 257);
	assert_int_equal(bucket_end(257), 257);
	assert_int_equal(bucket_end(258), 259);
	for (e = 8; e < 40; e++) {
		uint64_t ns = 1ULL << e, width = ns / 128;

		assert_true(bucket_end(ns - 1) == ns - 1);
		assert_true(bucket_end(ns) == ns + width - 1);
		assert_true(bucket_end(ns + width - 1) == ns + width - 1);
		assert_true(bucket_end(ns + width) == ns + 2 * width - 1);
	}
}

static void
last_bucket_has_all_values_beyond(void **state)
{
	const uint64_t limit = 1ULL << 40, width = 1ULL << 32;

	assert_true(bucket_end(limit - width - 1) == limit - width - 1);
	assert_true(bucket_end(limit - width) == UINT64_MAX);
	assert_true(bucket_end(limit - 1) == UINT64_MAX);
	assert_true(bucket_end(limit) == UINT64_MAX);
	assert_true(bucket_end(UINT64_MAX) == UINT64_MAX);
	assert_int_equal(hist.bucket[TRAFFIC_HIST_BUCKETS - 1], 2);
}

static void
quantile_is_the_least_value_that_the_part_does_not_exceed(void **state)
{
	unsigned int i;

	traffic_hist_clear(&hist);
	for (i = 4; i > 0; i--)
		traffic_hist_add(&hist, 10 * i);
	assert_int_equal(traffic_hist_quantile(&hist, -1), 10);
	assert_int_equal(traffic_hist_quantile(&hist, 0), 10);
	assert_int_equal(traffic_hist_quantile(&hist, 0.25), 10);
	assert_int_equal(traffic_hist_quantile(&hist, 0.2500001), 20);
	assert_int_equal(traffic_hist_quantile(&hist, 0.5), 20);
	assert_int_equal(traffic_hist_quantile(&hist, 0.5000001), 30);
	assert_int_equal(traffic_hist_quantile(&hist, 0.75), 30);
	assert_int_equal(traffic_hist_quantile(&hist, 0.7500001), 40);
	assert_int_equal(traffic_hist_quantile(&hist, 1), 40);
	assert_int_equal(traffic_hist_quantile(&hist, 1e300), 40);
}

static void
quantile_does_not_exceed_the_maximum(void **state)
{
	traffic_hist_clear(&hist);
	traffic_hist_add(&hist, 1000);
	assert_int_equal(traffic_hist_quantile(&hist, 0), 1000);
	assert_int_equal(traffic_hist_quantile(&hist, 1), 1000);
	traffic_hist_add(&hist, 1002);
	assert_int_equal(traffic_hist_quantile(&hist, 0), 1002);
	traffic_hist_add(&hist, 1004);
	assert_int_equal(traffic_hist_quantile(&hist, 0), 1003);
	assert_int_equal(traffic_hist_quantile(&hist, 1), 1004);
}

static void
cleared_histogram_is_empty(void **state)
{
	unsigned int i;

	memset(&hist, 0xA5, sizeof(hist));
	traffic_hist_clear(&hist);
	assert_int_equal(hist.count, 0);
	assert_int_equal(hist.sum, 0);
	assert_true(hist.min == UINT64_MAX);
	assert_int_equal(hist.max, 0);
	for (i = 0; i < TRAFFIC_HIST_BUCKETS; i++)
		assert_int_equal(hist.bucket[i], 0);
	assert_int_equal(traffic_hist_quantile(&hist, 0), 0);
	assert_int_equal(traffic_hist_quantile(&hist, 1), 0);
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
quantiles_of_random_values_are_exact_to_1_part_in_128(void **state)
{
	static uint64_t values[10000];
	uint64_t sum = 0;
	unsigned int i;

	srand(128);
	traffic_hist_clear(&hist);
	for (i = 0; i < 10000; i++) {
		values[i] = ((uint64_t)rand() << 31 | (uint64_t)rand()) >> (22 + rand() % 40);
		sum += values[i];
		traffic_hist_add(&hist, values[i]);
	}
	qsort(values, 10000, sizeof(values[0]), compare);
	assert_int_equal(hist.count, 10000);
	assert_true(hist.sum == sum);
	assert_true(hist.min == values[0]);
	assert_true(hist.max == values[9999]);
	for (i = 1; i <= 10000; i++) {
		uint64_t exact = values[i - 1];
		/* Rounding must not move the part above i of 10000. */
		uint64_t found = traffic_hist_quantile(&hist, (i - 0.5) / 10000);

		assert_true(found >= exact);
		assert_true(found - exact <= exact / 128);
		if (exact < 128)
			assert_int_equal(found, exact);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_below_256_are_exact),
		cmocka_unit_test(buckets_double_their_width_at_powers_of_two),
		cmocka_unit_test(last_bucket_has_all_values_beyond),
		cmocka_unit_test(quantile_is_the_least_value_that_the_part_does_not_exceed),
		cmocka_unit_test(quantile_does_not_exceed_the_maximum),
		cmocka_unit_test(cleared_histogram_is_empty),
		cmocka_unit_test(quantiles_of_random_values_are_exact_to_1_part_in_128),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
