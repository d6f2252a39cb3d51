/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef VFU_THREAD_H
#define VFU_THREAD_H

#include <pthread.h>

/** Starts a thread that takes no signals but its own faults. 0 or a negative errno value. */
int vfu_thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

#endif /* VFU_THREAD_H */
