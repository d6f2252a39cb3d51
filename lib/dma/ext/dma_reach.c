/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Report of what devices can reach, in groups. Telemetry shows the same, for a device by name.
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>

#include "dpdk_compat.h"
#include "dma_core.h"
#include "dma_ext.h"
#include "gantry_dma_reach.h"

const char *
gantry_dma_reach_name(enum gantry_dma_reach reach)
{
	switch (reach) {
	case GANTRY_DMA_REACH_MEMORY:
		return "memory";
	case GANTRY_DMA_REACH_BUFFER:
		return "buffer";
	case GANTRY_DMA_REACH_COHERENT:
		return "coherent";
	case GANTRY_DMA_REACH_RESOURCE:
		return "BAR";
	case GANTRY_DMA_REACH_UNKNOWN:
		return "unknown";
	}
	return "?";
}

const char *
gantry_dma_access_name(enum gantry_dma_dir dir)
{
	switch (dir) {
	case GANTRY_DMA_TO_DEVICE:
		return "r";
	case GANTRY_DMA_FROM_DEVICE:
		return "w";
	case GANTRY_DMA_BIDIRECTIONAL:
		return "rw";
	default:
		return "-";
	}
}

struct group {
	struct gantry_dma_reach_group pub;
	const void *site;
};

struct groups {
	struct group *list;
	size_t nr, max;
};

static bool
belongs(const struct group *g, const struct gantry_dma_mapping *m)
{
	const gantry_dma_addr_t end = g->pub.last + 1;

	if (g->pub.reach != m->reach || g->pub.dir != m->dir || g->site != m->site)
		return false;
	if (m->reach != GANTRY_DMA_REACH_MEMORY)
		return true;
	return m->addr == end && (uintptr_t)m->cpu == (uintptr_t)g->pub.cpu + (end - g->pub.first);
}

static void
collect(void *arg, const struct gantry_dma_mapping *m)
{
	struct groups *all = arg;
	struct group *g = NULL;
	size_t i, max;

	/*
	 * Search backwards, because memory continues the latest group. Unknown ranges form no
	 * common group.
	 */
	for (i = m->reach != GANTRY_DMA_REACH_UNKNOWN ? all->nr : 0; i > 0 && g == NULL; i--)
		g = belongs(&all->list[i - 1], m) ? &all->list[i - 1] : NULL;
	if (g == NULL) {
		if (all->nr == all->max) {
			max = all->max == 0 ? 64 : 2 * all->max;
			g = realloc(all->list, max * sizeof(*g));
			if (g == NULL)
				return;
			all->list = g;
			all->max = max;
		}
		g = &all->list[all->nr++];
		*g = (struct group){ .pub = { .reach = m->reach,
						     .dir = m->dir,
						     .first = m->addr,
						     .last = m->addr,
						     .cpu = m->cpu,
						     .youngest_ms = UINT64_MAX, },
			.site = m->site, };
	}
	if (m->addr < g->pub.first) {
		g->pub.first = m->addr;
		g->pub.cpu = m->cpu;
	}
	g->pub.last = RTE_MAX(g->pub.last, m->addr + (m->size - 1));
	g->pub.bytes += m->size;
	g->pub.nr++;
	g->pub.oldest_ms = g->pub.nr == 1 ? m->age_ms : RTE_MAX(g->pub.oldest_ms, m->age_ms);
	g->pub.youngest_ms = RTE_MIN(g->pub.youngest_ms, m->age_ms);
}

static int
by_address(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return (x->pub.first > y->pub.first) - (x->pub.first < y->pub.first);
}

/* Return the part of gantry that mapped it, for the kinds that have no call site. */
static const char *
part_of(struct gantry_dma_dev *dev, enum gantry_dma_reach reach)
{
	const char *memory_by = dma_device(dev)->base->memory_by;

	if (reach == GANTRY_DMA_REACH_UNKNOWN)
		return "unknown";
	if (reach != GANTRY_DMA_REACH_MEMORY || memory_by == NULL)
		return "lib/dma";
	return memory_by;
}

void
gantry_dma_for_each_group(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_reach_group *group), void *arg)
{
	struct groups all = { .list = NULL };
	char symbol[128];
	size_t i;

	gantry_dma_for_each_mapping(dev, collect, &all);
	if (all.nr > 0)
		qsort(all.list, all.nr, sizeof(*all.list), by_address);
	for (i = 0; i < all.nr; i++) {
		struct group *g = &all.list[i];

		g->pub.by = part_of(dev, g->pub.reach);
		if (g->site != NULL) {
			if (!dma_symbol(g->site, symbol, sizeof(symbol)))
				snprintf(symbol, sizeof(symbol), "%p", g->site);
			g->pub.by = symbol;
		}
		fn(arg, &g->pub);
	}
	free(all.list);
}

/*
 * Telemetry. A group is a row of a table. A dictionary can hold arrays of plain values and nothing
 * deeper (DPDK 22.11), so the answer has an array for each column.
 */

#define SHOWN_MAX 64 /* rows; an answer has room for 16 KiB */

