/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Registers: their values after a reset of the function (which the bus made before it passed on the
 * device), the bits that software can change, and the bits that survive CTRL.RST and CTRL.PHY_RST
 * (4.2, and the section of each register in chapter 8).
 */

#include <string.h>

#include <rte_cycles.h>

#include "ma.h"

/* Registers that the shared header does not define. */
#define DCA_ID   0x05B70
#define DCA_CTRL 0x05B74

/*
 * "ones" is the value written to find out which bits stay set. 0: not written, because of side
 * effects.
 */
static const struct {
	const char *name;
	uint32_t off, ones;
} regs[] = {
	{ "CTRL", IGB_CTRL,
			~(IGB_CTRL_RST | IGB_CTRL_PHY_RST | IGB_CTRL_DEV_RST |
					IGB_CTRL_GIO_MASTER_DISABLE) },
	{ "STATUS", IGB_STATUS, 0 },
	{ "EECD", IGB_EECD, IGB_EECD_REQ },
	{ "CTRL_EXT", IGB_CTRL_EXT, ~(IGB_CTRL_EXT_EE_RST | IGB_CTRL_EXT_LINK_MODE_MASK) },
	{ "FLA", IGB_FLA, 0 },
	{ "FCAL", IGB_FCAL, ~0u },
	{ "FCAH", IGB_FCAH, ~0u },
	{ "FCT", IGB_FCT, ~0u },
	{ "CONNSW", IGB_CONNSW, 0 },
	{ "VET", IGB_VET, ~0u },
	{ "FCTTV", IGB_FCTTV, ~0u },
	{ "LEDCTL", IGB_LEDCTL, ~0u },
	{ "EEMNGCTL", IGB_EEMNGCTL, 0 },
	{ "FCRTL", IGB_FCRTL, ~0u },
	{ "FCRTH", IGB_FCRTH, ~0u },
	{ "FCRTV", IGB_FCRTV, ~0u },
	{ "ICR", IGB_ICR, 0 },
	{ "IMS", IGB_IMS, 0 },
	{ "IAM", IGB_IAM, ~0u },
	{ "GPIE", IGB_GPIE, ~0u },
	{ "EIMS", IGB_EIMS, 0 },
	{ "EIAC", IGB_EIAC, 0 },
	{ "EIAM", IGB_EIAM, 0 },
	{ "EICR", IGB_EICR, 0 },
	{ "EITR0", IGB_EITR(0), ~0u },
	{ "EITR24", IGB_EITR(24), ~0u },
	{ "IVAR0", IGB_IVAR(0), ~0u },
	{ "IVAR7", IGB_IVAR(7), ~0u },
	{ "IVAR_MISC", IGB_IVAR_MISC, ~0u },
	{ "PBACL", IGB_PBACL, 0 },
	{ "RCTL", IGB_RCTL, ~IGB_RCTL_RXEN },
	{ "RXPBS", IGB_RXPBS, ~0u },
	{ "QDE", IGB_QDE, 0 },
	{ "RXCSUM", IGB_RXCSUM, ~0u },
	{ "RLPML", IGB_RLPML, ~0u },
	{ "RFCTL", IGB_RFCTL, ~0u },
	{ "PSRTYPE0", IGB_PSRTYPE(0), ~0u },
	{ "TCTL", IGB_TCTL, ~IGB_TCTL_EN },
	{ "TCTL_EXT", IGB_TCTL_EXT, ~0u },
	{ "TIPG", IGB_TIPG, ~0u },
	{ "TXPBS", IGB_TXPBS, ~0u },
	{ "DTXCTL", IGB_DTXCTL, ~0u },
	{ "DTXTCPFLGL", IGB_DTXTCPFLGL, ~0u },
	{ "DTXTCPFLGH", IGB_DTXTCPFLGH, ~0u },
	{ "MRQC", IGB_MRQC, ~1u },
	{ "VT_CTL", IGB_VT_CTL, ~0u },
	{ "RAL1", IGB_RAL(1), ~0u },
	{ "RAH1", IGB_RAH(1), ~0u },
	{ "RAL23", IGB_RAL(23), ~0u },
	{ "RAH23", IGB_RAH(23), ~0u },
	{ "VMOLR0", IGB_VMOLR(0), ~0u },
	{ "RPLOLR", IGB_RPLOLR, ~0u },
	{ "RDBAL0", IGB_RDBAL(0), ~0u },
	{ "RDBAH0", IGB_RDBAH(0), ~0u },
	{ "RDLEN0", IGB_RDLEN(0), ~0u },
	{ "SRRCTL0", IGB_SRRCTL(0), ~0u },
	{ "SRRCTL1", IGB_SRRCTL(1), ~0u },
	{ "RDH0", IGB_RDH(0), 0 },
	{ "RDT0", IGB_RDT(0), 0 },
	{ "RXDCTL0", IGB_RXDCTL(0), ~(IGB_DCTL_ENABLE | IGB_DCTL_SWFLSH) },
	{ "RXDCTL1", IGB_RXDCTL(1), ~(IGB_DCTL_ENABLE | IGB_DCTL_SWFLSH) },
	{ "DCA_RXCTRL0", IGB_DCA_RXCTRL(0), ~0u },
	{ "RQDPC0", IGB_RQDPC(0), 0 },
	{ "TDBAL0", IGB_TDBAL(0), ~0u },
	{ "TDBAH0", IGB_TDBAH(0), ~0u },
	{ "TDLEN0", IGB_TDLEN(0), ~0u },
	{ "TDH0", IGB_TDH(0), 0 },
	{ "TDT0", IGB_TDT(0), 0 },
	{ "TXDCTL0", IGB_TXDCTL(0), ~(IGB_DCTL_ENABLE | IGB_DCTL_SWFLSH) },
	{ "TXDCTL1", IGB_TXDCTL(1), ~(IGB_DCTL_ENABLE | IGB_DCTL_SWFLSH) },
	{ "DCA_TXCTRL0", IGB_DCA_TXCTRL(0), ~0u },
	{ "TDWBAL0", IGB_TDWBAL(0), ~0u },
	{ "TDWBAH0", IGB_TDWBAH(0), ~0u },
	{ "WUC", IGB_WUC, ~0u },
	{ "WUFC", IGB_WUFC, ~0u },
	{ "WUS", IGB_WUS, 0 },
	{ "MANC", IGB_MANC, ~0u },
	{ "MANC2H", IGB_MANC2H, ~0u },
	{ "GCR", IGB_GCR, ~0u },
	{ "FACTPS", IGB_FACTPS, 0 },
	{ "FWSM", IGB_FWSM, 0 },
	{ "SW_FW_SYNC", IGB_SW_FW_SYNC, ~0u },
	{ "DCA_ID", DCA_ID, 0 },
	{ "DCA_CTRL", DCA_CTRL, ~0u },
	{ "PCS_CFG", IGB_PCS_CFG, ~0u },
	{ "PCS_LCTL", IGB_PCS_LCTL, ~0u },
	{ "PCS_LSTAT", IGB_PCS_LSTAT, 0 },
};

