/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The bytes of a capture file.
 *
 *    file --+--> gzread() ----------------------------+--> capture_file_read()
 *           +--> read() --> ZSTD_decompressStream() --+
 *
 * The first four bytes decide, because the name of a file may be anything: zstd_read() serves files
 * with Zstandard (RFC 8878), gz_read() all others. zlib recognizes gzip, and returns a plain file
 * as it is.
 *
 * A file with Zstandard is a sequence of frames, some of which are skippable: they have no content,
 * and cost the time to read them. Each frame states its window, the distance to which its data
 * refer back, and the decoder needs memory for all of it. The limit is WINDOW_MAX, the largest
 * window that the program zstd decompresses without an option; all its levels, and --long, stay
 * within it. All memory is allocated when the file is opened, because the polling thread that reads
 * the file may wait for nothing, and a later frame may have a larger window than the first. Pages
 * that no window needs are never touched, so the kernel provides none for them.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
/* For a decoder in memory of the caller, which libzstd has had since 1.3. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>
#include <zstd_errors.h>

#include "capture_file.h"

#define BUFFER         262144
#define WINDOW_LOG_MAX 27
#define WINDOW_MAX     ((size_t)1 << WINDOW_LOG_MAX) /* 128 MiB */

struct zstd {
	ZSTD_DStream *stream; /* in memory */
	ZSTD_inBuffer in;     /* bytes of buffer that the decoder has not taken yet */
	bool in_frame;        /* the file must not end here */
	bool drained;         /* the decoder has no output that the caller has not got */
	uint8_t buffer[BUFFER];
	uint64_t memory[]; /* of 64 bits, for the alignment that libzstd requires */
};

struct capture_file {
	int fd;
	gzFile gz;         /* owns fd; NULL: the file is compressed with Zstandard */
	struct zstd *zstd; /* NULL: it is not */
	char why[128];
};

/*
 * Plain files, and gzip.
 */

static uint32_t
gz_read(struct capture_file *f, void *buf, uint32_t n, const char **why)
{
	int got = gzread(f->gz, buf, n), code;
	const char *error;

	if ((uint32_t)got == n)
		return n;
	error = gzerror(f->gz, &code);
	if (code == Z_BUF_ERROR) {
		*why = "the compressed file breaks off";
	} else if (got < 0 || code != Z_OK) { /* some versions return what precedes the error */
		snprintf(f->why, sizeof(f->why), "cannot be read: %s",
				code == Z_ERRNO ? strerror(errno) : error);
		*why = f->why;
	}
	return got > 0 ? got : 0;
}

/*
 * Zstandard.
 */

static bool
is_zstd(int fd)
{
	uint8_t b[4];
	uint32_t magic;

	if (pread(fd, b, sizeof(b), 0) != sizeof(b))
		return false;
	magic = b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
	return magic == ZSTD_MAGICNUMBER ||
			(magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

/* Begin with the first frame of the file. */
static void
zstd_reset(struct zstd *z)
{
	ZSTD_DCtx_reset(z->stream, ZSTD_reset_session_only);
	z->in = (ZSTD_inBuffer){ .src = z->buffer };
	z->in_frame = false;
	z->drained = true;
}

/* Return NULL if there is no memory. */
static struct zstd *
zstd_new(void)
{
	const size_t size = ZSTD_estimateDStreamSize(WINDOW_MAX);
	struct zstd *z = malloc(sizeof(*z) + size);

	if (z == NULL)
		return NULL;
	z->stream = ZSTD_initStaticDStream(z->memory, size);
	ZSTD_DCtx_setParameter(z->stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
	zstd_reset(z);
	return z;
}

static const char *
zstd_error(struct capture_file *f, size_t ret)
{
	if (ZSTD_getErrorCode(ret) == ZSTD_error_frameParameter_windowTooLarge)
		snprintf(f->why, sizeof(f->why),
				"a frame has a window above %zu MiB (zstd --long=%d makes none)",
				WINDOW_MAX >> 20, WINDOW_LOG_MAX);
	else
		snprintf(f->why, sizeof(f->why), "cannot be read: %s", ZSTD_getErrorName(ret));
	return f->why;
}

static uint32_t
zstd_read(struct capture_file *f, void *buf, uint32_t n, const char **why)
{
	ZSTD_outBuffer out = { .dst = buf, .size = n };
	struct zstd *z = f->zstd;
	ssize_t got;
	size_t ret;

	while (out.pos < n) {
		if (z->drained && z->in.pos == z->in.size) {
			got = read(f->fd, z->buffer, sizeof(z->buffer));
			if (got < 0) {
				snprintf(f->why, sizeof(f->why), "cannot be read: %s",
						strerror(errno));
				*why = f->why;
			} else if (got == 0 && z->in_frame) {
				*why = "the compressed file breaks off";
			}
			if (got <= 0)
				break;
			z->in.size = got;
			z->in.pos = 0;
		}
		ret = ZSTD_decompressStream(z->stream, &out, &z->in);
		if (ZSTD_isError(ret)) {
			*why = zstd_error(f, ret);
			break;
		}
		z->in_frame = ret != 0;
		z->drained = ret == 0 || out.pos < n;
	}
	return out.pos;
}

/*
 * Both.
 */

/*
 * Open the file, and lock it. A pipe is refused, because it would stop its reader, and cannot be
 * rewound.
 *
 * @return its descriptor, or a negative errno value
 */
static int
open_regular(const char *path, char *err, size_t err_len)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), ret;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		ret = -errno;
		snprintf(err, err_len, "%s", strerror(-ret));
	} else if (!S_ISREG(st.st_mode)) {
		ret = -EINVAL;
		snprintf(err, err_len, "not a regular file");
	} else if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		ret = -EBUSY;
		snprintf(err, err_len, "another process records it");
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return ret;
}

int
capture_file_open(const char *path, struct capture_file **file, char *err, size_t err_len)
{
	struct capture_file *f;
	int fd = open_regular(path, err, err_len);

	if (fd < 0)
		return fd;
	f = calloc(1, sizeof(*f));
	if (f != NULL) {
		f->fd = fd;
		if (is_zstd(fd))
			f->zstd = zstd_new();
		else if ((f->gz = gzdopen(fd, "rb")) != NULL)
			gzbuffer(f->gz, BUFFER);
	}
	if (f == NULL || (f->gz == NULL && f->zstd == NULL)) {
		snprintf(err, err_len, "out of memory");
		close(fd);
		free(f);
		return -ENOMEM;
	}
	*file = f;
	return 0;
}

uint32_t
capture_file_read(struct capture_file *f, void *buf, uint32_t n, const char **why)
{
	return f->zstd != NULL ? zstd_read(f, buf, n, why) : gz_read(f, buf, n, why);
}

bool
capture_file_is_compressed(const struct capture_file *f)
{
	return f->zstd != NULL || !gzdirect(f->gz);
}

bool
capture_file_rewind(struct capture_file *f)
{
	if (f->zstd == NULL)
		return gzrewind(f->gz) == 0;
	zstd_reset(f->zstd);
	return lseek(f->fd, 0, SEEK_SET) == 0;
}

void
capture_file_close(struct capture_file *f)
{
	if (f == NULL)
		return;
	if (f->gz != NULL)
		gzclose(f->gz);
	else
		close(f->fd);
	free(f->zstd);
	free(f);
}
