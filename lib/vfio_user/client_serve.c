/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Requests of the server: DMA_READ and DMA_WRITE, for memory that is mapped.
 */

#include <errno.h>
#include <search.h>
#include <stdlib.h>

#include "client_priv.h"

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

/*
 * DMA. The client adds a range before it sends DMA_MAP, because the server may use the range at
 * once, and removes the range after the server has released it.
 */

int
vfu_client_add_range(struct vfu_client *c, uint64_t iova, uint64_t size, uint32_t prot)
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

void
vfu_client_forget_ranges(struct vfu_client *c, uint64_t iova, uint64_t size)
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
		vfu_client_send(c, &hdr, NULL, 0, NULL, 0, NULL, 0);
	} else {
		vfu_client_send(c, &hdr, a, sizeof(*a), c->dma_buf, read ? a->count : 0, NULL, 0);
	}
}

void
vfu_client_serve(struct vfu_client *c, struct vfu_msg *msg)
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
		vfu_client_send(c, &hdr, NULL, 0, NULL, 0, NULL, 0);
	vfu_msg_free(msg);
}
