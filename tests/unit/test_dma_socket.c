/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the NUMA node of coherent memory (dma_coherent.c). The test replaces the reservation of
 * memzones, so that it needs one node only.
 */

#include "dma_device.h"

#include <rte_memzone.h>

static struct {
	int socket[4];
	size_t len[4];
	char name[4][RTE_MEMZONE_NAMESIZE];
	unsigned int nr;
	int empty; /* this node has no memory left; -2: none */
} asked;

const struct rte_memzone *__real_rte_memzone_reserve_aligned(const char *name, size_t len,
		int socket_id, unsigned int flags, unsigned int align);
const struct rte_memzone *__wrap_rte_memzone_reserve_aligned(const char *name, size_t len,
		int socket_id, unsigned int flags, unsigned int align);

const struct rte_memzone *
__wrap_rte_memzone_reserve_aligned(const char *name, size_t len, int socket_id, unsigned int flags,
		unsigned int align)
{
	assert_true(asked.nr < RTE_DIM(asked.socket));
	snprintf(asked.name[asked.nr], sizeof(asked.name[0]), "%s", name);
	asked.len[asked.nr] = len;
	asked.socket[asked.nr++] = socket_id;
	if (socket_id == asked.empty) {
		rte_errno = ENOMEM;
		return NULL;
	}
	return __real_rte_memzone_reserve_aligned(name, len, SOCKET_ID_ANY, flags, align);
}

static int
make_on_node(void **state)
{
	struct gantry_dma_params p = {
		.name = "node",
		.socket_id = 1,
		.mode = GANTRY_DMA_MODE_DIRECT,
	};

	*state = gantry_dma_dev_create(&p);
	assert_non_null(*state);
	assert_int_equal(gantry_dma_set_mask_and_coherent(*state, GANTRY_DMA_BIT_MASK(64)), 0);
	asked.nr = 0;
	asked.empty = -2;
	return 0;
}

static void
use_block(struct gantry_dma_dev *dev, size_t size, int socket_id)
{
	gantry_dma_addr_t addr;
	void *p = gantry_dma_alloc_coherent(dev, size, &addr, socket_id);

	assert_non_null(p);
	gantry_dma_free_coherent(dev, size, p, addr);
}

static void
coherent_memory_is_on_the_node_that_is_asked_for_or_that_of_the_device(void **state)
{
	use_block(DEV(state), 4096, SOCKET_ID_ANY);
	use_block(DEV(state), 4096, 0);
	use_block(DEV(state), 4096, 2);
	assert_int_equal(asked.nr, 3);
	assert_int_equal(asked.socket[0], 1);
	assert_int_equal(asked.socket[1], 0);
	assert_int_equal(asked.socket[2], 2);
}

static void
coherent_memory_is_on_another_node_if_that_one_is_full(void **state)
{
	gantry_dma_addr_t addr;

	asked.empty = 1;
	use_block(DEV(state), 4096, SOCKET_ID_ANY);
	assert_int_equal(asked.nr, 2);
	assert_int_equal(asked.socket[0], 1);
	assert_int_equal(asked.socket[1], SOCKET_ID_ANY);
	/* If no node has any, the library asks once for each. */
	asked.nr = 0;
	asked.empty = SOCKET_ID_ANY;
	assert_null(gantry_dma_alloc_coherent(DEV(state), SIZE_MAX / 8, &addr, 1));
	assert_int_equal(rte_errno, ENOMEM);
	assert_int_equal(asked.nr, 2);
}

static void
coherent_memory_is_whole_pages_with_a_name_of_its_own(void **state)
{
	use_block(DEV(state), 1, 0);
	use_block(DEV(state), 4097, 0);
	assert_int_equal(asked.nr, 2);
	assert_int_equal(asked.len[0], 4096);
	assert_int_equal(asked.len[1], 8192);
	assert_string_not_equal(asked.name[0], asked.name[1]);
}

#define ON_NODE(f) cmocka_unit_test_setup_teardown(f, make_on_node, drop_device)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ON_NODE(coherent_memory_is_on_the_node_that_is_asked_for_or_that_of_the_device),
		ON_NODE(coherent_memory_is_on_another_node_if_that_one_is_full),
		ON_NODE(coherent_memory_is_whole_pages_with_a_name_of_its_own),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name("dma_socket", tests, NULL, NULL);
}
