/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Rights of the daemon's threads after set-up. The theory is in sandbox.c.
 */

#ifndef SANDBOX_H
#define SANDBOX_H

#include <sys/types.h>

enum sandbox_mode {
	SANDBOX_ON,  /* a call that no filter names fails */
	SANDBOX_LOG, /* the kernel logs such a call and executes it */
	SANDBOX_OFF,
};

/**
 * Prepare the sandbox. From here on no program that the process executes gains rights, and each
 * thread that the main thread starts by vfu_thread_start() waits, before it runs, for
 * sandbox_enter() or sandbox_abandon(). Call it before any thread starts.
 *
 * @return 0 or a negative errno value
 */
int sandbox_prepare(enum sandbox_mode mode);

/**
 * End set-up, in the main thread: drop the user and the capabilities of all threads and confine
 * each. On return all threads that had been started are confined. Each mechanism that this kernel
 * does not offer is reported in a line on stderr.
 */
void sandbox_enter(void);

/** End a set-up that failed: the threads run unconfined, so that they can be ended. */
void sandbox_abandon(void);

/**
 * Confine the process of the file keeper (file_keeper.c), which keeps its user.
 *
 * @param replaced  file that it writes by replacing it, or NULL
 * @param removed   files that it removes
 * @param nr        number of those
 */
void sandbox_keeper(const char *replaced, const char *const *removed, unsigned int nr);

/**
 * Confine the front (front.c), a process of one thread, which may only signal the daemon and wait.
 * Call it when the daemon is confined: it makes the front the same user.
 *
 * @param daemon  process that it may signal
 */
void sandbox_front(enum sandbox_mode mode, pid_t daemon);

#endif /* SANDBOX_H */
