/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A driver gone mad: descriptors, registers, doorbells and frames that are nearly valid, or not
 * valid at all.
 *
 * None of them may crash or hang the device, and after a reset the device must work as if it
 * had just been created. A second test repeats this behind an I/O page table with random
 * entries. The random numbers are the same in every run; arguments select others:
 * test_igb_model_fuzz [SEED [STEPS]].
 */

#include <time.h>

#include "igb_rig.h"

#define QUEUES 4

static uint64_t seed = 1;
static unsigned int steps = 30000;
static uint64_t *table; /* the I/O page table, or NULL */

/* splitmix64 */
static uint64_t
rnd(void)
{
	uint64_t z = seed += 0x9E3779B97F4A7C15;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
	z = (z ^ z >> 27) * 0x94D049BB133111EB;
	return z ^ z >> 31;
}

static uint32_t
below(uint32_t n)
{
	return (uint32_t)(rnd() % n);
}

static bool
one_in(uint32_t n)
{
	return below(n) == 0;
}

/* An address that is mostly inside of the mapped memory, and often at its edges. */
static uint64_t
address(void)
{
	switch (below(12)) {
	case 0:
		return rnd();
	case 1:
		return RIG_IOVA + RIG_MEM - below(64);
	case 2:
		return RIG_IOVA - below(64);
	case 3:
		return UINT64_MAX - below(64);
	default:
		return RIG_IOVA + RIG_RXBUF + below(RIG_MEM - RIG_RXBUF - 65536);
	}
}

static uint32_t
length(void)
{
	static const uint16_t some[] = { 0, 1, 13, 14, 17, 18, 54, 59, 60, 64, 1514, 1518, 9728,
		65535 };

	return one_in(2) ? some[below(sizeof(some) / sizeof(some[0]))] : below(2000);
}

static void
tx_descriptor(volatile union igb_tx_desc *d)
{
	uint32_t cmd = (one_in(4) ? 0 : IGB_TXD_EOP) | (one_in(3) ? 0 : IGB_TXD_IFCS) |
			(one_in(2) ? 0 : IGB_TXD_RS) | (one_in(4) ? IGB_TXD_VLE : 0) |
			(one_in(3) ? IGB_TXD_TSE : 0) | (one_in(8) ? 0 : IGB_TXD_DEXT);

	switch (below(8)) {
	case 0: /* anything */
		d->qw[0] = rnd();
		d->qw[1] = rnd();
		break;
	case 1:
	case 2: /* a nearly valid context */
		d->ctx.vlan_macip_lens = (uint32_t)rnd() << 16 | (14 + 4 * below(2)) << 9 |
				(one_in(2) ? 20 : below(64));
		d->ctx.seqnum = 0;
		d->ctx.type_tucmd = IGB_TXD_DTYP_CTXT | IGB_TXD_DEXT | (below(4) << 11) |
				(one_in(2) ? IGB_TXD_TUCMD_IPV4 : 0);
		d->ctx.mss_l4len_idx = (one_in(8) ? 0 : below(1600)) << 16 |
				(one_in(2) ? 20 : below(64)) << 8 | below(2) << 4;
		break;
	default:
		d->data.addr = address();
		d->data.cmd_type_len = cmd | IGB_TXD_DTYP_DATA | length();
		d->data.olinfo = (one_in(2) ? length() : below(1u << 18)) << IGB_TXD_PAYLEN_SHIFT |
				(one_in(2) ? IGB_TXD_POPTS_IXSM : 0) |
				(one_in(2) ? IGB_TXD_POPTS_TXSM : 0) | below(2) << 4;
		if (one_in(16))
			d->qw[below(2)] ^= 1ull << below(64);
	}
}

