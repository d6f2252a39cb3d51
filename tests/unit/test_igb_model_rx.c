/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The model's receiver: filters, RSS, checksums, tags, buffers, drops. */

#include "igb_rig.h"

#define DD_EOP (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)

static const uint8_t bcast[6] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };

static int
rig_rx_setup(void **state)
{
	rig_setup(state);
	rig_rx_start(*state, 0, RIG_ADV);
	rig_rx_on(*state, IGB_RCTL_SECRC);
	return 0;
}

/**
 * Send a 60-byte frame in.
 *
 * @return true if the device delivered it to queue 0
 */
static bool
passes(struct rig *g, const uint8_t *da, uint16_t type)
{
	uint8_t f[60] = { 0 };
	volatile union igb_rx_desc *d = rig_rxd(g, 0, g->rx_next);

	rig_eth(f, da, type);
	assert_int_equal(rig_send_in(g, f, sizeof(f), 0), 1);
	if (!(d->wb.staterr & IGB_RXD_STAT_DD))
		return false;
	assert_int_equal(d->wb.length, 60);
	assert_memory_equal(rig_rxbuf(g, 0, g->rx_next), f, 60);
	g->rx_next++;
	return true;
}

static void
rx_filters_pass_configured_addresses_only(void **state)
{
	struct rig *g = *state;
	const uint8_t other[6] = { 0x02, 0x99, 0, 0, 0, 1 },
		      mc[6] = { 0x01, 0x00, 0x5E, 1, 2, 0x83 };
	unsigned int mo;

	assert_true(passes(g, rig_mac, 0x88B5));
	assert_false(passes(g, other, 0x88B5));
	assert_false(passes(g, bcast, 0x88B5));
	assert_false(passes(g, mc, 0x88B5));
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_UPE);
	assert_true(passes(g, other, 0x88B5));
	assert_true(rig_rxd(g, 0, g->rx_next - 1)->wb.staterr & IGB_RXD_STAT_PIF);
	assert_false(passes(g, mc, 0x88B5));
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_MPE);
	assert_true(passes(g, mc, 0x88B5));
	assert_false(passes(g, other, 0x88B5));
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_BAM);
	assert_true(passes(g, bcast, 0x88B5));
	/* The last receive address, which is invalid again without AV. */
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_wr(g, IGB_RAL(23), 0x00009902);
	rig_wr(g, IGB_RAH(23), IGB_RAH_AV | 0x0100);
	assert_true(passes(g, other, 0x88B5));
	rig_wr(g, IGB_RAH(23), 0x0100);
	assert_false(passes(g, other, 0x88B5));
	/* The multicast table, by each of the four offsets: bits 47:36 down to 43:32. */
	for (mo = 0; mo < 4; mo++) {
		static const unsigned int shift[4] = { 4, 3, 2, 0 };
		uint32_t h = ((mc[4] | mc[5] << 8) >> shift[mo]) & 0xFFF;

		rig_rx_on(g, IGB_RCTL_SECRC | mo << IGB_RCTL_MO_SHIFT);
		assert_false(passes(g, mc, 0x88B5));
		rig_wr(g, IGB_MTA(h / 32), 1u << (h % 32));
		assert_true(passes(g, mc, 0x88B5));
		rig_wr(g, IGB_MTA(h / 32), 0);
	}
	/* The receiver is off. */
	rig_wr(g, IGB_RCTL, 0);
	assert_false(passes(g, rig_mac, 0x88B5));
}

/* Only the address of the NVM is left. */
static void
reset_ends_the_filters_of_addresses(void **state)
{
	struct rig *g = *state;
	const uint8_t others[][6] = { { 0x02, 0x99, 0, 0, 0, 1 }, { 0x02, 0x99, 0, 0, 0, 2 } };
	const uint8_t mc[6] = { 0x01, 0x00, 0x5E, 1, 2, 0x83 };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		rig_wr(g, IGB_RAL(22 * i + 1), 0x00009902);
		rig_wr(g, IGB_RAH(22 * i + 1), IGB_RAH_AV | (uint32_t)(i + 1) << 8);
		assert_true(passes(g, others[i], 0x88B5));
	}
	rig_wr(g, IGB_MTA(0x830 / 32), 1u << (0x830 % 32));
	assert_true(passes(g, mc, 0x88B5));
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	for (i = 0; i < 2; i++)
		assert_false(passes(g, others[i], 0x88B5));
	assert_false(passes(g, mc, 0x88B5));
	assert_true(passes(g, rig_mac, 0x88B5));
}

