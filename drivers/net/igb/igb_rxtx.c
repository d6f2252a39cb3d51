/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Rings and packets: the scalar data path. The theory of rings, head, tail and DD is in
 * igb_ethdev.c.
 *
 * Receive
 *
 * Every descriptor that the device owns points to a free mbuf. In the order of the ring:
 *
 *      next              fill
 *        v                 v
 *   ----[#################]----------     # the device owns it: "posted" descriptors
 *
 * igb_recv_pkts() takes filled buffers at next. When more than free_thresh descriptors are empty,
 * it gets that many mbufs in one operation, posts them at fill and rings the doorbell. The
 * condition is "more than" so that bursts of exactly free_thresh packets share a doorbell, which
 * is by far the most expensive step where it leaves a virtual machine.
 *
 * One descriptor always stays empty, because head == tail means an empty ring. If the mempool is
 * empty, the only consequence is dropped frames: the ring drains, and the driver fills it again
 * when the pool has mbufs. Each descriptor that a failed attempt leaves empty counts once as
 * rx_nombuf, until it gets an mbuf.
 *
 * A frame that is longer than a buffer takes several (scattered receive), and arrives as a chain
 * of mbufs. igb_rx_fit() enables this by itself.
 *
 * Transmit
 *
 * Descriptors form groups. The device reports (RS) only the last descriptor of a group, and
 * igb_tx_clean() reclaims a group at a time:
 *
 *      clean             group     tail
 *        v                 v         v
 *   ----[####R######R#####R.........]----     R descriptor with RS
 *                                             . written, not covered by an RS yet
 *
 * A group ends when it has rs_thresh descriptors, and in any case with the last frame of a burst.
 * Everything sent is therefore reported, and tx_done_cleanup() can return all buffers of an
 * application that has stopped sending.
 *
 * igb_xmit_pkts() reclaims as soon as IGB_TX_KEPT descriptors are in use, or earlier if
 * tx_free_thresh requires it. Buffers that return soon are still in the cache when the device
 * receives into them again; a whole ring of buffers is more than a cache holds.
 *
 * Trust
 *
 * The driver does not trust the device. It reads DD, status, length and tag in a single load, so
 * they cannot change between check and use. A frame whose length exceeds its buffer is dropped.
 * The driver never uses an index from the device.
 */

#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_io.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_net.h>
#include <rte_prefetch.h>

#include <gantry_dma_debug.h>

#include "igb_rxtx.h"
#include "uninitialized.h"

/* Offload requests that the transmit path supports. */
#define TX_CONTEXT_FLAGS   (RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_IP_CKSUM | \
	RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)
#define TX_KNOWN_FLAGS     (TX_CONTEXT_FLAGS | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)

/* Buffers that are returned to their mempool in one operation, at most. */
#define FREE_BATCH 64

/*
 * Receive.
 */

static uint32_t ptype_table[IGB_RXD_PTYPE_MASK + 1];

void
igb_rxtx_init(void)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(ptype_table); i++) {
		uint32_t t = RTE_PTYPE_L2_ETHER;

		if (i & IGB_RXD_PTYPE_IPV4_EXT)
			t |= RTE_PTYPE_L3_IPV4_EXT;
		else if (i & IGB_RXD_PTYPE_IPV4)
			t |= RTE_PTYPE_L3_IPV4;
		else if (i & IGB_RXD_PTYPE_IPV6_EXT)
			t |= RTE_PTYPE_L3_IPV6_EXT;
		else if (i & IGB_RXD_PTYPE_IPV6)
			t |= RTE_PTYPE_L3_IPV6;
		if (t & RTE_PTYPE_L3_MASK) {
			if (i & IGB_RXD_PTYPE_TCP)
				t |= RTE_PTYPE_L4_TCP;
			else if (i & IGB_RXD_PTYPE_UDP)
				t |= RTE_PTYPE_L4_UDP;
			else if (i & IGB_RXD_PTYPE_SCTP)
				t |= RTE_PTYPE_L4_SCTP;
		}
		ptype_table[i] = t;
	}
}

/*
 * Index: bit 4 IPv6; bits 3 and 2 IPE and L4E (error bits 30 and 29); bits 1 and 0 IPCS and L4I
 * (status bits 6 and 5).
 *
 * IPv6 has no header checksum, so it cannot be wrong: drivers and test suites of DPDK report it as
 * good. IPCS beside IPv6 indicates an IPv4 header in the same frame.
 */
static const uint64_t rx_cksum_flags[32] = {
#define L4(bad) ((bad) ? RTE_MBUF_F_RX_L4_CKSUM_BAD : RTE_MBUF_F_RX_L4_CKSUM_GOOD)
#define IP(bad) ((bad) ? RTE_MBUF_F_RX_IP_CKSUM_BAD : RTE_MBUF_F_RX_IP_CKSUM_GOOD)
	/* The device checked nothing: the error bits have no meaning. */
	[0x0] = 0, [0x4] = 0, [0x8] = 0, [0xC] = 0,
	[0x1] = L4(0), [0x5] = L4(1), [0x9] = L4(0), [0xD] = L4(1),
	[0x2] = IP(0), [0x6] = IP(0), [0xA] = IP(1), [0xE] = IP(1),
	[0x3] = L4(0) | IP(0), [0x7] = L4(1) | IP(0),
	[0xB] = L4(0) | IP(1), [0xF] = L4(1) | IP(1),
	[0x10] = IP(0), [0x14] = IP(0), [0x18] = IP(0), [0x1C] = IP(0),
	[0x11] = L4(0) | IP(0), [0x15] = L4(1) | IP(0),
	[0x19] = L4(0) | IP(0), [0x1D] = L4(1) | IP(0),
	[0x12] = IP(0), [0x16] = IP(0), [0x1A] = IP(1), [0x1E] = IP(1),
	[0x13] = L4(0) | IP(0), [0x17] = L4(1) | IP(0),
	[0x1B] = L4(0) | IP(1), [0x1F] = L4(1) | IP(1),
#undef L4
#undef IP
};

/* data_off, refcnt, nb_segs and port as one word: DPDK marks the place in the structure. */
static inline uint64_t *
igb_rearm_data(struct rte_mbuf *m)
{
	return RTE_PTR_ADD(m, offsetof(struct rte_mbuf, rearm_data));
}

/* Logs the first refused mapping since the queue started. rx_nombuf counts the others. */
static __rte_noinline void
igb_rx_unmappable(struct igb_rx_queue *q)
{
	if (q->map_refused)
		return;
	q->map_refused = true;
	IGB_DRV_LOG(ERR, &q->adapter->hw, "rx queue %u: a buffer of pool '%s' cannot be mapped for "
		"the device: %s", q->queue_id, q->pool->name, gantry_dma_last_error());
}

