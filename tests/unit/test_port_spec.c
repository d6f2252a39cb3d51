/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* gantry-nic's command line: ports, pairs, cores, and how ports share the process limits. */

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "port_limits.h"
#include "port_spec.h"

static char err[SPEC_ERR_LEN];

static void
parse_ok(const char *arg, struct port_spec *spec)
{
	if (port_spec_parse(arg, spec, err) != 0)
		fail_msg("'%s': %s", arg, err);
}

/* Parse an argument that must be refused with one line that contains hint. */
static void
parse_bad(const char *arg, const char *hint)
{
	struct port_spec spec;

	err[0] = '\0';
	if (port_spec_parse(arg, &spec, err) == 0)
		fail_msg("'%s' was accepted", arg);
	if (strstr(err, hint) == NULL || strchr(err, '\n') != NULL)
		fail_msg("'%s': \"%s\" lacks \"%s\"", arg, err, hint);
	assert_null(spec.text);
}

static void
omitted_keys_have_defaults(void **state)
{
	struct port_spec a, b;

	parse_ok("a:socket=/run/a", &a);
	assert_string_equal(a.name, "a");
	assert_string_equal(a.socket, "/run/a");
	assert_int_equal(a.speed_mbps, 1000);
	assert_int_equal(a.catchup_us, 200);
	assert_int_equal(a.addr_bits, 64);
	assert_false(a.no_page_table);
	assert_int_equal(a.wire, WIRE_NONE);
	assert_int_equal(a.mac[0] & 3, 2);
	parse_ok("b:socket=/run/a", &b);
	assert_memory_not_equal(a.mac, b.mac, 6);
	port_spec_free(&b);
	parse_ok("a:socket=/elsewhere", &b);
	assert_memory_equal(a.mac, b.mac, 6);
	port_spec_free(&a);
	port_spec_free(&b);
}

static void
all_keys_are_parsed(void **state)
{
	static const uint8_t mac[6] = { 0x02, 0xAB, 0, 0, 0, 0xff };
	struct port_spec s;

	parse_ok("left-0.x:speed=10G,wire=pcap:in=1.pcap:out.pcap,mac=02:aB:00:00:00:ff,socket=/s=1",
			&s);
	assert_string_equal(s.name, "left-0.x");
	assert_string_equal(s.socket, "/s=1");
	assert_memory_equal(s.mac, mac, 6);
	assert_int_equal(s.speed_mbps, 10000);
	assert_int_equal(s.wire, WIRE_PCAP);
	assert_string_equal(s.pcap_in, "in=1.pcap");
	assert_string_equal(s.pcap_out, "out.pcap");
	assert_string_equal(s.wire_text, "pcap:in=1.pcap:out.pcap");
	port_spec_free(&s);

	parse_ok("a:socket=s,wire=tap:tap0", &s);
	assert_int_equal(s.wire, WIRE_TAP);
	assert_string_equal(s.ifname, "tap0");
	port_spec_free(&s);
	parse_ok("a:socket=s,wire=gen,start=signal", &s);
	assert_int_equal(s.wire, WIRE_GEN);
	assert_true(s.start_on_signal);
	port_spec_free(&s);
	parse_ok("a:socket=s,wire=pcap:x", &s);
	assert_string_equal(s.pcap_in, "x");
	assert_null(s.pcap_out);
	assert_int_equal(s.start_ms, 750);
	assert_false(s.start_on_signal);
	port_spec_free(&s);
	parse_ok("a:socket=s,addr_bits=24,page_table=off", &s);
	assert_int_equal(s.addr_bits, 24);
	assert_true(s.no_page_table);
	port_spec_free(&s);
	parse_ok("a:socket=s,wire=loop", &s);
	assert_int_equal(s.wire, WIRE_LOOP);
	port_spec_free(&s);
	parse_ok("a:socket=s,wire=pair:b", &s);
	assert_int_equal(s.wire, WIRE_PAIR);
	assert_string_equal(s.peer_name, "b");
	port_spec_free(&s);
}

