/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * wire=gen: wire_gen.c with the real wire and the real schedules, and a time that the test passes.
 * Frames and their checks are fakes: a frame holds its flow, its number and its time, and the
 * receiver notes what it gets. At the other end of the generator is note_sink, which asserts what
 * holds for all frames and notes each of them.
 *
 *     flows[] --> wire_gen.c --> wire.c --> note_put(): sent[]
 *     fake_source --> wire.c --> wire_gen.c --> traffic_receive(): received
 */

#include <errno.h>

#include "traffic.h"
#include "wire_fakes.h"

#define SENT_MAX 400000
#define FLOWS    5

/* A frame as the sink got it. */
struct sent {
	uint64_t at;
	uint64_t n;
	unsigned int flow;
	uint32_t len;
};

static struct traffic_flow flows[FLOWS];
static struct traffic traffic;

static struct sent sent[SENT_MAX];
static unsigned int nr_sent;
static unsigned int nr_puts, most_at_once;
static uint64_t longest_chunk; /* from the first to the last start, ns */
static unsigned int wire_mbps; /* 0: frames may overlap */
static bool no_room;

static struct wire_source *gen;
static struct wire_sink *far; /* the generator's own sink */
static char err[WIRE_ERR_LEN];

/*
 * Fakes of traffic_frame.c and traffic_check.c.
 */

struct traffic_sender {
	uint8_t slots[WIRE_BURST][32];
};

struct traffic_receiver {
	unsigned int frames;
	uint64_t at;
	uint32_t len;
	unsigned int mbps;
	uint8_t first_byte;
};

static unsigned int senders, receivers; /* that exist */
static bool no_sender, no_receiver;

struct traffic_sender *
traffic_sender_new(const struct traffic *t, unsigned int port, unsigned int slots)
{
	assert_ptr_equal(t, &traffic);
	assert_int_equal(slots, WIRE_BURST);
	if (no_sender)
		return NULL;
	senders++;
	return test_calloc(1, sizeof(struct traffic_sender));
}

void
traffic_sender_free(struct traffic_sender *s)
{
	senders--;
	test_free(s);
}

const uint8_t *
traffic_frame_make(struct traffic_sender *s, unsigned int slot, const struct traffic_flow *f,
		uint64_t n, uint64_t at, uint32_t *len)
{
	struct sent made = { .at = at, .n = n, .flow = f->number, .len = f->size.first };

	assert_in_range(slot, 0, WIRE_BURST - 1);
	memcpy(s->slots[slot], &made, sizeof(made));
	*len = f->size.first;
	return s->slots[slot];
}

struct traffic_receiver *
traffic_receiver_new(const struct traffic *t, unsigned int port)
{
	assert_ptr_equal(t, &traffic);
	if (no_receiver)
		return NULL;
	receivers++;
	return test_calloc(1, sizeof(struct traffic_receiver));
}

void
traffic_receiver_free(struct traffic_receiver *r)
{
	if (r == NULL)
		return;
	receivers--;
	test_free(r);
}

void
traffic_receive(struct traffic_receiver *r, const uint8_t *frame, uint32_t len, uint64_t at,
		unsigned int mbps)
{
	*r = (struct traffic_receiver){
		.frames = r->frames + 1,
		.at = at,
		.len = len,
		.mbps = mbps,
		.first_byte = frame[0],
	};
}

/* calloc() of the code under test fails after so many calls. */
static unsigned int callocs_left = UINT32_MAX;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *
__wrap_calloc(size_t n, size_t size)
{
	if (callocs_left == 0)
		return NULL;
	callocs_left--;
	return __real_calloc(n, size);
}

/*
 * The sink at the other end.
 */

static unsigned int
note_put(struct wire_sink *s, const uint64_t *at, const struct m82576_frame *frames, unsigned int n,
		bool wait)
{
	unsigned int i;

	if (no_room && wait)
		return 0;
	nr_puts++;
	most_at_once = n > most_at_once ? n : most_at_once;
	if (at[n - 1] - at[0] > longest_chunk)
		longest_chunk = at[n - 1] - at[0];
	for (i = 0; i < n; i++) {
		struct sent *to = &sent[nr_sent];

		assert_in_range(nr_sent, 0, SENT_MAX - 1);
		memcpy(to, frames[i].data, sizeof(*to));
		assert_int_equal(frames[i].len, to->len > 60 ? to->len : 60);
		assert_int_equal(frames[i].flags, 0);
		assert_null(frames[i].rest);
		if (!wait)
			assert_int_equal(at[i], to->at);
		/* Line rate: the former frame is over, to the nanosecond that its end is in. */
		if (nr_sent != 0 && wire_mbps != 0)
			assert_true(to->at - to[-1].at >=
					(to[-1].len + 24) * 8 * 1000ULL / wire_mbps);
		nr_sent++;
	}
	return n;
}

