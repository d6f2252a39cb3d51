/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * wire=gen: the cable leads to a generator of frames, and to their receiver.
 *
 *     traffic_schedule of each flow --> heap --due()--> wire.c --make(at)--> traffic_frame_make()
 *                                                        |
 *     traffic_receive() <-- at, speed <------ put() -----+  (the other direction)
 *
 * The source is a timed one (wire.h). It has the flows of one port in a binary heap, by the time at
 * which the next frame of each is due. Flows that are due at the same time send in the order of the
 * file. The time of all flows begins with the first poll in which the listener is ready (wire.c).
 *
 * ORDER. A flow remains in the heap at its original time also if this was long ago. Only when its
 * frame goes, the frames behind it are put off to the lag. If they were put off earlier, all late
 * flows would be due at the same time, and the first one would take a full wire alone. So flows of
 * the same rate get the same share of a full wire.
 *
 * END. A flow with a duration in time sends no frame behind its end, also none that was due before
 * it and waited for the wire.
 *
 * The sink takes each frame with the time of its first bit. The frame was damaged on the wire if
 * its FCS is bad, so that nothing in it can be relied on, and the sink only counts it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "traffic.h"
#include "wire.h"

#define FCS_LEN 4

#define PEEK(var)      __atomic_load_n(&(var), __ATOMIC_RELAXED)
#define POST(var, val) __atomic_store_n(&(var), (val), __ATOMIC_RELAXED)

struct gen_flow {
	struct traffic_schedule sched;
	/* Written by the polling thread, read by others: relaxed atomics. */
	struct wire_gen_stats stats;
};

struct gen {
	struct wire_source src;
	const struct traffic *traffic;
	struct traffic_sender *sender;
	struct gen_flow *flows; /* by their number; flows of other ports are not used */
	struct gen_flow **heap; /* flows of the port, the first one due first */
	unsigned int nr;        /* of those */
	bool started;
	uint64_t now, lag; /* as for begin() of this poll */
	unsigned int mbps; /* likewise */
};

struct gen_sink {
	struct wire_sink sink;
	struct traffic_receiver *receiver;
	unsigned int mbps;
	uint64_t bad_fcs; /* the polling thread writes it, any thread reads it */
};

/*
 * The heap. A flow that has ended is due never, and remains behind the others.
 */

static bool
is_before(const struct gen_flow *a, const struct gen_flow *b)
{
	return a->sched.due < b->sched.due || (a->sched.due == b->sched.due && a < b);
}

/* Move a flow down to its place, because it is due later than before. */
static void
sift_down(struct gen *g, unsigned int i)
{
	struct gen_flow *f = g->heap[i];
	unsigned int child;

	while ((child = 2 * i + 1) < g->nr) {
		if (child + 1 < g->nr && is_before(g->heap[child + 1], g->heap[child]))
			child++;
		if (!is_before(g->heap[child], f))
			break;
		g->heap[i] = g->heap[child];
		i = child;
	}
	g->heap[i] = f;
}

/*
 * The source.
 */

/* Start all flows. */
static void
start(struct gen *g)
{
	unsigned int i;

	for (i = 0; i < g->nr; i++) {
		struct gen_flow *f = g->heap[i];
		const struct traffic_flow *flow = &g->traffic->flows[f - g->flows];

		traffic_schedule_start(&f->sched, flow, g->now, g->mbps);
		POST(f->stats.started, true);
		POST(f->stats.ended, f->sched.due == UINT64_MAX);
	}
	for (i = g->nr / 2; i > 0; i--)
		sift_down(g, i - 1);
	g->started = true;
}

static void
gen_begin(struct wire_source *src, uint64_t now, uint64_t lag, unsigned int mbps)
{
	struct gen *g = (struct gen *)src;

	g->now = now;
	g->lag = lag;
	g->mbps = mbps;
	if (!g->started)
		start(g);
}

static uint64_t
gen_due(struct wire_source *src)
{
	const struct gen *g = (const struct gen *)src;

	return g->nr != 0 ? g->heap[0]->sched.due : UINT64_MAX;
}

/* Count a frame. */
static void
count(struct gen_flow *f, uint32_t len, uint64_t at)
{
	if (f->stats.frames == 0)
		POST(f->stats.first_ns, at);
	POST(f->stats.last_ns, at);
	POST(f->stats.bytes_fcs, f->stats.bytes_fcs + len + FCS_LEN);
	POST(f->stats.frames, f->stats.frames + 1);
}

static bool
gen_make(struct wire_source *src, uint64_t at, unsigned int slot, struct m82576_frame *frame)
{
	struct gen *g = (struct gen *)src;
	struct gen_flow *f = g->heap[0];
	struct traffic_schedule *s = &f->sched;
	bool in_time = at < s->end;

	if (in_time) {
		*frame = (struct m82576_frame){ .data = NULL };
		frame->data = traffic_frame_make(g->sender, slot, s->flow, s->n, at, &frame->len);
		traffic_schedule_limit(s, g->now, g->lag);
		traffic_schedule_sent(s, frame->len, g->mbps);
		count(f, frame->len, at);
		POST(f->stats.late_ns, s->late);
	} else {
		s->due = UINT64_MAX;
	}
	if (s->due == UINT64_MAX)
		POST(f->stats.ended, true);
	sift_down(g, 0);
	return in_time;
}

