/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer of lib/dma: what a report contains, leaks, the filter, telemetry,
 * threads, and numbers of mappings.
 */

#define EAL_TELEMETRY "--telemetry"
#include "dma_plays.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "dma_debug.h"
#include "dma_telemetry.h"

static void
expect_why(struct gantry_dma_dev *dev, void *ptr, size_t size, const char *why)
{
	reports_begin();
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, ptr, size, GANTRY_DMA_TO_DEVICE)));
	assert_reason(why);
	assert_int_equal(reports.nr, 1);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_MAP_SCATTERED);
	if (strstr(reports.at[0].text, why) == NULL)
		fail_msg("not \"%s\": %s", why, reports.at[0].text);
}

/* Memory has no bus address for one of several reasons: the report gives the right one. */
static void
report_gives_reason_for_missing_bus_address(void **state)
{
	const size_t page = 4096, n = 3;
	rte_iova_t iovas[3] = { 0x10000000, 0x10001000, 0x20000000 };
	uint8_t *mem = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	static const char *const whys[] = {
		"the device was not given them",
		"registered with EAL without a bus address",
		"0x10001fff is followed by 0x20000000",
	};
	struct gantry_dma_dev *dev;
	unsigned int i;

	assert_ptr_not_equal(mem, MAP_FAILED);
	for (i = 0; i < RTE_DIM(whys); i++) {
		dev = debug_device("why", GANTRY_DMA_DEBUG_ON);
		if (i > 0)
			assert_int_equal(rte_extmem_register(mem, n * page, i == 1 ? NULL : iovas,
							 i == 1 ? 0 : n, page),
					0);
		expect_why(dev, mem, n * page, whys[i]);
		if (i > 0)
			assert_int_equal(rte_extmem_unregister(mem, n * page), 0);
		gantry_dma_dev_destroy(dev);
	}
	munmap(mem, n * page);
}

/* Leaks: one report for each place that has leaked mappings, however many. */
static void
leaks_are_reported_once_per_place(void **state)
{
	struct gantry_dma_dev *dev = debug_device("leaks", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(64 * LEN);
	gantry_dma_addr_t bus;
	void *block;
	unsigned int i;

	reports_begin();
	for (i = 0; i < 32; i++)
		map(dev, p + i * LEN, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_map_single(dev, p + 40 * LEN, LEN, GANTRY_DMA_FROM_DEVICE);
	block = gantry_dma_alloc_coherent(dev, 100, &bus, SOCKET_ID_ANY);
	assert_non_null(block);
	assert_int_equal(gantry_dma_debug_live(dev), 34);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(gantry_dma_debug_live(NULL), 0);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_LEAKED), 3);
	assert_int_equal(reports_count(GANTRY_DMA_MISUSE_UNCHECKED), 1);
	assert_int_equal(reports.nr, 4);
	rte_free(p);
}

/* The report names the call that mapped and the call that misused the mapping. */
static gantry_dma_addr_t HERE
who_maps(struct gantry_dma_dev *dev, void *p)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, p, LEN, GANTRY_DMA_TO_DEVICE);

	assert_false(gantry_dma_mapping_error(dev, addr));
	return addr;
}

static void HERE
who_unmaps(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	gantry_dma_unmap_single(dev, addr, LEN - 1, GANTRY_DMA_TO_DEVICE);
	assert_non_null(dev); /* keeps the call above from being a tail call */
}

/*
 * Whether the symbol of `site` is `name`, with the distance from the function's start as its
 * offset.
 */
static bool
is_in(const void *site, const char *name, const void *fn)
{
	const size_t len = strlen(name);
	char symbol[160];

	return dma_symbol(site, symbol, sizeof(symbol)) && strncmp(symbol, name, len) == 0 &&
			symbol[len] == '+' &&
			strtoul(symbol + len + 1, NULL, 0) == (uintptr_t)site - (uintptr_t)fn;
}
#define IS_IN(site, fn) is_in(site, #fn, (const void *)fn)

