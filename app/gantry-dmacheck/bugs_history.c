/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mistakes of real drivers, reduced to a few lines each. The source names the repository and the
 * commit, pull request or issue where the mistake was found or fixed. The code is original, and
 * shows only the mistake.
 */

#include "dmacheck.h"

#define LEN 512

/*
 * fec, i.MX: map and unmap did not match. The clean-up unmapped buffers of 2,048 bytes by addresses
 * that no mapping had ("tries to free DMA memory it has not allocated").
 */
CULPRIT void
fec_free_buffers(struct rig *r, bool fixed)
{
	gantry_dma_addr_t ring[3] = { 0 };
	uint8_t *buf[2];
	int i;

	for (i = 0; i < 2; i++) {
		buf[i] = dma_buf(2048);
		ring[i] = drv_map(r, buf[i], 2048, GANTRY_DMA_FROM_DEVICE);
	}
	ring[2] = ring[1] + 2048; /* a descriptor of the ring that got no buffer */
	for (i = 0; i < 3; i++)
		if (!fixed || i < 2)
			gantry_dma_unmap_single(r->dma, ring[i], 2048, GANTRY_DMA_FROM_DEVICE);
	drv_roundtrip(r, 1);
	rte_free(buf[0]);
	rte_free(buf[1]);
}

/*
 * ftgmac100: the driver maps buffers with 1,536 bytes and unmaps them with the length of the
 * received frame ("[map size=1536 bytes] [unmap size=42 bytes]").
 */
CULPRIT void
ftgmac_rx_packet(struct rig *r, bool fixed)
{
	uint8_t *in = dma_buf(1536), *out = dma_buf(64);
	gantry_dma_addr_t rx, tx;
	int size;

	fill(out, 42, 2);
	tx = drv_map(r, out, 42, GANTRY_DMA_TO_DEVICE);
	rx = drv_map(r, in, 1536, GANTRY_DMA_FROM_DEVICE);
	nic_tx(r, tx, 42);
	nic_rx(r, rx, 1536);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, tx, 42, GANTRY_DMA_TO_DEVICE);
	size = nic_rx_done(r);
	CHECK(r, size == 42);
	gantry_dma_unmap_single(r->dma, rx, fixed ? 1536 : 42, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(in, 42, 2));
	rte_free(in);
	rte_free(out);
}

/*
 * netmap on Linux: all buffers of an interface are mapped, from index 0. Unmapping begins at index
 * 2, because the first two belong to no ring, so those stay mapped forever.
 */
CULPRIT void
netmap_unload_map(struct rig *r, bool fixed)
{
	gantry_dma_addr_t addr[4];
	uint8_t *buf[4];
	int i;

	for (i = 0; i < 4; i++) {
		buf[i] = dma_buf(2048);
		addr[i] = drv_map(r, buf[i], 2048, GANTRY_DMA_BIDIRECTIONAL);
	}
	for (i = fixed ? 0 : 2; i < 4; i++)
		gantry_dma_unmap_single(r->dma, addr[i], 2048, GANTRY_DMA_BIDIRECTIONAL);
	drv_roundtrip(r, 3);
}

/* qualcommbe ppe: receive buffers are mapped TO_DEVICE and unmapped FROM_DEVICE. */
CULPRIT void
edma_rx_reap(struct rig *r, bool fixed)
{
	uint8_t *out = dma_buf(LEN), *in = dma_buf(LEN);
	gantry_dma_addr_t tx, rx;

	fill(out, LEN, 4);
	tx = drv_map(r, out, LEN, GANTRY_DMA_TO_DEVICE);
	rx = drv_map(r, in, LEN, fixed ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_TO_DEVICE);
	nic_tx(r, tx, LEN);
	nic_rx(r, rx, LEN);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, tx, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, rx, LEN, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, !fixed || (nic_rx_done(r) == LEN && filled(in, LEN, 4)));
	rte_free(out);
	rte_free(in);
}

/* The same driver: its clean-up frees the buffers that are still posted, and unmaps none. */
CULPRIT void
edma_cleanup(struct rig *r, bool fixed)
{
	uint8_t *buf = dma_buf(2048);
	gantry_dma_addr_t addr = drv_map(r, buf, 2048, GANTRY_DMA_FROM_DEVICE);

	drv_roundtrip(r, 5);
	if (fixed)
		gantry_dma_unmap_single(r->dma, addr, 2048, GANTRY_DMA_FROM_DEVICE);
	rte_free(buf);
}

