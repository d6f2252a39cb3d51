/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Faults of a direction.
 *
 *     any thread:      wire_dir_set_faults() --mail--> set <--returned-- (freed by the next call)
 *                                                       |
 *     polling thread:  frames of the source --put()--> decide() --+--> sink
 *                                                                 |     ^
 *                                                                 +--> queue --deliver()
 *
 * SETS. A set is allocated, filled in and later freed by the threads that set faults. It has all
 * memory that its faults need. The polling thread only exchanges pointers: it takes a set out of
 * the mailbox, and hands the former one back. If two threads set faults before it looks, the later
 * set replaces the other one. The last set, without faults, is handed back when the queue is empty,
 * and the direction then has the cost of one that never had faults.
 *
 * DECISIONS. decide() is a function of the set, the number of the frame and the state of the
 * Gilbert-Elliott model, and changes nothing. Only commit() counts a frame. A frame for which the
 * sink or the queue has no room now thus has the same faults when the source presents it again.
 *
 * ORDER. Without delay and reordering a frame passes to the sink at once, where it is: only a
 * frame whose bits are flipped is copied. With them, and as long as frames are queued, all frames
 * pass through the queue, which orders them by time. The time of a frame is at least that of the
 * former one, unless any_order permits less.
 *
 * REORDERING. A frame that is held back is in no order until "extent" later frames have passed;
 * then it gets the time of the last one of them, and is behind it. A frame must not be held back
 * for ever if the source pauses, so that it also passes after hold_ns.
 *
 * REPEATABLE. Polls have no influence: a queued frame is delivered only when no frame that starts
 * earlier can follow (until), and hold_ns is measured from start to start of frames.
 *
 * Numbers are integers throughout, because a library's logarithm may differ in the last bit.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uninitialized.h"
#include "wire_fault_dir.h"
#include "wire_fault_queue.h"

#define PEEK(var)        __atomic_load_n(&(var), __ATOMIC_RELAXED)
#define POST(var, val)   __atomic_store_n(&(var), (val), __ATOMIC_RELAXED)
#define POST_ADD(var, n) POST(var, (var) + (n))

/* Odd, and its bits look random: 2^64 divided by the golden ratio. */
#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

/* Frames that are passed to the sink at once. Each may have a duplicate. */
#define PASS (WIRE_BURST / 2)

__extension__ typedef unsigned __int128 wide;

/* Independent random decisions about a frame. */
enum roll {
	ROLL_STATE,
	ROLL_LOSS,
	ROLL_CORRUPT,
	ROLL_BITS,
	ROLL_FCS,
	ROLL_DUPLICATE,
	ROLL_REORDER,
	ROLL_JITTER,
	NR_ROLLS
};

struct wire_fault_set {
	struct wire_faults faults;
	uint64_t keys[NR_ROLLS];            /* seeds of the decisions */
	bool off;                           /* there are no faults */
	bool queues;                        /* all frames pass through the queue */
	uint32_t limit;                     /* of the queue, in bytes */
	struct wire_fault_queue *queue;     /* for a direction that has none */
	uint8_t (*scratch)[WIRE_FRAME_MAX]; /* PASS frames whose bits are flipped */
	struct wire_fault_set *next;        /* in "returned" */
};

/* The faults of one frame. */
struct verdict {
	bool is_bad; /* state of the Gilbert-Elliott model with this frame */
	bool lost, corrupt, bad_fcs, duplicate, reorder;
	uint64_t delay; /* ns */
};

/*
 * Sets, from any thread.
 */

