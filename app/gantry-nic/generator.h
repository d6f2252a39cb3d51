/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Flows of the ports with wire=gen: those of --traffic, and others by --control. Main thread.
 */

#ifndef GENERATOR_H
#define GENERATOR_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "port.h"

struct generator {
	struct port *ports;
	unsigned int nr;
	const volatile sig_atomic_t *ending; /* the process ends: do not wait */
	struct traffic *now;                 /* flows of all ports; NULL: no port has wire=gen */
	struct traffic *former; /* flows that a polling thread may still use, or NULL */
};

/*
 * Load the flows, and give each port with wire=gen the place that the file has for it. Before the
 * sandbox.
 *
 * @param g        with ports and nr; generator_free() frees its flows after the wires are closed
 * @param path     the file; NULL: no port may have wire=gen, unless it gets its flows by --control
 * @param control  there is a --control
 * @param[out] err one line, SPEC_ERR_LEN bytes
 * @return 0, or a negative errno value
 */
int generator_load(struct generator *g, const char *path, bool control, char *err);

/*
 * Replace the flows of all ports. Counters begin at zero, and the flows wait for
 * generator_switch().
 *
 * @param config    the same as a file of --traffic
 * @param[out] err  one line, SPEC_ERR_LEN bytes
 * @retval 0        the ports have these flows
 * @retval -EINVAL  config has a mistake; nothing has changed
 * @retval -ENOMEM  no memory; nothing has changed
 * @retval -EBUSY   a polling thread does not answer, because it is stuck in the memory of a client.
 *   err names the consequence
 */
int generator_set(struct generator *g, json_t *config, char *err);

/*
 * Start or stop flows. There must be a --control.
 *
 * @param names     array of the names of flows; NULL: all flows
 * @param[out] err  one line, SPEC_ERR_LEN bytes
 * @return as generator_set()
 */
int generator_switch(struct generator *g, const json_t *names, bool on, char *err);

void generator_free(struct generator *g);

#endif /* GENERATOR_H */
