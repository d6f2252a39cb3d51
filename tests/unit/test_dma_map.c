/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the core of lib/dma: devices, masks, mapping in direct mode, coherent memory, and the
 * hooks that other modes implement. It is the first one to read of the DMA tests;
 * test_dma_translate.c tests the address spaces below it.
 */

#include <sys/mman.h>

#include "dma_eal.h"

#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dma_device.h"

static void
assert_refused(struct gantry_dma_dev *dev, const void *ptr, size_t size, const char *why)
{
	gantry_dma_addr_t a = gantry_dma_map_single(dev, (void *)(uintptr_t)ptr, size,
			GANTRY_DMA_TO_DEVICE);

	assert_true(gantry_dma_mapping_error(dev, a));
	assert_reason(why);
}

static void
invalid_parameters_are_refused(void **state)
{
	struct gantry_dma_params p = { .name = "", .socket_id = SOCKET_ID_ANY };
	struct gantry_dma_dev *dev;

	assert_null(gantry_dma_dev_create(NULL));
	assert_int_equal(rte_errno, EINVAL);
	assert_null(gantry_dma_dev_create(&p));
	assert_int_equal(rte_errno, EINVAL);
	gantry_dma_dev_destroy(NULL);

	/* Until a driver sets a mask, a device drives 32 bits, as in the kernel. */
	p.name = "new";
	dev = gantry_dma_dev_create(&p);
	assert_non_null(dev);
	assert_int_equal(dma_device(dev)->mask, UINT32_MAX);
	assert_int_equal(dma_device(dev)->coherent_mask, UINT32_MAX);
	gantry_dma_dev_destroy(dev);
}

static void
unmet_mask_is_refused_and_changes_nothing(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	uint64_t need = gantry_dma_get_required_mask(dev);
	void *p = rte_malloc(NULL, 4096, 4096);
	gantry_dma_addr_t bus = expected_bus(p);

	assert_true(bus <= need);
	assert_true((need & (need + 1)) == 0);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, need), 0);

	/* No bits at all, bits missing in between, too few for any device. */
	assert_int_equal(gantry_dma_set_mask(dev, 0), -EINVAL);
	assert_int_equal(gantry_dma_set_mask(dev, 0xff00ffffff), -EINVAL);
	assert_int_equal(gantry_dma_set_mask(dev, GANTRY_DMA_BIT_MASK(23)), -EINVAL);

	/* A mask that cannot be met is refused, with the reason, and changes nothing. */
	assert_int_equal(gantry_dma_set_mask(dev, need >> 1), -EIO);
	assert_reason("the device drives");
	assert_reason("bus address 0x");
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, need >> 1), -EIO);
	assert_int_equal(dma_device(dev)->mask, need);
	assert_int_equal(dma_device(dev)->coherent_mask, need);
	assert_int_equal(gantry_dma_map_single(dev, p, 64, GANTRY_DMA_TO_DEVICE), bus);

	/*
	 * Memory above the mask may arrive after the mask was set. Here the test sets the mask
	 * afterwards, which is the same for the mapping.
	 */
	dma_device(dev)->mask = need >> 1;
	dma_device(dev)->coherent_mask = GANTRY_DMA_BIT_MASK(24);
	dma_set_mode(dev, &dma_direct_mode);
	if (bus > need >> 1) {
		assert_refused(dev, p, 64, "bits; the device drives");
	}
	assert_null(gantry_dma_alloc_coherent(dev, 4096, &bus, SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EIO);
	assert_reason("bits; the device drives 24");
	rte_free(p);
}

struct sides {
	uint64_t mask;
	size_t below, above;
};

static int
on_sides(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct sides *s = arg;

	*(ms->iova <= s->mask ? &s->below : &s->above) += ms->len;
	return 0;
}

static struct sides
sides_of(uint64_t mask)
{
	struct sides s = { .mask = mask };

	rte_memseg_walk(on_sides, &s);
	return s;
}

#define ENOUGH ((size_t)8 << 20) /* enough that some of it is free */
#define PIECE  ((size_t)512 << 10)

