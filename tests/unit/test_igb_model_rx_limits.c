/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The receiver's limits, each tested on both sides: the longest frames, filters, checksums,
 * RSS, and batches of write-backs.
 */

#include "igb_limits.h"

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
	static const uint8_t bcast[6] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
	static const uint8_t group[6] = { 0x01, 0, 0x5E, 0, 0, 1 };
	static const uint8_t nearly[6] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE };
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
		rig_rx_on(g,
				IGB_RCTL_SECRC | IGB_RCTL_VFE | IGB_RCTL_CFIEN |
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
	assert_int_equal(arrives(g, 63),
			DD_EOP | IGB_RXD_STAT_UDPCS | IGB_RXD_STAT_L4I | IGB_RXD_ERR_L4E);
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
		{ 4, 6, 0, IGB_MRQC_RSS_TCPIPV4, IGB_RXD_RSS_TCPIPV4 },
		{ 4, 6, 0, IGB_MRQC_RSS_UDPIPV4, IGB_RXD_RSS_NONE },
		{ 4, 6, 0, IGB_MRQC_RSS_UDPIPV4 | IGB_MRQC_RSS_IPV4, IGB_RXD_RSS_IPV4 },
		{ 4, 17, 0, IGB_MRQC_RSS_TCPIPV4, IGB_RXD_RSS_NONE },
		{ 4, 17, 0, IGB_MRQC_RSS_UDPIPV4, IGB_RXD_RSS_UDPIPV4 },
		{ 4, 17, 0, IGB_MRQC_RSS_IPV6 | IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_NONE },
		{ 6, 6, 0, IGB_MRQC_RSS_IPV4 | IGB_MRQC_RSS_TCPIPV4, IGB_RXD_RSS_NONE },
		{ 6, 6, 0, IGB_MRQC_RSS_TCPIPV6, IGB_RXD_RSS_TCPIPV6 },
		{ 6, 6, 0, IGB_MRQC_RSS_TCPIPV6EX, IGB_RXD_RSS_TCPIPV6EX },
		{ 6, 6, 0, IGB_MRQC_RSS_TCPIPV6EX | IGB_MRQC_RSS_TCPIPV6, IGB_RXD_RSS_TCPIPV6 },
		{ 6, 6, 1, IGB_MRQC_RSS_TCPIPV6EX | IGB_MRQC_RSS_TCPIPV6, IGB_RXD_RSS_TCPIPV6EX },
		{ 6, 6, 0, IGB_MRQC_RSS_UDPIPV6 | IGB_MRQC_RSS_UDPIPV6EX, IGB_RXD_RSS_NONE },
		{ 6, 17, 0, IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_UDPIPV6 },
		{ 6, 17, 0, IGB_MRQC_RSS_UDPIPV6EX, IGB_RXD_RSS_UDPIPV6EX },
		{ 6, 17, 0, IGB_MRQC_RSS_UDPIPV6EX | IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_UDPIPV6 },
		{ 6, 17, 1, IGB_MRQC_RSS_UDPIPV6EX | IGB_MRQC_RSS_UDPIPV6, IGB_RXD_RSS_UDPIPV6EX },
		{ 6, 17, 0, IGB_MRQC_RSS_TCPIPV6 | IGB_MRQC_RSS_TCPIPV6EX, IGB_RXD_RSS_NONE },
		{ 6, 17, 0, IGB_MRQC_RSS_IPV6, IGB_RXD_RSS_IPV6 },
		{ 6, 17, 0, IGB_MRQC_RSS_IPV6EX, IGB_RXD_RSS_IPV6EX },
		{ 6, 17, 0, IGB_MRQC_RSS_IPV6EX | IGB_MRQC_RSS_IPV6, IGB_RXD_RSS_IPV6 },
		{ 6, 17, 1, IGB_MRQC_RSS_IPV6EX | IGB_MRQC_RSS_IPV6, IGB_RXD_RSS_IPV6EX },
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
		assert_int_equal(hash[0] != hash[1],
				t[i].type != IGB_RXD_RSS_IPV4 && t[i].type != IGB_RXD_RSS_IPV6 &&
						t[i].type != IGB_RXD_RSS_IPV6EX);
		assert_int_equal(hash[0] != hash[2], !t[i].ext);
	}
}

