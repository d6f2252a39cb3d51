/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * EAL for the tests. The first argument of the test program selects the memory: "no-huge" (one
 * memfd, no hugepages, no root), "va" (hugepages, IOVA as virtual address) or "pa" (hugepages, IOVA
 * as physical address).
 *
 * EAL may silently choose another IOVA mode than the one that was asked for, so eal_start()
 * compares the mode that EAL is in, and fails the program if it differs. If the machine cannot run
 * the mode (not root, or fewer than 64 free hugepages of 2 MB), the program exits with EAL_SKIPPED.
 */

#ifndef DMA_EAL_H
#define DMA_EAL_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "mutexes.h"

#define EAL_SKIPPED 77 /* meson's exit status for a skipped test */

/* A test that needs more lcores defines this before it includes this file. */
#ifndef EAL_LCORES
#define EAL_LCORES "0"
#endif
/* A test that uses telemetry defines this as "--telemetry"; see dma_telemetry.h. */
#ifndef EAL_TELEMETRY
#define EAL_TELEMETRY "--no-telemetry"
#endif

static inline unsigned int
eal_free_hugepages(void)
{
	char line[128];
	unsigned int n = 0;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "HugePages_Free: %u", &n) == 1)
			break;
	}
	if (f != NULL)
		fclose(f);
	return n;
}

static inline bool
eal_huge(void)
{
	return rte_eal_has_hugepages() != 0;
}

static inline bool
eal_no_huge(int argc, char **argv)
{
	return argc < 2 || strcmp(argv[1], "no-huge") == 0;
}

/**
 * Start EAL in the mode that the program's arguments select.
 *
 * Does not return if EAL cannot be started here: it exits with EAL_SKIPPED if the machine lacks
 * something, with 1 if EAL fails or is in another IOVA mode.
 * @param ...  further EAL arguments, at most 17 of them, NULL at the end
 */
static inline void
eal_start(int argc, char **argv, ...)
{
	const char *mode = argc > 1 ? argv[1] : "no-huge";
	bool no_huge = eal_no_huge(argc, argv);
	bool pa = strcmp(mode, "pa") == 0;
	char prefix[64];
	char *args[32] = { argv[0], "--lcores", EAL_LCORES, "--no-pci", EAL_TELEMETRY,
		"--no-shconf", "--log-level", "lib.eal:error", "-m", "64", "--file-prefix",
		prefix };
	int n = 12;
	va_list ap;
	char *more;

	/* Programs that run concurrently need a file prefix each: it names the telemetry socket. */
	snprintf(prefix, sizeof(prefix), "%s-%s", program_invocation_short_name, mode);
	if (!no_huge && geteuid() != 0) {
		printf("needs root, for hugepages\n");
		exit(EAL_SKIPPED);
	}
	if (!no_huge && eal_free_hugepages() < 64) {
		printf("needs 64 free hugepages of 2 MB\n");
		exit(EAL_SKIPPED);
	}
	/* EAL does not combine --no-huge and --in-memory. */
	args[n++] = no_huge ? "--no-huge" : "--in-memory";
	if (!no_huge)
		args[n++] = pa ? "--iova-mode=pa" : "--iova-mode=va";
	va_start(ap, argv);
	while ((more = va_arg(ap, char *)) != NULL && n < 31)
		args[n++] = more;
	va_end(ap);
	if (rte_eal_init(n, args) < 0) {
		printf("EAL does not start: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
	if (rte_eal_iova_mode() != (pa ? RTE_IOVA_PA : RTE_IOVA_VA)) {
		printf("EAL is not in the IOVA mode that was asked for (%s)\n", mode);
		exit(1);
	}
}

#endif /* DMA_EAL_H */
