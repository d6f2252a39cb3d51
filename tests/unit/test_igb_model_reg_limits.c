/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The limits of registers, each tested on both sides: statistics by frame length, interrupt
 * vectors, the PHY, the speed of the link, aliases and masks.
 */

#include "igb_limits.h"

static void
size_classes_are_exact(void **state)
{
	/* frame length with FCS, and the registers that count it, received and sent */
	static const struct {
		uint32_t len, rx, tx;
	} t[] = {
		{ 64, IGB_PRC64, IGB_PTC64 },
		{ 65, IGB_PRC127, IGB_PTC127 },
		{ 127, IGB_PRC127, IGB_PTC127 },
		{ 128, IGB_PRC255, IGB_PTC255 },
		{ 255, IGB_PRC255, IGB_PTC255 },
		{ 256, IGB_PRC511, IGB_PTC511 },
		{ 511, IGB_PRC511, IGB_PTC511 },
		{ 512, IGB_PRC1023, IGB_PTC1023 },
		{ 1023, IGB_PRC1023, IGB_PTC1023 },
		{ 1024, IGB_PRC1522, IGB_PTC1522 },
	};
	static const uint32_t all[] = { IGB_PRC64, IGB_PRC127, IGB_PRC255, IGB_PRC511, IGB_PRC1023,
		IGB_PRC1522, IGB_PTC64, IGB_PTC127, IGB_PTC255, IGB_PTC511, IGB_PTC1023,
		IGB_PTC1522 };
	struct rig *g = *state;
	uint32_t i, k;

	rig_eth(f, rig_mac, 0x88B5);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(arrives(g, t[i].len - 4), DD_EOP);
		assert_int_equal(sends(g, t[i].len - 4, t[i].len - 4, 0, 0), 1);
		for (k = 0; k < sizeof(all) / sizeof(all[0]); k++)
			assert_int_equal(rig_rd(g, all[k]), all[k] == t[i].rx || all[k] == t[i].tx);
		assert_int_equal(rig_rd(g, IGB_GORCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_GOTCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_HGORCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_HGOTCL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_TORL), t[i].len);
		assert_int_equal(rig_rd(g, IGB_TOTL), t[i].len);
	}
	/* Six bytes make a broadcast; with any of them different, the address is a group's. */
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_MPE);
	for (i = 0; i < 7; i++) {
		memset(f, 0xFF, 6);
		if (i < 6)
			f[i] = i == 0 ? 0xFD : 0xFE;
		assert_int_equal(sends(g, 60, 60, 0, 0), 1);
		assert_int_equal(rig_rd(g, IGB_BPTC), i == 6);
		assert_int_equal(rig_rd(g, IGB_MPTC), i != 6);
		assert_true(arrives(g, 60) & IGB_RXD_STAT_DD);
		assert_int_equal(rig_rd(g, IGB_BPRC), i == 6);
		assert_int_equal(rig_rd(g, IGB_MPRC), i != 6);
	}
}

/*
 * IVAR selects the vector of each queue's cause, receive and transmit. A cause with a vector
 * that does not exist has no effect.
 */
static void
ivar_of_every_queue_selects_its_vector(void **state)
{
	struct rig *g = *state;
	unsigned int q, is_tx, i;

	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	for (q = 0; q < 16; q++) {
		for (is_tx = 0; is_tx < 2; is_tx++) {
			const unsigned int v = (2 * q + is_tx) % 31;

			for (i = 0; i < 8; i++)
				rig_wr(g, IGB_IVAR(i), 0);
			m82576_intr_queues(g->m, 1u << q, is_tx);
			assert_int_equal(rig_rd(g, IGB_EICR), 0);
			rig_wr(g, IGB_IVAR_REG(q),
					(v | IGB_IVAR_VALID) << IGB_IVAR_SHIFT(q, is_tx));
			m82576_intr_queues(g->m, 1u << q, is_tx);
			assert_int_equal(rig_rd(g, IGB_EICR), v < IGB_MSIX_VECTORS ? 1u << v : 0);
			m82576_intr_queues(g->m, 1u << q, !is_tx);
			m82576_intr_queues(g->m, 1u << (q ^ 8), is_tx);
			assert_int_equal(rig_rd(g, IGB_EICR), 0);
		}
	}
}

