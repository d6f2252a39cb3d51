/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Frames at the limits of what a port transmits and receives; ethdev_calls.c explains the program.
 */

#include <string.h>

#include <rte_ether.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "ethdev_calls.h"

#define TCP4     (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM)
#define TCP6     (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV6)
#define L4(name) (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_##name##_CKSUM)

static uint64_t
xstat(const char *name)
{
	uint64_t id, value;

	OK(rte_eth_xstats_get_id_by_name(P, name, &id));
	CHECK(rte_eth_xstats_get_by_id(P, &id, &value, 1) == 1);
	return value;
}

static struct rte_eth_stats
stats(void)
{
	struct rte_eth_stats s;

	OK(rte_eth_stats_get(P, &s));
	return s;
}

/*
 * Allocate a chain of so many segments, for a foreign destination address: if it came back, the
 * receive filters would drop it.
 */
static struct rte_mbuf *
chain(uint32_t len, unsigned int segs)
{
	struct rte_mbuf *first = NULL, *m;
	unsigned int i;
	uint16_t part;

	for (i = 0; i < segs; i++) {
		part = len / segs + (i < len % segs);
		m = rte_pktmbuf_alloc(pool);
		CHECK(m != NULL);
		memset(rte_pktmbuf_append(m, part), 2, part);
		if (first == NULL)
			first = m;
		else
			OK(rte_pktmbuf_chain(first, m));
	}
	return first;
}

static const struct {
	const char *what;
	uint32_t len;
	unsigned int segs;
	uint64_t flags;
	uint16_t l2, l3, l4, mss;
	unsigned int frames; /* frames on the wire; 0: tx_prepare refuses the packet */
} packets[] = {
	{ "shortest", 17, 1, 0, 0, 0, 0, 0, 1 },
	{ "too short", 16, 1, 0, 0, 0, 0, 0, 0 },
	{ "longest", 9724, 5, 0, 0, 0, 0, 0, 1 },
	{ "too long", 9725, 5, 0, 0, 0, 0, 0, 0 },
	{ "longest with a tag", 9720, 5, RTE_MBUF_F_TX_VLAN, 0, 0, 0, 0, 1 },
	{ "no room for the tag", 9721, 5, RTE_MBUF_F_TX_VLAN, 0, 0, 0, 0, 0 },
	{ "no room for the tag at all", 9724, 5, RTE_MBUF_F_TX_VLAN, 0, 0, 0, 0, 0 },
	{ "most segments", 6400, 64, 0, 0, 0, 0, 0, 1 },
	{ "too many segments", 6500, 65, 0, 0, 0, 0, 0, 0 },
	{ "IPv4", 34, 1, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 14, 20, 0, 0, 1 },
	{ "IPv4 cut off", 33, 1, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 14, 20, 0, 0, 0 },
	{ "IPv4 of 16 bytes", 60, 1, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 14, 16, 0, 0, 0 },
	{ "no Ethernet", 60, 1, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM, 13, 20, 0, 0, 0 },
	{ "no lengths", 60, 1, L4(TCP), 0, 0, 0, 0, 0 },
	{ "TCP", 54, 1, L4(TCP), 14, 20, 20, 0, 1 },
	{ "TCP cut off", 53, 1, L4(TCP), 14, 20, 20, 0, 0 },
	{ "UDP", 42, 1, L4(UDP), 14, 20, 8, 0, 1 },
	{ "UDP cut off", 41, 1, L4(UDP), 14, 20, 8, 0, 0 },
	{ "SCTP", 46, 1, L4(SCTP), 14, 20, 12, 0, 1 },
	{ "SCTP cut off", 45, 1, L4(SCTP), 14, 20, 12, 0, 0 },
	{ "TCP and a tag", 9720, 5, L4(TCP) | RTE_MBUF_F_TX_VLAN, 14, 20, 20, 0, 1 },
	{ "TCP and no room for the tag", 9721, 5, L4(TCP) | RTE_MBUF_F_TX_VLAN, 14, 20, 20, 0, 0 },
	{ "segmented", 54 + 3000, 2, TCP4, 14, 20, 20, 1000, 3 },
	{ "segmented, IPv6", 74 + 3000, 2, TCP6, 14, 40, 20, 1000, 3 },
	{ "segmented, one byte", 55, 1, TCP4, 14, 20, 20, 1000, 1 },
	{ "segmented, nothing", 54, 1, TCP4, 14, 20, 20, 1000, 0 },
	{ "longest segments", 54 + 2 * 9666, 10, TCP4, 14, 20, 20, 9666, 2 },
	{ "longest segments with tags", 54 + 2 * 9666, 10, TCP4 | RTE_MBUF_F_TX_VLAN, 14, 20, 20,
			9666, 2 },
	{ "segments too long", 54 + 2 * 9667, 10, TCP4, 14, 20, 20, 9667, 0 },
	{ "segments far too long", 54 + 20000, 10, TCP4, 14, 20, 20, UINT16_MAX, 0 },
	{ "segments of nothing", 54 + 3000, 2, TCP4, 14, 20, 20, 0, 0 },
	{ "segmented, IPv4 of 16 bytes", 54 + 3000, 2, TCP4, 14, 16, 20, 1000, 0 },
	{ "segmented, IPv6 of 20 bytes", 54 + 3000, 2, TCP6, 14, 20, 20, 1000, 0 },
	{ "segmented, TCP of 16 bytes", 54 + 3000, 2, TCP4, 14, 20, 16, 1000, 0 },
	{ "segmented, no Ethernet", 54 + 3000, 2, TCP4, 10, 20, 20, 1000, 0 },
	{ "longest headers", 240 + 3000, 2, TCP4, 14, 206, 20, 1000, 3 },
	{ "headers too long", 241 + 3000, 2, TCP4, 14, 207, 20, 1000, 0 },
};

