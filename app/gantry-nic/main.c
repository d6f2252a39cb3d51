/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * gantry-nic: software NICs. Theory of this folder.
 *
 * The daemon serves one or more ports. A port is a software 82576 (lib/igb_model) behind a
 * vfio-user socket (lib/vfio_user), and a cable (lib/igb_model/wire.h). Its client, a driver in
 * another process, attaches to the socket and drives the device.
 *
 * ORGANISATION
 *
 *    main.c         options, signals, set-up and end; this text
 *    control.c      --control: requests of other programs, and their methods
 *    ctl.c          gantry-nic ctl, a client of --control for people
 *    report.c       statistics as JSON and as text; report_flows.c: results of flows
 *    port.c         devices and their wires
 *    poller.c       polling threads
 *    files.c        check of the files that the command line names
 *    port_limits.c  shares of the process limits for each port
 *    generator.c    flows of --traffic and --control for the ports with wire=gen
 *    port_spec.c    parsing of --port and --cores
 *    file_keeper.c  the process that changes files for the daemon
 *    front.c        the process that the user starts, and that forks the daemon
 *    sandbox.c      rights of the threads after set-up
 *    log.c          standard error without blocking
 *
 * DATA STRUCTURES
 *
 *    struct options
 *     +- ports[] --> struct port --- dev ----> struct m82576 (server, control thread)
 *                        |
 *                        +- out ----> struct wire_dir: from dev to a device, TAP, capture, nothing
 *                        +- in -----> struct wire_dir: to dev. Owned (tap, pcap), or the out of
 *                                     this port (loop) or of its peer (pair); NULL: wire=none
 *
 *    struct poller --- dirs[] ------> struct wire_dir, each in exactly one poller
 *                  +-- devs[], servers[]: those at the ends of its directions
 *
 * THREADS
 *
 * - One control thread for each device, inside its vfio-user server: registers, resets, a client's
 *   attaching and detaching (lib/vfio_user, lib/igb_model).
 * - The polling threads, which move frames (poller.c). Each direction of each wire belongs to
 *   exactly one of them.
 * - Threads that wait for something slow, so that no other thread does: one writes the log (log.c),
 *   one watches each TAP, and the servers close foreign descriptors and read memory without a
 *   descriptor in threads of their own.
 * - The main thread, which sets all up, then waits for signals and for requests of --control, and
 *   writes statistics.
 *
 * The path of a frame takes no lock: devices belong to their control threads, directions to their
 * polling threads, and statistics are relaxed atomics that the main thread reads. A control
 * thread hands memory over to the polling threads by grace periods (vfu_rcu.h).
 *
 * LIFECYCLE
 *
 * 1. Parse and check the arguments (port_spec.c, port_limits.c, files.c).
 * 2. Fork the daemon (front.c), prepare the sandbox, start the file keeper and the log.
 * 3. Open TAPs and captures to replay, make the devices, open recordings, connect the wires
 *    (port.c).
 * 4. Start the polling threads, enter the sandbox, report "ready".
 * 5. Wait for signals and requests.
 * 6. End in the reverse order: polling threads, statistics, wires, devices with their sockets, log.
 *
 * All threads block signals, and the main thread takes them by signalfd(). Only while the main
 * thread does something that may last (opening files, serving requests, writing statistics) does a
 * handler receive the signals to end. Once such a signal has come, SIGALRM ends the process if all
 * else waits. (SIGBUS belongs to the servers: a client that truncated its memory.)
 *
 * After set-up all threads are confined (sandbox.c), and another process changes files for them
 * (file_keeper.c). The process that the user started passes signals on to the daemon, and ends with
 * its status (front.c).
 *
 * DELIBERATELY NOT DONE
 *
 * Ports are not added or removed while the daemon runs, because a confined process opens nothing.
 * The daemon does not restart itself, and does not detach from its terminal.
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
#include <sys/signalfd.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "ctl.h"
#include "file_keeper.h"
#include "files.h"
#include "front.h"
#include "generator.h"
#include "port_limits.h"
#include "log.h"
#include "output_file.h"
#include "poller.h"
#include "port.h"
#include "port_spec.h"
#include "report.h"
#include "sandbox.h"
#include "std_fds.h"

