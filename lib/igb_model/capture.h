/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/**
 * @file
 * Capture files: pcap and pcapng, read (capture_read.c) and written (capture_write.c).
 *
 * The reader takes both formats in both byte orders, plain or compressed with gzip or Zstandard
 * (capture_file.c), and returns one record after the other as the file has it. The caller decides
 * how to put a record on a wire (wire_pcap.c).
 *
 * libpcap is not sufficient: it refuses a pcapng file whose interfaces differ in link type or
 * snapshot length, drops what the file states about the FCS, and writes no pcapng.
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
/** Bytes of a record that the reader keeps; it skips the others. */
#define CAPTURE_KEEP 65536

struct capture;

/** A record, as the file has it. */
struct capture_record {
	/**
	 * Memory of the reader: CAPTURE_KEEP bytes, of which the first min(caplen, CAPTURE_KEEP)
	 * are those of the record. The caller may write to all of it until the next capture_next().
	 */
	uint8_t *data;
	uint32_t caplen;    /**< bytes captured */
	uint32_t len;       /**< bytes of the packet, including any FCS */
	uint32_t link_type; /**< LINKTYPE_* */
	uint32_t fcs_len;   /**< bytes of FCS at the packet's end; 0: none, or unknown */
	/** By the file, its receiver saw a wrong FCS, symbol, preamble, SFD or alignment. */
	bool errored;
	uint64_t ts_ns; /**< since 1970, in ns */
};

/**
 * Open a capture and read its header. Until it is closed, no process of the project writes to the
 * file (flock()). A file that is being recorded is refused.
 *
 * @param path             of a regular file
 * @param[out] capture     close it with capture_close()
 * @param[out] err         one line without the path, @p err_len bytes
 * @return 0 or a negative errno value
 */
int capture_open(const char *path, struct capture **capture, char *err, size_t err_len);
/** A part of the file without a record was read: there may be one after it. */
#define CAPTURE_AGAIN 2
/**
 * Read the next record, or a part of the file that has none.
 *
 * @retval 1              @p record is the next one
 * @retval CAPTURE_AGAIN  call again
 * @retval 0              the file's end
 * @return a negative errno value: the file is truncated or cannot be read, capture_error()
 *   returns how, and no record follows
 */
int capture_next(struct capture *capture, struct capture_record *record);
/** @return one line; memory of the capture */
const char *capture_error(const struct capture *capture);
/** @return bytes read so far, decompressed */
uint64_t capture_offset(const struct capture *capture);
/** @return the link type of all records (pcap), or -1: each record has its own (pcapng) */
int64_t capture_link_type(const struct capture *capture);
/**
 * Go back to before the first record.
 *
 * @return as capture_open()
 */
int capture_rewind(struct capture *capture);
/** Close and free. NULL is permitted. */
void capture_close(struct capture *capture);

struct capture_writer;

/**
 * Create a capture of Ethernet frames with time stamps in nanoseconds: pcapng if the file's name
 * ends in ".pcapng", else pcap. An existing regular file is emptied, unless another process records
 * or replays it.
 *
 * @param[out] err  one line without the path, @p err_len bytes
 * @return 0 or a negative errno value
 */
int capture_create(const char *path, struct capture_writer **writer, char *err, size_t err_len);
/**
 * Append a frame without FCS. The writer keeps up to 64 KiB of frames until capture_finish().
 *
 * @return false: the file is incomplete from here on
 */
bool capture_write(struct capture_writer *writer, uint64_t ts_ns, const uint8_t *data,
		uint32_t len);
/**
 * Write the buffered data, close and free.
 *
 * @return false: the file is incomplete
 */
bool capture_finish(struct capture_writer *writer);

#ifdef __cplusplus
}
#endif

#endif /* CAPTURE_H */
