/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the bounce mode of lib/dma (dma_bounce.c). The device is the test, which accesses memory
 * only by bus addresses.
 *
 *     caller's buffer  -- map, sync_for_device: copy -->  slot   <--- the device's view, view()
 *                      <-- unmap, sync_for_cpu: copy --
 *
 * The second half runs on a bus that can take EAL memory away from the device ("shut in"), where
 * the device reaches only the library's own memory; see dma_bus.h.
 */

#include "dma_bus.h"

#include <dlfcn.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "gantry_dma_pool.h"
#include "gantry_dma_sg.h"

#define LEN 2048

static struct gantry_dma_dev *
bounce_device(uint32_t n256, uint32_t n2048, uint32_t n16k, uint32_t n64k)
{
	const struct gantry_dma_params p = {
		.name = "bouncy",
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_BOUNCE,
		.bounce_slots = { n256, n2048, n16k, n64k },
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	return dev;
}

static int
make_bounce(void **state)
{
	*state = bounce_device(0, 0, 0, 0);
	assert_int_equal(gantry_dma_set_mask_and_coherent(DEV(state), UINT64_MAX), 0);
	return 0;
}

/* The bytes that the device sees at a bus address. */
static uint8_t *
view(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	uint8_t *p = gantry_bus_to_virt(dev, addr);

	assert_non_null(p);
	return p;
}

static gantry_dma_addr_t
map(struct gantry_dma_dev *dev, void *p, size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_addr_t a = gantry_dma_map_single(dev, p, size, dir);

	assert_false(gantry_dma_mapping_error(dev, a));
	return a;
}

static void
to_device_copies_at_map_and_sync(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, LEN, 0), *seen;
	gantry_dma_addr_t a;

	memset(p, 1, LEN);
	a = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
	assert_int_not_equal(a, expected_bus(p));
	seen = view(dev, a);
	assert_bytes(seen, 1, LEN);
	/* The device sees later writes only after a sync, and only the synced part. */
	memset(p, 2, LEN);
	assert_bytes(seen, 1, LEN);
	gantry_dma_sync_single_range_for_device(dev, a, 100, 28, GANTRY_DMA_TO_DEVICE);
	assert_bytes(seen, 1, 100);
	assert_bytes(seen + 100, 2, 28);
	assert_bytes(seen + 128, 1, LEN - 128);
	gantry_dma_sync_single_for_device(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	assert_bytes(seen, 2, LEN);
	/* Bytes that the device writes to memory mapped for reading are never copied back. */
	memset(seen, 3, LEN);
	gantry_dma_sync_single_for_cpu(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	assert_bytes(p, 2, LEN);
	rte_free(p);
}

static void
from_device_copies_at_sync_and_unmap(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, LEN, 0), *seen;
	gantry_dma_addr_t a;

	memset(p, 1, LEN);
	a = map(dev, p, LEN, GANTRY_DMA_FROM_DEVICE);
	seen = view(dev, a);
	memset(seen, 2, 1000);
	assert_bytes(p, 1, LEN);
	gantry_dma_sync_single_range_for_cpu(dev, a, 10, 20, GANTRY_DMA_FROM_DEVICE);
	assert_bytes(p, 1, 10);
	assert_bytes(p + 10, 2, 20);
	assert_bytes(p + 30, 1, LEN - 30);
	memset(p + 10, 1, 20);
	/* A sync for a device that only writes copies nothing. */
	gantry_dma_sync_single_for_device(dev, a, LEN, GANTRY_DMA_FROM_DEVICE);
	assert_bytes(seen, 2, 1000);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_FROM_DEVICE);
	/* Bytes that the device has not written keep their value. */
	assert_bytes(p, 2, 1000);
	assert_bytes(p + 1000, 1, LEN - 1000);
	/* A write after unmap does not reach the caller's buffer. */
	memset(seen, 9, LEN);
	assert_bytes(p, 2, 1000);
	rte_free(p);
}

static void
bidirectional_copies_both_ways(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, LEN, 0), *seen;
	gantry_dma_addr_t a;

	memset(p, 1, LEN);
	a = map(dev, p, LEN, GANTRY_DMA_BIDIRECTIONAL);
	seen = view(dev, a);
	assert_bytes(seen, 1, LEN);
	memset(seen, 2, LEN);
	gantry_dma_sync_single_for_cpu(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_bytes(p, 2, LEN);
	memset(p, 3, LEN);
	gantry_dma_sync_single_for_device(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_bytes(seen, 3, LEN);
	memset(seen, 4, LEN);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_BIDIRECTIONAL);
	assert_bytes(p, 4, LEN);
	rte_free(p);
}

/*
 * With GANTRY_DMA_ATTR_SKIP_CPU_SYNC the caller syncs the bytes that were written, and nothing else
 * is copied.
 */
