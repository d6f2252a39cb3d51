/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * vfio-user, the server's side: a PCI device of one's own behind a Unix socket.
 *
 * Plain POSIX and liburcu (the QSBR flavour), no DPDK.
 *
 * Theory. A server has one socket and serves one client at a time, in one
 * control thread of its own. That thread answers the protocol's bookkeeping
 * (version, DEVICE_GET_INFO, regions, interrupts, DMA table) by itself and asks
 * the device, through struct vfu_server_ops, only what only the device knows:
 * what a register access does, and a reset.
 *
 * The device's data path runs in threads of the device's owner. They never
 * take a lock of the server's. What they share with the control thread is
 *  - the DMA table, replaced as a whole by the control thread and read under
 *    RCU (the data path's threads register with urcu-qsbr and pass quiescent
 *    states); DMA_UNMAP replies only after a grace period, which is what makes
 *    "no access after the reply" true;
 *  - the I/O page table, where the client gave one (vfio_user.h): its memory, which the data
 *    path reads for each access;
 *  - the interrupts' event file descriptors, under RCU likewise.
 *
 * The client is on the other side of a trust boundary: no message, no order of
 * messages, no memory it shares (nor its truncating of it, SIGBUS) and no
 * silence may crash or hang the server. A client that breaks the protocol gets
 * its error reply; one that is beyond replies is dropped.
 */

#ifndef VFU_SERVER_H
#define VFU_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vfio_user.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VFU_SRV_REGIONS 9 /**< VFIO_PCI_NUM_REGIONS */
#define VFU_SRV_IRQS    5 /**< VFIO_PCI_NUM_IRQS */
#define VFU_SRV_AREAS   8 /**< mappable areas that one region may have */

struct vfu_server;

/**
 * What the device does. All are called from the control thread, one at a time.
 * While one runs, the control thread may wait for an RCU grace period.
 */
struct vfu_server_ops {
	/** A client has come (after version negotiation). */
	void (*attached)(void *opaque);
	/**
	 * The client has gone, or was dropped. The device must let go of all
	 * of its memory: when this returns, no thread uses the DMA table's
	 * memory any more. @p why is one line for the log.
	 */
	void (*detached)(void *opaque, const char *why);
	/**
	 * Access to a region: @p len bytes at @p offset, already checked to lie
	 * inside it and to be permitted by its flags. Configuration space, BARs.
	 * @return 0 or a negative errno value for the reply
	 */
	int (*region_read)(void *opaque, unsigned int region, uint64_t offset, void *buf,
			size_t len);
	/** See region_read. */
	int (*region_write)(void *opaque, unsigned int region, uint64_t offset, const void *buf,
			size_t len);
	/** DEVICE_RESET. Returns when the device has let go of all its queues. */
	int (*reset)(void *opaque);
	/**
	 * Vectors of @p irq_index were wired, unwired, masked or unmasked; may be
	 * NULL. A device with a level-triggered interrupt raises it again if its
	 * cause is still there.
	 */
	void (*irqs_changed)(void *opaque, unsigned int irq_index);
	/**
	 * A message of the client's was refused: one line that says why (at most ten
	 * of a client); may be NULL.
	 */
	void (*refused)(void *opaque, const char *line);
};

/** What the device is: fixed before the server starts. */
struct vfu_server_desc {
	/** By VFIO's number: 0 to 5 are BARs, 7 is configuration space. */
	struct {
		uint64_t size;   /**< bytes, 0: none */
		uint32_t flags;  /**< VFIO_REGION_INFO_FLAG_READ, _WRITE; _MMAP if areas */
		int fd;          /**< memory of the areas, the region's byte 0 at offset 0; or -1 */
		unsigned int nr_areas; /**< entries of areas */
		/** What a client may map. */
		struct {
			uint64_t offset; /**< in the region, a multiple of a page */
			uint64_t size;   /**< bytes, whole pages */
		} areas[VFU_SRV_AREAS];
	} regions[VFU_SRV_REGIONS];
	uint32_t irq_counts[VFU_SRV_IRQS]; /**< vectors, by VFIO_PCI_*_IRQ_INDEX */
	bool no_page_table; /**< to clients, a server that has no such extension (vfio_user.h) */
	/**
	 * How long a polling thread waits for the client's part in an access to memory without a
	 * file descriptor, milliseconds; who does not answer is dropped. 0 means 200.
	 */
	unsigned int dma_timeout_ms;
};

/** Counters of one server, since it started. */
struct vfu_server_stats {
	uint64_t clients;        /**< that attached */
	uint64_t messages;       /**< received */
	uint64_t bad_messages;   /**< answered with an error, or reason for a drop */
	/**
	 * Accesses outside of what is mapped, or not permitted, or to memory that the
	 * client truncated. vfu_dma_ptr() does not count: its caller may go on to
	 * vfu_dma_read() or vfu_dma_write(), which do.
	 */
	uint64_t dma_faults;
	uint64_t dma_maps;       /**< entries in the table now */
	uint64_t dma_bytes;      /**< mapped now */
	uint64_t ptes;           /**< entries of the I/O page table; 0: none is there */
	/** One is connected, or something of the last one's (memory, file descriptors) is held. */
	bool client;
};

/**
 * Makes the socket (mode 0600; a stale socket of a dead server is replaced, a
 * live one or any other file is an error) and starts the control thread.
 *
 * @param path    of the socket, at most 107 bytes
 * @param desc    copied
 * @param ops     copied
 * @param opaque  the first argument of ops
 * @param server  [out] set before the first of ops is called
 * @param err     [out] one line, VFU_ERR_LEN bytes
 * @return 0 or a negative errno value
 */
