/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Captures: the reader of pcap, pcapng and gzip, on files that the tests compose byte by byte
 * in both byte orders, and the writer, whose files libpcap reads.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pcap/pcap.h>
#include <zlib.h>

#include "capture.h"
#include "capture_image.h"
#include "wire.h"

#define FUZZ_ROUNDS 3000
#define NS          1000000000ULL

static char path[] = "/tmp/test_capture_XXXXXX";
static char err[256];

static void
save(void)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(image, 1, used, file), used);
	fclose(file);
}

static struct capture *
opened(void)
{
	struct capture *c;

	save();
	assert_int_equal(capture_open(path, &c, err, sizeof(err)), 0);
	return c;
}

static void
expect(struct capture *c, uint8_t number, uint32_t caplen, uint32_t len, uint64_t ts_ns)
{
	struct capture_record r;

	assert_int_equal(capture_next(c, &r), 1);
	if (caplen != 0)
		assert_int_equal(r.data[0], number);
	assert_int_equal(r.caplen, caplen);
	assert_int_equal(r.len, len);
	assert_int_equal(r.ts_ns, ts_ns);
}

static void
expect_end(struct capture *c)
{
	struct capture_record r;

	assert_int_equal(capture_next(c, &r), 0);
	capture_close(c);
}

static void
expect_broken(struct capture *c, const char *why)
{
	struct capture_record r;

	assert_true(capture_next(c, &r) < 0);
	assert_non_null(strstr(capture_error(c), why));
	capture_close(c);
}

static void
pcap_is_read_in_both_orders_and_resolutions(void **state)
{
	struct capture_record r;
	struct capture *c;
	unsigned int i;

	for (i = 0; i < 4; i++) {
		big_endian = i & 1;
		pcap_head(i & 2 ? 0xA1B23C4D : 0xA1B2C3D4, 1);
		pcap_record(7, 5, 1, 60, 60);
		pcap_record(8, 999999, 2, 20, 100); /* truncated when captured */
		pcap_record(9, 0, 3, 100, 84);      /* padded when captured */
		pcap_record(9, 1, 0, 0, 0);
		pcap_record(9, 2, 5, 70000, 70000); /* more than the reader keeps */
		pcap_record(9, 3, 6, 14, 14);
		c = opened();
		expect(c, 1, 60, 60, 7 * NS + (i & 2 ? 5 : 5000));
		expect(c, 2, 20, 100, 8 * NS + (i & 2 ? 999999 : 999999000));
		expect(c, 3, 100, 84, 9 * NS);
		expect(c, 0, 0, 0, 9 * NS + (i & 2 ? 1 : 1000));
		expect(c, 5, 70000, 70000, 9 * NS + (i & 2 ? 2 : 2000));
		assert_int_equal(capture_next(c, &r), 1);
		assert_int_equal(r.data[0], 6);
		assert_int_equal(r.link_type, 1);
		assert_int_equal(r.fcs_len, 0);
		assert_int_equal(capture_rewind(c), 0);
		expect(c, 1, 60, 60, 7 * NS + (i & 2 ? 5 : 5000));
		capture_close(c);
	}
	big_endian = false;
}

/* Record headers of an old Linux libpcap, 8 bytes longer. libpcap reads them. */
static void
pcap_with_longer_record_headers_is_read(void **state)
{
	struct capture *c;
	int i;

	for (i = 0; i < 2; i++) {
		big_endian = i;
		pcap_head(0xA1B2CD34, 1);
		put32(7);
		put32(5);
		put32(60);
		put32(100);
		put("\0\0\0\2\10\0\0\0", 8);
		put_bytes(1, 60);
		c = opened();
		expect(c, 1, 60, 100, 7 * NS + 5000);
		expect_end(c);
	}
	big_endian = false;
}

/*
 * The format counts the FCS in units of 16 bits, some writers in bytes. Without its flag the
 * length is absent.
 */
