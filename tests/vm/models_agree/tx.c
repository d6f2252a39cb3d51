/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Transmission (7.2): descriptors of each kind and the resulting frames, as the receiver sees them,
 * and the write-backs, as the sender sees them.
 */

#include <string.h>

#include "ma.h"

#define NOWHERE 0x6000000000ull /* not mapped */

static void
write_back(const char *key, unsigned int q, uint32_t i)
{
	ma_fact(ma_key("%s.write_back", key), "%s", ma_tx_done(&ma_a, q, i) ? "yes" : "no");
}

static uint32_t
olinfo(const struct ma_frame *f, uint32_t popts, uint32_t idx)
{
	return f->len << IGB_TXD_PAYLEN_SHIFT | popts | idx << IGB_TXD_IDX_SHIFT;
}

static void
plain(void)
{
	static const uint16_t len[] = { 17, 60, 61, 1514 };
	struct ma_frame f;
	unsigned int i;

	ma_open("plain");
	for (i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		struct ma_spec s = { .paylen = len[i] - 14u };

		ma_build(&f, &s);
		ma_send(f.b, f.len);
		write_back(ma_key("%u", len[i]), 0, (ma_a.tx[0].next + MA_DESCS - 1) % MA_DESCS);
		ma_received(ma_key("%u", len[i]));
	}
	/* A write-back leaves only DD in the descriptor (7.2.2.4). */
	/* The two descriptors of the bench follow it. */
	i = (ma_a.tx[0].next + MA_DESCS - 3) % MA_DESCS;
	ma_fact("rest", "status 0x%x nxtseq 0x%x", ma_a.tx[0].ring[i].wb.status,
			ma_a.tx[0].ring[i].wb.nxtseq);
	ma_fact("tdh_is_tdt", "%s",
			ma_rd(&ma_a, IGB_TDH(0)) == ma_rd(&ma_a, IGB_TDT(0)) ? "yes" : "no");
	/* Without RS the device writes nothing back (7.2.2.4). */
	i = ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len), f.len, IGB_TXD_EOP | IGB_TXD_IFCS,
			olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_sync();
	ma_b.ngot = 0;
	ma_fact("no_rs", "status 0x%x", ma_a.tx[0].ring[i].wb.status & IGB_TXD_STAT_DD);
}