enum { WHAT, ACCESS, FIRST, LAST, CPU, MAPPINGS, BYTES, OLDEST, YOUNGEST, BY, COLUMNS };

static const struct {
	const char *name;
	enum rte_tel_value_type type;
} columns[COLUMNS] = {
	[WHAT] = { "what", RTE_TEL_STRING_VAL },
	[ACCESS] = { "access", RTE_TEL_STRING_VAL },
	[FIRST] = { "first", RTE_TEL_STRING_VAL },
	[LAST] = { "last", RTE_TEL_STRING_VAL },
	[CPU] = { "cpu", RTE_TEL_STRING_VAL },
	[MAPPINGS] = { "mappings", RTE_TEL_INT_VAL },
	[BYTES] = { "bytes", GANTRY_TEL_UINT_VAL },
	[OLDEST] = { "oldest_ms", RTE_TEL_INT_VAL },
	[YOUNGEST] = { "youngest_ms", RTE_TEL_INT_VAL },
	[BY] = { "mapped_by", RTE_TEL_STRING_VAL },
};

struct answer {
	struct rte_tel_data *column[COLUMNS];
	int shown, left_out;
};

static const char *
hex(char *buf, size_t len, uint64_t value)
{
	snprintf(buf, len, "0x%" PRIx64, value);
	return buf;
}

/* Return an age in ms; -1: unknown. */
static int
age(uint64_t ms)
{
	return ms == UINT64_MAX ? -1 : (int)RTE_MIN(ms, (uint64_t)INT_MAX);
}

static void
show_group(void *arg, const struct gantry_dma_reach_group *g)
{
	struct answer *a = arg;
	char buf[20];

	if (a->shown == SHOWN_MAX) {
		a->left_out++;
		return;
	}
	a->shown++;
	rte_tel_data_add_array_string(a->column[WHAT], gantry_dma_reach_name(g->reach));
	rte_tel_data_add_array_string(a->column[ACCESS], gantry_dma_access_name(g->dir));
	rte_tel_data_add_array_string(a->column[FIRST], hex(buf, sizeof(buf), g->first));
	rte_tel_data_add_array_string(a->column[LAST], hex(buf, sizeof(buf), g->last));
	rte_tel_data_add_array_string(a->column[CPU], hex(buf, sizeof(buf), (uintptr_t)g->cpu));
	rte_tel_data_add_array_int(a->column[MAPPINGS], g->nr);
	gantry_tel_add_array_uint(a->column[BYTES], g->bytes);
	rte_tel_data_add_array_int(a->column[OLDEST], age(g->oldest_ms));
	rte_tel_data_add_array_int(a->column[YOUNGEST], age(g->youngest_ms));
	rte_tel_data_add_array_string(a->column[BY], g->by);
}

static int
show_device(struct gantry_dma_dev *dev, struct rte_tel_data *d)
{
	struct answer a = { .shown = 0 };
	char buf[20];
	int i;

	for (i = 0; i < COLUMNS; i++) {
		a.column[i] = rte_tel_data_alloc();
		if (a.column[i] == NULL) {
			while (i-- > 0)
				rte_tel_data_free(a.column[i]);
			return -ENOMEM;
		}
		rte_tel_data_start_array(a.column[i], columns[i].type);
	}
	gantry_dma_for_each_group(dev, show_group, &a);
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "device", dma_device(dev)->name);
	rte_tel_data_add_dict_string(d, "mode", gantry_dma_mode_name(dev));
	rte_tel_data_add_dict_string(d, "mask", hex(buf, sizeof(buf), gantry_dma_get_mask(dev)));
	rte_tel_data_add_dict_int(d, "left_out", a.left_out);
	for (i = 0; i < COLUMNS; i++)
		rte_tel_data_add_dict_container(d, columns[i].name, a.column[i], 0);
	return 0;
}

struct request {
	const char *name; /* NULL: list the devices */
	struct rte_tel_data *d;
	int ret;
};

/* The list is locked, which keeps the device and its mode for as long as a walk of it takes. */
static void
answer(struct dma_device *dev, void *arg)
{
	struct request *r = arg;

	if (r->name == NULL)
		rte_tel_data_add_array_string(r->d, dev->name);
	else if (strcmp(dev->name, r->name) == 0)
		r->ret = show_device(&dev->fast, r->d);
}

static int
reach(const char *cmd, const char *name, struct rte_tel_data *d)
{
	struct request r = { .name = name, .d = d, .ret = -ENODEV };

	if (name == NULL || name[0] == '\0') {
		r.name = NULL;
		r.ret = 0;
		rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	}
	dma_devices_for_each(answer, &r);
	return r.ret;
}

/*
 * A process may have several copies of this library, one in each plugin and one of its own. The
 * copy that registers a command last answers it. So only a copy that has devices registers.
 */
void
dma_reach_telemetry(void)
{
	static bool registered;

	if (!__atomic_exchange_n(&registered, true, __ATOMIC_RELAXED))
		rte_telemetry_register_cmd("/gantry/dma/reach", reach,
				"Memory that DMA devices may reach now. Parameter: a device's "
				"name; without it: the list of devices");
}
