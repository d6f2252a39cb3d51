/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The front: the process that the user starts. It forks the daemon and ends when the daemon has
 * done its work, even if the kernel cannot remove the daemon yet. The theory is in front.c.
 */

#ifndef FRONT_H
#define FRONT_H

#include "sandbox.h"

/**
 * Fork the daemon. The call returns in the daemon only; the front ends in it. Call it before the
 * process has a thread, or anything that it must release.
 *
 * @param mode  of the sandbox, for the front
 * @return 0 in the daemon; if no process can be made, a negative errno value
 */
int front_start(enum sandbox_mode mode);

/** Report that the daemon is confined: the front, which may then signal it, drops its rights. */
void front_confine(void);

/**
 * Report the exit status of the daemon. This must be its last action, because the front then waits
 * for the end of the process only for a moment. Without a front, the call does nothing.
 * Async-signal-safe.
 */
void front_report(int status);

/**
 * Report the exit status and end the daemon, although a thread of it may be stuck. Release standard
 * input, output and error first: a stuck thread would keep them open, and a process that reads the
 * output from a pipe would wait for it. Async-signal-safe.
 */
void front_exit(int status) __attribute__((noreturn));

/**
 * Release standard input, output, error and the pipe to the front, in a process that the daemon has
 * forked and that may last longer than the daemon.
 */
void front_leave(void);

#endif /* FRONT_H */