static void
pcap_header_has_the_fcs_length(void **state)
{
	static const struct {
		uint32_t network, fcs;
	} of[] = {
		{ 0x24000001, 4 },
		{ 0x44000001, 4 },
		{ 0x20000001, 0 },
		{ 0x00000001, 0 },
	};
	struct capture_record r;
	struct capture *c;
	unsigned int i;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		pcap_head(0xA1B2C3D4, of[i].network);
		pcap_record(0, 0, 1, 64, 64);
		c = opened();
		assert_int_equal(capture_next(c, &r), 1);
		assert_int_equal(r.fcs_len, of[i].fcs);
		assert_int_equal(r.link_type, i == 2 ? 0x20000001 & 0x03FFFFFF : 1);
		capture_close(c);
	}
}

static void
pcapng_is_read_in_both_orders(void **state)
{
	struct capture_record r;
	struct capture *c;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		used = 0;
		big_endian = i;
		section();
		unknown(0);
		unknown(77);
		interface(1, 96, -1, -1, 0);      /* microseconds */
		interface(113, 0, 9, -1, 0);      /* Linux cooked, nanoseconds */
		interface(1, 0, 0x80 | 10, 4, 3); /* 1/1024 s, FCS, three seconds late */
		interface(1, 0, 3, 32, -1);       /* FCS in bits */
		enhanced(0, 7000005, 1, 60, 60, 0);
		enhanced(1, 5 * NS + 1, 2, 61, 61, 0);
		enhanced(2, 1024 + 512, 3, 64, 64, 0);
		enhanced(3, 2500, 4, 64, 64, 1u << 24);
		enhanced(0, 1, 5, 64, 64, 4u << 5);
		obsolete(0, 0x100000001, 6, 63, 63);
		simple(7, 62, 62);
		simple(8, 96, 1000); /* truncated by the interface's snapshot length */
		big_endian = !i;
		section(); /* with other interfaces */
		interface(1, 0, -1, -1, 0);
		enhanced(0, 3, 9, 100, 84, 0);
		big_endian = i;
		c = opened();
		expect(c, 1, 60, 60, 7 * NS + 5000);
		assert_int_equal(capture_next(c, &r), 1);
		assert_int_equal(r.link_type, 113);
		assert_int_equal(r.ts_ns, 5 * NS + 1);
		assert_int_equal(capture_next(c, &r), 1);
		assert_int_equal(r.ts_ns, 4 * NS + NS / 2);
		assert_int_equal(r.fcs_len, 4);
		assert_false(r.errored);
		assert_int_equal(capture_next(c, &r), 1);
		assert_int_equal(r.ts_ns, NS + NS / 2);
		assert_int_equal(r.fcs_len, 4);
		assert_true(r.errored);
		assert_int_equal(capture_next(c, &r), 1);
		assert_int_equal(r.fcs_len, 4);
		expect(c, 6, 63, 63, 0x100000001 * 1000);
		expect(c, 7, 62, 62, 0);
		expect(c, 8, 96, 1000, 0);
		assert_int_equal(capture_next(c, &r), 1);
		assert_int_equal(r.data[0], 9);
		assert_int_equal(r.link_type, 1);
		expect_end(c);
	}
	big_endian = false;
}

static void
gzip_is_read(void **state)
{
	struct capture *c;
	gzFile gz = gzopen(path, "wb");
	FILE *file;
	long len;

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(1, 0, 1, 60, 60);
	assert_non_null(gz);
	assert_int_equal(gzwrite(gz, image, used), used);
	gzclose(gz);
	assert_int_equal(capture_open(path, &c, err, sizeof(err)), 0);
	expect(c, 1, 60, 60, NS);
	assert_int_equal(capture_rewind(c), 0);
	expect(c, 1, 60, 60, NS);
	expect_end(c);

	/* Without its last bytes the file breaks off, although each record is complete. */
	file = fopen(path, "rb");
	used = fread(image, 1, sizeof(image), file);
	fclose(file);
	for (len = used - 1; len > (long)used - 8; len--) {
		assert_int_equal(truncate(path, len), 0);
		assert_int_equal(capture_open(path, &c, err, sizeof(err)), 0);
		expect(c, 1, 60, 60, NS);
		expect_broken(c, "breaks off");
	}
}

