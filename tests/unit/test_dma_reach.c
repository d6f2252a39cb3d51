/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the list of what a device may reach, in groups (lib/dma/ext/dma_reach.c,
 * gantry_dma_reach.h, and telemetry's /gantry/dma/reach).
 *
 * The list is derived from what the device can actually use: in modes with a page table, from the
 * table's entries. An entry that no mapping accounts for is "planted" here, and must be shown as
 * unknown.
 */

#define EAL_TELEMETRY "--telemetry"
#include "dma_bus.h"

#include <poll.h>
#include <time.h>

#include <rte_malloc.h>

#include "dma_telemetry.h"
#include "gantry_dma_reach.h"

#define MANY 1000
#define LEN  512

/* The groups of the last look(), in the order in which they were shown. */
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

/* Count the groups of that kind and direction; *g is the last of them. */
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

/* Two places of the program that map. */
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

/* Groups are formed by place and direction, and contain only what is mapped. */
static void
groups_are_by_place_and_direction(void **state)
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

/* Return the group at that bus address. */
static const struct gantry_dma_reach_group *
group_at(gantry_dma_addr_t first, const char *by)
{
	for (unsigned int i = 0; i < seen.nr; i++) {
		if (seen.at[i].first == first) {
			assert_non_null(strstr(seen.by[i], by));
			return &seen.at[i];
		}
	}
	fail_msg("nothing is shown at 0x%" PRIx64, first);
	return NULL;
}

static void
assert_unknown(gantry_dma_addr_t first, const void *cpu, uint64_t bytes, enum gantry_dma_dir dir)
{
	const struct gantry_dma_reach_group *g = group_at(first, "unknown");

	assert_int_equal(g->reach, GANTRY_DMA_REACH_UNKNOWN);
	assert_string_equal(gantry_dma_reach_name(g->reach), "unknown");
	assert_ptr_equal(g->cpu, cpu);
	assert_int_equal(g->bytes, bytes);
	assert_int_equal(g->last, first + bytes - 1);
	assert_int_equal(g->dir, dir);
	assert_int_equal(g->oldest_ms, UINT64_MAX);
}

/* The device reaches each page in its page table, no matter which code wrote the entry. */
static void
planted(struct gantry_dma_dev *dev)
{
	uint8_t *p = rte_malloc(NULL, 2 * 4096, 4096);
	const gantry_dma_addr_t memory = expected_bus(p);
	const uint64_t at = bus.nr - 8; /* far above the addresses handed out so far */
	const struct gantry_dma_reach_group *g;
	gantry_dma_addr_t addr;
	uint64_t page;

	assert_non_null(p);
	memset(p, 7, 2 * 4096);
	look(dev);
	assert_int_equal(seen.nr, 0);
	/* A single page far from any mapping. */
	bus.table[at] = memory | GANTRY_DMA_PTE_READ;
	look(dev);
	assert_int_equal(seen.nr, 1);
	assert_unknown(at << 12, p, 4096, GANTRY_DMA_TO_DEVICE);
	assert_seen(at << 12, 7, 4096);
	/* The first and the last page of the table. */
	bus.table[0] = bus.table[bus.nr - 1] = memory | GANTRY_DMA_PTE_READ;
	look(dev);
	assert_int_equal(seen.nr, 3);
	assert_unknown(0, p, 4096, GANTRY_DMA_TO_DEVICE);
	assert_unknown((bus.nr - 1) << 12, p, 4096, GANTRY_DMA_TO_DEVICE);
	bus.table[0] = bus.table[bus.nr - 1] = 0;
	/*
	 * A page with another permission is another group; one without permission is none; one
	 * leads to no memory.
	 */
	bus.table[at + 1] = (memory + 4096) | GANTRY_DMA_PTE_READ | GANTRY_DMA_PTE_WRITE;
	bus.table[at + 2] = memory;
	bus.table[at + 3] = UINT64_C(0xdead) << 44 | GANTRY_DMA_PTE_WRITE;
	look(dev);
	assert_int_equal(seen.nr, 3);
	assert_unknown(at << 12, p, 4096, GANTRY_DMA_TO_DEVICE);
	assert_unknown((at + 1) << 12, p + 4096, 4096, GANTRY_DMA_BIDIRECTIONAL);
	assert_unknown((at + 3) << 12, NULL, 4096, GANTRY_DMA_FROM_DEVICE);
	bus.table[at + 2] = bus.table[at + 3] = 0;
	/* Adjacent pages. */
	bus.table[at + 1] = (memory + 4096) | GANTRY_DMA_PTE_READ;
	look(dev);
	assert_int_equal(seen.nr, 1);
	assert_unknown(at << 12, p, 8192, GANTRY_DMA_TO_DEVICE);
	bus.table[at] = bus.table[at + 1] = 0;
	look(dev);
	assert_int_equal(seen.nr, 0);

	/*
	 * Entries of a mapping: with another permission, beside it, leading elsewhere, and removed.
	 */
	addr = one_place(dev, p, GANTRY_DMA_TO_DEVICE);
	page = addr >> 12;
	look(dev);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(group_at(addr, "test_dma_reach")->dir, GANTRY_DMA_TO_DEVICE);
	bus.table[page] |= GANTRY_DMA_PTE_WRITE;
	look(dev);
	assert_int_equal(seen.nr, 1);
	g = group_at(addr, "test_dma_reach");
	assert_int_equal(g->reach, GANTRY_DMA_REACH_BUFFER);
	assert_int_equal(g->dir, GANTRY_DMA_BIDIRECTIONAL);
	assert_int_equal(g->bytes, LEN);
	bus.table[page + 1] = (memory + 4096) | GANTRY_DMA_PTE_WRITE;
	look(dev);
	assert_int_equal(seen.nr, 2);
	assert_unknown((page + 1) << 12, p + 4096, 4096, GANTRY_DMA_FROM_DEVICE);
	bus.table[page + 1] = 0;
	bus.table[page] = (memory + 4096) | GANTRY_DMA_PTE_READ;
	look(dev);
	assert_int_equal(seen.nr, 1);
	assert_unknown(page << 12, p + 4096, 4096, GANTRY_DMA_TO_DEVICE);
	bus.table[page] = 0;
	look(dev);
	assert_int_equal(seen.nr, 0);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
unknown_entries_are_shown_strict(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);

	bus_mask(dev, 64);
	planted(dev);
}

/* A window that does not hold all of EAL memory. */
static void
unknown_entries_are_shown_window(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_WINDOW);

	bus_mask(dev, 24);
	assert_non_null(bus.table);
	planted(dev);
}

