/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The transmitter's limits, each tested on both sides: headers that just fit and headers that
 * lack one byte, the shortest frames, segmentation, reports, and the head's write-back.
 */

#include "igb_limits.h"

/* In place of the clock: no limit of time ends a burst here. */
uint64_t
m82576_about_now(void)
{
	return 0;
}

static void
tx_checksum_headers_must_fit_exactly(void **state)
{
	static const struct {
		uint32_t l4t, hdr;
	} t[] = { { IGB_TXD_TUCMD_L4T_TCP, 20 }, { IGB_TXD_TUCMD_L4T_UDP, 8 },
		{ IGB_TXD_TUCMD_L4T_SCTP, 12 } };
	struct rig *g = *state;
	uint32_t i, crc;

	rig_ipv4(f, 17, 200);
	for (i = 0; i < 3; i++) {
		rig_ctx(g, 0, 14, 40, 0, 0, IGB_TXD_TUCMD_IPV4 | t[i].l4t, 0);
		assert_int_equal(sends(g, 54 + t[i].hdr - 1, 0, 0, TXSM), 0);
		assert_int_equal(sends(g, 54 + t[i].hdr, 0, 0, TXSM), 1);
		/* Without TXSM the device does not inspect layer 4. */
		assert_int_equal(sends(g, 54, 0, 0, IXSM), 1);
		assert_int_equal(sends(g, 53, 0, 0, IXSM), 0);
	}
	/* A fourth kind of layer 4 does not exist. */
	rig_ctx(g, 0, 14, 20, 0, 0, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_MASK, 0);
	assert_int_equal(sends(g, 100, 0, 0, TXSM), 0);
	for (i = 13; i < 15; i++) {
		rig_ctx(g, 0, i, 20, 0, 0, UDP4, 0);
		assert_int_equal(sends(g, 100, 0, 0, IXSM), i == 14);
	}
	/* An IPv4 header has 20 bytes. Without IPV4 the device computes no IP checksum. */
	rig_ctx(g, 0, 14, 19, 0, 0, UDP4, 0);
	assert_int_equal(sends(g, 100, 0, 0, IXSM), 0);
	f[24] = f[25] = 0x5A;
	rig_ctx(g, 0, 14, 19, 0, 0, IGB_TXD_TUCMD_L4T_UDP, 0);
	assert_int_equal(sends(g, 100, 0, 0, IXSM), 1);
	assert_memory_equal(fr.data, f, 100);
	rig_ctx(g, 0, 14, 20, 0, 0, UDP4, 0);
	assert_int_equal(sends(g, 100, 0, 0, IXSM), 1);
	assert_int_equal(inet_sum(fr.data + 14, 20, 0), 0xFFFF);
	/* TXSM alone leaves the IP header as it is. */
	assert_int_equal(sends(g, 100, 0, 0, TXSM), 1);
	assert_memory_equal(fr.data, f, 40);
	/* SCTP. */
	rig_ctx(g, 0, 14, 20, 0, 0, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_SCTP, 0);
	assert_int_equal(sends(g, 101, 0, 0, TXSM), 1);
	memcpy(&crc, fr.data + 42, 4);
	assert_int_equal(crc, m82576_sctp_crc(f + 34, 67));
	assert_memory_equal(fr.data, f, 42);
	assert_memory_equal(fr.data + 46, f + 46, 55);
}

static volatile union igb_tx_desc *
legacy(struct rig *g, uint32_t len, uint8_t css, uint8_t cso, uint8_t cmd)
{
	const uint32_t at = RIG_TXBUF + (g->tx_next % RIG_DESCS) * 0x10000u % 0x300000u;
	volatile union igb_tx_desc *d = rig_txd(g, 0, g->tx_next++);

	memcpy(g->mem + at, f, len);
	d->legacy.addr = RIG_IOVA + at;
	d->legacy.length = (uint16_t)len;
	d->legacy.css = css;
	d->legacy.cso = cso;
	d->legacy.vlan = 0x6123;
	d->legacy.status = 0;
	d->legacy.cmd = IGB_TXD_LEG_EOP | IGB_TXD_LEG_IFCS | IGB_TXD_LEG_RS | cmd;
	rig_ring_bell(g);
	return d;
}

