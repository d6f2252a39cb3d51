/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The port: what the driver's files share. The theory is in igb_ethdev.c.
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

#define IGB_DRIVER_NAME    "net_gantry_igb"
#define IGB_PLUGIN_FILE    "librte_net_gantry_igb.so"

#define IGB_MIN_DESC       32
#define IGB_MAX_DESC       4096
/* RDLEN and TDLEN count in 128 bytes. */
#define IGB_DESC_ALIGN     (IGB_RING_ALIGN / IGB_DESC_SIZE)
#define IGB_MIN_RX_BUF     256   /* RCTL.BSIZE's least */
/* Ethernet header, one VLAN tag, FCS. */
#define IGB_ETH_OVERHEAD   (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN)
#define IGB_MAX_MTU        (IGB_MAX_FRAME - IGB_ETH_OVERHEAD)
#define IGB_RSS_KEY_LEN    40
#define IGB_RSS_OFFLOADS   (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | \
	RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_TCP | \
	RTE_ETH_RSS_NONFRAG_IPV6_UDP | RTE_ETH_RSS_IPV6_EX | RTE_ETH_RSS_IPV6_TCP_EX | \
	RTE_ETH_RSS_IPV6_UDP_EX)

#define IGB_LINK_WAIT_MS   9000 /* copper auto-negotiation takes up to some seconds */

/* Statistics registers, in the order of igb_stats.c's table. */
#define IGB_MAX_HW_STATS   64

/** The data path's counts of a queue. */
struct igb_queue_counts {
	uint64_t packets, bytes, errors;
	uint64_t nombuf;          /**< receive: descriptors that an empty pool left without an mbuf */
};

/**
 * Of one queue number, for the life of the port: a queue that is set up again goes on counting.
 * `now` has one writer, the polling thread, and only ever rises; a reset copies it to `base`.
 */
struct igb_queue_stats {
	struct igb_queue_counts now, base;
};

/** What the watchdog saw of a queue at its last look: igb_watchdog.c. */
struct igb_watch {
	uint8_t looks;            /**< how many in a row found it standing still; 0: none */
	bool told;                /**< that it stalls */
	uint16_t at;              /**< the descriptor that should be written back next */
	uint16_t last, used;      /**< transmit: its group's RS descriptor; descriptors in use */
	uint32_t head;            /**< transmit: TDH */
	const struct rte_mbuf *mbuf; /**< transmit: for telling laps apart, never followed */
	uint64_t packets;
	uint64_t missed;          /**< receive */
};

/** Who was seen polling a queue: igb_numa.c. */
struct igb_poller {
	unsigned int lcore;
	bool warned;
};

/** A port. In shared memory; see igb_bus.h for which pointers are the primary's. */
struct igb_adapter {
	struct igb_hw hw;
	struct igb_controller controller; /* what hw.ctl points to: a copy that all processes see */
	struct igb_devargs devargs;
	struct gantry_dma_dev *dma;
	bool dma_shared;          /* secondary processes may map and unmap: direct, not watched */
	uint16_t port_id;
	uint16_t nb_queues;       /* of each direction, the controller's */
	uint32_t nb_vectors;
	bool intr_per_queue;
	bool intr_registered;
	bool intr_enabled;
	bool removal_told;
	bool link_on;             /* from start to stop: else the link is down, whatever the PHY says */
	bool quarantine;          /* memory was left to a device that might still use it */
	bool intr_msix;           /* vectors are used; else one interrupt for all */
	rte_spinlock_t intr_lock;
	uint32_t intr_armed;      /* rx queues without a vector of their own that want to be told */
	volatile uint32_t *doorbells[2]; /* of queue 0: RDT, TDT. The same in a secondary, or it is refused */

	/* Filters, as they are to be after the next reset. */
	uint32_t mta[IGB_NUM_MTA];
	uint32_t vfta[IGB_NUM_VFTA];
	uint8_t reta[IGB_NUM_RETA];
	uint8_t rss_key[IGB_RSS_KEY_LEN];
	uint64_t rss_hf;

	/* Statistics: registers clear when read, so they are added up here. */
	rte_spinlock_t stats_lock;
	uint64_t hw_stats[IGB_MAX_HW_STATS];
	uint64_t rqdpc[IGB_MAX_QUEUES];
	/* One cache line each: two cores poll two queues. */
	alignas(RTE_CACHE_LINE_SIZE) struct igb_queue_stats rx_stats[IGB_MAX_QUEUES];
	struct igb_queue_stats tx_stats[IGB_MAX_QUEUES];

