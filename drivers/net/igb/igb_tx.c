/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Transmit: descriptors, contexts, bursts. The theory of rings, head, tail and DD is in
 * igb_ethdev.c.
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
 * igb_tx_burst(), which all burst functions call, reclaims as soon as IGB_TX_MAX_IN_USE descriptors
 * are in use (three quarters of the ring, if that is less), or earlier if tx_free_thresh requires
 * it. Buffers that return soon are still in the cache when the device receives into them again; a
 * whole ring of buffers is more than a cache holds.
 *
 * Plain packets
 *
 * Most packets have one segment, and request no offload, or the same as the last packet that
 * requested any: their descriptors differ in address and length only. In direct mode without the
 * debug layer, where a mapping is an addition and needs no unmap, igb_tx_run() sends such packets
 * in a row with hardly more than the stores, and a group of nothing but plain packets is freed in
 * one operation. igb_tx_packet() sends all others, and every packet in the other modes and under
 * the debug layer. igb_tx_avx2.c writes whole lines of plain packets, and leaves the rest to
 * igb_tx_write_plain().
 *
 * The device holds the lines of the ring that it has read. The driver requests ownership of a line
 * some time before it writes to it (igb_request_line()).
 */

#include <errno.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_io.h>
#include <rte_lcore.h>
#include <rte_net.h>

#include "igb_rxtx.h"
#include "uninitialized.h"

/* Offload requests that the transmit path supports. */
#define TX_CONTEXT_FLAGS \
	(RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK | \
			RTE_MBUF_F_TX_TCP_SEG)
#define TX_KNOWN_FLAGS (TX_CONTEXT_FLAGS | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6)

/* Buffers that are returned to their mempool in one operation, at most. */
#define FREE_BATCH 64

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

/* Free the mbufs of n descriptors from q->clean on, all of them of plain packets. */
static inline void
igb_tx_free_plain(struct igb_tx_queue *q, uint16_t n, struct free_batch *batch)
{
	while (n != 0) {
		struct rte_mbuf **m = &q->sw_mbuf[q->clean];
		const uint16_t part = RTE_MIN(n, (uint16_t)(q->nb_desc - q->clean));
		uint16_t i;

		if (q->fast_free) {
			/* The application promised one reference to each mbuf, and one pool. */
			rte_mempool_put_bulk(m[0]->pool, (void **)m, part);
		} else {
			for (i = 0; i < part; i++) {
				struct rte_mbuf *free = rte_pktmbuf_prefree_seg(m[i]);

				if (likely(free != NULL))
					free_batch_add(batch, free);
			}
		}
		q->clean += part;
		if (q->clean == q->nb_desc)
			q->clean = 0;
		n -= part;
	}
}

/* Free the mbufs of the descriptors from q->clean to `end`. Return the number of descriptors. */
static inline uint16_t
igb_tx_free(struct igb_tx_queue *q, uint16_t end, struct free_batch *batch)
{
	uint16_t descs = 0;

	do {
		struct rte_mbuf *m = q->sw_mbuf[q->clean];

		if (likely(m != NULL)) {
			/*
			 * Segments return unlinked, because the promise of the application
			 * (MBUF_FAST_FREE) concerns references only.
			 */
			if (!q->fast_free || q->sw[q->clean].part != IGB_TX_WHOLE)
				m = rte_pktmbuf_prefree_seg(m);
			if (likely(m != NULL))
				free_batch_add(batch, m);
			q->sw[q->clean].part = IGB_TX_WHOLE;
		}
		descs++;
		if (++q->clean == q->nb_desc)
			q->clean = 0;
	} while (q->clean != end);
	return descs;
}

/*
 * Reclaim descriptors that the device has reported, in whole groups, until at least max_desc of
 * them are reclaimed, but at most max_pkts packets: if that limit cuts a group, the rest of the
 * group forms a group. Return the number of packets.
 *
 * The unmappings of a group are gathered: in strict mode with a page table, the stores that clear
 * its entries then need one wait. "Strict" in doc/dma.md names the functions on the way.
 */
