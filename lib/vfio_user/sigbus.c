/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * A client may truncate the file behind memory that it shared. The next access of the server to
 * that memory raises SIGBUS, and the server survives it. The handler puts anonymous memory in the
 * place of the mapping, from the page that was touched on, 4 MiB or one larger page at most (of the
 * I/O page table, all). It marks the server poisoned and wakes the control thread, which drops the
 * client. The processor then repeats the access and reads zero. Behind the new end of the file
 * nothing is mapped, so the replacement is quick; in front of it there may be gigabytes, whose
 * unmapping would stop the thread.
 *
 * The handler runs in the thread that touched the memory. That thread is between two quiescent
 * states (the rule of vfu_dma_ptr()). Therefore every table in which it may have found the address
 * still exists: the current one, or one linked behind it. The handler ignores threads that never
 * touch client memory.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server_priv.h"

#define MAX_SERVERS 256

#define REPLACED ((size_t)4 << 20)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;
static struct vfu_server *_Atomic servers[MAX_SERVERS];

__thread const struct vfu_server *vfu_sigbus_touches __attribute__((tls_model("initial-exec")));
/* This thread is in the previous handler, which may do nothing else than call this one. */
static __thread bool passed_on __attribute__((tls_model("initial-exec")));

/*
 * Find the mapping of client memory in the table that contains addr, and return the part of it to
 * replace, from that page on. The part is bounded, because pages behind the touched one may exist,
 * and unmapping gigabytes would stop this thread for long.
 */
static bool
find(const struct vfu_dma_table *t, uintptr_t addr, uintptr_t *base, size_t *len)
{
	size_t most;

	*base = (uintptr_t)t->ptes;
	*len = t->nr_ptes * sizeof(t->ptes[0]);
	if (addr >= *base && addr - *base < *len)
		return true;
	for (uint32_t l = 0; l < t->nr_leaves; l++) {
		for (uint32_t i = 0; i < t->leaves[l].leaf->nr; i++) {
			const struct vfu_window *w = t->leaves[l].leaf->maps[i].window;

			if (w == NULL)
				continue;
			if (addr < (uintptr_t)w->base || addr - (uintptr_t)w->base >= w->len)
				continue;
			*base = addr & ~(w->page - 1);
			*len = w->len - (*base - (uintptr_t)w->base);
			most = w->page > REPLACED ? w->page : REPLACED;
			if (*len > most)
				*len = most;
			return true;
		}
	}
	return false;
}

static bool
replace(struct vfu_server *s, uintptr_t addr)
{
	static const uint64_t one = 1;
	const struct vfu_dma_table *t;
	uintptr_t base;
	size_t len;

	for (t = atomic_load_explicit(&s->table, memory_order_consume); t != NULL;
			t = atomic_load_explicit(&t->older, memory_order_relaxed)) {
		if (!find(t, addr, &base, &len))
			continue;
		/*
		 * Before the memory is replaced: a thread that reads a zero must be able to find
		 * the reason.
		 */
		atomic_store(&s->poisoned, true);
		atomic_fetch_add(&s->stats.dma_faults, 1);
		if (mmap((void *)base, len, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1,
				    0) == MAP_FAILED)
			return false;
		if (write(s->wake_fd, &one, sizeof(one)) < 0)
			return true; /* the counter is full: the thread is awake already */
		return true;
	}
	return false;
}

static void
handler(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	/* si_code > 0: the kernel sent the signal, because of an address; it was not kill(). */
	if (vfu_sigbus_touches != NULL && info->si_code > 0) {
		/*
		 * Search the server that this thread touched last first, because other tables may
		 * be long.
		 */
		for (unsigned int i = 0; i < 2 * MAX_SERVERS; i++) {
			struct vfu_server *s = atomic_load(&servers[i % MAX_SERVERS]);

			/*
			 * If this thread does not read the device, its tables may be freed
			 * concurrently.
			 */
			if (s != NULL && vfu_rcu_reads(s) &&
					(s == vfu_sigbus_touches) == (i < MAX_SERVERS) &&
					replace(s, (uintptr_t)info->si_addr)) {
				errno = saved;
				return;
			}
		}
	}
	errno = saved;

	if (!passed_on && (previous.sa_flags & SA_SIGINFO)) {
		passed_on = true;
		previous.sa_sigaction(sig, info, context);
		passed_on = false;
	} else if (!passed_on && previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		passed_on = true;
		previous.sa_handler(sig);
		passed_on = false;
	} else {
		/*
		 * The default action, as without this library: the access is repeated, or the
		 * signal is sent again, and the process ends.
		 */
		signal(sig, SIG_DFL);
		if (info->si_code <= 0)
			raise(sig);
	}
}

int
vfu_sigbus_add(struct vfu_server *s)
{
	struct sigaction sa = { .sa_sigaction = handler }, now;
	int ret = -ENOSPC;

	pthread_mutex_lock(&lock);
	/* Install the handler once, and again if the process has installed another one since. */
	if (sigaction(SIGBUS, NULL, &now) != 0) {
		ret = -errno;
		goto out;
	}
	if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != handler) {
		sa.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
		sigemptyset(&sa.sa_mask);
		previous = now;
		if (sigaction(SIGBUS, &sa, NULL) != 0) {
			ret = -errno;
			goto out;
		}
	}
	for (unsigned int i = 0; i < MAX_SERVERS; i++) {
		if (atomic_load(&servers[i]) == NULL) {
			atomic_store(&servers[i], s);
			ret = 0;
			break;
		}
	}
out:
	pthread_mutex_unlock(&lock);
	return ret;
}

void
vfu_sigbus_remove(struct vfu_server *s)
{
	pthread_mutex_lock(&lock);
	for (unsigned int i = 0; i < MAX_SERVERS; i++) {
		if (atomic_load(&servers[i]) == s)
			atomic_store(&servers[i], NULL);
	}
	pthread_mutex_unlock(&lock);
}
