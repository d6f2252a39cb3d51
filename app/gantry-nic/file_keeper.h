/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The file keeper: a process that changes files for the daemon, which is confined (sandbox.c).
 * The functions are for the main thread.
 */

#ifndef FILE_KEEPER_H
#define FILE_KEEPER_H

#include <stddef.h>

#include "output_file.h"
#include "port.h"

/**
 * Starts the process, before any thread, and lets it write the statistics file from here on.
 * @param stats  if the file is replaced as a whole, file_keeper writes it; else it is left alone
 * @return 0 or a negative errno value
 */
int file_keeper_start(const struct port *ports, unsigned int nr, struct output_file *stats);

/** Makes the keeper remember the ports' sockets, which listen now. */
void file_keeper_note_sockets(void);

/** Removes those sockets, unless others have taken their places, and ends the process. */
void file_keeper_stop(void);

#endif /* FILE_KEEPER_H */
