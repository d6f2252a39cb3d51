/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Statistics: as JSON for programs, as text for people.
 */

#ifndef REPORT_H
#define REPORT_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "output_file.h"
#include "port.h"

/*
 * Return the statistics of all ports. Main thread.
 *
 * @param started  poller_now() at the start, ns
 */
json_t *report_make(const struct port *ports, unsigned int nr, uint64_t started);

/* Start a new interval for the longest gaps. Main thread. */
void report_new_interval(const struct port *ports, unsigned int nr);

/*
 * Write the statistics of all ports, and start a new interval for the longest gaps. Main thread.
 *
 * @param started  poller_now() at the start, ns
 * @return 0 or a negative errno value
 */
int report_json(struct output_file *out, const struct port *ports, unsigned int nr,
		uint64_t started);

void report_text(FILE *out, const struct port *ports, unsigned int nr, uint64_t started);

#endif /* REPORT_H */
