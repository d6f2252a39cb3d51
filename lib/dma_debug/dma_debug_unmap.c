/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The checks of an unmapping: it must match its mapping. Also blocks and BARs, from their beginning
 * (dma_debug_added()) to their end (dma_debug_removing()).
 */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dma_debug_calls.h"
#include "uninitialized.h"

/* Nothing is mapped there. */
static void
report_unknown(const struct dma_call *c, enum dma_kind kind)
{
	struct dma_report r = dma_debug_report_call(GANTRY_DMA_MISUSE_UNMAP_UNKNOWN, c);
	struct dma_former former;

	if (!dma_books_find_former(c->dev, c->addr, &former)) {
		dma_debug_report(&r, "%s of an address that was never %s",
				dma_debug_functions[kind].unmap,
				kind >= DMA_KIND_COHERENT ? "allocated" : "mapped");
		return;
	}
	/* A consequence of a misuse that was already reported. */
	if (former.flags >> 16 & DMA_REPORTED)
		return;
	r.misuse = GANTRY_DMA_MISUSE_UNMAP_TWICE;
	r.ptr = former.ptr;
	r.map_site = former.map_site;
	r.map_verb = kind >= DMA_KIND_COHERENT ? "allocated" : "mapped";
	dma_debug_report(&r, "%s of an address that is %s already", dma_debug_functions[kind].unmap,
			kind >= DMA_KIND_COHERENT ? "freed" : "unmapped");
}

static bool
mark_list_reported(struct dma_entry *e, void *arg)
{
	const struct dma_entry *of = arg;

	if (e->dev == of->dev && dma_kind_streams(e->kind) && e->owner == of->owner)
		e->flags |= DMA_REPORTED;
	return false;
}

static bool
mark_reported(struct dma_entry *e, void *arg)
{
	const struct dma_entry *of = arg;

	if (e->dev == of->dev && e->addr == of->addr && e->kind == of->kind)
		e->flags |= DMA_REPORTED;
	return false;
}

void
dma_debug_mark_reported(struct dma_entry *e)
{
	dma_books_at_bus(e->dev, e->addr, mark_reported, e);
}

/* Something is there, but this function must not end it. */
static void
report_other(struct dma_entry *other, enum dma_kind kind, const void *site)
{
	struct dma_report r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_FUNCTION, other, site);

	dma_debug_mark_reported(other);
	if (other->flags & DMA_REPORTED)
		return;
	dma_debug_report(&r, "%s of an address from %s%s", dma_debug_functions[kind].unmap,
			kind == other->kind ? "another pool's " : "",
			dma_debug_functions[other->kind].map);
}

/* Report how an unmapping differs from its mapping: one report at most. */
static void
compare(struct dma_entry *e, enum dma_kind kind, size_t size, enum gantry_dma_dir dir,
		const void *site)
{
	GANTRY_UNINITIALIZED struct dma_report r;

	if (e->flags & DMA_REPORTED)
		return;
	if (e->kind != kind) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_FUNCTION, e, site);
		dma_debug_report(&r, "%s of an address from %s", dma_debug_functions[kind].unmap,
				dma_debug_functions[e->kind].map);
		if (e->owner != NULL)
			dma_debug_for_each(mark_list_reported, e);
	} else if (e->size != size) {
		dma_thread.list_reported = true;
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_SIZE, e, site);
		dma_debug_report(&r, "%s with %zu bytes, %s with %zu",
				dma_debug_functions[kind].unmap, size, r.map_verb, e->size);
	} else if (e->dir != dir) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_DIRECTION, e, site);
		dma_debug_report(&r, "%s %s, mapped %s", dma_debug_functions[kind].unmap,
				dma_debug_dir_name(dir), dma_debug_dir_name(e->dir));
	} else if (!(e->flags & DMA_CHECKED) && dma_debug_needs_check(kind)) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_UNCHECKED, e, site);
		dma_debug_report(&r, "gantry_dma_mapping_error() was never called");
		return;
	} else {
		return;
	}
	e->flags |= DMA_REPORTED;
}

