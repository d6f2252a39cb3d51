/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Segmentation (7.2.4): the bytes of each segment as the other end receives them. The driver passes
 * the lengths of the headers in a context, the length of the payload in PAYLEN, and in the checksum
 * field the sum of the pseudo-header without the length.
 */

#include <string.h>

#include "ma.h"

static const struct {
	const char *name;
	struct ma_spec s;
	uint32_t mss;
	uint32_t vlan;   /* tag to insert */
	uint32_t cut[4]; /* lengths of descriptors; the last one has the rest */
	bool no_ixsm, no_txsm;
} list[] = {
	{ "tcp4", { .ip = 4, .proto = 6, .paylen = 2500, .tcp_flags = 0x19 }, .mss = 1000 },
	{ "tcp4_exact", { .ip = 4, .proto = 6, .paylen = 2000, .tcp_flags = 0x18 }, .mss = 1000 },
	{ "tcp4_cwr", { .ip = 4, .proto = 6, .paylen = 2500, .tcp_flags = 0xF9 }, .mss = 1000 },
	{ "tcp4_single", { .ip = 4, .proto = 6, .paylen = 500, .tcp_flags = 0x19 }, .mss = 1000 },
	{
			"tcp4_opts",
			{ .ip = 4, .proto = 6, .paylen = 1500, .opts = 8, .tcp_opts = 12 },
			.mss = 700,
	},
	{ "tcp4_odd", { .ip = 4, .proto = 6, .paylen = 301 }, .mss = 101 },
	{
			"tcp4_tagged",
			{ .ip = 4, .proto = 6, .paylen = 1500, .tags = 1, .tci = 0x0045 },
			.mss = 1000,
	},
	{ "tcp4_vlan", { .ip = 4, .proto = 6, .paylen = 1500 }, .mss = 1000, .vlan = 0x6123 },
	{ "tcp4_cut_header", { .ip = 4, .proto = 6, .paylen = 1500 }, .mss = 1000, .cut = { 54 } },
	{
			"tcp4_cuts",
			{ .ip = 4, .proto = 6, .paylen = 1500 },
			.mss = 1000,
			.cut = { 20, 50, 800, 3 },
	},
	{ "tcp4_no_ixsm", { .ip = 4, .proto = 6, .paylen = 1500 }, .mss = 1000, .no_ixsm = true },
	{ "tcp4_no_txsm", { .ip = 4, .proto = 6, .paylen = 1500 }, .mss = 1000, .no_txsm = true },
	{ "tcp6", { .ip = 6, .proto = 6, .paylen = 2500, .tcp_flags = 0x19 }, .mss = 1000 },
	{ "tcp6_hopopts", { .ip = 6, .proto = 6, .paylen = 1500, .hopopts = true }, .mss = 1000 },
	{ "udp4", { .ip = 4, .proto = 17, .paylen = 2500 }, .mss = 1000 },
	{ "udp6", { .ip = 6, .proto = 17, .paylen = 2500 }, .mss = 1000 },
	{ "jumbo", { .ip = 4, .proto = 6, .paylen = 9000 }, .mss = 1460 },
	{ "mss_0", { .ip = 4, .proto = 6, .paylen = 500 }, .mss = 0 },
};

static void
segment(unsigned int i)
{
	struct ma_spec s = list[i].s;
	uint32_t popts = (list[i].no_ixsm || s.ip == 6 ? 0 : IGB_TXD_POPTS_IXSM) |
			(list[i].no_txsm ? 0 : IGB_TXD_POPTS_TXSM);
	uint32_t cmd = IGB_TXD_TSE | IGB_TXD_IFCS | (list[i].vlan ? IGB_TXD_VLE : 0);
	uint32_t k, at = 0, n, last;
	struct ma_frame f;
	uint64_t iova;

	ma_build(&f, &s);
	ma_pseudo(&f, &s, false);
	iova = ma_txbuf(&ma_a, f.b, f.len);
	ma_tx_ctx(&ma_a, 0,
			&(struct ma_ctx){ .maclen = f.l3,
					.iplen = f.l4 - f.l3,
					.l4len = f.payload - f.l4,
					.mss = list[i].mss,
					.vlan = list[i].vlan,
					.tucmd = (s.ip == 4 ? IGB_TXD_TUCMD_IPV4 : 0) |
							(s.proto == 6 ? IGB_TXD_TUCMD_L4T_TCP :
									IGB_TXD_TUCMD_L4T_UDP) });
	for (k = 0; k < 4 && list[i].cut[k]; k++, at += n) {
		n = list[i].cut[k];
		ma_tx_data(&ma_a, 0, iova + at, n, cmd,
				at ? 0 : s.paylen << IGB_TXD_PAYLEN_SHIFT | popts);
	}
	last = ma_tx_data(&ma_a, 0, iova + at, f.len - at, cmd | IGB_TXD_EOP | IGB_TXD_RS,
			at ? 0 : s.paylen << IGB_TXD_PAYLEN_SHIFT | popts);
	ma_tx_kick(&ma_a, 0);
	ma_fact(ma_key("%s.done", list[i].name), "%s", ma_tx_done(&ma_a, 0, last) ? "yes" : "no");
	ma_received(list[i].name);
}

void
ma_tso(void)
{
	unsigned int i;

	ma_open("segments");
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		segment(i);
	/* 8.19.54: counts contexts, not segments. */
	ma_fact("tsctc", "%u", ma_rd(&ma_a, IGB_TSCTC));
	ma_fact("gptc", "%u", ma_rd(&ma_a, IGB_GPTC));
	/* 8.12.5, 8.12.6: the flags that the first, the middle and the last segments keep. */
	ma_open("flags");
	ma_wr(&ma_a, IGB_DTXTCPFLGL, 0x00100FFF);
	ma_wr(&ma_a, IGB_DTXTCPFLGH, 0x00000001);
	segment(0);
}
