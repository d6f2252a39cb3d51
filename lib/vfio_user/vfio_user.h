/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * vfio-user: the theory of this folder, and the format of the messages on the socket.
 *
 * Theory
 * ------
 * The Linux kernel gives a driver in user space a PCI device through vfio: ioctls on a file that
 * read and write registers, map memory for the device, and wire interrupts. vfio-user carries the
 * same requests as messages over a Unix socket. The process on one end, the client, has the driver
 * (or a virtual machine with a driver in it). The process on the other end, the server, has the
 * device, which is a program. Neither end needs privileges.
 *
 *     client process                                                 server process
 *     +--------------+   Unix socket: messages, file descriptors     +--------------+
 *     | driver       | <===========================================> | device       |
 *     | lib client*.c|                                               | lib server*.c|
 *     +--------------+                                               +--------------+
 *           |            files that both processes have mapped              |
 *           +------ client memory: rings and buffers (DMA_MAP) -------------+
 *           +------ device memory: doorbell pages (REGION_INFO) ------------+
 *           +------ eventfds: interrupts, device to driver (SET_IRQS) ------+
 *
 * Messages. A message is struct vfio_user_header and a payload. The receiver of a command answers
 * it with a reply that has the same msg_id, unless the sender sets VFIO_USER_F_NO_REPLY. The client
 * sends nearly all commands; the server sends DMA_READ and DMA_WRITE. VERSION comes first and
 * negotiates limits and extensions as JSON text (caps.c). All numbers are in the byte order of
 * the host. File descriptors travel with the first byte of the message that they belong to
 * (SCM_RIGHTS).
 *
 * Regions. A region is an address space of the device: 0 to 5 are the BARs, 7 is configuration
 * space. The driver reaches a register by REGION_READ or REGION_WRITE, and the device carries the
 * access out before the server replies. A part of a region may be a file that the client maps; a
 * store there costs no message, and the device notices it when it next polls the memory.
 *
 * DMA. The device reaches only the memory that the client mapped for it by DMA_MAP: a range of bus
 * addresses, the permitted directions, and in most cases the file descriptor of the memory. If
 * there is a descriptor, the server maps the file and the device copies directly. If there is none,
 * the server asks the client to copy (DMA_READ, DMA_WRITE). After the reply to DMA_UNMAP the
 * device makes no access to the range. An extension puts an I/O page table in front of the
 * mappings (see below).
 *
 * Interrupts. The client passes one eventfd for each vector (DEVICE_SET_IRQS). The device raises an
 * interrupt when it signals that eventfd, and no message is sent.
 *
 * Lifecycle of a connection:
 *
 *     connect, VERSION                              server: ops.attached()
 *     DEVICE_GET_INFO, GET_REGION_INFO, GET_IRQ_INFO
 *     DMA_MAP, SET_IRQS, REGION_WRITE ...           the driver sets the device up
 *     doorbell stores, DMA, eventfds                no messages while the data path runs
 *     REGION_WRITE, DMA_UNMAP, close                the driver stops the device
 *                                                   server: ops.detached(), all is forgotten
 *
 * Threads of the server. server_priv.h lists the data that each of them owns.
 *
 *     thread    | started by   | does                                  | may wait for the client
 *     ----------+--------------+---------------------------------------+------------------------
 *     control   | the server   | reads commands, calls ops, replies,   | 1 s to send a reply, and
 *               |              | changes the DMA table and the vectors | for the DMA thread
 *     DMA       | first DMA_MAP| DMA_READ and DMA_WRITE messages;      | 200 ms, the default of
 *               | without fd,  | interrupts that are slow, or come     | desc.dma_timeout_ms
 *               | or eventfds  | behind a queued write                 |
 *     closers   | first foreign| close() of descriptors that are       | yes; their users never do,
 *               | descriptor   | neither memory nor eventfds: of the   | but for 100 ms at the
 *               |              | client, or of those that are refused  | end, shared by all servers
 *     polling   | the device's | the data path: vfu_dma_*(),           | never
 *               | owner        | vfu_server_irq()                      |
 *
 * The client library has a receiving thread for each connection, and a closer of its own.
 *
 * Grace periods. Polling threads follow pointers to the DMA table and its memory without a lock.
 * The control thread replaces a table, waits until each polling thread of this device has passed a
 * quiescent state, in which the thread holds no pointer, and only then unmaps the old memory and
 * replies. That wait is the grace period (vfu_rcu.h), and it makes "no access after the reply"
 * true.
 *
 * Data structures of the server:
 *
 *     struct vfu_server
 *       conn     --> struct vfu_conn: socket, rx (the message being received),
 *                      queue --> vfu_msg --> vfu_msg   commands for the control thread
 *                      requests --> vfu_pending        on the stack of the DMA thread
 *       table    --> struct vfu_dma_table  --older--> tables that a thread may still read
 *                      ptes      --> the I/O page table, memory of the client
 *                      leaves[i] --> vfu_dma_leaf: maps[], sorted by bus address
 *                                      vaddr, window --+
 *       windows[hash] --> struct vfu_window <----------+   one mmap() of a piece of a file
 *       irqs[index].fds[vector]                        the eventfds of the client
 *       async.first --> vfu_access --> vfu_access      accesses for the DMA thread
 *       async.slots[i]                                 reads that wait for the client
 *       closer   --> struct vfu_closer: descriptors that wait for their close()
 *       refused  --> struct vfu_closer: those of clients that are refused
 *
 * Trust. Each side treats the other as hostile. It checks every number before use, and bounds every
 * wait. A descriptor may be anything, so each side asks it for its seals first, and only a closer
 * makes a call on it that its sender could block (foreign_fd.h). A client may truncate memory that
 * it shared; the server survives the SIGBUS (sigbus.c). Memory of the client may change at any
 * moment: copy first, then check the copy. A client that breaks the protocol gets an error reply,
 * and loses the connection if the stream cannot be followed any further. A client can harm only
 * itself: limits per client (struct vfu_limits) keep the rest of the process usable.
 *
 * Deliberately not done: migration (DEVICE_FEATURE, MIG_DATA_*, the twin socket), several
 * clients of one server, ioeventfds for registers (DEVICE_GET_REGION_IO_FDS returns none, because
 * the device polls its doorbells in memory), devices other than PCI.
 *
 * Source: the vfio-user specification, QEMU docs/interop/vfio-user.rst. Where a reply is a
 * structure of VFIO (region info, interrupt info, interrupt set), the definition in <linux/vfio.h>
 * applies, to which the specification refers. README.md lists the files of this folder.
 */

