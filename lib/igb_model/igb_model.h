/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * A software 82576 behind a vfio-user socket.
 *
 * Two kinds of thread meet here. The server's control thread (vfu_server.h)
 * carries out register accesses and resets. The owner's polling threads move
 * frames: one thread at a time calls igb_model_tx() of a device, and one (the
 * same or another) igb_model_rx(). Polling threads are registered with
 * vfu_rcu.h and pass quiescent states between calls; the control thread waits
 * for a grace period wherever the datasheet says "when this reads back, the
 * hardware has let go" (queue disable, reset) and before memory is unmapped.
 *
 * The model knows no speed: who calls it decides when a frame goes (wire.h).
 */

#ifndef IGB_MODEL_H
#define IGB_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfu_server.h"

#ifdef __cplusplus
extern "C" {
#endif

struct igb_model;

/** What a device is made with. */
struct igb_model_params {
	const char *name;        /**< of the port, for messages; copied */
	const char *socket;      /**< where to serve */
	uint8_t mac[6];          /**< goes into the NVM */
	unsigned int speed_mbps; /**< of the link (vendor capability); 0: unlimited */
	/**
	 * How many bits of a bus address the device drives: 24 to 64; 0: 64 (vendor capability).
	 * Higher bits of any address that it is given are lost, as on hardware.
	 */
	unsigned int addr_bits;
	unsigned int dma_timeout_ms; /**< see struct vfu_server_desc */
	bool no_page_table; /**< a server without the I/O page table (vfio_user.h) */
	struct vfu_limits limits; /**< of each client */
	/**
	 * Takes a line for the log, from any thread: the client's coming and going, and
	 * what it did wrong; NULL: to standard error.
	 */
	void (*log)(const char *name, const char *line);
};

/**
 * A frame between a device and a wire: from the destination address on, without
 * FCS. A wire pads to Ethernet's 60 bytes: what is shorter is a runt, counted and
 * dropped on receive.
 */
struct igb_frame {
	const uint8_t *data;     /**< its first byte; whose memory, the call that gives it says */
	uint32_t len;            /**< bytes */
	uint32_t flags;          /**< IGB_FRAME_* */
};

#define IGB_FRAME_BAD_FCS (1u << 0) /**< damaged on the wire: dropped unless RCTL.SBP */
/**
 * Does not leave the device (loopback), which has received it itself; only its time
 * on the wire is to be waited for.
 */
#define IGB_FRAME_LOOPED  (1u << 1)

/** Since the device was made; never reset by software's resets. Read from any thread. */
struct igb_model_stats {
	uint64_t tx_frames;                 /**< handed to the wire */
	uint64_t tx_bytes;                  /**< theirs, without FCS */
	uint64_t rx_frames;                 /**< written to the client's memory */
	uint64_t rx_bytes;                  /**< theirs, without FCS */
	uint64_t rx_no_desc;                /**< dropped: no receive descriptor (RNBC, RQDPC) */
	uint64_t rx_filtered;               /**< not for this device */
	uint64_t rx_bad;                    /**< bad FCS, too long, too short */
	uint64_t rx_off;                    /**< dropped: link down, or receiver not enabled */
	uint64_t tx_bad;                    /**< descriptors that made no sense, frame not sent */
	uint64_t dma_faults;                /**< as struct vfu_server_stats has them */
	/** The same by queue. */
	struct {
		uint64_t tx_frames;         /**< sent from it */
		uint64_t rx_frames;         /**< received to it */
		uint64_t rx_no_desc;        /**< dropped for want of its descriptors */
	} queue[16];
	bool client;                        /**< one is attached */
	bool link;                          /**< is up */
	uint64_t bad_doorbells;             /**< RDT, TDT outside their ring: ignored */
};

/**
 * Makes the device and serves it.
 * @param params  copied
 * @param model   [out] the device; end it with igb_model_destroy()
 * @param err     [out] one line, VFU_ERR_LEN bytes
 * @return 0 or a negative errno value
 */
int igb_model_create(const struct igb_model_params *params, struct igb_model **model, char *err);
/** Drops the client, closes the socket, frees. No thread may be inside igb_model_tx() or _rx(). */
void igb_model_destroy(struct igb_model *model);

/** The port's name; the model's memory. */
const char *igb_model_name(const struct igb_model *model);
/** The server that the device is behind; the model's, not to be stopped. */
struct vfu_server *igb_model_server(struct igb_model *model);

/** True if a frame that arrives now would be looked at: client, link and receiver are there. */
bool igb_model_listening(const struct igb_model *model);
/**
 * When the client's process last accessed a register, of this device or of another one
 * that it drives here; the tails, interrupts and statistics do not count, which a driver
 * accesses while it runs. An application that sets up its ports one after the other
 * is so seen to be busy at all of them, unless it is in another PID namespace.
 * @return monotonic, ns; 0: never
 */
uint64_t igb_model_busy_at(struct igb_model *model);

/**
 * For a polling thread that was away for long (stopped, or starved) and whose
 * client may have given up and reused its memory meanwhile: if the client has closed its
 * socket, its memory is not touched any more. Else nothing.
 */
void igb_model_check_client(struct igb_model *model);

/**
 * Says whether the far end of the cable signals: STATUS.LU, PHY, LSC interrupt. It does from the
 * beginning. Any thread.
 */
void igb_model_set_link(struct igb_model *model, bool up);
/**
 * Whether this end of the cable signals: a client is there that asked for a link (CTRL.SLU), and the
 * PHY has power and is not in loopback.
 * @return odd if it does; grows with each change, and by two when the link is negotiated again.
 *   Any thread.
 */
uint32_t igb_model_carrier(const struct igb_model *model);

/**
 * What a transceiver can do, in 802.3's order of preference (annex 28B): a speed, half or full
 * duplex. The last stands for 1000 Mb/s and whatever faster speed the wire has.
 */
#define IGB_ABLE_10_HALF   (1u << 0)
#define IGB_ABLE_10_FULL   (1u << 1)
#define IGB_ABLE_100_HALF  (1u << 2)
#define IGB_ABLE_100_FULL  (1u << 3)
#define IGB_ABLE_1000_FULL (1u << 4)
#define IGB_ABLE_ALL       0x1Fu

/** What the device offers its partner now: IGB_ABLE_*. Read after igb_model_carrier(). Any thread. */
uint32_t igb_model_ability(const struct igb_model *model);
/** What the partner offers (IGB_ABLE_*, all at first). Any one thread. */
void igb_model_set_partner(struct igb_model *model, uint32_t able);
/** The link's speed, Mb/s, where it is less than the wire's own; 0: it is not. Any thread. */
unsigned int igb_model_speed(const struct igb_model *model);

/**
 * Takes the next frame that the driver posted: reads descriptors and data,
 * applies what they ask for (checksums, tag, segmentation), round-robin among
 * the enabled queues.
 *
 * Status write-backs and interrupts may be held back until igb_model_tx_flush(),
 * which is to be called before the thread turns to something else.
 *
 * @param model  the device
 * @param frame  [out] good until the next call of igb_model_tx() on this device
 * @return 1, or 0: nothing to send (or link down, transmitter off, no client)
 */
int igb_model_tx(struct igb_model *model, struct igb_frame *frame);
/** Writes back and reports what igb_model_tx() held back. From the thread that called it. */
void igb_model_tx_flush(struct igb_model *model);
/**
 * Whether the far end has the transmitter wait, as pause frames would (802.3x):
 * STATUS.TXOFF. A driver then knows that a ring which stands still is no fault of
 * the device's. From the thread that calls igb_model_tx().
 */
void igb_model_tx_pause(struct igb_model *model, bool paused);

/**
 * True if descriptors are waiting (a cheap look at the tails; may be spuriously true). A
 * wire that was busy and whose device still had descriptors at the last look
 * has gone on sending meanwhile.
 */
bool igb_model_tx_pending(struct igb_model *model);

/**
 * A frame arrives: filters, queue selection, write to memory, write-back. (While
 * the device is in loopback it is dropped.)
 *
 * @param model the device
 * @param frame read until the call returns
 * @param wait  true: if no descriptor is there, take nothing and return 0 (the
 *              wire waits, speed=max); false: drop and count, as hardware does
 * @return 1: the frame is dealt with (delivered, filtered, or dropped), 0: it was not taken
 */
int igb_model_rx(struct igb_model *model, const struct igb_frame *frame, bool wait);
/** Writes back and reports what igb_model_rx() held back. From the thread that called it. */
void igb_model_rx_flush(struct igb_model *model);

/** Fills @p stats, each counter as it is when it is read. Any thread. */
void igb_model_get_stats(const struct igb_model *model, struct igb_model_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* IGB_MODEL_H */
