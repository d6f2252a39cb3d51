/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Reading captures.
 *
 *    capture_file_read() --> get() --> need(), skip() --> pcap_next() --------------+--> record
 *                                        +-> body() ----> ng_next() --> packet() ---+
 *
 * One function, get(), supplies all bytes. capture_file.c decompresses them.
 *
 * A pcapng file is a sequence of blocks. c->left is the number of bytes of the block's body that
 * have not been read yet, and nothing is read beyond it. Each length that the file states is
 * compared with what is left before it is used, so that a malformed file ends with a message: the
 * file never makes the reader allocate, index or loop by a number of its own. (A length beyond the
 * file's end costs the time to get there.)
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "capture_file.h"
#include "capture_format.h"

#define INTERFACES_MAX 65536
#define BLOCKS_MAX     16 /* without a packet, in one call */
#define ETHERNET_FCS   4
#define CAPLEN_MAX     (128u << 20) /* bytes; records of all link types in libpcap are shorter */

struct interface {
	uint32_t link_type, snaplen, fcs_len;
	uint64_t per_s;   /* ticks of its clock per second */
	int64_t offset_s; /* seconds, added to its time stamps */
};

struct capture {
	struct capture_file *file;
	uint64_t offset; /* bytes read so far, decompressed */
	bool ng, swap;
	uint32_t more;         /* pcap: bytes of a record's header after its first 16 */
	uint32_t left;         /* pcapng: bytes of the block's body */
	struct interface *ifs; /* pcapng: of the section; pcap: one */
	uint32_t nr_ifs;
	char error[160];
	uint8_t data[CAPTURE_KEEP];
};

__attribute__((format(printf, 2, 3))) static int
bad(struct capture *c, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(c->error, sizeof(c->error), fmt, ap);
	va_end(ap);
	n = strlen(c->error);
	snprintf(c->error + n, sizeof(c->error) - n, ", %s byte %llu",
			capture_file_is_compressed(c->file) ? "decompressed" : "at",
			(unsigned long long)c->offset);
	return -EINVAL;
}

/*
 * Read n bytes.
 *
 * @retval 1        @p buf has all bytes
 * @retval 0        the file ended before the first of them
 * @retval -EINVAL  the file ended after the first of them, or cannot be read
 */
static int
get(struct capture *c, void *buf, uint32_t n)
{
	const char *why = NULL;
	uint32_t got = n != 0 ? capture_file_read(c->file, buf, n, &why) : 0;

	c->offset += got;
	if (why != NULL)
		return bad(c, "%s", why);
	if (got == n)
		return 1;
	return got == 0 ? 0 : bad(c, "the file breaks off");
}

/* As get(), where the file must not end. */
static int
need(struct capture *c, void *buf, uint32_t n)
{
	int ret = get(c, buf, n);

	return ret == 0 ? bad(c, "the file breaks off") : ret;
}

static int
skip(struct capture *c, uint64_t n)
{
	uint8_t scratch[4096];
	uint32_t part;
	int ret = 1;

	for (; n != 0 && ret == 1; n -= part) {
		part = n < sizeof(scratch) ? n : sizeof(scratch);
		ret = need(c, scratch, part);
	}
	return ret;
}

static uint16_t
u16(const struct capture *c, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return c->swap ? __builtin_bswap16(v) : v;
}

static uint32_t
u32(const struct capture *c, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return c->swap ? __builtin_bswap32(v) : v;
}

static uint64_t
u64(const struct capture *c, const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return c->swap ? __builtin_bswap64(v) : v;
}

/* Read a record's data: keep the first CAPTURE_KEEP bytes and skip the others. */
static int
get_data(struct capture *c, uint32_t len)
{
	uint32_t keep = len < CAPTURE_KEEP ? len : CAPTURE_KEEP;
	int ret;

	if (len > CAPLEN_MAX)
		return bad(c, "malformed: a record of %u bytes", len);
	ret = need(c, c->data, keep);
	return ret == 1 ? skip(c, len - keep) : ret;
}

/* Add an interface. Return 1, or a negative errno value. */
static int
add_interface(struct capture *c, struct interface **added)
{
	struct interface *ifs;

	if (c->nr_ifs == INTERFACES_MAX)
		return bad(c, "more than %d interfaces", INTERFACES_MAX);
	/* The memory doubles when it is full, at a power of two. */
	if ((c->nr_ifs & (c->nr_ifs - 1)) == 0) {
		ifs = realloc(c->ifs, (c->nr_ifs != 0 ? 2 * c->nr_ifs : 1) * sizeof(*ifs));
		if (ifs == NULL) {
			snprintf(c->error, sizeof(c->error), "out of memory");
			return -ENOMEM;
		}
		c->ifs = ifs;
	}
	*added = &c->ifs[c->nr_ifs++];
	**added = (struct interface){ .per_s = 1000000 };
	return 1;
}

static uint64_t
to_ns(const struct interface *i, uint64_t ticks)
{
	uint64_t s = ticks / i->per_s, rest = ticks % i->per_s;

	return (s + i->offset_s) * 1000000000 +
			(uint64_t)((unsigned __int128)rest * 1000000000 / i->per_s);
}

/*
 * pcap.
 */

static int
pcap_header(struct capture *c, const uint8_t magic[4])
{
	uint32_t network, fcs;
	struct interface *i;
	uint8_t h[20];
	int ret;

	ret = add_interface(c, &i);
	if (ret != 1)
		return ret;
	if (u32(c, magic) == PCAP_MAGIC_NS)
		i->per_s = 1000000000;
	c->more = u32(c, magic) == PCAP_MAGIC_MORE ? PCAP_MORE : 0;
	ret = need(c, h, sizeof(h));
	if (ret != 1)
		return ret;
	if (u16(c, h) != 2)
		return bad(c, "pcap version %u.%u is not supported: convert it to 2.4", u16(c, h),
				u16(c, h + 2));
	network = u32(c, h + 16);
	i->link_type = network & PCAP_LINK_MASK;
	fcs = network & PCAP_FCS_PRESENT ? network >> PCAP_FCS_SHIFT : 0;
	/* In 16-bit words; some writers store bytes. The FCS of Ethernet has only one length. */
	i->fcs_len = fcs == 2 || fcs == 4 ? ETHERNET_FCS : 2 * fcs;
	return 1;
}

static int
pcap_next(struct capture *c, struct capture_record *r)
{
	const struct interface *i = c->ifs;
	uint8_t h[16];
	int ret = get(c, h, sizeof(h));

	if (ret != 1)
		return ret;
	r->ts_ns = u32(c, h) * 1000000000ULL + to_ns(i, u32(c, h + 4));
	r->caplen = u32(c, h + 8);
	r->len = u32(c, h + 12);
	r->link_type = i->link_type;
	r->fcs_len = i->fcs_len;
	r->errored = false;
	ret = skip(c, c->more);
	return ret == 1 ? get_data(c, r->caplen) : ret;
}

/*
 * pcapng.
 */

/*
 * Round up a block's length to a multiple of 4 bytes: a block ends there, even if its writer stored
 * the length without the padding.
 */
static uint32_t
padded(uint32_t length)
{
	return (length + 3) & ~3u; /* 0: length 0 or near 2^32, which no block has */
}

/* Read n bytes of the block's body. */
static int
body(struct capture *c, void *buf, uint32_t n)
{
	if (n > c->left)
		return bad(c, "malformed: a block is too short for its contents");
	c->left -= n;
	return need(c, buf, n);
}

/*
 * Read the first bytes of the next option, as many as fit.
 *
 * @retval 1  there is one
 * @retval 0  there is none
 * @return a negative errno value: an error
 */
static int
option(struct capture *c, uint16_t *code, uint16_t *len, uint8_t value[8])
{
	uint8_t h[4];
	uint32_t keep, all;
	int ret;

	if (c->left < sizeof(h))
		return 0;
	ret = body(c, h, sizeof(h));
	if (ret != 1)
		return ret;
	*code = u16(c, h);
	*len = u16(c, h + 2);
	if (*code == NG_OPT_END)
		return 0;
	all = padded(*len);
	keep = *len < 8 ? *len : 8;
	if (all > c->left)
		return bad(c, "malformed: an option goes beyond its block");
	ret = body(c, value, keep);
	c->left -= all - keep;
	return ret == 1 ? skip(c, all - keep) : ret;
}

/* Skip the rest of the block, whose end repeats its length. */
static int
end_block(struct capture *c, uint32_t total)
{
	uint8_t t[4];
	int ret = skip(c, c->left);

	if (ret == 1)
		ret = need(c, t, sizeof(t));
	if (ret != 1)
		return ret;
	return padded(u32(c, t)) == total ?
			1 :
			bad(c, "malformed: a block's two lengths differ (%u and %u)", total,
					u32(c, t));
}

static int
section(struct capture *c)
{
	uint8_t h[12];
	int ret = body(c, h, sizeof(h));

	if (ret != 1)
		return ret;
	if (u16(c, h) != 1)
		return bad(c, "pcapng version %u.%u is not supported", u16(c, h), u16(c, h + 2));
	c->nr_ifs = 0;
	return 1;
}

static int
tsresol(struct capture *c, struct interface *i, uint8_t v)
{
	unsigned int n = v & 0x7F;

	if (n > (v & 0x80 ? 63 : 19))
		return bad(c, "malformed: a time stamp's resolution of %u^-%u s", v & 0x80 ? 2 : 10,
				n);
	for (i->per_s = 1; n > 0; n--)
		i->per_s *= v & 0x80 ? 2 : 10;
	return 1;
}

static int
interface(struct capture *c)
{
	struct interface *i;
	uint8_t h[8], v[8];
	uint16_t code, len;
	int ret;

	ret = add_interface(c, &i);
	if (ret != 1)
		return ret;
	ret = body(c, h, sizeof(h));
	if (ret != 1)
		return ret;
	i->link_type = u16(c, h);
	i->snaplen = u32(c, h + 4);
	while ((ret = option(c, &code, &len, v)) == 1) {
		if (code == NG_OPT_TSRESOL && len == 1)
			ret = tsresol(c, i, v[0]);
		else if (code == NG_OPT_FCSLEN && len == 1) /* in bits; most writers store bytes */
			i->fcs_len = v[0] % 8 == 0 ? v[0] / 8 : v[0];
		else if (code == NG_OPT_TSOFFSET && len == 8)
			i->offset_s = (int64_t)u64(c, v);
		if (ret != 1)
			break;
	}
	return ret == 0 ? 1 : ret;
}

/* Read the data and options of a packet. Its interface and both lengths are known. */
static int
packet(struct capture *c, struct capture_record *r, uint32_t id, uint64_t ticks)
{
	const struct interface *i;
	uint32_t pad = -r->caplen & 3, flags;
	uint16_t code, len;
	uint8_t v[8];
	int ret;

	if (id >= c->nr_ifs)
		return bad(c, "malformed: a packet of interface %u, and there are %u", id,
				c->nr_ifs);
	if (r->caplen > c->left) /* which is a multiple of 4 and thus has room for the padding */
		return bad(c, "malformed: a packet goes beyond its block");
	i = &c->ifs[id];
	r->link_type = i->link_type;
	r->fcs_len = i->fcs_len;
	r->errored = false;
	r->ts_ns = to_ns(i, ticks);
	c->left -= r->caplen + pad;
	ret = get_data(c, r->caplen);
	if (ret == 1)
		ret = skip(c, pad);
	while (ret == 1 && (ret = option(c, &code, &len, v)) == 1) {
		if (code != NG_OPT_FLAGS || len != 4)
			continue;
		flags = u32(c, v);
		if (NG_FLAGS_FCS(flags) != 0)
			r->fcs_len = NG_FLAGS_FCS(flags);
		r->errored = flags & NG_FLAGS_ERRORS;
	}
	return ret == 0 ? 1 : ret;
}

static int
enhanced(struct capture *c, struct capture_record *r, uint32_t type)
{
	uint8_t h[20];
	int ret = body(c, h, sizeof(h));

	if (ret != 1)
		return ret;
	r->caplen = u32(c, h + 12);
	r->len = u32(c, h + 16);
	return packet(c, r, type == NG_PB ? u16(c, h) : u32(c, h),
			(uint64_t)u32(c, h + 4) << 32 | u32(c, h + 8));
}

static int
simple(struct capture *c, struct capture_record *r)
{
	uint8_t h[4];
	int ret = body(c, h, sizeof(h));

	if (ret != 1)
		return ret;
	r->len = r->caplen = u32(c, h);
	if (c->nr_ifs != 0 && c->ifs[0].snaplen != 0 && r->caplen > c->ifs[0].snaplen)
		r->caplen = c->ifs[0].snaplen;
	return packet(c, r, 0, 0);
}

/* Read a block's type and length, and with a section's header the byte order. */
static int
start_block(struct capture *c, uint32_t *type, uint32_t *total)
{
	uint8_t h[8], order[4];
	int ret = get(c, h, sizeof(h));

	if (ret != 1)
		return ret;
	*type = u32(c, h);
	if (*type == NG_SHB) {
		ret = need(c, order, sizeof(order));
		if (ret != 1)
			return ret;
		c->swap = false;
		c->swap = u32(c, order) != NG_BYTE_ORDER;
		if (u32(c, order) != NG_BYTE_ORDER)
			return bad(c, "malformed: a section's byte order is unknown");
	}
	*total = padded(u32(c, h + 4));
	if (*total < (*type == NG_SHB ? 28 : 12))
		return bad(c, "malformed: a block of %u bytes", u32(c, h + 4));
	c->left = *total - (*type == NG_SHB ? 16 : 12);
	return 1;
}

static int
ng_next(struct capture *c, struct capture_record *r)
{
	uint32_t type = 0, total = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < BLOCKS_MAX; i++) {
		ret = start_block(c, &type, &total);
		if (ret != 1)
			return ret;
		switch (type) {
		case NG_SHB:
			ret = section(c);
			break;
		case NG_IDB:
			ret = interface(c);
			break;
		case NG_EPB:
		case NG_PB:
			ret = enhanced(c, r, type);
			break;
		case NG_SPB:
			ret = simple(c, r);
			break;
		}
		if (ret == 1)
			ret = end_block(c, total);
		if (ret != 1 || type == NG_EPB || type == NG_PB || type == NG_SPB)
			return ret;
	}
	return CAPTURE_AGAIN;
}

