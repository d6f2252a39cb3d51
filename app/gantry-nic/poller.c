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
 * Nothing bounds such a sleep, so that a poller has several threads (workers). One is active and
 * polls all directions. One watches it, and the others wait to watch. If the active thread begins
 * no poll for WATCH_NS, the watcher takes over: it becomes active, and the former thread keeps only
 * the direction that it is stuck in. When that thread returns, it hands the direction back and
 * becomes a watcher.
 *
 *     active -- begins no poll --> stuck -- poll ends --> waits to watch --> watches --> active
 *
 * The active thread announces a direction before it checks whether it still is active, and the
 * watcher makes itself active before it reads which direction that is. So a former thread starts no
 * poll of another direction, and grace periods of other devices need not wait for it
 * (vfu_rcu_restrict()).
 *
 * As long as a client is attached to any of its devices, the thread keeps its core busy, as a NIC
 * keeps its own. With no client at all no doorbell can be rung, so that it sleeps, 1 ms at a time.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
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
#define LONG_NS 200000
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
/*
 * ns of one poll that the thread may compute: the kernel takes longer to clear a huge page of
 * 1 GiB. A host may take the core of a virtual machine for several ms, which looks like computing.
 */
#define COMPUTE_NS_MAX 50000000

/*
 * ns between two looks of the watcher. The active thread is stuck if it began no poll in between.
 */
#define WATCH_NS 4000000
/* Threads of a poller: one more than may be stuck at the same time. */
#define WORKERS_MAX 16
/* A worker that is in the poll of no entry. */
#define NO_ENTRY UINT32_MAX

struct worker;

/*
 * A direction with its account. The active thread owns it, or the thread that is stuck in it. A
 * former active thread may still compare accounts until it notices that it is no longer active, so
 * that the account is atomic. An update that is lost then is small.
 */
struct entry {
	struct wire_dir *dir;
	struct m82576 *devs[2];         /* at its ends */
	struct vfu_server *servers[2];  /* of devs[] */
	struct vfu_rcu_devices devices; /* servers[] */
	_Atomic uint64_t cost; /* ns of polls since directions with frames have shared the thread */
	_Atomic uint64_t quiet;         /* ns of its polls since it had a frame */
	_Atomic uint64_t rests;         /* until this time */
	uint64_t begun;                 /* when its last poll began */
	_Atomic(struct worker *) stuck; /* in its poll, and no longer active; NULL: none */
};

struct worker {
	struct poller *poller;
	pthread_t thread;
	bool joined;
	long sleeps;           /* of the thread, as of the last check */
	uint64_t cpu;          /* ns that it has had the core, as of the last check */
	uint64_t checked;      /* when that was */
	void *reader;          /* of vfu_rcu_self(), while it is active or stuck */
	_Atomic uint64_t beat; /* rounds and polls that it began */
	_Atomic uint32_t in; /* the entry of its last poll since it became active; NO_ENTRY: none */
};

struct poller {
	atomic_bool stop;
	int core;
	unsigned int nr_entries, nr_devs, nr_running;
	struct entry entries[POLLER_DIRS_MAX];
	struct m82576 *devs[2 * POLLER_DIRS_MAX];
	struct vfu_server *servers[2 * POLLER_DIRS_MAX]; /* of devs[] */
	struct worker workers[WORKERS_MAX];
	_Atomic(struct worker *) active;
	pthread_mutex_t watch;    /* its holder is the watcher */
	pthread_mutex_t handover; /* held while the active thread changes */
};

uint64_t
poller_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static uint64_t
get(const _Atomic uint64_t *value)
{
	return atomic_load_explicit(value, memory_order_relaxed);
}

static void
set(_Atomic uint64_t *value, uint64_t to)
{
	atomic_store_explicit(value, to, memory_order_relaxed);
}

static bool
any_client(const struct poller *poller)
{
	struct m82576_stats stats;
	unsigned int i;

	for (i = 0; i < poller->nr_devs; i++) {
		m82576_get_stats(poller->devs[i], &stats);
		if (stats.client)
			return true;
	}
	return false;
}

/* Only those of the direction: another watcher may have restricted the thread to them. */
static void
check_clients(const struct entry *e)
{
	for (unsigned int i = 0; i < e->devices.nr; i++)
		m82576_check_client(e->devs[i]);
}

/*
 * Note that a pause of polling is intended, so that it does not count as a gap. The active thread,
 * with the handover lock: another thread that becomes active would poll the directions.
 */
