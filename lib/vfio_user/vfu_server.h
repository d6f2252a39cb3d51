/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * vfio-user, the server: a PCI device that is a program, behind a Unix socket.
 *
 * Plain POSIX, no DPDK. The theory of vfio-user is in vfio_user.h.
 *
 * A server has one socket and serves one client at a time, in one control thread of its own. That
 * thread answers the bookkeeping of the protocol (version, DEVICE_GET_INFO, regions, interrupts,
 * DMA table) by itself. Through struct vfu_server_ops it asks the device only for the two things
 * that only the device knows: the effect of a register access, and a reset.
 *
 * The data path of the device runs in threads of the device owner, called the polling threads
 * here. They never wait for the server or the client. They share with the control thread
 *  - the DMA table. The control thread replaces it as a whole, and the polling threads read it
 *    under RCU: they register by vfu_rcu.h and pass quiescent states. The control thread replies
 *    to DMA_UNMAP only after a grace period, which makes "no access after the reply" true;
 *  - the memory of the I/O page table, if the client gave one (vfio_user.h). The data path
 *    reads it for each access;
 *  - the event file descriptors of the interrupts, also under RCU;
 *  - the queue of accesses that take a message (server_async.c). It has a lock, and no thread
 *    waits for anything while it holds that lock. An access by pointer takes no lock.
 *
 * The client is on the other side of a trust boundary: no message, no order of messages, no memory
 * that it shares (nor its truncating of that memory, SIGBUS) and no silence may crash or hang the
 * server. A client that breaks the protocol gets the error reply of the protocol. The server
 * drops a client whose stream it cannot follow any further.
 */

#ifndef VFU_SERVER_H
#define VFU_SERVER_H

#include <sched.h>
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
 * The operations of the device. The control thread calls all of them, one at a time, except where
 * the comment of a member names another thread. An operation may wait for a grace period.
 */
struct vfu_server_ops {
	/** A client has connected and negotiated the version. */
	void (*attached)(void *opaque);
	/**
	 * Supply the file of the regions whose areas have no file of their own (regions[].fd -1).
	 * Called before attached(), for a client that knows VFU_CAP_QUEUE_PAGES. The file must be
	 * for this client alone, so that no mapping of a former client leads to it. NULL: the
	 * device has no such areas, and the server does not negotiate the capability.
	 * @return a file descriptor, owned by the device, valid until detached(); or a negative
	 *   errno value: the server does not negotiate the capability
	 */
	int (*queue_pages)(void *opaque);
	/**
	 * The client has closed the connection, or was dropped. The device must release all client
	 * memory: when this returns, no thread uses the memory of the DMA table. @p why is one line
	 * for the log.
	 */
	void (*detached)(void *opaque, const char *why);
	/**
	 * Access a region: @p len bytes, not 0, at @p offset. The server has checked that they are
	 * inside the region and that its flags permit the access. Configuration space, BARs.
	 * @return 0, or a negative errno value for the reply
	 */
	int (*region_read)(void *opaque, unsigned int region, uint64_t offset, void *buf,
			size_t len);
	/** See region_read. */
	int (*region_write)(void *opaque, unsigned int region, uint64_t offset, const void *buf,
			size_t len);
	/** DEVICE_RESET. Must return only after the device has released all its queues. */
	int (*reset)(void *opaque);
	/**
	 * The client has wired, unwired, masked or unmasked vectors of @p irq_index; may be NULL.
	 * INTx is a level: signalling it masks it, and a device whose cause is still present raises
	 * it again here.
	 */
	void (*irqs_changed)(void *opaque, unsigned int irq_index);
	/**
	 * The server has refused a message of the client, or the client has refused a DMA_WRITE of
	 * the server (called by the DMA thread of the server). One line gives the reason; about ten
	 * lines for each client. May be NULL.
	 */
	void (*refused)(void *opaque, const char *line);
};

/**
 * The limits of one client on the resources that all servers of the process share. 0 in a field
 * means the default, which suits a process with one server.
 */
