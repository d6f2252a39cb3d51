/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Queues: set-up, start, stop, release. The bursts are in igb_rx.c and igb_tx.c.
 *
 * At the device, the ring of a receive queue and that of a transmit queue are alike: the same
 * registers, at another base. struct igb_ring describes either, and igb_ring_start() and
 * igb_ring_stop() serve both. A queue that does not stop is stuck, and keeps its memory: see
 * igb_recover_stuck().
 */

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cpuflags.h>
#include <rte_io.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_vect.h>

#include "igb_rxtx.h"

/*
 * Queues: set-up and release.
 */

static int
igb_check_nb_desc(const struct igb_hw *hw, const char *what, uint16_t id, uint16_t nb_desc)
{
	if (nb_desc >= IGB_MIN_DESC && nb_desc <= IGB_MAX_DESC && nb_desc % IGB_DESC_ALIGN == 0)
		return 0;
	IGB_INIT_LOG(ERR, hw, "%s queue %u: %u descriptors: must be %u to %u and a multiple of %u",
			what, id, nb_desc, IGB_MIN_DESC, IGB_MAX_DESC, IGB_DESC_ALIGN);
	return -EINVAL;
}

/*
 * Return the bytes of a buffer that the device uses. SRRCTL.BSIZEPACKET counts KB, and has seven
 * bits. RCTL.BSIZE, which applies to all queues whose BSIZEPACKET is 0, supports 512 and 256
 * (8.10.1, 8.10.2).
 */
static uint16_t
igb_rx_buf_len(uint32_t room)
{
	if (room >= 1024)
		return RTE_MIN(room, 63u * 1024) & ~1023u;
	return room >= 512 ? 512 : 256;
}

static const char igb_heap_full[] = "the EAL heap has none left: give EAL more (-m, --socket-mem)";

static int
igb_no_memory(const struct igb_hw *hw, const char *what, uint16_t id, uint16_t nb_desc, int node,
		const char *why)
{
	IGB_INIT_LOG(ERR, hw, "%s queue %u: no memory for %u descriptors on socket %d: %s", what,
			id, nb_desc, node, why);
	return -ENOMEM;
}

static volatile uint32_t *
igb_doorbell(volatile uint32_t *of_queue_0, uint16_t id)
{
	return (volatile uint32_t *)((volatile char *)of_queue_0 + id * IGB_QUEUE_STRIDE);
}