static void
skip_cpu_sync_copies_only_synced_range(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = malloc(LEN);
	gantry_dma_addr_t a;

	memset(p, 1, LEN);
	a = gantry_dma_map_single_attrs(dev, p, LEN, GANTRY_DMA_FROM_DEVICE,
			GANTRY_DMA_ATTR_SKIP_CPU_SYNC);
	assert_false(gantry_dma_mapping_error(dev, a));
	memset(view(dev, a), 2, LEN);
	gantry_dma_sync_single_for_cpu(dev, a, 60, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single_attrs(dev, a, LEN, GANTRY_DMA_FROM_DEVICE,
			GANTRY_DMA_ATTR_SKIP_CPU_SYNC);
	assert_bytes(p, 2, 60);
	assert_bytes(p + 60, 1, LEN - 60);

	/* The slot still contains 2: no byte of the buffer has been copied. */
	a = gantry_dma_map_single_attrs(dev, p, LEN, GANTRY_DMA_TO_DEVICE,
			GANTRY_DMA_ATTR_SKIP_CPU_SYNC);
	assert_bytes(view(dev, a), 2, LEN);
	gantry_dma_sync_single_range_for_device(dev, a, 60, 10, GANTRY_DMA_TO_DEVICE);
	assert_bytes(view(dev, a) + 60, 1, 10);
	assert_bytes(view(dev, a) + 70, 2, LEN - 70);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	free(p);
}

/* Memory of any kind, size and address; the slot is the smallest one that holds the buffer. */
static void
smallest_slot_that_fits_is_used(void **state)
{
	static const struct {
		size_t size, slot;
	} sizes[] = {
		{ 1, 256 },
		{ 256, 256 },
		{ 257, 2048 },
		{ 2048, 2048 },
		{ 2049, 16384 },
		{ 16384, 16384 },
		{ 16385, 65536 },
		{ 65536, 65536 },
	};
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *heap = malloc(65536 + 4);
	uint8_t on_stack[100];
	gantry_dma_addr_t a;
	unsigned int i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		memset(heap + 3, i, sizes[i].size);
		a = map(dev, heap + 3, sizes[i].size, GANTRY_DMA_BIDIRECTIONAL);
		assert_int_equal(a % sizes[i].slot, 0);
		assert_bytes(view(dev, a), i, sizes[i].size);
		memset(view(dev, a), ~i, sizes[i].slot);
		heap[3 + sizes[i].size] = 0x77;
		gantry_dma_unmap_single(dev, a, sizes[i].size, GANTRY_DMA_BIDIRECTIONAL);
		assert_bytes(heap + 3, ~i, sizes[i].size);
		assert_int_equal(heap[3 + sizes[i].size], 0x77);
	}
	a = map(dev, on_stack, sizeof(on_stack), GANTRY_DMA_FROM_DEVICE);
	memset(view(dev, a), 5, sizeof(on_stack));
	gantry_dma_unmap_single(dev, a, sizeof(on_stack), GANTRY_DMA_FROM_DEVICE);
	assert_bytes(on_stack, 5, sizeof(on_stack));

	assert_int_equal(gantry_dma_max_mapping_size(dev), 65536);
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, heap, 65537, GANTRY_DMA_TO_DEVICE)));
	assert_reason("the largest bounce buffer has 65536");
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, heap, 0, GANTRY_DMA_TO_DEVICE)));
	assert_reason("no such range");
	free(heap);
}