struct vfu_limits {
	uint32_t max_maps; /**< mappings of its files (vm.max_map_count); default 57,344 */
	uint32_t max_fds;  /**< descriptors that it passed and are open; default 1,024 */
	uint64_t max_mem;  /**< mapped bytes of its files, except hugetlbfs; default 2^42 */
};

/** The properties of the device, fixed before the server starts. */
struct vfu_server_desc {
	/** By VFIO number: 0 to 5 are BARs, 7 is configuration space. */
	struct {
		uint64_t size;  /**< bytes; 0: no such region */
		uint32_t flags; /**< VFIO_REGION_INFO_FLAG_READ, _WRITE; _MMAP if it has areas */
		/**
		 * File of the areas; byte 0 of the region is at offset 0. -1: ops.queue_pages().
		 */
		int fd;
		unsigned int nr_areas; /**< entries of areas */
		/** The areas that a client may map. */
		struct {
			uint64_t offset; /**< in the region, bytes, a multiple of a page */
			uint64_t size;   /**< bytes, whole pages */
		} areas[VFU_SRV_AREAS];
	} regions[VFU_SRV_REGIONS];
	uint32_t irq_counts[VFU_SRV_IRQS]; /**< vectors, by VFIO_PCI_*_IRQ_INDEX */
	bool no_page_table;                /**< do not offer the I/O page table (vfio_user.h) */
	/**
	 * Time that the client has for its part in an access to memory without a file descriptor,
	 * milliseconds. The server drops a client that does not answer in time. 0 means 200.
	 */
	unsigned int dma_timeout_ms;
	/**
	 * The bits of a bus address that the device drives. vfu_dma_read() and vfu_dma_write()
	 * ignore the other bits, and an access beyond the last address continues at address 0. 0
	 * means all 64 bits, and an access beyond the last address is then a DMA fault.
	 */
	uint64_t addr_mask;
	struct vfu_limits limits; /**< for each client */
};

/** Counters of one server, since it started. */
struct vfu_server_stats {
	uint64_t clients;      /**< clients that attached */
	uint64_t messages;     /**< messages received */
	uint64_t bad_messages; /**< messages answered with an error, or reason for a drop */
	/**
	 * Accesses to addresses that are not mapped or not permitted, or to memory that the client
	 * truncated. vfu_dma_ptr() does not count faults: its caller may continue with
	 * vfu_dma_read() or vfu_dma_write(), which do.
	 */
	uint64_t dma_faults;
	uint64_t dma_maps;   /**< entries of the DMA table now */
	uint64_t dma_bytes;  /**< bytes mapped now */
	uint64_t dma_posted; /**< writes and interrupts in flight to the client */
	uint64_t ptes;       /**< entries of the I/O page table; 0: there is no table */
	/** A client is connected, or memory or file descriptors of the last one are still held. */
	bool client;
};

/**
 * Create the socket and start the control thread. The socket has mode 0600. A stale socket of a
 * dead server is replaced; a live socket, or any other file, is an error.
 *
 * @param path    path of the socket, at most 107 bytes
 * @param desc    properties of the device; copied
 * @param ops     operations of the device; copied
 * @param opaque  first argument of ops
 * @param server  [out] set before the first of ops is called; end it by vfu_server_stop()
 * @param err     [out] one line about an error, VFU_ERR_LEN bytes
 * @return 0 or a negative errno value
 */
int vfu_server_start(const char *path, const struct vfu_server_desc *desc,
		const struct vfu_server_ops *ops, void *opaque, struct vfu_server **server,
		char *err);

/**
 * Ask the control thread to end, and return at once. vfu_server_stop() must follow. A caller that
 * first ends several servers and then stops each of them makes them end concurrently, and the wait
 * for descriptors that are being closed does not grow with their number.
 * Any thread.
 */
void vfu_server_end(struct vfu_server *server);

/**
 * Drop the client, end the control thread, remove the socket, and free the server. Waits for the
 * control thread, and until 100 ms after vfu_server_end() for descriptors that are being closed; a
 * thread that still closes some then ends by itself. NULL is allowed. Must not be called from ops.
 */
