/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * mbufs in a driver: from the pool to the device and back.
 */

#include "dmacheck.h"

#define LEN 200

/* Send a frame through the device in mbufs, without a mistake; most plays use it. */
static void
exchange(struct rig *r, struct drv_queue *tx, struct drv_queue *rx, unsigned int seed)
{
	struct rte_mbuf *m;

	drv_rx_fill(r, rx, 1);
	drv_tx(r, tx, drv_frame(r, LEN, seed));
	nic_kick(r);
	m = drv_rx(r, rx);
	CHECK(r, drv_is_frame(m, LEN, seed));
	rte_pktmbuf_free(m);
	drv_tx_clean(r, tx);
}

/* Releasing the queue frees the buffers before the device is stopped. */
CULPRIT void
release_before_stop(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m;

	exchange(r, &tx, &rx, 1);
	drv_rx_fill(r, &rx, 1);
	m = rx.sw[rx.clean % MINI_RING];
	if (!fixed)
		rte_pktmbuf_free(m);
	/* Stop the device, and take back what it owned. */
	nic_reset(r);
	gantry_dma_unmap_mbuf(r->dma, m, rx.addr[rx.clean % MINI_RING], 2048,
			GANTRY_DMA_FROM_DEVICE);
	if (fixed)
		rte_mbuf_raw_free(m);
}

/* The driver treats a frame as sent when the doorbell has rung. */
CULPRIT void
free_at_doorbell(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m = drv_frame(r, LEN, 2), *in;

	drv_rx_fill(r, &rx, 1);
	drv_tx(r, &tx, m);
	if (!fixed)
		rte_pktmbuf_free(m);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN);
	gantry_dma_unmap_mbuf(r->dma, m, tx.addr[0], tx.len[0], GANTRY_DMA_TO_DEVICE);
	if (fixed)
		rte_pktmbuf_free(m);
	in = drv_rx(r, &rx);
	CHECK(r, drv_is_frame(in, LEN, 2));
	rte_pktmbuf_free(in);
}

/* The driver drops a frame with an error, and yet delivers it to the application. */
CULPRIT void
drop_and_deliver(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m;

	drv_rx_fill(r, &rx, 1);
	drv_tx(r, &tx, drv_frame(r, LEN, 4));
	nic_kick(r);
	m = drv_rx(r, &rx);
	CHECK(r, drv_is_frame(m, LEN, 4));
	if (!fixed)
		rte_pktmbuf_free(m); /* the driver: the checksum was wrong */
	rte_pktmbuf_free(m);         /* the application, after it has seen the frame */
	drv_tx_clean(r, &tx);
}

/* Both ends of a chain are freed, but freeing the first frees all segments behind it. */
CULPRIT void
free_chain_and_tail(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *head = drv_frame(r, 64, 5), *tail = drv_frame(r, 64, 6);

	exchange(r, &tx, &rx, 5);
	if (rte_pktmbuf_chain(head, tail) != 0)
		broken("no chain");
	rte_pktmbuf_free(head);
	if (!fixed)
		rte_pktmbuf_free(tail);
}

/* The driver writes the time stamp into the frame after posting it. */
CULPRIT void
stamp_after_post(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m = drv_frame(r, LEN, 7), *in;
	uint64_t *stamp = rte_pktmbuf_mtod_offset(m, uint64_t *, 16);

	if (fixed)
		*stamp = 0x1122334455667788;
	drv_rx_fill(r, &rx, 1);
	drv_tx(r, &tx, m);
	if (!fixed)
		*stamp = 0x1122334455667788;
	nic_kick(r);
	in = drv_rx(r, &rx);
	CHECK(r, in != NULL && in->data_len == LEN);
	CHECK(r, !fixed || *rte_pktmbuf_mtod_offset(in, uint64_t *, 16) == 0x1122334455667788);
	rte_pktmbuf_free(in);
	drv_tx_clean(r, &tx);
}

