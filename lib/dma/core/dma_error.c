/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Errors: the text of the last one, one for each thread.
 */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_string_fns.h>

#include "dma_core.h"

RTE_LOG_REGISTER(gantry_dma_logtype, lib.gantry_dma, NOTICE);

static __thread char last_error[512];

void
dma_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	va_end(ap);
}

const char *
gantry_dma_last_error(void)
{
	return last_error;
}

void
dma_reason(struct gantry_dma_dev *dev, char *why, size_t size)
{
	const char *name = dma_device(dev)->name, *text = last_error;
	const size_t n = strlen(name);

	if (strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0)
		text += n + 2;
	strlcpy(why, text, size);
}

void
dma_log_error(struct gantry_dma_dev *dev, uint32_t level)
{
	char why[sizeof(last_error)];

	dma_reason(dev, why, sizeof(why));
	rte_log(level, gantry_dma_logtype, "gantry_dma: %s: %s\n", dma_device(dev)->name, why);
}

void
dma_misuse(struct gantry_dma_dev *dev, const char *what, gantry_dma_addr_t addr, size_t size,
		const char *why)
{
	dma_fail("%s: %s of bus address 0x%" PRIx64 ", %zu bytes: %s: not done",
			dma_device(dev)->name, what, addr, size, why);
	dma_log_error(dev, RTE_LOG_ERR);
}