/*
 * Takes a buffer back from the device. The ownership of a whole burst changes when
 * gantry_dma_unmap_gathered() returns. The device may have written anywhere in the buffer, but
 * only the first len bytes are valid, and a mode that copies copies only those.
 */
static inline void
igb_rx_unmap(struct igb_rx_queue *q, uint16_t at, uint16_t len, struct gantry_dma_gather *g)
{
	if (likely(len != 0))
		gantry_dma_sync_single_for_cpu(q->dma, q->sw_addr[at], len, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf_gather(q->dma, q->sw_mbuf[at], q->sw_addr[at], q->buf_len,
		GANTRY_DMA_FROM_DEVICE, GANTRY_DMA_ATTR_SKIP_CPU_SYNC, g);
}

/*
 * Posts n mbufs at q->fill. They must not reach beyond the end of the ring. Returns 0; -ENOMEM if
 * the pool has fewer than n mbufs; -EFAULT if none could be mapped.
 */
static inline int
igb_rx_post(struct igb_rx_queue *q, uint16_t n)
{
	struct rte_mbuf **mbufs = &q->sw_mbuf[q->fill];
	gantry_dma_addr_t *addrs = &q->sw_addr[q->fill];
	union igb_rx_desc *d = &q->ring[q->fill];
	uint16_t i;

	if (unlikely(rte_mempool_get_bulk(q->pool, (void **)mbufs, n) != 0))
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (gantry_dma_debug_on(q->dma))
			gantry_dma_debug_context('r', q->queue_id, q->fill + i);
		addrs[i] = gantry_dma_map_mbuf_attrs(q->dma, mbufs[i], RTE_PKTMBUF_HEADROOM,
			q->buf_len, GANTRY_DMA_FROM_DEVICE, GANTRY_DMA_ATTR_SKIP_CPU_SYNC);
		if (unlikely(gantry_dma_mapping_error(q->dma, addrs[i]))) {
			/* Post those that are mapped; the others return to the pool. */
			rte_mempool_put_bulk(q->pool, (void **)&mbufs[i], n - i);
			igb_rx_unmappable(q);
			n = i;
			break;
		}
		d[i].read.pkt_addr = rte_cpu_to_le_64(addrs[i]);
		d[i].read.hdr_addr = 0; /* clears DD */
	}
	q->posted += n;
	q->missing -= RTE_MIN(q->missing, n);
	q->fill += n;
	if (q->fill == q->nb_desc)
		q->fill = 0;
	return n == 0 ? -EFAULT : 0;
}

/* Counts the descriptors that stay empty and have not been counted before. */
static __rte_noinline void
igb_rx_count_missing(struct igb_rx_queue *q)
{
	const uint16_t empty = q->nb_desc - 1 - q->posted;

	if (empty <= q->missing)
		return;
	q->stats->now.nombuf += empty - q->missing;
	q->missing = empty;
}

static inline void
igb_rx_refill(struct igb_rx_queue *q)
{
	/* One load: another thread changes it with the MTU, and when it stops the queue. */
	const uint16_t thresh = __atomic_load_n(&q->free_thresh, __ATOMIC_RELAXED);
	const uint16_t before = q->fill;

	while (q->nb_desc - 1 - q->posted >= thresh) {
		const uint16_t n = RTE_MIN(thresh, (uint16_t)(q->nb_desc - q->fill));

		/* If fewer mbufs than that are in circulation, single ones keep the ring alive. */
		if (unlikely(igb_rx_post(q, n) != 0) &&
				(q->posted != 0 || igb_rx_post(q, 1) != 0)) {
			igb_rx_count_missing(q);
			break;
		}
	}
	if (q->fill != before)
		rte_write32(q->fill, q->rdt); /* ordered after the writes to the ring */
	if (unlikely(q->lcore != rte_lcore_id()))
		q->lcore = rte_lcore_id();
}

/*
 * Drops a descriptor that is not part of a good frame: frees its buffer, and the earlier buffers
 * of the frame. The following descriptors up to EOP are dropped likewise.
 */
static __rte_noinline void
igb_rx_drop(struct igb_rx_queue *q, struct rte_mbuf *m, bool eop, struct gantry_dma_gather *g)
{
	gantry_dma_unmap_gathered(q->dma, g);
	if (!q->drop_rest)
		q->stats->now.errors++;
	q->drop_rest = !eop;
	rte_mbuf_raw_free(m);
	if (q->first != NULL) {
		rte_pktmbuf_free(q->first);
		q->first = q->last = NULL;
	}
}

uint16_t
igb_recv_pkts(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct igb_rx_queue *q = rxq;
	uint16_t next = q->next, posted = q->posted, nb_rx = 0;
	GANTRY_UNINITIALIZED struct gantry_dma_gather g;
	uint64_t bytes = 0;

	g.n = 0;

	while (nb_rx < nb && posted != 0) {
		/* 1. Collect finished descriptors: those that have DD. */
		union igb_rx_desc *d = &q->ring[next];
		/* Acquire: the CPU must not read descriptor or data before DD. */
		const uint64_t qw1 = rte_le_to_cpu_64(__atomic_load_n(&d->qw[1],
			__ATOMIC_ACQUIRE));
		const uint32_t staterr = (uint32_t)qw1;
		const uint16_t len = (uint16_t)(qw1 >> 32);
		struct rte_mbuf *m, *head;
		uint64_t flags;
		uint32_t info;
		bool bad, eop;

		if (!(staterr & IGB_RXD_STAT_DD))
			break;
		/* 2. Check what the device wrote, and take the buffer back. */
		m = q->sw_mbuf[next];
		bad = len == 0 || len > q->buf_len || (staterr & IGB_RXD_ERR_RXE) || q->drop_rest;
		igb_rx_unmap(q, next, bad ? 0 : len, &g);
		posted--;
		if (++next == q->nb_desc)
			next = 0;
		rte_prefetch0(q->sw_mbuf[next]);

		eop = (staterr & IGB_RXD_STAT_EOP) != 0;
		if (unlikely(bad)) {
			igb_rx_drop(q, m, eop, &g);
			continue;
		}

		/* 3. Initialize the mbuf, and append it to a frame in several buffers. */
		*igb_rearm_data(m) = q->mbuf_init;
		m->data_len = len;
		m->pkt_len = len;
		head = m;
		if (unlikely(q->first != NULL || !eop)) {
			if (q->first == NULL) {
				if (unlikely(!q->dev_data->scattered_rx)) {
					igb_rx_drop(q, m, eop, &g);
					continue;
				}
				q->first = m;
			} else {
				if (unlikely(q->first->pkt_len + len > IGB_MAX_FRAME ||
						q->first->nb_segs == q->max_bufs)) {
					igb_rx_drop(q, m, eop, &g);
					continue;
				}
				q->last->next = m;
				q->first->nb_segs++;
				q->first->pkt_len += len;
			}
			q->last = m;
			if (!eop)
				continue;
			head = q->first;
			q->first = q->last = NULL;
		}

		/*
		 * 4. Translate the write-back to mbuf fields. The last descriptor of a frame in
		 * several buffers describes it all (7.1.5.2).
		 */
		info = rte_le_to_cpu_16(d->wb.pkt_info);
		head->packet_type = ptype_table[(info >> IGB_RXD_PTYPE_SHIFT) &
			IGB_RXD_PTYPE_MASK];
		flags = rx_cksum_flags[((info & q->ipv6_mask) != 0) << 4 |
			(staterr >> 27 & 0xC) | (staterr >> 5 & 3)];
		if (info & IGB_RXD_RSSTYPE_MASK) {
			head->hash.rss = rte_le_to_cpu_32(d->wb.rss);
			flags |= RTE_MBUF_F_RX_RSS_HASH;
		}
		if (staterr & IGB_RXD_STAT_VP) {
			head->vlan_tci = (uint16_t)(qw1 >> 48);
			flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		}
		head->ol_flags = flags;
		bytes += head->pkt_len;
		pkts[nb_rx++] = head;
	}

	/* 5. Complete the unmapping of the burst: the application may now read the buffers. */
	gantry_dma_unmap_gathered(q->dma, &g);
	q->next = next;
	q->posted = posted;
	q->stats->now.packets += nb_rx;
	q->stats->now.bytes += bytes;
	/* 6. Post new buffers, and ring the doorbell. */
	if (q->nb_desc - 1 - posted > q->free_thresh)
		igb_rx_refill(q);
	return nb_rx;
}

