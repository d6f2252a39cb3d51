/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The limits of capture files, each tested on both sides: the places that error messages name, the
 * largest records, blocks and counts, and files that cannot be read.
 */

#include "capture_files.h"

#define SPAN_MAX (128u << 20) /* bytes of the longest record */

static void
errors_name_the_byte_up_to_which_the_file_was_read(void **state)
{
	struct capture *c;
	struct stat st;

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 60, 60);
	used -= 50;
	broken(saved(), "the file breaks off, at byte 50");
	used = 24 + 16 + 60;
	save_compressed();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, st.st_size - 1), 0);
	c = opened();
	next(c);
	broken(c, "the compressed file breaks off, decompressed byte 100");
	begin_ng();
	enhanced(1, 0, 1, 60, 60, 0);
	broken(saved(), "malformed: a packet of interface 1, and there are 1, at byte 88");
	/* An option of one byte, which ends in the middle of a word. */
	used = 0;
	section();
	interface(1, 0, 20, -1, 0);
	broken(saved(), "malformed: a time stamp's resolution of 10^-20 s, at byte 60");
	used = 0;
	section();
	interface(1, 0, 0x80 | 64, -1, 0);
	broken(saved(), "malformed: a time stamp's resolution of 2^-64 s, at byte 60");
	begin_ng();
	image[used - 4]++;
	broken(saved(), "malformed: a block's two lengths differ (32 and 33), at byte 60");
}

static void
offset_counts_bytes_from_the_beginning(void **state)
{
	struct capture *c;

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 60, 60);
	c = saved();
	assert_int_equal(capture_link_type(c), 1);
	assert_int_equal(capture_offset(c), 24);
	next(c);
	assert_int_equal(capture_offset(c), 100);
	assert_int_equal(capture_rewind(c), 0);
	assert_int_equal(capture_offset(c), 24);
	capture_close(c);
	begin_ng();
	enhanced(0, 0, 1, 60, 60, 0);
	c = saved();
	assert_int_equal(capture_link_type(c), -1);
	assert_int_equal(capture_offset(c), 0);
	next(c);
	assert_int_equal(capture_offset(c), used);
	assert_int_equal(capture_rewind(c), 0);
	assert_int_equal(capture_offset(c), 0);
	capture_close(c);
	capture_close(NULL);
}

/* The reader keeps 64 KiB of a record, and continues behind all of it. */
static void
records_are_kept_up_to_a_limit(void **state)
{
	static const uint32_t lens[] = { CAPTURE_KEEP - 1, CAPTURE_KEEP, CAPTURE_KEEP + 1,
		CAPTURE_KEEP + 4095, CAPTURE_KEEP + 4096, CAPTURE_KEEP + 4097 };
	struct capture_record r;
	struct capture *c;
	unsigned int i;

	pcap_head(0xA1B2C3D4, 1);
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		pcap_record(0, 0, i, lens[i], lens[i]);
		image[used - lens[i] + CAPTURE_KEEP - 2] = 0xA0;
		pcap_record(0, 0, 100 + i, 60, 60);
	}
	c = saved();
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		r = next(c);
		assert_int_equal(r.caplen, lens[i]);
		assert_int_equal(r.data[CAPTURE_KEEP - 2], 0xA0);
		assert_int_equal(r.data[CAPTURE_KEEP - 3], 0x5A);
		assert_int_equal(next(c).data[0], 100 + i);
	}
	end_of(c);
	/* A length that no record has. */
	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 0, SPAN_MAX);
	memcpy(image + 32, &(uint32_t){ SPAN_MAX }, 4);
	broken(saved(), "the file breaks off, at byte 40");
	memcpy(image + 32, &(uint32_t){ SPAN_MAX + 1 }, 4);
	broken(saved(), "malformed: a record of 134217729 bytes, at byte 40");
}

