/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A file that the user names for a report, which is written minutes or hours later.
 *
 * At the start it is found out whether it can be written, and nothing of it is changed.
 * A regular file is replaced as a whole, so that a reader sees the old or the new one;
 * symbolic links are followed first. Standard output, a pipe and a terminal are written to as
 * they are, and so is a file in a folder where no other can be made, or that cannot be replaced.
 */

#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct output_file {
	int fd;       /* open since the start; -1: the file is replaced */
	char *path;   /* fd -1: of the file itself */
	bool regular; /* fd: emptied before it is written */
	/*
	 * For a reader to take all of it, milliseconds. 0: 2 s for each part, and any time on
	 * standard output.
	 */
	unsigned int limit_ms;
	/* fd -1: who replaces the file; NULL: this process, by output_file_replace() */
	int (*replace)(const char *path, const char *text, size_t len, unsigned int limit_ms);
};

/**
 * Opens a file for writing without changing a byte of it, and makes it if there is none.
 * Never blocks.
 *
 * @param created  [out] it was made: output_file_unmake() removes it
 * @return its descriptor, or a negative errno value; -EBUSY: a capture in use elsewhere
 */
int output_file_probe(const char *path, struct stat *st, bool *created);

/** @return what an error of output_file_probe() means, a constant */
const char *output_file_why(const char *path, int err);

/** Removes the file that @p path leads to, through symbolic links. */
void output_file_unmake(const char *path);

/**
 * @param path  "-": standard output
 * @param why   [out] on error, why it cannot be written: a constant
 * @return 0 or a negative errno value
 */
int output_file_open(const char *path, struct output_file *out, const char **why);

/**
 * Writes a document as JSON, the whole of the file. May be called again.
 * @param how  flags of json_dumps()
 * @return 0 or a negative errno value
 */
int output_file_write(struct output_file *out, const json_t *document, size_t how);

/**
 * Replaces a regular file as a whole, or writes over it if it cannot be replaced.
 * @param limit_ms  as in struct output_file
 * @return 0 or a negative errno value
 */
int output_file_replace(const char *path, const char *text, size_t len, unsigned int limit_ms);

/** Closes, frees. One that was not opened, with fd -1, is fine. */
void output_file_close(struct output_file *out);

#endif /* OUTPUT_FILE_H */
