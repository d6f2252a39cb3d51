/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Generated traffic: flows of frames, each with its headers, sizes, rate and duration, and what
 * became of these frames.
 *
 *     OTG file --traffic_load()--> struct traffic: flows[]
 *                                        |
 *        traffic_schedule  (times)       |  one sender and the receivers of each flow
 *        traffic_frame     (bytes) ------+----> wire_gen.c: wire=gen ----> the device receives
 *        traffic_check     (results) <---+----- wire_gen.c <------------- the device transmits
 *
 * A flow is a function of the number of a frame: frame n of a flow always has the same size and the
 * same bytes, except the time in its stamp. So a run can be repeated bit for bit, and a receiver
 * can compute the size of a frame that it did not see.
 *
 * DATA STRUCTURES
 *
 *     struct traffic
 *      +- ports[] -> struct traffic_port: its name in the file, and that of a port of gantry-nic
 *      +- flows[] -> struct traffic_flow: headers of frame 0, patterns[], fixes[] (computed
 *                      ^              ^   fields), size, payload, rate, duration
 *                      |              |
 *     struct traffic_schedule         +-- struct traffic_sender, one for each sending port
 *       .n, .due: the next frame           +- slots[]: frames, each valid until its slot is reused
 *                                          +- payloads: bytes that flows share, with checksums
 *     struct traffic_receiver, one for each receiving port
 *       +- flows[] -> struct traffic_rx: counters, latencies, and the window of numbers
 *
 * LIFECYCLE
 *
 * 1. traffic_load() or traffic_parse() checks the whole file (traffic_otg*.c, traffic_headers.c).
 *    An error is one line with the path of the key, and leaves nothing behind.
 * 2. traffic_sender_new() and traffic_receiver_new() for the ports, traffic_schedule_start() for
 *    each flow.
 * 3. A frame: its schedule states when it is due; traffic_frame_make() writes it into a slot, with
 *    the time in its stamp; traffic_schedule_sent() computes when the next one is due. The other
 *    end hands it to traffic_receive(), which reads the stamp, and counts it for its flow, or as a
 *    stray.
 * 4. traffic_get_rx() and traffic_get_strays() return the results, also while frames arrive.
 * 5. The owner frees senders and receivers, and then the flows. If other flows replace them, those
 *    have another generation, so that a late frame of the former ones is recognised.
 *
 * THREADS. The library has no thread and takes no lock. Any thread may read a struct traffic that
 * is loaded. A schedule, a sender and a receiver belong to one polling thread each. The results are
 * relaxed atomics, which that thread writes and any thread reads (traffic_count.h). Only the
 * functions that load and those that create a sender or a receiver allocate memory.
 *
 * DELIBERATELY NOT DONE. The library knows neither devices nor wires, reads no clock, and waits for
 * nothing: the caller passes each time. It keeps no received frame. It does not answer frames (ARP,
 * ICMP), and supports no keys of the model beyond those that doc/testing.md lists.
 *
 * Times are monotonic, in ns. Lengths are in bytes without FCS, unless a name ends in _fcs. Bits of
 * a frame are numbered from 0, the most significant bit of its first byte.
 */

#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Number of flows, at most: a stamp has 12 bits for the number of a flow. */
#define TRAFFIC_FLOWS_MAX 4096
/** Number of generations, which follow each other: a stamp has 4 bits for it. */
#define TRAFFIC_GENERATIONS 16
/** Number of ports, at most. */
#define TRAFFIC_PORTS_MAX 64
/** Bytes of all headers of a frame, at most. */
#define TRAFFIC_HEADERS_MAX 512
/** Bytes of a frame, at least and at most. A wire carries no others. */
#define TRAFFIC_FRAME_MIN 60
#define TRAFFIC_FRAME_MAX 16384
/** Bytes of a stamp, the last ones of a frame. */
#define TRAFFIC_STAMP_LEN 16
/** Bytes of a line about an error. */
#define TRAFFIC_ERR_LEN 256
/** Bytes that a frame occupies on a wire beyond its own: preamble, SFD, FCS, inter-frame gap. */
#define TRAFFIC_WIRE_OVERHEAD 24