gantry_rx_queue_count_t
igb_rx_queue_count(void *rxq)
{
	const struct igb_rx_queue *q = rxq;
	uint16_t low = 0, high = q->posted;

	/* The device sets DD in order, so bisection finds the boundary. */
	while (low < high) {
		const uint16_t mid = (low + high) / 2;
		const uint16_t at = (q->next + mid) % q->nb_desc;

		if (__atomic_load_n(&q->ring[at].wb.staterr, __ATOMIC_RELAXED) &
				rte_cpu_to_le_32(IGB_RXD_STAT_DD))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int
igb_rx_descriptor_status(void *rxq, uint16_t offset)
{
	const struct igb_rx_queue *q = rxq;

	if (unlikely(offset >= q->nb_desc))
		return -EINVAL;
	if (offset >= q->posted)
		return RTE_ETH_RX_DESC_UNAVAIL;
	if (__atomic_load_n(&q->ring[(q->next + offset) % q->nb_desc].wb.staterr,
			__ATOMIC_RELAXED) & rte_cpu_to_le_32(IGB_RXD_STAT_DD))
		return RTE_ETH_RX_DESC_DONE;
	return RTE_ETH_RX_DESC_AVAIL;
}

/*
 * Transmit.
 */

/* Buffers on their way back to their mempool. */
struct free_batch {
	struct rte_mempool *pool;
	unsigned int nb;
	void *mbufs[FREE_BATCH];
};

static inline void
free_batch_flush(struct free_batch *b)
{
	if (b->nb != 0)
		rte_mempool_put_bulk(b->pool, b->mbufs, b->nb);
	b->nb = 0;
}

static inline void
free_batch_add(struct free_batch *b, struct rte_mbuf *m)
{
	if (unlikely(b->pool != m->pool || b->nb == FREE_BATCH)) {
		free_batch_flush(b);
		b->pool = m->pool;
	}
	b->mbufs[b->nb++] = m;
}

/*
 * Reclaims what the device has reported, in whole groups, until at least max_desc descriptors are
 * free, but not more than max_pkts packets; the rest of a group then forms a group. Returns the
 * number of packets.
 */
static uint32_t
igb_tx_clean(struct igb_tx_queue *q, uint32_t max_desc, uint32_t max_pkts)
{
	GANTRY_UNINITIALIZED struct gantry_dma_gather g;
	GANTRY_UNINITIALIZED struct free_batch batch;
	uint32_t descs = 0, packets = 0;

	g.n = 0;
	batch.pool = NULL;
	batch.nb = 0;
	while (q->clean != q->group && descs < max_desc && packets < max_pkts) {
		const uint16_t last = q->sw[q->clean].last;
		const uint16_t end = last + 1 == q->nb_desc ? 0 : last + 1;
		uint16_t at = q->clean;

		/* Acquire: the CPU must not write to the buffers before the device is done. */
		if (!(__atomic_load_n(&q->ring[last].wb.status, __ATOMIC_ACQUIRE) &
				rte_cpu_to_le_32(IGB_TXD_STAT_DD)))
			break;
		do {
			const struct igb_tx_entry *e = &q->sw[at];

			if (likely(e->mbuf != NULL)) {
				gantry_dma_unmap_mbuf_gather(q->dma, e->mbuf, e->addr, e->len,
					GANTRY_DMA_TO_DEVICE, 0, &g);
				packets += e->eop;
			}
			if (++at == q->nb_desc)
				at = 0;
		} while (at != end && packets < max_pkts);
		gantry_dma_unmap_gathered(q->dma, &g);
		do {
			struct igb_tx_entry *e = &q->sw[q->clean];
			struct rte_mbuf *m = e->mbuf;

			if (likely(m != NULL)) {
				e->mbuf = NULL;
				/*
				 * Segments return unlinked, because the promise of the application
				 * (MBUF_FAST_FREE) concerns references only.
				 */
				if (!q->fast_free || e->chained)
					m = rte_pktmbuf_prefree_seg(m);
				if (likely(m != NULL))
					free_batch_add(&batch, m);
			}
			descs++;
			if (++q->clean == q->nb_desc)
				q->clean = 0;
		} while (q->clean != at);
		if (unlikely(at != end))
			q->sw[at].last = last;
	}
	free_batch_flush(&batch);
	q->nb_free += descs;
	if (unlikely(q->lcore != rte_lcore_id()))
		q->lcore = rte_lcore_id();
	return packets;
}

int
igb_tx_done_cleanup(void *txq, uint32_t free_cnt)
{
	return igb_tx_clean(txq, UINT32_MAX, free_cnt == 0 ? UINT32_MAX : free_cnt);
}

int
igb_tx_descriptor_status(void *txq, uint16_t offset)
{
	const struct igb_tx_queue *q = txq;
	uint16_t at, first, used;

	if (unlikely(offset >= q->nb_desc))
		return -EINVAL;
	/* Offset 0 is the place of the next packet. */
	at = (q->tail + offset) % q->nb_desc;
	used = (q->tail + q->nb_desc - q->clean) % q->nb_desc;
	if ((at + q->nb_desc - q->clean) % q->nb_desc >= used)
		return RTE_ETH_TX_DESC_DONE;
	/* Find the group of the descriptor. */
	for (first = q->clean; first != q->group; ) {
		const uint16_t last = q->sw[first].last;

		if ((at + q->nb_desc - first) % q->nb_desc <=
				(last + q->nb_desc - first) % q->nb_desc)
			return __atomic_load_n(&q->ring[last].wb.status, __ATOMIC_RELAXED) &
				rte_cpu_to_le_32(IGB_TXD_STAT_DD) ?
				RTE_ETH_TX_DESC_DONE : RTE_ETH_TX_DESC_FULL;
		first = (last + 1) % q->nb_desc;
	}
	return RTE_ETH_TX_DESC_FULL;
}

/* Returns the context that a packet requires (7.2.2.2). */
static inline struct igb_tx_context
igb_tx_context(const struct rte_mbuf *m, uint64_t flags)
{
	uint32_t type = IGB_TXD_DEXT | IGB_TXD_DTYP_CTXT, lens = 0, mss = 0;

	if (flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG))
		lens = (uint32_t)m->l2_len << IGB_TXD_MACLEN_SHIFT | m->l3_len;
	if (flags & RTE_MBUF_F_TX_VLAN)
		lens |= (uint32_t)m->vlan_tci << IGB_TXD_VLAN_SHIFT;
	if (flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4))
		type |= IGB_TXD_TUCMD_IPV4;
	if (flags & RTE_MBUF_F_TX_TCP_SEG) {
		type |= IGB_TXD_TUCMD_L4T_TCP;
		mss = (uint32_t)m->tso_segsz << IGB_TXD_MSS_SHIFT |
			(uint32_t)m->l4_len << IGB_TXD_L4LEN_SHIFT;
	} else {
		switch (flags & RTE_MBUF_F_TX_L4_MASK) {
		case RTE_MBUF_F_TX_TCP_CKSUM:
			type |= IGB_TXD_TUCMD_L4T_TCP;
			break;
		case RTE_MBUF_F_TX_SCTP_CKSUM:
			type |= IGB_TXD_TUCMD_L4T_SCTP;
			break;
		default:
			type |= IGB_TXD_TUCMD_L4T_UDP; /* 0 */
			break;
		}
	}
	return (struct igb_tx_context){ lens, (uint64_t)type << 32 | mss };
}

