/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * DMA mapping with the semantics of the Linux kernel's DMA API.
 *
 * There are three address spaces and one rule. The CPU uses virtual addresses (void *), the memory
 * controller uses physical addresses (gantry_phys_addr_t), and the device uses bus addresses
 * (gantry_dma_addr_t). A descriptor holds a bus address, and a bus address only ever comes out of
 * this library.
 *
 * The names and their meanings are the kernel's (DMA-API-HOWTO) with the prefix gantry_. Functions
 * return negative errno values where the kernel's functions do.
 *
 * gantry_dma.c opens with the theory: the four modes, what each costs and protects from, and the
 * life of a mapping.
 *
 * Thread safety: the set-up calls of a device (create, masks, segment limits, destroy) belong to
 * one thread. Any thread may call everything else on any device.
 *
 * Processes: a secondary process may call the static inline functions on a device object in direct
 * mode that the primary process made. All other functions that take a device belong to the process
 * that made it.
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

/** A bus address, which a device uses. The kernel's dma_addr_t. */
typedef rte_iova_t gantry_dma_addr_t;
/** A physical address, which the memory controller uses. The kernel's phys_addr_t. */
typedef uint64_t gantry_phys_addr_t;

/** The result of a failed mapping. Test it with gantry_dma_mapping_error(), never by comparison. */
#define GANTRY_DMA_MAPPING_ERROR ((gantry_dma_addr_t)UINT64_MAX)
/** An unknown physical address: the process lacks the privilege, or the page is not present. */
#define GANTRY_PHYS_ADDR_BAD ((gantry_phys_addr_t)UINT64_MAX)

/** The mask of n address bits. The kernel's DMA_BIT_MASK(). */
#define GANTRY_DMA_BIT_MASK(n) ((n) >= 64 ? UINT64_MAX : (UINT64_C(1) << (n)) - 1)

/** Which side writes the memory of a mapping. The kernel's enum dma_data_direction. */
enum gantry_dma_dir {
	GANTRY_DMA_BIDIRECTIONAL = 0,
	GANTRY_DMA_TO_DEVICE = 1,   /**< the device reads */
	GANTRY_DMA_FROM_DEVICE = 2, /**< the device writes */
	GANTRY_DMA_NONE = 3,        /**< no direction: always an error, for checks */
};

/** The kind of memory at an address. */
enum gantry_mem_class {
	GANTRY_MEM_NONE, /**< nothing is mapped there */
	/** EAL memory: rte_malloc, memzone, mempool; the kernel's "low memory" */
	GANTRY_MEM_HUGEPAGE,
	GANTRY_MEM_EXTERNAL, /**< registered with EAL (rte_extmem_register), not allocated by it */
	/** heap, stack, mmap: scattered pages; the kernel's vmalloc, high memory */
	GANTRY_MEM_PROCESS,
	GANTRY_MEM_MMIO, /**< a BAR: not a DMA buffer */
};

struct gantry_dma_dev;

/** A place in a file that is also mapped in this process. */
struct gantry_dma_file {
	int fd;          /**< of the file; the caller of a function keeps it */
	uint64_t offset; /**< bytes, a multiple of 4 KiB */
};

/**
 * The calls that the library makes on the bus of a device. The two backends are DPDK's PCI bus
 * (vfio, uio) and drivers/bus/vfio_user. Both map all EAL memory for the device by themselves, so
 * in direct mode the library calls map and unmap for BARs only. The other modes take the mapping
 * over from the bus: see claim and page_table.
 */
