/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Receive-side scaling (7.1.2.8): Microsoft's Toeplitz hash.
 *
 * The hash is the exclusive or, over the set bits of the input, of the 32 key bits that begin at
 * the position of each bit. A table by the position and value of a nibble replaces four bits by one
 * look-up; it is computed when the key is written.
 */

#include "m82576_priv.h"

#define RSS_KEY_LEN 40

static uint32_t
key_window(const uint8_t *key, unsigned int bit)
{
	uint64_t w = 0;
	unsigned int i, at = bit / 8;

	for (i = 0; i < 5; i++)
		w = w << 8 | key[at + i];
	return (uint32_t)(w >> (8 - bit % 8));
}

void
m82576_rss_key(struct m82576 *m)
{
	uint8_t key[RSS_KEY_LEN];
	unsigned int i, v, b;

	for (i = 0; i < RSS_KEY_LEN; i++)
		key[i] = (uint8_t)(m82576_reg(m, IGB_RSSRK(i / 4)) >> (8 * (i % 4)));
	for (i = 0; i < 72; i++) {
		for (v = 0; v < 16; v++) {
			uint32_t h = 0;

			for (b = 0; b < 4; b++)
				if (v & (8u >> b))
					h ^= key_window(key, i * 4 + b);
			m82576_st(&m->rss_table[i][v], h);
		}
	}
}

static uint32_t
hash_part(const struct m82576 *m, const uint8_t *p, unsigned int len, unsigned int *at, uint32_t h)
{
	unsigned int i;

	for (i = 0; i < len; i++, *at += 2)
		h ^= m82576_ld(&m->rss_table[*at][p[i] >> 4]) ^
				m82576_ld(&m->rss_table[*at + 1][p[i] & 0xF]);
	return h;
}

uint32_t
m82576_rss_hash(const struct m82576 *m, const uint8_t *data, const struct m82576_pkt *pkt,
		uint32_t *type)
{
	uint32_t mrqc = m82576_reg(m, IGB_MRQC), h = 0;
	const uint8_t *src = pkt->src, *dst = pkt->dst;
	unsigned int at = 0;
	bool tcp = pkt->ptype & IGB_RXD_PTYPE_TCP, udp = pkt->ptype & IGB_RXD_PTYPE_UDP;
	bool ports = false;

	*type = IGB_RXD_RSS_NONE;
	if (pkt->v4) {
		if (tcp && mrqc & IGB_MRQC_RSS_TCPIPV4) {
			*type = IGB_RXD_RSS_TCPIPV4;
			ports = true;
		} else if (udp && mrqc & IGB_MRQC_RSS_UDPIPV4) {
			*type = IGB_RXD_RSS_UDPIPV4;
			ports = true;
		} else if (mrqc & IGB_MRQC_RSS_IPV4) {
			*type = IGB_RXD_RSS_IPV4;
		}
	} else if (pkt->v6) {
		if (tcp && mrqc & IGB_MRQC_RSS_TCPIPV6EX) {
			*type = IGB_RXD_RSS_TCPIPV6EX;
			ports = true;
		} else if (tcp && mrqc & IGB_MRQC_RSS_TCPIPV6) {
			*type = IGB_RXD_RSS_TCPIPV6;
			ports = true;
		} else if (udp && mrqc & IGB_MRQC_RSS_UDPIPV6EX) {
			*type = IGB_RXD_RSS_UDPIPV6EX;
			ports = true;
		} else if (udp && mrqc & IGB_MRQC_RSS_UDPIPV6) {
			*type = IGB_RXD_RSS_UDPIPV6;
			ports = true;
		} else if (mrqc & IGB_MRQC_RSS_IPV6EX) {
			*type = IGB_RXD_RSS_IPV6EX;
		} else if (mrqc & IGB_MRQC_RSS_IPV6) {
			*type = IGB_RXD_RSS_IPV6;
		}
		/*
		 * Without extension headers both kinds hash the same: report the type of the plain
		 * one.
		 */
		if (!pkt->v6_ext) {
			if (*type == IGB_RXD_RSS_TCPIPV6EX && mrqc & IGB_MRQC_RSS_TCPIPV6)
				*type = IGB_RXD_RSS_TCPIPV6;
			else if (*type == IGB_RXD_RSS_UDPIPV6EX && mrqc & IGB_MRQC_RSS_UDPIPV6)
				*type = IGB_RXD_RSS_UDPIPV6;
			else if (*type == IGB_RXD_RSS_IPV6EX && mrqc & IGB_MRQC_RSS_IPV6)
				*type = IGB_RXD_RSS_IPV6;
		}
		if (*type == IGB_RXD_RSS_TCPIPV6EX || *type == IGB_RXD_RSS_UDPIPV6EX ||
				*type == IGB_RXD_RSS_IPV6EX) {
			src = pkt->src_ex;
			dst = pkt->dst_ex;
		}
	}
	if (*type == IGB_RXD_RSS_NONE)
		return 0;
	h = hash_part(m, src, pkt->v4 ? 4 : 16, &at, h);
	h = hash_part(m, dst, pkt->v4 ? 4 : 16, &at, h);
	if (ports)
		h = hash_part(m, data + pkt->l4, 4, &at, h);
	return h;
}
