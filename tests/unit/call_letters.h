/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The order of calls, for tests that replace all neighbours of a file: each fake calls call() with
 * its letter, and one letter may fail. A program includes it after cmocka.h.
 */

#ifndef CALL_LETTERS_H
#define CALL_LETTERS_H

#include <errno.h>
#include <string.h>

static char calls[64];
static char fail;            /* the call with this letter fails */
static int fail_with = -EIO; /* its result */

/** Note a call. @return its result: 0, or fail_with */
static inline int
call(char letter)
{
	const size_t n = strlen(calls);

	assert_true(n + 1 < sizeof(calls));
	calls[n] = letter;
	return letter == fail ? fail_with : 0;
}

/** Compare the calls since the last comparison. */
#define CALLS(expected) \
	do { \
		assert_string_equal(calls, expected); \
		memset(calls, 0, sizeof(calls)); \
	} while (0)

#endif /* CALL_LETTERS_H */
