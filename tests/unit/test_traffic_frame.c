/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Bytes of generated frames (lib/traffic/traffic_frame.c). The test has checksums of its own, which
 * go through all bytes of a frame, or all bits.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "traffic.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALL_ONES      (~(traffic_value)0)
#define STAMP         TRAFFIC_STAMP_LEN
/* A time of 40 bits, each byte another. */
#define TIME UINT64_C(0x0123456789)

#define assert_value_equal(a, b) assert_true((traffic_value)(a) == (traffic_value)(b))

/* The flows of a configuration. Only the last one belongs to PORT. */
#define PORT 1
static struct traffic_flow flows[3];
static const struct traffic traffic = { .flows = flows, .nr_flows = ARRAY_SIZE(flows) };
static struct traffic_flow *const flow = &flows[2];
static struct traffic_pattern patterns[2];
static struct traffic_fix fixes[4];
static struct traffic_sender *sender;

/* Ethernet, VLAN, IPv4 at byte 18, UDP at byte 38. */
static const uint8_t headers[46] = {
	/* clang-format off */
	0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x81, 0x00,
	0x60, 0x05, 0x08, 0x00,
	0x45, 0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00,
	0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x01, 0x02,
	0x04, 0x00, 0x13, 0x88, 0x00, 0x00, 0x00, 0x00,
	/* clang-format on */
};

static int
setup(void **state)
{
	unsigned int i;

	srandom(1);
	memset(flows, 0, sizeof(flows));
	for (i = 0; i < ARRAY_SIZE(flows); i++)
		flows[i].number = i;
	flow->tx_port = PORT;
	memcpy(flow->headers, headers, sizeof(headers));
	flow->headers_len = sizeof(headers);
	flow->stamped = true;
	flow->size.first = flow->size.last = 74;
	flow->payload.kind = TRAFFIC_PAYLOAD_BYTES;
	/* The VLAN's number, and the source port. */
	patterns[0] = (struct traffic_pattern){ .kind = TRAFFIC_COUNTER,
		.bit = 116,
		.bits = 12,
		.count = 3,
		.first = 5,
		.step = 1 };
	patterns[1] = (struct traffic_pattern){
		.kind = TRAFFIC_COUNTER,
		.bit = 304,
		.bits = 16,
		.count = 65536,
		.first = 0x400,
		.step = 0x10,
	};
	flow->patterns = patterns;
	flow->nr_patterns = 2;
	fixes[0] = (struct traffic_fix){ .kind = TRAFFIC_FIX_LENGTH, .at = 20, .from = 18 };
	fixes[1] = (struct traffic_fix){ .kind = TRAFFIC_FIX_LENGTH, .at = 42, .from = 38 };
	fixes[2] = (struct traffic_fix){ .kind = TRAFFIC_FIX_SUM_IP4,
		.at = 44,
		.from = 38,
		.ip = 18,
		.proto = 17,
		.zero_is_ones = true };
	fixes[3] = (struct traffic_fix){ .kind = TRAFFIC_FIX_SUM, .at = 28, .from = 18, .to = 38 };
	flow->fixes = fixes;
	flow->nr_fixes = 4;
	return 0;
}

static int
teardown(void **state)
{
	traffic_sender_free(sender);
	sender = NULL;
	return 0;
}

/* Create the sender again, for flows that the test has changed. */
static void
start(unsigned int slots)
{
	traffic_sender_free(sender);
	sender = traffic_sender_new(&traffic, PORT, slots);
	assert_non_null(sender);
}

/* Make frame n of the flow in slot 0, of the length that is expected. */
static const uint8_t *
make(uint64_t n, uint32_t expected)
{
	uint32_t len;
	const uint8_t *frame = traffic_frame_make(sender, 0, flow, n, TIME, &len);

	assert_int_equal(len, expected);
	return frame;
}

/* Return the one's complement sum of 16-bit words, byte by byte. The sum of zeros is 0. */
static uint32_t
sum16(const uint8_t *p, uint32_t len, uint32_t sum)
{
	uint32_t i;

	for (i = 0; i < len; i++) {
		sum += i % 2 == 0 ? p[i] << 8 : p[i];
		if (sum > 0xFFFF)
			sum -= 0xFFFF;
	}
	return sum;
}

