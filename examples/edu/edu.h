/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The edu driver, for an application. One thread at a time uses a device.
 */

#ifndef EDU_H
#define EDU_H

#include <stddef.h>
#include <sys/queue.h>

#include "gantry_dma.h"

struct rte_pci_device;
struct rte_vfio_user_device;

/** A device. */
struct edu {
	TAILQ_ENTRY(edu) next;
	const char *name;
	struct gantry_dma_dev *dma;
	struct rte_pci_device *pci;      /**< the bus that it is on: this one, or */
	struct rte_vfio_user_device *vu; /**< this one; the other is NULL */
	int container;                   /**< of vfio, on PCI; else -1 */
	bool silent; /**< it did not answer, and may yet write to what it was given */
};

/** What lib/dma is asked for: mode, debug; may be changed before rte_eal_init(). */
extern struct gantry_dma_params edu_dma;

/** The devices that EAL found. */
TAILQ_HEAD(edu_list, edu);
extern struct edu_list edu_devices;

/**
 * Copies memory by DMA: through the device's buffer and back, and looks at each part of the copy
 * as soon as it is there.
 *
 * @param edu  the device
 * @param dst  memory that lib/dma can map in the device's mode
 * @param src  the same
 * @param len  bytes, 1 to gantry_dma_max_mapping_size()
 * @return 0; -EIO: a buffer has no mapping (gantry_dma_last_error() says why); -EBADMSG: the
 *   copy differs; -ETIMEDOUT: the device does not answer, and may still touch the buffers, which
 *   stay mapped
 */
int edu_copy(struct edu *edu, void *dst, void *src, size_t len);
/** Lets go of a device: before rte_eal_cleanup(). */
void edu_close(struct edu *edu);

#endif /* EDU_H */
