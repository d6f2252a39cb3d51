/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "generator.h"

_Static_assert(TRAFFIC_ERR_LEN == SPEC_ERR_LEN, "one line is as long as the other");

#define ORDER_MS 1000 /* for the polling threads to execute an order */
#define WAIT_NS  100000

static unsigned int
index_of(const struct generator *g, const struct port *port)
{
	return (unsigned int)(port - g->ports);
}

/* Flows, and for each port with wire=gen its number among theirs; -1: it is not among them. */
struct placed {
	struct traffic *traffic;
	int number[PORT_MAX];
};

/* Find the port that the location of port i names. */
static int
place(const struct generator *g, struct placed *p, unsigned int i, char *err)
{
	const char *location = p->traffic->ports[i].location;
	const struct port *port = port_find(g->ports, g->nr, location);

	if (port == NULL) {
		snprintf(err, TRAFFIC_ERR_LEN,
				"ports[%u].location: '%.40s': no --port has this name", i,
				location);
		return -EINVAL;
	}
	if (port->spec.wire != WIRE_GEN) {
		snprintf(err, TRAFFIC_ERR_LEN,
				"ports[%u].location: '%.40s': this port has another wire: give it "
				"wire=gen",
				i, location);
		return -EINVAL;
	}
	p->number[index_of(g, port)] = (int)i;
	return 0;
}

static int
place_all(const struct generator *g, struct placed *p, char *err)
{
	unsigned int i;
	int ret = 0;

	memset(p->number, -1, sizeof(p->number));
	for (i = 0; ret == 0 && p->traffic != NULL && i < p->traffic->nr_ports; i++)
		ret = place(g, p, i, err);
	return ret;
}

/* Return the first port with wire=gen that has no place; NULL: all have one. */
static const struct port *
without_place(const struct generator *g, const struct placed *p)
{
	unsigned int i;

	for (i = 0; i < g->nr; i++)
		if (g->ports[i].spec.wire == WIRE_GEN && p->number[i] < 0)
			return &g->ports[i];
	return NULL;
}

/* Give the ports their places. */
static void
settle(struct generator *g, const struct placed *p)
{
	unsigned int i;

	for (i = 0; i < g->nr; i++) {
		if (p->number[i] < 0)
			continue;
		g->ports[i].traffic = p->traffic;
		g->ports[i].traffic_port = (unsigned int)p->number[i];
	}
	g->now = p->traffic;
}

/* Load a configuration that has all ports with wire=gen, each by its name, and no flows. */
static int
load_none(const struct generator *g, struct traffic **t, char *err)
{
	json_t *config = json_object(), *ports = json_array();
	unsigned int i;
	int ret;

	for (i = 0; i < g->nr; i++)
		if (g->ports[i].spec.wire == WIRE_GEN)
			json_array_append_new(ports,
					json_pack("{s:s, s:s}", "name", g->ports[i].spec.name,
							"location", g->ports[i].spec.name));
	json_object_set_new(config, "ports", ports);
	ret = traffic_parse(config, t, err);
	json_decref(config);
	return ret;
}

int
generator_load(struct generator *g, const char *path, bool control, char *err)
{
	struct placed p = { .traffic = NULL };
	char why[TRAFFIC_ERR_LEN] = "";
	const struct port *port;
	int ret = 0;

	if (path != NULL)
		ret = traffic_load(path, &p.traffic, why);
	else if (control)
		ret = load_none(g, &p.traffic, why);
	if (ret == 0)
		ret = place_all(g, &p, why);
	if (ret != 0) {
		snprintf(err, SPEC_ERR_LEN, "--traffic %.60s: %.180s",
				path != NULL ? path : "(none)", why);
		traffic_free(p.traffic);
		return ret;
	}
	settle(g, &p);
	port = without_place(g, &p);
	if (port == NULL)
		return 0;
	snprintf(err, SPEC_ERR_LEN,
			path == NULL ? "port %s: wire=gen needs flows: give --traffic FILE, or "
				       "--control PATH" :
				       "port %s: wire=gen, but no port in the file of --traffic "
				       "has this location",
			port->spec.name);
	return -EINVAL;
}

/* Return a port whose polling threads have not executed all orders; NULL: there is none. */
static const struct port *
busy_port(const struct generator *g)
{
	const struct port *busy = NULL;
	unsigned int i;

	for (i = 0; i < g->nr; i++)
		if (g->ports[i].gen_src != NULL &&
				!wire_gen_is_idle(g->ports[i].gen_src, g->ports[i].gen_sink))
			busy = &g->ports[i];
	return busy;
}