/* Returns the slot that holds this context; IGB_TX_CONTEXTS: none does. */
static inline unsigned int
igb_tx_context_find(const struct igb_tx_queue *q, const struct igb_tx_context *c)
{
	unsigned int i;

	for (i = 0; i < IGB_TX_CONTEXTS; i++)
		if (q->ctx[i].lens_vlan == c->lens_vlan && q->ctx[i].type_mss == c->type_mss)
			break;
	return i;
}

static inline void
igb_tx_write(union igb_tx_desc *d, uint64_t qw0, uint32_t low, uint32_t high)
{
	d->qw[0] = rte_cpu_to_le_64(qw0);
	d->qw[1] = rte_cpu_to_le_64((uint64_t)high << 32 | low);
}

/* Checks a segmentation request: header lengths, and the length of a segment with tag (7.2.4). */
static __rte_noinline bool
igb_tx_tso_is_bad(const struct rte_mbuf *m)
{
	const bool ipv4 = m->ol_flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4);
	const uint32_t hdr = m->l2_len + m->l3_len + m->l4_len;

	return m->pkt_len > IGB_TX_MAX_TSO || m->tso_segsz == 0 ||
		m->l2_len < RTE_ETHER_HDR_LEN || m->l4_len < sizeof(struct rte_tcp_hdr) ||
		m->l3_len < (ipv4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr)) ||
		hdr > IGB_TX_MAX_TSO_HDR || hdr >= m->pkt_len ||
		hdr + m->tso_segsz + RTE_VLAN_HLEN > IGB_TX_MAX_FRAME;
}

