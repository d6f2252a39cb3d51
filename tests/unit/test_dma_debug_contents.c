/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the contents of a report of the debug layer (dma_debug_report.c, dma_debug_unmap.c).
 */

#include "dma_reports.h"

#include <rte_malloc.h>

#define LEN 512

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

#define ON_DEBUG(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ON_DEBUG(report_without_context_names_no_queue),
		ON_DEBUG(report_names_queue_and_descriptor_from_zero_on),
		ON_DEBUG(unmapping_an_error_names_the_mapping_that_failed_once),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name("dma_debug_contents", tests, NULL, NULL);
}