/* Return the CRC-32C of bytes, bit by bit. */
static uint32_t
crc32c(const uint8_t *p, uint32_t len)
{
	uint32_t crc = ~0u, i, bit;

	for (i = 0; i < len; i++) {
		for (bit = 0; bit < 8; bit++) {
			const uint32_t odd = (crc ^ p[i] >> bit) & 1;

			crc = crc >> 1 ^ (odd ? 0x82F63B78 : 0);
		}
	}
	return ~crc;
}

/* Frames */

static void
frame_has_stated_bytes(void **state)
{
	/* clang-format off */
	static const uint8_t expected[74] = {
		0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02,
		0x81, 0x00, 0x60, 0x06, 0x08, 0x00,
		/* 0x4500 + 0x38 + 0x4000 + 0x4011 + 0xC0A8 + 0x0001 + 0xC0A8 + 0x0102 = 0x2479C */
		0x45, 0x00, 0x00, 0x38, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61,
		0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x01, 0x02,
		0x04, 0x10, 0x13, 0x88, 0x00, 0x24, 0xcf, 0xc6,
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
		/* flow, sequence, time, check, payload */
		0x00, 0x02, 0x00, 0x00, 0x00, 0x01, 0x01, 0x23, 0x45, 0x67, 0x89,
		0x03, 0xfd, 0x83, 0xaa, 0xba,
	};
	/* clang-format on */
	uint8_t covered[16] = { 0 }, pseudo[12] = { 0 };

	start(1);
	assert_memory_equal(make(1, 74), expected, 74);
	/* The checksums above, by the test's own functions. */
	memcpy(covered, expected + 58, 11);
	assert_int_equal(crc32c(covered, 16) & 0xFFFF, 0x03fd);
	assert_int_equal(crc32c(expected + 46, 12) & 0xFFFFFF, 0x83aaba);
	assert_int_equal(sum16(expected + 18, 20, 0), 0xFFFF);
	memcpy(pseudo, expected + 30, 8);
	pseudo[9] = 17;
	pseudo[11] = 36;
	assert_int_equal(sum16(expected + 38, 36, sum16(pseudo, 12, 0)), 0xFFFF);
}

static void
payload_of_unstamped_frame_goes_to_the_end(void **state)
{
	/* clang-format off */
	static const uint8_t expected[60] = {
		0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02,
		0x81, 0x00, 0x60, 0x05, 0x08, 0x00,
		0x45, 0x00, 0x00, 0x2a, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x6f,
		0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x01, 0x02,
		0x04, 0x00, 0x13, 0x88, 0x00, 0x16, 0xe7, 0x45,
		0xab, 0xcd, 0xef, 0xab, 0xcd, 0xef, 0xab, 0xcd, 0xef, 0xab, 0xcd, 0xef, 0xab, 0xcd,
	};
	/* clang-format on */
	flow->stamped = false;
	flow->size.first = flow->size.last = 60;
	flow->payload = (struct traffic_payload){ .kind = TRAFFIC_PAYLOAD_FIXED,
		.repeat = true,
		.len = 3,
		.pattern = (uint8_t[]){ 0xab, 0xcd, 0xef } };
	start(1);
	assert_memory_equal(make(0, 60), expected, 60);
}

/* Assert some bytes of a payload of 16000 bytes. */
static void
assert_payload(struct traffic_payload payload, const uint8_t first[6], const uint8_t at_510[6])
{
	const uint8_t *frame;

	flow->payload = payload;
	start(1);
	frame = make(0, sizeof(headers) + 16000 + STAMP);
	assert_memory_equal(frame + sizeof(headers), first, 6);
	assert_memory_equal(frame + sizeof(headers) + 510, at_510, 6);
}

