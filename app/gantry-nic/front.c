/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The front: theory.
 *
 * The kernel reports the end of a process when its last thread is gone. A client can delay that of
 * a polling thread: it shares a memfd and punches a hole of gigabytes into it, and a thread that
 * touches a page of the hole sleeps in the kernel, uninterruptibly, until the hole is complete. The
 * daemon completes its work and exits in the meantime, but its parent learns of it seconds later.
 *
 * Therefore the process that the user starts is not the daemon, but its parent, the front:
 *
 *    user --- signals ---> front --- the same signals ---> daemon
 *         <-- exit status ---    <--- pipe: exit status ---
 *
 * The daemon writes its exit status to the pipe as its last action. The front then waits REAP_MS,
 * but at most LAST_MS from the signal, for the kernel to remove the daemon, so that sockets, TAPs
 * and memory are free when the front ends, unless a thread is stuck. If the daemon ends without a
 * status, because a signal killed it, the front ends by the same signal. If the daemon reports
 * nothing within GIVE_UP_MS of a signal to end, a debugger or SIGSTOP has stopped it, or its set-up
 * takes that long, because its own limit is shorter (END_MS of main.c): the front kills it.
 *
 * Signals reach the front in ppoll() only, where it sleeps, so that its handlers need no lock, and
 * never signal a process ID whose process the front has reaped. If the front is killed, the kernel
 * kills the daemon (PR_SET_PDEATHSIG).
 *
 * After set-up the front has the user of the daemon, no capability, no descriptor but standard
 * input, output and error and the pipe, and a filter of its own (sandbox.c). During set-up it keeps
 * the user that started it, because it could not signal a daemon of another user. If it cannot
 * signal the daemon after that one has changed its user, it does so when it has changed its own.
 *
 * SIGSTOP cannot be passed on: it stops the front alone. A terminal's Ctrl-C reaches both
 * processes; the second one of two signals to end has no effect.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "front.h"
#include "log.h"

/* Times from a signal to end; from a status, or from SIGKILL, to the end of the daemon. */
#define GIVE_UP_MS 1800    /* more than END_MS of main.c */
#ifdef GANTRY_INSTRUMENTED /* a sanitizer looks for leaks at exit */
#define LAST_MS 60000
#define REAP_MS 60000
#else
#define LAST_MS 1850
#define REAP_MS 1000
#endif
#define NEVER INT64_MAX

enum { CONFINED = 255 }; /* on the pipe; any other byte is an exit status */

static int pipe_end = -1; /* the front reads from the pipe, the daemon writes */
static int null_fd = -1;  /* of the daemon: /dev/null, which it cannot open in the sandbox */
static pid_t daemon_pid;
static volatile sig_atomic_t end_requested;
static volatile sig_atomic_t refused[NSIG]; /* signals that the front was not allowed to send */

static void
pass_on(int sig)
{
	int saved = errno;

	refused[sig] = kill(daemon_pid, sig) != 0;
	end_requested |= sig == SIGINT || sig == SIGTERM || sig == SIGHUP;
	errno = saved;
}

static void
pass_refused_on(void)
{
	for (int sig = 1; sig < NSIG; sig++)
		if (refused[sig])
			pass_on(sig);
}

/* Handle SIGCHLD: it ends ppoll(). */
static void
wake(int sig)
{
}

