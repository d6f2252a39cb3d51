/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The promise of unmap: after mappings have ended, no access of the device to them starts.
 *
 * The check is exact and needs no clock. The device numbers its accesses by a locked instruction
 * before each of them. The driver ends the mappings, and then reads the number. An access with a
 * higher number started afterwards, and must not reach the memory.
 *
 *     driver (the test's thread)              device (struct walker, a thread)
 *
 *     map nr buffers, store their addresses   loop: n = ++started
 *     wait for a round                              resolve the address, write n to the buffer
 *     unmap all                                     last_hit = n
 *     ended = started
 *     wait for a round
 *     no last_hit and no buffer may be > ended
 *
 * If unmap notifies the device and waits for its reply, it promises more: accesses that started
 * before have also ended. In this case (promise.ends) the device takes a second number after each
 * access.
 *
 * The check is useful only if it catches a device that breaks the promise. Therefore the device
 * either resolves the address for each access, which must pass, or caches translations in one of
 * several ways, each of which must be caught (promise_test()).
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
 * The number of rounds of accesses that the device continues after the round that the driver waits
 * for, so that the driver's next step coincides with accesses. After these rounds the device
 * sleeps, and so does a driver that waits longer for the device. A sleeping thread takes no
 * processor time from the other one, which it would then have to wait for, or from other processes.
 */
#define PROMISE_AHEAD 256

struct promise {
	/*
	 * The device, in a thread of its own. Returns where the device writes 8 bytes; NULL: the
	 * address is not mapped for it.
	 */
	uint8_t *(*translate)(void *device, uint64_t addr);
	void *device;
	bool ends; /* whether unmap also promises that accesses have ended */
	/*
	 * Hooks in the device's thread: before the first access, now and then between two accesses,
	 * after the last access. NULL: none.
	 */
	void (*begin)(void), (*pause)(void), (*end)(void);
	/*
	 * The driver. Mapping i, of nr, covers 8 bytes at memory[i]; map() returns its bus address.
	 */
	unsigned int nr;
	uint64_t *memory[PROMISE_MAX];
	uint64_t (*map)(void *arg, unsigned int i);
	/* Ends all nr mappings. */
	void (*unmap)(void *arg, const uint64_t *addr, unsigned int nr);
	void *arg;
};

struct walker {
	pthread_t thread;
	const struct promise *promise;
	unsigned int resolves; /* resolve once per so many accesses; 0: only the first */
	atomic_ulong started, rounds;
	pthread_mutex_t lock; /* for every change of rounds, limit and stop */
	pthread_cond_t changed;
	unsigned long limit;
	bool stop;
	struct {
		atomic_ulong addr, last_hit;
		/* Private to the device's thread: */
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

/**
 * Count a round and wait until the next one may begin.
 * @return false if the device must stop
 */
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

/**
 * Wait for a round that begins after this call, and for its end. The device continues afterwards.
 */
static inline void
promise_await_round(struct walker *w)
{
	unsigned long wanted;

	pthread_mutex_lock(&w->lock);
	wanted = w->rounds + 2; /* one may be in progress */
	w->limit = wanted + PROMISE_AHEAD;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
	/*
	 * If the device runs, this takes microseconds, and the device still runs when this returns.
	 */
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

	CPU_ZERO(&cpus); /* children inherit the CPUs of this thread, which EAL may have bound */
	for (unsigned int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &cpus);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus), 0);
	assert_int_equal(pthread_create(&w->thread, &attr, promise_walk, w), 0);
	pthread_attr_destroy(&attr);
}

/**
 * Count how often the device broke the promise.
 * @param resolves  the device resolves once per so many accesses; 0: only at the first access
 * @param times  how often the mappings end, at most; the first broken promise ends the count
 * @return the accesses found too late; 0: the device kept the promise
 */
static inline unsigned int
broken_promises(const struct promise *promise, unsigned int resolves, unsigned int times)
{
	struct walker w = {
		.promise = promise,
		.resolves = resolves,
		.limit = PROMISE_AHEAD,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
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
	/* The next device counts from 0. */
	for (i = 0; i < promise->nr; i++)
		*(volatile uint64_t *)promise->memory[i] = 0;
	return broken;
}

/**
 * Assert that a device that resolves each access keeps the promise, and that caching devices break
 * it.
 *
 * A caching device is mostly caught in its first turns; late if the two threads share a core.
 * Therefore caching devices get 50 times as many turns.
 * @param times  how often the mappings end for the device that keeps the promise
 */
static inline void
promise_test(const struct promise *promise, unsigned int times)
{
	const unsigned int others = 50 * times;

	assert_int_equal(broken_promises(promise, 1, times), 0);
	/* Caches for good, as a device caches a ring's address at ENABLE. */
	assert_true(broken_promises(promise, 0, others) > 0);
	/*
	 * Like a TLB that is never flushed: resolves again now and then. With promise.ends it does
	 * so more rarely than replies arrive.
	 */
	assert_true(broken_promises(promise, promise->ends ? 50000 : 1000, others) > 0);
	/*
	 * Resolves once for a batch of descriptors that it writes together. This is shorter than a
	 * reply takes, so with promise.ends it may not be caught.
	 */
	if (!promise->ends)
		assert_true(broken_promises(promise, 64, others) > 0);
}

#endif /* PROMISE_H */