static void
speeds_are_parsed_in_every_notation(void **state)
{
	static const struct {
		const char *text;
		unsigned int mbps;
	} good[] = {
		{ "10", 10 },
		{ "100", 100 },
		{ "1G", 1000 },
		{ "1000", 1000 },
		{ "2.5G", 2500 },
		{ "10G", 10000 },
		{ "25G", 25000 },
		{ "max", 0 },
		{ "1", 1 },
		{ "400G", 400000 },
		{ "0.1G", 100 },
		{ "1.001G", 1001 },
		{ "400000", 400000 },
	};
	static const char *const bad[] = { "0", "-1", "1g", "1.5", "1.0001G", "G", "400001",
		"99999999999999999999", "1G ", "MAX", "0G", "1.G.", " 1", "1000000G", "x" };
	struct port_spec s;
	char arg[100];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(arg, sizeof(arg), "a:socket=s,speed=%s", good[i].text);
		parse_ok(arg, &s);
		assert_int_equal(s.speed_mbps, good[i].mbps);
		port_spec_free(&s);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(arg, sizeof(arg), "a:socket=s,speed=%s", bad[i]);
		parse_bad(arg, "speed '");
	}
}

static void
invalid_port_arguments_are_refused_with_a_hint(void **state)
{
	char arg[300] = "a:socket=";

	parse_bad("", "NAME:socket=PATH");
	parse_bad("a", "NAME:socket=PATH");
	parse_bad(":socket=x", "NAME:socket=PATH");
	parse_bad("a b:socket=x", "NAME:socket=PATH");
	parse_bad("abcdefghijklmnopqrstuvwxyzabcdef:socket=x", "NAME:socket=PATH");
	parse_bad("a:", "needs a value");
	parse_bad("a:speed=1G", "needs a socket");
	parse_bad("a:socket", "'socket' needs a value");
	parse_bad("a:socket=", "'socket' needs a value");
	parse_bad("a:socket=x,", "needs a value");
	parse_bad("a:socket=x,colour=red", "unknown key 'colour'");
	parse_bad("a:socket=x,max_maps=15", "expected mappings, 16 to");
	parse_bad("a:socket=x,max_fds=63", "expected file descriptors, 64 to");
	parse_bad("a:socket=x,max_mem=0", "expected MiB, 1 to");
	parse_bad("a:socket=x,max_mem=1,max_mem=1", "max_mem is given twice");
	parse_bad("a:socket=x,socket=y", "socket is given twice");
	parse_bad("a:socket=x,mac=02:00:00:00:00:01,mac=02:00:00:00:00:01", "mac is given twice");
	parse_bad("a:socket=x,speed=1G,speed=1G", "speed is given twice");
	parse_bad("a:socket=x,wire=none,wire=loop", "wire is given twice");
	parse_bad("a:socket=x,catchup=1,catchup=1", "catchup is given twice");
	parse_bad("a:socket=x,catchup=100001", "catchup '");
	parse_bad("a:socket=x,catchup=-1", "catchup '");
	parse_bad("a:socket=x,catchup=1ms", "catchup '");
	parse_bad("a:socket=x,addr_bits=32,addr_bits=32", "addr_bits is given twice");
	parse_bad("a:socket=x,addr_bits=23", "24 to 64");
	parse_bad("a:socket=x,addr_bits=65", "addr_bits '65'");
	parse_bad("a:socket=x,addr_bits=-32", "addr_bits '");
	parse_bad("a:socket=x,addr_bits=4294967328", "addr_bits '");
	parse_bad("a:socket=x,addr_bits=0x20", "addr_bits '");
	parse_bad("a:socket=x,addr_bits=", "needs a value");
	parse_bad("a:socket=x,page_table=no", "expected on or off");
	parse_bad("a:socket=x,page_table=on,page_table=off", "page_table is given twice");

	parse_bad("a:socket=x,mac=02:00:00:00:00", "six bytes");
	parse_bad("a:socket=x,mac=02:00:00:00:00:0g", "six bytes");
	parse_bad("a:socket=x,mac=02-00-00-00-00-01", "six bytes");
	parse_bad("a:socket=x,mac=02:00:00:00:00:01:", "six bytes");
	parse_bad("a:socket=x,mac=01:00:00:00:00:01", "multicast");
	parse_bad("a:socket=x,mac=00:00:00:00:00:00", "no address");

	parse_bad("a:socket=x,wire=cable", "wire 'cable'");
	parse_bad("a:socket=x,wire=loop:1", "takes no argument");
	parse_bad("a:socket=x,wire=none:", "takes no argument");
	parse_bad("a:socket=x,wire=pair", "pair:NAME");
	parse_bad("a:socket=x,wire=pair:", "pair:NAME");
	parse_bad("a:socket=x,wire=tap", "tap:IFNAME");
	parse_bad("a:socket=x,wire=tap:abcdefghijklmnop", "tap:IFNAME");
	parse_bad("a:socket=x,wire=tap:a/b", "tap:IFNAME");
	parse_bad("a:socket=x,wire=tap:tap%d", "tap:IFNAME");
	parse_bad("a:socket=x,wire=pcap:i,start=", "needs a value");
	parse_bad("a:socket=x,wire=pcap:i,start=600001", "0 to 600000");
	parse_bad("a:socket=x,wire=pcap:i,start=soon", "signal, or milliseconds");
	parse_bad("a:socket=x,wire=pcap:i,start=1,start=signal", "twice");
	parse_bad("a:socket=x,wire=gen:x", "wire=gen takes no argument");
	parse_bad("a:socket=x,start=1,wire=loop", "start=MS is for a replay");
	parse_bad("a:socket=x,start=signal", "start=signal is for a replay");
	parse_bad("a:socket=x,wire=pcap", "pcap:IN");
	parse_bad("a:socket=x,wire=pcap:", "pcap:IN");
	parse_bad("a:socket=x,wire=pcap::out", "pcap:IN");
	parse_bad("a:socket=x,wire=pcap:in:", "pcap:IN");
	parse_bad("a:socket=x,wire=pcap:in:out:more", "cannot contain ':'");

	memset(arg + strlen(arg), 'x', 108);
	parse_bad(arg, "108 bytes");
	memset(arg + strlen(arg), 'x', 180); /* no buffer overflows: the line is cut */
	parse_bad(arg, "at most 107");
}

