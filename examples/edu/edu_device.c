/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * edu-device: a software edu, that is, a custom PCI device behind a vfio-user socket, in one file
 * and without DPDK. It follows docs/specs/edu of QEMU as far as that concerns DMA and interrupts.
 *
 *	edu-device SOCKET
 *
 * Theory
 *
 *	client  <== socket ==>  control thread        lock         engine thread
 *	                        configuration space  ------->  waits for RUN, moves the bytes,
 *	                        and registers        changed   clears RUN, raises an interrupt
 *
 * The control thread of the server carries out what arrives by message, that is, accesses to
 * configuration space and registers, under a lock. A second thread, the engine, is a reader of the
 * RCU of the server. It waits for a command, moves the bytes, and clears RUN. From the moment RUN
 * is set until it is cleared, the engine owns the DMA registers, and writes to them are ignored,
 * as in QEMU. A caller that revokes the right to DMA (bus master off, a reset, the end of the
 * client) waits until the engine is idle.
 *
 * Differences from QEMU: interrupts are MSI-X, which the vfio-user bus supports, instead of MSI; a
 * transfer takes no time; and a transfer that does not fit the buffer is refused.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "edu_regs.h"
#include "vfu_rcu.h"
#include "vfu_server.h"

#define CONFIG_SIZE PCI_CFG_SPACE_SIZE
#define CAP_MSIX    0x40
#define MSIX_BAR    1
#define MSIX_SIZE   0x1000
#define MSIX_PBA    0x800

struct edu {
	struct vfu_server *server;
	pthread_t engine;
	pthread_mutex_t lock;   /* protects all fields below, except buffer */
	pthread_cond_t changed; /* signals a change of command, busy or stop */
	bool busy, stop;
	uint64_t source, destination, count, command;
	uint32_t liveness, causes;
	uint64_t transfers, refused;
	uint8_t config[CONFIG_SIZE], writable[CONFIG_SIZE];
	uint8_t buffer[EDU_BUFFER_SIZE]; /* owned by the engine */
};

/*
 * The engine.
 */

/* True if [at, at + count) is in the buffer, in addresses of the device. */
static bool
fits(uint64_t at, uint64_t count)
{
	return at >= EDU_BUFFER && count <= EDU_BUFFER_SIZE &&
			at - EDU_BUFFER <= EDU_BUFFER_SIZE - count;
}

static bool
transfer(struct edu *e)
{
	const uint64_t reach = (UINT64_C(1) << EDU_ADDRESS_BITS) - 1;
	const bool to_memory = e->command & EDU_DMA_TO_MEMORY;
	uint64_t inside = to_memory ? e->source : e->destination;
	/* Drop the address bits that the device does not have. */
	uint64_t bus = (to_memory ? e->destination : e->source) & reach;
	int ret;

	if (!fits(inside, e->count))
		return false;
	inside -= EDU_BUFFER;
	if (to_memory)
		return vfu_dma_write(e->server, bus, e->buffer + inside, e->count) == 0;
	while ((ret = vfu_dma_read(e->server, 0, bus, e->buffer + inside, e->count)) == -EAGAIN)
		vfu_dma_wait(e->server);
	return ret == 0;
}

static bool
may_start(const struct edu *e)
{
	return (e->command & EDU_DMA_RUN) && (e->config[PCI_COMMAND] & PCI_COMMAND_MASTER);
}

static void *
engine(void *arg)
{
	struct edu *e = arg;
	bool ok;

	vfu_rcu_register();
	pthread_mutex_lock(&e->lock);
	while (!e->stop) {
		if (!may_start(e)) {
			vfu_rcu_offline();
			pthread_cond_wait(&e->changed, &e->lock);
			vfu_rcu_online();
			continue;
		}
		e->busy = true;
		pthread_mutex_unlock(&e->lock);
		ok = transfer(e);
		pthread_mutex_lock(&e->lock);
		e->busy = false;
		e->transfers += ok;
		e->refused += !ok;
		e->command &= ~(uint64_t)EDU_DMA_RUN;
		if (e->command & EDU_DMA_INTERRUPT) {
			e->causes |= EDU_IRQ_DMA;
			vfu_server_irq(e->server, VFIO_PCI_MSIX_IRQ_INDEX, 0);
		}
		pthread_cond_broadcast(&e->changed);
		vfu_rcu_quiescent();
	}
	pthread_mutex_unlock(&e->lock);
	vfu_rcu_unregister();
	return NULL;
}