/* As "cat a.gz b.gz" creates it: the second member continues with packets of the same capture. */
static void
gzip_of_several_members_is_read_and_its_checksum_checked(void **state)
{
	char wire_err[WIRE_ERR_LEN];
	struct wire_source *src;
	struct capture *c;
	gzFile gz;
	FILE *file;
	int i;

	pcap_head(0xA1B2C3D4, 1);
	for (i = 1; i <= 2; i++) {
		pcap_record(i, 0, i, 60, 60);
		gz = gzopen(path, i == 1 ? "wb" : "ab");
		assert_non_null(gz);
		assert_int_equal(gzwrite(gz, image, used), used);
		gzclose(gz);
		used = 0;
	}
	assert_int_equal(capture_open(path, &c, err, sizeof(err)), 0);
	expect(c, 1, 60, 60, NS);
	expect(c, 2, 60, 60, 2 * NS);
	expect_end(c);

	file = fopen(path, "rb");
	used = fread(image, 1, sizeof(image), file);
	fclose(file);
	image[used - 8] ^= 1; /* the last member's CRC */
	save();
	assert_true(wire_pcap_open_source(path, &src, wire_err) < 0);
	assert_non_null(strstr(wire_err, "cannot be read: "));
}

static void
file_that_breaks_off_is_an_error_wherever(void **state)
{
	struct capture_record r;
	struct capture *c;
	size_t all, n, whole[2];
	int ret, ng;

	for (ng = 0; ng < 2; ng++) {
		if (ng) {
			used = 0;
			section();
			whole[0] = used;
			interface(1, 0, -1, -1, 0);
			whole[1] = used;
			enhanced(0, 0, 1, 60, 60, 4u << 5);
		} else {
			pcap_head(0xA1B2C3D4, 1);
			whole[0] = whole[1] = used;
			pcap_record(0, 0, 1, 60, 60);
		}
		all = used;
		for (n = 1; n < all; n++) {
			used = n;
			save();
			ret = capture_open(path, &c, err, sizeof(err));
			assert_int_equal(ret != 0, n < (ng ? 4 : 24)); /* the file's header */
			if (ret != 0) {
				assert_non_null(strstr(err, "breaks off"));
				continue;
			}
			ret = capture_next(c, &r);
			if (n == whole[0] || n == whole[1]) /* between blocks, or records */
				assert_int_equal(ret, 0);
			else
				assert_true(ret < 0);
			capture_close(c);
		}
	}
}

/* Without a snapshot length a simple packet was not truncated. */
static void
simple_packet_is_whole_without_a_snapshot_length(void **state)
{
	struct capture *c;

	used = 0;
	section();
	interface(1, 0, -1, -1, 0);
	simple(1, 1000, 1000);
	c = opened();
	expect(c, 1, 1000, 1000, 0);
	expect_end(c);
}

static void
malformed_blocks_are_errors(void **state)
{
	struct capture *c;
	size_t at;

	used = 0;
	section();
	enhanced(0, 0, 1, 60, 60, 0);
	expect_broken(opened(), "interface 0");

	used = 0;
	section();
	interface(1, 0, -1, -1, 0);
	at = used;
	enhanced(0, 0, 1, 60, 60, 0);
	image[at + 20] = 200; /* its caplen */
	expect_broken(opened(), "beyond its block");

	image[at + 20] = 60;
	image[used - 4]++;
	expect_broken(opened(), "differ");

	image[used - 4] -= 4; /* without padding, as some writers do */
	image[at + 4] -= 3;
	c = opened();
	expect(c, 1, 60, 60, 0);
	expect_end(c);
	image[at + 4] = 8; /* its length */
	expect_broken(opened(), "block of 8 bytes");
	memset(image + at + 4, 0xFF, 4);
	expect_broken(opened(), "block of 4294967295 bytes");

	used = 0;
	section();
	interface(1, 0, 20, -1, 0);
	expect_broken(opened(), "resolution");

	used = 0;
	section();
	image[8] = 0; /* the byte order */
	expect_broken(opened(), "byte order");

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 60, 60);
	image[24 + 11] = 0x10; /* its caplen, plus 256 MiB */
	expect_broken(opened(), "a record of 268435516 bytes");

	used = 0;
	save();
	assert_true(capture_open(path, &c, err, sizeof(err)) < 0);
	assert_non_null(strstr(err, "empty"));
}