/* krping: set-up maps four buffers, and never checks whether that worked. */
CULPRIT void
krping_setup_buffers(struct rig *r, bool fixed)
{
	uint8_t *recv_buf = dma_buf(64);
	gantry_dma_addr_t addr = gantry_dma_map_single(r->dma, recv_buf, 64,
			GANTRY_DMA_BIDIRECTIONAL);

	if (fixed && gantry_dma_mapping_error(r->dma, addr))
		broken("no mapping: %s", gantry_dma_last_error());
	drv_roundtrip(r, 6);
	gantry_dma_unmap_single(r->dma, addr, 64, GANTRY_DMA_BIDIRECTIONAL);
	rte_free(recv_buf);
}

/* mt7601u: the device writes the answer to a request into a variable on the stack. */
CULPRIT void
mt7601u_vendor_request(struct rig *r, bool fixed)
{
	uint8_t data[4] = { 0 }, answer[4] = { 1, 2, 3, 4 }, *buf = dma_buf(64);
	uint8_t *into = fixed ? buf : data;
	gantry_dma_addr_t addr;

	addr = gantry_dma_map_single(r->dma, into, sizeof(data), GANTRY_DMA_FROM_DEVICE);
	if (!gantry_dma_mapping_error(r->dma, addr)) {
		nic_store(r, addr, answer, sizeof(answer));
		gantry_dma_unmap_single(r->dma, addr, sizeof(data), GANTRY_DMA_FROM_DEVICE);
		CHECK(r, memcmp(into, answer, sizeof(answer)) == 0);
	}
	rte_free(buf);
}

/*
 * sof-audio-pci-intel-cnl: 540,672 bytes of firmware are one entry of a list, but the driver never
 * stated that its device accepts segments longer than the default of 64 KiB.
 */
CULPRIT void
sof_load_firmware(struct rig *r, bool fixed)
{
	const size_t len = 540672, piece = RTE_MIN(len, gantry_dma_max_mapping_size(r->dma));
	uint8_t *fw = dma_buf(len), got[64];
	unsigned int n = 0, segs;
	struct gantry_sg sg[16];
	size_t at;

	fill(fw, len, 7);
	if (fixed)
		gantry_dma_set_max_seg_size(r->dma, UINT32_MAX);
	for (at = 0; at < len; at += piece)
		gantry_sg_set_buf(&sg[n++], fw + at, RTE_MIN(piece, len - at));
	segs = gantry_dma_map_sg(r->dma, sg, n, GANTRY_DMA_TO_DEVICE);
	if (segs > 0) {
		const struct gantry_sg *last = &sg[segs - 1];

		nic_fetch(r, gantry_sg_dma_address(last) + gantry_sg_dma_len(last) - 64, got, 64);
		CHECK(r, memcmp(got, fw + len - 64, 64) == 0);
		gantry_dma_unmap_sg(r->dma, sg, n, GANTRY_DMA_TO_DEVICE);
	}
	rte_free(fw);
}

/*
 * ELKS on an IBM PC: a disk buffer of 1 KiB in an array that crosses a multiple of 64 KiB, where
 * the address counter of the DMA controller wraps: BIOS error 9.
 */
CULPRIT void
elks_disk_buffer(struct rig *r, bool fixed)
{
	const size_t boundary = 64 << 10;
	uint8_t *mem = rte_zmalloc(NULL, 2 * boundary, boundary), *buf, got[64];
	struct gantry_sg sg;

	if (mem == NULL)
		broken("no memory");
	gantry_dma_set_seg_boundary(r->dma, boundary - 1);
	buf = mem + boundary - (fixed ? 1024 : 512);
	fill(buf, 1024, 8);
	gantry_sg_set_buf(&sg, buf, 1024);
	if (gantry_dma_map_sg(r->dma, &sg, 1, GANTRY_DMA_TO_DEVICE) == 1) {
		nic_fetch(r, gantry_sg_dma_address(&sg), got, 64);
		CHECK(r, filled(got, 64, 8));
		gantry_dma_unmap_sg(r->dma, &sg, 1, GANTRY_DMA_TO_DEVICE);
	}
	rte_free(mem);
}