/*
 * Hand one packet over to the port. Either tx_prepare refuses it and the port counts an error, or
 * tx_prepare accepts it and the frames reach the wire.
 */
static void
send_one(const char *what, struct rte_mbuf *m, unsigned int frames)
{
	const uint64_t before = xstat("tx_hw_good_packets");
	const struct rte_eth_stats was = stats();
	const uint32_t len = m->pkt_len;
	const uint16_t accepted = rte_eth_tx_prepare(P, 0, &m, 1);
	struct rte_eth_stats is;

	if (accepted != (frames != 0))
		wrong("%s: tx_prepare %s it", what, accepted ? "accepts" : "refuses");
	transmit(m); /* always taken: the driver frees what it cannot send */
	if (accepted) {
		SOON(rte_eth_tx_done_cleanup(P, 0, 0) == 1);
		SOON(xstat("tx_hw_good_packets") >= before + frames);
	}
	is = stats();
	if (is.oerrors != was.oerrors + !accepted || is.opackets != was.opackets + accepted ||
			is.obytes != was.obytes + accepted * len)
		wrong("%s: %u accepted, but opackets +%lu, oerrors +%lu", what, accepted,
				is.opackets - was.opackets, is.oerrors - was.oerrors);
	if (xstat("tx_hw_good_packets") != before + frames)
		wrong("%s: %lu frames were sent, not %u", what,
				xstat("tx_hw_good_packets") - before, frames);
}

