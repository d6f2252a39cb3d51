/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Data that the files of the client share. client.c describes the threads.
 */

#ifndef VFU_CLIENT_PRIV_H
#define VFU_CLIENT_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "deadline.h"
#include "msg.h"
#include "pending.h"
#include "vfu_client.h"

/* Maximum length of one DMA_READ or DMA_WRITE from the server, bytes. */
#define DMA_MAX 65536u

struct vfu_client {
	struct vfu_client_params params;
	int sock;
	pthread_t thread;
	uint32_t max_data;  /* max_data_xfer_size of the server */
	uint32_t max_fds;   /* max_msg_fds of the server */
	bool io_page_table; /* the server speaks the extension */

	pthread_mutex_t tx_lock; /* protects the sending direction: one message at a time */

	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t cond;
	atomic_bool lost;       /* written under lock */
	_Atomic uint64_t limit; /* vfu_client_limit(), limit_ms, in vfu_now_ms() time; 0: none */
	bool started;           /* the first command is being sent */
	bool lost_reported;     /* lost() was called, or must not be called */
	char why[112];
	uint64_t waited, waited_at; /* against VFU_CLIENT_WAIT_MS; time of the last update */
	struct vfu_pending_list requests;
	void *ranges; /* root of a tsearch() tree: client_serve.c */

	uint8_t *dma_buf;          /* used by the receiving thread */
	struct vfu_closer *closer; /* for the socket, and for descriptors from the server */
};

/* client_conn.c; any thread */

/*
 * The time by which a message that begins now must be answered. The limit of vfu_client_limit()
 * bounds all messages together, so that a server which answers each of them just in time cannot
 * exceed it.
 */
uint64_t vfu_message_deadline(const struct vfu_client *c);
/* Declare the connection lost, which wakes all callers. The first reason counts. */
void vfu_client_lose(struct vfu_client *c, const char *why);
/*
 * Send a message.
 * @retval 0  sent, or the server has closed the connection: its last replies are still readable
 * @return a negative errno value; -ENODEV and -ETIMEDOUT: the connection is lost
 */
int vfu_client_send(struct vfu_client *c, struct vfu_out *out);
/*
 * Send one request and wait for its reply.
 * @param out    the message, whose number the call fills in
 * @param reply  [out] on success, the reply, of at least the length in requests[]; the caller frees
 *   it by vfu_msg_free()
 * @return 0 or a negative errno value, as in vfu_client.h
 */
int vfu_client_request(struct vfu_client *c, struct vfu_out *out, struct vfu_msg **reply);

/* client_serve.c */

/* Add a mapping to those that the server may reach by message. @return 0, -EEXIST or -ENOMEM */
int vfu_client_add_range(struct vfu_client *c, uint64_t iova, uint64_t size, uint32_t prot);
/* Remove all mappings that overlap the range. */
void vfu_client_forget_ranges(struct vfu_client *c, uint64_t iova, uint64_t size);
void vfu_client_free_ranges(struct vfu_client *c);
/* Carry out a command of the server and reply. Consumes the message. Receiving thread. */
void vfu_client_serve(struct vfu_client *c, struct vfu_msg *msg);

#endif /* VFU_CLIENT_PRIV_H */