static void
time_stamps_are_exact_in_every_resolution(void **state)
{
	static const struct {
		int tsresol;
		uint64_t ticks, ns;
	} t[] = {
		{ -1, 7999999, 7999999000 },
		{ 0, 5, 5 * NS },
		{ 6, 1234567, 1234567000 },
		{ 9, 1234567891, 1234567891 },
		{ 10, 12345678919, 1234567891 },
		{ 19, 1999999999999999999, 199999999 },
		{ 0x80, 5, 5 * NS },
		{ 0x81, 3, NS + NS / 2 },
		{ 0x80 | 30, (3u << 29) - 1, NS + NS / 2 - 1 },
		{ 0x80 | 63, 3ull << 62, NS + NS / 2 },
	};
	struct capture *c;
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		used = 0;
		section();
		interface(1, 0, t[i].tsresol, -1, 0);
		enhanced(0, t[i].ticks, 1, 60, 60, 0);
		c = saved();
		assert_int_equal(next(c).ts_ns, t[i].ns);
		end_of(c);
	}
	pcap_head(0xA1B23C4D, 1);
	pcap_record(3, 999999999, 1, 60, 60);
	c = saved();
	assert_int_equal(next(c).ts_ns, 3999999999);
	end_of(c);
}

/* An option of another length than its kind has is as absent. */
static void
options_of_a_wrong_length_are_skipped(void **state)
{
	static const uint8_t ones[16] = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 };
	static const uint16_t lens[] = { 0, 2, 3, 4, 5, 7, 9, 12, 13, 16 };
	struct capture_record r;
	struct capture *c;
	unsigned int i;
	size_t at;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		used = 0;
		section();
		at = begin(1);
		put16(1);
		put16(0);
		put32(0);
		option(9, ones, lens[i]);
		option(13, ones, lens[i]);
		option(14, ones, lens[i]);
		if (i % 2) /* the end may be marked, or not */
			option(0, "", 0);
		end(at);
		at = begin(6);
		put32(0);
		put32(0);
		put32(2000000);
		put32(64);
		put32(64);
		put_bytes(i, 64);
		option(2, ones, lens[i] == 4 ? 5 : lens[i]);
		end(at);
		simple(77, 60, 60);
		c = saved();
		r = next(c);
		assert_int_equal(r.data[0], i);
		assert_int_equal(r.ts_ns, 2 * NS);
		assert_int_equal(r.fcs_len, 0);
		assert_false(r.errored);
		r = next(c);
		assert_int_equal(r.data[0], 77);
		assert_int_equal(r.fcs_len, 0);
		assert_false(r.errored);
		end_of(c);
	}
	/* An option ends with its block, or goes beyond it by a word. */
	for (i = 0; i < 2; i++) {
		used = 0;
		section();
		at = begin(1);
		put16(1);
		put16(0);
		put32(0);
		option(2, ones, 8);
		image[used - 10] = 8 + i; /* its length */
		end(at);
		if (i == 0)
			end_of(saved());
		else
			broken(saved(), "malformed: an option goes beyond its block, at byte 48");
	}
}

/* An error that the receiver saw, or an FCS, belongs to one packet and not to the next. */
static void
flags_belong_to_their_packet(void **state)
{
	struct capture_record r;
	struct capture *c;

	used = 0;
	section();
	interface(1, 60, -1, 2, 0);
	enhanced(0, 0, 1, 64, 64, 1u << 24 | 4u << 5);
	enhanced(0, 0, 2, 64, 64, 0);
	obsolete(0, 0, 3, 64, 64);
	simple(4, 60, 60);
	simple(5, 60, 61);
	simple(6, 59, 59);
	c = saved();
	r = next(c);
	assert_true(r.errored);
	assert_int_equal(r.fcs_len, 4);
	for (unsigned int i = 2; i < 7; i++) {
		r = next(c);
		assert_int_equal(r.data[0], i);
		assert_false(r.errored);
		assert_int_equal(r.fcs_len, 2);
		assert_int_equal(r.link_type, 1);
		assert_int_equal(r.caplen, i < 4 ? 64 : i < 6 ? 60 : 59);
	}
	end_of(c);
	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 60, 60);
	c = saved();
	memset(&r, 0xFF, sizeof(r));
	assert_int_equal(capture_next(c, &r), 1);
	assert_false(r.errored);
	end_of(c);
}

