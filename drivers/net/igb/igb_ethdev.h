/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The port: structures and functions that the files of the driver share. The theory is in
 * igb_ethdev.c.
 */

#ifndef IGB_ETHDEV_H
#define IGB_ETHDEV_H

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <ethdev_driver.h>
#include <rte_ethdev.h>
#include <rte_spinlock.h>

#include <dpdk_compat.h>
#include <gantry_dma.h>

#include "igb_bus.h"
#include "igb_devargs.h"
#include "igb_hw.h"
#include "igb_logs.h"

#define IGB_DRIVER_NAME "net_gantry_igb"
#define IGB_PLUGIN_FILE "librte_net_gantry_igb.so"

#define IGB_MIN_DESC 32
#define IGB_MAX_DESC 4096
/* Number of descriptors in 128 bytes, the granularity of RDLEN and TDLEN. */
#define IGB_DESC_ALIGN (IGB_RING_ALIGN / IGB_DESC_SIZE)
#define IGB_MIN_RX_BUF 256 /* bytes: the smallest RCTL.BSIZE */
/* Ethernet header, one VLAN tag, FCS. */
#define IGB_ETH_OVERHEAD (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN)
#define IGB_MAX_MTU      (IGB_MAX_FRAME - IGB_ETH_OVERHEAD)
#define IGB_RSS_KEY_LEN  40
#define IGB_RSS_OFFLOADS \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP | \
			RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP | \
			RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_EX | \
			RTE_ETH_RSS_IPV6_TCP_EX | RTE_ETH_RSS_IPV6_UDP_EX)

#define IGB_LINK_WAIT_MS 9000 /* copper auto-negotiation can take several seconds */

/* Number of statistics registers at most; order as in the table of igb_stats.c. */
#define IGB_MAX_HW_STATS 64

/** Counters of one queue, from the data path. */
struct igb_queue_counts {
	uint64_t packets, bytes, errors;
	uint64_t nombuf; /**< receive: descriptors left empty, for want of an mbuf */
};

/**
 * Counters of one queue number, for the life of the port: if a queue is set up again, it goes on
 * counting. `now` has one writer, the polling thread, and only increases; a reset of the
 * statistics copies it to `base`.
 */
struct igb_queue_stats {
	struct igb_queue_counts now, base;
};

/** State of a queue at the last check of the watchdog: see igb_watchdog.c. */
struct igb_watch {
	uint8_t unchanged;   /**< consecutive checks that found the queue unchanged; 0: none */
	bool reported;       /**< the stall has been reported */
	uint16_t at;         /**< the descriptor that should be written back next */
	uint16_t last, used; /**< transmit: RS descriptor of its group; descriptors in use */
	uint32_t head;       /**< transmit: TDH */
	const struct rte_mbuf *mbuf; /**< transmit: distinguishes laps, never dereferenced */
	uint64_t packets;
	uint64_t missed; /**< receive: frames missed for want of descriptors */
};

/** The core that was last seen polling a queue: see igb_numa.c. */
struct igb_poller {
	unsigned int lcore;
	bool warned;
};

/**
 * A port. Resides in shared memory; igb_bus.h states which of its pointers are valid in the
 * primary process only.
 */
struct igb_adapter {
	struct igb_hw hw;
	struct igb_controller controller; /* target of hw.ctl: a copy that all processes see */
	struct igb_devargs devargs;
	struct gantry_dma_dev *dma;
	bool dma_shared; /* secondaries may map and unmap: mode direct, no dma_debug */
	uint16_t port_id;
	uint16_t nb_queues; /* of each direction, as the controller has them */
	uint32_t nb_vectors;
	bool intr_per_queue;
	bool intr_registered;
	bool intr_enabled;
	bool removal_reported;
	bool link_on;    /* from start to stop; else the port reports "down" */
	bool quarantine; /* memory was left to a device that might still use it */
	bool intr_msix;  /* vectors are in use; else one interrupt for all causes */
	rte_spinlock_t intr_lock;
	uint32_t intr_armed; /* rx queues without an own vector that await an interrupt */
	volatile uint32_t *doorbells[2]; /* RDT, TDT of queue 0, the same in every process */

