/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The rig for the tests of lib/igb_model: everything that a driver needs, around one device.
 *
 *     the test's thread                                          server threads of lib/vfio_user
 *       as the driver: rig_rd(), rig_wr() -- messages --------->  socket of the device
 *                      rig_tail()         -- store, g->bar ---->  queue pages
 *                      descriptors and frames in g->mem <------>  the device, at RIG_IOVA
 *       as the polling thread: rig_send_in(), rig_take()
 *
 *     g->mem, a memfd of RIG_MEM bytes, mapped for DMA at RIG_IOVA:
 *       RIG_RXRING  receive descriptors, RIG_DESCS for each queue
 *       RIG_TXRING  transmit descriptors, RIG_DESCS for each queue
 *       RIG_RXBUF   receive buffers, RIG_BUF bytes each
 *       RIG_TXBUF   transmit buffers
 *
 * The rig consists of a device behind a socket, a client of it, memory that is mapped for DMA, and
 * helpers for receive and transmit queues. A test case runs between one of the rig_setup functions
 * and rig_teardown().
 *
 * The test's thread is also the polling thread, so it is registered for RCU. While it waits for a
 * reply it must not delay grace periods, because the server may need one before it answers: each
 * helper that sends a message goes offline for that time (vfu_rcu_offline()).
 */

#ifndef IGB_RIG_H
#define IGB_RIG_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/vfio.h>

#include "../common/inet_sum.h"
#include "m82576.h"
#include "m82576_priv.h"
#include "mutexes.h"
#include "vfio_user.h"
#include "vfu_client.h"
#include "vfu_rcu.h"

#define RIG_IOVA   0x4000000000ull /* far above 4 GiB */
#define RIG_MEM    (8u << 20)
#define RIG_RXRING 0x00000u
#define RIG_TXRING 0x20000u
#define RIG_RXBUF  0x100000u /* buffers, RIG_BUF apart */
#define RIG_TXBUF  0x400000u
#define RIG_BUF    2048u
#define RIG_DESCS  64u
#define RIG_BAR    0x10000u /* the end of the area that a client may map */
#define RIG_PAGE   4096u
#define RIG_PAGES  (RIG_MEM / RIG_PAGE)

struct rig {
	char path[64];
	struct m82576 *m;
	struct vfu_client *c;
	uint8_t *mem;
	int memfd;
	bool by_message;    /* the memory has no file descriptor: DMA_READ and DMA_WRITE */
	atomic_bool silent; /* the client does not answer DMA requests for now */
	atomic_uint asked;  /* DMA_READ and DMA_WRITE requests received */
	/* The last descriptors of receive queue 0 that DMA_WRITE requests wrote; their number. */
	uint32_t written[8];
	atomic_uint nr_written;
	bool trapped; /* a client that does not negotiate the queue pages, as QEMU */
	uint8_t *bar; /* otherwise the two queue pages, mapped as our driver maps them */
	uint32_t rx_next, tx_next;
};

static const uint8_t rig_mac[6] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

static inline uint32_t
rig_rd(struct rig *g, uint32_t off)
{
	uint32_t v = 0;

	vfu_rcu_offline();
	assert_int_equal(vfu_client_region_read(g->c, 0, off, &v, 4), 0);
	vfu_rcu_online();
	return v;
}

static inline void
rig_wr(struct rig *g, uint32_t off, uint32_t v)
{
	vfu_rcu_offline();
	assert_int_equal(vfu_client_region_write(g->c, 0, off, &v, 4), 0);
	vfu_rcu_online();
}

static inline uint32_t
rig_cfg_rd(struct rig *g, uint32_t off, size_t len)
{
	uint32_t v = 0;

	vfu_rcu_offline();
	assert_int_equal(vfu_client_region_read(g->c, 7, off, &v, len), 0);
	vfu_rcu_online();
	return v;
}

static inline void
rig_cfg_wr(struct rig *g, uint32_t off, uint32_t v, size_t len)
{
	vfu_rcu_offline();
	assert_int_equal(vfu_client_region_write(g->c, 7, off, &v, len), 0);
	vfu_rcu_online();
}

/**
 * Find the memory of a DMA_READ or DMA_WRITE request, as the client. Wait while g->silent is set.
 * @return the address of the requested bytes
 */
static inline uint8_t *
rig_asked(struct rig *g, uint64_t iova, size_t len)
{
	g->asked++;
	while (g->silent)
		usleep(100);
	assert_true(iova >= RIG_IOVA && iova + len <= RIG_IOVA + RIG_MEM);
	return g->mem + (iova - RIG_IOVA);
}

static inline int
rig_dma_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	memcpy(buf, rig_asked(opaque, iova, len), len);
	return 0;
}