/* Units of 16 bits; 2 and 4 are the FCS of Ethernet, in these units or in bytes. */
static void
fcs_lengths_of_a_pcap_header_are_exact(void **state)
{
	static const uint32_t bytes[16] = { 0, 2, 4, 6, 4, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
		30 };
	struct capture *c;

	for (uint32_t i = 0; i < 16; i++) {
		pcap_head(0xA1B2C3D4, i << 28 | 1u << 26 | 1);
		pcap_record(0, 0, 1, 64, 64);
		c = saved();
		assert_int_equal(next(c).fcs_len, bytes[i]);
		end_of(c);
	}
}

static void
versions_and_block_lengths_that_do_not_exist_are_refused(void **state)
{
	size_t at;

	pcap_head(0xA1B2C3D4, 1);
	image[4] = 3;
	save();
	refused(-EINVAL, "pcap version 3.4 is not supported: convert it to 2.4, at byte 24");
	used = 0;
	section();
	image[12] = 2;
	broken(saved(), "pcapng version 2.0 is not supported, at byte 24");
	image[12] = 1;
	end_of(saved());
	image[4] = 24; /* the length of the section's header */
	broken(saved(), "malformed: a block of 24 bytes, at byte 12");
	used = 0;
	section();
	unknown(0); /* 12 bytes, the shortest */
	at = used;
	unknown(0);
	end_of(saved());
	image[at + 4] = 8;
	broken(saved(), "malformed: a block of 8 bytes, at byte 48");
	/* Packets without an interface, and blocks without room for their first words. */
	used = 0;
	section();
	simple(1, 60, 60);
	broken(saved(), "malformed: a packet of interface 0, and there are 0, at byte 40");
	for (unsigned int i = 0; i < 3; i++) {
		begin_ng();
		at = begin((const uint32_t[]){ 6, 2, 3 }[i]);
		if (i < 2) {
			put32(0);
			put32(0);
			put32(0);
			put32(0);
		}
		end(at);
		broken(saved(), "malformed: a block is too short for its contents, at byte 68");
	}
}

static void
blocks_without_a_packet_are_limited_in_one_call(void **state)
{
	struct capture_record r;
	struct capture *c;
	unsigned int n, i;

	for (n = 15; n < 17; n++) {
		used = 0;
		section();
		interface(1, 0, -1, -1, 0);
		for (i = 2; i < n; i++)
			unknown(i % 4);
		enhanced(0, 0, 1, 60, 60, 0);
		c = saved();
		assert_int_equal(capture_next(c, &r), n < 16 ? 1 : CAPTURE_AGAIN);
		if (n == 16)
			next(c);
		end_of(c);
	}
}

static void
interfaces_are_limited_in_number(void **state)
{
	/* The shortest description of an interface. */
	static const uint32_t idb[] = { 1, 20, 1, 0, 20 };
	struct capture_record r;
	struct capture *c;
	unsigned int n, i;
	FILE *file;
	int ret;

	for (n = 65536; n < 65538; n++) {
		file = fopen(path, "wb");
		assert_non_null(file);
		used = 0;
		section();
		fwrite(image, 1, used, file);
		for (i = 0; i < n; i++)
			fwrite(idb, sizeof(idb), 1, file);
		used = 0;
		enhanced(65535, 0, 1, 60, 60, 0);
		fwrite(image, 1, used, file);
		assert_int_equal(fclose(file), 0);
		c = opened();
		while ((ret = capture_next(c, &r)) == CAPTURE_AGAIN)
			;
		assert_int_equal(ret, n == 65536 ? 1 : -EINVAL);
		if (n > 65536)
			assert_string_equal(capture_error(c),
					"more than 65536 interfaces, at byte 1310756");
		capture_close(c);
	}
	/* To rewind adds none. */
	pcap_head(0xA1B2C3D4, 1);
	c = saved();
	for (i = 0; i < 65537; i++)
		assert_int_equal(capture_rewind(c), 0);
	end_of(c);
}

