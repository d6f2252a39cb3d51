/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Messages on the socket: see msg.h.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "deadline.h"
#include "msg.h"

/* Linux passes at most this many descriptors with one sendmsg() (SCM_MAX_FD). */
#define SCM_MAX_FDS 253

static void
close_fds(struct vfu_closer *closer, int *fds, unsigned int nr_fds)
{
	for (unsigned int i = 0; i < nr_fds; i++) {
		if (fds[i] >= 0)
			vfu_closer_close(closer, fds[i]);
		fds[i] = -1;
	}
}

/* Prepare for the next message. */
static void
rx_reset(struct vfu_rx *rx)
{
	*rx = (struct vfu_rx){ .closer = rx->closer };
}

void
vfu_msg_free(struct vfu_msg *msg)
{
	if (msg == NULL)
		return;
	close_fds(msg->closer, msg->fds, msg->nr_fds);
	free(msg);
}

void
vfu_rx_clear(struct vfu_rx *rx)
{
	close_fds(rx->closer, rx->fds, rx->nr_fds);
	vfu_msg_free(rx->msg);
	rx_reset(rx);
}

/*
 * Take the received descriptors. Those that come with the header belong to the message. Those that
 * come with the body of a message belong to nothing. They are received nevertheless, so that the
 * closer closes them: if the buffer had no room for them, the kernel would close them in the
 * receiving thread.
 */
static void
take_fds(struct vfu_rx *rx, struct msghdr *mh)
{
	const bool body = rx->msg != NULL;
	struct cmsghdr *c;

	if (mh->msg_flags & MSG_CTRUNC && !body)
		rx->fds_lost = true;
	for (c = CMSG_FIRSTHDR(mh); c != NULL; c = CMSG_NXTHDR(mh, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			vfu_closer_took(rx->closer);
			if (!body && rx->nr_fds < VFU_MSG_FDS) {
				rx->fds[rx->nr_fds++] = fd;
			} else {
				rx->fds_lost |= !body;
				vfu_closer_close(rx->closer, fd);
			}
		}
	}
}

/* The header is complete. Check everything that decides whether the stream can be followed. */
static int
start_body(struct vfu_rx *rx, const char **why)
{
	size_t len;

	if (rx->hdr.msg_size < sizeof(rx->hdr)) {
		*why = "message shorter than its header";
		return -EPROTO;
	}
	if (rx->hdr.msg_size > VFU_MSG_MAX) {
		*why = "message longer than the negotiated maximum";
		return -EPROTO;
	}
	if ((rx->hdr.flags & VFIO_USER_F_TYPE_MASK) > VFIO_USER_F_TYPE_REPLY) {
		*why = "message that is neither command nor reply";
		return -EPROTO;
	}
	len = rx->hdr.msg_size - sizeof(rx->hdr);
	rx->msg = malloc(sizeof(*rx->msg) + len);
	if (rx->msg == NULL) {
		*why = "out of memory";
		return -ENOMEM;
	}
	rx->msg->next = NULL;
	rx->msg->closer = rx->closer;
	rx->msg->hdr = rx->hdr;
	rx->msg->len = len;
	rx->msg->nr_fds = rx->nr_fds;
	rx->msg->fds_lost = rx->fds_lost;
	memcpy(rx->msg->fds, rx->fds, sizeof(rx->fds));
	rx->nr_fds = 0;
	return 0;
}

