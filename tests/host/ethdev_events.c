/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scenarios about what a port reports by itself: receive interrupts, link changes and link speed.
 */

#include "ethdev_calls.h"

void
interrupts(void)
{
	struct rte_eth_conf conf = { .intr_conf.rxq = 1 };
	struct rte_epoll_event ev;
	struct rte_mbuf *m;
	unsigned int i;

	up(&conf);
	OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL));
	for (i = 0; i < 20; i++) {
		OK(rte_eth_dev_rx_intr_enable(P, 0));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 20) == 0);
		transmit(frame(&own, -1));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, SOON_MS) == 1);
		m = receive(SOON_MS);
		CHECK(m != NULL);
		rte_pktmbuf_free(m);

		/*
		 * A disabled interrupt does not fire. Enabling it later fires at once, because a
		 * frame is pending.
		 */
		OK(rte_eth_dev_rx_intr_disable(P, 0));
		transmit(frame(&own, -1));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, 20) == 0);
		OK(rte_eth_dev_rx_intr_enable(P, 0));
		CHECK(rte_epoll_wait(RTE_EPOLL_PER_THREAD, &ev, 1, SOON_MS) == 1);
		m = receive(SOON_MS);
		CHECK(m != NULL);
		rte_pktmbuf_free(m);
		if (i != 9)
			continue;
		OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL, NULL));
		OK(rte_eth_dev_stop(P));
		OK(rte_eth_dev_start(P));
		wait_link();
		OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL));
	}
	OK(rte_eth_dev_rx_intr_ctl_q(P, 0, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_DEL, NULL));
	down();
}

static volatile int link_events, link_status = -1;

static int
on_link(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	struct rte_eth_link link;

	if (rte_eth_link_get_nowait(port, &link) == 0)
		link_status = link.link_status;
	link_events++;
	return 0;
}

static void
expect_link(int status)
{
	unsigned int ms;

	for (ms = 0; ms < SOON_MS && (link_events == 0 || link_status != status); ms++)
		rte_delay_us_sleep(1000);
	if (link_events == 0 || link_status != status)
		wrong("link: status %d expected, %d events, last status %d", status, link_events,
				link_status);
	link_events = 0;
}

void
link_changes(void)
{
	struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	struct rte_eth_link link;
	unsigned int i;

	OK(rte_eth_dev_callback_register(P, RTE_ETH_EVENT_INTR_LSC, on_link, NULL));
	queues(&conf, 1, false);
	OK(rte_eth_dev_start(P));
	wait_link();
	for (i = 0; i < 3; i++) {
		link_events = 0;
		OK(rte_eth_dev_set_link_down(P));
		expect_link(0);
		OK(rte_eth_dev_set_link_up(P));
		expect_link(1);
		CHECK(arrives(&own, -1));
	}
	OK(rte_eth_dev_callback_unregister(P, RTE_ETH_EVENT_INTR_LSC, on_link, NULL));
	/*
	 * Without intr_conf.lsc the port reports no events, but the link status is still up to
	 * date.
	 */
	conf.intr_conf.lsc = 0;
	OK(rte_eth_dev_stop(P));
	up(&conf);
	OK(rte_eth_dev_set_link_down(P));
	SOON(rte_eth_link_get_nowait(P, &link) == 0 && !link.link_status);
	down();
}

/* A port advertises only the speeds of its configuration, and its link has the best of them. */
void
speeds(void)
{
	static const struct {
		uint32_t offered, mbps;
		bool half;
	} good[] = {
		{ RTE_ETH_LINK_SPEED_100M, 100, false },
		{ RTE_ETH_LINK_SPEED_10M, 10, false },
		{ RTE_ETH_LINK_SPEED_10M | RTE_ETH_LINK_SPEED_100M_HD, 100, true },
		{ RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_100M, 100, false },
		{ RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_10M_HD, 10, true },
		{ RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_1G, 1000, false },
		{ RTE_ETH_LINK_SPEED_AUTONEG, 1000, false },
	};
	static const uint32_t bad[] = {
		RTE_ETH_LINK_SPEED_FIXED,
		RTE_ETH_LINK_SPEED_2_5G,
		RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_2_5G,
		RTE_ETH_LINK_SPEED_FIXED | RTE_ETH_LINK_SPEED_10M | RTE_ETH_LINK_SPEED_100M,
	};
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_link link;
	unsigned int i;

	for (i = 0; i < RTE_DIM(bad); i++) {
		conf.link_speeds = bad[i];
		CHECK(rte_eth_dev_configure(P, 1, 1, &conf) == -EINVAL);
	}
	for (i = 0; i < RTE_DIM(good); i++) {
		const bool fixed = good[i].offered & RTE_ETH_LINK_SPEED_FIXED;

		conf.link_speeds = good[i].offered;
		up(&conf);
		OK(rte_eth_link_get(P, &link));
		if (link.link_speed != good[i].mbps || link.link_duplex == good[i].half ||
				link.link_autoneg == fixed)
			wrong("offered 0x%x: %u Mb/s, duplex %u, autoneg %u", good[i].offered,
					link.link_speed, link.link_duplex, link.link_autoneg);
		CHECK(arrives(&own, -1));
		OK(rte_eth_dev_stop(P));
		OK(rte_eth_link_get(P, &link));
		CHECK(!link.link_status && link.link_autoneg == !fixed);
	}
	down();
}