static uint32_t
tagged(uint8_t *f, uint16_t tci)
{
	uint8_t p[256];
	uint32_t len = rig_ipv4(p, 17, 50);

	memcpy(f, p, 12);
	rig_put16(f + 12, 0x8100);
	rig_put16(f + 14, tci);
	memcpy(f + 16, p + 12, len - 12);
	return len + 4;
}

static void
rx_vlan_tag_is_kept_stripped_or_filtered(void **state)
{
	struct rig *g = *state;
	uint8_t f[256];
	uint32_t len = tagged(f, 0x2064); /* VID 100, priority 1 */
	volatile union igb_rx_desc *d;

	/* The tag stays in. */
	rig_send_in(g, f, len, 0);
	d = rig_rxd(g, 0, 0);
	assert_int_equal(d->wb.length, len);
	assert_false(d->wb.staterr & IGB_RXD_STAT_VP);
	/* The parser looks behind the tag. */
	assert_int_equal(d->wb.pkt_info >> IGB_RXD_PTYPE_SHIFT,
			IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_UDP);
	assert_true(d->wb.staterr & IGB_RXD_STAT_L4I);
	assert_false(d->wb.staterr & IGB_RXD_ERR_L4E);
	/* The tag is stripped. */
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_VME);
	rig_send_in(g, f, len, 0);
	d = rig_rxd(g, 0, 1);
	assert_int_equal(d->wb.length, len - 4);
	assert_true(d->wb.staterr & IGB_RXD_STAT_VP);
	assert_int_equal(d->wb.vlan, 0x2064);
	assert_memory_equal(rig_rxbuf(g, 0, 1), f, 12);
	assert_memory_equal(rig_rxbuf(g, 0, 1) + 12, f + 16, len - 16);
	/* The tag is filtered. */
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_VFE);
	rig_send_in(g, f, len, 0);
	assert_false(rig_rxd(g, 0, 2)->wb.staterr & IGB_RXD_STAT_DD);
	rig_wr(g, IGB_VFTA(3), 1u << 4);
	rig_send_in(g, f, len, 0);
	assert_true(rig_rxd(g, 0, 2)->wb.staterr & IGB_RXD_STAT_DD);
	/* CFI. */
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_VFE | IGB_RCTL_CFIEN | IGB_RCTL_CFI);
	rig_send_in(g, f, len, 0);
	assert_false(rig_rxd(g, 0, 3)->wb.staterr & IGB_RXD_STAT_DD);
}

