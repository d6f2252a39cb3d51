/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * --control: theory.
 *
 * Programs connect to a Unix socket and call methods (control_methods.c) by JSON-RPC 2.0: a request
 * is one line, and so is its response. The socket has mode 0600: who may connect is as trusted as
 * the user who started the daemon, but may still be slow, or make mistakes.
 *
 *     client ---- line ----> in[] --- JSON ---> control_call() --- JSON ---> out[] ---- line ---->
 *
 * The main thread serves all clients beside its signals, with one poll() and no thread of its own.
 * It never waits for a client: a response that the client does not read yet stays in out[], and
 * until it is sent no further request of this client is read. So a client costs at most one request
 * and one response of memory.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "vfu_listener.h"

/* Bytes of a request, at most. */
#define LINE_MAX_LEN (16u << 20)
#define READ_LEN     65536
/* Requests of a batch, at most: each may have a response as long as the statistics. */
#define BATCH_MAX 256

struct client {
	int sock; /* -1: none */
	char *in; /* bytes of a line that is not complete, or of lines that wait */
	size_t in_len, in_size;
	size_t seen; /* bytes of in[] that have no end of a line */
	char *out;   /* rest of a response */
	size_t out_len, out_sent;
	bool last; /* close it behind this response */
};

struct control {
	struct control_target target;
	struct vfu_listener listener;
	struct client clients[CONTROL_CLIENTS];
};

static void
drop(struct client *c)
{
	if (c->sock >= 0)
		close(c->sock);
	free(c->in);
	free(c->out);
	*c = (struct client){ .sock = -1 };
}

/*
 * JSON-RPC 2.0.
 */

static json_t *
response(json_t *id, const char *key, json_t *value)
{
	json_t *o = json_object();

	json_object_set_new(o, "jsonrpc", json_string("2.0"));
	json_object_set(o, "id", id != NULL ? id : json_null());
	json_object_set_new(o, key, value);
	return o;
}

static json_t *
failure(json_t *id, const struct rpc_error *error)
{
	return response(id, "error",
			json_pack("{s:i, s:s}", "code", error->code, "message", error->text));
}

/* Serve one request. Return the response; NULL: the request is a notification. */
static json_t *
serve_request(const struct control_target *target, json_t *request)
{
	json_t *id = json_object_get(request, "id"), *result;
	const char *version = json_string_value(json_object_get(request, "jsonrpc"));
	const char *method = json_string_value(json_object_get(request, "method"));
	struct rpc_error error = { .code = RPC_REQUEST };

	if (version == NULL || strcmp(version, "2.0") != 0 || method == NULL) {
		snprintf(error.text, sizeof(error.text),
				"no request of JSON-RPC 2.0: it needs \"jsonrpc\": \"2.0\" and a "
				"\"method\"");
		return failure(id, &error);
	}
	result = control_call(target, method, json_object_get(request, "params"), &error);
	if (id == NULL) {
		json_decref(result);
		return NULL;
	}
	return result != NULL ? response(id, "result", result) : failure(id, &error);
}

/* Serve a line: a request, or an array of them (a batch). */
static json_t *
serve_line(const struct control_target *target, const char *line, size_t len)
{
	struct rpc_error error = { .code = RPC_PARSE };
	json_error_t where;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
	json_t *answer, *one;
	size_t i;

	if (request == NULL) {
		snprintf(error.text, sizeof(error.text), "column %d: %.200s", where.column,
				where.text);
		return failure(NULL, &error);
	}
	if (!json_is_array(request) || json_array_size(request) == 0) {
		answer = serve_request(target, request);
		json_decref(request);
		return answer;
	}
	if (json_array_size(request) > BATCH_MAX) {
		error.code = RPC_REQUEST;
		snprintf(error.text, sizeof(error.text), "a batch has at most %d requests",
				BATCH_MAX);
		json_decref(request);
		return failure(NULL, &error);
	}
	answer = json_array();
	for (i = 0; i < json_array_size(request); i++) {
		one = serve_request(target, json_array_get(request, i));
		if (one != NULL)
			json_array_append_new(answer, one);
	}
	json_decref(request);
	if (json_array_size(answer) != 0)
		return answer;
	json_decref(answer); /* notifications only */
	return NULL;
}

/*
 * The clients.
 */

