/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Headers that the receiver recognises in a frame (7.1.4): VLAN tags, IPv4 and IPv6 with extension
 * headers, TCP, UDP, SCTP. Every length in a header is compared with the bytes that are present. A
 * header that does not fit counts as absent.
 */

#include <string.h>

#include "m82576_priv.h"

#define IPV6_HOPOPTS   0
#define IPV6_ROUTING   43
#define IPV6_FRAGMENT  44
#define IPV6_DSTOPTS   60
#define IPV6_HOME_ADDR 201 /* option (RFC 6275) */

static void
parse_l4(struct m82576_pkt *pkt, const uint8_t *data, uint32_t off, uint8_t proto)
{
	uint32_t end = pkt->l3_end, hlen;

	switch (proto) {
	case M82576_IP_TCP:
		if (off + 20 > end)
			return;
		hlen = (data[off + 12] >> 4) * 4;
		if (hlen < 20 || off + hlen > end)
			return;
		pkt->ptype |= IGB_RXD_PTYPE_TCP;
		break;
	case M82576_IP_UDP:
		if (off + 8 > end)
			return;
		hlen = 8;
		pkt->ptype |= IGB_RXD_PTYPE_UDP;
		break;
	case M82576_IP_SCTP:
		if (off + 12 > end)
			return;
		hlen = 12;
		pkt->ptype |= IGB_RXD_PTYPE_SCTP;
		break;
	default:
		return;
	}
	pkt->proto = proto;
	pkt->l4 = (uint16_t)off;
	pkt->payload = (uint16_t)(off + hlen);
}

static void
parse_ipv4(struct m82576_pkt *pkt, const uint8_t *data, uint32_t off)
{
	uint32_t hlen, total, frag;

	if (off + 20 > pkt->len || data[off] >> 4 != 4)
		return;
	hlen = (data[off] & 0xF) * 4;
	total = m82576_be16(data + off + 2);
	if (hlen < 20 || total < hlen || off + total > pkt->len)
		return;
	pkt->v4 = true;
	pkt->l3 = (uint16_t)off;
	pkt->l3_end = off + total;
	pkt->ptype = IGB_RXD_PTYPE_IPV4 | (hlen > 20 ? IGB_RXD_PTYPE_IPV4_EXT : 0);
	pkt->src = pkt->src_ex = data + off + 12;
	pkt->dst = pkt->dst_ex = data + off + 16;
	pkt->payload = (uint16_t)(off + hlen);
	frag = m82576_be16(data + off + 6);
	if (frag & 0x3FFF) { /* MF, or an offset */
		pkt->frag = true;
		pkt->first_frag = !(frag & 0x1FFF);
		pkt->proto = data[off + 9];
		return;
	}
	parse_l4(pkt, data, off + hlen, data[off + 9]);
}

/* Return whether an IPv6 extension header follows that the device knows. */
static bool
is_extension(uint8_t next)
{
	return next == IPV6_FRAGMENT || next == IPV6_HOPOPTS || next == IPV6_ROUTING ||
			next == IPV6_DSTOPTS;
}

static void
parse_ipv6(const struct m82576 *m, struct m82576_pkt *pkt, const uint8_t *data, uint32_t avail,
		uint32_t off)
{
	uint32_t plen, hlen, n, o;
	uint8_t next;

	if (off + 40 > pkt->len || data[off] >> 4 != 6)
		return;
	plen = m82576_be16(data + off + 4);
	if (off + 40 + plen > pkt->len)
		return;
	pkt->v6 = true;
	pkt->l3 = (uint16_t)off;
	pkt->l3_end = off + 40 + plen;
	pkt->ptype = IGB_RXD_PTYPE_IPV6;
	pkt->src = pkt->src_ex = data + off + 8;
	pkt->dst = pkt->dst_ex = data + off + 24;
	next = data[off + 6];
	off += 40;
	pkt->payload = (uint16_t)off;
	if (m82576_reg(m, IGB_RFCTL) & IGB_RFCTL_IPV6_EX_DIS &&
			(next == IPV6_HOPOPTS || next == IPV6_ROUTING || next == IPV6_DSTOPTS))
		return;
	/* All other headers end, or have what the device reads of them, within M82576_HEADER. */
	pkt->cut = avail < pkt->len && is_extension(next);
	if (pkt->cut)
		return;
	/* The chain of extension headers ends, because each has at least 8 bytes. */
	for (n = 0; n < 16; n++) {
		if (next == IPV6_FRAGMENT) {
			if (off + 8 > pkt->l3_end)
				return;
			pkt->v6_ext = true;
			pkt->ptype |= IGB_RXD_PTYPE_IPV6_EXT;
			pkt->frag = (m82576_be16(data + off + 2) & 0xFFF9) != 0;
			pkt->first_frag = !(m82576_be16(data + off + 2) & 0xFFF8);
			next = data[off];
			off += 8;
			pkt->payload = (uint16_t)off;
			if (pkt->frag) {
				pkt->proto = next;
				return;
			}
			continue;
		}
		if (next != IPV6_HOPOPTS && next != IPV6_ROUTING && next != IPV6_DSTOPTS)
			break;
		if (off + 8 > pkt->l3_end)
			return;
		hlen = (data[off + 1] + 1u) * 8;
		if (off + hlen > pkt->l3_end)
			return;
		pkt->v6_ext = true;
		pkt->ptype |= IGB_RXD_PTYPE_IPV6_EXT;
		if (next == IPV6_ROUTING && data[off + 2] == 2 && hlen == 24)
			pkt->dst_ex = data + off + 8; /* type 2: the home address */
		if (next == IPV6_DSTOPTS) {
			for (o = off + 2; o + 2 <= off + hlen;) {
				if (data[o] == 0) { /* Pad1 */
					o++;
					continue;
				}
				if (data[o] == IPV6_HOME_ADDR && data[o + 1] == 16 &&
						o + 18 <= off + hlen)
					pkt->src_ex = data + o + 2;
				o += 2u + data[o + 1];
			}
		}
		next = data[off];
		off += hlen;
		pkt->payload = (uint16_t)off;
	}
	parse_l4(pkt, data, off, next);
}

void
m82576_parse(const struct m82576 *m, const uint8_t *data, uint32_t avail, uint32_t len,
		struct m82576_pkt *pkt)
{
	uint32_t vet = m82576_reg(m, IGB_VET), off = 12;
	uint16_t type;

	memset(pkt, 0, offsetof(struct m82576_pkt, src));
	pkt->len = len;
	type = m82576_be16(data + off);
	/*
	 * The device looks for two tags only if CTRL_EXT.EXT_VLAN is set (8.2.3). The inner one is
	 * then the tag that it filters on and strips.
	 */
	if (m82576_reg(m, IGB_CTRL_EXT) & IGB_CTRL_EXT_EXT_VLAN && type == vet >> 16 &&
			off + 6 <= len) {
		pkt->outer_tagged = true;
		off += M82576_VLAN_TAG_LEN;
		type = m82576_be16(data + off);
	}
	if (type == (vet & 0xFFFF) && off + 6 <= len) {
		pkt->tagged = true;
		pkt->vlan_off = (uint16_t)off;
		pkt->tci = m82576_be16(data + off + 2);
		off += M82576_VLAN_TAG_LEN;
		type = m82576_be16(data + off);
	}
	if (type == M82576_ETH_IPV4)
		parse_ipv4(pkt, data, off + 2);
	else if (type == M82576_ETH_IPV6)
		parse_ipv6(m, pkt, data, avail, off + 2);
}
