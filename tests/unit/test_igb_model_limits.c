/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The model's limits, each tested on both sides: headers that just fit and headers that lack
 * one byte, checksums of every length, the longest frames, offload requests, and batches.
 */

#include "igb_rig.h"

#define TCP4     (IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP)
#define UDP4     (IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_UDP)
#define DD_EOP   (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)
#define IXSM     IGB_TXD_POPTS_IXSM
#define TXSM     IGB_TXD_POPTS_TXSM
#define IPV4     IGB_RXD_PTYPE_IPV4
#define IPV6     IGB_RXD_PTYPE_IPV6
#define EXT4     IGB_RXD_PTYPE_IPV4_EXT
#define EXT6     IGB_RXD_PTYPE_IPV6_EXT
#define TCP      IGB_RXD_PTYPE_TCP
#define UDP      IGB_RXD_PTYPE_UDP
#define SCTP     IGB_RXD_PTYPE_SCTP

static uint8_t f[70000];
static struct m82576_frame fr;
static struct m82576_pkt pkt;

static int
limits_setup(void **state)
{
	struct rig *g;

	rig_setup(state);
	g = *state;
	rig_tx_start(g, 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	memset(f, 0, sizeof(f));
	return 0;
}

/**
 * Parse the first len bytes of f into pkt.
 *
 * @return the packet type
 */
static unsigned int
ptype(struct rig *g, uint32_t len)
{
	m82576_parse(g->m, f, len, &pkt);
	return pkt.ptype;
}

/**
 * Set the total length of the IPv4 datagram at f + 14, and parse the first len bytes of f.
 *
 * @return the packet type
 */
static unsigned int
ptype_total(struct rig *g, uint32_t len, uint32_t total)
{
	rig_put16(f + 16, total);
	return ptype(g, len);
}

static void
ipv4_header_is_recognised_only_where_it_fits(void **state)
{
	struct rig *g = *state;

	rig_ipv4(f, 6, 0);
	assert_int_equal(ptype(g, 54), IPV4 | TCP);
	assert_int_equal(pkt.l3, 14);
	assert_int_equal(pkt.l4, 34);
	assert_int_equal(pkt.payload, 54);
	assert_int_equal(pkt.l3_end, 54);
	assert_int_equal(ptype(g, 53), 0);
	assert_int_equal(ptype_total(g, 54, 41), 0);
	assert_int_equal(ptype_total(g, 54, 39), IPV4);
	assert_int_equal(pkt.l4, 0);
	assert_int_equal(pkt.payload, 34);
	assert_int_equal(ptype_total(g, 54, 20), IPV4);
	assert_int_equal(ptype_total(g, 54, 19), 0);
	assert_int_equal(ptype_total(g, 34, 20), IPV4);
	assert_int_equal(ptype_total(g, 33, 19), 0);
	f[14] = 0x44;
	assert_int_equal(ptype_total(g, 60, 40), 0);
	f[14] = 0x55;
	assert_int_equal(ptype_total(g, 60, 40), 0);
	/* With options of four bytes the TCP header begins behind them. */
	f[14] = 0x46;
	f[38 + 12] = 5 << 4;
	assert_int_equal(ptype_total(g, 60, 44), IPV4 | EXT4 | TCP);
	assert_int_equal(pkt.l4, 38);
	assert_int_equal(pkt.payload, 58);
	assert_int_equal(ptype_total(g, 60, 24), IPV4 | EXT4);
	assert_int_equal(ptype_total(g, 60, 23), 0);
}

static void
l4_header_is_recognised_only_where_it_fits(void **state)
{
	static const struct {
		uint8_t proto;
		unsigned int type;
		uint32_t hdr;
	} t[] = {{6, TCP, 20}, {17, UDP, 8}, {132, SCTP, 12}};
	struct rig *g = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		rig_ipv4(f, 6, 20);
		f[23] = t[i].proto;
		assert_int_equal(ptype_total(g, 60, 20 + t[i].hdr), IPV4 | t[i].type);
		assert_int_equal(pkt.payload, 34 + t[i].hdr);
		assert_int_equal(pkt.proto, t[i].proto);
		assert_int_equal(ptype_total(g, 60, 20 + t[i].hdr - 1), IPV4);
		assert_int_equal(pkt.proto, 0);
	}
	f[23] = 1; /* the device knows no layer 4 of ICMP */
	assert_int_equal(ptype_total(g, 60, 40), IPV4);
	/* The length that the TCP header itself states. */
	f[23] = 6;
	f[46] = 4 << 4;
	assert_int_equal(ptype_total(g, 60, 44), IPV4);
	f[46] = 6 << 4;
	assert_int_equal(ptype_total(g, 60, 44), IPV4 | TCP);
	assert_int_equal(pkt.payload, 58);
	assert_int_equal(ptype_total(g, 60, 43), IPV4);
}

static void
ipv4_fragment_has_no_layer_4(void **state)
{
	static const struct {
		uint16_t field;
		bool frag, first;
	} t[] = {
		{0x0000, false, false}, {0x4000, false, false}, {0x8000, false, false},
		{0x2000, true, true}, {0x0001, true, false}, {0x1000, true, false},
		{0x3FFF, true, false},
	};
	struct rig *g = *state;
	unsigned int i;

	rig_ipv4(f, 6, 20);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_put16(f + 20, t[i].field);
		assert_int_equal(ptype(g, 74), t[i].frag ? IPV4 : IPV4 | TCP);
		assert_int_equal(pkt.frag, t[i].frag);
		assert_int_equal(pkt.first_frag, t[i].first);
		assert_int_equal(pkt.proto, 6);
	}
}

/*
 * Write Ethernet and IPv6 headers with a payload length and a next header. The caller writes
 * the rest.
 */
static void
ipv6(uint32_t plen, uint8_t next)
{
	memset(f, 0, 400);
	rig_eth(f, rig_mac, 0x86DD);
	f[14] = 0x60;
	rig_put16(f + 18, plen);
	f[20] = next;
	f[22] = 0x20;
	f[38] = 0x30;
}

static void
ipv6_header_is_recognised_only_where_it_fits(void **state)
{
	struct rig *g = *state;

	ipv6(20, 6);
	f[54 + 12] = 5 << 4;
	assert_int_equal(ptype(g, 74), IPV6 | TCP);
	assert_int_equal(pkt.l3, 14);
	assert_int_equal(pkt.l4, 54);
	assert_int_equal(pkt.payload, 74);
	assert_int_equal(pkt.l3_end, 74);
	assert_false(pkt.v6_ext);
	assert_ptr_equal(pkt.src_ex, f + 22);
	assert_ptr_equal(pkt.dst_ex, f + 38);
	assert_int_equal(ptype(g, 73), 0);
	rig_put16(f + 18, 19);
	assert_int_equal(ptype(g, 74), IPV6);
	assert_int_equal(pkt.payload, 54);
	rig_put16(f + 18, 0);
	assert_int_equal(ptype(g, 54), IPV6);
	assert_int_equal(ptype(g, 53), 0);
	f[14] = 0x40;
	assert_int_equal(ptype(g, 54), 0);
}