/**
 * Parse ports, and check them together.
 *
 * @param args   the arguments of the ports, terminated by NULL; each one must parse
 *
 * @return the result of port_specs_check(); err holds its message
 */
static int
check(struct port_spec *specs, const char *const args[])
{
	unsigned int nr;

	for (nr = 0; args[nr] != NULL; nr++)
		parse_ok(args[nr], &specs[nr]);
	err[0] = '\0';
	return port_specs_check(specs, nr, err);
}

static void
free_all(struct port_spec *specs, const char *const args[])
{
	unsigned int nr;

	for (nr = 0; args[nr] != NULL; nr++)
		port_spec_free(&specs[nr]);
}

static void
check_bad(const char *hint, const char *const args[])
{
	struct port_spec specs[8];

	if (check(specs, args) == 0)
		fail_msg("accepted; expected: %s", hint);
	if (strstr(err, hint) == NULL)
		fail_msg("\"%s\" lacks \"%s\"", err, hint);
	free_all(specs, args);
}

#define ARGS(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}

static void
pairs_agree_on_peer_and_speed_or_are_refused(void **state)
{
	const char *const *const good[] = {
		ARGS("a:socket=1,wire=pair:b", "b:socket=2"),
		ARGS("a:socket=1", "b:socket=2,wire=pair:a"),
		ARGS("a:socket=1,wire=pair:b", "b:socket=2,wire=pair:a"),
		ARGS("a:socket=1,wire=pair:b,speed=1G", "b:socket=2,wire=pair:a,speed=1000"),
	};
	struct port_spec s[8];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(check(s, good[i]), 0);
		assert_int_equal(s[0].wire, WIRE_PAIR);
		assert_int_equal(s[1].wire, WIRE_PAIR);
		assert_int_equal(s[0].peer, 1);
		assert_int_equal(s[1].peer, 0);
		assert_int_equal(s[0].speed_mbps, 1000);
		assert_int_equal(s[1].speed_mbps, 1000);
		free_all(s, good[i]);
	}

	/* A speed that is given at one end applies to both ends. */
	assert_int_equal(check(s, ARGS("a:socket=1,wire=pair:b", "b:socket=2,speed=10G")), 0);
	assert_int_equal(s[0].speed_mbps, 10000);
	free_all(s, ARGS("", ""));
	assert_int_equal(check(s, ARGS("a:socket=1,wire=pair:b,speed=max", "b:socket=2")), 0);
	assert_int_equal(s[1].speed_mbps, 0);
	free_all(s, ARGS("", ""));

	check_bad("no port of that name", ARGS("a:socket=1,wire=pair:c", "b:socket=2"));
	check_bad("leads to itself", ARGS("a:socket=1,wire=pair:a"));
	check_bad("another wire: none", ARGS("a:socket=1,wire=pair:b", "b:socket=2,wire=none"));
	check_bad("another wire: loop", ARGS("b:socket=2,wire=loop", "a:socket=1,wire=pair:b"));
	check_bad("another wire: pair:c",
			ARGS("a:socket=1,wire=pair:b", "b:socket=2,wire=pair:c", "c:socket=3"));
	check_bad("another port also names it",
			ARGS("a:socket=1,wire=pair:b", "b:socket=2", "c:socket=3,wire=pair:b"));
	check_bad("different speeds",
			ARGS("a:socket=1,wire=pair:b,speed=1G", "b:socket=2,speed=10G"));
	check_bad("different speeds",
			ARGS("a:socket=1,wire=pair:b,speed=max", "b:socket=2,speed=1G"));
}

