/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Files that the loader of OTG files (traffic_otg*.c, traffic_headers.c) refuses: the first values
 * behind each limit, a refusal of each kind with its exact line, damaged files, and a system
 * without memory or random numbers. The linker also replaces getrandom() and read(). Allocations of
 * the JSON library do not fail, because it takes some such failures for errors in the file.
 */

#include "otg_files.h"

#define FILE_MAX (16 * 1024 * 1024)

static bool no_random;
static unsigned int reads_left; /* the read() of this number fails; 0: none */

WRAP(ssize_t, read, int fd, void *buf, size_t len)
{
	if (reads_left > 0 && --reads_left == 0) {
		errno = EIO;
		return -1;
	}
	return __real_read(fd, buf, len);
}

WRAP(ssize_t, getrandom, void *buf, size_t len, unsigned int flags)
{
	return no_random ? -1 : __real_getrandom(buf, len, flags);
}

struct refusal {
	const char *keys; /* of a flow */
	const char *line; /* behind "flows[0]." */
};

static void
assert_refusals(const struct refusal *r, size_t nr)
{
	char file[2048], line[TRAFFIC_ERR_LEN];

	for (; nr > 0; nr--, r++) {
		snprintf(file, sizeof(file), CONFIG("{'name': 'f', " TX_RX ", %s}"), r->keys);
		snprintf(line, sizeof(line), "flows[0].%s", r->line);
		load_bad(file, line);
	}
}

#define ASSERT_REFUSALS(r) assert_refusals(r, sizeof(r) / sizeof((r)[0]))

