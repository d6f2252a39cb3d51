/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * gantry-dmacheck: a corpus of planted bugs, and a test that the debug layer finds each one.
 *
 *	gantry-dmacheck [--json FILE] [--list] [--only NAME]...
 *
 * Theory
 *
 * A bug is a few lines of a driver or of an application that contain one mistake. Its twin is the
 * same code without the mistake (dmacheck.h). The program plays both in several settings:
 *
 *	        debug mode over direct     strict mode, no debug      debug over strict, bounce
 *	bug     must report it             the IOMMU may detect it
 *	twin    no report, data correct    no fault, data correct     no report, data correct
 *
 * A verdict requires what each bug states: exactly one report of debug mode, of the right class,
 * that names the call that contains the mistake and the call that created the mapping; a fault of
 * the IOMMU in strict mode; or both.
 *
 * A bug of class "iommu-fault" is visible to the IOMMU only: the driver uses the API correctly,
 * and gives the device another address than the API returned.
 *
 * Each play is a process with its own EAL, so that a corrupted heap or a crash is an outcome and
 * affects no other play:
 *
 *	main.c   verdicts <-- struct outcome (shared memory) <-- play process: EAL, device, bug
 *	                      log (memfd)                    <--
 *
 * Data structures
 *
 *	struct family (one for each bugs_*.c) --> struct bug: class, culprit, play()
 *	                                              | each setting, as bug and as twin
 *	struct rig, in the play process <-------------+
 *	  .dma, .nic --> miniature device (mini.c); or .pool and a port on a soft NIC (softnic.c)
 *	  checks of data, faults --> struct outcome --> verdict
 *
 * Lifecycle of a play: fork, start EAL in the memory and mode of the setting, make the device, call
 * play(), end the device (which finds what leaked), write the outcome, exit. The process ends also
 * if it crashes or hangs, and the parent judges what it finds (run.c).
 *
 * Threads: plays run concurrently, and each is a process. In a play the miniature device has no
 * thread: it works in nic_kick(), so that "the device still owns it" is no matter of timing. The
 * soft NIC is another process, whose wire can be held for the same purpose.
 *
 * Files
 *
 *	bugs_*.c    the corpus
 *	run.c       runs the plays
 *	mini.c      a miniature device, for bugs of drivers
 *	softnic.c   the soft NIC, for bugs of applications
 *	rig.c       checks and memory
 *
 * Not done, on purpose: plays never rely on timing, and do not use a real device.
 */

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <jansson.h>

#include "output_file.h"
#include "run.h"
#include "std_fds.h"

#define EXIT_USAGE    2
#define EXIT_LEFT_OUT 3
#define ONLY_MAX      64

/* clang-format off */
static const struct family * const families[] = {
	&family_mapping, &family_sync, &family_coherent, &family_sg, &family_mbuf, &family_iommu,
	&family_history, &family_app, &family_fields, &family_pool,
};

static const struct setting
	debug_direct = { "debug", GANTRY_DMA_MODE_DIRECT, true },
	strict = { "strict", GANTRY_DMA_MODE_STRICT, false },
	debug_strict = { "debug over strict", GANTRY_DMA_MODE_STRICT, true },
	debug_bounce = { "debug over bounce", GANTRY_DMA_MODE_BOUNCE, true };

/* The six plays of a bug: itself twice, and its twin four times. */
#define BUG_DEBUG  0
#define BUG_STRICT 1
#define TWINS      2 /* index of the first twin */
#define PLAYS      6

static const struct setting * const settings[PLAYS] = {
	&debug_direct, &strict, &debug_direct, &strict, &debug_strict, &debug_bounce,
	/* clang-format on */
};

struct options {
	const char *json;
	bool list;
	unsigned int nr_only;
	const char *only[ONLY_MAX];
};

/* The findings about one bug. */
struct verdict {
	const struct family *family;
	const struct bug *bug;
	struct play *plays;
	bool left_out;
	const char *caught_by; /* NULL: nothing detected it */
	const char *message;
	bool twin_ok;
	char why[512]; /* why the verdict is bad; empty: it is good */
};

