/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The EEPROM of a device by its pins (EECD, 82576 datasheet 8.4.1): commands of a serial EEPROM.
 */

#ifndef EEPROM_PINS_H
#define EEPROM_PINS_H

#include "igb_rig.h"

/* Move the EEPROM's pins as a driver does. */
static inline void
pins(struct rig *g, uint32_t set, uint32_t clear)
{
	rig_wr(g, IGB_EECD, (rig_rd(g, IGB_EECD) & ~clear) | set);
}

static inline void
spi_out(struct rig *g, uint32_t data, unsigned int bits)
{
	while (bits-- > 0) {
		pins(g, data >> bits & 1 ? IGB_EECD_DI : 0, IGB_EECD_DI);
		pins(g, IGB_EECD_SK, 0);
		pins(g, 0, IGB_EECD_SK);
	}
}

static inline uint32_t
spi_in(struct rig *g, unsigned int bits)
{
	uint32_t v = 0;

	while (bits-- > 0) {
		pins(g, IGB_EECD_SK, IGB_EECD_DI);
		v = v << 1 | !!(rig_rd(g, IGB_EECD) & IGB_EECD_DO);
		pins(g, 0, IGB_EECD_SK);
	}
	return v;
}

/* Send a command of a given number of bits, after the end of the former command. */
static inline void
spi_command(struct rig *g, uint32_t data, unsigned int bits)
{
	pins(g, IGB_EECD_CS, 0);
	pins(g, 0, IGB_EECD_CS);
	spi_out(g, data, bits);
}

#endif /* EEPROM_PINS_H */
