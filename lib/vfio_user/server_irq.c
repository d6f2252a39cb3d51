/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Interrupts: the event file descriptor of the client that each vector is wired to. Polling threads
 * read the descriptor of a vector and signal it between two quiescent states. Therefore the control
 * thread, which replaces descriptors, closes an old one after a grace period.
 *
 * The server does not signal an event by write(): write() blocks while the counter is full, unless
 * O_NONBLOCK is set, and the client shares that flag and can clear it at any moment. The kernel
 * itself signals an eventfd without ever waiting (a full counter stays full), on behalf of a
 * process that asks for a notice of the end of an asynchronous operation (io_submit(2),
 * IOCB_FLAG_RESFD). So an interrupt is an asynchronous read from /dev/null, which ends at once, and
 * whose end the kernel signals to the eventfd of the client.
 *
 * The kernel wakes all waiters of an eventfd, however many, in the thread that signals it. The
 * polling threads measure how long that takes. If the interrupts of a client exceed the usual time
 * by SLOW_NS in all, its DMA thread sends them from then on.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "server_priv.h"

/* Completed operations that the kernel keeps until the server collects them. */
#define SIGNALS_KEPT 64

/*
 * An interrupt takes about 1 us. Time beyond USUAL_NS is debt, which quick interrupts pay off. After
 * one that took longer, the time of SUSPECT interrupts is measured exactly.
 */
#define USUAL_NS 20000
#define SLOW_NS  20000000
#define SUSPECT  64

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Signal an eventfd. Never blocks, whatever the client does to it. */
static void
signal_eventfd(struct vfu_server *s, int fd)
{
	uint8_t byte;
	struct iocb cb = {
		.aio_lio_opcode = IOCB_CMD_PREAD,
		.aio_fildes = (uint32_t)s->null_fd,
		.aio_buf = (uintptr_t)&byte,
		.aio_nbytes = sizeof(byte),
		.aio_flags = IOCB_FLAG_RESFD,
		.aio_resfd = (uint32_t)fd,
	};
	struct iocb *cbs[] = { &cb };
	struct io_event ended[SIGNALS_KEPT];

	/*
	 * Another thread may take the room that was made, so try again, a bounded number of times.
	 */
	for (unsigned int i = 0; i < 16; i++) {
		if (syscall(SYS_io_submit, s->aio, 1L, cbs) == 1 || errno != EAGAIN)
			return;
		syscall(SYS_io_getevents, s->aio, 0L, (long)SIGNALS_KEPT, ended, NULL);
	}
}

int
vfu_irq_init(struct vfu_server *s)
{
	s->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->unmask_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->null_fd < 0 || s->unmask_epoll < 0 || syscall(SYS_io_setup, SIGNALS_KEPT, &s->aio) != 0)
		return -errno;
	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		struct vfu_irqs *irqs = &s->irqs[i];

		irqs->count = s->desc.irq_counts[i];
		irqs->level = i == VFIO_PCI_INTX_IRQ_INDEX;
		irqs->unmask_fd = -1;
		if (irqs->count == 0)
			continue;
		irqs->fds = malloc(irqs->count * sizeof(*irqs->fds));
		irqs->masked = calloc(irqs->count, sizeof(*irqs->masked));
		irqs->pending = calloc(irqs->count, sizeof(*irqs->pending));
		irqs->queued = calloc(irqs->count, sizeof(*irqs->queued));
		if (irqs->fds == NULL || irqs->masked == NULL || irqs->pending == NULL ||
				irqs->queued == NULL)
			return -ENOMEM;
		for (uint32_t v = 0; v < irqs->count; v++)
			irqs->fds[v] = -1;
	}
	return 0;
}

void
vfu_irq_fini(struct vfu_server *s)
{
	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		free(s->irqs[i].fds);
		free(s->irqs[i].masked);
		free(s->irqs[i].pending);
		free(s->irqs[i].queued);
	}
	if (s->aio != 0)
		syscall(SYS_io_destroy, s->aio);
	if (s->null_fd >= 0)
		close(s->null_fd);
	if (s->unmask_epoll >= 0)
		close(s->unmask_epoll);
}