static uint32_t
igb_tx_clean(struct igb_tx_queue *q, uint32_t max_desc, uint32_t max_pkts)
{
	GANTRY_UNINITIALIZED struct gantry_dma_gather g;
	GANTRY_UNINITIALIZED struct free_batch batch;
	uint32_t descs = 0, packets = 0;

	gantry_dma_gather_init(&g, 0);
	batch.pool = NULL;
	batch.nb = 0;
	while (q->clean != q->group && descs < max_desc && packets < max_pkts) {
		const struct igb_tx_entry group = q->sw[q->clean];
		const uint16_t end = group.last + 1 == q->nb_desc ? 0 : group.last + 1;
		const uint16_t n = end > q->clean ? end - q->clean : end + q->nb_desc - q->clean;
		uint16_t at = q->clean;

		/* Acquire: the CPU must not write to the buffers before the device is done. */
		if (!(__atomic_load_n(&q->ring[group.last].wb.status, __ATOMIC_ACQUIRE) &
				    rte_cpu_to_le_32(IGB_TXD_STAT_DD)))
			break;
		if (likely(group.plain && n <= max_pkts - packets)) {
			igb_tx_free_plain(q, n, &batch);
			packets += n;
			descs += n;
			continue;
		}
		do {
			const struct igb_tx_entry *e = &q->sw[at];

			if (likely(q->sw_mbuf[at] != NULL)) {
				if (q->iova_last == 0) /* else a mapping has nothing to undo */
					gantry_dma_unmap_mbuf_gather(q->dma, q->sw_mbuf[at],
							e->addr, e->len, GANTRY_DMA_TO_DEVICE, &g);
				packets += e->part != IGB_TX_SEGMENT;
			}
			if (++at == q->nb_desc)
				at = 0;
		} while (at != end && packets < max_pkts);
		gantry_dma_unmap_gathered(q->dma, &g);
		descs += igb_tx_free(q, at, &batch);
		if (unlikely(at != end)) {
			q->sw[at].last = group.last;
			q->sw[at].plain = group.plain;
		}
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
	for (first = q->clean; first != q->group;) {
		const uint16_t last = q->sw[first].last;

		if ((at + q->nb_desc - first) % q->nb_desc <=
				(last + q->nb_desc - first) % q->nb_desc)
			return __atomic_load_n(&q->ring[last].wb.status, __ATOMIC_RELAXED) &
							rte_cpu_to_le_32(IGB_TXD_STAT_DD) ?
					RTE_ETH_TX_DESC_DONE :
					RTE_ETH_TX_DESC_FULL;
		first = (last + 1) % q->nb_desc;
	}
	return RTE_ETH_TX_DESC_FULL;
}

/* Return the context that a packet requires (7.2.2.2). */
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

/* Return the slot that holds this context; IGB_TX_CONTEXTS: none does. */
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

/* Check a segmentation request: header lengths, and the length of a segment with tag (7.2.4). */
static __rte_noinline bool
igb_tx_tso_is_bad(const struct rte_mbuf *m)
{
	const bool ipv4 = m->ol_flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4);
	const uint32_t hdr = m->l2_len + m->l3_len + m->l4_len;

	return m->pkt_len > IGB_TX_MAX_TSO || m->tso_segsz == 0 || m->l2_len < RTE_ETHER_HDR_LEN ||
			m->l4_len < sizeof(struct rte_tcp_hdr) ||
			m->l3_len <
			(ipv4 ? sizeof(struct rte_ipv4_hdr) : sizeof(struct rte_ipv6_hdr)) ||
			hdr > IGB_TX_MAX_TSO_HDR || hdr >= m->pkt_len ||
			hdr + m->tso_segsz + RTE_VLAN_HLEN > IGB_TX_MAX_FRAME;
}