struct gantry_dma_ops {
	const char *name; /**< name of the backend, for messages */
	/** map() takes any memory of the process, not only EAL memory and BARs */
	bool any_memory;
	/**
	 * Let the device reach [va, va + len) at bus address iova.
	 *
	 * The caller holds the EAL memory lock: for reading or, in a memory event, for writing. The
	 * backend must therefore use only the thread_unsafe variants of EAL calls that take this
	 * lock, and must allocate nothing from EAL.
	 * @return 0, or -errno
	 */
	int (*map)(void *opaque, void *va, gantry_dma_addr_t iova, size_t len,
			enum gantry_dma_dir dir);
	/**
	 * End a mapping of map() or map_fd(). The lock is held as for map(). After it has returned,
	 * the device starts no access to the range.
	 * @return 0, or -errno
	 */
	int (*unmap)(void *opaque, void *va, gantry_dma_addr_t iova, size_t len);
	/**
	 * Like map(), for memory that resides in a file of the caller and not in EAL memory.
	 *
	 * The bus passes the file to the device's process, which thereby gets all of it. The file
	 * should therefore hold nothing else. It must not shrink while it is mapped. The caller may
	 * close the descriptor afterwards. unmap() ends the mapping. NULL: the bus takes no files,
	 * and the library calls map().
	 * @param file  where [va, va + len) is in a file; @p iova and @p len are multiples of 4 KiB
	 * @return 0, or -errno
	 */
	int (*map_fd)(void *opaque, struct gantry_dma_file file, void *va, gantry_dma_addr_t iova,
			size_t len, enum gantry_dma_dir dir);
	/**
	 * Take everything away that the bus has mapped for the device by itself, permanently.
	 *
	 * Once it has returned 0, the device reaches only memory that map() gives it. Pages are 4
	 * KiB, and adjacent pages need not have adjacent addresses. NULL: the bus cannot do this.
	 * @return 0, or -errno
	 */
	int (*claim)(void *opaque);
	/**
	 * Put an I/O page table between the device and the memory that the bus has mapped,
	 * permanently.
	 *
	 * Once it has returned 0, every bus address that the device uses is looked up in the table,
	 * and the device reaches nothing else. A device that has the table walks it for each access
	 * and caches nothing of it: an entry is valid as soon as it is stored, and no longer valid
	 * as soon as its removal is visible to other cores.
	 * @param base     the first bus address, a multiple of 4 KiB
	 * @param nr       number of entries, one for each 4 KiB page of bus addresses from @p base
	 * @param entries  [out] the table, all zero; the bus owns it and frees it with the device
	 * @retval 0         the table is in place
	 * @retval -ENOTSUP  the device has none; the library uses claim(), map() and unmap()
	 *   instead
	 * @retval -errno    the bus failed to make the table
	 */
	int (*page_table)(void *opaque, gantry_dma_addr_t base, size_t nr, uint64_t **entries);
};

/**
 * @name An entry of the I/O page table
 * An entry names the page (bits 12 to 63) by the bus address at which the bus itself has mapped it
 * (for EAL memory, the IOVA that EAL gave it) and the accesses that the device may make. 0: no page
 * is mapped there. Both sides store and read an entry as a whole.
 * @{
 */
#define GANTRY_DMA_PTE_READ  UINT64_C(1) /**< the device may read the page */
#define GANTRY_DMA_PTE_WRITE UINT64_C(2) /**< the device may write the page */
/** @} */

/** How a buffer gets its bus address. gantry_dma.c compares the modes. */
enum gantry_dma_mode_id {
	/**
	 * The library chooses by mask and memory: direct; if the mask does not reach all EAL
	 * memory, window; if a window is impossible, bounce.
	 */
	GANTRY_DMA_MODE_AUTO = 0,
	/** The bus has mapped all EAL memory, and mapping a buffer is a look-up. */
	GANTRY_DMA_MODE_DIRECT,
	/**
	 * The library chooses bus addresses that the mask reaches: for all EAL memory if there is
	 * room, otherwise page by page as buffers are mapped. Something must translate between
	 * device and memory.
	 */
	GANTRY_DMA_MODE_WINDOW,
	/**
	 * The device reaches only what is mapped right now, and each mapping has bus addresses of
	 * its own. Something must translate between device and memory.
	 */
	GANTRY_DMA_MODE_STRICT,
	/**
	 * The device gets the addresses of the library's own buffers, and map, sync and unmap copy
	 * the data. Memory of any kind can be mapped, wherever it is.
	 */
	GANTRY_DMA_MODE_BOUNCE,
};

/** How much the debug layer watches: see gantry_dma_debug.h. */
enum gantry_dma_debug_level {
	GANTRY_DMA_DEBUG_OFF = 0,
	GANTRY_DMA_DEBUG_ON, /**< report each misuse */
	/** report it, then stop the process there for a debugger: abort() */
	GANTRY_DMA_DEBUG_ABORT,
};

/** Number of bounce buffer sizes: 256, 2,048, 16,384 and 65,536 bytes. */
#define GANTRY_DMA_BOUNCE_CLASSES 4

/** Parameters of a new device. */
struct gantry_dma_params {
	const char *name;                  /**< for messages; copied */
	const struct gantry_dma_ops *ops;  /**< the bus; may be NULL: direct mode only */
	void *opaque;                      /**< first argument of each call in ops */
	int socket_id;                     /**< the device's NUMA node, or SOCKET_ID_ANY */
	bool has_iommu;                    /**< something translates between device and memory */
	enum gantry_dma_mode_id mode;      /**< the requested mode */
	enum gantry_dma_debug_level debug; /**< see gantry_dma_debug.h */
	/**
	 * Bounce mode: the number of buffers of each size, as a fixed limit. All 0: 4096, 8192,
	 * 128, 32 (21 MiB) at first. The library adds more as more are mapped at the same time, up
	 * to 512 MiB or half of the addresses that the mask reaches.
	 */
	uint32_t bounce_slots[GANTRY_DMA_BOUNCE_CLASSES];
};