#define EXIT_USAGE   2
#define END_MS       1700 /* ms from the signal to the exit, whatever waits; see also front.c */
#define STOP_MS      1000 /* ms for the polling threads to end */
#define STATS_MS     1000 /* ms for the reader of the statistics; at the end: */
#define STATS_END_MS 500
#define CORES_MAX    64

struct options {
	struct port *ports;
	unsigned int nr_ports;
	unsigned int cores[CORES_MAX];
	unsigned int nr_cores; /* 0: one thread, not pinned */
	bool free_cores;       /* there are other cores besides those */
	const char *traffic_path;
	const char *control_path;
	struct generator generator;
	struct control *control; /* NULL: there is no --control */
	uint64_t started;        /* poller_now() */
	const char *stats_json;
	struct output_file stats;
	bool stats_failed; /* at least once */
	enum sandbox_mode sandbox;
};

static volatile sig_atomic_t ending;

static void
help_ports(void)
{
	/* clang-format off */
	puts("gantry-nic: software Intel 82576 network controllers behind vfio-user sockets\n"
"\n"
"usage: gantry-nic --port NAME:socket=PATH[,KEY=VALUE...] [--port ...] [OPTIONS]\n"
"       gantry-nic ctl PATH COMMAND (see gantry-nic ctl --help)\n"
"\n"
"A port, any number of times:\n"
"  socket=PATH      Unix socket through which a driver attaches; made with mode 0600, removed at\n"
"                   exit\n"
"  mac=MAC          address of the port; default: locally administered, from NAME\n"
"  speed=SPEED      10, 100, 1G, 2.5G, 10G, 25G, a whole number of Mb/s, or max; default 1G.\n"
"                   The wire keeps it exactly, preamble, FCS and inter-frame gap included,\n"
"                   and drops a frame that finds no receive descriptor. With max it has no\n"
"                   clock, and waits for descriptors instead.\n"
"  catchup=US       microseconds of wire time, 0 to 100000, that the wire catches up with at once\n"
"                   after the host took the polling core away. More is lost, and counted as\n"
"                   stalled_ns. Default 200, with which no ring overflows.\n"
"  addr_bits=N      number of bits of a bus address that the device drives, 24 to 64. The device\n"
"                   loses higher bits of any address, as on hardware. Default 64.\n"
"  page_table=off   a device without an I/O page table, as those of other servers: a driver that\n"
"                   maps each buffer by itself sends a message for each. Default on.\n"
"  max_maps=N       number of mappings of its files, at least 16, that a client of this port may\n"
"                   have in the daemon. Default: an equal share of vm.max_map_count.\n"
"  max_fds=N        number of file descriptors of a client, at least 64, that may be open in the\n"
"                   daemon. Default: an equal share of the limit on open files (ulimit -Hn), at\n"
"                   most 1024.\n"
"  max_mem=MIB      MiB of a client's files, hugepages aside, that may be mapped in the daemon.\n"
"                   Default: an equal share of RAM and swap, or of the least limit of its memory\n"
"                   cgroups.\n"
"  wire=WIRE        the other end of the cable; default none\n"
"    none           a partner that receives and sends nothing\n"
"    loop           the port itself\n"
"    pair:NAME      another port. One end may name the other, or both each other. A speed that\n"
"                   is given at one end is that of both. The link is up while both ends have a\n"
"                   driver that started its port.\n"
"    tap:IFNAME     a TAP interface, which the daemon makes if there is none, and does not bring\n"
"                   up. The link is up while the interface is, and the interface has a carrier\n"
"                   while the port is started.\n"
"    pcap:IN[:OUT]  a capture that is replayed once, back to back at the speed of the wire, and\n"
"                   a capture that records the frames that the port sends. IN is pcap or pcapng,\n"
"                   plain or compressed with gzip or zstd; the replay ignores time stamps. OUT is\n"
"                   pcapng if its name ends in .pcapng, else pcap. Neither may have ':' or ','.\n"
"    gen            the flows of --traffic or --control: frames that the daemon generates, and\n"
"                   the check of the frames that the port sends\n"
"  start=WHEN       time at which a replay or a generator begins. MS, 0 to 600000: once the port\n"
"                   receives and the process of the driver has accessed no register but tails,\n"
"                   interrupts and statistics for that many milliseconds (default 750), and at\n"
"                   the latest 10 s after it. signal: when SIGRTMIN has come and the port\n"
"                   receives.\n");
	/* clang-format on */
}

