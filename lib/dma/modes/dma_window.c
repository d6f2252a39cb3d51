/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The window: EAL memory at bus addresses that the library chose, and that the device's mask
 * reaches.
 *
 *       virtual   |--A--|..|---B---|................|-C-|      terabytes apart
 *       bus       0  [on demand]  |---B---|--A--|  |-C-|  ..   mask
 *
 * If all EAL memory fits, the library maps it once. From then on a mapping is a look-up as in
 * direct mode, in a table with the window's offsets (gantry_dma_inline.h). Memory events keep the
 * window up to date: pages that EAL adds get a place next to their neighbours, if it is free, so
 * that a buffer over both is also contiguous for the device. If it is not free, the buffer is
 * mapped on demand (dma_demand.c). So is memory for which there was no place, and registered
 * memory. Addresses on demand are below the window, so unmapping can distinguish them.
 *
 * If not all of it fits, every buffer is mapped on demand by the functions of strict mode. Only the
 * reason for the choice of addresses differs.
 *
 * A piece of the window is the unit that EAL adds and removes: a page or, if the memory is
 * permanent, as much as is contiguous. Locks: pieces and table change while the EAL memory lock is
 * held, for writing (memory events) or, before the mode begins, for reading.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memzone.h>

#include "dma_demand.h"
#include "dma_modes.h"
#include "eal_run.h"

/* Bus addresses up to here are for mappings on demand, if the window holds the rest. */
#define DEMAND_LAST ((UINT64_C(64) << 20) - 1)
/* Many IOMMUs translate fewer bits than the device drives, but all translate at least this many. */
#define WINDOW_LAST GANTRY_DMA_BIT_MASK(39)
/* Bus and virtual addresses are equal modulo this size, so alignments up to it carry over. */
#define ALIGN ((uint64_t)2 << 20)

struct piece {
	TAILQ_ENTRY(piece) next;
	uintptr_t va;
	gantry_dma_addr_t bus;
	size_t len;
	bool memory; /* false: an obstacle */
};
TAILQ_HEAD(pieces, piece);

struct dma_window {
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t last;
	struct pieces pieces; /* ordered by bus address */
	bool planning;        /* a trial run: nothing is mapped */
	bool events;
	uint64_t *entries; /* entries of dma_device.own */
};

/*
 * Places.
 */

static gantry_dma_addr_t
end_of(const struct piece *p)
{
	return p->bus + p->len;
}

/* Find the piece before which [bus, bus + len) belongs. Return false if the range is not free. */
static bool
is_free(const struct dma_window *w, gantry_dma_addr_t bus, size_t len, struct piece **before)
{
	struct piece *p;

	if (bus <= DEMAND_LAST || bus > w->last || len - 1 > w->last - bus)
		return false;
	TAILQ_FOREACH(p, &w->pieces, next) {
		if (p->bus >= bus + len)
			break;
		if (end_of(p) > bus)
			return false;
	}
	*before = p;
	return true;
}

/* Return the first address from start on that has the same alignment as va. */
static gantry_dma_addr_t
aligned(gantry_dma_addr_t start, uintptr_t va)
{
	return start + ((va - start) & (ALIGN - 1));
}

/*
 * Find a place for memory: next to its neighbour; otherwise in the middle of the largest gap, so
 * that both the new piece and the pieces around it can grow. 0: there is none.
 */
static gantry_dma_addr_t
find_place(const struct dma_window *w, uintptr_t va, size_t len)
{
	gantry_dma_addr_t start = DEMAND_LAST + 1, best = 0, at, end;
	uint64_t most = 0;
	bool empty = true;
	struct piece *p, *before;

	TAILQ_FOREACH(p, &w->pieces, next) {
		if (!p->memory)
			continue;
		empty = false;
		if (p->va + p->len == va && is_free(w, end_of(p), len, &before))
			return end_of(p);
		if (va + len == p->va && p->bus > len && is_free(w, p->bus - len, len, &before))
			return p->bus - len;
	}
	p = TAILQ_FIRST(&w->pieces);
	for (;;) {
		end = p != NULL ? RTE_MIN(p->bus, w->last + 1) : w->last + 1;
		at = aligned(start, va);
		if (at < end && end - at >= len && end - at > most) {
			most = end - at;
			best = at;
			if (empty)
				break;
			at = aligned(start + (end - start - len) / 2, va);
			if (at < end && end - at >= len)
				best = at;
		}
		if (p == NULL)
			break;
		start = end_of(p);
		p = TAILQ_NEXT(p, next);
	}
	return best;
}

