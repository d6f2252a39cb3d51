/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The prompt: commands of dpdk-testpmd, by hand or from a script.
 *
 * librte_cmdline edits the line, completes words, and matches the line against the table of
 * commands at the end of this file. A command is a function, the words that it consists of, and its
 * line in `help`. The words go into struct line by their place, so all commands share the same
 * words: word[1] is the second word, whatever it is. A line that matches no command is reported by
 * the library. A line that matches and that cannot be executed is one line on standard error, and
 * the prompt continues.
 *
 * The main lcore reads and executes; the workers forward. Its loop waits for input for a moment
 * only, and then looks at stop_requested, because a signal that comes between a look and a blocking
 * read would go unnoticed. It reads one character at a time, so that `quit` leaves the rest of the
 * input to the program that reads it next.
 *
 * Standard input may be a terminal or anything else. Its end, Ctrl-D, Ctrl-C and a signal do what
 * `quit` does: forwarding stops and reports.
 */

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmdline.h>
#include <cmdline_parse.h>
#include <cmdline_parse_num.h>
#include <cmdline_parse_string.h>
#include <cmdline_socket.h>
#include <rte_lcore.h>

#include "testpmd.h"

#define POLL_MS 100
#define CTRL_C  3

/* The options of the next run; `set` changes them. */
static struct options settings;

/* A line that the library has parsed. */
struct line {
	cmdline_fixed_string_t word[4];
	uint32_t number;
};

/*
 * Call a function for the port with this number, or for all ports. Return false, and report it, if
 * there is no such port.
 */
static bool
for_ports(const char *word, void (*f)(struct port *p))
{
	char *end;
	const unsigned long id = strtoul(word, &end, 10);
	const bool all = strcmp(word, "all") == 0;
	const bool is_number = isdigit((unsigned char)word[0]) && *end == '\0';
	bool found = false;

	for (unsigned int i = 0; i < nb_ports; i++) {
		if (all || (is_number && ports[i].id == id)) {
			f(&ports[i]);
			found = true;
		}
	}
	if (!found)
		report_error("port %s: no such port: must be all, or the number of a port", word);
	return found;
}

/* Return true, and report it, if workers forward: they use the queues of all ports. */
static bool
is_busy(void)
{
	if (forward_is_running())
		report_error("forwarding is active: enter stop first");
	return forward_is_running();
}

static void
start_forwarding(uint32_t bursts)
{
	if (is_busy())
		return;
	for (unsigned int i = 0; i < nb_ports; i++) {
		if (!ports[i].started) {
			report_error("port %u is stopped: enter port start %u first", ports[i].id,
					ports[i].id);
			return;
		}
	}
	forward_start(&settings, bursts);
}

/* The commands. Each has the parsed line, the command line, and the member data of its row. */

static void
start(void *parsed, struct cmdline *cl, void *data)
{
	start_forwarding(0);
}

static void
start_tx_first(void *parsed, struct cmdline *cl, void *data)
{
	start_forwarding(1);
}

static void
start_tx_first_n(void *parsed, struct cmdline *cl, void *data)
{
	const struct line *line = parsed;

	start_forwarding(line->number);
}

static void
stop(void *parsed, struct cmdline *cl, void *data)
{
	if (forward_is_running())
		forward_stop();
	else
		report_error("forwarding is not active: enter start first");
}

static void
show_port(void *parsed, struct cmdline *cl, void *data)
{
	const struct line *line = parsed;

	if (strcmp(line->word[2], "info") == 0)
		for_ports(line->word[3], show_port_info);
	else if (strcmp(line->word[2], "stats") == 0)
		for_ports(line->word[3], show_port_stats);
	else
		for_ports(line->word[3], show_port_xstats);
}

static void
clear_port(void *parsed, struct cmdline *cl, void *data)
{
	const struct line *line = parsed;

	for_ports(line->word[3], clear_port_stats);
}

