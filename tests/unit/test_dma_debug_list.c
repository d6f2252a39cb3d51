/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer of lib/dma and its books of mappings (dma_debug.c): the library reports
 * each class of misuse once, with its class and its place, and reports nothing for the same code
 * without the mistake. The plays below are that code, for lists, chains of mbufs and BARs.
 */

#include "dma_plays.h"

#include <pthread.h>
#include <sys/mman.h>

#include "dma_core.h"

static struct rte_mempool *pool;

/* Lists, chains, BARs. */

static void HERE
sg_no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	struct gantry_sg sg;

	gantry_sg_set_buf(&sg, p, LEN);
	if (gantry_dma_map_sg(dev, &sg, 1, fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_NONE) != 0)
		gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_BIDIRECTIONAL);
	rte_free(p);
}

static void HERE
sg_nents_less(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_FROM_DEVICE), 3);
	gantry_dma_unmap_sg(dev, sg, fixed ? 3 : 2, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

/* Unmapped with the number that mapping returned, after it had merged entries. */
static void HERE
sg_nents_merged(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(2 * LEN);
	struct gantry_sg sg[2];
	unsigned int n;

	gantry_sg_set_buf(&sg[0], p, LEN);
	gantry_sg_set_buf(&sg[1], p + LEN, LEN);
	n = gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(n, 1);
	gantry_dma_unmap_sg(dev, sg, fixed ? 2 : n, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
sg_sync_nents(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_FROM_DEVICE), 3);
	gantry_dma_sync_sg_for_cpu(dev, sg, fixed ? 3 : 1, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static void HERE
sg_sync_nents_for_device(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE), 3);
	gantry_dma_sync_sg_for_device(dev, sg, fixed ? 3 : 1, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
sg_twice(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE), 3);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE);
	if (!fixed)
		gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* Adjacent small pieces of one list may share a cache line that the device writes. */
static void HERE
sg_overlap(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	struct gantry_sg sg[2];

	gantry_sg_set_buf(&sg[0], p, 10);
	gantry_sg_set_buf(&sg[1], p + (fixed ? 10 : 9), 10);
	assert_int_not_equal(gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE), 0);
	gantry_dma_unmap_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static void HERE
sg_too_long(struct gantry_dma_dev *dev, bool fixed)
{
	const size_t max = gantry_dma_get_max_seg_size(dev);
	uint8_t *p = memory(2 * LEN);
	struct gantry_sg sg;

	assert_int_equal(gantry_dma_set_max_seg_size(dev, LEN), 0);
	gantry_sg_set_buf(&sg, p, fixed ? LEN : LEN + 1);
	if (gantry_dma_map_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE) != 0)
		gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_set_max_seg_size(dev, max), 0);
	rte_free(p);
}

static void HERE
single_boundary(struct gantry_dma_dev *dev, bool fixed)
{
	const uint64_t mask = gantry_dma_get_seg_boundary(dev);
	uint8_t *p = rte_malloc("test", 8192, 8192);
	gantry_dma_addr_t addr;
	size_t at;

	assert_non_null(p);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, 4095), 0);
	at = fixed ? 0 : 3840;
	addr = gantry_dma_map_single(dev, p + at, LEN, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, mask), 0);
	rte_free(p);
}

/* The list was never mapped: a reset path that walks each list it has. */
static void HERE
sg_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	memset(sg, 0, sizeof(sg));
	list(sg, p, 3);
	if (fixed)
		assert_int_equal(gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE), 3);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* The entry is longer than it was when mapped: no segment covers all of it. */
static void HERE
sg_grown(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(2 * LEN);
	struct gantry_sg sg;

	gantry_sg_set_buf(&sg, p, LEN);
	assert_int_equal(gantry_dma_map_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE), 1);
	sg.length += fixed ? 0 : LEN;
	gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void HERE
chain_no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct gantry_dma_seg seg;

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, LEN));
	if (gantry_dma_map_mbuf_chain(dev, m, &seg, 1,
			    fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_NONE) == 1)
		gantry_dma_unmap_mbuf_chain(dev, m, &seg, 1, GANTRY_DMA_BIDIRECTIONAL);
	rte_pktmbuf_free(m);
}

/* Two chained mbufs that are not adjacent in memory, and a third that is not in the chain. */
static void
chain(struct rte_mbuf *m[3])
{
	unsigned int i;

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, m, 3), 0);
	for (i = 0; i < 3; i++)
		assert_non_null(rte_pktmbuf_append(m[i], LEN));
	assert_int_equal(rte_pktmbuf_chain(m[0], m[1]), 0);
}

