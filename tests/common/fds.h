/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * File descriptors: how many a process has, and how it sends them over a Unix socket. Mappings: how
 * many it has.
 */

#ifndef TESTS_FDS_H
#define TESTS_FDS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SEND_FDS_MAX 64

/* Count the open descriptors, and a few more, the same number each time. */
static inline int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (dir == NULL)
		abort(); /* no file descriptor is left: the leak that the caller looks for */
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/** Return the number of mappings whose line in /proc/self/maps contains a text ("": of all). */
static inline unsigned int
count_mappings(const char *text)
{
	FILE *f = fopen("/proc/self/maps", "re");
	unsigned int n = 0;
	char line[512];

	if (f == NULL)
		abort();
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, text) != NULL;
	fclose(f);
	return n;
}

/**
 * Send bytes, and file descriptors with them, by one sendmsg() that raises no signal.
 *
 * @param nr_fds  at most SEND_FDS_MAX
 * @param flags   of sendmsg(), such as MSG_DONTWAIT
 *
 * @return the result of sendmsg()
 */
static inline ssize_t
send_fds(int sock, const void *buf, size_t len, const int *fds, unsigned int nr_fds, int flags)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(SEND_FDS_MAX * sizeof(int))];
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
	return sendmsg(sock, &mh, flags | MSG_NOSIGNAL);
}

#endif /* TESTS_FDS_H */
