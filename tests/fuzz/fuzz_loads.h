/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Memory that changes under the component. An input arms a change, which happens right before the
 * component, compiled with trace-loads, loads from memory that the target shares with it.
 */

#ifndef FUZZ_LOADS_H
#define FUZZ_LOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The armed change: how many loads remain until it happens, and the bytes to xor. */
static unsigned int loads_left;
static uint64_t change;

/* Report whether the component shares these bytes with the target, which defines this function. */
static bool is_shared(const uint8_t *at, size_t width);

static void
before_load(void *p, size_t width)
{
	uint8_t *at = p;

	if (__builtin_expect(loads_left == 0, 1) || !is_shared(at, width) || --loads_left != 0)
		return;
	for (size_t i = 0; i < width && i < sizeof(change); i++)
		at[i] ^= (uint8_t)(change >> (8 * i));
}

/*
 * The compiler calls these before each load of the component, but not before loads of the target.
 */
#define ON_LOAD(width, type) \
	void __sanitizer_cov_load##width(type *p); \
	void __sanitizer_cov_load##width(type *p) \
	{ \
		before_load(p, width); \
	}
ON_LOAD(1, uint8_t)
ON_LOAD(2, uint16_t)
ON_LOAD(4, uint32_t)
ON_LOAD(8, uint64_t)
ON_LOAD(16, __int128)

#endif /* FUZZ_LOADS_H */