static void
help_options(void)
{
	/* clang-format off */
	puts("Options:\n"
"  --cores LIST       run one polling thread on each of these cores, e.g. 1 or 0,2-3, and spread\n"
"                     the directions of the wires over them. Default: one thread,\n"
"                     not pinned. A thread is busy as long as a driver is attached. All other\n"
"                     threads stay off these cores if the process may run on others; otherwise\n"
"                     the threads of a port run on the cores that poll the port.\n"
"  --traffic FILE     flows of the ports with wire=gen, as JSON of the Open Traffic Generator\n"
"                     model. The location of a port in the file is the NAME of a --port.\n"
"  --control PATH     Unix socket for other programs, made with mode 0600: JSON-RPC 2.0, one\n"
"                     request a line, to replace, start and stop flows and to read statistics.\n"
"                     wire=gen then needs no --traffic. 'gantry-nic ctl' is such a program.\n"
"  --stats-json FILE  write statistics at exit (-: to standard output, after the line 'ready')\n"
"  --sandbox=on|log|off\n"
"                     rights of the daemon once it is ready. on, the default: the daemon is\n"
"                     nobody if root started it, has no capabilities, and opens no files, and a\n"
"                     system call that a thread has no use for fails. log: such a call is\n"
"                     executed, and the log of the kernel names it (type=1326); files are not\n"
"                     protected. off: the daemon keeps all rights.\n"
"  --help             print the usage and exit\n"
"  --version          print the version and exit\n"
"\n"
"When all sockets listen, the daemon writes 'gantry-nic: ready' to standard output.\n"
"\n"
"Signals:\n"
"  SIGINT, SIGTERM, SIGHUP  end within 2 s\n"
"  SIGQUIT          end at once, with a core file of the daemon if the system writes one\n"
"  SIGUSR1          write the statistics as text to standard error\n"
"  SIGUSR2          write the file of --stats-json now (it is replaced as a whole), and begin\n"
"                   another interval for longest_gap_ns; all other numbers are since the start\n"
"  SIGRTMIN         begin the replays and generators that wait for it (start=signal):\n"
"                   kill -s RTMIN PID\n"
"\n"
"Exit status: 0 success, 1 something failed, 2 wrong arguments.");
	/* clang-format on */
}

/* Print an error in the arguments. The value is the exit status. */
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

/* Check all ports together. The checks need the specifications in one array. */
static int
check_ports(struct options *opt)
{
	struct port_spec specs[PORT_MAX];
	struct limits limits;
	char err[SPEC_ERR_LEN];
	unsigned int i;
	int ret;

	for (i = 0; i < opt->nr_ports; i++)
		specs[i] = opt->ports[i].spec;
	ret = port_specs_check(specs, opt->nr_ports, err);
	if (ret == 0) {
		limits_get(&limits);
		ret = limits_divide(&limits, specs, opt->nr_ports, err);
	}
	for (i = 0; i < opt->nr_ports; i++)
		opt->ports[i].spec = specs[i];
	if (ret > 0)
		warnx("%s", err);
	return ret >= 0 ? 0 : usage_error("%s", err);
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
			return usage_error(
					"--cores %s: there is no core %u that this process may run "
					"on (%d may be used)",
					arg, opt->cores[i], CPU_COUNT(&allowed));
	return 0;
}

/* Open the file at start, so that an error is found now and not after hours. */
static int
set_stats(struct options *opt, const char *path)
{
	const char *why;

	if (opt->stats_json != NULL)
		return usage_error("--stats-json is given twice");
	opt->stats_json = path;
	if (output_file_open(path, &opt->stats, &why) != 0)
		return usage_error("--stats-json %s: cannot be written: %s", path, why);
	opt->stats.limit_ms = STATS_MS;
	return 0;
}