#define NUM_REGS (sizeof(regs) / sizeof(regs[0]))

/* Arrays of registers of one kind: an array yields one or two facts. */
static const struct {
	const char *name;
	uint32_t first, count;
} arrays[] = {
	{ "MTA", IGB_MTA(0), IGB_NUM_MTA },
	{ "VFTA", IGB_VFTA(0), IGB_NUM_VFTA },
	{ "RETA", IGB_RETA(0), IGB_NUM_RETA / 4 },
	{ "RSSRK", IGB_RSSRK(0), 10 },
	{ "UTA", IGB_UTA(0), 128 },
	{ "EITR", IGB_EITR(0), 25 },
	{ "IVAR", IGB_IVAR(0), 8 },
	{ "statistics", IGB_STATS_FIRST, (IGB_STATS_LAST - IGB_STATS_FIRST) / 4 + 1 },
};

#define NUM_ARRAYS (sizeof(arrays) / sizeof(arrays[0]))

static unsigned int
count_equal(unsigned int a, uint32_t v)
{
	unsigned int i, n = 0;

	for (i = 0; i < arrays[a].count; i++)
		n += ma_rd(&ma_a, arrays[a].first + 4 * i) == v;
	return n;
}

static void
address_facts(const char *what)
{
	uint32_t ral = ma_rd(&ma_a, IGB_RAL(0)), rah = ma_rd(&ma_a, IGB_RAH(0));
	bool own = ral ==
					((uint32_t)ma_nvm_read(&ma_a, IGB_NVM_MAC + 1) << 16 |
							ma_nvm_read(&ma_a, IGB_NVM_MAC)) &&
			(rah & 0xFFFF) == ma_nvm_read(&ma_a, IGB_NVM_MAC + 2);

	/* 6.2.1: loaded from the NVM. */
	ma_fact(ma_key("%s.RA0", what), "%s, RAH0 without it 0x%08x", own ? "the NVM's" : "another",
			rah & ~0xFFFFu);
}

