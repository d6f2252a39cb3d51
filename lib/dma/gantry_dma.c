/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The DMA library: theory, the device object, modes, masks and limits.
 *
 * Why a driver maps memory
 * ------------------------
 * A network controller reads and writes the memory of a program by itself: direct memory access
 * (DMA). A byte of memory has up to three addresses. The driver's code uses its virtual address X.
 * The memory controller knows it by its physical address Y. The device uses a bus address Z, and
 * something between device and memory (an IOMMU, the page table of a vfio-user server, or nothing
 * at all) leads from Z to Y.
 *
 *        CPU                     memory                   device
 *         |  X  ---- MMU ---->  Y  <---- IOMMU ----  Z   |
 *
 * A driver that writes X into a descriptor makes the device read or write some other memory. So the
 * driver maps each buffer before it hands the buffer to the device. Mapping answers three
 * questions: which Z the device must use, whether the device may use it, and whose turn it is to
 * access the buffer. Mapping can fail, because memory that the mode cannot map has no Z; because a
 * buffer over two pages whose Z are not adjacent is not one buffer to the device; or because the
 * device cannot drive the bits of Z (its mask). Each failure is an error with a reason, never a
 * wrong address.
 *
 * The life of a mapping
 * ---------------------
 *
 *                   map: the library finds or makes Z
 *    +-----------+  strict: enters Z; bounce: copies in   +--------------+
 *    |           | -------------------------------------> |              |
 *    | CPU owns  |  sync for CPU   (bounce: copies out)   | device owns  |
 *    | buffer X  | <------------------------------------- | buffer at Z  |
 *    |           |  sync for device (bounce: copies in)   |              |
 *    | (free,    | -------------------------------------> | (descriptor, |
 *    |  fill,    |                                        |  doorbell,   |
 *    |  parse)   |  unmap: the library takes Z back       |  report)     |
 *    |           | <------------------------------------- |              |
 *    +-----------+  strict: clears Z; bounce: copies out  +--------------+
 *
 * Coherent memory (descriptor rings) has no owner that changes: both sides access it at any time,
 * and the driver's barriers order the accesses.
 *
 * The four modes
 * --------------
 * The mode of a device decides how a buffer gets its Z, and what the device can reach.
 *
 *   direct  The bus of the device has mapped all EAL memory once, and Z is known: Z = X in
 *           IOVA-as-VA, Z = Y in IOVA-as-PA. Mapping is a look-up, and unmapping does nothing.
 *           Costs 1 to 2 ns a pair. Protects no EAL memory.
 *   window  The library has mapped all EAL memory itself, at addresses of its choice that the
 *           device's mask reaches. The same look-up, in another table. Memory that has no place in
 *           the window is mapped on demand, as in strict mode. Costs 1 to 3 ns a pair. Protects no
 *           more than direct: it serves devices with few address lines.
 *   strict  Nothing is mapped in advance. Each mapping makes a Z of its own, and unmapping destroys
 *           it. Costs about 15 ns a pair with a page table in shared memory, microseconds with a
 *           message or a system call. A wrong, stale or forbidden access is a fault. Protects whole
 *           pages: the device still reaches other data in a mapped page. A vfio-user daemon that
 *           holds all EAL memory can ignore the table; a real IOMMU cannot be ignored.
 *   bounce  Z leads to a buffer of the library's own, and the library copies the data between that
 *           and X. Costs the copies, by length. If the bus can take EAL memory from the device, the
 *           device reaches bounce buffers and coherent memory only, so it cannot read or change
 *           anything else. If the bus cannot, the mode only brings memory below the mask.
 *
 * A mode is a struct gantry_dma_mode of hooks; direct has none. set_fast() decides which mappings
 * the inline functions can make without a hook: usually all of direct and window. The debug layer
 * (dma_debug.c) is above the mode, whichever it is. If it is on, the inline functions go out of
 * line, the out-of-line functions call the layer first, and the layer calls the mode below.
 *
 * The mode begins when the driver sets a mask, because the mask decides what the mode has to do.
 * (If the driver sets none, it begins with the first mapping or allocation.) At that moment the
 * mode may take from the bus what the bus has mapped for the device, which cannot be undone.
 *
 * Structures
 * ----------
 *
 *   driver: struct gantry_dma_dev *
 *      |
 *      v        struct dma_device (dma_private.h)
 *   +--------------------------+
 *   | fast  .table ------------|--> a copy of eal (direct) or own (window); empty: use the hooks
 *   |       .mode -------------|--> above or base; NULL: the look-up does all (direct, window)
 *   | params.ops --------------|--> struct gantry_dma_ops: the bus (map, unmap, claim, page_table)
 *   | eal ---------------------|--> EAL's bus address of each page; one table for the process
 *   | own ---------------------|--> the window's bus address of each page; one table for a device
 *   | base --------------------|--> struct gantry_dma_mode; NULL: direct
 *   | above, debug ------------|--> the debug layer: its mode, its state; NULL: off
 *   | demand .entries ---------|--> I/O page table, which the device walks
 *   |        .states,.records -|--> one for each page of bus addresses: what is mapped, by whom
 *   |        .iova ------------|--> struct dma_iova: free bus addresses, with caches per thread
 *   | window ------------------|--> struct dma_window: pieces of EAL memory, by bus address
 *   | bounce ------------------|--> struct dma_bounce: size classes --> mempools of slots
 *   |                          |                       chunks[]     --> memory of the slots
 *   | blocks, pools, resources |    lists of coherent blocks, pools and BARs
 *   +--------------------------+
 *
 * Files
 * -----
 *   gantry_dma_inline.h  the hot path            dma_map.c        mappings that it leaves
 *   dma_window.c, dma_strict.c, dma_bounce.c     the modes
 *   dma_iova.c           bus addresses for them  dma_bus.c        their calls to the bus
 *   dma_entries.c        the I/O page table      dma_reach.c      report of what a device reaches
 *   dma_coherent.c       coherent blocks         dma_pool.c       blocks smaller than a page
 *   dma_sg.c             lists and chains        dma_resource.c   BARs as targets of DMA
 *   dma_translate.c      classes of memory, and translation between the three address spaces
 *   dma_numa.c           cores and NUMA nodes    dma_debug*.c     the debug layer
 *
 * Threads and locking
 * -------------------
 * The driver that made a device object owns it, and one thread makes the set-up calls. Any thread
 * may map, unmap, sync, allocate and free. The object owns coherent blocks until they are freed.
 * The device owns a streaming buffer from map to unmap.
 *
 * - Direct and window: a mapping takes no lock. The library changes a table entry only in EAL
 *   memory events: before EAL gives the memory to a user, and after it took it from all users.
 * - Strict: a mapping takes a lock only twice in 64 mappings, when the thread refills or empties
 *   its cache of bus addresses. (Without a page table each mapping also calls the bus.) One atomic
 *   exchange ends a mapping; if two threads race to unmap it, exactly one of them succeeds.
 * - Bounce: free slots are in mempools with caches per lcore. A mutex serialises growth.
 * - dma_device.lock protects the lists of blocks, pools and resources.
 * - dma_reach_lock() protects the list of all devices, and is held while a mode begins or changes.
 *   It is a mutex, because a telemetry thread may sleep while it holds it. It is taken before the
 *   EAL memory lock.
 * - The EAL memory lock protects the pieces of a window, and is held during each call of map() and
 *   unmap() of the bus.
 *
 * The table of EAL memory belongs to the process that made it.
 *
 * Secondary processes. Device object and table reside in EAL shared memory, so that a secondary
 * process can poll a queue that points to its device. In direct mode, without the debug layer, the
 * inline functions work in every process. Devices, masks, coherent memory and the other modes
 * belong to the process that made the device.
 *
 * What is deliberately not done
 * -----------------------------
 * - No cache maintenance: the library runs on machines whose DMA is coherent with the caches. A
 *   sync orders accesses, and copies in bounce mode.
 * - No recall of accesses in flight: unmapping in strict mode promises that no access starts
 *   afterwards. The driver must stop the device before it frees memory. In the other modes
 *   unmapping takes nothing away from the device.
 * - No record of single mappings in direct mode and in the window, because a mapping is a look-up
 *   there. The debug layer keeps such records.
 * - No protection finer than a page in strict mode, because a page is the unit of an IOMMU.
 * - No way back: a device whose bus has given up its own mappings never returns to direct mode.
 * - No counterpart of dma_mmap_coherent(), since the memory is in the process already, and no
 *   DMA_ATTR_ flag but GANTRY_DMA_ATTR_SKIP_CPU_SYNC.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_string_fns.h>

