/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Log lines: at most LINES_PER_S in a second, and the first of its kind for a client.
 */

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "m82576_priv.h"

#define LINES_PER_S 20 /* a client that attaches and detaches repeatedly can cause many */

_Static_assert(M82576_LOG_DMA + 4 * VFU_DMA_WHYS <= 32, "kinds of lines are bits of a word");

void
m82576_log(struct m82576 *m, const char *fmt, ...)
{
	char line[VFU_ERR_LEN + 64];
	struct timespec ts;
	uint32_t lines;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (__atomic_exchange_n(&m->log_second, (uint32_t)ts.tv_sec, __ATOMIC_RELAXED) !=
			(uint32_t)ts.tv_sec) {
		lines = __atomic_exchange_n(&m->log_lines, 0, __ATOMIC_RELAXED);
		if (lines > LINES_PER_S) {
			snprintf(line, sizeof(line), "%u lines were left out", lines - LINES_PER_S);
			m->log(m->name, line);
		}
	}
	if (__atomic_fetch_add(&m->log_lines, 1, __ATOMIC_RELAXED) >= LINES_PER_S)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	m->log(m->name, line);
}

void
m82576_log_once(struct m82576 *m, unsigned int kind, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (__atomic_fetch_or(&m->log_done, 1u << kind, __ATOMIC_RELAXED) & (1u << kind))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	m82576_log(m, "%s", line);
}

void
m82576_log_dma(struct m82576 *m, enum m82576_dma_what what, const char *fmt, ...)
{
	const struct vfu_dma_fault *fault = vfu_dma_last_fault();
	bool write = fault->prot == VFU_DMA_WRITE;
	unsigned int kind = M82576_LOG_DMA + (2 * what + write) * VFU_DMA_WHYS + fault->why;
	char line[160];
	va_list ap;

	/*
	 * Check first, because a driver can cause faults at no cost, and formatting a line costs
	 * this thread a microsecond.
	 */
	if (__atomic_load_n(&m->log_done, __ATOMIC_RELAXED) & 1u << kind)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	m82576_log_once(m, kind, "DMA fault, cannot %s 0x%lx (%s): %s", write ? "write" : "read",
			(unsigned long)fault->iova, vfu_dma_why_text(fault), line);
}
