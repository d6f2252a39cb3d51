/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * LD_PRELOAD library for DPDK's own tests: it ignores requests for the loopback of a port.
 * pmd_perf_autotest makes such a request. net_gantry_igb obeys it and net_e1000_igb does not, so
 * without this library the frames of the former would never leave the MAC, while those of the
 * latter cross the wire.
 */

#include <dlfcn.h>

#include <rte_ethdev.h>

int
rte_eth_dev_configure(uint16_t port, uint16_t nb_rxq, uint16_t nb_txq,
		const struct rte_eth_conf *conf)
{
	int (*next)(uint16_t, uint16_t, uint16_t, const struct rte_eth_conf *) = dlsym(RTLD_NEXT,
			"rte_eth_dev_configure");
	struct rte_eth_conf c = *conf;

	c.lpbk_mode = 0;
	return next(port, nb_rxq, nb_txq, &c);
}
