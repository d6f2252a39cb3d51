/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The model's transmitter: descriptors, offloads, segmentation, and mistakes of a driver. */

#include <sys/syscall.h>
#include <time.h>

#include "igb_rig.h"

static int
rig_tx_setup(void **state)
{
	rig_setup(state);
	rig_tx_start(*state, 0);
	return 0;
}

static uint64_t
tx_bad(struct rig *g)
{
	struct m82576_stats st;

	m82576_get_stats(g->m, &st);
	return st.tx_bad;
}

/* Check how many frames the device dropped since the last check. */
static void
assert_discarded(struct rig *g, uint32_t n)
{
	assert_int_equal(rig_rd(g, IGB_HTDPMC), n);
	assert_int_equal(rig_rd(g, IGB_HTDPMC), 0);
}

static void
tx_sends_posted_frames_and_reports_those_with_rs(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[200];
	uint32_t i;

	for (i = 0; i < sizeof(f); i++)
		f[i] = (uint8_t)i;
	assert_false(m82576_tx_pending(g->m));
	rig_post(g, f, 200, RIG_LAST, 200u << 14);
	assert_int_equal(rig_take(g, &fr), 0); /* the doorbell was not rung */
	rig_ring_bell(g);
	assert_true(m82576_tx_pending(g->m));
	assert_int_equal(m82576_tx(g->m, &fr, 1, 0), 1);
	assert_int_equal(fr.len, 200);
	assert_int_equal(fr.flags, 0);
	assert_memory_equal(fr.data, f, 200);
	assert_int_equal(rig_txd(g, 0, 0)->wb.status & IGB_TXD_STAT_DD, 0);
	m82576_tx_flush(g->m);
	assert_int_equal(rig_txd(g, 0, 0)->wb.status, IGB_TXD_STAT_DD);
	assert_int_equal(rig_rd(g, IGB_TDH(0)), 1);
	/* Padded to 60 bytes; in several descriptors; DD only in those with RS. */
	rig_post(g, f, 20, IGB_TXD_IFCS, 30u << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 0); /* no end of packet yet */
	rig_post(g, f + 20, 10, RIG_LAST, 0);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 60);
	assert_memory_equal(fr.data, f, 30);
	for (i = 30; i < 60; i++)
		assert_int_equal(fr.data[i], 0);
	assert_false(rig_txd(g, 0, 1)->wb.status & IGB_TXD_STAT_DD);
	assert_true(rig_txd(g, 0, 2)->wb.status & IGB_TXD_STAT_DD);
	/* Around the ring, several times. */
	for (i = 0; i < 3 * RIG_DESCS; i++) {
		f[14] = (uint8_t)i;
		rig_post(g, f, 64, RIG_LAST, 64u << 14);
		rig_ring_bell(g);
		assert_int_equal(rig_take(g, &fr), 1);
		assert_int_equal(fr.data[14], (uint8_t)i);
	}
	assert_int_equal(rig_rd(g, IGB_GPTC), 2 + 3 * RIG_DESCS);
	assert_int_equal(rig_rd(g, IGB_PTC64), 1);
	/* Without padding: 63 bytes belong to no class of lengths. */
	rig_wr(g, IGB_TCTL, IGB_TCTL_EN);
	rig_post(g, f, 59, RIG_LAST, 59u << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 59);
	assert_int_equal(rig_rd(g, IGB_GPTC), 1);
	assert_int_equal(rig_rd(g, IGB_PTC64), 0);
	assert_int_equal(tx_bad(g), 0);
}

static void
tx_checksums_are_inserted_exactly(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[300], want[300];
	uint32_t len, proto, n;

	for (n = 10; n < 14; n++) {
		for (proto = 6; proto <= 17; proto += 11) {
			len = rig_ipv4(f, (uint8_t)proto, n);
			memcpy(want, f, len);
			rig_put16(f + 24, 0);
			/* The sum of the pseudo-header takes the place of the checksum. */
			rig_put16(f + 34 + (proto == 6 ? 16 : 6),
					inet_sum(f + 26, 8, proto + len - 34));
			rig_ctx(g, 1, 14, 20, proto == 6 ? 20 : 8, 0,
					IGB_TXD_TUCMD_IPV4 |
							(proto == 6 ? IGB_TXD_TUCMD_L4T_TCP :
								      IGB_TXD_TUCMD_L4T_UDP),
					0);
			rig_post(g, f, len, RIG_LAST,
					len << 14 | 1u << 4 | IGB_TXD_POPTS_IXSM |
							IGB_TXD_POPTS_TXSM);
			rig_ring_bell(g);
			assert_int_equal(rig_take(g, &fr), 1);
			assert_memory_equal(fr.data, want, len);
		}
	}
}

