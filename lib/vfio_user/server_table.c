/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The DMA table as the control thread changes it.
 *
 * A table never changes after it is published. For every DMA_MAP or DMA_UNMAP the control thread
 * builds a new table and publishes it; polling threads look up in the table that they find. So that
 * a change among many mappings does not copy them all, the mappings are in leaves of up to
 * VFU_LEAF_MAPS, which consecutive tables share. A new table has one or two new leaves, and
 * pointers to the others:
 *
 *     server->table --> table 2 ---older---> table 1 ---older---> NULL
 *                          |                    |
 *                          v                    v
 *                       [A] [B'] [C]         [A] [B] [C]      A and C are the same leaves: refs 2
 *
 * To remove a mapping, the control thread publishes a table without it, waits for a grace period
 * (after which no polling thread holds a pointer), unmaps the memory, and replies.
 *
 * A replaced table stays linked behind the current one until a grace period has passed, so that
 * the SIGBUS handler recognises its memory as client memory (sigbus.c). The control thread frees
 * the table after the next grace period, because a thread may have followed the link just before it
 * was cut.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>
#include "server_priv.h"

/* Replaced tables at which the control thread waits for a grace period. */
#define MAX_RETIRED 16

static void
table_free(struct vfu_server *s, struct vfu_dma_table *t)
{
	for (uint32_t i = 0; i < t->nr_leaves; i++) {
		if (--t->leaves[i].leaf->refs == 0)
			free(t->leaves[i].leaf);
	}
	t->nr_leaves = 0;
	if (t != s->empty[0] && t != s->empty[1])
		free(t);
}

/*
 * Build a new table in which nr mappings replace the leaves first to end - 1 of the old one.
 * @return NULL: out of memory
 */
static struct vfu_dma_table *
rebuild(const struct vfu_dma_table *old, uint32_t first, uint32_t end, const struct vfu_map *maps,
		uint32_t nr)
{
	uint32_t add = (nr + VFU_LEAF_MAPS - 1) / VFU_LEAF_MAPS, i;
	uint32_t nr_leaves = old->nr_leaves - (end - first) + add;
	struct vfu_dma_table *t = malloc(sizeof(*t) + nr_leaves * sizeof(t->leaves[0]));

	if (t == NULL)
		return NULL;
	*t = *old;
	t->older = NULL;
	t->nr_leaves = nr_leaves;
	for (i = first; i < end; i++)
		t->nr -= old->leaves[i].leaf->nr;
	t->nr += nr;

	for (i = 0; i < add; i++) {
		/* Divide evenly, so that a leaf that was full becomes two halves. */
		uint32_t n = nr / (add - i);
		struct vfu_dma_leaf *l = malloc(sizeof(*l) + n * sizeof(l->maps[0]));

		if (l == NULL) {
			while (i-- > 0)
				free(t->leaves[first + i].leaf);
			free(t);
			return NULL;
		}
		l->refs = 1;
		l->nr = n;
		memcpy(l->maps, maps, n * sizeof(l->maps[0]));
		t->leaves[first + i].leaf = l;
		t->leaves[first + i].last = l->maps[n - 1].last;
		maps += n;
		nr -= n;
	}
	memcpy(t->leaves, old->leaves, first * sizeof(t->leaves[0]));
	memcpy(&t->leaves[first + add], &old->leaves[end],
			(old->nr_leaves - end) * sizeof(t->leaves[0]));
	for (i = 0; i < nr_leaves; i++) {
		if (i < first || i >= first + add)
			t->leaves[i].leaf->refs++;
	}
	return t;
}

/* Free what was unlinked before the grace period that has just passed. */
static void
free_dead(struct vfu_server *s)
{
	while (s->dead_tables != NULL) {
		struct vfu_dma_table *older = s->dead_tables->older;

		table_free(s, s->dead_tables);
		s->dead_tables = older;
	}
	while (s->dead_windows != NULL) {
		struct vfu_window *next = s->dead_windows->next;

		free(s->dead_windows);
		s->dead_windows = next;
	}
}

/* Wait until no thread uses an older table, or memory that only an older table has. */
static void
reclaim(struct vfu_server *s)
{
	struct vfu_dma_table *t = s->table;

	vfu_rcu_wait(s);
	free_dead(s);
	s->dead_tables = t->older;
	atomic_store_explicit(&t->older, NULL, memory_order_relaxed);
	s->nr_retired = 0;
}

static void
publish(struct vfu_server *s, struct vfu_dma_table *t)
{
	/*
	 * A thread that finds a table without such ranges may have queued a write by the table
	 * before. No access passes that write either.
	 */
	t->plain = t->ptes == NULL && t->nr_messages == 0 && s->table->nr_messages == 0;
	t->epoch = s->table->epoch + 1;
	t->older = s->table;
	atomic_store_explicit(&s->table, t, memory_order_release);
	s->nr_retired++;
	atomic_store(&s->stats.dma_maps, t->nr);
	atomic_store(&s->stats.dma_bytes, s->dma_size);
	atomic_store(&s->stats.ptes, t->nr_ptes);
}

int
vfu_dma_map(struct vfu_server *s, const struct vfio_user_dma_map *req, int fd, const char **why)
{
	struct vfu_map maps[VFU_LEAF_MAPS + 1];
	struct vfu_dma_table *old = s->table, *t;
	struct vfu_map m = {
		.iova = req->addr,
		.prot = req->flags & (VFU_DMA_READ | VFU_DMA_WRITE),
	};
	const struct vfu_file_range range = { fd, req->offset, req->size, m.prot };
	uint32_t leaf, slot, end, nr = 0;
	int ret;

	*why = "flags must name permissions and nothing else";
	if ((req->flags & ~(VFU_DMA_READ | VFU_DMA_WRITE | VFIO_USER_DMA_MAP_F_MMAP)) != 0 ||
			m.prot == 0)
		return -EINVAL;
	*why = "flags ask to mmap, without a file descriptor";
	if ((req->flags & VFIO_USER_DMA_MAP_F_MMAP) && fd < 0)
		return -EINVAL;
	*why = "address, size and offset must be multiples of 4096";
	if (((req->addr | req->size | req->offset) & (VFU_PAGE_SIZE - 1)) != 0)
		return -EINVAL;
	*why = "size is 0, or the range ends beyond 2^64";
	if (req->size == 0 || req->size - 1 > UINT64_MAX - req->addr)
		return -EINVAL;
	m.last = req->addr + (req->size - 1);
	if (old->nr >= VFU_MAX_DMA_MAPS) {
		*why = vfu_why(s, "this client has %u ranges, its limit", old->nr);
		return -ENOSPC;
	}
	*why = "the range overlaps another mapping";
	if (vfu_table_find(old, m.iova, &leaf, &slot)) {
		if (old->leaves[leaf].leaf->maps[slot].iova <= m.last)
			return -EEXIST;
	} else if (old->nr_leaves != 0) {
		leaf--; /* behind all mappings: add it to the last leaf */
		slot = old->leaves[leaf].leaf->nr;
	}

	if (fd >= 0) {
		ret = vfu_window_get(s, &range, &m.window, why);
		if (ret != 0)
			return ret;
		m.vaddr = m.window->base + (req->offset - m.window->offset);
	} else {
		*why = "no thread starts for memory without a file descriptor";
		ret = vfu_async_start(s);
		if (ret != 0)
			return ret;
	}
	end = leaf;
	if (old->nr_leaves != 0) {
		const struct vfu_dma_leaf *l = old->leaves[leaf].leaf;

		end++;
		nr = l->nr;
		memcpy(maps, l->maps, slot * sizeof(m));
		memcpy(&maps[slot + 1], &l->maps[slot], (nr - slot) * sizeof(m));
	}
	maps[slot] = m;
	t = rebuild(old, leaf, end, maps, nr + 1);
	if (t == NULL) {
		*why = "out of memory";
		if (fd >= 0)
			vfu_window_put(s, m.window);
		return -ENOMEM;
	}
	if (fd >= 0)
		s->dma_size += req->size;
	else
		t->nr_messages++;
	publish(s, t);
	if (s->nr_retired >= MAX_RETIRED)
		reclaim(s);
	return 0;
}

/* A position among the mappings: before slot i of leaf l. */
struct place {
	uint32_t l, i;
};

static const struct vfu_map *
at(const struct vfu_dma_table *t, struct place p)
{
	return p.l < t->nr_leaves ? &t->leaves[p.l].leaf->maps[p.i] : NULL;
}

static struct place
next(const struct vfu_dma_table *t, struct place p)
{
	if (++p.i == t->leaves[p.l].leaf->nr)
		p = (struct place){ .l = p.l + 1 };
	return p;
}

/* Append slots i to end - 1 of a leaf to maps, which has nr. @return the new number */
static uint32_t
append(struct vfu_map *maps, uint32_t nr, const struct vfu_dma_leaf *l, uint32_t i, uint32_t end)
{
	memcpy(&maps[nr], &l->maps[i], (end - i) * sizeof(*maps));
	return nr + (end - i);
}

/* Build a table without the mappings at "from" up to, not including, "to". NULL: out of memory. */
static struct vfu_dma_table *
without(const struct vfu_dma_table *old, struct place from, struct place to)
{
	const uint32_t small = VFU_LEAF_MAPS / 2;
	struct vfu_map keep[2 * VFU_LEAF_MAPS];
	uint32_t first = from.l, end = to.i != 0 ? to.l + 1 : to.l, nr = 0, left = from.i;

	if (to.i != 0)
		left += old->leaves[to.l].leaf->nr - to.i;
	/* If few mappings are left, join them to a neighbour that also has few. */
	if (first > 0 && left + old->leaves[first - 1].leaf->nr <= small) {
		first--;
		nr = append(keep, nr, old->leaves[first].leaf, 0, old->leaves[first].leaf->nr);
	}
	nr = append(keep, nr, old->leaves[from.l].leaf, 0, from.i);
	if (to.i != 0)
		nr = append(keep, nr, old->leaves[to.l].leaf, to.i, old->leaves[to.l].leaf->nr);
	if (end < old->nr_leaves && nr + old->leaves[end].leaf->nr <= small) {
		nr = append(keep, nr, old->leaves[end].leaf, 0, old->leaves[end].leaf->nr);
		end++;
	}
	return rebuild(old, first, end, keep, nr);
}

int
vfu_dma_unmap(struct vfu_server *s, uint64_t addr, uint64_t *size, const char **why)
{
	const struct vfu_dma_table *old = s->table;
	struct vfu_window *one, **windows = &one;
	struct place from, to, p;
	struct vfu_dma_table *t;
	uint64_t last, bytes = 0;
	uint32_t nr = 0, i;

	*why = "size is 0, or the range ends beyond 2^64";
	if (*size == 0 || *size - 1 > UINT64_MAX - addr)
		return -EINVAL;
	last = addr + (*size - 1);
	vfu_table_find(old, addr, &from.l, &from.i);
	/*
	 * The specification requires exactly a range that was mapped. The server follows the rule
	 * of VFIO (VFIO_IOMMU_UNMAP_DMA), which is wider: any number of whole mappings, including
	 * none, and the size in the reply is the number of bytes that were mapped. The virtual
	 * IOMMU of QEMU unmaps this way: whenever the guest changes or invalidates an address space
	 * as a whole, QEMU unmaps all of it, in pieces.
	 */
	*why = "the range cuts a mapping into pieces";
	for (to = from; at(old, to) != NULL && at(old, to)->iova <= last; to = next(old, to)) {
		if (at(old, to)->iova < addr || at(old, to)->last > last)
			return -EINVAL;
		bytes += at(old, to)->last - at(old, to)->iova + 1;
		nr++;
	}
	*size = bytes;
	if (nr == 0)
		return 0;

	*why = "out of memory";
	if (nr > 1)
		windows = malloc(nr * sizeof(windows[0]));
	t = windows != NULL ? without(old, from, to) : NULL;
	if (t == NULL) {
		if (windows != &one)
			free(windows);
		return -ENOMEM;
	}
	for (i = 0, p = from; i < nr; i++, p = next(old, p)) {
		windows[i] = at(old, p)->window;
		if (windows[i] != NULL)
			s->dma_size -= at(old, p)->last - at(old, p)->iova + 1;
		else
			t->nr_messages--;
	}
	publish(s, t);
	reclaim(s);
	for (i = 0; i < nr; i++) {
		if (windows[i] != NULL)
			vfu_window_put(s, windows[i]);
	}
	if (windows != &one)
		free(windows);
	return 0;
}

static void
page_table_unmap(struct vfu_server *s, const struct vfu_dma_table *t)
{
	const size_t len = t->nr_ptes * sizeof(t->ptes[0]);

	if (t->ptes == NULL)
		return;
	vfu_unmap((void *)(uintptr_t)t->ptes, len);
	vfu_maps_credit(s, len);
}

/*
 * Publish an empty table. This allocates no memory, because it must always succeed when a client
 * goes: the server has two empty tables for it, at least one of which is not the current table.
 */
static void
publish_empty(struct vfu_server *s, bool keep_page_table)
{
	struct vfu_dma_table *old = s->table, *t = s->empty[old == s->empty[0]];
	struct place p = { .l = 0 };

	/* After two calls no table except the current one is linked. */
	reclaim(s);
	reclaim(s);
	memset(t, 0, sizeof(*t));
	if (keep_page_table) {
		t->ptes = old->ptes;
		t->base = old->base;
		t->nr_ptes = old->nr_ptes;
	}
	s->dma_size = 0;
	publish(s, t);
	reclaim(s);
	/* The old table is unlinked, but exists until the next reclaim(). */
	for (; at(old, p) != NULL; p = next(old, p)) {
		if (at(old, p)->window != NULL)
			vfu_window_put(s, at(old, p)->window);
	}
	if (!keep_page_table)
		page_table_unmap(s, old);
}

void
vfu_dma_unmap_all(struct vfu_server *s)
{
	publish_empty(s, true);
}

void
vfu_dma_forget_client(struct vfu_server *s)
{
	publish_empty(s, false);
}

/*
 * The table must be memory that cannot disappear: a sealed memfd. Only a memfd of small pages
 * qualifies, because only tmpfs and hugetlbfs have seals, and a huge page may be missing.
 */
static int
page_table_check(const struct vfio_user_io_page_table *req, int fd, const char **why)
{
	struct statfs fs;
	struct stat st;
	int seals;

	*why = "flags must be 0";
	if (req->flags != 0)
		return -EINVAL;
	*why = "the first bus address is no multiple of 4096";
	if ((req->base & (VFU_PAGE_SIZE - 1)) != 0)
		return -EINVAL;
	*why = "no entries, too many, or the page of the last one ends beyond 2^64";
	if (req->nr == 0 || req->nr > VFU_MAX_PTES ||
			req->nr * VFU_PAGE_SIZE - 1 > UINT64_MAX - req->base)
		return -EINVAL;
	*why = "the file descriptor is no memfd sealed against shrinking";
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstatfs(fd, &fs) != 0 ||
			fs.f_type != TMPFS_MAGIC)
		return -EINVAL;
	*why = "the file has no room for so many entries";
	if (fstat(fd, &st) != 0 || (uint64_t)st.st_size < req->nr * sizeof(uint64_t))
		return -EINVAL;
	return 0;
}

