/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The client.
 *
 *     caller: transact()                          receiving thread: receiver()
 *       struct call on its stack --> calls          vfu_rx_step(): one message
 *       client_send()                               reply   --> deliver(): finds the call by its
 *       sleeps on cond  <------ broadcast ------                msg_id, and puts the reply there
 *       takes the reply                             command --> serve(): DMA_READ, DMA_WRITE
 *
 * A caller puts a struct call on its stack into the list of calls, sends, and sleeps until the
 * receiving thread has put the reply there. The first thread that finds the connection broken,
 * caller or receiver, declares it lost, once, which wakes all callers.
 *
 * The server is also on the other side of a trust boundary: the client checks every number that
 * the server sends before it uses it.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <search.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "msg.h"
#include "thread.h"
#include "vfu_client.h"

#define DEFAULT_TIMEOUT_MS 5000
/* Free of charge for each message (VFU_CLIENT_WAIT_MS): the scheduler causes it, not the server. */
#define FREE_WAIT_MS 10
/* Maximum length of one DMA_READ or DMA_WRITE from the server, bytes. */
#define DMA_MAX 65536u
/* A larger region info cannot describe a region that the client could use. */
#define REGION_INFO_MAX 65536u

struct call {
	struct call *next;
	uint16_t id;
	struct vfu_msg *reply;
};

/* Mapped memory. The server may reach it by message, with or without a descriptor. */
struct range {
	uint64_t iova, last;
	uint32_t prot;
};

/*
 * The order of a tree of ranges. Ranges that overlap compare equal, so that the tree never holds
 * overlapping ranges.
 */
static int
compare_ranges(const void *one, const void *other)
{
	const struct range *a = one, *b = other;

	return a->last < b->iova ? -1 : a->iova > b->last;
}

struct vfu_client {
	struct vfu_client_params params;
	int sock;
	pthread_t thread;
	uint32_t max_data;          /* max_data_xfer_size of the server */
	uint32_t max_fds;           /* max_msg_fds of the server */
	bool io_page_table;         /* the server speaks the extension */

	pthread_mutex_t tx_lock;    /* protects the sending direction: one message at a time */

	pthread_mutex_t lock;       /* protects all below */
	pthread_cond_t cond;
	atomic_bool lost;           /* written under lock */
	_Atomic uint64_t limit;     /* by vfu_client_limit(), in vfu_now_ms() time; 0: none */
	bool started;               /* the first command is being sent */
	bool told;                  /* lost() was called, or must not be called */
	char why[112];
	uint16_t next_id;
	uint64_t waited, waited_at; /* against VFU_CLIENT_WAIT_MS; time of the last update */
	struct call *calls;
	void *ranges;               /* root of a tsearch() tree of struct range */

	uint8_t *dma_buf;           /* used by the receiving thread */
	struct vfu_closer *closer;  /* for the socket, and for descriptors from the server */
};

static void
lose(struct vfu_client *c, const char *why)
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

static int
client_send(struct vfu_client *c, struct vfio_user_header *hdr, const void *data, size_t len,
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
		lose(c, "server does not read its socket");
	else if (ret != 0)
		lose(c, "cannot send to the server");
	return ret == 0 || ret == -ETIMEDOUT ? ret : -ENODEV;
}

/*
 * Send one command and wait for its reply. On success *reply is the reply of the server, with a
 * payload of at least min bytes; the caller frees it by vfu_msg_free(). A reply that is too short
 * loses the connection, because then nothing else that the server sends can be trusted.
 */