static void
tx_vlan_tag_comes_from_the_context(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[100];
	uint32_t i;

	for (i = 0; i < 100; i++)
		f[i] = (uint8_t)i;
	rig_ctx(g, 0, 14, 20, 0, 0, 0, 0x6123);
	rig_post(g, f, 100, RIG_LAST | IGB_TXD_VLE, 100u << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 104);
	assert_memory_equal(fr.data, f, 12);
	assert_memory_equal(fr.data + 12, "\x81\x00\x61\x23", 4);
	assert_memory_equal(fr.data + 16, f + 12, 88);
}

static void
tso_segments_are_exact(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	static uint8_t f[9000];
	uint32_t len = rig_ipv4(f, 6, 5000), off = 0, n = 0, part, s;
	const uint32_t mss = 1400;

	f[14 + 20 + 13] = 0x19;    /* FIN, PSH, ACK */
	rig_put16(f + 38, 0xFFFF); /* sequence number about to wrap */
	rig_put16(f + 40, 0xFC00);
	rig_put16(f + 18, 0xFFFE);                 /* also the IP identification */
	rig_put16(f + 50, inet_sum(f + 26, 8, 6)); /* pseudo-header without a length */
	rig_ctx(g, 0, 14, 20, 20, mss, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 0);
	/* Headers and payload in two buffers. */
	rig_post(g, f, 54, IGB_TXD_IFCS | IGB_TXD_TSE,
			(len - 54) << 14 | IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM);
	rig_post(g, f + 54, len - 54, RIG_LAST | IGB_TXD_TSE, 0);
	rig_ring_bell(g);
	while (rig_take(g, &fr)) {
		const uint8_t *ip = fr.data + 14, *h = ip + 20;

		part = 5000 - off < mss ? 5000 - off : mss;
		assert_int_equal(fr.len, 54 + part);
		assert_int_equal(ip[2] << 8 | ip[3], 40 + part);
		assert_int_equal(ip[4] << 8 | ip[5], (0xFFFE + n) & 0xFFFF);
		assert_int_equal(inet_sum(ip, 20, 0), 0xFFFF);
		assert_int_equal((uint32_t)h[4] << 24 | h[5] << 16 | h[6] << 8 | h[7],
				(uint32_t)(0xFFFFFC00u + off));
		assert_int_equal(h[13], off + part == 5000 ? 0x19 : 0x10);
		s = inet_sum(ip + 12, 8, 6 + 20 + part);
		assert_int_equal(inet_sum(h, 20 + part, s), 0xFFFF);
		assert_memory_equal(h + 20, f + 54 + off, part);
		off += part;
		n++;
	}
	assert_int_equal(n, 4);
	assert_int_equal(off, 5000);
	assert_true(rig_txd(g, 0, 2)->wb.status & IGB_TXD_STAT_DD);
	/* UDP: its length field changes per segment. */
	len = rig_ipv4(f, 17, 3000);
	rig_put16(f + 40, inet_sum(f + 26, 8, 17));
	rig_ctx(g, 1, 14, 20, 8, 1000, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_UDP, 0);
	rig_post(g, f, len, RIG_LAST | IGB_TXD_TSE, 3000u << 14 | 1u << 4 | IGB_TXD_POPTS_TXSM);
	rig_ring_bell(g);
	for (n = 0; rig_take(g, &fr); n++) {
		assert_int_equal(fr.data[38] << 8 | fr.data[39], 1008);
		s = inet_sum(fr.data + 26, 8, 17 + 1008);
		assert_int_equal(inet_sum(fr.data + 34, 1008, s), 0xFFFF);
	}
	assert_int_equal(n, 3);
	assert_int_equal(rig_rd(g, IGB_TSCTC), 2);
	assert_int_equal(tx_bad(g), 0);
}