/*
 * Read a mutated file to its end or its error. A sanitizer, or the time limit of the test,
 * notices the rest.
 */
static void
read_through(void)
{
	struct capture_record r;
	struct capture *c;
	unsigned int n = 0;

	save();
	if (capture_open(path, &c, err, sizeof(err)) != 0) {
		assert_true(err[0] != '\0');
		return;
	}
	while (capture_next(c, &r) > 0) {
		memset(r.data, 0, CAPTURE_KEEP); /* the caller may write to it */
		assert_true(++n <= sizeof(image) / 12);
	}
	capture_close(c);
}

static void
mutated_files_end_or_are_errors(void **state)
{
	static const uint32_t evil[] = { 0, 1, 3, 12, 28, 0x7FFFFFFF, 0x80000000, UINT32_MAX,
		65536 };
	uint8_t good[4096];
	unsigned int i, k;
	size_t all;
	int ng;

	srand(1);
	for (ng = 0; ng < 2; ng++) {
		if (ng) {
			used = 0;
			section();
			interface(1, 96, 9, 4, 1);
			interface(113, 0, -1, -1, 0);
			enhanced(0, 1, 1, 60, 60, 4u << 5);
			obsolete(1, 1, 2, 33, 60);
			simple(3, 30, 30);
			unknown(40);
			section();
			interface(1, 0, -1, -1, 0);
			enhanced(0, 1, 4, 100, 84, 1u << 24);
		} else {
			pcap_head(0xA1B2C3D4, 0x24000001);
			for (k = 0; k < 8; k++)
				pcap_record(k, k, k, 20 + k, 20 + k);
		}
		all = used;
		assert_true(all <= sizeof(good));
		memcpy(good, image, all);
		for (i = 0; i < FUZZ_ROUNDS; i++) {
			memcpy(image, good, all);
			used = all;
			for (k = 0; k < 1 + i % 3; k++) {
				size_t word = rand() % (all / 4) * 4;

				if (rand() % 2)
					memcpy(image + word, &evil[rand() % 9], 4);
				else
					image[rand() % all] = rand();
			}
			if (i % 8 == 0)
				used = rand() % all;
			read_through();
		}
	}
}

/* In both formats, libpcap and our reader read the same records. */
static void
written_file_is_read_by_libpcap(void **state)
{
	static const uint32_t len[] = { 60, 61, 62, 63, 1514, 16384 };
	char pcap_err[PCAP_ERRBUF_SIZE], name[64];
	struct capture_writer *w;
	struct pcap_pkthdr *hdr;
	uint8_t frame[16384];
	struct capture *c;
	const u_char *data;
	unsigned int i;
	pcap_t *pcap;
	uint64_t t;
	int ng;

	for (ng = 0; ng < 2; ng++) {
		snprintf(name, sizeof(name), "%s%s", path, ng ? ".pcapng" : ".pcap");
		assert_int_equal(capture_create(name, &w, err, sizeof(err)), 0);
		for (i = 0; i < 6; i++) {
			memset(frame, i + 1, sizeof(frame));
			assert_true(capture_write(w, 1764374400 * NS + i, frame, len[i]));
		}
		assert_true(capture_finish(w));
		pcap = pcap_open_offline_with_tstamp_precision(name, PCAP_TSTAMP_PRECISION_NANO,
				pcap_err);
		assert_non_null(pcap);
		assert_int_equal(pcap_datalink(pcap), DLT_EN10MB);
		assert_int_equal(capture_open(name, &c, err, sizeof(err)), 0);
		for (i = 0; i < 6; i++) {
			memset(frame, i + 1, sizeof(frame));
			assert_int_equal(pcap_next_ex(pcap, &hdr, &data), 1);
			assert_int_equal(hdr->caplen, len[i]);
			assert_int_equal(hdr->len, len[i]);
			assert_memory_equal(data, frame, len[i]);
			t = hdr->ts.tv_sec * NS + hdr->ts.tv_usec;
			assert_int_equal(t, 1764374400 * NS + i);
			expect(c, i + 1, len[i], len[i], t);
		}
		assert_int_equal(pcap_next_ex(pcap, &hdr, &data), PCAP_ERROR_BREAK);
		expect_end(c);
		pcap_close(pcap);
		unlink(name);
	}
}