static int
transact(struct vfu_client *c, uint16_t cmd, const void *data, size_t len, const void *more,
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
		lose(c, "server answers too slowly");
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

	ret = client_send(c, &hdr, data, len, more, more_len, fds, nr_fds);

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
		lose(c, "server does not answer");
	if (ret != 0) {
		vfu_msg_free(call.reply);
		return ret;
	}
	if (call.reply->hdr.cmd != cmd) {
		lose(c, "server's reply names another command than the request");
		ret = -ENODEV;
	} else if (call.reply->hdr.flags & VFIO_USER_F_ERROR) {
		uint32_t e = call.reply->hdr.error_no;

		/*
		 * An error number is optional in the protocol. Two of them mean to the caller that
		 * the connection is lost. Only this side may report that.
		 */
		ret = e != 0 && e < 4096 && e != ENODEV && e != ETIMEDOUT ? -(int)e : -EIO;
	} else if (call.reply->len < min) {
		lose(c, "server's reply is too short");
		ret = -ENODEV;
	}
	if (ret != 0) {
		vfu_msg_free(call.reply);
		return ret;
	}
	*reply = call.reply;
	return 0;
}

/*
 * The receiving thread.
 */

/* Return how many bytes of [iova, iova + len) are in the mapping of iova; 0: none are permitted. */
static uint64_t
allowed_piece(struct vfu_client *c, uint64_t iova, uint64_t len, uint32_t prot)
{
	const struct range first = { .iova = iova, .last = iova };
	uint64_t piece = 0;
	void *node;

	pthread_mutex_lock(&c->lock);
	node = tfind(&first, &c->ranges, compare_ranges);
	if (node != NULL) {
		const struct range *r = *(struct range **)node;

		if (r->prot & prot)
			piece = len - 1 <= r->last - iova ? len : r->last - iova + 1;
	}
	pthread_mutex_unlock(&c->lock);
	return piece;
}

/*
 * Report whether all of the range is mapped with the permission, in one mapping or adjacent ones.
 */
static bool
range_allowed(struct vfu_client *c, uint64_t iova, uint64_t len, uint32_t prot)
{
	uint64_t piece;

	if (len - 1 > UINT64_MAX - iova)
		return false;
	for (; len != 0; iova += piece, len -= piece) {
		piece = allowed_piece(c, iova, len, prot);
		if (piece == 0)
			return false;
	}
	return true;
}

/* Let the owner copy, mapping by mapping, because each may be a different memory. */
static int
copy_range(struct vfu_client *c, uint64_t iova, uint64_t len, const uint8_t *written)
{
	uint64_t done = 0, piece;
	int ret = 0;

	for (; ret == 0 && done < len; done += piece) {
		piece = allowed_piece(c, iova + done, len - done,
			written == NULL ? VFU_DMA_READ : VFU_DMA_WRITE);
		if (piece == 0) /* it was unmapped in the meantime */
			ret = -EFAULT;
		else if (written == NULL)
			ret = c->params.dma_read(c->params.opaque, iova + done, c->dma_buf + done,
				piece);
		else
			ret = c->params.dma_write(c->params.opaque, iova + done, written + done,
				piece);
	}
	return ret;
}

static void
serve_dma(struct vfu_client *c, const struct vfu_msg *msg)
{
	const struct vfio_user_dma_access *a = (const struct vfio_user_dma_access *)msg->data;
	struct vfio_user_header hdr = {
		.msg_id = msg->hdr.msg_id,
		.cmd = msg->hdr.cmd,
		.flags = VFIO_USER_F_TYPE_REPLY,
	};
	bool read = msg->hdr.cmd == VFIO_USER_DMA_READ;
	int ret;

	if (msg->len < sizeof(*a) || (!read && a->count != msg->len - sizeof(*a)))
		ret = -EINVAL;
	else if (a->count == 0 || a->count > DMA_MAX)
		ret = -EINVAL;
	else if (read ? c->params.dma_read == NULL : c->params.dma_write == NULL)
		ret = -EOPNOTSUPP;
	else if (!range_allowed(c, a->addr, a->count, read ? VFU_DMA_READ : VFU_DMA_WRITE))
		ret = -EFAULT;
	else
		ret = copy_range(c, a->addr, a->count, read ? NULL : a->data);

	if (msg->hdr.flags & VFIO_USER_F_NO_REPLY)
		return;
	if (ret != 0) {
		hdr.flags |= VFIO_USER_F_ERROR;
		hdr.error_no = ret < 0 ? (uint32_t)-ret : EIO;
		client_send(c, &hdr, NULL, 0, NULL, 0, NULL, 0);
	} else {
		client_send(c, &hdr, a, sizeof(*a), c->dma_buf, read ? a->count : 0, NULL, 0);
	}
}

