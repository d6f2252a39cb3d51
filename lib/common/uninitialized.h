/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef UNINITIALIZED_H
#define UNINITIALIZED_H

/*
 * Exempts a local variable from zero initialisation by the compiler (-ftrivial-auto-var-init). For
 * a large variable of a function that runs for each burst, and that writes each element before it
 * reads it.
 */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define GANTRY_UNINITIALIZED __attribute__((uninitialized))
#else
#define GANTRY_UNINITIALIZED
#endif

#endif /* UNINITIALIZED_H */
