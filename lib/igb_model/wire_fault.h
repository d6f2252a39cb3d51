/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Faults of a wire: loss, corruption, duplication, reordering, delay and jitter of one direction.
 *
 * The direction numbers the frames that its source sends, from 0 on when a set of faults begins.
 * Each random decision is a function of the seed and this number, and depends neither on the time
 * nor on the polling thread. The same frames at the same times therefore leave the wire with the
 * same faults, in the same order and at the same times, bit for bit.
 *
 * A frame meets the faults in this order:
 *
 *     source --> lost? --> bits flipped? --> bad FCS? --> duplicated? --> held back? --> delayed
 *                                                                                          |
 *     sink   <------------------ each frame at its time, in the order of these times ------+
 *
 * A duplicate equals its original, and follows it at the same time. Frames that a device loops back
 * to itself are not on the wire: they have no number, and no fault.
 *
 * Delayed frames are not paced again: after jitter, duplication, or the end of a delay, frames may
 * arrive closer together than the speed of the wire permits. Otherwise the delay of a frame would
 * depend on the load, and on a full wire a delay could never become shorter.
 */

#ifndef WIRE_FAULT_H
#define WIRE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct wire_dir;

/** A probability of 1. Probabilities are in units of 2^-32. */
#define WIRE_FAULT_ALWAYS (1ULL << 32)
/** Maximum number of bits to flip in a frame. */
#define WIRE_FAULT_BITS_MAX 64
/** Maximum delay, and maximum jitter, in ns. */
#define WIRE_FAULT_DELAY_MAX 10000000000ULL
/** Maximum number of frames behind which a frame is held back. */
#define WIRE_FAULT_EXTENT_MAX 65536
/** Time for which a frame is held back at most by default, in ns. */
#define WIRE_FAULT_HOLD_NS 10000000ULL
/** Bytes of a direction's queue by default: 100 ms of frames of 1518 bytes at 1 Gb/s. */
#define WIRE_FAULT_QUEUE_BYTES (16u << 20)
/** Maximum number of those bytes. */
#define WIRE_FAULT_QUEUE_MAX (64u << 20)
/** A frame takes a multiple of this in the queue, in bytes. */
#define WIRE_FAULT_QUEUE_UNIT 256

/** Models of loss. */
enum wire_loss {
	WIRE_LOSS_NONE,
	WIRE_LOSS_RANDOM, /**< each frame by itself, with a probability */
	WIRE_LOSS_EVERY,  /**< the last of every so many frames */
	WIRE_LOSS_BURSTS, /**< Gilbert-Elliott: a good and a bad state, each with a probability */
};

/** Distributions of jitter. */
enum wire_jitter {
	WIRE_JITTER_UNIFORM, /**< from -jitter to +jitter, each with the same probability */
	WIRE_JITTER_NORMAL,  /**< standard deviation jitter, mean 0, at most 6 deviations */
	WIRE_JITTER_PARETO,  /**< mean jitter, from 0 on, shape 3 (Lomax) */
};

/** A set of faults. All zeros: no fault. Probabilities are in units of 2^-32. */
struct wire_faults {
	/** Another seed makes other random decisions. */
	uint64_t seed;
	/** Number of the first frame that may have a fault. Frames before it have none. */
	uint64_t first;
	/** Number of frames from there on that may have a fault; 0: all. */
	uint64_t count;
	struct {
		enum wire_loss kind;
		/** WIRE_LOSS_RANDOM: of each frame. WIRE_LOSS_BURSTS: in the good state. */
		uint64_t probability;
		/** WIRE_LOSS_EVERY: n, at least 1. Frames first + n - 1, first + 2n - 1 ... */
		uint64_t every;
		/** WIRE_LOSS_BURSTS: of a loss in the bad state. */
		uint64_t bad_probability;
		/** WIRE_LOSS_BURSTS: that the bad state begins with a frame in the good one. */
		uint64_t enter;
		/** WIRE_LOSS_BURSTS: that the good state begins with a frame in the bad one. */
		uint64_t leave;
	} loss; /**< frames that are lost have no other fault */
	struct {
		uint64_t probability;
		unsigned int bits;   /**< how many are flipped, 1 to WIRE_FAULT_BITS_MAX */
		unsigned int offset; /**< bytes at the beginning that remain as they are */
	} corrupt;                   /**< undetected: the FCS fits the flipped bits */
	uint64_t bad_fcs;            /**< probability that the FCS is wrong */
	uint64_t duplicate;          /**< probability that a frame arrives twice */
	struct {
		uint64_t probability;
		/**
		 * The frame arrives directly after so many later ones, 1 to WIRE_FAULT_EXTENT_MAX.
		 * Frames that are lost or held back themselves do not count.
		 */
		unsigned int extent;
		/** If they do not come: ns for which the frame is held; 0: WIRE_FAULT_HOLD_NS. */
		uint64_t hold_ns;
	} reorder;
	struct {
		uint64_t ns;     /**< of each frame */
		uint64_t jitter; /**< ns, is added; a sum below 0 is 0 */
		enum wire_jitter distribution;
		/** Frames may overtake each other. Otherwise a frame waits for those before it. */
		bool any_order;
	} delay;
	/**
	 * Limit of the queue, in bytes; 0: WIRE_FAULT_QUEUE_BYTES. With delay or reordering all
	 * frames pass through the queue. If it is full, a wire with a speed loses a frame, and a
	 * wire without a speed lets the source wait.
	 */
	unsigned int queue_bytes;
};

/**
 * Counters of one direction since it was created. After each poll frames + duplicated is delivered
 * + lost + queue_full + queued.
 */
struct wire_fault_stats {
	uint64_t frames;     /**< that the source sent while faults were set, or frames queued */
	uint64_t delivered;  /**< passed to the sink, which may have dropped them */
	uint64_t lost;       /**< by the loss model */
	uint64_t corrupted;  /**< bits were flipped */
	uint64_t bad_fcs;    /**< the FCS was made wrong */
	uint64_t duplicated; /**< arrived, or would have arrived, a second time */
	uint64_t reordered;  /**< held back behind later frames */
	uint64_t delayed;    /**< had a delay above 0 */
	uint64_t queue_full; /**< lost: there was no room in the queue */
	uint64_t queued;     /**< in the queue now */
};

/**
 * Check a set of faults.
 *
 * @return NULL: it is valid; else one line about the first member that is not, with static storage
 */
const char *wire_faults_check(const struct wire_faults *faults);
/**
 * Set the faults of a direction. The polling thread uses them from its next poll on, and does not
 * wait for the caller, nor the caller for it. Frames that are queued then keep their times, and
 * later frames do not overtake them unless delay.any_order permits it. Frames that are held back
 * arrive at once if the new set has no reordering.
 *
 * Any thread, at any time until wire_dir_free().
 *
 * @param dir     the direction
 * @param faults  copied; NULL, or all zeros: no faults
 * @retval 0        they are set
 * @retval -EINVAL  wire_faults_check() refuses them
 * @retval -ENOMEM  no memory; the former set remains
 */
int wire_dir_set_faults(struct wire_dir *dir, const struct wire_faults *faults);
/** Fill in @p stats. Any thread. */
void wire_dir_get_fault_stats(const struct wire_dir *dir, struct wire_fault_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* WIRE_FAULT_H */
