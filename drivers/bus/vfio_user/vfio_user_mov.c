/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Decodes plain moves of x86-64. The address of the access comes from the fault, so of the operand
 * in memory only the length matters:
 *
 *     [66 67 segment]* [REX] opcode ModRM [SIB] [displacement] [immediate]
 *
 *     88 89      store a register           0F B6 B7   load, extend by zeros
 *     8A 8B      load a register            0F BE BF   load, extend the sign
 *     C6 C7      store an immediate         63         load 4 bytes, extend the sign
 *     A0 to A3   load, store RAX, absolute  0F C3      store past the cache (MOVNTI)
 *                                           0F 38 F9   the same at once (MOVDIRI), which
 *                                                      rte_write32_wc() does if the CPU has it
 *
 * Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
 */

#include <string.h>

#include "vfio_user_mov.h"

#define MAX_PREFIXES 4 /* one of each group; more would be legal, and no compiler emits them */

#define REX_W 8 /* 64-bit operand */
#define REX_R 4 /* bit 3 of the register */

/* The parts of an instruction before its opcode. */
struct prefixes {
	bool op16, addr32;
	uint8_t rex; /* 0: none */
};

static const uint8_t *
skip_prefixes(const uint8_t *at, struct prefixes *p)
{
	unsigned int i;

	for (i = 0; i < MAX_PREFIXES; i++, at++) {
		if (*at == 0x66)
			p->op16 = true;
		else if (*at == 0x67)
			p->addr32 = true;
		else if ((*at & 0xe7) != 0x26 && *at != 0x64 && *at != 0x65) /* segments */
			break;
	}
	if ((*at & 0xf0) == 0x40)
		p->rex = *at++;
	return at;
}

/* Bytes of an operand in memory: ModRM, SIB, displacement. 0: the operand is a register. */
static unsigned int
operand_len(const uint8_t *modrm)
{
	const uint8_t mod = modrm[0] >> 6, rm = modrm[0] & 7;
	unsigned int len = 1;

	if (mod == 3)
		return 0;
	if (rm == 4) {
		len++;
		if (mod == 0 && (modrm[1] & 7) == 5)
			len += 4;
	} else if (rm == 5 && mod == 0) {
		len += 4;
	}
	return len + (mod == 1 ? 1 : mod == 2 ? 4 : 0);
}

/*
 * Set size, width and direction by the opcode.
 * map: 0 for an opcode of one byte, 1 behind 0F, 2 behind 0F 38
 * @return false: no plain move
 */
static bool
decode_opcode(uint8_t op, unsigned int map, unsigned int operand, struct vfio_user_mov *mov)
{
	mov->width = mov->size = operand;
	switch (map << 8 | op) {
	case 0x88:
	case 0xa2:
	case 0xc6:
		mov->size = 1;
		/* fall through */
	case 0x89:
	case 0xa3:
	case 0xc7:
		mov->is_store = true;
		mov->is_imm = op >= 0xc6;
		return true;
	case 0x8a:
	case 0xa0:
		mov->width = mov->size = 1;
		/* fall through */
	case 0x8b:
	case 0xa1:
		return true;
	case 0x63:
		mov->size = 4;
		mov->is_signed = true;
		return operand == 8;
	case 0x1b6:
	case 0x1be:
	case 0x1b7:
	case 0x1bf:
		mov->size = op & 1 ? 2 : 1;
		mov->is_signed = op >= 0xbe;
		return true;
	case 0x1c3:
	case 0x2f9:
		mov->is_store = true;
		return operand != 2;
	default:
		return false;
	}
}

/* Read the immediate: at most 4 bytes, whose sign a store of 8 bytes extends. */
static unsigned int
read_imm(const uint8_t *at, struct vfio_user_mov *mov)
{
	const unsigned int len = mov->size < 4 ? mov->size : 4;
	uint64_t value = 0;

	memcpy(&value, at, len);
	mov->imm = mov->size == 8 ? (uint64_t)(int32_t)value : value;
	return len;
}

bool
vfio_user_mov_decode(const uint8_t *code, struct vfio_user_mov *mov)
{
	struct prefixes p = { 0 };
	const uint8_t *at = skip_prefixes(code, &p);
	unsigned int map = 0, len;
	uint8_t op = *at++;

	if (op == 0x0f) {
		map = 1;
		op = *at++;
	}
	if (map == 1 && op == 0x38) {
		map = 2;
		op = *at++;
	}
	memset(mov, 0, sizeof(*mov));
	if (!decode_opcode(op, map, p.rex & REX_W ? 8 : p.op16 ? 2 : 4, mov))
		return false;
	if (map == 0 && (op & 0xfc) == 0xa0) { /* RAX and an address, no ModRM */
		mov->len = at + (p.addr32 ? 4 : 8) - code;
		return true;
	}
	len = operand_len(at);
	mov->reg = (*at >> 3 & 7) | (p.rex & REX_R ? 8 : 0);
	if (len == 0 || (mov->is_imm && (*at >> 3 & 7) != 0))
		return false;
	at += len;
	if (mov->is_imm)
		at += read_imm(at, mov);
	/* Without REX, the byte registers 4 to 7 are the second bytes of registers 0 to 3. */
	if (p.rex == 0 && mov->reg >= 4 && (mov->is_store ? mov->size : mov->width) == 1) {
		mov->reg -= 4;
		mov->shift = 8;
	}
	mov->len = at - code;
	return true;
}

static uint64_t
low_bytes(uint64_t value, unsigned int bytes)
{
	return bytes == 8 ? value : value & ((UINT64_C(1) << 8 * bytes) - 1);
}

uint64_t
vfio_user_mov_stored(const struct vfio_user_mov *mov, uint64_t reg)
{
	return low_bytes(mov->is_imm ? mov->imm : reg >> mov->shift, mov->size);
}

uint64_t
vfio_user_mov_loaded(const struct vfio_user_mov *mov, uint64_t reg, uint64_t value)
{
	const unsigned int unused = 64 - 8 * mov->size;
	const uint64_t old = low_bytes(UINT64_MAX, mov->width) << mov->shift;

	value = low_bytes(value, mov->size);
	if (mov->is_signed)
		value = (uint64_t)((int64_t)(value << unused) >> unused);
	value = low_bytes(value, mov->width);
	/* A load of 4 bytes clears the upper half of the register; a shorter one keeps the rest. */
	return mov->width >= 4 ? value : (reg & ~old) | value << mov->shift;
}
