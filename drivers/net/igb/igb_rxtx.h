/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Queues and the data path. igb_queue.c calls the others: igb_rx.c and igb_tx.c, which can do
 * everything on any CPU, and the faster paths of igb_rx_avx2.c and igb_tx_avx2.c, which leave to
 * the former what is rare. The theory is in igb_ethdev.c.
 */

#ifndef IGB_RXTX_H
#define IGB_RXTX_H

#include <gantry_dma_debug.h>

#include "igb_ethdev.h"

#define IGB_DEFAULT_RX_FREE_THRESH 32
#define IGB_DEFAULT_TX_RS_THRESH   32
#define IGB_DEFAULT_TX_FREE_THRESH 32
/* Descriptors in use at which the driver reclaims; at most 3/4 of a ring (free_thresh). */
#define IGB_TX_MAX_IN_USE 128
/* Descriptors ahead of the tail at which the driver requests ownership of a line. */
#define IGB_TX_AHEAD 64
/* Descriptors in a cache line. */
#define IGB_LINE_DESC (RTE_CACHE_LINE_SIZE / IGB_DESC_SIZE)

/* Limits of transmit descriptors (datasheet 7.2.2). */
#define IGB_TX_MIN_FRAME   17 /* shorter frames hang the transmitter, padded or not */
#define IGB_TX_MAX_FRAME   (IGB_MAX_FRAME - RTE_ETHER_CRC_LEN)
#define IGB_TX_MAX_TSO     0x3FFFF /* PAYLEN has 18 bits */
#define IGB_TX_MAX_TSO_HDR 240
#define IGB_TX_MAX_SEGS    64
/* Bytes from the start of a buffer to the end of the longest segment at the highest offset. */
#define IGB_TX_MAX_ROOM (2 * (size_t)UINT16_MAX)

#define IGB_RX_OFFLOADS \
	(RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_SCTP_CKSUM | \
			RTE_ETH_RX_OFFLOAD_VLAN_STRIP | RTE_ETH_RX_OFFLOAD_VLAN_FILTER | \
			RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_RSS_HASH)
#define IGB_TX_OFFLOADS \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
			RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_SCTP_CKSUM | \
			RTE_ETH_TX_OFFLOAD_VLAN_INSERT | RTE_ETH_TX_OFFLOAD_TCP_TSO | \
			RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE)
#define IGB_TX_QUEUE_OFFLOADS RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE

struct igb_rx_queue {
	/* Data path: read for every packet. The polling thread owns these fields. */
	union igb_rx_desc *ring;
	struct rte_mbuf **sw_mbuf;  /**< mbuf of each descriptor */
	gantry_dma_addr_t *sw_addr; /**< bus address of its buffer */
	uint64_t mbuf_init;         /**< rearm_data of a new mbuf */
	/** Highest IOVA of an mbuf whose mapping is an addition (direct mode); 0: no such mode. */
	gantry_dma_addr_t iova_last;
	uint16_t next;   /**< next descriptor to check for DD */
	uint16_t posted; /**< descriptors that the device owns, from next on */
	uint16_t fill;   /**< next descriptor to hand over to the device */
	uint16_t nb_desc;
	uint16_t free_thresh;
	uint16_t buf_len;              /**< bytes that the device may write into a buffer */
	uint16_t max_bufs;             /**< buffers that the longest possible frame takes */
	uint16_t missing;              /**< empty descriptors that nombuf already counts */
	uint16_t ipv6_mask;            /**< mask for pkt_info: packets without an IP checksum */
	bool drop_rest;                /**< dropping a bad frame, until its EOP */
	struct rte_mbuf *first, *last; /**< frame in several buffers, until its EOP */
	struct igb_queue_stats *stats; /**< counters of this queue number, in the adapter */
	struct gantry_dma_dev *dma;
	volatile uint32_t *rdt;
	struct rte_mempool *pool;

	/* Control path. */
	struct rte_eth_dev_data *dev_data;
	struct igb_adapter *adapter;
	gantry_dma_addr_t ring_addr;
	size_t ring_size;
	struct rte_eth_rxconf conf;
	uint16_t queue_id;
	int socket_id;
	bool stuck;         /**< the device did not stop using the buffers */
	unsigned int lcore; /**< core of the last refill */
	bool map_refused;   /**< a refused mapping has been logged */
};

