/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Functions of net_gantry_igb beyond the ethdev API: the memory that a port shares with its
 * device, the bus addresses of that memory, and the registers of the device.
 *
 * Any thread of the primary process may call these functions, provided that no thread sets up,
 * releases or closes queues of the port concurrently.
 */

#ifndef RTE_PMD_GANTRY_IGB_H
#define RTE_PMD_GANTRY_IGB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>
#include <rte_compat.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A bus address: the type of gantry_dma.h, for programs that need nothing else from it. */
typedef rte_iova_t gantry_dma_addr_t;

/** Kinds of memory that a device and its driver share. */
enum rte_pmd_gantry_igb_object_type {
	RTE_PMD_GANTRY_IGB_RX_RING, /**< receive descriptors: coherent memory */
	RTE_PMD_GANTRY_IGB_TX_RING, /**< transmit descriptors: coherent memory */
	RTE_PMD_GANTRY_IGB_RX_POOL, /**< mempool of a receive queue: one chunk of its memory */
	RTE_PMD_GANTRY_IGB_BAR,     /**< a BAR: one mapped part, or a BAR without such a part */
};

/** One piece of memory. */
struct rte_pmd_gantry_igb_object {
	enum rte_pmd_gantry_igb_object_type type; /**< kind of memory */
	/** Number of the queue or BAR. For a pool: the first queue that uses it. */
	unsigned int index;
	/** Name of the pool, or a description for people. Valid during the callback only. */
	const char *name;
	void *cpu;             /**< address in this process; NULL: a BAR that is not mapped */
	gantry_dma_addr_t bus; /**< address for the device; UINT64_MAX: there is none */
	size_t size;           /**< bytes */
	int socket_id;         /**< NUMA node, or SOCKET_ID_ANY */
	bool is_io;            /**< for a BAR: I/O space */
};

/**
 * Callback, called for each object.
 *
 * @param arg     argument of the caller
 * @param object  valid during the call only
 * @return 0 to continue; any other value ends the walk
 */
typedef int rte_pmd_gantry_igb_object_cb(void *arg, const struct rte_pmd_gantry_igb_object *object);

/**
 * Walk all memory that a port shares with its device: the rings of its queues, the memory of the
 * mempools of its receive queues, and its BARs.
 *
 * @param port_id  the port
 * @param cb       called for each object, in the thread of the caller
 * @param arg      first argument of @p cb
 * @retval 0         @p cb saw all objects
 * @retval -ENODEV   there is no such port
 * @retval -ENOTSUP  the port belongs to another driver, or this is a secondary process
 * @return else the value by which @p cb ended the walk
 */
__rte_experimental
int rte_pmd_gantry_igb_for_each_object(uint16_t port_id, rte_pmd_gantry_igb_object_cb *cb,
		void *arg);

/**
 * Translate the address of a byte to the bus address that a descriptor of this port would hold.
 *
 * @param port_id  the port
 * @param ptr      the byte, in any kind of memory
 * @param bus      [out] written only on success
 * @retval 0         success
 * @retval -EFAULT   the device has no address for it. In modes strict and bounce no memory has one
 *   by itself.
 * @retval -ENODEV   there is no such port
 * @retval -ENOTSUP  the port belongs to another driver, or this is a secondary process
 */
__rte_experimental
int rte_pmd_gantry_igb_virt_to_bus(uint16_t port_id, const void *ptr, gantry_dma_addr_t *bus);

struct gantry_dma_reach_group;

/**
 * Walk the memory that the device of a port can reach at this moment, with the owner of each
 * mapping: see gantry_dma_reach.h. rte_pmd_gantry_igb_for_each_object() shows the memory that the
 * driver uses; this function shows the memory that the device could access.
 *
 * @param port_id  the port
 * @param mode     [out] name of the lib/dma mode of the port, a constant; set before the first call
 *   of fn
 * @param fn       called for each group, in the thread of the caller
 * @param arg      first argument of fn
 * @retval 0         success
 * @retval -ENODEV   there is no such port
 * @retval -ENOTSUP  the port belongs to another driver, or this is a secondary process
 */
__rte_experimental
int rte_pmd_gantry_igb_for_each_reach(uint16_t port_id, const char **mode,
		void (*fn)(void *arg, const struct gantry_dma_reach_group *group), void *arg);

/**
 * Log a warning if a core that is to poll a queue is on another NUMA node than the ring of the
 * queue or the device. The driver itself cannot know which core will poll.
 *
 * @param port_id   the port
 * @param is_rx     receive queue, else transmit queue
 * @param queue_id  the queue
 * @param lcore_id  the core
 * @retval 0         same node, or unknown
 * @retval 1         the nodes differ
 * @retval -EINVAL   there is no such queue
 * @retval -ENODEV   there is no such port
 * @retval -ENOTSUP  the port belongs to another driver, or this is a secondary process
 */
__rte_experimental
int rte_pmd_gantry_igb_numa_check(uint16_t port_id, bool is_rx, uint16_t queue_id,
		unsigned int lcore_id);

/**
 * Read a register of the device (BAR 0), for tests and diagnosis. Some reads have an effect: they
 * clear statistics and interrupt causes, which the driver then never sees.
 *
 * @param port_id  the port
 * @param reg      offset of the register, as in the datasheet: 0x8 is STATUS
 * @param value    [out] all ones if the device vanishes during the read
 * @retval 0         success
 * @retval -EINVAL   there is no register at this offset
 * @retval -EIO      the device is gone
 * @retval -ENODEV   there is no such port
 * @retval -ENOTSUP  the port belongs to another driver, or this is a secondary process
 */
__rte_experimental
int rte_pmd_gantry_igb_reg_read(uint16_t port_id, uint32_t reg, uint32_t *value);

/**
 * Write a register of the device (BAR 0), for tests and diagnosis. The driver does not learn of
 * the write, and continues as if the register had its old value.
 *
 * @param port_id  the port
 * @param reg      offset of the register
 * @param value    the new value
 * @return as rte_pmd_gantry_igb_reg_read()
 */
__rte_experimental
int rte_pmd_gantry_igb_reg_write(uint16_t port_id, uint32_t reg, uint32_t value);

struct gantry_dma_error;

/**
 * Set a handler for the reports of dma_debug=1, for all ports of this driver, in addition to the
 * log.
 *
 * The DMA library is built into the driver. The gantry_dma_debug_handler() of an application that
 * links the library itself therefore receives none of these reports.
 *
 * @param fn   a gantry_dma_error_fn, or NULL for no handler. Called as gantry_dma_debug.h states,
 *   in the thread that detected the misuse.
 * @param arg  its first argument
 */
__rte_experimental
void rte_pmd_gantry_igb_dma_debug_handler(void (*fn)(void *arg,
							  const struct gantry_dma_error *error),
		void *arg);

/**
 * Return the name of an object type.
 *
 * @param type  the type
 * @return a constant string; "?" for an unknown type
 */
__rte_experimental
const char *rte_pmd_gantry_igb_object_type_name(enum rte_pmd_gantry_igb_object_type type);

#ifdef __cplusplus
}
#endif

#endif /* RTE_PMD_GANTRY_IGB_H */
