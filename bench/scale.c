/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * bench-scale: one core that forwards on all queues of all ports, each of which is a loop.
 * tools/bench scale runs it.
 *
 *	bench-scale EAL-ARGUMENTS -- QUEUES RING BURST MBUFS SECONDS LOAD [lose|repeat]
 *
 * Each port has QUEUES queues of RING descriptors in each direction, and BURST is the size of a
 * burst. With MBUFS 0 the pool has as many mbufs as the rings need, and a cache for the lcore. With
 * another number it has that many, and no cache: it then hands mbufs out first in, first out, so
 * that the packets use all of them in turn.
 *
 * Half a ring of packets circulates in each queue. A queue is a flow, whose address RSS maps to the
 * queue with the same number, so that no other queue affects the order of its packets:
 *
 *	send, queue q  -->  wire=loop  -->  RSS  -->  receive, queue q  -->  idle  -->  send, ...
 *
 * Each packet has the number of its flow and its own number, which the program writes when it
 * sends the packet, and expects in order. A packet that was lost, repeated, overtaken or put into
 * another queue ends the program with status 1. With "lose" or "repeat" the program leaves out or
 * repeats one number, to show that it would notice.
 *
 * With LOAD 0 each packet is sent at once (saturated). The result is the time for a packet. With
 * another LOAD the program first measures the rate of saturation, and then sends at this fraction
 * of it. Each packet has a time by which it is due, and its round trip begins at that time. If the
 * program or the device is held up, the packets that are sent late therefore show it.
 *
 * After the line "ready", the program waits for a line or for the end of its standard input. The
 * last line of its output is the result, as JSON.
 */

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_thash.h>

#define FRAME        60 /* bytes without FCS */
#define QUEUES_MAX   16
#define RING_MIN     64
#define RING_MAX     4096
#define BURST_MAX    128
#define CACHE        256 /* of the pool */
#define KEY_LEN      40
#define RETA_SIZE    128
#define ADDRESS      RTE_IPV4(10, 0, 0, 1)
#define PROTOCOL     253 /* of IPv4, for experiments: nothing but addresses is hashed */
#define FLOW_SHIFT   48  /* of the flow in a number */
#define TURNS        64  /* between two looks at the clock, if saturated */
#define WARM_UP_S    0.2
#define SATURATION_S 0.3 /* for the rate of which a load is a fraction */
#define DRAIN_S      5   /* at most */

/* Buckets of the histogram: each power of two has SUB_COUNT, so that a value is within 1 %. */
#define SUB_BITS  7
#define SUB_COUNT (1u << SUB_BITS)
#define BUCKETS   ((64 - SUB_BITS + 1) * SUB_COUNT)

struct options {
	uint16_t queues, ring, burst;
	unsigned int mbufs;
	double seconds, load;
	int fault; /* numbers left out: 1, 0, or -1, which is one repeated */
};

struct frame {
	struct rte_ether_hdr ether;
	struct rte_ipv4_hdr ip;
	uint64_t number;
	uint64_t due; /* TSC */
};

/* The packets of one queue of a port. Numbers begin at the number of the flow << FLOW_SHIFT. */
struct flow {
	uint16_t port, queue;
	uint64_t sent, received; /* next numbers */
	uint64_t first;          /* number of the sample's first packet */
	unsigned int nr_idle;
	struct rte_mbuf *idle[RING_MAX / 2 + BURST_MAX]; /* received, and not sent again */
};

/* When packets are due. */
struct pace {
	uint64_t begin; /* TSC */
	double cycles;  /* TSC cycles from one packet of a flow to the next; 0: saturated */
};

/* The packets received in a time, and its length. */
struct span {
	uint64_t packets, cycles, ns;
};

static struct options options;
static struct rte_mempool *pool;
static struct flow *flows;
static unsigned int nr_flows;
static uint64_t buckets[BUCKETS];

/*
 * Histogram
 */

static unsigned int
bucket_of(uint64_t value)
{
	unsigned int shift;

	if (value < SUB_COUNT)
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - SUB_BITS;
	return shift * SUB_COUNT + (unsigned int)(value >> shift);
}

