/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mappings made one by one; and strict mode, which has no others.
 *
 * Each mapping has bus addresses of its own, whole pages, from map to unmap. So two buffers in one
 * page of memory have two pages of bus addresses, and the end of one mapping leaves the other
 * intact. The offset in the page stays the same:
 *
 *       memory     |....[ a ]..[ b ]...|          two buffers, one page
 *       bus        |....[ a ]..........| |...........[ b ]...|
 *
 * The page is the unit of protection: a device that has b also reaches a, as with any IOMMU. If
 * there is room, a buffer within one page of memory takes two pages of bus addresses, and the
 * second has no memory behind it. So the same code maps all usual buffers, without a branch that
 * depends on their position, and a device that runs over the end of a page finds nothing.
 *
 * There are two backends. If the bus has a page table, mapping stores entries in a table that the
 * device walks. Otherwise each mapping calls the bus: a message or a system call.
 *
 * An address belongs to one mapping, and a mapping belongs to the caller that made it, so plain
 * stores suffice for its entries. Unmapping clears them, and then exchanges the mapping's state for
 * "not mapped". That one locked instruction does both things that are necessary. On x86 it
 * completes the stores before it (Intel SDM volume 3, "Memory Ordering": a locked instruction is a
 * full barrier), so no access of the device starts after unmapping has returned. If two threads
 * race to unmap a mapping, it decides which one succeeds. The locked instruction takes a third of
 * the time of a mapping and its end. No later load starts before it completes, so the code loads
 * before it whatever it can. A burst waits only once for all its mappings
 * (dma_demand_unmap_gathered()).
 *
 * The page of the bus address finds the state in O(1). The other facts about a mapping are stored
 * apart, so that unmapping need not read them. The time among them comes from a clock that ticks
 * ten times a second, because reading a better clock would cost as much as the mapping.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>

#include <rte_alarm.h>
#include <rte_errno.h>
#include <rte_memzone.h>

#include "dma_demand.h"
#include "dma_modes.h"
#include "dma_iova.h"

/*
 * A gigabyte of bus addresses: room for 100,000 buffers with a pair of pages each. It takes 2 MiB
 * of page table, and 8 MiB of states and records. It is low, so that masks of 30 bits and more
 * reach all of it, and in a range where machines have memory, not windows of the PCI bus.
 */
#define APERTURE (UINT64_C(1) << 30)

/*
 * The state of a mapping, stored under the page in which it begins: size, offset in that page, kind
 * (enum gantry_dma_reach), direction. 0: no mapping begins here.
 */
#define STATE(size, at, kind, dir) \
	((uint64_t)(size) << 18 | ((at) & (DMA_PAGE - 1)) << 6 | (kind) << 3 | (dir) << 1 | 1)
#define STATE_SIZE(state)    ((size_t)((state) >> 18))
#define STATE_IN_PAGE(state) ((state) >> 6 & (DMA_PAGE - 1))
#define STATE_KIND(state)    ((enum gantry_dma_reach)((state) >> 3 & 7))
#define STATE_DIR(state)     ((enum gantry_dma_dir)((state) >> 1 & 3))

/*
 * Usual buffers take a pair of pages of bus addresses, because a buffer of up to one page touches
 * at most two.
 */
#define PAIR 2

/* The other facts about a mapping. */
struct dma_record {
	uintptr_t cpu;
	const void *site;
	uint64_t since; /* time of the mapping, by the clock below */
};

/*
 * The clock.
 */

#define TICK_MS 100

static uint64_t now_ms;          /* monotonic time at the last tick, in ms */
static unsigned int clock_users; /* one thread makes and ends devices */

static void
look_at_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	__atomic_store_n(&now_ms, (uint64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000,
			__ATOMIC_RELAXED);
}

static void
tick(void *arg)
{
	look_at_clock();
	if (__atomic_load_n(&clock_users, __ATOMIC_RELAXED) > 0)
		rte_eal_alarm_set(TICK_MS * 1000, tick, NULL);
}

