/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The loader of OTG files. A flow that differs from what the file asks for would be measured and
 * believed, so the loader accepts nothing that it does not understand: it refuses each key that is
 * unknown or not supported, unless the key certainly has no effect. The files traffic_otg_*.c are
 * its parts:
 *
 *     traffic_load() -+-> ports
 *                     +-> flows -+-> traffic_headers() --> otg_pattern()
 *                                +-> otg_flow_*(): size, rate, duration, metrics, payload
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "traffic_otg.h"

#define FILE_MAX (16 * 1024 * 1024)

/* Get a name, which must be present and not empty. */
static int
get_name(const struct otg_node *up, const char *key, char **name)
{
	const struct otg_node n = otg_member(up, key);
	const char *text = "";
	int ret;

	ret = otg_string(&n, &text);
	if (ret != 0)
		return ret;
	if (text[0] == '\0')
		return otg_refuse(&n, "required");
	*name = strdup(text);
	return *name != NULL ? 0 : otg_no_memory(&n);
}

/* Return the number of the port with a name; t->nr_ports: there is none. */
static unsigned int
find_port(const struct traffic *t, const char *name)
{
	unsigned int i;

	for (i = 0; i < t->nr_ports && strcmp(t->ports[i].name, name) != 0; i++)
		;
	return i;
}

/* Check that a port differs from the ones before it, which are in t. */
static int
check_port(const struct otg_node *n, const struct traffic *t, const struct traffic_port *port)
{
	const struct otg_node name = otg_member(n, "name"), location = otg_member(n, "location");
	unsigned int i;

	if (find_port(t, port->name) < t->nr_ports)
		return otg_refuse_value(&name, "another port has this name");
	for (i = 0; i < t->nr_ports; i++)
		if (strcmp(t->ports[i].location, port->location) == 0)
			return otg_refuse_value(&location, "another port has this location");
	return 0;
}

static int
get_ports(const struct otg_node *ports, struct traffic *t)
{
	struct traffic_port *port;
	struct otg_node n;
	size_t i, count;
	int ret;

	ret = otg_array(ports, &count);
	if (ret != 0)
		return ret;
	if (count > TRAFFIC_PORTS_MAX)
		return otg_refuse(ports, "%zu ports: expected %u or less", count,
				TRAFFIC_PORTS_MAX);
	t->ports = calloc(count + 1, sizeof(*t->ports));
	if (t->ports == NULL)
		return otg_no_memory(ports);
	for (i = 0; i < count && ret == 0; i++) {
		n = otg_element(ports, i);
		port = &t->ports[i];
		ret = otg_keys(&n, OTG_NAMES("name", "location"));
		if (ret == 0)
			ret = get_name(&n, "name", &port->name);
		if (ret == 0)
			ret = get_name(&n, "location", &port->location);
		if (ret == 0)
			ret = check_port(&n, t, port);
		t->nr_ports++;
	}
	return ret;
}

/* Get the number of the port that a node names. */
static int
get_port(const struct otg_node *n, const struct traffic *t, unsigned int *port)
{
	const char *name = "";
	int ret;

	ret = otg_string(n, &name);
	if (ret != 0)
		return ret;
	if (n->json == NULL)
		return otg_refuse(n, "required");
	*port = find_port(t, name);
	return *port < t->nr_ports ? 0 : otg_refuse_value(n, "no port has this name");
}

/* Get the ports of a flow. */
static int
get_tx_rx(const struct otg_node *tx_rx, const struct traffic *t, struct traffic_flow *f)
{
	const struct otg_node n = otg_member(tx_rx, "port"), tx = otg_member(&n, "tx_name"),
			      rx = otg_member(&n, "rx_name"), list = otg_member(&n, "rx_names");
	struct otg_node element;
	unsigned int chosen, port;
	size_t i, count = 0;
	int ret;

	ret = otg_keys(tx_rx, OTG_NAMES("choice", "port"));
	if (ret == 0)
		ret = otg_choice(tx_rx, OTG_NAMES("port"), &chosen);
	if (ret == 0)
		ret = otg_keys(&n, OTG_NAMES("tx_name", "rx_name", "rx_names"));
	if (ret == 0)
		ret = get_port(&tx, t, &f->tx_port);
	if (ret == 0 && rx.json != NULL) {
		ret = get_port(&rx, t, &port);
		if (ret == 0)
			f->rx_ports |= UINT64_C(1) << port;
	}
	if (ret == 0)
		ret = otg_array(&list, &count);
	for (i = 0; i < count && ret == 0; i++) {
		element = otg_element(&list, i);
		ret = get_port(&element, t, &port);
		if (ret == 0)
			f->rx_ports |= UINT64_C(1) << port;
	}
	return ret;
}

