/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Polling threads: each owns some directions and moves their frames. The theory is in poller.c.
 */

#ifndef POLLER_H
#define POLLER_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "m82576.h"
#include "wire.h"

#define POLLER_DIRS_MAX 128

struct poller;

/*
 * Create a polling thread, not running yet.
 *
 * @param core      core to pin it to, or -1: none
 * @param[out] err  one line, WIRE_ERR_LEN bytes
 * @return NULL: error
 */
struct poller *poller_new(int core, char *err);
/*
 * Add a direction, before poller_start(); at most POLLER_DIRS_MAX. @p from and @p to are the
 * devices at its ends, or NULL.
 */
void poller_add(struct poller *poller, struct wire_dir *dir, struct m82576 *from,
		struct m82576 *to);
/*
 * Add the core of this thread to @p cores, if the thread polls a direction of the device and is
 * pinned.
 */
void poller_core_of(const struct poller *poller, const struct m82576 *dev, cpu_set_t *cores);
/*
 * Start the thread.
 *
 * @param[out] err  one line, WIRE_ERR_LEN bytes
 * @return 0 or a negative errno value
 */
int poller_start(struct poller *poller, char *err);
/*
 * End all threads of the pollers, each of which may be NULL, within ms.
 *
 * @return false: some thread is stuck in the poll of a direction, which must not be freed
 */
bool pollers_stop(struct poller *const *pollers, unsigned int nr, unsigned int ms);
/* After pollers_stop(): whether a stuck thread still uses the direction. */
bool pollers_use(struct poller *const *pollers, unsigned int nr, const struct wire_dir *dir);
/* End the thread if it runs, and free it. The directions remain. NULL is permitted. */
void poller_free(struct poller *poller);

/* The clock of all wires: CLOCK_MONOTONIC, in ns. Limits of polls have m82576_about_now(). */
uint64_t poller_now(void);

#endif /* POLLER_H */
