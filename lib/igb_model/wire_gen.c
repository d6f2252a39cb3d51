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
 * ORDERS. While frames move, the main thread can start and stop flows, and can give a port other
 * ones (a run). It writes an order, and the polling thread executes it when it finishes its turn
 * (flush()). Each end has one order, and two counters show whose turn it is:
 *
 *     main thread:     write order, posted++ ---------> is_idle(): free what the order replaced
 *     polling thread:           flush(): execute, taken++ -^
 *
 * So neither thread waits, and the main thread alone allocates and frees. A frame of a former run
 * may still wait for the wire. For that reason a replaced run stays until the source was asked for
 * another frame.
 *
 * The sink takes each frame with the time of its first bit. The frame was damaged on the wire if
 * its FCS is bad, so that nothing in it can be relied on, and the sink only counts it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"
#include "wire.h"

#define FCS_LEN 4

#define PEEK(var)      __atomic_load_n(&(var), __ATOMIC_RELAXED)
#define POST(var, val) __atomic_store_n(&(var), (val), __ATOMIC_RELAXED)

struct gen_flow {
	struct traffic_schedule sched;
	bool armed; /* it starts with the next poll */
	/* Written by the polling thread, read by others: relaxed atomics. */
	struct wire_gen_stats stats;
};

/* The flows of one port. */
struct wire_gen_run {
	const struct traffic *traffic;
	struct traffic_sender *sender;
	struct gen_flow *flows; /* by their number; flows of other ports are not used */
	struct gen_flow **heap; /* flows of the port, the first one due first */
	unsigned int nr;        /* of those */
	bool armed;             /* one of them is */
};

enum order_kind { ORDER_REPLACE, ORDER_START, ORDER_STOP };

/* An order of the main thread to the polling thread. It is idle if posted equals taken. */
struct order {
	enum order_kind kind;
	void *thing;  /* REPLACE: what is put in place, and when it is taken, what was replaced */
	bool *chosen; /* START, STOP: the flows, by their number */
	uint32_t posted, taken;
};

struct gen {
	struct wire_source src;
	struct wire_gen_run *run;    /* the polling thread writes it, the main thread reads it */
	struct wire_gen_run *former; /* one of its frames may wait for the wire; NULL: none */
	bool asked;                  /* for a frame of run */
	struct order order;
	uint64_t now, lag; /* as for begin() of this poll */
	unsigned int mbps; /* likewise */
};

struct gen_sink {
	struct wire_sink sink;
	struct traffic_receiver *receiver; /* likewise */
	struct order order;
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
sift_down(struct wire_gen_run *r, unsigned int i)
{
	struct gen_flow *f = r->heap[i];
	unsigned int child;

	while ((child = 2 * i + 1) < r->nr) {
		if (child + 1 < r->nr && is_before(r->heap[child + 1], r->heap[child]))
			child++;
		if (!is_before(r->heap[child], f))
			break;
		r->heap[i] = r->heap[child];
		i = child;
	}
	r->heap[i] = f;
}

static void
sort(struct wire_gen_run *r)
{
	unsigned int i;

	for (i = r->nr / 2; i > 0; i--)
		sift_down(r, i - 1);
}

/*
 * Orders.
 */

static bool
is_idle(const struct order *o)
{
	return __atomic_load_n(&o->taken, __ATOMIC_ACQUIRE) == o->posted;
}

/* Main thread. The order must be idle. */
static void
post(struct order *o, enum order_kind kind, void *thing)
{
	o->kind = kind;
	o->thing = thing;
	__atomic_store_n(&o->posted, o->posted + 1, __ATOMIC_RELEASE);
}

/* Polling thread. Return whether there is an order, which is finished by finish(). */
static inline bool
is_posted(const struct order *o)
{
	return __builtin_expect(PEEK(o->posted) != o->taken, 0) &&
			__atomic_load_n(&o->posted, __ATOMIC_ACQUIRE) != o->taken;
}

static void
finish(struct order *o)
{
	__atomic_store_n(&o->taken, o->posted, __ATOMIC_RELEASE);
}

/*
 * The source.
 */

/* Start the armed flows. Frames are numbered on, and counters go on. */
static void
start(struct gen *g)
{
	struct wire_gen_run *r = g->run;
	unsigned int i;

	for (i = 0; i < r->nr; i++) {
		struct gen_flow *f = r->heap[i];
		uint64_t n = f->sched.n, late = f->sched.late;

		if (!f->armed)
			continue;
		f->armed = false;
		traffic_schedule_start(&f->sched, &r->traffic->flows[f - r->flows], g->now,
				g->mbps);
		f->sched.n = n;
		f->sched.late = late;
		POST(f->stats.started, true);
		POST(f->stats.ended, f->sched.due == UINT64_MAX);
	}
	sort(r);
	r->armed = false;
}

/* Arm or stop flows. A flow that was stopped before it began has not started. */
static void
set_flows(struct wire_gen_run *r, const bool *chosen, bool on)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++) {
		struct gen_flow *f = r->heap[i];

		if (!chosen[f - r->flows])
			continue;
		f->armed = on;
		r->armed |= on;
		if (!on)
			f->sched.due = UINT64_MAX;
		POST(f->stats.ended, !on && f->stats.started);
	}
	sort(r);
}

