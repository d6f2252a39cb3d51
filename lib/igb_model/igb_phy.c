/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The copper PHY behind MDIC (8.2.4, 8.25), and the link.
 *
 * The link is up if the PHY has power, and the cable is in or the PHY in loopback.
 * Anybody may plug the cable (an atomic flag); what follows from it (STATUS, PHY registers) is worked
 * out when it is read, so no lock is needed. Autonegotiation takes no time; started again,
 * it is told of as a link that went down and came back.
 */

#include "igb_model_priv.h"

#define PHY_CTRL_DEFAULT   0x1140 /* autonegotiation, full duplex, 1000 Mb/s */
#define PHY_STATUS_DEFAULT 0x7949 /* 10 and 100 Mb/s, extended status, autonegotiation */
#define PHY_ADV_DEFAULT    0x0DE1
#define PHY_1000T_DEFAULT  0x0300
#define PHY_EXT_1000T      0x3000

#define PHY_PS_LINK        0x0400 /* port status: link, duplex, speed */
#define PHY_PS_FD          0x0200
#define PHY_PS_SPEED_SHIFT 14

/* Pages of the registers from 0x10 on, chosen by a write to 0x1F. */
#define PHY_AGC_VALUE 0x2000 /* automatic gain control of one pair: a short cable */

void
igb_phy_reset(struct igb_model *m)
{
	unsigned int i;

	for (i = 0; i < IGB_PHY_REGS; i++)
		m->phy[i] = 0;
	m->phy[IGB_PHY_CTRL] = PHY_CTRL_DEFAULT;
	m->phy[IGB_PHY_ID1] = IGB_PHY_ID_82576 >> 16;
	m->phy[IGB_PHY_ID2] = IGB_PHY_ID_82576 & 0xFFFF;
	m->phy[IGB_PHY_AUTONEG_ADV] = PHY_ADV_DEFAULT;
	m->phy[IGB_PHY_1000T_CTRL] = PHY_1000T_DEFAULT;
	m->phy[IGB_PHY_EXT_STATUS] = PHY_EXT_1000T;
	m->phy[IGB_PHY_PORT_CONFIG] = 0x0120;
	m->phy_page = 0;
}

/* 0: 10, 1: 100, 2: 1000 Mb/s and whatever is faster. */
static unsigned int
speed_code(const struct igb_model *m)
{
	if (m->speed_mbps == 0 || m->speed_mbps > 100)
		return 2;
	return m->speed_mbps > 10 ? 1 : 0;
}

/* The link's part of STATUS. */
uint32_t
igb_status_link(const struct igb_model *m)
{
	if (!(igb_ld(&m->gates) & IGB_GATE_LINK))
		return 0;
	return IGB_STATUS_LU | speed_code(m) << IGB_STATUS_SPEED_SHIFT;
}

/* The cause is only noted: the interrupt is raised by who may (igb_intr_fire()). */
static void
link_changed(struct igb_model *m, bool down)
{
	if (down)
		igb_st(&m->link_was_down, 1);
	__atomic_fetch_or(&m->icr, IGB_ICR_LSC, __ATOMIC_RELEASE);
	__atomic_store_n(&m->intr_pending, 1, __ATOMIC_RELEASE);
}

/* To be called when the cable or the PHY's power changed. */
void
igb_link_update(struct igb_model *m)
{
	uint16_t ctrl = __atomic_load_n(&m->phy[IGB_PHY_CTRL], __ATOMIC_RELAXED);
	bool up = (__atomic_load_n(&m->cable, __ATOMIC_ACQUIRE) || ctrl & IGB_PHY_CTRL_LOOPBACK) &&
		  !(ctrl & IGB_PHY_CTRL_POWER_DOWN);
	uint32_t old;

	if (up)
		old = __atomic_fetch_or(&m->gates, IGB_GATE_LINK, __ATOMIC_ACQ_REL);
	else
		old = __atomic_fetch_and(&m->gates, ~IGB_GATE_LINK, __ATOMIC_ACQ_REL);
	if (up != !!(old & IGB_GATE_LINK))
		link_changed(m, !up);
}

