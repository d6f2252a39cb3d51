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
 * nothing.
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

/*
 * Transmit one frame in loopback: as m82576_tx(). Without a speed a frame waits for a
 * descriptor, as it would on the wire.
 */
int
m82576_loop_tx(struct m82576 *m, struct m82576_frame *frame)
{
	if (m->looped.data == NULL && !m82576_tx_next(m, &m->looped))
		return 0;
	if (!(m82576_ld_acq(&m->gates) & M82576_GATE_RXEN)) {
		__atomic_fetch_add(&m->rxc.off, 1, __ATOMIC_RELAXED);
	} else if (!m82576_receive(m, &m->looped, m->speed_mbps == 0)) {
		m82576_st(&m->loop_waits, 1);
		return 0;
	}
	m82576_st(&m->loop_waits, 0);
	*frame = m->looped;
	frame->flags |= M82576_FRAME_LOOPED;
	m->looped.data = NULL;
	return 1;
}
