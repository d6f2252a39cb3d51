/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The lives of mbufs.
 *
 *        pool  --- get --->  application  --- map --->  device
 *         ^                   |       ^                   |
 *         +------ put --------+       +------ unmap ------+
 *
 * Only the current owner may follow an arrow away from itself. The arrows on the right are the
 * driver's calls of gantry_dma_map_mbuf(). For the arrows on the left the library gives the pool
 * other operations, which call the original ones, and watch. If an object comes back and is
 * already free, it was freed twice. If the device still owns it, it is freed in flight. The watch
 * detects both as they happen, so the backtrace is the culprit's. Neither object enters the pool,
 * so no other caller gets an mbuf that is still in use, and the program continues.
 *
 * Caches. The caches that a pool has for each lcore would hide most of that, so they are switched
 * off. Each lcore puts back the contents of its own cache at its next call, because only the lcore
 * itself may touch the cache of a running lcore. A free into a cache that the application made is
 * not seen. Instead of the caches each lcore has a quarantine behind the watch, a queue of the same
 * size. A freed object rests in it until half as many objects as a cache holds are freed after it.
 * So a device or an application that still uses it is found, and yet the object is got again before
 * it leaves the CPU's caches. Each queue has a lock, which only its lcore takes, until the pool is
 * empty or the watch ends: then all queues are emptied into the pool, including those of lcores
 * that are gone.
 *
 * Objects. The records of an object are apart from it, in an array: its state, and how often a
 * device has it. Objects that were in use when the watch began are assumed to be used correctly.
 *
 *      watches[] --> struct watch --> pool, its own operations
 *                    | chunks[] ----> struct object (one for each stride of the pool's memory)
 *                    | quarantines[] -> queue of each lcore
 *                    | devices[]
 *
 * References. Several queues may send a packet at once if each has a reference. So an mbuf is "sent
 * while in a ring" if it is sent more often than its reference count allows. A clone has the buffer
 * of another mbuf, which is lent as long as a device has the clone.
 *
 * Parts. One hand-over may consist of several mappings: of header and payload separately, or the
 * entries of a list. So the number of mappings of an mbuf either shows that nothing is wrong, or
 * that the mappings must be examined. Mappings of the same bytes, with those of one list counted
 * once, are the hand-overs.
 *
 * Data. Data that is sent has a checksum, taken at the hand-over and compared when the mbuf comes
 * back. A free buffer into which a device had received also has one, of its first bytes, where a
 * device that still owns the buffer would write. A buffer that is neither the mbuf's own nor
 * another mbuf's belongs to the application, which may unmap it at any time. The watch reads such a
 * buffer with a system call, which returns an error where a load would fault.
 *
 * Fields. A driver reads an mbuf's fields at the hand-over, and again when the mbuf comes back, so
 * they must not change in between. The watch records them at the first hand-over. It counts
 * references: each hand-over needs one, and code without a reference cannot take one. Fields that
 * DPDK allows others to write at any time (dynamic fields, hash, time stamps, flags) are ignored.
 *
 * Threads. An atomic operation changes the state of an object. A mutex protects the table of
 * watches, their start and end, and their devices.
 *
 * Secondary processes do not have the pool's other operations, so an application with secondary
 * processes cannot be watched.
 */

#include <stdio.h>

#include "dma_checksum.h"
#include "dma_debug_object.h"
#include "uninitialized.h"

/*
 * Data.
 */

/* Sum the data of a mapping; return false if the data is no longer there. */
static bool
data_sum(const struct dma_entry *e, uint64_t *sum)
{
	gantry_dma_addr_t addr;

	if (unlikely(e->flags & DMA_FOREIGN))
		return dma_checksum_foreign(e->ptr, e->size, sum);
	/* EAL memory, or memory registered with EAL. */
	if (!gantry_dma_look_up(&dma_device(e->dev)->eal, e->ptr, e->size, GANTRY_DMA_ADDR_MAX,
			    &addr) &&
			rte_mem_virt2memseg_list(e->ptr) == NULL)
		return false;
	*sum = dma_checksum(e->ptr, e->size);
	return true;
}

void
dma_debug_mbuf_sum(struct dma_entry *e)
{
	if (e->dir == GANTRY_DMA_TO_DEVICE && data_sum(e, &e->sum))
		e->flags |= DMA_SUMMED;
}

/*
 * Fields.
 */

/*
 * Record the fields at the first hand-over, and how many references may exist from now on.
 */
static void
note_fields(struct object *o, const struct rte_mbuf *m, uint16_t max_refs)
{
	if (!IN_FLIGHT(__atomic_load_n(&o->state, __ATOMIC_ACQUIRE)))
		o->fields = (struct fields){
			.next = m->next,
			.buf_addr = m->buf_addr,
			.pkt_len = m->pkt_len,
			.data_off = m->data_off,
			.data_len = m->data_len,
			.nb_segs = m->nb_segs,
			.max_refs = max_refs,
		};
	else if (o->fields.max_refs != 0)
		o->fields.max_refs = max_refs;
}

/*
 * Return whether fields changed, and how. A driver may write the length of received data before it
 * unmaps it. min_refs: the number of references that the hand-overs need.
 */
static bool
fields_differ(const struct object *o, const struct dma_entry *e, unsigned int refs,
		unsigned int min_refs, char *how, size_t len)
{
	const bool received = e->dir != GANTRY_DMA_TO_DEVICE;
	const struct fields *f = &o->fields;
	const struct rte_mbuf *m = e->mbuf;
	const bool lengths = !received && (m->data_len != f->data_len || m->pkt_len != f->pkt_len);
	size_t at = 0;

	if (likely(m->next == f->next && m->buf_addr == f->buf_addr && m->data_off == f->data_off &&
			    m->nb_segs == f->nb_segs && !lengths && refs >= min_refs &&
			    refs <= f->max_refs))
		return false;
	/*
	 * A chain that was cut or extended is unmapped with other pieces, and is reported for that.
	 */
	if (e->kind == DMA_KIND_CHAIN && m->next != f->next)
		return false;
#define ADD(...) (at += snprintf(how + at, len - at, __VA_ARGS__))
	if (m->next != f->next)
		ADD(", next from %p to %p", (const void *)f->next, (const void *)m->next);
	if (m->buf_addr != f->buf_addr)
		ADD(", buf_addr from %p to %p", f->buf_addr, m->buf_addr);
	if (m->data_off != f->data_off)
		ADD(", data_off from %u to %u", f->data_off, m->data_off);
	if (lengths && m->data_len != f->data_len)
		ADD(", data_len from %u to %u", f->data_len, m->data_len);
	if (lengths && m->pkt_len != f->pkt_len)
		ADD(", pkt_len from %u to %u", f->pkt_len, m->pkt_len);
	if (m->nb_segs != f->nb_segs)
		ADD(", nb_segs from %u to %u", f->nb_segs, m->nb_segs);
	if (refs < min_refs)
		ADD(", refcnt to %u, where %u %s with a device", refs, min_refs,
				min_refs == 1 ? "reference is" : "references are");
	else if (refs > f->max_refs)
		ADD(", refcnt from %u to %u, and nobody else had a reference", f->max_refs, refs);
#undef ADD
	return at != 0; /* 0: another thread has undone the change */
}

/* Report changed fields. */
static bool
check_fields(struct dma_entry *e, struct object *o, unsigned int refs, unsigned int min_refs,
		const char *when, const void *site)
{
	GANTRY_UNINITIALIZED struct dma_report r;
	GANTRY_UNINITIALIZED char how[320];

	if (likely(o->fields.max_refs == 0 ||
			    !fields_differ(o, e, refs, min_refs, how, sizeof(how))))
		return false;
	e->flags |= DMA_REPORTED;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_CHANGED, e, site);
	REPORT_ONCE(o, r, "its fields changed between its hand-over and %s: %s", when, &how[2]);
	return true;
}

