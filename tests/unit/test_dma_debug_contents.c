/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the contents of a report of the debug layer (dma_debug_report.c, dma_debug_unmap.c), and
 * of the limits of what it counts, keeps and reports (dma_debug_report.c, dma_debug_leak.c).
 */

#include "dma_reports.h"

#include <rte_log.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dma_debug.h"

#define LEN 512

/* Limits of the library. */
#define CAUSES_MAX       4096
#define LEAK_REPORTS_MAX 16
#define ROOM_OF_A_CAUSE  64 /* bytes, or more */

static uint8_t *memory;

static int
make(void **state)
{
	struct gantry_dma_params p = {
		.name = "report",
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_DIRECT,
		.debug = GANTRY_DMA_DEBUG_ON,
	};

	*state = gantry_dma_dev_create(&p);
	assert_non_null(*state);
	assert_int_equal(gantry_dma_set_mask_and_coherent(DEV(state), GANTRY_DMA_BIT_MASK(64)), 0);
	memory = rte_zmalloc(NULL, LEN, 64);
	assert_non_null(memory);
	gantry_dma_debug_handler(reports_add, NULL);
	reports_begin();
	return 0;
}

static int
drop(void **state)
{
	gantry_dma_dev_destroy(DEV(state));
	rte_free(memory);
	return 0;
}

/** Assert that the last report has, or does not have, that text. */
static void
assert_text(const char *part, bool has)
{
	const char *text = reports.at[reports.nr - 1].text;

	assert_true(reports.nr > 0);
	if ((strstr(text, part) != NULL) != has)
		fail_msg("\"%s\" %s in \"%s\"", part, has ? "is not" : "is", text);
}

/* Each thread has a context of its own, and a new one has none. */
static void *
unmap_nothing(void *dev)
{
	gantry_dma_unmap_single(dev, (uintptr_t)memory, LEN, GANTRY_DMA_TO_DEVICE);
	return NULL;
}

static void
report_without_context_names_no_queue(void **state)
{
	pthread_t thread;

	gantry_dma_debug_context('t', 1, 2);
	start_thread(&thread, unmap_nothing, DEV(state));
	pthread_join(thread, NULL);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].queue, -1);
	assert_text("queue", false);
}

