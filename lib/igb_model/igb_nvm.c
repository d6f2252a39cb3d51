/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The NVM (6.2), read through EERD (8.4.2): 1,024 words, of which 0 to 0x3F are
 * the image that software checks: their sum is 0xBABA.
 */

#include <string.h>

#include "igb_model_priv.h"

#define NVM_ID_LED      0x04
#define NVM_OEM         0x06
#define NVM_VENDOR_ID   0x0E
#define NVM_ALT_MAC_PTR 0x37

void
igb_nvm_init(struct igb_model *m)
{
	uint16_t *w = m->nvm, sum = 0;
	unsigned int i;

	memset(w, 0xFF, sizeof(m->nvm)); /* erased */
	memset(w, 0, 0x40 * sizeof(*w));
	for (i = 0; i < 3; i++)
		w[IGB_NVM_MAC + i] = (uint16_t)(m->mac[2 * i] | m->mac[2 * i + 1] << 8);
	w[IGB_NVM_COMPAT] = 0x0000;
	w[NVM_ID_LED] = 0x8911; /* off, on, default: the usual setting */
	w[0x05] = 0x1000;       /* image version 1.0 */
	w[NVM_OEM] = 0xFFFF;
	w[NVM_OEM + 1] = 0xFFFF;
	w[IGB_NVM_PBA_1] = 0xE437; /* printed board assembly, as software reads it: E43709-003 */
	w[IGB_NVM_PBA_1 + 1] = 0x0903;
	w[IGB_NVM_INIT_CTRL_1] = 0x4463;
	w[IGB_NVM_SUBSYS_ID] = 0xA03C;
	w[IGB_NVM_SUBSYS_VENDOR] = IGB_VENDOR_ID_INTEL;
	w[IGB_NVM_DEVICE_ID] = IGB_DEV_ID_82576;
	w[NVM_VENDOR_ID] = IGB_VENDOR_ID_INTEL;
	w[IGB_NVM_INIT_CTRL_2] = 0x0080;
	w[IGB_NVM_INIT_CTRL_3_LAN1] = 0x0000;
	w[IGB_NVM_INIT_CTRL_3_LAN0] = 0x0000;
	w[NVM_ALT_MAC_PTR] = 0xFFFF; /* no alternate address */
	for (i = 0; i < IGB_NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + w[i]);
	w[IGB_NVM_CHECKSUM] = (uint16_t)(IGB_NVM_CHECKSUM_SUM - sum);
}

/* A write with START reads the word at once: DONE is set in what is read next. */
uint32_t
igb_eerd_write(struct igb_model *m, uint32_t v)
{
	uint32_t addr = (v >> IGB_EERD_ADDR_SHIFT) & 0x3FFF, word;

	if (!(v & IGB_EERD_START))
		return v & 0xFFFC;
	word = addr < IGB_NVM_WORDS ? m->nvm[addr] : 0xFFFF;
	return word << IGB_EERD_DATA_SHIFT | addr << IGB_EERD_ADDR_SHIFT | IGB_EERD_DONE;
}