/*
 * Allocate almost all memory, and then free the pieces below the mask and every second piece above
 * it. EAL uses the holes above first. Return the number of pieces; a freed one is NULL.
 */
static unsigned int
make_holes(void **pieces, unsigned int max, uint64_t mask)
{
	struct rte_malloc_socket_stats heap;
	unsigned int i, n, above = 0;

	for (n = 0; n < max; n++) {
		assert_int_equal(rte_malloc_get_socket_stats(rte_socket_id(), &heap), 0);
		if (heap.greatest_free_size < 2 * PIECE)
			break;
		pieces[n] = rte_malloc(NULL, PIECE, 4096);
		assert_non_null(pieces[n]);
	}
	for (i = 0; i < n; i++) {
		if (rte_mem_virt2iova(pieces[i]) <= mask || above++ % 2 == 0) {
			rte_free(pieces[i]);
			pieces[i] = NULL;
		}
	}
	return n;
}

/*
 * The coherent mask alone: if it is refused, the reason names this mask and not the streaming one.
 */
static void
coherent_mask_is_separate(void **state)
{
	struct sides s = sides_of(gantry_dma_get_required_mask(DEV(state)) >> 1), less = s;
	struct gantry_dma_params p = { .name = "apart", .socket_id = SOCKET_ID_ANY };
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t bus;
	void *block, *pieces[256];
	unsigned int n;
	char drives[64];

	assert_true(s.above > 0);
	for (; less.mask > GANTRY_DMA_BIT_MASK(24) && less.below >= ENOUGH;
			less = sides_of(s.mask >> 1))
		s = less;
	snprintf(drives, sizeof(drives), "the device drives %u address bits for coherent memory",
			dma_bits(s.mask));
	for (p.mode = GANTRY_DMA_MODE_AUTO; p.mode <= GANTRY_DMA_MODE_DIRECT; p.mode++) {
		dev = gantry_dma_dev_create(&p);
		assert_non_null(dev);
		assert_int_equal(gantry_dma_set_mask(dev, UINT64_MAX), 0);
		if (s.below == 0) {
			assert_int_equal(gantry_dma_set_coherent_mask(dev, s.mask), -EIO);
			assert_reason(drives);
			assert_int_equal(gantry_dma_get_coherent_mask(dev), UINT32_MAX);
		} else {
			assert_int_equal(gantry_dma_set_coherent_mask(dev, s.mask), 0);
			assert_int_equal(gantry_dma_get_coherent_mask(dev), s.mask);
		}
		/*
		 * If memory is on both sides of the mask (IOVA as PA), blocks come from the memory
		 * below.
		 */
		if (s.below >= ENOUGH) {
			n = make_holes(pieces, RTE_DIM(pieces), s.mask);
			block = gantry_dma_alloc_coherent(dev, 4096, &bus, SOCKET_ID_ANY);
			while (n > 0)
				rte_free(pieces[--n]);
			if (block == NULL)
				fail_msg("%s", gantry_dma_last_error());
			assert_true(bus + 4095 <= s.mask);
			gantry_dma_free_coherent(dev, 4096, block, bus);
		}
		assert_string_equal(gantry_dma_mode_name(dev), "direct");
		gantry_dma_dev_destroy(dev);
	}
}

