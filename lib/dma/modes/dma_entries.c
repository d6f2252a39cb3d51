/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The entries of the I/O page table. The device reaches the memory in the table, whatever the
 * library's records contain (dma_demand.c). The records add which caller made an entry, and when.
 * An entry is a stray if it leads elsewhere than its mapping, or has no mapping.
 *
 * Nothing is locked. A new mapping has its entries before its record, and a mapping that ends may
 * still show in entries that were read before. So the walk examines apparent strays again, a few
 * times: an entry in such a transition does not stay in it.
 */

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "dma_demand.h"
#include "dma_modes.h"

#define PERMISSIONS (GANTRY_DMA_PTE_READ | GANTRY_DMA_PTE_WRITE)
/*
 * The walk waits 1 ms, and twice as long each time: 127 ms in all, if there are strays. A thread in
 * the middle of a mapping may have lost its CPU.
 */
#define RESCANS 7
/*
 * The number of pieces of strays that are shown. For each the library searches for the memory
 * behind it, and a broken table may have as many pieces as entries.
 */
#define STRAYS_SHOWN 1024

struct stray {
	uint64_t page, entry;
};

struct walk {
	struct gantry_dma_dev *dev;
	/* NULL: collect strays only */
	void (*fn)(void *arg, const struct gantry_dma_mapping *mapping);
	void *arg;
	struct stray *strays; /* ordered by page */
	size_t nr, max;
};

static uint64_t
entry_of(const struct walk *w, uint64_t page)
{
	return __atomic_load_n(&dma_device(w->dev)->entries[page], __ATOMIC_RELAXED);
}

static uint64_t
page_of(uint64_t entry)
{
	return entry & ~(uint64_t)(DMA_PAGE - 1);
}

static enum gantry_dma_dir
dir_of(uint64_t entry)
{
	return (entry & PERMISSIONS) != PERMISSIONS ? entry & PERMISSIONS :
						      GANTRY_DMA_BIDIRECTIONAL;
}

static void
add_stray(struct walk *w, uint64_t page, uint64_t entry)
{
	struct stray *more;

	if (w->nr == w->max) {
		more = realloc(w->strays, (2 * w->max + 64) * sizeof(*more));
		if (more == NULL) {
			DMA_LOG(ERR, dma_device(w->dev)->name,
					"page table: out of memory: not every entry is shown");
			return;
		}
		w->strays = more;
		w->max = 2 * w->max + 64;
	}
	w->strays[w->nr++] = (struct stray){ page, entry };
}

/*
 * Return whether an entry leads to the page of memory at `at`. Only the caller that mapped a BAR
 * knows its bus address (in IOVA-as-PA; otherwise it is like that of memory). Memory that EAL
 * removed no longer has a bus address.
 */
static bool
leads_to(struct gantry_dma_dev *dev, uint64_t entry, uintptr_t at, enum gantry_dma_reach reach)
{
	const struct rte_memseg *ms;
	gantry_dma_addr_t iova;

	if (reach == GANTRY_DMA_REACH_RESOURCE)
		return rte_eal_iova_mode() != RTE_IOVA_VA || page_of(entry) == at;
	if (gantry_dma_look_up(&dma_device(dev)->eal, (void *)at, DMA_PAGE, GANTRY_DMA_ADDR_MAX,
			    &iova))
		return page_of(entry) == iova;
	ms = rte_mem_virt2memseg((void *)at, NULL);
	return ms == NULL || ms->len == 0 || ms->iova == RTE_BAD_IOVA ||
			page_of(entry) == ms->iova + (at - (uintptr_t)ms->addr);
}

static void
show(const struct walk *w, const struct gantry_dma_mapping *m)
{
	if (w->fn != NULL && m->size != 0)
		w->fn(w->arg, m);
}

/*
 * Show the part of a mapping that the device reaches: all of it, in one piece, unless the table was
 * changed.
 */
