/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Capture files of a test: a folder for them, helpers that write and open them, and the calls of
 * files and of zlib that seldom fail. The linker replaces these calls (--wrap).
 */

#ifndef CAPTURE_FILES_H
#define CAPTURE_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>

#include "../common/fds.h"
#include "capture.h"
#include "capture_image.h"
#include "wire.h"

#define NS 1000000000ULL

static char folder[] = "/tmp/test_wire_capture_XXXXXX";
static char path[64];
static char err[WIRE_ERR_LEN];

/* Calls that fail: an error number, or 0. */
static int lock_errno, open_errno, rewind_errno, read_errno;

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);
gzFile __real_gzdopen(int fd, const char *mode);
gzFile __wrap_gzdopen(int fd, const char *mode);
int __real_gzrewind(gzFile gz);
int __wrap_gzrewind(gzFile gz);
int __real_gzread(gzFile gz, void *buf, unsigned int len);
int __wrap_gzread(gzFile gz, void *buf, unsigned int len);
const char *__real_gzerror(gzFile gz, int *code);
const char *__wrap_gzerror(gzFile gz, int *code);

int
__wrap_flock(int fd, int operation)
{
	errno = lock_errno;
	return lock_errno != 0 ? -1 : __real_flock(fd, operation);
}

gzFile
__wrap_gzdopen(int fd, const char *mode)
{
	return open_errno != 0 ? NULL : __real_gzdopen(fd, mode);
}

int
__wrap_gzrewind(gzFile gz)
{
	return rewind_errno != 0 ? -1 : __real_gzrewind(gz);
}

int
__wrap_gzread(gzFile gz, void *buf, unsigned int len)
{
	if (read_errno == 0)
		return __real_gzread(gz, buf, len);
	errno = read_errno;
	return -1;
}

const char *
__wrap_gzerror(gzFile gz, int *code)
{
	const char *why = __real_gzerror(gz, code);

	if (read_errno != 0)
		*code = Z_ERRNO;
	return why;
}

static inline void
save(void)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(image, 1, used, file), used);
	fclose(file);
}

static inline void
save_compressed(void)
{
	gzFile gz = gzopen(path, "wb");

	assert_non_null(gz);
	assert_int_equal(gzwrite(gz, image, used), used);
	gzclose(gz);
}

static inline struct capture *
opened(void)
{
	struct capture *c;

	assert_int_equal(capture_open(path, &c, err, sizeof(err)), 0);
	return c;
}

static inline struct capture *
saved(void)
{
	save();
	return opened();
}

/* Begin a pcapng file with one Ethernet interface. */
static inline void
begin_ng(void)
{
	used = 0;
	section();
	interface(1, 0, -1, -1, 0);
}

static inline struct capture_record
next(struct capture *c)
{
	struct capture_record r;

	assert_int_equal(capture_next(c, &r), 1);
	return r;
}

static inline void
end_of(struct capture *c)
{
	struct capture_record r;

	assert_int_equal(capture_next(c, &r), 0);
	capture_close(c);
}

/* Expect the error of the next record, to the letter. */
static inline void
broken(struct capture *c, const char *why)
{
	struct capture_record r;

	assert_int_equal(capture_next(c, &r), -EINVAL);
	assert_string_equal(capture_error(c), why);
	capture_close(c);
}

static inline void
refused(int error, const char *why)
{
	struct capture *c;
	const int before = count_fds();

	assert_int_equal(capture_open(path, &c, err, sizeof(err)), error);
	assert_string_equal(err, why);
	assert_int_equal(count_fds(), before);
}

static inline int
setup(void **state)
{
	lock_errno = open_errno = rewind_errno = read_errno = 0;
	big_endian = false;
	snprintf(path, sizeof(path), "%s/capture", folder);
	return 0;
}

static inline int
teardown(void **state)
{
	unlink(path);
	return 0;
}

static inline int
make_folder(void **state)
{
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static inline int
remove_folder(void **state)
{
	return rmdir(folder);
}

#define FILES(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif /* CAPTURE_FILES_H */
