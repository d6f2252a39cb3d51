/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "port.h"

/* Open TAPs and captures to replay first, so that errors are found before any socket exists. */
static int
open_far_ends(struct port *port, char *err)
{
	const struct port_spec *spec = &port->spec;

	if (spec->wire == WIRE_TAP)
		return wire_tap_open(spec->ifname, &port->far_src, &port->far_sink, err);
	if (spec->wire == WIRE_PCAP)
		return wire_pcap_open_source(spec->pcap_in, &port->far_src, err);
	if (spec->wire == WIRE_GEN)
		return wire_gen_open(port->traffic, port->traffic_port, &port->far_src,
				&port->far_sink, err);
	return 0;
}

/*
 * Open captures to record last: opening empties them, which must not happen if anything else fails.
 * A daemon that is started twice would empty what the first one records.
 */
static int
open_record(struct port *port, char *err)
{
	if (port->spec.pcap_out == NULL)
		return 0;
	return wire_pcap_open_sink(port->spec.pcap_out, &port->far_sink, err);
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
	struct m82576_params params = {
		.name = spec->name,
		.socket = spec->socket,
		.speed_mbps = spec->speed_mbps,
		.addr_bits = spec->addr_bits,
		.no_page_table = spec->no_page_table,
		.limits = {
			.max_maps = spec->max_maps,
			.max_fds = spec->max_fds,
			.max_mem = (uint64_t)spec->max_mem_mib << 20,
		},
		.log = log_line,
	};
	int ret;

	memcpy(params.mac, spec->mac, sizeof(params.mac));
	ret = m82576_create(&params, &port->dev, err);
	if (ret != 0)
		return ret;
	/*
	 * Where the far end can go down, the wire reports its state (struct wire_sink, carrier()).
	 */
	m82576_set_link(port->dev, spec->wire != WIRE_PAIR && spec->wire != WIRE_TAP);
	return 0;
}

/*
 * Make a direction. It takes source and sink in any case.
 *
 * @return the direction, or NULL
 */
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

/* Connect the device's transmitter to a device, the far end, or nowhere. */
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
		/* A port that receives its own frames has a link whenever its PHY has power. */
		if (ret == 0 && spec->wire == WIRE_LOOP)
			sink->carrier = NULL;
	} else if (port->far_sink != NULL) {
		sink = port->far_sink;
		port->far_sink = NULL;
		if (spec->wire == WIRE_GEN)
			port->gen_sink = sink;
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

/* Connect the source of the frames that the device receives. Every out exists already. */
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
	if (port->in == NULL)
		return -ENOMEM;
	if (spec->wire == WIRE_PCAP)
		port->replay = src;
	if (spec->wire == WIRE_GEN)
		port->gen_src = src;
	wire_dir_set_quiet(port->in, spec->start_ms * 1000000ULL);
	if (spec->start_on_signal)
		wire_dir_set_on_demand(port->in);
	return 0;
}

/* Prefix the error with the port's name unless it has it already. */
static int
add_port_name(const struct port *port, int ret, char *err)
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
		ret = add_port_name(&ports[i], open_far_ends(&ports[i], err), err);
	for (i = 0; i < nr && ret == 0; i++)
		ret = add_port_name(&ports[i], make_device(&ports[i], err), err);
	for (i = 0; i < nr && ret == 0; i++)
		ret = add_port_name(&ports[i], open_record(&ports[i], err), err);
	for (i = 0; i < nr && ret == 0; i++)
		ret = add_port_name(&ports[i], connect_out(ports, &ports[i], err), err);
	for (i = 0; i < nr && ret == 0; i++)
		ret = add_port_name(&ports[i], connect_in(ports, &ports[i], err), err);
	return ret;
}

bool
ports_close_wires(struct port *ports, unsigned int nr, struct poller *const *pollers,
		unsigned int nr_pollers)
{
	bool complete = true;

	for (unsigned int i = 0; i < nr; i++) {
		struct port *port = &ports[i];

		if (!pollers_use(pollers, nr_pollers, port->out)) {
			wire_dir_free(port->out);
		} else if (port->spec.wire == WIRE_PCAP) {
			fprintf(stderr,
					"gantry-nic: port %s: its recording is incomplete: a "
					"polling thread is stuck in the memory of its client\n",
					port->spec.name);
			complete = false;
		}
		if (port->in_owned && !pollers_use(pollers, nr_pollers, port->in))
			wire_dir_free(port->in);
		if (port->far_src != NULL)
			port->far_src->close(port->far_src);
		if (port->far_sink != NULL)
			port->far_sink->close(port->far_sink);
		port->out = port->in = NULL;
		port->replay = NULL;
		port->gen_src = NULL;
		port->gen_sink = NULL;
		port->far_src = NULL;
		port->far_sink = NULL;
		port->in_owned = false;
	}
	return complete;
}

void
ports_close(struct port *ports, unsigned int nr)
{
	unsigned int i;

	ports_close_wires(ports, nr, NULL, 0);
	for (i = 0; i < nr; i++)
		if (ports[i].dev != NULL)
			vfu_server_end(m82576_server(ports[i].dev));
	for (i = 0; i < nr; i++) {
		if (ports[i].dev != NULL)
			m82576_destroy(ports[i].dev);
		ports[i].dev = NULL;
	}
}

void
ports_start(struct port *ports, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (ports[i].in_owned)
			wire_dir_start(ports[i].in);
}

struct port *
port_find(struct port *ports, unsigned int nr, const char *name)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (strcmp(ports[i].spec.name, name) == 0)
			return &ports[i];
	return NULL;
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
ports_spread(struct port *ports, unsigned int nr, struct poller **pollers, unsigned int nr_pollers)
{
	unsigned int i, next = 0;

	for (i = 0; i < nr; i++) {
		struct port *port = &ports[i];
		struct m82576 *to = NULL;

		if (port->spec.wire == WIRE_LOOP)
			to = port->dev;
		else if (port->spec.wire == WIRE_PAIR)
			to = ports[port->spec.peer].dev;
		poller_add(pollers[next++ % nr_pollers], port->out, port->dev, to);
		if (port->in_owned)
			poller_add(pollers[next++ % nr_pollers], port->in, NULL, port->dev);
	}
}

void
ports_keep_to_cores(struct port *ports, unsigned int nr, struct poller *const *pollers,
		unsigned int nr_pollers)
{
	for (unsigned int i = 0; i < nr; i++) {
		cpu_set_t cores;

		CPU_ZERO(&cores);
		for (unsigned int p = 0; p < nr_pollers; p++)
			poller_core_of(pollers[p], ports[i].dev, &cores);
		/* If the kernel refuses, the threads remain where they are. */
		vfu_server_run_on(m82576_server(ports[i].dev), &cores);
	}
}
