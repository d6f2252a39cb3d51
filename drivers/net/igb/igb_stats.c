/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Statistics, from two sources.
 *
 * The data path counts what the application received and sent, per queue, in 64 bits, as long as
 * the port is open. Only rte_eth_stats_reset() clears these counters: no stop, reset or new set-up
 * of a queue does.
 *
 * Only the controller knows what the application never saw (missed, damaged, filtered, or dropped
 * after the driver handed it over). Its registers (datasheet 8.19) mostly have 32 bits, and clear
 * when they are read. The driver adds every read to a sum, under a lock, because two concurrent
 * readers would otherwise each lose a part. A secondary process has the primary process read them
 * (igb_mp.c); the sums are in shared memory.
 */

#include <errno.h>
#include <string.h>

#include "igb_rxtx.h"

/*
 * In the order of the registers. The index of a row is the id of its xstat, so a new row shifts the
 * ids of all later ones: applications must look ids up by name. There are at most
 * IGB_MAX_HW_STATS rows, and a name has less than RTE_ETH_XSTATS_NAME_SIZE (64) bytes.
 */
static const struct {
	const char *name;
	uint16_t reg;
	bool wide; /* two registers; reading the low one latches the other */
} igb_stats_regs[] = {
	{ "rx_crc_errors", IGB_CRCERRS, false },
	{ "rx_align_errors", IGB_ALGNERRC, false },
	{ "rx_symbol_errors", IGB_SYMERRS, false },
	{ "rx_phy_errors", IGB_RXERRC, false },
	{ "rx_missed_packets", IGB_MPC, false },
	{ "tx_discarded_packets", IGB_HTDPMC, false },
	{ "rx_length_errors", IGB_RLEC, false },
	{ "rx_xon_packets", IGB_XONRXC, false },
	{ "tx_xon_packets", IGB_XONTXC, false },
	{ "rx_xoff_packets", IGB_XOFFRXC, false },
	{ "tx_xoff_packets", IGB_XOFFTXC, false },
	{ "rx_size_64_packets", IGB_PRC64, false },
	{ "rx_size_65_to_127_packets", IGB_PRC127, false },
	{ "rx_size_128_to_255_packets", IGB_PRC255, false },
	{ "rx_size_256_to_511_packets", IGB_PRC511, false },
	{ "rx_size_512_to_1023_packets", IGB_PRC1023, false },
	{ "rx_size_1024_to_max_packets", IGB_PRC1522, false },
	{ "rx_hw_good_packets", IGB_GPRC, false },
	{ "rx_broadcast_packets", IGB_BPRC, false },
	{ "rx_multicast_packets", IGB_MPRC, false },
	{ "tx_hw_good_packets", IGB_GPTC, false },
	{ "rx_hw_good_bytes", IGB_GORCL, true },
	{ "tx_hw_good_bytes", IGB_GOTCL, true },
	{ "rx_no_descriptor_packets", IGB_RNBC, false },
	{ "rx_undersize_errors", IGB_RUC, false },
	{ "rx_fragment_errors", IGB_RFC, false },
	{ "rx_oversize_errors", IGB_ROC, false },
	{ "rx_jabber_errors", IGB_RJC, false },
	{ "rx_total_bytes", IGB_TORL, true },
	{ "tx_total_bytes", IGB_TOTL, true },
	{ "rx_total_packets", IGB_TPR, false },
	{ "tx_total_packets", IGB_TPT, false },
	{ "tx_size_64_packets", IGB_PTC64, false },
	{ "tx_size_65_to_127_packets", IGB_PTC127, false },
	{ "tx_size_128_to_255_packets", IGB_PTC255, false },
	{ "tx_size_256_to_511_packets", IGB_PTC511, false },
	{ "tx_size_512_to_1023_packets", IGB_PTC1023, false },
	{ "tx_size_1024_to_max_packets", IGB_PTC1522, false },
	{ "tx_multicast_packets", IGB_MPTC, false },
	{ "tx_broadcast_packets", IGB_BPTC, false },
	{ "tx_tso_packets", IGB_TSCTC, false },
	{ "interrupt_assert_count", IGB_IAC, false },
};

#define NB_REGS RTE_DIM(igb_stats_regs)
/*
 * The xstats are these registers, then RQDPC of each receive queue: frames dropped because the
 * queue had no descriptor.
 */

static_assert(NB_REGS <= IGB_MAX_HW_STATS, "igb_adapter.hw_stats is too small");

/* Registers that add up to ierrors. */
static const uint16_t igb_error_regs[] = { IGB_CRCERRS, IGB_ALGNERRC, IGB_RXERRC, IGB_RLEC, IGB_RUC,
	IGB_RFC, IGB_ROC, IGB_RJC };

