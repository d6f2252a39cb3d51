/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The device of bench-driver. A register is a word of memory, except those that a driver waits for
 * when it starts. An 82576 has resets, semaphores, NVM, PHY and link, and its rings may be at
 * either address of queue 0. A virtual function has a mailbox, by which it asks the physical
 * function.
 *
 * Source for the virtual function: Intel 82599 10 GbE Controller Datasheet, chapter 8.3.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "driver_nic.h"

#define VF_MBMEM      0x00200 /* message, 16 words */
#define VF_MAILBOX    0x002FC
#define VF_RXQ_BASE   0x01000
#define VF_TXQ_BASE   0x02000
#define VF_REQ        (1u << 0) /* the message is complete */
#define VF_IS_OURS    (1u << 2) /* the virtual function owns the mailbox */
#define VF_PF_MESSAGE (1u << 4)
#define VF_PF_ACK     (1u << 5)
#define VF_ACK        (1u << 31) /* in a message: granted */
#define VF_MSG_RESET  0x01
#define VF_MSG_QUEUES 0x09

static volatile uint32_t *
word(struct driver_nic *nic, uint32_t at)
{
	return &nic->regs[at / 4];
}

/* Answer a message: it is granted, and the reply replaces it. */
static void
answer(struct driver_nic *nic)
{
	volatile uint32_t *msg = word(nic, VF_MBMEM);

	if (msg[0] == VF_MSG_RESET) { /* the MAC address 02:00:00:00:00:01 */
		msg[1] = 0x00000002;
		msg[2] = 0x0100;
		msg[3] = 0;
	} else if (msg[0] == VF_MSG_QUEUES) { /* one to send, one to receive */
		msg[1] = msg[2] = 1;
		msg[3] = msg[4] = 0;
	}
	msg[0] |= VF_ACK;
}

uint32_t
driver_nic_read(struct driver_nic *nic, uint32_t at)
{
	const uint32_t value = *word(nic, at);

	/* The answer is always there, because it is written with the request. */
	if (nic->is_vf)
		return at == VF_MAILBOX ? VF_IS_OURS | VF_PF_MESSAGE | VF_PF_ACK : value;
	switch (at) {
	case IGB_STATUS:
		return IGB_STATUS_LU | IGB_STATUS_FD | 2u << IGB_STATUS_SPEED_SHIFT |
				(*word(nic, IGB_CTRL) & IGB_CTRL_GIO_MASTER_DISABLE ?
								0 :
								IGB_STATUS_GIO_MASTER_EN);
	case IGB_SWSM: /* a read of SMBI takes the semaphore */
		*word(nic, at) |= IGB_SWSM_SMBI;
		return value;
	case IGB_ICR:
		*word(nic, at) = 0;
		return value;
	case IGB_EECD:
		return value | IGB_EECD_PRES | IGB_EECD_AUTO_RD | IGB_EECD_GNT;
	case IGB_EEMNGCTL:
		return IGB_EEMNGCTL_CFG_DONE0 | IGB_EEMNGCTL_CFG_DONE1;
	default:
		return value;
	}
}

static void
mdic(struct driver_nic *nic, uint32_t value)
{
	const uint32_t reg = value >> IGB_MDIC_REG_SHIFT & 0x1f;

	if ((value & IGB_MDIC_OP_MASK) == IGB_MDIC_OP_WRITE && reg != IGB_PHY_ID1 &&
			reg != IGB_PHY_ID2 && reg != IGB_PHY_STATUS)
		nic->phy[reg] = value & IGB_MDIC_DATA_MASK & ~IGB_PHY_CTRL_RESET;
	*word(nic, IGB_MDIC) = (value & ~IGB_MDIC_DATA_MASK) | IGB_MDIC_READY | nic->phy[reg];
}

void
driver_nic_write(struct driver_nic *nic, uint32_t at, uint32_t value)
{
	if (nic->is_vf) {
		*word(nic, at) = value;
		if (at == VF_MAILBOX && (value & VF_REQ))
			answer(nic);
		return;
	}
	switch (at) {
	case IGB_IMS:
	case IGB_EIMS:
		*word(nic, at) |= value;
		break;
	case IGB_IMC:
		*word(nic, IGB_IMS) &= ~value;
		break;
	case IGB_EIMC:
		*word(nic, IGB_EIMS) &= ~value;
		break;
	case IGB_CTRL: /* resets end at once; the MAC address comes from the NVM */
		*word(nic, at) = value & ~(IGB_CTRL_RST | IGB_CTRL_PHY_RST);
		*word(nic, IGB_RAL(0)) = nic->nvm[0] | (uint32_t)nic->nvm[1] << 16;
		*word(nic, IGB_RAH(0)) = nic->nvm[2] | IGB_RAH_AV;
		break;
	case IGB_EERD:
		*word(nic, at) = IGB_EERD_DONE |
				(uint32_t)nic->nvm[value >> IGB_EERD_ADDR_SHIFT & IGB_NVM_CHECKSUM]
						<< IGB_EERD_DATA_SHIFT;
		break;
	case IGB_MDIC:
		mdic(nic, value);
		break;
	default:
		*word(nic, at) = value;
		break;
	}
}

