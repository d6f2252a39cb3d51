/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scenarios that call those parts of ethdev which no packaged tool calls, on one port whose wire is
 * a loop. ethdev_limits.c has the scenarios about the limits of frames, ethdev_device.c those about
 * a device that fails, ethdev_vdev.c those about a port that a vdev owns:
 *
 *	ethdev_calls EAL-ARGS -- SCENARIO [looped]
 *
 * "looped" puts the device into its MAC loopback, for a wire that is no loop. This file contains
 * nothing that is specific to gantry. The program prints "SCENARIO: ok" and exits with status 0, or
 * prints the first error and exits with status 1. A test plays "freed", "silent" and "unplug" line
 * by line together with the program.
 */

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_sctp.h>
#include <rte_tcp.h>

#include "../common/link_up.h"
#include "ethdev_calls.h"

#define PATTERN 0xA5

static const char *scenario;
static bool mac_loopback;
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
	static const struct rte_ether_addr all = {{ 255, 255, 255, 255, 255, 255 }};
	unsigned int nb = 0;
	struct rte_mbuf *m;
	bool last;

	transmit(frame(to, vlan));
	transmit(frame(&all, -1));
	do {
		m = receive(SOON_MS);
		if (m == NULL)
			wrong("the broadcast does not come back");
		last = rte_is_broadcast_ether_addr(rte_pktmbuf_mtod(m, void *));
		nb += !last;
		rte_pktmbuf_free(m);
	} while (!last);
	CHECK(nb <= 1);
	return nb == 1;
}

static void
filters(void)
{
	struct rte_eth_conf conf = { .rxmode.offloads = RTE_ETH_RX_OFFLOAD_VLAN_FILTER };
	struct rte_ether_addr second = {{ 2, 0, 0, 0, 0, 0x77 }}, other = {{ 2, 0, 0, 0, 0, 0x78 }};
	struct rte_ether_addr group[2] = { {{ 1, 0, 0x5e, 1, 2, 3 }}, {{ 1, 0, 0x5e, 1, 2, 4 }} };
	struct rte_ether_addr stranger = {{ 1, 0, 0x5e, 0x44, 0x55, 0x66 }};
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

static void
interrupts(void)
{
	struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct rte_epoll_event ev;
	struct rte_mbuf *m;
	unsigned int i;

	up(&conf);
	OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL));
	for (i = 0; i < 20; i++) {
		OK(rte_eth_dev_rx_intr_enable(P, 0));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 20) == 0);
		transmit(frame(&own, -1));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, SOON_MS) == 1);
		m = receive(SOON_MS);
		CHECK(m != NULL);
		rte_pktmbuf_free(m);

		/*
		 * A disabled interrupt does not fire. Enabling it later fires at once, because a
		 * frame is pending.
		 */
		OK(rte_eth_dev_rx_intr_disable(P, 0));
		transmit(frame(&own, -1));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 20) == 0);
		OK(rte_eth_dev_rx_intr_enable(P, 0));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, SOON_MS) == 1);
		m = receive(SOON_MS);
		CHECK(m != NULL);
		rte_pktmbuf_free(m);
		if (i != 9)
			continue;
		OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL, NULL));
		OK(rte_eth_dev_stop(P));
		OK(rte_eth_dev_start(P));
		wait_link();
		OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL));
	}
	OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL, NULL));
	down();
}

static volatile int link_events, link_status = -1;

static int
on_link(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port, &link) == 0)
		link_status = link.link_status;
	link_events++;
	return 0;
}

static void
expect_link(int status)
{
	unsigned int ms;

	for (ms = 0; ms < SOON_MS && (link_events == 0 || link_status != status); ms++)
		rte_delay_us_sleep(1000);
	if (link_events == 0 || link_status != status)
		wrong("link %d expected, %d events, the last said %d", status, link_events,
			link_status);
	link_events = 0;
}

static void
link_changes(void)
{
	struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	struct rte_eth_link link;
	unsigned int i;

	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_LSC, on_link, NULL));
	queues(&conf, 1, false);
	OK(rte_eth_dev_start(P));
	wait_link();
	for (i = 0; i < 3; i++) {
		link_events = 0;
		OK(rte_eth_dev_set_link_down(P));
		expect_link(0);
		OK(rte_eth_dev_set_link_up(P));
		expect_link(1);
		CHECK(arrives(&own, -1));
	}
	OK(rte_eth_dev_callback_unregister(P, RTE_ETH_EVENT_INTR_LSC, on_link, NULL));
	/*
	 * Without intr_conf.lsc the port reports no events, but the link status is still up to
	 * date.
	 */
	conf.intr_conf.lsc = 0;
	OK(rte_eth_dev_stop(P));
	up(&conf);
	OK(rte_eth_dev_set_link_down(P));
	SOON(rte_eth_link_get_nowait(P, &link) == 0 && !link.link_status);
	down();
}