static void
igb_stats_read(struct igb_adapter *ad, unsigned int i)
{
	const uint16_t reg = igb_stats_regs[i].reg;
	const uint32_t low = igb_rd(&ad->hw, reg);
	const uint32_t high = igb_stats_regs[i].wide ? igb_rd(&ad->hw, reg + 4) : 0;

	/* All ones is also the value of a device that has just vanished. */
	if ((low != UINT32_MAX && high != UINT32_MAX) || igb_hw_alive(&ad->hw))
		ad->hw_stats[i] += (uint64_t)high << 32 | low;
}

static bool
igb_is_error_reg(uint16_t reg)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(igb_error_regs); i++)
		if (igb_error_regs[i] == reg)
			return true;
	return false;
}

static void
igb_stats_read_queue(struct igb_adapter *ad, uint16_t queue_id)
{
	const uint32_t value = igb_rd(&ad->hw, IGB_RQDPC(queue_id));

	if (value != UINT32_MAX || igb_hw_alive(&ad->hw))
		ad->rqdpc[queue_id] += value;
}

/* basic: only what struct rte_eth_stats needs, because a register may cost a round trip. */
int
igb_stats_collect(struct rte_eth_dev *dev, bool basic)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	unsigned int i;
	uint16_t q;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return igb_mp_ask(dev, basic ? IGB_MP_STATS : IGB_MP_XSTATS);
	if (!igb_hw_alive(&ad->hw))
		return 0;
	rte_spinlock_lock(&ad->stats_lock);
	for (i = 0; i < NB_REGS; i++) {
		const uint16_t reg = igb_stats_regs[i].reg;

		if (!basic || reg == IGB_MPC || reg == IGB_HTDPMC || igb_is_error_reg(reg))
			igb_stats_read(ad, i);
	}
	for (q = 0; q < dev->data->nb_rx_queues && q < IGB_MAX_QUEUES; q++)
		igb_stats_read_queue(ad, q);
	rte_spinlock_unlock(&ad->stats_lock);
	return 0;
}

void
igb_stats_update(struct rte_eth_dev *dev)
{
	igb_stats_collect(dev, false);
}

uint64_t
igb_stats_missed(struct rte_eth_dev *dev, uint16_t queue_id)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	uint64_t missed;
	unsigned int i;

	rte_spinlock_lock(&ad->stats_lock);
	igb_stats_read_queue(ad, queue_id);
	missed = ad->rqdpc[queue_id];
	/* Frames that did not fit the packet buffer belong to no particular queue. */
	for (i = 0; i < NB_REGS && dev->data->nb_rx_queues == 1; i++) {
		if (igb_stats_regs[i].reg != IGB_MPC)
			continue;
		igb_stats_read(ad, i);
		missed += ad->hw_stats[i];
	}
	rte_spinlock_unlock(&ad->stats_lock);
	return missed;
}

/* Return the counters of a queue since the last reset. */
static struct igb_queue_counts
igb_queue_counts(const struct igb_queue_stats *s)
{
	struct igb_queue_counts c;

	/* Base first: even with a concurrent reset, it never exceeds the later read of now. */
#define SINCE_RESET(field) \
	do { \
		c.field = __atomic_load_n(&s->base.field, __ATOMIC_ACQUIRE); \
		c.field = __atomic_load_n(&s->now.field, __ATOMIC_RELAXED) - c.field; \
	} while (0)
	SINCE_RESET(packets);
	SINCE_RESET(bytes);
	SINCE_RESET(errors);
	SINCE_RESET(nombuf);
#undef SINCE_RESET
	return c;
}

