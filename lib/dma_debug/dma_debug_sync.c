/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The checks of a sync: what is mapped there, how far, and whose turn it is.
 */

#include "dma_debug_calls.h"
#include "uninitialized.h"

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
	bool turn;         /* the CPU owns another part of the synced range */
	const void *owner; /* find only pieces of this list; NULL: anything */
	unsigned int best;
	struct dma_entry *e;    /* the best match, valid while its bucket is locked */
	struct dma_entry found; /* its contents before the sync */
};

/*
 * If several mappings have the address, prefer one that has the whole range, with that direction.
 */
static unsigned int
sync_score(const struct dma_entry *e, const struct sync *s)
{
	if (!dma_debug_has_byte(e, s->dev, s->addr) ||
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
		return "for the CPU, of memory that the device only reads";
	/*
	 * Syncing FROM_DEVICE memory back to the device is legitimate after the CPU has only read
	 * it.
	 */
	if (!s->for_cpu && e->dir == GANTRY_DMA_FROM_DEVICE && !(e->flags & DMA_CPU_TURN) &&
			!s->turn)
		return "for the device, of memory that the device only writes";
	return NULL;
}

/* Check and sync the mapping that was found. */
static void
sync_found(struct sync *s, const void *site)
{
	struct gantry_dma_dev *dev = s->dev;
	enum gantry_dma_misuse misuse;
	GANTRY_UNINITIALIZED struct dma_report r;
	const char *how = sync_wrong(s, &misuse);

	if (unlikely(how != NULL) && !(s->found.flags & DMA_REPORTED)) {
		r = dma_debug_report_of(misuse, &s->found, site);
		dma_debug_report(&r, "sync of %zu bytes at offset %zu, %s, %s", s->size,
				(size_t)(s->addr - s->found.addr), dma_debug_dir_name(s->dir), how);
	}
	if (how != NULL && misuse == GANTRY_DMA_MISUSE_SYNC_RANGE)
		return;
	if (unlikely(s->found.block != 0 && s->found.block != dma_debug_block(dev, s->found.ptr))) {
		dma_debug_freed(&s->found, "synced", site);
		dma_debug_mark_reported(&s->found);
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

	if (dma_debug_has_byte(e, r->dev, r->at) && in_list(e) && (uintptr_t)e->owner > r->after &&
			(r->owner == NULL || e->owner < r->owner))
		r->owner = e->owner;
	return false;
}

static bool
run_piece(struct dma_entry *e, void *arg)
{
	struct run *r = arg;

	if (dma_debug_has_byte(e, r->dev, r->at) && in_list(e) && e->owner == r->owner) {
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
	GANTRY_UNINITIALIZED struct sync s;
	GANTRY_UNINITIALIZED struct dma_report r;
	size_t rest;

	s.dev = dev;
	s.addr = addr;
	s.size = size;
	s.dir = dir;
	s.for_cpu = for_cpu;
	s.turn = t->in_list && t->list_turn;
	s.owner = NULL;
	s.best = 0; /* e and found are not valid */
	site = dma_debug_site_of(t, site);
	dma_books_at_bus(dev, addr, sync_find, &s);
	if (unlikely(s.best == 0)) {
		r = dma_debug_report_call(GANTRY_DMA_MISUSE_SYNC_UNMAPPED,
				&(struct dma_call){
						.dev = dev,
						.addr = addr,
						.size = size,
						.dir = dir,
						.site = site,
				});
		dma_debug_report(&r, "sync for the %s of an address that is not mapped",
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
