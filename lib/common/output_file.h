/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A file that the user names for a report, which the program writes minutes or hours later.
 *
 * At the start the program checks whether it can write the file, and changes nothing in it. It
 * replaces a regular file as a whole, so that a reader sees the old or the new one; it follows
 * symbolic links first. It writes in place to standard output, a pipe or a terminal, to a file in a
 * folder where it cannot create another one, and to a file that it cannot replace.
 */

#ifndef OUTPUT_FILE_H
#define OUTPUT_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct output_file {
	int fd;       /* open since the start; -1: the file is replaced */
	char *path;   /* if fd is -1: path of the file itself, without links */
	bool regular; /* if fd is valid: truncate it before each write */
	/*
	 * Time for a reader to take all of it, milliseconds. 0: 2 s for each part, and no limit on
	 * standard output.
	 */
	unsigned int limit_ms;
	/*
	 * If fd is -1: the function that replaces the file; NULL: output_file_replace(), in this
	 * process.
	 */
	int (*replace)(const char *path, const char *text, size_t len, unsigned int limit_ms);
};

/**
 * Open a file for writing without changing it, and create it if it does not exist. Never blocks.
 *
 * @param path     of the file
 * @param st       [out] its properties
 * @param created  [out] whether the call created it; output_file_remove() removes it
 * @retval -EBUSY  the file is a capture that another process uses
 * @return its descriptor, owned by the caller; or another negative errno value
 */
int output_file_probe(const char *path, struct stat *st, bool *created);

/** Return the meaning of an error of output_file_probe(), a string that must not be freed. */
const char *output_file_strerror(const char *path, int err);

/** Remove the file that @p path leads to, through symbolic links. */
void output_file_remove(const char *path);

/**
 * Prepare a file for later reports. Check that it can be written.
 * @param path  of the file; "-": standard output
 * @param out   [out] close it by output_file_close()
 * @param why   [out] on error, the reason, a constant
 * @return 0 or a negative errno value
 */
int output_file_open(const char *path, struct output_file *out, const char **why);

/**
 * Write a document as JSON; it becomes the whole content of the file. May be called again.
 * @param out       opened by output_file_open()
 * @param document  the document, owned by the caller
 * @param how       flags of json_dumps()
 * @return 0 or a negative errno value
 */
int output_file_write(struct output_file *out, const json_t *document, size_t how);

/**
 * Replace a regular file as a whole, or overwrite it if it cannot be replaced.
 * @param path      of the file
 * @param text      the new content
 * @param len       bytes
 * @param limit_ms  as in struct output_file
 * @return 0 or a negative errno value
 */
int output_file_replace(const char *path, const char *text, size_t len, unsigned int limit_ms);

/** Close and free. A struct with fd -1 that was never opened is allowed. */
void output_file_close(struct output_file *out);

#endif /* OUTPUT_FILE_H */