int
igb_stats_get(struct rte_eth_dev *dev, struct rte_eth_stats *stats GANTRY_QSTATS_ARG)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	unsigned int i;
	uint16_t q;
	int ret;

	ret = igb_stats_collect(dev, true);
	if (ret != 0)
		return ret;
	for (i = 0; i < NB_REGS; i++) {
		if (igb_is_error_reg(igb_stats_regs[i].reg))
			stats->ierrors += ad->hw_stats[i];
		if (igb_stats_regs[i].reg == IGB_MPC)
			stats->imissed += ad->hw_stats[i];
		if (igb_stats_regs[i].reg == IGB_HTDPMC)
			stats->oerrors += ad->hw_stats[i];
	}
	for (q = 0; q < IGB_MAX_QUEUES; q++)
		stats->imissed += ad->rqdpc[q];
	for (q = 0; q < IGB_MAX_QUEUES; q++) {
		const struct igb_queue_counts rx = igb_queue_counts(&ad->rx_stats[q]);
		const struct igb_queue_counts tx = igb_queue_counts(&ad->tx_stats[q]);

		stats->ipackets += rx.packets;
		stats->ibytes += rx.bytes;
		stats->ierrors += rx.errors;
		stats->rx_nombuf += rx.nombuf;
		stats->opackets += tx.packets;
		stats->obytes += tx.bytes;
		stats->oerrors += tx.errors;
		if (q >= RTE_ETHDEV_QUEUE_STAT_CNTRS || GANTRY_QSTATS(stats) == NULL)
			continue;
		GANTRY_QSTATS(stats)->q_ipackets[q] = rx.packets;
		GANTRY_QSTATS(stats)->q_ibytes[q] = rx.bytes;
		GANTRY_QSTATS(stats)->q_errors[q] = rx.errors;
		GANTRY_QSTATS(stats)->q_opackets[q] = tx.packets;
		GANTRY_QSTATS(stats)->q_obytes[q] = tx.bytes;
	}
	return 0;
}

int
igb_stats_reset(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	uint16_t q;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return igb_mp_ask(dev, IGB_MP_STATS_RESET);
	/* Clear the registers. */
	igb_stats_collect(dev, false);
	rte_spinlock_lock(&ad->stats_lock);
	memset(ad->hw_stats, 0, sizeof(ad->hw_stats));
	memset(ad->rqdpc, 0, sizeof(ad->rqdpc));
	rte_spinlock_unlock(&ad->stats_lock);

	/* The data path goes on counting. */
	for (q = 0; q < IGB_MAX_QUEUES; q++) {
		ad->rx_stats[q].base = ad->rx_stats[q].now;
		ad->tx_stats[q].base = ad->tx_stats[q].now;
	}
	return 0;
}

static void
igb_xstat_name(unsigned int i, char *name, size_t len)
{
	if (i < NB_REGS)
		snprintf(name, len, "%s", igb_stats_regs[i].name);
	else
		snprintf(name, len, "rx_q%u_no_descriptor_packets", (unsigned int)(i - NB_REGS));
}

static uint64_t
igb_xstat_value(const struct igb_adapter *ad, unsigned int i)
{
	return i < NB_REGS ? ad->hw_stats[i] : ad->rqdpc[i - NB_REGS];
}

static unsigned int
igb_nb_xstats(const struct rte_eth_dev *dev)
{
	return NB_REGS + RTE_MIN(dev->data->nb_rx_queues, IGB_MAX_QUEUES);
}

int
igb_xstats_get(struct rte_eth_dev *dev, struct rte_eth_xstat *stats, unsigned int n)
{
	const unsigned int nb = igb_nb_xstats(dev);
	unsigned int i;
	int ret;

	if (stats == NULL || n < nb)
		return nb;
	ret = igb_stats_collect(dev, false);
	if (ret != 0)
		return ret;
	for (i = 0; i < nb; i++) {
		stats[i].id = i;
		stats[i].value = igb_xstat_value(igb_adapter_of(dev), i);
	}
	return nb;
}

int
igb_xstats_get_names(struct rte_eth_dev *dev, struct rte_eth_xstat_name *names, unsigned int n)
{
	const unsigned int nb = igb_nb_xstats(dev);
	unsigned int i;

	if (names == NULL || n < nb)
		return nb;
	for (i = 0; i < nb; i++)
		igb_xstat_name(i, names[i].name, sizeof(names[i].name));
	return nb;
}

int
igb_xstats_get_by_id(struct rte_eth_dev *dev, const uint64_t *ids, uint64_t *values, unsigned int n)
{
	const unsigned int nb = igb_nb_xstats(dev);
	unsigned int i;
	int ret;

	if (ids == NULL || values == NULL)
		return nb;
	ret = igb_stats_collect(dev, false);
	if (ret != 0)
		return ret;
	for (i = 0; i < n; i++) {
		if (ids[i] >= nb)
			return -EINVAL;
		values[i] = igb_xstat_value(igb_adapter_of(dev), ids[i]);
	}
	return n;
}

int
igb_xstats_get_names_by_id(struct rte_eth_dev *dev, const uint64_t *ids,
		struct rte_eth_xstat_name *names, unsigned int n)
{
	const unsigned int nb = igb_nb_xstats(dev);
	unsigned int i;

	if (ids == NULL || names == NULL)
		return igb_xstats_get_names(dev, names, n);
	for (i = 0; i < n; i++) {
		if (ids[i] >= nb)
			return -EINVAL;
		igb_xstat_name(ids[i], names[i].name, sizeof(names[i].name));
	}
	return n;
}