static uint32_t
mdic(struct rig *g, uint32_t op, uint32_t reg, uint32_t v)
{
	rig_wr(g, IGB_MDIC,
			op | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT | reg << IGB_MDIC_REG_SHIFT | v);
	return rig_rd(g, IGB_MDIC);
}

static uint32_t
phy_rd(struct rig *g, uint32_t reg)
{
	uint32_t v = mdic(g, IGB_MDIC_OP_READ, reg, 0);

	assert_int_equal(v & (IGB_MDIC_READY | IGB_MDIC_ERROR), IGB_MDIC_READY);
	return v & 0xFFFF;
}

static void
phy_registers_and_pages_are_exact(void **state)
{
	static const uint32_t fixed[] = { IGB_PHY_STATUS, IGB_PHY_ID1, IGB_PHY_ID2,
		IGB_PHY_LP_ABILITY, IGB_PHY_AUTONEG_EXP, IGB_PHY_1000T_STATUS, IGB_PHY_EXT_STATUS,
		IGB_PHY_PORT_STATUS };
	struct rig *g = *state;
	uint32_t i, was, v;

	/* A wrong operation, and a PHY that does not exist: the other bits are as written. */
	for (i = 0; i < 2; i++) {
		v = i * 3u << 26 | IGB_PHY_ID1 << IGB_MDIC_REG_SHIFT;
		assert_int_equal(mdic(g, i * 3u << 26, IGB_PHY_ID1, 0x5A5A),
				v | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT | 0x5A5A | IGB_MDIC_READY |
						IGB_MDIC_ERROR);
		v |= (IGB_PHY_ADDR + 1) << IGB_MDIC_PHY_SHIFT | IGB_MDIC_OP_READ | 0x5A5A;
		rig_wr(g, IGB_MDIC, v);
		assert_int_equal(rig_rd(g, IGB_MDIC), v | IGB_MDIC_READY | IGB_MDIC_ERROR);
	}
	/* READY, ERROR and bit 31 are not software's. */
	v = IGB_MDIC_OP_WRITE | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
			IGB_PHY_PORT_CONFIG << IGB_MDIC_REG_SHIFT | 0x0120;
	rig_wr(g, IGB_MDIC, v | IGB_MDIC_READY | IGB_MDIC_ERROR | 1u << 31);
	assert_int_equal(rig_rd(g, IGB_MDIC), v | IGB_MDIC_READY);
	v = IGB_MDIC_OP_READ | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
			IGB_PHY_ID2 << IGB_MDIC_REG_SHIFT;
	assert_int_equal(mdic(g, IGB_MDIC_OP_READ, IGB_PHY_ID2, 0xFFFF),
			v | IGB_MDIC_READY | (IGB_PHY_ID_82576 & 0xFFFF));
	rig_rd(g, IGB_ICR);
	mdic(g, IGB_MDIC_OP_READ, IGB_PHY_ID1, 0);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	mdic(g, IGB_MDIC_OP_READ | IGB_MDIC_INT_EN, IGB_PHY_ID1, 0);
	assert_int_equal(rig_rd(g, IGB_ICR), 1u << 9);
	phy_rd(g, IGB_PHY_STATUS); /* the PHY reports a loss of the link once */
	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		was = phy_rd(g, fixed[i]);
		mdic(g, IGB_MDIC_OP_WRITE, fixed[i], ~was & 0xFFFF);
		assert_int_equal(phy_rd(g, fixed[i]), was);
	}
	assert_int_equal(phy_rd(g, IGB_PHY_STATUS), 0x7949 | 0x24);
	assert_int_equal(phy_rd(g, IGB_PHY_LP_ABILITY), 0x4001 | 0xF << 5 | 0xC00);
	assert_int_equal(phy_rd(g, IGB_PHY_AUTONEG_EXP), 0xF);
	assert_int_equal(phy_rd(g, IGB_PHY_1000T_STATUS), 0x3C00);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_STATUS), 3u << 14 | 0x600);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PORT_CTRL, 0x1234);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0x1234);
	/* Another page: registers below 0x10 are the same on all pages. */
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PAGE_SELECT, 0x11B1);
	assert_int_equal(phy_rd(g, IGB_PHY_PAGE_SELECT), 0x11A0);
	assert_int_equal(phy_rd(g, 0x11), 0x2000);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0);
	assert_int_equal(phy_rd(g, 0x10), 0);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PORT_CTRL, 0x5678);
	mdic(g, IGB_MDIC_OP_WRITE, 0x0F - 1, 0x4321);
	assert_int_equal(phy_rd(g, 0x0F - 1), 0x4321);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PAGE_SELECT, 0x1F); /* page 0 */
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0x1234);
	/* Without a far end. */
	m82576_set_link(g->m, false);
	assert_int_equal(phy_rd(g, IGB_PHY_STATUS), 0x7949);
	assert_int_equal(phy_rd(g, IGB_PHY_LP_ABILITY), 0);
	assert_int_equal(phy_rd(g, IGB_PHY_AUTONEG_EXP), 4);
	assert_int_equal(phy_rd(g, IGB_PHY_1000T_STATUS), 0);
	assert_int_equal(phy_rd(g, IGB_PHY_PORT_STATUS), 0);
}

