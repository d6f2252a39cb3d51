/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The commands of the client.
 */

#include <errno.h>
#include <string.h>

#include "server_priv.h"

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
void
vfu_command_handle(struct vfu_server *s, struct vfu_conn *conn, struct vfu_msg *msg)
{
	struct reply r = { .fd = -1, .why = "" };
	const struct vfio_user_header hdr = msg->hdr;
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
		vfu_conn_report(s, "client's message refused: %s (command %u: %s)", r.why,
			hdr.cmd, strerror(-ret));
	}
	if (!(hdr.flags & VFIO_USER_F_NO_REPLY)) {
		struct vfu_out out = vfu_reply(&hdr, ret);

		/*
		 * The specification: "If an error occurs, the reply message must only include the
		 * reply header."
		 */
		if (ret >= 0) {
			out.data = s->out;
			out.len = r.len;
			out.fds = &r.fd;
			out.nr_fds = r.fd >= 0 ? 1 : 0;
		}
		/* vfu_conn_send() may wait for the client; this thread holds no pointer. */
		vfu_rcu_offline();
		vfu_conn_send(conn, &out, vfu_now_ms() + VFU_SEND_MS);
		vfu_rcu_online();
	}
	if (r.drop)
		vfu_conn_kill(conn, r.why);
}