static void
serve(struct vfu_client *c, struct vfu_msg *msg)
{
	struct vfio_user_header hdr = {
		.msg_id = msg->hdr.msg_id,
		.cmd = msg->hdr.cmd,
		.flags = VFIO_USER_F_TYPE_REPLY | VFIO_USER_F_ERROR,
		.error_no = EOPNOTSUPP,
	};

	if (msg->hdr.cmd == VFIO_USER_DMA_READ || msg->hdr.cmd == VFIO_USER_DMA_WRITE)
		serve_dma(c, msg);
	else if (!(msg->hdr.flags & VFIO_USER_F_NO_REPLY))
		client_send(c, &hdr, NULL, 0, NULL, 0, NULL, 0);
	vfu_msg_free(msg);
}

/* Hand a reply to the call that waits for it. */
static void
deliver(struct vfu_client *c, struct vfu_msg *msg)
{
	struct call **p;

	pthread_mutex_lock(&c->lock);
	for (p = &c->calls; *p != NULL && (*p)->id != msg->hdr.msg_id; p = &(*p)->next)
		;
	if (*p != NULL) {
		(*p)->reply = msg;
		*p = (*p)->next;
		msg = NULL;
		pthread_cond_broadcast(&c->cond);
	}
	pthread_mutex_unlock(&c->lock);
	if (msg != NULL) {
		vfu_msg_free(msg);
		lose(c, "server sent a reply to nothing that it was asked");
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
			lose(c, line);
		} else if ((msg->hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
			deliver(c, msg);
		} else {
			serve(c, msg);
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
	const struct vfio_user_version *v;
	struct vfu_msg *reply;
	struct vfu_caps caps = {
		.max_msg_fds = VFU_MSG_FDS,
		.max_data_xfer_size = DMA_MAX,
		.pgsizes = VFU_PAGE_SIZE, .has_pgsizes = true,
		.max_dma_maps = VFU_MAX_DMA_MAPS, .has_max_dma_maps = true,
		.io_page_table = VFU_IO_PAGE_TABLE_VERSION,
		.queue_pages = c->params.queue_pages ? VFU_QUEUE_PAGES_VERSION : 0,
	};
	const char *why;
	size_t len;
	int ret;

	req.v.major = VFIO_USER_MAJOR;
	req.v.minor = VFIO_USER_MINOR;
	len = vfu_caps_format(&caps, req.json, sizeof(req.json));
	ret = transact(c, VFIO_USER_VERSION, &req, sizeof(req.v) + len, NULL, 0, NULL, 0,
		sizeof(*v), &reply);
	if (ret == -ETIMEDOUT) {
		snprintf(err, VFU_ERR_LEN, "%s: nothing answers: is the server stopped?", path);
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
	} else if (vfu_caps_parse(&caps, (const char *)(v + 1), reply->len - sizeof(*v),
		&why) != 0) {
		snprintf(err, VFU_ERR_LEN, "%s: server's %s", path, why);
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
connect_socket(int sock, const struct sockaddr_un *sa, unsigned int timeout_ms)
{
	uint64_t deadline = vfu_now_ms() + timeout_ms;

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
		return "nobody listens there; start the server";
	case -EACCES:
		return "permission denied; the socket is its server's user's";
	case -ETIMEDOUT:
		return "nothing answers: is the server stopped?";
	default:
		return strerror(-ret);
	}
}

static void
client_free(struct vfu_client *c)
{
	if (c->sock >= 0)
		vfu_closer_close(c->closer, c->sock);
	vfu_closer_free(c->closer);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->tx_lock);
	pthread_cond_destroy(&c->cond);
	tdestroy(c->ranges, free);
	free(c->dma_buf);
	free(c);
}

int
vfu_client_connect(const char *path, const struct vfu_client_params *params,
		struct vfu_client **client, char *err)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	pthread_condattr_t attr;
	struct vfu_client *c;
	int ret;

	err[0] = '\0';
	if (strlen(path) == 0 || strlen(path) >= sizeof(sa.sun_path)) {
		snprintf(err, VFU_ERR_LEN, "socket path of %zu bytes; it must have 1 to %zu",
			strlen(path), sizeof(sa.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(sa.sun_path, path);

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
	c->told = true; /* until connected, err reports the loss */
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->tx_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->cond, &attr);
	pthread_condattr_destroy(&attr);
	c->dma_buf = malloc(DMA_MAX);
	c->closer = vfu_closer_new(0);
	c->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->sock < 0 || c->dma_buf == NULL || c->closer == NULL) {
		ret = c->sock < 0 ? -errno : -ENOMEM;
		snprintf(err, VFU_ERR_LEN, "%s: %s", path, strerror(-ret));
		goto fail;
	}
	vfu_closer_took(c->closer);
	ret = connect_socket(c->sock, &sa, c->params.timeout_ms);
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
	c->told = false;
	pthread_mutex_unlock(&c->lock);
	/* The connection may have been lost before the store to told. */
	if (c->lost)
		lose(c, c->why);
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
	client->told = true;
	pthread_mutex_unlock(&client->lock);
	lose(client, "closed");
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
	 * Both directions are shut down: ours by lose(), the other when the server closed its end.
	 */
	return client->lost && poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP);
}

/*
 * The commands.
 */

int
vfu_client_device_info(struct vfu_client *client, struct vfu_device_info *info)
{
	struct vfio_user_device_info req = { .argsz = sizeof(req) }, got;
	struct vfu_msg *reply;
	int ret = transact(client, VFIO_USER_DEVICE_GET_INFO, &req, sizeof(req), NULL, 0, NULL, 0,
		sizeof(got), &reply);

	if (ret != 0)
		return ret;
	memcpy(&got, reply->data, sizeof(got));
	vfu_msg_free(reply);
	info->flags = got.flags;
	info->num_regions = got.num_regions;
	info->num_irqs = got.num_irqs;
	return 0;
}

static bool
area_inside(uint64_t region_size, uint64_t offset, uint64_t size)
{
	return size != 0 && ((offset | size) & (VFU_PAGE_SIZE - 1)) == 0 &&
		offset <= region_size && size <= region_size - offset;
}

/* Walk the capabilities and collect the mappable areas. */
static int
parse_areas(struct vfu_region *region, const uint8_t *data, size_t len, uint32_t cap_offset)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area area;
	uint32_t offset = cap_offset, next;

	/* Offsets must grow, because a chain that leads back would never end. */
	for (; offset != 0; offset = next) {
		if (offset < sizeof(struct vfio_region_info) || offset > len ||
				len - offset < sizeof(cap.header))
			return -EPROTO;
		memcpy(&cap.header, data + offset, sizeof(cap.header));
		next = cap.header.next;
		if (next != 0 && next <= offset)
			return -EPROTO;
		if (cap.header.id != VFIO_REGION_INFO_CAP_SPARSE_MMAP)
			continue;
		if (len - offset < sizeof(cap))
			return -EPROTO;
		memcpy(&cap, data + offset, sizeof(cap));
		if (cap.nr_areas > VFU_MAX_AREAS - region->nr_areas)
			return -E2BIG;
		if (cap.nr_areas * sizeof(area) > len - offset - sizeof(cap))
			return -EPROTO;
		for (uint32_t i = 0; i < cap.nr_areas; i++) {
			memcpy(&area, data + offset + sizeof(cap) + i * sizeof(area), sizeof(area));
			if (!area_inside(region->size, area.offset, area.size))
				return -EPROTO;
			region->areas[region->nr_areas].offset = area.offset;
			region->areas[region->nr_areas].size = area.size;
			region->nr_areas++;
		}
	}
	return 0;
}

