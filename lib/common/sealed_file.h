/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A sealed file in memory, shared with another process. A process that gets its descriptor can
 * neither take pages away (which would raise SIGBUS in the others) nor add any; nor can it write,
 * if the file is for reading.
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
#define F_SEAL_FUTURE_WRITE 0x0010 /* in linux/fcntl.h since Linux 5.1 */
#endif

static inline bool
sealed_file_seal(int fd, int more)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | more) == 0;
}

/**
 * Create a sealed file.
 * @param name   shown in /proc/PID/maps
 * @param len    bytes, all zero
 * @param flags  of memfd_create(), in addition to those that this function sets
 * @return the descriptor, owned by the caller; or a negative errno value
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
 * Create a sealed file that only the mapping made here can write.
 * @param name  shown in /proc/PID/maps
 * @param len   bytes, all zero
 * @param map   [out] that mapping, len bytes; the caller must munmap() it
 * @return a descriptor that is open for reading, owned by the caller; or a negative errno value
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
	 * A process with a descriptor for reading can open the file again for writing, if the mode
	 * of the file permits it (proc(5), /proc/PID/fd). F_SEAL_FUTURE_WRITE prevents that, if the
	 * kernel has it.
	 */
	if (*map != MAP_FAILED &&
			(sealed_file_seal(fd, F_SEAL_FUTURE_WRITE) ||
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
