/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The debug layer: theory, and the checks of mappings.
 *
 * Theory. Every misuse of the DMA API is a disagreement between two calls: an unmapping does not
 * match its mapping, a sync has no mapping, or memory is freed while it is mapped. So the layer
 * keeps books (dma_debug_books.c) of each mapping and of the code that made it, and compares each
 * call with them.
 *
 * The layer is between the inline functions and the device's mode. It calls the mode with the
 * arguments from the books, not with those of the caller: if the caller unmaps with the wrong size,
 * the layer unmaps with the right one, and if nothing is mapped, it unmaps nothing. So one mistake
 * is one report, and the program continues as if the mistake had not been made.
 *
 *      gantry_dma_map_*()           an application's rte_pktmbuf_free(), ...
 *              |                                  |
 *        dma_debug.c ---- entries ----> dma_debug_mbuf.c     who has each mbuf
 *              |    \                             |
 *      dma_base_map() dma_debug_books.c   dma_debug_report.c one line, with both sites
 *
 * Files: dma_debug_memory.c classifies memory that must not be mapped, and detects freed memory;
 * dma_debug_probe.c tests whether pools can be watched; dma_debug_report.c writes reports;
 * dma_symbol.c finds names of functions; dma_checksum.c detects changed data; dma_telemetry.c
 * serves telemetry.
 *
 *      struct dma_debug ------> device, causes already reported
 *      struct dma_thread ----> last mapping, spare entries (one for each thread)
 *      bucket (bus address) --> struct dma_entry <-- bucket (CPU address)
 *                               | mbuf, lender --> object in the watch of the mbuf's pool
 *                               | owner ---------> pool of a block, or number of a list
 *
 * The thread that took a mapping's entry out of the books owns the entry. If two threads race to
 * unmap a mapping, exactly one of them gets the entry. The other finds nothing, and is reported.
 *
 * Locks: each bucket has its own. A recursive mutex protects reports and the list of devices; no
 * EAL lock is taken while it is held. A second mutex serialises the start and end of devices.
 *
 * The layer recognises EAL memory by the table of the fast path. For other memory it reads
 * /proc/self/maps, which takes as long as a thousand mappings: only bounce mode and mistakes map
 * such memory.
 */

#include <errno.h>
#include <execinfo.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "dma_debug_books.h"

/* The number of causes of leaked mappings that are reported one by one. */
#define LEAKS_TOLD 16

struct dma_debug_list dma_debug_devices = TAILQ_HEAD_INITIALIZER(dma_debug_devices);

static const struct gantry_dma_mode debug_mode = { .name = "debug" };

static const struct {
	const char *map, *unmap;
} functions[] = {
	[DMA_KIND_SINGLE] = { "map_single", "unmap_single" },
	[DMA_KIND_MBUF] = { "map_mbuf", "unmap_mbuf" },
	[DMA_KIND_SG] = { "map_sg", "unmap_sg" },
	[DMA_KIND_CHAIN] = { "map_mbuf_chain", "unmap_mbuf_chain" },
	[DMA_KIND_RESOURCE] = { "map_resource", "unmap_resource" },
	[DMA_KIND_COHERENT] = { "alloc_coherent", "free_coherent" },
	[DMA_KIND_POOL] = { "pool_alloc", "pool_free" },
};

/*
 * The contents of a report.
 */

struct dma_report
dma_debug_report_of(enum gantry_dma_misuse misuse, const struct dma_entry *e, const void *site)
{
	return (struct dma_report){
		.misuse = misuse,
		.dev = e->dev,
		.context = e->context,
		.addr = e->addr,
		.ptr = e->ptr,
		.size = e->size,
		.dir = e->dir,
		.mbuf = e->flags & DMA_GONE ? NULL : e->mbuf,
		.map_site = e->site,
		.map_verb = e->kind >= DMA_KIND_COHERENT ? "allocated" : "mapped",
		.site = site,
	};
}

/* Start a report about a call for which the books have no entry. */
static struct dma_report
report_call(enum gantry_dma_misuse misuse, struct gantry_dma_dev *dev, const struct rte_mbuf *m,
		gantry_dma_addr_t addr, const void *ptr, size_t size, enum gantry_dma_dir dir,
		const void *site)
{
	return (struct dma_report){
		.misuse = misuse,
		.dev = dev,
		.context = dma_thread.context,
		.addr = addr,
		.ptr = ptr,
		.size = size,
		.dir = dir,
		.mbuf = m,
		.site = site,
	};
}

/* Lists return a number, and allocations a pointer, so they have no mapping error to test. */
static inline bool
needs_check(enum dma_kind kind)
{
	return kind <= DMA_KIND_MBUF || kind == DMA_KIND_RESOURCE;
}

/* Return the caller, or the caller of the list's function. */
static inline const void *
site_of(const struct dma_thread *t, const void *site)
{
	return t->in_list ? t->list_site : site;
}

/*
 * Return the code that maps: the driver's caller, if the driver reports it. The search for it takes
 * place once for each gantry_dma_debug_caller().
 */
static inline const void *
mapper(struct dma_thread *t, const void *site)
{
	if (t->caller == NULL)
		return site;
	if (!t->caller_known)
		t->caller = dma_who_called(t->caller, DMA_CODE_LIBRARY);
	t->caller_known = true;
	return t->caller;
}

static inline enum dma_kind
kind_of(const struct dma_thread *t, const struct rte_mbuf *m)
{
	return t->in_list ? t->list_kind : m != NULL ? DMA_KIND_MBUF : DMA_KIND_SINGLE;
}

/*
 * Devices and threads.
 */

