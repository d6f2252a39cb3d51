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
#include <time.h>
#include <unistd.h>

#include "server_priv.h"

#define MAX_COMPLAINTS 10

void
vfu_set_deadline(struct timespec *ts, uint64_t deadline_ms)
{
	ts->tv_sec = (time_t)(deadline_ms / 1000);
	ts->tv_nsec = (long)(deadline_ms % 1000) * 1000000;
}

int
vfu_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int ret;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	ret = -pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return ret;
}

void
vfu_server_wake(struct vfu_server *s)
{
	static const uint64_t one = 1;

	/* A full counter also wakes the thread. */
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}

const char *
vfu_why(struct vfu_server *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return s->why;
}

/*
 * The connection.
 */

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

/* Hand a reply to its waiter, and a command to the queue of the control thread. */
static void
dispatch(struct vfu_server *s, struct vfu_conn *conn, struct vfu_msg *msg)
{
	struct vfu_wait **w;

	atomic_fetch_add(&s->stats.messages, 1);
	pthread_mutex_lock(&conn->lock);
	if ((msg->hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
		for (w = &conn->waits; *w != NULL && (*w)->id != msg->hdr.msg_id; w = &(*w)->next)
			;
		if (*w != NULL) {
			(*w)->reply = msg;
			*w = (*w)->next;
			pthread_cond_broadcast(&conn->cond);
		} else {
			atomic_fetch_add(&s->stats.bad_messages, 1);
			kill_locked(conn, "client sent a reply to nothing that it was asked");
			vfu_msg_free(msg);
		}
	} else if (conn->nr_queued >= VFU_QUEUE_MSGS || conn->queued_bytes > VFU_QUEUE_BYTES ||
			conn->queued_fds > VFU_QUEUE_FDS) {
		atomic_fetch_add(&s->stats.bad_messages, 1);
		kill_locked(conn, "client sent too many commands without waiting for replies");
		vfu_msg_free(msg);
	} else {
		*conn->queue_tail = msg;
		conn->queue_tail = &msg->next;
		conn->nr_queued++;
		conn->queued_bytes += msg->len;
		conn->queued_fds += msg->nr_fds;
		pthread_cond_broadcast(&conn->cond);
	}
	pthread_mutex_unlock(&conn->lock);
}

/* Kill the connection if the rest of a message is late. Called by the reader. */
void
vfu_conn_check_message(struct vfu_conn *conn)
{
	if (conn->rx_deadline != 0 && vfu_ms_left(conn->rx_deadline) == 0)
		vfu_conn_kill(conn, "client began a message and did not send the rest of it");
}

/* Receive one message, if the socket has one. Called by the reader. */
void
vfu_conn_receive(struct vfu_server *s, struct vfu_conn *conn)
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

void
vfu_conn_end_reading(struct vfu_conn *conn)
{
	pthread_mutex_lock(&conn->lock);
	conn->reading = false;
	pthread_cond_broadcast(&conn->cond);
	pthread_mutex_unlock(&conn->lock);
}

/* Send. A client that does not read the message in time is dropped. */
int
vfu_conn_send(struct vfu_conn *conn, struct vfio_user_header *hdr, const void *data, size_t len,
		const void *more, size_t more_len, const int *fds, unsigned int nr_fds,
		uint64_t deadline)
{
	struct timespec ts;
	int ret;

	vfu_set_deadline(&ts, deadline);
	ret = -pthread_mutex_clocklock(&conn->tx_lock, CLOCK_MONOTONIC, &ts);
	if (ret == 0) {
		ret = vfu_msg_send(conn->sock, hdr, data, len, more, more_len, fds, nr_fds,
			deadline);
		pthread_mutex_unlock(&conn->tx_lock);
	}
	if (ret == -ETIMEDOUT)
		vfu_conn_kill(conn, "client does not read its socket");
	else if (ret != 0)
		vfu_conn_kill(conn, "connection closed");
	return ret;
}

int
vfu_conn_request(struct vfu_server *s, struct vfu_conn *conn, uint16_t cmd, const void *data,
		size_t len, const void *more, size_t more_len, uint64_t deadline_ms,
		struct vfu_msg **reply)
{
	struct vfio_user_header hdr = { .cmd = cmd };
	struct vfu_wait wait = { .reply = NULL }, **w;
	struct timespec ts;
	int ret;

	vfu_set_deadline(&ts, deadline_ms);
	pthread_mutex_lock(&conn->lock);
	if (conn->dead) {
		pthread_mutex_unlock(&conn->lock);
		return -ENODEV;
	}
	wait.id = hdr.msg_id = conn->next_id++;
	wait.next = conn->waits;
	conn->waits = &wait;
	pthread_mutex_unlock(&conn->lock);

	ret = vfu_conn_send(conn, &hdr, data, len, more, more_len, NULL, 0, deadline_ms);

	pthread_mutex_lock(&conn->lock);
	while (wait.reply == NULL && !conn->dead && ret == 0) {
		int left = vfu_ms_left(deadline_ms);

		if (left == 0) {
			ret = -ETIMEDOUT;
			kill_locked(conn, "client does not answer DMA_READ or DMA_WRITE");
		} else if (conn->reading) {
			pthread_cond_timedwait(&conn->cond, &conn->lock, &ts);
		} else {
			struct pollfd pfd = { .fd = conn->sock, .events = POLLIN };

			conn->reading = true;
			pthread_mutex_unlock(&conn->lock);
			if (poll(&pfd, 1, left) > 0)
				vfu_conn_receive(s, conn);
			vfu_conn_end_reading(conn);
			pthread_mutex_lock(&conn->lock);
		}
	}
	if (wait.reply == NULL) {
		/* No thread may find this stack frame from now on. */
		for (w = &conn->waits; *w != NULL; w = &(*w)->next) {
			if (*w == &wait) {
				*w = wait.next;
				break;
			}
		}
		if (ret == 0)
			ret = -ENODEV;
	} else if (wait.reply->hdr.cmd != cmd) {
		kill_locked(conn, "client's reply names another command than the request");
		ret = -EPROTO;
	}
	pthread_mutex_unlock(&conn->lock);
	if (ret != 0) {
		vfu_msg_free(wait.reply);
		return ret;
	}
	*reply = wait.reply;
	return 0;
}

void
vfu_server_complain(struct vfu_server *s, struct vfu_conn *conn, const char *fmt, ...)
{
	char line[VFU_ERR_LEN];
	va_list ap;

	if (s->ops.refused == NULL || conn == NULL ||
			atomic_load(&conn->complaints) >= MAX_COMPLAINTS)
		return;
	atomic_fetch_add(&conn->complaints, 1);
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->ops.refused(s->opaque, line);
}
