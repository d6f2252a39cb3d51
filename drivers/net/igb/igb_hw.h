/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The controller without its data path: registers, reset, NVM, PHY, link.
 *
 * Every wait is bounded. A register of a device that is gone reads as all ones; the functions ask
 * the bus whether such a value is real.
 *
 * Unless noted otherwise, the functions return 0 or a negative errno, and must be called by one
 * thread at a time per device.
 */

#ifndef IGB_HW_H
#define IGB_HW_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_ether.h>

#include "igb_bus.h"
#include "igb_regs.h"

/** Properties that differ between the controllers of the family. The table is in igb_hw.c. */
struct igb_controller {
	uint16_t device_id;
	const char *name;
	uint8_t nb_queues; /**< per direction */
	uint8_t nb_rar;    /**< number of receive address registers */
	/** Queue q uses IVAR[q / 2] instead of IVAR[q % 8] (82580 and later). */
	bool ivar_by_pair;
	bool copper;
	bool tested; /**< has run with this driver; others need the devarg untested=1 */
};

struct igb_hw {
	char name[64];
	const struct igb_bus_ops *bus;
	void *bus_dev;
	const struct igb_controller *ctl;
	uint8_t lan_id;
	bool lost;          /**< permanent: the bus reported it, or reads are all ones */
	bool has_speed_cap; /**< the device reports its speed itself (vendor capability) */
	uint32_t cap_speed; /**< Mb/s; 0: unlimited */
	uint32_t addr_bits; /**< bits of a bus address that the device drives */
	uint16_t nvm_version;
	uint32_t phy_id;
	struct rte_ether_addr perm_addr;
};

/**
 * Find a controller in the table.
 *
 * @param vendor_id  PCI vendor ID
 * @param device_id  PCI device ID
 * @return the controller, or NULL if the driver does not support the device
 */
const struct igb_controller *igb_controller_find(uint16_t vendor_id, uint16_t device_id);

/*
 * Never access a lost device: its BAR may be unmapped, and the access would raise SIGBUS. A read
 * returns all ones instead.
 */
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

/** Wait until posted register writes have reached the device. */
static inline void
igb_flush(const struct igb_hw *hw)
{
	(void)igb_rd(hw, IGB_STATUS);
}

/**
 * Ask the bus whether the device is alive, and mark it lost if it is not.
 *
 * @return false if the device is lost, now or earlier
 */
bool igb_hw_alive(struct igb_hw *hw);

/**
 * Wait until (reg & mask) == want.
 *
 * @param hw          the device
 * @param reg         offset of the register
 * @param mask        bits to compare
 * @param want        their value
 * @param timeout_us  microseconds
 * @retval 0           the bits have the value
 * @retval -ETIMEDOUT  they did not get it in time
 * @retval -ENODEV     the device is gone
 */
int igb_hw_poll(struct igb_hw *hw, uint32_t reg, uint32_t mask, uint32_t want,
		unsigned int timeout_us);

/** Read the vendor capability from configuration space. No register is accessed. */
void igb_hw_identify(struct igb_hw *hw);
/** Check a new device: presence, NVM checksum, MAC address, PHY. Resets it. */
int igb_hw_init(struct igb_hw *hw);
/** Mask interrupts, end DMA, and reset everything to its default. */
int igb_hw_reset(struct igb_hw *hw);
/** Return the device to firmware. */
void igb_hw_release(struct igb_hw *hw);

/**
 * Read a word of the NVM. Takes the NVM semaphore. Logs a failure.
 *
 * @param hw     the device
 * @param word   word number, IGB_NVM_*
 * @param value  [out] written only on success
 * @return 0 or a negative errno
 */
int igb_nvm_read(struct igb_hw *hw, uint16_t word, uint16_t *value);
/**
 * Read a register of the PHY, through MDIC. Takes the PHY semaphore. Logs a failure.
 *
 * @param hw     the device
 * @param reg    register number, IGB_PHY_*
 * @param value  [out] written only on success
 * @return 0 or a negative errno
 */
int igb_phy_read(struct igb_hw *hw, uint8_t reg, uint16_t *value);
/** Write a register of the PHY: see igb_phy_read(). */
int igb_phy_write(struct igb_hw *hw, uint8_t reg, uint16_t value);

/**
 * Advertise link speeds, and bring the link up.
 *
 * @param hw           the device
 * @param link_speeds  RTE_ETH_LINK_SPEED_*; 0: all
 * @return 0 or a negative errno
 */
int igb_link_setup(struct igb_hw *hw, uint32_t link_speeds);
/** Take the link down, and power the PHY down. */
int igb_link_off(struct igb_hw *hw);
/**
 * Read the link state, from STATUS and the vendor capability.
 *
 * @param hw           the device
 * @param up           [out] false also if the device is gone
 * @param mbps         [out] Mb/s; written unless the device is gone
 * @param full_duplex  [out] written unless the device is gone
 */
void igb_link_get(struct igb_hw *hw, bool *up, uint32_t *mbps, bool *full_duplex);
/** Return the RTE_ETH_LINK_SPEED_* flags that the device supports. */
uint32_t igb_link_speed_capa(const struct igb_hw *hw);

#endif /* IGB_HW_H */