/* Return the least bytes of headers that a checksum request implies; 0: there is no request. */
static inline uint32_t
igb_tx_cksum_headers(const struct rte_mbuf *m)
{
	static const uint8_t l4_min[] = {
		0,
		sizeof(struct rte_tcp_hdr),
		sizeof(struct rte_sctp_hdr),
		sizeof(struct rte_udp_hdr),
	};
	const uint64_t l4 = (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) / RTE_MBUF_F_TX_TCP_CKSUM;

	if (l4 == 0 && !(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM))
		return 0;
	return m->l2_len + m->l3_len + l4_min[l4];
}

/* Check a checksum request: headers have their minimum lengths, and fit the packet (7.2.5). */
static inline bool
igb_tx_cksum_is_bad(const struct rte_mbuf *m)
{
	if (!(m->ol_flags & (RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK)))
		return false;
	return m->l2_len < RTE_ETHER_HDR_LEN ||
			((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) &&
					m->l3_len < sizeof(struct rte_ipv4_hdr)) ||
			igb_tx_cksum_headers(m) > m->pkt_len;
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

/* Log the first packet since the queue started that no mapping allows to be sent. */
static __rte_noinline void
igb_tx_unmappable(struct igb_tx_queue *q)
{
	if (q->map_refused)
		return;
	q->map_refused = true;
	IGB_DRV_LOG(ERR, &q->adapter->hw,
			"tx queue %u: a packet is dropped, because a buffer cannot be mapped for "
			"the device: %s; oerrors counts such packets",
			q->queue_id, gantry_dma_last_error());
}

/*
 * Map the segments of a packet, for the entries from `at` on. After a failure, unmap the
 * segments that are mapped already, as the DMA API requires. Return 0; -EINVAL if the chain is
 * malformed; -EFAULT if a segment could not be mapped.
 */
static inline int
igb_tx_map(struct igb_tx_queue *q, struct rte_mbuf *m, uint16_t at)
{
	uint16_t start = at, segs = m->nb_segs;
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
		q->sw_mbuf[at] = s;
		e->len = s->data_len;
		if (unlikely(m->next != NULL))
			e->part = s->next == NULL ? IGB_TX_LAST : IGB_TX_SEGMENT;
		if (++at == q->nb_desc)
			at = 0;
	}
	if (likely(segs == 0 && left == 0))
		return 0;

undo:
	for (s = m; start != at; s = s->next) {
		gantry_dma_unmap_mbuf(q->dma, s, q->sw[start].addr, q->sw[start].len,
				GANTRY_DMA_TO_DEVICE);
		q->sw[start].part = IGB_TX_WHOLE;
		if (++start == q->nb_desc)
			start = 0;
	}
	return ret;
}

/* Make everything from q->group to the tail one group. */
static inline void
igb_tx_end_group(struct igb_tx_queue *q)
{
	const uint16_t last = (q->tail == 0 ? q->nb_desc : q->tail) - 1;

	q->ring[last].data.cmd_type_len |= rte_cpu_to_le_32(IGB_TXD_RS);
	q->sw[q->group].last = last;
	q->sw[q->group].plain = q->plain;
	q->plain = true;
	q->group = q->tail;
	q->since_rs = 0;
}

/* Move the tail over `descs` new descriptors. */
static inline void
igb_tx_advance(struct igb_tx_queue *q, uint16_t descs)
{
	q->tail += descs;
	if (q->tail >= q->nb_desc)
		q->tail -= q->nb_desc;
	q->nb_free -= descs;
	q->since_rs += descs;
	if (q->since_rs >= q->rs_thresh)
		igb_tx_end_group(q);
}

void
igb_tx_kinds_init(struct igb_tx_queue *q)
{
	/* kinds[1] matches no packet, as its max_len is 0. */
	memset(q->kinds, 0, sizeof(q->kinds));
	q->kinds[0].flags_mask = TX_CONTEXT_FLAGS;
	q->kinds[0].min_len = IGB_TX_MIN_FRAME;
	q->kinds[0].max_len = IGB_TX_MAX_FRAME;
	q->kinds[0].cmd = IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | IGB_TXD_IFCS | IGB_TXD_EOP;
}