void
dma_debug_freed(struct dma_entry *e, const char *when, const void *site)
{
	GANTRY_UNINITIALIZED struct dma_report r;

	if (e->block == 0 || (e->flags & (DMA_GONE | DMA_REPORTED)) ||
			e->block == dma_debug_block(e->dev, e->ptr))
		return;
	e->flags |= DMA_GONE | DMA_REPORTED;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, e, site);
	dma_debug_report(&r, "its memory was freed before it was %s", when);
}

/* Report the unmapping of a mapping error. */
static void
report_error_address(const struct dma_call *c, enum dma_kind kind)
{
	struct dma_thread *t = &dma_thread;
	struct dma_report r = dma_debug_report_call(GANTRY_DMA_MISUSE_UNMAP_ERROR, c);

	r.ptr = NULL;
	if (t->failed == c->dev) {
		r.map_site = t->failed_site;
		r.map_verb = "mapping tried";
		r.ptr = t->failed_ptr;
		t->failed = NULL;
	}
	dma_debug_report(&r, "%s of GANTRY_DMA_MAPPING_ERROR, the result of a mapping that failed",
			dma_debug_functions[kind].unmap);
}

/* Nothing that this function may end begins there. */
static void
report_unmatched(const struct dma_call *c, enum dma_kind kind, struct dma_entry *other)
{
	if (other->addr != GANTRY_DMA_MAPPING_ERROR)
		report_other(other, kind, c->site);
	else
		report_unknown(c, kind);
}

void
dma_debug_unmap_call(struct dma_call *c)
{
	struct dma_thread *t = &dma_thread;
	const struct dma_want w = {
		.dev = c->dev,
		.addr = c->addr,
		.kind = dma_debug_kind_of(t, c->m),
		.size = c->size,
		.dir = c->dir,
		.mbuf = c->m,
		.owner = t->in_list ? t->list_owner : NULL,
	};
	GANTRY_UNINITIALIZED struct dma_entry other;
	struct dma_entry *e;

	c->site = dma_debug_site_of(t, c->site);
	if (unlikely(c->addr == GANTRY_DMA_MAPPING_ERROR)) {
		report_error_address(c, w.kind);
		return;
	}
	e = dma_books_take(&w, &other);
	if (unlikely(e == NULL)) {
		report_unmatched(c, w.kind, &other);
		return;
	}
	t->unmapped_site = e->site;
	if (t->last == e)
		t->last = NULL;
	if (unlikely(e->kind != w.kind || e->size != c->size || e->dir != c->dir ||
			    !(e->flags & DMA_CHECKED)))
		compare(e, w.kind, c->size, c->dir, c->site);
	dma_debug_freed(e, "unmapped", c->site);
	if (e->mbuf != NULL)
		dma_debug_mbuf_unmapped(e, false, c->site);
	dma_books_add_former(e, c->site);
	dma_base_unmap(c->dev, c->addr, e->size, e->dir, c->attrs);
	dma_books_free(e);
}

void
dma_debug_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
	dma_debug_unmap_call(&(struct dma_call){
			.dev = dev,
			.addr = addr,
			.size = size,
			.dir = dir,
			.attrs = attrs,
			.site = site,
	});
}

/*
 * Blocks and BARs.
 */

static struct dma_call
call_of(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site)
{
	return (struct dma_call){
		.dev = dev,
		.ptr = o->ptr,
		.addr = o->addr,
		.size = o->size,
		.dir = o->dir,
		.site = site,
	};
}

