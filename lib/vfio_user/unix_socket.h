/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Unix sockets, for both sides.
 */

#ifndef VFU_UNIX_SOCKET_H
#define VFU_UNIX_SOCKET_H

#include <sys/un.h>

/*
 * Make the address of a path.
 * @param err  [out] one line about an error, VFU_ERR_LEN bytes
 * @return 0; or -ENAMETOOLONG: the path is empty, or too long for a socket
 */
int vfu_socket_address(struct sockaddr_un *address, const char *path, char *err);

/* Create a stream socket that never blocks. @return its descriptor; -1: errno gives the reason */
int vfu_socket_new(void);

#endif /* VFU_UNIX_SOCKET_H */
