/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Ownership: gantry_dma_sync_single_for_cpu(), _for_device(), and parts of a mapping.
 */

#include "dmacheck.h"

#define LEN 1024

/* Two buffers for the device: one that is sent, and one that the frame is received into. */
struct pair {
	uint8_t *out, *in;
	gantry_dma_addr_t tx, rx;
};

static __rte_always_inline void
pair_map(struct rig *r, struct pair *p, unsigned int seed)
{
	p->out = dma_buf(LEN);
	p->in = dma_buf(LEN);
	fill(p->out, LEN, seed);
	p->tx = gantry_dma_map_single(r->dma, p->out, LEN, GANTRY_DMA_TO_DEVICE);
	p->rx = gantry_dma_map_single(r->dma, p->in, LEN, GANTRY_DMA_FROM_DEVICE);
	if (gantry_dma_mapping_error(r->dma, p->tx) || gantry_dma_mapping_error(r->dma, p->rx))
		broken("no mapping: %s", gantry_dma_last_error());
}

static void
pair_through(struct rig *r, struct pair *p)
{
	nic_tx(r, p->tx, LEN);
	nic_rx(r, p->rx, LEN);
	nic_kick(r);
	CHECK(r, nic_tx_done(r) == LEN && nic_rx_done(r) == LEN);
}

static void
pair_unmap(struct rig *r, struct pair *p)
{
	gantry_dma_unmap_single(r->dma, p->tx, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(r->dma, p->rx, LEN, GANTRY_DMA_FROM_DEVICE);
}

static void
pair_free(struct pair *p)
{
	rte_free(p->out);
	rte_free(p->in);
}

/* The driver needs the header, and syncs it after unmapping the buffer. */
CULPRIT void
sync_after_unmap(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 1);
	pair_through(r, &p);
	if (fixed)
		gantry_dma_sync_single_for_cpu(r->dma, p.rx, 64, GANTRY_DMA_FROM_DEVICE);
	pair_unmap(r, &p);
	if (!fixed)
		gantry_dma_sync_single_for_cpu(r->dma, p.rx, 64, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(p.in, LEN, 1));
	pair_free(&p);
}

/* The driver computes the address of a slot as if all slots were in one large mapping. */
CULPRIT void
sync_by_offset_in_ring(struct rig *r, bool fixed)
{
	struct pair p;
	gantry_dma_addr_t slot;

	pair_map(r, &p, 2);
	pair_through(r, &p);
	slot = fixed ? p.rx : RTE_MIN(p.rx, p.tx) + (UINT64_C(1) << 22);
	gantry_dma_sync_single_for_cpu(r->dma, slot, LEN, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, !fixed || filled(p.in, LEN, 2));
	pair_unmap(r, &p);
	pair_free(&p);
}

/* Length of the frame plus the FCS: four bytes more than the mapping has. */
CULPRIT void
sync_with_fcs(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 3);
	pair_through(r, &p);
	gantry_dma_sync_single_for_cpu(r->dma, p.rx, LEN + (fixed ? 0 : 4), GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(p.in, LEN, 3));
	pair_unmap(r, &p);
	pair_free(&p);
}

/* A range whose length already includes the offset. */
CULPRIT void
sync_range_beyond(struct rig *r, bool fixed)
{
	const size_t header = 128;
	struct pair p;

	pair_map(r, &p, 4);
	pair_through(r, &p);
	gantry_dma_sync_single_range_for_cpu(r->dma, p.rx, header, LEN - (fixed ? header : 0),
			GANTRY_DMA_FROM_DEVICE);
	CHECK(r, memcmp(p.in + header, p.out + header, LEN - header) == 0);
	pair_unmap(r, &p);
	CHECK(r, filled(p.in, LEN, 4));
	pair_free(&p);
}

/* Receive buffers are synced like transmit buffers. */
CULPRIT void
sync_rx_to_device(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 5);
	pair_through(r, &p);
	gantry_dma_sync_single_for_cpu(r->dma, p.rx, LEN,
			fixed ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_TO_DEVICE);
	CHECK(r, !fixed || filled(p.in, LEN, 5));
	pair_unmap(r, &p);
	pair_free(&p);
}

