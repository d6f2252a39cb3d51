/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A file in memory that is shared with another process: whoever gets its descriptor can't take
 * pages away from under the others (SIGBUS), nor add any; nor write, where it is for reading.
 */

#ifndef SEALED_FILE_H
#define SEALED_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* linux/fcntl.h, from Linux 5.1 on */
#endif

static inline bool
sealed_file_seal(int fd, int more)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | more) == 0;
}

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
	if (ftruncate(fd, (off_t)len) == 0 && sealed_file_seal(fd, 0))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/**
 * One that is written by the mapping made here, and otherwise only read.
 * @param map  set to that mapping, len bytes; the caller's to munmap()
 * @return a descriptor that is open for reading, or -errno
 */
static inline int
sealed_file_to_read(const char *name, size_t len, void **map)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), ret = -1;
	char path[32];

	*map = MAP_FAILED;
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)len) == 0)
		*map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	/*
	 * Who has a descriptor for reading can open the file anew for writing, if it may write it
	 * (proc(5), /proc/PID/fd): that is what the seal is against, where the kernel has it.
	 */
	if (*map != MAP_FAILED && (sealed_file_seal(fd, F_SEAL_FUTURE_WRITE) ||
			(errno == EINVAL && sealed_file_seal(fd, 0)))) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		ret = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (ret < 0) {
		ret = -errno;
		if (*map != MAP_FAILED)
			munmap(*map, len);
	}
	close(fd);
	return ret;
}

#endif /* SEALED_FILE_H */
