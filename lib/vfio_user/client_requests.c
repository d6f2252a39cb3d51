/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The requests of the client, one function each: see vfu_client.h.
 */

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "client_priv.h"

/* A larger region info cannot describe a region that the client could use. */
#define REGION_INFO_MAX 65536u

/*
 * Send a request, and copy the first got_len bytes of the payload of the reply to got. The reply
 * has at least the payload that requests[] of client_conn.c gives.
 */
static int
request(struct vfu_client *client, struct vfu_out *out, void *got, size_t got_len)
{
	struct vfu_msg *reply;
	int ret = vfu_client_request(client, out, &reply);

	if (ret != 0)
		return ret;
	if (got_len != 0)
		memcpy(got, reply->data, got_len);
	vfu_msg_free(reply);
	return 0;
}

int
vfu_client_device_info(struct vfu_client *client, struct vfu_device_info *info)
{
	const struct vfio_user_device_info req = { .argsz = sizeof(req) };
	struct vfu_out out = {
		.hdr.cmd = VFIO_USER_DEVICE_GET_INFO,
		.data = &req,
		.len = sizeof(req),
	};
	struct vfio_user_device_info got;
	int ret = request(client, &out, &got, sizeof(got));

	if (ret != 0)
		return ret;
	info->flags = got.flags;
	info->num_regions = got.num_regions;
	info->num_irqs = got.num_irqs;
	return 0;
}

