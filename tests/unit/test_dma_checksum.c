/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the checksums of the debug layer of lib/dma (dma_checksum.h). They must detect each
 * change of the data, and must not read beyond the data.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dma_checksum.h"

#define PAGE 4096
#define LONG 2048

static uint64_t (*const sums[])(const void *data, size_t size) = { dma_checksum,
	dma_checksum_plain };
#define FOR_EACH(k) for (k = 0; k < sizeof(sums) / sizeof(sums[0]); k++)

/* A page that is followed by an inaccessible one. */
static uint8_t *page;

static int
make_page(void **state)
{
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED || mprotect(page + PAGE, PAGE, PROT_NONE) != 0;
}

static int
drop_page(void **state)
{
	return munmap(page, 2 * PAGE);
}

static void
fill(uint8_t *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[i] = i * 31 ^ i >> 8;
}

/* Each flipped bit of each byte, for sizes up to several steps of the loop. */
static void
each_flipped_bit_changes_sum(void **state)
{
	unsigned int k, bit;
	uint64_t sum;
	size_t size, i;

	FOR_EACH(k) {
		for (size = 1; size <= LONG; size += size < 300 ? 1 : 437) {
			uint8_t *p = page + PAGE - size;

			fill(p, size);
			sum = sums[k](p, size);
			for (i = 0; i < size; i++) {
				for (bit = 0; bit < 8; bit++) {
					p[i] ^= 1 << bit;
					assert_int_not_equal(sums[k](p, size), sum);
					p[i] ^= 1 << bit;
				}
			}
			assert_int_equal(sums[k](p, size), sum);
		}
	}
}

/* The sum depends on the data alone, not on its address or on the bytes around it. */
static void
sum_depends_on_data_alone(void **state)
{
	uint8_t data[LONG];
	unsigned int k;
	size_t at;

	fill(data, LONG);
	FOR_EACH(k) {
		for (at = 0; at < 70; at++) {
			memset(page, 0xEE - at, PAGE);
			memcpy(page + at, data, LONG - 1);
			assert_int_equal(sums[k](page + at, LONG - 1), sums[k](data, LONG - 1));
		}
	}
}

/* The same change at two places, at each distance: one must not cancel the other. */
static void
equal_changes_do_not_cancel(void **state)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0xFF };
	unsigned int k, m;
	uint64_t sum;
	size_t i, j;

	fill(page, LONG);
	FOR_EACH(k) {
		sum = sums[k](page, LONG);
		for (m = 0; m < sizeof(masks); m++) {
			for (i = 0; i < 160; i += 5) {
				for (j = i + 1; j < LONG; j++) {
					page[i] ^= masks[m];
					page[j] ^= masks[m];
					assert_int_not_equal(sums[k](page, LONG), sum);
					page[i] ^= masks[m];
					page[j] ^= masks[m];
				}
			}
		}
	}
}

/* Exchanged pieces, inverted data, data of one repeated byte, and other lengths. */
static void
moved_inverted_or_shortened_data_changes_sum(void **state)
{
	uint8_t other[LONG];
	unsigned int k;
	size_t piece, i;

	fill(page, LONG);
	FOR_EACH(k) {
		const uint64_t sum = sums[k](page, LONG);

		for (piece = 2; piece <= LONG / 2; piece *= 2) {
			memcpy(other, page, LONG);
			memcpy(other, page + piece, piece);
			memcpy(other + piece, page, piece);
			assert_int_not_equal(sums[k](other, LONG), sum);
		}
		for (i = 0; i < LONG; i++)
			other[i] = ~page[i];
		assert_int_not_equal(sums[k](other, LONG), sum);
		for (i = 0; i < 256; i++) {
			memset(other, i, LONG);
			assert_int_not_equal(sums[k](other, LONG), sum);
			assert_int_not_equal(sums[k](other, i), sums[k](other, i + 1));
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_flipped_bit_changes_sum),
		cmocka_unit_test(sum_depends_on_data_alone),
		cmocka_unit_test(equal_changes_do_not_cancel),
		cmocka_unit_test(moved_inverted_or_shortened_data_changes_sum),
	};

	return cmocka_run_group_tests(tests, make_page, drop_page);
}
