/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * wire=pcap:IN[:OUT]: the cable leads to a capture that is replayed, and to one that is recorded.
 *
 * The replay begins when the direction permits it (wire.c), goes through the file once at the
 * wire's rate, and then the partner sends nothing more. The polling thread reads the file as it
 * goes, through the reader's buffer and the page cache. A truncated file is detected when it is
 * opened: it is read once from end to end, or up to CHECK_BYTES.
 *
 * A record is not always a frame. The replay omits records that are no Ethernet, shorter than an
 * Ethernet header or longer than a wire carries. It pads with zeros what was cut when captured, and
 * strips the FCS. It counts each of these.
 *
 * A recording keeps the time at which each frame was on the wire, by the wire's own clock: the
 * stamps of frames that went back to back are exactly one frame time apart, whenever the polling
 * thread served them.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "capture.h"
#include "wire.h"

#define ETHERNET_HEADER 14
#define ETHERNET_FCS    4
/* About a second of work, in decompressed bytes. The replay itself detects errors behind that. */
#define CHECK_BYTES    (1ULL << 30)
#define LEFT_OUT_BURST 64

/* Captures that could not be read to the end, or written. */
static unsigned int failures;

#define COUNT(r, what) __atomic_store_n(&(r)->stats.what, (r)->stats.what + 1, __ATOMIC_RELAXED)

struct replay {
	struct wire_source src;
	struct capture *capture;
	bool done;
	char *path;
	/* Written by the polling thread, read by others: relaxed atomics. */
	struct wire_replay_stats stats;
	struct wire_sink *sink; /* set at the start by a release store */
	uint64_t filtered_base;
};

struct record {
	struct wire_sink sink;
	struct capture_writer *writer;
	bool failed;
	uint64_t drops;       /* the polling thread writes it, any thread reads it */
	uint64_t to_realtime; /* monotonic time + this = real time, ns */
	char *path;
};

static void
fail(void)
{
	__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
}

unsigned int
wire_pcap_failures(void)
{
	return __atomic_load_n(&failures, __ATOMIC_RELAXED);
}

/*
 * Replay.
 */

static bool
fcs_is_wrong(const uint8_t *data, uint32_t len)
{
	uint32_t fcs = crc32(0, data, len - ETHERNET_FCS);
	uint8_t bytes[ETHERNET_FCS] = { fcs, fcs >> 8, fcs >> 16, fcs >> 24 };

	return memcmp(data + len - ETHERNET_FCS, bytes, sizeof(bytes)) != 0;
}

/*
 * Make a frame of a record.
 *
 * @return false: the record is omitted, and counted
 */
static bool
to_frame(struct replay *r, const struct capture_record *c, struct m82576_frame *frame)
{
	/* Bytes captured beyond the packet's end are padding by the capturing program. */
	uint32_t captured = c->caplen < c->len ? c->caplen : c->len;
	uint32_t len = c->len > c->fcs_len ? c->len - c->fcs_len : 0;

	if (c->link_type != CAPTURE_ETHERNET) {
		COUNT(r, not_ethernet);
		return false;
	}
	if (len < ETHERNET_HEADER || captured < ETHERNET_HEADER) {
		COUNT(r, too_short);
		return false;
	}
	if (len > WIRE_FRAME_MAX) {
		COUNT(r, too_long);
		return false;
	}
	*frame = (struct m82576_frame){ .data = c->data, .len = len };
	if (c->errored ||
			(c->fcs_len == ETHERNET_FCS && captured == c->len &&
					fcs_is_wrong(c->data, captured))) {
		COUNT(r, bad_fcs);
		frame->flags = M82576_FRAME_BAD_FCS;
	}
	if (captured < len) {
		COUNT(r, filled);
		memset(c->data + captured, 0, len - captured);
	}
	COUNT(r, frames);
	return true;
}

static void
replay_ends(struct replay *r)
{
	struct wire_replay_stats s;

	r->done = true;
	__atomic_store_n(&r->stats.ended, true, __ATOMIC_RELAXED);
	wire_pcap_get_stats(&r->src, &s);
	if (s.not_ethernet + s.too_short + s.too_long != 0)
		fprintf(stderr,
				"gantry: capture %s: %llu records are left out: %llu not Ethernet, "
				"%llu shorter than %d bytes, %llu longer than %d bytes\n",
				r->path,
				(unsigned long long)(s.not_ethernet + s.too_short + s.too_long),
				(unsigned long long)s.not_ethernet, (unsigned long long)s.too_short,
				ETHERNET_HEADER, (unsigned long long)s.too_long, WIRE_FRAME_MAX);
	if (s.filtered != 0)
		fprintf(stderr,
				"gantry: capture %s: the port's filters refused %llu of %llu "
				"frames: they are for other addresses or VLANs: make the "
				"application set promiscuous mode, or give the port their address "
				"with mac=\n",
				r->path, (unsigned long long)s.filtered,
				(unsigned long long)s.frames);
}

/*
 * Return the next frame: the capture has memory for one. At most LEFT_OUT_BURST records are omitted
 * in one call, because the polling thread has other ports to serve.
 */
static unsigned int
replay_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	struct replay *r = (struct replay *)src;
	struct capture_record record;
	unsigned int i;
	int ret;

	for (i = 0; i < LEFT_OUT_BURST && !r->done; i++) {
		ret = capture_next(r->capture, &record);
		if (ret == 1 && to_frame(r, &record, frames))
			return 1;
		if (ret > 0)
			continue;
		if (ret != 0) {
			fail();
			__atomic_store_n(&r->stats.broken, true, __ATOMIC_RELAXED);
			fprintf(stderr,
					"gantry: capture %s: %s: the replay ends early: repair the "
					"file\n",
					r->path, capture_error(r->capture));
		}
		replay_ends(r);
	}
	return 0;
}

