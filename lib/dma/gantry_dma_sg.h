/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Scatter/gather: several pieces of memory as one transfer.
 *
 * The semantics are those of the kernel's dma_map_sg() (DMA-API-HOWTO, "Using streaming DMA
 * mappings"), and the same for chains of mbufs. Pieces that are adjacent in bus addresses become
 * one segment, as far as the device's limits allow: gantry_dma_set_max_seg_size(),
 * gantry_dma_set_seg_boundary(). A piece itself must be contiguous in bus addresses; several pieces
 * describe scattered memory.
 *
 * Thread safety: any thread may call these functions on any device. A list or a chain belongs to
 * its caller.
 */

#ifndef GANTRY_DMA_SG_H
#define GANTRY_DMA_SG_H

#include "gantry_dma.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A segment: the memory to which one descriptor of the device points. */
struct gantry_dma_seg {
	gantry_dma_addr_t addr; /**< bus address */
	size_t len;             /**< bytes */
};

/** An entry of a list. The kernel's struct scatterlist. */
struct gantry_sg {
	void *addr;                /**< the piece of memory */
	size_t length;             /**< its bytes, not 0 */
	struct rte_mbuf *mbuf;     /**< the mbuf whose buffer contains the piece, or NULL */
	struct gantry_dma_seg dma; /**< [out] a segment; see gantry_dma_map_sg() */
};

/**
 * Describe memory by an entry. The kernel's sg_set_buf().
 * @param sg   the entry
 * @param ptr  the piece of memory
 * @param len  bytes, not 0
 */
static inline void
gantry_sg_set_buf(struct gantry_sg *sg, void *ptr, size_t len)
{
	sg->addr = ptr;
	sg->length = len;
	sg->mbuf = NULL;
}

/**
 * Describe a part of an mbuf segment's buffer by an entry.
 * @param sg   the entry
 * @param m    the mbuf segment
 * @param off  bytes from buf_addr
 * @param len  bytes, not 0
 */
static inline void
gantry_sg_set_mbuf(struct gantry_sg *sg, struct rte_mbuf *m, uint32_t off, size_t len)
{
	sg->addr = (uint8_t *)m->buf_addr + off;
	sg->length = len;
	sg->mbuf = m;
}

/** Return a segment's bus address. The kernel's sg_dma_address(). */
static inline gantry_dma_addr_t
gantry_sg_dma_address(const struct gantry_sg *sg)
{
	return sg->dma.addr;
}

/** Return a segment's length in bytes. The kernel's sg_dma_len(). */
static inline size_t
gantry_sg_dma_len(const struct gantry_sg *sg)
{
	return sg->dma.len;
}

/**
 * Map a list: hand ownership of all its memory to the device. The kernel's dma_map_sg().
 *
 * Afterwards the dma fields of the first entries hold the segments, in the order of the list; those
 * of the other entries have length 0. The function does not change the other fields, and the caller
 * must not change them until the list is unmapped. The function never splits an entry: it refuses
 * one that is longer than the device's segments, or crosses its boundary.
 *
 * @param dev    the device
 * @param sg     the list
 * @param nents  number of entries
 * @param dir    which side writes the memory
 * @return the number of segments, 1 to @p nents; 0: failed, and nothing is mapped:
 *   gantry_dma_last_error() names the entry and the reason, and the addresses of the entries are
 *   GANTRY_DMA_MAPPING_ERROR
 */
unsigned int gantry_dma_map_sg(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir);
/**
 * Unmap a list, each piece as gantry_dma_unmap_single() does. The kernel's dma_unmap_sg().
 * @param dev    the device
 * @param sg     the list
 * @param nents  number of entries, as for the mapping; not the value that the mapping returned
 * @param dir    as for the mapping
 */
void gantry_dma_unmap_sg(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir);
/**
 * Hand ownership of the whole list to the CPU, without unmapping. The kernel's
 * dma_sync_sg_for_cpu().
 * @param dev    the device
 * @param sg     the list
 * @param nents  number of entries, as for the mapping
 * @param dir    as for the mapping
 */
