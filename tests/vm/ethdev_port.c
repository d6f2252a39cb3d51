/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A remote-controlled port: it transmits frames on command, and prints those that it receives.
 *
 *	ethdev_port EAL-ARGS -- [queues=N] [mtu=N] [hf=MASK] [lsc] [sleep]
 *
 * The program contains nothing that is specific to a driver or to the contents of frames. A
 * scenario makes the frames and computes the expected result, so it can test two drivers in the
 * same way.
 *
 * Lines of the standard input:
 *	tx HEX [WORD...]  transmits a frame. WORD: ip4, ip6, ipcsum, tcp, udp, sctp, tso,
 *	                  vlan=TCI, l2=LEN, l3=LEN, l4=LEN, mss=LEN, seg=LEN (bytes in each mbuf)
 *	on Q, off Q       enables the interrupt of the queue, or disables it
 *	facts             prints the counters
 *	quit
 * The program answers each line with "done", or with "refused: REASON". For each received frame it
 * prints a line "rx ...", and for each link event "link ...".
 *
 * With "sleep", each queue has a thread that sleeps until the interrupt of the queue, receives all
 * pending frames, and enables the interrupt again, as l3fwd-power does. Without it, the main thread
 * polls all queues.
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_interrupts.h>
#include <rte_mbuf_ptype.h>

#include "../common/link_up.h"

#define P          0
#define RING       512
#define MBUFS      12287
#define MAX_QUEUES 16
#define LINE       140000 /* 64 KiB in hex, and words */

#define RX_OFFLOADS \
	(RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_CHECKSUM | \
			RTE_ETH_RX_OFFLOAD_SCTP_CKSUM | RTE_ETH_RX_OFFLOAD_RSS_HASH | \
			RTE_ETH_RX_OFFLOAD_SCATTER)
#define TX_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | \
			RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
			RTE_ETH_TX_OFFLOAD_SCTP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO | \
			RTE_ETH_TX_OFFLOAD_MULTI_SEGS)

struct queue {
	uint16_t id;
	volatile bool asked; /* the interrupt is enabled */
	volatile unsigned long wakes, frames;
	pthread_t thread;
};

static struct queue queues[MAX_QUEUES];
static uint16_t nb_queues = 1;
static bool sleeping;
static struct rte_mempool *pool;