int
vfu_rx_step(struct vfu_rx *rx, int sock, struct vfu_msg **msg, const char **why)
{
	/* A union aligns the buffer for cmsghdr. */
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(SCM_MAX_FDS * sizeof(int))];
	} ctl;

	for (;;) {
		struct iovec iov;
		struct msghdr mh = {
			.msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = ctl.buf,
			.msg_controllen = sizeof(ctl.buf),
		};
		ssize_t n;
		int ret;

		if (rx->msg == NULL && rx->got == sizeof(rx->hdr)) {
			ret = start_body(rx, why);
			if (ret != 0)
				return ret;
		}
		if (rx->msg != NULL && rx->got == rx->hdr.msg_size) {
			*msg = rx->msg;
			rx->msg = NULL;
			rx_reset(rx);
			return 1;
		}

		if (rx->msg == NULL) {
			iov.iov_base = (uint8_t *)&rx->hdr + rx->got;
			iov.iov_len = sizeof(rx->hdr) - rx->got;
		} else {
			size_t body = rx->got - sizeof(rx->hdr);

			iov.iov_base = rx->msg->data + body;
			iov.iov_len = rx->msg->len - body;
		}
		*why = vfu_closer_refuses(rx->closer);
		if (*why != NULL)
			return -EMFILE;
		n = recvmsg(sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return 0;
		if (n < 0) {
			ret = -errno;
			*why = "connection reset";
			return ret;
		}
		take_fds(rx, &mh);
		if (n == 0) {
			*why = rx->got == 0 ? "connection closed" :
					      "connection closed in the middle of a message";
			return -ECONNRESET;
		}
		rx->got += (size_t)n;
	}
}

struct vfu_out
vfu_reply(const struct vfio_user_header *command, int ret)
{
	struct vfu_out out = { .hdr = {
					       .msg_id = command->msg_id,
					       .cmd = command->cmd,
					       .flags = VFIO_USER_F_TYPE_REPLY,
			       } };

	if (ret < 0) {
		out.hdr.flags |= VFIO_USER_F_ERROR;
		out.hdr.error_no = (uint32_t)-ret;
	}
	return out;
}

int
vfu_msg_send(int sock, struct vfu_out *out, uint64_t deadline_ms)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(VFU_MSG_FDS * sizeof(int))];
	} ctl;
	struct iovec iov[3] = {
		{ .iov_base = &out->hdr, .iov_len = sizeof(out->hdr) },
		{ .iov_base = (void *)(uintptr_t)out->data, .iov_len = out->len },
		{ .iov_base = (void *)(uintptr_t)out->more, .iov_len = out->more_len },
	};
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };

	if (out->nr_fds > VFU_MSG_FDS)
		return -EINVAL;
	out->hdr.msg_size = (uint32_t)(sizeof(out->hdr) + out->len + out->more_len);
	if (out->nr_fds != 0) {
		struct cmsghdr *c;

		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.buf;
		mh.msg_controllen = CMSG_SPACE(out->nr_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&mh);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(out->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(c), out->fds, out->nr_fds * sizeof(int));
	}

	while (mh.msg_iovlen != 0) {
		ssize_t sent = sendmsg(sock, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0) {
			struct pollfd pfd = { .fd = sock, .events = POLLOUT };
			int left;

			if (errno == EINTR)
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				return -errno;
			left = vfu_ms_left(deadline_ms);
			if (left == 0)
				return -ETIMEDOUT;
			poll(&pfd, 1, left);
			continue;
		}
		/* The descriptors have gone with the first byte. */
		mh.msg_control = NULL;
		mh.msg_controllen = 0;
		while (mh.msg_iovlen != 0 && (size_t)sent >= mh.msg_iov->iov_len) {
			sent -= (ssize_t)mh.msg_iov->iov_len;
			mh.msg_iov++;
			mh.msg_iovlen--;
		}
		if (mh.msg_iovlen != 0) {
			mh.msg_iov->iov_base = (uint8_t *)mh.msg_iov->iov_base + sent;
			mh.msg_iov->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

int
vfu_msg_send_locked(int sock, pthread_mutex_t *lock, struct vfu_out *out, uint64_t deadline_ms)
{
	int ret = vfu_lock_until(lock, deadline_ms);

	if (ret == 0) {
		ret = vfu_msg_send(sock, out, deadline_ms);
		pthread_mutex_unlock(lock);
	}
	return ret;
}