static struct wire_sink note_sink = {
	.put = note_put,
	.listening = fake_listening,
	.close = fake_close_sink,
};

/* Compose flows of port 0 that have no end. */
static int
setup(void **state)
{
	memset(flows, 0, sizeof(flows));
	memset(&sink, 0, sizeof(sink));
	for (unsigned int i = 0; i < FLOWS; i++) {
		flows[i].number = i;
		flows[i].size.first = 60;
		flows[i].rate.value = 1000;
		flows[i].duration.gap = 12;
	}
	traffic = (struct traffic){ .flows = flows, .nr_flows = 1 };
	nr_sent = nr_puts = most_at_once = 0;
	longest_chunk = 0;
	no_room = no_sender = no_receiver = false;
	senders = receivers = 0; /* of a case that failed */
	callocs_left = UINT32_MAX;
	return 0;
}

static void
set_rate(unsigned int flow, enum traffic_rate_kind kind, uint64_t value)
{
	flows[flow].rate = (struct traffic_rate){ .kind = kind, .value = value };
}

/* Return a direction from the generator of port 0, whose listener is ready, polled once at T0. */
static struct wire_dir *
started(unsigned int mbps)
{
	struct wire_dir *dir;

	sink.sink = note_sink;
	sink.sink.listening = NULL;
	wire_mbps = mbps;
	assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), 0);
	dir = wire_dir_new(gen, &sink.sink, mbps);
	assert_non_null(dir);
	drain(dir, T0);
	return dir;
}

static void
finish(struct wire_dir *dir)
{
	wire_dir_free(dir);
	far->close(far);
	assert_int_equal(senders, 0);
	assert_int_equal(receivers, 0);
}

/* Poll at irregular times, at most 150 us apart, from T0 + from to T0 + to. */
static void
poll_irregularly(struct wire_dir *dir, uint64_t from, uint64_t to)
{
	uint64_t t = from, hash = 1;

	while (t < to) {
		drain(dir, T0 + t);
		hash = hash * 6364136223846793005ULL + 1442695040888963407ULL;
		t += 1 + (hash >> 33) % (hash >> 63 ? 150000 : 700);
	}
	drain(dir, T0 + to);
}

static struct wire_gen_stats
stats_of(unsigned int flow)
{
	struct wire_gen_stats stats;

	wire_gen_get_stats(gen, flow, &stats);
	return stats;
}

static uint64_t
stalled(const struct wire_dir *dir)
{
	struct wire_stats stats;

	wire_dir_get_stats(dir, T0, &stats);
	return stats.stalled_ns;
}

static unsigned int
frames_of(unsigned int flow)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < nr_sent; i++)
		n += sent[i].flow == flow;
	return n;
}

/*
 * Cases.
 */

static void
each_frame_starts_when_it_is_due_at_irregular_polls(void **state)
{
	struct wire_dir *dir;

	set_rate(0, TRAFFIC_RATE_PPS, 777777);
	dir = started(1000);
	poll_irregularly(dir, 1, 300 * MS);
	assert_int_equal(nr_sent, 300 * MS * 777777 / SEC + 1);
	for (uint64_t n = 0; n < nr_sent; n++) {
		assert_int_equal(sent[n].at - T0, n * SEC / 777777);
		assert_int_equal(sent[n].n, n);
	}
	assert_int_equal(stalled(dir), 0);
	assert_int_equal(stats_of(0).late_ns, 0);
	finish(dir);
}

static void
full_rate_has_no_gap_at_a_speed_that_divides_nothing(void **state)
{
	struct wire_dir *dir;

	set_rate(0, TRAFFIC_RATE_PERCENT, 100000000);
	dir = started(997);
	poll_irregularly(dir, 1, 200 * MS);
	assert_int_equal(nr_sent, (200 * MS + 1) * 997 / 672000 + 1);
	for (uint64_t n = 0; n < nr_sent; n++)
		assert_int_equal(sent[n].at - T0, n * 672000 / 997);
	finish(dir);
}