static void
mapping_fails_if_no_slot_is_free(void **state)
{
	struct gantry_dma_dev *dev = bounce_device(3, 2, 0, 0);
	gantry_dma_addr_t a[6];
	uint8_t heap[LEN] = { 0 };
	unsigned int i, j;

	/* The default mask has 32 bits. */
	if (gantry_dma_get_required_mask(dev) > UINT32_MAX) {
		assert_true(gantry_dma_addressing_limited(dev));
		a[0] = gantry_dma_map_single(dev, heap, 64, GANTRY_DMA_TO_DEVICE);
		assert_true(gantry_dma_mapping_error(dev, a[0]));
		assert_reason("bits; the device drives 32");
	}
	assert_int_equal(gantry_dma_set_mask(dev, UINT64_MAX), 0);
	assert_int_equal(gantry_dma_max_mapping_size(dev), 2048);
	for (j = 0; j < 3; j++) {
		/* Five slots in all: first the small ones, then larger ones instead. */
		for (i = 0; i < 5; i++)
			a[i] = map(dev, heap, 64, GANTRY_DMA_TO_DEVICE);
		a[5] = gantry_dma_map_single(dev, heap, 64, GANTRY_DMA_TO_DEVICE);
		assert_true(gantry_dma_mapping_error(dev, a[5]));
		assert_reason("are in use");
		for (i = 0; i < 5; i++)
			gantry_dma_unmap_single(dev, a[i], 64, GANTRY_DMA_TO_DEVICE);
		/* A large mapping cannot use a smaller slot. */
		for (i = 0; i < 2; i++)
			a[i] = map(dev, heap, LEN, GANTRY_DMA_TO_DEVICE);
		assert_true(gantry_dma_mapping_error(dev,
				gantry_dma_map_single(dev, heap, LEN, GANTRY_DMA_TO_DEVICE)));
		assert_reason("are in use");
		for (i = 0; i < 2; i++)
			gantry_dma_unmap_single(dev, a[i], LEN, GANTRY_DMA_TO_DEVICE);
	}
	/* Leaked, so that the destruction of the device reports it. */
	map(dev, heap, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
}

static void
misuse_is_reported_and_copies_nothing(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = malloc(LEN), *other = malloc(64);
	gantry_dma_addr_t a, b;

	memset(p, 1, LEN);
	a = map(dev, p, 1000, GANTRY_DMA_FROM_DEVICE);
	memset(view(dev, a), 2, 1000);
	gantry_dma_unmap_single(dev, a + 1, 1000, GANTRY_DMA_FROM_DEVICE);
	assert_reason("nothing was mapped there");
	gantry_dma_unmap_single(dev, GANTRY_DMA_MAPPING_ERROR, 1000, GANTRY_DMA_FROM_DEVICE);
	assert_reason("nothing was mapped there");
	gantry_dma_unmap_single(dev, 0, 1000, GANTRY_DMA_FROM_DEVICE);
	assert_reason("nothing was mapped there");
	gantry_dma_unmap_single(dev, a, 1001, GANTRY_DMA_FROM_DEVICE);
	assert_reason("another size or direction");
	gantry_dma_unmap_single(dev, a, 1000, GANTRY_DMA_BIDIRECTIONAL);
	assert_reason("another size or direction");
	gantry_dma_sync_single_range_for_cpu(dev, a, 900, 101, GANTRY_DMA_FROM_DEVICE);
	assert_reason("beyond the end");
	gantry_dma_sync_single_range_for_cpu(dev, a, 1001, 0, GANTRY_DMA_FROM_DEVICE);
	assert_reason("beyond the end");
	gantry_dma_sync_single_for_cpu(dev, a, SIZE_MAX, GANTRY_DMA_FROM_DEVICE);
	assert_reason("beyond the end");
	gantry_dma_sync_single_for_cpu(dev, 0, 1, GANTRY_DMA_FROM_DEVICE);
	assert_reason("it is not mapped");
	/* None of these calls has copied a byte. */
	assert_bytes(p, 1, LEN);
	gantry_dma_unmap_single(dev, a, 1000, GANTRY_DMA_FROM_DEVICE);
	assert_bytes(p, 2, 1000);
	gantry_dma_unmap_single(dev, a, 1000, GANTRY_DMA_FROM_DEVICE);
	assert_reason("unmapped twice?");
	gantry_dma_sync_single_for_cpu(dev, a, 1, GANTRY_DMA_FROM_DEVICE);
	assert_reason("it is not mapped");
	/* The slot was released once: two mappings get two slots. */
	a = map(dev, p, 1000, GANTRY_DMA_FROM_DEVICE);
	b = map(dev, other, 64, GANTRY_DMA_FROM_DEVICE);
	assert_true(a != b);
	gantry_dma_unmap_single(dev, a, 1000, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_single(dev, b, 64, GANTRY_DMA_FROM_DEVICE);
	free(other);
	free(p);
}

static void
mask_without_slots_is_refused(void **state)
{
	struct gantry_dma_params bad = { .name = "bad", .mode = 77 };
	struct gantry_dma_dev *dev = bounce_device(16, 16, 0, 0);
	uint64_t need = gantry_dma_get_required_mask(dev);

	assert_null(gantry_dma_dev_create(&bad));
	assert_int_equal(rte_errno, EINVAL);
	assert_reason("no DMA mode");

	/* The library refuses a mask that no slot can fit, and later accepts a wider one. */
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), -EIO);
	assert_reason("the device drives 24");
	assert_int_equal(gantry_dma_set_mask(dev, need), 0);
	assert_int_equal(gantry_dma_get_mask(dev), need);
	/* It refuses a narrower mask once slots exist. */
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(24)), -EIO);
	assert_reason("the device drives 24");
	assert_int_equal(gantry_dma_get_mask(dev), need);
	gantry_dma_dev_destroy(dev);

	/* More than EAL has memory for. */
	dev = bounce_device(0, 0, 0, 1 << 20);
	assert_int_equal(gantry_dma_set_mask(dev, UINT64_MAX), -ENOMEM);
	assert_reason("hugepage memory");
	gantry_dma_dev_destroy(dev);
}

