/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef IGB_LOGS_H
#define IGB_LOGS_H

#include <rte_log.h>

extern int igb_logtype_init;   /* pmd.net.gantry_igb.init: probe, configure, start, stop */
extern int igb_logtype_driver; /* pmd.net.gantry_igb.driver: events at run time */

/* Log one line that begins with hw->name, that of the device. hw: any structure with a name. */
#define IGB_INIT_LOG(level, hw, fmt, ...) \
	rte_log(RTE_LOG_##level, igb_logtype_init, "net_gantry_igb: %s: " fmt "\n", (hw)->name, \
			##__VA_ARGS__)
#define IGB_DRV_LOG(level, hw, fmt, ...) \
	rte_log(RTE_LOG_##level, igb_logtype_driver, "net_gantry_igb: %s: " fmt "\n", (hw)->name, \
			##__VA_ARGS__)

#endif /* IGB_LOGS_H */
