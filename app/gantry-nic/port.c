/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "port.h"

/* TAPs and captures first: what they lack is found out before any socket exists. */
static int
open_far_ends(struct port *port, char *err)
{
	const struct port_spec *spec = &port->spec;
	int ret;

	switch (spec->wire) {
	case WIRE_TAP:
		return wire_tap_open(spec->ifname, &port->far_src, &port->far_sink, err);
	case WIRE_PCAP:
		ret = wire_pcap_open_source(spec->pcap_in, &port->far_src, err);
		if (ret != 0 || spec->pcap_out == NULL)
			break;
		return wire_pcap_open_sink(spec->pcap_out, &port->far_sink, err);
	default:
		return 0;
	}
	return ret;
}

static void
log_line(const char *name, const char *line)
{
	fprintf(stderr, "gantry-nic: port %s: %s\n", name, line);
}

static int
make_device(struct port *port, char *err)
{
	const struct port_spec *spec = &port->spec;
	struct igb_model_params params = {
		.name = spec->name,
		.socket = spec->socket,
		.speed_mbps = spec->speed_mbps,
		.addr_bits = spec->addr_bits,
		.no_page_table = spec->no_page_table,
		.log = log_line,
	};
	int ret;

	memcpy(params.mac, spec->mac, sizeof(params.mac));
	ret = igb_model_create(&params, &port->dev, err);
	if (ret != 0)
		return ret;
	igb_model_set_link(port->dev, true); /* the cable is plugged in as long as the daemon lives */
	return 0;
}

/* A direction, or NULL; takes source and sink in any case. */
static struct wire_dir *
connect_ends(struct wire_source *src, struct wire_sink *sink, const struct port_spec *spec,
		char *err)
{
	struct wire_dir *dir = wire_dir_new(src, sink, spec->speed_mbps);

	if (dir == NULL) {
		src->close(src);
		sink->close(sink);
		snprintf(err, WIRE_ERR_LEN, "out of memory");
	} else {
		wire_dir_set_lag(dir, spec->catchup_us * 1000ULL);
	}
	return dir;
}

/* What the device sends goes to: a device, the far end, or nowhere. */
static int
connect_out(struct port *ports, struct port *port, char *err)
{
	const struct port_spec *spec = &port->spec;
	struct wire_source *src;
	struct wire_sink *sink;
	int ret;

	if (spec->wire == WIRE_LOOP || spec->wire == WIRE_PAIR) {
		struct port *to = spec->wire == WIRE_LOOP ? port : &ports[spec->peer];

		ret = wire_dev_open(to->dev, NULL, &sink, err);
	} else if (port->far_sink != NULL) {
		sink = port->far_sink;
		port->far_sink = NULL;
		ret = 0;
	} else {
		ret = wire_null_open(&sink, err);
	}
	if (ret != 0)
		return ret;
	ret = wire_dev_open(port->dev, &src, NULL, err);
	if (ret != 0) {
		sink->close(sink);
		return ret;
	}
	port->out = connect_ends(src, sink, spec, err);
	return port->out != NULL ? 0 : -ENOMEM;
}

/* What the device receives comes from. Every out is there already. */
static int
connect_in(struct port *ports, struct port *port, char *err)
{
	const struct port_spec *spec = &port->spec;
	struct wire_source *src = port->far_src;
	struct wire_sink *sink;
	int ret;

	if (spec->wire == WIRE_LOOP)
		port->in = port->out;
	else if (spec->wire == WIRE_PAIR)
		port->in = ports[spec->peer].out;
	if (src == NULL)
		return 0;
	ret = wire_dev_open(port->dev, NULL, &sink, err);
	if (ret != 0)
		return ret;
	port->far_src = NULL;
	port->in = connect_ends(src, sink, spec, err);
	port->in_owned = port->in != NULL;
	return port->in != NULL ? 0 : -ENOMEM;
}

/* Puts the port's name in front of what went wrong, if it is not there. */
static int
blame(const struct port *port, int ret, char *err)
{
	char text[WIRE_ERR_LEN];

	if (ret != 0 && strncmp(err, "port ", 5) != 0) {
		snprintf(text, sizeof(text), "port %s: %.215s", port->spec.name, err);
		memcpy(err, text, sizeof(text));
	}
	return ret;
}

int
ports_open(struct port *ports, unsigned int nr, char *err)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr && ret == 0; i++)
		ret = blame(&ports[i], open_far_ends(&ports[i], err), err);
	for (i = 0; i < nr && ret == 0; i++)
		ret = blame(&ports[i], make_device(&ports[i], err), err);
	for (i = 0; i < nr && ret == 0; i++)
		ret = blame(&ports[i], connect_out(ports, &ports[i], err), err);
	for (i = 0; i < nr && ret == 0; i++)
		ret = blame(&ports[i], connect_in(ports, &ports[i], err), err);
	return ret;
}

void
ports_close(struct port *ports, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct port *port = &ports[i];

		wire_dir_free(port->out);
		if (port->in_owned)
			wire_dir_free(port->in);
		if (port->far_src != NULL)
			port->far_src->close(port->far_src);
		if (port->far_sink != NULL)
			port->far_sink->close(port->far_sink);
		port->out = port->in = NULL;
		port->far_src = NULL;
		port->far_sink = NULL;
		port->in_owned = false;
	}
	for (i = 0; i < nr; i++) {
		if (ports[i].dev != NULL)
			igb_model_destroy(ports[i].dev);
		ports[i].dev = NULL;
	}
}

unsigned int
ports_directions(const struct port *ports, unsigned int nr)
{
	unsigned int i, dirs = 0;

	for (i = 0; i < nr; i++)
		dirs += 1 + ports[i].in_owned;
	return dirs;
}

void
ports_spread(struct port *ports, unsigned int nr, struct poller **pollers,
		unsigned int nr_pollers)
{
	unsigned int i, next = 0;

	for (i = 0; i < nr; i++) {
		struct port *port = &ports[i];
		struct igb_model *to = NULL;

		if (port->spec.wire == WIRE_LOOP)
			to = port->dev;
		else if (port->spec.wire == WIRE_PAIR)
			to = ports[port->spec.peer].dev;
		poller_add(pollers[next++ % nr_pollers], port->out, port->dev, to);
		if (port->in_owned)
			poller_add(pollers[next++ % nr_pollers], port->in, NULL, port->dev);
	}
}