static void
tx_legacy_checksum_must_fit_exactly(void **state)
{
	struct rig *g = *state;
	uint32_t i;

	for (i = 0; i < 100; i++)
		f[i] = (uint8_t)(i * 3);
	legacy(g, 80, 79, 20, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.data[20] << 8 | fr.data[21], (uint16_t) ~(f[79] << 8));
	legacy(g, 80, 80, 20, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 0);
	legacy(g, 80, 60, 78, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.data[78] << 8 | fr.data[79], ~inet_sum(f + 60, 20, 0) & 0xFFFF);
	legacy(g, 80, 60, 79, IGB_TXD_LEG_IC);
	assert_int_equal(rig_take(g, &fr), 0);
	/* Without IC the offsets have no meaning. */
	legacy(g, 80, 200, 200, 0);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_memory_equal(fr.data, f, 80);
	/* VET holds the type of the tag. */
	rig_wr(g, IGB_VET, 0x81009100);
	legacy(g, 80, 0, 0, IGB_TXD_LEG_VLE);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 84);
	assert_memory_equal(fr.data + 12, "\x91\x00\x61\x23", 4);
	assert_memory_equal(fr.data + 16, f + 12, 68);
	/*
	 * A legacy descriptor behind an advanced one does not make a frame, nor the other way
	 * round.
	 */
	rig_post(g, f, 60, IGB_TXD_IFCS, 140u << IGB_TXD_PAYLEN_SHIFT);
	legacy(g, 80, 0, 0, 0);
	assert_int_equal(rig_take(g, &fr), 0);
	legacy(g, 80, 0, 0, 0);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 80);
}

static void
tx_shortest_frame_is_exact(void **state)
{
	struct rig *g = *state;
	uint32_t fcs;

	memset(f, 0x5A, 100);
	assert_int_equal(sends(g, 13, 13, 0, 0), 0);
	assert_int_equal(sends(g, 14, 14, 0, 0), 1);
	assert_int_equal(fr.len, 60);
	assert_int_equal(fr.data[13] | fr.data[14], 0x5A);
	assert_int_equal(sends(g, 60, 60, 0, 0), 1);
	assert_int_equal(fr.len, 60);
	assert_int_equal(fr.data[59], 0x5A);
	/* Without IFCS the last four bytes are the FCS, and the device does not pad. */
	fcs = m82576_fcs(f, 14);
	memcpy(f + 14, &fcs, 4);
	rig_post(g, f, 17, IGB_TXD_EOP | IGB_TXD_RS, 0);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 0);
	rig_post(g, f, 18, IGB_TXD_EOP | IGB_TXD_RS, 0);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, 14);
	assert_int_equal(fr.flags, 0);
}

static void
tso_header_limits_are_exact(void **state)
{
	static const struct {
		uint32_t maclen, iplen, l4len, tucmd;
		int possible;
	} t[] = {
		{ 14, 20, 20, TCP4, 1 },
		{ 13, 20, 20, TCP4, 0 },
		{ 14, 19, 20, TCP4, 0 },
		{ 14, 20, 19, TCP4, 0 },
		{ 14, 20, 8, UDP4, 1 },
		{ 14, 20, 7, UDP4, 0 },
		{ 14, 40, 20, IGB_TXD_TUCMD_L4T_TCP, 1 },
		{ 14, 39, 20, IGB_TXD_TUCMD_L4T_TCP, 0 },
		{ 14, 40, 8, IGB_TXD_TUCMD_L4T_UDP, 1 },
		{ 14, 20, 20, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_SCTP, 0 },
		{ 14, 20, 20, IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_MASK, 0 },
	};
	struct rig *g = *state;
	uint32_t i, hdr;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		hdr = t[i].maclen + t[i].iplen + t[i].l4len;
		rig_ctx(g, 0, t[i].maclen, t[i].iplen, t[i].l4len, 100, t[i].tucmd, 0);
		assert_int_equal(sends(g, hdr + 100, 100, IGB_TXD_TSE, 0), t[i].possible);
	}
	/* Both contexts exist, and no other. */
	rig_ctx(g, 1, 14, 20, 20, 100, TCP4, 0);
	assert_int_equal(sends(g, 154, 100, IGB_TXD_TSE, 1u << IGB_TXD_IDX_SHIFT), 1);
	assert_int_equal(sends(g, 154, 100, IGB_TXD_TSE, 2u << IGB_TXD_IDX_SHIFT), 0);
}

