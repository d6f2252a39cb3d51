/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The checks of a mapping: the memory, the limits of the device, other mappings of the same memory.
 */

#include <inttypes.h>
#include <string.h>

#include "dma_debug_calls.h"
#include "uninitialized.h"

/* A mapping failed, its error was not tested, and the thread makes another call. */
static void
report_failed(struct dma_thread *t, const void *site)
{
	const struct dma_call c = {
		.dev = t->failed,
		.ptr = t->failed_ptr,
		.site = site,
		.addr = GANTRY_DMA_MAPPING_ERROR,
		.size = t->failed_size,
		.dir = GANTRY_DMA_NONE,
	};
	struct dma_report r = dma_debug_report_call(GANTRY_DMA_MISUSE_UNCHECKED, &c);

	t->failed = NULL;
	r.map_site = t->failed_site;
	r.map_verb = "mapping tried";
	dma_debug_report(&r, "the mapping failed, and gantry_dma_mapping_error() was not called");
}

void
dma_debug_mapping(struct gantry_dma_dev *dev, const void *site)
{
	struct dma_thread *t = &dma_thread;

	t->unowned = NULL;
	if (unlikely(t->failed != NULL))
		report_failed(t, site);
}

void
dma_debug_mapping_failed(const struct dma_call *c)
{
	struct dma_thread *t = &dma_thread;

	t->failed = c->dev;
	t->failed_site = dma_debug_mapper(t, c->site);
	t->failed_ptr = c->ptr;
	t->failed_size = c->size;
}

void
dma_debug_arguments(const struct dma_call *c)
{
	const bool dir_ok = (unsigned int)c->dir < GANTRY_DMA_NONE;
	struct dma_report r = dma_debug_report_call(dir_ok ? GANTRY_DMA_MISUSE_MAP_INVALID :
							     GANTRY_DMA_MISUSE_WRONG_DIRECTION,
			c);

	dma_debug_report(&r, dir_ok ? "no such range of memory" : "mapped without a direction");
}

void
dma_debug_segment(const struct dma_call *c, bool list)
{
	const struct dma_device *d = dma_device(c->dev);
	GANTRY_UNINITIALIZED struct dma_report r;

	if (c->size > d->max_seg && (list || d->max_seg != DMA_MAX_SEG)) {
		r = dma_debug_report_call(GANTRY_DMA_MISUSE_SEGMENT_SIZE, c);
		dma_debug_report(&r, "the device takes segments of up to %zu bytes", d->max_seg);
	} else if (((c->addr ^ (c->addr + (c->size - 1))) & ~d->seg_boundary) != 0 &&
			(list || d->seg_boundary != DMA_SEG_BOUNDARY)) {
		r = dma_debug_report_call(GANTRY_DMA_MISUSE_SEGMENT_BOUNDARY, c);
		dma_debug_report(&r,
				"it crosses a boundary of the device, every 0x%" PRIx64 " bytes",
				d->seg_boundary + 1);
	}
}

/*
 * The entry that a new mapping meets. If there is none, `met` is not initialised, which saves time.
 */
struct overlap {
	const struct dma_entry *e;
	struct dma_entry met;
	bool any;
};

static inline bool
same_line(const struct dma_entry *a, const struct dma_entry *b)
{
	const uintptr_t line = GANTRY_DMA_CACHE_ALIGNMENT;

	return (uintptr_t)a->ptr / line <= ((uintptr_t)b->ptr + (b->size - 1)) / line &&
			(uintptr_t)b->ptr / line <= ((uintptr_t)a->ptr + (a->size - 1)) / line;
}

static void
look_at_neighbour(struct dma_entry *other, void *arg)
{
	struct overlap *o = arg;
	const struct dma_entry *e = o->e;

	if (o->any || !same_line(e, other) || ((e->flags | other->flags) & DMA_REPORTED))
		return;
	/* Stale: the memory has another owner. */
	if (other->block != 0 && other->block != dma_debug_block(other->dev, other->ptr)) {
		other->flags |= DMA_GONE;
	} else {
		if (e->dir == GANTRY_DMA_TO_DEVICE && other->dir == GANTRY_DMA_TO_DEVICE)
			return;
		/* Pieces of one list are mapped and unmapped together. */
		if (e->owner != NULL && e->owner == other->owner && !dma_same_bytes(e, other))
			return;
		if (dma_debug_mbuf_twice(e, other))
			return;
	}
	o->met = *other;
	o->any = true;
	if (other->flags & DMA_GONE)
		other->flags |= DMA_REPORTED;
}

