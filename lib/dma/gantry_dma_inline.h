/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The hot path of the DMA library. gantry_dma.h includes this file; nothing else may.
 *
 * Hugepage memory plays the part of the kernel's low memory: bus address = virtual address +
 * offset. The offset is constant within a page, and the library looks it up in a directly indexed
 * table. Two pages that are adjacent in virtual addresses are adjacent in bus addresses exactly if
 * their offsets are equal, so the check for contiguity compares two table entries.
 *
 * In direct mode the table holds EAL's bus addresses. In window mode it is a table of the device,
 * with other offsets. In the other modes, and under a layer, the table is empty, and the
 * first comparison, which is needed in any case, branches out of line. So the mode costs no branch.
 *
 * The functions are inlined even if the compiler does not optimise, because the library identifies
 * the caller by the return address of the out-of-line function.
 */

#ifndef GANTRY_DMA_INLINE_H
#define GANTRY_DMA_INLINE_H

#ifndef GANTRY_DMA_H
#error "include gantry_dma.h"
#endif

/** No offset: EAL has no memory in this page now. Each address that results is beyond any limit. */
#define GANTRY_DMA_NO_OFFSET (UINT64_C(1) << 63)
/**
 * The highest valid bus address. RTE_BAD_IOVA, and addresses made with GANTRY_DMA_NO_OFFSET, exceed
 * it.
 */
#define GANTRY_DMA_ADDR_MAX (GANTRY_DMA_NO_OFFSET - 1)

struct gantry_dma_mode;

/** Memory with a bus address: one entry for each page, and an empty one after the last. */
struct gantry_dma_table {
	uintptr_t base;         /**< virtual address of entry 0 */
	uintptr_t span;         /**< bytes covered; 0: no table, look-ups go out of line */
	const uint64_t *offset; /**< bus address - virtual address, or GANTRY_DMA_NO_OFFSET */
	size_t page_mask;       /**< size of EAL's smallest page - 1; at least 4,095 */
	uint32_t shift;         /**< log2 of that size */
};

/** The part of a device that the inline functions read. Private to them. */
struct gantry_dma_dev {
	struct gantry_dma_table table; /**< addresses that map may look up */
	gantry_dma_addr_t table_last;  /**< highest address that a look-up may return */
	/** highest address that map may take from an mbuf; 0: none */
	gantry_dma_addr_t mbuf_last;
	gantry_dma_addr_t undo_last; /**< unmap has something to undo up to this address */
	/** table to call: the layer's, or the mode's; NULL: the look-up does everything */
	const struct gantry_dma_mode *mode;
	bool layered; /**< mode is the table of a layer around the device */
};

/**
 * @cond
 * Out-of-line functions for what the fast path cannot answer. They serve every mode, and report the
 * reason of a failure (gantry_dma_last_error()). Callers must not use them directly.
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
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		struct gantry_dma_gather *g);
void gantry_dma_unmap_gathered_slow(struct gantry_dma_dev *dev, struct gantry_dma_gather *g);
int gantry_dma_mapping_error_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

/* Return false if the table has no bus address for the whole buffer, or none up to last. */
static inline bool
gantry_dma_look_up(const struct gantry_dma_table *t, const void *ptr, size_t size,
		gantry_dma_addr_t last, gantry_dma_addr_t *addr)
{
	const uintptr_t at = (uintptr_t)ptr - t->base;
	uint64_t offset;

	/*
	 * The function reads at most two entries; the second may be the empty one at the end. The
	 * first comparison of the size lets the compiler remove the second one, because a constant
	 * is rarely larger. A size of 0 wraps and is larger.
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
gantry_dma_map_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint32_t off, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	const gantry_dma_addr_t iova = rte_mbuf_iova_get(m);
	const gantry_dma_addr_t addr = iova + off;

	/*
	 * The first comparison catches RTE_BAD_IOVA, because adding off would make it a valid
	 * address.
	 */
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

static __rte_always_inline gantry_dma_addr_t
gantry_dma_mbuf_last(const struct gantry_dma_dev *dev, size_t room)
{
	return dev->mbuf_last >= room ? dev->mbuf_last - (room - 1) : 0;
}

static __rte_always_inline void
gantry_dma_unmap_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs)
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
gantry_dma_gather_init(struct gantry_dma_gather *g, unsigned long attrs)
{
	g->n = 0;
	g->attrs = (uint32_t)attrs;
}

static __rte_always_inline void
gantry_dma_unmap_mbuf_gather(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir, struct gantry_dma_gather *g)
{
	if (unlikely(addr <= dev->undo_last))
		gantry_dma_unmap_mbuf_gather_slow(dev, m, addr, size, dir, g);
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
	if (unlikely(dev->layered))
		return gantry_dma_mapping_error_slow(dev, addr);
	return addr == GANTRY_DMA_MAPPING_ERROR;
}

static __rte_always_inline void
gantry_dma_sync_single_for_cpu(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	/* Read no data ahead of the status with which the device reported completion. */
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
	/* Complete the CPU's writes before the doorbell notifies the device. */
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