static void
clock_get(void)
{
	if (__atomic_fetch_add(&clock_users, 1, __ATOMIC_RELAXED) == 0) {
		look_at_clock();
		rte_eal_alarm_set(TICK_MS * 1000, tick, NULL);
	}
}

static void
clock_put(void)
{
	if (__atomic_sub_fetch(&clock_users, 1, __ATOMIC_RELAXED) == 0)
		rte_eal_alarm_cancel(tick, NULL);
}

/*
 * Backends.
 */

static inline uint64_t
entry_bits(enum gantry_dma_dir dir)
{
	_Static_assert(GANTRY_DMA_PTE_READ == GANTRY_DMA_TO_DEVICE &&
					GANTRY_DMA_PTE_WRITE == GANTRY_DMA_FROM_DEVICE,
			"directions are permissions");
	return dir != GANTRY_DMA_BIDIRECTIONAL ? dir : GANTRY_DMA_PTE_READ | GANTRY_DMA_PTE_WRITE;
}

/* The device reads entries as a whole; only the mapping's owner writes them. */
static void
set_entries(uint64_t *entry, size_t n, uint64_t first, uint64_t step)
{
	for (; n > 0; n--, first += step)
		__atomic_store_n(entry++, first, __ATOMIC_RELAXED);
}

/* Enter memory over several EAL pages, or registered with EAL, page by page. */
static bool
enter_pages(struct gantry_dma_dev *dev, uint32_t page, uintptr_t at, size_t n, uint64_t bits)
{
	uint64_t *entries = dma_mode_state(dev)->demand.entries;
	size_t i;

	for (i = 0; i < n; i++, at += DMA_PAGE) {
		const struct rte_memseg *ms = rte_mem_virt2memseg((void *)at, NULL);
		gantry_dma_addr_t iova = ms != NULL && ms->len != 0 && ms->iova != RTE_BAD_IOVA ?
				ms->iova + (at - (uintptr_t)ms->addr) :
				RTE_BAD_IOVA;

		if (iova % DMA_PAGE != 0) {
			dma_refuse_class(dev, (void *)at);
			set_entries(&entries[page], i, 0, 0);
			return false;
		}
		set_entries(&entries[page + i], 1, iova | bits, 0);
	}
	return true;
}

/* Return whether the bus can be asked to map it. */
static bool
mappable(struct gantry_dma_dev *dev, const void *ptr)
{
	switch (gantry_mem_classify(ptr)) {
	case GANTRY_MEM_HUGEPAGE:
	case GANTRY_MEM_EXTERNAL:
		return true;
	case GANTRY_MEM_PROCESS:
		if (dma_device(dev)->params.ops->any_memory)
			return true;
		break;
	default:
		break;
	}
	dma_refuse_class(dev, ptr);
	return false;
}

static bool
map_by_bus(struct gantry_dma_dev *dev, uint32_t page, size_t n, void *ptr, size_t size,
		enum gantry_dma_dir dir)
{
	if (!mappable(dev, ptr) || !mappable(dev, (uint8_t *)ptr + (size - 1)))
		return false;
	return dma_bus_map(dev, RTE_PTR_ALIGN_FLOOR(ptr, DMA_PAGE),
			       (gantry_dma_addr_t)page << DMA_PAGE_BITS, n << DMA_PAGE_BITS,
			       dir) == 0;
}