/* Each register, before anything but the bus has written to the device. */
void
ma_regs_first(void)
{
	unsigned int i;

	for (i = 0; i < NUM_REGS; i++)
		ma_fact(regs[i].name, "0x%08x", ma_rd(&ma_a, regs[i].off));
	for (i = 0; i < NUM_ARRAYS; i++)
		ma_fact(arrays[i].name, "%u of %u are 0", count_equal(i, 0), arrays[i].count);
	address_facts("address");
}

static void
writable(void)
{
	unsigned int i;
	uint32_t old, ones, zeros;

	ma_case("bits");
	for (i = 0; i < NUM_REGS; i++) {
		if (regs[i].ones == 0)
			continue;
		old = ma_rd(&ma_a, regs[i].off);
		ma_wr(&ma_a, regs[i].off, regs[i].ones);
		ones = ma_rd(&ma_a, regs[i].off);
		ma_wr(&ma_a, regs[i].off, 0);
		zeros = ma_rd(&ma_a, regs[i].off);
		ma_wr(&ma_a, regs[i].off, old);
		ma_fact(regs[i].name, "set 0x%08x cleared 0x%08x", ones, zeros);
	}
	for (i = 0; i + 1 < NUM_ARRAYS; i++) {
		unsigned int k;

		for (k = 0; k < arrays[i].count; k++)
			ma_wr(&ma_a, arrays[i].first + 4 * k, 0x5A005A5A + k);
		for (ones = k = 0; k < arrays[i].count; k++)
			ones += ma_rd(&ma_a, arrays[i].first + 4 * k) == 0x5A005A5A + k;
		ma_fact(arrays[i].name, "%u of %u keep what is written", ones, arrays[i].count);
	}
}

/* Change registers, reset, and record whether the change survives, and the value otherwise. */
static void
after_reset(void)
{
	uint32_t changed[NUM_REGS], now, words = 0;
	unsigned int i;

	ma_reset(&ma_a);
	ma_case("rst");
	for (i = 0; i < NUM_REGS; i++) {
		if (regs[i].ones != 0)
			ma_wr(&ma_a, regs[i].off, regs[i].ones & 0x00FFFFF0);
		changed[i] = ma_rd(&ma_a, regs[i].off);
	}
	for (i = 0; i < NUM_ARRAYS; i++)
		for (words = 0; words < arrays[i].count; words++)
			ma_wr(&ma_a, arrays[i].first + 4 * words, 0x5A005A5A + words);
	ma_wr(&ma_a, IGB_RAL(0), 0x11111111);
	ma_wr(&ma_a, IGB_RAH(0), 0x80002222);
	ma_reset(&ma_a);
	for (i = 0; i < NUM_REGS; i++) {
		now = ma_rd(&ma_a, regs[i].off);
		if (changed[i] != now && regs[i].ones != 0)
			ma_fact(regs[i].name, "0x%08x", now);
		else if (regs[i].ones != 0)
			ma_fact(regs[i].name, "kept");
	}
	for (i = 0; i < NUM_ARRAYS; i++)
		ma_fact(arrays[i].name, "%u of %u are 0", count_equal(i, 0), arrays[i].count);
	address_facts("address");
}

/*
 * 4.2.1.10, 8.2.1: PHY_RST resets the PHY while it is set; STATUS.PHYRA reports the reset until
 * software writes 0 to it. CTRL.RST does not affect the PHY.
 */