/* Several descriptors for one frame; RS in the last one, in all, in the first. */
static void
segments(void)
{
	struct ma_spec s = { .paylen = 600 };
	struct ma_frame f;
	uint32_t first, mid, last;
	uint64_t at;

	ma_open("segments");
	ma_build(&f, &s);
	at = ma_txbuf(&ma_a, f.b, f.len);
	first = ma_tx_data(&ma_a, 0, at, 14, IGB_TXD_IFCS, olinfo(&f, 0, 0));
	mid = ma_tx_data(&ma_a, 0, at + 14, 100, IGB_TXD_IFCS, 0);
	last = ma_tx_data(&ma_a, 0, at + 114, f.len - 114, MA_LAST, 0);
	ma_tx_kick(&ma_a, 0);
	write_back("last_rs", 0, last);
	ma_received("last_rs");
	ma_fact("last_rs.first", "0x%x", ma_a.tx[0].ring[first].wb.status & 1);
	ma_fact("last_rs.mid", "0x%x", ma_a.tx[0].ring[mid].wb.status & 1);

	first = ma_tx_data(&ma_a, 0, at, 1, IGB_TXD_IFCS | IGB_TXD_RS, olinfo(&f, 0, 0));
	last = ma_tx_data(&ma_a, 0, at + 1, f.len - 1, MA_LAST, 0);
	ma_tx_kick(&ma_a, 0);
	write_back("all_rs.first", 0, first);
	write_back("all_rs.last", 0, last);
	ma_received("all_rs");

	/* An incomplete frame waits. */
	ma_tx_data(&ma_a, 0, at, 200, IGB_TXD_IFCS, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_settle();
	ma_fact("incomplete.before", "%u", ma_b.ngot);
	ma_tx_data(&ma_a, 0, at + 200, f.len - 200, MA_LAST, 0);
	ma_tx_kick(&ma_a, 0);
	ma_received("incomplete");

	/* An empty descriptor inside a frame (not allowed: 7.2.2.3). */
	ma_tx_data(&ma_a, 0, at, 200, IGB_TXD_IFCS, olinfo(&f, 0, 0));
	ma_tx_data(&ma_a, 0, at, 0, IGB_TXD_IFCS, 0);
	last = ma_tx_data(&ma_a, 0, at + 200, f.len - 200, MA_LAST, 0);
	ma_tx_kick(&ma_a, 0);
	write_back("empty_inside", 0, last);
	ma_received("empty_inside");
	/* An empty descriptor as the last one. */
	ma_tx_data(&ma_a, 0, at, f.len, IGB_TXD_IFCS, olinfo(&f, 0, 0));
	last = ma_tx_data(&ma_a, 0, at, 0, MA_LAST, 0);
	ma_tx_kick(&ma_a, 0);
	write_back("empty_last", 0, last);
	ma_received("empty_last");
}

/* Frames that a sender must not make: shorter than a header, or with an unknown type. */
static void
odd(void)
{
	struct ma_spec s = { .paylen = 100 };
	struct ma_frame f;
	uint32_t i;
	uint64_t at;

	ma_open("odd");
	ma_build(&f, &s);
	at = ma_txbuf(&ma_a, f.b, f.len);
	i = ma_tx_data(&ma_a, 0, at, 13, MA_LAST, 13 << IGB_TXD_PAYLEN_SHIFT);
	ma_tx_kick(&ma_a, 0);
	write_back("13_bytes", 0, i);
	ma_received("13_bytes");
	i = ma_tx_raw(&ma_a, 0, at,
			(uint64_t)olinfo(&f, 0, 0) << 32 | IGB_TXD_DEXT | 1u << 20 | MA_LAST |
					f.len);
	ma_tx_kick(&ma_a, 0);
	write_back("dtyp1", 0, i);
	ma_received("dtyp1");
	/* TXSM with an unknown layer 4 in TUCMD, so no checksum is defined. */
	ma_tx_ctx(&ma_a, 0, &(struct ma_ctx){ .maclen = 14, .iplen = 20, .tucmd = 3u << 11 });
	i = ma_tx_data(&ma_a, 0, at, f.len, MA_LAST, olinfo(&f, IGB_TXD_POPTS_TXSM, 0));
	ma_tx_kick(&ma_a, 0);
	write_back("l4t_reserved", 0, i);
	ma_received("l4t_reserved");
}

/* A buffer that is not mapped for the device: the IOMMU refuses the access. */
static void
unmapped(void)
{
	struct ma_spec s = { .paylen = 100 };
	struct ma_frame f;
	uint32_t i;

	ma_open("unmapped");
	if (!ma_a.bus.ops->has_iommu(ma_a.bus.dev)) {
		ma_fact("iommu", "none");
		return;
	}
	ma_build(&f, &s);
	i = ma_tx_data(&ma_a, 0, NOWHERE, f.len, MA_LAST, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	write_back("whole", 0, i);
	ma_received("whole");
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len), 60, IGB_TXD_IFCS, olinfo(&f, 0, 0));
	i = ma_tx_data(&ma_a, 0, NOWHERE, f.len - 60, MA_LAST, 0);
	ma_tx_kick(&ma_a, 0);
	write_back("second", 0, i);
	ma_received("second");
	ma_send(f.b, f.len);
	ma_received("afterwards");
}

/* Legacy descriptors (7.2.2.1): length and command are elsewhere, and the status has four bits. */
static void
legacy(void)
{
	struct ma_spec s = { .ip = 4, .proto = 17, .paylen = 50 };
	struct ma_frame f;
	union igb_tx_desc d;
	uint32_t i;

	ma_open("legacy");
	ma_build(&f, &s);
	memset(&d, 0, sizeof(d));
	d.legacy.addr = ma_txbuf(&ma_a, f.b, f.len);
	d.legacy.length = (uint16_t)f.len;
	d.legacy.cmd = IGB_TXD_LEG_EOP | IGB_TXD_LEG_IFCS | IGB_TXD_LEG_RS;
	i = ma_tx_raw(&ma_a, 0, d.qw[0], d.qw[1]);
	ma_tx_kick(&ma_a, 0);
	write_back("plain", 0, i);
	ma_received("plain");
	d.legacy.cmd |= IGB_TXD_LEG_VLE;
	d.legacy.vlan = 0x2123;
	i = ma_tx_raw(&ma_a, 0, d.qw[0], d.qw[1]);
	ma_tx_kick(&ma_a, 0);
	write_back("vlan", 0, i);
	ma_received("vlan");
	ma_pseudo(&f, &s, true);
	d.legacy.addr = ma_txbuf(&ma_a, f.b, f.len);
	d.legacy.cmd = IGB_TXD_LEG_EOP | IGB_TXD_LEG_IFCS | IGB_TXD_LEG_RS | IGB_TXD_LEG_IC;
	d.legacy.css = (uint8_t)f.l4;
	d.legacy.cso = (uint8_t)(f.l4 + 6);
	i = ma_tx_raw(&ma_a, 0, d.qw[0], d.qw[1]);
	ma_tx_kick(&ma_a, 0);
	write_back("checksum", 0, i);
	ma_received("checksum");
}

