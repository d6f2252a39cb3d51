/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Files that the loader of OTG files (traffic_otg*.c, traffic_headers.c) accepts: complete files as
 * users write them, the bytes and the patterns of each header, sizes, rates and durations, at the
 * last values that are valid.
 */

#include "otg_files.h"

/* Assert that the headers of a flow are these bytes, in hexadecimal digits with spaces. */
static void
assert_headers(const struct traffic_flow *f, const char *hex)
{
	char text[2 * TRAFFIC_HEADERS_MAX + 1], expected[sizeof(text)], *e = expected;
	unsigned int i;

	for (i = 0; i < f->headers_len; i++)
		sprintf(text + 2 * i, "%02x", f->headers[i]);
	for (; *hex != '\0'; hex++)
		if (*hex != ' ')
			*e++ = *hex;
	*e = '\0';
	text[2 * i] = '\0';
	assert_string_equal(text, expected);
}

static void
assert_headers_of(const char *file, const char *hex)
{
	struct traffic *t = load_ok(file);

	assert_headers(&t->flows[0], hex);
	assert_int_equal(t->flows[0].nr_patterns, 0);
	assert_null(t->flows[0].patterns);
	traffic_free(t);
}

/* A file with one flow, which has one pattern. */
static void
assert_pattern(const char *file, struct traffic_pattern expected)
{
	struct traffic *t = load_ok(file);
	const struct traffic_pattern *p = t->flows[0].patterns;

	assert_int_equal(t->flows[0].nr_patterns, 1);
	assert_int_equal(p->kind, expected.kind);
	assert_int_equal(p->bit, expected.bit);
	assert_int_equal(p->bits, expected.bits);
	assert_int_equal(p->count, expected.count);
	assert_true(p->first == expected.first);
	if (p->kind == TRAFFIC_LIST) {
		assert_memory_equal(p->list, expected.list, p->count * sizeof(*p->list));
	} else {
		assert_true(p->step == expected.step);
		assert_null(p->list);
	}
	assert_true(p->seed == expected.seed);
	traffic_free(t);
}

static void
assert_fixes(const struct traffic_flow *f, const struct traffic_fix *expected, unsigned int nr)
{
	unsigned int i;

	assert_int_equal(f->nr_fixes, nr);
	for (i = 0; i < nr; i++) {
		const struct traffic_fix *a = &f->fixes[i], *b = &expected[i];

		assert_int_equal(a->kind, b->kind);
		assert_int_equal(a->at, b->at);
		assert_int_equal(a->from, b->from);
		assert_int_equal(a->to, b->to);
		assert_int_equal(a->ip, b->ip);
		assert_int_equal(a->proto, b->proto);
		assert_int_equal(a->zero_is_ones, b->zero_is_ones);
		assert_int_equal(a->bad, b->bad);
	}
}

/* Complete files. */

static void
file_of_a_client_library_is_loaded(void **state)
{
	static const struct traffic_fix fixes[] = {
		{ TRAFFIC_FIX_LENGTH, 42, 38, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_LENGTH, 20, 18, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_SUM_IP4, 44, 38, 0, 18, 17, true, false },
		{ TRAFFIC_FIX_SUM, 28, 18, 38, 0, 0, false, false },
	};
	struct traffic *t = load_ok(udp_file);
	const struct traffic_flow *f = t->flows;
	const struct traffic_pattern *p = f->patterns;
	uint16_t port;

	assert_string_equal(err, "");
	assert_int_equal(t->nr_ports, 2);
	assert_string_equal(t->ports[0].name, "p1");
	assert_string_equal(t->ports[0].location, "a");
	assert_string_equal(t->ports[1].name, "p2");
	assert_string_equal(t->ports[1].location, "b");
	assert_int_equal(t->nr_flows, 1);
	assert_string_equal(f->name, "f1");
	assert_int_equal(f->number, 0);
	assert_int_equal(f->tx_port, 0);
	assert_int_equal(f->rx_ports, 2);

	assert_int_equal(f->nr_patterns, 4);
	assert_int_equal(p[0].kind, TRAFFIC_COUNTER);
	assert_int_equal(p[0].bit, 116);
	assert_int_equal(p[0].bits, 12);
	assert_int_equal(p[0].count, 8);
	assert_true(p[0].first == 100 && p[0].step == 2);
	assert_int_equal(p[1].kind, TRAFFIC_LIST);
	assert_int_equal(p[1].bit, 18 * 8 + 128);
	assert_int_equal(p[1].bits, 32);
	assert_int_equal(p[1].count, 2);
	assert_true(p[1].list[0] == 0x0A010001 && p[1].list[1] == 0x0A010009);
	assert_int_equal(p[2].kind, TRAFFIC_COUNTER);
	assert_int_equal(p[2].bit, 38 * 8);
	assert_int_equal(p[2].count, 100);
	assert_true(p[2].first == 5000 && p[2].step == -(traffic_value)3);
	assert_int_equal(p[3].kind, TRAFFIC_RANDOM);
	assert_int_equal(p[3].bit, 38 * 8 + 16);
	assert_int_equal(p[3].count, 50);
	assert_true(p[3].first == 1000 && p[3].step == 1000);
	assert_true(p[3].seed == (7 | (uint64_t)(38 * 8 + 16) << 32));

	/* The destination port is that of frame 0. */
	port = f->headers[40] << 8 | f->headers[41];
	assert_true(port == traffic_pattern_at(&p[3], 0));
	assert_in_range(port, 1000, 2000);
	t->flows[0].headers[40] = t->flows[0].headers[41] = 0;
	assert_headers(f,
			"00abbcabbcab 020000000001 8100 a064 0800"
			"45b9 0000 0000 0000 40 11 0000 0a000001 0a010001"
			"1388 0000 0000 0000");
	assert_fixes(f, fixes, 4);

	assert_int_equal(f->size.kind, TRAFFIC_SIZE_COUNTER);
	assert_int_equal(f->size.first, 124);
	assert_int_equal(f->size.last, 124);
	assert_int_equal(f->size.step, 0);
	assert_int_equal(f->rate.kind, TRAFFIC_RATE_PPS);
	assert_int_equal(f->rate.value, 1000000);
	assert_int_equal(f->duration.packets, 1000);
	assert_false(f->duration.is_bursts);
	assert_int_equal(f->duration.gap, 20);
	assert_int_equal(f->duration.delay_ns, 1500);
	assert_int_equal(f->duration.delay_bytes, 0);
	assert_int_equal(f->duration.ns, 0);
	assert_true(f->stamped && f->loss && f->timestamps && f->latency && f->cut_through);
	traffic_free(t);
}