static void
phy_reset(void)
{
	ma_case("phy_rst");
	ma_reset(&ma_a);
	ma_link_up(&ma_a);
	ma_phy_write(&ma_a, IGB_PHY_AUTONEG_ADV, 0x0021);
	ma_wr(&ma_a, IGB_STATUS, 0);
	ma_fact("phyra.cleared", "0x%x", ma_rd(&ma_a, IGB_STATUS) & IGB_STATUS_PHYRA);
	ma_wr(&ma_a, IGB_CTRL, ma_rd(&ma_a, IGB_CTRL) | IGB_CTRL_RST);
	rte_delay_us_sleep(2000);
	ma_fact("adv.after_rst", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_AUTONEG_ADV));
	ma_fact("phyra.after_rst", "0x%x", ma_rd(&ma_a, IGB_STATUS) & IGB_STATUS_PHYRA);
	ma_fact("link.after_rst", "0x%x", ma_rd(&ma_a, IGB_STATUS) & IGB_STATUS_LU);
	ma_phy_write(&ma_a, IGB_PHY_AUTONEG_ADV, 0x0021);
	ma_wr(&ma_a, IGB_STATUS, 0);
	ma_wr(&ma_a, IGB_CTRL, ma_rd(&ma_a, IGB_CTRL) | IGB_CTRL_PHY_RST);
	rte_delay_us_sleep(2000);
	ma_wr(&ma_a, IGB_CTRL, ma_rd(&ma_a, IGB_CTRL) & ~IGB_CTRL_PHY_RST);
	rte_delay_us_sleep(2000);
	ma_fact("adv.after_phy_rst", "0x%04x", ma_phy_read(&ma_a, IGB_PHY_AUTONEG_ADV));
	ma_fact("phyra.after_phy_rst", "0x%x", ma_rd(&ma_a, IGB_STATUS) & IGB_STATUS_PHYRA);

	/* Bit 29 is a device reset in the 82580; in the 82576 it is reserved. */
	ma_wr(&ma_a, IGB_VET, 0x12345678);
	ma_wr(&ma_a, IGB_CTRL, ma_rd(&ma_a, IGB_CTRL) | IGB_CTRL_DEV_RST);
	rte_delay_us_sleep(2000);
	ma_fact("bit29.set", "0x%x", ma_rd(&ma_a, IGB_CTRL) & IGB_CTRL_DEV_RST);
	ma_fact("bit29.vet", "0x%08x", ma_rd(&ma_a, IGB_VET));
	ma_wr(&ma_a, IGB_CTRL, ma_rd(&ma_a, IGB_CTRL) & ~IGB_CTRL_DEV_RST);
}

/* 5.2.3.3: master disable; STATUS reports when the last request has completed. */
static void
master_disable(void)
{
	ma_case("master");
	ma_reset(&ma_a);
	ma_fact("enabled", "0x%x", ma_rd(&ma_a, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
	ma_wr(&ma_a, IGB_CTRL, ma_rd(&ma_a, IGB_CTRL) | IGB_CTRL_GIO_MASTER_DISABLE);
	ma_fact("disabled", "%s",
			ma_wait_reg(&ma_a, IGB_STATUS, IGB_STATUS_GIO_MASTER_EN, 0) ? "yes" : "no");
	ma_reset(&ma_a);
	ma_fact("after_rst", "0x%x", ma_rd(&ma_a, IGB_STATUS) & IGB_STATUS_GIO_MASTER_EN);
}

/* Alternative addresses of the same registers, for older drivers: 8.1.3. */
static void
aliases(void)
{
	static const struct {
		const char *name;
		uint32_t alias, off, v;
	} list[] = {
		{ "CTRL", IGB_CTRL_DUP, IGB_CTRL, 0 },
		{ "IMS", IGB_ICR_BLOCK + 8, IGB_IMS, 0x11 },
		{ "IAM", IGB_ICR_BLOCK + 16, IGB_IAM, 0x55 },
		{ "RDBAL0", 0x2800, IGB_RDBAL(0), 0x12345680 },
		{ "RDLEN3", 0x2B08, IGB_RDLEN(3), 0x1000 },
		{ "SRRCTL1", 0x290C, IGB_SRRCTL(1), 0x02000402 },
		{ "RXDCTL2", 0x2A28, IGB_RXDCTL(2), 0x00010101 },
		{ "TDBAL0", 0x3800, IGB_TDBAL(0), 0x12345680 },
		{ "TDLEN3", 0x3B08, IGB_TDLEN(3), 0x1000 },
		{ "TXDCTL2", 0x3A28, IGB_TXDCTL(2), 0x00010101 },
		{ "TDWBAL1", 0x3938, IGB_TDWBAL(1), 0x12345600 },
		{ "RAL1", 0x0048, IGB_RAL(1), 0x12345678 },
		{ "MTA1", 0x0204, IGB_MTA(1), 0x12345678 },
		{ "VFTA1", 0x0604, IGB_VFTA(1), 0x12345678 },
	};
	unsigned int i;

	ma_reset(&ma_a);
	ma_case("alias");
	for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		if (list[i].v != 0)
			ma_wr(&ma_a, list[i].alias, list[i].v);
		ma_fact(list[i].name, "alias 0x%08x register 0x%08x", ma_rd(&ma_a, list[i].alias),
				ma_rd(&ma_a, list[i].off));
	}
}

void
ma_regs(void)
{
	ma_reset(&ma_a);
	writable();
	after_reset();
	phy_reset();
	master_disable();
	aliases();
	ma_reset(&ma_a);
}