/* Send what is left of a response. Return false: the client is gone. */
static bool
send_rest(struct client *c)
{
	ssize_t n;

	while (c->out_sent < c->out_len) {
		n = write(c->sock, c->out + c->out_sent, c->out_len - c->out_sent);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->out_sent += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = c->out_sent = 0;
	return !c->last;
}

/* Begin to send a response, which is freed. Return false: the client is to be dropped. */
static bool
answer(struct client *c, json_t *json)
{
	char *text;
	size_t len;

	if (json == NULL)
		return true;
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	len = text != NULL ? strlen(text) : 0;
	c->out = text != NULL ? realloc(text, len + 1) : NULL;
	if (c->out == NULL) {
		free(text);
		return false;
	}
	c->out[len] = '\n';
	c->out_len = len + 1;
	return send_rest(c);
}

/* Serve the complete lines, until a response is not sent at once. */
static bool
serve_lines(const struct control_target *target, struct client *c)
{
	bool ok = true;
	char *end;
	size_t len;

	while (ok && c->out == NULL &&
			(end = memchr(c->in + c->seen, '\n', c->in_len - c->seen)) != NULL) {
		len = (size_t)(end - c->in);
		if (len != 0)
			ok = answer(c, serve_line(target, c->in, len));
		c->in_len -= len + 1;
		memmove(c->in, end + 1, c->in_len);
		c->seen = 0;
	}
	if (c->out == NULL)
		c->seen = c->in_len;
	return ok;
}

/* Make room for more input. Return false: there is none, after a response that gives the reason. */
static bool
make_room(struct client *c)
{
	struct rpc_error error = { .code = RPC_REQUEST };
	char *in;

	if (c->in_size - c->in_len >= READ_LEN)
		return true;
	in = c->in_len > LINE_MAX_LEN ? NULL : realloc(c->in, c->in_len * 2 + READ_LEN);
	if (in != NULL) {
		c->in = in;
		c->in_size = c->in_len * 2 + READ_LEN;
		return true;
	}
	snprintf(error.text, sizeof(error.text), "a request has at most %u bytes", LINE_MAX_LEN);
	c->last = true;
	answer(c, failure(NULL, &error));
	return false;
}

/* Read what a client sent, and serve it. Return false: the client is to be dropped. */
static bool
serve_client(const struct control_target *target, struct client *c)
{
	ssize_t n;

	if (c->out != NULL && !send_rest(c))
		return false;
	/* Lines that came together with the one whose response had to wait. */
	if (c->out == NULL && !serve_lines(target, c))
		return false;
	if (c->out != NULL)
		return true;
	if (!make_room(c))
		return c->out != NULL;
	n = read(c->sock, c->in + c->in_len, READ_LEN);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	c->in_len += (size_t)n;
	return serve_lines(target, c);
}

static void
accept_client(struct control *control)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	unsigned int i;

	for (i = 0; i < CONTROL_CLIENTS; i++) {
		if (control->clients[i].sock >= 0)
			continue;
		control->clients[i].sock = accept4(control->listener.fd, NULL, NULL,
				SOCK_CLOEXEC | SOCK_NONBLOCK);
		/* Out of descriptors: the client stays in the backlog; do not spin. */
		if (control->clients[i].sock < 0 && (errno == EMFILE || errno == ENFILE))
			nanosleep(&pause, NULL);
		return;
	}
}

void
control_prepare(const struct control *control, struct pollfd *fds)
{
	bool room = false;
	unsigned int i;

	for (i = 0; i < CONTROL_CLIENTS; i++) {
		const struct client *c = control != NULL ? &control->clients[i] : NULL;

		fds[1 + i].fd = c != NULL ? c->sock : -1;
		fds[1 + i].events = c != NULL && c->out != NULL ? POLLOUT : POLLIN;
		room |= c != NULL && c->sock < 0;
	}
	fds[0].fd = room ? control->listener.fd : -1;
	fds[0].events = POLLIN;
}

void
control_serve(struct control *control, const struct pollfd *fds)
{
	unsigned int i;

	for (i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *c = control != NULL ? &control->clients[i] : NULL;

		if (fds[1 + i].fd >= 0 && fds[1 + i].revents != 0 &&
				!serve_client(&control->target, c))
			drop(c);
	}
	if (fds[0].fd >= 0 && fds[0].revents != 0)
		accept_client(control);
}

struct control *
control_open(const char *path, const struct control_target *target, char *err)
{
	struct control *control = malloc(sizeof(*control));
	unsigned int i;

	if (control == NULL) {
		snprintf(err, WIRE_ERR_LEN, "out of memory");
		return NULL;
	}
	control->target = *target;
	for (i = 0; i < CONTROL_CLIENTS; i++)
		control->clients[i] = (struct client){ .sock = -1 };
	if (vfu_listener_open(&control->listener, path, err) == 0)
		return control;
	free(control);
	return NULL;
}

void
control_close(struct control *control)
{
	unsigned int i;

	if (control == NULL)
		return;
	for (i = 0; i < CONTROL_CLIENTS; i++)
		drop(&control->clients[i]);
	/* Only the operator can connect, so that no foreign descriptor waits in its backlog. */
	vfu_listener_close(&control->listener, NULL);
	free(control);
}