/* If memory is on both sides of the mask (IOVA as PA), slots use only memory within the mask. */

struct sides {
	uint64_t mask;
	bool below, above;
};

static int
on_sides(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct sides *s = arg;

	s->below |= ms->iova + ms->len - 1 <= s->mask;
	s->above |= ms->iova > s->mask;
	return 0;
}

static void
slots_are_within_mask(void **state)
{
	struct sides s = { .mask = GANTRY_DMA_BIT_MASK(24) };
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t a[32];
	uint8_t heap[LEN];
	unsigned int bits, i;

	for (bits = 24; bits < 64 && !(s.below && s.above); bits++) {
		s = (struct sides){ .mask = GANTRY_DMA_BIT_MASK(bits) };
		rte_memseg_walk(on_sides, &s);
	}
	if (bits == 64) {
		print_message("needs memory on both sides of a power of two\n");
		skip();
	}
	bits--;
	dev = bounce_device(0, 32, 0, 0);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, s.mask), 0);
	for (i = 0; i < 32; i++) {
		a[i] = map(dev, heap, LEN, GANTRY_DMA_TO_DEVICE);
		assert_true(a[i] + LEN - 1 <= s.mask);
	}
	for (i = 0; i < 32; i++)
		gantry_dma_unmap_single(dev, a[i], LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_dev_destroy(dev);
}

/* A BAR cannot be mapped in bounce mode, because registers cannot be copied. */
static void
bar_is_refused(void **state)
{
	uint8_t *bar = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	gantry_dma_addr_t a;

	assert_int_equal(gantry_mem_mmio_add(bar, 4096), 0);
	a = gantry_dma_map_resource(DEV(state), bar, UINT64_C(0xf0000000), 64,
			GANTRY_DMA_TO_DEVICE);
	assert_true(gantry_dma_mapping_error(DEV(state), a));
	assert_reason("no BAR can be mapped in mode bounce");
	gantry_mem_mmio_del(bar);
	munmap(bar, 4096);
}

/* The rest of the API uses the same mode. */
static void
lists_chains_and_coherent_memory_bounce(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct gantry_dma_seg segs[4];
	struct gantry_sg sg[3];
	struct rte_mbuf m[2];
	uint8_t *p = malloc(6000);
	gantry_dma_addr_t bus;
	unsigned int i, n;
	void *cpu;

	for (i = 0; i < 3; i++) {
		memset(p + i * 2000, i, 2000);
		gantry_sg_set_buf(&sg[i], p + i * 2000, 2000);
	}
	n = gantry_dma_map_sg(dev, sg, 3, GANTRY_DMA_BIDIRECTIONAL);
	assert_int_equal(n, 3); /* adjacent for the CPU only */
	for (i = 0; i < 3; i++) {
		assert_bytes(view(dev, sg[i].dma.addr), i, 2000);
		memset(view(dev, sg[i].dma.addr), i + 10, 2000);
	}
	gantry_dma_sync_sg_for_cpu(dev, sg, 3, GANTRY_DMA_BIDIRECTIONAL);
	for (i = 0; i < 3; i++) {
		assert_bytes(p + i * 2000, i + 10, 2000);
		memset(p + i * 2000, i + 20, 2000);
	}
	gantry_dma_sync_sg_for_device(dev, sg, 3, GANTRY_DMA_BIDIRECTIONAL);
	for (i = 0; i < 3; i++)
		assert_bytes(view(dev, sg[i].dma.addr), i + 20, 2000);
	gantry_dma_unmap_sg(dev, sg, 3, GANTRY_DMA_BIDIRECTIONAL);

	memset(m, 0, sizeof(m));
	for (i = 0; i < 2; i++) {
		m[i].buf_addr = p + i * 3000;
		m[i].data_len = 3000;
		rte_mbuf_iova_set(&m[i], RTE_BAD_IOVA); /* not used in this mode */
	}
	m[0].next = &m[1];
	assert_int_equal(gantry_dma_map_mbuf_chain(dev, m, segs, 4, GANTRY_DMA_TO_DEVICE), 2);
	assert_memory_equal(view(dev, segs[1].addr), p + 3000, 3000);
	gantry_dma_unmap_mbuf_chain(dev, m, segs, 2, GANTRY_DMA_TO_DEVICE);

	cpu = gantry_dma_alloc_coherent(dev, 4096, &bus, SOCKET_ID_ANY);
	assert_ptr_equal(view(dev, bus), cpu); /* coherent memory is not copied */
	gantry_dma_free_coherent(dev, 4096, cpu, bus);
	free(p);
}

