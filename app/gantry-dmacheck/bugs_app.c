/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Applications: frames that are freed, written or sent again while the device owns them, and
 * buffers that it cannot reach.
 */

#include <stdlib.h>

#include "app.h"

/* Free a frame after sending it: the driver will free it when the device has read it. */
CULPRIT void
app_free_sent(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 1);

	softnic_hold();
	transmit(m);
	if (!fixed)
		rte_pktmbuf_free(m);
	softnic_go();
	receive_and_free(r, 1);
	reclaim(1);
}

/* The same with the function of the pool, which bypasses the reference count of the mbuf. */
CULPRIT void
app_put_sent_back(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 2);

	softnic_hold();
	transmit(m);
	if (!fixed)
		rte_mempool_put(r->pool, m);
	softnic_go();
	receive_and_free(r, 2);
	reclaim(1);
}

/*
 * PcapPlusPlus: the application decides for the whole burst whether packets must be freed, so it
 * frees all packets of a burst that was partly sent.
 */
CULPRIT void
app_free_whole_burst(struct rig *r, bool fixed)
{
	struct rte_mbuf *burst[RING + 8];
	const unsigned int n = RTE_DIM(burst);
	unsigned int i, sent, first;

	softnic_hold();
	for (i = 0; i < n; i++)
		burst[i] = frame(r, 3);
	sent = rte_eth_tx_burst(PORT, 0, burst, n);
	CHECK(r, sent < n);
	/* It frees only the last of those that the device owns: one report suffices. */
	first = fixed ? sent : sent - 1;
	for (i = first; i < n; i++)
		rte_pktmbuf_free(burst[i]);
	softnic_go();
	for (i = 0; i < sent; i++)
		receive_and_free(r, 3);
	reclaim(sent);
}

/*
 * qos_sched of DPDK: what was not sent is freed, counted from the number of packets instead of the
 * number sent. Behind the end of the array are the packets of the previous burst.
 */
CULPRIT void
app_free_unsent(struct rig *r, bool fixed)
{
	struct rte_mbuf *mbufs[4] = { 0 };
	const uint16_t nb_pkts = 2;
	uint16_t nb_tx;

	/* The previous burst, of four, of which the last is still in the ring. */
	softnic_hold();
	mbufs[3] = frame(r, 4);
	transmit(mbufs[3]);
	mbufs[0] = frame(r, 5);
	mbufs[1] = frame(r, 6);
	mbufs[2] = NULL;
	nb_tx = rte_eth_tx_burst(PORT, 0, mbufs, nb_pkts);
	CHECK(r, nb_tx == nb_pkts);
	/* As if two packets had not been sent, because the ring was full. */
	if (!fixed)
		rte_pktmbuf_free_bulk(&mbufs[nb_pkts], 2);
	softnic_go();
	receive_and_free(r, 4);
	receive_and_free(r, 5);
	receive_and_free(r, 6);
	reclaim(3);
}

/*
 * ipfixprobe freed mbufs twice when it was done with them. Here: where the frame was found bad, and
 * again at the end of the loop.
 */
CULPRIT void
app_free_twice(struct rig *r, bool fixed)
{
	struct rte_mbuf *m;

	transmit(frame(r, 7));
	m = receive();
	CHECK(r, is_frame(m, 7));
	if (!fixed)
		rte_pktmbuf_free(m); /* not IP: drop it */
	rte_pktmbuf_free(m);         /* end of the loop */
	reclaim(1);
}

/*
 * l2fwd of rust-dpdk: the callback frees what a buffered send could not send, and so does the
 * application, which asks how many were sent.
 */
