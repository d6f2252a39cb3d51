/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Wires: the clock, with time made up; captures, with files. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#include "wire.h"

#define US 1000ULL
#define MS 1000000ULL
#define SEC 1000000000ULL
/* Not 0: a wire that never looked at a clock must not take the first time for a gap. */
#define T0 (1000 * SEC)

static char err[WIRE_ERR_LEN];

/* A source that has as many frames as it is told, numbered. */
struct fake_source {
	struct wire_source src;
	uint64_t avail;         /* frames waiting */
	uint64_t given;
	uint32_t len;
	uint64_t flushes;
	bool paused, closed;
	uint8_t data[WIRE_FRAME_MAX];
};

/* A sink with room for as many frames as it is told. */
struct fake_sink {
	struct wire_sink sink;
	uint64_t room;
	uint64_t got, refused, waits;
	uint64_t first_at, last_at;
	uint64_t number;        /* of the last frame */
	uint32_t last_len;
	bool in_order;
	bool ears;
	uint64_t lost_inside;
	uint64_t flushes;
	bool closed;
};

static int
fake_next(struct wire_source *src, uint64_t now, struct igb_frame *frame)
{
	struct fake_source *s = (struct fake_source *)src;

	if (s->avail == 0)
		return 0;
	s->avail--;
	memcpy(s->data, &s->given, sizeof(s->given));
	s->given++;
	frame->data = s->data;
	frame->len = s->len;
	frame->flags = 0;
	return 1;
}

static bool
fake_pending(struct wire_source *src)
{
	return ((struct fake_source *)src)->avail != 0;
}

static void
fake_flush_src(struct wire_source *src)
{
	((struct fake_source *)src)->flushes++;
}

static void
fake_pause(struct wire_source *src, bool paused)
{
	struct fake_source *s = (struct fake_source *)src;

	assert_int_not_equal(s->paused, paused);
	s->paused = paused;
}

static void
fake_close_src(struct wire_source *src)
{
	((struct fake_source *)src)->closed = true;
}

static enum wire_put
fake_put(struct wire_sink *sink, uint64_t at, const struct igb_frame *frame, bool wait)
{
	struct fake_sink *s = (struct fake_sink *)sink;
	uint64_t number;

	if (s->room == 0) {
		s->refused += !wait;
		s->waits += wait;
		return wait ? WIRE_PUT_WAIT : WIRE_PUT_DROPPED;
	}
	s->room--;
	memcpy(&number, frame->data, sizeof(number));
	if (s->got != 0 && number <= s->number)
		s->in_order = false;
	s->number = number;
	if (s->got++ == 0)
		s->first_at = at;
	s->last_at = at;
	s->last_len = frame->len;
	return WIRE_PUT_TAKEN;
}

static void
fake_flush_sink(struct wire_sink *sink)
{
	((struct fake_sink *)sink)->flushes++;
}

static bool
fake_listening(struct wire_sink *sink)
{
	return ((struct fake_sink *)sink)->ears;
}

static uint64_t
fake_drops(const struct wire_sink *sink)
{
	return ((const struct fake_sink *)sink)->lost_inside;
}

static void
fake_close_sink(struct wire_sink *sink)
{
	((struct fake_sink *)sink)->closed = true;
}

static struct fake_source source;
static struct fake_sink sink;

/* A direction between two fakes; the sink has room for everything. */
static struct wire_dir *
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

/* Polls until the wire has caught up with now. */
static uint64_t
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

/*
 * Frames that start within [0, ns] on a wire that is always busy: the k-th one
 * (from 0) starts at k * bits / (mbps * 1e-3 bits per ns).
 */
static uint64_t
exact(unsigned int mbps, uint32_t len, uint64_t ns)
{
	uint64_t bits = (uint64_t)(len + 24) * 8;

	/* The direction knows whole nanoseconds, as the clock does: start < ns + 1. */
	return ((ns + 1) * mbps - 1) / (bits * 1000) + 1;
}

