/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * What the driver needs of the bus its device is on. Two buses implement it,
 * igb_pci.c and igb_vfio_user.c, each with nothing but these operations; the
 * rest of the driver never asks which one it is.
 *
 * The pointers here belong to the primary process. A secondary process touches
 * no register but the doorbells, which lie at the same address in both.
 */

#ifndef IGB_BUS_H
#define IGB_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gantry_dma.h>

struct rte_intr_handle;

/** A BAR as configuration space and the bus describe it. */
struct igb_bar {
	uint64_t bus_addr;
	uint64_t size;      /**< 0: there is none */
	bool is_io;
	unsigned int nr_maps;
	struct {
		uint64_t offset, size;
		void *addr;
	} maps[8];
};

struct igb_bus_ops {
	const char *name;

	/** A register of BAR 0. All ones when the device is gone. */
	uint32_t (*read32)(void *dev, uint32_t reg);
	void (*write32)(void *dev, uint32_t reg, uint32_t value);
	/**
	 * Where a tail register can be stored to without a system call, or NULL.
	 * The other registers of the same page are not to be touched through it.
	 */
	volatile uint32_t *(*doorbell)(void *dev, uint32_t reg);
	/** Configuration space. 0 or -errno. */
	int (*read_config)(void *dev, void *buf, size_t len, uint32_t offset);
	/** False once the device is gone for good. */
	bool (*alive)(void *dev);
	/**
	 * Of a device that is not alive: whether it is sure that it has let go of
	 * memory. One that merely stopped answering may go on later.
	 */
	bool (*quiesced)(void *dev);
	/** Describes a BAR (0 to 5). 0 or -errno. */
	int (*bar)(void *dev, unsigned int index, struct igb_bar *bar);

	/** Has EAL one event file descriptor per receive queue? nb of them, vectors 1 to nb. */
	int (*queue_vectors_on)(void *dev, uint32_t nb);
	void (*queue_vectors_off)(void *dev);
	/** Empties vector 0's file descriptor where EAL doesn't do so itself. */
	void (*intr_drain)(void *dev);

	/** Whether something translates between the device and memory. */
	bool (*has_iommu)(void *dev);
	/** Gives the device memory that EAL sent no event for; NULL: the bus has no means. */
	void (*give_memory)(void *dev);
	const struct gantry_dma_ops *dma;
};

/** What a bus hands to igb_ethdev_probe(). */
struct igb_bus_dev {
	const struct igb_bus_ops *ops;
	void *dev;                            /**< first argument of ops */
	struct rte_device *device;            /**< the port's, which gives it its name */
	bool vdev;                            /**< that is igb_vdev.c's */
	struct rte_intr_handle *intr_handle;
	uint16_t vendor_id, device_id;
	uint32_t nb_vectors;                  /**< MSI-X vectors that may be used, vector 0 included */
	bool intr_per_queue;                  /**< rx queue interrupts are possible */
};

#define IGB_MAX_CAPS 48 /* that fit; the list may be a ring, as a device writes it */

/**
 * The offset of a capability in configuration space, 0: none.
 * @param after  offset of the one before it of the same kind; 0: the first
 */
static inline uint8_t
igb_cap_find(const struct igb_bus_ops *bus, void *dev, uint8_t id, uint8_t after)
{
	bool past = after == 0;
	uint8_t head[2], at = 0;
	unsigned int hops;

	if (bus->read_config(dev, &at, 1, 0x34) != 0)
		return 0;
	for (hops = 0; hops < IGB_MAX_CAPS && at >= 0x40; hops++) {
		at &= ~3;
		if (bus->read_config(dev, head, sizeof(head), at) != 0)
			return 0;
		if (past && head[0] == id)
			return at;
		past = past || at == after;
		at = head[1];
	}
	return 0;
}

#endif /* IGB_BUS_H */
