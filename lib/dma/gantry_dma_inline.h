/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The hot path of the DMA library. Included by gantry_dma.h, never alone.
 *
 * Hugepage memory is the kernel's low memory: bus address = virtual address +
 * offset. The offset is constant within a page and is looked up in a directly
 * indexed table. Two pages that follow one another in virtual addresses do so
 * in bus addresses exactly if their offsets are the same, so that the check for
 * contiguity is a comparison of two table entries.
 *
 * In direct mode the table is that of EAL's bus addresses, in the window a table of the
 * device's own, with other offsets. In the other modes, and under the debug layer, the
 * device's table is empty, and the first comparison, which is needed anyway, leads out of
 * line. So the mode costs no branch.
 *
 * They are inlined where nothing is optimised, too: who maps, unmaps or syncs is known by where
 * the call of what is out of line returns to.
 */

#ifndef GANTRY_DMA_INLINE_H
#define GANTRY_DMA_INLINE_H

#ifndef GANTRY_DMA_H
#error "include gantry_dma.h"
#endif

/** No offset: EAL has no memory in this page now. With it every address lies beyond any limit. */
#define GANTRY_DMA_NO_OFFSET (UINT64_C(1) << 63)
/** No bus address lies beyond: neither RTE_BAD_IOVA nor one made with GANTRY_DMA_NO_OFFSET. */
#define GANTRY_DMA_ADDR_MAX  (GANTRY_DMA_NO_OFFSET - 1)

struct gantry_dma_mode;

/** Memory with a bus address, one entry a page, and one after the last that is empty. */
struct gantry_dma_table {
	uintptr_t base;          /**< virtual address of entry 0 */
	uintptr_t span;          /**< bytes covered; 0: no table, look-ups go out of line */
	const uint64_t *offset;  /**< bus - virtual address, or GANTRY_DMA_NO_OFFSET */
	size_t page_mask;        /**< smallest page that EAL uses, its size - 1; at least 4,095 */
	uint32_t shift;          /**< log2 of it */
};

/** The part of a device that the inline functions read. Private: for them alone. */
struct gantry_dma_dev {
	struct gantry_dma_table table;        /**< what they may look up */
	gantry_dma_addr_t table_last;         /**< and hand out: the highest address */
	gantry_dma_addr_t mbuf_last;          /**< and of those that mbufs carry; 0: none */
	gantry_dma_addr_t undo_last;          /**< up to here an unmapping has something to undo */
	const struct gantry_dma_mode *mode;   /**< NULL: a look-up is all that there is */
	bool debug;                           /**< mode is the debug layer's */
};

/** @cond
 * Out of line: what the fast path did not answer. They serve every mode, say
 * why they refuse (gantry_dma_last_error()), and are not for callers.
 */
gantry_dma_addr_t gantry_dma_map_slow(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
gantry_dma_addr_t gantry_dma_map_mbuf_slow(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		uint32_t off, size_t size, enum gantry_dma_dir dir, unsigned long attrs);
void gantry_dma_unmap_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs);
void gantry_dma_unmap_mbuf_slow(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs);
void gantry_dma_sync_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu);
void gantry_dma_unmap_mbuf_gather_slow(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs,
		struct gantry_dma_gather *g);
void gantry_dma_unmap_gathered_slow(struct gantry_dma_dev *dev, struct gantry_dma_gather *g);
int gantry_dma_mapping_error_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

/* False: the table has no bus address for all of it, or none up to last. */
static inline bool
gantry_dma_look_up(const struct gantry_dma_table *t, const void *ptr, size_t size,
		gantry_dma_addr_t last, gantry_dma_addr_t *addr)
{
	const uintptr_t at = (uintptr_t)ptr - t->base;
	uint64_t offset;

	/*
	 * Two entries at most are looked at, the second perhaps the empty one. The first
	 * comparison of the size is for the compiler: a constant is rarely larger. A size of 0
	 * is.
	 */
	if (unlikely(at >= t->span || (size - 1 >= 4096 && size - 1 > t->page_mask)))
		return false;
	offset = t->offset[at >> t->shift];
	*addr = (uintptr_t)ptr + offset;
	return likely(offset == t->offset[(at + (size - 1)) >> t->shift] &&
		*addr + (size - 1) <= last);
}

