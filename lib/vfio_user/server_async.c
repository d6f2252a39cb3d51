/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Memory without a file descriptor: accesses that take as long as the client likes.
 *
 * The server reaches such memory by DMA_READ and DMA_WRITE messages. A polling thread serves other
 * devices, so it never waits for an answer of the client. A thread of the server, the DMA thread,
 * sends the messages and waits; it starts with the first mapping that has no file descriptor, or
 * with the first eventfds (SET_IRQS), because it also sends interrupts that are slow. A polling
 * thread only queues accesses for it, by the rules of PCI Express (PCIe 2.1, 2.4.1):
 *
 *  - A write is posted. vfu_dma_write() copies the data into the queue and returns.
 *  - A read is split. The first vfu_dma_read() queues a request in the slot of the caller and
 *    returns -EAGAIN; a later call with the same arguments returns the data.
 *  - No access passes a posted write. As long as one is queued, all accesses and interrupts go
 *    through the queue, including those that need no message.
 *  - The reply to a command of the client pushes what the device did before: the control thread
 *    sends it after everything that was queued (vfu_dma_wait()). So a register read completes
 *    behind the writes, and no access follows a DMA_UNMAP, a reset, or the end of a queue.
 *
 *     polling thread                    DMA thread                     client
 *       vfu_dma_write() --copy-->  first --> vfu_access  --DMA_WRITE-->
 *       vfu_dma_read(): -EAGAIN -->      --> vfu_access  --DMA_READ--->
 *       vfu_dma_read(): data  <-- slots[slot]  <-------------reply-----
 *
 * The user of the queue bounds it: a device that has queued VFU_POSTED_BYTES is busy
 * (vfu_dma_busy()) and starts nothing new until the client has answered.
 *
 * The DMA thread also sends the interrupts of a client whose eventfds take long to signal
 * (server_access.c). A queued interrupt is a bit: each access has the set of the interrupts that
 * were raised before it and after its predecessor, and the queue has the set of those behind its
 * last access. So an interrupt needs no memory and is never lost. An interrupt that is already
 * queued behind the same access is not queued again, because an eventfd holds it only once. The
 * thread may share a core with a polling thread of other clients, so after interrupts that took
 * long it rests for IRQ_REST times as long.
 *
 *     first --> [irqs] write --> [irqs] read --> [irqs] write --> NULL    a->irqs
 */

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server_priv.h"
#include "thread.h"

#define VFU_POSTED_BYTES (256u * 1024)
#define LOOK_MS          20 /* the control thread checks whether it must stop */
#define IRQ_REST         4  /* slow interrupts take a fifth of a core */
#define NS_PER_MS        1000000

enum access_kind { ACCESS_WRITE, ACCESS_READ };

struct vfu_access {
	struct vfu_access *next;
	enum access_kind kind;
	uint64_t iova;
	uint32_t len;
	unsigned int slot; /* for ACCESS_READ */
	uint8_t *data;     /* for ACCESS_WRITE: behind irqs */
	uint64_t irqs[];   /* a bit for each vector that was raised before the access */
};

int
vfu_async_init(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;
	uint32_t nr = 0;

	a->end = &a->first;
	pthread_mutex_init(&a->lock, NULL);
	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		s->irqs[i].first = nr;
		nr += s->desc.irq_counts[i];
	}
	a->irqs = calloc(nr / 64 + 1, sizeof(a->irqs[0]));
	if (a->irqs != NULL)
		a->irqs_size = (nr / 64 + 1) * sizeof(a->irqs[0]);
	if (vfu_cond_init(&a->work) != 0 || vfu_cond_init(&a->progress) != 0 || a->irqs == NULL)
		return -ENOMEM;
	return 0;
}

/* Move a set of interrupts (to NULL: drop it), and return their number. Lock held. */
static unsigned int
move_irqs(const struct vfu_async *a, uint64_t *to, uint64_t *from)
{
	unsigned int nr = 0;

	for (size_t i = 0; i < a->irqs_size / sizeof(from[0]); i++) {
		nr += (unsigned int)__builtin_popcountll(from[i]);
		if (to != NULL)
			to[i] = from[i];
		from[i] = 0;
	}
	return nr;
}

