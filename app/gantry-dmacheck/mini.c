/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The miniature device, its bus and its IOMMU, and the correct half of a driver for it.
 *
 * The bus is this process: the memory accesses of the device go through reach(), which translates
 * like an IOMMU. By default the device reaches EAL memory at the bus addresses of EAL; after
 * page_table() it reaches what the table maps; after claim() it reaches what map() mapped. An
 * access to anything else is a fault: it is counted and recorded, and has no effect.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_byteorder.h>
#include <rte_errno.h>

#include "dmacheck.h"

#define PAGE      4096u
#define PAGE_MASK ((uint64_t)PAGE - 1)
#define WINDOWS   1024u
#define WIRE      32u

/* A descriptor, in coherent memory. */
struct desc {
	uint64_t addr;
	uint32_t len;
	uint32_t status;
};

#define DESC_DONE  1u
#define DESC_FAULT 2u

struct ring {
	struct desc *desc;
	gantry_dma_addr_t bus;
	uint16_t tail;  /* driver: next to write; free-running, like the others */
	uint16_t clean; /* driver: next to check */
	uint16_t head;  /* device: next to process */
};

/* A mapping from map(). */
struct window {
	gantry_dma_addr_t iova;
	uint8_t *va;
	size_t len;
	bool read, write;
};

/* State of the bus for one device. */
struct port {
	struct rig *r;
	uint64_t *table; /* page table; NULL: none */
	gantry_dma_addr_t table_base;
	size_t table_nr;
	bool claimed;
	unsigned int nr_windows;
	struct window windows[WINDOWS];
};

struct mini {
	struct port port;
	struct ring tx, rx;
	const void *doorbell; /* caller that rang it; NULL: not in a call */
	unsigned int wire_first, wire_nr;
	struct {
		uint32_t len;
		uint8_t data[MINI_FRAME];
	} wire[WIRE];
};

/*
 * The bus.
 */

static int
bus_map(void *opaque, void *va, gantry_dma_addr_t iova, size_t len, enum gantry_dma_dir dir)
{
	struct port *p = opaque;

	if (p->nr_windows == WINDOWS)
		return -ENOSPC;
	p->windows[p->nr_windows++] = (struct window){ iova, va, len, dir != GANTRY_DMA_FROM_DEVICE,
		dir != GANTRY_DMA_TO_DEVICE };
	return 0;
}

static int
bus_unmap(void *opaque, void *va, gantry_dma_addr_t iova, size_t len)
{
	struct port *p = opaque;
	unsigned int i;

	for (i = 0; i < p->nr_windows; i++) {
		if (p->windows[i].iova == iova && p->windows[i].len == len) {
			p->windows[i] = p->windows[--p->nr_windows];
			return 0;
		}
	}
	return -ENOENT;
}

static int
bus_claim(void *opaque)
{
	((struct port *)opaque)->claimed = true;
	return 0;
}

static int
bus_page_table(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries)
{
	struct port *p = opaque;

	/* Zeroed pages; those that are never touched cost nothing. */
	p->table = mmap(NULL, nr * sizeof(uint64_t), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->table == MAP_FAILED) {
		p->table = NULL;
		return -ENOMEM;
	}
	p->table_base = base;
	p->table_nr = nr;
	*entries = p->table;
	return 0;
}

/* No map_fd(): the device is in this process, and sees the memory where the library mapped it. */
static const struct gantry_dma_ops bus_ops = {
	.name = "mini",
	.map = bus_map,
	.unmap = bus_unmap,
	.claim = bus_claim,
	.page_table = bus_page_table,
};

static struct gantry_dma_dev *
bus_device(struct rig *r, struct port *p, const char *name, enum gantry_dma_mode_id mode,
		uint32_t slots)
{
	struct gantry_dma_params params = {
		.name = name,
		.ops = &bus_ops,
		.opaque = p,
		.socket_id = SOCKET_ID_ANY,
		.has_iommu = true,
		.mode = mode,
		.debug = r->debug ? GANTRY_DMA_DEBUG_ON : GANTRY_DMA_DEBUG_OFF,
		.bounce_slots = { slots, slots, slots, slots },
	};
	struct gantry_dma_dev *dma = gantry_dma_dev_create(&params);

	if (dma == NULL || gantry_dma_set_mask_and_coherent(dma, GANTRY_DMA_BIT_MASK(64)) != 0)
		broken("no DMA device: %s", gantry_dma_last_error());
	return dma;
}

