/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Fake ends of a wire. A wire direction (struct wire_dir) takes frames from a source when its clock
 * permits, and puts them into a sink. Here both ends are fakes, and each test passes the time to
 * wire_dir_poll().
 *
 *    fake_source                struct wire_dir                 fake_sink
 *    avail, len  --next()-->    speed, lag, statistics --put()--> room, got, in_order
 *    paused      <--pause()--   time: the test's "now"
 */

#ifndef WIRE_FAKES_H
#define WIRE_FAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire.h"

#define US  1000ULL
#define MS  1000000ULL
#define SEC 1000000000ULL
/* Not 0: the first time must not count as a gap for a wire that has not read a clock yet. */
#define T0 (1000 * SEC)

/* A source with a number of frames that the test sets. Each frame holds its number. */
struct fake_source {
	struct wire_source src;
	uint64_t avail; /* frames that wait */
	uint64_t given;
	uint64_t per_flush; /* frames between two flushes; 0: no limit */
	uint64_t since_flush;
	uint32_t len;
	uint64_t flushes;
	uint64_t starts;
	bool paused, closed;
	uint32_t carrier, able;
	unsigned int speed;
	uint8_t data[WIRE_BURST][WIRE_FRAME_MAX];
};

/* A sink with room for a number of frames that the test sets. */
struct fake_sink {
	struct wire_sink sink;
	uint64_t room;
	uint64_t got, refused, waits;
	uint64_t first_at, last_at;
	uint64_t number;   /* number of the last frame */
	unsigned int most; /* frames that came at once, at most */
	uint32_t last_len;
	bool in_order;
	bool ears;
	uint64_t busy_at;
	uint64_t lost_inside;
	uint64_t flushes;
	char carrier[16]; /* u, d and p: carrier up, carrier down, partner, as they arrived */
	uint32_t partner;
	unsigned int speed;
	bool closed;
};

static struct fake_source source;
static struct fake_sink sink;

static inline unsigned int
fake_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	struct fake_source *s = (struct fake_source *)src;
	uint64_t sum = 0;
	unsigned int i;

	assert_in_range(n, 1, WIRE_BURST);
	for (i = 0; i < n && sum <= bytes; i++) {
		if (s->avail == 0 || (s->per_flush != 0 && s->since_flush == s->per_flush))
			break;
		s->avail--;
		s->since_flush++;
		memcpy(s->data[i], &s->given, sizeof(s->given));
		s->given++;
		frames[i] = (struct m82576_frame){ .data = s->data[i], .len = s->len };
		sum += m82576_wire_bytes(s->len);
	}
	return i;
}

static inline bool
fake_pending(struct wire_source *src)
{
	return ((struct fake_source *)src)->avail != 0;
}

static inline void
fake_flush_src(struct wire_source *src)
{
	((struct fake_source *)src)->flushes++;
	((struct fake_source *)src)->since_flush = 0;
}

static inline void
fake_pause(struct wire_source *src, bool paused)
{
	struct fake_source *s = (struct fake_source *)src;

	assert_int_not_equal(s->paused, paused);
	s->paused = paused;
}

static inline uint32_t
fake_carrier(struct wire_source *src)
{
	return ((struct fake_source *)src)->carrier;
}

static inline void
fake_far_carrier(struct wire_sink *sink, bool up)
{
	strcat(((struct fake_sink *)sink)->carrier, up ? "u" : "d");
}

static inline uint32_t
fake_ability(struct wire_source *src)
{
	return ((struct fake_source *)src)->able;
}

static inline void
fake_partner(struct wire_sink *sink, uint32_t able)
{
	((struct fake_sink *)sink)->partner = able;
	strcat(((struct fake_sink *)sink)->carrier, "p");
}

static inline unsigned int
fake_speed_out(const struct wire_source *src)
{
	return ((const struct fake_source *)src)->speed;
}

static inline unsigned int
fake_speed_in(const struct wire_sink *sink)
{
	return ((const struct fake_sink *)sink)->speed;
}

static inline void
fake_close_src(struct wire_source *src)
{
	((struct fake_source *)src)->closed = true;
}

static inline unsigned int
fake_put(struct wire_sink *sink, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	struct fake_sink *s = (struct fake_sink *)sink;
	uint64_t number;
	unsigned int i;

	s->most = n > s->most ? n : s->most;
	for (i = 0; i < n; i++) {
		if (s->room == 0 && wait) {
			s->waits++;
			break;
		}
		if (s->room == 0) {
			s->refused++;
			continue;
		}
		s->room--;
		memcpy(&number, frames[i].data, sizeof(number));
		if (s->got != 0 && number <= s->number)
			s->in_order = false;
		s->number = number;
		if (s->got++ == 0)
			s->first_at = at[i];
		s->last_at = at[i];
		s->last_len = frames[i].len;
	}
	return i;
}

static inline void
fake_flush_sink(struct wire_sink *sink)
{
	((struct fake_sink *)sink)->flushes++;
}

static inline bool
fake_listening(struct wire_sink *sink)
{
	return ((struct fake_sink *)sink)->ears;
}

static inline void
fake_start(struct wire_source *src, struct wire_sink *to)
{
	((struct fake_source *)src)->starts++;
	assert_ptr_equal(to, &sink.sink);
}

static inline uint64_t
fake_busy_at(struct wire_sink *sink)
{
	return ((struct fake_sink *)sink)->busy_at;
}

static inline uint64_t
fake_drops(const struct wire_sink *sink)
{
	const struct fake_sink *s = (const struct fake_sink *)sink;

	return s->refused + s->lost_inside;
}

static inline void
fake_close_sink(struct wire_sink *sink)
{
	((struct fake_sink *)sink)->closed = true;
}

/**
 * Create a direction between two fakes. The sink has room for everything.
 *
 * @param mbps    speed of the wire, Mb/s; 0: without a clock
 * @param len     length of each frame, bytes without FCS
 * @param avail   number of frames that wait
 *
 * @return the direction; the caller frees it
 */
static inline struct wire_dir *
fresh(unsigned int mbps, uint32_t len, uint64_t avail)
{
	struct wire_dir *dir;

	memset(&source, 0, sizeof(source));
	memset(&sink, 0, sizeof(sink));
	source.src.next = fake_next;
	source.src.pending = fake_pending;
	source.src.flush = fake_flush_src;
	source.src.pause = fake_pause;
	source.src.close = fake_close_src;
	source.avail = avail;
	source.len = len;
	sink.sink.put = fake_put;
	sink.sink.flush = fake_flush_sink;
	sink.sink.drops = fake_drops;
	sink.sink.listening = fake_listening;
	sink.sink.close = fake_close_sink;
	sink.room = UINT64_MAX;
	sink.in_order = true;
	dir = wire_dir_new(&source.src, &sink.sink, mbps);
	assert_non_null(dir);
	return dir;
}

/**
 * Poll until the wire has caught up with now.
 *
 * @return the number of frames that it moved
 */
static inline uint64_t
drain(struct wire_dir *dir, uint64_t now)
{
	unsigned int n;
	uint64_t sum = 0;

	do {
		n = wire_dir_poll(dir, now);
		assert_true(n <= WIRE_BURST);
		sum += n;
	} while (n == WIRE_BURST);
	return sum;
}

#endif /* WIRE_FAKES_H */