static void
frame_is_sent_at_its_time_and_not_before(void **state)
{
	struct wire_dir *dir = started(1000);

	assert_int_equal(nr_sent, 1);
	drain(dir, T0 + MS - 1);
	assert_int_equal(nr_sent, 1);
	drain(dir, T0 + MS);
	assert_int_equal(nr_sent, 2);
	assert_int_equal(sent[1].at, T0 + MS);
	finish(dir);
}

/* 84 bytes take 672 ns: the frame of flow 1 waits, and delays neither its own next one nor 0's. */
static void
flows_that_are_due_at_once_send_in_the_order_of_the_file(void **state)
{
	struct wire_dir *dir;

	traffic.nr_flows = 3;
	set_rate(0, TRAFFIC_RATE_PPS, 100000);
	set_rate(1, TRAFFIC_RATE_PPS, 100000);
	set_rate(2, TRAFFIC_RATE_PPS, 50000);
	dir = started(1000);
	poll_irregularly(dir, 1, 100 * MS - 1);
	assert_int_equal(nr_sent, 10000 + 10000 + 5000);
	for (unsigned int i = 0, n = 0; n < 10000; n++) {
		for (unsigned int flow = 0; flow < (n % 2 == 0 ? 3u : 2u); flow++, i++) {
			assert_int_equal(sent[i].flow, flow);
			assert_int_equal(sent[i].at, T0 + n * 10000 + flow * 672);
			assert_int_equal(sent[i].n, flow == 2 ? n / 2 : n);
		}
	}
	finish(dir);
}

/* Frames that wait start where the former one ends, whatever part of a ns that is. */
static void
frames_that_wait_go_back_to_back_at_any_speed(void **state)
{
	struct wire_dir *dir;

	traffic.nr_flows = FLOWS;
	dir = started(1001);
	poll_irregularly(dir, 1, SEC - 1);
	assert_int_equal(nr_sent, 1000 * FLOWS);
	for (unsigned int i = 0; i < nr_sent; i++) {
		assert_int_equal(sent[i].flow, i % FLOWS);
		assert_int_equal(sent[i].at, T0 + i / FLOWS * MS + i % FLOWS * 672000 / 1001);
	}
	finish(dir);
}

static void
delays_decide_which_flow_begins(void **state)
{
	struct wire_dir *dir;

	traffic.nr_flows = FLOWS;
	for (unsigned int i = 0; i < FLOWS; i++) {
		flows[i].duration.delay_ns = (FLOWS - i) * 10 * US;
		flows[i].duration.packets = 1;
	}
	dir = started(1000);
	poll_irregularly(dir, 1, MS);
	assert_int_equal(nr_sent, FLOWS);
	for (unsigned int i = 0; i < FLOWS; i++) {
		assert_int_equal(sent[i].flow, FLOWS - 1 - i);
		assert_int_equal(sent[i].at, T0 + (i + 1) * 10 * US);
	}
	finish(dir);
}

/* Any number of flows: frames leave in the order in which they are due. */
static void
flow_that_is_due_first_sends_first(void **state)
{
	static const uint64_t rates[FLOWS] = { 3, 50021, 997, 20011, 6007 };
	uint64_t due[FLOWS] = { 0 };
	struct wire_dir *dir;

	traffic.nr_flows = FLOWS;
	for (unsigned int i = 0; i < FLOWS; i++)
		set_rate(i, TRAFFIC_RATE_PPS, rates[i]);
	dir = started(10000);
	poll_irregularly(dir, 1, SEC + 10 * US); /* all are due at the end of the second */
	assert_int_equal(nr_sent, 3 + 50021 + 997 + 20011 + 6007 + FLOWS);
	for (unsigned int i = 0; i < nr_sent; i++) {
		unsigned int first = 0;

		for (unsigned int flow = 1; flow < FLOWS; flow++)
			if (due[flow] < due[first])
				first = flow;
		assert_int_equal(sent[i].flow, first);
		due[first] = (sent[i].n + 1) * SEC / rates[first];
	}
	finish(dir);
}

