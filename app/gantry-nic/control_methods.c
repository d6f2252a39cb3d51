/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Methods and their parameters have the names of the Open Traffic Generator's API where it has
 * them. As in its files, a key that is unknown is refused.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "control_faults.h"
#include "control_methods.h"
#include "report.h"

#define ONLY(...) ((const char *const[]){ __VA_ARGS__, NULL })

typedef json_t *(*method_fn)(const struct control_target *t, json_t *params,
		struct rpc_error *error);

/* Refuse parameters, and return NULL. */
static json_t *__attribute__((format(printf, 2, 3)))
refuse(struct rpc_error *error, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, args);
	va_end(args);
	error->code = RPC_PARAMS;
	return NULL;
}

/* Return an empty result, or NULL for an error whose text is there already. */
static json_t *
done(int ret, struct rpc_error *error)
{
	if (ret == 0)
		return json_object();
	error->code = ret == -EINVAL ? RPC_PARAMS : ret == -EBUSY ? RPC_BUSY : RPC_INTERNAL;
	return NULL;
}

/* Check that an object has no other keys than these; the list ends in NULL. */
static bool
has_only(json_t *object, const char *path, const char *const *names, struct rpc_error *error)
{
	const char *key, *const *name;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		for (name = names; *name != NULL && strcmp(*name, key) != 0; name++)
			;
		if (*name == NULL) {
			refuse(error, "%s%s%.60s: unknown key", path, path[0] != '\0' ? "." : "",
					key);
			return false;
		}
	}
	return true;
}

static json_t *
set_config(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	return done(generator_set(t->generator, params, error->text), error);
}

/* The choices of set_control_state, two deep, and the states of each. */
struct state_kind {
	const char *first, *second, *on, *off, *names;
};

/* Return the member that "choice" names, which is one of these; all else is refused. */
static json_t *
chosen(json_t *object, const char *path, const char *const *choices, struct rpc_error *error)
{
	const char *choice = json_string_value(json_object_get(object, "choice"));
	const char *dot = path[0] != '\0' ? "." : "";
	json_t *member;

	for (; choice != NULL && *choices != NULL; choices++)
		if (strcmp(*choices, choice) == 0)
			break;
	if (choice == NULL || *choices == NULL)
		return refuse(error, "%s%schoice: '%.40s': not supported", path, dot,
				choice != NULL ? choice : "");
	if (!has_only(object, path, ONLY("choice", choice), error))
		return NULL;
	member = json_object_get(object, choice);
	if (!json_is_object(member))
		return refuse(error, "%s%s%s: expected an object", path, dot, choice);
	return member;
}

/*
 * Get a state and the names that it is for.
 *
 * @param[out] names  NULL: an absent or an empty list, which means all
 */
static bool
get_state(json_t *o, const struct state_kind *kind, bool *on, json_t **names,
		struct rpc_error *error)
{
	const char *state = json_string_value(json_object_get(o, "state"));
	char path[64];

	snprintf(path, sizeof(path), "%s.%s", kind->first, kind->second);
	if (!has_only(o, path, ONLY("state", kind->names), error))
		return false;
	*names = json_object_get(o, kind->names);
	if (state == NULL || (strcmp(state, kind->on) != 0 && strcmp(state, kind->off) != 0)) {
		refuse(error, "%s.state: '%.40s': expected '%s' or '%s'", path,
				state != NULL ? state : "", kind->on, kind->off);
		return false;
	}
	if (*names != NULL && !json_is_array(*names)) {
		refuse(error, "%s.%s: expected an array", path, kind->names);
		return false;
	}
	*on = strcmp(state, kind->on) == 0;
	if (json_array_size(*names) == 0)
		*names = NULL;
	return true;
}

/* Return the port of a name, which is at a path in the parameters; NULL: there is none. */
static struct port *
named(const struct control_target *t, const json_t *name, const char *path, struct rpc_error *error)
{
	const char *text = json_string_value(name);
	struct port *port = port_find(t->ports, t->nr, text != NULL ? text : "");

	if (port == NULL)
		refuse(error, "%s: '%.40s': no --port has this name", path,
				text != NULL ? text : "(no string)");
	return port;
}

/* Return the port of a name; NULL: there is none, or its wire has a link of its own. */
static struct port *
find_link(const struct control_target *t, const json_t *name, struct rpc_error *error)
{
	struct port *port = named(t, name, "port_names", error);

	if (port == NULL)
		return NULL;
	if (port->spec.wire == WIRE_PAIR || port->spec.wire == WIRE_TAP) {
		refuse(error, "port_names: '%s': its link follows the other end of its wire",
				port->spec.name);
		return NULL;
	}
	return port;
}

