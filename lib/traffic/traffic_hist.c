/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Histogram of times.
 *
 * The width of a bucket is a power of two, 2^shift. Each width has 128 buckets, for the values from
 * 128 to 256 times the width; so no bucket is wider than 1/128 of its values. The narrowest width,
 * 1, also has the buckets for 0 to 127:
 *
 *     values       0 .. 127   128 .. 255   256 .. 511   512 .. 1023   ...   2^39 .. 2^40 - 1
 *     width            1          1            2            4         ...        2^32
 *     buckets      0 .. 127   128 .. 255   256 .. 383   384 .. 511    ...   4224 .. 4351
 *
 * A value's bucket is thus shift * 128 + (value >> shift), without a table or a search. The last
 * bucket also has all values beyond.
 */

#include "traffic.h"
#include "traffic_count.h"

#define PARTS 128 /* buckets of one width */

/* Return the bucket of a value. */
static unsigned int
bucket_of(uint64_t ns)
{
	unsigned int shift = 63 - 7 - __builtin_clzll(ns | PARTS);
	uint64_t i = shift * PARTS + (ns >> shift);

	return i < TRAFFIC_HIST_BUCKETS ? i : TRAFFIC_HIST_BUCKETS - 1;
}

/* Return the largest value of a bucket. */
static uint64_t
bucket_end(unsigned int i)
{
	unsigned int shift = i < PARTS ? 0 : i / PARTS - 1;

	if (i == TRAFFIC_HIST_BUCKETS - 1)
		return UINT64_MAX;
	return ((uint64_t)(i - shift * PARTS + 1) << shift) - 1;
}

void
traffic_hist_clear(struct traffic_hist *h)
{
	unsigned int i;

	traffic_set(&h->count, 0);
	traffic_set(&h->sum, 0);
	traffic_set(&h->min, UINT64_MAX);
	traffic_set(&h->max, 0);
	for (i = 0; i < TRAFFIC_HIST_BUCKETS; i++)
		traffic_set(&h->bucket[i], 0);
}

void
traffic_hist_add(struct traffic_hist *h, uint64_t ns)
{
	traffic_count(&h->bucket[bucket_of(ns)], 1);
	traffic_count(&h->count, 1);
	traffic_count(&h->sum, ns);
	if (ns < h->min)
		traffic_set(&h->min, ns);
	if (ns > h->max)
		traffic_set(&h->max, ns);
}

/* Return how many of count values make up a part of them, rounded up: 1 to count. */
static uint64_t
rank_of(uint64_t count, double part)
{
	double exact = part * (double)count;
	uint64_t rank;

	if (!(exact > 1))
		return 1;
	if (exact >= (double)count)
		return count;
	rank = (uint64_t)exact;
	return rank < exact ? rank + 1 : rank;
}

uint64_t
traffic_hist_quantile(const struct traffic_hist *h, double part)
{
	uint64_t count = traffic_counter(&h->count), max = traffic_counter(&h->max);
	uint64_t rank = rank_of(count, part), sum = 0;
	unsigned int i;

	if (count == 0)
		return 0;
	for (i = 0; i < TRAFFIC_HIST_BUCKETS; i++) {
		sum += traffic_counter(&h->bucket[i]);
		if (sum >= rank)
			return bucket_end(i) < max ? bucket_end(i) : max;
	}
	return max; /* the writer's stores may become visible in another order */
}
