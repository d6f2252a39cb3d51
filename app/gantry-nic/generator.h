/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Flows of --traffic for the ports with wire=gen.
 */

#ifndef GENERATOR_H
#define GENERATOR_H

#include "port.h"

/*
 * Load the flows, and give each port with wire=gen the place that the file has for it. Before the
 * sandbox.
 *
 * @param path         the file, or NULL: no port may have wire=gen then
 * @param[out] t       the flows, or NULL; the caller frees them after the wires
 * @param[out] err     one line, SPEC_ERR_LEN bytes
 * @return 0, or a negative errno value
 */
int generator_load(const char *path, struct port *ports, unsigned int nr, struct traffic **t,
		char *err);

#endif /* GENERATOR_H */