static void
invalid_flow_is_refused_with_the_path_of_the_key(void **state)
{
	static const struct refusal r[] = {
		{ "'Size': {}", "Size: unknown key, or not supported" },
		{ "'egress_packet': [{}]", "egress_packet: not supported, unless it is empty" },
		{ "'egress_packet': 1", "egress_packet: not supported, unless it is empty" },
		{ "'size': 64", "size: 64: expected an object" },
		{ "'size': []", "size: an array: expected an object" },
		{ "'size': null", "size: null: expected an object" },
		{ "'size': {'choice': 'fix'}", "size.choice: 'fix': unknown, or not supported" },
		{ "'size': {'choice': {}}", "size.choice: an object: expected a string" },
		{ "'size': {'choice': 'fixed', 'random': {}}",
				"size.random: fixed is chosen, and excludes it" },
		{ "'size': {'fixed': 64, 'random': {}}",
				"size.random: fixed is chosen, and excludes it" },
		{ "'size': {'fixed': 63}", "size.fixed: 63: expected 64 to 16388 bytes" },
		{ "'size': {'fixed': 16389}", "size.fixed: 16389: expected 64 to 16388 bytes" },
		{ "'size': {'fixed': -1}", "size.fixed: -1: expected 0 or more" },
		{ "'size': {'fixed': 4294967296}",
				"size.fixed: 4294967296: expected 4294967295 or less" },
		{ "'size': {'fixed': '64'}", "size.fixed: '64': expected an integer" },
		{ "'size': {'fixed': 64.0}", "size.fixed: 64.0: expected an integer" },
		{ "'size': {'fixed': true}", "size.fixed: true: expected an integer" },
		{ "'size': {'increment': {'start': 63}}",
				"size.increment.start: 63: expected 64 to 16388 bytes" },
		{ "'size': {'increment': {'end': 16389}}",
				"size.increment.end: 16389: expected 64 to 16388 bytes" },
		{ "'size': {'increment': {'start': 65, 'end': 64}}",
				"size.increment: end is less than start" },
		{ "'size': {'increment': {'step': 0}}",
				"size.increment.step: 0: expected 1 or more" },
		{ "'size': {'increment': {'min': 64}}",
				"size.increment.min: unknown key, or not supported" },
		{ "'size': {'random': {'min': 65, 'max': 64}}",
				"size.random: max is less than min" },
		{ "'size': {'random': {'start': 65}}",
				"size.random.start: unknown key, or not supported" },
		{ "'size': {'weight_pairs': {'predefined': 'jmix'}}",
				"size.weight_pairs.predefined: 'jmix': unknown, or not supported" },
		{ "'size': {'weight_pairs': {'custom': []}}",
				"size.weight_pairs.custom: 0 pairs: expected 1 to 64" },
		{ "'size': {'weight_pairs': {'choice': 'custom'}}",
				"size.weight_pairs.custom: 0 pairs: expected 1 to 64" },
		{ "'size': {'weight_pairs': {'custom': [{}, {'weight': 0}]}}",
				"size.weight_pairs.custom[1].weight: 0: expected more than 0" },
		{ "'size': {'weight_pairs': {'custom': [{'weight': -0.5}]}}",
				"size.weight_pairs.custom[0].weight: -0.5: expected 0 or more" },
		{ "'size': {'weight_pairs': {'custom': [{'size': 63}]}}",
				"size.weight_pairs.custom[0].size: 63: expected 64 to 16388 bytes" },
		{ "'size': {'weight_pairs': {'custom': [{'sise': 63}]}}",
				"size.weight_pairs.custom[0].sise: unknown key, or not supported" },
		{ "'payload': {'fixed': {'pattern': '0'}}",
				"payload.fixed.pattern: '0': expected 1 to 16384 bytes" },
		{ "'payload': {'fixed': {'pattern': '000'}}",
				"payload.fixed.pattern: '000': expected pairs of hexadecimal digits" },
		{ "'payload': {'fixed': {'pattern': '0g'}}",
				"payload.fixed.pattern: '0g': expected pairs of hexadecimal digits" },
		{ "'payload': {'fixed': {'repeat': 1}}",
				"payload.fixed.repeat: 1: expected true or false" },
		{ "'payload': {'increment_byte': {}}",
				"payload.increment_byte: unknown key, or not supported" },
		{ "'metrics': {'enabled': true}",
				"metrics.enabled: unknown key, or not supported" },
		{ "'metrics': {'enable': 'true'}",
				"metrics.enable: 'true': expected true or false" },
		{ "'metrics': {'latency': {'mode': 'cut'}}",
				"metrics.latency.mode: 'cut': unknown, or not supported" },
		{ "'metrics': {'rx_tx_ratio': {'value': 2}}",
				"metrics.rx_tx_ratio.value: 2: expected 1 or less" },
		{ "'metrics': {'rx_tx_ratio': {'value': 0.5}}",
				"metrics.rx_tx_ratio.value: 0.5: expected 1 or more" },
		{ "'metrics': {'rx_tx_ratio': {'choice': 'rx_count'}}",
				"metrics.rx_tx_ratio.choice: 'rx_count': unknown, or not supported" },
		{ "'metrics': {'predefined_metric_tags': {'rx_name': true}}",
				"metrics.predefined_metric_tags.rx_name: true: not supported" },
	};

	ASSERT_REFUSALS(r);
}