/*
 * Check the files. "-", and any other name of standard output, is on purpose the same file as the
 * one that the shell opened.
 */
static int
check_files(const struct options *opt)
{
	const char *stats = opt->stats.fd == STDOUT_FILENO ? NULL : opt->stats_json;
	char err[SPEC_ERR_LEN];
	int ret = files_check(opt->ports, opt->nr_ports, opt->control_path, opt->traffic_path,
			stats, err);

	if (ret != 0)
		warnx("%s", err);
	return ret == 0 ? 0 : ret == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}

static int
set_traffic(struct options *opt, const char *path)
{
	if (opt->traffic_path != NULL)
		return usage_error("--traffic is given twice: one file has the flows of all ports");
	opt->traffic_path = path;
	return 0;
}

static int
set_control(struct options *opt, const char *path)
{
	if (opt->control_path != NULL)
		return usage_error("--control is given twice");
	opt->control_path = path;
	return 0;
}

static int
load_traffic(struct options *opt)
{
	char err[SPEC_ERR_LEN];
	int ret;

	opt->generator.ports = opt->ports;
	opt->generator.nr = opt->nr_ports;
	opt->generator.ending = &ending;
	ret = generator_load(&opt->generator, opt->traffic_path, opt->control_path != NULL, err);
	if (ret != 0)
		warnx("%s", err);
	return ret == 0 ? 0 : ret == -EINVAL ? EXIT_USAGE : EXIT_FAILURE;
}

static int
set_sandbox(struct options *opt, const char *arg)
{
	static const char *const modes[] = {
		[SANDBOX_ON] = "on",
		[SANDBOX_LOG] = "log",
		[SANDBOX_OFF] = "off",
	};
	unsigned int i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(arg, modes[i]) == 0) {
			opt->sandbox = (enum sandbox_mode)i;
			return 0;
		}
	}
	return usage_error("--sandbox=%s: expected on, log or off", arg);
}

enum {
	OPT_PORT = 256,
	OPT_CORES,
	OPT_SANDBOX,
	OPT_STATS_JSON,
	OPT_TRAFFIC,
	OPT_CONTROL,
	OPT_HELP,
	OPT_VERSION,
};

/*
 * Parse the options.
 *
 * @return 0 to go on; else *status is the exit status
 */
