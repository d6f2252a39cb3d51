/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The files that the command line names.
 */

#ifndef FILES_H
#define FILES_H

#include "port.h"

/*
 * Checks that each file that is to be written can be, and is none that is read, or written by
 * somebody else, or a socket of a port. Files are compared by device and inode, whatever their
 * names; none of them is changed.
 * @param stats_json  or NULL
 * @return 0; -EINVAL: two are one file; -EIO: one cannot be written; and one line in err
 *         (SPEC_ERR_LEN bytes)
 */
int files_check(const struct port *ports, unsigned int nr, const char *stats_json, char *err);

#endif /* FILES_H */