static void
invalid_rate_or_duration_is_refused(void **state)
{
	static const struct refusal r[] = {
		{ "'rate': {'pps': 0}", "rate.pps: 0: expected 1 or more" },
		{ "'rate': {'pps': '1000000000000001'}",
				"rate.pps: '1000000000000001': expected 1000000000000000 or less" },
		{ "'rate': {'pps': '18446744073709551616'}",
				"rate.pps: '18446744073709551616': expected an integer of 64 bits" },
		{ "'rate': {'pps': '-1'}", "rate.pps: '-1': expected an integer of 64 bits" },
		{ "'rate': {'pps': '1k'}", "rate.pps: '1k': expected an integer of 64 bits" },
		{ "'rate': {'pps': ''}", "rate.pps: '': expected an integer of 64 bits" },
		{ "'rate': {'pps': 1.5}", "rate.pps: 1.5: expected an integer" },
		{ "'rate': {'bps': 671}", "rate.bps: 671: expected 672 or more" },
		{ "'rate': {'kbps': 1000000000001}",
				"rate.kbps: 1000000000001: expected 1000000000000 or less" },
		{ "'rate': {'mbps': 0}", "rate.mbps: 0: expected 1 or more" },
		{ "'rate': {'gbps': 1000001}", "rate.gbps: 1000001: expected 1000000 or less" },
		{ "'rate': {'gbps': '1'}", "rate.gbps: '1': expected an integer" },
		{ "'rate': {'percentage': 0}", "rate.percentage: 0: expected 1e-06 or more" },
		{ "'rate': {'percentage': 100.5}", "rate.percentage: 100.5: expected 100 or less" },
		{ "'rate': {'percentage': '1'}", "rate.percentage: '1': expected a number" },
		{ "'rate': {'fps': 1}", "rate.fps: unknown key, or not supported" },
		{ "'duration': {'fixed_packets': {'packets': 0}}",
				"duration.fixed_packets.packets: 0: expected 1 or more" },
		{ "'duration': {'fixed_packets': {'packets': 4294967296}}",
				"duration.fixed_packets.packets: 4294967296:"
				" expected 4294967295 or less" },
		{ "'duration': {'fixed_packets': {'seconds': 1}}",
				"duration.fixed_packets.seconds: unknown key, or not supported" },
		{ "'duration': {'fixed_seconds': {'seconds': 0}}",
				"duration.fixed_seconds.seconds: 0: expected 1e-09 or more" },
		{ "'duration': {'fixed_seconds': {'seconds': 1000000001}}",
				"duration.fixed_seconds.seconds: 1000000001:"
				" expected 1000000000 or less" },
		{ "'duration': {'continuous': {'packets': 1}}",
				"duration.continuous.packets: unknown key, or not supported" },
		{ "'duration': {'continuous': {'gap': -1}}",
				"duration.continuous.gap: -1: expected 0 or more" },
		{ "'duration': {'continuous': {'delay': {'bytes': -1}}}",
				"duration.continuous.delay.bytes: -1: expected 0 or more" },
		{ "'duration': {'continuous': {'delay': {'bytes': 1000000000000001}}}",
				"duration.continuous.delay.bytes: 1000000000000001:"
				" expected 1e+15 or less" },
		{ "'duration': {'continuous': {'delay': {'seconds': 1}}}",
				"duration.continuous.delay.seconds: unknown key, or not supported" },
		{ "'duration': {'burst': {'delay': {}}}",
				"duration.burst.delay: unknown key, or not supported" },
		{ "'duration': {'burst': {'packets': 0}}",
				"duration.burst.packets: 0: expected 1 or more" },
		{ "'duration': {'burst': {'inter_burst_gap': {'bytes': 1, 'nanoseconds': 1}}}",
				"duration.burst.inter_burst_gap.nanoseconds:"
				" bytes is chosen, and excludes it" },
		{ "'duration': {'forever': {}}",
				"duration.forever: unknown key, or not supported" },
	};

	ASSERT_REFUSALS(r);
}

#define BAD_PACKET(list) "'packet': [" list "]"
#define BAD_SRC(keys)    BAD_PACKET(ETH ", {'ipv4': {'src': " keys "}}")
#define SRC              "packet[1].ipv4.src"
#define BAD_PORT(keys)   BAD_PACKET(IP4 ", {'udp': {'src_port': " keys "}}")
#define PORT             "packet[2].udp.src_port"