/**
 * Replay the file, and compare the frames that a wire gets.
 *
 * @param len     length of each of the nr frames
 * @param flags   flags of each frame, or NULL: all are 0
 *
 * @return the statistics of the replay
 */
static struct wire_replay_stats
replayed(unsigned int nr, const uint32_t *len, const uint32_t *flags)
{
	struct wire_replay_stats stats;
	char wire_err[WIRE_ERR_LEN];
	struct wire_source *src;
	struct m82576_frame frame;
	unsigned int i;

	save();
	assert_int_equal(wire_pcap_open_source(path, &src, wire_err), 0);
	for (i = 0; i < nr; i++) {
		assert_int_equal(src->next(src, 0, &frame, 1, 0), 1);
		assert_int_equal(frame.len, len[i]);
		assert_int_equal(frame.flags, flags != NULL ? flags[i] : 0);
	}
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 0);
	assert_false(src->pending(src));
	wire_pcap_get_stats(src, &stats);
	assert_int_equal(stats.frames, nr);
	assert_true(stats.ended);
	assert_false(stats.broken);
	src->close(src);
	return stats;
}

static void
records_that_are_no_frames_are_left_out_and_counted(void **state)
{
	static const uint32_t len[] = { 60, 84, 100, 14, WIRE_FRAME_MAX };
	struct wire_replay_stats s;

	used = 0;
	section();
	interface(1, 0, -1, -1, 0);
	interface(113, 96, -1, -1, 0);
	enhanced(0, 0, 1, 60, 60, 0);
	enhanced(1, 0, 2, 60, 60, 0);
	enhanced(0, 0, 3, 100, 84, 0);
	enhanced(0, 0, 4, 0, 0, 0);
	enhanced(0, 0, 5, 0, 100, 0);
	enhanced(0, 0, 6, 5, 5, 0);
	enhanced(0, 0, 7, 13, 13, 0);
	enhanced(0, 0, 8, 20, 100, 0);
	enhanced(0, 0, 9, 14, 14, 0);
	enhanced(0, 0, 10, WIRE_FRAME_MAX, WIRE_FRAME_MAX, 0);
	enhanced(0, 0, 11, WIRE_FRAME_MAX + 1, WIRE_FRAME_MAX + 1, 0);
	enhanced(0, 0, 12, 100000, 100000, 0);
	s = replayed(5, len, NULL);
	assert_int_equal(s.not_ethernet, 1);
	assert_int_equal(s.too_short, 4);
	assert_int_equal(s.too_long, 2);
	assert_int_equal(s.filled, 1);
	assert_int_equal(s.bad_fcs, 0);
}

