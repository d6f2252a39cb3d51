/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
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

#define VFIO_USER_LOG(level, fmt, ...) \
	rte_log(RTE_LOG_ ## level, vfio_user_logtype, "vfio_user: " fmt "\n", ##__VA_ARGS__)

/** One DMA_MAP that the device has. */
struct vfio_user_map {
	TAILQ_ENTRY(vfio_user_map) next; /**< of EAL's */
	uint64_t va, iova, len;
	int fd;          /**< only told from -1: the server has no file and asks us by message */
	uint64_t offset; /**< in the file */
	uint32_t prot;   /**< RTE_VFIO_USER_DMA_* */
	bool eal;        /**< given without being asked for: EAL's memory, or a mempool's */
	bool external;   /**< of that, what another owner may map, too */
	bool pool;       /**< of that, what a mempool is in and no event tells of */
};

/** What the bus knows of a device beyond what drivers see. In the primary process only. */
struct vfio_user_priv {
	struct rte_vfio_user_device *dev;
	struct vfu_client *client;
	uint16_t msix_cap;             /**< offset in configuration space; 0: none */
	bool irqs_wired;
	struct {
		int fd;          /**< behind the BAR's mapped areas; -1: none is mapped */
		uint64_t offset; /**< of the BAR's byte 0 in it */
	} bar_files[VFIO_USER_MAX_BARS];

	/* The end of the connection on its way to EAL's interrupt thread. */
	int lost_fd;
	struct rte_intr_handle *lost_handle;
	pthread_mutex_t lost_lock;     /* lost_fd, between who closes it and who writes to it */
	bool lost_told;

	/* vfio_user_dma.c: under its lock. */
	TAILQ_ENTRY(vfio_user_priv) dma_next;
	bool dma_attached;
	bool dma_claimed;              /* what is EAL's is not mapped any more */
	void *maps;                    /* tsearch()'s, by bus address */
	TAILQ_HEAD(, vfio_user_map) eal_maps;
	void *ptes;                    /* the I/O page table; NULL: none */
	size_t ptes_len;

	/*
	 * The maps again, for requests that arrive in the client's thread. A lock of its own,
	 * held while bytes are copied and never while a reply is waited for: the thread that
	 * would bring the reply is the one that takes it.
	 */
	pthread_rwlock_t served_lock;
	void *served;                  /* tsearch()'s, by bus address */

	/* vfio_user_mp.c: under its lock. */
	TAILQ_ENTRY(vfio_user_priv) mp_next;
	bool mp_shown;
};

/* All messages of one probe together, and of one closing: the server chooses how many those are. */
#define VFIO_USER_PROBE_MS 60000
#define VFIO_USER_CLOSE_MS 10000

/* vfio_user_device.c */
int vfio_user_device_open(struct rte_vfio_user_device *dev);
int vfio_user_device_start(struct rte_vfio_user_device *dev, bool claimed);
void vfio_user_device_close(struct rte_vfio_user_device *dev);

/* vfio_user_mp.c: the primary's side, then a secondary's */
void vfio_user_mp_serve(void);
void vfio_user_mp_show(struct vfio_user_priv *priv);
void vfio_user_mp_hide(struct vfio_user_priv *priv);
int vfio_user_mp_list(int (*found)(const char *path));
int vfio_user_mp_attach(struct rte_vfio_user_device *dev);

/* vfio_user_dma.c */
int vfio_user_dma_attach(struct vfio_user_priv *priv, bool claimed);
void vfio_user_dma_detach(struct vfio_user_priv *priv);
void vfio_user_dma_free(struct vfio_user_priv *priv);
void vfio_user_dma_give_pool(const struct rte_mempool *mp);
/* Takes memory given for mempools back: in the pieces that are gone, and in none that are left. */
void vfio_user_dma_take_pool(const struct iovec *gone, size_t nr_gone, const struct iovec *left,
		size_t nr_left);
int vfio_user_dma_read(void *opaque, uint64_t iova, void *buf, size_t len);
int vfio_user_dma_write(void *opaque, uint64_t iova, const void *buf, size_t len);

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
