/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Port 0 sends numbered frames as fast as its wire accepts them. Port 1 receives them and compares
 * every byte. The number in a frame identifies it, and determines all other bytes:
 *
 *	 0  destination, source, 0x88B5 (for local experiments)
 *	14  number of the trial, so that a late frame does not count for the next trial
 *	16  number of the frame
 *	24  64-bit words; word i of frame s is s * A + i * B
 *
 * A stale buffer, a swapped one, a shifted or a truncated copy therefore all show. A number
 * counts only if the pattern confirms it. One queue and one wire keep the order: if a number is
 * ahead of the expected one, the frames in between are lost; if it is behind, a frame arrived
 * twice.
 *
 * Rates are those of the wire, not of the ring. The clock starts and stops at moments when the
 * transmit ring is full and the receive ring is empty, so the contents of the rings do not count.
 * The trial then continues until the last frame has arrived. The loss covers all frames, from the
 * first to the last.
 *
 * One lcore does everything. The longest turn of its loop is part of the result.
 */

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_lcore.h>

#include "testpmd.h"

#define ETHER_TYPE_LOCAL 0x88B5
#define PATTERN_A        UINT64_C(0x9E3779B97F4A7C15)
#define PATTERN_B        UINT64_C(0xD1B54A32D192ED03)
#define SETTLE_MS        250 /* silence after which frames that have not arrived count as lost */

struct head {
	struct rte_ether_hdr eth;
	uint16_t trial;
	uint64_t number;
};

struct trial {
	uint16_t id;
	uint32_t size, len; /* with and without FCS */
	uint32_t speed;     /* Mb/s; 0: not limited */
	struct rte_ether_hdr eth;
	struct rte_mbuf *pending[MAX_BURST]; /* built, but not yet accepted by the ring */
	uint16_t nb_pending, first_pending;
	uint64_t made, sent;
	uint64_t received; /* correct ones */
	uint64_t expected; /* next number */
	uint64_t lost, corrupted, misordered;
	uint64_t longest_gap; /* TSC cycles */
	double tx_pps, rx_pps, seconds;
};

static void
fill(struct rte_mbuf *m, const struct trial *t, uint64_t number)
{
	struct head *h = rte_pktmbuf_mtod(m, struct head *);
	uint8_t *p = (uint8_t *)(h + 1);
	uint64_t word = number * PATTERN_A;
	uint32_t left = t->len - sizeof(*h);

	m->data_len = m->pkt_len = t->len;
	h->eth = t->eth;
	h->trial = t->id;
	h->number = number;
	for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word)) {
		memcpy(p, &word, sizeof(word));
		word += PATTERN_B;
	}
	memcpy(p, &word, left);
}

/* True if every byte of a frame is that of the frame whose number it carries. */
static bool
intact(const struct rte_mbuf *m, const struct trial *t)
{
	uint8_t flat[9018] __rte_aligned(8); /* copy of a frame in several segments */
	const struct head *h;
	const uint8_t *p;
	uint64_t word, seen, wrong = 0;
	uint32_t left = t->len - sizeof(*h);

	if (m->pkt_len != t->len)
		return false;
	h = rte_pktmbuf_read(m, 0, t->len, flat);
	if (h == NULL || memcmp(&h->eth, &t->eth, sizeof(h->eth)) != 0 || h->trial != t->id ||
			h->number >= t->made)
		return false;
	p = (const uint8_t *)(h + 1);
	word = h->number * PATTERN_A;
	for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word)) {
		memcpy(&seen, p, sizeof(seen));
		wrong |= seen ^ word;
		word += PATTERN_B;
	}
	return wrong == 0 && memcmp(p, &word, left) == 0;
}

/* True for a frame of an earlier trial, which arrived late and counted as lost there. */
static bool
is_of_earlier_trial(const struct rte_mbuf *m, const struct trial *t)
{
	const struct head *h = rte_pktmbuf_mtod(m, const struct head *);

	return m->data_len >= sizeof(*h) && h->eth.ether_type == RTE_BE16(ETHER_TYPE_LOCAL) &&
			h->trial < t->id;
}

