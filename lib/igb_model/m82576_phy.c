/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The copper PHY behind MDIC (8.2.4, 8.25), and the link.
 *
 * The link is up if the PHY has power, and the far end signals or the PHY is in loopback. This end
 * signals (its carrier) while a client is attached that asked for a link (CTRL.SLU), and the PHY
 * has power and is not in loopback: without a driver no one would receive from the far end. Any
 * thread may report a change of the far end's carrier (an atomic flag). The consequences (STATUS,
 * PHY registers) are computed when they are read, so that no lock is needed.
 *
 * Each end offers the modes in its registers 4 and 9, or has one mode forced upon it. The link gets
 * the best mode (speed, duplex) that both ends and the wire have, and is down if there is none. A
 * mode of 1000 Mb/s stands for any speed of the wire from 1000 Mb/s on. Autonegotiation takes no
 * time. If it is restarted, both ends see a link that went down and came back. Values that are
 * written to registers 4 and 9 are offered from the next autonegotiation on.
 */

#include "m82576_priv.h"

#define PHY_CTRL_DEFAULT   0x1140 /* autonegotiation, full duplex, 1000 Mb/s */
#define PHY_STATUS_DEFAULT 0x7949 /* 10 and 100 Mb/s, extended status, autonegotiation */
#define PHY_ADV_DEFAULT    0x0DE1
#define PHY_1000T_DEFAULT  0x0300
#define PHY_1000T_FD       0x0200
#define PHY_ADV_SHIFT      5 /* 10 and 100 Mb/s, half and full, in the order of M82576_ABLE_* */

/* Control register: speed and duplex if autonegotiation is off. */
#define PHY_CTRL_SPEED_1000 0x0040
#define PHY_CTRL_SPEED_100  0x2000
#define PHY_CTRL_FD         0x0100

/*
 * Ability of the link partner: acknowledged, pause in both directions, 802.3; and in register 10.
 */
#define PHY_LP_BASE         0x4001
#define PHY_LP_PAUSE        0x0C00
#define PHY_1000T_LP        0x0C00
#define PHY_1000T_RECEIVERS 0x3000 /* both receivers are OK */
#define PHY_EXT_1000T       0x3000

#define PHY_PS_LINK        0x0400 /* port status: link, duplex, speed */
#define PHY_PS_FD          0x0200
#define PHY_PS_SPEED_SHIFT 14

/* Registers from 0x10 on are paged; a write to 0x1F selects the page. */
#define PHY_AGC_VALUE 0x2000 /* automatic gain control of one pair: a short cable */

/* Return the speed of the wire, 0: 10, 1: 100, 2: 1000 Mb/s or faster. */
static unsigned int
wire_code(const struct m82576 *m)
{
	if (m->speed_mbps == 0 || m->speed_mbps > 100)
		return 2;
	return m->speed_mbps > 10 ? 1 : 0;
}

static uint16_t
phy_ctrl(const struct m82576 *m)
{
	return __atomic_load_n(&m->phy[IGB_PHY_CTRL], __ATOMIC_SEQ_CST);
}

/*
 * Compute from the registers the modes that this end offers, or the one mode that software forces.
 */
static uint32_t
ability(const struct m82576 *m)
{
	const uint16_t ctrl = phy_ctrl(m);
	const bool full = ctrl & PHY_CTRL_FD;
	uint32_t able;

	if (ctrl & IGB_PHY_CTRL_AUTONEG_EN) {
		able = m->phy[IGB_PHY_AUTONEG_ADV] >> PHY_ADV_SHIFT & 0xF;
		if (m->phy[IGB_PHY_1000T_CTRL] & PHY_1000T_FD)
			able |= M82576_ABLE_1000_FULL;
		return able;
	}
	if (ctrl & PHY_CTRL_SPEED_1000)
		return M82576_ABLE_1000_FULL;
	if (ctrl & PHY_CTRL_SPEED_100)
		return full ? M82576_ABLE_100_FULL : M82576_ABLE_100_HALF;
	return full ? M82576_ABLE_10_FULL : M82576_ABLE_10_HALF;
}

