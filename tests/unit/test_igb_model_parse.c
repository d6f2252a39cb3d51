/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The headers that the model recognises: those that just fit, and those that lack one byte.
 * Checksums and CRCs at every length.
 */

#include "igb_limits.h"

/**
 * Set the total length of the IPv4 datagram at f + 14, and parse the first len bytes of f.
 *
 * @return the packet type
 */
static unsigned int
ptype_total(struct rig *g, uint32_t len, uint32_t total)
{
	rig_put16(f + 16, total);
	return ptype(g, len);
}

static void
ipv4_header_is_recognised_only_where_it_fits(void **state)
{
	struct rig *g = *state;

	rig_ipv4(f, 6, 0);
	assert_int_equal(ptype(g, 54), IPV4 | TCP);
	assert_int_equal(pkt.l3, 14);
	assert_int_equal(pkt.l4, 34);
	assert_int_equal(pkt.payload, 54);
	assert_int_equal(pkt.l3_end, 54);
	assert_int_equal(ptype(g, 53), 0);
	assert_int_equal(ptype_total(g, 54, 41), 0);
	assert_int_equal(ptype_total(g, 54, 39), IPV4);
	assert_int_equal(pkt.l4, 0);
	assert_int_equal(pkt.payload, 34);
	assert_int_equal(ptype_total(g, 54, 20), IPV4);
	assert_int_equal(ptype_total(g, 54, 19), 0);
	assert_int_equal(ptype_total(g, 34, 20), IPV4);
	assert_int_equal(ptype_total(g, 33, 19), 0);
	f[14] = 0x44;
	assert_int_equal(ptype_total(g, 60, 40), 0);
	f[14] = 0x55;
	assert_int_equal(ptype_total(g, 60, 40), 0);
	/* With options of four bytes the TCP header begins behind them. */
	f[14] = 0x46;
	f[38 + 12] = 5 << 4;
	assert_int_equal(ptype_total(g, 60, 44), IPV4 | EXT4 | TCP);
	assert_int_equal(pkt.l4, 38);
	assert_int_equal(pkt.payload, 58);
	assert_int_equal(ptype_total(g, 60, 24), IPV4 | EXT4);
	assert_int_equal(ptype_total(g, 60, 23), 0);
}

static void
l4_header_is_recognised_only_where_it_fits(void **state)
{
	static const struct {
		uint8_t proto;
		unsigned int type;
		uint32_t hdr;
	} t[] = { { 6, TCP, 20 }, { 17, UDP, 8 }, { 132, SCTP, 12 } };
	struct rig *g = *state;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		rig_ipv4(f, 6, 20);
		f[23] = t[i].proto;
		assert_int_equal(ptype_total(g, 60, 20 + t[i].hdr), IPV4 | t[i].type);
		assert_int_equal(pkt.payload, 34 + t[i].hdr);
		assert_int_equal(pkt.proto, t[i].proto);
		assert_int_equal(ptype_total(g, 60, 20 + t[i].hdr - 1), IPV4);
		assert_int_equal(pkt.proto, 0);
	}
	f[23] = 1; /* the device knows no layer 4 of ICMP */
	assert_int_equal(ptype_total(g, 60, 40), IPV4);
	/* The length that the TCP header itself states. */
	f[23] = 6;
	f[46] = 4 << 4;
	assert_int_equal(ptype_total(g, 60, 44), IPV4);
	f[46] = 6 << 4;
	assert_int_equal(ptype_total(g, 60, 44), IPV4 | TCP);
	assert_int_equal(pkt.payload, 58);
	assert_int_equal(ptype_total(g, 60, 43), IPV4);
}

static void
ipv4_fragment_has_no_layer_4(void **state)
{
	static const struct {
		uint16_t field;
		bool frag, first;
	} t[] = {
		{ 0x0000, false, false },
		{ 0x4000, false, false },
		{ 0x8000, false, false },
		{ 0x2000, true, true },
		{ 0x0001, true, false },
		{ 0x1000, true, false },
		{ 0x3FFF, true, false },
	};
	struct rig *g = *state;
	unsigned int i;

	rig_ipv4(f, 6, 20);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_put16(f + 20, t[i].field);
		assert_int_equal(ptype(g, 74), t[i].frag ? IPV4 : IPV4 | TCP);
		assert_int_equal(pkt.frag, t[i].frag);
		assert_int_equal(pkt.first_frag, t[i].first);
		assert_int_equal(pkt.proto, 6);
	}
}

