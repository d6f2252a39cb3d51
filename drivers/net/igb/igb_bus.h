/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Operations that the driver needs from the bus of its device. Two buses implement them,
 * igb_pci.c and igb_vfio_user.c, and nothing else; the rest of the driver never asks which bus it
 * is.
 *
 * The pointers are valid in the primary process only. A secondary process accesses no register
 * but the doorbells, which are mapped at the same address in both.
 */

#ifndef IGB_BUS_H
#define IGB_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gantry_dma.h>

struct rte_intr_handle;

/** A BAR, from configuration space and the bus. */
struct igb_bar {
	uint64_t bus_addr;
	uint64_t size; /**< bytes; 0: there is no such BAR */
	bool is_io;
	unsigned int nr_maps;
	struct {
		uint64_t offset, size;
		void *addr;
	} maps[8];
};

struct igb_bus_ops {
	const char *name;

	/** Read a register of BAR 0. Returns all ones if the device is gone. */
	uint32_t (*read32)(void *dev, uint32_t reg);
	void (*write32)(void *dev, uint32_t reg, uint32_t value);
	/**
	 * Return the address at which a tail register can be stored to without a system call, or
	 * NULL. The caller must not access other registers of the page through it.
	 */
	volatile uint32_t *(*doorbell)(void *dev, uint32_t reg);
	/** Read configuration space. Returns 0 or a negative errno. */
	int (*read_config)(void *dev, void *buf, size_t len, uint32_t offset);
	/** Write configuration space. Returns 0 or a negative errno. */
	int (*write_config)(void *dev, const void *buf, size_t len, uint32_t offset);
	/** Return false once the device is gone for good. */
	bool (*alive)(void *dev);
	/**
	 * For a device that is not alive: return true if it certainly no longer accesses memory. A
	 * device that merely stopped answering may resume later.
	 */
	bool (*quiesced)(void *dev);
	/** Describe BAR 0 to 5. Returns 0 or a negative errno. */
	int (*bar)(void *dev, unsigned int index, struct igb_bar *bar);

	/**
	 * Provide one event file descriptor per receive queue to EAL, for vectors 1 to nb. Returns
	 * 0 or a negative errno.
	 */
	int (*queue_vectors_on)(void *dev, uint32_t nb);
	void (*queue_vectors_off)(void *dev);
	/** Drain the file descriptor of vector 0, on a bus where EAL does not. May be NULL. */
	void (*intr_drain)(void *dev);

	/** Return true if something translates addresses between the device and memory. */
	bool (*has_iommu)(void *dev);
	/** Map memory for which EAL sent no event. NULL: the bus cannot. */
	void (*give_memory)(void *dev);
	const struct gantry_dma_ops *dma;
};

/** Argument of igb_ethdev_probe(): a device, as its bus describes it. */
struct igb_bus_dev {
	const struct igb_bus_ops *ops;
	void *dev;                 /**< first argument of every operation in ops */
	struct rte_device *device; /**< device of the port; the port has its name */
	bool vdev;                 /**< device is a vdev of igb_vdev.c */
	struct rte_intr_handle *intr_handle;
	uint16_t vendor_id, device_id;
	uint32_t nb_vectors; /**< usable MSI-X vectors, including vector 0 */
	bool intr_per_queue; /**< receive queues can have interrupts */
};

#define IGB_MAX_CAPS 48 /* as many as fit; a device may link its list into a ring */

/**
 * Find a capability in configuration space.
 *
 * @param bus    operations of the bus
 * @param dev    their first argument
 * @param id     capability ID
 * @param after  offset of the previous capability with this ID; 0: find the first
 * @return offset of the capability; 0: there is none
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
