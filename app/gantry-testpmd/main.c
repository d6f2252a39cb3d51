/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * gantry-testpmd: an application for DPDK ports, similar to dpdk-testpmd, but for scripts. Its
 * prompt has the commands of dpdk-testpmd that most users know, and no others.
 *
 *	gantry-testpmd EAL-ARGUMENTS -- forward|linerate|addresses|-i [OPTIONS]
 *
 * The drivers of gantry are linked in. The application also runs on any other port that EAL
 * knows.
 *
 * Theory of operation
 *
 * A port is a set of receive and transmit queues. A queue belongs to one thread at a time,
 * because a burst function takes no lock. The unit of work is therefore the stream: one receive
 * queue, and the transmit queue with the same number on the peer port. A stream belongs to one
 * lcore for the duration of the command. The workers carry only streams; the main lcore watches
 * the clock and prints. With a single lcore, that lcore does both (forward.c). The prompt always
 * needs a worker, because the main lcore waits for input (prompt.c).
 *
 *	           stream of lcore 1                      stream of lcore 2
 *	port 0 rx queue 0 --> port 1 tx queue 0    port 1 rx queue 0 --> port 0 tx queue 0
 *
 * An lcore polls. If the host, the kernel or a page fault takes the core away, one turn of the
 * loop takes long, and in the meantime a receive ring fills at the rate of the wire: 4096
 * descriptors last 2.75 ms at 64 bytes and 1 Gb/s. Each loop therefore records its longest turn,
 * so that a lost frame can be distinguished from a lost core (linerate.c).
 *
 * Lifecycle: parse the options, start EAL, start the ports, run one command, stop the ports. A
 * signal or the removal of a device sets stop_requested, which every loop polls.
 *
 * Files
 *
 *	prompt.c    reads commands and executes them
 *	forward.c   the modes io, mac, macswap, rxonly, txonly, icmpecho
 *	icmpecho.c  turns a request into its reply
 *	linerate.c  sends frames at line rate, and compares every byte that arrives
 *	addresses.c shows the three addresses of memory
 *	show.c      prints ports, counters and packets for the prompt
 *	options.c   the command line
 *	port.c      starts and stops the ports that EAL found
 *	report.c    messages and JSON output
 *
 * Not done, on purpose: offloads other than RSS, scatter and multi-segment transmit, and commands
 * of dpdk-testpmd that configure anything else.
 */

#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "std_fds.h"
#include "testpmd.h"

static void
on_signal(int sig)
{
	stop_requested = 1;
}

/* Return the index of "--". Errors in the arguments behind it are found before EAL starts. */
static int
find_own_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return argc;
}

/*
 * Print the usage or the version, if an argument requests it. Without "--", the command line has no
 * arguments of a command, so the request is for this program and not for EAL.
 */
static bool
print_info(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (options_print_info(argv[i]))
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct options o;
	const int own = find_own_arguments(argc, argv);
	int status;

	std_fds_reserve();
	if (own == argc && print_info(argc, argv))
		return 0;
	if (!options_parse(&o, argc - own, argv + own))
		return 2;

	if (rte_eal_init(own, argv) < 0) {
		report_error("EAL did not start: %s", rte_strerror(rte_errno));
		return rte_errno == EINVAL ? 2 : 1;
	}
	/* No SA_RESTART: a signal also ends a read from standard input. */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);

	status = ports_set_up(&o);
	if (status == 0) {
		switch (o.command) {
		case CMD_FORWARD:
			status = forward_run(&o);
			break;
		case CMD_LINERATE:
			status = linerate_run(&o);
			break;
		case CMD_ADDRESSES:
			status = addresses_run(&o);
			break;
		case CMD_PROMPT:
			status = prompt_run(&o);
			break;
		}
	}
	if (ports_stop() != 0 && status == 0)
		status = 1;
	if (rte_eal_cleanup() != 0 && status == 0)
		status = 1;
	return status;
}