static void
rx_checksum_status_is_exact(void **state)
{
	struct rig *g = *state;
	uint8_t f[2048];
	uint32_t len, i = 0, st;

	/* Also odd lengths. */
	for (uint32_t n = 20; n < 24; n++) {
		len = rig_ipv4(f, 6, n);
		rig_send_in(g, f, len, 0);
		st = rig_rxd(g, 0, i++)->wb.staterr;
		assert_int_equal(st, DD_EOP | IGB_RXD_STAT_IPCS | IGB_RXD_STAT_L4I);
		f[len - 1] ^= 1;
		rig_send_in(g, f, len, 0);
		st = rig_rxd(g, 0, i++)->wb.staterr;
		assert_int_equal(st,
				DD_EOP | IGB_RXD_STAT_IPCS | IGB_RXD_STAT_L4I | IGB_RXD_ERR_L4E);
	}
	f[len - 1] ^= 1;
	f[14 + 8] ^= 1; /* TTL */
	rig_send_in(g, f, len, 0);
	st = rig_rxd(g, 0, i++)->wb.staterr;
	assert_true(st & IGB_RXD_ERR_IPE);
	assert_false(st & IGB_RXD_ERR_L4E);
	/* UDP; UDP without a checksum; UDP with padding behind the datagram. */
	len = rig_ipv4(f, 17, 30);
	rig_send_in(g, f, len, 0);
	st = rig_rxd(g, 0, i++)->wb.staterr;
	assert_int_equal(st, DD_EOP | IGB_RXD_STAT_IPCS | IGB_RXD_STAT_L4I | IGB_RXD_STAT_UDPCS);
	rig_put16(f + 40, 0);
	rig_send_in(g, f, len, 0);
	st = rig_rxd(g, 0, i++)->wb.staterr;
	assert_int_equal(st, DD_EOP | IGB_RXD_STAT_IPCS);
	len = rig_ipv4(f, 17, 4);
	memset(f + len, 0x5A, 60 - len);
	rig_send_in(g, f, 60, 0);
	st = rig_rxd(g, 0, i++)->wb.staterr;
	assert_int_equal(st, DD_EOP | IGB_RXD_STAT_IPCS | IGB_RXD_STAT_L4I | IGB_RXD_STAT_UDPCS);
	/* Checksums off. */
	rig_wr(g, IGB_RXCSUM, 0);
	rig_send_in(g, f, 60, 0);
	st = rig_rxd(g, 0, i++)->wb.staterr;
	assert_int_equal(st, DD_EOP);
	/* SCTP: compare the CRC32c of a packet with an independent computation. */
	memset(f, 0, 100);
	len = rig_ipv4(f, 17, 40);
	f[14 + 9] = 132;
	{
		uint32_t c = ~0u, k, b;

		memset(f + 34 + 8, 0, 4);
		for (k = 34; k < len; k++) {
			c ^= f[k];
			for (b = 0; b < 8; b++)
				c = c >> 1 ^ (c & 1 ? 0x82F63B78u : 0);
		}
		c = ~c;
		memcpy(f + 34 + 8, &c, 4);
	}
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_CRCOFL);
	rig_send_in(g, f, len, 0);
	st = rig_rxd(g, 0, i++)->wb.staterr;
	assert_int_equal(st, DD_EOP | IGB_RXD_STAT_L4I);
	f[len - 1] ^= 0x80;
	rig_send_in(g, f, len, 0);
	st = rig_rxd(g, 0, i++)->wb.staterr;
	assert_true(st & IGB_RXD_ERR_L4E);
}

/**
 * Write Ethernet, IPv6, "ext" bytes of hop-by-hop options, and TCP.
 *
 * @return the length of the frame
 */
static uint32_t
ipv6(uint8_t *f, uint32_t ext)
{
	uint8_t *ip = f + rig_eth(f, rig_mac, 0x86DD), *h = ip + 40 + ext;
	uint32_t s;

	memset(ip, 0, 40 + ext + 20);
	ip[0] = 0x60;
	rig_put16(ip + 4, ext + 20);
	ip[6] = ext ? 0 : 6;
	ip[7] = 64;
	memcpy(ip + 8, "\x3f\xfe\x25\x01\x02\x00\x1f\xff\0\0\0\0\0\0\0\x07", 16);
	memcpy(ip + 24, "\x3f\xfe\x25\x01\x02\x00\x00\x03\0\0\0\0\0\0\0\x01", 16);
	if (ext) {
		ip[40] = 6;
		ip[41] = (uint8_t)(ext / 8 - 1);
		ip[42] = 1;
		ip[43] = (uint8_t)(ext - 4);
	}
	rig_put16(h, 2794);
	rig_put16(h + 2, 1766);
	h[12] = 5 << 4;
	s = inet_sum(ip + 8, 32, 6 + 20);
	rig_put16(h + 16, ~inet_sum(h, 20, s) & 0xFFFF);
	return 14 + 40 + ext + 20;
}

