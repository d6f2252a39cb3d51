/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * What the files of gantry-testpmd share. main.c explains the whole.
 */

#ifndef GANTRY_TESTPMD_H
#define GANTRY_TESTPMD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define MAX_SIZES 32
#define MAX_BURST 512
/** Frame sizes are a wire's: they count the frame check sequence, as RFC 2544 does. */
#define FCS_LEN   4
#define WIRE_OVERHEAD 20  /**< preamble 7, start of frame 1, inter-frame gap 12 */

enum command {
	CMD_FORWARD,
	CMD_LINERATE,
	CMD_ADDRESSES,
};

enum forward_mode {
	MODE_IO,
	MODE_MAC,
	MODE_MACSWAP,
	MODE_RXONLY,
	MODE_TXONLY,
	MODE_ICMPECHO,
	MODES,
};
/** As --mode names them (options.c). */
extern const char *const mode_names[MODES];

/** The command line after "--". */
struct options {
	enum command command;
	enum forward_mode mode;
	double duration;          /**< seconds; 0: until a signal (forward) */
	const char *json;         /**< file, or NULL */
	uint16_t rxq, txq;        /**< queues of each port */
	uint16_t rxd, txd;        /**< descriptors of each queue */
	uint16_t burst;
	uint16_t mtu;             /**< 0: as the port has it */
	uint32_t size;            /**< txonly: frame size with FCS */
	uint32_t mbuf_size;       /**< data room without headroom; 0: fitting */
	unsigned int idle_us;     /**< forward: sleep when no packet came; 0: never */
	uint32_t sizes[MAX_SIZES];
	unsigned int nb_sizes;    /**< linerate */
	bool sizes_from_stdin;    /**< one a line, a trial for each */
	unsigned int trials;
};

/* main.c */

/** Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t stop_requested;

/** One line on stderr, with the program's name. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* options.c */

/** What --help prints. */
void options_usage(void);
/** Reads the command line after "--". @return false: complained about */
bool options_parse(struct options *o, int argc, char **argv);

/* port.c */

/** A started port. */
struct port {
	uint16_t id;
	uint16_t peer;            /**< index of the port that its frames leave by */
	struct rte_ether_addr mac;
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info info;
	uint16_t rxd, txd;        /**< as the driver took them */
	uint16_t mtu;
	bool started;
	struct rte_eth_link link;
};

extern struct port ports[RTE_MAX_ETHPORTS];
extern unsigned int nb_ports;
extern struct rte_mempool *mbuf_pool;

/**
 * Configures and starts every port that EAL has. Ports 0 and 1, 2 and 3, ...
 * are peers; one that is left over is its own.
 * @return 0, 1 (failed) or 2 (asked for what a port does not have); complained about
 */
int ports_start(const struct options *o);
/** Waits a while for the links. @return true if all are up */
bool ports_wait_link(void);
/**
 * Has the driver warn if the core that polls a queue is on another memory node.
 * Other drivers than net_gantry_igb don't know how.
 */
void port_check_node(const struct port *p, bool is_rx, uint16_t queue, unsigned int lcore);
/**
 * Waits until the devices have sent what stands in their transmit rings; for no longer
 * than their wires can need. What is then left is complained about.
 */
void ports_drain(const struct options *o);
/** True once a device was removed under a running command. */
bool ports_lost(void);
/** Stops and closes them, and frees the pool. @return 0 or 1 */
int ports_stop(void);

/* The commands: exit status 0, or 1 after a complaint. */

int forward_run(const struct options *o);
int linerate_run(const struct options *o);
int addresses_run(const struct options *o);

/* icmpecho.c */

/**
 * Turns a request (ARP, ICMP echo) into its reply, in place.
 * @return false if it is none
 */
bool icmpecho_answer(struct rte_mbuf *m, const struct rte_ether_addr *own);

/* report.c */

struct json_t;
/**
 * Opens the report's file ("-": standard output) before it takes a while to make one,
 * and changes nothing of it.
 * @return 0 or 1; complained about
 */
int report_open(const char *path);
/**
 * Writes a JSON document to the file that was opened, completely or not at all, and closes it.
 * @param path  for the complaint
 * @return 0 or 1; complained about
 */
int report_write(const char *path, struct json_t *document);
/** A packet rate for people: "1.488 Mpps". */
const char *report_rate(char *buf, size_t len, double pps);

#endif /* GANTRY_TESTPMD_H */
