/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The queue of a direction with faults.
 *
 *     add() ---+--> line ----------------+--> ready[] --deliver()--> sink
 *              +--> heap[], by time -----+
 *     hold() --> held --unhold()--> (as add())
 *
 * A frame is copied into a chain of units of 256 bytes, so that frames of any lengths share the
 * memory without gaps, and a limit in bytes is exact. A sink takes frames in one piece: a frame of
 * several units is copied once more, into the buffer of its place in ready[].
 *
 * The queue reserves address space for its maximum at once, and uses first what it used before. So
 * the polling thread allocates nothing, and memory that a short queue does not need costs nothing.
 *
 * A frame that is due after all of the line joins the line, at a cost that does not depend on its
 * length. Only a frame that overtakes others is in the heap. The next frame is the first one of
 * either. Frames that are due at the same time arrive in the order in which they got it (seq).
 *
 * A frame in ready[] is on its way to the sink. If the sink has no room for it, it remains there,
 * and no other frame arrives before it.
 */

#include <stdlib.h>
#include <string.h>

#include "wire_fault.h"
#include "wire_fault_queue.h"

#define UNIT  WIRE_FAULT_QUEUE_UNIT
#define UNITS (WIRE_FAULT_QUEUE_MAX / UNIT)
/* The end of a list of units. */
#define NONE UINT32_MAX

struct kept {
	uint64_t due, seq;
	uint32_t unit;  /* the first of its units */
	uint16_t len;   /* at most WIRE_FRAME_MAX */
	uint16_t flags; /* M82576_FRAME_* */
};

/* Frames in their order: the first unit of the first and of the last one. */
struct list {
	uint32_t first, last; /* NONE: there is none */
};

struct wire_fault_queue {
	uint32_t used;   /* units that frames occupy */
	uint32_t unused; /* units from this one on were never occupied */
	uint32_t free;   /* list of units that frames occupied before */
	uint32_t nr;     /* frames in heap[] */
	uint32_t listed; /* frames in line and held */
	uint32_t first_ready, nr_ready;
	uint64_t seq; /* of the next frame */
	struct list line, held;

	uint64_t ready_at[WIRE_BURST];
	struct m82576_frame ready[WIRE_BURST];
	uint32_t ready_unit[WIRE_BURST];

	uint8_t whole[WIRE_BURST][WIRE_FRAME_MAX]; /* frames of ready[] with several units */
	uint32_t next[UNITS];                      /* of the same frame, or of the free list */
	struct kept heap[UNITS];                   /* a binary heap: each frame has a unit */

	/* For frames of a list, at the index of their first unit. */
	struct kept kept[UNITS];
	struct wire_held holds[UNITS]; /* if the list is held */
	uint32_t behind[UNITS];        /* first unit of the next frame */

	uint8_t data[UNITS][UNIT];
};

struct wire_fault_queue *
wire_fault_queue_new(void)
{
	struct wire_fault_queue *q = malloc(sizeof(*q));

	if (q == NULL)
		return NULL;
	q->used = q->unused = q->nr = q->listed = 0;
	q->first_ready = q->nr_ready = 0;
	q->free = NONE;
	q->line = q->held = (struct list){ NONE, NONE };
	q->seq = 0;
	return q;
}

void
wire_fault_queue_free(struct wire_fault_queue *q)
{
	free(q);
}

unsigned int
wire_fault_queue_frames(const struct wire_fault_queue *q)
{
	return q != NULL ? q->nr + q->listed + q->nr_ready : 0;
}

static inline uint32_t
units_of(uint32_t len)
{
	return (len + UNIT - 1) / UNIT;
}

bool
wire_fault_queue_has_room(const struct wire_fault_queue *q, uint32_t len, unsigned int copies,
		uint32_t limit)
{
	return q->used + units_of(len) * copies <= limit / UNIT;
}

static uint32_t
take_unit(struct wire_fault_queue *q)
{
	uint32_t unit = q->free;

	q->used++;
	if (unit == NONE)
		return q->unused++;
	q->free = q->next[unit];
	return unit;
}

/* Copy a frame into units. */
static struct kept
store(struct wire_fault_queue *q, uint64_t due, const struct m82576_frame *frame)
{
	struct kept kept = { .due = due, .len = frame->len, .flags = frame->flags };
	uint32_t at = 0, n, *link = &kept.unit;

	while (at < frame->len) {
		n = frame->len - at < UNIT ? frame->len - at : UNIT;
		*link = take_unit(q);
		memcpy(q->data[*link], frame->data + at, n);
		link = &q->next[*link];
		at += n;
	}
	*link = NONE;
	return kept;
}

static void
free_units(struct wire_fault_queue *q, uint32_t unit)
{
	uint32_t next;

	for (; unit != NONE; unit = next) {
		next = q->next[unit];
		q->next[unit] = q->free;
		q->free = unit;
		q->used--;
	}
}