static void
duplicate_name_socket_or_interface_is_refused(void **state)
{
	check_bad("called a", ARGS("a:socket=1", "a:socket=2"));
	check_bad("same socket", ARGS("a:socket=1", "b:socket=2", "c:socket=1"));
	check_bad("same interface", ARGS("a:socket=1,wire=tap:t", "b:socket=2,wire=tap:t"));
}

static void
core_lists_are_parsed_or_refused(void **state)
{
	static const char *const bad[] = { "", ",", "1,", "a", "1-", "-1", "3-2", "1,1", "0-2,1",
		"1 2", "0x1", "0-4", "1234567", "0-999999" };
	unsigned int cores[4];
	size_t i;

	assert_int_equal(core_list_parse("1", cores, 4, err), 1);
	assert_int_equal(cores[0], 1);
	assert_int_equal(core_list_parse("5,0,2-3", cores, 4, err), 4);
	assert_int_equal(cores[0], 5);
	assert_int_equal(cores[1], 0);
	assert_int_equal(cores[2], 2);
	assert_int_equal(cores[3], 3);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (core_list_parse(bad[i], cores, 4, err) >= 0 || strstr(err, "cores '") == NULL)
			fail_msg("'%s': %s", bad[i], err);
}

/* Even if the clients of all ports exhaust their limits, enough remains for the process itself. */
static void
shares_leave_room_for_every_port_and_the_process(void **state)
{
	const struct limits have = { .maps = 65530, .fds = 20000, .mem_mib = 24000 };
	struct port_spec s[PORT_MAX];
	uint64_t maps, fds, mem;

	for (unsigned int nr = 1; nr <= PORT_MAX; nr *= 2) {
		memset(s, 0, sizeof(s));
		assert_int_equal(limits_divide(&have, s, nr, err), nr > 16);
		maps = fds = mem = 0;
		for (unsigned int i = 0; i < nr; i++) {
			maps += s[i].max_maps;
			fds += s[i].max_fds;
			mem += s[i].max_mem_mib;
			assert_int_equal(s[i].max_mem_mib, s[0].max_mem_mib);
			assert_int_equal(s[i].max_maps, s[0].max_maps);
			assert_in_range(s[i].max_fds, MAX_FDS_MIN, MAX_FDS_DEFAULT);
		}
		assert_in_range(maps, 57338 - nr, 57338);
		assert_true(fds <= 20000 - 128);
		assert_in_range(mem, 23744 - nr, 23744);
	}
	assert_int_equal(s[0].max_maps, 57338 / PORT_MAX);
}

static void
ports_with_limits_of_their_own_leave_the_rest_to_the_others(void **state)
{
	struct limits have = { .maps = 65530, .fds = 6000, .mem_mib = 24000 };
	struct port_spec s[3];

	parse_ok("a:socket=a,max_maps=57000,max_fds=2000,max_mem=7", &s[0]);
	parse_ok("b:socket=b", &s[1]);
	parse_ok("c:socket=c", &s[2]);
	assert_int_equal(limits_divide(&have, s, 3, err), 0);
	assert_int_equal(s[0].max_maps, 57000);
	assert_int_equal(s[0].max_fds, 2000);
	assert_int_equal(s[0].max_mem_mib, 7);
	assert_int_equal(s[1].max_maps, 338 / 2);
	assert_int_equal(s[1].max_fds, (6000 - 128 - 2000 - 670) / 2 - 670);
	assert_int_equal(s[2].max_mem_mib, (24000 - 256 - 7) / 2);

	s[1].max_maps = s[2].max_maps = 0;
	s[0].max_maps = 57330;
	assert_int_equal(limits_divide(&have, s, 3, err), -ENOSPC);
	assert_non_null(strstr(err, "2 ports are left with 4 mappings each"));
	s[0].max_maps = s[1].max_mem_mib = s[2].max_mem_mib = 0;
	s[0].max_mem_mib = 23744;
	assert_int_equal(limits_divide(&have, s, 3, err), -ENOSPC);
	assert_non_null(strstr(err, "leaves 2 ports nothing of the 24000 MiB"));
	s[0].max_mem_mib = 7;
	s[1].max_maps = s[2].max_maps = 0;
	/* The total is less than the process itself could need: the ports get half of it. */
	have.maps = 1000;
	s[0].max_maps = 0;
	assert_int_equal(limits_divide(&have, s, 3, err), 0);
	assert_int_equal(s[0].max_maps, 166);
	for (unsigned int i = 0; i < 3; i++)
		port_spec_free(&s[i]);
}