#include "dma_debug.h"

RTE_LOG_REGISTER(gantry_dma_logtype, lib.gantry_dma, NOTICE);

static __thread char last_error[512];

void
dma_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last_error, sizeof(last_error), fmt, ap);
	va_end(ap);
}

const char *
gantry_dma_last_error(void)
{
	return last_error;
}

void
dma_reason(struct gantry_dma_dev *dev, char *why, size_t size)
{
	const char *name = dma_device(dev)->name, *text = last_error;
	const size_t n = strlen(name);

	if (strncmp(text, name, n) == 0 && strncmp(text + n, ": ", 2) == 0)
		text += n + 2;
	strlcpy(why, text, size);
}

/*
 * Modes.
 */

/* Select the mappings that the inline functions may make without a hook. */
static void
set_fast(struct dma_device *d)
{
	const struct gantry_dma_mode *base = d->base;
	struct gantry_dma_dev *fast = &d->fast;
	const struct gantry_dma_table *table = NULL;

	if (d->above == NULL && base == NULL)
		table = &d->eal;
	else if (d->above == NULL && base->own_above != 0)
		table = &d->own;
	/*
	 * An empty table sends every look-up out of line, whatever else the reader finds in the
	 * meantime.
	 */
	__atomic_store_n(&fast->table.span, 0, __ATOMIC_SEQ_CST);
	fast->debug = d->above != NULL;
	fast->mode = d->above != NULL ? d->above : table == NULL ? base : NULL;
	fast->table_last = RTE_MIN(d->mask, GANTRY_DMA_ADDR_MAX);
	fast->mbuf_last = table == &d->eal ? fast->table_last : 0;
	fast->undo_last = table == NULL ? UINT64_MAX : table == &d->eal ? 0 : base->own_above;
	if (table != NULL) {
		fast->table.base = table->base;
		fast->table.offset = table->offset;
		fast->table.page_mask = table->page_mask;
		fast->table.shift = table->shift;
		__atomic_store_n(&fast->table.span, table->span, __ATOMIC_RELEASE);
	}
}

