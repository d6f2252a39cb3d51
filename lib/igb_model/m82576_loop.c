/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Loopback (3.5.6.2, 3.5.6.3), in the MAC (RCTL.LBM) or in the PHY (bit 14 of its control
 * register). The device receives what it sends, at the wire's speed. The other end of the cable
 * sees none of these frames, and the device does not hear that end.
 *
 * The transmitting thread passes a frame directly from the transmitter to the receiver. Outside of
 * loopback the receiver may belong to another thread, so the receiver changes its owner. The
 * control thread closes the gate of one thread, waits for a grace period, after which that thread
 * is outside and remains there, and opens the gate of the other. Outside of loopback this costs
 * nothing. m82576_tx.c passes the frames.
 */

#include <string.h>

#include "m82576_priv.h"

/*
 * Apply the loopback mode. Called after every change of a register that may affect it. Control
 * thread.
 */
void
m82576_loop_update(struct m82576 *m)
{
	bool on = (m82576_reg(m, IGB_RCTL) & IGB_RCTL_LBM_MASK) == IGB_RCTL_LBM_MAC ||
			m->phy[IGB_PHY_CTRL] & IGB_PHY_CTRL_LOOPBACK;

	if (m82576_ld(&m->gates) & (on ? M82576_GATE_LOOP : M82576_GATE_WIRE))
		return;
	m82576_gate(m, on ? M82576_GATE_WIRE : M82576_GATE_LOOP, false);
	m82576_grace_period(m);
	memset(&m->looped, 0, sizeof(m->looped));
	m82576_st(&m->loop_waits, 0);
	m82576_gate(m, on ? M82576_GATE_LOOP : M82576_GATE_WIRE, true);
}
