/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Values and sizes that depend on the number of a frame.
 *
 * All of them are functions of the number, without state: frame n has the same value in each run,
 * in each thread, and in a receiver that did not see frame n - 1. Random values come from a hash of
 * a seed and the number.
 *
 * A hash r of b bits becomes one of k numbers with the same probability as floor(r * k / 2^b). This
 * costs a multiplication, where a remainder costs a division and prefers small numbers.
 */

#include "traffic.h"

/* Odd, and its bits look random: 2^64 divided by the golden ratio. */
#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

/*
 * Return a bijection of x, in which each bit depends on each bit of x. A product carries bits
 * upwards only, and a shift brings them down again.
 */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 32) * GOLDEN;
	x = (x ^ x >> 29) * GOLDEN;
	return x ^ x >> 32;
}

uint64_t
traffic_hash(uint64_t seed, uint64_t n)
{
	return mix(mix(seed + GOLDEN) + n * GOLDEN);
}

/*
 * Return the upper half of r * (max + 1), a product of 256 bits: a number up to max if r is random.
 * The product is r * max + r, so that max + 1 cannot overflow.
 */
static traffic_value
scale(traffic_value r, traffic_value max)
{
	const uint64_t r0 = (uint64_t)r, max0 = (uint64_t)max;
	const traffic_value r1 = r >> 64, max1 = max >> 64;
	const traffic_value a = r1 * max0 + ((traffic_value)r0 * max0 >> 64);
	const traffic_value b = r0 * max1 + (uint64_t)a;
	const bool carry = (traffic_value)(r * max + r) < r;

	return r1 * max1 + (a >> 64) + (b >> 64) + carry;
}

traffic_value
traffic_pattern_at(const struct traffic_pattern *p, uint64_t n)
{
	const uint64_t i = n < p->count ? n : n % p->count;
	traffic_value value;

	switch (p->kind) {
	case TRAFFIC_LIST:
		value = p->list[i];
		break;
	case TRAFFIC_COUNTER:
		value = p->first + i * p->step;
		break;
	default:
		value = (traffic_value)traffic_hash(p->seed, i) << 64 | traffic_hash(~p->seed, i);
		value = p->first + scale(value, p->step);
	}
	return value & ~(traffic_value)0 >> (128 - p->bits);
}

/* Store the low bits of a value, up to 64, from the last byte of the field to its first one. */
static void
put_bits(uint8_t *frame, unsigned int bit, unsigned int bits, uint64_t value)
{
	unsigned int end, low, n, mask;

	for (end = bit + bits; end > bit; end -= n) {
		uint8_t *byte = &frame[(end - 1) / 8];

		if (end % 8 == 0 && end - bit >= 8) {
			n = 8;
			*byte = (uint8_t)value;
		} else {
			low = 7 - (end - 1) % 8; /* bits of the byte behind the field */
			n = 8 - low < end - bit ? 8 - low : end - bit;
			mask = ((1u << n) - 1) << low;
			*byte = (uint8_t)((*byte & ~mask) | ((unsigned int)value << low & mask));
		}
		value >>= n;
	}
}

void
traffic_put_bits(uint8_t *frame, unsigned int bit, unsigned int bits, traffic_value value)
{
	if (bits > 64) {
		put_bits(frame, bit, bits - 64, (uint64_t)(value >> 64));
		bit += bits - 64;
		bits = 64;
	}
	put_bits(frame, bit, bits, (uint64_t)value);
}

/* Return the number of sizes of a counter. */
static uint32_t
counter_sizes(const struct traffic_size *s)
{
	return s->step == 0 ? 1 : (s->last - s->first) / s->step + 1;
}

uint32_t
traffic_size_at(const struct traffic_size *s, uint64_t n)
{
	uint64_t hash;
	unsigned int i;

	if (s->kind == TRAFFIC_SIZE_COUNTER)
		return s->step == 0 ? s->first :
				      s->first + (uint32_t)(n % counter_sizes(s)) * s->step;
	hash = traffic_hash(s->seed, n) >> 32;
	if (s->kind == TRAFFIC_SIZE_RANDOM)
		return s->first + (uint32_t)(hash * ((uint64_t)s->last - s->first + 1) >> 32);
	for (i = 0; i + 1 < s->nr && hash >= s->below[i]; i++)
		;
	return s->sizes[i];
}

double
traffic_size_mean_bits(const struct traffic_size *s)
{
	uint64_t below = 0;
	double mean = 0;
	unsigned int i;

	if (s->kind == TRAFFIC_SIZE_COUNTER) {
		mean = s->first + (counter_sizes(s) - 1) * (double)s->step / 2;
	} else if (s->kind == TRAFFIC_SIZE_RANDOM) {
		mean = ((double)s->first + s->last) / 2;
	} else {
		for (i = 0; i < s->nr; i++) {
			mean += s->sizes[i] * ((s->below[i] - below) / 4294967296.0);
			below = s->below[i];
		}
	}
	return (mean + TRAFFIC_WIRE_OVERHEAD) * 8;
}
