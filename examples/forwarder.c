/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A complete DPDK application. It forwards the packets of each port to the neighbour of that port
 * (0 and 1, 2 and 3; if the number of ports is odd, the last one is its own neighbour). The code
 * does not depend on gantry; the Makefile links the driver in.
 *
 *	gantry-nic --port a:socket=/tmp/a.sock,wire=pcap:in.pcap:out.pcap &
 *	./forwarder --no-huge -m 64 -l 0 --no-pci -a vfio_user:/tmp/a.sock
 *
 * SIGINT or SIGTERM ends the application.
 */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#define RING  512
#define BURST 32

/*
 * Packets that a port received and that wait for room in the transmit ring of its neighbour. The
 * port receives no more until all of them are sent. If the outgoing port is too slow, the device
 * of the incoming port therefore drops packets, and counts them (imissed); nothing else does.
 */
struct held {
	struct rte_mbuf *pkts[BURST];
	uint16_t sent, count;
};

static volatile sig_atomic_t stop;

static void
on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static void
check(int ret, const char *what, uint16_t port)
{
	if (ret == 0)
		return;
	fprintf(stderr, "forwarder: port %u: %s: %s\n", port, what, rte_strerror(-ret));
	rte_eal_cleanup();
	exit(1);
}

static void
start(uint16_t port, struct rte_mempool *pool)
{
	static const struct rte_eth_conf conf;

	check(rte_eth_dev_configure(port, 1, 1, &conf), "configure", port);
	check(rte_eth_rx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL, pool), "rx queue", port);
	check(rte_eth_tx_queue_setup(port, 0, RING, SOCKET_ID_ANY, NULL), "tx queue", port);
	/* Before the port starts; else frames for other addresses that arrive first are dropped. */
	check(rte_eth_promiscuous_enable(port), "promiscuous", port);
	check(rte_eth_dev_start(port), "start", port);
}

static uint16_t
forward(uint16_t from, uint16_t to, struct held *held)
{
	uint16_t n;

	if (held->sent == held->count) {
		held->count = rte_eth_rx_burst(from, 0, held->pkts, BURST);
		held->sent = 0;
	}
	n = rte_eth_tx_burst(to, 0, held->pkts + held->sent, held->count - held->sent);
	held->sent += n;
	return n;
}

int
main(int argc, char **argv)
{
	static struct held held[RTE_MAX_ETHPORTS];
	struct rte_mempool *pool;
	uint64_t forwarded = 0;
	uint16_t port, count;

	if (rte_eal_init(argc, argv) < 0)
		return 1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	count = rte_eth_dev_count_avail();
	pool = rte_pktmbuf_pool_create("pool", (count + 1) * 2 * RING, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (count == 0 || pool == NULL) {
		fprintf(stderr, "forwarder: %s\n",
				count == 0 ? "no port" : "no memory for packets");
		rte_eal_cleanup();
		return 1;
	}
	RTE_ETH_FOREACH_DEV(port)
		start(port, pool);
	printf("forwarder: %u ports\n", count);
	fflush(stdout);
	while (!stop)
		RTE_ETH_FOREACH_DEV(port)
			forwarded += forward(port, (port ^ 1) < count ? port ^ 1 : port,
					&held[port]);
	RTE_ETH_FOREACH_DEV(port) {
		rte_pktmbuf_free_bulk(held[port].pkts + held[port].sent,
				held[port].count - held[port].sent);
		rte_eth_dev_stop(port);
		rte_eth_dev_close(port);
	}
	printf("forwarder: %" PRIu64 " packets\n", forwarded);
	return rte_eal_cleanup() != 0;
}
