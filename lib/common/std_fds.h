/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Standard input, output and error, if the caller has closed one of them (">&-"): the next file
 * that a program opens would get its number, and the program would print into that file.
 */

#ifndef STD_FDS_H
#define STD_FDS_H

#include <fcntl.h>
#include <unistd.h>

/**
 * Reserve the numbers of those that are closed; call it before any file is opened. A use of them
 * still fails with EBADF, because each is opened for the other direction. Exits on failure.
 */
static inline void
std_fds_reserve(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && /* open() returns the lowest free number: this one */
				open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			_exit(1);
}

#endif /* STD_FDS_H */