int
vfu_dma_set_page_table(struct vfu_server *s, const struct vfio_user_io_page_table *req, int fd,
		const char **why)
{
	const uint64_t len = req->nr * sizeof(uint64_t);
	struct vfu_dma_table *t;
	void *ptes;
	int ret;

	*why = "this client has a table already";
	if (s->table->ptes != NULL)
		return -EEXIST;
	ret = page_table_check(req, fd, why);
	if (ret == 0)
		ret = vfu_maps_charge(s, len, why);
	if (ret != 0)
		return ret;
	ptes = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (ptes == MAP_FAILED) {
		ret = -errno;
		*why = "the table cannot be mapped here";
		vfu_maps_credit(s, len);
		return ret;
	}
	t = rebuild(s->table, 0, 0, NULL, 0);
	if (t == NULL) {
		*why = "out of memory";
		munmap(ptes, len);
		vfu_maps_credit(s, len);
		return -ENOMEM;
	}
	t->ptes = ptes;
	t->base = req->base;
	t->nr_ptes = req->nr;
	publish(s, t);
	reclaim(s); /* from here on no access bypasses the table */
	return 0;
}

int
vfu_dma_init(struct vfu_server *s)
{
	s->empty[0] = calloc(1, sizeof(*s->empty[0]));
	s->empty[1] = calloc(1, sizeof(*s->empty[1]));
	s->table = s->empty[0];
	return s->empty[0] == NULL || s->empty[1] == NULL ? -ENOMEM : 0;
}

/* No client is connected, so the table is an empty one. */
void
vfu_dma_fini(struct vfu_server *s)
{
	free_dead(s);
	free(s->empty[0]);
	free(s->empty[1]);
}
