/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The model's registers: reset values, side effects, NVM, PHY, configuration
 * space, statistics.
 */

#include "igb_rig.h"

static void
test_reset_values(void **state)
{
	struct rig *g = *state;
	uint32_t s = rig_rd(g, IGB_STATUS);

	assert_true(s & IGB_STATUS_LU);
	assert_true(s & IGB_STATUS_FD);
	assert_true(s & IGB_STATUS_PF_RST_DONE);
	assert_int_equal((s & IGB_STATUS_SPEED_MASK) >> IGB_STATUS_SPEED_SHIFT, 2);
	assert_false(s & IGB_STATUS_TXOFF);
	igb_model_tx_pause(g->m, true);
	assert_int_equal(rig_rd(g, IGB_STATUS), s | IGB_STATUS_TXOFF);
	igb_model_tx_pause(g->m, false);
	assert_int_equal(rig_rd(g, IGB_STATUS), s);
	assert_int_equal(rig_rd(g, IGB_RXPBS), 0x40);
	assert_int_equal(rig_rd(g, IGB_TXPBS), 0x28);
	assert_int_equal(rig_rd(g, IGB_RLPML), 0x2600);
	assert_int_equal(rig_rd(g, IGB_VET), 0x81008100);
	assert_true(rig_rd(g, IGB_EECD) & IGB_EECD_PRES);
	assert_true(rig_rd(g, IGB_EECD) & IGB_EECD_AUTO_RD);
	assert_true(rig_rd(g, IGB_EEMNGCTL) & IGB_EEMNGCTL_CFG_DONE0);
	assert_int_equal(rig_rd(g, IGB_RAL(0)), 0x33221102);
	assert_int_equal(rig_rd(g, IGB_RAH(0)), IGB_RAH_AV | 0x5544);
	assert_int_equal(rig_rd(g, 0x1FFFC), 0);
	assert_int_equal(rig_rd(g, IGB_CTRL), 0x00100209);
	assert_int_equal(rig_rd(g, IGB_DTXCTL), 0x44);
	assert_int_equal(rig_rd(g, IGB_DCA_TXCTRL(5)), 0x2A00);
	assert_int_equal(rig_rd(g, IGB_GCR), 0x06850200);
}

static void
test_reset(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_RXCSUM, 0);
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	rig_wr(g, IGB_RXPBS, 0x30);
	rig_wr(g, IGB_RAL(3), 1);
	rig_wr(g, IGB_RAH(3), IGB_RAH_AV);
	rig_rx_start(g, 0, RIG_ADV);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	assert_false(rig_rd(g, IGB_CTRL) & IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_RXCSUM), IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL);
	assert_int_equal(rig_rd(g, IGB_IMS), 0);
	assert_int_equal(rig_rd(g, IGB_RXPBS), 0x30);
	assert_int_equal(rig_rd(g, IGB_RAH(3)), 0);
	assert_int_equal(rig_rd(g, IGB_RXDCTL(0)) & IGB_DCTL_ENABLE, 0);
	assert_int_equal(rig_rd(g, IGB_RDLEN(0)), 0);
	/* Throttling is not reset, nor the PHY; a reset of that is told of until it is cleared. */
	rig_wr(g, IGB_EITR(3), 0x1230);
	rig_wr(g, IGB_STATUS, 0);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_EITR(3)), 0x1230);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_PHYRA);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_PHY_RST);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_PHYRA);
	/* The 82580's device reset is none here. */
	rig_wr(g, IGB_VET, 0x12345678);
	rig_wr(g, IGB_CTRL, IGB_CTRL_DEV_RST);
	assert_int_equal(rig_rd(g, IGB_VET), 0x12345678);
	/* Forced speed and duplex. */
	rig_wr(g, IGB_CTRL, IGB_CTRL_FRCSPD | IGB_CTRL_FRCDPLX | 1u << 8);
	assert_int_equal(rig_rd(g, IGB_STATUS) & (IGB_STATUS_SPEED_MASK | IGB_STATUS_FD), 1u << 6);
	rig_wr(g, IGB_CTRL, 0);
	/* Master disable: the status bit follows. */
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_GIO_MASTER_DISABLE);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
	rcu_thread_offline();
	assert_int_equal(vfu_client_reset(g->c), 0);
	rcu_thread_online();
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
	assert_int_equal(rig_rd(g, IGB_RXPBS), 0x40);
}

