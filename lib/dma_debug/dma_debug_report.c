/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Reports: one line for each cause.
 *
 * A cause is a class, a place that mapped something, and a place that misused it. A loop that goes
 * wrong a million times is one report, and the layer only counts the repeats. The places are
 * outside of DPDK and of this library. If the driver reports its caller, there are two places of
 * misuse: the one in the driver (if that is outside) and the one in the application. The line has
 * every known fact, in the order in which a reader asks: the misuse; its device, queue and
 * descriptor; its object (addresses, size, direction, mbuf); the place that mapped it; and the call
 * chain that led to the misuse, innermost first.
 */

#include <execinfo.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mempool.h>
#include <rte_string_fns.h>

#include "dma_debug.h"

#define TEXT_MAX   1536
#define SYMBOL_MAX 160
/* The number of causes of a device that are reported. Further ones are counted as repeats. */
#define SEEN_MAX 4096
/* The minimum number of frames of a trace for the culprit and its callers. */
#define CULPRITS_FRAMES 6

/** A cause. */
struct dma_seen {
	enum gantry_dma_misuse misuse;
	const void *map_site, *site, *culprit;
};

/* Protects everything below, and the list of devices. Recursive: a handler may ask for counts. */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static gantry_dma_error_fn handler;
static void *handler_arg;
static char filter[64];
static uint64_t errors, repeats, by_class[GANTRY_DMA_MISUSE_MAX];
static char *recent[DMA_DEBUG_RECENT];
static unsigned int nr_recent; /* since the start */

void
dma_debug_lock_devices(void)
{
	pthread_mutex_lock(&lock);
}

void
dma_debug_unlock_devices(void)
{
	pthread_mutex_unlock(&lock);
}

const char *
gantry_dma_misuse_name(enum gantry_dma_misuse misuse)
{
	static const char *const names[] = {
#define NAME(id, name) [GANTRY_DMA_MISUSE_##id] = name,
		GANTRY_DMA_MISUSES(NAME)
#undef NAME
	};

	return (unsigned int)misuse < RTE_DIM(names) ? names[misuse] : "unknown";
}

const char *
dma_debug_dir_name(enum gantry_dma_dir dir)
{
	static const char *const names[] = {
		[GANTRY_DMA_BIDIRECTIONAL] = "both ways",
		[GANTRY_DMA_TO_DEVICE] = "to the device",
		[GANTRY_DMA_FROM_DEVICE] = "from the device",
	};

	return (unsigned int)dir < RTE_DIM(names) ? names[dir] : "no way";
}

/*
 * Settings and counts.
 */

void
gantry_dma_debug_handler(gantry_dma_error_fn fn, void *arg)
{
	pthread_mutex_lock(&lock);
	handler = fn;
	handler_arg = arg;
	pthread_mutex_unlock(&lock);
}

void
gantry_dma_debug_filter(const char *name)
{
	pthread_mutex_lock(&lock);
	strlcpy(filter, name != NULL ? name : "", sizeof(filter));
	pthread_mutex_unlock(&lock);
}

void
dma_debug_filter_get(char *buf, size_t len)
{
	pthread_mutex_lock(&lock);
	strlcpy(buf, filter, len);
	pthread_mutex_unlock(&lock);
}

uint64_t
gantry_dma_debug_errors(struct gantry_dma_dev *dev)
{
	const struct dma_debug *debug = dev != NULL ? dma_device(dev)->layer_state : NULL;
	uint64_t n;

	if (dev != NULL && debug == NULL)
		return 0;
	pthread_mutex_lock(&lock);
	n = dev != NULL ? debug->errors : errors;
	pthread_mutex_unlock(&lock);
	return n;
}

void
dma_debug_counts(struct dma_debug_counts *c)
{
	unsigned int i;

	pthread_mutex_lock(&lock);
	c->errors = errors;
	c->repeats = repeats;
	memcpy(c->by_class, by_class, sizeof(by_class));
	c->nr_recent = RTE_MIN(nr_recent, (unsigned int)DMA_DEBUG_RECENT);
	for (i = 0; i < c->nr_recent; i++) {
		c->recent[i] = strdup(recent[(nr_recent - c->nr_recent + i) % DMA_DEBUG_RECENT]);
		if (c->recent[i] == NULL)
			break;
	}
	c->nr_recent = i;
	pthread_mutex_unlock(&lock);
}

/*
 * Causes.
 */