	/* Filters, as the driver programs them after the next reset. */
	uint32_t mta[IGB_NUM_MTA];
	uint32_t vfta[IGB_NUM_VFTA];
	uint8_t reta[IGB_NUM_RETA];
	uint8_t rss_key[IGB_RSS_KEY_LEN];
	uint64_t rss_hf;

	/* Statistics: registers clear when they are read, so the sums are kept here. */
	rte_spinlock_t stats_lock;
	uint64_t hw_stats[IGB_MAX_HW_STATS];
	uint64_t rqdpc[IGB_MAX_QUEUES];
	/* One cache line per queue, because two cores poll two queues. */
	alignas(RTE_CACHE_LINE_SIZE) struct igb_queue_stats rx_stats[IGB_MAX_QUEUES];
	struct igb_queue_stats tx_stats[IGB_MAX_QUEUES];

	/* State of the watchdog. */
	struct igb_watch rx_watch[IGB_MAX_QUEUES], tx_watch[IGB_MAX_QUEUES];
	struct igb_poller rx_poller[IGB_MAX_QUEUES], tx_poller[IGB_MAX_QUEUES];
	bool refusal_reported; /* since the start: an access of the device to memory */
};

static inline struct igb_adapter *
igb_adapter_of(const struct rte_eth_dev *dev)
{
	return dev->data->dev_private;
}

static inline struct igb_hw *
igb_hw_of(const struct rte_eth_dev *dev)
{
	return &igb_adapter_of(dev)->hw;
}

static inline uint16_t
igb_link_autoneg(const struct rte_eth_dev *dev)
{
	return dev->data->dev_conf.link_speeds & RTE_ETH_LINK_SPEED_FIXED ? RTE_ETH_LINK_FIXED :
									    RTE_ETH_LINK_AUTONEG;
}

/*
 * Functions without a comment implement the ethdev operation of the same name. The files appear in
 * the order of README.md, the highest first.
 */

/* igb_pci.c, igb_vdev.c, igb_vfio_user.c: registration of the drivers, one for each bus */
void igb_pci_register(void);
void igb_vdev_register(void);
void igb_vfio_user_register(void);

/* igb_probe.c: entry points for the buses */
/**
 * Create the port of a device, or attach to it in a secondary process.
 *
 * @param bus  description of the device. The structure may end with the call, the objects that
 *   it points to belong to the bus and must remain valid until igb_ethdev_remove().
 * @return 0, a negative errno, or 1 if another driver should try the device
 */
int igb_ethdev_probe(const struct igb_bus_dev *bus);
/**
 * Close and release the port of a device, if the application has not closed it.
 *
 * @param device  the device of the port
 * @return 0 or a negative errno
 */
int igb_ethdev_remove(struct rte_device *device);
/**
 * Check in a secondary process whether a port can be used, for a bus whose probe is expensive.
 *
 * @param device  the device of the port
 * @return true if this process can poll the port; else false, after a log line with the reason
 */
bool igb_ethdev_can_be_shared(const struct rte_device *device);

/* igb_ethdev.c */
/** Install the ethdev operations of this kind of process, primary or secondary. */
void igb_ethdev_set_ops(struct rte_eth_dev *dev);
/** Return true if a port belongs to this driver. */
bool igb_ethdev_is_ours(const struct rte_eth_dev *dev);
/** Release everything that a port has except its structures: dev_close of ethdev. */
int igb_ethdev_close(struct rte_eth_dev *dev);
/**
 * Register the BARs with lib/dma, which must refuse to map them: a BAR is not a DMA buffer.
 *
 * @param hw      the device
 * @param mapped  false: the BARs are about to be unmapped
 */
void igb_ethdev_note_bars(const struct igb_hw *hw, bool mapped);

