/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Forwarding.
 *
 * The workers take the streams in turn: worker w carries streams w, w + n, ... With no worker, the
 * main lcore carries all streams, and checks the clock between turns. The counters belong to the
 * lcore that carries the stream; the main lcore reads them while they change, which is accurate
 * enough for a display.
 *
 * The command `forward` is one run: forward_run() starts the workers, watches them and reports. For
 * the prompt, a run begins with forward_start() and ends with forward_stop(). In the meantime the
 * main lcore reads commands and carries no stream.
 */

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ip.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_udp.h>

#include "testpmd.h"

#define PROGRESS_SECONDS 10 /* seconds between lines, if standard output is not a terminal */

struct stream {
	struct port *in, *out;
	uint16_t in_q, out_q;
	uint16_t flow; /* txonly: varies the UDP source port, for RSS */
	uint64_t received, sent;
	uint64_t dropped; /* because the transmit ring was full */
	uint64_t ignored; /* icmpecho: packets that were no request */
} __rte_cache_aligned;

struct worker {
	const struct options *o;
	uint16_t (*turn)(struct stream *s, const struct options *o);
	struct stream *streams;
	unsigned int first, step, nb_streams; /* carries first, first + step, ... */
	uint64_t longest_gap;                 /* TSC cycles */
	void (*between)(void);                /* duty of the main lcore between turns, or NULL */
} __rte_cache_aligned;

/* Counters of all streams of a port. */
struct counts {
	uint64_t received, sent, dropped;
};

static struct run {
	const struct options *o;
	struct stream *streams; /* NULL: no run */
	unsigned int nb_streams;
	struct worker *workers;
	unsigned int nb_workers;
	bool stop;                  /* ends the workers of this run; accessed atomically */
	uint64_t start, last, next; /* TSC: start of the run, last display, next display */
	struct counts shown[RTE_MAX_ETHPORTS];
	uint64_t missed[RTE_MAX_ETHPORTS]; /* imissed of each port at the start of the run */
	bool terminal;
} run;

/* Return true if the prompt requested that packets are shown: received ones, or sent ones. */
static bool
is_verbose(unsigned int which)
{
	return (__atomic_load_n(&run.o->verbose, __ATOMIC_RELAXED) & which) != 0;
}

static uint16_t
receive(struct stream *s, struct rte_mbuf **pkts, const struct options *o)
{
	uint16_t n = rte_eth_rx_burst(s->in->id, s->in_q, pkts, o->burst);

	s->received += n;
	if (n > 0 && is_verbose(VERBOSE_RX))
		show_packets(s->in, s->in_q, "received", pkts, n);
	return n;
}

static void
transmit(struct stream *s, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent;

	if (n == 0)
		return;
	/* Show the packets first, because the driver frees those that it has sent. */
	if (is_verbose(VERBOSE_TX))
		show_packets(s->out, s->out_q, "sent", pkts, n);
	sent = rte_eth_tx_burst(s->out->id, s->out_q, pkts, n);
	s->sent += sent;
	if (sent < n) {
		s->dropped += n - sent;
		rte_pktmbuf_free_bulk(pkts + sent, n - sent);
	}
}

static uint16_t
turn_io(struct stream *s, const struct options *o)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t n = receive(s, pkts, o);

	transmit(s, pkts, n);
	return n;
}

/*
 * Set the addresses as dpdk-testpmd does: the source is this port, the destination is
 * 02:00:00:00:00:NN, where NN is the port.
 */
static uint16_t
turn_mac(struct stream *s, const struct options *o)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t n = receive(s, pkts, o);
	struct rte_ether_addr to = { { RTE_ETHER_LOCAL_ADMIN_ADDR } };

	to.addr_bytes[5] = s->out->id;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(pkts[i], struct rte_ether_hdr *);

		eth->dst_addr = to;
		eth->src_addr = s->out->mac;
	}
	transmit(s, pkts, n);
	return n;
}

static uint16_t
turn_macswap(struct stream *s, const struct options *o)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t n = receive(s, pkts, o);

	for (uint16_t i = 0; i < n; i++) {
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(pkts[i], struct rte_ether_hdr *);
		struct rte_ether_addr from = eth->src_addr;

		eth->src_addr = eth->dst_addr;
		eth->dst_addr = from;
	}
	transmit(s, pkts, n);
	return n;
}

static uint16_t
turn_rxonly(struct stream *s, const struct options *o)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t n = receive(s, pkts, o);

	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static uint16_t
