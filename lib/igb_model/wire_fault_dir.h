/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The faults of a direction, as wire.c sees them. The theory is in wire_fault.c.
 *
 * Only the thread of the direction calls these functions, except wire_fault_set() and
 * wire_fault_get_stats().
 */

#ifndef WIRE_FAULT_DIR_H
#define WIRE_FAULT_DIR_H

#include "wire.h"
#include "wire_fault.h"

struct wire_fault_set;
struct wire_fault_queue;

struct wire_fault {
	struct wire_fault_set *mail; /* the next set, from any thread; NULL: none */
	struct wire_fault_set *set;  /* of the polling thread; NULL: no faults, nothing is queued */
	struct wire_fault_set *returned; /* sets that the polling thread no longer uses */

	/* The rest is the polling thread's. Other threads read the statistics. */
	struct wire_source *src;
	struct wire_sink *sink;
	struct wire_fault_queue *queue; /* NULL: no frame was queued */
	uint64_t number;                /* of the next frame */
	bool is_bad;                    /* state of the Gilbert-Elliott model */
	bool is_half;      /* the sink took the next frame, and waits for its duplicate */
	bool was_half;     /* likewise, but the set that duplicated the frame was replaced */
	uint64_t passed;   /* frames that were not held back */
	uint64_t last_due; /* the latest time of a frame that was not held back */
	struct wire_fault_stats stats;
};

/* Initialize the faults of a direction: there are none. */
void wire_fault_init(struct wire_fault *f, struct wire_source *src, struct wire_sink *sink);
/* Free all sets, and the queue with its frames. */
void wire_fault_close(struct wire_fault *f);
/* As wire_dir_set_faults(). */
int wire_fault_set(struct wire_fault *f, const struct wire_faults *faults);
/* As wire_dir_get_fault_stats(). */
void wire_fault_get_stats(const struct wire_fault *f, struct wire_fault_stats *stats);

/* Use the set that is in the mailbox. Call it only if there is one. */
void wire_fault_adopt(struct wire_fault *f);
/*
 * Take frames of the source, with set not NULL: deliver them, queue them, or lose them. As
 * wire_sink.put(), but may copy the rests of frames.
 */
unsigned int wire_fault_put(struct wire_fault *f, const uint64_t *at, struct m82576_frame *frames,
		unsigned int n, bool wait);
/*
 * Deliver queued frames, with set not NULL. The last call of a poll with faults.
 *
 * until        the time of their arrival must not be later than this, and no later frame of the
 *   source may start before it
 * n            maximum number, at most WIRE_BURST
 * wait         as for wire_sink.put()
 * [out] bytes  of these frames
 */
unsigned int wire_fault_deliver(struct wire_fault *f, uint64_t until, unsigned int n, bool wait,
		uint32_t *bytes);
/* The frames that wait for the sink were dropped. */
void wire_fault_forget(struct wire_fault *f);

#endif /* WIRE_FAULT_DIR_H */