/** Place of a descriptor's segment in its packet. */
enum igb_tx_part {
	IGB_TX_WHOLE = 0, /**< the only one */
	IGB_TX_SEGMENT,   /**< one of several, but not the last */
	IGB_TX_LAST,      /**< the last of several */
};

/**
 * Software state of one transmit descriptor, besides its mbuf. A plain packet does not write it,
 * except for the members of the first descriptor of a group.
 */
struct igb_tx_entry {
	gantry_dma_addr_t addr; /**< mapping of the segment, unless direct mode needs no unmap */
	uint16_t len;
	uint8_t part; /**< enum igb_tx_part; IGB_TX_WHOLE in a descriptor without an mbuf */
	/** In the first entry of a group: all packets of the group are plain. */
	bool plain;
	/** In the first entry of a group: the descriptor that reports for the group (RS). */
	uint16_t last;
};

/** Content of a context descriptor. The device holds one in each of its context slots. */
struct igb_tx_context {
	uint64_t lens_vlan; /**< vlan_macip_lens */
	uint64_t type_mss;  /**< type_tucmd, mss_l4len_idx without the index */
};

/**
 * A kind of plain packets: packets of one segment whose descriptors differ in address and length
 * only. Masks select what must be equal in the mbufs.
 */
struct igb_tx_plain {
	uint64_t flags_mask, flags;     /**< ol_flags */
	uint64_t offload_mask, offload; /**< tx_offload */
	uint32_t vlan_mask, vlan;       /**< vlan_tci */
	uint32_t min_len, max_len;      /**< pkt_len */
	uint32_t cmd, olinfo;           /**< of the descriptor, without the length */
};

struct igb_tx_queue {
	union igb_tx_desc *ring;
	/**
	 * Segment of each descriptor in use; NULL: a context descriptor. The entry of a free
	 * descriptor is stale while the queue runs, and NULL when it has stopped.
	 */
	struct rte_mbuf **sw_mbuf;
	struct igb_tx_entry *sw;
	/** Highest IOVA of a segment whose mapping is an addition; 0: no packet is plain. */
	gantry_dma_addr_t iova_last;
	uint16_t nb_desc;
	uint16_t tail; /**< next descriptor to write */
	uint16_t nb_free;
	uint16_t clean; /**< oldest descriptor in use: first of a group */
	uint16_t group; /**< first descriptor that no RS covers yet */
	uint16_t since_rs;
	uint16_t max_segs; /**< segments per packet that fit an empty ring */
	uint16_t rs_thresh;
	uint16_t free_thresh; /**< igb_tx_burst() reclaims below this nb_free */
	uint16_t ahead;       /**< IGB_TX_AHEAD; 0: the ring is too short */
	bool fast_free;
	/** The application promised fast free, and no chains: `next` of an mbuf is not read. */
	bool no_chains;
	bool plain;       /**< all packets since `group` are plain */
	uint8_t ctx_next; /**< context slot to overwrite next */
	/** [0]: packets without offloads; [1]: those with the context of the last one with one */
	struct igb_tx_plain kinds[2];
	struct igb_tx_context ctx[IGB_TX_CONTEXTS];
	struct igb_queue_stats *stats; /**< counters of this queue number, in the adapter */
	struct gantry_dma_dev *dma;
	volatile uint32_t *tdt;

	struct igb_adapter *adapter;
	gantry_dma_addr_t ring_addr;
	size_t ring_size;
	struct rte_eth_txconf conf;
	uint16_t queue_id;
	int socket_id;
	unsigned int lcore; /**< core that last reclaimed buffers */
	bool stuck;
	bool map_refused;                  /**< a refused mapping has been logged */
	struct gantry_dma_promise promise; /**< debug layer: what the application promised */
};

/*
 * The functions without a comment implement the ethdev operation of the same name. The bursts,
 * igb_tx_done_cleanup() and the status functions must run in the thread that polls the queue.
 */

/**
 * Request ownership of the cache line that contains a descriptor which the driver will write soon.
 * The device's core may hold the line; without the request, the store would wait for it. Has no
 * effect on CPUs without the instruction.
 */
