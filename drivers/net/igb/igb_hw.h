/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The controller below the data path: registers, reset, NVM, PHY, link.
 *
 * Every wait in here is bounded. A device that is gone reads as all ones; that
 * is told apart from a real value by asking the bus.
 */

#ifndef IGB_HW_H
#define IGB_HW_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_ether.h>

#include "igb_bus.h"
#include "igb_regs.h"

/** What differs between the controllers of the family. One row each, in igb_hw.c. */
struct igb_controller {
	uint16_t device_id;
	const char *name;
	uint8_t nb_queues;   /**< of each direction */
	uint8_t nb_rar;      /**< receive address registers */
	/** IVAR[q / 2] instead of IVAR[q % 8] (82580 and later) */
	bool ivar_by_pair;
	bool copper;
	bool tested;         /**< has run; the others need the devarg untested=1 */
};

struct igb_hw {
	char name[64];
	const struct igb_bus_ops *bus;
	void *bus_dev;
	const struct igb_controller *ctl;
	uint8_t lan_id;
	bool lost;               /**< set once: the bus said so, or registers read all ones */
	bool has_speed_cap;      /**< the device names its speed itself (vendor capability) */
	uint32_t cap_speed;      /**< Mb/s; 0: unlimited */
	uint32_t addr_bits;      /**< how many bits of a bus address it drives */
	uint16_t nvm_version;
	uint32_t phy_id;
	struct rte_ether_addr perm_addr;
};

/** NULL if the driver doesn't know the device. */
const struct igb_controller *igb_controller_find(uint16_t vendor_id, uint16_t device_id);

/* Of a device that is gone nothing is touched: its BAR may not be there any more (SIGBUS). */
static inline uint32_t
igb_rd(const struct igb_hw *hw, uint32_t reg)
{
	return hw->lost ? UINT32_MAX : hw->bus->read32(hw->bus_dev, reg);
}

static inline void
igb_wr(const struct igb_hw *hw, uint32_t reg, uint32_t value)
{
	if (!hw->lost)
		hw->bus->write32(hw->bus_dev, reg, value);
}

static inline void
igb_set(const struct igb_hw *hw, uint32_t reg, uint32_t set, uint32_t clear)
{
	igb_wr(hw, reg, (igb_rd(hw, reg) & ~clear) | set);
}

/** Posted writes have arrived when this returns. */
static inline void
igb_flush(const struct igb_hw *hw)
{
	(void)igb_rd(hw, IGB_STATUS);
}

/** False if the device is gone; remembers it. */
bool igb_hw_alive(struct igb_hw *hw);

/**
 * Waits until (reg & mask) == want.
 * @return 0, -ETIMEDOUT, or -ENODEV if the device went
 */
int igb_hw_poll(struct igb_hw *hw, uint32_t reg, uint32_t mask, uint32_t want,
		unsigned int timeout_us);

/** What configuration space says of the device: the vendor capability. No register is touched. */
void igb_hw_identify(struct igb_hw *hw);
/** First contact: is it alive, NVM checksum, MAC address, PHY. */
int igb_hw_init(struct igb_hw *hw);
/** Interrupts masked, DMA ended, everything at its default. */
int igb_hw_reset(struct igb_hw *hw);
/** Hands the device back to firmware. */
void igb_hw_release(struct igb_hw *hw);

int igb_nvm_read(struct igb_hw *hw, uint16_t word, uint16_t *value);
int igb_phy_read(struct igb_hw *hw, uint8_t reg, uint16_t *value);
int igb_phy_write(struct igb_hw *hw, uint8_t reg, uint16_t value);

/** Advertises RTE_ETH_LINK_SPEED_* (0: everything) and brings the link up. */
int igb_link_setup(struct igb_hw *hw, uint32_t link_speeds);
/** Takes the link down. */
int igb_link_off(struct igb_hw *hw);
/** What STATUS and the vendor capability say. */
void igb_link_get(struct igb_hw *hw, bool *up, uint32_t *mbps, bool *full_duplex);
/** RTE_ETH_LINK_SPEED_* that the device can do. */
uint32_t igb_link_speed_capa(const struct igb_hw *hw);

#endif /* IGB_HW_H */
