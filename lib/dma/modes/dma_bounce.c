/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Bounce mode: the device works on buffers that the library owns.
 *
 *       your buffer  X  <--- copied ---> slot <---- Z ----  device
 *
 * A mapping takes a slot of the smallest size class that is large enough and has a free one. The
 * library copies data in when the device gets ownership (map, sync for the device), and out when it
 * loses ownership (unmap, sync for the CPU), as the direction requires. It also copies in a buffer
 * that the device is to write, as the kernel's swiotlb does, because a device that writes only a
 * part must not destroy the rest.
 *
 * Slots are in chunks, and all slots of a chunk have one size. So a search for the chunk and a
 * shift lead from a bus address to its slot. The records of a slot are kept apart from it: the
 * device is not trusted, and can write the whole chunk. Mempools hold the free slots, with caches
 * per lcore, so the path takes no lock. A cache holds back at most a fortieth of its mempool.
 *
 * The number of slots grows with demand. A caller that finds no free slot of its size class adds a
 * mempool of that class, with chunks, as large as the whole class so far; a caller that finds one
 * is not affected. When the array of chunks is replaced by a longer one, the old array is kept
 * until the end, because another thread may still search it. The limit is half of the addresses, or
 * GROW_MAX if that is less; beyond it, larger slots serve. If the driver specifies the number of
 * slots, that number is fixed.
 *
 * Reach of the device. If the bus can take EAL memory away from the device, the library makes it do
 * so. Chunks and coherent blocks are then library memory, each in a file of its own if the bus
 * passes files to the device. The device gets nothing else, however it behaves. If the bus
 * cannot (nothing translates, or the bus has mapped everything permanently), chunks and blocks are
 * EAL memory inside the mask. The mode then gives reach, but no isolation.
 *
 * The library allocates the chunks when the driver sets the mask, or at the first mapping without
 * one.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/memfd.h>
#include <numa.h>
#include <numaif.h>

#include <rte_eal_memconfig.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "dma_bounce.h"

/* A piece of this size, so aligned, is within one hugepage even if hugepages are scattered. */
#define CHUNK ((size_t)512 << 10)
/* Library memory has fewer and larger pieces, because each is one mapping of the bus. */
#define CHUNK_OWN ((size_t)4 << 20)
/* Bus addresses for library memory are low, as in dma_demand.c. */
#define OWN_LAST GANTRY_DMA_BIT_MASK(30)

/* Limit for the bytes in slots. With 2,048-byte slots: twice 16 queues of 4,096 each way. */
#define GROW_MAX ((size_t)512 << 20)

static const struct {
	unsigned int shift;
	uint32_t slots; /* initial number, unless the driver specifies one */
} classes[BOUNCE_CLASSES] = { { 8, 4096 }, { 11, 8192 }, { 14, 128 }, { 16, 32 } };

/*
 * Creation and destruction.
 */

/* The chunks of a mempool; each object of the mempool describes one slot, in order. */
struct making {
	struct chunk **chunk;
	unsigned int nr;
	unsigned int at; /* the chunk in progress */
	size_t next;     /* its next slot */
};

static void
init_slot(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct making *m = arg;
	struct chunk *c = m->chunk[m->at];
	struct slot *slot = obj;
	size_t offset = m->next << c->shift;

	memset(slot, 0, sizeof(*slot));
	slot->home = mp;
	slot->cpu = c->cpu + offset;
	slot->bus = c->bus + offset;
	c->slots[m->next++] = slot;
	if (m->next << c->shift == c->size) {
		m->at++;
		m->next = 0;
	}
}

static int
make_chunk(struct gantry_dma_dev *dev, unsigned int shift, size_t size, uint64_t mask,
		struct chunk **made)
{
	const size_t align = rte_align64pow2(RTE_MAX(size, DMA_PAGE));
	const int socket_id = dma_device(dev)->params.socket_id;
	struct chunk *c = calloc(1, sizeof(*c) + (size >> shift) * sizeof(c->slots[0]));
	int ret;

