/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Grace periods of one device each.
 *
 * Threads on a device's data path follow pointers that the device's control thread replaces. They
 * take no lock. Instead they say when they hold none (a quiescent state), and the control thread
 * waits, after it has replaced something, until each of them has said so: a grace period
 * (quiescent-state-based reclamation, RCU). liburcu has the same, with one domain for the whole
 * process; there a device's grace period waits for every thread, and so for what other devices'
 * clients let their threads do. Here a thread names the devices that it reads, and only their grace
 * periods wait for it.
 *
 * A thread that waits for anything goes offline meanwhile: it holds no pointer then.
 */

#ifndef VFU_RCU_H
#define VFU_RCU_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vfu_server;

/** Makes the calling thread a reader of all devices, and online. */
void vfu_rcu_register(void);
/**
 * Limits the calling thread to these devices. Before it reads any.
 * @param servers  as long as the thread is registered; may change no more
 * @param nr       how many there are
 */
void vfu_rcu_only(struct vfu_server *const *servers, unsigned int nr);
/** The calling thread is no reader any more. Before the thread ends. */
void vfu_rcu_unregister(void);

/** The calling thread holds no pointer at this moment. Costs one load when nobody waits. */
void vfu_rcu_quiescent(void);
/** The calling thread holds no pointer until vfu_rcu_online(). */
void vfu_rcu_offline(void);
/** See vfu_rcu_offline(). */
void vfu_rcu_online(void);
/** @return whether the calling thread is registered and online */
bool vfu_rcu_is_online(void);
/** @return whether the calling thread is a reader of the device's. Async-signal-safe. */
bool vfu_rcu_reads(const struct vfu_server *server);

/**
 * Waits until each reader of the device's has passed a quiescent state. Memory that new readers could
 * not reach before the call is unused after it. A reader that calls it is offline meanwhile.
 */
void vfu_rcu_wait(const struct vfu_server *server);

#ifdef __cplusplus
}
#endif

#endif /* VFU_RCU_H */
