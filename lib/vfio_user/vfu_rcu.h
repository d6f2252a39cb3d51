/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Grace periods, one domain for each device.
 *
 * Threads on the data path of a device, the readers, follow pointers that the control thread of the
 * device replaces. A reader takes no lock. It announces the moments at which it holds no pointer
 * (quiescent states). After the control thread has replaced something, it waits until each reader
 * has passed a quiescent state: a grace period (quiescent-state-based reclamation, RCU).
 *
 *     control thread:  publish new ----- vfu_rcu_wait() ------------------> free old
 *     reader 1:        ... uses old ... | quiescent | uses new ...
 *     reader 2:        ... uses old .............. | quiescent | uses new ...
 *
 * liburcu does the same with one domain for the whole process. There the grace period of one device
 * would wait for every thread, and so for the work that the clients of other devices cause. Here a
 * thread names the devices that it reads, and only the grace periods of these devices wait for it.
 *
 * A reader must go offline before it waits for anything; an offline reader holds no pointer.
 */

#ifndef VFU_RCU_H
#define VFU_RCU_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vfu_server;

/** The devices that a reader reads. */
struct vfu_rcu_devices {
	struct vfu_server *const *servers; /**< their servers, the caller's array */
	unsigned int nr;                   /**< entries of servers */
};

/** Register the calling thread as a reader of all devices, online. */
void vfu_rcu_register(void);
/**
 * Restrict the calling thread to these devices. Call it before the thread reads any of them.
 * @param servers  must stay valid and unchanged as long as the thread is registered
 * @param nr       number of devices
 */
void vfu_rcu_only(struct vfu_server *const *servers, unsigned int nr);
/** Return a handle of the calling thread for vfu_rcu_restrict(), valid while it is registered. */
void *vfu_rcu_self(void);
/**
 * Restrict another thread to these devices, because it is stuck in an access to one of them, so
 * that no other grace period waits for it. The thread must hold no pointer of another device, and
 * must read no other device until it has called vfu_rcu_only() again, or has unregistered.
 * @param reader   of vfu_rcu_self()
 * @param devices  must stay valid and unchanged as long as the thread is registered
 */
void vfu_rcu_restrict(void *reader, const struct vfu_rcu_devices *devices);
/** Unregister the calling thread. It must do so before it ends. May wait for a vfu_rcu_wait(). */
void vfu_rcu_unregister(void);

/** Announce that the calling thread holds no pointer now. Costs one load if no thread waits. */
void vfu_rcu_quiescent(void);
/** Announce that the calling thread holds no pointer until vfu_rcu_online(). */
void vfu_rcu_offline(void);
/** End the offline state of the calling thread. */
void vfu_rcu_online(void);
/** Report whether the calling thread is registered and online. */
bool vfu_rcu_is_online(void);
/** Report whether the calling thread is a reader of the device. Async-signal-safe. */
bool vfu_rcu_reads(const struct vfu_server *server);

/**
 * Wait until each reader of the device has passed a quiescent state. Memory that new readers could
 * not reach before the call is unused after it. A reader that calls this is offline during the
 * wait.
 */
void vfu_rcu_wait(const struct vfu_server *server);

#ifdef __cplusplus
}
#endif

#endif /* VFU_RCU_H */
