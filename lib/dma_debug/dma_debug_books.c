/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The books of the debug layer: current mappings, and former ones.
 *
 * Two indexes cover the same entries: one by device and bus address, for calls that unmap or sync,
 * and one by CPU address, for calls that map or free the same memory. An index divides the address
 * space into granules, and hashes a granule to a bucket with a lock of its own. An entry of up to a
 * granule touches two granules at most, and is in the buckets of both, so every entry that covers
 * an address is in the bucket of that address. Larger entries have larger granules, level by level,
 * and a search visits each level that was ever used.
 *
 * No cache line is written by every thread. Only threads that work on neighbouring memory share a
 * bucket. A thread takes entries from a store of its own. Nothing is counted; a reader who wants a
 * count walks the books. A thread may lose its core while it holds the lock of a bucket, so a
 * waiting thread yields.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include <rte_pause.h>

#include "dma_debug_books.h"

#define BUCKET_BITS 16
#define BUCKETS     (1u << BUCKET_BITS)
#define FORMER_BITS 14
#define SLAB        512 /* entries */

/* log2 of the granules' sizes. */
static const unsigned int shifts[] = { 13, 17, 21, 63 };

struct bucket {
	uint32_t locked;
	struct dma_link *first;
};

/* Indexes: by bus address, by CPU address. */
enum { BUS, CPU };

/* Allocated for the first device, and kept: other threads may always look into it. */
struct books {
	struct {
		struct bucket buckets[BUCKETS];
		uint32_t levels; /* levels that were ever used */
	} __rte_cache_aligned by[2];
	/*
	 * Former mappings, by device and bus address. If several share a place, the latest one
	 * stays.
	 */
	struct dma_former former[1u << FORMER_BITS];
};

static struct books *books;

__thread struct dma_thread dma_thread;

static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dma_link *store;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t end_key;

int
dma_books_open(void)
{
	if (books == NULL) {
		books = aligned_alloc(alignof(struct books), sizeof(*books));
		if (books != NULL)
			memset(books, 0, sizeof(*books));
	}
	return books != NULL ? 0 : -ENOMEM;
}

/*
 * Locks and buckets.
 */

static inline void
lock(struct bucket *b)
{
	unsigned int spins = 0;

	while (unlikely(__atomic_exchange_n(&b->locked, 1, __ATOMIC_ACQUIRE) != 0)) {
		while (__atomic_load_n(&b->locked, __ATOMIC_RELAXED) != 0) {
			if (++spins % 64 == 0)
				sched_yield();
			else
				rte_pause();
		}
	}
}

static inline void
unlock(struct bucket *b)
{
	__atomic_store_n(&b->locked, 0, __ATOMIC_RELEASE);
}

static inline struct dma_entry *
entry_of(struct dma_link *l)
{
	return (struct dma_entry *)((uintptr_t)l & ~(uintptr_t)(sizeof(struct dma_entry) - 1));
}

static inline uint64_t
hash(uint64_t x)
{
	return x * UINT64_C(0x9E3779B97F4A7C15);
}

static inline struct bucket *
bucket_of(unsigned int which, unsigned int level, uint64_t granule, const void *dev)
{
	const uint64_t salt = which == BUS ? (uintptr_t)dev >> 6 : 0;

	return &books->by[which].buckets[hash(hash(salt + level) + granule) >> (64 - BUCKET_BITS)];
}

static inline unsigned int
level_of(size_t size)
{
	unsigned int level = 0;

	while (level < RTE_DIM(shifts) - 1 && size > (size_t)1 << shifts[level])
		level++;
	return level;
}

/*
 * Entries.
 */

/* Give back the spare entries of a thread except `rest` of them. */
static void
give_back(struct dma_thread *t, unsigned int rest)
{
	pthread_mutex_lock(&store_lock);
	while (t->nr_spare > rest) {
		struct dma_link *l = &t->spare[--t->nr_spare]->bus[0];

		l->next = store;
		store = l;
	}
	pthread_mutex_unlock(&store_lock);
}

static void
thread_end(void *arg)
{
	struct dma_thread *t = arg;

	give_back(t, 0);
	t->registered = false;
}

static void
make_key(void)
{
	if (pthread_key_create(&end_key, thread_end) != 0)
		abort(); /* only if all 1024 keys are in use, which no process does */
}

