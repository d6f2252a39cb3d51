/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Files for reports (output_file.c): which files are accepted, what they contain afterwards, and
 * how long a reader may take. The linker redirects the calls that fail, wait or read the clock to
 * this file.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../common/fds.h"
#include "output_file.h"

#define MAX_CALLS 8

static char folder[64], path[96], link_path[96], tmp_path[128];

static struct {
	int access, realpath, rename, close; /* errors of these calls; 0: the real call */
	int close_left;                      /* calls that succeed before that error */
	int writes[MAX_CALLS];               /* result of write() if not 0: bytes, or -errno */
	size_t sizes[MAX_CALLS];             /* bytes that each write() was to write */
	unsigned int nr_writes;
	int waits[MAX_CALLS]; /* timeout of each poll() */
	unsigned int nr_waits;
	bool never_ready;
	uint64_t clock_ms, write_ms; /* the time, and how long a write() takes */
} fake;

#define WRAP(type, name, args) \
	type __real_##name args; \
	type __wrap_##name args; \
	type __wrap_##name args

static char accessed[PATH_MAX]; /* of the last access() */
static int access_mode;

static bool
fails(int error)
{
	errno = error;
	return error != 0;
}

WRAP(int, access, (const char *p, int mode))
{
	snprintf(accessed, sizeof(accessed), "%s", p);
	access_mode = mode;
	return fails(fake.access) ? -1 : __real_access(p, mode);
}

WRAP(char *, realpath, (const char *p, char *resolved))
{
	return fails(fake.realpath) ? NULL : __real_realpath(p, resolved);
}

WRAP(int, rename, (const char *from, const char *to))
{
	return fails(fake.rename) ? -1 : __real_rename(from, to);
}

WRAP(int, close, (int fd))
{
	int ret = __real_close(fd);

	return fake.close != 0 && fake.close_left-- == 0 && fails(fake.close) ? -1 : ret;
}

WRAP(ssize_t, write, (int fd, const void *buf, size_t len))
{
	const unsigned int i = fake.nr_writes++;
	const int result = i < MAX_CALLS ? fake.writes[i] : 0;

	if (i < MAX_CALLS)
		fake.sizes[i] = len;
	fake.clock_ms += fake.write_ms;
	if (result < 0) {
		errno = -result;
		return -1;
	}
	return __real_write(fd, buf, result != 0 ? (size_t)result : len);
}

WRAP(int, poll, (struct pollfd * fds, nfds_t nr, int timeout))
{
	assert_int_equal(nr, 1);
	assert_int_equal(fds->events, POLLOUT);
	if (fake.nr_waits < MAX_CALLS)
		fake.waits[fake.nr_waits] = timeout;
	fake.nr_waits++;
	return fake.never_ready ? 0 : 1;
}

WRAP(int, clock_gettime, (clockid_t id, struct timespec *ts))
{
	assert_int_equal(id, CLOCK_MONOTONIC);
	ts->tv_sec = (time_t)(fake.clock_ms / 1000);
	ts->tv_nsec = (long)(fake.clock_ms % 1000) * 1000000;
	return 0;
}

static void
put(const char *to, const char *text)
{
	FILE *f = fopen(to, "we");

	assert_non_null(f);
	assert_int_equal(fputs(text, f) >= 0, 1);
	fclose(f);
}

static void
assert_contains(const char *from, const char *text)
{
	static char got[65536];
	FILE *f = fopen(from, "re");
	size_t n;

	assert_non_null(f);
	n = fread(got, 1, sizeof(got) - 1, f);
	got[n] = '\0';
	fclose(f);
	assert_string_equal(got, text);
}

static ino_t
inode(const char *of)
{
	struct stat st;

	assert_int_equal(stat(of, &st), 0);
	return st.st_ino;
}

static int
setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	unlink(path);
	unlink(link_path);
	unlink(tmp_path);
	return 0;
}

static int
group_setup(void **state)
{
	snprintf(folder, sizeof(folder), "/tmp/gantry-output-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/file", folder);
	snprintf(link_path, sizeof(link_path), "%s/link", folder);
	snprintf(tmp_path, sizeof(tmp_path), "%s.%ld.tmp", path, (long)getpid());
	return 0;
}

static int
group_teardown(void **state)
{
	setup(state);
	return rmdir(folder);
}

