/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Wires: what carries frames from one place to another, and how fast.
 *
 * A cable is two one-way streets that know nothing of each other, so the unit
 * here is the *direction*: one source of frames, one sink, one clock. What a
 * user calls a wire is one or two of them:
 *
 *     loop        A's transmitter -> A's receiver
 *     pair        A's transmitter -> B's receiver,   B's -> A's
 *     tap         A's transmitter -> the TAP,        the TAP -> A's receiver
 *     pcap        A's transmitter -> a capture file, a capture file -> A's receiver
 *     none        A's transmitter -> nothing
 *
 * A direction carries more than frames: the transceiver at its source signals, or it does
 * not, and the sink's link is up only while it does (struct wire_source, carrier()). The
 * thread that moves a direction's frames passes changes on, so that they keep their order.
 *
 * A direction belongs to exactly one polling thread, which calls
 * wire_dir_poll() over and over; two directions of one cable may belong to two
 * threads. Statistics may be read from any thread.
 *
 * Sources and sinks are small interfaces. A new kind of wire is one more file
 * that fills in a struct wire_source or a struct wire_sink.
 */

#ifndef IGB_WIRE_H
#define IGB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "igb_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Longest frame that a wire carries, without FCS: jumbo frames with room to spare. */
#define WIRE_FRAME_MAX 16384
/** Shortest, 64 with FCS: what a source gives is padded to this. */
#define WIRE_FRAME_MIN 60
/** What the wire is busy with besides the frame itself: preamble and SFD, FCS, inter-frame gap. */
#define WIRE_OVERHEAD (8 + 4 + 12)
/** Frames that one call of wire_dir_poll() moves at most. */
#define WIRE_BURST 32
/**
 * How far a wire may lie behind its clock while its polling thread is away, and
 * catch up, unless wire_dir_set_lag() says otherwise: what polling itself is late
 * by, and no more. At 1 Gb/s it is some 300 of the shortest frames, fewer than a
 * usual ring takes.
 */
#define WIRE_LAG_NS 200000ULL
/**
 * A driver that has left its registers alone for so long has set its port up: DPDK's
 * applications look at the link ten times a second until all ports have one, then set promiscuous
 * mode, and testpmd then throws away for some 20 ms what it receives. Less than a second,
 * because some go on to look at the link once a second.
 */
#define WIRE_QUIET_NS 750000000ULL
/** How much longer a replay waits for that: DPDK's applications wait for links for 9 s. */
#define WIRE_BUSY_NS 10000000000ULL
/** Enough for one line about anything that can go wrong. */
#define WIRE_ERR_LEN 256

struct wire_sink;

/** Where frames come from. All but close() are called by the direction's thread. */
struct wire_source {
	/**
	 * The next frame, good until the next call of next(), or the thread's
	 * next quiescent state.
	 * @param now  monotonic time, ns
	 * @return 1, or 0: none is waiting
	 */
	int (*next)(struct wire_source *src, uint64_t now, struct igb_frame *frame);
	/** True if frames are waiting; cheap; may err on the side of true. */
	bool (*pending)(struct wire_source *src);
	/** The thread turns to something else; at each turn. May be NULL. */
	void (*flush)(struct wire_source *src);
	/** A patient source begins now: somebody listens at the sink. May be NULL. */
	void (*start)(struct wire_source *src, struct wire_sink *sink);
	/** The wire holds the source up for want of room, or does so no more. May be NULL. */
	void (*pause)(struct wire_source *src, bool paused);
	/**
	 * Whether the transceiver at this end signals: an odd number if it does, which grows
	 * with each change, so that no loss is too short to be noticed. NULL: it always does.
	 */
	uint32_t (*carrier)(struct wire_source *src);
	/** What that transceiver offers, IGB_ABLE_*: a change comes with one of carrier(). NULL: all. */
	uint32_t (*ability)(struct wire_source *src);
	/** The speed that this end has agreed on, Mb/s; 0, or NULL: the direction's own. */
	unsigned int (*speed)(const struct wire_source *src);
	/** Frees. */
	void (*close)(struct wire_source *src);
	/** A source that starts by itself (a capture) waits until the sink listens. */
	bool patient;
};

