/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * gantry-testpmd: an application for DPDK ports, in the manner of dpdk-testpmd
 * but without its command line, for scripts.
 *
 *	gantry-testpmd EAL-ARGUMENTS -- forward|linerate|addresses [OPTIONS]
 *
 * The drivers of gantry are linked in; any other port that EAL knows will do.
 *
 * Theory of operation
 *
 * A port is a set of receive and transmit queues, and a queue belongs to one
 * thread at a time: a burst function takes no lock. So the unit of work is the
 * stream, one receive queue and the transmit queue of the same number on the
 * peer port, and a stream belongs to one lcore for as long as the command runs.
 * The workers carry streams and nothing else; the main lcore watches the clock
 * and talks to the user. With a single lcore it does both (forward.c).
 *
 * An lcore polls. Whatever keeps it away - the host that runs another machine,
 * the kernel, a page fault - shows as a long turn of its loop, and while it is
 * away a receive ring fills at the wire's rate: 4096 descriptors last 2.75 ms
 * at 64 bytes and 1 Gb/s. Each loop therefore records its longest turn, so that
 * a lost frame can be told from a lost core (linerate.c).
 *
 *	options.c   the command line
 *	port.c      from EAL's ports to started ones
 *	forward.c   the modes io, mac, macswap, rxonly, txonly, icmpecho
 *	icmpecho.c  a request into its reply
 *	linerate.c  frames at line rate, compared byte for byte
 *	addresses.c one memory, three addresses
 *	report.c    JSON
 */

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "std_fds.h"
#include "testpmd.h"

volatile sig_atomic_t stop_requested;

void
complain(const char *format, ...)
{
	va_list ap;

	fflush(stdout);
	va_start(ap, format);
	vwarnx(format, ap);
	va_end(ap);
}

static void
on_signal(int sig)
{
	stop_requested = 1;
}

/* Ours is what stands after "--"; a mistake in it is found before EAL starts. */
static int
find_own_arguments(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return i;
	return argc;
}

/* Without "--" there is nothing of EAL's to ask about. */
static bool
asks_for_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct options o;
	const int own = find_own_arguments(argc, argv);
	int status;

	std_fds_reserve();
	if (own == argc && asks_for_help(argc, argv)) {
		options_usage();
		return 0;
	}
	if (!options_parse(&o, argc - own, argv + own))
		return 2;

	if (rte_eal_init(own, argv) < 0) {
		complain("EAL did not start: %s", rte_strerror(rte_errno));
		return rte_errno == EINVAL ? 2 : 1;
	}
	/* No SA_RESTART: a read from standard input ends, too. */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);

	status = ports_start(&o);
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
		}
	}
	if (ports_stop() != 0 && status == 0)
		status = 1;
	if (rte_eal_cleanup() != 0 && status == 0)
		status = 1;
	return status;
}
