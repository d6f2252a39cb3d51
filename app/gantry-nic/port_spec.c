/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port_spec.h"

/*
 * Fill in err.
 *
 * @return -EINVAL, so that a check can end with it
 */
__attribute__((format(printf, 2, 3))) static int
bad(char *err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, SPEC_ERR_LEN, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/*
 * Derive from the port's name a locally administered unicast address (bits 1 and 0 of the first
 * byte): the same at every start, and different for the ports of one daemon. FNV-1a.
 */
static void
mac_from_name(const char *name, uint8_t mac[6])
{
	uint64_t hash = 0xcbf29ce484222325;
	unsigned int i;

	for (; *name != '\0'; name++) {
		hash ^= (uint8_t)*name;
		hash *= 0x100000001b3;
	}
	hash ^= hash >> 32;
	mac[0] = 0x02;
	for (i = 1; i < 6; i++)
		mac[i] = hash >> (8 * (5 - i));
}

/* A key of --port. */
struct key {
	const char *name;
	int (*parse)(const struct key *key, char *value, struct port_spec *spec, char *err);
	/* parse_number(), parse_start(): */
	const char *what; /* what the number counts, for messages */
	unsigned int min, max;
	size_t offset; /* of the number in struct port_spec */
};

static int
parse_number(const struct key *key, char *text, struct port_spec *spec, char *err)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!isdigit((unsigned char)*text) || *end != '\0' || n < key->min || n > key->max)
		return bad(err, "%s '%.40s': expected %s, %u to %u", key->name, text, key->what,
				key->min, key->max);
	*(unsigned int *)((char *)spec + key->offset) = n;
	return 0;
}

static int
parse_socket(const struct key *key, char *text, struct port_spec *spec, char *err)
{
	if (strlen(text) > PORT_SOCKET_MAX)
		return bad(err, "socket's path is too long: %zu bytes, at most %d are possible",
				strlen(text), PORT_SOCKET_MAX);
	spec->socket = text;
	return 0;
}

static int
parse_mac(const struct key *key, char *text, struct port_spec *spec, char *err)
{
	static const uint8_t zero[6];
	uint8_t *mac = spec->mac;
	unsigned int i;

	if (strlen(text) != 17)
		return bad(err, "mac '%.40s': expected six bytes like 02:00:00:00:00:01", text);
	for (i = 0; i < 6; i++) {
		const char *p = text + 3 * i;

		if (!isxdigit((unsigned char)p[0]) || !isxdigit((unsigned char)p[1]) ||
				(i < 5 && p[2] != ':'))
			return bad(err, "mac '%s': expected six bytes like 02:00:00:00:00:01",
					text);
		mac[i] = strtoul(p, NULL, 16);
	}
	if (mac[0] & 1)
		return bad(err,
				"mac '%s': a port's own address cannot be a multicast address "
				"(first byte odd)",
				text);
	if (memcmp(mac, zero, sizeof(zero)) == 0)
		return bad(err, "mac '%s': is no address", text);
	return 0;
}

/* Parse a speed: "max", whole Mb/s, or Gb/s with at most three decimals and a 'G'. */
static int
parse_speed(const struct key *key, char *text, struct port_spec *spec, char *err)
{
	const char *p = text;
	uint64_t value = 0;
	unsigned int digits = 0, scale;

	spec->speed_given = true;
	if (strcmp(text, "max") == 0) {
		spec->speed_mbps = 0;
		return 0;
	}
	for (; isdigit((unsigned char)*p) && digits < 9; p++, digits++)
		value = value * 10 + (*p - '0');
	if (digits != 0 && (*p == 'G' || *p == '.')) {
		value *= 1000;
		if (*p == '.')
			for (p++, scale = 100; isdigit((unsigned char)*p) && scale != 0;
					p++, scale /= 10)
				value += (*p - '0') * scale;
		if (*p == 'G')
			p++;
		else
			p = "?";
	}
	if (digits == 0 || *p != '\0' || value == 0 || value > SPEED_MAX_MBPS)
		return bad(err,
				"speed '%.40s': expected 10, 100, 1G, 2.5G, 10G, 25G, a whole "
				"number of Mb/s up to %d, or max",
				text, SPEED_MAX_MBPS);
	spec->speed_mbps = value;
	return 0;
}

