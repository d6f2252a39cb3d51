/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The connection of the client to its server: a request and its reply.
 */

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "client_priv.h"

/* Free of charge for each message (VFU_CLIENT_WAIT_MS): the scheduler causes it, not the server. */
#define FREE_WAIT_MS 10

/*
 * The requests of the client whose replies have a payload, and its least length, bytes. A shorter
 * reply loses the connection, because then nothing else that the server sends can be trusted.
 */
#define REQUEST(name, payload) \
	{ \
		VFIO_USER_##name, sizeof(payload), "server's reply to " #name " is too short" \
	}
static const struct {
	uint16_t cmd;
	size_t least;
	const char *too_short;
} requests[] = {
	REQUEST(VERSION, struct vfio_user_version),
	REQUEST(DEVICE_GET_INFO, struct vfio_user_device_info),
	REQUEST(DEVICE_GET_REGION_INFO, struct vfio_region_info),
	REQUEST(DEVICE_GET_IRQ_INFO, struct vfio_irq_info),
	REQUEST(REGION_READ, struct vfio_user_region_access),
	REQUEST(REGION_WRITE, struct vfio_user_region_access),
};
#undef REQUEST

void
vfu_client_lose(struct vfu_client *c, const char *why)
{
	bool report;

	pthread_mutex_lock(&c->lock);
	if (!c->lost) {
		snprintf(c->why, sizeof(c->why), "%s", why);
		c->lost = true;
		/*
		 * The other direction stays open: its end will show that the server has released
		 * client memory (vfu_client_quiesced()).
		 */
		shutdown(c->sock, SHUT_WR);
		pthread_cond_broadcast(&c->cond);
	}
	report = !c->lost_reported;
	c->lost_reported = true;
	pthread_mutex_unlock(&c->lock);
	if (report && c->params.lost != NULL)
		c->params.lost(c->params.opaque, c->why);
}

uint64_t
vfu_message_deadline(const struct vfu_client *c)
{
	uint64_t deadline = vfu_now_ms() + c->params.timeout_ms, limit = c->limit;

	return limit != 0 && limit < deadline ? limit : deadline;
}

/*
 * A start or a stop is hundreds of messages. A server that answers each of them just in time must
 * not make it last for hours. Therefore the times that callers wait add up, except for a few
 * milliseconds for each message, and the time in which no caller waits is subtracted. Called with
 * the lock held.
 */
static bool
waited_too_long(struct vfu_client *c, uint64_t now)
{
	const uint64_t idle = now > c->waited_at ? now - c->waited_at : 0;

	c->waited -= idle < c->waited ? idle : c->waited;
	c->waited_at = now;
	return c->waited > VFU_CLIENT_WAIT_MS;
}

static void
add_wait(struct vfu_client *c, uint64_t start, uint64_t now)
{
	if (now - start > FREE_WAIT_MS)
		c->waited += now - start - FREE_WAIT_MS;
	if (now > c->waited_at)
		c->waited_at = now;
}

int
vfu_client_send(struct vfu_client *c, struct vfu_out *out)
{
	/* The receiver may hold tx_lock for long, if the server requests much and reads little. */
	int ret = c->lost ? -ENODEV :
			    vfu_msg_send_locked(c->sock, &c->tx_lock, out, vfu_message_deadline(c));

	switch (ret) {
	case 0:
	case -ENODEV:
		return ret;
	case -EBADF:
	case -ETOOMANYREFS:
		/* A bad descriptor of the caller: nothing was sent, and the stream is intact. */
		return ret;
	case -EPIPE:
	case -ECONNRESET:
		/*
		 * The server has closed the connection, but a last reply (for example a refusal)
		 * may be in the socket: the receiver reads it first, and then finds the end of the
		 * stream.
		 */
		return 0;
	case -ETIMEDOUT:
		vfu_client_lose(c, "server does not read its socket");
		return ret;
	default:
		vfu_client_lose(c, "cannot send to the server");
		return -ENODEV;
	}
}

/* Number the request and add it to the list of those that wait. */
static int
begin(struct vfu_client *c, struct vfu_out *out, struct vfu_pending *p, uint64_t now)
{
	int ret = 0;

	pthread_mutex_lock(&c->lock);
	if (c->lost) {
		ret = -ENODEV;
	} else if (waited_too_long(c, now) || vfu_ms_left(vfu_message_deadline(c)) == 0) {
		ret = -ETIMEDOUT;
	} else {
		out->hdr.msg_id = vfu_pending_add(&c->requests, p);
		if (!c->started) {
			c->started = true;
			pthread_cond_broadcast(&c->cond);
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (ret == -ETIMEDOUT)
		vfu_client_lose(c, "server answers too slowly");
	return ret;
}

/* Wait for the reply. ret is the result of sending the request. */
static int
end(struct vfu_client *c, struct vfu_pending *p, int ret, uint64_t start)
{
	const uint64_t deadline = vfu_message_deadline(c);

	pthread_mutex_lock(&c->lock);
	while (ret == 0 && p->reply == NULL && !c->lost) {
		if (vfu_wait_until(&c->cond, &c->lock, deadline) == -ETIMEDOUT &&
				p->reply == NULL && !c->lost)
			ret = -ETIMEDOUT;
	}
	vfu_pending_remove(&c->requests, p);
	if (ret == 0 && p->reply == NULL)
		ret = -ENODEV;
	/*
	 * If the server refused the client, the connection may be lost before the command was sent.
	 * The refusal has arrived as a reply and has the reason, so it takes precedence.
	 */
	if (ret == -ENODEV && p->reply != NULL)
		ret = 0;
	add_wait(c, start, vfu_now_ms());
	pthread_mutex_unlock(&c->lock);
	if (ret == -ETIMEDOUT)
		vfu_client_lose(c, "server does not answer");
	return ret;
}

/* Check the reply. @return 0; the error of the server; or -ENODEV: the connection is lost */
static int
check_reply(struct vfu_client *c, const struct vfu_msg *reply, uint16_t cmd)
{
	const uint32_t error = reply->hdr.error_no;

	if (reply->hdr.cmd != cmd) {
		vfu_client_lose(c, "server's reply names another command than the request");
		return -ENODEV;
	}
	if (reply->hdr.flags & VFIO_USER_F_ERROR) {
		/*
		 * An error number is optional in the protocol. Two of them mean to the caller that
		 * the connection is lost. Only this side may report that.
		 */
		return error != 0 && error < 4096 && error != ENODEV && error != ETIMEDOUT ?
				-(int)error :
				-EIO;
	}
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		if (requests[i].cmd == cmd && reply->len < requests[i].least) {
			vfu_client_lose(c, requests[i].too_short);
			return -ENODEV;
		}
	}
	return 0;
}

int
vfu_client_request(struct vfu_client *c, struct vfu_out *out, struct vfu_msg **reply)
{
	const uint64_t start = vfu_now_ms();
	struct vfu_pending p;
	int ret = begin(c, out, &p, start);

	if (ret != 0)
		return ret;
	ret = end(c, &p, vfu_client_send(c, out), start);
	if (ret == 0)
		ret = check_reply(c, p.reply, out->hdr.cmd);
	if (ret != 0) {
		vfu_msg_free(p.reply);
		return ret;
	}
	*reply = p.reply;
	return 0;
}