CULPRIT void
app_free_after_flush(struct rig *r, bool fixed)
{
	struct rte_eth_dev_tx_buffer *buffer = dma_buf(RTE_ETH_TX_BUFFER_SIZE(4));
	struct rte_mbuf *last = frame(r, 8);
	unsigned int sent = 0;

	if (rte_eth_tx_buffer_init(buffer, 4) != 0)
		broken("no buffer");
	softnic_hold();
	for (;;) {
		struct rte_mbuf *m = frame(r, 8);

		if (rte_eth_tx_burst(PORT, 0, &m, 1) == 1) {
			sent++;
			continue;
		}
		rte_pktmbuf_free(m);
		break;
	}
	rte_eth_tx_buffer(PORT, 0, buffer, last);
	CHECK(r, rte_eth_tx_buffer_flush(PORT, 0, buffer) == 0); /* the callback frees it */
	if (!fixed)
		rte_pktmbuf_free(last);
	softnic_go();
	while (sent-- > 0)
		receive_and_free(r, 8);
	rte_free(buffer);
}

/*
 * yanet: a chain is passed on with an additional reference on its first segment. Both sides then
 * free the chain, and therefore twice the tail, which has only one reference.
 */
CULPRIT void
app_free_pinned_chain(struct rig *r, bool fixed)
{
	struct rte_mbuf *head = frame(r, 9), *tail = rte_pktmbuf_alloc(r->pool), *m;

	if (tail == NULL || rte_pktmbuf_append(tail, 64) == NULL ||
			rte_pktmbuf_chain(head, tail) != 0)
		broken("no chain");
	memset(rte_pktmbuf_mtod(tail, void *), 0, 64);
	if (!fixed)
		rte_mbuf_refcnt_update(head, 1);
	transmit(head);
	m = receive();
	CHECK(r, m != NULL && m->pkt_len == LEN + 64);
	rte_pktmbuf_free(m);
	reclaim(1); /* the driver frees each segment */
	if (!fixed) {
		rte_pktmbuf_free(tail); /* as freeing the kept chain would */
		rte_mbuf_refcnt_set(head, 1);
		head->next = NULL;
		head->nb_segs = 1;
		rte_pktmbuf_free(head);
	}
}

/*
 * Bonding of DPDK in broadcast mode: one frame with one reference per port, and the offload that
 * promises that no frame has more than one.
 */
CULPRIT void
app_fast_free_shared(struct rig *r, bool fixed)
{
	struct rte_mbuf *m;

	restart(r->pool, fixed ? 0 : RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	m = frame(r, 10);
	rte_mbuf_refcnt_update(m, 1);
	transmit(m);
	transmit(m);
	receive_and_free(r, 10);
	receive_and_free(r, 10);
	reclaim(2);
}

/* l2fwd with two lines exchanged: it changes the address after sending the frame. */
CULPRIT void
app_mac_after_send(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 11), *in;
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);

	softnic_hold();
	if (fixed)
		eth->src_addr.addr_bytes[5] = 0x77;
	transmit(m);
	if (!fixed)
		eth->src_addr.addr_bytes[5] = 0x77;
	softnic_go();
	in = receive();
	CHECK(r, is_frame(in, 11));
	rte_pktmbuf_free(in);
	reclaim(1);
}

/* The application reuses a buffer for the next message before the last one is sent. */
CULPRIT void
app_reuse_payload(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 12), *next;

	softnic_hold();
	rte_mbuf_refcnt_update(m, 1); /* "still ours" */
	transmit(m);
	if (fixed) {
		softnic_go();
		receive_and_free(r, 12);
		reclaim(1);
	}
	fill(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), LEN - 14, 13);
	if (!fixed) {
		softnic_go();
		next = receive();
		CHECK(r, next != NULL);
		rte_pktmbuf_free(next);
		reclaim(1);
	}
	rte_pktmbuf_free(m);
}

/* The application floods a frame to two ports by sending the same mbuf twice. */
CULPRIT void
app_send_twice(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 14), *again;

	softnic_hold();
	again = fixed ? rte_pktmbuf_copy(m, r->pool, 0, UINT32_MAX) : m;
	if (again == NULL)
		broken("no mbuf");
	transmit(m);
	transmit(again);
	softnic_go();
	receive_and_free(r, 14);
	receive_and_free(r, 14);
	reclaim(2);
}

