/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * An image of a capture file, which a test composes byte by byte, in either byte order: the header
 * and the records of pcap, the blocks of pcapng. Each function appends to the image; pcap_head()
 * empties it first. A test that begins with section() sets used to 0.
 */

#ifndef CAPTURE_IMAGE_H
#define CAPTURE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SHB 0x0A0D0D0Au /* type of a section header block */

/* A file under construction. */
static uint8_t image[1 << 20];
static size_t used;
static bool big_endian;

static inline void
put(const void *bytes, size_t len)
{
	memcpy(image + used, bytes, len);
	used += len;
}

static inline void
put32(uint32_t v)
{
	v = big_endian ? __builtin_bswap32(v) : v;
	put(&v, sizeof(v));
}

static inline void
put16(uint16_t v)
{
	v = big_endian ? __builtin_bswap16(v) : v;
	put(&v, sizeof(v));
}

static inline void
pcap_head(uint32_t magic, uint32_t network)
{
	used = 0;
	put32(magic);
	put16(2);
	put16(4);
	put32(0);
	put32(0);
	put32(65535);
	put32(network);
}

/* Append the bytes of a packet. The first byte is the packet's number. */
static inline void
put_bytes(uint8_t number, uint32_t len)
{
	memset(image + used, 0x5A, len);
	image[used] = number;
	used += len;
}

static inline void
pcap_record(uint32_t s, uint32_t fraction, uint8_t number, uint32_t caplen, uint32_t len)
{
	put32(s);
	put32(fraction);
	put32(caplen);
	put32(len);
	put_bytes(number, caplen);
}

/* Begin a block. end() fills in its length. */
static inline size_t
begin(uint32_t type)
{
	size_t at = used;

	put32(type);
	put32(0);
	return at;
}

static inline void
pad(void)
{
	while (used % 4 != 0)
		image[used++] = 0;
}

static inline void
end(size_t at)
{
	size_t after;

	pad();
	put32(used + 4 - at);
	after = used;
	used = at + 4;
	put32(after - at);
	used = after;
}

static inline void
section(void)
{
	size_t at = begin(SHB);

	put32(0x1A2B3C4D);
	put16(1);
	put16(0);
	put32(UINT32_MAX);
	put32(UINT32_MAX);
	end(at);
}

/* Append an option of up to 8 bytes. */
static inline void
option(uint16_t code, const void *value, uint16_t len)
{
	put16(code);
	put16(len);
	put(value, len);
	pad();
}

static inline void
interface(uint16_t link, uint32_t snaplen, int tsresol, int fcslen, int64_t offset)
{
	size_t at = begin(1);
	uint8_t b;
	uint64_t o = big_endian ? __builtin_bswap64(offset) : (uint64_t)offset;

	put16(link);
	put16(0);
	put32(snaplen);
	option(2, "eth0", 4); /* if_name: the reader skips it */
	if (tsresol >= 0)
		option(9, (b = tsresol, &b), 1);
	if (fcslen >= 0)
		option(13, (b = fcslen, &b), 1);
	if (offset != 0)
		option(14, &o, 8);
	option(0, "", 0);
	end(at);
}

/* Append an enhanced packet block; if flags is 0, without that option. */
static inline void
enhanced(uint32_t id, uint64_t ticks, uint8_t number, uint32_t caplen, uint32_t len, uint32_t flags)
{
	size_t at = begin(6);

	put32(id);
	put32(ticks >> 32);
	put32(ticks);
	put32(caplen);
	put32(len);
	put_bytes(number, caplen);
	pad();
	if (flags != 0) {
		flags = big_endian ? __builtin_bswap32(flags) : flags;
		option(2, &flags, 4);
		option(0, "", 0);
	}
	end(at);
}

static inline void
obsolete(uint16_t id, uint64_t ticks, uint8_t number, uint32_t caplen, uint32_t len)
{
	size_t at = begin(2);

	put16(id);
	put16(0xFFFF);
	put32(ticks >> 32);
	put32(ticks);
	put32(caplen);
	put32(len);
	put_bytes(number, caplen);
	end(at);
}

static inline void
simple(uint8_t number, uint32_t caplen, uint32_t len)
{
	size_t at = begin(3);

	put32(len);
	put_bytes(number, caplen);
	end(at);
}

static inline void
unknown(uint32_t len)
{
	size_t at = begin(0x0BAD);

	put_bytes(0, len);
	end(at);
}

#endif /* CAPTURE_IMAGE_H */
