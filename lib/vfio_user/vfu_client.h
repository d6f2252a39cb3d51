/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * vfio-user, the client: what a driver needs to reach a PCI device in another process.
 *
 * Plain POSIX, no DPDK. The theory of vfio-user is in vfio_user.h.
 *
 * A client owns one connection and one receiving thread. That thread hands each reply to the call
 * that waits for it, and serves the requests of the server (DMA_READ and DMA_WRITE, for all
 * memory that is mapped).
 *
 * Every call is synchronous, may come from any thread, and is bounded by the time-out of the
 * connection. A call returns 0 or a negative errno value. After the connection is lost, all calls
 * return -ENODEV at once. A time-out (-ETIMEDOUT) also loses the connection, because the
 * client could not attribute a late reply, and its side effects, to the right request.
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

/** Maximum number of mappable areas of one region; more areas are an error. */
#define VFU_MAX_AREAS 8

struct vfu_client;

/** The parameters of a connection. */
struct vfu_client_params {
	/** Time to wait for a reply, milliseconds; 0 means 5,000. */
	unsigned int timeout_ms;
	/**
	 * Time for connecting and for all messages together, milliseconds, until vfu_client_limit()
	 * changes it; 0: no limit.
	 */
	unsigned int limit_ms;
	/**
	 * The caller knows which registers in the queue pages of a device it may store to directly,
	 * and reaches the others by message: offer VFU_CAP_QUEUE_PAGES (vfio_user.h).
	 */
	bool queue_pages;
	/**
	 * Copy client memory for a DMA_READ of the server. A server uses messages for mappings
	 * without a file descriptor, and may use them for other mappings. Called by the receiving
	 * thread, for at most 64 KiB at a time, and only for ranges inside one mapping that has the
	 * permission: the library checks this, and calls once for each of the mappings that a
	 * request spans. NULL: such requests are answered with EOPNOTSUPP.
	 * @return 0, or a negative errno value, which the reply reports
	 */
	int (*dma_read)(void *opaque, uint64_t iova, void *buf, size_t len);
	/** Copy into client memory for a DMA_WRITE of the server. See dma_read. */
	int (*dma_write)(void *opaque, uint64_t iova, const void *buf, size_t len);
	/**
	 * The connection is lost: the server closed it, died, did not answer in time, or broke the
	 * protocol; @p why is the reason. Called once, by the thread that noticed the loss. It must
	 * not call back into the client. Never called after vfu_client_close().
	 */
	void (*lost)(void *opaque, const char *why);
	/** First argument of the three functions. */
	void *opaque;
};

/** One region (VFIO numbers: 0 to 5 are BARs, 7 is configuration space). */
struct vfu_region {
	uint64_t size;         /**< bytes; 0: the device has no such region */
	uint32_t flags;        /**< VFIO_REGION_INFO_FLAG_READ, _WRITE, _MMAP */
	int fd;                /**< file of the areas, owned by the caller; -1: none */
	uint64_t fd_offset;    /**< offset of byte 0 of the region in @p fd, bytes */
	unsigned int nr_areas; /**< mappable areas; 0 with MMAP: the whole region */
	/** The areas that the client may map. */
	struct {
		uint64_t offset; /**< in the region, bytes, page-aligned */
		uint64_t size;   /**< bytes, whole pages */
	} areas[VFU_MAX_AREAS];
};

/** The device. */
struct vfu_device_info {
	uint32_t flags;       /**< VFIO_DEVICE_FLAGS_* */
	uint32_t num_regions; /**< regions that vfu_client_region_info() may be asked for */
	uint32_t num_irqs;    /**< kinds that vfu_client_irq_info() may be asked for */
};

/** One kind of interrupt (VFIO_PCI_*_IRQ_INDEX). */
struct vfu_irq_info {
	uint32_t flags; /**< VFIO_IRQ_INFO_* */
	uint32_t count; /**< vectors; 0: none */
};

/**
 * Connect to a server and negotiate the version.
 *
 * @param path    the Unix socket of the server
 * @param params  copied
 * @param client  [out] the connection; close it by vfu_client_close()
 * @param err     [out] one line about an error and its remedy, VFU_ERR_LEN bytes
 * @retval 0               connected
 * @retval -ENAMETOOLONG   @p path is too long for a socket, or empty
 * @retval -ENOENT         no such socket
 * @retval -ECONNREFUSED   no server listens on the socket
 * @retval -EACCES         the socket belongs to another user
 * @retval -EPROTO         the server does not speak vfio-user, or another major version of it
 * @retval -EBUSY          the server serves another client
 * @retval -ETIMEDOUT      the server does not answer
 * @retval -ENOMEM         out of memory
 */
int vfu_client_connect(const char *path, const struct vfu_client_params *params,
		struct vfu_client **client, char *err);

/**
 * Close the connection, end its thread, and free it. NULL is allowed. No other call may be in
 * progress. Must not be called from the callbacks.
 */
void vfu_client_close(struct vfu_client *client);

/**
 * Time that the callers may wait for a server altogether, milliseconds. The waits for replies add
 * up, and the time in which no caller waits is subtracted. Beyond it the connection is lost.
 */
#define VFU_CLIENT_WAIT_MS 60000

/**
 * Bound all messages from now on together; each message keeps its own time-out. The connection is
 * lost if the time ends during a message, or if a message is sent afterwards.
 *
 * @param client  the connection
 * @param ms      milliseconds from now; 0 removes the limit
 */
void vfu_client_limit(struct vfu_client *client, unsigned int ms);