static void
help(void)
{
	/* clang-format off */
	puts("gantry-dmacheck: plant bugs of DMA, and check that each is caught\n"
"\n"
"usage: gantry-dmacheck [OPTIONS]\n"
"\n"
"  --json FILE      write the result to FILE\n"
"  --list           print name, class and source of each bug, and play none\n"
"  --only NAME      play this bug only; may be given several times\n"
"  --help           print the usage and exit\n"
"  --version        print the version and exit\n"
"\n"
"Exit status: 0 each bug was caught, and no twin was reported; 1 not so, or a file could not be\n"
"written; 2 wrong arguments; 3 as 0, but some bugs could not be played on this machine.");
	/* clang-format on */
}

const char *
class_name(int misuse)
{
	return misuse == CLASS_IOMMU ? "iommu-fault" : gantry_dma_misuse_name(misuse);
}

static const struct bug *
find_bug(const char *name)
{
	unsigned int f, i;

	for (f = 0; f < RTE_DIM(families); f++)
		for (i = 0; i < families[f]->nr; i++)
			if (strcmp(families[f]->bugs[i].name, name) == 0)
				return &families[f]->bugs[i];
	return NULL;
}

/* Return 0, or the negative exit status. */
static int
parse(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "json", required_argument, NULL, 'j' },
		{ "list", no_argument, NULL, 'l' },
		{ "only", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o->json = optarg;
			break;
		case 'l':
			o->list = true;
			break;
		case 'o':
			if (find_bug(optarg) == NULL) {
				warnx("there is no bug '%s'; --list names them all", optarg);
				return -EXIT_USAGE;
			}
			if (o->nr_only == ONLY_MAX) {
				warnx("--only can be given %u times at most", ONLY_MAX);
				return -EXIT_USAGE;
			}
			o->only[o->nr_only++] = optarg;
			break;
		case 'h':
			help();
			exit(0);
		case 'v':
			puts("gantry-dmacheck " GANTRY_VERSION);
			exit(0);
		default:
			return -EXIT_USAGE;
		}
	}
	if (optind < argc) {
		warnx("unexpected argument '%s' (see --help)", argv[optind]);
		return -EXIT_USAGE;
	}
	return 0;
}

static bool
wanted(const struct options *o, const struct bug *b)
{
	unsigned int i;

	for (i = 0; i < o->nr_only; i++)
		if (strcmp(o->only[i], b->name) == 0)
			return true;
	return o->nr_only == 0;
}

static void
list(const struct options *o)
{
	unsigned int f, i;

	for (f = 0; f < RTE_DIM(families); f++)
		for (i = 0; i < families[f]->nr; i++) {
			const struct bug *b = &families[f]->bugs[i];

			if (wanted(o, b))
				printf("%-34s %-24s %s\n", b->name, class_name(b->misuse),
						b->source);
		}
}

/*
 * The verdict.
 */

static void
set_reason(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	if (v->why[0] != '\0')
		return; /* keep the first reason, which explains most */
	va_start(ap, fmt);
	vsnprintf(v->why, sizeof(v->why), fmt, ap);
	va_end(ap);
}

