/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Receive: rings, buffers, bursts. The theory of rings, head, tail and DD is in igb_ethdev.c.
 *
 * Every descriptor that the device owns points to a free mbuf. In the order of the ring:
 *
 *      next              fill
 *        v                 v
 *   ----[#################]----------     # the device owns it: "posted" descriptors
 *
 * igb_rx_take() takes filled buffers at next. When more than free_thresh descriptors are empty,
 * igb_rx_refill() gets that many mbufs in one operation, posts them at fill and rings the doorbell.
 * The condition is "more than" so that bursts of exactly free_thresh packets share a doorbell,
 * which is by far the most expensive step where it leaves a virtual machine.
 *
 * One descriptor always stays empty, because head == tail means an empty ring. If the mempool is
 * empty, the only consequence is dropped frames: the ring drains, and the driver fills it again
 * when the pool has mbufs. Each descriptor that a failed attempt leaves empty counts once as
 * rx_nombuf, until it gets an mbuf.
 *
 * A frame that is longer than a buffer takes several (scattered receive), and arrives as a chain
 * of mbufs. igb_rx_fit() enables this by itself.
 *
 * Cache lines
 *
 * The device and the driver write the same lines of the ring in turns. A line whose last
 * descriptor the driver has read is written next by the driver, which therefore requests ownership
 * of the line at that moment, well before igb_rx_post() stores to it.
 *
 * Trust
 *
 * The driver does not trust the device. It reads DD, status, length and tag in a single load, so
 * they cannot change between check and use. A frame whose length exceeds its buffer is dropped.
 * The driver never uses an index from the device.
 */

#include <errno.h>

#include <rte_byteorder.h>
#include <rte_io.h>
#include <rte_lcore.h>
#include <rte_prefetch.h>

#include "igb_rxtx.h"
#include "uninitialized.h"

static uint32_t ptype_table[IGB_RXD_PTYPE_MASK + 1];

void
igb_rx_init(void)
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
/* clang-format off */
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
/* clang-format on */

/* Log the first refused mapping since the queue started. rx_nombuf counts the others. */
static __rte_noinline void
igb_rx_unmappable(struct igb_rx_queue *q)
{
	if (q->map_refused)
		return;
	q->map_refused = true;
	IGB_DRV_LOG(ERR, &q->adapter->hw,
			"rx queue %u: a buffer of pool '%s' cannot be mapped for "
			"the device: %s",
			q->queue_id, q->pool->name, gantry_dma_last_error());
}

/*
 * Take a buffer back from the device. The ownership of a whole burst changes when
 * gantry_dma_unmap_gathered() returns. The device may have written anywhere in the buffer, but
 * only the first len bytes are valid, and a mode that copies copies only those.
 */
static inline void
igb_rx_unmap(struct igb_rx_queue *q, uint16_t at, uint16_t len, struct gantry_dma_gather *g)
{
	if (likely(len != 0))
		gantry_dma_sync_single_for_cpu(q->dma, q->sw_addr[at], len, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf_gather(q->dma, q->sw_mbuf[at], q->sw_addr[at], q->buf_len,
			GANTRY_DMA_FROM_DEVICE, g);
}

uint16_t
igb_rx_write(struct igb_rx_queue *q, uint16_t at, uint16_t n)
{
	struct rte_mbuf **mbufs = &q->sw_mbuf[at];
	gantry_dma_addr_t *addrs = &q->sw_addr[at];
	union igb_rx_desc *d = &q->ring[at];
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (gantry_dma_debug_on(q->dma))
			gantry_dma_debug_context('r', q->queue_id, at + i);
		addrs[i] = gantry_dma_map_mbuf_attrs(q->dma, mbufs[i], RTE_PKTMBUF_HEADROOM,
				q->buf_len, GANTRY_DMA_FROM_DEVICE, GANTRY_DMA_ATTR_SKIP_CPU_SYNC);
		if (unlikely(gantry_dma_mapping_error(q->dma, addrs[i]))) {
			/* Those that are mapped are posted; the others return to the pool. */
			rte_mempool_put_bulk(q->pool, (void **)&mbufs[i], n - i);
			igb_rx_unmappable(q);
			break;
		}
		d[i].read.pkt_addr = rte_cpu_to_le_64(addrs[i]);
		d[i].read.hdr_addr = 0; /* clears DD */
	}
	return i;
}

void
igb_rx_posted(struct igb_rx_queue *q, uint16_t n)
{
	q->posted += n;
	q->missing -= RTE_MIN(q->missing, n);
	q->fill += n;
	if (q->fill == q->nb_desc)
		q->fill = 0;
}

/*
 * Post n mbufs at q->fill. They must not reach beyond the end of the ring. Return 0; -ENOMEM if
 * the pool has fewer than n mbufs; -EFAULT if none could be mapped.
 */
static inline int
igb_rx_post(struct igb_rx_queue *q, uint16_t n, igb_rx_write_t *write)
{
	if (unlikely(rte_mempool_get_bulk(q->pool, (void **)&q->sw_mbuf[q->fill], n) != 0))
		return -ENOMEM;
	n = write(q, q->fill, n);
	igb_rx_posted(q, n);
	return n == 0 ? -EFAULT : 0;
}

/* Count the descriptors that stay empty and have not been counted before. */
static __rte_noinline void
igb_rx_count_missing(struct igb_rx_queue *q)
{
	const uint16_t empty = q->nb_desc - 1 - q->posted;

	if (empty <= q->missing)
		return;
	q->stats->now.nombuf += empty - q->missing;
	q->missing = empty;
}

void
igb_rx_refill(struct igb_rx_queue *q, igb_rx_write_t *write)
{
	/* One load: another thread changes it with the MTU, and when it stops the queue. */
	const uint16_t thresh = __atomic_load_n(&q->free_thresh, __ATOMIC_RELAXED);
	const uint16_t before = q->fill;

	if (q->nb_desc - 1 - q->posted <= thresh)
		return;
	while (q->nb_desc - 1 - q->posted >= thresh) {
		const uint16_t n = RTE_MIN(thresh, (uint16_t)(q->nb_desc - q->fill));

		/* If fewer mbufs than that are in circulation, single ones keep the ring alive. */
		if (unlikely(igb_rx_post(q, n, write) != 0) &&
				(q->posted != 0 || igb_rx_post(q, 1, write) != 0)) {
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
 * Drop a descriptor that is not part of a good frame: free its buffer, and the earlier buffers
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
igb_rx_take(struct igb_rx_queue *q, struct rte_mbuf **pkts, uint16_t nb)
{
	uint16_t next = q->next, posted = q->posted, nb_rx = 0;
	GANTRY_UNINITIALIZED struct gantry_dma_gather g;
	uint64_t bytes = 0;

	gantry_dma_gather_init(&g, GANTRY_DMA_ATTR_SKIP_CPU_SYNC);

	while (nb_rx < nb && posted != 0) {
		/* 1. Collect finished descriptors: those that have DD. */
		union igb_rx_desc *d = &q->ring[next];
		/* Acquire: the CPU must not read descriptor or data before DD. */
		const uint64_t qw1 = rte_le_to_cpu_64(__atomic_load_n(&d->qw[1], __ATOMIC_ACQUIRE));
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
		if (q->iova_last == 0) /* else a mapping has nothing to undo */
			igb_rx_unmap(q, next, bad ? 0 : len, &g);
		posted--;
		if (++next == q->nb_desc)
			next = 0;
		rte_prefetch0(q->sw_mbuf[next]);
		if (next % IGB_LINE_DESC == 0)
			igb_request_line(d);

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
		head->packet_type = ptype_table[(info >> IGB_RXD_PTYPE_SHIFT) & IGB_RXD_PTYPE_MASK];
		flags = rx_cksum_flags[((info & q->ipv6_mask) != 0) << 4 | (staterr >> 27 & 0xC) |
				(staterr >> 5 & 3)];
		head->hash.rss = rte_le_to_cpu_32(d->wb.rss);
		head->vlan_tci = (uint16_t)(qw1 >> 48);
		if (info & IGB_RXD_RSSTYPE_MASK)
			flags |= RTE_MBUF_F_RX_RSS_HASH;
		if (staterr & IGB_RXD_STAT_VP)
			flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
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
	return nb_rx;
}

uint16_t
igb_recv_pkts(void *rxq, struct rte_mbuf **pkts, uint16_t nb)
{
	const uint16_t nb_rx = igb_rx_take(rxq, pkts, nb);

	/* 6. Post new buffers, and ring the doorbell. */
	igb_rx_refill(rxq, igb_rx_write);
	return nb_rx;
}

gantry_rx_queue_count_t
igb_rx_queue_count(void *rxq)
{
	const struct igb_rx_queue *q = rxq;
	uint16_t low = 0, high = q->posted;

	/*
	 * The device sets DD in order, so bisection finds the boundary. An exception: gantry-nic
	 * writes the descriptors of its bursts back from the last to the first. While DD of the
	 * next descriptor is clear, the driver can receive no frame, and the count is 0.
	 */
	if (high == 0 ||
			!(__atomic_load_n(&q->ring[q->next].wb.staterr, __ATOMIC_RELAXED) &
					rte_cpu_to_le_32(IGB_RXD_STAT_DD)))
		return 0;
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
			    __ATOMIC_RELAXED) &
			rte_cpu_to_le_32(IGB_RXD_STAT_DD))
		return RTE_ETH_RX_DESC_DONE;
	return RTE_ETH_RX_DESC_AVAIL;
}

uint64_t
igb_rx_mbuf_init(uint16_t port_id)
{
	struct rte_mbuf init = { .nb_segs = 1, .data_off = RTE_PKTMBUF_HEADROOM, .port = port_id };

	rte_mbuf_refcnt_set(&init, 1);
	return *igb_rearm_data(&init);
}

int
igb_rx_fill(struct igb_rx_queue *q)
{
	int ret;

	while (q->posted < q->nb_desc - 1) {
		const uint16_t n = RTE_MIN(q->free_thresh, (uint16_t)(q->nb_desc - 1 - q->posted));

		ret = igb_rx_post(q, n, igb_rx_write);
		if (ret != 0)
			return ret;
	}
	if (gantry_dma_debug_on(q->dma))
		gantry_dma_debug_context(0, 0, 0);
	return 0;
}

void
igb_rx_ring_empty(struct igb_rx_queue *q)
{
	struct gantry_dma_gather g;

	gantry_dma_gather_init(&g, GANTRY_DMA_ATTR_SKIP_CPU_SYNC);
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
