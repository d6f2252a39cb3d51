/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scatter/gather, for lists and for chains of mbufs.
 *
 * The input is pieces of memory, with one mapping each. The output is segments, and a segment may
 * cover several pieces or a part of one. Both are the same bytes in the same order. So the library
 * need not remember the mapping of a piece: unmapping, syncing and unwinding find its bus address
 * by walking pieces and segments side by side.
 *
 * In direct mode there is nothing to undo, and these functions return at once.
 */

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "dma_core.h"
#include "gantry_dma_sg.h"

/* Pieces: the entries of a list, or the segments of a chain. */
struct pieces {
	struct gantry_sg *sg;
	unsigned int left;  /* remaining entries of the list */
	struct rte_mbuf *m; /* remaining segments of the chain */
};

struct piece {
	void *ptr;
	size_t len;
	struct rte_mbuf *m;
};

/* Segments, in whatever array they are. */
struct segs {
	struct gantry_dma_seg *at;
	size_t stride;
	unsigned int n, max;
	size_t off; /* in a walk: bytes of the first segment that are already passed */
};

static bool
next_piece(struct pieces *s, struct piece *p)
{
	if (s->left > 0) {
		*p = (struct piece){ s->sg->addr, s->sg->length, s->sg->mbuf };
		s->sg++;
		s->left--;
		return true;
	}
	while (s->m != NULL) {
		struct rte_mbuf *m = s->m;

		s->m = m->next;
		if (m->data_len == 0)
			continue;
		*p = (struct piece){ rte_pktmbuf_mtod(m, void *), m->data_len, m };
		return true;
	}
	return false;
}

static struct gantry_dma_seg *
seg_at(const struct segs *s, unsigned int i)
{
	return (struct gantry_dma_seg *)((uint8_t *)s->at + i * s->stride);
}

/* The segment of a piece that is not mapped. */
static const struct gantry_dma_seg no_seg = { .addr = GANTRY_DMA_MAPPING_ERROR };

/* Return how much of [addr, addr + len) one segment of this device can hold. */
static size_t
seg_fits(const struct dma_device *d, gantry_dma_addr_t addr, size_t len)
{
	uint64_t to_boundary = d->seg_boundary - (addr & d->seg_boundary); /* distance, less one */

	len = RTE_MIN(len, d->max_seg);
	return len - 1 > to_boundary ? to_boundary + 1 : len;
}

/* Append a mapping: to the last segment if the limits allow that, otherwise as one or several. */
static int
segs_add(struct segs *s, const struct dma_device *d, gantry_dma_addr_t addr, size_t len)
{
	struct gantry_dma_seg *last = s->n > 0 ? seg_at(s, s->n - 1) : NULL;
	size_t fits;

	if (last != NULL && last->addr + last->len == addr &&
			seg_fits(d, last->addr, last->len + len) == last->len + len) {
		last->len += len;
		return 0;
	}
	for (; len > 0; addr += fits, len -= fits) {
		if (s->n == s->max)
			return -ENOSPC;
		fits = seg_fits(d, addr, len);
		*seg_at(s, s->n++) = (struct gantry_dma_seg){ addr, fits };
	}
	return 0;
}

/* Return whether there are no more segments: empty ones follow the last one of a list. */
static bool
segs_end(const struct segs *s)
{
	return s->n == 0 || s->at->len == 0;
}

/*
 * Walk over the next len bytes. Return the bus address at which they begin, or an error if there is
 * none. Set whole to whether there are that many bytes.
 */
static gantry_dma_addr_t
segs_take(struct segs *s, size_t len, bool *whole)
{
	const gantry_dma_addr_t addr = segs_end(s) ? GANTRY_DMA_MAPPING_ERROR :
						     s->at->addr + s->off;

	while (!segs_end(s) && s->at->len - s->off <= len) {
		len -= s->at->len - s->off;
		s->off = 0;
		s->n--;
		s->at = seg_at(s, 1);
	}
	*whole = len == 0 || !segs_end(s);
	s->off += len;
	return addr;
}

static inline const struct dma_layer *
layer_of(struct gantry_dma_dev *dev)
{
	return dma_device(dev)->layer;
}

/* Return whether a layer knows the mappings. A device without a table has no layer. */
static inline bool
knows(struct gantry_dma_dev *dev)
{
	return dev->mode != NULL && layer_of(dev)->knows;
}

/* Report a piece that cannot be mapped so. */
static void
refused(struct gantry_dma_dev *dev, const struct piece *p, gantry_dma_addr_t addr,
		enum gantry_dma_dir dir)
{
	if (dev->mode != NULL)
		layer_of(dev)->list_refused(&(struct dma_call){
				.dev = dev,
				.m = p->m,
				.ptr = p->ptr,
				.addr = addr,
				.size = p->len,
				.dir = dir,
		});
}

