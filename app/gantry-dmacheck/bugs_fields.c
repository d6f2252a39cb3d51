/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Applications: fields of an mbuf that change while the device owns it, and promises for a queue
 * that its mbufs break.
 */

#include "app.h"

/* A log of sent packets begins at the network layer: it removes the header of the frame itself. */
CULPRIT void
app_adj_sent(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 30);

	softnic_hold();
	rte_mbuf_refcnt_update(m, 1);
	transmit(m);
	if (!fixed && rte_pktmbuf_adj(m, RTE_ETHER_HDR_LEN) == NULL)
		broken("no header");
	CHECK(r, *rte_pktmbuf_mtod_offset(m, uint16_t *, fixed ? RTE_ETHER_HDR_LEN : 0) != 0);
	softnic_go();
	receive_and_free(r, 30);
	reclaim(1);
	rte_pktmbuf_free(m);
}

/* The application prepares the buffer for the next message: it sets the length to 0. */
CULPRIT void
app_reset_sent(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 31);

	softnic_hold();
	rte_mbuf_refcnt_update(m, 1);
	transmit(m);
	if (!fixed)
		rte_pktmbuf_reset(m);
	softnic_go();
	receive_and_free(r, 31);
	reclaim(1);
	if (fixed)
		rte_pktmbuf_reset(m);
	rte_pktmbuf_free(m);
}

/* The application chains a trailer to a frame that the device already owns. */
CULPRIT void
app_chain_to_sent(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 32), *tail = rte_pktmbuf_alloc(r->pool), *in;

	if (tail == NULL || rte_pktmbuf_append(tail, 64) == NULL)
		broken("no mbuf");
	memset(rte_pktmbuf_mtod(tail, void *), 0, 64);
	softnic_hold();
	if (fixed && rte_pktmbuf_chain(m, tail) != 0)
		broken("no chain");
	transmit(m);
	if (!fixed && rte_pktmbuf_chain(m, tail) != 0)
		broken("no chain");
	softnic_go();
	in = receive();
	CHECK(r, in != NULL && in->pkt_len == (fixed ? LEN + 64 : LEN));
	rte_pktmbuf_free(in);
	reclaim(1);
	if (!fixed)
		rte_pktmbuf_free(tail);
}

/* The application keeps a frame for a retransmission, but takes the reference after sending. */
CULPRIT void
app_hold_sent(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 33);

	softnic_hold();
	if (fixed)
		rte_mbuf_refcnt_update(m, 1);
	transmit(m);
	if (!fixed)
		rte_mbuf_refcnt_update(m, 1);
	softnic_go();
	receive_and_free(r, 33);
	reclaim(1);
	rte_pktmbuf_free(m);
}

/* The application drops a reference that it does not have: that of the driver. */
CULPRIT void
app_release_sent(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 34);

	softnic_hold();
	if (fixed)
		rte_mbuf_refcnt_update(m, 1);
	transmit(m);
	rte_mbuf_refcnt_update(m, -1);
	softnic_go();
	receive_and_free(r, 34);
	reclaim(1);
}

/*
 * The application counts transmissions in a field of the frame that a single segment does not use.
 * The twin uses fields that belong to the application: user data, hash and time stamp.
 */
CULPRIT void
app_count_in_field(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 35);
	int i;

	softnic_hold();
	for (i = 0; i < 2; i++) {
		rte_mbuf_refcnt_update(m, 1);
		transmit(m);
		if (!fixed) {
			m->nb_segs++;
			break;
		}
		m->hash.usr++;
		m->dynfield1[0]++;
		m->vlan_tci++;
		m->packet_type = RTE_PTYPE_L2_ETHER_TIMESYNC;
	}
	softnic_go();
	for (i = 0; i < (fixed ? 2 : 1); i++)
		receive_and_free(r, 35);
	reclaim(fixed ? 2 : 1);
	m->nb_segs = 1;
	rte_pktmbuf_free(m);
}

/*
 * The application prepends the header of a tunnel to a frame of which the ring still holds a
 * reference. The twin puts the header into its own mbuf, before a clone, as ipv4_multicast of DPDK
 * does.
 */
CULPRIT void
app_prepend_to_shared(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 36), *out = m, *in;

	softnic_hold();
	rte_mbuf_refcnt_update(m, 1);
	transmit(m);
	if (fixed) {
		struct rte_mbuf *clone = rte_pktmbuf_clone(m, r->pool);

		out = rte_pktmbuf_alloc(r->pool);
		if (out == NULL || clone == NULL || rte_pktmbuf_append(out, 20) == NULL ||
				rte_pktmbuf_chain(out, clone) != 0)
			broken("no mbuf");
		rte_pktmbuf_free(m);
	} else if (rte_pktmbuf_prepend(m, 20) == NULL) {
		broken("no room");
	}
	memset(rte_pktmbuf_mtod(out, void *), 0xff, 20);
	transmit(out);
	softnic_go();
	receive_and_free(r, 36);
	in = receive();
	CHECK(r, in != NULL && in->pkt_len == LEN + 20);
	rte_pktmbuf_free(in);
	reclaim(2);
}

