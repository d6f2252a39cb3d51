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

#include "m82576.h"
#include "poller.h"
#include "port_spec.h"
#include "traffic.h"
#include "wire.h"

struct port {
	struct port_spec spec;
	struct m82576 *dev;

	/* wire=gen: the flows, and this port's number among them. */
	const struct traffic *traffic;
	unsigned int traffic_port;

	/* Far end of a tap, pcap or gen wire, until directions own it. */
	struct wire_source *far_src;
	struct wire_sink *far_sink;

	const struct wire_source *replay; /* pcap wire: source of the replay, owned by in */
	/* gen wire: both ends, owned by in and out. */
	struct wire_source *gen_src;
	struct wire_sink *gen_sink;

	struct wire_dir *out; /* frames that the device sends; always there, owned */
	struct wire_dir *in;  /* frames that it receives; NULL: wire=none */
	bool in_owned;        /* else in is the out of this port (loop) or of its peer */
};

/*
 * Open the far ends, create the devices and serve them, start the recordings, and connect all.
 *
 * @return 0, or a negative errno value and one line in err (WIRE_ERR_LEN bytes); the caller must
 *   then also call ports_close()
 */
int ports_open(struct port *ports, unsigned int nr, char *err);
/*
 * Close all wires, so that recordings are complete, except directions that a stuck thread still
 * uses (pollers_use()). The devices remain.
 *
 * @return false: a recording is incomplete, as a line on standard error reports
 */
bool ports_close_wires(struct port *ports, unsigned int nr, struct poller *const *pollers,
		unsigned int nr_pollers);
/* Close and free all but the specifications. No polling thread may run. */
void ports_close(struct port *ports, unsigned int nr);

/* Distribute the directions over the threads. */
void ports_spread(struct port *ports, unsigned int nr, struct poller **pollers,
		unsigned int nr_pollers);
/* Keep the threads of each port's device on the cores that poll the port. */
void ports_keep_to_cores(struct port *ports, unsigned int nr, struct poller *const *pollers,
		unsigned int nr_pollers);
/* Start the replays and the generators that wait for it (start=signal). */
void ports_start(struct port *ports, unsigned int nr);
/* @return the port of that name; NULL: there is none */
struct port *port_find(struct port *ports, unsigned int nr, const char *name);
/* @return the number of directions */
unsigned int ports_directions(const struct port *ports, unsigned int nr);

#endif /* PORT_H */