/* Empty a slot. Lock held; its owner reads the state, which is stored last, without the lock. */
static void
free_slot(struct vfu_slot *slot)
{
	free(slot->data);
	slot->data = NULL;
	slot->cancelled = false;
	slot->state = VFU_SLOT_FREE;
}

/* Put the result of the DMA thread into the slot. Called with the lock held. */
static void
fill_slot(struct vfu_slot *slot, uint8_t *data, int ret)
{
	if (slot->cancelled) {
		free(data);
		free_slot(slot);
		return;
	}
	slot->data = data;
	slot->ret = ret;
	if (ret != 0)
		slot->fault = *vfu_dma_last_fault();
	slot->state = VFU_SLOT_DONE;
}

/*
 * Remove an interrupt from the set at the head of the queue. Lock held.
 *
 * @return false: the set is empty
 */
static bool
take_irq(struct vfu_server *s, struct vfu_irqs **irqs, uint32_t *vector)
{
	struct vfu_async *a = &s->async;
	uint64_t *set = a->first != NULL ? a->first->irqs : a->irqs;

	for (unsigned int i = 0; i < VFU_SRV_IRQS; i++) {
		*irqs = &s->irqs[i];
		for (*vector = 0; *vector < (*irqs)->count; (*vector)++) {
			uint32_t bit = (*irqs)->first + *vector;

			if (set[bit / 64] >> (bit % 64) & 1) {
				set[bit / 64] &= ~(UINT64_C(1) << (bit % 64));
				return true;
			}
		}
	}
	return false;
}

static void
carry_out(struct vfu_server *s, struct vfu_access *access)
{
	struct vfu_async *a = &s->async;
	uint8_t *data = NULL;
	int ret;

	vfu_rcu_online();
	switch (access->kind) {
	case ACCESS_WRITE:
		if (vfu_dma_access(s, access->iova, NULL, access->data, access->len,
				    VFU_DMA_MESSAGES) != 0)
			vfu_conn_report(s, "DMA fault: DMA_WRITE of %u bytes at 0x%llx: %s",
					access->len, (unsigned long long)access->iova,
					vfu_dma_why_text(vfu_dma_last_fault()));
		break;
	case ACCESS_READ:
		data = malloc(access->len);
		ret = data == NULL ? -ENOMEM :
				     vfu_dma_access(s, access->iova, data, NULL, access->len,
						     VFU_DMA_MESSAGES);
		pthread_mutex_lock(&a->lock);
		fill_slot(&a->slots[access->slot], data, ret);
		pthread_mutex_unlock(&a->lock);
		break;
	}
	vfu_rcu_offline();
}

/* Remove the first access from the queue, under the lock. NULL: the queue is empty. */
static struct vfu_access *
dequeue(struct vfu_async *a)
{
	struct vfu_access *access = a->first;

	if (access == NULL)
		return NULL;
	a->first = access->next;
	if (a->first == NULL)
		a->end = &a->first;
	return access;
}

static uint64_t
cpu_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000 * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

/* Rest after interrupts that took long, until the client is forgotten. Lock held. */
static void
rest(struct vfu_async *a)
{
	const uint64_t deadline = vfu_now_ms() + a->rest_ns / NS_PER_MS;

	while (!a->stop && a->rest_ns >= NS_PER_MS)
		if (vfu_wait_until(&a->work, &a->lock, deadline) == -ETIMEDOUT)
			a->rest_ns %= NS_PER_MS;
}

/*
 * Send an interrupt from the head of the queue: one, because the client decides how long it takes,
 * and the end of the client or of the server waits for no more than that. Lock held.
 *
 * @return false: there is none
 */