/* More write-backs than the device holds back: it writes the first batch before the flush. */
static void
rx_write_backs_beyond_a_batch_are_not_lost(void **state)
{
	struct m82576_frame in = { .data = f, .len = 60 };
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
		assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
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
	assert_int_equal(m82576_rx(g->m, &in, 1, true), 0);
	rig_rdt(g, 0, 100);
	rig_rxd(g, 0, 99)->read.hdr_addr = 0;
	assert_int_equal(m82576_rx(g->m, &in, 1, true), 1);
	assert_int_equal(m82576_rx(g->m, &in, 1, true), 0);
	assert_true(rig_rxd(g, 0, 99)->wb.staterr & IGB_RXD_STAT_DD);
}

/* Prepare queue 0 for frames in pieces of any size: split headers, small buffers. */
static void
rx_restart(struct rig *g, uint32_t srrctl)
{
	rig_wr(g, IGB_RXDCTL(0), 0);
	memset(g->mem + RIG_RXBUF, 0, RIG_DESCS * RIG_BUF);
	rig_rx_start(g, 0, srrctl);
	for (unsigned int i = 0; i < RIG_DESCS; i++)
		rig_rxd(g, 0, i)->read.hdr_addr = RIG_IOVA + RIG_RXBUF + i * RIG_BUF + 1024;
}

/* Make frame number "kind" of len bytes in f. */
static void
make_frame(unsigned int kind, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		f[i] = (uint8_t)(i * 7 + kind);
	switch (kind) {
	case 0:
		rig_eth(f, rig_mac, 0x88B5);
		break;
	case 1:
	case 2:
		rig_ipv4(f, kind == 1 ? 17 : 6, len - (kind == 1 ? 42 : 54));
		break;
	case 3: /* a wrong checksum */
		rig_ipv4(f, 17, len - 42);
		f[len - 1] ^= 1;
		break;
	case 4: /* a tag */
		rig_eth(f, rig_mac, 0x8100);
		break;
	case 5: /* extension headers, up to and beyond the header that is copied */
	case 6:
		ipv6(len - 54, 60);
		f[54] = kind == 5 ? 17 : 60;
		f[55] = kind == 5 ? 0 : 8;
		f[54 + 72] = 17;
		break;
	}
}