static void
count_frame(const struct rte_mbuf *m, struct trial *t)
{
	uint64_t number;

	if (!intact(m, t)) {
		t->corrupted += !is_of_earlier_trial(m, t);
		return;
	}
	number = ((const struct head *)rte_pktmbuf_mtod(m, const uint8_t *))->number;
	if (number < t->expected) {
		t->misordered++;
		return;
	}
	t->expected = number + 1;
	t->received++;
}

/* Return true if the transmit ring is now full. */
static bool
send_some(struct trial *t, const struct options *o)
{
	uint16_t n;

	if (t->nb_pending == 0) {
		if (rte_pktmbuf_alloc_bulk(mbuf_pool, t->pending, o->burst) != 0)
			return false;
		for (uint16_t i = 0; i < o->burst; i++)
			fill(t->pending[i], t, t->made++);
		t->first_pending = 0;
		t->nb_pending = o->burst;
	}
	n = rte_eth_tx_burst(ports[0].id, 0, t->pending + t->first_pending, t->nb_pending);
	t->first_pending += n;
	t->nb_pending -= n;
	t->sent += n;
	return t->nb_pending != 0;
}

/* Return true if the receive ring is now empty. */
static bool
receive_some(struct trial *t, const struct options *o, uint64_t *got)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t n = rte_eth_rx_burst(ports[1].id, 0, pkts, o->burst);

	for (uint16_t i = 0; i < n; i++)
		count_frame(pkts[i], t);
	rte_pktmbuf_free_bulk(pkts, n);
	*got += n;
	return n < o->burst;
}

/* EAL rounds the TSC frequency to 10 MHz, which is too coarse for a rate. */
static double
seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void
run_trial(struct trial *t, const struct options *o, double duration)
{
	const uint64_t hz = rte_get_tsc_hz();
	uint64_t now = rte_rdtsc(), last, begin = 0, quiet, got = 0, got_before;
	uint64_t sent_at_begin = 0, received_at_begin = 0, due;
	bool full, empty, sending = true;
	double begin_seconds = 0;

	due = last = quiet = now;
	while (!stop_requested) {
		full = sending ? send_some(t, o) : false;
		got_before = got;
		empty = receive_some(t, o, &got);
		now = rte_rdtsc();
		t->longest_gap = RTE_MAX(t->longest_gap, now - last);
		last = now;
		if (got != got_before)
			quiet = now;

		/* A wire faster than this loop never fills the ring: wait 100 ms at most. */
		if (sending && now >= due && ((full && empty) || now - due > hz / 10)) {
			if (begin == 0) {
				begin = now;
				begin_seconds = seconds_now();
				due = begin + (uint64_t)(duration * hz);
				sent_at_begin = t->sent;
				received_at_begin = t->received;
			} else {
				t->seconds = seconds_now() - begin_seconds;
				t->tx_pps = (t->sent - sent_at_begin) / t->seconds;
				t->rx_pps = (t->received - received_at_begin) / t->seconds;
				sending = false;
			}
		}
		if (!sending && (t->expected == t->sent || now - quiet > hz / 1000 * SETTLE_MS))
			break;
	}
	/* The ring never accepted these. */
	rte_pktmbuf_free_bulk(t->pending + t->first_pending, t->nb_pending);
	t->lost = t->sent - t->received;
}

static double
line_rate(const struct trial *t)
{
	return t->speed * 1e6 / ((t->size + WIRE_OVERHEAD) * 8);
}