/* Return the middle of a bucket. */
static double
value_of(unsigned int bucket)
{
	unsigned int shift = bucket < SUB_COUNT ? 0 : bucket / SUB_COUNT - 1;

	return ((double)(bucket - shift * SUB_COUNT) + 0.5) * (double)(UINT64_C(1) << shift);
}

/* Return the value that this fraction of all values does not exceed. */
static double
percentile(double fraction)
{
	uint64_t total = 0, below = 0;
	unsigned int i;

	for (i = 0; i < BUCKETS; i++)
		total += buckets[i];
	for (i = 0; i < BUCKETS - 1; i++) {
		below += buckets[i];
		if (below != 0 && (double)below >= fraction * (double)total)
			break;
	}
	return value_of(i);
}

/*
 * Packets
 */

static void
take(struct flow *f, const struct rte_mbuf *m, const struct pace *pace, uint64_t now)
{
	const struct frame *frame = rte_pktmbuf_mtod(m, const struct frame *);

	if (m->data_len != FRAME || frame->number != f->received)
		errx(1,
				"void: port %u, queue %u: %u bytes with number %" PRIx64
				" instead of %" PRIx64,
				f->port, f->queue, m->data_len, frame->number, f->received);
	f->received++;
	if (pace->cycles != 0)
		buckets[bucket_of(now > frame->due ? now - frame->due : 0)]++;
}

static void
number(const struct flow *f, struct rte_mbuf *m, uint64_t number, const struct pace *pace)
{
	struct frame *frame = rte_pktmbuf_mtod(m, struct frame *);

	frame->number = number;
	if (pace->cycles != 0)
		frame->due = pace->begin + (uint64_t)((double)(number - f->first) * pace->cycles);
}

/* Receive a burst, and send packets with numbers below until. */
static void
turn(struct flow *f, uint64_t until, const struct pace *pace)
{
	uint16_t n = rte_eth_rx_burst(f->port, f->queue, f->idle + f->nr_idle, options.burst);
	uint64_t now = pace->cycles != 0 && n > 0 ? rte_rdtsc() : 0;

	for (uint16_t i = 0; i < n; i++)
		take(f, f->idle[f->nr_idle + i], pace, now);
	f->nr_idle += n;
	while (f->nr_idle > 0 && f->sent < until) {
		uint16_t want = (uint16_t)RTE_MIN(RTE_MIN(f->nr_idle, options.burst),
				until - f->sent);
		struct rte_mbuf **from = f->idle + f->nr_idle - want;

		for (uint16_t i = 0; i < want; i++)
			number(f, from[i], f->sent + i, pace);
		n = rte_eth_tx_burst(f->port, f->queue, from, want);
		f->sent += n;
		f->nr_idle -= n;
		if (n < want) { /* the ring is full */
			memmove(from, from + n, (want - n) * sizeof(*from));
			break;
		}
	}
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint64_t
received(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < nr_flows; i++)
		sum += flows[i].received - ((uint64_t)i << FLOW_SHIFT);
	return sum;
}

static uint64_t
cycles_of(double seconds)
{
	return (uint64_t)(seconds * (double)rte_get_tsc_hz());
}

/* Return the number of the first packet of a flow that is not due yet. */
static uint64_t
next_due(const struct flow *f, const struct pace *pace, uint64_t now)
{
	if (pace->cycles == 0)
		return UINT64_MAX;
	return f->first + 1 + (uint64_t)((double)(now - pace->begin) / pace->cycles);
}

/* Forward, with so many TSC cycles between two packets of a flow; 0: saturated. */
static struct span
run(double seconds, double cycles)
{
	const struct pace pace = { .begin = rte_rdtsc(), .cycles = cycles };
	struct span span = { .packets = received(), .ns = now_ns() };
	const uint64_t duration = cycles_of(seconds);
	const unsigned int turns = cycles == 0 ? TURNS : 1;
	uint64_t now;

	for (unsigned int i = 0; i < nr_flows; i++)
		flows[i].first = flows[i].sent;
	do {
		now = rte_rdtsc();
		for (unsigned int k = 0; k < turns; k++)
			for (unsigned int i = 0; i < nr_flows; i++)
				turn(&flows[i], next_due(&flows[i], &pace, now), &pace);
	} while (now - pace.begin < duration);
	span.packets = received() - span.packets;
	span.cycles = rte_rdtsc() - pace.begin;
	span.ns = now_ns() - span.ns;
	return span;
}

