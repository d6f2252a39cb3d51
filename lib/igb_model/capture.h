/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Capture files: pcap and pcapng, read (capture_read.c) and written (capture_write.c).
 *
 * The reader takes both formats in both byte orders, plain or compressed with
 * gzip, and hands out one record after the other as the file has it. What a
 * record is worth on a wire is its caller's business (wire_pcap.c).
 *
 * libpcap does not do: it refuses a pcapng file whose interfaces differ in link
 * type or snapshot length, drops what the file says about the FCS, and writes no pcapng.
 */

#ifndef CAPTURE_H
#define CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** LINKTYPE_ETHERNET. */
#define CAPTURE_ETHERNET 1
/** Bytes of a record that the reader keeps; the rest is skipped. */
#define CAPTURE_KEEP 65536

struct capture;

/** A record, as the file has it. */
struct capture_record {
	/**
	 * The reader's memory: CAPTURE_KEEP bytes, the first min(caplen, CAPTURE_KEEP) of
	 * which are the record's. The caller may write there until it asks for the next record.
	 */
	uint8_t *data;
	uint32_t caplen;    /**< bytes that were captured */
	uint32_t len;       /**< bytes that the packet had, FCS included if there is one */
	uint32_t link_type; /**< LINKTYPE_* */
	uint32_t fcs_len;   /**< bytes of FCS at the packet's end; 0: none, or not known */
	/** The file says that its receiver saw a wrong FCS, symbol, preamble, SFD or alignment. */
	bool errored;
	uint64_t ts_ns;     /**< since 1970 */
};

/**
 * Opens a capture and reads its header. Until it is closed, no process of the project
 * writes to the file (flock()); one that is being recorded is refused.
 *
 * @param path     of a regular file
 * @param capture  [out] end it with capture_close()
 * @param err      [out] one line without the path, @p err_len bytes
 * @return 0 or a negative errno value
 */
int capture_open(const char *path, struct capture **capture, char *err, size_t err_len);
/** A piece of the file was read that had no record: there may be one behind it. */
#define CAPTURE_AGAIN 2
/**
 * Reads the next record, or a piece of the file that has none.
 *
 * @return 1; CAPTURE_AGAIN; 0: the file's end; a negative errno value: the file breaks off or cannot be
 *         read, capture_error() says how, and no record follows
 */
int capture_next(struct capture *capture, struct capture_record *record);
/** @return one line, the capture's memory */
const char *capture_error(const struct capture *capture);
/** @return bytes read so far, decompressed */
uint64_t capture_offset(const struct capture *capture);
/** @return the link type of all records (pcap), or -1: each record has its own (pcapng) */
int64_t capture_link_type(const struct capture *capture);
/** Goes back to before the first record. @return as capture_open() */
int capture_rewind(struct capture *capture);
/** Frees. NULL is fine. */
void capture_close(struct capture *capture);

struct capture_writer;

/**
 * Makes a capture of Ethernet frames with time stamps in nanoseconds: pcapng if the
 * file's name ends in ".pcapng", else pcap. An existing regular file is emptied, unless
 * another process records or replays it.
 *
 * @param err  [out] one line without the path, @p err_len bytes
 * @return 0 or a negative errno value
 */
int capture_create(const char *path, struct capture_writer **writer, char *err, size_t err_len);
/** Appends a frame without FCS. @return false: the file is incomplete from here on */
bool capture_write(struct capture_writer *writer, uint64_t ts_ns, const uint8_t *data,
		uint32_t len);
/** Writes what is held back, closes, frees. @return false: the file is incomplete */
bool capture_finish(struct capture_writer *writer);

#ifdef __cplusplus
}
#endif

#endif /* CAPTURE_H */
