/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server: its control thread, the connection, and the commands.
 *
 *     control_thread()
 *       wait_for_work()    offline for RCU: poll() of socket, listener, wake_fd; reads messages
 *       check_drop()       reasons of other threads to end the connection
 *       handle()           one command: execute() --> do_*(), then the reply
 *       detach()           if the connection is dead: ops.detached(), forget the client
 *
 * server_priv.h describes what the threads share, and how.
 */

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server_priv.h"
#include "thread.h"

#define MAX_COMPLAINTS 10
#define CLOSING_MS     20 /* interval of checks whether descriptors are closed */

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

static struct vfu_conn *
conn_new(int sock, struct vfu_closer *closer)
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

static void
conn_free(struct vfu_conn *conn)
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
static void
check_message(struct vfu_conn *conn)
{
	if (conn->rx_deadline != 0 && vfu_ms_left(conn->rx_deadline) == 0)
		vfu_conn_kill(conn, "client began a message and did not send the rest of it");
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

/* Send. A client that does not read the message in time is dropped. */
static int
conn_send(struct vfu_conn *conn, struct vfio_user_header *hdr, const void *data, size_t len,
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

	ret = conn_send(conn, &hdr, data, len, more, more_len, NULL, 0, deadline_ms);

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
				receive(s, conn);
			end_reading(conn);
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

/*
 * The commands. Each returns 0 or a negative errno value. On an error, reply.why explains in words
 * what the number does not. The payload of the reply is built in s->out.
 */

struct reply {
	size_t len;           /* of s->out, bytes */
	int fd;               /* sent with the reply, but not closed; -1: none */
	const char *why;
	bool drop;            /* end the connection after the reply */
};

static int
do_version(struct vfu_server *s, struct vfu_conn *conn, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_version *v = (const struct vfio_user_version *)msg->data;
	struct vfio_user_version *out = (struct vfio_user_version *)s->out;
	struct vfu_caps caps;
	int ret;

	r->why = "VERSION: a second one";
	if (conn->versioned)
		return -EINVAL;
	/* After an error below, neither side knows what the other understands. */
	r->drop = true;
	r->why = "VERSION: too short";
	if (msg->len < sizeof(*v))
		return -EINVAL;
	r->why = "VERSION: major version is not 0";
	if (v->major != VFIO_USER_MAJOR)
		return -EINVAL;
	ret = vfu_caps_parse(&caps, (const char *)(v + 1), msg->len - sizeof(*v), &r->why);
	if (ret != 0)
		return ret;
	r->drop = false;

	conn->versioned = true;
	if (caps.max_data_xfer_size < conn->max_dma_xfer)
		conn->max_dma_xfer = caps.max_data_xfer_size;

	out->major = VFIO_USER_MAJOR;
	out->minor = v->minor < VFIO_USER_MINOR ? v->minor : VFIO_USER_MINOR;
	caps.max_msg_fds = VFU_MSG_FDS;
	caps.max_data_xfer_size = VFU_MSG_DATA_MAX;
	/* Offer the limit of the client if it is lower, because QEMU refuses a higher one. */
	if (caps.max_dma_maps > VFU_MAX_DMA_MAPS)
		caps.max_dma_maps = VFU_MAX_DMA_MAPS;
	/* Each may become a separate mapping in this process. */
	if (caps.max_dma_maps > s->desc.limits.max_maps)
		caps.max_dma_maps = s->desc.limits.max_maps;
	caps.pgsizes = VFU_PAGE_SIZE;
	if (s->desc.no_page_table)
		caps.io_page_table = 0;
	conn->io_page_table = caps.io_page_table != 0;
	if (caps.queue_pages != 0 && s->ops.queue_pages != NULL)
		conn->queue_pages = s->ops.queue_pages(s->opaque);
	if (conn->queue_pages < 0)
		caps.queue_pages = 0;
	r->len = sizeof(*out) + vfu_caps_format(&caps, (char *)(out + 1), 512);

	s->attached = true;
	atomic_fetch_add(&s->stats.clients, 1);
	s->ops.attached(s->opaque);
	return 0;
}

static int
do_dma_map(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_dma_map *m = (const struct vfio_user_dma_map *)msg->data;

	r->why = "DMA_MAP: too short";
	if (msg->len < sizeof(*m) || m->argsz < sizeof(*m))
		return -EINVAL;
	r->why = "DMA_MAP: more than one file descriptor";
	if (msg->nr_fds > 1)
		return -EINVAL;
	return vfu_dma_map(s, m, msg->nr_fds == 1 ? msg->fds[0] : -1, &r->why);
}

static int
do_dma_unmap(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_dma_unmap *u = (const struct vfio_user_dma_unmap *)msg->data;
	struct vfio_user_dma_unmap *out = (struct vfio_user_dma_unmap *)s->out;
	int ret = 0;

	r->why = "DMA_UNMAP: too short";
	if (msg->len < sizeof(*u) || u->argsz < sizeof(*u))
		return -EINVAL;
	r->why = "DMA_UNMAP: flags other than VFIO_DMA_UNMAP_FLAG_ALL";
	if (u->flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	*out = *u;
	if (u->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		r->why = "DMA_UNMAP: everything goes with address and size 0";
		if (u->addr != 0 || u->size != 0)
			return -EINVAL;
		vfu_dma_unmap_all(s);
	} else {
		ret = vfu_dma_unmap(s, u->addr, &out->size, &r->why);
	}
	r->len = sizeof(*out);
	return ret;
}

static int
do_io_page_table(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_io_page_table *p = (const void *)msg->data;

	r->why = "IO_PAGE_TABLE: too short";
	if (msg->len < sizeof(*p) || p->argsz < sizeof(*p))
		return -EINVAL;
	r->why = "IO_PAGE_TABLE: must come with one file descriptor";
	if (msg->nr_fds != 1)
		return -EINVAL;
	return vfu_dma_set_page_table(s, p, msg->fds[0], &r->why);
}

static int
do_device_info(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_device_info *in = (const struct vfio_user_device_info *)msg->data;
	struct vfio_user_device_info *out = (struct vfio_user_device_info *)s->out;

	r->why = "DEVICE_GET_INFO: too short";
	if (msg->len < sizeof(*in) || in->argsz < sizeof(*in))
		return -EINVAL;
	out->argsz = sizeof(*out);
	out->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	out->num_regions = VFU_SRV_REGIONS;
	out->num_irqs = VFU_SRV_IRQS;
	r->len = sizeof(*out);
	return 0;
}

static int
do_region_info(struct vfu_server *s, struct vfu_conn *conn, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_region_info *in = (const struct vfio_region_info *)msg->data;
	struct vfio_region_info *out = (struct vfio_region_info *)s->out;
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(out + 1);
	unsigned int index, n;
	uint32_t argsz, need;
	int fd;

	r->why = "DEVICE_GET_REGION_INFO: too short";
	if (msg->len < sizeof(*in) || in->argsz < sizeof(*in))
		return -EINVAL;
	r->why = "DEVICE_GET_REGION_INFO: no such region";
	if (in->index >= VFU_SRV_REGIONS)
		return -EINVAL;
	index = in->index;
	argsz = in->argsz;
	n = s->desc.regions[index].nr_areas;
	fd = s->desc.regions[index].fd;
	if (n != 0 && fd < 0) {
		/* Only a client that knows these registers may map them. */
		fd = conn->queue_pages;
		n = fd < 0 ? 0 : n;
	}
	need = sizeof(*out);
	if (n != 0)
		need += sizeof(*cap) + n * sizeof(cap->areas[0]);

	memset(out, 0, need);
	out->argsz = need;
	out->index = index;
	out->size = s->desc.regions[index].size;
	out->flags = s->desc.regions[index].flags;
	if (n != 0 && argsz >= need) {
		out->flags |= VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS;
		out->cap_offset = sizeof(*out);
		cap->header.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP;
		cap->header.version = 1;
		cap->nr_areas = n;
		for (unsigned int i = 0; i < n; i++) {
			cap->areas[i].offset = s->desc.regions[index].areas[i].offset;
			cap->areas[i].size = s->desc.regions[index].areas[i].size;
		}
		r->fd = fd;
	} else if (n != 0) {
		/*
		 * The client asks again with the argsz of this reply, and then gets the descriptor.
		 */
		out->flags |= VFIO_REGION_INFO_FLAG_MMAP;
		need = sizeof(*out);
	} else if (out->flags & VFIO_REGION_INFO_FLAG_MMAP) {
		r->fd = fd;
	}
	r->len = need;
	return 0;
}

static int
do_region_io_fds(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_region_io_fds *in = (const void *)msg->data;
	struct vfio_user_region_io_fds *out = (struct vfio_user_region_io_fds *)s->out;

	r->why = "DEVICE_GET_REGION_IO_FDS: too short, or fields that must be 0";
	if (msg->len < sizeof(*in) || in->argsz < sizeof(*in) || in->flags != 0 || in->count != 0)
		return -EINVAL;
	r->why = "DEVICE_GET_REGION_IO_FDS: no such region";
	if (in->index >= VFU_SRV_REGIONS)
		return -EINVAL;
	/* There are none: the device polls doorbells in memory, and traps the rest. */
	out->argsz = sizeof(*out);
	out->flags = 0;
	out->index = in->index;
	out->count = 0;
	r->len = sizeof(*out);
	return 0;
}

static int
do_irq_info(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_irq_info *in = (const struct vfio_irq_info *)msg->data;
	struct vfio_irq_info *out = (struct vfio_irq_info *)s->out;

	r->why = "DEVICE_GET_IRQ_INFO: too short";
	if (msg->len < sizeof(*in) || in->argsz < sizeof(*in))
		return -EINVAL;
	r->why = "DEVICE_GET_IRQ_INFO: no such interrupt index";
	if (in->index >= VFU_SRV_IRQS)
		return -EINVAL;
	out->argsz = sizeof(*out);
	out->index = in->index;
	out->count = s->desc.irq_counts[in->index];
	out->flags = VFIO_IRQ_INFO_EVENTFD;
	if (in->index == VFIO_PCI_INTX_IRQ_INDEX)
		out->flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	r->len = sizeof(*out);
	return 0;
}

static int
do_set_irqs(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_irq_set *set = (const struct vfio_irq_set *)msg->data;

	r->why = "DEVICE_SET_IRQS: too short";
	if (msg->len < sizeof(*set) || set->argsz < sizeof(*set))
		return -EINVAL;
	return vfu_irq_set(s, set, set->data, msg->len - sizeof(*set), msg->fds, msg->nr_fds,
		&r->why);
}

/* Report whether the region exists, contains the range, and permits the access. */
static int
check_access(const struct vfu_server *s, uint32_t region, uint64_t offset, uint64_t count,
		uint32_t flag, const char **why)
{
	*why = "region access: no such region";
	if (region >= VFU_SRV_REGIONS)
		return -EINVAL;
	*why = "region access: beyond the region's end";
	if (offset > s->desc.regions[region].size || count > s->desc.regions[region].size - offset)
		return -EINVAL;
	*why = "region access: the region is not readable, or not writable";
	if (!(s->desc.regions[region].flags & flag))
		return -EPERM;
	return 0;
}

static int
do_region_read(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_region_access *in = (const void *)msg->data;
	struct vfio_user_region_access *out = (struct vfio_user_region_access *)s->out;
	int ret;

	r->why = "REGION_READ: too short, or more than max_data_xfer_size";
	if (msg->len < sizeof(*in) || in->count > VFU_MSG_DATA_MAX)
		return -EINVAL;
	ret = check_access(s, in->region, in->offset, in->count, VFIO_REGION_INFO_FLAG_READ,
		&r->why);
	if (ret != 0)
		return ret;
	*out = *in;
	r->why = "REGION_READ: refused by the device";
	/*
	 * The device fills the data; bytes that it leaves out must not disclose an earlier reply.
	 */
	memset(out->data, 0, in->count);
	if (in->count != 0)
		ret = s->ops.region_read(s->opaque, in->region, in->offset, out->data, in->count);
	r->len = sizeof(*out) + in->count;
	return ret;
}

static int
do_region_write(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_region_access *in = (const void *)msg->data;
	struct vfio_user_region_access *out = (struct vfio_user_region_access *)s->out;
	int ret;

	r->why = "REGION_WRITE: count and message size do not fit";
	if (msg->len < sizeof(*in) || in->count != msg->len - sizeof(*in))
		return -EINVAL;
	ret = check_access(s, in->region, in->offset, in->count, VFIO_REGION_INFO_FLAG_WRITE,
		&r->why);
	if (ret != 0)
		return ret;
	r->why = "REGION_WRITE: refused by the device";
	if (in->count != 0)
		ret = s->ops.region_write(s->opaque, in->region, in->offset, in->data, in->count);
	*out = *in;
	r->len = sizeof(*out);
	return ret;
}

static int
do_region_write_multi(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_user_region_write *wr;
	uint64_t n;
	int ret;

	r->why = "REGION_WRITE_MULTI: count and message size do not fit";
	if (msg->len < sizeof(n))
		return -EINVAL;
	memcpy(&n, msg->data, sizeof(n));
	if (n > VFU_MSG_DATA_MAX / sizeof(*wr) || msg->len != sizeof(n) + n * sizeof(*wr))
		return -EINVAL;
	wr = (const struct vfio_user_region_write *)(msg->data + sizeof(n));
	/* Check all writes before the first one is done, so that a bad message has no effect. */
	for (uint64_t i = 0; i < n; i++) {
		r->why = "REGION_WRITE_MULTI: a write of more than 8 bytes";
		if (wr[i].count > sizeof(wr[i].data))
			return -EINVAL;
		ret = check_access(s, wr[i].region, wr[i].offset, wr[i].count,
			VFIO_REGION_INFO_FLAG_WRITE, &r->why);
		if (ret != 0)
			return ret;
	}
	r->why = "REGION_WRITE_MULTI: refused by the device";
	for (uint64_t i = 0; i < n; i++) {
		ret = 0;
		if (wr[i].count != 0)
			ret = s->ops.region_write(s->opaque, wr[i].region, wr[i].offset, wr[i].data,
				wr[i].count);
		if (ret != 0)
			return ret;
	}
	memcpy(s->out, &n, sizeof(n));
	r->len = sizeof(n);
	return 0;
}

static int
do_reset(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	r->why = "DEVICE_RESET: has no payload";
	if (msg->len != 0)
		return -EINVAL;
	r->why = "DEVICE_RESET: refused by the device";
	return s->ops.reset(s->opaque);
}

static int
execute(struct vfu_server *s, struct vfu_conn *conn, struct vfu_msg *msg, struct reply *r)
{
	uint16_t cmd = msg->hdr.cmd;

	r->why = "more file descriptors than one message may have";
	if (msg->fds_lost)
		return -EMFILE;
	r->why = "command before VERSION";
	if (cmd != VFIO_USER_VERSION && !conn->versioned)
		return -EINVAL;
	/* The SPDK client also sends the descriptor of the memory with DMA_UNMAP. */
	r->why = "file descriptors with a command that has none";
	if (msg->nr_fds != 0 && cmd != VFIO_USER_DMA_MAP && cmd != VFIO_USER_DMA_UNMAP &&
			cmd != VFIO_USER_DEVICE_SET_IRQS && cmd != VFIO_USER_IO_PAGE_TABLE)
		return -EINVAL;
	if (msg->nr_fds != 0 && vfu_closer_held(s->closer) > s->desc.limits.max_fds) {
		r->why = vfu_why(s, "this client has %u file descriptors open here, its limit is "
			"max_fds=%u", vfu_closer_held(s->closer), s->desc.limits.max_fds);
		return -EMFILE;
	}

	switch (cmd) {
	case VFIO_USER_VERSION:
		return do_version(s, conn, msg, r);
	case VFIO_USER_DMA_MAP:
		return do_dma_map(s, msg, r);
	case VFIO_USER_DMA_UNMAP:
		return do_dma_unmap(s, msg, r);
	case VFIO_USER_DEVICE_GET_INFO:
		return do_device_info(s, msg, r);
	case VFIO_USER_DEVICE_GET_REGION_INFO:
		return do_region_info(s, conn, msg, r);
	case VFIO_USER_DEVICE_GET_REGION_IO_FDS:
		return do_region_io_fds(s, msg, r);
	case VFIO_USER_DEVICE_GET_IRQ_INFO:
		return do_irq_info(s, msg, r);
	case VFIO_USER_DEVICE_SET_IRQS:
		return do_set_irqs(s, msg, r);
	case VFIO_USER_REGION_READ:
		return do_region_read(s, msg, r);
	case VFIO_USER_REGION_WRITE:
		return do_region_write(s, msg, r);
	case VFIO_USER_REGION_WRITE_MULTI:
		return do_region_write_multi(s, msg, r);
	case VFIO_USER_DEVICE_RESET:
		return do_reset(s, msg, r);
	case VFIO_USER_IO_PAGE_TABLE:
		if (conn->io_page_table)
			return do_io_page_table(s, msg, r);
		r->why = "IO_PAGE_TABLE: the extension was not negotiated";
		return -EOPNOTSUPP;
	case VFIO_USER_DMA_READ:
	case VFIO_USER_DMA_WRITE:
		r->why = "DMA_READ and DMA_WRITE go from server to client";
		return -EINVAL;
	default:
		r->why = "command that is not known here";
		return -EOPNOTSUPP;
	}
}

/* Carry out a command and reply. Consumes the message. */
static void
handle(struct vfu_server *s, struct vfu_conn *conn, struct vfu_msg *msg)
{
	struct reply r = { .fd = -1, .why = "" };
	struct vfio_user_header hdr = {
		.msg_id = msg->hdr.msg_id,
		.cmd = msg->hdr.cmd,
		.flags = VFIO_USER_F_TYPE_REPLY,
	};
	bool reply = !(msg->hdr.flags & VFIO_USER_F_NO_REPLY);
	int ret;

	/*
	 * The command is ordered behind the accesses of the device so far, and the reply behind the
	 * accesses that the command causes.
	 */
	vfu_dma_wait(s);
	ret = execute(s, conn, msg, &r);
	vfu_dma_wait(s);

	/* Before the reply: after it, the client may rely on its descriptors being released. */
	vfu_msg_free(msg);
	if (ret < 0) {
		atomic_fetch_add(&s->stats.bad_messages, 1);
		vfu_server_complain(s, conn, "client's message refused: %s (command %u: %s)", r.why,
			hdr.cmd, strerror(-ret));
		hdr.flags |= VFIO_USER_F_ERROR;
		hdr.error_no = (uint32_t)-ret;
		/*
		 * The specification: "If an error occurs, the reply message must only include the
		 * reply header."
		 */
		r.len = 0;
		r.fd = -1;
	}
	if (reply) {
		/* conn_send() may wait for the client; this thread holds no pointer. */
		vfu_rcu_offline();
		conn_send(conn, &hdr, s->out, r.len, NULL, 0, &r.fd, r.fd >= 0 ? 1 : 0,
			vfu_now_ms() + VFU_SEND_MS);
		vfu_rcu_online();
	}
	if (r.drop)
		vfu_conn_kill(conn, r.why);
}

/*
 * The control thread.
 */

static void
accept_client(struct vfu_server *s)
{
	struct vfu_conn *conn;
	struct ucred peer;
	socklen_t peer_len = sizeof(peer);
	int sock = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0) {
		/*
		 * The process is out of descriptors: the client stays in the backlog; do not spin.
		 */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			poll(NULL, 0, 100);
		return;
	}
	vfu_closer_took(s->closer);
	if (s->conn != NULL) {
		vfu_refuse_add(s, sock);
		return;
	}
	conn = conn_new(sock, s->closer);
	if (conn == NULL) {
		vfu_closer_close(s->closer, sock);
		return;
	}
	/* These were meant for the client before. */
	atomic_store(&s->poisoned, false);
	atomic_store(&s->drop, false);
	atomic_store(&s->stats.client, true);
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0)
		atomic_store(&s->peer, peer.pid);
	__atomic_store_n(&s->conn, conn, __ATOMIC_RELEASE);
}

static void
detach(struct vfu_server *s)
{
	struct vfu_conn *conn = s->conn;

	vfu_conn_kill(conn, "connection closed");
	if (s->attached)
		s->ops.detached(s->opaque, conn->why);
	s->attached = false;
	vfu_async_forget_client(s);
	__atomic_store_n(&s->conn, NULL, __ATOMIC_RELEASE);
	vfu_irq_unwire_all(s);
	vfu_dma_forget_client(s);
	conn_free(conn);
	atomic_store(&s->stats.client, false);
}

/* Check the reasons to end the connection that other threads set, and the deadlines. */
static void
check_drop(struct vfu_server *s)
{
	const char *why;

	if (s->conn == NULL) {
		atomic_store(&s->drop, false);
		return;
	}
	if (atomic_load(&s->poisoned))
		vfu_conn_kill(s->conn, "client truncated memory that it had shared");
	if (atomic_exchange(&s->drop, false)) {
		pthread_mutex_lock(&s->drop_lock);
		vfu_conn_kill(s->conn, s->drop_why);
		pthread_mutex_unlock(&s->drop_lock);
	}
	why = vfu_closer_refuses(s->closer);
	if (why != NULL)
		vfu_conn_kill(s->conn, why);
	if (!s->conn->versioned && vfu_ms_left(s->conn->handshake_deadline) == 0)
		vfu_conn_kill(s->conn, "client sent no VERSION");
}

/*
 * Wait until there is something to do, offline for RCU.
 * @return the next command, owned by the caller; NULL: other work, or none
 */
static struct vfu_msg *
wait_for_work(struct vfu_server *s, bool *unmask)
{
	struct vfu_conn *conn = s->conn;
	struct vfu_msg *msg = NULL;
	struct pollfd pfds[4 + VFU_REFUSALS] = {
		{ .fd = s->wake_fd, .events = POLLIN },
		{ .fd = s->listen_fd, .events = POLLIN },
		{ .fd = -1, .events = POLLIN | POLLRDHUP },
		{ .fd = s->unmask_epoll, .events = POLLIN },
	};
	int timeout = -1;
	uint64_t count;

	if (conn != NULL) {
		struct timespec ts;

		pthread_mutex_lock(&conn->lock);
		msg = conn->queue;
		if (msg != NULL) {
			conn->queue = msg->next;
			if (conn->queue == NULL)
				conn->queue_tail = &conn->queue;
			conn->nr_queued--;
			conn->queued_bytes -= msg->len;
			conn->queued_fds -= msg->nr_fds;
		}
		if (msg != NULL || conn->dead) {
			pthread_mutex_unlock(&conn->lock);
			return msg;
		}
		if (conn->reading) {
			/*
			 * The DMA thread reads, for desc.dma_timeout_ms at most. Return after 20 ms
			 * to do other work in the meantime.
			 */
			vfu_set_deadline(&ts, vfu_now_ms() + 20);
			pthread_cond_timedwait(&conn->cond, &conn->lock, &ts);
			pthread_mutex_unlock(&conn->lock);
			return NULL;
		}
		conn->reading = true;
		pthread_mutex_unlock(&conn->lock);
		pfds[2].fd = conn->sock;
		if (!conn->versioned)
			timeout = vfu_ms_left(conn->handshake_deadline);
		else if (conn->rx_deadline != 0)
			timeout = vfu_ms_left(conn->rx_deadline);
	}

	/* Clients left descriptors that are still being closed: accept no other one until then. */
	if (vfu_closer_refuses(s->closer) != NULL) {
		pfds[1].fd = -1;
		timeout = timeout < 0 || timeout > CLOSING_MS ? CLOSING_MS : timeout;
	}
	timeout = vfu_refuse_prepare(s, &pfds[4], timeout);
	if (poll(pfds, 4 + VFU_REFUSALS, timeout) < 0)
		for (unsigned int i = 0; i < 4 + VFU_REFUSALS; i++)
			pfds[i].revents = 0;
	if (pfds[0].revents != 0 && read(s->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	if (conn != NULL) {
		if (pfds[2].revents != 0)
			receive(s, conn);
		check_message(conn);
		end_reading(conn);
	}
	if (pfds[3].revents != 0)
		*unmask = vfu_irq_take_unmask(s);
	vfu_refuse_work(s, &pfds[4]);
	/* Notice that a client has gone before its successor is accepted. */
	if (pfds[1].revents != 0 && (pfds[2].revents & (POLLHUP | POLLRDHUP | POLLERR)) == 0)
		accept_client(s);
	return NULL;
}

static void *
control_thread(void *arg)
{
	struct vfu_server *s = arg;

	vfu_rcu_register();
	vfu_rcu_only(&s, 1);
	while (!atomic_load(&s->stop)) {
		struct vfu_msg *msg;
		bool unmask = false;

		vfu_rcu_offline();
		msg = wait_for_work(s, &unmask);
		vfu_rcu_online();

		if (unmask)
			vfu_irq_unmask(s);
		check_drop(s);
		if (s->conn != NULL && msg != NULL && !s->conn->dead)
			handle(s, s->conn, msg);
		else
			vfu_msg_free(msg);
		if (s->conn != NULL && s->conn->dead)
			detach(s);
	}
	if (s->conn != NULL) {
		vfu_conn_kill(s->conn, "server stops");
		detach(s);
	}
	vfu_refuse_fini(s);
	vfu_rcu_unregister();
	return NULL;
}

/*
 * The interface.
 */

static int
check_desc(const struct vfu_server_desc *desc, const struct vfu_server_ops *ops, char *err)
{
	for (unsigned int i = 0; i < VFU_SRV_REGIONS; i++) {
		if (desc->regions[i].nr_areas > VFU_SRV_AREAS ||
				(desc->regions[i].nr_areas != 0 && desc->regions[i].fd < 0 &&
					ops->queue_pages == NULL)) {
			snprintf(err, VFU_ERR_LEN,
				"region %u: too many areas, or areas without a descriptor", i);
			return -EINVAL;
		}
		for (unsigned int a = 0; a < desc->regions[i].nr_areas; a++) {
			uint64_t offset = desc->regions[i].areas[a].offset;
			uint64_t size = desc->regions[i].areas[a].size;

			if (((offset | size) & (VFU_PAGE_SIZE - 1)) != 0 || size == 0 ||
					offset > desc->regions[i].size ||
					size > desc->regions[i].size - offset) {
				snprintf(err, VFU_ERR_LEN, "region %u: area %u is no pages of it",
					i, a);
				return -EINVAL;
			}
		}
	}
	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		if (desc->irq_counts[i] > VFU_MAX_VECTORS) {
			snprintf(err, VFU_ERR_LEN, "interrupt index %u: more than %u vectors", i,
				VFU_MAX_VECTORS);
			return -EINVAL;
		}
	}
	return 0;
}

static void
server_free(struct vfu_server *s)
{
	vfu_sigbus_remove(s);
	if (s->listen_fd >= 0)
		vfu_sock_remove(s);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	vfu_async_fini(s);
	vfu_dma_fini(s);
	vfu_irq_fini(s);
	vfu_closer_free(s->closer);
	pthread_mutex_destroy(&s->drop_lock);
	free(s->out);
	free(s);
}

int
vfu_server_start(const char *path, const struct vfu_server_desc *desc,
		const struct vfu_server_ops *ops, void *opaque, struct vfu_server **server,
		char *err)
{
	struct vfu_server *s;
	int ret;

	err[0] = '\0';
	ret = check_desc(desc, ops, err);
	if (ret != 0)
		return ret;
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		snprintf(err, VFU_ERR_LEN, "out of memory");
		return -ENOMEM;
	}
	s->desc = *desc;
	if (s->desc.dma_timeout_ms == 0)
		s->desc.dma_timeout_ms = VFU_DMA_MS;
	s->ops = *ops;
	s->opaque = opaque;
	s->listen_fd = s->null_fd = s->unmask_epoll = -1;
	if (s->desc.limits.max_maps == 0)
		s->desc.limits.max_maps = VFU_DEFAULT_MAPS;
	if (s->desc.limits.max_fds == 0)
		s->desc.limits.max_fds = VFU_DEFAULT_FDS;
	if (s->desc.limits.max_mem == 0)
		s->desc.limits.max_mem = VFU_DEFAULT_MEM;
	s->closer = vfu_closer_new(s->desc.limits.max_fds);
	vfu_refuse_init(s);
	pthread_mutex_init(&s->drop_lock, NULL);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->out = malloc(VFU_MSG_MAX);
	vfu_async_init(s);
	if (s->wake_fd < 0 || s->out == NULL || s->closer == NULL || vfu_dma_init(s) != 0) {
		ret = s->wake_fd < 0 ? -errno : -ENOMEM;
		snprintf(err, VFU_ERR_LEN, "%s: %s", path, strerror(-ret));
		goto fail;
	}
	ret = vfu_irq_init(s);
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN,
			"%s: cannot set up interrupts: %s (asynchronous I/O: fs.aio-max-nr)", path,
			strerror(-ret));
		goto fail;
	}
	ret = vfu_sigbus_add(s);
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN, "%s: too many servers in one process", path);
		goto fail;
	}
	ret = vfu_sock_listen(s, path, err);
	if (ret != 0)
		goto fail;

	*server = s; /* before the first of the ops is called, because it may need it */
	ret = vfu_thread_start(&s->thread, NULL, "control", control_thread, s);
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN, "%s: cannot start a thread: %s", path, strerror(-ret));
		goto fail;
	}
	return 0;
