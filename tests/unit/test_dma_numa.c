/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of gantry_dma_numa_check(): the warning about a core that polls a queue on another NUMA
 * node.
 *
 * This machine may have a single node, so the linker replaces functions of libnuma and EAL by those
 * below (--wrap). The lcore runs on CPUs whose numbers differ from its own.
 */

#include "dma_eal.h"

#include <rte_lcore.h>

#include "gantry_dma.h"

#define CPU         37
#define ANOTHER_CPU 38

static int fake_node, fake_other_node;

int __wrap_numa_available(void);
int __wrap_numa_node_of_cpu(int cpu);
rte_cpuset_t __wrap_rte_lcore_cpuset(unsigned int lcore_id);

int
__wrap_numa_available(void)
{
	return 0;
}

int
__wrap_numa_node_of_cpu(int cpu)
{
	assert_true(cpu == CPU || cpu == ANOTHER_CPU);
	return cpu == CPU ? fake_node : fake_other_node;
}

rte_cpuset_t
__wrap_rte_lcore_cpuset(unsigned int lcore_id)
{
	rte_cpuset_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(CPU, &cpus);
	CPU_SET(ANOTHER_CPU, &cpus);
	return cpus;
}

static void
check(int device_node, int core_node, int memory_node, const char *expected)
{
	const struct gantry_dma_params p = { .name = "nic0", .socket_id = device_node };
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int ret;

	assert_non_null(dev);
	fake_node = fake_other_node = core_node;
	rte_openlog_stream(f);
	ret = gantry_dma_numa_check(dev, "rx queue 3", rte_lcore_id(), memory_node);
	rte_openlog_stream(NULL);
	fclose(f);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(ret, expected[0] != '\0');
	assert_string_equal(text, expected);
	free(text);
}

static void
far_core_or_memory_is_logged(void **state)
{
	check(0, 0, 0, "");
	check(SOCKET_ID_ANY, 1, 1, "");
	check(SOCKET_ID_ANY, 1, SOCKET_ID_ANY, "");
	check(0, -1, 0, ""); /* the kernel does not know the core's node */
	check(SOCKET_ID_ANY, 1, 0,
			"gantry_dma: nic0: rx queue 3: its memory is on node 0, "
			"lcore 0 that polls it on node 1: every access crosses\n");
	check(1, 0, 1,
			"gantry_dma: nic0: rx queue 3: the device is on node 1, its memory on "
			"node 1, lcore 0 that polls it on node 0: every access crosses\n");
	check(1, 0, 0,
			"gantry_dma: nic0: rx queue 3: the device is on node 1, its memory on "
			"node 0, lcore 0 that polls it on node 0: every access crosses\n");
}

static void
lcore_across_nodes_has_no_node(void **state)
{
	const unsigned int lcore = rte_lcore_id();

	fake_node = fake_other_node = 1;
	assert_int_equal(gantry_numa_node_of_lcore(lcore), 1);
	fake_other_node = 0; /* the lcore may run on both */
	assert_int_equal(gantry_numa_node_of_lcore(lcore), -1);
	fake_other_node = -1;
	assert_int_equal(gantry_numa_node_of_lcore(lcore), -1);
	assert_int_equal(gantry_numa_node_of_lcore(lcore + 1), -1); /* no such lcore */
	assert_int_equal(gantry_numa_node_of_lcore(RTE_MAX_LCORE), -1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(far_core_or_memory_is_logged),
		cmocka_unit_test(lcore_across_nodes_has_no_node),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name("dma_numa", tests, NULL, NULL);
}