void
m82576_phy_reset(struct m82576 *m)
{
	unsigned int i;

	for (i = 0; i < M82576_PHY_REGS; i++)
		m->phy[i] = 0;
	m->phy[IGB_PHY_CTRL] = PHY_CTRL_DEFAULT;
	m->phy[IGB_PHY_ID1] = IGB_PHY_ID_82576 >> 16;
	m->phy[IGB_PHY_ID2] = IGB_PHY_ID_82576 & 0xFFFF;
	m->phy[IGB_PHY_AUTONEG_ADV] = PHY_ADV_DEFAULT;
	m->phy[IGB_PHY_1000T_CTRL] = PHY_1000T_DEFAULT;
	m->phy[IGB_PHY_EXT_STATUS] = PHY_EXT_1000T;
	m->phy[IGB_PHY_PORT_CONFIG] = 0x0120;
	m->phy_page = 0;
	__atomic_store_n(&m->ability, ability(m), __ATOMIC_SEQ_CST);
	/* The far end lost the carrier for a moment, if there was one. */
	__atomic_fetch_add(&m->carrier, 2, __ATOMIC_SEQ_CST);
}

/* Return the best mode that both ends and the wire have, as one bit; 0: there is none. */
static uint32_t
mode(const struct m82576 *m)
{
	static const uint32_t wire[3] = { M82576_ABLE_10_HALF | M82576_ABLE_10_FULL,
		M82576_ABLE_ALL & ~M82576_ABLE_1000_FULL, M82576_ABLE_ALL };
	uint32_t able = __atomic_load_n(&m->ability, __ATOMIC_SEQ_CST);

	if (!(phy_ctrl(m) & IGB_PHY_CTRL_LOOPBACK))
		able &= __atomic_load_n(&m->partner, __ATOMIC_SEQ_CST) & wire[wire_code(m)];
	return able == 0 ? 0 : 1u << (31 - __builtin_clz(able));
}

/* Return the speed of the link, in the code of wire_code(). */
static unsigned int
speed_code(const struct m82576 *m)
{
	uint32_t is = mode(m);

	if (is == 0)
		return wire_code(m);
	if (is & M82576_ABLE_1000_FULL)
		return 2;
	return is & (M82576_ABLE_100_FULL | M82576_ABLE_100_HALF) ? 1 : 0;
}

static bool
half_duplex(const struct m82576 *m)
{
	return mode(m) & (M82576_ABLE_10_HALF | M82576_ABLE_100_HALF);
}

/* Return the bits of STATUS that describe the link. */
uint32_t
m82576_status_link(const struct m82576 *m)
{
	if (!(m82576_ld(&m->gates) & M82576_GATE_LINK))
		return IGB_STATUS_FD;
	return IGB_STATUS_LU | speed_code(m) << IGB_STATUS_SPEED_SHIFT |
			(half_duplex(m) ? 0 : IGB_STATUS_FD);
}

unsigned int
m82576_speed(const struct m82576 *m)
{
	unsigned int code = speed_code(m);

	if (!(m82576_ld(&m->gates) & M82576_GATE_LINK) || code >= wire_code(m))
		return 0;
	return code == 1 ? 100 : 10;
}

uint32_t
m82576_ability(const struct m82576 *m)
{
	return __atomic_load_n(&m->ability, __ATOMIC_SEQ_CST);
}

void
m82576_set_partner(struct m82576 *m, uint32_t able)
{
	__atomic_store_n(&m->partner, able, __ATOMIC_SEQ_CST);
	m82576_link_update(m);
}

/* Record the cause only. A thread that may send messages calls m82576_intr_fire(). */
static void
link_changed(struct m82576 *m, bool down)
{
	if (down)
		m82576_st(&m->link_was_down, 1);
	__atomic_fetch_or(&m->icr, IGB_ICR_LSC, __ATOMIC_RELEASE);
	__atomic_store_n(&m->intr_pending, 1, __ATOMIC_RELEASE);
}

static bool
link_is_up(const struct m82576 *m)
{
	uint16_t ctrl = __atomic_load_n(&m->phy[IGB_PHY_CTRL], __ATOMIC_SEQ_CST);

	return ((__atomic_load_n(&m->cable, __ATOMIC_SEQ_CST) && mode(m) != 0) ||
			       ctrl & IGB_PHY_CTRL_LOOPBACK) &&
			!(ctrl & IGB_PHY_CTRL_POWER_DOWN);
}

static bool
signals(const struct m82576 *m)
{
	uint16_t ctrl = __atomic_load_n(&m->phy[IGB_PHY_CTRL], __ATOMIC_SEQ_CST);

	return __atomic_load_n(&m->gates, __ATOMIC_SEQ_CST) & M82576_GATE_CLIENT &&
			m82576_ld(&m->link_wanted) &&
			!(ctrl & (IGB_PHY_CTRL_POWER_DOWN | IGB_PHY_CTRL_LOOPBACK));
}