/* A turn of the polling thread ends although the file continues. */
static void
records_left_out_in_one_turn_are_limited(void **state)
{
	unsigned int i, turns = 0;
	char wire_err[WIRE_ERR_LEN];
	struct wire_source *src;
	struct m82576_frame frame;

	pcap_head(0xA1B2C3D4, 1);
	for (i = 0; i < 1000; i++)
		pcap_record(0, 0, i, 5, 5);
	pcap_record(0, 0, 7, 60, 60);
	save();
	assert_int_equal(wire_pcap_open_source(path, &src, wire_err), 0);
	for (; !src->next(src, 0, &frame, 1, 0); turns++)
		assert_true(src->pending(src));
	assert_in_range(turns, 10, 1000);
	assert_int_equal(frame.data[0], 7);
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 0);
	assert_false(src->pending(src));
	src->close(src);

	/* The number of blocks without a packet in one turn is also limited. */
	used = 0;
	section();
	interface(1, 0, -1, -1, 0);
	for (i = 0; i < 20000; i++)
		unknown(4);
	enhanced(0, 0, 7, 60, 60, 0);
	save();
	assert_int_equal(wire_pcap_open_source(path, &src, wire_err), 0);
	for (turns = 0; !src->next(src, 0, &frame, 1, 0); turns++)
		assert_true(src->pending(src));
	assert_in_range(turns, 10, 1000);
	assert_int_equal(frame.data[0], 7);
	src->close(src);
}

static void
fcs_is_stripped_and_a_wrong_one_is_sent_as_wrong(void **state)
{
	static const uint32_t len[] = { 100, 100, 100, 100 };
	static const uint32_t flags[] = { 0, M82576_FRAME_BAD_FCS, 0, M82576_FRAME_BAD_FCS };
	struct wire_replay_stats s;
	uint32_t crc;

	used = 0;
	section();
	interface(1, 0, -1, 4, 0);
	enhanced(0, 0, 1, 104, 104, 0);
	crc = crc32(0, image + used - 108, 100);
	memcpy(image + used - 8, &crc, 4);
	enhanced(0, 0, 2, 104, 104, 0); /* a wrong one */
	enhanced(0, 0, 3, 50, 104, 0);  /* truncated: unknown */
	enhanced(0, 0, 4, 50, 104, 1u << 24);
	s = replayed(4, len, flags);
	assert_int_equal(s.bad_fcs, 2);
	assert_int_equal(s.filled, 2);

	used = 0;
	section();
	interface(1, 0, -1, 4, 0);
	enhanced(0, 0, 1, 17, 17, 0); /* 13 without the FCS */
	enhanced(0, 0, 1, 3, 3, 0);   /* less than an FCS */
	s = replayed(0, NULL, NULL);
	assert_int_equal(s.too_short, 2);
}

/* pcapng, section 4.3: bits 24 to 31 of a packet's flags are errors that its receiver saw. */
static void
error_that_the_receiver_saw_is_sent_as_a_bad_fcs(void **state)
{
	static const uint32_t len[] = { 100, 100, 100, 100, 100, 100, 100, 100 };
	static const uint32_t flags[] = {
		[0] = M82576_FRAME_BAD_FCS, /* FCS */
		[1] = 0,                    /* the frame is not too long */
		[2] = 0,                    /* the frame is not too short */
		[3] = 0,                    /* a gap */
		[4] = M82576_FRAME_BAD_FCS, /* unaligned */
		[5] = M82576_FRAME_BAD_FCS, /* start frame delimiter */
		[6] = M82576_FRAME_BAD_FCS, /* preamble */
		[7] = M82576_FRAME_BAD_FCS, /* symbol */
	};
	struct wire_replay_stats s;
	unsigned int i;

	used = 0;
	section();
	interface(1, 0, -1, -1, 0);
	for (i = 0; i < 8; i++)
		enhanced(0, 0, i, 100, 100, 1u << (24 + i));
	enhanced(0, 0, 8, 13, 13, 1u << 26);
	enhanced(0, 0, 9, WIRE_FRAME_MAX + 1, WIRE_FRAME_MAX + 1, 1u << 25);
	s = replayed(8, len, flags);
	assert_int_equal(s.bad_fcs, 5);
	assert_int_equal(s.too_short, 1);
	assert_int_equal(s.too_long, 1);
}

static void
empty_file_replays_nothing(void **state)
{
	pcap_head(0xA1B2C3D4, 1);
	replayed(0, NULL, NULL);
	used = 0;
	section();
	replayed(0, NULL, NULL);
	interface(113, 0, -1, -1, 0);
	replayed(0, NULL, NULL);
}

