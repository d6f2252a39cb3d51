/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The model at its limits: the longest frames, the checksum of zero, padding, the whole
 * redirection table, and rings that are disabled before the model writes back.
 */

#include "igb_limits.h"

static int
edges_setup(void **state)
{
	rig_setup(state);
	rig_tx_start(*state, 0);
	return 0;
}

static void
tx_udp_checksum_of_zero_is_sent_as_ffff(void **state)
{
	struct rig *g = *state;
	uint32_t len = rig_ipv4(f, 17, 100), w;

	/*
	 * With the old checksum added to a word of payload, the sum is 0xFFFF, and its
	 * complement 0.
	 */
	w = (uint32_t)(f[42] << 8 | f[43]) + (uint32_t)(f[40] << 8 | f[41]);
	rig_put16(f + 42, (w & 0xFFFF) + (w >> 16));
	rig_put16(f + 40, inet_sum(f + 26, 8, 17 + len - 34));
	rig_ctx(g, 0, 14, 20, 8, 0, UDP4, 0);
	assert_int_equal(sends(g, len, len, 0, IGB_TXD_POPTS_TXSM), 1);
	assert_int_equal(fr.data[40] << 8 | fr.data[41], 0xFFFF);
}

/*
 * The same in a segment, whose checksum the device computes from the payload. For TCP, 0 is a
 * checksum like any other.
 */
static void
checksum_of_zero_is_only_special_for_udp(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		const bool tcp = i & 1, tso = i & 2;
		const uint32_t l4 = tcp ? 20 : 8, at = tcp ? 50 : 40, pay = 34 + l4;
		const uint32_t len = rig_ipv4(f, tcp ? 6 : 17, 100), proto = tcp ? 6 : 17;
		uint32_t w;

		/* The pseudo-header's sum, to which the device adds the length of a segment. */
		rig_put16(f + at, inet_sum(f + 26, 8, proto + (tso ? 0 : len - 34)));
		rig_put16(f + pay, 0);
		rig_ctx(g, 0, 14, 20, l4, 100, tcp ? TCP4 : UDP4, 0);
		assert_int_equal(sends(g, len, tso ? 100 : len, tso ? IGB_TXD_TSE : 0,
						 IGB_TXD_POPTS_TXSM),
				1);
		/* The complement of the sum, as payload, makes the sum 0xFFFF. */
		w = (uint32_t)(fr.data[at] << 8 | fr.data[at + 1]);
		assert_in_range(w, 1, 0xFFFE);
		rig_put16(f + pay, w);
		assert_int_equal(sends(g, len, tso ? 100 : len, tso ? IGB_TXD_TSE : 0,
						 IGB_TXD_POPTS_TXSM),
				1);
		assert_int_equal(fr.data[at] << 8 | fr.data[at + 1], tcp ? 0 : 0xFFFF);
	}
}

static void
tx_frame_limit_is_exact_with_and_without_tag(void **state)
{
	const uint32_t max = IGB_MAX_FRAME - M82576_FCS_LEN;
	struct rig *g = *state;

	rig_ctx(g, 0, 14, 20, 0, 0, 0, 0x123);
	assert_int_equal(sends(g, max, max, 0, 0), 1);
	assert_int_equal(fr.len, max);
	assert_int_equal(sends(g, max + 1, max + 1, 0, 0), 0);
	assert_int_equal(sends(g, max - 4, max - 4, IGB_TXD_VLE, 0), 1);
	assert_int_equal(fr.len, max);
	assert_int_equal(sends(g, max - 3, max - 3, IGB_TXD_VLE, 0), 0);
}

static void
tso_mss_limit_is_exact(void **state)
{
	const uint32_t mss = IGB_MAX_FRAME - M82576_FCS_LEN - 4 - 54;
	struct rig *g = *state;
	uint32_t i;

	for (i = 0; i < 2; i++) {
		rig_ipv4(f, 6, mss + 1);
		rig_ctx(g, 0, 14, 20, 20, mss + i, TCP4, 0);
		assert_int_equal(sends(g, 54 + mss, mss, IGB_TXD_TSE, 0), 1 - (int)i);
	}
	rig_ctx(g, 0, 14, 20, 20, 0, TCP4, 0);
	assert_int_equal(sends(g, 154, 100, IGB_TXD_TSE, 0), 0);
	/* One byte is a payload, none is not. */
	rig_ctx(g, 0, 14, 20, 20, 1, TCP4, 0);
	assert_int_equal(sends(g, 55, 1, IGB_TXD_TSE, 0), 1);
	assert_int_equal(sends(g, 54, 0, IGB_TXD_TSE, 0), 0);
	/* PAYLEN must equal the length of the buffers without the headers. */
	assert_int_equal(sends(g, 55, 2, IGB_TXD_TSE, 0), 0);
}