/*
 * Make the packets plain whose context and offloads equal those of m, a good packet. Its context
 * must remain in the device as long as kinds[1] matches packets.
 */
static inline void
igb_tx_kind_learn(struct igb_tx_queue *q, const struct rte_mbuf *m, uint32_t cmd, uint32_t olinfo)
{
	const uint64_t cksum = RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK;
	const bool tag = m->ol_flags & RTE_MBUF_F_TX_VLAN;
	struct igb_tx_plain *k = &q->kinds[1];

	k->flags_mask = TX_CONTEXT_FLAGS | RTE_MBUF_F_TX_IPV4;
	k->flags = m->ol_flags & k->flags_mask;
	k->offload_mask = m->ol_flags & cksum ?
			RTE_LEN2MASK(RTE_MBUF_L2_LEN_BITS, uint64_t) << RTE_MBUF_L2_LEN_OFS |
					RTE_LEN2MASK(RTE_MBUF_L3_LEN_BITS, uint64_t)
							<< RTE_MBUF_L3_LEN_OFS :
			0;
	k->offload = m->tx_offload & k->offload_mask;
	k->vlan_mask = tag ? UINT16_MAX : 0;
	k->vlan = m->vlan_tci & k->vlan_mask;
	k->min_len = RTE_MAX((uint32_t)IGB_TX_MIN_FRAME, igb_tx_cksum_headers(m));
	k->max_len = IGB_TX_MAX_FRAME - (tag ? RTE_VLAN_HLEN : 0);
	k->cmd = cmd | IGB_TXD_EOP;
	k->olinfo = olinfo;
}

static inline bool
igb_tx_is_plain(const struct igb_tx_queue *q, const struct igb_tx_plain *k,
		const struct rte_mbuf *m)
{
	/* tx_offload and next are in another cache line: read last, and only if they matter. */
	return m->nb_segs == 1 && m->data_len == m->pkt_len &&
			((m->ol_flags ^ k->flags) & k->flags_mask) == 0 &&
			((m->vlan_tci ^ k->vlan) & k->vlan_mask) == 0 && m->pkt_len >= k->min_len &&
			m->pkt_len <= k->max_len && rte_mbuf_iova_get(m) <= q->iova_last &&
			(k->offload_mask == 0 ||
					((m->tx_offload ^ k->offload) & k->offload_mask) == 0) &&
			(q->no_chains || m->next == NULL);
}

uint16_t
igb_tx_write_plain(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts, uint16_t n,
		uint64_t *bytes)
{
	uint64_t sum = 0;
	uint16_t i;

	for (i = 0; i < n; i++, at++) {
		struct rte_mbuf *m = pkts[i];
		const struct igb_tx_plain *k = &q->kinds[(m->ol_flags & TX_CONTEXT_FLAGS) != 0];

		if (unlikely(!igb_tx_is_plain(q, k, m)))
			break;
		q->sw_mbuf[at] = m;
		/* The address that gantry_dma_map_mbuf() would return: gantry_dma_mbuf_last(). */
		igb_tx_write(&q->ring[at], rte_mbuf_iova_get(m) + m->data_off, k->cmd | m->data_len,
				k->olinfo | m->pkt_len << IGB_TXD_PAYLEN_SHIFT);
		sum += m->pkt_len;
	}
	*bytes += sum;
	return i;
}

/* Send plain packets up to the end of the group or of the ring. Return their number. */
static inline uint16_t
igb_tx_run(struct igb_tx_queue *q, struct rte_mbuf **pkts, uint16_t nb, igb_tx_write_t *write,
		uint64_t *bytes)
{
	uint16_t i, n, at;

	if (q->iova_last == 0)
		return 0;
	if (unlikely(q->nb_free == 0))
		igb_tx_clean(q, FREE_BATCH, UINT32_MAX);
	n = RTE_MIN(RTE_MIN(nb, q->nb_free),
			RTE_MIN((uint16_t)(q->rs_thresh - q->since_rs),
					(uint16_t)(q->nb_desc - q->tail)));
	n = write(q, q->tail, pkts, n, bytes);
	if (q->ahead != 0) {
		for (i = 0; i < n; i += IGB_LINE_DESC) {
			at = q->tail + q->ahead + i;
			igb_request_line(&q->ring[at < q->nb_desc ? at : at - q->nb_desc]);
		}
	}
	if (n != 0)
		igb_tx_advance(q, n);
	return n;
}

