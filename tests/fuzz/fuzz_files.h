/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* File descriptors in the targets of the protocol's two ends, and whether one leaks. */

#ifndef FUZZ_FILES_H
#define FUZZ_FILES_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/fds.h"
#include "fuzz.h"

#define TIMEOUT_S 60

/*
 * Check that no descriptor has leaked since the first call. A thread that may outlast its
 * connection closes some descriptors, so wait for it.
 */
static inline void
check_leaks(void)
{
	static int before;
	int now = 0;

	if (before == 0)
		before = count_fds() + 4;
	for (unsigned int i = 0; i < TIMEOUT_S * 100; i++) {
		now = count_fds();
		if (now <= before)
			return;
		usleep(10000);
	}
	fprintf(stderr, "%d descriptors are open, %d were\n", now, before);
	MUST(now <= before);
}

static inline int
memory(size_t size, int seals)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	MUST(seals == 0 || fcntl(fd, F_ADD_SEALS, seals) == 0);
	return fd;
}

#endif /* FUZZ_FILES_H */
