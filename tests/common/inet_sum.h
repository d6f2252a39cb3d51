/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The Internet checksum (RFC 1071) for tests: plainly, and not by what a driver or a model has. */

#ifndef TESTS_INET_SUM_H
#define TESTS_INET_SUM_H

#include <stdint.h>

/* The ones' complement sum of the bytes, on top of one that was begun (or 0). */
static inline uint32_t
inet_sum(const uint8_t *p, uint32_t len, uint32_t sum)
{
	uint32_t i;

	for (i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return sum;
}

#endif /* TESTS_INET_SUM_H */
