/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scatter/gather: lists and chains of mbufs, the segments that mapping returns, and the limits of
 * one segment.
 */

#include "dmacheck.h"

#define PIECE 256

/* Return a block as a list of n adjacent pieces, which merge if bus addresses are contiguous. */
static uint8_t *
list_of(struct gantry_sg *sg, unsigned int n, unsigned int seed)
{
	uint8_t *block = dma_buf((size_t)n * PIECE);
	unsigned int i;

	fill(block, (size_t)n * PIECE, seed);
	for (i = 0; i < n; i++)
		gantry_sg_set_buf(&sg[i], block + i * PIECE, PIECE);
	return block;
}

/* Check that the device sees the bytes of the list, in order. */
static void
list_check(struct rig *r, const struct gantry_sg *sg, unsigned int segs, size_t len,
		unsigned int seed)
{
	uint8_t *got = dma_buf(len);
	size_t at = 0;
	unsigned int i;

	for (i = 0; i < segs; i++) {
		nic_fetch(r, gantry_sg_dma_address(&sg[i]), got + at, gantry_sg_dma_len(&sg[i]));
		at += gantry_sg_dma_len(&sg[i]);
	}
	CHECK(r, at == len && filled(got, len, seed));
	rte_free(got);
}

static __rte_always_inline unsigned int
list_map(struct rig *r, struct gantry_sg *sg, unsigned int n, enum gantry_dma_dir dir)
{
	const unsigned int segs = gantry_dma_map_sg(r->dma, sg, n, dir);

	if (segs == 0)
		broken("no mapping: %s", gantry_dma_last_error());
	return segs;
}

/* Send a list that the device may not support, if it can be mapped. */
static __rte_always_inline void
list_try(struct rig *r, struct gantry_sg *sg, unsigned int n, size_t len, unsigned int seed)
{
	const unsigned int segs = gantry_dma_map_sg(r->dma, sg, n, GANTRY_DMA_TO_DEVICE);

	if (segs == 0)
		return;
	list_check(r, sg, segs, len, seed);
	gantry_dma_unmap_sg(r->dma, sg, n, GANTRY_DMA_TO_DEVICE);
}

/* Describe a buffer as one entry, or as two halves. Return the number of entries. */
static unsigned int
list_halves(struct gantry_sg *sg, uint8_t *buf, size_t len, bool two)
{
	if (!two) {
		gantry_sg_set_buf(&sg[0], buf, len);
		return 1;
	}
	gantry_sg_set_buf(&sg[0], buf, len / 2);
	gantry_sg_set_buf(&sg[1], buf + len / 2, len / 2);
	return 2;
}

/*
 * The driver unmaps a list with the number that mapping returned. If nothing merges, that is the
 * number of entries; here the driver also stops one piece early by itself.
 */
CULPRIT void
unmap_returned_count(struct rig *r, bool fixed)
{
	struct gantry_sg sg[4];
	uint8_t *block = list_of(sg, 4, 1);
	const unsigned int segs = list_map(r, sg, 4, GANTRY_DMA_TO_DEVICE);

	list_check(r, sg, segs, 4 * PIECE, 1);
	gantry_dma_unmap_sg(r->dma, sg, fixed ? 4 : RTE_MIN(segs, 3u), GANTRY_DMA_TO_DEVICE);
	rte_free(block);
}

/* The list grew after it was mapped, and the driver determines its length again. */
CULPRIT void
unmap_grown_list(struct rig *r, bool fixed)
{
	struct gantry_sg sg[4];
	uint8_t *block = list_of(sg, 4, 2);
	unsigned int nents = 3;
	const unsigned int segs = list_map(r, sg, nents, GANTRY_DMA_TO_DEVICE);

	list_check(r, sg, segs, 3 * PIECE, 2);
	sg[3].dma.len = 0;
	if (!fixed)
		nents++;
	gantry_dma_unmap_sg(r->dma, sg, nents, GANTRY_DMA_TO_DEVICE);
	rte_free(block);
}

/* The sync of a list also requires the number of entries. */
CULPRIT void
sync_returned_count(struct rig *r, bool fixed)
{
	struct gantry_sg sg[4];
	uint8_t *block = list_of(sg, 4, 3);
	const unsigned int segs = list_map(r, sg, 4, GANTRY_DMA_FROM_DEVICE);
	uint8_t data[PIECE];

	fill(data, PIECE, 4);
	nic_store(r, gantry_sg_dma_address(&sg[0]), data, PIECE);
	gantry_dma_sync_sg_for_cpu(r->dma, sg, fixed ? 4 : RTE_MIN(segs, 3u),
			GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(block, PIECE, 4));
	gantry_dma_unmap_sg(r->dma, sg, 4, GANTRY_DMA_FROM_DEVICE);
	rte_free(block);
}