static int
insert(struct dma_window *w, struct piece what, struct piece *before, struct piece **inserted)
{
	struct piece *p = malloc(sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	*p = what;
	if (before == NULL)
		TAILQ_INSERT_TAIL(&w->pieces, p, next);
	else
		TAILQ_INSERT_BEFORE(before, p, next);
	*inserted = p;
	return 0;
}

static void
forget(struct dma_window *w, struct piece *p)
{
	TAILQ_REMOVE(&w->pieces, p, next);
	free(p);
}

/* Put a piece there, and let the device reach it. The EAL memory lock is held. */
static int
put_piece(struct dma_window *w, uintptr_t va, size_t len, gantry_dma_addr_t bus)
{
	const struct piece piece = { .va = va, .bus = bus, .len = len, .memory = true };
	struct dma_device *d = dma_device(w->dev);
	struct piece *before, *p;
	int ret;

	if (!is_free(w, bus, len, &before))
		return -ENOSPC;
	ret = insert(w, piece, before, &p);
	if (ret != 0 || w->planning)
		return ret;
	ret = d->params.ops->map(d->params.opaque, (void *)va, bus, len, GANTRY_DMA_BIDIRECTIONAL);
	if (ret != 0) {
		dma_fail("%s: %p, %zu bytes of EAL memory: %s did not map it at bus address "
			 "0x%" PRIx64 ": %s",
				d->name, (void *)va, len, d->params.ops->name, bus, strerror(-ret));
		forget(w, p);
		return ret;
	}
	dma_table_set(&d->own, w->entries, (void *)va, len, bus - va);
	return 0;
}

/* Mark addresses at which no piece may be put. */
static int
put_obstacle(struct dma_window *w, gantry_dma_addr_t bus, size_t len)
{
	const struct piece piece = { .bus = bus, .len = len };
	struct piece *before, *p;

	TAILQ_FOREACH(before, &w->pieces, next) {
		if (before->bus > bus)
			break;
	}
	return insert(w, piece, before, &p);
}

/*
 * Remove a piece. If the bus fails to unmap it, the device may still reach that memory, so an
 * obstacle keeps the place occupied.
 */
static int
drop_piece(struct dma_window *w, struct piece *p)
{
	struct dma_device *d = dma_device(w->dev);
	int ret = 0;

	if (!w->planning) {
		dma_table_set(&d->own, w->entries, (void *)p->va, p->len, GANTRY_DMA_NO_OFFSET);
		ret = d->params.ops->unmap(d->params.opaque, (void *)p->va, p->bus, p->len);
	}
	if (ret != 0 && ret != -ENODEV) { /* a removed device reaches nothing */
		DMA_LOG(ERR, d->name,
				"memory at %p, bus address 0x%" PRIx64
				", %zu bytes: %s did not unmap it: %s: the device may still reach it",
				(void *)p->va, p->bus, p->len, d->params.ops->name, strerror(-ret));
		p->memory = false;
		return ret;
	}
	forget(w, p);
	return 0;
}

static void
drop_all(struct dma_window *w)
{
	struct piece *p, *next;

	for (p = TAILQ_FIRST(&w->pieces); p != NULL; p = next) {
		next = TAILQ_NEXT(p, next);
		if (p->memory)
			drop_piece(w, p);
	}
}

/*
 * EAL memory. The EAL memory lock is held in all of these functions.
 */

struct walk {
	struct dma_window *w;
	struct eal_run run;
};

/*
 * Put the pieces of a run at one place, or each where there is room; the rest is mapped on demand.
 */
static int
put_run(struct dma_window *w, const struct eal_run *run)
{
	const size_t step = run->stays ? run->len : run->page;
	gantry_dma_addr_t place = find_place(w, run->va, run->len), bus;
	size_t at;
	int ret;

	for (at = 0; at < run->len; at += step) {
		bus = place != 0 ? place + at : find_place(w, run->va + at, step);
		if (bus == 0 && !w->planning)
			continue;
		ret = bus == 0 ? -ENOSPC : put_piece(w, run->va + at, step, bus);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static bool
placed(const struct dma_window *w, uintptr_t va)
{
	const struct piece *p;

	TAILQ_FOREACH(p, &w->pieces, next) {
		if (p->memory && va >= p->va && va - p->va < p->len)
			return true;
	}
	return false;
}

static int
flush_run(struct walk *walk)
{
	int ret = 0;

	if (walk->run.len != 0 && !placed(walk->w, walk->run.va))
		ret = put_run(walk->w, &walk->run);
	walk->run.len = 0;
	return ret;
}

static int
add_page(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct walk *walk = arg;
	struct eal_run page;
	int ret = 0;

	if (msl->external || ms->len == 0)
		return 0;
	page = eal_run_of(msl, ms, walk->w->events);
	/* A bus that passes files to the device has one file for each mapping. */
	if (walk->run.len != 0 && eal_run_continues(&walk->run, &page)) {
		walk->run.len += page.len;
	} else {
		ret = flush_run(walk);
		walk->run = page;
	}
	return ret;
}

/* The EAL memory lock is held. */
static int
add_all(struct dma_window *w)
{
	struct walk walk = { .w = w };
	int ret = rte_memseg_walk_thread_unsafe(add_page, &walk);

	return ret != 0 ? ret : flush_run(&walk);
}

/* Keep the rest of a piece in place if EAL removed only a part of it. */
static void
put_rest(struct dma_window *w, uintptr_t va, size_t len, gantry_dma_addr_t bus)
{
	if (len != 0 && put_piece(w, va, len, bus) != 0)
		DMA_LOG(ERR, dma_device(w->dev)->name,
				"memory at %p: not mapped again: the device no longer reaches it: %s",
				(void *)va, gantry_dma_last_error());
}

static void
remove_pages(struct dma_window *w, uintptr_t va, size_t len)
{
	struct piece *p = TAILQ_FIRST(&w->pieces);

	while (p != NULL) {
		const struct piece was = *p;
		const uintptr_t end = was.va + was.len;

		if (!was.memory || was.va >= va + len || end <= va) {
			p = TAILQ_NEXT(p, next);
			continue;
		}
		if (drop_piece(w, p) == 0) {
			if (was.va < va)
				put_rest(w, was.va, va - was.va, was.bus);
			if (end > va + len)
				put_rest(w, va + len, end - (va + len),
						was.bus + (va + len - was.va));
		}
		p = TAILQ_FIRST(&w->pieces);
	}
}

static void
memory_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	struct walk walk = { .w = arg };
	const struct rte_memseg_list *msl;
	const struct rte_memseg *ms;
	uintptr_t at = (uintptr_t)addr;
	int ret = 0;

	if (type == RTE_MEM_EVENT_FREE) {
		remove_pages(walk.w, at, len);
		return;
	}
	for (; ret == 0 && at - (uintptr_t)addr < len; at += ms->len) {
		ms = eal_page_at(at, &msl);
		if (ms == NULL)
			break;
		ret = add_page(msl, ms, &walk);
	}
	if (ret == 0)
		ret = flush_run(&walk);
	if (ret != 0)
		DMA_LOG(WARNING, dma_device(walk.w->dev)->name,
				"new EAL memory: not in the window: mapped on demand: %s",
				gantry_dma_last_error());
}

/*
 * The mode, if all EAL memory fits.
 */

/* As gantry_dma_look_up(), for any length. */
static bool
look_up_all(const struct dma_device *d, const void *ptr, size_t size, gantry_dma_addr_t *addr)
{
	gantry_dma_addr_t first, here;
	size_t at, len;

	if (!gantry_dma_look_up(&d->own, ptr, 1, d->mask, &first))
		return false;
	for (at = 0; at < size; at += len) {
		len = RTE_MIN(size - at, d->own.page_mask + 1);
		if (!gantry_dma_look_up(&d->own, (const uint8_t *)ptr + at, len, d->mask, &here) ||
				here != first + at)
			return false;
	}
	*addr = first;
	return true;
}

static gantry_dma_addr_t
window_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	gantry_dma_addr_t addr;

	if (look_up_all(dma_device(dev), ptr, size, &addr))
		return addr;
	return dma_demand_map(dev, ptr, size, dir, attrs, site);
}

static void
window_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
	if (addr <= DEMAND_LAST)
		dma_demand_unmap(dev, addr, size, dir, attrs, site);
}

