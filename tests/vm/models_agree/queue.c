/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The life of a receive queue (7.1.4, 8.10.5 to 8.10.9): heads and tails, a full ring, disabling
 * and enabling.
 */

#include "ma.h"

static struct ma_frame f;

static void
make_frame(void)
{
	static const struct ma_spec s = { .paylen = 60 };

	ma_build(&f, &s);
}

static void
send_n(unsigned int n)
{
	while (n-- > 0)
		ma_send(f.b, f.len);
}

static void
drop_facts(const char *key)
{
	ma_fact(ma_key("%s.mpc", key), "%u", ma_rd(&ma_b, IGB_MPC));
	ma_fact(ma_key("%s.rnbc", key), "%u", ma_rd(&ma_b, IGB_RNBC));
	ma_fact(ma_key("%s.rqdpc", key), "%u", ma_rd(&ma_b, IGB_RQDPC(0)));
	ma_fact(ma_key("%s.gprc", key), "%u", ma_rd(&ma_b, IGB_GPRC));
	ma_fact(ma_key("%s.tpr", key), "%u", ma_rd(&ma_b, IGB_TPR));
	ma_fact(ma_key("%s.rxo", key), "0x%x", ma_rd(&ma_b, IGB_ICR) & IGB_ICR_RXO);
}

/* Set up the queue again, with n descriptors and no others later. */
static void
starve(uint32_t srrctl, uint32_t n)
{
	ma_rx_close(&ma_b, 0);
	ma_rx_setup(&ma_b, 0, srrctl);
	ma_b.rx[0].hold = true;
	if (n != 0)
		ma_rx_give(&ma_b, 0, n);
}

/* Provide enough descriptors again, and record which earlier frames arrive now. */
static void
late(void)
{
	ma_b.rx[0].hold = false;
	ma_rx_give(&ma_b, 0, MA_DESCS - 1);
	ma_sync();
	ma_fact("late.frames", "%u", ma_b.ngot);
	ma_b.ngot = 0;
}

static void
heads(void)
{
	unsigned int i;

	ma_open("heads");
	make_frame();
	ma_fact("tail", "%u", ma_rd(&ma_b, IGB_RDT(0)));
	ma_fact("head", "%u", ma_rd(&ma_b, IGB_RDH(0)));
	send_n(3);
	ma_sync();
	ma_fact("three.frames", "%u", ma_b.ngot);
	ma_fact("three.head", "%u", ma_rd(&ma_b, IGB_RDH(0)));
	ma_b.ngot = 0;
	for (i = 0; i < 5; i++) {
		send_n(20);
		ma_sync();
		ma_fact(ma_key("wrap%u", i), "%u frames head %u", ma_b.ngot,
				ma_rd(&ma_b, IGB_RDH(0)));
		ma_b.ngot = 0;
	}
	/* The device owns the head while the queue is enabled. */
	ma_wr(&ma_b, IGB_RDH(0), 1);
	ma_fact("head_written", "%u", ma_rd(&ma_b, IGB_RDH(0)));
}

/*
 * No descriptors: which counters increase, and which frames arrive when there are descriptors
 * again.
 */
static void
full(const char *name, uint32_t srrctl)
{
	ma_open(name);
	make_frame();
	starve(srrctl, 0);
	send_n(2);
	ma_settle();
	ma_fact("none.frames", "%u", ma_b.ngot);
	drop_facts("none");
	ma_rx_give(&ma_b, 0, 4);
	ma_settle();
	ma_fact("four.frames", "%u", ma_b.ngot);
	ma_b.ngot = 0;
	send_n(6);
	ma_settle();
	ma_fact("six.frames", "%u", ma_b.ngot);
	ma_b.ngot = 0;
	ma_fact("six.head_is_tail", "%s",
			ma_rd(&ma_b, IGB_RDH(0)) == ma_rd(&ma_b, IGB_RDT(0)) ? "yes" : "no");
	drop_facts("six");
	late();
}

