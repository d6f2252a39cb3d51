/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Standard input, output and error, where the caller has closed one (">&-"): the next file
 * that a program opens would take its place, and what is printed would go there.
 */

#ifndef STD_FDS_H
#define STD_FDS_H

#include <fcntl.h>
#include <unistd.h>

/**
 * Takes the places of those that are closed, before any file is opened. Their use fails with
 * EBADF as before: each is opened for the other direction.
 */
static inline void
std_fds_reserve(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && /* open() takes the lowest that is free: this one */
				open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(1);
}

#endif /* STD_FDS_H */