turn_icmpecho(struct stream *s, const struct options *o)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t n = receive(s, pkts, o), replies = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (icmpecho_answer(pkts[i], &s->out->mac)) {
			pkts[replies++] = pkts[i];
		} else {
			rte_pktmbuf_free(pkts[i]);
			s->ignored++;
		}
	}
	transmit(s, pkts, replies);
	return n;
}

/* Build a packet of txonly: UDP to the discard port, addresses of RFC 2544. */
static void
fill_udp(struct rte_mbuf *m, struct stream *s, uint32_t len)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	m->data_len = m->pkt_len = len;
	eth->dst_addr = ports[s->out->peer].mac;
	eth->src_addr = s->out->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	len -= sizeof(*eth);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(len),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(RTE_IPV4(198u, 18, 0, 1)),
		.dst_addr = rte_cpu_to_be_32(RTE_IPV4(198u, 18, 0, 2)),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	len -= sizeof(*ip);
	*udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(1024 + s->flow++ % 1024),
		.dst_port = RTE_BE16(9),
		.dgram_len = rte_cpu_to_be_16(len),
	};
	memset(udp + 1, 0, len - sizeof(*udp));
}

static uint16_t
turn_txonly(struct stream *s, const struct options *o)
{
	struct rte_mbuf *pkts[MAX_BURST];
	uint16_t sent;

	if (rte_pktmbuf_alloc_bulk(mbuf_pool, pkts, o->burst) != 0)
		return 0;
	for (uint16_t i = 0; i < o->burst; i++)
		fill_udp(pkts[i], s, o->size - FCS_LEN);
	if (is_verbose(VERBOSE_TX))
		show_packets(s->out, s->out_q, "sent", pkts, o->burst);
	/* Here a full ring is the normal state: the packets do not count as dropped. */
	sent = rte_eth_tx_burst(s->out->id, s->out_q, pkts, o->burst);
	s->sent += sent;
	rte_pktmbuf_free_bulk(pkts + sent, o->burst - sent);
	return sent;
}

static int
work(void *arg)
{
	struct worker *w = arg;
	uint64_t last = rte_rdtsc();

	while (!stop_requested && !__atomic_load_n(&run.stop, __ATOMIC_RELAXED)) {
		uint16_t n = 0;
		uint64_t now;

		for (unsigned int i = w->first; i < w->nb_streams; i += w->step)
			n += w->turn(&w->streams[i], w->o);
		now = rte_rdtsc();
		w->longest_gap = RTE_MAX(w->longest_gap, now - last);
		last = now;
		if (w->between != NULL)
			w->between();
		if (n == 0 && w->o->idle_us != 0)
			rte_delay_us_sleep(w->o->idle_us);
	}
	return 0;
}

static struct counts
count(const struct port *p)
{
	struct counts c = { 0 };

	for (unsigned int i = 0; i < run.nb_streams; i++) {
		const struct stream *s = &run.streams[i];

		if (s->in == p)
			c.received += s->received;
		if (s->out == p) {
			c.sent += s->sent;
			c.dropped += s->dropped;
		}
	}
	return c;
}

static void
display(double seconds, double interval)
{
	char rx[32], tx[32];

	printf("%s%6.0f s", run.terminal ? "\r" : "", seconds);
	for (unsigned int p = 0; p < nb_ports; p++) {
		struct counts c = count(&ports[p]);

		printf("   port %u rx %s tx %s", ports[p].id,
				report_rate(rx, sizeof(rx),
						(c.received - run.shown[p].received) / interval),
				report_rate(tx, sizeof(tx),
						(c.sent - run.shown[p].sent) / interval));
		run.shown[p] = c;
	}
	printf(run.terminal ? "\033[K" : "\n");
	fflush(stdout);
}

/* Do the duties of the main lcore: update the display, and end the run. */
static void
watch(void)
{
	uint64_t now = rte_rdtsc(), hz = rte_get_tsc_hz();
	double seconds = (double)(now - run.start) / hz;

	if (now >= run.next) {
		display(seconds, (double)(now - run.last) / hz);
		run.last = now;
		run.next = now + hz * (run.terminal ? 1 : PROGRESS_SECONDS);
	}
	if (run.o->duration > 0 && seconds >= run.o->duration)
		stop_requested = 1;
}

static unsigned int
make_streams(const struct options *o, struct stream *streams)
{
	unsigned int n = 0;

	for (unsigned int p = 0; p < nb_ports; p++) {
		uint16_t queues = o->mode == MODE_TXONLY ? o->txq : o->rxq;

		for (uint16_t q = 0; q < queues; q++) {
			struct stream *s = &streams[n++];
			/* A reply leaves through the port at which the request arrived. */
			bool same = o->mode == MODE_ICMPECHO || o->mode == MODE_TXONLY;

			s->in = &ports[p];
			s->out = same ? &ports[p] : &ports[ports[p].peer];
			s->in_q = s->out_q = q;
		}
	}
	return n;
}