static void
rx_packet_type_names_headers_that_fit(void **state)
{
	struct rig *g = *state;
	uint8_t f[256] = { 0 };
	uint32_t len, i = 0;
#define PTYPE() (rig_rxd(g, 0, i++)->wb.pkt_info >> IGB_RXD_PTYPE_SHIFT)

	len = rig_ipv4(f, 6, 20);
	rig_send_in(g, f, len, 0);
	assert_int_equal(PTYPE(), IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_TCP);
	f[20] = 0x20; /* a fragment has no layer 4 */
	rig_send_in(g, f, len, 0);
	assert_int_equal(PTYPE(), IGB_RXD_PTYPE_IPV4);
	assert_false(rig_rxd(g, 0, i - 1)->wb.staterr & IGB_RXD_STAT_L4I);
	len = ipv6(f, 0);
	rig_send_in(g, f, len, 0);
	assert_int_equal(PTYPE(), IGB_RXD_PTYPE_IPV6 | IGB_RXD_PTYPE_TCP);
	assert_int_equal(rig_rxd(g, 0, i - 1)->wb.staterr, DD_EOP | IGB_RXD_STAT_L4I);
	len = ipv6(f, 16);
	rig_send_in(g, f, len, 0);
	assert_int_equal(PTYPE(), IGB_RXD_PTYPE_IPV6 | IGB_RXD_PTYPE_IPV6_EXT | IGB_RXD_PTYPE_TCP);
	assert_int_equal(rig_rxd(g, 0, i - 1)->wb.staterr, DD_EOP | IGB_RXD_STAT_L4I);
	memset(f, 0, sizeof(f));
	rig_eth(f, rig_mac, 0x0806);
	rig_send_in(g, f, 60, 0);
	assert_int_equal(PTYPE(), 0);
	/* Wrong lengths: the parser recognises no header where it does not fit. */
	len = rig_ipv4(f, 6, 20);
	rig_put16(f + 16, 2000);
	rig_send_in(g, f, len, 0);
	assert_int_equal(PTYPE(), 0);
	len = rig_ipv4(f, 6, 20);
	f[46] = 0xF0; /* a TCP header longer than the datagram */
	rig_send_in(g, f, len, 0);
	assert_int_equal(PTYPE(), IGB_RXD_PTYPE_IPV4);
	len = ipv6(f, 16);
	f[14 + 41] = 200;
	rig_send_in(g, f, len, 0);
	assert_false(PTYPE() & IGB_RXD_PTYPE_TCP);
}

