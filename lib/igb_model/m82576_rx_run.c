/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Runs of plain frames, which most frames are: untagged, good, in one buffer of queue 0, with
 * nothing to compute but their packet type. A run does what receive() (m82576_rx.c) does with each
 * of its frames, with a third of the instructions, because it decides once what is the same for all
 * of them. It ends before the first frame that is not plain, and where a limit needs attention:
 * descriptors to fetch, write-backs to write, a buffer without a pointer, memory that was
 * truncated. receive() then takes the next frame. The numbers in the code are those of LIFE OF A
 * RECEIVED FRAME in m82576.c.
 */

#include "m82576_rx.h"
#include "m82576_rx_filter.h"

#define MAX_FRAME (IGB_MAX_FRAME - M82576_FCS_LEN)

/* Offsets in an untagged frame of IPv4 without options. */
#define AT_TYPE  12
#define AT_IP    14
#define AT_TOTAL (AT_IP + 2)
#define AT_FRAG  (AT_IP + 6)
#define AT_PROTO (AT_IP + 9)
#define AT_L4    (AT_IP + 20)

/*
 * Return the packet type as m82576_parse() finds it. Negative: the frame is not plain. That
 * includes headers that are rare or wrong.
 */
static inline int
plain_type(const uint8_t *p, uint32_t len, uint16_t vet)
{
	const uint16_t type = m82576_be16(p + AT_TYPE);
	uint32_t least = 20, total;
	int ptype = IGB_RXD_PTYPE_IPV4;

	if (type == vet || type == M82576_ETH_IPV6)
		return -1;
	if (type != M82576_ETH_IPV4)
		return 0;
	if (p[AT_IP] != 0x45 || m82576_be16(p + AT_FRAG) & 0x3FFF)
		return -1;
	if (p[AT_PROTO] == M82576_IP_UDP) {
		ptype |= IGB_RXD_PTYPE_UDP;
		least += 8;
	} else if (p[AT_PROTO] == M82576_IP_TCP) {
		ptype |= IGB_RXD_PTYPE_TCP;
		least += (p[AT_L4 + 12] >> 4) * 4;
		if (least < 40)
			return -1;
	} else {
		return -1;
	}
	total = m82576_be16(p + AT_TOTAL);
	return total >= least && AT_IP + total <= len ? ptype : -1;
}

uint32_t
m82576_rx_run_max(const struct m82576 *m, const struct m82576_rx_burst *b)
{
	uint32_t max = M82576_MAX_STD_FRAME;

	if (b->rss || !(b->rctl & IGB_RCTL_SECRC) || !(b->rxcsum & IGB_RXCSUM_PCSD) ||
			b->rxcsum & (IGB_RXCSUM_IPOFL | IGB_RXCSUM_TUOFL | IGB_RXCSUM_CRCOFL) ||
			m82576_reg(m, IGB_CTRL_EXT) & IGB_CTRL_EXT_EXT_VLAN ||
			vfu_dma_by_message(m->server))
		return 0;
	if (b->rctl & IGB_RCTL_LPE)
		max = m82576_reg(m, IGB_RLPML);
	if (max < M82576_FCS_LEN)
		return 0;
	return max - M82576_FCS_LEN < MAX_FRAME ? max - M82576_FCS_LEN : MAX_FRAME;
}

unsigned int
m82576_rx_run(struct m82576 *m, struct m82576_rx_burst *b, const struct m82576_frame *frames,
		unsigned int n)
{
	const struct m82576_ring *r = &m->rx_ring[0];
	struct m82576_rxq *x = &m->rxq[0];
	const uint32_t gen = m82576_ld_acq(&r->gen);
	const uint32_t max = b->run_max < x->bufsize ? b->run_max : x->bufsize;
	uint64_t bytes = 0;
	unsigned int i;

	if (!(gen & 1) || x->gen != gen || x->dead || x->split || x->legacy || m->rx_busy)
		return 0;
	if (n > x->fetched - x->used)
		n = x->fetched - x->used;
	if (n > M82576_WB_BATCH - x->wb_count)
		n = M82576_WB_BATCH - x->wb_count;
	if (x->wb_count == 0)
		x->wb_first = x->head;
	for (i = 0; i < n; i++) {
		const uint8_t *data = frames[i].data;
		const uint32_t len = frames[i].len;
		union igb_rx_desc *wb = &x->wb[x->wb_count + i];
		uint32_t st = IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP;
		enum m82576_verdict v;
		int ptype;
		void *p;

		/* 2. Filter: FCS, length, MAC address, VLAN. */
		if (frames[i].flags & M82576_FRAME_BAD_FCS || frames[i].rest != NULL ||
				len < M82576_MIN_FRAME || len > max)
			break;
		v = m82576_address_passes(m, b->rctl, data);
		ptype = plain_type(data, len, b->vet);
		if (v == M82576_REJECT || ptype < 0)
			break;
		/* 3. Choose a queue: queue 0. 4. Fetch a descriptor: it is fetched. */
		m82576_rxq_prefetch(m, x, x->used + i + M82576_PREFETCH);
		p = m82576_dma_ptr(m, &m->rx_tlb, x->desc[x->used + i].read.pkt_addr, len,
				VFU_DMA_WRITE);
		if (p == NULL)
			break;
		/* 6. Write the data, and fill in the write-backs. */
		m82576_copy(p, data, len);
		if (v == M82576_INEXACT)
			st |= IGB_RXD_STAT_PIF;
		wb->qw[0] = (uint16_t)(ptype << IGB_RXD_PTYPE_SHIFT);
		wb->qw[1] = (uint64_t)len << 32 | st;
		bytes += len;
		if (__builtin_expect(vfu_server_dma_poisoned(m->server), 0)) {
			i++;
			break;
		}
	}
	if (i == 0)
		return 0;
	m82576_stats_rx(m, frames, i);
	m82576_rxq_advance(m, x, r, i);
	b->arrived.frames += i;
	b->arrived.bytes += bytes;
	b->good.frames += i;
	b->good.bytes += bytes;
	b->delivered.frames += i;
	b->delivered.bytes += bytes;
	m82576_count(&x->frames, i);
	return i;
}