static void
chain_free(struct rte_mbuf *m[3])
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		m[i]->next = NULL;
		m[i]->nb_segs = 1;
		rte_pktmbuf_free(m[i]);
	}
}

static void HERE
chain_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[4] = { 0 };
	struct rte_mbuf *m[3];
	int n = 2;

	chain(m);
	if (fixed)
		n = gantry_dma_map_mbuf_chain(dev, m[0], segs, 4, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(n, 2);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, n, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

/* The mapping failed for lack of segments, and the clean-up unmaps it nevertheless. */
static void HERE
chain_failed(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	if (gantry_dma_map_mbuf_chain(dev, m[0], segs, fixed ? 2 : 1, GANTRY_DMA_TO_DEVICE) < 0)
		assert_false(fixed);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

/*
 * The chain has another number of mbufs than when it was mapped. The library unmaps the remaining
 * ones with the rest.
 */
static void HERE
chain_cut(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE), 2);
	if (!fixed)
		m[0]->next = NULL;
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

static void HERE
chain_grown(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE), 2);
	if (!fixed)
		m[1]->next = m[2];
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

/* Sync a chain that the device writes, in the given way. */
static inline __attribute__((always_inline)) void
chain_sync(struct gantry_dma_dev *dev, enum gantry_dma_dir dir, size_t size, unsigned int nb_segs,
		bool for_cpu)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE), 2);
	if (for_cpu)
		gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m[0], segs, nb_segs,
				(struct gantry_dma_part){ 10, size }, dir);
	gantry_dma_sync_mbuf_chain_for_device(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
	chain_free(m);
}

static void HERE
chain_sync_range(struct gantry_dma_dev *dev, bool fixed)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE), 2);
	gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m[0], segs, 2,
			(struct gantry_dma_part){ LEN - 10, LEN + (fixed ? 10 : 11) },
			GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
	chain_free(m);
}

/* Sync a part of a chain, or all of it, for the device. */
static inline __attribute__((always_inline)) void
chain_sync_for_device(struct gantry_dma_dev *dev, bool all, size_t size, unsigned int nb_segs)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE), 2);
	if (all)
		gantry_dma_sync_mbuf_chain_for_device(dev, m[0], segs, nb_segs,
				GANTRY_DMA_TO_DEVICE);
	else
		gantry_dma_sync_mbuf_chain_range_for_device(dev, m[0], segs, nb_segs,
				(struct gantry_dma_part){ LEN - 10, size }, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_TO_DEVICE);
	chain_free(m);
}

static void HERE
chain_sync_nents_for_device(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync_for_device(dev, true, 0, fixed ? 2 : 1);
}

static void HERE
chain_sync_range_for_device(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync_for_device(dev, false, LEN + (fixed ? 10 : 11), 2);
}

/* Sync all or a part of a chain, while it is mapped or afterwards. */
static inline __attribute__((always_inline)) void
chain_sync_when(struct gantry_dma_dev *dev, bool mapped, bool all)
{
	struct gantry_dma_seg segs[2];
	struct rte_mbuf *m[3];
	unsigned int i;

	chain(m);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE), 2);
	for (i = 0; i < 2; i++) {
		if (i == mapped)
			gantry_dma_unmap_mbuf_chain(dev, m[0], segs, 2, GANTRY_DMA_FROM_DEVICE);
		else if (all)
			gantry_dma_sync_mbuf_chain_for_cpu(dev, m[0], segs, 2,
					GANTRY_DMA_FROM_DEVICE);
		else
			gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m[0], segs, 2,
					(struct gantry_dma_part){ LEN, LEN },
					GANTRY_DMA_FROM_DEVICE);
	}
	chain_free(m);
}

static void HERE
chain_sync_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync_when(dev, fixed, true);
}

static void HERE
chain_sync_part_unmapped(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync_when(dev, fixed, false);
}

static void HERE
chain_sync_nents(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync(dev, GANTRY_DMA_FROM_DEVICE, LEN, fixed ? 2 : 1, true);
}

static void HERE
chain_sync_direction(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync(dev, fixed ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_BIDIRECTIONAL, LEN, 2, true);
}

static void HERE
chain_sync_pointless(struct gantry_dma_dev *dev, bool fixed)
{
	chain_sync(dev, GANTRY_DMA_FROM_DEVICE, 1, 2, fixed);
}

