/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Loopback (3.5.6): in the MAC (RCTL.LBM), and in the PHY (bit 14 of its control register). The
 * other end of the cable must see none of it.
 */

#include "ma.h"

static void
looped(const char *key)
{
	struct ma_spec s = { .ip = 4, .proto = 17, .paylen = 40, .da = ma_a.mac };
	struct ma_frame f;

	ma_build(&f, &s);
	ma_send(f.b, f.len);
	s.da = NULL;
	ma_build(&f, &s);
	ma_send(f.b, f.len);
	ma_sync_between(&ma_a, &ma_a);
	ma_frames(&ma_a, key);
	ma_rx_poll(&ma_b);
	ma_fact(ma_key("%s.far_end", key), "%u", ma_b.ngot);
	ma_b.ngot = 0;
}

void
ma_loop(void)
{
	ma_open("mac");
	ma_wr(&ma_a, IGB_RCTL, MA_RCTL | IGB_RCTL_LBM_MAC);
	looped("on");
	ma_fact("gptc", "%u", ma_rd(&ma_a, IGB_GPTC));
	ma_fact("gprc", "%u", ma_rd(&ma_a, IGB_GPRC));
	ma_wr(&ma_a, IGB_RCTL, MA_RCTL);
	ma_sync();
	ma_fact("off", "%u", ma_b.ngot);

	ma_open("phy");
	ma_phy_write(&ma_a, IGB_PHY_CTRL, 0x0140 | IGB_PHY_CTRL_LOOPBACK);
	ma_wait_reg(&ma_a, IGB_STATUS, IGB_STATUS_LU, IGB_STATUS_LU);
	looped("on");
	ma_phy_write(&ma_a, IGB_PHY_CTRL,
			0x0140 | IGB_PHY_CTRL_AUTONEG_EN | IGB_PHY_CTRL_RESTART_AN);
	ma_wait_reg(&ma_a, IGB_STATUS, IGB_STATUS_LU, IGB_STATUS_LU);
	ma_sync();
	ma_fact("off", "%u", ma_b.ngot);
}