/* 7.2.5: checksums by the device, on top of the pseudo-header sum that the driver stored. */
static void
checksums(void)
{
	static const struct {
		const char *name;
		struct ma_spec s;
		uint32_t tucmd, popts;
	} list[] = {
		{ "ip", { .ip = 4, .proto = 17, .paylen = 40 }, IGB_TXD_TUCMD_IPV4,
				IGB_TXD_POPTS_IXSM },
		{ "ip_opts", { .ip = 4, .proto = 17, .paylen = 40, .opts = 8 }, IGB_TXD_TUCMD_IPV4,
				IGB_TXD_POPTS_IXSM },
		{ "tcp4", { .ip = 4, .proto = 6, .paylen = 41 },
				IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP,
				IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM },
		{ "tcp4_only_l4", { .ip = 4, .proto = 6, .paylen = 40 },
				IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, IGB_TXD_POPTS_TXSM },
		{ "udp4", { .ip = 4, .proto = 17, .paylen = 41 },
				IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_UDP,
				IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM },
		{ "tcp6", { .ip = 6, .proto = 6, .paylen = 40 }, IGB_TXD_TUCMD_L4T_TCP,
				IGB_TXD_POPTS_TXSM },
		{ "udp6", { .ip = 6, .proto = 17, .paylen = 43 }, IGB_TXD_TUCMD_L4T_UDP,
				IGB_TXD_POPTS_TXSM },
		{ "tcp6_hopopts", { .ip = 6, .proto = 6, .paylen = 40, .hopopts = true },
				IGB_TXD_TUCMD_L4T_TCP, IGB_TXD_POPTS_TXSM },
		{ "sctp4", { .ip = 4, .proto = 132, .paylen = 40 },
				IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_SCTP,
				IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM },
		{ "sctp6", { .ip = 6, .proto = 132, .paylen = 40 }, IGB_TXD_TUCMD_L4T_SCTP,
				IGB_TXD_POPTS_TXSM },
		{ "tcp4_tagged", { .ip = 4, .proto = 6, .paylen = 40, .tags = 1, .tci = 5 },
				IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP,
				IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM },
	};
	struct ma_frame f;
	unsigned int i;

	ma_open("checksum");
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct ma_spec s = list[i].s;
		struct ma_ctx c = { .tucmd = list[i].tucmd };

		s.bad_ip = list[i].popts & IGB_TXD_POPTS_IXSM;
		ma_build(&f, &s);
		if (list[i].popts & IGB_TXD_POPTS_TXSM) {
			if (s.proto == 132)
				memset(f.b + f.l4 + 8, 0x99, 4);
			else
				ma_pseudo(&f, &s, true);
		}
		c.maclen = f.l3;
		c.iplen = f.l4 - f.l3;
		c.idx = i & 1;
		c.l4len = f.payload - f.l4;
		ma_tx_ctx(&ma_a, 0, &c);
		ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len), f.len, MA_LAST,
				olinfo(&f, list[i].popts, c.idx));
		ma_tx_kick(&ma_a, 0);
		ma_received(list[i].name);
	}
}

/*
 * The device remembers two contexts, until others replace them (7.2.1.2). A context has no effect
 * unless an option uses it.
 */