/** A value of a header field, of up to 128 bits. */
__extension__ typedef unsigned __int128 traffic_value;

/** How the value of a field depends on the number of the frame. */
enum traffic_pattern_kind {
	TRAFFIC_LIST,    /**< list[n % count] */
	TRAFFIC_COUNTER, /**< first + (n % count) * step, modulo 2^bits */
	TRAFFIC_RANDOM,  /**< between first and first + step, by a hash of seed and n % count */
};

/** A header field that differs between frames. */
struct traffic_pattern {
	enum traffic_pattern_kind kind;
	uint16_t bit;              /**< first bit of the field */
	uint8_t bits;              /**< number of bits, 1 to 128 */
	uint64_t count;            /**< values before the first one returns, at least 1 */
	traffic_value first, step; /**< a step that counts down is negative, modulo 2^128 */
	traffic_value *list;       /**< count values; NULL unless LIST */
	uint64_t seed;             /**< RANDOM */
};

/** A field that is computed from the rest of the frame. */
enum traffic_fix_kind {
	TRAFFIC_FIX_LENGTH,  /**< 16 bits: the number of bytes from `from` to the end */
	TRAFFIC_FIX_SUM,     /**< Internet checksum of the bytes from `from` to `to` */
	TRAFFIC_FIX_SUM_IP4, /**< likewise to the frame's end, with IPv4's pseudo header */
	TRAFFIC_FIX_SUM_IP6, /**< likewise with that of IPv6 */
};

/**
 * A computed field. Those of a flow are in the order in which they are computed: lengths, then
 * checksums, from the innermost header to the outermost.
 */
struct traffic_fix {
	enum traffic_fix_kind kind;
	uint16_t at;       /**< first byte of the field, which has 16 bits */
	uint16_t from;     /**< first byte that it covers */
	uint16_t to;       /**< byte behind the last one; 0: the end of the frame */
	uint16_t ip;       /**< SUM_IP4, SUM_IP6: first byte of the IP header */
	uint8_t proto;     /**< SUM_IP4, SUM_IP6: protocol of the pseudo header */
	bool zero_is_ones; /**< a checksum of 0 is sent as 0xFFFF (UDP) */
	bool bad;          /**< the checksum is sent with its lowest bit inverted */
};

/** How the size of a frame depends on its number. */
enum traffic_size_kind {
	TRAFFIC_SIZE_COUNTER, /**< first, first + step, ... up to last, and again; fixed: step 0 */
	TRAFFIC_SIZE_RANDOM,  /**< first to last, each with the same probability */
	TRAFFIC_SIZE_WEIGHTS, /**< sizes[], by their weights */
};

#define TRAFFIC_WEIGHTS_MAX 64

struct traffic_size {
	enum traffic_size_kind kind;
	uint32_t first, last, step; /**< bytes without FCS */
	uint64_t seed;              /**< RANDOM, WEIGHTS */
	unsigned int nr;            /**< WEIGHTS: number of sizes */
	uint32_t sizes[TRAFFIC_WEIGHTS_MAX];
	/** A hash h of 32 bits has size i if below[i - 1] <= h < below[i]; the last is 2^32. */
	uint64_t below[TRAFFIC_WEIGHTS_MAX];
};

/** Bytes behind the headers. */
enum traffic_payload_kind {
	TRAFFIC_PAYLOAD_FIXED, /**< pattern[], repeated or followed by zeros */
	TRAFFIC_PAYLOAD_BYTES, /**< 00 01 02 ..., or with `down` FF FE FD ... */
	TRAFFIC_PAYLOAD_WORDS, /**< 0000 0001 ..., or with `down` FFFF FFFE ... */
};

struct traffic_payload {
	enum traffic_payload_kind kind;
	bool down;
	bool repeat;
	uint32_t len;     /**< FIXED: bytes of the pattern */
	uint8_t *pattern; /**< FIXED */
};