/* True if a play reached its end. */
static bool
ended(struct verdict *v, const struct play *p)
{
	const int status = p->outcome->status;

	if (p->outcome->ended)
		return true;
	if (WIFSIGNALED(status))
		set_reason(v, "%s in %s mode ended with signal %d (%s)", p->fixed ? "twin" : "bug",
				p->setting->name, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		set_reason(v, "%s in %s mode could not be played", p->fixed ? "twin" : "bug",
				p->setting->name);
	return false;
}

/*
 * The calls that a report of each class can know: the misuse, and the call that mapped the memory,
 * or that did first what is done twice. A report must be right about what it can know. It may name
 * the mapping only if the misuse is no call, or no one sees the call. A fault that only the IOMMU
 * sees has neither; there it is the doorbell before the fault.
 */
#define MISUSE  1u
#define MAPPING 2u
/* Both, in the same function: in a loop they may be one place. */
#define ALIKE 4u

static const unsigned int sites[GANTRY_DMA_MISUSE_MAX] = {
	[GANTRY_DMA_MISUSE_UNMAP_UNKNOWN] = MISUSE, /* nothing was mapped */
	[GANTRY_DMA_MISUSE_UNMAP_TWICE] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_WRONG_SIZE] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_WRONG_FUNCTION] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_WRONG_DIRECTION] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_WRONG_CPU_ADDRESS] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_WRONG_NENTS] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_UNMAP_ERROR] = MISUSE, /* nothing was mapped */
	/* The mistake is a call that is missing, and that belongs next to the mapping. */
	[GANTRY_DMA_MISUSE_UNCHECKED] = MAPPING,
	/* Also a missing call, which only the end of the device reveals. */
	[GANTRY_DMA_MISUSE_LEAKED] = MAPPING,
	[GANTRY_DMA_MISUSE_SYNC_UNMAPPED] = MISUSE, /* nothing is mapped */
	[GANTRY_DMA_MISUSE_SYNC_RANGE] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_SYNC_DIRECTION] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_SYNC_POINTLESS] = MISUSE | MAPPING,
	/* The mapping itself is the misuse. */
	[GANTRY_DMA_MISUSE_MAP_INVALID] = MISUSE,
	[GANTRY_DMA_MISUSE_MAP_STACK] = MISUSE,
	[GANTRY_DMA_MISUSE_MAP_TEXT] = MISUSE,
	[GANTRY_DMA_MISUSE_MAP_SCATTERED] = MISUSE,
	[GANTRY_DMA_MISUSE_OVERLAP] = MISUSE | MAPPING | ALIKE,
	[GANTRY_DMA_MISUSE_SEGMENT_SIZE] = MISUSE,
	[GANTRY_DMA_MISUSE_SEGMENT_BOUNDARY] = MISUSE,
	/*
	 * EAL does not report a free, so it is detected when the memory is checked next. If EAL
	 * returns the pages at once, it does report that, within the call.
	 */
	[GANTRY_DMA_MISUSE_FREED_MAPPED] = MAPPING,
	[GANTRY_DMA_MISUSE_MBUF_FREED] = MISUSE | MAPPING,
	[GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE] = MISUSE | MAPPING | ALIKE,
	/* A store of the CPU, which is no call; detected when the data is checked next. */
	[GANTRY_DMA_MISUSE_MBUF_WRITTEN] = MAPPING,
	/* Likewise; or a store of the device, which is no call either. */
	[GANTRY_DMA_MISUSE_MBUF_WRITTEN_FREE] = MAPPING,
	[GANTRY_DMA_MISUSE_MBUF_IN_RING] = MISUSE | MAPPING | ALIKE,
	/* Detected when the driver takes the buffer back: the device still owns it once more. */
	[GANTRY_DMA_MISUSE_MBUF_RECEIVED_INTO] = MAPPING,
	/* Stores, which are no calls; detected when the fields are checked next. */
	[GANTRY_DMA_MISUSE_MBUF_CHANGED] = MAPPING,
	/* The mapping itself is the misuse, and the report names it as both. */
	[GANTRY_DMA_MISUSE_MBUF_FAST_FREE] = MISUSE | MAPPING | ALIKE,
	[GANTRY_DMA_MISUSE_MBUF_CHAIN] = MISUSE | MAPPING | ALIKE,
	[GANTRY_DMA_MISUSE_MBUF_NOT_OF_POOL] = MISUSE, /* nothing was mapped */
};

/* True if the site of a report is in that function, or in that file. */
static bool
is_in(const char *site, const char *where)
{
	const size_t len = strlen(where), all = strlen(site);

	if (where[0] == '(')
		return all > len && strcmp(site + all - len, where) == 0;
	return strncmp(site, where, len) == 0 && site[len] == '+';
}

/* Check the places in the first report of debug mode, whose class is right. */
static void
check_sites(struct verdict *v, const char *here, const char *mapped, const char *text)
{
	const struct bug *b = v->bug;
	const char *mapper = b->mapper != NULL ? b->mapper : b->culprit;
	unsigned int known = sites[b->misuse];

	if (b->misuse == GANTRY_DMA_MISUSE_FREED_MAPPED && (b->needs & NEEDS_HUGEPAGES))
		known |= MISUSE;
	if (known == 0)
		set_reason(v, "sites[] has no entry for its class: add one");
	else if ((known & MISUSE) && !is_in(here, b->culprit))
		set_reason(v, "the misuse is in %s, and not %s: %s", b->culprit, here, text);
	else if ((known & MAPPING) && !is_in(mapped, mapper))
		set_reason(v, "the mapping is in %s, and not %s: %s", mapper, mapped, text);
	else if (!(known & MAPPING) && mapped[0] != '\0')
		set_reason(v, "nothing was mapped, by %s or another: %s", mapped, text);
	else if (known == (MISUSE | MAPPING) && strcmp(here, mapped) == 0)
		set_reason(v, "the report names one call for misuse and mapping: %s", text);
}

