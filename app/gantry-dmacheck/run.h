/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Runs plays, each in its own process, and collects their outcomes.
 */

#ifndef RUN_H
#define RUN_H

#include "dmacheck.h"

/* DMA mode of a play, and whether debug mode watches it. */
struct setting {
	const char *name;
	enum gantry_dma_mode_id mode;
	bool debug;
};

#define REPORTS_KEPT 8
#define TEXT_MAX     640
#define SITE_MAX     160

/* Outcome of one play, in memory that the process of the play shares with its parent. */
struct outcome {
	bool ended; /* the play reached its end */
	unsigned int checks, wrong;
	uint64_t faults;      /* reported by the IOMMU of the device */
	bool fault_site;      /* the first fault follows a doorbell of the culprit */
	char fault[TEXT_MAX]; /* text of the first fault */
	unsigned int reports; /* number of reports of debug mode */
	struct {
		int misuse;
		/* "function+0x12 (file)": of the misuse; of the mapping, empty if none. */
		char here[SITE_MAX], mapped[SITE_MAX];
		bool whole; /* it names everything that can be known of an mbuf */
		char text[TEXT_MAX];
	} report[REPORTS_KEPT];
	int status; /* from waitpid() */
	int log;    /* file with the output of the play */
};

/* One play. */
struct play {
	const struct family *family;
	const struct bug *bug;
	const struct setting *setting;
	bool fixed;
	struct outcome *outcome; /* shared memory */
	int pid;
};

/* Run all plays, several at a time. Return 0 or a negative errno. */
int run_plays(struct play *plays, unsigned int nr);
/* Print the output of a play. */
void run_show_log(const struct play *p);
/* True if the machine has enough free hugepages for all concurrent plays. */
bool run_has_hugepages(void);

#endif /* RUN_H */