static void
rate(unsigned int mbps, uint32_t size, uint64_t ns, uint64_t step)
{
	uint32_t len = size - 4; /* sizes are told with FCS */
	struct wire_dir *dir = fresh(mbps, len, UINT64_MAX);
	struct wire_stats stats;
	uint64_t t, want = exact(mbps, len, ns);

	for (t = 0; t < ns; t += step)
		drain(dir, T0 + t);
	drain(dir, T0 + ns);
	if (sink.got != want)
		fail_msg("%u Mb/s, %u bytes, %llu ns: %llu frames, not %llu", mbps, size,
				(unsigned long long)ns, (unsigned long long)sink.got,
				(unsigned long long)want);
	wire_dir_get_stats(dir, T0 + ns, &stats);
	assert_int_equal(stats.frames, want);
	assert_int_equal(stats.bytes, want * len);
	assert_int_equal(stats.drops, 0);
	assert_int_equal(stats.stalled_ns, 0);
	assert_true(sink.in_order);
	wire_dir_free(dir);
	assert_true(source.closed);
	assert_true(sink.closed);
}

/* Every size at every speed; one second where that is not too much for a unit test. */
static void
test_rate(void **state)
{
	static const unsigned int rfc2544[] = { 64, 128, 256, 512, 1024, 1280, 1518 };
	uint32_t size;
	size_t i;

	for (size = 64; size <= 1518; size++) {
		rate(10, size, SEC, 190 * US);
		rate(100, size, SEC, 190 * US);
		rate(1000, size, SEC, 100003);
		rate(2500, size, 10 * MS, 100003);
		rate(10000, size, 5 * MS, 10007);
		rate(25000, size, 2 * MS, 10007);
		rate(997, size, 10 * MS, 10007); /* divides nothing */
	}
	for (i = 0; i < sizeof(rfc2544) / sizeof(rfc2544[0]); i++)
		rate(1000, rfc2544[i], SEC, 100003);
	rate(1000, 9018, SEC, 100003);

	/* The number everybody knows; the first frame of the next second starts on its dot. */
	assert_int_equal(exact(1000, 60, SEC - 1), 1488096);
	assert_int_equal(SEC / 672, 1488095);
}

/* However coarsely and unevenly one polls, up to the lag allowed. */
static void
test_rate_whatever_the_polling(void **state)
{
	static const uint64_t steps[] = { 1, 671, 672, 673, 5000, 100 * US, 190 * US,
		WIRE_LAG_NS };
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		rate(1000, 64, steps[i] < 1000 ? MS : 100 * MS, steps[i]);
}

/* A wire that was idle sends one frame, and the next one after that one's time. */
static void
test_no_credit_after_idle(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 1);
	uint64_t t = T0;

	assert_int_equal(drain(dir, t), 1);
	assert_int_equal(drain(dir, t + 672), 0);
	t += 3 * SEC; /* somebody polls, nobody sends */
	assert_int_equal(drain(dir, t), 0);
	t += 5 * MS;  /* nobody polls; then a thousand frames are there */
	source.avail = 1000;
	assert_int_equal(drain(dir, t), 1);
	assert_int_equal(sink.last_at, t);
	assert_int_equal(drain(dir, t + 671), 0);
	assert_int_equal(drain(dir, t + 672), 1);
	assert_int_equal(sink.last_at, t + 672);
	/* From here on there is a backlog, and being away (not for too long) costs nothing. */
	assert_int_equal(drain(dir, t + 672 * 250), 249);
	assert_int_equal(sink.last_at, t + 672 * 250);
	wire_dir_free(dir);
}

/* Frames that come while the wire is busy go back to back, though nobody looked when it was free. */
static void
test_backlog_known_while_busy(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 1);

	assert_int_equal(drain(dir, T0), 1);
	source.avail = 10;
	assert_int_equal(drain(dir, T0 + 300), 0);      /* busy; saw them */
	assert_int_equal(drain(dir, T0 + 672 * 5), 5);
	assert_int_equal(sink.first_at, T0);
	assert_int_equal(sink.last_at, T0 + 672 * 5);
	wire_dir_free(dir);

	/* Not seen: they start when they are known. */
	dir = fresh(1000, 60, 1);
	assert_int_equal(drain(dir, T0), 1);
	assert_int_equal(drain(dir, T0 + 300), 0);
	source.avail = 10;
	assert_int_equal(drain(dir, T0 + 672 * 5), 1);
	assert_int_equal(sink.last_at, T0 + 672 * 5);
	wire_dir_free(dir);
}

