/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The watchdog: detects a device that no longer serves a queue, or whose accesses are refused.
 *
 * A device that cannot reach its ring (the IOMMU lacks the mapping, or a base register was
 * overwritten) reports nothing. It fetches no descriptor, or its write-backs are lost. The data
 * path sees descriptors without DD, which is also what an idle device looks like. The head
 * register, which the data path never reads, distinguishes the two. An EAL alarm therefore checks
 * each started queue once a second. A queue stalls if, check after check,
 *
 *  - transmit: the oldest RS descriptor without DD is the same one, the link is up, no pause frame
 *    holds the transmitter (STATUS.TXOFF), and TDH does not move, or is at TDT: the device has
 *    fetched everything and reported nothing. A long frame on a slow wire moves TDH. If the
 *    application does not call tx_burst(), DD is set.
 *  - receive: the next descriptor has no DD and is the same one, and RDH has passed it: the device
 *    used it without reporting it. Or frames are missed (RQDPC; MPC if there is one queue) while
 *    the device owns half of the ring or more: it cannot reach its descriptors. If the application
 *    does not poll, DD is set; if its pool is empty, few descriptors are posted.
 *
 * A queue whose WTHRESH (8.10.8, 8.12.13) is above 1 is exempt: its device may hold reports back
 * until there are that many, so a missing report is no evidence.
 *
 * IGB_STALL_CHECKS checks in a row make a stall. The watchdog counts checks, not time, so that a
 * machine that is suspended for a while causes no report. A stall is logged and reported as
 * RTE_ETH_EVENT_INTR_RESET, once until the queue moves again. The application chooses the remedy:
 * rte_eth_dev_reset(), or stopping and starting the port, which resets the device and programs all
 * registers of a ring again.
 *
 * A buffer that the device cannot reach is no stall: the device reports its descriptor, and the
 * frame is lost. In direct mode the driver maps no packets, so an mbuf in memory that was never
 * registered (rte_pktmbuf_attach_extbuf(), for example) gets as far as the device. The IOMMU, or
 * the server of the soft NIC in its place, then refuses the access, and the device notes that in
 * its PCI status (Received Master Abort, or Target Abort). The watchdog reads that register once a
 * second and when the port stops, and reports a refusal once for each start.
 *
 * Threads
 *
 * A check runs in the EAL interrupt thread while other threads poll. It only reads their data, each
 * value by itself; a mixture of old and new values equals no earlier check, and so restarts the
 * count. It reads a register only if the memory of the queue has not changed since the last check.
 * Stopping the port cancels the alarm and waits for a check in progress; queues are released only
 * after that. The alarm is set again before the application is notified, because the application
 * may stop and even close the port in its callback, and nothing here accesses the port
 * afterwards.
 */

#include <inttypes.h>
#include <string.h>

#include <linux/pci_regs.h>

#include <rte_alarm.h>
#include <rte_lcore.h>

#include "igb_rxtx.h"

#define IGB_WATCHDOG_US  1000000
#define IGB_STALL_CHECKS 5
#define IGB_PCI_ABORTS   (PCI_STATUS_REC_MASTER_ABORT | PCI_STATUS_REC_TARGET_ABORT)

/* Reads a variable that another thread may write at any moment. */
#define PEEK(var) __atomic_load_n(&(var), __ATOMIC_RELAXED)

static uint64_t
igb_ring_base(const struct igb_hw *hw, uint32_t bal)
{
	return (uint64_t)igb_rd(hw, bal + (IGB_Q_BAH - IGB_Q_BAL)) << 32 | igb_rd(hw, bal);
}

/* Count a check that found the queue unchanged. Return true if this completes a stall. */
static bool
igb_stall_count(struct igb_watch *w)
{
	if (w->unchanged < IGB_STALL_CHECKS)
		w->unchanged++;
	if (w->unchanged < IGB_STALL_CHECKS || w->reported)
		return false;
	w->reported = true;
	return true;
}

/* True if the device can send: the link is up, and not paused (802.3x). */
static bool
igb_may_send(const struct igb_hw *hw)
{
	const uint32_t status = igb_rd(hw, IGB_STATUS);

	return (status & (IGB_STATUS_LU | IGB_STATUS_TXOFF)) == IGB_STATUS_LU;
}