static void
payload_kinds_have_their_bytes(void **state)
{
	static uint8_t pattern[] = { 1, 2, 3, 4 };
	struct traffic_payload p = { .kind = TRAFFIC_PAYLOAD_BYTES };

	flow->size.first = flow->size.last = sizeof(headers) + 16000 + STAMP;
	assert_payload(p, (uint8_t[]){ 0, 1, 2, 3, 4, 5 }, (uint8_t[]){ 254, 255, 0, 1, 2, 3 });
	p.down = true;
	assert_payload(p, (uint8_t[]){ 255, 254, 253, 252, 251, 250 },
			(uint8_t[]){ 1, 0, 255, 254, 253, 252 });
	p.kind = TRAFFIC_PAYLOAD_WORDS;
	assert_payload(p, (uint8_t[]){ 255, 255, 255, 254, 255, 253 },
			(uint8_t[]){ 255, 0, 254, 255, 254, 254 });
	p.down = false;
	assert_payload(p, (uint8_t[]){ 0, 0, 0, 1, 0, 2 }, (uint8_t[]){ 0, 255, 1, 0, 1, 1 });
	p = (struct traffic_payload){ .kind = TRAFFIC_PAYLOAD_FIXED, .len = 4, .pattern = pattern };
	assert_payload(p, (uint8_t[]){ 1, 2, 3, 4, 0, 0 }, (uint8_t[6]){ 0 });
	p.repeat = true;
	assert_payload(p, (uint8_t[]){ 1, 2, 3, 4, 1, 2 }, (uint8_t[]){ 3, 4, 1, 2, 3, 4 });
	p.len = 0;
	p.pattern = NULL;
	assert_payload(p, (uint8_t[6]){ 0 }, (uint8_t[6]){ 0 });
}

/* Flows share the bytes of equal payloads. These differ in one property each. */
static void
different_payloads_are_not_shared(void **state)
{
	static uint8_t pattern[] = { 1, 2 }, other[] = { 1, 3 };
	static const struct {
		struct traffic_payload payload;
		uint8_t bytes[6];
	} t[] = {
		{ { .kind = TRAFFIC_PAYLOAD_BYTES }, { 0, 1, 2, 3, 4, 5 } },
		{ { .kind = TRAFFIC_PAYLOAD_WORDS }, { 0, 0, 0, 1, 0, 2 } },
		{ { .kind = TRAFFIC_PAYLOAD_WORDS, .down = true },
				{ 255, 255, 255, 254, 255, 253 } },
		{ { .len = 2, .pattern = pattern }, { 1, 2, 0, 0, 0, 0 } },
		{ { .len = 1, .pattern = pattern }, { 1, 0, 0, 0, 0, 0 } },
		{ { .len = 2, .pattern = other }, { 1, 3, 0, 0, 0, 0 } },
		{ { .len = 2, .pattern = pattern, .repeat = true }, { 1, 2, 1, 2, 1, 2 } },
		{ { .len = 1, .pattern = pattern, .repeat = true }, { 1, 1, 1, 1, 1, 1 } },
		{ { .len = 0 }, { 0, 0, 0, 0, 0, 0 } },
	};
	unsigned int i, j, k;
	const uint8_t *frame;
	uint32_t len;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		for (j = 0; j < ARRAY_SIZE(t); j++) {
			flows[0] = flows[1] = *flow;
			flows[0].payload = t[i].payload;
			flows[1].payload = t[j].payload;
			start(1);
			for (k = 0; k < 2; k++) {
				flows[k].number = k;
				frame = traffic_frame_make(sender, 0, &flows[k], 0, TIME, &len);
				assert_memory_equal(frame + sizeof(headers), t[k ? j : i].bytes, 6);
			}
		}
	}
}

static void
lengths_follow_the_size(void **state)
{
	const uint8_t *frame;

	flow->size = (struct traffic_size){ .first = 74, .last = 330, .step = 256 };
	start(1);
	frame = make(0, 74);
	assert_memory_equal(frame + 20, ((uint8_t[]){ 0, 56 }), 2);
	frame = make(1, 330);
	assert_memory_equal(frame + 20, ((uint8_t[]){ 1, 56 }), 2);
	assert_memory_equal(frame + 42, ((uint8_t[]){ 1, 36 }), 2);
}