/* Get the name of a flow. A name is unique among all ports and flows. */
static int
get_flow_name(const struct otg_node *n, const struct traffic *t, struct traffic_flow *f)
{
	const struct otg_node name = otg_member(n, "name");
	unsigned int i;
	int ret;

	ret = get_name(n, "name", &f->name);
	if (ret != 0)
		return ret;
	if (find_port(t, f->name) < t->nr_ports)
		return otg_refuse_value(&name, "a port has this name");
	for (i = 0; i < f->number; i++)
		if (strcmp(t->flows[i].name, f->name) == 0)
			return otg_refuse_value(&name, "another flow has this name");
	return 0;
}

static int
get_flow(const struct otg_node *n, const struct traffic *t, struct traffic_flow *f)
{
	const struct otg_node tx_rx = otg_member(n, "tx_rx"), packet = otg_member(n, "packet"),
			      size = otg_member(n, "size"), payload = otg_member(n, "payload"),
			      rate = otg_member(n, "rate"), duration = otg_member(n, "duration"),
			      metrics = otg_member(n, "metrics"),
			      egress = otg_member(n, "egress_packet");
	int ret;

	ret = otg_keys(n,
			OTG_NAMES("name", "tx_rx", "packet", "egress_packet", "size", "payload",
					"rate", "duration", "metrics"));
	if (ret == 0)
		ret = get_flow_name(n, t, f);
	if (ret == 0)
		ret = get_tx_rx(&tx_rx, t, f);
	if (ret == 0)
		ret = traffic_headers(&packet, f);
	if (ret == 0)
		ret = otg_empty(&egress);
	if (ret == 0)
		ret = otg_flow_metrics(&metrics, f);
	if (ret == 0)
		ret = otg_flow_size(&size, f);
	if (ret == 0)
		ret = otg_flow_payload(&payload, f);
	if (ret == 0)
		ret = otg_flow_rate(&rate, f);
	if (ret == 0)
		ret = otg_flow_duration(&duration, f);
	return ret;
}

static int
get_flows(const struct otg_node *flows, struct traffic *t)
{
	struct traffic_flow *f;
	struct otg_node n;
	size_t i, count;
	int ret;

	ret = otg_array(flows, &count);
	if (ret != 0)
		return ret;
	if (count > TRAFFIC_FLOWS_MAX)
		return otg_refuse(flows, "%zu flows: expected %u or less", count,
				TRAFFIC_FLOWS_MAX);
	t->flows = calloc(count + 1, sizeof(*t->flows));
	if (t->flows == NULL)
		return otg_no_memory(flows);
	for (i = 0; i < count && ret == 0; i++) {
		n = otg_element(flows, i);
		f = &t->flows[i];
		f->number = i;
		t->nr_flows++;
		ret = get_flow(&n, t, f);
	}
	return ret;
}

/* Check the options. Preemption has no effect, because no other program can use our ports. */
static int
check_options(const struct otg_node *options)
{
	const struct otg_node port = otg_member(options, "port_options"),
			      preempt = otg_member(&port, "location_preemption");
	bool unused;
	int ret;

	ret = otg_keys(options, OTG_NAMES("port_options"));
	if (ret == 0)
		ret = otg_keys(&port, OTG_NAMES("location_preemption"));
	return ret != 0 ? ret : otg_bool(&preempt, &unused);
}