static void
full_wire_is_shared_and_its_flows_are_late(void **state)
{
	struct wire_dir *dir;

	traffic.nr_flows = 3;
	set_rate(0, TRAFFIC_RATE_PERCENT, 100000000);
	set_rate(1, TRAFFIC_RATE_PERCENT, 100000000);
	set_rate(2, TRAFFIC_RATE_PPS, 1000);
	dir = started(1000);
	for (uint64_t t = 1; t <= 100 * MS; t += 672) /* one frame in a poll */
		drain(dir, T0 + t);
	assert_in_range(nr_sent, 100 * MS / 672, 100 * MS / 672 + 1);
	/* The flow with a low rate gets all of its frames that were due by the lag ago. */
	assert_in_range(frames_of(2), 99, 100);
	assert_in_range(frames_of(0), frames_of(1), frames_of(1) + 1);
	/* Each of the two lost half of the time, except the lag. */
	assert_in_range(stats_of(0).late_ns, 49 * MS, 51 * MS);
	assert_in_range(stats_of(1).late_ns, 49 * MS, 51 * MS);
	/* Its frames wait for the lag, and for one frame of each of the others. */
	assert_in_range(stats_of(2).late_ns, 0, 100 * 2 * 672);
	assert_int_equal(stalled(dir), 0);
	finish(dir);
}

static void
thread_that_is_away_for_the_lag_loses_nothing(void **state)
{
	struct wire_dir *dir;

	set_rate(0, TRAFFIC_RATE_PPS, 100000);
	dir = started(1000);
	drain(dir, T0 + 10000 + WIRE_LAG_NS);
	assert_int_equal(nr_sent, 2 + WIRE_LAG_NS / 10000);
	for (unsigned int n = 0; n < nr_sent; n++)
		assert_int_equal(sent[n].at, T0 + n * 10000);
	assert_int_equal(stalled(dir), 0);
	assert_int_equal(stats_of(0).late_ns, 0);
	finish(dir);
}

static void
time_beyond_the_lag_is_put_off_and_counted(void **state)
{
	struct wire_dir *dir;
	uint64_t now = T0 + 10000 + WIRE_LAG_NS + 1;

	set_rate(0, TRAFFIC_RATE_PPS, 100000);
	dir = started(1000);
	drain(dir, now);
	assert_int_equal(nr_sent, 2 + WIRE_LAG_NS / 10000);
	for (unsigned int n = 1; n < nr_sent; n++)
		assert_int_equal(sent[n].at, T0 + n * 10000 + 1);
	assert_int_equal(stalled(dir), 1);
	assert_int_equal(stats_of(0).late_ns, 1);

	nr_sent = 0;
	wire_dir_set_lag(dir, 5000);
	drain(dir, now + SEC);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(sent[0].at, now + SEC - 5000);
	assert_int_equal(stalled(dir), 1 + SEC - 5000 - (10000 - WIRE_LAG_NS % 10000));
	assert_int_equal(stats_of(0).late_ns, stalled(dir));
	drain(dir, now + SEC + 5000);
	assert_int_equal(sent[1].at, now + SEC + 5000);
	finish(dir);
}

static void
thread_that_was_at_rest_did_not_stall(void **state)
{
	struct wire_dir *dir = started(1000);

	wire_dir_rest(dir);
	drain(dir, T0 + SEC);
	assert_int_equal(nr_sent, 2);
	assert_int_equal(sent[1].at, T0 + SEC - WIRE_LAG_NS);
	assert_int_equal(stalled(dir), 0);
	assert_int_equal(stats_of(0).late_ns, SEC - MS - WIRE_LAG_NS);
	drain(dir, T0 + 2 * SEC);
	assert_int_equal(stalled(dir), SEC - MS);
	finish(dir);
}

static void
flow_sends_no_frame_behind_its_end(void **state)
{
	struct wire_dir *dir;

	traffic.nr_flows = 2;
	set_rate(0, TRAFFIC_RATE_PERCENT, 100000000);
	set_rate(1, TRAFFIC_RATE_PERCENT, 100000000);
	flows[0].duration.ns = flows[1].duration.ns = 672 * 3;
	dir = started(1000);
	poll_irregularly(dir, 1, MS);
	assert_int_equal(nr_sent, 3);
	assert_int_equal(sent[2].at, T0 + 1344);
	assert_int_equal(stats_of(0).frames, 2);
	assert_int_equal(stats_of(1).frames, 1);
	assert_true(stats_of(0).ended);
	assert_true(stats_of(1).ended);
	assert_false(gen->pending(gen));
	finish(dir);
}

