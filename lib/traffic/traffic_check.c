/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The receiving side of a port: what became of the frames of each flow.
 *
 * NUMBERS. A stamp has the low 32 bits of a frame's number. The receiver takes the number that is
 * closest to the next expected one, which is the successor of the largest number so far. A flow's
 * first frame to arrive is one of its first 2^32. A frame more than 2^31 ahead seems to be behind.
 *
 * ORDER. A frame with a smaller number than expected is reordered, unless it is a duplicate; of
 * several copies only the first one counts as an arrival (RFC 4737, 3.3 and 3.4). The reordering
 * extent of a frame (4.2.2) is the number of arrivals since the earliest one with a larger number:
 *
 *     number     1  2  3  7  8  9 10  4  5  6
 *     arrival    0  1  2  3  4  5  6  7  8  9
 *     extent                          4  5  6      number 7 was arrival 3
 *
 * That earliest arrival is the one which passed the number, because before it all numbers were
 * smaller. So the receiver notes it at that moment, for each number of the gap.
 *
 * MEMORY. A flow has a window of the last WINDOW numbers below the next expected one:
 *
 *      too late   |    arrived[], passed[]    |   ahead
 *     ------------+---------------------------+----------> number
 *            next - WINDOW                  next
 *
 * arrived[] has a bit for each number; passed[] is valid for those that did not arrive. Both are
 * indexed by the number modulo WINDOW. All zeros describe the window before a flow's first frame:
 * none arrived, and arrival 0 will pass them all. A gap writes one entry for each missing number,
 * but at most WINDOW.
 *
 * A frame in order with an intact payload touches one word of arrived[], and nothing of passed[].
 */

#include <stdlib.h>

#include "traffic.h"
#include "traffic_count.h"

#define WINDOW    16384
#define WIRE_GAP  12 /* bytes of TRAFFIC_WIRE_OVERHEAD behind the last bit */
#define TIME_BITS 40 /* of a stamp */

/* One flow that the port is to receive. The receiving thread alone accesses all behind rx. */
struct rx_flow {
	struct traffic_rx rx;
	const struct traffic_flow *flow;
	uint64_t next;     /* number that is expected next */
	uint64_t latency;  /* of the frame before, ns */
	uint32_t arrivals; /* of frames, without copies and those too late; modulo 2^32 */
	uint64_t arrived[WINDOW / 64];
	uint32_t passed[WINDOW]; /* the arrival that passed a missing number, modulo 2^32 */
};

struct traffic_receiver {
	struct traffic_strays strays;
	unsigned int nr_flows, generation;
	struct rx_flow *flows[]; /* NULL: the port is not to receive it */
};

struct traffic_receiver *
traffic_receiver_new(const struct traffic *t, unsigned int port)
{
	struct traffic_receiver *r = calloc(1, sizeof(*r) + t->nr_flows * sizeof(r->flows[0]));
	unsigned int i;

	if (r == NULL)
		return NULL;
	r->nr_flows = t->nr_flows;
	r->generation = t->generation;
	for (i = 0; i < t->nr_flows; i++) {
		if ((t->flows[i].rx_ports >> port & 1) == 0)
			continue;
		r->flows[i] = calloc(1, sizeof(*r->flows[i]));
		if (r->flows[i] == NULL) {
			traffic_receiver_free(r);
			return NULL;
		}
		r->flows[i]->flow = &t->flows[i];
		traffic_hist_clear(&r->flows[i]->rx.latency);
	}
	return r;
}

void
traffic_receiver_free(struct traffic_receiver *r)
{
	unsigned int i;

	if (r == NULL)
		return;
	for (i = 0; i < r->nr_flows; i++)
		free(r->flows[i]);
	free(r);
}

/* Return the bit of a number in its word of arrived[]. */
static uint64_t
arrived_bit(uint64_t n)
{
	return 1ULL << n % 64;
}

/* Return the word of arrived[] that has a number. */
static uint64_t *
arrived_word(struct rx_flow *x, uint64_t n)
{
	return &x->arrived[n % WINDOW / 64];
}

/* Move the window to a frame that is not behind, and note that it passed the numbers between. */
static void
pass(struct rx_flow *x, uint64_t n)
{
	uint64_t i = n - x->next < WINDOW ? x->next : n - WINDOW + 1;

	for (; i != n; i++) {
		*arrived_word(x, i) &= ~arrived_bit(i);
		x->passed[i % WINDOW] = x->arrivals;
	}
	x->next = n + 1;
}

/* Count a frame that is behind as a duplicate or as reordered. Return whether it is an arrival. */
static bool
catch_up(struct rx_flow *x, uint64_t n)
{
	uint32_t extent = x->arrivals - x->passed[n % WINDOW];

	if (x->next - n > WINDOW) {
		traffic_count(&x->rx.too_late, 1);
		return false;
	}
	if ((*arrived_word(x, n) & arrived_bit(n)) != 0) {
		traffic_count(&x->rx.duplicated, 1);
		return false;
	}
	traffic_count(&x->rx.reordered, 1);
	if (extent > x->rx.extent_max)
		traffic_set(&x->rx.extent_max, extent);
	return true;
}