/* A frame that needs more descriptors than there are. */
static void
partly(void)
{
	struct ma_spec s = { .paylen = 3000 };
	struct ma_frame big;

	ma_open("partly");
	ma_build(&big, &s);
	make_frame();
	ma_wr(&ma_b, IGB_RLPML, 9728);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL | IGB_RCTL_LPE);
	starve(MA_SRRCTL, 1);
	ma_send(big.b, big.len);
	ma_settle();
	ma_fact("frames", "%u", ma_b.ngot);
	ma_fact("descriptors", "%u", ma_b.rx[0].next);
	drop_facts("two_needed");
	late();
}

/*
 * The frames of a disabled queue are lost, or wait. Descriptors that it has are not touched.
 * Enabled again, it starts from 0.
 */
static void
disable(void)
{
	ma_open("disable");
	make_frame();
	send_n(2);
	ma_sync();
	ma_fact("before", "%u", ma_b.ngot);
	ma_b.ngot = 0;
	ma_fact("off", "%s", ma_rx_close(&ma_b, 0) ? "yes" : "no");
	send_n(2);
	ma_settle();
	ma_rx_open(&ma_b, 0, MA_SRRCTL);
	ma_sync();
	ma_fact("reopened.frames", "%u", ma_b.ngot);
	ma_b.ngot = 0;
	ma_fact("reopened.rqdpc", "%u", ma_rd(&ma_b, IGB_RQDPC(0)));
	ma_fact("reopened.mpc", "%u", ma_rd(&ma_b, IGB_MPC));
	/* SWFLSH clears itself (8.10.8). */
	ma_wr(&ma_b, IGB_RXDCTL(0), ma_rd(&ma_b, IGB_RXDCTL(0)) | IGB_DCTL_SWFLSH);
	ma_fact("swflsh", "0x%x", ma_rd(&ma_b, IGB_RXDCTL(0)) & IGB_DCTL_SWFLSH);
	ma_received("swflsh");
}

/* SRRCTL.RDMTS (8.10.2): ICR.RXDMT0 is set when so few descriptors are left, 16 here. */
static void
threshold(void)
{
	ma_open("threshold");
	make_frame();
	starve(MA_SRRCTL | 1u << 20, 24);
	(void)ma_rd(&ma_b, IGB_ICR);
	send_n(4);
	ma_sync();
	ma_fact("above", "0x%x", ma_rd(&ma_b, IGB_ICR) & IGB_ICR_RXDMT0);
	send_n(4);
	ma_sync();
	ma_fact("below", "0x%x", ma_rd(&ma_b, IGB_ICR) & IGB_ICR_RXDMT0);
	send_n(2);
	ma_sync();
	ma_fact("further", "0x%x", ma_rd(&ma_b, IGB_ICR) & IGB_ICR_RXDMT0);
	ma_fact("rxdmtc", "%u", ma_rd(&ma_b, IGB_RXDMTC));
	ma_b.ngot = 0;
}

/* A receive buffer that is not mapped for the device. */
static void
unmapped(void)
{
	unsigned int i;

	ma_open("unmapped");
	if (!ma_b.bus.ops->has_iommu(ma_b.bus.dev)) {
		ma_fact("iommu", "none");
		return;
	}
	make_frame();
	ma_rx_close(&ma_b, 0);
	ma_rx_setup(&ma_b, 0, MA_SRRCTL);
	ma_b.rx[0].ring[0].read.pkt_addr = 0x6000000000;
	ma_rx_give(&ma_b, 0, MA_DESCS - 1);
	send_n(2);
	ma_sync();
	ma_fact("frames", "%u", ma_b.ngot);
	for (i = 0; i < ma_b.ngot; i++)
		ma_fact(ma_key("%u", i), "length %u%s%s", ma_b.got[i].part[0].wb.wb.length,
				ma_b.got[i].part[0].wb.wb.staterr & IGB_RXD_ERR_RXE ? " RXE" : "",
				ma_b.got[i].part[0].data[0] == f.b[0] ? " here" : " not here");
	ma_b.ngot = 0;
}

void
ma_queue(void)
{
	heads();
	full("full", MA_SRRCTL);
	full("full_drop_en", MA_SRRCTL | IGB_SRRCTL_DROP_EN);
	partly();
	disable();
	threshold();
	unmapped();
}
