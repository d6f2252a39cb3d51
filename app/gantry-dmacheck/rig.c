/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Checks and memory that bugs, devices and drivers share.
 */

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "dmacheck.h"

void
check(struct rig *r, bool right, const char *file, int line, const char *what)
{
	r->checks++;
	if (right)
		return;
	r->wrong++;
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
}

void
broken(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
	_exit(1);
}

void
fill(void *buf, size_t len, unsigned int seed)
{
	uint8_t *b = buf;
	size_t i;

	for (i = 0; i < len; i++)
		b[i] = (uint8_t)(seed * 131 + i * 7 + (i >> 8));
}

bool
filled(const void *buf, size_t len, unsigned int seed)
{
	const uint8_t *b = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (b[i] != (uint8_t)(seed * 131 + i * 7 + (i >> 8)))
			return false;
	return true;
}

void *
dma_buf(size_t len)
{
	void *buf = rte_zmalloc("dmacheck", len, RTE_CACHE_LINE_SIZE);

	if (buf == NULL)
		broken("no memory");
	return buf;
}
