/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Wires: they carry frames from one place to another at a defined speed.
 *
 * A cable is two one-way streets that do not affect each other, so that the unit here is the
 * *direction*: one source of frames, one sink, one clock. A wire, as a user calls it, is one or two
 * of them:
 *
 *     loop        A's transmitter -> A's receiver
 *     pair        A's transmitter -> B's receiver,   B's -> A's
 *     tap         A's transmitter -> the TAP,        the TAP -> A's receiver
 *     pcap        A's transmitter -> a capture file, a capture file -> A's receiver
 *     gen         A's transmitter -> the checks of flows, generated flows -> A's receiver
 *     none        A's transmitter -> nothing
 *
 * A direction carries more than frames: the transceiver at its source signals or does not, and the
 * link of the sink is up only while it does (struct wire_source, carrier()). The thread that moves
 * the frames of a direction also passes these changes on, so that they keep their order.
 *
 *     struct wire_dir:  source --next()--> clock (next_free, backlog) --put()--> sink
 *                       source --carrier(), ability()------------------> sink
 *
 * Frames pass in chunks, so that both ends pay for what does not depend on a frame once for several
 * of them. A chunk has the frames whose time has come, and no others.
 *
 * A timed source (wire=gen) decides itself when each frame starts. The wire then only keeps frames
 * from overlapping:
 *
 *     struct wire_dir:  source --due()--> clock (next_free) --make(at)--> source --frame--> put()
 *
 * A direction belongs to exactly one polling thread, which calls wire_dir_poll() repeatedly. The
 * two directions of a cable may belong to two threads. Any thread may read statistics.
 *
 * Faults act between the clock and the sink: wire_fault.h.
 *
 * Sources and sinks are small interfaces. A new kind of wire is one more file that fills in a
 * struct wire_source or a struct wire_sink. The theory of the clock is in wire.c.
 */

#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "m82576.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of the longest frame that a wire carries, without FCS: jumbo frames with room to spare. */
#define WIRE_FRAME_MAX 16384
/** Bytes of the shortest frame, 64 with FCS: frames of a source are padded to this. */
#define WIRE_FRAME_MIN M82576_WIRE_MIN
/** Frames that one call of wire_dir_poll() moves at most. They may pass as one chunk. */
#define WIRE_BURST 32
/** Time from the start of the first frame of a chunk to that of the last one, at most, in ns. */
#define WIRE_CHUNK_NS 20000
/**
 * Maximum time by which a wire may be behind its clock and catch up, unless wire_dir_set_lag() sets
 * another. It covers the delay that polling itself causes, and no more. At 1 Gb/s it corresponds to
 * about 300 of the shortest frames, fewer than a usual ring holds.
 */
#define WIRE_LAG_NS 200000ULL
/**
 * A driver that has not accessed its registers for this time has finished setting its port up. DPDK
 * applications read the link ten times a second until all ports have one, then set promiscuous
 * mode, and testpmd then discards for about 20 ms what it receives. The time is less than a second,
 * because some applications go on to read the link once a second.
 */
#define WIRE_QUIET_NS 750000000ULL
/**
 * Maximum additional time that a replay waits for that. DPDK applications wait for links for 9 s.
 */
#define WIRE_BUSY_NS 10000000000ULL
/** Bytes for one line about any error. */
#define WIRE_ERR_LEN 256

struct wire_sink;
struct traffic;
struct traffic_receiver;
struct wire_gen_run;

