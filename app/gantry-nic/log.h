/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The daemon's log, which is its standard error. While it runs, stderr writes into a buffer, which
 * a thread of its own writes out. No other thread waits for the reader of the log, which may be a
 * pipe that nobody reads. Lines that find the buffer full are lost, counted, and reported where
 * they are missing.
 */

#ifndef LOG_H
#define LOG_H

#include <stdint.h>

/**
 * Replace stderr by the buffer.
 *
 * @return 0, or a negative errno value: stderr is unchanged
 */
int log_start(void);

/** Write out the buffer, for at most 400 ms, and restore stderr. */
void log_stop(void);

/**
 * Write a line to standard error now, around the buffer, or lose it if that would wait.
 * Async-signal-safe.
 */
void log_line_now(const char *line);

/** @return the number of lines lost so far */
uint64_t log_lines_lost(void);

#endif /* LOG_H */