void
dma_set_mode(struct gantry_dma_dev *dev, const struct gantry_dma_mode *mode)
{
	dma_device(dev)->base = mode;
	set_fast(dma_device(dev));
}

void
dma_set_above(struct gantry_dma_dev *dev, const struct gantry_dma_mode *above)
{
	dma_device(dev)->above = above;
	set_fast(dma_device(dev));
}

static const char * const mode_names[] = {
	[GANTRY_DMA_MODE_AUTO] = "auto",
	[GANTRY_DMA_MODE_DIRECT] = "direct",
	[GANTRY_DMA_MODE_WINDOW] = "window",
	[GANTRY_DMA_MODE_STRICT] = "strict",
	[GANTRY_DMA_MODE_BOUNCE] = "bounce",
};

static int choose(struct gantry_dma_dev *dev, uint64_t mask, uint64_t beyond);

static int
start_mode(struct gantry_dma_dev *dev, enum gantry_dma_mode_id mode, uint64_t mask)
{
	switch (mode) {
	case GANTRY_DMA_MODE_AUTO:
		return choose(dev, mask, mask);
	case GANTRY_DMA_MODE_WINDOW:
		return dma_window_start(dev, mask);
	case GANTRY_DMA_MODE_STRICT:
		return dma_strict_start(dev, mask);
	case GANTRY_DMA_MODE_BOUNCE:
		return dma_bounce_start(dev, mask);
	default:
		return -EINVAL;
	}
}

/*
 * A requested mode that waits for a mask. If the driver sets no mask, the first mapping or
 * allocation starts the mode with the default of 32 bits, like the kernel's. A device also waits if
 * the bus took its mappings away before a mode failed to start: it cannot return to direct mode.
 */

static int
start_waiting(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	int ret = 0;

	dma_reach_lock();
	if (d->base == &dma_no_mode)
		ret = start_mode(dev, d->params.mode, d->mask);
	dma_reach_unlock();
	return ret;
}

static gantry_dma_addr_t
wait_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	if (start_waiting(dev) != 0)
		return GANTRY_DMA_MAPPING_ERROR;
	return dma_base_map(dev, ptr, size, dir, attrs, site);
}

static void
wait_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	dma_misuse(dev, "unmapping", addr, size, "nothing was mapped there");
}