/*
 * A function that maps on behalf of its caller, and that the library does not know to be a
 * driver's.
 */
static void HERE
drives(struct gantry_dma_dev *dev)
{
	gantry_dma_debug_caller(__builtin_return_address(0));
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, drives, 1, GANTRY_DMA_TO_DEVICE)));
	gantry_dma_debug_caller(NULL);
}

static void
report_names_mapping_and_misusing_call(void **state)
{
	struct gantry_dma_dev *dev = debug_device("sites", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(LEN);
	const struct report *r;
	gantry_dma_addr_t addr;

	reports_begin();
	gantry_dma_debug_context('t', 3, 17);
	addr = who_maps(dev, p);
	gantry_dma_debug_context(0, 0, 0);
	who_unmaps(dev, addr);
	assert_int_equal(reports.nr, 1);
	r = &reports.at[0];
	assert_true(IS_IN(r->map_site, who_maps));
	assert_true(IS_IN(r->trace[0], who_unmaps));
	assert_true(IS_IN(r->trace[1], report_names_mapping_and_misusing_call));
	assert_non_null(strstr(r->map_symbol, "who_maps+0x"));
	assert_non_null(strstr(r->symbol, "who_unmaps+0x"));
	assert_int_equal(r->queue, 3);
	assert_int_equal(r->queue_kind, 't');
	assert_int_equal(r->descriptor, 17);
	assert_int_equal(r->addr, addr);
	assert_ptr_equal(r->cpu, p);
	assert_int_equal(r->size, LEN);
	assert_int_equal(r->dir, GANTRY_DMA_TO_DEVICE);
	assert_non_null(strstr(r->text, "sites: wrong-size: unmap_single with 511 bytes"));
	assert_non_null(strstr(r->text, "tx queue 3, descriptor 17"));
	assert_non_null(strstr(r->text, "who_maps+0x"));
	assert_null(strchr(r->text, '\n'));

	/* A driver may name the caller on whose behalf it maps. */
	reports_begin();
	gantry_dma_debug_caller(report_names_mapping_and_misusing_call);
	addr = who_maps(dev, p);
	gantry_dma_debug_caller(NULL);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(reports.nr, 1);
	assert_ptr_equal(reports.at[0].map_site, report_names_mapping_and_misusing_call);
	drives(dev);
	assert_int_equal(reports.nr, 2);
	assert_true(IS_IN(reports.at[1].trace[0], drives));
	assert_non_null(strstr(reports.at[1].symbol, "report_names_mapping_and_misusing_call+0x"));
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* A mapping fails, nobody checks it, and the thread continues as if it had succeeded. */
static void HERE
never_asks(struct gantry_dma_dev *dev)
{
	gantry_dma_addr_t addr = gantry_dma_map_single(dev, never_asks, 1, GANTRY_DMA_TO_DEVICE);

	assert_true(addr == GANTRY_DMA_MAPPING_ERROR);
}

static void
unchecked_failure_is_reported(void **state)
{
	struct gantry_dma_dev *dev = debug_device("failed", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(LEN);
	gantry_dma_addr_t addr;

	reports_begin();
	never_asks(dev);
	addr = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 2);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_MAP_TEXT);
	assert_int_equal(reports.at[1].misuse, GANTRY_DMA_MISUSE_UNCHECKED);
	assert_true(IS_IN(reports.at[1].map_site, never_asks));
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
filter_suppresses_other_devices(void **state)
{
	struct gantry_dma_dev *a = debug_device("card-a", GANTRY_DMA_DEBUG_ON);
	struct gantry_dma_dev *b = debug_device("card-b", GANTRY_DMA_DEBUG_ON);

	reports_begin();
	gantry_dma_debug_filter("-b");
	wrong_size(a, false);
	wrong_size(b, false);
	reports_expect(GANTRY_DMA_MISUSE_WRONG_SIZE, "wrong_size");
	assert_string_equal(reports.at[0].device, "card-b");
	assert_int_equal(gantry_dma_debug_errors(a), 0);
	assert_int_equal(gantry_dma_debug_errors(b), 1);
	gantry_dma_debug_filter(NULL);
	wrong_size(a, false);
	assert_int_equal(gantry_dma_debug_errors(a), 1);
	gantry_dma_dev_destroy(a);
	gantry_dma_dev_destroy(b);
}

/* With GANTRY_DMA_DEBUG_ABORT the process aborts at the mistake, after the report. */
static void
abort_level_ends_process(void **state)
{
	struct gantry_dma_dev *dev = debug_device("abort", GANTRY_DMA_DEBUG_ABORT);
	int status = 0;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		unmap_unknown(dev, true);
		unmap_unknown(dev, false);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	gantry_dma_dev_destroy(dev);
}

/* Another thread's stack, while that thread waits. */
static void *
lend_stack(void *arg)
{
	uint8_t *local = __builtin_alloca(LEN);
	uint8_t **out = arg;

	memset(local, 0, LEN);
	__atomic_store_n(out, local, __ATOMIC_RELEASE);
	while (__atomic_load_n(out, __ATOMIC_ACQUIRE) != NULL)
		sched_yield();
	return NULL;
}

static void
other_threads_stack_is_reported(void **state)
{
	struct gantry_dma_dev *dev = debug_device("stack", GANTRY_DMA_DEBUG_ON);
	uint8_t *lent = NULL;
	pthread_t thread;

	reports_begin();
	start_thread(&thread, lend_stack, &lent);
	while (__atomic_load_n(&lent, __ATOMIC_ACQUIRE) == NULL)
		sched_yield();
	map_and_unmap(dev, lent, LEN);
	__atomic_store_n(&lent, NULL, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	reports_expect(GANTRY_DMA_MISUSE_MAP_STACK, "other_threads_stack_is_reported");
	gantry_dma_dev_destroy(dev);
}

/* EAL returns pages to the system while they are mapped. */
static void
page_released_while_mapped_is_reported(void **state)
{
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	uint8_t *p;

	if (!eal_huge()) {
		printf("needs hugepages\n");
		skip();
	}
	dev = debug_device("pages", GANTRY_DMA_DEBUG_ON);
	p = rte_malloc("test", 80 << 20, 0); /* more than the heap has, and keeps */
	if (p == NULL) {
		printf("needs 48 more free hugepages of 2 MB\n");
		gantry_dma_dev_destroy(dev);
		skip();
	}
	reports_begin();
	addr = map(dev, p + (40 << 20), LEN, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
	reports_expect(GANTRY_DMA_MISUSE_FREED_MAPPED, "page_released_while_mapped_is_reported");
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 1);
	gantry_dma_dev_destroy(dev);
}

/* In bounce mode any memory can be mapped; the checks are the same. */
static void
checks_apply_in_bounce_mode(void **state)
{
	struct gantry_dma_params p = {
		.name = "bounce",
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_BOUNCE,
		.debug = GANTRY_DMA_DEBUG_ON,
		.bounce_slots = { 64, 64, 8, 0 },
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);
	uint8_t *heap = malloc(LEN), *local = __builtin_alloca(LEN);
	gantry_dma_addr_t addr;

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	assert_non_null(heap);
	memset(heap, 1, LEN);
	memset(local, 1, LEN);
	reports_begin();
	addr = map(dev, heap, LEN, GANTRY_DMA_BIDIRECTIONAL);
	memset(heap, 2, LEN);
	gantry_dma_sync_single_range_for_device(dev, addr, 100, 100, GANTRY_DMA_BIDIRECTIONAL);
	gantry_dma_sync_single_for_cpu(dev, addr, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_int_equal(heap[99], 1);
	assert_int_equal(heap[100], 2);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_int_equal(reports.nr, 0);
	map_and_unmap(dev, local, LEN);
	reports_expect(GANTRY_DMA_MISUSE_MAP_STACK, "checks_apply_in_bounce_mode");
	/* An unmap with the wrong size still releases the slot. */
	reports_begin();
	wrong_size(dev, false);
	reports_expect(GANTRY_DMA_MISUSE_WRONG_SIZE, "wrong_size");
	map_nothing(dev, false);
	assert_int_equal(reports.nr, 2);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 2);
	free(heap);
}

/* A list could not be mapped for lack of bounce buffers, and is unmapped as if it had been. */
static void HERE
unmap_failed_list(struct gantry_dma_dev *dev, bool fixed)
{
	uint8_t *p = memory(3 * LEN);
	struct gantry_sg sg[3];

	list(sg, p, 3);
	if (gantry_dma_map_sg(dev, sg, fixed ? 2 : 3, GANTRY_DMA_TO_DEVICE) == 0) {
		assert_false(fixed);
		assert_reason("are in use");
	}
	gantry_dma_unmap_sg(dev, sg, fixed ? 2 : 3, GANTRY_DMA_TO_DEVICE);
	rte_free(p);
}

static void
unmap_of_failed_list_is_reported(void **state)
{
	struct gantry_dma_params p = {
		.name = "short",
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_BOUNCE,
		.debug = GANTRY_DMA_DEBUG_ON,
		.bounce_slots = { 2, 0, 0, 0 },
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	reports_begin();
	unmap_failed_list(dev, true);
	assert_int_equal(reports.nr, 0);
	unmap_failed_list(dev, false);
	reports_expect(GANTRY_DMA_MISUSE_UNMAP_ERROR, "unmap_failed_list");
	/* No buffer is lost. */
	unmap_failed_list(dev, true);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 1);
}

/*
 * Threads: each maps its own memory, and nothing is reported; then all of them unmap the same
 * mapping.
 */

#define THREADS 16
#define BUFS    64

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	uint8_t *mem;
	unsigned int bad;
	gantry_dma_addr_t shared;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	gantry_dma_addr_t addr[BUFS];
	unsigned int round, i;

	for (round = 0; round < 200; round++) {
		for (i = 0; i < BUFS; i++) {
			addr[i] = gantry_dma_map_single(w->dev, w->mem + i * LEN,
					LEN - 64 * (i % 3), GANTRY_DMA_FROM_DEVICE);
			w->bad += gantry_dma_mapping_error(w->dev, addr[i]) != 0;
		}
		for (i = 0; i < BUFS; i++) {
			const unsigned int k = (i + round) % BUFS;

			gantry_dma_sync_single_for_cpu(w->dev, addr[k] + 64, 64,
					GANTRY_DMA_FROM_DEVICE);
			gantry_dma_unmap_single(w->dev, addr[k], LEN - 64 * (k % 3),
					GANTRY_DMA_FROM_DEVICE);
		}
	}
	return NULL;
}

static void *
unmap_shared(void *arg)
{
	struct worker *w = arg;

	gantry_dma_unmap_single(w->dev, w->shared, LEN, GANTRY_DMA_TO_DEVICE);
	return NULL;
}

static void
threads_are_not_reported_for_each_other(void **state)
{
	struct gantry_dma_dev *dev = debug_device("threads", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(THREADS * BUFS * LEN);
	struct worker w[THREADS];
	unsigned int i;

	reports_begin();
	for (i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .dev = dev, .mem = p + i * BUFS * LEN };
		start_thread(&w[i].thread, work, &w[i]);
	}
	for (i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
	}
	assert_int_equal(reports.nr, 0);
	assert_int_equal(gantry_dma_debug_live(dev), 0);

	w[0].shared = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < THREADS; i++) {
		w[i].shared = w[0].shared;
		start_thread(&w[i].thread, unmap_shared, &w[i]);
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	/*
	 * Another site may have been seen first, so there may be two causes, but never one for each
	 * thread.
	 */
	assert_true(reports.nr >= 1 && reports.nr <= 2);
	assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_UNMAP_TWICE);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
telemetry_shows_mappings_and_errors(void **state)
{
	struct gantry_dma_dev *dev = debug_device("tel0", GANTRY_DMA_DEBUG_ON);
	struct gantry_dma_dev *other = debug_device("tel1", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(100 * LEN);
	char expected[64];
	unsigned int i;
	int fd = telemetry_connect();

	reports_begin();
	gantry_dma_debug_context('r', 5, 6);
	for (i = 0; i < 100; i++)
		map(dev, p + i * LEN, LEN, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_debug_context(0, 0, 0);
	ask(fd, "/gantry/dma/live", "\"devices\":[\"tel0\",\"tel1\"],\"mappings\":[100,0]");
	ask(fd, "/gantry/dma/dump", "\"total\":100,\"first\":0,\"mappings\":[\"0x");
	ask(fd, "/gantry/dma/dump,tel0",
			" 512 from single rx5:6 telemetry_shows_mappings_and_errors+0x");
	ask(fd, "/gantry/dma/dump,tel0,99", "\"first\":99,\"mappings\":[\"0x");
	ask(fd, "/gantry/dma/dump,tel0,100", "\"mappings\":[]");
	ask(fd, "/gantry/dma/dump,tel1", "\"total\":0");
	ask(fd, "/gantry/dma/dump,tel2", "null");

	wrong_size(other, false);
	wrong_size(other, false);
	snprintf(expected, sizeof(expected),
			"\"errors\":%u,\"repeats\":", (unsigned int)gantry_dma_debug_errors(NULL));
	ask(fd, "/gantry/dma/errors", expected);
	ask(fd, "/gantry/dma/errors", "\"wrong_size\":");
	ask(fd, "/gantry/dma/errors,1",
			"tel1: wrong-size: unmap_single with 60 bytes, mapped with 512");
	ask(fd, "/gantry/dma/errors,0", "null");
	ask(fd, "/gantry/dma/errors,1000", "null");

	ask(fd, "/gantry/dma/filter", "\"*\"");
	/* The filter suppresses reports of devices that do not match, and no others. */
	ask(fd, "/gantry/dma/filter,el0", "\"el0\"");
	wrong_direction(other, false);
	assert_int_equal(reports.nr, 1);
	wrong_direction(dev, false);
	assert_int_equal(reports.nr, 2);
	assert_string_equal(reports.at[1].device, "tel0");
	ask(fd, "/gantry/dma/filter,*", "\"*\"");
	wrong_direction(other, false);
	assert_int_equal(reports.nr, 3);
	assert_string_equal(reports.at[2].device, "tel1");
	close(fd);
	gantry_dma_dev_destroy(dev);
	gantry_dma_dev_destroy(other);
	rte_free(p);
}

/* Ask for the list of mappings, and return its number of rows. */
static unsigned int
rows(int fd, const char *command)
{
	static char buf[32768];
	unsigned int n = 0;
	const char *at;
	ssize_t len;

	telemetry_send(fd, command);
	len = recv(fd, buf, sizeof(buf) - 1, 0);
	assert_true(len > 0);
	buf[len] = '\0';
	for (at = strstr(buf, "\"0x"); at != NULL; at = strstr(at + 1, "\"0x"))
		n++;
	return n;
}

static void
telemetry_lists_mappings_piece_by_piece(void **state)
{
	struct gantry_dma_dev *dev = debug_device("rows0", GANTRY_DMA_DEBUG_ON);
	struct gantry_dma_dev *other = debug_device("rows1", GANTRY_DMA_DEBUG_ON);
	uint8_t *p = memory(100 * LEN);
	const int fd = telemetry_connect();
	gantry_dma_addr_t addr[100], block_addr;
	unsigned int i;
	void *block;

	for (i = 0; i < RTE_DIM(addr); i++)
		addr[i] = map(dev, p + i * LEN, LEN,
				i == 0 ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_TO_DEVICE);
	block = gantry_dma_alloc_coherent(other, 100, &block_addr, SOCKET_ID_ANY);
	assert_non_null(block);
	assert_int_equal(rows(fd, "/gantry/dma/dump"), 64);
	assert_int_equal(rows(fd, "/gantry/dma/dump,*,37"), 64);
	assert_int_equal(rows(fd, "/gantry/dma/dump,*,38"), 63);
	assert_int_equal(rows(fd, "/gantry/dma/dump,rows0,36"), 64);
	assert_int_equal(rows(fd, "/gantry/dma/dump,rows0,37"), 63);
	assert_int_equal(rows(fd, "/gantry/dma/dump,rows0,99"), 1);
	assert_int_equal(rows(fd, "/gantry/dma/dump,rows1"), 1);
	ask(fd, "/gantry/dma/dump,rows0,37", "\"total\":100,\"first\":37,");
	ask(fd, "/gantry/dma/dump,rows0", " 512 to single telemetry_lists");
	ask(fd, "/gantry/dma/dump,rows1", " 100 both coherent telemetry_lists");
	ask(fd, "/gantry/dma/dump,,1", "null");
	ask(fd, "/gantry/dma/errors,-1", "null");
	gantry_dma_free_coherent(other, 100, block, block_addr);
	for (i = 0; i < RTE_DIM(addr); i++)
		gantry_dma_unmap_single(dev, addr[i], LEN,
				i == 0 ? GANTRY_DMA_BIDIRECTIONAL : GANTRY_DMA_TO_DEVICE);
	close(fd);
	gantry_dma_dev_destroy(dev);
	gantry_dma_dev_destroy(other);
	rte_free(p);
}

/* More mappings than the index has buckets, and of every size. */
static void
many_mappings_are_tracked(void **state)
{
	struct gantry_dma_dev *dev = debug_device("many", GANTRY_DMA_DEBUG_ON);
	const unsigned int nr = 100000;
	gantry_dma_addr_t *addr = malloc(nr * sizeof(*addr));
	uint8_t *p = memory(nr * 64);
	unsigned int i, top;

	assert_non_null(addr);
	reports_begin();
	for (i = 0; i < nr; i++)
		addr[i] = map(dev, p + i * 64, 64, GANTRY_DMA_FROM_DEVICE);
	assert_int_equal(gantry_dma_debug_live(dev), nr);
	for (i = 0; i < nr; i++)
		gantry_dma_unmap_single(dev, addr[i], 64, GANTRY_DMA_FROM_DEVICE);
	/* Physical pages are scattered, so a large mapping may be impossible in IOVA-as-PA. */
	top = rte_eal_iova_mode() == RTE_IOVA_VA ? 20 : 9;
	for (i = 1; i < top; i++) {
		addr[i] = map(dev, p, 10ul << (i % 19), GANTRY_DMA_TO_DEVICE);
		assert_int_equal(gantry_dma_debug_live(dev), i);
	}
	for (i = top - 1; i > 0; i--)
		gantry_dma_unmap_single(dev, addr[i], 10ul << (i % 19), GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_debug_live(dev), 0);
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
	free(addr);
}

static int
run(const char *mode)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_gives_reason_for_missing_bus_address),
		cmocka_unit_test(leaks_are_reported_once_per_place),
		cmocka_unit_test(report_names_mapping_and_misusing_call),
		cmocka_unit_test(unchecked_failure_is_reported),
		cmocka_unit_test(filter_suppresses_other_devices),
		cmocka_unit_test(abort_level_ends_process),
		cmocka_unit_test(other_threads_stack_is_reported),
		cmocka_unit_test(page_released_while_mapped_is_reported),
		cmocka_unit_test(checks_apply_in_bounce_mode),
		cmocka_unit_test(unmap_of_failed_list_is_reported),
		cmocka_unit_test(threads_are_not_reported_for_each_other),
		cmocka_unit_test(telemetry_shows_mappings_and_errors),
		cmocka_unit_test(telemetry_lists_mappings_piece_by_piece),
		cmocka_unit_test(many_mappings_are_tracked),
	};

	return cmocka_run_group_tests_name(mode, tests, NULL, NULL);
}

int
main(int argc, char **argv)
{
	return plays_run(argc, argv, run);
}
