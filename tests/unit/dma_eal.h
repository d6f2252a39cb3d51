/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * EAL for the tests, as the test's only argument says: "no-huge", "va", "pa".
 * The mode that EAL ended up in is asserted: it changes its mind silently.
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

#define EAL_SKIPPED 77 /* meson's exit status for it */

/* Of a test that needs more of them. */
#ifndef EAL_LCORES
#define EAL_LCORES "0"
#endif
/* Of a test that asks by it. */
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

/* Starts EAL with more arguments (NULL at the end); ends the test if it cannot be run here. */
static inline void
eal_start(int argc, char **argv, ...)
{
	const char *mode = argc > 1 ? argv[1] : "no-huge";
	bool no_huge = eal_no_huge(argc, argv);
	bool pa = strcmp(mode, "pa") == 0;
	char prefix[64];
	char *args[32] = { argv[0], "--lcores", EAL_LCORES, "--no-pci", EAL_TELEMETRY, "--no-shconf",
		"--log-level", "lib.eal:error", "-m", "64",
		"--file-prefix", prefix };
	int n = 12;
	va_list ap;
	char *more;

	/* Programs that run at one time have a telemetry socket each. */
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