static void
absent_keys_have_the_defaults_of_the_model(void **state)
{
	struct traffic *t = load_ok(CONFIG("{'name': 'f', 'tx_rx': {'port': {'tx_name': 'p2'}}}"));
	const struct traffic_flow *f = t->flows;

	assert_int_equal(f->tx_port, 1);
	assert_int_equal(f->rx_ports, 0);
	assert_headers(f, "000000000000 000000000000 ffff");
	assert_int_equal(f->nr_patterns, 0);
	assert_int_equal(f->nr_fixes, 0);
	assert_int_equal(f->size.kind, TRAFFIC_SIZE_COUNTER);
	assert_int_equal(f->size.first, 60);
	assert_int_equal(f->size.last, 60);
	assert_int_equal(f->payload.kind, TRAFFIC_PAYLOAD_FIXED);
	assert_int_equal(f->payload.len, 1);
	assert_int_equal(f->payload.pattern[0], 0);
	assert_true(f->payload.repeat);
	assert_int_equal(f->rate.kind, TRAFFIC_RATE_PPS);
	assert_int_equal(f->rate.value, 1000);
	assert_int_equal(f->duration.packets, 0);
	assert_int_equal(f->duration.bursts, 0);
	assert_int_equal(f->duration.ns, 0);
	assert_int_equal(f->duration.gap, 12);
	assert_int_equal(f->duration.delay_ns + f->duration.delay_bytes, 0);
	assert_false(f->stamped || f->loss || f->timestamps || f->latency || f->cut_through);
	traffic_free(t);
}

static void
file_written_by_hand_with_two_flows_is_loaded(void **state)
{
	struct traffic *t = load_ok(CONFIG(
			"{'name': 'v6', 'tx_rx': {'port': {'tx_name': 'p1', 'rx_name': 'p2'}},"
			" 'packet': [{'ethernet': {}}, {'ipv6': {'src': {'value': 'fd00::1'},"
			"   'dst': {'increment': {'start': 'fd00::2', 'step': '::1:0', 'count': 4}}}},"
			"  {'tcp': {'dst_port': {'value': 80}, 'ctl_syn': {'value': 1}}}],"
			" 'size': {'weight_pairs': {'predefined': 'tcp_imix'}}, 'rate': {'percentage': 12.5},"
			" 'metrics': {'enable': false, 'loss': true}},"
			"{'name': 'back', 'tx_rx': {'port': {'tx_name': 'p2', 'rx_names': ['p1', 'p2']}},"
			" 'packet': [{'ethernet': {}}, {'arp': {}}],"
			" 'payload': {'choice': 'decrement_word'},"
			" 'duration': {'burst': {'bursts': 3, 'packets': 10,"
			"   'inter_burst_gap': {'nanoseconds': 250000}}}}"));
	static const struct traffic_fix fixes[] = {
		{ TRAFFIC_FIX_LENGTH, 18, 54, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_SUM_IP6, 70, 54, 0, 14, 6, false, false },
	};
	const struct traffic_flow *f = t->flows;

	assert_int_equal(t->nr_flows, 2);
	assert_headers(f,
			"000000000000 000000000000 86dd"
			"60000000 0000 06 40 fd000000000000000000000000000001"
			"fd000000000000000000000000000002"
			"0000 0050 00000000 00000000 5002 0000 0000 0000");
	assert_fixes(f, fixes, 2);
	assert_int_equal(f->nr_patterns, 1);
	assert_int_equal(f->patterns[0].bits, 128);
	assert_true(f->patterns[0].first == ((traffic_value)0xFD00 << 112 | 2));
	assert_true(f->patterns[0].step == 0x10000);
	assert_int_equal(f->rx_ports, 2);
	assert_int_equal(f->rate.kind, TRAFFIC_RATE_PERCENT);
	assert_int_equal(f->rate.value, 12500000);
	assert_false(f->stamped || f->loss);

	assert_string_equal(f[1].name, "back");
	assert_int_equal(f[1].size.seed, 1);
	assert_int_equal(f[1].number, 1);
	assert_int_equal(f[1].tx_port, 1);
	assert_int_equal(f[1].rx_ports, 3);
	assert_headers(&f[1],
			"000000000000 000000000000 0806"
			"0001 0800 06 04 0001 000000000000 00000000 000000000000 00000000");
	assert_int_equal(f[1].payload.kind, TRAFFIC_PAYLOAD_WORDS);
	assert_true(f[1].payload.down);
	assert_true(f[1].duration.is_bursts);
	assert_int_equal(f[1].duration.bursts, 3);
	assert_int_equal(f[1].duration.packets, 10);
	assert_int_equal(f[1].duration.burst_gap_ns, 250000);
	assert_int_equal(f[1].duration.burst_gap_bytes, 0);
	traffic_free(t);
}

