/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Reception (7.1): every field of a write-back, for frames of each kind; buffer sizes; the tag; the
 * FCS; legacy descriptors.
 */

#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>

#include "ma.h"

/* clang-format off */
static const struct {
	const char *name;
	struct ma_spec s;
} list[] = {
	{"ethertype", {.paylen = 100}},
	{"arp", {.paylen = 46, .ethertype = 0x0806}},
	{"length_field", {.paylen = 64, .ethertype = 64}},
	{"ip4", {.ip = 4, .proto = 1, .paylen = 40}},
	{"ip4_opts", {.ip = 4, .proto = 1, .paylen = 40, .opts = 12}},
	{"tcp4", {.ip = 4, .proto = 6, .paylen = 40}},
	{"tcp4_opts", {.ip = 4, .proto = 6, .paylen = 41, .opts = 4, .tcp_opts = 8}},
	{"udp4", {.ip = 4, .proto = 17, .paylen = 40}},
	{"udp4_padded", {.ip = 4, .proto = 17, .paylen = 4}},
	{"udp4_no_csum", {.ip = 4, .proto = 17, .paylen = 40, .no_udp_csum = true}},
	{"sctp4", {.ip = 4, .proto = 132, .paylen = 40}},
	{"tcp4_bad_ip", {.ip = 4, .proto = 6, .paylen = 40, .bad_ip = true}},
	{"tcp4_bad_l4", {.ip = 4, .proto = 6, .paylen = 40, .bad_l4 = true}},
	{"tcp4_bad_both", {.ip = 4, .proto = 6, .paylen = 40, .bad_l4 = true, .bad_ip = true}},
	{"udp4_bad_l4", {.ip = 4, .proto = 17, .paylen = 40, .bad_l4 = true}},
	{"sctp4_bad_l4", {.ip = 4, .proto = 132, .paylen = 40, .bad_l4 = true}},
	{"frag4_first", {.ip = 4, .proto = 17, .paylen = 64, .fragment = true, .frag_off = 0x2000}},
	{"frag4_last", {.ip = 4, .proto = 17, .paylen = 64, .fragment = true, .frag_off = 9}},
	{"frag4_tcp", {.ip = 4, .proto = 6, .paylen = 64, .fragment = true, .frag_off = 0x2000}},
	{"ip6", {.ip = 6, .proto = 59, .paylen = 40}},
	{"tcp6", {.ip = 6, .proto = 6, .paylen = 40}},
	{"udp6", {.ip = 6, .proto = 17, .paylen = 40}},
	{"udp6_no_csum", {.ip = 6, .proto = 17, .paylen = 40, .no_udp_csum = true}},
	{"sctp6", {.ip = 6, .proto = 132, .paylen = 40}},
	{"tcp6_bad_l4", {.ip = 6, .proto = 6, .paylen = 40, .bad_l4 = true}},
	{"tcp6_hopopts", {.ip = 6, .proto = 6, .paylen = 40, .hopopts = true}},
	{"udp6_hopopts", {.ip = 6, .proto = 17, .paylen = 40, .hopopts = true}},
	{"frag6_first", {.ip = 6, .proto = 17, .paylen = 64, .fragment = true, .frag_off = 0x2000}},
	{"frag6_last", {.ip = 6, .proto = 17, .paylen = 64, .fragment = true, .frag_off = 9}},
	{"tagged_tcp4", {.ip = 4, .proto = 6, .paylen = 40, .tags = 1, .tci = 0x2005}},
	{"tagged_udp6", {.ip = 6, .proto = 17, .paylen = 40, .tags = 1, .tci = 0x2005}},
	{"double_tagged", {.ip = 4, .proto = 17, .paylen = 40, .tags = 2, .tci = 5, .outer = 6}},
};
/* clang-format on */

static void
all_kinds(void)
{
	struct ma_frame f;
	unsigned int i;

	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		ma_build(&f, &list[i].s);
		ma_send(f.b, f.len);
		ma_received(list[i].name);
	}
}