/* A frame with a rest in a client's memory is received as the same frame in one piece. */
static void
rx_frame_with_a_rest_is_as_a_whole_one(void **state)
{
	static const struct {
		uint32_t rctl, rxcsum, srrctl;
	} modes[] = {
		{ IGB_RCTL_SECRC, IGB_RXCSUM_PCSD, RIG_ADV },
		{ 0, IGB_RXCSUM_PCSD, RIG_ADV },
		{ IGB_RCTL_SECRC, 0, RIG_ADV },
		{ IGB_RCTL_SECRC, IGB_RXCSUM_PCSD | IGB_RXCSUM_IPOFL, RIG_ADV },
		{ IGB_RCTL_SECRC, IGB_RXCSUM_PCSD | IGB_RXCSUM_TUOFL, RIG_ADV },
		{ IGB_RCTL_SECRC, IGB_RXCSUM_PCSD, 1 }, /* legacy */
		{ IGB_RCTL_SECRC, IGB_RXCSUM_PCSD,
				IGB_SRRCTL_DESCTYPE_HDR_SPLIT | 1 |
						2 << IGB_SRRCTL_BSIZEHDR_SHIFT },
		{ IGB_RCTL_SECRC, IGB_RXCSUM_PCSD,
				IGB_SRRCTL_DESCTYPE_HDR_ALWAYS | 1 |
						4 << IGB_SRRCTL_BSIZEHDR_SHIFT },
	};
	static const uint32_t lens[] = { 256, 300, 1000, 1514 };
	struct rig *g = *state;
	unsigned int mode, kind, l, i, n;

	for (mode = 0; mode < 2 * sizeof(modes) / sizeof(modes[0]); mode++) {
		const unsigned int k = mode / 2;

		rig_rx_on(g, modes[k].rctl);
		rig_wr(g, IGB_RXCSUM, modes[k].rxcsum);
		rig_wr(g, IGB_CTRL,
				(rig_rd(g, IGB_CTRL) & ~IGB_CTRL_VME) |
						(mode & 1 ? IGB_CTRL_VME : 0));
		for (kind = 0; kind < 7; kind++) {
			for (l = 0; l < 4; l++) {
				uint8_t header[M82576_HEADER];
				struct m82576_frame in[2];

				make_frame(kind, lens[l]);
				memcpy(header, f, sizeof(header));
				in[0] = (struct m82576_frame){ .data = f, .len = lens[l] };
				in[1] = in[0];
				in[1].data = header;
				in[1].rest = f + M82576_HEADER;
				in[1].sender = m82576_server(g->m);
				rx_restart(g, modes[k].srrctl);
				assert_int_equal(m82576_rx(g->m, &in[0], 1, false), 1);
				/* From here on only the rest counts. */
				memset(f, 0xEE, M82576_HEADER);
				assert_int_equal(m82576_rx(g->m, &in[1], 1, false), 1);
				m82576_rx_flush(g->m);
				vfu_rcu_quiescent();
				n = rig_rd(g, IGB_RDH(0)) / 2;
				assert_in_range(n, 1, 6);
				for (i = 0; i < n; i++) {
					volatile union igb_rx_desc *a = rig_rxd(g, 0, i);
					volatile union igb_rx_desc *b = rig_rxd(g, 0, n + i);

					if (modes[k].srrctl == 1) { /* legacy: keeps its address */
						assert_true(a->legacy.status & IGB_RXD_STAT_DD);
						assert_false(a->legacy.errors &
								IGB_RXD_LEG_ERR_RXE);
					} else {
						assert_true(a->wb.staterr & IGB_RXD_STAT_DD);
						assert_false(a->wb.staterr & IGB_RXD_ERR_RXE);
						assert_int_equal(a->qw[0], b->qw[0]);
					}
					assert_int_equal(a->qw[1], b->qw[1]);
					assert_memory_equal(rig_rxbuf(g, 0, i),
							rig_rxbuf(g, 0, n + i), RIG_BUF);
				}
			}
		}
	}
}

/* A buffer at no mapped address is one fault, although a frame with a rest takes two writes. */
static void
rx_frame_with_a_rest_meets_one_fault(void **state)
{
	struct rig *g = *state;
	struct m82576_frame in = { .data = f, .len = 1000, .rest = f + M82576_HEADER };
	struct m82576_stats st;

	in.sender = m82576_server(g->m);
	make_frame(0, in.len);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	rx_restart(g, RIG_ADV);
	rig_rxd(g, 0, 0)->read.pkt_addr = 0x1000;
	assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_ERR_RXE);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.dma_faults, 1);
}