/* Return the sum that a receiver computes of a checksum's bytes. */
static uint32_t
received_sum(const struct traffic_fix *x, const uint8_t *frame, uint32_t len)
{
	const uint32_t end = x->to != 0 ? x->to : len;
	uint32_t sum = 0;

	if (x->kind == TRAFFIC_FIX_SUM_IP4)
		sum = sum16(frame + x->ip + 12, 8, x->proto);
	if (x->kind == TRAFFIC_FIX_SUM_IP6)
		sum = sum16(frame + x->ip + 8, 32, x->proto);
	if (x->kind != TRAFFIC_FIX_SUM)
		sum = sum16((uint8_t[]){ (uint8_t)((len - x->from) >> 8),
					    (uint8_t)(len - x->from) },
				2, sum);
	return sum16(frame + x->from, end - x->from, sum);
}

static void
checksums_are_right_for_each_length_and_place(void **state)
{
	static const enum traffic_fix_kind kinds[] = { TRAFFIC_FIX_SUM, TRAFFIC_FIX_SUM_IP4,
		TRAFFIC_FIX_SUM_IP6 };
	unsigned int kind, stamped, odd;
	uint32_t n;

	flow->nr_fixes = 1;
	flow->size = (struct traffic_size){ .first = 100, .last = 420, .step = 1 };
	for (n = sizeof(headers); n < 80; n++)
		flow->headers[n] = (uint8_t)random();
	for (kind = 0; kind < 3; kind++) {
		for (stamped = 0; stamped < 2; stamped++) {
			for (odd = 0; odd < 8; odd++) {
				flow->stamped = stamped;
				flow->headers_len = (uint16_t)(80 - odd / 2);
				fixes[0] = (struct traffic_fix){ .kind = kinds[kind],
					.at = (uint16_t)(60 + odd % 2),
					.from = (uint16_t)(54 + odd % 2),
					.ip = 14,
					.proto = 58 };
				start(1);
				for (n = 0; n <= 320; n++)
					assert_int_equal(received_sum(fixes, make(n, 100 + n),
									 100 + n),
							0xFFFF);
			}
		}
	}
}

/* A checksum at an odd place, over an odd number of bytes of headers. */
static void
checksum_covers_the_stated_headers(void **state)
{
	const uint8_t *frame;

	flow->nr_fixes = 1;
	flow->nr_patterns = 0;
	fixes[0] = (struct traffic_fix){ .kind = TRAFFIC_FIX_SUM, .at = 21, .from = 19, .to = 24 };
	memcpy(flow->headers + 19, (uint8_t[]){ 0x12, 0x34, 0, 0, 0x56, 0x78 }, 6);
	start(1);
	frame = make(0, 74);
	/* 0x1234 + 0x5600 = 0x6834 */
	assert_memory_equal(frame + 19, ((uint8_t[]){ 0x12, 0x34, 0x97, 0xcb, 0x56, 0x78 }), 6);
}

/* Set up a checksum over 6 bytes, the first two of which count from 0 to 0xFFFF. */
static void
count_checksums(bool zero_is_ones, bool bad)
{
	flow->nr_fixes = 1;
	fixes[0] = (struct traffic_fix){ .kind = TRAFFIC_FIX_SUM,
		.at = 22,
		.from = 18,
		.to = 24,
		.zero_is_ones = zero_is_ones,
		.bad = bad };
	memcpy(flow->headers + 20, (uint8_t[]){ 0x80, 0x00 }, 2);
	flow->nr_patterns = 1;
	patterns[0] = (struct traffic_pattern){ .kind = TRAFFIC_COUNTER,
		.bit = 144,
		.bits = 16,
		.count = 65536,
		.step = 1 };
	start(1);
}

static void
checksum_of_zero_is_sent_as_ones_if_asked(void **state)
{
	const uint8_t *frame;

	/* 0x7FFF + 0x8000 = 0xFFFF */
	count_checksums(false, false);
	frame = make(0x7FFF, 74);
	assert_memory_equal(frame + 22, ((uint8_t[]){ 0, 0 }), 2);
	frame = make(0x7FFE, 74);
	assert_memory_equal(frame + 22, ((uint8_t[]){ 0, 1 }), 2);
	count_checksums(true, false);
	frame = make(0x7FFF, 74);
	assert_memory_equal(frame + 22, ((uint8_t[]){ 0xFF, 0xFF }), 2);
	frame = make(0x7FFE, 74);
	assert_memory_equal(frame + 22, ((uint8_t[]){ 0, 1 }), 2);
}

