/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Statistics (8.19). The two frames of 60 bytes with which the bench ends a wait are also counted:
 * the facts of each case include them, in the registers of both directions.
 */

#include <stdio.h>

#include "ma.h"

#define RCTL (MA_RCTL & ~IGB_RCTL_SECRC)

/* clang-format off */
static const struct {
	const char *name;
	uint32_t off;
} counters[] = {
	{"CRCERRS", IGB_CRCERRS}, {"RXERRC", IGB_RXERRC}, {"MPC", IGB_MPC}, {"HTDPMC", IGB_HTDPMC},
	{"RLEC", IGB_RLEC},
	{"PRC64", IGB_PRC64}, {"PRC127", IGB_PRC127}, {"PRC255", IGB_PRC255},
	{"PRC511", IGB_PRC511}, {"PRC1023", IGB_PRC1023}, {"PRC1522", IGB_PRC1522},
	{"GPRC", IGB_GPRC}, {"BPRC", IGB_BPRC}, {"MPRC", IGB_MPRC}, {"GPTC", IGB_GPTC},
	{"GORCL", IGB_GORCL}, {"GORCH", IGB_GORCH}, {"GOTCL", IGB_GOTCL}, {"GOTCH", IGB_GOTCH},
	{"RNBC", IGB_RNBC}, {"RUC", IGB_RUC}, {"RFC", IGB_RFC}, {"ROC", IGB_ROC}, {"RJC", IGB_RJC},
	{"TORL", IGB_TORL}, {"TORH", IGB_TORH}, {"TOTL", IGB_TOTL}, {"TOTH", IGB_TOTH},
	{"TPR", IGB_TPR}, {"TPT", IGB_TPT}, {"PTC64", IGB_PTC64}, {"PTC127", IGB_PTC127},
	{"PTC255", IGB_PTC255}, {"PTC511", IGB_PTC511}, {"PTC1023", IGB_PTC1023},
	{"PTC1522", IGB_PTC1522}, {"MPTC", IGB_MPTC}, {"BPTC", IGB_BPTC}, {"TSCTC", IGB_TSCTC},
	{"RXDMTC", IGB_RXDMTC}, {"LENERRS", IGB_LENERRS}, {"RQDPC0", IGB_RQDPC(0)},
};
/* clang-format on */

#define NUM_COUNTERS (sizeof(counters) / sizeof(counters[0]))

/* The counters that are not 0, in the order in which a driver reads them: low halves first. */
static void
port_facts(const struct ma_port *p, const char *name)
{
	unsigned int i;
	char key[64];

	snprintf(key, sizeof(key), "%s", name); /* ma_key() keeps only a few */
	for (i = 0; i < NUM_COUNTERS; i++) {
		uint32_t v = ma_rd(p, counters[i].off);

		if (v != 0)
			ma_fact(ma_key("%s.%s.%s", key, p->name, counters[i].name), "%u", v);
	}
}

static void
facts(const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "%s", name);
	ma_sync();
	ma_b.ngot = 0;
	port_facts(&ma_a, key);
	port_facts(&ma_b, key);
}

static void
send_len(uint32_t len)
{
	struct ma_frame f;
	struct ma_spec s = { .paylen = len - 14 };

	ma_build(&f, &s);
	ma_send(f.b, f.len);
}

static void
sizes(void)
{
	/* The first and the last length of each class; the lengths include the FCS. */
	static const uint16_t len[] = { 60, 61, 123, 124, 251, 252, 507, 508, 1019, 1020, 1514 };
	unsigned int i;

	ma_open("sizes");
	ma_wr(&ma_b, IGB_RCTL, RCTL);
	for (i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		send_len(len[i]);
		facts(ma_key("%u", len[i]));
	}
	/* Reading clears the counters. */
	for (i = 0; i < NUM_COUNTERS; i++)
		if (ma_rd(&ma_a, counters[i].off) | ma_rd(&ma_b, counters[i].off))
			break;
	ma_fact("again", "%s", i < NUM_COUNTERS ? counters[i].name : "all 0");

	/* The classes do not depend on whether the FCS is stripped on the way to memory. */
	ma_open("secrc");
	send_len(124);
	facts("124");
}