/** A source of frames. Only the thread of the direction calls these, except close(). */
struct wire_source {
	/**
	 * Return the next frames. They are valid until the next call of next(): frames for which
	 * the sink has no room wait there.
	 *
	 * @param now          monotonic time, ns
	 * @param[out] frames  the frames. If one has M82576_FRAME_LOOPED, all have
	 * @param n            maximum number, at least 1
	 * @param bytes        a frame is taken only if those before it are at most so many bytes on
	 *   the wire (m82576_wire_bytes())
	 * @return their number, which may be less than the number of frames that are waiting; 0: no
	 *   frame is waiting
	 */
	unsigned int (*next)(struct wire_source *src, uint64_t now, struct m82576_frame *frames,
			unsigned int n, uint32_t bytes);
	/** Return whether frames are waiting. Cheap; may return true although there are none. */
	bool (*pending)(struct wire_source *src);
	/**
	 * Finish the turn: the thread turns to something else. Called at each turn. May be NULL.
	 */
	void (*flush)(struct wire_source *src);
	/** Start a patient source: a listener is at the sink. May be NULL. */
	void (*start)(struct wire_source *src, struct wire_sink *sink);
	/**
	 * The wire has no room for the source's frames (true), or has room again (false). May be
	 * NULL.
	 */
	void (*pause)(struct wire_source *src, bool paused);
	/**
	 * Return whether the transceiver at this end signals: an odd number if it does, which grows
	 * with each change, so that no loss is too short to be noticed. NULL: it always does.
	 */
	uint32_t (*carrier)(struct wire_source *src);
	/**
	 * Return the modes of that transceiver, M82576_ABLE_*. A change comes with one of
	 * carrier(). NULL: all.
	 */
	uint32_t (*ability)(struct wire_source *src);
	/** Return the speed that this end has agreed on, Mb/s; 0, or NULL: the direction's own. */
	unsigned int (*speed)(const struct wire_source *src);
	/**
	 * The sink takes frames with a rest (m82576_frame.rest). Called before the first next(). A
	 * source returns no such frames if it is NULL, or was not called.
	 */
	void (*allow_rest)(struct wire_source *src);
	/**
	 * Copy the rests of frames of the last next(), which the wire keeps beyond this turn. Not
	 * NULL if allow_rest() is not.
	 */
	void (*gather)(struct wire_source *src, struct m82576_frame *frames, unsigned int n);
	/*
	 * A timed source has the next three functions, and the others have none of them. The wire
	 * calls next() of a timed source only if the wire has no speed.
	 */
	/**
	 * Begin a poll. Called before the first due(), and in each poll before any other function.
	 *
	 * @param now   monotonic time, ns
	 * @param lag   the source puts a frame off that was due more than this before now, in ns
	 * @param mbps  speed of the wire, Mb/s; 0: no limit
	 */
	void (*begin)(struct wire_source *src, uint64_t now, uint64_t lag, unsigned int mbps);
	/** Return when the next frame is due, monotonic, ns; UINT64_MAX: there is none. */
	uint64_t (*due)(struct wire_source *src);
	/**
	 * Make that frame.
	 *
	 * @param at          when its first bit is on the wire
	 * @param slot        less than WIRE_BURST. The frame is valid until its slot has another
	 * @param[out] frame  the frame
	 * @return false: at this time it is no longer sent. The next due() is about another frame
	 */
	bool (*make)(struct wire_source *src, uint64_t at, unsigned int slot,
			struct m82576_frame *frame);
	/** Free the source. */
	void (*close)(struct wire_source *src);
	/** A source that starts by itself (a capture) waits until the sink listens. */
	bool patient;
};

/**
 * A sink of frames. Only the thread of the direction calls these, except close(), drops() and
 * filtered().
 */