/* A burst is as many frames one by one: each is filtered, delivered, dropped or left to wait. */
static void
rx_burst_treats_each_frame_by_itself(void **state)
{
	static uint8_t other[60];
	struct m82576_frame in[6];
	struct rig *g = *state;
	struct m82576_stats st;
	unsigned int i;

	rig_rdt(g, 0, 2);
	rig_eth(f, rig_mac, 0x88B5);
	memcpy(other, f, sizeof(other));
	other[5] ^= 1;
	for (i = 0; i < 6; i++)
		in[i] = (struct m82576_frame){ .data = i == 1 ? other : f, .len = 60 + i };
	in[5].flags = M82576_FRAME_BAD_FCS;
	in[1].len = 60;
	/* Two descriptors, for the first and the third frame; the fourth waits. */
	assert_int_equal(m82576_rx(g->m, in, 6, true), 3);
	assert_int_equal(rig_rxd(g, 0, 0)->wb.length, 60);
	assert_int_equal(rig_rxd(g, 0, 1)->wb.length, 62);
	assert_true(rig_rxd(g, 0, 1)->wb.staterr & IGB_RXD_STAT_DD);
	/* Without waiting, the fourth and the fifth are dropped. */
	assert_int_equal(m82576_rx(g->m, in + 3, 3, false), 3);
	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 2);
	assert_int_equal(st.rx_bytes, 122);
	assert_int_equal(st.rx_filtered, 1);
	assert_int_equal(st.rx_no_desc, 2);
	assert_int_equal(st.rx_bad, 1);
	assert_int_equal(rig_rd(g, IGB_TPR), 6);
	assert_int_equal(rig_rd(g, IGB_TORL), 60 + 60 + 62 + 63 + 64 + 65 + 6 * M82576_FCS_LEN);
	assert_int_equal(rig_rd(g, IGB_GPRC), 2);
	assert_int_equal(rig_rd(g, IGB_GORCL), 122 + 2 * M82576_FCS_LEN);
	assert_int_equal(rig_rd(g, IGB_RPTHC), 2);
	assert_int_equal(rig_rd(g, IGB_PRC64), 1);
	assert_int_equal(rig_rd(g, IGB_PRC64 + 4), 1);
	/* A receiver that is off drops the burst. */
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_wr(g, IGB_RCTL, 0);
	assert_int_equal(m82576_rx(g->m, in, 6, true), 6);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_off, 6);
}

/*
 * A frame of a wire may end where the memory ends. Stripping, checksums and the FCS read all of the
 * frame, and nothing behind it.
 */
static void
rx_reads_no_byte_behind_the_frame(void **state)
{
	static const uint8_t protocols[] = { 6, 17, 132 };
	struct rig *g = *state;
	const size_t page = (size_t)getpagesize();
	uint8_t *end = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	uint32_t len, i;

	assert_ptr_not_equal(end, MAP_FAILED);
	end += page;
	assert_int_equal(mprotect(end, page, PROT_NONE), 0);
	rig_rx_on(g, 0);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_VME);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL | IGB_RXCSUM_CRCOFL);
	for (i = 0; i < 6; i++) {
		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_rx_start(g, 0, RIG_ADV);
		for (len = 60; len < 77; len++) {
			volatile union igb_rx_desc *d = rig_rxd(g, 0, g->rx_next);
			const uint32_t tag = i < 3 ? 4 : 0;

			rig_ipv4(f, 6, 20);
			f[23] = protocols[i % 3];
			rig_put16(f + 16, len - 14 - tag);
			memmove(f + 12 + tag, f + 12, len - 12 - tag);
			if (tag != 0)
				rig_put16(f + 12, 0x8100);
			memcpy(end - len, f, len);
			rig_send_in(g, end - len, len, 0);
			assert_true(d->wb.staterr & IGB_RXD_STAT_DD);
			assert_int_equal(d->wb.length, len - tag + M82576_FCS_LEN);
			assert_memory_equal(rig_rxbuf(g, 0, g->rx_next), f, 12);
			assert_memory_equal(rig_rxbuf(g, 0, g->rx_next) + 12, f + 12 + tag,
					len - 12 - tag);
			g->rx_next++;
		}
	}
	munmap(end - page, 2 * page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT(rx_length_limit_is_exact_with_every_tag),
		LIMIT(rx_longest_frame_is_exact),
		LIMIT(rx_pif_marks_addresses_that_passed_inexactly),
		LIMIT(rx_cfi_must_be_as_asked_for),
		LIMIT(rx_udp_checksum_of_zero_is_none_on_ipv4_and_wrong_on_ipv6),
		LIMIT(rx_checksum_covers_ipv4_options),
		LIMIT(rx_fragment_checksum_and_identification),
		LIMIT(rss_types_are_by_protocol_and_version),
		LIMIT(rx_write_backs_beyond_a_batch_are_not_lost),
		LIMIT(rx_frame_with_a_rest_is_as_a_whole_one),
		LIMIT(rx_frame_with_a_rest_meets_one_fault),
		LIMIT(rx_burst_treats_each_frame_by_itself),
		LIMIT(rx_reads_no_byte_behind_the_frame),
	};

	return cmocka_run_group_tests_name("igb_model_rx_limits", tests, NULL, NULL);
}
