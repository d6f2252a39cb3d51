/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Plays, each in a process of its own, and what they showed.
 */

#ifndef RUN_H
#define RUN_H

#include "dmacheck.h"

/* What stands between buffer and device, and whether it is watched. */
struct setting {
	const char *name;
	enum gantry_dma_mode_id mode;
	bool debug;
};

#define REPORTS_KEPT 8
#define TEXT_MAX     640
#define SITE_MAX     160

/* What one play showed. */
struct outcome {
	bool ended;             /* it came to its end */
	unsigned int checks, wrong;
	uint64_t faults;        /* of the device's IOMMU */
	bool fault_site;        /* the first was the culprit's */
	char fault[TEXT_MAX];   /* in words */
	unsigned int reports;   /* of debug mode */
	struct {
		int misuse;
		/* "function+0x12 (file)": of the misuse, of the mapping; empty: it has none. */
		char here[SITE_MAX], mapped[SITE_MAX];
		bool whole;     /* it has all that can be known of an application's mbuf */
		char text[TEXT_MAX];
	} report[REPORTS_KEPT];
	int status;             /* of waitpid() */
	int log;                /* what it printed: a file */
};

/* One play. */
struct play {
	const struct family *family;
	const struct bug *bug;
	const struct setting *setting;
	bool fixed;
	struct outcome *outcome; /* in memory that the process shares */
	int pid;
};

/* Plays all of them, some at once. 0 or -errno. */
int run_plays(struct play *plays, unsigned int nr);
/* Prints what a play printed. */
void run_show_log(const struct play *p);
/* Whether the machine has so many hugepages for us. */
bool run_has_hugepages(void);

#endif /* RUN_H */