static void
count_unknown(void *arg, const struct gantry_dma_mapping *m)
{
	assert_int_equal(m->reach, GANTRY_DMA_REACH_UNKNOWN);
	++*(unsigned int *)arg;
}

/*
 * If the table has more entries without a mapping than a limit, the library shows that many and
 * logs how many others there are.
 */
static void
unknown_entries_are_shown_up_to_limit(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, 4096, 4096);
	const uint64_t entry = expected_bus(p) | GANTRY_DMA_PTE_READ;
	unsigned int i, shown = 0;
	char *log = NULL;
	uint64_t at;
	size_t len;
	FILE *f;

	assert_non_null(p);
	bus_mask(dev, 64);
	/* All of them lead to one page, so none are adjacent. */
	at = bus.nr - 1024;
	for (i = 0; i < 1024; i++)
		bus.table[at + i] = entry;
	f = open_memstream(&log, &len);
	assert_non_null(f);
	rte_openlog_stream(f);
	gantry_dma_for_each_mapping(dev, count_unknown, &shown);
	fflush(f);
	assert_int_equal(shown, 1024);
	assert_int_equal(len, 0);
	/* Two more pieces, one of them of two entries. */
	bus.table[at - 4] = entry;
	bus.table[at - 3] = entry + 4096;
	bus.table[at - 2] = entry;
	shown = 0;
	gantry_dma_for_each_mapping(dev, count_unknown, &shown);
	rte_openlog_stream(NULL);
	fclose(f);
	assert_int_equal(shown, 1024);
	if (strstr(log, "2 more entries, in 2 pieces, have no mapping") == NULL)
		fail_msg("\"%s\" lacks the number of others", log);
	free(log);
	memset(&bus.table[at - 4], 0, (1024 + 4) * sizeof(*bus.table));
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/*
 * Entries that change between the scans of one list.
 */