static unsigned int
nr_conflicts(const struct dma_entry *e)
{
	GANTRY_UNINITIALIZED struct conflicts v;

	return dma_debug_count_conflicts(&v, e, false);
}

/* Report an mbuf that comes back while other mappings of it are posted for receive. */
static void __rte_noinline
check_posted(struct dma_entry *e, struct watch *w, struct object *o, const void *site)
{
	GANTRY_UNINITIALIZED struct conflicts v;
	GANTRY_UNINITIALIZED struct dma_report r;

	if (dma_debug_count_conflicts(&v, e, true) == 0)
		return;
	r = dma_debug_report_mbuf(GANTRY_DMA_MISUSE_MBUF_RECEIVED_INTO, w, o, e->mbuf, &v, site);
	REPORT_ONCE(o, r, "the application gets it while it is still posted for receive");
}

/*
 * Check an mbuf that comes back. Its mapping is no longer in the books, and other mappings may end
 * in the meantime.
 */
static void
check_returned(struct dma_entry *e, struct object *o, const void *site)
{
	unsigned int refs = rte_mbuf_refcnt_read(e->mbuf), needed = 1;
	const uint64_t state = __atomic_load_n(&o->state, __ATOMIC_ACQUIRE);

	if ((state & (FREE | REPORTED)) || (e->flags & DMA_REPORTED))
		return;
	if (e->dir != GANTRY_DMA_TO_DEVICE) {
		needed = o->fields.max_refs;
	} else if (unlikely(refs < COUNT(state, TX))) {
		needed = nr_conflicts(e) + 1;
		refs = RTE_MAX(refs, (unsigned int)rte_mbuf_refcnt_read(e->mbuf));
	}
	check_fields(e, o, refs, needed, "its return", site);
}

