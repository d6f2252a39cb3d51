/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testpmd.h"

#define USAGE \
	"usage: gantry-testpmd EAL-ARGUMENTS -- forward|linerate|addresses|-i [OPTIONS]\n" \
	"  forward    --mode io|mac|macswap|rxonly|txonly|icmpecho (io)\n" \
	"             --size BYTES    size of a frame that txonly sends, with FCS (64)\n" \
	"             --idle US       microseconds to sleep if no packet came (0: never)\n" \
	"  linerate   --sizes LIST    frame sizes with FCS, or - to read SIZE [SECONDS] lines from\n" \
	"                             standard input (64,128,256,512,1024,1280,1518)\n" \
	"             --trials N      trials of each size (1)\n" \
	"  addresses  print rings, pools and BARs with virtual, physical and bus address\n" \
	"  -i         a prompt with commands of dpdk-testpmd, which help lists; it has the options of\n" \
	"             forward, except --duration and --json, and needs two lcores\n" \
	"  all        --duration S    seconds (forward: until a signal; linerate: 2)\n" \
	"             --json FILE     write the result to FILE (- is standard output)\n" \
	"             --rxq N --txq N queues of each port (1)\n" \
	"             --rxd N --txd N descriptors of each queue (1024; linerate: 4096)\n" \
	"             --burst N       packets of a call (32)\n" \
	"             --mtu N         MTU of each port (the MTU of the driver)\n" \
	"             --mbuf-size N   bytes of an mbuf without headroom (2048 or more)\n" \
	"             -h, --help      print the usage and exit\n" \
	"             --version       print the version and exit\n" \
	"gantry-testpmd --help -- addresses prints the usage of EAL.\n"

const char *const mode_names[MODES] = {
	[MODE_IO] = "io",
	[MODE_MAC] = "mac",
	[MODE_MACSWAP] = "macswap",
	[MODE_RXONLY] = "rxonly",
	[MODE_TXONLY] = "txonly",
	[MODE_ICMPECHO] = "icmpecho",
};

enum {
	OPT_MODE = 256,
	OPT_DURATION,
	OPT_JSON,
	OPT_RXQ,
	OPT_TXQ,
	OPT_RXD,
	OPT_TXD,
	OPT_BURST,
	OPT_MTU,
	OPT_SIZE,
	OPT_MBUF_SIZE,
	OPT_IDLE,
	OPT_SIZES,
	OPT_TRIALS,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "rxq", required_argument, NULL, OPT_RXQ },
	{ "txq", required_argument, NULL, OPT_TXQ },
	{ "rxd", required_argument, NULL, OPT_RXD },
	{ "txd", required_argument, NULL, OPT_TXD },
	{ "burst", required_argument, NULL, OPT_BURST },
	{ "mtu", required_argument, NULL, OPT_MTU },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "mbuf-size", required_argument, NULL, OPT_MBUF_SIZE },
	{ "idle", required_argument, NULL, OPT_IDLE },
	{ "sizes", required_argument, NULL, OPT_SIZES },
	{ "trials", required_argument, NULL, OPT_TRIALS },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static bool
number(const char *name, const char *text, unsigned long min, unsigned long max,
		unsigned long *value)
{
	char *end;

	errno = 0;
	*value = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || *value < min ||
			*value > max) {
		report_error("--%s %s: must be a number from %lu to %lu", name, text, min, max);
		return false;
	}
	return true;
}

static bool
size_list(struct options *o, const char *text)
{
	char *copy, *next, *item = NULL;
	unsigned long v;

	o->nb_sizes = 0;
	o->sizes_from_stdin = strcmp(text, "-") == 0;
	if (o->sizes_from_stdin)
		return true;
	copy = next = strdup(text);
	while (copy != NULL && (item = strsep(&next, ",")) != NULL) {
		if (o->nb_sizes == MAX_SIZES) {
			report_error("--sizes: at most %d", MAX_SIZES);
			break;
		}
		if (!number("sizes", item, 64, 9018, &v))
			break;
		o->sizes[o->nb_sizes++] = v;
	}
	free(copy);
	return copy != NULL && item == NULL;
}