static void
test_semaphores(void **state)
{
	struct rig *g = *state;

	assert_int_equal(rig_rd(g, IGB_SWSM) & IGB_SWSM_SMBI, 0);
	assert_int_equal(rig_rd(g, IGB_SWSM) & IGB_SWSM_SMBI, 1);
	rig_wr(g, IGB_SWSM, rig_rd(g, IGB_SWSM) | IGB_SWSM_SWESMBI);
	assert_true(rig_rd(g, IGB_SWSM) & IGB_SWSM_SWESMBI);
	rig_wr(g, IGB_SW_FW_SYNC, IGB_SW_FW_PHY0);
	assert_int_equal(rig_rd(g, IGB_SW_FW_SYNC), IGB_SW_FW_PHY0);
	rig_wr(g, IGB_SWSM, 0);
	assert_int_equal(rig_rd(g, IGB_SWSM), 0);
	/* A client that leaves holding it does not lock out the next. */
	rig_disconnect(g);
	usleep(100000);
	rig_connect(g);
	assert_int_equal(rig_rd(g, IGB_SWSM) & IGB_SWSM_SMBI, 0);
	rig_wr(g, IGB_SWSM, 0);
}

static uint16_t
nvm(struct rig *g, uint32_t word)
{
	rig_wr(g, IGB_EERD, word << IGB_EERD_ADDR_SHIFT | IGB_EERD_START);
	assert_true(rig_rd(g, IGB_EERD) & IGB_EERD_DONE);
	return (uint16_t)(rig_rd(g, IGB_EERD) >> IGB_EERD_DATA_SHIFT);
}

static void
test_nvm(void **state)
{
	struct rig *g = *state;
	uint16_t sum = 0;
	uint32_t i;

	for (i = 0; i <= IGB_NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + nvm(g, i));
	assert_int_equal(sum, IGB_NVM_CHECKSUM_SUM);
	assert_int_equal(nvm(g, 0), 0x1102);
	assert_int_equal(nvm(g, 2), 0x5544);
	assert_int_equal(nvm(g, IGB_NVM_DEVICE_ID), IGB_DEV_ID_82576);
	assert_int_equal(nvm(g, 0x3FFF), 0xFFFF);
	rig_wr(g, IGB_EECD, rig_rd(g, IGB_EECD) | IGB_EECD_REQ);
	assert_true(rig_rd(g, IGB_EECD) & IGB_EECD_GNT);
	rig_wr(g, IGB_EECD, rig_rd(g, IGB_EECD) & ~IGB_EECD_REQ);
	assert_false(rig_rd(g, IGB_EECD) & IGB_EECD_GNT);
}

static uint32_t
phy(struct rig *g, uint32_t reg)
{
	uint32_t v;

	rig_wr(g, IGB_MDIC,
		reg << IGB_MDIC_REG_SHIFT | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT | IGB_MDIC_OP_READ);
	v = rig_rd(g, IGB_MDIC);
	assert_true(v & IGB_MDIC_READY);
	assert_false(v & IGB_MDIC_ERROR);
	assert_int_equal((v >> IGB_MDIC_REG_SHIFT) & 0x1F, reg);
	return v & 0xFFFF;
}

static void
phy_wr(struct rig *g, uint32_t reg, uint32_t v)
{
	rig_wr(g, IGB_MDIC,
		v | reg << IGB_MDIC_REG_SHIFT | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
			IGB_MDIC_OP_WRITE);
	assert_true(rig_rd(g, IGB_MDIC) & IGB_MDIC_READY);
}