/* True if debug mode reported; adds a reason unless the report is exactly right. */
static bool
debug_caught(struct verdict *v, const struct outcome *o)
{
	if (o->reports == 0)
		return false;
	v->message = o->report[0].text;
	if (o->report[0].misuse != v->bug->misuse)
		set_reason(v, "debug mode reported %s: %s", class_name(o->report[0].misuse),
				o->report[0].text);
	else
		check_sites(v, o->report[0].here, o->report[0].mapped, o->report[0].text);
	if (!o->report[0].whole)
		set_reason(v, "the report lacks mbuf, pool, queue or descriptor: %s",
				o->report[0].text);
	else if (o->reports > 1)
		set_reason(v, "%u reports; the second: %s", o->reports, o->report[1].text);
	return true;
}

static void
judge_bug(struct verdict *v)
{
	const struct outcome *debug = v->plays[BUG_DEBUG].outcome;
	const struct outcome *iommu = v->plays[BUG_STRICT].outcome;
	bool by_debug = false, by_iommu = false;

	v->message = "";
	if (ended(v, &v->plays[BUG_DEBUG]))
		by_debug = debug_caught(v, debug);
	/* The effect of a bug is undefined if nothing watches, so only faults count here. */
	by_iommu = iommu->faults > 0;
	if (by_iommu && v->message[0] == '\0')
		v->message = iommu->fault;
	v->caught_by = by_debug ? by_iommu ? "both" : "debug" : by_iommu ? "iommu" : NULL;
	if (v->bug->misuse != CLASS_IOMMU && !by_debug)
		set_reason(v, "debug mode reported nothing");
	else if (!by_iommu && (v->bug->misuse == CLASS_IOMMU || v->bug->faults))
		set_reason(v, "the IOMMU reported no fault");
	else if (by_iommu && v->bug->misuse != CLASS_IOMMU && !v->bug->faults)
		set_reason(v, "the IOMMU reported a fault, which this bug must not cause: %s",
				iommu->fault);
	else if (v->bug->misuse == CLASS_IOMMU && !iommu->fault_site)
		set_reason(v, "the doorbell before the fault was not %s()'s: %s", v->bug->culprit,
				iommu->fault);
}

static void
judge_twin(struct verdict *v)
{
	unsigned int i;

	v->twin_ok = true;
	for (i = TWINS; i < PLAYS; i++) {
		const struct play *p = &v->plays[i];
		const struct outcome *o = p->outcome;

		if (ended(v, p) && o->reports == 0 && o->faults == 0 && o->wrong == 0 &&
				o->checks > 0)
			continue;
		v->twin_ok = false;
		if (o->reports > 0)
			set_reason(v, "the twin is reported in %s mode: %s", p->setting->name,
					o->report[0].text);
		else if (o->faults > 0)
			set_reason(v, "the twin's device faults in %s mode: %s", p->setting->name,
					o->fault);
		else if (o->ended)
			set_reason(v,
					o->checks == 0 ?
							"the twin in %s mode checked no data" :
							"the twin's data did not arrive in %s mode",
					p->setting->name);
	}
}

static void
show(const struct verdict *v)
{
	unsigned int i;

	if (v->left_out) {
		printf("skip   %-34s needs root and free hugepages of 2 MiB\n", v->bug->name);
		return;
	}
	if (v->why[0] == '\0') {
		printf("ok     %-34s %-24s %s\n", v->bug->name, class_name(v->bug->misuse),
				v->caught_by);
		return;
	}
	printf("FAILED %-34s %-24s %s\n", v->bug->name, class_name(v->bug->misuse), v->why);
	for (i = 0; i < PLAYS; i++) {
		printf("---    %s, %s mode\n", v->plays[i].fixed ? "twin" : "bug",
				v->plays[i].setting->name);
		run_show_log(&v->plays[i]);
	}
}

