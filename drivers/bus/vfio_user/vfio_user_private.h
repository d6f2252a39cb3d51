/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Declarations that the files of the bus share. The theory is in bus_vfio_user.c.
 */

#ifndef VFIO_USER_PRIVATE_H
#define VFIO_USER_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#include <rte_log.h>
#include <rte_mempool.h>

#include "bus_vfio_user_driver.h"
#include "vfu_client.h"

extern int vfio_user_logtype;

/* Log one line that begins with a name: that of the device, or "bus" if it concerns all devices. */
#define VFIO_USER_LOG(level, name, fmt, ...) \
	rte_log(RTE_LOG_##level, vfio_user_logtype, "vfio_user: %s: " fmt "\n", name, ##__VA_ARGS__)

/**
 * A DMA_MAP that the device has. The descriptor fd is borrowed: if eal is set, it is valid as long
 * as EAL has the pages; else only its sign is valid after the mapping is made.
 */
struct vfio_user_map {
	TAILQ_ENTRY(vfio_user_map) next; /**< in eal_maps, if eal is set */
	uint64_t va, iova, len;
	int fd;          /**< -1: no file, the server asks by message; else see above */
	uint64_t offset; /**< in the file, bytes */
	uint32_t prot;   /**< RTE_VFIO_USER_DMA_* */
	bool eal;        /**< the bus mapped it by itself: memory of EAL or of a mempool */
	bool external;   /**< with eal: external memory, which its owner may also map */
	bool pool;       /**< with eal: a mempool is in it, and no memory event reports its end */
};

/** The state of a device that drivers do not see. In the primary process only. */
struct vfio_user_priv {
	struct rte_vfio_user_device *dev;
	struct vfu_client *client;
	uint16_t msix_cap; /**< offset in configuration space; 0: none */
	bool irqs_wired;
	struct {
		int fd;          /**< file of the mapped areas of the BAR; -1: none is mapped */
		uint64_t offset; /**< of byte 0 of the BAR in fd, bytes */
	} bar_files[VFIO_USER_MAX_BARS];

	/* Carries the loss of the connection to the interrupt thread of EAL. */
	int lost_fd;
	struct rte_intr_handle *lost_handle;
	pthread_mutex_t lost_lock; /* so that no thread writes to lost_fd after it is closed */
	bool lost_reported;

	/* Protected by vfio_user_dma_lock. */
	TAILQ_ENTRY(vfio_user_priv) dma_next;
	bool dma_attached;
	bool dma_claimed; /* the bus no longer maps EAL memory */
	void *maps;       /* tsearch() tree of vfio_user_map, by bus address */
	TAILQ_HEAD(, vfio_user_map) eal_maps;
	void *ptes; /* the I/O page table; NULL: none */
	size_t ptes_len;

	/*
	 * The maps again, for requests that arrive in the receiving thread of the client. They have
	 * a lock of their own, which is held while bytes are copied and never while a thread waits
	 * for a reply, because the thread that would bring the reply is the one that takes this
	 * lock.
	 */
	pthread_rwlock_t served_lock;
	void *served; /* as maps */

	/* Protected by shown_lock in vfio_user_mp.c. */
	TAILQ_ENTRY(vfio_user_priv) mp_next;
	bool mp_shown;
};

/*
 * Limits for all messages of one probe together, and of one closing, milliseconds, because the
 * server chooses how many messages these are.
 */
#define VFIO_USER_PROBE_MS 60000
#define VFIO_USER_CLOSE_MS 10000

/* vfio_user_device.c */
int vfio_user_device_open(struct rte_vfio_user_device *dev);
int vfio_user_device_start(struct rte_vfio_user_device *dev, bool claimed);
void vfio_user_device_close(struct rte_vfio_user_device *dev);

/* vfio_user_pci.c: devices for PCI drivers, in the primary process only */
int vfio_user_pci_prepare(struct rte_vfio_user_device *dev);
struct rte_device *vfio_user_pci_owner(const struct rte_vfio_user_device *dev);
struct rte_vfio_user_driver *vfio_user_pci_driver(const struct rte_vfio_user_device *dev);
void vfio_user_pci_release(struct rte_vfio_user_device *dev);

/* vfio_user_mp.c: the primary process, then a secondary */
void vfio_user_mp_serve(void);
void vfio_user_mp_show(struct vfio_user_priv *priv);
void vfio_user_mp_hide(struct vfio_user_priv *priv);
int vfio_user_mp_list(int (*found)(const char *path));
int vfio_user_mp_attach(struct rte_vfio_user_device *dev);

/* vfio_user_config.c: registers and configuration space, by message */
/* NULL in a secondary process. */
struct vfu_client *vfio_user_client_of(const struct rte_vfio_user_device *dev);
/* Set and clear bits of the command register (PCI 3.0, 6.2.2). */
int vfio_user_command_update(struct rte_vfio_user_device *dev, uint16_t set, uint16_t clear);
static inline uint16_t
vfio_user_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

/* vfio_user_bar.c */
int vfio_user_bars_setup(struct rte_vfio_user_device *dev);
void vfio_user_bars_teardown(struct rte_vfio_user_device *dev);

/* vfio_user_map.c: the caller of the functions for mappings holds vfio_user_dma_lock */
#define VFIO_USER_DMA_RW (RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE)
extern pthread_mutex_t vfio_user_dma_lock;
/* Make one mapping. */
int vfio_user_map_add(struct vfio_user_priv *priv, const struct vfio_user_map *what);
/* Map the parts of the range that are not mapped yet. */
int vfio_user_map_gaps(struct vfio_user_priv *priv, const struct vfio_user_map *what);
/* Return a mapping that overlaps [iova, iova + len), or NULL. */
struct vfio_user_map *vfio_user_map_find(const struct vfio_user_priv *priv, uint64_t iova,
		uint64_t len);
/* Report whether [iova, iova + len) is part of external memory that the device has at va. */
bool vfio_user_map_is_external(const struct vfio_user_map *map, uint64_t va, uint64_t iova,
		uint64_t len);
/* Unmap at the server. If it has no such mapping, the device has lost it already. */
int vfio_user_map_unmap(struct vfio_user_priv *priv, const struct vfio_user_map *map);
/* Remove a mapping from all tables, and free it. */
void vfio_user_map_forget(struct vfio_user_priv *priv, struct vfio_user_map *map);
/* Do both. The mapping is gone from the tables even if the server returns an error. */
int vfio_user_map_remove(struct vfio_user_priv *priv, struct vfio_user_map *map);
int vfio_user_dma_read(void *opaque, uint64_t iova, void *buf, size_t len);
int vfio_user_dma_write(void *opaque, uint64_t iova, const void *buf, size_t len);

/* vfio_user_dma_driver.c */
void vfio_user_dma_free(struct vfio_user_priv *priv);

/* vfio_user_dma.c */
int vfio_user_dma_attach(struct vfio_user_priv *priv, bool claimed);
void vfio_user_dma_detach(struct vfio_user_priv *priv);
void vfio_user_dma_give_pool(const struct rte_mempool *mp);
/*
 * Unmap memory that was mapped for mempools, if it overlaps a piece that is freed and no piece that
 * is in use.
 */
void vfio_user_dma_take_pool(const struct iovec *freed, size_t nr_freed, const struct iovec *in_use,
		size_t nr_in_use);

/* vfio_user_pool.c */
void vfio_user_pool_attach(void);

/* vfio_user_intr.c */
int vfio_user_intr_setup(struct vfio_user_priv *priv);
void vfio_user_intr_teardown(struct vfio_user_priv *priv);
int vfio_user_lost_setup(struct vfio_user_priv *priv);
void vfio_user_lost_teardown(struct vfio_user_priv *priv);
void vfio_user_lost_again(struct vfio_user_priv *priv);
void vfio_user_lost(void *opaque, const char *why);

#endif /* VFIO_USER_PRIVATE_H */
