/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef VFU_THREAD_H
#define VFU_THREAD_H

#include <pthread.h>

/**
 * The function that each thread of vfu_thread_start() calls first; NULL: none. An application that
 * confines its threads must set it before it starts the first one.
 * @param name     the name of the new thread
 * @param starter  the name of the thread that started it; NULL: that thread was not started by
 *                 vfu_thread_start()
 */
extern void (*vfu_thread_hook)(const char *name, const char *starter);

/**
 * Start a thread that receives no signals except those of its own faults.
 * @param thread  [out] the thread
 * @param attr    as for pthread_create()
 * @param name    a constant string of at most 15 characters: the purpose of the thread
 * @param run     the function of the thread
 * @param arg     its argument
 * @return 0 or a negative errno value
 */
int vfu_thread_start(pthread_t *thread, const pthread_attr_t *attr, const char *name,
		void *(*run)(void *), void *arg);

#endif /* VFU_THREAD_H */
