/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The IOMMU of the device, as the polling threads use it.
 *
 *     bus address --> [ I/O page table, if there is one ] --> DMA table --> pointer into a window
 *                       walk(): loaded for each access        lookup()      or by_message()
 *
 *     bus address --> struct vfu_tlb ---------------------------------------> the same, if there is
 *                       vfu_tlb_ptr()                                         no page table
 *
 * The DMA table (server_table.c) decides which client memory is at which bus address. It does not
 * change under a polling thread. A lookup is a binary search behind a cache of places, one cache
 * per thread. Like a TLB, the cache is indexed by a few bits of the bus address. Unlike a TLB, it
 * needs no flush, because an entry is only a hint, which hinted() checks against the table every
 * time. A user of the data path may also hold the ranges that it has found (struct vfu_tlb). They
 * are valid as long as the number of the table (its epoch) is the same, which the user checks after
 * each quiescent state.
 *
 * Memory without a file descriptor takes messages. No polling thread waits for them:
 * server_async.c.
 *
 * The I/O page table is client memory, and changes whenever the client likes. Its promise
 * (vfio_user.h) is that no access starts through a cleared entry. Therefore walk() reads an entry
 * once for every access and caches nothing, not even as a hint. An entry holds only an
 * address, which is then looked up in the DMA table.
 */

#include <errno.h>
#include <string.h>

#include "server_priv.h"

#define HINTS 256
static __thread uint32_t hints[HINTS];

/* The last fault of this thread. */
static __thread struct vfu_dma_fault last_fault;

void
vfu_dma_set_last_fault(const struct vfu_dma_fault *fault)
{
	last_fault = *fault;
}

int
vfu_dma_count_fault(struct vfu_server *s, uint64_t iova, uint32_t prot, enum vfu_dma_why why)
{
	last_fault = (struct vfu_dma_fault){ iova, prot, why };
	atomic_fetch_add_explicit(&s->stats.dma_faults, 1, memory_order_relaxed);
	return -EFAULT;
}

