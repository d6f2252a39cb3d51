/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "igb_hw.h"
#include "igb_logs.h"

#define C_82576(id, text, cu, run) \
	{ \
		.device_id = (id), .name = (text), .nb_queues = 16, .nb_rar = 24, .copper = (cu), \
		.tested = (run) \
	}

static const struct igb_controller igb_controllers[] = {
	C_82576(IGB_DEV_ID_82576, "82576", true, true),
	C_82576(IGB_DEV_ID_82576_NS, "82576NS", true, false),
	C_82576(IGB_DEV_ID_82576_QUAD_COPPER, "82576 quad copper", true, false),
	C_82576(IGB_DEV_ID_82576_QUAD_COPPER_ET2, "82576 quad copper ET2", true, false),
	C_82576(IGB_DEV_ID_82576_FIBER, "82576 fiber", false, false),
	C_82576(IGB_DEV_ID_82576_SERDES, "82576 SerDes", false, false),
	C_82576(IGB_DEV_ID_82576_NS_SERDES, "82576NS SerDes", false, false),
	C_82576(IGB_DEV_ID_82576_SERDES_QUAD, "82576 quad SerDes", false, false),
	{
			.device_id = IGB_DEV_ID_82580_COPPER,
			.name = "82580",
			.nb_queues = 8,
			.nb_rar = 24,
			.ivar_by_pair = true,
			.copper = true,
	},
	{
			.device_id = IGB_DEV_ID_I350_COPPER,
			.name = "i350",
			.nb_queues = 8,
			.nb_rar = 24,
			.ivar_by_pair = true,
			.copper = true,
	},
};

const struct igb_controller *
igb_controller_find(uint16_t vendor_id, uint16_t device_id)
{
	unsigned int i;

	if (vendor_id != IGB_VENDOR_ID_INTEL)
		return NULL;
	for (i = 0; i < RTE_DIM(igb_controllers); i++)
		if (igb_controllers[i].device_id == device_id)
			return &igb_controllers[i];
	return NULL;
}

bool
igb_hw_alive(struct igb_hw *hw)
{
	if (!hw->lost && !hw->bus->alive(hw->bus_dev))
		hw->lost = true;
	return !hw->lost;
}

int
igb_hw_poll(struct igb_hw *hw, uint32_t reg, uint32_t mask, uint32_t want, unsigned int timeout_us)
{
	const uint64_t end = rte_get_timer_cycles() +
			(uint64_t)timeout_us * rte_get_timer_hz() / 1000000;
	unsigned int pause_us = 1;
	uint32_t value;
	bool late;

	for (;;) {
		/* The clock first: a thread that was preempted reads once more before giving up. */
		late = rte_get_timer_cycles() >= end;
		value = igb_rd(hw, reg);
		if (value == UINT32_MAX && !igb_hw_alive(hw))
			return -ENODEV;
		if ((value & mask) == want)
			return 0;
		if (late)
			return -ETIMEDOUT;
		rte_delay_us_sleep(pause_us);
		pause_us = RTE_MIN(pause_us * 2, 1000u);
	}
}

/*
 * Software and firmware share the NVM and the PHY. Two locks, taken in this order (datasheet
 * 4.7), guard SW_FW_SYNC: SWSM.SMBI among software, SWSM.SWESMBI between software and firmware.
 * The bits of SW_FW_SYNC then record who owns a resource.
 */