static void
file_without_flows_is_loaded(void **state)
{
	struct traffic *t = load_ok("{}");

	assert_int_equal(t->nr_ports, 0);
	assert_int_equal(t->nr_flows, 0);
	traffic_free(t);
	traffic_free(NULL);
	t = load_ok("{'ports': [], 'flows': [], 'options': {}, 'lags': [], 'layer1': [],"
		    " 'captures': [], 'devices': [], 'events': {}, 'lldp': [],"
		    " 'stateful_flows': {}, 'egress_only_tracking': []}");
	assert_int_equal(t->nr_flows, 0);
	traffic_free(t);
}

/* Headers. */

#define ETH_ZERO "000000000000 000000000000"
#define IP4_ZERO "45000000 00000000 40%s0000 00000000 00000000"

static void
each_field_of_ethernet_vlan_and_arp_has_its_place(void **state)
{
	assert_headers_of(
			PACKET("{'ethernet': {'dst': {'value': 'ff:ff:ff:ff:ff:fe'},"
			       "'src': {'value': '12:34:56:78:9a:bc'}, 'ether_type': {'value': 2047}}}"),
			"fffffffffffe 123456789abc 07ff");
	assert_headers_of(PACKET("{'ethernet': {'dst': {'choice': 'auto'}}}"), ETH_ZERO "ffff");
	assert_headers_of(PACKET(ETH ", {'vlan': {'priority': {'value': 7}}}"),
			ETH_ZERO "8100 e000 ffff");
	assert_headers_of(PACKET(ETH ", {'vlan': {'cfi': {'value': 1}}}"),
			ETH_ZERO "8100 1000 ffff");
	assert_headers_of(PACKET(ETH ", {'vlan': {'id': {'value': 4095}}}"),
			ETH_ZERO "8100 0fff ffff");
	assert_headers_of(
			PACKET(ETH ", {'arp': {'hardware_type': {'value': 2},"
				   "'protocol_type': {'value': 3}, 'hardware_length': {'value': 4},"
				   "'protocol_length': {'value': 5}, 'operation': {'value': 6},"
				   "'sender_hardware_addr': {'value': '02:00:00:00:00:07'},"
				   "'sender_protocol_addr': {'value': '8.0.0.8'},"
				   "'target_hardware_addr': {'value': '02:00:00:00:00:09'},"
				   "'target_protocol_addr': {'value': '10.0.0.10'}}}"),
			ETH_ZERO "0806 0002 0003 04 05 0006 020000000007 08000008"
				 "020000000009 0a00000a");
}

static void
each_field_of_ipv4_has_its_place(void **state)
{
	assert_headers_of(
			PACKET(ETH ", {'ipv4': {'version': {'value': 15},"
				   "'header_length': {'value': 6}, 'total_length': {'value': 258},"
				   "'identification': {'value': 772}, 'reserved': {'value': 1},"
				   "'fragment_offset': {'value': 8191}, 'time_to_live': {'value': 5},"
				   "'protocol': {'value': 7}, 'header_checksum': {'custom': 2057},"
				   "'src': {'value': '1.2.3.4'}, 'dst': {'value': '255.254.253.252'}}}"),
			ETH_ZERO "0800 f6000102 03049fff 05070809 01020304 fffefdfc");
	assert_headers_of(PACKET(ETH ", {'ipv4': {'dont_fragment': {'value': 1}}}"),
			ETH_ZERO "0800 45000000 00004000 403d0000 00000000 00000000");
	assert_headers_of(PACKET(ETH ", {'ipv4': {'more_fragments': {'value': 1},"
				     "'header_length': {'choice': 'auto'}}}"),
			ETH_ZERO "0800 45000000 00002000 403d0000 00000000 00000000");
}

/* The byte that a priority makes. */
static void
assert_priority(const char *keys, uint8_t expected)
{
	char file[1024];
	struct traffic *t;

	snprintf(file, sizeof(file), PACKET(ETH ", {'ipv4': {'priority': %s}}"), keys);
	t = load_ok(file);
	assert_int_equal(t->flows[0].headers[15], expected);
	traffic_free(t);
}

static void
each_kind_of_ipv4_priority_has_its_bits(void **state)
{
	assert_priority("{}", 0);
	assert_priority("{'raw': {'value': 255}}", 0xFF);
	assert_priority("{'choice': 'raw', 'raw': {'value': 1}}", 1);
	assert_priority("{'dscp': {'phb': {'value': 63}}}", 0xFC);
	assert_priority("{'dscp': {'ecn': {'value': 3}}}", 3);
	assert_priority("{'tos': {'precedence': {'value': 7}}}", 0xE0);
	assert_priority("{'tos': {'delay': {'value': 1}}}", 0x10);
	assert_priority("{'tos': {'throughput': {'value': 1}}}", 8);
	assert_priority("{'tos': {'reliability': {'value': 1}}}", 4);
	assert_priority("{'tos': {'monetary': {'value': 1}}}", 2);
	assert_priority("{'tos': {'unused': {'value': 1}}}", 1);
}

static void
each_field_of_ipv6_has_its_place(void **state)
{
	assert_headers_of(
			PACKET(ETH ", {'ipv6': {'version': {'value': 7},"
				   "'traffic_class': {'value': 255}, 'payload_length': {'value': 258},"
				   "'next_header': {'value': 3}, 'hop_limit': {'value': 4},"
				   "'src': {'value': '2001:db8::1'}, 'dst': {'value': '::ffff:1.2.3.4'}}}"),
			ETH_ZERO "86dd 7ff00000 0102 03 04 20010db8000000000000000000000001"
				 "00000000000000000000ffff01020304");
	assert_headers_of(PACKET(ETH ", {'ipv6': {'flow_label': {'value': 1048575}}}"),
			ETH_ZERO "86dd 600fffff 0000 3b 40 00000000000000000000000000000000"
				 "00000000000000000000000000000000");
}