static void
report_names_queue_and_descriptor_from_zero_on(void **state)
{
	gantry_dma_debug_context('r', 0, 0);
	gantry_dma_unmap_single(DEV(state), (uintptr_t)memory, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 1);
	assert_text("; rx queue 0, descriptor 0", true);
	assert_text("; 512 bytes to the device", true);
	gantry_dma_debug_context('t', 15, 4095);
	gantry_dma_unmap_single(DEV(state), (uintptr_t)memory, 1, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(reports.nr, 2);
	assert_text("; tx queue 15, descriptor 4095", true);
	assert_text("; 1 bytes from the device", true);
}

/* The error was not tested: the driver unmaps what the mapping returned. */
static void
unmapping_an_error_names_the_mapping_that_failed_once(void **state)
{
	uint8_t *heap = malloc(LEN);
	gantry_dma_addr_t addr = gantry_dma_map_single(DEV(state), heap, LEN, GANTRY_DMA_TO_DEVICE);

	assert_int_equal(addr, GANTRY_DMA_MAPPING_ERROR);
	reports_begin();
	gantry_dma_unmap_single(DEV(state), addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_UNMAP_ERROR);
	assert_ptr_equal(reports.at[0].cpu, heap);
	assert_text("mapping tried by", true);
	gantry_dma_unmap_single(DEV(state), addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 2);
	assert_int_equal(reports.at[1].misuse, GANTRY_DMA_MISUSE_UNMAP_ERROR);
	assert_null(reports.at[1].cpu);
	assert_text("in vain", false);
	free(heap);
}

/* Map as one of several places of the program would, each with a name of its own. */
static gantry_dma_addr_t
map_at_place(struct gantry_dma_dev *dev, unsigned int place)
{
	gantry_dma_addr_t addr;

	gantry_dma_debug_caller((const void *)(uintptr_t)(0x1000 + place));
	addr = gantry_dma_map_single(dev, memory, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_mapping_error(dev, addr), 0);
	gantry_dma_debug_caller(NULL);
	return addr;
}

static void HERE
unmap_wrongly(struct gantry_dma_dev *dev, unsigned int place)
{
	gantry_dma_unmap_single(dev, map_at_place(dev, place), LEN - 1, GANTRY_DMA_TO_DEVICE);
}

static void
free_recent(struct dma_debug_counts *c)
{
	while (c->nr_recent > 0)
		free(c->recent[--c->nr_recent]);
}

static void
each_cause_is_counted_once_and_its_repeats_apart(void **state)
{
	const struct dma_debug *debug = dma_device(DEV(state))->layer_state;
	struct dma_debug_counts before, after;
	unsigned int i;

	dma_debug_counts(&before);
	free_recent(&before);
	for (i = 0; i < 70; i++)
		unmap_wrongly(DEV(state), i);
	for (i = 0; i < 70; i++)
		unmap_wrongly(DEV(state), i);
	gantry_dma_unmap_single(DEV(state), 0x1000, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_debug_errors(DEV(state)), 71);
	assert_int_equal(debug->repeats, 70);
	dma_debug_counts(&after);
	assert_int_equal(after.errors - before.errors, 71);
	assert_int_equal(after.repeats - before.repeats, 70);
	i = GANTRY_DMA_MISUSE_WRONG_SIZE;
	assert_int_equal(after.by_class[i] - before.by_class[i], 70);
	i = GANTRY_DMA_MISUSE_UNMAP_UNKNOWN;
	assert_int_equal(after.by_class[i] - before.by_class[i], 1);
	free_recent(&after);
}

/* Also after another device had errors. */
static void
device_without_debug_mode_has_no_errors(void **state)
{
	const struct gantry_dma_params p = {
		.name = "silent",
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_DIRECT,
	};
	struct gantry_dma_dev *silent = gantry_dma_dev_create(&p);

	assert_non_null(silent);
	unmap_wrongly(DEV(state), 0);
	assert_int_equal(gantry_dma_debug_errors(DEV(state)), 1);
	assert_int_equal(gantry_dma_debug_errors(silent), 0);
	assert_int_equal(gantry_dma_debug_live(silent), 0);
	gantry_dma_dev_destroy(silent);
}

/* The lines of the last reports stay, the oldest first. */
static void
last_reports_are_kept(void **state)
{
	struct dma_debug_counts c;
	char where[32];
	unsigned int i;

	for (i = 0; i < DMA_DEBUG_RECENT + 3; i++)
		unmap_wrongly(DEV(state), i);
	dma_debug_counts(&c);
	assert_int_equal(c.nr_recent, DMA_DEBUG_RECENT);
	for (i = 0; i < c.nr_recent; i++) {
		snprintf(where, sizeof(where), "mapped by 0x%x;", 0x1000 + 3 + i);
		if (strstr(c.recent[i], where) == NULL)
			fail_msg("%u: \"%s\" lacks \"%s\"", i, c.recent[i], where);
	}
	free_recent(&c);
}

static void
causes_beyond_the_limit_are_only_counted(void **state)
{
	struct dma_debug *debug = dma_device(DEV(state))->layer_state;

	debug->seen = calloc(CAUSES_MAX, ROOM_OF_A_CAUSE);
	assert_non_null(debug->seen);
	debug->max_seen = CAUSES_MAX;
	debug->nr_seen = CAUSES_MAX - 1;
	unmap_wrongly(DEV(state), 0);
	assert_int_equal(reports.nr, 1);
	unmap_wrongly(DEV(state), 1);
	unmap_wrongly(DEV(state), 0);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(debug->errors, 1);
	assert_int_equal(debug->repeats, 2);
	assert_int_equal(debug->nr_seen, CAUSES_MAX);
}

/* The device ends, and mappings of this many places are left. Return the log. */
static char *
leak(void **state, unsigned int places)
{
	const uint64_t before = gantry_dma_debug_errors(NULL);
	char *log = NULL;
	unsigned int i;
	size_t len;
	FILE *f = open_memstream(&log, &len);

	assert_non_null(f);
	for (i = 0; i < 2 * places; i++)
		map_at_place(DEV(state), i / 2);
	rte_openlog_stream(f);
	gantry_dma_dev_destroy(DEV(state));
	rte_openlog_stream(NULL);
	fclose(f);
	assert_int_equal(gantry_dma_debug_errors(NULL) - before,
			RTE_MIN(places, (unsigned int)LEAK_REPORTS_MAX));
	for (i = 0; i < reports.nr; i++) {
		assert_int_equal(reports.at[i].misuse, GANTRY_DMA_MISUSE_LEAKED);
		assert_ptr_equal(reports.at[i].map_site, 0x1000 + i);
		assert_non_null(strstr(reports.at[i].text,
				"2 of them, 1024 bytes, were never unmapped; the first"));
	}
	rte_free(memory);
	make(state);
	return log;
}

static void
leaks_are_reported_for_a_limited_number_of_places(void **state)
{
	char *log = leak(state, LEAK_REPORTS_MAX);

	assert_null(strstr(log, "not reported one by one"));
	free(log);
	log = leak(state, LEAK_REPORTS_MAX + 3);
	if (strstr(log, "6 more mappings of 3 other places: leaked") == NULL)
		fail_msg("\"%s\" lacks the number of others", log);
	free(log);
}

/* A handler makes a mistake itself. */
static void
add_and_unmap(void *arg, const struct gantry_dma_error *e)
{
	reports_add(NULL, e);
	gantry_dma_unmap_single(arg, (uintptr_t)memory, LEN, GANTRY_DMA_TO_DEVICE);
}

static void
mistake_of_a_handler_is_not_reported(void **state)
{
	gantry_dma_debug_handler(add_and_unmap, DEV(state));
	unmap_wrongly(DEV(state), 0);
	assert_int_equal(reports.nr, 1);
	unmap_wrongly(DEV(state), 1);
	assert_int_equal(reports.nr, 2);
	assert_int_equal(gantry_dma_debug_errors(DEV(state)), 2);
}

static void
what_has_no_name_is_named_so(void **state)
{
	unsigned int i;

	for (i = 0; i < GANTRY_DMA_MISUSE_MAX; i++)
		assert_string_not_equal(gantry_dma_misuse_name(i), "unknown");
	assert_string_equal(gantry_dma_misuse_name(GANTRY_DMA_MISUSE_MAX), "unknown");
	assert_string_equal(dma_debug_dir_name(GANTRY_DMA_BIDIRECTIONAL), "both ways");
	assert_string_equal(dma_debug_dir_name(GANTRY_DMA_FROM_DEVICE), "from the device");
	assert_string_equal(dma_debug_dir_name(GANTRY_DMA_NONE), "no way");
}

static struct rte_mempool *
watched_pool(struct gantry_dma_dev *dev, const char *name)
{
	struct rte_mempool *pool = rte_pktmbuf_pool_create(name, 31, 0, 0, 256, SOCKET_ID_ANY);

	assert_non_null(pool);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	return pool;
}

/* A report about an object that does not belong into a pool describes it. */
static void
foreign_object_is_described(void **state)
{
	struct rte_mempool *pool = watched_pool(DEV(state), "mine");
	struct rte_mempool *other = watched_pool(DEV(state), "other");
	struct rte_mbuf *m = rte_pktmbuf_alloc(other);
	unsigned int i;

	assert_non_null(m);
	rte_mempool_put(pool, memory);
	assert_text("is put into pool 'mine', and is no mbuf of a watched pool; it does not enter",
			true);
	rte_mempool_put(pool, (uint8_t *)m + 64);
	assert_text("and is no mbuf, but 64 bytes behind the beginning of one; it", true);
	assert_ptr_equal(reports.at[1].mbuf, m);
	assert_string_equal(reports.at[1].pool, "other");
	rte_mempool_put(pool, m);
	assert_text("and is an mbuf of another pool; it", true);
	rte_mempool_put(pool, NULL);
	assert_text("and is no mbuf; it", true);
	assert_int_equal(reports.nr, 4);
	for (i = 0; i < reports.nr; i++) {
		assert_int_equal(reports.at[i].misuse, GANTRY_DMA_MISUSE_MBUF_NOT_OF_POOL);
		assert_int_equal(reports.at[i].addr, GANTRY_DMA_MAPPING_ERROR);
	}
	assert_int_equal(rte_mempool_avail_count(pool), 31);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_avail_count(other), 31);
	assert_int_equal(reports.nr, 4);
	rte_mempool_free(pool);
	rte_mempool_free(other);
}