static void
tso_padding_has_no_bytes_of_the_segment_before(void **state)
{
	struct rig *g = *state;
	uint32_t i;

	rig_ipv4(f, 6, 103);
	memset(f + 54, 0xA5, 103);
	rig_ctx(g, 0, 14, 20, 20, 100, TCP4, 0);
	assert_int_equal(sends(g, 157, 103, IGB_TXD_TSE, 0), 1);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 60);
	assert_int_equal(fr.data[56], 0xA5);
	for (i = 57; i < 60; i++)
		assert_int_equal(fr.data[i], 0);
}

static void
tx_padding_of_a_tagged_frame_has_no_bytes_of_the_frame_before(void **state)
{
	struct rig *g = *state;
	uint32_t i;

	memset(f, 0xA5, 200);
	assert_int_equal(sends(g, 200, 200, 0, 0), 1);
	rig_ctx(g, 0, 14, 20, 0, 0, 0, 0x123);
	assert_int_equal(sends(g, 40, 40, IGB_TXD_VLE, 0), 1);
	assert_int_equal(fr.len, 60);
	for (i = 44; i < 60; i++)
		assert_int_equal(fr.data[i], 0);
}

/* Send a frame whose hash is 0x51ccc178 ("Verifying the RSS hash calculation", Microsoft). */
static void
reta_entry_alone_selects_the_queue(void **state)
{
	static const uint8_t key[40] =
			"\x6d\x5a\x56\xda\x25\x5b\x0e\xc2\x41\x67\x25\x3d\x43\xa3"
			"\x8f\xb0\xd0\xca\x2b\xcb\xae\x7b\x30\xb4\x77\xcb\x2d\xa3\x80\x30\xf2\x0c\x6a\x42"
			"\xb7\x3b\xbe\xac\x01\xfa";
	struct rig *g = *state;
	uint32_t i, w, q, len;

	for (i = 0; i < 10; i++) {
		memcpy(&w, key + 4 * i, 4);
		rig_wr(g, IGB_RSSRK(i), w);
	}
	for (q = 0; q < 16; q++)
		rig_rx_start(g, q, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	rig_wr(g, IGB_MRQC, IGB_MRQC_ENABLE_RSS | IGB_MRQC_RSS_TCPIPV4);
	len = rig_ipv4(f, 6, 20);
	memcpy(f + 26, "\x42\x09\x95\xbb\xa1\x8e\x64\x50", 8);
	rig_put16(f + 34, 2794);
	rig_put16(f + 36, 1766);
	/* Entry 0x78 is the first one of register 30. All other entries select queue 0. */
	for (i = 0; i < 32; i++)
		rig_wr(g, IGB_RETA(i), 0);
	for (q = 1; q < 16; q++) {
		rig_wr(g, IGB_RETA(30), q);
		rig_send_in(g, f, len, 0);
		assert_true(rig_rxd(g, q, 0)->wb.staterr & IGB_RXD_STAT_DD);
	}
	assert_false(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
}

static void
tx_ring_disabled_before_the_flush_is_not_written(void **state)
{
	struct rig *g = *state;

	memset(f, 1, 100);
	rig_post(g, f, 100, RIG_LAST, 100u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(m82576_tx(g->m, &fr, 1, 0), 1);
	rig_wr(g, IGB_TXDCTL(0), 0);
	m82576_tx_flush(g->m);
	assert_int_equal(rig_txd(g, 0, 0)->data.cmd_type_len,
			RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | 100);
	assert_int_equal(rig_txd(g, 0, 0)->wb.status, 100u << IGB_TXD_PAYLEN_SHIFT);
}

static void
rx_ring_disabled_before_the_flush_is_not_written(void **state)
{
	struct m82576_frame in = { .data = f, .len = 60 };
	struct rig *g = *state;

	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_eth(f, rig_mac, 0x88B5);
	assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
	rig_wr(g, IGB_RXDCTL(0), 0);
	m82576_rx_flush(g->m);
	assert_int_equal(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD, 0);
}

/*
 * The sender truncates its memory between the copy of a frame's header and that of its rest. The
 * device is made here and not in a setup function, because cmocka handles SIGBUS until the test
 * begins.
 */
static void
frame_whose_rest_was_truncated_is_damaged(void **state)
{
	const uint32_t at = RIG_TXBUF + RIG_PAGE - M82576_HEADER; /* the rest begins a page */
	struct m82576_stats st;
	struct rig *g;

	edges_setup(state);
	g = *state;
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	memset(f, 0x5A, 1000);
	rig_eth(f, rig_mac, 0x88B5);
	memcpy(g->mem + at, f, 1000);
	rig_txd(g, 0, 0)->data.addr = RIG_IOVA + at;
	rig_txd(g, 0, 0)->data.cmd_type_len = RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | 1000;
	rig_txd(g, 0, 0)->data.olinfo = 1000u << IGB_TXD_PAYLEN_SHIFT;
	rig_tdt(g, 0, 1);
	m82576_tx_allow_rest(g->m);
	assert_int_equal(m82576_tx(g->m, &fr, 1, 0), 1);
	assert_non_null(fr.rest);
	assert_int_equal(ftruncate(g->memfd, RIG_TXBUF + RIG_PAGE), 0);
	assert_int_equal(m82576_rx(g->m, &fr, 1, true), 1);
	m82576_rx_flush(g->m);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 0);
	assert_int_equal(st.rx_bad, 1);
	assert_false(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	vfu_rcu_quiescent();
	rig_teardown(state);
}

/* The device reads all of a frame that brings its own FCS: no rest stays in the client's memory. */
static void
frame_with_its_own_fcs_has_no_rest(void **state)
{
	struct rig *g = *state;
	uint32_t len, fcs;

	m82576_tx_allow_rest(g->m);
	for (len = 200; len <= 1514; len += 438) {
		memset(f, 0x5A, len);
		rig_eth(f, rig_mac, 0x88B5);
		fcs = m82576_fcs(f, len);
		memcpy(f + len, &fcs, M82576_FCS_LEN);
		rig_post(g, f, len + M82576_FCS_LEN, IGB_TXD_EOP | IGB_TXD_RS,
				(len + M82576_FCS_LEN) << IGB_TXD_PAYLEN_SHIFT);
		rig_ring_bell(g);
		assert_int_equal(rig_next(g, &fr), 1);
		assert_null(fr.rest);
		assert_int_equal(fr.len, len);
		assert_int_equal(fr.flags & M82576_FRAME_BAD_FCS, 0);
		assert_memory_equal(fr.data, f, len);
	}
}

/*
 * Bytes of a frame that go into two pages which are not adjacent in memory: each byte arrives, of a
 * frame that is whole and of one with a rest.
 */
static void
frame_crosses_pages_that_are_not_adjacent(void **state)
{
	const uint32_t page = RIG_RXBUF / RIG_PAGE;
	struct rig *g = *state;
	uint64_t *table = rig_page_table(g), swapped;
	uint8_t *second = g->mem + RIG_RXBUF + 50 * RIG_PAGE;

	swapped = table[page + 1];
	table[page + 1] = table[page + 50];
	table[page + 50] = swapped;
	for (uint32_t i = 0; i < 1000; i++)
		f[i] = (uint8_t)(i * 7 + 1);
	rig_eth(f, rig_mac, 0x88B5);
	for (unsigned int i = 0; i < 2; i++) {
		for (uint32_t first = 60; first < 1000; first += 47) {
			struct m82576_frame in = { .data = f, .len = 1000 };

			if (i == 1) {
				in.rest = f + M82576_HEADER;
				in.sender = m82576_server(g->m);
			}
			rig_wr(g, IGB_RXDCTL(0), 0);
			rig_rx_start(g, 0, RIG_ADV);
			rig_rx_on(g, IGB_RCTL_SECRC);
			rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
			memset(second, 0, RIG_PAGE);
			rig_rxd(g, 0, 0)->read.pkt_addr = RIG_IOVA + RIG_RXBUF + RIG_PAGE - first;
			assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
			m82576_rx_flush(g->m);
			vfu_rcu_quiescent();
			assert_int_equal(rig_rxd(g, 0, 0)->wb.staterr, DD_EOP);
			assert_memory_equal(g->mem + RIG_RXBUF + RIG_PAGE - first, f, first);
			assert_memory_equal(second, f + first, 1000 - first);
			assert_int_equal(second[1000 - first], 0);
		}
	}
	munmap(table, RIG_PAGES * 8);
}

/*
 * Frames of three buffers each, without a flush: a frame whose write-backs do not fit behind those
 * that the device holds back makes it write those first, and all of the frame's own later.
 */
static void
rx_write_backs_of_a_frame_stay_together(void **state)
{
	const uint32_t ring = 128, bufs = 3, batch = M82576_WB_BATCH / bufs * bufs;
	struct m82576_frame in = { .data = f, .len = 2 * 1024 + 100 };
	struct rig *g = *state;
	uint32_t i, k;

	for (i = 0; i < ring; i++) {
		rig_rxd(g, 0, i)->read.pkt_addr = RIG_IOVA + RIG_RXBUF + i * RIG_BUF;
		rig_rxd(g, 0, i)->read.hdr_addr = 0;
	}
	rig_wr(g, IGB_RDBAL(0), (uint32_t)(RIG_IOVA + RIG_RXRING));
	rig_wr(g, IGB_RDBAH(0), (uint32_t)(RIG_IOVA >> 32));
	rig_wr(g, IGB_RDLEN(0), ring * IGB_DESC_SIZE);
	rig_wr(g, IGB_SRRCTL(0), IGB_SRRCTL_DESCTYPE_ADV_ONE | 1);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_rdt(g, 0, ring - 1);
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LPE);
	rig_eth(f, rig_mac, 0x88B5);
	for (k = 0; k <= M82576_WB_BATCH / bufs; k++) {
		f[14] = (uint8_t)k;
		assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
	}
	for (i = 0; i < k * bufs; i++)
		assert_int_equal(rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD,
				i < batch ? IGB_RXD_STAT_DD : 0);
	m82576_rx_flush(g->m);
	for (i = 0; i < k * bufs; i++) {
		const bool last = i % bufs == bufs - 1;

		assert_int_equal(rig_rxd(g, 0, i)->wb.staterr, last ? DD_EOP : IGB_RXD_STAT_DD);
		assert_int_equal(rig_rxd(g, 0, i)->wb.length, last ? 100 : 1024);
		if (i % bufs == 0)
			assert_int_equal(rig_rxbuf(g, 0, i)[14], i / bufs);
	}
	assert_false(rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD);
}

/* A ring begins at a multiple of 128 bytes, or its queue stays idle. */
static void
ring_that_is_not_aligned_stays_idle(void **state)
{
	static const uint32_t off[] = { 16, 64, 112, 128 };
	struct rig *g = *state;
	unsigned int i, q;

	rig_eth(f, rig_mac, 0x88B5);
	for (i = 0; i < 4; i++) {
		const bool ok = off[i] == 128;

		for (q = 0; q < 2; q++) {
			rig_wr(g, q ? IGB_TXDCTL(0) : IGB_RXDCTL(0), 0);
			memset(g->mem + (q ? RIG_TXRING : RIG_RXRING), 0, 4096);
		}
		rig_rx_start(g, 0, RIG_ADV);
		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_wr(g, IGB_RDBAL(0), (uint32_t)(RIG_IOVA + RIG_RXRING + off[i]));
		rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
		rig_rx_on(g, IGB_RCTL_SECRC);
		rig_send_in(g, f, 60, 0);
		assert_int_equal(rig_rxd(g, 0, off[i] / 16)->wb.staterr, ok ? DD_EOP : 0);
		rig_wr(g, IGB_TXDCTL(0), 0);
		rig_wr(g, IGB_TDBAL(0), (uint32_t)(RIG_IOVA + RIG_TXRING + off[i]));
		rig_wr(g, IGB_TDT(0), 0);
		rig_wr(g, IGB_TDH(0), 0);
		rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
		g->tx_next = off[i] / 16;
		rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
		rig_tdt(g, 0, 1);
		assert_int_equal(rig_take(g, &fr), ok);
	}
}

/* The last byte of a frame may be alone in its buffer, of a frame that is whole or has a rest. */
static void
buffer_may_get_a_single_byte(void **state)
{
	struct rig *g = *state;
	unsigned int i, k;

	for (i = 0; i < 1100; i++)
		f[i] = (uint8_t)(i * 7 + 1);
	rig_eth(f, rig_mac, 0x88B5);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	rig_rx_on(g, IGB_RCTL_SECRC);
	for (i = 0; i < 2; i++) {
		for (k = 1; k < 3; k++) {
			struct m82576_frame in = { .data = f, .len = 1024 + k };

			if (i == 1) {
				in.rest = f + M82576_HEADER;
				in.sender = m82576_server(g->m);
			}
			rig_wr(g, IGB_RXDCTL(0), 0);
			rig_rx_start(g, 0, IGB_SRRCTL_DESCTYPE_ADV_ONE | 1);
			memset(rig_rxbuf(g, 0, 0), 0xEE, 2 * RIG_BUF);
			assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
			m82576_rx_flush(g->m);
			vfu_rcu_quiescent();
			assert_int_equal(rig_rxd(g, 0, 1)->wb.staterr, DD_EOP);
			assert_int_equal(rig_rxd(g, 0, 1)->wb.length, k);
			assert_memory_equal(rig_rxbuf(g, 0, 0), f, 1024);
			assert_int_equal(rig_rxbuf(g, 0, 0)[1024], 0xEE);
			assert_memory_equal(rig_rxbuf(g, 0, 1), f + 1024, k);
			assert_int_equal(rig_rxbuf(g, 0, 1)[k], 0xEE);
		}
	}
}

/*
 * Frames for memory that the client truncated: the first one finds out by a signal, which is
 * counted. The device does not touch the memory for those behind it, however the first was
 * received: by the general way, or in a run. As above, there is no setup function.
 */
static void
truncated_memory_costs_one_signal(void **state)
{
	struct m82576_frame in[3];
	struct m82576_stats st;
	struct rig *g;
	unsigned int run, i;

	for (run = 0; run < 2; run++) {
		edges_setup(state);
		g = *state;
		rig_rx_start(g, 0, RIG_ADV);
		rig_rx_on(g, IGB_RCTL_SECRC);
		rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
		rig_eth(f, rig_mac, 0x88B5);
		/* Far apart, because the handler replaces some MiB at once. */
		rig_rxd(g, 0, run)->read.pkt_addr = RIG_IOVA + RIG_MEM - RIG_BUF;
		for (i = 1; i < 3; i++)
			rig_rxd(g, 0, run + i)->read.pkt_addr = RIG_IOVA + RIG_RXBUF + RIG_BUF;
		for (i = 0; i < 3; i++)
			in[i] = (struct m82576_frame){ .data = f, .len = 60 };
		if (run) /* the queue then has descriptors, as a run needs */
			assert_int_equal(m82576_rx(g->m, in, 1, false), 1);
		assert_int_equal(ftruncate(g->memfd, RIG_RXBUF), 0);
		assert_int_equal(m82576_rx(g->m, in, 3, false), 3);
		m82576_get_stats(g->m, &st);
		assert_int_equal(st.dma_faults, 1);
		vfu_rcu_quiescent();
		rig_teardown(state);
	}
}

/* The FCS in memory is wrong if that of the stored frame was wrong, and else right. */
static void
stored_fcs_is_as_good_as_the_frames(void **state)
{
	struct rig *g = *state;
	uint32_t fcs, i;

	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SBP);
	rig_eth(f, rig_mac, 0x88B5);
	for (i = 0; i < 2; i++) {
		rig_send_in(g, f, 60, i ? M82576_FRAME_BAD_FCS : 0);
		assert_int_equal(rig_rxd(g, 0, i)->wb.length, 60 + M82576_FCS_LEN);
		memcpy(&fcs, rig_rxbuf(g, 0, i) + 60, M82576_FCS_LEN);
		assert_int_equal(fcs == m82576_fcs(f, 60), i == 0);
	}
}

int
main(void)
{
#define EDGE(name) cmocka_unit_test_setup_teardown(name, edges_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		EDGE(tx_udp_checksum_of_zero_is_sent_as_ffff),
		EDGE(checksum_of_zero_is_only_special_for_udp),
		EDGE(tx_frame_limit_is_exact_with_and_without_tag),
		EDGE(tso_mss_limit_is_exact),
		EDGE(tso_padding_has_no_bytes_of_the_segment_before),
		EDGE(tx_padding_of_a_tagged_frame_has_no_bytes_of_the_frame_before),
		EDGE(reta_entry_alone_selects_the_queue),
		EDGE(tx_ring_disabled_before_the_flush_is_not_written),
		EDGE(rx_ring_disabled_before_the_flush_is_not_written),
		EDGE(frame_crosses_pages_that_are_not_adjacent),
		EDGE(frame_with_its_own_fcs_has_no_rest),
		EDGE(rx_write_backs_of_a_frame_stay_together),
		EDGE(ring_that_is_not_aligned_stays_idle),
		EDGE(buffer_may_get_a_single_byte),
		EDGE(stored_fcs_is_as_good_as_the_frames),
		cmocka_unit_test(truncated_memory_costs_one_signal),
		cmocka_unit_test(frame_whose_rest_was_truncated_is_damaged),
	};

	return cmocka_run_group_tests_name("igb_model_edges", tests, NULL, NULL);
}
