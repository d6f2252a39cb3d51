/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The command DEVICE_SET_IRQS.
 */

#include <errno.h>

#include "server_priv.h"

int
vfu_irq_set(struct vfu_server *s, const struct vfio_irq_set *set, const uint8_t *data, size_t len,
		int *fds, unsigned int nr_fds, const char **why)
{
	uint32_t kind = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	uint32_t action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	struct vfu_irqs *irqs;
	int ret = 0;

	*why = "SET_IRQS: flags must name one kind of data and one action";
	if ((set->flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK)) != 0)
		return -EINVAL;
	if (kind != VFIO_IRQ_SET_DATA_NONE && kind != VFIO_IRQ_SET_DATA_BOOL &&
			kind != VFIO_IRQ_SET_DATA_EVENTFD)
		return -EINVAL;
	if (action != VFIO_IRQ_SET_ACTION_MASK && action != VFIO_IRQ_SET_ACTION_UNMASK &&
			action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return -EINVAL;
	*why = "SET_IRQS: index, start or count beyond what the device has";
	if (set->index >= VFU_SRV_IRQS)
		return -EINVAL;
	irqs = &s->irqs[set->index];
	if (set->start > irqs->count || set->count > irqs->count - set->start)
		return -EINVAL;
	*why = "SET_IRQS: file descriptors that belong to nothing, or not one for each vector";
	if (nr_fds != 0 && (kind != VFIO_IRQ_SET_DATA_EVENTFD || nr_fds != set->count))
		return -EINVAL;

	if (set->count == 0) {
		/*
		 * The specification: "A count (and start) of 0 [...] disables all interrupts of the
		 * index."
		 */
		*why = "SET_IRQS: a count of 0 goes with start 0, DATA_NONE, ACTION_TRIGGER";
		if (set->start != 0 || kind != VFIO_IRQ_SET_DATA_NONE ||
				action != VFIO_IRQ_SET_ACTION_TRIGGER)
			return -EINVAL;
		ret = vfu_irq_wire(s, irqs, 0, irqs->count, NULL);
		for (uint32_t v = 0; v < irqs->count; v++)
			atomic_store(&irqs->masked[v], false);
		if (irqs->level)
			vfu_irq_set_unmask_fd(s, -1);
		goto changed;
	}

	if (kind == VFIO_IRQ_SET_DATA_EVENTFD) {
		*why = "SET_IRQS: event file descriptors are for ACTION_TRIGGER, and for INTx ACTION_UNMASK";
		if (action != VFIO_IRQ_SET_ACTION_TRIGGER &&
				(action != VFIO_IRQ_SET_ACTION_UNMASK || !irqs->level))
			return -EINVAL;
		*why = "SET_IRQS: a file descriptor that is no eventfd";
		for (unsigned int i = 0; i < nr_fds; i++) {
			if (!vfu_fd_is_eventfd(fds[i]))
				return -EINVAL;
		}
		if (action == VFIO_IRQ_SET_ACTION_UNMASK) {
			*why = "SET_IRQS: the event file descriptor cannot be watched";
			ret = vfu_irq_set_unmask_fd(s, nr_fds == 0 ? -1 : fds[0]);
			if (nr_fds != 0)
				fds[0] = -1;
			return ret;
		}
		if (nr_fds != 0)
			vfu_async_start(s); /* if no thread starts, polling threads send all interrupts */
		ret = vfu_irq_wire(s, irqs, set->start, set->count, nr_fds == 0 ? NULL : fds);
		goto changed;
	}

	*why = "SET_IRQS: DATA_BOOL needs one byte for each vector";
	if (kind == VFIO_IRQ_SET_DATA_BOOL && len != set->count)
		return -EINVAL;
	for (uint32_t i = 0; i < set->count; i++) {
		uint32_t v = set->start + i;

		if (kind == VFIO_IRQ_SET_DATA_BOOL && data[i] == 0)
			continue;
		switch (action) {
		case VFIO_IRQ_SET_ACTION_TRIGGER:
			vfu_irq_raise_in(s, irqs, v);
			break;
		case VFIO_IRQ_SET_ACTION_MASK:
			atomic_store(&irqs->masked[v], true);
			break;
		default:
			vfu_irq_unmask_vector(s, irqs, v);
			break;
		}
	}
	if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
		return 0;
changed:
	if (ret == 0 && s->ops.irqs_changed != NULL)
		s->ops.irqs_changed(s->opaque, set->index);
	else if (ret != 0)
		*why = "SET_IRQS: out of memory";
	return ret;
}