static void
ipv6_extension_headers_are_followed_to_the_sixteenth(void **state)
{
	static const uint8_t kinds[] = {0, 43, 60};
	struct rig *g = *state;
	unsigned int n, i, k;

	for (k = 0; k < 3; k++) {
		for (n = 1; n <= 17; n++) {
			ipv6(8 * n + 8, kinds[k]);
			for (i = 0; i < n; i++) {
				f[54 + 8 * i] = i + 1 < n ? kinds[k] : 17;
				f[54 + 8 * i + 2] = 1; /* PadN */
				f[54 + 8 * i + 3] = 4;
			}
			assert_int_equal(ptype(g, 54 + 8 * n + 8),
				n <= 16 ? IPV6 | EXT6 | UDP : IPV6 | EXT6);
			assert_true(pkt.v6_ext);
			if (n <= 16)
				assert_int_equal(pkt.payload, 54 + 8 * n + 8);
		}
	}
	/* The last header ends with the datagram, or one byte behind it. */
	ipv6(16, 60);
	f[54] = 17;
	f[55] = 1;
	f[56] = 1;
	f[57] = 12;
	assert_int_equal(ptype(g, 70), IPV6 | EXT6);
	assert_int_equal(pkt.payload, 70);
	rig_put16(f + 18, 15);
	assert_int_equal(ptype(g, 70), IPV6);
	f[55] = 0;
	rig_put16(f + 18, 8);
	assert_int_equal(ptype(g, 70), IPV6 | EXT6);
	rig_put16(f + 18, 7);
	assert_int_equal(ptype(g, 70), IPV6);
	/* RFCTL makes the device ignore extension headers, and everything that follows them. */
	rig_wr(g, IGB_RFCTL, IGB_RFCTL_IPV6_EX_DIS);
	for (k = 0; k < 3; k++) {
		ipv6(16, kinds[k]);
		f[54] = 17;
		assert_int_equal(ptype(g, 70), IPV6);
	}
	ipv6(8, 17);
	assert_int_equal(ptype(g, 62), IPV6 | UDP);
}

static void
ipv6_fragment_header_decides_over_layer_4(void **state)
{
	static const struct {
		uint16_t field;
		bool frag, first;
	} t[] = {
		{0x0000, false, true}, {0x0006, false, true}, {0x0001, true, true},
		{0x0008, true, false}, {0x8000, true, false}, {0xFFF9, true, false},
	};
	struct rig *g = *state;
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ipv6(16, 44);
		f[54] = 17;
		rig_put16(f + 56, t[i].field);
		assert_int_equal(ptype(g, 70), t[i].frag ? IPV6 | EXT6 : IPV6 | EXT6 | UDP);
		assert_int_equal(pkt.frag, t[i].frag);
		assert_int_equal(pkt.first_frag, t[i].first);
		assert_int_equal(pkt.proto, 17);
		assert_int_equal(pkt.payload, t[i].frag ? 62 : 70);
		assert_true(pkt.v6_ext);
	}
	rig_put16(f + 18, 8);
	assert_int_equal(ptype(g, 70), IPV6 | EXT6);
	rig_put16(f + 18, 7);
	assert_int_equal(ptype(g, 70), IPV6);
}

/* RSS may hash the addresses that extension headers give (7.1.2.8.1.2). */
static void
ipv6_home_and_routing_addresses_are_found(void **state)
{
	struct rig *g = *state;
	unsigned int at;

	/*
	 * A routing header of type 2 has 24 bytes. One of another type or length yields no
	 * address.
	 */
	ipv6(32, 43);
	f[54] = 17;
	f[55] = 2;
	f[56] = 2;
	assert_int_equal(ptype(g, 86), IPV6 | EXT6 | UDP);
	assert_ptr_equal(pkt.dst_ex, f + 62);
	assert_ptr_equal(pkt.dst, f + 38);
	f[56] = 0;
	ptype(g, 86);
	assert_ptr_equal(pkt.dst_ex, f + 38);
	ipv6(24, 43);
	f[54] = 17;
	f[55] = 1;
	f[56] = 2;
	ptype(g, 78);
	assert_ptr_equal(pkt.dst_ex, f + 38);
	/* The home address option, behind 0 to 4 bytes of padding. The header has 24 bytes. */
	for (at = 56; at <= 60; at++) {
		ipv6(32, 60);
		f[54] = 17;
		f[55] = 2;
		if (at == 58 || at == 60) {
			f[56] = 1; /* PadN; else Pad1 */
			f[57] = (uint8_t)(at - 58);
		}
		f[at] = 201;
		f[at + 1] = 16;
		assert_int_equal(ptype(g, 86), IPV6 | EXT6 | UDP);
		assert_ptr_equal(pkt.src_ex, f + at + 2);
		assert_ptr_equal(pkt.src, f + 22);
		f[at + 1] = 15;
		ptype(g, 86);
		assert_ptr_equal(pkt.src_ex, f + 22);
	}
	/* One byte less: the address would extend beyond its header. */
	ipv6(32, 60);
	f[54] = 17;
	f[55] = 2;
	f[61] = 201;
	f[62] = 16;
	ptype(g, 86);
	assert_ptr_equal(pkt.src_ex, f + 22);
}

static void
vlan_tags_are_recognised_by_their_types(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_VET, 0x88A89100);
	rig_eth(f, rig_mac, 0x9100);
	rig_put16(f + 14, 0x2064);
	ptype(g, 60);
	assert_true(pkt.tagged);
	assert_false(pkt.outer_tagged);
	assert_int_equal(pkt.tci, 0x2064);
	assert_int_equal(pkt.vlan_off, 12);
	ptype(g, 18);
	assert_true(pkt.tagged);
	ptype(g, 17);
	assert_false(pkt.tagged);
	rig_eth(f, rig_mac, 0x88A8);
	rig_put16(f + 16, 0x9100);
	rig_put16(f + 18, 0x1065);
	ptype(g, 60);
	assert_false(pkt.tagged || pkt.outer_tagged);
	rig_wr(g, IGB_CTRL_EXT, IGB_CTRL_EXT_EXT_VLAN);
	ptype(g, 60);
	assert_true(pkt.tagged && pkt.outer_tagged);
	assert_int_equal(pkt.tci, 0x1065);
	assert_int_equal(pkt.vlan_off, 16);
	ptype(g, 18);
	assert_true(pkt.outer_tagged);
	assert_false(pkt.tagged);
	ptype(g, 17);
	assert_false(pkt.outer_tagged);
}

/* Add up little-endian words, in the plainest way. */
static uint16_t
plain_sum(const uint8_t *p, size_t len, uint64_t sum)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? (uint64_t)p[i] << 8 : p[i];
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return (uint16_t)sum;
}

static void
checksum_is_exact_at_every_length(void **state)
{
	static const uint32_t seeds[] = {0, 1, 0xFFFF, 0x10000, 0x1FFFE, 0xFFFFFFFF};
	unsigned int i, k, fill;
	size_t len;

	for (fill = 0; fill < 3; fill++) {
		for (i = 0; i < 9728; i++)
			f[i] = fill == 0 ? 0xFF : fill == 1 ? (uint8_t)(i * 31 + i / 256) : 0;
		for (k = 0; k < 6; k++)
			for (len = 0; len < 9728; len += len < 70 ? 1 : 483)
				assert_int_equal(
					m82576_csum_fold(m82576_csum_add(f, len, seeds[k])),
					plain_sum(f, len, seeds[k]));
	}
}

/* At every length, also those that are no multiple of a word. */
static void
crcs_are_exact_at_every_length(void **state)
{
	static const uint32_t poly[2] = {0xEDB88320u, 0x82F63B78u};
	unsigned int k, b;
	size_t len, i;

	for (i = 0; i < 64; i++)
		f[i] = (uint8_t)(i * 77 + 5);
	for (k = 0; k < 2; k++) {
		for (len = 12; len < 64; len++) {
			uint32_t c = ~0u;

			for (i = 0; i < len; i++) {
				c ^= k == 1 && i >= 8 && i < 12 ? 0 : f[i];
				for (b = 0; b < 8; b++)
					c = c >> 1 ^ (c & 1 ? poly[k] : 0);
			}
			assert_int_equal(k == 0 ? m82576_fcs(f, len) : m82576_sctp_crc(f, len), ~c);
		}
	}
}

/**
 * Send f into the device.
 *
 * @return the status of the next descriptor, or 0 if its DD is clear
 */
static uint32_t
arrives(struct rig *g, uint32_t len)
{
	volatile union igb_rx_desc *d = rig_rxd(g, 0, g->rx_next);

	rig_send_in(g, f, len, 0);
	if (!(d->wb.staterr & IGB_RXD_STAT_DD))
		return 0;
	g->rx_next++;
	return d->wb.staterr;
}