enum traffic_rate_kind {
	TRAFFIC_RATE_PPS,     /**< frames a second */
	TRAFFIC_RATE_BPS,     /**< bits a second on the wire, preamble and gap included */
	TRAFFIC_RATE_PERCENT, /**< of the port's speed, in units of a millionth of a percent */
};

struct traffic_rate {
	enum traffic_rate_kind kind;
	uint64_t value; /**< at least 1; PERCENT: at most 100 000 000 */
};

/** When a flow sends. Times in bytes count at the speed of the port. */
struct traffic_duration {
	uint64_t packets;         /**< of the flow, or of a burst; 0: no limit */
	uint64_t bursts;          /**< 0: no limit */
	bool is_bursts;           /**< packets are those of a burst, and a gap follows each burst */
	uint64_t ns;              /**< the flow ends after this time; 0: no limit */
	uint32_t gap;             /**< bytes between two frames, at least; 12 is the wire's own */
	uint64_t delay_ns;        /**< before the first frame */
	uint64_t delay_bytes;     /**< likewise */
	uint64_t burst_gap_ns;    /**< between two bursts */
	uint64_t burst_gap_bytes; /**< likewise */
};

struct traffic_flow {
	char *name;
	unsigned int number;  /**< in struct traffic */
	unsigned int tx_port; /**< port that sends it */
	uint64_t rx_ports;    /**< bit i: port i is to receive it */

	uint8_t headers[TRAFFIC_HEADERS_MAX]; /**< those of frame 0, computed fields as zeros */
	uint16_t headers_len;
	struct traffic_pattern *patterns;
	unsigned int nr_patterns;
	struct traffic_fix *fixes;
	unsigned int nr_fixes;

	struct traffic_size size; /**< at least headers_len, plus TRAFFIC_STAMP_LEN if stamped */
	struct traffic_payload payload;
	struct traffic_rate rate;
	struct traffic_duration duration;

	bool stamped;     /**< each frame carries a stamp: metrics are enabled */
	bool loss;        /**< report loss */
	bool timestamps;  /**< report the times of the first and the last frame */
	bool latency;     /**< report latency */
	bool cut_through; /**< latency from the first bit; else from the last bit */
};

struct traffic_port {
	char *name;     /**< in the file */
	char *location; /**< the name of a port of gantry-nic */
};

/** All flows of a daemon. Read-only once loaded, so that any thread may read it. */
struct traffic {
	struct traffic_port *ports;
	unsigned int nr_ports;
	struct traffic_flow *flows;
	unsigned int nr_flows;
	/**
	 * Less than TRAFFIC_GENERATIONS. Flows that replace others have another one, so that a
	 * late frame of the former flows is not taken for one of theirs. 0 once loaded; the owner
	 * sets it before anything else uses the flows.
	 */
	unsigned int generation;
};

/* traffic_otg.c */

/**
 * Load a configuration in the Open Traffic Generator model, as JSON.
 *
 * @param path      the file
 * @param[out] t    the flows; the caller frees them with traffic_free()
 * @param[out] err  after a failure one line (TRAFFIC_ERR_LEN bytes), which begins with the path of
 *   the key: "flows[0].packet[1].ipv4.src: ..."
 * @retval 0 success
 * @retval -EINVAL the file is no JSON, or has a key or a value that is not supported
 * @retval -ENOMEM, -EIO, -ENOENT, ... the file cannot be read
 */
int traffic_load(const char *path, struct traffic **t, char *err);
struct json_t;
/**
 * Load a configuration that was read already.
 *
 * @param config    the JSON, of jansson, which is not changed
 * @param[out] t    as for traffic_load()
 * @param[out] err  as for traffic_load()
 * @retval 0 success
 * @retval -EINVAL a key or a value is not supported
 * @retval -ENOMEM no memory
 */
int traffic_parse(struct json_t *config, struct traffic **t, char *err);
/** Free flows. NULL is permitted. */
void traffic_free(struct traffic *t);

