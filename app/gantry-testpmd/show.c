/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Output of the prompt: ports, counters and packets.
 *
 * The words are those of dpdk-testpmd, so that a script which searches its output finds the same
 * names here. Everything comes from ethdev, and a value that a port does not report is left out.
 * Only the worker that owns the packets calls show_packets(); the main lcore calls all others.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_mbuf_ptype.h>

#include "testpmd.h"

/* The counters that the last `show port stats` printed, for rates. tsc is 0 before the first. */
static struct {
	struct rte_eth_stats stats;
	uint64_t tsc;
} shown[RTE_MAX_ETHPORTS];

static void
print_address(const char *before, const struct rte_ether_addr *mac)
{
	printf("%s" RTE_ETHER_ADDR_PRT_FMT, before, RTE_ETHER_ADDR_BYTES(mac));
}

static void
print_link(const struct port *p)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(p->id, &link) != 0)
		return;
	printf("Link status: %s\n", link.link_status == RTE_ETH_LINK_UP ? "up" : "down");
	printf("Link speed: %s\n", rte_eth_link_speed_to_str(link.link_speed));
	printf("Link duplex: %s\n",
			link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX ? "full-duplex" :
								       "half-duplex");
	printf("Autoneg status: %s\n", link.link_autoneg == RTE_ETH_LINK_AUTONEG ? "On" : "Off");
}

void
show_port_info(struct port *p)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	uint16_t mtu;
	char firmware[64];
	int ret = rte_eth_dev_info_get(p->id, &info);

	if (ret != 0) {
		report_error("port %u (%s) has no information: %s", p->id, p->name,
				rte_strerror(-ret));
		return;
	}
	printf("\n********************* Infos for port %-2u *********************\n", p->id);
	if (rte_eth_macaddr_get(p->id, &mac) == 0) {
		print_address("MAC address: ", &mac);
		printf("\n");
	}
	printf("Device name: %s\n", p->name);
	printf("Driver name: %s\n", info.driver_name);
	if (rte_eth_dev_fw_version_get(p->id, firmware, sizeof(firmware)) == 0)
		printf("Firmware-version: %s\n", firmware);
	printf("Connect to socket: %d\n", rte_eth_dev_socket_id(p->id));
	print_link(p);
	if (rte_eth_dev_get_mtu(p->id, &mtu) == 0)
		printf("MTU: %u\n", mtu);
	printf("Promiscuous mode: %s\n",
			rte_eth_promiscuous_get(p->id) == 1 ? "enabled" : "disabled");
	printf("Allmulticast mode: %s\n",
			rte_eth_allmulticast_get(p->id) == 1 ? "enabled" : "disabled");
	printf("Maximum number of MAC addresses: %u\n", info.max_mac_addrs);
	printf("Minimum size of RX buffer: %u\n", info.min_rx_bufsize);
	printf("Maximum configurable length of RX packet: %u\n", info.max_rx_pktlen);
	printf("Current number of RX queues: %u\n", info.nb_rx_queues);
	printf("Max possible RX queues: %u\n", info.max_rx_queues);
	printf("Max possible number of RXDs per queue: %u\n", info.rx_desc_lim.nb_max);
	printf("Min possible number of RXDs per queue: %u\n", info.rx_desc_lim.nb_min);
	printf("Current number of TX queues: %u\n", info.nb_tx_queues);
	printf("Max possible TX queues: %u\n", info.max_tx_queues);
	printf("Max possible number of TXDs per queue: %u\n", info.tx_desc_lim.nb_max);
	printf("Min possible number of TXDs per queue: %u\n", info.tx_desc_lim.nb_min);
}

/* Return how much a counter grew in a second; 0 if it was cleared, or was not shown before. */
static uint64_t
per_second(uint64_t now, uint64_t before, double seconds)
{
	return seconds > 0 && now > before ? (uint64_t)((double)(now - before) / seconds) : 0;
}

