/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Statistics: as JSON for programs, as text for people.
 */

#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "port.h"

/*
 * Writes the statistics of all ports to a file, which is replaced as a whole (or to
 * standard output: "-"), and starts a new interval of longest gaps.
 * @param started  poller_now() at the start
 * @return 0, or a negative errno value, and said so on stderr
 */
int report_json(const char *path, const struct port *ports, unsigned int nr, uint64_t started);

void report_text(FILE *out, const struct port *ports, unsigned int nr, uint64_t started);

#endif /* REPORT_H */
