/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of scatter/gather: lists of entries, and chains of mbufs (lib/dma/ext/dma_sg.c).
 *
 *     entries  e0 e1 | e2 | e3      adjacent bus addresses are merged,
 *     segments   s0  | s1 | s2      up to max_seg bytes, never across a seg_boundary
 *
 * The "books" (dma_device.h) record each mapping below, so that each one must be unmapped as it was
 * mapped, and can make the n-th mapping fail.
 */

#include "dma_device.h"

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "gantry_dma_sg.h"

#define AREA     65536
#define MAX_ENTS 32

/* Memory that is contiguous for the device as well: within one hugepage, or IOVA as VA. */
static uint8_t *
make_area(void)
{
	uint8_t *p = rte_malloc(NULL, AREA, AREA);

	assert_non_null(p);
	return p;
}

/* Pseudo-random numbers, the same in each run. */
static uint32_t
number(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 8) % below;
}

static void
adjacent_entries_are_merged(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = make_area();
	gantry_dma_addr_t bus = expected_bus(p);
	struct gantry_sg sg[4];

	/* Three adjacent entries, and one that is not adjacent. */
	gantry_sg_set_buf(&sg[0], p, 100);
	gantry_sg_set_buf(&sg[1], p + 100, 1000);
	gantry_sg_set_buf(&sg[2], p + 1100, 1);
	gantry_sg_set_buf(&sg[3], p + 1102, 500);
	books_open(dev, 0);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_FROM_DEVICE), 2);
	assert_int_equal(books.live, 4);
	assert_int_equal(gantry_sg_dma_address(&sg[0]), bus);
	assert_int_equal(gantry_sg_dma_len(&sg[0]), 1101);
	assert_int_equal(gantry_sg_dma_address(&sg[1]), bus + 1102);
	assert_int_equal(gantry_sg_dma_len(&sg[1]), 500);
	assert_int_equal(gantry_sg_dma_len(&sg[2]), 0);
	assert_int_equal(gantry_sg_dma_len(&sg[3]), 0);
	gantry_dma_sync_sg_for_cpu(dev, sg, 4, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_sync_sg_for_device(dev, sg, 4, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(books.syncs, 8);
	/* The caller's members are unchanged. */
	assert_ptr_equal(sg[2].addr, p + 1100);
	assert_int_equal(sg[2].length, 1);
	gantry_dma_unmap_sg(dev, sg, 4, GANTRY_DMA_FROM_DEVICE);
	books_close(dev);

	/* Descending addresses are not adjacent. */
	gantry_sg_set_buf(&sg[0], p + 64, 64);
	gantry_sg_set_buf(&sg[1], p, 64);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 2, GANTRY_DMA_TO_DEVICE), 2);
	gantry_dma_unmap_sg(dev, sg, 2, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void
segments_respect_size_and_boundary(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = make_area();
	struct gantry_sg sg[4];
	unsigned int i;

	for (i = 0; i < 4; i++)
		gantry_sg_set_buf(&sg[i], p + i * 2048, 2048);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE), 1);

	/* A segment is not longer than the device's limit. */
	assert_int_equal(gantry_dma_set_max_seg_size(dev, 6143), 0);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE), 2);
	assert_int_equal(sg[0].dma.len, 4096);
	assert_int_equal(sg[1].dma.len, 4096);
	assert_int_equal(gantry_dma_set_max_seg_size(dev, 6144), 0);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE), 2);
	assert_int_equal(sg[0].dma.len, 6144);
	assert_int_equal(sg[1].dma.len, 2048);
	/* An entry is never split. */
	assert_int_equal(gantry_dma_set_max_seg_size(dev, 2047), 0);
	books_open(dev, 0);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE), 0);
	assert_reason("sg entry 0: 2048 bytes");
	books_close(dev);

	/* No entry and no merged segment crosses a boundary. */
	assert_int_equal(gantry_dma_set_max_seg_size(dev, 65536), 0);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, 4095), 0);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE), 2);
	assert_int_equal(sg[0].dma.len, 4096);
	assert_int_equal(sg[1].dma.len, 4096);
	gantry_sg_set_buf(&sg[2], p + 4095, 2);
	books_open(dev, 0);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE), 0);
	assert_reason("sg entry 2: 2 bytes");
	assert_int_equal(books.maps, 3);
	assert_int_equal(sg[0].dma.len, 0);
	books_close(dev);
	rte_free(p);
}