static int
parse_options(int argc, char **argv, struct options *opt, int *status)
{
	static const struct option longopts[] = {
		{ "port", required_argument, NULL, OPT_PORT },
		{ "cores", required_argument, NULL, OPT_CORES },
		{ "stats-json", required_argument, NULL, OPT_STATS_JSON },
		{ "traffic", required_argument, NULL, OPT_TRAFFIC },
		{ "control", required_argument, NULL, OPT_CONTROL },
		{ "sandbox", required_argument, NULL, OPT_SANDBOX },
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
			*status = set_stats(opt, optarg);
			break;
		case OPT_TRAFFIC:
			*status = set_traffic(opt, optarg);
			break;
		case OPT_CONTROL:
			*status = set_control(opt, optarg);
			break;
		case OPT_SANDBOX:
			*status = set_sandbox(opt, optarg);
			break;
		case OPT_HELP:
			help_ports();
			help_options();
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
	if (*status == 0)
		*status = check_files(opt);
	if (*status == 0)
		*status = load_traffic(opt);
	return *status == 0 ? 0 : -1;
}

/* Start the time limit END_MS for the end of the process. Async-signal-safe. */
static void
begin_end(int sig)
{
	const struct itimerval timer = { .it_value = { END_MS / 1000, END_MS % 1000 * 1000 } };

	if (!ending)
		setitimer(ITIMER_REAL, &timer, NULL);
	ending = 1;
}

/* Handle SIGALRM: something did not end in time. The next start replaces sockets that remain. */
static void
end_now(int sig)
{
	log_line_now("gantry-nic: something did not end in time: status 1\n");
	front_exit(EXIT_FAILURE);
}

/*
 * Block the signals that serve() takes. *ends is the set of those that end the process. A
 * hangup that nohup ignores remains ignored.
 */
static void
block_signals(sigset_t *set, sigset_t *ends)
{
	const int sigs[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa;

	sigemptyset(ends);
	for (unsigned int i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		if (sigs[i] == SIGHUP && sigaction(SIGHUP, NULL, &sa) == 0 &&
				sa.sa_handler == SIG_IGN)
			continue;
		sigaddset(ends, sigs[i]);
		sa = (struct sigaction){ .sa_handler = begin_end, .sa_flags = SA_RESTART };
		sigaction(sigs[i], &sa, NULL);
	}
	sa = (struct sigaction){ .sa_handler = end_now };
	sigaction(SIGALRM, &sa, NULL);
	*set = *ends;
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGUSR2);
	sigaddset(set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
write_stats(struct options *opt)
{
	int ret = report_json(&opt->stats, opt->ports, opt->nr_ports, opt->started);

	if (ret != 0)
		fprintf(stderr, "gantry-nic: cannot write statistics to %s: %s\n", opt->stats_json,
				ret == -EAGAIN ? "nobody reads them" : strerror(-ret));
	opt->stats_failed |= ret != 0;
}

/* Do what a signal asks for. The signals that end the process are not blocked. */
static void
take_signal(struct options *opt, int sig)
{
	if (sig == SIGRTMIN) /* not a constant */
		ports_start(opt->ports, opt->nr_ports);
	switch (sig) {
	case SIGINT:
	case SIGTERM:
	case SIGHUP:
		begin_end(sig);
		break;
	case SIGUSR1:
		report_text(stderr, opt->ports, opt->nr_ports, opt->started);
		break;
	case SIGUSR2:
		if (opt->stats_json == NULL)
			fputs("gantry-nic: SIGUSR2: there is no --stats-json FILE to write\n",
					stderr);
		else
			write_stats(opt);
		break;
	default:
		break;
	}
}

/*
 * Serve signals and the clients of --control.
 *
 * @param signals  signalfd() of the blocked signals
 * @param ends     those of them that end the process
 */
static void
serve(struct options *opt, int signals, const sigset_t *ends)
{
	struct pollfd fds[1 + CONTROL_FDS] = { { .fd = signals, .events = POLLIN } };
	struct signalfd_siginfo info;

	while (!ending) {
		control_prepare(opt->control, fds + 1);
		if (poll(fds, 1 + CONTROL_FDS, -1) < 0)
			continue; /* EINTR, or no memory for the moment */
		pthread_sigmask(SIG_UNBLOCK, ends, NULL);
		if (fds[0].revents != 0 && read(signals, &info, sizeof(info)) == sizeof(info))
			take_signal(opt, (int)info.ssi_signo);
		control_serve(opt->control, fds + 1);
		pthread_sigmask(SIG_BLOCK, ends, NULL);
	}
}

/* Start one thread for each core of the options, but not more than there are directions. */
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
	if (!opt->free_cores)
		ports_keep_to_cores(opt->ports, opt->nr_ports, pollers, nr);
	for (i = 0; i < nr && ret == 0; i++)
		ret = poller_start(pollers[i], err);
	return ret;
}

/*
 * Keep all threads but the polling ones off the polling cores, if there are others, so that no
 * client can make the control thread of its port take the core of another port's polling thread. If
 * there are no others, the threads of a port run where the port is polled (start_pollers()).
 *
 * @return whether there are others
 */
static bool
leave_polling_cores(const struct options *opt)
{
	cpu_set_t others;
	unsigned int i;

	if (sched_getaffinity(0, sizeof(others), &others) != 0)
		return true;
	for (i = 0; i < opt->nr_cores; i++)
		CPU_CLR(opt->cores[i], &others);
	return CPU_COUNT(&others) != 0 && sched_setaffinity(0, sizeof(others), &others) == 0;
}

/*
 * End what runs, in the reverse order.
 *
 * If a polling thread is stuck in the memory of a client, it ends with the process, and so do the
 * devices: the process ends here.
 *
 * @param ok  set-up succeeded
 * @return the exit status
 */
static int
end(struct options *opt, struct poller *const *pollers, bool ok)
{
	bool stopped = pollers_stop(pollers, CORES_MAX, STOP_MS);
	int status;

	opt->stats.limit_ms = STATS_END_MS;
	if (ok && opt->stats_json != NULL)
		write_stats(opt);
	file_keeper_stop();
	control_close(opt->control);
	ok &= ports_close_wires(opt->ports, opt->nr_ports, pollers, CORES_MAX);
	if (stopped) {
		for (unsigned int i = 0; i < CORES_MAX; i++)
			poller_free(pollers[i]);
		ports_close(opt->ports, opt->nr_ports);
	}
	log_stop();
	alarm(0); /* nothing that could wait is left */
	/* Each capture that was not read or written to its end has been reported in a line. */
	ok = ok && !opt->stats_failed && wire_pcap_failures() == 0;
	status = ok ? EXIT_SUCCESS : EXIT_FAILURE;
	if (!stopped)
		front_exit(status);
	return status;
}

static int
open_control(struct options *opt, char *err)
{
	const struct control_target target = {
		.generator = &opt->generator,
		.ports = opt->ports,
		.nr = opt->nr_ports,
		.started = opt->started,
	};
	char why[VFU_ERR_LEN];

	if (opt->control_path == NULL)
		return 0;
	opt->control = control_open(opt->control_path, &target, why);
	if (opt->control == NULL)
		snprintf(err, WIRE_ERR_LEN, "--control: %.240s", why);
	return opt->control != NULL ? 0 : -EIO;
}

static int
run(struct options *opt)
{
	struct poller *pollers[CORES_MAX] = { NULL };
	char err[WIRE_ERR_LEN] = "";
	sigset_t set, ends;
	int ret, signals;

	opt->started = poller_now();
	opt->free_cores = leave_polling_cores(opt);
	block_signals(&set, &ends);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0) {
		warn("signals");
		return EXIT_FAILURE;
	}
	ret = sandbox_prepare(opt->sandbox);
	if (ret == 0 && opt->sandbox != SANDBOX_OFF)
		ret = file_keeper_start(opt->ports, opt->nr_ports, opt->control_path, &opt->stats);
	if (ret != 0) {
		warnx("the sandbox: %s", strerror(-ret));
		return EXIT_FAILURE;
	}
	ret = log_start();
	if (ret != 0) {
		warnx("the log's thread: %s", strerror(-ret));
		return EXIT_FAILURE;
	}
	pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
	ret = ports_open(opt->ports, opt->nr_ports, err);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	if (ret == 0)
		ret = open_control(opt, err);
	if (ret == 0)
		ret = start_pollers(opt, pollers, err);
	if (ret == 0) {
		file_keeper_note_sockets();
		sandbox_enter();
		front_confine();
		pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
		puts("gantry-nic: ready");
		fflush(stdout);
		pthread_sigmask(SIG_BLOCK, &ends, NULL);
		serve(opt, signals, &ends);
	} else {
		sandbox_abandon();
		warnx("%s", err);
	}
	close(signals);
	return end(opt, pollers, ret == 0);
}

int
main(int argc, char **argv)
{
	struct options opt = { .stats.fd = -1 };
	unsigned int i;
	int status, ret;

	std_fds_reserve();
	if (argc > 1 && strcmp(argv[1], "ctl") == 0)
		return ctl_main(argc - 1, argv + 1);
	json_object_seed(0); /* seed from /dev/urandom now: jansson cannot open it in the sandbox */
	if (parse_options(argc, argv, &opt, &status) == 0) {
		ret = front_start(opt.sandbox);
		if (ret != 0)
			warnx("no process can be made for the daemon: %s", strerror(-ret));
		status = ret == 0 ? run(&opt) : EXIT_FAILURE;
	}
	for (i = 0; i < opt.nr_ports; i++)
		port_spec_free(&opt.ports[i].spec);
	free(opt.ports);
	generator_free(&opt.generator);
	output_file_close(&opt.stats);
	front_report(status);
	return status;
}