/* Run one trial and return its result; NULL if it was interrupted. */
static json_t *
trial(const struct options *o, uint32_t size, double duration, bool *good)
{
	static uint16_t id;
	struct trial t = {
		.id = ++id,
		.size = size,
		.len = size - FCS_LEN,
		.eth = {
			.dst_addr = ports[1].mac,
			.src_addr = ports[0].mac,
			.ether_type = RTE_BE16(ETHER_TYPE_LOCAL),
		},
	};
	struct rte_eth_stats before = { 0 }, after = { 0 };
	double rate, gap_ns;

	if (ports[0].link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		t.speed = ports[0].link.link_speed;
	rate = line_rate(&t);
	rte_eth_stats_get(ports[1].id, &before);
	run_trial(&t, o, duration);
	rte_eth_stats_get(ports[1].id, &after);
	if (stop_requested)
		return NULL;

	gap_ns = (double)t.longest_gap * 1e9 / rte_get_tsc_hz();
	*good = t.lost == 0 && t.corrupted == 0 && t.misordered == 0 && t.received > 0;
	return json_pack("{sisisIsfsfsfsIsIsIsIsIsIsIsI}", "speed_mbps", (int)t.speed, "size",
			(int)t.size, "line_rate_pps", (json_int_t)rate, "seconds", t.seconds,
			"tx_pps", t.tx_pps, "rx_pps", t.rx_pps, "sent", (json_int_t)t.sent,
			"received", (json_int_t)t.received, "lost", (json_int_t)t.lost, "corrupted",
			(json_int_t)t.corrupted, "misordered", (json_int_t)t.misordered,
			"rx_missed", (json_int_t)(after.imissed - before.imissed), "rx_nombuf",
			(json_int_t)(after.rx_nombuf - before.rx_nombuf), "longest_gap_ns",
			(json_int_t)gap_ns);
}

static void
show(const json_t *result)
{
	double rate = json_integer_value(json_object_get(result, "line_rate_pps"));
	double rx = json_real_value(json_object_get(result, "rx_pps"));
	char percent[16] = "-";

	if (rate > 0)
		snprintf(percent, sizeof(percent), "%.3f", 100 * rx / rate);
	printf("%6lld %10.0f %12.0f %12.0f %9s %8lld %8lld %9.0f\n",
			(long long)json_integer_value(json_object_get(result, "size")), rate,
			json_real_value(json_object_get(result, "tx_pps")), rx, percent,
			(long long)json_integer_value(json_object_get(result, "lost")),
			(long long)json_integer_value(json_object_get(result, "corrupted")),
			json_integer_value(json_object_get(result, "longest_gap_ns")) / 1e3);
	fflush(stdout);
}

/* Read sizes, one per line, "SIZE [SECONDS]"; print each result as one line of JSON. */
static int
run_from_stdin(const struct options *o, json_t *results)
{
	size_t room = rte_pktmbuf_data_room_size(mbuf_pool) - RTE_PKTMBUF_HEADROOM;
	char line[64], *end;
	int status = 0;

	while (!stop_requested && fgets(line, sizeof(line), stdin) != NULL) {
		unsigned long size = strtoul(line, &end, 10);
		double duration = o->duration;
		json_t *result;
		bool good = false;

		if (end != line && *end == ' ')
			duration = strtod(end, &end);
		if (end == line || *end != '\n' || size < 64 || size > 9018 || size > room ||
				!(duration > 0 && duration <= 3600)) {
			line[strcspn(line, "\n")] = '\0';
			report_error("%s: must be a frame size that fits an mbuf, and seconds if "
				     "need be",
					line);
			return 1;
		}
		result = trial(o, size, duration, &good);
		if (result == NULL)
			return 1;
		json_dumpf(result, stdout, JSON_COMPACT | JSON_REAL_PRECISION(10));
		putchar('\n');
		fflush(stdout);
		json_array_append_new(results, result);
		if (!good)
			status = 1;
	}
	return status;
}

static int
run_sizes(const struct options *o, json_t *results)
{
	int status = 0;

	printf("%6s %10s %12s %12s %9s %8s %8s %9s\n", "size", "line rate", "tx pps", "rx pps",
			"% of line", "lost", "corrupt", "gap us");
	for (unsigned int i = 0; i < o->nb_sizes; i++) {
		for (unsigned int n = 0; n < o->trials; n++) {
			bool good = false;
			json_t *result = trial(o, o->sizes[i], o->duration, &good);

			if (result == NULL)
				return 1;
			show(result);
			json_array_append_new(results, result);
			if (!good)
				status = 1;
		}
	}
	return status;
}

int
linerate_run(const struct options *o)
{
	json_t *results;
	int status;

	if (nb_ports < 2) {
		report_error("linerate needs two ports with a wire between them");
		return 1;
	}
	if (!ports_wait_link())
		return 1;
	port_check_node(&ports[0], false, 0, rte_lcore_id());
	port_check_node(&ports[1], true, 0, rte_lcore_id());
	results = json_array();
	status = o->sizes_from_stdin ? run_from_stdin(o, results) : run_sizes(o, results);
	if (o->json != NULL && report_write(o->json, results) != 0)
		status = 1;
	json_decref(results);
	if (ports_lost())
		status = 1;
	return status;
}