/* If the n-th mapping of a list fails, the mappings before it are unmapped. */
static void
failed_list_unmaps_earlier_entries(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = make_area(), *heap = malloc(64);
	struct gantry_sg sg[8];
	unsigned int i, n;
	char where[32];

	for (n = 1; n <= 8; n++) {
		for (i = 0; i < 8; i++)
			gantry_sg_set_buf(&sg[i], p + i * 100 + (i > 4), 100);
		books_open(dev, n);
		assert_int_equal(gantry_dma_map_sg(dev, sg, 8, GANTRY_DMA_BIDIRECTIONAL), 0);
		snprintf(where, sizeof(where), "sg entry %u: ", n - 1);
		assert_reason(where);
		assert_reason("a mapping that fails");
		assert_int_equal(books.maps, n);
		assert_int_equal(books.unmaps, n - 1);
		books_close(dev);
	}

	/* Failures that need no mode to fail. */
	gantry_sg_set_buf(&sg[7], heap, 64);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 8, GANTRY_DMA_TO_DEVICE), 0);
	assert_reason("sg entry 7: ");
	assert_reason("process memory");
	gantry_sg_set_buf(&sg[0], p, 0);
	assert_int_equal(gantry_dma_map_sg(dev, sg, 8, GANTRY_DMA_TO_DEVICE), 0);
	assert_reason("sg entry 0: ");
	assert_int_equal(gantry_dma_map_sg(dev, sg, 0, GANTRY_DMA_TO_DEVICE), 0);
	assert_reason("without data");
	assert_int_equal(gantry_dma_map_sg(dev, sg, 8, GANTRY_DMA_NONE), 0);
	assert_reason("without a direction");
	free(heap);
	rte_free(p);
}

static void
changed_list_is_reported(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = make_area();
	struct gantry_sg sg[4];
	unsigned int i, n;

	/* Unmapped with the number that was returned, instead of the number that was passed. */
	for (i = 0; i < 4; i++)
		gantry_sg_set_buf(&sg[i], p + i * 64, 64);
	books_open(dev, 0);
	n = gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(n, 1);
	gantry_dma_unmap_sg(dev, sg, n, GANTRY_DMA_TO_DEVICE);
	assert_reason("another number");
	assert_int_equal(books.live, 3);
	assert_int_equal(books.wrong, 0);

	/* An entry is longer than it was: the library stops at the end of the segments. */
	assert_int_equal(gantry_dma_map_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE), 1);
	sg[3].length = 65;
	gantry_dma_unmap_sg(dev, sg, 4, GANTRY_DMA_TO_DEVICE);
	assert_reason("other lengths");
	assert_int_equal(books.live, 4);
	assert_int_equal(books.wrong, 0);
	dma_set_mode(dev, &dma_direct_mode);
	rte_free(p);
}

/*
 * Assert that the segments contain the entries' bytes in their order, and respect the device's
 * limits.
 */
static void
check_segs(struct gantry_dma_dev *dev, const struct gantry_dma_seg *segs, unsigned int n,
		const struct gantry_sg *sg, unsigned int nents)
{
	const struct dma_device *d = dma_device(dev);
	size_t seg_off = 0, off;
	unsigned int i, s = 0;

	for (i = 0; i < n; i++) {
		assert_in_range(segs[i].len, 1, d->max_seg);
		assert_int_equal(segs[i].addr | d->seg_boundary,
				(segs[i].addr + segs[i].len - 1) | d->seg_boundary);
	}
	for (i = 0; i < nents; i++) {
		gantry_dma_addr_t bus = expected_bus(sg[i].addr);

		for (off = 0; off < sg[i].length; off++) {
			assert_true(s < n);
			if (segs[s].addr + seg_off != bus + off)
				fail_msg("entry %u, byte %zu, is not in segment %u", i, off, s);
			if (++seg_off == segs[s].len) {
				seg_off = 0;
				s++;
			}
		}
	}
	assert_int_equal(s, n);
}

