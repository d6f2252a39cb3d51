/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * --control: requests of other programs while the daemon runs. Main thread. The theory is in
 * control.c.
 */

#ifndef CONTROL_H
#define CONTROL_H

#include <poll.h>

#include "control_methods.h"

/* Connections at one time. Others wait in the backlog. */
#define CONTROL_CLIENTS 8
/* Entries of poll() that a control needs. */
#define CONTROL_FDS (1 + CONTROL_CLIENTS)

struct control;

/*
 * Listen at a path. Before the sandbox.
 *
 * @param target    the parts that requests change and read; must exist until control_close()
 * @param[out] err  one line, WIRE_ERR_LEN bytes
 * @return NULL: it failed
 */
struct control *control_open(const char *path, const struct control_target *target, char *err);
/* Fill in CONTROL_FDS entries for poll(). NULL: they are for nothing. */
void control_prepare(const struct control *control, struct pollfd *fds);
/* Serve the clients of which poll() found something. */
void control_serve(struct control *control, const struct pollfd *fds);
/* End all connections, and remove the socket. NULL is permitted. */
void control_close(struct control *control);

#endif /* CONTROL_H */
