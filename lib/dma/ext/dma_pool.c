/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Pools of small coherent blocks.
 *
 * A pool grows by chunks of coherent memory and never shrinks. The alignment of a chunk equals its
 * size (the HOWTO's promise), so spans of `boundary` bytes in it begin on a boundary. Blocks fill
 * each span from its start, and the rest of the span stays unused:
 *
 *       |block|block|block|  ||block|block|block|  | ...
 *       <------- span ------><------- span ------->
 *
 * The records (which blocks are free) are kept apart from the blocks: the device owns the blocks,
 * and must not be able to write a free list. The records also detect a pointer that is freed twice
 * or was never a block.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_string_fns.h>

#include "dma_core.h"
#include "gantry_dma_pool.h"

/* Each chunk is a memzone, and EAL has only a few thousand of them. */
#define CHUNK_MIN ((size_t)64 << 10)

/* Values in place of the number of the next free block. */
#define LAST   UINT32_MAX
#define IN_USE (UINT32_MAX - 1)

struct chunk {
	TAILQ_ENTRY(chunk) next; /* in the list of chunks that have a free block */
	uint8_t *cpu;
	gantry_dma_addr_t bus;
	uint32_t used;
	uint32_t free;   /* the first free block, or LAST */
	uint32_t link[]; /* for each block: the next free one, LAST, or IN_USE */
};

struct gantry_dma_pool {
	struct dma_attached attached; /* must be the first member */
	char name[32];
	struct gantry_dma_dev *dev;
	size_t size, span, chunk_size;
	uint32_t per_span, per_chunk;
	rte_spinlock_t lock; /* protects everything below */
	TAILQ_HEAD(, chunk) avail;
	struct chunk **chunks; /* ordered by address */
	unsigned int nr_chunks;
};

/* The device ends, and the pool was never destroyed. */
static void
drop(struct dma_attached *a)
{
	struct gantry_dma_pool *pool = (struct gantry_dma_pool *)a;

	DMA_LOG(WARNING, dma_device(pool->dev)->name, "pool %s was never destroyed", pool->name);
	gantry_dma_pool_destroy(pool);
}

struct gantry_dma_pool *
gantry_dma_pool_create(const char *name, struct gantry_dma_dev *dev, size_t size, size_t align,
		size_t boundary)
{
	struct dma_device *d = dma_device(dev);
	struct gantry_dma_pool *pool;

	if (align == 0)
		align = 1;
	if (name == NULL || size == 0 || size > UINT32_MAX || align > UINT32_MAX ||
			!rte_is_power_of_2(align) ||
			(boundary != 0 &&
					(boundary < RTE_ALIGN_CEIL(size, align) ||
							(boundary & (boundary - 1)) != 0))) {
		dma_fail("%s: a pool \"%s\" of %zu bytes, aligned to %zu, within %zu: alignment "
			 "and boundary are powers of two, and a block must fit between boundaries",
				d->name, name == NULL ? "" : name, size, align, boundary);
		rte_errno = EINVAL;
		return NULL;
	}
	pool = calloc(1, sizeof(*pool));
	if (pool == NULL) {
		dma_fail("%s: out of memory", d->name);
		rte_errno = ENOMEM;
		return NULL;
	}
	strlcpy(pool->name, name, sizeof(pool->name));
	pool->dev = dev;
	pool->size = RTE_ALIGN_CEIL(size, align);
	pool->chunk_size = RTE_MAX((size_t)rte_align64pow2(pool->size), CHUNK_MIN);
	pool->span = boundary == 0 ? pool->chunk_size : RTE_MIN(boundary, pool->chunk_size);
	pool->per_span = pool->span / pool->size;
	pool->per_chunk = pool->chunk_size / pool->span * pool->per_span;
	rte_spinlock_init(&pool->lock);
	TAILQ_INIT(&pool->avail);
	pool->attached.drop = drop;
	dma_attach(dev, &pool->attached);
	return pool;
}

/* Return the offset of block i in its chunk. */
static size_t
offset_of(const struct gantry_dma_pool *pool, uint32_t i)
{
	return i / pool->per_span * pool->span + i % pool->per_span * pool->size;
}

/* Find the block at an offset of a chunk. Return false if no block begins there. */
static bool
block_at(const struct gantry_dma_pool *pool, size_t offset, uint32_t *i)
{
	*i = offset / pool->span * pool->per_span + offset % pool->span / pool->size;
	return offset % pool->span / pool->size < pool->per_span && offset_of(pool, *i) == offset;
}

/* Return how many chunks begin at this address or below. The lock is held. */
static unsigned int
chunks_up_to(const struct gantry_dma_pool *pool, const uint8_t *cpu)
{
	unsigned int low = 0, high = pool->nr_chunks, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (pool->chunks[mid]->cpu <= cpu)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The lock is held. */
static bool
insert_chunk(struct gantry_dma_pool *pool, struct chunk *c)
{
	unsigned int at = chunks_up_to(pool, c->cpu);
	struct chunk **more = realloc(pool->chunks, (pool->nr_chunks + 1) * sizeof(*more));

	if (more == NULL)
		return false;
	pool->chunks = more;
	memmove(&more[at + 1], &more[at], (pool->nr_chunks - at) * sizeof(*more));
	more[at] = c;
	pool->nr_chunks++;
	TAILQ_INSERT_TAIL(&pool->avail, c, next);
	return true;
}

/* Add a chunk. On success the lock is held on return. */
static bool
grow(struct gantry_dma_pool *pool, const void *site)
{
	struct chunk *c = malloc(sizeof(*c) + pool->per_chunk * sizeof(c->link[0]));
	uint32_t i;

	if (c == NULL) {
		dma_fail("%s: pool %s: out of memory", dma_device(pool->dev)->name, pool->name);
		rte_errno = ENOMEM;
		return false;
	}
	c->cpu = dma_coherent_alloc(pool->dev, pool->chunk_size, &c->bus, SOCKET_ID_ANY, site);
	if (c->cpu == NULL) {
		free(c);
		return false;
	}
	c->used = 0;
	c->free = 0;
	for (i = 0; i < pool->per_chunk; i++)
		c->link[i] = i + 1 < pool->per_chunk ? i + 1 : LAST;
	rte_spinlock_lock(&pool->lock);
	if (insert_chunk(pool, c))
		return true;
	rte_spinlock_unlock(&pool->lock);
	dma_fail("%s: pool %s: out of memory", dma_device(pool->dev)->name, pool->name);
	dma_coherent_free(pool->dev, pool->chunk_size, c->cpu, c->bus);
	free(c);
	rte_errno = ENOMEM;
	return false;
}

static void *
take(struct gantry_dma_pool *pool, gantry_dma_addr_t *handle, const void *site)
{
	struct dma_object o = {
		.kind = DMA_KIND_POOL,
		.owner = pool,
		.size = pool->size,
		.dir = GANTRY_DMA_BIDIRECTIONAL,
	};
	struct chunk *c;
	size_t offset;
	uint32_t i;

	rte_spinlock_lock(&pool->lock);
	c = TAILQ_FIRST(&pool->avail);
	if (c == NULL) {
		/*
		 * Allocate without the lock. Another thread may do the same, and the pool then gets
		 * two chunks.
		 */
		rte_spinlock_unlock(&pool->lock);
		if (!grow(pool, site))
			return NULL;
		c = TAILQ_FIRST(&pool->avail);
	}
	i = c->free;
	c->free = c->link[i];
	c->link[i] = IN_USE;
	c->used++;
	if (c->free == LAST)
		TAILQ_REMOVE(&pool->avail, c, next);
	rte_spinlock_unlock(&pool->lock);

	offset = offset_of(pool, i);
	*handle = c->bus + offset;
	o.ptr = c->cpu + offset;
	o.addr = *handle;
	dma_device(pool->dev)->layer->added(pool->dev, &o, site);
	return o.ptr;
}

void *
gantry_dma_pool_alloc(struct gantry_dma_pool *pool, gantry_dma_addr_t *handle)
{
	return take(pool, handle, __builtin_return_address(0));
}

void *
gantry_dma_pool_zalloc(struct gantry_dma_pool *pool, gantry_dma_addr_t *handle)
{
	void *cpu = take(pool, handle, __builtin_return_address(0));

	if (cpu != NULL)
		memset(cpu, 0, pool->size);
	return cpu;
}

/* Return what is wrong with freeing this block, or NULL. The lock is held. */
static const char *
find(const struct gantry_dma_pool *pool, const void *cpu_addr, gantry_dma_addr_t handle,
		struct chunk **chunk, uint32_t *i)
{
	unsigned int n = chunks_up_to(pool, cpu_addr);
	struct chunk *c = n > 0 ? pool->chunks[n - 1] : NULL;
	size_t offset;

	if (c == NULL || (size_t)((const uint8_t *)cpu_addr - c->cpu) >= pool->chunk_size)
		return "it is no block of this pool";
	offset = (const uint8_t *)cpu_addr - c->cpu;
	if (!block_at(pool, offset, i))
		return "no block begins there";
	if (c->link[*i] != IN_USE)
		return "it is free already (freed twice, or never allocated)";
	if (handle != c->bus + offset)
		return "that is not its bus address";
	*chunk = c;
	return NULL;
}

void
gantry_dma_pool_free(struct gantry_dma_pool *pool, void *cpu_addr, gantry_dma_addr_t handle)
{
	struct dma_object o = {
		.kind = DMA_KIND_POOL,
		.owner = pool,
		.ptr = cpu_addr,
		.addr = handle,
		.size = pool->size,
	};
	struct chunk *c;
	const char *why;
	uint32_t i;

	if (cpu_addr == NULL ||
			!dma_device(pool->dev)->layer->removing(pool->dev, &o,
					__builtin_return_address(0)))
		return;
	cpu_addr = o.ptr;
	handle = o.addr;
	rte_spinlock_lock(&pool->lock);
	why = find(pool, cpu_addr, handle, &c, &i);
	if (why == NULL) {
		if (c->free == LAST)
			TAILQ_INSERT_HEAD(&pool->avail, c, next);
		c->link[i] = c->free;
		c->free = i;
		c->used--;
	}
	rte_spinlock_unlock(&pool->lock);
	if (why != NULL) {
		dma_fail("%s: pool %s: %p (bus 0x%" PRIx64 ") not freed: %s",
				dma_device(pool->dev)->name, pool->name, cpu_addr, handle, why);
		dma_log_error(pool->dev, RTE_LOG_ERR);
	}
}

/* The device keeps a chunk with blocks in use, because it may still write there. */
static void
drop_chunk(struct gantry_dma_pool *pool, struct chunk *c)
{
	uint32_t i = 0;

	if (c->used == 0) {
		dma_coherent_free(pool->dev, pool->chunk_size, c->cpu, c->bus);
	} else {
		while (c->link[i] != IN_USE)
			i++;
		dma_fail("%s: pool %s destroyed with %u blocks of %zu bytes in use, the first at "
			 "%p (bus 0x%" PRIx64 ")",
				dma_device(pool->dev)->name, pool->name, c->used, pool->size,
				c->cpu + offset_of(pool, i), c->bus + offset_of(pool, i));
		dma_log_error(pool->dev, RTE_LOG_ERR);
	}
	free(c);
}

void
gantry_dma_pool_destroy(struct gantry_dma_pool *pool)
{
	unsigned int i;

	if (pool == NULL)
		return;
	dma_device(pool->dev)->layer->dropping(pool->dev, pool, __builtin_return_address(0));
	dma_detach(pool->dev, &pool->attached);
	for (i = 0; i < pool->nr_chunks; i++)
		drop_chunk(pool, pool->chunks[i]);
	free(pool->chunks);
	free(pool);
}
