/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A file in memory that is shared with another process: whoever gets its descriptor can't take
 * pages away from under the others (SIGBUS), nor add any.
 */

#ifndef SEALED_FILE_H
#define SEALED_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/**
 * @param name   what /proc/PID/maps says
 * @param len    bytes, all zero
 * @param flags  of memfd_create(), beyond those that this needs
 * @return the descriptor, or -errno
 */
static inline int
sealed_file(const char *name, size_t len, unsigned int flags)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags), ret;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) == 0 &&
			fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

#endif /* SEALED_FILE_H */
