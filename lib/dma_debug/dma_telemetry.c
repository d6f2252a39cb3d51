/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The debug layer by telemetry (dpdk-telemetry.py): counts and reports, live mappings, and the
 * filter. The first device that is watched registers the commands: if a process has several copies
 * of this library, the copy with that device has the data.
 *
 * An answer has room for 16 KiB, and each of its strings but one for 127 characters, so a client
 * asks for a list piece by piece. The keys of a dictionary have letters, digits and '_' only.
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_string_fns.h>
#include <rte_telemetry.h>

#include "dma_debug.h"

#define ROWS 64

static int
clamp(uint64_t n)
{
	return (int)RTE_MIN(n, (uint64_t)INT_MAX);
}

static void
add_count(struct rte_tel_data *data, enum gantry_dma_misuse misuse, uint64_t n)
{
	char key[64], *at;

	strlcpy(key, gantry_dma_misuse_name(misuse), sizeof(key));
	for (at = key; *at != '\0'; at++)
		if (*at == '-')
			*at = '_';
	rte_tel_data_add_dict_int(data, key, clamp(n));
}

/* Answer the counts; with parameter N, the N-th last report. */
static int
errors(const char *cmd, const char *params, struct rte_tel_data *data)
{
	const int n = params != NULL ? atoi(params) : 0;
	struct dma_debug_counts c;
	unsigned int i;
	int ret = 0;

	dma_debug_counts(&c);
	if (params == NULL) {
		rte_tel_data_start_dict(data);
		rte_tel_data_add_dict_int(data, "errors", clamp(c.errors));
		rte_tel_data_add_dict_int(data, "repeats", clamp(c.repeats));
		for (i = 0; i < GANTRY_DMA_MISUSE_MAX; i++)
			if (c.by_class[i] != 0)
				add_count(data, i, c.by_class[i]);
	} else if (n >= 1 && (unsigned int)n <= c.nr_recent) {
		rte_tel_data_string(data, c.recent[c.nr_recent - n]);
	} else {
		ret = -EINVAL;
	}
	for (i = 0; i < c.nr_recent; i++)
		free(c.recent[i]);
	return ret;
}

/* Answer the number of mappings of each device. */
static int
live(const char *cmd, const char *params, struct rte_tel_data *data)
{
	struct rte_tel_data *names = rte_tel_data_alloc(), *counts = rte_tel_data_alloc();
	const struct dma_debug *d;

	if (names == NULL || counts == NULL) {
		rte_tel_data_free(names);
		rte_tel_data_free(counts);
		return -ENOMEM;
	}
	rte_tel_data_start_array(names, RTE_TEL_STRING_VAL);
	rte_tel_data_start_array(counts, RTE_TEL_INT_VAL);
	dma_debug_lock_devices();
	TAILQ_FOREACH(d, &dma_debug_devices, next) {
		rte_tel_data_add_array_string(names, dma_device(d->dev)->name);
		rte_tel_data_add_array_int(counts, clamp(gantry_dma_debug_live(d->dev)));
	}
	dma_debug_unlock_devices();
	rte_tel_data_start_dict(data);
	rte_tel_data_add_dict_container(data, "devices", names, 0);
	rte_tel_data_add_dict_container(data, "mappings", counts, 0);
	return 0;
}

struct rows {
	struct gantry_dma_dev *dev; /* NULL: all */
	unsigned int skip, nr, total;
	struct dma_entry at[ROWS];
};

static bool
collect(struct dma_entry *e, void *arg)
{
	struct rows *r = arg;

	if (r->dev != NULL && e->dev != r->dev)
		return false;
	if (r->total++ >= r->skip && r->nr < ROWS)
		r->at[r->nr++] = *e;
	return false;
}

static void
add_row(struct rte_tel_data *rows, const struct dma_entry *e)
{
	static const char *const kinds[] = { "single", "mbuf", "sg", "chain", "BAR", "coherent",
		"pool" };
	static const char *const dirs[] = { "both", "to", "from" };
	char row[128], symbol[96], where[24] = "";

	dma_symbol(e->site, symbol, sizeof(symbol));
	if (e->context.kind != 0)
		snprintf(where, sizeof(where), " %cx%u:%u", e->context.kind, e->context.queue,
				e->context.desc);
	snprintf(row, sizeof(row), "0x%" PRIx64 " %zu %s %s%s %s", e->addr, e->size, dirs[e->dir],
			kinds[e->kind], where, symbol);
	rte_tel_data_add_array_string(rows, row);
}

/* Parameters: a device's name, or *; the number of rows to skip. */
static int
dump(const char *cmd, const char *params, struct rte_tel_data *data)
{
	struct rte_tel_data *rows = rte_tel_data_alloc();
	struct rows *r = calloc(1, sizeof(*r));
	char name[64] = "*";
	const struct dma_debug *d;
	unsigned int i;
	int ret = 0;

	if (rows == NULL || r == NULL) {
		rte_tel_data_free(rows);
		free(r);
		return -ENOMEM;
	}
	if (params != NULL && sscanf(params, "%63[^,],%u", name, &r->skip) < 1)
		ret = -EINVAL;
	dma_debug_lock_devices();
	if (ret == 0 && strcmp(name, "*") != 0) {
		TAILQ_FOREACH(d, &dma_debug_devices, next)
			if (strcmp(dma_device(d->dev)->name, name) == 0)
				r->dev = d->dev;
		if (r->dev == NULL)
			ret = -ENODEV;
	}
	if (ret == 0)
		dma_debug_for_each(collect, r);
	dma_debug_unlock_devices();
	if (ret == 0) {
		rte_tel_data_start_array(rows, RTE_TEL_STRING_VAL);
		for (i = 0; i < r->nr; i++)
			add_row(rows, &r->at[i]);
		rte_tel_data_start_dict(data);
		rte_tel_data_add_dict_int(data, "total", clamp(r->total));
		rte_tel_data_add_dict_int(data, "first", clamp(r->skip));
		rte_tel_data_add_dict_container(data, "mappings", rows, 0);
	} else {
		rte_tel_data_free(rows);
	}
	free(r);
	return ret;
}

static int
filter(const char *cmd, const char *params, struct rte_tel_data *data)
{
	char now[64];

	if (params != NULL)
		gantry_dma_debug_filter(strcmp(params, "*") == 0 ? "" : params);
	dma_debug_filter_get(now, sizeof(now));
	rte_tel_data_string(data, now[0] != '\0' ? now : "*");
	return 0;
}

void
dma_debug_telemetry(void)
{
	rte_telemetry_register_cmd("/gantry/dma/errors", errors,
			"Counts of misuses that were "
			"reported, and of repeats. Parameter N: the N-th last report");
	rte_telemetry_register_cmd("/gantry/dma/live", live,
			"Live mappings of each device that is "
			"watched");
	rte_telemetry_register_cmd("/gantry/dma/dump", dump,
			"Live mappings: address, bytes, direction, kind, queue, code that mapped "
			"it. Parameters: device or *; rows to skip");
	rte_telemetry_register_cmd("/gantry/dma/filter", filter,
			"Devices that are reported. "
			"Parameter: a part of their names; *: all");
}
