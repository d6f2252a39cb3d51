/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The loader of OTG files, lib/traffic, on invalid files; and the generator and the receiver, on
 * the flows of valid ones.
 *
 * The input is the file. Beyond memory safety, the target watches that
 * - every refusal has one line,
 * - each frame of an accepted flow has a size that a wire carries, and room for its headers,
 * - a port that is to receive a flow counts its frames as intact and in order, and any other port
 *   that has flows counts them as misdelivered,
 * - the time of a schedule never goes back.
 */

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "traffic.h"

#define FILE_MAX 65536
#define FLOWS    8  /* of a file, which the target tries */
#define FRAMES   20 /* of each of them */
#define MBPS     1000
#define T0       UINT64_C(1000000000000)

static int file;
static char path[32];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	file = memfd_create("traffic", MFD_CLOEXEC);
	MUST(file >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	return 0;
}

static void
check_frame(const struct traffic_flow *f, const uint8_t *frame, uint32_t len)
{
	struct traffic_stamp stamp;

	MUST(len >= TRAFFIC_FRAME_MIN && len <= TRAFFIC_FRAME_MAX && len >= f->headers_len);
	MUST(frame != NULL);
	if (f->stamped)
		MUST(traffic_stamp_read(frame, len, &stamp) && stamp.flow == f->number);
}

/* Send the first frames of a flow to a receiver of each port. */
static void
try_flow(const struct traffic *t, const struct traffic_flow *f)
{
	struct traffic_sender *sender = traffic_sender_new(t, f->tx_port, 2);
	struct traffic_receiver *receivers[TRAFFIC_PORTS_MAX];
	struct traffic_schedule s;
	struct traffic_strays strays;
	struct traffic_rx rx;
	uint64_t n = 0, due;
	unsigned int i;

	MUST(sender != NULL);
	for (i = 0; i < t->nr_ports; i++) {
		receivers[i] = traffic_receiver_new(t, i);
		MUST(receivers[i] != NULL);
	}
	traffic_schedule_start(&s, f, T0, MBPS);
	MUST(s.due >= T0);
	while (n < FRAMES && s.due != UINT64_MAX) {
		uint32_t len;
		const uint8_t *frame = traffic_frame_make(sender, n % 2, f, s.n, s.due, &len);

		check_frame(f, frame, len);
		for (i = 0; i < t->nr_ports; i++)
			traffic_receive(receivers[i], frame, len, s.due, MBPS);
		due = s.due;
		traffic_schedule_sent(&s, len, MBPS);
		MUST(s.due >= due);
		n++;
	}
	for (i = 0; i < t->nr_ports; i++) {
		traffic_get_strays(receivers[i], &strays);
		if (!f->stamped) {
			MUST(strays.misdelivered + strays.unknown + strays.former <= n);
		} else if (traffic_get_rx(receivers[i], f->number, &rx)) {
			MUST(rx.frames == n && rx.corrupted == 0 && rx.duplicated == 0);
			MUST(rx.reordered == 0 && rx.too_late == 0);
		} else {
			MUST(strays.misdelivered == n);
		}
		traffic_receiver_free(receivers[i]);
	}
	traffic_sender_free(sender);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char err[TRAFFIC_ERR_LEN];
	struct traffic *t;
	unsigned int i;

	if (size > FILE_MAX)
		return 0;
	MUST(ftruncate(file, 0) == 0);
	MUST(pwrite(file, data, size, 0) == (ssize_t)size);
	if (traffic_load(path, &t, err) != 0) {
		MUST(err[0] != '\0' && strchr(err, '\n') == NULL);
		return 0;
	}
	for (i = 0; i < t->nr_flows && i < FLOWS; i++)
		try_flow(t, &t->flows[i]);
	traffic_free(t);
	return 0;
}
