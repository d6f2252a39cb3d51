/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The sandbox: theory.
 *
 * A client sends messages, descriptors and frames. If one of them exploits a bug in the code that
 * reads it, the attacker gets the rights of the attacked thread. These are few, because the daemon
 * acquires everything during set-up: it listens at all sockets, opens TAPs, captures and the device
 * nodes, and starts its threads. After set-up it opens nothing, connects to nothing and executes
 * nothing. Five mechanisms drop the rights that it no longer uses:
 *
 *  - no_new_privs: no program that is executed gains rights (set-user-ID, file capabilities).
 *  - User: a daemon that was started as root becomes nobody, without supplementary groups.
 *  - Capabilities: none in any set, the bounding set included.
 *  - Landlock: a domain without a single rule. No path can be opened, created or removed, no TCP
 *    port bound or connected to, no signal sent to other processes. Open descriptors keep working,
 *    and so does memory that clients share.
 *  - seccomp: a list of system calls for each kind of thread (below). It is the mechanism that
 *    differs between threads, and the one that also keeps an attacker from the kernel's own bugs.
 *
 * Two tasks need the file system after set-up: the statistics file is replaced as a whole (a
 * neighbour is written, then renamed), and sockets are removed at exit. Both are done by a second
 * process, the file keeper (file_keeper.c), which is forked before any thread or client exists. It
 * keeps its user, but no capabilities, unless it needs those that override the permissions of files
 * (a folder is another user's); Landlock limits it to those folders, and a filter to those
 * calls. If the keeper is killed, sockets remain; the next start replaces them
 * (lib/vfio_user/vfu_listener.c).
 *
 * The process that the user starts, the front (front.c), only passes signals on to the daemon. It
 * drops its rights when the daemon has: all five, except that it may signal, by its filter the
 * daemon alone.
 *
 * Threads. All five belong to a thread, not to the process (setresuid() of the C library reaches
 * all threads, the others do not), and a thread inherits them from the thread that starts it. So:
 *
 *  - A thread that is started during set-up waits at the gate (thread_begins()). When
 *    set-up has ended, sandbox_enter() changes the user and opens the gate, and each thread
 *    confines itself before it has read a byte from a client. The threads wait because a thread
 *    cannot be started with fewer rights than its starter, and the starter still needs its rights.
 *  - A thread that is started later (dma, closer) inherits its starter's confinement. It adds the
 *    filter of its own kind, and the kernel applies both. Therefore a starter's list contains
 *    that of the threads that it starts, and seccomp() itself.
 *
 * A refused call fails with EPERM. It does not kill the process, because the clients of the other
 * ports would lose their devices for the mistake, or the intention, of one client. An installed
 * filter cannot be removed, so an attacker gains nothing by trying calls.
 *
 * Lists name what the code and the C library call. The C library's part is `base`: memory,
 * locks, time, the end of a thread, abort(). Mappings are never executable. clone3() fails with
 * ENOSYS, because a filter cannot see its flags; the C library then uses clone().
 *
 * One refused call is the C library's own: before it shrinks the heap of a thread for the first
 * time, it reads /proc/sys/vm/overcommit_memory. Where it cannot, it assumes the default.
 *
 * --sandbox=log replaces EPERM by an entry in the kernel's log (audit type 1326, in dmesg: the
 * thread's name as "comm", the call's number as "syscall"), and enters no Landlock domain. User
 * and capabilities are dropped as well. Builds with sanitizers or for coverage have neither filters
 * nor Landlock, because their runtime opens files and traces its own threads.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "sandbox.h"
#include "thread.h"

#ifdef GANTRY_INSTRUMENTED /* meson.build: sanitizers or coverage */
#define INSTRUMENTED true
#else
#define INSTRUMENTED false
#endif

#define NO_FILTER "no system call is refused"
#define NOBODY    65534 /* the kernel's "overflow" user and group: they own nothing */

/*
 * The lists.
 */

struct call {
	int nr;               /* negative: this architecture has no call of the name */
	int arg;              /* argument that is compared, or -1 */
	uint64_t mask, value; /* the call is permitted if (argument & mask) == value */
};

/* clang-format off */
#define CALL(name)                        { SCMP_SYS(name), -1, 0, 0 }
#define CALL_IF(name, arg, mask, value)   { SCMP_SYS(name), arg, mask, value }
#define CALL_EQ(name, arg, value)         CALL_IF(name, arg, UINT64_MAX, value)
#define END                               { 0, -2, 0, 0 }