fail:
	*server = NULL;
	server_free(s);
	return ret;
}

void
vfu_server_end(struct vfu_server *server)
{
	atomic_store(&server->stop, true);
	vfu_server_wake(server);
}

void
vfu_server_stop(struct vfu_server *server)
{
	bool online = vfu_rcu_is_online();

	if (server == NULL)
		return;
	vfu_server_end(server);
	/* The control thread waits for a grace period, which must not wait for this thread. */
	if (online)
		vfu_rcu_offline();
	pthread_join(server->thread, NULL);
	if (online)
		vfu_rcu_online();
	server_free(server);
}

int
vfu_server_run_on(struct vfu_server *server, const cpu_set_t *cores)
{
	return -pthread_setaffinity_np(server->thread, sizeof(*cores), cores);
}

void
vfu_server_drop_client(struct vfu_server *server, const char *why)
{
	pthread_mutex_lock(&server->drop_lock);
	snprintf(server->drop_why, sizeof(server->drop_why), "%s", why);
	pthread_mutex_unlock(&server->drop_lock);
	atomic_store(&server->drop, true);
	vfu_server_wake(server);
}

bool
vfu_server_peer_gone(struct vfu_server *server)
{
	const struct vfu_conn *conn = __atomic_load_n(&server->conn, __ATOMIC_CONSUME);
	struct pollfd pfd = { .events = POLLRDHUP };

	if (conn == NULL)
		return false;
	pfd.fd = conn->sock;
	return poll(&pfd, 1, 0) > 0;
}

pid_t
vfu_server_peer(const struct vfu_server *server)
{
	return atomic_load(&server->peer);
}

void
vfu_server_get_stats(const struct vfu_server *server, struct vfu_server_stats *stats)
{
	stats->clients = atomic_load(&server->stats.clients);
	stats->messages = atomic_load(&server->stats.messages);
	stats->bad_messages = atomic_load(&server->stats.bad_messages);
	stats->dma_faults = atomic_load(&server->stats.dma_faults);
	stats->dma_maps = atomic_load(&server->stats.dma_maps);
	stats->dma_bytes = atomic_load(&server->stats.dma_bytes);
	stats->ptes = atomic_load(&server->stats.ptes);
	stats->dma_posted = atomic_load(&server->async.posted);
	stats->client = atomic_load(&server->stats.client);
}
