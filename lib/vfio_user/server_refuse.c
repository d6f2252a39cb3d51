/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Clients that connect while another one is served. Each gets an error reply to its VERSION,
 * which says why; so that message must be read first: a client that finds the connection closed
 * while it sends never looks at a reply, and one whose message was not read gets ECONNRESET in
 * place of the reply.
 *
 * Such a client may send nothing, or half a message. It is waited for together with all else
 * that the control thread waits for, not longer than a client that is served; and where too many
 * wait, the one that came first is refused as it is.
 */

#include <errno.h>
#include <unistd.h>

#include "server_priv.h"

/* Answers the message that was received; msg NULL: what the client will send first. */
static void
refuse(struct vfu_refusal *r, struct vfu_msg *msg)
{
	/* Most clients number their messages from 0 on, and so find the reply to their VERSION. */
	struct vfio_user_header hdr = {
		.cmd = VFIO_USER_VERSION,
		.flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR,
		.error_no = EBUSY,
	};

	if (msg != NULL) {
		hdr.msg_id = msg->hdr.msg_id;
		hdr.cmd = msg->hdr.cmd;
	}
	/* It fits into the socket's buffer, which is empty: this never waits. */
	vfu_msg_send(r->sock, &hdr, NULL, 0, NULL, 0, NULL, 0, 0);
	vfu_msg_free(msg);
	vfu_rx_clear(&r->rx);
	vfu_closer_close(r->rx.closer, r->sock);
	r->sock = -1;
}

void
vfu_refuse_init(struct vfu_server *s)
{
	for (unsigned int i = 0; i < VFU_REFUSALS; i++) {
		s->refusals[i].sock = -1;
		s->refusals[i].rx.closer = s->closer;
	}
}

void
vfu_refuse_fini(struct vfu_server *s)
{
	for (unsigned int i = 0; i < VFU_REFUSALS; i++) {
		if (s->refusals[i].sock >= 0)
			refuse(&s->refusals[i], NULL);
	}
}

void
vfu_refuse_add(struct vfu_server *s, int sock)
{
	struct vfu_refusal *r = &s->refusals[s->next_refusal++ % VFU_REFUSALS];

	if (r->sock >= 0)
		refuse(r, NULL);
	r->sock = sock;
	r->deadline = vfu_now_ms() + VFU_HANDSHAKE_MS;
}

int
vfu_refuse_prepare(const struct vfu_server *s, struct pollfd *pfds, int timeout)
{
	for (unsigned int i = 0; i < VFU_REFUSALS; i++) {
		const struct vfu_refusal *r = &s->refusals[i];

		pfds[i] = (struct pollfd){ .fd = r->sock, .events = POLLIN };
		if (r->sock >= 0) {
			int left = vfu_ms_left(r->deadline);

			timeout = timeout < 0 || left < timeout ? left : timeout;
		}
	}
	return timeout;
}

void
vfu_refuse_work(struct vfu_server *s, const struct pollfd *pfds)
{
	for (unsigned int i = 0; i < VFU_REFUSALS; i++) {
		struct vfu_refusal *r = &s->refusals[i];
		struct vfu_msg *msg = NULL;
		const char *why;

		if (r->sock < 0)
			continue;
		if ((pfds[i].revents != 0 && vfu_rx_step(&r->rx, r->sock, &msg, &why) != 0) ||
				vfu_ms_left(r->deadline) == 0)
			refuse(r, msg);
	}
}