/* The application assigns queues to cores, so only it can check their nodes. */
static void
check_nodes(const struct worker *w, unsigned int lcore)
{
	for (unsigned int i = w->first; i < w->nb_streams; i += w->step) {
		const struct stream *s = &w->streams[i];

		if (w->o->mode != MODE_TXONLY)
			port_check_node(s->in, true, s->in_q, lcore);
		if (w->o->mode != MODE_RXONLY)
			port_check_node(s->out, false, s->out_q, lcore);
	}
}

static int
final_report(const struct options *o, double seconds, uint64_t longest_gap)
{
	double gap_ns = (double)longest_gap * 1e9 / rte_get_tsc_hz();
	uint64_t received = 0, sent = 0, dropped = 0, ignored = 0;
	json_t *doc, *list = json_array();
	int status = 0;
	char rate[32];

	for (unsigned int i = 0; i < run.nb_streams; i++) {
		received += run.streams[i].received;
		sent += run.streams[i].sent;
		dropped += run.streams[i].dropped;
		ignored += run.streams[i].ignored;
	}
	for (unsigned int p = 0; p < nb_ports; p++) {
		struct rte_eth_stats st;
		int ret = rte_eth_stats_get(ports[p].id, &st);

		if (ret != 0) {
			report_error("port %u (%s) has no statistics: %s", ports[p].id,
					ports[p].name, rte_strerror(-ret));
			status = 1;
			continue;
		}
		printf("port %u (%s): rx %" PRIu64 " packets %" PRIu64 " bytes, missed %" PRIu64
		       ", errors %" PRIu64 ", no buffer %" PRIu64 "; tx %" PRIu64
		       " packets %" PRIu64 " bytes, errors %" PRIu64 "\n",
				ports[p].id, ports[p].name, st.ipackets, st.ibytes, st.imissed,
				st.ierrors, st.rx_nombuf, st.opackets, st.obytes, st.oerrors);
		json_array_append_new(list,
				json_pack("{sisssIsIsIsIsIsIsIsI}", "port", (int)ports[p].id,
						"name", ports[p].name, "rx_packets",
						(json_int_t)st.ipackets, "rx_bytes",
						(json_int_t)st.ibytes, "rx_missed",
						(json_int_t)st.imissed, "rx_errors",
						(json_int_t)st.ierrors, "rx_nombuf",
						(json_int_t)st.rx_nombuf, "tx_packets",
						(json_int_t)st.opackets, "tx_bytes",
						(json_int_t)st.obytes, "tx_errors",
						(json_int_t)st.oerrors));
	}
	printf("%.1f s: received %" PRIu64 ", sent %" PRIu64 " (%s), dropped %" PRIu64
	       ", longest polling gap %.0f us\n",
			seconds, received, sent, report_rate(rate, sizeof(rate), sent / seconds),
			dropped, gap_ns / 1e3);
	fflush(stdout);

	doc = json_pack("{sssfsIsIsIsIsIso}", "mode", mode_names[o->mode], "seconds", seconds,
			"received", (json_int_t)received, "sent", (json_int_t)sent, "dropped",
			(json_int_t)dropped, "ignored", (json_int_t)ignored, "longest_gap_ns",
			(json_int_t)gap_ns, "ports", list);
	if (o->json != NULL && report_write(o->json, doc) != 0)
		status = 1;
	json_decref(doc);
	return status;
}

static void
free_run(void)
{
	rte_free(run.workers);
	rte_free(run.streams);
	run = (struct run){ 0 };
}

/* Make the streams, and divide them among the workers. */
static int
make_run(const struct options *o)
{
	static uint16_t (*const turns[])(struct stream *, const struct options *) = {
		[MODE_IO] = turn_io,
		[MODE_MAC] = turn_mac,
		[MODE_MACSWAP] = turn_macswap,
		[MODE_RXONLY] = turn_rxonly,
		[MODE_TXONLY] = turn_txonly,
		[MODE_ICMPECHO] = turn_icmpecho,
	};

	run.o = o;
	run.nb_workers = RTE_MAX(rte_lcore_count() - 1, 1u);
	run.streams = rte_calloc("streams", (size_t)nb_ports * RTE_MAX(o->rxq, o->txq),
			sizeof(struct stream), RTE_CACHE_LINE_SIZE);
	run.workers = rte_calloc("workers", run.nb_workers, sizeof(struct worker),
			RTE_CACHE_LINE_SIZE);
	if (run.streams == NULL || run.workers == NULL) {
		report_error("not enough memory for the streams");
		free_run();
		return 1;
	}
	run.nb_streams = make_streams(o, run.streams);
	for (unsigned int w = 0; w < run.nb_workers; w++)
		run.workers[w] = (struct worker){
			.o = o,
			.turn = turns[o->mode],
			.streams = run.streams,
			.first = w,
			.step = run.nb_workers,
			.nb_streams = run.nb_streams,
		};

	ports_wait_link(); /* reports a link that is down; it may still come up */
	printf("forwarding on %u port%s, %u lcore%s\n", nb_ports, nb_ports == 1 ? "" : "s",
			run.nb_workers, run.nb_workers == 1 ? "" : "s");
	fflush(stdout);
	return 0;
}