/* The length field of a descriptor has 12 bits, and the driver passes on any length. */
CULPRIT void
long_entry(struct rig *r, bool fixed)
{
	const size_t len = 8192;
	uint8_t *block = dma_buf(len);
	struct gantry_sg sg[2];

	gantry_dma_set_max_seg_size(r->dma, 4096);
	fill(block, len, 5);
	list_try(r, sg, list_halves(sg, block, len, fixed), len, 5);
	rte_free(block);
}

/* A device that counts in 64 KiB, and a buffer across such a boundary. */
CULPRIT void
entry_across_boundary(struct rig *r, bool fixed)
{
	const size_t boundary = 64 << 10, len = 4096;
	uint8_t *block = rte_zmalloc(NULL, 2 * boundary, boundary);
	struct gantry_sg sg[2];
	uint8_t *buf;

	if (block == NULL)
		broken("no memory");
	buf = block + boundary - len / 2;
	gantry_dma_set_seg_boundary(r->dma, boundary - 1);
	fill(buf, len, 6);
	list_try(r, sg, list_halves(sg, buf, len, fixed), len, 6);
	rte_free(block);
}

/* The driver builds the list from pages, without regard to the boundary of the device. */
CULPRIT void
pages_across_boundary(struct rig *r, bool fixed)
{
	const size_t boundary = 4096;
	uint8_t *block = rte_zmalloc(NULL, 4 * boundary, boundary);
	struct gantry_sg sg[3];
	unsigned int i;

	if (block == NULL)
		broken("no memory");
	gantry_dma_set_seg_boundary(r->dma, boundary - 1);
	fill(block, 3 * boundary, 7);
	/* Three pages; those of the bug begin in the middle. */
	for (i = 0; i < 3; i++)
		gantry_sg_set_buf(&sg[i], block + i * boundary + (fixed ? 0 : 512), boundary);
	list_try(r, sg, 3, 3 * boundary, 7);
	rte_free(block);
}

/* Both completion and reset unmap the list. */
CULPRIT void
unmap_list_twice(struct rig *r, bool fixed)
{
	struct gantry_sg sg[3];
	uint8_t *block = list_of(sg, 3, 8);
	const unsigned int segs = list_map(r, sg, 3, GANTRY_DMA_TO_DEVICE);

	list_check(r, sg, segs, 3 * PIECE, 8);
	gantry_dma_unmap_sg(r->dma, sg, 3, GANTRY_DMA_TO_DEVICE);
	if (!fixed)
		gantry_dma_unmap_sg(r->dma, sg, 3, GANTRY_DMA_TO_DEVICE);
	rte_free(block);
}

/* Bounce buffers run out in the middle of a list, and its clean-up runs anyway. */
CULPRIT void
unmap_failed_list(struct rig *r, bool fixed)
{
	const size_t len = 60000; /* fits only the largest size class */
	uint8_t *block = dma_buf(6 * len);
	struct gantry_sg sg[6];
	unsigned int i, segs;

	mini_bounce(r, 4);
	for (i = 0; i < 6; i++)
		gantry_sg_set_buf(&sg[i], block + i * len, len);
	segs = gantry_dma_map_sg(r->dma, sg, 6, GANTRY_DMA_TO_DEVICE);
	CHECK(r, segs == 0);
	if (segs != 0 || !fixed)
		gantry_dma_unmap_sg(r->dma, sg, 6, GANTRY_DMA_TO_DEVICE);
	drv_roundtrip(r, 9);
	rte_free(block);
}

/* A reset unmaps all lists of the ring, including those of slots that were never used. */
CULPRIT void
reset_unused_lists(struct rig *r, bool fixed)
{
	struct gantry_sg ring[4][2];
	unsigned int i, segs[4] = { 0 };
	uint8_t *block[4];

	memset(ring, 0, sizeof(ring));
	for (i = 0; i < 4; i++)
		block[i] = list_of(ring[i], 2, 10);
	segs[0] = list_map(r, ring[0], 2, GANTRY_DMA_TO_DEVICE);
	list_check(r, ring[0], segs[0], 2 * PIECE, 10);
	for (i = 0; i < 4; i++) {
		if (segs[i] != 0 || !fixed)
			gantry_dma_unmap_sg(r->dma, ring[i], 2, GANTRY_DMA_TO_DEVICE);
		rte_free(block[i]);
	}
}

