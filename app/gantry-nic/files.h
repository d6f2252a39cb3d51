/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Check of the files that the command line names.
 */

#ifndef FILES_H
#define FILES_H

#include "port.h"

/*
 * Check that each output can be written, and that it is neither read, nor written by anything
 * else, nor a socket of the daemon. Files are compared by device and inode, whatever their names;
 * none of them is changed.
 *
 * @param control       socket of --control, or NULL
 * @param traffic       file of --traffic, or NULL
 * @param stats_json    or NULL
 * @param[out] err      one line, SPEC_ERR_LEN bytes
 * @retval 0        all is well
 * @retval -EINVAL  two are one file
 * @retval -EIO     one cannot be written
 */
int files_check(const struct port *ports, unsigned int nr, const char *control, const char *traffic,
		const char *stats_json, char *err);

#endif /* FILES_H */
