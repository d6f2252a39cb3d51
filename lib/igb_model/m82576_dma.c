/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Log lines about failed accesses to the client's memory.
 */

#include <stdarg.h>
#include <stdio.h>

#include "m82576_priv.h"

_Static_assert(M82576_LOG_DMA + 4 * VFU_DMA_WHYS <= 32, "kinds of lines are bits of a word");

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
	m82576_log(m, kind, "DMA fault, cannot %s 0x%lx (%s): %s", write ? "write" : "read",
		(unsigned long)fault->iova, vfu_dma_why_text(fault), line);
}
