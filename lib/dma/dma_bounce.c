/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The bounce mode: the device works on buffers of the library's own.
 *
 *       your buffer  X  <--- copied ---> slot <---- Z ----  device
 *
 * A mapping takes a slot, of the smallest size that is large enough and not used up.
 * Data goes in when the device's turn begins (map, sync for the device) and out when it
 * ends (unmap, sync for the CPU), as the direction says. A buffer for the device to
 * write is copied in, too, as the kernel's swiotlb does: a device that writes a part of it
 * must not destroy the rest.
 *
 * Slots are coherent memory, in chunks, each of slots of one size, so that a bus address
 * leads to its slot by a search for the chunk and a shift. What is known of a slot is
 * kept apart from it. Free slots are those that a mempool holds, one for each size, with
 * its caches per lcore: there is no lock on the path. A cache keeps back at most a
 * fortieth of the slots.
 *
 * The chunks are allocated when the mask is set, or by the first mapping without one.
 */

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_mempool.h>

#include "dma_private.h"

/* As much in one piece, and so aligned, is within a hugepage even where those are scattered. */
#define CHUNK ((size_t)512 << 10)

#define CLASSES GANTRY_DMA_BOUNCE_CLASSES

static const struct {
	unsigned int shift;
	uint32_t slots; /* unless the driver says */
} classes[CLASSES] = { { 8, 4096 }, { 11, 8192 }, { 14, 128 }, { 16, 32 } };

struct slot {
	uint8_t *cpu;
	gantry_dma_addr_t bus;
	struct rte_mempool *home;
	/* While it is mapped: */
	bool mapped;
	enum gantry_dma_dir dir;
	size_t size;
	uint8_t *buf;
};

struct chunk {
	uint8_t *cpu;
	gantry_dma_addr_t bus;
	size_t size;
	unsigned int shift;  /* of its slots' size */
	struct slot **slots;
};

struct bounce {
	pthread_mutex_t lock;       /* of making it ready */
	bool ready;
	struct rte_mempool *pools[CLASSES];
	uint32_t count[CLASSES];
	struct chunk *chunks;       /* by bus address */
	unsigned int nr_chunks;
};

static struct bounce *
bounce_of(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->mode_data;
}

/*
 * Making and ending.
 */

static int
by_bus(const void *a, const void *b)
{
	const struct chunk *x = a, *y = b;

	return x->bus < y->bus ? -1 : x->bus > y->bus;
}

/* Hands the slots of a class's chunks to the objects of its pool, one by one. */
struct slot_init {
	struct chunk *chunk;
	size_t next; /* slot of it */
};

static void
init_slot(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	struct slot_init *init = arg;
	struct slot *slot = obj;
	size_t offset = init->next << init->chunk->shift;

	memset(slot, 0, sizeof(*slot));
	slot->home = mp;
	slot->cpu = init->chunk->cpu + offset;
	slot->bus = init->chunk->bus + offset;
	init->chunk->slots[init->next++] = slot;
	if (init->next << init->chunk->shift == init->chunk->size) {
		init->chunk++;
		init->next = 0;
	}
}

static int
make_chunk(struct gantry_dma_dev *dev, struct chunk *c, unsigned int shift, size_t size,
		uint64_t mask)
{
	c->shift = shift;
	c->size = size;
	c->slots = calloc(size >> shift, sizeof(*c->slots));
	if (c->slots == NULL) {
		dma_fail("%s: out of memory", dma_device(dev)->name);
		return -ENOMEM;
	}
	c->cpu = dma_coherent_alloc(dev, size, &c->bus, SOCKET_ID_ANY, mask);
	if (c->cpu == NULL) {
		free(c->slots);
		return -rte_errno;
	}
	bounce_of(dev)->nr_chunks++;
	return 0;
}