static void
masks_and_segment_limits_have_kernel_defaults(void **state)
{
	struct gantry_dma_params p = { .name = "limits", .socket_id = SOCKET_ID_ANY };
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);
	uint64_t need;

	assert_non_null(dev);
	need = gantry_dma_get_required_mask(dev);
	assert_int_equal(gantry_dma_get_mask(dev), UINT32_MAX);
	assert_int_equal(gantry_dma_get_coherent_mask(dev), UINT32_MAX);
	assert_int_equal(gantry_dma_addressing_limited(dev), need > UINT32_MAX);

	/* Streaming and coherent masks are separate; only the former limits mappings. */
	assert_int_equal(gantry_dma_set_mask(dev, need), 0);
	assert_int_equal(gantry_dma_get_mask(dev), need);
	assert_int_equal(gantry_dma_get_coherent_mask(dev), UINT32_MAX);
	assert_false(gantry_dma_addressing_limited(dev));
	assert_int_equal(gantry_dma_set_coherent_mask(dev, UINT64_MAX), 0);
	assert_int_equal(gantry_dma_get_mask(dev), need);
	assert_int_equal(gantry_dma_get_coherent_mask(dev), UINT64_MAX);
	dma_device(dev)->mask = need >> 1;
	assert_true(gantry_dma_addressing_limited(dev));

	assert_int_equal(gantry_dma_max_mapping_size(dev), SIZE_MAX);

	/* The kernel's defaults. */
	assert_int_equal(gantry_dma_get_max_seg_size(dev), 65536);
	assert_int_equal(gantry_dma_get_seg_boundary(dev), UINT32_MAX);
	assert_int_equal(gantry_dma_set_max_seg_size(dev, 0), -EINVAL);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, 0), -EINVAL);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, 0x1000), -EINVAL);
	assert_int_equal(gantry_dma_get_max_seg_size(dev), 65536);
	assert_int_equal(gantry_dma_get_seg_boundary(dev), UINT32_MAX);
	assert_int_equal(gantry_dma_set_max_seg_size(dev, 4096), 0);
	assert_int_equal(gantry_dma_set_seg_boundary(dev, 0xffff), 0);
	assert_int_equal(gantry_dma_get_max_seg_size(dev), 4096);
	assert_int_equal(gantry_dma_get_seg_boundary(dev), 0xffff);
	gantry_dma_dev_destroy(dev);
}

/* Members that the device writes share no cache line with members that the CPU writes. */
static void
from_device_group_has_its_own_cache_lines(void **state)
{
	struct request {
		int state;
		GANTRY_DMA_FROM_DEVICE_GROUP_BEGIN(reply);
		uint8_t reply[5];
		GANTRY_DMA_FROM_DEVICE_GROUP_END(reply);
		int retries;
		GANTRY_DMA_FROM_DEVICE_GROUP_BEGIN();
		uint8_t status;
		GANTRY_DMA_FROM_DEVICE_GROUP_END();
	};

	assert_int_equal(offsetof(struct request, reply), 1 * GANTRY_DMA_CACHE_ALIGNMENT);
	assert_int_equal(offsetof(struct request, retries), 2 * GANTRY_DMA_CACHE_ALIGNMENT);
	assert_int_equal(offsetof(struct request, status), 3 * GANTRY_DMA_CACHE_ALIGNMENT);
	assert_int_equal(sizeof(struct request), 4 * GANTRY_DMA_CACHE_ALIGNMENT);
	assert_int_equal(_Alignof(struct request), GANTRY_DMA_CACHE_ALIGNMENT);
}

static void
direct_mapping_returns_eal_address(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	static const size_t sizes[] = { 1, 64, 2048, 9728, 65536, 1 << 20 };
	enum gantry_dma_dir dir;
	unsigned int i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		uint8_t *p = rte_malloc(NULL, sizes[i], 64);

		assert_non_null(p);
		for (dir = GANTRY_DMA_BIDIRECTIONAL; dir < GANTRY_DMA_NONE; dir++) {
			gantry_dma_addr_t a = gantry_dma_map_single(dev, p, sizes[i], dir);

			/* 1 MiB may span two pages that are not adjacent. */
			if (rte_eal_iova_mode() == RTE_IOVA_PA && sizes[i] > 65536 &&
					gantry_dma_mapping_error(dev, a))
				continue;
			assert_false(gantry_dma_mapping_error(dev, a));
			assert_int_equal(a, expected_bus(p));
			gantry_dma_sync_single_for_cpu(dev, a, sizes[i], dir);
			gantry_dma_sync_single_for_device(dev, a, sizes[i], dir);
			gantry_dma_unmap_single(dev, a, sizes[i], dir);
		}
		rte_free(p);
	}
}

