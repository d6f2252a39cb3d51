/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The compiler includes this header before each file of the driver: the driver's waits then
 * take no time, and the target provides its clock.
 */

#ifndef FUZZ_DRIVER_TIME_H
#define FUZZ_DRIVER_TIME_H

#include <rte_cycles.h>

uint64_t fuzz_timer_cycles(void);
void fuzz_delay_us(unsigned int us);

#define rte_get_timer_cycles fuzz_timer_cycles
#define rte_delay_us_sleep   fuzz_delay_us

#endif /* FUZZ_DRIVER_TIME_H */
