/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * DMA mapping with the semantics of the Linux kernel's DMA API.
 *
 * Three address spaces, one rule. The CPU's virtual addresses (void *), the
 * memory's physical addresses (gantry_phys_addr_t), the device's bus addresses
 * (gantry_dma_addr_t). A descriptor holds a bus address, and a bus address only
 * ever comes out of this library.
 *
 * Names and meanings are the kernel's (DMA-API-HOWTO) with the prefix gantry_;
 * errors are negative errno values where the kernel's are.
 *
 * Thread safety: the device's set-up calls (create, masks, destroy) belong to one
 * thread. Everything else may be called from any thread on any device.
 *
 * Processes: the static inline functions may also be called in a secondary
 * process, on a device object in direct mode that the primary made; the others that
 * take a device belong to the process that made it.
 */

#ifndef GANTRY_DMA_H
#define GANTRY_DMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_atomic.h>
#include <rte_mbuf.h>
#include <rte_memory.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A bus address, what a device uses. The kernel's dma_addr_t. */
typedef rte_iova_t gantry_dma_addr_t;
/** A physical address, what the memory controller uses. The kernel's phys_addr_t. */
typedef uint64_t gantry_phys_addr_t;

/** What a failed mapping returns. Ask gantry_dma_mapping_error(), never compare. */
#define GANTRY_DMA_MAPPING_ERROR ((gantry_dma_addr_t)UINT64_MAX)
/** "Unknown" as a physical address (no privilege, or not present). */
#define GANTRY_PHYS_ADDR_BAD     ((gantry_phys_addr_t)UINT64_MAX)

/** A mask of n address bits. The kernel's DMA_BIT_MASK(). */
#define GANTRY_DMA_BIT_MASK(n)   ((n) >= 64 ? UINT64_MAX : (UINT64_C(1) << (n)) - 1)

/** Who writes the memory of a mapping. The kernel's enum dma_data_direction. */
enum gantry_dma_dir {
	GANTRY_DMA_BIDIRECTIONAL = 0,
	GANTRY_DMA_TO_DEVICE = 1,   /**< the device reads */
	GANTRY_DMA_FROM_DEVICE = 2, /**< the device writes */
	GANTRY_DMA_NONE = 3,        /**< no direction: a mistake, for checks */
};

/** What kind of memory an address lies in. */
enum gantry_mem_class {
	GANTRY_MEM_NONE,      /**< nothing is there */
	GANTRY_MEM_HUGEPAGE,  /**< EAL's: rte_malloc, memzone, mempool; the kernel's "low memory" */
	GANTRY_MEM_EXTERNAL,  /**< registered with EAL (rte_extmem_register), not its own */
	/** heap, stack, mmap: scattered pages; the kernel's vmalloc, high memory */
	GANTRY_MEM_PROCESS,
	GANTRY_MEM_MMIO,      /**< a BAR: no DMA buffer */
};

struct gantry_dma_dev;

/**
 * What the library needs of the bus a device is on. The two backends are
 * DPDK's PCI bus (vfio, uio) and drivers/bus/vfio_user; both map all of EAL's
 * memory for the device by themselves, so in direct mode map and unmap are called
 * for BARs only. The other modes take it over from there: see claim and page_table.
 */
