/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A direction, and its clock.
 *
 * COST OF A FRAME. On the wire a frame is preceded and followed by time in which nothing else can
 * be sent (802.3, 4.4.2): 7 bytes of preamble, 1 of SFD, 4 of FCS, 12 of inter-frame gap. A frame
 * of len bytes without FCS, padded to 60, thus keeps the wire busy for (len + 24) * 8 bit times. At
 * 1 Gb/s and the shortest frame that is 672 ns, or 1,488,095 frames a second. At most speeds that
 * is no whole number of nanoseconds: the remainder, in units of 1 / mbps ns, is carried from frame
 * to frame, so that rounding errors do not accumulate.
 *
 * TIME OF A FRAME. next_free is when the wire is free again. Each frame moves it on by its cost. A
 * frame starts at next_free or when it was known to be there, whichever is later. The important
 * case is the time between two polls of the thread, which may be away for milliseconds:
 *
 *    polls:          |                        | (the thread was away in between)
 *    time:  ---------+------------------------+-----> now
 *    next_free:      ^                        ^
 *                    +-- backlog: all these frames are due now, up to lag
 *
 * - If frames were waiting at the last poll (backlog), hardware would have gone on sending them.
 *   next_free remains where it is, and all frames whose time has come since then go now. So the
 *   rate is exact however unevenly the thread polls, as long as the thread is never late by more
 *   than its lag (WIRE_LAG_NS). The wire does not catch up with longer absences (the host took the
 *   core away): a burst above line rate would overflow rings that hardware fills one frame at a
 *   time, and this loss, which looks like the application's, would be caused by the wire. That wire
 *   time is lost, and counted as stalled.
 * - If the source was empty at the last poll, next_free becomes now. There is no credit for idle
 *   time: a wire that was idle for a second does not send a second's worth of frames at once when
 *   they come.
 *
 * TIMED SOURCES. The frame of a timed source starts at next_free or when it is due, whichever is
 * later, if this is not later than now. When the thread polled has no influence. A frame that was
 * due longer than the lag ago starts at now - lag or later, and the source puts off the frames
 * behind it. The wire counts its own lost time as stalled, as above. If the wire is full, because
 * flows have a higher rate, no wire time is lost: only the source counts.
 *
 * A frame is handed over when its first bit leaves, not when its last one arrives. The latency over
 * a wire is therefore short by the frame's own time on it; the rate is exact. The wire holds no
 * frame back, so that it copies none. Only faults do both: wire_fault.c.
 *
 * Without a speed (speed=max) there is no clock. There the sink may ask to wait. The frames that it
 * did not take stay where the source has them, because the wire takes no others before they are
 * gone.
 */

#include <stdlib.h>
#include <string.h>

#include "uninitialized.h"
#include "wire.h"
#include "wire_fault_dir.h"

/*
 * Interval at which the wire checks whether the sink of a patient source listens, and time for
 * which it must have listened, in ns: a driver enables its receiver shortly before it posts
 * descriptors.
 */
#define LISTEN_CHECK_NS 10000000

/*
 * Time that a poll may take, in ns, and the work between two reads of the clock, in frames and KiB:
 * at first, and after a poll that took longer. A frame costs what its receiver makes it cost: for
 * example pages of its buffers that it has released are page faults of the polling thread. While
 * that work is quick, it doubles up to that of a whole poll.
 */
#define POLL_NS    20000
#define POLL_CHECK 8

struct wire_dir {
	struct wire_source *src;
	struct wire_sink *sink;

	/* The clock. */
	uint32_t own_mbps;  /* speed of the wire, in Mb/s; 0: no limit */
	uint32_t mbps;      /* agreed by its ends, at most own_mbps; 0: no limit */
	uint64_t inverse;   /* 2^shift / mbps, rounded up, for divisions by mbps */
	unsigned int shift; /* see set_speed() */
	uint32_t rem;       /* next_free is rem / mbps ns later than its value */
	uint64_t next_free; /* monotonic, ns */
	uint64_t lag;       /* maximum by which next_free may be behind now, ns */
	bool backlog;       /* frames were waiting at the last poll, or the source is timed */

	uint64_t (*clock)(void); /* for POLL_NS; NULL: no limit */
	uint64_t check_begin;    /* when this poll began */
	unsigned int check_cost; /* cost since the last check */
	unsigned int stride;     /* maximum cost of a chunk, in frames and in KiB */