__attribute__((noreturn, format(printf, 1, 2))) static void
fail(const char *fmt, ...)
{
	va_list ap;

	printf("failed: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	exit(1);
}

#define OK(call) \
	do { \
		int ret_ = (call); \
		if (ret_ != 0) \
			fail("%s: %s", #call, rte_strerror(-ret_)); \
	} while (0)

/* Receive. */

static const char *
verdict(uint64_t flags, uint64_t good, uint64_t bad)
{
	flags &= good | bad;
	return flags == 0 ? "unknown" : flags == good ? "good" : flags == bad ? "bad" : "none";
}

static void
show(const struct queue *q, const struct rte_mbuf *m)
{
	const struct rte_mbuf *s;
	uint16_t i;

	flockfile(stdout);
	printf("rx queue=%u len=%u segs=%u ptype=0x%x ip=%s l4=%s", q->id, m->pkt_len, m->nb_segs,
			m->packet_type,
			verdict(m->ol_flags, RTE_MBUF_F_RX_IP_CKSUM_GOOD,
					RTE_MBUF_F_RX_IP_CKSUM_BAD),
			verdict(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
					RTE_MBUF_F_RX_L4_CKSUM_BAD));
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		printf(" tci=%u", m->vlan_tci);
	if (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH)
		printf(" hash=0x%08x", m->hash.rss);
	printf(" data=");
	for (s = m; s != NULL; s = s->next)
		for (i = 0; i < s->data_len; i++)
			printf("%02x", rte_pktmbuf_mtod(s, const uint8_t *)[i]);
	printf("\n");
	fflush(stdout);
	funlockfile(stdout);
}

/* Receive all pending frames, and return their number. */
static unsigned int
drain(struct queue *q)
{
	unsigned int nb = 0;
	struct rte_mbuf *m;

	for (; rte_eth_rx_burst(P, q->id, &m, 1) == 1; nb++) {
		q->frames++;
		show(q, m);
		rte_pktmbuf_free(m);
	}
	return nb;
}

static void *
sleeper(void *arg)
{
	struct queue *q = arg;
	struct rte_epoll_event ev;
	int nb;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	OK(rte_eth_dev_rx_intr_ctl_q(P, q->id, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL));
	for (;;) {
		/* No time-out: a thread that its own interrupt does not wake must sleep on. */
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
		nb = rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, -1);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
		if (nb != 1)
			fail("rte_epoll_wait: %s", strerror(errno));
		q->wakes++;
		drain(q);
		/*
		 * Enabling an interrupt while a frame is pending raises it at once, so no frame is
		 * missed.
		 */
		if (q->asked)
			OK(rte_eth_dev_rx_intr_enable(P, q->id));
	}
	return NULL;
}

/* Transmit. */

static struct rte_mbuf *
packet(const char *hex, uint16_t room)
{
	struct rte_mbuf *m = NULL, *tail = NULL;
	unsigned int byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
		if (tail == NULL || tail->data_len == room) {
			struct rte_mbuf *s = rte_pktmbuf_alloc(pool);

			if (s == NULL)
				fail("no mbuf is left");
			if (tail != NULL) {
				tail->next = s;
				m->nb_segs++;
			} else {
				m = s;
			}
			tail = s;
		}
		rte_pktmbuf_mtod(tail, uint8_t *)[tail->data_len++] = byte;
		m->pkt_len++;
	}
	return m;
}

static const char *
transmit(char *words)
{
	static const struct {
		const char *word;
		uint64_t flag;
	} flags[] = {
		{ "ip4", RTE_MBUF_F_TX_IPV4 },
		{ "ip6", RTE_MBUF_F_TX_IPV6 },
		{ "ipcsum", RTE_MBUF_F_TX_IP_CKSUM },
		{ "tcp", RTE_MBUF_F_TX_TCP_CKSUM },
		{ "udp", RTE_MBUF_F_TX_UDP_CKSUM },
		{ "sctp", RTE_MBUF_F_TX_SCTP_CKSUM },
		{ "tso", RTE_MBUF_F_TX_TCP_SEG },
	};
	const char *hex = strsep(&words, " "), *word;
	unsigned int seg = RTE_MBUF_DEFAULT_DATAROOM, vlan = 0, l2 = 0, l3 = 0, l4 = 0, mss = 0, i;
	uint64_t ol_flags = 0;
	struct rte_mbuf *m;

	while ((word = strsep(&words, " ")) != NULL) {
		for (i = 0; i < RTE_DIM(flags); i++)
			if (strcmp(word, flags[i].word) == 0)
				break;
		if (i < RTE_DIM(flags))
			ol_flags |= flags[i].flag;
		else if (sscanf(word, "vlan=%u", &vlan) == 1)
			ol_flags |= RTE_MBUF_F_TX_VLAN;
		else if (sscanf(word, "l2=%u", &l2) != 1 && sscanf(word, "l3=%u", &l3) != 1 &&
				sscanf(word, "l4=%u", &l4) != 1 &&
				sscanf(word, "mss=%u", &mss) != 1 &&
				sscanf(word, "seg=%u", &seg) != 1)
			fail("no word '%s'", word);
	}
	m = packet(hex, seg);
	if (m == NULL)
		fail("no frame in '%s'", hex);
	m->ol_flags = ol_flags;
	m->vlan_tci = vlan;
	m->l2_len = l2;
	m->l3_len = l3;
	m->l4_len = l4;
	m->tso_segsz = mss;
	if (rte_eth_tx_prepare(P, 0, &m, 1) != 1) {
		rte_pktmbuf_free(m);
		return rte_strerror(rte_errno);
	}
	if (rte_eth_tx_burst(P, 0, &m, 1) != 1) {
		rte_pktmbuf_free(m);
		return "the ring is full";
	}
	return NULL;
}