static inline int
rig_dma_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	const uint64_t ring = RIG_IOVA + RIG_RXRING;
	struct rig *g = opaque;

	memcpy(rig_asked(g, iova, len), buf, len);
	if (iova >= ring && iova < ring + RIG_DESCS * IGB_DESC_SIZE) {
		g->written[g->nr_written % 8] = (uint32_t)(iova - ring) / IGB_DESC_SIZE;
		g->nr_written++;
	}
	return 0;
}

/** Connect a client, map the memory, and enable memory space and bus mastering. */
static inline void
rig_connect(struct rig *g)
{
	struct vfu_client_params p = {
		.timeout_ms = 3000,
		.queue_pages = !g->trapped,
		.dma_read = rig_dma_read,
		.dma_write = rig_dma_write,
		.opaque = g,
	};
	struct vfu_region reg;
	char err[VFU_ERR_LEN];

	vfu_rcu_offline();
	assert_int_equal(vfu_client_connect(g->path, &p, &g->c, err), 0);
	assert_int_equal(vfu_client_dma_map(g->c, g->by_message ? -1 : g->memfd, 0, RIG_IOVA,
					 RIG_MEM, VFU_DMA_READ | VFU_DMA_WRITE),
			0);
	assert_int_equal(vfu_client_region_info(g->c, 0, &reg), 0);
	g->bar = NULL;
	if (g->trapped) {
		assert_int_equal(reg.nr_areas, 0);
		assert_int_equal(reg.fd, -1);
		assert_false(reg.flags & VFIO_REGION_INFO_FLAG_MMAP);
	} else {
		assert_int_equal(reg.nr_areas, 2);
		g->bar = mmap(NULL, RIG_BAR, PROT_READ | PROT_WRITE, MAP_SHARED, reg.fd,
				(off_t)reg.fd_offset);
		assert_ptr_not_equal(g->bar, MAP_FAILED);
		close(reg.fd);
	}
	vfu_rcu_online();
	rig_cfg_wr(g, 4, 6, 2); /* memory space, bus master */
}

/** Fill the table so that entry i translates bus address RIG_IOVA + i pages to itself. */
static inline void
rig_straight(uint64_t *table)
{
	for (unsigned int i = 0; i < RIG_PAGES; i++)
		table[i] = (RIG_IOVA + i * RIG_PAGE) | VFU_PTE_READ | VFU_PTE_WRITE;
}

/**
 * Give the device an I/O page table that translates each page of the memory to itself.
 * @return the table, RIG_PAGES entries; the caller unmaps its RIG_PAGES * 8 bytes
 */