/* Wait until no access is in flight. None starts while the caller holds the lock. */
static void
wait_idle(struct edu *e)
{
	while (e->busy)
		pthread_cond_wait(&e->changed, &e->lock);
}

/*
 * Configuration space (PCI 3.0, 6.1): its contents, and the bits that can be written.
 */

static void
put(struct edu *e, unsigned int at, unsigned int size, uint32_t value, uint32_t writable)
{
	for (unsigned int i = 0; i < size; i++) {
		e->config[at + i] = (uint8_t)(value >> (8 * i));
		e->writable[at + i] = (uint8_t)(writable >> (8 * i));
	}
}

static void
power_on(struct edu *e)
{
	memset(e->config, 0, sizeof(e->config));
	memset(e->writable, 0, sizeof(e->writable));
	put(e, PCI_VENDOR_ID, 2, EDU_VENDOR_ID, 0);
	put(e, PCI_DEVICE_ID, 2, EDU_DEVICE_ID, 0);
	put(e, PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(e, PCI_STATUS, 2, PCI_STATUS_CAP_LIST, 0);
	put(e, PCI_REVISION_ID, 1, 0x10, 0);
	put(e, PCI_CLASS_PROG, 3, 0x00ff00, 0); /* unclassified */
	put(e, PCI_BASE_ADDRESS_0, 4, 0, ~(EDU_BAR_SIZE - 1u));
	put(e, PCI_BASE_ADDRESS_1, 4, 0, ~(MSIX_SIZE - 1u));
	put(e, PCI_CAPABILITY_LIST, 1, CAP_MSIX, 0);
	put(e, CAP_MSIX, 2, PCI_CAP_ID_MSIX, 0);
	put(e, CAP_MSIX + PCI_MSIX_FLAGS, 2, 0, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put(e, CAP_MSIX + PCI_MSIX_TABLE, 4, MSIX_BAR, 0);
	put(e, CAP_MSIX + PCI_MSIX_PBA, 4, MSIX_PBA | MSIX_BAR, 0);
	e->source = e->destination = e->count = e->command = 0;
	e->liveness = e->causes = 0;
	memset(e->buffer, 0, sizeof(e->buffer));
}

static void
config_write(struct edu *e, uint64_t at, const uint8_t *value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		e->config[at + i] = (uint8_t)((e->config[at + i] & ~e->writable[at + i]) |
				(value[i] & e->writable[at + i]));
	if (!(e->config[PCI_COMMAND] & PCI_COMMAND_MASTER))
		wait_idle(e);
	pthread_cond_broadcast(&e->changed);
}

/*
 * Registers: 4 bytes below 0x80, 4 or 8 bytes from there on. Other accesses read all ones, and
 * writes to them are ignored.
 */

static uint64_t *
dma_register(struct edu *e, uint64_t at)
{
	switch (at) {
	case EDU_DMA_SOURCE:
		return &e->source;
	case EDU_DMA_DESTINATION:
		return &e->destination;
	case EDU_DMA_COUNT:
		return &e->count;
	case EDU_DMA_COMMAND:
		return &e->command;
	}
	return NULL;
}

static uint64_t
register_read(struct edu *e, uint64_t at)
{
	const uint64_t *dma = dma_register(e, at);

	if (dma != NULL)
		return *dma;
	switch (at) {
	case EDU_ID:
		return 0x01000000 | EDU_ID_VALUE;
	case EDU_LIVENESS:
		return e->liveness;
	case EDU_IRQ_STATUS:
		return e->causes;
	}
	return UINT64_MAX;
}

static void
register_write(struct edu *e, uint64_t at, uint64_t value)
{
	uint64_t *dma = dma_register(e, at);

	if (dma != NULL) {
		if ((e->command & EDU_DMA_RUN) || (at == EDU_DMA_COMMAND && !(value & EDU_DMA_RUN)))
			return;
		*dma = value;
		pthread_cond_broadcast(&e->changed);
	} else if (at == EDU_LIVENESS) {
		e->liveness = ~(uint32_t)value;
	} else if (at == EDU_IRQ_RAISE) {
		e->causes |= value;
		if (e->causes != 0)
			vfu_server_irq(e->server, VFIO_PCI_MSIX_IRQ_INDEX, 0);
	} else if (at == EDU_IRQ_ACKNOWLEDGE) {
		e->causes &= ~value;
	}
}

static bool
register_access(uint64_t at, size_t len)
{
	return at % len == 0 && (len == 4 || (len == 8 && at >= EDU_DMA_SOURCE));
}

/*
 * Operations that the server calls.
 */

static int
region_read(void *opaque, unsigned int region, uint64_t at, void *buf, size_t len)
{
	struct edu *e = opaque;
	uint64_t value;

	memset(buf, region == VFIO_PCI_BAR0_REGION_INDEX ? 0xff : 0, len);
	pthread_mutex_lock(&e->lock);
	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		memcpy(buf, e->config + at, len);
	} else if (region == VFIO_PCI_BAR0_REGION_INDEX && len != 0 && register_access(at, len)) {
		value = register_read(e, at);
		memcpy(buf, &value, len);
	}
	pthread_mutex_unlock(&e->lock);
	return 0;
}

/* The MSI-X table (BAR 1) needs no memory: vectors are connected by message. */
static int
region_write(void *opaque, unsigned int region, uint64_t at, const void *buf, size_t len)
{
	struct edu *e = opaque;
	uint64_t value = 0;

	pthread_mutex_lock(&e->lock);
	if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
		config_write(e, at, buf, len);
	} else if (region == VFIO_PCI_BAR0_REGION_INDEX && len != 0 && register_access(at, len)) {
		memcpy(&value, buf, len);
		register_write(e, at, value);
	}
	pthread_mutex_unlock(&e->lock);
	return 0;
}