/* The header behind those of Ethernet and IPv4. */
static void
assert_layer4(const char *header, const char *protocol, const char *hex)
{
	char file[2048], expected[512];

	snprintf(file, sizeof(file), PACKET(IP4 ", %s"), header);
	snprintf(expected, sizeof(expected), ETH_ZERO "0800" IP4_ZERO "%s", protocol, hex);
	assert_headers_of(file, expected);
}

static void
each_field_of_udp_and_icmp_has_its_place(void **state)
{
	assert_layer4("{'udp': {'src_port': {'value': 258}, 'dst_port': {'value': 772},"
		      "'length': {'value': 1286}, 'checksum': {'choice': 'custom', 'custom': 1800}}}",
			"11", "0102 0304 0506 0708");
	assert_layer4("{'icmp': {'echo': {'type': {'value': 0}, 'code': {'value': 1},"
		      "'checksum': {'custom': 515}, 'identifier': {'value': 1029},"
		      "'sequence_number': {'value': 1543}}}}",
			"01", "00 01 0203 0405 0607");
	assert_layer4("{'icmp': {}}", "01", "08 00 0000 0000 0000");
	assert_layer4("{'icmpv6': {'choice': 'echo'}}", "3a", "80 00 0000 0000 0000");
	assert_layer4("{'icmpv6': {'echo': {'type': {'value': 129}, 'code': {'value': 1},"
		      "'checksum': {'custom': 515}, 'identifier': {'value': 1029},"
		      "'sequence_number': {'value': 1543}}}}",
			"3a", "81 01 0203 0405 0607");
}

static void
each_field_of_tcp_has_its_place(void **state)
{
	static const char *const flags[] = { "ctl_fin", "ctl_syn", "ctl_rst", "ctl_psh", "ctl_ack",
		"ctl_urg", "ecn_echo", "ecn_cwr", "ecn_ns" };
	char header[64], hex[64];
	unsigned int i;

	assert_layer4("{'tcp': {'src_port': {'value': 258}, 'dst_port': {'value': 772},"
		      "'seq_num': {'value': 84281096}, 'ack_num': {'value': 4294967295},"
		      "'data_offset': {'value': 15}, 'window': {'value': 2314},"
		      "'checksum': {'custom': 2828}}}",
			"06", "0102 0304 05060708 ffffffff f000 090a 0b0c 0000");
	for (i = 0; i < 9; i++) {
		snprintf(header, sizeof(header), "{'tcp': {'%s': {'value': 1}}}", flags[i]);
		snprintf(hex, sizeof(hex), "0000 0000 00000000 00000000 5%03x 0000 0000 0000",
				1u << i);
		assert_layer4(header, "06", hex);
	}
}

static void
header_names_its_kind_in_the_one_before(void **state)
{
	assert_headers_of(
			PACKET(ETH ", {'vlan': {'tpid': {'value': 34984}}}, {'vlan': {}}, {'arp': {}}"),
			ETH_ZERO "88a8 0000 8100 0000 0806 00010800 06040001"
				 "000000000000 00000000 000000000000 00000000");
	assert_headers_of(PACKET(IP4 ", {'ipv4': {}}"),
			ETH_ZERO "0800 45000000 00000000 40040000 00000000 00000000"
				 "45000000 00000000 403d0000 00000000 00000000");
	/* A given value stays. */
	assert_headers_of(PACKET("{'ethernet': {'ether_type': {'value': 2}}}, {'ipv4': {}}"),
			ETH_ZERO "0002 45000000 00000000 403d0000 00000000 00000000");
	assert_headers_of(PACKET("{'ethernet': {'ether_type': {'value': 37120}}},"
				 "{'vlan': {'tpid': {'value': 37120}}}"),
			ETH_ZERO "9100 0000 ffff");
	/* The list of no headers, and a header without a choice, are Ethernet. */
	assert_headers_of(PACKET(""), ETH_ZERO "ffff");
	assert_headers_of(PACKET("{}"), ETH_ZERO "ffff");
	assert_headers_of(PACKET("{'choice': 'ethernet'}, {'choice': 'vlan'}"),
			ETH_ZERO "8100 0000 ffff");
}

static void
computed_fields_are_ordered_from_inside_to_outside(void **state)
{
	static const struct traffic_fix tunnel[] = {
		{ TRAFFIC_FIX_LENGTH, 78, 74, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_LENGTH, 38, 74, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_LENGTH, 16, 14, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_SUM_IP6, 80, 74, 0, 34, 17, true, true },
		{ TRAFFIC_FIX_SUM, 24, 14, 34, 0, 0, false, true },
	};
	static const struct traffic_fix icmp[] = {
		{ TRAFFIC_FIX_LENGTH, 16, 14, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_SUM, 36, 34, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_SUM, 24, 14, 34, 0, 0, false, false },
	};
	static const struct traffic_fix icmpv6[] = {
		{ TRAFFIC_FIX_LENGTH, 18, 54, 0, 0, 0, false, false },
		{ TRAFFIC_FIX_SUM_IP6, 56, 54, 0, 14, 58, false, false },
	};
	struct traffic *t;

	t = load_ok(FLOW("'size': {'fixed': 128}, 'packet': [" ETH
			 ", {'ipv4': {'header_checksum': {'generated': 'bad'}}}, {'ipv6': {}},"
			 "{'udp': {'checksum': {'choice': 'generated', 'generated': 'bad'}}}]"));
	assert_fixes(t->flows, tunnel, 5);
	traffic_free(t);
	t = load_ok(PACKET(IP4 ", {'icmp': {}}"));
	assert_fixes(t->flows, icmp, 3);
	traffic_free(t);
	t = load_ok(FLOW("'size': {'fixed': 128}, 'packet': [" IP6 ", {'icmpv6': {}}]"));
	assert_fixes(t->flows, icmpv6, 2);
	traffic_free(t);
}

