/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * edu-copy: copies random data with each edu device that EAL finds, and prints how it did so.
 *
 *	edu-device /tmp/edu.sock &
 *	edu-copy --no-huge -m 64 --no-pci -a vfio_user:/tmp/edu.sock -- [MODE] [debug] [heap]
 *		[pause]
 *
 * MODE is a mode of lib/dma (auto, direct, window, strict, bounce). debug: enable the debug layer.
 * heap: the buffers are ordinary memory. pause: wait for a line on standard input before the copy.
 * Exit status: 0; 1 if a copy failed or there is no device; 2 for wrong arguments.
 */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>

#include "edu.h"
#include "gantry_dma_debug.h"

#define BYTES 40000 /* ten commands in each direction, the last one shorter */

static bool heap, pause_first;

/* Parse the arguments after "--". */
static bool
options(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (gantry_dma_mode_of_name(argv[i], &edu_dma.mode) == 0)
			continue;
		if (strcmp(argv[i], "debug") == 0) {
			edu_dma.debug = GANTRY_DMA_DEBUG_ON;
		} else if (strcmp(argv[i], "heap") == 0) {
			heap = true;
		} else if (strcmp(argv[i], "pause") == 0) {
			pause_first = true;
		} else {
			fprintf(stderr,
					"edu-copy: %s: must be a mode (auto, direct, window, "
					"strict, bounce), debug, heap or pause\n",
					argv[i]);
			return false;
		}
	}
	return true;
}

static void *
buffer(void)
{
	return heap ? aligned_alloc(4096, RTE_ALIGN_CEIL(BYTES, 4096)) :
		      rte_malloc("edu", BYTES, RTE_CACHE_LINE_SIZE);
}

static void
drop(void *p)
{
	if (heap)
		free(p);
	else
		rte_free(p);
}

/* Return true if the copy succeeded. */
static bool
copy(struct edu *edu)
{
	uint8_t *src = buffer(), *dst = buffer();
	bool ok = false;
	int ret;

	if (src == NULL || dst == NULL) {
		fprintf(stderr, "edu-copy: no memory left for %d bytes\n", BYTES);
	} else {
		for (size_t i = 0; i < BYTES; i++)
			src[i] = rand();
		memset(dst, 0, BYTES);
		ret = edu_copy(edu, dst, src, BYTES);
		ok = ret == 0 && memcmp(src, dst, BYTES) == 0;
		if (ret == -EIO)
			fprintf(stderr, "edu-copy: %s\n", gantry_dma_last_error());
		else if (!ok)
			fprintf(stderr, "edu-copy: %s: %s\n", edu->name,
					ret != 0 ? rte_strerror(-ret) : "the copy differs");
		/* After a timeout the device may still write to the buffers: keep them. */
		if (ret == -ETIMEDOUT)
			return false;
	}
	drop(src);
	drop(dst);
	return ok;
}

int
main(int argc, char **argv)
{
	struct edu *edu;
	int status = 0, own = 1;

	while (own < argc && strcmp(argv[own], "--") != 0)
		own++;
	if (!options(argc - own, argv + own))
		return 2;
	if (rte_eal_init(own, argv) < 0) {
		fprintf(stderr, "edu-copy: EAL did not start: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	if (TAILQ_EMPTY(&edu_devices)) {
		fprintf(stderr, "edu-copy: no edu device here\n");
		status = 1;
	}
	if (pause_first) {
		puts("edu-copy: press return");
		fflush(stdout);
		getchar();
	}
	while ((edu = TAILQ_FIRST(&edu_devices)) != NULL) {
		if (copy(edu))
			printf("%s: %d bytes copied, mode %s, mask 0x%" PRIx64 ", misuses %" PRIu64
			       "\n",
					edu->name, BYTES, gantry_dma_mode_name(edu->dma),
					gantry_dma_get_mask(edu->dma),
					gantry_dma_debug_errors(edu->dma));
		else
			status = 1;
		edu_close(edu);
	}
	if (gantry_dma_debug_errors(NULL) != 0)
		status = 1;
	rte_eal_cleanup();
	return status;
}
