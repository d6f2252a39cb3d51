/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A software 82576: theory.
 *
 * This folder is the device side of gantry: registers, descriptor rings, filters, offloads and
 * interrupts of an Intel 82576 Gigabit Ethernet controller, in software, behind a vfio-user socket
 * (lib/vfio_user). Section numbers in the comments are those of the 82576 datasheet. The client is
 * the process that drives the device: gantry's own driver, DPDK's or Linux's igb driver in a
 * virtual machine, or anything else that speaks vfio-user. The folder links no DPDK, because a
 * device does not know its driver's framework.
 *
 * ORGANISATION
 *
 *    wire.h, wire.c       a direction of a wire, and its clock
 *    wire_dev.c, wire_null.c, wire_tap.c, wire_pcap.c, wire_gen.c    the ends of wires
 *    wire_fault.c, wire_fault_queue.c                    faults of wires
 *    capture_read.c, capture_write.c                     capture files (pcap, pcapng)
 *    capture_file.c       the bytes of a capture file: plain, gzip, Zstandard
 *
 *    m82576.h             the interface for the owner of the devices (app/gantry-nic)
 *    m82576_priv.h        the data structures; access to the client's memory
 *    m82576.c             making, serving and destroying a device; regions; this text
 *    m82576_pci.c         configuration space, MSI-X table
 *    m82576_reg.c         table of registers, resets
 *    m82576_phy.c         PHY and link
 *    m82576_loop.c        MAC and PHY loopback: the owner of the receiver
 *    m82576_nvm.c         NVM (EEPROM)
 *    m82576_tx.c          transmit datapath
 *    m82576_tx_offload.c  checksums, VLAN tag, segmentation
 *    m82576_tx_run.c      runs of plain frames
 *    m82576_tx_desc.c     fetch and write-back (m82576_tx.h: what the three files share)
 *    m82576_rx.c          receive datapath (m82576_rx_filter.h: its filters)
 *    m82576_rx_run.c      runs of plain frames
 *    m82576_rx_desc.c     fetch and write-back (m82576_rx.h: what the three files share)
 *    m82576_rx_offload.c  checksums of received frames, header split
 *    m82576_parse.c       headers of received frames
 *    m82576_rss.c         receive-side scaling
 *    m82576_queue.c       queue registers, queue enable and disable
 *    m82576_clock.c       a clock for limits
 *    m82576_intr.c        interrupt causes, masks, throttling, messages
 *    m82576_stats.c       statistics
 *    m82576_csum.c        Internet checksum, CRC32, CRC32c
 *    m82576_log.c         log lines, limited in number; DMA faults
 *
 * A file calls only files below it. The wires see no more of the device than m82576.h.
 *
 * REGISTERS
 *
 * A driver sees a register file of 128 KiB (BAR 0). Nearly all registers are trapped: a read or a
 * write arrives as a message (REGION_READ, REGION_WRITE), and the control thread carries it out by
 * the table in m82576_reg.c. Registers behave as the datasheet states: resets clear themselves,
 * statistics and causes are cleared by reading, mask registers set or clear the bits that are
 * written as 1.
 *
 * Two pages, 0xC000 (receive queues) and 0xE000 (transmit queues), may also be mapped by a client
 * that negotiated it (vfio_user.h, queue pages). To such a client a doorbell is a store into shared
 * memory. Through the mapping the device reads RDT and TDT only, and stores RDH and TDH as hints.
 * A client must access all other registers of these pages by message, because the device does not
 * look for them in the pages. Each client gets fresh pages (m82576_ring_map()): the mapping of a
 * former client no longer reaches the device.
 *
 * RINGS AND OWNERSHIP
 *
 * A ring is an array of 16-byte descriptors in the client's memory. The driver writes a descriptor,
 * which names a buffer by its bus address, then moves the ring's tail: the doorbell. The device
 * fetches descriptors from its head up to, not including, the tail, moves the frame, and writes
 * descriptors back with "descriptor done" (DD) set.
 *
 *               head: the device moves it        tail: the driver moves it
 *                 |                                |
 *    +-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
 *    |  0  |  1  |  2  |  3  |  4  |  5  |  6  |  7  |  8  |  9  |
 *    +-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
 *     the driver's <--------- the device's -----> the driver's
 *
 * The device owns a descriptor and its buffer from the doorbell until it has written DD into that
 * descriptor or, in a transmit ring, into a later one with RS ("report status"). At all other times
 * the driver owns both. head == tail means that the device owns nothing. The polling thread has a
 * head of its own, up to which it has taken descriptors. It is ahead of the register (RDH, TDH),
 * which moves at the flush.
 *
 *    struct m82576
 *     +- reg[]          the register file, without the queues         control thread writes
 *     +- gates          may frames pass? one word                     control thread, link
 *     +- rx_ring[16] -> struct m82576_ring: a queue's configuration   control thread writes
 *     |                  gen, base, count, head, srrctl
 *     |                  *tail, *head_hint --> page 0xC000, or the ring's own reg[]
 *     +- rxq[16] -----> struct m82576_rxq: a queue in operation       receiving thread alone
 *     |                  gen, head, desc[64] (fetched), wb[64] (write-backs held back)
 *     +- tx_ring[16] -> struct m82576_ring, page 0xE000               control thread writes
 *     +- txq[16] -----> struct m82576_txq: a queue in operation       transmitting thread alone
 *     |                  gen, head, desc[64], wb[64], ctx[2], staging --> gathered frames
 *     +- rxc, txc       counters of each direction                    one writer each (rxc.off: 2)
 *     +- icr, ims, ...  interrupt causes and masks                    any thread, atomic
 *     +- server ------> struct vfu_server: socket, DMA table, event file descriptors
 *
 * LIFE OF A TRANSMITTED FRAME (m82576_tx.c)
 *
 * 1. Choose a queue: if several are enabled, they take turns after M82576_TX_QUANTUM frames.
 * 2. Fetch descriptors: the transmitting thread loads the tail, and copies up to 64 descriptors.
 * 3. Gather the frame's buffers into memory of the device (staging), up to the end of the packet
 *    (EOP), or only the header of a long frame.
 * 4. Apply offloads: checksums, VLAN tag, segmentation, padding, FCS.
 * 5. Hand the frames of a burst to the wire.
 * 6. At the flush: write back DD in each descriptor that asked for it (RS), move the head, raise
 *    interrupts. Until then the device holds the write-backs back, M82576_WB_BATCH of a queue at
 *    most: m82576_txq_report() writes those before it holds back another. If their buffers are not
 *    all copied yet, the queue waits instead.
 *
 * LIFE OF A RECEIVED FRAME (m82576_rx.c)
 *
 * 1. Check that link, receiver and bus mastering are on.
 * 2. Filter: FCS, length, MAC address, VLAN.
 * 3. Choose a queue: by the RSS hash, or queue 0.
 * 4. Fetch descriptors: as many as the frame needs. A frame that finds too few is dropped and
 *    counted, unless the wire can wait.
 * 5. Verify checksums, strip the VLAN tag, append the FCS.
 * 6. Copy the data to the client's buffers, and fill in the write-backs.
 * 7. At the flush: write the descriptors back, move the head, raise interrupts. If M82576_WB_BATCH
 *    write-backs of a queue are held back, the device writes those before it holds back more.
 *
 * THE WIRE'S CLOCK
 *
 * The device knows no speed. A direction of a wire (wire.c) has the clock: it calls m82576_tx()
 * and m82576_rx() when a frame's time has come, and keeps line rate exactly. A wire without a
 * speed (speed=max) has no clock, and waits for descriptors instead of dropping frames.
 *
 * THREADS
 *
 * - The control thread belongs to the server (vfu_server.h). It carries out messages: configuration
 *   space, registers, resets, a client's attaching and detaching. It is the only writer of reg[]
 *   and of the rings' configuration (struct m82576_ring).
 * - The polling threads belong to the owner of the device. One of them receives (m82576_rx()),
 *   and one, the same or another, transmits (m82576_tx()). They own struct m82576_rxq and
 *   m82576_txq, and take no lock. They read reg[] with relaxed loads: as on hardware, a changed
 *   register takes effect shortly after the write, at no exact frame.
 * - Any thread may read statistics, or report a change of the far end's carrier.
 *
 * HOW THREADS HAND OVER
 *
 * - Gates. The word "gates" has a bit for each condition under which frames may pass (client
 *   attached, link up, bus master, receiver or transmitter enabled, ...). A polling thread loads it
 *   once for each frame.
 * - Generations. m82576_ring.gen is odd while a queue is enabled, and grows by one with each enable
 *   and disable. A polling thread remembers the generation for which it read the configuration. If
 *   the ring has another one, the thread forgets the descriptors that it fetched and the
 *   write-backs that it held back, and reads the configuration again, because the old ring's memory
 *   is no longer the device's.
 * - Grace periods. Where the datasheet promises that the hardware no longer accesses memory when a
 *   bit reads back (queue disable, RCTL.RXEN, TCTL.EN, bus master, master disable, the resets), the
 *   control thread closes the gate or changes the generation, then waits for a grace period of the
 *   device (vfu_rcu.h): each polling thread has left the call that it was in. Only then does the
 *   reply go out. A thread that enters afterwards finds the gate closed or the generation changed.
 * - Carrier epochs. m82576_carrier() grows by one when this end begins or ceases to signal, and
 *   by two when the link is negotiated again; it is odd while this end signals. A wire that polls
 *   it notices also a loss of the link that is already over.
 * - Interrupt causes and masks are atomic words that any thread may change (m82576_intr.c).
 *
 * TRUST
 *
 * The client is not trusted. The device copies a descriptor before it looks at it, because the
 * client may change its memory at any moment. It gathers a frame to send in its own memory before
 * it computes anything on it. It compares lengths, indexes and addresses with their limits before
 * it uses them. A descriptor that makes no sense costs its frame; it is counted, and the first one
 * of its kind is logged. Each access is translated when it is made: an address that is not mapped
 * is a DMA fault, which is counted and logged, never a crash. A client cannot make a polling thread
 * work without end for it: the work between two flushes is bounded (m82576_tx.c, m82576_intr.c,
 * wire.c).
 *
 * If neither the sender nor the receiver computes anything on a long frame of one buffer, a device
 * receives it, and translations last (vfu_tlb_lasts()), the sender copies only its header (the
 * first M82576_HEADER bytes) into its own memory. Every decision, and the header
 * that the receiving client gets, come from this copy. The rest goes from one client's buffer into
 * the other's, and nothing depends on its bytes. The thread reads both devices, and passes no
 * quiescent state from the translation to the end of the copy, so that an unmap by either client
 * waits for it. The sender's descriptor is reported done afterwards.
 *
 * DELIBERATELY NOT MODELLED
 *
 * - SR-IOV and virtual machine queues (VMDq, VMOLR, UTA), five-tuple filters, low-latency
 *   interrupts (IMIR), DCA, IEEE 1588 time stamps (the clock does not run), LEDs, wake-up, MACsec
 *   and IPsec. Those of their registers that the table in m82576_reg.c names keep what software
 *   writes, without effect.
 * - Manageability firmware and SerDes: the registers read as if neither were in use.
 * - Pause frames on the wire: a wire without room pauses the transmitter directly
 *   (m82576_tx_pause()).
 * - The packet buffer: a frame that finds no descriptor is dropped at once, and counted as if the
 *   buffer had run over.
 * - Prefetch, host and write-back thresholds: the device fetches up to 64 descriptors, and writes
 *   back at each flush. It writes back the descriptors of a received burst from the last to the
 *   first (m82576_rx.h).
 * - Statistics registers that no code counts (IAC, XON, collisions, ...): they read as 0.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "m82576_priv.h"