static void
random_lists_cover_all_bytes(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_seg segs[MAX_ENTS];
	struct gantry_sg sg[MAX_ENTS];
	unsigned int i, n, nents, round, mapped = 0;
	uint8_t *p = make_area();
	uint32_t seed = 1;
	size_t at;

	for (round = 0; round < 300; round++) {
		nents = 1 + number(&seed, MAX_ENTS);
		gantry_dma_set_max_seg_size(dev, 600 + number(&seed, 2000));
		gantry_dma_set_seg_boundary(dev, GANTRY_DMA_BIT_MASK(11 + number(&seed, 4)));
		for (i = 0, at = number(&seed, 64); i < nents; i++) {
			gantry_sg_set_buf(&sg[i], p + at, 1 + number(&seed, 100));
			at += sg[i].length + (number(&seed, 3) == 0 ? number(&seed, 700) : 0);
		}
		books_open(dev, 0);
		n = gantry_dma_map_sg(dev, sg, nents, GANTRY_DMA_TO_DEVICE);
		if (n > 0) {
			mapped++;
			assert_in_range(n, 1, nents);
			assert_int_equal(books.live, nents);
			for (i = 0; i < n; i++)
				segs[i] = sg[i].dma;
			check_segs(dev, segs, n, sg, nents);
			gantry_dma_unmap_sg(dev, sg, nents, GANTRY_DMA_TO_DEVICE);
			assert_int_equal(books.unmaps, nents);
		}
		books_close(dev);
	}
	assert_true(mapped > 30);
	rte_free(p);
}

/* Entries in mbufs: the bus address comes from the mbuf. */
static void
mbuf_entry_uses_mbuf_iova(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t heap[256];
	struct rte_mbuf m;
	struct gantry_sg sg;

	memset(&m, 0, sizeof(m));
	m.buf_addr = heap;
	rte_mbuf_iova_set(&m, 0x12345000);
	gantry_sg_set_mbuf(&sg, &m, 128, 64);
	assert_ptr_equal(sg.addr, heap + 128);
	assert_int_equal(gantry_dma_map_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE), 1);
	assert_int_equal(sg.dma.addr, 0x12345080);
	gantry_dma_unmap_sg(dev, &sg, 1, GANTRY_DMA_TO_DEVICE);
}

/*
 * Chains.
 */

/* Make a chain of n mbufs in the memory at p, with these lengths and gaps. */
static void
make_chain(struct rte_mbuf *m, unsigned int n, uint8_t *p, const uint16_t *len, const uint16_t *gap)
{
	unsigned int i;

	memset(m, 0, n * sizeof(*m));
	for (i = 0; i < n; i++) {
		m[i].buf_addr = p;
		rte_mbuf_iova_set(&m[i], expected_bus(p));
		m[i].data_len = len[i];
		m[i].next = i + 1 < n ? &m[i + 1] : NULL;
		p += len[i] + gap[i];
	}
}

static void
chain_is_merged_split_and_unwound(void **state)
{
	static const uint16_t len[] = { 100, 0, 5000, 200, 0, 1 }, gap[] = { 0, 0, 10, 0, 0, 0 };
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_seg segs[8];
	gantry_dma_addr_t bus;
	uint8_t *p = make_area();
	struct rte_mbuf m[6];
	unsigned int i;
	char where[32];

	bus = expected_bus(p);
	make_chain(m, 6, p, len, gap);
	books_open(dev, 0);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m, segs, 8, GANTRY_DMA_TO_DEVICE), 2);
	assert_int_equal(segs[0].addr, bus);
	assert_int_equal(segs[0].len, 5100);
	assert_int_equal(segs[1].addr, bus + 5110);
	assert_int_equal(segs[1].len, 201);
	assert_int_equal(books.live, 4);
	gantry_dma_unmap_mbuf_chain(dev, m, segs, 2, GANTRY_DMA_TO_DEVICE);
	books_close(dev);

	/* An mbuf that is too long is split, into as many segments as there is room for. */
	gantry_dma_set_max_seg_size(dev, 2048);
	books_open(dev, 0);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m, segs, 5, GANTRY_DMA_TO_DEVICE), 5);
	assert_int_equal(segs[0].len, 100);
	assert_int_equal(segs[1].len, 2048);
	assert_int_equal(segs[2].addr, bus + 100 + 2048);
	assert_int_equal(segs[3].len, 5000 - 2 * 2048);
	assert_int_equal(segs[4].len, 201);
	gantry_dma_unmap_mbuf_chain(dev, m, segs, 5, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(books.unmaps, 4);
	books_close(dev);
	for (i = 0; i < 5; i++) {
		books_open(dev, 0);
		assert_int_equal(gantry_dma_map_mbuf_chain(dev, m, segs, i, GANTRY_DMA_TO_DEVICE),
				-ENOSPC);
		assert_reason("more than ");
		books_close(dev);
	}

	/* A mapping within the chain fails. */
	for (i = 1; i <= 4; i++) {
		books_open(dev, i);
		assert_int_equal(gantry_dma_map_mbuf_chain(dev, m, segs, 8, GANTRY_DMA_TO_DEVICE),
				-EIO);
		snprintf(where, sizeof(where), "mbuf segment %u: ", i - 1);
		assert_reason(where);
		assert_int_equal(books.unmaps, i - 1);
		books_close(dev);
	}

	/* Nothing to map; and a chain that has changed since it was mapped. */
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, &m[4], segs, 8, GANTRY_DMA_NONE), -EINVAL);
	m[4].next = NULL;
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, &m[4], segs, 8, GANTRY_DMA_TO_DEVICE),
			-EINVAL);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, NULL, segs, 8, GANTRY_DMA_TO_DEVICE),
			-EINVAL);
	books_open(dev, 0);
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m, segs, 8, GANTRY_DMA_TO_DEVICE), 5);
	m[2].next = NULL;
	gantry_dma_unmap_mbuf_chain(dev, m, segs, 5, GANTRY_DMA_TO_DEVICE);
	assert_reason("mbuf segment list unmapped with other lengths");
	assert_int_equal(books.live, 1);
	dma_set_mode(dev, &dma_direct_mode);
	rte_free(p);
}