static int
make_class(struct gantry_dma_dev *dev, unsigned int k, uint64_t mask)
{
	static unsigned int number;
	struct bounce *b = bounce_of(dev);
	const unsigned int shift = classes[k].shift;
	struct slot_init init = { .chunk = &b->chunks[b->nr_chunks] };
	size_t left = (size_t)b->count[k] << shift, size;
	char name[RTE_MEMPOOL_NAMESIZE];
	int ret;

	for (; left > 0; left -= size) {
		size = RTE_MIN(left, CHUNK);
		ret = make_chunk(dev, &b->chunks[b->nr_chunks], shift, size, mask);
		if (ret != 0)
			return ret;
	}
	if (b->count[k] == 0)
		return 0;
	snprintf(name, sizeof(name), "dma_%x_%x", (unsigned int)getpid(),
		__atomic_fetch_add(&number, 1, __ATOMIC_RELAXED));
	b->pools[k] = rte_mempool_create(name, b->count[k], sizeof(struct slot),
		RTE_MIN(b->count[k] / 64, 64u), 0, NULL, NULL, init_slot, &init,
		dma_device(dev)->params.socket_id, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (b->pools[k] != NULL)
		return 0;
	dma_fail("%s: no memory for %u bounce buffers: %s", dma_device(dev)->name, b->count[k],
		rte_strerror(rte_errno));
	return -ENOMEM;
}

static void
drop(struct gantry_dma_dev *dev)
{
	struct bounce *b = bounce_of(dev);
	unsigned int i;

	for (i = 0; i < b->nr_chunks; i++) {
		gantry_dma_free_coherent(dev, b->chunks[i].size, b->chunks[i].cpu,
			b->chunks[i].bus);
		free(b->chunks[i].slots);
	}
	b->nr_chunks = 0;
	for (i = 0; i < CLASSES; i++) {
		rte_mempool_free(b->pools[i]);
		b->pools[i] = NULL;
	}
}

/* Locked. */
static int
make(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct bounce *b = bounce_of(dev);
	unsigned int k;
	int ret = 0;

	for (k = 0; k < CLASSES && ret == 0; k++)
		ret = make_class(dev, k, mask);
	if (ret != 0) {
		drop(dev);
		return ret;
	}
	qsort(b->chunks, b->nr_chunks, sizeof(*b->chunks), by_bus);
	__atomic_store_n(&b->ready, true, __ATOMIC_RELEASE);
	return 0;
}

/* Sees to it that there are slots, inside the mask. */
static int
bounce_check_mask(struct gantry_dma_dev *dev, uint64_t mask)
{
	struct bounce *b = bounce_of(dev);
	const struct chunk *last;
	int ret = 0;

	pthread_mutex_lock(&b->lock);
	if (!b->ready) {
		ret = make(dev, mask);
	} else if (b->nr_chunks > 0) {
		last = &b->chunks[b->nr_chunks - 1];
		if (last->bus + (last->size - 1) > mask) {
			dma_fail("%s: there are bounce buffers up to bus address 0x%" PRIx64 "; the "
				"device drives %u bits", dma_device(dev)->name,
				last->bus + (last->size - 1), dma_bits(mask));
			ret = -EIO;
		}
	}
	pthread_mutex_unlock(&b->lock);
	return ret;
}

static void
bounce_end(struct gantry_dma_dev *dev)
{
	struct bounce *b = bounce_of(dev);
	unsigned int i;
	size_t j;

	for (i = 0; i < b->nr_chunks; i++) {
		const struct chunk *c = &b->chunks[i];

		for (j = 0; j < c->size >> c->shift; j++) {
			if (c->slots[j]->mapped)
				DMA_LOG(WARNING, "%s: buffer %p (bus 0x%" PRIx64 ", %zu bytes) was "
					"never unmapped", dma_device(dev)->name, c->slots[j]->buf,
					c->slots[j]->bus, c->slots[j]->size);
		}
	}
	drop(dev);
	pthread_mutex_destroy(&b->lock);
	free(b->chunks);
	free(b);
}

/*
 * Mappings.
 */

/* Data for the device, or from it, at this part of a mapping. */
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

static gantry_dma_addr_t
bounce_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs)
{
	struct bounce *b = bounce_of(dev);
	struct slot *slot = NULL;
	bool fits = false;
	unsigned int k;
	void *obj;

	if (unlikely(!__atomic_load_n(&b->ready, __ATOMIC_ACQUIRE)) &&
			bounce_check_mask(dev, dma_device(dev)->mask) != 0)
		return GANTRY_DMA_MAPPING_ERROR;
	for (k = 0; k < CLASSES && slot == NULL; k++) {
		if (size > (size_t)1 << classes[k].shift || b->pools[k] == NULL)
			continue;
		fits = true;
		if (rte_mempool_get(b->pools[k], &obj) == 0)
			slot = obj;
	}
	if (unlikely(slot == NULL)) {
		if (fits)
			dma_fail("%s: %p, %zu bytes: all bounce buffers of this size are in use",
				dma_device(dev)->name, ptr, size);
		else
			dma_fail("%s: %p, %zu bytes: the largest bounce buffer has %zu",
				dma_device(dev)->name, ptr, size, gantry_dma_max_mapping_size(dev));
		return GANTRY_DMA_MAPPING_ERROR;
	}
	slot->buf = ptr;
	slot->size = size;
	slot->dir = dir;
	__atomic_store_n(&slot->mapped, true, __ATOMIC_RELEASE);
	if (!(attrs & GANTRY_DMA_ATTR_SKIP_CPU_SYNC))
		copy_in(slot, 0, size);
	return slot->bus;
}