static int
reset(void *opaque)
{
	struct edu *e = opaque;
	uint8_t config[CONFIG_SIZE];

	pthread_mutex_lock(&e->lock);
	wait_idle(e);
	memcpy(config, e->config, sizeof(config)); /* preserved, as the kernel's vfio-pci does */
	power_on(e);
	memcpy(e->config, config, sizeof(config));
	pthread_mutex_unlock(&e->lock);
	return 0;
}

static void
detached(void *opaque, const char *why)
{
	struct edu *e = opaque;
	struct vfu_server_stats stats;

	pthread_mutex_lock(&e->lock);
	wait_idle(e);
	power_on(e);
	vfu_server_get_stats(e->server, &stats);
	printf("edu-device: client left (%s): %llu transfers, %llu refused, %llu DMA faults\n", why,
			(unsigned long long)e->transfers, (unsigned long long)e->refused,
			(unsigned long long)stats.dma_faults);
	pthread_mutex_unlock(&e->lock);
	fflush(stdout);
}

static void
attached(void *opaque)
{
}

int
main(int argc, char **argv)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	const struct vfu_server_ops ops = {
		.attached = attached,
		.detached = detached,
		.region_read = region_read,
		.region_write = region_write,
		.reset = reset,
	};
	static struct edu e = {
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	struct vfu_server_desc desc = { .irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = 1 };
	char err[VFU_ERR_LEN];
	sigset_t set;
	int sig;

	if (argc != 2) {
		fprintf(stderr, "usage: edu-device SOCKET\n");
		return 2;
	}
	/* Block the signals in all threads, for sigwait(). */
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);

	for (unsigned int i = 0; i < VFU_SRV_REGIONS; i++)
		desc.regions[i].fd = -1;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].size = EDU_BAR_SIZE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_BAR1_REGION_INDEX].size = MSIX_SIZE;
	desc.regions[VFIO_PCI_BAR1_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = CONFIG_SIZE;
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].flags = rw;
	power_on(&e);
	if (vfu_server_start(argv[1], &desc, &ops, &e, &e.server, err) != 0) {
		fprintf(stderr, "edu-device: %s\n", err);
		return 1;
	}
	if (pthread_create(&e.engine, NULL, engine, &e) != 0) {
		fprintf(stderr, "edu-device: no thread for the engine\n");
		vfu_server_stop(e.server);
		return 1;
	}
	puts("edu-device: ready");
	fflush(stdout);
	sigwait(&set, &sig);

	pthread_mutex_lock(&e.lock);
	e.stop = true;
	pthread_cond_broadcast(&e.changed);
	pthread_mutex_unlock(&e.lock);
	pthread_join(e.engine, NULL);
	vfu_server_stop(e.server);
	return 0;
}
