/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The file keeper: a process that changes files for the confined daemon (sandbox.c). Only the main
 * thread calls these functions.
 */

#ifndef FILE_KEEPER_H
#define FILE_KEEPER_H

#include <stddef.h>

#include "output_file.h"
#include "port.h"

/**
 * Start the process, before any thread, and let it write the statistics file from here on.
 *
 * @param control  socket of --control, or NULL
 * @param stats    if the file is replaced as a whole, the keeper writes it; else the keeper leaves
 *   it alone
 * @return 0 or a negative errno value
 */
int file_keeper_start(const struct port *ports, unsigned int nr, const char *control,
		struct output_file *stats);

/** Record the sockets, which listen now, so that they can be recognised at the end. */
void file_keeper_note_sockets(void);

/** Remove those sockets, unless others have taken their places, and end the process. */
void file_keeper_stop(void);

#endif /* FILE_KEEPER_H */