static void
rx_length_limit_is_exact_with_every_tag(void **state)
{
	struct rig *g = *state;

	rig_eth(f, rig_mac, 0x88B5);
	assert_int_equal(arrives(g, 1514), DD_EOP);
	assert_int_equal(arrives(g, 1515), 0);
	rig_put16(f + 12, 0x8100);
	assert_int_equal(arrives(g, 1518), DD_EOP);
	assert_int_equal(arrives(g, 1519), 0);
	rig_wr(g, IGB_CTRL_EXT, IGB_CTRL_EXT_EXT_VLAN);
	rig_put16(f + 16, 0x8100);
	assert_int_equal(arrives(g, 1522), DD_EOP | IGB_RXD_STAT_VEXT);
	assert_int_equal(arrives(g, 1523), 0);
	/* Both tags arrive; stripping removes the inner one. */
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_VME);
	rig_put16(f + 18, 0x0123);
	assert_int_equal(arrives(g, 64), DD_EOP | IGB_RXD_STAT_VEXT | IGB_RXD_STAT_VP);
	assert_int_equal(rig_rxd(g, 0, g->rx_next - 1)->wb.length, 60);
	assert_int_equal(rig_rxd(g, 0, g->rx_next - 1)->wb.vlan, 0x0123);
	assert_memory_equal(rig_rxbuf(g, 0, g->rx_next - 1), f, 16);
	assert_memory_equal(rig_rxbuf(g, 0, g->rx_next - 1) + 16, f + 20, 44);
	assert_int_equal(rig_rd(g, IGB_ROC), 3);
	/* One byte too short. */
	assert_int_equal(arrives(g, 59), 0);
	assert_int_equal(rig_rd(g, IGB_RUC), 1);
}

static void
rx_longest_frame_is_exact(void **state)
{
	const uint32_t max = IGB_MAX_FRAME - M82576_FCS_LEN;
	struct rig *g = *state;

	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LPE);
	rig_wr(g, IGB_RLPML, 0x3FFF);
	rig_eth(f, rig_mac, 0x88B5);
	rig_send_in(g, f, max, 0);
	assert_int_equal(rig_rxd(g, 0, 4)->wb.staterr, DD_EOP);
	assert_int_equal(rig_rxd(g, 0, 4)->wb.length, max - 4 * RIG_BUF);
	rig_send_in(g, f, max + 1, 0);
	assert_int_equal(rig_rd(g, IGB_ROC), 1);
	assert_false(rig_rxd(g, 0, 5)->wb.staterr & IGB_RXD_STAT_DD);
	/* The device stores a damaged frame only if its length is valid. */
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LPE | IGB_RCTL_SBP);
	rig_send_in(g, f, 59, M82576_FRAME_BAD_FCS);
	rig_send_in(g, f, max + 1, M82576_FRAME_BAD_FCS);
	assert_false(rig_rxd(g, 0, 5)->wb.staterr & IGB_RXD_STAT_DD);
	rig_send_in(g, f, 60, M82576_FRAME_BAD_FCS);
	assert_int_equal(rig_rxd(g, 0, 5)->wb.staterr, DD_EOP | IGB_RXD_ERR_RXE);
	rig_send_in(g, f, max, M82576_FRAME_BAD_FCS);
	assert_int_equal(rig_rxd(g, 0, 10)->wb.staterr, DD_EOP | IGB_RXD_ERR_RXE);
	assert_int_equal(rig_rd(g, IGB_CRCERRS), 4);
	assert_int_equal(rig_rd(g, IGB_GPRC), 1);
}

static void
rx_pif_marks_addresses_that_passed_inexactly(void **state)
{
	static const uint8_t bcast[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
	static const uint8_t group[6] = {0x01, 0, 0x5E, 0, 0, 1};
	static const uint8_t nearly[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE};
	struct rig *g = *state;

	rig_eth(f, rig_mac, 0x88B5);
	assert_int_equal(arrives(g, 60), DD_EOP);
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_MPE);
	memcpy(f, bcast, 6);
	assert_int_equal(arrives(g, 60), DD_EOP);
	memcpy(f, group, 6);
	assert_int_equal(arrives(g, 60), DD_EOP | IGB_RXD_STAT_PIF);
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_BAM);
	memcpy(f, nearly, 6);
	assert_int_equal(arrives(g, 60), 0);
	memcpy(f, group, 6);
	assert_int_equal(arrives(g, 60), 0);
	rig_wr(g, IGB_MTA(0), 1u << 16); /* bits 47:36 of the address are 0x010 */
	assert_int_equal(arrives(g, 60), DD_EOP | IGB_RXD_STAT_PIF);
	assert_int_equal(rig_rd(g, IGB_MPRC), 2);
	assert_int_equal(rig_rd(g, IGB_BPRC), 1);
}

static void
rx_cfi_must_be_as_asked_for(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	rig_wr(g, IGB_VFTA(0), 2);
	for (i = 0; i < 4; i++) {
		rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_VFE | IGB_RCTL_CFIEN |
			(i & 1 ? IGB_RCTL_CFI : 0));
		rig_eth(f, rig_mac, 0x8100);
		rig_put16(f + 14, i & 2 ? 0x1001 : 0x0001);
		assert_int_equal(arrives(g, 64), (i & 1) == i >> 1 ? DD_EOP : 0);
	}
	/* A frame without a tag has no CFI, and no VLAN by which to filter. */
	rig_eth(f, rig_mac, 0x88B5);
	assert_int_equal(arrives(g, 64), DD_EOP);
}

static void
rx_udp_checksum_of_zero_is_none_on_ipv4_and_wrong_on_ipv6(void **state)
{
	struct rig *g = *state;
	uint32_t s;

	ipv6(9, 17);
	f[62] = 0x5A;
	rig_put16(f + 58, 9);
	assert_int_equal(arrives(g, 63), DD_EOP | IGB_RXD_STAT_UDPCS | IGB_RXD_STAT_L4I |
		IGB_RXD_ERR_L4E);
	s = inet_sum(f + 22, 32, 17 + 9);
	rig_put16(f + 60, ~inet_sum(f + 54, 9, s) & 0xFFFF);
	assert_int_equal(arrives(g, 63), DD_EOP | IGB_RXD_STAT_UDPCS | IGB_RXD_STAT_L4I);
	/* One kind of checksum at a time. */
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD | IGB_RXCSUM_IPOFL | IGB_RXCSUM_CRCOFL);
	assert_int_equal(arrives(g, 63), DD_EOP);
	s = rig_ipv4(f, 17, 30);
	assert_int_equal(arrives(g, s), DD_EOP | IGB_RXD_STAT_IPCS);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD | IGB_RXCSUM_TUOFL);
	assert_int_equal(arrives(g, s), DD_EOP | IGB_RXD_STAT_UDPCS | IGB_RXD_STAT_L4I);
	f[23] = 132;
	assert_int_equal(arrives(g, s), DD_EOP);
}

/* The header's checksum covers IPv4 options. */
static void
rx_checksum_covers_ipv4_options(void **state)
{
	struct rig *g = *state;

	rig_ipv4(f, 17, 30);
	f[14] = 0x46;
	rig_put16(f + 24, 0);
	rig_put16(f + 24, ~inet_sum(f + 14, 24, 0) & 0xFFFF);
	f[23] = 17;
	assert_int_equal(arrives(g, 72) & (IGB_RXD_STAT_IPCS | IGB_RXD_ERR_IPE), IGB_RXD_STAT_IPCS);
	f[37] ^= 1;
	assert_int_equal(arrives(g, 72) & (IGB_RXD_STAT_IPCS | IGB_RXD_ERR_IPE),
		IGB_RXD_STAT_IPCS | IGB_RXD_ERR_IPE);
}

/*
 * If RXCSUM.PCSD is clear, a checksum and the identification take the place of the hash
 * (7.1.5.2).
 */