static uint32_t
be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* IPv6: its length, no identification, and the checksum of the pseudo-header. */
static void
tso_ipv6_segments_are_exact(void **state)
{
	struct rig *g = *state;
	uint32_t i, n, part, s;

	ipv6(2520, 6);
	f[54 + 12] = 5 << 4;
	f[54 + 13] = 0x18;
	for (i = 0; i < 2500; i++)
		f[74 + i] = (uint8_t)(i * 5);
	rig_put16(f + 70, inet_sum(f + 22, 32, 6));
	rig_ctx(g, 0, 14, 40, 20, 1000, IGB_TXD_TUCMD_L4T_TCP, 0x123);
	rig_post(g, f, 2574, RIG_LAST | IGB_TXD_TSE | IGB_TXD_VLE,
			2500u << IGB_TXD_PAYLEN_SHIFT | IXSM | TXSM);
	rig_ring_bell(g);
	for (n = 0; rig_take(g, &fr); n++) {
		const uint8_t *ip = fr.data + 18;

		part = n < 2 ? 1000 : 500;
		assert_int_equal(fr.len, 78 + part);
		assert_memory_equal(fr.data + 12, "\x81\x00\x01\x23\x86\xDD", 6);
		assert_int_equal(ip[4] << 8 | ip[5], 20 + part);
		assert_memory_equal(ip + 6, f + 20, 34);
		assert_int_equal(be32(ip + 44), n * 1000);
		assert_int_equal(ip[53], n < 2 ? 0x10 : 0x18);
		s = inet_sum(ip + 8, 32, 6 + 20 + part);
		assert_int_equal(inet_sum(ip + 40, 20 + part, s), 0xFFFF);
		assert_memory_equal(ip + 60, f + 74 + n * 1000, part);
	}
	assert_int_equal(n, 3);
}

/* TCP flags that pass in the first, in middle and in the last segment (8.12.5). */
static void
tso_flags_are_masked_by_the_segments_place(void **state)
{
	static const uint16_t want[] = { 0x101, 0x202, 0x202, 0x404 };
	struct rig *g = *state;
	uint32_t n;

	rig_wr(g, IGB_DTXTCPFLGL, 0x02020101);
	rig_wr(g, IGB_DTXTCPFLGH, 0x404);
	rig_ipv4(f, 6, 400);
	rig_put16(f + 46, 0x5FFF);
	rig_ctx(g, 0, 14, 20, 20, 100, TCP4, 0);
	rig_post(g, f, 454, RIG_LAST | IGB_TXD_TSE, 400u << IGB_TXD_PAYLEN_SHIFT);
	/* A single segment keeps all of them. */
	rig_post(g, f, 154, RIG_LAST | IGB_TXD_TSE, 100u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	for (n = 0; rig_take(g, &fr); n++)
		assert_int_equal(fr.data[46] << 8 | fr.data[47], n < 4 ? 0x5000 | want[n] : 0x5FFF);
	assert_int_equal(n, 5);
}

/*
 * The largest payload for the 18 bits of PAYLEN, in buffers as large as the 16 bits of DTALEN
 * permit.
 */
static void
tso_largest_payload_is_sent(void **state)
{
	struct rig *g = *state;
	uint32_t left, n, bytes;

	rig_ipv4(f, 6, 0);
	rig_ctx(g, 0, 14, 20, 20, 9000, TCP4, 0);
	rig_post(g, f, 54, IGB_TXD_IFCS | IGB_TXD_TSE, 0x3FFFFu << IGB_TXD_PAYLEN_SHIFT);
	for (left = 0x3FFFF; left != 0; left -= n) {
		n = left < 65535 ? left : 65535;
		rig_post(g, f, n, IGB_TXD_IFCS | (n == left ? IGB_TXD_EOP : 0), 0);
	}
	rig_ring_bell(g);
	for (n = bytes = 0; n < 1000; n++)
		if (rig_take(g, &fr))
			bytes += fr.len - 54;
	assert_int_equal(bytes, 0x3FFFF);
}

static void
tx_frames_without_report_are_not_written_back(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	/* More reports in one flush than the device holds back. */
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDLEN(0), 128 * 16);
	rig_wr(g, IGB_TDH(0), 0);
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	memset(g->mem + RIG_TXRING, 0, 128 * 16);
	for (i = 0; i < 127; i++) {
		volatile union igb_tx_desc *d = (volatile union igb_tx_desc *)(g->mem + RIG_TXRING +
				i * 16);

		d->data.addr = RIG_IOVA + RIG_TXBUF;
		d->data.cmd_type_len = 60 | IGB_TXD_EOP | IGB_TXD_IFCS | IGB_TXD_DTYP_DATA |
				IGB_TXD_DEXT | (i % 16 != 7 ? IGB_TXD_RS : 0);
		d->data.olinfo = 60u << IGB_TXD_PAYLEN_SHIFT;
	}
	rig_tdt(g, 0, 127);
	for (i = 0; i < 127; i++)
		assert_int_equal(rig_next(g, &fr), 1);
	assert_int_equal(rig_next(g, &fr), 0);
	m82576_tx_flush(g->m);
	for (i = 0; i < 127; i++)
		assert_int_equal(((volatile union igb_tx_desc *)(g->mem + RIG_TXRING + i * 16))
						 ->wb.status,
				i % 16 != 7 ? IGB_TXD_STAT_DD : 60u << IGB_TXD_PAYLEN_SHIFT);
	assert_int_equal(rig_rd(g, IGB_TDH(0)), 127);
}