/**
 * Make a device object.
 *
 * Masks are 32 bits until the driver sets them, as in the kernel. The mode begins when a mask is
 * set, or when the first buffer is mapped or block allocated without one. (In the latter case AUTO
 * is direct, and the choice remains open.)
 * @param params  copied, including the name; *ops and opaque must outlive the device
 * @return the device, which the caller owns; NULL with rte_errno: ENOMEM, EINVAL
 */
struct gantry_dma_dev *gantry_dma_dev_create(const struct gantry_dma_params *params);
/**
 * Free a device object. The library reports everything that is still mapped or allocated, and frees
 * coherent memory.
 * @param dev  the device; NULL is allowed
 */
void gantry_dma_dev_destroy(struct gantry_dma_dev *dev);
/**
 * Give up a device that no longer responds and may still write to the memory that it was given.
 *
 * This call replaces gantry_dma_dev_destroy(). The object and everything that is mapped or
 * allocated stay as they are, permanently, because the device may still access them. The library no
 * longer calls the bus, so the bus may forget the device. The caller must not use the object
 * afterwards.
 * @param dev  the device; NULL is allowed
 */
void gantry_dma_dev_abandon(struct gantry_dma_dev *dev);

/**
 * Set the number of bus address bits that the device drives, for streaming mappings.
 *
 * The driver sets the mask before it maps anything. If the mode has already chosen bus addresses
 * that a narrower mask does not reach, the call fails as long as one of them is in use. On
 * failure the mask is unchanged, and gantry_dma_last_error() gives the reason.
 * @param dev   the device
 * @param mask  GANTRY_DMA_BIT_MASK() of 24 to 64 bits
 * @retval 0        the mask is set
 * @retval -EINVAL  @p mask is no such mask
 * @retval -EIO     EAL memory is outside the mask and nothing can bring it inside, or the requested
 *   mode is impossible; the library logs the reason
 * @retval -ENOMEM  out of memory
 */
int gantry_dma_set_mask(struct gantry_dma_dev *dev, uint64_t mask);
/**
 * Set the mask for coherent allocations. In direct mode it suffices if some EAL memory is inside
 * the mask: blocks come from there, and an allocation fails once none of it is left.
 * @param dev   the device
 * @param mask  as for gantry_dma_set_mask()
 * @return as from gantry_dma_set_mask()
 */
int gantry_dma_set_coherent_mask(struct gantry_dma_dev *dev, uint64_t mask);
/**
 * Set both masks, or neither.
 * @param dev   the device
 * @param mask  GANTRY_DMA_BIT_MASK() of 24 to 64 bits
 * @return as from gantry_dma_set_mask()
 */
int gantry_dma_set_mask_and_coherent(struct gantry_dma_dev *dev, uint64_t mask);
/** Return the current mask for streaming mappings. The kernel's dma_get_mask(). */
uint64_t gantry_dma_get_mask(struct gantry_dma_dev *dev);
/** Return the current mask for coherent allocations. The kernel's device::coherent_dma_mask. */
uint64_t gantry_dma_get_coherent_mask(struct gantry_dma_dev *dev);
/**
 * Return the name of the mode of the device: "direct", "window", "strict" or "bounce". For a device
 * that was created with GANTRY_DMA_MODE_AUTO, the choice is known once a mask is set.
 */
const char *gantry_dma_mode_name(struct gantry_dma_dev *dev);
/**
 * Find the mode that has a name, as users give it: one of the above, or "auto".
 * @param name  the name
 * @param mode  [out] the mode; unchanged on failure
 * @retval 0        found
 * @retval -EINVAL  no mode has that name
 */
int gantry_dma_mode_of_name(const char *name, enum gantry_dma_mode_id *mode);
/**
 * Return the mask that all current EAL memory requires; if the mode chooses the bus addresses, the
 * mask that the mode requires. The kernel's dma_get_required_mask().
 */
uint64_t gantry_dma_get_required_mask(struct gantry_dma_dev *dev);
/**
 * Return whether there is memory that the device's streaming mask does not reach, so that mapping
 * it copies or fails. The kernel's dma_addressing_limited().
 */
