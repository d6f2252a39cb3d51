/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * OTG files for tests of their loader. A file is a string, in which ' stands for ", and resides in
 * memory (memfd). Most cases give one or two keys of a flow, and FLOW() adds the rest. The linker
 * replaces the functions that allocate (--wrap).
 */

#ifndef TESTS_OTG_FILES_H
#define TESTS_OTG_FILES_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "failing.h"
#include "traffic.h"

#define PORTS          "'ports': [{'name': 'p1', 'location': 'a'}, {'name': 'p2', 'location': 'b'}]"
#define TX_RX          "'tx_rx': {'port': {'tx_name': 'p1', 'rx_names': ['p2']}}"
#define CONFIG(flows)  "{" PORTS ", 'flows': [" flows "]}"
#define FLOW(keys)     CONFIG("{'name': 'f', " TX_RX ", " keys "}")
#define PACKET(list)   FLOW("'packet': [" list "]")
#define SRC_PORT(keys) PACKET(IP4 ", {'udp': {'src_port': " keys "}}")
#define ETH            "{'ethernet': {}}"
#define IP4            ETH ", {'ipv4': {}}"
#define IP6            ETH ", {'ipv6': {}}"
#define FILE_MAX       (16 * 1024 * 1024)

static char err[TRAFFIC_ERR_LEN];
static unsigned int fail_at; /* the allocation of the loader that fails; 0: none */
static bool has_failed;

/* Load a file of these bytes. */
static inline int
load_bytes(const char *bytes, size_t len, struct traffic **t)
{
	int fd = memfd_create("otg", MFD_CLOEXEC), ret;
	char path[64];

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(err, 'x', sizeof(err));
	left = fail_at;
	ret = traffic_load(path, t, err);
	has_failed = fail_at > 0 && left == 0;
	left = 0;
	close(fd);
	return ret;
}

static inline int
load(const char *text, struct traffic **t)
{
	char *json = strdup(text), *p;
	int ret;

	assert_non_null(json);
	for (p = json; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	ret = load_bytes(json, strlen(json), t);
	free(json);
	return ret;
}

/* Load a file that must be accepted. */
static inline struct traffic *
load_ok(const char *text)
{
	struct traffic *t = NULL;

	if (load(text, &t) != 0)
		fail_msg("%s", err);
	return t;
}

/* Load a file that must be refused with exactly this line, in which ' stands for ". */
static inline void
load_bad(const char *text, const char *line)
{
	char expected[TRAFFIC_ERR_LEN];
	struct traffic *t = NULL;
	char *p;

	snprintf(expected, sizeof(expected), "%s", line);
	for (p = expected; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	if (load(text, &t) != -EINVAL)
		fail_msg("accepted: %s", text);
	assert_string_equal(err, expected);
	assert_null(t);
}

/* The last case of each program. */
static inline void
loader_has_freed_everything(void **state)
{
	assert_int_equal(live, 0);
}

/* A file as a client library writes it: each choice is present. */
static const char udp_file[] =
		"{'ports': [{'name': 'p1', 'location': 'a'}, {'name': 'p2', 'location': 'b'}],"
		" 'options': {'port_options': {'location_preemption': true}},"
		" 'flows': [{'name': 'f1',"
		"  'tx_rx': {'choice': 'port', 'port': {'tx_name': 'p1', 'rx_names': ['p2']}},"
		"  'packet': ["
		"   {'choice': 'ethernet', 'ethernet': {"
		"     'dst': {'choice': 'value', 'value': '00:AB:bc:ab:bc:ab'},"
		"     'src': {'choice': 'value', 'value': '02:00:00:00:00:01'},"
		"     'ether_type': {'choice': 'auto', 'auto': 65535}}},"
		"   {'choice': 'vlan', 'vlan': {"
		"     'priority': {'choice': 'value', 'value': 5},"
		"     'id': {'choice': 'increment', 'increment': {'start': 100, 'step': 2, 'count': 8}}}},"
		"   {'choice': 'ipv4', 'ipv4': {"
		"     'priority': {'choice': 'dscp', 'dscp': {'phb': {'choice': 'value', 'value': 46},"
		"                                            'ecn': {'choice': 'value', 'value': 1}}},"
		"     'src': {'choice': 'value', 'value': '10.0.0.1', 'metric_tags': []},"
		"     'dst': {'choice': 'values', 'values': ['10.1.0.1', '10.1.0.9']},"
		"     'options': []}},"
		"   {'choice': 'udp', 'udp': {"
		"     'src_port': {'choice': 'decrement',"
		"                  'decrement': {'start': 5000, 'step': 3, 'count': 100}},"
		"     'dst_port': {'choice': 'random', 'random': {"
		"        'min': 1000, 'max': 2000, 'seed': 7, 'count': 50}}}}],"
		"  'size': {'choice': 'fixed', 'fixed': 128},"
		"  'rate': {'choice': 'pps', 'pps': '1000000'},"
		"  'duration': {'choice': 'fixed_packets', 'fixed_packets': {"
		"    'packets': 1000, 'gap': 20, 'delay': {'choice': 'microseconds', 'microseconds': 1.5}}},"
		"  'metrics': {'enable': true, 'loss': true, 'timestamps': true,"
		"    'rx_tx_ratio': {'choice': 'value', 'value': 1.0},"
		"    'predefined_metric_tags': {'rx_name': false},"
		"    'latency': {'enable': true, 'mode': 'cut_through'}}}]}";

#endif /* TESTS_OTG_FILES_H */