static int
window_alloc_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask)
{
	const struct dma_device *d = dma_device(dev);
	int ret = dma_block_reserve(dev, b, size, align, socket_id, false);

	if (ret != 0)
		return ret;
	if (look_up_all(d, b->pub.cpu, size, &b->pub.bus) && b->pub.bus % align == 0 &&
			b->pub.bus + (size - 1) <= mask)
		return 0;
	ret = dma_demand_map_block(dev, b, align, mask);
	if (ret != 0)
		rte_memzone_free(b->mz);
	return ret;
}

static void
window_free_block(struct gantry_dma_dev *dev, struct dma_block *b)
{
	if (b->pub.bus <= DEMAND_LAST)
		dma_demand_unmap_block(dev, b);
	rte_memzone_free(b->mz);
}

static gantry_dma_addr_t
highest_place(const struct dma_window *w)
{
	const struct piece *p;

	TAILQ_FOREACH_REVERSE(p, &w->pieces, pieces, next) {
		if (p->memory)
			return end_of(p) - 1;
	}
	return DEMAND_LAST;
}

static uint64_t
window_required_mask(struct gantry_dma_dev *dev)
{
	uint64_t mask;

	rte_mcfg_mem_read_lock();
	mask = GANTRY_DMA_BIT_MASK(dma_bits(highest_place(dma_mode_state(dev)->window)));
	rte_mcfg_mem_read_unlock();
	return mask;
}