static void
stall_beyond_the_end_sends_nothing(void **state)
{
	struct wire_dir *dir;

	flows[0].duration.ns = 2 * MS;
	dir = started(1000);
	assert_false(stats_of(0).ended);
	drain(dir, T0 + 2 * MS + WIRE_LAG_NS);
	assert_int_equal(nr_sent, 1);
	assert_true(stats_of(0).ended);
	finish(dir);

	setup(state);
	flows[0].duration.ns = 2 * MS;
	dir = started(1000);
	drain(dir, T0 + 2 * MS + WIRE_LAG_NS - 1);
	assert_int_equal(nr_sent, 2);
	assert_int_equal(sent[1].at, T0 + 2 * MS - 1);
	finish(dir);
}

/* The poll in which one flow ends also sends the frame of another. */
static void
end_of_a_flow_does_not_end_the_poll(void **state)
{
	for (unsigned int mbps = 0; mbps <= 1000; mbps += 1000) {
		struct wire_dir *dir;

		setup(state);
		traffic.nr_flows = 2;
		flows[0].duration.ns = 2 * MS;
		dir = started(mbps);
		drain(dir, T0 + US);
		assert_int_equal(nr_sent, 2);
		assert_int_equal(wire_dir_poll(dir, T0 + 2 * MS + WIRE_LAG_NS), 1);
		assert_int_equal(frames_of(0), 1);
		assert_int_equal(frames_of(1), 2);
		finish(dir);
	}
}

static void
statistics_are_those_of_the_flow(void **state)
{
	struct wire_gen_stats stats;
	struct wire_dir *dir;

	traffic.nr_flows = 4;
	flows[0].duration.packets = 3;
	flows[1].tx_port = 1;
	flows[2].size.first = 100;
	flows[2].duration.delay_ns = 5 * MS;
	dir = started(1000);
	poll_irregularly(dir, 1, 4 * MS);
	stats = stats_of(0);
	assert_int_equal(stats.frames, 3);
	assert_int_equal(stats.bytes_fcs, 3 * 64);
	assert_int_equal(stats.first_ns, T0);
	assert_int_equal(stats.last_ns, T0 + 2 * MS);
	assert_true(stats.started);
	assert_true(stats.ended);
	assert_int_equal(stats_of(2).frames, 0);
	assert_true(stats_of(2).started);
	poll_irregularly(dir, 4 * MS, 6 * MS);
	stats = stats_of(2);
	assert_int_equal(stats.frames, 2);
	assert_int_equal(stats.bytes_fcs, 2 * 104);
	assert_int_equal(stats.first_ns, T0 + 5 * MS);
	assert_int_equal(stats.last_ns, T0 + 6 * MS);
	assert_false(stats.ended);
	assert_int_equal(frames_of(1), 0); /* another port sends it */
	for (unsigned int flow = 1; flow <= 4; flow += 3) {
		stats = stats_of(flow);
		assert_int_equal(stats.frames, 0);
		assert_int_equal(stats.first_ns, 0);
		assert_false(stats.started);
		assert_false(stats.ended);
	}
	finish(dir);
}

static void
flow_without_any_frame_has_ended(void **state)
{
	struct wire_dir *dir;

	flows[0].duration.delay_ns = UINT64_MAX;
	dir = started(1000);
	assert_true(stats_of(0).started);
	assert_true(stats_of(0).ended);
	assert_int_equal(nr_sent, 0);
	finish(dir);
}

static void
port_without_flows_sends_nothing(void **state)
{
	struct wire_dir *dir;

	flows[0].tx_port = 1;
	dir = started(1000);
	assert_false(gen->pending(gen));
	poll_irregularly(dir, 1, MS);
	assert_int_equal(nr_sent, 0);
	finish(dir);
}