/*
 * Protects the start and end of devices: the first and the last one call EAL, which is forbidden
 * under the devices' lock.
 */
static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;

int
dma_debug_start(struct gantry_dma_dev *dev, enum gantry_dma_debug_level level)
{
	struct dma_debug *debug = calloc(1, sizeof(*debug));
	static bool registered;
	void *frame;

	if (debug == NULL) {
		dma_fail("%s: out of memory", dma_device(dev)->name);
		return -ENOMEM;
	}
	debug->dev = dev;
	debug->level = level;
	pthread_mutex_lock(&users_lock);
	if (TAILQ_EMPTY(&dma_debug_devices))
		dma_debug_memory_start();
	if (!registered) {
		dma_debug_telemetry();
		backtrace(&frame, 1); /* the first call loads a library */
	}
	registered = true;
	dma_debug_lock_devices();
	TAILQ_INSERT_TAIL(&dma_debug_devices, debug, next);
	dma_debug_unlock_devices();
	pthread_mutex_unlock(&users_lock);
	dma_device(dev)->debug = debug;
	dev->debug = true;
	dma_set_above(dev, &debug_mode);
	return 0;
}

void
gantry_dma_debug_context(char kind, uint16_t queue, uint16_t desc)
{
	dma_thread.context = (struct dma_context){ kind, queue, desc };
}

void
gantry_dma_debug_caller(const void *site)
{
	dma_thread.caller = site;
	dma_thread.caller_known = false;
}

void
gantry_dma_debug_promise(struct gantry_dma_promise *promise)
{
	dma_thread.promise = promise;
}

/* A mapping failed, its error was not tested, and the thread makes another call. */
static void
tell_failed(struct dma_thread *t, const void *site)
{
	struct dma_report r = report_call(GANTRY_DMA_MISUSE_UNCHECKED, t->failed, NULL,
		GANTRY_DMA_MAPPING_ERROR, t->failed_ptr, t->failed_size, GANTRY_DMA_NONE, site);

	t->failed = NULL;
	r.map_site = t->failed_site;
	r.map_verb = "mapped, or not,";
	dma_debug_report(&r, "the mapping failed, and gantry_dma_mapping_error() was not asked");
}

/*
 * Mapping.
 */

/* The entry that a new mapping meets. */
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

	if (o->any || !same_line(e, other) || ((e->flags | other->flags) & DMA_ACCUSED))
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
		other->flags |= DMA_ACCUSED;
}

static void
tell_overlap(const struct dma_entry *e, const struct overlap *o, const void *site)
{
	struct dma_report r;

	if (o->met.flags & DMA_GONE) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, &o->met, site);
		dma_debug_report(&r, "its memory was freed meanwhile, allocated anew, and is "
			"mapped again as %zu bytes at %p", e->size, e->ptr);
		return;
	}
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_OVERLAP, e, site);
	r.map_site = o->met.site;
	r.map_verb = "the other was mapped";
	dma_debug_report(&r, "%s a cache line with %zu bytes at %p (bus 0x%" PRIx64 ") that are "
		"mapped %s", dma_same_bytes(e, &o->met) ? "shares bytes and" : "shares", o->met.size,
		o->met.ptr, o->met.addr, dma_debug_dir_name(o->met.dir));
}

static inline bool
is_eal_memory(const struct dma_device *d, const void *ptr, size_t size)
{
	gantry_dma_addr_t addr;

	return gantry_dma_look_up(&d->eal, ptr, size, GANTRY_DMA_ADDR_MAX, &addr);
}

/*
 * Return what is wrong with memory that is not in the table of the fast path. MAP_INVALID: the
 * caller must not try to map it. MAX: nothing is wrong.
 */
static enum gantry_dma_misuse
check_buffer(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	enum gantry_dma_misuse misuse = dma_debug_memory(dev, ptr, size);
	struct dma_report r;

	r = report_call(misuse, dev, m, GANTRY_DMA_MAPPING_ERROR, ptr, size, dir, site);
	if (misuse == GANTRY_DMA_MISUSE_MAP_STACK) {
		dma_debug_report(&r, "memory of a thread's stack is mapped");
	} else if (misuse == GANTRY_DMA_MISUSE_MAP_TEXT) {
		dma_debug_report(&r, "program text or read-only data is mapped");
	} else if (misuse == GANTRY_DMA_MISUSE_MAP_INVALID) {
		const char *what = gantry_mem_class_name(gantry_mem_classify(ptr));

		dma_debug_report(&r, "what is mapped is %s, or its end is not memory", what);
		dma_fail("%s: %p, %zu bytes: %s, or its end is", dma_device(dev)->name, ptr, size,
			what);
	}
	return misuse;
}

/* The mode refused the mapping. If the mode had no room left, that is not a misuse. */
static void
check_refused(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	const bool translates = dma_debug_cuts_off(dev);
	const struct rte_memseg *ms = rte_mem_virt2memseg(ptr, NULL);
	const bool eal = ms != NULL && ms->len != 0 && ms->iova != RTE_BAD_IOVA;
	char why[256];
	struct dma_report r;

	if (translates && (eal || strcmp(gantry_dma_mode_name(dev), "bounce") == 0 ||
			(dma_device(dev)->params.ops != NULL &&
			dma_device(dev)->params.ops->any_memory)))
		return;
	if (eal && dma_debug_contiguous(dev, ptr, size))
		return; /* beyond the mask */
	dma_reason(dev, why, sizeof(why));
	r = report_call(GANTRY_DMA_MISUSE_MAP_SCATTERED, dev, m, GANTRY_DMA_MAPPING_ERROR, ptr,
		size, dir, site);
	dma_debug_report(&r, "it has no one bus address for the device: %s", why);
	dma_fail("%s: %s", dma_device(dev)->name, why);
}

