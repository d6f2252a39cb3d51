/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Faults of wires in JSON.
 */

#ifndef CONTROL_FAULTS_H
#define CONTROL_FAULTS_H

#include <jansson.h>

#include "wire_fault.h"

/*
 * Read a set of faults.
 *
 * @param json      an object; NULL: no faults
 * @param[out] err  one line, SPEC_ERR_LEN bytes, with the path of the key
 * @return 0 or -EINVAL
 */
int control_faults_read(json_t *json, struct wire_faults *faults, char *err);

/* Return the counters of the faults of a direction; NULL is null. */
json_t *control_faults_json(const struct wire_dir *dir);

#endif /* CONTROL_FAULTS_H */