/*
 * Send a packet of any kind. Return 1; 0 if the packet is bad, and has been dropped; -1 if it
 * must wait, because the ring is full or the mode is short of addresses or buffers.
 */
static inline int
igb_tx_packet(struct igb_tx_queue *q, struct rte_mbuf *m, uint64_t *bytes)
{
	const uint64_t flags = m->ol_flags & TX_CONTEXT_FLAGS;
	uint32_t cmd = IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | IGB_TXD_IFCS, olinfo = 0, payload;
	struct igb_tx_context ctx = { 0, 0 };
	unsigned int slot = 0;
	bool new_ctx = false;
	struct rte_mbuf *s;
	uint16_t need, at;
	int ret;

	/* 1. Check the packet. */
	if (unlikely(igb_tx_is_bad(q, m)))
		goto drop;
	/* 2. Find the context of its offloads, and room for its descriptors. */
	if (flags != 0) {
		ctx = igb_tx_context(m, m->ol_flags);
		slot = igb_tx_context_find(q, &ctx);
		new_ctx = slot == IGB_TX_CONTEXTS;
	}
	need = m->nb_segs + new_ctx;
	if (unlikely(need > q->nb_free)) {
		igb_tx_clean(q, RTE_MAX(need, FREE_BATCH), UINT32_MAX);
		if (need > q->nb_free)
			return -1;
	}

	/* 3. Map its segments, behind the place of a new context. */
	at = q->tail + new_ctx;
	if (at >= q->nb_desc)
		at -= q->nb_desc;
	ret = igb_tx_map(q, m, at);
	if (unlikely(ret != 0)) {
		/*
		 * A mode may be out of addresses, or of buffers. If packets are in flight, they
		 * bring some back, and the application may retry. If none is, the packet is lost.
		 */
		if (ret == -EFAULT && q->clean != q->tail) {
			igb_tx_clean(q, FREE_BATCH, UINT32_MAX);
			return -1;
		}
		if (ret == -EFAULT)
			igb_tx_unmappable(q);
		goto drop;
	}

	/* 4. Write the context descriptor if it is new, and request the offloads. */
	payload = m->pkt_len;
	if (flags != 0) {
		if (new_ctx) {
			slot = q->ctx_next;
			q->ctx_next = (slot + 1) % IGB_TX_CONTEXTS;
			q->ctx[slot] = ctx;
			q->kinds[1].max_len = 0; /* its context may have been in this slot */
			q->sw_mbuf[q->tail] = NULL;
			igb_tx_write(&q->ring[q->tail], (uint32_t)ctx.lens_vlan, ctx.type_mss >> 32,
					(uint32_t)ctx.type_mss | slot << IGB_TXD_IDX_SHIFT);
		}
		olinfo = slot << IGB_TXD_IDX_SHIFT;
		if (flags & RTE_MBUF_F_TX_VLAN)
			cmd |= IGB_TXD_VLE;
		if (flags & RTE_MBUF_F_TX_IP_CKSUM)
			olinfo |= IGB_TXD_POPTS_IXSM;
		if (flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG))
			olinfo |= IGB_TXD_POPTS_TXSM;
		if (flags & RTE_MBUF_F_TX_TCP_SEG) {
			cmd |= IGB_TXD_TSE;
			/* PAYLEN counts only the TCP payload in this case (7.2.2.3.11). */
			payload -= m->l2_len + m->l3_len + m->l4_len;
		} else {
			igb_tx_kind_learn(q, m, cmd, olinfo);
		}
	}

	/* 5. Write one data descriptor per segment. */
	olinfo |= payload << IGB_TXD_PAYLEN_SHIFT;
	*bytes += m->pkt_len;
	for (s = m; s != NULL; s = s->next) {
		igb_tx_write(&q->ring[at], q->sw[at].addr,
				cmd | s->data_len | (s->next == NULL ? IGB_TXD_EOP : 0), olinfo);
		if (++at == q->nb_desc)
			at = 0;
	}
	q->plain = false;
	igb_tx_advance(q, need);
	return 1;