/* Return a frame of two mbufs. */
static struct rte_mbuf *
chain_of(struct rig *r, struct rte_mbuf **tail)
{
	struct rte_mbuf *head = drv_frame(r, PIECE, 11);

	*tail = drv_frame(r, PIECE, 12);
	if (rte_pktmbuf_chain(head, *tail) != 0)
		broken("no chain");
	return head;
}

static __rte_always_inline unsigned int
chain_map(struct rig *r, struct rte_mbuf *m, struct gantry_dma_seg segs[2], enum gantry_dma_dir dir)
{
	const int n = gantry_dma_map_mbuf_chain(r->dma, m, segs, 2, dir);

	if (n < 0)
		broken("no mapping: %s", gantry_dma_last_error());
	return n;
}

/* The driver cuts a sent chain, to keep its header, before it unmaps the chain. */
CULPRIT void
unmap_cut_chain(struct rig *r, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *tail, *head = chain_of(r, &tail);
	const unsigned int n = chain_map(r, head, segs, GANTRY_DMA_TO_DEVICE);
	uint8_t got[PIECE];

	nic_fetch(r, segs[0].addr, got, PIECE);
	CHECK(r, filled(got, PIECE, 11));
	if (fixed)
		gantry_dma_unmap_mbuf_chain(r->dma, head, segs, n, GANTRY_DMA_TO_DEVICE);
	head->next = NULL;
	head->nb_segs = 1;
	head->pkt_len = PIECE;
	if (!fixed)
		gantry_dma_unmap_mbuf_chain(r->dma, head, segs, n, GANTRY_DMA_TO_DEVICE);
	rte_pktmbuf_free(tail);
	rte_pktmbuf_free(head);
}

/* Length of a frame in a chain plus its FCS, which the device has stripped. */
CULPRIT void
sync_chain_with_fcs(struct rig *r, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *tail, *head = chain_of(r, &tail);
	const unsigned int n = chain_map(r, head, segs, GANTRY_DMA_FROM_DEVICE);
	uint8_t data[PIECE];

	fill(data, PIECE, 13);
	nic_store(r, segs[0].addr, data, PIECE);
	gantry_dma_sync_mbuf_chain_range_for_cpu(r->dma, head, segs, n,
			(struct gantry_dma_part){ 0, 2 * PIECE + (fixed ? 0 : 4) },
			GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(rte_pktmbuf_mtod(head, void *), PIECE, 13));
	gantry_dma_unmap_mbuf_chain(r->dma, head, segs, n, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_free(head);
}

/* A segment over several entries is synced beyond the mapped entries. */
CULPRIT void
sync_segment_beyond(struct rig *r, bool fixed)
{
	struct gantry_sg sg[4];
	uint8_t *block = list_of(sg, 4, 14);
	const unsigned int segs = list_map(r, sg, 3, GANTRY_DMA_FROM_DEVICE);
	uint8_t data[PIECE];
	unsigned int i;

	fill(data, PIECE, 15);
	nic_store(r, gantry_sg_dma_address(&sg[0]), data, PIECE);
	for (i = 0; i < segs; i++)
		gantry_dma_sync_single_for_cpu(r->dma, gantry_sg_dma_address(&sg[i]),
				gantry_sg_dma_len(&sg[i]) + (fixed ? 0 : PIECE),
				GANTRY_DMA_FROM_DEVICE);
	CHECK(r, filled(block, PIECE, 15));
	gantry_dma_unmap_sg(r->dma, sg, 3, GANTRY_DMA_FROM_DEVICE);
	rte_free(block);
}

static const struct bug bugs[] = {
	PLANTED(unmap_returned_count, WRONG_NENTS),
	PLANTED(unmap_grown_list, WRONG_NENTS),
	PLANTED(sync_returned_count, WRONG_NENTS),
	PLANTED(long_entry, SEGMENT_SIZE),
	PLANTED(entry_across_boundary, SEGMENT_BOUNDARY),
	PLANTED(pages_across_boundary, SEGMENT_BOUNDARY),
	PLANTED(unmap_list_twice, UNMAP_TWICE),
	PLANTED(unmap_failed_list, UNMAP_ERROR),
	PLANTED(reset_unused_lists, UNMAP_UNKNOWN),
	PLANTED(unmap_cut_chain, WRONG_NENTS),
	PLANTED(sync_chain_with_fcs, SYNC_RANGE),
	PLANTED(sync_segment_beyond, SYNC_RANGE),
};

FAMILY(sg, bugs, false);