/*
 * ramips frame engine: unmapping the fragments of a descriptor leaves their lengths in the slot. If
 * a frame of one fragment reuses the slot, its second one is unmapped again, long after it ended.
 */
struct fe_slot {
	gantry_dma_addr_t addr[2];
	size_t len[2];
};

CULPRIT void
fe_txd_unmap(struct rig *r, struct fe_slot *s, bool clear)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (s->len[i] == 0)
			continue;
		gantry_dma_unmap_single(r->dma, s->addr[i], s->len[i], GANTRY_DMA_TO_DEVICE);
		if (clear)
			s->len[i] = 0;
	}
}

CULPRIT void
fe_reuse_slot(struct rig *r, bool fixed)
{
	uint8_t *first = dma_buf(LEN), *second = dma_buf(LEN);
	struct fe_slot slot = { .len = { LEN, LEN } };

	slot.addr[0] = drv_map(r, first, LEN, GANTRY_DMA_TO_DEVICE);
	slot.addr[1] = drv_map(r, second, LEN, GANTRY_DMA_TO_DEVICE);
	fe_txd_unmap(r, &slot, fixed);
	slot.addr[0] = drv_map(r, first, LEN, GANTRY_DMA_TO_DEVICE);
	slot.len[0] = LEN;
	fe_txd_unmap(r, &slot, fixed);
	drv_roundtrip(r, 9);
	rte_free(first);
	rte_free(second);
}

/*
 * rtl8190p: the receive path maps a new buffer for each frame and unmaps none ("250k map, 20k
 * unmap"), until nothing is left to map with.
 */
CULPRIT void
rtl8192_rx(struct rig *r, bool fixed)
{
	uint8_t *out = dma_buf(LEN), *in;
	gantry_dma_addr_t tx, rx;
	int i;

	for (i = 0; i < 3; i++) {
		fill(out, LEN, 10 + i);
		tx = drv_map(r, out, LEN, GANTRY_DMA_TO_DEVICE);
		in = dma_buf(9100);
		rx = drv_map(r, in, 9100, GANTRY_DMA_FROM_DEVICE);
		nic_tx(r, tx, LEN);
		nic_rx(r, rx, 9100);
		nic_kick(r);
		gantry_dma_unmap_single(r->dma, tx, LEN, GANTRY_DMA_TO_DEVICE);
		CHECK(r, nic_tx_done(r) == LEN && nic_rx_done(r) == LEN);
		if (fixed)
			gantry_dma_unmap_single(r->dma, rx, 9100, GANTRY_DMA_FROM_DEVICE);
		CHECK(r, !fixed || filled(in, LEN, 10 + i));
	}
}

/*
 * SPDK: buffers were freed and their pages returned, but the mapping of the device had another
 * size than the piece, so it stayed. The next buffer at that address was in another page than the
 * one that the device reached.
 */
CULPRIT void
spdk_free_part(struct rig *r, bool fixed)
{
	const size_t page = 2 << 20;
	uint8_t *region = rte_zmalloc(NULL, 4 * page, page), got[64];
	gantry_dma_addr_t addr, again;

	if (region == NULL)
		broken("no memory");
	fill(region, 64, 13);
	addr = drv_map(r, region, 60000, GANTRY_DMA_TO_DEVICE);
	nic_fetch(r, addr, got, 64);
	CHECK(r, filled(got, 64, 13));
	if (fixed)
		gantry_dma_unmap_single(r->dma, addr, 60000, GANTRY_DMA_TO_DEVICE);
	rte_free(region);
	region = rte_zmalloc(NULL, 2 * page, page);
	if (region == NULL)
		broken("no memory");
	fill(region, 64, 14);
	again = drv_map(r, region, 30000, GANTRY_DMA_TO_DEVICE);
	/* The device of the bug uses the stale mapping. */
	nic_fetch(r, fixed ? again : addr, got, 64);
	CHECK(r, !fixed || filled(got, 64, 14));
	gantry_dma_unmap_single(r->dma, again, 30000, GANTRY_DMA_TO_DEVICE);
	rte_free(region);
}