/* traffic_pattern.c */

/** Return a number of 64 bits that depends on seed and n, and is evenly distributed. */
uint64_t traffic_hash(uint64_t seed, uint64_t n);
/** Return the value of a field in frame n, less than 2^bits. */
traffic_value traffic_pattern_at(const struct traffic_pattern *p, uint64_t n);
/** Store the low @p bits bits of a value into a frame, at bit @p bit, in network order. */
void traffic_put_bits(uint8_t *frame, unsigned int bit, unsigned int bits, traffic_value value);
/** Return the size of frame n. */
uint32_t traffic_size_at(const struct traffic_size *s, uint64_t n);
/** Return the mean of the wire bits of a flow's frames, from sizes and weights. */
double traffic_size_mean_bits(const struct traffic_size *s);

/* traffic_frame.c */

/** Buffers of one sending port, in which it makes frames. */
struct traffic_sender;

/**
 * A stamp, the last 16 bytes of a frame, in network order:
 *
 *     0    2        6            11     13         16
 *     +----+--------+-------------+------+----------+
 *     |flow|sequence|  time, ns   | check|  payload |
 *     +----+--------+-------------+------+----------+
 *
 * The upper 4 bits of "flow" are the generation.
 * "check" is a checksum of the 11 bytes before it. "payload" is a checksum of the bytes between the
 * headers and the stamp, which forwarding must not change. Both are parts of a CRC-32C. The time is
 * that of the frame's first bit on the wire, modulo 2^40 ns (18 minutes).
 */
struct traffic_stamp {
	uint32_t flow;       /**< number of the flow, less than TRAFFIC_FLOWS_MAX */
	uint32_t generation; /**< of its struct traffic */
	uint32_t sequence;
	uint64_t time;    /**< modulo 2^40 */
	uint32_t payload; /**< 24 bits */
};

/**
 * Create the buffers of a port.
 *
 * @param port   the port, whose flows it will send
 * @param slots  frames that must be valid at one time
 * @return NULL: no memory
 */
struct traffic_sender *traffic_sender_new(const struct traffic *t, unsigned int port,
		unsigned int slots);
void traffic_sender_free(struct traffic_sender *s);
/**
 * Make frame n of a flow.
 *
 * @param slot      buffer, less than the number of slots; its former frame is no longer valid
 * @param n         number of the frame; the sequence number of its stamp is n modulo 2^32
 * @param at        when its first bit will be on the wire
 * @param[out] len  its bytes
 * @return the frame, in memory of the sender
 */
const uint8_t *traffic_frame_make(struct traffic_sender *s, unsigned int slot,
		const struct traffic_flow *f, uint64_t n, uint64_t at, uint32_t *len);
/**
 * Read the stamp of a received frame.
 *
 * @return false: the frame has none
 */
bool traffic_stamp_read(const uint8_t *frame, uint32_t len, struct traffic_stamp *stamp);
/** Return the checksum of a payload as a stamp has it. */
uint32_t traffic_payload_sum(const uint8_t *payload, uint32_t len);

/* traffic_schedule.c */

/** When a flow sends its frames. One thread. */
struct traffic_schedule {
	const struct traffic_flow *flow;
	uint64_t n;   /**< number of the next frame */
	uint64_t due; /**< when it is due; UINT64_MAX: the flow has ended */
	uint64_t rem; /**< due is rem / den ns later than its value */
	uint64_t den;
	uint64_t end;    /**< no frame starts at this time or later; UINT64_MAX: no limit */
	uint64_t left;   /**< frames before the end or the next gap between bursts, or UINT64_MAX */
	uint64_t bursts; /**< bursts before the end; UINT64_MAX: no limit */
	uint64_t late;   /**< ns by which frames were put off for good */
};

/**
 * Start a flow.
 *
 * @param now   the time from which its delay counts
 * @param mbps  speed of the port; 0: no limit, where rates in percent and gaps in bytes are 0 ns
 */