static void
ipv6_header_is_recognised_only_where_it_fits(void **state)
{
	struct rig *g = *state;

	ipv6(20, 6);
	f[54 + 12] = 5 << 4;
	assert_int_equal(ptype(g, 74), IPV6 | TCP);
	assert_int_equal(pkt.l3, 14);
	assert_int_equal(pkt.l4, 54);
	assert_int_equal(pkt.payload, 74);
	assert_int_equal(pkt.l3_end, 74);
	assert_false(pkt.v6_ext);
	assert_ptr_equal(pkt.src_ex, f + 22);
	assert_ptr_equal(pkt.dst_ex, f + 38);
	assert_int_equal(ptype(g, 73), 0);
	rig_put16(f + 18, 19);
	assert_int_equal(ptype(g, 74), IPV6);
	assert_int_equal(pkt.payload, 54);
	rig_put16(f + 18, 0);
	assert_int_equal(ptype(g, 54), IPV6);
	assert_int_equal(ptype(g, 53), 0);
	f[14] = 0x40;
	assert_int_equal(ptype(g, 54), 0);
}

static void
ipv6_extension_headers_are_followed_to_the_sixteenth(void **state)
{
	static const uint8_t kinds[] = { 0, 43, 60 };
	struct rig *g = *state;
	unsigned int n, i, k;

	for (k = 0; k < 3; k++) {
		for (n = 1; n <= 17; n++) {
			ipv6(8 * n + 8, kinds[k]);
			for (i = 0; i < n; i++) {
				f[54 + 8 * i] = i + 1 < n ? kinds[k] : 17;
				f[54 + 8 * i + 2] = 1; /* PadN */
				f[54 + 8 * i + 3] = 4;
			}
			assert_int_equal(ptype(g, 54 + 8 * n + 8),
					n <= 16 ? IPV6 | EXT6 | UDP : IPV6 | EXT6);
			assert_true(pkt.v6_ext);
			if (n <= 16)
				assert_int_equal(pkt.payload, 54 + 8 * n + 8);
		}
	}
	/* The last header ends with the datagram, or one byte behind it. */
	ipv6(16, 60);
	f[54] = 17;
	f[55] = 1;
	f[56] = 1;
	f[57] = 12;
	assert_int_equal(ptype(g, 70), IPV6 | EXT6);
	assert_int_equal(pkt.payload, 70);
	rig_put16(f + 18, 15);
	assert_int_equal(ptype(g, 70), IPV6);
	f[55] = 0;
	rig_put16(f + 18, 8);
	assert_int_equal(ptype(g, 70), IPV6 | EXT6);
	rig_put16(f + 18, 7);
	assert_int_equal(ptype(g, 70), IPV6);
	/* RFCTL makes the device ignore extension headers, and everything that follows them. */
	rig_wr(g, IGB_RFCTL, IGB_RFCTL_IPV6_EX_DIS);
	for (k = 0; k < 3; k++) {
		ipv6(16, kinds[k]);
		f[54] = 17;
		assert_int_equal(ptype(g, 70), IPV6);
	}
	ipv6(8, 17);
	assert_int_equal(ptype(g, 62), IPV6 | UDP);
}

static void
ipv6_fragment_header_decides_over_layer_4(void **state)
{
	static const struct {
		uint16_t field;
		bool frag, first;
	} t[] = {
		{ 0x0000, false, true },
		{ 0x0006, false, true },
		{ 0x0001, true, true },
		{ 0x0008, true, false },
		{ 0x8000, true, false },
		{ 0xFFF9, true, false },
	};
	struct rig *g = *state;
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		ipv6(16, 44);
		f[54] = 17;
		rig_put16(f + 56, t[i].field);
		assert_int_equal(ptype(g, 70), t[i].frag ? IPV6 | EXT6 : IPV6 | EXT6 | UDP);
		assert_int_equal(pkt.frag, t[i].frag);
		assert_int_equal(pkt.first_frag, t[i].first);
		assert_int_equal(pkt.proto, 17);
		assert_int_equal(pkt.payload, t[i].frag ? 62 : 70);
		assert_true(pkt.v6_ext);
	}
	rig_put16(f + 18, 8);
	assert_int_equal(ptype(g, 70), IPV6 | EXT6);
	rig_put16(f + 18, 7);
	assert_int_equal(ptype(g, 70), IPV6);
}

