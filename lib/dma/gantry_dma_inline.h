/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * The hot path of the DMA library. Included by gantry_dma.h, never alone.
 *
 * Direct mode costs a few instructions a mapping. It is told from every other
 * case by one comparison that it needs anyway: the bus address against
 * direct_last, the highest bus address that may be handed out without asking.
 * That is the streaming mask in direct mode, and 0 where a mode stands in
 * between; so neither the mask nor the mode costs a branch of its own.
 *
 * Hugepage memory is the kernel's low memory: bus address = virtual address +
 * offset. The offset is constant within a page and is looked up in a directly
 * indexed table. Two pages that follow one another in virtual addresses do so
 * in bus addresses exactly if their offsets are the same, so that the check for
 * contiguity is a comparison of two table entries.
 */

#ifndef GANTRY_DMA_INLINE_H
#define GANTRY_DMA_INLINE_H

#ifndef GANTRY_DMA_H
#error "include gantry_dma.h"
#endif

/** No offset: EAL has no memory in this page now. Not a multiple of a page, so never a real one. */
#define GANTRY_DMA_NO_OFFSET UINT64_MAX

struct gantry_dma_mode;

/** EAL's memory, one entry a page; the same for all devices. */
struct gantry_dma_table {
	uintptr_t base;          /**< virtual address of entry 0 */
	uintptr_t span;          /**< bytes covered; 0: no table, look-ups go out of line */
	uint32_t shift;          /**< log2 of the smallest page that EAL uses */
	const uint64_t *offset;  /**< bus - virtual address, or GANTRY_DMA_NO_OFFSET */
};

/** The part of a device that the inline functions read. Private: for them alone. */
struct gantry_dma_dev {
	gantry_dma_addr_t direct_last;        /**< see above; never UINT64_MAX */
	const struct gantry_dma_table *table; /**< of all devices */
	const struct gantry_dma_mode *mode;   /**< NULL: mapping is a look-up */
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
int gantry_dma_mapping_error_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

static inline gantry_dma_addr_t
gantry_dma_map_single_attrs(struct gantry_dma_dev *dev, void *ptr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	const struct gantry_dma_table *t = dev->table;
	const uintptr_t at = (uintptr_t)ptr - t->base;
	/* Wraps for a size of 0, and is out of range then. */
	const uintptr_t last = at + (size - 1);
	uint64_t offset;
	gantry_dma_addr_t addr;

	if (unlikely(at > last || last >= t->span ||
			(last >> t->shift) - (at >> t->shift) > 1))
		return gantry_dma_map_slow(dev, ptr, size, dir, attrs);
	offset = t->offset[at >> t->shift];
	addr = (uintptr_t)ptr + offset;
	if (unlikely(offset == GANTRY_DMA_NO_OFFSET || offset != t->offset[last >> t->shift] ||
			addr + (size - 1) > dev->direct_last))
		return gantry_dma_map_slow(dev, ptr, size, dir, attrs);
	return addr;
}

static inline gantry_dma_addr_t
gantry_dma_map_single(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir)
{
	return gantry_dma_map_single_attrs(dev, ptr, size, dir, 0);
}

static inline void
gantry_dma_unmap_single_attrs(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	if (unlikely(dev->mode != NULL))
		gantry_dma_unmap_slow(dev, addr, size, dir, attrs);
}

static inline void
gantry_dma_unmap_single(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	gantry_dma_unmap_single_attrs(dev, addr, size, dir, 0);
}

static inline gantry_dma_addr_t
gantry_dma_map_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint32_t off,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs)
{
	const gantry_dma_addr_t iova = rte_mbuf_iova_get(m);
	const gantry_dma_addr_t addr = iova + off;

	/* The first comparison is for RTE_BAD_IOVA, of which the sum would make an address. */
	if (unlikely(iova > dev->direct_last || addr + (size - 1) > dev->direct_last))
		return gantry_dma_map_mbuf_slow(dev, m, off, size, dir, attrs);
	return addr;
}

static inline gantry_dma_addr_t
gantry_dma_map_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint32_t off, size_t size,
		enum gantry_dma_dir dir)
{
	return gantry_dma_map_mbuf_attrs(dev, m, off, size, dir, 0);
}

static inline void
gantry_dma_unmap_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs)
{
	if (unlikely(dev->mode != NULL))
		gantry_dma_unmap_mbuf_slow(dev, m, addr, size, dir, attrs);
}

static inline void
gantry_dma_unmap_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_unmap_mbuf_attrs(dev, m, addr, size, dir, 0);
}

static inline int
gantry_dma_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	if (unlikely(dev->mode != NULL))
		return gantry_dma_mapping_error_slow(dev, addr);
	return addr == GANTRY_DMA_MAPPING_ERROR;
}

static inline void
gantry_dma_sync_single_for_cpu(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir)
{
	/* Nothing is read ahead of the status that said the device is done. */
	if (dir != GANTRY_DMA_TO_DEVICE)
		rte_io_rmb();
	if (unlikely(dev->mode != NULL))
		gantry_dma_sync_slow(dev, addr, size, dir, true);
}

static inline void
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

static inline void
gantry_dma_sync_single_range_for_cpu(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		size_t offset, size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_sync_single_for_cpu(dev, addr + offset, size, dir);
}

static inline void
gantry_dma_sync_single_range_for_device(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		size_t offset, size_t size, enum gantry_dma_dir dir)
{
	gantry_dma_sync_single_for_device(dev, addr + offset, size, dir);
}
/** @endcond */

#endif /* GANTRY_DMA_INLINE_H */
