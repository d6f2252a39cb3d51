/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Recycling of mbufs (rte_eth_recycle_mbufs()): those that a transmit queue has sent move to the
 * ring of a receive queue, without a mempool in between. Either queue may belong to another
 * driver.
 *
 *      transmit queue                                    receive queue
 *      igb_recycle_tx_mbufs_reuse()  -- mbuf_ring[] -->  igb_recycle_rx_descriptors_refill()
 *        copies the oldest group                           maps the mbufs, and posts them
 *
 * The application calls both functions in the thread that polls the two queues.
 */

#include "igb_rxtx.h"

#ifdef GANTRY_MBUF_RECYCLING

#include <string.h>

#include <rte_byteorder.h>
#include <rte_io.h>

void
igb_recycle_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id,
		struct rte_eth_recycle_rxq_info *info)
{
	struct igb_rx_queue *q = dev->data->rx_queues[queue_id];

	info->mbuf_ring = q->sw_mbuf;
	info->mp = q->pool;
	info->refill_head = &q->fill;
	info->receive_tail = &q->next;
	info->mbuf_ring_size = q->nb_desc;
	/*
	 * Any number of mbufs fits. But other drivers calculate the free room for rings whose size
	 * is a power of 2, and the debug layer cannot see that an mbuf changes its ring. In these
	 * cases no number may match, so that no mbuf moves.
	 */
	info->refill_requirement = q->iova_last != 0 && rte_is_power_of_2(q->nb_desc) ? 0 :
											UINT16_MAX;
}

void
igb_recycle_rx_descriptors_refill(void *rxq, uint16_t nb)
{
	struct igb_rx_queue *q = rxq;

	if (unlikely(igb_rx_is_stopped(q))) {
		rte_mempool_put_bulk(q->pool, (void **)&q->sw_mbuf[q->fill], nb);
		return;
	}
	igb_rx_posted(q, igb_rx_write(q, q->fill, nb));
	rte_write32(q->fill, q->rdt); /* ordered after the writes to the ring */
}

/* Return the number of descriptors of the oldest group if it may move to info's ring; else 0. */
static uint16_t
igb_recyclable(const struct igb_tx_queue *q, const struct rte_eth_recycle_rxq_info *info)
{
	const uint16_t head = *info->refill_head, tail = *info->receive_tail;
	const uint16_t used = head >= tail ? head - tail : head + info->mbuf_ring_size - tail;
	const struct igb_tx_entry *e = &q->sw[q->clean];
	uint16_t n;

	/*
	 * Equal means an empty ring to this driver, and a full one to the vector receive of others.
	 * An empty ring of this driver is refilled from its pool.
	 */
	if (head == tail)
		return 0;
	/* A group that wraps is left to igb_tx_clean(), as is one with segments or contexts. */
	if (q->clean == q->group || !e->plain || e->last < q->clean)
		return 0;
	n = e->last - q->clean + 1;
	/* One descriptor of the receive ring remains empty, and the mbufs must not wrap there. */
	if (n >= info->mbuf_ring_size - used || head + n > info->mbuf_ring_size ||
			(info->refill_requirement != 0 && info->refill_requirement != n))
		return 0;
	/* Acquire: the CPU must not write to the buffers before the device is done. */
	return __atomic_load_n(&q->ring[e->last].wb.status, __ATOMIC_ACQUIRE) &
					rte_cpu_to_le_32(IGB_TXD_STAT_DD) ?
			n :
			0;
}

/*
 * Take the last references to n mbufs of a pool. Return n; or 0, and the mbufs are released,
 * if one of them has another reference or is of another pool.
 */
static uint16_t
igb_recycle_unreferenced(struct rte_mbuf **to, struct rte_mbuf **from, uint16_t n,
		const struct rte_mempool *pool)
{
	bool all = true;
	uint16_t i;

	for (i = 0; i < n; i++) {
		to[i] = rte_pktmbuf_prefree_seg(from[i]);
		all &= to[i] != NULL && to[i]->pool == pool;
	}
	if (likely(all))
		return n;
	for (i = 0; i < n; i++)
		if (to[i] != NULL)
			rte_mempool_put(to[i]->pool, to[i]);
	return 0;
}

uint16_t
igb_recycle_tx_mbufs_reuse(void *txq, struct rte_eth_recycle_rxq_info *info)
{
	struct igb_tx_queue *q = txq;
	struct rte_mbuf **from = &q->sw_mbuf[q->clean];
	struct rte_mbuf **to = &info->mbuf_ring[*info->refill_head];
	const uint16_t n = igb_recyclable(q, info);
	uint16_t moved = n;

	if (n == 0)
		return 0;
	if (q->fast_free) {
		if (unlikely(from[0]->pool != info->mp))
			return 0;
		memcpy(to, from, n * sizeof(*to));
	} else {
		moved = igb_recycle_unreferenced(to, from, n, info->mp);
	}
	q->nb_free += n;
	q->clean += n;
	if (q->clean == q->nb_desc)
		q->clean = 0;
	return moved;
}

#endif /* GANTRY_MBUF_RECYCLING */
