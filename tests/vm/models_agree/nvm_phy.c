/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The parts that a driver uses before it transmits: the NVM (8.4.2), semaphores (8.6), the PHY
 * behind MDIC (8.2.4), the link (4.5.7).
 */

#include <string.h>

#include <rte_cycles.h>

#include "ma.h"

static void
nvm(void)
{
	static const struct {
		const char *name;
		unsigned int word;
	} words[] = { { "compat", IGB_NVM_COMPAT }, { "pba0", IGB_NVM_PBA_1 },
		{ "pba1", IGB_NVM_PBA_1 + 1 }, { "init1", IGB_NVM_INIT_CTRL_1 },
		{ "subsystem", IGB_NVM_SUBSYS_ID }, { "subvendor", IGB_NVM_SUBSYS_VENDOR },
		{ "device", IGB_NVM_DEVICE_ID }, { "init2", IGB_NVM_INIT_CTRL_2 },
		{ "init3", IGB_NVM_INIT_CTRL_3_LAN0 }, { "led", 0x04 }, { "altmac", 0x37 } };
	uint16_t sum = 0;
	unsigned int i;

	ma_case("eerd");
	for (i = 0; i <= IGB_NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + ma_nvm_read(&ma_a, i));
	ma_fact("sum", "0x%04x", sum);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		ma_fact(words[i].name, "0x%04x", ma_nvm_read(&ma_a, words[i].word));
	/* The register holds the address during the read; START does not stay set. */
	(void)ma_nvm_read(&ma_a, IGB_NVM_DEVICE_ID);
	ma_fact("register", "0x%04x", ma_rd(&ma_a, IGB_EERD) & 0xFFFF);
	ma_wr(&ma_a, IGB_EERD, 5u << IGB_EERD_ADDR_SHIFT);
	ma_fact("no_start", "0x%08x", ma_rd(&ma_a, IGB_EERD));
}

/* 4.7: the reader that reads SMBI as 0 owns it; the writer of SWESMBI owns it if it stays set. */
static void
semaphores(void)
{
	ma_case("swsm");
	ma_wr(&ma_a, IGB_SWSM, 0);
	ma_fact("smbi.first", "0x%x", ma_rd(&ma_a, IGB_SWSM));
	ma_fact("smbi.second", "0x%x", ma_rd(&ma_a, IGB_SWSM));
	ma_wr(&ma_a, IGB_SWSM, IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
	ma_fact("swesmbi.taken", "0x%x", ma_rd(&ma_a, IGB_SWSM));
	ma_wr(&ma_a, IGB_SW_FW_SYNC, IGB_SW_FW_PHY0 | IGB_SW_FW_EEP);
	ma_fact("sw_fw.taken", "0x%x", ma_rd(&ma_a, IGB_SW_FW_SYNC));
	ma_wr(&ma_a, IGB_SW_FW_SYNC, 0);
	ma_fact("sw_fw.given", "0x%x", ma_rd(&ma_a, IGB_SW_FW_SYNC));
	ma_wr(&ma_a, IGB_SWSM, 0);
	ma_fact("given", "0x%x", ma_rd(&ma_a, IGB_SWSM));
	ma_wr(&ma_a, IGB_SWSM, IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
	ma_wr(&ma_a, IGB_SW_FW_SYNC, IGB_SW_FW_PHY0);
	ma_reset(&ma_a);
	ma_fact("after_rst", "0x%x", ma_rd(&ma_a, IGB_SWSM));
	ma_fact("sw_fw.after_rst", "0x%x", ma_rd(&ma_a, IGB_SW_FW_SYNC));
	ma_wr(&ma_a, IGB_SWSM, 0);
	ma_wr(&ma_a, IGB_SW_FW_SYNC, 0);
	ma_fact("fwsm", "0x%x", ma_rd(&ma_a, IGB_FWSM));
}

static uint32_t
mdic(uint32_t v)
{
	ma_wr(&ma_a, IGB_MDIC, v);
	rte_delay_us_sleep(1000);
	return ma_rd(&ma_a, IGB_MDIC);
}

static void
phy(void)
{
	static const uint8_t regs[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 19, 25 };
	unsigned int i;

	ma_reset(&ma_a);
	ma_link_up(&ma_a);
	ma_case("phy");
	(void)ma_phy_read(&ma_a, IGB_PHY_STATUS); /* a link loss since the last read shows once */
	for (i = 0; i < sizeof(regs); i++)
		ma_fact(ma_key("reg%02u", regs[i]), "0x%04x", ma_phy_read(&ma_a, regs[i]));
	ma_fact("register", "0x%08x",
			mdic(IGB_MDIC_OP_READ | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
					IGB_PHY_ID1 << IGB_MDIC_REG_SHIFT));
	/* No PHY answers at another address. */
	ma_fact("nobody", "0x%08x",
			mdic(IGB_MDIC_OP_READ | 3u << IGB_MDIC_PHY_SHIFT |
					IGB_PHY_ID1 << IGB_MDIC_REG_SHIFT) &
					(IGB_MDIC_READY | IGB_MDIC_ERROR));
	ma_fact("write", "0x%08x",
			mdic(IGB_MDIC_OP_WRITE | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
					IGB_PHY_AUTONEG_ADV << IGB_MDIC_REG_SHIFT | 0x01E1));
	ma_fact("written", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_AUTONEG_ADV));
	ma_phy_write(&ma_a, IGB_PHY_ID1, 0x5555);
	ma_fact("read_only", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_ID1));
	ma_phy_write(&ma_a, IGB_PHY_PAGE_SELECT, 0);
	ma_fact("page0", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_ID1));
	(void)ma_rd(&ma_a, IGB_ICR);
	mdic(IGB_MDIC_OP_READ | IGB_MDIC_INT_EN | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
			IGB_PHY_ID1 << IGB_MDIC_REG_SHIFT);
	ma_fact("icr", "0x%08x", ma_rd(&ma_a, IGB_ICR) & ~IGB_ICR_INT_ASSERTED);
	ma_phy_write(&ma_a, IGB_PHY_CTRL, IGB_PHY_CTRL_RESET);
	ma_fact("reset", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_CTRL));
	ma_fact("reset.adv", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_AUTONEG_ADV));
}