/*
 * Hand-overs.
 */

/* Check the promises of a queue. */
static void
check_promise(struct dma_entry *e, struct object *o, const void *site)
{
	struct gantry_dma_promise *p = dma_thread.promise;
	struct rte_mbuf *m = e->mbuf;
	const char *but = NULL;
	GANTRY_UNINITIALIZED struct dma_report r;

	if (p->one_segment && m->next != NULL) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_CHAIN, e, site);
		e->flags |= DMA_REPORTED;
		REPORT_ONCE(o, r,
				"a chain is sent on a queue without RTE_ETH_TX_OFFLOAD_MULTI_SEGS");
		return;
	}
	if (!p->fast_free)
		return;
	if (p->pool == NULL)
		p->pool = m->pool;
	if (rte_mbuf_refcnt_read(m) != 1)
		but = "has more references than one";
	else if (m->pool != p->pool)
		but = "is of another pool than those before";
	else if (RTE_MBUF_CLONED(m))
		but = "is indirect: its buffer is another mbuf's";
	else if (RTE_MBUF_HAS_EXTBUF(m) && !RTE_MBUF_HAS_PINNED_EXTBUF(m))
		but = "has an external buffer";
	if (likely(but == NULL))
		return;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_FAST_FREE, e, site);
	e->flags |= DMA_REPORTED;
	REPORT_ONCE(o, r, "sent on a queue with RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, and %s", but);
}

static void
sent(struct dma_entry *e, struct watch *w, struct object *o, const void *site)
{
	struct rte_mbuf *m = e->mbuf;
	const unsigned int refs = rte_mbuf_refcnt_read(m);
	unsigned int others = 0;
	GANTRY_UNINITIALIZED struct conflicts v;
	GANTRY_UNINITIALIZED struct dma_report r;
	uint64_t state = __atomic_load_n(&o->state, __ATOMIC_ACQUIRE);

	if (unlikely(COUNT(state, TX) + 1 >= refs && COUNT(state, TX) != 0))
		others = dma_debug_count_conflicts(&v, e, false);
	if (likely(!(state & FREE)))
		note_fields(o, m, refs > others + 1 ? UINT16_MAX : refs);
	state = __atomic_fetch_add(&o->state, TX, __ATOMIC_ACQ_REL);
	if (unlikely(state & FREE)) {
		e->flags |= DMA_REPORTED | DMA_UNOWNED;
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_FREED, e, site);
		r.map_site = o->site;
		r.map_verb = "freed";
		REPORT_ONCE(o, r, "sent when it was free already");
	} else if (unlikely(COUNT(state, RX) != 0) && dma_debug_count_conflicts(&v, e, true) != 0) {
		e->flags |= DMA_REPORTED;
		r = dma_debug_report_mbuf(GANTRY_DMA_MISUSE_MBUF_IN_RING, w, o, m, &v, site);
		REPORT_ONCE(o, r, "sent while it is posted for receive");
	} else if (unlikely(COUNT(state, TX) >= refs) &&
			dma_debug_count_conflicts(&v, e, false) >= refs) {
		e->flags |= DMA_REPORTED;
		r = dma_debug_report_mbuf(GANTRY_DMA_MISUSE_MBUF_IN_RING, w, o, m, &v, site);
		REPORT_ONCE(o, r,
				"sent again, with %u references, while it is in a send ring %u "
				"times",
				refs, v.nr);
	} else if (COUNT(state, TX) != 0 && check_fields(e, o, refs, 0, "the next one", site)) {
		/* Already reported. */
	} else if (dma_thread.promise != NULL) {
		check_promise(e, o, site);
	}
	dma_debug_mbuf_sum(e);
}

static void
posted(struct dma_entry *e, struct object *o, const void *site)
{
	uint64_t state = __atomic_load_n(&o->state, __ATOMIC_ACQUIRE);
	GANTRY_UNINITIALIZED struct dma_report r;

	if (likely(!(state & FREE)))
		note_fields(o, e->mbuf, rte_mbuf_refcnt_read(e->mbuf));
	state = __atomic_fetch_add(&o->state, RX, __ATOMIC_ACQ_REL);
	o->dev = e->dev;
	o->context = e->context;
	if (likely(!(state & FREE)))
		return;
	e->flags |= DMA_REPORTED | DMA_UNOWNED;
	r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_FREED, e, site);
	r.map_site = o->site;
	r.map_verb = "freed";
	REPORT_ONCE(o, r, "posted for receive when it was free already");
}