static void
log_stderr(const char *name, const char *line)
{
	fprintf(stderr, "%s: %s\n", name, line);
}

/*
 * Read registers: 4 or 8 aligned bytes, or a dump of many. Fewer than 4 bytes are permitted for
 * reads only.
 */
static int
bar0_read(struct m82576 *m, uint64_t off, uint8_t *buf, size_t len)
{
	uint32_t v;

	if (len < 4) {
		if (off % len != 0)
			return -EINVAL;
		v = m82576_reg_read(m, (uint32_t)off & ~3u) >> (8 * (off & 3));
		memcpy(buf, &v, len);
		return 0;
	}
	if (off % 4 != 0 || len % 4 != 0)
		return -EINVAL;
	for (; len > 0; len -= 4, off += 4, buf += 4) {
		v = m82576_reg_read(m, (uint32_t)off);
		memcpy(buf, &v, 4);
	}
	return 0;
}

static int
bar0_write(struct m82576 *m, uint64_t off, const uint8_t *buf, size_t len)
{
	uint32_t v;

	if (off % 4 != 0 || len % 4 != 0)
		return -EINVAL;
	for (; len > 0; len -= 4, off += 4, buf += 4) {
		memcpy(&v, buf, 4);
		m82576_reg_write(m, (uint32_t)off, v);
	}
	return 0;
}