/*
 * Both formats.
 */

static int
header(struct capture *c)
{
	uint8_t magic[4];
	int ret = get(c, magic, sizeof(magic));

	if (ret == 0)
		return bad(c, "is empty: it has no capture header");
	if (ret != 1)
		return ret;
	for (c->swap = false;; c->swap = true) {
		if (u32(c, magic) == PCAP_MAGIC_US || u32(c, magic) == PCAP_MAGIC_NS ||
				u32(c, magic) == PCAP_MAGIC_MORE)
			return pcap_header(c, magic);
		if (c->swap)
			break;
	}
	c->swap = false;
	if (u32(c, magic) == NG_SHB) {
		c->ng = true;
		if (!capture_file_rewind(c->file))
			return bad(c, "cannot be read again");
		c->offset = 0;
		return 1;
	}
	return bad(c, "is no capture: neither pcap nor pcapng, plain, with gzip or with Zstandard");
}

int
capture_open(const char *path, struct capture **capture, char *err, size_t err_len)
{
	struct capture *c = calloc(1, sizeof(*c));
	int ret;

	if (c == NULL) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	ret = capture_file_open(path, &c->file, err, err_len);
	if (ret == 0) {
		ret = header(c);
		if (ret == 1) {
			*capture = c;
			return 0;
		}
		snprintf(err, err_len, "%s", c->error);
	}
	capture_close(c);
	return ret;
}

int
capture_next(struct capture *c, struct capture_record *r)
{
	r->data = c->data;
	return c->ng ? ng_next(c, r) : pcap_next(c, r);
}

const char *
capture_error(const struct capture *c)
{
	return c->error;
}

uint64_t
capture_offset(const struct capture *c)
{
	return c->offset;
}

int64_t
capture_link_type(const struct capture *c)
{
	return c->ng ? -1 : (int64_t)c->ifs[0].link_type;
}

int
capture_rewind(struct capture *c)
{
	c->offset = 0;
	c->nr_ifs = 0;
	c->ng = false;
	if (!capture_file_rewind(c->file))
		return bad(c, "cannot be read again");
	return header(c) == 1 ? 0 : -EINVAL;
}

void
capture_close(struct capture *c)
{
	if (c == NULL)
		return;
	capture_file_close(c->file);
	free(c->ifs);
	free(c);
}