static void
invalid_pattern_is_refused(void **state)
{
	static const struct refusal r[] = {
		{ BAD_SRC("'1.2.3.4'"), SRC ": '1.2.3.4': expected an object" },
		{ BAD_SRC("{'value': 1}"), SRC ".value: 1: expected a string" },
		{ BAD_SRC("{'value': '1.2.3'}"), SRC ".value: '1.2.3': expected an IPv4 address" },
		{ BAD_SRC("{'values': '1.2.3.4'}"), SRC ".values: '1.2.3.4': expected an array" },
		{ BAD_SRC("{'values': []}"), SRC ".values: expected one value or more" },
		{ BAD_SRC("{'values': ['1.2.3.4', '::']}"),
				SRC ".values[1]: '::': expected an IPv4 address" },
		{ BAD_SRC("{'increment': {'count': 0}}"),
				SRC ".increment.count: 0: expected 1 or more" },
		{ BAD_SRC("{'increment': {'count': 4294967296}}"),
				SRC ".increment.count: 4294967296: expected 4294967295 or less" },
		{ BAD_SRC("{'increment': {'step': 1}}"),
				SRC ".increment.step: 1: expected a string" },
		{ BAD_SRC("{'decrement': {'begin': 1}}"),
				SRC ".decrement.begin: unknown key, or not supported" },
		{ BAD_SRC("{'random': {'min': '1.2.3.4', 'max': '1.2.3.3'}}"),
				SRC ".random: max is less than min" },
		{ BAD_SRC("{'random': {'seed': 4294967296}}"),
				SRC ".random.seed: 4294967296: expected 4294967295 or less" },
		{ BAD_SRC("{'random': {'step': 1}}"),
				SRC ".random.step: unknown key, or not supported" },
		{ BAD_SRC("{'auto': {'choice': 'dhcp'}}"),
				SRC ".auto: unknown key, or not supported" },
		{ BAD_SRC("{'choice': 'auto'}"), SRC ".choice: 'auto': unknown, or not supported" },
		{ BAD_SRC("{'choice': 'value', 'values': []}"),
				SRC ".values: value is chosen, and excludes it" },
		{ BAD_SRC("{'increment': {}, 'decrement': {}}"),
				SRC ".decrement: increment is chosen, and excludes it" },
		{ BAD_SRC("{'metric_tags': [{'name': 'x'}]}"),
				SRC ".metric_tags: not supported, unless it is empty" },
		{ BAD_PORT("{'value': 65536}"), PORT ".value: 65536: expected 65535 or less" },
		{ BAD_PORT("{'value': -1}"), PORT ".value: -1: expected 0 or more" },
		{ BAD_PORT("{'value': '1'}"), PORT ".value: '1': expected an integer" },
		{ BAD_PORT("{'values': [1, 65536]}"),
				PORT ".values[1]: 65536: expected 65535 or less" },
		{ BAD_PORT("{'increment': {'count': 65537}}"),
				PORT ".increment.count: 65537: expected 65536 or less" },
		{ BAD_PORT("{'choice': 'auto'}"),
				PORT ".choice: 'auto': unknown, or not supported" },
		{ BAD_PACKET("{'ethernet': {'src': {'random': {}}}}"),
				"packet[0].ethernet.src.random: unknown key, or not supported" },
		{ BAD_PACKET("{'ethernet': {'src': {'value': '2:0:0:0:0:1'}}}"),
				"packet[0].ethernet.src.value: '2:0:0:0:0:1':"
				" expected a MAC address, as 02:00:00:00:00:01" },
		{ BAD_PACKET("{'ethernet': {'src': {'value': '02:00:00:00:00:0g'}}}"),
				"packet[0].ethernet.src.value: '02:00:00:00:00:0g':"
				" expected a MAC address, as 02:00:00:00:00:01" },
		{ BAD_PACKET("{'ethernet': {'src': {'value': '020:0:00:00:00:01'}}}"),
				"packet[0].ethernet.src.value: '020:0:00:00:00:01':"
				" expected a MAC address, as 02:00:00:00:00:01" },
		{ BAD_PACKET(ETH ", {'ipv6': {'dst': {'value': '1.2.3.4'}}}"),
				"packet[1].ipv6.dst.value: '1.2.3.4': expected an IPv6 address" },
		{ BAD_PACKET(ETH ", {'ipv4': {'header_checksum': {'custom': 65536}}}"),
				"packet[1].ipv4.header_checksum.custom: 65536:"
				" expected 65535 or less" },
		{ BAD_PACKET(ETH ", {'ipv4': {'header_checksum': {'choice': 'custom'}}}"),
				"packet[1].ipv4.header_checksum.custom: required" },
		{ BAD_PACKET(ETH ", {'ipv4': {'header_checksum': {'generated': 'ugly'}}}"),
				"packet[1].ipv4.header_checksum.generated: 'ugly':"
				" expected 'good' or 'bad'" },
		{ BAD_PACKET(ETH ", {'ipv4': {'header_checksum': {'value': 1}}}"),
				"packet[1].ipv4.header_checksum.value: unknown key, or not supported" },
	};

	ASSERT_REFUSALS(r);
}