/* BAR 2 (9.4.11): IOADDR at offset 0 chooses a register, IODATA at offset 4 accesses it. */
static int
io_read(struct m82576 *m, uint64_t off, void *buf, size_t len)
{
	uint32_t v = 0;

	if (len != 4 || off % 4 != 0)
		return -EINVAL;
	if (off == 0)
		v = m->ioaddr;
	else if (off == 4 && m->ioaddr < IGB_BAR0_SIZE)
		v = m82576_reg_read(m, m->ioaddr & ~3u);
	memcpy(buf, &v, 4);
	return 0;
}

static int
io_write(struct m82576 *m, uint64_t off, const void *buf, size_t len)
{
	uint32_t v;

	if (len != 4 || off % 4 != 0)
		return -EINVAL;
	memcpy(&v, buf, 4);
	if (off == 0)
		m->ioaddr = v;
	else if (off == 4 && m->ioaddr < IGB_BAR0_SIZE)
		m82576_reg_write(m, m->ioaddr & ~3u, v);
	return 0;
}

static int
region_read(void *opaque, unsigned int region, uint64_t off, void *buf, size_t len)
{
	struct m82576 *m = opaque;

	switch (region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return bar0_read(m, off, buf, len);
	case VFIO_PCI_BAR1_REGION_INDEX:
		memset(buf, 0xFF, len); /* an erased flash */
		return 0;
	case VFIO_PCI_BAR2_REGION_INDEX:
		return io_read(m, off, buf, len);
	case VFIO_PCI_BAR3_REGION_INDEX:
		return m82576_msix_read(m, off, buf, len);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return m82576_pci_read(m, off, buf, len);
	}
	return -EINVAL;
}

