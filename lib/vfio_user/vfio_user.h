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

/* The version that is spoken here; a peer's minor may be lower. */
#define VFIO_USER_MAJOR 0
#define VFIO_USER_MINOR 1

/* What the specification says of capabilities that a peer does not name. */
#define VFIO_USER_DEFAULT_MSG_FDS  1u
#define VFIO_USER_DEFAULT_DATA_MAX (1024u * 1024u)
#define VFIO_USER_DEFAULT_DMA_MAPS 65535u
#define VFIO_USER_DEFAULT_PGSIZES  4096u

/*
 * What is offered here. Others' clients refuse a server that takes more than 16
 * descriptors a message (QEMU hw/vfio-user, its own limit).
 */
#define VFU_MSG_FDS      16u
#define VFU_MSG_DATA_MAX (1024u * 1024u)
#define VFU_PAGE_SIZE    4096u

/** The longest message: a write of VFU_MSG_DATA_MAX bytes. */
#define VFU_MSG_MAX (sizeof(struct vfio_user_header) + \
	sizeof(struct vfio_user_region_access) + VFU_MSG_DATA_MAX)

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
};

#define VFIO_USER_F_TYPE_MASK    0xfu
#define VFIO_USER_F_TYPE_COMMAND 0x0u
#define VFIO_USER_F_TYPE_REPLY   0x1u
#define VFIO_USER_F_NO_REPLY     0x10u
#define VFIO_USER_F_ERROR        0x20u

struct vfio_user_header {
	uint16_t msg_id;   /**< the sender's; echoed in the reply */
	uint16_t cmd;      /**< enum vfio_user_command; echoed in the reply */
	uint32_t msg_size; /**< header included */
	uint32_t flags;    /**< VFIO_USER_F_* */
	uint32_t error_no; /**< in a reply with VFIO_USER_F_ERROR: an errno value, or 0 */
};

/** VERSION, both ways; JSON text with its NUL may follow. */
struct vfio_user_version {
	uint16_t major;
	uint16_t minor;
};

/* The device's permissions on the client's memory; DMA_MAP's flags. */
#define VFU_DMA_READ  (1u << 0) /**< the device reads */
#define VFU_DMA_WRITE (1u << 1) /**< the device writes */
/* libvfio-user's addition: how the server is to reach memory that has a descriptor. */
#define VFIO_USER_DMA_MAP_F_MMAP (1u << 2)

struct vfio_user_dma_map {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset; /**< in the file; 0 without one */
	uint64_t addr;
	uint64_t size;
};

/* VFIO_DMA_UNMAP_FLAG_ALL is <linux/vfio.h>'s: everything; addr and size are 0 then. */
struct vfio_user_dma_unmap {
	uint32_t argsz;
	uint32_t flags;
	uint64_t addr;
	uint64_t size;
};

/** DEVICE_GET_INFO, both ways. */
struct vfio_user_device_info {
	uint32_t argsz;
	uint32_t flags;
	uint32_t num_regions;
	uint32_t num_irqs;
};

/** DEVICE_GET_REGION_IO_FDS, both ways; sub-regions may follow in the reply. */
struct vfio_user_region_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

/** REGION_READ, REGION_WRITE, both ways; data follows in a write and in a read's reply. */
struct vfio_user_region_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint8_t data[];
};

/** One of REGION_WRITE_MULTI's writes, which follow a 64-bit count. */
struct vfio_user_region_write {
	uint64_t offset;
	uint32_t region;
	uint32_t count; /**< at most 8 */
	uint8_t data[8];
};

/** DMA_READ, DMA_WRITE, both ways; data follows in a write and in a read's reply. */
struct vfio_user_dma_access {
	uint64_t addr;
	uint64_t count;
	uint8_t data[];
};

_Static_assert(sizeof(struct vfio_user_header) == 16, "header");
_Static_assert(sizeof(struct vfio_user_version) == 4, "VERSION");
_Static_assert(sizeof(struct vfio_user_dma_map) == 32, "DMA_MAP");
_Static_assert(sizeof(struct vfio_user_dma_unmap) == 24, "DMA_UNMAP");
_Static_assert(sizeof(struct vfio_user_device_info) == 16, "DEVICE_GET_INFO");
_Static_assert(sizeof(struct vfio_region_info) == 32, "DEVICE_GET_REGION_INFO");
_Static_assert(sizeof(struct vfio_region_info_cap_sparse_mmap) == 16, "sparse mmap");
_Static_assert(sizeof(struct vfio_irq_info) == 16, "DEVICE_GET_IRQ_INFO");
_Static_assert(sizeof(struct vfio_irq_set) == 20, "DEVICE_SET_IRQS");
_Static_assert(sizeof(struct vfio_user_region_access) == 16, "REGION_READ");
_Static_assert(sizeof(struct vfio_user_region_write) == 24, "REGION_WRITE_MULTI");
_Static_assert(sizeof(struct vfio_user_dma_access) == 16, "DMA_READ");

#endif /* VFIO_USER_H */