static void
invalid_header_is_refused(void **state)
{
	static const struct refusal r[] = {
		{ "'packet': {}", "packet: an object: expected an array" },
		{ BAD_PACKET("1"), "packet[0]: 1: expected an object" },
		{ BAD_PACKET("{'custom': {}}"), "packet[0].custom: unknown key, or not supported" },
		{ BAD_PACKET("{'choice': 'vxlan'}"),
				"packet[0].choice: 'vxlan': unknown, or not supported" },
		{ BAD_PACKET("{'ethernet': {}, 'ipv4': {}}"),
				"packet[0].ipv4: ethernet is chosen, and excludes it" },
		{ BAD_PACKET("{'ethernet': []}"),
				"packet[0].ethernet: an array: expected an object" },
		{ BAD_PACKET("{'ethernet': {'pfc_queue': {}}}"),
				"packet[0].ethernet.pfc_queue: unknown key, or not supported" },
		{ BAD_PACKET("{'ipv4': {}}"), "packet[0].ipv4: the first header must be ethernet" },
		{ BAD_PACKET(ETH ", {'udp': {}}"), "packet[1].udp: may not follow ethernet" },
		{ BAD_PACKET(ETH "," ETH), "packet[1].ethernet: may not follow ethernet" },
		{ BAD_PACKET(IP4 ", {'vlan': {}}"), "packet[2].vlan: may not follow ipv4" },
		{ BAD_PACKET(IP6 ", {'arp': {}}"), "packet[2].arp: may not follow ipv6" },
		{ BAD_PACKET(IP4 ", {'udp': {}}, {'ipv4': {}}"),
				"packet[3].ipv4: may not follow udp" },
		{ BAD_PACKET(ETH ", {'ipv4': {'options': [{}]}}"),
				"packet[1].ipv4.options: not supported, unless it is empty" },
		{ BAD_PACKET(ETH ", {'ipv4': {'ttl': {}}}"),
				"packet[1].ipv4.ttl: unknown key, or not supported" },
		{ BAD_PACKET(ETH ", {'ipv4': {'priority': {'dscp': {'php': {}}}}}"),
				"packet[1].ipv4.priority.dscp.php: unknown key, or not supported" },
		{ BAD_PACKET(ETH ", {'ipv4': {'priority': {'raw': {}, 'tos': {}}}}"),
				"packet[1].ipv4.priority.raw: tos is chosen, and excludes it" },
		{ BAD_PACKET(ETH ", {'ipv4': {'fragment_offset': {'value': 8192}}}"),
				"packet[1].ipv4.fragment_offset.value: 8192: expected 8191 or less" },
		{ BAD_PACKET(IP4 ", {'icmp': {'type': {}}}"),
				"packet[2].icmp.type: unknown key, or not supported" },
		{ BAD_PACKET("{'ethernet': {'ether_type': {'value': 33024}}},"
			     "{'vlan': {'tpid': {'value': 34984}}}"),
				"packet[1].vlan.tpid: differs from the EtherType that the header"
				" before it has" },
		{ BAD_PACKET("{'ethernet': {'ether_type': {'value': 33024}}},"
			     "{'vlan': {'tpid': {'values': [33024, 34984]}}}"),
				"packet[1].vlan.tpid: differs from the EtherType that the header"
				" before it has" },
	};

	ASSERT_REFUSALS(r);
}

/* A flow with a number of VLAN tags. */
static int
load_tags(unsigned int nr, struct traffic **t)
{
	char file[4096];
	size_t len;

	len = sprintf(file,
			"{" PORTS ", 'flows': [{'name': 'f', " TX_RX
			", 'size': {'fixed': 600}, 'packet': [" ETH);
	while (nr-- > 0)
		len += sprintf(file + len, ", {'vlan': {}}");
	sprintf(file + len, "]}]}");
	return load(file, t);
}

