/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* Writing captures: in the byte order of this machine, as both formats allow. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture.h"
#include "capture_format.h"

#define BUFFER  65536 /* bytes: one system call for forty frames or more, not for two */
#define SNAPLEN 262144

struct capture_writer {
	FILE *file;
	bool ng;
	char buffer[BUFFER]; /* of file: without it glibc ignores the size */
};

/* Write the headers now and not with the first frames, so that a full disk is detected at once. */
static bool
put_headers(struct capture_writer *w)
{
	/* clang-format off */
	static const uint32_t pcap[] = {
		PCAP_MAGIC_NS, PCAP_VERSION, 0, 0, SNAPLEN, CAPTURE_ETHERNET,
	};
	static const uint32_t ng[] = {
		/* version 1.0, length unknown */
		NG_SHB, 28, NG_BYTE_ORDER, 1, UINT32_MAX, UINT32_MAX, 28,
		NG_IDB, 32, CAPTURE_ETHERNET, SNAPLEN,
		NG_OPT_TSRESOL | 1 << 16, 9, /* 10^-9 s */
		NG_OPT_END, 32,
	};
	/* clang-format on */

	if (w->ng)
		fwrite(ng, sizeof(ng), 1, w->file);
	else
		fwrite(pcap, sizeof(pcap), 1, w->file);
	return fflush(w->file) == 0;
}

int
capture_create(const char *path, struct capture_writer **writer, char *err, size_t err_len)
{
	struct capture_writer *w = calloc(1, sizeof(*w));
	size_t len = strlen(path);
	struct stat st;
	int fd, ret;

	if (w == NULL) {
		snprintf(err, err_len, "out of memory");
		return -ENOMEM;
	}
	/*
	 * Empty the file last, when it is known to be a regular one; a FIFO without a reader must
	 * not block.
	 */
	fd = strcmp(path, "-") == 0 ?
			STDOUT_FILENO :
			open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd < 0 || fstat(fd, &st) != 0) {
		ret = -errno;
	} else if (!S_ISREG(st.st_mode) || fd == STDOUT_FILENO) {
		ret = -EINVAL;
	} else if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
		ret = -EBUSY; /* another process records or replays it */
	} else if (ftruncate(fd, 0) != 0 || (w->file = fdopen(fd, "wb")) == NULL) {
		ret = -errno;
	} else {
		setvbuf(w->file, w->buffer, _IOFBF, BUFFER);
		w->ng = len >= 7 && strcmp(path + len - 7, ".pcapng") == 0;
		if (put_headers(w)) {
			*writer = w;
			return 0;
		}
		ret = -errno;
	}
	if (ret == -EINVAL)
		snprintf(err, err_len, "not a regular file");
	else if (ret == -EBUSY)
		snprintf(err, err_len, "another process uses it");
	else
		snprintf(err, err_len, "%s", strerror(-ret));
	if (w->file != NULL)
		fclose(w->file);
	else if (fd > STDERR_FILENO)
		close(fd);
	free(w);
	return ret;
}

bool
capture_write(struct capture_writer *w, uint64_t ts_ns, const uint8_t *data, uint32_t len)
{
	static const uint8_t zeros[4];
	const uint32_t pcap[] = { ts_ns / 1000000000, ts_ns % 1000000000, len, len };
	const uint32_t pad = -len & 3, total = 32 + len + pad;
	const uint32_t ng[] = { NG_EPB, total, 0, ts_ns >> 32, ts_ns, len, len };

	if (w->ng)
		fwrite(ng, sizeof(ng), 1, w->file);
	else
		fwrite(pcap, sizeof(pcap), 1, w->file);
	fwrite(data, 1, len, w->file);
	if (w->ng) {
		fwrite(zeros, 1, pad, w->file);
		fwrite(&total, sizeof(total), 1, w->file);
	}
	return !ferror(w->file);
}

bool
capture_finish(struct capture_writer *w)
{
	bool good = !ferror(w->file);

	good = fclose(w->file) == 0 && good;
	free(w);
	return good;
}