static void
some_register(struct rig *g)
{
	static const uint32_t off[] = { IGB_CTRL, IGB_CTRL_EXT, IGB_RCTL, IGB_TCTL, IGB_RXCSUM,
		IGB_RLPML, IGB_MRQC, IGB_VET, IGB_RFCTL, IGB_DTXTCPFLGL, IGB_DTXTCPFLGH, IGB_GPIE,
		IGB_EIMS, IGB_IMS, IGB_ICS, IGB_EICS, IGB_EIAC, IGB_EIAM, IGB_IVAR(0),
		IGB_IVAR_MISC, IGB_EITR(0), IGB_MDIC, IGB_EERD, IGB_RETA(0), IGB_RSSRK(3),
		IGB_SWSM };
	uint32_t q = below(IGB_MAX_QUEUES), o, v = (uint32_t)rnd();

	switch (below(4)) {
	case 0:
		o = below(IGB_BAR0_SIZE / 4) * 4;
		break;
	case 1:
		o = (one_in(2) ? IGB_RXQ_BASE : IGB_TXQ_BASE) + q * IGB_QUEUE_STRIDE +
				4 * below(IGB_QUEUE_STRIDE / 4);
		break;
	default:
		o = off[below(sizeof(off) / sizeof(off[0]))];
	}
	if (one_in(3))
		v = rig_rd(g, o) ^ 1u << below(32);
	rig_wr(g, o, v);
}

/* Set up queues and filters as a correct driver does, so that later steps reach more code. */
static void
sane(struct rig *g)
{
	unsigned int q, i;

	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	rig_cfg_wr(g, 4, 6, 2);
	for (q = 0; q < QUEUES; q++) {
		rig_rx_start(g, q, one_in(2) ? RIG_ADV : (uint32_t)rnd() & 0x0E003F03);
		rig_tx_start(g, q);
	}
	for (i = 0; i < IGB_NUM_RETA / 4; i++)
		rig_wr(g, IGB_RETA(i), 0x03020100);
	rig_wr(g, IGB_MRQC, one_in(2) ? 0 : IGB_MRQC_ENABLE_RSS | 0xFFFF0000u);
	rig_wr(g, IGB_IVAR(0), 0x80808080);
	rig_wr(g, IGB_EIMS, 0x3FF);
	rig_rx_on(g,
			IGB_RCTL_UPE | IGB_RCTL_MPE | IGB_RCTL_BAM |
					(one_in(2) ? IGB_RCTL_LPE : 0) |
					(one_in(8) ? IGB_RCTL_LBM_MAC : 0));
}

static void
some_descriptors(struct rig *g)
{
	uint32_t q = below(QUEUES), i, n = 1 + below(RIG_DESCS);

	for (i = 0; i < n; i++) {
		volatile union igb_rx_desc *rx = rig_rxd(g, q, below(RIG_DESCS));

		tx_descriptor(rig_txd(g, q, below(RIG_DESCS)));
		if (one_in(4)) {
			rx->read.pkt_addr = address();
			rx->read.hdr_addr = one_in(2) ? 0 : address();
		}
	}
	rig_tdt(g, q, one_in(16) ? (uint32_t)rnd() : below(RIG_DESCS));
	rig_rdt(g, q, one_in(16) ? (uint32_t)rnd() : below(RIG_DESCS));
	if (!g->trapped && one_in(8)) /* also where no driver should write */
		*(volatile uint32_t *)(g->bar + (one_in(2) ? IGB_RXQ_BASE : IGB_TXQ_BASE) +
				below(0x400) * 4) = (uint32_t)rnd();
}

/* Replace some entries, of buffers rather than of rings: valid, wrong, random, or none. */
static void
some_entries(void)
{
	for (unsigned int n = below(8); n > 0; n--) {
		uint32_t i = one_in(32) ?
				below(RIG_PAGES) :
				RIG_RXBUF / RIG_PAGE + below(RIG_PAGES - RIG_RXBUF / RIG_PAGE);
		uint64_t entry = RIG_IOVA + below(RIG_PAGES + 1) * RIG_PAGE + below(4);

		if (one_in(8))
			entry = one_in(2) ? 0 : rnd();
		__atomic_store_n(&table[i], entry, __ATOMIC_RELAXED);
	}
}