static bool
good_name(const char *name)
{
	size_t len = strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789_-.");

	return len > 0 && len <= PORT_NAME_MAX && name[len] == '\0';
}

/* The condition of the kernel's dev_valid_name(). A '%' would make the kernel choose a name. */
static bool
good_ifname(const char *name)
{
	size_t len = strlen(name);
	size_t i;

	for (i = 0; i < len; i++)
		if (isspace((unsigned char)name[i]) || strchr("/:%", name[i]) != NULL)
			return false;
	return len > 0 && len < IFNAMSIZ && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Split @p text in place. */
static int
parse_wire(const struct key *key, char *text, struct port_spec *spec, char *err)
{
	static const struct {
		const char *name;
		enum wire_kind wire;
	} plain[] = { { "none", WIRE_NONE }, { "loop", WIRE_LOOP }, { "gen", WIRE_GEN } };
	char *arg = strchr(text, ':');
	unsigned int i;
	char *out;

	spec->wire_text = strdup(text);
	if (spec->wire_text == NULL)
		return bad(err, "out of memory");
	if (arg != NULL)
		*arg++ = '\0';
	for (i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(text, plain[i].name) != 0)
			continue;
		if (arg != NULL)
			return bad(err, "wire=%s takes no argument", text);
		spec->wire = plain[i].wire;
		return 0;
	}
	if (strcmp(text, "pair") == 0) {
		if (arg == NULL || !good_name(arg))
			return bad(err, "wire=pair needs the name of another port: wire=pair:NAME");
		spec->wire = WIRE_PAIR;
		spec->peer_name = arg;
		return 0;
	}
	if (strcmp(text, "tap") == 0) {
		if (arg == NULL || !good_ifname(arg))
			return bad(err,
					"wire=tap:%.40s: expected wire=tap:IFNAME, the interface's "
					"name of 1 to %d characters without '/', ':' and '%%'",
					arg != NULL ? arg : "", IFNAMSIZ - 1);
		spec->wire = WIRE_TAP;
		spec->ifname = arg;
		return 0;
	}
	if (strcmp(text, "pcap") == 0) {
		out = arg != NULL ? strchr(arg, ':') : NULL;
		if (out != NULL)
			*out++ = '\0';
		if (arg == NULL || *arg == '\0' || (out != NULL && *out == '\0'))
			return bad(err,
					"wire=pcap needs a capture to replay, and may name one to "
					"record: wire=pcap:IN[:OUT]");
		if (out != NULL && strchr(out, ':') != NULL)
			return bad(err, "wire=pcap:IN[:OUT]: a file's name cannot contain ':'");
		spec->wire = WIRE_PCAP;
		spec->pcap_in = arg;
		spec->pcap_out = out;
		return 0;
	}
	return bad(err, "wire '%.40s': expected loop, pair:NAME, tap:IFNAME, pcap:IN[:OUT], gen or none",
			text);
}

static int
parse_page_table(const struct key *key, char *text, struct port_spec *spec, char *err)
{
	spec->no_page_table = strcmp(text, "off") == 0;
	return spec->no_page_table || strcmp(text, "on") == 0 ?
			0 :
			bad(err, "page_table '%.40s': expected on or off", text);
}

static int
parse_start(const struct key *key, char *text, struct port_spec *spec, char *err)
{
	spec->start_given = true;
	spec->start_on_signal = strcmp(text, "signal") == 0;
	return spec->start_on_signal ? 0 : parse_number(key, text, spec, err);
}

#define NUMBER(member, what, min, max) what, min, max, offsetof(struct port_spec, member)

