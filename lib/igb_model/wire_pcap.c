/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * wire=pcap:IN[:OUT]: the cable leads to a capture that is replayed, and to one
 * that is recorded.
 *
 * The replay begins when somebody listens, goes once through the file at the
 * wire's rate, and then the partner falls silent. The file is read by the
 * polling thread as it goes, through stdio's buffer and the page cache.
 *
 * Recording keeps the time at which each frame was on the wire, by the wire's
 * own clock: of frames that went back to back the stamps are exactly one frame
 * time apart, whenever the polling thread came round to them.
 */

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "wire.h"

struct replay {
	struct wire_source src;
	pcap_t *pcap;
	bool done;
	uint64_t left_out;
	char *path;
	uint8_t buf[WIRE_FRAME_MAX];
};

struct record {
	struct wire_sink sink;
	pcap_t *pcap;
	pcap_dumper_t *dump;
	bool failed;
	uint64_t to_realtime; /* monotonic + this = real time, ns */
	char *path;
};

/*
 * Replay.
 */

static int
replay_next(struct wire_source *src, uint64_t now, struct igb_frame *frame)
{
	struct replay *r = (struct replay *)src;
	struct pcap_pkthdr *hdr;
	const u_char *data;
	int ret;

	while (!r->done) {
		ret = pcap_next_ex(r->pcap, &hdr, &data);
		if (ret != 1) {
			r->done = true;
			if (ret != PCAP_ERROR_BREAK) /* which says end of file */
				fprintf(stderr, "gantry: capture %s: the replay ends early: %s\n",
						r->path, pcap_geterr(r->pcap));
			if (r->left_out != 0)
				fprintf(stderr, "gantry: capture %s: %llu frames longer than %d bytes were left out\n",
						r->path, (unsigned long long)r->left_out,
						WIRE_FRAME_MAX);
			break;
		}
		if (hdr->len > sizeof(r->buf) || hdr->caplen > hdr->len) {
			r->left_out++;
			continue;
		}
		memcpy(r->buf, data, hdr->caplen);
		memset(r->buf + hdr->caplen, 0, hdr->len - hdr->caplen);
		frame->data = r->buf;
		frame->len = hdr->len;
		frame->flags = 0;
		return 1;
	}
	return 0;
}

static bool
replay_pending(struct wire_source *src)
{
	return !((struct replay *)src)->done;
}

static void
replay_close(struct wire_source *src)
{
	struct replay *r = (struct replay *)src;

	if (r->pcap != NULL)
		pcap_close(r->pcap);
	free(r->path);
	free(r);
}

int
wire_pcap_open_source(const char *path, struct wire_source **src, char *err)
{
	char pcap_err[PCAP_ERRBUF_SIZE] = "";
	struct replay *r;
	struct stat st;
	FILE *file;
	int ret;

	/* A pipe would stop the polling thread. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: not a regular file", path);
		return -EINVAL;
	}
	file = fopen(path, "rbe");
	if (file == NULL) {
		ret = -errno;
		snprintf(err, WIRE_ERR_LEN, "capture %s: %s", path, strerror(-ret));
		return ret;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL || (r->path = strdup(path)) == NULL) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: out of memory", path);
		fclose(file);
		free(r);
		return -ENOMEM;
	}
	r->pcap = pcap_fopen_offline(file, pcap_err);
	if (r->pcap == NULL) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: %.200s", path, pcap_err);
		fclose(file);
		replay_close(&r->src);
		return -EINVAL;
	}
	if (pcap_datalink(r->pcap) != DLT_EN10MB) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: holds no Ethernet frames (link type %d)",
				path, pcap_datalink(r->pcap));
		replay_close(&r->src);
		return -EINVAL;
	}
	r->src.next = replay_next;
	r->src.pending = replay_pending;
	r->src.close = replay_close;
	r->src.patient = true;
	*src = &r->src;
	return 0;
}

/*
 * Record.
 */

static enum wire_put
record_put(struct wire_sink *sink, uint64_t at, const struct igb_frame *frame, bool wait)
{
	struct record *r = (struct record *)sink;
	uint64_t t = at + r->to_realtime;
	struct pcap_pkthdr hdr = {
		.ts.tv_sec = t / 1000000000,
		.ts.tv_usec = t % 1000000000, /* nanoseconds, as the file's header says */
		.caplen = frame->len,
		.len = frame->len,
	};

	if (frame->flags & IGB_FRAME_BAD_FCS)
		return WIRE_PUT_TAKEN; /* the partner's MAC throws it away */
	if (r->failed)
		return WIRE_PUT_DROPPED;
	pcap_dump((u_char *)r->dump, &hdr, frame->data);
	return WIRE_PUT_TAKEN;
}

/* Says once that the file could not be written; what comes after is counted as dropped. */
static void
record_check(struct record *r, bool failed)
{
	if (r->failed || !failed)
		return;
	r->failed = true;
	fprintf(stderr, "gantry: capture %s: cannot be written (disk full?); it is incomplete\n",
			r->path);
}

static void
record_flush(struct wire_sink *sink)
{
	struct record *r = (struct record *)sink;

	record_check(r, ferror(pcap_dump_file(r->dump)) != 0);
}

static void
record_close(struct wire_sink *sink)
{
	struct record *r = (struct record *)sink;

	if (r->dump != NULL) {
		record_check(r, pcap_dump_flush(r->dump) != 0);
		pcap_dump_close(r->dump);
	}
	if (r->pcap != NULL)
		pcap_close(r->pcap);
	free(r->path);
	free(r);
}

static uint64_t
clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int
wire_pcap_open_sink(const char *path, struct wire_sink **sink, char *err)
{
	struct record *r;
	struct stat st;

	/* "-" is standard output to libpcap. */
	if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode))) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: not a regular file", path);
		return -EINVAL;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL || (r->path = strdup(path)) == NULL) {
		snprintf(err, WIRE_ERR_LEN, "capture %s: out of memory", path);
		free(r);
		return -ENOMEM;
	}
	r->pcap = pcap_open_dead_with_tstamp_precision(DLT_EN10MB, WIRE_FRAME_MAX,
			PCAP_TSTAMP_PRECISION_NANO);
	if (r->pcap != NULL)
		r->dump = pcap_dump_open(r->pcap, path);
	if (r->dump == NULL) { /* libpcap's message begins with the path */
		snprintf(err, WIRE_ERR_LEN, "capture %s",
				r->pcap != NULL ? pcap_geterr(r->pcap) : "out of memory");
		record_close(&r->sink);
		return -EIO;
	}
	r->to_realtime = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	r->sink.put = record_put;
	r->sink.flush = record_flush;
	r->sink.close = record_close;
	*sink = &r->sink;
	return 0;
}