static int
igb_swsm_get(struct igb_hw *hw)
{
	int ret;

	/* Reading SMBI as 0 takes the lock. */
	ret = igb_hw_poll(hw, IGB_SWSM, IGB_SWSM_SMBI, 0, 100000);
	if (ret == -ETIMEDOUT) {
		/* A process died while it held SMBI: no other driver runs this function now. */
		IGB_DRV_LOG(WARNING, hw, "SWSM.SMBI: not released for 100 ms: taken over");
		ret = 0;
	}
	if (ret != 0)
		return ret;
	igb_set(hw, IGB_SWSM, IGB_SWSM_SWESMBI, 0);
	ret = igb_hw_poll(hw, IGB_SWSM, IGB_SWSM_SWESMBI, IGB_SWSM_SWESMBI, 100000);
	if (ret != 0)
		igb_set(hw, IGB_SWSM, 0, IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
	return ret;
}

static void
igb_swsm_put(struct igb_hw *hw)
{
	igb_set(hw, IGB_SWSM, 0, IGB_SWSM_SMBI | IGB_SWSM_SWESMBI);
}

static int
igb_sync_get(struct igb_hw *hw, uint32_t resource)
{
	const uint32_t firmware = resource << IGB_SW_FW_FW_SHIFT;
	unsigned int tries;
	uint32_t sync = 0;
	int ret;

	for (tries = 0; tries < 200; tries++) {
		ret = igb_swsm_get(hw);
		if (ret != 0)
			return ret;
		sync = igb_rd(hw, IGB_SW_FW_SYNC);
		if (sync == UINT32_MAX && !igb_hw_alive(hw))
			return -ENODEV;
		/* No owner needs it for that long: the software that holds it has died. */
		if (tries == 199 && (sync & (resource | firmware)) == resource) {
			IGB_DRV_LOG(WARNING, hw,
					"SW_FW_SYNC: resource 0x%x not released for "
					"200 ms: taken over",
					resource);
			sync &= ~resource;
		}
		if ((sync & (resource | firmware)) == 0) {
			igb_wr(hw, IGB_SW_FW_SYNC, sync | resource);
			igb_swsm_put(hw);
			return 0;
		}
		igb_swsm_put(hw);
		rte_delay_us_sleep(1000);
	}
	IGB_DRV_LOG(ERR, hw, "SW_FW_SYNC 0x%x: firmware does not release resource 0x%x", sync,
			resource);
	return -ETIMEDOUT;
}

static void
igb_sync_put(struct igb_hw *hw, uint32_t resource)
{
	if (igb_swsm_get(hw) != 0)
		return;
	igb_set(hw, IGB_SW_FW_SYNC, 0, resource);
	igb_swsm_put(hw);
}

static int
igb_nvm_word(struct igb_hw *hw, uint16_t word, uint16_t *value)
{
	uint32_t eerd;
	int ret;

	igb_wr(hw, IGB_EERD, (uint32_t)word << IGB_EERD_ADDR_SHIFT | IGB_EERD_START);
	ret = igb_hw_poll(hw, IGB_EERD, IGB_EERD_DONE, IGB_EERD_DONE, 100000);
	if (ret != 0) {
		IGB_DRV_LOG(ERR, hw, "NVM word 0x%02x: EERD.DONE not set: %s", word,
				strerror(-ret));
		return ret;
	}
	eerd = igb_rd(hw, IGB_EERD);
	if (eerd == UINT32_MAX && !igb_hw_alive(hw))
		return -ENODEV;
	*value = eerd >> IGB_EERD_DATA_SHIFT;
	return 0;
}

int
igb_nvm_read(struct igb_hw *hw, uint16_t word, uint16_t *value)
{
	int ret;

	ret = igb_sync_get(hw, IGB_SW_FW_EEP);
	if (ret != 0)
		return ret;
	ret = igb_nvm_word(hw, word, value);
	igb_sync_put(hw, IGB_SW_FW_EEP);
	return ret;
}

/* Verify that words 0 to 0x3F of the NVM add up to 0xBABA (datasheet 6.2). */
static int
igb_nvm_check(struct igb_hw *hw)
{
	uint16_t word, value, sum = 0;
	int ret;

	ret = igb_sync_get(hw, IGB_SW_FW_EEP);
	if (ret != 0)
		return ret;
	for (word = 0; word <= IGB_NVM_CHECKSUM; word++) {
		ret = igb_nvm_word(hw, word, &value);
		if (ret != 0)
			break;
		sum += value;
		if (word == 0x05) /* image revision */
			hw->nvm_version = value;
	}
	igb_sync_put(hw, IGB_SW_FW_EEP);
	if (ret == 0 && sum != IGB_NVM_CHECKSUM_SUM) {
		IGB_INIT_LOG(ERR, hw, "NVM checksum is 0x%04x, not 0x%04x: no valid image", sum,
				IGB_NVM_CHECKSUM_SUM);
		ret = -EIO;
	}
	return ret;
}

static int
igb_mdic(struct igb_hw *hw, uint32_t command)
{
	const uint32_t owner = hw->lan_id == 0 ? IGB_SW_FW_PHY0 : IGB_SW_FW_PHY1;
	int ret;

	ret = igb_sync_get(hw, owner);
	if (ret != 0)
		return ret;
	igb_wr(hw, IGB_MDIC, command | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT);
	ret = igb_hw_poll(hw, IGB_MDIC, IGB_MDIC_READY, IGB_MDIC_READY, 20000);
	if (ret == 0) {
		const uint32_t mdic = igb_rd(hw, IGB_MDIC);

		ret = mdic & IGB_MDIC_ERROR ? -EIO : (int)(mdic & IGB_MDIC_DATA_MASK);
	}
	igb_sync_put(hw, owner);
	return ret;
}

int
igb_phy_read(struct igb_hw *hw, uint8_t reg, uint16_t *value)
{
	const int ret = igb_mdic(hw, IGB_MDIC_OP_READ | (uint32_t)reg << IGB_MDIC_REG_SHIFT);

	if (ret < 0) {
		IGB_DRV_LOG(ERR, hw, "PHY register %u: %s", reg, strerror(-ret));
		return ret;
	}
	*value = ret;
	return 0;
}

int
igb_phy_write(struct igb_hw *hw, uint8_t reg, uint16_t value)
{
	const int ret = igb_mdic(hw,
			IGB_MDIC_OP_WRITE | (uint32_t)reg << IGB_MDIC_REG_SHIFT | value);

	if (ret < 0) {
		IGB_DRV_LOG(ERR, hw, "PHY register %u: %s", reg, strerror(-ret));
		return ret;
	}
	return 0;
}

/* Return the offset of the gantry vendor capability, and its length; 0: there is none. */
static uint8_t
igb_vendor_cap(const struct igb_hw *hw, uint8_t *len)
{
	unsigned int tries;
	uint32_t sig;
	uint8_t at = 0;

	for (tries = 0; tries < IGB_MAX_CAPS; tries++) {
		at = igb_cap_find(hw->bus, hw->bus_dev, IGB_VNDR_CAP_ID, at);
		if (at == 0)
			break;
		if (hw->bus->read_config(hw->bus_dev, len, 1, at + 2) == 0 &&
				*len >= IGB_VNDR_CAP_LEN_1 && at <= 0x100 - *len &&
				hw->bus->read_config(hw->bus_dev, &sig, sizeof(sig),
						at + IGB_VNDR_CAP_SIG) == 0 &&
				rte_le_to_cpu_32(sig) == IGB_VNDR_CAP_SIGNATURE)
			return at;
	}
	return 0;
}

static uint32_t
igb_vendor_cap_get(const struct igb_hw *hw, uint8_t at, uint8_t offset)
{
	uint32_t value;

	return hw->bus->read_config(hw->bus_dev, &value, sizeof(value), at + offset) == 0 ?
			rte_le_to_cpu_32(value) :
			0;
}

void
igb_hw_identify(struct igb_hw *hw)
{
	uint8_t len, at = igb_vendor_cap(hw, &len);

	hw->addr_bits = 64;
	if (at == 0)
		return;
	/* a speed that may exceed the 1 Gb/s of STATUS */
	hw->has_speed_cap = true;
	hw->cap_speed = igb_vendor_cap_get(hw, at, IGB_VNDR_CAP_SPEED);
	if (len >= IGB_VNDR_CAP_ADDR_BITS + 4 &&
			igb_vendor_cap_get(hw, at, IGB_VNDR_CAP_VERSION) >= 2)
		hw->addr_bits = igb_vendor_cap_get(hw, at, IGB_VNDR_CAP_ADDR_BITS);
}

int
igb_hw_init(struct igb_hw *hw)
{
	uint32_t status, ral, rah;
	uint16_t id1, id2;
	int ret;

	status = igb_rd(hw, IGB_STATUS);
	if (status == UINT32_MAX) {
		IGB_INIT_LOG(ERR, hw, "STATUS reads all ones: the device does not answer");
		return -ENODEV;
	}
	hw->lan_id = (status >> IGB_STATUS_LAN_ID_SHIFT) & 3;

	ret = igb_hw_reset(hw);
	if (ret != 0)
		return ret;
	ret = igb_nvm_check(hw);
	if (ret != 0)
		return ret;

	/* The reset has loaded RAR 0 from the NVM, adjusted to the port (6.2.1). */
	ral = rte_cpu_to_le_32(igb_rd(hw, IGB_RAL(0)));
	rah = rte_cpu_to_le_32(igb_rd(hw, IGB_RAH(0)));
	memcpy(&hw->perm_addr.addr_bytes[0], &ral, 4);
	memcpy(&hw->perm_addr.addr_bytes[4], &rah, 2);
	if (!rte_is_valid_assigned_ether_addr(&hw->perm_addr)) {
		IGB_INIT_LOG(ERR, hw,
				"NVM: " RTE_ETHER_ADDR_PRT_FMT " is no valid MAC "
				"address of a port",
				RTE_ETHER_ADDR_BYTES(&hw->perm_addr));
		return -EIO;
	}

	if (hw->ctl->copper) {
		ret = igb_phy_read(hw, IGB_PHY_ID1, &id1);
		if (ret == 0)
			ret = igb_phy_read(hw, IGB_PHY_ID2, &id2);
		if (ret != 0)
			return ret;
		hw->phy_id = (uint32_t)id1 << 16 | id2;
		/* The low four bits are the revision. */
		if ((hw->phy_id ^ IGB_PHY_ID_82576) & ~0xFu)
			IGB_INIT_LOG(INFO, hw, "PHY 0x%08x is not that of an 82576", hw->phy_id);
	}
	return 0;
}

static void
igb_mask_interrupts(struct igb_hw *hw)
{
	igb_wr(hw, IGB_IMC, UINT32_MAX);
	igb_wr(hw, IGB_EIMC, UINT32_MAX);
	(void)igb_rd(hw, IGB_ICR);
}

int
igb_hw_reset(struct igb_hw *hw)
{
	int ret;

	igb_mask_interrupts(hw);
	igb_wr(hw, IGB_RCTL, 0);
	igb_wr(hw, IGB_TCTL, IGB_TCTL_PSP);
	igb_flush(hw);

	/* Allow no new DMA, and wait for requests in flight (5.2.3.3). */
	igb_set(hw, IGB_CTRL, IGB_CTRL_GIO_MASTER_DISABLE, 0);
	ret = igb_hw_poll(hw, IGB_STATUS, IGB_STATUS_GIO_MASTER_EN, 0, 80000);
	if (ret == -ENODEV)
		goto removed;
	if (ret != 0)
		IGB_INIT_LOG(WARNING, hw, "DMA requests pending after 80 ms: reset anyway");

	/* The reset bit clears itself. Registers must not be read for 1 ms (4.2.1.7). */
	igb_set(hw, IGB_CTRL, IGB_CTRL_RST, 0);
	rte_delay_us_sleep(1000);
	ret = igb_hw_poll(hw, IGB_CTRL, IGB_CTRL_RST, 0, 100000);
	if (ret == -ENODEV)
		goto removed;
	if (ret != 0) {
		IGB_INIT_LOG(ERR, hw, "reset did not end within 100 ms: CTRL 0x%x",
				igb_rd(hw, IGB_CTRL));
		return ret;
	}
	/* Never set if there is no NVM to read, as on a board without one, or in QEMU. */
	ret = igb_hw_poll(hw, IGB_EECD, IGB_EECD_AUTO_RD, IGB_EECD_AUTO_RD, 20000);
	if (ret == -ENODEV)
		goto removed;
	if (ret != 0)
		IGB_INIT_LOG(DEBUG, hw, "EECD.AUTO_RD not set: 0x%x", igb_rd(hw, IGB_EECD));
	/* Boards without management firmware never set this bit: nothing depends on it. */
	if (igb_hw_poll(hw, IGB_EEMNGCTL,
			    hw->lan_id == 0 ? IGB_EEMNGCTL_CFG_DONE0 : IGB_EEMNGCTL_CFG_DONE1,
			    hw->lan_id == 0 ? IGB_EEMNGCTL_CFG_DONE0 : IGB_EEMNGCTL_CFG_DONE1,
			    20000) != 0)
		IGB_INIT_LOG(DEBUG, hw, "EEMNGCTL.CFG_DONE not set");

	igb_mask_interrupts(hw);
	/* Informs firmware that a driver is present (8.2.3). */
	igb_set(hw, IGB_CTRL_EXT, IGB_CTRL_EXT_DRV_LOAD, 0);
	return igb_hw_alive(hw) ? 0 : -ENODEV;

removed:
	IGB_INIT_LOG(ERR, hw, "the device was removed during its reset");
	return -ENODEV;
}

void
igb_hw_release(struct igb_hw *hw)
{
	if (!igb_hw_alive(hw))
		return;
	igb_mask_interrupts(hw);
	igb_set(hw, IGB_CTRL_EXT, 0, IGB_CTRL_EXT_DRV_LOAD);
	igb_flush(hw);
}

/* IEEE 802.3 registers 4 and 9: speeds that auto-negotiation offers. */
#define PHY_ADV_10_HD   0x0020
#define PHY_ADV_10_FD   0x0040
#define PHY_ADV_100_HD  0x0080
#define PHY_ADV_100_FD  0x0100
#define PHY_ADV_SPEEDS  (PHY_ADV_10_HD | PHY_ADV_10_FD | PHY_ADV_100_HD | PHY_ADV_100_FD)
#define PHY_ADV_1000_FD 0x0200

static int
igb_phy_setup(struct igb_hw *hw, uint32_t speeds)
{
	uint16_t ctrl, adv, gig, adv_new, gig_new;
	int ret;

	ret = igb_phy_read(hw, IGB_PHY_CTRL, &ctrl);
	if (ret == 0)
		ret = igb_phy_read(hw, IGB_PHY_AUTONEG_ADV, &adv);
	if (ret == 0)
		ret = igb_phy_read(hw, IGB_PHY_1000T_CTRL, &gig);
	if (ret != 0)
		return ret;

	adv_new = adv & ~PHY_ADV_SPEEDS;
	gig_new = gig & ~PHY_ADV_1000_FD;
	/* A fixed speed is the only one that is offered: 1 Gb/s requires negotiation anyway. */
	speeds &= ~RTE_ETH_LINK_SPEED_FIXED;
	if (speeds == 0)
		speeds = UINT32_MAX;
	if (speeds & RTE_ETH_LINK_SPEED_10M_HD)
		adv_new |= PHY_ADV_10_HD;
	if (speeds & RTE_ETH_LINK_SPEED_10M)
		adv_new |= PHY_ADV_10_FD;
	if (speeds & RTE_ETH_LINK_SPEED_100M_HD)
		adv_new |= PHY_ADV_100_HD;
	if (speeds & RTE_ETH_LINK_SPEED_100M)
		adv_new |= PHY_ADV_100_FD;
	/* A device with a speed of its own uses 1 Gb/s in the PHY for every higher speed. */
	if (speeds &
			~(RTE_ETH_LINK_SPEED_10M_HD | RTE_ETH_LINK_SPEED_10M |
					RTE_ETH_LINK_SPEED_100M_HD | RTE_ETH_LINK_SPEED_100M))
		gig_new |= PHY_ADV_1000_FD;

	/* Lose the link only for a change. QEMU loses it at every reset. */
	if (adv_new == adv && gig_new == gig && (ctrl & IGB_PHY_CTRL_AUTONEG_EN) &&
			!(ctrl & IGB_PHY_CTRL_POWER_DOWN) &&
			(igb_rd(hw, IGB_STATUS) & IGB_STATUS_LU))
		return 0;
	ret = igb_phy_write(hw, IGB_PHY_AUTONEG_ADV, adv_new);
	if (ret == 0)
		ret = igb_phy_write(hw, IGB_PHY_1000T_CTRL, gig_new);
	if (ret == 0)
		ret = igb_phy_write(hw, IGB_PHY_CTRL,
				(ctrl & ~IGB_PHY_CTRL_POWER_DOWN) | IGB_PHY_CTRL_AUTONEG_EN |
						IGB_PHY_CTRL_RESTART_AN);
	return ret;
}

int
igb_link_setup(struct igb_hw *hw, uint32_t link_speeds)
{
	/* The MAC follows the PHY: force nothing, set link up (8.2.1, 4.5.7). */
	igb_set(hw, IGB_CTRL, IGB_CTRL_SLU | IGB_CTRL_FD, IGB_CTRL_FRCSPD | IGB_CTRL_FRCDPLX);
	return hw->ctl->copper ? igb_phy_setup(hw, link_speeds) : 0;
}

int
igb_link_off(struct igb_hw *hw)
{
	uint16_t ctrl;
	int ret = 0;

	igb_set(hw, IGB_CTRL, 0, IGB_CTRL_SLU);
	if (hw->ctl->copper) {
		ret = igb_phy_read(hw, IGB_PHY_CTRL, &ctrl);
		if (ret == 0)
			ret = igb_phy_write(hw, IGB_PHY_CTRL, ctrl | IGB_PHY_CTRL_POWER_DOWN);
	}
	return ret;
}

void
igb_link_get(struct igb_hw *hw, bool *up, uint32_t *mbps, bool *full_duplex)
{
	static const uint32_t speeds[4] = { 10, 100, 1000, 1000 };
	const uint32_t cap = hw->cap_speed, status = igb_rd(hw, IGB_STATUS);
	const uint32_t phy = cap == 0 || cap > 100 ? 1000 : cap > 10 ? 100 : 10;

	if (status == UINT32_MAX && !igb_hw_alive(hw)) {
		*up = false;
		return;
	}
	*up = (status & IGB_STATUS_LU) != 0;
	*full_duplex = (status & IGB_STATUS_FD) != 0;
	*mbps = speeds[(status & IGB_STATUS_SPEED_MASK) >> IGB_STATUS_SPEED_SHIFT];
	/*
	 * Report a wire without a limit as 100 Gb/s: applications may divide by that number, but
	 * not by "unknown" (all ones). If a link is slower than the wire, the PHYs have agreed on
	 * its speed.
	 */
	if (hw->has_speed_cap && *mbps == phy)
		*mbps = cap == 0 ? RTE_ETH_SPEED_NUM_100G : cap;
}

uint32_t
igb_link_speed_capa(const struct igb_hw *hw)
{
	uint32_t capa = RTE_ETH_LINK_SPEED_10M_HD | RTE_ETH_LINK_SPEED_10M |
			RTE_ETH_LINK_SPEED_100M_HD | RTE_ETH_LINK_SPEED_100M |
			RTE_ETH_LINK_SPEED_1G;

	if (!hw->ctl->copper)
		capa = RTE_ETH_LINK_SPEED_1G;
	/* rte_eth_speed_bitflag() returns 0 for a speed without a flag in DPDK. */
	if (hw->has_speed_cap)
		capa |= rte_eth_speed_bitflag(hw->cap_speed == 0 ? RTE_ETH_SPEED_NUM_100G :
								   hw->cap_speed,
				RTE_ETH_LINK_FULL_DUPLEX);
	return capa;
}