static void
headers_have_at_most_512_bytes(void **state)
{
	struct traffic *t = NULL;

	assert_int_equal(load_tags(124, &t), 0);
	assert_int_equal(t->flows->headers_len, 510);
	traffic_free(t);
	assert_int_equal(load_tags(125, &t), -EINVAL);
	assert_string_equal(err, "flows[0].packet[125].vlan: the headers exceed 512 bytes");
}

static void
invalid_ports_and_endpoints_are_refused(void **state)
{
#define WITH_TX_RX(keys) CONFIG("{'name': 'f', 'tx_rx': " keys "}")
	static const struct refusal r[] = {
		{ "[]", "an array: expected an object" },
		{ "{'ports': {}}", "ports: an object: expected an array" },
		{ "{'ports': [1]}", "ports[0]: 1: expected an object" },
		{ "{'ports': [{'location': 'a'}]}", "ports[0].name: required" },
		{ "{'ports': [{'name': '', 'location': 'a'}]}", "ports[0].name: required" },
		{ "{'ports': [{'name': 1, 'location': 'a'}]}",
				"ports[0].name: 1: expected a string" },
		{ "{'ports': [{'name': 'a'}]}", "ports[0].location: required" },
		{ "{'ports': [{'name': 'a', 'location': 'x', 'speed': 1}]}",
				"ports[0].speed: unknown key, or not supported" },
		{ "{'ports': [{'name': 'a', 'location': 'x'}, {'name': 'a', 'location': 'y'}]}",
				"ports[1].name: 'a': another port has this name" },
		{ "{'ports': [{'name': 'a', 'location': 'x'}, {'name': 'b', 'location': 'x'}]}",
				"ports[1].location: 'x': another port has this location" },
		{ CONFIG("{" TX_RX "}"), "flows[0].name: required" },
		{ CONFIG("{'name': 'f'}"), "flows[0].tx_rx.port.tx_name: required" },
		{ CONFIG("{'name': 'p1', " TX_RX "}"),
				"flows[0].name: 'p1': a port has this name" },
		{ CONFIG("{'name': 'f', " TX_RX "}, {'name': 'f', " TX_RX "}"),
				"flows[1].name: 'f': another flow has this name" },
		{ WITH_TX_RX("{'device': {}}"),
				"flows[0].tx_rx.device: unknown key, or not supported" },
		{ WITH_TX_RX("{'port': {'tx_name': 'p3'}}"),
				"flows[0].tx_rx.port.tx_name: 'p3': no port has this name" },
		{ WITH_TX_RX("{'port': {'tx_name': 'p1', 'rx_name': 'p3'}}"),
				"flows[0].tx_rx.port.rx_name: 'p3': no port has this name" },
		{ WITH_TX_RX("{'port': {'tx_name': 'p1', 'rx_names': 'p2'}}"),
				"flows[0].tx_rx.port.rx_names: 'p2': expected an array" },
		{ WITH_TX_RX("{'port': {'tx_name': 'p1', 'rx_names': ['p2', 'p3']}}"),
				"flows[0].tx_rx.port.rx_names[1]: 'p3': no port has this name" },
		{ "{'flows': [{'name': 'f', 'tx_rx': {'port': {'tx_name': 'p1'}}}]}",
				"flows[0].tx_rx.port.tx_name: 'p1': no port has this name" },
		{ "{'flow': []}", "flow: unknown key, or not supported" },
		{ "{'layer1': [{}]}", "layer1: not supported, unless it is empty" },
		{ "{'events': {'enable': true}}", "events: not supported, unless it is empty" },
		{ "{'options': {'port_options': {'data_integrity': true}}}",
				"options.port_options.data_integrity: unknown key, or not supported" },
		{ "{'options': {'port_options': {'location_preemption': 1}}}",
				"options.port_options.location_preemption: 1: expected true or false" },
	};
	size_t i;

	for (i = 0; i < sizeof(r) / sizeof(r[0]); i++)
		load_bad(r[i].keys, r[i].line);
}