#ifndef VFIO_USER_H
#define VFIO_USER_H

#include <stdint.h>

#include <linux/vfio.h>

/** Length of the buffer for one line about an error, bytes. */
#define VFU_ERR_LEN 256

#define VFIO_USER_MAJOR 0 /**< the version that both sides speak; another major is refused */
#define VFIO_USER_MINOR 1 /**< the version of a peer may be lower */

/* The specification's defaults for capabilities that a peer does not name. */
#define VFIO_USER_DEFAULT_MSG_FDS  1u              /**< descriptors per message */
#define VFIO_USER_DEFAULT_DATA_MAX (1024u * 1024u) /**< bytes of data per message */
#define VFIO_USER_DEFAULT_DMA_MAPS 65535u          /**< mappings that exist at the same time */
#define VFIO_USER_DEFAULT_PGSIZES  4096u           /**< page sizes of mappings, one bit each */

/*
 * The capabilities that this library offers. A QEMU client refuses a server that takes more than 16
 * descriptors per message (a limit in QEMU's hw/vfio-user).
 */
#define VFU_MSG_FDS      16u             /**< descriptors per message */
#define VFU_MSG_DATA_MAX (1024u * 1024u) /**< bytes of data per message */
#define VFU_PAGE_SIZE    4096u           /**< mappings start and end at multiples of it */
#define VFU_MAX_DMA_MAPS 262144u         /**< mappings that exist at the same time */

/** Length of the longest message, bytes: a write of VFU_MSG_DATA_MAX bytes. */
#define VFU_MSG_MAX \
	(sizeof(struct vfio_user_header) + sizeof(struct vfio_user_region_access) + \
			VFU_MSG_DATA_MAX)

/** The commands, with the numbers of the specification. */
enum vfio_user_command {
	VFIO_USER_VERSION = 1,
	VFIO_USER_DMA_MAP = 2,
	VFIO_USER_DMA_UNMAP = 3,
	VFIO_USER_DEVICE_GET_INFO = 4,
	VFIO_USER_DEVICE_GET_REGION_INFO = 5,
	VFIO_USER_DEVICE_GET_REGION_IO_FDS = 6,
	VFIO_USER_DEVICE_GET_IRQ_INFO = 7,
	VFIO_USER_DEVICE_SET_IRQS = 8,
	VFIO_USER_REGION_READ = 9,
	VFIO_USER_REGION_WRITE = 10,
	VFIO_USER_DMA_READ = 11,
	VFIO_USER_DMA_WRITE = 12,
	VFIO_USER_DEVICE_RESET = 13,
	VFIO_USER_REGION_WRITE_MULTI = 15,
	VFIO_USER_DEVICE_FEATURE = 16,
	VFIO_USER_MIG_DATA_READ = 17,
	VFIO_USER_MIG_DATA_WRITE = 18,
	/** An extension of gantry: see struct vfio_user_io_page_table. */
	VFIO_USER_IO_PAGE_TABLE = 0x4701,
};

