/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Frames to send, with correct or incorrect checksums. Bytes and sums are computed here in a simple
 * way, without code of the driver or of a model.
 */

#include <string.h>

#include "../../common/inet_sum.h"
#include "ma.h"

static const uint8_t v4_src[4] = { 10, 0, 0, 1 }, v4_dst[4] = { 10, 0, 0, 2 };
static const uint8_t v6_src[16] = { 0xFD, [15] = 1 }, v6_dst[16] = { 0xFD, [15] = 2 };

static uint8_t *
put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

/*
 * Computed bit by bit. The polynomials are those of IEEE 802.3 and, for SCTP, of Castagnoli, both
 * reflected.
 */
static uint32_t
crc(const uint8_t *p, size_t len, uint32_t poly)
{
	uint32_t c = ~0u;
	unsigned int k;

	while (len-- > 0) {
		c ^= *p++;
		for (k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? poly : 0);
	}
	return ~c;
}

uint32_t
ma_crc32(const uint8_t *p, size_t len)
{
	return crc(p, len, 0xEDB88320);
}

static uint32_t
pseudo_sum(const struct ma_frame *f, const struct ma_spec *s, uint32_t len)
{
	const uint8_t *ip = f->b + f->l3;

	return s->ip == 4 ? inet_sum(ip + 12, 8, s->proto + len) :
			    inet_sum(ip + 8, 32, s->proto + len);
}

static uint32_t
csum_at(const struct ma_frame *f, const struct ma_spec *s)
{
	return f->l4 + (s->proto == 6 ? 16 : 6);
}

void
ma_pseudo(struct ma_frame *f, const struct ma_spec *s, bool with_len)
{
	put16(f->b + csum_at(f, s), pseudo_sum(f, s, with_len ? f->len - f->l4 : 0));
}

static uint8_t *
put_l4(uint8_t *p, const struct ma_spec *s)
{
	uint32_t hlen = 20 + s->tcp_opts;

	if (s->fragment && s->frag_off & 0x1FFF)
		return p; /* not the first fragment */
	switch (s->proto) {
	case 6:
		memset(p, 0, hlen);
		put16(p, s->sport ? s->sport : 1000);
		put16(p + 2, s->dport ? s->dport : 2000);
		p[5] = 0x10; /* sequence number 0x00100000 */
		p[12] = (uint8_t)(hlen / 4 << 4);
		p[13] = s->tcp_flags ? s->tcp_flags : 0x10;
		put16(p + 14, 0x2000);
		memset(p + 20, 1, s->tcp_opts); /* no operation */
		return p + hlen;
	case 17:
		put16(p, s->sport ? s->sport : 1000);
		put16(p + 2, s->dport ? s->dport : 2000);
		put16(p + 4, 8 + s->paylen);
		put16(p + 6, 0);
		return p + 8;
	case 132:
		memset(p, 0, 12);
		put16(p, 1000);
		put16(p + 2, 2000);
		return p + 12;
	}
	return p;
}

static uint8_t *
put_ip(uint8_t *p, const struct ma_spec *s, uint32_t l4len)
{
	uint32_t hlen = 20 + s->opts;
	uint8_t next = s->proto;

	if (s->ip == 4) {
		memset(p, 0, hlen);
		p[0] = (uint8_t)(0x40 | hlen / 4);
		put16(p + 2, hlen + l4len);
		put16(p + 4, 0x1234);
		put16(p + 6, s->frag_off);
		p[8] = 64;
		p[9] = s->proto;
		memcpy(p + 12, s->src ? s->src : v4_src, 4);
		memcpy(p + 16, s->dst ? s->dst : v4_dst, 4);
		memset(p + 20, 1, s->opts);
		put16(p + 10, (~inet_sum(p, hlen, 0) & 0xFFFF) ^ (s->bad_ip ? 0x0100 : 0));
		return p + hlen;
	}
	memset(p, 0, 40);
	p[0] = 0x60;
	put16(p + 4, l4len + 8 * s->hopopts + 8 * s->fragment);
	if (s->fragment)
		next = 44;
	p[6] = s->hopopts ? 0 : next;
	p[7] = 64;
	memcpy(p + 8, s->src ? s->src : v6_src, 16);
	memcpy(p + 24, s->dst ? s->dst : v6_dst, 16);
	p += 40;
	if (s->hopopts) {
		memset(p, 0, 8);
		p[0] = next;
		p[2] = 1; /* PadN, four bytes */
		p[3] = 4;
		p += 8;
	}
	if (s->fragment) {
		memset(p, 0, 8);
		p[0] = s->proto;
		put16(p + 2, (s->frag_off & 0x1FFFu) << 3 | (s->frag_off & 0x2000 ? 1 : 0));
		p[7] = 0x77;
		p += 8;
	}
	return p;
}

void
ma_build(struct ma_frame *f, const struct ma_spec *s)
{
	static const uint8_t l4_len[256] = { [6] = 20, [17] = 8, [132] = 12 };
	bool later = s->fragment && s->frag_off & 0x1FFF;
	uint32_t l4len = (later ? 0 : l4_len[s->proto] + (s->proto == 6 ? s->tcp_opts : 0)) +
			s->paylen;
	uint32_t i, c;
	uint8_t *p = f->b;

	memset(f, 0, sizeof(*f));
	memcpy(p, s->da ? s->da : ma_b.mac, 6);
	memcpy(p + 6, ma_a.mac, 6);
	p += 12;
	if (s->tags == 2)
		p = put16(put16(p, 0x8100), s->outer);
	if (s->tags)
		p = put16(put16(p, 0x8100), s->tci);
	p = put16(p,
			s->ethertype               ? s->ethertype :
					s->ip == 4 ? 0x0800 :
					s->ip == 6 ? 0x86DD :
						     0x88B6);
	if (s->ip) {
		f->l3 = (uint32_t)(p - f->b);
		p = put_ip(p, s, l4len);
		f->l4 = (uint32_t)(p - f->b);
		p = put_l4(p, s);
	}
	f->payload = (uint32_t)(p - f->b);
	for (i = 0; i < s->paylen; i++)
		*p++ = (uint8_t)(i * 7 + (i >> 8));
	f->len = (uint32_t)(p - f->b);
	if (!s->ip || s->fragment)
		return;
	if (s->proto == 132) {
		c = crc(f->b + f->l4, f->len - f->l4, 0x82F63B78) ^ (s->bad_l4 ? 0x100 : 0);
		for (i = 0; i < 4; i++)
			f->b[f->l4 + 8 + i] = (uint8_t)(c >> (8 * i));
	} else if ((s->proto == 6 || s->proto == 17) && !s->no_udp_csum) {
		c = pseudo_sum(f, s, f->len - f->l4);
		c = ~inet_sum(f->b + f->l4, f->len - f->l4, c) & 0xFFFF;
		put16(f->b + csum_at(f, s), c ^ (s->bad_l4 ? 0x0100 : 0));
	}
}