/* Checks a checksum request: headers have their minimum lengths, and fit the packet (7.2.5). */
static inline bool
igb_tx_cksum_is_bad(const struct rte_mbuf *m)
{
	static const uint8_t l4_min[] = {
		0, sizeof(struct rte_tcp_hdr), sizeof(struct rte_sctp_hdr),
		sizeof(struct rte_udp_hdr),
	};
	const uint64_t l4 = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) / RTE_MBUF_F_TX_TCP_CKSUM;

	if (l4 == 0 && !(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		return false;
	return m->l2_len < RTE_ETHER_HDR_LEN ||
		((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) &&
			m->l3_len < sizeof(struct rte_ipv4_hdr)) ||
		(uint32_t)(m->l2_len + m->l3_len + l4_min[l4]) > m->pkt_len;
}

/*
 * True for a packet that the device would not send, or that would hang it. rte_eth_tx_prepare()
 * refuses such a packet, and the burst function counts it as an error.
 */
static inline bool
igb_tx_is_bad(const struct igb_tx_queue *q, const struct rte_mbuf *m)
{
	const uint32_t tag = m->ol_flags & RTE_MBUF_F_TX_VLAN ? RTE_VLAN_HLEN : 0;

	if (m->nb_segs > q->max_segs)
		return true;
	if (unlikely(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
		return igb_tx_tso_is_bad(m);
	return m->pkt_len < IGB_TX_MIN_FRAME || m->pkt_len + tag > IGB_TX_MAX_FRAME ||
		igb_tx_cksum_is_bad(m);
}

/*
 * Maps the segments of a packet, for the entries from `at` on. After a failure it unmaps the
 * segments that it has mapped, as the DMA API requires. Returns 0; -EINVAL if the chain is
 * malformed; -EFAULT if a segment could not be mapped.
 */
static inline int
igb_tx_map(struct igb_tx_queue *q, struct rte_mbuf *m, uint16_t at)
{
	const uint16_t start = at;
	uint16_t segs = m->nb_segs;
	uint32_t left = m->pkt_len;
	int ret = -EINVAL;
	struct rte_mbuf *s;

	for (s = m; s != NULL; s = s->next) {
		struct igb_tx_entry *e = &q->sw[at];

		/* The 82576 accepts no empty descriptor inside a packet (7.2.2.3). */
		if (unlikely(s->data_len == 0 || segs-- == 0 || s->data_len > left))
			goto undo;
		left -= s->data_len;
		if (gantry_dma_debug_on(q->dma))
			gantry_dma_debug_context('t', q->queue_id, at);
		e->addr = gantry_dma_map_mbuf(q->dma, s, s->data_off, s->data_len,
			GANTRY_DMA_TO_DEVICE);
		if (unlikely(gantry_dma_mapping_error(q->dma, e->addr))) {
			ret = -EFAULT;
			goto undo;
		}
		e->mbuf = s;
		e->len = s->data_len;
		e->eop = s->next == NULL;
		e->chained = m->next != NULL;
		if (++at == q->nb_desc)
			at = 0;
	}
	if (likely(segs == 0 && left == 0))
		return 0;

undo:
	for (s = m, at = start; s != NULL && q->sw[at].mbuf == s; s = s->next) {
		gantry_dma_unmap_mbuf(q->dma, s, q->sw[at].addr, q->sw[at].len,
			GANTRY_DMA_TO_DEVICE);
		q->sw[at].mbuf = NULL;
		if (++at == q->nb_desc)
			at = 0;
	}
	return ret;
}

/* Makes everything from q->group to `last` one group. */
static inline void
igb_tx_end_group(struct igb_tx_queue *q, uint16_t last)
{
	q->ring[last].data.cmd_type_len |= rte_cpu_to_le_32(IGB_TXD_RS);
	q->sw[q->group].last = last;
	q->group = q->tail;
	q->since_rs = 0;
}

uint16_t
igb_xmit_pkts(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	struct igb_tx_queue *q = txq;
	const uint16_t before = q->tail;
	uint16_t nb_tx, last = 0;
	uint64_t bytes = 0;
	uint32_t sent = 0;
	int ret;

	/* 1. Collect finished descriptors. An empty burst is a request to release buffers. */
	if (q->nb_free < q->free_thresh || nb == 0)
		igb_tx_clean(q, FREE_BATCH, UINT32_MAX);

	for (nb_tx = 0; nb_tx < nb; nb_tx++) {
		struct rte_mbuf *m = pkts[nb_tx], *s;
		const uint64_t flags = m->ol_flags & TX_CONTEXT_FLAGS;
		uint32_t cmd = IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | IGB_TXD_IFCS;
		uint32_t olinfo = m->pkt_len << IGB_TXD_PAYLEN_SHIFT;
		struct igb_tx_context ctx = { 0, 0 };
		unsigned int slot = 0;
		bool new_ctx = false;
		uint16_t need, at;

		/* 2. Check the packet. */
		if (unlikely(igb_tx_is_bad(q, m))) {
			rte_pktmbuf_free(m);
			q->stats->now.errors++;
			continue;
		}
		/* 3. Find the context of its offloads, and room for its descriptors. */
		if (flags != 0) {
			ctx = igb_tx_context(m, m->ol_flags);
			slot = igb_tx_context_find(q, &ctx);
			new_ctx = slot == IGB_TX_CONTEXTS;
		}
		need = m->nb_segs + new_ctx;
		if (unlikely(need > q->nb_free)) {
			igb_tx_clean(q, RTE_MAX(need, FREE_BATCH), UINT32_MAX);
			if (need > q->nb_free)
				break;
		}

		/* 4. Map its segments, behind the place of a new context. */
		at = q->tail + new_ctx;
		if (at >= q->nb_desc)
			at -= q->nb_desc;
		ret = igb_tx_map(q, m, at);
		if (unlikely(ret != 0)) {
			/*
			 * A mode may be out of addresses, or of buffers. If packets are in
			 * flight, they bring some back, and the application may retry. If none
			 * is, the packet is lost.
			 */
			if (ret == -EFAULT && q->clean != q->tail) {
				igb_tx_clean(q, FREE_BATCH, UINT32_MAX);
				break;
			}
			rte_pktmbuf_free(m);
			q->stats->now.errors++;
			continue;
		}

		/* 5. Write the context descriptor if it is new, and request the offloads. */
		if (flags != 0) {
			if (new_ctx) {
				slot = q->ctx_next;
				q->ctx_next = (slot + 1) % IGB_TX_CONTEXTS;
				q->ctx[slot] = ctx;
				q->sw[q->tail].mbuf = NULL;
				igb_tx_write(&q->ring[q->tail], (uint32_t)ctx.lens_vlan,
					ctx.type_mss >> 32,
					(uint32_t)ctx.type_mss | slot << IGB_TXD_IDX_SHIFT);
			}
			olinfo |= slot << IGB_TXD_IDX_SHIFT;
			if (flags & RTE_MBUF_F_TX_VLAN)
				cmd |= IGB_TXD_VLE;
			if (flags & RTE_MBUF_F_TX_IP_CKSUM)
				olinfo |= IGB_TXD_POPTS_IXSM;
			if (flags & RTE_MBUF_F_TX_L4_MASK)
				olinfo |= IGB_TXD_POPTS_TXSM;
			if (flags & RTE_MBUF_F_TX_TCP_SEG) {
				cmd |= IGB_TXD_TSE;
				/* PAYLEN counts only the TCP payload in this case (7.2.2.3.11). */
				olinfo -= (m->l2_len + m->l3_len + m->l4_len) <<
					IGB_TXD_PAYLEN_SHIFT;
				olinfo |= IGB_TXD_POPTS_TXSM;
			}
		}

		/* 6. Write one data descriptor per segment. */
		bytes += m->pkt_len;
		sent++;
		for (s = m; s != NULL; s = s->next) {
			last = at;
			igb_tx_write(&q->ring[at], q->sw[at].addr,
				cmd | s->data_len | (s->next == NULL ? IGB_TXD_EOP : 0), olinfo);
			if (++at == q->nb_desc)
				at = 0;
		}
		q->tail = at;
		q->nb_free -= need;
		q->since_rs += need;
		if (q->since_rs >= q->rs_thresh)
			igb_tx_end_group(q, last);
	}

	/* 7. End the last group, and ring the doorbell. */
	if (q->tail != before) {
		if (q->since_rs != 0)
			igb_tx_end_group(q, last);
		q->stats->now.packets += sent;
		q->stats->now.bytes += bytes;
		rte_write32(q->tail, q->tdt); /* ordered after the writes to the ring */
	}
	return nb_tx;
}

uint16_t
igb_prep_pkts(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	const struct igb_tx_queue *q = txq;
	uint16_t i;

	for (i = 0; i < nb; i++) {
		struct rte_mbuf *m = pkts[i], *s;
		const uint64_t flags = m->ol_flags;
		uint32_t sum = 0, segs = 0;

		if (flags & RTE_MBUF_F_TX_OFFLOAD_MASK & ~TX_KNOWN_FLAGS) {
			rte_errno = ENOTSUP;
			return i;
		}
		for (s = m; s != NULL && s->data_len != 0; s = s->next, segs++)
			sum += s->data_len;
		if (igb_tx_is_bad(q, m) || s != NULL || sum != m->pkt_len || segs != m->nb_segs) {
			rte_errno = EINVAL;
			return i;
		}
#ifdef RTE_ETHDEV_DEBUG_TX
		if (rte_validate_tx_offload(m) != 0) {
			rte_errno = EINVAL;
			return i;
		}
#endif
		/* The device expects the checksum of the pseudo-header in place. */
		if (rte_net_intel_cksum_prepare(m) != 0) {
			rte_errno = EINVAL;
			return i;
		}
	}
	return i;
}

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
 * Returns the bytes of a buffer that the device uses. SRRCTL.BSIZEPACKET counts KB, and has seven
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

static const char igb_heap_full[] = "EAL's heap has none left; give EAL more (-m, --socket-mem)";

int
igb_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_rxconf *conf,
		struct rte_mempool *pool)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	const int node = igb_numa_node(dev, socket_id);
	const uint32_t room = rte_pktmbuf_data_room_size(pool);
	struct rte_mbuf init = { .nb_segs = 1, .data_off = RTE_PKTMBUF_HEADROOM,
		.port = dev->data->port_id };
	uint16_t thresh = conf->rx_free_thresh;
	const char *why = igb_heap_full;
	struct igb_rx_queue *q;

	if (dev->data->rx_queues[queue_id] != NULL)
		igb_rx_queue_release(dev, queue_id);
	if (igb_check_nb_desc(&ad->hw, "rx", queue_id, nb_desc) != 0)
		return -EINVAL;
	if (thresh == 0)
		thresh = RTE_MIN(IGB_DEFAULT_RX_FREE_THRESH, nb_desc / 4);
	if (thresh >= nb_desc - 1) {
		IGB_INIT_LOG(ERR, &ad->hw, "rx queue %u: rx_free_thresh %u of %u descriptors: "
			"must be smaller by 2", queue_id, thresh, nb_desc);
		return -EINVAL;
	}
	if (room < RTE_PKTMBUF_HEADROOM + IGB_MIN_RX_BUF) {
		IGB_INIT_LOG(ERR, &ad->hw, "rx queue %u: pool '%s' has buffers of %u bytes; "
			"%u are needed", queue_id, pool->name, room,
			RTE_PKTMBUF_HEADROOM + IGB_MIN_RX_BUF);
		return -EINVAL;
	}

	q = igb_zmalloc("igb_rx_queue", sizeof(*q), node);
	if (q == NULL)
		goto no_memory;
	q->sw_mbuf = igb_zmalloc("igb_rx_mbufs", nb_desc * sizeof(*q->sw_mbuf), node);
	q->sw_addr = igb_zmalloc("igb_rx_addrs", nb_desc * sizeof(*q->sw_addr), node);
	q->ring_size = nb_desc * sizeof(*q->ring);
	q->ring = gantry_dma_alloc_coherent(ad->dma, q->ring_size, &q->ring_addr, node);
	q->dma = ad->dma;
	dev->data->rx_queues[queue_id] = q;
	if (q->sw_mbuf == NULL || q->sw_addr == NULL || q->ring == NULL) {
		if (q->ring == NULL)
			why = gantry_dma_last_error();
		igb_rx_queue_release(dev, queue_id);
		goto no_memory;
	}

	rte_mbuf_refcnt_set(&init, 1);
	q->mbuf_init = *igb_rearm_data(&init);
	q->adapter = ad;
	q->dev_data = dev->data;
	q->stats = &ad->rx_stats[queue_id];
	q->pool = pool;
	q->nb_desc = nb_desc;
	q->free_thresh = UINT16_MAX; /* until the queue is started */
	q->buf_len = igb_rx_buf_len(room - RTE_PKTMBUF_HEADROOM);
	q->queue_id = queue_id;
	q->socket_id = igb_numa_check_queue(dev, "rx", queue_id, q->ring, pool);
	q->lcore = LCORE_ID_ANY;
	q->port_id = dev->data->port_id;
	q->conf = *conf;
	q->conf.rx_free_thresh = thresh;
	/* Without drop, one queue that no thread empties would block the others (7.1.9). */
	if (dev->data->nb_rx_queues > 1)
		q->conf.rx_drop_en = 1;
	q->rdt = (volatile uint32_t *)((volatile char *)ad->doorbells[0] +
		queue_id * IGB_QUEUE_STRIDE);
	gantry_dma_debug_watch(ad->dma, pool); /* logs a failure; the queue works without */
	return 0;

no_memory:
	IGB_INIT_LOG(ERR, &ad->hw, "rx queue %u: no memory for %u descriptors on socket %d: %s",
		queue_id, nb_desc, node, why);
	return -ENOMEM;
}

int
igb_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_txconf *conf)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	const uint64_t offloads = conf->offloads | dev->data->dev_conf.txmode.offloads;
	const int node = igb_numa_node(dev, socket_id);
	uint16_t rs_thresh = conf->tx_rs_thresh, free_thresh = conf->tx_free_thresh;
	const char *why = igb_heap_full;
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
		IGB_INIT_LOG(ERR, &ad->hw, "tx queue %u: tx_rs_thresh %u, tx_free_thresh %u of %u "
			"descriptors: must be smaller by 2", queue_id, rs_thresh, free_thresh,
			nb_desc);
		return -EINVAL;
	}

	q = igb_zmalloc("igb_tx_queue", sizeof(*q), node);
	if (q == NULL)
		goto no_memory;
	q->sw = igb_zmalloc("igb_tx_entries", nb_desc * sizeof(*q->sw), node);
	q->ring_size = nb_desc * sizeof(*q->ring);
	q->ring = gantry_dma_alloc_coherent(ad->dma, q->ring_size, &q->ring_addr, node);
	q->dma = ad->dma;
	q->nb_desc = nb_desc;
	dev->data->tx_queues[queue_id] = q;
	if (q->sw == NULL || q->ring == NULL) {
		if (q->ring == NULL)
			why = gantry_dma_last_error();
		igb_tx_queue_release(dev, queue_id);
		goto no_memory;
	}

	q->adapter = ad;
	q->stats = &ad->tx_stats[queue_id];
	q->max_segs = RTE_MIN(IGB_TX_MAX_SEGS, nb_desc - 2); /* and a context descriptor */
	q->rs_thresh = rs_thresh;
	q->free_thresh = RTE_MAX(free_thresh, nb_desc - RTE_MIN(IGB_TX_KEPT, nb_desc / 4 * 3));
	q->promise.fast_free = (offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	q->promise.one_segment = !(offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
	/* The debug layer reports a broken promise; trusting it would also cause damage. */
	q->fast_free = q->promise.fast_free && !gantry_dma_debug_on(ad->dma);
	q->queue_id = queue_id;
	q->socket_id = igb_numa_check_queue(dev, "tx", queue_id, q->ring, NULL);
	q->lcore = LCORE_ID_ANY;
	q->conf = *conf;
	q->conf.tx_rs_thresh = rs_thresh;
	q->conf.tx_free_thresh = free_thresh;
	q->tdt = (volatile uint32_t *)((volatile char *)ad->doorbells[1] +
		queue_id * IGB_QUEUE_STRIDE);
	return 0;

no_memory:
	IGB_INIT_LOG(ERR, &ad->hw, "tx queue %u: no memory for %u descriptors on socket %d: %s",
		queue_id, nb_desc, node, why);
	return -ENOMEM;
}

/* Releases the buffers that the device held, after the device has stopped using them. */
static void
igb_rx_ring_empty(struct igb_rx_queue *q)
{
	struct gantry_dma_gather g;

	g.n = 0;
	while (q->posted != 0) {
		igb_rx_unmap(q, q->next, 0, &g);
		gantry_dma_unmap_gathered(q->dma, &g);
		rte_mbuf_raw_free(q->sw_mbuf[q->next]);
		q->posted--;
		if (++q->next == q->nb_desc)
			q->next = 0;
	}
	if (q->first != NULL)
		rte_pktmbuf_free(q->first);
	q->first = q->last = NULL;
	q->drop_rest = false;
}

static void
igb_tx_ring_empty(struct igb_tx_queue *q)
{
	uint16_t i;

	for (i = 0; i < q->nb_desc; i++) {
		struct igb_tx_entry *e = &q->sw[i];

		if (e->mbuf == NULL)
			continue;
		gantry_dma_unmap_mbuf(q->dma, e->mbuf, e->addr, e->len, GANTRY_DMA_TO_DEVICE);
		rte_pktmbuf_free_seg(e->mbuf);
		e->mbuf = NULL;
	}
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
		if (q->sw != NULL)
			igb_tx_ring_empty(q);
		gantry_dma_free_coherent(q->dma, q->ring_size, q->ring, q->ring_addr);
	}
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

static int
igb_queue_enable(struct igb_hw *hw, const char *what, uint16_t id, uint32_t dctl,
		uint32_t thresholds)
{
	int ret;

	igb_wr(hw, dctl, thresholds | IGB_DCTL_ENABLE);
	ret = igb_hw_poll(hw, dctl, IGB_DCTL_ENABLE, IGB_DCTL_ENABLE, 100000);
	if (ret != 0)
		IGB_DRV_LOG(ERR, hw, "%s queue %u: %s", what, id, ret == -ENODEV ?
			"the device is gone" : "ENABLE not set after 100 ms");
	return ret;
}

/* True if the device certainly no longer accesses the memory of the queue. */
static bool
igb_queue_disable(struct igb_hw *hw, const char *what, uint16_t id, uint32_t dctl)
{
	int ret;

	if (igb_hw_alive(hw)) {
		igb_set(hw, dctl, 0, IGB_DCTL_ENABLE);
		/* A software device may first complete a grace period of its polling threads. */
		ret = igb_hw_poll(hw, dctl, IGB_DCTL_ENABLE, 0, 2000000);
		if (ret == 0)
			return true;
		if (ret == -ETIMEDOUT) {
			IGB_DRV_LOG(ERR, hw, "%s queue %u: ENABLE not cleared after 2 s: its "
				"buffers are not freed, the device might still use them", what, id);
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

		if (q != NULL && q->buf_len < 1024 && (len == 0 || q->buf_len < len))
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

		if (q == NULL)
			continue;
		if (q->buf_len < 1024)
			q->buf_len = small;
		nb = igb_rx_nb_bufs(q, mtu);
		scatter |= nb > 1;
		if (nb <= q->nb_desc - 2)
			continue;
		IGB_INIT_LOG(ERR, hw, "rx queue %u: a frame of MTU %u takes %u buffers of %u bytes, "
			"more than %u descriptors can hold: use larger buffers or more descriptors",
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
		(IGB_RXD_PTYPE_IPV6 | IGB_RXD_PTYPE_IPV6_EXT) << IGB_RXD_PTYPE_SHIFT : 0;
	while (q->posted < q->nb_desc - 1) {
		const uint16_t n = RTE_MIN(q->free_thresh,
			(uint16_t)(q->nb_desc - 1 - q->posted));

		ret = igb_rx_post(q, n);
		if (ret != 0) {
			if (ret == -ENOMEM) /* igb_rx_post() has logged a refused mapping */
				IGB_INIT_LOG(ERR, hw, "rx queue %u: pool '%s' has mbufs for %u of "
					"%u descriptors", queue_id, q->pool->name, q->posted,
					q->nb_desc - 1);
			igb_rx_ring_empty(q);
			return ret;
		}
	}
	if (gantry_dma_debug_on(q->dma))
		gantry_dma_debug_context(0, 0, 0);

	igb_wr(hw, IGB_RDBAL(queue_id), (uint32_t)q->ring_addr);
	igb_wr(hw, IGB_RDBAH(queue_id), (uint32_t)(q->ring_addr >> 32));
	igb_wr(hw, IGB_RDLEN(queue_id), q->ring_size);
	igb_wr(hw, IGB_SRRCTL(queue_id), IGB_SRRCTL_DESCTYPE_ADV_ONE |
		(q->conf.rx_drop_en ? IGB_SRRCTL_DROP_EN : 0) |
		q->buf_len >> IGB_SRRCTL_BSIZEPKT_SHIFT);
	igb_wr(hw, IGB_RDH(queue_id), 0);
	igb_wr(hw, IGB_RDT(queue_id), 0);
	ret = igb_queue_enable(hw, "rx", queue_id, IGB_RXDCTL(queue_id),
		(uint32_t)q->conf.rx_thresh.pthresh << IGB_DCTL_PTHRESH_SHIFT |
		(uint32_t)q->conf.rx_thresh.hthresh << IGB_DCTL_HTHRESH_SHIFT |
		(uint32_t)q->conf.rx_thresh.wthresh << IGB_DCTL_WTHRESH_SHIFT);
	if (ret != 0) {
		q->stuck = !igb_queue_disable(hw, "rx", queue_id, IGB_RXDCTL(queue_id));
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

	if (dev->data->rx_queue_state[queue_id] == RTE_ETH_QUEUE_STATE_STOPPED)
		return 0;
	dev->data->rx_queue_state[queue_id] = RTE_ETH_QUEUE_STATE_STOPPED;
	/* A thread that still polls finds nothing, and posts nothing. */
	q->free_thresh = UINT16_MAX;
	q->stuck = !igb_queue_disable(igb_hw_of(dev), "rx", queue_id, IGB_RXDCTL(queue_id));
	if (q->stuck)
		return -EIO;
	igb_rx_ring_empty(q);
	return 0;
}

int
igb_tx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_tx_queue *q = dev->data->tx_queues[queue_id];
	struct igb_hw *hw = igb_hw_of(dev);
	int ret;

	if (q->stuck)
		return -EIO;
	memset(q->ring, 0, q->ring_size);
	/* No valid context is all ones, so none matches. */
	memset(q->ctx, 0xFF, sizeof(q->ctx));
	q->tail = q->clean = q->group = q->since_rs = q->ctx_next = 0;
	q->nb_free = q->nb_desc - 1;
	q->promise.pool = NULL;

	igb_wr(hw, IGB_TDBAL(queue_id), (uint32_t)q->ring_addr);
	igb_wr(hw, IGB_TDBAH(queue_id), (uint32_t)(q->ring_addr >> 32));
	igb_wr(hw, IGB_TDLEN(queue_id), q->ring_size);
	igb_wr(hw, IGB_TDH(queue_id), 0);
	igb_wr(hw, IGB_TDT(queue_id), 0);
	ret = igb_queue_enable(hw, "tx", queue_id, IGB_TXDCTL(queue_id),
		(uint32_t)q->conf.tx_thresh.pthresh << IGB_DCTL_PTHRESH_SHIFT |
		(uint32_t)q->conf.tx_thresh.hthresh << IGB_DCTL_HTHRESH_SHIFT |
		(uint32_t)q->conf.tx_thresh.wthresh << IGB_DCTL_WTHRESH_SHIFT);
	if (ret != 0) {
		q->stuck = !igb_queue_disable(hw, "tx", queue_id, IGB_TXDCTL(queue_id));
		return ret;
	}
	dev->data->tx_queue_state[queue_id] = RTE_ETH_QUEUE_STATE_STARTED;
	return 0;
}

/* Counts the packets in the ring that a stopped queue has not sent. */
static uint16_t
igb_tx_unsent(const struct igb_tx_queue *q, uint32_t head)
{
	uint16_t at = q->clean, packets = 0;

	while (at != q->group && __atomic_load_n(&q->ring[q->sw[at].last].wb.status,
			__ATOMIC_RELAXED) & rte_cpu_to_le_32(IGB_TXD_STAT_DD))
		at = (q->sw[at].last + 1) % q->nb_desc;
	/* A group without DD may be partly sent. The head of a lost device is meaningless. */
	if (head < q->nb_desc && (head + q->nb_desc - at) % q->nb_desc <=
			(uint32_t)(q->group + q->nb_desc - at) % q->nb_desc)
		at = head;
	for (; at != q->group; at = (at + 1) % q->nb_desc)
		packets += q->sw[at].mbuf != NULL && q->sw[at].eop;
	return packets;
}

int
igb_tx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_tx_queue *q = dev->data->tx_queues[queue_id];
	struct igb_hw *hw = igb_hw_of(dev);

	if (dev->data->tx_queue_state[queue_id] == RTE_ETH_QUEUE_STATE_STOPPED)
		return 0;
	dev->data->tx_queue_state[queue_id] = RTE_ETH_QUEUE_STATE_STOPPED;
	q->stuck = !igb_queue_disable(hw, "tx", queue_id, IGB_TXDCTL(queue_id));
	q->stats->now.errors += igb_tx_unsent(q, igb_rd(hw, IGB_TDH(queue_id)));
	q->tail = q->clean = q->group;
	q->nb_free = 0; /* until the queue starts again */
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

int
igb_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_burst_mode *mode)
{
	snprintf(mode->info, sizeof(mode->info), "Scalar");
	return 0;
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
igb_rxtx_start(struct rte_eth_dev *dev)
{
	const uint16_t small = igb_rx_small_buf_len(dev);
	struct igb_hw *hw = igb_hw_of(dev);
	uint16_t i;
	int ret;

	igb_rx_config(dev);
	/* Collision threshold as 8.12.1 recommends. Transmitter before its queues (4.5.10). */
	igb_set(hw, IGB_TCTL, IGB_TCTL_EN | IGB_TCTL_PSP | IGB_TCTL_RTLC |
		15u << IGB_TCTL_CT_SHIFT, IGB_TCTL_CT_MASK);
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
	igb_set(hw, IGB_RCTL, IGB_RCTL_BAM | IGB_RCTL_SECRC | IGB_RCTL_LPE |
		(dev->data->dev_conf.lpbk_mode != 0 ? IGB_RCTL_LBM_MAC : 0) |
		(small == 0 ? IGB_RCTL_BSIZE_2048 : small == 512 ? IGB_RCTL_BSIZE_512 :
		IGB_RCTL_BSIZE_256),
		IGB_RCTL_SBP | IGB_RCTL_LBM_MASK | IGB_RCTL_BSIZE_MASK);
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

/*
 * Handles queues that did not stop. If the device is alive, a reset also ends their DMA. If that
 * fails, they keep their memory, even beyond close, so that the next user of a buffer never finds
 * a late frame in it.
 */
static void
igb_unstick(struct rte_eth_dev *dev)
{
	unsigned int rings = 0, mbufs = 0;
	struct igb_hw *hw = igb_hw_of(dev);
	uint16_t i, k;

	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		const struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (q == NULL || !q->stuck)
			continue;
		rings++;
		mbufs += q->posted;
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++) {
		const struct igb_tx_queue *q = dev->data->tx_queues[i];

		if (q == NULL || !q->stuck)
			continue;
		rings++;
		for (k = 0; k < q->nb_desc; k++)
			mbufs += q->sw[k].mbuf != NULL;
	}
	if (rings == 0)
		return;
	igb_stats_update(dev); /* the reset would clear the statistics */
	if (igb_hw_alive(hw) ? igb_hw_reset(hw) != 0 : !hw->bus->quiesced(hw->bus_dev)) {
		IGB_DRV_LOG(WARNING, hw, "the device has not let go of memory and may yet write to "
			"it: %u rings and %u mbufs are not given back", rings, mbufs);
		return;
	}
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (q != NULL && q->stuck) {
			q->stuck = false;
			igb_rx_ring_empty(q);
		}
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++) {
		struct igb_tx_queue *q = dev->data->tx_queues[i];

		if (q != NULL && q->stuck) {
			q->stuck = false;
			igb_tx_ring_empty(q);
		}
	}
	IGB_DRV_LOG(NOTICE, hw, "the device has let go after all: %u rings and %u mbufs are free",
		rings, mbufs);
}

void
igb_rxtx_stop(struct rte_eth_dev *dev)
{
	struct igb_hw *hw = igb_hw_of(dev);
	uint16_t i;

	if (igb_hw_alive(hw))
		igb_set(hw, IGB_RCTL, 0, IGB_RCTL_RXEN);
	for (i = 0; i < dev->data->nb_rx_queues; i++)
		if (dev->data->rx_queues[i] != NULL)
			igb_rx_queue_stop(dev, i);
	for (i = 0; i < dev->data->nb_tx_queues; i++)
		if (dev->data->tx_queues[i] != NULL)
			igb_tx_queue_stop(dev, i);
	if (igb_hw_alive(hw))
		igb_set(hw, IGB_TCTL, 0, IGB_TCTL_EN);
	igb_unstick(dev);
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

void
igb_rxtx_select(struct rte_eth_dev *dev)
{
	const bool debug = gantry_dma_debug_on(igb_adapter_of(dev)->dma);

	dev->rx_pkt_burst = debug ? igb_recv_pkts_debug : igb_recv_pkts;
	dev->tx_pkt_burst = debug ? igb_xmit_pkts_debug : igb_xmit_pkts;
	dev->tx_pkt_prepare = igb_prep_pkts;
	dev->rx_queue_count = igb_rx_queue_count;
	dev->rx_descriptor_status = igb_rx_descriptor_status;
	dev->tx_descriptor_status = igb_tx_descriptor_status;
}