void traffic_schedule_start(struct traffic_schedule *s, const struct traffic_flow *f, uint64_t now,
		unsigned int mbps);
/**
 * Note that the next frame was sent, and compute when the one after it is due. The difference of
 * the two is exact to 1 / den ns, whenever this function is called.
 *
 * @param len   bytes of the frame
 * @param mbps  speed of the port, as for traffic_schedule_start(); it may have changed
 */
void traffic_schedule_sent(struct traffic_schedule *s, uint32_t len, unsigned int mbps);
/**
 * Put off what is due more than @p lag ns before @p now: after a stall, or if flows have a higher
 * rate than the wire, frames are not made up for.
 */
void traffic_schedule_limit(struct traffic_schedule *s, uint64_t now, uint64_t lag);

/* traffic_hist.c */

/** Number of buckets of a histogram: values below 2^40 ns, each to 1 part in 128. */
#define TRAFFIC_HIST_BUCKETS ((40 - 7) * 128 + 128)

/** A histogram of times with logarithmic buckets (HDR histogram). One writer, any reader. */
struct traffic_hist {
	uint64_t count, sum;
	uint64_t min, max; /**< exact; min is UINT64_MAX while count is 0 */
	uint64_t bucket[TRAFFIC_HIST_BUCKETS];
};

void traffic_hist_clear(struct traffic_hist *h);
void traffic_hist_add(struct traffic_hist *h, uint64_t ns);
/**
 * Return a quantile: the least value such that at least @p part of all values do not exceed it,
 * rounded up to the end of its bucket, but at most the maximum. 0: the histogram is empty.
 *
 * @param part  0 to 1
 */
uint64_t traffic_hist_quantile(const struct traffic_hist *h, double part);

/* traffic_check.c */

/** Frames of one flow that one port received. The receiving thread writes it, any thread reads. */
struct traffic_rx {
	uint64_t frames, bytes_fcs;
	uint64_t duplicated; /**< frames whose number had arrived before */
	uint64_t reordered;  /**< frames that arrived behind one with a larger number (RFC 4737) */
	uint64_t extent_max; /**< largest reordering extent (RFC 4737, 4.2.2), in frames */
	uint64_t too_late;   /**< frames of which it is unknown whether they were duplicates */
	uint64_t corrupted;  /**< frames with a wrong payload; also counted in frames */
	uint64_t first_ns, last_ns; /**< arrival of the first and of the last frame */
	uint64_t jitter_sum;        /**< of the differences of two successive latencies, ns */
	struct traffic_hist latency;
};

/** Frames that belong to no flow which the port is to receive. */
struct traffic_strays {
	uint64_t unknown;      /**< no valid stamp, or of a flow that there is not */
	uint64_t former;       /**< of flows that were replaced since */
	uint64_t misdelivered; /**< of a flow that another port is to receive */
};

/** The receiving side of one port. */
struct traffic_receiver;

/**
 * Create a receiver.
 *
 * @param port  the port. It has a struct traffic_rx for each flow that it is to receive
 * @return NULL: no memory
 */
struct traffic_receiver *traffic_receiver_new(const struct traffic *t, unsigned int port);
void traffic_receiver_free(struct traffic_receiver *r);
/**
 * Take a received frame.
 *
 * @param at    when its first bit was on the wire
 * @param mbps  speed of the port that sent it, for latency from the last bit; 0: no such time
 */
void traffic_receive(struct traffic_receiver *r, const uint8_t *frame, uint32_t len, uint64_t at,
		unsigned int mbps);
/**
 * Get what the port received of a flow. Any thread.
 *
 * @return false: the port is not to receive this flow, and rx is undefined
 */
bool traffic_get_rx(const struct traffic_receiver *r, unsigned int flow, struct traffic_rx *rx);
/** Get the frames of no flow, or of others. Any thread. */
void traffic_get_strays(const struct traffic_receiver *r, struct traffic_strays *strays);

#endif /* TRAFFIC_H */