/** What wire_sink.put() did with a frame. */
enum wire_put {
	WIRE_PUT_WAIT,    /**< nothing: there is no room now, and the caller said it can wait */
	WIRE_PUT_TAKEN,
	WIRE_PUT_DROPPED, /**< lost for want of room */
};

/**
 * Where frames go. All but close(), drops() and filtered() are called by the direction's
 * thread.
 */
struct wire_sink {
	/**
	 * A frame arrives.
	 * @param at    when its first bit was on the wire, monotonic, ns
	 * @param wait  true: answer WIRE_PUT_WAIT where it would be dropped
	 */
	enum wire_put (*put)(struct wire_sink *sink, uint64_t at, const struct igb_frame *frame,
			bool wait);
	/** The thread turns to something else; at each turn. May be NULL. */
	void (*flush)(struct wire_sink *sink);
	/** True if somebody listens, for a patient source. NULL: always. */
	bool (*listening)(struct wire_sink *sink);
	/**
	 * The far end's transceiver signals, or no longer. Called before the first frame, and
	 * with each change. NULL: the sink does not care.
	 */
	void (*carrier)(struct wire_sink *sink, bool up);
	/** What that transceiver offers, IGB_ABLE_*, before it is up. NULL: the sink does not care. */
	void (*partner)(struct wire_sink *sink, uint32_t able);
	/** As the source's. */
	unsigned int (*speed)(const struct wire_sink *sink);
	/** When the listener last did something to its set-up, monotonic, ns. NULL: never. */
	uint64_t (*busy_at)(struct wire_sink *sink);
	/** Frames lost that put() did not report. From any thread. May be NULL. */
	uint64_t (*drops)(const struct wire_sink *sink);
	/** Frames that the listener took and its filters refused. From any thread. May be NULL. */
	uint64_t (*filtered)(const struct wire_sink *sink);
	/** Frees. */
	void (*close)(struct wire_sink *sink);
};

/** Of one direction, since it was made. */
struct wire_stats {
	/** That went on the wire, or that its sender looped back; bytes without FCS. */
	uint64_t frames, bytes;
	uint64_t drops;             /**< that the sink had no room for, or nobody to give them to */
	uint64_t stalled_ns;        /**< wire time lost: the polling thread was away too long */
	uint64_t gaps_over_100us;   /**< how often it was away for longer than ... */
	uint64_t gaps_over_1ms;
	uint64_t gaps_over_10ms;
	uint64_t longest_gap_ns;    /**< since wire_dir_new_interval() */
	uint64_t longest_gap_at;    /**< when it ended, monotonic, ns */
};

struct wire_dir;

/**
 * Makes a direction. It owns the source and the sink from then on.
 * @param speed_mbps  0: no limit, and frames wait for the sink instead of being dropped
 * @return NULL: no memory (source and sink are not closed then)
 */
struct wire_dir *wire_dir_new(struct wire_source *src, struct wire_sink *sink,
		unsigned int speed_mbps);
/** Another limit than WIRE_LAG_NS, before the first wire_dir_poll(). */
void wire_dir_set_lag(struct wire_dir *dir, uint64_t ns);
/**
 * A poll moves no more frames once it has taken 20 us (which it checks each few frames), by this
 * clock, in ns. Before the first wire_dir_poll(); without it only WIRE_BURST ends a poll.
 */
void wire_dir_set_clock(struct wire_dir *dir, uint64_t (*clock)(void));
/**
 * When a patient source begins, before the first wire_dir_poll(): as soon as somebody has
 * listened and has left its set-up alone for @p quiet_ns, by default WIRE_QUIET_NS; and
 * at the latest WIRE_BUSY_NS after that, for a listener that never leaves it alone.
 */