static void
rx_fragment_checksum_and_identification(void **state)
{
	struct rig *g = *state;
	uint32_t len = rig_ipv4(f, 17, 50), want;

	rig_wr(g, IGB_RXCSUM, 14);
	assert_int_equal(arrives(g, len), DD_EOP);
	want = inet_sum(f + 14, len - 14, 0) << 16 | 0x1234;
	assert_int_equal(rig_rxd(g, 0, 0)->wb.rss, want);
	/* The checksum begins at the last byte, then behind it. */
	rig_wr(g, IGB_RXCSUM, len - 1);
	arrives(g, len);
	assert_int_equal(rig_rxd(g, 0, 1)->wb.rss, (uint32_t)f[len - 1] << 24 | 0x1234);
	rig_wr(g, IGB_RXCSUM, len);
	arrives(g, len);
	assert_int_equal(rig_rxd(g, 0, 2)->wb.rss, 0x1234);
	/* IPPCSE: for fragments of IPv4 only, and from behind the IP header. */
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_IPPCSE);
	arrives(g, len);
	assert_int_equal(rig_rxd(g, 0, 3)->wb.rss, 0x1234);
	rig_put16(f + 20, 0x2000);
	assert_int_equal(arrives(g, len), DD_EOP | IGB_RXD_STAT_UDPV);
	assert_int_equal(rig_rxd(g, 0, 4)->wb.rss, inet_sum(f + 34, len - 34, 0) << 16 | 0x1234);
	rig_put16(f + 20, 0x2001); /* not the first fragment: no UDP header is there */
	assert_int_equal(arrives(g, len), DD_EOP);
	rig_put16(f + 20, 0x2000);
	rig_put16(f + 40, 0x0001); /* a checksum is present, in one of its two bytes */
	assert_int_equal(arrives(g, len), DD_EOP | IGB_RXD_STAT_UDPV);
	rig_put16(f + 40, 0x0100);
	assert_int_equal(arrives(g, len), DD_EOP | IGB_RXD_STAT_UDPV);
	rig_put16(f + 40, 0);
	assert_int_equal(arrives(g, len), DD_EOP);
	rig_put16(f + 40, 1);
	rig_put16(f + 16, 28); /* a UDP header just fits, or lacks a byte */
	assert_int_equal(arrives(g, len), DD_EOP | IGB_RXD_STAT_UDPV);
	rig_put16(f + 16, 27);
	assert_int_equal(arrives(g, len), DD_EOP);
	rig_put16(f + 16, 78);
	f[23] = 6;
	assert_int_equal(arrives(g, len), DD_EOP);
}

static void
rss_types_are_by_protocol_and_version(void **state)
{
	static const struct {
		uint8_t version, proto, ext;
		uint32_t mrqc;
		unsigned int type;
	} t[] = {
		{4, 6, 0, IGB_MRQC_RSS_TCPIPV4, IGB_RXD_RSS_TCPIPV4},
		{4, 6, 0, IGB_MRQC_RSS_UDPIPV4, IGB_RXD_RSS_NONE},
		{4, 6, 0, IGB_MRQC_RSS_UDPIPV4 | IGB_MRQC_RSS_IPV4, IGB_RXD_RSS_IPV4},
		{4, 17, 0, IGB_MRQC_RSS_TCPIPV4, IGB_RXD_RSS_NONE},
		{4, 17, 0, IGB_MRQC_RSS_UDPIPV4, IGB_RXD_RSS_UDPIPV4},
		{4, 17, 0, IGB_MRQC_RSS_IPV6 | IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_NONE},
		{6, 6, 0, IGB_MRQC_RSS_IPV4 | IGB_MRQC_RSS_TCPIPV4, IGB_RXD_RSS_NONE},
		{6, 6, 0, IGB_MRQC_RSS_TCPIPV6, IGB_RXD_RSS_TCPIPV6},
		{6, 6, 0, IGB_MRQC_RSS_TCPIPV6EX, IGB_RXD_RSS_TCPIPV6EX},
		{6, 6, 0, IGB_MRQC_RSS_TCPIPV6EX | IGB_MRQC_RSS_TCPIPV6, IGB_RXD_RSS_TCPIPV6},
		{6, 6, 1, IGB_MRQC_RSS_TCPIPV6EX | IGB_MRQC_RSS_TCPIPV6, IGB_RXD_RSS_TCPIPV6EX},
		{6, 6, 0, IGB_MRQC_RSS_UDPIPV6 | IGB_MRQC_RSS_UDPIPV6EX, IGB_RXD_RSS_NONE},
		{6, 17, 0, IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_UDPIPV6},
		{6, 17, 0, IGB_MRQC_RSS_UDPIPV6EX, IGB_RXD_RSS_UDPIPV6EX},
		{6, 17, 0, IGB_MRQC_RSS_UDPIPV6EX | IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_UDPIPV6},
		{6, 17, 1, IGB_MRQC_RSS_UDPIPV6EX | IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_UDPIPV6EX},
		{6, 17, 0, IGB_MRQC_RSS_TCPIPV6 | IGB_MRQC_RSS_TCPIPV6EX, IGB_RXD_RSS_NONE},
		{6, 17, 0, IGB_MRQC_RSS_IPV6, IGB_RXD_RSS_IPV6},
		{6, 17, 0, IGB_MRQC_RSS_IPV6EX, IGB_RXD_RSS_IPV6EX},
		{6, 17, 0, IGB_MRQC_RSS_IPV6EX | IGB_MRQC_RSS_IPV6, IGB_RXD_RSS_IPV6},
		{6, 17, 1, IGB_MRQC_RSS_IPV6EX | IGB_MRQC_RSS_IPV6, IGB_RXD_RSS_IPV6EX},
	};
	struct rig *g = *state;
	uint32_t type, hash[3], i, k;

	for (i = 0; i < 10; i++)
		rig_wr(g, IGB_RSSRK(i), 0x9E3779B9u * (i + 1));
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (k = 0; k < 3; k++) {
			uint32_t at = t[i].version == 4 ? 34 : t[i].ext ? 78 : 54, len = at + 20;

			if (t[i].version == 4) {
				rig_ipv4(f, t[i].proto, t[i].proto == 6 ? 0 : 12);
			} else if (t[i].ext) {
				ipv6(44, 60);
				f[54] = t[i].proto;
				f[55] = 2;
				f[56] = 201; /* the home address, and padding behind it */
				f[57] = 16;
				f[74] = 1;
				f[75] = 2;
				f[58] = 0x77;
			} else {
				ipv6(20, t[i].proto);
			}
			if (t[i].proto == 6)
				f[at + 12] = 5 << 4;
			if (k == 1)
				f[at + 3]++; /* a port */
			if (k == 2)
				f[t[i].version == 4 ? 29 : 22]++; /* the source address */
			assert_true(ptype(g, len) & (TCP | UDP));
			rig_wr(g, IGB_MRQC, IGB_MRQC_ENABLE_RSS | t[i].mrqc);
			hash[k] = m82576_rss_hash(g->m, f, &pkt, &type);
			assert_int_equal(type, t[i].type);
			if (type == IGB_RXD_RSS_NONE)
				assert_int_equal(hash[k], 0);
		}
		if (t[i].type == IGB_RXD_RSS_NONE)
			continue;
		/*
		 * Ports count if the type includes them. The source counts if no other address
		 * replaces it.
		 */
		assert_int_equal(hash[0] != hash[1], t[i].type != IGB_RXD_RSS_IPV4 &&
			t[i].type != IGB_RXD_RSS_IPV6 && t[i].type != IGB_RXD_RSS_IPV6EX);
		assert_int_equal(hash[0] != hash[2], !t[i].ext);
	}
}