/* The VLAN tag for the copy of the second port is written into the buffer that both share. */
CULPRIT void
tag_shared_data(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m = drv_frame(r, LEN, 8), *copy;
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);

	copy = fixed ? rte_pktmbuf_copy(m, drv_pool(r), 0, UINT32_MAX) :
		       rte_pktmbuf_clone(m, drv_pool(r));
	if (copy == NULL)
		broken("no mbuf");
	drv_rx_fill(r, &rx, 2);
	drv_tx(r, &tx, m);
	rte_pktmbuf_mtod(copy, uint8_t *)[15] = 42;
	drv_tx(r, &tx, copy);
	nic_kick(r);
	m = drv_rx(r, &rx);
	CHECK(r, !fixed || drv_is_frame(m, LEN, 8));
	rte_pktmbuf_free(m);
	m = drv_rx(r, &rx);
	b = rte_pktmbuf_mtod(m, uint8_t *);
	CHECK(r, b[15] == 42);
	rte_pktmbuf_free(m);
	drv_tx_clean(r, &tx);
}

/* The caller retries a frame that the full ring had accepted, so it is posted again. */
CULPRIT void
retry_what_was_taken(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m = drv_frame(r, LEN, 9), *in;

	drv_rx_fill(r, &rx, 2);
	drv_tx(r, &tx, m);
	if (!fixed)
		drv_tx(r, &tx, m);
	nic_kick(r);
	in = drv_rx(r, &rx);
	CHECK(r, drv_is_frame(in, LEN, 9));
	rte_pktmbuf_free(in);
	in = drv_rx(r, &rx);
	rte_pktmbuf_free(in);
	if (!fixed) {
		/* One reference, one buffer: the second entry must not free it. */
		CHECK(r, nic_tx_done(r) == LEN && nic_tx_done(r) == LEN);
		gantry_dma_unmap_mbuf(r->dma, m, tx.addr[0], LEN, GANTRY_DMA_TO_DEVICE);
		gantry_dma_unmap_mbuf(r->dma, m, tx.addr[1], LEN, GANTRY_DMA_TO_DEVICE);
		rte_pktmbuf_free(m);
	} else {
		drv_tx_clean(r, &tx);
		drv_rx_release(r, &rx);
	}
}

/*
 * A heartbeat frame is kept, and sent again while the last one is still in the ring, which requires
 * a reference each time.
 */
CULPRIT void
resend_kept_frame(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *beat = drv_frame(r, LEN, 10), *in;
	int i;

	drv_rx_fill(r, &rx, 2);
	for (i = 0; i < 2; i++) {
		if (fixed)
			rte_mbuf_refcnt_update(beat, 1);
		drv_tx(r, &tx, beat);
	}
	nic_kick(r);
	drv_tx_clean(r, &tx);
	for (i = 0; i < 2; i++) {
		in = drv_rx(r, &rx);
		CHECK(r, drv_is_frame(in, LEN, 10));
		rte_pktmbuf_free(in);
	}
	if (fixed)
		rte_pktmbuf_free(beat);
}

/*
 * The driver reads a stale "done" of the previous lap, and delivers a buffer that the device still
 * owns. The application frees it, and then the frame arrives.
 */