bool
vfu_table_find(const struct vfu_dma_table *t, uint64_t iova, uint32_t *leaf, uint32_t *slot)
{
	uint32_t lo = 0, hi = t->nr_leaves;
	const struct vfu_dma_leaf *l;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (t->leaves[mid].last < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	*leaf = lo;
	*slot = 0;
	if (lo == t->nr_leaves)
		return false;
	l = t->leaves[lo].leaf;
	for (lo = 0, hi = l->nr; lo < hi;) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (l->maps[mid].last < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	*slot = lo;
	return true;
}

static inline const struct vfu_dma_table *
current_table(const struct vfu_server *s)
{
	return atomic_load_explicit(&s->table, memory_order_consume);
}

static inline bool
covers(const struct vfu_map *m, uint64_t addr)
{
	return addr >= m->iova && addr <= m->last;
}

static inline uint32_t *
hint_of(const struct vfu_server *s, uint64_t addr)
{
	/*
	 * 2 MiB is the page size of the longest tables; the address of the server separates
	 * servers.
	 */
	return &hints[((addr >> 21) ^ ((uintptr_t)s >> 6)) % HINTS];
}

/* Return the mapping that the hint names if it contains addr; else NULL. */
static inline const struct vfu_map *
hinted(const struct vfu_server *s, const struct vfu_dma_table *t, uint64_t addr)
{
	const uint32_t hint = *hint_of(s, addr);
	const uint32_t leaf = hint / VFU_LEAF_MAPS, slot = hint % VFU_LEAF_MAPS;
	const struct vfu_map *m;

	if (leaf >= t->nr_leaves || slot >= t->leaves[leaf].leaf->nr)
		return NULL;
	m = &t->leaves[leaf].leaf->maps[slot];
	return covers(m, addr) ? m : NULL;
}

static const struct vfu_map *
lookup(const struct vfu_server *s, const struct vfu_dma_table *t, uint64_t addr)
{
	const struct vfu_map *m = hinted(s, t, addr);
	uint32_t leaf, slot;

	if (m != NULL)
		return m;
	if (!vfu_table_find(t, addr, &leaf, &slot))
		return NULL;
	m = &t->leaves[leaf].leaf->maps[slot];
	if (!covers(m, addr))
		return NULL;
	*hint_of(s, addr) = leaf * VFU_LEAF_MAPS + slot;
	return m;
}

/*
 * Translate iova by the I/O page table to an address for the DMA table; valid for this access and
 * the rest of this page. This is the only load of the entry.
 */
static inline bool
walk(const struct vfu_dma_table *t, uint64_t iova, uint32_t prot, uint64_t *addr,
		enum vfu_dma_why *why)
{
	uint64_t i = (iova - t->base) / VFU_PAGE_SIZE, pte;

	*why = VFU_DMA_NO_ENTRY;
	if (iova < t->base || i >= t->nr_ptes)
		return false;
	/* Acquire: no part of the access starts before the entry is loaded. */
	pte = atomic_load_explicit(&t->ptes[i], memory_order_acquire);
	if (!(pte & (VFU_PTE_READ | VFU_PTE_WRITE)))
		return false;
	*why = VFU_DMA_ENTRY_FORBIDS;
	if ((pte & prot) != prot)
		return false;
	*addr = (pte & VFU_PTE_ADDR) | (iova & ~VFU_PTE_ADDR);
	return true;
}

/* Translate the whole range, if its pages are also neighbours in the addresses of the DMA table. */
static bool
walk_range(const struct vfu_dma_table *t, uint64_t iova, size_t len, uint32_t prot, uint64_t *addr)
{
	uint64_t off, at;
	enum vfu_dma_why why;

	if (len == 0 || len - 1 > UINT64_MAX - iova || !walk(t, iova, prot, addr, &why))
		return false;
	for (off = VFU_PAGE_SIZE - iova % VFU_PAGE_SIZE; off < len; off += VFU_PAGE_SIZE) {
		if (!walk(t, iova + off, prot, &at, &why) || at != *addr + off)
			return false;
	}
	return true;
}

static inline void *
ptr_in(const struct vfu_server *s, const struct vfu_map *m, uint64_t addr, size_t len,
		uint32_t prot)
{
	if ((m->prot & prot) != prot || m->vaddr == NULL || len == 0 || len - 1 > m->last - addr)
		return NULL;
	vfu_sigbus_mark_thread(s);
	return m->vaddr + (addr - m->iova);
}

/* Separate and not inlined, so that the common case saves no registers for it. */
static __attribute__((noinline)) void *
slow_ptr(const struct vfu_server *s, const struct vfu_dma_table *t, uint64_t iova, size_t len,
		uint32_t prot)
{
	const struct vfu_map *m;
	uint64_t addr = iova;

	if (vfu_async_posted(s))
		return NULL;       /* no access passes a posted write */
	vfu_sigbus_mark_thread(s); /* the page table is also client memory */
	if (t->ptes != NULL && !walk_range(t, iova, len, prot, &addr))
		return NULL;
	m = lookup(s, t, addr);
	return m != NULL ? ptr_in(s, m, addr, len, prot) : NULL;
}

void *
vfu_dma_ptr(struct vfu_server *server, uint64_t iova, size_t len, uint32_t prot)
{
	const struct vfu_dma_table *t = current_table(server);
	const struct vfu_map *m;

	if (__builtin_expect(atomic_load_explicit(&server->poisoned, memory_order_relaxed), 0))
		return NULL;
	m = t->plain ? hinted(server, t, iova) : NULL;

	if (__builtin_expect(m != NULL, 1))
		return ptr_in(server, m, iova, len, prot);
	return slow_ptr(server, t, iova, len, prot);
}

/*
 * The grace period after a table was replaced ends no earlier than the reader's quiescent state.
 * The reader then begins again, finds another epoch, and drops the ranges. So it uses no range of a
 * table whose grace period has ended.
 */
void
vfu_tlb_begin(struct vfu_tlb *tlb, struct vfu_server *server)
{
	const struct vfu_dma_table *t = current_table(server);
	uint64_t epoch = t->plain ? t->epoch : 0;

	if (__builtin_expect(atomic_load_explicit(&server->poisoned, memory_order_relaxed), 0))
		epoch = 0;
	vfu_sigbus_mark_thread(server);
	tlb->server = server;
	if (__builtin_expect(epoch == tlb->epoch, 1))
		return;
	memset(tlb->ranges, 0, sizeof(tlb->ranges));
	tlb->epoch = epoch;
}

/* Put the range that contains iova into the TLB, as far as the device can drive its addresses. */
static void
remember(struct vfu_tlb *tlb, const struct vfu_dma_table *t, uint64_t iova, uint32_t prot,
		uint64_t mask)
{
	const struct vfu_map *m = lookup(tlb->server, t, iova);
	uint64_t size;

	if (m == NULL || m->vaddr == NULL || (m->prot & prot) != prot)
		return;
	size = (m->last < mask ? m->last : mask) - m->iova + 1;
	tlb->ranges[prot == VFU_DMA_WRITE][(iova >> 21) % VFU_TLB_RANGES] = (struct vfu_tlb_range){
		.first = m->iova,
		.near = size < VFU_TLB_NEAR ? 0 : size - VFU_TLB_NEAR + 1,
		.size = size,
		.at = m->vaddr,
	};
}

void *
vfu_tlb_miss(struct vfu_tlb *tlb, uint64_t iova, size_t len, uint32_t prot)
{
	const struct vfu_server *s = tlb->server;
	const uint64_t mask = s->desc.addr_mask != 0 ? s->desc.addr_mask : UINT64_MAX;
	const struct vfu_dma_table *t = current_table(s);

	if (len - 1 > mask - iova)
		return NULL;
	/* A table that was published after vfu_tlb_begin() has another epoch. */
	if (tlb->epoch != 0 && t->epoch == tlb->epoch && !vfu_server_dma_poisoned(s))
		remember(tlb, t, iova, prot, mask);
	return vfu_dma_ptr(tlb->server, iova, len, prot);
}

bool
vfu_dma_paged(struct vfu_server *server)
{
	return current_table(server)->ptes != NULL;
}

bool
vfu_dma_by_message(struct vfu_server *server)
{
	return current_table(server)->nr_messages != 0;
}

const struct vfu_dma_fault *
vfu_dma_last_fault(void)
{
	return &last_fault;
}

const char *
vfu_dma_why_text(const struct vfu_dma_fault *fault)
{
	bool write = fault->prot == VFU_DMA_WRITE;

	switch (fault->why) {
	case VFU_DMA_NOT_MAPPED:
		return "not mapped";
	case VFU_DMA_NOT_PERMITTED:
		return write ? "not mapped for writing" : "not mapped for reading";
	case VFU_DMA_NO_ENTRY:
		return "no entry in the page table";
	case VFU_DMA_ENTRY_FORBIDS:
		return write ? "not for writing by the page table" :
			       "not for reading by the page table";
	case VFU_DMA_NO_ANSWER:
		return "the client refused it, or did not answer";
	case VFU_DMA_TRUNCATED:
		return "the client truncated its memory";
	}
	return "?";
}

/*
 * Do one DMA_READ (data NULL) or DMA_WRITE. Offline during the call: the caller must not use a
 * pointer to a table after it. The connection exists until the DMA thread is idle
 * (vfu_async_forget_client()).
 */
static int
by_message(struct vfu_server *s, uint64_t iova, void *buf, const void *data, size_t len,
		uint64_t deadline)
{
	struct vfu_conn *conn = s->conn;
	const struct vfio_user_dma_access *a;
	const struct vfio_user_dma_access req = { .addr = iova, .count = len };
	struct vfu_out out = {
		.hdr.cmd = data != NULL ? VFIO_USER_DMA_WRITE : VFIO_USER_DMA_READ,
		.data = &req,
		.len = sizeof(req),
		.more = data,
		.more_len = data != NULL ? len : 0,
	};
	struct vfu_msg *reply;
	int ret;

	if (conn == NULL)
		return -EFAULT;
	vfu_rcu_offline();
	ret = vfu_conn_request(s, conn, &out, deadline, &reply);
	vfu_rcu_online();
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
		/* The specification has a count of 4 bytes here; other implementations send 8. */
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

int
vfu_dma_access(struct vfu_server *s, uint64_t iova, uint8_t *buf, const uint8_t *data, size_t len,
		enum vfu_dma_how how)
{
	const uint64_t mask = s->desc.addr_mask != 0 ? s->desc.addr_mask : UINT64_MAX;
	uint32_t prot = data != NULL ? VFU_DMA_WRITE : VFU_DMA_READ;
	enum vfu_dma_why why = VFU_DMA_NOT_MAPPED;
	uint64_t deadline = 0;

	if (len == 0)
		return 0;
	iova &= mask;
	if (s->desc.addr_mask == 0 && len - 1 > UINT64_MAX - iova)
		goto fault;
	vfu_sigbus_mark_thread(s);
	/* One signal is enough, because a client may have truncated a thousand mappings. */
	if (atomic_load_explicit(&s->poisoned, memory_order_relaxed))
		goto truncated;
	while (len != 0) {
		const struct vfu_dma_table *t = current_table(s);
		const struct vfu_conn *conn;
		const struct vfu_map *m;
		uint64_t addr = iova;
		size_t n = len;

		if (n - 1 > mask - iova)
			n = mask - iova + 1;
		if (t->ptes != NULL) {
			if (!walk(t, iova, prot, &addr, &why))
				goto fault;
			if (n > VFU_PAGE_SIZE - addr % VFU_PAGE_SIZE)
				n = VFU_PAGE_SIZE - addr % VFU_PAGE_SIZE;
		}
		m = lookup(s, t, addr);
		why = m == NULL ? VFU_DMA_NOT_MAPPED : VFU_DMA_NOT_PERMITTED;
		if (m == NULL || !(m->prot & prot))
			goto fault;
		if (n - 1 > m->last - addr)
			n = m->last - addr + 1;
		if (how == VFU_DMA_CHECK) {
			; /* copy nothing */
		} else if (m->vaddr != NULL) {
			uint8_t *mem = m->vaddr + (addr - m->iova);

			if (data != NULL)
				memcpy(mem, data, n);
			else
				memcpy(buf, mem, n);
		} else if (how == VFU_DMA_DIRECT) {
			return -EAGAIN;
		} else {
			if (deadline == 0)
				deadline = vfu_now_ms() + s->desc.dma_timeout_ms;
			conn = s->conn; /* once: NULL as soon as the client is forgotten */
			if (conn != NULL && n > conn->max_dma_xfer)
				n = conn->max_dma_xfer;
			why = VFU_DMA_NO_ANSWER;
			if (by_message(s, addr, buf, data, n, deadline) != 0)
				goto fault;
		}
		iova = (iova + n) & mask;
		len -= n;
		if (data != NULL)
			data += n;
		else
			buf += n;
	}
	if (!atomic_load_explicit(&s->poisoned, memory_order_relaxed))
		return 0;
truncated:
	/* The SIGBUS handler has counted this fault. */
	last_fault = (struct vfu_dma_fault){ iova, prot, VFU_DMA_TRUNCATED };
	return -EFAULT;

fault:
	return vfu_dma_count_fault(s, iova, prot, why);
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
	const struct vfu_dma_table *t = current_table(server);

	for (uint32_t l = 0; l < t->nr_leaves; l++) {
		for (uint32_t i = 0; i < t->leaves[l].leaf->nr; i++) {
			const struct vfu_map *m = &t->leaves[l].leaf->maps[i];
			/*
			 * No overflow: a size has 64 bits, so no mapping covers the whole address
			 * space.
			 */
			struct vfu_dma_entry e = {
				.iova = m->iova,
				.size = m->last - m->iova + 1,
				.prot = m->prot,
				.vaddr = m->vaddr,
			};

			fn(arg, &e);
		}
	}
}
