/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Checksums that detect whether data changed: see dma_checksum.c.
 */

#ifndef DMA_CHECKSUM_H
#define DMA_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Return the checksum. Two different data have different sums, except one in 2^64. Sums are
 * comparable only within one process.
 */
uint64_t dma_checksum(const void *data, size_t size);
/**
 * The same for a processor without AES instructions: other sums, as good, and four times as slow.
 */
uint64_t dma_checksum_plain(const void *data, size_t size);
/** Sum memory that may be unmapped; return false if it is. */
bool dma_checksum_foreign(const uint8_t *p, size_t size, uint64_t *sum);

#endif /* DMA_CHECKSUM_H */
