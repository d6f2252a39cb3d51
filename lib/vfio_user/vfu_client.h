/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * vfio-user, the client's side: what a driver needs to reach a PCI device that
 * lives in another process.
 *
 * Plain POSIX, no DPDK. A client owns one connection and one thread, which
 * receives: it hands each reply to the call that waits for it, and serves the
 * server's own requests (DMA_READ and DMA_WRITE, of all memory that is mapped).
 *
 * Every call is synchronous, may come from any thread, and is bounded by the
 * connection's time-out. All return 0 or a negative errno value; after the
 * connection is lost they all return -ENODEV at once. A time-out (-ETIMEDOUT)
 * loses the connection, too: a reply that comes later could not be told from
 * the reply to the next request's side effects.
 *
 * Source: the vfio-user specification, QEMU docs/interop/vfio-user.rst.
 */

#ifndef VFU_CLIENT_H
#define VFU_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfio_user.h"

#ifdef __cplusplus
extern "C" {
#endif

/** At most so many mappable areas of one region are kept; more is an error. */
#define VFU_MAX_AREAS 8

struct vfu_client;

/** What a connection needs of its owner. */
struct vfu_client_params {
	/** How long to wait for a reply, milliseconds; 0 means 5,000. */
	unsigned int timeout_ms;
	/**
	 * The owner knows which registers in a device's queue pages may be stored to directly, and
	 * reaches the others by message: offers VFU_CAP_QUEUE_PAGES (vfio_user.h).
	 */
	bool queue_pages;
	/**
	 * The server reads, or writes, client memory by message: of mappings
	 * without a file descriptor, and of those with one where the server
	 * prefers to. Called from the receiving thread, at most 64 KiB at a
	 * time, and only for ranges that lie inside one mapping with the
	 * permission needed: the library checks, and asks once for each of the
	 * mappings that a request spans.
	 * Returns 0 or a negative errno value, which goes into the reply.
	 * NULL: such requests get EOPNOTSUPP.
	 */
	int (*dma_read)(void *opaque, uint64_t iova, void *buf, size_t len);
	/** See dma_read. */
	int (*dma_write)(void *opaque, uint64_t iova, const void *buf, size_t len);
	/**
	 * The connection is gone (the server closed it, died, timed out, or
	 * broke the protocol: @p why says which). Called once, from whatever
	 * thread noticed; it must not call back into the client. Not called
	 * after vfu_client_close().
	 */
	void (*lost)(void *opaque, const char *why);
	/** The first argument of the three. */
	void *opaque;
};

/** One region (VFIO's numbering: 0 to 5 are BARs, 7 is configuration space). */
struct vfu_region {
	uint64_t size;          /**< bytes; 0: the device has no such region */
	uint32_t flags;         /**< VFIO_REGION_INFO_FLAG_READ, _WRITE, _MMAP */
	int fd;                 /**< to mmap the areas of; -1: none. The caller owns it. */
	uint64_t fd_offset;     /**< where in @p fd the region's byte 0 lies */
	unsigned int nr_areas;  /**< what may be mapped; if MMAP is set and 0, all of it */
	/** What may be mapped. */
	struct {
		uint64_t offset; /**< in the region, page-aligned */
		uint64_t size;   /**< bytes, whole pages */
	} areas[VFU_MAX_AREAS];
};

/** The device. */
struct vfu_device_info {
	uint32_t flags;        /**< VFIO_DEVICE_FLAGS_* */
	uint32_t num_regions;  /**< that vfu_client_region_info() may be asked for */
	uint32_t num_irqs;     /**< that vfu_client_irq_info() may be asked for */
};

/** One kind of interrupt (VFIO_PCI_*_IRQ_INDEX). */
struct vfu_irq_info {
	uint32_t flags;        /**< VFIO_IRQ_INFO_* */
	uint32_t count;        /**< vectors; 0: none */
};

/**
 * Connects and negotiates the version.
 *
 * @param path    the server's Unix socket
 * @param params  copied
 * @param client  [out] the connection; close it with vfu_client_close()
 * @param err     [out] one line about what went wrong and what to do, VFU_ERR_LEN bytes
 * @return 0; -ENAMETOOLONG, -ENOENT, -ECONNREFUSED, -EACCES: the socket;
 *   -EPROTO: what answers is not vfio-user, or of another major version;
 *   -EBUSY: the server serves another client; -ETIMEDOUT: nothing answers; -ENOMEM
 */
int vfu_client_connect(const char *path, const struct vfu_client_params *params,
		struct vfu_client **client, char *err);

/**
 * Closes the connection, ends its thread, frees it. No other call may be under
 * way; not to be called from the callbacks.
 */
void vfu_client_close(struct vfu_client *client);

/**
 * How long a server may have its callers wait altogether, milliseconds: the waits for its replies
 * add up, and the time in which nobody waits takes as much off. Beyond it the connection is lost.
 */
#define VFU_CLIENT_WAIT_MS 60000

/**
 * Bound all messages from now on together, each by its own timeout as before.
 * The connection is lost when the time is over in the middle of a message, or
 * when another message is sent afterwards.
 *
 * @param ms  milliseconds from now; 0 removes the limit
 */
void vfu_client_limit(struct vfu_client *client, unsigned int ms);

/** False once the connection is lost. */
bool vfu_client_alive(const struct vfu_client *client);

/**
 * True once the connection is lost and the server has closed its end, or is
 * dead: then it touches no memory that was mapped for it any more. A connection
 * that was lost otherwise (a time-out, a breach of the protocol) says nothing of
 * the kind: a server that was merely stopped goes on where it was when it is
 * continued. It may become true later. Any thread.
 */
bool vfu_client_quiesced(const struct vfu_client *client);

/*
 * The calls. Each waits for the server's reply. Any thread, several at once. Errors are
 * negative errno values: the server's own; -ENODEV: the connection is lost; -ETIMEDOUT: no
 * reply, and it is lost now; -EPROTO: a reply that makes no sense; -ENOMEM.
 */

/** Asks what the device is (DEVICE_GET_INFO). @return 0 or a negative errno value */
int vfu_client_device_info(struct vfu_client *client, struct vfu_device_info *info);
/**
 * Asks for region @p index (DEVICE_GET_REGION_INFO). A file in @p region is the caller's to
 * close; it was checked to hold all of the areas.
 * @return 0; -E2BIG: more areas than VFU_MAX_AREAS; or another negative errno value; there
 *   is no file then
 */
int vfu_client_region_info(struct vfu_client *client, unsigned int index,
		struct vfu_region *region);
/** Asks how many vectors there are of kind @p index. @return 0 or a negative errno value */
int vfu_client_irq_info(struct vfu_client *client, unsigned int index, struct vfu_irq_info *info);

/**
 * Reads a region. Of 1, 2, 4 or 8 bytes at an aligned offset the server sees
 * one access of that width.
 * @param client  the connection
 * @param index   the region
 * @param offset  in the region
 * @param buf     [out] on success
 * @param len     bytes, up to the negotiated transfer size; longer is cut into several messages
 * @return 0 or a negative errno value
 */
int vfu_client_region_read(struct vfu_client *client, unsigned int index, uint64_t offset,
		void *buf, size_t len);

/**
 * Writes a region; see vfu_client_region_read(). Returns when the server has
 * carried it out and replied (writes are not posted).
 */
int vfu_client_region_write(struct vfu_client *client, unsigned int index, uint64_t offset,
		const void *buf, size_t len);

/**
 * Wires vectors to event file descriptors (SET_IRQS with DATA_EVENTFD, ACTION_TRIGGER).
 * @param client  the connection
 * @param index   VFIO_PCI_*_IRQ_INDEX
 * @param start   the first vector
 * @param count   how many
 * @param fds     @p count descriptors, still the caller's afterwards; -1 leaves a vector unwired.
 *                NULL with count 0 unwires all of @p index.
 * @return 0; -EOPNOTSUPP: the server takes no descriptors; or another negative errno value
 */
int vfu_client_set_irq_fds(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count, const int *fds);

/**
 * Unmasks vectors (SET_IRQS with ACTION_UNMASK). An interrupt that the server masks when it signals
 * it (VFIO_IRQ_INFO_AUTOMASKED: INTx) has to be unmasked after each event; if its cause is still
 * there, the next event comes at once.
 * @return 0 or a negative errno value
 */
int vfu_client_unmask_irqs(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count);

/**
 * Gives the device access to memory.
 * @param client  the connection
 * @param fd      the memory's file, still the caller's afterwards; -1: none,
 *                the server then reads and writes by message (see dma_read)
 * @param offset  in @p fd
 * @param iova    bus address, a multiple of 4,096
 * @param size    bytes, a multiple of 4,096
 * @param prot    VFU_DMA_READ (the device reads) | VFU_DMA_WRITE
 * @return 0; -EINVAL: the range or @p prot; -EEXIST: something is mapped there; or another
 *   negative errno value
 */
int vfu_client_dma_map(struct vfu_client *client, int fd, uint64_t offset, uint64_t iova,
		uint64_t size, uint32_t prot);

/**
 * Takes it away. When this returns 0, the device has ended its accesses to the
 * range and starts no other.
 * @return 0; -ENOENT: nothing is mapped there; or another negative errno value
 */
int vfu_client_dma_unmap(struct vfu_client *client, uint64_t iova, uint64_t size);

/**
 * Puts an I/O page table between the device and the memory that vfu_client_dma_map() gives it,
 * until the connection ends: see vfio_user.h, "The I/O page table".
 * @param client  the connection
 * @param fd      a memfd sealed against shrinking, best open for reading only, still the caller's
 *                afterwards; entry 0 is its first 8 bytes
 * @param base    the bus address of entry 0, a multiple of 4,096
 * @param nr      entries, 1 to VFU_MAX_PTES
 * @return 0: from now on every access of the device goes through it; -EOPNOTSUPP: the server has
 *   no such extension; -EEXIST: there is one; -EINVAL: the file, @p base or @p nr; or another
 *   negative errno value
 */
int vfu_client_page_table(struct vfu_client *client, int fd, uint64_t base, uint64_t nr);

/** Resets the device (DEVICE_RESET). @return 0 or a negative errno value */
int vfu_client_reset(struct vfu_client *client);

#ifdef __cplusplus
}
#endif

#endif /* VFU_CLIENT_H */