static int
region_write(void *opaque, unsigned int region, uint64_t off, const void *buf, size_t len)
{
	struct m82576 *m = opaque;

	switch (region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return bar0_write(m, off, buf, len);
	case VFIO_PCI_BAR1_REGION_INDEX:
		return 0;
	case VFIO_PCI_BAR2_REGION_INDEX:
		return io_write(m, off, buf, len);
	case VFIO_PCI_BAR3_REGION_INDEX:
		return m82576_msix_write(m, off, buf, len);
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return m82576_pci_write(m, off, buf, len);
	}
	return -EINVAL;
}

static void
attached(void *opaque)
{
	struct m82576 *m = opaque;

	m82576_log(m, "client attached");
	__atomic_store_n(&m->log_done, 0, __ATOMIC_RELAXED);
	m82576_pci_attached(m);
	m82576_gate(m, M82576_GATE_CLIENT, true);
	m82576_link_update(m);
}

/*
 * Make the pages for this client alone: the mapping of a former client no longer reaches the
 * device.
 */
static int
queue_pages(void *opaque)
{
	struct m82576 *m = opaque;
	int fd = m82576_ring_map(m);

	if (fd < 0)
		m82576_log(m,
				"no memory for the queue pages: %s: gantry's driver will refuse "
				"the port: free memory or descriptors, and attach again",
				strerror(-fd));
	return fd;
}