static void
test_phy(void **state)
{
	struct rig *g = *state;

	assert_int_equal(phy(g, IGB_PHY_ID1) << 16 | phy(g, IGB_PHY_ID2), IGB_PHY_ID_82576);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_AN_DONE);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) | IGB_PHY_CTRL_POWER_DOWN);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) & ~IGB_PHY_CTRL_POWER_DOWN);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	/* Latched low: once. */
	assert_false(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	/* Negotiation that starts again shows, short as it is. */
	rig_rd(g, IGB_ICR);
	phy_wr(g, IGB_PHY_CTRL, phy(g, IGB_PHY_CTRL) | IGB_PHY_CTRL_RESTART_AN);
	assert_int_equal(rig_rd(g, IGB_ICR), IGB_ICR_LSC);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	assert_false(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	assert_true(phy(g, IGB_PHY_STATUS) & IGB_PHY_STATUS_LINK);
	phy_wr(g, IGB_PHY_CTRL, IGB_PHY_CTRL_RESET);
	assert_int_equal(phy(g, IGB_PHY_CTRL), 0x1140);
	/* Nobody at another address. */
	rig_wr(g, IGB_MDIC, 5u << IGB_MDIC_PHY_SHIFT | IGB_MDIC_OP_READ);
	assert_true(rig_rd(g, IGB_MDIC) & IGB_MDIC_ERROR);
	/* The cable's length, on another page. */
	phy_wr(g, IGB_PHY_PAGE_SELECT, 0x11B1);
	assert_int_not_equal(phy(g, 0x11) >> 9, 0);
	phy_wr(g, IGB_PHY_PAGE_SELECT, 0);
}

static void
test_masks(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_IMS, 0x5);
	rig_wr(g, IGB_IMS, 0x10);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x15);
	rig_wr(g, IGB_IMC, 0x4);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x11);
	assert_int_equal(rig_rd(g, IGB_ICR_BLOCK + 8), 0x11); /* its other address */
	rig_wr(g, IGB_ICR_BLOCK + 16, 0x22);
	assert_int_equal(rig_rd(g, IGB_IAM), 0x22);
	rig_wr(g, IGB_EIMS, 0x3);
	rig_wr(g, IGB_EIMC, 0x1);
	assert_int_equal(rig_rd(g, IGB_EIMS), 2);
	assert_int_equal(rig_rd(g, IGB_IMC), 0x11);
	rig_wr(g, IGB_IMC, ~0u);
	/* IAM: what reading masks; with NSICR even if there was no cause. */
	rig_rd(g, IGB_ICR);
	rig_wr(g, IGB_IAM, 0x4);
	rig_wr(g, IGB_IMS, 0x14);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x14);
	rig_wr(g, IGB_GPIE, IGB_GPIE_NSICR);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	assert_int_equal(rig_rd(g, IGB_IMS), 0x10);
	rig_wr(g, IGB_GPIE, 0);
	rig_wr(g, IGB_IMC, ~0u);
	rig_wr(g, IGB_IMS, ~0u); /* only what there is */
	assert_int_equal(rig_rd(g, IGB_IMS), 0x77DCFBFD);
	rig_wr(g, IGB_IMC, ~0u);
	rig_wr(g, IGB_EIMS, ~0u);
	assert_int_equal(rig_rd(g, IGB_EIMS), 0xC000FFFF);
	rig_wr(g, IGB_EIMC, ~0u);
	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	rig_wr(g, IGB_EIMS, ~0u);
	assert_int_equal(rig_rd(g, IGB_EIMS), 0x01FFFFFF);
	rig_wr(g, IGB_EICS, ~0u);
	assert_int_equal(rig_rd(g, IGB_EICR), 0x01FFFFFF);
	rig_wr(g, IGB_EIMC, ~0u);
	rig_wr(g, IGB_GPIE, 0);
	/* ICS sets, a write of 1 clears, a read clears all (nothing unmasked). */
	rig_wr(g, IGB_ICS, 0x14);
	rig_wr(g, IGB_ICR, 0x10);
	assert_int_equal(rig_rd(g, IGB_ICR), 0x4);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	/* Aliases of the queues' registers. */
	rig_wr(g, IGB_RXQ_ALIAS_BASE + 0x200, 0x1000);
	assert_int_equal(rig_rd(g, IGB_RDBAL(2)), 0x1000);
	rig_wr(g, IGB_TDLEN(3), 0x400);
	assert_int_equal(rig_rd(g, IGB_TXQ_ALIAS_BASE + 0x308), 0x400);
	rig_wr(g, 0x00048, 0x12345678);
	assert_int_equal(rig_rd(g, IGB_RAL(1)), 0x12345678);
	rig_wr(g, IGB_MTA(127), 0x11);
	assert_int_equal(rig_rd(g, 0x003FC), 0x11);
	rig_wr(g, 0x00604, 0x22);
	assert_int_equal(rig_rd(g, IGB_VFTA(1)), 0x22);
	/* Bits that are not there. */
	rig_wr(g, IGB_FCRTL, ~0u);
	assert_int_equal(rig_rd(g, IGB_FCRTL), 0x8000FFF8);
	rig_wr(g, IGB_GCR, 0);
	assert_int_equal(rig_rd(g, IGB_GCR), 0x06800000);
	/* I/O space reaches the same registers. */
	rcu_thread_offline();
	uint32_t v = IGB_TDLEN(3);
	assert_int_equal(vfu_client_region_write(g->c, 2, 0, &v, 4), 0);
	assert_int_equal(vfu_client_region_read(g->c, 2, 4, &v, 4), 0);
	assert_int_equal(v, 0x400);
	/* Accesses that no bus would make. */
	assert_true(vfu_client_region_write(g->c, 0, 2, &v, 4) < 0);
	assert_true(vfu_client_region_write(g->c, 0, 0, &v, 2) < 0);
	assert_true(vfu_client_region_read(g->c, 0, IGB_BAR0_SIZE - 2, &v, 4) < 0);
	rcu_thread_online();
}