static const struct key keys[] = {
	{ .name = "socket", .parse = parse_socket },
	{ .name = "mac", .parse = parse_mac },
	{ .name = "speed", .parse = parse_speed },
	{ .name = "wire", .parse = parse_wire },
	{ "start", parse_start, NUMBER(start_ms, "signal, or milliseconds", 0, START_MAX_MS) },
	{ "catchup", parse_number, NUMBER(catchup_us, "microseconds", 0, CATCHUP_MAX_US) },
	{ "addr_bits", parse_number,
			NUMBER(addr_bits, "how many address bits the device drives", ADDR_BITS_MIN,
					ADDR_BITS_MAX) },
	{ .name = "page_table", .parse = parse_page_table },
	{ "max_maps", parse_number, NUMBER(max_maps, "mappings", MAX_MAPS_MIN, MAX_MAPS_MAX) },
	{ "max_fds", parse_number, NUMBER(max_fds, "file descriptors", MAX_FDS_MIN, MAX_FDS_MAX) },
	{ "max_mem", parse_number, NUMBER(max_mem_mib, "MiB", 1, MAX_MEM_MAX) },
};
#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

/* @p given has a bit for each key that has occurred. */
static int
parse_key(const char *name, char *value, struct port_spec *spec, unsigned int *given, char *err)
{
	unsigned int i;

	if (value == NULL || *value == '\0')
		return bad(err, "'%.40s' needs a value: KEY=VALUE", name);
	for (i = 0; i < NR_KEYS && strcmp(name, keys[i].name) != 0; i++)
		;
	if (i == NR_KEYS)
		return bad(err,
				"unknown key '%.40s': expected socket, mac, speed, wire, start, "
				"catchup, addr_bits, page_table, max_maps, max_fds or max_mem",
				name);
	if (*given & 1u << i)
		return bad(err, "%s is given twice", name);
	*given |= 1u << i;
	return keys[i].parse(&keys[i], value, spec, err);
}

static int
parse_all(char *text, struct port_spec *spec, char *err)
{
	char detail[SPEC_ERR_LEN];
	char *rest = strchr(text, ':');
	unsigned int given = 0;
	char *key, *value;
	int ret;

	if (rest != NULL)
		*rest++ = '\0';
	if (rest == NULL || !good_name(text))
		return bad(err,
				"port '%.40s': expected NAME:socket=PATH[,...], the name of 1 to "
				"%d letters, digits, '_', '-' or '.'",
				text, PORT_NAME_MAX);
	spec->name = text;
	spec->speed_mbps = SPEED_DEFAULT_MBPS;
	spec->catchup_us = CATCHUP_DEFAULT_US;
	spec->addr_bits = ADDR_BITS_MAX;
	spec->start_ms = START_DEFAULT_MS;
	mac_from_name(spec->name, spec->mac);

	while ((key = strsep(&rest, ",")) != NULL) {
		value = strchr(key, '=');
		if (value != NULL)
			*value++ = '\0';
		ret = parse_key(key, value, spec, &given, detail);
		if (ret != 0) {
			bad(err, "port %s: %.200s", spec->name, detail);
			return ret;
		}
	}
	if (spec->start_given && spec->wire != WIRE_PCAP && spec->wire != WIRE_GEN)
		return bad(err,
				"port %s: start=%s is for a replay or a generator: give "
				"wire=pcap:IN[:OUT] or wire=gen",
				spec->name, spec->start_on_signal ? "signal" : "MS");
	if (spec->socket == NULL)
		return bad(err, "port %s: needs a socket to serve: %s:socket=PATH", spec->name,
				spec->name);
	return 0;
}

int
port_spec_parse(const char *arg, struct port_spec *spec, char *err)
{
	int ret;

	memset(spec, 0, sizeof(*spec));
	spec->text = strdup(arg);
	if (spec->text == NULL)
		ret = bad(err, "out of memory");
	else
		ret = parse_all(spec->text, spec, err);
	if (ret != 0)
		port_spec_free(spec);
	return ret;
}

void
port_spec_free(struct port_spec *spec)
{
	free(spec->text);
	free(spec->wire_text);
	memset(spec, 0, sizeof(*spec));
}

