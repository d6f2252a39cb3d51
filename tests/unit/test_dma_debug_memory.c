/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer's view of memory (dma_debug_memory.c): pages that EAL gives back while
 * they are mapped, and stacks that the application allocates. The test replaces the registration
 * of memory events, and sends the events itself, so that it needs no hugepages.
 */

#include <sys/mman.h>

#include "dma_mbufs.h"

#include "dma_debug.h"

#define PAGE 4096

static rte_mem_event_callback_t event; /* of the debug layer */

int __real_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t clb,
		void *arg);
int __wrap_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t clb,
		void *arg);

int
__wrap_rte_mem_event_callback_register(const char *name, rte_mem_event_callback_t clb, void *arg)
{
	if (strcmp(name, "gantry_dma_debug") != 0)
		return __real_rte_mem_event_callback_register(name, clb, arg);
	event = clb;
	return 0;
}

static int
make(void **state)
{
	static const struct kind kind = { .ops = "ring_mp_mc" };

	*state = device("memory");
	assert_non_null(event);
	make_pool(&kind);
	gantry_dma_debug_handler(reports_add, NULL);
	reports_begin();
	return 0;
}

static int
drop(void **state)
{
	if (*state != NULL)
		gantry_dma_dev_destroy(*state);
	drop_pool();
	return 0;
}

/* The memory of the mbuf goes with the page of its data, so that the report must not name it. */
static void
mapping_in_a_freed_page_is_reported_once_without_its_mbuf(void **state)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr = drv_send(DEV(state), m, 3);

	event(RTE_MEM_EVENT_FREE, m->buf_addr, PAGE, NULL);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_FREED_MAPPED);
	assert_int_equal(reports.at[0].addr, addr);
	assert_int_equal(reports.at[0].descriptor, 3);
	assert_null(reports.at[0].mbuf);
	assert_string_equal(reports.at[0].pool, "");
	event(RTE_MEM_EVENT_FREE, m->buf_addr, PAGE, NULL);
	gantry_dma_dev_destroy(DEV(state));
	*state = NULL;
	assert_int_equal(reports.nr, 1);
	rte_pktmbuf_free(m); /* here the memory has stayed */
}

/* The page of an external buffer goes, and the mbuf stays: it comes back, and is freed. */
static void
mbuf_outside_of_a_freed_page_comes_back(void **state)
{
	uint8_t *p = rte_malloc(NULL, PAGE, PAGE);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	gantry_dma_addr_t addr;

	assert_non_null(p);
	assert_non_null(m);
	m->buf_addr = p;
	rte_mbuf_iova_set(m, rte_malloc_virt2iova(p));
	m->ol_flags = RTE_MBUF_F_EXTERNAL;
	m->data_off = 0;
	m->data_len = m->pkt_len = FRAME;
	addr = drv_send(DEV(state), m, 0);
	event(RTE_MEM_EVENT_FREE, p, PAGE, NULL);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_FREED_MAPPED);
	gantry_dma_unmap_mbuf(DEV(state), m, addr, FRAME, GANTRY_DMA_TO_DEVICE);
	m->buf_addr = rte_mbuf_buf_addr(m, pool);
	rte_mbuf_iova_set(m, rte_mempool_virt2iova(m) + sizeof(*m));
	m->ol_flags = 0;
	rte_pktmbuf_free(m);
	assert_int_equal(reports.nr, 1);
	rte_free(p);
}

static void
each_mapping_in_a_freed_page_is_reported(void **state)
{
	uint8_t *p = rte_malloc(NULL, 2 * PAGE, PAGE);
	gantry_dma_addr_t addr[3];
	unsigned int i;

	/* Three calls: mappings of one call are one cause, which is reported once. */
	addr[0] = gantry_dma_map_single(DEV(state), p, 64, GANTRY_DMA_TO_DEVICE);
	addr[1] = gantry_dma_map_single(DEV(state), p + PAGE / 2, 64, GANTRY_DMA_TO_DEVICE);
	addr[2] = gantry_dma_map_single(DEV(state), p + PAGE, 64, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < RTE_DIM(addr); i++)
		assert_false(gantry_dma_mapping_error(DEV(state), addr[i]));
	event(RTE_MEM_EVENT_FREE, p, PAGE, NULL);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_FREED_MAPPED), 2);
	event(RTE_MEM_EVENT_FREE, p + PAGE, PAGE, NULL);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_FREED_MAPPED), 3);
	for (i = 0; i < RTE_DIM(addr); i++)
		gantry_dma_unmap_single(DEV(state), addr[i], 64, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 3);
	rte_free(p);
}

