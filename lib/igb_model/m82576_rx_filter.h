/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Filters of received frames (7.1.1): address, VLAN, length. Receiving thread. They are inline,
 * because each frame passes all of them.
 */

#ifndef M82576_RX_FILTER_H
#define M82576_RX_FILTER_H

#include <string.h>

#include "m82576_priv.h"

#define M82576_MAX_STD_FRAME 1518 /* FCS included, without tags: passes without RCTL.LPE */

/* Result of the address filters. The driver must check the address of an inexact match (PIF). */
enum m82576_verdict { M82576_REJECT, M82576_EXACT, M82576_INEXACT };

static inline bool
m82576_vlan_passes(const struct m82576 *m, uint32_t rctl, const struct m82576_pkt *pkt)
{
	uint32_t vid = pkt->tci & 0xFFF;

	if (!(rctl & IGB_RCTL_VFE) || !pkt->tagged)
		return true;
	if (!(m82576_reg(m, IGB_VFTA(vid / 32)) & (1u << (vid % 32))))
		return false;
	/* CFIEN: the CFI bit of the tag must equal RCTL.CFI. */
	return !(rctl & IGB_RCTL_CFIEN) || !!(pkt->tci & 0x1000) == !!(rctl & IGB_RCTL_CFI);
}

static inline enum m82576_verdict
m82576_address_passes(const struct m82576 *m, uint32_t rctl, const uint8_t *da)
{
	static const uint8_t mo_shift[4] = { 4, 3, 2, 0 };
	uint32_t hash, mo, valid;
	uint64_t a;

	/* A frame has at least 60 bytes, so that 8 can be loaded. Bit 63 is as in ra[]. */
	memcpy(&a, da, sizeof(a));
	a = (a & 0xFFFFFFFFFFFF) | 1ull << 63;
	/* Usually a driver sets one address, its own. */
	for (valid = m82576_ld(&m->ra_valid); valid != 0; valid &= valid - 1)
		if (__atomic_load_n(&m->ra[__builtin_ctz(valid)], __ATOMIC_RELAXED) == a)
			return M82576_EXACT;
	if (!(da[0] & 1))
		return rctl & IGB_RCTL_UPE ? M82576_INEXACT : M82576_REJECT;
	if ((a << 16) == ~0ull << 16)
		return rctl & (IGB_RCTL_BAM | IGB_RCTL_MPE) ? M82576_EXACT : M82576_REJECT;
	if (rctl & IGB_RCTL_MPE)
		return M82576_INEXACT;
	/* RCTL.MO chooses which twelve bits of the address are looked up (8.10.14). */
	mo = (rctl >> IGB_RCTL_MO_SHIFT) & 3;
	hash = ((uint32_t)(da[4] | da[5] << 8) >> mo_shift[mo]) & 0xFFF;
	return m82576_reg(m, IGB_MTA(hash / 32)) & (1u << (hash % 32)) ? M82576_INEXACT :
									 M82576_REJECT;
}

static inline bool
m82576_length_passes(struct m82576 *m, uint32_t rctl, const struct m82576_pkt *pkt)
{
	uint32_t len = pkt->len + M82576_FCS_LEN, max;

	if (rctl & IGB_RCTL_LPE)
		max = m82576_reg(m, IGB_RLPML);
	else
		max = M82576_MAX_STD_FRAME + (pkt->tagged ? M82576_VLAN_TAG_LEN : 0) +
				(pkt->outer_tagged ? M82576_VLAN_TAG_LEN : 0);
	return len <= max;
}

#endif /* M82576_RX_FILTER_H */