struct gantry_dma_ops {
	const char *name; /**< of the backend, for messages */
	bool any_memory;  /**< map() takes any memory of the process, not only EAL's and BARs */
	/**
	 * Lets the device reach [va, va + len) at bus address iova. The caller holds EAL's
	 * memory lock, for reading or, in a memory event, for writing: of the calls that take
	 * it use the thread_unsafe ones only, and allocate nothing from EAL. 0 or -errno.
	 */
	int (*map)(void *opaque, void *va, gantry_dma_addr_t iova, size_t len,
			enum gantry_dma_dir dir);
	/** Ends either; the lock as for map(). When it returns, no access starts any more. */
	int (*unmap)(void *opaque, void *va, gantry_dma_addr_t iova, size_t len);
	/**
	 * Like map(), for memory that lies in a file of the caller's own and not in EAL's memory:
	 * the device's process gets @p fd and with it all of the file, which should therefore hold
	 * nothing else. It must not shrink while it is mapped; the caller may close @p fd
	 * afterwards. Undone with unmap(). NULL: the bus takes no files (map() will do).
	 * @param fd      the file, at @p offset of which [va, va + len) is mapped here
	 * @param offset  a multiple of 4 KiB, as @p iova and @p len
	 */
	int (*map_fd)(void *opaque, int fd, uint64_t offset, void *va, gantry_dma_addr_t iova,
			size_t len, enum gantry_dma_dir dir);
	/**
	 * Takes everything away that the bus has mapped for the device by itself, for good: from
	 * when it returns 0, the device reaches what map() gives it and nothing else. Pages
	 * are 4 KiB; neighbours need not be. NULL: the bus can't. 0 or -errno.
	 */
	int (*claim)(void *opaque);
	/**
	 * Puts an I/O page table between the device and the memory that the bus has mapped, for
	 * good: from when it returns 0, a bus address of the device's is looked up there, and
	 * nothing else is reachable. A device that has the table walks it for each access, and
	 * remembers nothing of it: an entry counts as soon as it is stored, and its end as soon
	 * as that is visible to other cores.
	 * @param base     the first bus address, a multiple of 4 KiB
	 * @param nr       entries, one for each 4 KiB page of bus addresses from @p base
	 * @param entries  [out] the table, all zero; the bus' own, gone with the device
	 * @return 0; -ENOTSUP: the device has none (claim(), map() and unmap() will do)
	 */
	int (*page_table)(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries);
};

/**
 * @name An entry of the I/O page table
 * The page (bits 12 to 63) by the bus address at which the bus itself has mapped it, which
 * for EAL's memory is EAL's IOVA of it; and what the device may do. 0: nothing is there.
 * Stored and read as a whole.
 * @{
 */
#define GANTRY_DMA_PTE_READ  UINT64_C(1)
#define GANTRY_DMA_PTE_WRITE UINT64_C(2)
/** @} */

/** What stands between a buffer and its bus address. */
enum gantry_dma_mode_id {
	/**
	 * What the mask and the memory demand: direct; where the mask doesn't reach EAL's memory,
	 * window; where that can't be, bounce.
	 */
	GANTRY_DMA_MODE_AUTO = 0,
	/** Nothing: the bus has mapped all of EAL's memory, and mapping is a look-up. */
	GANTRY_DMA_MODE_DIRECT,
	/**
	 * Addresses of the library's choice, which the mask reaches: all of EAL's memory if
	 * there is room, else page by page as it is mapped. Needs something that translates.
	 */
	GANTRY_DMA_MODE_WINDOW,
	/**
	 * Nothing is reachable but what is mapped right now, at an address of its own. Needs
	 * something that translates.
	 */
	GANTRY_DMA_MODE_STRICT,
	/**
	 * A copy: the device gets the addresses of buffers of the library's own, and data is
	 * copied by map, sync and unmap. Memory of any kind can be mapped, wherever it lies.
	 */
	GANTRY_DMA_MODE_BOUNCE,
};

/** How much is watched: gantry_dma_debug.h. */
enum gantry_dma_debug_level {
	GANTRY_DMA_DEBUG_OFF = 0,
	GANTRY_DMA_DEBUG_ON,    /**< each misuse is reported */
	GANTRY_DMA_DEBUG_ABORT, /**< and the process stops there, for a debugger: abort() */
};

/** Sizes of bounce buffers: 256, 2,048, 16,384 and 65,536 bytes. */
#define GANTRY_DMA_BOUNCE_CLASSES 4

