/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Receive filters (7.1.2): addresses, the multicast table, promiscuous modes, VLAN IDs. A fact
 * records whether the frame passed, and whether an inexact filter passed it (PIF).
 */

#include <string.h>

#include "ma.h"

static void
try_frame(const char *key, const struct ma_spec *s)
{
	struct ma_frame f;

	ma_build(&f, s);
	ma_send(f.b, f.len);
	ma_sync();
	ma_fact(key, "%s%s", ma_b.ngot ? "in" : "out",
			ma_b.ngot && ma_b.got[0].part[0].wb.wb.staterr & IGB_RXD_STAT_PIF ? " PIF" :
											    "");
	ma_b.ngot = 0;
}

static const uint8_t bcast[6] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
static const uint8_t other[6] = { 0x02, 0, 0, 0, 0, 0x77 };
static const uint8_t mcast[6] = { 0x01, 0, 0x5E, 0x12, 0x34, 0x56 };

static void
each(const char *key)
{
	struct ma_spec s = { .paylen = 60 };

	try_frame(ma_key("%s.own", key), &s);
	s.da = other;
	try_frame(ma_key("%s.other", key), &s);
	s.da = mcast;
	try_frame(ma_key("%s.multicast", key), &s);
	s.da = bcast;
	try_frame(ma_key("%s.broadcast", key), &s);
}

static void
addresses(void)
{
	ma_open("address");
	each("bam");
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL & ~IGB_RCTL_BAM);
	each("none");
	ma_wr(&ma_b, IGB_RCTL, (MA_RCTL & ~IGB_RCTL_BAM) | IGB_RCTL_UPE);
	each("upe");
	ma_wr(&ma_b, IGB_RCTL, (MA_RCTL & ~IGB_RCTL_BAM) | IGB_RCTL_MPE);
	each("mpe");
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL);
	ma_wr(&ma_b, IGB_RAL(5), 0x00000002);
	ma_wr(&ma_b, IGB_RAH(5), 0x00007700);
	each("ra5_invalid");
	ma_wr(&ma_b, IGB_RAH(5), 0x00007700 | IGB_RAH_AV);
	each("ra5");
	ma_wr(&ma_b, IGB_RAH(5), 0);
	ma_wr(&ma_b, IGB_RAL(20), 0x00000002);
	ma_wr(&ma_b, IGB_RAH(20), 0x00007700 | IGB_RAH_AV);
	each("ra20");
	ma_wr(&ma_b, IGB_RAH(20), 0);
	/* A multicast address in an exact filter. */
	ma_wr(&ma_b, IGB_RAL(1), 0x125E0001);
	ma_wr(&ma_b, IGB_RAH(1), 0x00005634 | IGB_RAH_AV);
	each("ra1_multicast");
	ma_wr(&ma_b, IGB_RAH(1), 0);
	/* Virtualization is off, so the unicast table has no effect. */
	ma_wr(&ma_b, IGB_UTA((0x7700 >> 4 & 0xFFF) / 32), ~0u);
	each("uta");
}

/* 8.10.14: the hash is twelve of the last sixteen bits of the address; RCTL.MO selects them. */
static void
multicast(void)
{
	static const uint8_t shift[4] = { 4, 3, 2, 0 };
	struct ma_spec s = { .paylen = 60, .da = mcast };
	uint32_t hash, mo, i;

	ma_open("multicast");
	for (mo = 0; mo < 4; mo++) {
		ma_wr(&ma_b, IGB_RCTL, MA_RCTL | mo << IGB_RCTL_MO_SHIFT);
		hash = ((uint32_t)(mcast[5] << 8 | mcast[4]) >> shift[mo]) & 0xFFF;
		ma_wr(&ma_b, IGB_MTA(hash / 32), 1u << (hash % 32));
		try_frame(ma_key("mo%u.bit", mo), &s);
		ma_wr(&ma_b, IGB_MTA(hash / 32), ~(1u << (hash % 32)));
		try_frame(ma_key("mo%u.all_others", mo), &s);
		ma_wr(&ma_b, IGB_MTA(hash / 32), 0);
	}
	/* The table applies only to multicast addresses. */
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL);
	for (i = 0; i < IGB_NUM_MTA; i++)
		ma_wr(&ma_b, IGB_MTA(i), ~0u);
	each("full");
}

/* 7.1.2.4, 8.10: RCTL.VFE and VFTA; CFIEN. */
static void
vlan(void)
{
	struct ma_spec s = { .paylen = 60, .tags = 1, .tci = 0x0123 };
	struct ma_spec untagged = { .paylen = 60 };

	ma_open("vlan");
	try_frame("off", &s);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_VFE);
	try_frame("not_in", &s);
	try_frame("untagged", &untagged);
	ma_wr(&ma_b, IGB_VFTA(0x123 / 32), 1u << (0x123 % 32));
	try_frame("in", &s);
	s.tci |= 0xE000;
	try_frame("in_priority", &s);
	s.tci |= 0x1000;
	try_frame("in_cfi", &s);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_VFE | IGB_RCTL_CFIEN);
	try_frame("cfien.1", &s);
	s.tci &= ~0x1000;
	try_frame("cfien.0", &s);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_VFE | IGB_RCTL_CFIEN | IGB_RCTL_CFI);
	try_frame("cfi.0", &s);
	s.tci |= 0x1000;
	try_frame("cfi.1", &s);
	/* A frame must pass both the address and the VLAN filter. */
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_VFE);
	s.da = other;
	try_frame("other", &s);
	s.da = bcast;
	s.tci = 0x0124;
	try_frame("broadcast_not_in", &s);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_VFE | IGB_RCTL_UPE | IGB_RCTL_MPE);
	s.da = NULL;
	try_frame("promiscuous", &s);
}

/*
 * Flow control frames (3.5.5): software does not receive them unless RCTL.PMCF or DPF demands it.
 */
static void
pause_frames(void)
{
	static const uint8_t da[6] = { 0x01, 0x80, 0xC2, 0, 0, 1 };
	struct ma_spec s = { .da = da, .ethertype = 0x8808, .paylen = 46 };

	ma_open("pause");
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_MPE);
	try_frame("mpe", &s);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_MPE | IGB_RCTL_PMCF);
	try_frame("pmcf", &s);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_MPE | IGB_RCTL_DPF);
	try_frame("dpf", &s);
}

void
ma_filter(void)
{
	addresses();
	multicast();
	vlan();
	pause_frames();
}