/* The forms of a write-back: the options of RXCSUM (8.10.17), with and without RSS. */
static void
kinds(void)
{
	static const uint16_t some[] = { 0, 3, 5, 10, 16, 20 };
	struct ma_frame f;
	unsigned int i;

	ma_open("default");
	ma_rxcsum(&ma_b, IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL);
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		ma_build(&f, &list[some[i]].s);
		ma_send(f.b, f.len);
		ma_received(list[some[i]].name);
	}
	ma_open("pcss");
	ma_rxcsum(&ma_b, IGB_RXCSUM_IPOFL | 34);
	ma_build(&f, &list[5].s);
	ma_send(f.b, f.len);
	ma_received(list[5].name);
	ma_open("pcsd");
	ma_rxcsum(&ma_b, IGB_RXCSUM_PCSD | IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL | IGB_RXCSUM_CRCOFL);
	all_kinds();
	ma_open("ippcse");
	ma_rxcsum(&ma_b, IGB_RXCSUM_IPPCSE | IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL);
	for (i = 16; i < 18; i++) {
		ma_build(&f, &list[i].s);
		ma_send(f.b, f.len);
		ma_received(list[i].name);
	}
	ma_open("no_offload");
	ma_rxcsum(&ma_b, IGB_RXCSUM_PCSD);
	for (i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		ma_build(&f, &list[some[i]].s);
		ma_send(f.b, f.len);
		ma_received(list[some[i]].name);
	}
}

/* CTRL.VME (8.2.1), two tags with CTRL_EXT.EXT_VLAN, and VET (8.2.8). */
static void
vlan(void)
{
	struct ma_spec s = { .ip = 4, .proto = 17, .paylen = 40, .tags = 1, .tci = 0xB123 };
	struct ma_frame f;

	ma_open("vlan");
	ma_wr(&ma_b, IGB_CTRL, ma_rd(&ma_b, IGB_CTRL) | IGB_CTRL_VME);
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_received("strip");
	/* Without its tag the frame is shorter than 60 bytes. */
	s.paylen = 18;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_received("strip_short");
	s.tags = 0;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_received("untagged");
	s.tags = 2;
	s.outer = 0x0777;
	s.paylen = 40;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_received("two_tags");
	ma_wr(&ma_b, IGB_CTRL_EXT, ma_rd(&ma_b, IGB_CTRL_EXT) | 1u << 26);
	ma_send(f.b, f.len);
	ma_received("ext_vlan");
	ma_wr(&ma_b, IGB_CTRL, ma_rd(&ma_b, IGB_CTRL) & ~IGB_CTRL_VME);
	ma_send(f.b, f.len);
	ma_received("ext_vlan_keep");
	ma_wr(&ma_b, IGB_CTRL_EXT, ma_rd(&ma_b, IGB_CTRL_EXT) & ~(1u << 26));
	ma_wr(&ma_b, IGB_VET, 0x810088A8);
	ma_wr(&ma_b, IGB_CTRL, ma_rd(&ma_b, IGB_CTRL) | IGB_CTRL_VME);
	s.tags = 1;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_received("other_vet");
	/* Without virtualization, STRVLAN of DVMOLR (bit 30 of VMOLR) has no effect. */
	ma_open("vmolr");
	ma_wr(&ma_b, IGB_VMOLR(0), ma_rd(&ma_b, IGB_VMOLR(0)) | 1u << 30);
	ma_send(f.b, f.len);
	ma_received("strvlan");
}

/* RCTL.SECRC (8.10.1): with and without the FCS. */
static void
fcs(void)
{
	struct ma_spec s = { .paylen = 50 };
	struct ma_frame f;

	ma_open("fcs");
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL & ~IGB_RCTL_SECRC);
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_received("kept");
	s.tags = 1;
	ma_build(&f, &s);
	ma_wr(&ma_b, IGB_CTRL, ma_rd(&ma_b, IGB_CTRL) | IGB_CTRL_VME);
	ma_send(f.b, f.len);
	ma_received("kept_stripped");
	/* The last buffer holds only the FCS. */
	ma_wr(&ma_b, IGB_CTRL, ma_rd(&ma_b, IGB_CTRL) & ~IGB_CTRL_VME);
	ma_rx_open(&ma_b, 0, IGB_SRRCTL_DESCTYPE_ADV_ONE | 1);
	s = (struct ma_spec){ .paylen = 1022 - 14 };
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_received("kept_over_two");
}

