/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Scatter/gather: several pieces of memory as one transfer.
 *
 * Semantics of the kernel's dma_map_sg() (DMA-API-HOWTO, "Using streaming DMA mappings"),
 * and the same for chains of mbufs. Pieces that are neighbours in bus addresses come
 * out as one segment, as long as the device's limits allow: gantry_dma_set_max_seg_size(),
 * gantry_dma_set_seg_boundary(). A piece itself must be contiguous in bus addresses;
 * scattered memory is described by several pieces.
 *
 * Thread safety: any thread, any device; a list or a chain belongs to its caller.
 */

#ifndef GANTRY_DMA_SG_H
#define GANTRY_DMA_SG_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What one descriptor of the device points to. */
struct gantry_dma_seg {
	gantry_dma_addr_t addr; /**< bus address */
	size_t len;             /**< bytes */
};

/** An entry of a list. The kernel's struct scatterlist. */
struct gantry_sg {
	void *addr;                /**< the piece of memory */
	size_t length;             /**< its bytes, not 0 */
	struct rte_mbuf *mbuf;     /**< whose buffer it lies in, or NULL */
	struct gantry_dma_seg dma; /**< [out] a segment; see gantry_dma_map_sg() */
};

/** Describes memory by an entry. The kernel's sg_set_buf(). */
static inline void
gantry_sg_set_buf(struct gantry_sg *sg, void *ptr, size_t len)
{
	sg->addr = ptr;
	sg->length = len;
	sg->mbuf = NULL;
}

/** Describes a part of an mbuf segment's buffer; @p off is relative to buf_addr. */
static inline void
gantry_sg_set_mbuf(struct gantry_sg *sg, struct rte_mbuf *m, uint32_t off, size_t len)
{
	sg->addr = (uint8_t *)m->buf_addr + off;
	sg->length = len;
	sg->mbuf = m;
}

/** A segment's bus address. The kernel's sg_dma_address(). */
static inline gantry_dma_addr_t
gantry_sg_dma_address(const struct gantry_sg *sg)
{
	return sg->dma.addr;
}

/** A segment's length. The kernel's sg_dma_len(). */
static inline size_t
gantry_sg_dma_len(const struct gantry_sg *sg)
{
	return sg->dma.len;
}

/**
 * Maps a list: hands all its memory to the device. The kernel's dma_map_sg().
 *
 * The first entries' dma fields then hold as many segments as are returned, in the
 * list's order; those of the other entries have length 0. The other fields are not
 * changed, and must not be until the list is unmapped. No entry is split: one that is
 * longer than the device's segments, or crosses its boundary, is refused.
 *
 * @param dev    the device
 * @param sg     the list
 * @param nents  its entries
 * @param dir    who writes the memory
 * @return the segments, 1 to @p nents; 0: failed, nothing is mapped,
 *   gantry_dma_last_error() names the entry and the reason, and the entries' addresses are
 *   GANTRY_DMA_MAPPING_ERROR
 */
unsigned int gantry_dma_map_sg(struct gantry_dma_dev *dev, struct gantry_sg *sg,
		unsigned int nents, enum gantry_dma_dir dir);
/**
 * Takes it back. The kernel's dma_unmap_sg(). Arguments as for the mapping: @p nents is
 * the number of entries, not what the mapping returned.
 */
void gantry_dma_unmap_sg(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir);
/**
 * The CPU's turn, for the whole list. The kernel's dma_sync_sg_for_cpu(). Arguments as for
 * the mapping, as above.
 */
void gantry_dma_sync_sg_for_cpu(struct gantry_dma_dev *dev, struct gantry_sg *sg,
		unsigned int nents, enum gantry_dma_dir dir);
/** The device's turn again. The kernel's dma_sync_sg_for_device(). */
void gantry_dma_sync_sg_for_device(struct gantry_dma_dev *dev, struct gantry_sg *sg,
		unsigned int nents, enum gantry_dma_dir dir);

/**
 * Maps the data of a whole chain of mbufs. Unlike a list's entry, an mbuf segment longer than
 * the device's segments, or across its boundary, is split: the result has a room of
 * its own. mbuf segments without data are passed over.
 *
 * @param dev       the device
 * @param m         the chain; its segments and their data may not change until it is unmapped
 * @param segs      [out] what to write into descriptors, in the chain's order
 * @param max_segs  room in @p segs
 * @param dir       who writes the data
 * @return the segments; negative, nothing is mapped then and gantry_dma_last_error() has the
 *   reason: -ENOSPC: more than @p max_segs (a copy into one mbuf would do); -EIO: a
 *   segment has no mapping; -EINVAL: no data, no direction
 */
int gantry_dma_map_mbuf_chain(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		struct gantry_dma_seg *segs, unsigned int max_segs, enum gantry_dma_dir dir);
/** Takes it back: the same chain, the segments and their number as the mapping returned them. */
void gantry_dma_unmap_mbuf_chain(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir);
/**
 * The CPU's turn, for the whole chain; as gantry_dma_sync_sg_for_cpu() of a list. Arguments as
 * for the unmapping.
 */
void gantry_dma_sync_mbuf_chain_for_cpu(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir);
/** The device's turn again. */
void gantry_dma_sync_mbuf_chain_for_device(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir);
/**
 * The CPU's turn for a part of the chain's data: a frame's header, or as much as was received;
 * as gantry_dma_sync_single_range_for_cpu() of a single mapping.
 *
 * @param offset  where it begins, in bytes of data from the chain's first
 * @param size    its bytes; beyond the chain's end nothing is synced, and in the modes that sync
 *   does something in it is an error that is logged, or reported by the debug layer
 */
void gantry_dma_sync_mbuf_chain_range_for_cpu(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, size_t offset,
		size_t size, enum gantry_dma_dir dir);
/** And back. */
void gantry_dma_sync_mbuf_chain_range_for_device(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, size_t offset,
		size_t size, enum gantry_dma_dir dir);

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_SG_H */