void
tx_prepare(void)
{
	struct rte_eth_conf conf = { .txmode.offloads = RTE_ETH_TX_OFFLOAD_TCP_TSO |
				RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
				RTE_ETH_TX_OFFLOAD_SCTP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
				RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	struct rte_mbuf *m;
	unsigned int i;

	up(&conf);
	for (i = 0; i < RTE_DIM(packets); i++) {
		m = chain(packets[i].len, packets[i].segs);
		m->ol_flags = packets[i].flags;
		m->l2_len = packets[i].l2;
		m->l3_len = packets[i].l3;
		m->l4_len = packets[i].l4;
		m->tso_segsz = packets[i].mss;
		m->vlan_tci = 100;
		send_one(packets[i].what, m, packets[i].frames);
	}
	m = chain(300, 3);
	m->pkt_len++;
	send_one("a length that is not the sum", m, 0);
	m = chain(300, 3);
	m->pkt_len--;
	send_one("a length below the sum", m, 0);
	m = chain(300, 3);
	m->next->data_len = 0;
	m->pkt_len -= 100;
	send_one("an empty segment", m, 0);
	m = chain(300, 3);
	m->nb_segs = 2;
	send_one("more segments than nb_segs", m, 0);
	m = chain(300, 3);
	m->nb_segs = 4;
	send_one("fewer segments than nb_segs", m, 0);
	m = chain(54 + 3000, 2);
	m->ol_flags = TCP4;
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = 1000;
	m->pkt_len = 0x40000; /* PAYLEN has 18 bits */
	send_one("segmented, too much", m, 0);
	down();
}

/*
 * Transmit a frame of that length, and check that it comes back in so many mbufs with the same
 * bytes.
 */
static void
round_trip(uint32_t len, uint16_t segs)
{
	struct rte_mbuf *m = chain(len, len / 2000 + 1), *s;
	uint8_t *was = rte_malloc(NULL, len, 0), *is = rte_malloc(NULL, len, 0);
	uint32_t i;

	CHECK(was != NULL && is != NULL);
	for (s = m, i = 0; s != NULL; s = s->next)
		for (uint16_t k = 0; k < s->data_len; k++, i++)
			rte_pktmbuf_mtod(s, uint8_t *)[k] = i < 6 ? own.addr_bytes[i] :
								    i * 7 + i / 256;
	CHECK(rte_pktmbuf_read(m, 0, len, was) != NULL);
	if (m->nb_segs == 1)
		memcpy(was, rte_pktmbuf_mtod(m, void *), len);
	transmit(m);
	m = receive(SOON_MS);
	if (m == NULL)
		wrong("a frame of %u bytes did not come back", len);
	if (m->pkt_len != len || m->nb_segs != segs)
		wrong("a frame of %u bytes came back with %u bytes in %u mbufs, not %u", len,
				m->pkt_len, m->nb_segs, segs);
	for (s = m, i = 0; s != NULL; i += s->data_len, s = s->next)
		memcpy(is + i, rte_pktmbuf_mtod(s, void *), s->data_len);
	CHECK(memcmp(is, was, len) == 0);
	rte_pktmbuf_free(m);
	rte_free(was);
	rte_free(is);
}

/* Receive buffers of several sizes, at two MTUs; the MTU changes while the port runs. */
void
scatter(void)
{
	/* Bytes after the headroom, and the part of them that the device uses. */
	static const uint16_t rooms[][2] = {
		{ 256, 256 },
		{ 700, 512 },
		{ 1024, 1024 },
		{ 1920, 1024 },
		{ 2048, 2048 },
		{ 4000, 3072 },
		{ 10240, 10240 },
	};
	static const struct rte_eth_conf conf = {
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS
	};
	struct rte_mempool *small;
	struct rte_eth_rxq_info info;
	struct rte_eth_dev_info dev;
	unsigned int i;
	uint32_t len;

	OK(rte_eth_dev_info_get(P, &dev));
	CHECK(dev.min_rx_bufsize == rooms[0][0]);
	for (i = 0; i < RTE_DIM(rooms); i++) {
		const uint32_t used = rooms[i][1];

		small = rte_pktmbuf_pool_create("small", 1023, 0, 0,
				rooms[i][0] + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
		CHECK(small != NULL);
		queues(&conf, 1, false);
		OK(rte_eth_rx_queue_setup(P, 0, RING, SOCKET_ID_ANY, NULL, small));
		OK(rte_eth_dev_set_mtu(P, 1500));
		OK(rte_eth_dev_start(P));
		wait_link();
		OK(rte_eth_rx_queue_info_get(P, 0, &info));
		CHECK(info.rx_buf_size == used && info.scattered_rx == (used < 1518));
		round_trip(60, 1);
		round_trip(1514, (1514 + used - 1) / used);
		OK(rte_eth_dev_set_mtu(P, 9000));
		OK(rte_eth_rx_queue_info_get(P, 0, &info));
		CHECK(info.scattered_rx == (used < 9018));
		for (len = RTE_MAX(used, 64u) - 1; len <= RTE_MIN(used + 1, 9018u); len++)
			round_trip(len, (len + used - 1) / used);
		round_trip(9018, (9018 + used - 1) / used);
		OK(rte_eth_dev_stop(P));
		CHECK(stats().ierrors == 0 && stats().imissed == 0);
		CHECK(rte_mempool_avail_count(small) == 1023);
		queues(&conf, 1, false);
		rte_mempool_free(small);
	}
	OK(rte_eth_dev_start(P));
	down();
}