/* The culprit is above the driver, if the driver reports its caller. */
static struct dma_seen
cause_of(const struct dma_report *r)
{
	struct dma_seen c = {
		.misuse = r->misuse,
		.map_site = r->map_site,
		.site = dma_caller_of(r->site, DMA_CODE_LIBRARY),
	};

	if (dma_thread.caller != NULL)
		c.culprit = dma_find_caller(dma_thread.caller, DMA_CODE_LIBRARY);
	if (c.culprit == NULL)
		c.culprit = c.site;
	return c;
}

/*
 * Return false if the cause was already reported, or there is no room to remember it. The lock is
 * held.
 */
static bool
is_new(struct dma_debug *d, const struct dma_seen *cause)
{
	struct dma_seen *more;
	unsigned int i;

	for (i = 0; i < d->nr_seen; i++)
		if (d->seen[i].misuse == cause->misuse && d->seen[i].site == cause->site &&
				d->seen[i].map_site == cause->map_site &&
				d->seen[i].culprit == cause->culprit)
			return false;
	if (d->nr_seen == SEEN_MAX)
		return false;
	if (d->nr_seen == d->max_seen) {
		more = realloc(d->seen, (d->max_seen + 64) * sizeof(*more));
		if (more == NULL)
			return false;
		d->seen = more;
		d->max_seen += 64;
	}
	d->seen[d->nr_seen++] = *cause;
	return true;
}

/*
 * The line.
 */

struct text {
	size_t len;
	char buf[TEXT_MAX];
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->len += vsnprintf(t->buf + t->len, sizeof(t->buf) - t->len, fmt, ap);
	va_end(ap);
	t->len = RTE_MIN(t->len, sizeof(t->buf) - 1);
}

static void
add_symbol(struct text *t, const char *before, const void *addr)
{
	char symbol[SYMBOL_MAX];

	dma_symbol(addr, symbol, sizeof(symbol));
	add(t, "%s%s", before, symbol);
}

static int
find_frame(void **frames, int n, const void *site)
{
	int i = 0;

	while (i < n && frames[i] != site)
		i++;
	return i;
}

/*
 * Collect the frames from the one at site outwards; if site is not among them, it comes first.
 * Frames of libraries are left out if they would take the room of the culprit and of its callers.
 */
static unsigned int
find_trace(const void *site, const void *culprit, const void **trace)
{
	void *frames[DMA_FRAMES_MAX];
	const int n = backtrace(frames, RTE_DIM(frames)), at = find_frame(frames, n, culprit);
	int i = find_frame(frames, n, site);
	unsigned int nr = 0;

	if (i == n) {
		if (site != NULL)
			trace[nr++] = site;
		i = RTE_MIN(n, 3); /* this function, dma_debug_report(), its caller */
	} else {
		i = RTE_MAX(i, at - GANTRY_DMA_TRACE_MAX + CULPRITS_FRAMES);
	}
	while (i < n && nr < GANTRY_DMA_TRACE_MAX)
		trace[nr++] = frames[i++];
	return nr;
}

static void
write_line(struct text *t, const struct gantry_dma_error *e, const char *map_verb,
		const char *detail)
{
	unsigned int i;

	add(t, "%s: %s: %s", e->device, gantry_dma_misuse_name(e->misuse), detail);
	if (e->queue >= 0)
		add(t, "; %s queue %d, descriptor %d", e->queue_kind == 'r' ? "rx" : "tx", e->queue,
				e->descriptor);
	if (e->addr != GANTRY_DMA_MAPPING_ERROR)
		add(t, "; bus 0x%" PRIx64, e->addr);
	if (e->cpu != NULL)
		add(t, "; cpu %p", e->cpu);
	if (e->size != 0)
		add(t, "; %zu bytes", e->size);
	if ((unsigned int)e->dir < GANTRY_DMA_NONE)
		add(t, " %s", dma_debug_dir_name(e->dir));
	if (e->mbuf != NULL)
		add(t, "; mbuf %p", e->mbuf);
	if (e->pool != NULL)
		add(t, " of pool '%s'", e->pool);
	if (e->map_site != NULL)
		add(t, "; %s by %s", map_verb, e->map_symbol);
	for (i = 0; i < e->nr_trace; i++)
		add_symbol(t, i == 0 ? "; here by " : " < ", e->trace[i]);
}

static void
remember(const char *line)
{
	char **at = &recent[nr_recent % DMA_DEBUG_RECENT];
	char *copy = strdup(line);

	if (copy == NULL)
		return;
	free(*at);
	*at = copy;
	nr_recent++;
}

