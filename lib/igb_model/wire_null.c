/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* wire=none: the cable leads to a partner that listens and sends nothing. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

static unsigned int
null_put(struct wire_sink *sink, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	return n;
}

static void
null_close(struct wire_sink *sink)
{
	free(sink);
}

int
wire_null_open(struct wire_sink **sink, char *err)
{
	*sink = calloc(1, sizeof(**sink));
	if (*sink == NULL) {
		snprintf(err, WIRE_ERR_LEN, "out of memory");
		return -ENOMEM;
	}
	(*sink)->put = null_put;
	(*sink)->close = null_close;
	return 0;
}