drop:
	rte_pktmbuf_free(m);
	q->stats->now.errors++;
	return 0;
}

uint16_t
igb_tx_burst(struct igb_tx_queue *q, struct rte_mbuf **pkts, uint16_t nb, igb_tx_write_t *write)
{
	const uint16_t before = q->tail;
	uint16_t nb_tx = 0, n;
	uint64_t bytes = 0;
	uint32_t sent = 0;
	int ret;

	/* An empty burst is a request to release buffers. */
	if (q->nb_free < q->free_thresh || nb == 0)
		igb_tx_clean(q, FREE_BATCH, UINT32_MAX);
	while (nb_tx < nb) {
		n = igb_tx_run(q, &pkts[nb_tx], nb - nb_tx, write, &bytes);
		nb_tx += n;
		sent += n;
		if (likely(n != 0))
			continue;
		ret = igb_tx_packet(q, pkts[nb_tx], &bytes);
		if (ret < 0)
			break;
		nb_tx++;
		sent += ret;
	}
	/* End the last group, and ring the doorbell. */
	/* A device that reports descriptors too early lets the tail go around the ring. */
	if (q->tail != before || unlikely(sent != 0)) {
		if (q->since_rs != 0)
			igb_tx_end_group(q);
		q->stats->now.packets += sent;
		q->stats->now.bytes += bytes;
		rte_write32(q->tail, q->tdt); /* ordered after the writes to the ring */
	}
	return nb_tx;
}

uint16_t
igb_xmit_pkts(void *txq, struct rte_mbuf **pkts, uint16_t nb)
{
	return igb_tx_burst(txq, pkts, nb, igb_tx_write_plain);
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

void
igb_tx_halt(struct igb_tx_queue *q)
{
	uint16_t i = (q->group + q->nb_desc - q->clean) % q->nb_desc;

	for (; i < q->nb_desc; i++)
		q->sw_mbuf[(q->clean + i) % q->nb_desc] = NULL;
	q->tail = q->clean = q->group;
	q->nb_free = 0;
}

void
igb_tx_ring_empty(struct igb_tx_queue *q)
{
	uint16_t i;

	for (i = 0; i < q->nb_desc; i++) {
		struct rte_mbuf *m = q->sw_mbuf[i];

		if (m == NULL)
			continue;
		if (q->iova_last == 0)
			gantry_dma_unmap_mbuf(q->dma, m, q->sw[i].addr, q->sw[i].len,
					GANTRY_DMA_TO_DEVICE);
		rte_pktmbuf_free_seg(m);
		q->sw_mbuf[i] = NULL;
		q->sw[i].part = IGB_TX_WHOLE;
	}
}

uint16_t
igb_tx_unsent(const struct igb_tx_queue *q, uint32_t head)
{
	uint16_t at = q->clean, packets = 0;

	while (at != q->group &&
			__atomic_load_n(&q->ring[q->sw[at].last].wb.status, __ATOMIC_RELAXED) &
					rte_cpu_to_le_32(IGB_TXD_STAT_DD))
		at = (q->sw[at].last + 1) % q->nb_desc;
	/* A group without DD may be partly sent. The head of a lost device is meaningless. */
	if (head < q->nb_desc &&
			(head + q->nb_desc - at) % q->nb_desc <=
					(uint32_t)(q->group + q->nb_desc - at) % q->nb_desc)
		at = head;
	for (; at != q->group; at = (at + 1) % q->nb_desc)
		packets += q->sw_mbuf[at] != NULL && q->sw[at].part != IGB_TX_SEGMENT;
	return packets;
}