static inline uint64_t *
rig_page_table(struct rig *g)
{
	int fd = memfd_create("table", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t *table;

	assert_int_equal(ftruncate(fd, RIG_PAGES * 8), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	table = mmap(NULL, RIG_PAGES * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(table, MAP_FAILED);
	rig_straight(table);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_page_table(g->c, fd, RIG_IOVA, RIG_PAGES), 0);
	vfu_rcu_online();
	close(fd);
	return table;
}

/** End the client, and wait until the device has forgotten it. */
static inline void
rig_disconnect(struct rig *g)
{
	struct vfu_server_stats st;

	vfu_rcu_offline();
	vfu_client_close(g->c);
	do {
		vfu_server_get_stats(m82576_server(g->m), &st);
	} while (st.client);
	if (g->bar != NULL)
		munmap(g->bar, RIG_BAR);
	vfu_rcu_online();
	g->c = NULL;
}

/**
 * Create a device, its memory and a client: the set-up of a test case.
 * @param p  parameters of the device; name, socket and MAC address are filled in here
 * @param what  initial values of the rig
 */
static inline int
rig_setup_as(void **state, struct m82576_params p, struct rig what)
{
	struct rig *g = calloc(1, sizeof(*g));
	char err[VFU_ERR_LEN];

	*g = what;
	p.name = "t0";
	snprintf(g->path, sizeof(g->path), "/tmp/igb-test-%d.sock", (int)getpid());
	p.socket = g->path;
	memcpy(p.mac, rig_mac, 6);
	vfu_rcu_register();
	g->memfd = memfd_create("rig", MFD_CLOEXEC);
	assert_int_equal(ftruncate(g->memfd, RIG_MEM), 0);
	g->mem = mmap(NULL, RIG_MEM, PROT_READ | PROT_WRITE, MAP_SHARED, g->memfd, 0);
	assert_int_equal(m82576_create(&p, &g->m, err), 0);
	rig_connect(g);
	*state = g;
	return 0;
}

static inline int
rig_setup_client(void **state, struct m82576_params p, bool trapped)
{
	return rig_setup_as(state, p, (struct rig){ .trapped = trapped });
}

/** Set up a device with these parameters; name, socket and MAC address are filled in here. */
static inline int
rig_setup_params(void **state, struct m82576_params p)
{
	return rig_setup_client(state, p, false);
}

/** Set up a device whose client does not map the queue pages. */
static inline int
rig_setup_trapped(void **state)
{
	return rig_setup_client(state, (struct m82576_params){ .speed_mbps = 1000 }, true);
}

static inline int
rig_setup(void **state)
{
	return rig_setup_params(state, (struct m82576_params){ .speed_mbps = 1000 });
}

static inline int
rig_teardown(void **state)
{
	struct rig *g = *state;

	g->silent = false;
	vfu_rcu_offline();
	if (g->c)
		rig_disconnect(g);
	vfu_rcu_offline();
	m82576_destroy(g->m);
	munmap(g->mem, RIG_MEM);
	close(g->memfd);
	vfu_rcu_online();
	vfu_rcu_unregister();
	free(g);
	return 0;
}

/**
 * Start receive queue q with RIG_DESCS descriptors, all but one of which the device owns
 * afterwards.
 * @param srrctl  the value for SRRCTL
 */
static inline void
rig_rx_start(struct rig *g, unsigned int q, uint32_t srrctl)
{
	union igb_rx_desc *r = (void *)(g->mem + RIG_RXRING + q * RIG_DESCS * 16);
	uint32_t i;

	for (i = 0; i < RIG_DESCS; i++) {
		r[i].read.pkt_addr = RIG_IOVA + RIG_RXBUF + (q * RIG_DESCS + i) * RIG_BUF;
		r[i].read.hdr_addr = 0;
	}
	rig_wr(g, IGB_RDBAL(q), (uint32_t)(RIG_IOVA + RIG_RXRING + q * RIG_DESCS * 16));
	rig_wr(g, IGB_RDBAH(q), (uint32_t)(RIG_IOVA >> 32));
	rig_wr(g, IGB_RDLEN(q), RIG_DESCS * 16);
	rig_wr(g, IGB_SRRCTL(q), srrctl);
	rig_wr(g, IGB_RDH(q), 0);
	rig_wr(g, IGB_RXDCTL(q), IGB_DCTL_ENABLE | 1u << 16);
	rig_wr(g, IGB_RDT(q), RIG_DESCS - 1);
	g->rx_next = 0;
}

static inline void
rig_rx_on(struct rig *g, uint32_t rctl)
{
	rig_wr(g, IGB_RCTL, rctl | IGB_RCTL_RXEN);
}

#define RIG_ADV (IGB_SRRCTL_DESCTYPE_ADV_ONE | 2)

static inline volatile union igb_rx_desc *
rig_rxd(struct rig *g, unsigned int q, unsigned int i)
{
	return (void *)(g->mem + RIG_RXRING + (q * RIG_DESCS + i) * 16);
}

static inline uint8_t *
rig_rxbuf(struct rig *g, unsigned int q, unsigned int i)
{
	return g->mem + RIG_RXBUF + (q * RIG_DESCS + i) * RIG_BUF;
}

/**
 * Deliver a frame from the wire to the device, as the polling thread.
 * @return the result of m82576_rx()
 */
static inline int
rig_send_in(struct rig *g, const void *data, uint32_t len, uint32_t flags)
{
	struct m82576_frame f = { .data = data, .len = len, .flags = flags };
	int ret = (int)m82576_rx(g->m, &f, 1, false);

	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	return ret;
}

static inline volatile union igb_tx_desc *
rig_txd(struct rig *g, unsigned int q, unsigned int i)
{
	return (void *)(g->mem + RIG_TXRING + (q * RIG_DESCS + i % RIG_DESCS) * 16);
}

static inline void
rig_tx_start(struct rig *g, unsigned int q)
{
	memset(g->mem + RIG_TXRING + q * RIG_DESCS * 16, 0, RIG_DESCS * 16);
	rig_wr(g, IGB_TDBAL(q), (uint32_t)(RIG_IOVA + RIG_TXRING + q * RIG_DESCS * 16));
	rig_wr(g, IGB_TDBAH(q), (uint32_t)(RIG_IOVA >> 32));
	rig_wr(g, IGB_TDLEN(q), RIG_DESCS * 16);
	rig_wr(g, IGB_TDT(q), 0);
	rig_wr(g, IGB_TDH(q), 0);
	rig_wr(g, IGB_TXDCTL(q), IGB_DCTL_ENABLE);
	rig_wr(g, IGB_TCTL, IGB_TCTL_EN | IGB_TCTL_PSP);
	g->tx_next = 0;
}

/** Write a tail register as a driver does: by message if trapped, else through the mapping. */
static inline void
rig_tail(struct rig *g, uint32_t off, uint32_t v)
{
	if (g->trapped)
		rig_wr(g, off, v);
	else
		__atomic_store_n((uint32_t *)(g->bar + off), v, __ATOMIC_RELEASE);
}

static inline void
rig_tdt(struct rig *g, unsigned int q, uint32_t v)
{
	rig_tail(g, IGB_TDT(q), v);
}

static inline void
rig_rdt(struct rig *g, unsigned int q, uint32_t v)
{
	rig_tail(g, IGB_RDT(q), v);
}

/** Post an advanced data descriptor to queue 0 without writing the tail register. */
static inline void
rig_post(struct rig *g, const void *data, uint32_t len, uint32_t cmd, uint32_t olinfo)
{
	uint32_t at = RIG_TXBUF + (g->tx_next % RIG_DESCS) * 0x10000u % 0x300000u;
	volatile union igb_tx_desc *d = rig_txd(g, 0, g->tx_next++);

	memcpy(g->mem + at, data, len);
	d->data.addr = RIG_IOVA + at;
	d->data.cmd_type_len = cmd | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | len;
	d->data.olinfo = olinfo;
}

/** Post an advanced context descriptor to queue 0 without writing the tail register. */
static inline void
rig_ctx(struct rig *g, unsigned int idx, uint32_t maclen, uint32_t iplen, uint32_t l4len,
		uint32_t mss, uint32_t tucmd, uint32_t vlan)
{
	volatile union igb_tx_desc *d = rig_txd(g, 0, g->tx_next++);

	d->ctx.vlan_macip_lens = vlan << 16 | maclen << 9 | iplen;
	d->ctx.seqnum = 0;
	d->ctx.type_tucmd = tucmd | IGB_TXD_DTYP_CTXT | IGB_TXD_DEXT;
	d->ctx.mss_l4len_idx = mss << 16 | l4len << 8 | idx << 4;
}

static inline void
rig_ring_bell(struct rig *g)
{
	rig_tdt(g, 0, g->tx_next % RIG_DESCS);
}

#define RIG_LAST (IGB_TXD_EOP | IGB_TXD_IFCS | IGB_TXD_RS)

/**
 * Take the next frame, without a flush.
 *
 * The helper resets the model's count of descriptors since the last flush, so that the model does
 * not look at its clock, and the speed of the machine does not matter.
 */
static inline int
rig_next(struct rig *g, struct m82576_frame *f)
{
	g->m->tx_descs = 0;
	return (int)m82576_tx(g->m, f, 1, 0);
}

/** Take the next frame that the device transmits, flush, and report a quiescent state. */
static inline int
rig_take(struct rig *g, struct m82576_frame *f)
{
	int n = (int)m82576_tx(g->m, f, 1, 0);

	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
	return n;
}

/**
 * Write an Ethernet header, the start of a frame.
 * @return its length, 14 bytes
 */
static inline uint32_t
rig_eth(uint8_t *p, const uint8_t *da, uint16_t type)
{
	static const uint8_t sa[6] = { 0x02, 0xAA, 0, 0, 0, 1 };

	memcpy(p, da, 6);
	memcpy(p + 6, sa, 6);
	p[12] = (uint8_t)(type >> 8);
	p[13] = (uint8_t)type;
	return 14;
}

static inline void
rig_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/**
 * Write an Ethernet frame with IPv4 and TCP or UDP, all checksums correct.
 * @param proto  6: TCP; 17: UDP
 * @param paylen  bytes of payload
 * @return the length of the frame in bytes
 */
static inline uint32_t
rig_ipv4(uint8_t *p, uint8_t proto, uint32_t paylen)
{
	uint32_t l4 = proto == 6 ? 20 : 8, total = 20 + l4 + paylen, i, s;
	uint8_t *ip = p + rig_eth(p, rig_mac, 0x0800), *h = ip + 20;

	memset(ip, 0, total);
	ip[0] = 0x45;
	rig_put16(ip + 2, total);
	rig_put16(ip + 4, 0x1234);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	rig_put16(ip + 10, ~inet_sum(ip, 20, 0) & 0xFFFF);
	rig_put16(h, 1000);
	rig_put16(h + 2, 2000);
	for (i = 0; i < paylen; i++)
		h[l4 + i] = (uint8_t)(i * 7);
	if (proto == 6) {
		h[12] = 5 << 4;
		h[13] = 0x18;
	} else {
		rig_put16(h + 4, l4 + paylen);
	}
	s = inet_sum(ip + 12, 8, proto + l4 + paylen);
	rig_put16(h + (proto == 6 ? 16 : 6), ~inet_sum(h, l4 + paylen, s) & 0xFFFF);
	return 14 + total;
}

#endif /* IGB_RIG_H */
