/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The DMA library: theory, and the creation of a device.
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
 *           Costs 1 to 2 ns a pair (map and unmap). Protects no EAL memory.
 *   window  The library has mapped all EAL memory itself, at addresses of its choice that the
 *           device's mask reaches. The same look-up, in another table. Memory that has no place in
 *           the window is mapped on demand, as in strict mode. Costs 1 to 3 ns a pair. Protects no
 *           more than direct: it serves devices with few address lines.
 *   strict  Nothing is mapped in advance. Each mapping makes a Z of its own, and unmapping destroys
 *           it. Costs about 15 ns a pair with a page table in shared memory, microseconds with a
 *           message or a system call. A wrong, stale or forbidden access is a fault. Protects whole
 *           pages: the device still reaches other data in a mapped page. A vfio-user daemon that
 *           holds all EAL memory can ignore the table; a real IOMMU cannot be ignored.
 *   bounce  Z leads to a buffer of the library, and the library copies the data between that and
 *           X. Costs the copies, by length. If the bus can take EAL memory from the device, the
 *           device reaches bounce buffers and coherent memory only, so it cannot read or change
 *           anything else. If the bus cannot, the mode only brings memory below the mask.
 *
 * A mode is a table of hooks, struct gantry_dma_mode. set_fast() (core/dma_device.c) decides which
 * mappings the inline functions can make without a hook: usually all of direct and window. The
 * debug layer (lib/dma_debug) is another table, struct dma_layer, around the device, whichever its
 * mode is: the inline functions then go out of line, the out-of-line functions call the hooks of
 * the layer, and the layer calls the mode below. A device without it has dma_no_layer.
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
 *      v        struct dma_device (core/dma_core.h)
 *   +--------------------------+
 *   | fast  .table ------------|--> a copy of eal (direct) or own (window); empty: use the hooks
 *   |       .mode -------------|--> layer or base; NULL: the look-up does all (direct, window)
 *   | params.ops --------------|--> struct gantry_dma_ops: the bus (map, unmap, claim, page_table)
 *   | eal ---------------------|--> EAL's bus address of each page; one table for the process
 *   | own ---------------------|--> the window's bus address of each page; one table for a device
 *   | base --------------------|--> struct gantry_dma_mode: the mode
 *   | layer, layer_state ------|--> the layer around the device: its table, its state
 *   | blocks, resources -------|--> lists of coherent blocks, and of BARs in direct mode
 *   | attached ----------------|--> what ends with the device: pools
 *   |                          |
 *   | mode_state: struct dma_mode_state (modes/dma_modes.h)
 *   | demand .entries ---------|--> I/O page table, which the device walks
 *   |        .states,.records -|--> one for each page of bus addresses: what is mapped, by whom
 *   |        .iova ------------|--> struct dma_iova: free bus addresses, with caches per thread
 *   | window ------------------|--> struct dma_window: pieces of EAL memory, by bus address
 *   | bounce ------------------|--> struct dma_bounce: size classes --> mempools of slots
 *   |                          |                       chunks[]     --> memory of the slots
 *   +--------------------------+
 *
 * Files
 * -----
 * The folders are floors: core, modes, ext, and lib/dma_debug above them. A floor knows only those
 * below it, and this file puts a device together. README.md lists the files in this order.
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
 * - dma_device.lock protects the lists of blocks, resources and attached objects.
 * - dma_devices_lock() protects the list of all devices, and is held while a mode begins or
 *   changes. It is a mutex, because a telemetry thread may sleep while it holds it. It is taken
 *   before the EAL memory lock.
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
 * Deliberate omissions
 * -----------------------------
 * - No cache maintenance: the library runs on machines whose DMA is coherent with the caches. A
 *   sync orders accesses, and copies in bounce mode.
 * - No recall of accesses in flight: unmapping in strict mode promises that no access starts
 *   afterwards. The driver must stop the device before it frees memory. In the other modes
 *   unmapping takes nothing away from the device, except what window mode had mapped on demand.
 * - No record of single mappings in direct mode and in the window, because a mapping is a look-up
 *   there. The debug layer keeps such records.
 * - No protection finer than a page in strict mode, because a page is the unit of an IOMMU.
 * - No way back: a device whose bus has given up its own mappings never returns to direct mode.
 * - No counterpart of dma_mmap_coherent(), since the memory is in the process already, and no
 *   DMA_ATTR_ flag but GANTRY_DMA_ATTR_SKIP_CPU_SYNC.
 */

#include <rte_errno.h>

#include "dma_debug.h"
#include "dma_ext.h"
#include "dma_modes.h"

struct gantry_dma_dev *
gantry_dma_dev_create(const struct gantry_dma_params *params)
{
	struct dma_device *d = dma_device_create(params, sizeof(struct dma_mode_state));
	int ret;

	if (d == NULL)
		return NULL;
	dma_mode_begin(&d->fast);
	dma_devices_add(&d->fast);
	dma_reach_telemetry();
	if (d->params.debug == GANTRY_DMA_DEBUG_OFF)
		return &d->fast;
	ret = dma_debug_start(&d->fast, d->params.debug);
	if (ret == 0)
		return &d->fast;
	gantry_dma_dev_destroy(&d->fast);
	rte_errno = -ret;
	return NULL;
}