static gantry_dma_addr_t
wait_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	if (start_waiting(dev) != 0)
		return GANTRY_DMA_MAPPING_ERROR;
	return dma_base_map_resource(dev, va, phys, size, dir, site);
}

static int
wait_alloc_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask, const void *site)
{
	int ret = start_waiting(dev);

	if (ret != 0)
		return ret;
	return dma_block_alloc(dev, b, size, align, socket_id, mask, site);
}

const struct gantry_dma_mode dma_no_mode = {
	.name = "waiting",
	.map = wait_map,
	.unmap = wait_unmap,
	.alloc_block = wait_alloc_block,
	.map_resource = wait_map_resource,
};

int
gantry_dma_mode_of_name(const char *name, enum gantry_dma_mode_id *mode)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(mode_names); i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			*mode = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *
gantry_dma_mode_name(struct gantry_dma_dev *dev)
{
	const struct dma_device *d = dma_device(dev);

	if (d->base == &dma_no_mode)
		return mode_names[d->params.mode];
	return d->base != NULL ? d->base->name : mode_names[GANTRY_DMA_MODE_DIRECT];
}

/*
 * Devices.
 */

struct gantry_dma_dev *
gantry_dma_dev_create(const struct gantry_dma_params *params)
{
	struct dma_device *d;
	int ret;

	if (params == NULL || params->name == NULL || params->name[0] == '\0') {
		dma_fail("a DMA device needs a name");
		rte_errno = EINVAL;
		return NULL;
	}
	if ((unsigned int)params->mode > GANTRY_DMA_MODE_BOUNCE) {
		dma_fail("%s: no DMA mode has the number %u", params->name, params->mode);
		rte_errno = EINVAL;
		return NULL;
	}
	d = rte_zmalloc("gantry_dma_dev", sizeof(*d), RTE_CACHE_LINE_SIZE);
	if (d == NULL) {
		dma_fail("%s: no memory left in EAL's heap for a device", params->name);
		rte_errno = ENOMEM;
		return NULL;
	}
	strlcpy(d->name, params->name, sizeof(d->name));
	d->params = *params;
	d->params.name = d->name;
	rte_spinlock_init(&d->lock);
	TAILQ_INIT(&d->blocks);
	TAILQ_INIT(&d->pools);
	TAILQ_INIT(&d->resources);
	/* The defaults are the kernel's. */
	d->mask = d->coherent_mask = GANTRY_DMA_BIT_MASK(32);
	d->max_seg = DMA_MAX_SEG;
	d->seg_boundary = DMA_SEG_BOUNDARY;
	ret = dma_table_get(&d->eal);
	if (ret != 0) {
		rte_free(d);
		rte_errno = -ret;
		return NULL;
	}
	dma_set_mode(&d->fast, d->params.mode > GANTRY_DMA_MODE_DIRECT ? &dma_no_mode : NULL);
	dma_reach_add(&d->fast);
	if (d->params.debug != GANTRY_DMA_DEBUG_OFF) {
		ret = dma_debug_start(&d->fast, d->params.debug);
		if (ret != 0) {
			gantry_dma_dev_destroy(&d->fast);
			rte_errno = -ret;
			return NULL;
		}
	}
	return &d->fast;
}

void
gantry_dma_dev_destroy(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	struct dma_block *b;

	if (dev == NULL)
		return;
	dma_reach_remove(dev);
	if (gantry_dma_debug_on(dev))
		dma_debug_end(dev, __builtin_return_address(0));
	dma_resources_drop(dev);
	dma_pools_drop(dev);
	while ((b = TAILQ_FIRST(&d->blocks)) != NULL) {
		DMA_LOG(WARNING, "%s: coherent block %p (bus 0x%" PRIx64 ", %zu bytes) was never "
			"freed", d->name, b->pub.cpu, b->pub.bus, b->pub.size);
		gantry_dma_free_coherent(dev, b->pub.size, b->pub.cpu, b->pub.bus);
	}
	if (d->base != NULL && d->base->end != NULL)
		d->base->end(dev);
	dma_table_put();
	rte_free(d);
}

void
gantry_dma_dev_abandon(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);

	if (dev == NULL)
		return;
	dma_reach_remove(dev);
	if (gantry_dma_debug_on(dev))
		dma_debug_abandon(dev);
	if (d->base != NULL && d->base->abandon != NULL)
		d->base->abandon(dev);
}

