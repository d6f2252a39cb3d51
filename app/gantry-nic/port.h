/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Ports: a device each, and the directions of its wire.
 */

#ifndef PORT_H
#define PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "igb_model.h"
#include "poller.h"
#include "port_spec.h"
#include "wire.h"

struct port {
	struct port_spec spec;
	struct igb_model *dev;

	/* The far end of a tap or pcap wire, until directions own it. */
	struct wire_source *far_src;
	struct wire_sink *far_sink;

	const struct wire_source *replay; /* PCAP: what is replayed; the direction in owns it */

	struct wire_dir *out;   /* what the device sends; always there, owned */
	struct wire_dir *in;    /* what it receives; NULL: wire=none */
	bool in_owned;          /* else in is somebody's out: its own (loop) or the peer's */
};

/*
 * Opens the far ends, makes the devices and serves them, begins the records, and connects all.
 * On error returns a negative errno value and one line in err (WIRE_ERR_LEN);
 * ports_close() is to be called all the same.
 */
int ports_open(struct port *ports, unsigned int nr, char *err);
/* No polling thread may run. Frees all but the specifications. */
void ports_close(struct port *ports, unsigned int nr);

/* Spreads the directions over the threads. */
void ports_spread(struct port *ports, unsigned int nr, struct poller **pollers,
		unsigned int nr_pollers);
/* Has the threads of each port's device run where the port is polled. */
void ports_keep_to_cores(struct port *ports, unsigned int nr, struct poller *const *pollers,
		unsigned int nr_pollers);
/* Begins the replays that wait for it (start=signal). */
void ports_start(struct port *ports, unsigned int nr);
/* How many directions there are. */
unsigned int ports_directions(const struct port *ports, unsigned int nr);

#endif /* PORT_H */