/* Get all flows. */
static int
get_config(const struct otg_node *root, struct traffic *t)
{
	/* Other tasks of a generator. The loader accepts them only if they are empty. */
	static const char *const others[] = { "lags", "layer1", "captures", "devices", "events",
		"lldp", "stateful_flows", "egress_only_tracking" };
	const struct otg_node ports = otg_member(root, "ports"), flows = otg_member(root, "flows"),
			      options = otg_member(root, "options");
	struct otg_node other;
	size_t i;
	int ret;

	ret = otg_keys(root,
			OTG_NAMES("ports", "flows", "options", "lags", "layer1", "captures",
					"devices", "events", "lldp", "stateful_flows",
					"egress_only_tracking"));
	for (i = 0; ret == 0 && i < sizeof(others) / sizeof(others[0]); i++) {
		other = otg_member(root, others[i]);
		ret = otg_empty(&other);
	}
	if (ret == 0)
		ret = check_options(&options);
	if (ret == 0)
		ret = get_ports(&ports, t);
	if (ret == 0)
		ret = get_flows(&flows, t);
	return ret;
}

/* A file while it is read. */
struct input {
	int fd;
	size_t left; /* bytes that may still be read, one more than the limit */
	int error;
};

/* Read some bytes for jansson. */
static size_t
read_some(void *buf, size_t len, void *arg)
{
	struct input *in = arg;
	ssize_t n;

	do {
		n = read(in->fd, buf, len < in->left ? len : in->left);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		in->error = errno;
	else
		in->left -= n;
	return n < 0 || in->left == 0 ? (size_t)-1 : (size_t)n;
}

/* Read a file. Return NULL after a failure. */
static json_t *
read_file(const struct otg_node *root, const char *path, int *ret)
{
	struct input in = { .fd = open(path, O_RDONLY | O_CLOEXEC), .left = FILE_MAX + 1 };
	json_error_t error;
	json_t *json = NULL;

	if (in.fd < 0) {
		*ret = -errno;
		otg_refuse(root, "%s", strerror(errno));
		return NULL;
	}
	json = json_load_callback(read_some, &in, JSON_REJECT_DUPLICATES, &error);
	close(in.fd);
	/* The parser takes the failure of a read as the end of the file. */
	if (json != NULL && in.error == 0 && in.left > 0)
		return json;
	json_decref(json);
	*ret = -EINVAL;
	if (in.error != 0) {
		*ret = -in.error;
		otg_refuse(root, "%s", strerror(in.error));
	} else if (in.left == 0) {
		otg_refuse(root, "the file has more than %u bytes", FILE_MAX);
	} else {
		otg_refuse(root, "line %d, column %d: %s", error.line, error.column, error.text);
	}
	return NULL;
}

int
traffic_parse(struct json_t *config, struct traffic **t, char *err)
{
	const struct otg_node root = { .json = config, .err = err };
	struct traffic *traffic = calloc(1, sizeof(*traffic));
	int ret;

	err[0] = '\0';
	ret = traffic != NULL ? get_config(&root, traffic) : otg_no_memory(&root);
	if (ret == 0)
		*t = traffic;
	else
		traffic_free(traffic);
	return ret;
}

int
traffic_load(const char *path, struct traffic **t, char *err)
{
	const struct otg_node root = { .err = err };
	json_t *json;
	int ret = 0;

	err[0] = '\0';
	json = read_file(&root, path, &ret);
	if (json == NULL)
		return ret;
	ret = traffic_parse(json, t, err);
	json_decref(json);
	return ret;
}

static void
free_flow(struct traffic_flow *f)
{
	unsigned int i;

	for (i = 0; i < f->nr_patterns; i++)
		free(f->patterns[i].list);
	free(f->patterns);
	free(f->fixes);
	free(f->payload.pattern);
	free(f->name);
}

void
traffic_free(struct traffic *t)
{
	unsigned int i;

	if (t == NULL)
		return;
	for (i = 0; i < t->nr_flows; i++)
		free_flow(&t->flows[i]);
	for (i = 0; i < t->nr_ports; i++) {
		free(t->ports[i].name);
		free(t->ports[i].location);
	}
	free(t->flows);
	free(t->ports);
	free(t);
}