static void
report_overlap(const struct dma_entry *e, const struct overlap *o, const void *site)
{
	struct dma_report r;

	if (o->met.flags & DMA_GONE) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, &o->met, site);
		dma_debug_report(&r,
				"its memory was freed, allocated again, and is "
				"mapped again as %zu bytes at %p",
				e->size, e->ptr);
		return;
	}
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_OVERLAP, e, site);
	r.map_site = o->met.site;
	r.map_verb = "the other was mapped";
	dma_debug_report(&r,
			"%s a cache line with %zu bytes at %p (bus 0x%" PRIx64 ") that are "
			"mapped %s",
			dma_same_bytes(e, &o->met) ? "shares bytes and" : "shares", o->met.size,
			o->met.ptr, o->met.addr, dma_debug_dir_name(o->met.dir));
}

static inline bool
is_eal_memory(const struct dma_call *c)
{
	gantry_dma_addr_t addr;

	return gantry_dma_look_up(&dma_device(c->dev)->eal, c->ptr, c->size, GANTRY_DMA_ADDR_MAX,
			&addr);
}

/*
 * Return what is wrong with memory that is not in the table of the fast path. MAP_INVALID: the
 * caller must not try to map it. MAX: nothing is wrong.
 */
static enum gantry_dma_misuse
check_buffer(const struct dma_call *c)
{
	enum gantry_dma_misuse misuse = dma_debug_memory(c->dev, c->ptr, c->size);
	struct dma_report r = dma_debug_report_call(misuse, c);

	if (misuse == GANTRY_DMA_MISUSE_MAP_STACK) {
		dma_debug_report(&r, "memory of a thread's stack is mapped");
	} else if (misuse == GANTRY_DMA_MISUSE_MAP_TEXT) {
		dma_debug_report(&r, "program text or read-only data is mapped");
	} else if (misuse == GANTRY_DMA_MISUSE_MAP_INVALID) {
		const char *what = gantry_mem_class_name(gantry_mem_classify(c->ptr));

		dma_debug_report(&r, "the range is %s, or its end is not memory", what);
		dma_fail("%s: %p, %zu bytes: the range is %s, or its end is not memory",
				dma_device(c->dev)->name, c->ptr, c->size, what);
	}
	return misuse;
}

/* The mode refused the mapping. If the mode had no room left, that is not a misuse. */
static void
check_refused(const struct dma_call *c)
{
	const struct dma_device *d = dma_device(c->dev);
	const bool translates = dma_debug_cuts_off(c->dev);
	const struct rte_memseg *ms = rte_mem_virt2memseg(c->ptr, NULL);
	const bool eal = ms != NULL && ms->len != 0 && ms->iova != RTE_BAD_IOVA;
	char why[256];
	struct dma_report r;

	if (translates &&
			(eal || strcmp(gantry_dma_mode_name(c->dev), "bounce") == 0 ||
					(d->params.ops != NULL && d->params.ops->any_memory)))
		return;
	if (eal && dma_debug_contiguous(c->dev, c->ptr, c->size))
		return; /* beyond the mask */
	dma_reason(c->dev, why, sizeof(why));
	r = dma_debug_report_call(GANTRY_DMA_MISUSE_MAP_SCATTERED, c);
	dma_debug_report(&r, "it has no single bus address for the device: %s", why);
	dma_fail("%s: %s", d->name, why);
}

/* In direct mode without this layer, the device would get the bus address in the mbuf. */
static void
check_iova(const struct dma_call *c)
{
	const rte_iova_t iova = rte_mbuf_iova_get(c->m);
	GANTRY_UNINITIALIZED struct dma_report r;

	if (likely(iova + ((uint8_t *)c->ptr - (uint8_t *)c->m->buf_addr) == c->addr) ||
			iova > GANTRY_DMA_ADDR_MAX)
		return;
	r = dma_debug_report_call(GANTRY_DMA_MISUSE_MAP_INVALID, c);
	dma_debug_report(&r,
			"buf_iova of the mbuf is 0x%" PRIx64 ", the bus address of other memory",
			iova);
}

