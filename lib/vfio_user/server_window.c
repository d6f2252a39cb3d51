/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Windows: the files of the client, mapped in this process.
 *
 * A driver that maps each buffer only while the device uses it sends a DMA_MAP for every 4 KiB page
 * of a few large files. If each were a mapping of its own, the process would soon have more than
 * the kernel permits; and a part of a huge page cannot be mapped at all. Therefore the ranges
 * within one aligned unit of a file share one mapping of that unit: a window. A larger range has
 * a mapping to itself. The DMA table decides which parts of a window the device reaches.
 *
 *     file      |----- unit 0 -----|----- unit 1 -----|----- unit 2 -----|
 *     DMA_MAPs      [1]   [2]             [3]
 *     windows   [ refs 2           ][ refs 1          ]
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include <linux/magic.h>

#include "server_priv.h"

/* The unit of a file, unless its pages are larger. */
#define UNIT         (2 * MIB)
#define MIB          (UINT64_C(1) << 20)
#define UNMAP_STEP   (4 * MIB)
#define UNMAP_NAP_NS 100000

int
vfu_maps_charge(struct vfu_server *s, uint64_t bytes, const char **why)
{
	const struct vfu_limits *limits = &s->desc.limits;

	if (s->nr_maps >= limits->max_maps) {
		*why = vfu_why(s,
				"this client has %u mappings of files here, its limit is "
				"max_maps=%u",
				s->nr_maps, limits->max_maps);
		return -ENOSPC;
	}
	if (bytes > limits->max_mem - s->mapped) {
		*why = vfu_why(s,
				"this client has %" PRIu64 " MiB of files mapped here, its limit "
				"is max_mem=%" PRIu64 ", and this needs %" PRIu64 " more",
				s->mapped / MIB, limits->max_mem / MIB, (bytes + MIB - 1) / MIB);
		return -ENOSPC;
	}
	s->nr_maps++;
	s->mapped += bytes;
	return 0;
}

void
vfu_maps_credit(struct vfu_server *s, uint64_t bytes)
{
	s->nr_maps--;
	s->mapped -= bytes;
}

/*
 * The kernel charges a page to the process that touches it first, which a device may. Huge pages of
 * hugetlbfs are not charged so: they were set aside before.
 */
static uint64_t
charged(const struct vfu_window *w)
{
	return w->page > VFU_PAGE_SIZE ? 0 : w->len;
}

static struct vfu_window **
bucket(struct vfu_server *s, uint64_t ino, uint64_t offset)
{
	return &s->windows[(ino * 31 + offset / UNIT) % VFU_WINDOW_BUCKETS];
}

static bool
same(const struct vfu_window *a, const struct vfu_window *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->offset == b->offset && a->len == b->len &&
			a->prot == b->prot;
}

/*
 * Accept only memory that is backed by memory, because a page fault on another file may wait for a
 * disk, or for a file system whose server is the client itself.
 */
static int
describe(struct vfu_window *w, const struct vfu_file_range *r, const char **why)
{
	struct statfs fs;
	struct stat st;
	uint64_t page = VFU_PAGE_SIZE, unit, end = r->offset + r->size;
	int access;

	*why = "the file descriptor is no memory (memfd, tmpfs or hugetlbfs)";
	if (!vfu_fd_is_memory(r->fd) || fstat(r->fd, &st) != 0 || fstatfs(r->fd, &fs) != 0)
		return -EINVAL;
	*why = "the file ends before offset + size";
	if (r->offset > (uint64_t)st.st_size || r->size > (uint64_t)st.st_size - r->offset)
		return -EINVAL;
	/* mmap() would also refuse it, but a window may exist already. */
	*why = "the file descriptor is not open for the access that the flags name";
	access = fcntl(r->fd, F_GETFL) & O_ACCMODE;
	if (access == O_WRONLY || ((w->prot & PROT_WRITE) && access != O_RDWR))
		return -EACCES;

	if (fs.f_type == HUGETLBFS_MAGIC && fs.f_bsize > VFU_PAGE_SIZE)
		page = (uint64_t)fs.f_bsize;
	unit = page > UNIT ? page : UNIT;
	/* A huge page smaller than the unit is also mapped whole; both are powers of 2. */
	if (r->offset / unit != (end - 1) / unit)
		unit = page;
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	w->offset = r->offset & ~(unit - 1);
	w->len = ((end + unit - 1) & ~(unit - 1)) - w->offset;
	w->page = page;
	return 0;
}

int
vfu_window_get(struct vfu_server *s, const struct vfu_file_range *range, struct vfu_window **window,
		const char **why)
{
	struct vfu_window w = { .refs = 1,
		.prot = (range->prot & VFU_DMA_READ ? PROT_READ : 0) |
				(range->prot & VFU_DMA_WRITE ? PROT_WRITE : 0) };
	struct vfu_window **head, *p;
	int ret = describe(&w, range, why);

	if (ret != 0)
		return ret;
	head = bucket(s, w.ino, w.offset);
	for (p = *head; p != NULL; p = p->next) {
		if (same(p, &w)) {
			p->refs++;
			*window = p;
			return 0;
		}
	}

	ret = vfu_maps_charge(s, charged(&w), why);
	if (ret != 0)
		return ret;
	*why = "out of memory";
	ret = -ENOMEM;
	p = malloc(sizeof(*p));
	if (p == NULL)
		goto fail;
	w.base = mmap(NULL, w.len, w.prot, MAP_SHARED | MAP_NORESERVE, range->fd, (off_t)w.offset);
	if (w.base == MAP_FAILED) {
		ret = -errno;
		*why = "the memory cannot be mapped here";
		free(p);
		goto fail;
	}
	w.next = *head;
	*p = w;
	*head = p;
	*window = p;
	return 0;
fail:
	vfu_maps_credit(s, charged(&w));
	return ret;
}

/*
 * While the kernel unmaps, no thread of the process can map or unmap, and gigabytes of small pages
 * take seconds. So unmap in steps, and sleep after a step that took longer than the sleep, so that
 * other threads get their turn.
 */
void
vfu_unmap(void *at, uint64_t len)
{
	const struct timespec nap = { .tv_nsec = UNMAP_NAP_NS };
	struct timespec before, after;
	uint8_t *base = at;

	for (; len > UNMAP_STEP; base += UNMAP_STEP, len -= UNMAP_STEP) {
		clock_gettime(CLOCK_MONOTONIC, &before);
		if (munmap(base, UNMAP_STEP) != 0)
			break; /* a part of a huge page: few of them, unmap the rest */
		clock_gettime(CLOCK_MONOTONIC, &after);
		if ((after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec >
				nap.tv_nsec)
			nanosleep(&nap, NULL);
	}
	munmap(base, len);
}

void
vfu_window_put(struct vfu_server *s, struct vfu_window *window)
{
	struct vfu_window **p;

	if (--window->refs != 0)
		return;
	for (p = bucket(s, window->ino, window->offset); *p != window; p = &(*p)->next)
		;
	*p = window->next;
	vfu_unmap(window->base, window->len);
	vfu_maps_credit(s, charged(window));
	/* The SIGBUS handler of some thread may be reading it, so free it after a grace period. */
	window->next = s->dead_windows;
	s->dead_windows = window;
}
