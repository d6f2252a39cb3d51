/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A polling thread serves its directions in rounds, without end and without a system call: a
 * doorbell is a store into shared memory, which nothing announces. The thread is a reader of its
 * devices (vfu_rcu.h). Between two polls it holds no pointer into a client's memory: that is its
 * quiescent state.
 *
 * Directions share the core by time, because a driver decides the cost of a poll of its port. Each
 * direction has an account of the cost of its polls. A direction that is ahead of another one with
 * frames by more than a burst waits until that one has caught up. So a port keeps its share of the
 * core beside a port whose polls take a hundred times as long.
 *
 * A polling thread sleeps in one place only: in a page fault on a client's memory, while another
 * process punches a hole into it, or the kernel swaps it in. In the meantime the core is idle. A
 * direction in which that happened rests for several times as long as the thread slept.
 *
 * As long as a client is attached to any of its devices, the thread keeps its core busy, as a NIC
 * keeps its own. With no client at all no doorbell can be rung, so that it sleeps, 1 ms at a time.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "poller.h"
#include "thread.h"
#include "vfu_rcu.h"

#define NAP_NS 1000000
/* Rounds in a row without a frame before the thread checks whether there is any client. */
#define IDLE_ROUNDS 4096
/* ns of absence after which a client may have given up the device and reused its memory. */
#define AWAY_NS 1000000000
/* ns by which accounts may differ: a burst of frames. */
#define BURST_NS 10000
/* ns of polls without a frame after which no other direction waits for a direction. */
#define QUIET_NS 100000
/* ns: in a longer poll the thread may have slept, so that it asks the kernel. */
#define LONG_NS  200000
/*
 * Maximum that a direction is charged for a poll, in ns: the host may have taken the core away. A
 * direction pays for a sleep of the thread by its rest.
 */
#define COST_NS_MAX 20000000
/*
 * A direction rests for this many times as long as the thread slept in its poll, but for at most
 * REST_NS_MAX ns.
 */
#define REST_TIMES  4
#define REST_NS_MAX 400000000

/* The account of a direction. */
struct share {
	uint64_t cost;      /* ns of polls since directions with frames have shared the thread */
	uint64_t quiet;     /* ns of its polls since it had a frame */
	uint64_t rests;     /* until this time */
};

struct poller {
	pthread_t thread;
	bool running;
	bool stop;          /* atomic */
	int core;
	unsigned int nr_dirs, nr_devs;
	struct wire_dir *dirs[POLLER_DIRS_MAX];
	struct share shares[POLLER_DIRS_MAX]; /* of dirs[] */
	struct igb_model *devs[2 * POLLER_DIRS_MAX];
	struct vfu_server *servers[2 * POLLER_DIRS_MAX]; /* of devs[] */
	long sleeps;        /* sleeps of the thread, as of the last check */
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

/* Note that a pause of polling is intended, so that it does not count as a gap. */
static void
rest(struct poller *poller)
{
	unsigned int i;

	for (i = 0; i < poller->nr_dirs; i++)
		wire_dir_rest(poller->dirs[i]);
}

/* Return whether the thread has slept since the last call. */
static bool
slept(struct poller *poller)
{
	struct rusage usage;
	long before = poller->sleeps;

	if (getrusage(RUSAGE_THREAD, &usage) != 0)
		return false;
	poller->sleeps = usage.ru_nvcsw;
	return poller->sleeps != before;
}

static void
nap(struct poller *poller)
{
	struct timespec ts = { .tv_nsec = NAP_NS };

	rest(poller);
	vfu_rcu_offline();
	nanosleep(&ts, NULL);
	vfu_rcu_online();
	slept(poller); /* discard: this sleep was intended */
}

/*
 * Poll a direction, and add to *now the time that it took.
 *
 * @return the number of frames
 */
static unsigned int
poll_dir(struct wire_dir *dir, uint64_t *now)
{
	unsigned int moved = wire_dir_poll(dir, *now);

	vfu_rcu_quiescent();
	*now = poller_now();
	return moved;
}

/* Charge the direction's account for a poll that ended now and took ns. */
static void
charge(struct poller *poller, struct share *share, uint64_t now, uint64_t ns, unsigned int moved)
{
	share->cost += ns < COST_NS_MAX ? ns : COST_NS_MAX;
	share->quiet = moved != 0 ? 0 : share->quiet + ns;
	if (ns > LONG_NS && slept(poller) && poller->nr_dirs > 1) {
		share->rests = now + (ns < REST_NS_MAX / REST_TIMES ? ns * REST_TIMES : REST_NS_MAX);
		share->quiet = QUIET_NS; /* no direction waits for one that rests */
	}
}

/* Return the least cost of a direction with frames. If none has any, reset all accounts. */
static uint64_t
least_cost(struct poller *poller)
{
	uint64_t least = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < poller->nr_dirs; i++)
		if (poller->shares[i].quiet < QUIET_NS && poller->shares[i].cost < least)
			least = poller->shares[i].cost;
	if (least != UINT64_MAX)
		return least;
	for (i = 0; i < poller->nr_dirs; i++)
		poller->shares[i].cost = 0;
	return 0;
}

/*
 * Poll each direction whose turn it is.
 *
 * @return the number of frames
 */
static unsigned int
poll_round(struct poller *poller, uint64_t now)
{
	uint64_t least = least_cost(poller), begin;
	unsigned int moved = 0, i, n;

	for (i = 0; i < poller->nr_dirs; i++) {
		struct share *share = &poller->shares[i];

		if (share->cost > least + BURST_NS || share->rests > now)
			continue;
		if (share->cost < least)
			share->cost = least; /* time that it did not use is no credit */
		begin = now;
		n = poll_dir(poller->dirs[i], &now);
		charge(poller, share, now, now - begin, n);
		moved += n;
	}
	return moved;
}

static void *
poller_main(void *arg)
{
	struct poller *poller = arg;
	unsigned int idle = 0;
	uint64_t now, last = poller_now();

	vfu_rcu_register();
	vfu_rcu_only(poller->servers, poller->nr_devs);
	slept(poller);
	while (!__atomic_load_n(&poller->stop, __ATOMIC_RELAXED)) {
		now = poller_now();
		if (now - last > AWAY_NS)
			check_clients(poller);
		last = now;
		if (poll_round(poller, now) != 0) {
			idle = 0;
		} else if (++idle >= IDLE_ROUNDS) {
			if (any_client(poller))
				idle = 0;
			else
				nap(poller);
		}
	}
	rest(poller);
	vfu_rcu_unregister();
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

static void
add_device(struct poller *poller, struct igb_model *dev)
{
	if (dev == NULL)
		return;
	poller->servers[poller->nr_devs] = igb_model_server(dev);
	poller->devs[poller->nr_devs++] = dev;
}

void
poller_add(struct poller *poller, struct wire_dir *dir, struct igb_model *from,
		struct igb_model *to)
{
	poller->shares[poller->nr_dirs].quiet = QUIET_NS;
	poller->dirs[poller->nr_dirs++] = dir;
	wire_dir_set_clock(dir, poller_now);
	add_device(poller, from);
	add_device(poller, to);
}

void
poller_core_of(const struct poller *poller, const struct igb_model *dev, cpu_set_t *cores)
{
	for (unsigned int i = 0; i < poller->nr_devs && poller->core >= 0; i++) {
		if (poller->devs[i] == dev)
			CPU_SET(poller->core, cores);
	}
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
	ret = -vfu_thread_start(&poller->thread, &attr, "poll", poller_main, poller);
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