/* The put succeeds, and the others enter the pool, wherever the foreign object is among them. */
static void
put_of_many_leaves_out_the_foreign_object(void **state)
{
	struct rte_mempool *pool = watched_pool(DEV(state), "bulk");
	void *objs[3];
	unsigned int i;

	for (i = 0; i < RTE_DIM(objs); i++) {
		assert_int_equal(rte_mempool_get_bulk(pool, objs, RTE_DIM(objs)), 0);
		rte_mempool_put(pool, objs[i]);
		objs[i] = memory;
		assert_int_equal(rte_mempool_ops_enqueue_bulk(pool, objs, RTE_DIM(objs)), 0);
		assert_int_equal(rte_mempool_avail_count(pool), 31);
	}
	assert_int_equal(rte_mempool_ops_enqueue_bulk(pool, &objs[2], 1), 0);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_MBUF_NOT_OF_POOL), reports.nr);
	assert_true(reports.nr > 0);
	rte_mempool_free(pool);
}

#define ON_DEBUG(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ON_DEBUG(report_without_context_names_no_queue),
		ON_DEBUG(report_names_queue_and_descriptor_from_zero_on),
		ON_DEBUG(unmapping_an_error_names_the_mapping_that_failed_once),
		ON_DEBUG(each_cause_is_counted_once_and_its_repeats_apart),
		ON_DEBUG(device_without_debug_mode_has_no_errors),
		ON_DEBUG(last_reports_are_kept),
		ON_DEBUG(causes_beyond_the_limit_are_only_counted),
		ON_DEBUG(leaks_are_reported_for_a_limited_number_of_places),
		ON_DEBUG(mistake_of_a_handler_is_not_reported),
		ON_DEBUG(foreign_object_is_described),
		ON_DEBUG(put_of_many_leaves_out_the_foreign_object),
		ON_DEBUG(what_has_no_name_is_named_so),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name("dma_debug_contents", tests, NULL, NULL);
}