static inline void
prefetch_for_write(const void *p)
{
#ifdef RTE_ARCH_X86
	/* GCC emits it only for processors known to have it; on other processors it is a no-op. */
	asm volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/*
 * Mappings.
 */

static inline gantry_dma_addr_t
record(struct dma_demand *demand, uint32_t page, const void *ptr, uint64_t state, const void *site)
{
	struct dma_record *r = &demand->records[page];

	r->cpu = (uintptr_t)ptr;
	r->site = site;
	r->since = __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
	__atomic_store_n(&demand->states[page], state, __ATOMIC_RELEASE);
	return (gantry_dma_addr_t)page << DMA_PAGE_BITS | ((uintptr_t)ptr & (DMA_PAGE - 1));
}

static gantry_dma_addr_t
no_pages_left(struct gantry_dma_dev *dev, const void *ptr, size_t size)
{
	struct dma_iova *iova = dma_mode_state(dev)->demand.iova;

	dma_fail("%s: %p, %zu bytes: no %zu pages of bus addresses in a row are left; of %u in "
		 "all, %u are mapped",
			dma_device(dev)->name, ptr, size, dma_pages((uintptr_t)ptr, size), iova->nr,
			dma_iova_in_use(iova));
	return GANTRY_DMA_MAPPING_ERROR;
}

/* Return the number of pages of bus addresses that n pages of memory take. */
static inline size_t
run_of(const struct dma_demand *demand, size_t n)
{
	return demand->pair_max != 0 && n < PAIR ? PAIR : n;
}

/* Enter a mapping through whichever backend the device has. */
static bool
enter(struct gantry_dma_dev *dev, uint32_t page, size_t n, void *ptr, size_t size,
		enum gantry_dma_dir dir)
{
	const struct dma_demand *demand = &dma_mode_state(dev)->demand;
	gantry_dma_addr_t iova;

	if (demand->entries == NULL)
		return map_by_bus(dev, page, n, ptr, size, dir);
	if (!gantry_dma_look_up(&dma_device(dev)->eal, ptr, size, GANTRY_DMA_ADDR_MAX, &iova))
		return enter_pages(dev, page, RTE_ALIGN_FLOOR((uintptr_t)ptr, DMA_PAGE), n,
				entry_bits(dir));
	set_entries(&demand->entries[page], n, RTE_ALIGN_FLOOR(iova, DMA_PAGE) | entry_bits(dir),
			DMA_PAGE);
	return true;
}

static gantry_dma_addr_t __rte_noinline
map_any(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		const void *site)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const size_t n = dma_pages((uintptr_t)ptr, size), run = run_of(demand, n);
	const uint32_t page = dma_iova_get(demand->iova, run);

	if (page == 0)
		return no_pages_left(dev, ptr, size);
	if (!enter(dev, page, n, ptr, size, dir)) {
		dma_iova_put(demand->iova, page, run);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	return record(demand, page, ptr, STATE(size, (uintptr_t)ptr, GANTRY_DMA_REACH_BUFFER, dir),
			site);
}

gantry_dma_addr_t
dma_demand_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	struct dma_device *d = dma_device(dev);
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	struct dma_iova_cache *c;
	struct dma_iova_stack *s;
	gantry_dma_addr_t iova;
	uint64_t entry;
	uint32_t page;

	/*
	 * As map_any(), for a pair of pages from this thread's cache. The path makes no other call,
	 * and loads nothing before it uses it, so the compiler saves few registers.
	 */
	if (unlikely(size > demand->pair_max ||
			    !gantry_dma_look_up(&d->eal, ptr, size, GANTRY_DMA_ADDR_MAX, &iova)))
		return map_any(dev, ptr, size, dir, site);
	c = dma_iova_mine[demand->id];
	if (unlikely(c == NULL || c->get[PAIR - 1].n == 0))
		return map_any(dev, ptr, size, dir, site);
	s = &c->get[PAIR - 1];
	page = s->page[--s->n];
	entry = RTE_ALIGN_FLOOR(iova, DMA_PAGE) | entry_bits(dir);
	set_entries(&demand->entries[page], 1, entry, 0);
	entry = (iova & (DMA_PAGE - 1)) + size > DMA_PAGE ? entry + DMA_PAGE : 0;
	set_entries(&demand->entries[page + 1], 1, entry, 0);
	return record(demand, page, ptr, STATE(size, (uintptr_t)ptr, GANTRY_DMA_REACH_BUFFER, dir),
			site);
}

/* Return why the mapping at this address does not have this state. */
static const char *
why_not(const struct dma_demand *demand, uint64_t page, uint64_t state)
{
	const uint64_t is = page < demand->nr ?
			__atomic_load_n(&demand->states[page], __ATOMIC_RELAXED) :
			0;

	if (page >= demand->nr)
		return "nothing was mapped there";
	if (is == 0)
		return "it is not mapped (unmapped twice?)";
	if (STATE_KIND(is) != STATE_KIND(state))
		return "mapped by another function";
	if (STATE_IN_PAGE(is) != STATE_IN_PAGE(state))
		return "no mapping begins there";
	return "mapped with another size or direction";
}