/* The port. */

static int
on_link(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port, &link) == 0)
		printf("link %s %u\n", link.link_status ? "up" : "down", link.link_speed);
	fflush(stdout);
	return 0;
}

static void
port_start(uint16_t mtu, uint64_t hf, bool lsc)
{
	struct rte_eth_conf conf = { .intr_conf.lsc = lsc, .intr_conf.rxq = sleeping };
	struct rte_eth_dev_info info;
	uint16_t i;

	OK(rte_eth_dev_info_get(P, &info));
	conf.rxmode.mtu = mtu;
	conf.rxmode.offloads = info.rx_offload_capa & RX_OFFLOADS;
	conf.txmode.offloads = info.tx_offload_capa & TX_OFFLOADS;
	if (nb_queues > 1) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & hf;
	} else {
		conf.rxmode.offloads &= ~RTE_ETH_RX_OFFLOAD_RSS_HASH;
	}
	OK(rte_eth_dev_configure(P, nb_queues, 1, &conf));
	info.default_rxconf.offloads = conf.rxmode.offloads;
	info.default_txconf.offloads = conf.txmode.offloads;
	for (i = 0; i < nb_queues; i++)
		OK(rte_eth_rx_queue_setup(P, i, RING, SOCKET_ID_ANY, &info.default_rxconf, pool));
	OK(rte_eth_tx_queue_setup(P, 0, RING, SOCKET_ID_ANY, &info.default_txconf));
	if (lsc)
		OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_LSC, on_link, NULL));
	OK(rte_eth_dev_start(P));
	OK(rte_eth_promiscuous_enable(P));
	for (i = 0; i < nb_queues; i++)
		queues[i].id = i;
	for (i = 0; sleeping && i < nb_queues; i++)
		if (pthread_create(&queues[i].thread, NULL, sleeper, &queues[i]) != 0)
			fail("pthread_create");
	OK(wait_link_up(P, 20000));
}

static void
port_show(void)
{
	struct rte_eth_rss_reta_entry64 reta[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
	struct rte_eth_rss_conf rss = { 0 };
	struct rte_eth_dev_info info;
	uint8_t key[64];
	uint16_t i;

	OK(rte_eth_dev_info_get(P, &info));
	printf("driver=%s\noffloads=0x%" PRIx64 ",0x%" PRIx64 "\n", info.driver_name,
			info.rx_offload_capa & RX_OFFLOADS, info.tx_offload_capa & TX_OFFLOADS);
	if (nb_queues > 1) {
		rss.rss_key = key;
		rss.rss_key_len = info.hash_key_size;
		OK(rte_eth_dev_rss_hash_conf_get(P, &rss));
		printf("rss_hf=0x%" PRIx64 "\nrss_key=", rss.rss_hf);
		for (i = 0; i < info.hash_key_size; i++)
			printf("%02x", key[i]);
		memset(reta, 0xFF, sizeof(reta)); /* sets every mask */
		OK(rte_eth_dev_rss_reta_query(P, reta, info.reta_size));
		printf("\nreta=");
		for (i = 0; i < info.reta_size; i++)
			printf("%s%u", i == 0 ? "" : ",",
					reta[i / RTE_ETH_RETA_GROUP_SIZE]
							.reta[i % RTE_ETH_RETA_GROUP_SIZE]);
		printf("\n");
	}
	printf("ready\n");
	fflush(stdout);
}

static void
facts(void)
{
	struct rte_eth_stats stats;
	struct rte_eth_link link;
	struct timespec t = { 0 };
	clockid_t clock;
	uint16_t i;

	OK(rte_eth_stats_get(P, &stats));
	OK(rte_eth_link_get_nowait(P, &link));
	flockfile(stdout);
	for (i = 0; i < nb_queues; i++) {
		if (sleeping && pthread_getcpuclockid(queues[i].thread, &clock) == 0)
			clock_gettime(clock, &t);
		printf("queue%u wakes=%lu frames=%lu cpu_ns=%" PRIu64 "\n", i, queues[i].wakes,
				queues[i].frames, t.tv_sec * UINT64_C(1000000000) + t.tv_nsec);
	}
	printf("stats ipackets=%" PRIu64 " opackets=%" PRIu64 " ibytes=%" PRIu64 " obytes=%" PRIu64
	       " imissed=%" PRIu64 " ierrors=%" PRIu64 " oerrors=%" PRIu64 " link=%u\n",
			stats.ipackets, stats.opackets, stats.ibytes, stats.obytes, stats.imissed,
			stats.ierrors, stats.oerrors, link.link_status);
	funlockfile(stdout);
}

/* Execute a line; return false for "quit". */
static bool
obey(char *line)
{
	const char *why = NULL;
	unsigned int q;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "tx ", 3) == 0) {
		why = transmit(line + 3);
	} else if (sscanf(line, "on %u", &q) == 1 && q < nb_queues) {
		queues[q].asked = true;
		why = rte_eth_dev_rx_intr_enable(P, q) == 0 ? NULL : "rx_intr_enable";
	} else if (sscanf(line, "off %u", &q) == 1 && q < nb_queues) {
		queues[q].asked = false;
		why = rte_eth_dev_rx_intr_disable(P, q) == 0 ? NULL : "rx_intr_disable";
	} else if (strcmp(line, "facts") == 0) {
		facts();
	} else if (strcmp(line, "quit") == 0) {
		return false;
	} else {
		fail("no command '%s'", line);
	}
	if (why == NULL)
		printf("done\n");
	else
		printf("refused: %s\n", why);
	fflush(stdout);
	return true;
}