struct wire_sink {
	/**
	 * Take frames, in their order.
	 *
	 * @param at      when the first bit of each was on the wire, monotonic, ns
	 * @param frames  the frames
	 * @param n       their number
	 * @param wait    true: stop at a frame for which there is no room now; false: such a frame
	 *   is lost
	 * @return the number of frames that the sink took or lost, without @p wait all of them
	 */
	unsigned int (*put)(struct wire_sink *sink, const uint64_t *at,
			const struct m82576_frame *frames, unsigned int n, bool wait);
	/**
	 * Finish the turn: the thread turns to something else. Called at each turn. May be NULL.
	 */
	void (*flush)(struct wire_sink *sink);
	/** Return whether the sink listens, for a patient source. NULL: always. */
	bool (*listening)(struct wire_sink *sink);
	/**
	 * The far end's transceiver signals, or no longer signals. Called before the first frame,
	 * and with each change. NULL: the sink does not need it.
	 */
	void (*carrier)(struct wire_sink *sink, bool up);
	/**
	 * Modes that the transceiver offers, M82576_ABLE_*, called before it is up. NULL: the sink
	 * does not need it.
	 */
	void (*partner)(struct wire_sink *sink, uint32_t able);
	/** As in struct wire_source. */
	unsigned int (*speed)(const struct wire_sink *sink);
	/**
	 * The wire has another speed, in Mb/s; 0: no limit. Called before the first frame, and with
	 * each change. NULL: the sink does not need it.
	 */
	void (*pace)(struct wire_sink *sink, unsigned int mbps);
	/** Return when the listener last changed its set-up, monotonic, ns. NULL: never. */
	uint64_t (*busy_at)(struct wire_sink *sink);
	/** Return the number of frames that the sink has lost. Any thread. NULL: none. */
	uint64_t (*drops)(const struct wire_sink *sink);
	/**
	 * Return the number of frames that were taken and that filters refused. Any thread. May be
	 * NULL.
	 */
	uint64_t (*filtered)(const struct wire_sink *sink);
	/** Free the sink. */
	void (*close)(struct wire_sink *sink);
	/** put() takes frames with a rest (m82576_frame.rest). */
	bool takes_rest;
};

/** Counters of one direction since it was created. */
struct wire_stats {
	uint64_t frames;          /**< sent on the wire, or looped back by their sender */
	uint64_t bytes;           /**< bytes of those, without FCS */
	uint64_t drops;           /**< dropped: the sink had no room, or no listener */
	uint64_t stalled_ns;      /**< wire time lost: the polling thread was away too long */
	uint64_t gaps_over_100us; /**< number of absences of the thread longer than this */
	uint64_t gaps_over_1ms;   /**< likewise */
	uint64_t gaps_over_10ms;  /**< likewise */
	uint64_t longest_gap_ns;  /**< since wire_dir_new_interval() */
	uint64_t longest_gap_at;  /**< when that gap ended, monotonic, ns */
};

struct wire_dir;

/**
 * Create a direction. It owns the source and the sink from then on.
 *
 * @param src         where its frames come from
 * @param sink        where they go
 * @param speed_mbps  in Mb/s; 0: no limit, and frames wait for the sink instead of being dropped
 * @return NULL: no memory; the caller still owns source and sink
 */
struct wire_dir *wire_dir_new(struct wire_source *src, struct wire_sink *sink,
		unsigned int speed_mbps);
/** Set another limit than WIRE_LAG_NS, in ns. Call it before the first wire_dir_poll(). */
void wire_dir_set_lag(struct wire_dir *dir, uint64_t ns);
/**
 * Set a clock, in ns, which limits a poll to 20 us: a poll moves no more frames after that time,
 * which it checks after 8 frames or 8 KiB. While that work takes less than the whole time, the wire
 * does more of it between two checks, up to WIRE_BURST frames or 32 KiB, each not counting the last
 * frame. Call it before the first wire_dir_poll(). Without a clock only WIRE_BURST ends a poll. The
 * clock may be behind the time that wire_dir_poll() gets.
 */
void wire_dir_set_clock(struct wire_dir *dir, uint64_t (*clock)(void));
/**
 * Set the time that a patient source waits. It starts as soon as the sink listens and has not
 * changed its set-up for @p quiet_ns, by default WIRE_QUIET_NS, and at the latest WIRE_BUSY_NS
 * after that, for a listener that changes it continuously. Call it before the first
 * wire_dir_poll().
 */
void wire_dir_set_quiet(struct wire_dir *dir, uint64_t quiet_ns);
/**
 * Make a patient source start when the sink listens and wire_dir_start() was called. Call it before
 * the first wire_dir_poll().
 */