static const char two_at_once[] = "unmapped twice in a burst, or by two threads at the same time";

/* End any mapping. Return NULL, or the reason why it cannot be ended. */
static const char *
end_mapping(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, uint64_t state)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const uint64_t page = addr >> DMA_PAGE_BITS;
	const size_t n = dma_pages(addr, STATE_SIZE(state));
	uintptr_t cpu;

	if (page >= demand->nr || __atomic_load_n(&demand->states[page], __ATOMIC_ACQUIRE) != state)
		return why_not(demand, page, state);
	cpu = demand->records[page].cpu;
	if (demand->entries != NULL)
		set_entries(&demand->entries[page], n, 0, 0);
	if (__atomic_exchange_n(&demand->states[page], 0, __ATOMIC_SEQ_CST) != state)
		return two_at_once;
	/* If the bus failed to unmap addresses, never hand them out again. */
	if (demand->entries == NULL &&
			dma_bus_unmap(dev, (void *)RTE_ALIGN_FLOOR(cpu, DMA_PAGE),
					page << DMA_PAGE_BITS, n << DMA_PAGE_BITS) != 0)
		return NULL;
	dma_iova_put(demand->iova, page,
			STATE_KIND(state) == GANTRY_DMA_REACH_BUFFER ? run_of(demand, n) : n);
	return NULL;
}

static void __rte_noinline __rte_cold
lost_race(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size)
{
	dma_misuse(dev, "unmapping", addr, size, two_at_once);
}

static void __rte_noinline
unmap_any(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size, uint64_t state)
{
	const char *why = end_mapping(dev, addr, state);

	if (why != NULL)
		dma_misuse(dev, "unmapping", addr, size, why);
}

void
dma_demand_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const uint64_t page = addr >> DMA_PAGE_BITS;
	const uint64_t state = STATE(size, addr, GANTRY_DMA_REACH_BUFFER, dir);
	struct dma_iova_cache *c = dma_iova_mine[demand->id];
	struct dma_iova_stack *s;
	uint32_t n;

	/* As end_mapping(), for a pair of pages for which this thread's cache has room. */
	if (unlikely(page >= demand->nr || size > demand->pair_max || c == NULL ||
			    c->put[PAIR - 1].n == DMA_IOVA_BATCH ||
			    __atomic_load_n(&demand->states[page], __ATOMIC_ACQUIRE) != state)) {
		unmap_any(dev, addr, size, state);
		return;
	}
	s = &c->put[PAIR - 1];
	n = s->n;
	s->page[n] = page;
	set_entries(&demand->entries[page], PAIR, 0, 0);
	if (unlikely(__atomic_exchange_n(&demand->states[page], 0, __ATOMIC_SEQ_CST) != state)) {
		lost_race(dev, addr, size);
		return;
	}
	s->n = n + 1;
}

/*
 * Unmap as part of a burst. The dearest part of unmapping is the wait for the stores to the
 * entries: the device's core has read those cache lines, and each has to return from its cache.
 * Here they return in parallel, while the caller does other work, and the first exchange waits for
 * all of them.
 */
void
dma_demand_unmap_gather(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, struct gantry_dma_gather *g)
{
	const struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const uint64_t page = addr >> DMA_PAGE_BITS;
	const uint64_t state = STATE(size, addr, GANTRY_DMA_REACH_BUFFER, dir);

	if (unlikely(page >= demand->nr || size > demand->pair_max ||
			    __atomic_load_n(&demand->states[page], __ATOMIC_ACQUIRE) != state)) {
		unmap_any(dev, addr, size, state);
		return;
	}
	prefetch_for_write(&demand->entries[page]);
	g->of[g->n].addr = addr;
	g->of[g->n].state = state;
	if (++g->n == GANTRY_DMA_GATHER_MAX)
		dma_demand_unmap_gathered(dev, g);
}