static void
unmappable_memory_is_refused_with_reason(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	const size_t page = 4096;
	void *huge = rte_malloc(NULL, page, 0), *heap = malloc(64);
	void *reserved = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int on_stack = 0;

	assert_refused(dev, heap, 64, "process memory");
	assert_refused(dev, &on_stack, sizeof(on_stack), "process memory");
	assert_refused(dev, (const void *)(uintptr_t)unmet_mask_is_refused_and_changes_nothing, 16,
			"process memory");
	assert_refused(dev, NULL, 64, "nothing is there");
	assert_refused(dev, reserved, 64, "nothing is there");
	assert_refused(dev, huge, 0, "no such range");
	assert_refused(dev, huge, SIZE_MAX, "no such range");
	assert_refused(dev, huge, SIZE_MAX - (uintptr_t)huge, " is "); /* the next memory decides */
	assert_refused(dev, (void *)UINTPTR_MAX, 2, "no such range");
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_slow(dev, huge, 64, GANTRY_DMA_NONE, 0)));
	assert_reason("without a direction");

	assert_int_equal(gantry_mem_mmio_add(heap, 64), 0);
	assert_refused(dev, heap, 64, "registers are no DMA buffer");
	gantry_mem_mmio_del(heap);

	munmap(reserved, page);
	free(heap);
	rte_free(huge);
}

struct edge {
	uint8_t *at; /* first byte of a page that follows another one */
	bool contiguous;
	const struct rte_memseg *prev;
};

static int
find_edge(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	struct edge *e = arg;

	if (msl->external)
		return 0;
	if (e->prev != NULL && (uint8_t *)e->prev->addr + e->prev->len == ms->addr) {
		bool contiguous = e->prev->iova + e->prev->len == ms->iova;

		if (e->at == NULL || !contiguous) {
			e->at = ms->addr;
			e->contiguous = contiguous;
		}
		if (!contiguous)
			return 1;
	}
	e->prev = ms;
	return 0;
}

/*
 * A buffer across the border of two pages: mapped if their bus addresses are adjacent, else
 * refused.
 */
static void
buffer_across_pages_needs_contiguous_iova(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct edge e = { 0 };

	rte_memseg_walk(find_edge, &e);
	assert_non_null(e.at);
	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		assert_true(e.contiguous);
	if (e.contiguous) {
		print_message("all of EAL's pages follow one another in bus addresses\n");
		assert_int_equal(gantry_dma_map_single(dev, e.at - 32, 64, GANTRY_DMA_TO_DEVICE),
				gantry_virt_to_bus(dev, e.at - 32));
	} else {
		assert_refused(dev, e.at - 32, 64, "not contiguous in bus addresses");
	}
	assert_false(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, e.at, 64, GANTRY_DMA_TO_DEVICE)));
	assert_false(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, e.at - 64, 64, GANTRY_DMA_TO_DEVICE)));
}

/* A buffer of many pages takes the out-of-line function. */
static void
buffer_of_many_pages_is_checked(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	const size_t len = 12 << 20;
	uint8_t *p = rte_malloc(NULL, len, 0);
	gantry_dma_addr_t a;

	assert_non_null(p);
	a = gantry_dma_map_single(dev, p, len, GANTRY_DMA_TO_DEVICE);
	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		assert_int_equal(a, (uintptr_t)p);
	else if (gantry_phys_contiguous(p, len) == 1)
		assert_int_equal(a, expected_bus(p));
	else
		assert_true(gantry_dma_mapping_error(dev, a));
	rte_free(p);
}

static void
mbuf_maps_to_its_iova(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	struct rte_mempool *pool = rte_pktmbuf_pool_create("dma_test", 64, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct rte_mbuf_ext_shared_info shared = { 0 };
	struct rte_mbuf *m;
	gantry_dma_addr_t a;
	uint8_t *heap = malloc(2048);

	assert_non_null(pool);
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(m);
	a = gantry_dma_map_mbuf(dev, m, m->data_off, 1500, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, a));
	assert_int_equal(a, rte_mbuf_data_iova(m));
	assert_int_equal(a, expected_bus(rte_pktmbuf_mtod(m, void *)));
	gantry_dma_unmap_mbuf(dev, m, a, 1500, GANTRY_DMA_FROM_DEVICE);

	/*
	 * An external buffer without a known bus address: the mapping fails, it does not return one
	 * near 0.
	 */
	rte_mbuf_ext_refcnt_set(&shared, 2);
	rte_pktmbuf_attach_extbuf(m, heap, RTE_BAD_IOVA, 2048, &shared);
	a = gantry_dma_map_mbuf(dev, m, 128, 1500, GANTRY_DMA_TO_DEVICE);
	assert_true(gantry_dma_mapping_error(dev, a));
	assert_reason("process memory");
	rte_pktmbuf_detach(m);
	rte_pktmbuf_free(m);
	rte_mempool_free(pool);
	free(heap);
}