static void
unmap_piece(struct gantry_dma_dev *dev, const struct piece *p, gantry_dma_addr_t addr,
		enum gantry_dma_dir dir)
{
	if (p->m != NULL)
		gantry_dma_unmap_mbuf(dev, p->m, addr, p->len, dir);
	else
		gantry_dma_unmap_single(dev, addr, p->len, dir);
}

/* Unmap the first n pieces. Return false if the segments end before them. */
static bool
unmap_pieces(struct gantry_dma_dev *dev, struct pieces *from, unsigned int n, struct segs *segs,
		enum gantry_dma_dir dir)
{
	gantry_dma_addr_t addr;
	bool whole = true;
	struct piece p;

	while (n-- > 0 && whole && next_piece(from, &p)) {
		addr = segs_take(segs, p.len, &whole);
		/* If a piece is cut short, only a layer knows how long it was. */
		if (whole || (addr != GANTRY_DMA_MAPPING_ERROR && knows(dev)))
			unmap_piece(dev, &p, addr, dir);
	}
	return whole;
}

/* Call dma_fail(), with the failing piece before the reason. */
static void
refuse_piece(const struct dma_device *d, const char *what, unsigned int i)
{
	char why[256];

	snprintf(why, sizeof(why), "%s", gantry_dma_last_error());
	dma_fail("%s: %s %u: %s", d->name, what, i, why);
}

/* Map all pieces, or none. Return 0 or -errno. */
static int
map_pieces(struct gantry_dma_dev *dev, const struct pieces *from, struct segs *segs, bool split,
		enum gantry_dma_dir dir, const char *what)
{
	const struct dma_device *d = dma_device(dev);
	struct pieces rest = *from, done = *from;
	struct segs mapped = *segs;
	gantry_dma_addr_t addr;
	unsigned int i = 0;
	struct piece p;
	int ret = 0;

	if ((unsigned int)dir >= GANTRY_DMA_NONE) {
		if (next_piece(&rest, &p))
			refused(dev, &p, GANTRY_DMA_MAPPING_ERROR, dir);
		dma_fail("%s: %s list mapped without a direction", d->name, what);
		return -EINVAL;
	}
	for (; next_piece(&rest, &p); i++) {
		if (p.m != NULL)
			addr = gantry_dma_map_mbuf(dev, p.m,
					(uint8_t *)p.ptr - (uint8_t *)p.m->buf_addr, p.len, dir);
		else
			addr = gantry_dma_map_single(dev, p.ptr, p.len, dir);
		if (gantry_dma_mapping_error(dev, addr)) {
			ret = -EIO;
			break;
		}
		if (!split && seg_fits(d, addr, p.len) != p.len) {
			dma_fail("%zu bytes at bus address 0x%" PRIx64 " are no segment for this "
				 "device, which takes up to %zu and none across 0x%" PRIx64,
					p.len, addr, d->max_seg, addr | d->seg_boundary);
			refused(dev, &p, addr, dir);
			ret = -EINVAL;
		} else {
			ret = segs_add(segs, d, addr, p.len);
			if (ret != 0)
				dma_fail("it takes more than %u segments", segs->max);
		}
		if (ret != 0) {
			unmap_piece(dev, &p, addr, dir);
			break;
		}
	}
	if (ret == 0 && i == 0) {
		dma_fail("%s: %s list without data", d->name, what);
		return -EINVAL;
	}
	if (ret == 0)
		return 0;
	refuse_piece(d, what, i);
	mapped.n = segs->n;
	unmap_pieces(dev, &done, i, &mapped, dir);
	return ret;
}

/*
 * Between list_begin() and list_end() all pieces belong to one list. The debug layer attributes
 * them to the caller of the list function.
 */

static inline void
list_begin(struct gantry_dma_dev *dev, enum dma_kind kind, const void *site)
{
	static uintptr_t threads;
	static __thread uintptr_t number;

	if (dev->mode == NULL)
		return;
	/* The number consists of the thread's number and the list's. */
	if (number == 0)
		number = __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED) << 40;
	dma_list = ++number;
	layer_of(dev)->list_begin(kind, site);
}

static inline void
list_end(struct gantry_dma_dev *dev)
{
	if (dev->mode == NULL)
		return;
	dma_list = 0;
	layer_of(dev)->list_end();
}

/* Return the true number of entries, if a layer knows better than the caller. */
static inline unsigned int
list_nents(struct gantry_dma_dev *dev, const struct gantry_dma_seg *first, unsigned int nents,
		bool unmap)
{
	return dev->mode == NULL ? nents :
				   layer_of(dev)->list_nents(dev, first->addr, nents, unmap);
}