#define VFIO_USER_F_TYPE_MASK    0xfu  /**< the type is one of the next two */
#define VFIO_USER_F_TYPE_COMMAND 0x0u  /**< the message is a request */
#define VFIO_USER_F_TYPE_REPLY   0x1u  /**< the message answers a request */
#define VFIO_USER_F_NO_REPLY     0x10u /**< in a command: the sender wants no reply */
#define VFIO_USER_F_ERROR        0x20u /**< in a reply: error_no is valid, payload is optional */

/** The header of each message. Numbers are in the byte order of the host. */
struct vfio_user_header {
	uint16_t msg_id;   /**< chosen by the sender; echoed in the reply */
	uint16_t cmd;      /**< enum vfio_user_command; echoed in the reply */
	uint32_t msg_size; /**< bytes, this header included */
	uint32_t flags;    /**< VFIO_USER_F_* */
	uint32_t error_no; /**< in a reply with VFIO_USER_F_ERROR: an errno value, or 0 */
};

/** VERSION, both ways; JSON text with its NUL may follow. */
struct vfio_user_version {
	uint16_t major; /**< both sides must have the same */
	uint16_t minor; /**< both sides use the lower one */
};

/* The permissions of the device on client memory; flags of DMA_MAP. */
#define VFU_DMA_READ  (1u << 0) /**< the device may read */
#define VFU_DMA_WRITE (1u << 1) /**< the device may write */
/** An addition of libvfio-user: the server must reach memory with a descriptor by mmap(). */
#define VFIO_USER_DMA_MAP_F_MMAP (1u << 2)

/** DMA_MAP; the descriptor of the memory may come with it. The reply has no payload. */
struct vfio_user_dma_map {
	uint32_t argsz;  /**< size of this structure, bytes */
	uint32_t flags;  /**< VFU_DMA_READ, VFU_DMA_WRITE */
	uint64_t offset; /**< in the file, bytes; 0 without a file */
	uint64_t addr;   /**< bus address */
	uint64_t size;   /**< bytes */
};

/** DMA_UNMAP, both ways. */
struct vfio_user_dma_unmap {
	uint32_t argsz; /**< size of this structure, bytes */
	uint32_t flags; /**< VFIO_DMA_UNMAP_FLAG_ALL: all mappings; addr and size are then 0 */
	uint64_t addr;  /**< bus address, as it was mapped */
	uint64_t size;  /**< bytes; in the reply: the bytes of these that were mapped, may be 0 */
};

/**
 * @name The I/O page table, an extension
 *
 * A mapping by DMA_MAP costs a message, and its smallest size is one page. A driver that wants each
 * buffer mapped only while the device uses it hands the server a table instead. The table is in
 * shared memory, and translates a bus address before the DMA_MAPs do:
 *
 *     bus address --> entry of its 4 KiB page --> permission --> address in the DMA_MAPs --> memory
 *
 * Negotiation. A client asks for the extension by naming the capability VFU_CAP_IO_PAGE_TABLE in
 * VERSION, with the latest version that it knows. A server that knows the extension answers with
 * the version that both sides will speak. A server that does not know the extension omits the
 * capability, and a client that does not ask never sees it: both then speak the protocol of
 * the specification and nothing else.
 *
 * The command. VFIO_USER_IO_PAGE_TABLE has struct vfio_user_io_page_table and exactly one file
 * descriptor: a memfd that is sealed against shrinking (F_SEAL_SHRINK) and holds nr entries of 8
 * bytes, from its first byte on. The server maps the file for reading. A client should send a
 * descriptor that is open for reading only, and seal the file against later writers
 * (F_SEAL_FUTURE_WRITE), so that the server process cannot write the table. The reply has no
 * payload. Errors: EOPNOTSUPP: not negotiated; EINVAL: anything else that violates this
 * description; EEXIST: a table exists already; ENOMEM. After the reply, every access that the
 * device starts goes through the table. The client can neither replace nor remove the table; it
 * ends with the connection. DMA_MAP and DMA_UNMAP work as before.
 *
 * The entries. The client may change an entry at any time, as a whole (an aligned 64-bit store).
 * The server reads an entry once for each access that touches its page, before it touches the
 * memory, and caches nothing. An access is one descriptor, a row of descriptors that is copied at
 * once, or one buffer of a frame. Therefore an entry is valid as soon as it is stored. After a
 * client has cleared an entry and executed a fence (on x86, any locked instruction), no access
 * starts through the entry. An access that started earlier may still be in flight.
 *
 * Trust. The server does not believe the table: an entry may hold any value and point anywhere, and
 * the device still reaches only the memory that DMA_MAP gave it, in the directions that both
 * permit.
 * @{
 */