/** What a device is created with. */
struct gantry_dma_params {
	const char *name;                 /**< for messages; copied */
	const struct gantry_dma_ops *ops; /**< may be NULL: direct mode only */
	void *opaque;                     /**< first argument of ops */
	int socket_id;                    /**< the device's NUMA node, or SOCKET_ID_ANY */
	bool has_iommu;                   /**< something translates between device and memory */
	enum gantry_dma_mode_id mode;     /**< see there */
	enum gantry_dma_debug_level debug; /**< see gantry_dma_debug.h */
	/**
	 * Bounce: how many buffers of each size, and no more. All 0: 4096, 8192, 128, 32 (21 MiB)
	 * to begin with, and more as more are mapped at the same time, up to 512 MiB, or
	 * half of what the mask reaches.
	 */
	uint32_t bounce_slots[GANTRY_DMA_BOUNCE_CLASSES];
};

/**
 * Makes a device object. Masks are 32 bits until set, as in the kernel; the mode begins
 * when a mask is set, or when something is mapped or allocated without one (AUTO: direct,
 * then, and still open).
 * @return NULL with rte_errno: ENOMEM, EINVAL
 */
struct gantry_dma_dev *gantry_dma_dev_create(const struct gantry_dma_params *params);
/** Frees it. What is still mapped or allocated is reported, and coherent memory freed. */
void gantry_dma_dev_destroy(struct gantry_dma_dev *dev);
/**
 * Instead, for a device that fell silent and may yet write to what it was given: the object
 * and all that is mapped or allocated stay as they are, for good, and the bus is not called
 * any more, so that it may forget the device. The object is not to be used afterwards. Of
 * NULL: nothing.
 */
void gantry_dma_dev_abandon(struct gantry_dma_dev *dev);

/**
 * How many bits of a bus address the device drives, for streaming mappings. It is set
 * before anything is mapped: where the mode has chosen bus addresses already that a
 * narrower mask does not reach, that is refused as long as one is in use.
 * @return 0; -EINVAL: @p mask is no GANTRY_DMA_BIT_MASK() of 24 to 64 bits; -EIO:
 *   memory that EAL has lies outside the mask and nothing can bring it inside, or the mode
 *   that was asked for can't be (the reason is in gantry_dma_last_error(), and of -EIO
 *   logged); -ENOMEM. The mask is as before then.
 */
int gantry_dma_set_mask(struct gantry_dma_dev *dev, uint64_t mask);
/**
 * The same for coherent allocations. In direct mode it will do if some of EAL's memory lies
 * inside: blocks come from there, and one for which nothing is left fails.
 */
int gantry_dma_set_coherent_mask(struct gantry_dma_dev *dev, uint64_t mask);
/** Both, or neither. */
int gantry_dma_set_mask_and_coherent(struct gantry_dma_dev *dev, uint64_t mask);
/** The mask for streaming mappings as it is now. The kernel's dma_get_mask(). */
uint64_t gantry_dma_get_mask(struct gantry_dma_dev *dev);
/** The mask for coherent allocations as it is now. The kernel's device::coherent_dma_mask. */
uint64_t gantry_dma_get_coherent_mask(struct gantry_dma_dev *dev);
/**
 * The name of the mode that the device is in: "direct", "window", "strict" or "bounce". What
 * a device that was created with GANTRY_DMA_MODE_AUTO came to is known once a mask is set.
 */
const char *gantry_dma_mode_name(struct gantry_dma_dev *dev);
/**
 * The mode of a name, as users give it: the above, or "auto".
 * @return 0; -EINVAL: no mode has that name, and @p mode is as before
 */
int gantry_dma_mode_of_name(const char *name, enum gantry_dma_mode_id *mode);
/**
 * The mask that all of the memory EAL has now would need; where a mode chooses the bus
 * addresses, what that mode needs. The kernel's dma_get_required_mask().
 */