int
igb_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	const int node = igb_numa_node(dev, socket_id);
	const uint32_t room = rte_pktmbuf_data_room_size(pool);
	uint16_t thresh = conf->rx_free_thresh;
	struct igb_rx_queue *q;

	if (dev->data->rx_queues[queue_id] != NULL)
		igb_rx_queue_release(dev, queue_id);
	if (igb_check_nb_desc(&ad->hw, "rx", queue_id, nb_desc) != 0)
		return -EINVAL;
	if (thresh == 0)
		thresh = RTE_MIN(IGB_DEFAULT_RX_FREE_THRESH, nb_desc / 4);
	if (thresh >= nb_desc - 1) {
		IGB_INIT_LOG(ERR, &ad->hw,
				"rx queue %u: rx_free_thresh %u of %u descriptors: "
				"must be smaller by 2",
				queue_id, thresh, nb_desc);
		return -EINVAL;
	}
	if (room < RTE_PKTMBUF_HEADROOM + IGB_MIN_RX_BUF) {
		IGB_INIT_LOG(ERR, &ad->hw,
				"rx queue %u: pool '%s' has buffers of %u bytes; "
				"%u are needed",
				queue_id, pool->name, room, RTE_PKTMBUF_HEADROOM + IGB_MIN_RX_BUF);
		return -EINVAL;
	}

	q = igb_zmalloc("igb_rx_queue", sizeof(*q), node);
	if (q == NULL)
		return igb_no_memory(&ad->hw, "rx", queue_id, nb_desc, node, igb_heap_full);
	q->sw_mbuf = igb_zmalloc("igb_rx_mbufs", nb_desc * sizeof(*q->sw_mbuf), node);
	q->sw_addr = igb_zmalloc("igb_rx_addrs", nb_desc * sizeof(*q->sw_addr), node);
	q->ring_size = nb_desc * sizeof(*q->ring);
	q->ring = gantry_dma_alloc_coherent(ad->dma, q->ring_size, &q->ring_addr, node);
	q->dma = ad->dma;
	dev->data->rx_queues[queue_id] = q;
	if (q->sw_mbuf == NULL || q->sw_addr == NULL || q->ring == NULL) {
		const char *why = q->ring == NULL ? gantry_dma_last_error() : igb_heap_full;

		igb_rx_queue_release(dev, queue_id);
		return igb_no_memory(&ad->hw, "rx", queue_id, nb_desc, node, why);
	}

	q->mbuf_init = igb_rx_mbuf_init(dev->data->port_id);
	q->adapter = ad;
	q->dev_data = dev->data;
	q->stats = &ad->rx_stats[queue_id];
	q->pool = pool;
	q->nb_desc = nb_desc;
	q->free_thresh = UINT16_MAX; /* until the queue is started */
	q->buf_len = igb_rx_buf_len(room - RTE_PKTMBUF_HEADROOM);
	q->iova_last = gantry_dma_mbuf_last(ad->dma, RTE_PKTMBUF_HEADROOM + q->buf_len);
	q->queue_id = queue_id;
	q->socket_id = igb_numa_check_queue(dev, "rx", queue_id, q->ring, pool);
	q->lcore = LCORE_ID_ANY;
	q->conf = *conf;
	q->conf.rx_free_thresh = thresh;
	/* Without drop, one queue that no thread empties would block the others (7.1.9). */
	if (dev->data->nb_rx_queues > 1)
		q->conf.rx_drop_en = 1;
	q->rdt = igb_doorbell(ad->doorbells[0], queue_id);
	gantry_dma_debug_watch(ad->dma, pool); /* logs a failure; the queue works without */
	return 0;
}

