/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mutexes of a program under test, by definitions that take the place of the C library's:
 *
 * - A thread that unlocks a mutex has locked it. The C library records the owner and checks it only
 *   for mutexes of another type, so that a forgotten pthread_mutex_lock() would remain unnoticed.
 * - With MUTEXES_COUNTED, each mutex of pthread_mutex_init() is destroyed before the program ends.
 *   EAL does not destroy its own.
 */

#ifndef MUTEXES_H
#define MUTEXES_H

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Find the C library's function, and store it without a cast from an object pointer. */
static inline void
find_next(const char *name, void *function)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	memcpy(function, &p, sizeof(p));
}

int
pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	static int (*_Atomic next)(pthread_mutex_t *);
	int (*function)(pthread_mutex_t *) = next;

	if (function == NULL) {
		find_next("pthread_mutex_unlock", &function);
		next = function;
	}
	if (mutex->__data.__kind == PTHREAD_MUTEX_TIMED_NP && mutex->__data.__owner != gettid()) {
		fprintf(stderr, "a thread unlocks a mutex that it has not locked\n");
		abort();
	}
	return function(mutex);
}

#ifdef MUTEXES_COUNTED

#define MUTEXES_SOON_MS 20000 /* for a thread that destroys the last ones when it ends */

static atomic_int live_mutexes;

int
pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	int (*function)(pthread_mutex_t *, const pthread_mutexattr_t *);

	find_next("pthread_mutex_init", &function);
	live_mutexes++;
	return function(mutex, attr);
}

int
pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	int (*function)(pthread_mutex_t *);

	find_next("pthread_mutex_destroy", &function);
	live_mutexes--;
	return function(mutex);
}

static __attribute__((destructor)) void
all_mutexes_are_destroyed(void)
{
	for (int ms = 0; live_mutexes != 0 && ms < MUTEXES_SOON_MS; ms++)
		usleep(1000);
	if (live_mutexes != 0) {
		fprintf(stderr, "%d mutexes were not destroyed\n", live_mutexes);
		_exit(EXIT_FAILURE);
	}
}

#endif /* MUTEXES_COUNTED */

#endif /* MUTEXES_H */
