/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The capture reader of lib/igb_model (capture_read.c, capture_file.c), on invalid files.
 *
 * The input is one byte, then the file. If bit 0 of the byte is set, the target compresses the
 * rest with gzip, so that the fuzzer also reaches the code behind a checksum that it cannot
 * guess. If bit 1 is also set, the target truncates the compressed file, at a place that the
 * upper bits select. If bit 1 alone is set, the target compresses the rest with Zstandard, and
 * truncates the file unless the upper bits are 0. The reader decompresses a file that begins with
 * the magic number of gzip or Zstandard in any case.
 *
 * Beyond memory safety, the target watches that
 * - a rewound capture yields the same records again,
 * - every error has a message,
 * - the caller may write to all of a record's buffer.
 */

#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "capture.h"
#include "fuzz.h"

#define FILE_MAX 65536

static int file;
static char path[32];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	file = memfd_create("capture", MFD_CLOEXEC);
	MUST(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return 0;
}

static size_t
compress_gzip(const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
	z_stream z = {
		.next_in = (uint8_t *)(uintptr_t)data,
		.avail_in = (unsigned int)size,
		.next_out = out,
		.avail_out = (unsigned int)room,
	};

	/* A fast level; 16 more window bits select the header and checksum of gzip. */
	MUST(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	MUST(deflate(&z, Z_FINISH) == Z_STREAM_END);
	MUST(deflateEnd(&z) == Z_OK);
	return room - z.avail_out;
}

static size_t
compress_zstd(const uint8_t *data, size_t size, uint8_t *out, size_t room)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();

	MUST(ctx != NULL);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, 1);
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1);
	size = ZSTD_compress2(ctx, out, room, data, size);
	MUST(!ZSTD_isError(size));
	ZSTD_freeCCtx(ctx);
	return size;
}

/**
 * Read to the end, or to the first error.
 *
 * @return a digest of all records and of the reader's offset
 */
static uint64_t
read_all(struct capture *capture)
{
	struct capture_record r;
	uint64_t sum = 14695981039346656037u;
	int ret;

	while ((ret = capture_next(capture, &r)) > 0) {
		uint32_t captured = r.caplen < CAPTURE_KEEP ? r.caplen : CAPTURE_KEEP;

		if (ret == CAPTURE_AGAIN)
			continue;
		for (uint32_t i = 0; i < captured; i++)
			sum = (sum ^ r.data[i]) * 1099511628211u;
		sum = (sum ^ r.len ^ r.link_type ^ r.ts_ns ^ r.fcs_len ^ r.errored) *
				1099511628211u;
		/* The caller may write to the whole buffer. */
		r.data[0] = r.data[CAPTURE_KEEP - 1] = 0;
	}
	if (ret < 0)
		MUST(capture_error(capture)[0] != '\0');
	return sum ^ capture_offset(capture);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t compressed[FILE_MAX + 1024];
	struct capture *capture;
	char err[256];
	uint64_t sum;
	uint8_t how;

	if (size < 1 || size > FILE_MAX)
		return 0;
	how = *data++;
	size--;
	if (how & 1)
		size = compress_gzip(data, size, compressed, sizeof(compressed));
	else if (how & 2)
		size = compress_zstd(data, size, compressed, sizeof(compressed));
	if (how & 3)
		data = compressed;
	if ((how & 3) == 3 || ((how & 3) == 2 && how >> 2 != 0))
		size = size * (how >> 2) / 64;
	MUST(ftruncate(file, 0) == 0);
	MUST(pwrite(file, data, size, 0) == (ssize_t)size);
	if (capture_open(path, &capture, err, sizeof(err)) != 0) {
		MUST(err[0] != '\0');
		return 0;
	}
	sum = read_all(capture);
	if (capture_rewind(capture) == 0)
		MUST(read_all(capture) == sum);
	capture_close(capture);
	return 0;
}