/* A single mapping must keep the limits that the driver has set; a piece of a list, all limits. */
static void
check_segment(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir, bool list, const void *site)
{
	const struct dma_device *d = dma_device(dev);
	struct dma_report r;

	if (size > d->max_seg && (list || d->max_seg != DMA_MAX_SEG)) {
		r = report_call(GANTRY_DMA_MISUSE_SEGMENT_SIZE, dev, m, addr, ptr, size, dir, site);
		dma_debug_report(&r, "the device takes segments of up to %zu bytes", d->max_seg);
	} else if (((addr ^ (addr + (size - 1))) & ~d->seg_boundary) != 0 &&
			(list || d->seg_boundary != DMA_SEG_BOUNDARY)) {
		r = report_call(GANTRY_DMA_MISUSE_SEGMENT_BOUNDARY, dev, m, addr, ptr, size, dir,
			site);
		dma_debug_report(&r, "it crosses a boundary of the device, every 0x%" PRIx64
			" bytes", d->seg_boundary + 1);
	}
}

/* In direct mode without this layer, the device would get the bus address in the mbuf. */
static void
check_iova(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir, const void *site)
{
	const rte_iova_t iova = rte_mbuf_iova_get(m);
	struct dma_report r;

	if (likely(iova + ((uint8_t *)ptr - (uint8_t *)m->buf_addr) == addr) ||
			iova > GANTRY_DMA_ADDR_MAX)
		return;
	r = report_call(GANTRY_DMA_MISUSE_MAP_INVALID, dev, m, addr, ptr, size, dir, site);
	dma_debug_report(&r, "the mbuf says that its buffer has bus address 0x%" PRIx64 ", which "
		"is that of other memory", iova);
}

void
dma_debug_arguments(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	const bool empty = (unsigned int)dir < GANTRY_DMA_NONE;
	struct dma_report r = report_call(empty ? GANTRY_DMA_MISUSE_MAP_INVALID :
		GANTRY_DMA_MISUSE_WRONG_DIRECTION, dev, m, GANTRY_DMA_MAPPING_ERROR, ptr, size,
		dir, site_of(&dma_thread, site));

	dma_debug_report(&r, empty ? "no such range of memory" : "mapped without a direction");
}

/* This thread's next mapping shows whether the caller tested the error. */
static gantry_dma_addr_t
mapping_failed(struct gantry_dma_dev *dev, void *ptr, size_t size, const void *site)
{
	struct dma_thread *t = &dma_thread;

	t->failed = dev;
	t->failed_site = mapper(t, site);
	t->failed_ptr = ptr;
	t->failed_size = size;
	return GANTRY_DMA_MAPPING_ERROR;
}

gantry_dma_addr_t
dma_debug_map(struct gantry_dma_dev *dev, struct rte_mbuf *m, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
	const struct dma_device *d = dma_device(dev);
	struct dma_thread *t = &dma_thread;
	const enum dma_kind kind = kind_of(t, m);
	enum gantry_dma_misuse misuse = GANTRY_DMA_MISUSE_MAX;
	struct overlap o;
	struct dma_entry *e;
	gantry_dma_addr_t addr;

	site = site_of(t, site);
	t->unowned = NULL;
	if (unlikely(t->failed != NULL))
		tell_failed(t, site);
	if (unlikely(!dma_arguments_ok(dev, ptr, size, dir))) {
		dma_debug_arguments(dev, m, ptr, size, dir, site);
		goto failed;
	}
	if (unlikely(!is_eal_memory(d, ptr, size))) {
		misuse = check_buffer(dev, m, ptr, size, dir, site);
		if (misuse == GANTRY_DMA_MISUSE_MAP_INVALID)
			goto failed;
	}
	addr = dma_base_map(dev, ptr, size, dir, attrs, site);
	if (unlikely(addr == GANTRY_DMA_MAPPING_ERROR)) {
		if (misuse == GANTRY_DMA_MISUSE_MAX)
			check_refused(dev, m, ptr, size, dir, site);
		goto failed;
	}
	if (!t->in_list)
		check_segment(dev, m, ptr, addr, size, dir, false, site);
	if (m != NULL && d->base == NULL)
		check_iova(dev, m, ptr, addr, size, dir, site);
	e = dma_books_new();
	if (unlikely(e == NULL)) {
		dma_base_unmap(dev, addr, size, dir, attrs);
		dma_fail("%s: out of memory", d->name);
		goto failed;
	}
	e->addr = addr;
	e->ptr = ptr;
	e->size = size;
	e->dev = dev;
	e->mbuf = m;
	e->lender = NULL;
	e->site = mapper(t, site);
	e->owner = (const void *)dma_list;
	e->block = m == NULL ? dma_debug_block(dev, ptr) : 0;
	e->nents = 0;
	e->context = t->context;
	e->kind = kind;
	e->dir = dir;
	e->flags = 0;
	if (m != NULL)
		dma_debug_mbuf_mapped(e, site);
	o.e = e;
	o.any = false;
	dma_books_add(e, look_at_neighbour, &o);
	t->last = e;
	if (unlikely(o.any))
		tell_overlap(e, &o, site);
	return addr;

failed:
	return mapping_failed(dev, ptr, size, site);
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

/*
 * Unmapping.
 */

/* Nothing is mapped there. */
static void
tell_unknown(struct gantry_dma_dev *dev, enum dma_kind kind, const struct rte_mbuf *m,
		gantry_dma_addr_t addr, const void *ptr, size_t size, enum gantry_dma_dir dir,
		const void *site)
{
	struct dma_report r = report_call(GANTRY_DMA_MISUSE_UNMAP_UNKNOWN, dev, m, addr, ptr, size,
		dir, site);
	struct dma_grave dead;

	if (!dma_books_dead(dev, addr, &dead)) {
		dma_debug_report(&r, "%s of what was never %s", functions[kind].unmap,
			kind >= DMA_KIND_COHERENT ? "allocated" : "mapped");
		return;
	}
	/* A consequence of a misuse that was already reported. */
	if (dead.flags >> 16 & DMA_ACCUSED)
		return;
	r.misuse = GANTRY_DMA_MISUSE_UNMAP_TWICE;
	r.ptr = dead.ptr;
	r.map_site = dead.map_site;
	r.map_verb = kind >= DMA_KIND_COHERENT ? "allocated" : "mapped";
	dma_debug_report(&r, "%s of what was %s already", functions[kind].unmap,
		kind >= DMA_KIND_COHERENT ? "freed" : "unmapped");
}

static bool
accuse_list(struct dma_entry *e, void *arg)
{
	const struct dma_entry *of = arg;

	if (e->dev == of->dev && dma_kind_streams(e->kind) && e->owner == of->owner)
		e->flags |= DMA_ACCUSED;
	return false;
}

static bool
accuse(struct dma_entry *e, void *arg)
{
	const struct dma_entry *of = arg;

	if (e->dev == of->dev && e->addr == of->addr && e->kind == of->kind)
		e->flags |= DMA_ACCUSED;
	return false;
}

/* Something is there, but this function must not end it. */
static void
tell_other(struct dma_entry *other, enum dma_kind kind, const void *site)
{
	struct dma_report r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_FUNCTION, other, site);

	dma_books_at_bus(other->dev, other->addr, accuse, other);
	if (other->flags & DMA_ACCUSED)
		return;
	dma_debug_report(&r, "%s of what %s%s gave", functions[kind].unmap,
		kind == other->kind ? "another pool's " : "", functions[other->kind].map);
}