/* A poll has at most 32 frames; a chunk of them has as many, within 20 us. */
static void
frames_of_a_poll_pass_at_once_within_20_us(void **state)
{
	struct wire_dir *dir;

	set_rate(0, TRAFFIC_RATE_PPS, 10000000);
	dir = started(10000);
	assert_int_equal(wire_dir_poll(dir, T0 + 10 * US), 32);
	assert_int_equal(nr_puts, 2);
	assert_int_equal(most_at_once, 32);
	finish(dir);

	setup(state);
	set_rate(0, TRAFFIC_RATE_PPS, 100000);
	dir = started(10000);
	assert_int_equal(wire_dir_poll(dir, T0 + 60 * US), 6);
	assert_int_equal(nr_puts, 1 + 2);
	assert_int_equal(most_at_once, 3);
	assert_int_equal(longest_chunk, WIRE_CHUNK_NS);
	finish(dir);

	setup(state);
	set_rate(0, TRAFFIC_RATE_PPS, 99990);
	dir = started(10000);
	wire_dir_poll(dir, T0 + 60 * US);
	assert_int_equal(most_at_once, 2); /* the third starts 20 us and 2 ns behind the first */
	finish(dir);
}

static uint64_t read_clock;

static uint64_t
slow_clock(void)
{
	return read_clock;
}

static void
slow_poll_ends_after_8_frames(void **state)
{
	struct wire_dir *dir;

	set_rate(0, TRAFFIC_RATE_PPS, 1000000);
	dir = started(10000);
	wire_dir_set_clock(dir, slow_clock);
	read_clock = T0 + 100 * US + 20000;
	assert_int_equal(wire_dir_poll(dir, T0 + 100 * US), 8);
	read_clock--;
	assert_int_equal(wire_dir_poll(dir, T0 + 100 * US), 32);
	assert_int_equal(sent[40].at, T0 + 40 * US);
	finish(dir);
}

static void
slow_poll_ends_after_8_kib(void **state)
{
	static const uint32_t lens[] = { 4096, 4097 };

	for (unsigned int i = 0; i < 2; i++) {
		struct wire_dir *dir;

		setup(state);
		flows[0].size.first = lens[i];
		set_rate(0, TRAFFIC_RATE_PPS, 200000);
		dir = started(10000);
		wire_dir_set_clock(dir, slow_clock);
		read_clock = T0 + 100 * US + 20000;
		assert_int_equal(wire_dir_poll(dir, T0 + 100 * US), 3 - i);
		finish(dir);
	}
}

static void
frames_without_a_speed_are_limited_in_bytes(void **state)
{
	static const uint32_t bytes[] = { 83, 84, 167, 168, UINT32_MAX };
	static const unsigned int want[] = { 1, 2, 2, 3, WIRE_BURST };
	static struct m82576_frame frames[WIRE_BURST];

	set_rate(0, TRAFFIC_RATE_PERCENT, 1);
	assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), 0);
	gen->begin(gen, T0, WIRE_LAG_NS, 0);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(gen->next(gen, T0, frames, WIRE_BURST, bytes[i]), want[i]);
	assert_int_equal(gen->next(gen, T0, frames, 7, UINT32_MAX), 7);
	gen->close(gen);
	far->close(far);
}

static void
rate_follows_the_speed_of_the_wire(void **state)
{
	struct wire_dir *dir;

	set_rate(0, TRAFFIC_RATE_PERCENT, 50000000);
	sink.speed = 0;
	dir = started(1000);
	sink.sink.speed = fake_speed_in;
	drain(dir, T0 + 1344);
	assert_int_equal(nr_sent, 2);
	wire_mbps = 0; /* former frames had another speed */
	sink.speed = 100;
	drain(dir, T0 + 2688);
	assert_int_equal(nr_sent, 3); /* it was due before the change */
	drain(dir, T0 + 2688 + 13439);
	assert_int_equal(nr_sent, 3);
	drain(dir, T0 + 2688 + 13440);
	assert_int_equal(nr_sent, 4);
	assert_int_equal(sent[3].at, T0 + 2688 + 13440);
	finish(dir);
}

