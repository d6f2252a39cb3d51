/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Applications: ethdev's calls on a port, and nothing of gantry's. The port is net_gantry_igb
 * on a soft NIC, told dma_debug=1 on EAL's command line, as any application can be.
 *
 * The wire is held where a frame must still be in the ring; nothing here waits for luck.
 */

#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ether.h>

#include "dmacheck.h"

#define PORT 0
#define LEN  200
#define RING 64

/*
 * What an application's loop does is part of the function whose bug is played, as it would
 * be there: inline.
 */

/* A frame for everybody, whose payload depends on a seed. */
static struct rte_mbuf *
frame(struct rig *r, unsigned int seed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
	struct rte_ether_hdr *eth;

	if (m == NULL || rte_pktmbuf_append(m, LEN) == NULL)
		broken("no mbuf");
	fill(rte_pktmbuf_mtod(m, void *), LEN, seed);
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr.addr_bytes[0] = 2;
	eth->ether_type = RTE_BE16(0x88b5); /* for local experiments */
	return m;
}

/* Whether that is it, as it came back. */
static bool
is_frame(const struct rte_mbuf *m, unsigned int seed)
{
	uint8_t want[LEN];

	fill(want, LEN, seed);
	return m != NULL && m->pkt_len == LEN && memcmp(rte_pktmbuf_mtod_offset(m, uint8_t *, 14),
		want + 14, LEN - 14) == 0;
}

/* The next frame; NULL if there is none for long. */
static __rte_always_inline struct rte_mbuf *
receive(void)
{
	const uint64_t end = rte_get_timer_cycles() + 5 * rte_get_timer_hz();
	struct rte_mbuf *m;

	do {
		if (rte_eth_rx_burst(PORT, 0, &m, 1) == 1)
			return m;
		usleep(50);
	} while (rte_get_timer_cycles() < end);
	return NULL;
}

static __rte_always_inline void
receive_and_free(struct rig *r, unsigned int seed)
{
	struct rte_mbuf *m = receive();

	CHECK(r, is_frame(m, seed));
	rte_pktmbuf_free(m);
}

static __rte_always_inline void
transmit(struct rte_mbuf *m)
{
	if (rte_eth_tx_burst(PORT, 0, &m, 1) != 1)
		broken("the ring is full");
}

/* Has the driver give back n packets that were sent. */
static __rte_always_inline void
reclaim(unsigned int n)
{
	const uint64_t end = rte_get_timer_cycles() + 5 * rte_get_timer_hz();
	int done;

	while (n > 0) {
		done = rte_eth_tx_done_cleanup(PORT, 0, 0);
		if (done < 0 || rte_get_timer_cycles() > end)
			broken("what was sent does not come back");
		n -= RTE_MIN(n, (unsigned int)done);
		usleep(50);
	}
}

/* A frame there and back, as it should be. */
static __rte_always_inline void
echo(struct rig *r, unsigned int seed)
{
	transmit(frame(r, seed));
	receive_and_free(r, seed);
	reclaim(1);
}

/* Frees what was sent: the driver will, when the device has read it. */
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

/* The same by the pool's own function, round all of mbuf's counting. */
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
 * PcapPlusPlus: whether packets must be freed is worked out for the whole burst, so that a
 * burst of which a part was sent is freed all over.
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
	/* Of those that the device has it frees the last one only: one report is enough. */
	first = fixed ? sent : sent - 1;
	for (i = first; i < n; i++)
		rte_pktmbuf_free(burst[i]);
	softnic_go();
	for (i = 0; i < sent; i++)
		receive_and_free(r, 3);
	reclaim(sent);
}

/*
 * DPDK's qos_sched: what was not sent is freed, counted from the number of packets instead of
 * the number sent. Behind the array's end lie the packets of the burst before.
 */
