/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Declarations that the files of gantry-testpmd share. main.c explains the application.
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
/** Frame sizes count the frame check sequence, as on the wire and in RFC 2544. */
#define FCS_LEN       4
#define WIRE_OVERHEAD 20 /**< bytes: preamble 7, start of frame 1, inter-frame gap 12 */

enum command {
	CMD_FORWARD,
	CMD_LINERATE,
	CMD_ADDRESSES,
	CMD_PROMPT,
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
/** Names of the modes, for --mode and the prompt (options.c). */
extern const char *const mode_names[MODES];

/* Flags of the verbose level. */
#define VERBOSE_RX 1
#define VERBOSE_TX 2

/** The command line after "--", parsed. */
struct options {
	enum command command;
	enum forward_mode mode;
	double duration;   /**< seconds; 0: until a signal (forward) */
	const char *json;  /**< path of the report, or NULL */
	uint16_t rxq, txq; /**< queues of each port */
	uint16_t rxd, txd; /**< descriptors of each queue */
	uint16_t burst;
	uint16_t mtu;         /**< bytes; 0: keep the MTU of the port */
	uint32_t size;        /**< txonly: bytes of a frame, with FCS */
	uint32_t mbuf_size;   /**< data room in bytes, without headroom; 0: fitting */
	unsigned int idle_us; /**< forward: microseconds to sleep if no packet came; 0: never */
	uint32_t sizes[MAX_SIZES];
	unsigned int nb_sizes; /**< linerate: number of sizes */
	bool sizes_from_stdin; /**< one size per line, and one trial for each */
	unsigned int trials;
	unsigned int verbose; /**< VERBOSE_*: packets to show; changes while workers run */
};

/* options.c */

/**
 * Print the usage or the version, if an argument requests it.
 *
 * @param arg  an argument, such as "--help", "-h" or "--version"
 * @return false if the argument requests neither
 */
bool options_print_info(const char *arg);
/**
 * Parse the command line after "--".
 *
 * @param o     [out] the options
 * @param argc  number of arguments, the first of which is "--"
 * @param argv  the arguments; strings in o point into them
 * @return false after an error, which is reported
 */
bool options_parse(struct options *o, int argc, char **argv);

/* port.c */

/** A started port. */
struct port {
	uint16_t id;
	uint16_t peer; /**< index of the port through which its frames leave */
	struct rte_ether_addr mac;
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info info;
	uint16_t rxd, txd; /**< descriptors, as adjusted by the driver */
	uint16_t mtu;
	bool started;
	struct rte_eth_link link;
};

extern struct port ports[RTE_MAX_ETHPORTS];
extern unsigned int nb_ports;
extern struct rte_mempool *mbuf_pool;
/** Set by SIGINT and SIGTERM, and by the removal of a device. */
extern volatile sig_atomic_t stop_requested;

/**
 * Configure and start every port that EAL has. Ports 0 and 1, 2 and 3, ... are peers; if the
 * number of ports is odd, the last one is its own peer.
 *
 * @param o  the options
 * @retval 0  success
 * @retval 1  failure, which is reported
 * @retval 2  the options exceed what a port supports, which is reported
 */
int ports_set_up(const struct options *o);
/**
 * Wait up to 9 s for the links of the started ports.
 *
 * @return true if all are up; else the problem is reported
 */
bool ports_wait_link(void);
/** Start a port that was set up. @return 0, or 1 after a reported failure */
int port_start(struct port *p);
/**
 * Stop a port, if it is started. No lcore may use its queues.
 *
 * @param p  the port
 * @return 0, or 1 after a reported failure
 */
int port_stop(struct port *p);
/**
 * Have the driver warn if the core that polls a queue is on another memory node. Only
 * net_gantry_igb supports this; with other drivers, the function does nothing.
 *
 * @param p      the port
 * @param is_rx  receive queue, else transmit queue
 * @param queue  number of the queue
 * @param lcore  the core
 */
void port_check_node(const struct port *p, bool is_rx, uint16_t queue, unsigned int lcore);
/**
 * Wait until the devices have sent the packets in their transmit rings, but no longer than their
 * wires can need. Packets that remain are reported.
 *
 * @param o  the options
 */
void ports_drain(const struct options *o);
/** Return true if a device was removed while a command ran. */
bool ports_lost(void);
/** Stop and close all ports, and free the mempool. @return 0, or 1 after a reported failure */
int ports_stop(void);

/* The commands. Each returns the exit status: 0, or 1 after a reported failure. */

int forward_run(const struct options *o);
int linerate_run(const struct options *o);
int addresses_run(const struct options *o);
int prompt_run(const struct options *o);

/* forward.c: one run of forwarding, for the prompt */

/**
 * Start forwarding on the worker lcores. No run may be active.
 *
 * @param o       the options, which must remain valid until forward_stop()
 * @param bursts  bursts that each stream sends first
 * @return 0, or 1 after a reported failure
 */
int forward_start(const struct options *o, uint32_t bursts);
/** End the active run, and print what it has counted. */
void forward_stop(void);
bool forward_is_running(void);

/* icmpecho.c */

/**
 * Turn a request (ARP, ICMP echo) into its reply, in place.
 *
 * @param m    the packet
 * @param own  MAC address of the port that answers
 * @return false if the packet is no such request; it is unchanged then
 */
bool icmpecho_answer(struct rte_mbuf *m, const struct rte_ether_addr *own);

/* show.c */

void show_port_info(struct port *p);
/** Print the counters of a port, and its rates since the last call for this port. */
void show_port_stats(struct port *p);
void show_port_xstats(struct port *p);
/** Set the counters of a port to 0, and report it. */
void clear_port_stats(struct port *p);
/**
 * Print a line for a burst, and a line for each of its packets.
 *
 * @param p      the port
 * @param queue  number of the queue
 * @param what   "received" or "sent"
 * @param pkts   the packets
 * @param n      number of packets
 */
void show_packets(const struct port *p, uint16_t queue, const char *what, struct rte_mbuf **pkts,
		uint16_t n);

/* report.c */

/** Print one line on stderr, beginning with the name of the program. */
void report_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct json_t;
/**
 * Open the file of the report, before the work that the report describes. Does not change the
 * contents of the file.
 *
 * @param path  the file; "-": standard output
 * @return 0, or 1 after a reported failure
 */
int report_open(const char *path);
/**
 * Write a JSON document to the file that report_open() opened, completely or not at all, and close
 * the file.
 *
 * @param path      for the error message
 * @param document  the document, which remains with the caller
 * @return 0, or 1 after a reported failure
 */
int report_write(const char *path, struct json_t *document);
/**
 * Format a packet rate for people: "1.488 Mpps".
 *
 * @param buf  receives the text
 * @param len  bytes of buf
 * @param pps  packets per second
 * @return buf
 */
const char *report_rate(char *buf, size_t len, double pps);

#endif /* GANTRY_TESTPMD_H */
