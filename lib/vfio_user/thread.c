/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Start of threads, for both sides: name, hook and signal mask.
 */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "thread.h"

struct start {
	const char *name, *starter;
	void *(*run)(void *);
	void *arg;
};

void (*vfu_thread_hook)(const char *name, const char *starter);

static __thread const char *current;

static void *
thread_main(void *arg)
{
	const struct start start = *(struct start *)arg;

	free(arg);
	current = start.name;
	if (vfu_thread_hook != NULL)
		vfu_thread_hook(start.name, start.starter);
	return start.run(start.arg);
}

int
vfu_thread_start(pthread_t *thread, const pthread_attr_t *attr, const char *name,
		void *(*run)(void *), void *arg)
{
	struct start *start = malloc(sizeof(*start));
	sigset_t all, old;
	int ret;

	if (start == NULL)
		return -ENOMEM;
	*start = (struct start){ .name = name, .starter = current, .run = run, .arg = arg };
	/*
	 * Signals belong to the threads of the owner, but a fault must reach the thread that caused
	 * it.
	 */
	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(thread, attr, thread_main, start);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0)
		free(start);
	return ret;
}