/* Wires of up to 10 and up to 100 Mb/s show as those speeds, and every faster wire as 1000. */
static void
speed_of_the_wire_is_in_status(void **state)
{
	static const struct {
		unsigned int mbps;
		uint32_t code;
	} t[] = { { 1, 0 }, { 10, 0 }, { 11, 1 }, { 100, 1 }, { 101, 2 }, { 10000, 2 }, { 0, 2 } };
	struct rig *g;
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_setup_params(state, (struct m82576_params){ .speed_mbps = t[i].mbps });
		g = *state;
		assert_int_equal(rig_rd(g, IGB_STATUS) &
						(IGB_STATUS_SPEED_MASK | IGB_STATUS_LU |
								IGB_STATUS_FD),
				t[i].code << IGB_STATUS_SPEED_SHIFT | IGB_STATUS_LU |
						IGB_STATUS_FD);
		assert_int_equal(m82576_speed(g->m), 0); /* the speed of the wire */
		assert_int_equal(phy_rd(g, IGB_PHY_LP_ABILITY) & 0xC00, t[i].code == 0 ? 0 : 0xC00);
		assert_int_equal(phy_rd(g, IGB_PHY_1000T_STATUS), t[i].code == 2 ? 0x3C00 : 0xC00);
		rig_teardown(state);
	}
}