int
igb_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_txconf *conf)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	const uint64_t offloads = conf->offloads | dev->data->dev_conf.txmode.offloads;
	const int node = igb_numa_node(dev, socket_id);
	uint16_t rs_thresh = conf->tx_rs_thresh, free_thresh = conf->tx_free_thresh;
	struct igb_tx_queue *q;

	if (dev->data->tx_queues[queue_id] != NULL)
		igb_tx_queue_release(dev, queue_id);
	if (igb_check_nb_desc(&ad->hw, "tx", queue_id, nb_desc) != 0)
		return -EINVAL;
	if (rs_thresh == 0)
		rs_thresh = RTE_MIN(IGB_DEFAULT_TX_RS_THRESH, nb_desc / 4);
	if (free_thresh == 0)
		free_thresh = RTE_MIN(IGB_DEFAULT_TX_FREE_THRESH, nb_desc / 4);
	if (rs_thresh >= nb_desc - 1 || free_thresh >= nb_desc - 1) {
		IGB_INIT_LOG(ERR, &ad->hw,
				"tx queue %u: tx_rs_thresh %u, tx_free_thresh %u of %u "
				"descriptors: must be smaller by 2",
				queue_id, rs_thresh, free_thresh, nb_desc);
		return -EINVAL;
	}

	q = igb_zmalloc("igb_tx_queue", sizeof(*q), node);
	if (q == NULL)
		return igb_no_memory(&ad->hw, "tx", queue_id, nb_desc, node, igb_heap_full);
	q->sw_mbuf = igb_zmalloc("igb_tx_mbufs", nb_desc * sizeof(*q->sw_mbuf), node);
	q->sw = igb_zmalloc("igb_tx_entries", nb_desc * sizeof(*q->sw), node);
	q->ring_size = nb_desc * sizeof(*q->ring);
	q->ring = gantry_dma_alloc_coherent(ad->dma, q->ring_size, &q->ring_addr, node);
	q->dma = ad->dma;
	q->nb_desc = nb_desc;
	dev->data->tx_queues[queue_id] = q;
	if (q->sw_mbuf == NULL || q->sw == NULL || q->ring == NULL) {
		const char *why = q->ring == NULL ? gantry_dma_last_error() : igb_heap_full;

		igb_tx_queue_release(dev, queue_id);
		return igb_no_memory(&ad->hw, "tx", queue_id, nb_desc, node, why);
	}

	q->adapter = ad;
	q->stats = &ad->tx_stats[queue_id];
	q->max_segs = RTE_MIN(IGB_TX_MAX_SEGS, nb_desc - 2); /* and a context descriptor */
	q->rs_thresh = rs_thresh;
	q->free_thresh = RTE_MAX(free_thresh,
			nb_desc - RTE_MIN(IGB_TX_MAX_IN_USE, nb_desc / 4 * 3));
	q->ahead = nb_desc >= 2 * IGB_TX_MAX_IN_USE ? IGB_TX_AHEAD : 0;
	q->iova_last = gantry_dma_mbuf_last(ad->dma, IGB_TX_MAX_ROOM);
	q->promise.fast_free = (offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	q->promise.one_segment = !(offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	/* The debug layer reports a broken promise; trusting it would also cause damage. */
	q->fast_free = q->promise.fast_free && !gantry_dma_debug_on(ad->dma);
	q->no_chains = q->fast_free && q->promise.one_segment;
	q->queue_id = queue_id;
	q->socket_id = igb_numa_check_queue(dev, "tx", queue_id, q->ring, NULL);
	q->lcore = LCORE_ID_ANY;
	q->conf = *conf;
	q->conf.tx_rs_thresh = rs_thresh;
	q->conf.tx_free_thresh = free_thresh;
	q->tdt = igb_doorbell(ad->doorbells[1], queue_id);
	return 0;
}

/*
 * True if a ring must be left alone with its buffers, because the device may still write to them.
 * A device that was silent may have ended in the meantime.
 */
static bool
igb_quarantine(struct rte_eth_dev *dev, bool stuck)
{
	struct igb_adapter *ad = igb_adapter_of(dev);

	if (!stuck || (!igb_hw_alive(&ad->hw) && ad->hw.bus->quiesced(ad->hw.bus_dev)))
		return false;
	ad->quarantine = true;
	return true;
}

void
igb_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_rx_queue *q = dev->data->rx_queues[queue_id];

	if (q == NULL)
		return;
	dev->data->rx_queues[queue_id] = NULL;
	if (!igb_quarantine(dev, q->stuck)) {
		if (q->sw_mbuf != NULL)
			igb_rx_ring_empty(q);
		gantry_dma_free_coherent(q->dma, q->ring_size, q->ring, q->ring_addr);
	}
	rte_free(q->sw_mbuf);
	rte_free(q->sw_addr);
	rte_free(q);
}

void
igb_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_tx_queue *q = dev->data->tx_queues[queue_id];

	if (q == NULL)
		return;
	dev->data->tx_queues[queue_id] = NULL;
	if (!igb_quarantine(dev, q->stuck)) {
		if (q->sw_mbuf != NULL && q->sw != NULL)
			igb_tx_ring_empty(q);
		gantry_dma_free_coherent(q->dma, q->ring_size, q->ring, q->ring_addr);
	}
	rte_free(q->sw_mbuf);
	rte_free(q->sw);
	rte_free(q);
}

void
igb_queues_release(struct rte_eth_dev *dev)
{
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++)
		igb_rx_queue_release(dev, i);
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		igb_tx_queue_release(dev, i);
	dev->data->nb_rx_queues = 0;
	dev->data->nb_tx_queues = 0;
}

/*
 * Queues: start and stop. ENABLE reads as 1 only after the queue works, and as 0 only after the
 * device has stopped using its memory (8.10.8, 8.12.13).
 */