/* Set the links of ports. Nothing changes if one of the names is refused. */
static json_t *
set_links(const struct control_target *t, const json_t *names, bool up, struct rpc_error *error)
{
	unsigned int i;

	for (i = 0; i < json_array_size(names); i++)
		if (find_link(t, json_array_get(names, i), error) == NULL)
			return NULL;
	for (i = 0; i < json_array_size(names); i++)
		m82576_set_link(find_link(t, json_array_get(names, i), error)->dev, up);
	for (i = 0; names == NULL && i < t->nr; i++)
		if (t->ports[i].spec.wire != WIRE_PAIR && t->ports[i].spec.wire != WIRE_TAP)
			m82576_set_link(t->ports[i].dev, up);
	return json_object();
}

static json_t *
set_control_state(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	static const struct state_kind traffic = { "traffic", "flow_transmit", "start", "stop",
		"flow_names" };
	static const struct state_kind link = { "port", "link", "up", "down", "port_names" };
	json_t *o = chosen(params, "", ONLY(traffic.first, link.first), error), *names;
	const struct state_kind *kind = json_object_get(params, link.first) != NULL ? &link :
										      &traffic;
	bool on;

	if (o != NULL)
		o = chosen(o, kind->first, ONLY(kind->second), error);
	if (o == NULL || !get_state(o, kind, &on, &names, error))
		return NULL;
	if (kind == &link)
		return set_links(t, names, on, error);
	return done(generator_switch(t->generator, names, on, error->text), error);
}

/* Return the direction of a port that a request names: "rx" or "tx", as the port sees it. */
static struct wire_dir *
find_direction(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	const char *way = json_string_value(json_object_get(params, "direction"));
	const struct port *port = named(t, json_object_get(params, "port"), "port", error);
	struct wire_dir *dir;

	if (port == NULL)
		return NULL;
	if (way == NULL || (strcmp(way, "rx") != 0 && strcmp(way, "tx") != 0)) {
		refuse(error, "direction: expected 'rx' or 'tx'");
		return NULL;
	}
	dir = strcmp(way, "rx") == 0 ? port->in : port->out;
	if (dir == NULL)
		refuse(error, "direction: port '%s' receives nothing: it has wire=none",
				port->spec.name);
	return dir;
}

static json_t *
set_faults(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	json_t *json = json_object_get(params, "faults");
	struct wire_faults faults;
	struct wire_dir *dir;
	int ret;

	if (!has_only(params, "", ONLY("port", "direction", "faults"), error))
		return NULL;
	dir = find_direction(t, params, error);
	if (dir == NULL)
		return NULL;
	if (json != NULL && !json_is_null(json) && !json_is_object(json))
		return refuse(error, "faults: expected an object or null");
	ret = control_faults_read(json_is_null(json) ? NULL : json, &faults, error->text);
	if (ret == 0) {
		ret = wire_dir_set_faults(dir, &faults);
		if (ret != 0)
			snprintf(error->text, SPEC_ERR_LEN, "faults: %s", strerror(-ret));
	}
	return done(ret, error);
}

static json_t *
get_faults(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	struct wire_dir *dir;

	if (!has_only(params, "", ONLY("port", "direction"), error))
		return NULL;
	dir = find_direction(t, params, error);
	return dir != NULL ? control_faults_json(dir) : NULL;
}

static json_t *
get_report(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	json_t *interval = json_object_get(params, "new_interval"), *report;

	if (!has_only(params, "", ONLY("new_interval"), error))
		return NULL;
	if (interval != NULL && !json_is_boolean(interval))
		return refuse(error, "new_interval: expected true or false");
	report = report_make(t->ports, t->nr, t->started);
	if (json_is_true(interval))
		report_new_interval(t->ports, t->nr);
	return report;
}

static const struct {
	const char *name;
	method_fn call;
} methods[] = {
	{ "get_faults", get_faults },
	{ "get_report", get_report },
	{ "set_config", set_config },
	{ "set_control_state", set_control_state },
	{ "set_faults", set_faults },
};

json_t *
control_call(const struct control_target *target, const char *method, json_t *params,
		struct rpc_error *error)
{
	json_t *none = NULL, *result;
	unsigned int i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i].name, method) == 0)
			break;
	if (i == sizeof(methods) / sizeof(methods[0])) {
		refuse(error, "%.40s: there is no such method", method);
		error->code = RPC_NO_METHOD;
		return NULL;
	}
	if (params == NULL)
		params = none = json_object();
	if (!json_is_object(params))
		return refuse(error, "params: expected an object");
	result = methods[i].call(target, params, error);
	json_decref(none);
	return result;
}
