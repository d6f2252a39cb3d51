/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The edu driver, as an application sees it. Only one thread at a time may use a device.
 */

#ifndef EDU_H
#define EDU_H

#include <stddef.h>
#include <sys/queue.h>

#include "gantry_dma.h"

struct rte_pci_device;
struct rte_vfio_user_device;

/** A device. The driver owns it until edu_close(). */
struct edu {
	TAILQ_ENTRY(edu) next;
	const char *name;
	struct gantry_dma_dev *dma;
	struct rte_pci_device *pci;      /**< device on the PCI bus, or NULL */
	struct rte_vfio_user_device *vu; /**< device on the vfio-user bus, or NULL */
	int container;                   /**< PCI: the vfio container; else -1 */
	bool silent; /**< it did not answer, and may still write to buffers that it knows */
};

/** Parameters for lib/dma: mode and debug may be changed before rte_eal_init(). */
extern struct gantry_dma_params edu_dma;

/** The devices that EAL found. */
TAILQ_HEAD(edu_list, edu);
extern struct edu_list edu_devices;

/**
 * Copy memory by DMA, through the buffer of the device, and compare each part of the copy as soon
 * as it has arrived.
 *
 * @param edu  the device
 * @param dst  memory that lib/dma can map in the mode of the device
 * @param src  likewise
 * @param len  bytes, 1 to gantry_dma_max_mapping_size()
 * @retval 0           success; the caller owns both buffers again
 * @retval -EIO        a buffer cannot be mapped; gantry_dma_last_error() returns the reason
 * @retval -EBADMSG    the copy differs
 * @retval -ETIMEDOUT  the device does not answer. It may still access the buffers, which stay
 *   mapped: the caller must not free them.
 */
int edu_copy(struct edu *edu, void *dst, void *src, size_t len);
/** Release a device. Call it before rte_eal_cleanup(). */
void edu_close(struct edu *edu);

#endif /* EDU_H */