/* Get notified when this thread ends. */
static void
register_thread(struct dma_thread *t)
{
	pthread_once(&once, make_key);
	pthread_setspecific(end_key, t);
	t->registered = true;
}

/* Fill a thread's store to half. */
static bool
restock(struct dma_thread *t)
{
	struct dma_entry *slab;
	unsigned int i;

	if (!t->registered)
		register_thread(t);
	pthread_mutex_lock(&store_lock);
	if (store == NULL &&
			posix_memalign((void **)&slab, sizeof(*slab), SLAB * sizeof(*slab)) == 0) {
		for (i = 0; i < SLAB; i++) {
			slab[i].bus[0].next = store;
			store = &slab[i].bus[0];
		}
	}
	while (store != NULL && t->nr_spare < RTE_DIM(t->spare) / 2) {
		t->spare[t->nr_spare++] = entry_of(store);
		store = store->next;
	}
	pthread_mutex_unlock(&store_lock);
	return t->nr_spare > 0;
}

struct dma_entry *
dma_books_new(void)
{
	struct dma_thread *t = &dma_thread;

	if (unlikely(t->nr_spare == 0) && !restock(t))
		return NULL;
	return t->spare[--t->nr_spare];
}

void
dma_books_free(struct dma_entry *e)
{
	struct dma_thread *t = &dma_thread;

	if (unlikely(!t->registered))
		register_thread(t);
	if (unlikely(t->nr_spare == RTE_DIM(t->spare)))
		give_back(t, RTE_DIM(t->spare) / 2);
	t->spare[t->nr_spare++] = e;
}

/*
 * Indexes.
 */

/* Enter an entry, and call fn for each entry that it meets on its own level. */
static inline void
enter(unsigned int which, struct dma_entry *e, struct dma_link *links, uint64_t at,
		void (*fn)(struct dma_entry *e, void *arg), void *arg)
{
	const unsigned int level = level_of(e->size), shift = shifts[level];
	const uint64_t last = (at + (e->size - 1)) >> shift;
	uint64_t granule;
	struct dma_link *l;

	if (unlikely(!(__atomic_load_n(&books->by[which].levels, __ATOMIC_RELAXED) & 1u << level)))
		__atomic_fetch_or(&books->by[which].levels, 1u << level, __ATOMIC_SEQ_CST);
	for (granule = at >> shift; granule <= last; granule++, links++) {
		struct bucket *b = bucket_of(which, level, granule, e->dev);

		lock(b);
		for (l = b->first; fn != NULL && l != NULL; l = l->next) {
			if (entry_of(l) != e)
				fn(entry_of(l), arg);
		}
		links->next = b->first;
		b->first = links;
		unlock(b);
	}
}

/* Remove a link; return false if it is not in this bucket. The bucket is locked. */
static inline bool
unlink(struct bucket *b, const struct dma_link *link)
{
	struct dma_link **at = &b->first;

	while (*at != NULL && *at != link)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	*at = link->next;
	return true;
}

/* Remove an entry's links, except the first few, which are already out. */
static inline void
leave(unsigned int which, struct dma_entry *e, struct dma_link *links, uint64_t at,
		unsigned int out)
{
	const unsigned int level = level_of(e->size), shift = shifts[level];
	const uint64_t last = (at + (e->size - 1)) >> shift;
	uint64_t granule;

	for (granule = (at >> shift) + out; granule <= last; granule++) {
		struct bucket *b = bucket_of(which, level, granule, e->dev);

		lock(b);
		unlink(b, &links[granule - (at >> shift)]);
		unlock(b);
	}
}

static bool
in_bucket(struct bucket *b, bool (*fn)(struct dma_entry *e, void *arg), void *arg)
{
	struct dma_link *l;
	bool end = false;

	lock(b);
	for (l = b->first; l != NULL && !end; l = l->next)
		end = fn(entry_of(l), arg);
	unlock(b);
	return end;
}

/* The buckets of [at, last] in an index, on some levels. */
struct place {
	unsigned int which;
	uint32_t levels;
	const void *dev;
	uint64_t at, last;
};