static struct {
	void (*change)(unsigned int nr); /* called in each wait; NULL: a wait is a wait */
	unsigned int nr;                 /* waits, from 1 */
	unsigned int us;                 /* in all */
	uint64_t *entries;
	uint64_t stray;
} waits;

/* Take the place of the C library's function, for the library under test too. */
int
usleep(useconds_t us)
{
	const struct timespec ts = { us / 1000000, us % 1000000 * 1000L };

	if (waits.change == NULL)
		return nanosleep(&ts, NULL);
	waits.nr++;
	waits.us += us;
	waits.change(waits.nr);
	return 0;
}

static void
change_nothing(unsigned int nr)
{
}

static void
clear_all(unsigned int nr)
{
	memset(waits.entries, 0, 5 * sizeof(*waits.entries));
}

/* There are strays in entries 0, 2 and 4: one stays, one changes, and one goes and returns. */
static void
change_two(unsigned int nr)
{
	waits.entries[1] = waits.stray + 4096;
	waits.entries[2] = nr >= 4 ? waits.stray + 4096 : waits.stray;
	waits.entries[4] = nr == 2 ? 0 : waits.stray;
}

static unsigned int
shown_while(struct gantry_dma_dev *dev, void (*change)(unsigned int nr))
{
	waits.nr = waits.us = 0;
	waits.entries[0] = waits.entries[2] = waits.entries[4] = waits.stray;
	waits.change = change;
	look(dev);
	waits.change = NULL;
	clear_all(0);
	return seen.nr;
}