/* Unmap a list or chain that is no longer as it was mapped. */
static void
unmap_other(struct gantry_dma_dev *dev, struct segs *segs, enum gantry_dma_dir dir)
{
	size_t size = 1;
	bool whole;

	if (segs_end(segs))
		layer_of(dev)->list_longer(dev, dir);
	for (; !segs_end(segs) && size != 0; segs_take(segs, size, &whole))
		size = layer_of(dev)->list_left(dev, segs->at->addr + segs->off);
}

/* Unmap all pieces; the segments must end where the pieces do. */
static void
unmap_all(struct gantry_dma_dev *dev, struct pieces *from, struct segs *segs,
		enum gantry_dma_dir dir, const char *what)
{
	const bool known = knows(dev);
	struct piece p = { 0 };

	if (known && segs->n > 0 && segs_end(segs)) {
		/* The mapping failed, or was never made: report it as for a single mapping. */
		next_piece(from, &p);
		unmap_piece(dev, &p, segs->at->addr, dir);
		return;
	}
	if (unmap_pieces(dev, from, UINT_MAX, segs, dir) && segs_end(segs))
		return;
	if (known) {
		unmap_other(dev, segs, dir);
		return;
	}
	dma_fail("%s: %s list unmapped with other lengths, or another number of them, than it was "
		 "mapped with",
			dma_device(dev)->name, what);
	dma_log_error(dev, RTE_LOG_ERR);
}

/*
 * Sync.
 */

/* The bytes [off, off + size) of a list or chain, or those that remain of them. */
struct range {
	struct pieces from;
	struct segs segs;
	size_t off, size;
};

/* Find the part of the next piece that is in the range. */
static bool
next_part(struct range *r, struct gantry_dma_seg *part)
{
	struct piece p;
	size_t skip;
	bool whole;

	part->len = 0;
	while (r->size > 0 && part->len == 0 && next_piece(&r->from, &p)) {
		skip = RTE_MIN(r->off, p.len);
		part->addr = segs_take(&r->segs, p.len, &whole);
		if (part->addr != GANTRY_DMA_MAPPING_ERROR)
			part->addr += skip;
		part->len = RTE_MIN(r->size, p.len - skip);
		r->off -= skip;
		r->size -= part->len;
	}
	return part->len > 0;
}

static inline void
sync_part(struct gantry_dma_dev *dev, const struct gantry_dma_seg *part, enum gantry_dma_dir dir,
		bool for_cpu)
{
	if (for_cpu)
		gantry_dma_sync_single_for_cpu(dev, part->addr, part->len, dir);
	else
		gantry_dma_sync_single_for_device(dev, part->addr, part->len, dir);
}

/* Sync piece by piece if the mode does something; otherwise one ordering of accesses serves all. */
static void
sync_range(struct gantry_dma_dev *dev, struct range r, enum gantry_dma_dir dir, bool for_cpu)
{
	struct gantry_dma_seg part = no_seg;
	struct range ask = r;

	if (dev->mode == NULL) {
		sync_part(dev, &part, dir, for_cpu);
		return;
	}
	while (knows(dev) && next_part(&ask, &part))
		layer_of(dev)->list_turn(dev, part.addr);
	while (next_part(&r, &part))
		sync_part(dev, &part, dir, for_cpu);
}

/* Return whether the segments hold that many bytes. */
static bool
in_segs(struct segs s, size_t off, size_t size)
{
	size_t all = 0;

	for (; !segs_end(&s); s.n--, s.at = seg_at(&s, 1))
		all += s.at->len;
	return off <= all && size <= all - off;
}

/*
 * Lists.
 */

#define SG "sg entry"

static struct segs
sg_segs(struct gantry_sg *sg, unsigned int n, unsigned int max)
{
	return (struct segs){ .at = &sg->dma, .stride = sizeof(*sg), .n = n, .max = max };
}

unsigned int
gantry_dma_map_sg(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir)
{
	const struct pieces from = { .sg = sg, .left = nents };
	struct segs segs = sg_segs(sg, 0, nents);
	unsigned int i;

	list_begin(dev, DMA_KIND_SG, __builtin_return_address(0));
	if (map_pieces(dev, &from, &segs, false, dir, SG) != 0)
		segs.n = 0;
	else if (dev->mode != NULL)
		layer_of(dev)->list_mapped(dev, sg->dma.addr, nents);
	list_end(dev);
	for (i = segs.n; i < nents; i++)
		sg[i].dma = no_seg;
	return segs.n;
}

void
gantry_dma_unmap_sg(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir)
{
	struct pieces from = { .sg = sg };
	struct segs segs;

	if (dev->undo_last == 0)
		return;
	list_begin(dev, DMA_KIND_SG, __builtin_return_address(0));
	from.left = list_nents(dev, &sg->dma, nents, true);
	segs = sg_segs(sg, from.left, from.left);
	unmap_all(dev, &from, &segs, dir, SG);
	list_end(dev);
}

