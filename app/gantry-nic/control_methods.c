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

#include "control_methods.h"
#include "report.h"

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
#define ONLY(...) ((const char *const[]){ __VA_ARGS__, NULL })

static json_t *
set_config(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	return done(generator_set(t->generator, params, error->text), error);
}

/* Return the member that "choice" names, which must be this one. Everything else is refused. */
static json_t *
chosen(json_t *object, const char *path, const char *only, struct rpc_error *error)
{
	const char *choice = json_string_value(json_object_get(object, "choice"));
	json_t *member = json_object_get(object, only);

	if (!has_only(object, path, ONLY("choice", only), error))
		return NULL;
	if (choice == NULL || strcmp(choice, only) != 0)
		return refuse(error, "%s%schoice: '%.40s': expected '%s'", path,
				path[0] != '\0' ? "." : "", choice != NULL ? choice : "", only);
	if (!json_is_object(member))
		return refuse(error, "%s%s%s: expected an object", path, path[0] != '\0' ? "." : "",
				only);
	return member;
}

static json_t *
set_control_state(const struct control_target *t, json_t *params, struct rpc_error *error)
{
	static const char path[] = "traffic.flow_transmit";
	json_t *o = chosen(params, "", "traffic", error), *names;
	const char *state;

	if (o != NULL)
		o = chosen(o, "traffic", "flow_transmit", error);
	if (o == NULL || !has_only(o, path, ONLY("state", "flow_names"), error))
		return NULL;
	state = json_string_value(json_object_get(o, "state"));
	names = json_object_get(o, "flow_names");
	if (state == NULL || (strcmp(state, "start") != 0 && strcmp(state, "stop") != 0))
		return refuse(error, "%s.state: '%.40s': expected 'start' or 'stop'", path,
				state != NULL ? state : "");
	if (names != NULL && !json_is_array(names))
		return refuse(error, "%s.flow_names: expected an array", path);
	/* An empty list means all flows, as an absent one does. */
	return done(generator_switch(t->generator, json_array_size(names) != 0 ? names : NULL,
				    strcmp(state, "start") == 0, error->text),
			error);
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
	{ "get_report", get_report },
	{ "set_config", set_config },
	{ "set_control_state", set_control_state },
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