/** A ring, as the device knows it. */
struct igb_ring {
	const char *what; /**< "rx" or "tx", for messages */
	uint16_t id;
	uint32_t regs; /**< first register of the queue */
	gantry_dma_addr_t addr;
	size_t size;
	const struct rte_eth_thresh *thresh;
};

static struct igb_ring
igb_rx_ring(const struct igb_rx_queue *q)
{
	return (struct igb_ring){ "rx", q->queue_id, IGB_RXQ(q->queue_id, 0), q->ring_addr,
		q->ring_size, &q->conf.rx_thresh };
}

static struct igb_ring
igb_tx_ring(const struct igb_tx_queue *q)
{
	return (struct igb_ring){ "tx", q->queue_id, IGB_TXQ(q->queue_id, 0), q->ring_addr,
		q->ring_size, &q->conf.tx_thresh };
}

/* Start a ring that is empty: head == tail. */
static int
igb_ring_start(struct igb_hw *hw, const struct igb_ring *r)
{
	int ret;

	igb_wr(hw, r->regs + IGB_Q_BAL, (uint32_t)r->addr);
	igb_wr(hw, r->regs + IGB_Q_BAH, (uint32_t)(r->addr >> 32));
	igb_wr(hw, r->regs + IGB_Q_LEN, r->size);
	igb_wr(hw, r->regs + IGB_Q_HEAD, 0);
	igb_wr(hw, r->regs + IGB_Q_TAIL, 0);
	igb_wr(hw, r->regs + IGB_Q_DCTL,
			IGB_DCTL_ENABLE | (uint32_t)r->thresh->pthresh << IGB_DCTL_PTHRESH_SHIFT |
					(uint32_t)r->thresh->hthresh << IGB_DCTL_HTHRESH_SHIFT |
					(uint32_t)r->thresh->wthresh << IGB_DCTL_WTHRESH_SHIFT);
	ret = igb_hw_poll(hw, r->regs + IGB_Q_DCTL, IGB_DCTL_ENABLE, IGB_DCTL_ENABLE, 100000);
	if (ret != 0)
		IGB_DRV_LOG(ERR, hw, "%s queue %u: %s", r->what, r->id,
				ret == -ENODEV ? "the device was removed" :
						 "ENABLE not set after 100 ms");
	return ret;
}

/* True if the device certainly no longer accesses the memory of the queue. */
static bool
igb_ring_stop(struct igb_hw *hw, const struct igb_ring *r)
{
	int ret;

	if (igb_hw_alive(hw)) {
		igb_set(hw, r->regs + IGB_Q_DCTL, 0, IGB_DCTL_ENABLE);
		/* A software device may first complete a grace period of its polling threads. */
		ret = igb_hw_poll(hw, r->regs + IGB_Q_DCTL, IGB_DCTL_ENABLE, 0, 2000000);
		if (ret == 0)
			return true;
		if (ret == -ETIMEDOUT) {
			IGB_DRV_LOG(ERR, hw,
					"%s queue %u: ENABLE not cleared after 2 s: its buffers "
					"are not freed, because the device may still access them",
					r->what, r->id);
			return false;
		}
	}
	return hw->bus->quiesced(hw->bus_dev);
}

/* Longest frame that the device accepts, FCS included: RLPML counts all of it (8.10.3). */
static uint32_t
igb_rx_max_frame(uint16_t mtu)
{
	/* As without RLPML (RCTL.LPE): 1522 bytes with a tag, for any MTU up to 1500. */
	return RTE_MIN((uint32_t)RTE_MAX(mtu, RTE_ETHER_MTU) + IGB_ETH_OVERHEAD, IGB_MAX_FRAME);
}

static uint16_t
igb_rx_nb_bufs(const struct igb_rx_queue *q, uint16_t mtu)
{
	return (igb_rx_max_frame(mtu) - RTE_ETHER_CRC_LEN + q->buf_len - 1) / q->buf_len;
}

/* The requested threshold, reduced so that the posted buffers always suffice for one frame. */
static uint16_t
igb_rx_free_thresh(const struct igb_rx_queue *q, uint16_t mtu)
{
	return RTE_MIN(q->conf.rx_free_thresh, q->nb_desc - 1 - igb_rx_nb_bufs(q, mtu));
}

