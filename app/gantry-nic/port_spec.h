/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Specifications of ports and cores on the command line.
 *
 *     NAME:socket=PATH[,mac=MAC][,speed=SPEED][,wire=WIRE][,catchup=US][,addr_bits=N]
 *         [,page_table=on|off][,start=MS|signal][,max_maps=N][,max_fds=N][,max_mem=MIB]
 */

#ifndef PORT_SPEC_H
#define PORT_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#define PORT_NAME_MAX      31
#define PORT_SOCKET_MAX    107 /* size of sockaddr_un.sun_path, less the NUL */
#define PORT_MAX           64
#define SPEC_ERR_LEN       256
#define SPEED_DEFAULT_MBPS 1000
#define SPEED_MAX_MBPS     400000
#define CATCHUP_DEFAULT_US 200
#define CATCHUP_MAX_US     100000
#define START_DEFAULT_MS   750
#define START_MAX_MS       600000
#define ADDR_BITS_MIN      24
#define ADDR_BITS_MAX      64
/* A driver wires 26 vectors, and new ones while the old ones exist. */
#define MAX_FDS_MIN     64
#define MAX_FDS_DEFAULT 1024
#define MAX_FDS_MAX     1000000
#define MAX_MAPS_MIN    16
#define MAX_MAPS_MAX    1000000000
#define MAX_MEM_MAX     (4u << 20) /* MiB */

enum wire_kind {
	WIRE_NONE,
	WIRE_LOOP,
	WIRE_PAIR,
	WIRE_TAP,
	WIRE_PCAP,
	WIRE_GEN,
};

struct port_spec {
	char *text; /* memory that the pointers below point into; owned */
	const char *name;
	const char *socket;
	uint8_t mac[6];
	unsigned int speed_mbps; /* in Mb/s; 0: max */
	unsigned int catchup_us; /* for the directions that this port's wire makes */
	unsigned int addr_bits;  /* number of bus address bits that the device drives */
	unsigned int max_maps, max_fds, max_mem_mib; /* 0: not given; see port_limits.h */
	bool no_page_table;                          /* the server offers no I/O page table */
	/* PCAP, GEN: ms for which the driver must not access its registers. */
	unsigned int start_ms;
	bool start_on_signal; /* PCAP, GEN: the frames wait for a signal instead */
	bool speed_given, start_given;
	enum wire_kind wire;
	/* As in the arguments, e.g. "pair:b"; NULL: not given; owned. */
	char *wire_text;
	const char *peer_name; /* PAIR; NULL if only the other end names it */
	unsigned int peer;     /* PAIR: index of the other end, set by port_specs_check() */
	const char *ifname;    /* TAP */
	const char *pcap_in;   /* PCAP */
	const char *pcap_out;  /* PCAP, or NULL */
};

/*
 * Parse one --port argument.
 *
 * @return 0, or a negative errno value and one line in err (SPEC_ERR_LEN bytes); there is nothing
 *   to free then
 */
int port_spec_parse(const char *arg, struct port_spec *spec, char *err);
void port_spec_free(struct port_spec *spec);

/*
 * Check all ports together (names, sockets and interfaces used twice, pairs), and complete pairs:
 * peer, and a speed that only one end gave.
 */
int port_specs_check(struct port_spec *specs, unsigned int nr, char *err);

/*
 * Parse a list of cores, "1" or "0,2-3", each at most once.
 *
 * @return the number of cores, or a negative errno value
 */
int core_list_parse(const char *list, unsigned int *cores, unsigned int max, char *err);

#endif /* PORT_SPEC_H */