#define VFU_CAP_IO_PAGE_TABLE     "gantry_io_page_table" /**< the capability, in VERSION */
#define VFU_IO_PAGE_TABLE_VERSION 1u                     /**< the latest version */
#define VFU_MAX_PTES              (1u << 24)  /**< entries of a table: 64 GiB of bus addresses */
#define VFU_PTE_READ              UINT64_C(1) /**< the device may read the page */
#define VFU_PTE_WRITE             UINT64_C(2) /**< the device may write the page */
/** The address of the page, as DMA_MAP gave it; bits 2 to 11 are ignored. */
#define VFU_PTE_ADDR (~UINT64_C(0xfff))

/** VFIO_USER_IO_PAGE_TABLE. The entry of bus address a has the index (a - base) / 4096. */
struct vfio_user_io_page_table {
	uint32_t argsz; /**< size of this structure, bytes */
	uint32_t flags; /**< 0 */
	uint64_t base;  /**< first bus address that has an entry, a multiple of 4096 */
	uint64_t nr;    /**< entries, 1 to VFU_MAX_PTES; without an entry nothing is mapped */
};
/** @} */

/**
 * @name Queue pages, an extension
 *
 * A generic client (QEMU) reads and writes every area that it may map as plain memory, so a server
 * must not offer such a client a page of registers with side effects. A device offers such
 * pages only to a client that names the capability VFU_CAP_QUEUE_PAGES in VERSION, with the
 * latest version that it knows; the server answers with the version that both sides will speak.
 * This client knows which registers it may reach through the mapping (the doorbells), and
 * reaches the others by message. To every other client the region has no mappable area.
 * @{
 */
#define VFU_CAP_QUEUE_PAGES     "gantry_queue_pages" /**< the capability, in VERSION */
#define VFU_QUEUE_PAGES_VERSION 1u                   /**< the latest version */
/** @} */

/** DEVICE_GET_INFO, both ways. */
struct vfio_user_device_info {
	uint32_t argsz;       /**< size of this structure, bytes */
	uint32_t flags;       /**< VFIO_DEVICE_FLAGS_*; the request has 0 from here on */
	uint32_t num_regions; /**< regions have numbers below this one */
	uint32_t num_irqs;    /**< kinds of interrupt have numbers below this one */
};

/** DEVICE_GET_REGION_IO_FDS, both ways; sub-regions may follow in the reply. */
struct vfio_user_region_io_fds {
	uint32_t argsz; /**< bytes: room for the reply; in the reply: the size that it needs */
	uint32_t flags; /**< 0 */
	uint32_t index; /**< number of the region */
	uint32_t count; /**< number of sub-regions in the reply */
};

/** REGION_READ, REGION_WRITE, both ways; data follows in a write and in the reply to a read. */
struct vfio_user_region_access {
	uint64_t offset; /**< in the region, bytes */
	uint32_t region; /**< number of the region */
	uint32_t count;  /**< bytes */
	uint8_t data[];  /**< count bytes, or none */
};

/** One write of REGION_WRITE_MULTI; a 64-bit count precedes the first one. */
struct vfio_user_region_write {
	uint64_t offset; /**< in the region, bytes */
	uint32_t region; /**< number of the region */
	uint32_t count;  /**< bytes, at most 8 */
	uint8_t data[8]; /**< the first count bytes are valid */
};

/** DMA_READ, DMA_WRITE, both ways; data follows in a write and in the reply to a read. */
struct vfio_user_dma_access {
	uint64_t addr;  /**< bus address */
	uint64_t count; /**< bytes */
	uint8_t data[]; /**< count bytes, or none */
};

/** @cond */
_Static_assert(sizeof(struct vfio_user_header) == 16, "header");
_Static_assert(sizeof(struct vfio_user_version) == 4, "VERSION");
_Static_assert(sizeof(struct vfio_user_dma_map) == 32, "DMA_MAP");
_Static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "DMA_UNMAP");
_Static_assert(sizeof(struct vfio_user_io_page_table) == 24, "IO_PAGE_TABLE");
_Static_assert(sizeof(struct vfio_user_device_info) == 16, "DEVICE_GET_INFO");
_Static_assert(sizeof(struct vfio_region_info) == 32, "DEVICE_GET_REGION_INFO");
_Static_assert(sizeof(struct vfio_region_info_cap_sparse_mmap) == 16, "sparse mmap");
_Static_assert(sizeof(struct vfio_irq_info) == 16, "DEVICE_GET_IRQ_INFO");
_Static_assert(sizeof(struct vfio_irq_set) == 20, "DEVICE_SET_IRQS");
_Static_assert(sizeof(struct vfio_user_region_access) == 16, "REGION_READ");
_Static_assert(sizeof(struct vfio_user_region_write) == 24, "REGION_WRITE_MULTI");
_Static_assert(sizeof(struct vfio_user_dma_access) == 16, "DMA_READ");
/** @endcond */

#endif /* VFIO_USER_H */