static void
random_chains_cover_all_bytes(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint16_t len[MAX_ENTS], gap[MAX_ENTS];
	struct gantry_dma_seg segs[256];
	struct gantry_sg sg[MAX_ENTS];
	struct rte_mbuf m[MAX_ENTS];
	uint8_t *p = make_area();
	unsigned int i, n, round;
	uint32_t seed = 2;
	int ret;

	for (round = 0; round < 100; round++) {
		n = 1 + number(&seed, MAX_ENTS);
		gantry_dma_set_max_seg_size(dev, 300 + number(&seed, 4000));
		gantry_dma_set_seg_boundary(dev, GANTRY_DMA_BIT_MASK(9 + number(&seed, 6)));
		for (i = 0; i < n; i++) {
			len[i] = 1 + number(&seed, 1500);
			gap[i] = number(&seed, 2) * number(&seed, 500);
		}
		make_chain(m, n, p, len, gap);
		for (i = 0; i < n; i++)
			gantry_sg_set_mbuf(&sg[i], &m[i], 0, len[i]);
		books_open(dev, 0);
		ret = gantry_dma_map_mbuf_chain(dev, m, segs, RTE_DIM(segs), GANTRY_DMA_TO_DEVICE);
		assert_true(ret > 0);
		check_segs(dev, segs, ret, sg, n);
		gantry_dma_unmap_mbuf_chain(dev, m, segs, ret, GANTRY_DMA_TO_DEVICE);
		assert_int_equal(books.unmaps, n);
		books_close(dev);
	}
	rte_free(p);
}

/*
 * Threads: each has lists of its own, on one device.
 */

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	uint8_t *area;
	unsigned int bad;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct gantry_sg sg[8];
	unsigned int i, round;

	for (round = 0; round < 2000; round++) {
		for (i = 0; i < 8; i++)
			gantry_sg_set_buf(&sg[i], w->area + i * 64 + (i > 3) * 64, 64);
		if (gantry_dma_map_sg(w->dev, sg, 8, GANTRY_DMA_TO_DEVICE) != 2 ||
				sg[0].dma.len != 256 || sg[1].dma.addr != sg[0].dma.addr + 320)
			w->bad++;
		gantry_dma_sync_sg_for_cpu(w->dev, sg, 8, GANTRY_DMA_TO_DEVICE);
		gantry_dma_unmap_sg(w->dev, sg, 8, GANTRY_DMA_TO_DEVICE);
	}
	return NULL;
}

static void
run_workers(struct gantry_dma_dev *dev, uint8_t *area)
{
	struct worker w[4];
	unsigned int i;

	for (i = 0; i < RTE_DIM(w); i++) {
		w[i] = (struct worker){ .dev = dev, .area = area + i * 4096 };
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < RTE_DIM(w); i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
	}
}

static void
threads_map_their_own_lists(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = make_area();

	run_workers(dev, p);
	books_open(dev, 0);
	run_workers(dev, p);
	assert_int_equal(books.unmaps, 4 * 2000 * 8);
	books_close(dev);
	rte_free(p);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ON_DEVICE(adjacent_entries_are_merged),
		ON_DEVICE(segments_respect_size_and_boundary),
		ON_DEVICE(failed_list_unmaps_earlier_entries),
		ON_DEVICE(changed_list_is_reported),
		ON_DEVICE(random_lists_cover_all_bytes),
		ON_DEVICE(mbuf_entry_uses_mbuf_iova),
		ON_DEVICE(chain_is_merged_split_and_unwound),
		ON_DEVICE(random_chains_cover_all_bytes),
		ON_DEVICE(threads_map_their_own_lists),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