/* More write-backs than the device holds back: it writes the first batch before the flush. */
static void
rx_write_backs_beyond_a_batch_are_not_lost(void **state)
{
	struct m82576_frame in = {.data = f, .len = 60};
	struct rig *g = *state;
	unsigned int i, turn;

	rig_wr(g, IGB_RXDCTL(0), 0);
	for (i = 0; i < 128; i++) {
		rig_rxd(g, 0, i)->read.pkt_addr = RIG_IOVA + RIG_RXBUF + i * RIG_BUF;
		rig_rxd(g, 0, i)->read.hdr_addr = 0;
	}
	rig_wr(g, IGB_RDLEN(0), 128 * 16);
	rig_wr(g, IGB_RDH(0), 100); /* so that a batch wraps */
	rig_wr(g, IGB_RDT(0), 99);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_eth(f, rig_mac, 0x88B5);
	for (i = 0; i < 127; i++) {
		f[20] = (uint8_t)i;
		assert_int_equal(m82576_rx(g->m, &in, false), 1);
	}
	assert_int_equal(rig_rd(g, IGB_RDH(0)), 100);
	for (turn = 0; turn < 2; turn++) {
		for (i = 0; i < 127; i++) {
			const unsigned int at = (100 + i) % 128;

			assert_int_equal(rig_rxd(g, 0, at)->wb.staterr & IGB_RXD_STAT_DD,
				turn == 1 || i < M82576_WB_BATCH ? IGB_RXD_STAT_DD : 0);
			assert_int_equal(rig_rxbuf(g, 0, at)[20], i);
		}
		m82576_rx_flush(g->m);
	}
	assert_int_equal(rig_rd(g, IGB_RDH(0)), 99);
	assert_false(rig_rxd(g, 0, 99)->wb.staterr & IGB_RXD_STAT_DD);
	/* No descriptor is left, and then one. */
	assert_int_equal(m82576_rx(g->m, &in, true), 0);
	rig_rdt(g, 0, 100);
	rig_rxd(g, 0, 99)->read.hdr_addr = 0;
	assert_int_equal(m82576_rx(g->m, &in, true), 1);
	assert_int_equal(m82576_rx(g->m, &in, true), 0);
	assert_true(rig_rxd(g, 0, 99)->wb.staterr & IGB_RXD_STAT_DD);
}

/**
 * Post f as one frame.
 *
 * @return 1 if the device sends the frame, else 0
 */
static int
sends(struct rig *g, uint32_t len, uint32_t paylen, uint32_t cmd, uint32_t popts)
{
	rig_post(g, f, len, RIG_LAST | cmd, paylen << IGB_TXD_PAYLEN_SHIFT | popts);
	rig_ring_bell(g);
	return rig_take(g, &fr);
}

static void
tx_checksum_headers_must_fit_exactly(void **state)
{
	static const struct {
		uint32_t l4t, hdr;
	} t[] = {{IGB_TXD_TUCMD_L4T_TCP, 20}, {IGB_TXD_TUCMD_L4T_UDP, 8},
		{IGB_TXD_TUCMD_L4T_SCTP, 12}};
	struct rig *g = *state;
	uint32_t i, crc;

	rig_ipv4(f, 17, 200);
	for (i = 0; i < 3; i++) {
		rig_ctx(g, 0, 14, 40, 0, 0, IGB_TXD_TUCMD_IPV4 | t[i].l4t, 0);
		assert_int_equal(sends(g, 54 + t[i].hdr - 1, 0, 0, TXSM), 0);
		assert_int_equal(sends(g, 54 + t[i].hdr, 0, 0, TXSM), 1);
		/* Without TXSM the device does not inspect layer 4. */
		assert_int_equal(sends(g, 54, 0, 0, IXSM), 1);
		assert_int_equal(sends(g, 53, 0, 0, IXSM), 0);
	}
	/* A fourth kind of layer 4 does not exist. */
	rig_ctx(g, 0, 14, 20, 0, 0, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_MASK, 0);
	assert_int_equal(sends(g, 100, 0, 0, TXSM), 0);
	for (i = 13; i < 15; i++) {
		rig_ctx(g, 0, i, 20, 0, 0, UDP4, 0);
		assert_int_equal(sends(g, 100, 0, 0, IXSM), i == 14);
	}
	/* An IPv4 header has 20 bytes. Without IPV4 the device computes no IP checksum. */
	rig_ctx(g, 0, 14, 19, 0, 0, UDP4, 0);
	assert_int_equal(sends(g, 100, 0, 0, IXSM), 0);
	f[24] = f[25] = 0x5A;
	rig_ctx(g, 0, 14, 19, 0, 0, IGB_TXD_TUCMD_L4T_UDP, 0);
	assert_int_equal(sends(g, 100, 0, 0, IXSM), 1);
	assert_memory_equal(fr.data, f, 100);
	rig_ctx(g, 0, 14, 20, 0, 0, UDP4, 0);
	assert_int_equal(sends(g, 100, 0, 0, IXSM), 1);
	assert_int_equal(inet_sum(fr.data + 14, 20, 0), 0xFFFF);
	/* TXSM alone leaves the IP header as it is. */
	assert_int_equal(sends(g, 100, 0, 0, TXSM), 1);
	assert_memory_equal(fr.data, f, 40);
	/* SCTP. */
	rig_ctx(g, 0, 14, 20, 0, 0, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_SCTP, 0);
	assert_int_equal(sends(g, 101, 0, 0, TXSM), 1);
	memcpy(&crc, fr.data + 42, 4);
	assert_int_equal(crc, m82576_sctp_crc(f + 34, 67));
	assert_memory_equal(fr.data, f, 42);
	assert_memory_equal(fr.data + 46, f + 46, 55);
}

static volatile union igb_tx_desc *
legacy(struct rig *g, uint32_t len, uint8_t css, uint8_t cso, uint8_t cmd)
{
	const uint32_t at = RIG_TXBUF + (g->tx_next % RIG_DESCS) * 0x10000u % 0x300000u;
	volatile union igb_tx_desc *d = rig_txd(g, 0, g->tx_next++);

	memcpy(g->mem + at, f, len);
	d->legacy.addr = RIG_IOVA + at;
	d->legacy.length = (uint16_t)len;
	d->legacy.css = css;
	d->legacy.cso = cso;
	d->legacy.vlan = 0x6123;
	d->legacy.status = 0;
	d->legacy.cmd = IGB_TXD_LEG_EOP | IGB_TXD_LEG_IFCS | IGB_TXD_LEG_RS | cmd;
	rig_ring_bell(g);
	return d;
}

static void
tx_legacy_checksum_must_fit_exactly(void **state)
{
	struct rig *g = *state;
	uint32_t i;

	for (i = 0; i < 100; i++)
		f[i] = (uint8_t)(i * 3);
	legacy(g, 80, 79, 20, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.data[20] << 8 | fr.data[21], (uint16_t)~(f[79] << 8));
	legacy(g, 80, 80, 20, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 0);
	legacy(g, 80, 60, 78, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.data[78] << 8 | fr.data[79], ~inet_sum(f + 60, 20, 0) & 0xFFFF);
	legacy(g, 80, 60, 79, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 0);
	/* Without IC the offsets have no meaning. */
	legacy(g, 80, 200, 200, 0);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_memory_equal(fr.data, f, 80);
	/* VET holds the type of the tag. */
	rig_wr(g, IGB_VET, 0x81009100);
	legacy(g, 80, 0, 0, IGB_TXD_LEG_VLE);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 84);
	assert_memory_equal(fr.data + 12, "\x91\x00\x61\x23", 4);
	assert_memory_equal(fr.data + 16, f + 12, 68);
	/*
	 * A legacy descriptor behind an advanced one does not make a frame, nor the other way
	 * round.
	 */
	rig_post(g, f, 60, IGB_TXD_IFCS, 140u << IGB_TXD_PAYLEN_SHIFT);
	legacy(g, 80, 0, 0, 0);
	assert_int_equal(rig_take(g, &fr), 0);
	legacy(g, 80, 0, 0, 0);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 80);
}

static void
tx_shortest_frame_is_exact(void **state)
{
	struct rig *g = *state;
	uint32_t fcs;

	memset(f, 0x5A, 100);
	assert_int_equal(sends(g, 13, 13, 0, 0), 0);
	assert_int_equal(sends(g, 14, 14, 0, 0), 1);
	assert_int_equal(fr.len, 60);
	assert_int_equal(fr.data[13] | fr.data[14], 0x5A);
	assert_int_equal(sends(g, 60, 60, 0, 0), 1);
	assert_int_equal(fr.len, 60);
	assert_int_equal(fr.data[59], 0x5A);
	/* Without IFCS the last four bytes are the FCS, and the device does not pad. */
	fcs = m82576_fcs(f, 14);
	memcpy(f + 14, &fcs, 4);
	rig_post(g, f, 17, IGB_TXD_EOP | IGB_TXD_RS, 0);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 0);
	rig_post(g, f, 18, IGB_TXD_EOP | IGB_TXD_RS, 0);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 14);
	assert_int_equal(fr.flags, 0);
}