/* An index that does not advance: one burst holds a packet twice. */
CULPRIT void
app_twice_in_burst(struct rig *r, bool fixed)
{
	struct rte_mbuf *burst[2];

	softnic_hold();
	burst[0] = frame(r, 15);
	burst[1] = fixed ? frame(r, 15) : burst[0];
	if (rte_eth_tx_burst(PORT, 0, burst, 2) != 2)
		broken("the ring is full");
	softnic_go();
	receive_and_free(r, 15);
	receive_and_free(r, 15);
	reclaim(2);
}

/*
 * The time-out for an answer is shorter than the delay of the wire: the application sends the
 * request again, without counting its references.
 */
CULPRIT void
app_retransmit(struct rig *r, bool fixed)
{
	struct rte_mbuf *request = frame(r, 16);
	int tries;

	softnic_hold();
	for (tries = 0; tries < 2; tries++) {
		if (fixed)
			rte_mbuf_refcnt_update(request, 1);
		transmit(request);
	}
	softnic_go();
	receive_and_free(r, 16);
	receive_and_free(r, 16);
	reclaim(2);
	if (fixed)
		rte_pktmbuf_free(request);
}

/* The application builds an answer in a request that was freed in the meantime, and sends it. */
CULPRIT void
app_send_freed(struct rig *r, bool fixed)
{
	struct rte_mbuf *m;

	transmit(frame(r, 17));
	m = receive();
	CHECK(r, is_frame(m, 17));
	reclaim(1);
	if (!fixed)
		rte_pktmbuf_free(m);
	transmit(m);
	m = receive();
	CHECK(r, !fixed || is_frame(m, 17));
	rte_pktmbuf_free(m);
	reclaim(1);
}

/* Send an external buffer if the driver accepts it; the driver may refuse. */
static __rte_always_inline void
ext_send(struct rig *r, struct rte_mbuf *m, bool fixed)
{
	struct rte_mbuf *in;

	if (rte_eth_tx_burst(PORT, 0, &m, 1) == 1) {
		in = fixed ? receive() : NULL;
		CHECK(r, !fixed || (in != NULL && in->pkt_len == LEN));
		rte_pktmbuf_free(in);
		if (fixed)
			reclaim(1);
	} else {
		CHECK(r, !fixed);
		rte_pktmbuf_free(m);
	}
}

/* "Zero copy" from a buffer on the stack. */
CULPRIT void
app_send_stack(struct rig *r, bool fixed)
{
	struct rte_mbuf_ext_shared_info *info = dma_buf(sizeof(*info));
	uint8_t local[LEN], *buf = dma_buf(LEN), *data = fixed ? buf : local;

	fill(data, LEN, 17);
	memset(data, 0xff, 6);
	ext_send(r, ext_frame(r, data, info, fixed ? rte_malloc_virt2iova(data) : (uintptr_t)data),
			fixed);
}

/* "Zero copy" of a constant page, from where the linker placed it. */
static const uint8_t page[LEN] = {
	0xff,
	0xff,
	0xff,
	0xff,
	0xff,
	0xff,
	2,
	0,
	0,
	0,
	0,
	1,
	0x88,
	0xb5,
};

CULPRIT void
app_send_constant(struct rig *r, bool fixed)
{
	struct rte_mbuf_ext_shared_info *info = dma_buf(sizeof(*info));
	uint8_t *buf = dma_buf(LEN);
	void *data = fixed ? buf : (void *)(uintptr_t)page;

	memcpy(buf, page, LEN);
	ext_send(r, ext_frame(r, data, info, fixed ? rte_malloc_virt2iova(data) : (uintptr_t)data),
			fixed);
}

/* "Zero copy" of memory from malloc(), whose CPU address is passed as its bus address. */
CULPRIT void
app_send_heap(struct rig *r, bool fixed)
{
	struct rte_mbuf_ext_shared_info *info = dma_buf(sizeof(*info));
	uint8_t *buf = fixed ? dma_buf(LEN) : malloc(LEN);

	fill(buf, LEN, 18);
	memset(buf, 0xff, 6);
	ext_send(r, ext_frame(r, buf, info, fixed ? rte_malloc_virt2iova(buf) : (uintptr_t)buf),
			fixed);
}