static void
rss_hash_matches_published_vectors_and_selects_queue(void **state)
{
	/* "Verifying the RSS hash calculation", Microsoft. */
	static const uint8_t key[40] = {
		0x6d,
		0x5a,
		0x56,
		0xda,
		0x25,
		0x5b,
		0x0e,
		0xc2,
		0x41,
		0x67,
		0x25,
		0x3d,
		0x43,
		0xa3,
		0x8f,
		0xb0,
		0xd0,
		0xca,
		0x2b,
		0xcb,
		0xae,
		0x7b,
		0x30,
		0xb4,
		0x77,
		0xcb,
		0x2d,
		0xa3,
		0x80,
		0x30,
		0xf2,
		0x0c,
		0x6a,
		0x42,
		0xb7,
		0x3b,
		0xbe,
		0xac,
		0x01,
		0xfa,
	};
	static const struct {
		uint8_t src[4], dst[4];
		uint16_t sport, dport;
		uint32_t ip, tcp;
	} v4[] = {
		{ { 66, 9, 149, 187 }, { 161, 142, 100, 80 }, 2794, 1766, 0x323e8fc2, 0x51ccc178 },
		{ { 199, 92, 111, 2 }, { 65, 69, 140, 83 }, 14230, 4739, 0xd718262a, 0xc626b0ea },
		{ { 24, 19, 198, 95 }, { 12, 22, 207, 184 }, 12898, 38024, 0xd2d0a5de, 0x5c2b394a },
		{ { 38, 27, 205, 30 }, { 209, 142, 163, 6 }, 48228, 2217, 0x82989176, 0xafc7327f },
		{ { 153, 39, 163, 191 }, { 202, 188, 127, 2 }, 44251, 1303, 0x5d1809c5,
				0x10e828a2 },
	};
	struct rig *g = *state;
	uint8_t f[256];
	uint32_t len, i, w, q, n[16] = { 0 };
	volatile union igb_rx_desc *d;

	for (i = 0; i < 10; i++) {
		memcpy(&w, key + 4 * i, 4);
		rig_wr(g, IGB_RSSRK(i), w);
	}
	for (i = 0; i < 32; i++)
		rig_wr(g, IGB_RETA(i), (i * 4 % 4) | (1 << 8) | (2 << 16) | (3u << 24));
	for (q = 1; q < 4; q++)
		rig_rx_start(g, q, RIG_ADV);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	for (i = 0; i < 10; i++) {
		bool tcp = i & 1;

		rig_wr(g, IGB_MRQC,
				IGB_MRQC_ENABLE_RSS | IGB_MRQC_RSS_IPV4 |
						(tcp ? IGB_MRQC_RSS_TCPIPV4 : 0));
		len = rig_ipv4(f, 6, 20);
		memcpy(f + 26, v4[i / 2].src, 4);
		memcpy(f + 30, v4[i / 2].dst, 4);
		rig_put16(f + 34, v4[i / 2].sport);
		rig_put16(f + 36, v4[i / 2].dport);
		rig_send_in(g, f, len, 0);
		w = tcp ? v4[i / 2].tcp : v4[i / 2].ip;
		q = w & 3;
		d = rig_rxd(g, q, n[q]++);
		assert_true(d->wb.staterr & IGB_RXD_STAT_DD);
		assert_int_equal(d->wb.rss, w);
		assert_int_equal(d->wb.pkt_info & IGB_RXD_RSSTYPE_MASK,
				tcp ? IGB_RXD_RSS_TCPIPV4 : IGB_RXD_RSS_IPV4);
	}
	rig_wr(g, IGB_MRQC, IGB_MRQC_ENABLE_RSS | IGB_MRQC_RSS_IPV6);
	len = ipv6(f, 0);
	rig_send_in(g, f, len, 0);
	d = rig_rxd(g, 0x2cc18cd5 & 3, n[0x2cc18cd5 & 3]++);
	assert_int_equal(d->wb.rss, 0x2cc18cd5);
	assert_int_equal(d->wb.pkt_info & 0xF, IGB_RXD_RSS_IPV6);
	rig_wr(g, IGB_MRQC, IGB_MRQC_ENABLE_RSS | IGB_MRQC_RSS_TCPIPV6);
	rig_send_in(g, f, len, 0);
	d = rig_rxd(g, 0x40207d3d & 3, n[0x40207d3d & 3]++);
	assert_int_equal(d->wb.rss, 0x40207d3d);
	assert_int_equal(d->wb.pkt_info & 0xF, IGB_RXD_RSS_TCPIPV6);
	/* A frame that is not hashed goes to queue 0. */
	memset(f, 0, 60);
	rig_eth(f, rig_mac, 0x0806);
	rig_send_in(g, f, 60, 0);
	d = rig_rxd(g, 0, n[0]);
	assert_int_equal(d->wb.rss, 0);
	assert_true(d->wb.staterr & IGB_RXD_STAT_DD);
	/* If a checksum takes the place of the hash, the hash type is also absent. */
	rig_wr(g, IGB_RXCSUM, 0);
	len = ipv6(f, 0);
	rig_send_in(g, f, len, 0);
	d = rig_rxd(g, 0x40207d3d & 3, n[0x40207d3d & 3]++);
	assert_true(d->wb.staterr & IGB_RXD_STAT_DD);
	assert_int_equal(d->wb.pkt_info & IGB_RXD_RSSTYPE_MASK, IGB_RXD_RSS_NONE);
	/* Without RSS there is neither hash nor type. */
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	rig_wr(g, IGB_MRQC, 0);
	rig_send_in(g, f, len, 0);
	d = rig_rxd(g, 0, n[0] + 1);
	assert_true(d->wb.staterr & IGB_RXD_STAT_DD);
	assert_int_equal(d->wb.rss, 0);
	assert_int_equal(d->wb.pkt_info & IGB_RXD_RSSTYPE_MASK, IGB_RXD_RSS_NONE);
}