/*
 * Threads, some of them registered as lcores: each sees its own data, as the CPU and as the device.
 */

#define THREADS 16

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	unsigned int id, bad;
};

static bool
all(const uint8_t *p, uint8_t value, size_t size)
{
	while (size > 0 && p[size - 1] == value)
		size--;
	return size == 0;
}

static void *
work(void *arg)
{
	static const size_t sizes[] = { 64, 256, 300, 2048, 9000 };
	struct worker *w = arg;
	gantry_dma_addr_t a[16];
	uint8_t *buf = malloc(16 * 9000), *seen;
	unsigned int round, i;

	if (w->id % 2 == 0 && rte_thread_register() != 0)
		w->bad++;
	for (round = 0; round < 40; round++) {
		const size_t size = sizes[(round + w->id) % RTE_DIM(sizes)];

		for (i = 0; i < 16; i++) {
			memset(buf + i * size, w->id, size);
			a[i] = gantry_dma_map_single(w->dev, buf + i * size, size,
					GANTRY_DMA_BIDIRECTIONAL);
			if (gantry_dma_mapping_error(w->dev, a[i])) {
				w->bad++;
				goto out;
			}
		}
		for (i = 0; i < 16; i++) {
			seen = gantry_bus_to_virt(w->dev, a[i]);
			w->bad += !all(seen, w->id, size);
			memset(seen, w->id + 100, size);
		}
		for (i = 0; i < 16; i++) {
			gantry_dma_unmap_single(w->dev, a[i], size, GANTRY_DMA_BIDIRECTIONAL);
			w->bad += !all(buf + i * size, w->id + 100, size);
		}
	}
out:
	if (w->id % 2 == 0)
		rte_thread_unregister();
	free(buf);
	return NULL;
}

static void
threads_see_their_own_data(void **state)
{
	struct gantry_dma_dev *dev = bounce_device(1024, 1024, 512, 0);
	struct worker w[THREADS];
	unsigned int i, n;

	assert_int_equal(gantry_dma_set_mask(dev, UINT64_MAX), 0);
	for (n = 1; n <= THREADS; n *= 4) {
		for (i = 0; i < n; i++) {
			w[i] = (struct worker){ .dev = dev, .id = i };
			start_thread(&w[i].thread, work, &w[i]);
		}
		for (i = 0; i < n; i++) {
			pthread_join(w[i].thread, NULL);
			assert_int_equal(w[i].bad, 0);
		}
	}
	gantry_dma_dev_destroy(dev);
}

/*
 * On a bus that can take EAL memory away, the device reaches only the library's own memory.
 */

static struct gantry_dma_dev *
shut_in_device(const struct gantry_dma_ops *ops, unsigned int bits)
{
	struct gantry_dma_dev *dev = bus_device(ops, GANTRY_DMA_MODE_BOUNCE);

	assert_int_equal(bus.claims, 0);
	bus_mask(dev, bits);
	assert_int_equal(bus.claims, 1);
	assert_string_equal(gantry_dma_mode_name(dev), "bounce");
	return dev;
}

static int
no_eal_memory(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	const uint8_t *va = ms->addr;
	unsigned int i;

	for (i = 0; i < bus.nr_maps; i++)
		assert_true(bus.maps[i].va + bus.maps[i].len <= va ||
				va + ms->len <= bus.maps[i].va);
	return 0;
}

/* Assert that everything that is mapped for the device is the library's memory, within the mask. */
static void
assert_shut_in(unsigned int bits, bool files)
{
	unsigned int i;

	assert_true(bus.claimed && bus.table == NULL && bus.nr_maps > 0);
	for (i = 0; i < bus.nr_maps; i++) {
		assert_int_equal(bus.maps[i].file, files);
		assert_true(bus.maps[i].iova + (bus.maps[i].len - 1) <= GANTRY_DMA_BIT_MASK(bits));
	}
	rte_memseg_walk(no_eal_memory, NULL);
}

static void
fill_all(uint8_t value)
{
	unsigned int i;

	for (i = 0; i < bus.nr_maps; i++)
		memset(bus.maps[i].va, value, bus.maps[i].len);
}

static size_t
count_all(uint8_t value)
{
	size_t n = 0, j;
	unsigned int i;

	for (i = 0; i < bus.nr_maps; i++) {
		for (j = 0; j < bus.maps[i].len; j++)
			n += bus.maps[i].va[j] == value;
	}
	return n;
}

