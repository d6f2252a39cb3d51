/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Memory whose every access is a call: registers for a driver that knows only loads and stores.
 */

#ifndef VFIO_USER_TRAP_H
#define VFIO_USER_TRAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * Carry out an access. Runs in the thread that accesses the memory, inside the handler of SIGSEGV,
 * with all signals blocked, concurrently with other threads. May call any function, because the
 * thread is in the code of a driver, and not in the C library. Must not access trapped memory.
 * @param opaque  of the trap
 * @param bar     of the trap
 * @param offset  in the memory, bytes
 * @param buf     the bytes to store; or to fill with the bytes that are loaded
 * @param len     1, 2, 4 or 8 bytes, all inside the memory
 */
typedef void vfio_user_trap_access_t(void *opaque, unsigned int bar, uint64_t offset, void *buf,
		size_t len, bool is_store);

/** A piece of trapped memory. The caller owns it, and fills in all members but base. */
struct vfio_user_trap {
	const char *name; /**< of the device, for messages */
	unsigned int bar; /**< its number, for messages and access */
	vfio_user_trap_access_t *access;
	void *opaque;
	size_t size; /**< bytes, whole pages */
	void *base;  /**< the memory; NULL: none */
};

/**
 * Reserve the memory. From then on every plain move to or from it calls access. Any other
 * instruction that accesses it ends the process, after a log line. So does an access of a thread
 * that has SIGSEGV blocked, without a line.
 * @retval 0         base is set
 * @retval -ENOTSUP  this is not an x86-64
 * @retval -ENOSPC   too many traps
 * @return another negative errno value
 */
int vfio_user_trap_map(struct vfio_user_trap *trap);
/** Give the memory back, if there is any. No thread may access it any longer. */
void vfio_user_trap_unmap(struct vfio_user_trap *trap);

#endif /* VFIO_USER_TRAP_H */