/* Two ports may not serve one socket, nor open one interface. (files.c compares files.) */
static int
check_two(const struct port_spec *a, const struct port_spec *b, char *err)
{
	if (strcmp(a->name, b->name) == 0)
		return bad(err, "two ports are called %s: each needs a name of its own", a->name);
	if (strcmp(a->socket, b->socket) == 0)
		return bad(err, "ports %s and %s have the same socket %s: each needs its own",
				a->name, b->name, a->socket);
	if (a->ifname != NULL && b->ifname != NULL && strcmp(a->ifname, b->ifname) == 0)
		return bad(err, "ports %s and %s have the same interface %s: each needs its own",
				a->name, b->name, a->ifname);
	return 0;
}

/* Find the other end of specs[i], complete both ends, and check that they agree. */
static int
resolve_pair(struct port_spec *specs, unsigned int nr, unsigned int i, char *err)
{
	struct port_spec *a = &specs[i], *b;
	unsigned int j;

	for (j = 0; j < nr; j++)
		if (strcmp(specs[j].name, a->peer_name) == 0)
			break;
	if (j == nr)
		return bad(err, "port %s: wire=pair:%s: there is no port of that name", a->name,
				a->peer_name);
	if (j == i)
		return bad(err, "port %s: wire=pair:%s leads to itself: that is wire=loop", a->name,
				a->name);
	b = &specs[j];
	if (b->wire_text != NULL ? b->wire != WIRE_PAIR || strcmp(b->peer_name, a->name) != 0 :
				   b->wire == WIRE_PAIR && b->peer != i)
		return bad(err, "port %s: wire=pair:%s, but port %s has another wire: %s", a->name,
				b->name, b->name,
				b->wire_text != NULL ? b->wire_text : "another port also names it");
	if (a->speed_given && b->speed_given && a->speed_mbps != b->speed_mbps)
		return bad(err,
				"ports %s and %s are two ends of one wire and have different "
				"speeds: give both the same, or only one",
				a->name, b->name);
	if (a->speed_given)
		b->speed_mbps = a->speed_mbps;
	else
		a->speed_mbps = b->speed_mbps;
	a->peer = j;
	b->wire = WIRE_PAIR;
	b->peer = i;
	return 0;
}

int
port_specs_check(struct port_spec *specs, unsigned int nr, char *err)
{
	unsigned int i, j;
	int ret;

	for (i = 0; i < nr; i++) {
		for (j = i + 1; j < nr; j++) {
			ret = check_two(&specs[i], &specs[j], err);
			if (ret != 0)
				return ret;
		}
	}
	for (i = 0; i < nr; i++) {
		if (specs[i].peer_name == NULL)
			continue;
		ret = resolve_pair(specs, nr, i, err);
		if (ret != 0)
			return ret;
	}
	return 0;
}

/* Parse a number of at most six digits. */
static bool
parse_core(const char **p, unsigned int *core)
{
	unsigned int digits;

	*core = 0;
	for (digits = 0; isdigit((unsigned char)**p) && digits < 6; digits++, (*p)++)
		*core = *core * 10 + (**p - '0');
	return digits != 0;
}

int
core_list_parse(const char *list, unsigned int *cores, unsigned int max, char *err)
{
	const char *p = list;
	unsigned int nr = 0, first, last, i;

	do {
		if (!parse_core(&p, &first))
			goto syntax;
		last = first;
		if (*p == '-') {
			p++;
			if (!parse_core(&p, &last) || last < first)
				goto syntax;
		}
		for (; first <= last; first++) {
			for (i = 0; i < nr; i++)
				if (cores[i] == first)
					return bad(err, "cores '%.60s': core %u is listed twice",
							list, first);
			if (nr == max)
				return bad(err, "cores '%.60s': more than %u", list, max);
			cores[nr++] = first;
		}
	} while (*p == ',' && p++);
	if (*p == '\0')
		return nr;
syntax:
	return bad(err, "cores '%.60s': expected a list like 1 or 0,2-3", list);
}
