/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Mappings out of line: those that the inline functions cannot make. They are rare (a buffer over
 * several pages, registered memory), refused (the library reports the reason), or made by a mode.
 */

#include <inttypes.h>

#include "dma_core.h"

void
dma_refuse_arguments(struct gantry_dma_dev *dev, const void *ptr, size_t size)
{
	const char *name = dma_device(dev)->name;

	if (size == 0 || (uintptr_t)ptr + (size - 1) < (uintptr_t)ptr)
		dma_fail("%s: %p, %zu bytes: no such range of memory", name, ptr, size);
	else
		dma_fail("%s: %p: mapped without a direction", name, ptr);
}

void
dma_refuse_class(struct gantry_dma_dev *dev, const void *ptr)
{
	enum gantry_mem_class c = gantry_mem_classify(ptr);
	const char *what;

	switch (c) {
	case GANTRY_MEM_PROCESS:
		what = "its pages are scattered and the device was not given them; use "
		       "rte_malloc(), a memzone or a mempool";
		break;
	case GANTRY_MEM_MMIO:
		what = "a device's registers are no DMA buffer";
		break;
	case GANTRY_MEM_EXTERNAL:
		what = "it was registered with EAL without a bus address";
		break;
	case GANTRY_MEM_HUGEPAGE:
		what = "EAL does not know its bus address";
		break;
	default:
		what = "nothing is there";
		break;
	}
	dma_fail("%s: %p is %s: %s", dma_device(dev)->name, ptr, gantry_mem_class_name(c), what);
}

__thread uintptr_t dma_list;

/*
 * Walk the buffer page by page: each page must have a bus address that follows the previous page's.
 */
gantry_dma_addr_t
dma_map_eal(struct gantry_dma_dev *dev, const void *ptr, size_t size)
{
	const struct dma_device *d = dma_device(dev);
	const uintptr_t start = (uintptr_t)ptr, last = start + (size - 1);
	gantry_dma_addr_t addr = GANTRY_DMA_MAPPING_ERROR;
	uintptr_t at = start;

	for (;;) {
		const struct rte_memseg *ms = rte_mem_virt2memseg((void *)at, NULL);
		gantry_dma_addr_t here;

		if (ms == NULL || ms->len == 0 || ms->iova == RTE_BAD_IOVA) {
			dma_refuse_class(dev, (void *)at);
			return GANTRY_DMA_MAPPING_ERROR;
		}
		here = ms->iova + (at - (uintptr_t)ms->addr);
		if (at == start) {
			addr = here;
		} else if (here != addr + (at - start)) {
			dma_fail("%s: %p, %zu bytes: not contiguous in bus addresses: 0x%" PRIx64
				 " is followed by 0x%" PRIx64 " at %p",
					d->name, ptr, size, addr + (at - start) - 1, here,
					(void *)at);
			return GANTRY_DMA_MAPPING_ERROR;
		}
		if (last - at < ms->len - (at - (uintptr_t)ms->addr))
			break;
		at = (uintptr_t)ms->addr + ms->len;
	}
	if (addr + (size - 1) > d->mask || addr + (size - 1) < addr) {
		dma_fail("%s: %p has bus address 0x%" PRIx64 ", which takes %u bits; the device "
			 "drives %u",
				d->name, ptr, addr, dma_bits(addr + (size - 1)), dma_bits(d->mask));
		return GANTRY_DMA_MAPPING_ERROR;
	}
	return addr;
}

gantry_dma_addr_t
dma_base_map(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	return dma_device(dev)->base->map(dev, ptr, size, dir, attrs, site);
}

void
dma_base_unmap(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	dma_device(dev)->base->unmap(dev, addr, size, dir, attrs, NULL);
}

void
dma_base_sync(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu)
{
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	if (base->sync != NULL)
		base->sync(dev, addr, size, dir, for_cpu, NULL);
}

gantry_dma_addr_t
dma_base_map_resource(struct gantry_dma_dev *dev, void *va, gantry_phys_addr_t phys, size_t size,
		enum gantry_dma_dir dir, const void *site)
{
	const struct gantry_dma_mode *base = dma_device(dev)->base;

	if (base->map_resource != NULL)
		return base->map_resource(dev, va, phys, size, dir, site);
	dma_fail("%s: %p: no BAR can be mapped in mode %s", dma_device(dev)->name, va, base->name);
	return GANTRY_DMA_MAPPING_ERROR;
}

/*
 * Return the table to call: the layer's or the mode's. NULL: direct mode. A secondary process may
 * map in direct mode, and the tables are at other addresses there.
 */
static inline const struct gantry_dma_mode *
mode_of(struct gantry_dma_dev *dev)
{
	if (likely(dev->mode != NULL))
		return dev->mode;
	return dev->undo_last != 0 ? dma_device(dev)->base : NULL;
}