/* Forward as run() does; a sample without a packet is void. */
static struct span
sample(double seconds, double cycles)
{
	struct span span = run(seconds, cycles);

	if (span.packets == 0)
		errx(1, "void: no packet within %g s", seconds);
	return span;
}

/* Receive the packets that are in flight. */
static void
drain(double cycles)
{
	struct pace pace = { .cycles = cycles };
	const uint64_t end = rte_rdtsc() + cycles_of(DRAIN_S);

	for (unsigned int i = 0; i < nr_flows; i++) {
		struct flow *f = &flows[i];

		while (f->received != f->sent && rte_rdtsc() < end)
			turn(f, 0, &pace);
		if (f->received != f->sent)
			errx(1, "void: port %u, queue %u: %" PRIu64 " packets did not come back",
					f->port, f->queue, f->sent - f->received);
	}
}

/*
 * Set-up
 */

static void
check(int ret, uint16_t port, const char *what)
{
	if (ret != 0)
		errx(1, "port %u: %s: %s", port, what, rte_strerror(-ret));
}

/* Return an address of which the port's RSS makes this queue. */
static uint32_t
address_of(uint16_t port, uint16_t queue)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_SIZE / RTE_ETH_RETA_GROUP_SIZE];
	uint8_t key[KEY_LEN];
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = KEY_LEN };
	uint32_t tuple[2] = { ADDRESS, ADDRESS }, entry;

	memset(reta, 0xff, sizeof(reta)); /* the mask: all entries */
	check(rte_eth_dev_rss_hash_conf_get(port, &conf), port, "the key of RSS");
	check(rte_eth_dev_rss_reta_query(port, reta, RETA_SIZE), port, "the table of RSS");
	do {
		tuple[0]++;
		entry = rte_softrss(tuple, RTE_DIM(tuple), key) % RETA_SIZE;
	} while (reta[entry / RTE_ETH_RETA_GROUP_SIZE].reta[entry % RTE_ETH_RETA_GROUP_SIZE] !=
			queue);
	return tuple[0];
}

static void
open_port(uint16_t port)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IPV4,
	};
	struct rte_eth_link link;

	check(rte_eth_dev_configure(port, options.queues, options.queues, &conf), port,
			"configure");
	for (uint16_t q = 0; q < options.queues; q++) {
		check(rte_eth_rx_queue_setup(port, q, options.ring, SOCKET_ID_ANY, NULL, pool),
				port, "receive queue");
		check(rte_eth_tx_queue_setup(port, q, options.ring, SOCKET_ID_ANY, NULL), port,
				"transmit queue");
	}
	check(rte_eth_dev_start(port), port, "start");
	check(rte_eth_link_get(port, &link), port, "link");
	if (link.link_status != RTE_ETH_LINK_UP)
		errx(1, "port %u: its link stays down", port);
}

static void
fill(struct flow *f)
{
	struct frame frame = {
		.ether.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.ip = {
			.version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = RTE_BE16(FRAME - sizeof(frame.ether)),
			.time_to_live = 64,
			.next_proto_id = PROTOCOL,
			.src_addr = rte_cpu_to_be_32(address_of(f->port, f->queue)),
			.dst_addr = RTE_BE32(ADDRESS),
		},
	};

	check(rte_eth_macaddr_get(f->port, &frame.ether.dst_addr), f->port, "address");
	frame.ether.src_addr = frame.ether.dst_addr;
	frame.ip.hdr_checksum = rte_ipv4_cksum(&frame.ip);
	f->nr_idle = options.ring / 2;
	if (rte_pktmbuf_alloc_bulk(pool, f->idle, f->nr_idle) != 0)
		errx(1, "the pool has too few mbufs");
	for (unsigned int i = 0; i < f->nr_idle; i++) {
		struct rte_mbuf *m = f->idle[i];

		m->data_len = m->pkt_len = FRAME;
		memset(rte_pktmbuf_mtod(m, void *), 0, FRAME);
		memcpy(rte_pktmbuf_mtod(m, void *), &frame, sizeof(frame));
	}
}

