/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Offloads of received frames: checksums that the device verifies, and the one that it gives to the
 * driver to use as it likes (7.1.5); header split (7.1.10).
 */

#include <string.h>

#include "m82576_priv.h"

/*
 * Verify the checksums of a frame.
 *
 * @return status and error bits of the advanced format (7.1.5.2)
 */
uint32_t
m82576_rx_verify(uint32_t rxcsum, const uint8_t *f, const struct m82576_pkt *pkt)
{
	uint32_t st = 0, l4len, sum, is;

	if (pkt->v4 && rxcsum & IGB_RXCSUM_IPOFL) {
		st |= IGB_RXD_STAT_IPCS;
		if (m82576_csum_fold(m82576_csum_add(f + pkt->l3, (f[pkt->l3] & 0xF) * 4u, 0)) !=
				0xFFFF)
			st |= IGB_RXD_ERR_IPE;
	}
	if (pkt->l4 == 0)
		return st;
	l4len = pkt->l3_end - pkt->l4;
	if (pkt->ptype & IGB_RXD_PTYPE_SCTP) {
		if (!(rxcsum & IGB_RXCSUM_CRCOFL))
			return st;
		memcpy(&is, f + pkt->l4 + 8, 4);
		st |= IGB_RXD_STAT_L4I;
		if (m82576_sctp_crc(f + pkt->l4, l4len) != is)
			st |= IGB_RXD_ERR_L4E;
		return st;
	}
	if (!(rxcsum & IGB_RXCSUM_TUOFL))
		return st;
	if (pkt->ptype & IGB_RXD_PTYPE_UDP) {
		uint16_t c;

		memcpy(&c, f + pkt->l4 + 6, 2);
		if (c == 0 && pkt->v4)
			return st; /* the sender computed none */
		st |= IGB_RXD_STAT_UDPCS;
	}
	st |= IGB_RXD_STAT_L4I;
	sum = m82576_csum_add(pkt->src, pkt->v4 ? 4 : 16, 0);
	sum = m82576_csum_add(pkt->dst, pkt->v4 ? 4 : 16, sum);
	sum += __builtin_bswap16((uint16_t)l4len) + ((uint32_t)pkt->proto << 8);
	if (m82576_csum_fold(m82576_csum_add(f + pkt->l4, l4len, sum)) != 0xFFFF)
		st |= IGB_RXD_ERR_L4E;
	return st;
}

/*
 * Compute the field in the place of the hash if RXCSUM.PCSD is clear: a packet checksum and the IP
 * identification (7.1.5.2).
 */
uint32_t
m82576_rx_fragment(uint32_t rxcsum, const uint8_t *f, const struct m82576_pkt *pkt, uint32_t *st)
{
	uint32_t id = 0, start = rxcsum & IGB_RXCSUM_PCSS_MASK, sum = 0;

	if (pkt->v4)
		id = (uint32_t)f[pkt->l3 + 4] << 8 | f[pkt->l3 + 5];
	if (rxcsum & IGB_RXCSUM_IPPCSE) {
		if (pkt->v4 && pkt->frag) {
			sum = m82576_csum_fold(m82576_csum_add(f + pkt->payload,
					pkt->l3_end - pkt->payload, 0));
			if (pkt->proto == M82576_IP_UDP && pkt->first_frag &&
					pkt->l3_end - pkt->payload >= 8 &&
					(f[pkt->payload + 6] | f[pkt->payload + 7]))
				*st |= IGB_RXD_STAT_UDPV;
		}
	} else if (start < pkt->len) {
		sum = m82576_csum_fold(m82576_csum_add(f + start, pkt->len - start, 0));
	}
	return (uint32_t)__builtin_bswap16((uint16_t)sum) << 16 | id;
}

struct m82576_split
m82576_rx_split(const struct m82576_rxq *x, const struct m82576_pkt *pkt, uint32_t stripped,
		uint32_t len)
{
	struct m82576_split s = { 0 };
	/* Header split does not know the header of SCTP (8.10.4). */
	uint32_t end = pkt->ptype & IGB_RXD_PTYPE_SCTP ? pkt->l4 : pkt->payload;

	if (x->always && len <= x->hdrsize) {
		s.bytes = s.len = len;
	} else if (end <= stripped) {
		s.bytes = s.len = x->always ? x->hdrsize : 0;
	} else {
		s.len = end - stripped;
		s.sph = true;
		s.hbo = s.len > x->hdrsize;
		s.bytes = !s.hbo ? s.len : x->always ? x->hdrsize : 0;
	}
	return s;
}