bool gantry_dma_addressing_limited(struct gantry_dma_dev *dev);
/**
 * Return the length in bytes of the longest single mapping that can be expected to succeed.
 * SIZE_MAX: any buffer that is contiguous in bus addresses. The kernel's dma_max_mapping_size().
 */
size_t gantry_dma_max_mapping_size(struct gantry_dma_dev *dev);

/**
 * Set the length in bytes of the longest segment that one descriptor of the device can hold.
 *
 * No segment of gantry_dma_map_sg() or gantry_dma_map_mbuf_chain() is longer. The default is 64
 * KiB. The kernel's dma_set_max_seg_size(). A set-up call, like the masks.
 * @param dev   the device
 * @param size  bytes, not 0
 * @retval 0        set
 * @retval -EINVAL  @p size is 0
 */
int gantry_dma_set_max_seg_size(struct gantry_dma_dev *dev, size_t size);
/** Return the current limit in bytes. The kernel's dma_get_max_seg_size(). */
size_t gantry_dma_get_max_seg_size(struct gantry_dma_dev *dev);
/**
 * Set the boundary that no segment may cross, as the mask of the address bits below it
 * (GANTRY_DMA_BIT_MASK(n): a boundary every 2^n bytes).
 *
 * The default is 4 GiB. The kernel's dma_set_seg_boundary(). A set-up call, like the masks.
 * @param dev   the device
 * @param mask  the address bits below the boundary
 * @retval 0        set
 * @retval -EINVAL  @p mask is no such mask
 */
int gantry_dma_set_seg_boundary(struct gantry_dma_dev *dev, uint64_t mask);
/** Return the current boundary mask. The kernel's dma_get_seg_boundary(). */
uint64_t gantry_dma_get_seg_boundary(struct gantry_dma_dev *dev);

/**
 * Allocate memory that CPU and device may both use at any time, such as descriptor rings. The
 * kernel's dma_alloc_coherent().
 *
 * The memory is zeroed, contiguous in bus addresses, and comes from hugepages on @p socket_id. If
 * the device's node has none left (SOCKET_ID_ANY), the library takes it from another node and logs
 * a warning.
 *
 * Both addresses are aligned as the HOWTO promises: to the smallest number of 4 KiB pages, rounded
 * up to a power of two, that holds @p size. So a block of up to 64 KiB never crosses a 64 KiB
 * boundary. If a block larger than an EAL page cannot be aligned so (IOVA-as-PA), the call fails.
 *
 * @param dev        the device
 * @param size       bytes, not 0
 * @param handle     [out] its bus address
 * @param socket_id  a NUMA node, or SOCKET_ID_ANY: the device's node
 * @return the block, which the caller owns until gantry_dma_free_coherent(); NULL with rte_errno:
 *   ENOMEM; EIO: none inside the coherent mask, or none so aligned; EINVAL: a size of 0, or absurd
 */
void *gantry_dma_alloc_coherent(struct gantry_dma_dev *dev, size_t size, gantry_dma_addr_t *handle,
		int socket_id);
/**
 * Free a coherent block.
 * @param dev       the device
 * @param size      bytes, as passed to the allocation
 * @param cpu_addr  the block; NULL is allowed
 * @param handle    its bus address, as returned by the allocation
 */
void gantry_dma_free_coherent(struct gantry_dma_dev *dev, size_t size, void *cpu_addr,
		gantry_dma_addr_t handle);

/**
 * Map a buffer: hand its ownership to the device until gantry_dma_unmap_single().
 *
 * In the meantime the CPU must not access the buffer, except between
 * gantry_dma_sync_single_for_cpu() and gantry_dma_sync_single_for_device().
 *
 * @param dev   the device
 * @param ptr   hugepage memory, or any class of memory that the mode can serve
 * @param size  bytes, not 0; the buffer must be contiguous in bus addresses
 * @param dir   which side writes the buffer
 * @return the bus address; the caller must test it with gantry_dma_mapping_error()
 */
static inline gantry_dma_addr_t gantry_dma_map_single(struct gantry_dma_dev *dev, void *ptr,
		size_t size, enum gantry_dma_dir dir);
/**
 * Unmap a buffer: the CPU owns it again.
 *
 * In strict mode the device starts no access to it after the call has returned. The other modes do
 * not promise that.
 * @param dev   the device
 * @param addr  the bus address that the mapping returned
 * @param size  bytes, as for the mapping
 * @param dir   as for the mapping
 */
static inline void gantry_dma_unmap_single(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir);

