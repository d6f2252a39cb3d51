/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * vfio-user, the server's side: a PCI device of one's own behind a Unix socket.
 *
 * Plain POSIX, no DPDK.
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
 *    RCU (the data path's threads register with vfu_rcu.h and pass quiescent
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
 * What the device does. All are called from the control thread, one at a time.
 * While one runs, the control thread may wait for an RCU grace period.
 */
struct vfu_server_ops {
	/** A client has come (after version negotiation). */
	void (*attached)(void *opaque);
	/**
	 * Before attached(), for a client that knows VFU_CAP_QUEUE_PAGES: asks for the file of the
	 * regions whose areas have none of their own (regions[].fd -1). The file is for this
	 * client alone, so that nothing of a former client's mapping leads to it. NULL: the
	 * device has no such areas, and the capability is not negotiated.
	 * @return a file descriptor, the device's, good until detached(); or a negative errno
	 *   value: the capability is not negotiated
	 */
	int (*queue_pages)(void *opaque);
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
	 * NULL. INTx is a level: it is masked when it is signalled, and a device whose
	 * cause is still there raises it again here.
	 */
	void (*irqs_changed)(void *opaque, unsigned int irq_index);
	/**
	 * A message of the client's was refused, or the client refused a DMA_WRITE of the
	 * server's (from a thread of the server's that is not the control thread): one line that
	 * says why (about ten of a client); may be NULL.
	 */
	void (*refused)(void *opaque, const char *line);
};

/**
 * The limits of one client on what all servers of the process share. 0 in a field: the default, which
 * suits a process with one server.
 */
struct vfu_limits {
	uint32_t max_maps; /**< mappings of its files here (vm.max_map_count); default 57,344 */
	uint32_t max_fds;  /**< descriptors that it passed and that are open here; default 1,024 */
	uint64_t max_mem;  /**< bytes of its files, except hugetlbfs, that are mapped here; default 2^42 */
};

/** What the device is: fixed before the server starts. */
struct vfu_server_desc {
	/** By VFIO's number: 0 to 5 are BARs, 7 is configuration space. */
	struct {
		uint64_t size;   /**< bytes, 0: none */
		uint32_t flags;  /**< VFIO_REGION_INFO_FLAG_READ, _WRITE; _MMAP if areas */
		/** Memory of the areas, the region's byte 0 at offset 0; -1: ops.queue_pages(). */
		int fd;
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
	 * How long the client may take for its part in an access to memory without a file
	 * descriptor, milliseconds; who does not answer is dropped. 0 means 200.
	 */
	unsigned int dma_timeout_ms;
	/**
	 * The bits of a bus address that the device drives: vfu_dma_read() and vfu_dma_write()
	 * ignore the others, and an access that passes the last address goes on at address 0.
	 * 0: all 64, and to pass the last address is a DMA fault.
	 */
	uint64_t addr_mask;
	struct vfu_limits limits; /**< of each client */
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
	uint64_t dma_posted;     /**< writes and interrupts that wait for the client's answers */
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

/** Has vfu_server_stop() wait less: several servers, each told before, end side by side. */
void vfu_server_end(struct vfu_server *server);

/** Drops the client, ends the thread, removes the socket, frees. */
void vfu_server_stop(struct vfu_server *server);

/**
 * Has the server's threads run on these cores alone: the control thread, and those that it starts
 * from now on.
 * @return 0 or a negative errno value
 */
int vfu_server_run_on(struct vfu_server *server, const cpu_set_t *cores);

/** Asks the control thread to drop the client, from any thread; returns at once. */
void vfu_server_drop_client(struct vfu_server *server, const char *why);

/**
 * Looks whether the client has closed its socket, which the control thread may not
 * have come to yet. From a thread that is registered with RCU.
 * @return false also if there is no client
 */
bool vfu_server_peer_gone(struct vfu_server *server);

/** @return the process that connected last (SO_PEERCRED); 0: none, or not known. Any thread. */
pid_t vfu_server_peer(const struct vfu_server *server);

/**
 * Raises an interrupt: signals the vector's event file descriptor, if it is
 * wired; never blocks. From any thread that is registered with RCU, or the control thread.
 * @return true if a vector was wired there
 */
bool vfu_server_irq(struct vfu_server *server, unsigned int irq_index, unsigned int vector);

/** Control thread: does the client have an event file descriptor for the vector? */
bool vfu_server_irq_wired(const struct vfu_server *server, unsigned int irq_index,
		unsigned int vector);

/**
 * Control thread: masks or unmasks a vector, as SET_IRQS does. For a device on which software has
 * another way to do so (a message's mask bit in configuration space).
 */
void vfu_server_irq_mask(struct vfu_server *server, unsigned int irq_index, unsigned int vector,
		bool masked);

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
 *   no file descriptor, or lies in pages that only the I/O page table makes neighbours, or a
 *   posted write is queued (use vfu_dma_read(), vfu_dma_write() then, which serve every kind)
 */
void *vfu_dma_ptr(struct vfu_server *server, uint64_t iova, size_t len, uint32_t prot);

/**
 * Whether there is an I/O page table: then what vfu_dma_ptr() returned may be used for the
 * access that it was asked for, one descriptor or one buffer, and for no second one, since the
 * client may have cleared the entry meanwhile. Good until the thread's next quiescent state.
 */
bool vfu_dma_paged(struct vfu_server *server);

/** Reads that may be under way at once: vfu_dma_read()'s slots. */
#define VFU_DMA_SLOTS 32

/**
 * Copies from the client's memory, whatever lies behind it: across neighbouring
 * entries, through DMA_READ messages where there is no file descriptor. Never waits
 * for the client: what takes a message is asked for, and -EAGAIN returned. The caller then
 * calls again with the same slot, address and length until the result is another one; or gives
 * up by vfu_dma_cancel(). A client that does not answer a message within desc.dma_timeout_ms is
 * dropped. Between quiescent states.
 * @param server  the server
 * @param slot    whose read this is, below VFU_DMA_SLOTS; one thread at a time uses a slot
 * @param iova    bus address of the first byte
 * @param buf     receives the bytes
 * @param len     bytes
 * @return 0; -EAGAIN; or -EFAULT (a DMA fault, counted): nothing usable was read
 */
int vfu_dma_read(struct vfu_server *server, unsigned int slot, uint64_t iova, void *buf,
		size_t len);
/** Forgets a slot's read; the next vfu_dma_read() begins anew. By the slot's user. */
void vfu_dma_cancel(struct vfu_server *server, unsigned int slot);
/**
 * Copies to the client's memory; see vfu_dma_read(). A write is posted: where it takes a message,
 * or an earlier one does, it is queued with a copy of the data. Later writes, reads and interrupts
 * come behind it, and so does the reply to the client's next command. If the client refuses such a
 * write, that is a DMA fault, counted, which no return value tells.
 * @return 0, or -EFAULT (a DMA fault, counted): part of it may have been written
 */
int vfu_dma_write(struct vfu_server *server, uint64_t iova, const void *buf, size_t len);
/** Whether a part of the memory that is mapped now has no file descriptor. As vfu_dma_paged(). */
bool vfu_dma_by_message(struct vfu_server *server);
/**
 * Whether so many writes are queued that the device should start no new work until the client has
 * answered. Memory is the only limit for a device that does not ask. Any thread.
 */
bool vfu_dma_busy(struct vfu_server *server);
/**
 * Waits until everything is done that was queued before the call. For devices with a thread of
 * their own, which may wait for the client; no pointer of vfu_dma_ptr() survives the call.
 */
void vfu_dma_wait(struct vfu_server *server);

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
