/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The connection of the client to its server: a request and its reply.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "client_priv.h"

/* Free of charge for each message (VFU_CLIENT_WAIT_MS): the scheduler causes it, not the server. */
#define FREE_WAIT_MS 10

void
vfu_client_lose(struct vfu_client *c, const char *why)
{
	bool tell;

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
	tell = !c->told;
	c->told = true;
	pthread_mutex_unlock(&c->lock);
	if (tell && c->params.lost != NULL)
		c->params.lost(c->params.opaque, c->why);
}

static void
to_timespec(struct timespec *ts, uint64_t deadline_ms)
{
	ts->tv_sec = (time_t)(deadline_ms / 1000);
	ts->tv_nsec = (long)(deadline_ms % 1000) * 1000000;
}

/*
 * The limit of vfu_client_limit() bounds all messages together, so that a server which answers each
 * of them just in time cannot exceed it.
 */
static uint64_t
message_deadline(struct vfu_client *c)
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
vfu_client_send(struct vfu_client *c, struct vfio_user_header *hdr, const void *data, size_t len,
		const void *more, size_t more_len, const int *fds, unsigned int nr_fds)
{
	uint64_t deadline = message_deadline(c);
	struct timespec ts;
	int ret;

	/* The receiver may hold tx_lock for long, if the server requests much and reads little. */
	to_timespec(&ts, deadline);
	ret = -pthread_mutex_clocklock(&c->tx_lock, CLOCK_MONOTONIC, &ts);
	if (ret == 0) {
		ret = c->lost ? -ENODEV : vfu_msg_send(c->sock, hdr, data, len, more, more_len, fds,
			nr_fds, deadline);
		pthread_mutex_unlock(&c->tx_lock);
	}
	if (ret == -ENODEV)
		return ret;
	/* A bad descriptor of the caller: nothing was sent, and the stream is intact. */
	if (ret == -EBADF || ret == -ETOOMANYREFS)
		return ret;
	/*
	 * The server has closed the connection, but a last reply (for example a refusal) may be in
	 * the socket: the receiver reads it first, and then finds the end of the stream.
	 */
	if (ret == -EPIPE || ret == -ECONNRESET)
		return 0;
	if (ret == -ETIMEDOUT)
		vfu_client_lose(c, "server does not read its socket");
	else if (ret != 0)
		vfu_client_lose(c, "cannot send to the server");
	return ret == 0 || ret == -ETIMEDOUT ? ret : -ENODEV;
}

/*
 * Send one command and wait for its reply. On success *reply is the reply of the server, with a
 * payload of at least min bytes; the caller frees it by vfu_msg_free(). A reply that is too short
 * loses the connection, because then nothing else that the server sends can be trusted.
 */
int
vfu_client_request(struct vfu_client *c, uint16_t cmd, const void *data, size_t len, const void *more,
		size_t more_len, const int *fds, unsigned int nr_fds, size_t min,
		struct vfu_msg **reply)
{
	struct vfio_user_header hdr = { .cmd = cmd };
	struct call call = { .reply = NULL }, **p;
	struct timespec ts;
	const uint64_t start = vfu_now_ms();
	int ret;

	pthread_mutex_lock(&c->lock);
	if (c->lost) {
		pthread_mutex_unlock(&c->lock);
		return -ENODEV;
	}
	if (waited_too_long(c, start) || vfu_ms_left(message_deadline(c)) == 0) {
		pthread_mutex_unlock(&c->lock);
		vfu_client_lose(c, "server answers too slowly");
		return -ETIMEDOUT;
	}
	call.id = hdr.msg_id = c->next_id++;
	call.next = c->calls;
	c->calls = &call;
	if (!c->started) {
		c->started = true;
		pthread_cond_broadcast(&c->cond);
	}
	pthread_mutex_unlock(&c->lock);

	ret = vfu_client_send(c, &hdr, data, len, more, more_len, fds, nr_fds);

	to_timespec(&ts, message_deadline(c));
	pthread_mutex_lock(&c->lock);
	while (ret == 0 && call.reply == NULL && !c->lost) {
		if (pthread_cond_timedwait(&c->cond, &c->lock, &ts) == ETIMEDOUT &&
				call.reply == NULL && !c->lost)
			ret = -ETIMEDOUT;
	}
	for (p = &c->calls; *p != NULL; p = &(*p)->next) {
		if (*p == &call) {
			*p = call.next;
			break;
		}
	}
	if (ret == 0 && call.reply == NULL)
		ret = -ENODEV;
	/*
	 * If the server refused the client, the connection may be lost before the command was sent.
	 * The refusal has arrived as a reply and has the reason, so it takes precedence.
	 */
	if (ret == -ENODEV && call.reply != NULL)
		ret = 0;
	add_wait(c, start, vfu_now_ms());
	pthread_mutex_unlock(&c->lock);

	if (ret == -ETIMEDOUT)
		vfu_client_lose(c, "server does not answer");
	if (ret != 0) {
		vfu_msg_free(call.reply);
		return ret;
	}
	if (call.reply->hdr.cmd != cmd) {
		vfu_client_lose(c, "server's reply names another command than the request");
		ret = -ENODEV;
	} else if (call.reply->hdr.flags & VFIO_USER_F_ERROR) {
		uint32_t e = call.reply->hdr.error_no;

		/*
		 * An error number is optional in the protocol. Two of them mean to the caller that
		 * the connection is lost. Only this side may report that.
		 */
		ret = e != 0 && e < 4096 && e != ENODEV && e != ETIMEDOUT ? -(int)e : -EIO;
	} else if (call.reply->len < min) {
		vfu_client_lose(c, "server's reply is too short");
		ret = -ENODEV;
	}
	if (ret != 0) {
		vfu_msg_free(call.reply);
		return ret;
	}
	*reply = call.reply;
	return 0;
}