/* A port advertises only the speeds of its configuration, and its link has the best of them. */
static void
speeds(void)
{
	static const struct {
		uint32_t offered, mbps;
		bool half;
	} good[] = {
		{ RTE_ETH_LINK_SPEED_100M, 100, false },
		{ RTE_ETH_LINK_SPEED_10M, 10, false },
		{ RTE_ETH_LINK_SPEED_10M | RTE_ETH_LINK_SPEED_100M_HD, 100, true },
		{ RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_100M, 100, false },
		{ RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_10M_HD, 10, true },
		{ RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_1G, 1000, false },
		{ RTE_ETH_LINK_SPEED_AUTONEG, 1000, false },
	};
	static const uint32_t bad[] = {
		RTE_ETH_LINK_SPEED_FIXED, RTE_ETH_LINK_SPEED_2_5G,
		RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_2_5G,
		RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_10M | RTE_ETH_LINK_SPEED_100M,
	};
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_link link;
	unsigned int i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		conf.link_speeds = bad[i];
		CHECK(rte_eth_dev_configure(P, 1, 1, &conf) == -EINVAL);
	}
	for (i = 0; i < RTE_DIM(good); i++) {
		const bool fixed = good[i].offered & RTE_ETH_LINK_SPEED_FIXED;

		conf.link_speeds = good[i].offered;
		up(&conf);
		OK(rte_eth_link_get(P, &link));
		if (link.link_speed != good[i].mbps || link.link_duplex == good[i].half ||
				link.link_autoneg == fixed)
			wrong("offered 0x%x: %u Mb/s, duplex %u, autoneg %u", good[i].offered,
				link.link_speed, link.link_duplex, link.link_autoneg);
		CHECK(arrives(&own, -1));
		OK(rte_eth_dev_stop(P));
		OK(rte_eth_link_get(P, &link));
		CHECK(!link.link_status && link.link_autoneg == !fixed);
	}
	down();
}

static void
deferred(void)
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

