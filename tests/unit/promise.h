/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The promise: once mappings have ended, no access of the device to them starts.
 *
 * Exact, without a clock. The device numbers its accesses, by a locked instruction before each;
 * the driver ends the mappings, and then reads the number. An access with a higher one started
 * afterwards, and must not get through.
 *
 * More is promised where the end of a mapping is told to the device, and answered: that accesses
 * which started before have ended. There the device takes a second number behind each.
 *
 * The check is worth something if it catches a device that breaks the promise. So the device
 * resolves its addresses for each access, or is one of some that remember.
 */

#ifndef PROMISE_H
#define PROMISE_H

#include <pthread.h>
#include <sched.h> /* CPU_SET() */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PROMISE_MAX 16
/*
 * So many rounds of accesses the device goes on, once the driver has been told that it may go on:
 * the driver's next step falls into them. A device that has done them sleeps, as a driver does
 * that waits for it for long: then neither takes from the other, nor from other processes, the
 * processor's time for which it would have to wait itself.
 */
#define PROMISE_AHEAD 256

struct promise {
	/* The device, in a thread of its own. Where it writes 8 bytes; NULL: it may not. */
	uint8_t *(*translate)(void *device, uint64_t addr);
	void *device;
	bool ends; /* the second promise, too */
	/* In its thread: before accesses, now and then between two, after the last. NULL: nothing. */
	void (*begin)(void), (*pause)(void), (*end)(void);
	/* The driver. Mapping i, of nr, is of this memory, 8 bytes of it; its bus address. */
	unsigned int nr;
	uint64_t *memory[PROMISE_MAX];
	uint64_t (*map)(void *arg, unsigned int i);
	/* Ends all of them. */
	void (*unmap)(void *arg, const uint64_t *addr, unsigned int nr);
	void *arg;
};

struct walker {
	pthread_t thread;
	const struct promise *promise;
	unsigned int resolves; /* one in so many accesses to a mapping; 0: only the first */
	atomic_ulong started, rounds;
	pthread_mutex_t lock; /* of all changes of rounds, limit and stop */
	pthread_cond_t changed;
	unsigned long limit;
	bool stop;
	struct {
		atomic_ulong addr, last_hit;
		/* The device's own: */
		uint8_t *kept;
		unsigned int uses;
	} at[PROMISE_MAX];
};

static inline void
promise_access(struct walker *w, unsigned int i)
{
	unsigned long n = atomic_fetch_add(&w->started, 1) + 1;
	uint8_t *p = w->at[i].kept;

	if (p == NULL || (w->resolves != 0 && w->at[i].uses++ % w->resolves == 0))
		p = w->promise->translate(w->promise->device, w->at[i].addr);
	w->at[i].kept = p;
	if (p != NULL) {
		__atomic_store_n((uint64_t *)(void *)p, n, __ATOMIC_RELAXED);
		if (w->promise->ends)
			n = atomic_fetch_add(&w->started, 1) + 1;
		atomic_store_explicit(&w->at[i].last_hit, n, memory_order_relaxed);
	}
}

static inline void
promise_call(void (*hook)(void))
{
	if (hook != NULL)
		hook();
}

/* One more round; waits until the next may begin. Whether it does. */
static inline bool
promise_round_done(struct walker *w)
{
	bool go_on;

	pthread_mutex_lock(&w->lock);
	w->rounds++;
	pthread_cond_signal(&w->changed);
	if (w->rounds < w->limit && !w->stop) {
		promise_call(w->promise->pause);
	} else {
		promise_call(w->promise->end);
		while (w->rounds >= w->limit && !w->stop)
			pthread_cond_wait(&w->changed, &w->lock);
		promise_call(w->promise->begin);
	}
	go_on = !w->stop;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static inline void *
promise_walk(void *arg)
{
	struct walker *w = arg;
	unsigned int i = 0;

	promise_call(w->promise->begin);
	do {
		for (unsigned int n = 0; n < 64; n++) {
			promise_access(w, i);
			i = (i + 1) % w->promise->nr;
		}
	} while (promise_round_done(w));
	promise_call(w->promise->end);
	return NULL;
}

/* Waits for a round that begins from now on, and ends. The device goes on afterwards. */
static inline void
promise_await_round(struct walker *w)
{
	unsigned long wanted;

	pthread_mutex_lock(&w->lock);
	wanted = w->rounds + 2; /* one may be under way */
	w->limit = wanted + PROMISE_AHEAD;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	/* It takes microseconds if the device runs; then it runs still, when this goes on. */
	for (unsigned int spin = 0; spin < 2000; spin++) {
		if (w->rounds >= wanted)
			return;
		__builtin_ia32_pause();
	}
	pthread_mutex_lock(&w->lock);
	while (w->rounds < wanted)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static inline void
promise_start(struct walker *w)
{
	pthread_attr_t attr;
	cpu_set_t cpus;

	CPU_ZERO(&cpus); /* this thread may be bound to a core, and its children would be */
	for (unsigned int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &cpus);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus), 0);
	assert_int_equal(pthread_create(&w->thread, &attr, promise_walk, w), 0);
	pthread_attr_destroy(&attr);
}

/* How often the device broke the promise, of so many times that the mappings ended. */
static inline unsigned int
broken_promises(const struct promise *promise, unsigned int resolves, unsigned int times)
{
	struct walker w = { .promise = promise, .resolves = resolves, .limit = PROMISE_AHEAD,
		.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
	unsigned int broken = 0, i;

	promise_start(&w);
	for (unsigned int t = 0; t < times && broken == 0; t++) {
		uint64_t addr[PROMISE_MAX];
		unsigned long ended;

		ended = w.started;
		for (i = 0; i < promise->nr; i++)
			w.at[i].addr = addr[i] = promise->map(promise->arg, i);
		promise_await_round(&w);
		for (i = 0; i < promise->nr; i++)
			assert_true(w.at[i].last_hit > ended);
		for (unsigned int spin = 0; spin < t * 7 % 100; spin++)
			__builtin_ia32_pause();
		promise->unmap(promise->arg, addr, promise->nr);
		ended = w.started;
		promise_await_round(&w);
		for (i = 0; i < promise->nr; i++) {
			broken += w.at[i].last_hit > ended;
			broken += *(volatile uint64_t *)promise->memory[i] > ended;
		}
	}
	pthread_mutex_lock(&w.lock);
	w.stop = true;
	pthread_cond_signal(&w.changed);
	pthread_mutex_unlock(&w.lock);
	pthread_join(w.thread, NULL);
	/* The next device counts anew. */
	for (i = 0; i < promise->nr; i++)
		*(volatile uint64_t *)promise->memory[i] = 0;
	return broken;
}

/*
 * The device keeps it, and others would be found out: mostly in the first turns; where the two
 * threads have one core between them, late.
 */
static inline void
promise_test(const struct promise *promise, unsigned int times)
{
	const unsigned int others = 50 * times;

	assert_int_equal(broken_promises(promise, 1, times), 0);
	/* Once resolved, for good: what is done with a ring's address at ENABLE. */
	assert_true(broken_promises(promise, 0, others) > 0);
	/* Like a TLB that nobody flushes: resolved anew now and then; more rarely than replies come. */
	assert_true(broken_promises(promise, promise->ends ? 50000 : 1000, others) > 0);
	/* Once for some descriptors that are written together. A reply takes longer than that. */
	if (!promise->ends)
		assert_true(broken_promises(promise, 64, others) > 0);
}

#endif /* PROMISE_H */