/*
 * Masks.
 */

static int
highest(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	uint64_t *last = arg;

	if (!msl->external && ms->iova != RTE_BAD_IOVA && ms->iova + (ms->len - 1) > *last)
		*last = ms->iova + (ms->len - 1);
	return 0;
}

static uint64_t
highest_address(void)
{
	uint64_t last = 0;

	rte_memseg_walk(highest, &last);
	return last;
}

uint64_t
gantry_dma_get_required_mask(struct gantry_dma_dev *dev)
{
	if (dma_device(dev)->base != NULL && dma_device(dev)->base->required_mask != NULL)
		return dma_device(dev)->base->required_mask(dev);
	return GANTRY_DMA_BIT_MASK(dma_bits(highest_address()));
}

uint64_t
gantry_dma_get_mask(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->mask;
}

uint64_t
gantry_dma_get_coherent_mask(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->coherent_mask;
}

bool
gantry_dma_addressing_limited(struct gantry_dma_dev *dev)
{
	return gantry_dma_get_mask(dev) < gantry_dma_get_required_mask(dev);
}

size_t
gantry_dma_max_mapping_size(struct gantry_dma_dev *dev)
{
	if (dma_device(dev)->base != NULL && dma_device(dev)->base->max_mapping_size != NULL)
		return dma_device(dev)->base->max_mapping_size(dev);
	return SIZE_MAX;
}

static bool
is_mask(const struct dma_device *d, uint64_t mask)
{
	if (mask >= GANTRY_DMA_BIT_MASK(24) && (mask & (mask + 1)) == 0)
		return true;
	dma_fail("%s: 0x%" PRIx64 " is no mask of 24 to 64 address bits", d->name, mask);
	return false;
}

/*
 * Start a mode for memory that a mask does not reach. AUTO tries window, then bounce.
 * @param mask    the mask for streaming mappings
 * @param beyond  the mask that EAL memory exceeds: the same, or the narrower one for coherent
 *   memory
 */
static int
choose(struct gantry_dma_dev *dev, uint64_t mask, uint64_t beyond)
{
	struct dma_device *d = dma_device(dev);
	const char *coherent = beyond == mask ? "" : " for coherent memory";
	const uint64_t last = highest_address();
	char no_window[160], no_bounce[160];

	if (d->params.mode == GANTRY_DMA_MODE_DIRECT) {
		dma_fail("%s: the device drives %u address bits%s, but EAL's memory reaches up to "
			"bus address 0x%" PRIx64 ", which takes %u; %s", d->name, dma_bits(beyond),
			coherent, last, dma_bits(last), rte_eal_iova_mode() == RTE_IOVA_VA ?
			"start with --iova-mode=pa, or with --base-virtaddr low enough" :
			"nothing translates in between (start with --iova-mode=va if something "
			"does)");
		return -EIO;
	}
	if (!TAILQ_EMPTY(&d->blocks) || !TAILQ_EMPTY(&d->resources)) {
		dma_fail("%s: EAL's memory reaches up to bus address 0x%" PRIx64 ", the device "
			"drives %u address bits%s; but there are coherent blocks, or BARs mapped, "
			"in direct mode: the mask comes first", d->name, last, dma_bits(beyond),
			coherent);
		return -EIO;
	}
	if (dma_window_start(dev, mask) == 0)
		return 0;
	dma_reason(dev, no_window, sizeof(no_window));
	/* Bounce buffers help coherent memory only if they reside below its mask. */
	if (dma_bounce_start(dev, RTE_MIN(mask, beyond)) == 0)
		return 0;
	dma_reason(dev, no_bounce, sizeof(no_bounce));
	dma_fail("%s: the device drives %u address bits%s, but EAL's memory reaches up to bus "
		"address 0x%" PRIx64 ", which takes %u; no window: %s; no bounce buffers: %s",
		d->name, dma_bits(beyond), coherent, last, dma_bits(last), no_window, no_bounce);
	/* One of the modes took the bus mappings away from the device, permanently. */
	if (d->claimed || d->entries != NULL)
		dma_set_mode(dev, &dma_no_mode);
	return -EIO;
}