static void
tso_header_limits_are_exact(void **state)
{
	static const struct {
		uint32_t maclen, iplen, l4len, tucmd;
		int possible;
	} t[] = {
		{14, 20, 20, TCP4, 1},
		{13, 20, 20, TCP4, 0},
		{14, 19, 20, TCP4, 0},
		{14, 20, 19, TCP4, 0},
		{14, 20, 8, UDP4, 1},
		{14, 20, 7, UDP4, 0},
		{14, 40, 20, IGB_TXD_TUCMD_L4T_TCP, 1},
		{14, 39, 20, IGB_TXD_TUCMD_L4T_TCP, 0},
		{14, 40, 8, IGB_TXD_TUCMD_L4T_UDP, 1},
		{14, 20, 20, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_SCTP, 0},
		{14, 20, 20, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_MASK, 0},
	};
	struct rig *g = *state;
	uint32_t i, hdr;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		hdr = t[i].maclen + t[i].iplen + t[i].l4len;
		rig_ctx(g, 0, t[i].maclen, t[i].iplen, t[i].l4len, 100, t[i].tucmd, 0);
		assert_int_equal(sends(g, hdr + 100, 100, IGB_TXD_TSE, 0), t[i].possible);
	}
	/* Both contexts exist, and no other. */
	rig_ctx(g, 1, 14, 20, 20, 100, TCP4, 0);
	assert_int_equal(sends(g, 154, 100, IGB_TXD_TSE, 1u << IGB_TXD_IDX_SHIFT), 1);
	assert_int_equal(sends(g, 154, 100, IGB_TXD_TSE, 2u << IGB_TXD_IDX_SHIFT), 0);
}

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* IPv6: its length, no identification, and the checksum of the pseudo-header. */
static void
tso_ipv6_segments_are_exact(void **state)
{
	struct rig *g = *state;
	uint32_t i, n, part, s;

	ipv6(2520, 6);
	f[54 + 12] = 5 << 4;
	f[54 + 13] = 0x18;
	for (i = 0; i < 2500; i++)
		f[74 + i] = (uint8_t)(i * 5);
	rig_put16(f + 70, inet_sum(f + 22, 32, 6));
	rig_ctx(g, 0, 14, 40, 20, 1000, IGB_TXD_TUCMD_L4T_TCP, 0x123);
	rig_post(g, f, 2574, RIG_LAST | IGB_TXD_TSE | IGB_TXD_VLE,
		2500u << IGB_TXD_PAYLEN_SHIFT | IXSM | TXSM);
	rig_ring_bell(g);
	for (n = 0; rig_take(g, &fr); n++) {
		const uint8_t *ip = fr.data + 18;

		part = n < 2 ? 1000 : 500;
		assert_int_equal(fr.len, 78 + part);
		assert_memory_equal(fr.data + 12, "\x81\x00\x01\x23\x86\xDD", 6);
		assert_int_equal(ip[4] << 8 | ip[5], 20 + part);
		assert_memory_equal(ip + 6, f + 20, 34);
		assert_int_equal(be32(ip + 44), n * 1000);
		assert_int_equal(ip[53], n < 2 ? 0x10 : 0x18);
		s = inet_sum(ip + 8, 32, 6 + 20 + part);
		assert_int_equal(inet_sum(ip + 40, 20 + part, s), 0xFFFF);
		assert_memory_equal(ip + 60, f + 74 + n * 1000, part);
	}
	assert_int_equal(n, 3);
}

/* TCP flags that pass in the first, in middle and in the last segment (8.12.5). */
static void
tso_flags_are_masked_by_the_segments_place(void **state)
{
	static const uint16_t want[] = {0x101, 0x202, 0x202, 0x404};
	struct rig *g = *state;
	uint32_t n;

	rig_wr(g, IGB_DTXTCPFLGL, 0x02020101);
	rig_wr(g, IGB_DTXTCPFLGH, 0x404);
	rig_ipv4(f, 6, 400);
	rig_put16(f + 46, 0x5FFF);
	rig_ctx(g, 0, 14, 20, 20, 100, TCP4, 0);
	rig_post(g, f, 454, RIG_LAST | IGB_TXD_TSE, 400u << IGB_TXD_PAYLEN_SHIFT);
	/* A single segment keeps all of them. */
	rig_post(g, f, 154, RIG_LAST | IGB_TXD_TSE, 100u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	for (n = 0; rig_take(g, &fr); n++)
		assert_int_equal(fr.data[46] << 8 | fr.data[47], n < 4 ? 0x5000 | want[n] : 0x5FFF);
	assert_int_equal(n, 5);
}

/*
 * The largest payload for the 18 bits of PAYLEN, in buffers as large as the 16 bits of DTALEN
 * permit.
 */
static void
tso_largest_payload_is_sent(void **state)
{
	struct rig *g = *state;
	uint32_t left, n, bytes;

	rig_ipv4(f, 6, 0);
	rig_ctx(g, 0, 14, 20, 20, 9000, TCP4, 0);
	rig_post(g, f, 54, IGB_TXD_IFCS | IGB_TXD_TSE, 0x3FFFFu << IGB_TXD_PAYLEN_SHIFT);
	for (left = 0x3FFFF; left != 0; left -= n) {
		n = left < 65535 ? left : 65535;
		rig_post(g, f, n, IGB_TXD_IFCS | (n == left ? IGB_TXD_EOP : 0), 0);
	}
	rig_ring_bell(g);
	for (n = bytes = 0; n < 1000; n++)
		if (rig_take(g, &fr))
			bytes += fr.len - 54;
	assert_int_equal(bytes, 0x3FFFF);
}

static void
tx_frames_without_report_are_not_written_back(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	/* More reports in one flush than the device holds back. */
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDLEN(0), 128 * 16);
	rig_wr(g, IGB_TDH(0), 0);
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	memset(g->mem + RIG_TXRING, 0, 128 * 16);
	for (i = 0; i < 127; i++) {
		volatile union igb_tx_desc *d =
			(volatile union igb_tx_desc *)(g->mem + RIG_TXRING + i * 16);

		d->data.addr = RIG_IOVA + RIG_TXBUF;
		d->data.cmd_type_len = 60 | IGB_TXD_EOP | IGB_TXD_IFCS | IGB_TXD_DTYP_DATA |
			IGB_TXD_DEXT | (i % 16 != 7 ? IGB_TXD_RS : 0);
		d->data.olinfo = 60u << IGB_TXD_PAYLEN_SHIFT;
	}
	rig_tdt(g, 0, 127);
	for (i = 0; i < 127; i++)
		assert_int_equal(rig_next(g, &fr), 1);
	assert_int_equal(rig_next(g, &fr), 0);
	m82576_tx_flush(g->m);
	for (i = 0; i < 127; i++)
		assert_int_equal(((volatile union igb_tx_desc *)(g->mem + RIG_TXRING + i * 16))
			->wb.status, i % 16 != 7 ? IGB_TXD_STAT_DD : 60u << IGB_TXD_PAYLEN_SHIFT);
	assert_int_equal(rig_rd(g, IGB_TDH(0)), 127);
}