uint64_t gantry_dma_get_required_mask(struct gantry_dma_dev *dev);
/**
 * Whether there is memory that the device's streaming mask does not reach, so that mapping
 * it is refused, or copies. The kernel's dma_addressing_limited().
 */
bool gantry_dma_addressing_limited(struct gantry_dma_dev *dev);
/**
 * The longest single mapping, in bytes, that can be expected to work; SIZE_MAX: any that
 * is contiguous in bus addresses. The kernel's dma_max_mapping_size().
 */
size_t gantry_dma_max_mapping_size(struct gantry_dma_dev *dev);

/**
 * The longest segment, in bytes, that the device takes (what one descriptor can say). No
 * segment of gantry_dma_map_sg() or gantry_dma_map_mbuf_chain() is longer. 64 KiB until
 * set. The kernel's dma_set_max_seg_size(). A set-up call, like the masks.
 * @return 0; -EINVAL: 0
 */
int gantry_dma_set_max_seg_size(struct gantry_dma_dev *dev, size_t size);
/** What it is now. The kernel's dma_get_max_seg_size(). */
size_t gantry_dma_get_max_seg_size(struct gantry_dma_dev *dev);
/**
 * The boundary that no segment may cross, as the mask of the address bits below it
 * (GANTRY_DMA_BIT_MASK(n): a boundary every 2^n bytes). 4 GiB until set. The kernel's
 * dma_set_seg_boundary(). A set-up call, like the masks.
 * @return 0; -EINVAL: no such mask
 */
int gantry_dma_set_seg_boundary(struct gantry_dma_dev *dev, uint64_t mask);
/** What it is now. The kernel's dma_get_seg_boundary(). */
uint64_t gantry_dma_get_seg_boundary(struct gantry_dma_dev *dev);

/**
 * Allocates memory that CPU and device may both use at any time: descriptor
 * rings. Zeroed, from hugepage memory on @p socket_id (SOCKET_ID_ANY: the
 * device's node; if that has none left, from another with a warning),
 * contiguous in bus addresses. The kernel's dma_alloc_coherent().
 *
 * Alignment is the HOWTO's, of both addresses: to the smallest number of pages
 * (4 KiB), rounded up to a power of two, that holds @p size. So a block of up to
 * 64 KiB, say, never crosses a 64 KiB boundary. A block larger than EAL's pages for
 * which that cannot be had (IOVA-as-PA) is refused.
 *
 * @param dev        the device
 * @param size       bytes, not 0
 * @param handle     [out] its bus address
 * @param socket_id  a NUMA node, or SOCKET_ID_ANY
 * @return NULL with rte_errno: ENOMEM; EIO: none inside the coherent mask, or aligned;
 *   EINVAL: a size of 0, or beyond all reason
 */
void *gantry_dma_alloc_coherent(struct gantry_dma_dev *dev, size_t size,
		gantry_dma_addr_t *handle, int socket_id);
/** Gives it back; @p size and @p handle as from the allocation. NULL is allowed. */
void gantry_dma_free_coherent(struct gantry_dma_dev *dev, size_t size, void *cpu_addr,
		gantry_dma_addr_t handle);

/**
 * Hands a buffer to the device until gantry_dma_unmap_single(). Meanwhile the
 * CPU keeps its hands off, or asks for it with gantry_dma_sync_single_for_cpu().
 *
 * @param dev   the device
 * @param ptr   hugepage memory (any class that the mode can serve)
 * @param size  bytes, not 0; must be contiguous in bus addresses
 * @param dir   who writes the buffer
 * @return the bus address; test it with gantry_dma_mapping_error()
 */
static inline gantry_dma_addr_t gantry_dma_map_single(struct gantry_dma_dev *dev, void *ptr,
		size_t size, enum gantry_dma_dir dir);
/** Takes it back. Arguments as for the mapping. */
static inline void gantry_dma_unmap_single(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir);