/* An entry without a mapping may be in transition. Only one that stays is shown. */
static void
only_unknown_entries_that_stay_are_shown(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, 2 * 4096, 4096);
	gantry_dma_addr_t at;

	assert_non_null(p);
	bus_mask(dev, 64);
	at = (bus.nr - 8) << 12;
	waits.entries = &bus.table[bus.nr - 8];
	waits.stray = expected_bus(p) | GANTRY_DMA_PTE_READ;
	assert_int_equal(shown_while(dev, change_nothing), 3);
	/* 1 ms, and twice as long each time. */
	assert_int_equal(waits.nr, 7);
	assert_int_equal(waits.us, 127000);
	assert_int_equal(shown_while(dev, clear_all), 0);
	assert_int_equal(waits.nr, 1);
	assert_int_equal(shown_while(dev, change_two), 1);
	assert_int_equal(waits.nr, 7);
	assert_unknown(at, p, 4096, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* A mapping of several pages is one entry of the list; it shows the part that is still there. */
static void
multi_page_mapping_shows_remaining_pages(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, 4 * 4096, 4096);
	const size_t size = 3 * 4096, in_page = 100;
	gantry_dma_addr_t addr;
	uint64_t entry;

	assert_non_null(p);
	bus_mask(dev, 64);
	addr = bus_map_ok(dev, p + in_page, size, GANTRY_DMA_FROM_DEVICE);
	look(dev);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.at[0].first, addr);
	assert_int_equal(seen.at[0].bytes, size);
	assert_int_equal(seen.at[0].nr, 1);
	/* Without its second page. */
	entry = bus.table[(addr >> 12) + 1];
	bus.table[(addr >> 12) + 1] = 0;
	look(dev);
	assert_int_equal(seen.nr, 1);
	assert_int_equal(seen.at[0].nr, 2);
	assert_int_equal(seen.at[0].first, addr);
	assert_int_equal(seen.at[0].last, addr + size - 1);
	assert_int_equal(seen.at[0].bytes, size - 4096);
	bus.table[(addr >> 12) + 1] = entry;
	gantry_dma_unmap_single(dev, addr, size, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* While other threads map and unmap, no entry is shown as unknown. */
static struct gantry_dma_dev *busy_dev;
static bool busy_stop;

static void *
busy(void *arg)
{
	static const enum gantry_dma_dir dirs[] = { GANTRY_DMA_TO_DEVICE, GANTRY_DMA_FROM_DEVICE,
		GANTRY_DMA_BIDIRECTIONAL };
	gantry_dma_addr_t addr[8];
	uint8_t *p = arg;

	for (unsigned int i = 0; !__atomic_load_n(&busy_stop, __ATOMIC_RELAXED); i++) {
		const enum gantry_dma_dir dir = dirs[i % RTE_DIM(dirs)];

		for (unsigned int k = 0; k < RTE_DIM(addr); k++)
			addr[k] = gantry_dma_map_single(busy_dev, p + k * 1000, 3000, dir);
		for (unsigned int k = 0; k < RTE_DIM(addr); k++)
			gantry_dma_unmap_single(busy_dev, addr[k], 3000, dir);
	}
	return NULL;
}

static void
concurrent_mapping_shows_nothing_unknown(void **state)
{
	pthread_t threads[2];
	uint8_t *p = rte_malloc(NULL, 2 * 16384, 4096);
	const struct gantry_dma_reach_group *g;
	uint64_t shown = 0;

	assert_non_null(p);
	busy_dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	bus_mask(busy_dev, 64);
	busy_stop = false;
	for (unsigned int i = 0; i < RTE_DIM(threads); i++)
		start_thread(&threads[i], busy, p + i * 16384);
	for (unsigned int i = 0; i < 50 || shown == 0; i++) {
		look(busy_dev);
		for (unsigned int dir = 0; dir < GANTRY_DMA_NONE; dir++)
			assert_int_equal(groups(GANTRY_DMA_REACH_UNKNOWN, dir, &g), 0);
		shown += seen.nr;
	}
	__atomic_store_n(&busy_stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < RTE_DIM(threads); i++)
		pthread_join(threads[i], NULL);
	look(busy_dev);
	assert_int_equal(seen.nr, 0);
	gantry_dma_dev_destroy(busy_dev);
	rte_free(p);
}

/* All of EAL memory: each page is in one of the groups, at EAL's address. */
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
all_eal_memory_is_shown(void **state)
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
		assert_string_equal(seen.by[i], "bus, all EAL memory");
		shown += seen.at[i].bytes;
	}
	assert_int_equal(shown, bytes);
	gantry_dma_unmap_single(dev, addr, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/*
 * The mode changes while a telemetry thread asks what the device may reach. The thread must wait,
 * because it would otherwise read structures that no longer exist.
 */

static struct {
	int fd;
	unsigned int asked, answered;
} meanwhile;

static int
unmap_and_ask(void *opaque, void *va, gantry_dma_addr_t iova, size_t len)
{
	struct pollfd p = { .fd = meanwhile.fd, .events = POLLIN };

	if (meanwhile.fd >= 0 && meanwhile.asked++ == 0) {
		telemetry_send(meanwhile.fd, "/gantry/dma/reach,dev");
		/* A wrong answer would come within 200 ms; the right one comes later. */
		meanwhile.answered += poll(&p, 1, 200) != 0;
	}
	return bus_unmap(opaque, va, iova, len);
}

static void
telemetry_waits_for_mode_change(void **state)
{
	const struct gantry_dma_ops ops = {
		.name = "bus",
		.map = bus_map,
		.unmap = unmap_and_ask,
		.claim = bus_claim,
	};
	struct gantry_dma_dev *dev;
	int fd;

	meanwhile.fd = -1;
	dev = bus_device(&ops, GANTRY_DMA_MODE_WINDOW);
	bus_mask(dev, 64);
	fd = telemetry_connect();
	ask(fd, "/gantry/dma/reach,dev", "\"mask\":\"0xffffffffffffffff\"");
	meanwhile.fd = fd;
	bus_mask(dev, 24); /* too narrow for a window of all memory: the window ends */
	meanwhile.fd = -1;
	assert_true(meanwhile.asked > 0);
	assert_int_equal(meanwhile.answered, 0);
	telemetry_expect(fd, "\"mask\":\"0xffffff\"");
	close(fd);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);
}