static void
tx_legacy_checksum_is_inserted_and_offset_outside_is_refused(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[100];
	uint32_t len = rig_ipv4(f, 17, 40);
	volatile union igb_tx_desc *d = rig_txd(g, 0, g->tx_next++);

	memcpy(g->mem + RIG_TXBUF, f, len);
	rig_put16(g->mem + RIG_TXBUF + 40, inet_sum(f + 26, 8, 17 + 48));
	d->legacy.addr = RIG_IOVA + RIG_TXBUF;
	d->legacy.length = (uint16_t)len;
	d->legacy.css = 34;
	d->legacy.cso = 40;
	d->legacy.vlan = 7;
	d->legacy.status = 0;
	d->legacy.cmd = IGB_TXD_LEG_EOP | IGB_TXD_LEG_IFCS | IGB_TXD_LEG_IC | IGB_TXD_LEG_RS;
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_memory_equal(fr.data, f, len);
	assert_int_equal(d->legacy.status, IGB_TXD_STAT_DD);
	assert_int_equal(d->legacy.vlan, 7);
	/* Offsets outside of the frame. */
	d = rig_txd(g, 0, g->tx_next++);
	d->legacy.addr = RIG_IOVA + RIG_TXBUF;
	d->legacy.length = 60;
	d->legacy.css = 200;
	d->legacy.cso = 255;
	d->legacy.cmd = IGB_TXD_LEG_EOP | IGB_TXD_LEG_IFCS | IGB_TXD_LEG_IC | IGB_TXD_LEG_RS;
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(tx_bad(g), 1);
	assert_discarded(g, 1);
}

static void
fcs_of_the_driver_is_checked_and_removed(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[68] = { 1, 2, 3 };
	uint32_t fcs = m82576_fcs(f, 64);

	memcpy(f + 64, &fcs, 4);
	rig_post(g, f, 68, IGB_TXD_EOP | IGB_TXD_RS, 68u << 14);
	f[20] ^= 1;
	rig_post(g, f, 68, IGB_TXD_EOP | IGB_TXD_RS, 68u << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 64);
	assert_int_equal(fr.flags, 0);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.flags, M82576_FRAME_BAD_FCS);
}

/* An invalid descriptor costs only its own frame, and the device reports it done. */
static void
bad_descriptor_costs_its_own_frame_only(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	static uint8_t f[60000];
	uint32_t i;

	memset(f, 0x11, sizeof(f));
	/* A buffer at no mapped address. */
	rig_post(g, f, 100, RIG_LAST, 100u << 14);
	rig_txd(g, 0, 0)->data.addr = 0x1000;
	/* A buffer that wraps around the address space. */
	rig_post(g, f, 100, RIG_LAST, 100u << 14);
	rig_txd(g, 0, 1)->data.addr = ~0ull - 10;
	/* No length at all; too short for a header. */
	rig_post(g, f, 0, RIG_LAST, 0);
	rig_post(g, f, 13, RIG_LAST, 13u << 14);
	/* Too long. */
	rig_post(g, f, 60000, RIG_LAST, 60000u << 14);
	/* A type that does not exist. */
	rig_post(g, f, 100, RIG_LAST, 0);
	rig_txd(g, 0, 5)->data.cmd_type_len |= IGB_TXD_DTYP_MASK;
	/* A context that was never given, and one that does not exist. */
	rig_post(g, f, 100, RIG_LAST, 100u << 14 | 1u << 4 | IGB_TXD_POPTS_IXSM);
	rig_post(g, f, 100, RIG_LAST, 100u << 14 | 7u << 4 | IGB_TXD_POPTS_IXSM);
	rig_ctx(g, 5, 14, 20, 20, 100, 0, 0);
	/* Headers longer than the frame. */
	rig_ctx(g, 0, 127, 511, 255, 100, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 0);
	rig_post(g, f, 100, RIG_LAST, 100u << 14 | IGB_TXD_POPTS_IXSM | IGB_TXD_POPTS_TXSM);
	/* Segmentation of an empty payload, with an MSS of 0, and with a wrong PAYLEN. */
	rig_post(g, f, 100, RIG_LAST | IGB_TXD_TSE, 0);
	rig_ctx(g, 0, 14, 20, 20, 0, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 0);
	rig_post(g, f, 1000, RIG_LAST | IGB_TXD_TSE, 946u << 14);
	rig_ctx(g, 0, 14, 20, 20, 100, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 0);
	rig_post(g, f, 1000, RIG_LAST | IGB_TXD_TSE, 3u << 14);
	/* Legacy and advanced descriptors in one frame. */
	rig_post(g, f, 100, IGB_TXD_IFCS, 0);
	rig_txd(g, 0, g->tx_next - 1)->data.cmd_type_len &= ~IGB_TXD_DEXT;
	rig_post(g, f, 100, RIG_LAST, 0);
	/* A context in the middle of a frame is ignored, and does not damage the frame. */
	i = g->tx_next;
	rig_post(g, f, 100, IGB_TXD_IFCS, 200u << 14);
	rig_ctx(g, 0, 14, 20, 20, 100, 0, 0);
	rig_post(g, f, 100, RIG_LAST, 0);
	rig_ring_bell(g);
	/* Log lines take time, and that time is bounded. */
	for (unsigned int n = 0; rig_take(g, &fr) == 0; n++)
		assert_true(n < 16);
	assert_int_equal(fr.len, 200);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(tx_bad(g), 15);
	while (i-- > 0)
		if (i != 8 && i != 9 && i != 12 && i != 14 && i != 16)
			assert_true(rig_txd(g, 0, i)->wb.status & IGB_TXD_STAT_DD);
}