static bool
area_inside(uint64_t region_size, uint64_t offset, uint64_t size)
{
	return size != 0 && ((offset | size) & (VFU_PAGE_SIZE - 1)) == 0 && offset <= region_size &&
			size <= region_size - offset;
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

/* Request the region info, once more if the server needs more room. */
static int
request_region_info(struct vfu_client *client, unsigned int index, struct vfu_msg **reply)
{
	struct vfio_region_info req = {
		.argsz = sizeof(req) + sizeof(struct vfio_region_info_cap_sparse_mmap) +
				VFU_MAX_AREAS * sizeof(struct vfio_region_sparse_mmap_area),
		.index = index,
	};
	struct vfu_out out = {
		.hdr.cmd = VFIO_USER_DEVICE_GET_REGION_INFO,
		.data = &req,
		.len = sizeof(req),
	};

	for (unsigned int i = 0; i < 2; i++) {
		uint32_t room;
		int ret = vfu_client_request(client, &out, reply);

		if (ret != 0)
			return ret;
		room = ((const struct vfio_region_info *)(*reply)->data)->argsz;
		if (room <= req.argsz)
			return 0;
		vfu_msg_free(*reply);
		if (room > REGION_INFO_MAX)
			return i == 0 ? -E2BIG : -EPROTO;
		req.argsz = room;
	}
	return -EPROTO; /* it has grown again */
}

/* Check the region info of the server. If the region has a file, take it out of the reply. */
static int
parse_region(struct vfu_region *region, unsigned int index, struct vfu_msg *reply)
{
	struct vfio_region_info got;
	int ret;

	memcpy(&got, reply->data, sizeof(got));
	if (got.index != index || got.size > INT64_MAX)
		return -EPROTO;
	region->size = got.size;
	region->flags = got.flags &
			(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
					VFIO_REGION_INFO_FLAG_MMAP);
	region->fd_offset = got.offset;
	/* The driver maps memory only (foreign_fd.h); it uses every other region by message. */
	if (!(region->flags & VFIO_REGION_INFO_FLAG_MMAP) || got.size == 0 || reply->nr_fds == 0 ||
			reply->fds[0] < 0 || !vfu_fd_is_memory(reply->fds[0])) {
		region->flags &= ~VFIO_REGION_INFO_FLAG_MMAP;
		return 0;
	}
	if (got.flags & VFIO_REGION_INFO_FLAG_CAPS) {
		ret = parse_areas(region, reply->data, reply->len, got.cap_offset);
		if (ret != 0)
			return ret;
	}
	if ((got.offset & (VFU_PAGE_SIZE - 1)) != 0)
		return -EPROTO;
	region->fd = reply->fds[0];
	if (!file_holds(region))
		return -EPROTO;
	reply->fds[0] = -1;
	return 0;
}

int
vfu_client_region_info(struct vfu_client *client, unsigned int index, struct vfu_region *region)
{
	struct vfu_msg *reply;
	int ret;

	memset(region, 0, sizeof(*region));
	region->fd = -1;
	ret = request_region_info(client, index, &reply);
	if (ret != 0)
		return ret;
	ret = parse_region(region, index, reply);
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
	const struct vfio_irq_info req = { .argsz = sizeof(req), .index = index };
	struct vfu_out out = {
		.hdr.cmd = VFIO_USER_DEVICE_GET_IRQ_INFO,
		.data = &req,
		.len = sizeof(req),
	};
	struct vfio_irq_info got;
	int ret = request(client, &out, &got, sizeof(got));

	if (ret != 0)
		return ret;
	if (got.index != index)
		return -EPROTO;
	info->flags = got.flags;
	info->count = got.count;
	return 0;
}

int
vfu_client_region_read(struct vfu_client *client, unsigned int index, uint64_t offset, void *buf,
		size_t len)
{
	uint8_t *p = buf;

	while (len != 0) {
		uint32_t n = len < client->max_data ? (uint32_t)len : client->max_data;
		const struct vfio_user_region_access req = {
			.offset = offset,
			.region = index,
			.count = n,
		};
		struct vfu_out out = {
			.hdr.cmd = VFIO_USER_REGION_READ,
			.data = &req,
			.len = sizeof(req),
		};
		const struct vfio_user_region_access *got;
		struct vfu_msg *reply;
		int ret = vfu_client_request(client, &out, &reply);

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
		const struct vfio_user_region_access req = {
			.offset = offset,
			.region = index,
			.count = n,
		};
		struct vfu_out out = {
			.hdr.cmd = VFIO_USER_REGION_WRITE,
			.data = &req,
			.len = sizeof(req),
			.more = p,
			.more_len = n,
		};
		struct vfio_user_region_access got;
		int ret = request(client, &out, &got, sizeof(got));

		if (ret != 0)
			return ret;
		if (got.count != n)
			return -EPROTO;
		p += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int
set_irqs(struct vfu_client *client, const struct vfio_irq_set *req, const int *fds,
		unsigned int nr_fds)
{
	struct vfu_out out = {
		.hdr.cmd = VFIO_USER_DEVICE_SET_IRQS,
		.data = req,
		.len = sizeof(*req),
		.fds = fds,
		.nr_fds = nr_fds,
	};

	return request(client, &out, NULL, 0);
}

/*
 * Return how many of the vectors from fds on fit into one message: all or none of them have a
 * descriptor, and there are at most max_fds.
 */
static unsigned int
same_kind(const int *fds, unsigned int count, unsigned int max_fds)
{
	const bool wired = fds[0] >= 0;
	unsigned int n = 1;

	while (n < count && (fds[n] >= 0) == wired && !(wired && n == max_fds))
		n++;
	return n;
}

int
vfu_client_set_irq_fds(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count, const int *fds)
{
	const unsigned int max_fds = client->max_fds < VFU_MSG_FDS ? client->max_fds : VFU_MSG_FDS;
	struct vfio_irq_set req = {
		.argsz = sizeof(req),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
	};

	if (fds == NULL)
		return count == 0 ? set_irqs(client, &req, NULL, 0) : -EINVAL;

	req.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	for (unsigned int i = 0; i < count; i += req.count) {
		const bool wired = fds[i] >= 0;
		int ret;

		if (wired && max_fds == 0)
			return -EOPNOTSUPP;
		req.start = start + i;
		req.count = same_kind(&fds[i], count - i, max_fds);
		ret = set_irqs(client, &req, &fds[i], wired ? req.count : 0);
		if (ret != 0)
			return ret;
	}
	return 0;
}

int
vfu_client_unmask_irqs(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count)
{
	const struct vfio_irq_set req = {
		.argsz = sizeof(req),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK,
		.index = index,
		.start = start,
		.count = count,
	};

	return set_irqs(client, &req, NULL, 0);
}

/*
 * DMA. The client adds a range before it sends DMA_MAP, because the server may use the range at
 * once, and removes the range after the server has released it.
 */

static bool
dma_range_ok(uint64_t iova, uint64_t size)
{
	return size != 0 && ((iova | size) & (VFU_PAGE_SIZE - 1)) == 0 &&
			size - 1 <= UINT64_MAX - iova;
}

int
vfu_client_dma_map(struct vfu_client *client, int fd, uint64_t offset, uint64_t iova, uint64_t size,
		uint32_t prot)
{
	const struct vfio_user_dma_map req = {
		.argsz = sizeof(req),
		.flags = prot,
		.offset = fd >= 0 ? offset : 0,
		.addr = iova,
		.size = size,
	};
	struct vfu_out out = {
		.hdr.cmd = VFIO_USER_DMA_MAP,
		.data = &req,
		.len = sizeof(req),
		.fds = &fd,
		.nr_fds = fd >= 0 ? 1 : 0,
	};
	int ret;

	if (!dma_range_ok(iova, size) || prot == 0 || (prot & ~(VFU_DMA_READ | VFU_DMA_WRITE)) != 0)
		return -EINVAL;
	if (fd >= 0 && client->max_fds == 0)
		return -EOPNOTSUPP;
	ret = vfu_client_add_range(client, iova, size, prot);
	if (ret != 0)
		return ret;
	ret = request(client, &out, NULL, 0);
	if (ret != 0)
		vfu_client_forget_ranges(client, iova, size);
	return ret;
}

int
vfu_client_dma_unmap(struct vfu_client *client, uint64_t iova, uint64_t size)
{
	const struct vfio_user_dma_unmap req = { .argsz = sizeof(req), .addr = iova, .size = size };
	struct vfu_out out = { .hdr.cmd = VFIO_USER_DMA_UNMAP, .data = &req, .len = sizeof(req) };
	struct vfu_msg *reply;
	int ret;

	if (!dma_range_ok(iova, size))
		return -EINVAL;
	ret = vfu_client_request(client, &out, &reply);
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
		vfu_client_forget_ranges(client, iova, size);
	return ret;
}

int
vfu_client_page_table(struct vfu_client *client, int fd, uint64_t base, uint64_t nr)
{
	const struct vfio_user_io_page_table req = { .argsz = sizeof(req), .base = base, .nr = nr };
	struct vfu_out out = {
		.hdr.cmd = VFIO_USER_IO_PAGE_TABLE,
		.data = &req,
		.len = sizeof(req),
		.fds = &fd,
		.nr_fds = 1,
	};

	if (!client->io_page_table || client->max_fds == 0)
		return -EOPNOTSUPP;
	return request(client, &out, NULL, 0);
}

int
vfu_client_reset(struct vfu_client *client)
{
	struct vfu_out out = { .hdr.cmd = VFIO_USER_DEVICE_RESET };

	return request(client, &out, NULL, 0);
}