/* Away for longer than the lag: wire time is lost, and counted to the nanosecond. */
static void
test_lag(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, UINT64_MAX);
	struct wire_stats stats;
	uint64_t away = 25 * MS;

	assert_int_equal(drain(dir, T0), 1);
	drain(dir, T0 + 672 + away);
	wire_dir_get_stats(dir, T0 + 672 + away, &stats);
	assert_int_equal(stats.stalled_ns, away - WIRE_LAG_NS);
	assert_int_equal(stats.frames, 1 + WIRE_LAG_NS / 672 + 1);
	assert_int_equal(stats.longest_gap_ns, 672 + away);
	wire_dir_free(dir);

	/* A limit of one's own. */
	dir = fresh(1000, 60, UINT64_MAX);
	wire_dir_set_lag(dir, 10 * MS);
	drain(dir, T0);
	drain(dir, T0 + 672 + away);
	wire_dir_get_stats(dir, T0 + 672 + away, &stats);
	assert_int_equal(stats.stalled_ns, away - 10 * MS);
	assert_int_equal(stats.frames, 1 + 10 * MS / 672 + 1);
	wire_dir_free(dir);

	/* With nothing to send, nothing is lost. */
	dir = fresh(1000, 60, 0);
	drain(dir, T0);
	drain(dir, T0 + away);
	wire_dir_get_stats(dir, T0 + away, &stats);
	assert_int_equal(stats.stalled_ns, 0);
	wire_dir_free(dir);
}

/* A sink without room: the frame was on the wire all the same. */
static void
test_drops(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, UINT64_MAX);
	struct wire_stats stats;

	sink.room = 100;
	drain(dir, T0);
	drain(dir, T0 + 672 * 249);
	wire_dir_get_stats(dir, T0 + 672 * 249, &stats);
	assert_int_equal(stats.frames, 250);
	assert_int_equal(stats.drops, 150);
	assert_int_equal(sink.got, 100);
	assert_int_equal(sink.refused, 150);
	assert_int_equal(sink.waits, 0);

	sink.lost_inside = 7;
	wire_dir_get_stats(dir, T0 + 672 * 249, &stats);
	assert_int_equal(stats.drops, 157);
	wire_dir_free(dir);
}

/* speed=max: no clock, no loss; the frame that was refused comes first. */
static void
test_max_waits(void **state)
{
	struct wire_dir *dir = fresh(0, 60, 1000);
	struct wire_stats stats;

	sink.room = 40;
	assert_int_equal(wire_dir_poll(dir, T0), WIRE_BURST);
	assert_int_equal(wire_dir_poll(dir, T0), 40 - WIRE_BURST);
	assert_int_equal(wire_dir_poll(dir, T0), 0);
	assert_int_equal(source.given, 41); /* one is kept */
	assert_true(source.paused);
	memset(source.data, 0xEE, sizeof(source.data)); /* the source may reuse its memory */
	sink.room = 1;
	assert_int_equal(wire_dir_poll(dir, T0), 1);
	assert_int_equal(sink.number, 40);
	sink.room = UINT64_MAX;
	assert_int_equal(drain(dir, T0), 1000 - 41);
	assert_false(source.paused);
	assert_int_equal(sink.number, 999);
	assert_true(sink.in_order);
	wire_dir_get_stats(dir, T0, &stats);
	assert_int_equal(stats.frames, 1000);
	assert_int_equal(stats.bytes, 60000);
	assert_int_equal(stats.drops, 0);
	assert_true(sink.waits > 0);
	wire_dir_free(dir);

	/* As long as a frame may be. */
	dir = fresh(0, WIRE_FRAME_MAX, 2);
	sink.room = 1;
	assert_int_equal(wire_dir_poll(dir, T0), 1);
	sink.room = 1;
	assert_int_equal(wire_dir_poll(dir, T0), 1);
	assert_int_equal(sink.last_len, WIRE_FRAME_MAX);
	wire_dir_free(dir);
}