/* The C library calls these in any thread. Any open descriptor may be written to. */
static const struct call base[] = {
	CALL_IF(mmap, 2, PROT_EXEC, 0), CALL_IF(mprotect, 2, PROT_EXEC, 0),
	CALL(munmap), CALL(mremap), CALL(madvise), CALL(brk),
	CALL(futex), CALL(membarrier), CALL(sched_yield), CALL(sched_getaffinity),
	CALL(clock_gettime), CALL(gettimeofday), CALL(clock_nanosleep), CALL(nanosleep),
	CALL(restart_syscall), CALL(getrandom),
	CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(getpid), CALL(gettid),
	CALL(write), CALL(writev), CALL(exit),
	END
};

/* For a thread that starts others. They confine themselves under its filter. */
static const struct call starter[] = {
	CALL_IF(clone, 0, CLONE_THREAD, CLONE_THREAD), CALL(set_robust_list), CALL(rseq),
	CALL_EQ(prctl, 0, PR_SET_NAME), CALL_EQ(seccomp, 0, SECCOMP_SET_MODE_FILTER),
	END
};

/* Closing foreign descriptors (foreign_fd.c). */
static const struct call closing[] = {
	CALL(close), CALL_EQ(fcntl, 1, F_GET_SEALS), CALL(readlink), CALL(readlinkat),
	END
};

/* Messages on an open connection. */
static const struct call messages[] = {
	CALL(sendmsg), CALL(recvmsg), CALL(poll), CALL(ppoll), CALL(shutdown),
	END
};

/* Interrupts to clients (server_irq.c). */
static const struct call interrupts[] = {
	CALL(io_submit), CALL(io_getevents),
	END
};

/*
 * Frames of TAPs and captures; whether a client is still connected; whether the thread has slept.
 */
static const struct call frames[] = {
	CALL(read), CALL(lseek), CALL(poll), CALL(ppoll), CALL_EQ(getrusage, 0, RUSAGE_THREAD),
	END
};

/* The control thread of a device: clients, their memory, the queue pages. */
static const struct call control[] = {
	CALL(accept4), CALL(getsockopt), CALL(read), CALL(preadv2),
	CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait),
	CALL(fstat), CALL_IF(newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH), CALL(fstatfs),
	CALL_EQ(fcntl, 1, F_GETFL), CALL_EQ(fcntl, 1, F_ADD_SEALS),
	CALL(memfd_create), CALL(ftruncate), CALL(io_destroy),
	END
};

/* Standard error that another process made non-blocking. */
static const struct call log_thread[] = {
	CALL(poll), CALL(ppoll),
	END
};

static const struct call tap[] = {
	CALL(poll), CALL(ppoll), CALL_EQ(ioctl, 1, TUNSETCARRIER),
	END
};

static const struct call closer[] = {
	CALL(close),
	END
};

/*
 * Signals; clients of --control; statistics to what is open, or to the file keeper; the end.
 */
static const struct call main_thread[] = {
	CALL(setitimer), CALL(alarm), CALL(accept4),
	CALL(read), CALL(lseek), CALL(ftruncate), CALL(close),
	CALL(poll), CALL(ppoll), CALL(wait4), CALL(exit_group),
	CALL(fstat), CALL(newfstatat), CALL_EQ(ioctl, 1, TCGETS), CALL(dup2), CALL(dup3),
	END
};

static const struct call keeper[] = {
	CALL(read), CALL(close), CALL(openat), CALL(rename), CALL(renameat), CALL(renameat2),
	CALL(unlink), CALL(unlinkat), CALL(poll), CALL(ppoll),
	CALL(fstat), CALL(newfstatat), CALL(exit_group),
	END
};

/* The front: the pipe, the end of the daemon, its own end. sandbox_front() adds the signals. */
static const struct call front[] = {
	CALL(ppoll), CALL(poll), CALL(read), CALL(wait4), CALL_EQ(prctl, 0, PR_SET_DUMPABLE),
	CALL(exit_group),
	END
};
/* clang-format on */

#define LISTS 6

static struct kind {
	const char *name;
	const struct call *lists[LISTS];
	struct sock_fprog filter; /* compiled; none: of length 0 */
} kinds[] = {
	{ .name = "main", .lists = { base, main_thread } },
	{ .name = "log", .lists = { base, log_thread } },
	{ .name = "tap", .lists = { base, tap } },
	{ .name = "closer", .lists = { base, closer } },
	{ .name = "control", .lists = { base, messages, closing, starter, interrupts, control } },
	{ .name = "dma", .lists = { base, messages, closing, starter, interrupts } },
	{ .name = "poll", .lists = { base, interrupts, frames } },
};

