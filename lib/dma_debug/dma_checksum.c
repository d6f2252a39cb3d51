/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Checksums for the debug layer, which computes two for each packet that is sent: nothing else in
 * the layer costs as much. They need not resist an attacker. They have to be fast, and to detect
 * any change that an application may make to a packet by mistake.
 *
 * x86 processors since 2010 have an instruction that does a round of AES (FIPS 197, 5.1) with 16
 * bytes of data as its key: state = MixColumns(ShiftRows(SubBytes(state))) ^ data. It is a
 * bijection in each of its operands, so a change of one block changes the state, and two rounds
 * later every byte of the state. The instruction takes four cycles, and the processor starts two in
 * each cycle: so eight states take turns.
 */

#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "dma_checksum.h"

static inline uint64_t
mix(uint64_t sum, const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	sum = (sum ^ word) * UINT64_C(0x9E3779B97F4A7C15);
	return sum << 29 | sum >> 35;
}

uint64_t
dma_checksum_plain(const void *data, size_t size)
{
	uint64_t a = size, b = 1, c = 2, d = 3, rest = 0;
	const uint8_t *p = data;

	for (; size >= 32; p += 32, size -= 32) {
		a = mix(a, p);
		b = mix(b, p + 8);
		c = mix(c, p + 16);
		d = mix(d, p + 24);
	}
	for (; size >= 8; p += 8, size -= 8)
		a = mix(a, p);
	memcpy(&rest, p, size);
	return mix(a, (uint8_t *)&rest) + b * 3 + c * 5 + d * 7;
}

#ifdef __x86_64__

#include <wmmintrin.h>

#define LANES 8
#define BLOCK sizeof(__m128i)

__attribute__((target("aes"))) static uint64_t
checksum_aes(const uint8_t *p, size_t size)
{
	const __m128i key = _mm_set_epi64x(0x9E3779B97F4A7C15, 0x165667B19E3779F9);
	const __m128i length = _mm_set1_epi64x(size);
	__m128i lane[LANES], rest = _mm_setzero_si128();
	unsigned int i, half;

	for (i = 0; i < LANES; i++)
		lane[i] = _mm_xor_si128(key, _mm_set1_epi32(i));
	for (; size >= LANES * BLOCK; p += LANES * BLOCK, size -= LANES * BLOCK)
		for (i = 0; i < LANES; i++)
			lane[i] = _mm_aesenc_si128(lane[i],
					_mm_loadu_si128((const __m128i *)p + i));
	for (; size >= BLOCK; p += BLOCK, size -= BLOCK)
		lane[0] = _mm_aesenc_si128(lane[0], _mm_loadu_si128((const __m128i *)p));
	memcpy(&rest, p, size);
	lane[1] = _mm_aesenc_si128(lane[1], rest);
	for (half = LANES / 2; half > 0; half /= 2)
		for (i = 0; i < half; i++)
			lane[i] = _mm_aesenc_si128(lane[i], lane[i + half]);
	/* The last block has had no round yet. Two rounds make every byte depend on every other. */
	lane[0] = _mm_aesenc_si128(_mm_aesenc_si128(lane[0], length), key);
	return _mm_cvtsi128_si64(lane[0]);
}

uint64_t
dma_checksum(const void *data, size_t size)
{
	return likely(__builtin_cpu_supports("aes")) ? checksum_aes(data, size) :
						       dma_checksum_plain(data, size);
}

#else

uint64_t
dma_checksum(const void *data, size_t size)
{
	return dma_checksum_plain(data, size);
}

#endif

bool
dma_checksum_foreign(const uint8_t *p, size_t size, uint64_t *sum)
{
	uint8_t copy[4096];
	size_t n;

	for (*sum = size; size > 0; p += n, size -= n) {
		struct iovec to = { .iov_base = copy }, from = { .iov_base = (void *)(uintptr_t)p };

		n = RTE_MIN(size, sizeof(copy));
		to.iov_len = from.iov_len = n;
		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)n)
			return false;
		*sum = *sum * UINT64_C(0x9E3779B97F4A7C15) + dma_checksum(copy, n);
	}
	return true;
}
