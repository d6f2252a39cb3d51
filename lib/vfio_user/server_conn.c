/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The connection of the server to its client: who reads the socket, the queue of commands, requests
 * of the server and their replies. server_priv.h describes the reader.
 */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_priv.h"

#define MAX_REPORTS 10 /* lines that one client can put into the log */

const char *
vfu_why(struct vfu_server *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return s->why;
}

struct vfu_conn *
vfu_conn_new(int sock, struct vfu_closer *closer)
{
	struct vfu_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	conn->sock = sock;
	conn->rx.closer = closer;
	conn->handshake_deadline = vfu_now_ms() + VFU_HANDSHAKE_MS;
	conn->max_dma_xfer = VFU_DMA_CHUNK;
	conn->queue_pages = -1;
	conn->queue_tail = &conn->queue;
	pthread_mutex_init(&conn->lock, NULL);
	pthread_mutex_init(&conn->tx_lock, NULL);
	vfu_cond_init(&conn->cond);
	return conn;
}

void
vfu_conn_free(struct vfu_conn *conn)
{
	while (conn->queue != NULL) {
		struct vfu_msg *next = conn->queue->next;

		vfu_msg_free(conn->queue);
		conn->queue = next;
	}
	vfu_rx_clear(&conn->rx);
	vfu_closer_close(conn->rx.closer, conn->sock);
	pthread_mutex_destroy(&conn->lock);
	pthread_mutex_destroy(&conn->tx_lock);
	pthread_cond_destroy(&conn->cond);
	free(conn);
}

/*
 * End the connection; the first reason counts. The control thread then finds a socket that is shut
 * down. Only the reading direction is shut down: the end of the stream, which comes with close(),
 * is the promise to the client that the server no longer touches its memory.
 */
static void
kill_locked(struct vfu_conn *conn, const char *why)
{
	if (conn->dead)
		return;
	conn->dead = true;
	snprintf(conn->why, sizeof(conn->why), "%s", why);
	shutdown(conn->sock, SHUT_RD);
	pthread_cond_broadcast(&conn->cond);
}

void
vfu_conn_kill(struct vfu_conn *conn, const char *why)
{
	pthread_mutex_lock(&conn->lock);
	kill_locked(conn, why);
	pthread_mutex_unlock(&conn->lock);
}

static bool
queue_is_full(const struct vfu_conn *conn)
{
	return conn->nr_queued >= VFU_QUEUE_MSGS || conn->queued_bytes > VFU_QUEUE_BYTES ||
			conn->queued_fds > VFU_QUEUE_FDS;
}

/* Called with the lock held. */
static void
enqueue(struct vfu_conn *conn, struct vfu_msg *msg)
{
	*conn->queue_tail = msg;
	conn->queue_tail = &msg->next;
	conn->nr_queued++;
	conn->queued_bytes += msg->len;
	conn->queued_fds += msg->nr_fds;
}

/* Remove the first command from the queue. Called with the lock held. NULL: there is none. */
static struct vfu_msg *
dequeue(struct vfu_conn *conn)
{
	struct vfu_msg *msg = conn->queue;

	if (msg == NULL)
		return NULL;
	conn->queue = msg->next;
	if (conn->queue == NULL)
		conn->queue_tail = &conn->queue;
	conn->nr_queued--;
	conn->queued_bytes -= msg->len;
	conn->queued_fds -= msg->nr_fds;
	return msg;
}

