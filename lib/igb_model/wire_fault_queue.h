/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The queue of a direction with faults. All functions belong to one thread at a time. */

#ifndef WIRE_FAULT_QUEUE_H
#define WIRE_FAULT_QUEUE_H

#include "wire.h"

struct wire_fault_queue;

/* A frame that is held back. */
struct wire_held {
	uint64_t due;    /* when it arrives if nothing holds it back */
	uint64_t passed; /* it follows the frame with which so many have passed */
	uint64_t until;  /* it is no longer held back when a frame starts at this time */
	uint64_t hold;   /* ns that are added to due in that case */
};

/* Create a queue. Memory that no frame ever occupied is not touched. NULL: no memory. */
struct wire_fault_queue *wire_fault_queue_new(void);
/* Free a queue with its frames. NULL is permitted. */
void wire_fault_queue_free(struct wire_fault_queue *q);
/* Return the number of frames in a queue. NULL is permitted: 0. */
unsigned int wire_fault_queue_frames(const struct wire_fault_queue *q);
/* Return whether there is room for copies of a frame, if the queue has a limit in bytes. */
bool wire_fault_queue_has_room(const struct wire_fault_queue *q, uint32_t len, unsigned int copies,
		uint32_t limit);
/* Copy a frame without a rest, for which there is room. It arrives at due. */
void wire_fault_queue_add(struct wire_fault_queue *q, uint64_t due,
		const struct m82576_frame *frame);
/* Likewise, but hold the frame back. */
void wire_fault_queue_hold(struct wire_fault_queue *q, const struct wire_held *held,
		const struct m82576_frame *frame);
/* Return the frame that is held back for the longest time; NULL: there is none. */
const struct wire_held *wire_fault_queue_first_held(const struct wire_fault_queue *q);
/* Hold this frame back no longer: it arrives at due, behind frames that already have this time. */
void wire_fault_queue_unhold(struct wire_fault_queue *q, uint64_t due);
/* Deliver frames. The parameters are those of wire_fault_deliver(). */
unsigned int wire_fault_queue_deliver(struct wire_fault_queue *q, struct wire_sink *sink,
		uint64_t until, unsigned int n, bool wait, uint32_t *bytes);

#endif /* WIRE_FAULT_QUEUE_H */