/* RCTL.BSIZE in bytes, which all buffers below 1 KB share; 0: there are no such buffers. */
static uint16_t
igb_rx_small_buf_len(const struct rte_eth_dev *dev)
{
	uint16_t i, len = 0;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		const struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (q->buf_len < 1024 && (len == 0 || q->buf_len < len))
			len = q->buf_len;
	}
	return len;
}

int
igb_rx_fit(struct rte_eth_dev *dev, uint16_t mtu)
{
	const uint16_t small = igb_rx_small_buf_len(dev);
	struct igb_hw *hw = igb_hw_of(dev);
	bool scatter = dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER;
	uint16_t i, nb;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (q->buf_len < 1024)
			q->buf_len = small;
		nb = igb_rx_nb_bufs(q, mtu);
		scatter |= nb > 1;
		if (nb <= q->nb_desc - 2)
			continue;
		IGB_INIT_LOG(ERR, hw,
				"rx queue %u: a frame of MTU %u takes %u buffers of %u bytes, more "
				"than %u descriptors can hold: use larger buffers or more "
				"descriptors",
				i, mtu, nb, q->buf_len, q->nb_desc);
		return -EINVAL;
	}
	/* The rings of a running port may hold frames in several buffers: scatter stays on. */
	if (dev->data->dev_started)
		scatter |= dev->data->scattered_rx;
	dev->data->scattered_rx = scatter;
	return 0;
}

void
igb_rx_set_mtu(struct rte_eth_dev *dev, uint16_t mtu)
{
	uint16_t i;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (dev->data->rx_queue_state[i] == RTE_ETH_QUEUE_STATE_STARTED)
			q->free_thresh = igb_rx_free_thresh(q, mtu);
	}
	igb_wr(igb_hw_of(dev), IGB_RLPML, igb_rx_max_frame(mtu));
}

int
igb_rx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_rx_queue *q = dev->data->rx_queues[queue_id];
	const struct igb_ring ring = igb_rx_ring(q);
	struct igb_hw *hw = igb_hw_of(dev);
	int ret;

	if (q->stuck)
		return -EIO;
	memset(q->ring, 0, q->ring_size);
	q->next = q->fill = q->posted = q->missing = 0;
	q->free_thresh = igb_rx_free_thresh(q, dev->data->mtu);
	q->max_bufs = (IGB_MAX_FRAME + q->buf_len - 1) / q->buf_len;
	q->map_refused = false;
	q->ipv6_mask = dev->data->dev_conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM ?
			(IGB_RXD_PTYPE_IPV6 | IGB_RXD_PTYPE_IPV6_EXT) << IGB_RXD_PTYPE_SHIFT :
			0;
	ret = igb_rx_fill(q);
	if (ret == -ENOMEM) /* igb_rx_fill() has logged a refused mapping */
		IGB_INIT_LOG(ERR, hw, "rx queue %u: pool '%s' has mbufs for %u of %u descriptors",
				queue_id, q->pool->name, q->posted, q->nb_desc - 1);
	if (ret == 0) {
		igb_wr(hw, IGB_SRRCTL(queue_id),
				IGB_SRRCTL_DESCTYPE_ADV_ONE |
						(q->conf.rx_drop_en ? IGB_SRRCTL_DROP_EN : 0) |
						q->buf_len >> IGB_SRRCTL_BSIZEPKT_SHIFT);
		ret = igb_ring_start(hw, &ring);
		if (ret != 0)
			q->stuck = !igb_ring_stop(hw, &ring);
	}
	if (ret != 0) {
		q->free_thresh = UINT16_MAX; /* a burst posts nothing */
		if (!q->stuck)
			igb_rx_ring_empty(q);
		return ret;
	}
	rte_write32(q->fill, q->rdt);
	dev->data->rx_queue_state[queue_id] = RTE_ETH_QUEUE_STATE_STARTED;
	return 0;
}

