/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Keeps the lines that the code under test prints to standard error, for a test to compare. */

#ifndef STDERR_CAPTURE_H
#define STDERR_CAPTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int stderr_file = -1, stderr_before = -1;

/** @return what was printed since begin_stderr_capture() */
static inline const char *
captured_stderr(void)
{
	static char text[4096];
	ssize_t n;

	fflush(stderr);
	n = pread(stderr_file, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	dup2(stderr_before, STDERR_FILENO);
	close(stderr_before);
	close(stderr_file);
	stderr_file = stderr_before = -1;
	return text;
}

/* Print what cmocka has reported about a case that failed before it called captured_stderr(). */
static inline void __attribute__((destructor)) print_captured_stderr(void)
{
	if (stderr_before >= 0)
		fputs(captured_stderr(), stderr);
}

/** Keep what is printed to standard error from now on, until captured_stderr(). */
static inline void
begin_stderr_capture(void)
{
	print_captured_stderr();
	fflush(stderr);
	stderr_file = memfd_create("stderr", MFD_CLOEXEC);
	stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (stderr_file < 0 || stderr_before < 0 || dup2(stderr_file, STDERR_FILENO) < 0)
		fail_msg("no file for standard error");
}

#endif /* STDERR_CAPTURE_H */