static inline void
sync_sg(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir, bool for_cpu, const void *site)
{
	struct range r = { .size = SIZE_MAX };

	list_begin(dev, DMA_KIND_SG, site);
	nents = list_nents(dev, &sg->dma, nents, false);
	r.from = (struct pieces){ .sg = sg, .left = nents };
	r.segs = sg_segs(sg, nents, nents);
	sync_range(dev, r, dir, for_cpu);
	list_end(dev);
}

void
gantry_dma_sync_sg_for_cpu(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir)
{
	sync_sg(dev, sg, nents, dir, true, __builtin_return_address(0));
}

void
gantry_dma_sync_sg_for_device(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int nents,
		enum gantry_dma_dir dir)
{
	sync_sg(dev, sg, nents, dir, false, __builtin_return_address(0));
}

/*
 * Chains.
 */

#define CHAIN "mbuf segment"

/* The segments that the mapping returned, which are only read. The caller sets their number. */
static struct segs
chain_segs(const struct gantry_dma_seg *segs)
{
	return (struct segs){
		.at = (struct gantry_dma_seg *)(uintptr_t)segs,
		.stride = sizeof(*segs),
	};
}

int
gantry_dma_map_mbuf_chain(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		struct gantry_dma_seg *segs, unsigned int max_segs, enum gantry_dma_dir dir)
{
	const struct pieces from = { .m = m };
	struct segs out = { .at = segs, .stride = sizeof(*segs), .max = max_segs };
	int ret;

	list_begin(dev, DMA_KIND_CHAIN, __builtin_return_address(0));
	ret = map_pieces(dev, &from, &out, true, dir, CHAIN);
	if (ret == 0 && dev->mode != NULL)
		layer_of(dev)->list_mapped(dev, segs->addr, out.n);
	list_end(dev);
	if (ret != 0 && max_segs > 0)
		segs[0] = no_seg;
	return ret != 0 ? ret : (int)out.n;
}

void
gantry_dma_unmap_mbuf_chain(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir)
{
	struct pieces from = { .m = m };
	struct segs at = chain_segs(segs);

	if (dev->undo_last == 0)
		return;
	list_begin(dev, DMA_KIND_CHAIN, __builtin_return_address(0));
	at.n = list_nents(dev, segs, nb_segs, true);
	if (at.n != 0)
		unmap_all(dev, &from, &at, dir, CHAIN);
	list_end(dev);
}

static inline struct range
chain_range(struct rte_mbuf *m, const struct gantry_dma_seg *segs, size_t off, size_t size)
{
	return (struct range){
		.from = { .m = m },
		.segs = chain_segs(segs),
		.off = off,
		.size = size,
	};
}

static inline void
sync_chain(struct gantry_dma_dev *dev, struct range r, unsigned int nb_segs,
		enum gantry_dma_dir dir, bool for_cpu, const void *site)
{
	const struct gantry_dma_seg *segs = r.segs.at;

	list_begin(dev, DMA_KIND_CHAIN, site);
	r.segs.n = list_nents(dev, segs, nb_segs, false);
	/* Sync the whole range or nothing. */
	if (dev->mode == NULL || r.size == SIZE_MAX || in_segs(r.segs, r.off, r.size))
		sync_range(dev, r, dir, for_cpu);
	else
		layer_of(dev)->list_range(dev, segs->addr, r.off, r.size, dir);
	list_end(dev);
}

void
gantry_dma_sync_mbuf_chain_for_cpu(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir)
{
	sync_chain(dev, chain_range(m, segs, 0, SIZE_MAX), nb_segs, dir, true,
			__builtin_return_address(0));
}

void
gantry_dma_sync_mbuf_chain_for_device(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs, enum gantry_dma_dir dir)
{
	sync_chain(dev, chain_range(m, segs, 0, SIZE_MAX), nb_segs, dir, false,
			__builtin_return_address(0));
}

void
gantry_dma_sync_mbuf_chain_range_for_cpu(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs,
		struct gantry_dma_part part, enum gantry_dma_dir dir)
{
	sync_chain(dev, chain_range(m, segs, part.offset, RTE_MIN(part.size, SIZE_MAX - 1)),
			nb_segs, dir, true, __builtin_return_address(0));
}

void
gantry_dma_sync_mbuf_chain_range_for_device(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		const struct gantry_dma_seg *segs, unsigned int nb_segs,
		struct gantry_dma_part part, enum gantry_dma_dir dir)
{
	sync_chain(dev, chain_range(m, segs, part.offset, RTE_MIN(part.size, SIZE_MAX - 1)),
			nb_segs, dir, false, __builtin_return_address(0));
}
