/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The client: how a connection begins and ends, and its receiving thread.
 *
 *     caller: vfu_client_request()                receiving thread: receiver()
 *       struct vfu_pending --> requests             vfu_rx_step(): one message
 *       vfu_client_send()                           reply   --> deliver(): finds the request by
 *       sleeps on cond  <------ broadcast ------                its msg_id, puts the reply there
 *       takes the reply                             command --> vfu_client_serve(): DMA_READ,
 *                                                               DMA_WRITE
 *
 * A caller puts a struct vfu_pending on its stack into the list of requests, sends, and sleeps
 * until the receiving thread has put the reply there (client_conn.c, pending.h). The first thread
 * that finds the connection broken, caller or receiver, declares it lost, once, which wakes all
 * callers.
 *
 * The server is also on the other side of a trust boundary: the client checks every number that
 * the server sends before it uses it.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client_priv.h"
#include "thread.h"
#include "unix_socket.h"

#define DEFAULT_TIMEOUT_MS 5000
#define CLOSER_MS          20 /* wait for descriptors that are being closed, at the end */

/*
 * The receiving thread.
 */

/* Hand a reply to the request that waits for it. */
static void
deliver(struct vfu_client *c, struct vfu_msg *msg)
{
	bool delivered;

	pthread_mutex_lock(&c->lock);
	delivered = vfu_pending_reply(&c->requests, msg);
	if (delivered)
		pthread_cond_broadcast(&c->cond);
	pthread_mutex_unlock(&c->lock);
	if (!delivered) {
		vfu_msg_free(msg);
		vfu_client_lose(c, "server sent a reply that belongs to no request");
	}
}

static void *
receiver(void *arg)
{
	struct vfu_client *c = arg;
	struct vfu_rx rx;

	memset(&rx, 0, sizeof(rx));
	rx.closer = c->closer;
	/*
	 * A server that serves another client may answer VERSION before this client has sent it, so
	 * wait until the call for the reply exists.
	 */
	pthread_mutex_lock(&c->lock);
	while (!c->started && !c->lost)
		pthread_cond_wait(&c->cond, &c->lock);
	pthread_mutex_unlock(&c->lock);
	while (!c->lost) {
		struct pollfd pfd = { .fd = c->sock, .events = POLLIN };
		struct vfu_msg *msg;
		const char *why;
		int ret = vfu_rx_step(&rx, c->sock, &msg, &why);

		if (ret == 0) {
			poll(&pfd, 1, -1);
		} else if (ret < 0) {
			char line[VFU_ERR_LEN];

			snprintf(line, sizeof(line), "server: %s", why);
			vfu_client_lose(c, line);
		} else if ((msg->hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
			deliver(c, msg);
		} else {
			vfu_client_serve(c, msg);
		}
	}
	vfu_rx_clear(&rx);
	return NULL;
}

/*
 * Connecting.
 */

static int
negotiate(struct vfu_client *c, const char *path, char *err)
{
	struct {
		struct vfio_user_version v;
		char json[512];
	} req;
	struct vfu_out out = { .hdr.cmd = VFIO_USER_VERSION, .data = &req };
	const struct vfio_user_version *v;
	struct vfu_msg *reply;
	struct vfu_caps caps = {
		.max_msg_fds = VFU_MSG_FDS,
		.max_data_xfer_size = DMA_MAX,
		.pgsizes = VFU_PAGE_SIZE,
		.has_pgsizes = true,
		.max_dma_maps = VFU_MAX_DMA_MAPS,
		.has_max_dma_maps = true,
		.io_page_table = VFU_IO_PAGE_TABLE_VERSION,
		.queue_pages = c->params.queue_pages ? VFU_QUEUE_PAGES_VERSION : 0,
	};
	const char *why;
	size_t len;
	int ret;

	req.v.major = VFIO_USER_MAJOR;
	req.v.minor = VFIO_USER_MINOR;
	len = vfu_caps_format(&caps, req.json, sizeof(req.json));
	out.len = sizeof(req.v) + len;
	ret = vfu_client_request(c, &out, &reply);
	if (ret == -ETIMEDOUT) {
		snprintf(err, VFU_ERR_LEN, "%s: the server does not answer: is it stopped?", path);
		return ret;
	}
	if (ret == -EBUSY) {
		snprintf(err, VFU_ERR_LEN, "%s: serves another client; end that first", path);
		return ret;
	}
	if (ret == -ENODEV) {
		pthread_mutex_lock(&c->lock);
		snprintf(err, VFU_ERR_LEN, "%s: no vfio-user server (%s)", path, c->why);
		pthread_mutex_unlock(&c->lock);
		return -EPROTO;
	}
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN, "%s: server refuses vfio-user version %d.%d: %s", path,
				VFIO_USER_MAJOR, VFIO_USER_MINOR, strerror(-ret));
		return -EPROTO;
	}
	v = (const struct vfio_user_version *)reply->data;
	if (v->major != VFIO_USER_MAJOR || v->minor > VFIO_USER_MINOR) {
		snprintf(err, VFU_ERR_LEN, "%s: server speaks vfio-user %u.%u, this is %d.%d", path,
				v->major, v->minor, VFIO_USER_MAJOR, VFIO_USER_MINOR);
		ret = -EPROTO;
	} else if (vfu_caps_parse(&caps, (const char *)(v + 1), reply->len - sizeof(*v), &why) !=
			0) {
		snprintf(err, VFU_ERR_LEN, "%s: reply of the server to VERSION: %s", path, why);
		ret = -EPROTO;
	} else {
		c->max_data = caps.max_data_xfer_size;
		c->max_fds = caps.max_msg_fds;
		c->io_page_table = caps.io_page_table == VFU_IO_PAGE_TABLE_VERSION;
	}
	vfu_msg_free(reply);
	return ret;
}