/**
 * Map the data of one mbuf segment (not the chain). In direct mode this is buf_iova + off, without
 * a look-up.
 * @param dev   the device
 * @param m     the segment
 * @param off   bytes from buf_addr
 * @param size  bytes, not 0
 * @param dir   which side writes the data
 * @return as from gantry_dma_map_single()
 */
static inline gantry_dma_addr_t gantry_dma_map_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		uint32_t off, size_t size, enum gantry_dma_dir dir);
/**
 * Unmap one mbuf segment (not the chain), with the promise of gantry_dma_unmap_single().
 * @param dev   the device
 * @param m     the mbuf segment
 * @param addr  the bus address that the mapping returned
 * @param size  bytes, as for the mapping
 * @param dir   as for the mapping
 */
static inline void gantry_dma_unmap_mbuf(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir);

/**
 * Mapping or unmapping with this flag does not hand over ownership of the data: sync calls do.
 *
 * The flag serves buffers of which the device writes a part only. If the driver maps and unmaps
 * with it and syncs only the part that was written, bounce mode copies only that part. Bytes that
 * were neither written nor synced are undefined for the other side. The kernel's
 * DMA_ATTR_SKIP_CPU_SYNC.
 */
#define GANTRY_DMA_ATTR_SKIP_CPU_SYNC (1ul << 5)

/**
 * Map as gantry_dma_map_single(), with GANTRY_DMA_ATTR_ flags, or 0. The kernel's
 * dma_map_single_attrs().
 * @param dev    the device
 * @param ptr    the buffer
 * @param size   bytes, not 0
 * @param dir    which side writes the buffer
 * @param attrs  GANTRY_DMA_ATTR_ flags, or 0
 * @return as from gantry_dma_map_single()
 */
static inline gantry_dma_addr_t gantry_dma_map_single_attrs(struct gantry_dma_dev *dev, void *ptr,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs);
/**
 * Unmap as gantry_dma_unmap_single(), with flags. The kernel's dma_unmap_single_attrs().
 * @param dev    the device
 * @param addr   the bus address that the mapping returned
 * @param size   bytes, as for the mapping
 * @param dir    as for the mapping
 * @param attrs  GANTRY_DMA_ATTR_ flags, or 0
 */
static inline void gantry_dma_unmap_single_attrs(struct gantry_dma_dev *dev, gantry_dma_addr_t addr,
		size_t size, enum gantry_dma_dir dir, unsigned long attrs);
/**
 * Map as gantry_dma_map_mbuf(), with flags.
 * @param dev    the device
 * @param m      the mbuf segment
 * @param off    bytes from buf_addr
 * @param size   bytes, not 0
 * @param dir    which side writes the data
 * @param attrs  GANTRY_DMA_ATTR_ flags, or 0
 * @return as from gantry_dma_map_single()
 */
static inline gantry_dma_addr_t gantry_dma_map_mbuf_attrs(struct gantry_dma_dev *dev,
		struct rte_mbuf *m, uint32_t off, size_t size, enum gantry_dma_dir dir,
		unsigned long attrs);
/**
 * Unmap as gantry_dma_unmap_mbuf(), with flags.
 * @param dev    the device
 * @param m      the mbuf segment
 * @param addr   the bus address that the mapping returned
 * @param size   bytes, as for the mapping
 * @param dir    as for the mapping
 * @param attrs  GANTRY_DMA_ATTR_ flags, or 0
 */
static inline void gantry_dma_unmap_mbuf_attrs(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir, unsigned long attrs);

/**
 * Return up to which bus address of an mbuf's buffer a mapping is an addition.
 *
 * A driver that maps several mbufs at once, with vector instructions, compares
 * rte_mbuf_iova_get() with this address. If it is not higher, gantry_dma_map_mbuf() would return
 * rte_mbuf_iova_get() + off and do nothing else; unmapping has nothing to undo, and
 * synchronization is the order of memory accesses only. So the driver may leave these calls out.
 * @param dev   the device
 * @param room  bytes from buf_addr to the end of the mapping (off + size), not 0
 * @return the highest address; 0 if the device must be asked for each mapping, because it is not
 *   in direct mode, or the debug layer watches it. It is constant once a mask is set.
 */
static inline gantry_dma_addr_t gantry_dma_mbuf_last(const struct gantry_dma_dev *dev, size_t room);

/** The largest number of unmappings that one struct gantry_dma_gather holds. */
#define GANTRY_DMA_GATHER_MAX 64

