/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The daemon's log, which is its standard error. While it runs, stderr leads into a buffer that a
 * thread of its own writes out: no other thread waits for the log's reader, which may be a pipe
 * that nobody empties. Lines that find the buffer full are lost, counted, and reported where they
 * are missing.
 */

#ifndef LOG_H
#define LOG_H

#include <stdint.h>

/**
 * Puts the buffer in the place of stderr.
 * @return 0 or a negative errno value: stderr is as it was
 */
int log_start(void);

/** Writes out what is in the buffer, for at most 400 ms, and puts stderr back. */
void log_stop(void);

/** @return the number of lines that were lost so far */
uint64_t log_lines_lost(void);

#endif /* LOG_H */
