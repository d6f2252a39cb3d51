/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Header split and related modes (7.1.10, 8.10.2): the place of the headers, the place of the rest,
 * and the report in the write-back.
 */

#include "ma.h"

static const struct {
	const char *name;
	struct ma_spec s;
} frames[] = {
	{ "ethertype", { .paylen = 200 } },
	{ "short", { .paylen = 46 } },
	{ "icmp", { .ip = 4, .proto = 1, .paylen = 200 } },
	{ "tcp4", { .ip = 4, .proto = 6, .paylen = 200 } },
	{ "udp4", { .ip = 4, .proto = 17, .paylen = 200 } },
	{ "udp4_no_payload", { .ip = 4, .proto = 17, .paylen = 0 } },
	{ "tcp6", { .ip = 6, .proto = 6, .paylen = 200 } },
	{ "sctp4", { .ip = 4, .proto = 132, .paylen = 200 } },
	{ "frag4", { .ip = 4, .proto = 17, .paylen = 200, .fragment = true, .frag_off = 0x2000 } },
	{ "tagged", { .ip = 4, .proto = 6, .paylen = 200, .tags = 1, .tci = 3 } },
	{ "long_header", { .ip = 4, .proto = 6, .paylen = 200, .opts = 40, .tcp_opts = 40 } },
};

static void
mode(const char *name, uint32_t srrctl)
{
	struct ma_frame f;
	unsigned int i;

	ma_open(name);
	ma_wr(&ma_b, IGB_RCTL, 0);
	/* PSRTYPE (8.10.4): split after every kind of header. */
	ma_wr(&ma_b, IGB_PSRTYPE(0), 0x0007FFFE);
	ma_rx_open(&ma_b, 0, srrctl);
	ma_wr(&ma_b, IGB_RCTL, MA_RCTL);
	for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		ma_build(&f, &frames[i].s);
		ma_send(f.b, f.len);
		ma_received(frames[i].name);
	}
}

void
ma_split(void)
{
	uint32_t hdr = 128 / 64 << IGB_SRRCTL_BSIZEHDR_SHIFT;

	mode("split", IGB_SRRCTL_DESCTYPE_HDR_SPLIT | hdr | 2);
	mode("always", IGB_SRRCTL_DESCTYPE_HDR_ALWAYS | hdr | 2);
}
