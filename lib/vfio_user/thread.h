/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef VFU_THREAD_H
#define VFU_THREAD_H

#include <pthread.h>

/**
 * The function that each thread of vfu_thread_start() calls first; NULL: none. An application that
 * confines its threads sets it before it starts the first one.
 * @param name     the thread's
 * @param starter  the name of the thread that started it; NULL: vfu_thread_start() did not start
 *                 that one
 */
extern void (*vfu_thread_hook)(const char *name, const char *starter);

/**
 * Starts a thread that takes no signals but its own faults.
 * @param attr  as of pthread_create()
 * @param name  a constant string of at most 15 characters: what the thread is for
 * @return 0 or a negative errno value
 */
int vfu_thread_start(pthread_t *thread, const pthread_attr_t *attr, const char *name,
		void *(*run)(void *), void *arg);

#endif /* VFU_THREAD_H */