	if (c == NULL) {
		dma_fail("%s: out of memory", dma_device(dev)->name);
		return -ENOMEM;
	}
	c->shift = shift;
	c->size = size;
	if (bounce_of(dev)->iova != NULL)
		ret = dma_bounce_own_alloc(dev, &c->block, size, (size_t)64 << 10, socket_id, mask);
	else
		ret = dma_block_direct(dev, &c->block, size, align, socket_id, mask);
	if (ret != 0) {
		free(c);
		return ret;
	}
	c->cpu = c->block.pub.cpu;
	c->bus = c->block.pub.bus;
	*made = c;
	return 0;
}

static void
drop_chunk(struct gantry_dma_dev *dev, struct chunk *c)
{
	if (bounce_of(dev)->iova != NULL)
		dma_bounce_own_free(dev, &c->block);
	else
		rte_memzone_free(c->block.mz);
	free(c);
}

static int
by_bus(const void *a, const void *b)
{
	const struct chunk *x = *(struct chunk *const *)a, *y = *(struct chunk *const *)b;

	return x->bus < y->bus ? -1 : x->bus > y->bus;
}

/* Publish the new chunks, so that look-ups also find them. */
static bool
publish_chunks(struct dma_bounce *b, const struct making *m)
{
	struct chunks *old = b->chunks, *all;
	const unsigned int nr = old != NULL ? old->nr : 0;

	all = malloc(sizeof(*all) + (nr + m->nr) * sizeof(all->at[0]));
	if (all == NULL)
		return false;
	all->before = old;
	all->nr = nr + m->nr;
	if (nr > 0)
		memcpy(all->at, old->at, nr * sizeof(all->at[0]));
	memcpy(all->at + nr, m->chunk, m->nr * sizeof(all->at[0]));
	qsort(all->at, all->nr, sizeof(all->at[0]), by_bus);
	__atomic_store_n(&b->chunks, all, __ATOMIC_RELEASE);
	return true;
}