/* RSS may hash the addresses that extension headers give (7.1.2.8.1.2). */
static void
ipv6_home_and_routing_addresses_are_found(void **state)
{
	struct rig *g = *state;
	unsigned int at;

	/*
	 * A routing header of type 2 has 24 bytes. One of another type or length yields no
	 * address.
	 */
	ipv6(32, 43);
	f[54] = 17;
	f[55] = 2;
	f[56] = 2;
	assert_int_equal(ptype(g, 86), IPV6 | EXT6 | UDP);
	assert_ptr_equal(pkt.dst_ex, f + 62);
	assert_ptr_equal(pkt.dst, f + 38);
	f[56] = 0;
	ptype(g, 86);
	assert_ptr_equal(pkt.dst_ex, f + 38);
	ipv6(24, 43);
	f[54] = 17;
	f[55] = 1;
	f[56] = 2;
	ptype(g, 78);
	assert_ptr_equal(pkt.dst_ex, f + 38);
	/* The home address option, behind 0 to 4 bytes of padding. The header has 24 bytes. */
	for (at = 56; at <= 60; at++) {
		ipv6(32, 60);
		f[54] = 17;
		f[55] = 2;
		if (at == 58 || at == 60) {
			f[56] = 1; /* PadN; else Pad1 */
			f[57] = (uint8_t)(at - 58);
		}
		f[at] = 201;
		f[at + 1] = 16;
		assert_int_equal(ptype(g, 86), IPV6 | EXT6 | UDP);
		assert_ptr_equal(pkt.src_ex, f + at + 2);
		assert_ptr_equal(pkt.src, f + 22);
		f[at + 1] = 15;
		ptype(g, 86);
		assert_ptr_equal(pkt.src_ex, f + 22);
	}
	/* One byte less: the address would extend beyond its header. */
	ipv6(32, 60);
	f[54] = 17;
	f[55] = 2;
	f[61] = 201;
	f[62] = 16;
	ptype(g, 86);
	assert_ptr_equal(pkt.src_ex, f + 22);
}

static void
vlan_tags_are_recognised_by_their_types(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_VET, 0x88A89100);
	rig_eth(f, rig_mac, 0x9100);
	rig_put16(f + 14, 0x2064);
	ptype(g, 60);
	assert_true(pkt.tagged);
	assert_false(pkt.outer_tagged);
	assert_int_equal(pkt.tci, 0x2064);
	assert_int_equal(pkt.vlan_off, 12);
	ptype(g, 18);
	assert_true(pkt.tagged);
	ptype(g, 17);
	assert_false(pkt.tagged);
	rig_eth(f, rig_mac, 0x88A8);
	rig_put16(f + 16, 0x9100);
	rig_put16(f + 18, 0x1065);
	ptype(g, 60);
	assert_false(pkt.tagged || pkt.outer_tagged);
	rig_wr(g, IGB_CTRL_EXT, IGB_CTRL_EXT_EXT_VLAN);
	ptype(g, 60);
	assert_true(pkt.tagged && pkt.outer_tagged);
	assert_int_equal(pkt.tci, 0x1065);
	assert_int_equal(pkt.vlan_off, 16);
	ptype(g, 18);
	assert_true(pkt.outer_tagged);
	assert_false(pkt.tagged);
	ptype(g, 17);
	assert_false(pkt.outer_tagged);
}

/* Add up little-endian words, in the plainest way. */
static uint16_t
plain_sum(const uint8_t *p, size_t len, uint64_t sum)
{
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? (uint64_t)p[i] << 8 : p[i];
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return (uint16_t)sum;
}