/*
 * Report whether the file holds all areas, because an access beyond the end of a file raises SIGBUS
 * in the driver. (The file is memory, which answers fstat() at once.)
 */
static bool
file_holds(const struct vfu_region *region)
{
	uint64_t end = region->nr_areas == 0 ? region->size : 0;
	struct stat st;

	for (unsigned int i = 0; i < region->nr_areas; i++) {
		if (region->areas[i].offset + region->areas[i].size > end)
			end = region->areas[i].offset + region->areas[i].size;
	}
	if (fstat(region->fd, &st) != 0)
		return false;
	return region->fd_offset <= (uint64_t)st.st_size &&
		end <= (uint64_t)st.st_size - region->fd_offset;
}

int
vfu_client_region_info(struct vfu_client *client, unsigned int index, struct vfu_region *region)
{
	struct vfio_region_info req, got;
	struct vfu_msg *reply;
	unsigned int asked = 0;
	int ret;

	memset(region, 0, sizeof(*region));
	region->fd = -1;
	memset(&req, 0, sizeof(req));
	req.index = index;
	req.argsz = sizeof(req) + sizeof(struct vfio_region_info_cap_sparse_mmap) +
		VFU_MAX_AREAS * sizeof(struct vfio_region_sparse_mmap_area);
	for (;;) {
		ret = transact(client, VFIO_USER_DEVICE_GET_REGION_INFO, &req, sizeof(req), NULL, 0,
			NULL, 0, sizeof(got), &reply);
		if (ret != 0)
			return ret;
		memcpy(&got, reply->data, sizeof(got));
		/*
		 * Ask once more with the room that the server needs; if the size grows again, it is
		 * wrong.
		 */
		if (got.argsz <= req.argsz)
			break;
		vfu_msg_free(reply);
		if (asked++ != 0)
			return -EPROTO;
		if (got.argsz > REGION_INFO_MAX)
			return -E2BIG;
		req.argsz = got.argsz;
	}

	ret = -EPROTO;
	if (got.index != index || got.size > INT64_MAX)
		goto out;
	region->size = got.size;
	region->flags = got.flags & (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
		VFIO_REGION_INFO_FLAG_MMAP);
	region->fd_offset = got.offset;
	/* The driver maps memory only (foreign_fd.h); it uses every other region by message. */
	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP) || got.size == 0 || reply->nr_fds == 0 ||
			reply->fds[0] < 0 || !vfu_fd_is_memory(reply->fds[0])) {
		region->flags &= ~VFIO_REGION_INFO_FLAG_MMAP;
		ret = 0;
		goto out;
	}
	if (got.flags & VFIO_REGION_INFO_FLAG_CAPS) {
		ret = parse_areas(region, reply->data, reply->len, got.cap_offset);
		if (ret != 0)
			goto out;
		ret = -EPROTO;
	}
	if (got.offset > INT64_MAX || (got.offset & (VFU_PAGE_SIZE - 1)) != 0)
		goto out;
	region->fd = reply->fds[0];
	if (!file_holds(region)) {
		region->fd = -1;
		goto out;
	}
	reply->fds[0] = -1;
	ret = 0;