static void
tx_pending_is_exact(void **state)
{
	struct rig *g = *state;

	assert_false(m82576_tx_pending(g->m));
	rig_post(g, f, 60, IGB_TXD_IFCS, 120u << IGB_TXD_PAYLEN_SHIFT);
	rig_post(g, f, 60, RIG_LAST, 0);
	rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_true(m82576_tx_pending(g->m));
	assert_int_equal(rig_take(g, &fr), 1);
	assert_true(m82576_tx_pending(g->m));
	assert_int_equal(rig_take(g, &fr), 1);
	assert_false(m82576_tx_pending(g->m));
	/* Segments that remain are pending. */
	rig_ipv4(f, 6, 200);
	rig_ctx(g, 0, 14, 20, 20, 100, TCP4, 0);
	assert_int_equal(sends(g, 254, 200, IGB_TXD_TSE, 0), 1);
	assert_true(m82576_tx_pending(g->m));
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_false(m82576_tx_pending(g->m));
	/* A tail beyond the ring makes nothing pending. */
	rig_tdt(g, 0, RIG_DESCS);
	assert_false(m82576_tx_pending(g->m));
	rig_tdt(g, 0, g->tx_next % RIG_DESCS);
	/* A queue that was enabled, and not polled yet. */
	rig_tx_start(g, 1);
	assert_false(m82576_tx_pending(g->m));
	rig_tdt(g, 1, RIG_DESCS);
	assert_false(m82576_tx_pending(g->m));
	rig_tdt(g, 1, RIG_DESCS - 1);
	assert_true(m82576_tx_pending(g->m));
	rig_wr(g, IGB_TCTL, 0);
	assert_false(m82576_tx_pending(g->m));
	rig_wr(g, IGB_TCTL, IGB_TCTL_EN);
	assert_true(m82576_tx_pending(g->m));
	rig_wr(g, IGB_TXDCTL(1), 0);
	assert_false(m82576_tx_pending(g->m));
}

/*
 * The device writes the head where the driver requested it, only if a report is due, and
 * without DD.
 */
static void
tx_head_write_back_only_with_a_report(void **state)
{
	struct rig *g = *state;
	volatile uint32_t *head = (void *)(g->mem + 0x600000);

	*head = 77;
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDWBAL(0), (uint32_t)(RIG_IOVA + 0x600000) | 1);
	rig_wr(g, IGB_TDWBAH(0), (uint32_t)(RIG_IOVA >> 32));
	rig_tx_start(g, 0);
	rig_post(g, f, 60, IGB_TXD_EOP | IGB_TXD_IFCS, 60u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(*head, 77);
	assert_int_equal(sends(g, 60, 60, 0, 0), 1);
	assert_int_equal(*head, 2);
	assert_int_equal(rig_rd(g, IGB_TDH(0)), 2);
}

static void
size_classes_are_exact(void **state)
{
	/* frame length with FCS, and the registers that count it, received and sent */
	static const struct {
		uint32_t len, rx, tx;
	} t[] = {
		{64, IGB_PRC64, IGB_PTC64}, {65, IGB_PRC127, IGB_PTC127},
		{127, IGB_PRC127, IGB_PTC127}, {128, IGB_PRC255, IGB_PTC255},
		{255, IGB_PRC255, IGB_PTC255}, {256, IGB_PRC511, IGB_PTC511},
		{511, IGB_PRC511, IGB_PTC511}, {512, IGB_PRC1023, IGB_PTC1023},
		{1023, IGB_PRC1023, IGB_PTC1023}, {1024, IGB_PRC1522, IGB_PTC1522},
	};
	static const uint32_t all[] = {IGB_PRC64, IGB_PRC127, IGB_PRC255, IGB_PRC511, IGB_PRC1023,
		IGB_PRC1522, IGB_PTC64, IGB_PTC127, IGB_PTC255, IGB_PTC511, IGB_PTC1023,
		IGB_PTC1522};
	struct rig *g = *state;
	uint32_t i, k;

	rig_eth(f, rig_mac, 0x88B5);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(arrives(g, t[i].len - 4), DD_EOP);
		assert_int_equal(sends(g, t[i].len - 4, t[i].len - 4, 0, 0), 1);
		for (k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			assert_int_equal(rig_rd(g, all[k]), all[k] == t[i].rx || all[k] == t[i].tx);
		assert_int_equal(rig_rd(g, IGB_GORCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_GOTCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_HGORCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_HGOTCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_TORL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_TOTL), t[i].len);
	}
	for (i = 0; i < 2; i++) {
		memset(f, 0xFF, 6);
		f[3] = i == 0 ? 0xFF : 0xFE;
		assert_int_equal(sends(g, 60, 60, 0, 0), 1);
		assert_int_equal(rig_rd(g, IGB_BPTC), i == 0);
		assert_int_equal(rig_rd(g, IGB_MPTC), i == 1);
	}
}

/*
 * IVAR selects the vector of each queue's cause, receive and transmit. A cause with a vector
 * that does not exist has no effect.
 */
static void
ivar_of_every_queue_selects_its_vector(void **state)
{
	struct rig *g = *state;
	unsigned int q, is_tx, i;

	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	for (q = 0; q < 16; q++) {
		for (is_tx = 0; is_tx < 2; is_tx++) {
			const unsigned int v = (2 * q + is_tx) % 31;

			for (i = 0; i < 8; i++)
				rig_wr(g, IGB_IVAR(i), 0);
			m82576_intr_queues(g->m, 1u << q, is_tx);
			assert_int_equal(rig_rd(g, IGB_EICR), 0);
			rig_wr(g, IGB_IVAR_REG(q), (v | IGB_IVAR_VALID) << IGB_IVAR_SHIFT(q,
				is_tx));
			m82576_intr_queues(g->m, 1u << q, is_tx);
			assert_int_equal(rig_rd(g, IGB_EICR), v < IGB_MSIX_VECTORS ? 1u << v : 0);
			m82576_intr_queues(g->m, 1u << q, !is_tx);
			m82576_intr_queues(g->m, 1u << (q ^ 8), is_tx);
			assert_int_equal(rig_rd(g, IGB_EICR), 0);
		}
	}
}

static uint32_t
mdic(struct rig *g, uint32_t op, uint32_t reg, uint32_t v)
{
	rig_wr(g, IGB_MDIC, op | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
		reg << IGB_MDIC_REG_SHIFT | v);
	return rig_rd(g, IGB_MDIC);
}

static uint32_t
phy_rd(struct rig *g, uint32_t reg)
{
	uint32_t v = mdic(g, IGB_MDIC_OP_READ, reg, 0);

	assert_int_equal(v & (IGB_MDIC_READY | IGB_MDIC_ERROR), IGB_MDIC_READY);
	return v & 0xFFFF;
}

static void
phy_registers_and_pages_are_exact(void **state)
{
	static const uint32_t fixed[] = {IGB_PHY_STATUS, IGB_PHY_ID1, IGB_PHY_ID2,
		IGB_PHY_LP_ABILITY,
		IGB_PHY_AUTONEG_EXP, IGB_PHY_1000T_STATUS, IGB_PHY_EXT_STATUS, IGB_PHY_PORT_STATUS};
	struct rig *g = *state;
	uint32_t i, was;

	assert_true(mdic(g, 0, IGB_PHY_ID1, 0) & IGB_MDIC_ERROR);
	assert_true(mdic(g, 3u << 26, IGB_PHY_ID1, 0) & IGB_MDIC_ERROR);
	rig_rd(g, IGB_ICR);
	mdic(g, IGB_MDIC_OP_READ, IGB_PHY_ID1, 0);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	mdic(g, IGB_MDIC_OP_READ | IGB_MDIC_INT_EN, IGB_PHY_ID1, 0);
	assert_int_equal(rig_rd(g, IGB_ICR), 1u << 9);
	phy_rd(g, IGB_PHY_STATUS); /* the PHY reports a loss of the link once */
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		was = phy_rd(g, fixed[i]);
		mdic(g, IGB_MDIC_OP_WRITE, fixed[i], ~was & 0xFFFF);
		assert_int_equal(phy_rd(g, fixed[i]), was);
	}
	assert_int_equal(phy_rd(g, IGB_PHY_STATUS), 0x7949 | 0x24);
	assert_int_equal(phy_rd(g, IGB_PHY_LP_ABILITY), 0x4001 | 0xF << 5 | 0xC00);
	assert_int_equal(phy_rd(g, IGB_PHY_AUTONEG_EXP), 0xF);
	assert_int_equal(phy_rd(g, IGB_PHY_1000T_STATUS), 0x3C00);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_STATUS), 3u << 14 | 0x600);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PORT_CTRL, 0x1234);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0x1234);
	/* Another page: registers below 0x10 are the same on all pages. */
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PAGE_SELECT, 0x11B1);
	assert_int_equal(phy_rd(g, IGB_PHY_PAGE_SELECT), 0x11A0);
	assert_int_equal(phy_rd(g, 0x11), 0x2000);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0);
	assert_int_equal(phy_rd(g, 0x10), 0);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PORT_CTRL, 0x5678);
	mdic(g, IGB_MDIC_OP_WRITE, 0x0F - 1, 0x4321);
	assert_int_equal(phy_rd(g, 0x0F - 1), 0x4321);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PAGE_SELECT, 0x1F); /* page 0 */
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0x1234);
	/* Without a far end. */
	m82576_set_link(g->m, false);
	assert_int_equal(phy_rd(g, IGB_PHY_STATUS), 0x7949);
	assert_int_equal(phy_rd(g, IGB_PHY_LP_ABILITY), 0);
	assert_int_equal(phy_rd(g, IGB_PHY_AUTONEG_EXP), 4);
	assert_int_equal(phy_rd(g, IGB_PHY_1000T_STATUS), 0);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_STATUS), 0);
}