	struct wire_fault fault; /* see wire_fault.c */

	uint32_t carrier; /* of the source, as the sink knows it; 0: nothing was passed */
	bool timed;       /* the source is a timed one */

	/* For a patient source: */
	bool hush;      /* it has not started yet */
	bool on_demand; /* it waits for go, not for quiet */
	bool go;        /* set from any thread */
	uint64_t quiet; /* ns for which the listener must not change its set-up */
	uint64_t heard; /* since when the sink listened at each check; 0: it does not */
	uint64_t next_check;

	/* Frames of the source that wait for the sink (speed=max): nr_waiting from "waiting" on. */
	struct m82576_frame chunk[WIRE_BURST];
	unsigned int waiting, nr_waiting;
	uint32_t waiting_bytes; /* of those frames */
	bool paused;            /* the source knows that they wait */

	/*
	 * Written by the polling thread, read by other threads as relaxed atomics. Each number is
	 * consistent in itself; two numbers may be one poll apart. wire_dir_new_interval() also
	 * sets longest_gap to 0.
	 */
	uint64_t last_look; /* 0: the thread was at rest */
	uint64_t longest_gap, longest_gap_at;
	uint64_t over_100us, over_1ms, over_10ms;
	uint64_t frames, bytes, drops, stalled_ns;

	uint8_t padded[WIRE_BURST][WIRE_FRAME_MIN]; /* short frames of chunk[] */
};

#define PEEK(var)        __atomic_load_n(&(var), __ATOMIC_RELAXED)
#define POST(var, val)   __atomic_store_n(&(var), (val), __ATOMIC_RELAXED)
#define POST_ADD(var, n) POST(var, (var) + (n))

/*
 * Set the speed and its reciprocal, which divides each t below 2^31 exactly: inverse exceeds
 * 2^shift / mbps by less than 1, so that t * inverse exceeds 2^shift * t / mbps by less than 2^31.
 * Up to the next whole quotient there is at least 2^shift / mbps, which is not less than 2^31.
 * Report the speed to the sink.
 */
static void
set_speed(struct wire_dir *dir, uint32_t mbps)
{
	dir->mbps = mbps;
	if (dir->sink->pace != NULL)
		dir->sink->pace(dir->sink, mbps);
	if (mbps == 0)
		return;
	dir->shift = 62 - (unsigned int)__builtin_clz(mbps);
	if (mbps & (mbps - 1))
		dir->shift++;
	dir->inverse = ((1ull << dir->shift) + mbps - 1) / mbps;
}

struct wire_dir *
wire_dir_new(struct wire_source *src, struct wire_sink *sink, unsigned int speed_mbps)
{
	struct wire_dir *dir = calloc(1, sizeof(*dir));

	if (dir == NULL)
		return NULL;
	dir->src = src;
	dir->sink = sink;
	dir->own_mbps = speed_mbps;
	set_speed(dir, speed_mbps);
	dir->lag = WIRE_LAG_NS;
	dir->quiet = WIRE_QUIET_NS;
	dir->stride = WIRE_BURST;
	dir->timed = src->due != NULL;
	dir->hush = src->patient && sink->listening != NULL;
	wire_fault_init(&dir->fault, src, sink);
	if (sink->takes_rest && src->allow_rest != NULL)
		src->allow_rest(src);
	if (!dir->hush && src->start != NULL)
		src->start(src, sink);
	return dir;
}

void
wire_dir_set_quiet(struct wire_dir *dir, uint64_t quiet_ns)
{
	dir->quiet = quiet_ns > LISTEN_CHECK_NS ? quiet_ns : LISTEN_CHECK_NS;
}

void
wire_dir_set_on_demand(struct wire_dir *dir)
{
	dir->on_demand = true;
}

void
wire_dir_start(struct wire_dir *dir)
{
	POST(dir->go, true);
}

void
wire_dir_set_lag(struct wire_dir *dir, uint64_t ns)
{
	dir->lag = ns;
}

void
wire_dir_set_clock(struct wire_dir *dir, uint64_t (*clock)(void))
{
	dir->clock = clock;
	dir->stride = POLL_CHECK;
}

void
wire_dir_free(struct wire_dir *dir)
{
	if (dir == NULL)
		return;
	dir->src->close(dir->src);
	dir->sink->close(dir->sink);
	wire_fault_close(&dir->fault);
	free(dir);
}