/* Return the frames that are due, on a wire without a speed. They start now. */
static unsigned int
gen_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	unsigned int i = 0;
	uint64_t sum = 0;

	while (i < n && sum <= bytes && gen_due(src) <= now) {
		if (!gen_make(src, now, i, &frames[i]))
			continue;
		sum += m82576_wire_bytes(frames[i].len);
		i++;
	}
	return i;
}

static bool
gen_pending(struct wire_source *src)
{
	return gen_due(src) != UINT64_MAX;
}

static void
gen_close(struct wire_source *src)
{
	struct gen *g = (struct gen *)src;

	if (g->sender != NULL)
		traffic_sender_free(g->sender);
	free(g->heap);
	free(g->flows);
	free(g);
}

void
wire_gen_get_stats(const struct wire_source *src, unsigned int flow, struct wire_gen_stats *stats)
{
	const struct gen *g = (const struct gen *)src;
	const struct gen_flow *f;

	*stats = (struct wire_gen_stats){ .frames = 0 };
	if (flow >= g->traffic->nr_flows)
		return;
	f = &g->flows[flow];
	stats->frames = PEEK(f->stats.frames);
	stats->bytes_fcs = PEEK(f->stats.bytes_fcs);
	stats->late_ns = PEEK(f->stats.late_ns);
	stats->first_ns = PEEK(f->stats.first_ns);
	stats->last_ns = PEEK(f->stats.last_ns);
	stats->started = PEEK(f->stats.started);
	stats->ended = PEEK(f->stats.ended);
}

static struct wire_source *
open_source(const struct traffic *t, unsigned int port)
{
	struct gen *g = calloc(1, sizeof(*g));
	unsigned int i;

	if (g == NULL)
		return NULL;
	g->traffic = t;
	g->flows = calloc(t->nr_flows + 1, sizeof(*g->flows));
	g->heap = calloc(t->nr_flows + 1, sizeof(*g->heap));
	g->sender = traffic_sender_new(t, port, WIRE_BURST);
	if (g->flows == NULL || g->heap == NULL || g->sender == NULL) {
		gen_close(&g->src);
		return NULL;
	}
	for (i = 0; i < t->nr_flows; i++)
		if (t->flows[i].tx_port == port)
			g->heap[g->nr++] = &g->flows[i];
	g->src.next = gen_next;
	g->src.pending = gen_pending;
	g->src.begin = gen_begin;
	g->src.due = gen_due;
	g->src.make = gen_make;
	g->src.close = gen_close;
	g->src.patient = true;
	return &g->src;
}

/*
 * The sink.
 */

static void
gen_pace(struct wire_sink *sink, unsigned int mbps)
{
	((struct gen_sink *)sink)->mbps = mbps;
}

static unsigned int
gen_put(struct wire_sink *sink, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	struct gen_sink *s = (struct gen_sink *)sink;
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (frames[i].flags & M82576_FRAME_BAD_FCS)
			POST(s->bad_fcs, s->bad_fcs + 1);
		else
			traffic_receive(s->receiver, frames[i].data, frames[i].len, at[i], s->mbps);
	}
	return n;
}

static void
gen_close_sink(struct wire_sink *sink)
{
	traffic_receiver_free(((struct gen_sink *)sink)->receiver);
	free(sink);
}

const struct traffic_receiver *
wire_gen_receiver(const struct wire_sink *sink)
{
	return ((const struct gen_sink *)sink)->receiver;
}

uint64_t
wire_gen_bad_fcs(const struct wire_sink *sink)
{
	return PEEK(((const struct gen_sink *)sink)->bad_fcs);
}

static struct wire_sink *
open_sink(const struct traffic *t, unsigned int port)
{
	struct gen_sink *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->receiver = traffic_receiver_new(t, port);
	if (s->receiver == NULL) {
		free(s);
		return NULL;
	}
	s->sink.pace = gen_pace;
	s->sink.put = gen_put;
	s->sink.close = gen_close_sink;
	return &s->sink;
}

int
wire_gen_open(const struct traffic *t, unsigned int port, struct wire_source **src,
		struct wire_sink **sink, char *err)
{
	*src = open_source(t, port);
	*sink = open_sink(t, port);
	if (*src != NULL && *sink != NULL)
		return 0;
	if (*src != NULL)
		(*src)->close(*src);
	if (*sink != NULL)
		(*sink)->close(*sink);
	*src = NULL;
	*sink = NULL;
	snprintf(err, WIRE_ERR_LEN, "out of memory");
	return -ENOMEM;
}