/* Probe a file that is accepted. */
static void
assert_probes(const char *name, bool creates)
{
	bool created = !creates;
	struct stat st;
	int fd = output_file_probe(name, &st, &created), other;

	assert_true(fd >= 0);
	assert_int_equal(created, creates);
	assert_int_equal(st.st_ino, inode(name));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND),
			O_WRONLY | O_NONBLOCK);
	/* The file is not locked. */
	other = open(name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	close(other);
	close(fd);
}

static void
probe_creates_a_file_and_changes_none(void **state)
{
	const mode_t before = umask(022);
	struct stat st;

	assert_probes(path, true);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	umask(before);
	put(path, "text");
	assert_probes(path, false);
	assert_contains(path, "text");
	assert_int_equal(symlink(path, link_path), 0);
	assert_probes(link_path, false);
	output_file_remove(link_path);
	assert_int_equal(access(path, F_OK), -1);
	assert_probes(link_path, true);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	output_file_remove(path);
	assert_int_equal(access(path, F_OK), -1);
	output_file_remove(path);
}

/* Fail the test unless neither call accepts the file, and both report the reason. */
static void
assert_not_accepted(const char *name, int ret, const char *why)
{
	const int before = count_fds();
	struct output_file out;
	const char *got = NULL;
	struct stat st;
	bool created;

	assert_int_equal(output_file_probe(name, &st, &created), ret);
	assert_false(created);
	assert_string_equal(output_file_strerror(name, ret), why);
	assert_int_equal(output_file_open(name, &out, &got), ret);
	assert_string_equal(got, why);
	output_file_close(&out);
	assert_int_equal(count_fds(), before);
}

static void
unsuitable_file_has_its_reason(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char none[128];
	int fd;

	assert_not_accepted(folder, -EISDIR, "Is a directory");
	snprintf(none, sizeof(none), "%s/none/file", folder);
	assert_not_accepted(none, -ENOENT, "No such file or directory");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_not_accepted(path, -ENXIO, "nobody reads it");
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_not_accepted(path, -ENXIO, "it is a socket");
	close(fd);
	unlink(path);
	assert_string_equal(output_file_strerror(path, -ENXIO), "nobody reads it");
	/* A capture that a daemon reads. */
	put(path, "text");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	assert_not_accepted(path, -EBUSY, "another process uses it");
	assert_contains(path, "text");
	close(fd);
	assert_probes(path, false);
}

static void
assert_open(const char *name, struct output_file *out)
{
	const char *why = NULL;

	memset(out, 0x55, sizeof(*out));
	assert_int_equal(output_file_open(name, out, &why), 0);
	assert_null(why);
	assert_int_equal(out->limit_ms, 0);
	assert_null(out->replace);
}

/* Write {"n":n}, in one line. */
static int
write_number(struct output_file *out, int n)
{
	json_t *j = json_integer(n), *o = json_object();
	int ret;

	json_object_set_new(o, "n", j);
	ret = output_file_write(out, o, JSON_COMPACT);
	json_decref(o);
	return ret;
}

static void
regular_file_is_replaced(void **state)
{
	const int before = count_fds();
	struct output_file out;
	ino_t old;

	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(i == 2 ? symlink(path, link_path) : 0, 0);
		if (i == 1)
			put(path, "a longer text than the report");
		assert_open(i == 2 ? link_path : path, &out);
		assert_int_equal(out.fd, -1);
		assert_true(out.regular);
		assert_string_equal(out.path, path);
		/* Nothing has changed yet, and a file that was created is gone again. */
		if (i == 1)
			assert_contains(path, "a longer text than the report");
		assert_int_equal(access(path, F_OK), i == 0 ? -1 : 0);
		assert_int_equal(write_number(&out, 123456), 0);
		assert_contains(path, "{\"n\":123456}\n");
		old = inode(path);
		assert_int_equal(write_number(&out, 7), 0);
		assert_contains(path, "{\"n\":7}\n");
		assert_int_not_equal(inode(path), old);
		assert_int_equal(access(tmp_path, F_OK), -1);
		output_file_close(&out);
		assert_int_equal(out.fd, -1);
		assert_null(out.path);
		assert_int_equal(count_fds(), before);
	}
	output_file_close(&out);
}