/* Return a number that looks random, and that another seed or another n changes. */
static inline uint64_t
hash(uint64_t seed, uint64_t n)
{
	uint64_t x = seed + n * GOLDEN;

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

const char *
wire_faults_check(const struct wire_faults *f)
{
	if (f->loss.kind > WIRE_LOSS_BURSTS)
		return "loss: unknown model";
	if (f->loss.probability > WIRE_FAULT_ALWAYS || f->loss.bad_probability > WIRE_FAULT_ALWAYS)
		return "loss: probability above 1";
	if (f->loss.enter > WIRE_FAULT_ALWAYS || f->loss.leave > WIRE_FAULT_ALWAYS)
		return "loss: probability of a change of state above 1";
	if (f->loss.kind == WIRE_LOSS_EVERY && f->loss.every == 0)
		return "loss: every 0th frame";
	if (f->corrupt.probability > WIRE_FAULT_ALWAYS)
		return "corruption: probability above 1";
	if (f->corrupt.probability != 0 &&
			(f->corrupt.bits == 0 || f->corrupt.bits > WIRE_FAULT_BITS_MAX))
		return "corruption: number of bits not from 1 to 64";
	if (f->bad_fcs > WIRE_FAULT_ALWAYS)
		return "bad FCS: probability above 1";
	if (f->duplicate > WIRE_FAULT_ALWAYS)
		return "duplication: probability above 1";
	if (f->reorder.probability > WIRE_FAULT_ALWAYS)
		return "reordering: probability above 1";
	if (f->reorder.probability != 0 &&
			(f->reorder.extent == 0 || f->reorder.extent > WIRE_FAULT_EXTENT_MAX))
		return "reordering: extent not from 1 to 65536";
	if (f->reorder.hold_ns > WIRE_FAULT_DELAY_MAX)
		return "reordering: time limit above 10 s";
	if (f->delay.ns > WIRE_FAULT_DELAY_MAX || f->delay.jitter > WIRE_FAULT_DELAY_MAX)
		return "delay: above 10 s";
	if (f->delay.distribution > WIRE_JITTER_PARETO)
		return "delay: unknown distribution of jitter";
	if (f->queue_bytes != 0 && f->queue_bytes < WIRE_FAULT_QUEUE_UNIT)
		return "queue: less than 256 bytes";
	if (f->queue_bytes > WIRE_FAULT_QUEUE_MAX)
		return "queue: above 64 MiB";
	return NULL;
}

static void
free_set(struct wire_fault_set *set)
{
	if (set == NULL)
		return;
	wire_fault_queue_free(set->queue);
	free(set->scratch);
	free(set);
}

static void
free_returned(struct wire_fault *f)
{
	struct wire_fault_set *next, *set;

	set = __atomic_exchange_n(&f->returned, NULL, __ATOMIC_ACQUIRE);
	for (; set != NULL; set = next) {
		next = set->next;
		free_set(set);
	}
}

static struct wire_fault_set *
new_set(const struct wire_faults *f)
{
	struct wire_fault_set *set = calloc(1, sizeof(*set));
	unsigned int i;

	if (set == NULL)
		return NULL;
	set->faults = *f;
	for (i = 0; i < NR_ROLLS; i++)
		set->keys[i] = hash(hash(f->seed, 0), i + 1);
	set->queues = f->delay.ns != 0 || f->delay.jitter != 0 || f->reorder.probability != 0;
	set->off = !set->queues && f->loss.kind == WIRE_LOSS_NONE && f->corrupt.probability == 0 &&
			f->bad_fcs == 0 && f->duplicate == 0;
	set->limit = f->queue_bytes != 0 ? f->queue_bytes : WIRE_FAULT_QUEUE_BYTES;
	if (!set->queues)
		set->limit = WIRE_FAULT_QUEUE_MAX; /* no fault of this set makes the queue longer */
	if (set->faults.reorder.hold_ns == 0)
		set->faults.reorder.hold_ns = WIRE_FAULT_HOLD_NS;
	if (set->queues)
		set->queue = wire_fault_queue_new();
	if (f->corrupt.probability != 0)
		set->scratch = malloc(PASS * sizeof(*set->scratch));
	if ((set->queues && set->queue == NULL) ||
			(f->corrupt.probability != 0 && set->scratch == NULL)) {
		free_set(set);
		return NULL;
	}
	return set;
}

int
wire_fault_set(struct wire_fault *f, const struct wire_faults *faults)
{
	static const struct wire_faults none;
	struct wire_fault_set *set;

	if (faults == NULL)
		faults = &none;
	if (wire_faults_check(faults) != NULL)
		return -EINVAL;
	set = new_set(faults);
	if (set == NULL)
		return -ENOMEM;
	free_set(__atomic_exchange_n(&f->mail, set, __ATOMIC_ACQ_REL));
	free_returned(f);
	return 0;
}

void
wire_fault_get_stats(const struct wire_fault *f, struct wire_fault_stats *stats)
{
	*stats = (struct wire_fault_stats){
		.frames = PEEK(f->stats.frames),
		.delivered = PEEK(f->stats.delivered),
		.lost = PEEK(f->stats.lost),
		.corrupted = PEEK(f->stats.corrupted),
		.bad_fcs = PEEK(f->stats.bad_fcs),
		.duplicated = PEEK(f->stats.duplicated),
		.reordered = PEEK(f->stats.reordered),
		.delayed = PEEK(f->stats.delayed),
		.queue_full = PEEK(f->stats.queue_full),
		.queued = PEEK(f->stats.queued),
	};
}

void
wire_fault_init(struct wire_fault *f, struct wire_source *src, struct wire_sink *sink)
{
	*f = (struct wire_fault){ .src = src, .sink = sink };
}

void
wire_fault_close(struct wire_fault *f)
{
	free_set(f->mail);
	free_set(f->set);
	free_returned(f);
	wire_fault_queue_free(f->queue);
}

/*
 * Decisions.
 */

/* Return whether an event of this probability happens to frame n. */
static inline bool
happens(const struct wire_fault_set *set, enum roll roll, uint64_t n, uint64_t probability)
{
	return probability != 0 && hash(set->keys[roll], n) >> 32 < probability;
}

/* Return the integer part of the cube root of x, which is at most 2^80. */
static uint64_t
cube_root(wide x)
{
	uint64_t root = 0, try;
	unsigned int bit;

	for (bit = 27; bit-- > 0;) {
		try = root | 1ULL << bit;
		if ((wide)try * try * try <= x)
			root = try;
	}
	return root;
}

/*
 * Return the jitter of frame n, in ns.
 *
 * Normal: the sum of 12 uniform numbers of 16 bits has a standard deviation of 2^16. Pareto: r is
 * uniform in (0, 1], and the cube root of 1 / r less 1 has the mean 1/2.
 */
static int64_t
jitter_of(const struct wire_fault_set *set, uint64_t n)
{
	const uint64_t scale = set->faults.delay.jitter, key = set->keys[ROLL_JITTER];
	uint64_t r = hash(key, n);
	int64_t sum = -6 * 65535;
	unsigned int i;

	switch (set->faults.delay.distribution) {
	case WIRE_JITTER_NORMAL:
		for (i = 0; i < 12; i++, r >>= 16) {
			if (i == 4 || i == 8)
				r = hash(key + i, n);
			sum += (int64_t)(r & 0xFFFF);
		}
		return (int64_t)scale * sum / 65536;
	case WIRE_JITTER_PARETO:
		r = cube_root(((wide)1 << 80) / ((r >> 32) + 1)) - 65536;
		r = 2 * scale * r >> 16;
		return (int64_t)(r < WIRE_FAULT_DELAY_MAX ? r : WIRE_FAULT_DELAY_MAX);
	default:
		return (int64_t)((wide)r * (2 * scale + 1) >> 64) - (int64_t)scale;
	}
}

static uint64_t
delay_of(const struct wire_fault_set *set, uint64_t n)
{
	int64_t delay = (int64_t)set->faults.delay.ns;

	if (set->faults.delay.jitter != 0)
		delay += jitter_of(set, n);
	return delay > 0 ? (uint64_t)delay : 0;
}

/* Return whether frame n is lost, which is frame "nth" of those that may be. */
static bool
is_lost(const struct wire_fault_set *set, uint64_t n, uint64_t nth, bool *is_bad)
{
	const struct wire_faults *f = &set->faults;

	switch (f->loss.kind) {
	case WIRE_LOSS_RANDOM:
		return happens(set, ROLL_LOSS, n, f->loss.probability);
	case WIRE_LOSS_EVERY:
		return nth % f->loss.every == f->loss.every - 1;
	case WIRE_LOSS_BURSTS:
		if (happens(set, ROLL_STATE, n, *is_bad ? f->loss.leave : f->loss.enter))
			*is_bad = !*is_bad;
		return happens(set, ROLL_LOSS, n,
				*is_bad ? f->loss.bad_probability : f->loss.probability);
	default:
		return false;
	}
}

/* Return the faults of frame n, of len bytes. */
static struct verdict
decide(const struct wire_fault_set *set, uint64_t n, uint32_t len, bool is_bad)
{
	const struct wire_faults *f = &set->faults;
	struct verdict v = { .is_bad = is_bad };

	if (set->off || n < f->first || (f->count != 0 && n - f->first >= f->count))
		return v;
	v.lost = is_lost(set, n, n - f->first, &v.is_bad);
	if (v.lost)
		return v;
	v.corrupt = len > f->corrupt.offset &&
			happens(set, ROLL_CORRUPT, n, f->corrupt.probability);
	v.bad_fcs = happens(set, ROLL_FCS, n, f->bad_fcs);
	v.duplicate = happens(set, ROLL_DUPLICATE, n, f->duplicate);
	v.reorder = happens(set, ROLL_REORDER, n, f->reorder.probability);
	v.delay = delay_of(set, n);
	return v;
}

/* Count a frame that is gone, and turn to the next one. */
static void
commit(struct wire_fault *f, const struct verdict *v)
{
	f->number++;
	f->is_bad = v->is_bad;
	POST_ADD(f->stats.frames, 1);
	POST_ADD(f->stats.lost, v->lost);
	POST_ADD(f->stats.corrupted, v->corrupt);
	POST_ADD(f->stats.bad_fcs, v->bad_fcs);
	POST_ADD(f->stats.duplicated, v->duplicate);
	POST_ADD(f->stats.reordered, v->reorder);
	POST_ADD(f->stats.delayed, v->delay != 0);
}

/* Copy a frame to "to", and flip bits of the copy: different ones, so that no flip is undone. */
static void
flip(const struct wire_fault_set *set, uint64_t n, struct m82576_frame *frame, uint8_t *to)
{
	const uint32_t offset = set->faults.corrupt.offset, range = (frame->len - offset) * 8;
	const uint64_t key = hash(set->keys[ROLL_BITS], n);
	unsigned int bits = set->faults.corrupt.bits;
	uint64_t i;

	bits = bits < range ? bits : range;
	memcpy(to, frame->data, frame->len);
	for (i = 0; bits != 0; i++) {
		uint32_t at = (uint32_t)((hash(key, i) >> 32) * range >> 32);
		uint8_t mask = (uint8_t)(1u << at % 8);

		at = offset + at / 8;
		if ((to[at] ^ frame->data[at]) & mask)
			continue;
		to[at] ^= mask;
		bits--;
	}
	frame->data = to;
}

/*
 * Return frame n as it arrives. It has no rest if a copy of it is needed: the sender may change the
 * rest at any time, and a duplicate must equal its original.
 */
static struct m82576_frame
damaged(struct wire_fault *f, struct m82576_frame *frame, uint64_t n, const struct verdict *v,
		uint8_t *to)
{
	struct m82576_frame out;

	if (frame->rest != NULL && (v->corrupt || v->duplicate))
		f->src->gather(f->src, frame, 1);
	out = *frame;
	if (v->corrupt)
		flip(f->set, n, &out, to);
	if (v->bad_fcs)
		out.flags |= M82576_FRAME_BAD_FCS;
	return out;
}

/*
 * Frames, in the polling thread.
 */

/* Pass frames to the sink, at most PASS. Return the number of those that are gone. */
static unsigned int
pass(struct wire_fault *f, const uint64_t *at, struct m82576_frame *frames, unsigned int n,
		bool wait)
{
	GANTRY_UNINITIALIZED struct m82576_frame out[2 * PASS];
	GANTRY_UNINITIALIZED uint64_t out_at[2 * PASS];
	GANTRY_UNINITIALIZED struct verdict v[PASS];
	GANTRY_UNINITIALIZED unsigned int end[PASS]; /* of the copies of each frame, in out[] */
	bool is_bad = f->is_bad;
	unsigned int nr = 0, got = 0, i, copies;

	for (i = 0; i < n; i++) {
		v[i] = decide(f->set, f->number + i, frames[i].len, is_bad);
		is_bad = v[i].is_bad;
		copies = v[i].lost ? 0 : 1 + v[i].duplicate;
		if (i == 0 && f->is_half)
			copies = 1;
		if (copies != 0)
			out[nr] = damaged(f, &frames[i], f->number + i, &v[i],
					f->set->scratch != NULL ? f->set->scratch[i] : NULL);
		if (copies == 2)
			out[nr + 1] = out[nr];
		out_at[nr] = at[i];
		if (copies == 2)
			out_at[nr + 1] = at[i];
		nr += copies;
		end[i] = nr;
	}
	if (nr != 0)
		got = f->sink->put(f->sink, out_at, out, nr, wait);
	for (i = 0; i < n && end[i] <= got; i++)
		commit(f, &v[i]);
	if (i == 0) {
		f->is_half |= got != 0;
		return 0;
	}
	POST_ADD(f->stats.delivered, end[i - 1] + f->is_half);
	f->is_half = got > end[i - 1];
	return i;
}

/* Hold the frames back no longer for which enough later ones have passed, the last one at due. */
static void
unhold_passed(struct wire_fault *f, uint64_t due)
{
	const struct wire_held *held;

	while ((held = wire_fault_queue_first_held(f->queue)) != NULL && held->passed <= f->passed)
		wire_fault_queue_unhold(f->queue, held->due > due ? held->due : due);
}

/* Hold the frames back no longer that have waited for too long for a frame that starts now. */
static void
unhold_late(struct wire_fault *f, uint64_t now)
{
	const struct wire_held *held;

	while ((held = wire_fault_queue_first_held(f->queue)) != NULL && held->until <= now)
		wire_fault_queue_unhold(f->queue, held->due + held->hold);
}

/* Queue the copies of a frame for which there is room. */
static void
enqueue(struct wire_fault *f, uint64_t at, const struct m82576_frame *frame,
		const struct verdict *v)
{
	const struct wire_faults *faults = &f->set->faults;
	struct wire_held held = { .due = at + v->delay };
	unsigned int copies = 1 + v->duplicate, kept = 0;

	if (!faults->delay.any_order && held.due < f->last_due)
		held.due = f->last_due;
	held.passed = f->passed + faults->reorder.extent;
	held.until = at + faults->reorder.hold_ns;
	held.hold = faults->reorder.hold_ns;
	for (; kept < copies; kept++) {
		if (!wire_fault_queue_has_room(f->queue, frame->len, 1, f->set->limit))
			break;
		if (v->reorder)
			wire_fault_queue_hold(f->queue, &held, frame);
		else
			wire_fault_queue_add(f->queue, held.due, frame);
	}
	POST_ADD(f->stats.queue_full, copies - kept);
	if (kept == 0 || v->reorder)
		return;
	f->passed++;
	if (held.due > f->last_due)
		f->last_due = held.due;
	unhold_passed(f, held.due);
}

/* Queue a frame. Return whether it is gone: with wait it needs room. */
static bool
keep(struct wire_fault *f, uint64_t at, struct m82576_frame *frame, bool wait)
{
	const struct verdict v = decide(f->set, f->number, frame->len, f->is_bad);
	struct m82576_frame out;

	/* An empty queue has no room for a frame above its limit, and never will. */
	if (wait && !v.lost && wire_fault_queue_frames(f->queue) != 0 &&
			!wire_fault_queue_has_room(f->queue, frame->len, 1 + v.duplicate,
					f->set->limit))
		return false;
	unhold_late(f, at);
	if (!v.lost) {
		if (frame->rest != NULL)
			f->src->gather(f->src, frame, 1);
		out = damaged(f, frame, f->number, &v,
				f->set->scratch != NULL ? f->set->scratch[0] : NULL);
		enqueue(f, at, &out, &v);
	}
	commit(f, &v);
	return true;
}

/* Count a frame of which the sink took one copy, and will take no other. */
static void
end_half(struct wire_fault *f)
{
	POST_ADD(f->stats.frames, 1);
	POST_ADD(f->stats.delivered, 1);
	f->is_half = f->was_half = false;
}

unsigned int
wire_fault_put(struct wire_fault *f, const uint64_t *at, struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	unsigned int gone = 0, some, got;

	if (f->was_half) {
		end_half(f);
		gone = 1;
	}
	if (f->set->queues || wire_fault_queue_frames(f->queue) != 0) {
		while (gone < n && keep(f, at[gone], &frames[gone], wait))
			gone++;
		return gone;
	}
	while (gone < n) {
		some = n - gone < PASS ? n - gone : PASS;
		got = pass(f, &at[gone], &frames[gone], some, wait);
		gone += got;
		if (got < some)
			break;
	}
	return gone;
}

void
wire_fault_forget(struct wire_fault *f)
{
	if (f->is_half || f->was_half)
		end_half(f);
}

/* Hand a set back to the threads that set faults. */
static void
hand_back(struct wire_fault *f, struct wire_fault_set *set)
{
	set->next = PEEK(f->returned);
	while (!__atomic_compare_exchange_n(&f->returned, &set->next, set, true, __ATOMIC_RELEASE,
			__ATOMIC_RELAXED))
		;
}

/* Hand back the set and the queue if there are no faults, and none of them has an effect. */
static void
retire(struct wire_fault *f)
{
	if (!f->set->off || f->was_half || wire_fault_queue_frames(f->queue) != 0)
		return;
	f->set->queue = f->queue;
	f->queue = NULL;
	hand_back(f, f->set);
	f->set = NULL;
}

void
wire_fault_adopt(struct wire_fault *f)
{
	struct wire_fault_set *former = f->set;

	f->set = __atomic_exchange_n(&f->mail, NULL, __ATOMIC_ACQUIRE);
	if (f->queue == NULL) {
		f->queue = f->set->queue;
		f->set->queue = NULL;
	}
	f->number = 0;
	f->is_bad = false;
	f->was_half |= f->is_half;
	f->is_half = false;
	if (f->queue != NULL && f->set->faults.reorder.probability == 0)
		while (wire_fault_queue_first_held(f->queue) != NULL)
			wire_fault_queue_unhold(f->queue,
					wire_fault_queue_first_held(f->queue)->due);
	if (former != NULL)
		hand_back(f, former);
	retire(f);
}

unsigned int
wire_fault_deliver(struct wire_fault *f, uint64_t until, unsigned int n, bool wait, uint32_t *bytes)
{
	unsigned int got = 0;

	*bytes = 0;
	if (f->queue != NULL) {
		unhold_late(f, until);
		got = wire_fault_queue_deliver(f->queue, f->sink, until, n, wait, bytes);
		POST_ADD(f->stats.delivered, got);
		POST(f->stats.queued, wire_fault_queue_frames(f->queue));
	}
	retire(f);
	return got;
}