static bool
raise_irq(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t vector)
{
	int fd = __atomic_load_n(&irqs->fds[vector], __ATOMIC_RELAXED);

	if (fd < 0)
		return false;
	if (irqs->level) {
		if (!atomic_exchange(&irqs->masked[vector], true))
			signal_eventfd(s, fd);
		return true;
	}
	if (atomic_load(&irqs->masked[vector])) {
		atomic_store(&irqs->pending[vector], true);
		/*
		 * An unmask clears masked, then looks at pending; so one of the two threads sees
		 * the other.
		 */
		if (atomic_load(&irqs->masked[vector]) ||
				!atomic_exchange(&irqs->pending[vector], false))
			return true;
	}
	signal_eventfd(s, fd);
	return true;
}

bool
vfu_irq_raise(struct vfu_server *s, unsigned int index, unsigned int vector)
{
	return raise_irq(s, &s->irqs[index], vector);
}

bool
vfu_irq_is_slow(const struct vfu_server *s)
{
	return atomic_load_explicit(&s->irq_debt, memory_order_relaxed) >= SLOW_NS &&
		atomic_load(&s->async.started);
}

/*
 * Raise an interrupt in a polling thread, and charge the client for the time that it took.
 *
 * The host, or a process that the signal wakes, may take the core away in the meantime. The clock of
 * the thread does not count that, but costs a system call, so that it measures only the interrupts
 * after one that took long by the clock of the machine. Two threads may race here: a lost update is
 * small.
 */
static bool
raise_measured(struct vfu_server *s, unsigned int index, unsigned int vector)
{
	uint64_t debt = atomic_load_explicit(&s->irq_debt, memory_order_relaxed), begin, took;
	unsigned int suspect = atomic_load_explicit(&s->irq_suspect, memory_order_relaxed);
	const clockid_t clock = suspect != 0 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
	bool ret;

	begin = now_ns(clock);
	ret = vfu_irq_raise(s, index, vector);
	took = now_ns(clock) - begin;
	if (took > USUAL_NS)
		suspect = SUSPECT;
	else if (suspect != 0)
		suspect--;
	atomic_store_explicit(&s->irq_suspect, suspect, memory_order_relaxed);
	if (clock == CLOCK_MONOTONIC)
		return ret;
	debt += took;
	debt = debt > USUAL_NS ? debt - USUAL_NS : 0;
	atomic_store_explicit(&s->irq_debt, debt, memory_order_relaxed);
	if (debt >= SLOW_NS && atomic_load(&s->async.started))
		vfu_server_complain(s, s->conn, "interrupts take long to signal, because many wait for "
			"the client's eventfds: the port's own thread signals them, and later");
	return ret;
}

bool
vfu_server_irq(struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	if (irq_index >= VFU_SRV_IRQS || vector >= server->irqs[irq_index].count)
		return false;
	/* An interrupt means that the writes before it are done, so it must not pass them. */
	if (!vfu_async_posted(server) && !vfu_irq_is_slow(server))
		return raise_measured(server, irq_index, vector);
	return __atomic_load_n(&server->irqs[irq_index].fds[vector], __ATOMIC_RELAXED) >= 0 &&
		vfu_async_irq(server, irq_index, vector);
}

/* Unmask a vector, and send a message that was raised while it was masked. */
static void
unmask(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t vector)
{
	atomic_store(&irqs->masked[vector], false);
	if (atomic_exchange(&irqs->pending[vector], false))
		raise_irq(s, irqs, vector);
}

void
vfu_server_irq_mask(struct vfu_server *server, unsigned int irq_index, unsigned int vector,
		bool masked)
{
	if (irq_index >= VFU_SRV_IRQS || vector >= server->irqs[irq_index].count)
		return;
	if (masked)
		atomic_store(&server->irqs[irq_index].masked[vector], true);
	else
		unmask(server, &server->irqs[irq_index], vector);
}

/*
 * Edge-triggered: each write of the client wakes this thread once. An eventfd that is readable
 * forever (EFD_SEMAPHORE) would otherwise keep the thread busy.
 */
static int
set_unmask_fd(struct vfu_server *s, int fd)
{
	struct vfu_irqs *irqs = &s->irqs[VFIO_PCI_INTX_IRQ_INDEX];
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	if (irqs->unmask_fd >= 0) {
		/*
		 * The client also has the file open, so closing the descriptor alone does not end
		 * the watch.
		 */
		epoll_ctl(s->unmask_epoll, EPOLL_CTL_DEL, irqs->unmask_fd, NULL);
		vfu_closer_close(s->closer, irqs->unmask_fd);
	}
	irqs->unmask_fd = fd;
	return fd >= 0 && epoll_ctl(s->unmask_epoll, EPOLL_CTL_ADD, fd, &ev) != 0 ? -errno : 0;
}

