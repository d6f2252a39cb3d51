/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * EAL, the two devices, the transcript.
 *
 *     models_agree [EAL arguments] -- [subject...]
 *
 * The two bus files of the driver call igb_ethdev_probe(). This program defines that function
 * itself, so it links nothing of the driver but register access.
 */

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_debug.h>
#include <rte_eal.h>
#include <rte_log.h>

#include "igb_ethdev.h"
#include "ma.h"

struct ma_port ma_a = { .name = "a", .mac = { 0x02, 0, 0, 0, 0, 0x0A } };
struct ma_port ma_b = { .name = "b", .mac = { 0x02, 0, 0, 0, 0, 0x0B } };

static const struct {
	const char *name;
	void (*run)(void);
} subjects[] = {
	{ "first", ma_regs_first }, /* before anything is written */
	{ "pci", ma_pci },
	{ "regs", ma_regs },
	{ "nvm_phy", ma_nvm_phy },
	{ "stats", ma_stats },
	{ "tx", ma_tx },
	{ "tso", ma_tso },
	{ "rx", ma_rx },
	{ "split", ma_split },
	{ "filter", ma_filter },
	{ "rss", ma_rss },
	{ "queue", ma_queue },
	{ "intr", ma_intr },
	{ "loop", ma_loop },
};

#define NUM_SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static const char *subject = "", *step = "";
static unsigned int probed;
static struct igb_bus_dev devices[2];

RTE_LOG_REGISTER(igb_logtype_init, models_agree.init, NOTICE)
RTE_LOG_REGISTER(igb_logtype_driver, models_agree.driver, NOTICE)

int
igb_ethdev_probe(const struct igb_bus_dev *bus)
{
	if (probed < 2)
		devices[probed] = *bus;
	probed++;
	return 0;
}

bool
igb_ethdev_can_be_shared(const struct rte_device *device)
{
	return true;
}

int
igb_ethdev_remove(struct rte_device *device)
{
	return 0;
}

void
igb_ethdev_lost(const struct rte_device *device)
{
	ma_fail("%s is gone", rte_dev_name(device));
}

RTE_INIT(register_buses)
{
	igb_pci_register();
	igb_vfio_user_register();
}

void
ma_case(const char *name)
{
	step = name;
}

void
ma_fact(const char *key, const char *fmt, ...)
{
	va_list ap;

	printf("%s.%s%s%s: ", subject, step, *step ? "." : "", key);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

const char *
ma_key(const char *fmt, ...)
{
	static char buf[8][96];
	static unsigned int n;
	char *key = buf[n++ % 8];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(key, sizeof(buf[0]), fmt, ap);
	va_end(ap);
	return key;
}

void
ma_fail(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "models_agree: %s.%s: ", subject, step);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	/* Do not run exit handlers, because EAL threads may be anywhere. */
	_exit(1);
}

static bool
wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc <= 1;
}

static void
check_names(int argc, char **argv)
{
	unsigned int k;
	int i;

	for (i = 1; i < argc; i++) {
		for (k = 0; k < NUM_SUBJECTS; k++)
			if (strcmp(argv[i], subjects[k].name) == 0)
				break;
		if (k < NUM_SUBJECTS)
			continue;
		fprintf(stderr, "models_agree: no subject '%s'; there are", argv[i]);
		for (k = 0; k < NUM_SUBJECTS; k++)
			fprintf(stderr, " %s", subjects[k].name);
		fprintf(stderr, "\n");
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	unsigned int k, first;
	int n = rte_eal_init(argc, argv);

	if (n < 0)
		ma_fail("EAL does not start");
	argc -= n;
	argv += n;
	check_names(argc, argv);
	if (probed != 2)
		ma_fail("%u devices were found, not two: name them with -a", probed);
	/* Assigned by name, because PCI addresses and sockets are probed in different orders. */
	first = strcmp(rte_dev_name(devices[0].device), rte_dev_name(devices[1].device)) > 0;
	ma_a.bus = devices[first];
	ma_b.bus = devices[!first];
	ma_memory(&ma_a);
	ma_memory(&ma_b);
	for (k = 0; k < NUM_SUBJECTS; k++) {
		if (!wanted(subjects[k].name, argc, argv))
			continue;
		subject = subjects[k].name;
		ma_case("");
		subjects[k].run();
		fflush(stdout);
	}
	ma_reset(&ma_a);
	ma_reset(&ma_b);
	rte_eal_cleanup();
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
