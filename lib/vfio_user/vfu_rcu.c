/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Grace periods: see vfu_rcu.h.
 *
 * A reader has two counters: asked, how often a waiter has asked it for a quiescent state, and
 * answered, up to which of these questions it has answered. The waiter publishes, then asks. A
 * reader that sees the question also sees what was published before it. Therefore an answer
 * answers all questions up to it, and a reader that no thread asks only loads a word of its own
 * cache line.
 *
 *     waiter                               reader
 *       publish the new pointer
 *       question = ++asked        ----->   quiescent(): asked != answered
 *       until answered >= question  <---     answered = asked
 *       free the old memory                later loads find the new pointer
 *
 * A lock protects the list of readers. No thread holds it while it waits for a reader: the waiter
 * takes a reference, which keeps the reader in the list.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "vfu_rcu.h"

#define SPINS    200
#define SLEEP_NS 20000

struct reader {
	_Atomic uint64_t asked;
	_Atomic uint64_t answered;
	atomic_bool online;
	_Atomic(const struct vfu_rcu_devices *) devices; /* NULL: all */
	struct vfu_rcu_devices own;                      /* of vfu_rcu_only() */
	/* Protected by the lock: */
	bool registered;
	unsigned int refs;
	struct reader *prev, *next;
} __attribute__((aligned(64)));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unused = PTHREAD_COND_INITIALIZER;
static struct reader *readers;

/*
 * The model initial-exec: storage that is allocated on first use could be allocated inside a signal
 * handler.
 */
static __thread struct reader self __attribute__((tls_model("initial-exec")));

void
vfu_rcu_register(void)
{
	atomic_store(&self.devices, NULL);
	pthread_mutex_lock(&lock);
	self.prev = NULL;
	self.next = readers;
	if (readers != NULL)
		readers->prev = &self;
	readers = &self;
	self.registered = true;
	pthread_mutex_unlock(&lock);
	vfu_rcu_online();
}

void *
vfu_rcu_self(void)
{
	return &self;
}

/* One store, because a signal handler of the thread reads it without the lock (vfu_rcu_reads()). */
void
vfu_rcu_restrict(void *reader, const struct vfu_rcu_devices *devices)
{
	struct reader *r = reader;

	pthread_mutex_lock(&lock);
	atomic_store_explicit(&r->devices, devices, memory_order_release);
	pthread_mutex_unlock(&lock);
}

void
vfu_rcu_only(struct vfu_server *const *servers, unsigned int nr)
{
	self.own = (struct vfu_rcu_devices){ servers, nr };
	vfu_rcu_restrict(&self, &self.own);
}

void
vfu_rcu_unregister(void)
{
	vfu_rcu_offline();
	pthread_mutex_lock(&lock);
	while (self.refs != 0)
		pthread_cond_wait(&unused, &lock);
	if (self.prev != NULL)
		self.prev->next = self.next;
	else
		readers = self.next;
	if (self.next != NULL)
		self.next->prev = self.prev;
	self.registered = false;
	pthread_mutex_unlock(&lock);
}

void
vfu_rcu_quiescent(void)
{
	uint64_t asked = atomic_load_explicit(&self.asked, memory_order_relaxed);

	if (asked == atomic_load_explicit(&self.answered, memory_order_relaxed))
		return;
	/* Loads before this point are complete before the answer, and later ones start after it. */
	atomic_store_explicit(&self.answered, asked, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
}

void
vfu_rcu_offline(void)
{
	atomic_store_explicit(&self.online, false, memory_order_release);
}

void
vfu_rcu_online(void)
{
	atomic_store_explicit(&self.online, true, memory_order_relaxed);
	/* Either the waiter sees the store, or this thread sees what the waiter published. */
	atomic_thread_fence(memory_order_seq_cst);
}

bool
vfu_rcu_is_online(void)
{
	return atomic_load_explicit(&self.online, memory_order_relaxed);
}

static bool
reads(const struct reader *r, const struct vfu_server *server)
{
	const struct vfu_rcu_devices *devices = atomic_load_explicit(&r->devices,
			memory_order_acquire);

	if (devices == NULL)
		return true;
	for (unsigned int i = 0; i < devices->nr; i++) {
		if (devices->servers[i] == server)
			return true;
	}
	return false;
}

bool
vfu_rcu_reads(const struct vfu_server *server)
{
	return self.registered && reads(&self, server);
}

static bool
still_reads(const struct reader *r, const struct vfu_server *server)
{
	bool ret;

	pthread_mutex_lock(&lock);
	ret = reads(r, server);
	pthread_mutex_unlock(&lock);
	return ret;
}

/* Wait until the reader has answered that question, is offline, or no longer reads the device. */
static void
wait_answer(const struct reader *r, const struct vfu_server *server, uint64_t question)
{
	const struct timespec ts = { .tv_nsec = SLEEP_NS };

	for (unsigned int i = 0; atomic_load_explicit(&r->online, memory_order_acquire) &&
			atomic_load_explicit(&r->answered, memory_order_acquire) < question;
			i++) {
		if (i < SPINS)
			continue;
		if (!still_reads(r, server))
			return;
		nanosleep(&ts, NULL);
	}
}

void
vfu_rcu_wait(const struct vfu_server *server)
{
	bool online = vfu_rcu_is_online();

	if (online)
		vfu_rcu_offline();
	atomic_thread_fence(memory_order_seq_cst);
	pthread_mutex_lock(&lock);
	for (struct reader *r = readers; r != NULL; r = r->next) {
		uint64_t question;

		if (!reads(r, server))
			continue;
		r->refs++;
		pthread_mutex_unlock(&lock);
		question = atomic_fetch_add(&r->asked, 1) + 1;
		wait_answer(r, server, question);
		pthread_mutex_lock(&lock);
		if (--r->refs == 0)
			pthread_cond_broadcast(&unused);
	}
	pthread_mutex_unlock(&lock);
	if (online)
		vfu_rcu_online();
}