int
wire_dir_set_faults(struct wire_dir *dir, const struct wire_faults *faults)
{
	return wire_fault_set(&dir->fault, faults);
}

void
wire_dir_get_fault_stats(const struct wire_dir *dir, struct wire_fault_stats *stats)
{
	wire_fault_get_stats(&dir->fault, stats);
}

/* Record the time for which the thread was away. */
static void
note_gap(struct wire_dir *dir, uint64_t now)
{
	uint64_t gap = now - dir->last_look;

	if (dir->last_look != 0 && gap > 100000) {
		POST_ADD(dir->over_100us, 1);
		if (gap > 1000000)
			POST_ADD(dir->over_1ms, 1);
		if (gap > 10000000)
			POST_ADD(dir->over_10ms, 1);
	}
	if (dir->last_look != 0 && gap > PEEK(dir->longest_gap)) {
		POST(dir->longest_gap, gap);
		POST(dir->longest_gap_at, now);
	}
	POST(dir->last_look, now);
}

/* Pad a frame of chunk[] as a sending MAC pads (802.3, 4.2.8). */
static void
pad(struct wire_dir *dir, unsigned int i)
{
	struct m82576_frame *frame = &dir->chunk[i];

	memcpy(dir->padded[i], frame->data, frame->len);
	memset(dir->padded[i] + frame->len, 0, WIRE_FRAME_MIN - frame->len);
	frame->data = dir->padded[i];
	frame->len = WIRE_FRAME_MIN;
}

/*
 * Take the source's next frames into chunk[].
 *
 * @param n         maximum number
 * @param bytes     as for wire_source.next()
 * @param[out] sum  their bytes
 * @return their number
 */
static inline unsigned int
take(struct wire_dir *dir, uint64_t now, unsigned int n, uint64_t bytes, uint32_t *sum)
{
	const uint64_t most = (uint64_t)dir->stride * 1024;
	unsigned int i;

	n = n < dir->stride ? n : dir->stride;
	bytes = bytes < most ? bytes : most;
	n = dir->src->next(dir->src, now, dir->chunk, n, (uint32_t)bytes);
	*sum = 0;
	for (i = 0; i < n; i++) {
		if (__builtin_expect(dir->chunk[i].len < WIRE_FRAME_MIN, 0))
			pad(dir, i);
		*sum += dir->chunk[i].len;
	}
	return n;
}

/* Put n frames of chunk[], from the first on. Return the number that is gone. */
static inline unsigned int
put(struct wire_dir *dir, const uint64_t *at, unsigned int first, unsigned int n, bool wait)
{
	if (dir->chunk[first].flags & M82576_FRAME_LOOPED)
		return n; /* the sender took them */
	if (__builtin_expect(dir->fault.set != NULL, 0))
		return wire_fault_put(&dir->fault, at, &dir->chunk[first], n, wait);
	return dir->sink->put(dir->sink, at, &dir->chunk[first], n, wait);
}

/* Occupy the wire for a frame. */
static inline void
occupy(struct wire_dir *dir, uint32_t len)
{
	uint64_t bits = (uint64_t)m82576_wire_bytes(len) * 8;
	uint64_t t = bits * 1000 + dir->rem, ns = t * dir->inverse >> dir->shift;

	dir->next_free += ns;
	dir->rem = (uint32_t)(t - ns * dir->mbps);
}

static inline void
account(struct wire_dir *dir, unsigned int frames, uint64_t bytes)
{
	POST_ADD(dir->frames, frames);
	POST_ADD(dir->bytes, bytes);
}

/*
 * Flush both ends, also when nothing moved: a device holds back interrupts that would come too soon
 * after the last one (EITR), and checks them when it is flushed.
 */
static inline void
flush(struct wire_dir *dir)
{
	if (dir->src->flush != NULL)
		dir->src->flush(dir->src);
	if (dir->sink->flush != NULL)
		dir->sink->flush(dir->sink);
}

/* Return whether the poll has used up its time, part of which was for n frames of these bytes. */
static inline bool
time_is_up(struct wire_dir *dir, unsigned int n, uint32_t bytes)
{
	dir->check_cost += n + bytes / 1024;
	if (dir->check_cost < POLL_CHECK || dir->clock == NULL)
		return false;
	dir->check_cost = 0;
	if ((int64_t)(dir->clock() - dir->check_begin) >= POLL_NS) {
		dir->stride = POLL_CHECK;
		return true;
	}
	if (dir->stride < WIRE_BURST)
		dir->stride *= 2;
	return false;
}

