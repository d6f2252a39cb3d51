/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Receive-side scaling (7.1.2.8) over four queues. The key and the vectors are those of Microsoft
 * ("Verifying the RSS hash calculation").
 */

#include "ma.h"

static const uint8_t key[40] = { 0x6D, 0x5A, 0x56, 0xDA, 0x25, 0x5B, 0x0E, 0xC2, 0x41, 0x67, 0x25,
	0x3D, 0x43, 0xA3, 0x8F, 0xB0, 0xD0, 0xCA, 0x2B, 0xCB, 0xAE, 0x7B, 0x30, 0xB4, 0x77, 0xCB,
	0x2D, 0xA3, 0x80, 0x30, 0xF2, 0x0C, 0x6A, 0x42, 0xB7, 0x3B, 0xBE, 0xAC, 0x01, 0xFA };

static const struct {
	uint8_t src[4], dst[4];
	uint16_t sport, dport;
} v4[] = {
	{ { 66, 9, 149, 187 }, { 161, 142, 100, 80 }, 2794, 1766 },
	{ { 199, 92, 111, 2 }, { 65, 69, 140, 83 }, 14230, 4739 },
	{ { 24, 19, 198, 95 }, { 12, 22, 207, 184 }, 12898, 38024 },
	{ { 38, 27, 205, 30 }, { 209, 142, 163, 6 }, 48228, 2217 },
	{ { 153, 39, 163, 191 }, { 202, 188, 127, 2 }, 44251, 1303 },
};

static const struct {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
} v6[] = {
	{ { 0x3F, 0xFE, 0x25, 0x01, 0x02, 0x00, 0x1F, 0xFF, [15] = 7 },
			{ 0x3F, 0xFE, 0x25, 0x01, 0x02, 0x00, 0x00, 0x03, [15] = 1 }, 2794, 1766 },
	{ { 0x3F, 0xFE, 0x05, 0x01, 0x00, 0x08, 0, 0, 0x02, 0x60, 0x97, 0xFF, 0xFE, 0x40, 0xEF,
			  0xAB },
			{ 0xFF, 0x02, [15] = 1 }, 14230, 4739 },
	{ { 0x3F, 0xFE, 0x19, 0x00, 0x45, 0x45, 0x00, 0x03, 0x02, 0x00, 0xF8, 0xFF, 0xFE, 0x21,
			  0x67, 0xCF },
			{ 0xFE, 0x80, [8] = 0x02, 0x00, 0xF8, 0xFF, 0xFE, 0x21, 0x67, 0xCF }, 44251,
			38024 },
};

static void
rss_open(const char *name, uint32_t fields)
{
	uint32_t i, q;

	ma_open(name);
	ma_wr(&ma_b, IGB_RCTL, 0);
	for (q = 1; q < MA_RX_QUEUES; q++)
		ma_rx_open(&ma_b, q, MA_SRRCTL);
	for (i = 0; i < 10; i++)
		ma_wr(&ma_b, IGB_RSSRK(i),
				(uint32_t)key[4 * i] | (uint32_t)key[4 * i + 1] << 8 |
						(uint32_t)key[4 * i + 2] << 16 |
						(uint32_t)key[4 * i + 3] << 24);
	for (i = 0; i < IGB_NUM_RETA / 4; i++)
		ma_wr(&ma_b, IGB_RETA(i), 0x03020100);
	ma_rxcsum(&ma_b, IGB_RXCSUM_PCSD | IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL);
	ma_wr(&ma_b, IGB_MRQC, IGB_MRQC_ENABLE_RSS | fields);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL);
}

static void
hash_fact(const char *name, const struct ma_spec *s)
{
	const struct ma_got *g = &ma_b.got[0];
	struct ma_frame f;

	ma_build(&f, s);
	ma_send(f.b, f.len);
	ma_sync();
	if (ma_b.ngot != 1)
		ma_fact(name, "%u frames", ma_b.ngot);
	else
		ma_fact(name, "type %u 0x%08x queue %u", g->part[0].wb.wb.pkt_info & 0xF,
				g->part[0].wb.wb.rss, g->queue);
	ma_b.ngot = 0;
}

