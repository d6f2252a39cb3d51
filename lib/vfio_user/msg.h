/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Messages on the socket, for both sides: send and receive whole messages with their file
 * descriptors.
 *
 * A socket is a stream, and a message may arrive in pieces. Reception is therefore a state (struct
 * vfu_rx). Each thread that may read the socket takes it a step further and never blocks. Sending
 * blocks up to a deadline, because a sender cannot take back half a message.
 *
 *     struct vfu_rx --hdr, fds--> struct vfu_msg, once the header is complete
 *                                   owns its descriptors until a user takes one or frees it
 */

#ifndef VFU_MSG_H
#define VFU_MSG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "foreign_fd.h"
#include "vfio_user.h"

/* A message that was received. */
struct vfu_msg {
	struct vfu_msg *next;      /* for the queue that holds it */
	struct vfu_closer *closer; /* closes fds */
	struct vfio_user_header hdr;
	unsigned int nr_fds;
	int fds[VFU_MSG_FDS]; /* owned by the message; a user that takes one puts -1 there */
	bool fds_lost;        /* some were dropped: above VFU_MSG_FDS or the process limit */
	size_t len;           /* of data, bytes */
	_Alignas(8) uint8_t data[];
};

struct vfu_rx {
	struct vfu_closer *closer; /* set before the first step */
	struct vfio_user_header hdr;
	size_t got; /* bytes of header and data received so far */
	unsigned int nr_fds;
	int fds[VFU_MSG_FDS];
	bool fds_lost;
	struct vfu_msg *msg; /* set once the header is complete */
};

/*
 * Receive what the socket has, without blocking.
 * @param msg  [out] the message; the caller frees it by vfu_msg_free()
 * @param why  [out] on error, the reason
 * @retval 1  a message is complete
 * @retval 0  no message is complete yet
 * @return a negative errno value: no further message will come
 */
int vfu_rx_step(struct vfu_rx *rx, int sock, struct vfu_msg **msg, const char **why);
void vfu_rx_clear(struct vfu_rx *rx);

/* Free a message, and close the descriptors that no user took. NULL is allowed. */
void vfu_msg_free(struct vfu_msg *msg);

/* A message to send. The pointers and descriptors remain the caller's. */
struct vfu_out {
	struct vfio_user_header hdr; /* the functions that send fill in msg_size */
	const void *data;            /* the payload, and its bytes */
	size_t len;
	const void *more; /* the rest of the payload, and its bytes */
	size_t more_len;
	const int *fds;
	unsigned int nr_fds;
};

/*
 * Begin the reply to a command.
 * @param ret  a negative errno value: the reply reports this error; else it reports success
 * @return a message without payload
 */
struct vfu_out vfu_reply(const struct vfio_user_header *command, int ret);

/*
 * Send a message.
 * @retval 0           sent
 * @retval -ETIMEDOUT  the peer did not read its socket in time; the stream is broken
 * @retval -EINVAL, -EBADF, -ETOOMANYREFS  bad descriptors of the caller; nothing was sent
 * @return another negative errno value: the stream is broken
 */
int vfu_msg_send(int sock, struct vfu_out *out, uint64_t deadline_ms);

/* As vfu_msg_send(), on a socket to which several threads send, one message at a time. */
int vfu_msg_send_locked(int sock, pthread_mutex_t *lock, struct vfu_out *out, uint64_t deadline_ms);

/* The capabilities of one side, as in the JSON of VERSION. */
struct vfu_caps {
	uint32_t max_msg_fds;
	uint32_t max_data_xfer_size;
	uint32_t max_dma_maps;
	uint64_t pgsizes;
	bool write_multiple;
	/* Versions of the extensions (vfio_user.h); 0: the side did not name the extension. */
	uint32_t io_page_table, queue_pages;
	/* The optional capabilities that the side named; a server answers with no others. */
	bool has_max_dma_maps, has_pgsizes, has_write_multiple;
};

/*
 * Parse the JSON of a VERSION.
 * @param len  bytes, including the NUL; 0 means all defaults
 * @param why  [out] on error, the reason
 * @return 0 or -EINVAL
 */
int vfu_caps_parse(struct vfu_caps *caps, const char *json, size_t len, const char **why);

/* Write the JSON of a VERSION. @return its length, bytes, including the NUL */
size_t vfu_caps_format(const struct vfu_caps *caps, char *json, size_t size);

#endif /* VFU_MSG_H */