/* Report how an unmapping differs from its mapping: one report at most. */
static void
compare(struct dma_entry *e, enum dma_kind kind, size_t size, enum gantry_dma_dir dir,
		const void *site)
{
	struct dma_report r;

	if (e->flags & DMA_ACCUSED)
		return;
	if (e->kind != kind) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_FUNCTION, e, site);
		dma_debug_report(&r, "%s of what %s gave", functions[kind].unmap,
			functions[e->kind].map);
		if (e->owner != NULL)
			dma_debug_for_each(accuse_list, e);
	} else if (e->size != size) {
		dma_thread.list_told = true;
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_SIZE, e, site);
		dma_debug_report(&r, "%s as %zu bytes what has %zu", functions[kind].unmap, size,
			e->size);
	} else if (e->dir != dir) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_DIRECTION, e, site);
		dma_debug_report(&r, "%s as %s what was mapped %s", functions[kind].unmap,
			dma_debug_dir_name(dir), dma_debug_dir_name(e->dir));
	} else if (!(e->flags & DMA_CHECKED) && needs_check(kind)) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_UNCHECKED, e, site);
		dma_debug_report(&r, "gantry_dma_mapping_error() was never asked");
		return;
	} else {
		return;
	}
	e->flags |= DMA_ACCUSED;
}

/* Check that the memory of a mapping was not freed. */
static void
check_freed(struct dma_entry *e, const char *when, const void *site)
{
	struct dma_report r;

	if (e->block == 0 || (e->flags & (DMA_GONE | DMA_ACCUSED)) ||
			e->block == dma_debug_block(e->dev, e->ptr))
		return;
	e->flags |= DMA_GONE | DMA_ACCUSED;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, e, site);
	dma_debug_report(&r, "its memory was freed before it was %s", when);
}

/* Report the unmapping of a mapping error. */
static void
tell_error_address(struct gantry_dma_dev *dev, enum dma_kind kind, const struct rte_mbuf *m,
		size_t size, enum gantry_dma_dir dir, const void *site)
{
	struct dma_thread *t = &dma_thread;
	struct dma_report r = report_call(GANTRY_DMA_MISUSE_UNMAP_ERROR, dev, m,
		GANTRY_DMA_MAPPING_ERROR, NULL, size, dir, site);

	if (t->failed == dev) {
		r.map_site = t->failed_site;
		r.map_verb = "mapped, in vain,";
		r.ptr = t->failed_ptr;
		t->failed = NULL;
	}
	dma_debug_report(&r, "%s of the address that says that the mapping failed",
		functions[kind].unmap);
}

void
dma_debug_unmap(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
	struct dma_thread *t = &dma_thread;
	const struct dma_want w = { .dev = dev, .addr = addr, .kind = kind_of(t, m), .size = size,
		.dir = dir, .mbuf = m, .owner = t->in_list ? t->list_owner : NULL };
	struct dma_entry *e, other;

	site = site_of(t, site);
	if (unlikely(addr == GANTRY_DMA_MAPPING_ERROR)) {
		tell_error_address(dev, w.kind, m, size, dir, site);
		return;
	}
	e = dma_books_take(&w, &other);
	if (unlikely(e == NULL)) {
		if (other.addr != GANTRY_DMA_MAPPING_ERROR)
			tell_other(&other, w.kind, site);
		else
			tell_unknown(dev, w.kind, m, addr, NULL, size, dir, site);
		return;
	}
	t->unmapped_site = e->site;
	if (t->last == e)
		t->last = NULL;
	if (unlikely(e->kind != w.kind || e->size != size || e->dir != dir ||
			!(e->flags & DMA_CHECKED)))
		compare(e, w.kind, size, dir, site);
	check_freed(e, "unmapped", site);
	if (e->mbuf != NULL)
		dma_debug_mbuf_unmapped(e, false, site);
	dma_books_bury(e, site);
	dma_base_unmap(dev, addr, e->size, e->dir, attrs);
	dma_books_free(e);
}

