/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * gantry-nic: software NICs.
 *
 * Three kinds of thread:
 *  - one control thread per device, inside its vfio-user server: registers,
 *    resets, the client's coming and going (lib/vfio_user, lib/igb_model);
 *  - the polling threads, which move frames (poller.c). Each direction of each wire
 *    (lib/igb_model/wire.h) belongs to one of them;
 *  - this one, which sets all up, then waits for signals, writes statistics, and
 *    takes all down again in the reverse order: polling threads, statistics,
 *    wires, devices with their sockets.
 *
 * Signals are blocked in all threads and taken by sigwaitinfo() here, so no code
 * runs in a handler. (SIGBUS is the server's: a client that truncated its
 * memory.)
 *
 * Files: port_spec.c what the command line says; port.c devices and their wires;
 * poller.c threads; report.c statistics.
 */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "poller.h"
#include "port.h"
#include "port_spec.h"
#include "report.h"

#define EXIT_USAGE 2
#define CORES_MAX 64

struct options {
	struct port *ports;
	unsigned int nr_ports;
	unsigned int cores[CORES_MAX];
	unsigned int nr_cores;  /* 0: one thread, not pinned */
	const char *stats_json;
};

static void
help(void)
{
	puts("gantry-nic: software Intel 82576 network controllers behind vfio-user sockets\n"
"\n"
"usage: gantry-nic --port NAME:socket=PATH[,KEY=VALUE...] [--port ...] [OPTIONS]\n"
"\n"
"A port, any number of times:\n"
"  socket=PATH      where a driver reaches it; made with mode 0600, removed at exit\n"
"  mac=MAC          its address; default: locally administered, from NAME\n"
"  speed=SPEED      10, 100, 1G, 2.5G, 10G, 25G, a whole number of Mb/s, or max; default 1G.\n"
"                   The wire keeps it exactly, preamble, FCS and inter-frame gap included,\n"
"                   and drops a frame that finds no receive descriptor. With max it has no\n"
"                   clock, and waits for descriptors instead.\n"
"  catchup=US       when the host takes the polling core away, so many microseconds of wire\n"
"                   time are caught up with at once; more is lost, and told as stalled_ns.\n"
"                   Default 200: no ring overflows for it. 0 to 100000.\n"
"  addr_bits=N      how many bits of a bus address the device drives, 24 to 64; higher bits of\n"
"                   what it is given are lost, as on hardware. Default 64.\n"
"  page_table=off   to drivers, a device without an I/O page table, as other servers' are: a\n"
"                   driver that maps each buffer by itself sends a message for each. Default on.\n"
"  wire=WIRE        where the cable leads; default none. The link is up whatever it is.\n"
"    none           to a partner that listens and says nothing\n"
"    loop           back into the port\n"
"    pair:NAME      to another port; one end may name the other, or both each other. A\n"
"                   speed given at one end is that of both.\n"
"    tap:IFNAME     to a TAP interface, made if there is none; it is not brought up\n"
"    pcap:IN[:OUT]  to a capture that is replayed once, back to back at the wire's speed,\n"
"                   as soon as the driver receives; and one that records what the port sends.\n"
"                   Time stamps of IN are not looked at. Neither name may hold ':' or ','.\n"
"\n"
"Options:\n"
"  --cores LIST       one polling thread on each of these cores, e.g. 1 or 0,2-3; the\n"
"                     directions of the wires are spread over them. Default: one thread,\n"
"                     not pinned. A thread is busy as long as a driver is attached.\n"
"  --stats-json FILE  write statistics at exit (-: to standard output, after the line 'ready')\n"
"  --help, --version\n"
"\n"
"'gantry-nic: ready' on standard output says that all sockets listen.\n"
"\n"
"Signals:\n"
"  SIGINT, SIGTERM  end\n"
"  SIGUSR1          statistics as text to standard error\n"
"  SIGUSR2          write the file of --stats-json now (it is replaced as a whole), and\n"
"                   measure anew from here: longest_gap_ns is always since the last writing;\n"
"                   all other numbers are since the start\n"
"\n"
"Exit status: 0, 1 something failed, 2 wrong arguments.");
}

/* Says what is wrong with the arguments; the exit status. */
#define usage_error(...) (warnx(__VA_ARGS__), EXIT_USAGE)

static int
add_port(struct options *opt, const char *arg)
{
	char err[SPEC_ERR_LEN];
	struct port *ports;

	if (opt->nr_ports == PORT_MAX)
		return usage_error("more than %d ports", PORT_MAX);
	ports = realloc(opt->ports, (opt->nr_ports + 1) * sizeof(*ports));
	if (ports == NULL)
		return usage_error("out of memory");
	opt->ports = ports;
	memset(&ports[opt->nr_ports], 0, sizeof(*ports));
	if (port_spec_parse(arg, &ports[opt->nr_ports].spec, err) != 0)
		return usage_error("%s", err);
	opt->nr_ports++;
	return 0;
}

/* Checks all ports together; their specifications do not lie side by side. */
static int
check_ports(struct options *opt)
{
	struct port_spec specs[PORT_MAX];
	char err[SPEC_ERR_LEN];
	unsigned int i;
	int ret;

	for (i = 0; i < opt->nr_ports; i++)
		specs[i] = opt->ports[i].spec;
	ret = port_specs_check(specs, opt->nr_ports, err);
	for (i = 0; i < opt->nr_ports; i++)
		opt->ports[i].spec = specs[i];
	return ret == 0 ? 0 : usage_error("%s", err);
}

