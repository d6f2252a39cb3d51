/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A wire with faults between fake ends. The sink notes each frame, and each poll asserts that the
 * statistics add up. A frame is its number (8 bytes), then bytes that depend on the number.
 *
 *    rig_next() --> wire.c --> wire_fault.c --> rig_put(): got[]
 */

#ifndef WIRE_FAULT_RIG_H
#define WIRE_FAULT_RIG_H

#include "wire_fakes.h"
#include "wire_fault.h"

#define GOT_MAX 200000
/* The start of consecutive frames of 60 bytes at 1 Gb/s. */
#define SLOT 672

/* A frame as the sink got it. */
struct got {
	uint64_t at;
	uint64_t number;
	uint32_t len, flags;
	uint32_t flips; /* bits behind the number that are not those of the source */
	uint32_t sum;   /* of the bytes behind the number */
};

static struct got got[GOT_MAX];
static unsigned int nr_got;
static unsigned int nr_filled; /* slots of the source that have held a frame */
static struct wire_fault_stats stats;

/* Return byte i of frame n. */
static inline uint8_t
byte_of(uint64_t n, uint32_t i)
{
	return (uint8_t)(n * 31 + i * 7);
}

static inline void
rig_fill(uint8_t *data, uint64_t n, uint32_t len)
{
	memcpy(data, &n, sizeof(n));
	for (uint32_t i = sizeof(n); i < len; i++)
		data[i] = byte_of(n, i);
}

static inline unsigned int
rig_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	uint64_t first = source.given;

	n = fake_next(src, now, frames, n, bytes);
	for (unsigned int i = 0; i < n; i++)
		rig_fill(source.data[i], first + i, source.len);
	nr_filled = n > nr_filled ? n : nr_filled;
	return n;
}

/* Assert that the frames of the source are as it made them. */
static inline void
assert_source_is_unchanged(void)
{
	for (unsigned int i = 0; i < nr_filled; i++) {
		uint64_t n;

		memcpy(&n, source.data[i], sizeof(n));
		assert_in_range(n, 0, source.given);
		for (uint32_t j = sizeof(n); j < source.len; j++)
			assert_int_equal(source.data[i][j], byte_of(n, j));
	}
}

static inline unsigned int
rig_put(struct wire_sink *s, const uint64_t *at, const struct m82576_frame *frames, unsigned int n,
		bool wait)
{
	unsigned int i;

	assert_in_range(n, 1, WIRE_BURST);
	sink.most = n > sink.most ? n : sink.most;
	for (i = 0; i < n; i++) {
		struct got *g = &got[nr_got];

		if (sink.room == 0 && wait)
			break;
		assert_in_range(nr_got, 0, GOT_MAX - 1);
		assert_null(frames[i].rest);
		sink.room--;
		*g = (struct got){ .at = at[i], .len = frames[i].len, .flags = frames[i].flags };
		memcpy(&g->number, frames[i].data, sizeof(g->number));
		for (uint32_t j = sizeof(g->number); j < g->len; j++) {
			g->flips += (uint32_t)__builtin_popcount(
					frames[i].data[j] ^ byte_of(g->number, j));
			g->sum = g->sum * 31 + frames[i].data[j];
		}
		nr_got++;
	}
	return i;
}

/* Create a direction with faults, from a source of frames. Nothing was polled yet. */
static inline struct wire_dir *
faulty(unsigned int mbps, uint32_t len, uint64_t avail, const struct wire_faults *faults)
{
	struct wire_dir *dir = fresh(mbps, len, avail);

	source.src.next = rig_next;
	sink.sink.put = rig_put;
	nr_got = nr_filled = 0;
	assert_int_equal(wire_dir_set_faults(dir, faults), 0);
	return dir;
}

/* Poll once, and assert that the statistics add up. Return the number of frames. */
static inline unsigned int
poll_once(struct wire_dir *dir, uint64_t now)
{
	unsigned int n = wire_dir_poll(dir, now);

	assert_in_range(n, 0, WIRE_BURST);
	wire_dir_get_fault_stats(dir, &stats);
	assert_int_equal(stats.frames + stats.duplicated,
			stats.delivered + stats.lost + stats.queue_full + stats.queued);
	return n;
}

/* Poll until nothing moves. */
static inline void
poll_at(struct wire_dir *dir, uint64_t now)
{
	while (poll_once(dir, now) != 0)
		;
}

/* Poll every "step" ns, from T0 + from to T0 + to. */
static inline void
poll_from_to(struct wire_dir *dir, uint64_t from, uint64_t to, uint64_t step)
{
	for (; from < to; from += step)
		poll_at(dir, T0 + from);
	poll_at(dir, T0 + to);
}

/* Send frames of 60 bytes at 1 Gb/s, and poll for ns more. */
static inline struct wire_dir *
sent(uint64_t frames, const struct wire_faults *faults, uint64_t more)
{
	struct wire_dir *dir = faulty(1000, 60, frames, faults);

	poll_from_to(dir, 0, frames * SLOT + more, 20 * US);
	assert_source_is_unchanged();
	assert_int_equal(source.avail, 0);
	return dir;
}

#endif /* WIRE_FAULT_RIG_H */
