/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <stdio.h>

#include <rte_mempool.h>

#include "gantry_dma_debug.h"
#include "gantry_dma_reach.h"
#include "igb_rxtx.h"
#include "rte_pmd_gantry_igb.h"

struct walk {
	const struct igb_adapter *ad;
	rte_pmd_gantry_igb_object_cb *cb;
	void *arg;
	int ret;
	unsigned int index; /* queue whose pool is being shown */
};

static int
igb_port(uint16_t port_id, struct rte_eth_dev **dev)
{
	if (!rte_eth_dev_is_valid_port(port_id))
		return -ENODEV;
	*dev = &rte_eth_devices[port_id];
	if (!igb_ethdev_is_ours(*dev) || rte_eal_process_type() != RTE_PROC_PRIMARY)
		return -ENOTSUP;
	return 0;
}

static void
show(struct walk *w, const struct rte_pmd_gantry_igb_object *o)
{
	if (w->ret == 0)
		w->ret = w->cb(w->arg, o);
}

struct bus_lookup {
	const void *ptr;
	gantry_dma_addr_t bus;
};

static void
find_in_group(void *arg, const struct gantry_dma_reach_group *g)
{
	struct bus_lookup *l = arg;
	const uintptr_t at = (uintptr_t)l->ptr - (uintptr_t)g->cpu;

	if (g->reach == GANTRY_DMA_REACH_MEMORY && at <= g->last - g->first)
		l->bus = g->first + at;
}

/* Find memory that the device reaches permanently: in modes strict and bounce there is none. */
static gantry_dma_addr_t
bus_address(const struct igb_adapter *ad, const void *ptr)
{
	struct bus_lookup l = { .ptr = ptr, .bus = UINT64_MAX };

	gantry_dma_for_each_group(ad->dma, find_in_group, &l);
	return l.bus;
}

static void
show_pool_memory(struct rte_mempool *pool, void *arg, struct rte_mempool_memhdr *mem,
		unsigned int index)
{
	struct walk *w = arg;
	const struct rte_pmd_gantry_igb_object o = {
		.type = RTE_PMD_GANTRY_IGB_RX_POOL,
		.index = w->index,
		.name = pool->name,
		.cpu = mem->addr,
		.bus = bus_address(w->ad, mem->addr),
		.size = mem->len,
		.socket_id = pool->socket_id,
	};

	show(w, &o);
}

static void
show_bars(struct walk *w)
{
	const struct igb_hw *hw = &w->ad->hw;
	struct igb_bar bar;
	unsigned int i, k;
	char name[16];

	for (i = 0; i < 6; i++) {
		struct rte_pmd_gantry_igb_object o = {
			.type = RTE_PMD_GANTRY_IGB_BAR,
			.index = i,
			.name = name,
			.socket_id = SOCKET_ID_ANY,
		};

		if (hw->bus->bar(hw->bus_dev, i, &bar) != 0 || bar.size == 0)
			continue;
		snprintf(name, sizeof(name), "BAR %u", i);
		o.is_io = bar.is_io;
		o.bus = bar.bus_addr;
		o.size = bar.size;
		if (bar.nr_maps == 0)
			show(w, &o);
		for (k = 0; k < bar.nr_maps; k++) {
			o.cpu = bar.maps[k].addr;
			o.bus = bar.bus_addr + bar.maps[k].offset;
			o.size = bar.maps[k].size;
			show(w, &o);
		}
	}
}

int
rte_pmd_gantry_igb_for_each_object(uint16_t port_id, rte_pmd_gantry_igb_object_cb *cb, void *arg)
{
	struct walk w = { .cb = cb, .arg = arg };
	struct rte_eth_dev *dev;
	char name[32];
	uint16_t i, k;
	int ret;

	ret = igb_port(port_id, &dev);
	if (ret != 0)
		return ret;
	w.ad = igb_adapter_of(dev);
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		const struct igb_rx_queue *q = dev->data->rx_queues[i];
		struct rte_pmd_gantry_igb_object o = {
			.type = RTE_PMD_GANTRY_IGB_RX_RING,
			.index = i,
			.name = name,
		};

		if (q == NULL)
			continue;
		snprintf(name, sizeof(name), "rx ring %u", i);
		o.cpu = q->ring;
		o.bus = q->ring_addr;
		o.size = q->ring_size;
		o.socket_id = q->socket_id;
		show(&w, &o);
	}
	for (i = 0; i < dev->data->nb_tx_queues; i++) {
		const struct igb_tx_queue *q = dev->data->tx_queues[i];
		struct rte_pmd_gantry_igb_object o = {
			.type = RTE_PMD_GANTRY_IGB_TX_RING,
			.index = i,
			.name = name,
		};

		if (q == NULL)
			continue;
		snprintf(name, sizeof(name), "tx ring %u", i);
		o.cpu = q->ring;
		o.bus = q->ring_addr;
		o.size = q->ring_size;
		o.socket_id = q->socket_id;
		show(&w, &o);
	}
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		const struct igb_rx_queue *q = dev->data->rx_queues[i], *before = NULL;

		if (q == NULL)
			continue;
		for (k = 0; k < i && (before == NULL || before->pool != q->pool); k++)
			before = dev->data->rx_queues[k];
		if (before != NULL && before->pool == q->pool)
			continue;
		w.index = i;
		rte_mempool_mem_iter(q->pool, show_pool_memory, &w);
	}
	show_bars(&w);
	return w.ret;
}