static void
link(void)
{
	uint32_t up = IGB_STATUS_LU | IGB_STATUS_FD | IGB_STATUS_SPEED_MASK;

	ma_case("link");
	ma_reset(&ma_a);
	(void)ma_rd(&ma_a, IGB_ICR);
	ma_wr(&ma_a, IGB_CTRL, ma_rd(&ma_a, IGB_CTRL) | IGB_CTRL_SLU);
	/* No immediate effect is certain, because autonegotiation takes time. */
	ma_phy_write(&ma_a, IGB_PHY_CTRL,
			0x0140 | IGB_PHY_CTRL_AUTONEG_EN | IGB_PHY_CTRL_RESTART_AN);
	ma_fact("restart", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_CTRL));
	ma_fact("up", "%s",
			ma_wait_reg(&ma_a, IGB_STATUS, IGB_STATUS_LU, IGB_STATUS_LU) ? "yes" :
										       "no");
	ma_fact("status", "0x%x", ma_rd(&ma_a, IGB_STATUS) & up);
	(void)ma_phy_read(&ma_a, IGB_PHY_STATUS);
	ma_fact("bmsr", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_STATUS));
	/* The driver sets flow control to what the PHY negotiated (8.2.1). */
	ma_fact("flow_control", "0x%x", ma_rd(&ma_a, IGB_CTRL) & (IGB_CTRL_RFCE | IGB_CTRL_TFCE));

	(void)ma_rd(&ma_a, IGB_ICR);
	ma_phy_write(&ma_a, IGB_PHY_CTRL,
			0x0140 | IGB_PHY_CTRL_AUTONEG_EN | IGB_PHY_CTRL_POWER_DOWN);
	ma_fact("power_down", "0x%x", ma_rd(&ma_a, IGB_STATUS) & IGB_STATUS_LU);
	ma_fact("power_down.bmsr", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_STATUS));
	ma_fact("power_down.icr", "0x%x", ma_rd(&ma_a, IGB_ICR) & IGB_ICR_LSC);
	ma_phy_write(&ma_a, IGB_PHY_CTRL,
			0x0140 | IGB_PHY_CTRL_AUTONEG_EN | IGB_PHY_CTRL_RESTART_AN);
	ma_fact("power_up", "%s",
			ma_wait_reg(&ma_a, IGB_STATUS, IGB_STATUS_LU, IGB_STATUS_LU) ? "yes" :
										       "no");
	ma_fact("power_up.icr", "0x%x", ma_rd(&ma_a, IGB_ICR) & IGB_ICR_LSC);

	/* Restarting autonegotiation takes the link down and up again. */
	(void)ma_phy_read(&ma_a, IGB_PHY_STATUS);
	ma_phy_write(&ma_a, IGB_PHY_CTRL,
			0x0140 | IGB_PHY_CTRL_AUTONEG_EN | IGB_PHY_CTRL_RESTART_AN);
	ma_fact("renegotiate", "%s",
			ma_wait_reg(&ma_a, IGB_STATUS, IGB_STATUS_LU, IGB_STATUS_LU) ? "yes" :
										       "no");
	ma_fact("renegotiate.icr", "0x%x", ma_rd(&ma_a, IGB_ICR) & IGB_ICR_LSC);

	/* Forced speed and duplex show in STATUS (8.2.2). */
	ma_wr(&ma_a, IGB_CTRL,
			(ma_rd(&ma_a, IGB_CTRL) & ~(IGB_CTRL_SPEED_MASK | IGB_CTRL_FD)) |
					IGB_CTRL_FRCSPD | IGB_CTRL_FRCDPLX | 1u << 8);
	ma_fact("forced", "0x%x", ma_rd(&ma_a, IGB_STATUS) & (up & ~IGB_STATUS_LU));
	ma_reset(&ma_a);
}

void
ma_nvm_phy(void)
{
	ma_reset(&ma_a);
	nvm();
	semaphores();
	phy();
	link();
}
