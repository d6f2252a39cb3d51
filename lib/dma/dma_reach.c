/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * What devices may reach, in groups; and by telemetry, whose thread finds a device by its name
 * in a list of all that this process has made.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#include "dma_debug.h"
#include "dma_private.h"
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
	if (g->pub.reach != m->reach || g->pub.dir != m->dir || g->site != m->site)
		return false;
	return m->reach != GANTRY_DMA_REACH_MEMORY || (m->addr == g->pub.last + 1 &&
		(uintptr_t)m->cpu == (uintptr_t)g->pub.cpu + (g->pub.last + 1 - g->pub.first));
}

static void
collect(void *arg, const struct gantry_dma_mapping *m)
{
	struct groups *all = arg;
	struct group *g = NULL;
	size_t i, max;

	/* Backwards: memory continues what came last. */
	for (i = all->nr; i > 0 && g == NULL; i--)
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
		*g = (struct group){ .pub = { .reach = m->reach, .dir = m->dir, .first = m->addr,
			.last = m->addr, .cpu = m->cpu, .youngest_ms = UINT64_MAX }, .site = m->site };
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

/* Of the kinds that have no call site: which part of gantry it was. */
static const char *
layer(struct gantry_dma_dev *dev, enum gantry_dma_reach reach)
{
	if (reach != GANTRY_DMA_REACH_MEMORY)
		return "lib/dma";
	return dma_device(dev)->base == NULL ? "bus, all of EAL's memory" : "lib/dma, for all mappings";
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

		g->pub.by = layer(dev, g->pub.reach);
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
 * The devices of this process.
 */

static rte_spinlock_t devices_lock = RTE_SPINLOCK_INITIALIZER;
static TAILQ_HEAD(, dma_device) devices = TAILQ_HEAD_INITIALIZER(devices);

void
dma_reach_add(struct gantry_dma_dev *dev)
{
	rte_spinlock_lock(&devices_lock);
	TAILQ_INSERT_TAIL(&devices, dma_device(dev), next);
	rte_spinlock_unlock(&devices_lock);
}

void
dma_reach_remove(struct gantry_dma_dev *dev)
{
	rte_spinlock_lock(&devices_lock);
	TAILQ_REMOVE(&devices, dma_device(dev), next);
	rte_spinlock_unlock(&devices_lock);
}

/*
 * Telemetry. Its buffer has 16 KiB.
 */

#define SHOWN_MAX 64

struct answer {
	struct rte_tel_data *list;
	unsigned int shown, left_out;
};

static void
add_address(struct rte_tel_data *d, const char *name, uint64_t value)
{
	char text[20];

	snprintf(text, sizeof(text), "0x%" PRIx64, value);
	rte_tel_data_add_dict_string(d, name, text);
}

static void
add_number(struct rte_tel_data *d, const char *name, uint64_t value)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(d, name, value);
#else
	rte_tel_data_add_dict_u64(d, name, value);
#endif
}

static void
show_group(void *arg, const struct gantry_dma_reach_group *g)
{
	struct answer *a = arg;
	struct rte_tel_data *d = a->shown < SHOWN_MAX ? rte_tel_data_alloc() : NULL;

	if (d == NULL) {
		a->left_out++;
		return;
	}
	rte_tel_data_start_dict(d);
	rte_tel_data_add_dict_string(d, "what", gantry_dma_reach_name(g->reach));
	rte_tel_data_add_dict_string(d, "access", gantry_dma_access_name(g->dir));
	add_address(d, "first", g->first);
	add_address(d, "last", g->last);
	add_address(d, "cpu", (uintptr_t)g->cpu);
	add_number(d, "mappings", g->nr);
	add_number(d, "bytes", g->bytes);
	if (g->oldest_ms != UINT64_MAX) {
		add_number(d, "oldest_ms", g->oldest_ms);
		add_number(d, "youngest_ms", g->youngest_ms);
	}
	rte_tel_data_add_dict_string(d, "mapped_by", g->by);
	rte_tel_data_add_array_container(a->list, d, 0);
	a->shown++;
}

static void
show_device(struct gantry_dma_dev *dev, struct rte_tel_data *d)
{
	rte_tel_data_add_dict_string(d, "device", dma_device(dev)->name);
	rte_tel_data_add_dict_string(d, "mode", gantry_dma_mode_name(dev));
	add_address(d, "mask", gantry_dma_get_mask(dev));
}

static int
reach(const char *cmd, const char *name, struct rte_tel_data *d)
{
	struct dma_device *dev;
	struct answer a = { 0 };
	int ret = 0;

	rte_spinlock_lock(&devices_lock);
	if (name == NULL || name[0] == '\0') {
		rte_tel_data_start_array(d, RTE_TEL_CONTAINER);
		TAILQ_FOREACH(dev, &devices, next) {
			struct rte_tel_data *one = rte_tel_data_alloc();

			if (one == NULL)
				break;
			rte_tel_data_start_dict(one);
			show_device(&dev->fast, one);
			rte_tel_data_add_array_container(d, one, 0);
		}
	} else {
		TAILQ_FOREACH(dev, &devices, next) {
			if (strcmp(dev->name, name) == 0)
				break;
		}
		a.list = dev != NULL ? rte_tel_data_alloc() : NULL;
		if (a.list != NULL) {
			rte_tel_data_start_dict(d);
			show_device(&dev->fast, d);
			rte_tel_data_start_array(a.list, RTE_TEL_CONTAINER);
			gantry_dma_for_each_group(&dev->fast, show_group, &a);
			rte_tel_data_add_dict_container(d, "reach", a.list, 0);
			add_number(d, "left_out", a.left_out);
		} else {
			ret = dev == NULL ? -ENODEV : -ENOMEM;
		}
	}
	rte_spinlock_unlock(&devices_lock);
	return ret;
}

RTE_INIT(dma_reach_telemetry)
{
	rte_telemetry_register_cmd("/gantry/dma/reach", reach,
		"What DMA devices may reach now. Parameters: name of a device; none: lists devices");
}
