/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef IGB_DEVARGS_H
#define IGB_DEVARGS_H

#include <stdbool.h>

#include <gantry_dma.h>

/** The device arguments, parsed. */
struct igb_devargs {
	char path[108];              /**< path=SOCKET, for a vdev only: size of a socket address */
	bool untested;               /**< untested=1: drive controllers that were never tested */
	enum gantry_dma_mode_id dma; /**< dma=auto|direct|window|strict|bounce */
	enum gantry_dma_debug_level dma_debug; /**< dma_debug=0|1|abort */
};

/**
 * Parse device arguments. Logs one line about an error.
 *
 * @param name     of the device, for messages
 * @param args     "key=value,..." or NULL
 * @param vdev     the device is a vdev: path=SOCKET is required; else it is not allowed
 * @param devargs  [out]
 * @return 0 or -EINVAL
 */
int igb_devargs_parse(const char *name, const char *args, bool vdev, struct igb_devargs *devargs);

#endif /* IGB_DEVARGS_H */