void vfu_server_stop(struct vfu_server *server);

/**
 * Restrict the control thread, and the threads that it starts from now on, to these cores.
 * @return 0 or a negative errno value
 */
int vfu_server_run_on(struct vfu_server *server, const cpu_set_t *cores);

/** Ask the control thread to drop the client. Returns at once. Any thread. */
void vfu_server_drop_client(struct vfu_server *server, const char *why);

/**
 * Report whether the client has closed its socket. The control thread may not have noticed this
 * yet. The calling thread must be registered with RCU.
 * @return true if the socket is closed; false if it is open, or there is no client
 */
bool vfu_server_peer_gone(struct vfu_server *server);

/**
 * Return the process that connected last (SO_PEERCRED). Any thread.
 * @return its process ID; 0: no client has connected, or the process is not known
 */
pid_t vfu_server_peer(const struct vfu_server *server);

/**
 * Raise an interrupt: signal the event file descriptor of the vector, if the client has wired one.
 * Never blocks. Called by a thread that is registered with RCU, or by the control thread.
 * @return true if the vector is wired
 */
bool vfu_server_irq(struct vfu_server *server, unsigned int irq_index, unsigned int vector);

/** Report whether the client has wired an event file descriptor to the vector. Control thread. */
bool vfu_server_irq_wired(const struct vfu_server *server, unsigned int irq_index,
		unsigned int vector);

/**
 * Mask or unmask a vector, as SET_IRQS does. For a device that gives software a second way to mask
 * (the mask bit of MSI in configuration space). Control thread.
 */
void vfu_server_irq_mask(struct vfu_server *server, unsigned int irq_index, unsigned int vector,
		bool masked);

/**
 * Report whether the vector was raised while the client had it masked, and is still pending.
 * Control thread.
 */
bool vfu_server_irq_pending(const struct vfu_server *server, unsigned int irq_index,
		unsigned int vector);

/** Fill @p stats. Each counter has the value of the moment when it is read. Any thread. */
void vfu_server_get_stats(const struct vfu_server *server, struct vfu_server_stats *stats);

/** An entry of the DMA table, for dumps. */
struct vfu_dma_entry {
	uint64_t iova; /**< bus address */
	uint64_t size; /**< bytes */
	uint32_t prot; /**< VFU_DMA_READ | VFU_DMA_WRITE */
	void *vaddr;   /**< where the server mapped it; NULL: it has no file descriptor */
};
/**
 * Call @p fn for each entry of the DMA table. The caller is the control thread or an RCU reader,
 * and must pass no quiescent state in @p fn.
 */
void vfu_server_dma_for_each(struct vfu_server *server,
		void (*fn)(void *arg, const struct vfu_dma_entry *e), void *arg);

/*
 * The data path: the IOMMU of the device.
 */

/**
 * Translate a range of bus addresses for one access.
 *
 * Lock-free, no system call. The caller is an RCU reader between two quiescent states; the pointer
 * is valid until its next quiescent state. With an I/O page table the pointer is valid for one
 * access only, which must begin at once (vfu_dma_paged()). The memory belongs to another process:
 * it may change at any moment (copy first, then check the copy), and may be truncated. Truncated
 * memory reads as zero, writes to it have no effect, and vfu_server_dma_poisoned() is true from
 * then on.
 *
 * @param server  the server
 * @param iova    bus address of the first byte
 * @param len     bytes
 * @param prot    the access: VFU_DMA_READ or VFU_DMA_WRITE
 * @return the address in this process; NULL if one entry does not map the whole range for that
 *   access, if the range has no file descriptor, if its pages are neighbours only in the I/O page
 *   table, if a posted write is queued, or if the client truncated its memory. The caller then uses
 *   vfu_dma_read() or vfu_dma_write(), which serve every case.
 */
void *vfu_dma_ptr(struct vfu_server *server, uint64_t iova, size_t len, uint32_t prot);