/**
 * Unmappings in progress, which are completed together. The caller has one on its stack for a
 * burst. All members but n are private to the library.
 */
struct gantry_dma_gather {
	uint32_t n;     /**< number of unmappings; 0: none */
	uint32_t attrs; /**< private */
	struct {
		gantry_dma_addr_t addr;
		uint64_t state;
	} of[GANTRY_DMA_GATHER_MAX]; /**< private */
};
/**
 * Begin a burst of unmappings.
 * @param[out] g  the burst, empty
 * @param attrs   GANTRY_DMA_ATTR_ flags of each of its unmappings, or 0
 */
static inline void gantry_dma_gather_init(struct gantry_dma_gather *g, unsigned long attrs);
/**
 * Unmap an mbuf segment as part of a burst.
 *
 * An unmapping must wait until the device can start no further access. This function defers that
 * wait, so that gantry_dma_unmap_gathered() waits once for everything that @p g holds. The kernel's
 * IOMMU drivers do the same with struct iommu_iotlb_gather. In strict mode with a page table (and
 * in window mode, if it maps every buffer on demand by a page table) the wait is most of the cost
 * of an unmapping. In all other cases this function unmaps at once.
 *
 * Until gantry_dma_unmap_gathered() has returned, the device owns the memory: the CPU must not
 * write to it, read from it what the device was to write, or free it.
 * @param dev    the device
 * @param m      the mbuf segment
 * @param addr   the bus address that the mapping returned
 * @param size   bytes, as for the mapping
 * @param dir    as for the mapping
 * @param g      the burst, which has the attributes
 */
static inline void gantry_dma_unmap_mbuf_gather(struct gantry_dma_dev *dev, struct rte_mbuf *m,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir,
		struct gantry_dma_gather *g);
/**
 * Complete the unmappings that @p g holds, which is empty afterwards. After the call has returned,
 * the device starts no access to their memory. An unmapping that was not deferred had ended before,
 * with the promise of gantry_dma_unmap_single().
 * @param dev  the device
 * @param g    the burst
 */
static inline void gantry_dma_unmap_gathered(struct gantry_dma_dev *dev,
		struct gantry_dma_gather *g);

/**
 * Test whether a mapping failed. The caller must test every mapping.
 * @param dev   the device
 * @param addr  the result of the mapping
 * @return 0: the buffer is mapped; otherwise the mapping failed
 */