static void
device_reaches_only_library_memory(void **state)
{
	const struct gantry_dma_ops *ops[] = { &bus_with_table, &bus_with_files, &bus_any_memory };
	static const unsigned int bits[] = { 24, 32, 64 };
	uint8_t *p = rte_malloc(NULL, LEN, 0), heap[LEN];
	gantry_dma_addr_t a, b, ring;
	unsigned int i, j;
	uint8_t *cpu;

	for (i = 0; i < RTE_DIM(ops) * RTE_DIM(bits); i++) {
		const unsigned int n = bits[i % RTE_DIM(bits)];
		const bool files = ops[i / RTE_DIM(bits)]->map_fd != NULL;
		struct gantry_dma_dev *dev = shut_in_device(ops[i / RTE_DIM(bits)], n);

		assert_shut_in(n, files);
		cpu = gantry_dma_alloc_coherent(dev, 20000, &ring, SOCKET_ID_ANY);
		assert_non_null(cpu);
		assert_int_equal(ring % 32768, 0);
		assert_int_equal((uintptr_t)cpu % 32768, 0);
		assert_shut_in(n, files);
		assert_true(device_fill(ring, 4, 20000));
		assert_bytes(cpu, 4, 20000);

		memset(p, 0xa5, LEN);
		memset(heap, 0x5a, LEN);
		a = map(dev, p, LEN, GANTRY_DMA_TO_DEVICE);
		b = map(dev, heap, LEN, GANTRY_DMA_FROM_DEVICE);
		assert_seen(a, 0xa5, LEN);
		assert_true(device_fill(b, 1, 100));
		/*
		 * The device sees the caller's bytes in the slot, and nowhere else; EAL's address
		 * of them is a fault.
		 */
		assert_int_equal(count_all(0xa5), LEN);
		assert_false(device_read(expected_bus(p), &(uint8_t){ 0 }, 1) &&
				expected_bus(p) > GANTRY_DMA_BIT_MASK(n));
		gantry_dma_unmap_single(dev, b, LEN, GANTRY_DMA_FROM_DEVICE);
		assert_bytes(heap, 1, 100);
		assert_bytes(heap + 100, 0x5a, LEN - 100);

		/*
		 * The device may write to everything it reaches: the library's records are
		 * elsewhere.
		 */
		fill_all(0xff);
		gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
		assert_bytes(p, 0xa5, LEN);
		for (j = 0; j < 100; j++) {
			heap[j + 1] = 0xee;
			a = map(dev, heap, j + 1, GANTRY_DMA_BIDIRECTIONAL);
			assert_true(device_fill(a, j, 256));
			fill_all(j);
			gantry_dma_unmap_single(dev, a, j + 1, GANTRY_DMA_BIDIRECTIONAL);
			assert_bytes(heap, j, j + 1);
			assert_int_equal(heap[j + 1], 0xee);
		}
		gantry_dma_free_coherent(dev, 20000, cpu, ring);
		assert_false(device_fill(ring, 4, 1));
		gantry_dma_dev_destroy(dev);
		assert_int_equal(bus.nr_maps, 0);
	}
	rte_free(p);
}

struct sum {
	size_t memory, buffers, coherent;
	gantry_dma_addr_t buffer;
	const void *cpu;
};

static void
add_up(void *arg, const struct gantry_dma_mapping *m)
{
	struct sum *s = arg;

	if (m->reach == GANTRY_DMA_REACH_MEMORY) {
		s->memory += m->size;
	} else if (m->reach == GANTRY_DMA_REACH_COHERENT) {
		s->coherent += m->size;
	} else {
		s->buffers += m->size;
		s->buffer = m->addr;
		s->cpu = m->cpu;
	}
}