/**
 * Report whether there is an I/O page table. If there is one, the caller may use the result of
 * vfu_dma_ptr() only for the access that it asked for, one descriptor or one buffer, and never for
 * a second one, because the client may have cleared the entry in the meantime. The answer is
 * valid until the next quiescent state of the calling thread.
 */
bool vfu_dma_paged(struct vfu_server *server);

/** Ranges that a struct vfu_tlb holds for each direction. */
#define VFU_TLB_RANGES 64
/** Bytes of an access that vfu_tlb_ptr() translates by one comparison, at most. */
#define VFU_TLB_NEAR 65536

/** A range of a struct vfu_tlb. */
struct vfu_tlb_range {
	uint64_t first; /**< bus address of the first byte */
	uint64_t near;  /**< bytes from each of which on VFU_TLB_NEAR belong to the range */
	uint64_t size;  /**< bytes; 0: none */
	uint8_t *at;    /**< address of the first byte in this process */
};

/**
 * Ranges of the DMA table that one user of the data path has found, so that most of its
 * translations are one comparison. It serves one server, and one thread at a time uses it. All
 * zero: it holds nothing. The members belong to the functions below.
 */
struct vfu_tlb {
	struct vfu_server *server; /**< whose DMA table it is */
	uint64_t epoch; /**< number of the DMA table that has the ranges; 0: it holds none */
	/** For reads, and for writes, by the number of the 2 MiB that contain the address. */
	struct vfu_tlb_range ranges[2][VFU_TLB_RANGES];
};

/**
 * Begin to translate. The caller is an RCU reader. It must call this after each of its quiescent
 * states, before its next vfu_tlb_ptr(), because a range may have been unmapped in the meantime.
 * If there is an I/O page table, or memory without a file descriptor, or if the client truncated
 * its memory, the TLB holds nothing, and each translation is one of vfu_dma_ptr().
 */
void vfu_tlb_begin(struct vfu_tlb *tlb, struct vfu_server *server);
/** Find a range that the TLB does not hold; see vfu_tlb_ptr(). */
void *vfu_tlb_miss(struct vfu_tlb *tlb, uint64_t iova, size_t len, uint32_t prot);

/**
 * Report whether one translation may serve several accesses: until the next quiescent state of the
 * calling thread if there is no I/O page table (vfu_dma_paged()), and no memory without a file
 * descriptor.
 */
static inline bool
vfu_tlb_lasts(const struct vfu_tlb *tlb)
{
	return tlb->epoch != 0;
}

/**
 * Translate as vfu_dma_ptr() does.
 *
 * @param tlb   after vfu_tlb_begin()
 * @param iova  bus address of the first byte, which the device can drive (desc.addr_mask)
 * @param len   bytes, not 0
 * @param prot  VFU_DMA_READ or VFU_DMA_WRITE
 * @return as vfu_dma_ptr(); NULL also if the range continues at address 0 (desc.addr_mask)
 */
static inline void *
vfu_tlb_ptr(struct vfu_tlb *tlb, uint64_t iova, size_t len, uint32_t prot)
{
	const struct vfu_tlb_range *r =
			&tlb->ranges[prot == VFU_DMA_WRITE][(iova >> 21) % VFU_TLB_RANGES];
	uint64_t off = iova - r->first;

	if (__builtin_expect(off < r->near && len <= VFU_TLB_NEAR, 1))
		return r->at + off;
	if (off < r->size && len <= r->size - off)
		return r->at + off;
	return vfu_tlb_miss(tlb, iova, len, prot);
}

/** Number of reads that may be in flight at the same time: the slots of vfu_dma_read(). */
#define VFU_DMA_SLOTS 32