static void
bad_checksum_is_wrong_in_each_frame(void **state)
{
	const uint8_t *frame;
	unsigned int n, zero;

	for (zero = 0; zero < 2; zero++) {
		count_checksums(zero, true);
		for (n = 0; n < 65536; n++) {
			frame = make(n, 74);
			assert_int_not_equal(sum16(frame + 18, 6, 0), 0xFFFF);
			/* A receiver of UDP does not verify a checksum of 0. */
			if (zero)
				assert_true(frame[22] != 0 || frame[23] != 0);
		}
		frame = make(0, 74);
		assert_memory_equal(frame + 22, ((uint8_t[]){ 0x7F, 0xFE }), 2);
	}
}

/* Stamps */

static void
stamp_is_read_as_it_was_made(void **state)
{
	static struct traffic_flow many[TRAFFIC_FLOWS_MAX];
	const struct traffic t = { .flows = many,
		.nr_flows = TRAFFIC_FLOWS_MAX,
		.generation = TRAFFIC_GENERATIONS - 1 };
	struct traffic_stamp stamp;
	const uint8_t *frame;
	uint32_t len;

	many[TRAFFIC_FLOWS_MAX - 1] = *flow;
	many[TRAFFIC_FLOWS_MAX - 1].number = TRAFFIC_FLOWS_MAX - 1;
	sender = traffic_sender_new(&t, PORT, 1);
	assert_non_null(sender);
	frame = traffic_frame_make(sender, 0, &many[TRAFFIC_FLOWS_MAX - 1], UINT32_MAX,
			(UINT64_C(1) << 40) - 1, &len);
	assert_true(traffic_stamp_read(frame, len, &stamp));
	assert_int_equal(stamp.flow, TRAFFIC_FLOWS_MAX - 1);
	assert_int_equal(stamp.generation, TRAFFIC_GENERATIONS - 1);
	assert_int_equal(stamp.sequence, UINT32_MAX);
	assert_int_equal(stamp.time, (UINT64_C(1) << 40) - 1);
	assert_int_equal(stamp.payload, traffic_payload_sum(frame + sizeof(headers), 12));
	frame = traffic_frame_make(sender, 0, &many[TRAFFIC_FLOWS_MAX - 1], (UINT64_C(1) << 32) + 5,
			(UINT64_C(1) << 40) + 7, &len);
	assert_true(traffic_stamp_read(frame, len, &stamp));
	assert_int_equal(stamp.flow, TRAFFIC_FLOWS_MAX - 1);
	assert_int_equal(stamp.sequence, 5);
	assert_int_equal(stamp.time, 7);
}

