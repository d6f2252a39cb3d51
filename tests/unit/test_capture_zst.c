/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Captures compressed with Zstandard, which the tests compress through libzstd, or compose byte by
 * byte where libzstd would write no such frame.
 */

#include <malloc.h>

#include <zstd.h>

#include "capture_files.h"

#define PCAP_HEAD 24
#define RECORD    16 /* its header */
#define CHECKSUM  4  /* bytes at the end of a frame */

/* Frames under construction. */
static uint8_t frames[sizeof(image) + 4096];
static size_t size;

ssize_t __real_read(int fd, void *buf, size_t len);
ssize_t __wrap_read(int fd, void *buf, size_t len);

ssize_t
__wrap_read(int fd, void *buf, size_t len)
{
	errno = read_errno;
	return read_errno != 0 ? -1 : __real_read(fd, buf, len);
}

static void
save_frames(void)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(frames, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void
append(const void *bytes, size_t len)
{
	assert_true(len <= sizeof(frames) - size);
	memcpy(frames + size, bytes, len);
	size += len;
}

/* Append a frame with the image and a checksum, and empty the image. */
static void
append_image(void)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	size_t len;

	assert_non_null(ctx);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	len = ZSTD_compress2(ctx, frames + size, sizeof(frames) - size, image, used);
	assert_false(ZSTD_isError(len));
	ZSTD_freeCCtx(ctx);
	size += len;
	used = 0;
}

/* Append a skippable frame of up to 255 bytes. */
static void
append_skippable(uint8_t kind, uint8_t len)
{
	const uint8_t head[] = { 0x50 | kind, 0x2A, 0x4D, 0x18, len, 0, 0, 0 };

	append(head, sizeof(head));
	append(image, len); /* its content, which may be anything */
}

/*
 * Append a frame whose header has these bytes behind the magic number, with the image as a stored
 * block, and empty the image (RFC 8878, section 3.1.1). The last block ends the frame.
 */
static void
append_stored(const void *header, size_t len, bool last)
{
	const uint32_t block = used << 3 | last;

	append("\x28\xB5\x2F\xFD", 4);
	append(header, len);
	append(&block, 3);
	append(image, used);
	used = 0;
}

/* Begin a file with one frame: a pcap file with a record for each number up to nr. */
static void
one_frame(unsigned int nr)
{
	unsigned int i;

	size = 0;
	pcap_head(0xA1B2C3D4, 1);
	for (i = 1; i <= nr; i++)
		pcap_record(i, 0, i, 60, 60);
	append_image();
}

static void
both_formats_are_read_and_rewound(void **state)
{
	struct capture *c;
	int ng, turn;

	for (ng = 0; ng < 2; ng++) {
		one_frame(2);
		if (ng) {
			size = 0;
			begin_ng();
			enhanced(0, 0, 1, 60, 60, 0);
			enhanced(0, 0, 2, 60, 60, 0);
			append_image();
		}
		save_frames();
		c = opened();
		assert_int_equal(capture_link_type(c), ng ? -1 : 1);
		for (turn = 0; turn < 2; turn++) {
			assert_int_equal(capture_offset(c), ng ? 0 : PCAP_HEAD);
			assert_int_equal(next(c).data[0], 1);
			assert_int_equal(next(c).data[0], 2);
			assert_int_equal(capture_rewind(c), 0);
		}
		/* From the middle of a frame. */
		assert_int_equal(next(c).data[0], 1);
		assert_int_equal(capture_rewind(c), 0);
		assert_int_equal(next(c).data[0], 1);
		assert_int_equal(next(c).data[0], 2);
		end_of(c);
	}
}

/* Nothing remains of the frame that was being read. */
static void
rewound_file_that_was_emptied_is_empty(void **state)
{
	struct capture *c;

	one_frame(2);
	save_frames();
	c = opened();
	next(c);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(capture_rewind(c), -EINVAL);
	assert_string_equal(capture_error(c),
			"is empty: it has no capture header, decompressed byte 0");
	capture_close(c);
}

/* As often as a caller asks. */
static void
end_of_file_remains_the_end(void **state)
{
	struct capture_record r;
	struct capture *c;
	int i;

	one_frame(1);
	save_frames();
	c = opened();
	next(c);
	for (i = 0; i < 100; i++)
		assert_int_equal(capture_next(c, &r), 0);
	capture_close(c);
}

