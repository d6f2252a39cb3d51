/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Clients that connect while another one is served. Each gets an error reply to its VERSION, which
 * gives the reason. The server must read that message before it replies and closes: a client that
 * finds the connection closed while it sends never reads a reply, and a client whose message
 * was not read gets ECONNRESET in place of the reply.
 *
 * Such a client may send nothing, or half a message. The control thread waits for it together with
 * everything else that it waits for, and no longer than for a client that is served. If too many
 * wait, the control thread refuses the oldest one without having read its message.
 *
 * Their descriptors have a closer of their own. Otherwise the client that is served would be
 * dropped if those of other clients close late.
 */

#include <errno.h>
#include <unistd.h>

#include "server_priv.h"

/*
 * Answer the message that was received. If msg is NULL, answer the one that the client will send.
 */
static void
refuse(struct vfu_refusal *r, struct vfu_msg *msg)
{
	/* Most clients number their messages from 0 on, and so find the reply to their VERSION. */
	const struct vfio_user_header expected = { .cmd = VFIO_USER_VERSION };
	struct vfu_out reply = vfu_reply(msg != NULL ? &msg->hdr : &expected, -EBUSY);

	/* The reply fits into the socket buffer, which is empty: this never waits. */
	vfu_msg_send(r->sock, &reply, 0);
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
		s->refusals[i].rx.closer = s->refused;
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
	vfu_closer_took(s->refused);
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
