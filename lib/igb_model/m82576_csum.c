/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Checksums: the Internet checksum (RFC 1071), Ethernet's CRC32 and SCTP's CRC32c.
 *
 * The Internet checksum is kept as a 32-bit one's complement sum of 16-bit words in the CPU's
 * (little-endian) byte order. Sums of parts may be added if each part but the last has an even
 * length. The result, folded and complemented, is stored as it is.
 */

#include <string.h>

#include "m82576_priv.h"

#define CRC32_POLY  0xEDB88320u /* IEEE 802.3, reflected */
#define CRC32C_POLY 0x82F63B78u /* Castagnoli, reflected: RFC 9260, appendix A */

static uint32_t crc_table[2][4][256];

static void __attribute__((constructor)) crc_tables(void)
{
	static const uint32_t poly[2] = { CRC32_POLY, CRC32C_POLY };
	unsigned int k, i, j;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < 256; i++) {
			uint32_t c = i;

			for (j = 0; j < 8; j++)
				c = (c >> 1) ^ ((c & 1) ? poly[k] : 0);
			crc_table[k][0][i] = c;
		}
		for (i = 0; i < 256; i++)
			for (j = 1; j < 4; j++)
				crc_table[k][j][i] = (crc_table[k][j - 1][i] >> 8) ^
						crc_table[k][0][crc_table[k][j - 1][i] & 0xFF];
	}
}

static uint32_t
crc_update(uint32_t (*t)[256], uint32_t c, const uint8_t *p, size_t len)
{
	uint32_t w;

	for (; len >= 4; len -= 4, p += 4) {
		memcpy(&w, p, 4);
		c ^= w;
		c = t[3][c & 0xFF] ^ t[2][(c >> 8) & 0xFF] ^ t[1][(c >> 16) & 0xFF] ^ t[0][c >> 24];
	}
	for (; len > 0; len--, p++)
		c = (c >> 8) ^ t[0][(c ^ *p) & 0xFF];
	return c;
}

/* Compute the frame check sequence. It goes to the wire and to memory with the low byte first. */
uint32_t
m82576_fcs(const uint8_t *p, size_t len)
{
	return ~crc_update(crc_table[0], ~0u, p, len);
}

/* Compute the CRC32c of an SCTP packet of at least 12 bytes. Its checksum field counts as zero. */
uint32_t
m82576_sctp_crc(const uint8_t *p, size_t len)
{
	static const uint8_t zero[4];
	uint32_t c = crc_update(crc_table[1], ~0u, p, 8);

	c = crc_update(crc_table[1], c, zero, 4);
	return ~crc_update(crc_table[1], c, p + 12, len - 12);
}

uint32_t
m82576_csum_add(const uint8_t *p, size_t len, uint32_t sum)
{
	uint64_t s = sum, w;
	uint32_t w4;
	uint16_t w2;

	/* The sum of fewer than 2^32 halves of 32 bits cannot overflow 64 bits. */
	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&w, p, 8);
		s += (w & 0xFFFFFFFFu) + (w >> 32);
	}
	if (len & 4) {
		memcpy(&w4, p, 4);
		s += w4;
		p += 4;
	}
	if (len & 2) {
		memcpy(&w2, p, 2);
		s += w2;
		p += 2;
	}
	if (len & 1)
		s += *p;
	s = (s & 0xFFFFFFFFu) + (s >> 32);
	s = (s & 0xFFFFFFFFu) + (s >> 32);
	/* Reduce to 17 bits, so that callers can go on adding. */
	return (uint32_t)((s & 0xFFFFu) + (s >> 16));
}

uint16_t
m82576_csum_fold(uint32_t sum)
{
	sum = (sum & 0xFFFFu) + (sum >> 16);
	sum = (sum & 0xFFFFu) + (sum >> 16);
	return (uint16_t)sum;
}
