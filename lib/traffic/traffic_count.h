/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Counters that one thread writes and any thread reads. All accesses are relaxed: a reader gets a
 * value that the counter had, but the values of two counters may be of different moments. The
 * writer needs no atomic addition, because no other thread writes.
 */

#ifndef TRAFFIC_COUNT_H
#define TRAFFIC_COUNT_H

#include <stdint.h>

static inline void
traffic_set(uint64_t *p, uint64_t value)
{
	__atomic_store_n(p, value, __ATOMIC_RELAXED);
}

static inline void
traffic_count(uint64_t *p, uint64_t n)
{
	traffic_set(p, *p + n);
}

static inline uint64_t
traffic_counter(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

#endif /* TRAFFIC_COUNT_H */