/* Install the handlers, and remove their signals from @p mask. An ignored signal stays ignored. */
static void
take_signals(sigset_t *mask)
{
	const int sigs[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGRTMIN, SIGQUIT, SIGABRT,
		SIGCONT };
	struct sigaction sa;

	for (unsigned int i = 0; i < sizeof(sigs) / sizeof(sigs[0]); i++) {
		bool may_be_ignored = sigs[i] == SIGHUP || sigs[i] == SIGQUIT;

		if (may_be_ignored && sigaction(sigs[i], NULL, &sa) == 0 &&
				sa.sa_handler == SIG_IGN)
			continue;
		sa = (struct sigaction){ .sa_handler = pass_on };
		sigfillset(&sa.sa_mask);
		sigaction(sigs[i], &sa, NULL);
		sigdelset(mask, sigs[i]);
	}
	sigdelset(mask, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
}

/* End as the daemon did. It has written the core file, if any. */
static _Noreturn void
end_like(int wstatus)
{
	int sig = WTERMSIG(wstatus);
	sigset_t set;

	if (WIFEXITED(wstatus))
		_exit(WEXITSTATUS(wstatus));
	prctl(PR_SET_DUMPABLE, 0);
	signal(sig, SIG_DFL);
	raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	_exit(128 + sig); /* process 1 of a container: no signal ends it */
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * Wait for the time limit, a signal or a byte.
 *
 * @return the byte, or -1
 */
static int
wait_for_byte(struct pollfd *pfd, int64_t limit, const sigset_t *mask)
{
	const int64_t now = now_ms(), left = limit == NEVER || limit < now ? 0 : limit - now;
	const struct timespec ts = { left / 1000, left % 1000 * 1000000 }, none = { 0, 0 };
	uint8_t byte;

	/* A signal may have ended the wait although there is a byte. */
	if (ppoll(pfd, 1, limit == NEVER ? NULL : &ts, mask) != 1 &&
			ppoll(pfd, 1, &none, NULL) != 1)
		return -1;
	if (read(pfd->fd, &byte, 1) == 1)
		return byte;
	pfd->fd = -1; /* the daemon is gone */
	return -1;
}

static _Noreturn void
serve(enum sandbox_mode mode, sigset_t *mask)
{
	struct pollfd pfd = { .fd = dup2(pipe_end, STDERR_FILENO + 1), .events = POLLIN };
	int64_t limit = NEVER, last = NEVER;
	int status = -1, wstatus, byte;
	bool killed = false;

	closefrom(STDERR_FILENO + 2);
	take_signals(mask);
	while (waitpid(daemon_pid, &wstatus, WNOHANG) == 0) {
		byte = wait_for_byte(&pfd, limit, mask);
		if (byte == CONFINED) {
			sandbox_front(mode, daemon_pid);
			pass_refused_on();
		} else if (byte >= 0 && !killed) {
			status = byte;
			limit = earlier(now_ms() + REAP_MS, last);
		} else if (limit == NEVER && end_requested) {
			limit = now_ms() + GIVE_UP_MS;
			last = now_ms() + LAST_MS;
		} else if (now_ms() >= limit) {
			if (status >= 0)
				_exit(status);
			log_line_now("gantry-nic: the daemon does not end, and is killed: "
				     "status 1\n");
			kill(daemon_pid, SIGKILL);
			killed = true;
			status = EXIT_FAILURE;
			limit = earlier(now_ms() + REAP_MS, last);
		}
	}
	if (killed)
		_exit(status);
	end_like(wstatus);
}

int
front_start(enum sandbox_mode mode)
{
	const pid_t front = getpid();
	sigset_t all, mask;
	int ends[2], error;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -errno;
	/* No signal is lost between the fork and the handlers, nor the status of the daemon. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = wake, .sa_flags = SA_NOCLDSTOP },
			NULL);
	daemon_pid = fork();
	error = errno;
	if (daemon_pid > 0) {
		pipe_end = ends[0];
		serve(mode, &mask);
	}
	close(ends[0]);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	if (daemon_pid < 0) {
		close(ends[1]);
		return -error;
	}
	pipe_end = ends[1];
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != front) /* the front was killed before the call */
		raise(SIGKILL);
	return 0;
}

static void
send_byte(uint8_t byte)
{
	if (pipe_end >= 0 && write(pipe_end, &byte, 1) < 0)
		return; /* the front is gone, and with it the reader of the status */
}

void
front_confine(void)
{
	send_byte(CONFINED);
}

void
front_report(int status)
{
	send_byte((uint8_t)status);
}

/* Async-signal-safe. Not by close(): another thread could get one of these descriptors. */
static void
leave_output(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null_fd, fd);
}

void
front_leave(void)
{
	leave_output();
	close(null_fd);
	close(pipe_end);
}

void
front_exit(int status)
{
	front_report(status);
	leave_output();
	_exit(status);
}
