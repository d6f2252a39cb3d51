/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Whether data changed: dma_checksum.c.
 */

#ifndef DMA_CHECKSUM_H
#define DMA_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/** Of two that differ the sums do, but for one in 2^64. Only to be compared in one process. */
uint64_t dma_checksum(const void *data, size_t size);
/** The same for a processor that knows no AES: other sums, as good, four times as slow. */
uint64_t dma_checksum_plain(const void *data, size_t size);

#endif /* DMA_CHECKSUM_H */