static void
aliases_and_masks_of_registers_are_exact(void **state)
{
	struct rig *g = *state;
	uint32_t q, i;

	for (q = 0; q < 4; q++) {
		rig_wr(g, IGB_RDBAH(q), 0x100 + q);
		rig_wr(g, IGB_TDBAH(q), 0x200 + q);
		assert_int_equal(rig_rd(g, IGB_RXQ_ALIAS_BASE + q * 0x100 + IGB_Q_BAH), 0x100 + q);
		assert_int_equal(rig_rd(g, IGB_TXQ_ALIAS_BASE + q * 0x100 + IGB_Q_BAH), 0x200 + q);
		rig_wr(g, IGB_RDBAL(q), 0x1000 + q * 0x80);
		rig_wr(g, IGB_TDBAL(q), 0x2000 + q * 0x80);
		assert_int_equal(rig_rd(g, IGB_RXQ_ALIAS_BASE + q * 0x100 + IGB_Q_BAL),
				0x1000 + q * 0x80);
		assert_int_equal(rig_rd(g, IGB_TXQ_ALIAS_BASE + q * 0x100 + IGB_Q_BAL),
				0x2000 + q * 0x80);
		rig_wr(g, IGB_TXQ_ALIAS_BASE + q * 0x100 + IGB_Q_TDWBAH, 0x300 + q);
		assert_int_equal(rig_rd(g, IGB_TDWBAH(q)), 0x300 + q);
	}
	for (i = 0; i < 128; i += 127) {
		rig_wr(g, 0x00200 + 4 * i, 0x400 + i);
		assert_int_equal(rig_rd(g, IGB_MTA(i)), 0x400 + i);
		rig_wr(g, 0x00600 + 4 * i, 0x500 + i);
		assert_int_equal(rig_rd(g, IGB_VFTA(i)), 0x500 + i);
	}
	for (i = 0; i < 16; i += 15) {
		rig_wr(g, 0x00040 + 8 * i, 0x600 + i);
		assert_int_equal(rig_rd(g, IGB_RAL(i)), 0x600 + i);
	}
	for (i = 0; i < 24; i++) {
		rig_wr(g, IGB_RAH(i), ~0u);
		assert_int_equal(rig_rd(g, IGB_RAH(i)), 0x8FFFFFFF);
	}
	rig_wr(g, IGB_CTRL_EXT, ~0u);
	assert_int_equal(rig_rd(g, IGB_CTRL_EXT), ~(IGB_CTRL_EXT_EE_RST | 1u << 12));
	rig_wr(g, IGB_SERDESCTL, 0x1234);
	assert_int_equal(rig_rd(g, IGB_SERDESCTL), 0x80001234);
	rig_wr(g, IGB_EITR(0), ~0u);
	assert_int_equal(rig_rd(g, IGB_EITR(0)), ~IGB_EITR_CNT_IGNR);
	rig_wr(g, IGB_RLPML, ~0u);
	assert_int_equal(rig_rd(g, IGB_RLPML), 0x3FFF);
	rig_wr(g, IGB_EEMNGCTL, 0);
	assert_true(rig_rd(g, IGB_EEMNGCTL) & IGB_EEMNGCTL_CFG_DONE0);
	/* SWSM: a write can release SMBI, but not take it. */
	rig_wr(g, IGB_SWSM, 0xF);
	assert_int_equal(rig_rd(g, IGB_SWSM), 0xE);
	rig_wr(g, IGB_SWSM, 0xFFFFFFFF);
	assert_int_equal(rig_rd(g, IGB_SWSM), 0xF);
	rig_wr(g, IGB_SWSM, 0);
	/* An offset without a register reads as 0. */
	rig_wr(g, 0x1FFFC, ~0u);
	assert_int_equal(rig_rd(g, 0x1FFFC), 0);
}

/* The statistics of the daemon count each event once, in one counter. */
static void
each_event_is_in_one_statistic_of_the_daemon(void **state)
{
	struct rig *g = *state;
	struct m82576_stats is,
			want = {
				.rx_frames = 2,
				.rx_bytes = 160,
				.rx_filtered = 1,
				.rx_bad = 1,
				.rx_off = 1,
				.tx_frames = 2,
				.tx_bytes = 150,
				.bad_doorbells = 1,
				.queue[0] = { .rx_frames = 2, .tx_frames = 2 },
				.client = true,
				.link = true,
			};

	rig_eth(f, rig_mac, 0x88B5);
	assert_int_equal(arrives(g, 60), DD_EOP);
	assert_int_equal(arrives(g, 100), DD_EOP);
	assert_int_equal(arrives(g, 59), 0);
	assert_int_equal(sends(g, 60, 60, 0, 0), 1);
	assert_int_equal(sends(g, 90, 90, 0, 0), 1);
	rig_wr(g, IGB_TDT(0), RIG_DESCS); /* beyond the ring */
	assert_int_equal(rig_take(g, &fr), 0);
	f[5] ^= 1;
	assert_int_equal(arrives(g, 60), 0);
	rig_wr(g, IGB_RCTL, 0);
	assert_int_equal(arrives(g, 60), 0);
	memset(&is, 0xFF, sizeof(is));
	m82576_get_stats(g->m, &is);
	assert_memory_equal(&is, &want, offsetof(struct m82576_stats, client));
	assert_true(is.client && is.link);
	assert_int_equal(is.bad_doorbells, want.bad_doorbells);
}