/* A chain without an end is bounded in memory and in time, and its end terminates it. */
static void
endless_chain_is_bounded_and_ends_with_eop(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[1000] = { 0 };
	uint32_t i, k;

	for (k = 0; k < 20; k++) {
		for (i = 0; i < RIG_DESCS - 1; i++)
			rig_post(g, f, 1000, IGB_TXD_IFCS | IGB_TXD_TSE, 0);
		rig_ring_bell(g);
		while (rig_rd(g, IGB_TDH(0)) != rig_rd(g, IGB_TDT(0)))
			assert_int_equal(rig_take(g, &fr), 0);
	}
	rig_post(g, f, 1000, RIG_LAST, 0);
	rig_post(g, f, 500, RIG_LAST, 500u << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 500);
	assert_int_equal(tx_bad(g), 1);
}

static uint64_t
dma_faults(struct rig *g)
{
	struct m82576_stats st;

	m82576_get_stats(g->m, &st);
	return st.dma_faults;
}

static void
frame_that_cannot_be_segmented_is_dropped_unread(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[1000] = { 0 };

	rig_ctx(g, 0, 14, 20, 20, 0, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 0);
	rig_post(g, f, 1000, RIG_LAST | IGB_TXD_TSE, 946u << 14);
	rig_txd(g, 0, 1)->data.addr = 0x1000; /* unmapped: reading it is a DMA fault */
	rig_post(g, f, 1000, RIG_LAST, 1000u << 14 | 1u << 4 | IGB_TXD_POPTS_IXSM);
	rig_txd(g, 0, 2)->data.addr = 0x1000;
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(tx_bad(g), 2);
	assert_discarded(g, 2);
	assert_int_equal(dma_faults(g), 0);
	assert_true(rig_txd(g, 0, 2)->wb.status & IGB_TXD_STAT_DD);
}

/*
 * A queue cannot prolong a poll without limit: the poll ends, and the next one serves other
 * queues.
 */
static void
bytes_gathered_between_flushes_are_bounded(void **state)
{
	static uint8_t f[60000];
	struct rig *g = *state;
	struct m82576_frame fr;
	uint32_t i;

	rig_tx_start(g, 1);
	rig_ctx(g, 0, 14, 20, 20, 1000, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP, 0);
	for (i = 1; i < RIG_DESCS - 1; i++)
		rig_post(g, f, sizeof(f), RIG_LAST | IGB_TXD_TSE, 1u << 14); /* PAYLEN is wrong */
	rig_ring_bell(g);
	*rig_txd(g, 1, 0) = *rig_txd(g, 0, 1);
	rig_txd(g, 1, 0)->data.cmd_type_len = 64 | RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT;
	rig_tdt(g, 1, 1);

	assert_int_equal(rig_take(g, &fr), 0);
	i = rig_rd(g, IGB_TDH(0));
	assert_in_range(i, 2, 1 + (256 << 10) / sizeof(f) + 1);
	assert_int_equal(tx_bad(g), i - 1);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 64);
	assert_int_equal(rig_rd(g, IGB_TDH(0)), i);
	while (rig_rd(g, IGB_TDH(0)) != RIG_DESCS - 1)
		assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(tx_bad(g), RIG_DESCS - 2);
	assert_discarded(g, RIG_DESCS - 2);
}

