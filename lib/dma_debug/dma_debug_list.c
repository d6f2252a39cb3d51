/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The checks of lists and of mbuf chains: as many entries, and as long, as were mapped. */

#include "dma_debug_calls.h"
#include "uninitialized.h"

void
dma_debug_list_begin(enum dma_kind kind, const void *site)
{
	struct dma_thread *t = &dma_thread;

	t->in_list = true;
	t->list_reported = false;
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
	struct list l = {
		.dev = dev,
		.first = first,
		.nents = nents,
		.owner = (const void *)dma_list,
	};

	dma_books_at_bus(dev, first, list_set, &l);
}

unsigned int
dma_debug_list_nents(struct gantry_dma_dev *dev, gantry_dma_addr_t first, unsigned int nents,
		bool unmap)
{
	struct dma_thread *t = &dma_thread;
	struct list l = { .dev = dev, .first = first, .nents = nents, .kind = t->list_kind };
	GANTRY_UNINITIALIZED struct dma_report r;

	dma_books_at_bus(dev, first, list_get, &l);
	if (l.found.nents == 0 && nents == 0) {
		r = dma_debug_report_call(GANTRY_DMA_MISUSE_WRONG_NENTS,
				&(struct dma_call){
						.dev = dev,
						.addr = first,
						.dir = GANTRY_DMA_NONE,
						.site = t->list_site,
				});
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
	if (l.found.nents != nents && !(l.found.flags & DMA_REPORTED)) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_NENTS, &l.found, t->list_site);
		dma_debug_report(&r, "a list of %u entries is %s with %u", l.found.nents,
				unmap ? "unmapped" : "synced", nents);
	}
	return l.found.nents;
}

struct turn {
	const struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr;
};

static bool
find_turn(struct dma_entry *e, void *arg)
{
	const struct turn *t = arg;

	return dma_debug_has_byte(e, t->dev, t->addr) && (e->flags & DMA_CPU_TURN);
}

void
dma_debug_list_turn(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	struct turn turn = { dev, addr };

	dma_thread.list_turn |= dma_books_at_bus(dev, addr, find_turn, &turn);
}

void
dma_debug_list_range(struct gantry_dma_dev *dev, gantry_dma_addr_t first, size_t off, size_t size,
		enum gantry_dma_dir dir)
{
	const struct dma_thread *t = &dma_thread;
	struct list l = { .dev = dev, .first = first, .kind = t->list_kind };
	GANTRY_UNINITIALIZED struct dma_report r;

	dma_books_at_bus(dev, first, list_get, &l);
	if (l.found.nents == 0)
		r = dma_debug_report_call(GANTRY_DMA_MISUSE_SYNC_UNMAPPED,
				&(struct dma_call){
						.dev = dev,
						.addr = first,
						.size = size,
						.dir = dir,
						.site = t->list_site,
				});
	else if (l.found.flags & DMA_REPORTED)
		return;
	else
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_SYNC_RANGE, &l.found, t->list_site);
	dma_debug_report(&r, "sync of %zu bytes at offset %zu of a chain, %s, %s", size, off,
			dma_debug_dir_name(dir),
			l.found.nents == 0 ? "which is not mapped" : "beyond its end");
}

/* The pieces and the segments of a list or chain did not end together. */
static void
report_pieces(struct dma_report *r, const char *how)
{
	struct dma_thread *t = &dma_thread;

	if (!t->list_reported)
		dma_debug_report(r, "%s with %s pieces than it was mapped with",
				dma_debug_functions[t->list_kind].unmap, how);
	t->list_reported = true;
}

void
dma_debug_list_longer(struct gantry_dma_dev *dev, enum gantry_dma_dir dir)
{
	struct dma_report r = dma_debug_report_call(GANTRY_DMA_MISUSE_WRONG_NENTS,
			&(struct dma_call){
					.dev = dev,
					.addr = GANTRY_DMA_MAPPING_ERROR,
					.dir = dir,
					.site = dma_thread.list_site,
			});

	r.map_site = dma_thread.unmapped_site;
	r.map_verb = "mapped";
	report_pieces(&r, "more");
}

static bool
find_left(struct dma_entry *e, void *arg)
{
	struct list *l = arg;

	if (e->dev != l->dev || e->addr != l->first || e->kind != l->kind || e->owner != l->owner)
		return false;
	l->found = *e;
	return true;
}

size_t
dma_debug_list_left(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	const struct dma_thread *t = &dma_thread;
	struct list l = { .dev = dev, .first = addr, .kind = t->list_kind, .owner = t->list_owner };
	const struct dma_entry *e = &l.found;
	GANTRY_UNINITIALIZED struct dma_report r;

	if (!dma_books_at_bus(dev, addr, find_left, &l))
		return 0;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_WRONG_NENTS, e, t->list_site);
	if (!(e->flags & DMA_REPORTED))
		report_pieces(&r, "fewer");
	dma_debug_unmap_call(&(struct dma_call){
			.dev = dev,
			.m = e->mbuf,
			.addr = addr,
			.size = e->size,
			.dir = e->dir,
			.site = t->list_site,
	});
	return e->size;
}

void
dma_debug_list_refused(struct dma_call *c)
{
	c->site = dma_thread.list_site;
	if (!dma_arguments_are_valid(c->ptr, 1, c->dir))
		dma_debug_arguments(c);
	else
		dma_debug_segment(c, true);
}