static inline int gantry_dma_mapping_error(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

/**
 * Hand ownership to the CPU without unmapping.
 *
 * Afterwards the CPU sees all data that the device wrote before it reported completion, and may
 * write. Before this call the CPU must not read a buffer that is mapped FROM_DEVICE or
 * BIDIRECTIONAL.
 *
 * The range is a mapping, or a part of it; or a segment of a list or of a chain of mbufs
 * (gantry_dma_sg.h), or a part of that.
 * @param dev   the device
 * @param addr  the first bus address of the range
 * @param size  its bytes
 * @param dir   as for the mapping
 */
static inline void gantry_dma_sync_single_for_cpu(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir);
/**
 * Hand ownership back to the device, which then sees what the CPU wrote. The driver must call this
 * before it rings the doorbell.
 * @param dev   the device
 * @param addr  the first bus address of the range, as for gantry_dma_sync_single_for_cpu()
 * @param size  its bytes
 * @param dir   as for the mapping
 */
static inline void gantry_dma_sync_single_for_device(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t size, enum gantry_dma_dir dir);
/**
 * Hand @p size bytes from @p offset of the mapping at @p addr to the CPU. A driver that reads only
 * a header hands over only the header. The kernel's dma_sync_single_range_for_cpu().
 * @param dev     the device
 * @param addr    the bus address that the mapping returned
 * @param offset  bytes from the start of the mapping
 * @param size    bytes, not beyond the mapping
 * @param dir     as for the mapping
 */
static inline void gantry_dma_sync_single_range_for_cpu(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t offset, size_t size, enum gantry_dma_dir dir);
/**
 * Hand that range back to the device. The kernel's dma_sync_single_range_for_device().
 * @param dev     the device
 * @param addr    the bus address that the mapping returned
 * @param offset  bytes from the start of the mapping
 * @param size    bytes, not beyond the mapping
 * @param dir     as for the mapping
 */
static inline void gantry_dma_sync_single_range_for_device(struct gantry_dma_dev *dev,
		gantry_dma_addr_t addr, size_t offset, size_t size, enum gantry_dma_dir dir);

/**
 * Let the device reach a part of another device's BAR, peer to peer. The kernel's
 * dma_map_resource() takes the physical address alone; here a virtual address programs the IOMMU.
 *
 * If nothing translates between devices, the bus address is the BAR's own. If something does, the
 * library asks the backend to map whole pages. The backend may refuse, for example because a page
 * is already mapped. Bounce mode always refuses, because a BAR is not memory that could be copied.
 *
 * @param dev   the device that shall reach the BAR
 * @param va    where this process has the BAR mapped; gantry_mem_classify() must know it as
 *   GANTRY_MEM_MMIO
 * @param phys  the physical address of the same byte (mem_resource[].phys_addr of a PCI device plus
 *   the offset), or GANTRY_PHYS_ADDR_BAD if unknown, which suffices in IOVA-as-VA
 * @param size  bytes, not 0
 * @param dir   which side writes
 * @return the bus address; the caller must test it with gantry_dma_mapping_error()
 */
gantry_dma_addr_t gantry_dma_map_resource(struct gantry_dma_dev *dev, void *va,
		gantry_phys_addr_t phys, size_t size, enum gantry_dma_dir dir);
/**
 * Unmap a part of a BAR. The kernel's dma_unmap_resource().
 * @param dev   the device
 * @param addr  the bus address
 * @param size  bytes, as for the mapping
 * @param dir   as for the mapping
 */
void gantry_dma_unmap_resource(struct gantry_dma_dev *dev, gantry_dma_addr_t addr, size_t size,
		enum gantry_dma_dir dir);

/** Alignment in bytes of memory that a device writes. The kernel's dma_get_cache_alignment(). */
#define GANTRY_DMA_CACHE_ALIGNMENT RTE_CACHE_LINE_SIZE

/**
 * Begin the group of struct members that the device writes.
 *
 * The group shares no cache line with members that the CPU writes concurrently. The device owns the
 * members of the group as long as one of them is mapped. @p group is a name, unique in the struct,
 * or nothing. The kernel's __dma_from_device_group_begin() and _end().
 *
 * @code
 * struct request {
 * 	int state;
 * 	GANTRY_DMA_FROM_DEVICE_GROUP_BEGIN(reply);
 * 	uint8_t reply[32];
 * 	GANTRY_DMA_FROM_DEVICE_GROUP_END(reply);
 * 	int retries;
 * };
 * @endcode
 */
#define GANTRY_DMA_FROM_DEVICE_GROUP_BEGIN(group) \
	uint8_t gantry_dma_group_begin_##group[0] __rte_aligned(GANTRY_DMA_CACHE_ALIGNMENT)
/** End the group. */
#define GANTRY_DMA_FROM_DEVICE_GROUP_END(group) \
	uint8_t gantry_dma_group_end_##group[0] __rte_aligned(GANTRY_DMA_CACHE_ALIGNMENT)

/*
 * Addresses.
 */

/** Return the class of the memory at @p ptr. Any pointer is allowed. */
enum gantry_mem_class gantry_mem_classify(const void *ptr);
/** Return the name of a class for messages: a constant, never NULL. */
const char *gantry_mem_class_name(enum gantry_mem_class c);

/**
 * Find the physical address of a byte in /proc/self/pagemap.
 * @param ptr   the byte
 * @param phys  [out] its physical address
 * @retval 0       found
 * @retval -EPERM  the process lacks CAP_SYS_ADMIN (root)
 * @retval -EFAULT no page is present there
 * @retval -errno  /proc/self/pagemap cannot be read
 */
int gantry_virt_to_phys(const void *ptr, gantry_phys_addr_t *phys);
/**
 * Test whether [ptr, ptr + len) is contiguous in physical memory.
 * @param ptr  start of the range
 * @param len  bytes, not 0
 * @retval 1        it is
 * @retval 0        it is not
 * @retval -EINVAL  no such range
 * @retval -errno   as from gantry_virt_to_phys()
 */
int gantry_phys_contiguous(const void *ptr, size_t len);

/**
 * Find the bus address of @p ptr for this device in direct mode: the virtual address in IOVA-as-VA,
 * the physical address in IOVA-as-PA.
 * @param dev  the device
 * @param ptr  any address
 * @return GANTRY_DMA_MAPPING_ERROR if it has none (it is neither hugepage nor registered memory)
 */
gantry_dma_addr_t gantry_virt_to_bus(struct gantry_dma_dev *dev, const void *ptr);
/** Find the virtual address of a bus address in direct mode; NULL if no EAL memory has it. */
void *gantry_bus_to_virt(struct gantry_dma_dev *dev, gantry_dma_addr_t addr);

/**
 * Register [va, va + len) as a mapped BAR, for gantry_mem_classify(). If the kernel maps the BAR
 * (vfio, uio), the library finds it without this call. If the BAR is memory of another process, the
 * bus must register it.
 * @param va   its virtual address in this process
 * @param len  bytes, not 0
 * @retval 0        registered
 * @retval -ENOSPC  too many BARs
 * @retval -EINVAL  no such range
 */
int gantry_mem_mmio_add(const void *va, size_t len);
/** Remove the BAR at @p va. */
void gantry_mem_mmio_del(const void *va);

/**
 * Find the NUMA node of a core, as libnuma numbers nodes; 0 on a machine without NUMA.
 * @param lcore_id  the core
 * @return the node; -1 if it is unknown: no such lcore, or one that may run on several nodes
 */
int gantry_numa_node_of_lcore(unsigned int lcore_id);

/**
 * Log a warning if the core that polls a queue is on another NUMA node than the queue's memory or
 * the device, because every access then crosses between nodes.
 *
 * @param dev        the device
 * @param what       the queue, for the message: "rx queue 0"
 * @param lcore_id   the core that polls it
 * @param socket_id  the node of the memory; SOCKET_ID_ANY: unknown
 * @retval 0  same node, or unknown
 * @retval 1  the nodes differ, and the library logged a line with all three
 */
int gantry_dma_numa_check(struct gantry_dma_dev *dev, const char *what, unsigned int lcore_id,
		int socket_id);

/** Return one line with the reason of the last failure of a library call in this thread. */
const char *gantry_dma_last_error(void);

/** A live coherent block, for gantry_dma_for_each_block(). */
struct gantry_dma_block {
	void *cpu;             /**< CPU address */
	gantry_dma_addr_t bus; /**< bus address */
	size_t size;           /**< bytes, as requested */
	int socket_id;         /**< its NUMA node */
};
/**
 * Call fn for each live coherent block of the device. The list is locked during the call, so fn
 * must not allocate or free coherent memory of this device.
 * @param dev  the device
 * @param fn   the function to call
 * @param arg  passed to @p fn
 */
void gantry_dma_for_each_block(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_block *b), void *arg);