/* Make this mask sufficient for streaming mappings. The caller holds dma_reach_lock(). */
static int
take_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);

	if (d->base == &dma_no_mode) {
		int ret = start_mode(dev, d->params.mode, mask);

		if (ret != 0)
			return ret;
	}
	if (d->base != NULL)
		return d->base->set_mask != NULL ? d->base->set_mask(dev, mask) : 0;
	return highest_address() <= mask ? 0 : choose(dev, mask, mask);
}

/* Log -EIO, once only: a driver may try several masks. */
static int
mask_refused(struct dma_device *d, int ret)
{
	if (ret == -EIO && !d->mask_logged) {
		DMA_LOG(ERR, "%s", gantry_dma_last_error());
		d->mask_logged = true;
	}
	return ret;
}

int
gantry_dma_set_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	int ret;

	if (!is_mask(d, mask))
		return -EINVAL;
	dma_reach_lock();
	ret = take_mask(dev, mask);
	if (ret == 0) {
		d->mask = mask;
		set_fast(d);
	}
	dma_reach_unlock();
	return mask_refused(d, ret);
}

/*
 * Return whether direct mode suffices for coherent memory: blocks then come from below the mask. A
 * device that can have a window leaves direct mode, because the window has a place for every block.
 */
static bool
stays_direct(struct gantry_dma_dev *dev, uint64_t mask)
{
	if (highest_address() <= mask)
		return true;
	return dma_block_reachable(mask) && (dma_device(dev)->params.mode ==
		GANTRY_DMA_MODE_DIRECT || !dma_can_claim(dev));
}

int
gantry_dma_set_coherent_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	int ret = 0;

	if (!is_mask(d, mask))
		return -EINVAL;
	dma_reach_lock();
	/* A mode finds a place for each block, or reports that there is none. */
	if (d->base == NULL && !stays_direct(dev, mask))
		ret = choose(dev, d->mask, mask);
	if (ret == 0)
		d->coherent_mask = mask;
	dma_reach_unlock();
	return mask_refused(d, ret);
}

int
gantry_dma_set_mask_and_coherent(struct gantry_dma_dev *dev, uint64_t mask)
{
	int ret = gantry_dma_set_mask(dev, mask);

	if (ret == 0)
		dma_device(dev)->coherent_mask = mask;
	return ret;
}

/*
 * The limits of one segment, for scatter/gather.
 */

int
gantry_dma_set_max_seg_size(struct gantry_dma_dev *dev, size_t size)
{
	struct dma_device *d = dma_device(dev);

	if (size == 0) {
		dma_fail("%s: segments of no byte", d->name);
		return -EINVAL;
	}
	d->max_seg = size;
	return 0;
}

size_t
gantry_dma_get_max_seg_size(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->max_seg;
}

int
gantry_dma_set_seg_boundary(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);

	if (mask == 0 || (mask & (mask + 1)) != 0) {
		dma_fail("%s: 0x%" PRIx64 " is no mask of the address bits below a boundary",
			d->name, mask);
		return -EINVAL;
	}
	d->seg_boundary = mask;
	return 0;
}

uint64_t
gantry_dma_get_seg_boundary(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->seg_boundary;
}

/*
 * Memory that the device can reach.
 */

struct reach {
	void (*fn)(void *arg, const struct gantry_dma_mapping *mapping);
	void *arg;
	struct gantry_dma_mapping run; /* size 0: none */
};

static void
reach_flush(struct reach *r)
{
	if (r->run.size != 0)
		r->fn(r->arg, &r->run);
	r->run.size = 0;
}

static int
reach_page(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct reach *r = arg;

	if (ms->iova == RTE_BAD_IOVA)
		return 0;
	if (r->run.size == 0 || r->run.addr + r->run.size != ms->iova ||
			(uintptr_t)r->run.cpu + r->run.size != (uintptr_t)ms->addr) {
		reach_flush(r);
		r->run = (struct gantry_dma_mapping){ .reach = GANTRY_DMA_REACH_MEMORY,
			.addr = ms->iova, .cpu = ms->addr, .dir = GANTRY_DMA_BIDIRECTIONAL,
			.age_ms = UINT64_MAX };
	}
	r->run.size += ms->len;
	return 0;
}

void
gantry_dma_for_each_mapping(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg)
{
	struct reach r = { .fn = fn, .arg = arg };
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	if (base != NULL) {
		if (base->for_each != NULL)
			base->for_each(dev, fn, arg);
		return;
	}
	rte_memseg_walk(reach_page, &r);
	reach_flush(&r);
}
