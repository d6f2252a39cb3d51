/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Data that the files of the client share.
 */

#ifndef VFU_CLIENT_PRIV_H
#define VFU_CLIENT_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "msg.h"
#include "vfu_client.h"

/* Maximum length of one DMA_READ or DMA_WRITE from the server, bytes. */
#define DMA_MAX 65536u

struct call {
	struct call *next;
	uint16_t id;
	struct vfu_msg *reply;
};

/* Mapped memory. The server may reach it by message, with or without a descriptor. */
struct range {
	uint64_t iova, last;
	uint32_t prot;
};

struct vfu_client {
	struct vfu_client_params params;
	int sock;
	pthread_t thread;
	uint32_t max_data;          /* max_data_xfer_size of the server */
	uint32_t max_fds;           /* max_msg_fds of the server */
	bool io_page_table;         /* the server speaks the extension */

	pthread_mutex_t tx_lock;    /* protects the sending direction: one message at a time */

	pthread_mutex_t lock;       /* protects all below */
	pthread_cond_t cond;
	atomic_bool lost;           /* written under lock */
	_Atomic uint64_t limit;     /* by vfu_client_limit(), in vfu_now_ms() time; 0: none */
	bool started;               /* the first command is being sent */
	bool told;                  /* lost() was called, or must not be called */
	char why[112];
	uint16_t next_id;
	uint64_t waited, waited_at; /* against VFU_CLIENT_WAIT_MS; time of the last update */
	struct call *calls;
	void *ranges;               /* root of a tsearch() tree of struct range */

	uint8_t *dma_buf;           /* used by the receiving thread */
	struct vfu_closer *closer;  /* for the socket, and for descriptors from the server */
};

/* client_conn.c */
void vfu_client_lose(struct vfu_client *c, const char *why);
int vfu_client_send(struct vfu_client *c, struct vfio_user_header *hdr, const void *data, size_t len,
		const void *more, size_t more_len, const int *fds, unsigned int nr_fds);
int vfu_client_request(struct vfu_client *c, uint16_t cmd, const void *data, size_t len,
		const void *more, size_t more_len, const int *fds, unsigned int nr_fds, size_t min,
		struct vfu_msg **reply);

/* client_serve.c */
int vfu_client_add_range(struct vfu_client *c, uint64_t iova, uint64_t size, uint32_t prot);
void vfu_client_forget_ranges(struct vfu_client *c, uint64_t iova, uint64_t size);
void vfu_client_serve(struct vfu_client *c, struct vfu_msg *msg);

#endif /* VFU_CLIENT_PRIV_H */
