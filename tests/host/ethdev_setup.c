/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scenarios about the set-up of a port: configuration, restarts, queues that start later, address
 * and VLAN filters, identity.
 */

#include <string.h>

#include "ethdev_calls.h"

/* Identification of the port that no tool prints: firmware version and EEPROM. */
void
identity(void)
{
	static const struct rte_eth_conf conf;
	struct rte_dev_eeprom_info info = { 0 };
	uint16_t words[512], sum = 0;
	char version[32], none[1];
	int len, i;

	OK(rte_eth_dev_fw_version_get(P, version, sizeof(version)));
	CHECK(strlen(version) >= 3 && strchr(version, '.') != NULL);
	/* If the buffer is too small, the call returns the size that it needs. */
	CHECK(rte_eth_dev_fw_version_get(P, none, 1) == (int)strlen(version) + 1);

	len = rte_eth_dev_get_eeprom_length(P);
	CHECK(len > 0 && len <= (int)sizeof(words));
	info.data = words;
	info.length = len;
	OK(rte_eth_dev_get_eeprom(P, &info));
	CHECK(info.magic == (0x8086 | 0x10c9u << 16));
	CHECK(memcmp(words, &own, 6) == 0);
	for (i = 0; i < len / 2; i++)
		sum += words[i];
	CHECK(sum == 0xBABA); /* checksum of the NVM (datasheet, 6.2.24) */
	info.offset = 2;
	info.length = 4;
	words[0] = words[1] = 0;
	OK(rte_eth_dev_get_eeprom(P, &info));
	CHECK(memcmp(words, own.addr_bytes + 2, 4) == 0);
	info.offset = len;
	info.length = 2;
	CHECK(rte_eth_dev_get_eeprom(P, &info) == -EINVAL);
	up(&conf);
	down();
}

/* Configuration, start, stop, statistics, MTU and reset, four times, with one to four queues. */
void
restart(void)
{
	struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IPV4,
	};
	struct rte_eth_stats stats;
	unsigned int i;

	for (i = 1; i <= 4; i++) {
		queues(&conf, 4, false);
		queues(&conf, i, false);
		OK(rte_eth_dev_start(P));
		CHECK(rte_eth_dev_start(P) == 0); /* started already: ethdev accepts it */
		wait_link();
		OK(rte_eth_stats_reset(P));
		CHECK(arrives(&own, -1));
		OK(rte_eth_stats_get(P, &stats));
		CHECK(stats.ipackets == 2 && stats.opackets == 2 && stats.ibytes == 120 &&
				stats.obytes == 120 && stats.imissed == 0 && stats.ierrors == 0);
		OK(rte_eth_dev_stop(P));
		/*
		 * The counters survive the release of the rings, and a restart does not reset them.
		 */
		OK(rte_eth_stats_get(P, &stats));
		CHECK(stats.ipackets == 2 && stats.opackets == 2);
		OK(rte_eth_dev_start(P));
		OK(rte_eth_stats_get(P, &stats));
		CHECK(stats.ipackets == 2 && stats.opackets == 2);
		OK(rte_eth_dev_set_mtu(P, 1400));
		OK(rte_eth_dev_stop(P));
		OK(rte_eth_dev_set_mtu(P, 1500));
		OK(rte_eth_stats_reset(P));
		OK(rte_eth_stats_get(P, &stats));
		CHECK(stats.ipackets == 0 && stats.opackets == 0);
		OK(rte_eth_dev_reset(P));
		CHECK(rte_mempool_avail_count(pool) == MBUFS);
	}
	up(&conf);
	CHECK(arrives(&own, -1));
	down();
}

void
deferred_queues(void)
{
	static const struct rte_eth_conf conf;
	struct rte_mbuf *m;
	unsigned int i;

	queues(&conf, 1, true);
	OK(rte_eth_dev_start(P));
	wait_link();
	CHECK(receive(10) == NULL);
	m = frame(&own, -1);
	CHECK(rte_eth_tx_burst(P, 0, &m, 1) == 0);
	rte_pktmbuf_free(m);
	for (i = 0; i < 5; i++) {
		OK(rte_eth_dev_rx_queue_start(P, 0));
		OK(rte_eth_dev_tx_queue_start(P, 0));
		CHECK(arrives(&own, -1));
		transmit(frame(&own, -1)); /* stays in the ring */
		OK(rte_eth_dev_tx_queue_stop(P, 0));
		OK(rte_eth_dev_rx_queue_stop(P, 0));
		CHECK(rte_mempool_avail_count(pool) == MBUFS);
		CHECK(receive(10) == NULL);
	}
	down();
}

void
filters(void)
{
	struct rte_eth_conf conf = { .rxmode.offloads = RTE_ETH_RX_OFFLOAD_VLAN_FILTER };
	struct rte_ether_addr second = { { 2, 0, 0, 0, 0, 0x77 } },
			      other = { { 2, 0, 0, 0, 0, 0x78 } };
	struct rte_ether_addr group[2] = { { { 1, 0, 0x5e, 1, 2, 3 } },
		{ { 1, 0, 0x5e, 1, 2, 4 } } };
	struct rte_ether_addr stranger = { { 1, 0, 0x5e, 0x44, 0x55, 0x66 } };
	unsigned int i;

	up(&conf);
	OK(rte_eth_promiscuous_disable(P));
	OK(rte_eth_dev_set_mc_addr_list(P, group, 2));
	OK(rte_eth_dev_mac_addr_add(P, &second, 0));
	OK(rte_eth_dev_vlan_filter(P, 100, 1));
	for (i = 0; i < 3; i++) {
		CHECK(arrives(&own, -1));
		CHECK(arrives(&second, -1));
		CHECK(!arrives(&other, -1));
		CHECK(arrives(&group[0], -1));
		CHECK(arrives(&group[1], -1));
		CHECK(!arrives(&stranger, -1));
		CHECK(arrives(&own, 100));
		CHECK(!arrives(&own, 101));
		/* All filters survive a restart, and then also a complete reconfiguration. */
		OK(rte_eth_dev_stop(P));
		if (i == 1)
			queues(&conf, 1, false);
		OK(rte_eth_dev_start(P));
		wait_link();
	}
	OK(rte_eth_allmulticast_enable(P));
	CHECK(arrives(&stranger, -1));
	CHECK(!arrives(&other, -1));
	OK(rte_eth_promiscuous_enable(P));
	CHECK(arrives(&other, -1));
	OK(rte_eth_dev_stop(P));
	OK(rte_eth_dev_start(P));
	wait_link();
	CHECK(arrives(&other, -1));
	OK(rte_eth_promiscuous_disable(P));
	CHECK(!arrives(&other, -1));
	CHECK(arrives(&stranger, -1));
	OK(rte_eth_allmulticast_disable(P));
	CHECK(!arrives(&stranger, -1));
	OK(rte_eth_dev_set_mc_addr_list(P, group, 1));
	CHECK(arrives(&group[0], -1));
	CHECK(!arrives(&group[1], -1));
	OK(rte_eth_dev_mac_addr_remove(P, &second));
	CHECK(!arrives(&second, -1));
	OK(rte_eth_dev_vlan_filter(P, 100, 0));
	CHECK(!arrives(&own, 100));
	OK(rte_eth_dev_set_vlan_offload(P, 0));
	CHECK(arrives(&own, 100));
	OK(rte_eth_dev_default_mac_addr_set(P, &other));
	CHECK(arrives(&other, -1));
	CHECK(!arrives(&own, -1));
	down();
}