void wire_dir_set_on_demand(struct wire_dir *dir);
/** Start the patient source of an on-demand direction. Any thread, at any time. */
void wire_dir_start(struct wire_dir *dir);
/**
 * Close source and sink, and free the direction. No thread may be in wire_dir_poll(). NULL is
 * permitted.
 */
void wire_dir_free(struct wire_dir *dir);

/**
 * Move the frames whose time has come, at most WIRE_BURST, and for as long as the clock of the
 * direction permits (wire_dir_set_clock()). In the same call at most 2 * WIRE_BURST frames arrive
 * that a fault has delayed. If a device is at one of the ends, the calling thread
 * must be registered with vfu_rcu.h.
 *
 * @param dir  the direction
 * @param now  monotonic time, ns, never less than in the previous call
 * @return the number of frames that were sent, or of delayed frames that arrived, whichever is more
 */
unsigned int wire_dir_poll(struct wire_dir *dir, uint64_t now);
/** Note that the thread goes to sleep because there is nothing to do, which is no polling gap. */
void wire_dir_rest(struct wire_dir *dir);

/**
 * Fill in @p stats. @p now is as for wire_dir_poll(): a gap that has not ended yet also counts. Any
 * thread.
 */
void wire_dir_get_stats(const struct wire_dir *dir, uint64_t now, struct wire_stats *stats);
/** Start a new interval for the longest gap. At most one thread at a time. */
void wire_dir_new_interval(struct wire_dir *dir);

/*
 * The ends. Each function creates a source, a sink, or both. On failure it returns a negative errno
 * value, and one line in err (WIRE_ERR_LEN bytes).
 */

/** Open a device's transmitter and receiver (wire_dev.c). Either pointer may be NULL. */
int wire_dev_open(struct m82576 *dev, struct wire_source **src, struct wire_sink **sink, char *err);

/** Open a sink that drops everything, and is always ready (wire_null.c). */
int wire_null_open(struct wire_sink **sink, char *err);

/**
 * Open a TAP interface (wire_tap.c), creating it if there is none of that name. The function does
 * not bring it up. The source has a carrier while the interface is up, and the carrier of the sink
 * is the interface's. Source and sink share one file descriptor, which is open until both are
 * closed.
 */
int wire_tap_open(const char *ifname, struct wire_source **src, struct wire_sink **sink, char *err);

/** Counters of a replay since it was opened. */
struct wire_replay_stats {
	uint64_t frames;       /**< passed to the wire */
	uint64_t not_ethernet; /**< records omitted: interface of another link type */
	uint64_t too_short;    /**< omitted: fewer than 14 bytes */
	uint64_t too_long;     /**< omitted: more than WIRE_FRAME_MAX bytes */
	uint64_t filled;       /**< frames that were cut when captured, padded with zeros */
	uint64_t bad_fcs;      /**< frames sent with a bad FCS, as captured */
	uint64_t filtered;     /**< frames that the filters of the listener refused */
	bool started;          /**< the replay has begun */
	bool ended;            /**< the replay has ended */
	bool broken;           /**< the file was truncated, or could not be read */
};

/**
 * Open a capture to replay once (wire_pcap.c): pcap or pcapng, plain or compressed with gzip or
 * Zstandard. Frames go back to back at the wire's rate; the replay ignores time stamps. The
 * function reads the first GiB of the file: a file that is truncated there, or ends without an
 * Ethernet frame, is an error.
 *
 * A frame has the original length of its record without the FCS, if the file states that
 * there is one. struct wire_replay_stats lists what happens to other records.
 */
int wire_pcap_open_source(const char *path, struct wire_source **src, char *err);
/**
 * Get the counters of a replay. Any thread.
 *
 * @param src         from wire_pcap_open_source(), not closed yet
 * @param[out] stats  the counters
 */
void wire_pcap_get_stats(const struct wire_source *src, struct wire_replay_stats *stats);
/**
 * Open a capture file for recording, with time stamps in nanoseconds: pcapng if the name ends in
 * ".pcapng", else pcap. It is complete when it is closed.
 */
