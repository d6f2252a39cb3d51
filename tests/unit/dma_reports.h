/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mistakes, and the reports of the debug layer of lib/dma about them, for the tests of that layer.
 *
 * A test installs reports_add() as the handler, calls reports_begin(), makes a mistake (or calls
 * the same code without it), and asserts with reports_expect() that the library has sent one
 * report, of the right class, which names the function that made the mistake.
 */

#ifndef DMA_REPORTS_H
#define DMA_REPORTS_H

#include "dma_device.h"

#include "gantry_dma_debug.h"

/* A function that a report must name: it must not be inlined. */
#define HERE __attribute__((noinline))

/*
 * A play: a driver that makes one mistake, or none if `fixed` is true. Reports must name the
 * function `play`, whose name is `name`. The play leaves nothing behind but the consequences of the
 * mistake.
 */
struct play {
	const char *name;
	enum gantry_dma_misuse misuse;
	void (*play)(struct gantry_dma_dev *dev, bool fixed);
};
/* clang-format off */
#define PLAY(name, class) { #name, GANTRY_DMA_MISUSE_ ## class, name }
/* clang-format on */

struct report {
	enum gantry_dma_misuse misuse;
	char device[64];
	int queue, descriptor;
	char queue_kind;
	gantry_dma_addr_t addr;
	const void *cpu;
	size_t size;
	enum gantry_dma_dir dir;
	const struct rte_mbuf *mbuf;
	char pool[32];
	const void *map_site;
	const void *trace[4];
	char map_symbol[160], symbol[160], text[1600];
};

static struct {
	unsigned int nr;
	struct report at[16];
} reports;

static inline void
reports_begin(void)
{
	reports.nr = 0;
}

/** Record a report, as the handler, whose calls the library serialises. Only 16 are kept. */
static inline void
reports_add(void *arg, const struct gantry_dma_error *e)
{
	struct report *r;
	unsigned int i;

	if (reports.nr == RTE_DIM(reports.at))
		return;
	r = &reports.at[reports.nr++];
	memset(r, 0, sizeof(*r));
	r->misuse = e->misuse;
	snprintf(r->device, sizeof(r->device), "%s", e->device);
	r->queue = e->queue;
	r->queue_kind = e->queue_kind;
	r->descriptor = e->descriptor;
	r->addr = e->addr;
	r->cpu = e->cpu;
	r->size = e->size;
	r->dir = e->dir;
	r->mbuf = e->mbuf;
	snprintf(r->pool, sizeof(r->pool), "%s", e->pool != NULL ? e->pool : "");
	r->map_site = e->map_site;
	for (i = 0; i < e->nr_trace && i < RTE_DIM(r->trace); i++)
		r->trace[i] = e->trace[i];
	snprintf(r->map_symbol, sizeof(r->map_symbol), "%s", e->map_symbol);
	snprintf(r->symbol, sizeof(r->symbol), "%s", e->symbol);
	snprintf(r->text, sizeof(r->text), "%s", e->text);
}

static inline unsigned int
reports_count(enum gantry_dma_misuse misuse)
{
	unsigned int i, n = 0;

	for (i = 0; i < reports.nr; i++)
		n += reports.at[i].misuse == misuse;
	return n;
}

/** Assert that the first report is of that class and names that function as the culprit. */
static inline void
reports_expect_first(enum gantry_dma_misuse misuse, const char *function)
{
	const size_t len = strlen(function);

	if (reports.nr == 0)
		fail_msg("%s: no report", function);
	if (reports.at[0].misuse != misuse)
		fail_msg("%s: %s, not %s: %s", function,
				gantry_dma_misuse_name(reports.at[0].misuse),
				gantry_dma_misuse_name(misuse), reports.at[0].text);
	if (strncmp(reports.at[0].symbol, function, len) != 0 || reports.at[0].symbol[len] != '+')
		fail_msg("%s: the culprit is %s: %s", function, reports.at[0].symbol,
				reports.at[0].text);
}

/** Assert that there is exactly one report, of that class, which names that function. */
static inline void
reports_expect(enum gantry_dma_misuse misuse, const char *function)
{
	reports_expect_first(misuse, function);
	if (reports.nr > 1)
		fail_msg("%s: a second report: %s", function, reports.at[1].text);
}

#endif /* DMA_REPORTS_H */
