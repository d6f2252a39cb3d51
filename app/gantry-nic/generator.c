/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "generator.h"

/* Return the port of that name; NULL: there is none. */
static struct port *
find_port(struct port *ports, unsigned int nr, const char *name)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (strcmp(ports[i].spec.name, name) == 0)
			return &ports[i];
	return NULL;
}

/* Connect port i of the file with the port that its location names. */
static int
place(const struct traffic *t, unsigned int i, struct port *ports, unsigned int nr, char *err)
{
	const char *location = t->ports[i].location;
	struct port *port = find_port(ports, nr, location);

	if (port == NULL) {
		snprintf(err, SPEC_ERR_LEN, "ports[%u].location: '%.40s': no --port has this name",
				i, location);
		return -EINVAL;
	}
	if (port->spec.wire != WIRE_GEN) {
		snprintf(err, SPEC_ERR_LEN,
				"ports[%u].location: '%.40s': this port has another wire: give it "
				"wire=gen",
				i, location);
		return -EINVAL;
	}
	port->traffic = t;
	port->traffic_port = i;
	return 0;
}

int
generator_load(const char *path, struct port *ports, unsigned int nr, struct traffic **t, char *err)
{
	char why[TRAFFIC_ERR_LEN];
	unsigned int i;
	int ret = 0;

	*t = NULL;
	if (path != NULL)
		ret = traffic_load(path, t, why);
	for (i = 0; ret == 0 && *t != NULL && i < (*t)->nr_ports; i++)
		ret = place(*t, i, ports, nr, why);
	if (ret != 0) {
		snprintf(err, SPEC_ERR_LEN, "--traffic %.60s: %.180s", path, why);
		return ret;
	}
	for (i = 0; i < nr; i++) {
		if (ports[i].spec.wire != WIRE_GEN || ports[i].traffic != NULL)
			continue;
		snprintf(err, SPEC_ERR_LEN,
				path == NULL ? "port %s: wire=gen needs flows: give --traffic FILE" :
					       "port %s: wire=gen, but no port in the file of "
					       "--traffic has this location",
				ports[i].spec.name);
		return -EINVAL;
	}
	return 0;
}