/* Call fn for the entries there. */
static bool
look(struct place p, bool (*fn)(struct dma_entry *e, void *arg), void *arg)
{
	unsigned int level, i;
	uint64_t granule;

	for (level = 0; level < RTE_DIM(shifts); level++) {
		const unsigned int shift = shifts[level];

		if (!(p.levels & 1u << level))
			continue;
		if ((p.last >> shift) - (p.at >> shift) >= BUCKETS) {
			for (i = 0; i < BUCKETS; i++)
				if (in_bucket(&books->by[p.which].buckets[i], fn, arg))
					return true;
			continue;
		}
		for (granule = p.at >> shift; granule <= p.last >> shift; granule++)
			if (in_bucket(bucket_of(p.which, level, granule, p.dev), fn, arg))
				return true;
	}
	return false;
}

static inline uint32_t
levels_of(unsigned int which)
{
	return __atomic_load_n(&books->by[which].levels, __ATOMIC_SEQ_CST);
}

/*
 * Operations of the layer on both indexes.
 */

struct meeting {
	const struct dma_entry *e;
	void (*fn)(struct dma_entry *other, void *arg);
	void *arg;
};

static bool
meet(struct dma_entry *other, void *arg)
{
	struct meeting *m = arg;

	if (other != m->e)
		m->fn(other, m->arg);
	return false;
}

void
dma_books_add(struct dma_entry *e, void (*fn)(struct dma_entry *other, void *arg), void *arg)
{
	const uintptr_t at = (uintptr_t)e->ptr;

	if (dma_kind_streams(e->kind)) {
		struct meeting m = { e, fn, arg };
		uint32_t others;

		enter(CPU, e, e->cpu, at, fn, arg);
		/*
		 * Look after the entry is in: if two threads map concurrently, at least one sees
		 * the other's entry.
		 */
		others = levels_of(CPU) & ~(1u << level_of(e->size));
		if (unlikely(others != 0))
			look((struct place){ CPU, others, NULL, at, at + (e->size - 1) }, meet, &m);
	}
	enter(BUS, e, e->bus, e->addr, NULL, NULL);
}

/* Return how well an entry matches the description; 0: not at all. */
static inline unsigned int
score(const struct dma_entry *e, const struct dma_want *w)
{
	if (e->addr != w->addr || e->dev != w->dev)
		return 0;
	return 1 + (e->kind == w->kind) * 32 + (e->size == w->size) * 16 + (e->dir == w->dir) * 8 +
			(e->mbuf == w->mbuf) * 4 + (e->owner == w->owner || w->owner == NULL) * 2 +
			(e->ptr == w->ptr || w->ptr == NULL);
}

#define PERFECT 64

static bool
may_take(const struct dma_entry *e, const struct dma_want *w)
{
	if (dma_kind_streams(w->kind))
		return dma_kind_streams(e->kind);
	return e->kind == w->kind && (w->kind != DMA_KIND_POOL || e->owner == w->owner);
}

struct dma_entry *
dma_books_take(const struct dma_want *w, struct dma_entry *other)
{
	const uint32_t levels = levels_of(BUS);
	unsigned int level, best = 0, best_level = 0, s;
	struct dma_entry *e = NULL;
	struct bucket *b;
	struct dma_link *l;

	other->addr = GANTRY_DMA_MAPPING_ERROR;
	for (level = 0; level < RTE_DIM(shifts); level++) {
		if (!(levels & 1u << level))
			continue;
		b = bucket_of(BUS, level, w->addr >> shifts[level], w->dev);
		lock(b);
		for (l = b->first; l != NULL; l = l->next) {
			e = entry_of(l);
			s = score(e, w);
			if (s > best && l == &e->bus[0] && level_of(e->size) == level) {
				best = s;
				best_level = level;
				if (s == PERFECT && may_take(e, w)) {
					unlink(b, l);
					unlock(b);
					goto out;
				}
			}
		}
		unlock(b);
	}
	if (best == 0)
		return NULL;
	/* Not an exact match. Another thread may have taken it out in the meantime. */
	b = bucket_of(BUS, best_level, w->addr >> shifts[best_level], w->dev);
	lock(b);
	for (l = b->first; l != NULL; l = l->next) {
		e = entry_of(l);
		if (l == &e->bus[0] && score(e, w) == best)
			break;
	}
	if (l != NULL && may_take(e, w))
		unlink(b, l);
	else if (l != NULL)
		*other = *e;
	unlock(b);
	if (l == NULL || other->addr != GANTRY_DMA_MAPPING_ERROR)
		return NULL;
out:
	leave(BUS, e, e->bus, e->addr, 1);
	if (dma_kind_streams(e->kind))
		leave(CPU, e, e->cpu, (uintptr_t)e->ptr, 0);
	return e;
}

