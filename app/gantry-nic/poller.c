/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A polling thread goes round its directions without end and without a system
 * call: a doorbell is a store into shared memory, and nobody says that it was
 * rung. It is a reader of the devices' RCU (urcu-qsbr), and between two rounds
 * holds no pointer into a client's memory: that is its quiescent state.
 *
 * As long as a client is attached to any of its devices it keeps its core busy,
 * as a NIC keeps its own. With no client at all there is nobody to ring, so it
 * sleeps, 1 ms at a time.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

#include "poller.h"

#define NAP_NS 1000000
/* Rounds without a frame, in a row, before asking whether there is any client. */
#define IDLE_ROUNDS 4096
/* Away for so long, a client may have given us up, and its memory with us. */
#define AWAY_NS 1000000000

struct poller {
	pthread_t thread;
	bool running;
	bool stop;          /* atomic */
	int core;
	unsigned int nr_dirs, nr_devs;
	struct wire_dir *dirs[POLLER_DIRS_MAX];
	struct igb_model *devs[2 * POLLER_DIRS_MAX];
};

uint64_t
poller_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static bool
any_client(const struct poller *poller)
{
	struct igb_model_stats stats;
	unsigned int i;

	for (i = 0; i < poller->nr_devs; i++) {
		igb_model_get_stats(poller->devs[i], &stats);
		if (stats.client)
			return true;
	}
	return false;
}

static void
check_clients(struct poller *poller)
{
	for (unsigned int i = 0; i < poller->nr_devs; i++)
		igb_model_check_client(poller->devs[i]);
}

/* No polling for a while, and that is as it should be. */
static void
rest(struct poller *poller)
{
	unsigned int i;

	for (i = 0; i < poller->nr_dirs; i++)
		wire_dir_rest(poller->dirs[i]);
}

static void
nap(struct poller *poller)
{
	struct timespec ts = { .tv_nsec = NAP_NS };

	rest(poller);
	urcu_qsbr_thread_offline();
	nanosleep(&ts, NULL);
	urcu_qsbr_thread_online();
}

static void *
poller_main(void *arg)
{
	struct poller *poller = arg;
	unsigned int idle = 0, i;
	uint64_t now, last = poller_now();

	urcu_qsbr_register_thread();
	while (!__atomic_load_n(&poller->stop, __ATOMIC_RELAXED)) {
		unsigned int moved = 0;

		now = poller_now();
		if (now - last > AWAY_NS)
			check_clients(poller);
		last = now;
		for (i = 0; i < poller->nr_dirs; i++)
			moved += wire_dir_poll(poller->dirs[i], poller_now());
		urcu_qsbr_quiescent_state();
		if (moved != 0) {
			idle = 0;
		} else if (++idle >= IDLE_ROUNDS) {
			if (any_client(poller))
				idle = 0;
			else
				nap(poller);
		}
	}
	rest(poller);
	urcu_qsbr_unregister_thread();
	return NULL;
}

struct poller *
poller_new(int core, char *err)
{
	struct poller *poller = calloc(1, sizeof(*poller));

	if (poller == NULL) {
		snprintf(err, WIRE_ERR_LEN, "out of memory");
		return NULL;
	}
	poller->core = core;
	return poller;
}

void
poller_add(struct poller *poller, struct wire_dir *dir, struct igb_model *from,
		struct igb_model *to)
{
	poller->dirs[poller->nr_dirs++] = dir;
	if (from != NULL)
		poller->devs[poller->nr_devs++] = from;
	if (to != NULL)
		poller->devs[poller->nr_devs++] = to;
}

int
poller_start(struct poller *poller, char *err)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	pthread_attr_init(&attr);
	if (poller->core >= 0) {
		CPU_ZERO(&set);
		CPU_SET(poller->core, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	ret = pthread_create(&poller->thread, &attr, poller_main, poller);
	pthread_attr_destroy(&attr);
	if (ret != 0) {
		if (poller->core >= 0)
			snprintf(err, WIRE_ERR_LEN, "cannot start a polling thread on core %d: %s",
					poller->core, ret == EINVAL ?
					"this process may not run there, or there is no such core" :
					strerror(ret));
		else
			snprintf(err, WIRE_ERR_LEN, "cannot start a polling thread: %s",
					strerror(ret));
		return -ret;
	}
	poller->running = true;
	return 0;
}

void
poller_free(struct poller *poller)
{
	if (poller == NULL)
		return;
	if (poller->running) {
		__atomic_store_n(&poller->stop, true, __ATOMIC_RELAXED);
		pthread_join(poller->thread, NULL);
	}
	free(poller);
}