static inline bool
is_before(const struct kept *a, const struct kept *b)
{
	return a->due < b->due || (a->due == b->due && a->seq < b->seq);
}

/* Append a frame to a list. */
static void
append(struct wire_fault_queue *q, struct list *list, const struct kept *kept)
{
	q->kept[kept->unit] = *kept;
	q->behind[kept->unit] = NONE;
	if (list->first == NONE)
		list->first = kept->unit;
	else
		q->behind[list->last] = kept->unit;
	list->last = kept->unit;
	q->listed++;
}

/* Remove the first frame of a list, which is not empty. */
static struct kept
remove_first(struct wire_fault_queue *q, struct list *list)
{
	uint32_t unit = list->first;

	list->first = q->behind[unit];
	q->listed--;
	return q->kept[unit];
}

static void
push(struct wire_fault_queue *q, struct kept kept)
{
	uint32_t i;

	kept.seq = q->seq++;
	if (q->line.first == NONE || kept.due >= q->kept[q->line.last].due) {
		append(q, &q->line, &kept);
		return;
	}
	i = q->nr++;
	while (i != 0 && is_before(&kept, &q->heap[(i - 1) / 2])) {
		q->heap[i] = q->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	q->heap[i] = kept;
}

/* Return the frame that arrives first; NULL: there is none. */
static const struct kept *
first_of(const struct wire_fault_queue *q)
{
	const struct kept *line = q->line.first != NONE ? &q->kept[q->line.first] : NULL;

	if (q->nr == 0 || (line != NULL && is_before(line, &q->heap[0])))
		return line;
	return &q->heap[0];
}

/* Remove this frame. */
static struct kept
pop(struct wire_fault_queue *q)
{
	const struct kept first = *first_of(q), *last;
	uint32_t i = 0, child;

	if (first.unit == q->line.first)
		return remove_first(q, &q->line);
	last = &q->heap[--q->nr];
	while ((child = 2 * i + 1) < q->nr) {
		if (child + 1 < q->nr && is_before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (!is_before(&q->heap[child], last))
			break;
		q->heap[i] = q->heap[child];
		i = child;
	}
	q->heap[i] = *last;
	return first;
}

void
wire_fault_queue_add(struct wire_fault_queue *q, uint64_t due, const struct m82576_frame *frame)
{
	push(q, store(q, due, frame));
}

void
wire_fault_queue_hold(struct wire_fault_queue *q, const struct wire_held *held,
		const struct m82576_frame *frame)
{
	const struct kept kept = store(q, held->due, frame);

	append(q, &q->held, &kept);
	q->holds[kept.unit] = *held;
}

const struct wire_held *
wire_fault_queue_first_held(const struct wire_fault_queue *q)
{
	return q->held.first != NONE ? &q->holds[q->held.first] : NULL;
}

void
wire_fault_queue_unhold(struct wire_fault_queue *q, uint64_t due)
{
	struct kept kept = remove_first(q, &q->held);

	kept.due = due;
	push(q, kept);
}

/* Move the frames that are due into ready[], at most n. */
static void
make_ready(struct wire_fault_queue *q, uint64_t until, unsigned int n)
{
	const struct kept *next;
	unsigned int i = 0;

	while (i < n && (next = first_of(q)) != NULL && next->due <= until) {
		const struct kept kept = pop(q);
		struct m82576_frame *frame = &q->ready[i];
		uint32_t unit = kept.unit, at;

		*frame = (struct m82576_frame){ .data = q->data[unit], .len = kept.len };
		frame->flags = kept.flags;
		q->ready_at[i] = kept.due;
		q->ready_unit[i] = kept.unit;
		if (kept.len > UNIT) {
			for (at = 0; unit != NONE; at += UNIT, unit = q->next[unit])
				memcpy(q->whole[i] + at, q->data[unit], UNIT);
			frame->data = q->whole[i];
		}
		i++;
	}
	q->first_ready = 0;
	q->nr_ready = i;
}

unsigned int
wire_fault_queue_deliver(struct wire_fault_queue *q, struct wire_sink *sink, uint64_t until,
		unsigned int n, bool wait, uint32_t *bytes)
{
	unsigned int first, got, i;

	*bytes = 0;
	if (q->nr_ready == 0)
		make_ready(q, until, n);
	if (q->nr_ready == 0)
		return 0;
	first = q->first_ready;
	got = sink->put(sink, &q->ready_at[first], &q->ready[first], q->nr_ready, wait);
	for (i = first; i < first + got; i++) {
		*bytes += q->ready[i].len;
		free_units(q, q->ready_unit[i]);
	}
	q->first_ready += got;
	q->nr_ready -= got;
	return got;
}