/* 8.19.57 ff.: packets and octets to and from the host. */
static void
host(void)
{
	ma_open("host");
	send_len(100);
	ma_sync();
	ma_b.ngot = 0;
	ma_fact("HGPTC", "%u", ma_rd(&ma_a, IGB_HGPTC));
	ma_fact("HGOTCL", "%u", ma_rd(&ma_a, IGB_HGOTCL));
	ma_fact("RPTHC", "%u", ma_rd(&ma_b, IGB_RPTHC));
	ma_fact("HGORCL", "%u", ma_rd(&ma_b, IGB_HGORCL));
}

static void
kinds(void)
{
	static const uint8_t bcast[6] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF };
	static const uint8_t mcast[6] = { 0x01, 0, 0x5E, 0, 0, 1 };
	static const uint8_t other[6] = { 0x02, 0, 0, 0, 0, 0x77 };
	struct ma_spec s = { .paylen = 100 };
	struct ma_frame f;

	ma_open("kinds");
	ma_wr(&ma_b, IGB_RCTL, RCTL);
	s.da = bcast;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	facts("broadcast");
	s.da = mcast;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	/*
	 * TPR counts every frame on the wire, GPRC those that passed the filters (8.19.26,
	 * 8.19.56).
	 */
	facts("multicast_filtered");
	ma_wr(&ma_b, IGB_RCTL, RCTL | IGB_RCTL_MPE);
	ma_send(f.b, f.len);
	facts("multicast");
	s.da = other;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	facts("unicast_filtered");
	s.da = NULL;
	s.tags = 1;
	ma_build(&f, &s);
	ma_wr(&ma_b, IGB_CTRL, ma_rd(&ma_b, IGB_CTRL) | IGB_CTRL_VME);
	ma_send(f.b, f.len);
	facts("stripped");
}

/* 8.10.1, 8.10.3: RCTL.LPE and RLPML. */
static void
oversize(void)
{
	ma_open("oversize");
	ma_wr(&ma_b, IGB_RCTL, RCTL);
	send_len(1515);
	facts("1515");
	send_len(1518);
	facts("1518");
	send_len(1519);
	facts("1519");
	ma_wr(&ma_b, IGB_RLPML, 1600);
	ma_wr(&ma_b, IGB_RCTL, RCTL | IGB_RCTL_LPE);
	send_len(1596);
	facts("rlpml_1596");
	send_len(1597);
	facts("rlpml_1597");
}

/* 8.12.1: a frame shorter than 60 bytes is padded, or not sent. */
static void
undersize(void)
{
	ma_open("undersize");
	ma_wr(&ma_b, IGB_RCTL, RCTL);
	send_len(20);
	facts("padded");
	ma_wr(&ma_a, IGB_TCTL, MA_TCTL & ~IGB_TCTL_PSP);
	send_len(59);
	facts("psp_off");
}

/*
 * 8.19.35: the low half is read first; reading the high half, or the low one, clears the register.
 */
static void
octets(void)
{
	ma_open("octets");
	send_len(100);
	ma_sync();
	ma_fact("low", "%u", ma_rd(&ma_b, IGB_GORCL));
	ma_fact("low.again", "%u", ma_rd(&ma_b, IGB_GORCL));
	ma_fact("high", "%u", ma_rd(&ma_b, IGB_GORCH));
	ma_fact("low.after_high", "%u", ma_rd(&ma_b, IGB_GORCL));
	ma_b.ngot = 0;
}

void
ma_stats(void)
{
	sizes();
	host();
	kinds();
	oversize();
	undersize();
	octets();
}