/* Find the oldest group without DD: its first descriptor, and its RS descriptor. */
static bool
igb_tx_oldest(const struct igb_tx_queue *q, uint16_t *at, uint16_t *last)
{
	const uint16_t end = PEEK(q->group);
	unsigned int groups;

	*at = PEEK(q->clean);
	/* The loop is bounded, because the two values may be of different times. */
	for (groups = 0; groups < q->nb_desc && *at != end; groups++) {
		*last = PEEK(q->sw[*at].last);
		if (!(PEEK(q->ring[*last].wb.status) & rte_cpu_to_le_32(IGB_TXD_STAT_DD)))
			return true;
		*at = (*last + 1) % q->nb_desc;
	}
	return false;
}

static bool
igb_tx_stalls(struct igb_adapter *ad, struct igb_tx_queue *q, struct igb_watch *w)
{
	const uint64_t packets = PEEK(q->stats->now.packets);
	const uint16_t tail = PEEK(q->tail);
	const struct rte_mbuf *mbuf;
	struct igb_hw *hw = &ad->hw;
	uint16_t at, last, used;
	uint32_t head;

	if (q->conf.tx_thresh.wthresh > 1 || !igb_tx_oldest(q, &at, &last)) {
		memset(w, 0, sizeof(*w));
		return false;
	}
	mbuf = PEEK(q->sw_mbuf[last]);
	used = (tail + q->nb_desc - at) % q->nb_desc;
	/*
	 * The same descriptor, or the same place one lap later? It is the same one if no more
	 * packets were sent in between than descriptors were added.
	 */
	if (w->unchanged == 0 || w->at != at || w->last != last || w->mbuf != mbuf ||
			used < w->used || packets - w->packets > (uint64_t)(used - w->used)) {
		*w = (struct igb_watch){
			.unchanged = 1,
			.at = at,
			.last = last,
			.mbuf = mbuf,
			.head = UINT32_MAX, /* not read yet */
		};
		w->used = used;
		w->packets = packets;
		return false;
	}
	w->used = used;
	w->packets = packets;
	head = igb_rd(hw, IGB_TDH(q->queue_id));
	if (!igb_may_send(hw) || (head != w->head && head != tail && w->head != UINT32_MAX)) {
		w->unchanged = 1;
		w->head = head;
		return false;
	}
	w->head = head;
	if (!igb_stall_count(w))
		return false;
	IGB_DRV_LOG(ERR, hw,
			"port %u: tx queue %u stalls: descriptor %u is not written back, TDH "
			"%u, TDT %u; TDBA is 0x%" PRIx64 ", the ring's address 0x%" PRIx64
			": reset the "
			"port",
			ad->port_id, q->queue_id, last, head, igb_rd(hw, IGB_TDT(q->queue_id)),
			igb_ring_base(hw, IGB_TDBAL(q->queue_id)), q->ring_addr);
	return true;
}

static bool
igb_rx_stalls(struct rte_eth_dev *dev, struct igb_rx_queue *q, struct igb_watch *w)
{
	const uint64_t packets = PEEK(q->stats->now.packets) + PEEK(q->stats->now.errors);
	const uint16_t next = PEEK(q->next), posted = PEEK(q->posted);
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = &ad->hw;
	uint64_t missed, missed_before;
	uint32_t head, ahead;

	if (q->conf.rx_thresh.wthresh > 1 || posted == 0 ||
			(PEEK(q->ring[next].wb.staterr) & rte_cpu_to_le_32(IGB_RXD_STAT_DD))) {
		memset(w, 0, sizeof(*w));
		return false;
	}
	missed_before = w->missed;
	if (w->unchanged == 0 || w->at != next || w->packets != packets) {
		*w = (struct igb_watch){
			.unchanged = 1,
			.at = next,
			.packets = packets,
			.missed = UINT64_MAX,
		};
		return false;
	}
	head = igb_rd(hw, IGB_RDH(q->queue_id));
	missed = w->missed = igb_stats_missed(dev, q->queue_id);
	ahead = head < q->nb_desc ? (head + q->nb_desc - next) % q->nb_desc : 0;
	if ((ahead == 0 || ahead > posted) &&
			(missed <= missed_before || posted < q->nb_desc / 2)) {
		w->unchanged = 1;
		return false;
	}
	if (!igb_stall_count(w))
		return false;
	IGB_DRV_LOG(ERR, hw,
			"port %u: rx queue %u stalls: descriptor %u is not written back, RDH "
			"%u, RDT %u, %" PRIu64 " frames missed; RDBA is 0x%" PRIx64
			", the ring's address "
			"0x%" PRIx64 ": reset the port",
			ad->port_id, q->queue_id, next, head, igb_rd(hw, IGB_RDT(q->queue_id)),
			missed, igb_ring_base(hw, IGB_RDBAL(q->queue_id)), q->ring_addr);
	return true;
}

