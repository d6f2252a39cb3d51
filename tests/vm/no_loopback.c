/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * LD_PRELOAD for DPDK's own tests: whoever asks for a port's loopback does not get it.
 * pmd_perf_autotest asks; net_gantry_igb obeys and net_e1000_igb doesn't, so without
 * this the one's frames would never leave the MAC while the other's cross the wire.
 */

#include <dlfcn.h>

#include <rte_ethdev.h>

int
rte_eth_dev_configure(uint16_t port, uint16_t nb_rxq, uint16_t nb_txq,
		const struct rte_eth_conf *conf)
{
	int (*next)(uint16_t, uint16_t, uint16_t, const struct rte_eth_conf *) =
		dlsym(RTLD_NEXT, "rte_eth_dev_configure");
	struct rte_eth_conf c = *conf;

	c.lpbk_mode = 0;
	return next(port, nb_rxq, nb_txq, &c);
}
