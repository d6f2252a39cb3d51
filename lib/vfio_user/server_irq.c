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
#include <unistd.h>

#include "server_priv.h"

/* Completed operations that the kernel keeps until the server collects them. */
#define MAX_ENDED 64

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
	struct io_event ended[MAX_ENDED];

	/*
	 * Another thread may take the room that was made, so try again, a bounded number of times.
	 */
	for (unsigned int i = 0; i < 16; i++) {
		if (syscall(SYS_io_submit, s->aio, 1L, cbs) == 1 || errno != EAGAIN)
			return;
		syscall(SYS_io_getevents, s->aio, 0L, (long)MAX_ENDED, ended, NULL);
	}
}

int
vfu_irq_init(struct vfu_server *s)
{
	s->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	s->unmask_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->null_fd < 0 || s->unmask_epoll < 0 || syscall(SYS_io_setup, MAX_ENDED, &s->aio) != 0)
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
		if (irqs->fds == NULL || irqs->masked == NULL || irqs->pending == NULL)
			return -ENOMEM;
		for (uint32_t v = 0; v < irqs->count; v++)
			irqs->fds[v] = -1;
	}
	return 0;
}

void
vfu_irq_end(struct vfu_server *s)
{
	if (s->aio != 0)
		syscall(SYS_io_destroy, s->aio);
	s->aio = 0;
}

void
vfu_irq_fini(struct vfu_server *s)
{
	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		free(s->irqs[i].fds);
		free(s->irqs[i].masked);
		free(s->irqs[i].pending);
	}
	vfu_irq_end(s);
	if (s->null_fd >= 0)
		close(s->null_fd);
	if (s->unmask_epoll >= 0)
		close(s->unmask_epoll);
}

bool
vfu_irq_raise(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t vector)
{
	int fd = atomic_load_explicit(&irqs->fds[vector], memory_order_relaxed);

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

void
vfu_irq_unmask(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t vector)
{
	atomic_store(&irqs->masked[vector], false);
	if (atomic_exchange(&irqs->pending[vector], false))
		vfu_irq_raise(s, irqs, vector);
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
		vfu_irq_unmask(server, &server->irqs[irq_index], vector);
}

/*
 * Edge-triggered: each write of the client wakes this thread once. An eventfd that is readable
 * forever (EFD_SEMAPHORE) would otherwise keep the thread busy.
 */
int
vfu_irq_set_unmask_fd(struct vfu_server *s, int fd)
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
		vfu_irq_set_unmask_fd(s, -1);
	return false;
}

void
vfu_irq_unmask_intx(struct vfu_server *s)
{
	vfu_irq_unmask(s, &s->irqs[VFIO_PCI_INTX_IRQ_INDEX], 0);
	if (s->ops.irqs_changed != NULL)
		s->ops.irqs_changed(s->opaque, VFIO_PCI_INTX_IRQ_INDEX);
}

bool
vfu_server_irq_wired(const struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	return irq_index < VFU_SRV_IRQS && vector < server->irqs[irq_index].count &&
			atomic_load_explicit(&server->irqs[irq_index].fds[vector],
					memory_order_relaxed) >= 0;
}

bool
vfu_server_irq_pending(const struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	if (irq_index >= VFU_SRV_IRQS || vector >= server->irqs[irq_index].count)
		return false;
	return atomic_load(&server->irqs[irq_index].pending[vector]);
}

int
vfu_irq_wire(struct vfu_server *s, struct vfu_irqs *irqs, uint32_t start, uint32_t count, int *fds)
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
		atomic_store_explicit(&irqs->fds[start + i], fds == NULL ? -1 : fds[i],
				memory_order_relaxed);
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
	vfu_irq_set_unmask_fd(s, -1);
	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		struct vfu_irqs *irqs = &s->irqs[i];

		for (uint32_t v = 0; v < irqs->count; v++) {
			int fd = irqs->fds[v];

			atomic_store(&irqs->masked[v], false);
			atomic_store(&irqs->pending[v], false);
			if (fd < 0)
				continue;
			atomic_store_explicit(&irqs->fds[v], -1, memory_order_relaxed);
			vfu_rcu_wait(s);
			vfu_closer_close(s->closer, fd);
		}
	}
}