/* A file that was written again in the meantime is read as what it is now. */
static void
rewound_file_is_read_anew(void **state)
{
	struct capture *c;

	begin_ng();
	enhanced(0, 0, 1, 60, 60, 0);
	c = saved();
	next(c);
	pcap_head(0xA1B2C3D4, 113);
	pcap_record(0, 0, 2, 60, 60);
	save();
	assert_int_equal(capture_rewind(c), 0);
	assert_int_equal(capture_link_type(c), 113);
	assert_int_equal(next(c).data[0], 2);
	used = 0;
	put("no capture", 10);
	save();
	assert_int_equal(capture_rewind(c), -EINVAL);
	rewind_errno = EIO;
	assert_int_equal(capture_rewind(c), -EINVAL);
	assert_string_equal(capture_error(c), "cannot be read again, at byte 0");
	capture_close(c);
}

static void
file_that_cannot_be_read_is_an_error(void **state)
{
	struct capture_record r;
	struct capture *c;
	FILE *file;

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(0, 0, 1, 60, 60);
	c = saved();
	read_errno = EIO;
	assert_int_equal(capture_next(c, &r), -EINVAL);
	assert_string_equal(capture_error(c), "cannot be read: Input/output error, at byte 24");
	capture_close(c);
	refused(-EINVAL, "cannot be read: Input/output error, at byte 0");
	read_errno = 0;
	/* zlib's own words name what is wrong. */
	save_compressed();
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, -8, SEEK_END), 0); /* the CRC */
	assert_int_equal(fwrite("\1\2\3\4", 4, 1, file), 1);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(capture_open(path, &c, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "cannot be read: "));
	assert_non_null(strstr(err, "incorrect data check"));
}

static void
files_that_are_no_captures_are_refused(void **state)
{
	unlink(path);
	refused(-ENOENT, "No such file or directory");
	assert_int_equal(mkfifo(path, 0600), 0);
	refused(-EINVAL, "not a regular file"); /* and nobody waits for its writer */
	unlink(path);
	used = 0;
	put("hello, world", 12);
	save();
	refused(-EINVAL,
			"is no capture: neither pcap nor pcapng, plain, with gzip or with "
			"Zstandard, at byte 4");
	used = 0;
	save();
	refused(-EINVAL, "is empty: it has no capture header, at byte 0");
	begin_ng(); /* which is read again from its first byte */
	save();
	rewind_errno = EIO;
	refused(-EINVAL, "cannot be read again, at byte 4");
	open_errno = ENOMEM;
	refused(-ENOMEM, "out of memory");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FILES(errors_name_the_byte_up_to_which_the_file_was_read),
		FILES(offset_counts_bytes_from_the_beginning),
		FILES(records_are_kept_up_to_a_limit),
		FILES(time_stamps_are_exact_in_every_resolution),
		FILES(options_of_a_wrong_length_are_skipped),
		FILES(flags_belong_to_their_packet),
		FILES(fcs_lengths_of_a_pcap_header_are_exact),
		FILES(versions_and_block_lengths_that_do_not_exist_are_refused),
		FILES(blocks_without_a_packet_are_limited_in_one_call),
		FILES(interfaces_are_limited_in_number),
		FILES(rewound_file_is_read_anew),
		FILES(file_that_cannot_be_read_is_an_error),
		FILES(files_that_are_no_captures_are_refused),
	};

	return cmocka_run_group_tests_name("wire_capture", tests, make_folder, remove_folder);
}