static bool
send_first_irq(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;
	struct vfu_irqs *irqs;
	uint64_t took;
	uint32_t vector;

	if (!take_irq(s, &irqs, &vector))
		return false;
	pthread_mutex_unlock(&a->lock);
	vfu_rcu_online();
	took = cpu_time_ns();
	vfu_irq_raise(s, irqs, vector);
	took = cpu_time_ns() - took;
	vfu_rcu_offline();
	pthread_mutex_lock(&a->lock);
	a->done++;
	atomic_fetch_sub(&a->posted, 1);
	if (took > VFU_IRQ_USUAL_NS)
		a->rest_ns += took * IRQ_REST;
	return true;
}

/* Carry out the first access of the queue. Lock held. @return false: there is none */
static bool
carry_out_first(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;
	struct vfu_access *access = dequeue(a);
	uint32_t len;
	bool is_write;

	if (access == NULL)
		return false;
	pthread_mutex_unlock(&a->lock);
	carry_out(s, access);
	is_write = access->kind == ACCESS_WRITE;
	len = access->len;
	free(access);
	pthread_mutex_lock(&a->lock);
	if (is_write) {
		a->bytes -= len;
		atomic_fetch_sub(&a->posted, 1);
	}
	a->done++;
	return true;
}

/* Polling threads take the lock, so nothing that may take long happens while it is held. */
static void *
dma_thread(void *arg)
{
	struct vfu_server *s = arg;
	struct vfu_async *a = &s->async;

	vfu_rcu_register();
	vfu_rcu_only(&s, 1);
	vfu_rcu_offline();
	pthread_mutex_lock(&a->lock);
	while (!a->stop) {
		if (send_first_irq(s) || carry_out_first(s)) {
			pthread_mutex_unlock(&a->lock);
			pthread_cond_broadcast(&a->progress);
			pthread_mutex_lock(&a->lock);
			if (a->rest_ns >= NS_PER_MS)
				rest(a);
		} else {
			pthread_cond_wait(&a->work, &a->lock);
		}
	}
	pthread_mutex_unlock(&a->lock);
	vfu_rcu_unregister();
	return NULL;
}

int
vfu_async_start(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;
	int ret;

	if (atomic_load(&a->started))
		return 0;
	ret = vfu_thread_start(&a->thread, NULL, "dma", dma_thread, s);
	atomic_store(&a->started, ret == 0);
	return ret;
}

/* Queue an access, with a copy of data for a write. Lock held. False: out of memory. */
static bool
enqueue(struct vfu_async *a, const struct vfu_access *what, const void *data)
{
	size_t len = data != NULL ? what->len : 0;
	struct vfu_access *access = malloc(sizeof(*access) + a->irqs_size + len);

	if (access == NULL)
		return false;
	*access = *what;
	access->next = NULL;
	access->data = (uint8_t *)access->irqs + a->irqs_size;
	if (data != NULL)
		memcpy(access->data, data, len);
	move_irqs(a, access->irqs, a->irqs);
	*a->end = access;
	a->end = &access->next;
	a->bytes += len;
	a->queued++;
	if (what->kind == ACCESS_WRITE)
		atomic_fetch_add(&a->posted, 1);
	pthread_cond_signal(&a->work);
	return true;
}

int
vfu_async_write(struct vfu_server *s, uint64_t iova, const void *data, size_t len)
{
	const struct vfu_access write = {
		.kind = ACCESS_WRITE,
		.iova = iova,
		.len = (uint32_t)len,
	};
	bool ok;

	pthread_mutex_lock(&s->async.lock);
	ok = enqueue(&s->async, &write, data);
	pthread_mutex_unlock(&s->async.lock);
	return ok ? 0 : -ENOMEM;
}

void
vfu_async_irq(struct vfu_server *s, unsigned int index, unsigned int vector)
{
	struct vfu_async *a = &s->async;
	uint32_t bit = s->irqs[index].first + vector;
	uint64_t *word = &a->irqs[bit / 64], mask = UINT64_C(1) << (bit % 64);

	pthread_mutex_lock(&a->lock);
	if ((*word & mask) == 0) {
		*word |= mask;
		a->queued++;
		atomic_fetch_add(&a->posted, 1);
		pthread_cond_signal(&a->work);
	}
	pthread_mutex_unlock(&a->lock);
}