int
driver_nic_init(struct driver_nic *nic, bool is_vf)
{
	uint16_t sum = 0, w;

	memset(nic, 0, sizeof(*nic));
	nic->is_vf = is_vf;
	nic->regs = calloc(1, IGB_BAR0_SIZE);
	if (nic->regs == NULL)
		return -ENOMEM;
	nic->phy[IGB_PHY_ID1] = IGB_PHY_ID_82576 >> 16;
	nic->phy[IGB_PHY_ID2] = IGB_PHY_ID_82576 & 0xffff;
	nic->phy[IGB_PHY_STATUS] = IGB_PHY_STATUS_LINK | IGB_PHY_STATUS_AN_DONE;
	nic->nvm[0] = 0x0002; /* the address 02:00:00:01:00:00 */
	nic->nvm[1] = 0x0100;
	for (w = 0; w < IGB_NVM_CHECKSUM; w++)
		sum += nic->nvm[w];
	nic->nvm[IGB_NVM_CHECKSUM] = IGB_NVM_CHECKSUM_SUM - sum;
	return 0;
}

/* Return the block of queue 0 that the driver uses. */
static uint32_t
block(struct driver_nic *nic, uint32_t first, uint32_t alias)
{
	return *word(nic, alias + IGB_Q_LEN) != 0 ? alias : first;
}

static void *
ring_of(struct driver_nic *nic, uint32_t at, uint16_t *nb)
{
	*nb = *word(nic, at + IGB_Q_LEN) / sizeof(union igb_rx_desc);
	return (void *)(uintptr_t)((uint64_t)*word(nic, at + IGB_Q_BAH) << 32 |
			*word(nic, at + IGB_Q_BAL));
}

bool
driver_nic_find_rings(struct driver_nic *nic)
{
	const uint32_t rx = nic->is_vf ? VF_RXQ_BASE : block(nic, IGB_RXQ_BASE, IGB_RXQ_ALIAS_BASE);
	const uint32_t tx = nic->is_vf ? VF_TXQ_BASE : block(nic, IGB_TXQ_BASE, IGB_TXQ_ALIAS_BASE);

	nic->rx = ring_of(nic, rx, &nic->nb_rx);
	nic->tx = ring_of(nic, tx, &nic->nb_tx);
	nic->rx_tail = rx + IGB_Q_TAIL;
	nic->tx_tail = tx + IGB_Q_TAIL;
	nic->rx_head = nic->tx_head = 0;
	return nic->rx != NULL && nic->tx != NULL && nic->nb_rx != 0 && nic->nb_tx != 0;
}

void
driver_nic_receive(struct driver_nic *nic, uint16_t len)
{
	const uint32_t tail = *word(nic, nic->rx_tail);

	while (nic->rx_head != tail) {
		union igb_rx_desc *d = &nic->rx[nic->rx_head];

		d->wb.pkt_info = IGB_RXD_RSS_UDPIPV4 |
				(IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_UDP) << IGB_RXD_PTYPE_SHIFT;
		d->wb.hdr_info = 0;
		d->wb.rss = nic->frames++;
		d->wb.length = len;
		d->wb.vlan = 0;
		__atomic_store_n(&d->wb.staterr,
				IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP | IGB_RXD_STAT_IPCS |
						IGB_RXD_STAT_L4I | IGB_RXD_STAT_UDPCS |
						IGB_RXD_STAT_UDPV,
				__ATOMIC_RELEASE);
		if (++nic->rx_head == nic->nb_rx)
			nic->rx_head = 0;
	}
}

unsigned int
driver_nic_transmit(struct driver_nic *nic)
{
	const uint32_t tail = *word(nic, nic->tx_tail);
	unsigned int frames = 0;

	while (nic->tx_head != tail) {
		union igb_tx_desc *d = &nic->tx[nic->tx_head];
		const uint32_t cmd = d->data.cmd_type_len;

		frames += (cmd & IGB_TXD_EOP) != 0;
		if (cmd & IGB_TXD_RS)
			__atomic_store_n(&d->wb.status, IGB_TXD_STAT_DD, __ATOMIC_RELEASE);
		if (++nic->tx_head == nic->nb_tx)
			nic->tx_head = 0;
	}
	return frames;
}