static void
rx_long_frames_fill_buffers_up_to_the_limit(void **state)
{
	struct rig *g = *state;
	static uint8_t f[9800];
	uint32_t len, at = 0, i, n;

	for (i = 0; i < sizeof(f); i++)
		f[i] = (uint8_t)(i * 13 + i / 256);
	rig_eth(f, rig_mac, 0x88B5);
	rig_send_in(g, f, 1514, 0);
	assert_int_equal(rig_rxd(g, 0, at++)->wb.length, 1514);
	rig_send_in(g, f, 1515, 0);
	assert_int_equal(rig_rd(g, IGB_ROC), 1);
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LPE);
	/* Over several buffers, byte for byte, around the ring's end. */
	for (len = 1500; len < 9724; len += 547) {
		rig_send_in(g, f, len, 0);
		n = (len + RIG_BUF - 1) / RIG_BUF;
		for (i = 0; i < n; i++) {
			volatile union igb_rx_desc *d = rig_rxd(g, 0, (at + i) % RIG_DESCS);
			uint32_t part = i + 1 < n ? RIG_BUF : len - i * RIG_BUF;

			assert_true(d->wb.staterr & IGB_RXD_STAT_DD);
			assert_int_equal(!!(d->wb.staterr & IGB_RXD_STAT_EOP), i + 1 == n);
			assert_int_equal(d->wb.length, part);
			assert_memory_equal(rig_rxbuf(g, 0, (at + i) % RIG_DESCS), f + i * RIG_BUF,
					part);
			d->read.pkt_addr = RIG_IOVA + RIG_RXBUF + (at + i) % RIG_DESCS * RIG_BUF;
			d->read.hdr_addr = 0;
		}
		at = (at + n) % RIG_DESCS;
		rig_rdt(g, 0, (at + RIG_DESCS - 1) % RIG_DESCS);
	}
	rig_wr(g, IGB_RLPML, 2000);
	rig_send_in(g, f, 1996, 0);
	assert_true(rig_rxd(g, 0, at)->wb.staterr & IGB_RXD_STAT_DD);
	rig_send_in(g, f, 1997, 0);
	assert_int_equal(rig_rd(g, IGB_ROC), 1);
	/* Longer than any frame. */
	rig_wr(g, IGB_RLPML, 0x3FFF);
	rig_send_in(g, f, 9725, 0);
	assert_int_equal(rig_rd(g, IGB_ROC), 1);
}

static void
rx_fcs_is_appended_and_bad_frames_are_stored_on_request_only(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	static const uint8_t *b;
	uint32_t c = ~0u, k, i, is;

	rig_eth(f, rig_mac, 0x88B5);
	for (k = 0; k < 60; k++) {
		c ^= f[k];
		for (i = 0; i < 8; i++)
			c = c >> 1 ^ (c & 1 ? 0xEDB88320u : 0);
	}
	c = ~c;
	rig_rx_on(g, 0);
	rig_send_in(g, f, 60, 0);
	assert_int_equal(rig_rxd(g, 0, 0)->wb.length, 64);
	b = rig_rxbuf(g, 0, 0);
	memcpy(&is, b + 60, 4);
	assert_int_equal(is, c);
	/* The device stores bad frames only on request, and marks them. */
	rig_send_in(g, f, 60, M82576_FRAME_BAD_FCS);
	assert_false(rig_rxd(g, 0, 1)->wb.staterr & IGB_RXD_STAT_DD);
	rig_rx_on(g, IGB_RCTL_SBP);
	rig_send_in(g, f, 60, M82576_FRAME_BAD_FCS);
	assert_true(rig_rxd(g, 0, 1)->wb.staterr & IGB_RXD_ERR_RXE);
	assert_int_equal(rig_rd(g, IGB_CRCERRS), 2);
}

