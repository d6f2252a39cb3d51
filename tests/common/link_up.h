/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Waiting for a link, for tests that are DPDK applications. */

#ifndef TESTS_LINK_UP_H
#define TESTS_LINK_UP_H

#include <errno.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

/* 0: the port's link is up; -ETIMEDOUT: it still is not after so long; or the error of ethdev. */
static inline int
wait_link_up(uint16_t port, unsigned int max_ms)
{
	struct rte_eth_link link;
	unsigned int ms;
	int ret;

	for (ms = 0; ms < max_ms; ms += 10) {
		ret = rte_eth_link_get_nowait(port, &link);
		if (ret != 0)
			return ret;
		if (link.link_status)
			return 0;
		rte_delay_us_sleep(10000);
	}
	return -ETIMEDOUT;
}

#endif /* TESTS_LINK_UP_H */