/*
 * Put a run in place, and return one that is no longer used: the former one, or the current one if
 * it was not asked for a frame.
 */
static struct wire_gen_run *
replace(struct gen *g, struct wire_gen_run *run)
{
	struct wire_gen_run *old = g->run;

	if (g->asked) {
		old = g->former;
		g->former = g->run;
	}
	__atomic_store_n(&g->run, run, __ATOMIC_RELEASE);
	g->asked = false;
	return old;
}

static void
gen_flush(struct wire_source *src)
{
	struct gen *g = (struct gen *)src;
	struct order *o = &g->order;

	if (!is_posted(o))
		return;
	if (o->kind == ORDER_REPLACE)
		o->thing = replace(g, o->thing);
	else
		set_flows(g->run, o->chosen, o->kind == ORDER_START);
	finish(o);
}

static void
gen_begin(struct wire_source *src, uint64_t now, uint64_t lag, unsigned int mbps)
{
	struct gen *g = (struct gen *)src;

	g->now = now;
	g->lag = lag;
	g->mbps = mbps;
	if (g->run->armed)
		start(g);
}

static uint64_t
gen_due(struct wire_source *src)
{
	const struct wire_gen_run *r = ((const struct gen *)src)->run;

	return r->nr != 0 ? r->heap[0]->sched.due : UINT64_MAX;
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
	struct wire_gen_run *r = g->run;
	struct gen_flow *f = r->heap[0];
	struct traffic_schedule *s = &f->sched;
	bool in_time = at < s->end;

	g->asked = true;
	if (in_time) {
		*frame = (struct m82576_frame){ .data = NULL };
		frame->data = traffic_frame_make(r->sender, slot, s->flow, s->n, at, &frame->len);
		traffic_schedule_limit(s, g->now, g->lag);
		traffic_schedule_sent(s, frame->len, g->mbps);
		count(f, frame->len, at);
		POST(f->stats.late_ns, s->late);
	} else {
		s->due = UINT64_MAX;
	}
	if (s->due == UINT64_MAX)
		POST(f->stats.ended, true);
	sift_down(r, 0);
	return in_time;
}

/* Return the frames that are due, on a wire without a speed. They start now. */
static unsigned int
gen_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	unsigned int i = 0;
	uint64_t sum = 0;

	((struct gen *)src)->asked = true;
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
	return ((const struct gen *)src)->run->armed || gen_due(src) != UINT64_MAX;
}

static void
run_free(struct wire_gen_run *r)
{
	if (r == NULL)
		return;
	if (r->sender != NULL)
		traffic_sender_free(r->sender);
	free(r->heap);
	free(r->flows);
	free(r);
}

static struct wire_gen_run *
run_new(const struct traffic *t, unsigned int port)
{
	struct wire_gen_run *r = calloc(1, sizeof(*r));
	unsigned int i;

	if (r == NULL)
		return NULL;
	r->traffic = t;
	r->flows = calloc(t->nr_flows + 1, sizeof(*r->flows));
	r->heap = calloc(t->nr_flows + 1, sizeof(*r->heap));
	r->sender = traffic_sender_new(t, port, WIRE_BURST);
	if (r->flows == NULL || r->heap == NULL || r->sender == NULL) {
		run_free(r);
		return NULL;
	}
	for (i = 0; i < t->nr_flows; i++) {
		r->flows[i].sched.due = UINT64_MAX;
		if (t->flows[i].tx_port == port)
			r->heap[r->nr++] = &r->flows[i];
	}
	return r;
}