/* Compiled in the keeper's process, because the filter contains its process number. */
static struct kind keeper_kind = { .name = "keeper", .lists = { base, keeper } };

#define NR_KINDS (sizeof(kinds) / sizeof(kinds[0]))

/*
 * The gate.
 */

static struct {
	enum sandbox_mode mode;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool open, abandoned, quiet;
	unsigned int inside; /* threads that waited and have passed */
	int ruleset;         /* Landlock's, or -1 */
} gate = {
	.mode = SANDBOX_OFF,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.change = PTHREAD_COND_INITIALIZER,
	.ruleset = -1,
};

/* Report each missing mechanism in one line, whichever thread notices it first. */
static void
missing(const char *what, int error, const char *consequence)
{
	static const char *_Atomic reported[8];

	if (gate.quiet)
		return;
	for (unsigned int i = 0; i < sizeof(reported) / sizeof(reported[0]); i++) {
		const char *nobody = NULL;

		if (atomic_compare_exchange_strong(&reported[i], &nobody, what)) {
			fprintf(stderr, "gantry-nic: sandbox: %s: %s: %s\n", what, strerror(error),
					consequence);
			return;
		}
		if (strcmp(nobody, what) == 0)
			return;
	}
}

/*
 * Landlock. The structures and constants are spelled out, because a build machine's header may be
 * older than the kernel (Documentation/userspace-api/landlock.rst).
 */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif
#define LL_CREATE_VERSION 1u
#define LL_RULE_PATH      1
#define LL_FS_WRITE_FILE  (1u << 1)
#define LL_FS_REMOVE_FILE (1u << 5)
#define LL_FS_MAKE_REG    (1u << 8)
#define LL_FS_TRUNCATE    (1u << 14)
#define LL_NET_ALL        3u /* bind, connect: TCP; from ABI 4 on */
#define LL_SCOPE_SOCKETS  1u /* abstract Unix sockets; from ABI 6 on */
#define LL_SCOPE_ALL      3u /* also signals */

struct ll_ruleset {
	uint64_t fs, net, scoped;
};

struct ll_path {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

/* Return the mask of all rights on files in this version of the ABI. */
static uint64_t
landlock_fs(long abi)
{
	static const uint8_t rights[] = { 0, 13, 14, 15, 15 };

	return (1u << (abi >= 5 ? 16 : rights[abi])) - 1;
}

/*
 * Make a ruleset that denies all that this kernel's Landlock knows, and these scopes.
 *
 * @return its file descriptor, or -1
 */
static int
landlock_ruleset(uint64_t scopes)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_CREATE_VERSION), fd = -1;
	struct ll_ruleset all = { 0 };

	if (abi > 0) {
		all.fs = landlock_fs(abi);
		all.net = abi >= 4 ? LL_NET_ALL : 0;
		all.scoped = abi >= 6 ? scopes : 0;
		fd = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	}
	if (fd < 0)
		missing("no Landlock", errno, "only seccomp and the user keep it from files");
	else
		fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	return (int)fd;
}

/* Permit @p rights in the folder of @p path. Without the rule they are denied there. */
static void
landlock_permit(int ruleset, const char *path, uint64_t rights)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LL_CREATE_VERSION);
	char *copy = strdup(path);
	struct ll_path rule = { .access = rights & landlock_fs(abi), .fd = -1 };

	if (copy != NULL)
		rule.fd = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.fd >= 0) {
		syscall(SYS_landlock_add_rule, ruleset, LL_RULE_PATH, &rule, 0);
		close(rule.fd);
	}
	free(copy);
}

static void
landlock_enter(int ruleset)
{
	if (ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		missing("no Landlock", errno, "only seccomp and the user keep it from files");
}

/*
 * Filters. The main thread compiles them, because libseccomp is not thread-safe, and so that a
 * thread that starts late needs no memory for its filter.
 */

static int
add_calls(scmp_filter_ctx ctx, const struct call *c)
{
	int ret = 0;

	for (; c->arg != -2 && ret == 0; c++) {
		struct scmp_arg_cmp cmp = {
			.arg = (unsigned int)c->arg,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = c->mask,
			.datum_b = c->value,
		};

		if (c->nr >= 0)
			ret = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, c->nr, c->arg >= 0, &cmp);
	}
	return ret;
}

