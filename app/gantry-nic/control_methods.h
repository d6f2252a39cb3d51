/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The methods of --control, by their names.
 */

#ifndef CONTROL_METHODS_H
#define CONTROL_METHODS_H

#include <jansson.h>
#include <stdint.h>

#include "generator.h"

/* Codes of errors, of JSON-RPC 2.0 (5.1), and one of its range for servers. */
#define RPC_PARSE     -32700
#define RPC_REQUEST   -32600
#define RPC_NO_METHOD -32601
#define RPC_PARAMS    -32602
#define RPC_INTERNAL  -32603
#define RPC_BUSY      -32000

struct rpc_error {
	int code;
	char text[SPEC_ERR_LEN];
};

/* The parts of the daemon that requests change and read. */
struct control_target {
	struct generator *generator;
	struct port *ports;
	unsigned int nr;
	uint64_t started; /* poller_now() at the start, ns */
};

/*
 * Call a method.
 *
 * @param params  its parameters, an object; NULL: none
 * @return its result, the caller's; NULL: *error has the reason
 */
json_t *control_call(const struct control_target *target, const char *method, json_t *params,
		struct rpc_error *error);

#endif /* CONTROL_METHODS_H */