/* "Both directions always work": not for a mapping of one direction. */
CULPRIT void
sync_both_ways(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 6);
	p.out[0] ^= 0xff;
	gantry_dma_sync_single_for_device(r->dma, p.tx, 1,
			fixed ? GANTRY_DMA_TO_DEVICE : GANTRY_DMA_BIDIRECTIONAL);
	pair_through(r, &p);
	pair_unmap(r, &p);
	p.in[0] ^= 0xff;
	CHECK(r, !fixed || filled(p.in, LEN, 6));
	pair_free(&p);
}

/* The driver waits for a sent frame to "come back", but the device has not written it. */
CULPRIT void
sync_sent_for_cpu(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 7);
	pair_through(r, &p);
	if (!fixed)
		gantry_dma_sync_single_for_cpu(r->dma, p.tx, LEN, GANTRY_DMA_TO_DEVICE);
	pair_unmap(r, &p);
	CHECK(r, filled(p.in, LEN, 7));
	pair_free(&p);
}

/* "To be sure", a receive buffer is handed to the device again, which already owns it. */
CULPRIT void
sync_posted_for_device(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 8);
	if (!fixed)
		gantry_dma_sync_single_for_device(r->dma, p.rx, LEN, GANTRY_DMA_FROM_DEVICE);
	pair_through(r, &p);
	gantry_dma_sync_single_for_cpu(r->dma, p.rx, LEN, GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(p.in, LEN, 8));
	/* Read, and posted again: the intended use. */
	gantry_dma_sync_single_for_device(r->dma, p.rx, LEN, GANTRY_DMA_FROM_DEVICE);
	fill(p.out, LEN, 9);
	gantry_dma_sync_single_for_device(r->dma, p.tx, LEN, GANTRY_DMA_TO_DEVICE);
	pair_through(r, &p);
	pair_unmap(r, &p);
	CHECK(r, filled(p.in, LEN, 9));
	pair_free(&p);
}

/* The driver changes a header, and first takes it back from a device that does not write it. */
CULPRIT void
sync_header_for_cpu(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 10);
	if (!fixed)
		gantry_dma_sync_single_range_for_cpu(r->dma, p.tx, 0, 64, GANTRY_DMA_TO_DEVICE);
	p.out[0] ^= 0xff;
	gantry_dma_sync_single_range_for_device(r->dma, p.tx, 0, 64, GANTRY_DMA_TO_DEVICE);
	pair_through(r, &p);
	pair_unmap(r, &p);
	p.in[0] ^= 0xff;
	CHECK(r, filled(p.in, LEN, 10));
	pair_free(&p);
}

/* The driver clears room for a header that the device already owns and does not read. */
CULPRIT void
sync_cleared_for_device(struct rig *r, bool fixed)
{
	struct pair p;

	pair_map(r, &p, 11);
	if (!fixed) {
		memset(p.in, 0, 64);
		gantry_dma_sync_single_range_for_device(r->dma, p.rx, 0, 64,
				GANTRY_DMA_FROM_DEVICE);
	}
	pair_through(r, &p);
	pair_unmap(r, &p);
	CHECK(r, filled(p.in, LEN, 11));
	pair_free(&p);
}

static const struct bug bugs[] = {
	PLANTED(sync_after_unmap, SYNC_UNMAPPED),
	PLANTED(sync_by_offset_in_ring, SYNC_UNMAPPED),
	PLANTED(sync_with_fcs, SYNC_RANGE),
	PLANTED(sync_range_beyond, SYNC_RANGE),
	PLANTED(sync_rx_to_device, SYNC_DIRECTION),
	PLANTED(sync_both_ways, SYNC_DIRECTION),
	PLANTED(sync_sent_for_cpu, SYNC_POINTLESS),
	PLANTED(sync_posted_for_device, SYNC_POINTLESS),
	PLANTED(sync_header_for_cpu, SYNC_POINTLESS),
	PLANTED(sync_cleared_for_device, SYNC_POINTLESS),
};

FAMILY(sync, bugs, false);