static void
stamp_with_a_changed_bit_is_refused(void **state)
{
	struct traffic_stamp stamp, changed;
	uint8_t frame[74];
	unsigned int bit, n;

	start(1);
	for (n = 0; n < 100; n++) {
		memcpy(frame, make(n, 74), 74);
		assert_true(traffic_stamp_read(frame, 74, &stamp));
		for (bit = 0; bit < 13 * 8; bit++) {
			frame[58 + bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(traffic_stamp_read(frame, 74, &changed));
			frame[58 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		/* The last three bytes then differ from the payload. */
		for (; bit < 16 * 8; bit++) {
			frame[58 + bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_true(traffic_stamp_read(frame, 74, &changed));
			assert_int_not_equal(changed.payload, stamp.payload);
			frame[58 + bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void
changed_bit_of_payload_changes_its_checksum(void **state)
{
	static uint8_t payload[1500];
	unsigned int bit;
	uint32_t sum;

	for (bit = 0; bit < sizeof(payload); bit++)
		payload[bit] = (uint8_t)random();
	sum = traffic_payload_sum(payload, sizeof(payload));
	for (bit = 0; bit < sizeof(payload) * 8; bit++) {
		payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_not_equal(traffic_payload_sum(payload, sizeof(payload)), sum);
		payload[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void
payload_checksum_is_crc32c(void **state)
{
	uint8_t data[100];
	uint32_t len, from;

	/* The CRC-32C of these digits is 0xE3069283. */
	assert_int_equal(traffic_payload_sum((const uint8_t *)"123456789", 9), 0x069283);
	assert_int_equal(traffic_payload_sum(data, 0), 0);
	for (len = 0; len < sizeof(data); len++)
		data[len] = (uint8_t)random();
	for (from = 0; from < 8; from++)
		for (len = 0; len <= sizeof(data) - from; len++)
			assert_int_equal(traffic_payload_sum(data + from, len),
					crc32c(data + from, len) & 0xFFFFFF);
}

static void
stamp_has_the_checksum_of_each_payload_length(void **state)
{
	const uint32_t least = sizeof(headers) + STAMP;
	struct traffic_stamp stamp;
	const uint8_t *frame;
	uint32_t n;

	flow->size = (struct traffic_size){ .first = least, .last = TRAFFIC_FRAME_MAX, .step = 1 };
	start(1);
	for (n = 0; n <= TRAFFIC_FRAME_MAX - least; n += n < 300 ? 1 : 1237) {
		frame = make(n, least + n);
		assert_true(traffic_stamp_read(frame, least + n, &stamp));
		assert_int_equal(stamp.payload, crc32c(frame + sizeof(headers), n) & 0xFFFFFF);
	}
	n = TRAFFIC_FRAME_MAX - least;
	frame = make(n, TRAFFIC_FRAME_MAX);
	assert_true(traffic_stamp_read(frame, TRAFFIC_FRAME_MAX, &stamp));
	assert_int_equal(stamp.payload, crc32c(frame + sizeof(headers), n) & 0xFFFFFF);
}

static void
frame_without_stamp_has_none(void **state)
{
	struct traffic_stamp stamp;
	uint8_t frame[74];
	unsigned int i;

	start(1);
	memcpy(frame, make(0, 74), 74);
	assert_true(traffic_stamp_read(frame, 74, &stamp));
	assert_false(traffic_stamp_read(frame, 73, &stamp));
	assert_true(traffic_stamp_read(frame + 58, 16, &stamp));
	assert_false(traffic_stamp_read(frame + 59, 15, &stamp));
	assert_false(traffic_stamp_read(frame, 0, &stamp));
	/* Each byte the same, and the payloads of unstamped frames. */
	for (i = 0; i < 256; i++) {
		memset(frame, (int)i, sizeof(frame));
		assert_false(traffic_stamp_read(frame, sizeof(frame), &stamp));
	}
	flow->stamped = false;
	start(1);
	assert_false(traffic_stamp_read(make(0, 74), 74, &stamp));
	flow->payload.kind = TRAFFIC_PAYLOAD_WORDS;
	start(1);
	assert_false(traffic_stamp_read(make(0, 74), 74, &stamp));
}

/* Slots */

static void
slots_are_independent(void **state)
{
	uint8_t first[74];
	const uint8_t *frame;
	uint32_t len;

	start(2);
	frame = make(0, 74);
	memcpy(first, frame, 74);
	assert_ptr_not_equal(traffic_frame_make(sender, 1, flow, 1, TIME, &len), frame);
	assert_int_equal(len, 74);
	assert_memory_equal(frame, first, 74);
}

static void
port_without_flows_has_a_sender(void **state)
{
	sender = traffic_sender_new(&traffic, PORT + 1, 4);
	assert_non_null(sender);
	traffic_sender_free(NULL);
}

/* Make a frame of the expected length, and assert that its stamp has its payload's checksum. */
static void
assert_frame_is_sound(const struct traffic_flow *f, uint64_t n, uint32_t expected)
{
	const uint32_t payload = expected - sizeof(headers) - STAMP;
	struct traffic_stamp stamp;
	const uint8_t *frame;
	uint32_t len;

	frame = traffic_frame_make(sender, 0, f, n, TIME, &len);
	assert_int_equal(len, expected);
	assert_int_equal(frame[len - STAMP - 1], (payload - 1) & 0xFF);
	assert_true(traffic_stamp_read(frame, len, &stamp));
	assert_int_equal(stamp.payload, crc32c(frame + sizeof(headers), payload) & 0xFFFFFF);
}

/* The payloads of all flows are equal. */
static void
flow_may_have_longer_frames_than_one_before_it(void **state)
{
	unsigned int i;

	flows[0] = flows[1] = *flow;
	for (i = 0; i < 3; i++)
		flows[i].number = i;
	flows[1].size.first = flows[1].size.last = 75;
	flows[2].size.first = flows[2].size.last = 1514;
	start(1);
	assert_frame_is_sound(&flows[0], 0, 74);
	assert_frame_is_sound(&flows[1], 0, 75);
	assert_frame_is_sound(&flows[2], 0, 1514);
}

static void
largest_of_weighted_sizes_may_be_at_each_place(void **state)
{
	unsigned int place, n;

	flow->size = (struct traffic_size){
		.kind = TRAFFIC_SIZE_WEIGHTS,
		.nr = 3,
		.below = { UINT64_C(1) << 30, UINT64_C(1) << 31, UINT64_C(1) << 32 },
	};
	for (place = 0; place < 3; place++) {
		for (n = 0; n < 3; n++)
			flow->size.sizes[n] = n == place ? 9000 : 100 + n;
		start(1);
		for (n = 0; traffic_size_at(&flow->size, n) != 9000; n++)
			;
		assert_frame_is_sound(flow, n, 9000);
	}
}

/* Make the flows of the port differ in all that a slot keeps. */
static void
vary_flows(void)
{
	flows[0] = flows[1] = *flow;
	flows[0].number = 0;
	flows[0].stamped = false;
	flows[0].size = (struct traffic_size){ .first = 60, .last = 90, .step = 1 };
	flows[1].number = 1;
	flows[1].headers_len = 18;
	flows[1].nr_fixes = 0;
	flows[1].nr_patterns = 1;
	flows[1].payload = (struct traffic_payload){ .kind = TRAFFIC_PAYLOAD_WORDS, .down = true };
	flows[1].size = (struct traffic_size){ .kind = TRAFFIC_SIZE_RANDOM,
		.first = 60,
		.last = 200,
		.seed = 1 };
	flow->size = (struct traffic_size){
		.kind = TRAFFIC_SIZE_WEIGHTS,
		.nr = 2,
		.sizes = { 210, 62 },
		.below = { UINT64_C(1) << 31, UINT64_C(1) << 32 },
	};
}

static void
slot_has_the_bytes_of_a_new_one(void **state)
{
	unsigned int round;

	vary_flows();
	start(3);
	for (round = 0; round < 5000; round++) {
		const struct traffic_flow *f = &flows[random() % 3];
		const uint64_t n = (uint64_t)random(), at = (uint64_t)random() << 10;
		struct traffic_sender *other = traffic_sender_new(&traffic, PORT, 1);
		const uint8_t *a, *b;
		uint32_t a_len, b_len;

		assert_non_null(other);
		a = traffic_frame_make(sender, (unsigned int)random() % 3, f, n, at, &a_len);
		b = traffic_frame_make(other, 0, f, n, at, &b_len);
		assert_int_equal(a_len, b_len);
		assert_int_equal(a_len, traffic_size_at(&f->size, n));
		assert_memory_equal(a, b, a_len);
		traffic_sender_free(other);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(frame_has_stated_bytes),
		TEST(payload_of_unstamped_frame_goes_to_the_end),
		TEST(payload_kinds_have_their_bytes),
		TEST(different_payloads_are_not_shared),
		TEST(lengths_follow_the_size),
		TEST(checksums_are_right_for_each_length_and_place),
		TEST(checksum_covers_the_stated_headers),
		TEST(checksum_of_zero_is_sent_as_ones_if_asked),
		TEST(bad_checksum_is_wrong_in_each_frame),
		TEST(stamp_is_read_as_it_was_made),
		TEST(stamp_with_a_changed_bit_is_refused),
		TEST(changed_bit_of_payload_changes_its_checksum),
		TEST(payload_checksum_is_crc32c),
		TEST(stamp_has_the_checksum_of_each_payload_length),
		TEST(frame_without_stamp_has_none),
		TEST(slots_are_independent),
		TEST(port_without_flows_has_a_sender),
		TEST(flow_may_have_longer_frames_than_one_before_it),
		TEST(largest_of_weighted_sizes_may_be_at_each_place),
		TEST(slot_has_the_bytes_of_a_new_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