/* Export the filter as instructions for the kernel. */
static int
export_filter(scmp_filter_ctx ctx, struct sock_fprog *prog)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), ret;
	off_t len;

	if (fd < 0)
		return -errno;
	ret = seccomp_export_bpf(ctx, fd);
	len = lseek(fd, 0, SEEK_END);
	if (ret == 0) {
		prog->filter = malloc((size_t)len);
		if (prog->filter == NULL)
			ret = -ENOMEM;
		else if (pread(fd, prog->filter, (size_t)len, 0) != len)
			ret = -EIO;
	}
	if (ret == 0)
		prog->len = (unsigned short)((size_t)len / sizeof(prog->filter[0]));
	close(fd);
	return ret;
}

static void
compile(struct kind *kind)
{
	const uint32_t refuse = gate.mode == SANDBOX_LOG ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(EPERM);
	/* abort() sends the signal to its own process. */
	const struct call aborting[] = { CALL_EQ(tgkill, 0, (uint64_t)getpid()), END };
	scmp_filter_ctx ctx = seccomp_init(refuse);
	int ret;

	if (ctx == NULL) {
		missing("no seccomp", ENOMEM, NO_FILTER);
		return;
	}
	/* Calls by another architecture's ABI (32 bits, x32) are treated as unknown calls. */
	ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, refuse);
	/*
	 * A binary tree by number, not a list. Versions of the library before 2.5 do not have it.
	 */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (unsigned int i = 0; i < LISTS && kind->lists[i] != NULL && ret == 0; i++)
		ret = add_calls(ctx, kind->lists[i]);
	if (ret == 0)
		ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (ret == 0)
		ret = add_calls(ctx, aborting);
	if (ret == 0)
		ret = export_filter(ctx, &kind->filter);
	if (ret != 0)
		missing("no seccomp", -ret, NO_FILTER);
	seccomp_release(ctx);
}

/*
 * SPEC_ALLOW: kernels before 5.16 otherwise switch speculative store bypass off for the thread,
 * which costs the polling threads' rate and protects only processes that run foreign code.
 */
static void
filter_enter(const struct kind *kind)
{
	if (kind->filter.len != 0 &&
			syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
					SECCOMP_FILTER_FLAG_SPEC_ALLOW, &kind->filter) != 0)
		missing("no seccomp", errno, NO_FILTER);
}

/*
 * User and capabilities.
 */

/* Keep the signal that the kernel sends when the parent ends: a change of the user clears it. */
static void
drop_user(void)
{
	const pid_t parent = getppid();
	int sig = 0;

	if (geteuid() != 0)
		return;
	prctl(PR_GET_PDEATHSIG, &sig);
	if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
			setresuid(NOBODY, NOBODY, NOBODY) != 0)
		missing("no other user", errno, "it remains root, without capabilities");
	prctl(PR_SET_PDEATHSIG, sig);
	if (getppid() != parent)
		raise(sig);
}

/* Drop all capabilities of the thread but those in @p keep. */
static void
drop_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) != 0)
		return;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) != 0)
		missing("capabilities remain", errno, "seccomp alone limits their use");
}

/* Return whether this user may write @p path, and replace files beside it, without capabilities. */
static bool
owns(const char *path)
{
	char *copy = strdup(path);
	struct stat folder, file;
	bool ret = copy != NULL && stat(dirname(copy), &folder) == 0 &&
			folder.st_uid == geteuid() && folder.st_mode & S_IWUSR &&
			(stat(path, &file) != 0 || file.st_uid == geteuid());

	free(copy);
	return ret;
}