/* ntnic: releasing a queue unmaps its control block, but not its packet buffers. */
CULPRIT void
ntnic_release_queue(struct rig *r, bool fixed)
{
	uint8_t *control = dma_buf(4096), *buffers = dma_buf(32 << 10);
	gantry_dma_addr_t a = drv_map(r, control, 4096, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_addr_t b = drv_map(r, buffers, 32 << 10, GANTRY_DMA_BIDIRECTIONAL);

	drv_roundtrip(r, 15);
	gantry_dma_unmap_single(r->dma, a, 4096, GANTRY_DMA_BIDIRECTIONAL);
	if (fixed)
		gantry_dma_unmap_single(r->dma, b, 32 << 10, GANTRY_DMA_BIDIRECTIONAL);
}

/* hns3: reset and configuration both release the queue, whose pointers are not cleared. */
CULPRIT void
hns3_queue_release(struct rig *r, bool fixed)
{
	gantry_dma_addr_t bus;
	void *ring = gantry_dma_alloc_coherent(r->dma, 4096, &bus, SOCKET_ID_ANY);
	int who;

	if (ring == NULL)
		broken("no ring: %s", gantry_dma_last_error());
	drv_roundtrip(r, 16);
	for (who = 0; who < 2; who++) {
		if (ring == NULL)
			continue;
		gantry_dma_free_coherent(r->dma, 4096, ring, bus);
		if (fixed)
			ring = NULL;
	}
}

/*
 * hns3: the reset fills the receive ring, and starting the queue fills it again, over the buffers
 * that are there.
 */
CULPRIT void
hns3_rx_queue_start(struct rig *r, bool fixed)
{
	struct {
		gantry_dma_addr_t addr;
		uint8_t *buf;
	} sw = { 0 };
	int who;

	for (who = 0; who < 2; who++) {
		if (fixed && sw.buf != NULL) {
			gantry_dma_unmap_single(r->dma, sw.addr, 2048, GANTRY_DMA_FROM_DEVICE);
			rte_free(sw.buf);
		}
		sw.buf = dma_buf(2048);
		sw.addr = drv_map(r, sw.buf, 2048, GANTRY_DMA_FROM_DEVICE);
	}
	gantry_dma_unmap_single(r->dma, sw.addr, 2048, GANTRY_DMA_FROM_DEVICE);
	rte_free(sw.buf);
	drv_roundtrip(r, 17);
}

/* amdxdna: one device allocates the queue, but the sync names another. */
CULPRIT void
xdna_check_read_index(struct rig *r, bool fixed)
{
	struct gantry_dma_dev *other = mini_second(r);
	uint8_t *queue = dma_buf(4096), index[8];
	gantry_dma_addr_t addr = drv_map(r, queue, 4096, GANTRY_DMA_FROM_DEVICE);

	fill(index, sizeof(index), 18);
	nic_store(r, addr, index, sizeof(index));
	gantry_dma_sync_single_for_cpu(fixed ? r->dma : other, addr, sizeof(index),
			GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(queue, sizeof(index), 18));
	gantry_dma_unmap_single(r->dma, addr, 4096, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_dev_destroy(other);
	rte_free(queue);
}

/*
 * libvfio-user: a list is mapped piece by piece, and if one piece fails, the earlier ones stay
 * mapped.
 */
CULPRIT void
vfu_map_sg(struct rig *r, bool fixed)
{
	uint8_t *buf[2];
	gantry_dma_addr_t addr[2];
	int i;

	mini_bounce(r, 1); /* one large buffer, so that the second mapping fails */
	for (i = 0; i < 2; i++) {
		buf[i] = dma_buf(60000);
		addr[i] = gantry_dma_map_single(r->dma, buf[i], 60000, GANTRY_DMA_TO_DEVICE);
		if (gantry_dma_mapping_error(r->dma, addr[i]))
			break;
	}
	CHECK(r, i == 1);
	while (fixed && i-- > 0)
		gantry_dma_unmap_single(r->dma, addr[i], 60000, GANTRY_DMA_TO_DEVICE);
}

/*
 * nbl: stopping a queue frees every mbuf in its table, including those that the application
 * already has and that the table still holds.
 */
CULPRIT void
nbl_stop_rx_ring(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m;

	drv_rx_fill(r, &rx, 1);
	drv_tx(r, &tx, drv_frame(r, LEN, 19));
	nic_kick(r);
	drv_tx_clean(r, &tx);
	m = drv_rx(r, &rx);
	CHECK(r, drv_is_frame(m, LEN, 19));
	if (fixed)
		drv_rx_release(r, &rx); /* from the first that the device owns to the last */
	else
		rte_pktmbuf_free_seg(rx.sw[0]);
	rte_pktmbuf_free(m); /* by the application */
}

/* ark: releasing a queue drains it, and then frees everything in its table. */
CULPRIT void
ark_rx_queue_release(struct rig *r, bool fixed)
{
	struct drv_queue rx = { 0 };
	struct rte_mbuf *m;

	drv_rx_fill(r, &rx, 1);
	m = rx.sw[0];
	drv_rx_release(r, &rx);
	if (!fixed)
		rte_pktmbuf_free(m);
	drv_roundtrip(r, 20);
}

/*
 * ionic: buffers are taken from the pool in bulk, and used from the end of the array. Emptying the
 * array frees those from the marker on, which are used, instead of those before it.
 */
CULPRIT void
ionic_empty_array(struct rig *r, bool fixed)
{
	struct rte_mbuf *mbs[4];
	unsigned int idx = 4, i;

	if (rte_pktmbuf_alloc_bulk(drv_pool(r), mbs, 4) != 0)
		broken("no mbufs");
	idx--;
	rte_pktmbuf_free(mbs[idx]); /* used: received into, delivered, and freed */
	drv_roundtrip(r, 21);
	if (fixed)
		for (i = 0; i < idx; i++)
			rte_pktmbuf_free_seg(mbs[i]);
	else
		for (i = idx; i < 4; i++)
			rte_pktmbuf_free_seg(mbs[i]);
}

/*
 * ena: for fast free, the driver collects the segments of a frame and frees them in bulk, with a
 * function that itself frees whole chains.
 */
CULPRIT void
ena_tx_cleanup(struct rig *r, bool fixed)
{
	struct rte_mbuf *head = drv_frame(r, 64, 22), *tail = drv_frame(r, 64, 23), *m;
	struct rte_mbuf *array[2];
	struct gantry_dma_seg segs[2];
	unsigned int n = 0;
	int nb, i;

	if (rte_pktmbuf_chain(head, tail) != 0)
		broken("no chain");
	nb = gantry_dma_map_mbuf_chain(r->dma, head, segs, 2, GANTRY_DMA_TO_DEVICE);
	if (nb <= 0)
		broken("no mapping: %s", gantry_dma_last_error());
	for (i = 0; i < nb; i++)
		nic_tx(r, segs[i].addr, segs[i].len);
	nic_kick(r);
	for (i = 0; i < nb; i++)
		CHECK(r, nic_tx_done(r) == (int)segs[i].len);
	gantry_dma_unmap_mbuf_chain(r->dma, head, segs, (unsigned int)nb, GANTRY_DMA_TO_DEVICE);
	for (m = head; m != NULL; m = m->next) {
		array[n++] = m;
		if (fixed)
			break;
	}
	rte_pktmbuf_free_bulk(array, n);
}

/*
 * mlx5: the recovery of a receive queue runs out of mbufs and frees those that it took, but masks
 * the index with the size of the ring instead of the size less one. It therefore frees entry 0
 * repeatedly, which is posted to the device.
 */
CULPRIT void
mlx5_rx_err_handle(struct rig *r, bool fixed)
{
	struct drv_queue rx = { 0 }, tx = { 0 };
	const unsigned int elts_n = 4, e_mask = elts_n - 1;
	struct rte_mbuf *elts[5] = { 0 };
	unsigned int i = 1;

	drv_rx_fill(r, &rx, 1);
	elts[0] = rx.sw[0];
	elts[1] = rte_mbuf_raw_alloc(drv_pool(r));
	/* The second is not available: roll back. */
	rte_pktmbuf_free_seg(elts[i & (fixed ? e_mask : elts_n)]);
	if (!fixed) {
		nic_reset(r);
		gantry_dma_unmap_mbuf(r->dma, rx.sw[0], rx.addr[0], 2048, GANTRY_DMA_FROM_DEVICE);
		return;
	}
	drv_tx(r, &tx, drv_frame(r, LEN, 24));
	nic_kick(r);
	drv_tx_clean(r, &tx);
	elts[0] = drv_rx(r, &rx);
	CHECK(r, drv_is_frame(elts[0], LEN, 24));
	rte_pktmbuf_free(elts[0]);
}

/*
 * pcap: the driver frees a frame that it cannot send, and does not count it as sent. For the
 * application that means that it still owns the frame.
 */
static unsigned int
pcap_tx(struct rte_mbuf *m, bool fixed)
{
	const bool too_long = true;

	if (too_long && !fixed)
		rte_pktmbuf_free(m);
	return too_long ? 0 : 1;
}

CULPRIT void
pcap_send_or_free(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = drv_frame(r, LEN, 25);

	drv_roundtrip(r, 25);
	if (pcap_tx(m, fixed) == 0)
		rte_pktmbuf_free(m);
}

/*
 * nfp: the driver counts a descriptor as refilled before it checks the length of the frame. If the
 * check ends the loop, the device gets a descriptor with stale contents.
 */
CULPRIT void
nfp_recv_pkts(struct rig *r, bool fixed)
{
	uint8_t *in = dma_buf(2048), *out = dma_buf(LEN);
	gantry_dma_addr_t rx, tx;

	fill(out, LEN, 26);
	tx = drv_map(r, out, LEN, GANTRY_DMA_TO_DEVICE);
	rx = drv_map(r, in, 2048, GANTRY_DMA_FROM_DEVICE);
	nic_rx(r, fixed ? rx : 0xdead0000beefull, 2048);
	nic_tx(r, tx, LEN);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, tx, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, rx, 2048, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, !fixed || (nic_rx_done(r) == LEN && filled(in, LEN, 26)));
	rte_free(in);
	rte_free(out);
}

/* Test of dmadev in DPDK: source and destination of the copy are passed as pointers. */
CULPRIT void
dmadev_copy(struct rig *r, bool fixed)
{
	uint8_t *src = dma_buf(LEN), *dst = dma_buf(LEN);
	gantry_dma_addr_t s, d;

	fill(src, LEN, 27);
	s = drv_map(r, src, LEN, GANTRY_DMA_TO_DEVICE);
	d = drv_map(r, dst, LEN, GANTRY_DMA_FROM_DEVICE);
	nic_tx(r, fixed ? s : (uintptr_t)src, LEN);
	nic_rx(r, fixed ? d : (uintptr_t)dst, LEN);
	nic_kick(r);
	gantry_dma_unmap_single(r->dma, s, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, d, LEN, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, !fixed || filled(dst, LEN, 27));
	rte_free(src);
	rte_free(dst);
}

/* fastswap: a page to be read from remote memory is mapped as one to be written. */
CULPRIT void
fastswap_read_page(struct rig *r, bool fixed)
{
	const enum gantry_dma_dir dir = fixed ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_TO_DEVICE;
	uint8_t *page = dma_buf(4096), remote[64];
	gantry_dma_addr_t addr = drv_map(r, page, 4096, dir);

	fill(remote, sizeof(remote), 28);
	nic_store(r, addr, remote, sizeof(remote));
	gantry_dma_unmap_single(r->dma, addr, 4096, dir);
	CHECK(r, !fixed || filled(page, sizeof(remote), 28));
	rte_free(page);
}

#define REPLAY(fn, class, from) \
	{ \
		.name = #fn, .misuse = class, .source = from, .play = fn, .culprit = #fn \
	}
#define DEBUG(class) GANTRY_DMA_MISUSE_##class

static const struct bug bugs[] = {
	REPLAY(fec_free_buffers, DEBUG(UNMAP_UNKNOWN), "boundarydevices/linux pull 3"),
	REPLAY(ftgmac_rx_packet, DEBUG(WRONG_SIZE), "openbmc/linux#201"),
	REPLAY(netmap_unload_map, DEBUG(LEAKED), "luigirizzo/netmap#407, #410"),
	{
			.name = "edma_rx_reap",
			.misuse = DEBUG(WRONG_DIRECTION),
			.source = "perceival/openwrt-flint3 pull 92 (0420)",
			.play = edma_rx_reap,
			.culprit = "edma_rx_reap",
			.faults = true,
	},
	REPLAY(edma_cleanup, DEBUG(LEAKED), "perceival/openwrt-flint3 pull 92 (0421)"),
	REPLAY(krping_setup_buffers, DEBUG(UNCHECKED), "larrystevenwise/krping pull 12"),
	REPLAY(mt7601u_vendor_request, DEBUG(MAP_STACK), "kuba-moo/mt7601u#23"),
	REPLAY(sof_load_firmware, DEBUG(SEGMENT_SIZE), "thesofproject/linux#3430"),
	REPLAY(elks_disk_buffer, DEBUG(SEGMENT_BOUNDARY), "ghaerr/elks#440"),
	{
			.name = "fe_reuse_slot",
			.misuse = DEBUG(UNMAP_TWICE),
			.source = "openwrt/openwrt pull 24268",
			.play = fe_reuse_slot,
			.culprit = "fe_txd_unmap",
			.mapper = "fe_reuse_slot",
	},
	REPLAY(rtl8192_rx, DEBUG(LEAKED), "lwfinger/rtl8190p#1"),
	{
			.name = "spdk_free_part",
			.misuse = DEBUG(FREED_MAPPED),
			.source = "spdk/spdk#1705",
			.play = spdk_free_part,
			.culprit = "spdk_free_part",
			.needs = NEEDS_HUGEPAGES,
	},
	REPLAY(ntnic_release_queue, DEBUG(LEAKED),
			"DPDK/dpdk 842c1cee225ca8c79a8a321e2194f83d54a4495a"),
	REPLAY(hns3_queue_release, DEBUG(UNMAP_TWICE),
			"DPDK/dpdk bbf6fcc0cc62031a26517608a471873339423d8c"),
	REPLAY(hns3_rx_queue_start, DEBUG(LEAKED),
			"DPDK/dpdk f81a18f491522c56ca7ee6ea78be10c784f2ae32"),
	REPLAY(xdna_check_read_index, DEBUG(SYNC_UNMAPPED), "amd/xdna-driver pull 1088"),
	REPLAY(vfu_map_sg, DEBUG(LEAKED), "nutanix/libvfio-user#558"),
	REPLAY(nbl_stop_rx_ring, DEBUG(MBUF_DOUBLE_FREE),
			"DPDK/dpdk 43ed974c6976af0df3383ca0d793021204a1a1f3"),
	{
			.name = "ark_rx_queue_release",
			.misuse = DEBUG(MBUF_DOUBLE_FREE),
			.source = "DPDK/dpdk f8c85054cc9cb160ca12e1bf96b569e654f96c74",
			.play = ark_rx_queue_release,
			.culprit = "ark_rx_queue_release",
			.mapper = "drv_rx_release",
	},
	REPLAY(ionic_empty_array, DEBUG(MBUF_DOUBLE_FREE),
			"DPDK/dpdk d46b9fa83f136beb0e6feedd0a7b3a228b0d8cd3"),
	REPLAY(ena_tx_cleanup, DEBUG(MBUF_DOUBLE_FREE),
			"DPDK/dpdk 237407f0c3dff2d0a6bbeb5f35c8b32fe5c8afed"),
	REPLAY(mlx5_rx_err_handle, DEBUG(MBUF_FREED),
			"DPDK/dpdk 7b3add55404dd816f1e9610097b2a7ac1fca4713"),
	REPLAY(pcap_send_or_free, DEBUG(MBUF_DOUBLE_FREE),
			"DPDK/dpdk 49a0a2ffd5db85f7bcc1de37391272f859aabbd4"),
	REPLAY(nfp_recv_pkts, CLASS_IOMMU, "DPDK/dpdk 0c48f5ad446d17d3039432d629b1537d2b2d1b98"),
	REPLAY(dmadev_copy, CLASS_IOMMU, "DPDK/dpdk 5879d209d847c1025d0852dad7f3bee3e5cff2f6"),
	REPLAY(fastswap_read_page, CLASS_IOMMU, "clusterfarmem/fastswap pull 6"),
};

FAMILY(history, bugs, false);