/*
 * Update the link and this end's carrier. Call it after a change of the far end's carrier,
 * CTRL.SLU, the control register of the PHY, or the client. Two threads may be here concurrently: a
 * thread that may have stored an outdated result computes it again.
 */
void
m82576_link_update(struct m82576 *m)
{
	uint32_t old, carrier;
	bool up;

	do {
		up = link_is_up(m);
		if (up)
			old = __atomic_fetch_or(&m->gates, M82576_GATE_LINK, __ATOMIC_SEQ_CST);
		else
			old = __atomic_fetch_and(&m->gates, ~M82576_GATE_LINK, __ATOMIC_SEQ_CST);
		if (up != !!(old & M82576_GATE_LINK))
			link_changed(m, !up);
	} while (up != link_is_up(m));

	carrier = __atomic_load_n(&m->carrier, __ATOMIC_SEQ_CST);
	while (signals(m) != (carrier & 1)) {
		if (__atomic_compare_exchange_n(&m->carrier, &carrier, carrier + 1, false,
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			carrier++;
	}
}

static uint16_t
phy_read(struct m82576 *m, unsigned int reg)
{
	const bool up = m82576_ld(&m->gates) & M82576_GATE_LINK;
	const uint32_t partner = __atomic_load_n(&m->partner, __ATOMIC_SEQ_CST);
	const unsigned int code = speed_code(m);
	uint16_t v;

	if (reg >= 0x10 && reg != IGB_PHY_PAGE_SELECT && m->phy_page != 0) {
		/* Software needs only the length of the cable from the other pages. */
		return reg == 0x11 ? PHY_AGC_VALUE : 0;
	}
	switch (reg) {
	case IGB_PHY_STATUS:
		v = PHY_STATUS_DEFAULT;
		if (up) {
			v |= phy_ctrl(m) & IGB_PHY_CTRL_AUTONEG_EN ? IGB_PHY_STATUS_AN_DONE : 0;
			/* Latches low: a loss since the last read is reported once. */
			if (!__atomic_exchange_n(&m->link_was_down, 0, __ATOMIC_ACQ_REL))
				v |= IGB_PHY_STATUS_LINK;
		}
		return v;
	case IGB_PHY_LP_ABILITY:
		if (!up)
			return 0;
		v = (uint16_t)(PHY_LP_BASE | (partner & 0xF) << PHY_ADV_SHIFT);
		return code == 0 ? v : v | PHY_LP_PAUSE;
	case IGB_PHY_AUTONEG_EXP:
		return up ? 0x000F : 0x0004;
	case IGB_PHY_1000T_STATUS:
		if (!up)
			return 0;
		v = partner & M82576_ABLE_1000_FULL ? PHY_1000T_LP : 0;
		return code == 2 ? v | PHY_1000T_RECEIVERS : v;
	case IGB_PHY_PORT_STATUS:
		if (!up)
			return 0;
		return (uint16_t)((code + 1) << PHY_PS_SPEED_SHIFT | PHY_PS_LINK |
				(half_duplex(m) ? 0 : PHY_PS_FD));
	}
	if (reg == IGB_PHY_PAGE_SELECT)
		return m->phy_page;
	return m->phy[reg];
}

/*
 * Write the control register. RESTART_AN clears itself, because negotiation is complete when the
 * write is.
 */
static void
phy_ctrl_write(struct m82576 *m, uint16_t v)
{
	const uint32_t old = m->ability;
	const bool restart = v & IGB_PHY_CTRL_RESTART_AN && v & IGB_PHY_CTRL_AUTONEG_EN;

	__atomic_store_n(&m->phy[IGB_PHY_CTRL], (uint16_t)(v & ~IGB_PHY_CTRL_RESTART_AN),
			__ATOMIC_SEQ_CST);
	__atomic_store_n(&m->ability, ability(m), __ATOMIC_SEQ_CST);
	if (!restart && m->ability == old)
		return;
	if (m82576_ld(&m->gates) & M82576_GATE_LINK)
		link_changed(m, true);
	__atomic_fetch_add(&m->carrier, 2, __ATOMIC_SEQ_CST);
}

static void
phy_write(struct m82576 *m, unsigned int reg, uint16_t v)
{
	switch (reg) {
	case IGB_PHY_CTRL:
		if (v & IGB_PHY_CTRL_RESET) {
			m82576_phy_reset(m);
		} else {
			phy_ctrl_write(m, v);
		}
		m82576_link_update(m);
		m82576_loop_update(m);
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
m82576_mdic_write(struct m82576 *m, uint32_t v)
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