static void
checksum_is_exact_at_every_length(void **state)
{
	static const uint32_t seeds[] = { 0, 1, 0xFFFF, 0x10000, 0x1FFFE, 0xFFFFFFFF };
	unsigned int i, k, fill;
	size_t len;

	for (fill = 0; fill < 3; fill++) {
		for (i = 0; i < 9728; i++)
			f[i] = fill == 0 ? 0xFF : fill == 1 ? (uint8_t)(i * 31 + i / 256) : 0;
		for (k = 0; k < 6; k++)
			for (len = 0; len < 9728; len += len < 70 ? 1 : 483)
				assert_int_equal(m82576_csum_fold(
								 m82576_csum_add(f, len, seeds[k])),
						plain_sum(f, len, seeds[k]));
	}
}

/* At every length, also those that are no multiple of a word. */
static void
crcs_are_exact_at_every_length(void **state)
{
	static const uint32_t poly[2] = { 0xEDB88320u, 0x82F63B78u };
	unsigned int k, b;
	size_t len, i;

	for (i = 0; i < 64; i++)
		f[i] = (uint8_t)(i * 77 + 5);
	for (k = 0; k < 2; k++) {
		for (len = 12; len < 64; len++) {
			uint32_t c = ~0u;

			for (i = 0; i < len; i++) {
				c ^= k == 1 && i >= 8 && i < 12 ? 0 : f[i];
				for (b = 0; b < 8; b++)
					c = c >> 1 ^ (c & 1 ? poly[k] : 0);
			}
			assert_int_equal(k == 0 ? m82576_fcs(f, len) : m82576_sctp_crc(f, len), ~c);
		}
	}
}

/* If a frame has a rest, extension headers may go on behind the bytes that the device has. */
static void
headers_are_cut_by_extension_headers_only(void **state)
{
	static const struct {
		uint8_t next;
		bool cut;
	} t[] = { { 0, true }, { 43, true }, { 44, true }, { 60, true }, { 6, false },
		{ 17, false }, { 59, false }, { 61, false } };
	struct rig *g = *state;
	uint32_t all, i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (all = 0; all < 2; all++) {
			ipv6(346, t[i].next);
			f[54] = 59; /* no header follows */
			m82576_parse(g->m, f, all ? 400 : M82576_HEADER, 400, &pkt);
			assert_int_equal(pkt.cut, t[i].cut && !all);
			assert_true(pkt.v6);
		}
	}
}

/* A fragment that is the whole datagram is an extension header like others, also twice. */
static void
fragment_header_of_a_whole_datagram_is_passed(void **state)
{
	struct rig *g = *state;
	uint32_t n, k;

	for (n = 1; n < 4; n++) {
		ipv6(8 * n + 20, 44);
		for (k = 0; k < n; k++)
			f[54 + 8 * k] = k + 1 == n ? 6 : 44;
		f[54 + 8 * n + 12] = 5 << 4;
		assert_int_equal(ptype(g, 74 + 8 * n), EXT6 | IPV6 | TCP);
		assert_int_equal(pkt.l4, 54 + 8 * n);
		assert_false(pkt.frag);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT(ipv4_header_is_recognised_only_where_it_fits),
		LIMIT(l4_header_is_recognised_only_where_it_fits),
		LIMIT(ipv4_fragment_has_no_layer_4),
		LIMIT(ipv6_header_is_recognised_only_where_it_fits),
		LIMIT(headers_are_cut_by_extension_headers_only),
		LIMIT(fragment_header_of_a_whole_datagram_is_passed),
		LIMIT(ipv6_extension_headers_are_followed_to_the_sixteenth),
		LIMIT(ipv6_fragment_header_decides_over_layer_4),
		LIMIT(ipv6_home_and_routing_addresses_are_found),
		LIMIT(vlan_tags_are_recognised_by_their_types),
		cmocka_unit_test(checksum_is_exact_at_every_length),
		cmocka_unit_test(crcs_are_exact_at_every_length),
	};

	return cmocka_run_group_tests_name("igb_model_parse", tests, NULL, NULL);
}