static char top[64];

/* Write a file below the prepared /sys/fs/cgroup, and make its folders; text NULL: remove it. */
static void
cgroup_file(const char *name, const char *text)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	for (char *slash = strchr(path + strlen(top) + 1, '/'); slash != NULL;
			slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	if (text == NULL) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static uint64_t
cgroup_memory(const char *self)
{
	char path[512];

	cgroup_file("self", self);
	snprintf(path, sizeof(path), "%s/self", top);
	return limits_cgroup_memory(path, top);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static void
least_cgroup_limit_of_all_parents_counts(void **state)
{
	static const char v1[] = "9:cpu,cpuacct:/\n5:hugetlb,memory:/x/y\n1:name=systemd:/x\n",
			  v2[] = "0::/a/b/c\n";

	snprintf(top, sizeof(top), "/tmp/gantry-cgroup-XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_true(limits_cgroup_memory("/nonexistent", top) == UINT64_MAX);
	assert_true(cgroup_memory("") == UINT64_MAX);
	assert_true(cgroup_memory("nonsense\n5:memory\n") == UINT64_MAX);
	assert_true(cgroup_memory(v2) == UINT64_MAX);

	/*
	 * Version 2: memory.max and memory.high, of the group, a parent and the root of a
	 * container.
	 */
	cgroup_file("a/b/c/memory.max", "9000\n");
	cgroup_file("a/b/c/memory.high", "max\n");
	cgroup_file("a/b/other/memory.max", "1\n");
	assert_int_equal(cgroup_memory(v2), 9000);
	cgroup_file("a/b/c/memory.high", "8000\n");
	assert_int_equal(cgroup_memory(v2), 8000);
	cgroup_file("a/memory.high", "7000\n");
	assert_int_equal(cgroup_memory(v2), 7000);
	cgroup_file("a/memory.max", "6000\n");
	assert_int_equal(cgroup_memory(v2), 6000);
	cgroup_file("memory.max", "5000\n");
	assert_int_equal(cgroup_memory(v2), 5000);
	assert_int_equal(cgroup_memory("0::/\n"), 5000);
	cgroup_file("memory.max", NULL);
	assert_true(cgroup_memory("0::/\n") == UINT64_MAX);

	/* Version 1 has its files in the folder of the controller; both versions may be in use. */
	cgroup_file("memory/x/memory.limit_in_bytes", "6500\n");
	assert_int_equal(cgroup_memory(v1), 6500);
	cgroup_file("memory/x/y/memory.limit_in_bytes", "9223372036854771712\n");
	assert_int_equal(cgroup_memory(v1), 6500);
	cgroup_file("memory/x/y/memory.limit_in_bytes", "6400\n");
	assert_int_equal(cgroup_memory(v1), 6400);
	cgroup_file("memory/memory.limit_in_bytes", "6300\n");
	assert_int_equal(cgroup_memory(v1), 6300);
	assert_int_equal(cgroup_memory("5:memory:/x/y\n0::/a/b/c\n"), 6000);
	assert_true(cgroup_memory("5:memorystick,cpu:/x/y\n") == UINT64_MAX);
	assert_int_equal(nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(omitted_keys_have_defaults),
		cmocka_unit_test(all_keys_are_parsed),
		cmocka_unit_test(speeds_are_parsed_in_every_notation),
		cmocka_unit_test(invalid_port_arguments_are_refused_with_a_hint),
		cmocka_unit_test(pairs_agree_on_peer_and_speed_or_are_refused),
		cmocka_unit_test(duplicate_name_socket_or_interface_is_refused),
		cmocka_unit_test(core_lists_are_parsed_or_refused),
		cmocka_unit_test(shares_leave_room_for_every_port_and_the_process),
		cmocka_unit_test(ports_with_limits_of_their_own_leave_the_rest_to_the_others),
		cmocka_unit_test(least_cgroup_limit_of_all_parents_counts),
	};

	return cmocka_run_group_tests_name("port_spec", tests, NULL, NULL);
}
