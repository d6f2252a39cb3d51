/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The rig for the tests of the model's limits: a frame of the test, in f, that the device receives,
 * sends or parses.
 */

#ifndef IGB_LIMITS_H
#define IGB_LIMITS_H

#include "igb_rig.h"

#define TCP4   (IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_TCP)
#define UDP4   (IGB_TXD_TUCMD_IPV4 | IGB_TXD_TUCMD_L4T_UDP)
#define DD_EOP (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)
#define IXSM   IGB_TXD_POPTS_IXSM
#define TXSM   IGB_TXD_POPTS_TXSM
#define IPV4   IGB_RXD_PTYPE_IPV4
#define IPV6   IGB_RXD_PTYPE_IPV6
#define EXT4   IGB_RXD_PTYPE_IPV4_EXT
#define EXT6   IGB_RXD_PTYPE_IPV6_EXT
#define TCP    IGB_RXD_PTYPE_TCP
#define UDP    IGB_RXD_PTYPE_UDP
#define SCTP   IGB_RXD_PTYPE_SCTP

static uint8_t f[70000];
static struct m82576_frame fr;
static struct m82576_pkt pkt;

static inline int
limits_setup(void **state)
{
	struct rig *g;

	rig_setup(state);
	g = *state;
	rig_tx_start(g, 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	memset(f, 0, sizeof(f));
	return 0;
}

/*
 * Write Ethernet and IPv6 headers with a payload length and a next header. The caller writes
 * the rest.
 */
static inline void
ipv6(uint32_t plen, uint8_t next)
{
	memset(f, 0, 400);
	rig_eth(f, rig_mac, 0x86DD);
	f[14] = 0x60;
	rig_put16(f + 18, plen);
	f[20] = next;
	f[22] = 0x20;
	f[38] = 0x30;
}

/**
 * Parse the first len bytes of f into pkt.
 *
 * @return the packet type
 */
static inline unsigned int
ptype(struct rig *g, uint32_t len)
{
	m82576_parse(g->m, f, len, len, &pkt);
	return pkt.ptype;
}

/**
 * Send f into the device.
 *
 * @return the status of the next descriptor, or 0 if its DD is clear
 */
static inline uint32_t
arrives(struct rig *g, uint32_t len)
{
	volatile union igb_rx_desc *d = rig_rxd(g, 0, g->rx_next);

	rig_send_in(g, f, len, 0);
	if (!(d->wb.staterr & IGB_RXD_STAT_DD))
		return 0;
	g->rx_next++;
	return d->wb.staterr;
}

/**
 * Post f as one frame.
 *
 * @return 1 if the device sends the frame, else 0
 */
static inline int
sends(struct rig *g, uint32_t len, uint32_t paylen, uint32_t cmd, uint32_t popts)
{
	rig_post(g, f, len, RIG_LAST | cmd, paylen << IGB_TXD_PAYLEN_SHIFT | popts);
	rig_ring_bell(g);
	return rig_take(g, &fr);
}

#define LIMIT(name) cmocka_unit_test_setup_teardown(name, limits_setup, rig_teardown)

#endif /* IGB_LIMITS_H */
