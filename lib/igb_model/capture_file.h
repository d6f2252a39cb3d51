/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The bytes of a capture file: as they are, or decompressed.
 */

#ifndef CAPTURE_FILE_H
#define CAPTURE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct capture_file;

/**
 * Open a regular file and lock it against writers (flock()).
 *
 * @param[out] file  close it with capture_file_close()
 * @param[out] err   one line without the path, @p err_len bytes
 * @return 0 or a negative errno value
 */
int capture_file_open(const char *path, struct capture_file **file, char *err, size_t err_len);
/**
 * Read the next bytes.
 *
 * @param n         1 to INT_MAX
 * @param[out] why  one line, memory of the file: the file breaks off in compressed data, or cannot
 *   be read, and no bytes follow; else unchanged
 * @return bytes read; fewer than @p n at the end of the file, or if @p why is set
 */
uint32_t capture_file_read(struct capture_file *file, void *buf, uint32_t n, const char **why);
/** @return whether the bytes are decompressed */
bool capture_file_is_compressed(const struct capture_file *file);
/**
 * Go back to the first byte.
 *
 * @return false: the file cannot be read again
 */
bool capture_file_rewind(struct capture_file *file);
/** Close and free. NULL is permitted. */
void capture_file_close(struct capture_file *file);

#endif /* CAPTURE_FILE_H */