static void
launch_workers(void)
{
	unsigned int i = 0, lcore;

	RTE_LCORE_FOREACH_WORKER(lcore) {
		check_nodes(&run.workers[i], lcore);
		rte_eal_remote_launch(work, &run.workers[i++], lcore);
	}
}

int
forward_run(const struct options *o)
{
	uint64_t gap = 0, end;
	int status;

	if (make_run(o) != 0)
		return 1;
	run.terminal = isatty(STDOUT_FILENO);
	run.start = run.last = rte_rdtsc();
	run.next = run.start + rte_get_tsc_hz() * (run.terminal ? 1 : PROGRESS_SECONDS);
	if (rte_lcore_count() == 1) {
		run.workers[0].between = watch;
		check_nodes(&run.workers[0], rte_lcore_id());
		work(&run.workers[0]);
	} else {
		launch_workers();
		while (!stop_requested) {
			rte_delay_us_sleep(10000);
			watch();
		}
		rte_eal_mp_wait_lcore();
	}
	if (run.terminal)
		printf("\r\033[K");
	for (unsigned int w = 0; w < run.nb_workers; w++)
		gap = RTE_MAX(gap, run.workers[w].longest_gap);
	end = rte_rdtsc();
	ports_drain(o); /* so that packets counted as sent were sent */
	status = final_report(o, (double)(end - run.start) / rte_get_tsc_hz(), gap);
	if (ports_lost())
		status = 1;
	free_run();
	return status;
}

/* Return the packets that the device has dropped since its counters were cleared. */
static uint64_t
missed(const struct port *p)
{
	struct rte_eth_stats st;

	return rte_eth_stats_get(p->id, &st) == 0 ? st.imissed : 0;
}

static void
print_counts(const struct counts *c, uint64_t lost)
{
	printf("  RX-packets: %-14" PRIu64 " RX-dropped: %-13" PRIu64 " RX-total: %" PRIu64 "\n"
	       "  TX-packets: %-14" PRIu64 " TX-dropped: %-13" PRIu64 " TX-total: %" PRIu64 "\n",
			c->received, lost, c->received + lost, c->sent, c->dropped,
			c->sent + c->dropped);
}

static void
print_run(void)
{
	struct counts all = { 0 };
	uint64_t all_lost = 0;

	for (unsigned int i = 0; i < nb_ports; i++) {
		const struct counts c = count(&ports[i]);
		uint64_t lost = missed(&ports[i]);

		if (lost >= run.missed[i]) /* else the counters were cleared during the run */
			lost -= run.missed[i];
		printf("\n  ---------------------- Forward statistics for port %-2u "
		       "----------------------\n",
				ports[i].id);
		print_counts(&c, lost);
		all.received += c.received;
		all.sent += c.sent;
		all.dropped += c.dropped;
		all_lost += lost;
	}
	printf("\n  +++++++++++++++ Accumulated forward statistics for all ports "
	       "+++++++++++++++\n");
	print_counts(&all, all_lost);
}

int
forward_start(const struct options *o, uint32_t bursts)
{
	if (make_run(o) != 0)
		return 1;
	for (unsigned int i = 0; i < nb_ports; i++)
		run.missed[i] = missed(&ports[i]);
	/* The workers do not run yet, so the streams still belong to the main lcore. */
	for (uint32_t n = 0; n < bursts && !stop_requested; n++)
		for (unsigned int i = 0; i < run.nb_streams; i++)
			turn_txonly(&run.streams[i], o);
	launch_workers();
	return 0;
}

void
forward_stop(void)
{
	__atomic_store_n(&run.stop, true, __ATOMIC_RELAXED);
	printf("Waiting for lcores to finish...\n");
	rte_eal_mp_wait_lcore();
	ports_drain(run.o); /* so that packets counted as sent were sent */
	print_run();
	printf("\nDone.\n");
	free_run();
}

bool
forward_is_running(void)
{
	return run.streams != NULL;
}