CULPRIT void
app_free_unsent(struct rig *r, bool fixed)
{
	struct rte_mbuf *mbufs[4] = { 0 };
	const uint16_t nb_pkts = 2;
	uint16_t nb_tx;

	/* The burst before, of four, of which the last is still in the ring. */
	softnic_hold();
	mbufs[3] = frame(r, 4);
	transmit(mbufs[3]);
	mbufs[0] = frame(r, 5);
	mbufs[1] = frame(r, 6);
	mbufs[2] = NULL;
	nb_tx = rte_eth_tx_burst(PORT, 0, mbufs, nb_pkts);
	CHECK(r, nb_tx == nb_pkts);
	/* The ring had no room for one more: two that were not sent. */
	if (!fixed)
		rte_pktmbuf_free_bulk(&mbufs[nb_pkts], 2);
	softnic_go();
	receive_and_free(r, 4);
	receive_and_free(r, 5);
	receive_and_free(r, 6);
	reclaim(3);
}

/*
 * ipfixprobe had mbufs that it was done with freed twice. Here: where the frame was found bad, and
 * at the end of the loop once more.
 */
CULPRIT void
app_free_twice(struct rig *r, bool fixed)
{
	struct rte_mbuf *m;

	transmit(frame(r, 7));
	m = receive();
	CHECK(r, is_frame(m, 7));
	if (!fixed)
		rte_pktmbuf_free(m); /* no IP: dropped */
	rte_pktmbuf_free(m);         /* the loop's end */
	reclaim(1);
}

/*
 * rust-dpdk's l2fwd: what a buffered send could not send is freed by the callback, and by the
 * application that asks how many were sent.
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
 * yanet: a chain is passed on with one more reference on its first segment; both sides then
 * free the chain, and the tail, which has but one, twice.
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
 * DPDK's bonding in broadcast mode: one frame with a reference for each port, and the offload
 * that says that no frame has more than one.
 */
CULPRIT void
app_fast_free_shared(struct rig *r, bool fixed)
{
	struct rte_eth_conf conf = { 0 };
	struct rte_mbuf *m;

	if (!fixed)
		conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	if (rte_eth_dev_stop(PORT) != 0 || rte_eth_dev_configure(PORT, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL, r->pool) != 0 ||
			rte_eth_tx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL) != 0 ||
			rte_eth_dev_start(PORT) != 0)
		broken("the port does not start");
	m = frame(r, 10);
	rte_mbuf_refcnt_update(m, 1);
	transmit(m);
	transmit(m);
	receive_and_free(r, 10);
	receive_and_free(r, 10);
	reclaim(2);
}

/* l2fwd, with the lines in the wrong order: the address is changed when the frame is gone. */
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

/* A buffer is reused for the next message before the last one has gone. */
CULPRIT void
app_reuse_payload(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 12), *next;

	softnic_hold();
	rte_mbuf_refcnt_update(m, 1); /* "ours still" */
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

/* Flooding a frame to two ports by sending one and the same mbuf twice. */
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

/* An index that does not move on: one burst holds a packet twice. */
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
 * The time-out for an answer is shorter than the wire is slow: the request is sent again, and
 * nobody counted its references.
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

/* An answer is made out of a request that was freed meanwhile, and sent. */
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

/*
 * External buffers. The application says where one is for the device, and when it may go.
 */
static void
ext_free(void *addr, void *opaque)
{
}

static struct rte_mbuf *
ext_frame(struct rig *r, void *buf, struct rte_mbuf_ext_shared_info *info, rte_iova_t iova)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	if (m == NULL)
		broken("no mbuf");
	info->free_cb = ext_free;
	info->fcb_opaque = NULL;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, buf, iova, LEN, info);
	m->data_len = LEN;
	m->pkt_len = LEN;
	return m;
}

/* Sends an external buffer if the driver takes it; it may say that it cannot. */
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

/* "Zero copy": from a buffer on the stack. */
CULPRIT void
app_send_stack(struct rig *r, bool fixed)
{
	struct rte_mbuf_ext_shared_info *info = dma_buf(sizeof(*info));
	uint8_t local[LEN], *buf = dma_buf(LEN), *data = fixed ? buf : local;

	fill(data, LEN, 17);
	memset(data, 0xff, 6);
	ext_send(r, ext_frame(r, data, info, fixed ? rte_malloc_virt2iova(data) :
		(uintptr_t)data), fixed);
}

