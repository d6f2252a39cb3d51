/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The keeper's process serves one request at a time, which arrives through a pair of sockets, and
 * replies to each. The process knows the paths from the daemon's command line: a request contains
 * none. It ends when the daemon ends, in whatever way.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file_keeper.h"
#include "front.h"
#include "sandbox.h"

#define TEXT_MAX (64u << 20)

enum { NOTE_SOCKETS, REMOVE_SOCKETS, REPLACE_FILE };

struct request {
	uint32_t what, len; /* len: bytes of the text, which follows */
};

static struct {
	int sock;
	pid_t process;
	bool noted;

	/* Only in the keeper's process: */
	const char *stats;
	unsigned int nr;
	const char *paths[PORT_MAX + 1];
	struct stat sockets[PORT_MAX + 1];
} keeper = { .sock = -1 };

/*
 * Transfer all bytes.
 *
 * @return false: the other end is gone
 */
static bool
transfer(ssize_t (*step)(int, void *, size_t), void *data, size_t len)
{
	uint8_t *p = data;
	ssize_t n;

	for (; len != 0; p += n, len -= (size_t)n) {
		n = step(keeper.sock, p, len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n <= 0)
			return false;
	}
	return true;
}

static ssize_t
step_write(int fd, void *data, size_t len)
{
	return write(fd, data, len);
}

static bool
receive(void *data, size_t len)
{
	return transfer(read, data, len);
}

static bool
send_all(const void *data, size_t len)
{
	return transfer(step_write, (void *)(uintptr_t)data, len);
}

/*
 * The keeper's process.
 */

static int
replace(uint32_t len)
{
	char *text = len <= TEXT_MAX ? malloc(len) : NULL;
	int ret;

	if (keeper.stats == NULL || text == NULL || !receive(text, len))
		_exit(EXIT_FAILURE);
	ret = output_file_replace(keeper.stats, text, len, 0);
	free(text);
	return ret;
}

static void
note_sockets(void)
{
	for (unsigned int i = 0; i < keeper.nr; i++)
		if (lstat(keeper.paths[i], &keeper.sockets[i]) != 0)
			memset(&keeper.sockets[i], 0, sizeof(keeper.sockets[i]));
}

/*
 * Remove the sockets while they still listen, so that no other daemon takes one for stale in the
 * meantime.
 */
static void
remove_sockets(void)
{
	struct stat st;

	for (unsigned int i = 0; i < keeper.nr; i++)
		if (lstat(keeper.paths[i], &st) == 0 && S_ISSOCK(st.st_mode) &&
				st.st_dev == keeper.sockets[i].st_dev &&
				st.st_ino == keeper.sockets[i].st_ino)
			unlink(keeper.paths[i]);
}

static void
serve(void)
{
	struct request request;

	front_leave();
	sandbox_keeper(keeper.stats, keeper.paths, keeper.nr);
	while (receive(&request, sizeof(request))) {
		int ret = 0;

		if (request.what == REPLACE_FILE)
			ret = replace(request.len);
		else if (request.what == NOTE_SOCKETS)
			note_sockets();
		else
			remove_sockets();
		if (!send_all(&ret, sizeof(ret)))
			break;
	}
	_exit(EXIT_SUCCESS);
}

/*
 * The daemon.
 */

static int
send_request(uint32_t what, const char *text, size_t len)
{
	const struct request request = { .what = what, .len = (uint32_t)len };
	int ret;

	if (len > TEXT_MAX)
		return -EFBIG;
	if (!send_all(&request, sizeof(request)) || !send_all(text, len) ||
			!receive(&ret, sizeof(ret))) {
		fputs("gantry-nic: the file keeper's process is gone: files are neither written "
		      "nor removed\n",
				stderr);
		return -EPIPE;
	}
	return ret;
}

static int
request_replace(const char *path, const char *text, size_t len, unsigned int limit_ms)
{
	return send_request(REPLACE_FILE, text, len);
}

int
file_keeper_start(const struct port *ports, unsigned int nr, const char *control,
		struct output_file *stats)
{
	int pair[2], ret;

	for (keeper.nr = 0; keeper.nr < nr; keeper.nr++)
		keeper.paths[keeper.nr] = ports[keeper.nr].spec.socket;
	if (control != NULL)
		keeper.paths[keeper.nr++] = control;
	keeper.stats = stats->path;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	keeper.process = fork();
	if (keeper.process == 0) {
		close(pair[0]);
		keeper.sock = pair[1];
		serve();
	}
	ret = keeper.process < 0 ? -errno : 0;
	close(pair[1]);
	keeper.sock = pair[0];
	if (ret != 0)
		close(pair[0]);
	else if (stats->path != NULL)
		stats->replace = request_replace;
	return ret;
}

void
file_keeper_note_sockets(void)
{
	keeper.noted = keeper.process > 0 && send_request(NOTE_SOCKETS, NULL, 0) == 0;
}

void
file_keeper_stop(void)
{
	if (keeper.process <= 0)
		return;
	if (keeper.noted)
		send_request(REMOVE_SOCKETS, NULL, 0);
	close(keeper.sock);
	waitpid(keeper.process, NULL, 0);
}
