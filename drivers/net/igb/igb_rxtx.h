/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Rings and the data path.
 */

#ifndef IGB_RXTX_H
#define IGB_RXTX_H

#include <gantry_dma_debug.h>

#include "igb_ethdev.h"

#define IGB_DEFAULT_RX_FREE_THRESH 32
#define IGB_DEFAULT_TX_RS_THRESH   32
#define IGB_DEFAULT_TX_FREE_THRESH 32
#define IGB_TX_KEPT                128

/* Limits of transmit descriptors (datasheet 7.2.2). */
#define IGB_TX_MIN_FRAME    17      /* shorter ones hang the transmitter, padding or not */
#define IGB_TX_MAX_FRAME    (IGB_MAX_FRAME - RTE_ETHER_CRC_LEN)
#define IGB_TX_MAX_TSO      0x3FFFF /* PAYLEN has 18 bits */
#define IGB_TX_MAX_TSO_HDR  240
#define IGB_TX_MAX_SEGS     64

#define IGB_RX_OFFLOADS     (RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_SCTP_CKSUM | \
	RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_VLAN_FILTER | \
	RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_RSS_HASH)
#define IGB_TX_OFFLOADS     (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
	RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_SCTP_CKSUM | \
	RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_TCP_TSO | \
	RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)
#define IGB_TX_QUEUE_OFFLOADS RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE

struct igb_rx_queue {
	/* Read for every packet. */
	union igb_rx_desc *ring;
	struct rte_mbuf **sw_mbuf;         /**< what each descriptor points into */
	gantry_dma_addr_t *sw_addr;        /**< and at which bus address */
	uint64_t mbuf_init;                /**< rearm_data of a fresh mbuf */
	uint16_t next;                     /**< next descriptor to look at */
	uint16_t posted;                   /**< descriptors that are the device's, from next on */
	uint16_t fill;                     /**< next descriptor to give to the device */
	uint16_t nb_desc;
	uint16_t free_thresh;
	uint16_t buf_len;                  /**< bytes that the device may write to a buffer */
	uint16_t max_bufs;                 /**< that the longest frame of all takes */
	uint16_t missing;                  /**< empty descriptors that nombuf has counted */
	uint16_t ipv6_mask;                /**< of pkt_info: packets without an IP checksum to check */
	bool drop_rest;                    /**< in a bad frame, until its EOP */
	struct rte_mbuf *first, *last;     /**< frame under way */
	struct igb_queue_stats *stats;     /**< the adapter's, of the queue's number */
	struct gantry_dma_dev *dma;
	volatile uint32_t *rdt;
	struct rte_mempool *pool;

	/* Control. */
	struct rte_eth_dev_data *dev_data;
	struct igb_adapter *adapter;
	gantry_dma_addr_t ring_addr;
	size_t ring_size;
	struct rte_eth_rxconf conf;
	uint16_t queue_id;
	int socket_id;
	uint16_t port_id;
	bool stuck;                        /**< the device would not let go of the buffers */
	unsigned int lcore;                /**< that filled it up last */
	bool map_refused;                  /**< a refused mapping has been told of */
};

/** One per descriptor. */
struct igb_tx_entry {
	struct rte_mbuf *mbuf;             /**< segment, or NULL: a context */
	gantry_dma_addr_t addr;
	uint16_t len;
	/** Of the first entry of a group: the descriptor which reports for all of it (RS). */
	uint16_t last;
	bool eop;                          /**< last segment of a packet */
	bool chained;                      /**< one of several */
};

/** What a context descriptor says; what the device remembers in each of its slots. */
struct igb_tx_context {
	uint64_t lens_vlan;                /**< vlan_macip_lens */
	uint64_t type_mss;                 /**< type_tucmd, mss_l4len_idx less the index */
};

struct igb_tx_queue {
	union igb_tx_desc *ring;
	struct igb_tx_entry *sw;
	uint16_t nb_desc;
	uint16_t tail;                     /**< next descriptor to fill */
	uint16_t nb_free;
	uint16_t clean;                    /**< oldest descriptor not yet reclaimed: a group's first */
	uint16_t group;                    /**< first descriptor that no RS covers yet */
	uint16_t since_rs;
	uint16_t max_segs;                 /**< of a packet, so that it fits an empty ring */
	uint16_t rs_thresh;
	uint16_t free_thresh;
	bool fast_free;
	uint8_t ctx_next;                  /**< slot to overwrite next */
	struct igb_tx_context ctx[IGB_TX_CONTEXTS];
	struct igb_queue_stats *stats;     /**< the adapter's, of the queue's number */
	struct gantry_dma_dev *dma;
	volatile uint32_t *tdt;

	struct igb_adapter *adapter;
	gantry_dma_addr_t ring_addr;
	size_t ring_size;
	struct rte_eth_txconf conf;
	uint16_t queue_id;
	int socket_id;
	unsigned int lcore;                /**< that reclaimed buffers last */
	bool stuck;
	struct gantry_dma_promise promise; /**< under the debug layer: what the application said */
};

uint16_t igb_recv_pkts(void *rxq, struct rte_mbuf **pkts, uint16_t nb);
uint16_t igb_xmit_pkts(void *txq, struct rte_mbuf **pkts, uint16_t nb);
uint16_t igb_prep_pkts(void *txq, struct rte_mbuf **pkts, uint16_t nb);
gantry_rx_queue_count_t igb_rx_queue_count(void *rxq);
int igb_rx_descriptor_status(void *rxq, uint16_t offset);
int igb_tx_descriptor_status(void *txq, uint16_t offset);
int igb_tx_done_cleanup(void *txq, uint32_t free_cnt);

int igb_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_rxconf *conf,
		struct rte_mempool *pool);
int igb_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_txconf *conf);
void igb_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id);
void igb_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id);
void igb_queues_release(struct rte_eth_dev *dev);
int igb_rx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_rx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_tx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_tx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id);
void igb_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_rxq_info *info);
void igb_txq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_txq_info *info);
int igb_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id,
		struct rte_eth_burst_mode *mode);

/**
 * Decides which queues' buffers hold a frame of the MTU alone, and which take several: scattered_rx.
 *
 * @return
 *   0; -EINVAL: a ring is too short for such a frame.
 */
int igb_rx_fit(struct rte_eth_dev *dev, uint16_t mtu);
/** Lets frames of the MTU in; after igb_rx_fit(). */
void igb_rx_set_mtu(struct rte_eth_dev *dev, uint16_t mtu);

/** RCTL, RXCSUM, TCTL and what else holds for all queues; then those that aren't deferred. */
int igb_rxtx_start(struct rte_eth_dev *dev);
void igb_rxtx_stop(struct rte_eth_dev *dev);
/** Hangs the data path's functions into the port. Each process. */
void igb_rxtx_select(struct rte_eth_dev *dev);
/** Fills the packet type table. Each process. */
void igb_rxtx_init(void);

#endif /* IGB_RXTX_H */