/**
 * The same for the data of one mbuf segment (not the chain): @p off and @p size
 * are relative to buf_addr. Direct mode: buf_iova + off, no look-up.
 */
static inline gantry_dma_addr_t gantry_dma_map_mbuf(struct gantry_dma_dev *dev,
		struct rte_mbuf *m, uint32_t off, size_t size, enum gantry_dma_dir dir);
/** Takes it back. Arguments as for the mapping; not the chain. */
static inline void gantry_dma_unmap_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir);

/**
 * The mapping, or its end, changes no turn: what is the CPU's, and the device's, is said by
 * sync calls. For a buffer of which the device writes a part only: mapped and unmapped so,
 * and synced as far as it was written, no more than that is copied in bounce mode. What
 * was neither written nor synced is undefined for the other side. The kernel's
 * DMA_ATTR_SKIP_CPU_SYNC.
 */
#define GANTRY_DMA_ATTR_SKIP_CPU_SYNC (1ul << 5)

/** As above, with GANTRY_DMA_ATTR_ flags, or 0. The kernel's dma_map_single_attrs(). */
static inline gantry_dma_addr_t gantry_dma_map_single_attrs(struct gantry_dma_dev *dev, void *ptr,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs);
/** As above. The kernel's dma_unmap_single_attrs(). */
static inline void gantry_dma_unmap_single_attrs(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs);
/** As above, for an mbuf segment. */
static inline gantry_dma_addr_t gantry_dma_map_mbuf_attrs(struct gantry_dma_dev *dev,
		struct rte_mbuf *m, uint32_t off, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs);
/** As above, for an mbuf segment. */
static inline void gantry_dma_unmap_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs);

/** How many unmappings are gathered at most. */
#define GANTRY_DMA_GATHER_MAX 64

/**
 * Unmappings under way, which are completed together. Who unmaps has one for a burst, on the
 * stack, and sets n to 0; the rest is the library's.
 */
struct gantry_dma_gather {
	uint32_t n;                    /**< how many; 0: none */
	struct {
		gantry_dma_addr_t addr;
		uint64_t state;
	} of[GANTRY_DMA_GATHER_MAX];   /**< private */
};
/**
 * gantry_dma_unmap_mbuf_attrs() for a burst: what makes sure that no access of the device
 * starts any more is waited for once, for all that @p g holds, as the kernel's IOMMU drivers
 * do it with struct iommu_iotlb_gather. In strict mode that wait is most of what an unmapping
 * costs; in other modes the unmapping is done at once.
 *
 * Until gantry_dma_unmap_gathered() has returned, the memory is the device's: nobody may
 * write to it, read from it what the device was to write, or free it.
 */
static inline void gantry_dma_unmap_mbuf_gather(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs,
		struct gantry_dma_gather *g);
/** Completes what @p g holds, which is empty then. No access of the device starts afterwards. */
static inline void gantry_dma_unmap_gathered(struct gantry_dma_dev *dev,
		struct gantry_dma_gather *g);

/** Non-zero if @p addr is a failed mapping. To be asked after every map. */
static inline int gantry_dma_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

/**
 * The CPU's turn, without unmapping: afterwards it sees what the device wrote before it
 * reported, and may write. Not before this call may it look at a buffer that is mapped
 * FROM_DEVICE or BIDIRECTIONAL. Arguments as for the mapping, or a part of it; or a segment
 * of a list or a chain of mbufs (gantry_dma_sg.h), or a part.
 */
static inline void gantry_dma_sync_single_for_cpu(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir);
/** The device's turn again: it sees what the CPU wrote. To be called before the doorbell. */
static inline void gantry_dma_sync_single_for_device(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir);
/**
 * The same for @p size bytes from @p offset of a mapping at @p addr: a driver that looks at
 * a header hands over no more than that. The kernel's dma_sync_single_range_for_cpu().
 */