/* Return NULL with rte_errno. */
static struct rte_mempool *
make_pool_on(int socket_id, uint32_t count)
{
	static unsigned int number;
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;
	int ret;

	snprintf(name, sizeof(name), "dma_%x_%x", (unsigned int)getpid(),
			__atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	pool = rte_mempool_create_empty(name, count, sizeof(struct slot), RTE_MIN(count / 64, 64u),
			0, socket_id, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (pool == NULL)
		return NULL;
	/*
	 * Threads that are not lcores have no cache. In the usual ring each would wait for the one
	 * before it, which may have lost its CPU; in this ring no thread waits.
	 */
	ret = rte_mempool_set_ops_byname(pool, "ring_mt_rts", NULL);
	if (ret == 0)
		ret = rte_mempool_populate_default(pool);
	if (ret >= 0)
		return pool;
	rte_mempool_free(pool);
	rte_errno = -ret;
	return NULL;
}

static int
make_pool(struct gantry_dma_dev *dev, uint32_t count, struct making *m, struct rte_mempool **pool)
{
	const int near = dma_device(dev)->params.socket_id;
	int ret;

	*pool = make_pool_on(near, count);
	/* The device's node may have no memory, or no EAL memory. */
	if (*pool == NULL && near != SOCKET_ID_ANY)
		*pool = make_pool_on(SOCKET_ID_ANY, count);
	ret = *pool == NULL ? -rte_errno : 0;
	if (ret == 0) {
		rte_mempool_obj_iter(*pool, init_slot, m);
		ret = publish_chunks(bounce_of(dev), m) ? 0 : -ENOMEM;
	}
	if (ret != 0) {
		dma_fail("%s: no memory for %u bounce buffers: %s", dma_device(dev)->name, count,
				strerror(-ret));
		rte_mempool_free(*pool);
	}
	return ret;
}

/* Add this many slots to a class. */
static int
add_slots(struct gantry_dma_dev *dev, unsigned int k, uint32_t count, uint64_t mask)
{
	struct dma_bounce *b = bounce_of(dev);
	struct size_class *class = &b->classes[k];
	const size_t all = (size_t)count << classes[k].shift;
	const size_t most = b->iova != NULL ? CHUNK_OWN : CHUNK;
	struct making m = { .chunk = calloc((all + most - 1) / most, sizeof(*m.chunk)) };
	struct rte_mempool *pool;
	size_t left, size;
	int ret = 0;

	if (m.chunk == NULL) {
		dma_fail("%s: out of memory", dma_device(dev)->name);
		return -ENOMEM;
	}
	for (left = all; left > 0 && ret == 0; left -= size) {
		size = RTE_MIN(left, most);
		ret = make_chunk(dev, classes[k].shift, size, mask, &m.chunk[m.nr]);
		m.nr += ret == 0;
	}
	if (ret == 0)
		ret = make_pool(dev, count, &m, &pool);
	if (ret != 0) {
		while (m.nr > 0)
			drop_chunk(dev, m.chunk[--m.nr]);
	} else {
		class->count += count;
		b->bytes += all;
		class->pools[class->nr_pools] = pool;
		__atomic_store_n(&class->nr_pools, class->nr_pools + 1, __ATOMIC_RELEASE);
	}
	free(m.chunk);
	return ret;
}

/* Grow a class that was found empty. Return whether a retry can succeed. */
static bool
grow(struct gantry_dma_dev *dev, unsigned int k, unsigned int nr_pools)
{
	struct dma_device *d = dma_device(dev);
	struct dma_bounce *b = bounce_of(dev);
	struct size_class *class = &b->classes[k];
	bool grown = true;
	uint32_t more;

	if (__atomic_load_n(&class->full, __ATOMIC_ACQUIRE))
		return false;
	pthread_mutex_lock(&b->lock);
	/* Otherwise another thread was faster. */
	if (class->nr_pools == nr_pools && !class->full) {
		/* A narrower mask may have set a limit below the current size. */
		more = b->bytes < b->limit ?
				RTE_MIN(class->count, (b->limit - b->bytes) >> classes[k].shift) :
				0;
		if (more == 0 || nr_pools == BOUNCE_POOLS_MAX)
			dma_fail("%s: they have %zu MiB, the limit with %u address bits: use fewer "
				 "or shorter rings, or another mode",
					d->name, b->bytes >> 20, dma_bits(d->mask));
		grown = more != 0 && nr_pools < BOUNCE_POOLS_MAX &&
				add_slots(dev, k, more, d->mask) == 0;
		if (grown) {
			DMA_LOG(INFO, d->name,
					"bounce buffers of %u bytes: %u now; of all sizes: %zu MiB",
					1u << classes[k].shift, class->count, b->bytes >> 20);
		} else {
			/* Log once, because the next larger classes fail for the same reason. */
			if (b->why[0] == '\0') {
				dma_reason(dev, b->why, sizeof(b->why));
				DMA_LOG(WARNING, d->name,
						"bounce buffers of %u bytes: no more than %u: %s",
						1u << classes[k].shift, class->count, b->why);
			}
			__atomic_store_n(&class->full, true, __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&b->lock);
	return grown;
}

static void
drop(struct gantry_dma_dev *dev)
{
	struct dma_bounce *b = bounce_of(dev);
	struct chunks *chunks = b->chunks, *before;
	unsigned int i, k;

	for (i = 0; chunks != NULL && i < chunks->nr; i++)
		drop_chunk(dev, chunks->at[i]);
	for (; chunks != NULL; chunks = before) {
		before = chunks->before;
		free(chunks);
	}
	for (k = 0; k < BOUNCE_CLASSES; k++) {
		for (i = 0; i < b->classes[k].nr_pools; i++)
			rte_mempool_free(b->classes[k].pools[i]);
	}
	dma_iova_destroy(b->iova);
	pthread_mutex_destroy(&b->lock);
	free(b);
	dma_mode_state(dev)->bounce = NULL;
}

static const struct chunks *
chunks_of(const struct dma_bounce *b)
{
	return __atomic_load_n(&b->chunks, __ATOMIC_ACQUIRE);
}

/* Limit slots to half of the addresses: coherent blocks take theirs from the rest. */
static void
set_limit(struct dma_bounce *b, uint64_t mask)
{
	uint64_t half = (mask >> 1) + 1;

	if (b->iova != NULL)
		half = RTE_MIN(half, (uint64_t)b->iova->nr << DMA_PAGE_BITS >> 1);
	b->limit = RTE_MIN(half, GROW_MAX);
}

/* Return whether the driver specified the number of slots. */
static bool
has_slot_request(const struct dma_device *d)
{
	bool any = false;
	unsigned int k;

	for (k = 0; k < BOUNCE_CLASSES; k++)
		any |= d->params.bounce_slots[k] != 0;
	return any;
}

/*
 * Return the next mapped slot at or after the position, which is advanced; NULL: there are no more.
 */
static const struct slot *
next_mapped(const struct chunks *chunks, unsigned int *chunk, size_t *at)
{
	for (; *chunk < chunks->nr; (*chunk)++, *at = 0) {
		const struct chunk *c = chunks->at[*chunk];

		while (*at < c->size >> c->shift) {
			const struct slot *slot = c->slots[(*at)++];

			if (__atomic_load_n(&slot->mapped, __ATOMIC_ACQUIRE))
				return slot;
		}
	}
	return NULL;
}

static void
bounce_end(struct gantry_dma_dev *dev)
{
	const struct chunks *chunks = chunks_of(bounce_of(dev));
	const struct slot *slot;
	unsigned int chunk = 0;
	size_t at = 0;

	while ((slot = next_mapped(chunks, &chunk, &at)) != NULL)
		DMA_LOG(WARNING, dma_device(dev)->name,
				"buffer %p (bus 0x%" PRIx64 ", %zu bytes) was never unmapped",
				slot->buf, slot->bus, slot->size);
	drop(dev);
}

static void
bounce_for_each(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg)
{
	struct dma_device *d = dma_device(dev);
	const struct chunks *chunks = chunks_of(bounce_of(dev));
	struct gantry_dma_mapping m = { .dir = GANTRY_DMA_BIDIRECTIONAL, .age_ms = UINT64_MAX };
	const struct dma_block *block;
	const struct slot *slot;
	unsigned int chunk;
	size_t at = 0;

	m.reach = GANTRY_DMA_REACH_MEMORY;
	for (chunk = 0; chunk < chunks->nr; chunk++) {
		m.addr = chunks->at[chunk]->bus;
		m.cpu = chunks->at[chunk]->cpu;
		m.size = chunks->at[chunk]->size;
		fn(arg, &m);
	}
	m.reach = GANTRY_DMA_REACH_COHERENT;
	rte_spinlock_lock(&d->lock);
	TAILQ_FOREACH(block, &d->blocks, next) {
		m.addr = block->pub.bus;
		m.cpu = block->pub.cpu;
		m.size = block->pub.size;
		fn(arg, &m);
	}
	rte_spinlock_unlock(&d->lock);
	m.reach = GANTRY_DMA_REACH_BUFFER;
	chunk = 0;
	while ((slot = next_mapped(chunks, &chunk, &at)) != NULL) {
		m.addr = slot->bus;
		m.cpu = slot->buf;
		m.size = slot->size;
		m.dir = slot->dir;
		m.site = slot->site;
		fn(arg, &m);
	}
}

/*
 * Mappings.
 */

/* Copy a part of a mapping for the device, or from it. */
static void
copy_in(const struct slot *slot, size_t offset, size_t size)
{
	memcpy(slot->cpu + offset, slot->buf + offset, size);
}

static void
copy_out(const struct slot *slot, size_t offset, size_t size)
{
	memcpy(slot->buf + offset, slot->cpu + offset, size);
}

static struct slot *
take_slot(struct gantry_dma_dev *dev, unsigned int k)
{
	struct size_class *class = &bounce_of(dev)->classes[k];
	unsigned int nr, i;
	void *obj;

	do {
		nr = __atomic_load_n(&class->nr_pools, __ATOMIC_ACQUIRE);
		/* The last mempool holds half of the slots. */
		for (i = nr; i > 0; i--) {
			if (rte_mempool_get(class->pools[i - 1], &obj) == 0)
				return obj;
		}
	} while (nr > 0 && grow(dev, k, nr));
	return NULL;
}

static gantry_dma_addr_t __rte_cold
no_slot_left(struct gantry_dma_dev *dev, const void *ptr, size_t size)
{
	struct dma_bounce *b = bounce_of(dev);

	if (size > gantry_dma_max_mapping_size(dev)) {
		dma_fail("%s: %p, %zu bytes: the largest bounce buffer has %zu",
				dma_device(dev)->name, ptr, size, gantry_dma_max_mapping_size(dev));
	} else {
		pthread_mutex_lock(&b->lock);
		dma_fail("%s: %p, %zu bytes: all bounce buffers of this size are in use: %s",
				dma_device(dev)->name, ptr, size, b->why);
		pthread_mutex_unlock(&b->lock);
	}
	return GANTRY_DMA_MAPPING_ERROR;
}

static gantry_dma_addr_t
bounce_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	struct slot *slot = NULL;
	unsigned int k;

	for (k = 0; k < BOUNCE_CLASSES && slot == NULL; k++) {
		if (size <= (size_t)1 << classes[k].shift)
			slot = take_slot(dev, k);
	}
	if (unlikely(slot == NULL))
		return no_slot_left(dev, ptr, size);
	slot->buf = ptr;
	slot->size = size;
	slot->dir = dir;
	slot->site = site;
	slot->list = dma_list;
	__atomic_store_n(&slot->mapped, true, __ATOMIC_RELEASE);
	if (!(attrs & GANTRY_DMA_ATTR_SKIP_CPU_SYNC))
		copy_in(slot, 0, size);
	return slot->bus;
}

/* Find the slot that contains a bus address; NULL: there is none. */
static struct slot *
slot_at(const struct dma_bounce *b, gantry_dma_addr_t addr)
{
	const struct chunks *chunks = chunks_of(b);
	unsigned int low = 0, high = chunks->nr, mid;
	const struct chunk *c;

	while (low < high) {
		mid = (low + high) / 2;
		if (chunks->at[mid]->bus <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	c = chunks->at[low - 1];
	return addr - c->bus < c->size ? c->slots[(addr - c->bus) >> c->shift] : NULL;
}

static void
bounce_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs, const void *site)
{
	struct slot *slot = slot_at(bounce_of(dev), addr);

	if (unlikely(slot == NULL || slot->bus != addr)) {
		dma_misuse(dev, "unmapping", addr, size, "nothing was mapped there");
		return;
	}
	if (unlikely(slot->mapped && (slot->size != size || slot->dir != dir))) {
		dma_misuse(dev, "unmapping", addr, size, "mapped with another size or direction");
		return;
	}
	/* If two threads race to unmap a slot, exactly one of them succeeds. */
	if (unlikely(!__atomic_exchange_n(&slot->mapped, false, __ATOMIC_ACQ_REL))) {
		dma_misuse(dev, "unmapping", addr, size, "it is not mapped (unmapped twice?)");
		return;
	}
	if (dir != GANTRY_DMA_TO_DEVICE && !(attrs & GANTRY_DMA_ATTR_SKIP_CPU_SYNC)) {
		/* Read no data ahead of the status with which the device reported completion. */
		rte_io_rmb();
		copy_out(slot, 0, size);
	}
	rte_mempool_put(slot->home, slot);
}

static inline bool
is_mapped(const struct slot *slot)
{
	return slot != NULL && __atomic_load_n(&slot->mapped, __ATOMIC_ACQUIRE);
}

/*
 * Return whether [addr, addr + size) is within a mapping, or within adjacent slots of one list,
 * which may form one segment. The caller owns the list, so its slots are not unmapped concurrently.
 */
static bool
spans(const struct dma_bounce *b, const struct slot *slot, gantry_dma_addr_t addr, size_t size)
{
	const uintptr_t list = slot->list;

	while (addr - slot->bus <= slot->size && size > slot->size - (addr - slot->bus)) {
		size -= slot->size - (addr - slot->bus);
		addr = slot->bus + slot->size;
		slot = slot_at(b, addr);
		if (list == 0 || !is_mapped(slot) || slot->bus != addr || slot->list != list)
			return false;
	}
	return addr - slot->bus <= slot->size;
}

static void
bounce_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu, const void *site)
{
	const struct dma_bounce *b = bounce_of(dev);
	const struct slot *slot = slot_at(b, addr);
	size_t part;

	if (unlikely(!is_mapped(slot))) {
		dma_misuse(dev, "sync", addr, size, "it is not mapped");
		return;
	}
	if (unlikely(!spans(b, slot, addr, size))) {
		dma_misuse(dev, "sync", addr, size, "beyond the end of its mapping");
		return;
	}
	for (; size > 0; addr += part, size -= part) {
		slot = slot_at(b, addr);
		part = RTE_MIN(size, slot->size - (addr - slot->bus));
		if (for_cpu && dir != GANTRY_DMA_TO_DEVICE)
			copy_out(slot, addr - slot->bus, part);
		else if (!for_cpu && dir != GANTRY_DMA_FROM_DEVICE)
			copy_in(slot, addr - slot->bus, part);
	}
}

static size_t
bounce_max_mapping_size(struct gantry_dma_dev *dev)
{
	const struct dma_bounce *b = bounce_of(dev);
	unsigned int k = BOUNCE_CLASSES;

	while (k > 0 && b->classes[k - 1].count == 0)
		k--;
	return k == 0 ? 0 : (size_t)1 << classes[k - 1].shift;
}

static int
bounce_set_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_bounce *b = bounce_of(dev);
	const struct chunks *chunks = chunks_of(b);
	const struct chunk *last = chunks->at[chunks->nr - 1];

	if (last->bus + (last->size - 1) <= mask) {
		pthread_mutex_lock(&b->lock);
		set_limit(b, mask);
		pthread_mutex_unlock(&b->lock);
		return 0;
	}
	dma_fail("%s: there are bounce buffers up to bus address 0x%" PRIx64 "; the device drives "
		 "%u bits",
			dma_device(dev)->name, last->bus + (last->size - 1), dma_bits(mask));
	return -EIO;
}

static int
bounce_alloc_block(struct gantry_dma_dev *dev, struct dma_block *b, size_t size, size_t align,
		int socket_id, uint64_t mask)
{
	if (bounce_of(dev)->iova != NULL)
		return dma_bounce_own_alloc(dev, b, size, align, socket_id, mask);
	return dma_block_direct(dev, b, size, align, socket_id, mask);
}

static void
bounce_free_block(struct gantry_dma_dev *dev, struct dma_block *b)
{
	if (bounce_of(dev)->iova != NULL)
		dma_bounce_own_free(dev, b);
	else
		rte_memzone_free(b->mz);
}

static const struct gantry_dma_mode bounce_mode = {
	.name = "bounce",
	.memory_by = "lib/dma, bounce buffers",
	.map = bounce_map,
	.unmap = bounce_unmap,
	.sync = bounce_sync,
	.max_mapping_size = bounce_max_mapping_size,
	.alloc_block = bounce_alloc_block,
	.free_block = bounce_free_block,
	.set_mask = bounce_set_mask,
	.for_each = bounce_for_each,
	.end = bounce_end,
};

/*
 * The initial number of slots of each size: as the driver specified, or the default within the
 * limit.
 */
static void
count_slots(const struct dma_device *d, uint32_t count[BOUNCE_CLASSES], size_t limit)
{
	unsigned int k, less = 0;
	size_t bytes = 0;

	for (k = 0; k < BOUNCE_CLASSES; k++)
		bytes += (size_t)classes[k].slots << classes[k].shift;
	while (bytes >> less > limit)
		less++;
	for (k = 0; k < BOUNCE_CLASSES; k++)
		count[k] = has_slot_request(d) ? d->params.bounce_slots[k] :
						 classes[k].slots >> less;
}

int
dma_bounce_start(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct dma_device *d = dma_device(dev);
	uint32_t count[BOUNCE_CLASSES];
	struct dma_bounce *b;
	unsigned int k;
	int ret = 0;

	if (d->entries != NULL) {
		dma_fail("%s: the device has a page table permanently, in which bounce buffers "
			 "have no entries",
				d->name);
		return -EIO;
	}
	b = calloc(1, sizeof(*b));
	if (b == NULL) {
		dma_fail("%s: out of memory", d->name);
		return -ENOMEM;
	}
	pthread_mutex_init(&b->lock, NULL);
	dma_mode_state(dev)->bounce = b;
	if (dma_can_claim(dev)) {
		ret = dma_claim(dev);
		if (ret == 0) {
			b->iova = dma_iova_create(d->name, RTE_MIN(mask, OWN_LAST));
			ret = b->iova != NULL ? 0 : -rte_errno;
		}
	}
	set_limit(b, mask);
	count_slots(d, count, b->limit);
	for (k = 0; k < BOUNCE_CLASSES && ret == 0; k++) {
		if (count[k] != 0)
			ret = add_slots(dev, k, count[k], mask);
		b->classes[k].full = has_slot_request(d);
	}
	if (ret != 0) {
		drop(dev);
		return ret;
	}
	if (has_slot_request(d))
		snprintf(b->why, sizeof(b->why), "there are as many as the driver asked for");
	dma_set_mode(dev, &bounce_mode);
	return 0;
}