static void
start_one(struct port *p)
{
	if (p->started)
		report_error("port %u is already started", p->id);
	else
		port_start(p);
}

static void
stop_one(struct port *p)
{
	if (!p->started)
		report_error("port %u is already stopped", p->id);
	else
		port_stop(p);
}

static void
port(void *parsed, struct cmdline *cl, void *data)
{
	const struct line *line = parsed;

	if (is_busy())
		return;
	if (strcmp(line->word[1], "stop") == 0) {
		if (!for_ports(line->word[2], stop_one))
			return;
	} else {
		if (!for_ports(line->word[2], start_one))
			return;
		printf("Checking link statuses...\n");
		ports_wait_link();
	}
	printf("Done\n");
}

static void
report_promisc(const struct port *p, int ret)
{
	if (ret != 0)
		report_error("port %u (%s): the promiscuous mode cannot be set: %s", p->id, p->name,
				rte_strerror(-ret));
}

static void
promisc_on(struct port *p)
{
	report_promisc(p, rte_eth_promiscuous_enable(p->id));
}

static void
promisc_off(struct port *p)
{
	report_promisc(p, rte_eth_promiscuous_disable(p->id));
}

static void
set_promisc(void *parsed, struct cmdline *cl, void *data)
{
	const struct line *line = parsed;

	for_ports(line->word[2], strcmp(line->word[3], "on") == 0 ? promisc_on : promisc_off);
}

static void
set_fwd(void *parsed, struct cmdline *cl, void *data)
{
	const struct line *line = parsed;

	for (unsigned int i = 0; i < MODES; i++) {
		if (strcmp(line->word[2], mode_names[i]) == 0) {
			if (is_busy())
				return;
			settings.mode = i;
			printf("Set %s packet forwarding mode\n", mode_names[i]);
			return;
		}
	}
}

static void
set_verbose(void *parsed, struct cmdline *cl, void *data)
{
	const struct line *line = parsed;

	if (line->number > (VERBOSE_RX | VERBOSE_TX)) {
		report_error("verbose %u: must be 0 (nothing), 1 (received packets), 2 (sent "
			     "packets) or 3 (both)",
				line->number);
		return;
	}
	printf("Change verbose level from %u to %u\n", settings.verbose, line->number);
	__atomic_store_n(&settings.verbose, line->number, __ATOMIC_RELAXED);
}

/* Print the line of each command; data is the table of commands. */
static void
help(void *parsed, struct cmdline *cl, void *data)
{
	for (cmdline_parse_ctx_t *command = data; *command != NULL; command++)
		printf("  %s\n", (*command)->help_str);
}

static void
quit(void *parsed, struct cmdline *cl, void *data)
{
	cmdline_quit(cl);
}

/* A word of commands: its place, and the texts that it can have, separated by #. */
#define WORD(name, place, texts) \
	static cmdline_parse_token_string_t name = TOKEN_STRING_INITIALIZER(struct line, \
			word[place], texts)

WORD(word_start, 0, "start");
WORD(word_stop, 0, "stop");
WORD(word_show, 0, "show");
WORD(word_clear, 0, "clear");
WORD(word_set, 0, "set");
WORD(word_port, 0, "port");
WORD(word_help, 0, "help");
WORD(word_quit, 0, "quit");
WORD(word_tx_first, 1, "tx_first");
WORD(word_port_1, 1, "port");
WORD(word_start_stop, 1, "start#stop");
WORD(word_fwd, 1, "fwd");
WORD(word_verbose, 1, "verbose");
WORD(word_promisc, 1, "promisc");
WORD(word_mode, 2, "io#mac#macswap#rxonly#txonly#icmpecho");
WORD(word_what, 2, "info#stats#xstats");
WORD(word_stats, 2, "stats");
WORD(word_on_off, 3, "on#off");
/* NULL: any text. for_ports() interprets it, and reports the port if there is no such port. */
WORD(word_ports_2, 2, NULL);
WORD(word_ports_3, 3, NULL);

