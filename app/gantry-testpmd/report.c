/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testpmd.h"

int
report_check(const char *path)
{
	struct stat st;
	char *copy;
	int ret = 0;

	if (strcmp(path, "-") == 0)
		return 0;
	copy = strdup(path);
	if (copy == NULL) {
		complain("%s: out of memory", path);
		return 1;
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		ret = 1;
	} else if (strncmp(path, "/dev/", 5) == 0) {
		ret = access(path, W_OK) != 0;
	} else {
		ret = access(dirname(copy), W_OK | X_OK) != 0;
	}
	if (ret != 0)
		complain("--json %s: cannot be written: %s", path, strerror(errno));
	free(copy);
	return ret;
}

int
report_write(const char *path, json_t *document)
{
	const size_t how = JSON_INDENT(2) | JSON_REAL_PRECISION(10);
	char *partial;
	int ret = -1;

	if (strcmp(path, "-") == 0)
		return json_dumpf(document, stdout, how) != 0 || putchar('\n') == EOF ||
			fflush(stdout) != 0;
	if (asprintf(&partial, "%s.partial", path) < 0) {
		complain("%s: out of memory", path);
		return 1;
	}
	/* A reader sees the old file or the new one. A device (/dev/stdout) has no such choice. */
	if (access(path, F_OK) == 0 && strncmp(path, "/dev/", 5) == 0)
		ret = json_dump_file(document, path, how);
	else if (json_dump_file(document, partial, how) == 0)
		ret = rename(partial, path);
	if (ret != 0) {
		complain("%s: cannot be written: %s", path, strerror(errno));
		unlink(partial);
	}
	free(partial);
	return ret != 0;
}

const char *
report_rate(char *buf, size_t len, double pps)
{
	if (pps >= 1e6)
		snprintf(buf, len, "%.3f Mpps", pps / 1e6);
	else if (pps >= 1e3)
		snprintf(buf, len, "%.1f kpps", pps / 1e3);
	else
		snprintf(buf, len, "%.0f pps", pps);
	return buf;
}