/* Receive a nearly valid frame. */
static void
some_frame(struct rig *g, uint8_t *f)
{
	uint32_t len = rig_ipv4(f, one_in(2) ? 6 : 17, below(1400)), i;

	if (one_in(4)) { /* the same in IPv6, perhaps with extension headers */
		rig_put16(f + 12, 0x86DD);
		f[14] = 0x60;
		rig_put16(f + 18, len - 54);
		f[20] = (uint8_t[]){ 0, 6, 17, 43, 44, 60, 132 }[below(7)];
	}
	if (one_in(4))
		rig_put16(f + 12, 0x8100);
	for (i = below(4); i > 0; i--)
		f[12 + below(60)] = (uint8_t)rnd();
	if (one_in(4))
		len = length() % 16384;
	rig_send_in(g, f, len, one_in(8) ? M82576_FRAME_BAD_FCS : 0);
}

/**
 * Read every byte of a frame that the device hands out: the device must own each of them.
 *
 * @return their sum, so that the compiler keeps the reads
 */
static uint32_t
look_at(const struct m82576_frame *f)
{
	uint32_t sum = 0, i;

	assert_true(f->len >= 14 && f->len <= 16384);
	for (i = 0; i < f->len; i++)
		sum += f->data[i];
	return sum;
}

static void
device_survives_a_mad_driver_and_works_after_reset(void **state)
{
	static uint8_t f[20000];
	struct rig *g = *state;
	struct m82576_stats st;
	struct m82576_frame fr;
	unsigned int i, n, sent = 0;

	for (i = 0; i < RIG_MEM - RIG_RXBUF; i += 8)
		*(uint64_t *)(g->mem + RIG_RXBUF + i) = rnd();
	alarm(100);
	for (i = 0; i < steps; i++) {
		if (i % 50 == 0) {
			if (table != NULL)
				rig_straight(table);
			sane(g);
		}
		if (table != NULL && one_in(4))
			some_entries();
		if (one_in(8))
			some_register(g);
		some_descriptors(g);
		for (n = below(30); n > 0; n--) {
			if (rig_take(g, &fr)) {
				look_at(&fr);
				sent++;
			}
			some_frame(g, f);
		}
	}
	m82576_get_stats(g->m, &st);
	print_message("    %u frames sent, %llu received, %llu bad, %llu faults\n", sent,
			(unsigned long long)st.rx_frames, (unsigned long long)st.tx_bad,
			(unsigned long long)st.dma_faults);
	assert_true(st.client);
	assert_true(sent > steps / 20 && st.rx_frames > steps / 20);

	/* After a reset nothing of this remains. */
	if (table != NULL)
		rig_straight(table);
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	rig_wr(g, IGB_MDIC, IGB_MDIC_OP_WRITE | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT | 0x8000);
	rig_cfg_wr(g, 4, 6, 2);
	rig_rx_start(g, 0, RIG_ADV);
	rig_tx_start(g, 0);
	rig_rx_on(g, 0);
	n = rig_ipv4(f, 6, 100);
	rig_post(g, f, n, RIG_LAST, n << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(fr.len, n);
	assert_memory_equal(fr.data, f, n);
	rig_send_in(g, f, n, 0);
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	assert_memory_equal(rig_rxbuf(g, 0, 0), f, n);
}

static int
setup_paged(void **state)
{
	rig_setup(state);
	table = rig_page_table(*state);
	return 0;
}

static int
teardown_paged(void **state)
{
	munmap(table, RIG_PAGES * 8);
	table = NULL;
	return rig_teardown(state);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(device_survives_a_mad_driver_and_works_after_reset,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(device_survives_a_mad_driver_and_works_after_reset,
				rig_setup_trapped, rig_teardown),
		cmocka_unit_test_setup_teardown(device_survives_a_mad_driver_and_works_after_reset,
				setup_paged, teardown_paged),
	};

	if (argc > 1)
		seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		steps = (unsigned int)strtoul(argv[2], NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
