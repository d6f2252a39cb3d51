/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* wire=gen: the cable leads to a generator of frames, and to their receiver. */

#include "traffic.h"
#include "wire.h"