/* RFC 9260, appendix A: the reflected Castagnoli polynomial. */
static uint32_t
crc32c(const uint8_t *p, size_t len)
{
	uint32_t crc = UINT32_MAX;
	int bit;

	for (; len > 0; len--)
		for (crc ^= *p++, bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
	return ~crc;
}

static void
sctp(void)
{
	struct rte_eth_conf conf = { .rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCTP_CKSUM,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_SCTP_CKSUM };
	unsigned int i;

	up(&conf);
	for (i = 0; i < 2; i++) {
		struct rte_mbuf *m = frame(&own, -1);
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
		struct rte_sctp_hdr *s = (struct rte_sctp_hdr *)(ip + 1);
		const size_t len = 60 - sizeof(*eth) - sizeof(*ip);
		uint32_t got, want;

		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
		*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF, .time_to_live = 64,
			.total_length = rte_cpu_to_be_16(60 - sizeof(*eth)),
			.next_proto_id = IPPROTO_SCTP, .src_addr = 1, .dst_addr = 2 };
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		s->src_port = RTE_BE16(1000);
		s->dst_port = RTE_BE16(2000);
		memset(s + 1, 0x3C, len - sizeof(*s));
		want = crc32c((uint8_t *)s, len);
		m->l2_len = sizeof(*eth);
		m->l3_len = sizeof(*ip);
		m->ol_flags = i == 0 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM : 0;
		CHECK(rte_eth_tx_prepare(P, 0, &m, 1) == 1);
		transmit(m);

		m = receive(SOON_MS);
		CHECK(m != NULL);
		memcpy(&got, &rte_pktmbuf_mtod_offset(m, struct rte_sctp_hdr *, sizeof(*eth) +
			sizeof(*ip))->cksum, 4);
		CHECK((got == want) == (i == 0));
		CHECK((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == (i == 0 ?
			RTE_MBUF_F_RX_L4_CKSUM_GOOD : RTE_MBUF_F_RX_L4_CKSUM_BAD));
		CHECK((m->packet_type & RTE_PTYPE_L4_MASK) == RTE_PTYPE_L4_SCTP);
		rte_pktmbuf_free(m);
	}
	down();
}

#define TSO_SEQ  0xFFFFFE00u /* wraps in the middle */
#define TSO_IPID 0xFFFE      /* wraps as well */

static uint8_t
tso_byte(unsigned int at)
{
	return at * 31 ^ at >> 8;
}

/*
 * Transmit packets that the device must segment; the test examines the capture. The packets are
 * IPv4, and IPv6 with a VLAN tag to insert. Each is a chain, because its payload is in mbufs of its
 * own.
 */
static void
tso(void)
{
	static const struct {
		bool ip6;
		uint32_t payload;
		uint16_t mss;
	} t[] = { { false, 5000, 1000 }, { true, 3333, 1200 }, { false, 700, 700 } };
	struct rte_eth_conf conf = { .txmode.offloads = RTE_ETH_TX_OFFLOAD_TCP_TSO |
		RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
		RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	unsigned int i;
	uint32_t at;

	up(&conf);
	for (i = 0; i < RTE_DIM(t); i++) {
		struct rte_mbuf *m = frame(&own, -1), *tail = m;
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
		struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(eth + 1);
		struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(eth + 1);
		const uint16_t l3 = t[i].ip6 ? sizeof(*ip6) : sizeof(*ip4);
		const uint16_t headers = sizeof(*eth) + l3 + sizeof(struct rte_tcp_hdr);
		struct rte_tcp_hdr *tcp = RTE_PTR_ADD(eth + 1, l3);

		if (headers > 60)
			CHECK(rte_pktmbuf_append(m, headers - 60) != NULL);
		else
			CHECK(rte_pktmbuf_trim(m, 60 - headers) == 0);
		memset(eth + 1, 0, headers - sizeof(*eth));
		if (t[i].ip6) {
			eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
			ip6->vtc_flow = RTE_BE32(6u << 28);
			ip6->payload_len = rte_cpu_to_be_16(sizeof(*tcp) + t[i].payload);
			ip6->proto = IPPROTO_TCP;
			ip6->hop_limits = 64;
			((uint8_t *)ip6)[23] = 1; /* the last bytes of the addresses */
			((uint8_t *)ip6)[39] = 2;
		} else {
			eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
			ip4->version_ihl = RTE_IPV4_VHL_DEF;
			ip4->total_length = rte_cpu_to_be_16(l3 + sizeof(*tcp) + t[i].payload);
			ip4->packet_id = RTE_BE16(TSO_IPID);
			ip4->time_to_live = 64;
			ip4->next_proto_id = IPPROTO_TCP;
			ip4->src_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 1));
			ip4->dst_addr = RTE_BE32(RTE_IPV4(10, 0, 0, 2));
		}
		tcp->src_port = RTE_BE16(1000);
		tcp->dst_port = rte_cpu_to_be_16(2000 + i);
		tcp->sent_seq = RTE_BE32(TSO_SEQ);
		tcp->recv_ack = RTE_BE32(77);
		tcp->data_off = sizeof(*tcp) / 4 << 4;
		tcp->tcp_flags = RTE_TCP_ACK_FLAG | RTE_TCP_PSH_FLAG | RTE_TCP_FIN_FLAG;
		tcp->rx_win = RTE_BE16(8192);
		for (at = 0; at < t[i].payload; at++) {
			if (at % 1500 == 0) {
				tail->next = rte_pktmbuf_alloc(pool);
				tail = tail->next;
				CHECK(tail != NULL);
				m->nb_segs++;
			}
			rte_pktmbuf_mtod(tail, uint8_t *)[at % 1500] = tso_byte(at);
			tail->data_len++;
		}
		m->pkt_len = headers + t[i].payload;
		m->l2_len = sizeof(*eth);
		m->l3_len = l3;
		m->l4_len = sizeof(*tcp);
		m->tso_segsz = t[i].mss;
		m->ol_flags = RTE_MBUF_F_TX_TCP_SEG | (t[i].ip6 ?
			RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_VLAN :
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
		m->vlan_tci = 100;
		CHECK(rte_eth_tx_prepare(P, 0, &m, 1) == 1);
		transmit(m);
	}
	/* The packets become 5, 3 and 1 segments. */
	SOON(rte_eth_tx_done_cleanup(P, 0, 0) >= 0 &&
		rte_mempool_avail_count(pool) == MBUFS - (RING - 1));
	down();
}

/* Identification of the port that no tool prints: firmware version and EEPROM. */
static void
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
static void
again(void)
{
	struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.rx_adv_conf.rss_conf.rss_hf = RTE_ETH_RSS_IPV4 };
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

static const char *
hear(void)
{
	static char line[64];

	CHECK(fgets(line, sizeof(line), stdin) != NULL);
	return line;
}

static __rte_noinline void
free_what_was_sent(void)
{
	struct rte_mbuf *m = frame(&own, -1);

	transmit(m);
	rte_pktmbuf_free(m);
	printf("freed\n");
	fflush(stdout);
}

/*
 * Commit a mistake: free an mbuf that the device owns. Repeat it when a line arrives on standard
 * input. The scenario is of use only if something watches for the mistake.
 */
static void
freed(void)
{
	static const struct rte_eth_conf conf;
	unsigned int i;

	up(&conf);
	free_what_was_sent();
	hear();
	free_what_was_sent();
	for (i = 0; i < 2; i++) {
		struct rte_mbuf *m = receive(SOON_MS);

		CHECK(m != NULL);
		rte_pktmbuf_free(m);
	}
	down();
}

static void
forward(void)
{
	struct rte_mbuf *pkts[32];
	uint16_t n = rte_eth_rx_burst(P, 0, pkts, 32);
	uint16_t sent = rte_eth_tx_burst(P, 0, pkts, n);

	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
}

/*
 * Frames circulate; then the device stops responding; then the port is stopped, and closed if the
 * test demands it. The scenario then takes every mbuf that was returned to the pool, fills it with
 * a pattern, and checks that the device does not write to it.
 */
static void
silent(void)
{
	static const struct rte_eth_conf conf;
	static struct rte_mbuf *mbufs[MBUFS];
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned int i, nb = 0, bad = 0;
	bool close_too;
	uint64_t end;
	size_t at;

	up(&conf);
	/* Promiscuous mode also lets a frame return whose bytes have become the pattern. */
	OK(rte_eth_promiscuous_enable(P));
	for (i = 0; i < 200; i++)
		transmit(frame(&own, -1));
	printf("flowing\n");
	fflush(stdout);
	while (poll(&in, 1, 0) == 0)
		forward();
	close_too = strcmp(hear(), "close\n") == 0;
	/* The device is stopped, so all mbufs accumulate in the transmit ring. */
	end = rte_get_timer_cycles() + rte_get_timer_hz() / 5;
	while (rte_get_timer_cycles() < end)
		forward();
	rte_eth_dev_stop(P);
	if (close_too)
		rte_eth_dev_close(P);

	while (nb < MBUFS && rte_mempool_get(pool, (void **)&mbufs[nb]) == 0)
		memset(mbufs[nb++]->buf_addr, PATTERN, rte_pktmbuf_data_room_size(pool));
	printf("%u mbufs taken, %u kept\n", nb, MBUFS - nb);
	fflush(stdout);
	hear();
	for (i = 0; i < nb; i++) {
		for (at = 0; at < rte_pktmbuf_data_room_size(pool) &&
				((uint8_t *)mbufs[i]->buf_addr)[at] == PATTERN; at++)
			;
		bad += at != rte_pktmbuf_data_room_size(pool);
	}
	if (bad != 0)
		wrong("%u mbufs were overwritten by the device", bad);
	rte_mempool_put_bulk(pool, (void **)mbufs, nb);
	/*
	 * The connection has ended, so the driver knows that the device no longer owns the buffers.
	 */
	if (!close_too)
		rte_eth_dev_close(P);
	printf("%u mbufs in the end\n", rte_mempool_avail_count(pool));
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "again", again },
	{ "application-maps", application_maps },
	{ "bad-buffer", bad_buffer },
	{ "bad-buffer-wire", bad_buffer_wire },
	{ "deferred", deferred },
	{ "device-error", device_error },
	{ "filters", filters },
	{ "freed", freed },
	{ "identity", identity },
	{ "interrupts", interrupts },
	{ "link", link_changes },
	{ "link-watch", link_watch },
	{ "prepare", prepare },
	{ "quiet", quiet },
	{ "ring-bases", ring_bases },
	{ "scatter", scatter },
	{ "sctp", sctp },
	{ "silent", silent },
	{ "speeds", speeds },
	{ "stale", stale },
	{ "stall-rx", stall_rx },
	{ "stall-tx", stall_tx },
	{ "tso", tso },
	{ "unplug", unplug },
	{ "vdev", vdev },
};

int
main(int argc, char **argv)
{
	int n = rte_eal_init(argc, argv);
	unsigned int i;

	if (n < 0 || n + 1 >= argc) {
		fprintf(stderr, "usage: ethdev_calls EAL-ARGS -- SCENARIO [looped]\n");
		return 2;
	}
	scenario = argv[n + 1];
	mac_loopback = n + 2 < argc && strcmp(argv[n + 2], "looped") == 0;
	pool = rte_pktmbuf_pool_create("pool", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	CHECK(pool != NULL);
	OK(rte_eth_macaddr_get(P, &own));
	for (i = 0; i < RTE_DIM(scenarios); i++) {
		if (strcmp(scenario, scenarios[i].name) != 0)
			continue;
		scenarios[i].run();
		printf("%s: ok\n", scenario);
		rte_eal_cleanup();
		return 0;
	}
	wrong("no such scenario");
}