static void
rx_legacy_descriptors_report_status_and_length(void **state)
{
	struct rig *g = *state;
	uint8_t f[256];
	uint32_t len = tagged(f, 100);
	volatile union igb_rx_desc *d;

	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, 0); /* legacy, RCTL.BSIZE */
	rig_rx_on(g, IGB_RCTL_SECRC | 3u << IGB_RCTL_BSIZE_SHIFT);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_VME);
	f[len - 1] ^= 1;
	rig_send_in(g, f, len, 0);
	d = rig_rxd(g, 0, 0);
	assert_int_equal(d->legacy.status,
			DD_EOP | IGB_RXD_STAT_VP | IGB_RXD_STAT_IPCS | IGB_RXD_STAT_L4I |
					IGB_RXD_STAT_UDPCS);
	assert_int_equal(d->legacy.errors, IGB_RXD_LEG_ERR_TCPE);
	assert_int_equal(d->legacy.length, len - 4);
	assert_int_equal(d->legacy.vlan, 100);
	/* Buffers of 256 bytes. */
	{
		static uint8_t big[600];

		rig_eth(big, rig_mac, 0x88B5);
		rig_send_in(g, big, 600, 0);
		assert_int_equal(rig_rxd(g, 0, 1)->legacy.length, 256);
		assert_int_equal(rig_rxd(g, 0, 1)->legacy.status & DD_EOP, IGB_RXD_STAT_DD);
		assert_int_equal(rig_rxd(g, 0, 3)->legacy.length, 600 - 512);
		assert_int_equal(rig_rxd(g, 0, 3)->legacy.status & DD_EOP, DD_EOP);
	}
}

static void
header_split_separates_headers_up_to_the_buffer(void **state)
{
	struct rig *g = *state;
	uint8_t f[256];
	uint32_t len = rig_ipv4(f, 6, 40);
	volatile union igb_rx_desc *d;

	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, IGB_SRRCTL_DESCTYPE_HDR_SPLIT | 4u << IGB_SRRCTL_BSIZEHDR_SHIFT | 2);
	d = rig_rxd(g, 0, 0);
	d->read.hdr_addr = RIG_IOVA + 0x700000;
	rig_send_in(g, f, len, 0);
	assert_int_equal(d->wb.hdr_info, 54 << 5 | 0x8000);
	assert_int_equal(d->wb.length, 40);
	assert_memory_equal(g->mem + 0x700000, f, 54);
	assert_memory_equal(rig_rxbuf(g, 0, 0), f + 54, 40);

	/*
	 * Headers longer than the header buffer (64 bytes): reported, and all of the frame is
	 * in the other one.
	 */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, IGB_SRRCTL_DESCTYPE_HDR_SPLIT | 1u << IGB_SRRCTL_BSIZEHDR_SHIFT | 2);
	f[46] = 8 << 4; /* TCP: 12 of the payload's bytes are options */
	rig_send_in(g, f, len, 0);
	assert_int_equal(d->wb.hdr_info, 66 << IGB_RXD_HDR_LEN_SHIFT | IGB_RXD_SPH);
	assert_true(d->wb.staterr & IGB_RXD_ERR_HBO);
	assert_int_equal(d->wb.length, len);
	/* With "always", the device stores there as much as fits. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, IGB_SRRCTL_DESCTYPE_HDR_ALWAYS | 1u << IGB_SRRCTL_BSIZEHDR_SHIFT | 2);
	d->read.hdr_addr = rig_rxd(g, 0, 1)->read.hdr_addr = RIG_IOVA + 0x700000;
	rig_send_in(g, f, len, 0);
	assert_int_equal(d->wb.hdr_info, 66 << IGB_RXD_HDR_LEN_SHIFT | IGB_RXD_SPH);
	assert_true(d->wb.staterr & IGB_RXD_ERR_HBO);
	assert_int_equal(d->wb.length, len - 64);
	assert_memory_equal(g->mem + 0x700000, f, 64);
	/* A frame that fits as a whole is not split. */
	memset(f, 0, 60);
	rig_eth(f, rig_mac, 0x88B5);
	rig_send_in(g, f, 60, 0);
	d = rig_rxd(g, 0, 1);
	assert_int_equal(d->wb.hdr_info, 60 << IGB_RXD_HDR_LEN_SHIFT);
	assert_int_equal(d->wb.length, 0);
	assert_memory_equal(g->mem + 0x700000, f, 60);
}

