/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Accesses and interrupts of the device: at once, or through the queue of server_async.c. Memory
 * that takes a message goes through the queue, and so does everything behind a queued write.
 *
 * The kernel wakes all waiters of an eventfd, however many, in the thread that signals it. The
 * polling threads measure how long that takes. If the interrupts of a client exceed the usual time
 * by SLOW_NS in all, its DMA thread sends them from then on.
 */

#include <errno.h>
#include <time.h>

#include "server_priv.h"

/*
 * Time beyond VFU_IRQ_USUAL_NS is debt, of which time pays a part: a client may take one percent of
 * a core so. From SLOW_NS on the DMA thread sends the interrupts of the client.
 */
#define SLOW_NS    20000000
#define SUSPECT_NS 1000000000
#define PAY_PART   100

static uint64_t
now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int
vfu_dma_read(struct vfu_server *server, unsigned int slot, uint64_t iova, void *buf, size_t len)
{
	int ret = -EAGAIN;

	/* A read that is in flight ends in its slot. */
	if (!vfu_async_posted(server) &&
			atomic_load_explicit(&server->async.slots[slot].state,
					memory_order_relaxed) == VFU_SLOT_FREE)
		ret = vfu_dma_access(server, iova, buf, NULL, len, VFU_DMA_DIRECT);
	if (ret == -EAGAIN)
		ret = vfu_async_read(server, slot, iova, buf, len);
	if (ret == -ENOMEM) /* to queue it: a fault, as if the client had not answered */
		return vfu_dma_count_fault(server, iova, VFU_DMA_READ, VFU_DMA_NO_ANSWER);
	return ret;
}

int
vfu_dma_write(struct vfu_server *server, uint64_t iova, const void *buf, size_t len)
{
	int ret = -EAGAIN;

	if (!vfu_async_posted(server))
		ret = vfu_dma_access(server, iova, NULL, buf, len, VFU_DMA_DIRECT);
	if (ret != -EAGAIN)
		return ret;
	/* Report a fault now if it can be detected now. */
	ret = vfu_dma_access(server, iova, NULL, buf, len, VFU_DMA_CHECK);
	if (ret == 0)
		ret = vfu_async_write(server, iova, buf, len);
	if (ret == -ENOMEM)
		return vfu_dma_count_fault(server, iova, VFU_DMA_WRITE, VFU_DMA_NO_ANSWER);
	return ret;
}

/*
 * Return whether signalling this client's eventfds has taken so long that only the DMA thread
 * signals them. A new client begins without debt.
 */
static bool
is_slow(const struct vfu_server *s)
{
	return atomic_load_explicit(&s->irq_debt, memory_order_relaxed) >= SLOW_NS &&
			atomic_load(&s->async.started);
}

/*
 * Raise an interrupt, and charge the client for the time that a polling thread needed for it.
 *
 * The host, or a process that the signal wakes, may take the core away in the meantime. The clock
 * of the thread does not count that, but costs a system call, so that it measures only for
 * SUSPECT_NS after an interrupt that took long by the clock of the machine. Two polling threads may
 * race here: a lost update is small. The control thread serves this client only, so that its time
 * is free.
 */
static bool
raise_measured(struct vfu_server *s, unsigned int index, unsigned int vector)
{
	struct vfu_irqs *irqs = &s->irqs[index];
	uint64_t begin, end, cpu = 0, debt, paid;
	bool suspect, ret;

	if (pthread_equal(pthread_self(), s->thread))
		return vfu_irq_raise(s, irqs, vector);
	begin = now_ns(CLOCK_MONOTONIC);
	suspect = begin < atomic_load_explicit(&s->irq_suspect, memory_order_relaxed);
	if (suspect)
		cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	ret = vfu_irq_raise(s, irqs, vector);
	if (suspect)
		cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	end = now_ns(CLOCK_MONOTONIC);
	if (end - begin > VFU_IRQ_USUAL_NS)
		atomic_store_explicit(&s->irq_suspect, end + SUSPECT_NS, memory_order_relaxed);
	if (!suspect)
		return ret;
	debt = atomic_load_explicit(&s->irq_debt, memory_order_relaxed);
	paid = (end - atomic_exchange_explicit(&s->irq_seen, end, memory_order_relaxed)) / PAY_PART;
	debt = (debt > paid ? debt - paid : 0) +
			(cpu > VFU_IRQ_USUAL_NS ? cpu - VFU_IRQ_USUAL_NS : 0);
	atomic_store_explicit(&s->irq_debt, debt, memory_order_relaxed);
	if (debt >= SLOW_NS && atomic_load(&s->async.started))
		vfu_conn_report(s,
				"interrupts take long to signal, because many threads wait for "
				"the client's eventfds: they may be late from now on");
	return ret;
}

bool
vfu_server_irq(struct vfu_server *server, unsigned int irq_index, unsigned int vector)
{
	if (irq_index >= VFU_SRV_IRQS || vector >= server->irqs[irq_index].count)
		return false;
	/* An interrupt means that the writes before it are done, so it must not pass them. */
	if (!vfu_async_posted(server) && !is_slow(server))
		return raise_measured(server, irq_index, vector);
	if (!vfu_server_irq_wired(server, irq_index, vector))
		return false;
	vfu_async_irq(server, irq_index, vector);
	return true;
}