/* igb_watchdog.c */
/** Begin to check the queues, once a second. */
void igb_watchdog_start(struct rte_eth_dev *dev);
/** End the checks, after a check in progress. */
void igb_watchdog_stop(struct rte_eth_dev *dev);
/** Forget refused accesses of the device to memory, before its queues start. */
void igb_watchdog_begin_refusals(struct rte_eth_dev *dev);
/** Report an access that was refused since the last check, after the queues have stopped. */
void igb_watchdog_end_refusals(struct rte_eth_dev *dev);
/**
 * Check all started queues once. The alarm calls it, and tests do.
 *
 * @param dev  the port
 * @return true if this check completed the detection of a stall
 */
bool igb_watchdog_check(struct rte_eth_dev *dev);

/* igb_intr.c */
/** Register the interrupt handler, at probe. @return 0 or a negative errno */
int igb_intr_setup(struct rte_eth_dev *dev);
/** Unregister the interrupt handler; waits for it unless called from it. */
void igb_intr_teardown(struct rte_eth_dev *dev);
/** Program vectors and enable interrupts, at start. @return 0 or a negative errno */
int igb_intr_start(struct rte_eth_dev *dev);
/** Mask all interrupts, and undo igb_intr_start(). */
void igb_intr_stop(struct rte_eth_dev *dev);
int igb_rx_queue_intr_enable(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_rx_queue_intr_disable(struct rte_eth_dev *dev, uint16_t queue_id);

/* igb_queue.c, igb_rx.c, igb_tx.c: see igb_rxtx.h */

/* igb_filter.c */
/** Program all filters again, after a reset. */
void igb_filter_start(struct rte_eth_dev *dev);
/** Take over the RSS configuration of ethdev. @return 0 or a negative errno */
int igb_filter_configure(struct rte_eth_dev *dev);
int igb_promiscuous_enable(struct rte_eth_dev *dev);
int igb_promiscuous_disable(struct rte_eth_dev *dev);
int igb_allmulticast_enable(struct rte_eth_dev *dev);
int igb_allmulticast_disable(struct rte_eth_dev *dev);
int igb_mac_addr_add(struct rte_eth_dev *dev, struct rte_ether_addr *addr, uint32_t index,
		uint32_t pool);
void igb_mac_addr_remove(struct rte_eth_dev *dev, uint32_t index);
int igb_mac_addr_set(struct rte_eth_dev *dev, struct rte_ether_addr *addr);
int igb_set_mc_addr_list(struct rte_eth_dev *dev, struct rte_ether_addr *list, uint32_t nb);
int igb_vlan_filter_set(struct rte_eth_dev *dev, uint16_t vlan, int on);
int igb_vlan_offload_set(struct rte_eth_dev *dev, int mask);
int igb_rss_hash_update(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf);
int igb_rss_hash_conf_get(struct rte_eth_dev *dev, struct rte_eth_rss_conf *conf);
int igb_reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta, uint16_t size);
int igb_reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta, uint16_t size);

/* igb_event.c */
/**
 * Enable or disable the events of a port: its probe is complete, or its close begins. A closed
 * port reports no event.
 *
 * @param dev     the port
 * @param enable  false: return only when no event of a lost device is being reported
 */
void igb_event_enable(struct rte_eth_dev *dev, bool enable);
/**
 * Notify the application of an event, if the port is still open.
 *
 * Called in the EAL interrupt thread. The application may close the port in its callback: the
 * caller must not access the port afterwards.
 *
 * @param dev    the port
 * @param event  the event
 */
void igb_event_report(struct rte_eth_dev *dev, enum rte_eth_event_type event);
/**
 * Mark a device as lost, and notify the application once: link down, then removal.
 *
 * Called in the EAL interrupt thread. May be called more than once, and for any device.
 *
 * @param device  the device
 */
void igb_ethdev_lost(const struct rte_device *device);

/* igb_link.c */
/**
 * Read the link state and publish it: link_update of ethdev.
 *
 * @param dev               the port
 * @param wait_to_complete  nonzero: wait up to IGB_LINK_WAIT_MS for the link to come up
 * @return 0 if the state has changed, else -1
 */
int igb_link_update(struct rte_eth_dev *dev, int wait_to_complete);
int igb_dev_set_link_up(struct rte_eth_dev *dev);
int igb_dev_set_link_down(struct rte_eth_dev *dev);