static bool
replay_pending(struct wire_source *src)
{
	return !((struct replay *)src)->done;
}

static void
replay_start(struct wire_source *src, struct wire_sink *sink)
{
	struct replay *r = (struct replay *)src;

	if (sink->filtered != NULL)
		r->filtered_base = sink->filtered(sink);
	__atomic_store_n(&r->sink, sink, __ATOMIC_RELEASE);
}

static void
replay_close(struct wire_source *src)
{
	struct replay *r = (struct replay *)src;

	capture_close(r->capture);
	free(r->path);
	free(r);
}

void
wire_pcap_get_stats(const struct wire_source *src, struct wire_replay_stats *stats)
{
	const struct replay *r = (const struct replay *)src;
	const struct wire_sink *sink = __atomic_load_n(&r->sink, __ATOMIC_ACQUIRE);

#define LOAD(what) .what = __atomic_load_n(&r->stats.what, __ATOMIC_RELAXED)
	*stats = (struct wire_replay_stats){
		LOAD(frames),
		LOAD(not_ethernet),
		LOAD(too_short),
		LOAD(too_long),
		LOAD(filled),
		LOAD(bad_fcs),
		LOAD(ended),
		LOAD(broken),
	};
#undef LOAD
	stats->started = sink != NULL;
	if (sink != NULL && sink->filtered != NULL)
		stats->filtered = sink->filtered(sink) - r->filtered_base;
}

/* Read the file once before the replay relies on it. */
static int
check(struct replay *r, char *err)
{
	struct capture_record record;
	uint64_t ethernet = 0;
	int64_t of_all = capture_link_type(r->capture);
	uint32_t other = of_all >= 0 ? of_all : CAPTURE_ETHERNET;
	int ret;

	do {
		ret = capture_next(r->capture, &record);
		if (ret == CAPTURE_AGAIN)
			continue;
		if (ret != 1)
			break;
		ethernet += record.link_type == CAPTURE_ETHERNET;
		if (record.link_type != CAPTURE_ETHERNET)
			other = record.link_type;
	} while (capture_offset(r->capture) < CHECK_BYTES);
	/* An empty pcapng file names no link type, or any number of them. */
	if (ret == 0 && ethernet == 0 && other != CAPTURE_ETHERNET) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: holds no Ethernet frames (link type %u)",
				r->path, other);
		return -EINVAL;
	}
	if (ret >= 0)
		ret = capture_rewind(r->capture);
	if (ret != 0)
		snprintf(err, WIRE_ERR_LEN, "capture %s: %s%s", r->path, capture_error(r->capture),
				ret == -ENOMEM ? "" : ": repair the file");
	return ret;
}

int
wire_pcap_open_source(const char *path, struct wire_source **src, char *err)
{
	struct replay *r = calloc(1, sizeof(*r));
	char why[WIRE_ERR_LEN];
	int ret;

	if (r == NULL || (r->path = strdup(path)) == NULL) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: out of memory", path);
		free(r);
		return -ENOMEM;
	}
	ret = capture_open(path, &r->capture, why, sizeof(why));
	if (ret != 0)
		snprintf(err, WIRE_ERR_LEN, "capture %s: %.200s", path, why);
	else
		ret = check(r, err);
	if (ret != 0) {
		replay_close(&r->src);
		return ret;
	}
	r->src.next = replay_next;
	r->src.pending = replay_pending;
	r->src.start = replay_start;
	r->src.close = replay_close;
	r->src.patient = true;
	*src = &r->src;
	return 0;
}

/*
 * Record.
 */

/* Report once that the file could not be written. Later frames count as dropped. */
static void
record_check(struct record *r, bool good)
{
	if (r->failed || good)
		return;
	r->failed = true;
	fail();
	fprintf(stderr, "gantry: capture %s: cannot be written (disk full?); it is incomplete\n",
			r->path);
}

static unsigned int
record_put(struct wire_sink *sink, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	struct record *r = (struct record *)sink;
	unsigned int i;

	for (i = 0; i < n; i++) {
		const struct m82576_frame *frame = &frames[i];

		if (frame->flags & M82576_FRAME_BAD_FCS)
			continue; /* the partner's MAC drops it */
		if (r->failed)
			__atomic_store_n(&r->drops, r->drops + 1, __ATOMIC_RELAXED);
		else
			record_check(r,
					capture_write(r->writer, at[i] + r->to_realtime,
							frame->data, frame->len));
	}
	return n;
}

static uint64_t
record_drops(const struct wire_sink *sink)
{
	return __atomic_load_n(&((const struct record *)sink)->drops, __ATOMIC_RELAXED);
}

static void
record_close(struct wire_sink *sink)
{
	struct record *r = (struct record *)sink;

	if (r->writer != NULL)
		record_check(r, capture_finish(r->writer));
	free(r->path);
	free(r);
}

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int
wire_pcap_open_sink(const char *path, struct wire_sink **sink, char *err)
{
	struct record *r = calloc(1, sizeof(*r));
	char why[WIRE_ERR_LEN];
	int ret;

	if (r == NULL || (r->path = strdup(path)) == NULL) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: out of memory", path);
		free(r);
		return -ENOMEM;
	}
	ret = capture_create(path, &r->writer, why, sizeof(why));
	if (ret != 0) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: %.200s", path, why);
		record_close(&r->sink);
		return ret;
	}
	r->to_realtime = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	r->sink.put = record_put;
	r->sink.drops = record_drops;
	r->sink.close = record_close;
	*sink = &r->sink;
	return 0;
}