/* Patterns. */

#define ETH_SRC(keys) PACKET("{'ethernet': {'src': " keys "}}")

static void
patterns_have_kind_count_first_and_step(void **state)
{
	traffic_value macs[] = { 1, 0x020304050607, 1 };
	struct traffic_pattern p = { .bit = 272, .bits = 16, .count = 65536, .step = 1 };

	p.kind = TRAFFIC_COUNTER;
	assert_pattern(SRC_PORT("{'increment': {'count': 65536}}"), p);
	p.step = 65535;
	p.first = 65535;
	assert_pattern(SRC_PORT("{'increment': {'start': 65535, 'step': 65535, 'count': 65536}}"),
			p);
	p.step = -(traffic_value)65535;
	assert_pattern(SRC_PORT("{'decrement': {'start': 65535, 'step': 65535, 'count': 65536}}"),
			p);
	p = (struct traffic_pattern){ TRAFFIC_RANDOM, 272, 16, UINT32_MAX, 0, 65535, NULL,
		1 | UINT64_C(272) << 32 };
	assert_pattern(SRC_PORT("{'random': {'count': 4294967295}}"), p);
	p = (struct traffic_pattern){ TRAFFIC_LIST, 48, 48, 3, 1, 0, macs, 0 };
	assert_pattern(ETH_SRC("{'values': ['00:00:00:00:00:01', '02:03:04:05:06:07',"
			       "'00:00:00:00:00:01']}"),
			p);
	p = (struct traffic_pattern){ TRAFFIC_COUNTER, 48, 48, UINT32_MAX, 0,
		-(traffic_value)0xFFFFFFFFFFFF, NULL, 0 };
	assert_pattern(ETH_SRC("{'decrement': {'step': 'ff:ff:ff:ff:ff:ff', 'count': 4294967295}}"),
			p);
	/* A counter begins with the default of its field. */
	p = (struct traffic_pattern){ TRAFFIC_COUNTER, 176, 8, 2, 64, 1, NULL, 0 };
	assert_pattern(PACKET(ETH ", {'ipv4': {'time_to_live': {'increment': {'count': 2}}}}"), p);
	p = (struct traffic_pattern){ TRAFFIC_COUNTER, 96, 16, 2, 65535, 1, NULL, 0 };
	assert_pattern(PACKET(ETH ", {'vlan': {'tpid': {'increment': {'count': 2}}}}"), p);
	p = (struct traffic_pattern){ TRAFFIC_RANDOM, 240, 32, 2, 0x0A000000, 255, NULL,
		UINT32_MAX | UINT64_C(240) << 32 };
	assert_pattern(PACKET(ETH ", {'ipv4': {'dst': {'random': {'min': '10.0.0.0',"
				  "'max': '10.0.0.255', 'seed': 4294967295, 'count': 2}}}}"),
			p);
}

static void
pattern_of_one_value_is_constant(void **state)
{
	assert_headers_of(ETH_SRC("{'values': ['00:00:00:00:00:0a']}"),
			"000000000000 00000000000a ffff");
	assert_headers_of(ETH_SRC("{'increment': {'start': '00:00:00:00:00:0b'}}"),
			"000000000000 00000000000b ffff");
	assert_headers_of(ETH_SRC("{'decrement': {'start': '00:00:00:00:00:0c', 'count': 9,"
				  "'step': '00:00:00:00:00:00'}}"),
			"000000000000 00000000000c ffff");
	assert_headers_of(PACKET(ETH ", {'ipv4': {'src': {'random': {'min': '1.2.3.4',"
				     "'max': '1.2.3.4', 'count': 7}}}}"),
			ETH_ZERO "0800 45000000 00000000 403d0000 01020304 00000000");
	/* The alternatives that are chosen and absent are their defaults. */
	assert_headers_of(ETH_SRC("{'choice': 'values'}"), ETH_ZERO "ffff");
	assert_headers_of(ETH_SRC("{'choice': 'increment'}"), ETH_ZERO "ffff");
	assert_headers_of(ETH_SRC("{}"), ETH_ZERO "ffff");
}

static void
random_value_of_count_1_is_the_first_of_its_sequence(void **state)
{
	struct traffic_pattern p = { TRAFFIC_RANDOM, 272, 16, 1, 0, 65535, NULL,
		1 | UINT64_C(272) << 32 };
	struct traffic *t = load_ok(SRC_PORT("{'choice': 'random'}"));
	const struct traffic_flow *f = t->flows;

	assert_int_equal(f->nr_patterns, 0);
	assert_true((f->headers[34] << 8 | f->headers[35]) == (int)traffic_pattern_at(&p, 0));
	traffic_free(t);
}

static void
seed_0_differs_between_runs(void **state)
{
	struct traffic *t;
	uint32_t seeds[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		t = load_ok(SRC_PORT("{'random': {'seed': 0, 'count': 9}}"));
		assert_int_equal(t->flows[0].patterns[0].seed >> 32, 272);
		seeds[i] = (uint32_t)t->flows[0].patterns[0].seed;
		traffic_free(t);
	}
	assert_true(seeds[0] != seeds[1] || seeds[1] != seeds[2] || seeds[2] != seeds[3]);
}

/* Sizes, payload, rate, duration and metrics. */

/* Load a file that has one flow, with these keys. */
static struct traffic *
load_flow(const char *keys)
{
	char file[1024];

	snprintf(file, sizeof(file), CONFIG("{'name': 'f', " TX_RX ", %s}"), keys);
	return load_ok(file);
}

static void
assert_sizes(const char *keys, enum traffic_size_kind kind, uint32_t first, uint32_t last,
		uint32_t step)
{
	struct traffic *t = load_flow(keys);

	assert_int_equal(t->flows->size.kind, kind);
	assert_int_equal(t->flows->size.first, first);
	assert_int_equal(t->flows->size.last, last);
	assert_int_equal(t->flows->size.step, step);
	traffic_free(t);
}