void wire_dir_set_quiet(struct wire_dir *dir, uint64_t quiet_ns);
/** A patient source begins when somebody listens, and wire_dir_start() was called. */
void wire_dir_set_on_demand(struct wire_dir *dir);
/** Any thread, any time. */
void wire_dir_start(struct wire_dir *dir);
/** Closes source and sink, frees. No thread may be in wire_dir_poll(). NULL is fine. */
void wire_dir_free(struct wire_dir *dir);

/**
 * Moves the frames whose time has come, at most WIRE_BURST, and for as long as the direction's
 * clock permits (wire_dir_set_clock()). The caller is
 * registered with vfu_rcu.h where a device is at one of the ends.
 * @param now  monotonic time, ns, never less than in the call before
 * @return how many
 */
unsigned int wire_dir_poll(struct wire_dir *dir, uint64_t now);
/** The thread is going to sleep because there is nothing to do: that is no polling gap. */
void wire_dir_rest(struct wire_dir *dir);

/** Any thread. @p now as for wire_dir_poll(): a gap that lasts still is counted. */
void wire_dir_get_stats(const struct wire_dir *dir, uint64_t now, struct wire_stats *stats);
/** From here on the longest gap is measured anew. Any one thread. */
void wire_dir_new_interval(struct wire_dir *dir);

/*
 * The ends. Each makes a source, or a sink, or both; on failure it returns a
 * negative errno value and one line in err (WIRE_ERR_LEN bytes).
 */

/** A device's transmitter and receiver (wire_dev.c). Either pointer may be NULL. */
int wire_dev_open(struct igb_model *dev, struct wire_source **src, struct wire_sink **sink,
		char *err);

/** Drops everything, always ready (wire_null.c). */
int wire_null_open(struct wire_sink **sink, char *err);

/**
 * A TAP interface, made if there is none of that name; it is not brought up
 * (wire_tap.c). The source has a carrier while the interface is up, and the carrier of the
 * sink is the interface's. Source and sink are two ends of one file descriptor, which
 * lives until both are closed.
 */
int wire_tap_open(const char *ifname, struct wire_source **src, struct wire_sink **sink,
		char *err);

/** Of a replay, since it was opened. */
struct wire_replay_stats {
	uint64_t frames;       /**< given to the wire */
	uint64_t not_ethernet; /**< records left out: of an interface of another link type */
	uint64_t too_short;    /**< left out: fewer than 14 bytes */
	uint64_t too_long;     /**< left out: more than WIRE_FRAME_MAX bytes */
	uint64_t filled;       /**< frames that were cut when captured, filled up with zeros */
	uint64_t bad_fcs;      /**< frames sent with a bad FCS, as captured */
	uint64_t filtered;     /**< frames that the listener's filters refused */
	bool started, ended;
	bool broken;           /**< the file broke off, or could not be read */
};

/**
 * Replays a capture once (wire_pcap.c): pcap or pcapng, plain or compressed with gzip, back to
 * back at the wire's rate: time stamps are not looked at. The file's first GiB is read
 * first: one that breaks off in it, or ends without an Ethernet frame, is an error.
 *
 * A frame has the record's original length without the FCS, if the file says that there
 * is one. struct wire_replay_stats has what is done with records that are no such frames.
 */
int wire_pcap_open_source(const char *path, struct wire_source **src, char *err);
/** @param src  of wire_pcap_open_source(), not closed yet. Any thread. */
void wire_pcap_get_stats(const struct wire_source *src, struct wire_replay_stats *stats);
/**
 * Records to a capture file with time stamps in nanoseconds, complete when closed: pcapng
 * if the name ends in ".pcapng", else pcap.
 */
int wire_pcap_open_sink(const char *path, struct wire_sink **sink, char *err);
/** @return captures of this process, so far, whose reading or writing failed. Any thread. */
unsigned int wire_pcap_failures(void);

#ifdef __cplusplus
}
#endif

#endif /* IGB_WIRE_H */
