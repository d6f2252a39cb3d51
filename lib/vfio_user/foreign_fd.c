/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Descriptors that the other side passed: see foreign_fd.h for the rules.
 *
 * struct vfu_closer is a ring of descriptors with one thread, close_all(). The thread closes
 * without the lock, because close() may block; vfu_closer_close() and the counters never wait for
 * it.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deadline.h"
#include "foreign_fd.h"
#include "thread.h"
#include "vfio_user.h"

/*
 * Larger than VFU_MAX_CLOSING: a peer that is dropped leaves the descriptors of one receipt and of
 * its queued commands, and so do the clients that were refused in the meantime.
 */
#define ROOM 4096u

struct vfu_closer {
	pthread_mutex_t lock;
	pthread_cond_t change;
	pthread_t thread;
	bool started, stop, left_behind, done;
	unsigned int first, nr;       /* a ring: next to close, and how many are in it */
	_Atomic unsigned int pending; /* nr, and the descriptor that is being closed */
	_Atomic unsigned int held;    /* all descriptors that are open */
	unsigned int max_fds;         /* 0: no limit */
	int fds[ROOM];
};

bool
vfu_fd_is_memory(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

bool
vfu_fd_is_eventfd(int fd)
{
	static const char eventfd_name[] = "anon_inode:[eventfd]";
	char link[32], name[sizeof(eventfd_name) + 1];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, name, sizeof(name));
	return n == sizeof(eventfd_name) - 1 && memcmp(name, eventfd_name, (size_t)n) == 0;
}

static void
free_closer(struct vfu_closer *c)
{
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->change);
	free(c);
}

static void *
close_all(void *arg)
{
	struct vfu_closer *c = arg;
	bool left_behind;

	pthread_mutex_lock(&c->lock);
	while (c->nr != 0 || !c->stop) {
		int fd;

		if (c->nr == 0) {
			pthread_cond_wait(&c->change, &c->lock);
			continue;
		}
		fd = c->fds[c->first];
		c->first = (c->first + 1) % ROOM;
		c->nr--;
		pthread_mutex_unlock(&c->lock);
		close(fd);
		atomic_fetch_sub(&c->pending, 1);
		atomic_fetch_sub(&c->held, 1);
		pthread_mutex_lock(&c->lock);
	}
	c->done = true;
	left_behind = c->left_behind;
	pthread_cond_broadcast(&c->change);
	pthread_mutex_unlock(&c->lock);
	if (left_behind)
		free_closer(c);
	return NULL;
}

struct vfu_closer *
vfu_closer_new(unsigned int max_fds)
{
	struct vfu_closer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->max_fds = max_fds;
	pthread_mutex_init(&c->lock, NULL);
	vfu_cond_init(&c->change);
	return c;
}

void
vfu_closer_stop(struct vfu_closer *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->change);
	pthread_mutex_unlock(&c->lock);
}

void
vfu_closer_free(struct vfu_closer *c, uint64_t deadline_ms)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	while (c->started && !c->done && vfu_wait_until(&c->change, &c->lock, deadline_ms) == 0)
		;
	/* A thread without a descriptor is about to end: after the deadline, also wait for it. */
	if (c->started && !c->done && atomic_load(&c->pending) != 0) {
		c->left_behind = true;
		pthread_detach(c->thread);
		pthread_mutex_unlock(&c->lock);
		return;
	}
	pthread_mutex_unlock(&c->lock);
	if (c->started)
		pthread_join(c->thread, NULL);
	free_closer(c);
}

void
vfu_closer_close(struct vfu_closer *c, int fd)
{
	bool taken = false;

	if (c != NULL && !vfu_fd_is_memory(fd) && !vfu_fd_is_eventfd(fd)) {
		pthread_mutex_lock(&c->lock);
		if (!c->started)
			c->started = vfu_thread_start(&c->thread, NULL, "closer", close_all, c) ==
					0;
		if (c->started && c->nr < ROOM) {
			c->fds[(c->first + c->nr++) % ROOM] = fd;
			atomic_fetch_add(&c->pending, 1);
			taken = true;
			pthread_cond_broadcast(&c->change);
		}
		pthread_mutex_unlock(&c->lock);
	}
	/* No thread, or a full ring: close here. A process that gets no thread can as well wait. */
	if (!taken) {
		close(fd);
		if (c != NULL)
			atomic_fetch_sub(&c->held, 1);
	}
}

void
vfu_closer_took(struct vfu_closer *c)
{
	if (c != NULL)
		atomic_fetch_add(&c->held, 1);
}

unsigned int
vfu_closer_held(const struct vfu_closer *c)
{
	return atomic_load(&c->held);
}

const char *
vfu_closer_refuses(const struct vfu_closer *c)
{
	if (c == NULL)
		return NULL;
	if (atomic_load(&c->pending) > VFU_MAX_CLOSING)
		return "the peer passed file descriptors that do not close";
	/*
	 * A message above the limit must be received whole to be refused, and may come in pieces.
	 */
	if (c->max_fds != 0 && atomic_load(&c->held) > c->max_fds + VFU_MSG_FDS)
		return "the peer passed more file descriptors than it may have open (max_fds)";
	return NULL;
}