static __rte_always_inline void
igb_request_line(const volatile void *desc)
{
#ifdef RTE_ARCH_X86
	asm volatile("prefetchw %0" : : "m"(*(const volatile char *)desc));
#else
	__builtin_prefetch((const void *)(uintptr_t)desc, 1);
#endif
}

/** Return whether the queue is stopped: nothing may be posted. */
static inline bool
igb_rx_is_stopped(const struct igb_rx_queue *q)
{
	return __atomic_load_n(&q->free_thresh, __ATOMIC_RELAXED) == UINT16_MAX;
}

/** Return rearm_data of an mbuf: data_off, refcnt, nb_segs and port as one word. */
static inline uint64_t *
igb_rearm_data(struct rte_mbuf *m)
{
	return RTE_PTR_ADD(m, offsetof(struct rte_mbuf, rearm_data));
}

/* igb_rx.c */
uint16_t igb_recv_pkts(void *rxq, struct rte_mbuf **pkts, uint16_t nb);
/** The part of igb_recv_pkts() that receives: igb_rx_refill() is the other part. */
uint16_t igb_rx_take(struct igb_rx_queue *q, struct rte_mbuf **pkts, uint16_t nb);
/**
 * Map mbufs of sw_mbuf and write their descriptors. mbufs that cannot be mapped return to the pool.
 *
 * @param q   the queue
 * @param at  the first descriptor
 * @param n   descriptors; must not reach beyond the end of the ring
 * @return number of descriptors written
 */
typedef uint16_t igb_rx_write_t(struct igb_rx_queue *q, uint16_t at, uint16_t n);
uint16_t igb_rx_write(struct igb_rx_queue *q, uint16_t at, uint16_t n);
/** Count n descriptors from `fill` on as posted, and move `fill`. */
void igb_rx_posted(struct igb_rx_queue *q, uint16_t n);
/** Post buffers if enough descriptors are empty, and ring the doorbell. */
void igb_rx_refill(struct igb_rx_queue *q, igb_rx_write_t *write);
gantry_rx_queue_count_t igb_rx_queue_count(void *rxq);
int igb_rx_descriptor_status(void *rxq, uint16_t offset);
/** Fill in the packet type table. Each process must call it. */
void igb_rx_init(void);
/** Return the first word of each new mbuf of a port: igb_rx_queue.mbuf_init. */
uint64_t igb_rx_mbuf_init(uint16_t port_id);
/**
 * Post buffers to all descriptors of an empty ring, except one. Does not ring the doorbell.
 *
 * @param q  the queue; its device is not using the ring
 * @retval 0        the ring is full
 * @retval -ENOMEM  the pool has too few mbufs
 * @retval -EFAULT  a buffer cannot be mapped; the reason is logged
 */
int igb_rx_fill(struct igb_rx_queue *q);
/**
 * Release the buffers that the device held.
 *
 * @param q  the queue; its device has stopped using the buffers
 */
void igb_rx_ring_empty(struct igb_rx_queue *q);

/* igb_tx.c */
uint16_t igb_xmit_pkts(void *txq, struct rte_mbuf **pkts, uint16_t nb);
/**
 * Write the descriptors of plain packets. Does not move the tail.
 *
 * @param q      the queue
 * @param at     the first descriptor
 * @param pkts   the packets
 * @param n      their number; they must not reach beyond the end of the ring
 * @param bytes  [in, out] bytes that the queue has sent
 * @return number of packets, up to the first one that is not plain
 */
typedef uint16_t igb_tx_write_t(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts,
		uint16_t n, uint64_t *bytes);
uint16_t igb_tx_write_plain(struct igb_tx_queue *q, uint16_t at, struct rte_mbuf **pkts, uint16_t n,
		uint64_t *bytes);
/** Make packets without offloads plain, and no others: the device holds no context. */
void igb_tx_kinds_init(struct igb_tx_queue *q);
/**
 * Send a burst. The burst functions that igb_rxtx_select() chooses call it, each with its function
 * for plain packets.
 *
 * @param q      the queue
 * @param pkts   the packets
 * @param nb     their number
 * @param write  writes the descriptors of plain packets
 * @return number of packets that the driver owns from now on; the caller keeps the others
 */