static void
only_pages_that_are_freed_and_mapped_are_reported(void **state)
{
	uint8_t *p = rte_malloc(NULL, 4 * PAGE, PAGE);
	gantry_dma_addr_t addr = gantry_dma_map_single(DEV(state), p + PAGE, 2 * PAGE,
			GANTRY_DMA_TO_DEVICE);

	assert_false(gantry_dma_mapping_error(DEV(state), addr));
	event(RTE_MEM_EVENT_FREE, p, PAGE, NULL);
	event(RTE_MEM_EVENT_FREE, p + 3 * PAGE, PAGE, NULL);
	event(RTE_MEM_EVENT_ALLOC, p + PAGE, PAGE, NULL);
	assert_int_equal(reports.nr, 0);
	event(RTE_MEM_EVENT_FREE, p + 2 * PAGE, PAGE, NULL);
	assert_int_equal(reports.nr, 1);
	gantry_dma_unmap_single(DEV(state), addr, 2 * PAGE, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 1);
	rte_free(p);
}

/* A stack of the application has no name, and nothing that looks like a guard below. */

#define STACK ((size_t)256 << 10)
#define BELOW ((size_t)64 << 10)

struct stack {
	struct gantry_dma_dev *dev;
	uint8_t *base;
};

static void *
map_around_the_stack(void *arg)
{
	const struct stack *s = arg;
	/* AddressSanitizer may keep local variables elsewhere. */
	uint8_t *frame = __builtin_frame_address(0);

	assert_true(frame > s->base && frame < s->base + STACK);
	assert_int_equal(dma_debug_memory(s->dev, frame, 64), GANTRY_DMA_MISUSE_MAP_STACK);
	assert_int_equal(dma_debug_memory(s->dev, s->base, 64), GANTRY_DMA_MISUSE_MAP_STACK);
	assert_int_equal(dma_debug_memory(s->dev, s->base + STACK - 1, 1),
			GANTRY_DMA_MISUSE_MAP_STACK);
	assert_int_equal(dma_debug_memory(s->dev, s->base - 64, 64), GANTRY_DMA_MISUSE_MAX);
	assert_int_equal(dma_debug_memory(s->dev, s->base + STACK, 64), GANTRY_DMA_MISUSE_MAX);
	return NULL;
}

static void
stack_of_the_application_is_a_stack(void **state)
{
	uint8_t *all = mmap(NULL, BELOW + STACK + BELOW, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct stack s = { DEV(state), all + BELOW };
	pthread_attr_t attr;
	pthread_t thread;

	assert_ptr_not_equal(all, MAP_FAILED);
	/* Another kind of neighbour, so that nothing below is taken for a guard. */
	assert_int_equal(mprotect(all, 4096, PROT_READ), 0);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, s.base, STACK), 0);
	assert_int_equal(pthread_create(&thread, &attr, map_around_the_stack, &s), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
	munmap(all, BELOW + STACK + BELOW);
}

#define WITH_POOL(f) cmocka_unit_test_setup_teardown(f, make, drop)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		WITH_POOL(mbuf_outside_of_a_freed_page_comes_back),
		WITH_POOL(mapping_in_a_freed_page_is_reported_once_without_its_mbuf),
		WITH_POOL(each_mapping_in_a_freed_page_is_reported),
		WITH_POOL(only_pages_that_are_freed_and_mapped_are_reported),
		WITH_POOL(stack_of_the_application_is_a_stack),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name("dma_debug_memory", tests, NULL, NULL);
}
