/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * File descriptors that the other side passed.
 *
 * A descriptor that comes with a message may be anything: a socket whose close() waits for its
 * peer (SO_LINGER), a file of a file system that its sender serves and does not answer for. The
 * thread that makes such a call waits as long as the sender likes, and with it whoever waits for
 * that thread. So the rules are:
 *
 *  - A descriptor is asked for its seals first. Only memory has them (memfd, tmpfs, hugetlbfs),
 *    the answer is in the kernel's own memory, and no call on such a file waits for anybody.
 *  - Memory and eventfds are closed at once. Anything else is closed by a thread that does only
 *    that, one for each side of a connection (struct vfu_closer). The socket of the
 *    connection belongs to it as well: messages that were not read take their descriptors along.
 *  - The number of descriptors that wait there is limited: a peer beyond VFU_MAX_CLOSING is served
 *    no further until they are closed. A server also limits how many a client has open altogether:
 *    in messages that wait, in use, and waiting to be closed.
 */

#ifndef VFU_FOREIGN_FD_H
#define VFU_FOREIGN_FD_H

#include <stdbool.h>

/** Descriptors that may wait for their close() before the peer is dropped. */
#define VFU_MAX_CLOSING 64u

struct vfu_closer;

/** @return whether the descriptor is memory; never waits */
bool vfu_fd_is_memory(int fd);
/** @return whether the descriptor is an eventfd; never waits */
bool vfu_fd_is_eventfd(int fd);

/**
 * @param max_fds  how many descriptors may be open (vfu_closer_took()) before none is received any
 *   more; 0: any number
 * @return NULL: out of memory
 */
struct vfu_closer *vfu_closer_new(unsigned int max_fds);
/**
 * Waits a moment for what is being closed. If that lasts longer, the thread is left behind, and
 * frees the rest when it is done. NULL is fine.
 */
void vfu_closer_free(struct vfu_closer *closer);
/** Closes a descriptor, here or in the closer's thread; never waits, unless @p closer is NULL. */
void vfu_closer_close(struct vfu_closer *closer, int fd);
/** Counts a descriptor as open until vfu_closer_close() has closed it. NULL is fine. Any thread. */
void vfu_closer_took(struct vfu_closer *closer);
/** @return how many descriptors are open. Any thread */
unsigned int vfu_closer_held(const struct vfu_closer *closer);
/**
 * Asked before each receipt, because one brings up to 253 descriptors.
 * @return NULL, or why no descriptor may be received from this peer: a constant. Any thread
 */
const char *vfu_closer_refuses(const struct vfu_closer *closer);

#endif /* VFU_FOREIGN_FD_H */
