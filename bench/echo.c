/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * bench-echo: a bare loop that forwards between two ports, the far end of a peer in tools/bench
 * path.
 *
 *	bench-echo EAL-ARGUMENTS
 *
 * It does what testpmd's io does, without statistics, retries or modes, on the main lcore. It
 * frees the frames that the second port does not take, and the benchmark would notice. It ends by a
 * signal.
 */

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#define DESCRIPTORS 1024
#define BURST       32
#define MBUFS       16384
#define CACHE       256

static void
open_port(uint16_t port, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = { 0 };
	int ret;

	ret = rte_eth_dev_configure(port, 1, 1, &conf);
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(port, 0, DESCRIPTORS, rte_eth_dev_socket_id(port),
				NULL, pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(port, 0, DESCRIPTORS, rte_eth_dev_socket_id(port),
				NULL);
	if (ret == 0)
		ret = rte_eth_dev_start(port);
	if (ret != 0)
		errx(1, "port %u: %s", port, rte_strerror(-ret));
	rte_eth_promiscuous_enable(port); /* not all peers have it */
}

static void
forward(uint16_t from, uint16_t to)
{
	struct rte_mbuf *mbufs[BURST];
	uint16_t n = rte_eth_rx_burst(from, 0, mbufs, BURST), sent;

	if (n == 0)
		return;
	sent = rte_eth_tx_burst(to, 0, mbufs, n);
	if (sent < n)
		rte_pktmbuf_free_bulk(mbufs + sent, n - sent);
}

int
main(int argc, char **argv)
{
	struct rte_mempool *pool;

	if (rte_eal_init(argc, argv) < 0)
		errx(1, "EAL does not start");
	if (rte_eth_dev_count_avail() != 2)
		errx(1, "%u ports, not 2", rte_eth_dev_count_avail());
	pool = rte_pktmbuf_pool_create("echo", MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			(int)rte_socket_id());
	if (pool == NULL)
		errx(1, "no pool: %s", rte_strerror(rte_errno));
	for (uint16_t port = 0; port < 2; port++)
		open_port(port, pool);
	puts("forwarding");
	fflush(stdout);
	for (;;) {
		forward(0, 1);
		forward(1, 0);
	}
}
