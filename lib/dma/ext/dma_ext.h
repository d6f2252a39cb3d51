/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The interface of this floor for those above it.
 */

#ifndef DMA_EXT_H
#define DMA_EXT_H

#include <stdbool.h>
#include <stddef.h>

/** Register the telemetry command, at the first device. */
void dma_reach_telemetry(void);

/** Format a code address as "function+0x12 (file)". Return false if not even the file is known. */
bool dma_symbol(const void *addr, char *buf, size_t len);
/** The owner of code; a higher value is deeper in libraries. */
enum dma_code {
	DMA_CODE_FOREIGN, /* the application, or another driver */
	DMA_CODE_LIBRARY, /* gantry or DPDK */
	DMA_CODE_DPDK,    /* a function of DPDK's API, possibly inside the program */
};
#define DMA_FRAMES_MAX 32
/**
 * Walk this thread's call chain outwards from site to the first return address whose class is less
 * than code; site itself if there is none. NULL: site is not in the chain. As slow as a backtrace.
 */
const void *dma_find_caller(const void *site, enum dma_code code);
/** The same; site if it is not in the chain, and without a walk if its class is less than code. */
const void *dma_caller_of(const void *site, enum dma_code code);

#endif /* DMA_EXT_H */
