/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * When a flow sends its frames.
 *
 * A TIME IS A FRACTION. At most rates the time from one frame to the next is no whole number of
 * nanoseconds. A schedule counts in parts of 1 / den ns, with a denominator that makes each of its
 * times a whole number of parts. So nothing is rounded, and frame n is due at the exact time,
 * rounded down once:
 *
 *     P frames a second:    10^9 / P ns                         = 10^9 * mbps        parts
 *     B bits a second:      bits * 10^9 / B ns                  = bits * 10^9 * mbps parts
 *     V millionths of a %:  bits * 10^11 / (V * mbps) ns        = bits * 10^11       parts
 *     a gap of some bits:   bits * 1000 / mbps ns               = bits * 1000 * rate parts
 *
 *     den = rate * mbps, where rate is P, B or V, and mbps is 1 if the port has no speed
 *
 * "bits" are those of the frame on the wire, preamble and inter-frame gap included. If the speed
 * changes, the denominator changes, and the remainder is converted, rounded down.
 *
 * GAPS. The next frame is due after the interval that the rate demands, or after the former frame
 * and the gap behind it, whichever is later. Behind a burst this is the larger one of the gap
 * between frames and that between bursts. The wire's own 12 bytes are a part of either. The wire
 * keeps these by itself, so that a gap between frames of at most 12 bytes adds nothing: a flow
 * that demands more than the wire has is late.
 *
 * A schedule does not know when a frame was really sent. A frame that waits for another flow's
 * frame does not delay the frames behind it. Only traffic_schedule_limit() moves the times of all
 * frames from one on.
 *
 * LIMITS. Parts are computed in 128 bits. The rate is less than 2^51 and the denominator at most
 * 2^62, so that no sum of delays and gaps exceeds them. Only rates that are far above the speed of
 * any wire are affected. A time that does not fit into 64 bits is never: the flow has ended. No
 * flow lives for 2^64 - 1 frames or bursts, so that counting down from there is no limit.
 */

#include "traffic.h"

#define RATE_MAX (1ULL << 50)
#define DEN_MAX  (1ULL << 62)
#define NS_OF_S  1000000000U
/* Bytes of the inter-frame gap. */
#define WIRE_GAP 12

/* A number of parts of 1 / den ns. */
__extension__ typedef unsigned __int128 parts;

/* Return the rate by which the denominator is computed, in the unit of its kind. */
static uint64_t
rate_of(const struct traffic_flow *f, unsigned int mbps)
{
	uint64_t rate = f->rate.value != 0 ? f->rate.value : 1, most;

	if (rate <= DEN_MAX >> 32)
		return rate; /* usual: no division */
	most = DEN_MAX / (mbps != 0 ? mbps : 1);
	most = most < RATE_MAX ? most : RATE_MAX;
	return rate < most ? rate : most;
}

/* Return ns and the time of bytes on the wire as parts: at most 2^126 and less than 2^127.1. */
static parts
span(const struct traffic_flow *f, unsigned int mbps, uint64_t ns, parts bytes)
{
	uint64_t rate = rate_of(f, mbps);

	if (mbps == 0)
		return (parts)ns * rate;
	return (parts)ns * (rate * mbps) + bytes * 8000 * rate;
}

/* Return the time that the rate demands from the start of a frame to that of the next one. */
static parts
interval(const struct traffic_flow *f, uint32_t len, unsigned int mbps)
{
	parts bits = ((parts)len + TRAFFIC_WIRE_OVERHEAD) * 8;
	parts second = (parts)NS_OF_S * (mbps != 0 ? mbps : 1);

	if (f->rate.kind == TRAFFIC_RATE_PPS)
		return second;
	if (f->rate.kind == TRAFFIC_RATE_BPS)
		return bits * second;
	return mbps != 0 ? bits * NS_OF_S * 100 : 0;
}

/* Return the time from the start of a frame to that of the next one, at least. */
static parts
least_interval(const struct traffic_flow *f, uint32_t len, unsigned int mbps, bool ends_burst)
{
	const struct traffic_duration *d = &f->duration;
	parts used = (parts)len + TRAFFIC_WIRE_OVERHEAD - WIRE_GAP, least = 0, gap = 0;

	if (d->gap > WIRE_GAP)
		least = span(f, mbps, 0, used + d->gap);
	if (ends_burst)
		gap = span(f, mbps, d->burst_gap_ns, used + d->burst_gap_bytes);
	return gap > least ? gap : least;
}

/* Set the denominator for a speed. */
static void
set_den(struct traffic_schedule *s, unsigned int mbps)
{
	uint64_t den = rate_of(s->flow, mbps) * (mbps != 0 ? mbps : 1);

	if (s->den == den)
		return;
	s->rem = (uint64_t)((parts)s->rem * den / s->den);
	s->den = den;
}

/* Make the next frame due later. */
static void
advance(struct traffic_schedule *s, parts p)
{
	parts ns;

	p += s->rem;
	ns = p / s->den;
	s->rem = (uint64_t)(p - ns * s->den);
	s->due = ns < s->end - s->due ? s->due + (uint64_t)ns : UINT64_MAX;
}

void
traffic_schedule_start(struct traffic_schedule *s, const struct traffic_flow *f, uint64_t now,
		unsigned int mbps)
{
	const struct traffic_duration *d = &f->duration;

	*s = (struct traffic_schedule){
		.flow = f,
		.due = now,
		.den = 1,
		.end = UINT64_MAX,
		.left = d->packets != 0 ? d->packets : UINT64_MAX,
		.bursts = 1,
	};
	if (d->is_bursts)
		s->bursts = d->bursts != 0 ? d->bursts : UINT64_MAX;
	set_den(s, mbps);
	advance(s, span(f, mbps, d->delay_ns, d->delay_bytes));
	if (d->ns != 0 && d->ns < UINT64_MAX - s->due)
		s->end = s->due + d->ns;
}

/* Count a frame. Return whether it was the last one of a burst that others follow. */
static bool
count(struct traffic_schedule *s)
{
	s->n++;
	if (--s->left != 0)
		return false;
	if (--s->bursts == 0) {
		s->due = UINT64_MAX;
		return false;
	}
	s->left = s->flow->duration.packets;
	return true;
}

void
traffic_schedule_sent(struct traffic_schedule *s, uint32_t len, unsigned int mbps)
{
	parts demanded, least;
	bool ends_burst;

	if (s->due == UINT64_MAX)
		return;
	ends_burst = count(s);
	if (s->due == UINT64_MAX)
		return;
	set_den(s, mbps);
	demanded = interval(s->flow, len, mbps);
	least = least_interval(s->flow, len, mbps, ends_burst);
	advance(s, demanded > least ? demanded : least);
}

void
traffic_schedule_limit(struct traffic_schedule *s, uint64_t now, uint64_t lag)
{
	uint64_t to = now > lag ? now - lag : 0;

	if (s->due >= to)
		return;
	to = to < s->end ? to : s->end;
	s->late += to - s->due;
	s->due = to < s->end ? to : UINT64_MAX;
	s->rem = 0;
}