/* The slot that a bus address lies in; NULL: in none. */
static struct slot *
slot_at(const struct bounce *b, gantry_dma_addr_t addr)
{
	unsigned int low = 0, high = b->nr_chunks, mid;
	const struct chunk *c;

	while (low < high) {
		mid = (low + high) / 2;
		if (b->chunks[mid].bus <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return NULL;
	c = &b->chunks[low - 1];
	return addr - c->bus < c->size ? c->slots[(addr - c->bus) >> c->shift] : NULL;
}

static void
misuse(struct gantry_dma_dev *dev, const char *what, gantry_dma_addr_t addr, size_t size,
		const char *why)
{
	dma_fail("%s: %s of bus address 0x%" PRIx64 ", %zu bytes: %s: not done",
		dma_device(dev)->name, what, addr, size, why);
	DMA_LOG(ERR, "%s", gantry_dma_last_error());
}

static void
bounce_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	struct slot *slot = slot_at(bounce_of(dev), addr);

	if (unlikely(slot == NULL || slot->bus != addr)) {
		misuse(dev, "unmapping", addr, size, "nothing was mapped there");
		return;
	}
	if (unlikely(slot->mapped && (slot->size != size || slot->dir != dir))) {
		misuse(dev, "unmapping", addr, size, "mapped with another size or direction");
		return;
	}
	/* Of two threads that unmap it one is right. */
	if (unlikely(!__atomic_exchange_n(&slot->mapped, false, __ATOMIC_ACQ_REL))) {
		misuse(dev, "unmapping", addr, size, "it is not mapped (unmapped twice?)");
		return;
	}
	if (dir != GANTRY_DMA_TO_DEVICE && !(attrs & GANTRY_DMA_ATTR_SKIP_CPU_SYNC)) {
		/* Nothing is read ahead of the status that said the device is done. */
		rte_io_rmb();
		copy_out(slot, 0, size);
	}
	rte_mempool_put(slot->home, slot);
}

static void
bounce_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu)
{
	const struct slot *slot = slot_at(bounce_of(dev), addr);

	if (unlikely(slot == NULL || !__atomic_load_n(&slot->mapped, __ATOMIC_ACQUIRE))) {
		misuse(dev, "sync", addr, size, "it is not mapped");
		return;
	}
	if (unlikely(addr - slot->bus > slot->size || size > slot->size - (addr - slot->bus))) {
		misuse(dev, "sync", addr, size, "beyond the end of its mapping");
		return;
	}
	if (for_cpu && dir != GANTRY_DMA_TO_DEVICE)
		copy_out(slot, addr - slot->bus, size);
	else if (!for_cpu && dir != GANTRY_DMA_FROM_DEVICE)
		copy_in(slot, addr - slot->bus, size);
}

static int
bounce_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	return addr == GANTRY_DMA_MAPPING_ERROR;
}

static size_t
bounce_max_mapping_size(struct gantry_dma_dev *dev)
{
	const struct bounce *b = bounce_of(dev);
	unsigned int k = CLASSES;

	while (k > 0 && b->count[k - 1] == 0)
		k--;
	return k == 0 ? 0 : (size_t)1 << classes[k - 1].shift;
}

static const struct gantry_dma_mode bounce_mode = {
	.name = "bounce",
	.map = bounce_map,
	.unmap = bounce_unmap,
	.sync = bounce_sync,
	.mapping_error = bounce_mapping_error,
	.max_mapping_size = bounce_max_mapping_size,
	.check_mask = bounce_check_mask,
	.end = bounce_end,
};

int
dma_bounce_start(struct gantry_dma_dev *dev)
{
	struct dma_device *d = dma_device(dev);
	struct bounce *b = calloc(1, sizeof(*b));
	size_t nr_chunks = 0;
	bool said = false;
	unsigned int k;

	for (k = 0; k < CLASSES; k++)
		said |= d->params.bounce_slots[k] != 0;
	for (k = 0; b != NULL && k < CLASSES; k++) {
		b->count[k] = said ? d->params.bounce_slots[k] : classes[k].slots;
		nr_chunks += (((size_t)b->count[k] << classes[k].shift) + CHUNK - 1) / CHUNK;
	}
	if (b != NULL)
		b->chunks = calloc(nr_chunks, sizeof(*b->chunks));
	if (b == NULL || b->chunks == NULL) {
		free(b);
		dma_fail("%s: out of memory", d->name);
		return -ENOMEM;
	}
	pthread_mutex_init(&b->lock, NULL);
	d->mode_data = b;
	dma_set_mode(dev, &bounce_mode);
	return 0;
}