/*
 * Promises.
 */

/* Promise: all mbufs of the queue come from one pool. But answers come from another pool. */
CULPRIT void
app_fast_free_pools(struct rig *r, bool fixed)
{
	struct rte_mempool *answers = rte_pktmbuf_pool_create("answers", 63, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct rte_mbuf *m, *answer;

	if (answers == NULL)
		broken("no pool");
	restart(r->pool, fixed ? 0 : RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	m = frame(r, 40);
	answer = rte_pktmbuf_copy(m, answers, 0, UINT32_MAX);
	if (answer == NULL)
		broken("no mbuf");
	transmit(m);
	transmit(answer);
	receive_and_free(r, 40);
	receive_and_free(r, 40);
	reclaim(2);
	CHECK(r, rte_mempool_full(answers));
}

/* A mirrored frame is a clone, which must not simply be put back into its pool. */
CULPRIT void
app_fast_free_clone(struct rig *r, bool fixed)
{
	struct rte_mbuf *m, *copy;

	restart(r->pool, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	m = frame(r, 41);
	copy = fixed ? rte_pktmbuf_copy(m, r->pool, 0, UINT32_MAX) : rte_pktmbuf_clone(m, r->pool);
	if (copy == NULL)
		broken("no mbuf");
	transmit(copy);
	receive_and_free(r, 41);
	reclaim(1);
	rte_pktmbuf_free(m);
}

/* "Zero copy": an external buffer has to be released, which FAST_FREE does not do. */
CULPRIT void
app_fast_free_external(struct rig *r, bool fixed)
{
	struct rte_mbuf_ext_shared_info *info = dma_buf(sizeof(*info));
	void *buf = dma_buf(LEN);

	restart(r->pool, fixed ? 0 : RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE);
	fill(buf, LEN, 42);
	memset(buf, 0xff, 6);
	transmit(ext_frame(r, buf, info, rte_malloc_virt2iova(buf)));
	receive_and_free(r, 42);
	reclaim(1);
	CHECK(r, !fixed || rte_mbuf_ext_refcnt_read(info) == 0);
}

/* Return a header and its payload in separate mbufs: a chain, as any stack sends it. */
static struct rte_mbuf *
chain(struct rig *r, unsigned int seed, unsigned int segments)
{
	struct rte_mbuf *head = frame(r, seed), *tail;

	while (--segments > 0) {
		tail = rte_pktmbuf_alloc(r->pool);
		if (tail == NULL || rte_pktmbuf_append(tail, 64) == NULL ||
				rte_pktmbuf_chain(head, tail) != 0)
			broken("no chain");
		memset(rte_pktmbuf_mtod(tail, void *), 0, 64);
	}
	return head;
}

/* The port was not configured for chains. That of the twin was, and also promised FAST_FREE. */
CULPRIT void
app_chain_not_enabled(struct rig *r, bool fixed)
{
	struct rte_mbuf *in;

	restart(r->pool,
			fixed ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE :
				0);
	transmit(chain(r, 43, 4));
	in = receive();
	CHECK(r, in != NULL && in->pkt_len == LEN + 3 * 64);
	rte_pktmbuf_free(in);
	reclaim(1);
}

/* The port is configured again, for FAST_FREE, without chains. */
CULPRIT void
app_chain_forgotten(struct rig *r, bool fixed)
{
	struct rte_mbuf *in;

	echo(r, 44);
	restart(r->pool,
			RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE |
					(fixed ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0));
	echo(r, 45);
	transmit(chain(r, 46, 2));
	in = receive();
	CHECK(r, in != NULL && in->pkt_len == LEN + 64);
	rte_pktmbuf_free(in);
	reclaim(1);
}

static const struct bug bugs[] = {
	APP(app_adj_sent, MBUF_CHANGED),
	APP(app_reset_sent, MBUF_CHANGED),
	APP(app_chain_to_sent, MBUF_CHANGED),
	APP(app_hold_sent, MBUF_CHANGED),
	APP(app_release_sent, MBUF_CHANGED),
	APP(app_count_in_field, MBUF_CHANGED),
	APP(app_prepend_to_shared, MBUF_CHANGED),
	APP(app_fast_free_pools, MBUF_FAST_FREE),
	APP(app_fast_free_clone, MBUF_FAST_FREE),
	APP(app_fast_free_external, MBUF_FAST_FREE),
	APP(app_chain_not_enabled, MBUF_CHAIN),
	APP(app_chain_forgotten, MBUF_CHAIN),
};

FAMILY(fields, bugs, true);