static inline void gantry_dma_sync_single_range_for_cpu(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t offset, size_t size, enum gantry_dma_dir dir);
/** And back. The kernel's dma_sync_single_range_for_device(). */
static inline void gantry_dma_sync_single_range_for_device(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t offset, size_t size, enum gantry_dma_dir dir);

/**
 * Lets the device reach a part of another device's BAR, peer to peer. The kernel's
 * dma_map_resource(), which takes the physical address alone; here an IOMMU is programmed
 * by the virtual one.
 *
 * Where nothing translates between devices, the bus address is the BAR's own. Where
 * something does, the backend is asked to map it, by whole pages; it may refuse, as for a
 * page that is mapped already. In bounce mode it is always refused: what is behind a BAR's
 * addresses is no memory that could be copied.
 *
 * @param dev   the device that shall reach it
 * @param va    where this process has the BAR mapped; gantry_mem_classify() must know it as
 *   GANTRY_MEM_MMIO
 * @param phys  the same byte's physical address (a PCI device's mem_resource[].phys_addr and
 *   the offset), or GANTRY_PHYS_ADDR_BAD: not known, which will do in IOVA-as-VA
 * @param size  bytes, not 0
 * @param dir   who writes
 * @return the bus address; test it with gantry_dma_mapping_error()
 */
gantry_dma_addr_t gantry_dma_map_resource(struct gantry_dma_dev *dev, void *va,
		gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir);
/** Ends that. The kernel's dma_unmap_resource(). Size and direction as for the mapping. */
void gantry_dma_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir);

/** Alignment, in bytes, of what a device writes. The kernel's dma_get_cache_alignment(). */
#define GANTRY_DMA_CACHE_ALIGNMENT RTE_CACHE_LINE_SIZE

/**
 * Around the members of a struct that the device writes, so that they share no cache line
 * with members that the CPU writes meanwhile. Members between them are the device's as long
 * as one of them is mapped. @p group is a name, unique in the struct, or nothing. The
 * kernel's __dma_from_device_group_begin() and _end().
 *
 * @code
 * struct request {
 *	int state;
 *	GANTRY_DMA_FROM_DEVICE_GROUP_BEGIN(reply);
 *	uint8_t reply[32];
 *	GANTRY_DMA_FROM_DEVICE_GROUP_END(reply);
 *	int retries;
 * };
 * @endcode
 */
#define GANTRY_DMA_FROM_DEVICE_GROUP_BEGIN(group) \
	uint8_t gantry_dma_group_begin_ ## group[0] __rte_aligned(GANTRY_DMA_CACHE_ALIGNMENT)
/** Ends the group. */
#define GANTRY_DMA_FROM_DEVICE_GROUP_END(group) \
	uint8_t gantry_dma_group_end_ ## group[0] __rte_aligned(GANTRY_DMA_CACHE_ALIGNMENT)

/*
 * Addresses.
 */

/** What memory this is. Any pointer is a fair question. */
enum gantry_mem_class gantry_mem_classify(const void *ptr);
/** A class in words, for messages: a constant, never NULL. */
const char *gantry_mem_class_name(enum gantry_mem_class c);

/**
 * The physical address of a byte, from /proc/self/pagemap.
 * @return 0; -EPERM: needs CAP_SYS_ADMIN (root); -EFAULT: no page there; -errno
 */
int gantry_virt_to_phys(const void *ptr, gantry_phys_addr_t *phys);
/** Whether [ptr, ptr + len) is contiguous in physical memory: 1, 0, or -errno as above. */
int gantry_phys_contiguous(const void *ptr, size_t len);

/**
 * The bus address that @p ptr has for this device when mapped directly:
 * IOVA-as-VA its virtual, IOVA-as-PA its physical address.
 * @return GANTRY_DMA_MAPPING_ERROR if it has none (not hugepage or registered memory)
 */