/* Wires of up to 10 and up to 100 Mb/s show as those speeds, and every faster wire as 1000. */
static void
speed_of_the_wire_is_in_status(void **state)
{
	static const struct {
		unsigned int mbps;
		uint32_t code;
	} t[] = {{1, 0}, {10, 0}, {11, 1}, {100, 1}, {101, 2}, {10000, 2}, {0, 2}};
	struct rig *g;
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_setup_params(state, (struct m82576_params){.speed_mbps = t[i].mbps});
		g = *state;
		assert_int_equal(rig_rd(g, IGB_STATUS) & (IGB_STATUS_SPEED_MASK | IGB_STATUS_LU |
			IGB_STATUS_FD), t[i].code << IGB_STATUS_SPEED_SHIFT | IGB_STATUS_LU |
				IGB_STATUS_FD);
		assert_int_equal(m82576_speed(g->m), 0); /* the speed of the wire */
		assert_int_equal(phy_rd(g, IGB_PHY_LP_ABILITY) & 0xC00, t[i].code == 0 ? 0 : 0xC00);
		assert_int_equal(phy_rd(g, IGB_PHY_1000T_STATUS), t[i].code == 2 ? 0x3C00 : 0xC00);
		rig_teardown(state);
	}
}

static void
aliases_and_masks_of_registers_are_exact(void **state)
{
	struct rig *g = *state;
	uint32_t q, i;

	for (q = 0; q < 4; q++) {
		rig_wr(g, IGB_RDBAH(q), 0x100 + q);
		rig_wr(g, IGB_TDBAH(q), 0x200 + q);
		assert_int_equal(rig_rd(g, IGB_RXQ_ALIAS_BASE + q * 0x100 + IGB_Q_BAH), 0x100 + q);
		assert_int_equal(rig_rd(g, IGB_TXQ_ALIAS_BASE + q * 0x100 + IGB_Q_BAH), 0x200 + q);
		rig_wr(g, IGB_TXQ_ALIAS_BASE + q * 0x100 + IGB_Q_TDWBAH, 0x300 + q);
		assert_int_equal(rig_rd(g, IGB_TDWBAH(q)), 0x300 + q);
	}
	for (i = 0; i < 128; i += 127) {
		rig_wr(g, 0x00200 + 4 * i, 0x400 + i);
		assert_int_equal(rig_rd(g, IGB_MTA(i)), 0x400 + i);
		rig_wr(g, 0x00600 + 4 * i, 0x500 + i);
		assert_int_equal(rig_rd(g, IGB_VFTA(i)), 0x500 + i);
	}
	for (i = 0; i < 16; i += 15) {
		rig_wr(g, 0x00040 + 8 * i, 0x600 + i);
		assert_int_equal(rig_rd(g, IGB_RAL(i)), 0x600 + i);
	}
	for (i = 0; i < 24; i++) {
		rig_wr(g, IGB_RAH(i), ~0u);
		assert_int_equal(rig_rd(g, IGB_RAH(i)), 0x8FFFFFFF);
	}
	rig_wr(g, IGB_CTRL_EXT, ~0u);
	assert_int_equal(rig_rd(g, IGB_CTRL_EXT), ~(IGB_CTRL_EXT_EE_RST | 1u << 12));
	rig_wr(g, IGB_SERDESCTL, 0x1234);
	assert_int_equal(rig_rd(g, IGB_SERDESCTL), 0x80001234);
	rig_wr(g, IGB_EITR(0), ~0u);
	assert_int_equal(rig_rd(g, IGB_EITR(0)), ~IGB_EITR_CNT_IGNR);
	rig_wr(g, IGB_RLPML, ~0u);
	assert_int_equal(rig_rd(g, IGB_RLPML), 0x3FFF);
	rig_wr(g, IGB_EEMNGCTL, 0);
	assert_true(rig_rd(g, IGB_EEMNGCTL) & IGB_EEMNGCTL_CFG_DONE0);
	/* SWSM: a write can release SMBI, but not take it. */
	rig_wr(g, IGB_SWSM, 0xF);
	assert_int_equal(rig_rd(g, IGB_SWSM), 0xE);
	rig_wr(g, IGB_SWSM, 0xFFFFFFFF);
	assert_int_equal(rig_rd(g, IGB_SWSM), 0xF);
	rig_wr(g, IGB_SWSM, 0);
	/* An offset without a register reads as 0. */
	rig_wr(g, 0x1FFFC, ~0u);
	assert_int_equal(rig_rd(g, 0x1FFFC), 0);
}

int
main(void)
{
#define LIMIT(name) cmocka_unit_test_setup_teardown(name, limits_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		LIMIT(ipv4_header_is_recognised_only_where_it_fits),
		LIMIT(l4_header_is_recognised_only_where_it_fits),
		LIMIT(ipv4_fragment_has_no_layer_4),
		LIMIT(ipv6_header_is_recognised_only_where_it_fits),
		LIMIT(ipv6_extension_headers_are_followed_to_the_sixteenth),
		LIMIT(ipv6_fragment_header_decides_over_layer_4),
		LIMIT(ipv6_home_and_routing_addresses_are_found),
		LIMIT(vlan_tags_are_recognised_by_their_types),
		cmocka_unit_test(checksum_is_exact_at_every_length),
		cmocka_unit_test(crcs_are_exact_at_every_length),
		LIMIT(rx_length_limit_is_exact_with_every_tag),
		LIMIT(rx_longest_frame_is_exact),
		LIMIT(rx_pif_marks_addresses_that_passed_inexactly),
		LIMIT(rx_cfi_must_be_as_asked_for),
		LIMIT(rx_udp_checksum_of_zero_is_none_on_ipv4_and_wrong_on_ipv6),
		LIMIT(rx_checksum_covers_ipv4_options),
		LIMIT(rx_fragment_checksum_and_identification),
		LIMIT(rss_types_are_by_protocol_and_version),
		LIMIT(rx_write_backs_beyond_a_batch_are_not_lost),
		LIMIT(tx_checksum_headers_must_fit_exactly),
		LIMIT(tx_legacy_checksum_must_fit_exactly),
		LIMIT(tx_shortest_frame_is_exact),
		LIMIT(tso_header_limits_are_exact),
		LIMIT(tso_ipv6_segments_are_exact),
		LIMIT(tso_flags_are_masked_by_the_segments_place),
		LIMIT(tso_largest_payload_is_sent),
		LIMIT(tx_frames_without_report_are_not_written_back),
		LIMIT(tx_pending_is_exact),
		LIMIT(tx_head_write_back_only_with_a_report),
		LIMIT(size_classes_are_exact),
		LIMIT(ivar_of_every_queue_selects_its_vector),
		LIMIT(phy_registers_and_pages_are_exact),
		cmocka_unit_test(speed_of_the_wire_is_in_status),
		LIMIT(aliases_and_masks_of_registers_are_exact),
	};

	return cmocka_run_group_tests_name("igb_model_limits", tests, NULL, NULL);
}