/* Replace the clock of the model's limits: each read by this thread advances it by clock_step. */
static __thread uint64_t clock_step, clock_ns;

uint64_t
m82576_about_now(void)
{
	return clock_ns += clock_step;
}

/* If descriptors are slow (page faults), a poll ends, and the next one continues. */
static void
time_between_flushes_is_bounded(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[64] = { 0 };
	uint32_t i;

	for (i = 0; i < RIG_DESCS - 1; i++)
		rig_post(g, f, 1, IGB_TXD_IFCS, 0); /* no end of a frame */
	rig_ring_bell(g);
	clock_step = 1000000;
	assert_int_equal(rig_take(g, &fr), 0);
	clock_step = 0;
	i = rig_rd(g, IGB_TDH(0));
	assert_in_range(i, 1, 16);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_true(rig_rd(g, IGB_TDH(0)) > i);
}

static void
tx_tail_beyond_ring_is_ignored_and_counted(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	struct m82576_stats st;
	uint8_t f[100] = { 0 };

	rig_tdt(g, 0, RIG_DESCS);
	assert_int_equal(rig_take(g, &fr), 0);
	rig_tdt(g, 0, 0xFFFFFFFF);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(rig_take(g, &fr), 0);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.bad_doorbells, 2);
	rig_post(g, f, 100, RIG_LAST, 100u << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
}

static void
head_write_back_replaces_dd(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[100] = { 0 };
	volatile uint32_t *head = (void *)(g->mem + 0x600000);

	*head = 77;
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDWBAL(0), (uint32_t)(RIG_IOVA + 0x600000) | 1);
	rig_wr(g, IGB_TDWBAH(0), (uint32_t)(RIG_IOVA >> 32));
	rig_tx_start(g, 0);
	rig_post(g, f, 100, RIG_LAST, 100u << 14);
	rig_post(g, f, 100, RIG_LAST, 100u << 14);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(*head, 2);
	assert_false(rig_txd(g, 0, 0)->wb.status & IGB_TXD_STAT_DD);
}

static void
all_tx_queues_get_equal_turns(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint32_t q, i, seen[16] = { 0 };

	for (q = 0; q < 16; q++) {
		rig_tx_start(g, q);
		for (i = 0; i < 16; i++) {
			volatile union igb_tx_desc *d = rig_txd(g, q, i);

			g->mem[RIG_TXBUF + q * 64 + 14] = (uint8_t)q;
			d->data.addr = RIG_IOVA + RIG_TXBUF + q * 64;
			d->data.cmd_type_len = 64 | RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT;
			d->data.olinfo = 64u << 14;
		}
		rig_tdt(g, q, 16);
	}
	/* After half of the frames each queue has had its turn. */
	for (i = 0; i < 128; i++) {
		assert_int_equal(m82576_tx(g->m, &fr, 1, 0), 1);
		seen[fr.data[14]]++;
		if (i % 16 == 15)
			m82576_tx_flush(g->m);
	}
	for (q = 0; q < 16; q++)
		assert_int_equal(seen[q], 8);
	while (rig_take(g, &fr))
		seen[fr.data[14]]++;
	for (q = 0; q < 16; q++) {
		assert_int_equal(seen[q], 16);
		assert_true(rig_txd(g, q, 15)->wb.status & IGB_TXD_STAT_DD);
	}
	assert_false(m82576_tx_pending(g->m));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tx_sends_posted_frames_and_reports_those_with_rs,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tx_checksums_are_inserted_exactly, rig_tx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(tx_vlan_tag_comes_from_the_context, rig_tx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(tso_segments_are_exact, rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(
				tx_legacy_checksum_is_inserted_and_offset_outside_is_refused,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(fcs_of_the_driver_is_checked_and_removed,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(bad_descriptor_costs_its_own_frame_only,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(endless_chain_is_bounded_and_ends_with_eop,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(frame_that_cannot_be_segmented_is_dropped_unread,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(time_between_flushes_is_bounded, rig_tx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(bytes_gathered_between_flushes_are_bounded,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(tx_tail_beyond_ring_is_ignored_and_counted,
				rig_tx_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(head_write_back_replaces_dd, rig_tx_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(all_tx_queues_get_equal_turns, rig_tx_setup,
				rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