/* Speed and duplex that software forces are in STATUS; what it does not force is the link's. */
static void
forced_speed_and_duplex_are_in_status(void **state)
{
	const uint32_t mask = IGB_STATUS_SPEED_MASK | IGB_STATUS_FD;
	struct rig *g = *state;
	unsigned int i, code;

	for (i = 0; i < 8; i++) {
		for (code = 0; code < 3; code++) {
			uint32_t want = (i & 1 ? code : 2) << IGB_STATUS_SPEED_SHIFT;

			if (!(i & 2) || i & 4)
				want |= IGB_STATUS_FD;
			rig_wr(g, IGB_CTRL,
					IGB_CTRL_SLU | code << 8 | (i & 1 ? IGB_CTRL_FRCSPD : 0) |
							(i & 2 ? IGB_CTRL_FRCDPLX : 0) |
							(i & 4 ? IGB_CTRL_FD : 0));
			assert_int_equal(rig_rd(g, IGB_STATUS) & mask, want);
		}
	}
	/* Forcing full duplex does not make a link of half duplex full. */
	m82576_set_partner(g->m, M82576_ABLE_100_HALF);
	rig_wr(g, IGB_CTRL, IGB_CTRL_SLU | IGB_CTRL_FRCDPLX | IGB_CTRL_FD);
	assert_int_equal(rig_rd(g, IGB_STATUS) & mask, 1u << IGB_STATUS_SPEED_SHIFT);
}

/*
 * Registers that a reset of the MAC keeps have neighbours that it resets: each value is exactly as
 * it was.
 */
static void
mac_reset_keeps_what_belongs_to_another_reset(void **state)
{
	static const struct {
		uint32_t reg, v;
	} kept[] = {
		{ IGB_EITR(0), 0x0154 },
		{ IGB_EITR(IGB_MSIX_VECTORS - 1), 0x02A8 },
		{ IGB_RXPBS, 0x35 },
		{ IGB_TXPBS, 0x1A },
		{ IGB_SW_FW_SYNC, 0x00050007 },
	};
	struct rig *g = *state;
	uint32_t status, phyra, i;

	for (phyra = 0; phyra < 2; phyra++) {
		if (phyra)
			rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_PHY_RST);
		else
			rig_wr(g, IGB_STATUS, 0);
		for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			rig_wr(g, kept[i].reg, kept[i].v);
		status = rig_rd(g, IGB_STATUS);
		assert_int_equal(!!(status & IGB_STATUS_PHYRA), phyra);
		rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
		assert_int_equal(rig_rd(g, IGB_STATUS), status);
		for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
			assert_int_equal(rig_rd(g, kept[i].reg), kept[i].v);
	}
}

/* A reset disables each queue: the next one that software enables is the only one. */
static void
reset_disables_every_queue(void **state)
{
	struct rig *g = *state;
	unsigned int q, i;

	for (i = 0; i < 2; i++) {
		for (q = 0; q < IGB_MAX_QUEUES; q++) {
			rig_rx_start(g, q, RIG_ADV);
			rig_tx_start(g, q);
			rig_wr(g, IGB_RQDPC(q), 0);
		}
		if (i == 0) {
			rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
		} else {
			vfu_rcu_offline();
			assert_int_equal(vfu_client_reset(g->c), 0);
			vfu_rcu_online();
			rig_cfg_wr(g, 4, 6, 2);
		}
		rig_rx_on(g, IGB_RCTL_SECRC);
		assert_false(m82576_listening(g->m));
		assert_int_equal(g->m->rx_enabled, 0);
		assert_int_equal(g->m->tx_enabled, 0);
		for (q = 0; q < IGB_MAX_QUEUES; q++) {
			assert_int_equal(g->m->rx_ring[q].gen & 1, 0);
			assert_int_equal(g->m->tx_ring[q].gen & 1, 0);
			assert_int_equal(rig_rd(g, IGB_RDT(q)), 0);
			assert_int_equal(rig_rd(g, IGB_TDT(q)), 0);
			assert_int_equal(rig_rd(g, IGB_RDBAH(q)), 0);
			assert_int_equal(rig_rd(g, IGB_RDLEN(q)), 0);
			assert_int_equal(rig_rd(g, IGB_TDBAH(q)), 0);
			assert_int_equal(rig_rd(g, IGB_TDLEN(q)), 0);
		}
		rig_rx_start(g, 3, RIG_ADV);
		assert_int_equal(g->m->rx_enabled, 1u << 3);
		assert_true(m82576_listening(g->m));
	}
}

