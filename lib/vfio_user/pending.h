/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Requests that wait for their replies, for both sides.
 *
 * The thread that sends a request has a struct vfu_pending on its stack. It adds that to the list
 * of the connection, which numbers the request, sends the message, and sleeps. The thread that
 * reads the socket finds the request by the number in the reply, hands the reply over, and wakes
 * the sender. A lock of the connection protects the list; the caller of each function holds it.
 *
 *     sender:  vfu_pending_add() --> list     reader:  vfu_pending_reply(): list --> .reply
 */

#ifndef VFU_PENDING_H
#define VFU_PENDING_H

#include "msg.h"

struct vfu_pending {
	struct vfu_pending *next;
	uint16_t id;
	struct vfu_msg *reply; /* NULL until it has come; owned by the sender then */
};

struct vfu_pending_list {
	struct vfu_pending *first;
	uint16_t next_id;
};

/* Add a request. @return its number, for the header */
uint16_t vfu_pending_add(struct vfu_pending_list *list, struct vfu_pending *p);

/* Hand a reply to its request. @return false: there is none; the message remains the caller's */
bool vfu_pending_reply(struct vfu_pending_list *list, struct vfu_msg *reply);

/* Remove a request, unless its reply has come. */
void vfu_pending_remove(struct vfu_pending_list *list, const struct vfu_pending *p);

#endif /* VFU_PENDING_H */