/**
 * Copy from client memory of every kind: across neighbouring entries, and by DMA_READ messages if
 * there is no file descriptor.
 *
 * Never waits for the client. If the access takes a message, the server queues it, and the call
 * returns -EAGAIN. The caller must call again with the same slot, address and length until the
 * result is another one, or give the read up by vfu_dma_cancel(). The server drops a client that
 * does not answer a message within desc.dma_timeout_ms. The caller is an RCU reader between two
 * quiescent states.
 *
 * @param server  the server
 * @param slot    identifies this read, below VFU_DMA_SLOTS; one thread at a time uses a slot
 * @param iova    bus address of the first byte
 * @param buf     [out] the bytes
 * @param len     bytes
 * @retval 0        the bytes are in @p buf
 * @retval -EAGAIN  the read is in flight
 * @retval -EFAULT  a DMA fault, counted; the content of @p buf must not be used
 */
int vfu_dma_read(struct vfu_server *server, unsigned int slot, uint64_t iova, void *buf,
		size_t len);
/**
 * Discard the read of a slot; the next vfu_dma_read() of the slot starts again. Called by the
 * thread that uses the slot.
 */
void vfu_dma_cancel(struct vfu_server *server, unsigned int slot);
/**
 * Copy to client memory of every kind; see vfu_dma_read().
 *
 * A write is posted. If it takes a message, or an earlier write that takes one is still queued, the
 * server queues it with a copy of the data. Later writes, reads and interrupts are ordered behind
 * it, and so is the reply to the next command of the client. If the client refuses such a write,
 * that is a DMA fault: it is counted, but no return value reports it.
 *
 * @retval 0        written or queued
 * @retval -EFAULT  a DMA fault, counted; a part of the data may have been written
 */
int vfu_dma_write(struct vfu_server *server, uint64_t iova, const void *buf, size_t len);
/**
 * Report whether a part of the memory that is mapped now has no file descriptor. Valid as the
 * answer of vfu_dma_paged() is.
 */
bool vfu_dma_by_message(struct vfu_server *server);
/**
 * Report whether so many writes are queued that the device should start no new work until the
 * client has answered. If a device never asks, only memory limits its queue. Any thread.
 */
bool vfu_dma_busy(struct vfu_server *server);
/**
 * Wait until every access that was queued before the call is done, or the server stops or drops its
 * client. For devices with a thread of their own, which may wait for the client. The caller is
 * offline for RCU during the wait, so a pointer of vfu_dma_ptr() must not be used after the call.
 */
void vfu_dma_wait(struct vfu_server *server);

/** The reasons for a DMA fault. */
enum vfu_dma_why {
	VFU_DMA_NOT_MAPPED,    /**< no DMA_MAP contains the address */
	VFU_DMA_NOT_PERMITTED, /**< a DMA_MAP contains it, but does not permit this access */
	VFU_DMA_NO_ENTRY,      /**< the I/O page table has no entry for the address */
	VFU_DMA_ENTRY_FORBIDS, /**< it has an entry, which does not permit this access */
	VFU_DMA_NO_ANSWER,     /**< the client refused a DMA_READ or DMA_WRITE, or did not answer */
	VFU_DMA_TRUNCATED,     /**< the client truncated its memory */
};
/** Number of reasons. */
#define VFU_DMA_WHYS (VFU_DMA_TRUNCATED + 1)

/** A DMA fault. */
struct vfu_dma_fault {
	uint64_t iova;        /**< bus address of the first byte that the device could not reach */
	uint32_t prot;        /**< the access: VFU_DMA_READ or VFU_DMA_WRITE */
	enum vfu_dma_why why; /**< the reason */
};

/**
 * Return the last fault of vfu_dma_read() and vfu_dma_write() in the calling thread. Valid after
 * one of them has failed.
 */
const struct vfu_dma_fault *vfu_dma_last_fault(void);
/** Return the reason of a fault in words. @return a constant */
const char *vfu_dma_why_text(const struct vfu_dma_fault *fault);

/**
 * Report whether the client truncated its memory. The server is then dropping the client, and data
 * that was read must not be used. Any thread.
 */
bool vfu_server_dma_poisoned(const struct vfu_server *server);

#ifdef __cplusplus
}
#endif

#endif /* VFU_SERVER_H */
