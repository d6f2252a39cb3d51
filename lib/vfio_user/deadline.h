/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Deadlines, for both sides: times of CLOCK_MONOTONIC, in milliseconds.
 */

#ifndef VFU_DEADLINE_H
#define VFU_DEADLINE_H

#include <pthread.h>
#include <stdint.h>

/* Return the time of CLOCK_MONOTONIC, milliseconds. */
uint64_t vfu_now_ms(void);

/* Return the time until the deadline, for poll(), milliseconds; 0 if it has passed. */
int vfu_ms_left(uint64_t deadline_ms);

/*
 * Lock a mutex.
 * @return 0 or -ETIMEDOUT
 */
int vfu_lock_until(pthread_mutex_t *lock, uint64_t deadline_ms);

/*
 * Initialise a condition variable for vfu_wait_until().
 * @return 0 or a negative errno value
 */
int vfu_cond_init(pthread_cond_t *cond);

/*
 * Wait for a condition variable. Called with the lock held.
 * @return 0 or -ETIMEDOUT
 */
int vfu_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ms);

#endif /* VFU_DEADLINE_H */