/*
 * Sync.
 */

/* Return whether it is a piece of a list; its owner then is the list's number. */
static inline bool
in_list(const struct dma_entry *e)
{
	return e->kind == DMA_KIND_SG || e->kind == DMA_KIND_CHAIN;
}

struct sync {
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
	size_t size;
	enum gantry_dma_dir dir;
	bool for_cpu;
	bool turn;               /* the CPU owns another part of the synced range */
	const void *owner;       /* find only pieces of this list; NULL: anything */
	unsigned int best;
	struct dma_entry *e;     /* the best match, valid while its bucket is locked */
	struct dma_entry found;  /* its contents before the sync */
};

static inline bool
has_byte(const struct dma_entry *e, const struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	return e->dev == dev && addr >= e->addr && addr - e->addr < e->size;
}

/*
 * If several mappings have the address, prefer one that has the whole range, with that direction.
 */
static unsigned int
sync_score(const struct dma_entry *e, const struct sync *s)
{
	if (!has_byte(e, s->dev, s->addr) ||
			(s->owner != NULL && !(in_list(e) && e->owner == s->owner)))
		return 0;
	return 1 + (s->size <= e->size - (s->addr - e->addr)) * 4 + (e->dir == s->dir) * 2 +
		dma_kind_streams(e->kind) * 8;
}

static bool
sync_find(struct dma_entry *e, void *arg)
{
	struct sync *s = arg;
	const unsigned int score = sync_score(e, s);

	if (score > s->best) {
		s->best = score;
		s->found = *e;
		s->e = e;
	}
	return score == 15;
}

/* Change the owner in the entry that was found. */
static bool
sync_turn(struct dma_entry *e, void *arg)
{
	struct sync *s = arg;

	if (e != s->e || sync_score(e, s) != s->best)
		return false;
	/*
	 * If it is handed back in parts, the CPU owns it until a sync hands back the whole mapping.
	 */
	if (s->for_cpu)
		e->flags |= DMA_CPU_TURN;
	else if (s->addr == e->addr && s->size == e->size)
		e->flags &= ~DMA_CPU_TURN;
	if (e->flags & DMA_SUMMED && !s->for_cpu)
		dma_debug_mbuf_sum(e);
	return true;
}

static const char *
sync_wrong(const struct sync *s, enum gantry_dma_misuse *misuse)
{
	const struct dma_entry *e = &s->found;

	if (s->size > e->size - (s->addr - e->addr)) {
		*misuse = GANTRY_DMA_MISUSE_SYNC_RANGE;
		return "beyond its end";
	}
	if (e->dir == GANTRY_DMA_BIDIRECTIONAL)
		return NULL;
	if (e->dir != s->dir) {
		*misuse = GANTRY_DMA_MISUSE_SYNC_DIRECTION;
		return "with another direction";
	}
	*misuse = GANTRY_DMA_MISUSE_SYNC_POINTLESS;
	if (s->for_cpu && e->dir == GANTRY_DMA_TO_DEVICE)
		return "for the CPU of what the device only reads";
	/*
	 * Syncing FROM_DEVICE memory back to the device is legitimate after the CPU has only read
	 * it.
	 */
	if (!s->for_cpu && e->dir == GANTRY_DMA_FROM_DEVICE &&
			!(e->flags & DMA_CPU_TURN) && !s->turn)
		return "for the device of what the device only writes";
	return NULL;
}

/* Check and sync the mapping that was found. */
static void
sync_found(struct sync *s, const void *site)
{
	struct gantry_dma_dev *dev = s->dev;
	enum gantry_dma_misuse misuse;
	struct dma_report r;
	const char *how = sync_wrong(s, &misuse);

	if (unlikely(how != NULL) && !(s->found.flags & DMA_ACCUSED)) {
		r = dma_debug_report_of(misuse, &s->found, site);
		dma_debug_report(&r, "sync of %zu bytes at offset %zu, %s, %s", s->size,
			(size_t)(s->addr - s->found.addr), dma_debug_dir_name(s->dir), how);
	}
	if (how != NULL && misuse == GANTRY_DMA_MISUSE_SYNC_RANGE)
		return;
	if (unlikely(s->found.block != 0 &&
			s->found.block != dma_debug_block(dev, s->found.ptr))) {
		check_freed(&s->found, "synced", site);
		dma_books_at_bus(dev, s->found.addr, accuse, &s->found);
	}
	dma_books_at_bus(dev, s->addr, sync_turn, s);
	dma_base_sync(dev, s->addr, s->size, s->found.dir, s->for_cpu);
}

/*
 * A segment that covers several pieces is synced as one. The list of the pieces finds them. Several
 * lists may have the address: two readers of one buffer.
 */
struct run {
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t at, end;
	uintptr_t after;   /* lists up to this one were tried */
	const void *owner; /* the list that is tried */
	bool turn;
};

static bool
run_list(struct dma_entry *e, void *arg)
{
	struct run *r = arg;

	if (has_byte(e, r->dev, r->at) && in_list(e) && (uintptr_t)e->owner > r->after &&
			(r->owner == NULL || e->owner < r->owner))
		r->owner = e->owner;
	return false;
}