/* An mbuf's own buffer follows it, behind its private data. A clone has another mbuf's buffer. */
static inline bool
is_foreign(const struct rte_mbuf *m)
{
	return RTE_MBUF_HAS_EXTBUF(m) ||
			(!RTE_MBUF_CLONED(m) &&
					(uintptr_t)m->buf_addr - (uintptr_t)m >
							sizeof(*m) + UINT16_MAX);
}

/* Return the object of an mbuf; NULL: it is unknown. */
static struct object *
lookup(struct gantry_dma_dev *dev, const struct rte_mbuf *m, struct watch **w)
{
	if (m->pool == NULL)
		return NULL;
	*w = watch_of(m->pool);
	if (unlikely(*w == NULL || !(*w)->active))
		*w = dma_debug_watch_pool(dev, m->pool);
	return *w != NULL ? object_of(*w, m) : NULL;
}

void
dma_debug_mbuf_mapped(struct dma_entry *e, const void *site)
{
	struct watch *w;
	struct object *o;

	if (RTE_MBUF_CLONED(e->mbuf)) {
		o = lookup(e->dev, rte_mbuf_from_indirect(e->mbuf), &w);
		if (o != NULL) {
			e->lender = rte_mbuf_from_indirect(e->mbuf);
			__atomic_fetch_add(&o->state, LENT, __ATOMIC_ACQ_REL);
		}
	}
	if (unlikely(is_foreign(e->mbuf)))
		e->flags |= DMA_FOREIGN;
	o = lookup(e->dev, e->mbuf, &w);
	if (o == NULL) {
		struct object unknown = { 0 };

		if (e->dir == GANTRY_DMA_TO_DEVICE && dma_thread.promise != NULL)
			check_promise(e, &unknown, site);
		dma_debug_mbuf_sum(e);
		return;
	}
	e->flags |= DMA_COUNTED;
	if (e->dir == GANTRY_DMA_TO_DEVICE)
		sent(e, w, o, site);
	else
		posted(e, o, site);
}

bool
dma_debug_mbuf_twice(const struct dma_entry *a, const struct dma_entry *b)
{
	return a->mbuf != NULL && a->mbuf == b->mbuf && a->dir != GANTRY_DMA_TO_DEVICE &&
			b->dir != GANTRY_DMA_TO_DEVICE;
}

/*
 * Returns.
 */

static void
check_data(struct dma_entry *e, const void *site)
{
	GANTRY_UNINITIALIZED struct dma_report r;
	uint64_t sum;

	if (!(e->flags & DMA_SUMMED) || (e->flags & (DMA_REPORTED | DMA_GONE)))
		return;
	if (unlikely(!data_sum(e, &sum))) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_FREED_MAPPED, e, site);
		dma_debug_report(&r,
				"its data was unmapped from the process between its hand-over "
				"for sending and its return");
	} else if (unlikely(sum != e->sum)) {
		r = dma_debug_report_of(GANTRY_DMA_MISUSE_MBUF_WRITTEN, e, site);
		dma_debug_report(&r,
				"its data changed between its hand-over for sending and its "
				"return");
	}
}

void
dma_debug_mbuf_unmapped(struct dma_entry *e, bool quiet, const void *site)
{
	struct object *o = NULL, *lender;
	struct watch *w = NULL, *lent_by;
	uint64_t state;

	if ((e->flags & (DMA_GONE | DMA_FOREIGN)) == DMA_GONE)
		return; /* the mbuf is gone as well: neither may be accessed */
	if (e->flags & DMA_COUNTED) {
		w = watch_of(e->mbuf->pool);
		o = w != NULL ? object_of(w, e->mbuf) : NULL;
		if (o != NULL && !quiet)
			check_returned(e, o, site);
	}
	if (!quiet)
		check_data(e, site);
	if (e->lender != NULL) {
		lent_by = watch_of(e->lender->pool);
		lender = lent_by != NULL ? object_of(lent_by, e->lender) : NULL;
		if (lender != NULL)
			__atomic_fetch_sub(&lender->state, LENT, __ATOMIC_ACQ_REL);
	}
	if (o == NULL)
		return;
	if (!quiet && (e->flags & DMA_UNOWNED))
		dma_thread.unowned = e->mbuf;
	if (e->dir == GANTRY_DMA_TO_DEVICE) {
		__atomic_fetch_sub(&o->state, TX, __ATOMIC_ACQ_REL);
		return;
	}
	__atomic_fetch_or(&o->state, WAS_RX, __ATOMIC_RELAXED);
	state = __atomic_fetch_sub(&o->state, RX, __ATOMIC_ACQ_REL);
	if (unlikely(COUNT(state, RX) > 1) && !quiet && !(e->flags & DMA_REPORTED))
		check_posted(e, w, o, site);
}