static void
publish(const struct dma_report *r, const void *culprit, const char *detail)
{
	char map_symbol[SYMBOL_MAX], symbol[SYMBOL_MAX];
	struct text text = { .len = 0 };
	struct gantry_dma_error e = {
		.misuse = r->misuse,
		.device = dma_device(r->dev)->name,
		.queue = r->context.kind != 0 ? r->context.queue : -1,
		.queue_kind = r->context.kind,
		.descriptor = r->context.kind != 0 ? r->context.desc : -1,
		.addr = r->addr,
		.cpu = r->ptr,
		.size = r->size,
		.dir = r->dir,
		.mbuf = r->mbuf,
		.pool = r->pool,
		.map_site = r->map_site,
		.map_symbol = map_symbol,
		.symbol = symbol,
		.text = text.buf,
	};

	if (e.pool == NULL && r->mbuf != NULL && r->mbuf->pool != NULL)
		e.pool = r->mbuf->pool->name;
	e.nr_trace = find_trace(r->site, culprit, e.trace);
	dma_symbol(r->map_site, map_symbol, sizeof(map_symbol));
	dma_symbol(culprit, symbol, sizeof(symbol));
	write_line(&text, &e, r->map_verb, detail);
	DMA_LOG(ERR, "misuse", "%s", text.buf);
	remember(text.buf);
	if (handler != NULL)
		handler(handler_arg, &e);
}

/*
 * NULL: the device is destroyed. A pool's mbuf or a mapping may still have named it as its device.
 */
static struct dma_debug *
debug_of(const struct gantry_dma_dev *dev)
{
	struct dma_debug *debug;

	TAILQ_FOREACH(debug, &dma_debug_devices, next)
		if (debug->dev == dev)
			break;
	return debug;
}

void
dma_debug_report(const struct dma_report *r, const char *fmt, ...)
{
	struct dma_debug *debug;
	struct dma_seen cause;
	bool fatal = false;
	char detail[512];
	va_list ap;

	/* The misuses of a handler are not reported. */
	if (dma_thread.reporting)
		return;
	va_start(ap, fmt);
	vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	cause = cause_of(r);
	dma_thread.reporting = true;
	pthread_mutex_lock(&lock);
	debug = debug_of(r->dev);
	if (debug == NULL ||
			(filter[0] != '\0' && strstr(dma_device(r->dev)->name, filter) == NULL)) {
		/* Filtered: no report. */
	} else if (is_new(debug, &cause)) {
		errors++;
		debug->errors++;
		by_class[r->misuse]++;
		fatal = debug->level == GANTRY_DMA_DEBUG_ABORT;
		publish(r, cause.culprit, detail);
	} else {
		repeats++;
		debug->repeats++;
	}
	pthread_mutex_unlock(&lock);
	dma_thread.reporting = false;
	if (fatal)
		abort();
}

/*
 * The contents of a report.
 */

struct dma_debug_list dma_debug_devices = TAILQ_HEAD_INITIALIZER(dma_debug_devices);

const struct dma_functions dma_debug_functions[] = {
	[DMA_KIND_SINGLE] = { "map_single", "unmap_single" },
	[DMA_KIND_MBUF] = { "map_mbuf", "unmap_mbuf" },
	[DMA_KIND_SG] = { "map_sg", "unmap_sg" },
	[DMA_KIND_CHAIN] = { "map_mbuf_chain", "unmap_mbuf_chain" },
	[DMA_KIND_RESOURCE] = { "map_resource", "unmap_resource" },
	[DMA_KIND_COHERENT] = { "alloc_coherent", "free_coherent" },
	[DMA_KIND_POOL] = { "pool_alloc", "pool_free" },
};

struct dma_report
dma_debug_report_of(enum gantry_dma_misuse misuse, const struct dma_entry *e, const void *site)
{
	return (struct dma_report){
		.misuse = misuse,
		.dev = e->dev,
		.context = e->context,
		.addr = e->addr,
		.ptr = e->ptr,
		.size = e->size,
		.dir = e->dir,
		.mbuf = e->flags & DMA_GONE ? NULL : e->mbuf,
		.map_site = e->site,
		.map_verb = e->kind >= DMA_KIND_COHERENT ? "allocated" : "mapped",
		.site = site,
	};
}

struct dma_report
dma_debug_report_call(enum gantry_dma_misuse misuse, const struct dma_call *c)
{
	return (struct dma_report){
		.misuse = misuse,
		.dev = c->dev,
		.context = dma_thread.context,
		.addr = c->addr,
		.ptr = c->ptr,
		.size = c->size,
		.dir = c->dir,
		.mbuf = c->m,
		.site = c->site,
	};
}