/* The answer of telemetry has an array for each column of the table. */
static void
telemetry_shows_groups_in_columns(void **state)
{
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, 4096, 4096);
	gantry_dma_addr_t addr[2];
	const int fd = telemetry_connect();
	char expected[512];

	assert_non_null(p);
	bus_mask(dev, 64);
	ask(fd, "/gantry/dma/reach", "[\"dev\"]");
	ask(fd, "/gantry/dma/reach,de", "null");
	addr[0] = one_place(dev, p, GANTRY_DMA_FROM_DEVICE);
	bus.table[bus.nr - 1] = expected_bus(p) | GANTRY_DMA_PTE_READ;
	snprintf(expected, sizeof(expected),
			"{\"device\":\"dev\",\"mode\":\"strict\",\"mask\":\"0xffffffffffffffff\","
			"\"left_out\":0,\"what\":[\"buffer\",\"unknown\"],\"access\":[\"w\",\"r\"],"
			"\"first\":[\"0x%" PRIx64 "\",\"0x%zx\"],"
			"\"last\":[\"0x%" PRIx64 "\",\"0x%zx\"],"
			"\"cpu\":[\"%p\",\"%p\"],\"mappings\":[1,1],\"bytes\":[512,4096],"
			"\"oldest_ms\":[",
			addr[0], (bus.nr - 1) << 12, addr[0] + LEN - 1, (bus.nr << 12) - 1,
			(void *)p, (void *)p);
	ask(fd, "/gantry/dma/reach,dev", expected);
	ask(fd, "/gantry/dma/reach,dev", ",-1],\"youngest_ms\":[");
	ask(fd, "/gantry/dma/reach,dev", ",-1],\"mapped_by\":[\"one_place");
	ask(fd, "/gantry/dma/reach,dev", " (test_dma_reach)\",\"unknown\"]}");
	bus.table[bus.nr - 1] = 0;
	gantry_dma_unmap_single(dev, addr[0], LEN, GANTRY_DMA_FROM_DEVICE);
	close(fd);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

/* An answer has room for 64 groups. */
static void
telemetry_counts_groups_that_it_leaves_out(void **state)
{
	static const struct {
		unsigned int nr;
		const char *answer;
	} cases[] = { { 64, "\"left_out\":0," }, { 65, "\"left_out\":1," },
		{ 200, "\"left_out\":136," } };
	struct gantry_dma_dev *dev = bus_device(&bus_with_table, GANTRY_DMA_MODE_STRICT);
	uint8_t *p = rte_malloc(NULL, 4096, 4096);
	const int fd = telemetry_connect();
	unsigned int i, k;

	assert_non_null(p);
	bus_mask(dev, 64);
	for (i = 0; i < RTE_DIM(cases); i++) {
		for (k = 0; k < cases[i].nr; k++)
			bus.table[bus.nr - 2 - 2 * k] = expected_bus(p) | GANTRY_DMA_PTE_READ;
		ask(fd, "/gantry/dma/reach,dev", cases[i].answer);
	}
	for (k = 0; k < 400; k++)
		bus.table[bus.nr - 1 - k] = 0;
	close(fd);
	gantry_dma_dev_destroy(dev);
	rte_free(p);
}

static void
reach_and_access_names(void **state)
{
	assert_string_equal(gantry_dma_reach_name(GANTRY_DMA_REACH_MEMORY), "memory");
	assert_string_equal(gantry_dma_reach_name(GANTRY_DMA_REACH_BUFFER), "buffer");
	assert_string_equal(gantry_dma_reach_name(GANTRY_DMA_REACH_COHERENT), "coherent");
	assert_string_equal(gantry_dma_reach_name((enum gantry_dma_reach)99), "?");
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
		cmocka_unit_test(groups_are_by_place_and_direction),
		cmocka_unit_test(unknown_entries_are_shown_strict),
		cmocka_unit_test(unknown_entries_are_shown_window),
		cmocka_unit_test(unknown_entries_are_shown_up_to_limit),
		cmocka_unit_test(only_unknown_entries_that_stay_are_shown),
		cmocka_unit_test(multi_page_mapping_shows_remaining_pages),
		cmocka_unit_test(concurrent_mapping_shows_nothing_unknown),
		cmocka_unit_test(all_eal_memory_is_shown),
		cmocka_unit_test(telemetry_waits_for_mode_change),
		cmocka_unit_test(telemetry_shows_groups_in_columns),
		cmocka_unit_test(telemetry_counts_groups_that_it_leaves_out),
		cmocka_unit_test(reach_and_access_names),
	};
	int ret;

	eal_start(argc, argv, NULL);
	ret = cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
	rte_eal_cleanup();
	return ret;
}