/* Frames divide a file anywhere, also within a record. Empty and skippable ones add nothing. */
static void
frames_follow_one_another(void **state)
{
	uint8_t whole[PCAP_HEAD + 2 * (RECORD + 60)];
	struct capture *c;
	size_t at;

	pcap_head(0xA1B2C3D4, 1);
	pcap_record(1, 0, 1, 60, 60);
	pcap_record(2, 0, 2, 60, 60);
	assert_int_equal(used, sizeof(whole));
	memcpy(whole, image, used);
	for (at = 0; at <= sizeof(whole); at++) {
		size = 0;
		append_skippable(at & 15, at);
		used = 0;
		put(whole, at);
		append_image();
		append_skippable(15, 0);
		put(whole + at, sizeof(whole) - at);
		append_image();
		append_skippable(0, 255);
		save_frames();
		c = opened();
		assert_int_equal(next(c).data[0], 1);
		assert_int_equal(next(c).data[59], 0x5A);
		assert_int_equal(capture_offset(c), sizeof(whole));
		end_of(c);
	}
}

/* More compressed bytes than the reader has a buffer for, in records longer than it keeps. */
static void
long_incompressible_file_is_read(void **state)
{
	enum { NR = 12, LEN = CAPTURE_KEEP + 4099 };
	static uint8_t sent[NR][CAPTURE_KEEP];
	struct capture_record r;
	struct capture *c;
	int i, k;

	srand(1);
	size = 0;
	pcap_head(0xA1B2C3D4, 1);
	for (i = 0; i < NR; i++) {
		pcap_record(0, 0, i, LEN, LEN);
		for (k = 0; k < LEN; k++)
			image[used - LEN + k] = rand();
		memcpy(sent[i], image + used - LEN, CAPTURE_KEEP);
	}
	append_image();
	assert_true(size > 3 * 262144);
	save_frames();
	c = opened();
	for (i = 0; i < NR; i++) {
		r = next(c);
		assert_int_equal(r.caplen, LEN);
		assert_memory_equal(r.data, sent[i], CAPTURE_KEEP);
	}
	end_of(c);
}

/*
 * Read the file that was cut.
 *
 * @param[out] records  those that one_frame() wrote, until the first one that differs
 * @return the error, or NULL: the file ends
 */
static const char *
cut(size_t len, unsigned int *records)
{
	struct capture_record r;
	struct capture *c;
	uint8_t data[60];
	int ret;

	*records = 0;
	memset(data, 0x5A, sizeof(data));
	assert_int_equal(truncate(path, len), 0);
	if (capture_open(path, &c, err, sizeof(err)) != 0)
		return err;
	while ((ret = capture_next(c, &r)) == 1) {
		data[0] = *records + 1;
		if (r.caplen == 60 && r.len == 60 && r.ts_ns == data[0] * NS &&
				memcmp(r.data, data, 60) == 0)
			++*records;
	}
	snprintf(err, sizeof(err), "%s", capture_error(c));
	capture_close(c);
	return ret == 0 ? NULL : err;
}

static void
file_that_breaks_off_is_an_error_except_between_frames(void **state)
{
	size_t len, first, second, third;
	unsigned int records;
	const char *why;

	one_frame(1);
	first = size;
	pcap_record(2, 0, 2, 60, 60);
	append_image();
	second = size;
	append_skippable(0, 9);
	third = size;
	for (len = third; len >= 4; len--) {
		save_frames();
		why = cut(len, &records);
		if (len == first || len == second || len == third) {
			assert_null(why);
			assert_int_equal(records, len == first ? 1 : 2);
			continue;
		}
		assert_non_null(why);
		assert_non_null(strstr(why, "the compressed file breaks off, decompressed byte "));
		/* Without the checksum, the records are complete. */
		assert_in_range(records, len > second, 2);
		if (len >= second - CHECKSUM)
			assert_string_equal(why,
					"the compressed file breaks off, decompressed byte 176");
	}
	/* Less than a magic number is no Zstandard. */
	save_frames();
	assert_string_equal(cut(3, &records), "the file breaks off, at byte 3");
}

static void
damaged_file_is_an_error(void **state)
{
	unsigned int records, ignored = 0;
	size_t at;

	one_frame(2);
	frames[size - 1] ^= 1;
	save_frames();
	assert_string_equal(cut(size, &records),
			"cannot be read: Restored data doesn't match checksum, decompressed byte 116");
	assert_int_equal(records, 1);
	one_frame(2);
	append("what follows", 12);
	save_frames();
	assert_string_equal(cut(size, &records),
			"cannot be read: Unknown frame descriptor, decompressed byte 176");
	assert_int_equal(records, 2);
	/* Some bits have no meaning. The checksum detects each one that changes the content. */
	for (at = 0; at < size; at++) {
		one_frame(20);
		frames[at] ^= 1 << at % 8;
		save_frames();
		if (cut(size, &records) == NULL) {
			assert_int_equal(records, 20);
			ignored++;
		}
	}
	assert_in_range(ignored, 0, size / 8);
}