void
dma_demand_unmap_gathered(struct gantry_dma_dev *dev, struct gantry_dma_gather *g)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	uint32_t i;

	for (i = 0; i < g->n; i++)
		set_entries(&demand->entries[g->of[i].addr >> DMA_PAGE_BITS], PAIR, 0, 0);
	for (i = 0; i < g->n; i++) {
		const uint32_t page = g->of[i].addr >> DMA_PAGE_BITS;

		if (unlikely(__atomic_exchange_n(&demand->states[page], 0, __ATOMIC_SEQ_CST) !=
				    g->of[i].state))
			lost_race(dev, g->of[i].addr, STATE_SIZE(g->of[i].state));
		else
			dma_iova_put(demand->iova, page, PAIR);
	}
	g->n = 0;
}

/*
 * Coherent blocks.
 */

int
dma_demand_map_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t align, uint64_t mask)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const size_t n = dma_pages(0, b->pub.size);
	const uint32_t page = dma_iova_get_aligned(demand->iova, n, align >> DMA_PAGE_BITS, mask);
	bool done;

	if (page == 0) {
		dma_fail("%s: %zu coherent bytes: no %zu pages of bus addresses in a row, aligned "
			 "to %zu bytes, are left that the coherent mask reaches (%u bits)",
				dma_device(dev)->name, b->pub.size, n, align, dma_bits(mask));
		return -EIO;
	}
	b->pub.bus = (gantry_dma_addr_t)page << DMA_PAGE_BITS;
	if (demand->entries != NULL)
		done = enter_pages(dev, page, (uintptr_t)b->pub.cpu, n,
				entry_bits(GANTRY_DMA_BIDIRECTIONAL));
	else
		done = dma_bus_map(dev, b->pub.cpu, b->pub.bus, n << DMA_PAGE_BITS,
				       GANTRY_DMA_BIDIRECTIONAL) == 0;
	if (!done) {
		dma_iova_put(demand->iova, page, n);
		return -EIO;
	}
	record(demand, page, b->pub.cpu,
			STATE(b->pub.size, 0, GANTRY_DMA_REACH_COHERENT, GANTRY_DMA_BIDIRECTIONAL),
			b->site);
	return 0;
}

void
dma_demand_unmap_block(struct gantry_dma_dev *dev, struct dma_block *b)
{
	const char *why = end_mapping(dev, b->pub.bus,
			STATE(b->pub.size, 0, GANTRY_DMA_REACH_COHERENT, GANTRY_DMA_BIDIRECTIONAL));

	if (why != NULL)
		dma_misuse(dev, "freeing", b->pub.bus, b->pub.size, why);
}

/*
 * BARs. With a page table, the bus must first map the BAR, at an address like those of EAL memory.
 * The library keeps that address here and does not read it back from the table, because other
 * processes may be able to write the table.
 */