bool
dma_books_at_bus(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		bool (*fn)(struct dma_entry *e, void *arg), void *arg)
{
	return look((struct place){ BUS, levels_of(BUS), dev, addr, addr }, fn, arg);
}

void
dma_debug_for_each_at(const void *ptr, size_t size, bool (*fn)(struct dma_entry *e, void *arg),
		void *arg)
{
	const uintptr_t at = (uintptr_t)ptr;

	look((struct place){ CPU, levels_of(CPU), NULL, at, at + (size - 1) }, fn, arg);
}

void
dma_debug_for_each(bool (*fn)(struct dma_entry *e, void *arg), void *arg)
{
	struct dma_link *l;
	bool end = false;
	unsigned int i;

	for (i = 0; books != NULL && i < BUCKETS && !end; i++) {
		struct bucket *b = &books->by[BUS].buckets[i];

		if (__atomic_load_n(&b->first, __ATOMIC_RELAXED) == NULL)
			continue;
		lock(b);
		for (l = b->first; l != NULL && !end; l = l->next)
			if (l == &entry_of(l)->bus[0])
				end = fn(entry_of(l), arg);
		unlock(b);
	}
}

struct dma_entry *
dma_books_take_any(struct gantry_dma_dev *dev, const void *owner)
{
	struct dma_entry *e = NULL;
	struct dma_link *l = NULL;
	unsigned int i;

	for (i = 0; i < BUCKETS && l == NULL; i++) {
		struct bucket *b = &books->by[BUS].buckets[i];

		if (__atomic_load_n(&b->first, __ATOMIC_RELAXED) == NULL)
			continue;
		lock(b);
		for (l = b->first; l != NULL; l = l->next) {
			e = entry_of(l);
			if (l == &e->bus[0] && e->dev == dev &&
					(owner == NULL ||
							(e->kind == DMA_KIND_POOL &&
									e->owner == owner)))
				break;
		}
		if (l != NULL)
			unlink(b, l);
		unlock(b);
	}
	if (l == NULL)
		return NULL;
	leave(BUS, e, e->bus, e->addr, 1);
	if (dma_kind_streams(e->kind))
		leave(CPU, e, e->cpu, (uintptr_t)e->ptr, 0);
	return e;
}

/*
 * Former mappings. Threads write them without a lock: if two write the same place concurrently, the
 * result may be a mixture. Then the sites may be wrong, and nothing else is.
 */

static inline struct dma_former *
former_of(const struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	return &books->former[hash(hash((uintptr_t)dev >> 6) + addr) >> (64 - FORMER_BITS)];
}

void
dma_books_add_former(const struct dma_entry *e, const void *site)
{
	struct dma_former *f = former_of(e->dev, e->addr);

	__atomic_store_n(&f->dev, e->dev, __ATOMIC_RELAXED);
	__atomic_store_n(&f->addr, e->addr, __ATOMIC_RELAXED);
	__atomic_store_n(&f->ptr, e->ptr, __ATOMIC_RELAXED);
	__atomic_store_n(&f->size, e->size, __ATOMIC_RELAXED);
	__atomic_store_n(&f->map_site, e->site, __ATOMIC_RELAXED);
	__atomic_store_n(&f->unmap_site, site, __ATOMIC_RELAXED);
	__atomic_store_n(&f->flags, (uint64_t)e->flags << 16 | (uint64_t)e->dir << 8 | e->kind,
			__ATOMIC_RELAXED);
}

bool
dma_books_find_former(const struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		struct dma_former *out)
{
	const struct dma_former *f = former_of(dev, addr);

	*out = *f;
	return out->dev == dev && out->addr == addr;
}

void
dma_books_forget(const struct gantry_dma_dev *dev)
{
	unsigned int i;

	for (i = 0; i < RTE_DIM(books->former); i++)
		if (books->former[i].dev == dev)
			books->former[i].dev = NULL;
}

struct live {
	const struct gantry_dma_dev *dev; /* NULL: all devices */
	uint64_t nr;
};

static bool
count_live(struct dma_entry *e, void *arg)
{
	struct live *l = arg;

	l->nr += l->dev == NULL || e->dev == l->dev;
	return false;
}

uint64_t
gantry_dma_debug_live(struct gantry_dma_dev *dev)
{
	struct live l = { .dev = dev };

	dma_debug_for_each(count_live, &l);
	return l.nr;
}