int vfu_server_start(const char *path, const struct vfu_server_desc *desc,
		const struct vfu_server_ops *ops, void *opaque, struct vfu_server **server,
		char *err);

/** Drops the client, ends the thread, removes the socket, frees. */
void vfu_server_stop(struct vfu_server *server);

/** Asks the control thread to drop the client, from any thread; returns at once. */
void vfu_server_drop_client(struct vfu_server *server, const char *why);

/**
 * Looks whether the client has closed its socket, which the control thread may not
 * have come to yet. From a thread that is registered with RCU.
 * @return false also if there is no client
 */
bool vfu_server_peer_gone(struct vfu_server *server);

/**
 * Raises an interrupt: signals the vector's event file descriptor, if it is
 * wired; never blocks. From any thread that is registered with RCU, or the control thread.
 * @return true if a vector was wired there
 */
bool vfu_server_irq(struct vfu_server *server, unsigned int irq_index, unsigned int vector);

/** Control thread: was the vector raised while the client had it masked, and waits for that? */
bool vfu_server_irq_pending(const struct vfu_server *server, unsigned int irq_index,
		unsigned int vector);

/** Fills @p stats, each counter as it is when it is read. Any thread. */
void vfu_server_get_stats(const struct vfu_server *server, struct vfu_server_stats *stats);

/** An entry of the DMA table, for dumps. */
struct vfu_dma_entry {
	uint64_t iova;     /**< bus address */
	uint64_t size;     /**< bytes */
	uint32_t prot;     /**< VFU_DMA_READ | VFU_DMA_WRITE */
	void *vaddr;       /**< where the server mapped it; NULL: no file descriptor */
};
/**
 * Calls fn for each entry of the DMA table. From the control thread or
 * an RCU reader, which passes no quiescent state in fn.
 */
void vfu_server_dma_for_each(struct vfu_server *server,
		void (*fn)(void *arg, const struct vfu_dma_entry *e), void *arg);

/*
 * The data path: the device's IOMMU.
 */

/**
 * Translates a bus address range for one access.
 *
 * Call between quiescent states; the pointer is good until the thread's next
 * quiescent state, and with an I/O page table for one access, begun at once
 * (vfu_dma_paged()). Lock-free, no system call. The memory behind it belongs to
 * another process: it may change at any moment (copy first, then check), and
 * may be truncated, after which it reads as zero, writes go nowhere, and
 * vfu_server_dma_poisoned() is true from then on.
 *
 * @param server  the server
 * @param iova    bus address of the first byte
 * @param len     bytes
 * @param prot    the access: VFU_DMA_READ or VFU_DMA_WRITE
 * @return NULL if the range is not mapped by one entry for that access, or has
 *   no file descriptor, or lies in pages that only the I/O page table makes neighbours (use
 *   vfu_dma_read(), vfu_dma_write() then, which serve every kind)
 */
void *vfu_dma_ptr(struct vfu_server *server, uint64_t iova, size_t len, uint32_t prot);

/**
 * Whether there is an I/O page table: then what vfu_dma_ptr() returned may be used for the
 * access that it was asked for, one descriptor or one buffer, and for no second one, since the
 * client may have cleared the entry meanwhile. Good until the thread's next quiescent state.
 */
bool vfu_dma_paged(struct vfu_server *server);

/**
 * Copies from the client's memory, whatever lies behind it: across neighbouring
 * entries, through DMA_READ messages where there is no file descriptor (bounded by
 * 200 ms; a client that does not answer is dropped). Between quiescent states.
 * @return 0, or -EFAULT (a DMA fault, counted): nothing usable was read
 */
int vfu_dma_read(struct vfu_server *server, uint64_t iova, void *buf, size_t len);
/**
 * Copies to the client's memory; see vfu_dma_read().
 * @return 0, or -EFAULT (a DMA fault, counted): part of it may have been written
 */
int vfu_dma_write(struct vfu_server *server, uint64_t iova, const void *buf, size_t len);

/** Why an access is a DMA fault. */
enum vfu_dma_why {
	VFU_DMA_NOT_MAPPED,    /**< no DMA_MAP has the address */
	VFU_DMA_NOT_PERMITTED, /**< one has, but not for this access */
	VFU_DMA_NO_ENTRY,      /**< the I/O page table has no entry for the address */
	VFU_DMA_ENTRY_FORBIDS, /**< it has, but not for this access */
	VFU_DMA_NO_ANSWER,     /**< the client refused a DMA_READ or DMA_WRITE, or was silent */
	VFU_DMA_TRUNCATED,     /**< the client truncated its memory */
};
/** How many there are. */
#define VFU_DMA_WHYS (VFU_DMA_TRUNCATED + 1)

/** A DMA fault. */
struct vfu_dma_fault {
	uint64_t iova;         /**< the first byte that could not be reached: a bus address */
	uint32_t prot;         /**< the access: VFU_DMA_READ or VFU_DMA_WRITE */
	enum vfu_dma_why why;  /**< what was wrong */
};

/** The last fault of this thread's vfu_dma_read() and vfu_dma_write(), after one has failed. */
const struct vfu_dma_fault *vfu_dma_last_fault(void);
/** Its reason in words: a constant. */
const char *vfu_dma_why_text(const struct vfu_dma_fault *fault);

/** The client truncated its memory, and is being dropped; what was read must not be used. */
bool vfu_server_dma_poisoned(const struct vfu_server *server);

#ifdef __cplusplus
}
#endif

#endif /* VFU_SERVER_H */