/* The stated window decides, whatever the data refers to. */
static void
windows_up_to_a_limit_are_read(void **state)
{
	/*
	 * Without a size of the content: 10 and an exponent in the upper 5 bits, and eighths in the
	 * lower 3. A single segment of a size of 4 bytes has no window but its content.
	 */
	static const struct {
		uint8_t header[5], len;
		bool fits;
	} of[] = {
		{ { 0x00, 17 << 3 }, 2, true },      /* 2^27 bytes */
		{ { 0x00, 17 << 3 | 1 }, 2, false }, /* an eighth more */
		{ { 0x00, 18 << 3 }, 2, false },
		{ { 0x00, 31 << 3 | 7 }, 2, false }, /* more than libzstd has ever permitted */
		{ { 0xA0, 0, 0, 0, 8 }, 5, true },
		{ { 0xA0, 1, 0, 0, 8 }, 5, false },
	};
	struct capture_record r;
	struct capture *c;
	unsigned int i;

	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		one_frame(1);
		pcap_record(2, 0, 2, 60, 60);
		append_stored(of[i].header, of[i].len, false);
		save_frames();
		c = opened();
		next(c);
		if (of[i].fits) {
			assert_int_equal(next(c).data[0], 2);
			capture_close(c);
			continue;
		}
		assert_int_equal(capture_next(c, &r), -EINVAL);
		assert_string_equal(capture_error(c),
				"a frame has a window above 128 MiB (zstd --long=27 makes none), "
				"decompressed byte 100");
		capture_close(c);
	}
}

/* Bytes that the heap has given out. Sanitizers replace the heap: 0. */
static size_t
heap(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* The polling thread reads: neither a larger window nor many small ones make it allocate. */
static void
reading_allocates_nothing(void **state)
{
	static const uint8_t small[] = { 0, 0 }, large[] = { 0, 17 << 3 };
	struct capture_record r;
	struct capture *c;
	size_t before;
	unsigned int i;

	one_frame(1);
	for (i = 0; i < 300; i++) {
		pcap_record(0, 0, 1, 60, 60);
		append_stored(i == 150 ? large : small, 2, true);
	}
	save_frames();
	before = heap();
	c = opened();
	if (before != 0)
		assert_true(heap() - before > 128 << 20);
	before = heap();
	for (i = 0; i < 301; i++) {
		assert_int_equal(capture_next(c, &r), 1);
		if (heap() != before)
			fail_msg("record %u: %zu bytes", i, heap() - before);
	}
	end_of(c);
}

static void
file_that_cannot_be_read_is_an_error(void **state)
{
	struct capture *c;

	one_frame(2);
	save_frames();
	read_errno = EIO;
	refused(-EINVAL, "cannot be read: Input/output error, decompressed byte 0");
	read_errno = 0;
	c = opened();
	capture_close(c);
}

static void
compressed_files_that_are_no_captures_are_refused(void **state)
{
	size = used = 0;
	append_skippable(0, 3);
	save_frames();
	refused(-EINVAL, "is empty: it has no capture header, decompressed byte 0");
	put("hello, world", 12);
	append_image();
	save_frames();
	refused(-EINVAL,
			"is no capture: neither pcap nor pcapng, plain, with gzip or with "
			"Zstandard, decompressed byte 4");
	/* A skippable frame begins with one of sixteen numbers. */
	frames[0] = 0x4F;
	save_frames();
	refused(-EINVAL,
			"is no capture: neither pcap nor pcapng, plain, with gzip or with "
			"Zstandard, at byte 4");
}

/* The check at the start finds what is wrong. */
static void
replay_of_a_damaged_file_is_refused(void **state)
{
	struct wire_source *src;
	struct m82576_frame frame;
	char expected[WIRE_ERR_LEN];

	one_frame(2);
	save_frames();
	assert_int_equal(wire_pcap_open_source(path, &src, err), 0);
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 1);
	assert_int_equal(frame.data[0], 1);
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 1);
	assert_int_equal(frame.data[0], 2);
	assert_int_equal(src->next(src, 0, &frame, 1, 0), 0);
	assert_false(src->pending(src));
	src->close(src);
	assert_int_equal(truncate(path, size - 1), 0);
	assert_int_equal(wire_pcap_open_source(path, &src, err), -EINVAL);
	snprintf(expected, sizeof(expected),
			"capture %s: the compressed file breaks off, decompressed byte 176: repair "
			"the file",
			path);
	assert_string_equal(err, expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FILES(both_formats_are_read_and_rewound),
		FILES(rewound_file_that_was_emptied_is_empty),
		FILES(end_of_file_remains_the_end),
		FILES(frames_follow_one_another),
		FILES(long_incompressible_file_is_read),
		FILES(file_that_breaks_off_is_an_error_except_between_frames),
		FILES(damaged_file_is_an_error),
		FILES(windows_up_to_a_limit_are_read),
		FILES(reading_allocates_nothing),
		FILES(file_that_cannot_be_read_is_an_error),
		FILES(compressed_files_that_are_no_captures_are_refused),
		FILES(replay_of_a_damaged_file_is_refused),
	};

	return cmocka_run_group_tests_name("capture_zst", tests, make_folder, remove_folder);
}