static void
mappings_are_listed(void **state)
{
	struct gantry_dma_dev *dev = shut_in_device(&bus_with_files, 32);
	gantry_dma_addr_t ring, a;
	struct sum s = { 0 };
	uint8_t heap[LEN];
	size_t all = 0;
	unsigned int i;
	void *cpu;

	for (i = 0; i < bus.nr_maps; i++)
		all += bus.maps[i].len;
	cpu = gantry_dma_alloc_coherent(dev, 4096, &ring, SOCKET_ID_ANY);
	a = map(dev, heap, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_for_each_mapping(dev, add_up, &s);
	assert_true(s.memory >= 21 << 20 && s.memory <= all);
	assert_int_equal(s.coherent, 4096);
	assert_int_equal(s.buffers, LEN);
	assert_int_equal(s.buffer, a);
	assert_ptr_equal(s.cpu, heap);
	gantry_dma_unmap_single(dev, a, LEN, GANTRY_DMA_TO_DEVICE);
	gantry_dma_free_coherent(dev, 4096, cpu, ring);
	gantry_dma_dev_destroy(dev);
}

/* If the bus refuses a mapping, the call fails with the reason, and nothing remains mapped. */
static void
failing_bus_leaves_no_mapping(void **state)
{
	unsigned int at;

	for (at = 1; at <= 3; at++) {
		struct gantry_dma_dev *dev = bus_device(&bus_with_files, GANTRY_DMA_MODE_BOUNCE);

		bus.fail_at = at;
		assert_true(gantry_dma_set_mask(dev, UINT32_MAX) < 0);
		assert_reason("bus did not map them");
		assert_int_equal(bus.nr_maps, 0);
		gantry_dma_dev_destroy(dev);
	}
}

/*
 * More concurrent mappings than there are slots at first: the library adds slots.
 */

#define MANY 32768

static gantry_dma_addr_t many[MANY];

/* Map up to max buffers of 2,048 bytes, each with its number in it. Return how many were mapped. */
static unsigned int
map_many(struct gantry_dma_dev *dev, unsigned int max)
{
	uint8_t heap[LEN] = { 0 };
	unsigned int n;

	for (n = 0; n < max; n++) {
		memcpy(heap, &n, sizeof(n));
		many[n] = gantry_dma_map_single(dev, heap, LEN, GANTRY_DMA_TO_DEVICE);
		if (gantry_dma_mapping_error(dev, many[n]))
			break;
	}
	return n;
}

static void
unmap_many(struct gantry_dma_dev *dev, unsigned int n)
{
	while (n > 0)
		gantry_dma_unmap_single(dev, many[--n], LEN, GANTRY_DMA_TO_DEVICE);
}

static void
slots_grow_and_are_reused(void **state)
{
	struct gantry_dma_dev *dev = shut_in_device(&bus_with_files, 32);
	unsigned int i, seen, n = 3 * 8192, maps = bus.nr_maps;
	struct sum s = { 0 };

	assert_int_equal(map_many(dev, n), n);
	assert_true(bus.nr_maps > maps);
	assert_shut_in(32, true);
	for (i = 0; i < n; i++) {
		assert_true(device_read(many[i], &seen, sizeof(seen)));
		assert_int_equal(seen, i);
	}
	gantry_dma_for_each_mapping(dev, add_up, &s);
	assert_int_equal(s.buffers, (size_t)n * LEN);
	/* Released slots are used again. */
	maps = bus.nr_maps;
	unmap_many(dev, n);
	assert_int_equal(map_many(dev, n), n);
	assert_int_equal(bus.nr_maps, maps);
	unmap_many(dev, n);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);
}

/*
 * A narrower mask that all existing slots fit: there are then more slots than the limit for that
 * mask.
 */
static void
narrower_mask_keeps_existing_slots(void **state)
{
	struct gantry_dma_dev *dev = shut_in_device(&bus_with_files, 32);
	const unsigned int n = 2 * 8192 + 128 + 32; /* grown once, and the larger slots */

	assert_int_equal(map_many(dev, 8192 + 1), 8192 + 1);
	unmap_many(dev, 8192 + 1);
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(26)), 0);
	assert_int_equal(map_many(dev, MANY), n);
	assert_reason("the limit with 26 address bits");
	unmap_many(dev, n);
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(25)), -EIO);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(bus.nr_maps, 0);
}

static unsigned int
lines(const char *text)
{
	unsigned int n = 0;

	while ((text = strchr(text, '\n')) != NULL) {
		text++;
		n++;
	}
	return n;
}

/*
 * Slots grow up to a limit, which each failed call reports and the log contains once. A bus that
 * maps no more is another such limit.
 */
static void
growth_limit_is_reported_and_logged_once(void **state)
{
	static const char *const why[] = { "the limit with 24 address bits", "bus did not map" };
	unsigned int i, round, n;

	for (i = 0; i < RTE_DIM(why); i++) {
		struct gantry_dma_dev *dev = shut_in_device(&bus_with_files, 24);
		gantry_dma_addr_t ring;
		char *log = NULL;
		size_t len;
		FILE *f;
		void *cpu;

		bus.fails = i == 1;
		f = open_memstream(&log, &len);
		assert_non_null(f);
		rte_openlog_stream(f);
		for (round = 0; round < 3; round++) {
			n = map_many(dev, MANY);
			assert_reason("are in use: ");
			assert_reason(why[i]);
			/* There are 2,048, 32 and 8 at first: 5.25 MiB; 8 MiB are the limit. */
			assert_int_equal(n, 2048 + (i == 1 ? 0 : (2816 << 10) / LEN) + 32 + 8);
			unmap_many(dev, n);
		}
		rte_openlog_stream(NULL);
		fclose(f);
		assert_non_null(strstr(log, why[i]));
		assert_int_equal(lines(log), 1);
		free(log);
		/* Room for rings remains. */
		bus.fails = false;
		cpu = gantry_dma_alloc_coherent(dev, 1 << 20, &ring, SOCKET_ID_ANY);
		assert_non_null(cpu);
		gantry_dma_free_coherent(dev, 1 << 20, cpu, ring);
		gantry_dma_dev_destroy(dev);
		assert_int_equal(bus.nr_maps, 0);
	}
}