bool
vfu_irq_take_unmask(struct vfu_server *s)
{
	struct vfu_irqs *irqs = &s->irqs[VFIO_PCI_INTX_IRQ_INDEX];
	uint64_t count;
	struct iovec v = { &count, sizeof(count) };
	struct epoll_event ev;

	if (epoll_wait(s->unmask_epoll, &ev, 1, 0) != 1)
		return false;
	/* The client can clear O_NONBLOCK, and can take the event away: it may be gone again. */
	if (preadv2(irqs->unmask_fd, &v, 1, -1, RWF_NOWAIT) == sizeof(count))
		return true;
	if (errno != EAGAIN)
		set_unmask_fd(s, -1);
	return false;
}

void
vfu_irq_unmask(struct vfu_server *s)
{
	unmask(s, &s->irqs[VFIO_PCI_INTX_IRQ_INDEX], 0);
	if (s->ops.irqs_changed != NULL)
		s->ops.irqs_changed(s->opaque, VFIO_PCI_INTX_IRQ_INDEX);
}

bool
vfu_server_irq_wired(const struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	return irq_index < VFU_SRV_IRQS && vector < server->irqs[irq_index].count &&
		server->irqs[irq_index].fds[vector] >= 0;
}

bool
vfu_server_irq_pending(const struct vfu_server *server, unsigned int irq_index,
		unsigned int vector)
{
	if (irq_index >= VFU_SRV_IRQS || vector >= server->irqs[irq_index].count)
		return false;
	return atomic_load(&server->irqs[irq_index].pending[vector]);
}

/* Replace the descriptors of vectors start to start + count - 1 by fds (NULL: none). */
static int
wire(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t start, uint32_t count, int *fds)
{
	bool any = false;
	int *old;

	if (count == 0)
		return 0;
	old = malloc(count * sizeof(*old));
	if (old == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		old[i] = irqs->fds[start + i];
		any |= old[i] >= 0;
		__atomic_store_n(&irqs->fds[start + i], fds == NULL ? -1 : fds[i], __ATOMIC_RELAXED);
		if (fds != NULL)
			fds[i] = -1;
		atomic_store(&irqs->pending[start + i], false);
	}
	if (any)
		vfu_rcu_wait(s);
	for (uint32_t i = 0; i < count; i++) {
		if (old[i] >= 0)
			vfu_closer_close(s->closer, old[i]);
	}
	free(old);
	return 0;
}

void
vfu_irq_unwire_all(struct vfu_server *s)
{
	/* Allocates no memory, because it must always succeed. */
	atomic_store(&s->irq_debt, 0);
	atomic_store(&s->irq_suspect, 0);
	set_unmask_fd(s, -1);
	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		struct vfu_irqs *irqs = &s->irqs[i];

		for (uint32_t v = 0; v < irqs->count; v++) {
			int fd = irqs->fds[v];

			atomic_store(&irqs->masked[v], false);
			atomic_store(&irqs->pending[v], false);
			if (fd < 0)
				continue;
			__atomic_store_n(&irqs->fds[v], -1, __ATOMIC_RELAXED);
			vfu_rcu_wait(s);
			vfu_closer_close(s->closer, fd);
		}
	}
}

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
		ret = wire(s, irqs, 0, irqs->count, NULL);
		for (uint32_t v = 0; v < irqs->count; v++)
			atomic_store(&irqs->masked[v], false);
		if (irqs->level)
			set_unmask_fd(s, -1);
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
			ret = set_unmask_fd(s, nr_fds == 0 ? -1 : fds[0]);
			if (nr_fds != 0)
				fds[0] = -1;
			return ret;
		}
		if (nr_fds != 0)
			vfu_async_start(s); /* if no thread starts, polling threads send all interrupts */
		ret = wire(s, irqs, set->start, set->count, nr_fds == 0 ? NULL : fds);
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
			raise_irq(s, irqs, v);
			break;
		case VFIO_IRQ_SET_ACTION_MASK:
			atomic_store(&irqs->masked[v], true);
			break;
		default:
			unmask(s, irqs, v);
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
