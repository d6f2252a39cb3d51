/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The bytes of frames.
 *
 *     0          headers_len                            len - 16       len
 *     +----------+--------------------------------------+---------------+
 *     | headers  | payload                              | stamp         |
 *     +----------+--------------------------------------+---------------+
 *       patterns,  constant for a flow and a length       differs
 *       checksums
 *
 * A port sends up to 15 million frames a second, so a frame costs no pass over its payload:
 *
 * - A slot remembers the flow and the length of its last frame. If the next one has the same, the
 *   sender writes only the fields with patterns, the stamp and the checksums.
 * - Payloads with the same first bytes share a table of these bytes and of the checksums of each
 *   number of them: the CRC for the stamp, and the sum for Internet checksums. The sum of a frame
 *   is that of its parts.
 *
 * Internet checksums (RFC 1071) are sums of 16-bit words in the CPU's byte order, modulo 2^16 - 1.
 * A part that begins at an odd byte has the bytes of each word swapped. Modulo 2^16 - 1 this is a
 * multiplication by 2^8. A sum of 64 bits needs no carry before its end.
 *
 * Checksums in stamps are parts of a CRC-32C, because x86 processors since 2008 have an instruction
 * for it. traffic_load() accepts a flow only if its shortest frame has room for headers and stamp.
 */

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

#define CACHE_LINE 64

/* Checksums of the first bytes of a payload. */
struct prefix {
	uint32_t crc; /* traffic_payload_sum() */
	uint32_t sum; /* of up to 2^14 bytes, without overflow */
};

/* Payload bytes, for all flows that begin with them. */
struct payload {
	struct payload *next;
	const struct traffic_payload *like;
	uint32_t len;
	uint8_t *bytes;
	struct prefix prefix[]; /* len + 1 */
};

struct slot {
	const struct traffic_flow *flow; /* NULL: the slot had no frame yet */
	uint32_t len;
};

struct traffic_sender {
	struct payload *payloads;
	struct payload **by_flow; /* by the flow's number; NULL: of another port */
	struct slot *slots;
	uint8_t *frames; /* one for each slot */
	size_t frame_size;
	unsigned int generation;
};

/* Bits of the number of a flow in a stamp. */
#define FLOW_BITS 12

_Static_assert(TRAFFIC_FLOWS_MAX == 1 << FLOW_BITS, "each flow has a number in a stamp");
_Static_assert(TRAFFIC_GENERATIONS == 1 << (16 - FLOW_BITS), "and so has each generation");

/* The CRC-32C (RFC 9260, appendix A) of a byte. */
static uint32_t crc_table[256];

static void __attribute__((constructor)) crc_init(void)
{
	unsigned int i, bit;

	for (i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) ? 0x82F63B78 : 0);
		crc_table[i] = crc;
	}
}

#ifdef __x86_64__
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
crc_words(uint32_t crc, const uint8_t *p, uint32_t len)
{
	uint64_t word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		crc = (uint32_t)_mm_crc32_u64(crc, word);
	}
	return crc;
}
#endif

/* Add bytes to a CRC. */
static uint32_t
crc_add(uint32_t crc, const uint8_t *p, uint32_t len)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2")) {
		crc = crc_words(crc, p, len);
		p += len & ~7u;
		len &= 7;
	}
#endif
	for (; len > 0; p++, len--)
		crc = crc >> 8 ^ crc_table[(crc ^ *p) & 0xFF];
	return crc;
}

uint32_t
traffic_payload_sum(const uint8_t *payload, uint32_t len)
{
	return ~crc_add(~0u, payload, len) & 0xFFFFFF;
}

/*
 * Compute the checksum in a stamp. The bytes behind the first 11 count as zeros, so that there are
 * two whole words.
 */
static uint64_t
stamp_check(const uint64_t word[2])
{
	const uint64_t covered[2] = { word[0], word[1] & htobe64(UINT64_MAX << 40) };

	return ~crc_add(~0u, (const uint8_t *)covered, sizeof(covered)) & 0xFFFF;
}

/* Write a stamp to the last bytes of a frame. */
static void
stamp_write(uint8_t *end, const struct traffic_stamp *stamp)
{
	uint64_t word[2];

	word[0] = htobe64((uint64_t)(stamp->generation << FLOW_BITS | stamp->flow) << 48 |
			(uint64_t)stamp->sequence << 16 | (stamp->time >> 24 & 0xFFFF));
	word[1] = htobe64(stamp->time << 40);
	word[1] |= htobe64(stamp_check(word) << 24 | stamp->payload);
	memcpy(end - TRAFFIC_STAMP_LEN, word, TRAFFIC_STAMP_LEN);
}

