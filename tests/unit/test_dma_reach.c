/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * lib/dma: what a device may reach, in groups.
 */

#include "dma_bus.h"

#include <rte_malloc.h>

#include "gantry_dma_reach.h"

#define MANY 1000
#define LEN  512

/* Groups as they were shown. */
static struct {
	unsigned int nr;
	struct gantry_dma_reach_group at[64];
	char by[64][128];
} seen;

static void
see(void *arg, const struct gantry_dma_reach_group *g)
{
	assert_ptr_equal(arg, &seen);
	assert_true(seen.nr < RTE_DIM(seen.at));
	seen.at[seen.nr] = *g;
	snprintf(seen.by[seen.nr++], sizeof(seen.by[0]), "%s", g->by);
}

static void
look(struct gantry_dma_dev *dev)
{
	seen.nr = 0;
	gantry_dma_for_each_group(dev, see, &seen);
	for (unsigned int i = 1; i < seen.nr; i++)
		assert_true(seen.at[i - 1].first <= seen.at[i].first);
}

/* How many groups are of that kind and direction; the last of them. */
static unsigned int
groups(enum gantry_dma_reach reach, enum gantry_dma_dir dir,
		const struct gantry_dma_reach_group **g)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < seen.nr; i++) {
		if (seen.at[i].reach == reach && seen.at[i].dir == dir) {
			*g = &seen.at[i];
			n++;
		}
	}
	return n;
}

/* Two places in a program. */
static __rte_noinline gantry_dma_addr_t
one_place(struct gantry_dma_dev *dev, void *p, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN, dir);

	assert_int_equal(gantry_dma_mapping_error(dev, addr), 0);
	return addr;
}

static __rte_noinline gantry_dma_addr_t
another_place(struct gantry_dma_dev *dev, void *p)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);

	assert_int_equal(gantry_dma_mapping_error(dev, addr), 0);
	return addr;
}

/* By who mapped it and which way, and nothing but what is mapped. */
static void
test_strict(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, (MANY + 2) * LEN, 4096);
	static gantry_dma_addr_t addr[MANY + 2];
	const struct gantry_dma_reach_group *g = NULL;
	gantry_dma_addr_t ring_addr, least = UINT64_MAX, most = 0;
	void *ring;

	assert_non_null(p);
	bus_mask(dev, 64);
	look(dev);
	assert_int_equal(seen.nr, 0);
	for (unsigned int i = 0; i < MANY; i++) {
		addr[i] = one_place(dev, p + i * LEN, GANTRY_DMA_FROM_DEVICE);
		least = RTE_MIN(least, addr[i]);
		most = RTE_MAX(most, addr[i] + LEN - 1);
	}
	look(dev);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(groups(GANTRY_DMA_REACH_BUFFER, GANTRY_DMA_FROM_DEVICE, &g), 1);
	assert_int_equal(g->nr, MANY);
	assert_int_equal(g->bytes, MANY * LEN);
	assert_int_equal(g->first, least);
	assert_int_equal(g->last, most);
	assert_true((uint8_t *)g->cpu >= p && (uint8_t *)g->cpu < p + MANY * LEN);
	assert_true(g->youngest_ms <= g->oldest_ms);
	assert_true(g->oldest_ms < UINT64_MAX);
	assert_non_null(strstr(seen.by[0], "test_dma_reach"));

	addr[MANY] = another_place(dev, p + MANY * LEN);
	addr[MANY + 1] = one_place(dev, p + (MANY + 1) * LEN, GANTRY_DMA_TO_DEVICE);
	ring = gantry_dma_alloc_coherent(dev, 8192, &ring_addr, SOCKET_ID_ANY);
	assert_non_null(ring);
	look(dev);
	assert_int_equal(seen.nr, 4);
	assert_int_equal(groups(GANTRY_DMA_REACH_BUFFER, GANTRY_DMA_FROM_DEVICE, &g), 2);
	assert_int_equal(groups(GANTRY_DMA_REACH_BUFFER, GANTRY_DMA_TO_DEVICE, &g), 1);
	assert_int_equal(g->first, addr[MANY + 1]);
	assert_ptr_equal(g->cpu, p + (MANY + 1) * LEN);
	assert_int_equal(groups(GANTRY_DMA_REACH_COHERENT, GANTRY_DMA_BIDIRECTIONAL, &g), 1);
	assert_int_equal(g->first, ring_addr);
	assert_int_equal(g->last, ring_addr + 8191);
	assert_ptr_equal(g->cpu, ring);

	for (unsigned int i = 0; i <= MANY; i++)
		gantry_dma_unmap_single(dev, addr[i], LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, addr[MANY + 1], LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_free_coherent(dev, 8192, ring, ring_addr);
	look(dev);
	assert_int_equal(seen.nr, 0);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* All of EAL's memory, as EAL has it: each page is in one of the groups, at its address. */
static int
is_shown(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	uint64_t *bytes = arg;

	*bytes += ms->len;
	for (unsigned int i = 0; i < seen.nr; i++) {
		const struct gantry_dma_reach_group *g = &seen.at[i];

		if (ms->iova >= g->first && ms->iova + (ms->len - 1) <= g->last) {
			assert_ptr_equal((uint8_t *)g->cpu + (ms->iova - g->first), ms->addr);
			return 0;
		}
	}
	fail_msg("nothing shows the memory at %p", ms->addr);
	return -1;
}

static void
test_direct(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_without, GANTRY_DMA_MODE_DIRECT);
	uint64_t bytes = 0, shown = 0;
	uint8_t *p = rte_malloc(NULL, LEN, 0);
	gantry_dma_addr_t addr;

	bus_mask(dev, 64);
	addr = one_place(dev, p, GANTRY_DMA_TO_DEVICE);
	look(dev);
	assert_int_equal(rte_memseg_walk(is_shown, &bytes), 0);
	for (unsigned int i = 0; i < seen.nr; i++) {
		assert_int_equal(seen.at[i].reach, GANTRY_DMA_REACH_MEMORY);
		assert_int_equal(seen.at[i].dir, GANTRY_DMA_BIDIRECTIONAL);
		assert_int_equal(seen.at[i].bytes, seen.at[i].last - seen.at[i].first + 1);
		assert_int_equal(seen.at[i].oldest_ms, UINT64_MAX);
		assert_string_equal(seen.by[i], "bus, all of EAL's memory");
		shown += seen.at[i].bytes;
	}
	assert_int_equal(shown, bytes);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
test_names(void **state)
{
	assert_string_equal(gantry_dma_reach_name(GANTRY_DMA_REACH_MEMORY), "memory");
	assert_string_equal(gantry_dma_reach_name(GANTRY_DMA_REACH_RESOURCE), "BAR");
	assert_string_equal(gantry_dma_access_name(GANTRY_DMA_TO_DEVICE), "r");
	assert_string_equal(gantry_dma_access_name(GANTRY_DMA_FROM_DEVICE), "w");
	assert_string_equal(gantry_dma_access_name(GANTRY_DMA_BIDIRECTIONAL), "rw");
	assert_string_equal(gantry_dma_access_name(GANTRY_DMA_NONE), "-");
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_direct),
		cmocka_unit_test(test_names),
	};
	int ret;

	eal_start(argc, argv, NULL);
	ret = cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
	rte_eal_cleanup();
	return ret;
}