/*
 * Return how many bytes on the wire the frames before one have at most that starts by now. In units
 * of 1 / mbps ns it starts rem + bytes * 8000 after next_free, and must start before now + 1.
 */
static inline uint64_t
room(const struct wire_dir *dir, uint64_t now)
{
	uint64_t chunk = (uint64_t)dir->mbps * WIRE_CHUNK_NS / 8000;
	uint64_t bytes = ((now + 1 - dir->next_free) * dir->mbps - dir->rem - 1) / 8000;

	return bytes < chunk ? bytes : chunk;
}

static unsigned int
poll_paced(struct wire_dir *dir, uint64_t now)
{
	GANTRY_UNINITIALIZED uint64_t at[WIRE_BURST];
	uint64_t sum = 0;
	unsigned int n = 0, i, got;
	uint32_t bytes;

	if (dir->next_free > now) {
		/* Busy. A source that has frames waiting now continues at next_free. */
		if (!dir->backlog)
			dir->backlog = dir->src->pending(dir->src);
		return 0;
	}
	if (!dir->backlog) {
		if (dir->next_free < now) {
			dir->next_free = now;
			dir->rem = 0;
		}
	} else if (now - dir->next_free > dir->lag) {
		POST_ADD(dir->stalled_ns, now - dir->next_free - dir->lag);
		dir->next_free = now - dir->lag;
		dir->rem = 0;
	}

	while (n < WIRE_BURST && dir->next_free <= now) {
		got = take(dir, now, WIRE_BURST - n, room(dir, now), &bytes);
		if (got == 0)
			break; /* for now: a device has a budget for each flush */
		for (i = 0; i < got; i++) {
			at[i] = dir->next_free;
			occupy(dir, dir->chunk[i].len);
		}
		put(dir, at, 0, got, false);
		sum += bytes;
		n += got;
		if (time_is_up(dir, got, bytes))
			break;
	}
	dir->backlog = dir->src->pending(dir->src);
	account(dir, n, sum);
	return n;
}

static void
set_paused(struct wire_dir *dir, bool paused)
{
	if (dir->paused == paused)
		return;
	dir->paused = paused;
	if (dir->src->pause != NULL)
		dir->src->pause(dir->src, paused);
}

static unsigned int
poll_unpaced(struct wire_dir *dir, uint64_t now)
{
	GANTRY_UNINITIALIZED uint64_t at[WIRE_BURST];
	uint64_t sum = 0;
	unsigned int n = 0, i, gone;
	uint32_t bytes;

	while (n < WIRE_BURST) {
		if (dir->nr_waiting == 0) {
			dir->waiting = 0;
			dir->nr_waiting = take(dir, now, WIRE_BURST - n, UINT32_MAX, &bytes);
			dir->waiting_bytes = bytes;
		}
		if (dir->nr_waiting == 0)
			break;
		for (i = 0; i < dir->nr_waiting; i++)
			at[i] = now;
		gone = put(dir, at, dir->waiting, dir->nr_waiting, true);
		bytes = dir->waiting_bytes;
		if (__builtin_expect(gone != dir->nr_waiting, 0))
			for (i = bytes = 0; i < gone; i++)
				bytes += dir->chunk[dir->waiting + i].len;
		dir->waiting_bytes -= bytes;
		dir->waiting += gone;
		dir->nr_waiting -= gone;
		sum += bytes;
		n += gone;
		set_paused(dir, dir->nr_waiting != 0);
		if (dir->nr_waiting != 0 && dir->src->gather != NULL)
			dir->src->gather(dir->src, &dir->chunk[dir->waiting], dir->nr_waiting);
		if (dir->nr_waiting != 0 || time_is_up(dir, gone, bytes))
			break;
	}
	account(dir, n, sum);
	return n;
}

/* Return when the next frame of a timed source starts; UINT64_MAX: there is none. */
static inline uint64_t
timed_start(const struct wire_dir *dir)
{
	uint64_t due = dir->src->due(dir->src);

	return due > dir->next_free ? due : dir->next_free;
}

/*
 * Make the frames of a timed source that start by now, in chunk[].
 *
 * @param n         maximum number
 * @param[out] at   when each of them starts
 * @param[out] sum  their bytes
 * @return their number
 */
