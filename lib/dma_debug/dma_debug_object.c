/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Watched pools by their addresses; hand-overs of an mbuf that conflict; reports about an mbuf.
 */

#include "dma_debug_object.h"

struct watch *dma_watches[POOLS_MAX];
pthread_mutex_t dma_watches_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * Hand-overs.
 */

static bool
conflicts_with(const struct dma_entry *e, const struct conflicts *v)
{
	return e->mbuf == v->of->mbuf && (e->dir != GANTRY_DMA_TO_DEVICE) == v->rx &&
			(e->owner == NULL || e->owner != v->of->owner) && dma_same_bytes(e, v->of);
}

static bool
add_conflict(struct dma_entry *e, void *arg)
{
	struct conflicts *v = arg;
	const void *by = e->owner != NULL ? e->owner : e;
	unsigned int i;

	if (!conflicts_with(e, v))
		return false;
	for (i = 0; i < v->nr; i++)
		if (v->by[i] == by)
			return false;
	v->by[v->nr++] = by;
	return v->nr == CONFLICTS_MAX;
}

unsigned int
dma_debug_count_conflicts(struct conflicts *v, const struct dma_entry *of, bool rx)
{
	v->of = of;
	v->rx = rx;
	v->nr = 0;
	dma_debug_for_each_at(of->ptr, of->size, add_conflict, v);
	return v->nr;
}

/*
 * Reports.
 */

struct search {
	const struct rte_mbuf *m;
	const struct conflicts
			*conflicts; /* find one of these; NULL: any mapping of the mbuf's buffer */
	struct dma_entry found;
};

static bool
find_mapping(struct dma_entry *e, void *arg)
{
	struct search *s = arg;

	if (s->conflicts != NULL ? !conflicts_with(e, s->conflicts) :
				   e->mbuf != s->m && e->lender != s->m)
		return false;
	s->found = *e;
	e->flags |= DMA_REPORTED;
	return true;
}

struct dma_report
dma_debug_report_mbuf(enum gantry_dma_misuse misuse, const struct watch *w, const struct object *o,
		const struct rte_mbuf *m, const struct conflicts *conflicts, const void *site)
{
	struct search s = { .m = m, .conflicts = conflicts };
	struct dma_report r = {
		.misuse = misuse,
		.addr = GANTRY_DMA_MAPPING_ERROR,
		.ptr = m->buf_addr,
		.dir = GANTRY_DMA_NONE,
		.mbuf = m,
		.pool = w->pool->name,
		.site = site,
	};
	unsigned int i;

	dma_debug_for_each_at(rte_mbuf_to_baddr((struct rte_mbuf *)(uintptr_t)m),
			rte_pktmbuf_data_room_size(w->pool), find_mapping, &s);
	if (s.found.dev == NULL && m->buf_addr != NULL && m->buf_len != 0)
		dma_debug_for_each_at(m->buf_addr, m->buf_len, find_mapping, &s);
	if (s.found.dev != NULL) {
		r = dma_debug_report_of(misuse, &s.found, site);
		r.mbuf = m; /* not the clone that was handed over */
		r.pool = w->pool->name;
		return r;
	}
	/* Otherwise the device that last received into it, or any device that watches the pool. */
	pthread_mutex_lock(&dma_watches_lock);
	if (w->nr_devices > 0)
		r.dev = w->devices[0];
	for (i = 0; i < w->nr_devices; i++) {
		if (w->devices[i] == o->dev) {
			r.dev = o->dev;
			r.context = o->context;
		}
	}
	pthread_mutex_unlock(&dma_watches_lock);
	return r;
}