static void
contexts(void)
{
	struct ma_spec s = { .ip = 4, .proto = 17, .paylen = 40 };
	struct ma_frame f;
	uint64_t at;
	uint32_t i;

	ma_open("context");
	ma_build(&f, &s);
	ma_pseudo(&f, &s, true);
	at = ma_txbuf(&ma_a, f.b, f.len);
	i = ma_tx_ctx(&ma_a, 0,
			&(struct ma_ctx){
					.idx = 0,
					.maclen = 14,
					.iplen = 20,
					.tucmd = IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_UDP,
					.vlan = 0x0064,
			});
	ma_tx_ctx(&ma_a, 0,
			&(struct ma_ctx){
					.idx = 1,
					.vlan = 0x00C8,
					.maclen = 14,
					.iplen = 20,
					.tucmd = IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_UDP,
			});
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST | IGB_TXD_VLE, olinfo(&f, IGB_TXD_POPTS_TXSM, 0));
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST | IGB_TXD_VLE, olinfo(&f, IGB_TXD_POPTS_TXSM, 1));
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST | IGB_TXD_VLE, olinfo(&f, 0, 0));
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST, olinfo(&f, 0, 1));
	ma_tx_kick(&ma_a, 0);
	ma_received("two");

	/* RS in a context descriptor (7.2.2.2): the device also reports its completion. */
	i = ma_tx_raw(&ma_a, 0, 14 << IGB_TXD_MACLEN_SHIFT | 20,
			IGB_TXD_DEXT | IGB_TXD_DTYP_CTXT | IGB_TXD_RS | IGB_TXD_TUCMD_IPV4);
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	write_back("rs", 0, i);
	ma_received("rs");
}

/* 7.4.3, 8.2.8: the device inserts the tag after the addresses, with the type in VET. */
static void
vlan(void)
{
	struct ma_spec s = { .paylen = 46 };
	struct ma_frame f;

	ma_open("vlan");
	ma_build(&f, &s);
	ma_tx_ctx(&ma_a, 0, &(struct ma_ctx){ .vlan = 0xE123 });
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len), f.len, MA_LAST | IGB_TXD_VLE,
			olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_received("untagged");
	s.tags = 1;
	s.tci = 0x0055;
	ma_build(&f, &s);
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len), f.len, MA_LAST | IGB_TXD_VLE,
			olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_received("tagged");
	ma_wr(&ma_a, IGB_VET, 0x810088A8);
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len), f.len, MA_LAST | IGB_TXD_VLE,
			olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_received("vet");
	/* Padding is added after the tag. */
	ma_wr(&ma_a, IGB_VET, 0x81008100);
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, 30), 30, MA_LAST | IGB_TXD_VLE,
			30 << IGB_TXD_PAYLEN_SHIFT);
	ma_tx_kick(&ma_a, 0);
	ma_received("short");
}

/* IFCS clear: the driver provides the FCS in the last four bytes (7.2.2.3). */
static void
no_ifcs(void)
{
	struct ma_spec s = { .paylen = 60 };
	struct ma_frame f;
	uint32_t crc, i;

	ma_open("no_ifcs");
	ma_build(&f, &s);
	crc = ma_crc32(f.b, f.len);
	memcpy(f.b + f.len, &crc, 4);
	ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len + 4), f.len + 4, IGB_TXD_EOP | IGB_TXD_RS,
			(f.len + 4) << IGB_TXD_PAYLEN_SHIFT);
	ma_tx_kick(&ma_a, 0);
	ma_received("good");
	f.b[f.len] ^= 1;
	i = ma_tx_data(&ma_a, 0, ma_txbuf(&ma_a, f.b, f.len + 4), f.len + 4,
			IGB_TXD_EOP | IGB_TXD_RS, (f.len + 4) << IGB_TXD_PAYLEN_SHIFT);
	ma_tx_kick(&ma_a, 0);
	write_back("bad", 0, i);
	ma_received("bad");
	ma_fact("crcerrs", "%u", ma_rd(&ma_b, IGB_CRCERRS));
}

