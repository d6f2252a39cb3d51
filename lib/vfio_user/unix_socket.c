/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Unix sockets: see unix_socket.h.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "unix_socket.h"
#include "vfio_user.h"

int
vfu_socket_address(struct sockaddr_un *address, const char *path, char *err)
{
	const size_t max = sizeof(address->sun_path) - 1;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) == 0 || strlen(path) > max) {
		snprintf(err, VFU_ERR_LEN, "socket path of %zu bytes; it must have 1 to %zu",
				strlen(path), max);
		return -ENAMETOOLONG;
	}
	strcpy(address->sun_path, path);
	return 0;
}

int
vfu_socket_new(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}
