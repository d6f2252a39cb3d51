/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <err.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "output_file.h"
#include "testpmd.h"

/* The file of --json. */
static struct output_file output = { .fd = -1 };

void
report_error(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, format);
	vwarnx(format, ap);
	va_end(ap);
}

int
report_open(const char *path)
{
	const char *why;

	output_file_close(&output);
	if (output_file_open(path, &output, &why) == 0)
		return 0;
	report_error("--json %s: cannot be written: %s", path, why);
	return 1;
}

int
report_write(const char *path, json_t *document)
{
	int ret = output_file_write(&output, document, JSON_INDENT(2) | JSON_REAL_PRECISION(10));

	if (ret != 0)
		report_error("%s: cannot be written: %s", path, strerror(-ret));
	output_file_close(&output);
	return ret != 0;
}

const char *
report_rate(char *buf, size_t len, double pps)
{
	if (pps >= 1e6)
		snprintf(buf, len, "%.3f Mpps", pps / 1e6);
	else if (pps >= 1e3)
		snprintf(buf, len, "%.1f kpps", pps / 1e3);
	else
		snprintf(buf, len, "%.0f pps", pps);
	return buf;
}