/* Return the bits of the PCI status that report a refused access of the device to memory. */
static uint16_t
igb_refusals(const struct igb_hw *hw)
{
	uint16_t status;

	/* All ones: the card was pulled. */
	if (hw->bus->read_config(hw->bus_dev, &status, sizeof(status), PCI_STATUS) != 0 ||
			status == UINT16_MAX)
		return 0;
	return rte_le_to_cpu_16(status) & IGB_PCI_ABORTS;
}

void
igb_watchdog_end_refusals(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	uint16_t refusals;

	if (ad->refusal_reported)
		return;
	refusals = igb_refusals(&ad->hw);
	if (refusals == 0)
		return;
	ad->refusal_reported = true;
	IGB_DRV_LOG(ERR, &ad->hw,
			"port %u: the device was refused an access to memory (%s abort): a buffer "
			"is in memory that was never registered, or no longer is: call "
			"rte_extmem_register() and rte_dev_dma_map() before its use",
			ad->port_id, refusals & PCI_STATUS_REC_MASTER_ABORT ? "master" : "target");
}

/* Clear the bits, by writing ones. If they stay, they cannot report a refusal of this start. */
void
igb_watchdog_begin_refusals(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	const uint16_t aborts = rte_cpu_to_le_16(IGB_PCI_ABORTS);

	ad->hw.bus->write_config(ad->hw.bus_dev, &aborts, sizeof(aborts), PCI_STATUS);
	ad->refusal_reported = igb_refusals(&ad->hw) != 0;
}

bool
igb_watchdog_check(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	bool stall = false;
	uint16_t i;

	igb_watchdog_end_refusals(dev);
	for (i = 0; i < dev->data->nb_tx_queues; i++) {
		struct igb_tx_queue *q = dev->data->tx_queues[i];

		if (dev->data->tx_queue_state[i] != RTE_ETH_QUEUE_STATE_STARTED) {
			memset(&ad->tx_watch[i], 0, sizeof(ad->tx_watch[i]));
			continue;
		}
		igb_numa_check_poller(dev, "tx", i, PEEK(q->lcore), q->socket_id,
				&ad->tx_poller[i]);
		stall |= igb_tx_stalls(ad, q, &ad->tx_watch[i]);
	}
	for (i = 0; i < dev->data->nb_rx_queues; i++) {
		struct igb_rx_queue *q = dev->data->rx_queues[i];

		if (dev->data->rx_queue_state[i] != RTE_ETH_QUEUE_STATE_STARTED) {
			memset(&ad->rx_watch[i], 0, sizeof(ad->rx_watch[i]));
			continue;
		}
		igb_numa_check_poller(dev, "rx", i, PEEK(q->lcore), q->socket_id,
				&ad->rx_poller[i]);
		stall |= igb_rx_stalls(dev, q, &ad->rx_watch[i]);
	}
	return stall;
}

static void igb_watchdog_alarm(void *arg);

static void
igb_watchdog_next(struct rte_eth_dev *dev)
{
	const int ret = rte_eal_alarm_set(IGB_WATCHDOG_US, igb_watchdog_alarm, dev);

	if (ret != 0)
		IGB_INIT_LOG(WARNING, igb_hw_of(dev),
				"cannot set an alarm, stalls are not detected: %s", strerror(-ret));
}

static void
igb_watchdog_alarm(void *arg)
{
	struct rte_eth_dev *dev = arg;
	bool stall;

	/* Registers of all ones may be the only sign that a card was pulled. */
	if (!igb_hw_alive(igb_hw_of(dev))) {
		igb_ethdev_lost(dev->device);
		return;
	}
	stall = igb_watchdog_check(dev);
	igb_watchdog_next(dev);
	if (stall)
		rte_eth_dev_callback_process(dev, RTE_ETH_EVENT_INTR_RESET, NULL);
}

void
igb_watchdog_start(struct rte_eth_dev *dev)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	unsigned int i;

	memset(ad->tx_watch, 0, sizeof(ad->tx_watch));
	memset(ad->rx_watch, 0, sizeof(ad->rx_watch));
	for (i = 0; i < IGB_MAX_QUEUES; i++)
		ad->tx_poller[i] = ad->rx_poller[i] = (struct igb_poller){ .lcore = LCORE_ID_ANY };
	igb_watchdog_next(dev);
}

void
igb_watchdog_stop(struct rte_eth_dev *dev)
{
	rte_eal_alarm_cancel(igb_watchdog_alarm, dev);
}