static bool
run_piece(struct dma_entry *e, void *arg)
{
	struct run *r = arg;

	if (has_byte(e, r->dev, r->at) && in_list(e) && e->owner == r->owner) {
		r->end = RTE_MAX(r->end, e->addr + e->size);
		r->turn |= (e->flags & DMA_CPU_TURN) != 0;
	}
	return false;
}

/* Find a list whose adjacent pieces cover the whole range, and set s->owner to it. */
static bool
sync_spans(struct sync *s)
{
	struct run r = { .dev = s->dev, .at = s->addr };
	size_t left;

	while (dma_books_at_bus(s->dev, s->addr, run_list, &r), r.owner != NULL) {
		left = s->size;
		r.turn = false;
		for (r.at = r.end = s->addr; left > 0; r.at = r.end) {
			dma_books_at_bus(s->dev, r.at, run_piece, &r);
			if (r.end == r.at)
				break;
			left -= RTE_MIN(left, r.end - r.at);
		}
		if (left == 0) {
			s->owner = r.owner;
			s->turn |= r.turn;
			return true;
		}
		r = (struct run){ .dev = s->dev, .at = s->addr, .after = (uintptr_t)r.owner };
	}
	return false;
}

void
dma_debug_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu, const void *site)
{
	const struct dma_thread *t = &dma_thread;
	struct sync s = { .dev = dev, .addr = addr, .size = size, .dir = dir, .for_cpu = for_cpu,
		.turn = t->in_list && t->list_turn };
	struct dma_report r;
	size_t rest;

	site = site_of(t, site);
	dma_books_at_bus(dev, addr, sync_find, &s);
	if (unlikely(s.best == 0)) {
		r = report_call(GANTRY_DMA_MISUSE_SYNC_UNMAPPED, dev, NULL, addr, NULL, size, dir,
			site);
		dma_debug_report(&r, "sync for the %s of what is not mapped",
			for_cpu ? "CPU" : "device");
		return;
	}
	/* Coherent memory needs no sync, so a sync of it does nothing. */
	if (!dma_kind_streams(s.found.kind))
		return;
	rest = s.found.size - (addr - s.found.addr);
	if (likely(size <= rest) || !sync_spans(&s)) {
		sync_found(&s, site);
		return;
	}
	for (; size > 0; s.addr += s.size, size -= s.size) {
		s.best = 0;
		s.size = 1;
		dma_books_at_bus(dev, s.addr, sync_find, &s);
		if (s.best == 0)
			return; /* another thread has unmapped it in the meantime */
		s.size = RTE_MIN(size, s.found.size - (s.addr - s.found.addr));
		s.best = sync_score(&s.found, &s);
		sync_found(&s, site);
	}
}

/*
 * Lists and chains of mbufs.
 */

void
dma_debug_list_begin(enum dma_kind kind, const void *site)
{
	struct dma_thread *t = &dma_thread;

	t->in_list = true;
	t->list_told = false;
	t->list_turn = false;
	t->list_kind = kind;
	t->list_site = site;
	t->list_owner = (const void *)dma_list;
}

void
dma_debug_list_end(void)
{
	dma_thread.in_list = false;
}

struct list {
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t first;
	enum dma_kind kind;
	const void *owner;
	unsigned int nents;
	struct dma_entry found;
};

static bool
list_set(struct dma_entry *e, void *arg)
{
	const struct list *l = arg;

	if (e->dev != l->dev || e->addr != l->first || e->owner != l->owner)
		return false;
	e->nents = l->nents;
	return true;
}

static bool
list_get(struct dma_entry *e, void *arg)
{
	struct list *l = arg;

	if (e->dev != l->dev || e->addr != l->first || e->nents == 0 || e->kind != l->kind)
		return false;
	/*
	 * If several begin there, as with two readers of one buffer, prefer the one with that
	 * number.
	 */
	if (l->found.nents == 0 || e->nents == l->nents)
		l->found = *e;
	return e->nents == l->nents;
}

void
dma_debug_list_mapped(struct gantry_dma_dev *dev, gantry_dma_addr_t first, unsigned int nents)
{
	struct list l = { .dev = dev, .first = first, .nents = nents,
		.owner = (const void *)dma_list };

	dma_books_at_bus(dev, first, list_set, &l);
}

unsigned int
dma_debug_list_nents(struct gantry_dma_dev *dev, gantry_dma_addr_t first, unsigned int nents,
		bool unmap)
{
	struct dma_thread *t = &dma_thread;
	struct list l = { .dev = dev, .first = first, .nents = nents, .kind = t->list_kind };
	struct dma_report r;

	dma_books_at_bus(dev, first, list_get, &l);
	if (l.found.nents == 0 && nents == 0) {
		r = report_call(GANTRY_DMA_MISUSE_WRONG_NENTS, dev, NULL, first, NULL, 0,
			GANTRY_DMA_NONE, t->list_site);
		dma_debug_report(&r, "a list of no entries");
		return 0;
	}
	/*
	 * No list begins there: the unmapping of the first piece reports what does begin there, if
	 * anything.
	 */
	if (l.found.nents == 0)
		return 1;
	t->list_owner = l.found.owner;
	if (l.found.nents != nents && !(l.found.flags & DMA_ACCUSED)) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_NENTS, &l.found, t->list_site);
		dma_debug_report(&r, "a list of %u entries is %s with %u", l.found.nents,
			unmap ? "unmapped" : "synced", nents);
	}
	return l.found.nents;
}

static bool
find_turn(struct dma_entry *e, void *arg)
{
	const struct run *r = arg;

	return has_byte(e, r->dev, r->at) && (e->flags & DMA_CPU_TURN);
}