static void
bus_close(struct port *p)
{
	if (p->table != NULL)
		munmap(p->table, p->table_nr * sizeof(uint64_t));
	memset(p, 0, sizeof(*p));
}

/*
 * The IOMMU.
 */

/* Translate the address of one byte; valid within its page. NULL: not reachable. */
static uint8_t *
reach(struct port *p, gantry_dma_addr_t addr, bool write)
{
	unsigned int i;

	if (p->table != NULL) {
		const size_t at = (addr - p->table_base) / PAGE;
		const uint64_t need = write ? GANTRY_DMA_PTE_WRITE : GANTRY_DMA_PTE_READ;
		const uint64_t entry = addr >= p->table_base && at < p->table_nr ?
				__atomic_load_n(&p->table[at], __ATOMIC_RELAXED) :
				0;

		if (!(entry & need))
			return NULL;
		return gantry_bus_to_virt(p->r->dma, (entry & ~PAGE_MASK) | (addr & PAGE_MASK));
	}
	for (i = 0; i < p->nr_windows; i++) {
		const struct window *w = &p->windows[i];

		if (addr >= w->iova && addr - w->iova < w->len && (write ? w->write : w->read))
			return w->va + (addr - w->iova);
	}
	return p->claimed ? NULL : gantry_bus_to_virt(p->r->dma, addr);
}

/* Read or write the memory of the rig. Return false after a fault; record the first fault. */
static bool
access_memory(struct rig *r, gantry_dma_addr_t addr, void *buf, size_t len, bool write)
{
	struct port *p = &r->nic->port;
	uint8_t *b = buf;

	while (len > 0) {
		const size_t n = RTE_MIN(len, (size_t)(PAGE - (addr & PAGE_MASK)));
		uint8_t *at = reach(p, addr, write);

		if (at == NULL) {
			if (r->faults++ == 0) {
				snprintf(r->fault, sizeof(r->fault),
						"DMA fault: the device may "
						"not %s %zu bytes at bus address 0x%" PRIx64,
						write ? "write" : "read", len, addr);
				r->fault_site = r->nic->doorbell;
			}
			return false;
		}
		if (write)
			memcpy(at, b, n);
		else
			memcpy(b, at, n);
		addr += n;
		b += n;
		len -= n;
	}
	return true;
}

/*
 * The device.
 */

static bool
device_next(struct rig *r, struct ring *q, struct desc *d)
{
	if (q->head == q->tail)
		return false;
	return access_memory(r, q->bus + q->head % MINI_RING * sizeof(*d), d, sizeof(*d), false);
}

static void
device_done(struct rig *r, struct ring *q, uint32_t len, bool fault)
{
	const uint32_t wb[2] = { len, DESC_DONE | (fault ? DESC_FAULT : 0) };

	access_memory(r,
			q->bus + q->head % MINI_RING * sizeof(struct desc) +
					offsetof(struct desc, len),
			(void *)(uintptr_t)wb, sizeof(wb), true);
	q->head++;
}

static void
device_send(struct rig *r)
{
	struct mini *n = r->nic;
	struct desc d;

	while (n->wire_nr < WIRE && device_next(r, &n->tx, &d)) {
		const unsigned int at = (n->wire_first + n->wire_nr) % WIRE;
		const bool ok = d.len <= MINI_FRAME &&
				access_memory(r, d.addr, n->wire[at].data, d.len, false);

		if (ok) {
			n->wire[at].len = d.len;
			n->wire_nr++;
		}
		device_done(r, &n->tx, d.len, !ok);
	}
}

static void
device_receive(struct rig *r)
{
	struct mini *n = r->nic;
	struct desc d;

	while (n->wire_nr > 0 && device_next(r, &n->rx, &d)) {
		const uint32_t len = RTE_MIN(d.len, n->wire[n->wire_first].len);
		const bool ok = access_memory(r, d.addr, n->wire[n->wire_first].data, len, true);

		device_done(r, &n->rx, len, !ok);
		n->wire_first = (n->wire_first + 1) % WIRE;
		n->wire_nr--;
	}
}

CULPRIT void
nic_kick(struct rig *r)
{
	r->nic->doorbell = __builtin_return_address(0);
	rte_io_wmb();
	device_send(r);
	device_receive(r);
	rte_io_rmb();
	r->nic->doorbell = NULL;
}

CULPRIT void
nic_fetch(struct rig *r, gantry_dma_addr_t addr, void *buf, size_t len)
{
	r->nic->doorbell = __builtin_return_address(0);
	access_memory(r, addr, buf, len, false);
	r->nic->doorbell = NULL;
}