/* 7.2.3: the device writes its head to memory, instead of DD to descriptors. */
static void
head_write_back(void)
{
	struct ma_spec s = { .paylen = 60 };
	volatile uint32_t *head;
	struct ma_frame f;
	uint64_t at;
	uint32_t i, wb;

	ma_open("head_wb");
	ma_build(&f, &s);
	memset(f.b + 512, 0x77, 4);
	at = ma_txbuf(&ma_a, f.b, f.len);
	wb = (uint32_t)(ma_txbuf(&ma_a, f.b + 512, 64) - ma_a.iova);
	head = (volatile uint32_t *)(ma_a.mem + wb);
	ma_tx_close(&ma_a, 0);
	ma_tx_setup(&ma_a, 0);
	ma_wr(&ma_a, IGB_TDWBAH(0), (uint32_t)((ma_a.iova + wb) >> 32));
	ma_wr(&ma_a, IGB_TDWBAL(0), (uint32_t)(ma_a.iova + wb) | 1);
	ma_wr(&ma_a, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	ma_wait_reg(&ma_a, IGB_TXDCTL(0), IGB_DCTL_ENABLE, IGB_DCTL_ENABLE);
	for (i = 0; i < 3; i++)
		ma_tx_data(&ma_a, 0, at, f.len, MA_LAST, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	/* Check this first, because the frames of the bench also advance the head. */
	ma_fact("head", "%s", ma_wait_memory(head, 3) ? "3" : "another");
	ma_received("three");
	ma_fact("dd", "0x%x", ma_a.tx[0].ring[2].wb.status & IGB_TXD_STAT_DD);
}

static void
ring(void)
{
	struct ma_spec s = { .paylen = 60 };
	struct ma_frame f;
	uint32_t i, n, last = 0;
	uint64_t at;

	ma_open("ring");
	ma_build(&f, &s);
	at = ma_txbuf(&ma_a, f.b, f.len);
	for (n = 0; n < 3; n++) {
		for (i = 0; i < MA_DESCS - 3; i++)
			last = ma_tx_data(&ma_a, 0, at, f.len, MA_LAST, olinfo(&f, 0, 0));
		ma_tx_kick(&ma_a, 0);
		ma_tx_done(&ma_a, 0, last);
		ma_sync();
		ma_fact(ma_key("wrap%u", n), "%u frames, head %u", ma_b.ngot,
				ma_rd(&ma_a, IGB_TDH(0)));
		ma_b.ngot = 0;
	}
	/* A tail equal to the head has no effect, nor has a tail beyond the ring. */
	ma_tx_kick(&ma_a, 0);
	ma_received("same_tail");
	ma_wr(&ma_a, IGB_TDT(0), MA_DESCS + 5);
	ma_fact("tail_outside.tdt", "%u", ma_rd(&ma_a, IGB_TDT(0)));
	ma_settle();
	ma_fact("tail_outside.moved", "%s",
			ma_rd(&ma_a, IGB_TDH(0)) == ma_a.tx[0].next ? "no" : "yes");
	ma_tx_kick(&ma_a, 0);
	ma_received("tail_outside");

	/* 8.12.13: disable a queue, set up its ring again, enable it. */
	ma_fact("close", "%s", ma_tx_close(&ma_a, 0) ? "yes" : "no");
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_settle();
	ma_fact("closed.frames", "%u", ma_b.ngot);
	ma_tx_open(&ma_a, 0);
	ma_received("reopened");
	/* TCTL.EN clear: descriptors wait. */
	ma_wr(&ma_a, IGB_TCTL, MA_TCTL & ~IGB_TCTL_EN);
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_settle();
	ma_fact("tctl_off.frames", "%u", ma_b.ngot);
	ma_wr(&ma_a, IGB_TCTL, MA_TCTL);
	ma_received("tctl_on");

	/* Two queues. */
	ma_tx_open(&ma_a, 1);
	i = ma_tx_data(&ma_a, 1, at, f.len, MA_LAST, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 1);
	write_back("queue1", 1, i);
	ma_received("queue1");
	/* Each queue has its own contexts. */
	ma_tx_ctx(&ma_a, 0, &(struct ma_ctx){ .vlan = 7 });
	ma_tx_ctx(&ma_a, 1, &(struct ma_ctx){ .vlan = 8 });
	ma_tx_kick(&ma_a, 0);
	ma_sync();
	ma_tx_data(&ma_a, 1, at, f.len, MA_LAST | IGB_TXD_VLE, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 1);
	ma_tx_done(&ma_a, 1, ma_a.tx[1].next - 1);
	ma_received("context1");
	ma_tx_data(&ma_a, 0, at, f.len, MA_LAST | IGB_TXD_VLE, olinfo(&f, 0, 0));
	ma_tx_kick(&ma_a, 0);
	ma_received("context0");
}

void
ma_tx(void)
{
	plain();
	segments();
	odd();
	unmapped();
	legacy();
	checksums();
	contexts();
	vlan();
	no_ifcs();
	head_write_back();
	ring();
}