gantry_dma_addr_t
dma_demand_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const size_t n = dma_pages((uintptr_t)va, size);
	gantry_dma_addr_t below = rte_eal_iova_mode() == RTE_IOVA_VA ? (uintptr_t)va : phys;
	uint32_t page;

	if (dma_device(dev)->params.ops->map == NULL) {
		dma_fail("%s: %p: the bus cannot map a BAR", dma_device(dev)->name, va);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	if (demand->entries != NULL && below == GANTRY_PHYS_ADDR_BAD) {
		dma_fail("%s: %p: a BAR without its physical address", dma_device(dev)->name, va);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	page = dma_iova_get(demand->iova, n);
	if (page == 0)
		return no_pages_left(dev, va, size);
	below = demand->entries == NULL ? (gantry_dma_addr_t)page << DMA_PAGE_BITS :
					  RTE_ALIGN_FLOOR(below, DMA_PAGE);
	if (dma_bus_map(dev, RTE_PTR_ALIGN_FLOOR(va, DMA_PAGE), below, n << DMA_PAGE_BITS, dir) !=
			0) {
		dma_iova_put(demand->iova, page, n);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	if (demand->entries != NULL) {
		demand->below[page] = below;
		set_entries(&demand->entries[page], n, below | entry_bits(dir), DMA_PAGE);
	}
	return record(demand, page, va, STATE(size, (uintptr_t)va, GANTRY_DMA_REACH_RESOURCE, dir),
			site);
}

void
dma_demand_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const uint64_t page = addr >> DMA_PAGE_BITS;
	const bool known = page < demand->nr;
	const uintptr_t va = known ? demand->records[page].cpu : 0;
	const gantry_dma_addr_t below = known && demand->entries != NULL ? demand->below[page] : 0;
	const char *why = end_mapping(dev, addr, STATE(size, addr, GANTRY_DMA_REACH_RESOURCE, dir));

	if (why != NULL)
		dma_misuse(dev, "unmapping", addr, size, why);
	else if (demand->entries != NULL)
		dma_bus_unmap(dev, (void *)RTE_ALIGN_FLOOR(va, DMA_PAGE), below,
				dma_pages(addr, size) << DMA_PAGE_BITS);
}

/*
 * Listing the mappings.
 */

bool
dma_demand_at(struct gantry_dma_dev *dev, uint64_t page, struct gantry_dma_mapping *m)
{
	const struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const uint64_t now = __atomic_load_n(&now_ms, __ATOMIC_RELAXED);
	const uint64_t state = page < demand->nr ?
			__atomic_load_n(&demand->states[page], __ATOMIC_ACQUIRE) :
			0;
	const struct dma_record *r;

	if (state == 0)
		return false;
	r = &demand->records[page];
	*m = (struct gantry_dma_mapping){
		.reach = STATE_KIND(state),
		.addr = page << DMA_PAGE_BITS | STATE_IN_PAGE(state),
		.cpu = (void *)r->cpu,
		.size = STATE_SIZE(state),
		.dir = STATE_DIR(state),
		.site = r->site,
		.age_ms = now - RTE_MIN(now, r->since),
	};
	/* Another mapping may have replaced it. One with the same state goes unnoticed. */
	return state == __atomic_load_n(&demand->states[page], __ATOMIC_ACQUIRE);
}

void
dma_demand_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg)
{
	struct gantry_dma_mapping m;
	uint64_t page;

	for (page = 1; page < dma_mode_state(dev)->demand.nr; page++)
		if (dma_demand_at(dev, page, &m))
			fn(arg, &m);
}

size_t
dma_demand_max_mapping_size(struct gantry_dma_dev *dev)
{
	return (size_t)dma_mode_state(dev)->demand.iova->nr / 4 << DMA_PAGE_BITS;
}

/*
 * Start and end.
 */

static int
get_table(struct dma_device *d, size_t nr)
{
	const struct gantry_dma_ops *ops = d->params.ops;
	int ret;

	if (d->claimed || ops == NULL || ops->page_table == NULL)
		return -ENOTSUP;
	if (d->entries != NULL)
		return 0;
	ret = ops->page_table(d->params.opaque, 0, nr, &d->entries);
	if (ret == 0)
		d->nr_entries = nr;
	else if (ret != -ENOTSUP)
		dma_fail("%s: %s makes no page table of %zu entries: %s", d->name, ops->name, nr,
				strerror(-ret));
	return ret;
}

static void
set_iova(struct dma_demand *demand, struct dma_iova *iova)
{
	demand->iova = iova;
	demand->id = iova->id;
	/*
	 * If addresses are scarce, no mapping takes a pair. Threads then also cache less than a
	 * full batch.
	 */
	demand->pair_max = demand->entries != NULL && iova->batch == DMA_IOVA_BATCH ? DMA_PAGE : 0;
}

/*
 * Allocate zeroed memory. MAP_POPULATE is for arrays that every mapping uses: addresses cycle
 * through all of them, and each new page would cost one mapping a page fault. MAP_NORESERVE is for
 * an array that hardly any mapping uses.
 */
static void *
map_zeroed(size_t nr, size_t size, int flags)
{
	void *p = mmap(NULL, nr * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags,
			-1, 0);

	return p != MAP_FAILED ? p : NULL;
}

