/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Allocations of the C library that fail one after another. The linker of a test replaces them
 * (--wrap=malloc and so on); WRAP() declares and defines further functions that fail in turn.
 *
 * A case sets `left` to n, and the call of this number fails; a case that repeats its steps for
 * n = 1, 2, ... has had each call fail when `left` stays above 0. `live` counts what is not freed.
 *
 * The C library does not set rte_errno: fails() clears it, so that a caller that does not set it
 * passes on 0. A replaced function of DPDK uses eal_fails(), which sets it.
 */

#ifndef TESTS_FAILING_H
#define TESTS_FAILING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Threads of EAL allocate beside some tests: these count the memory of their own thread. */
#ifndef FAILING_COUNTER
#define FAILING_COUNTER _Atomic long
#endif

#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

static __thread unsigned int left; /* the call of this number fails, from 1; 0: none */
static FAILING_COUNTER live;       /* allocations that are not freed */

static inline bool
fails(void)
{
	if (left == 0 || --left != 0)
		return false;
	errno = ENOMEM;
#ifdef rte_errno
	rte_errno = 0;
#endif
	return true;
}

#ifdef rte_errno
static inline bool
eal_fails(void)
{
	if (!fails())
		return false;
	rte_errno = ENOMEM;
	return true;
}
#endif

static inline void *
counted(void *p)
{
	live += p != NULL;
	return p;
}

WRAP(void *, malloc, size_t size)
{
	return fails() ? NULL : counted(__real_malloc(size));
}

WRAP(void *, calloc, size_t n, size_t size)
{
	return fails() ? NULL : counted(__real_calloc(n, size));
}

WRAP(void *, realloc, void *p, size_t size)
{
	if (fails())
		return NULL;
	live -= p != NULL;
	return counted(__real_realloc(p, size));
}

WRAP(void *, aligned_alloc, size_t align, size_t size)
{
	return fails() ? NULL : counted(__real_aligned_alloc(align, size));
}

WRAP(char *, strdup, const char *s)
{
	return fails() ? NULL : counted(__real_strdup(s));
}

WRAP(void, free, void *p)
{
	live -= p != NULL;
	__real_free(p);
}

#endif /* TESTS_FAILING_H */