/* connect() blocks without a bound if the backlog is full, so poll with a non-blocking socket. */
static int
connect_socket(int sock, const struct sockaddr_un *sa, uint64_t deadline)
{
	while (connect(sock, (const struct sockaddr *)sa, sizeof(*sa)) != 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		if (vfu_ms_left(deadline) == 0)
			return -ETIMEDOUT;
		poll(NULL, 0, 10);
	}
	return 0;
}

static const char *
connect_advice(int ret)
{
	switch (ret) {
	case -ENOENT:
		return "no such socket; is the server started, and the path right?";
	case -ECONNREFUSED:
		return "no server listens there; start the server";
	case -EACCES:
		return "permission denied; the socket belongs to the user of its server";
	case -ETIMEDOUT:
		return "the server does not answer: is it stopped?";
	default:
		return strerror(-ret);
	}
}

static void
client_free(struct vfu_client *c)
{
	if (c->sock >= 0)
		vfu_closer_close(c->closer, c->sock);
	vfu_closer_stop(c->closer);
	vfu_closer_free(c->closer, vfu_now_ms() + CLOSER_MS);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->tx_lock);
	pthread_cond_destroy(&c->cond);
	vfu_client_free_ranges(c);
	free(c->dma_buf);
	free(c);
}

int
vfu_client_connect(const char *path, const struct vfu_client_params *params,
		struct vfu_client **client, char *err)
{
	struct sockaddr_un sa;
	struct vfu_client *c;
	int ret;

	err[0] = '\0';
	ret = vfu_socket_address(&sa, path, err);
	if (ret != 0)
		return ret;

	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		snprintf(err, VFU_ERR_LEN, "%s: out of memory", path);
		return -ENOMEM;
	}
	c->params = *params;
	if (c->params.timeout_ms == 0)
		c->params.timeout_ms = DEFAULT_TIMEOUT_MS;
	c->max_data = DMA_MAX;
	c->max_fds = VFIO_USER_DEFAULT_MSG_FDS;
	c->lost_reported = true; /* until connected, err reports the loss */
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->tx_lock, NULL);
	vfu_cond_init(&c->cond);
	c->dma_buf = malloc(DMA_MAX);
	c->closer = vfu_closer_new(0);
	c->sock = vfu_socket_new();
	if (c->sock < 0 || c->dma_buf == NULL || c->closer == NULL) {
		ret = c->sock < 0 ? -errno : -ENOMEM;
		snprintf(err, VFU_ERR_LEN, "%s: %s", path, strerror(-ret));
		goto fail;
	}
	vfu_closer_took(c->closer);
	vfu_client_limit(c, c->params.limit_ms);
	ret = connect_socket(c->sock, &sa, vfu_message_deadline(c));
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN, "%s: %s", path, connect_advice(ret));
		/* The kernel reports a file that is no socket like a socket without a server. */
		goto fail;
	}

	ret = vfu_thread_start(&c->thread, NULL, "client", receiver, c);
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN, "%s: cannot start a thread: %s", path, strerror(-ret));
		goto fail;
	}
	ret = negotiate(c, path, err);
	if (ret != 0) {
		vfu_client_close(c);
		return ret;
	}
	*client = c;
	pthread_mutex_lock(&c->lock);
	c->lost_reported = false;
	pthread_mutex_unlock(&c->lock);
	/* The connection may have been lost before the store to lost_reported. */
	if (c->lost)
		vfu_client_lose(c, c->why);
	return 0;
fail:
	client_free(c);
	return ret;
}

void
vfu_client_close(struct vfu_client *client)
{
	if (client == NULL)
		return;
	pthread_mutex_lock(&client->lock);
	client->lost_reported = true;
	pthread_mutex_unlock(&client->lock);
	vfu_client_lose(client, "closed");
	shutdown(client->sock, SHUT_RDWR); /* wakes the receiver */
	pthread_join(client->thread, NULL);
	client_free(client);
}

void
vfu_client_limit(struct vfu_client *client, unsigned int ms)
{
	client->limit = ms != 0 ? vfu_now_ms() + ms : 0;
}

bool
vfu_client_alive(const struct vfu_client *client)
{
	return !client->lost;
}

bool
vfu_client_quiesced(const struct vfu_client *client)
{
	struct pollfd pfd = { .fd = client->sock };

	/*
	 * Both directions are shut down: ours by vfu_client_lose(), the other when the server
	 * closed its end.
	 */
	return client->lost && poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP);
}