static int
set_cores(struct options *opt, const char *arg)
{
	char err[SPEC_ERR_LEN];
	int nr = core_list_parse(arg, opt->cores, CORES_MAX, err);
	cpu_set_t allowed;
	unsigned int i;

	if (nr < 0)
		return usage_error("%s", err);
	opt->nr_cores = nr;
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return 0;
	for (i = 0; i < opt->nr_cores; i++)
		if (opt->cores[i] >= CPU_SETSIZE || !CPU_ISSET(opt->cores[i], &allowed))
			return usage_error("--cores %s: there is no core %u that this process may run on (%d may be used)",
					arg, opt->cores[i], CPU_COUNT(&allowed));
	return 0;
}

/* Found out now, not after hours. */
static int
check_stats_path(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int ret = 0;

	if (strcmp(path, "-") == 0)
		return 0;
	dir = slash == NULL ? strdup(".") : strndup(path, slash - path + 1);
	if (dir == NULL)
		return usage_error("out of memory");
	if (path[0] == '\0' || (slash != NULL && slash[1] == '\0'))
		ret = usage_error("--stats-json: '%s' is no file's name", path);
	else if (access(dir, W_OK | X_OK) != 0)
		ret = usage_error("--stats-json %s: cannot write there: %s", path,
				strerror(errno));
	free(dir);
	return ret;
}

enum {
	OPT_PORT = 256,
	OPT_CORES,
	OPT_STATS_JSON,
	OPT_HELP,
	OPT_VERSION,
};

/* Returns 0 to go on; else *status is the exit status. */
static int
parse_options(int argc, char **argv, struct options *opt, int *status)
{
	static const struct option longopts[] = {
		{ "port", required_argument, NULL, OPT_PORT },
		{ "cores", required_argument, NULL, OPT_CORES },
		{ "stats-json", required_argument, NULL, OPT_STATS_JSON },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*status = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", longopts, NULL)) != -1 && *status == 0) {
		switch (c) {
		case OPT_PORT:
			*status = add_port(opt, optarg);
			break;
		case OPT_CORES:
			*status = set_cores(opt, optarg);
			break;
		case OPT_STATS_JSON:
			opt->stats_json = optarg;
			*status = check_stats_path(optarg);
			break;
		case OPT_HELP:
			help();
			return -1;
		case OPT_VERSION:
			puts("gantry-nic " GANTRY_VERSION);
			return -1;
		case ':':
			*status = usage_error("%s needs a value (see --help)", argv[optind - 1]);
			break;
		default:
			*status = usage_error("unknown option %s (see --help)", argv[optind - 1]);
		}
	}
	if (*status == 0 && optind < argc)
		*status = usage_error("unexpected argument '%s' (see --help)", argv[optind]);
	if (*status == 0 && opt->nr_ports == 0)
		*status = usage_error("no port: give --port NAME:socket=PATH (see --help)");
	if (*status == 0)
		*status = check_ports(opt);
	return *status == 0 ? 0 : -1;
}

/* Blocks what wait_for_end() takes. A hangup that nohup ignores stays ignored. */
static void
block_signals(sigset_t *set)
{
	struct sigaction hup;

	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGUSR2);
	if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN)
		sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
wait_for_end(const struct options *opt, const sigset_t *set, uint64_t started)
{
	for (;;) {
		switch (sigwaitinfo(set, NULL)) {
		case SIGINT:
		case SIGTERM:
		case SIGHUP:
			return;
		case SIGUSR1:
			report_text(stderr, opt->ports, opt->nr_ports, started);
			break;
		case SIGUSR2:
			if (opt->stats_json == NULL)
				fputs("gantry-nic: SIGUSR2: there is no --stats-json FILE to write\n",
						stderr);
			else
				report_json(opt->stats_json, opt->ports, opt->nr_ports, started);
			break;
		default: /* EINTR */
			break;
		}
	}
}

/* As many threads as there is something to do for. */
static int
start_pollers(const struct options *opt, struct poller **pollers, char *err)
{
	unsigned int dirs = ports_directions(opt->ports, opt->nr_ports);
	unsigned int nr = opt->nr_cores != 0 ? opt->nr_cores : 1;
	unsigned int i;
	int ret = 0;

	if (nr > dirs)
		nr = dirs;
	for (i = 0; i < nr; i++) {
		pollers[i] = poller_new(opt->nr_cores != 0 ? (int)opt->cores[i] : -1, err);
		if (pollers[i] == NULL)
			return -ENOMEM;
	}
	ports_spread(opt->ports, opt->nr_ports, pollers, nr);
	for (i = 0; i < nr && ret == 0; i++)
		ret = poller_start(pollers[i], err);
	return ret;
}

static int
run(const struct options *opt)
{
	struct poller *pollers[CORES_MAX] = { NULL };
	uint64_t started = poller_now();
	char err[WIRE_ERR_LEN] = "";
	unsigned int i;
	sigset_t set;
	int ret;

	block_signals(&set);
	ret = ports_open(opt->ports, opt->nr_ports, err);
	if (ret == 0)
		ret = start_pollers(opt, pollers, err);
	if (ret == 0) {
		puts("gantry-nic: ready");
		fflush(stdout);
		wait_for_end(opt, &set, started);
	} else {
		warnx("%s", err);
	}
	for (i = 0; i < CORES_MAX; i++)
		poller_free(pollers[i]);
	if (ret == 0 && opt->stats_json != NULL)
		ret = report_json(opt->stats_json, opt->ports, opt->nr_ports, started);
	ports_close(opt->ports, opt->nr_ports);
	return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
	struct options opt = { .ports = NULL };
	unsigned int i;
	int status;

	if (parse_options(argc, argv, &opt, &status) == 0)
		status = run(&opt);
	for (i = 0; i < opt.nr_ports; i++)
		port_spec_free(&opt.ports[i].spec);
	free(opt.ports);
	return status;
}