static void
sizes_are_without_fcs(void **state)
{
	assert_sizes("'size': {}", TRAFFIC_SIZE_COUNTER, 60, 60, 0);
	assert_sizes("'size': {'fixed': 64}", TRAFFIC_SIZE_COUNTER, 60, 60, 0);
	assert_sizes("'size': {'fixed': 16388}", TRAFFIC_SIZE_COUNTER, 16384, 16384, 0);
	assert_sizes("'size': {'choice': 'increment'}", TRAFFIC_SIZE_COUNTER, 60, 1514, 1);
	assert_sizes("'size': {'increment': {'start': 100, 'end': 100, 'step': 4294967295}}",
			TRAFFIC_SIZE_COUNTER, 96, 96, UINT32_MAX);
	assert_sizes("'size': {'choice': 'random'}", TRAFFIC_SIZE_RANDOM, 60, 1514, 0);
	assert_sizes("'size': {'random': {'min': 64, 'max': 16388}}", TRAFFIC_SIZE_RANDOM, 60,
			16384, 0);
}

/* The sizes and the limits of hashes of a flow, in pairs. */
static void
assert_weights(const char *keys, unsigned int nr, const uint64_t (*expected)[2])
{
	struct traffic *t = load_flow(keys);
	const struct traffic_size *s = &t->flows->size;
	unsigned int i;

	assert_int_equal(s->kind, TRAFFIC_SIZE_WEIGHTS);
	assert_int_equal(s->nr, nr);
	for (i = 0; i < nr; i++) {
		assert_int_equal(s->sizes[i], expected[i][0]);
		assert_int_equal(s->below[i], expected[i][1]);
	}
	traffic_free(t);
}

static void
weights_divide_the_range_of_hashes(void **state)
{
	static const uint64_t imix[][2] = { { 60, 2505397589 }, { 566, 3937053355 },
		{ 1514, 4294967296 } };
	static const uint64_t ipsec[][2] = { { 86, 2519857313 }, { 88, 2605756658 },
		{ 590, 3621945921 }, { 1414, 4294967296 } };
	static const uint64_t ipv6[][2] = { { 60, 2519857313 }, { 492, 2605756658 },
		{ 590, 3621945921 }, { 1514, 4294967296 } };
	static const uint64_t standard[][2] = { { 60, 2519857313 }, { 60, 2605756658 },
		{ 590, 3621945921 }, { 1514, 4294967296 } };
	static const uint64_t tcp[][2] = { { 86, 2519857313 }, { 88, 2605756658 },
		{ 590, 3621945921 }, { 1514, 4294967296 } };
	static const uint64_t custom[][2] = { { 60, 1073741824 }, { 16384, 4294967296 } };
	static const uint64_t one[][2] = { { 60, 4294967296 } };

	assert_weights("'size': {'choice': 'weight_pairs'}", 3, imix);
	assert_weights("'size': {'weight_pairs': {'predefined': 'imix'}}", 3, imix);
	assert_weights("'size': {'weight_pairs': {'predefined': 'ipsec_imix'}}", 4, ipsec);
	assert_weights("'size': {'weight_pairs': {'predefined': 'ipv6_imix'}}", 4, ipv6);
	assert_weights("'size': {'weight_pairs': {'predefined': 'standard_imix'}}", 4, standard);
	assert_weights("'size': {'weight_pairs': {'predefined': 'tcp_imix'}}", 4, tcp);
	assert_weights("'size': {'weight_pairs': {'custom': [{'size': 64, 'weight': 0.5},"
		       "{'size': 16388, 'weight': 1.5}]}}",
			2, custom);
	assert_weights("'size': {'weight_pairs': {'custom': [{}]}}", 1, one);
}

/* A file with a number of pairs. */
static struct traffic *
load_pairs(unsigned int nr, int *ret)
{
	char file[4096];
	struct traffic *t = NULL;
	size_t len;

	len = sprintf(file,
			"{" PORTS ", 'flows': [{'name': 'f', " TX_RX
			", 'size': {'weight_pairs': {'custom': [{}");
	while (--nr > 0)
		len += sprintf(file + len, ", {}");
	sprintf(file + len, "]}}}]}");
	*ret = load(file, &t);
	return t;
}