static void
detached(void *opaque, const char *why)
{
	struct m82576 *m = opaque;

	m82576_gate(m, M82576_GATE_CLIENT, false);
	m82576_nvm_init(m);
	m82576_reset_all(m); /* includes a grace period */
	m82576_ring_unmap(m);
	m82576_pci_init(m);
	m82576_log(m, "client left: %s", why);
}

static void
irqs_changed(void *opaque, unsigned int irq_index)
{
	if (irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		m82576_intr_unmasked(opaque);
}

static void
refused(void *opaque, const char *line)
{
	m82576_log(opaque, "%s", line);
}

/* Reset the device, but not its configuration space, as the kernel's vfio-pci does. */
static int
reset(void *opaque)
{
	m82576_reset_all(opaque);
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

/* Free a device that has no client: the pages of its queues went with the last one. */
static void
model_free(struct m82576 *m)
{
	unsigned int i;

	for (i = 0; i < IGB_MAX_QUEUES; i++)
		if (m->txq[i].staging)
			munmap(m->txq[i].staging, M82576_STAGING);
	free(m);
}

/*
 * Map the memory in which each transmit queue gathers a frame. It is large, and the kernel
 * allocates only the pages that frames reach.
 */
static int
map_staging(struct m82576 *m)
{
	unsigned int i;

	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		void *p = mmap(NULL, M82576_STAGING, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			return -errno;
		m->txq[i].staging = p;
	}
	return 0;
}

/* Allocate a device with its parameters, in the state after power-on. */
static int
model_alloc(const struct m82576_params *params, struct m82576 **model, char *err)
{
	const size_t size = (sizeof(struct m82576) + M82576_CACHE_LINE - 1) &
			~(size_t)(M82576_CACHE_LINE - 1);
	struct m82576 *m = aligned_alloc(M82576_CACHE_LINE, size);
	unsigned int i;
	int ret;

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
	m82576_ring_init(m);
	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		m->rxq[i].read.slot = M82576_RX_SLOT(i);
		m->txq[i].read.slot = M82576_TX_SLOT(i);
	}
	ret = map_staging(m);
	if (ret < 0) {
		snprintf(err, VFU_ERR_LEN, "port %s: cannot make the device's memory: %s", m->name,
				strerror(-ret));
		model_free(m);
		return ret;
	}
	m82576_nvm_init(m);
	m82576_pci_init(m);
	m82576_phy_reset(m);
	m->cable = 1;
	m->partner = M82576_ABLE_ALL;
	m82576_reset_all(m);
	*model = m;
	return 0;
}

static void
describe_region(struct vfu_server_desc *desc, unsigned int region, uint64_t size)
{
	desc->regions[region].size = size;
	desc->regions[region].flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
}

/* Describe the device to the server: regions, interrupts, DMA. */
static void
describe(const struct m82576 *m, const struct m82576_params *params, struct vfu_server_desc *desc)
{
	unsigned int i;

	memset(desc, 0, sizeof(*desc));
	for (i = 0; i < VFU_SRV_REGIONS; i++)
		desc->regions[i].fd = -1;
	describe_region(desc, VFIO_PCI_BAR0_REGION_INDEX, IGB_BAR0_SIZE);
	describe_region(desc, VFIO_PCI_BAR1_REGION_INDEX, IGB_BAR1_SIZE);
	describe_region(desc, VFIO_PCI_BAR2_REGION_INDEX, IGB_BAR2_SIZE);
	describe_region(desc, VFIO_PCI_BAR3_REGION_INDEX, IGB_BAR3_SIZE);
	describe_region(desc, VFIO_PCI_CONFIG_REGION_INDEX, sizeof(m->cfg));
	/* Areas for clients that negotiate the queue pages; their file comes from queue_pages(). */
	desc->regions[VFIO_PCI_BAR0_REGION_INDEX].nr_areas = 2;
	desc->regions[VFIO_PCI_BAR0_REGION_INDEX].areas[0].offset = IGB_RXQ_BASE;
	desc->regions[VFIO_PCI_BAR0_REGION_INDEX].areas[0].size = VFU_PAGE_SIZE;
	desc->regions[VFIO_PCI_BAR0_REGION_INDEX].areas[1].offset = IGB_TXQ_BASE;
	desc->regions[VFIO_PCI_BAR0_REGION_INDEX].areas[1].size = VFU_PAGE_SIZE;
	desc->addr_mask = m->addr_mask;
	desc->dma_timeout_ms = params->dma_timeout_ms;
	desc->no_page_table = params->no_page_table;
	desc->limits = params->limits;
	desc->irq_counts[VFIO_PCI_INTX_IRQ_INDEX] = 1;
	desc->irq_counts[VFIO_PCI_MSI_IRQ_INDEX] = 1;
	desc->irq_counts[VFIO_PCI_MSIX_IRQ_INDEX] = IGB_MSIX_VECTORS;
}

int
m82576_create(const struct m82576_params *params, struct m82576 **model, char *err)
{
	struct vfu_server_desc desc;
	struct m82576 *m;
	int ret;

	*model = NULL;
	if (params->addr_bits != 0 &&
			(params->addr_bits < IGB_MIN_ADDR_BITS || params->addr_bits > 64)) {
		snprintf(err, VFU_ERR_LEN,
				"port %s: a device with %u address bits: %d to 64 are possible",
				params->name, params->addr_bits, IGB_MIN_ADDR_BITS);
		return -EINVAL;
	}
	ret = model_alloc(params, &m, err);
	if (ret < 0)
		return ret;
	describe(m, params, &desc);
	ret = vfu_server_start(params->socket, &desc, &ops, m, &m->server, err);
	if (ret < 0) {
		model_free(m);
		return ret;
	}
	*model = m;
	return 0;
}

void
m82576_destroy(struct m82576 *m)
{
	if (m == NULL)
		return;
	vfu_server_stop(m->server);
	model_free(m);
}

const char *
m82576_name(const struct m82576 *m)
{
	return m->name;
}

struct vfu_server *
m82576_server(struct m82576 *m)
{
	return m->server;
}

bool
m82576_listening(const struct m82576 *m)
{
	return (m82576_ld_acq(&m->gates) & M82576_GATES_RX) == M82576_GATES_RX &&
			m82576_ld_acq(&m->rx_enabled) != 0;
}

void
m82576_check_client(struct m82576 *m)
{
	/*
	 * The gate that closes here is the gate of the client that is gone, never the next
	 * client's: the control thread cannot finish detaching this client before the calling
	 * thread's next quiescent state.
	 */
	if (vfu_server_peer_gone(m->server)) {
		m82576_gate(m, M82576_GATE_CLIENT, false);
		m82576_link_update(m);
	}
}

void
m82576_set_link(struct m82576 *m, bool up)
{
	__atomic_store_n(&m->cable, up, __ATOMIC_SEQ_CST);
	m82576_link_update(m);
}

uint32_t
m82576_carrier(const struct m82576 *m)
{
	return m82576_ld_acq(&m->carrier);
}
