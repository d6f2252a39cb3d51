/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* File descriptors in the targets of the protocol's two ends, and whether one leaks. */

#ifndef FUZZ_FILES_H
#define FUZZ_FILES_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"

#define PATIENCE_S 60

static inline int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	MUST(dir != NULL);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

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
	for (unsigned int i = 0; i < PATIENCE_S * 100; i++) {
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

/**
 * Send bytes, and file descriptors with them, by one sendmsg() that does not block.
 *
 * @param nr_fds   how many descriptors, 0 to 32
 *
 * @return the result of sendmsg()
 */
static inline ssize_t
send_with_fds(int sock, const void *buf, size_t len, const int *fds, unsigned int nr_fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(32 * sizeof(int))];
	} ctl;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr_fds != 0) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		ctl.align.cmsg_level = SOL_SOCKET;
		ctl.align.cmsg_type = SCM_RIGHTS;
		ctl.align.cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(&ctl.align), fds, nr_fds * sizeof(int));
	}
	return sendmsg(sock, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
}

#endif /* FUZZ_FILES_H */
