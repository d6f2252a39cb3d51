/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Leaked mappings: what is left when a device, or the owner of blocks, ends.
 */

#include <stdlib.h>

#include "dma_debug_calls.h"

/* The number of causes of leaked mappings that are reported one by one. */
#define MAX_LEAK_REPORTS 16

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
report_leaks(struct dma_entry **left, unsigned int nr, bool report, const void *site)
{
	unsigned int i, unchecked = nr;
	struct dma_report r;
	size_t bytes = 0;

	for (i = 0; i < nr; i++) {
		bytes += left[i]->size;
		if (unchecked == nr && dma_debug_needs_check(left[i]->kind) &&
				!(left[i]->flags & DMA_CHECKED))
			unchecked = i;
	}
	if (!report)
		return;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_LEAKED, left[0], site);
	if (nr == 1)
		dma_debug_report(&r, "never %s",
				left[0]->kind >= DMA_KIND_COHERENT ? "freed" : "unmapped");
	else
		dma_debug_report(&r, "%u of them, %zu bytes, were never %s; the first", nr, bytes,
				left[0]->kind >= DMA_KIND_COHERENT ? "freed" : "unmapped");
	if (unchecked == nr)
		return;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_UNCHECKED, left[unchecked], site);
	dma_debug_report(&r, "gantry_dma_mapping_error() was never called");
}

void
dma_debug_dropping(struct gantry_dma_dev *dev, const void *owner, const void *site)
{
	struct dma_entry **left = NULL, **more, *e;
	unsigned int nr = 0, room = 0, groups = 0, i, j, reported = 0;

	while ((e = dma_books_take_any(dev, owner)) != NULL) {
		if (e->mbuf != NULL)
			dma_debug_mbuf_unmapped(e, true, site);
		if (nr == room) {
			more = realloc(left, (room + 1024) * sizeof(*left));
			if (more != NULL) {
				left = more;
				room += 1024;
			}
		}
		/* Without memory for a report, the entry must still leave the books. */
		if (e->flags & DMA_REPORTED || nr == room)
			dma_books_free(e);
		else
			left[nr++] = e;
	}
	if (nr > 0)
		qsort(left, nr, sizeof(*left), by_site);
	for (i = 0; i < nr; i = j, groups++) {
		for (j = i; j < nr && left[j]->site == left[i]->site; j++)
			;
		report_leaks(&left[i], j - i, groups < MAX_LEAK_REPORTS, site);
		reported += groups < MAX_LEAK_REPORTS ? j - i : 0;
	}
	if (reported < nr)
		DMA_LOG(ERR, dma_device(dev)->name,
				"%u more mappings of %u other places: leaked: not reported one by one",
				nr - reported, groups - MAX_LEAK_REPORTS);
	for (i = 0; i < nr; i++)
		dma_books_free(left[i]);
	free(left);
}
