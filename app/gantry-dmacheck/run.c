/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A play is a forked process with its own EAL. Its end also ends all damage that a bug has done,
 * and a crash is an outcome. The process writes its observations to memory that it shares with its
 * parent.
 */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "rte_pmd_gantry_igb.h"
#include "run.h"

/* Seconds. A play that hangs is also an outcome. */
#define PLAY_SECONDS 20
/* Concurrent plays per core: they wait most of the time. */
#define PLAYS_A_CORE 4
#define HUGEPAGES    80 /* of 2 MiB, for all concurrent plays */

static struct outcome *outcome;
static const struct bug *bug;

/* Name of the function that rang the doorbell. A return address may begin the next function. */
static const char *
function_at(const void *address)
{
	Dl_info info;

	return address != NULL && dladdr((const uint8_t *)address - 1, &info) != 0 &&
					info.dli_sname != NULL ?
			info.dli_sname :
			NULL;
}

/*
 * True if a report about an mbuf of an application names everything required: the mbuf, its pool,
 * and its present or former owner by queue and descriptor. An mbuf that no device owns has no
 * queue, and a pointer that is no mbuf has neither.
 */
static bool
is_whole(const struct gantry_dma_error *e)
{
	const bool rx = e->misuse == GANTRY_DMA_MISUSE_MBUF_RECEIVED_INTO ||
			e->misuse == GANTRY_DMA_MISUSE_MBUF_WRITTEN_FREE;

	if (e->misuse == GANTRY_DMA_MISUSE_MBUF_NOT_OF_POOL)
		return e->device != NULL;
	return e->device != NULL && e->mbuf != NULL && e->pool != NULL &&
			strcmp(e->pool, e->mbuf->pool->name) == 0 &&
			(e->misuse == GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE ||
					(e->queue == 0 && e->descriptor >= 0 &&
							e->queue_kind == (rx ? 'r' : 't')));
}

static void
on_report(void *arg, const struct gantry_dma_error *e)
{
	const unsigned int n = outcome->reports++;

	if (n >= REPORTS_KEPT)
		return;
	outcome->report[n].misuse = e->misuse;
	/* The texts that a person reads. */
	snprintf(outcome->report[n].here, SITE_MAX, "%s", e->symbol);
	if (e->map_site != NULL)
		snprintf(outcome->report[n].mapped, SITE_MAX, "%s", e->map_symbol);
	outcome->report[n].whole = arg == NULL || is_whole(e);
	snprintf(outcome->report[n].text, TEXT_MAX, "%s", e->text);
}

static void
start_eal(const struct play *p, const char *devargs)
{
	char cores[64 + 4 * CPU_SETSIZE] = "0@(";
	char *args[24] = { "gantry-dmacheck", "--no-pci", "--no-telemetry", "--no-shconf",
		"--log-level", "lib.eal:error", "--iova-mode=va", "--lcores", cores };
	int n = 9;
	size_t at = strlen(cores);
	cpu_set_t set;
	int i;

	/* One lcore on any core, because two concurrent plays must not share a core. */
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			at += snprintf(cores + at, sizeof(cores) - at, "%d,", i);
	cores[at - 1] = ')';
	/* EAL does not accept both. */
	if (p->bug->needs & NEEDS_HUGEPAGES) {
		args[n++] = "--in-memory";
	} else {
		args[n++] = "--no-huge";
		args[n++] = "-m";
		args[n++] = p->setting->mode == GANTRY_DMA_MODE_BOUNCE ? "48" : "16";
	}
	if (devargs != NULL) {
		args[n++] = "-a";
		args[n++] = (char *)(uintptr_t)devargs;
	}
	if (rte_eal_init(n, args) < 0)
		broken("EAL does not start: %s", rte_strerror(rte_errno));
}

static void
play_mini(const struct play *p, struct rig *r)
{
	start_eal(p, NULL);
	gantry_dma_debug_handler(on_report, NULL);
	mini_start(r);
	p->bug->play(r, p->fixed);
	mini_end(r);
}