/* Post the first len bytes of f, marked with a number, as one frame or a part of it. */
static void
post_marked(struct rig *g, uint8_t mark, uint32_t len, uint32_t cmd, uint32_t paylen)
{
	memset(f, mark, len);
	rig_post(g, f, len, cmd, paylen << IGB_TXD_PAYLEN_SHIFT);
}

static void
assert_marked(const struct m82576_frame *frame, uint8_t mark, uint32_t len)
{
	assert_int_equal(frame->len, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(frame->data[i], mark);
}

/* All frames of a burst are intact until the next burst. */
static void
tx_burst_holds_its_frames(void **state)
{
	static const uint32_t lens[] = { 60, 100, 1000, 61, 9000 };
	struct m82576_frame out[16];
	struct rig *g = *state;
	uint8_t i;

	for (i = 0; i < 5; i++)
		post_marked(g, i, lens[i], RIG_LAST, lens[i]);
	/* A frame to be cut fills the staging memory alone; a frame behind it does not wait. */
	rig_ipv4(f, 6, 250);
	rig_ctx(g, 0, 14, 20, 20, 100, TCP4, 0);
	rig_post(g, f, 304, RIG_LAST | IGB_TXD_TSE, 250u << IGB_TXD_PAYLEN_SHIFT);
	post_marked(g, 7, 70, RIG_LAST, 70);
	/* A part of a frame, whose rest comes later. */
	post_marked(g, 8, 300, IGB_TXD_IFCS, 600);
	rig_ring_bell(g);
	assert_int_equal(m82576_tx(g->m, out, 16, UINT32_MAX), 5);
	for (i = 0; i < 5; i++)
		assert_marked(&out[i], i, lens[i]);
	rig_ipv4(f, 6, 250);
	assert_int_equal(m82576_tx(g->m, out, 16, UINT32_MAX), 4);
	for (i = 0; i < 3; i++) {
		assert_int_equal(out[i].len, i < 2 ? 154 : 104);
		assert_memory_equal(out[i].data + 54, f + 54 + i * 100, out[i].len - 54);
	}
	assert_marked(&out[3], 7, 70);
	post_marked(g, 8, 300, RIG_LAST, 0);
	rig_ring_bell(g);
	assert_int_equal(m82576_tx(g->m, out, 16, UINT32_MAX), 1);
	assert_marked(&out[0], 8, 600);
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
	assert_int_equal(rig_rd(g, IGB_GPTC), 10);
	assert_int_equal(rig_rd(g, IGB_TDH(0)), g->tx_next);
}

/*
 * The memory for segments serves all queues. A frame to be cut that was begun while there was room
 * waits with its last descriptor until there is room again.
 */
static void
tx_segments_of_all_queues_fit_their_memory(void **state)
{
	struct m82576_frame out[16];
	struct rig *g = *state;

	rig_tx_start(g, 1);
	rig_ipv4(f, 6, 27000);
	g->tx_next = 8; /* apart from the buffers below */
	rig_ctx(g, 0, 14, 20, 20, 9000, TCP4, 0);
	rig_post(g, f, 54 + 27000, RIG_LAST | IGB_TXD_TSE, 27000u << IGB_TXD_PAYLEN_SHIFT);
	*rig_txd(g, 1, 0) = *rig_txd(g, 0, 8);
	*rig_txd(g, 1, 1) = *rig_txd(g, 0, 9);
	g->tx_next = 0;
	rig_ctx(g, 0, 14, 20, 20, 9000, TCP4, 0);
	rig_post(g, f, 54 + 9000, IGB_TXD_IFCS | IGB_TXD_TSE, 18000u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(m82576_tx(g->m, out, 16, UINT32_MAX), 0);
	rig_post(g, f, 9000, RIG_LAST, 0);
	rig_ring_bell(g);
	rig_tdt(g, 1, 2);
	for (unsigned int n = 3; n > 1; n--) {
		assert_int_equal(m82576_tx(g->m, out, 16, UINT32_MAX), n);
		for (unsigned int i = 0; i < n; i++) {
			assert_int_equal(out[i].len, 54 + 9000);
			assert_in_range(out[i].data - g->m->out, 0, M82576_OUT - out[i].len);
		}
	}
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
}

static uint8_t *
tx_memory(struct rig *g, const volatile union igb_tx_desc *d)
{
	return g->mem + (d->data.addr - RIG_IOVA);
}

/* The header of a long frame is a copy; the rest goes from the buffer to its receiver. */
static void
tx_rest_stays_in_the_buffer(void **state)
{
	static const uint32_t lens[] = { 60, 255, 256, 1514, 1514 };
	struct m82576_frame out[8];
	struct rig *g = *state;
	unsigned int i;

	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	for (i = 0; i < 5; i++) {
		memset(f, (int)i, lens[i]);
		rig_eth(f, rig_mac, 0x88B5);
		rig_post(g, f, lens[i], RIG_LAST, lens[i] << IGB_TXD_PAYLEN_SHIFT);
	}
	/* The device computes something of these, or gathers them from several buffers. */
	rig_ipv4(f, 17, 500);
	rig_ctx(g, 0, 14, 20, 0, 0, UDP4, 0x123);
	rig_post(g, f, 542, RIG_LAST, 542u << IGB_TXD_PAYLEN_SHIFT | IXSM);
	rig_post(g, f, 542, RIG_LAST | IGB_TXD_VLE, 542u << IGB_TXD_PAYLEN_SHIFT);
	rig_post(g, f, 300, IGB_TXD_IFCS, 600u << IGB_TXD_PAYLEN_SHIFT);
	rig_post(g, f, 300, RIG_LAST, 0);
	rig_ring_bell(g);
	m82576_tx_allow_rest(g->m);
	assert_int_equal(m82576_tx(g->m, out, 8, UINT32_MAX), 8);
	for (i = 0; i < 8; i++)
		assert_int_equal(out[i].rest != NULL, i >= 2 && i < 5);
	/* The driver changes its buffers, which it must not. */
	for (i = 0; i < 5; i++) {
		tx_memory(g, rig_txd(g, 0, i))[50] = 0xEE;
		if (lens[i] > 255)
			tx_memory(g, rig_txd(g, 0, i))[255] = 0xEE;
	}
	m82576_tx_gather(g->m, &out[4], 1);
	assert_null(out[4].rest);
	assert_int_equal(out[4].data[50], 4);
	assert_int_equal(out[4].data[255], 0xEE);
	tx_memory(g, rig_txd(g, 0, 4))[255] = 0xDD;
	assert_int_equal(m82576_rx(g->m, out, 5, false), 5);
	m82576_tx_flush(g->m);
	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	for (i = 0; i < 5; i++) {
		assert_int_equal(rig_rxd(g, 0, i)->wb.staterr, DD_EOP);
		assert_int_equal(rig_rxd(g, 0, i)->wb.length, lens[i]);
		assert_memory_equal(rig_rxbuf(g, 0, i), rig_mac, 6);
		assert_int_equal(rig_rxbuf(g, 0, i)[50], i);
		assert_int_equal(rig_rxbuf(g, 0, i)[lens[i] - 1], i == 2 ? 0xEE : i);
		if (i > 2)
			assert_int_equal(rig_rxbuf(g, 0, i)[255], 0xEE);
	}
	/* Without IFCS the last four bytes are the frame's own FCS, which the device checks. */
	rig_post(g, f, 542, RIG_LAST & ~IGB_TXD_IFCS, 542u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(m82576_tx(g->m, out, 8, UINT32_MAX), 1);
	assert_null(out[0].rest);
	m82576_tx_flush(g->m);
	/* In loopback a frame may wait for a descriptor, so that it has no rest. */
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LBM_MAC);
	rig_post(g, f, 542, RIG_LAST, 542u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(m82576_tx(g->m, out, 8, UINT32_MAX), 1);
	assert_null(out[0].rest);
}

/* Reports that would exceed the batch wait for the burst's end: a rest is not copied before. */
static void
tx_rest_is_not_reported_before_it_is_copied(void **state)
{
	struct m82576_frame out[8];
	struct rig *g = *state;
	unsigned int i, n;

	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDLEN(0), 128 * 16);
	rig_wr(g, IGB_TDH(0), 0);
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	for (i = 0; i < 127; i++) {
		volatile union igb_tx_desc *d = (volatile union igb_tx_desc *)(g->mem + RIG_TXRING +
				i * 16);

		/* One frame with a rest, and many bad ones. */
		d->data.addr = RIG_IOVA + RIG_TXBUF;
		d->data.cmd_type_len = (i == 0 ? 1000 : 1) | RIG_LAST | IGB_TXD_DTYP_DATA |
				IGB_TXD_DEXT;
		d->data.olinfo = 0;
	}
	rig_tdt(g, 0, 127);
	m82576_tx_allow_rest(g->m);
	g->m->tx_descs = 0;
	n = m82576_tx(g->m, out, 8, UINT32_MAX);
	assert_int_equal(n, 1);
	assert_non_null(out[0].rest);
	assert_int_equal(rig_txd(g, 0, 0)->wb.status, 0);
	/* The next burst may report it. */
	assert_int_equal(m82576_tx(g->m, out, 8, UINT32_MAX), 0);
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
	assert_int_equal(rig_txd(g, 0, 0)->wb.status, IGB_TXD_STAT_DD);
}

/* A burst ends with its last frame, or with the frame that begins within its bytes. */
static void
tx_burst_ends_at_its_limits(void **state)
{
	static const struct {
		unsigned int n;
		uint32_t bytes;
		unsigned int taken;
	} t[] = {
		{ 0, 1000, 0 },
		{ 3, 1000, 3 },
		{ 4, 0, 1 },
		{ 4, 83, 1 },
		{ 4, 84, 2 },
		{ 4, 167, 2 },
		{ 4, 168, 3 },
		{ 9, UINT32_MAX, 8 },
	};
	/* A frame that is padded; one that is not, so that it may be part of a run. */
	static const uint32_t lengths[] = { 20, 60 };
	struct m82576_frame out[9];
	struct rig *g = *state;

	for (unsigned int i = 0; i < 2 * (sizeof(t) / sizeof(t[0])); i++) {
		const unsigned int j = i / 2;
		const uint32_t len = lengths[i % 2];
		unsigned int sum;

		/* 20 bytes are 60 on the wire, and 84 with what surrounds a frame. */
		rig_wr(g, IGB_TCTL, IGB_TCTL_EN);
		for (unsigned int k = 0; k < 8; k++)
			post_marked(g, (uint8_t)k, len, RIG_LAST, len);
		rig_ring_bell(g);
		assert_int_equal(m82576_tx(g->m, out, t[j].n, t[j].bytes), t[j].taken);
		for (unsigned int k = 0; k < t[j].taken; k++)
			assert_marked(&out[k], (uint8_t)k, len);
		for (sum = t[j].taken; sum < 8; sum++)
			assert_int_equal(rig_take(g, &fr), 1);
		m82576_tx_flush(g->m);
		vfu_rcu_quiescent();
	}
}

/* Fill queue q with n descriptors of frames of len bytes from one buffer, and ring the doorbell. */
static void
post_plain(struct rig *g, unsigned int q, uint32_t nr_descs, uint32_t n, uint32_t len)
{
	rig_wr(g, IGB_TXDCTL(q), 0);
	rig_wr(g, IGB_TDBAL(q), (uint32_t)(RIG_IOVA + RIG_TXRING + q * 4096));
	rig_wr(g, IGB_TDBAH(q), (RIG_IOVA + RIG_TXRING) >> 32);
	rig_wr(g, IGB_TDLEN(q), nr_descs * 16);
	rig_wr(g, IGB_TDH(q), 0);
	rig_wr(g, IGB_TXDCTL(q), IGB_DCTL_ENABLE);
	g->mem[RIG_TXBUF + q * 65536 + 14] = (uint8_t)q;
	for (uint32_t i = 0; i < n; i++) {
		volatile union igb_tx_desc *d = (volatile union igb_tx_desc *)(g->mem + RIG_TXRING +
				q * 4096 + i * 16);

		d->data.addr = RIG_IOVA + RIG_TXBUF + q * 65536;
		d->data.cmd_type_len = len | RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT;
		d->data.olinfo = len << IGB_TXD_PAYLEN_SHIFT;
	}
	rig_tdt(g, q, n);
}

/* A run of plain frames ends when its queue has had its turn. */
static void
tx_run_ends_with_the_turn(void **state)
{
	struct m82576_frame out[48];
	struct m82576_stats stats;
	struct rig *g = *state;
	unsigned int i;

	post_plain(g, 0, 64, 20, 64);
	post_plain(g, 1, 64, 20, 64);
	assert_int_equal(m82576_tx(g->m, out, 48, UINT32_MAX), 40);
	for (i = 0; i < 40; i++)
		assert_int_equal(out[i].data[14], i < 32 ? i / 8 % 2 : i / 4 % 2);
	m82576_get_stats(g->m, &stats);
	assert_int_equal(stats.queue[0].tx_frames, 20);
	assert_int_equal(stats.queue[1].tx_frames, 20);
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
}

/* It ends before the write-back that would report a rest that is not copied. */
static void
tx_run_holds_back_reports(void **state)
{
	struct m82576_frame out[128];
	struct rig *g = *state;

	post_plain(g, 0, 128, 127, 64);
	rig_txd(g, 0, 10)->data.cmd_type_len += 1000 - 64;
	m82576_tx_allow_rest(g->m);
	/* An earlier burst left reports, so that the batch is full in the middle of a fetch. */
	rig_tdt(g, 0, 10);
	assert_int_equal(m82576_tx(g->m, out, 128, UINT32_MAX), 10);
	rig_tdt(g, 0, 127);
	assert_int_equal(m82576_tx(g->m, out, 128, UINT32_MAX), M82576_WB_BATCH - 10);
	assert_non_null(out[0].rest);
	assert_null(out[1].rest);
	assert_false(rig_txd(g, 0, 10)->wb.status & IGB_TXD_STAT_DD);
	assert_int_equal(m82576_tx(g->m, out, 128, UINT32_MAX), 127 - M82576_WB_BATCH);
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
	assert_int_equal(rig_txd(g, 0, 126)->wb.status, IGB_TXD_STAT_DD);
}

/* It ends when the bytes between two flushes are used up, not counting the last buffer. */
static void
tx_run_ends_with_the_bytes(void **state)
{
	const unsigned int most = ((256 << 10) + 7999) / 8000;
	struct m82576_frame out[64];
	struct rig *g = *state;
	unsigned int n;

	post_plain(g, 0, 64, 63, 8000);
	n = m82576_tx(g->m, out, 20, UINT32_MAX);
	assert_int_equal(n, 20);
	assert_int_equal(m82576_tx(g->m, out, 64, UINT32_MAX), most - n);
	assert_int_equal(m82576_tx(g->m, out, 64, UINT32_MAX), 0);
	m82576_tx_flush(g->m);
	assert_true(m82576_tx(g->m, out, 64, UINT32_MAX) != 0);
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
}

static void
tx_pending_is_exact(void **state)
{
	struct rig *g = *state;

	assert_false(m82576_tx_pending(g->m));
	rig_post(g, f, 60, IGB_TXD_IFCS, 120u << IGB_TXD_PAYLEN_SHIFT);
	rig_post(g, f, 60, RIG_LAST, 0);
	rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_true(m82576_tx_pending(g->m));
	assert_int_equal(rig_take(g, &fr), 1);
	assert_true(m82576_tx_pending(g->m));
	assert_int_equal(rig_take(g, &fr), 1);
	assert_false(m82576_tx_pending(g->m));
	/* Segments that remain are pending. */
	rig_ipv4(f, 6, 200);
	rig_ctx(g, 0, 14, 20, 20, 100, TCP4, 0);
	assert_int_equal(sends(g, 254, 200, IGB_TXD_TSE, 0), 1);
	assert_true(m82576_tx_pending(g->m));
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_false(m82576_tx_pending(g->m));
	/* A tail beyond the ring makes nothing pending. */
	rig_tdt(g, 0, RIG_DESCS);
	assert_false(m82576_tx_pending(g->m));
	rig_tdt(g, 0, g->tx_next % RIG_DESCS);
	/* A queue that was enabled, and not polled yet. */
	rig_tx_start(g, 1);
	assert_false(m82576_tx_pending(g->m));
	rig_tdt(g, 1, RIG_DESCS);
	assert_false(m82576_tx_pending(g->m));
	rig_tdt(g, 1, RIG_DESCS - 1);
	assert_true(m82576_tx_pending(g->m));
	rig_wr(g, IGB_TCTL, 0);
	assert_false(m82576_tx_pending(g->m));
	rig_wr(g, IGB_TCTL, IGB_TCTL_EN);
	assert_true(m82576_tx_pending(g->m));
	rig_wr(g, IGB_TXDCTL(1), 0);
	assert_false(m82576_tx_pending(g->m));
}

/*
 * The device writes the head where the driver requested it, only if a report is due, and
 * without DD.
 */
static void
tx_head_write_back_only_with_a_report(void **state)
{
	struct rig *g = *state;
	volatile uint32_t *head = (void *)(g->mem + 0x600000);

	*head = 77;
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDWBAL(0), (uint32_t)(RIG_IOVA + 0x600000) | 1);
	rig_wr(g, IGB_TDWBAH(0), (uint32_t)(RIG_IOVA >> 32));
	rig_tx_start(g, 0);
	rig_post(g, f, 60, IGB_TXD_EOP | IGB_TXD_IFCS, 60u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(*head, 77);
	assert_int_equal(sends(g, 60, 60, 0, 0), 1);
	assert_int_equal(*head, 2);
	assert_int_equal(rig_rd(g, IGB_TDH(0)), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT(tx_checksum_headers_must_fit_exactly),
		LIMIT(tx_legacy_checksum_must_fit_exactly),
		LIMIT(tx_shortest_frame_is_exact),
		LIMIT(tso_header_limits_are_exact),
		LIMIT(tso_ipv6_segments_are_exact),
		LIMIT(tso_flags_are_masked_by_the_segments_place),
		LIMIT(tso_largest_payload_is_sent),
		LIMIT(tx_frames_without_report_are_not_written_back),
		LIMIT(tx_burst_holds_its_frames),
		LIMIT(tx_segments_of_all_queues_fit_their_memory),
		LIMIT(tx_burst_ends_at_its_limits),
		LIMIT(tx_rest_stays_in_the_buffer),
		LIMIT(tx_rest_is_not_reported_before_it_is_copied),
		LIMIT(tx_run_ends_with_the_turn),
		LIMIT(tx_run_holds_back_reports),
		LIMIT(tx_run_ends_with_the_bytes),
		LIMIT(tx_pending_is_exact),
		LIMIT(tx_head_write_back_only_with_a_report),
	};

	return cmocka_run_group_tests_name("igb_model_tx_limits", tests, NULL, NULL);
}
