/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scenarios that call those parts of ethdev which no packaged tool calls, on one port whose wire is
 * a loop:
 *
 *	ethdev_calls EAL-ARGS -- SCENARIO [looped]
 *
 * "looped" puts the device into its MAC loopback, for a wire that is no loop. The program prints
 * "SCENARIO: ok" and exits with status 0, or prints the first error and exits with status 1. A test
 * plays "free-in-flight", "unresponsive-device" and "unplug" line by line together with the
 * program.
 *
 * Organisation by file; each file calls only those below it:
 *
 *	ethdev_calls.c     this file: the list of scenarios, and main()
 *	ethdev_setup.c     scenarios: configuration, restarts, filters, identity
 *	ethdev_events.c    scenarios: receive interrupts, link changes, speeds
 *	ethdev_offloads.c  scenarios: SCTP checksums, TCP segmentation
 *	ethdev_limits.c    scenarios: limits of frames and receive buffers
 *	ethdev_owner.c     scenarios: mbufs that the device owns
 *	ethdev_device.c    scenarios: a device that fails
 *	ethdev_vdev.c      scenarios: a port that a vdev owns
 *	ethdev_common.c    what the scenarios share: messages, port, frames
 *
 * Only ethdev_device.c and ethdev_vdev.c contain anything that is specific to gantry.
 */

#include <stdio.h>
#include <string.h>

#include <rte_eal.h>

#include "ethdev_calls.h"

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "application-maps", application_maps },
	{ "bad-buffer", bad_buffer },
	{ "bad-buffer-wire", bad_buffer_wire },
	{ "deferred-queues", deferred_queues },
	{ "device-error", device_error },
	{ "filters", filters },
	{ "free-in-flight", free_in_flight },
	{ "identity", identity },
	{ "interrupts", interrupts },
	{ "link", link_changes },
	{ "link-watch", link_watch },
	{ "no-stall", no_stall },
	{ "restart", restart },
	{ "ring-bases", ring_bases },
	{ "scatter", scatter },
	{ "sctp", sctp },
	{ "speeds", speeds },
	{ "stale-descriptor", stale_descriptor },
	{ "stall-rx", stall_rx },
	{ "stall-tx", stall_tx },
	{ "tso", tso },
	{ "tx-prepare", tx_prepare },
	{ "unplug", unplug },
	{ "unresponsive-device", unresponsive_device },
	{ "vdev", vdev },
};

int
main(int argc, char **argv)
{
	int n = rte_eal_init(argc, argv);
	unsigned int i;

	if (n < 0 || n + 1 >= argc) {
		fprintf(stderr, "usage: ethdev_calls EAL-ARGS -- SCENARIO [looped]\n");
		return 2;
	}
	scenario = argv[n + 1];
	mac_loopback = n + 2 < argc && strcmp(argv[n + 2], "looped") == 0;
	pool = rte_pktmbuf_pool_create("pool", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	CHECK(pool != NULL);
	OK(rte_eth_macaddr_get(P, &own));
	for (i = 0; i < RTE_DIM(scenarios); i++) {
		if (strcmp(scenario, scenarios[i].name) != 0)
			continue;
		scenarios[i].run();
		printf("%s: ok\n", scenario);
		rte_eal_cleanup();
		return 0;
	}
	wrong("no such scenario; doc/testing.md lists them");
}