int wire_pcap_open_sink(const char *path, struct wire_sink **sink, char *err);
/**
 * Return the number of captures of this process, so far, whose reading or writing failed. Any
 * thread.
 */
unsigned int wire_pcap_failures(void);

/** Frames of one flow that a generator sent. */
struct wire_gen_stats {
	uint64_t frames;    /**< sent so far */
	uint64_t bytes_fcs; /**< bytes of those, with FCS */
	uint64_t late_ns; /**< time by which frames were put off for good: stalls, or a full wire */
	uint64_t first_ns; /**< when the first bit of the first frame was on the wire, monotonic */
	uint64_t last_ns;  /**< likewise, of the last frame so far */
	bool started;      /**< the time of the flow has begun */
	bool ended;        /**< the flow sends no more frames */
};

/**
 * Open the generator and the receiver of one port (wire_gen.c). The source sends the flows whose
 * tx_port it is; the sink checks the frames that the application sends.
 *
 * @param t     the flows, which must exist until source and sink are closed
 * @param port  number of the port in @p t
 * @param[out] src   the generator
 * @param[out] sink  the receiver
 * @param[out] err   one line after a failure, WIRE_ERR_LEN bytes
 */
int wire_gen_open(const struct traffic *t, unsigned int port, struct wire_source **src,
		struct wire_sink **sink, char *err);

/*
 * A generator gets orders while its frames move. One thread, the owner of the flows, gives them,
 * and the polling threads of source and sink execute them. Before an order wire_gen_is_idle() must
 * have returned true.
 */

/** The flows of one port, prepared for wire_gen_replace(). */
struct wire_gen_flows {
	struct wire_gen_run *run;          /**< for the source */
	struct traffic_receiver *receiver; /**< for the sink */
};

/**
 * Return whether all orders to a port were executed, and free what they replaced. Once it returns
 * true, no thread uses the struct traffic of a former wire_gen_replace().
 */
bool wire_gen_is_idle(struct wire_source *src, struct wire_sink *sink);
/**
 * Prepare other flows for a port.
 *
 * @param t          must exist until flows in their place were replaced by others
 * @param port       number of the port in @p t
 * @param[out] flows  for wire_gen_replace() or wire_gen_discard()
 * @return 0, or -ENOMEM
 */
int wire_gen_prepare(const struct traffic *t, unsigned int port, struct wire_gen_flows *flows);
/** Free prepared flows that wire_gen_replace() did not take. */
void wire_gen_discard(struct wire_gen_flows *flows);
/**
 * Order that a port sends and receives other flows, with counters from zero. They wait for
 * wire_gen_switch(). It takes what wire_gen_prepare() made.
 */
void wire_gen_replace(struct wire_source *src, struct wire_sink *sink,
		struct wire_gen_flows *flows);
/**
 * Order that a port starts or stops flows. A flow that is started again goes on with the number of
 * its next frame, and its duration begins again.
 *
 * @param src     from wire_gen_open(), not closed yet
 * @param chosen  for each flow of the port's struct traffic, by its number, whether it is meant
 * @param on      true: start, false: stop
 * @return 0, or -ENOMEM
 */
int wire_gen_switch(struct wire_source *src, const bool *chosen, bool on);

/**
 * Get the counters of one flow. The owner's thread, which gives the orders.
 *
 * @param src         from wire_gen_open(), not closed yet
 * @param flow        number of the flow
 * @param[out] stats  the counters; zeros if the source does not send this flow
 */
void wire_gen_get_stats(const struct wire_source *src, unsigned int flow,
		struct wire_gen_stats *stats);
/** Return what checks the frames of a sink from wire_gen_open(), which owns it. As above. */
const struct traffic_receiver *wire_gen_receiver(const struct wire_sink *sink);
/** Return the number of frames with a bad FCS, which the sink does not check. Any thread. */
uint64_t wire_gen_bad_fcs(const struct wire_sink *sink);

#ifdef __cplusplus
}
#endif

#endif /* WIRE_H */
