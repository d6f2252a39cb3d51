/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Results of the flows of --traffic, as JSON for programs, as text for people.
 */

#ifndef REPORT_FLOWS_H
#define REPORT_FLOWS_H

#include <jansson.h>
#include <stdio.h>

#include "port.h"

/*
 * Return the results of all flows, in the order of the file. Without flows the array is empty.
 *
 * @param started  poller_now() at the start, ns
 */
json_t *report_flows_json(const struct port *ports, unsigned int nr, uint64_t started);
/* Return the frames that a port received and that belong to no flow of its; NULL: no generator. */
json_t *report_strays_json(const struct port *port);
/* Print a line for each flow. */
void report_flows_text(FILE *out, const struct port *ports, unsigned int nr);

#endif /* REPORT_FLOWS_H */
