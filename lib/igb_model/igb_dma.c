/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The client's memory, where no pointer leads to it; and what is said when nothing does.
 */

#include <stdarg.h>
#include <stdio.h>

#include "igb_model_priv.h"

_Static_assert(IGB_LOG_DMA + 4 * VFU_DMA_WHYS <= 32, "kinds of lines are bits of a word");

/*
 * How much of [addr, addr + len) lies below the last address that the device can drive; behind
 * that comes address 0.
 */
static size_t
before_wrap(const struct igb_model *m, uint64_t addr, size_t len)
{
	uint64_t left = m->addr_mask - addr; /* and one byte more, which 2^64 - 1 has no room for */

	return len - 1 > left ? (size_t)left + 1 : len;
}

bool
igb_dma_read(struct igb_model *m, uint64_t addr, void *buf, size_t len)
{
	uint8_t *p = buf;
	size_t n;

	for (addr &= m->addr_mask; len != 0; addr = 0, p += n, len -= n) {
		n = before_wrap(m, addr, len);
		if (vfu_dma_read(m->server, addr, p, n) != 0)
			return false;
	}
	return true;
}

bool
igb_dma_write(struct igb_model *m, uint64_t addr, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t n;

	for (addr &= m->addr_mask; len != 0; addr = 0, p += n, len -= n) {
		n = before_wrap(m, addr, len);
		if (vfu_dma_write(m->server, addr, p, n) != 0)
			return false;
	}
	return true;
}

void
igb_log_dma(struct igb_model *m, enum igb_dma_what what, const char *fmt, ...)
{
	const struct vfu_dma_fault *fault = vfu_dma_last_fault();
	bool write = fault->prot == VFU_DMA_WRITE;
	char line[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	igb_log(m, IGB_LOG_DMA + (2 * what + write) * VFU_DMA_WHYS + fault->why,
		"DMA fault, cannot %s 0x%lx (%s): %s", write ? "write" : "read",
		(unsigned long)fault->iova, vfu_dma_why_text(fault), line);
}