void
dma_debug_list_turn(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	struct run r = { .dev = dev, .at = addr };

	dma_thread.list_turn |= dma_books_at_bus(dev, addr, find_turn, &r);
}

void
dma_debug_list_range(struct gantry_dma_dev *dev, gantry_dma_addr_t first, size_t off, size_t size,
		enum gantry_dma_dir dir)
{
	const struct dma_thread *t = &dma_thread;
	struct list l = { .dev = dev, .first = first, .kind = t->list_kind };
	struct dma_report r;

	dma_books_at_bus(dev, first, list_get, &l);
	if (l.found.nents == 0)
		r = report_call(GANTRY_DMA_MISUSE_SYNC_UNMAPPED, dev, NULL, first, NULL, size, dir,
			t->list_site);
	else if (l.found.flags & DMA_ACCUSED)
		return;
	else
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_SYNC_RANGE, &l.found, t->list_site);
	dma_debug_report(&r, "sync of %zu bytes at offset %zu of a chain, %s, %s", size, off,
		dma_debug_dir_name(dir), l.found.nents == 0 ? "which is not mapped" :
		"beyond its end");
}

/* The pieces and the segments of a list or chain did not end together. */
static void
tell_pieces(struct dma_report *r, const char *how)
{
	struct dma_thread *t = &dma_thread;

	if (!t->list_told)
		dma_debug_report(r, "%s with %s pieces than it was mapped with",
			functions[t->list_kind].unmap, how);
	t->list_told = true;
}

void
dma_debug_list_longer(struct gantry_dma_dev *dev, enum gantry_dma_dir dir)
{
	struct dma_report r = report_call(GANTRY_DMA_MISUSE_WRONG_NENTS, dev, NULL,
		GANTRY_DMA_MAPPING_ERROR, NULL, 0, dir, dma_thread.list_site);

	r.map_site = dma_thread.unmapped_site;
	r.map_verb = "mapped";
	tell_pieces(&r, "more");
}

static bool
find_left(struct dma_entry *e, void *arg)
{
	struct list *l = arg;

	if (e->dev != l->dev || e->addr != l->first || e->kind != l->kind ||
			e->owner != l->owner)
		return false;
	l->found = *e;
	return true;
}

size_t
dma_debug_list_left(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	const struct dma_thread *t = &dma_thread;
	struct list l = { .dev = dev, .first = addr, .kind = t->list_kind,
		.owner = t->list_owner };
	const struct dma_entry *e = &l.found;
	struct dma_report r;

	if (!dma_books_at_bus(dev, addr, find_left, &l))
		return 0;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_NENTS, e, t->list_site);
	if (!(e->flags & DMA_ACCUSED))
		tell_pieces(&r, "fewer");
	dma_debug_unmap(dev, e->mbuf, addr, e->size, e->dir, 0, t->list_site);
	return e->size;
}

void
dma_debug_list_refused(struct gantry_dma_dev *dev, void *ptr, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	check_segment(dev, NULL, ptr, addr, size, dir, true, dma_thread.list_site);
}

/*
 * Blocks and BARs.
 */

void
dma_debug_add(struct gantry_dma_dev *dev, enum dma_kind kind, const void *owner, void *ptr,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, const void *site)
{
	struct dma_entry *e = dma_books_new();
	struct dma_thread *t = &dma_thread;

	if (e == NULL) {
		DMA_LOG(ERR, "%s: out of memory: %p is not watched", dma_device(dev)->name, ptr);
		return;
	}
	memset(e, 0, sizeof(*e));
	e->addr = addr;
	e->ptr = ptr;
	e->size = size;
	e->dev = dev;
	e->site = mapper(t, site);
	e->owner = owner;
	e->context = t->context;
	e->kind = kind;
	e->dir = dir;
	dma_books_add(e, NULL, NULL);
	if (kind == DMA_KIND_RESOURCE)
		t->last = e;
}

gantry_dma_addr_t
dma_debug_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	struct dma_thread *t = &dma_thread;
	gantry_dma_addr_t addr = GANTRY_DMA_MAPPING_ERROR;

	t->unowned = NULL;
	if (unlikely(t->failed != NULL))
		tell_failed(t, site);
	if (dma_arguments_ok(dev, va, size, dir))
		addr = dma_resource_map(dev, va, phys, size, dir, site);
	else
		dma_debug_arguments(dev, NULL, va, size, dir, site);
	if (addr == GANTRY_DMA_MAPPING_ERROR)
		return mapping_failed(dev, va, size, site);
	dma_debug_add(dev, DMA_KIND_RESOURCE, NULL, va, addr, size, dir, site);
	return addr;
}

struct by_ptr {
	const struct dma_debug_ref *ref;
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
dma_debug_remove(struct gantry_dma_dev *dev, struct dma_debug_ref *ref, const void *site)
{
	struct dma_want w = { .dev = dev, .addr = ref->addr, .kind = ref->kind, .size = ref->size,
		.dir = ref->dir, .ptr = ref->ptr, .owner = ref->owner };
	struct by_ptr by_ptr = { .ref = ref, .dev = dev };
	struct dma_entry *e, other;
	struct dma_report r;

	if (ref->kind == DMA_KIND_RESOURCE && ref->addr == GANTRY_DMA_MAPPING_ERROR) {
		tell_error_address(dev, ref->kind, NULL, ref->size, ref->dir, site);
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
		if (other.addr != GANTRY_DMA_MAPPING_ERROR)
			tell_other(&other, ref->kind, site);
		else
			tell_unknown(dev, ref->kind, NULL, ref->addr, ref->ptr, ref->size, ref->dir,
				site);
		return false;
	}
	if ((ref->ptr != NULL && e->ptr != ref->ptr) || e->addr != ref->addr) {
		if (!(e->flags & DMA_ACCUSED)) {
			r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_CPU_ADDRESS, e, site);
			dma_debug_report(&r, "%s with CPU address %p and bus address 0x%" PRIx64,
				functions[ref->kind].unmap, ref->ptr, ref->addr);
		}
		e->flags |= DMA_ACCUSED;
	} else {
		compare(e, ref->kind, ref->size, ref->dir, site);
	}
	ref->ptr = e->ptr;
	ref->addr = e->addr;
	ref->size = e->size;
	ref->dir = e->dir;
	dma_books_bury(e, site);
	dma_books_free(e);
	return true;
}