int
igb_rx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_rx_queue *q = dev->data->rx_queues[queue_id];
	const struct igb_ring ring = igb_rx_ring(q);

	if (dev->data->rx_queue_state[queue_id] == RTE_ETH_QUEUE_STATE_STOPPED)
		return 0;
	dev->data->rx_queue_state[queue_id] = RTE_ETH_QUEUE_STATE_STOPPED;
	/* A thread that still polls finds nothing, and posts nothing. */
	q->free_thresh = UINT16_MAX;
	q->stuck = !igb_ring_stop(igb_hw_of(dev), &ring);
	if (q->stuck)
		return -EIO;
	igb_rx_ring_empty(q);
	return 0;
}

int
igb_tx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_tx_queue *q = dev->data->tx_queues[queue_id];
	const struct igb_ring ring = igb_tx_ring(q);
	struct igb_hw *hw = igb_hw_of(dev);
	int ret;

	if (q->stuck)
		return -EIO;
	memset(q->ring, 0, q->ring_size);
	/* No valid context is all ones, so none matches. */
	memset(q->ctx, 0xFF, sizeof(q->ctx));
	igb_tx_kinds_init(q);
	q->tail = q->clean = q->group = q->since_rs = q->ctx_next = 0;
	q->plain = true;
	q->nb_free = q->nb_desc - 1;
	q->map_refused = false;
	q->promise.pool = NULL;

	ret = igb_ring_start(hw, &ring);
	if (ret != 0) {
		q->nb_free = 0; /* a burst takes nothing */
		q->stuck = !igb_ring_stop(hw, &ring);
		return ret;
	}
	dev->data->tx_queue_state[queue_id] = RTE_ETH_QUEUE_STATE_STARTED;
	return 0;
}

int
igb_tx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_tx_queue *q = dev->data->tx_queues[queue_id];
	const struct igb_ring ring = igb_tx_ring(q);
	struct igb_hw *hw = igb_hw_of(dev);

	if (dev->data->tx_queue_state[queue_id] == RTE_ETH_QUEUE_STATE_STOPPED)
		return 0;
	dev->data->tx_queue_state[queue_id] = RTE_ETH_QUEUE_STATE_STOPPED;
	q->stuck = !igb_ring_stop(hw, &ring);
	q->stats->now.errors += igb_tx_unsent(q, igb_rd(hw, IGB_TDH(queue_id)));
	igb_tx_halt(q);
	if (q->stuck)
		return -EIO;
	igb_tx_ring_empty(q);
	return 0;
}

void
igb_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_rxq_info *info)
{
	const struct igb_rx_queue *q = dev->data->rx_queues[queue_id];

	info->mp = q->pool;
	info->scattered_rx = dev->data->scattered_rx;
	info->nb_desc = q->nb_desc;
	info->rx_buf_size = q->buf_len;
	info->conf = q->conf;
}

void
igb_txq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_txq_info *info)
{
	const struct igb_tx_queue *q = dev->data->tx_queues[queue_id];

	info->nb_desc = q->nb_desc;
	info->conf = q->conf;
}

/*
 * Port-wide functions.
 */

static void
igb_rx_config(struct rte_eth_dev *dev)
{
	const uint64_t offloads = dev->data->dev_conf.rxmode.offloads;
	struct igb_hw *hw = igb_hw_of(dev);
	uint32_t rxcsum = IGB_RXCSUM_PCSD; /* write back the hash, no fragment checksum */

	if (offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM)
		rxcsum |= IGB_RXCSUM_IPOFL;
	if (offloads & (RTE_ETH_RX_OFFLOAD_UDP_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM))
		rxcsum |= IGB_RXCSUM_TUOFL;
	if (offloads & RTE_ETH_RX_OFFLOAD_SCTP_CKSUM)
		rxcsum |= IGB_RXCSUM_CRCOFL;
	igb_wr(hw, IGB_RXCSUM, rxcsum);
	igb_rx_set_mtu(dev, dev->data->mtu);
}