static bool
option(struct options *o, int opt, const char *name, const char *arg)
{
	unsigned long v = 0;
	char *end;

	switch (opt) {
	case OPT_MODE:
		for (unsigned int i = 0; i < RTE_DIM(mode_names); i++) {
			if (strcmp(arg, mode_names[i]) == 0) {
				o->mode = i;
				return true;
			}
		}
		report_error("--mode %s: must be io, mac, macswap, rxonly, txonly or icmpecho",
				arg);
		return false;
	case OPT_DURATION:
		o->duration = strtod(arg, &end);
		if (!isdigit((unsigned char)arg[0]) || *end != '\0' || o->duration > 1e6 ||
				o->duration <= 0) {
			report_error("--duration %s: must be a number of seconds, more than 0",
					arg);
			return false;
		}
		return true;
	case OPT_JSON:
		o->json = arg;
		return report_open(arg) == 0;
	case OPT_SIZES:
		return size_list(o, arg);
	case OPT_RXQ:
	case OPT_TXQ:
		if (!number(name, arg, 1, RTE_MAX_QUEUES_PER_PORT, &v))
			return false;
		*(opt == OPT_RXQ ? &o->rxq : &o->txq) = v;
		return true;
	case OPT_RXD:
	case OPT_TXD:
		if (!number(name, arg, 1, 32768, &v))
			return false;
		*(opt == OPT_RXD ? &o->rxd : &o->txd) = v;
		return true;
	case OPT_BURST:
		if (!number(name, arg, 1, MAX_BURST, &v))
			return false;
		o->burst = v;
		return true;
	case OPT_MTU:
		if (!number(name, arg, RTE_ETHER_MIN_MTU, 16000, &v))
			return false;
		o->mtu = v;
		return true;
	case OPT_SIZE:
		if (!number(name, arg, 64, 9018, &v))
			return false;
		o->size = v;
		return true;
	case OPT_MBUF_SIZE:
		if (!number(name, arg, 128, 16384, &v))
			return false;
		o->mbuf_size = v;
		return true;
	case OPT_IDLE:
		if (!number(name, arg, 0, 1000000, &v))
			return false;
		o->idle_us = v;
		return true;
	case OPT_TRIALS:
		if (!number(name, arg, 1, 1000000, &v))
			return false;
		o->trials = v;
		return true;
	}
	return false;
}

bool
options_print_info(const char *arg)
{
	if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
		fputs(USAGE, stdout);
	else if (strcmp(arg, "--version") == 0)
		puts("gantry-testpmd " GANTRY_VERSION);
	else
		return false;
	return true;
}

bool
options_parse(struct options *o, int argc, char **argv)
{
	static const uint32_t rfc2544[] = { 64, 128, 256, 512, 1024, 1280, 1518 };
	int opt, index;

	*o = (struct options){
		.rxq = 1,
		.txq = 1,
		.burst = 32,
		.size = 64,
		.trials = 1,
		.nb_sizes = RTE_DIM(rfc2544),
	};
	memcpy(o->sizes, rfc2544, sizeof(rfc2544));

	if (argc < 2) {
		report_error("no command: EAL's arguments, then --, then forward, linerate, "
			     "addresses or -i (see gantry-testpmd --help)");
		return false;
	}
	if (strcmp(argv[1], "forward") == 0) {
		o->command = CMD_FORWARD;
	} else if (strcmp(argv[1], "linerate") == 0) {
		o->command = CMD_LINERATE;
	} else if (strcmp(argv[1], "addresses") == 0) {
		o->command = CMD_ADDRESSES;
	} else if (strcmp(argv[1], "-i") == 0 || strcmp(argv[1], "--interactive") == 0) {
		o->command = CMD_PROMPT;
	} else if (options_print_info(argv[1])) {
		exit(0);
	} else {
		report_error("%s: no such command (forward, linerate, addresses, -i)", argv[1]);
		return false;
	}
	if (o->command == CMD_LINERATE) {
		/* Large rings: either side can be preempted longest without a loss. */
		o->rxd = o->txd = 4096;
		o->duration = 2;
	} else {
		o->rxd = o->txd = 1024;
	}

	argc--;
	argv++;
	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:h", long_options, &index)) != -1) {
		if (opt == 'h' || opt == OPT_HELP || opt == OPT_VERSION) {
			options_print_info(opt == OPT_VERSION ? "--version" : "--help");
			exit(0);
		}
		if (opt == ':' || opt == '?') {
			report_error(opt == ':' ? "%s needs a value" : "%s: no such option",
					argv[optind - 1]);
			return false;
		}
		if (!option(o, opt, long_options[index].name, optarg))
			return false;
	}
	if (optind < argc) {
		report_error("%s: not expected here", argv[optind]);
		return false;
	}
	/* EAL uses getopt after this, and getopt must report unknown options to the user again. */
	optind = 0;
	opterr = 1;
	if (o->command == CMD_PROMPT && (o->duration != 0 || o->json != NULL)) {
		report_error("-i has no --duration and no --json: use the command forward");
		return false;
	}
	/* A stream sends on the transmit queue that has the number of its receive queue. */
	if (o->txq < o->rxq &&
			(o->command == CMD_PROMPT ||
					(o->command == CMD_FORWARD && o->mode != MODE_RXONLY))) {
		report_error("--txq %u is less than --rxq %u: each receive queue needs its own "
			     "transmit queue",
				o->txq, o->rxq);
		return false;
	}
	return true;
}