void
show_port_stats(struct port *p)
{
	const struct rte_eth_stats *old = &shown[p->id].stats;
	struct rte_eth_stats st;
	const uint64_t now = rte_rdtsc();
	double seconds = 0;
	int ret = rte_eth_stats_get(p->id, &st);

	if (ret != 0) {
		report_error("port %u (%s) has no statistics: %s", p->id, p->name,
				rte_strerror(-ret));
		return;
	}
	if (shown[p->id].tsc != 0)
		seconds = (double)(now - shown[p->id].tsc) / rte_get_tsc_hz();
	printf("\n  ######################## NIC statistics for port %-2u "
	       "########################\n",
			p->id);
	printf("  RX-packets: %-10" PRIu64 " RX-missed: %-10" PRIu64 " RX-bytes:  %" PRIu64 "\n",
			st.ipackets, st.imissed, st.ibytes);
	printf("  RX-errors: %" PRIu64 "\n", st.ierrors);
	printf("  RX-nombuf:  %" PRIu64 "\n", st.rx_nombuf);
	printf("  TX-packets: %-10" PRIu64 " TX-errors: %-10" PRIu64 " TX-bytes:  %" PRIu64 "\n",
			st.opackets, st.oerrors, st.obytes);
	printf("\n  Throughput (since last show)\n");
	printf("  Rx-pps: %12" PRIu64 "          Rx-bps: %12" PRIu64 "\n",
			per_second(st.ipackets, old->ipackets, seconds),
			8 * per_second(st.ibytes, old->ibytes, seconds));
	printf("  Tx-pps: %12" PRIu64 "          Tx-bps: %12" PRIu64 "\n",
			per_second(st.opackets, old->opackets, seconds),
			8 * per_second(st.obytes, old->obytes, seconds));
	printf("  ############################################################################\n");
	shown[p->id].stats = st;
	shown[p->id].tsc = now;
}

void
show_port_xstats(struct port *p)
{
	int n = rte_eth_xstats_get_names(p->id, NULL, 0);
	struct rte_eth_xstat_name *names = calloc(RTE_MAX(n, 1), sizeof(*names));
	struct rte_eth_xstat *values = calloc(RTE_MAX(n, 1), sizeof(*values));

	if (n < 0 || names == NULL || values == NULL ||
			rte_eth_xstats_get_names(p->id, names, n) != n ||
			rte_eth_xstats_get(p->id, values, n) != n) {
		report_error("port %u (%s): the extended statistics cannot be read", p->id,
				p->name);
	} else {
		printf("###### NIC extended statistics for port %u\n", p->id);
		for (int i = 0; i < n; i++)
			printf("%s: %" PRIu64 "\n", names[i].name, values[i].value);
	}
	free(names);
	free(values);
}

void
clear_port_stats(struct port *p)
{
	int ret = rte_eth_stats_reset(p->id);

	if (ret != 0) {
		report_error("port %u (%s): the statistics cannot be cleared: %s", p->id, p->name,
				rte_strerror(-ret));
		return;
	}
	shown[p->id].stats = (struct rte_eth_stats){ 0 };
	printf("\n  NIC statistics for port %u cleared\n", p->id);
}

void
show_packets(const struct port *p, uint16_t queue, const char *what, struct rte_mbuf **pkts,
		uint16_t n)
{
	char type[128];

	flockfile(stdout); /* no line of another lcore comes between */
	printf("port %u/queue %u: %s %u packets\n", p->id, queue, what, n);
	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

		/* A port whose minimum is less than Ethernet's may deliver less than a header. */
		if (m->data_len >= sizeof(*eth)) {
			print_address("  src=", &eth->src_addr);
			print_address(" - dst=", &eth->dst_addr);
			printf(" - type=0x%04x", rte_be_to_cpu_16(eth->ether_type));
		}
		printf(" - length=%u - nb_segs=%u", m->pkt_len, m->nb_segs);
		if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0)
			printf(" - RSS hash=0x%x", m->hash.rss);
		if (rte_get_ptype_name(m->packet_type, type, sizeof(type)) == 0)
			printf(" - hw ptype: %s", type);
		printf("\n");
	}
	funlockfile(stdout);
}