static unsigned int
make_timed(struct wire_dir *dir, uint64_t now, unsigned int n, uint64_t *at, uint32_t *sum)
{
	const uint32_t most = dir->stride * 1024;
	struct wire_source *src = dir->src;
	unsigned int i = 0;
	uint64_t start;

	*sum = 0;
	n = n < dir->stride ? n : dir->stride;
	while (i < n && *sum <= most) {
		start = timed_start(dir);
		if (start > now || (i != 0 && start - at[0] > WIRE_CHUNK_NS))
			break;
		if (!src->make(src, start, i, &dir->chunk[i]))
			continue;
		if (dir->next_free < start) {
			dir->next_free = start;
			dir->rem = 0;
		}
		at[i] = start;
		if (dir->chunk[i].len < WIRE_FRAME_MIN)
			pad(dir, i);
		occupy(dir, dir->chunk[i].len);
		*sum += dir->chunk[i].len;
		i++;
	}
	return i;
}

static unsigned int
poll_timed(struct wire_dir *dir, uint64_t now)
{
	GANTRY_UNINITIALIZED uint64_t at[WIRE_BURST];
	uint64_t sum = 0, start;
	unsigned int n = 0, got;
	uint32_t bytes;

	dir->src->begin(dir->src, now, dir->lag, dir->mbps);
	if (dir->mbps == 0)
		return poll_unpaced(dir, now);
	start = timed_start(dir);
	if (start < now && now - start > dir->lag) {
		if (dir->backlog)
			POST_ADD(dir->stalled_ns, now - start - dir->lag);
		dir->next_free = now - dir->lag;
		dir->rem = 0;
	}
	while (n < WIRE_BURST) {
		got = make_timed(dir, now, WIRE_BURST - n, at, &bytes);
		if (got == 0)
			break;
		put(dir, at, 0, got, false);
		sum += bytes;
		n += got;
		if (time_is_up(dir, got, bytes))
			break;
	}
	dir->backlog = true;
	account(dir, n, sum);
	return n;
}

/* Pass the source's carrier on, including a loss that is over already. */
static inline void
follow_carrier(struct wire_dir *dir)
{
	uint32_t carrier = dir->src->carrier != NULL ? dir->src->carrier(dir->src) : 1;

	if (carrier == dir->carrier)
		return;
	if (dir->sink->carrier != NULL) {
		if (dir->carrier & 1)
			dir->sink->carrier(dir->sink, false);
		if (carrier & 1 && dir->sink->partner != NULL)
			dir->sink->partner(dir->sink,
					dir->src->ability != NULL ? dir->src->ability(dir->src) :
								    M82576_ABLE_ALL);
		if (carrier & 1)
			dir->sink->carrier(dir->sink, true);
	}
	dir->carrier = carrier;
}

/*
 * Return whether the listener has finished its set-up. A device cannot observe that its driver
 * polls, because no tail moves while nothing is received. But it sees each register that the driver
 * accesses while it starts the port, sets filters and waits for the link.
 */
static bool
is_ready(const struct wire_dir *dir, uint64_t now)
{
	uint64_t busy_at = dir->sink->busy_at != NULL ? dir->sink->busy_at(dir->sink) : 0;

	if (dir->on_demand)
		return PEEK(dir->go) && now - dir->heard >= LISTEN_CHECK_NS;
	if (now - dir->heard >= dir->quiet + WIRE_BUSY_NS)
		return true;
	/* busy_at may be later than now, which was read before it. */
	return now - dir->heard >= dir->quiet && now >= busy_at + dir->quiet;
}

/* Follow the speed on which the ends agree by themselves, which may be lower than the wire's. */
static inline void
follow_speed(struct wire_dir *dir)
{
	uint32_t mbps = dir->own_mbps, in, out;

	out = dir->src->speed != NULL ? dir->src->speed(dir->src) : 0;
	in = dir->sink->speed != NULL ? dir->sink->speed(dir->sink) : 0;
	if (out != 0)
		mbps = out;
	if (in != 0 && (mbps == 0 || in < mbps))
		mbps = in;
	if (mbps == dir->mbps)
		return;
	set_speed(dir, mbps);
	dir->rem = 0;
	dir->backlog = false; /* of the former speed: no stall */
	/* The link was lost for the change, and with it the frames that waited for their sink. */
	POST_ADD(dir->drops, dir->nr_waiting);
	dir->nr_waiting = 0;
	wire_fault_forget(&dir->fault);
	set_paused(dir, false);
}