/* Take the sequence number of a frame. Return the number of the frame. */
static uint64_t
take_number(struct rx_flow *x, uint32_t sequence)
{
	int32_t ahead = (int32_t)(sequence - (uint32_t)x->next);
	uint64_t n = x->next + (uint64_t)(int64_t)ahead;

	if (ahead >= 0)
		pass(x, n);
	else if (!catch_up(x, n))
		return n;
	*arrived_word(x, n) |= arrived_bit(n);
	x->arrivals++;
	return n;
}

/*
 * Return whether the payload is as it was sent. Forwarding may have added or removed headers, so
 * the payload has the length that it had when the frame was sent, and ends before the stamp.
 */
static bool
is_intact(const struct traffic_flow *f, const uint8_t *frame, uint32_t len, uint32_t size,
		uint32_t sum)
{
	uint32_t others = f->headers_len + TRAFFIC_STAMP_LEN;
	uint32_t payload = size > others ? size - others : 0;
	uint32_t end = len - TRAFFIC_STAMP_LEN;

	return payload <= end && traffic_payload_sum(frame + end - payload, payload) == sum;
}

/* Return the latency of a frame whose last or first bit was sent at a time; 0 if it is negative. */
static uint64_t
latency_of(uint64_t sent, uint64_t at)
{
	uint64_t ns = (at - sent) & ((1ULL << TIME_BITS) - 1);

	return ns >> (TIME_BITS - 1) == 0 ? ns : 0;
}

/* Return how long a port sends a frame, from its first bit to its last one, in ns. */
static uint64_t
send_time(uint32_t size, unsigned int mbps)
{
	return ((uint64_t)size + TRAFFIC_WIRE_OVERHEAD - WIRE_GAP) * 8000 / mbps;
}

/* Count the latency of a frame, and how much it differs from the one before. */
static void
count_latency(struct rx_flow *x, uint64_t ns)
{
	if (x->rx.latency.count != 0)
		traffic_count(&x->rx.jitter_sum,
				ns > x->latency ? ns - x->latency : x->latency - ns);
	x->latency = ns;
	traffic_hist_add(&x->rx.latency, ns);
}

/* Take a frame of a flow that the port is to receive. */
static void
receive(struct rx_flow *x, const struct traffic_stamp *stamp, const uint8_t *frame, uint32_t len,
		uint64_t at, unsigned int mbps)
{
	const struct traffic_flow *f = x->flow;
	uint64_t sent = stamp->time;
	uint32_t size;

	if (x->rx.frames == 0) {
		x->next = stamp->sequence;
		traffic_set(&x->rx.first_ns, at);
	}
	traffic_set(&x->rx.last_ns, at);
	traffic_count(&x->rx.frames, 1);
	traffic_count(&x->rx.bytes_fcs, (uint64_t)len + 4);

	size = traffic_size_at(&f->size, take_number(x, stamp->sequence));
	if (!is_intact(f, frame, len, size, stamp->payload))
		traffic_count(&x->rx.corrupted, 1);
	if (!f->cut_through && mbps != 0)
		sent += send_time(size, mbps);
	count_latency(x, latency_of(sent, at));
}

void
traffic_receive(struct traffic_receiver *r, const uint8_t *frame, uint32_t len, uint64_t at,
		unsigned int mbps)
{
	struct traffic_stamp stamp;

	if (!traffic_stamp_read(frame, len, &stamp))
		traffic_count(&r->strays.unknown, 1);
	else if (stamp.generation != r->generation)
		traffic_count(&r->strays.former, 1);
	else if (stamp.flow >= r->nr_flows)
		traffic_count(&r->strays.unknown, 1);
	else if (r->flows[stamp.flow] == NULL)
		traffic_count(&r->strays.misdelivered, 1);
	else
		receive(r->flows[stamp.flow], &stamp, frame, len, at, mbps);
}

/* Copy counters, which are all that a structure of the interface has. */
static void
copy_counters(void *to, const void *from, size_t size)
{
	const uint64_t *counter = from;
	uint64_t *copy = to;
	size_t i;

	for (i = 0; i < size / sizeof(*counter); i++)
		copy[i] = traffic_counter(&counter[i]);
}

bool
traffic_get_rx(const struct traffic_receiver *r, unsigned int flow, struct traffic_rx *rx)
{
	if (flow >= r->nr_flows || r->flows[flow] == NULL)
		return false;
	copy_counters(rx, &r->flows[flow]->rx, sizeof(*rx));
	return true;
}

void
traffic_get_strays(const struct traffic_receiver *r, struct traffic_strays *strays)
{
	copy_counters(strays, &r->strays, sizeof(*strays));
}