static int
write_json(struct output_file *out, const struct verdict *verdicts, unsigned int nr,
		unsigned int twins, unsigned int false_positives)
{
	json_t *bugs = json_array(), *root;
	unsigned int i;
	int ret;

	for (i = 0; i < nr; i++) {
		const struct verdict *v = &verdicts[i];

		if (v->left_out)
			continue;
		json_array_append_new(bugs,
				json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "name", v->bug->name,
						"class", class_name(v->bug->misuse), "source",
						v->bug->source, "caught_by",
						v->caught_by == NULL ? "nothing" : v->caught_by,
						"message", v->message, "ok", v->why[0] == '\0'));
	}
	root = json_pack("{s:o, s:i, s:i}", "bugs", bugs, "twins", twins, "false_positives",
			false_positives);
	ret = root == NULL ? -ENOMEM : output_file_write(out, root, JSON_INDENT(1));
	json_decref(root);
	return ret;
}

static struct play *
add_plays(struct play *at, const struct verdict *v)
{
	unsigned int i;

	for (i = 0; i < PLAYS; i++)
		at[i] = (struct play){
			.family = v->family,
			.bug = v->bug,
			.setting = settings[i],
			.fixed = i >= TWINS,
		};
	return at + PLAYS;
}

static int
check_corpus(const struct options *o, struct output_file *json)
{
	const bool huge = run_has_hugepages();
	unsigned int nr = 0, f, i, left_out = 0, twins = 0, false_positives = 0, caught = 0,
		     bad = 0;
	struct verdict *verdicts;
	struct play *plays, *end;
	int ret;

	for (f = 0; f < RTE_DIM(families); f++)
		nr += families[f]->nr;
	verdicts = calloc(nr, sizeof(*verdicts));
	plays = calloc(nr, PLAYS * sizeof(*plays));
	if (verdicts == NULL || plays == NULL) {
		warnx("out of memory");
		return 1;
	}
	end = plays;
	nr = 0;
	for (f = 0; f < RTE_DIM(families); f++) {
		for (i = 0; i < families[f]->nr; i++) {
			struct verdict *v = &verdicts[nr];

			v->family = families[f];
			v->bug = &families[f]->bugs[i];
			if (!wanted(o, v->bug))
				continue;
			nr++;
			v->left_out = (v->bug->needs & NEEDS_HUGEPAGES) && !huge;
			v->plays = end;
			if (!v->left_out)
				end = add_plays(end, v);
		}
	}
	ret = run_plays(plays, (unsigned int)(end - plays));
	if (ret != 0) {
		warnx("cannot start a process: %s", strerror(-ret));
		return 1;
	}
	for (i = 0; i < nr; i++) {
		struct verdict *v = &verdicts[i];

		if (v->left_out) {
			left_out++;
		} else {
			judge_bug(v);
			judge_twin(v);
			twins++;
			false_positives += !v->twin_ok;
			caught += v->caught_by != NULL;
			bad += v->why[0] != '\0';
		}
		show(v);
	}
	printf("%u bugs: %u caught, %u as they should be; %u twins, %u false positives",
			nr - left_out, caught, nr - left_out - bad, twins, false_positives);
	printf(left_out > 0 ? "; %u left out\n" : "\n", left_out);
	if (o->json != NULL) {
		ret = write_json(json, verdicts, nr, twins, false_positives);
		if (ret != 0) {
			warnx("--json %s: cannot be written: %s", o->json, strerror(-ret));
			bad++;
		}
	}
	free(plays);
	free(verdicts);
	return bad > 0 ? 1 : left_out > 0 ? EXIT_LEFT_OUT : 0;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct output_file json = { .fd = -1 };
	const char *why;
	int ret;

	std_fds_reserve();
	setvbuf(stdout, NULL, _IOLBF, 0);
	ret = parse(argc, argv, &o);
	if (ret != 0)
		return -ret;
	if (o.list) {
		list(&o);
		return 0;
	}
	if (o.json != NULL && output_file_open(o.json, &json, &why) != 0) {
		warnx("--json %s: cannot be written: %s", o.json, why);
		return EXIT_USAGE;
	}
	ret = check_corpus(&o, &json);
	output_file_close(&json);
	return ret;
}