static gantry_dma_addr_t __rte_cold
refuse(struct dma_call *c)
{
	dma_refuse_arguments(c->dev, c->ptr, c->size);
	return mode_of(c->dev) == NULL ? GANTRY_DMA_MAPPING_ERROR :
					 dma_device(c->dev)->layer->refused(c);
}

static inline gantry_dma_addr_t
map_slow(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	const struct gantry_dma_mode *mode = mode_of(dev);

	if (unlikely(!dma_arguments_are_valid(ptr, size, dir)))
		return refuse(&(struct dma_call){
				.dev = dev,
				.ptr = ptr,
				.size = size,
				.dir = dir,
				.attrs = attrs,
				.site = site,
		});
	if (likely(mode != NULL))
		return mode->map(dev, ptr, size, dir, attrs, site);
	return dma_map_eal(dev, ptr, size);
}

gantry_dma_addr_t
gantry_dma_map_slow(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs)
{
	return map_slow(dev, ptr, size, dir, attrs, __builtin_return_address(0));
}

/*
 * In a mode with bus addresses of its own, the one in an mbuf is meaningless; the address of its
 * buffer is looked up.
 */
static gantry_dma_addr_t __rte_noinline
map_by_own(struct gantry_dma_dev *dev, void *ptr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	gantry_dma_addr_t addr;

	if (gantry_dma_look_up(&dev->table, ptr, size, dev->table_last, &addr))
		return addr;
	return map_slow(dev, ptr, size, dir, attrs, site);
}

/*
 * No canary on the stack: the only local variable is a struct dma_call, which has no array, and a
 * call in strict mode, which does not even use it, would take 5 % more time.
 */
#define NO_CANARY __attribute__((no_stack_protector))

/* Return whether the table takes mbufs: a layer gets the mbuf, a mode the address of its buffer. */
static inline bool
gets_mbufs(const struct gantry_dma_dev *dev)
{
	return dev->mode != NULL && dev->mode->map_mbuf != NULL;
}

gantry_dma_addr_t NO_CANARY
gantry_dma_map_mbuf_slow(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint32_t off, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	uint8_t *ptr = (uint8_t *)m->buf_addr + off;

	if (dev->mode == NULL)
		return map_by_own(dev, ptr, size, dir, attrs, __builtin_return_address(0));
	if (gets_mbufs(dev))
		return dev->mode->map_mbuf(&(struct dma_call){
				.dev = dev,
				.m = m,
				.ptr = ptr,
				.size = size,
				.dir = dir,
				.attrs = attrs,
				.site = __builtin_return_address(0),
		});
	return map_slow(dev, ptr, size, dir, attrs, __builtin_return_address(0));
}

static inline void
unmap_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs, const void *site)
{
	const struct gantry_dma_mode *mode = mode_of(dev);

	if (likely(mode != NULL))
		mode->unmap(dev, addr, size, dir, attrs, site);
}

void
gantry_dma_unmap_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	unmap_slow(dev, addr, size, dir, attrs, __builtin_return_address(0));
}

/* The compiler must inline this: the return address is that of the call to the library. */
static __rte_always_inline void
unmap_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, unsigned long attrs)
{
	if (gets_mbufs(dev))
		dev->mode->unmap_mbuf(&(struct dma_call){
				.dev = dev,
				.m = m,
				.addr = addr,
				.size = size,
				.dir = dir,
				.attrs = attrs,
				.site = __builtin_return_address(0),
		});
	else
		unmap_slow(dev, addr, size, dir, attrs, __builtin_return_address(0));
}

void NO_CANARY
gantry_dma_unmap_mbuf_slow(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs)
{
	unmap_mbuf(dev, m, addr, size, dir, attrs);
}

void NO_CANARY
gantry_dma_unmap_mbuf_gather_slow(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		struct gantry_dma_gather *g)
{
	const struct gantry_dma_mode *mode = mode_of(dev);

	if (mode != NULL && mode->unmap_gather != NULL)
		mode->unmap_gather(dev, addr, size, dir, g);
	else
		unmap_mbuf(dev, m, addr, size, dir, g->attrs);
}

void
gantry_dma_unmap_gathered_slow(struct gantry_dma_dev *dev, struct gantry_dma_gather *g)
{
	/*
	 * Only the device's mode can have gathered them: a layer has no unmap_gather(), so the
	 * unmappings that it sees end at once.
	 */
	dma_device(dev)->base->unmap_gathered(dev, g);
}

void
gantry_dma_sync_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir, bool for_cpu)
{
	if (dev->mode->sync != NULL)
		dev->mode->sync(dev, addr, size, dir, for_cpu, __builtin_return_address(0));
}

int
gantry_dma_mapping_error_slow(struct gantry_dma_dev *dev, gantry_dma_addr_t addr)
{
	return dev->mode->mapping_error(dev, addr);
}