/* In a folder that the process cannot write, the file stays open from the start. */
static void
file_that_cannot_be_replaced_is_rewritten(void **state)
{
	struct output_file out;
	ino_t old;

	put(path, "a longer text than the report");
	old = inode(path);
	fake.access = EACCES;
	assert_open(path, &out);
	fake.access = 0;
	assert_string_equal(accessed, folder);
	assert_int_equal(access_mode, W_OK | X_OK);
	assert_true(out.fd > STDERR_FILENO);
	assert_true(out.regular);
	assert_int_equal(write_number(&out, 123456), 0);
	assert_int_equal(write_number(&out, 7), 0);
	assert_contains(path, "{\"n\":7}\n");
	assert_int_equal(inode(path), old);
	output_file_close(&out);
	/* A file without a path cannot be replaced. */
	fake.realpath = EACCES;
	assert_not_accepted(folder, -EISDIR, "Is a directory");
	{
		const int before = count_fds();
		const char *why = NULL;

		assert_int_equal(output_file_open(path, &out, &why), -EACCES);
		assert_string_equal(why, "Permission denied");
		assert_int_equal(out.fd, -1);
		assert_int_equal(count_fds(), before);
	}
}

static char hook_path[PATH_MAX], hook_text[64];
static size_t hook_len;
static unsigned int hook_limit;

static int
hook(const char *p, const char *text, size_t len, unsigned int limit_ms)
{
	snprintf(hook_path, sizeof(hook_path), "%s", p);
	snprintf(hook_text, sizeof(hook_text), "%s", text);
	hook_len = len;
	hook_limit = limit_ms;
	return -EXDEV;
}

static void
other_process_may_replace_the_file(void **state)
{
	struct output_file out;

	assert_open(path, &out);
	out.replace = hook;
	out.limit_ms = 77;
	assert_int_equal(write_number(&out, 5), -EXDEV);
	assert_string_equal(hook_path, path);
	assert_string_equal(hook_text, "{\"n\":5}\n");
	assert_int_equal(hook_len, 8);
	assert_int_equal(hook_limit, 77);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(output_file_write(&out, NULL, 0), -ENOMEM);
	output_file_close(&out);
}

static void
other_files_get_one_report_after_another(void **state)
{
	const int before = count_fds();
	struct output_file out;
	char got[64];
	ssize_t n;
	int fd;

	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_open(path, &out);
	assert_true(out.fd > STDERR_FILENO);
	assert_false(out.regular);
	assert_null(out.path);
	assert_int_equal(write_number(&out, 1), 0);
	assert_int_equal(write_number(&out, 22), 0);
	n = read(fd, got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_string_equal(got, "{\"n\":1}\n{\"n\":22}\n");
	output_file_close(&out);
	close(fd);
	assert_int_equal(count_fds(), before);
}

/* Open the file while it is also this standard descriptor. Return the result. */
static int
open_as(int standard, const char *name, struct output_file *out, const char **why)
{
	int saved, fd = open(name, O_RDWR | O_CLOEXEC), ret;

	fflush(stdout);
	saved = dup(standard);
	assert_int_equal(dup2(fd, standard), standard);
	ret = output_file_open(name, out, why);
	if (ret == 0 && standard == STDOUT_FILENO) {
		printf("before ");
		ret = write_number(out, 3);
	}
	dup2(saved, standard);
	close(saved);
	close(fd);
	return ret;
}

static void
standard_output_keeps_what_it_has(void **state)
{
	struct output_file out;
	const char *why = NULL;
	int before;

	assert_open("-", &out);
	assert_int_equal(out.fd, STDOUT_FILENO);
	assert_null(out.path);
	assert_false(out.regular);
	output_file_close(&out);
	assert_int_equal(out.fd, -1);
	assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);

	put(path, "");
	before = count_fds();
	assert_int_equal(open_as(STDOUT_FILENO, path, &out, &why), 0);
	assert_int_equal(out.fd, STDOUT_FILENO);
	assert_null(out.path);
	assert_contains(path, "before {\"n\":3}\n");
	assert_int_equal(fake.waits[0], -1); /* the reader may take as long as it likes */
	assert_int_equal(open_as(STDIN_FILENO, path, &out, &why), -EINVAL);
	assert_string_equal(why, "it is standard input");
	assert_contains(path, "before {\"n\":3}\n");
	assert_int_equal(count_fds(), before);
	/* Another file at the same place is none of them. */
	assert_int_equal(open_as(STDERR_FILENO, path, &out, &why), 0);
	assert_int_equal(out.fd, -1);
	output_file_close(&out);
}

