/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <err.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl.h"

#define EXIT_USAGE 2

static void
help(void)
{
	/* clang-format off */
	puts("gantry-nic ctl: requests to a running gantry-nic --control PATH\n"
"\n"
"usage: gantry-nic ctl PATH COMMAND [ARGUMENT...]\n"
"\n"
"  config FILE           replace all flows by those of a file of the Open Traffic Generator model\n"
"                        (-: standard input). They wait for start\n"
"  start [FLOW...]       start these flows, or all\n"
"  stop [FLOW...]        stop these flows, or all\n"
"  link up|down [PORT...]\n"
"                        let the far ends of these ports signal or not, or of all whose wire has\n"
"                        no link of its own\n"
"  report                print the statistics as JSON\n"
"  call METHOD [PARAMS]  call a method with parameters in JSON, and print its result\n"
"\n"
"Exit status: 0 success, 1 the daemon refused the request or does not answer, 2 wrong arguments.");
	/* clang-format on */
}

/*
 * Requests: each function returns the parameters, or NULL after an error in one line.
 */

static json_t *
config_params(int argc, char **argv)
{
	bool is_stdin = argc == 1 && strcmp(argv[0], "-") == 0;
	json_error_t error;
	json_t *json;

	if (argc != 1) {
		warnx("config needs one file (see gantry-nic ctl --help)");
		return NULL;
	}
	json = is_stdin ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error) :
			  json_load_file(argv[0], JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		warnx("%s: line %d, column %d: %s", argv[0], error.line, error.column, error.text);
	return json;
}

/* The parameters of set_control_state for these names. */
static json_t *
state_params(const char *first, const char *second, const char *state, const char *key, int argc,
		char **argv)
{
	json_t *names = json_array();
	int i;

	for (i = 0; i < argc; i++)
		json_array_append_new(names, json_string(argv[i]));
	return json_pack("{s:s, s:{s:s, s:{s:s, s:o}}}", "choice", first, first, "choice", second,
			second, "state", state, key, names);
}

static json_t *
start_params(int argc, char **argv)
{
	return state_params("traffic", "flow_transmit", "start", "flow_names", argc, argv);
}

static json_t *
stop_params(int argc, char **argv)
{
	return state_params("traffic", "flow_transmit", "stop", "flow_names", argc, argv);
}

static json_t *
link_params(int argc, char **argv)
{
	if (argc > 0)
		return state_params("port", "link", argv[0], "port_names", argc - 1, argv + 1);
	warnx("link needs up or down (see gantry-nic ctl --help)");
	return NULL;
}

static json_t *
report_params(int argc, char **argv)
{
	if (argc == 0)
		return json_object();
	warnx("report has no argument (see gantry-nic ctl --help)");
	return NULL;
}

/* The parameters of the command `call`, behind its method. */
static json_t *
call_params(int argc, char **argv)
{
	json_error_t error;
	json_t *json;

	if (argc == 0)
		return json_object();
	json = argc == 1 ? json_loads(argv[0], JSON_REJECT_DUPLICATES, &error) : NULL;
	if (argc > 1)
		warnx("call has one argument behind the method (see gantry-nic ctl --help)");
	else if (json == NULL)
		warnx("parameters: column %d: %s", error.column, error.text);
	return json;
}

static const struct command {
	const char *name, *method; /* method NULL: the first argument */
	json_t *(*params)(int argc, char **argv);
	bool prints; /* the result */
} commands[] = {
	{ "config", "set_config", config_params, false },
	{ "start", "set_control_state", start_params, false },
	{ "stop", "set_control_state", stop_params, false },
	{ "link", "set_control_state", link_params, false },
	{ "report", "get_report", report_params, true },
	{ "call", NULL, call_params, true },
};

/*
 * The connection.
 */

/* Return a connection; NULL: there is none, after an error in one line. */
static FILE *
connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *f = NULL;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
	} else if (fd >= 0) {
		strcpy(sa.sun_path, path);
		if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
			f = fdopen(fd, "r+");
	}
	if (f == NULL) {
		warn("%s: no gantry-nic --control answers", path);
		if (fd >= 0)
			close(fd);
	}
	return f;
}

/* Send a request. Return the response; NULL: there is none. */
static json_t *
exchange(FILE *f, const char *method, json_t *params)
{
	json_t *request = json_pack("{s:s, s:i, s:s, s:O}", "jsonrpc", "2.0", "id", 1, "method",
			method, "params", params);
	json_t *response = NULL;
	bool sent = json_dumpf(request, f, JSON_COMPACT) == 0 && fputc('\n', f) != EOF &&
			fflush(f) == 0;

	json_decref(request);
	if (sent)
		response = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
	return response;
}

static int
call(const char *path, const char *method, json_t *params, bool prints)
{
	FILE *f = connect_to(path);
	json_t *response, *result;
	const char *why;
	int ret;

	if (f == NULL)
		return EXIT_FAILURE;
	response = exchange(f, method, params);
	fclose(f);
	result = json_object_get(response, "result");
	why = json_string_value(json_object_get(json_object_get(response, "error"), "message"));
	ret = result != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
	if (result == NULL)
		warnx("%s: %s", method, why != NULL ? why : "the daemon did not answer");
	else if (prints &&
			(json_dumpf(result, stdout, JSON_INDENT(1)) != 0 || puts("") == EOF ||
					fflush(stdout) != 0))
		ret = EXIT_FAILURE;
	json_decref(response);
	return ret;
}

int
ctl_main(int argc, char **argv)
{
	const struct command *c = commands;
	const char *method;
	json_t *params;
	int skip = 3, ret;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		help();
		return EXIT_SUCCESS;
	}
	if (argc < 3) {
		warnx("ctl needs the path of --control and a command (see gantry-nic ctl --help)");
		return EXIT_USAGE;
	}
	while (c < commands + sizeof(commands) / sizeof(commands[0]) &&
			strcmp(c->name, argv[2]) != 0)
		c++;
	if (c == commands + sizeof(commands) / sizeof(commands[0])) {
		warnx("ctl: unknown command %s (see gantry-nic ctl --help)", argv[2]);
		return EXIT_USAGE;
	}
	method = c->method;
	if (method == NULL && argc > 3)
		method = argv[skip++];
	if (method == NULL) {
		warnx("call needs a method (see gantry-nic ctl --help)");
		return EXIT_USAGE;
	}
	params = c->params(argc - skip, argv + skip);
	if (params == NULL)
		return EXIT_USAGE;
	ret = call(argv[1], method, params, c->prints);
	json_decref(params);
	return ret;
}