/*
 * CTRL.PHY_RST resets the PHY when it is set, and the rest of the write takes effect: loopback of
 * the PHY ends with it. While the bit remains set, nothing is reset again.
 */
static void
phy_reset_of_ctrl_restores_registers_once(void **state)
{
	struct rig *g = *state;
	const uint32_t ctrl = IGB_CTRL_SLU | IGB_CTRL_VME | IGB_CTRL_PHY_RST;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		rig_wr(g, IGB_CTRL, IGB_CTRL_SLU);
		mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_CTRL, 0x1140 | IGB_PHY_CTRL_LOOPBACK);
		mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PORT_CTRL, 0x1234);
		rig_eth(f, rig_mac, 0x88B5);
		assert_int_equal(arrives(g, 60), 0); /* the receiver is the loop's */
		rig_wr(g, IGB_CTRL, ctrl);
		assert_int_equal(rig_rd(g, IGB_CTRL), ctrl);
		assert_int_equal(phy_rd(g, IGB_PHY_CTRL), 0x1140);
		assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0);
		assert_int_equal(arrives(g, 60), DD_EOP);
		mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_PORT_CTRL, 0x1234);
		rig_wr(g, IGB_CTRL, ctrl);
		assert_int_equal(phy_rd(g, IGB_PHY_PORT_CTRL), 0x1234);
	}
	/* Loopback needs no partner: without any offer it has the speed of the wire. */
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_AUTONEG_ADV, 0);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_1000T_CTRL, 0);
	mdic(g, IGB_MDIC_OP_WRITE, IGB_PHY_CTRL, 0x1340 | IGB_PHY_CTRL_LOOPBACK);
	assert_int_equal(rig_rd(g, IGB_STATUS) & (IGB_STATUS_SPEED_MASK | IGB_STATUS_LU),
			2u << IGB_STATUS_SPEED_SHIFT | IGB_STATUS_LU);
}

/* An address is matched while its AV is set, and not compared after that. */
static void
addresses_are_valid_one_by_one(void **state)
{
	static const unsigned int used[] = { 0, 1, 15, 16, 23 };
	struct rig *g = *state;
	uint32_t valid = 1, i;

	for (i = 1; i < 5; i++) {
		rig_wr(g, IGB_RAL(used[i]), 0x44332202 + (i << 8));
		rig_wr(g, IGB_RAH(used[i]), 0x6655 | IGB_RAH_AV);
		valid |= 1u << used[i];
		assert_int_equal(g->m->ra_valid, valid);
	}
	for (i = 5; i-- > 0;) {
		uint8_t mac[6] = { 0x02, (uint8_t)(0x22 + i), 0x33, 0x44, 0x55, 0x66 };

		rig_eth(f, i == 0 ? rig_mac : mac, 0x88B5);
		assert_int_equal(arrives(g, 60), DD_EOP);
		rig_wr(g, IGB_RAH(used[i]), rig_rd(g, IGB_RAH(used[i])) & ~IGB_RAH_AV);
		valid &= ~(1u << used[i]);
		assert_int_equal(g->m->ra_valid, valid);
		assert_int_equal(arrives(g, 60), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT(size_classes_are_exact),
		LIMIT(ivar_of_every_queue_selects_its_vector),
		LIMIT(phy_registers_and_pages_are_exact),
		cmocka_unit_test(speed_of_the_wire_is_in_status),
		LIMIT(aliases_and_masks_of_registers_are_exact),
		LIMIT(each_event_is_in_one_statistic_of_the_daemon),
		LIMIT(forced_speed_and_duplex_are_in_status),
		LIMIT(mac_reset_keeps_what_belongs_to_another_reset),
		LIMIT(reset_disables_every_queue),
		LIMIT(phy_reset_of_ctrl_restores_registers_once),
		LIMIT(addresses_are_valid_one_by_one),
	};

	return cmocka_run_group_tests_name("igb_model_reg_limits", tests, NULL, NULL);
}
