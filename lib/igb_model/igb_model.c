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
 *  - "When this reads back, the hardware has let go" is a grace period of
 *    urcu-qsbr: queue disable, RCTL.RXEN, TCTL.EN, bus master, master disable and
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
#include <urcu-qsbr.h>

#include "igb_model_priv.h"
#include "sealed_file.h"
#include "vfu_client.h" /* VFU_ERR_LEN */

#define PAGE           0x1000
#define IGB_PAGES_SIZE 0x10000 /* of the memfd; only two pages of it are ever touched */
#define LINES_PER_S    20      /* for the log: a client that comes and goes can make many */

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

void
igb_grace_period(void)
{
	synchronize_rcu();
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
}

static void
detached(void *opaque, const char *why)
{
	struct igb_model *m = opaque;

	igb_gate(m, IGB_GATE_CLIENT, false);
	igb_reset_all(m); /* and a grace period */
	igb_pci_init(m);
	say(m, "client left: %s", why);
}

static void
refused(void *opaque, const char *line)
{
	say(opaque, "client's message refused: %s", line);
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
	.detached = detached,
	.region_read = region_read,
	.region_write = region_write,
	.reset = reset,
	.refused = refused,
};

static int
pages_create(struct igb_model *m)
{
	unsigned int i;

	m->pages_fd = sealed_file("igb-queues", IGB_PAGES_SIZE, 0);
	if (m->pages_fd < 0)
		return m->pages_fd;
	for (i = 0; i < 2; i++) {
		void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, m->pages_fd,
			i == 0 ? IGB_RXQ_BASE : IGB_TXQ_BASE);

		if (p == MAP_FAILED)
			return -errno;
		m->pages[i] = p;
	}
	return 0;
}

static void
model_free(struct igb_model *m)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (m->pages[i])
			munmap(m->pages[i], PAGE);
	if (m->pages_fd >= 0)
		close(m->pages_fd);
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
	int ret;

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
	m->pages_fd = -1;
	ret = pages_create(m);
	for (i = 0; ret == 0 && i < IGB_MAX_QUEUES; i++) {
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
	igb_ring_init(m);
	m->cable = 1;
	igb_reset_all(m);

	memset(&desc, 0, sizeof(desc));
	for (i = 0; i < VFU_SRV_REGIONS; i++)
		desc.regions[i].fd = -1;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].size = IGB_BAR0_SIZE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].flags = rw | VFIO_REGION_INFO_FLAG_MMAP;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].fd = m->pages_fd;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].nr_areas = 2;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[0].offset = IGB_RXQ_BASE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[0].size = PAGE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[1].offset = IGB_TXQ_BASE;
	desc.regions[VFIO_PCI_BAR0_REGION_INDEX].areas[1].size = PAGE;
	desc.regions[VFIO_PCI_BAR1_REGION_INDEX].size = IGB_BAR1_SIZE;
	desc.regions[VFIO_PCI_BAR1_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_BAR2_REGION_INDEX].size = IGB_BAR2_SIZE;
	desc.regions[VFIO_PCI_BAR2_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_BAR3_REGION_INDEX].size = IGB_BAR3_SIZE;
	desc.regions[VFIO_PCI_BAR3_REGION_INDEX].flags = rw;
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].size = sizeof(m->cfg);
	desc.regions[VFIO_PCI_CONFIG_REGION_INDEX].flags = rw;
	desc.no_page_table = params->no_page_table;
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
	if (vfu_server_peer_gone(m->server))
		igb_gate(m, IGB_GATE_CLIENT, false);
}

void
igb_model_set_link(struct igb_model *m, bool up)
{
	__atomic_store_n(&m->cable, up, __ATOMIC_RELEASE);
	igb_link_update(m);
}