static void
demand_free(struct dma_demand *demand)
{
	dma_iova_destroy(demand->iova);
	if (demand->states != NULL)
		munmap(demand->states, demand->nr * sizeof(*demand->states));
	if (demand->records != NULL)
		munmap(demand->records, demand->nr * sizeof(*demand->records));
	if (demand->below != NULL)
		munmap(demand->below, demand->nr * sizeof(*demand->below));
	memset(demand, 0, sizeof(*demand));
}

int
dma_demand_start(struct gantry_dma_dev *dev, gantry_dma_addr_t last, bool use_table)
{
	struct dma_device *d = dma_device(dev);
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	struct dma_iova *iova;
	int ret;

	last = RTE_MIN(last, APERTURE - 1);
	ret = use_table ? get_table(d, (last + 1) >> DMA_PAGE_BITS) : -ENOTSUP;
	if (ret == 0) {
		demand->entries = d->entries;
		last = RTE_MIN(last, (d->nr_entries << DMA_PAGE_BITS) - 1);
	} else if (ret == -ENOTSUP) {
		ret = dma_claim(dev);
	}
	if (ret != 0)
		return ret;
	iova = dma_iova_create(d->name, last);
	if (iova == NULL) {
		demand->entries = NULL;
		return -rte_errno;
	}
	set_iova(demand, iova);
	demand->nr = iova->nr;
	demand->states = map_zeroed(demand->nr, sizeof(*demand->states), MAP_POPULATE);
	demand->records = map_zeroed(demand->nr, sizeof(*demand->records), MAP_POPULATE);
	demand->below = map_zeroed(demand->nr, sizeof(*demand->below), MAP_NORESERVE);
	if (demand->states == NULL || demand->records == NULL || demand->below == NULL) {
		dma_fail("%s: out of memory", d->name);
		demand_free(demand);
		return -ENOMEM;
	}
	clock_get();
	return 0;
}

static void
end_leaked(void *arg, const struct gantry_dma_mapping *m)
{
	struct gantry_dma_dev *dev = arg;

	DMA_LOG(WARNING, dma_device(dev)->name,
			"%s %p (bus 0x%" PRIx64 ", %zu bytes) was never unmapped",
			m->reach == GANTRY_DMA_REACH_RESOURCE ? "BAR" : "buffer", m->cpu, m->addr,
			m->size);
	if (m->reach == GANTRY_DMA_REACH_RESOURCE)
		dma_demand_unmap_resource(dev, m->addr, m->size, m->dir);
	else
		dma_demand_unmap(dev, m->addr, m->size, m->dir, 0, NULL);
}

void
dma_demand_end(struct gantry_dma_dev *dev)
{
	struct dma_demand *demand = &dma_mode_state(dev)->demand;

	dma_demand_for_each(dev, end_leaked, dev);
	clock_put();
	demand_free(demand);
}

bool
dma_demand_in_use(struct gantry_dma_dev *dev)
{
	return dma_iova_in_use(dma_mode_state(dev)->demand.iova) != 0;
}

int
dma_demand_limit(struct gantry_dma_dev *dev, gantry_dma_addr_t last)
{
	struct dma_device *d = dma_device(dev);
	struct dma_demand *demand = &dma_mode_state(dev)->demand;
	const gantry_dma_addr_t now = ((gantry_dma_addr_t)demand->iova->nr << DMA_PAGE_BITS) - 1;
	struct dma_iova *iova;
	uint32_t in_use;

	last = RTE_MIN(last, ((gantry_dma_addr_t)demand->nr << DMA_PAGE_BITS) - 1);
	if (last == now)
		return 0;
	in_use = dma_iova_in_use(demand->iova);
	if (in_use > 0) {
		if (last > now)
			return 0;
		dma_fail("%s: %u pages of bus addresses are mapped, up to 0x%" PRIx64 "; the "
			 "device drives %u bits",
				d->name, in_use, now, dma_bits(last));
		return -EIO;
	}
	iova = dma_iova_create(d->name, last);
	if (iova == NULL)
		return -rte_errno;
	dma_iova_destroy(demand->iova);
	set_iova(demand, iova);
	return 0;
}