static void
flow_has_at_most_64_weights(void **state)
{
	struct traffic *t;
	int ret;

	t = load_pairs(64, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(t->flows->size.nr, 64);
	assert_int_equal(t->flows->size.below[62], 63 * (UINT64_C(1) << 26));
	traffic_free(t);
	load_pairs(65, &ret);
	assert_int_equal(ret, -EINVAL);
	assert_string_equal(err, "flows[0].size.weight_pairs.custom: 65 pairs: expected 1 to 64");
}

static void
frames_hold_headers_and_stamp(void **state)
{
	struct traffic *t;

	/* 54 bytes of headers, 16 of the stamp, 4 of the FCS. */
	t = load_ok(FLOW(
			"'packet': [" IP6 "], 'metrics': {'enable': true}, 'size': {'fixed': 74}"));
	assert_int_equal(t->flows->size.first, 70);
	traffic_free(t);
	load_bad(FLOW("'packet': [" IP6 "], 'metrics': {'enable': true}, 'size': {'fixed': 73}"),
			"flows[0].size.fixed: 73: a stamped frame of this flow has at least 74 bytes"
			" with FCS; or set metrics.enable to false");
	load_bad(FLOW("'packet': [" IP6 "], 'metrics': {'enable': true}"),
			"flows[0].size.fixed: a stamped frame of this flow has at least 74 bytes"
			" with FCS; or set metrics.enable to false");
	load_bad(FLOW("'packet': [" IP6 ", {'ipv6': {}}], 'size': {'fixed': 97}"),
			"flows[0].size.fixed: 97: a frame of this flow has at least 98 bytes with FCS");
	load_bad(FLOW("'packet': [" IP6 ", {'ipv6': {}}], 'metrics': {'enable': true},"
		      "'size': {'fixed': 97}"),
			"flows[0].size.fixed: 97: a stamped frame of this flow has at least 114 bytes"
			" with FCS");
	t = load_ok(FLOW("'packet': [" IP6 ", {'ipv6': {}}], 'size': {'fixed': 98}"));
	assert_int_equal(t->flows->size.first, 94);
	traffic_free(t);
	load_bad(FLOW("'packet': [" IP6 ", {'tcp': {}}], 'size': {'choice': 'weight_pairs'}"),
			"flows[0].size.weight_pairs.predefined: a frame of this flow has at least 78"
			" bytes with FCS");
	load_bad(FLOW("'packet': [" IP6 "], 'metrics': {'enable': true}, 'size': {'fixed': 60}"),
			"flows[0].size.fixed: 60: a stamped frame of this flow has at least 74 bytes"
			" with FCS");
}

static void
assert_payload(const char *keys, enum traffic_payload_kind kind, bool down)
{
	struct traffic *t = load_flow(keys);

	assert_int_equal(t->flows->payload.kind, kind);
	assert_int_equal(t->flows->payload.down, down);
	assert_null(t->flows->payload.pattern);
	traffic_free(t);
}

static void
payload_has_its_pattern(void **state)
{
	char file[2 * TRAFFIC_FRAME_MAX + 512];
	struct traffic *t;
	size_t len;

	t = load_flow("'payload': {'fixed': {'pattern': '0aFf90', 'repeat': false}}");
	assert_int_equal(t->flows->payload.kind, TRAFFIC_PAYLOAD_FIXED);
	assert_int_equal(t->flows->payload.len, 3);
	assert_memory_equal(t->flows->payload.pattern, "\x0a\xff\x90", 3);
	assert_false(t->flows->payload.repeat);
	traffic_free(t);
	assert_payload("'payload': {'choice': 'increment_byte'}", TRAFFIC_PAYLOAD_BYTES, false);
	assert_payload("'payload': {'choice': 'decrement_byte'}", TRAFFIC_PAYLOAD_BYTES, true);
	assert_payload("'payload': {'choice': 'increment_word'}", TRAFFIC_PAYLOAD_WORDS, false);
	assert_payload("'payload': {'choice': 'decrement_word'}", TRAFFIC_PAYLOAD_WORDS, true);

	len = sprintf(file,
			"{" PORTS ", 'flows': [{'name': 'f', " TX_RX
			", 'payload': {'fixed': {'pattern': '");
	memset(file + len, '7', 2 * TRAFFIC_FRAME_MAX);
	strcpy(file + len + 2 * TRAFFIC_FRAME_MAX, "'}}}]}");
	t = load_ok(file);
	assert_int_equal(t->flows->payload.len, TRAFFIC_FRAME_MAX);
	assert_int_equal(t->flows->payload.pattern[TRAFFIC_FRAME_MAX - 1], 0x77);
	traffic_free(t);
	strcpy(file + len + 2 * TRAFFIC_FRAME_MAX, "77'}}}]}");
	load_bad(file,
			"flows[0].payload.fixed.pattern: '7777777777777777777777777777777777777777...':"
			" expected 1 to 16384 bytes");
}

static void
assert_rate(const char *keys, enum traffic_rate_kind kind, uint64_t value)
{
	struct traffic *t = load_flow(keys);

	assert_int_equal(t->flows->rate.kind, kind);
	assert_int_equal(t->flows->rate.value, value);
	traffic_free(t);
}

static void
rates_are_in_frames_or_bits_or_percent(void **state)
{
	assert_rate("'rate': {}", TRAFFIC_RATE_PPS, 1000);
	assert_rate("'rate': {'pps': 1}", TRAFFIC_RATE_PPS, 1);
	assert_rate("'rate': {'pps': '1000000000000000'}", TRAFFIC_RATE_PPS, 1000000000000000);
	assert_rate("'rate': {'choice': 'bps'}", TRAFFIC_RATE_BPS, 1000000000);
	assert_rate("'rate': {'bps': 672}", TRAFFIC_RATE_BPS, 672);
	assert_rate("'rate': {'choice': 'kbps'}", TRAFFIC_RATE_BPS, 1000000000);
	assert_rate("'rate': {'kbps': 1}", TRAFFIC_RATE_BPS, 1000);
	assert_rate("'rate': {'kbps': 1000000000000}", TRAFFIC_RATE_BPS, 1000000000000000);
	assert_rate("'rate': {'choice': 'mbps'}", TRAFFIC_RATE_BPS, 1000000000);
	errno = ERANGE; /* of a former call */
	assert_rate("'rate': {'mbps': '100'}", TRAFFIC_RATE_BPS, 100000000);
	assert_rate("'rate': {'choice': 'gbps'}", TRAFFIC_RATE_BPS, 1000000000);
	assert_rate("'rate': {'gbps': 10}", TRAFFIC_RATE_BPS, 10000000000);
	assert_rate("'rate': {'choice': 'percentage'}", TRAFFIC_RATE_PERCENT, 100000000);
	assert_rate("'rate': {'percentage': 100}", TRAFFIC_RATE_PERCENT, 100000000);
	assert_rate("'rate': {'percentage': 0.000001}", TRAFFIC_RATE_PERCENT, 1);
	assert_rate("'rate': {'percentage': 33.3333336}", TRAFFIC_RATE_PERCENT, 33333334);
}

static void
assert_duration(const char *keys, struct traffic_duration expected)
{
	struct traffic *t = load_flow(keys);
	const struct traffic_duration *d = &t->flows->duration;

	assert_int_equal(d->packets, expected.packets);
	assert_int_equal(d->bursts, expected.bursts);
	assert_int_equal(d->is_bursts, expected.is_bursts);
	assert_int_equal(d->ns, expected.ns);
	assert_int_equal(d->gap, expected.gap);
	assert_int_equal(d->delay_ns, expected.delay_ns);
	assert_int_equal(d->delay_bytes, expected.delay_bytes);
	assert_int_equal(d->burst_gap_ns, expected.burst_gap_ns);
	assert_int_equal(d->burst_gap_bytes, expected.burst_gap_bytes);
	traffic_free(t);
}

static void
durations_limit_packets_or_time_or_bursts(void **state)
{
	struct traffic_duration d = { .gap = 12 };

	assert_duration("'duration': {'choice': 'continuous'}", d);
	d.gap = UINT32_MAX;
	d.delay_bytes = 1000000000000000;
	assert_duration("'duration': {'continuous': {'gap': 4294967295, 'delay': {'bytes': 1e15}}}",
			d);
	d = (struct traffic_duration){ .packets = 1, .gap = 12 };
	assert_duration("'duration': {'choice': 'fixed_packets'}", d);
	d = (struct traffic_duration){ .packets = UINT32_MAX, .delay_ns = 1000000000000000000 };
	assert_duration("'duration': {'fixed_packets': {'packets': 4294967295, 'gap': 0,"
			"'delay': {'choice': 'nanoseconds', 'nanoseconds': 1e18}}}",
			d);
	d = (struct traffic_duration){ .ns = 1000000000, .gap = 12 };
	assert_duration("'duration': {'choice': 'fixed_seconds'}", d);
	d.ns = 250000000;
	assert_duration("'duration': {'fixed_seconds': {'seconds': 0.25}}", d);
	d.ns = 1;
	assert_duration("'duration': {'fixed_seconds': {'seconds': 1e-9}}", d);
	d.ns = 2;
	assert_duration("'duration': {'fixed_seconds': {'seconds': 1.6e-9}}", d);
	d.ns = 1000000000000000000;
	d.delay_ns = 250;
	assert_duration("'duration': {'fixed_seconds': {'seconds': 1e9,"
			"'delay': {'microseconds': 0.2496}}}",
			d);
	d = (struct traffic_duration){ .packets = 1,
		.is_bursts = true,
		.gap = 12,
		.burst_gap_bytes = 12 };
	assert_duration("'duration': {'choice': 'burst'}", d);
	d.packets = d.bursts = UINT32_MAX;
	d.burst_gap_bytes = 0;
	d.gap = 40;
	assert_duration("'duration': {'burst': {'packets': 4294967295, 'bursts': 4294967295,"
			"'gap': 40, 'inter_burst_gap': {'bytes': 0}}}",
			d);
	d = (struct traffic_duration){ .packets = 1,
		.is_bursts = true,
		.gap = 12,
		.burst_gap_ns = 96 };
	assert_duration("'duration': {'burst': {'inter_burst_gap': {'choice': 'nanoseconds'}}}", d);
	assert_duration("'duration': {'burst': {'inter_burst_gap': {'choice': 'microseconds'}}}",
			d);
}

static void
metrics_are_off_without_enable(void **state)
{
	struct traffic *t;

	t = load_flow("'metrics': {'loss': true, 'timestamps': true, 'latency': {'enable': true}}");
	assert_false(t->flows->stamped || t->flows->loss || t->flows->timestamps);
	assert_false(t->flows->latency);
	traffic_free(t);
	t = load_flow("'metrics': {'enable': true, 'latency': {'mode': 'store_forward'}}");
	assert_true(t->flows->stamped);
	assert_false(t->flows->loss || t->flows->timestamps || t->flows->latency);
	assert_false(t->flows->cut_through);
	traffic_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_of_a_client_library_is_loaded),
		cmocka_unit_test(absent_keys_have_the_defaults_of_the_model),
		cmocka_unit_test(file_written_by_hand_with_two_flows_is_loaded),
		cmocka_unit_test(file_without_flows_is_loaded),
		cmocka_unit_test(each_field_of_ethernet_vlan_and_arp_has_its_place),
		cmocka_unit_test(each_field_of_ipv4_has_its_place),
		cmocka_unit_test(each_kind_of_ipv4_priority_has_its_bits),
		cmocka_unit_test(each_field_of_ipv6_has_its_place),
		cmocka_unit_test(each_field_of_udp_and_icmp_has_its_place),
		cmocka_unit_test(each_field_of_tcp_has_its_place),
		cmocka_unit_test(header_names_its_kind_in_the_one_before),
		cmocka_unit_test(computed_fields_are_ordered_from_inside_to_outside),
		cmocka_unit_test(patterns_have_kind_count_first_and_step),
		cmocka_unit_test(pattern_of_one_value_is_constant),
		cmocka_unit_test(random_value_of_count_1_is_the_first_of_its_sequence),
		cmocka_unit_test(seed_0_differs_between_runs),
		cmocka_unit_test(sizes_are_without_fcs),
		cmocka_unit_test(weights_divide_the_range_of_hashes),
		cmocka_unit_test(flow_has_at_most_64_weights),
		cmocka_unit_test(frames_hold_headers_and_stamp),
		cmocka_unit_test(payload_has_its_pattern),
		cmocka_unit_test(rates_are_in_frames_or_bits_or_percent),
		cmocka_unit_test(durations_limit_packets_or_time_or_bursts),
		cmocka_unit_test(metrics_are_off_without_enable),
		cmocka_unit_test(loader_has_freed_everything),
	};

	return cmocka_run_group_tests_name("traffic_otg", tests, NULL, NULL);
}