static uint16_t
phy_read(struct igb_model *m, unsigned int reg)
{
	bool up = igb_ld(&m->gates) & IGB_GATE_LINK;
	unsigned int code = speed_code(m);
	uint16_t v;

	switch (reg) {
	case IGB_PHY_STATUS:
		v = PHY_STATUS_DEFAULT;
		if (up) {
			v |= IGB_PHY_STATUS_AN_DONE;
			/* Latches low: a loss since the last read shows once. */
			if (!__atomic_exchange_n(&m->link_was_down, 0, __ATOMIC_ACQ_REL))
				v |= IGB_PHY_STATUS_LINK;
		}
		return v;
	case IGB_PHY_LP_ABILITY:
		if (!up)
			return 0;
		return code == 0 ? 0x4061 : 0x4DE1; /* acknowledged; pause both ways from 100 up */
	case IGB_PHY_AUTONEG_EXP:
		return up ? 0x000F : 0x0004;
	case IGB_PHY_1000T_STATUS:
		return up && code == 2 ? 0x3C00 : 0; /* both receivers fine, partner does 1000T */
	case IGB_PHY_PORT_STATUS:
		return up ? (uint16_t)((code + 1) << PHY_PS_SPEED_SHIFT | PHY_PS_LINK | PHY_PS_FD)
			  : 0;
	}
	if (reg >= 0x10 && reg != IGB_PHY_PAGE_SELECT && m->phy_page != 0) {
		/* The one thing software wants from the other pages is the cable's length. */
		return reg == 0x11 ? PHY_AGC_VALUE : 0;
	}
	if (reg == IGB_PHY_PAGE_SELECT)
		return m->phy_page;
	return m->phy[reg];
}

static void
phy_write(struct igb_model *m, unsigned int reg, uint16_t v)
{
	switch (reg) {
	case IGB_PHY_CTRL:
		if (v & IGB_PHY_CTRL_RESET) {
			igb_phy_reset(m);
		} else {
			/* RESTART_AN clears itself: negotiation is done when the write is. */
			__atomic_store_n(&m->phy[IGB_PHY_CTRL],
				(uint16_t)(v & ~IGB_PHY_CTRL_RESTART_AN), __ATOMIC_RELEASE);
			if (v & IGB_PHY_CTRL_RESTART_AN && v & IGB_PHY_CTRL_AUTONEG_EN &&
				igb_ld(&m->gates) & IGB_GATE_LINK)
				link_changed(m, true);
		}
		igb_link_update(m);
		igb_loop_update(m);
		return;
	case IGB_PHY_STATUS:
	case IGB_PHY_ID1:
	case IGB_PHY_ID2:
	case IGB_PHY_LP_ABILITY:
	case IGB_PHY_AUTONEG_EXP:
	case IGB_PHY_1000T_STATUS:
	case IGB_PHY_EXT_STATUS:
	case IGB_PHY_PORT_STATUS:
		return;
	case IGB_PHY_PAGE_SELECT:
		/* Software writes the whole paged address; its low five bits are the register. */
		m->phy_page = v & 0xFFE0;
		return;
	}
	if (reg < 0x10 || m->phy_page == 0)
		m->phy[reg] = v;
}

uint32_t
igb_mdic_write(struct igb_model *m, uint32_t v)
{
	unsigned int reg = (v >> IGB_MDIC_REG_SHIFT) & 0x1F;
	unsigned int phy = (v >> IGB_MDIC_PHY_SHIFT) & 0x1F;
	uint32_t keep = v & ~(IGB_MDIC_READY | IGB_MDIC_ERROR | (1u << 31));

	if (phy != IGB_PHY_ADDR)
		return keep | IGB_MDIC_READY | IGB_MDIC_ERROR;
	switch (v & IGB_MDIC_OP_MASK) {
	case IGB_MDIC_OP_READ:
		keep = (keep & ~IGB_MDIC_DATA_MASK) | phy_read(m, reg);
		break;
	case IGB_MDIC_OP_WRITE:
		phy_write(m, reg, (uint16_t)v);
		break;
	default:
		return keep | IGB_MDIC_READY | IGB_MDIC_ERROR;
	}
	return keep | IGB_MDIC_READY;
}
