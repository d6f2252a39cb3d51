/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Cores and memory nodes. An lcore is a thread, and its number need not be the number of a CPU.
 * Neither is rte_lcore_to_cpu_id(), which numbers the cores of each socket from 0. EAL knows on
 * which CPUs an lcore runs, and libnuma knows the nodes of these CPUs.
 */

#include <numa.h>

#include <rte_lcore.h>

#include "dma_core.h"

int
gantry_numa_node_of_lcore(unsigned int lcore_id)
{
	int cpu, found, node = -1;
	rte_cpuset_t cpus;

	if (lcore_id >= RTE_MAX_LCORE || !rte_lcore_is_enabled(lcore_id))
		return -1;
	if (numa_available() < 0)
		return 0;
	cpus = rte_lcore_cpuset(lcore_id);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &cpus))
			continue;
		found = numa_node_of_cpu(cpu);
		if (found < 0 || (node >= 0 && found != node))
			return -1;
		node = found;
	}
	return node;
}

int
gantry_dma_numa_check(struct gantry_dma_dev *dev, const char *what, unsigned int lcore_id,
		int socket_id)
{
	const struct dma_device *d = dma_device(dev);
	const int device = d->params.socket_id;
	int core = gantry_numa_node_of_lcore(lcore_id);

	if (core < 0 || ((socket_id < 0 || socket_id == core) && (device < 0 || device == core)))
		return 0;
	if (device < 0)
		DMA_LOG(WARNING, d->name,
				"%s: its memory is on node %d, lcore %u that polls it on node %d: "
				"every access crosses",
				what, socket_id, lcore_id, core);
	else
		DMA_LOG(WARNING, d->name,
				"%s: the device is on node %d, its memory on node %d, lcore %u "
				"that polls it on node %d: every access crosses",
				what, device, socket_id < 0 ? device : socket_id, lcore_id, core);
	return 1;
}