out:
	vfu_msg_free(reply);
	if (ret != 0) {
		memset(region, 0, sizeof(*region));
		region->fd = -1;
	}
	return ret;
}

int
vfu_client_irq_info(struct vfu_client *client, unsigned int index, struct vfu_irq_info *info)
{
	struct vfio_irq_info req = { .argsz = sizeof(req), .index = index }, got;
	struct vfu_msg *reply;
	int ret = transact(client, VFIO_USER_DEVICE_GET_IRQ_INFO, &req, sizeof(req), NULL, 0, NULL,
		0, sizeof(got), &reply);

	if (ret != 0)
		return ret;
	memcpy(&got, reply->data, sizeof(got));
	vfu_msg_free(reply);
	if (got.index != index)
		return -EPROTO;
	info->flags = got.flags;
	info->count = got.count;
	return 0;
}

int
vfu_client_region_read(struct vfu_client *client, unsigned int index, uint64_t offset,
		void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len != 0) {
		uint32_t n = len < client->max_data ? (uint32_t)len : client->max_data;
		struct vfio_user_region_access req = { .offset = offset, .region = index,
			.count = n };
		const struct vfio_user_region_access *got;
		struct vfu_msg *reply;
		int ret = transact(client, VFIO_USER_REGION_READ, &req, sizeof(req), NULL, 0, NULL,
			0, sizeof(req), &reply);

		if (ret != 0)
			return ret;
		got = (const struct vfio_user_region_access *)reply->data;
		if (got->count != n || reply->len != sizeof(req) + n) {
			vfu_msg_free(reply);
			return -EPROTO;
		}
		memcpy(p, got->data, n);
		vfu_msg_free(reply);
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

int
vfu_client_region_write(struct vfu_client *client, unsigned int index, uint64_t offset,
		const void *buf, size_t len)
{
	const uint8_t *p = buf;

	while (len != 0) {
		uint32_t n = len < client->max_data ? (uint32_t)len : client->max_data;
		struct vfio_user_region_access req = { .offset = offset, .region = index,
			.count = n };
		const struct vfio_user_region_access *got;
		struct vfu_msg *reply;
		bool fits;
		int ret = transact(client, VFIO_USER_REGION_WRITE, &req, sizeof(req), p, n, NULL, 0,
			sizeof(req), &reply);

		if (ret != 0)
			return ret;
		got = (const struct vfio_user_region_access *)reply->data;
		fits = got->count == n;
		vfu_msg_free(reply);
		if (!fits)
			return -EPROTO;
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int
set_irqs(struct vfu_client *client, uint32_t flags, unsigned int index, unsigned int start,
		unsigned int count, const int *fds, unsigned int nr_fds)
{
	struct vfio_irq_set req = {
		.argsz = sizeof(req),
		.flags = flags,
		.index = index,
		.start = start,
		.count = count,
	};
	struct vfu_msg *reply;
	int ret = transact(client, VFIO_USER_DEVICE_SET_IRQS, &req, sizeof(req), NULL, 0, fds,
		nr_fds, 0, &reply);

	if (ret == 0)
		vfu_msg_free(reply);
	return ret;
}

int
vfu_client_set_irq_fds(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count, const int *fds)
{
	if (fds == NULL)
		return count == 0 ? set_irqs(client, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0,
			NULL, 0) :
			-EINVAL;

	/*
	 * A message has one descriptor for each of its vectors, or none at all, and at most max_fds
	 * and VFU_MSG_FDS of them.
	 */
	for (unsigned int i = 0, n; i < count; i += n) {
		bool wired = fds[i] >= 0;
		int ret;

		for (n = 1; i + n < count && (fds[i + n] >= 0) == wired; n++) {
			if (wired && (n == client->max_fds || n == VFU_MSG_FDS))
				break;
		}
		if (wired && client->max_fds == 0)
			return -EOPNOTSUPP;
		ret = set_irqs(client, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index,
			start + i, n,
			wired ? &fds[i] : NULL, wired ? n : 0);
		if (ret != 0)
			return ret;
	}
	return 0;
}

int
vfu_client_unmask_irqs(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count)
{
	return set_irqs(client, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, index, start,
		count, NULL, 0);
}

/*
 * DMA. The client adds a range before it sends DMA_MAP, because the server may use the range at
 * once, and removes the range after the server has released it.
 */

static int
add_range(struct vfu_client *c, uint64_t iova, uint64_t size, uint32_t prot)
{
	struct range *r = malloc(sizeof(*r));
	void *node;
	int ret = 0;

	if (r == NULL)
		return -ENOMEM;
	*r = (struct range){ .iova = iova, .last = iova + (size - 1), .prot = prot };
	pthread_mutex_lock(&c->lock);
	node = tsearch(r, &c->ranges, compare_ranges);
	if (node == NULL)
		ret = -ENOMEM;
	else if (*(struct range **)node != r)
		ret = -EEXIST;
	pthread_mutex_unlock(&c->lock);
	if (ret != 0)
		free(r);
	return ret;
}

static void
forget_ranges(struct vfu_client *c, uint64_t iova, uint64_t size)
{
	const struct range gone = { .iova = iova, .last = iova + (size - 1) };
	void *node;

	pthread_mutex_lock(&c->lock);
	while ((node = tfind(&gone, &c->ranges, compare_ranges)) != NULL) {
		struct range *r = *(struct range **)node;

		tdelete(r, &c->ranges, compare_ranges);
		free(r);
	}
	pthread_mutex_unlock(&c->lock);
}

static bool
dma_range_ok(uint64_t iova, uint64_t size)
{
	return size != 0 && ((iova | size) & (VFU_PAGE_SIZE - 1)) == 0 &&
		size - 1 <= UINT64_MAX - iova;
}

int
vfu_client_dma_map(struct vfu_client *client, int fd, uint64_t offset, uint64_t iova,
		uint64_t size, uint32_t prot)
{
	struct vfio_user_dma_map req = {
		.argsz = sizeof(req),
		.flags = prot,
		.offset = fd >= 0 ? offset : 0,
		.addr = iova,
		.size = size,
	};
	struct vfu_msg *reply;
	int ret;

	if (!dma_range_ok(iova, size) || prot == 0 || (prot & ~(VFU_DMA_READ | VFU_DMA_WRITE)) != 0)
		return -EINVAL;
	if (fd >= 0 && client->max_fds == 0)
		return -EOPNOTSUPP;
	ret = add_range(client, iova, size, prot);
	if (ret != 0)
		return ret;
	ret = transact(client, VFIO_USER_DMA_MAP, &req, sizeof(req), NULL, 0, &fd, fd >= 0 ? 1 : 0,
		0, &reply);
	if (ret == 0)
		vfu_msg_free(reply);
	else
		forget_ranges(client, iova, size);
	return ret;
}

int
vfu_client_dma_unmap(struct vfu_client *client, uint64_t iova, uint64_t size)
{
	struct vfio_user_dma_unmap req = { .argsz = sizeof(req), .addr = iova, .size = size };
	struct vfu_msg *reply;
	int ret;

	if (!dma_range_ok(iova, size))
		return -EINVAL;
	ret = transact(client, VFIO_USER_DMA_UNMAP, &req, sizeof(req), NULL, 0, NULL, 0, 0, &reply);
	if (ret == 0) {
		const struct vfio_user_dma_unmap *u = (const void *)reply->data;

		/*
		 * For a range without mappings, some servers report ENOENT, and others a size of 0
		 * bytes.
		 */
		if (reply->len >= sizeof(*u) && u->size == 0)
			ret = -ENOENT;
		vfu_msg_free(reply);
	}
	if (ret == 0 || ret == -ENOENT)
		forget_ranges(client, iova, size);
	return ret;
}

int
vfu_client_page_table(struct vfu_client *client, int fd, uint64_t base, uint64_t nr)
{
	struct vfio_user_io_page_table req = { .argsz = sizeof(req), .base = base, .nr = nr };
	struct vfu_msg *reply;
	int ret;

	if (!client->io_page_table || client->max_fds == 0)
		return -EOPNOTSUPP;
	ret = transact(client, VFIO_USER_IO_PAGE_TABLE, &req, sizeof(req), NULL, 0, &fd, 1, 0,
		&reply);
	if (ret == 0)
		vfu_msg_free(reply);
	return ret;
}

int
vfu_client_reset(struct vfu_client *client)
{
	struct vfu_msg *reply;
	int ret = transact(client, VFIO_USER_DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0, 0, &reply);

	if (ret == 0)
		vfu_msg_free(reply);
	return ret;
}