#define PART 3000 /* of `many`, for each thread */

static void *
map_part(void *arg)
{
	struct worker *w = arg;
	uint8_t heap[LEN] = { 0 };
	unsigned int i, seen;

	for (i = w->id * PART; i < (w->id + 1) * PART; i++) {
		memcpy(heap, &i, sizeof(i));
		many[i] = gantry_dma_map_single(w->dev, heap, LEN, GANTRY_DMA_TO_DEVICE);
		if (gantry_dma_mapping_error(w->dev, many[i])) {
			w->bad++;
			return NULL;
		}
	}
	for (i = w->id * PART; i < (w->id + 1) * PART; i++)
		w->bad += !device_read(many[i], &seen, sizeof(seen)) || seen != i;
	return NULL;
}

/* Threads that add slots concurrently: each finds its own data. */
static void
concurrent_growth_keeps_data_apart(void **state)
{
	struct gantry_dma_dev *dev = shut_in_device(&bus_with_files, 32);
	struct worker w[4];
	unsigned int i;

	for (i = 0; i < RTE_DIM(w); i++) {
		w[i] = (struct worker){ .dev = dev, .id = i };
		start_thread(&w[i].thread, map_part, &w[i]);
	}
	for (i = 0; i < RTE_DIM(w); i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].bad, 0);
	}
	unmap_many(dev, RTE_DIM(w) * PART);
	gantry_dma_dev_destroy(dev);
}

static void (*before_lock)(void); /* called once, before the next mutex is locked */

/* Take the place of the C library's function, for the library under test too. */
int
pthread_mutex_lock(pthread_mutex_t *mutex)
{
	int (*next)(pthread_mutex_t *);
	void *p = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	void (*call)(void) = before_lock;

	memcpy(&next, &p, sizeof(next));
	before_lock = NULL;
	if (call != NULL)
		call();
	return next(mutex);
}

static struct gantry_dma_dev *crowded;

static void
be_faster(void)
{
	many[8193] = gantry_dma_map_single(crowded, &(uint8_t[LEN]){ 0 }, LEN,
			GANTRY_DMA_TO_DEVICE);
}

/* Two threads find no slot: the second one uses the slots that the first one has added. */
static void
slots_grow_once_for_two_threads(void **state)
{
	unsigned int two, maps[2];

	for (two = 0; two < 2; two++) {
		crowded = shut_in_device(&bus_with_files, 32);
		assert_int_equal(map_many(crowded, 8192), 8192);
		maps[two] = bus.nr_maps;
		before_lock = two ? be_faster : NULL;
		many[8192] = gantry_dma_map_single(crowded, &(uint8_t[LEN]){ 0 }, LEN,
				GANTRY_DMA_TO_DEVICE);
		assert_null(before_lock);
		maps[two] = bus.nr_maps - maps[two];
		assert_false(gantry_dma_mapping_error(crowded, many[8192]));
		if (two)
			assert_false(gantry_dma_mapping_error(crowded, many[8193]));
		unmap_many(crowded, 8193 + two);
		gantry_dma_dev_destroy(crowded);
	}
	assert_true(maps[0] > 0);
	assert_int_equal(maps[0], maps[1]);
}

#define BOUNCING(f) cmocka_unit_test_setup_teardown(f, make_bounce, drop_device)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		BOUNCING(to_device_copies_at_map_and_sync),
		BOUNCING(from_device_copies_at_sync_and_unmap),
		BOUNCING(bidirectional_copies_both_ways),
		BOUNCING(skip_cpu_sync_copies_only_synced_range),
		BOUNCING(smallest_slot_that_fits_is_used),
		cmocka_unit_test(mapping_fails_if_no_slot_is_free),
		BOUNCING(misuse_is_reported_and_copies_nothing),
		cmocka_unit_test(mask_without_slots_is_refused),
		cmocka_unit_test(slots_are_within_mask),
		BOUNCING(bar_is_refused),
		BOUNCING(lists_chains_and_coherent_memory_bounce),
		cmocka_unit_test(threads_see_their_own_data),
		cmocka_unit_test(device_reaches_only_library_memory),
		cmocka_unit_test(mappings_are_listed),
		cmocka_unit_test(failing_bus_leaves_no_mapping),
		cmocka_unit_test(slots_grow_and_are_reused),
		cmocka_unit_test(narrower_mask_keeps_existing_slots),
		cmocka_unit_test(growth_limit_is_reported_and_logged_once),
		cmocka_unit_test(concurrent_growth_keeps_data_apart),
		cmocka_unit_test(slots_grow_once_for_two_threads),
	};

	eal_start(argc, argv, NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
