/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Memory that must not be mapped, and memory that was freed while it was mapped.
 *
 * EAL gives pages back to the system when everything in them is free, and notifies the library.
 * Only EAL's heap knows what was freed in a page that stays. It keeps a header before each block.
 * The layout of the header is private, but has been the same in all releases since 18.05. The
 * library tests once whether the layout is as expected; if not, it reports nothing about blocks. A
 * mapping that begins where a block begins remembers the header. A block that was freed, or freed
 * and split differently, has another header by then. For a mapping in the middle of a block no
 * header can be found, and the library only knows that it is stale when its page goes.
 */

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "dma_debug_books.h"

/*
 * EAL's heap: the members of struct malloc_elem (lib/eal/common/malloc_elem.h) that are read here.
 */

#define HEADER_LEN 128
#define BUSY       1
#define PAD        2 /* the header of an aligned block; the real header is before it */

struct header {
	void *heap, *prev, *next, *free_list[2];
	struct rte_memseg_list *msl;
	uint32_t state;
	uint32_t pad;
	size_t size;
};

static struct {
	bool known;                                 /* the layout is the expected one */
	const struct rte_memseg_list *first, *last; /* bounds of EAL's array of memseg lists */
} heap;

static int
note_list(const struct rte_memseg_list *msl, void *arg)
{
	if (heap.first == NULL || msl < heap.first)
		heap.first = msl;
	if (heap.last == NULL || msl > heap.last)
		heap.last = msl;
	return 0;
}

static inline bool
is_list(const struct rte_memseg_list *msl, uintptr_t at)
{
	return msl >= heap.first && msl <= heap.last &&
			((uintptr_t)msl - (uintptr_t)heap.first) % sizeof(*msl) == 0 &&
			at - (uintptr_t)msl->base_va < msl->len;
}

/* The address may be any memory, and need not have a header. */
static __attribute__((no_sanitize("address"))) uint64_t
read_header(uintptr_t at)
{
	const struct header *h = (const struct header *)(at - HEADER_LEN);

	if ((h->state != BUSY && h->state != PAD) || !is_list(h->msl, at) || h->heap == NULL ||
			h->size < HEADER_LEN || h->size > h->msl->len)
		return 0;
	return (uint64_t)h->size << 2 | h->state;
}

static bool
is_present(const struct gantry_dma_table *t, uintptr_t at)
{
	return at - t->base < t->span &&
			t->offset[(at - t->base) >> t->shift] != GANTRY_DMA_NO_OFFSET;
}

uint64_t
dma_debug_block(struct gantry_dma_dev *dev, const void *ptr)
{
	const struct gantry_dma_table *t = &dma_device(dev)->eal;
	const uintptr_t at = (uintptr_t)ptr;

	if (!heap.known || at % RTE_CACHE_LINE_SIZE != 0 || !is_present(t, at) ||
			!is_present(t, at - HEADER_LEN))
		return 0;
	return read_header(at);
}

/* Test with two adjacent blocks. One of them stays allocated, so that their page stays. */
static void
try_heap(void)
{
	void *stays = rte_malloc("gantry_dma_debug", 256, 0);
	void *p = rte_malloc("gantry_dma_debug", 256, 0);
	/*
	 * Volatile hides from the compiler that the code uses the address of a freed block on
	 * purpose.
	 */
	const volatile uintptr_t at = (uintptr_t)p;
	const struct rte_memseg *page;
	uint64_t busy;

	heap.known = false;
	rte_memseg_list_walk(note_list, NULL);
	if (p != NULL && stays != NULL && heap.first != NULL) {
		busy = read_header(at);
		rte_free(p);
		p = NULL;
		page = rte_mem_virt2memseg((const void *)at, NULL);
		if (page != NULL && page->len != 0)
			heap.known = busy != 0 && read_header(at) == 0;
	}
	rte_free(p);
	rte_free(stays);
	if (!heap.known)
		DMA_LOG(NOTICE, "debug",
				"EAL heap: its layout is unknown: of memory that is freed while "
				"mapped, only whole pages are reported: use a release that was tested");
}

/*
 * Pages that EAL gives back. The EAL memory lock is held.
 */

struct freed {
	uintptr_t start, end;
	struct dma_entry found;
};

static bool
find_freed(struct dma_entry *e, void *arg)
{
	struct freed *f = arg;

	if ((e->flags & DMA_GONE) || (uintptr_t)e->ptr >= f->end ||
			(uintptr_t)e->ptr + e->size <= f->start)
		return false;
	e->flags |= DMA_GONE;
	f->found = *e;
	e->flags |= DMA_REPORTED;
	return true;
}

static void
memory_event(enum rte_mem_event type, const void *addr, size_t len, void *arg)
{
	struct freed f = { .start = (uintptr_t)addr, .end = (uintptr_t)addr + len };
	struct dma_report r;

	if (type != RTE_MEM_EVENT_FREE)
		return;
	for (;;) {
		f.found.dev = NULL;
		dma_debug_for_each_at(addr, len, find_freed, &f);
		if (f.found.dev == NULL)
			return;
		if (f.found.flags & DMA_REPORTED)
			continue;
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, &f.found,
				__builtin_return_address(0));
		dma_debug_report(&r, "its page is returned to the system");
	}
}