CULPRIT void
deliver_too_early(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m;
	int i;

	drv_rx_fill(r, &rx, 1);
	drv_tx(r, &tx, drv_frame(r, LEN, 11));
	if (fixed)
		nic_kick(r);
	m = rx.sw[0];
	gantry_dma_unmap_mbuf(r->dma, m, rx.addr[0], 2048, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_reset(m);
	m->data_len = LEN;
	m->pkt_len = LEN;
	CHECK(r, !fixed || drv_is_frame(m, LEN, 11));
	rte_pktmbuf_free(m);
	if (!fixed)
		nic_kick(r);
	drv_tx_clean(r, &tx);
	/* At some point the pool hands that mbuf out again. */
	for (i = rte_mempool_avail_count(drv_pool(r)); i > 0; i--)
		rte_pktmbuf_free(rte_pktmbuf_alloc(drv_pool(r)));
}

/*
 * The refill runs one entry beyond the end of the ring, and posts the buffer of entry 0 a second
 * time. The first frame is delivered while the device still owns the buffer.
 */
CULPRIT void
refill_posts_twice(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *first, *second;
	gantry_dma_addr_t addr;

	drv_rx_fill(r, &rx, 1);
	first = rx.sw[0];
	second = fixed ? rte_mbuf_raw_alloc(drv_pool(r)) : first;
	addr = gantry_dma_map_mbuf(r->dma, second, RTE_PKTMBUF_HEADROOM, 2048,
			GANTRY_DMA_FROM_DEVICE);
	if (gantry_dma_mapping_error(r->dma, addr))
		broken("no mapping: %s", gantry_dma_last_error());
	nic_rx(r, addr, 2048);
	drv_tx(r, &tx, drv_frame(r, LEN, 13));
	nic_kick(r);
	drv_tx_clean(r, &tx);
	first = drv_rx(r, &rx); /* the application reads it, and the next frame arrives */
	drv_tx(r, &tx, drv_frame(r, LEN, 14));
	nic_kick(r);
	drv_tx_clean(r, &tx);
	CHECK(r, nic_rx_done(r) == LEN);
	CHECK(r, !fixed || drv_is_frame(first, LEN, 13));
	gantry_dma_unmap_mbuf(r->dma, second, addr, 2048, GANTRY_DMA_FROM_DEVICE);
	if (fixed)
		rte_mbuf_raw_free(second);
	rte_pktmbuf_free(first);
}

/* The driver links its free buffers by their "next", including those that it has posted. */
CULPRIT void
link_posted(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m, *list = rte_pktmbuf_alloc(drv_pool(r));

	drv_rx_fill(r, &rx, 1);
	if (!fixed)
		rx.sw[0]->next = list;
	drv_tx(r, &tx, drv_frame(r, LEN, 15));
	nic_kick(r);
	m = drv_rx(r, &rx);
	CHECK(r, drv_is_frame(m, LEN, 15));
	m->next = NULL;
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(list);
	drv_tx_clean(r, &tx);
}

/* The driver marks mbufs that are in the ring by a length of 0. */
CULPRIT void
mark_in_ring(struct rig *r, bool fixed)
{
	struct drv_queue tx = { 0 }, rx = { 0 };
	struct rte_mbuf *m = drv_frame(r, LEN, 16), *in;

	drv_rx_fill(r, &rx, 1);
	drv_tx(r, &tx, m);
	if (!fixed)
		m->data_len = 0;
	nic_kick(r);
	drv_tx_clean(r, &tx);
	in = drv_rx(r, &rx);
	CHECK(r, drv_is_frame(in, LEN, 16));
	rte_pktmbuf_free(in);
}

static const struct bug bugs[] = {
	PLANTED(release_before_stop, MBUF_FREED),
	PLANTED(free_at_doorbell, MBUF_FREED),
	PLANTED(drop_and_deliver, MBUF_DOUBLE_FREE),
	PLANTED(free_chain_and_tail, MBUF_DOUBLE_FREE),
	PLANTED(stamp_after_post, MBUF_WRITTEN),
	PLANTED(tag_shared_data, MBUF_WRITTEN),
	PLANTED(retry_what_was_taken, MBUF_IN_RING),
	PLANTED(resend_kept_frame, MBUF_IN_RING),
	{
			.name = "deliver_too_early",
			.misuse = GANTRY_DMA_MISUSE_MBUF_WRITTEN_FREE,
			.source = "planted",
			.play = deliver_too_early,
			.culprit = "deliver_too_early",
			.faults = true,
	},
	PLANTED(refill_posts_twice, MBUF_RECEIVED_INTO),
	PLANTED(link_posted, MBUF_CHANGED),
	PLANTED(mark_in_ring, MBUF_CHANGED),
};

FAMILY(mbuf, bugs, false);