bool
traffic_stamp_read(const uint8_t *frame, uint32_t len, struct traffic_stamp *stamp)
{
	uint64_t word[2], first, second;

	if (len < TRAFFIC_STAMP_LEN)
		return false;
	memcpy(word, frame + len - TRAFFIC_STAMP_LEN, TRAFFIC_STAMP_LEN);
	first = be64toh(word[0]);
	second = be64toh(word[1]);
	stamp->flow = (uint32_t)(first >> 48) & (TRAFFIC_FLOWS_MAX - 1);
	stamp->generation = (uint32_t)(first >> (48 + FLOW_BITS));
	stamp->sequence = (uint32_t)(first >> 16);
	stamp->time = (first & 0xFFFF) << 24 | second >> 40;
	stamp->payload = second & 0xFFFFFF;
	return stamp_check(word) == (second >> 24 & 0xFFFF);
}

/* Return byte i of a payload. */
static uint8_t
payload_byte(const struct traffic_payload *p, uint32_t i)
{
	uint32_t value;

	if (p->kind == TRAFFIC_PAYLOAD_FIXED) {
		if (p->repeat && p->len > 0)
			i %= p->len;
		return i < p->len ? p->pattern[i] : 0;
	}
	if (p->kind == TRAFFIC_PAYLOAD_BYTES)
		value = i;
	else
		value = i % 2 == 0 ? i / 2 >> 8 : i / 2;
	return (uint8_t)(p->down ? ~value : value);
}

/* Return whether two payloads have the same bytes. */
static bool
payload_equal(const struct traffic_payload *a, const struct traffic_payload *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind != TRAFFIC_PAYLOAD_FIXED)
		return a->down == b->down;
	return a->repeat == b->repeat && a->len == b->len &&
			(a->len == 0 || memcmp(a->pattern, b->pattern, a->len) == 0);
}

/* Return a table for a payload of up to len bytes, which is a former one if possible. */
static struct payload *
payload_get(struct traffic_sender *s, const struct traffic_payload *like, uint32_t len)
{
	uint32_t crc = ~0u, sum = 0, i;
	struct payload *p;
	size_t size;

	for (p = s->payloads; p != NULL; p = p->next)
		if (p->len >= len && payload_equal(p->like, like))
			return p;
	size = sizeof(*p) + (len + 1) * sizeof(p->prefix[0]);
	p = malloc(size + len);
	if (p == NULL)
		return NULL;
	p->like = like;
	p->len = len;
	p->bytes = (uint8_t *)p + size;
	for (i = 0; i <= len; i++) {
		uint8_t pair[2] = { 0, 0 };
		uint16_t word;

		p->prefix[i] = (struct prefix){ .crc = ~crc & 0xFFFFFF, .sum = sum };
		if (i == len)
			break;
		p->bytes[i] = pair[i % 2] = payload_byte(like, i);
		crc = crc_add(crc, &p->bytes[i], 1);
		memcpy(&word, pair, 2);
		sum += word;
	}
	p->next = s->payloads;
	s->payloads = p;
	return p;
}

/* Return the size of the longest frame. */
static uint32_t
size_max(const struct traffic_size *s)
{
	uint32_t max = 0;
	unsigned int i;

	if (s->kind != TRAFFIC_SIZE_WEIGHTS)
		return s->last > s->first ? s->last : s->first;
	for (i = 0; i < s->nr; i++)
		if (s->sizes[i] > max)
			max = s->sizes[i];
	return max;
}

/* Return the number of payload bytes in a frame of len bytes. */
static uint32_t
payload_len(const struct traffic_flow *f, uint32_t len)
{
	return len - f->headers_len - (f->stamped ? TRAFFIC_STAMP_LEN : 0);
}

struct traffic_sender *
traffic_sender_new(const struct traffic *t, unsigned int port, unsigned int slots)
{
	struct traffic_sender *s = calloc(1, sizeof(*s));
	unsigned int i;
	uint32_t max;

	if (s == NULL)
		return NULL;
	s->generation = t->generation;
	s->by_flow = calloc(t->nr_flows + 1, sizeof(s->by_flow[0]));
	if (s->by_flow == NULL)
		goto fail;
	for (i = 0; i < t->nr_flows; i++) {
		const struct traffic_flow *f = &t->flows[i];

		if (f->tx_port != port)
			continue;
		max = size_max(&f->size);
		if (max > s->frame_size)
			s->frame_size = max;
		s->by_flow[i] = payload_get(s, &f->payload, payload_len(f, max));
		if (s->by_flow[i] == NULL)
			goto fail;
	}
	/* No two frames share a cache line: the device may be reading the other one. */
	s->frame_size = (s->frame_size / CACHE_LINE + 1) * CACHE_LINE;
	s->slots = calloc(slots, sizeof(s->slots[0]));
	s->frames = aligned_alloc(CACHE_LINE, slots * s->frame_size);
	if (s->slots != NULL && s->frames != NULL)
		return s;
fail:
	traffic_sender_free(s);
	return NULL;
}