int
igb_queues_start(struct rte_eth_dev *dev)
{
	const uint16_t small = igb_rx_small_buf_len(dev);
	struct igb_hw *hw = igb_hw_of(dev);
	uint32_t rctl = IGB_RCTL_BAM | IGB_RCTL_SECRC | IGB_RCTL_LPE;
	uint16_t i;
	int ret;

	igb_rx_config(dev);
	/* Collision threshold as 8.12.1 recommends. Transmitter before its queues (4.5.10). */
	igb_set(hw, IGB_TCTL, IGB_TCTL_EN | IGB_TCTL_PSP | IGB_TCTL_RTLC | 15u << IGB_TCTL_CT_SHIFT,
			IGB_TCTL_CT_MASK);
	for (i = 0; i < dev->data->nb_tx_queues; i++) {
		const struct igb_tx_queue *q = dev->data->tx_queues[i];

		if (q->conf.tx_deferred_start)
			continue;
		ret = igb_tx_queue_start(dev, i);
		if (ret != 0)
			return ret;
	}
	/*
	 * RLPML alone limits the length: LPE is always set. Queues may be enabled before RXEN as
	 * well as after (4.5.9); before RXEN, no frame is lost.
	 */
	if (dev->data->dev_conf.lpbk_mode != 0)
		rctl |= IGB_RCTL_LBM_MAC;
	if (small == 0)
		rctl |= IGB_RCTL_BSIZE_2048;
	else
		rctl |= small == 512 ? IGB_RCTL_BSIZE_512 : IGB_RCTL_BSIZE_256;
	igb_set(hw, IGB_RCTL, rctl, IGB_RCTL_SBP | IGB_RCTL_LBM_MASK | IGB_RCTL_BSIZE_MASK);
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		const struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (q->conf.rx_deferred_start)
			continue;
		ret = igb_rx_queue_start(dev, i);
		if (ret != 0)
			return ret;
	}
	igb_set(hw, IGB_RCTL, IGB_RCTL_RXEN, 0);
	return 0;
}

/* Count the stuck rings, and the mbufs that they hold; with `release`, make them usable again. */
static unsigned int
igb_walk_stuck(struct rte_eth_dev *dev, bool release, unsigned int *mbufs)
{
	unsigned int rings = 0;
	uint16_t i, k;

	*mbufs = 0;
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (!q->stuck)
			continue;
		rings++;
		*mbufs += q->posted;
		q->stuck = !release;
		if (release)
			igb_rx_ring_empty(q);
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++) {
		struct igb_tx_queue *q = dev->data->tx_queues[i];

		if (!q->stuck)
			continue;
		rings++;
		for (k = 0; k < q->nb_desc; k++)
			*mbufs += q->sw_mbuf[k] != NULL;
		q->stuck = !release;
		if (release)
			igb_tx_ring_empty(q);
	}
	return rings;
}

/*
 * Handle queues that did not stop. If the device is alive, a reset also ends their DMA. If that
 * fails, they keep their memory, even beyond close, so that the next user of a buffer never finds
 * a late frame in it.
 */
static void
igb_recover_stuck(struct rte_eth_dev *dev)
{
	struct igb_hw *hw = igb_hw_of(dev);
	unsigned int rings, mbufs;

	rings = igb_walk_stuck(dev, false, &mbufs);
	if (rings == 0)
		return;
	igb_stats_update(dev); /* the reset would clear the statistics */
	if (igb_hw_alive(hw) ? igb_hw_reset(hw) != 0 : !hw->bus->quiesced(hw->bus_dev)) {
		IGB_DRV_LOG(WARNING, hw,
				"DMA has not ended, and the device may still write to "
				"memory: %u rings and %u mbufs in quarantine",
				rings, mbufs);
		return;
	}
	rings = igb_walk_stuck(dev, true, &mbufs);
	IGB_DRV_LOG(NOTICE, hw, "DMA has ended after all: %u rings and %u mbufs released", rings,
			mbufs);
}