/* Hand a reply to its request, and a command to the queue of the control thread. */
static void
dispatch(struct vfu_server *s, struct vfu_conn *conn, struct vfu_msg *msg)
{
	const char *why = NULL;

	atomic_fetch_add(&s->stats.messages, 1);
	pthread_mutex_lock(&conn->lock);
	if ((msg->hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
		if (!vfu_pending_reply(&conn->requests, msg))
			why = "client sent a reply that belongs to no request";
	} else if (queue_is_full(conn)) {
		why = "client sent too many commands without waiting for replies";
	} else {
		enqueue(conn, msg);
	}
	if (why != NULL) {
		atomic_fetch_add(&s->stats.bad_messages, 1);
		kill_locked(conn, why);
		vfu_msg_free(msg);
	} else {
		pthread_cond_broadcast(&conn->cond);
	}
	pthread_mutex_unlock(&conn->lock);
}

/* Receive one message, if the socket has one. Called by the reader. */
static void
receive(struct vfu_server *s, struct vfu_conn *conn)
{
	struct vfu_msg *msg;
	const char *why;
	int ret = vfu_rx_step(&conn->rx, conn->sock, &msg, &why);

	if (conn->rx.got == 0)
		conn->rx_deadline = 0;
	else if (conn->rx_deadline == 0)
		conn->rx_deadline = vfu_now_ms() + VFU_MESSAGE_MS;
	if (ret > 0) {
		dispatch(s, conn, msg);
	} else if (ret < 0) {
		if (ret == -EPROTO)
			atomic_fetch_add(&s->stats.bad_messages, 1);
		vfu_conn_kill(conn, why);
	}
}

static void
end_reading(struct vfu_conn *conn)
{
	pthread_mutex_lock(&conn->lock);
	conn->reading = false;
	pthread_cond_broadcast(&conn->cond);
	pthread_mutex_unlock(&conn->lock);
}

bool
vfu_conn_begin_reading(struct vfu_conn *conn, struct vfu_msg **msg)
{
	bool reader = false;

	pthread_mutex_lock(&conn->lock);
	*msg = dequeue(conn);
	if (*msg != NULL || conn->dead) {
		;
	} else if (conn->reading) {
		/* The DMA thread reads, for desc.dma_timeout_ms at most. */
		vfu_wait_until(&conn->cond, &conn->lock, vfu_now_ms() + VFU_READER_MS);
	} else {
		reader = conn->reading = true;
	}
	pthread_mutex_unlock(&conn->lock);
	return reader;
}

void
vfu_conn_end_reading(struct vfu_server *s, struct vfu_conn *conn, bool readable)
{
	if (readable)
		receive(s, conn);
	if (conn->rx_deadline != 0 && vfu_ms_left(conn->rx_deadline) == 0)
		vfu_conn_kill(conn, "client began a message and did not send the rest of it");
	end_reading(conn);
}

int
vfu_conn_send(struct vfu_conn *conn, struct vfu_out *out, uint64_t deadline_ms)
{
	int ret = vfu_msg_send_locked(conn->sock, &conn->tx_lock, out, deadline_ms);

	if (ret == -ETIMEDOUT)
		vfu_conn_kill(conn, "client does not read its socket");
	else if (ret != 0)
		vfu_conn_kill(conn, "connection closed");
	return ret;
}

/* Wait for a reply; read the socket if no other thread does. Called with the lock held. */
static int
wait_for_reply(struct vfu_server *s, struct vfu_conn *conn, const struct vfu_pending *p,
		uint64_t deadline_ms)
{
	while (p->reply == NULL && !conn->dead) {
		struct pollfd pfd = { .fd = conn->sock, .events = POLLIN };
		int left = vfu_ms_left(deadline_ms);

		if (left == 0) {
			kill_locked(conn, "client does not answer DMA_READ or DMA_WRITE");
			return -ETIMEDOUT;
		}
		if (conn->reading) {
			vfu_wait_until(&conn->cond, &conn->lock, deadline_ms);
			continue;
		}
		conn->reading = true;
		pthread_mutex_unlock(&conn->lock);
		if (poll(&pfd, 1, left) > 0)
			receive(s, conn);
		end_reading(conn);
		pthread_mutex_lock(&conn->lock);
	}
	return p->reply != NULL ? 0 : -ENODEV;
}

int
vfu_conn_request(struct vfu_server *s, struct vfu_conn *conn, struct vfu_out *out,
		uint64_t deadline_ms, struct vfu_msg **reply)
{
	struct vfu_pending p;
	int ret;

	pthread_mutex_lock(&conn->lock);
	if (conn->dead) {
		pthread_mutex_unlock(&conn->lock);
		return -ENODEV;
	}
	out->hdr.msg_id = vfu_pending_add(&conn->requests, &p);
	pthread_mutex_unlock(&conn->lock);

	ret = vfu_conn_send(conn, out, deadline_ms);

	pthread_mutex_lock(&conn->lock);
	if (ret == 0)
		ret = wait_for_reply(s, conn, &p, deadline_ms);
	if (p.reply != NULL && p.reply->hdr.cmd != out->hdr.cmd) {
		kill_locked(conn, "client's reply names another command than the request");
		ret = -EPROTO;
	}
	/* No thread may find this stack frame from now on. */
	vfu_pending_remove(&conn->requests, &p);
	pthread_mutex_unlock(&conn->lock);
	if (ret != 0) {
		vfu_msg_free(p.reply);
		return ret;
	}
	*reply = p.reply;
	return 0;
}

void
vfu_conn_report(struct vfu_server *s, const char *fmt, ...)
{
	struct vfu_conn *conn = atomic_load_explicit(&s->conn, memory_order_consume);
	char line[VFU_ERR_LEN];
	va_list ap;

	if (s->ops.refused == NULL || conn == NULL || atomic_load(&conn->reports) >= MAX_REPORTS)
		return;
	atomic_fetch_add(&conn->reports, 1);
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->ops.refused(s->opaque, line);
}
