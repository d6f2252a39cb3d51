/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A software 82576: theory.
 *
 * What the hardware is. A driver sees registers (BAR 0), and rings of 16-byte
 * descriptors in memory of its own. It writes a descriptor, which names a
 * buffer by its bus address, then moves the ring's tail: the doorbell. The
 * device fetches descriptors from its head up to the tail, moves the frame, and
 * writes descriptors back with "descriptor done" (DD) set; from then on the
 * buffer is the driver's again. Between doorbell and DD it is the device's.
 *
 * Threads, and who owns what:
 *  - The control thread (vfu_server's) carries out what arrives as messages:
 *    configuration space (igb_pci.c), registers (igb_reg.c and what it calls),
 *    resets. It is the only writer of reg[], and of the rings' configuration
 *    (struct igb_ring).
 *  - One polling thread receives (igb_rx.c), one transmits (igb_tx.c); they may
 *    be the same. They own struct igb_rxq and igb_txq: heads, descriptors read
 *    ahead, write-backs held back. They read reg[] with relaxed loads: as on
 *    hardware, a change takes effect about now.
 *  - "When this reads back, the hardware has let go" is a grace period of the
 *    device (vfu_rcu.h): queue disable, RCTL.RXEN, TCTL.EN, bus master, master disable and
 *    the resets all wait until each polling thread has left the call that it
 *    was in. A thread that enters afterwards finds the gate closed, or the ring's
 *    generation changed, and forgets what it held back (igb_queue.c).
 *  - Interrupt causes and masks are atomic words that all may change (igb_intr.c).
 *
 * The client is not trusted. Descriptors are copied, then looked at. A frame to
 * send is gathered into memory of our own before anything is computed on it.
 * Lengths, indexes and addresses are compared with what may be; a descriptor
 * that makes no sense costs its frame, is counted, and the first of its kind
 * gets a line in the log.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "igb_model_priv.h"
#include "vfu_client.h" /* VFU_ERR_LEN */
#include "vfu_rcu.h"

#define LINES_PER_S 20 /* for the log: a client that comes and goes can make many */

static void
log_stderr(const char *name, const char *line)
{
	fprintf(stderr, "%s: %s\n", name, line);
}

/* A line for the log, if there were not too many in this second. From any thread. */
static void __attribute__((format(printf, 2, 3)))
say(struct igb_model *m, const char *fmt, ...)
{
	char line[VFU_ERR_LEN + 64];
	struct timespec ts;
	uint32_t lines;
	va_list ap;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (__atomic_exchange_n(&m->log_second, (uint32_t)ts.tv_sec, __ATOMIC_RELAXED) !=
		(uint32_t)ts.tv_sec) {
		lines = __atomic_exchange_n(&m->log_lines, 0, __ATOMIC_RELAXED);
		if (lines > LINES_PER_S) {
			snprintf(line, sizeof(line), "%u lines were left out", lines - LINES_PER_S);
			m->log(m->name, line);
		}
	}
	if (__atomic_fetch_add(&m->log_lines, 1, __ATOMIC_RELAXED) >= LINES_PER_S)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	m->log(m->name, line);
}

void
igb_log(struct igb_model *m, unsigned int kind, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	if (__atomic_fetch_or(&m->log_done, 1u << kind, __ATOMIC_RELAXED) & (1u << kind))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	say(m, "%s", line);
}

/*
 * When a client's process last did something to one of its devices: of processes whose
 * numbers are the same in this, each is taken for the other, which lets a replay begin later.
 * A process of another PID namespace has no number: each of its devices is by itself.
 */
static uint64_t busy_at[256];

static uint64_t *
busy_slot(struct igb_model *m)
{
	unsigned int pid = (unsigned int)vfu_server_peer(m->server);

	if (pid == 0)
		return &m->busy_at;
	return &busy_at[pid % (sizeof(busy_at) / sizeof(busy_at[0]))];
}

/* From the control thread. */
void
igb_note_busy(struct igb_model *m)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	__atomic_store_n(busy_slot(m), (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec,
		__ATOMIC_RELAXED);
}

uint64_t
igb_model_busy_at(struct igb_model *m)
{
	return igb_counter(busy_slot(m));
}

void
igb_grace_period(struct igb_model *m)
{
	vfu_rcu_wait(m->server);
}

/* A register access: 4 or 8 aligned bytes, or a dump of many; smaller ones may only read. */
static int
bar0_read(struct igb_model *m, uint64_t off, uint8_t *buf, size_t len)
{
	uint32_t v;

	if (len < 4) {
		if (off % len != 0)
			return -EINVAL;
		v = igb_reg_read(m, (uint32_t)off & ~3u) >> (8 * (off & 3));
		memcpy(buf, &v, len);
		return 0;
	}
	if (off % 4 != 0 || len % 4 != 0)
		return -EINVAL;
	for (; len > 0; len -= 4, off += 4, buf += 4) {
		v = igb_reg_read(m, (uint32_t)off);
		memcpy(buf, &v, 4);
	}
	return 0;
}

static int
bar0_write(struct igb_model *m, uint64_t off, const uint8_t *buf, size_t len)
{
	uint32_t v;

	if (off % 4 != 0 || len % 4 != 0)
		return -EINVAL;
	for (; len > 0; len -= 4, off += 4, buf += 4) {
		memcpy(&v, buf, 4);
		igb_reg_write(m, (uint32_t)off, v);
	}
	return 0;
}

/* BAR 2 (9.4.11): IOADDR at 0 chooses a register, IODATA at 4 is it. */
static int
io_read(struct igb_model *m, uint64_t off, void *buf, size_t len)
{
	uint32_t v = 0;

	if (len != 4 || off % 4 != 0)
		return -EINVAL;
	if (off == 0)
		v = m->ioaddr;
	else if (off == 4 && m->ioaddr < IGB_BAR0_SIZE)
		v = igb_reg_read(m, m->ioaddr & ~3u);
	memcpy(buf, &v, 4);
	return 0;
}

static int
io_write(struct igb_model *m, uint64_t off, const void *buf, size_t len)
{
	uint32_t v;

	if (len != 4 || off % 4 != 0)
		return -EINVAL;
	memcpy(&v, buf, 4);
	if (off == 0)
		m->ioaddr = v;
	else if (off == 4 && m->ioaddr < IGB_BAR0_SIZE)
		igb_reg_write(m, m->ioaddr & ~3u, v);
	return 0;
}

static int
region_read(void *opaque, unsigned int region, uint64_t off, void *buf, size_t len)
{
	struct igb_model *m = opaque;

	if (len == 0)
		return 0;
	switch (region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return bar0_read(m, off, buf, len);
	case VFIO_PCI_BAR1_REGION_INDEX:
		memset(buf, 0xFF, len); /* an erased flash */
		return 0;
	case VFIO_PCI_BAR2_REGION_INDEX:
		return io_read(m, off, buf, len);
	case VFIO_PCI_BAR3_REGION_INDEX:
		return igb_msix_read(m, off, buf, len);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return igb_pci_read(m, off, buf, len);
	}
	return -EINVAL;
}

static int
region_write(void *opaque, unsigned int region, uint64_t off, const void *buf, size_t len)
{
	struct igb_model *m = opaque;

	if (len == 0)
		return 0;
	switch (region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return bar0_write(m, off, buf, len);
	case VFIO_PCI_BAR1_REGION_INDEX:
		return 0;
	case VFIO_PCI_BAR2_REGION_INDEX:
		return io_write(m, off, buf, len);
	case VFIO_PCI_BAR3_REGION_INDEX:
		return igb_msix_write(m, off, buf, len);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return igb_pci_write(m, off, buf, len);
	}
	return -EINVAL;
}

static void
attached(void *opaque)
{
	struct igb_model *m = opaque;

	say(m, "client attached");
	__atomic_store_n(&m->log_done, 0, __ATOMIC_RELAXED);
	igb_gate(m, IGB_GATE_CLIENT, true);
	igb_link_update(m);
}

/* The pages of this client alone: a former client's mapping leads nowhere. */
static int
queue_pages(void *opaque)
{
	struct igb_model *m = opaque;
	int fd = igb_ring_map(m);

	if (fd < 0)
		say(m, "no memory for the queue pages: %s: gantry's driver will refuse the port: free "
			"memory or descriptors, and attach again", strerror(-fd));
	return fd;
}

static void
detached(void *opaque, const char *why)
{
	struct igb_model *m = opaque;

	igb_gate(m, IGB_GATE_CLIENT, false);
	igb_nvm_init(m);
	igb_reset_all(m); /* and a grace period */
	igb_ring_unmap(m);
	igb_pci_init(m);
	say(m, "client left: %s", why);
}

static void
irqs_changed(void *opaque, unsigned int irq_index)
{
	if (irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		igb_intr_unmasked(opaque);
}

static void
refused(void *opaque, const char *line)
{
	say(opaque, "%s", line);
}

/* As the kernel's vfio-pci does, a reset leaves configuration space as it was. */
static int
reset(void *opaque)
{
	igb_reset_all(opaque);
	return 0;
}

static const struct vfu_server_ops ops = {
	.attached = attached,
	.queue_pages = queue_pages,
	.detached = detached,
	.region_read = region_read,
	.region_write = region_write,
	.reset = reset,
	.irqs_changed = irqs_changed,
	.refused = refused,
};

static void
model_free(struct igb_model *m)
{
	unsigned int i;

	igb_ring_unmap(m);
	for (i = 0; i < IGB_MAX_QUEUES; i++)
		if (m->txq[i].staging)
			munmap(m->txq[i].staging, IGB_STAGING);
	free(m);
}

int
igb_model_create(const struct igb_model_params *params, struct igb_model **model, char *err)
{
	const uint32_t rw = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	struct vfu_server_desc desc;
	struct igb_model *m;
	unsigned int i;
	int ret = 0;

	*model = NULL;
	if (params->addr_bits != 0 && (params->addr_bits < IGB_MIN_ADDR_BITS ||
			params->addr_bits > 64)) {
		snprintf(err, VFU_ERR_LEN, "port %s: a device with %u address bits: %d to 64 are possible",
			params->name, params->addr_bits, IGB_MIN_ADDR_BITS);
		return -EINVAL;
	}
	m = aligned_alloc(
		IGB_CACHE_LINE, (sizeof(*m) + IGB_CACHE_LINE - 1) & ~(size_t)(IGB_CACHE_LINE - 1));
	if (m == NULL) {
		snprintf(err, VFU_ERR_LEN, "port %s: no memory for the device", params->name);
		return -ENOMEM;
	}
	memset(m, 0, sizeof(*m));
	snprintf(m->name, sizeof(m->name), "%s", params->name);
	memcpy(m->mac, params->mac, sizeof(m->mac));
	m->speed_mbps = params->speed_mbps;
	m->addr_bits = params->addr_bits != 0 ? params->addr_bits : 64;
	m->addr_mask = UINT64_MAX >> (64 - m->addr_bits);
	m->log = params->log != NULL ? params->log : log_stderr;
	igb_ring_init(m);
	for (i = 0; ret == 0 && i < IGB_MAX_QUEUES; i++) {
		m->rxq[i].read.slot = IGB_RX_SLOT(i);
		m->txq[i].read.slot = IGB_TX_SLOT(i);
		/* Large, and touched only as far as frames reach. */
		m->txq[i].staging = mmap(NULL, IGB_STAGING, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (m->txq[i].staging == MAP_FAILED) {
			m->txq[i].staging = NULL;
			ret = -errno;
		}
	}
	if (ret < 0) {
		snprintf(err, VFU_ERR_LEN, "port %s: cannot make the device's memory: %s", m->name,
			strerror(-ret));
		model_free(m);
		return ret;
	}
	igb_nvm_init(m);
	igb_pci_init(m);
	igb_phy_reset(m);
	m->cable = 1;
	m->partner = IGB_ABLE_ALL;
	igb_reset_all(m);

	memset(&desc, 0, sizeof(desc));
	for (i = 0; i < VFU_SRV_REGIONS; i++)
		desc.regions[i].fd = -1;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].size = IGB_BAR0_SIZE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].flags = rw;
	/* For clients that know which of their registers may be stored to: queue_pages(). */
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].nr_areas = 2;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[0].offset = IGB_RXQ_BASE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[0].size = VFU_PAGE_SIZE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[1].offset = IGB_TXQ_BASE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[1].size = VFU_PAGE_SIZE;
	desc.regions[VFIO_PCI_BAR1_REGION_INDEX].size = IGB_BAR1_SIZE;
	desc.regions[VFIO_PCI_BAR1_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_BAR2_REGION_INDEX].size = IGB_BAR2_SIZE;
	desc.regions[VFIO_PCI_BAR2_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_BAR3_REGION_INDEX].size = IGB_BAR3_SIZE;
	desc.regions[VFIO_PCI_BAR3_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = sizeof(m->cfg);
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].flags = rw;
	desc.addr_mask = m->addr_mask;
	desc.dma_timeout_ms = params->dma_timeout_ms;
	desc.no_page_table = params->no_page_table;
	desc.limits = params->limits;
	desc.irq_counts[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	desc.irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	desc.irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = IGB_MSIX_VECTORS;
	ret = vfu_server_start(params->socket, &desc, &ops, m, &m->server, err);
	if (ret < 0) {
		model_free(m);
		return ret;
	}
	*model = m;
	return 0;
}

void
igb_model_destroy(struct igb_model *m)
{
	if (m == NULL)
		return;
	vfu_server_stop(m->server);
	model_free(m);
}

const char *
igb_model_name(const struct igb_model *m)
{
	return m->name;
}

struct vfu_server *
igb_model_server(struct igb_model *m)
{
	return m->server;
}

bool
igb_model_listening(const struct igb_model *m)
{
	return (igb_ld_acq(&m->gates) & IGB_GATES_RX) == IGB_GATES_RX &&
	       igb_ld_acq(&m->rx_enabled) != 0;
}

void
igb_model_check_client(struct igb_model *m)
{
	/*
	 * Until our next quiescent state the control thread cannot be through with
	 * this client, so it is not the next one's gate that is closed here.
	 */
	if (vfu_server_peer_gone(m->server)) {
		igb_gate(m, IGB_GATE_CLIENT, false);
		igb_link_update(m);
	}
}

void
igb_model_set_link(struct igb_model *m, bool up)
{
	__atomic_store_n(&m->cable, up, __ATOMIC_SEQ_CST);
	igb_link_update(m);
}

uint32_t
igb_model_carrier(const struct igb_model *m)
{
	return igb_ld_acq(&m->carrier);
}