static void
window_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg)
{
	const struct piece *p;

	rte_mcfg_mem_read_lock();
	TAILQ_FOREACH(p, &dma_mode_state(dev)->window->pieces, next) {
		const struct gantry_dma_mapping m = {
			.reach = GANTRY_DMA_REACH_MEMORY,
			.addr = p->bus,
			.cpu = (void *)p->va,
			.size = p->len,
			.dir = GANTRY_DMA_BIDIRECTIONAL,
			.age_ms = UINT64_MAX,
		};

		if (p->memory)
			fn(arg, &m);
	}
	rte_mcfg_mem_read_unlock();
	dma_demand_for_each(dev, fn, arg);
}

static void
window_drop(struct dma_window *w)
{
	struct dma_device *d = dma_device(w->dev);

	if (w->events)
		rte_mem_event_callback_unregister("gantry_window", w);
	rte_mcfg_mem_read_lock();
	drop_all(w);
	rte_mcfg_mem_read_unlock();
	while (!TAILQ_EMPTY(&w->pieces))
		forget(w, TAILQ_FIRST(&w->pieces));
	if (!w->planning)
		memset(&d->own, 0, sizeof(d->own));
	rte_free(w->entries);
	free(w);
}

/* EAL memory continues to come and go, but the bus may have forgotten the device. */
static void
window_abandon(struct gantry_dma_dev *dev)
{
	struct dma_window *w = dma_mode_state(dev)->window;

	if (w->events)
		rte_mem_event_callback_unregister("gantry_window", w);
	w->events = false;
}

static void
window_end(struct gantry_dma_dev *dev)
{
	dma_demand_end(dev);
	window_drop(dma_mode_state(dev)->window);
	dma_mode_state(dev)->window = NULL;
}

static gantry_dma_addr_t
last_of(uint64_t mask)
{
	return RTE_MIN(mask, WINDOW_LAST);
}

static struct dma_window *
new_window(struct gantry_dma_dev *dev, uint64_t mask, bool planning)
{
	struct dma_window *w = calloc(1, sizeof(*w));

	if (w != NULL) {
		w->dev = dev;
		w->last = last_of(mask);
		w->planning = planning;
		TAILQ_INIT(&w->pieces);
		if (put_obstacle(w, DMA_MSI_FIRST, DMA_MSI_LEN) == 0)
			return w;
	}
	free(w);
	dma_fail("%s: out of memory", dma_device(dev)->name);
	return NULL;
}