int
vfu_async_read(struct vfu_server *s, unsigned int nr, uint64_t iova, void *buf, size_t len)
{
	const struct vfu_access read = {
		.kind = ACCESS_READ,
		.iova = iova,
		.len = (uint32_t)len,
		.slot = nr,
	};
	struct vfu_async *a = &s->async;
	struct vfu_slot *slot = &a->slots[nr];
	int ret = -EAGAIN;

	if (slot->state == VFU_SLOT_IN_FLIGHT)
		return -EAGAIN;
	pthread_mutex_lock(&a->lock);
	if (slot->state == VFU_SLOT_DONE) {
		if (slot->iova == iova && slot->len == len) {
			ret = slot->ret;
			if (ret != 0)
				vfu_dma_set_last_fault(&slot->fault);
			else
				memcpy(buf, slot->data, len);
		}
		free_slot(slot);
	}
	if (slot->state == VFU_SLOT_FREE && ret == -EAGAIN) {
		if (enqueue(a, &read, NULL)) {
			slot->iova = iova;
			slot->len = len;
			slot->state = VFU_SLOT_IN_FLIGHT;
		} else {
			ret = -ENOMEM;
		}
	}
	pthread_mutex_unlock(&a->lock);
	return ret;
}

void
vfu_dma_cancel(struct vfu_server *s, unsigned int nr)
{
	struct vfu_async *a = &s->async;
	struct vfu_slot *slot = &a->slots[nr];

	if (!atomic_load(&a->started))
		return;
	pthread_mutex_lock(&a->lock);
	if (slot->state == VFU_SLOT_IN_FLIGHT)
		slot->cancelled = true;
	else
		free_slot(slot);
	pthread_mutex_unlock(&a->lock);
}

bool
vfu_dma_busy(struct vfu_server *s)
{
	return atomic_load_explicit(&s->async.bytes, memory_order_relaxed) > VFU_POSTED_BYTES;
}

/* Wait for a->progress. The caller has checked its condition with the lock held. */
static void
wait_progress(struct vfu_async *a)
{
	vfu_wait_until(&a->progress, &a->lock, vfu_now_ms() + LOOK_MS);
}

void
vfu_dma_wait(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;
	bool online = vfu_rcu_is_online();
	uint64_t last;

	if (!atomic_load(&a->started))
		return;
	if (online)
		vfu_rcu_offline();
	pthread_mutex_lock(&a->lock);
	for (last = a->queued; a->done < last && !atomic_load(&s->stop) && !atomic_load(&s->drop);)
		wait_progress(a);
	pthread_mutex_unlock(&a->lock);
	if (online)
		vfu_rcu_online();
}

/* Drop all that waits in the queue, under the lock or after the DMA thread has ended. */
static void
drop_queue(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;
	struct vfu_access *access;
	unsigned int nr = move_irqs(a, NULL, a->irqs);

	while ((access = dequeue(a)) != NULL) {
		nr += move_irqs(a, NULL, access->irqs);
		if (access->kind == ACCESS_READ) {
			free_slot(&a->slots[access->slot]);
			a->done++;
		} else {
			a->bytes -= access->len;
			nr++;
		}
		free(access);
	}
	a->done += nr;
	atomic_fetch_sub(&a->posted, nr);
}

static void
free_slots(struct vfu_async *a)
{
	for (unsigned int i = 0; i < VFU_DMA_SLOTS; i++)
		free_slot(&a->slots[i]);
}

void
vfu_async_fini(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;

	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
	if (atomic_load(&a->started))
		pthread_join(a->thread, NULL);
	drop_queue(s); /* polling threads may have queued accesses after the last client */
	free_slots(a);
	free(a->irqs);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->work);
	pthread_cond_destroy(&a->progress);
}

void
vfu_async_forget_client(struct vfu_server *s)
{
	struct vfu_async *a = &s->async;

	pthread_mutex_lock(&a->lock);
	drop_queue(s);
	while (a->done < a->queued) /* the access in flight */
		wait_progress(a);
	free_slots(a);
	a->rest_ns = 0;
	pthread_cond_signal(&a->work);
	pthread_mutex_unlock(&a->lock);
}