void
igb_queues_stop(struct rte_eth_dev *dev)
{
	struct igb_hw *hw = igb_hw_of(dev);
	uint16_t i;

	if (igb_hw_alive(hw))
		igb_set(hw, IGB_RCTL, 0, IGB_RCTL_RXEN);
	for (i = 0; i < dev->data->nb_rx_queues; i++)
		igb_rx_queue_stop(dev, i);
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		igb_tx_queue_stop(dev, i);
	if (igb_hw_alive(hw))
		igb_set(hw, IGB_TCTL, 0, IGB_TCTL_EN);
	igb_recover_stuck(dev);
}

/*
 * Bursts with the debug layer of the DMA library: it attributes everything mapped in the burst to
 * the caller, a place in the application.
 */

static void
igb_debug_end(void)
{
	gantry_dma_debug_promise(NULL);
	gantry_dma_debug_caller(NULL);
	gantry_dma_debug_context(0, 0, 0);
}

static uint16_t
igb_recv_pkts_debug(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	gantry_dma_debug_caller(__builtin_return_address(0));
	nb = igb_recv_pkts(rxq, pkts, nb);
	igb_debug_end();
	return nb;
}

static uint16_t
igb_xmit_pkts_debug(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct igb_tx_queue *q = txq;

	gantry_dma_debug_caller(__builtin_return_address(0));
	gantry_dma_debug_promise(&q->promise);
	nb = igb_xmit_pkts(txq, pkts, nb);
	igb_debug_end();
	return nb;
}

/*
 * Choice of the burst functions, and its name.
 */

#ifdef RTE_ARCH_X86_64
/* Return whether CPU, EAL options and DMA mode allow the bursts with AVX2. */
static bool
igb_can_use_avx2(struct rte_eth_dev *dev)
{
	return rte_cpu_get_flag_enabled(RTE_CPUFLAG_AVX2) > 0 &&
			rte_vect_get_max_simd_bitwidth() >= RTE_VECT_SIMD_256 &&
			gantry_dma_mbuf_last(igb_adapter_of(dev)->dma, IGB_TX_MAX_ROOM) != 0;
}
#endif

void
igb_rxtx_select(struct rte_eth_dev *dev)
{
	dev->rx_pkt_burst = igb_recv_pkts;
	dev->tx_pkt_burst = igb_xmit_pkts;
#ifdef RTE_ARCH_X86_64
	if (igb_can_use_avx2(dev)) {
		dev->rx_pkt_burst = igb_recv_pkts_avx2;
		dev->tx_pkt_burst = igb_xmit_pkts_avx2;
	}
#endif
	if (gantry_dma_debug_on(igb_adapter_of(dev)->dma)) {
		dev->rx_pkt_burst = igb_recv_pkts_debug;
		dev->tx_pkt_burst = igb_xmit_pkts_debug;
	}
	dev->tx_pkt_prepare = igb_prep_pkts;
	dev->rx_queue_count = igb_rx_queue_count;
	dev->rx_descriptor_status = igb_rx_descriptor_status;
	dev->tx_descriptor_status = igb_tx_descriptor_status;
#ifdef GANTRY_MBUF_RECYCLING
	dev->recycle_tx_mbufs_reuse = igb_recycle_tx_mbufs_reuse;
	dev->recycle_rx_descriptors_refill = igb_recycle_rx_descriptors_refill;
#endif
}

int
igb_rx_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_burst_mode *mode)
{
	const bool scalar = dev->rx_pkt_burst == igb_recv_pkts ||
			dev->rx_pkt_burst == igb_recv_pkts_debug;

	snprintf(mode->info, sizeof(mode->info), scalar ? "Scalar" : "Vector AVX2");
	return 0;
}

int
igb_tx_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_burst_mode *mode)
{
	const bool scalar = dev->tx_pkt_burst == igb_xmit_pkts ||
			dev->tx_pkt_burst == igb_xmit_pkts_debug;

	snprintf(mode->info, sizeof(mode->info), scalar ? "Scalar" : "Vector AVX2");
	return 0;
}