/* The sink makes frames wait, which keep their bytes, and the flow goes on at the time of now. */
static void
wire_without_a_speed_sends_at_the_time_of_now(void **state)
{
	struct wire_dir *dir;

	traffic.nr_flows = 2;
	set_rate(0, TRAFFIC_RATE_PPS, 100000);
	set_rate(1, TRAFFIC_RATE_PPS, 100000);
	dir = started(0);
	assert_int_equal(nr_sent, 2);
	no_room = true;
	assert_int_equal(wire_dir_poll(dir, T0 + 15 * US), 0);
	no_room = false;
	assert_int_equal(wire_dir_poll(dir, T0 + 25 * US), 4);
	for (unsigned int i = 0; i < nr_sent; i++) {
		assert_int_equal(sent[i].flow, i % 2);
		assert_int_equal(sent[i].n, i / 2);
	}
	assert_int_equal(sent[3].at, T0 + 15 * US);
	assert_int_equal(sent[4].at, T0 + 25 * US);
	assert_int_equal(wire_dir_poll(dir, T0 + 30 * US - 1), 0);
	assert_int_equal(wire_dir_poll(dir, T0 + 30 * US), 2);
	/* Also there the lag limits what is made up for. */
	drain(dir, T0 + 30 * US + MS);
	assert_int_equal(nr_sent, 8 + 2 * (1 + WIRE_LAG_NS / (10 * US)));
	assert_int_equal(stats_of(0).late_ns, MS - 10 * US - WIRE_LAG_NS);
	finish(dir);
}

static void
percent_of_no_speed_fill_each_poll(void **state)
{
	struct wire_dir *dir;

	set_rate(0, TRAFFIC_RATE_PERCENT, 1);
	flows[0].duration.packets = 100;
	dir = started(0);
	assert_int_equal(nr_sent, 100);
	assert_int_equal(most_at_once, 32);
	finish(dir);
}

static void
generator_starts_when_the_listener_is_ready(void **state)
{
	struct wire_dir *dir;
	uint64_t t;

	assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), 0);
	assert_true(gen->patient);
	assert_true(gen->pending(gen));
	sink.sink = note_sink;
	wire_mbps = 1000;
	dir = wire_dir_new(gen, &sink.sink, 1000);
	wire_dir_set_quiet(dir, 100 * MS);
	for (t = 0; t < SEC; t += MS)
		drain(dir, T0 + t);
	assert_int_equal(nr_sent, 0);
	assert_false(stats_of(0).started);
	sink.ears = true;
	for (; t < SEC + 200 * MS; t += 10 * MS)
		drain(dir, T0 + t);
	assert_int_equal(sent[0].at, T0 + SEC + 100 * MS);
	assert_true(stats_of(0).started);
	finish(dir);
}

/* Assert that frames of 24 bytes are padded, and start 84 bytes apart. */
static unsigned int
padded_put(struct wire_sink *s, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	static const uint8_t zeros[60 - sizeof(struct sent)];

	for (unsigned int i = 0; i < n; i++, nr_sent++) {
		assert_int_equal(at[i], T0 + nr_sent * 672);
		assert_int_equal(frames[i].len, 60);
		assert_memory_equal(frames[i].data + sizeof(struct sent), zeros, sizeof(zeros));
	}
	return n;
}

static void
short_frames_are_padded_and_cost_84_bytes(void **state)
{
	struct wire_dir *dir;

	flows[0].size.first = sizeof(struct sent);
	set_rate(0, TRAFFIC_RATE_PPS, 2000000);
	dir = started(1000);
	nr_sent = 1;
	sink.sink.put = padded_put;
	drain(dir, T0 + 67200);
	assert_int_equal(nr_sent, 101);
	finish(dir);
}

/*
 * The sink.
 */

static void
sink_checks_frames_with_their_time_and_the_speed(void **state)
{
	static struct wire_source *src;
	const struct traffic_receiver *r;
	struct wire_dir *dir;

	wire_dir_free(fresh(1000, 100, 0)); /* the fakes are used in another */
	assert_int_equal(wire_gen_open(&traffic, 0, &src, &far, err), 0);
	src->close(src);
	r = wire_gen_receiver(far);
	source.src.speed = fake_speed_out;
	dir = wire_dir_new(&source.src, far, 1000);
	source.avail = 3;
	source.given = 7;
	drain(dir, T0 + 10 * US);
	drain(dir, T0 + 20 * US);
	assert_int_equal(r->frames, 3);
	assert_int_equal(r->len, 100);
	assert_int_equal(r->at, T0 + 10 * US + 2 * 992);
	assert_int_equal(r->first_byte, 9);
	assert_int_equal(r->mbps, 1000);
	source.speed = 10;
	source.avail = 1;
	drain(dir, T0 + MS);
	assert_int_equal(r->mbps, 10);
	wire_dir_free(dir);

	wire_dir_free(fresh(0, 100, 0));
	assert_int_equal(wire_gen_open(&traffic, 0, &src, &far, err), 0);
	src->close(src);
	r = wire_gen_receiver(far);
	dir = wire_dir_new(&source.src, far, 0);
	source.avail = 1;
	drain(dir, T0);
	assert_int_equal(r->frames, 1);
	assert_int_equal(r->mbps, 0);
	wire_dir_free(dir);
	assert_int_equal(receivers, 0);
}