void
dma_debug_added(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site)
{
	struct dma_entry *e = dma_books_new();
	struct dma_thread *t = &dma_thread;

	if (e == NULL) {
		DMA_LOG(ERR, dma_device(dev)->name,
				"%p: out of memory: the debug layer does not check it", o->ptr);
		return;
	}
	memset(e, 0, sizeof(*e));
	e->addr = o->addr;
	e->ptr = o->ptr;
	e->size = o->size;
	e->dev = dev;
	e->site = dma_debug_mapper(t, site);
	e->owner = o->owner;
	e->context = t->context;
	e->kind = o->kind;
	e->dir = o->dir;
	dma_books_add(e, NULL, NULL);
	if (o->kind == DMA_KIND_RESOURCE)
		t->last = e;
}

/* Return whether a BAR is at both ends. */
static bool
is_resource(const struct dma_object *o)
{
	return gantry_mem_classify(o->ptr) == GANTRY_MEM_MMIO &&
			gantry_mem_classify((uint8_t *)o->ptr + (o->size - 1)) == GANTRY_MEM_MMIO;
}

void
dma_debug_failed(struct gantry_dma_dev *dev, const struct dma_object *o, const void *site)
{
	const struct dma_call c = call_of(dev, o, site);
	struct dma_report r;

	if (!dma_arguments_are_valid(o->ptr, o->size, o->dir)) {
		dma_debug_arguments(&c);
	} else if (!is_resource(o)) {
		r = dma_debug_report_call(GANTRY_DMA_MISUSE_MAP_INVALID, &c);
		dma_debug_report(&r, "map_resource of %s, which is no BAR",
				gantry_mem_class_name(gantry_mem_classify(o->ptr)));
	}
	dma_debug_mapping_failed(&c);
}

struct by_ptr {
	const struct dma_object *ref;
	struct gantry_dma_dev *dev;
	struct dma_entry found;
};

static bool
find_by_ptr(struct dma_entry *e, void *arg)
{
	struct by_ptr *p = arg;

	if (e->dev != p->dev || e->kind != p->ref->kind || e->ptr != p->ref->ptr ||
			e->owner != p->ref->owner)
		return false;
	p->found = *e;
	return true;
}

bool
dma_debug_removing(struct gantry_dma_dev *dev, struct dma_object *ref, const void *site)
{
	const struct dma_call c = call_of(dev, ref, site);
	struct dma_want w = {
		.dev = dev,
		.addr = ref->addr,
		.kind = ref->kind,
		.size = ref->size,
		.dir = ref->dir,
		.ptr = ref->ptr,
		.owner = ref->owner,
	};
	struct by_ptr by_ptr = { .ref = ref, .dev = dev };
	struct dma_entry *e, other;
	struct dma_report r;

	if (ref->kind == DMA_KIND_RESOURCE && ref->addr == GANTRY_DMA_MAPPING_ERROR) {
		report_error_address(&c, ref->kind);
		return false;
	}
	e = dma_books_take(&w, &other);
	if (e == NULL && ref->ptr != NULL) {
		/* The bus address may be the wrong argument. */
		dma_debug_for_each(find_by_ptr, &by_ptr);
		if (by_ptr.found.dev != NULL) {
			w.addr = by_ptr.found.addr;
			e = dma_books_take(&w, &other);
		}
	}
	if (e == NULL) {
		report_unmatched(&c, ref->kind, &other);
		return false;
	}
	if ((ref->ptr != NULL && e->ptr != ref->ptr) || e->addr != ref->addr) {
		if (!(e->flags & DMA_REPORTED)) {
			r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_CPU_ADDRESS, e, site);
			dma_debug_report(&r, "%s with CPU address %p and bus address 0x%" PRIx64,
					dma_debug_functions[ref->kind].unmap, ref->ptr, ref->addr);
		}
		e->flags |= DMA_REPORTED;
	} else {
		compare(e, ref->kind, ref->size, ref->dir, site);
	}
	ref->ptr = e->ptr;
	ref->addr = e->addr;
	ref->size = e->size;
	ref->dir = e->dir;
	dma_books_add_former(e, site);
	dma_books_free(e);
	return true;
}
