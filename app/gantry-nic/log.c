/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "thread.h"

#define BUFFER_BYTES (256 << 10)
#define PIECE_BYTES  4096 /* bytes written at a time */
#define REPORT_BYTES 128  /* maximum length of the line that reports lost lines */
#define STOP_MS      400

static struct {
	pthread_mutex_t lock; /* held for a copy, never for a write */
	pthread_cond_t change;
	pthread_t writer;
	FILE *before; /* the former stderr */
	bool stop;
	size_t head, used;       /* position and bytes used of buffer */
	uint64_t lost, reported; /* lines; while they differ, a gap is open */
	char buffer[BUFFER_BYTES];
} logs = { .lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

static uint64_t
count_lines(const char *text, size_t len)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

static void
put(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		logs.buffer[(logs.head + logs.used++) % sizeof(logs.buffer)] = text[i];
}

static bool
fits(size_t len)
{
	return len <= sizeof(logs.buffer) - logs.used;
}

/* Close the gap: lines that are written later come after the report. */
static void
put_report(void)
{
	char report[REPORT_BYTES];

	put(report,
			(size_t)snprintf(report, sizeof(report),
					"gantry-nic: %" PRIu64 " lines of the "
					"log were lost: standard error was not read in time\n",
					logs.lost - logs.reported));
	logs.reported = logs.lost;
}

/* Take a line; stdio calls this for each one. It also "takes" a line that is lost. */
static ssize_t
append(void *cookie, const char *text, size_t len)
{
	pthread_mutex_lock(&logs.lock);
	if (logs.lost != logs.reported && fits(REPORT_BYTES + len))
		put_report();
	if (logs.lost != logs.reported || !fits(len))
		logs.lost += count_lines(text, len);
	else
		put(text, len);
	pthread_cond_signal(&logs.change);
	pthread_mutex_unlock(&logs.lock);
	return (ssize_t)len;
}

/*
 * Take the next piece.
 *
 * @return bytes; 0: there is none, and none will come
 */
static size_t
take(char *piece)
{
	size_t len = 0;

	pthread_mutex_lock(&logs.lock);
	while (logs.used == 0 && logs.lost == logs.reported && !logs.stop)
		pthread_cond_wait(&logs.change, &logs.lock);
	if (logs.used == 0 && logs.lost != logs.reported)
		put_report();
	while (logs.used != 0 && len < PIECE_BYTES) {
		piece[len++] = logs.buffer[logs.head];
		logs.head = (logs.head + 1) % sizeof(logs.buffer);
		logs.used--;
	}
	pthread_mutex_unlock(&logs.lock);
	return len;
}

static void
write_all(const char *piece, size_t len)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n;

	while (len != 0) {
		n = write(STDERR_FILENO, piece, len);
		if (n >= 0) {
			piece += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) { /* another process made it non-blocking */
			poll(&pfd, 1, -1);
		} else if (errno != EINTR) {
			return;
		}
	}
}

static void *
write_out(void *arg)
{
	char piece[PIECE_BYTES];
	size_t len;

	while ((len = take(piece)) != 0)
		write_all(piece, len);
	return NULL;
}

int
log_start(void)
{
	const cookie_io_functions_t functions = { .write = append };
	FILE *stream = fopencookie(NULL, "w", functions);
	int ret;

	if (stream == NULL)
		return -ENOMEM;
	setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	ret = vfu_thread_start(&logs.writer, NULL, "log", write_out, NULL);
	if (ret != 0) {
		fclose(stream);
		return ret;
	}
	logs.before = stderr;
	stderr = stream;
	return 0;
}

void
log_stop(void)
{
	FILE *stream = stderr;
	struct timespec end;

	stderr = logs.before;
	fclose(stream);
	pthread_mutex_lock(&logs.lock);
	logs.stop = true;
	pthread_cond_signal(&logs.change);
	pthread_mutex_unlock(&logs.lock);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += STOP_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	/* If nobody reads standard error, the thread ends with the process. */
	pthread_clockjoin_np(logs.writer, NULL, CLOCK_MONOTONIC, &end);
}

void
log_line_now(const char *line)
{
	struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&pfd, 1, 0) == 1 && write(STDERR_FILENO, line, strlen(line)) < 0)
		return; /* there is no other place to report it */
}

uint64_t
log_lines_lost(void)
{
	uint64_t lost;

	pthread_mutex_lock(&logs.lock);
	lost = logs.lost;
	pthread_mutex_unlock(&logs.lock);
	return lost;
}