/*
 * Buffers: SRRCTL.BSIZEPKT, or RCTL.BSIZE if that is 0; frames in several buffers (7.1.5, 8.10.2).
 */
static void
buffers(void)
{
	static const struct {
		const char *name;
		uint32_t len;
	} frames[] = { { "1500", 1500 }, { "2048", 2048 }, { "2049", 2049 }, { "4096", 4096 },
		{ "9000", 9000 } };
	struct ma_frame f;
	unsigned int i;

	ma_open("buffers");
	ma_wr(&ma_b, IGB_RLPML, 9728);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_LPE);
	for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct ma_spec s = { .ip = 4, .proto = 17, .paylen = frames[i].len - 42 };

		ma_build(&f, &s);
		ma_send(f.b, f.len);
		ma_received(frames[i].name);
	}
	ma_rx_open(&ma_b, 0, IGB_SRRCTL_DESCTYPE_ADV_ONE | 1);
	ma_build(&f, &(struct ma_spec){ .ip = 4, .proto = 6, .paylen = 1446, .tags = 1, .tci = 9 });
	ma_send(f.b, f.len);
	ma_received("1k");
	ma_wr(&ma_b, IGB_RCTL, 0);
	ma_rx_open(&ma_b, 0, IGB_SRRCTL_DESCTYPE_ADV_ONE);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | 3u << IGB_RCTL_BSIZE_SHIFT);
	ma_build(&f, &(struct ma_spec){ .ip = 4, .proto = 6, .paylen = 446 });
	ma_send(f.b, f.len);
	ma_received("bsize_256");
}

/* SRRCTL.DESCTYPE 0 (7.1.5.1): the legacy format, examined in memory. */
static void
legacy(void)
{
	static const struct {
		const char *name;
		struct ma_spec s;
	} frames[] = {
		{ "udp4", { .ip = 4, .proto = 17, .paylen = 40 } },
		{ "bad_ip", { .ip = 4, .proto = 17, .paylen = 40, .bad_ip = true } },
		{ "tagged", { .ip = 4, .proto = 17, .paylen = 40, .tags = 1, .tci = 0x0123 } },
	};
	struct ma_frame f;
	unsigned int i;

	ma_open("legacy");
	ma_wr(&ma_b, IGB_CTRL, ma_rd(&ma_b, IGB_CTRL) | IGB_CTRL_VME);
	ma_rx_close(&ma_b, 0);
	ma_rx_open(&ma_b, 0, MA_BUF / 1024);
	for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		volatile union igb_rx_desc *d = &ma_b.rx[0].ring[i];
		unsigned int n = 0;
		uint64_t qw0 = d->qw[0];

		ma_build(&f, &frames[i].s);
		ma_send(f.b, f.len);
		/*
		 * The second half is zero before (hdr_addr). Every write-back has a length or DD.
		 */
		while (d->qw[1] == 0 && n++ < 20000)
			rte_delay_us_sleep(100);
		ma_fact(ma_key("%s.address", frames[i].name), "%s",
				d->qw[0] == qw0 ? "kept" : "gone");
		ma_fact(ma_key("%s.qw1", frames[i].name), "0x%016llx",
				(unsigned long long)rte_le_to_cpu_64(d->qw[1]));
	}
}

/* RCTL.RXEN (8.10.1), and a frame for a disabled receiver. */
static void
off(void)
{
	struct ma_spec s = { .paylen = 60 };
	struct ma_frame f;

	ma_open("rxen");
	ma_build(&f, &s);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL & ~IGB_RCTL_RXEN);
	ma_send(f.b, f.len);
	ma_settle();
	ma_fact("off.frames", "%u", ma_b.ngot);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL);
	ma_received("on");
	ma_fact("gprc", "%u", ma_rd(&ma_b, IGB_GPRC));
}

void
ma_rx(void)
{
	kinds();
	vlan();
	fcs();
	buffers();
	legacy();
	off();
}
