/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * File descriptors that the other side passed.
 *
 * A descriptor that comes with a message may be anything: a socket whose close() waits for its peer
 * (SO_LINGER), or a file of a file system whose server is the sender, which may never answer. A
 * thread that calls close() or fstat() on it waits as long as the sender likes, and so does every
 * thread that waits for that one. Three rules prevent this:
 *
 *  - Ask a descriptor for its seals first. Only memory has seals (memfd, tmpfs, hugetlbfs). The
 *    kernel answers that question from its own memory, and no call on such a file blocks.
 *  - Close memory and eventfds at once. Leave anything else to a thread that only closes, one for
 *    each side of a connection, and one for the clients that a server refuses (struct vfu_closer).
 *    It also closes the socket of the connection and the one that listens, because the messages
 *    that were not read take their descriptors along.
 *  - Limit the number of pending descriptors. A peer with more than VFU_MAX_CLOSING of them is
 *    served no further until they are closed. A server also limits how many descriptors a client
 *    has open altogether: in messages that wait, in use, and waiting to be closed.
 */

#ifndef VFU_FOREIGN_FD_H
#define VFU_FOREIGN_FD_H

#include <stdbool.h>
#include <stdint.h>

/** Maximum number of descriptors that may wait for their close(); beyond it the peer is dropped. */
#define VFU_MAX_CLOSING 64u

struct vfu_closer;

/** Report whether the descriptor is memory. Never waits. */
bool vfu_fd_is_memory(int fd);
/** Report whether the descriptor is an eventfd. Never waits. */
bool vfu_fd_is_eventfd(int fd);

/**
 * Create a closer. Its thread starts when it is first needed.
 * @param max_fds  limit of open descriptors (vfu_closer_took()), beyond which no further one is
 *   received; 0: no limit
 * @return the closer, owned by the caller; NULL: out of memory
 */
struct vfu_closer *vfu_closer_new(unsigned int max_fds);
/**
 * Ask the thread of a closer to end when it has closed what it has, and return at once. No call but
 * vfu_closer_free() may follow. NULL is allowed. Any thread.
 */
void vfu_closer_stop(struct vfu_closer *closer);
/**
 * Free a closer after vfu_closer_stop(). If descriptors are still being closed at the deadline, the
 * call returns, and the thread frees the closer when it is done. NULL is allowed.
 * @param deadline_ms  end of the wait, a time of vfu_now_ms(); several closers can share it, so
 *   that their number does not prolong the wait
 */
void vfu_closer_free(struct vfu_closer *closer, uint64_t deadline_ms);
/**
 * Close a descriptor, at once or in the thread of the closer. Never waits, unless @p closer is NULL
 * or takes no more. Any thread.
 */
void vfu_closer_close(struct vfu_closer *closer, int fd);
/**
 * Count a descriptor as open until vfu_closer_close() has closed it. NULL is allowed. Any thread.
 */
void vfu_closer_took(struct vfu_closer *closer);
/** Return the number of descriptors that are open. Any thread. */
unsigned int vfu_closer_held(const struct vfu_closer *closer);
/**
 * Report whether the peer has reached a limit. Call it before each receipt, because one receipt
 * brings up to 253 descriptors. Any thread.
 * @return NULL if descriptors may be received; else the reason, a constant
 */
const char *vfu_closer_refuses(const struct vfu_closer *closer);

#endif /* VFU_FOREIGN_FD_H */