static void
show_mapping(struct walk *w, const struct gantry_dma_mapping *m)
{
	const uintptr_t cpu = RTE_ALIGN_FLOOR((uintptr_t)m->cpu, DMA_PAGE);
	const gantry_dma_addr_t first = RTE_ALIGN_FLOOR(m->addr, DMA_PAGE), end = m->addr + m->size;
	struct gantry_dma_mapping piece = *m;
	gantry_dma_addr_t page;

	piece.size = 0;
	for (page = first; page < end; page += DMA_PAGE) {
		const uint64_t entry = entry_of(w, page >> DMA_PAGE_BITS);
		const bool is = (entry & PERMISSIONS) != 0 &&
				leads_to(w->dev, entry, cpu + (page - first), m->reach);

		if (!is || piece.size == 0 || dir_of(entry) != piece.dir) {
			show(w, &piece);
			piece.addr = RTE_MAX(page, m->addr);
			piece.cpu = (const uint8_t *)m->cpu + (piece.addr - m->addr);
			piece.dir = dir_of(entry);
			piece.size = 0;
		}
		if (is)
			piece.size = RTE_MIN(page + DMA_PAGE, end) - piece.addr;
		else if ((entry & PERMISSIONS) != 0)
			add_stray(w, page >> DMA_PAGE_BITS, entry);
	}
	show(w, &piece);
}

static void
walk_table(struct walk *w)
{
	const size_t nr = dma_device(w->dev)->nr_entries;
	struct gantry_dma_mapping m;
	uint64_t page = 0, entry;

	while (page < nr) {
		entry = entry_of(w, page);
		if (dma_demand_at(w->dev, page, &m)) {
			show_mapping(w, &m);
			page += dma_pages(m.addr, m.size);
			continue;
		}
		if ((entry & PERMISSIONS) != 0)
			add_stray(w, page, entry);
		page++;
	}
}

/* Keep the strays that are still there. */
static void
rescan(struct walk *w)
{
	struct walk again = { .dev = w->dev };
	size_t i, k = 0, nr = 0;

	walk_table(&again);
	for (i = 0; i < w->nr; i++) {
		while (k < again.nr && again.strays[k].page < w->strays[i].page)
			k++;
		if (k < again.nr && again.strays[k].page == w->strays[i].page &&
				again.strays[k].entry == w->strays[i].entry)
			w->strays[nr++] = w->strays[i];
	}
	w->nr = nr;
	free(again.strays);
}

static void
show_stray(const struct walk *w, const struct stray *s, size_t n)
{
	const struct gantry_dma_mapping m = {
		.reach = GANTRY_DMA_REACH_UNKNOWN,
		.addr = s->page << DMA_PAGE_BITS,
		.size = n << DMA_PAGE_BITS,
		.dir = dir_of(s->entry),
		.cpu = gantry_bus_to_virt(w->dev, page_of(s->entry)),
		.age_ms = UINT64_MAX,
	};

	show(w, &m);
}

/* Show adjacent strays as one piece. */
static void
show_strays(const struct walk *w)
{
	size_t i, n, pieces = 0, shown = 0;

	for (i = 0; i < w->nr; i += n, pieces++) {
		const struct stray *s = &w->strays[i];

		for (n = 1; i + n < w->nr && s[n].page == s->page + n &&
				s[n].entry == s->entry + n * DMA_PAGE;
				n++)
			;
		if (pieces < STRAYS_SHOWN) {
			show_stray(w, s, n);
			shown += n;
		}
	}
	if (pieces > STRAYS_SHOWN)
		DMA_LOG(WARNING, dma_device(w->dev)->name,
				"page table: %zu more entries, in %zu pieces, have no mapping: "
				"only the first %u pieces are shown",
				w->nr - shown, pieces - STRAYS_SHOWN, STRAYS_SHOWN);
}

void
dma_entries_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg)
{
	struct walk w = { .dev = dev, .fn = fn, .arg = arg };
	unsigned int i;

	if (dma_mode_state(dev)->demand.entries == NULL) {
		dma_demand_for_each(dev, fn, arg);
		return;
	}
	walk_table(&w);
	for (i = 0; i < RESCANS && w.nr > 0; i++) {
		usleep(1000u << i);
		rescan(&w);
	}
	show_strays(&w);
	free(w.strays);
}
