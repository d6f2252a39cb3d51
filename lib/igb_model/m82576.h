/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * A software 82576 behind a vfio-user socket. The theory is in m82576.c.
 *
 * Two kinds of thread use a device. The control thread of the server (vfu_server.h) carries out
 * register accesses and resets. The polling threads of the owner move frames: at any time at most
 * one thread calls m82576_tx() of a device, and at most one (the same or another)
 * m82576_rx().
 *
 * Polling threads must be registered with vfu_rcu.h, and must pass quiescent states between calls.
 * The control thread waits for a grace period wherever the datasheet promises that the hardware no
 * longer accesses memory when a bit reads back (queue disable, reset), and before memory is
 * unmapped.
 *
 * The device knows no speed: the caller decides when a frame goes (wire.h).
 */

#ifndef M82576_H
#define M82576_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vfu_server.h"

#ifdef __cplusplus
extern "C" {
#endif

struct m82576;

/** Parameters of a device. */
struct m82576_params {
	const char *name;        /**< name of the port, for messages; copied */
	const char *socket;      /**< path of the socket to serve */
	uint8_t mac[6];          /**< MAC address, which goes into the NVM */
	unsigned int speed_mbps; /**< link speed in Mb/s (vendor capability); 0: unlimited */
	/**
	 * Number of bits of a bus address that the device drives, 24 to 64 (vendor capability); 0:
	 * 64. Higher bits of an address that it is given are lost, as on hardware.
	 */
	unsigned int addr_bits;
	unsigned int dma_timeout_ms; /**< see struct vfu_server_desc */
	bool no_page_table;          /**< do not offer the I/O page table (vfio_user.h) */
	struct vfu_limits limits;    /**< limits of each client */
	/**
	 * Log a line: a client attached or detached, or what it did wrong. Called from any thread.
	 * NULL: to standard error.
	 */
	void (*log)(const char *name, const char *line);
};

/**
 * A frame between a device and a wire, from the destination address on, without FCS. A wire pads
 * frames to Ethernet's minimum of 60 bytes. A device counts and drops a shorter frame that it
 * receives as a runt.
 */
struct m82576_frame {
	const uint8_t *data; /**< first byte; the passing function states its owner */
	uint32_t len;        /**< in bytes */
	uint32_t flags;      /**< M82576_FRAME_* */
	/**
	 * The bytes behind M82576_HEADER, in the memory of the sender's client, where they may
	 * change at any time. NULL: all bytes are at data. The pointer is valid until the next
	 * quiescent state of the thread, and the frame is damaged if the sender is poisoned after
	 * they were copied (vfu_server_dma_poisoned()).
	 */
	const uint8_t *rest;
	const struct vfu_server *sender; /**< if rest is not NULL */
};

/**
 * Bytes at m82576_frame.data of a frame that has a rest. A receiver decides by these bytes, a copy.
 */
#define M82576_HEADER 128

#define M82576_FRAME_BAD_FCS (1u << 0) /**< damaged on the wire: dropped unless RCTL.SBP */
/**
 * The device has received the frame itself (loopback), so that it must not be given to a sink. The
 * wire only waits for its time.
 */
#define M82576_FRAME_LOOPED (1u << 1)

/** Bytes of the shortest frame on a wire, without FCS: a wire pads frames to this. */
#define M82576_WIRE_MIN 60
/**
 * Bytes for which a wire is busy beside the frame itself: preamble and SFD, FCS, inter-frame gap.
 */
#define M82576_WIRE_OVERHEAD (8 + 4 + 12)

/** Return for how many bytes a frame of @p len bytes keeps a wire busy. */
static inline uint32_t
m82576_wire_bytes(uint32_t len)
{
	return (len > M82576_WIRE_MIN ? len : M82576_WIRE_MIN) + M82576_WIRE_OVERHEAD;
}

/**
 * Counters since the device was created. Resets by software do not clear them. Any thread may read
 * them.
 */
struct m82576_stats {
	uint64_t tx_frames;   /**< handed to the wire */
	uint64_t tx_bytes;    /**< bytes of those, without FCS */
	uint64_t rx_frames;   /**< written to the client's memory */
	uint64_t rx_bytes;    /**< bytes of those, without FCS */
	uint64_t rx_no_desc;  /**< dropped: no receive descriptor (RNBC, RQDPC) */
	uint64_t rx_filtered; /**< dropped: for another address or VLAN */
	uint64_t rx_bad;      /**< dropped: bad FCS, too long, too short */
	uint64_t rx_off;      /**< dropped: link down, or receiver not enabled */
	/**
	 * Frames not sent (an invalid descriptor, a DMA fault), and single descriptors that were
	 * ignored.
	 */
	uint64_t tx_bad;
	uint64_t dma_faults; /**< as in struct vfu_server_stats */
	/** The same for each queue. */
	struct {
		uint64_t tx_frames;  /**< sent from the queue */
		uint64_t rx_frames;  /**< received to the queue */
		uint64_t rx_no_desc; /**< dropped: no descriptor in the queue */
	} queue[16];
	bool client;            /**< a client is attached */
	bool link;              /**< the link is up */
	uint64_t bad_doorbells; /**< RDT or TDT outside the ring: ignored */
};

/**
 * Create a device and serve it.
 *
 * @param params       copied
 * @param[out] model   the device; destroy it with m82576_destroy()
 * @param[out] err     one line, VFU_ERR_LEN bytes
 * @return 0 or a negative errno value
 */
int m82576_create(const struct m82576_params *params, struct m82576 **model, char *err);
/**
 * Drop the client, close the socket and free the device. No thread may be inside m82576_tx() or
 * m82576_rx().
 */
void m82576_destroy(struct m82576 *model);

/**
 * Return the name of the port.
 *
 * @return memory of the device
 */
const char *m82576_name(const struct m82576 *model);
/**
 * Return the server of the device.
 *
 * @return memory of the device; the caller must not stop the server
 */
struct vfu_server *m82576_server(struct m82576 *model);

/**
 * Return whether the device would process a frame that arrives now: a client is attached, the link
 * is up, and the receiver and at least one receive queue are enabled. Any thread.
 */
bool m82576_listening(const struct m82576 *model);
/**
 * Return when the client's process last accessed a register, of this device or of another device of
 * this process that it drives. Accesses to tails, interrupts and statistics do not count, because a
 * driver makes them while it runs. An application that sets up its ports one after the other is
 * thus seen to be busy at all of them, unless it is in another PID namespace.
 *
 * @return monotonic time in ns; 0: never
 */
uint64_t m82576_busy_at(struct m82576 *model);

/**
 * Stop access to the client's memory if the client has closed its socket; else do nothing. Call it
 * in a polling thread that was stopped or starved for long: in the meantime the client may have
 * given up the device and reused its memory.
 */
void m82576_check_client(struct m82576 *model);

/**
 * Set whether the far end of the cable signals: STATUS.LU, PHY, LSC interrupt. Initially it does.
 * Any thread.
 */
void m82576_set_link(struct m82576 *model, bool up);
/**
 * Return whether this end of the cable signals: a client is attached that asked for a link
 * (CTRL.SLU), and the PHY has power and is not in loopback. Any thread.
 *
 * @return odd if this end signals; grows with each change, and by two when the link is negotiated
 *   again
 */
uint32_t m82576_carrier(const struct m82576 *model);

/** @{ */
/**
 * Modes of a transceiver, in the order of preference of 802.3 (annex 28B): a speed in Mb/s, and
 * half or full duplex. The last one stands for 1000 Mb/s and any higher speed of the wire.
 */
#define M82576_ABLE_10_HALF   (1u << 0)
#define M82576_ABLE_10_FULL   (1u << 1)
#define M82576_ABLE_100_HALF  (1u << 2)
#define M82576_ABLE_100_FULL  (1u << 3)
#define M82576_ABLE_1000_FULL (1u << 4)
#define M82576_ABLE_ALL       0x1Fu

/** @} */

/**
 * Return the modes that the device offers its partner now. Call it after m82576_carrier(),
 * because a change of the modes precedes one of the carrier. Any thread.
 *
 * @return M82576_ABLE_*
 */
uint32_t m82576_ability(const struct m82576 *model);
/**
 * Set the modes that the partner offers. At most one thread at a time.
 *
 * @param model  the device
 * @param able   M82576_ABLE_*; initially all
 */
void m82576_set_partner(struct m82576 *model, uint32_t able);
/**
 * Return the speed of the link if it is lower than the wire's own. Any thread.
 *
 * @return in Mb/s; 0: the wire's own speed
 */
unsigned int m82576_speed(const struct m82576 *model);

/**
 * Take the next frames that the driver posted: read descriptors and data, and apply the offloads
 * that they ask for (checksums, tag, segmentation). The enabled queues take turns.
 *
 * The device may hold back status write-backs and interrupts until m82576_tx_flush(), which the
 * thread must call before it turns to something else.
 *
 * @param model        the device
 * @param[out] frames  valid until the next call of m82576_tx() for this device. If one of them has
 *   M82576_FRAME_LOOPED, all have
 * @param n            maximum number
 * @param bytes        a frame is taken only if those before it are at most so many bytes
 *   (m82576_wire_bytes())
 * @return number of frames; 0: there is nothing to send, or the link is down, the transmitter is
 *   off, or no client is attached. Fewer than there are may be taken at once
 */
unsigned int m82576_tx(struct m82576 *model, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes);
/**
 * Read CLOCK_MONOTONIC for a limit, at less cost. The result usually differs from that clock by
 * less than 0.1 us. For up to a second it may differ by 50 us after the thread lost its core in the
 * call, and by some ms after a jump of the CPU's counter (a virtual machine that moves to another
 * host). It may be smaller than an earlier result.
 *
 * @return ns
 */
uint64_t m82576_about_now(void);
/**
 * Permit m82576_tx() to return frames with a rest: the caller passes them to m82576_rx(). Initially
 * it returns none. Call it before the first m82576_tx().
 */
void m82576_tx_allow_rest(struct m82576 *model);
/**
 * Copy the rests of frames of the last m82576_tx(), which are to be kept beyond the next quiescent
 * state. A frame that is damaged gets M82576_FRAME_BAD_FCS.
 */
void m82576_tx_gather(struct m82576 *model, struct m82576_frame *frames, unsigned int n);
/**
 * Write back, and report to the driver, what m82576_tx() held back. Call it from the thread that
 * called m82576_tx().
 */
void m82576_tx_flush(struct m82576 *model);
/**
 * Set whether the far end makes the transmitter wait (STATUS.TXOFF), as pause frames would
 * (802.3x). A driver can then see that a ring without progress is no fault of the device. Call it
 * from the thread that calls m82576_tx().
 */
void m82576_tx_pause(struct m82576 *model, bool paused);

/**
 * Return whether descriptors are pending: a cheap look at the tails, which may return true although
 * there are none. A wire whose device had descriptors at the last look has gone on sending in the
 * meantime.
 */
bool m82576_tx_pending(struct m82576 *model);

/**
 * Receive frames, in their order: apply filters, select queues, write the frames to memory, write
 * descriptors back. While the device is in loopback it drops them.
 *
 * @param model   the device
 * @param frames  read until the function returns
 * @param n       number of frames
 * @param wait    true: stop at a frame for which there is no descriptor (the wire waits,
 *   speed=max); false: drop and count it, as hardware does
 * @return number of frames that are finished with: delivered, filtered or dropped; without
 *   @p wait all of them
 */
unsigned int m82576_rx(struct m82576 *model, const struct m82576_frame *frames, unsigned int n,
		bool wait);
/**
 * Write back, and report to the driver, what m82576_rx() held back. Call it from the thread that
 * called m82576_rx().
 */
void m82576_rx_flush(struct m82576 *model);

/** Fill in @p stats. Each counter has the value of the moment at which it is read. Any thread. */
void m82576_get_stats(const struct m82576 *model, struct m82576_stats *stats);

#ifdef __cplusplus
}
#endif

#endif /* M82576_H */
