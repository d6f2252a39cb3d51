/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The parts that all scenarios share: messages, the port with its queues, and frames that come
 * back. This file contains nothing that is specific to gantry.
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/link_up.h"
#include "ethdev_calls.h"

const char *scenario;
bool mac_loopback;
struct rte_mempool *pool;
struct rte_ether_addr own;

void
wrong(const char *fmt, ...)
{
	va_list ap;

	printf("%s: ", scenario);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	exit(1);
}

void
wait_link(void)
{
	OK(wait_link_up(P, SOON_MS));
}

void
queues(const struct rte_eth_conf *conf, uint16_t nb_rxq, bool deferred)
{
	struct rte_eth_dev_info info;
	struct rte_eth_rxconf rxconf;
	struct rte_eth_txconf txconf;
	struct rte_eth_conf c = *conf;
	uint16_t q;

	if (mac_loopback)
		c.lpbk_mode = 1;
	OK(rte_eth_dev_configure(P, nb_rxq, 1, &c));
	OK(rte_eth_dev_info_get(P, &info));
	rxconf = info.default_rxconf;
	txconf = info.default_txconf;
	rxconf.rx_deferred_start = txconf.tx_deferred_start = deferred;
	for (q = 0; q < nb_rxq; q++)
		OK(rte_eth_rx_queue_setup(P, q, RING, SOCKET_ID_ANY, &rxconf, pool));
	OK(rte_eth_tx_queue_setup(P, 0, RING, SOCKET_ID_ANY, &txconf));
}

void
up(const struct rte_eth_conf *conf)
{
	queues(conf, 1, false);
	OK(rte_eth_dev_start(P));
	wait_link();
}

void
down(void)
{
	OK(rte_eth_dev_stop(P));
	OK(rte_eth_dev_close(P));
	if (rte_mempool_avail_count(pool) != MBUFS)
		wrong("%u of %u mbufs came back", rte_mempool_avail_count(pool), MBUFS);
}

struct rte_mbuf *
frame(const struct rte_ether_addr *to, int vlan)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint16_t *type;

	CHECK(m != NULL);
	memset(rte_pktmbuf_append(m, 60), 0, 60);
	memcpy(rte_pktmbuf_mtod(m, void *), to, 6);
	rte_pktmbuf_mtod(m, uint8_t *)[6] = 2;
	type = rte_pktmbuf_mtod_offset(m, uint16_t *, 12);
	if (vlan >= 0) {
		*type++ = RTE_BE16(RTE_ETHER_TYPE_VLAN);
		*type++ = rte_cpu_to_be_16(vlan);
	}
	*type = RTE_BE16(0x88B5); /* for local experiments */
	return m;
}

void
transmit(struct rte_mbuf *m)
{
	CHECK(rte_eth_tx_burst(P, 0, &m, 1) == 1);
}

struct rte_mbuf *
receive(unsigned int ms)
{
	const uint64_t end = rte_get_timer_cycles() + rte_get_timer_hz() / 1000 * ms;
	struct rte_mbuf *m;

	do {
		if (rte_eth_rx_burst(P, 0, &m, 1) == 1)
			return m;
	} while (rte_get_timer_cycles() < end);
	return NULL;
}

bool
arrives(const struct rte_ether_addr *to, int vlan)
{
	static const struct rte_ether_addr all = { { 255, 255, 255, 255, 255, 255 } };
	unsigned int nb = 0;
	struct rte_mbuf *m;
	bool last;

	transmit(frame(to, vlan));
	transmit(frame(&all, -1));
	do {
		m = receive(SOON_MS);
		if (m == NULL)
			wrong("the broadcast frame did not come back within %u ms", SOON_MS);
		last = rte_is_broadcast_ether_addr(rte_pktmbuf_mtod(m, void *));
		nb += !last;
		rte_pktmbuf_free(m);
	} while (!last);
	CHECK(nb <= 1);
	return nb == 1;
}