static void
mask_is_exactly(struct gantry_dma_dev *dev, uint64_t mask)
{
	dma_device(dev)->mask = mask;
	dma_set_mode(dev, &dma_direct_mode);
}

/* The last byte counts, inline and out of line, for buffers and mbufs. */
static void
end_of_a_buffer_is_compared_with_the_mask_exactly(void **state)
{
	static const size_t sizes[] = { 1, 2, 64, 2048, 4096, 4097, 65536, 1 << 20 };
	struct rte_mempool *pool = rte_pktmbuf_pool_create("ends", 63, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *p = rte_malloc(NULL, 1 << 20, 1 << 20);
	const gantry_dma_addr_t bus = expected_bus(p);
	struct rte_mbuf *m;
	gantry_dma_addr_t at;
	unsigned int i;

	assert_non_null(p);
	assert_non_null(pool);
	m = rte_pktmbuf_alloc(pool);
	for (i = 0; i < RTE_DIM(sizes); i++) {
		const size_t size = sizes[i];

		if (rte_eal_iova_mode() == RTE_IOVA_PA && gantry_phys_contiguous(p, size) != 1)
			continue;
		mask_is_exactly(dev, bus + size - 1);
		assert_int_equal(gantry_dma_map_single(dev, p, size, GANTRY_DMA_TO_DEVICE), bus);
		assert_int_equal(gantry_dma_map_slow(dev, p, size, GANTRY_DMA_TO_DEVICE, 0), bus);
		mask_is_exactly(dev, bus + size - 2);
		assert_refused(dev, p, size, "the device drives");
		assert_true(gantry_dma_mapping_error(dev,
				gantry_dma_map_slow(dev, p, size, GANTRY_DMA_TO_DEVICE, 0)));
		if (size > 2048)
			continue;
		at = rte_mbuf_iova_get(m) + m->data_off;
		mask_is_exactly(dev, at + size - 1);
		assert_int_equal(gantry_dma_map_mbuf(dev, m, m->data_off, size,
						 GANTRY_DMA_TO_DEVICE),
				at);
		assert_int_equal(gantry_dma_mbuf_last(dev, m->data_off + size),
				rte_mbuf_iova_get(m));
		mask_is_exactly(dev, at + size - 2);
		assert_int_equal(gantry_dma_mbuf_last(dev, m->data_off + size),
				rte_mbuf_iova_get(m) - 1);
		assert_true(gantry_dma_mapping_error(dev,
				gantry_dma_map_mbuf(dev, m, m->data_off, size,
						GANTRY_DMA_TO_DEVICE)));
	}
	mask_is_exactly(dev, UINT64_MAX);
	rte_pktmbuf_free(m);
	rte_mempool_free(pool);
	rte_free(p);
}

static int
find_end(const struct rte_memseg_list *msl, const struct rte_memseg *ms, void *arg)
{
	uint8_t **end = arg;

	if (!msl->external && ms->len != 0)
		*end = RTE_MAX(*end, (uint8_t *)ms->addr + ms->len);
	return 0;
}

/* The last byte of EAL memory can be mapped, and nothing beyond it. */
static void
end_of_memory_is_the_end_of_what_can_be_mapped(void **state)
{
	static const size_t sizes[] = { 1, 64, 2048, 4096 };
	struct gantry_dma_dev *dev = DEV(state);
	uint8_t *end = NULL;
	unsigned int i;

	rte_memseg_walk(find_end, &end);
	assert_non_null(end);
	for (i = 0; i < RTE_DIM(sizes); i++) {
		assert_int_equal(gantry_dma_map_single(dev, end - sizes[i], sizes[i],
						 GANTRY_DMA_TO_DEVICE),
				expected_bus(end - sizes[i]));
		assert_true(gantry_dma_mapping_error(dev,
				gantry_dma_map_single(dev, end - sizes[i], sizes[i] + 1,
						GANTRY_DMA_TO_DEVICE)));
	}
	assert_true(gantry_dma_mapping_error(dev,
			gantry_dma_map_single(dev, end, 1, GANTRY_DMA_TO_DEVICE)));
}

static void
external_memory_maps_to_registered_iova(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	const size_t page = 4096, n = 4;
	rte_iova_t iovas[4] = { 0x10000000, 0x10001000, 0x20000000, 0x20001000 };
	uint8_t *mem = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	assert_refused(dev, mem, 64, "process memory");
	assert_int_equal(rte_extmem_register(mem, n * page, iovas, n, page), 0);
	assert_int_equal(gantry_mem_classify(mem), GANTRY_MEM_EXTERNAL);
	assert_int_equal(gantry_dma_map_single(dev, mem + 100, 2 * page - 100,
					 GANTRY_DMA_TO_DEVICE),
			0x10000000 + 100);
	assert_refused(dev, mem + 100, 2 * page, "not contiguous");
	assert_ptr_equal(gantry_bus_to_virt(dev, 0x20000010), mem + 2 * page + 0x10);
	assert_int_equal(rte_extmem_unregister(mem, n * page), 0);

	assert_int_equal(rte_extmem_register(mem, n * page, NULL, 0, page), 0);
	assert_refused(dev, mem, 64, "without a bus address");
	assert_int_equal(rte_extmem_unregister(mem, n * page), 0);
	munmap(mem, n * page);
}

/* Memory that EAL adds and removes while devices exist. */
static void
added_and_removed_memory_is_followed(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	const size_t len = 128 << 20;
	uintptr_t middle;
	unsigned int i;
	uint8_t *p;

	if (!eal_huge() || eal_free_hugepages() < 80) {
		print_message("needs 80 free hugepages: EAL memory grows only with them\n");
		skip();
	}
	for (i = 0; i < 3; i++) {
		p = rte_malloc(NULL, len, 0);
		assert_non_null(p);
		assert_int_equal(gantry_dma_map_single(dev, p + len - 64, 64, GANTRY_DMA_TO_DEVICE),
				expected_bus(p + len - 64));
		middle = (uintptr_t)p + len / 2;
		rte_free(p);
		assert_refused(dev, (void *)middle, 64, "nothing is there");
	}
}

static void
count_block(void *arg, const struct gantry_dma_block *b)
{
	unsigned int *n = arg;

	assert_true(b->size != 0);
	(*n)++;
}

static void
coherent_block_is_aligned_and_zeroed(void **state)
{
	struct gantry_dma_dev *dev = DEV(state);
	gantry_dma_addr_t bus[14];
	void *cpu[14];
	size_t size, i, j;
	unsigned int n, round;

	for (round = 0; round < 2; round++) {
		/* Rings of 8 to 32,768 descriptors: 128 bytes to 512 KiB. */
		for (i = 0; i < 13; i++) {
			size = (size_t)128 << i;
			cpu[i] = gantry_dma_alloc_coherent(dev, size, &bus[i], SOCKET_ID_ANY);
			assert_non_null(cpu[i]);
			assert_int_equal(bus[i] % size, 0);
			assert_int_equal((uintptr_t)cpu[i] % size, 0);
			assert_int_equal(bus[i], expected_bus(cpu[i]));
			for (j = 0; j < size; j++)
				assert_int_equal(((uint8_t *)cpu[i])[j], 0);
			memset(cpu[i], 0xa5, size);
			if (rte_eal_iova_mode() == RTE_IOVA_PA)
				assert_int_equal(gantry_phys_contiguous(cpu[i], size), 1);
		}
		n = 0;
		gantry_dma_for_each_block(dev, count_block, &n);
		assert_int_equal(n, 13);
		for (i = 0; i < 13; i++)
			gantry_dma_free_coherent(dev, (size_t)128 << i, cpu[i], bus[i]);
		n = 0;
		gantry_dma_for_each_block(dev, count_block, &n);
		assert_int_equal(n, 0);
	}

	/* Aligned to the smallest power of two of pages that holds the block, in both addresses. */
	cpu[0] = gantry_dma_alloc_coherent(dev, 5000, &bus[0], SOCKET_ID_ANY);
	assert_int_equal((bus[0] | (uintptr_t)cpu[0]) % 8192, 0);
	cpu[1] = gantry_dma_alloc_coherent(dev, 1, &bus[1], 0);
	assert_int_equal((bus[1] | (uintptr_t)cpu[1]) % 4096, 0);
	/* Across several EAL pages: aligned as promised, or refused. */
	cpu[2] = gantry_dma_alloc_coherent(dev, 3 << 20, &bus[2], SOCKET_ID_ANY);
	if (cpu[2] != NULL) {
		assert_int_equal((bus[2] | (uintptr_t)cpu[2]) % (4 << 20), 0);
		gantry_dma_free_coherent(dev, 3 << 20, cpu[2], bus[2]);
	} else {
		assert_int_equal(rte_eal_iova_mode(), RTE_IOVA_PA);
	}

	/* Misuse is reported and has no effect. */
	gantry_dma_free_coherent(dev, 5000, (uint8_t *)cpu[0] + 64, bus[0] + 64);
	assert_reason("no coherent block");
	gantry_dma_free_coherent(dev, 4999, cpu[0], bus[0]);
	assert_reason("allocated as 5000");
	gantry_dma_free_coherent(dev, 5000, cpu[0], bus[0]);
	assert_reason("no coherent block");
	gantry_dma_free_coherent(dev, 1, NULL, 0);

	assert_null(gantry_dma_alloc_coherent(dev, 0, &bus[0], SOCKET_ID_ANY));
	assert_int_equal(rte_errno, EINVAL);
	assert_null(gantry_dma_alloc_coherent(dev, (size_t)1 << 40, &bus[0], SOCKET_ID_ANY));
	assert_int_equal(rte_errno, ENOMEM);
	assert_reason("hugepage memory");
	/* The device's destruction reports and frees cpu[1]. */
}

/* A mode receives each call, through the same inline functions. */

static unsigned int mode_calls[3];
static gantry_dma_addr_t mode_synced;
static unsigned long mode_attrs;

static gantry_dma_addr_t
mode_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	mode_attrs = attrs;
	mode_calls[0]++;
	return 0x1234000;
}

