/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Plays of mappings, and a device with the debug layer on, for the tests of that layer.
 *
 * A play is code with one mistake, or none if `fixed` is true: see dma_reports.h.
 */

#ifndef DMA_PLAYS_H
#define DMA_PLAYS_H

#include "dma_device.h"

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dma_reports.h"
#include "gantry_dma_sg.h"

#define LEN 512

static __rte_unused uint8_t *
memory(size_t len)
{
	uint8_t *p = rte_zmalloc("test", len, RTE_CACHE_LINE_SIZE);

	assert_non_null(p);
	return p;
}

/* Always inline, without optimisation as well: reports must name the caller as the place. */
static __rte_always_inline gantry_dma_addr_t
map(struct gantry_dma_dev *dev, void *p, size_t len, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, len, dir);

	assert_false(gantry_dma_mapping_error(dev, addr));
	return addr;
}

static __rte_unused struct gantry_dma_dev *
debug_device(const char *name, enum gantry_dma_debug_level level)
{
	struct gantry_dma_params p = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_DIRECT,
		.debug = level,
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	return dev;
}

/* Plays that several programs use. */

static __rte_unused void HERE
unmap_unknown(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	if (!fixed)
		gantry_dma_unmap_single(dev, addr + LEN / 2, LEN / 2, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static __rte_unused void HERE
wrong_size(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	gantry_dma_unmap_single(dev, addr, fixed ? LEN : 60, GANTRY_DMA_FROM_DEVICE);
	rte_free(p);
}

static __rte_unused void HERE
wrong_direction(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	gantry_dma_unmap_single(dev, addr, LEN,
			fixed ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

/* Map memory that must not be mapped; in some modes this succeeds. */
static inline __attribute__((always_inline)) void
map_and_unmap(struct gantry_dma_dev *dev, void *p, size_t len)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, len, GANTRY_DMA_TO_DEVICE);

	if (gantry_dma_mapping_error(dev, addr) == 0)
		gantry_dma_unmap_single(dev, addr, len, GANTRY_DMA_TO_DEVICE);
}

static __rte_unused void HERE
map_nothing(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(LEN);

	map_and_unmap(dev, fixed ? p : (void *)(uintptr_t)LEN, LEN);
	rte_free(p);
}

static __rte_unused void
list(struct gantry_sg *sg, uint8_t *p, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		gantry_sg_set_buf(&sg[i], p + i * LEN, LEN / 2);
}

/** Run each play without its mistake, all on one device: no report. */
static __rte_unused void
plays_without_mistakes(const struct play *plays, unsigned int nr)
{
	struct gantry_dma_dev *dev = debug_device("twins", GANTRY_DMA_DEBUG_ON);
	unsigned int i, round;

	reports_begin();
	for (round = 0; round < 2; round++) {
		for (i = 0; i < nr; i++) {
			plays[i].play(dev, true);
			if (reports.nr != 0)
				fail_msg("%s: %s", plays[i].name, reports.at[0].text);
			assert_int_equal(gantry_dma_debug_live(dev), 0);
		}
	}
	assert_int_equal(gantry_dma_debug_errors(dev), 0);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 0);
}

/**
 * Run each play with its mistake: one report, of the right class, which names the play. Repetitions
 * are not reported.
 */
static __rte_unused void
plays_with_mistakes(const struct play *plays, unsigned int nr)
{
	const uint64_t before = gantry_dma_debug_errors(NULL);
	struct gantry_dma_dev *dev;
	unsigned int i, round;

	for (i = 0; i < nr; i++) {
		dev = debug_device(plays[i].name, GANTRY_DMA_DEBUG_ON);
		reports_begin();
		for (round = 0; round < 3; round++) {
			plays[i].play(dev, false);
			reports_expect(plays[i].misuse, plays[i].name);
			assert_string_equal(reports.at[0].device, plays[i].name);
		}
		assert_int_equal(gantry_dma_debug_errors(dev), 1);
		assert_int_equal(gantry_dma_debug_live(dev), 0);
		/*
		 * If the number of entries is wrong, the report still names the call that mapped
		 * them.
		 */
		if (plays[i].misuse == GANTRY_DMA_MISUSE_WRONG_NENTS)
			assert_non_null(reports.at[0].map_site);
		gantry_dma_dev_destroy(dev);
		assert_int_equal(reports.nr, 1);
	}
	assert_int_equal(gantry_dma_debug_errors(NULL) - before, nr);
}

/** Start EAL and record reports. One block of the heap remains, so that EAL keeps its pages. */
static inline int
plays_run(int argc, char **argv, int (*run)(const char *mode))
{
	uint8_t *stays;

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	gantry_dma_debug_filter("");
	stays = memory(64);
	return run(argc > 1 ? argv[1] : "no-huge") + (stays == NULL);
}

#endif /* DMA_PLAYS_H */
