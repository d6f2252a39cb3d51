/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * vfio-user, the wire: what both sides put on the socket.
 *
 * Source: the vfio-user specification, QEMU docs/interop/vfio-user.rst. Where
 * a reply is a structure of VFIO's own (region info, interrupt info, interrupt
 * set) it is <linux/vfio.h>'s, which the specification refers to.
 *
 * All numbers are in the host's byte order. File descriptors travel with the
 * first byte of the message that they belong to (SCM_RIGHTS).
 */

#ifndef VFIO_USER_H
#define VFIO_USER_H

#include <stdint.h>

#include <linux/vfio.h>

/** Enough for one line about anything that can go wrong. */
#define VFU_ERR_LEN 256

#define VFIO_USER_MAJOR 0 /**< the version that is spoken here; another major is refused */
#define VFIO_USER_MINOR 1 /**< a peer's may be lower */

/* What the specification says of capabilities that a peer does not name. */
#define VFIO_USER_DEFAULT_MSG_FDS  1u              /**< descriptors a message */
#define VFIO_USER_DEFAULT_DATA_MAX (1024u * 1024u) /**< bytes of data a message */
#define VFIO_USER_DEFAULT_DMA_MAPS 65535u          /**< mappings at a time */
#define VFIO_USER_DEFAULT_PGSIZES  4096u           /**< page sizes of mappings, a bit each */

/*
 * What is offered here. Others' clients refuse a server that takes more than 16
 * descriptors a message (QEMU hw/vfio-user, its own limit).
 */
#define VFU_MSG_FDS      16u              /**< descriptors a message */
#define VFU_MSG_DATA_MAX (1024u * 1024u)  /**< bytes of data a message */
#define VFU_PAGE_SIZE    4096u            /**< what mappings are a multiple of */
#define VFU_MAX_DMA_MAPS 262144u          /**< mappings at a time */

/** The longest message: a write of VFU_MSG_DATA_MAX bytes. */
#define VFU_MSG_MAX (sizeof(struct vfio_user_header) + \
	sizeof(struct vfio_user_region_access) + VFU_MSG_DATA_MAX)

/** What a message is about: the specification's numbers. */
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
	/** Gantry's own: see struct vfio_user_io_page_table. */
	VFIO_USER_IO_PAGE_TABLE = 0x4701,
};

#define VFIO_USER_F_TYPE_MASK    0xfu  /**< the type is one of the next two */
#define VFIO_USER_F_TYPE_COMMAND 0x0u  /**< asks for something */
#define VFIO_USER_F_TYPE_REPLY   0x1u  /**< answers */
#define VFIO_USER_F_NO_REPLY     0x10u /**< of a command: no answer is wanted */
#define VFIO_USER_F_ERROR        0x20u /**< of a reply: error_no is valid, no payload need follow */

/** Begins each message. Numbers are in the byte order of the host, which both sides share. */
struct vfio_user_header {
	uint16_t msg_id;   /**< the sender's; echoed in the reply */
	uint16_t cmd;      /**< enum vfio_user_command; echoed in the reply */
	uint32_t msg_size; /**< header included */
	uint32_t flags;    /**< VFIO_USER_F_* */
	uint32_t error_no; /**< in a reply with VFIO_USER_F_ERROR: an errno value, or 0 */
};

/** VERSION, both ways; JSON text with its NUL may follow. */
struct vfio_user_version {
	uint16_t major; /**< both sides must have the same */
	uint16_t minor; /**< the lower one counts */
};

/* The device's permissions on the client's memory; DMA_MAP's flags. */
#define VFU_DMA_READ  (1u << 0) /**< the device reads */
#define VFU_DMA_WRITE (1u << 1) /**< the device writes */
/** libvfio-user's addition: memory that has a descriptor is to be reached by mmap(). */
#define VFIO_USER_DMA_MAP_F_MMAP (1u << 2)

/** DMA_MAP; the memory's descriptor may come with it. The reply has no payload. */
struct vfio_user_dma_map {
	uint32_t argsz;  /**< of this structure, bytes */
	uint32_t flags;  /**< VFU_DMA_READ, VFU_DMA_WRITE */
	uint64_t offset; /**< in the file; 0 without one */
	uint64_t addr;   /**< bus address */
	uint64_t size;   /**< bytes */
};

/** DMA_UNMAP, both ways. */
struct vfio_user_dma_unmap {
	uint32_t argsz; /**< of this structure, bytes */
	uint32_t flags; /**< VFIO_DMA_UNMAP_FLAG_ALL: everything; addr and size are 0 then */
	uint64_t addr;  /**< bus address, as mapped */
	uint64_t size;  /**< bytes; in the reply: how many of them were mapped, 0 included */
};