void
dma_debug_no_resource(struct gantry_dma_dev *dev, void *va, size_t size, enum gantry_dma_dir dir,
		const void *site)
{
	struct dma_report r = report_call(GANTRY_DMA_MISUSE_MAP_INVALID, dev, NULL,
		GANTRY_DMA_MAPPING_ERROR, va, size, dir, site);

	dma_debug_report(&r, "map_resource of what is no BAR, but %s",
		gantry_mem_class_name(gantry_mem_classify(va)));
}

/*
 * Leaked mappings.
 */

static int
by_site(const void *a, const void *b)
{
	const struct dma_entry *x = *(struct dma_entry *const *)a;
	const struct dma_entry *y = *(struct dma_entry *const *)b;

	if (x->site != y->site)
		return x->site < y->site ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* All mappings of one site are one cause. */
static void
tell_leaks(struct dma_entry **left, unsigned int nr, bool tell, const void *site)
{
	unsigned int i, unchecked = nr;
	struct dma_report r;
	size_t bytes = 0;

	for (i = 0; i < nr; i++) {
		bytes += left[i]->size;
		if (unchecked == nr && needs_check(left[i]->kind) &&
				!(left[i]->flags & DMA_CHECKED))
			unchecked = i;
	}
	if (!tell)
		return;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_LEAKED, left[0], site);
	if (nr == 1)
		dma_debug_report(&r, "never %s", left[0]->kind >= DMA_KIND_COHERENT ? "freed" :
			"unmapped");
	else
		dma_debug_report(&r, "%u of them, %zu bytes, were never %s; the first", nr, bytes,
			left[0]->kind >= DMA_KIND_COHERENT ? "freed" : "unmapped");
	if (unchecked == nr)
		return;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_UNCHECKED, left[unchecked], site);
	dma_debug_report(&r, "gantry_dma_mapping_error() was never asked");
}

void
dma_debug_drop(struct gantry_dma_dev *dev, const void *owner, const void *site)
{
	struct dma_entry **left = NULL, **more, *e;
	unsigned int nr = 0, room = 0, groups = 0, i, j, told = 0;

	while ((e = dma_books_take_any(dev, owner)) != NULL) {
		if (e->mbuf != NULL)
			dma_debug_mbuf_unmapped(e, true, site);
		if (nr == room) {
			more = realloc(left, (room + 1024) * sizeof(*left));
			if (more == NULL)
				break;
			left = more;
			room += 1024;
		}
		if (e->flags & DMA_ACCUSED)
			dma_books_free(e);
		else
			left[nr++] = e;
	}
	if (nr > 0)
		qsort(left, nr, sizeof(*left), by_site);
	for (i = 0; i < nr; i = j, groups++) {
		for (j = i; j < nr && left[j]->site == left[i]->site; j++)
			;
		tell_leaks(&left[i], j - i, groups < LEAKS_TOLD, site);
		told += groups < LEAKS_TOLD ? j - i : 0;
	}
	if (told < nr)
		DMA_LOG(ERR, "%s: and %u more mappings, from %u other places",
			dma_device(dev)->name, nr - told, groups - LEAKS_TOLD);
	for (i = 0; i < nr; i++)
		dma_books_free(left[i]);
	free(left);
}

void
dma_debug_end(struct gantry_dma_dev *dev, const void *site)
{
	struct dma_debug *debug = dma_device(dev)->debug;

	dma_debug_drop(dev, NULL, site);
	dma_books_forget(dev);
	dma_debug_mbuf_end(dev);
	pthread_mutex_lock(&users_lock);
	dma_debug_lock_devices();
	TAILQ_REMOVE(&dma_debug_devices, debug, next);
	dma_debug_unlock_devices();
	if (TAILQ_EMPTY(&dma_debug_devices))
		dma_debug_memory_end();
	pthread_mutex_unlock(&users_lock);
	if (dma_thread.failed == dev)
		dma_thread.failed = NULL;
	dma_set_above(dev, NULL);
	dev->debug = false;
	dma_device(dev)->debug = NULL;
	free(debug->seen);
	free(debug);
}

void
dma_debug_abandon(struct gantry_dma_dev *dev)
{
	dma_debug_mbuf_end(dev);
	if (dma_thread.failed == dev)
		dma_thread.failed = NULL;
}

struct live {
	const struct gantry_dma_dev *dev; /* NULL: all devices */
	uint64_t nr;
};

static bool
count_live(struct dma_entry *e, void *arg)
{
	struct live *l = arg;

	l->nr += l->dev == NULL || e->dev == l->dev;
	return false;
}

uint64_t
gantry_dma_debug_live(struct gantry_dma_dev *dev)
{
	struct live l = { .dev = dev };

	dma_debug_for_each(count_live, &l);
	return l.nr;
}