/* Packets of each protocol, with the fields that MRQC selects. */
static void
vectors(const char *name, uint32_t fields)
{
	unsigned int i;

	rss_open(name, fields);
	for (i = 0; i < sizeof(v4) / sizeof(v4[0]); i++) {
		struct ma_spec s = {
			.ip = 4,
			.paylen = 40,
			.src = v4[i].src,
			.dst = v4[i].dst,
			.sport = v4[i].sport,
			.dport = v4[i].dport,
		};

		s.proto = 6;
		hash_fact(ma_key("tcp4.%u", i), &s);
		s.proto = 17;
		hash_fact(ma_key("udp4.%u", i), &s);
		s.proto = 1;
		hash_fact(ma_key("ip4.%u", i), &s);
	}
	for (i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		struct ma_spec s = {
			.ip = 6,
			.paylen = 40,
			.src = v6[i].src,
			.dst = v6[i].dst,
			.sport = v6[i].sport,
			.dport = v6[i].dport,
		};

		s.proto = 6;
		hash_fact(ma_key("tcp6.%u", i), &s);
		s.proto = 17;
		hash_fact(ma_key("udp6.%u", i), &s);
		s.proto = 59;
		hash_fact(ma_key("ip6.%u", i), &s);
		s.proto = 6;
		s.hopopts = true;
		hash_fact(ma_key("tcp6_hopopts.%u", i), &s);
	}
}

static void
others(void)
{
	struct ma_spec s = {
		.ip = 4,
		.proto = 6,
		.paylen = 40,
		.src = v4[0].src,
		.dst = v4[0].dst,
		.sport = v4[0].sport,
		.dport = v4[0].dport,
	};
	struct ma_spec none = { .paylen = 60 };
	uint32_t all = IGB_MRQC_RSS_TCPIPV4 | IGB_MRQC_RSS_IPV4 | IGB_MRQC_RSS_UDPIPV4;

	rss_open("others", all);
	hash_fact("not_ip", &none);
	s.fragment = true;
	s.frag_off = 0x2000;
	hash_fact("fragment", &s); /* ports are not hashed */
	s.fragment = false;
	s.frag_off = 0;
	s.tags = 1;
	hash_fact("tagged", &s);
	s.tags = 0;
	s.opts = 8;
	hash_fact("options", &s);
	s.opts = 0;
	s.proto = 132;
	hash_fact("sctp", &s);
	s.proto = 6;
	/*
	 * The low seven bits of the hash are the index into the table; the low four bits of an
	 * entry are the queue (8.10).
	 */
	ma_wr(&ma_b, IGB_RETA(0x51CCC178 % 128 / 4), 0xF3F2F1F0);
	hash_fact("reta_high_bits", &s);
	/* PCSD clear: the descriptor has the checksum instead of the hash. */
	ma_rxcsum(&ma_b, IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL);
	hash_fact("no_pcsd", &s);
	ma_rxcsum(&ma_b, IGB_RXCSUM_PCSD);
	ma_wr(&ma_b, IGB_MRQC, all);
	hash_fact("mrqc_off", &s);
	/* To a queue that is not enabled. */
	ma_wr(&ma_b, IGB_MRQC, IGB_MRQC_ENABLE_RSS | all);
	ma_wr(&ma_b, IGB_RETA(0x51CCC178 % 128 / 4), 0x07070707);
	hash_fact("queue_off", &s);
}

void
ma_rss(void)
{
	vectors("all",
			IGB_MRQC_RSS_TCPIPV4 | IGB_MRQC_RSS_IPV4 | IGB_MRQC_RSS_TCPIPV6 |
					IGB_MRQC_RSS_IPV6 | IGB_MRQC_RSS_UDPIPV4 |
					IGB_MRQC_RSS_UDPIPV6);
	vectors("tcp", IGB_MRQC_RSS_TCPIPV4 | IGB_MRQC_RSS_TCPIPV6);
	vectors("ip", IGB_MRQC_RSS_IPV4 | IGB_MRQC_RSS_IPV6);
	vectors("ex", IGB_MRQC_RSS_TCPIPV6EX | IGB_MRQC_RSS_IPV6EX | IGB_MRQC_RSS_UDPIPV6EX);
	others();
}