/* Free what the last order replaced, or was to put in place. The polling thread has no order. */
static void
free_replaced(struct gen *g)
{
	if (g->order.kind == ORDER_REPLACE)
		run_free(g->order.thing);
	free(g->order.chosen);
	g->order.thing = g->order.chosen = NULL;
}

static void
gen_close(struct wire_source *src)
{
	struct gen *g = (struct gen *)src;

	free_replaced(g);
	run_free(g->former);
	run_free(g->run);
	free(g);
}

void
wire_gen_get_stats(const struct wire_source *src, unsigned int flow, struct wire_gen_stats *stats)
{
	const struct wire_gen_run *r = __atomic_load_n(&((const struct gen *)src)->run,
			__ATOMIC_ACQUIRE);
	const struct gen_flow *f;

	*stats = (struct wire_gen_stats){ .frames = 0 };
	if (flow >= r->traffic->nr_flows)
		return;
	f = &r->flows[flow];
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
	g->run = run_new(t, port);
	if (g->run == NULL) {
		free(g);
		return NULL;
	}
	for (i = 0; i < g->run->nr; i++)
		g->run->heap[i]->armed = g->run->armed = true;
	g->src.next = gen_next;
	g->src.pending = gen_pending;
	g->src.flush = gen_flush;
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
gen_flush_sink(struct wire_sink *sink)
{
	struct gen_sink *s = (struct gen_sink *)sink;
	struct traffic_receiver *old = s->receiver;

	if (!is_posted(&s->order))
		return;
	__atomic_store_n(&s->receiver, (struct traffic_receiver *)s->order.thing, __ATOMIC_RELEASE);
	s->order.thing = old;
	finish(&s->order);
}

static void
gen_close_sink(struct wire_sink *sink)
{
	struct gen_sink *s = (struct gen_sink *)sink;

	traffic_receiver_free(s->order.thing);
	traffic_receiver_free(s->receiver);
	free(s);
}

const struct traffic_receiver *
wire_gen_receiver(const struct wire_sink *sink)
{
	return __atomic_load_n(&((const struct gen_sink *)sink)->receiver, __ATOMIC_ACQUIRE);
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
	s->sink.flush = gen_flush_sink;
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

/*
 * Orders of the main thread.
 */

bool
wire_gen_is_idle(struct wire_source *src, struct wire_sink *sink)
{
	struct gen *g = (struct gen *)src;
	struct gen_sink *s = (struct gen_sink *)sink;

	if (!is_idle(&g->order) || !is_idle(&s->order))
		return false;
	free_replaced(g);
	traffic_receiver_free(s->order.thing);
	s->order.thing = NULL;
	return true;
}

int
wire_gen_prepare(const struct traffic *t, unsigned int port, struct wire_gen_flows *flows)
{
	flows->run = run_new(t, port);
	flows->receiver = traffic_receiver_new(t, port);
	if (flows->run != NULL && flows->receiver != NULL)
		return 0;
	wire_gen_discard(flows);
	return -ENOMEM;
}

void
wire_gen_discard(struct wire_gen_flows *flows)
{
	run_free(flows->run);
	traffic_receiver_free(flows->receiver);
	*flows = (struct wire_gen_flows){ .run = NULL };
}

void
wire_gen_replace(struct wire_source *src, struct wire_sink *sink, struct wire_gen_flows *flows)
{
	post(&((struct gen_sink *)sink)->order, ORDER_REPLACE, flows->receiver);
	post(&((struct gen *)src)->order, ORDER_REPLACE, flows->run);
	*flows = (struct wire_gen_flows){ .run = NULL };
}

int
wire_gen_switch(struct wire_source *src, const bool *chosen, bool on)
{
	struct gen *g = (struct gen *)src;
	const unsigned int nr = g->run->traffic->nr_flows;

	g->order.chosen = malloc(nr + 1);
	if (g->order.chosen == NULL)
		return -ENOMEM;
	memcpy(g->order.chosen, chosen, nr);
	post(&g->order, on ? ORDER_START : ORDER_STOP, NULL);
	return 0;
}