static void
frames_with_a_bad_fcs_are_only_counted(void **state)
{
	static const uint8_t data[60];
	static const uint64_t at[3] = { T0, T0 + 1000, T0 + 2000 };
	const struct m82576_frame frames[3] = {
		{ .data = data, .len = 60, .flags = M82576_FRAME_BAD_FCS },
		{ .data = data, .len = 60 },
		{ .data = data, .len = 60, .flags = M82576_FRAME_BAD_FCS },
	};

	assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), 0);
	assert_int_equal(wire_gen_bad_fcs(far), 0);
	assert_int_equal(far->put(far, at, frames, 3, false), 3);
	assert_int_equal(wire_gen_bad_fcs(far), 2);
	assert_int_equal(wire_gen_receiver(far)->frames, 1);
	assert_int_equal(wire_gen_receiver(far)->at, T0 + 1000);
	gen->close(gen);
	far->close(far);
}

static void
open_without_memory_fails_and_leaves_nothing(void **state)
{
	no_sender = true;
	assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), -ENOMEM);
	assert_string_equal(err, "out of memory");
	assert_null(gen);
	assert_null(far);
	no_sender = false;
	no_receiver = true;
	assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), -ENOMEM);
	no_receiver = false;
	for (unsigned int calls = 0; calls < 5; calls++) {
		callocs_left = calls;
		assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), -ENOMEM);
		assert_null(gen);
		assert_null(far);
	}
	assert_int_equal(senders, 0);
	assert_int_equal(receivers, 0);
	callocs_left = 5;
	assert_int_equal(wire_gen_open(&traffic, 0, &gen, &far, err), 0);
	callocs_left = UINT32_MAX;
	gen->close(gen);
	far->close(far);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_frame_starts_when_it_is_due_at_irregular_polls),
		CASE(full_rate_has_no_gap_at_a_speed_that_divides_nothing),
		CASE(frame_is_sent_at_its_time_and_not_before),
		CASE(flows_that_are_due_at_once_send_in_the_order_of_the_file),
		CASE(frames_that_wait_go_back_to_back_at_any_speed),
		CASE(delays_decide_which_flow_begins),
		CASE(flow_that_is_due_first_sends_first),
		CASE(full_wire_is_shared_and_its_flows_are_late),
		CASE(thread_that_is_away_for_the_lag_loses_nothing),
		CASE(time_beyond_the_lag_is_put_off_and_counted),
		CASE(thread_that_was_at_rest_did_not_stall),
		CASE(flow_sends_no_frame_behind_its_end),
		CASE(stall_beyond_the_end_sends_nothing),
		CASE(end_of_a_flow_does_not_end_the_poll),
		CASE(statistics_are_those_of_the_flow),
		CASE(flow_without_any_frame_has_ended),
		CASE(port_without_flows_sends_nothing),
		CASE(frames_of_a_poll_pass_at_once_within_20_us),
		CASE(slow_poll_ends_after_8_frames),
		CASE(slow_poll_ends_after_8_kib),
		CASE(frames_without_a_speed_are_limited_in_bytes),
		CASE(rate_follows_the_speed_of_the_wire),
		CASE(wire_without_a_speed_sends_at_the_time_of_now),
		CASE(percent_of_no_speed_fill_each_poll),
		CASE(generator_starts_when_the_listener_is_ready),
		CASE(short_frames_are_padded_and_cost_84_bytes),
		CASE(sink_checks_frames_with_their_time_and_the_speed),
		CASE(frames_with_a_bad_fcs_are_only_counted),
		CASE(open_without_memory_fails_and_leaves_nothing),
	};

	return cmocka_run_group_tests_name("wire_gen", tests, NULL, NULL);
}
