/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * A device without a thread, for bench-driver: registers in memory, enough of them for a driver to
 * start, and the device's side of queue 0, which the caller plays between bursts. It is an 82576,
 * or a virtual function of an 82599, whose descriptors are the same.
 */

#ifndef DRIVER_NIC_H
#define DRIVER_NIC_H

#include <stdbool.h>
#include <stdint.h>

#include "igb_regs.h"

struct driver_nic {
	bool is_vf;              /**< a virtual function of an 82599 */
	volatile uint32_t *regs; /**< BAR 0: IGB_BAR0_SIZE bytes, which the caller may move */
	uint16_t nvm[IGB_NVM_CHECKSUM + 1];
	uint16_t phy[32];

	/* Queue 0, from driver_nic_find_rings() on. */
	union igb_rx_desc *rx;
	union igb_tx_desc *tx;
	uint16_t nb_rx, nb_tx;     /**< descriptors */
	uint16_t rx_head, tx_head; /**< the next descriptor of the device */
	uint32_t rx_tail, tx_tail; /**< registers */
	uint32_t frames;           /**< received: the hash of a frame is its number, from 0 on */
};

/** Put the device into its initial state: link up, a valid NVM. @return 0 or -ENOMEM */
int driver_nic_init(struct driver_nic *nic, bool is_vf);
uint32_t driver_nic_read(struct driver_nic *nic, uint32_t at);
void driver_nic_write(struct driver_nic *nic, uint32_t at, uint32_t value);
/**
 * Find the rings of queue 0, whose bus addresses are virtual addresses of this process.
 * @return false: the driver has not set them
 */
bool driver_nic_find_rings(struct driver_nic *nic);
/** Write back all posted receive descriptors: UDP frames of @p len bytes, checksums good. */
void driver_nic_receive(struct driver_nic *nic, uint16_t len);
/** Report all posted transmit descriptors. @return the number of frames */
unsigned int driver_nic_transmit(struct driver_nic *nic);

#endif /* DRIVER_NIC_H */