int
rte_pmd_gantry_igb_virt_to_bus(uint16_t port_id, const void *ptr, gantry_dma_addr_t *bus)
{
	struct rte_eth_dev *dev;
	gantry_dma_addr_t addr;
	int ret;

	ret = igb_port(port_id, &dev);
	if (ret != 0)
		return ret;
	addr = bus_address(igb_adapter_of(dev), ptr);
	if (addr == UINT64_MAX)
		return -EFAULT;
	*bus = addr;
	return 0;
}

int
rte_pmd_gantry_igb_for_each_reach(uint16_t port_id, const char **mode,
		void (*fn)(void *arg, const struct gantry_dma_reach_group *group), void *arg)
{
	struct rte_eth_dev *dev;
	int ret;

	ret = igb_port(port_id, &dev);
	if (ret != 0)
		return ret;
	*mode = gantry_dma_mode_name(igb_adapter_of(dev)->dma);
	gantry_dma_for_each_group(igb_adapter_of(dev)->dma, fn, arg);
	return 0;
}

int
rte_pmd_gantry_igb_numa_check(uint16_t port_id, bool is_rx, uint16_t queue_id,
		unsigned int lcore_id)
{
	struct rte_eth_dev *dev;
	char what[32];
	int ret, socket;

	ret = igb_port(port_id, &dev);
	if (ret != 0)
		return ret;
	if (queue_id >= (is_rx ? dev->data->nb_rx_queues : dev->data->nb_tx_queues) ||
			(is_rx ? dev->data->rx_queues : dev->data->tx_queues)[queue_id] == NULL)
		return -EINVAL;
	socket = is_rx ? ((struct igb_rx_queue *)dev->data->rx_queues[queue_id])->socket_id :
			 ((struct igb_tx_queue *)dev->data->tx_queues[queue_id])->socket_id;
	snprintf(what, sizeof(what), "%s queue %u", is_rx ? "rx" : "tx", queue_id);
	return gantry_dma_numa_check(igb_adapter_of(dev)->dma, what, lcore_id, socket);
}

/* Find the device of a port, if it has that register and is alive. */
static int
igb_port_reg(uint16_t port_id, uint32_t reg, struct igb_hw **hw)
{
	struct rte_eth_dev *dev;
	int ret;

	ret = igb_port(port_id, &dev);
	if (ret != 0)
		return ret;
	if (reg % sizeof(uint32_t) != 0 || reg >= IGB_BAR0_SIZE)
		return -EINVAL;
	*hw = igb_hw_of(dev);
	return igb_hw_alive(*hw) ? 0 : -EIO;
}

int
rte_pmd_gantry_igb_reg_read(uint16_t port_id, uint32_t reg, uint32_t *value)
{
	struct igb_hw *hw;
	int ret;

	ret = igb_port_reg(port_id, reg, &hw);
	if (ret == 0)
		*value = igb_rd(hw, reg);
	return ret;
}

int
rte_pmd_gantry_igb_reg_write(uint16_t port_id, uint32_t reg, uint32_t value)
{
	struct igb_hw *hw;
	int ret;

	ret = igb_port_reg(port_id, reg, &hw);
	if (ret == 0)
		igb_wr(hw, reg, value);
	return ret;
}

void
rte_pmd_gantry_igb_dma_debug_handler(gantry_dma_error_fn fn, void *arg)
{
	gantry_dma_debug_handler(fn, arg);
}

const char *
rte_pmd_gantry_igb_object_type_name(enum rte_pmd_gantry_igb_object_type type)
{
	static const char *const names[] = {
		[RTE_PMD_GANTRY_IGB_RX_RING] = "rx ring",
		[RTE_PMD_GANTRY_IGB_TX_RING] = "tx ring",
		[RTE_PMD_GANTRY_IGB_RX_POOL] = "rx pool",
		[RTE_PMD_GANTRY_IGB_BAR] = "BAR",
	};

	return (unsigned int)type < RTE_DIM(names) ? names[type] : "?";
}