static void
open_all(uint16_t nr_ports)
{
	/* Descriptors, packets that wait to be sent, and what the caches hold. */
	unsigned int need = nr_ports * options.queues * (options.ring * 2u + options.ring / 2u) +
			2 * CACHE;

	nr_flows = nr_ports * options.queues;
	flows = calloc(nr_flows, sizeof(*flows));
	if (flows == NULL)
		err(1, "flows");
	pool = rte_pktmbuf_pool_create("scale", options.mbufs != 0 ? options.mbufs : need,
			options.mbufs != 0 ? 0 : CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	if (pool == NULL)
		errx(1, "no pool: %s", rte_strerror(rte_errno));
	for (uint16_t port = 0; port < nr_ports; port++)
		open_port(port);
	for (unsigned int i = 0; i < nr_flows; i++) {
		flows[i].port = (uint16_t)(i / options.queues);
		flows[i].queue = (uint16_t)(i % options.queues);
		flows[i].sent = flows[i].received = (uint64_t)i << FLOW_SHIFT;
		fill(&flows[i]);
	}
}

static void
usage(void)
{
	fprintf(stderr,
			"usage: bench-scale EAL-ARGUMENTS -- 1..%u %u..%u 1..%u MBUFS SECONDS 0..1 "
			"[lose|repeat]\n",
			QUEUES_MAX, RING_MIN, RING_MAX, BURST_MAX);
	exit(2);
}

static long
count(const char *text, long min, long max)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end != '\0' || value < min || value > max)
		usage();
	return value;
}

static void
parse(int argc, char **argv)
{
	if (argc != 7 && argc != 8)
		usage();
	options.queues = (uint16_t)count(argv[1], 1, QUEUES_MAX);
	options.ring = (uint16_t)count(argv[2], RING_MIN, RING_MAX);
	options.burst = (uint16_t)count(argv[3], 1, BURST_MAX);
	options.mbufs = (unsigned int)count(argv[4], 0, INT32_MAX);
	options.seconds = atof(argv[5]);
	options.load = atof(argv[6]);
	if (argc == 8)
		options.fault = strcmp(argv[7], "lose") == 0 ? 1 : -1;
	if (!(options.seconds > 0) || !(options.load >= 0 && options.load <= 1) ||
			(options.fault < 0 && strcmp(argv[7], "repeat") != 0))
		usage();
}

int
main(int argc, char **argv)
{
	double cycles = 0, ns_per_cycle;
	struct span span;
	int n = rte_eal_init(argc, argv);

	if (n < 0)
		errx(1, "EAL does not start");
	parse(argc - n, argv + n);
	if (rte_eth_dev_count_avail() == 0)
		errx(1, "no port");
	open_all(rte_eth_dev_count_avail());
	puts("ready");
	fflush(stdout);
	getchar();

	run(WARM_UP_S, 0);
	if (options.load != 0) {
		span = sample(SATURATION_S, 0);
		drain(0);
		cycles = (double)span.cycles / ((double)span.packets * options.load) * nr_flows;
	}
	flows[0].sent += (uint64_t)options.fault;
	span = sample(options.seconds, cycles);
	drain(cycles);

	printf("{\"packets\": %" PRIu64 ", \"ns_per_packet\": %.3f", span.packets,
			(double)span.ns / (double)span.packets);
	ns_per_cycle = (double)span.ns / (double)span.cycles;
	if (options.load != 0)
		printf(", \"reached\": %.3f, \"p50_ns\": %.0f, \"p99_ns\": %.0f, "
		       "\"p9999_ns\": %.0f",
				(double)span.packets * cycles / (double)span.cycles / nr_flows,
				percentile(0.5) * ns_per_cycle, percentile(0.99) * ns_per_cycle,
				percentile(0.9999) * ns_per_cycle);
	puts("}");
	for (uint16_t port = 0; port < nr_flows / options.queues; port++) {
		rte_eth_dev_stop(port);
		rte_eth_dev_close(port);
	}
	return 0;
}