	/* The watchdog's. */
	struct igb_watch rx_watch[IGB_MAX_QUEUES], tx_watch[IGB_MAX_QUEUES];
	struct igb_poller rx_poller[IGB_MAX_QUEUES], tx_poller[IGB_MAX_QUEUES];
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
	return dev->data->dev_conf.link_speeds & RTE_ETH_LINK_SPEED_FIXED ?
		RTE_ETH_LINK_FIXED : RTE_ETH_LINK_AUTONEG;
}

/* igb_ethdev.c: the buses' way in */
int igb_ethdev_probe(const struct igb_bus_dev *bus);
int igb_ethdev_remove(struct rte_device *device);
/* In a secondary process, for a bus that has to do much before it can probe; after a line false. */
bool igb_ethdev_can_be_shared(const struct rte_device *device);
void igb_ethdev_lost(const struct rte_device *device);
void igb_ethdev_tell(struct rte_eth_dev *dev, enum rte_eth_event_type event);
bool igb_ethdev_is_ours(const struct rte_eth_dev *dev);

/* The buses */
void igb_pci_register(void);
void igb_vdev_register(void);
void igb_vfio_user_register(void);

/* igb_rxtx.c: see igb_rxtx.h */

/* igb_intr.c */
int igb_intr_setup(struct rte_eth_dev *dev);
void igb_intr_teardown(struct rte_eth_dev *dev);
int igb_intr_start(struct rte_eth_dev *dev);
void igb_intr_stop(struct rte_eth_dev *dev);
int igb_link_update(struct rte_eth_dev *dev, int wait_to_complete);
int igb_rx_queue_intr_enable(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_rx_queue_intr_disable(struct rte_eth_dev *dev, uint16_t queue_id);

/* igb_mp.c: the primary's side, then a secondary's */
enum igb_mp_op { IGB_MP_STATS, IGB_MP_XSTATS, IGB_MP_STATS_RESET, IGB_MP_LINK };
void igb_mp_open(struct rte_eth_dev *dev);
void igb_mp_close(struct rte_eth_dev *dev);
int igb_mp_ask(struct rte_eth_dev *dev, enum igb_mp_op op);
int igb_mp_link_update(struct rte_eth_dev *dev, int wait_to_complete);

/* igb_watchdog.c */
void igb_watchdog_start(struct rte_eth_dev *dev);
void igb_watchdog_stop(struct rte_eth_dev *dev);
/* One look at all queues; true if a queue was found to stall. For tests, too. */
bool igb_watchdog_look(struct rte_eth_dev *dev);

/* igb_numa.c */
void *igb_zmalloc(const char *name, size_t size, int socket_id);
/* The node that a queue's memory is asked for from: the application's choice, or the device's. */
int igb_numa_node(const struct rte_eth_dev *dev, unsigned int socket_id);
/* Warns of a ring, and of a pool unless NULL, on another node than the device; the ring's node. */
int igb_numa_check_queue(const struct rte_eth_dev *dev, const char *what, uint16_t queue_id,
		const void *ring, struct rte_mempool *pool);
/* Warns once of a core on another node than the device or the queue's memory. */
void igb_numa_check_poller(const struct rte_eth_dev *dev, const char *what, uint16_t queue_id,
		unsigned int lcore, int socket_id, struct igb_poller *before);

/* igb_stats.c */
int igb_stats_collect(struct rte_eth_dev *dev, bool basic);
void igb_stats_update(struct rte_eth_dev *dev);
/* Frames that a receive queue missed for want of descriptors, as far as the device can tell. */
uint64_t igb_stats_missed(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats GANTRY_QSTATS_ARG);
int igb_stats_reset(struct rte_eth_dev *dev);
int igb_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *stats, unsigned int n);
int igb_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names,
		unsigned int n);
int igb_xstats_get_by_id(struct rte_eth_dev *dev, const uint64_t *ids, uint64_t *values,
		unsigned int n);
int igb_xstats_get_names_by_id(struct rte_eth_dev *dev, const uint64_t *ids,
		struct rte_eth_xstat_name *names, unsigned int n);

/* igb_filter.c */
void igb_filter_start(struct rte_eth_dev *dev);
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
int igb_reta_update(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta,
		uint16_t size);
int igb_reta_query(struct rte_eth_dev *dev, struct rte_eth_rss_reta_entry64 *reta,
		uint16_t size);

#endif /* IGB_ETHDEV_H */
