/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Plain moves of x86-64: the instructions with which a driver loads and stores registers.
 */

#ifndef VFIO_USER_MOV_H
#define VFIO_USER_MOV_H

#include <stdbool.h>
#include <stdint.h>

/** A move between memory and a general register, or from an immediate to memory. */
struct vfio_user_mov {
	uint8_t len;    /**< bytes of the instruction */
	uint8_t size;   /**< bytes of memory: 1, 2, 4 or 8 */
	bool is_store;  /**< to memory */
	bool is_imm;    /**< of a store: stores imm, no register */
	bool is_signed; /**< of a load: extends the sign of the value to width */
	uint8_t width;  /**< of a load: bytes of the register that it writes */
	uint8_t reg;   /**< number of the register as instructions encode it: 0 (RAX) to 15 (R15) */
	uint8_t shift; /**< of the byte in the register: 8 for AH, CH, DH, BH; else 0 */
	uint64_t imm;
};

/**
 * Decode an instruction. Reads its bytes up to its end, or up to the byte that shows that it is no
 * plain move.
 * @param code  the first byte of an instruction that the CPU can fetch
 * @param mov   [out] the instruction
 * @return true: @p mov is valid; false: it is no plain move of 1, 2, 4 or 8 bytes of memory
 */
bool vfio_user_mov_decode(const uint8_t *code, struct vfio_user_mov *mov);
/** Return the value that a store writes to memory. @param reg  content of the 64-bit register */
uint64_t vfio_user_mov_stored(const struct vfio_user_mov *mov, uint64_t reg);
/**
 * Return the content of the register after a load.
 * @param reg    content of the 64-bit register before the load
 * @param value  the bytes of memory; bits beyond the size are ignored
 */
uint64_t vfio_user_mov_loaded(const struct vfio_user_mov *mov, uint64_t reg, uint64_t value);

#endif /* VFIO_USER_MOV_H */
