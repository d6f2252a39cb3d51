/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Polling threads: each owns some directions and moves their frames.
 */

#ifndef POLLER_H
#define POLLER_H

#include <sched.h>
#include <stdint.h>

#include "igb_model.h"
#include "wire.h"

#define POLLER_DIRS_MAX 128

struct poller;

/* core: where to pin it, or -1: nowhere. On error NULL, and one line in err (WIRE_ERR_LEN). */
struct poller *poller_new(int core, char *err);
/* Before poller_start(); at most POLLER_DIRS_MAX. from, to: the devices at its ends, or NULL. */
void poller_add(struct poller *poller, struct wire_dir *dir, struct igb_model *from,
		struct igb_model *to);
/* Adds the core to those on which the device's directions are polled, if this thread does so. */
void poller_core_of(const struct poller *poller, const struct igb_model *dev, cpu_set_t *cores);
int poller_start(struct poller *poller, char *err);
/* Ends the thread if it runs; frees. The directions stay. NULL is fine. */
void poller_free(struct poller *poller);

/* The clock of all wires: CLOCK_MONOTONIC, ns. */
uint64_t poller_now(void);

#endif /* POLLER_H */
