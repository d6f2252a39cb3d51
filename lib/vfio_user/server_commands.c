/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The commands of the client.
 *
 *     vfu_command_handle()  a command and its reply, ordered with the accesses of the device
 *       execute()           the checks that commands[] describes, then
 *         do_*()            the command itself
 */

#include <errno.h>
#include <string.h>

#include "server_priv.h"

/*
 * The commands. Each returns 0 or a negative errno value. On an error, reply.why explains in words
 * what the number does not. The payload of the reply is built in s->out. The command has at least
 * the payload that commands[] gives.
 */

struct reply {
	size_t len; /* of s->out, bytes */
	int fd;     /* sent with the reply, but not closed; -1: none */
	const char *why;
	bool drop; /* end the connection after the reply */
};

static int
do_version(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	struct vfu_conn *conn = s->conn;
	const struct vfio_user_version *v = (const struct vfio_user_version *)msg->data;
	struct vfio_user_version *out = (struct vfio_user_version *)s->out;
	struct vfu_caps caps;
	int ret;

	r->why = "this client has sent VERSION already";
	if (conn->versioned)
		return -EINVAL;
	r->why = "the major version is not 0";
	if (v->major != VFIO_USER_MAJOR)
		return -EINVAL;
	ret = vfu_caps_parse(&caps, (const char *)(v + 1), msg->len - sizeof(*v), &r->why);
	if (ret != 0)
		return ret;

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

	r->why = "more than one file descriptor";
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

	r->why = "flags other than VFIO_DMA_UNMAP_FLAG_ALL";
	if (u->flags & ~VFIO_DMA_UNMAP_FLAG_ALL)
		return -EINVAL;
	*out = *u;
	if (u->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		r->why = "VFIO_DMA_UNMAP_FLAG_ALL requires address and size 0";
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

	r->why = "the message must have one file descriptor";
	if (msg->nr_fds != 1)
		return -EINVAL;
	return vfu_dma_set_page_table(s, p, msg->fds[0], &r->why);
}

static int
do_device_info(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	struct vfio_user_device_info *out = (struct vfio_user_device_info *)s->out;

	out->argsz = sizeof(*out);
	out->flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
	out->num_regions = VFU_SRV_REGIONS;
	out->num_irqs = VFU_SRV_IRQS;
	r->len = sizeof(*out);
	return 0;
}

static int
do_region_info(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	const struct vfio_region_info *in = (const struct vfio_region_info *)msg->data;
	struct vfio_region_info *out = (struct vfio_region_info *)s->out;
	struct vfio_region_info_cap_sparse_mmap *cap = (void *)(out + 1);
	unsigned int index, n;
	uint32_t argsz, need;
	int fd;

	r->why = "no such region";
	if (in->index >= VFU_SRV_REGIONS)
		return -EINVAL;
	index = in->index;
	argsz = in->argsz;
	n = s->desc.regions[index].nr_areas;
	fd = s->desc.regions[index].fd;
	if (n != 0 && fd < 0) {
		/* Only a client that knows these registers may map them. */
		fd = s->conn->queue_pages;
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

	r->why = "flags or count is not 0";
	if (in->flags != 0 || in->count != 0)
		return -EINVAL;
	r->why = "no such region";
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

	r->why = "no such interrupt index";
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
	return vfu_irq_set(s, msg, &r->why);
}

/* Report whether the region exists, contains the range, and permits the access. */
static int
check_access(const struct vfu_server *s, uint32_t region, uint64_t offset, uint64_t count,
		uint32_t flag, const char **why)
{
	*why = "no such region";
	if (region >= VFU_SRV_REGIONS)
		return -EINVAL;
	*why = "the access ends beyond the region";
	if (offset > s->desc.regions[region].size || count > s->desc.regions[region].size - offset)
		return -EINVAL;
	*why = "the region does not permit this access";
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

	r->why = "count is above max_data_xfer_size";
	if (in->count > VFU_MSG_DATA_MAX)
		return -EINVAL;
	ret = check_access(s, in->region, in->offset, in->count, VFIO_REGION_INFO_FLAG_READ,
			&r->why);
	if (ret != 0)
		return ret;
	*out = *in;
	r->why = "the device refuses it";
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

	r->why = "count does not match the size of the message";
	if (in->count != msg->len - sizeof(*in))
		return -EINVAL;
	ret = check_access(s, in->region, in->offset, in->count, VFIO_REGION_INFO_FLAG_WRITE,
			&r->why);
	if (ret != 0)
		return ret;
	r->why = "the device refuses it";
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

	r->why = "count does not match the size of the message";
	memcpy(&n, msg->data, sizeof(n));
	if (n > VFU_MSG_DATA_MAX / sizeof(*wr) || msg->len != sizeof(n) + n * sizeof(*wr))
		return -EINVAL;
	wr = (const struct vfio_user_region_write *)(msg->data + sizeof(n));
	/* Check all writes before the first one is done, so that a bad message has no effect. */
	for (uint64_t i = 0; i < n; i++) {
		r->why = "a write of more than 8 bytes";
		if (wr[i].count > sizeof(wr[i].data))
			return -EINVAL;
		ret = check_access(s, wr[i].region, wr[i].offset, wr[i].count,
				VFIO_REGION_INFO_FLAG_WRITE, &r->why);
		if (ret != 0)
			return ret;
	}
	r->why = "the device refuses it";
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
	r->why = "the message has a payload";
	if (msg->len != 0)
		return -EINVAL;
	r->why = "the device refuses it";
	return s->ops.reset(s->opaque);
}

static int
do_from_server(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	r->why = "this command goes from server to client";
	return -EINVAL;
}

static int
do_unknown(struct vfu_server *s, struct vfu_msg *msg, struct reply *r)
{
	r->why = "this server does not know the command";
	return -EOPNOTSUPP;
}

/* The checks that execute() makes for a command, and its function. */
struct command {
	const char *name; /* for the log */
	uint16_t number;
	bool fds;       /* file descriptors may come with it */
	bool argsz;     /* the payload begins with its length, 32 bits, which is also checked */
	uint32_t least; /* length of the payload, bytes */
	int (*execute)(struct vfu_server *s, struct vfu_msg *msg, struct reply *r);
};

#define FDS         .fds = true
#define ARGSZ(type) .argsz = true, .least = sizeof(type)
#define LEAST(type) .least = sizeof(type)
#define COMMAND(cmd, fn, ...) \
	{ \
		.name = #cmd, .number = VFIO_USER_##cmd, .execute = fn, ##__VA_ARGS__ \
	}

/* The commands that a client can send. */
static const struct command commands[] = {
	COMMAND(VERSION, do_version, LEAST(struct vfio_user_version)),
	COMMAND(DMA_MAP, do_dma_map, ARGSZ(struct vfio_user_dma_map), FDS),
	/* The SPDK client also sends the descriptor of the memory with DMA_UNMAP. */
	COMMAND(DMA_UNMAP, do_dma_unmap, ARGSZ(struct vfio_user_dma_unmap), FDS),
	COMMAND(DEVICE_GET_INFO, do_device_info, ARGSZ(struct vfio_user_device_info)),
	COMMAND(DEVICE_GET_REGION_INFO, do_region_info, ARGSZ(struct vfio_region_info)),
	COMMAND(DEVICE_GET_REGION_IO_FDS, do_region_io_fds, ARGSZ(struct vfio_user_region_io_fds)),
	COMMAND(DEVICE_GET_IRQ_INFO, do_irq_info, ARGSZ(struct vfio_irq_info)),
	COMMAND(DEVICE_SET_IRQS, do_set_irqs, ARGSZ(struct vfio_irq_set), FDS),
	COMMAND(REGION_READ, do_region_read, LEAST(struct vfio_user_region_access)),
	COMMAND(REGION_WRITE, do_region_write, LEAST(struct vfio_user_region_access)),
	COMMAND(DMA_READ, do_from_server), /* only server to client */
	COMMAND(DMA_WRITE, do_from_server),
	COMMAND(DEVICE_RESET, do_reset),
	COMMAND(REGION_WRITE_MULTI, do_region_write_multi, LEAST(uint64_t)),
	COMMAND(IO_PAGE_TABLE, do_io_page_table, ARGSZ(struct vfio_user_io_page_table), FDS),
};

static const struct command *
find_command(uint16_t number)
{
	static const struct command unknown = { .name = "unknown", .execute = do_unknown };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (commands[i].number == number)
			return &commands[i];
	}
	return &unknown;
}

static int
execute(struct vfu_server *s, const struct command *c, struct vfu_msg *msg, struct reply *r)
{
	const bool versioned = s->conn->versioned;
	uint32_t argsz = 0;
	int ret;

	r->why = "more file descriptors than one message may have";
	if (msg->fds_lost)
		return -EMFILE;
	r->why = "the first command must be VERSION";
	if (c->number != VFIO_USER_VERSION && !versioned)
		return -EINVAL;
	r->why = "this command has no file descriptors";
	if (msg->nr_fds != 0 && !c->fds)
		return -EINVAL;
	if (msg->nr_fds != 0 && vfu_closer_held(s->closer) > s->desc.limits.max_fds) {
		r->why = vfu_why(s,
				"this client has %u file descriptors open here, its limit is "
				"max_fds=%u",
				vfu_closer_held(s->closer), s->desc.limits.max_fds);
		return -EMFILE;
	}
	r->why = "the extension was not negotiated";
	if (c->number == VFIO_USER_IO_PAGE_TABLE && !s->conn->io_page_table)
		return -EOPNOTSUPP;

	r->why = "the message or its argsz is too short";
	memcpy(&argsz, msg->data, msg->len < sizeof(argsz) ? msg->len : sizeof(argsz));
	if (msg->len < c->least || (c->argsz && argsz < c->least))
		ret = -EINVAL;
	else
		ret = c->execute(s, msg, r);
	/* After a failed negotiation, neither side knows what the other understands. */
	r->drop = ret != 0 && !versioned;
	return ret;
}

void
vfu_command_handle(struct vfu_server *s, struct vfu_msg *msg)
{
	const struct vfio_user_header hdr = msg->hdr;
	const struct command *c = find_command(hdr.cmd);
	struct reply r = { .fd = -1, .why = "" };
	int ret;

	/*
	 * The command is ordered behind the accesses of the device so far, and the reply behind the
	 * accesses that the command causes.
	 */
	vfu_dma_wait(s);
	ret = execute(s, c, msg, &r);
	vfu_dma_wait(s);

	/* Before the reply: after it, the client may rely on its descriptors being released. */
	vfu_msg_free(msg);
	if (ret < 0) {
		atomic_fetch_add(&s->stats.bad_messages, 1);
		vfu_conn_report(s, "client's command %u (%s) refused: %s (%s)", hdr.cmd, c->name,
				r.why, strerror(-ret));
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
		vfu_conn_send(s->conn, &out, vfu_now_ms() + VFU_SEND_MS);
		vfu_rcu_online();
	}
	if (r.drop)
		vfu_conn_kill(s->conn, vfu_why(s, "client's VERSION: %s", r.why));
}