/* Wait until all orders are executed, and free the flows that they replaced. */
static int
wait_for_ports(struct generator *g, const char *consequence, char *err)
{
	const struct timespec ts = { .tv_nsec = WAIT_NS };
	uint64_t limit = poller_now() + ORDER_MS * UINT64_C(1000000);
	const struct port *busy;

	while ((busy = busy_port(g)) != NULL && poller_now() < limit && !*g->ending)
		nanosleep(&ts, NULL);
	if (busy == NULL) {
		traffic_free(g->former);
		g->former = NULL;
		return 0;
	}
	snprintf(err, SPEC_ERR_LEN,
			"port %s: its polling thread waits for the memory of its client: %s",
			busy->spec.name, consequence);
	return -EBUSY;
}

/* Prepare the flows of all ports with wire=gen. */
static int
prepare(const struct generator *g, const struct placed *p, struct wire_gen_flows *flows, char *err)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < g->nr && ret == 0; i++)
		if (p->number[i] >= 0)
			ret = wire_gen_prepare(p->traffic, (unsigned int)p->number[i], &flows[i]);
	if (ret == 0)
		return 0;
	for (i = 0; i < g->nr; i++)
		wire_gen_discard(&flows[i]);
	snprintf(err, SPEC_ERR_LEN, "out of memory");
	return ret;
}

int
generator_set(struct generator *g, json_t *config, char *err)
{
	struct wire_gen_flows flows[PORT_MAX] = { { .run = NULL } };
	struct placed p = { .traffic = NULL };
	const struct port *port;
	unsigned int i;
	int ret;

	ret = wait_for_ports(g, "nothing was replaced", err);
	if (ret == 0)
		ret = traffic_parse(config, &p.traffic, err);
	if (ret == 0)
		ret = place_all(g, &p, err);
	if (ret == 0 && (port = without_place(g, &p)) != NULL) {
		snprintf(err, SPEC_ERR_LEN, "ports: none has location '%s', which has wire=gen",
				port->spec.name);
		ret = -EINVAL;
	}
	if (ret == 0) {
		p.traffic->generation = (g->now->generation + 1) % TRAFFIC_GENERATIONS;
		ret = prepare(g, &p, flows, err);
	}
	if (ret != 0) {
		traffic_free(p.traffic);
		return ret;
	}
	g->former = g->now;
	for (i = 0; i < g->nr; i++)
		if (p.number[i] >= 0)
			wire_gen_replace(g->ports[i].gen_src, g->ports[i].gen_sink, &flows[i]);
	settle(g, &p);
	return wait_for_ports(g, "its flows are replaced as soon as it goes on", err);
}

/* Set chosen[] for the flow of a name. */
static int
choose(const struct traffic *t, const json_t *name, bool *chosen, char *err)
{
	const char *text = json_string_value(name);
	unsigned int i;

	for (i = 0; text != NULL && i < t->nr_flows; i++) {
		if (strcmp(t->flows[i].name, text) != 0)
			continue;
		chosen[i] = true;
		return 0;
	}
	snprintf(err, SPEC_ERR_LEN, "flow_names: '%.60s': no flow has this name",
			text != NULL ? text : "(no string)");
	return -EINVAL;
}

int
generator_switch(struct generator *g, const json_t *names, bool on, char *err)
{
	bool *chosen = calloc(g->now->nr_flows + 1, sizeof(*chosen));
	unsigned int i;
	int ret;

	ret = chosen != NULL ? wait_for_ports(g, "nothing was changed", err) : -ENOMEM;
	for (i = 0; ret == 0 && i < json_array_size(names); i++)
		ret = choose(g->now, json_array_get(names, i), chosen, err);
	for (i = 0; names == NULL && chosen != NULL && i < g->now->nr_flows; i++)
		chosen[i] = true;
	for (i = 0; ret == 0 && i < g->nr; i++)
		if (g->ports[i].gen_src != NULL)
			ret = wire_gen_switch(g->ports[i].gen_src, chosen, on);
	free(chosen);
	if (ret == -ENOMEM)
		snprintf(err, SPEC_ERR_LEN, "out of memory");
	if (ret != 0)
		return ret;
	return wait_for_ports(g, "its flows change as soon as it goes on", err);
}

void
generator_free(struct generator *g)
{
	traffic_free(g->former);
	traffic_free(g->now);
	g->former = g->now = NULL;
}