static void
file_of_another_link_type_is_refused(void **state)
{
	char wire_err[WIRE_ERR_LEN];
	struct wire_source *src;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (i == 2) {
			used = 0;
			section();
			interface(1, 0, -1, -1, 0);
			interface(101, 0, -1, -1, 0);
			enhanced(1, 0, 1, 100, 100, 0);
		} else {
			pcap_head(0xA1B2C3D4, 101);
			if (i == 1)
				pcap_record(0, 0, 1, 100, 100);
		}
		save();
		assert_true(wire_pcap_open_source(path, &src, wire_err) < 0);
		assert_non_null(strstr(wire_err, "no Ethernet frames (link type 101)"));
	}
	assert_int_equal(wire_pcap_failures(), 0);
}

static void
file_that_breaks_off_is_found_when_it_is_opened(void **state)
{
	char wire_err[WIRE_ERR_LEN];
	struct wire_source *src;
	unsigned int i;

	pcap_head(0xA1B2C3D4, 1);
	for (i = 0; i < 5000; i++)
		pcap_record(0, 0, i, 100, 100);
	used--;
	save();
	assert_true(wire_pcap_open_source(path, &src, wire_err) < 0);
	assert_non_null(strstr(wire_err, path));
	assert_non_null(strstr(wire_err, "breaks off"));
	assert_int_equal(wire_pcap_failures(), 0);
}

/* If a file becomes shorter after it was opened, the replay ends, and counts as a failure. */
static void
file_that_shrinks_later_breaks_the_replay(void **state)
{
	struct wire_replay_stats stats;
	char wire_err[WIRE_ERR_LEN];
	struct wire_source *src;
	struct m82576_frame frame;
	unsigned int i, n = 0;

	pcap_head(0xA1B2C3D4, 1);
	for (i = 0; i < 9000; i++)
		pcap_record(0, 0, i, 100, 100);
	save();
	assert_int_equal(wire_pcap_open_source(path, &src, wire_err), 0);
	assert_int_equal(truncate(path, used - 50), 0);
	while (src->next(src, 0, &frame, 1, 0))
		n++;
	assert_int_equal(n, 8999);
	wire_pcap_get_stats(src, &stats);
	assert_true(stats.broken);
	assert_int_equal(wire_pcap_failures(), 1);
	src->close(src);
}

static int
make_file(void **state)
{
	int fd = mkstemp(path);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int
remove_file(void **state)
{
	unlink(path);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pcap_is_read_in_both_orders_and_resolutions),
		cmocka_unit_test(pcap_with_longer_record_headers_is_read),
		cmocka_unit_test(pcap_header_has_the_fcs_length),
		cmocka_unit_test(pcapng_is_read_in_both_orders),
		cmocka_unit_test(gzip_is_read),
		cmocka_unit_test(gzip_of_several_members_is_read_and_its_checksum_checked),
		cmocka_unit_test(simple_packet_is_whole_without_a_snapshot_length),
		cmocka_unit_test(file_that_breaks_off_is_an_error_wherever),
		cmocka_unit_test(malformed_blocks_are_errors),
		cmocka_unit_test(mutated_files_end_or_are_errors),
		cmocka_unit_test(written_file_is_read_by_libpcap),
		cmocka_unit_test(records_that_are_no_frames_are_left_out_and_counted),
		cmocka_unit_test(records_left_out_in_one_turn_are_limited),
		cmocka_unit_test(fcs_is_stripped_and_a_wrong_one_is_sent_as_wrong),
		cmocka_unit_test(error_that_the_receiver_saw_is_sent_as_a_bad_fcs),
		cmocka_unit_test(empty_file_replays_nothing),
		cmocka_unit_test(file_of_another_link_type_is_refused),
		cmocka_unit_test(file_that_breaks_off_is_found_when_it_is_opened),
		cmocka_unit_test(file_that_shrinks_later_breaks_the_replay),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