static struct kind *
kind_of(const char *name)
{
	for (unsigned int i = 0; i < NR_KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	fprintf(stderr, "gantry-nic: sandbox: no filter for threads named %s\n", name);
	abort();
}

/* Confine the thread. The order matters: the filter refuses the calls that the other steps need. */
static void
confine(const struct kind *kind)
{
	drop_capabilities(0);
	landlock_enter(gate.ruleset);
	filter_enter(kind);
}

/* Confine a thread when it begins: the hook of vfu_thread_start(). */
static void
thread_begins(const char *name, const char *starter)
{
	const struct kind *kind = kind_of(name);

	pthread_setname_np(pthread_self(), name);
	if (gate.mode == SANDBOX_OFF)
		return;
	if (starter != NULL) { /* inherited the starter's confinement */
		if (!gate.abandoned)
			filter_enter(kind);
		return;
	}
	pthread_mutex_lock(&gate.lock);
	while (!gate.open)
		pthread_cond_wait(&gate.change, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	if (!gate.abandoned)
		confine(kind);
	pthread_mutex_lock(&gate.lock);
	gate.inside++;
	pthread_cond_broadcast(&gate.change);
	pthread_mutex_unlock(&gate.lock);
}

/* Let no program that the process executes gain rights. */
static int
bound_rights(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	/*
	 * Drop capabilities up to the last one that the kernel knows. Needs CAP_SETPCAP, without
	 * which there are none to drop.
	 */
	for (unsigned int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	return 0;
}

int
sandbox_prepare(enum sandbox_mode mode)
{
	int ret;

	vfu_thread_hook = thread_begins;
	if (mode == SANDBOX_OFF)
		return 0;
	gate.mode = mode;
	ret = bound_rights();
	if (ret != 0)
		return ret;
	/*
	 * The default of the C library, which would open a file of /sys to compute it when many
	 * threads run.
	 */
	mallopt(M_ARENA_MAX, 8 * (int)sysconf(_SC_NPROCESSORS_ONLN));
	for (unsigned int i = 0; i < NR_KINDS && !INSTRUMENTED; i++)
		compile(&kinds[i]);
	if (mode == SANDBOX_ON && !INSTRUMENTED)
		gate.ruleset = landlock_ruleset(LL_SCOPE_ALL);
	return 0;
}

/* Return the number of threads of this process; 1 if there is no /proc. */
static unsigned int
count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned int nr = 0;

	if (dir == NULL)
		return 1;
	while ((entry = readdir(dir)) != NULL)
		nr += entry->d_name[0] != '.';
	closedir(dir);
	return nr;
}

static void
open_gate(bool abandoned)
{
	pthread_mutex_lock(&gate.lock);
	gate.abandoned = abandoned;
	gate.open = true;
	pthread_cond_broadcast(&gate.change);
	pthread_mutex_unlock(&gate.lock);
}

void
sandbox_enter(void)
{
	unsigned int others;

	if (gate.mode == SANDBOX_OFF)
		return;
	if (INSTRUMENTED)
		fputs("gantry-nic: sandbox: a build with sanitizers or for coverage: neither "
		      "seccomp nor Landlock\n",
				stderr);
	others = count_threads() - 1;
	drop_user();
	open_gate(false);
	pthread_mutex_lock(&gate.lock);
	while (gate.inside < others)
		pthread_cond_wait(&gate.change, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
	confine(kind_of("main"));
	if (gate.ruleset >= 0)
		close(gate.ruleset);
	gate.ruleset = -1;
}

void
sandbox_abandon(void)
{
	open_gate(true);
}

void
sandbox_keeper(const char *replaced, const char *const *removed, unsigned int nr)
{
	/* A ruleset of its own, because that of the daemon has no rule. */
	int ruleset = gate.ruleset >= 0 ? landlock_ruleset(LL_SCOPE_ALL) : -1;
	bool owner = replaced == NULL || owns(replaced);

	gate.quiet = true; /* the daemon reports the same lines */
	pthread_setname_np(pthread_self(), keeper_kind.name);
	if (ruleset >= 0) {
		for (unsigned int i = 0; i < nr; i++)
			landlock_permit(ruleset, removed[i], LL_FS_REMOVE_FILE);
		if (replaced != NULL)
			landlock_permit(ruleset, replaced,
					LL_FS_WRITE_FILE | LL_FS_MAKE_REG | LL_FS_REMOVE_FILE |
							LL_FS_TRUNCATE);
	}
	for (unsigned int i = 0; i < nr; i++)
		owner = owner && owns(removed[i]);
	drop_capabilities(owner ? 0 : 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER);
	landlock_enter(ruleset);
	if (gate.ruleset >= 0)
		close(gate.ruleset); /* the daemon's */
	if (!INSTRUMENTED)
		compile(&keeper_kind);
	filter_enter(&keeper_kind);
}

void
sandbox_front(enum sandbox_mode mode, pid_t daemon)
{
	const struct call passing_on[] = { CALL_IF(kill, 0, UINT32_MAX, (uint32_t)daemon), END };
	struct kind kind = { .name = "front", .lists = { base, front, passing_on } };
	int ruleset;

	if (mode == SANDBOX_OFF)
		return;
	gate.mode = mode;
	gate.quiet = true; /* the daemon reports the same lines */
	bound_rights();
	drop_user();
	drop_capabilities(0);
	if (INSTRUMENTED)
		return;
	if (mode == SANDBOX_ON) {
		ruleset = landlock_ruleset(LL_SCOPE_SOCKETS);
		landlock_enter(ruleset);
		close(ruleset);
	}
	compile(&kind);
	filter_enter(&kind);
	free(kind.filter.filter);
}
