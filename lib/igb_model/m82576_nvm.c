/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The NVM (6.2): 1,024 words. Words 0 to 0x3F are the image that software checks: their sum is
 * 0xBABA. Software reads a word through EERD (8.4.2), and writes by the pins in EECD (8.4.1). The
 * pins are those of an SPI EEPROM of 2 KiB (as Atmel's AT25160): mode 0, addresses of two bytes,
 * pages of 32 bytes. A command begins when CS falls, and a write is carried out when CS rises
 * again.
 *
 * The words that a client has written remain until it detaches: the next client finds the words and
 * the chip in their initial state. Registers that are loaded from the NVM follow at the next reset.
 */

#include <string.h>

#include "m82576_priv.h"

#define NVM_ID_LED      0x04
#define NVM_OEM         0x06
#define NVM_VENDOR_ID   0x0E
#define NVM_ALT_MAC_PTR 0x37

#define NVM_BYTES (M82576_NVM_WORDS * 2u)

/* Commands of the EEPROM, and its status register. */
#define SPI_WRSR   0x01
#define SPI_WRITE  0x02
#define SPI_READ   0x03
#define SPI_WRDI   0x04
#define SPI_RDSR   0x05
#define SPI_WREN   0x06
#define SPI_ST_WEN 0x02 /* WREN enables one write; the chip is never busy */

/* Bits of a command: its code, and then its address where it has one. */
#define SPI_CODE_BITS 8u
#define SPI_ADDR_BITS 24u

void
m82576_nvm_init(struct m82576 *m)
{
	uint16_t *w = m->nvm, sum = 0;
	unsigned int i;

	memset(w, 0xFF, sizeof(m->nvm)); /* erased */
	memset(w, 0, 0x40 * sizeof(*w)); /* COMPAT and INIT_CTRL_3 of both ports remain so */
	for (i = 0; i < 3; i++)
		w[IGB_NVM_MAC + i] = (uint16_t)(m->mac[2 * i] | m->mac[2 * i + 1] << 8);
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
	w[NVM_ALT_MAC_PTR] = 0xFFFF; /* no alternate address */
	for (i = 0; i < IGB_NVM_CHECKSUM; i++)
		sum = (uint16_t)(sum + w[i]);
	w[IGB_NVM_CHECKSUM] = (uint16_t)(IGB_NVM_CHECKSUM_SUM - sum);
	m->spi = (struct m82576_spi){ .pins = IGB_EECD_CS };
}

/* Write EERD. With START the word is read at once, so that the next read of EERD finds DONE set. */
uint32_t
m82576_eerd_write(struct m82576 *m, uint32_t v)
{
	uint32_t addr = (v >> IGB_EERD_ADDR_SHIFT) & 0x3FFF, word;

	if (!(v & IGB_EERD_START))
		return v & 0xFFFC;
	word = addr < M82576_NVM_WORDS ? m->nvm[addr] : 0xFFFF;
	return word << IGB_EERD_DATA_SHIFT | addr << IGB_EERD_ADDR_SHIFT | IGB_EERD_DONE;
}

/* Return a byte of the NVM. The words are in memory as in the EEPROM: low byte first. */
static uint8_t *
spi_byte(struct m82576 *m, uint32_t addr)
{
	return (uint8_t *)m->nvm + addr % NVM_BYTES;
}

/* On a rising edge of SK the EEPROM shifts in one bit. */
static void
spi_take(struct m82576_spi *s, bool bit)
{
	uint32_t n;

	s->in = s->in << 1 | bit;
	s->bits++;
	if (s->bits == SPI_CODE_BITS)
		s->code = (uint8_t)s->in;
	if (s->bits == SPI_ADDR_BITS)
		s->addr = (uint16_t)s->in;
	if (s->code != SPI_WRITE || s->bits <= SPI_ADDR_BITS || s->bits % 8 != 0)
		return;
	/* Beyond the end of the page the address wraps around to its beginning. */
	n = (s->addr + (s->bits - SPI_ADDR_BITS) / 8 - 1) % M82576_SPI_PAGE;
	s->page[n] = (uint8_t)s->in;
	s->written |= 1u << n;
}

/* On a falling edge of SK the EEPROM shifts out the next bit. */
static bool
spi_give(struct m82576 *m, const struct m82576_spi *s)
{
	uint32_t n;

	if (s->code == SPI_RDSR && s->bits >= SPI_CODE_BITS)
		return s->status >> (7 - s->bits % 8) & 1;
	if (s->code != SPI_READ || s->bits < SPI_ADDR_BITS)
		return false;
	n = s->bits - SPI_ADDR_BITS;
	return *spi_byte(m, s->addr + n / 8) >> (7 - n % 8) & 1;
}

/* When CS rises the command ends. A write is carried out if it consists of whole bytes. */
static void
spi_end(struct m82576 *m, struct m82576_spi *s)
{
	uint32_t i;

	if (s->code == SPI_WREN && s->bits == SPI_CODE_BITS)
		s->status |= SPI_ST_WEN;
	if (s->code == SPI_WRITE && s->status & SPI_ST_WEN && s->bits % 8 == 0)
		for (i = 0; i < M82576_SPI_PAGE; i++)
			if (s->written & (1u << i))
				*spi_byte(m, s->addr / M82576_SPI_PAGE * M82576_SPI_PAGE + i) =
						s->page[i];
	if (s->code == SPI_WRDI || s->code == SPI_WRSR || s->code == SPI_WRITE)
		s->status &= (uint8_t)~SPI_ST_WEN;
	s->bits = s->in = s->written = 0;
	s->code = 0;
}

bool
m82576_nvm_pins(struct m82576 *m, uint32_t eecd)
{
	struct m82576_spi *s = &m->spi;
	uint32_t old = s->pins;

	/* Without the grant software does not drive the pins, and the EEPROM is not selected. */
	s->pins = eecd & IGB_EECD_GNT ? eecd : IGB_EECD_CS;
	if (s->pins & IGB_EECD_CS) {
		if (!(old & IGB_EECD_CS))
			spi_end(m, s);
		s->out = false;
	} else if (~old & s->pins & IGB_EECD_SK) {
		spi_take(s, s->pins & IGB_EECD_DI);
	} else if (old & ~s->pins & IGB_EECD_SK) {
		s->out = spi_give(m, s);
	}
	return s->out;
}