static void
frame_without_descriptor_is_dropped_and_counted(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	struct m82576_frame fr = { .data = f, .len = 60 };
	struct m82576_stats st;
	uint32_t i;

	rig_eth(f, rig_mac, 0x88B5);
	for (i = 0; i < RIG_DESCS - 1; i++)
		rig_send_in(g, f, 60, 0);
	/* The wire may wait: the device takes nothing, and counts nothing. */
	assert_int_equal(m82576_rx(g->m, &fr, 1, true), 0);
	assert_int_equal(rig_rd(g, IGB_MPC), 0);
	rig_send_in(g, f, 60, 0);
	assert_int_equal(rig_rd(g, IGB_MPC), 1);
	assert_int_equal(rig_rd(g, IGB_RNBC), 1);
	assert_int_equal(rig_rd(g, IGB_RQDPC(0)), 0);
	rig_rdt(g, 0, 0);
	assert_int_equal(m82576_rx(g->m, &fr, 1, true), 1);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, RIG_ADV | IGB_SRRCTL_DROP_EN);
	rig_rdt(g, 0, 0);
	rig_send_in(g, f, 60, 0);
	assert_int_equal(rig_rd(g, IGB_RQDPC(0)), 1);
	assert_int_equal(rig_rd(g, IGB_RQDPC(0)), 0);
	assert_int_equal(rig_rd(g, IGB_MPC), 0);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_no_desc, 2);
	assert_int_equal(st.queue[0].rx_no_desc, 2);
	/* A frame that no ring state can ever hold must not make the wire wait forever. */
	static uint8_t big[9000];
	rig_eth(big, rig_mac, 0x88B5);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, IGB_SRRCTL_DESCTYPE_ADV_ONE | 1);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDLEN(0), 128);
	rig_wr(g, IGB_RDH(0), 0);
	rig_wr(g, IGB_RDT(0), 7);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_rx_on(g, IGB_RCTL_LPE);
	fr.data = big;
	fr.len = 9000;
	assert_int_equal(m82576_rx(g->m, &fr, 1, true), 1);
	vfu_rcu_quiescent();
}

static void
unmapped_rx_buffer_costs_one_frame_and_unmapped_ring_stops_the_queue(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	struct m82576_stats st;

	rig_eth(f, rig_mac, 0x88B5);
	/*
	 * A buffer at no mapped address: reported as an error (with a length, see m82576_rx.c),
	 * and the next frame arrives.
	 */
	rig_rxd(g, 0, 0)->read.pkt_addr = 0x1000;
	rig_send_in(g, f, 60, 0);
	rig_send_in(g, f, 60, 0);
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_ERR_RXE);
	assert_int_equal(rig_rxd(g, 0, 0)->wb.length, 60);
	assert_int_equal(rig_rxd(g, 0, 1)->wb.staterr & ~IGB_RXD_STAT_IPCS, DD_EOP);
	assert_int_equal(rig_rxd(g, 0, 1)->wb.length, 60);
	/* A buffer across the end of the mapping. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rxd(g, 0, 0)->read.pkt_addr = RIG_IOVA + RIG_MEM - 32;
	rig_send_in(g, f, 60, 0);
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_ERR_RXE);
	m82576_get_stats(g->m, &st);
	assert_true(st.dma_faults >= 2);
	/* A ring at no mapped address: the queue is dead, until it is enabled again. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDBAH(0), 0xFFFF);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_send_in(g, f, 60, 0);
	rig_send_in(g, f, 60, 0);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_send_in(g, f, 60, 0);
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(rx_filters_pass_configured_addresses_only,
				rig_rx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(reset_ends_the_filters_of_addresses, rig_rx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(rx_vlan_tag_is_kept_stripped_or_filtered,
				rig_rx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(rx_checksum_status_is_exact, rig_rx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(rx_packet_type_names_headers_that_fit, rig_rx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(
				rss_hash_matches_published_vectors_and_selects_queue, rig_rx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(rx_long_frames_fill_buffers_up_to_the_limit,
				rig_rx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
				rx_fcs_is_appended_and_bad_frames_are_stored_on_request_only,
				rig_rx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(rx_legacy_descriptors_report_status_and_length,
				rig_rx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(header_split_separates_headers_up_to_the_buffer,
				rig_rx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(frame_without_descriptor_is_dropped_and_counted,
				rig_rx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
				unmapped_rx_buffer_costs_one_frame_and_unmapped_ring_stops_the_queue,
				rig_rx_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
