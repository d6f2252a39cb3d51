/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The server: its control thread, and the calls of its owner.
 *
 *     control_thread()
 *       wait_for_work()    offline for RCU: poll() of socket, listener, wake_fd; reads messages
 *       check_drop()       reasons of other threads to end the connection
 *       vfu_command_handle()  one command: server_commands.c
 *       detach()           if the connection is dead: ops.detached(), forget the client
 *
 * server_priv.h describes what the threads share, and how.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server_priv.h"
#include "thread.h"

#define CLOSING_MS 20  /* interval of checks whether descriptors are closed */
#define CLOSERS_MS 100 /* from vfu_server_end(), for descriptors that are being closed */

/*
 * The control thread.
 */

static void
accept_client(struct vfu_server *s)
{
	struct vfu_conn *conn;
	struct ucred peer;
	socklen_t peer_len = sizeof(peer);
	int sock = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC);

	if (sock < 0) {
		/*
		 * The process is out of descriptors: the client stays in the backlog; do not spin.
		 */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			poll(NULL, 0, 100);
		return;
	}
	if (s->conn != NULL) {
		vfu_refuse_add(s, sock);
		return;
	}
	vfu_closer_took(s->closer);
	conn = vfu_conn_new(sock, s->closer);
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
	atomic_store_explicit(&s->conn, conn, memory_order_release);
}

static void
detach(struct vfu_server *s)
{
	struct vfu_conn *conn = s->conn;

	vfu_conn_kill(conn, "connection closed");
	if (s->attached)
		s->ops.detached(s->opaque, conn->why);
	s->attached = false;
	/* Before the wait: an access that starts later must not find the connection. */
	atomic_store_explicit(&s->conn, NULL, memory_order_release);
	vfu_async_forget_client(s);
	vfu_irq_unwire_all(s);
	vfu_dma_forget_client(s);
	vfu_conn_free(conn);
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
	struct vfu_msg *msg;
	struct pollfd pfds[4 + VFU_REFUSALS] = {
		{ .fd = s->wake_fd, .events = POLLIN },
		{ .fd = s->listener.fd, .events = POLLIN },
		{ .fd = -1, .events = POLLIN | POLLRDHUP },
		{ .fd = s->unmask_epoll, .events = POLLIN },
	};
	int timeout = -1;
	uint64_t count;

	if (conn != NULL) {
		if (!vfu_conn_begin_reading(conn, &msg))
			return msg;
		pfds[2].fd = conn->sock;
		if (!conn->versioned)
			timeout = vfu_ms_left(conn->handshake_deadline);
		else if (conn->rx_deadline != 0)
			timeout = vfu_ms_left(conn->rx_deadline);
	}

	/* Clients left descriptors that are still being closed: accept no other one until then. */
	if (vfu_closer_refuses(s->closer) != NULL || vfu_closer_refuses(s->refused) != NULL) {
		pfds[1].fd = -1;
		timeout = timeout < 0 || timeout > CLOSING_MS ? CLOSING_MS : timeout;
	}
	timeout = vfu_refuse_prepare(s, &pfds[4], timeout);
	if (poll(pfds, 4 + VFU_REFUSALS, timeout) < 0)
		for (unsigned int i = 0; i < 4 + VFU_REFUSALS; i++)
			pfds[i].revents = 0;
	if (pfds[0].revents != 0 && read(s->wake_fd, &count, sizeof(count)) < 0)
		count = 0;
	if (conn != NULL)
		vfu_conn_end_reading(s, conn, pfds[2].revents != 0);
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
			vfu_irq_unmask_intx(s);
		check_drop(s);
		if (s->conn != NULL && msg != NULL && !s->conn->dead)
			vfu_command_handle(s, msg);
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
	vfu_listener_close(&s->listener, s->refused);
	vfu_rcu_unregister();
	vfu_irq_end(s);
	return NULL;
}

/*
 * The interface.
 */

static void
wake(struct vfu_server *s)
{
	static const uint64_t one = 1;

	/* A full counter also wakes the thread. */
	if (write(s->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static int
check_desc(const struct vfu_server_desc *desc, const struct vfu_server_ops *ops, char *err)
{
	for (unsigned int i = 0; i < VFU_SRV_REGIONS; i++) {
		if (desc->regions[i].nr_areas > VFU_SRV_AREAS ||
				(desc->regions[i].nr_areas != 0 && desc->regions[i].fd < 0 &&
						ops->queue_pages == NULL)) {
			snprintf(err, VFU_ERR_LEN,
					"region %u: too many areas, or areas without a descriptor",
					i);
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
	if (s->listener.fd >= 0) /* the control thread did not start: nobody waits for this one */
		vfu_listener_close(&s->listener, NULL);
	if (s->wake_fd >= 0)
		close(s->wake_fd);
	vfu_async_fini(s);
	vfu_dma_fini(s);
	vfu_irq_fini(s);
	/* Both have had the time since vfu_server_end(): servers that end together wait once. */
	vfu_closer_stop(s->closer);
	vfu_closer_stop(s->refused);
	vfu_closer_free(s->closer, s->closers_deadline);
	vfu_closer_free(s->refused, s->closers_deadline);
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
	s->listener.fd = s->null_fd = s->unmask_epoll = -1;
	if (s->desc.limits.max_maps == 0)
		s->desc.limits.max_maps = VFU_DEFAULT_MAPS;
	if (s->desc.limits.max_fds == 0)
		s->desc.limits.max_fds = VFU_DEFAULT_FDS;
	if (s->desc.limits.max_mem == 0)
		s->desc.limits.max_mem = VFU_DEFAULT_MEM;
	s->closer = vfu_closer_new(s->desc.limits.max_fds);
	s->refused = vfu_closer_new(s->desc.limits.max_fds);
	vfu_refuse_init(s);
	pthread_mutex_init(&s->drop_lock, NULL);
	s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->out = malloc(VFU_MSG_MAX);
	ret = vfu_async_init(s);
	if (s->wake_fd < 0 || s->out == NULL || s->closer == NULL || s->refused == NULL ||
			ret != 0 || vfu_dma_init(s) != 0) {
		ret = s->wake_fd < 0 ? -errno : -ENOMEM;
		snprintf(err, VFU_ERR_LEN, "%s: %s", path, strerror(-ret));
		goto fail;
	}
	ret = vfu_irq_init(s);
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN,
				"%s: cannot set up interrupts: %s (asynchronous I/O: "
				"fs.aio-max-nr)",
				path, strerror(-ret));
		goto fail;
	}
	ret = vfu_sigbus_add(s);
	if (ret != 0) {
		snprintf(err, VFU_ERR_LEN, "%s: %s%s", path,
				ret == -ENOSPC ? "too many servers in one process" :
						 "cannot handle SIGBUS: ",
				ret == -ENOSPC ? "" : strerror(-ret));
		goto fail;
	}
	ret = vfu_listener_open(&s->listener, path, err);
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
	uint64_t none = 0;

	/* The first call counts: vfu_server_stop() also calls this. */
	atomic_compare_exchange_strong(&server->closers_deadline, &none, vfu_now_ms() + CLOSERS_MS);
	atomic_store(&server->stop, true);
	wake(server);
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
	wake(server);
}

bool
vfu_server_peer_gone(struct vfu_server *server)
{
	const struct vfu_conn *conn = atomic_load_explicit(&server->conn, memory_order_consume);
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