static void
test_padding(void **state)
{
	struct wire_dir *dir = fresh(1000, 14, 2);

	drain(dir, T0);
	drain(dir, T0 + 671);
	assert_int_equal(sink.got, 1);
	drain(dir, T0 + 672);
	assert_int_equal(sink.got, 2);
	assert_int_equal(sink.last_len, 60);
	wire_dir_free(dir);
}

static void
test_gaps(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 0);
	struct wire_stats stats;
	uint64_t t = T0;

	wire_dir_poll(dir, t);
	wire_dir_poll(dir, t += 100000);   /* 100 us exactly: not over */
	wire_dir_poll(dir, t += 100001);
	wire_dir_poll(dir, t += 2 * MS);
	wire_dir_poll(dir, t += 11 * MS);
	wire_dir_poll(dir, t += 10);
	wire_dir_get_stats(dir, t, &stats);
	assert_int_equal(stats.gaps_over_100us, 3);
	assert_int_equal(stats.gaps_over_1ms, 2);
	assert_int_equal(stats.gaps_over_10ms, 1);
	assert_int_equal(stats.longest_gap_ns, 11 * MS);
	assert_int_equal(stats.longest_gap_at, t - 10);

	wire_dir_new_interval(dir);
	wire_dir_poll(dir, t += 500);
	wire_dir_get_stats(dir, t, &stats);
	assert_int_equal(stats.longest_gap_ns, 500);
	assert_int_equal(stats.gaps_over_10ms, 1);
	/* One that has not ended yet. */
	wire_dir_get_stats(dir, t + 30 * MS, &stats);
	assert_int_equal(stats.longest_gap_ns, 30 * MS);
	/* A rest is none. */
	wire_dir_rest(dir);
	wire_dir_poll(dir, t += SEC);
	wire_dir_get_stats(dir, t, &stats);
	assert_int_equal(stats.longest_gap_ns, 500);
	assert_int_equal(source.flushes, 8);
	assert_int_equal(sink.flushes, 8);
	wire_dir_free(dir);
}

static void
test_patience(void **state)
{
	struct wire_dir *dir = fresh(1000, 60, 10);
	uint64_t t;

	wire_dir_free(dir);
	source.src.patient = true;
	dir = wire_dir_new(&source.src, &sink.sink, 1000);
	for (t = 0; t < SEC; t += MS)
		assert_int_equal(wire_dir_poll(dir, T0 + t), 0);
	sink.ears = true;
	for (; t < SEC + 50 * MS; t += 1000)
		wire_dir_poll(dir, T0 + t);
	assert_int_equal(sink.got, 10);
	assert_int_equal(sink.last_at - sink.first_at, 9 * 672);
	sink.ears = false; /* once started it goes on */
	source.avail = 5;
	for (; t < 2 * SEC; t += MS)
		wire_dir_poll(dir, T0 + t);
	assert_int_equal(sink.got, 15);
	wire_dir_free(dir);
}

static void
test_null(void **state)
{
	struct wire_dir *dir;
	struct wire_sink *null;
	struct wire_stats stats;

	wire_dir_free(fresh(0, 0, 0));
	assert_int_equal(wire_null_open(&null, err), 0);
	source.avail = 5;
	source.len = 60;
	dir = wire_dir_new(&source.src, null, 0);
	assert_int_equal(wire_dir_poll(dir, T0), 5);
	wire_dir_get_stats(dir, T0, &stats);
	assert_int_equal(stats.drops, 0);
	wire_dir_free(dir);
}