/* Return whether a patient source still waits for a listener. It waits once only. */
static bool
still_hushed(struct wire_dir *dir, uint64_t now)
{
	if (now < dir->next_check)
		return true;
	dir->next_check = now + LISTEN_CHECK_NS;
	if (!dir->sink->listening(dir->sink)) {
		dir->heard = 0;
		return true;
	}
	if (dir->heard == 0)
		dir->heard = now;
	if (!is_ready(dir, now))
		return true;
	dir->hush = false;
	if (dir->src->start != NULL)
		dir->src->start(dir->src, dir->sink);
	return false;
}

/* Move the frames whose time has come. Return their number. */
static inline unsigned int
move(struct wire_dir *dir, uint64_t now)
{
	if (__builtin_expect(dir->timed, 0))
		return poll_timed(dir, now);
	return dir->mbps != 0 ? poll_paced(dir, now) : poll_unpaced(dir, now);
}

/* Return a time before which no later frame of the source starts, at most now. */
static uint64_t
settled(const struct wire_dir *dir, uint64_t now)
{
	uint64_t next;

	if (dir->hush || dir->mbps == 0 || !dir->backlog)
		return now;
	next = dir->timed ? timed_start(dir) : dir->next_free;
	return next < now ? next : now;
}

/* Deliver the queued frames that are due. Return their number, at most WIRE_BURST. */
static unsigned int
deliver(struct wire_dir *dir, uint64_t now)
{
	const uint64_t until = settled(dir, now);
	unsigned int n = 0, got;
	uint32_t bytes;

	/* Each frame that the source sends may have a duplicate. */
	do {
		got = wire_fault_deliver(&dir->fault, until, dir->stride, dir->mbps == 0, &bytes);
		n += got;
	} while (got != 0 && dir->fault.set != NULL && n < 2 * WIRE_BURST &&
			!time_is_up(dir, got, bytes));
	return n < WIRE_BURST ? n : WIRE_BURST;
}

unsigned int
wire_dir_poll(struct wire_dir *dir, uint64_t now)
{
	unsigned int n = 0, late = 0;

	note_gap(dir, now);
	follow_carrier(dir);
	follow_speed(dir);
	if (__builtin_expect(PEEK(dir->fault.mail) != NULL, 0))
		wire_fault_adopt(&dir->fault);
	dir->check_begin = now;
	dir->check_cost = 0;
	if (!dir->hush || !still_hushed(dir, now))
		n = move(dir, now);
	if (__builtin_expect(dir->fault.set != NULL, 0))
		late = deliver(dir, now);
	flush(dir);
	return n > late ? n : late;
}

void
wire_dir_rest(struct wire_dir *dir)
{
	POST(dir->last_look, 0);
	dir->backlog = false;
}

void
wire_dir_get_stats(const struct wire_dir *dir, uint64_t now, struct wire_stats *stats)
{
	uint64_t last = PEEK(dir->last_look);

	*stats = (struct wire_stats){
		.frames = PEEK(dir->frames),
		.bytes = PEEK(dir->bytes),
		.drops = PEEK(dir->drops),
		.stalled_ns = PEEK(dir->stalled_ns),
		.gaps_over_100us = PEEK(dir->over_100us),
		.gaps_over_1ms = PEEK(dir->over_1ms),
		.gaps_over_10ms = PEEK(dir->over_10ms),
		.longest_gap_ns = PEEK(dir->longest_gap),
		.longest_gap_at = PEEK(dir->longest_gap_at),
	};
	if (dir->sink->drops != NULL)
		stats->drops += dir->sink->drops(dir->sink);
	/* The thread is away right now. (It may have polled after now was read.) */
	if (last != 0 && now > last && now - last > stats->longest_gap_ns) {
		stats->longest_gap_ns = now - last;
		stats->longest_gap_at = now;
	}
}

void
wire_dir_new_interval(struct wire_dir *dir)
{
	/*
	 * The polling thread stores only gaps that are longer than the one it read before. In a
	 * race this store or the reset is the last one. In the first case a gap counts for two
	 * intervals; none is lost.
	 */
	POST(dir->longest_gap, 0);
}