void gantry_dma_sync_sg_for_cpu(struct gantry_dma_dev *dev, struct gantry_sg *sg,
		unsigned int nents, enum gantry_dma_dir dir);
/**
 * Hand it back to the device. The kernel's dma_sync_sg_for_device().
 * @param dev    the device
 * @param sg     the list
 * @param nents  number of entries, as for the mapping
 * @param dir    as for the mapping
 */
void gantry_dma_sync_sg_for_device(struct gantry_dma_dev *dev, struct gantry_sg *sg,
		unsigned int nents, enum gantry_dma_dir dir);

/**
 * Map the data of a whole chain of mbufs.
 *
 * Unlike an entry of a list, an mbuf segment that is longer than the device's segments, or crosses
 * its boundary, is split, because the result has room of its own. The function skips mbuf segments
 * without data.
 *
 * @param dev       the device
 * @param m         the chain; its segments and their data must not change until it is unmapped
 * @param segs      [out] the segments to write into descriptors, in the order of the chain
 * @param max_segs  number of elements of @p segs
 * @param dir       which side writes the data
 * @return the number of segments; or negative: nothing is mapped, and gantry_dma_last_error() has
 *   the reason
 * @retval -ENOSPC  more than @p max_segs segments; a copy into one mbuf would avoid that
 * @retval -EIO     a segment has no mapping
 * @retval -EINVAL  no data, or no direction
 */
int gantry_dma_map_mbuf_chain(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		struct gantry_dma_seg *segs, unsigned int max_segs, enum gantry_dma_dir dir);
/**
 * Unmap a chain, each piece as gantry_dma_unmap_mbuf() does.
 * @param dev      the device
 * @param m        the same chain
 * @param segs     the segments that the mapping returned
 * @param nb_segs  their number, as returned
 * @param dir      as for the mapping
 */
void gantry_dma_unmap_mbuf_chain(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir);
/**
 * Hand ownership of the whole chain to the CPU, like gantry_dma_sync_sg_for_cpu() for a list.
 * @param dev      the device
 * @param m        the same chain
 * @param segs     the segments that the mapping returned
 * @param nb_segs  their number, as returned
 * @param dir      as for the mapping
 */
void gantry_dma_sync_mbuf_chain_for_cpu(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir);
/**
 * Hand it back to the device.
 * @param dev      the device
 * @param m        the same chain
 * @param segs     the segments that the mapping returned
 * @param nb_segs  their number, as returned
 * @param dir      as for the mapping
 */
void gantry_dma_sync_mbuf_chain_for_device(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir);
/** A part of the data of a chain. */
struct gantry_dma_part {
	size_t offset; /**< where it begins, bytes of data from the start of the chain */
	size_t size;   /**< bytes */
};
/**
 * Hand a part of the chain's data to the CPU: a frame's header, or the bytes that were received. It
 * is the counterpart of gantry_dma_sync_single_range_for_cpu() for a single mapping.
 * @param dev      the device
 * @param m        the same chain
 * @param segs     the segments that the mapping returned
 * @param nb_segs  their number, as returned
 * @param part     the part. If it exceeds the chain, nothing is synced. In the modes in which a
 *   sync does something, that is an error, which is logged, or which the debug layer reports.
 * @param dir      as for the mapping
 */
void gantry_dma_sync_mbuf_chain_range_for_cpu(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs,
		struct gantry_dma_part part, enum gantry_dma_dir dir);
/**
 * Hand that part back to the device.
 * @param dev      the device
 * @param m        the same chain
 * @param segs     the segments that the mapping returned
 * @param nb_segs  their number, as returned
 * @param part     as for gantry_dma_sync_mbuf_chain_range_for_cpu()
 * @param dir      as for the mapping
 */
void gantry_dma_sync_mbuf_chain_range_for_device(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs,
		struct gantry_dma_part part, enum gantry_dma_dir dir);

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_SG_H */
