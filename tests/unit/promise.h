/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The promise: once a mapping has ended, no access of the device starts.
 *
 * Exact, without a clock. The device numbers its accesses, by a locked instruction before each;
 * the driver ends the mapping, and then reads the number. An access with a higher one started
 * afterwards, and must not get through.
 *
 * The check is worth something if it catches a device that breaks the promise. So the device is
 * given its translation by a function: the library's, or one of some that remember.
 */

#ifndef PROMISE_H
#define PROMISE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <urcu-qsbr.h>

#include "vfu_server.h"

typedef uint8_t *(translate_fn)(struct vfu_server *server, uint64_t addr);

struct walker {
	pthread_t thread;
	struct vfu_server *server;
	translate_fn *translate;
	atomic_bool stop;
	atomic_ulong addr; /* where the device writes eight bytes */
	atomic_ulong started, last_hit, rounds;
};

/* The driver's side. The memory, 8 bytes, is where the device's writes arrive. */
struct promise {
	struct vfu_server *server;
	uint64_t *memory;
	uint64_t (*map)(void *arg); /* its bus address */
	void (*unmap)(void *arg, uint64_t addr);
	void *arg;
};

static uint8_t *
honest(struct vfu_server *server, uint64_t addr)
{
	return vfu_dma_ptr(server, addr, 8, VFU_DMA_WRITE);
}

static __thread uint8_t *remembered;
static __thread unsigned int uses;

/* Once resolved, for good: what is done with a ring's address at ENABLE. */
static uint8_t *
for_good(struct vfu_server *server, uint64_t addr)
{
	if (remembered == NULL)
		remembered = honest(server, addr);
	return remembered;
}

/* Like a TLB that nobody flushes: resolved anew now and then. */
static uint8_t *
for_a_while(struct vfu_server *server, uint64_t addr)
{
	if (uses++ % 1000 == 0)
		remembered = honest(server, addr);
	return remembered;
}

/* Once for some descriptors that are written together. */
static uint8_t *
for_a_batch(struct vfu_server *server, uint64_t addr)
{
	if (uses++ % 64 == 0)
		remembered = honest(server, addr);
	return remembered;
}

static void *
walk(void *arg)
{
	struct walker *w = arg;

	rcu_register_thread();
	remembered = NULL;
	uses = 0;
	while (!w->stop) {
		for (unsigned int i = 0; i < 256; i++) {
			unsigned long n = atomic_fetch_add(&w->started, 1) + 1;
			uint8_t *p = w->translate(w->server, w->addr);

			if (p != NULL) {
				__atomic_store_n((uint64_t *)(void *)p, n, __ATOMIC_RELAXED);
				atomic_store_explicit(&w->last_hit, n, memory_order_relaxed);
			}
		}
		w->rounds++;
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

/* How often the device broke the promise, of so many times that a mapping ended. */
static unsigned int
broken_promises(const struct promise *promise, translate_fn *translate, unsigned int times)
{
	struct walker w = { .server = promise->server, .translate = translate };
	unsigned int broken = 0;
	pthread_attr_t attr;
	cpu_set_t cpus;

	CPU_ZERO(&cpus); /* this thread may be bound to a core, and its children would be */
	for (unsigned int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &cpus);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus), 0);
	assert_int_equal(pthread_create(&w.thread, &attr, walk, &w), 0);
	pthread_attr_destroy(&attr);
	for (unsigned int i = 0; i < times && broken == 0; i++) {
		unsigned long hit = w.last_hit, ended, rounds;

		w.addr = promise->map(promise->arg);
		while (w.last_hit == hit)
			sched_yield();
		for (unsigned int spin = 0; spin < i * 7 % 100; spin++)
			__builtin_ia32_pause();
		promise->unmap(promise->arg, w.addr);
		ended = w.started;
		/* A round that began afterwards, and one more. */
		rounds = w.rounds;
		while (w.rounds < rounds + 2)
			sched_yield();
		broken += w.last_hit > ended;
		broken += *(volatile uint64_t *)promise->memory > ended;
	}
	w.stop = true;
	pthread_join(w.thread, NULL);
	return broken;
}

/* The device of the server keeps it, and others would be found out. */
static inline void
promise_test(const struct promise *promise, unsigned int times)
{
	assert_int_equal(broken_promises(promise, honest, times), 0);
	assert_true(broken_promises(promise, for_good, times) > 0);
	assert_true(broken_promises(promise, for_a_while, times) > 0);
	assert_true(broken_promises(promise, for_a_batch, times) > 0);
}

#endif /* PROMISE_H */
