/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The command DEVICE_SET_IRQS: wires, masks, unmasks and triggers vectors. Its flags name an action
 * and a kind of data:
 *
 *              | DATA_NONE          | DATA_BOOL             | DATA_EVENTFD
 *     ---------+--------------------+-----------------------+--------------------------------
 *     MASK     | each vector        | the vectors that      | -
 *     UNMASK   | each vector        | have a byte that is   | INTx: the eventfd that unmasks
 *     TRIGGER  | each; count 0:     | not 0                 | wires each vector, or unwires
 *              | unwires all        |                       | them if there is none
 */

#include <errno.h>

#include "server_priv.h"

/* The message, taken apart. */
struct request {
	uint32_t index, start, count;
	uint32_t kind, action; /* VFIO_IRQ_SET_DATA_*, VFIO_IRQ_SET_ACTION_* */
	const uint8_t *data;
	size_t len; /* of data, bytes */
	int *fds;
	unsigned int nr_fds;
};

static int
check(const struct vfu_server *s, const struct request *r, const char **why)
{
	uint32_t count;

	*why = "flags must name one kind of data and one action";
	if (r->kind != VFIO_IRQ_SET_DATA_NONE && r->kind != VFIO_IRQ_SET_DATA_BOOL &&
			r->kind != VFIO_IRQ_SET_DATA_EVENTFD)
		return -EINVAL;
	if (r->action != VFIO_IRQ_SET_ACTION_MASK && r->action != VFIO_IRQ_SET_ACTION_UNMASK &&
			r->action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;
	*why = "the device has no such index or vectors";
	if (r->index >= VFU_SRV_IRQS)
		return -EINVAL;
	count = s->irqs[r->index].count;
	if (r->start > count || r->count > count - r->start)
		return -EINVAL;
	*why = "file descriptors require DATA_EVENTFD, one for each vector";
	if (r->nr_fds != 0 && (r->kind != VFIO_IRQ_SET_DATA_EVENTFD || r->nr_fds != r->count))
		return -EINVAL;
	return 0;
}

/* Let the device look at the vectors again. */
static void
notify(struct vfu_server *s, const struct request *r)
{
	if (s->ops.irqs_changed != NULL)
		s->ops.irqs_changed(s->opaque, r->index);
}

/* The specification: "A count (and start) of 0 [...] disables all interrupts of the index." */
static int
disable_all(struct vfu_server *s, const struct request *r, const char **why)
{
	struct vfu_irqs *irqs = &s->irqs[r->index];
	int ret;

	*why = "a count of 0 requires start 0, DATA_NONE and ACTION_TRIGGER";
	if (r->start != 0 || r->kind != VFIO_IRQ_SET_DATA_NONE ||
			r->action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;
	*why = "out of memory";
	ret = vfu_irq_wire(s, irqs, 0, irqs->count, NULL);
	if (ret != 0)
		return ret;
	for (uint32_t v = 0; v < irqs->count; v++)
		atomic_store(&irqs->masked[v], false);
	if (irqs->level)
		vfu_irq_set_unmask_fd(s, -1);
	notify(s, r);
	return 0;
}

static int
set_eventfds(struct vfu_server *s, const struct request *r, const char **why)
{
	struct vfu_irqs *irqs = &s->irqs[r->index];
	int ret;

	*why = "DATA_EVENTFD requires ACTION_TRIGGER, or INTx and ACTION_UNMASK";
	if (r->action != VFIO_IRQ_SET_ACTION_TRIGGER &&
			(r->action != VFIO_IRQ_SET_ACTION_UNMASK || !irqs->level))
		return -EINVAL;
	*why = "a file descriptor is no eventfd";
	for (unsigned int i = 0; i < r->nr_fds; i++) {
		if (!vfu_fd_is_eventfd(r->fds[i]))
			return -EINVAL;
	}
	if (r->action == VFIO_IRQ_SET_ACTION_UNMASK) {
		int fd = -1;

		*why = "the eventfd cannot be watched";
		if (r->nr_fds != 0) {
			fd = r->fds[0];
			r->fds[0] = -1;
		}
		return vfu_irq_set_unmask_fd(s, fd);
	}
	*why = "out of memory";
	if (r->nr_fds != 0)
		vfu_async_start(s); /* if no thread starts, polling threads send all interrupts */
	ret = vfu_irq_wire(s, irqs, r->start, r->count, r->nr_fds == 0 ? NULL : r->fds);
	if (ret == 0)
		notify(s, r);
	return ret;
}

static int
apply(struct vfu_server *s, const struct request *r, const char **why)
{
	struct vfu_irqs *irqs = &s->irqs[r->index];

	*why = "DATA_BOOL requires one byte for each vector";
	if (r->kind == VFIO_IRQ_SET_DATA_BOOL && r->len != r->count)
		return -EINVAL;
	for (uint32_t i = 0; i < r->count; i++) {
		uint32_t v = r->start + i;

		if (r->kind == VFIO_IRQ_SET_DATA_BOOL && r->data[i] == 0)
			continue;
		if (r->action == VFIO_IRQ_SET_ACTION_TRIGGER)
			vfu_irq_raise(s, irqs, v);
		else if (r->action == VFIO_IRQ_SET_ACTION_MASK)
			atomic_store(&irqs->masked[v], true);
		else
			vfu_irq_unmask(s, irqs, v);
	}
	if (r->action != VFIO_IRQ_SET_ACTION_TRIGGER)
		notify(s, r);
	return 0;
}

int
vfu_irq_set(struct vfu_server *s, struct vfu_msg *msg, const char **why)
{
	const struct vfio_irq_set *set = (const struct vfio_irq_set *)msg->data;
	const struct request r = {
		.index = set->index,
		.start = set->start,
		.count = set->count,
		.kind = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK,
		.action = set->flags & ~VFIO_IRQ_SET_DATA_TYPE_MASK,
		.data = set->data,
		.len = msg->len - sizeof(*set),
		.fds = msg->fds,
		.nr_fds = msg->nr_fds,
	};
	int ret = check(s, &r, why);

	if (ret != 0)
		return ret;
	if (r.count == 0)
		return disable_all(s, &r, why);
	return r.kind == VFIO_IRQ_SET_DATA_EVENTFD ? set_eventfds(s, &r, why) : apply(s, &r, why);
}