void
traffic_sender_free(struct traffic_sender *s)
{
	struct payload *p;

	if (s == NULL)
		return;
	while ((p = s->payloads) != NULL) {
		s->payloads = p->next;
		free(p);
	}
	free(s->by_flow);
	free(s->slots);
	free(s->frames);
	free(s);
}

/* Return the sum of 16-bit words. */
static uint64_t
sum_of(const uint8_t *p, uint32_t len)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; len >= 4; p += 4, len -= 4) {
		memcpy(&word, p, 4);
		sum += word;
	}
	if (len & 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
	}
	if (len & 1) {
		half = 0;
		memcpy(&half, p, 1);
		sum += half;
	}
	return sum;
}

/* Return a part's sum as it counts in a whole in which the part begins at byte `at`. */
static uint64_t
sum_at(uint64_t sum, uint32_t at)
{
	return at % 2 == 0 ? sum : sum << 8;
}

/* Return the sum of a pseudo header: addresses, protocol, and the length of what follows. */
static uint64_t
sum_pseudo(const struct traffic_fix *x, const uint8_t *frame, uint32_t len)
{
	const uint64_t rest = (uint64_t)htobe16(x->proto) + htobe16((uint16_t)(len - x->from));

	if (x->kind == TRAFFIC_FIX_SUM_IP4)
		return rest + sum_of(frame + x->ip + 12, 8);
	if (x->kind == TRAFFIC_FIX_SUM_IP6)
		return rest + sum_of(frame + x->ip + 8, 32);
	return 0;
}

/*
 * Write a checksum.
 *
 * @param payload  sum of the frame's payload
 */
static void
put_sum(const struct traffic_flow *f, const struct traffic_fix *x, uint8_t *frame, uint32_t len,
		uint64_t payload)
{
	uint64_t sum;
	uint16_t word;

	memset(frame + x->at, 0, 2);
	sum = sum_pseudo(x, frame, len);
	if (x->to != 0) {
		sum += sum_of(frame + x->from, x->to - x->from);
	} else {
		sum += sum_of(frame + x->from, f->headers_len - x->from);
		sum += sum_at(payload, f->headers_len - x->from);
		if (f->stamped)
			sum += sum_at(sum_of(frame + len - TRAFFIC_STAMP_LEN, TRAFFIC_STAMP_LEN),
					len - x->from);
	}
	while (sum > 0xFFFF)
		sum = (sum & 0xFFFF) + (sum >> 16);
	word = (uint16_t)~sum;
	/* The inverse of 0 would be good: 0 and 0xFFFF are the same number. */
	if (x->bad)
		word ^= htobe16(1);
	if (x->zero_is_ones && word == 0)
		word = 0xFFFF;
	memcpy(frame + x->at, &word, 2);
}

/* Write all bytes of a frame that differ from a frame of another flow or length. */
static void
put_constant(const struct traffic_flow *f, const struct payload *p, uint8_t *frame, uint32_t len)
{
	unsigned int i;
	uint16_t word;

	memcpy(frame, f->headers, f->headers_len);
	memcpy(frame + f->headers_len, p->bytes, payload_len(f, len));
	for (i = 0; i < f->nr_fixes; i++) {
		if (f->fixes[i].kind != TRAFFIC_FIX_LENGTH)
			continue;
		word = htobe16((uint16_t)(len - f->fixes[i].from));
		memcpy(frame + f->fixes[i].at, &word, 2);
	}
}

const uint8_t *
traffic_frame_make(struct traffic_sender *s, unsigned int slot, const struct traffic_flow *f,
		uint64_t n, uint64_t at, uint32_t *len)
{
	const uint32_t size = traffic_size_at(&f->size, n);
	const struct payload *payload = s->by_flow[f->number];
	const struct prefix *prefix = &payload->prefix[payload_len(f, size)];
	uint8_t *frame = s->frames + slot * s->frame_size;
	unsigned int i;

	if (s->slots[slot].flow != f || s->slots[slot].len != size) {
		put_constant(f, payload, frame, size);
		s->slots[slot] = (struct slot){ .flow = f, .len = size };
	}
	for (i = 0; i < f->nr_patterns; i++) {
		const struct traffic_pattern *p = &f->patterns[i];

		traffic_put_bits(frame, p->bit, p->bits, traffic_pattern_at(p, n));
	}
	if (f->stamped)
		stamp_write(frame + size,
				&(struct traffic_stamp){ .flow = f->number,
						.generation = s->generation,
						.sequence = (uint32_t)n,
						.time = at,
						.payload = prefix->crc });
	for (i = 0; i < f->nr_fixes; i++)
		if (f->fixes[i].kind != TRAFFIC_FIX_LENGTH)
			put_sum(f, &f->fixes[i], frame, size, prefix->sum);
	*len = size;
	return frame;
}
