/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

#ifndef IGB_DEVARGS_H
#define IGB_DEVARGS_H

#include <stdbool.h>

#include <gantry_dma.h>

/** What the text after the device's name says. */
struct igb_devargs {
	char path[108]; /**< path=SOCKET, with a vdev only: as long as a socket's address can be */
	bool untested;  /**< untested=1: drive controllers that were never tried */
	enum gantry_dma_mode_id dma;           /**< dma=auto|direct|window|strict|bounce */
	enum gantry_dma_debug_level dma_debug; /**< dma_debug=0|1|abort */
};

/**
 * @param name  the device's, for messages
 * @param args  "key=value,..." or NULL
 * @param vdev  the device is a vdev: it has path=SOCKET, and must have it
 * @return 0, or -EINVAL after one line that says what was wrong
 */
int igb_devargs_parse(const char *name, const char *args, bool vdev, struct igb_devargs *devargs);

#endif /* IGB_DEVARGS_H */
