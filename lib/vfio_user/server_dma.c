/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The device's IOMMU: which of the client's memory lies at which bus address.
 *
 * The control thread makes a new table for every change and publishes it; polling
 * threads look up in whatever table they find. Removal is publish, wait until all
 * polling threads have passed a quiescent state (none can hold a pointer then),
 * unmap, reply.
 *
 * A lookup is a binary search behind a cache of indexes, one per thread. Like a TLB
 * it is addressed by a few bits of the bus address; unlike one it needs no flush,
 * because what it holds is only a guess, checked against the table every time.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>
#include <urcu-qsbr.h>

#include "server_priv.h"

/* Tables that wait for a grace period before the control thread waits with them. */
#define MAX_RETIRED 16

#define HINTS 256
static __thread uint32_t hints[HINTS];

/*
 * Mappings of the whole process: the kernel allows 65,530 (vm.max_map_count), and
 * a client must not take those that the rest of the process needs.
 */
#define MAX_PROCESS_MAPS 57344u
static _Atomic uint32_t process_maps;

static inline bool
covers(const struct vfu_map *m, uint64_t iova)
{
	return iova >= m->iova && iova <= m->last;
}

/* The index of the first entry that ends at or behind iova; nr if there is none. */
static uint32_t
lower_bound(const struct vfu_dma_table *t, uint64_t iova)
{
	uint32_t lo = 0, hi = t->nr;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (t->maps[mid].last < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static inline const struct vfu_map *
lookup(const struct vfu_server *s, const struct vfu_dma_table *t, uint64_t iova)
{
	/* 2 MiB is the page size of the longest tables; servers differ in their address. */
	uint32_t *hint = &hints[((iova >> 21) ^ ((uintptr_t)s >> 6)) % HINTS];
	uint32_t i = *hint;

	if (i < t->nr && covers(&t->maps[i], iova))
		return &t->maps[i];
	i = lower_bound(t, iova);
	if (i == t->nr || t->maps[i].iova > iova)
		return NULL;
	*hint = i;
	return &t->maps[i];
}

void *
vfu_dma_ptr(struct vfu_server *server, uint64_t iova, size_t len, uint32_t prot)
{
	const struct vfu_map *m = lookup(server, rcu_dereference(server->table), iova);

	if (m == NULL || (m->prot & prot) != prot || m->vaddr == NULL || len == 0 ||
			len - 1 > m->last - iova)
		return NULL;
	vfu_sigbus_mark_thread();
	return m->vaddr + (iova - m->iova);
}

/* One DMA_READ (data NULL) or DMA_WRITE. */
static int
by_message(struct vfu_server *s, uint64_t iova, void *buf, const void *data, size_t len,
		uint64_t deadline)
{
	struct vfu_conn *conn = rcu_dereference(s->conn);
	const struct vfio_user_dma_access *a;
	struct vfio_user_dma_access req = { .addr = iova, .count = len };
	struct vfu_msg *reply;
	int ret;

	if (conn == NULL)
		return -EFAULT;
	ret = vfu_conn_request(s, conn, data != NULL ? VFIO_USER_DMA_WRITE : VFIO_USER_DMA_READ,
		&req, sizeof(req), data, data != NULL ? len : 0, deadline, &reply);
	if (ret != 0)
		return ret;

	a = (const struct vfio_user_dma_access *)reply->data;
	if (reply->hdr.flags & VFIO_USER_F_ERROR) {
		ret = -EFAULT;
	} else if (data == NULL) {
		if (reply->len != sizeof(*a) + len || a->addr != iova || a->count != len)
			ret = -EPROTO;
		else
			memcpy(buf, a->data, len);
	} else {
		/* The specification shows a count of 4 bytes here; others send 8. */
		uint32_t count;

		if (reply->len != sizeof(*a) && reply->len != sizeof(*a) - 4) {
			ret = -EPROTO;
		} else {
			memcpy(&count, reply->data + 8, sizeof(count));
			if (a->addr != iova || count != len)
				ret = -EPROTO;
		}
	}
	if (ret == -EPROTO)
		vfu_conn_kill(conn, "reply to DMA_READ or DMA_WRITE that does not fit the request");
	vfu_msg_free(reply);
	return ret;
}

/* Both directions; one of buf and data is NULL. */
static int
copy(struct vfu_server *s, uint64_t iova, uint8_t *buf, const uint8_t *data, size_t len)
{
	uint32_t prot = data != NULL ? VFU_DMA_WRITE : VFU_DMA_READ;
	const struct vfu_dma_table *t = rcu_dereference(s->table);
	const struct vfu_conn *conn = rcu_dereference(s->conn);
	uint64_t deadline = 0;

	if (len == 0)
		return 0;
	if (len - 1 > UINT64_MAX - iova)
		goto fault;
	vfu_sigbus_mark_thread();
	while (len != 0) {
		const struct vfu_map *m = lookup(s, t, iova);
		size_t n;

		if (m == NULL || !(m->prot & prot))
			goto fault;
		n = len - 1 > m->last - iova ? m->last - iova + 1 : len;
		if (m->vaddr != NULL) {
			uint8_t *mem = m->vaddr + (iova - m->iova);

			if (data != NULL)
				memcpy(mem, data, n);
			else
				memcpy(buf, mem, n);
		} else {
			if (deadline == 0)
				deadline = vfu_now_ms() + VFU_DMA_MS;
			if (conn != NULL && n > conn->max_dma_xfer)
				n = conn->max_dma_xfer;
			if (by_message(s, iova, buf, data, n, deadline) != 0)
				goto fault;
		}
		iova += n;
		len -= n;
		if (data != NULL)
			data += n;
		else
			buf += n;
	}
	/* That one was counted by whoever met it. */
	return atomic_load_explicit(&s->poisoned, memory_order_relaxed) ? -EFAULT : 0;

fault:
	atomic_fetch_add_explicit(&s->stats.dma_faults, 1, memory_order_relaxed);
	return -EFAULT;
}

int
vfu_dma_read(struct vfu_server *server, uint64_t iova, void *buf, size_t len)
{
	return copy(server, iova, buf, NULL, len);
}

int
vfu_dma_write(struct vfu_server *server, uint64_t iova, const void *buf, size_t len)
{
	return copy(server, iova, NULL, buf, len);
}

bool
vfu_server_dma_poisoned(const struct vfu_server *server)
{
	return atomic_load_explicit(&server->poisoned, memory_order_relaxed);
}

void
vfu_server_dma_for_each(struct vfu_server *server,
		void (*fn)(void *arg, const struct vfu_dma_entry *e), void *arg)
{
	const struct vfu_dma_table *t = rcu_dereference(server->table);

	for (uint32_t i = 0; i < t->nr; i++) {
		const struct vfu_map *m = &t->maps[i];
		/* No overflow: a size has 64 bits, so no mapping is all of the address space. */
		struct vfu_dma_entry e = {
			.iova = m->iova, .size = m->last - m->iova + 1, .prot = m->prot,
			.vaddr = m->vaddr,
		};

		fn(arg, &e);
	}
}

/*
 * The control thread's side.
 */

static struct vfu_dma_table *
new_table(uint32_t nr)
{
	struct vfu_dma_table *t = malloc(sizeof(*t) + nr * sizeof(t->maps[0]));

	if (t != NULL) {
		t->older = NULL;
		t->nr = nr;
	}
	return t;
}

/* Waits until nobody uses an older table, nor memory that only an older one has. */
static void
reclaim(struct vfu_server *s)
{
	struct vfu_dma_table *t = s->table->older;

	synchronize_rcu();
	CMM_STORE_SHARED(s->table->older, NULL);
	while (t != NULL) {
		struct vfu_dma_table *older = t->older;

		free(t);
		t = older;
	}
	s->nr_retired = 0;
}

static void
publish(struct vfu_server *s, struct vfu_dma_table *t)
{
	t->older = s->table;
	rcu_assign_pointer(s->table, t);
	s->nr_retired++;
	atomic_store(&s->stats.dma_maps, t->nr);
	atomic_store(&s->stats.dma_bytes, s->dma_size);
}

static void
unmap_memory(const struct vfu_map *m)
{
	uintptr_t page = ((uintptr_t)1 << m->page_shift) - 1;
	uintptr_t base = (uintptr_t)m->vaddr & ~page;
	uintptr_t end = ((uintptr_t)m->vaddr + (m->last - m->iova) + page + 1) & ~page;

	if (m->vaddr == NULL)
		return;
	munmap((void *)base, end - base);
	atomic_fetch_sub(&process_maps, 1);
}

/*
 * Only memory that is backed by memory: a page fault on a file of another kind may
 * wait for a disk, or for a file system that the client itself serves.
 */
static int
map_memory(struct vfu_map *m, uint64_t offset, int fd, const char **why)
{
	uint64_t size = m->last - m->iova + 1, slack;
	struct statfs fs;
	struct stat st;
	int prot = 0;
	void *p;

	*why = "DMA_MAP: the file descriptor is no memory (memfd, tmpfs or hugetlbfs)";
	if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	if (fs.f_type != TMPFS_MAGIC && fs.f_type != HUGETLBFS_MAGIC && fs.f_type != RAMFS_MAGIC)
		return -EINVAL;
	*why = "DMA_MAP: the file ends before offset + size";
	if (offset > (uint64_t)st.st_size || size > (uint64_t)st.st_size - offset)
		return -EINVAL;

	m->page_shift = 12;
	if (fs.f_type == HUGETLBFS_MAGIC && fs.f_bsize > VFU_PAGE_SIZE)
		m->page_shift = (uint8_t)__builtin_ctzl((unsigned long)fs.f_bsize);
	slack = offset & ((UINT64_C(1) << m->page_shift) - 1);

	*why = "DMA_MAP: this process has no room for another mapping (vm.max_map_count)";
	if (atomic_fetch_add(&process_maps, 1) >= MAX_PROCESS_MAPS) {
		atomic_fetch_sub(&process_maps, 1);
		return -ENOSPC;
	}
	if (m->prot & VFU_DMA_READ)
		prot |= PROT_READ;
	if (m->prot & VFU_DMA_WRITE)
		prot |= PROT_WRITE;
	p = mmap(NULL, size + slack, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)(offset - slack));
	if (p == MAP_FAILED) {
		int ret = -errno;

		atomic_fetch_sub(&process_maps, 1);
		*why = ret == -EACCES ?
			"DMA_MAP: the file descriptor is not open for what the flags ask" :
			"DMA_MAP: the memory cannot be mapped here";
		return ret;
	}
	m->vaddr = (uint8_t *)p + slack;
	return 0;
}

int
vfu_dma_map(struct vfu_server *s, const struct vfio_user_dma_map *req, int fd, const char **why)
{
	const struct vfu_dma_table *old = s->table;
	struct vfu_dma_table *t;
	struct vfu_map m = { .iova = req->addr,
		.prot = req->flags & (VFU_DMA_READ | VFU_DMA_WRITE) };
	uint32_t pos;
	int ret;

	*why = "DMA_MAP: flags";
	if ((req->flags & ~(VFU_DMA_READ | VFU_DMA_WRITE | VFIO_USER_DMA_MAP_F_MMAP)) != 0 ||
			m.prot == 0)
		return -EINVAL;
	*why = "DMA_MAP: flags ask to mmap, but there is no file descriptor";
	if ((req->flags & VFIO_USER_DMA_MAP_F_MMAP) && fd < 0)
		return -EINVAL;
	*why = "DMA_MAP: address, size and offset must be multiples of 4096";
	if (((req->addr | req->size | req->offset) & (VFU_PAGE_SIZE - 1)) != 0)
		return -EINVAL;
	*why = "DMA_MAP: size is 0, or the range ends beyond 2^64";
	if (req->size == 0 || req->size - 1 > UINT64_MAX - req->addr)
		return -EINVAL;
	m.last = req->addr + (req->size - 1);
	*why = "DMA_MAP: too many mappings, or too much memory";
	if (old->nr >= VFU_MAX_DMA_MAPS)
		return -ENOSPC;
	/* Without a descriptor a mapping costs nothing here, and may be of any size but all. */
	if (fd >= 0 && (req->size > VFU_MAX_DMA_SIZE || s->dma_size > VFU_MAX_DMA_SIZE - req->size))
		return -ENOSPC;
	*why = "DMA_MAP: overlaps another mapping";
	pos = lower_bound(old, m.iova);
	if (pos < old->nr && old->maps[pos].iova <= m.last)
		return -EEXIST;

	*why = "DMA_MAP: out of memory";
	t = new_table(old->nr + 1);
	if (t == NULL)
		return -ENOMEM;
	if (fd >= 0) {
		ret = map_memory(&m, req->offset, fd, why);
		if (ret != 0) {
			free(t);
			return ret;
		}
		s->dma_size += req->size;
	}
	memcpy(t->maps, old->maps, pos * sizeof(m));
	t->maps[pos] = m;
	memcpy(&t->maps[pos + 1], &old->maps[pos], (old->nr - pos) * sizeof(m));
	publish(s, t);
	if (s->nr_retired >= MAX_RETIRED)
		reclaim(s);
	return 0;
}

/* Takes entries first to end - 1 out of the table. */
static int
remove_maps(struct vfu_server *s, uint32_t first, uint32_t end)
{
	struct vfu_dma_table *old = s->table;
	struct vfu_dma_table *t = new_table(old->nr - (end - first));
	struct vfu_map one, *gone = &one;

	if (t == NULL)
		return -ENOMEM;
	/* reclaim() frees the old table before the memory can go. */
	if (end - first > 1)
		gone = malloc((end - first) * sizeof(*gone));
	if (gone == NULL) {
		free(t);
		return -ENOMEM;
	}
	memcpy(gone, &old->maps[first], (end - first) * sizeof(*gone));
	memcpy(t->maps, old->maps, first * sizeof(one));
	memcpy(&t->maps[first], &old->maps[end], (old->nr - end) * sizeof(one));
	for (uint32_t i = 0; i < end - first; i++) {
		if (gone[i].vaddr != NULL)
			s->dma_size -= gone[i].last - gone[i].iova + 1;
	}
	publish(s, t);
	reclaim(s);
	for (uint32_t i = 0; i < end - first; i++)
		unmap_memory(&gone[i]);
	if (gone != &one)
		free(gone);
	return 0;
}

int
vfu_dma_unmap(struct vfu_server *s, uint64_t addr, uint64_t size, const char **why)
{
	const struct vfu_dma_table *t = s->table;
	uint32_t first, end;
	uint64_t last;

	*why = "DMA_UNMAP: size is 0, or the range ends beyond 2^64";
	if (size == 0 || size - 1 > UINT64_MAX - addr)
		return -EINVAL;
	last = addr + (size - 1);
	first = lower_bound(t, addr);
	for (end = first; end < t->nr && t->maps[end].iova <= last; end++)
		;
	*why = "DMA_UNMAP: nothing is mapped there";
	if (first == end)
		return -ENOENT;
	/*
	 * The specification wants exactly what was mapped. VFIO's own rule is taken,
	 * which is wider: any number of whole mappings. A vIOMMU unmaps like that.
	 */
	*why = "DMA_UNMAP: the range cuts a mapping into pieces";
	if (t->maps[first].iova < addr || t->maps[end - 1].last > last)
		return -EINVAL;
	*why = "DMA_UNMAP: out of memory";
	return remove_maps(s, first, end);
}

/*
 * Needs no memory, because this is how a client's leavings go: an empty table is
 * kept for it, and what was the current one becomes the next empty one.
 */
void
vfu_dma_unmap_all(struct vfu_server *s)
{
	struct vfu_dma_table *t = s->table, *shrunk;

	s->dma_size = 0;
	publish(s, s->empty);
	/* Take it out of the chain that is freed; its memory must outlive the wait. */
	synchronize_rcu();
	CMM_STORE_SHARED(s->empty->older, t->older);
	reclaim(s);
	for (uint32_t i = 0; i < t->nr; i++)
		unmap_memory(&t->maps[i]);
	t->nr = 0;
	t->older = NULL;
	shrunk = realloc(t, sizeof(*t));
	s->empty = shrunk != NULL ? shrunk : t;
}

int
vfu_dma_init(struct vfu_server *s)
{
	s->table = new_table(0);
	s->empty = new_table(0);
	return s->table == NULL || s->empty == NULL ? -ENOMEM : 0;
}

void
vfu_dma_fini(struct vfu_server *s)
{
	free(s->table);
	free(s->empty);
}