/*
 * A pointer into a received frame outlives the frame: the application writes a counter there,
 * when the driver may have received into that buffer again.
 */
CULPRIT void
app_write_freed(struct rig *r, bool fixed)
{
	struct rte_mbuf *m;
	uint8_t *counter;
	int i;

	transmit(frame(r, 24));
	m = receive();
	CHECK(r, is_frame(m, 24));
	reclaim(1);
	counter = rte_pktmbuf_mtod_offset(m, uint8_t *, 20);
	if (fixed)
		++*counter;
	rte_pktmbuf_free(m);
	if (!fixed)
		++*counter;
	/* At some point the pool hands that mbuf out again. */
	for (i = rte_mempool_avail_count(r->pool); i > 0; i--)
		rte_pktmbuf_free(rte_pktmbuf_alloc(r->pool));
	echo(r, 25);
}

/*
 * A self-test and its caller both free an mbuf, before a port exists and before anything watches.
 * The pool then holds that mbuf twice, and so does the ring: the device receives the second frame
 * into the buffer of the first, which the application is reading.
 */
CULPRIT void
app_pool_has_twice(struct rig *r, bool fixed)
{
	const unsigned int mbufs = 128;
	struct rte_mempool *pool = rte_pktmbuf_pool_create("rx", mbufs, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct rte_mbuf *m = pool != NULL ? rte_pktmbuf_alloc(pool) : NULL, *next;
	unsigned int i;

	if (m == NULL)
		broken("no mbuf");
	rte_pktmbuf_free(m);
	if (!fixed)
		rte_pktmbuf_free(m);
	restart(pool, 0);
	/* One frame after the other, until every mbuf of the pool was used; one frame is kept. */
	transmit(frame(r, 26));
	m = receive();
	for (i = 27; i < 27 + mbufs; i++, m = next) {
		transmit(frame(r, i));
		next = receive();
		reclaim(1);
		CHECK(r, !fixed || is_frame(m, i - 1));
		rte_pktmbuf_free(m);
	}
	rte_pktmbuf_free(m);
}

static const struct bug bugs[] = {
	APP(app_free_sent, MBUF_FREED),
	APP(app_put_sent_back, MBUF_FREED),
	APP_FROM(app_free_whole_burst, MBUF_FREED, "seladb/PcapPlusPlus#121"),
	APP_FROM(app_free_unsent, MBUF_FREED, "DPDK/dpdk 6c4329c8990513bc1fff6afd09d5c22916b9f0c3"),
	APP_FROM(app_free_twice, MBUF_DOUBLE_FREE, "CESNET/ipfixprobe pull 82"),
	APP_FROM(app_free_after_flush, MBUF_DOUBLE_FREE, "iMasaruOki/rust-dpdk pull 26"),
	APP_AND(app_free_pinned_chain, MBUF_DOUBLE_FREE, "yanet-platform/yanet2 pull 1878", DRIVER),
	APP_FROM(app_fast_free_shared, MBUF_FAST_FREE,
			"DPDK/dpdk 18c41457cbaeaf44a87f88fe861de35c923ab702"),
	APP(app_mac_after_send, MBUF_WRITTEN),
	APP(app_reuse_payload, MBUF_WRITTEN),
	APP(app_send_twice, MBUF_IN_RING),
	APP(app_twice_in_burst, MBUF_IN_RING),
	APP(app_retransmit, MBUF_IN_RING),
	APP(app_send_stack, MAP_STACK),
	APP(app_send_constant, MAP_TEXT),
	APP(app_send_heap, MAP_SCATTERED),
	APP(app_send_freed, MBUF_FREED),
	APP(app_write_freed, MBUF_WRITTEN_FREE),
	APP(app_pool_has_twice, MBUF_RECEIVED_INTO),
};

FAMILY(app, bugs, true);