static void
stop(void)
{
	uint16_t i;

	for (i = 0; sleeping && i < nb_queues; i++) {
		pthread_cancel(queues[i].thread);
		pthread_join(queues[i].thread, NULL);
	}
	OK(rte_eth_dev_stop(P));
	OK(rte_eth_dev_close(P));
	if (rte_mempool_avail_count(pool) != MBUFS)
		fail("%u of %u mbufs came back", rte_mempool_avail_count(pool), MBUFS);
	printf("closed\n");
}

int
main(int argc, char **argv)
{
	int i = rte_eal_init(argc, argv);
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t hf = UINT64_MAX;
	unsigned int mtu = 1500;
	static char line[LINE];
	bool lsc = false;
	uint16_t q;

	if (i < 0)
		return 1;
	for (i++; i < argc; i++) {
		if (strcmp(argv[i], "lsc") == 0)
			lsc = true;
		else if (strcmp(argv[i], "sleep") == 0)
			sleeping = true;
		else if (sscanf(argv[i], "queues=%hu", &nb_queues) != 1 &&
				sscanf(argv[i], "mtu=%u", &mtu) != 1 &&
				sscanf(argv[i], "hf=%" SCNx64, &hf) != 1)
			fail("no option '%s'", argv[i]);
	}
	if (nb_queues == 0 || nb_queues > MAX_QUEUES)
		fail("1 to %u queues", MAX_QUEUES);
	if (rte_eth_dev_count_avail() == 0)
		fail("no port");
	/* stdio would buffer lines, which poll() then does not report. */
	setvbuf(stdin, NULL, _IONBF, 0);
	pool = rte_pktmbuf_pool_create("pool", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	if (pool == NULL)
		fail("pool: %s", rte_strerror(rte_errno));
	port_start(mtu, hf, lsc);
	port_show();
	for (;;) {
		unsigned int nb = 0;

		for (q = 0; !sleeping && q < nb_queues; q++)
			nb += drain(&queues[q]);
		if (poll(&in, 1, sleeping ? -1 : nb == 0) == 1 &&
				(fgets(line, sizeof(line), stdin) == NULL || !obey(line)))
			break;
	}
	stop();
	rte_eal_cleanup();
	return 0;
}