/**
 * @name The I/O page table, an extension
 *
 * A mapping by DMA_MAP costs a message, and a page is the least that can be mapped. A driver that
 * wants each buffer mapped only while it is used hands the server a table instead, in shared
 * memory, which stands between the device and the DMA_MAPs:
 *
 *     bus address --> entry of its 4 KiB page --> permission --> address in the DMA_MAPs --> memory
 *
 * Negotiation. A client asks by naming the capability VFU_CAP_IO_PAGE_TABLE in VERSION, with the
 * latest version that it knows; a server that knows the extension answers with the version
 * that will be spoken. A server that doesn't know it leaves it out, and a client that doesn't
 * ask never sees it: both then speak the specification's protocol and nothing else.
 *
 * The command. VFIO_USER_IO_PAGE_TABLE has struct vfio_user_io_page_table and exactly one file
 * descriptor: a memfd that is sealed against shrinking (F_SEAL_SHRINK) and holds nr entries of 8
 * bytes from its first byte on. The server maps it for reading; a client should send it open for
 * reading only, and sealed against what would write it later (F_SEAL_FUTURE_WRITE), so that the
 * server's process can't. The reply has no payload. Errors:
 * EOPNOTSUPP: not negotiated; EINVAL: anything else that is not as said here; EEXIST: there is
 * one already; ENOMEM. When the reply has come, every access that the device starts goes
 * through the table; it can be neither replaced nor taken away, and ends with the connection.
 * DMA_MAP and DMA_UNMAP go on as before.
 *
 * The entries are the client's to change, at any time, each as a whole (an aligned 64-bit store).
 * The server reads an entry once for each access that touches its page, before it touches the
 * memory, and remembers nothing of it; an access is one descriptor, a row of descriptors that is
 * copied at once, or one buffer of a frame. So: an entry is valid as soon as it is stored, and
 * when a client has cleared an entry and executed a fence (on x86, any locked instruction), no
 * access starts through it any more. One that has started by then may still be under way.
 *
 * What the table says is not believed: an entry may hold anything and lead anywhere, and the
 * device still reaches only what DMA_MAP gave it, and only for what both permit.
 * @{
 */
#define VFU_CAP_IO_PAGE_TABLE     "gantry_io_page_table"
#define VFU_IO_PAGE_TABLE_VERSION 1u
#define VFU_MAX_PTES              (1u << 24) /**< entries of a table; 64 GiB of bus addresses */
#define VFU_PTE_READ              UINT64_C(1) /**< the device may read the page */
#define VFU_PTE_WRITE             UINT64_C(2) /**< the device may write it */
/** Where it lies, by an address that DMA_MAP gave; bits 2 to 11 mean nothing. */
#define VFU_PTE_ADDR              (~UINT64_C(0xfff))

/** VFIO_USER_IO_PAGE_TABLE: the entry of bus address a is number (a - base) / 4096. */
struct vfio_user_io_page_table {
	uint32_t argsz; /**< of this structure, bytes */
	uint32_t flags; /**< 0 */
	uint64_t base;  /**< first bus address that has an entry, a multiple of 4096 */
	uint64_t nr;    /**< entries, 1 to VFU_MAX_PTES; outside of them nothing is mapped */
};
/** @} */

/**
 * @name Queue pages, an extension
 *
 * A generic client (QEMU) reads and writes whatever it may map as plain memory, and a page of
 * registers with side effects must not be offered to it. So a device offers such pages to a client
 * only that names the capability VFU_CAP_QUEUE_PAGES in VERSION, with the latest version that it
 * knows; the server answers with the version that will be spoken. Such a client knows which
 * registers may be reached through the mapping (the doorbells), and reaches the others by message.
 * To every other client the region has no mappable area.
 * @{
 */
#define VFU_CAP_QUEUE_PAGES     "gantry_queue_pages"
#define VFU_QUEUE_PAGES_VERSION 1u
/** @} */

/** DEVICE_GET_INFO, both ways. */
struct vfio_user_device_info {
	uint32_t argsz;       /**< of this structure, bytes */
	uint32_t flags;       /**< VFIO_DEVICE_FLAGS_*; the rest too are 0 in the request */
	uint32_t num_regions; /**< regions have numbers below */
	uint32_t num_irqs;    /**< kinds of interrupt have numbers below */
};

/** DEVICE_GET_REGION_IO_FDS, both ways; sub-regions may follow in the reply. */
struct vfio_user_region_io_fds {
	uint32_t argsz; /**< room for the reply; in it, the room that it takes */
	uint32_t flags; /**< 0 */
	uint32_t index; /**< the region */
	uint32_t count; /**< of sub-regions in the reply */
};

/** REGION_READ, REGION_WRITE, both ways; data follows in a write and in a read's reply. */
struct vfio_user_region_access {
	uint64_t offset; /**< in the region */
	uint32_t region; /**< its number */
	uint32_t count;  /**< bytes */
	uint8_t data[];  /**< count bytes, or none */
};

/** One of REGION_WRITE_MULTI's writes, which follow a 64-bit count. */
struct vfio_user_region_write {
	uint64_t offset; /**< in the region */
	uint32_t region; /**< its number */
	uint32_t count;  /**< bytes, at most 8 */
	uint8_t data[8]; /**< the first count of them */
};

/** DMA_READ, DMA_WRITE, both ways; data follows in a write and in a read's reply. */
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
