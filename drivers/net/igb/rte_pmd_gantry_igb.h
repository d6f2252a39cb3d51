/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * What net_gantry_igb can tell beyond ethdev's API: which memory a port shares
 * with its device, and at which addresses; and its registers.
 *
 * The functions may be called from any thread of the primary process, as long
 * as nobody sets up, releases or closes queues of the port meanwhile.
 */

#ifndef RTE_PMD_GANTRY_IGB_H
#define RTE_PMD_GANTRY_IGB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A bus address: gantry_dma.h's type, for programs that don't need the rest of that header. */
typedef rte_iova_t gantry_dma_addr_t;

/** The kinds of memory that a device and its driver share. */
enum rte_pmd_gantry_igb_object_type {
	RTE_PMD_GANTRY_IGB_RX_RING, /**< receive descriptors: coherent memory */
	RTE_PMD_GANTRY_IGB_TX_RING, /**< transmit descriptors: coherent memory */
	RTE_PMD_GANTRY_IGB_RX_POOL, /**< a receive queue's mempool, one piece of its memory */
	RTE_PMD_GANTRY_IGB_BAR,     /**< a BAR, one mapped part of it (or none) */
};

/** One piece of memory. */
struct rte_pmd_gantry_igb_object {
	enum rte_pmd_gantry_igb_object_type type; /**< what it is */
	/** The queue; the BAR's number. Of a pool: the first queue that uses it. */
	unsigned int index;
	/** The pool's name; else what it is, for people. Valid during the call. */
	const char *name;
	void *cpu;             /**< in this process; NULL: a BAR that is not mapped */
	gantry_dma_addr_t bus; /**< what the device calls it; UINT64_MAX: it has no such address */
	size_t size;           /**< bytes */
	int socket_id;         /**< NUMA node, or SOCKET_ID_ANY */
	bool is_io;            /**< of a BAR: I/O space */
};

/** Called for each object. @return 0 to go on; anything else ends the walk */
typedef int (rte_pmd_gantry_igb_object_cb)(void *arg,
		const struct rte_pmd_gantry_igb_object *object);

/**
 * Shows all the memory that a port shares with its device: the rings of its
 * queues, the memory of the mempools of its receive queues, its BARs.
 *
 * @return 0; what @p cb returned if that was not 0; -ENODEV: no such port;
 *   -ENOTSUP: not a port of this driver
 */
int rte_pmd_gantry_igb_for_each_object(uint16_t port_id, rte_pmd_gantry_igb_object_cb *cb,
		void *arg);

/**
 * The bus address of a byte, for this port's device, as a descriptor would hold it.
 *
 * @param port_id  the port
 * @param ptr      the byte, in any kind of memory
 * @param bus      [out] written only on success
 * @return 0; -EFAULT: the device has no address for it (in strict and bounce mode none for
 *   any memory as such); -ENODEV, -ENOTSUP as above
 */
int rte_pmd_gantry_igb_virt_to_bus(uint16_t port_id, const void *ptr,
		gantry_dma_addr_t *bus);

struct gantry_dma_reach_group;

/**
 * Shows what the port's device may reach right now, and who mapped it: see gantry_dma_reach.h.
 * Unlike the objects above that is not what the driver uses, but what the device could touch.
 *
 * @param port_id  the port
 * @param mode     [out] the mode of lib/dma that the port is in, before fn is called: a constant
 * @param fn       called for each group
 * @param arg      its first argument
 * @return 0; -ENODEV, -ENOTSUP as above
 */
int rte_pmd_gantry_igb_for_each_reach(uint16_t port_id, const char **mode,
		void (*fn)(void *arg, const struct gantry_dma_reach_group *group), void *arg);

/**
 * Logs a warning if a core that is to poll a queue is on another NUMA node than
 * the queue's ring or the device. A driver doesn't know who will poll.
 *
 * @return 0: same node, or not known; 1: they differ; -EINVAL: no such queue;
 *   -ENODEV, -ENOTSUP as above
 */
int rte_pmd_gantry_igb_numa_check(uint16_t port_id, bool is_rx, uint16_t queue_id,
		unsigned int lcore_id);

/**
 * Reads a register of the device (BAR 0), for tests and diagnosis. Reading some has an
 * effect: statistics and interrupt causes are cleared, and are then missing elsewhere.
 *
 * @param port_id  the port
 * @param reg      the register's offset, as in the datasheet: 0x8 is STATUS
 * @param value    [out] all ones if the device went away in that moment
 * @return 0; -EINVAL: no register there; -EIO: the device is gone; -ENODEV, -ENOTSUP as above
 */
int rte_pmd_gantry_igb_reg_read(uint16_t port_id, uint32_t reg, uint32_t *value);

/**
 * Writes a register, for tests and diagnosis. The driver is not told, and goes on as if
 * nothing had happened.
 *
 * @return as rte_pmd_gantry_igb_reg_read()
 */
int rte_pmd_gantry_igb_reg_write(uint16_t port_id, uint32_t reg, uint32_t value);

struct gantry_dma_error;

/**
 * Who gets the reports of dma_debug=1, of all ports of this driver, besides the log; NULL:
 * nobody. The driver has the DMA library built in, so that gantry_dma_debug_handler() of an
 * application which links the library itself gets none of them.
 *
 * @param fn   a gantry_dma_error_fn, called as gantry_dma_debug.h says, in the thread that met
 *   the misuse
 * @param arg  its first argument
 */
void rte_pmd_gantry_igb_dma_debug_handler(void (*fn)(void *arg,
		const struct gantry_dma_error *error), void *arg);

/** What an object type is called. */
const char *rte_pmd_gantry_igb_object_type_name(enum rte_pmd_gantry_igb_object_type type);

#ifdef __cplusplus
}
#endif

#endif /* RTE_PMD_GANTRY_IGB_H */
