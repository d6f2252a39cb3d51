/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The debug layer: theory, the table of the layer, its start and end for a device.
 *
 * Theory. Every misuse of the DMA API is a disagreement between two calls: an unmapping does not
 * match its mapping, a sync has no mapping, or memory is freed while it is mapped. So the layer
 * keeps books (dma_debug_books.c) of each mapping and of the code that made it, and compares each
 * call with them.
 *
 * The layer is between the inline functions and the device's mode. It calls the mode with the
 * arguments from the books, not with those of the caller: if the caller unmaps with the wrong size,
 * the layer unmaps with the right one, and if nothing is mapped, it unmaps nothing. So one mistake
 * is one report, and the program continues as if the mistake had not been made.
 *
 *      gantry_dma_map_*(), ...                      an application's rte_pktmbuf_free(), ...
 *              |                                                |
 *      struct dma_layer (dma_debug.c)                           |
 *              |                                                v
 *      dma_debug_map.c, _unmap.c, ... ---- entries ----> dma_debug_mbuf.c     owner of each mbuf
 *              |              |                                 |
 *              v              v                                 v
 *      dma_base_map(), ...   dma_debug_books.c           dma_debug_report.c   one line, both sites
 *      (the device's mode)
 *
 * Files: dma_debug_map.c, dma_debug_unmap.c, dma_debug_sync.c and dma_debug_list.c check calls;
 * dma_debug_leak.c reports the mappings that are left at the end; dma_debug_mbuf.c follows the
 * owners of mbufs, on the pool's side by dma_debug_watch.c, dma_debug_pool.c and
 * dma_debug_object.c; dma_debug_memory.c classifies memory that must not be mapped, and detects
 * freed memory; dma_debug_probe.c tests whether pools can be watched; dma_debug_books.c has the
 * records of mappings; dma_debug_report.c writes reports, in which dma_symbol.c (lib/dma/ext) names
 * functions; dma_checksum.c detects changed data; dma_telemetry.c serves telemetry.
 *
 *      struct dma_debug ------> device, causes already reported
 *      struct dma_thread ----> last mapping, spare entries (one for each thread)
 *      bucket (bus address) --> struct dma_entry <-- bucket (CPU address)
 *                               | mbuf, lender --> object in the watch of the mbuf's pool
 *                               | owner ---------> pool of a block, or number of a list
 *
 * The thread that took a mapping's entry out of the books owns the entry. If two threads race to
 * unmap a mapping, exactly one of them gets the entry. The other finds nothing, and is reported.
 *
 * Locks: each bucket has its own. A recursive mutex protects reports and the list of devices; no
 * EAL lock is taken while it is held. users_lock serialises the start and end of devices.
 * dma_watches_lock protects the watches, a lock of its own each quarantine, and store_lock the
 * spare entries that no thread has.
 *
 * The layer recognises EAL memory by the table of the fast path. For other memory it reads
 * /proc/self/maps, which takes as long as a thousand mappings: only bounce mode and mistakes map
 * such memory.
 */

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdlib.h>

#include "dma_debug_calls.h"

/*
 * Devices and threads.
 */

/*
 * Protects the start and end of devices: the first and the last one call EAL, which is forbidden
 * under the devices' lock.
 */
static pthread_mutex_t users_lock = PTHREAD_MUTEX_INITIALIZER;

/* Report everything that is left, before any of it is freed. */
static void
end(struct gantry_dma_dev *dev, const void *site)
{
	struct dma_debug *debug = dma_device(dev)->layer_state;

	dma_debug_dropping(dev, NULL, site);
	dma_books_forget(dev);
	dma_debug_unwatch(dev);
	pthread_mutex_lock(&users_lock);
	dma_debug_lock_devices();
	TAILQ_REMOVE(&dma_debug_devices, debug, next);
	dma_debug_unlock_devices();
	if (TAILQ_EMPTY(&dma_debug_devices))
		dma_debug_memory_end();
	pthread_mutex_unlock(&users_lock);
	if (dma_thread.failed == dev)
		dma_thread.failed = NULL;
	dma_set_layer(dev, &dma_no_layer);
	dma_device(dev)->layer_state = NULL;
	free(debug->seen);
	free(debug);
}

/*
 * Stop watching pools. Everything that the device has stays in the books, so the layer reports a
 * thread that frees or maps memory that the device may still write.
 */
static void
abandon(struct gantry_dma_dev *dev)
{
	dma_debug_unwatch(dev);
	if (dma_thread.failed == dev)
		dma_thread.failed = NULL;
}

static const struct dma_layer debug_layer = {
	.mode = {
		.name = "debug",
		.map = dma_debug_map,
		.map_mbuf = dma_debug_map_call,
		.unmap = dma_debug_unmap,
		.unmap_mbuf = dma_debug_unmap_call,
		.sync = dma_debug_sync,
		.mapping_error = dma_debug_mapping_error,
	},
	.knows = true,
	.refused = dma_debug_map_call,
	.mapping = dma_debug_mapping,
	.added = dma_debug_added,
	.failed = dma_debug_failed,
	.removing = dma_debug_removing,
	.dropping = dma_debug_dropping,
	.list_begin = dma_debug_list_begin,
	.list_end = dma_debug_list_end,
	.list_mapped = dma_debug_list_mapped,
	.list_nents = dma_debug_list_nents,
	.list_refused = dma_debug_list_refused,
	.list_turn = dma_debug_list_turn,
	.list_range = dma_debug_list_range,
	.list_longer = dma_debug_list_longer,
	.list_left = dma_debug_list_left,
	.end = end,
	.abandon = abandon,
};

int
dma_debug_start(struct gantry_dma_dev *dev, enum gantry_dma_debug_level level)
{
	struct dma_debug *debug = calloc(1, sizeof(*debug));
	static bool registered;
	void *frame;

	pthread_mutex_lock(&users_lock);
	if (debug == NULL || dma_books_open() != 0) {
		pthread_mutex_unlock(&users_lock);
		free(debug);
		dma_fail("%s: out of memory", dma_device(dev)->name);
		return -ENOMEM;
	}
	debug->dev = dev;
	debug->level = level;
	if (TAILQ_EMPTY(&dma_debug_devices))
		dma_debug_memory_start();
	if (!registered) {
		dma_debug_telemetry();
		backtrace(&frame, 1); /* the first call loads a library */
	}
	registered = true;
	dma_debug_lock_devices();
	TAILQ_INSERT_TAIL(&dma_debug_devices, debug, next);
	dma_debug_unlock_devices();
	pthread_mutex_unlock(&users_lock);
	dma_device(dev)->layer_state = debug;
	dma_set_layer(dev, &debug_layer);
	return 0;
}

void
gantry_dma_debug_context(char kind, uint16_t queue, uint16_t desc)
{
	dma_thread.context = (struct dma_context){ kind, queue, desc };
}

void
gantry_dma_debug_caller(const void *site)
{
	dma_thread.caller = site;
	dma_thread.caller_known = false;
}

void
gantry_dma_debug_promise(struct gantry_dma_promise *promise)
{
	dma_thread.promise = promise;
}