static void
mode_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	mode_attrs = attrs;
	assert_int_equal(addr, 0x1234000);
	mode_calls[1]++;
}

static void
mode_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		bool for_cpu, const void *site)
{
	mode_calls[2]++;
	mode_synced = addr;
}

static uint64_t
mode_required_mask(struct gantry_dma_dev *dev)
{
	return GANTRY_DMA_BIT_MASK(28);
}

static size_t
mode_max_mapping_size(struct gantry_dma_dev *dev)
{
	return 4096;
}

static void
mode_receives_every_call(void **state)
{
	static const struct gantry_dma_mode mode = {
		.name = "test",
		.map = mode_map,
		.unmap = mode_unmap,
		.sync = mode_sync,
		.required_mask = mode_required_mask,
		.max_mapping_size = mode_max_mapping_size,
	};
	struct gantry_dma_dev *dev = DEV(state);
	struct rte_mbuf m;
	uint8_t *p = rte_malloc(NULL, 64, 0);
	gantry_dma_addr_t a;

	dma_set_mode(dev, &mode);
	a = gantry_dma_map_single(dev, p, 64, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(a, 0x1234000);
	assert_int_equal(gantry_dma_mapping_error(dev, a), 0);
	gantry_dma_sync_single_for_cpu(dev, a, 64, GANTRY_DMA_TO_DEVICE);
	gantry_dma_sync_single_for_device(dev, a, 64, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(mode_synced, a);
	gantry_dma_sync_single_range_for_cpu(dev, a, 16, 8, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(mode_synced, a + 16);
	gantry_dma_sync_single_range_for_device(dev, a, 24, 8, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(mode_synced, a + 24);
	gantry_dma_unmap_single(dev, a, 64, GANTRY_DMA_TO_DEVICE);
	memset(&m, 0, sizeof(m));
	m.buf_addr = p;
	rte_mbuf_iova_set(&m, rte_malloc_virt2iova(p));
	assert_int_equal(gantry_dma_mbuf_last(dev, 64), 0);
	a = gantry_dma_map_mbuf(dev, &m, 0, 64, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_mbuf(dev, &m, a, 64, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(mode_attrs, 0);
	gantry_dma_map_mbuf_attrs(dev, &m, 0, 64, GANTRY_DMA_TO_DEVICE, 3);
	assert_int_equal(mode_attrs, 3);
	gantry_dma_unmap_mbuf_attrs(dev, &m, a, 64, GANTRY_DMA_TO_DEVICE, 4);
	assert_int_equal(mode_attrs, 4);
	gantry_dma_map_single_attrs(dev, p, 64, GANTRY_DMA_TO_DEVICE, 5);
	assert_int_equal(mode_attrs, 5);
	gantry_dma_unmap_single_attrs(dev, a, 64, GANTRY_DMA_TO_DEVICE, 6);
	assert_int_equal(mode_attrs, 6);
	assert_int_equal(mode_calls[0], 4);
	assert_int_equal(mode_calls[1], 4);
	assert_int_equal(mode_calls[2], 4);
	assert_int_equal(gantry_dma_get_required_mask(dev), GANTRY_DMA_BIT_MASK(28));
	assert_false(gantry_dma_addressing_limited(dev));
	assert_int_equal(gantry_dma_max_mapping_size(dev), 4096);
	dma_set_mode(dev, &dma_direct_mode);
	assert_int_equal(gantry_dma_map_single(dev, p, 64, GANTRY_DMA_TO_DEVICE), expected_bus(p));
	rte_free(p);
}

static void
core_on_another_node_is_reported(void **state)
{
	struct gantry_dma_params p = { .name = "far", .socket_id = 7 };
	struct gantry_dma_dev *dev = DEV(state), *far_dev = gantry_dma_dev_create(&p);
	unsigned int lcore = rte_get_main_lcore();
	int node = gantry_numa_node_of_lcore(lcore);

	assert_true(node >= 0);
	assert_int_equal(gantry_numa_node_of_lcore(RTE_MAX_LCORE), -1);
	assert_int_equal(gantry_dma_numa_check(dev, "rx queue 0", lcore, node), 0);
	assert_int_equal(gantry_dma_numa_check(dev, "rx queue 0", lcore, SOCKET_ID_ANY), 0);
	assert_int_equal(gantry_dma_numa_check(dev, "rx queue 0", RTE_MAX_LCORE, 5), 0);
	assert_int_equal(gantry_dma_numa_check(dev, "rx queue 0", lcore, node + 1), 1);
	assert_int_equal(gantry_dma_numa_check(far_dev, "rx queue 0", lcore, node), 1);
	gantry_dma_dev_destroy(far_dev);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(invalid_parameters_are_refused),
		ON_DEVICE(unmet_mask_is_refused_and_changes_nothing),
		ON_DEVICE(coherent_mask_is_separate),
		cmocka_unit_test(masks_and_segment_limits_have_kernel_defaults),
		cmocka_unit_test(from_device_group_has_its_own_cache_lines),
		ON_DEVICE(direct_mapping_returns_eal_address),
		ON_DEVICE(unmappable_memory_is_refused_with_reason),
		ON_DEVICE(buffer_across_pages_needs_contiguous_iova),
		ON_DEVICE(buffer_of_many_pages_is_checked),
		ON_DEVICE(mbuf_maps_to_its_iova),
		ON_DEVICE(end_of_a_buffer_is_compared_with_the_mask_exactly),
		ON_DEVICE(end_of_memory_is_the_end_of_what_can_be_mapped),
		ON_DEVICE(external_memory_maps_to_registered_iova),
		ON_DEVICE(added_and_removed_memory_is_followed),
		ON_DEVICE(coherent_block_is_aligned_and_zeroed),
		ON_DEVICE(mode_receives_every_call),
		ON_DEVICE(core_on_another_node_is_reported),
	};
	int ret;

	eal_start(argc, argv, NULL);
	ret = cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
	rte_eal_cleanup();
	return ret;
}
