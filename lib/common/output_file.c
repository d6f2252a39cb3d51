/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A file for reports: see output_file.h.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "output_file.h"

#define READER_MS 2000

int
output_file_probe(const char *path, struct stat *st, bool *created)
{
	const int how = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = open(path, how | O_EXCL, 0666), ret;

	*created = fd >= 0;
	if (fd < 0 && errno == EEXIST) {
		/* A symbolic link may lead to a file that does not exist yet. */
		*created = stat(path, st) != 0 && errno == ENOENT;
		fd = open(path, how, 0666);
	}
	if (fd < 0)
		return -errno;
	ret = fstat(fd, st) != 0 ? -errno : 0;
	/* A daemon locks the captures that it reads or writes (lib/igb_model/capture_*.c). */
	if (ret == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		ret = -EBUSY;
	if (ret != 0) {
		close(fd);
		return ret;
	}
	flock(fd, LOCK_UN);
	return fd;
}

const char *
output_file_strerror(const char *path, int err)
{
	struct stat st;

	if (err == -EBUSY)
		return "another process uses it";
	if (err == -ENXIO)
		return stat(path, &st) == 0 && S_ISSOCK(st.st_mode) ? "it is a socket" :
								      "nobody reads it";
	return strerror(-err);
}

void
output_file_remove(const char *path)
{
	char *real = realpath(path, NULL);

	if (real != NULL)
		unlink(real);
	free(real);
}

static bool
is_descriptor(const struct stat *st, int fd)
{
	struct stat other;

	return fstat(fd, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

/* Report whether a temporary file can be created next to the file, to replace it. */
static bool
folder_is_writable(const char *path)
{
	char *copy = strdup(path);
	bool ret = copy != NULL && access(dirname(copy), W_OK | X_OK) == 0;

	free(copy);
	return ret;
}

int
output_file_open(const char *path, struct output_file *out, const char **why)
{
	struct stat st;
	bool created;
	int fd, ret;

	*out = (struct output_file){ .fd = STDOUT_FILENO };
	if (strcmp(path, "-") == 0)
		return 0;
	fd = output_file_probe(path, &st, &created);
	if (fd < 0) {
		*why = output_file_strerror(path, fd);
		return fd;
	}
	if (S_ISREG(st.st_mode) && is_descriptor(&st, STDOUT_FILENO)) {
		close(fd); /* as "-": keep what was printed before */
		return 0;
	}
	if (S_ISREG(st.st_mode) && is_descriptor(&st, STDIN_FILENO)) {
		close(fd);
		*why = "it is standard input";
		return -EINVAL;
	}
	out->fd = fd;
	out->regular = S_ISREG(st.st_mode);
	if (!out->regular)
		return 0;
	out->path = realpath(path, NULL);
	if (out->path == NULL) {
		ret = -errno;
		output_file_close(out);
		*why = strerror(-ret);
		return ret;
	}
	if (created || folder_is_writable(out->path)) {
		close(fd);
		out->fd = -1;
		if (created)
			unlink(out->path);
	}
	return 0;
}

static int
ms_left(const struct timespec *end)
{
	struct timespec now;
	int64_t ms;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (end->tv_sec - now.tv_sec) * 1000LL + (end->tv_nsec - now.tv_nsec) / 1000000;
	return ms > 0 ? (int)ms : 0;
}

/*
 * Write all of the text within limit_ms; 0: see struct output_file. A reader that has stopped
 * reading therefore blocks the caller only for a bounded time. A pipe that poll() reports writable
 * takes PIPE_BUF bytes at once.
 */
static int
write_all(int fd, const char *text, size_t len, unsigned int limit_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	struct timespec end;
	ssize_t n;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += limit_ms / 1000;
	end.tv_nsec += limit_ms % 1000 * 1000000L;
	for (; len != 0; text += n, len -= n) {
		int wait = limit_ms != 0 ? ms_left(&end) : fd == STDOUT_FILENO ? -1 : READER_MS;

		if (poll(&pfd, 1, wait) == 0)
			return -EAGAIN;
		n = write(fd, text, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		if (n < 0)
			n = 0;
	}
	return 0;
}

static int
overwrite(const char *path, const char *text, size_t len, unsigned int limit_ms)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_NOCTTY | O_CLOEXEC);
	int ret = fd < 0 ? -errno : write_all(fd, text, len, limit_ms);

	if (fd >= 0 && close(fd) != 0 && ret == 0)
		ret = -errno;
	return ret;
}

/* A mount point, or a file of another user in /tmp, can be written but not replaced. */
int
output_file_replace(const char *path, const char *text, size_t len, unsigned int limit_ms)
{
	char *tmp;
	int fd, ret;

	if (asprintf(&tmp, "%s.%ld.tmp", path, (long)getpid()) < 0)
		return -ENOMEM;
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	ret = fd < 0 ? -errno : write_all(fd, text, len, limit_ms);
	if (fd >= 0 && close(fd) != 0 && ret == 0)
		ret = -errno;
	if (ret == 0 && rename(tmp, path) != 0)
		ret = -errno;
	if (ret != 0 && fd >= 0)
		unlink(tmp);
	free(tmp);
	return ret == -EBUSY || ret == -EPERM || ret == -EXDEV ?
			overwrite(path, text, len, limit_ms) :
			ret;
}

static int
write_text(struct output_file *out, const char *text, size_t len)
{
	if (out->fd == STDOUT_FILENO)
		return fflush(stdout) != 0 ? -errno : write_all(out->fd, text, len, out->limit_ms);
	if (out->fd < 0)
		return (out->replace != NULL ? out->replace : output_file_replace)(out->path, text,
				len, out->limit_ms);
	if (out->regular && (ftruncate(out->fd, 0) != 0 || lseek(out->fd, 0, SEEK_SET) != 0))
		return -errno;
	return write_all(out->fd, text, len, out->limit_ms);
}

int
output_file_write(struct output_file *out, const json_t *document, size_t how)
{
	char *json = json_dumps(document, how), *text;
	int len = json != NULL ? asprintf(&text, "%s\n", json) : -1, ret;

	free(json);
	if (len < 0)
		return -ENOMEM;
	ret = write_text(out, text, len);
	free(text);
	return ret;
}

void
output_file_close(struct output_file *out)
{
	if (out->fd > STDERR_FILENO)
		close(out->fd);
	free(out->path);
	*out = (struct output_file){ .fd = -1 };
}
