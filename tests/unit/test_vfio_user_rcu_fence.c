/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A reader that comes online while a grace period begins (vfu_rcu.h), as a litmus test: either the
 * waiter sees that the reader is online, and waits for it, or the reader sees what the waiter has
 * published.
 *
 *     reader                              waiter
 *       online = true                       current = turn
 *       fence                               fence
 *       read current                        vfu_rcu_wait() reads online
 *
 * Without the fence a processor reads before its own store has left the store buffer. Stores to
 * cache lines that are in no cache stay there before it, so that the time in which both may miss
 * the other's store is longer than the waiter's call.
 */

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#ifdef __x86_64__
#include <emmintrin.h>
#endif

#include "vfu_test.h"

#define TURNS 2000 /* in which both threads ran concurrently; then the test ends */
#define LIMIT 6000 /* all turns: a busy machine may not run both concurrently */
#define LINES 24   /* of stores before that of vfu_rcu_online() */
#define SPINS 3000 /* how long a reader that has missed the news stays online */
#define EARLY 512  /* steps of the waiter's delay */

static char device;
static struct vfu_server *const server = (void *)&device;

static struct {
	_Alignas(64) _Atomic unsigned int value;
} reader_turn, waiter_turn, current, waited;
static _Alignas(64) volatile char cold[LINES][64];
static unsigned int missed, seen; /* by the reader: turns without and with the news */
static atomic_uint alone;         /* turns in which one thread had to wait for the other */
static atomic_uint last;          /* the last turn, set before it begins; 0: not known yet */
static cpu_set_t cpus;

/* Take the lines out of the caches, so that each store to one takes hundreds of cycles. */
static void
cool(void)
{
#ifdef __x86_64__
	for (unsigned int i = 0; i < LINES; i++)
		_mm_clflush((const void *)cold[i]);
	_mm_mfence();
#endif
}

/* Bind the calling thread to a CPU: the one of that number, from 0, of those that it may use. */
static void
bind_to_cpu(int n)
{
	cpu_set_t one;
	int cpu = 0;

	while (!CPU_ISSET(cpu, &cpus) || n-- > 0)
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

/* Wait for the other thread to begin the turn; its CPU may be busy. */
static void
meet(_Atomic unsigned int *mine, const _Atomic unsigned int *other, unsigned int turn)
{
	unsigned int i = 0;

	atomic_store(mine, turn);
	while (atomic_load(other) < turn)
		if (++i % 4096 == 0) {
			alone += i == 4096;
			sched_yield();
		}
}

static void *
read_in_turns(void *arg)
{
	unsigned int *broken = arg;

	bind_to_cpu(1);
	vfu_rcu_register();
	vfu_rcu_offline();
	for (unsigned int turn = 1; last == 0 || turn <= last; turn++) {
		unsigned int got;

		cool();
		/* The load below must find its line here. */
		got = atomic_load_explicit(&current.value, memory_order_relaxed);
		meet(&reader_turn.value, &waiter_turn.value, turn);
		for (unsigned int i = 0; i < LINES; i++)
			cold[i][0] = (char)got;
		vfu_rcu_online();
		got = atomic_load_explicit(&current.value, memory_order_relaxed);
		if (got == turn) {
			seen++;
		} else {
			missed++;
			/* The grace period must not end before this reader is quiescent. */
			for (unsigned int i = 0; i < SPINS; i++)
				if (atomic_load(&waited.value) == turn) {
					++*broken;
					break;
				}
		}
		vfu_rcu_offline();
	}
	vfu_rcu_unregister();
	return NULL;
}

static void
reader_online_or_sees_the_news(void **state)
{
	unsigned int broken = 0;
	pthread_t thread;

	unsigned int turn = 0;

	bind_to_cpu(0);
	assert_int_equal(pthread_create(&thread, NULL, read_in_turns, &broken), 0);
	while (last == 0) {
		turn++;
		if (turn == LIMIT || turn >= alone + TURNS)
			last = turn;
		meet(&waiter_turn.value, &reader_turn.value, turn);
		/* The reader's stores take an unknown time: try many delays. */
		for (volatile unsigned int i = 0; i < turn % EARLY; i++)
			;
		atomic_store_explicit(&current.value, turn, memory_order_relaxed);
		vfu_rcu_wait(server);
		atomic_store(&waited.value, turn);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	print_message("    %u turns without the news, %u with it; %u not concurrent; %u broken\n",
			missed, seen, alone, broken);
	assert_int_equal(broken, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_online_or_sees_the_news),
	};

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0 && CPU_COUNT(&cpus) < 2) {
		puts("needs two CPUs, on which two threads run concurrently");
		return 77;
	}
	return cmocka_run_group_tests_name("vfio_user_rcu_fence", tests, NULL, NULL);
}