void
dma_debug_memory_start(void)
{
	try_heap();
	/* ENOTSUP: the memory never changes. */
	if (rte_mem_event_callback_register("gantry_dma_debug", memory_event, NULL) != 0 &&
			rte_errno != ENOTSUP)
		DMA_LOG(NOTICE, "debug",
				"EAL memory events: %s: pages that are freed while mapped are "
				"not reported",
				rte_strerror(rte_errno));
}

void
dma_debug_memory_end(void)
{
	rte_mem_event_callback_unregister("gantry_dma_debug", NULL);
}

/*
 * Kinds of memory.
 */

bool
dma_debug_contiguous(struct gantry_dma_dev *dev, const void *ptr, size_t size)
{
	const struct gantry_dma_table *t = &dma_device(dev)->eal;
	const uintptr_t at = (uintptr_t)ptr - t->base, last = at + (size - 1);
	size_t i;

	if (last < at || last >= t->span)
		return false;
	for (i = at >> t->shift; i < last >> t->shift; i++)
		if (t->offset[i] != t->offset[i + 1])
			return false;
	return true;
}

static bool
all_present(const struct gantry_dma_table *t, uintptr_t at, size_t size)
{
	const uintptr_t last = at + (size - 1);

	for (; is_present(t, at); at += t->page_mask + 1)
		if ((at | t->page_mask) >= last)
			return true;
	return false;
}

/* A thread's stack does not move, so the layer asks no more once it has an answer. */
static void
find_stack(struct dma_thread *t)
{
	pthread_attr_t attr;
	size_t size;
	void *base;

	if (pthread_getattr_np(pthread_self(), &attr) != 0)
		return;
	if (pthread_attr_getstack(&attr, &base, &size) == 0) {
		t->stack = (uintptr_t)base;
		t->stack_end = (uintptr_t)base + size;
	}
	pthread_attr_destroy(&attr);
}

/* The regions around a range of memory. */
struct around {
	uintptr_t at, last;
	/* of the first byte, below it, and of the last byte; end is 0: there is none */
	struct dma_region first, below, end;
	struct dma_region before; /* the previous one of the search */
};

static bool
find_regions(const struct dma_region *r, void *arg)
{
	struct around *a = arg;

	if (a->at >= r->start && a->at < r->end) {
		a->below = a->before;
		a->first = *r;
	}
	if (a->last >= r->start && a->last < r->end) {
		a->end = *r;
		return true;
	}
	a->before = *r;
	return false;
}

/*
 * The stacks of other threads have no name. The C library leaves a page or a few without access
 * below a stack. It also does so between heaps of its own, but those begin at multiples of 64 MiB.
 */
static bool
is_stack(const struct dma_region *below, const struct dma_region *r)
{
	if (strcmp(r->path, "[stack]") == 0)
		return true;
	return r->path[0] == '\0' && strncmp(r->perms, "rw-p", 4) == 0 &&
			r->start % (64u << 20) != 0 && below->end == r->start &&
			strncmp(below->perms, "---p", 4) == 0 &&
			below->end - below->start <= 64u << 10;
}

enum gantry_dma_misuse
dma_debug_memory(struct gantry_dma_dev *dev, const void *ptr, size_t size)
{
	const uintptr_t at = (uintptr_t)ptr, last = at + (size - 1);
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(ptr);
	struct around a = { .at = at, .last = last };
	struct dma_thread *t = &dma_thread;
	Dl_info info;

	if (msl != NULL && msl->external)
		return GANTRY_DMA_MISUSE_MAX;
	if (msl != NULL)
		return dma_device(dev)->eal.span == 0 ||
						all_present(&dma_device(dev)->eal, at, size) ?
				GANTRY_DMA_MISUSE_MAX :
				GANTRY_DMA_MISUSE_MAP_INVALID;
	if (t->stack == 0)
		find_stack(t);
	if (at >= t->stack && at < t->stack_end)
		return GANTRY_DMA_MISUSE_MAP_STACK;
	if (gantry_mem_classify(ptr) != GANTRY_MEM_PROCESS ||
			gantry_mem_classify((const void *)last) != GANTRY_MEM_PROCESS)
		return GANTRY_DMA_MISUSE_MAP_INVALID;
	dma_for_each_region(find_regions, &a);
	if (a.first.end == 0 || a.end.end == 0)
		return GANTRY_DMA_MISUSE_MAX; /* it was mapped a moment ago */
	if (is_stack(&a.below, &a.first))
		return GANTRY_DMA_MISUSE_MAP_STACK;
	if ((a.first.perms[1] != 'w' || a.end.perms[1] != 'w') && dladdr(ptr, &info) != 0)
		return GANTRY_DMA_MISUSE_MAP_TEXT;
	return GANTRY_DMA_MISUSE_MAX;
}