static void
play_app(const struct play *p, struct rig *r)
{
	softnic_fork(r);
	start_eal(p, softnic_devargs(r));
	/* The driver is a plugin with its own copy of the library. */
	rte_pmd_gantry_igb_dma_debug_handler(on_report, r);
	softnic_start(r);
	p->bug->play(r, p->fixed);
	softnic_end(r);
}

__attribute__((noreturn)) static void
play(const struct play *p)
{
	struct rig r = { .mode = p->setting->mode, .debug = p->setting->debug };
	const char *site;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(p->outcome->log, STDOUT_FILENO);
	dup2(p->outcome->log, STDERR_FILENO);
	alarm(PLAY_SECONDS);
	outcome = p->outcome;
	bug = p->bug;
	(p->family->app ? play_app : play_mini)(p, &r);
	outcome->checks = r.checks;
	outcome->wrong = r.wrong;
	outcome->faults = r.faults;
	site = function_at(r.fault_site);
	outcome->fault_site = site != NULL && strcmp(site, bug->culprit) == 0;
	snprintf(outcome->fault, sizeof(outcome->fault), "%s%s%s", r.fault,
			site == NULL ? "" : "; its doorbell was rung by ",
			site == NULL ? "" : site);
	outcome->ended = true;
	fflush(NULL);
	_exit(0);
}

/* Start a play. Return its process ID or a negative errno. */
static int
start(struct play *p)
{
	int pid;

	p->outcome = mmap(NULL, sizeof(*p->outcome), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->outcome == MAP_FAILED)
		return -errno;
	p->outcome->log = memfd_create("dmacheck", MFD_CLOEXEC);
	if (p->outcome->log < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		play(p);
	p->pid = pid;
	return pid > 0 ? pid : -errno;
}

/*
 * EAL loads every installed driver, which takes longer than a play. If the parent loads them, they
 * are already present when the EAL of a play asks for them.
 */
static void
load_drivers(void)
{
	DIR *dir = opendir(RTE_EAL_PMD_PATH);
	const struct dirent *e;
	char path[PATH_MAX];

	while (dir != NULL && (e = readdir(dir)) != NULL) {
		const size_t len = strlen(e->d_name);

		snprintf(path, sizeof(path), "%s/%s", RTE_EAL_PMD_PATH, e->d_name);
		if (len > 3 && strstr(e->d_name, ".so") != NULL)
			(void)dlopen(path, RTLD_NOW);
	}
	if (dir != NULL)
		closedir(dir);
}

int
run_plays(struct play *plays, unsigned int nr)
{
	unsigned int next = 0, running = 0, i;
	int status, pid;
	cpu_set_t set;
	unsigned int jobs;

	load_drivers();
	CPU_ZERO(&set);
	jobs = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	jobs = RTE_MIN(jobs, 4u) * PLAYS_A_CORE;
	while (next < nr || running > 0) {
		if (next < nr && running < jobs) {
			pid = start(&plays[next++]);
			if (pid < 0)
				return pid;
			running++;
			continue;
		}
		pid = waitpid(-1, &status, 0);
		if (pid < 0)
			return -errno;
		for (i = 0; i < next; i++) {
			if (plays[i].pid == pid) {
				plays[i].outcome->status = status;
				plays[i].pid = 0;
				running--;
			}
		}
	}
	return 0;
}

void
run_show_log(const struct play *p)
{
	char buf[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(p->outcome->log, buf, sizeof(buf), at)) > 0) {
		fwrite(buf, 1, (size_t)n, stdout);
		at += n;
	}
}

bool
run_has_hugepages(void)
{
	unsigned int free_pages = 0;
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");

	if (f != NULL) {
		if (fscanf(f, "%u", &free_pages) != 1)
			free_pages = 0;
		fclose(f);
	}
	return geteuid() == 0 && free_pages >= HUGEPAGES;
}
