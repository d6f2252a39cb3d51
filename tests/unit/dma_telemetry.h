/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A client of DPDK's telemetry socket. A test that uses it defines EAL_TELEMETRY as "--telemetry"
 * before it includes dma_eal.h.
 */

#ifndef DMA_TELEMETRY_H
#define DMA_TELEMETRY_H

#include "dma_eal.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

/**
 * Connect to the telemetry socket of this process. Each receive waits for at most 20 s.
 * @return the socket, which the caller closes
 */
static inline int
telemetry_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = 20 };
	char greeting[1024];
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/dpdk_telemetry.v2",
			rte_eal_get_runtime_dir());
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_true(recv(fd, greeting, sizeof(greeting), 0) > 0);
	return fd;
}

static inline void
telemetry_send(int fd, const char *command)
{
	assert_int_equal(send(fd, command, strlen(command), 0), strlen(command));
}

/** Assert that the next answer contains this text. */
static inline void
telemetry_expect(int fd, const char *answer)
{
	static char buf[32768];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, 0);

	assert_true(n > 0);
	buf[n] = '\0';
	if (strstr(buf, answer) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", buf, answer);
}

/** Send a command and assert that the answer contains this text. */
static inline void
ask(int fd, const char *command, const char *answer)
{
	telemetry_send(fd, command);
	telemetry_expect(fd, answer);
}

#endif /* DMA_TELEMETRY_H */