/* Let the mode make the mapping, if the memory may be mapped. */
static gantry_dma_addr_t
map_below(const struct dma_call *c)
{
	enum gantry_dma_misuse misuse = GANTRY_DMA_MISUSE_MAX;
	gantry_dma_addr_t addr;

	if (unlikely(!dma_arguments_ok(c->dev, c->ptr, c->size, c->dir))) {
		dma_debug_arguments(c);
		return GANTRY_DMA_MAPPING_ERROR;
	}
	if (unlikely(!is_eal_memory(c))) {
		misuse = check_buffer(c);
		if (misuse == GANTRY_DMA_MISUSE_MAP_INVALID)
			return GANTRY_DMA_MAPPING_ERROR;
	}
	addr = dma_base_map(c->dev, c->ptr, c->size, c->dir, c->attrs, c->site);
	if (unlikely(addr == GANTRY_DMA_MAPPING_ERROR) && misuse == GANTRY_DMA_MISUSE_MAX)
		check_refused(c);
	return addr;
}

/* Enter a mapping into the books. Return false if there is no memory for that. */
static bool
enter(const struct dma_call *c)
{
	struct dma_thread *t = &dma_thread;
	struct dma_entry *e = dma_books_new();
	GANTRY_UNINITIALIZED struct overlap o;

	if (unlikely(e == NULL))
		return false;
	o.e = e;
	o.any = false;
	e->addr = c->addr;
	e->ptr = c->ptr;
	e->size = c->size;
	e->dev = c->dev;
	e->mbuf = c->m;
	e->lender = NULL;
	e->site = dma_debug_mapper(t, c->site);
	e->owner = (const void *)dma_list;
	e->block = c->m == NULL ? dma_debug_block(c->dev, c->ptr) : 0;
	e->nents = 0;
	e->context = t->context;
	e->kind = dma_debug_kind_of(t, c->m);
	e->dir = c->dir;
	e->flags = 0;
	if (c->m != NULL)
		dma_debug_mbuf_mapped(e, c->site);
	dma_books_add(e, look_at_neighbour, &o);
	t->last = e;
	if (unlikely(o.any))
		report_overlap(e, &o, c->site);
	return true;
}

gantry_dma_addr_t
dma_debug_map_call(struct dma_call *c)
{
	c->site = dma_debug_site_of(&dma_thread, c->site);
	c->addr = GANTRY_DMA_MAPPING_ERROR;
	dma_debug_mapping(c->dev, c->site);
	c->addr = map_below(c);
	if (unlikely(c->addr == GANTRY_DMA_MAPPING_ERROR))
		goto failed;
	if (!dma_thread.in_list)
		dma_debug_segment(c, false);
	if (c->m != NULL && dma_device(c->dev)->base->by_eal)
		check_iova(c);
	if (likely(enter(c)))
		return c->addr;
	dma_base_unmap(c->dev, c->addr, c->size, c->dir, c->attrs);
	dma_fail("%s: out of memory", dma_device(c->dev)->name);

failed:
	dma_debug_mapping_failed(c);
	return GANTRY_DMA_MAPPING_ERROR;
}

gantry_dma_addr_t
dma_debug_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	return dma_debug_map_call(&(struct dma_call){
			.dev = dev,
			.ptr = ptr,
			.size = size,
			.dir = dir,
			.attrs = attrs,
			.site = site,
	});
}

static bool
mark_checked(struct dma_entry *e, void *arg)
{
	const struct dma_want *w = arg;

	if (e->dev == w->dev && e->addr == w->addr)
		e->flags |= DMA_CHECKED;
	return false;
}

int
dma_debug_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	struct dma_thread *t = &dma_thread;
	struct dma_want w = { .dev = dev, .addr = addr };

	if (unlikely(addr == GANTRY_DMA_MAPPING_ERROR)) {
		if (t->failed == dev)
			t->failed = NULL;
		return 1;
	}
	/* The caller has just mapped it, so this thread owns the entry until the caller returns. */
	if (likely(t->last != NULL && t->last->addr == addr && t->last->dev == dev)) {
		t->last->flags |= DMA_CHECKED;
		t->last = NULL;
	} else {
		dma_books_at_bus(dev, addr, mark_checked, &w);
	}
	return 0;
}
