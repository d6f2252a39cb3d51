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

/* Check the range of a DMA_READ (written is NULL) or DMA_WRITE, and copy it. */
static int
copy(struct vfu_client *c, const struct vfio_user_dma_access *a, const uint8_t *written)
{
	int ret;

	if (a->count == 0 || a->count > DMA_MAX)
		return -EINVAL;
	if (written == NULL ? c->params.dma_read == NULL : c->params.dma_write == NULL)
		return -EOPNOTSUPP;
	if (!range_allowed(c, a->addr, a->count, written == NULL ? VFU_DMA_READ : VFU_DMA_WRITE))
		return -EFAULT;
	ret = copy_range(c, a->addr, a->count, written);
	return ret > 0 ? -EIO : ret;
}

static int
do_dma_read(struct vfu_client *c, const struct vfu_msg *msg, struct vfu_out *out)
{
	const struct vfio_user_dma_access *a = (const struct vfio_user_dma_access *)msg->data;

	out->data = a;
	out->len = sizeof(*a);
	out->more = c->dma_buf;
	out->more_len = a->count;
	return copy(c, a, NULL);
}

static int
do_dma_write(struct vfu_client *c, const struct vfu_msg *msg, struct vfu_out *out)
{
	const struct vfio_user_dma_access *a = (const struct vfio_user_dma_access *)msg->data;

	out->data = a;
	out->len = sizeof(*a);
	return a->count == msg->len - sizeof(*a) ? copy(c, a, a->data) : -EINVAL;
}

/* The commands of the server. */
static const struct {
	uint16_t cmd;
	size_t least; /* length of the payload, bytes */
	int (*execute)(struct vfu_client *c, const struct vfu_msg *msg, struct vfu_out *out);
} commands[] = {
	{ VFIO_USER_DMA_READ, sizeof(struct vfio_user_dma_access), do_dma_read },
	{ VFIO_USER_DMA_WRITE, sizeof(struct vfio_user_dma_access), do_dma_write },
};

static int
execute(struct vfu_client *c, const struct vfu_msg *msg, struct vfu_out *out)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (commands[i].cmd == msg->hdr.cmd)
			return msg->len < commands[i].least ? -EINVAL :
							      commands[i].execute(c, msg, out);
	}
	return -EOPNOTSUPP;
}

void
vfu_client_serve(struct vfu_client *c, struct vfu_msg *msg)
{
	struct vfu_out out = vfu_reply(&msg->hdr, 0);
	int ret = execute(c, msg, &out);

	if (ret != 0)
		out = vfu_reply(&msg->hdr, ret);
	if (!(msg->hdr.flags & VFIO_USER_F_NO_REPLY))
		vfu_client_send(c, &out);
	vfu_msg_free(msg);
}

void
vfu_client_free_ranges(struct vfu_client *c)
{
	tdestroy(c->ranges, free);
}