/** Report whether the connection is alive. @return false once the connection is lost */
bool vfu_client_alive(const struct vfu_client *client);

/**
 * Report whether the server can no longer touch memory that was mapped for it. This is certain once
 * the connection is lost and the server has closed its end, or is dead. A connection that was lost
 * otherwise (a time-out, a breach of the protocol) proves nothing: a server that was merely
 * stopped resumes its work when it is continued. The result may become true later. Any thread.
 */
bool vfu_client_quiesced(const struct vfu_client *client);

/*
 * The calls. Each waits for the reply of the server. Any thread, several concurrently. Errors are
 * negative errno values: the error of the server; -ENODEV: the connection is lost; -ETIMEDOUT: no
 * reply, and the connection is lost now; -EPROTO: the reply makes no sense; -ENOMEM.
 */

/** Read the properties of the device (DEVICE_GET_INFO). @return 0 or a negative errno value */
int vfu_client_device_info(struct vfu_client *client, struct vfu_device_info *info);
/**
 * Read the properties of region @p index (DEVICE_GET_REGION_INFO). The caller must close the file
 * in @p region, if there is one. The library has checked that the file holds all of the areas.
 * @retval 0       @p region is filled
 * @retval -E2BIG  more areas than VFU_MAX_AREAS; there is no file
 * @return another negative errno value; there is no file
 */
int vfu_client_region_info(struct vfu_client *client, unsigned int index,
		struct vfu_region *region);
/** Read the number of vectors of kind @p index. @return 0 or a negative errno value */
int vfu_client_irq_info(struct vfu_client *client, unsigned int index, struct vfu_irq_info *info);

/**
 * Read a region. If @p len is 1, 2, 4 or 8 and the offset is aligned, the server sees one access of
 * that width.
 * @param client  the connection
 * @param index   the region
 * @param offset  in the region, bytes
 * @param buf     [out] on success, the bytes
 * @param len     bytes; a length above the negotiated transfer size is cut into several messages
 * @return 0 or a negative errno value
 */
int vfu_client_region_read(struct vfu_client *client, unsigned int index, uint64_t offset,
		void *buf, size_t len);

/**
 * Write a region; see vfu_client_region_read(). Returns after the server has carried the write out
 * and replied: writes are not posted.
 */
int vfu_client_region_write(struct vfu_client *client, unsigned int index, uint64_t offset,
		const void *buf, size_t len);

/**
 * Wire vectors to event file descriptors (SET_IRQS with DATA_EVENTFD, ACTION_TRIGGER).
 * @param client  the connection
 * @param index   VFIO_PCI_*_IRQ_INDEX
 * @param start   the first vector
 * @param count   number of vectors
 * @param fds     @p count descriptors, which remain owned by the caller; -1 leaves a vector
 *                unwired. NULL with count 0 unwires all vectors of @p index.
 * @retval 0            wired
 * @retval -EOPNOTSUPP  the server takes no descriptors
 * @return another negative errno value
 */
int vfu_client_set_irq_fds(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count, const int *fds);

/**
 * Unmask vectors (SET_IRQS with ACTION_UNMASK). The caller must unmask an interrupt that the server
 * masks when it signals it (VFIO_IRQ_INFO_AUTOMASKED: INTx) after each event. If the cause is still
 * present, the next event comes at once.
 * @return 0 or a negative errno value
 */
int vfu_client_unmask_irqs(struct vfu_client *client, unsigned int index, unsigned int start,
		unsigned int count);

/**
 * Give the device access to memory.
 * @param client  the connection
 * @param fd      file of the memory, which remains owned by the caller; -1: no file, and the
 *                server reads and writes by message (see dma_read)
 * @param offset  in @p fd, bytes
 * @param iova    bus address, a multiple of 4,096
 * @param size    bytes, a multiple of 4,096
 * @param prot    VFU_DMA_READ (the device reads) | VFU_DMA_WRITE (the device writes)
 * @retval 0        mapped
 * @retval -EINVAL  bad range or @p prot
 * @retval -EEXIST  overlaps another mapping
 * @return another negative errno value
 */
int vfu_client_dma_map(struct vfu_client *client, int fd, uint64_t offset, uint64_t iova,
		uint64_t size, uint32_t prot);

/**
 * Take access to memory away from the device. When this returns 0, the device has completed its
 * accesses to the range and starts no other.
 * @retval 0        unmapped
 * @retval -ENOENT  the range contains no mapping
 * @return another negative errno value
 */
int vfu_client_dma_unmap(struct vfu_client *client, uint64_t iova, uint64_t size);

/**
 * Put an I/O page table between the device and the memory that vfu_client_dma_map() gives it, until
 * the connection ends. See "The I/O page table" in vfio_user.h.
 * @param client  the connection
 * @param fd      a memfd sealed against shrinking, preferably open for reading only, which remains
 *                owned by the caller; entry 0 is its first 8 bytes
 * @param base    bus address of entry 0, a multiple of 4,096
 * @param nr      entries, 1 to VFU_MAX_PTES
 * @retval 0            from now on every access of the device goes through the table
 * @retval -EOPNOTSUPP  the server does not have the extension
 * @retval -EEXIST      a table exists already
 * @retval -EINVAL      bad file, @p base or @p nr
 * @return another negative errno value
 */
int vfu_client_page_table(struct vfu_client *client, int fd, uint64_t base, uint64_t nr);

/** Reset the device (DEVICE_RESET). @return 0 or a negative errno value */
int vfu_client_reset(struct vfu_client *client);

#ifdef __cplusplus
}
#endif

#endif /* VFU_CLIENT_H */
