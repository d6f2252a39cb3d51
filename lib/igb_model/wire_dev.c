/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The two ends of a device: its transmitter is a source, its receiver a sink. The device must exist
 * until both are closed.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire.h"

struct dev_source {
	struct wire_source src;
	struct m82576 *dev;
};

struct dev_sink {
	struct wire_sink sink;
	struct m82576 *dev;
};

static unsigned int
dev_next(struct wire_source *src, uint64_t now, struct m82576_frame *frames, unsigned int n,
		uint32_t bytes)
{
	return m82576_tx(((struct dev_source *)src)->dev, frames, n, bytes);
}

static void
dev_allow_rest(struct wire_source *src)
{
	m82576_tx_allow_rest(((struct dev_source *)src)->dev);
}

static void
dev_gather(struct wire_source *src, struct m82576_frame *frames, unsigned int n)
{
	m82576_tx_gather(((struct dev_source *)src)->dev, frames, n);
}

static bool
dev_pending(struct wire_source *src)
{
	return m82576_tx_pending(((struct dev_source *)src)->dev);
}

static void
dev_flush_tx(struct wire_source *src)
{
	m82576_tx_flush(((struct dev_source *)src)->dev);
}

static void
dev_pause(struct wire_source *src, bool paused)
{
	m82576_tx_pause(((struct dev_source *)src)->dev, paused);
}

static uint32_t
dev_carrier(struct wire_source *src)
{
	return m82576_carrier(((struct dev_source *)src)->dev);
}

static uint32_t
dev_ability(struct wire_source *src)
{
	return m82576_ability(((struct dev_source *)src)->dev);
}

static unsigned int
dev_speed_out(const struct wire_source *src)
{
	return m82576_speed(((const struct dev_source *)src)->dev);
}

static void
dev_close_src(struct wire_source *src)
{
	free(src);
}

static unsigned int
dev_put(struct wire_sink *sink, const uint64_t *at, const struct m82576_frame *frames,
		unsigned int n, bool wait)
{
	/* The device counts the frames that it drops: dev_drops(). */
	return m82576_rx(((struct dev_sink *)sink)->dev, frames, n, wait);
}

static void
dev_flush_rx(struct wire_sink *sink)
{
	m82576_rx_flush(((struct dev_sink *)sink)->dev);
}

static bool
dev_listening(struct wire_sink *sink)
{
	return m82576_listening(((struct dev_sink *)sink)->dev);
}

static void
dev_far_carrier(struct wire_sink *sink, bool up)
{
	m82576_set_link(((struct dev_sink *)sink)->dev, up);
}

static void
dev_partner(struct wire_sink *sink, uint32_t able)
{
	m82576_set_partner(((struct dev_sink *)sink)->dev, able);
}

static unsigned int
dev_speed_in(const struct wire_sink *sink)
{
	return m82576_speed(((const struct dev_sink *)sink)->dev);
}

static uint64_t
dev_busy_at(struct wire_sink *sink)
{
	return m82576_busy_at(((struct dev_sink *)sink)->dev);
}

static uint64_t
dev_filtered(const struct wire_sink *sink)
{
	struct m82576_stats stats;

	m82576_get_stats(((const struct dev_sink *)sink)->dev, &stats);
	return stats.rx_filtered;
}

static uint64_t
dev_drops(const struct wire_sink *sink)
{
	struct m82576_stats stats;

	m82576_get_stats(((const struct dev_sink *)sink)->dev, &stats);
	return stats.rx_no_desc + stats.rx_off;
}

static void
dev_close_sink(struct wire_sink *sink)
{
	free(sink);
}

int
wire_dev_open(struct m82576 *dev, struct wire_source **src, struct wire_sink **sink, char *err)
{
	struct dev_source *source = NULL;
	struct dev_sink *receiver = NULL;

	if (src != NULL && (source = calloc(1, sizeof(*source))) == NULL)
		goto no_memory;
	if (sink != NULL && (receiver = calloc(1, sizeof(*receiver))) == NULL)
		goto no_memory;
	if (source != NULL) {
		source->dev = dev;
		source->src.next = dev_next;
		source->src.pending = dev_pending;
		source->src.allow_rest = dev_allow_rest;
		source->src.gather = dev_gather;
		source->src.flush = dev_flush_tx;
		source->src.pause = dev_pause;
		source->src.carrier = dev_carrier;
		source->src.ability = dev_ability;
		source->src.speed = dev_speed_out;
		source->src.close = dev_close_src;
		*src = &source->src;
	}
	if (receiver != NULL) {
		receiver->dev = dev;
		receiver->sink.put = dev_put;
		receiver->sink.takes_rest = true;
		receiver->sink.flush = dev_flush_rx;
		receiver->sink.listening = dev_listening;
		receiver->sink.carrier = dev_far_carrier;
		receiver->sink.partner = dev_partner;
		receiver->sink.speed = dev_speed_in;
		receiver->sink.busy_at = dev_busy_at;
		receiver->sink.drops = dev_drops;
		receiver->sink.filtered = dev_filtered;
		receiver->sink.close = dev_close_sink;
		*sink = &receiver->sink;
	}
	return 0;

no_memory:
	free(source);
	free(receiver);
	snprintf(err, WIRE_ERR_LEN, "out of memory");
	return -ENOMEM;
}
