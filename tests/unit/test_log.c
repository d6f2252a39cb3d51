/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The daemon's log: its reader finds a report in the place of lost lines.
 *
 * The log never blocks the daemon: threads write lines into a buffer, and one thread writes the
 * buffer to the former stderr. Lines that find the buffer full are lost, and a line in the log
 * reports how many.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LINE 64 /* bytes per line */

static unsigned int next;

static void
write_line(void)
{
	fprintf(stderr, "%06u %*s\n", next++, LINE - 8, "x");
}

/* Read one line of the log. The test hangs if the daemon does not write one. */
static void
read_line(FILE *log, char *line)
{
	assert_non_null(fgets(line, 256, log));
}

/*
 * The reader starts late, and the buffer never becomes empty again. The report of the lost
 * lines must appear between the lines that were written before and after them.
 */
static void
lost_lines_are_reported_where_they_are_missing(void **state)
{
	int ends[2], before = dup(STDERR_FILENO);
	unsigned int expected = 0, missing = 0, after = 0;
	char line[256];
	FILE *log;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	log = fdopen(ends[0], "r");
	assert_int_equal(log_start(), 0);
	while (log_lines_lost() < 100)
		write_line();
	while (after < 1000) {
		unsigned int n;

		read_line(log, line);
		write_line();
		if (sscanf(line, "gantry-nic: %u lines of the log were lost", &n) == 1) {
			missing += n;
			expected += n;
			continue;
		}
		assert_int_equal(strtoul(line, NULL, 10), expected);
		expected++;
		after += missing != 0;
	}
	assert_in_range(missing, 100, log_lines_lost());
	close(STDERR_FILENO);
	fclose(log); /* the writing thread finds that the pipe has no reader, and ends */
	log_stop();
	dup2(before, STDERR_FILENO);
	close(before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost_lines_are_reported_where_they_are_missing),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
