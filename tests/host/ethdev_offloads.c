/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scenarios about offloads: SCTP checksums in both directions, and TCP segmentation.
 */

#include <string.h>

#include <rte_ip.h>
#include <rte_sctp.h>
#include <rte_tcp.h>

#include "ethdev_calls.h"

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

void
sctp(void)
{
	struct rte_eth_conf conf = {
		.rxmode.offloads = RTE_ETH_RX_OFFLOAD_SCTP_CKSUM,
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_SCTP_CKSUM,
	};
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
		*ip = (struct rte_ipv4_hdr){
			.version_ihl = RTE_IPV4_VHL_DEF,
			.time_to_live = 64,
			.total_length = rte_cpu_to_be_16(60 - sizeof(*eth)),
			.next_proto_id = IPPROTO_SCTP,
			.src_addr = 1,
			.dst_addr = 2,
		};
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
		memcpy(&got,
				&rte_pktmbuf_mtod_offset(m, struct rte_sctp_hdr *,
						sizeof(*eth) + sizeof(*ip))
						 ->cksum,
				4);
		CHECK((got == want) == (i == 0));
		CHECK((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) ==
				(i == 0 ? RTE_MBUF_F_RX_L4_CKSUM_GOOD :
					  RTE_MBUF_F_RX_L4_CKSUM_BAD));
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

static const struct tso_packet {
	bool ip6;
	uint32_t payload;
	uint16_t mss;
} tso_packets[] = { { false, 5000, 1000 }, { true, 3333, 1200 }, { false, 700, 700 } };

/* Turn a frame into the headers of packet i. */
static void
tso_headers(struct rte_mbuf *m, unsigned int i)
{
	const struct tso_packet *t = &tso_packets[i];
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip4 = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_ipv6_hdr *ip6 = (struct rte_ipv6_hdr *)(eth + 1);
	const uint16_t l3 = t->ip6 ? sizeof(*ip6) : sizeof(*ip4);
	const uint16_t headers = sizeof(*eth) + l3 + sizeof(struct rte_tcp_hdr);
	struct rte_tcp_hdr *tcp = RTE_PTR_ADD(eth + 1, l3);

	if (headers > 60)
		CHECK(rte_pktmbuf_append(m, headers - 60) != NULL);
	else
		CHECK(rte_pktmbuf_trim(m, 60 - headers) == 0);
	memset(eth + 1, 0, headers - sizeof(*eth));
	if (t->ip6) {
		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
		ip6->vtc_flow = RTE_BE32(6u << 28);
		ip6->payload_len = rte_cpu_to_be_16(sizeof(*tcp) + t->payload);
		ip6->proto = IPPROTO_TCP;
		ip6->hop_limits = 64;
		((uint8_t *)ip6)[23] = 1; /* the last bytes of the addresses */
		((uint8_t *)ip6)[39] = 2;
	} else {
		eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
		ip4->version_ihl = RTE_IPV4_VHL_DEF;
		ip4->total_length = rte_cpu_to_be_16(l3 + sizeof(*tcp) + t->payload);
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
	m->l2_len = sizeof(*eth);
	m->l3_len = l3;
	m->l4_len = sizeof(*tcp);
}

/* Append a payload to a packet, in mbufs of its own. */
static void
tso_payload(struct rte_mbuf *m, uint32_t len)
{
	struct rte_mbuf *tail = m;
	uint32_t at;

	for (at = 0; at < len; at++) {
		if (at % 1500 == 0) {
			tail->next = rte_pktmbuf_alloc(pool);
			tail = tail->next;
			CHECK(tail != NULL);
			m->nb_segs++;
		}
		rte_pktmbuf_mtod(tail, uint8_t *)[at % 1500] = tso_byte(at);
		tail->data_len++;
	}
	m->pkt_len += len;
}

/*
 * Transmit packets that the device must segment; the test examines the capture. The packets are
 * IPv4, and IPv6 with a VLAN tag to insert. Each is a chain, because its payload is in mbufs of its
 * own.
 */
void
tso(void)
{
	struct rte_eth_conf conf = { .txmode.offloads = RTE_ETH_TX_OFFLOAD_TCP_TSO |
				RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
				RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_MULTI_SEGS };
	unsigned int i;

	up(&conf);
	for (i = 0; i < RTE_DIM(tso_packets); i++) {
		struct rte_mbuf *m = frame(&own, -1);

		tso_headers(m, i);
		tso_payload(m, tso_packets[i].payload);
		m->tso_segsz = tso_packets[i].mss;
		m->ol_flags = RTE_MBUF_F_TX_TCP_SEG |
				(tso_packets[i].ip6 ? RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_VLAN :
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