static void
rest(struct poller *poller)
{
	unsigned int i;

	for (i = 0; i < poller->nr_entries; i++)
		if (atomic_load(&poller->entries[i].stuck) == NULL)
			wire_dir_rest(poller->entries[i].dir);
}

/*
 * Check what the thread has done since the last call.
 *
 * @param[out] off  ns that it did not have the core: it slept, or another thread had it
 * @return whether it has slept
 */
static bool
slept(struct worker *w, uint64_t now, uint64_t *off)
{
	struct rusage usage;
	long before = w->sleeps;
	uint64_t cpu, since = now - w->checked;

	*off = since;
	if (getrusage(RUSAGE_THREAD, &usage) != 0)
		return false;
	cpu = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
			(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
	*off = since > cpu - w->cpu ? since - (cpu - w->cpu) : 0;
	w->checked = now;
	w->cpu = cpu;
	w->sleeps = usage.ru_nvcsw;
	return w->sleeps != before;
}

static bool
is_active(const struct worker *w)
{
	return atomic_load_explicit(&w->poller->active, memory_order_relaxed) == w;
}

static void
nap(struct worker *w)
{
	struct timespec ts = { .tv_nsec = NAP_NS };
	uint64_t off;
	bool active;

	pthread_mutex_lock(&w->poller->handover);
	active = is_active(w);
	if (active)
		rest(w->poller);
	pthread_mutex_unlock(&w->poller->handover);
	if (!active)
		return;
	vfu_rcu_offline();
	nanosleep(&ts, NULL);
	vfu_rcu_online();
	slept(w, poller_now(), &off); /* this sleep was intended */
}

/* Return whether a poll of ns that ended now held the thread for longer than a client may. */
static bool
was_held(struct worker *w, uint64_t now, uint64_t ns)
{
	uint64_t off;

	if (ns <= LONG_NS)
		return false;
	if (slept(w, now, &off))
		return off >= ns / 2;
	return ns > off && ns - off > COMPUTE_NS_MAX;
}

/* Charge the direction for a poll that ended now and took ns. */
static void
charge(struct worker *w, struct entry *e, uint64_t now, uint64_t ns, unsigned int moved)
{
	uint64_t rest;

	set(&e->cost, get(&e->cost) + (ns < COST_NS_MAX ? ns : COST_NS_MAX));
	set(&e->quiet, moved != 0 ? 0 : get(&e->quiet) + ns);
	if (was_held(w, now, ns) && w->poller->nr_entries > 1) {
		rest = ns < REST_NS_MAX / REST_TIMES ? ns * REST_TIMES : REST_NS_MAX;
		set(&e->rests, now + rest);
		set(&e->quiet, QUIET_NS); /* no direction waits for one that rests */
	}
}

/*
 * Poll a direction, and add to *now the time that it took.
 *
 * @return the number of frames; 0 also if the thread is not active and did not poll
 */
static unsigned int
poll_entry(struct worker *w, struct entry *e, uint64_t *now)
{
	uint64_t begin = *now;
	unsigned int moved;

	atomic_fetch_add_explicit(&w->beat, 1, memory_order_relaxed);
	/* Release: a new active thread that reads this also sees what the last poll stored. */
	atomic_store_explicit(&w->in, (uint32_t)(e - w->poller->entries), memory_order_release);
	/*
	 * Either the new active thread sees which entry this is, or this thread sees the new one.
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (!is_active(w))
		return 0;
	if (begin - e->begun > AWAY_NS)
		check_clients(e);
	e->begun = begin;
	moved = wire_dir_poll(e->dir, begin);
	vfu_rcu_quiescent();
	*now = poller_now();
	charge(w, e, *now, *now - begin, moved);
	return moved;
}

/* Return the least cost of a direction with frames. If none has any, reset all accounts. */
static uint64_t
least_cost(struct poller *poller)
{
	uint64_t least = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < poller->nr_entries; i++) {
		const struct entry *e = &poller->entries[i];

		if (atomic_load(&e->stuck) == NULL && get(&e->quiet) < QUIET_NS &&
				get(&e->cost) < least)
			least = get(&e->cost);
	}
	if (least != UINT64_MAX)
		return least;
	for (i = 0; i < poller->nr_entries; i++)
		if (atomic_load(&poller->entries[i].stuck) == NULL)
			set(&poller->entries[i].cost, 0);
	return 0;
}

/*
 * Poll each direction whose turn it is.
 *
 * @return the number of frames
 */
static unsigned int
poll_round(struct worker *w)
{
	struct poller *poller = w->poller;
	uint64_t least = least_cost(poller), now = poller_now();
	unsigned int moved = 0, i;

	for (i = 0; i < poller->nr_entries; i++) {
		struct entry *e = &poller->entries[i];
		uint64_t cost = get(&e->cost);

		if (atomic_load(&e->stuck) != NULL)
			continue;
		/* An account that was kept while the direction was stuck may be hours ahead. */
		if (cost > least + COST_NS_MAX)
			set(&e->cost, least + COST_NS_MAX);
		if (cost > least + BURST_NS || get(&e->rests) > now)
			continue;
		if (cost < least)
			set(&e->cost, least); /* time that it did not use is no credit */
		moved += poll_entry(w, e, &now);
	}
	return moved;
}

/*
 * End being active: hand back the direction that this thread was stuck in, if another thread took
 * over in the meantime.
 */
static void
leave(struct worker *w)
{
	struct poller *poller = w->poller;

	pthread_mutex_lock(&poller->handover);
	if (is_active(w)) {
		rest(poller);
		atomic_store(&poller->active, NULL); /* nobody takes over from a thread that ends */
	}
	for (unsigned int i = 0; i < poller->nr_entries; i++)
		if (atomic_load(&poller->entries[i].stuck) == w)
			atomic_store(&poller->entries[i].stuck, NULL);
	pthread_mutex_unlock(&poller->handover);
}

/* Poll until another thread is active, or the poller stops. */
static void
be_active(struct worker *w)
{
	struct poller *poller = w->poller;
	unsigned int idle = 0;
	uint64_t off;

	slept(w, poller_now(), &off);
	while (is_active(w) && !atomic_load_explicit(&poller->stop, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&w->beat, 1, memory_order_relaxed);
		if (poll_round(w) != 0) {
			idle = 0;
		} else if (++idle >= IDLE_ROUNDS) {
			if (any_client(poller))
				idle = 0;
			else
				nap(w);
		}
	}
	leave(w);
}

/*
 * Become the active thread. The former one, if any, keeps the direction that it is stuck in: it is
 * in the poll of no other one, because it has begun none since it became active, or it announced
 * it.
 */
static void
take_over(struct worker *w)
{
	static const struct vfu_rcu_devices none;
	struct poller *poller = w->poller;
	struct worker *former;

	pthread_mutex_lock(&poller->handover);
	vfu_rcu_register();
	vfu_rcu_only(poller->servers, poller->nr_devs);
	w->reader = vfu_rcu_self();
	atomic_store(&w->in, NO_ENTRY);
	former = atomic_exchange(&poller->active, w);
	atomic_thread_fence(memory_order_seq_cst);
	if (former != NULL) {
		uint32_t in = atomic_load(&former->in);
		struct entry *e = in != NO_ENTRY ? &poller->entries[in] : NULL;

		if (e != NULL)
			atomic_store(&e->stuck, former);
		vfu_rcu_restrict(former->reader, e != NULL ? &e->devices : &none);
	}
	pthread_mutex_unlock(&poller->handover);
}

/* Watch the active thread until it is stuck, or the poller stops. */
static void
watch(struct poller *poller)
{
	const struct timespec ts = { .tv_nsec = WATCH_NS };
	struct worker *active = atomic_load(&poller->active);
	uint64_t beat, before = UINT64_MAX;

	for (; active != NULL && !atomic_load(&poller->stop); before = beat) {
		beat = atomic_load_explicit(&active->beat, memory_order_relaxed);
		if (beat == before)
			return;
		nanosleep(&ts, NULL);
	}
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct poller *poller = w->poller;

	while (!atomic_load(&poller->stop)) {
		/* One thread watches, the others sleep here. */
		pthread_mutex_lock(&poller->watch);
		watch(poller);
		if (atomic_load(&poller->stop)) {
			pthread_mutex_unlock(&poller->watch);
			break;
		}
		take_over(w);
		pthread_mutex_unlock(&poller->watch);
		be_active(w);
		vfu_rcu_unregister();
	}
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
	pthread_mutex_init(&poller->watch, NULL);
	pthread_mutex_init(&poller->handover, NULL);
	return poller;
}

static void
add_device(struct poller *poller, struct entry *e, struct m82576 *dev)
{
	if (dev == NULL)
		return;
	poller->servers[poller->nr_devs] = m82576_server(dev);
	e->devs[e->devices.nr] = dev;
	e->servers[e->devices.nr++] = poller->servers[poller->nr_devs];
	poller->devs[poller->nr_devs++] = dev;
}

void
poller_add(struct poller *poller, struct wire_dir *dir, struct m82576 *from, struct m82576 *to)
{
	struct entry *e = &poller->entries[poller->nr_entries++];

	e->dir = dir;
	e->devices.servers = e->servers;
	set(&e->quiet, QUIET_NS);
	wire_dir_set_clock(dir, m82576_about_now);
	add_device(poller, e, from);
	add_device(poller, e, to);
}

void
poller_core_of(const struct poller *poller, const struct m82576 *dev, cpu_set_t *cores)
{
	for (unsigned int i = 0; i < poller->nr_devs && poller->core >= 0; i++) {
		if (poller->devs[i] == dev)
			CPU_SET(poller->core, cores);
	}
}

/* A direction alone has no neighbour that could wait for it. */
static unsigned int
workers_needed(const struct poller *poller)
{
	return poller->nr_entries < WORKERS_MAX ? poller->nr_entries : WORKERS_MAX;
}

int
poller_start(struct poller *poller, char *err)
{
	uint64_t now = poller_now();
	pthread_attr_t attr;
	cpu_set_t set;
	int ret = 0;

	for (unsigned int i = 0; i < poller->nr_entries; i++)
		poller->entries[i].begun = now;
	pthread_attr_init(&attr);
	if (poller->core >= 0) {
		CPU_ZERO(&set);
		CPU_SET(poller->core, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	while (ret == 0 && poller->nr_running < workers_needed(poller)) {
		struct worker *w = &poller->workers[poller->nr_running];

		w->poller = poller;
		atomic_store(&w->in, NO_ENTRY);
		ret = -vfu_thread_start(&w->thread, &attr, "poll", worker_main, w);
		poller->nr_running += ret == 0;
	}
	pthread_attr_destroy(&attr);
	if (ret != 0) {
		if (poller->core >= 0)
			snprintf(err, WIRE_ERR_LEN, "cannot start a polling thread on core %d: %s",
					poller->core,
					ret == EINVAL ? "this process may not run there, or there "
							"is no such core" :
							strerror(ret));
		else
			snprintf(err, WIRE_ERR_LEN, "cannot start a polling thread: %s",
					strerror(ret));
	}
	return -ret;
}

/* Join the threads that end until the deadline; return whether all have. */
static bool
join(struct poller *poller, const struct timespec *deadline)
{
	bool all = true;

	for (unsigned int i = 0; i < poller->nr_running; i++) {
		struct worker *w = &poller->workers[i];

		if (!w->joined)
			w->joined = pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC,
						    deadline) == 0;
		all &= w->joined;
	}
	return all;
}

bool
pollers_stop(struct poller *const *pollers, unsigned int nr, unsigned int ms)
{
	struct timespec deadline;
	bool all = true;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_nsec += ms % 1000 * 1000000L;
	deadline.tv_sec += ms / 1000 + deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	for (unsigned int i = 0; i < nr; i++)
		if (pollers[i] != NULL)
			atomic_store(&pollers[i]->stop, true);
	for (unsigned int i = 0; i < nr; i++)
		if (pollers[i] != NULL)
			all &= join(pollers[i], &deadline);
	return all;
}

bool
pollers_use(struct poller *const *pollers, unsigned int nr, const struct wire_dir *dir)
{
	for (unsigned int i = 0; i < nr; i++) {
		for (unsigned int k = 0; pollers[i] != NULL && k < pollers[i]->nr_running; k++) {
			const struct worker *w = &pollers[i]->workers[k];
			uint32_t in = atomic_load(&w->in);

			if (!w->joined && in != NO_ENTRY && pollers[i]->entries[in].dir == dir)
				return true;
		}
	}
	return false;
}

void
poller_free(struct poller *poller)
{
	if (poller == NULL)
		return;
	atomic_store(&poller->stop, true);
	for (unsigned int i = 0; i < poller->nr_running; i++)
		if (!poller->workers[i].joined)
			pthread_join(poller->workers[i].thread, NULL);
	pthread_mutex_destroy(&poller->watch);
	pthread_mutex_destroy(&poller->handover);
	free(poller);
}