uint16_t igb_tx_burst(struct igb_tx_queue *q, struct rte_mbuf **pkts, uint16_t nb,
		igb_tx_write_t *write);
uint16_t igb_prep_pkts(void *txq, struct rte_mbuf **pkts, uint16_t nb);
int igb_tx_descriptor_status(void *txq, uint16_t offset);
int igb_tx_done_cleanup(void *txq, uint32_t free_cnt);
/**
 * Count the packets in the ring that a stopped queue has not sent.
 *
 * @param q     the queue
 * @param head  TDH; any value if the device is lost
 * @return packets
 */
uint16_t igb_tx_unsent(const struct igb_tx_queue *q, uint32_t head);
/** Take no more packets until the queue starts again, and clear the stale entries of sw_mbuf. */
void igb_tx_halt(struct igb_tx_queue *q);
/** Release all buffers: see igb_rx_ring_empty(). */
void igb_tx_ring_empty(struct igb_tx_queue *q);

#ifdef RTE_ARCH_X86_64
/* igb_rx_avx2.c, igb_tx_avx2.c: the same bursts, for a CPU with AVX2 and direct mode */
uint16_t igb_recv_pkts_avx2(void *rxq, struct rte_mbuf **pkts, uint16_t nb);
uint16_t igb_xmit_pkts_avx2(void *txq, struct rte_mbuf **pkts, uint16_t nb);
#endif

#ifdef GANTRY_MBUF_RECYCLING
/* igb_recycle.c */
void igb_recycle_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id,
		struct rte_eth_recycle_rxq_info *info);
uint16_t igb_recycle_tx_mbufs_reuse(void *txq, struct rte_eth_recycle_rxq_info *info);
void igb_recycle_rx_descriptors_refill(void *rxq, uint16_t nb);
#endif

/* igb_queue.c */
int igb_rx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_rxconf *conf,
		struct rte_mempool *pool);
int igb_tx_queue_setup(struct rte_eth_dev *dev, uint16_t queue_id, uint16_t nb_desc,
		unsigned int socket_id, const struct rte_eth_txconf *conf);
void igb_rx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id);
void igb_tx_queue_release(struct rte_eth_dev *dev, uint16_t queue_id);
/** Release all queues of a port. */
void igb_queues_release(struct rte_eth_dev *dev);
int igb_rx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_rx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_tx_queue_start(struct rte_eth_dev *dev, uint16_t queue_id);
int igb_tx_queue_stop(struct rte_eth_dev *dev, uint16_t queue_id);
void igb_rxq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_rxq_info *info);
void igb_txq_info_get(struct rte_eth_dev *dev, uint16_t queue_id, struct rte_eth_txq_info *info);
int igb_rx_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id,
		struct rte_eth_burst_mode *mode);
int igb_tx_burst_mode_get(struct rte_eth_dev *dev, uint16_t queue_id,
		struct rte_eth_burst_mode *mode);

/**
 * Decide whether received frames of an MTU may take several buffers (scattered_rx).
 *
 * @param dev  the port
 * @param mtu  bytes
 * @retval 0        every ring can hold such a frame
 * @retval -EINVAL  a ring is too short for such a frame; the reason is logged
 */
int igb_rx_fit(struct rte_eth_dev *dev, uint16_t mtu);
/**
 * Accept frames up to an MTU. Call igb_rx_fit() first.
 *
 * @param dev  the port; may be started
 * @param mtu  bytes
 */
void igb_rx_set_mtu(struct rte_eth_dev *dev, uint16_t mtu);

/**
 * Program the registers that apply to all queues (RCTL, RXCSUM, TCTL, ...), and start the queues
 * that are not deferred.
 *
 * @param dev  the port
 * @return 0 or a negative errno; the caller stops the port after an error
 */
int igb_queues_start(struct rte_eth_dev *dev);
/**
 * Stop all queues and release their buffers. Rings whose device does not stop DMA keep theirs.
 *
 * @param dev  the port
 */
void igb_queues_stop(struct rte_eth_dev *dev);
/** Install the data path functions in the port. Each process must call it. */
void igb_rxtx_select(struct rte_eth_dev *dev);

#endif /* IGB_RXTX_H */