static __rte_always_inline gantry_dma_addr_t
gantry_dma_map_single_attrs(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	gantry_dma_addr_t addr;

	if (unlikely(!gantry_dma_look_up(&dev->table, ptr, size, dev->table_last, &addr)))
		return gantry_dma_map_slow(dev, ptr, size, dir, attrs);
	return addr;
}

static __rte_always_inline gantry_dma_addr_t
gantry_dma_map_single(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir)
{
	return gantry_dma_map_single_attrs(dev, ptr, size, dir, 0);
}

static __rte_always_inline void
gantry_dma_unmap_single_attrs(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	if (unlikely(addr <= dev->undo_last))
		gantry_dma_unmap_slow(dev, addr, size, dir, attrs);
}

static __rte_always_inline void
gantry_dma_unmap_single(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	gantry_dma_unmap_single_attrs(dev, addr, size, dir, 0);
}

static __rte_always_inline gantry_dma_addr_t
gantry_dma_map_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint32_t off,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs)
{
	const gantry_dma_addr_t iova = rte_mbuf_iova_get(m);
	const gantry_dma_addr_t addr = iova + off;

	/* The first comparison is for RTE_BAD_IOVA, of which the sum would make an address. */
	if (unlikely(iova > dev->mbuf_last || addr + (size - 1) > dev->mbuf_last))
		return gantry_dma_map_mbuf_slow(dev, m, off, size, dir, attrs);
	return addr;
}

static __rte_always_inline gantry_dma_addr_t
gantry_dma_map_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint32_t off, size_t size,
		enum gantry_dma_dir dir)
{
	return gantry_dma_map_mbuf_attrs(dev, m, off, size, dir, 0);
}

static __rte_always_inline void
gantry_dma_unmap_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs)
{
	if (unlikely(addr <= dev->undo_last))
		gantry_dma_unmap_mbuf_slow(dev, m, addr, size, dir, attrs);
}

static __rte_always_inline void
gantry_dma_unmap_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_unmap_mbuf_attrs(dev, m, addr, size, dir, 0);
}

static __rte_always_inline void
gantry_dma_unmap_mbuf_gather(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs,
		struct gantry_dma_gather *g)
{
	if (unlikely(addr <= dev->undo_last))
		gantry_dma_unmap_mbuf_gather_slow(dev, m, addr, size, dir, attrs, g);
}

static __rte_always_inline void
gantry_dma_unmap_gathered(struct gantry_dma_dev *dev, struct gantry_dma_gather *g)
{
	if (unlikely(g->n != 0))
		gantry_dma_unmap_gathered_slow(dev, g);
}

static __rte_always_inline int
gantry_dma_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	if (unlikely(dev->debug))
		return gantry_dma_mapping_error_slow(dev, addr);
	return addr == GANTRY_DMA_MAPPING_ERROR;
}

static __rte_always_inline void
gantry_dma_sync_single_for_cpu(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	/* Nothing is read ahead of the status that said the device is done. */
	if (dir != GANTRY_DMA_TO_DEVICE)
		rte_io_rmb();
	if (unlikely(dev->mode != NULL))
		gantry_dma_sync_slow(dev, addr, size, dir, true);
}

static __rte_always_inline void
gantry_dma_sync_single_for_device(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	if (unlikely(dev->mode != NULL))
		gantry_dma_sync_slow(dev, addr, size, dir, false);
	/* What was written is there before the doorbell tells the device so. */
	if (dir != GANTRY_DMA_FROM_DEVICE)
		rte_io_wmb();
	else
		rte_io_mb();
}

static __rte_always_inline void
gantry_dma_sync_single_range_for_cpu(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		size_t offset, size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_sync_single_for_cpu(dev, addr + offset, size, dir);
}

static __rte_always_inline void
gantry_dma_sync_single_range_for_device(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		size_t offset, size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_sync_single_for_device(dev, addr + offset, size, dir);
}
/** @endcond */

#endif /* GANTRY_DMA_INLINE_H */