CULPRIT void
nic_store(struct rig *r, gantry_dma_addr_t addr, const void *buf, size_t len)
{
	r->nic->doorbell = __builtin_return_address(0);
	access_memory(r, addr, (void *)(uintptr_t)buf, len, true);
	r->nic->doorbell = NULL;
}

/*
 * The driver: rings.
 */

static void
ring_start(struct rig *r, struct ring *q)
{
	memset(q, 0, sizeof(*q));
	q->desc = gantry_dma_alloc_coherent(r->dma, MINI_RING * sizeof(struct desc), &q->bus,
			SOCKET_ID_ANY);
	if (q->desc == NULL)
		broken("no ring: %s", gantry_dma_last_error());
}

static void
ring_end(struct rig *r, struct ring *q)
{
	gantry_dma_free_coherent(r->dma, MINI_RING * sizeof(struct desc), q->desc, q->bus);
}

static void
ring_post(struct ring *q, gantry_dma_addr_t addr, size_t len)
{
	struct desc *d = &q->desc[q->tail++ % MINI_RING];

	d->addr = addr;
	d->len = (uint32_t)len;
	d->status = 0;
}

static int
ring_done(struct ring *q)
{
	const struct desc *d = &q->desc[q->clean % MINI_RING];

	if (q->clean == q->tail || !(d->status & DESC_DONE))
		return -1;
	q->clean++;
	return d->status & DESC_FAULT ? -1 : (int)d->len;
}

static void
start_in(struct rig *r, enum gantry_dma_mode_id mode, uint32_t slots)
{
	struct mini *n = r->nic;

	n->port.r = r;
	r->dma = bus_device(r, &n->port, "mini", mode, slots);
	ring_start(r, &n->tx);
	ring_start(r, &n->rx);
}

static void
end_device(struct rig *r)
{
	ring_end(r, &r->nic->tx);
	ring_end(r, &r->nic->rx);
	gantry_dma_dev_destroy(r->dma);
	bus_close(&r->nic->port);
	r->dma = NULL;
}

void
mini_start(struct rig *r)
{
	r->nic = calloc(1, sizeof(*r->nic));
	if (r->nic == NULL)
		broken("out of memory");
	start_in(r, r->mode, 0);
}

void
mini_bounce(struct rig *r, uint32_t slots)
{
	end_device(r);
	start_in(r, GANTRY_DMA_MODE_BOUNCE, slots);
}

void
mini_end(struct rig *r)
{
	end_device(r);
	rte_mempool_free(r->pool);
	free(r->nic);
}

struct gantry_dma_dev *
mini_second(struct rig *r)
{
	static struct port port;

	port.r = r;
	return bus_device(r, &port, "mini.1", r->mode, 0);
}

void
nic_tx(struct rig *r, gantry_dma_addr_t addr, size_t len)
{
	ring_post(&r->nic->tx, addr, len);
}

void
nic_rx(struct rig *r, gantry_dma_addr_t addr, size_t len)
{
	ring_post(&r->nic->rx, addr, len);
}

void
nic_reset(struct rig *r)
{
	struct mini *n = r->nic;

	n->tx.head = n->tx.clean = n->tx.tail;
	n->rx.head = n->rx.clean = n->rx.tail;
	n->wire_nr = 0;
}

int
nic_tx_done(struct rig *r)
{
	return ring_done(&r->nic->tx);
}

int
nic_rx_done(struct rig *r)
{
	return ring_done(&r->nic->rx);
}

/*
 * The driver: buffers.
 */

void
drv_roundtrip(struct rig *r, unsigned int seed)
{
	const size_t len = 512;
	uint8_t *out = dma_buf(len), *in = dma_buf(len);
	gantry_dma_addr_t a, b;

	fill(out, len, seed);
	a = gantry_dma_map_single(r->dma, out, len, GANTRY_DMA_TO_DEVICE);
	b = gantry_dma_map_single(r->dma, in, len, GANTRY_DMA_FROM_DEVICE);
	if (gantry_dma_mapping_error(r->dma, a) || gantry_dma_mapping_error(r->dma, b))
		broken("no mapping: %s", gantry_dma_last_error());
	nic_tx(r, a, len);
	nic_rx(r, b, len);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, a, len, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, b, len, GANTRY_DMA_FROM_DEVICE);
	nic_tx_done(r);
	CHECK(r, nic_rx_done(r) == (int)len && filled(in, len, seed));
	rte_free(out);
	rte_free(in);
}

