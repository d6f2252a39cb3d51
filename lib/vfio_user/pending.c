/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Requests that wait for their replies: see pending.h.
 */

#include "pending.h"

uint16_t
vfu_pending_add(struct vfu_pending_list *list, struct vfu_pending *p)
{
	*p = (struct vfu_pending){ .next = list->first, .id = list->next_id++ };
	list->first = p;
	return p->id;
}

bool
vfu_pending_reply(struct vfu_pending_list *list, struct vfu_msg *reply)
{
	for (struct vfu_pending **p = &list->first; *p != NULL; p = &(*p)->next) {
		if ((*p)->id == reply->hdr.msg_id) {
			(*p)->reply = reply;
			*p = (*p)->next;
			return true;
		}
	}
	return false;
}

void
vfu_pending_remove(struct vfu_pending_list *list, const struct vfu_pending *p)
{
	for (struct vfu_pending **at = &list->first; *at != NULL; at = &(*at)->next) {
		if (*at == p) {
			*at = p->next;
			return;
		}
	}
}