static cmdline_parse_token_num_t word_number = TOKEN_NUM_INITIALIZER(struct line, number,
		RTE_UINT32);

/* A command: its function, its line in help, and its words. */
#define COMMAND(function, help_line, ...) \
	static cmdline_parse_inst_t command_##function = { \
		.f = function, \
		.help_str = help_line, \
		.tokens = { __VA_ARGS__, NULL }, \
	}

COMMAND(start, "start: forward packets", &word_start.hdr);
COMMAND(start_tx_first, "start tx_first: send a burst on each port, then forward", &word_start.hdr,
		&word_tx_first.hdr);
COMMAND(start_tx_first_n, "start tx_first N: send N bursts on each port, then forward",
		&word_start.hdr, &word_tx_first.hdr, &word_number.hdr);
COMMAND(stop, "stop: stop forwarding, and print what it has counted", &word_stop.hdr);
COMMAND(show_port, "show port info|stats|xstats all|N: print a port, or its counters",
		&word_show.hdr, &word_port_1.hdr, &word_what.hdr, &word_ports_3.hdr);
COMMAND(clear_port, "clear port stats all|N: set the counters to 0", &word_clear.hdr,
		&word_port_1.hdr, &word_stats.hdr, &word_ports_3.hdr);
COMMAND(port, "port start|stop all|N: start or stop a port", &word_port.hdr, &word_start_stop.hdr,
		&word_ports_2.hdr);
COMMAND(set_fwd, "set fwd io|mac|macswap|rxonly|txonly|icmpecho: set the mode of forwarding",
		&word_set.hdr, &word_fwd.hdr, &word_mode.hdr);
COMMAND(set_verbose, "set verbose N: show no packets (0), received (1), sent (2), both (3)",
		&word_set.hdr, &word_verbose.hdr, &word_number.hdr);
COMMAND(set_promisc, "set promisc all|N on|off: receive frames for all addresses, or not",
		&word_set.hdr, &word_promisc.hdr, &word_ports_2.hdr, &word_on_off.hdr);
COMMAND(help, "help: print this list", &word_help.hdr);
COMMAND(quit, "quit: stop forwarding, and end", &word_quit.hdr);

static cmdline_parse_ctx_t commands[] = {
	&command_start,
	&command_start_tx_first,
	&command_start_tx_first_n,
	&command_stop,
	&command_show_port,
	&command_clear_port,
	&command_port,
	&command_set_fwd,
	&command_set_verbose,
	&command_set_promisc,
	&command_help,
	&command_quit,
	NULL,
};

/* Return 1 and a character of standard input, 0 after a moment without input, -1 at its end. */
static int
read_character(char *c)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t n;

	if (poll(&in, 1, POLL_MS) <= 0)
		return 0;
	n = read(in.fd, c, 1);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	/* The library disables the signals of a terminal, so Ctrl-C is a character. */
	return n == 1 && *c != CTRL_C ? 1 : -1;
}

int
prompt_run(const struct options *o)
{
	struct cmdline *cl;
	char c;
	int n = 0;

	if (rte_lcore_count() < 2) {
		report_error("-i needs two lcores, one of which forwards: -l 0,1");
		return 2;
	}
	settings = *o;
	command_help.data = commands;
	/* The library writes to the descriptor; each line of ours must precede its next prompt. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("Checking link statuses...\n");
	ports_wait_link();
	printf("Done\n");
	cl = cmdline_stdin_new(commands, "testpmd> ");
	if (cl == NULL) {
		report_error("not enough memory for the prompt");
		return 1;
	}
	while (!stop_requested && n >= 0) {
		n = read_character(&c);
		if (n == 1)
			n = cmdline_in(cl, &c, 1); /* negative after quit and Ctrl-D */
	}
	cmdline_stdin_exit(cl);
	printf("\n");
	if (forward_is_running())
		forward_stop();
	printf("Bye...\n");
	return ports_lost() ? 1 : 0;
}