struct rte_mempool *
drv_pool(struct rig *r)
{
	if (r->pool == NULL) {
		r->pool = rte_pktmbuf_pool_create("dmacheck", 255, 32, 0,
				RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
		if (r->pool == NULL)
			broken("no pool: %s", rte_strerror(rte_errno));
		if (r->dma != NULL && gantry_dma_debug_watch(r->dma, r->pool) != 0)
			broken("the pool cannot be watched: %s", gantry_dma_last_error());
	}
	return r->pool;
}

struct rte_mbuf *
drv_frame(struct rig *r, uint16_t len, unsigned int seed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(drv_pool(r));

	if (m == NULL || rte_pktmbuf_append(m, len) == NULL)
		broken("no mbuf");
	fill(rte_pktmbuf_mtod(m, void *), len, seed);
	return m;
}

bool
drv_is_frame(const struct rte_mbuf *m, uint16_t len, unsigned int seed)
{
	return m != NULL && m->data_len == len && filled(rte_pktmbuf_mtod(m, void *), len, seed);
}

/* Attributes the following calls to the caller of the driver and a descriptor; kind 0: to none. */
#define ON_BEHALF(r, kind, desc) \
	do { \
		if (gantry_dma_debug_on((r)->dma)) { \
			gantry_dma_debug_context(kind, 0, desc); \
			gantry_dma_debug_caller(kind == 0 ? NULL : __builtin_return_address(0)); \
		} \
	} while (0)

CULPRIT void
drv_tx(struct rig *r, struct drv_queue *q, struct rte_mbuf *m)
{
	const unsigned int i = q->tail++ % MINI_RING;

	ON_BEHALF(r, 't', i);
	q->sw[i] = m;
	q->len[i] = m->data_len;
	q->addr[i] = gantry_dma_map_mbuf(r->dma, m, m->data_off, m->data_len, GANTRY_DMA_TO_DEVICE);
	if (gantry_dma_mapping_error(r->dma, q->addr[i]))
		broken("no mapping: %s", gantry_dma_last_error());
	ON_BEHALF(r, 0, 0);
	nic_tx(r, q->addr[i], m->data_len);
}

CULPRIT void
drv_tx_clean(struct rig *r, struct drv_queue *q)
{
	while (q->clean != q->tail && nic_tx_done(r) >= 0) {
		const unsigned int i = q->clean++ % MINI_RING;

		gantry_dma_unmap_mbuf(r->dma, q->sw[i], q->addr[i], q->len[i],
				GANTRY_DMA_TO_DEVICE);
		rte_pktmbuf_free_seg(q->sw[i]);
	}
}

CULPRIT void
drv_rx_fill(struct rig *r, struct drv_queue *q, unsigned int n)
{
	for (; n > 0; n--) {
		const unsigned int i = q->tail++ % MINI_RING;
		struct rte_mbuf *m = rte_mbuf_raw_alloc(drv_pool(r));

		if (m == NULL)
			broken("no mbuf");
		ON_BEHALF(r, 'r', i);
		q->sw[i] = m;
		q->len[i] = 2048;
		q->addr[i] = gantry_dma_map_mbuf(r->dma, m, RTE_PKTMBUF_HEADROOM, 2048,
				GANTRY_DMA_FROM_DEVICE);
		if (gantry_dma_mapping_error(r->dma, q->addr[i]))
			broken("no mapping: %s", gantry_dma_last_error());
		ON_BEHALF(r, 0, 0);
		nic_rx(r, q->addr[i], 2048);
	}
}

CULPRIT struct rte_mbuf *
drv_rx(struct rig *r, struct drv_queue *q)
{
	const unsigned int i = q->clean % MINI_RING;
	struct rte_mbuf *m = q->sw[i];
	int len = nic_rx_done(r);

	if (len < 0)
		return NULL;
	q->clean++;
	gantry_dma_unmap_mbuf(r->dma, m, q->addr[i], q->len[i], GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_reset(m);
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	return m;
}

CULPRIT void
drv_rx_release(struct rig *r, struct drv_queue *q)
{
	nic_reset(r);
	for (; q->clean != q->tail; q->clean++) {
		const unsigned int i = q->clean % MINI_RING;

		gantry_dma_unmap_mbuf(r->dma, q->sw[i], q->addr[i], q->len[i],
				GANTRY_DMA_FROM_DEVICE);
		rte_mbuf_raw_free(q->sw[i]);
	}
}