/* "Zero copy": a constant page, from where the linker put it. */
static const uint8_t page[LEN] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5,
};

CULPRIT void
app_send_constant(struct rig *r, bool fixed)
{
	struct rte_mbuf_ext_shared_info *info = dma_buf(sizeof(*info));
	uint8_t *buf = dma_buf(LEN);
	void *data = fixed ? buf : (void *)(uintptr_t)page;

	memcpy(buf, page, LEN);
	ext_send(r, ext_frame(r, data, info, fixed ? rte_malloc_virt2iova(data) :
		(uintptr_t)data), fixed);
}

/* "Zero copy": memory of malloc(), whose address is given as its bus address. */
CULPRIT void
app_send_heap(struct rig *r, bool fixed)
{
	struct rte_mbuf_ext_shared_info *info = dma_buf(sizeof(*info));
	uint8_t *buf = fixed ? dma_buf(LEN) : malloc(LEN);

	fill(buf, LEN, 18);
	memset(buf, 0xff, 6);
	ext_send(r, ext_frame(r, buf, info, fixed ? rte_malloc_virt2iova(buf) :
		(uintptr_t)buf), fixed);
}

/*
 * A pointer into a received frame outlives the frame: a counter is written there when the driver
 * may have received into that buffer again.
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
	/* Sooner or later the pool gives that mbuf to somebody. */
	for (i = rte_mempool_avail_count(r->pool); i > 0; i--)
		rte_pktmbuf_free(rte_pktmbuf_alloc(r->pool));
	echo(r, 25);
}

/*
 * What a self-test leaves is freed by the test, and by who ran it, before there is a port, and
 * before anybody looks. The pool then has that mbuf twice, and so has the ring: the second frame is
 * received into the buffer of the first, which the application is reading.
 */
CULPRIT void
app_pool_has_twice(struct rig *r, bool fixed)
{
	const struct rte_eth_conf conf = { 0 };
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
	if (rte_eth_dev_stop(PORT) != 0 || rte_eth_dev_configure(PORT, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL) != 0 ||
			rte_eth_dev_start(PORT) != 0)
		broken("the port does not start");
	/* One after the other, until each of the pool's has had its turn; one frame is kept. */
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

#define APP(fn, class) APP_FROM(fn, class, "planted")
#define APP_FROM(fn, class, from) APP_AND(fn, class, from, NULL)
#define APP_AND(fn, class, from, first) \
	{ .name = #fn, .misuse = GANTRY_DMA_MISUSE_ ## class, .source = from, .play = fn, \
	  .culprit = #fn, .mapper = first }
#define DRIVER "(librte_net_gantry_igb.so)"

static const struct bug bugs[] = {
	APP(app_free_sent, MBUF_FREED),
	APP(app_put_sent_back, MBUF_FREED),
	APP_FROM(app_free_whole_burst, MBUF_FREED, "seladb/PcapPlusPlus#121"),
	APP_FROM(app_free_unsent, MBUF_FREED, "DPDK/dpdk 6c4329c8990513bc1fff6afd09d5c22916b9f0c3"),
	APP_FROM(app_free_twice, MBUF_DOUBLE_FREE, "CESNET/ipfixprobe pull 82"),
	APP_FROM(app_free_after_flush, MBUF_DOUBLE_FREE, "iMasaruOki/rust-dpdk pull 26"),
	APP_AND(app_free_pinned_chain, MBUF_DOUBLE_FREE, "yanet-platform/yanet2 pull 1878", DRIVER),
	APP_AND(app_fast_free_shared, MBUF_DOUBLE_FREE,
		"DPDK/dpdk 18c41457cbaeaf44a87f88fe861de35c923ab702", DRIVER),
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
