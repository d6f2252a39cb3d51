/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Keeps the lines that the code under test prints to standard error, for a test to compare. */

#ifndef SAID_H
#define SAID_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int said_file = -1, said_before = -1;

/** Keep what is printed to standard error from now on, until said(). */
static inline void
listen_to_errors(void)
{
	fflush(stderr);
	said_file = memfd_create("said", MFD_CLOEXEC);
	said_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (said_file < 0 || said_before < 0 || dup2(said_file, STDERR_FILENO) < 0)
		fail_msg("no file for standard error");
}

/** @return what was printed since listen_to_errors() */
static inline const char *
said(void)
{
	static char text[4096];
	ssize_t n;

	fflush(stderr);
	n = pread(said_file, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	dup2(said_before, STDERR_FILENO);
	close(said_before);
	close(said_file);
	return text;
}

#endif /* SAID_H */