static void
failed_replacement_leaves_the_file(void **state)
{
	const int before = count_fds();
	const int errors[] = { EACCES, ENOSPC, EIO, EINTR };
	ino_t old;

	put(path, "old");
	old = inode(path);
	for (unsigned int i = 0; i < 4; i++) {
		memset(&fake, 0, sizeof(fake));
		if (i == 0)
			fake.rename = errors[i];
		else if (i == 1)
			fake.writes[0] = -errors[i];
		else
			fake.close = errors[i];
		assert_int_equal(output_file_replace(path, "new", 3, 0), -errors[i]);
		assert_contains(path, "old");
		assert_int_equal(access(tmp_path, F_OK), -1);
		assert_int_equal(count_fds(), before);
	}
	/* The temporary file of another process stays. */
	memset(&fake, 0, sizeof(fake));
	put(tmp_path, "other");
	assert_int_equal(output_file_replace(path, "new", 3, 0), -EEXIST);
	assert_contains(tmp_path, "other");
	assert_contains(path, "old");
	assert_int_equal(inode(path), old);
}

static void
mount_point_is_overwritten(void **state)
{
	const int before = count_fds();
	const int errors[] = { EBUSY, EPERM, EXDEV };
	ino_t old;

	put(path, "");
	old = inode(path);
	for (unsigned int i = 0; i < 3; i++) {
		put(path, "a longer text");
		memset(&fake, 0, sizeof(fake));
		fake.rename = errors[i];
		assert_int_equal(output_file_replace(path, "new", 3, 0), 0);
		assert_contains(path, "new");
		assert_int_equal(inode(path), old);
		assert_int_equal(access(tmp_path, F_OK), -1);
	}
	fake.close = EIO;
	fake.close_left = 1;
	assert_int_equal(output_file_replace(path, "new", 3, 0), -EIO);
	fake.close = 0;
	fake.nr_writes = 0;
	fake.writes[1] = -ENOSPC;
	assert_int_equal(output_file_replace(path, "new", 3, 0), -ENOSPC);
	assert_int_equal(count_fds(), before);
	unlink(path);
	fake.nr_writes = 0;
	fake.writes[1] = 0;
	assert_int_equal(output_file_replace(path, "new", 3, 0), -ENOENT);
}

static void
text_is_written_in_pieces_that_a_pipe_takes_at_once(void **state)
{
	static char text[2 * PIPE_BUF + 101];

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = (char)('a' + i % 23);
	fake.writes[1] = -EINTR;
	fake.writes[2] = -EAGAIN;
	fake.writes[3] = 10;
	assert_int_equal(output_file_replace(path, text, sizeof(text) - 1, 0), 0);
	assert_contains(path, text);
	assert_int_equal(fake.nr_writes, 6);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(fake.sizes[i], PIPE_BUF);
	assert_int_equal(fake.sizes[5], 90);
	assert_int_equal(fake.nr_waits, 6);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(fake.waits[i], 2000);
	/* No text takes no call. */
	fake.nr_writes = fake.nr_waits = 0;
	assert_int_equal(output_file_replace(path, "", 0, 0), 0);
	assert_contains(path, "");
	assert_int_equal(fake.nr_writes + fake.nr_waits, 0);
}

static void
reader_has_a_limit_for_all_of_the_text(void **state)
{
	static char text[4 * PIPE_BUF];

	memset(text, 'x', sizeof(text));
	fake.clock_ms = 5900;
	fake.write_ms = 700;
	assert_int_equal(output_file_replace(path, text, sizeof(text), 2250), 0);
	assert_int_equal(fake.nr_waits, 4);
	assert_int_equal(fake.waits[0], 2250);
	assert_int_equal(fake.waits[1], 1550);
	assert_int_equal(fake.waits[2], 850);
	assert_int_equal(fake.waits[3], 150);
	fake.nr_waits = 0;
	assert_int_equal(output_file_replace(path, text, sizeof(text), 600), 0);
	assert_int_equal(fake.waits[0], 600);
	assert_int_equal(fake.waits[1], 0); /* not negative, which is no limit */
	fake.never_ready = true;
	assert_int_equal(output_file_replace(path, text, sizeof(text), 600), -EAGAIN);
	assert_int_equal(access(tmp_path, F_OK), -1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(probe_creates_a_file_and_changes_none),
		T(unsuitable_file_has_its_reason),
		T(regular_file_is_replaced),
		T(file_that_cannot_be_replaced_is_rewritten),
		T(other_process_may_replace_the_file),
		T(other_files_get_one_report_after_another),
		T(standard_output_keeps_what_it_has),
		T(failed_replacement_leaves_the_file),
		T(mount_point_is_overwritten),
		T(text_is_written_in_pieces_that_a_pipe_takes_at_once),
		T(reader_has_a_limit_for_all_of_the_text),
	};

	return cmocka_run_group_tests_name("output_file", tests, group_setup, group_teardown);
}
