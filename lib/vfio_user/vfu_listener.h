/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The socket file of a server: no other user can connect, and no file of another owner is removed.
 */

#ifndef VFU_LISTENER_H
#define VFU_LISTENER_H

#include <stdint.h>

struct vfu_closer;

/** A listening socket. One thread. */
struct vfu_listener {
	int fd;         /**< non-blocking; -1: not open */
	char path[108]; /**< of the socket file */
	uint64_t dev;   /**< device of the socket file that this process created */
	uint64_t ino;   /**< and its inode */
};

/**
 * Listen at a path. A socket that nobody listens at is replaced.
 * @param[out] listener  for vfu_listener_close(), if the call succeeds
 * @param path           of the socket file, whose mode will be 0600
 * @param[out] err       one line about an error, VFU_ERR_LEN bytes
 * @return 0 or a negative errno value
 */
int vfu_listener_open(struct vfu_listener *listener, const char *path, char *err);

/**
 * Remove the socket file, unless another process has replaced it, and close the socket. Connections
 * that nobody has accepted end with the socket, and with them the descriptors in messages that
 * nobody has read.
 * @param listener  from vfu_listener_open()
 * @param closer    closes the socket, because any of these descriptors may block; NULL: closed here
 */
void vfu_listener_close(struct vfu_listener *listener, struct vfu_closer *closer);

#endif /* VFU_LISTENER_H */
