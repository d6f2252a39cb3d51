/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Messages on the socket, both sides: whole ones in, whole ones out, with file
 * descriptors.
 *
 * Sockets are streams. A message may arrive in pieces, so reception is a state
 * (struct vfu_rx) that anybody who may read the socket takes a step further; it
 * never blocks. Sending blocks up to a deadline, because half a message cannot
 * be taken back.
 */

#ifndef VFU_MSG_H
#define VFU_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "foreign_fd.h"
#include "vfio_user.h"

/* One message that was received. */
struct vfu_msg {
	struct vfu_msg *next;        /* for whoever queues it */
	struct vfu_closer *closer;   /* of fds */
	struct vfio_user_header hdr;
	unsigned int nr_fds;
	int fds[VFU_MSG_FDS];        /* owned by the message; who takes one puts -1 there */
	bool fds_lost;               /* there were more than fit, or than the process may open */
	size_t len;                  /* of data */
	_Alignas(8) uint8_t data[];
};

struct vfu_rx {
	struct vfu_closer *closer;   /* set before the first step */
	struct vfio_user_header hdr;
	size_t got;                  /* bytes of header and data so far */
	unsigned int nr_fds;
	int fds[VFU_MSG_FDS];
	bool fds_lost;
	struct vfu_msg *msg;         /* once the header is there */
};

/*
 * Takes what the socket has.
 * Returns 1 and a message (vfu_msg_free() it), 0 if there is no whole one yet,
 * or a negative errno value if no other will come, and says why.
 */
int vfu_rx_step(struct vfu_rx *rx, int sock, struct vfu_msg **msg, const char **why);
void vfu_rx_clear(struct vfu_rx *rx);

/* Closes the descriptors that nobody took. NULL is fine. */
void vfu_msg_free(struct vfu_msg *msg);

/*
 * Sends a header and up to two pieces of data. hdr->msg_size is filled in.
 * Returns 0, -ETIMEDOUT or another negative errno value; the stream is broken then.
 */
int vfu_msg_send(int sock, struct vfio_user_header *hdr, const void *data, size_t len,
		const void *more, size_t more_len, const int *fds, unsigned int nr_fds,
		uint64_t deadline_ms);

/* CLOCK_MONOTONIC. */
uint64_t vfu_now_ms(void);

/* Milliseconds until the deadline, for poll(); 0 if it has passed. */
int vfu_ms_left(uint64_t deadline_ms);

/* What one side says of itself in VERSION's JSON. */
struct vfu_caps {
	uint32_t max_msg_fds;
	uint32_t max_data_xfer_size;
	uint32_t max_dma_maps;
	uint64_t pgsizes;
	bool write_multiple;
	/* The extensions' versions (vfio_user.h); 0: it was not named. */
	uint32_t io_page_table, queue_pages;
	/* Which of the optional ones it named; a server answers with no others. */
	bool has_max_dma_maps, has_pgsizes, has_write_multiple;
};

/*
 * Reads a VERSION's JSON of len bytes, its NUL included; len 0 means all defaults.
 * Returns 0 or -EINVAL and says why.
 */
int vfu_caps_parse(struct vfu_caps *caps, const char *json, size_t len, const char **why);

/* Writes it; the length, NUL included. */
size_t vfu_caps_format(const struct vfu_caps *caps, char *json, size_t size);

#endif /* VFU_MSG_H */