/* igb_stats.c */
/**
 * Add the statistics registers, which clear when they are read, to the sums of the port. In a
 * secondary process: have the primary process do so.
 *
 * @param dev    the port
 * @param basic  true: only registers that struct rte_eth_stats needs
 * @return 0, or a negative errno in a secondary process
 */
int igb_stats_collect(struct rte_eth_dev *dev, bool basic);
/** Collect all statistics registers, before a reset clears them. */
void igb_stats_update(struct rte_eth_dev *dev);
/**
 * Return the frames that a receive queue missed for want of descriptors, as far as the device
 * attributes them to the queue.
 *
 * @param dev       the port
 * @param queue_id  the queue
 * @return frames since the last reset of the statistics
 */
uint64_t igb_stats_missed(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats GANTRY_QSTATS_ARG);
int igb_stats_reset(struct rte_eth_dev *dev);
int igb_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *stats, unsigned int n);
int igb_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names, unsigned int n);
int igb_xstats_get_by_id(struct rte_eth_dev *dev, const uint64_t *ids, uint64_t *values,
		unsigned int n);
int igb_xstats_get_names_by_id(struct rte_eth_dev *dev, const uint64_t *ids,
		struct rte_eth_xstat_name *names, unsigned int n);

/* igb_mp.c: requests of secondary processes to the primary process */
enum igb_mp_op { IGB_MP_STATS, IGB_MP_XSTATS, IGB_MP_STATS_RESET, IGB_MP_LINK };
/** Carry out a request, in the EAL IPC thread. @return the reply: 0 or a negative errno */
typedef int igb_mp_serve(struct rte_eth_dev *dev, enum igb_mp_op op);
/** Primary process: begin to serve requests for a port. */
void igb_mp_open(struct rte_eth_dev *dev, igb_mp_serve *serve);
/** Primary process: end the service, after a request in progress. */
void igb_mp_close(struct rte_eth_dev *dev);
/**
 * Secondary process: have the primary process carry out an operation.
 *
 * @param dev  the port
 * @param op   the operation
 * @return its result; -EIO if the primary process does not answer within 5 s
 */
int igb_mp_ask(struct rte_eth_dev *dev, enum igb_mp_op op);

/* igb_numa.c */
/**
 * Allocate zeroed shared memory, on a node if possible, else on any node.
 *
 * @param name       of the allocation, for EAL
 * @param size       bytes
 * @param socket_id  preferred node, or SOCKET_ID_ANY
 * @return the memory, which the caller frees with rte_free(), or NULL
 */
void *igb_zmalloc(const char *name, size_t size, int socket_id);
/**
 * Return the NUMA node for the memory of a queue.
 *
 * @param dev        the port
 * @param socket_id  the choice of the application, or SOCKET_ID_ANY
 * @return socket_id, or the node of the device if that is SOCKET_ID_ANY
 */
int igb_numa_node(const struct rte_eth_dev *dev, unsigned int socket_id);
/**
 * Log a warning if a ring or a pool is on another node than the device.
 *
 * @param dev       the port
 * @param what      "rx" or "tx", for the message
 * @param queue_id  the queue, for the message
 * @param ring      CPU address of the ring
 * @param pool      mempool of the queue, or NULL
 * @return the node of the ring, or SOCKET_ID_ANY if it is unknown
 */
int igb_numa_check_queue(const struct rte_eth_dev *dev, const char *what, uint16_t queue_id,
		const void *ring, struct rte_mempool *pool);
/**
 * Log a warning, once per queue, if a polling core is on another node than the device or the
 * memory of the queue.
 *
 * @param dev        the port
 * @param what       "rx" or "tx", for the message
 * @param queue_id   the queue, for the message
 * @param lcore      the core that was seen polling
 * @param socket_id  node of the memory of the queue
 * @param last       [in, out] the core at the last check, and whether a warning was logged
 */
void igb_numa_check_poller(const struct rte_eth_dev *dev, const char *what, uint16_t queue_id,
		unsigned int lcore, int socket_id, struct igb_poller *last);

#endif /* IGB_ETHDEV_H */