gantry_dma_addr_t gantry_virt_to_bus(struct gantry_dma_dev *dev, const void *ptr);
/** The other way; NULL if no EAL memory has that bus address. */
void *gantry_bus_to_virt(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

/**
 * Says that [va, va + len) is a mapped BAR, for gantry_mem_classify(). Where the
 * kernel maps it (vfio, uio) the library sees that for itself; a BAR that is
 * another process' memory it has to be told.
 * @return 0; -ENOSPC: too many; -EINVAL
 */
int gantry_mem_mmio_add(const void *va, size_t len);
/** Undoes that. */
void gantry_mem_mmio_del(const void *va);

/**
 * The NUMA node of a core (libnuma's word; 0 on a machine without NUMA).
 * @return -1 if it is not known: no such lcore, or one that floats over nodes
 */
int gantry_numa_node_of_lcore(unsigned int lcore_id);

/**
 * Warns if the core that polls a queue is on another NUMA node than the queue's
 * memory or than the device: every access then crosses between them.
 *
 * @param dev        the device
 * @param what       the queue, for the message: "rx queue 0"
 * @param lcore_id   the core that polls it
 * @param socket_id  the memory's node; SOCKET_ID_ANY: not known
 * @return 0: same node, or not known; 1: they differ, and a line with all three was logged
 */
int gantry_dma_numa_check(struct gantry_dma_dev *dev, const char *what, unsigned int lcore_id,
		int socket_id);

/** One line about why this thread's last failed call failed. */
const char *gantry_dma_last_error(void);

/** A live coherent block, as gantry_dma_for_each_block() shows it. */
struct gantry_dma_block {
	void *cpu;             /**< where the CPU has it */
	gantry_dma_addr_t bus; /**< and the device */
	size_t size;           /**< bytes, as asked for */
	int socket_id;         /**< the NUMA node it lies on */
};
/**
 * Calls fn for each live coherent block of the device. The list is locked meanwhile: fn must
 * not allocate or free coherent memory of this device.
 */
void gantry_dma_for_each_block(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_block *b), void *arg);

/** Why the device can reach something. */
enum gantry_dma_reach {
	GANTRY_DMA_REACH_MEMORY,   /**< of EAL, or bounce buffers: all of it, always */
	GANTRY_DMA_REACH_BUFFER,   /**< a streaming mapping */
	GANTRY_DMA_REACH_COHERENT, /**< a coherent block */
	GANTRY_DMA_REACH_RESOURCE, /**< a BAR */
	/** The page table has an entry for it, and no mapping accounts for that. */
	GANTRY_DMA_REACH_UNKNOWN,
};

/** Something that the device can reach right now. */
struct gantry_dma_mapping {
	enum gantry_dma_reach reach;
	gantry_dma_addr_t addr;   /**< bus address */
	/** CPU address: in bounce mode of the buffer that is copied. NULL: of no memory of EAL's */
	const void *cpu;
	size_t size;              /**< bytes; the device reaches all of the pages they lie in */
	enum gantry_dma_dir dir;  /**< who writes */
	const void *site;         /**< who mapped it: a return address; NULL: not known */
	uint64_t age_ms;          /**< for how long, to 0.1 s; UINT64_MAX: not known */
};
/**
 * Calls fn for each thing that the device can reach right now. In direct mode, and for what
 * the window holds, that is EAL's memory, and single mappings are not known; in bounce mode
 * the library's own buffers, and the mappings that have one; in strict mode the mappings are
 * all there is. Of a device with an I/O page table it is what stands in that table, address and
 * direction; who made the entry and when is the library's record, and an entry that
 * isn't in its records is GANTRY_DMA_REACH_UNKNOWN: of those the first 1024 pieces, and a line in
 * the log that says how many more there are. What other threads map and unmap meanwhile is there
 * or not. EAL's memory may be locked: fn must not map, unmap, allocate or
 * free, nor make another call that locks it.
 */
void gantry_dma_for_each_mapping(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg);

#include "gantry_dma_inline.h"

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_H */