/* Write numbered elements to a buffer, with a comma behind each but the last one. */
static size_t
print_list(char *buf, const char *fmt, unsigned int nr)
{
	size_t len = 0;
	unsigned int i;

	assert_non_null(buf);
	for (i = 0; i < nr; i++) {
		len += sprintf(buf + len, fmt, i, i);
		if (i + 1 < nr)
			len += sprintf(buf + len, ",");
	}
	return len;
}

static void
numbers_of_ports_and_flows_are_limited(void **state)
{
	char *file = malloc(1024 * 1024);
	struct traffic *t;
	unsigned int nr;
	size_t len;

	for (nr = 64; nr <= 65; nr++) {
		len = sprintf(file, "{'ports': [");
		len += print_list(file + len, "{'name': 'p%u', 'location': 'l%u'}", nr);
		sprintf(file + len,
				"], 'flows': [{'name': 'f', 'tx_rx': {'port':"
				"{'tx_name': 'p63', 'rx_name': 'p63'}}}]}");
		if (nr == 65) {
			load_bad(file, "ports: 65 ports: expected 64 or less");
			continue;
		}
		t = load_ok(file);
		assert_int_equal(t->nr_ports, 64);
		assert_int_equal(t->flows->tx_port, 63);
		assert_true(t->flows->rx_ports == UINT64_C(1) << 63);
		traffic_free(t);
	}
	for (nr = 4096; nr <= 4097; nr++) {
		len = sprintf(file, "{" PORTS ", 'flows': [");
		len += print_list(file + len, "{'name': 'f%u', " TX_RX "}", nr);
		sprintf(file + len, "]}");
		if (nr == 4097) {
			load_bad(file, "flows: 4097 flows: expected 4096 or less");
			continue;
		}
		t = load_ok(file);
		assert_int_equal(t->nr_flows, 4096);
		assert_int_equal(t->flows[4095].number, 4095);
		assert_string_equal(t->flows[4095].name, "f4095");
		traffic_free(t);
	}
	free(file);
}

static void
file_that_is_no_json_is_refused_with_its_line(void **state)
{
	static const char *const r[][2] = {
		{ "", "line 1, column 0: '[' or '{' expected near end of file" },
		{ "{\n'ports':\n]}", "line 3, column 1: unexpected token near ']'" },
		{ "{'ports': [], 'ports': []}",
				"line 1, column 21: duplicate object key near '\"ports\"'" },
		{ "{} {}", "line 1, column 4: end of file expected near '{'" },
		{ "{'rate': 99999999999999999999}",
				"line 1, column 29: too big integer near '99999999999999999999'" },
	};
	struct traffic *t = NULL;
	size_t i;

	for (i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
		assert_int_equal(load(r[i][0], &t), -EINVAL);
		assert_string_equal(err, r[i][1]);
	}
}

static void
file_that_cannot_be_read_has_its_reason(void **state)
{
	struct traffic *t = NULL;

	assert_int_equal(traffic_load("/does/not/exist", &t, err), -ENOENT);
	assert_string_equal(err, "No such file or directory");
	assert_int_equal(traffic_load("/", &t, err), -EISDIR);
	assert_string_equal(err, "Is a directory");
	/* The file is complete after the first read. */
	reads_left = 2;
	assert_int_equal(load("{}", &t), -EIO);
	assert_string_equal(err, "Input/output error");
	assert_int_equal(reads_left, 0);
	assert_null(t);
}

static void
file_has_at_most_16_mib(void **state)
{
	char *file = malloc(FILE_MAX + 1);
	struct traffic *t = NULL;

	memset(file, ' ', FILE_MAX + 1);
	memcpy(file, "{}", 2);
	assert_int_equal(load_bytes(file, FILE_MAX, &t), 0);
	traffic_free(t);
	assert_int_equal(load_bytes(file, FILE_MAX + 1, &t), -EINVAL);
	assert_string_equal(err, "the file has more than 16777216 bytes");
	free(file);
}

