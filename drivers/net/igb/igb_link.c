/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The link, as ethdev sees it. The registers of the link are in igb_hw.c.
 */

#include <errno.h>

#include <rte_cycles.h>

#include "igb_ethdev.h"

/* In a secondary process: the primary process updates the link, in shared memory. */
static int
igb_link_update_secondary(struct rte_eth_dev *dev, int wait_to_complete)
{
	const uint64_t end = rte_get_timer_cycles() +
			(wait_to_complete ? IGB_LINK_WAIT_MS * rte_get_timer_hz() / 1000 : 0);
	int ret;

	for (;;) {
		ret = igb_mp_ask(dev, IGB_MP_LINK);
		if (ret != 0 || dev->data->dev_link.link_status == RTE_ETH_LINK_UP ||
				igb_hw_of(dev)->lost || !igb_adapter_of(dev)->link_on ||
				rte_get_timer_cycles() >= end)
			return ret;
		rte_delay_us_sleep(10000);
	}
}

int
igb_link_update(struct rte_eth_dev *dev, int wait_to_complete)
{
	struct igb_adapter *ad = igb_adapter_of(dev);
	struct igb_hw *hw = &ad->hw;
	const uint64_t end = rte_get_timer_cycles() +
			(wait_to_complete ? IGB_LINK_WAIT_MS * rte_get_timer_hz() / 1000 : 0);
	struct rte_eth_link link = { .link_speed = RTE_ETH_SPEED_NUM_NONE };
	bool up = false, fd = false;
	uint32_t mbps = 0;
	int ret;

	if (rte_eal_process_type() != RTE_PROC_PRIMARY)
		return igb_link_update_secondary(dev, wait_to_complete);
	for (;;) {
		if (!hw->lost && ad->link_on)
			igb_link_get(hw, &up, &mbps, &fd);
		if (up || hw->lost || !ad->link_on || rte_get_timer_cycles() >= end)
			break;
		rte_delay_us_sleep(10000);
	}
	link.link_autoneg = igb_link_autoneg(dev);
	/* Another thread may stop the port concurrently. */
	rte_spinlock_lock(&ad->intr_lock);
	link.link_status = up && !hw->lost && ad->link_on ? RTE_ETH_LINK_UP : RTE_ETH_LINK_DOWN;
	if (link.link_status == RTE_ETH_LINK_UP) {
		link.link_speed = mbps;
		link.link_duplex = fd ? RTE_ETH_LINK_FULL_DUPLEX : RTE_ETH_LINK_HALF_DUPLEX;
	}
	ret = rte_eth_linkstatus_set(dev, &link);
	rte_spinlock_unlock(&ad->intr_lock);
	return ret;
}

/*
 * The interrupt handler reports the result: an update of the link here would suppress the event.
 * The link of a stopped port is down, and start brings it up.
 */
int
igb_dev_set_link_up(struct rte_eth_dev *dev)
{
	if (!igb_adapter_of(dev)->link_on)
		return 0;
	return igb_link_setup(igb_hw_of(dev), dev->data->dev_conf.link_speeds);
}

int
igb_dev_set_link_down(struct rte_eth_dev *dev)
{
	return igb_link_off(igb_hw_of(dev));
}