/* What is recorded comes back, with the wire's own times. */
static void
test_pcap(void **state)
{
	char path[] = "/tmp/test_wire_XXXXXX";
	char pcap_err[PCAP_ERRBUF_SIZE];
	struct wire_source *replay;
	struct wire_sink *record;
	struct pcap_pkthdr *hdr;
	const u_char *data;
	struct wire_dir *dir;
	uint64_t last = 0, t, number = 0;
	pcap_t *pcap;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);

	wire_dir_free(fresh(0, 0, 0));
	assert_int_equal(wire_pcap_open_sink(path, &record, err), 0);
	source.avail = 100;
	source.len = 124;
	dir = wire_dir_new(&source.src, record, 1000);
	for (t = 0; t <= MS; t += 100 * US)
		drain(dir, T0 + t);
	wire_dir_free(dir);

	pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, pcap_err);
	assert_non_null(pcap);
	while (pcap_next_ex(pcap, &hdr, &data) == 1) {
		t = hdr->ts.tv_sec * SEC + hdr->ts.tv_usec;
		assert_int_equal(hdr->len, 124);
		assert_int_equal(hdr->caplen, 124);
		assert_memory_equal(data, &number, sizeof(number));
		if (number++ != 0)
			assert_int_equal(t - last, 148 * 8);
		last = t;
	}
	assert_int_equal(number, 100);
	pcap_close(pcap);

	wire_dir_free(fresh(0, 0, 0));
	sink.sink.listening = NULL; /* always */
	assert_int_equal(wire_pcap_open_source(path, &replay, err), 0);
	dir = wire_dir_new(replay, &sink.sink, 0);
	assert_int_equal(drain(dir, T0), 100);
	assert_int_equal(sink.got, 100);
	assert_int_equal(sink.number, 99);
	assert_int_equal(sink.last_len, 124);
	assert_true(sink.in_order);
	assert_int_equal(drain(dir, T0), 0);
	wire_dir_free(dir);
	unlink(path);
}

/* A file of some bytes. */
static void
write_file(const char *path, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static void
test_pcap_bad(void **state)
{
	/* Header, link type 1; a frame of 100 bytes of which 20 were kept; one cut by the file's end. */
	uint8_t bytes[24 + 16 + 20 + 16 + 10] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, [18] = 1,
		[20] = 1, [32] = 20, [36] = 100, [40] = 0xAA, [68] = 60, [72] = 60 };
	char path[] = "/tmp/test_wire_XXXXXX";
	struct wire_source *replay;
	struct wire_sink *record;
	struct wire_dir *dir;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	write_file(path, bytes, sizeof(bytes));
	wire_dir_free(fresh(0, 0, 0));
	sink.sink.listening = NULL;
	assert_int_equal(wire_pcap_open_source(path, &replay, err), 0);
	dir = wire_dir_new(replay, &sink.sink, 0);
	assert_int_equal(drain(dir, T0), 1); /* and a line about the second */
	assert_int_equal(sink.last_len, 100);
	wire_dir_free(dir);

	bytes[20] = 101; /* raw IP */
	write_file(path, bytes, sizeof(bytes));
	assert_true(wire_pcap_open_source(path, &replay, err) < 0);
	assert_non_null(strstr(err, "no Ethernet"));
	write_file(path, "hello", 5);
	assert_true(wire_pcap_open_source(path, &replay, err) < 0);
	assert_non_null(strstr(err, path));
	unlink(path);
	assert_true(wire_pcap_open_source(path, &replay, err) < 0);
	assert_non_null(strstr(err, "No such file"));
	assert_true(wire_pcap_open_source("/tmp", &replay, err) < 0);
	assert_non_null(strstr(err, "regular"));
	assert_true(wire_pcap_open_sink("/nonexistent/x", &record, err) < 0);
	assert_non_null(strstr(err, "No such file"));
	assert_true(wire_pcap_open_sink("/dev/null", &record, err) < 0);
	assert_true(wire_pcap_open_sink("-", &record, err) < 0);
}

static void
test_tap_bad(void **state)
{
	struct wire_source *src;
	struct wire_sink *snk;

	assert_true(wire_tap_open("", &src, &snk, err) < 0);
	assert_true(wire_tap_open("sixteen-letters-", &src, &snk, err) < 0);
	/* The loopback interface is there, and no TAP; or there is no permission for anything. */
	assert_true(wire_tap_open("lo", &src, &snk, err) < 0);
	assert_non_null(strstr(err, "TAP lo"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_whatever_the_polling),
		cmocka_unit_test(test_no_credit_after_idle),
		cmocka_unit_test(test_backlog_known_while_busy),
		cmocka_unit_test(test_lag),
		cmocka_unit_test(test_drops),
		cmocka_unit_test(test_max_waits),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_patience),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_pcap),
		cmocka_unit_test(test_pcap_bad),
		cmocka_unit_test(test_tap_bad),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