/** Why the device can reach a range. */
enum gantry_dma_reach {
	/** EAL memory, or bounce buffers: always reachable as a whole */
	GANTRY_DMA_REACH_MEMORY,
	GANTRY_DMA_REACH_BUFFER,   /**< a streaming mapping */
	GANTRY_DMA_REACH_COHERENT, /**< a coherent block */
	GANTRY_DMA_REACH_RESOURCE, /**< a BAR */
	/** The page table has an entry for the range, but no mapping accounts for it. */
	GANTRY_DMA_REACH_UNKNOWN,
};

/** A range that the device can reach right now. */
struct gantry_dma_mapping {
	enum gantry_dma_reach reach; /**< kind of the range */
	gantry_dma_addr_t addr;      /**< bus address */
	/**
	 * CPU address; in bounce mode that of the buffer that is copied. NULL: not in EAL memory
	 */
	const void *cpu;
	size_t size;             /**< bytes; the device reaches all pages that the range touches */
	enum gantry_dma_dir dir; /**< which side writes */
	const void *site;        /**< return address of the call that mapped it; NULL: unknown */
	uint64_t age_ms;         /**< age, to 0.1 s; UINT64_MAX: unknown */
};
/**
 * Call fn for each range that the device can reach right now.
 *
 * - Direct mode, and the contents of the window: EAL memory. Single mappings are unknown.
 * - Bounce mode: the library's own buffers, and the mappings that use one.
 * - Strict mode: the mappings, and nothing else.
 *
 * If the device has an I/O page table, address and direction come from the entries of that table,
 * and the library's records name the caller that made an entry, and the time. An entry that is not
 * in the records is GANTRY_DMA_REACH_UNKNOWN: the library reports the first 1024 such ranges, and
 * logs how many more there are. A mapping that another thread makes or ends concurrently may or may
 * not be included.
 *
 * EAL memory may be locked during the call: fn must not map, unmap, allocate or free, nor make
 * another call that takes this lock.
 * @param dev  the device
 * @param fn   the function to call
 * @param arg  passed to @p fn
 */
void gantry_dma_for_each_mapping(struct gantry_dma_dev *dev,
		void (*fn)(void *arg, const struct gantry_dma_mapping *mapping), void *arg);

#include "gantry_dma_inline.h"

#ifdef __cplusplus
}
#endif

#endif /* GANTRY_DMA_H */