static void
test_pci(void **state)
{
	struct rig *g = *state;
	uint32_t at, seen = 0, n;

	assert_int_equal(rig_cfg_rd(g, 0, 4), IGB_DEV_ID_82576 << 16 | IGB_VENDOR_ID_INTEL);
	assert_int_equal(rig_cfg_rd(g, 10, 2), 0x0200);
	rig_cfg_wr(g, 0x10, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x10, 4), ~(IGB_BAR0_SIZE - 1u));
	rig_cfg_wr(g, 0x18, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x18, 4), (uint32_t)~0x1F | 1);
	rig_cfg_wr(g, 0x1C, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x1C, 4), ~(IGB_BAR3_SIZE - 1u));
	rig_cfg_wr(g, 0x20, ~0u, 4);
	assert_int_equal(rig_cfg_rd(g, 0x20, 4), 0);
	for (at = rig_cfg_rd(g, 0x34, 1), n = 0; at != 0 && n < 16;
		at = rig_cfg_rd(g, at + 1, 1), n++) {
		uint32_t id = rig_cfg_rd(g, at, 1);

		seen |= 1u << id;
		if (id == 0x11) {
			assert_int_equal(rig_cfg_rd(g, at + 2, 2) & 0x7FF, IGB_MSIX_VECTORS - 1);
			assert_int_equal(rig_cfg_rd(g, at + 8, 4), IGB_MSIX_PBA_OFFSET | 3);
		}
		if (id == IGB_VNDR_CAP_ID) {
			assert_int_equal(
				rig_cfg_rd(g, at + IGB_VNDR_CAP_SIG, 4), IGB_VNDR_CAP_SIGNATURE);
			assert_int_equal(rig_cfg_rd(g, at + IGB_VNDR_CAP_SPEED, 4), 1000);
			assert_int_equal(rig_cfg_rd(g, at + 2, 1), IGB_VNDR_CAP_LEN);
			assert_int_equal(rig_cfg_rd(g, at + IGB_VNDR_CAP_VERSION, 4), 2);
			assert_int_equal(rig_cfg_rd(g, at + IGB_VNDR_CAP_ADDR_BITS, 4), 64);
		}
	}
	assert_int_equal(seen, 1u << 1 | 1u << 5 | 1u << 9 | 1u << 16 | 1u << 17);
	/* The MSI-X table remembers; the PBA cannot be written. */
	rcu_thread_offline();
	uint32_t v = 0xFEE00001;
	assert_int_equal(vfu_client_region_write(g->c, 3, 0x10, &v, 4), 0);
	assert_int_equal(vfu_client_region_read(g->c, 3, 0x10, &v, 4), 0);
	assert_int_equal(v, 0xFEE00000);
	assert_int_equal(vfu_client_region_read(g->c, 3, 0x1C, &v, 4), 0);
	assert_int_equal(v, 1);
	rcu_thread_online();
}

static void
test_statistics(void **state)
{
	struct rig *g = *state;
	uint8_t f[128] = {0};
	uint32_t len = rig_ipv4(f, 17, 60);
	struct igb_model_stats st;

	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_BAM | IGB_RCTL_SECRC);
	rig_send_in(g, f, len, 0);
	rig_send_in(g, f, len, 0);
	assert_int_equal(rig_rd(g, IGB_GPRC), 2);
	assert_int_equal(rig_rd(g, IGB_GPRC), 0);
	assert_int_equal(rig_rd(g, IGB_TPR), 2);
	assert_int_equal(rig_rd(g, IGB_PRC127), 2);
	assert_int_equal(rig_rd(g, IGB_GORCL), 2 * (len + 4));
	assert_int_equal(rig_rd(g, IGB_GORCH), 0);
	rig_send_in(g, f, len, IGB_FRAME_BAD_FCS);
	assert_int_equal(rig_rd(g, IGB_CRCERRS), 1);
	rig_send_in(g, f, 59, 0);
	assert_int_equal(rig_rd(g, IGB_RUC), 1);
	assert_int_equal(rig_rd(g, IGB_TPR), 2); /* whatever they were */
	assert_int_equal(rig_rd(g, IGB_TORL), 3 * (len + 4) + 63);
	igb_model_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 2);
	assert_int_equal(st.rx_bad, 2);
	assert_true(st.client && st.link);
	/* More than 32 bits, latched by the low half. */
	g->m->rxc.stat[IGB_STAT(IGB_GORCL)] += 5ull << 32;
	assert_int_equal(rig_rd(g, IGB_GORCL), 0);
	assert_int_equal(rig_rd(g, IGB_GORCH), 5);
	assert_int_equal(rig_rd(g, IGB_GORCH), 0);
	/* A reset brings registers to 0, not the owner's counters. */
	rig_send_in(g, f, len, 0);
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_GPRC), 0);
	igb_model_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reset_values, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_reset, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_semaphores, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_nvm, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_phy, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_masks, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_pci, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_statistics, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