static void
error_is_one_line_of_printable_characters(void **state)
{
	char file[1024], key[512];

	load_bad("{'a\\n\\u007f\\u00e9': 1}", "a????: unknown key, or not supported");
	load_bad("{'ports': [{'name': 'a\\n\\u00e9', 'location': 5}]}",
			"ports[0].location: 5: expected a string");
	load_bad("{'ports': 'a\\n\\u007f\\u00e9'}",
			"ports: 'a???"
			"?': expected an array");
	memset(key, 'k', sizeof(key));
	snprintf(file, sizeof(file), "{'%.500s': 1}", key);
	load_bad(file, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk: unknown key, or not supported");
	/* A value of 40 characters is shown, and a longer one is cut. */
	snprintf(file, sizeof(file), "{'ports': '%.40s'}", key);
	load_bad(file, "ports: 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk': expected an array");
	snprintf(file, sizeof(file), "{'ports': '%.41s'}", key);
	load_bad(file, "ports: 'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...': expected an array");
}

static void
damaged_file_is_refused_or_loaded(void **state)
{
	const size_t len = strlen(udp_file);
	struct traffic *t;
	char *file;
	size_t i;
	int ret;

	file = strdup(udp_file);
	for (i = 0; i < len; i++)
		if (file[i] == '\'')
			file[i] = '"';
	for (i = 0; i < len; i++) {
		assert_int_equal(load_bytes(file, i, &t), -EINVAL);
		assert_memory_equal(err, "line 1, ", 8);
	}
	for (i = 0; i < 2 * len; i++) {
		const char was = file[i / 2];

		file[i / 2] = i % 2 == 0 ? '9' : was ^ 1 << i / 2 % 7;
		ret = load_bytes(file, len, &t);
		file[i / 2] = was;
		if (ret == 0)
			traffic_free(t);
		else
			assert_int_equal(ret, -EINVAL);
		assert_true((ret == 0) == (err[0] == '\0'));
		assert_true(strlen(err) < sizeof(err));
	}
	free(file);
}

static void
allocation_that_fails_is_reported_and_leaves_nothing(void **state)
{
	struct traffic *t = NULL;
	const long before = live;
	int ret;

	for (fail_at = 1;; fail_at++) {
		ret = load(udp_file, &t);
		if (!has_failed)
			break;
		assert_int_equal(ret, -ENOMEM);
		assert_null(t);
		assert_non_null(strstr(err, "no memory"));
		assert_int_equal(live, before);
	}
	assert_int_equal(fail_at, 16);
	fail_at = 0;
	assert_int_equal(ret, 0);
	traffic_free(t);
	assert_int_equal(live, before);
}

static void
seed_0_without_random_numbers_is_refused(void **state)
{
	no_random = true;
	load_bad(SRC_PORT("{'random': {'seed': 0, 'count': 9}}"),
			"flows[0].packet[2].udp.src_port.random.seed: the system has no random"
			" numbers");
	no_random = false;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_flow_is_refused_with_the_path_of_the_key),
		cmocka_unit_test(invalid_rate_or_duration_is_refused),
		cmocka_unit_test(invalid_pattern_is_refused),
		cmocka_unit_test(invalid_header_is_refused),
		cmocka_unit_test(headers_have_at_most_512_bytes),
		cmocka_unit_test(invalid_ports_and_endpoints_are_refused),
		cmocka_unit_test(numbers_of_ports_and_flows_are_limited),
		cmocka_unit_test(file_that_is_no_json_is_refused_with_its_line),
		cmocka_unit_test(file_that_cannot_be_read_has_its_reason),
		cmocka_unit_test(file_has_at_most_16_mib),
		cmocka_unit_test(error_is_one_line_of_printable_characters),
		cmocka_unit_test(damaged_file_is_refused_or_loaded),
		cmocka_unit_test(allocation_that_fails_is_reported_and_leaves_nothing),
		cmocka_unit_test(seed_0_without_random_numbers_is_refused),
		cmocka_unit_test(loader_has_freed_everything),
	};

	return cmocka_run_group_tests_name("traffic_otg_refusals", tests, NULL, NULL);
}
