/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The NUMA node of the port.
 *
 * Rings and their software state are allocated on the node that the application names, or else on
 * the node of the device. Memory on another node works, but each access crosses between nodes. The
 * driver warns once when a queue is set up, and once when the watchdog sees the core that polls
 * it. A device without a node (a software device) is near to everything.
 */

#include <rte_malloc.h>
#include <rte_mempool.h>

#include "igb_rxtx.h"

void *
igb_zmalloc(const char *name, size_t size, int socket_id)
{
	void *p = rte_zmalloc_socket(name, size, RTE_CACHE_LINE_SIZE, socket_id);

	/* If the node has no memory left, memory of another node is better than none. */
	if (p == NULL && socket_id != SOCKET_ID_ANY)
		p = rte_zmalloc(name, size, RTE_CACHE_LINE_SIZE);
	return p;
}

int
igb_numa_node(const struct rte_eth_dev *dev, unsigned int socket_id)
{
	return (int)socket_id == SOCKET_ID_ANY ? dev->device->numa_node : (int)socket_id;
}

/* Actual node of memory; SOCKET_ID_ANY if EAL does not know it (external memory). */
static int
igb_numa_of(const void *addr)
{
	const struct rte_memseg_list *msl = rte_mem_virt2memseg_list(addr);

	return msl == NULL || msl->external || msl->socket_id >= RTE_MAX_NUMA_NODES ?
			SOCKET_ID_ANY :
			msl->socket_id;
}

static void
igb_numa_first(struct rte_mempool *pool, void *arg, struct rte_mempool_memhdr *mem,
		unsigned int index)
{
	if (index == 0)
		*(int *)arg = igb_numa_of(mem->addr);
}

struct igb_ring_place {
	const void *ring;
	int node;
};

static void
igb_numa_block(void *arg, const struct gantry_dma_block *b)
{
	struct igb_ring_place *place = arg;

	if (b->cpu == place->ring)
		place->node = b->socket_id;
}

/* Find the node of a ring in EAL memory, or outside of it (dma=bounce). */
static int
igb_numa_of_ring(const struct rte_eth_dev *dev, const void *ring)
{
	struct igb_ring_place place = { ring, SOCKET_ID_ANY };

	gantry_dma_for_each_block(igb_adapter_of(dev)->dma, igb_numa_block, &place);
	return place.node;
}

static bool
igb_numa_differs(int node, int device)
{
	return node != SOCKET_ID_ANY && node != device;
}

int
igb_numa_check_queue(const struct rte_eth_dev *dev, const char *what, uint16_t queue_id,
		const void *ring, struct rte_mempool *pool)
{
	const struct igb_hw *hw = igb_hw_of(dev);
	const int device = dev->device->numa_node, at = igb_numa_of_ring(dev, ring);
	int mbufs = SOCKET_ID_ANY;

	if (pool != NULL)
		rte_mempool_mem_iter(pool, igb_numa_first, &mbufs);
	if (device < 0)
		return at;
	if (igb_numa_differs(mbufs, device))
		IGB_INIT_LOG(WARNING, hw,
				"%s queue %u: the device is on node %d, pool '%s' on "
				"node %d, the ring on node %d: every access crosses",
				what, queue_id, device, pool->name, mbufs, at);
	else if (igb_numa_differs(at, device))
		IGB_INIT_LOG(WARNING, hw,
				"%s queue %u: the device is on node %d, the ring on node "
				"%d: every access crosses",
				what, queue_id, device, at);
	return at;
}

void
igb_numa_check_poller(const struct rte_eth_dev *dev, const char *what, uint16_t queue_id,
		unsigned int lcore, int socket_id, struct igb_poller *last)
{
	char queue[32];

	if (lcore == last->lcore || last->warned || dev->device->numa_node < 0)
		return;
	last->lcore = lcore;
	snprintf(queue, sizeof(queue), "%s queue %u", what, queue_id);
	last->warned = gantry_dma_numa_check(igb_adapter_of(dev)->dma, queue, lcore, socket_id) !=
			0;
}