/* One byte beyond the segment that covers both entries. */
static void HERE
merged_sync_range(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[2];

	gantry_sg_set_buf(&sg[0], p, LEN);
	gantry_sg_set_buf(&sg[1], p + LEN, LEN);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE), 1);
	gantry_dma_sync_single_range_for_cpu(dev, gantry_sg_dma_address(&sg[0]), 10,
			2 * LEN - (fixed ? 10 : 9), GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_sg(dev, sg, 2, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

#define BAR_LEN  8192
#define BAR_PHYS 0xE0000000

static uint8_t *
make_bar(void)
{
	uint8_t *bar = mmap(NULL, BAR_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	assert_ptr_not_equal(bar, MAP_FAILED);
	assert_int_equal(gantry_mem_mmio_add(bar, BAR_LEN), 0);
	return bar;
}

static void
drop_bar(uint8_t *bar)
{
	gantry_mem_mmio_del(bar);
	munmap(bar, BAR_LEN);
}

static void HERE
resource_size(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, BAR_LEN,
			GANTRY_DMA_BIDIRECTIONAL);

	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_resource(dev, addr, fixed ? BAR_LEN : 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_single(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, 4096,
			GANTRY_DMA_BIDIRECTIONAL);

	assert_false(gantry_dma_mapping_error(dev, addr));
	if (!fixed)
		gantry_dma_unmap_single(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

/* A BAR whose physical address is unknown cannot be mapped. */
static void HERE
resource_error(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, GANTRY_PHYS_ADDR_BAD, 4096,
			GANTRY_DMA_BIDIRECTIONAL);

	if (!gantry_dma_mapping_error(dev, addr) || !fixed)
		gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_no_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, 4096,
			fixed ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_NONE);

	if (!gantry_dma_mapping_error(dev, addr))
		gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_empty(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, fixed ? 1 : 0,
			GANTRY_DMA_BIDIRECTIONAL);

	if (!gantry_dma_mapping_error(dev, addr))
		gantry_dma_unmap_resource(dev, addr, 1, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

/* The mapping fails, and the thread continues with another mapping. */
static void HERE
resource_unchecked(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar(), *p = memory(LEN);
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, GANTRY_PHYS_ADDR_BAD, 4096,
			GANTRY_DMA_BIDIRECTIONAL);

	if (fixed)
		assert_true(gantry_dma_mapping_error(dev, addr));
	addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
	drop_bar(bar);
}

/* The same, but the next mapping is of a BAR. */
static void HERE
unchecked_then_resource(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *bar = make_bar();
	gantry_dma_addr_t addr = gantry_dma_map_resource(dev, bar, GANTRY_PHYS_ADDR_BAD, 4096,
			GANTRY_DMA_BIDIRECTIONAL);

	if (fixed)
		assert_true(gantry_dma_mapping_error(dev, addr));
	addr = gantry_dma_map_resource(dev, bar, BAR_PHYS, 4096, GANTRY_DMA_BIDIRECTIONAL);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_resource(dev, addr, 4096, GANTRY_DMA_BIDIRECTIONAL);
	drop_bar(bar);
}

static void HERE
resource_memory(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	if (!fixed)
		assert_true(gantry_dma_mapping_error(dev,
				gantry_dma_map_resource(dev, p, 0x1000, LEN,
						GANTRY_DMA_BIDIRECTIONAL)));
	rte_free(p);
}

static const struct play plays[] = {
	PLAY(sg_no_direction, WRONG_DIRECTION),
	PLAY(chain_no_direction, WRONG_DIRECTION),
	PLAY(sg_nents_less, WRONG_NENTS),
	PLAY(sg_nents_merged, WRONG_NENTS),
	PLAY(sg_sync_nents, WRONG_NENTS),
	PLAY(sg_sync_nents_for_device, WRONG_NENTS),
	PLAY(sg_twice, UNMAP_TWICE),
	PLAY(sg_overlap, OVERLAP),
	PLAY(sg_too_long, SEGMENT_SIZE),
	PLAY(sg_unmapped, UNMAP_UNKNOWN),
	PLAY(sg_grown, WRONG_SIZE),
	PLAY(chain_unmapped, UNMAP_UNKNOWN),
	PLAY(chain_failed, UNMAP_ERROR),
	PLAY(chain_cut, WRONG_NENTS),
	PLAY(chain_grown, WRONG_NENTS),
	PLAY(chain_sync_range, SYNC_RANGE),
	PLAY(chain_sync_nents_for_device, WRONG_NENTS),
	PLAY(chain_sync_range_for_device, SYNC_RANGE),
	PLAY(chain_sync_unmapped, SYNC_UNMAPPED),
	PLAY(chain_sync_part_unmapped, SYNC_UNMAPPED),
	PLAY(chain_sync_nents, WRONG_NENTS),
	PLAY(chain_sync_direction, SYNC_DIRECTION),
	PLAY(chain_sync_pointless, SYNC_POINTLESS),
	PLAY(merged_sync_range, SYNC_RANGE),
	PLAY(single_boundary, SEGMENT_BOUNDARY),
	PLAY(resource_size, WRONG_SIZE),
	PLAY(resource_single, WRONG_FUNCTION),
	PLAY(resource_memory, MAP_INVALID),
	PLAY(resource_error, UNMAP_ERROR),
	PLAY(resource_no_direction, WRONG_DIRECTION),
	PLAY(resource_empty, MAP_INVALID),
	PLAY(resource_unchecked, UNCHECKED),
	PLAY(unchecked_then_resource, UNCHECKED),
};

static void
correct_code_is_not_reported(void **state)
{
	plays_without_mistakes(plays, RTE_DIM(plays));
}

static void
each_mistake_is_reported_once_with_class_and_place(void **state)
{
	plays_with_mistakes(plays, RTE_DIM(plays));
}

/* The mbuf is the entry, or the segment of the chain, that is longer than the device takes. */
static void
report_of_a_long_segment_names_its_mbuf(void **state)
{
	struct gantry_dma_dev *dev = debug_device("long", GANTRY_DMA_DEBUG_ON);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct gantry_sg sg;

	assert_non_null(m);
	assert_int_equal(gantry_dma_set_max_seg_size(dev, LEN), 0);
	gantry_sg_set_mbuf(&sg, m, RTE_PKTMBUF_HEADROOM, LEN + 1);
	reports_begin();
	assert_int_equal(gantry_dma_map_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE), 0);
	reports_expect(GANTRY_DMA_MISUSE_SEGMENT_SIZE, "report_of_a_long_segment_names_its_mbuf");
	assert_ptr_equal(reports.at[0].mbuf, m);
	assert_string_equal(reports.at[0].pool, "mbufs");
	assert_int_equal(reports.at[0].size, LEN + 1);
	rte_pktmbuf_free(m);
	gantry_dma_dev_destroy(dev);
}

/* Numbers of lists, as the handler of a report about a list finds them. */
struct numbers {
	struct gantry_dma_dev *dev[3];
	uintptr_t list[3];
};

static void
note_number(void *arg, const struct gantry_dma_error *e)
{
	*(uintptr_t *)arg = dma_list;
}

static void *
number_lists(void *arg)
{
	struct numbers *n = arg;
	unsigned int i;

	for (i = 0; i < RTE_DIM(n->list); i++) {
		gantry_dma_debug_handler(note_number, &n->list[i]);
		sg_overlap(n->dev[i], false);
		assert_int_equal(dma_list, 0); /* pieces outside of a list have no number */
	}
	return NULL;
}

/*
 * A call for a list has a number: the thread's in the upper bits, and below them the call's, from 1
 * upwards. Each list here has two calls: one maps it, one unmaps it.
 */
static void
each_list_of_each_thread_has_a_number(void **state)
{
	struct numbers n[2] = { 0 };
	unsigned int i, k;
	pthread_t thread;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < RTE_DIM(n[k].dev); i++)
			n[k].dev[i] = debug_device("numbers", GANTRY_DMA_DEBUG_ON);
		assert_int_equal(pthread_create(&thread, NULL, number_lists, &n[k]), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		for (i = 0; i < RTE_DIM(n[k].dev); i++) {
			assert_int_equal(n[k].list[i] & ((UINT64_C(1) << 40) - 1), 2 * i + 1);
			assert_int_equal(n[k].list[i] >> 40, n[k].list[0] >> 40);
			gantry_dma_dev_destroy(n[k].dev[i]);
		}
	}
	gantry_dma_debug_handler(reports_add, NULL);
	assert_int_not_equal(n[0].list[0] >> 40, 0);
	assert_int_equal(n[1].list[0] >> 40, (n[0].list[0] >> 40) + 1);
}

static int
run(const char *mode)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(correct_code_is_not_reported),
		cmocka_unit_test(each_mistake_is_reported_once_with_class_and_place),
		cmocka_unit_test(report_of_a_long_segment_names_its_mbuf),
		cmocka_unit_test(each_list_of_each_thread_has_a_number),
	};

	pool = rte_pktmbuf_pool_create("mbufs", 63, 0, 0, 2048, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	return cmocka_run_group_tests_name(mode, tests, NULL, NULL);
}

int
main(int argc, char **argv)
{
	return plays_run(argc, argv, run);
}
