/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Answers for every IPv4 address: turns an ARP request or an ICMP echo request into its reply, in
 * place. The IPv4 header checksum remains correct, because swapping two addresses does not change
 * a sum. The ICMP checksum is updated for the one byte that differs (RFC 1624).
 */

#include <netinet/ip_icmp.h>

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "testpmd.h"

static bool
answer_arp(struct rte_arp_hdr *arp, const struct rte_ether_addr *own)
{
	struct rte_arp_ipv4 *a = &arp->arp_data;
	rte_be32_t asked = a->arp_tip;

	if (arp->arp_hardware != RTE_BE16(RTE_ARP_HRD_ETHER) ||
			arp->arp_protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
			arp->arp_hlen != RTE_ETHER_ADDR_LEN || arp->arp_plen != sizeof(asked) ||
			arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST))
		return false;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	a->arp_tha = a->arp_sha;
	a->arp_tip = a->arp_sip;
	a->arp_sha = *own;
	a->arp_sip = asked;
	return true;
}

static bool
answer_echo(struct rte_ipv4_hdr *ip, uint32_t len)
{
	uint32_t hlen = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
	struct rte_icmp_hdr *icmp;
	rte_be32_t addr = ip->src_addr;
	uint32_t sum;

	if (ip->version_ihl >> 4 != IPVERSION || hlen < sizeof(*ip) || len < hlen + sizeof(*icmp) ||
			ip->next_proto_id != IPPROTO_ICMP ||
			(ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return false;
	icmp = (struct rte_icmp_hdr *)((uint8_t *)ip + hlen);
	if (icmp->icmp_type != ICMP_ECHO || icmp->icmp_code != 0)
		return false;
	icmp->icmp_type = ICMP_ECHOREPLY;
	/* HC' = ~(~HC + ~m + m'), with m = 0x0800 and m' = 0 */
	sum = (uint16_t)~icmp->icmp_cksum + (uint16_t)~RTE_BE16(ICMP_ECHO << 8);
	sum = (sum & 0xFFFF) + (sum >> 16);
	icmp->icmp_cksum = (uint16_t)~sum;
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = addr;
	return true;
}

bool
icmpecho_answer(struct rte_mbuf *m, const struct rte_ether_addr *own)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	uint32_t len = rte_pktmbuf_data_len(m); /* the first segment holds the headers */
	bool answered = false;

	if (len < sizeof(*eth))
		return false;
	len -= sizeof(*eth);
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) && len >= sizeof(struct rte_arp_hdr))
		answered = answer_arp((struct rte_arp_hdr *)(eth + 1), own);
	else if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
			len >= sizeof(struct rte_ipv4_hdr))
		answered = answer_echo((struct rte_ipv4_hdr *)(eth + 1), len);
	if (answered) {
		eth->dst_addr = eth->src_addr;
		eth->src_addr = *own;
	}
	return answered;
}