/* Return whether all EAL memory would fit. @param now the device's window; NULL: it has none */
static bool
plan(struct gantry_dma_dev *dev, uint64_t mask, const struct dma_window *now)
{
	struct dma_window *w = mask > DEMAND_LAST ? new_window(dev, mask, true) : NULL;
	const struct piece *p;
	bool fits = true;

	if (w == NULL)
		return false;
	rte_mcfg_mem_read_lock();
	if (now != NULL) {
		TAILQ_FOREACH(p, &now->pieces, next) {
			if (!p->memory && p->bus != DMA_MSI_FIRST)
				fits &= put_obstacle(w, p->bus, p->len) == 0;
		}
	}
	fits = fits && add_all(w) == 0;
	rte_mcfg_mem_read_unlock();
	window_drop(w);
	return fits;
}

/* Move every piece to a place within this mask; if that fails, back to where it is now. */
static int
move_all(struct dma_window *w, uint64_t mask)
{
	const gantry_dma_addr_t was = w->last;
	int ret;

	rte_mcfg_mem_read_lock();
	drop_all(w);
	w->last = last_of(mask);
	ret = add_all(w);
	if (ret != 0) {
		drop_all(w);
		w->last = was;
		add_all(w); /* there was room before; pieces that still fail are mapped on demand */
	}
	rte_mcfg_mem_read_unlock();
	return ret;
}

static int
window_set_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	const uint64_t need = window_required_mask(dev);
	int ret;

	if (need <= mask)
		return 0;
	if (!TAILQ_EMPTY(&d->blocks) || dma_demand_in_use(dev)) {
		dma_fail("%s: the window has addresses of up to %u bits, and mappings; the device "
			 "drives %u",
				d->name, dma_bits(need), dma_bits(mask));
		return -EIO;
	}
	if (plan(dev, mask, dma_mode_state(dev)->window))
		return move_all(dma_mode_state(dev)->window, mask);
	window_end(dev);
	dma_set_mode(dev, d->waiting);
	ret = dma_window_start(dev, mask);
	if (ret != 0) /* restore the former mode */
		dma_window_start(dev, d->mask);
	return ret;
}

static const struct gantry_dma_mode window_mode = {
	.name = "window",
	.memory_by = "lib/dma, window",
	.own_above = DEMAND_LAST,
	.map = window_map,
	.unmap = window_unmap,
	.required_mask = window_required_mask,
	.max_mapping_size = dma_demand_max_mapping_size,
	.alloc_block = window_alloc_block,
	.free_block = window_free_block,
	.map_resource = dma_demand_map_resource,
	.unmap_resource = dma_demand_unmap_resource,
	.set_mask = window_set_mask,
	.for_each = window_for_each,
	.end = window_end,
	.abandon = window_abandon,
};

/*
 * Start.
 */

static int
start_all(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	struct dma_window *w;
	int ret = dma_claim(dev);

	if (ret != 0)
		return ret;
	w = new_window(dev, mask, false);
	if (w == NULL)
		return -ENOMEM;
	ret = dma_table_make(&d->own, &w->entries);
	if (ret == 0) {
		/*
		 * Register before the walk, because the walk would miss pages that EAL adds in
		 * between.
		 */
		w->events = rte_mem_event_callback_register("gantry_window", memory_event, w) == 0;
		ret = w->events || rte_errno == ENOTSUP ? 0 : -rte_errno;
		rte_mcfg_mem_read_lock();
		if (ret == 0)
			ret = add_all(w);
		rte_mcfg_mem_read_unlock();
	} else {
		dma_fail("%s: no memory left in the EAL heap for the table of the window", d->name);
	}
	if (ret == 0)
		ret = dma_demand_start(dev, DEMAND_LAST, false);
	if (ret != 0) {
		window_drop(w);
		return ret;
	}
	dma_mode_state(dev)->window = w;
	dma_set_mode(dev, &window_mode);
	return 0;
}

int
dma_window_start(struct gantry_dma_dev *dev, uint64_t mask)
{
	int ret;

	/*
	 * An installed page table is permanent, and would hide everything that is mapped at once.
	 */
	if (dma_device(dev)->entries == NULL && plan(dev, mask, NULL) && dma_can_claim(dev))
		return start_all(dev, mask);
	ret = dma_demand_start(dev, mask, true);
	if (ret == 0)
		dma_set_mode(dev, &dma_on_demand_mode);
	return ret;
}
