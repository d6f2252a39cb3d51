/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Statistics (8.19).
 *
 * The polling threads count upwards in 64 bits and never reset: each counter has one writer, except
 * rxc.off (struct m82576_counters). The control thread implements "clear on read": it remembers, for
 * each register, the value at the last read, and returns the difference.
 *
 * m82576_get_stats() returns counters of another kind: those of the daemon's --stats-json, which
 * no read and no reset clears.
 *
 * A wire of this model breaks no frame and sends no pause frame, and nobody counts interrupts.
 * These of the registers that gantry's driver reads stay 0: ALGNERRC, SYMERRS, RXERRC, RLEC,
 * XONRXC, XONTXC, XOFFRXC, XOFFTXC, RFC, RJC and IAC.
 */

#include "m82576_priv.h"

/* Return whether the register is the low half of a 64-bit counter. */
static bool
is_low_half(uint32_t off)
{
	switch (off) {
	case IGB_GORCL:
	case IGB_GOTCL:
	case IGB_TORL:
	case IGB_TOTL:
	case IGB_HGORCL:
	case IGB_HGOTCL:
		return true;
	}
	return false;
}

static bool
is_high_half(uint32_t off)
{
	return is_low_half(off - 4);
}

static uint64_t
value(const struct m82576 *m, unsigned int i)
{
	return m82576_counter(&m->rxc.stat[i]) + m82576_counter(&m->txc.stat[i]);
}

void
m82576_stats_reset(struct m82576 *m)
{
	unsigned int i;

	for (i = 0; i < M82576_STAT_WORDS; i++)
		m->stat_base[i] = value(m, i);
	for (i = 0; i < IGB_MAX_QUEUES; i++)
		m->rqdpc_base[i] = m82576_counter(&m->rxc.rqdpc[i]);
	m->stat_high = 0;
}

uint32_t
m82576_stats_read(struct m82576 *m, uint32_t off)
{
	unsigned int i = M82576_STAT(off);
	uint64_t v, d;

	if (is_high_half(off)) {
		uint32_t h = m->stat_high;

		m->stat_high = 0;
		return h;
	}
	v = value(m, i);
	d = v - m->stat_base[i];
	m->stat_base[i] = v;
	if (is_low_half(off)) {
		m->stat_high = (uint32_t)(d >> 32);
		return (uint32_t)d;
	}
	return d > UINT32_MAX ? UINT32_MAX : (uint32_t)d; /* it sticks at its maximum */
}

uint32_t
m82576_rqdpc_read(struct m82576 *m, unsigned int q)
{
	uint64_t v = m82576_counter(&m->rxc.rqdpc[q]), d = v - m->rqdpc_base[q];

	m->rqdpc_base[q] = v;
	return d > UINT32_MAX ? UINT32_MAX : (uint32_t)d;
}

/*
 * Count n frames in a size class. Size classes count the FCS. The first class is exactly 64 bytes,
 * the others begin at 65, 128, 256, 512 and 1024. A shorter frame, which a sender without padding
 * may send, belongs to no class.
 */
static void
count_size(uint64_t *s, uint32_t len, unsigned int n)
{
	unsigned int log2 = 31 - (unsigned int)__builtin_clz(len);

	if (len == 64)
		m82576_count(&s[0], n);
	else if (len > 64)
		m82576_count(&s[log2 < 10 ? log2 - 5 : 5], n);
}

static bool
is_broadcast(const uint8_t *p)
{
	return p[0] == 0xFF && p[1] == 0xFF && p[2] == 0xFF && p[3] == 0xFF && p[4] == 0xFF &&
			p[5] == 0xFF;
}

/* Registers of one direction: of the first size class, of multicast and of broadcast frames. */
struct kinds {
	uint32_t size, mc, bc;
};

/* Count n frames of the length and kind of address of one. */
static inline void
count_kind(uint64_t *s, struct kinds k, const struct m82576_frame *frame, unsigned int n)
{
	const uint8_t *data = frame->data;

	if (data[0] & 1)
		m82576_count(&s[M82576_STAT(is_broadcast(data) ? k.bc : k.mc)], n);
	count_size(&s[M82576_STAT(k.size)], frame->len + M82576_FCS_LEN, n);
}

/*
 * Count the kinds of frames.
 *
 * @param alike  they have the same length and kind of address
 * @return their bytes
 */
static inline uint64_t
count_kinds(uint64_t *s, struct kinds k, const struct m82576_frame *frames, unsigned int n,
		bool alike)
{
	uint64_t bytes = 0;
	unsigned int i;

	if (__builtin_expect(alike, 1)) {
		count_kind(s, k, frames, n);
		return (uint64_t)n * frames[0].len;
	}
	for (i = 0; i < n; i++) {
		count_kind(s, k, &frames[i], 1);
		bytes += frames[i].len;
	}
	return bytes;
}

uint64_t
m82576_stats_rx(struct m82576 *m, const struct m82576_frame *frames, unsigned int n, bool alike)
{
	return count_kinds(m->rxc.stat, (struct kinds){ IGB_PRC64, IGB_MPRC, IGB_BPRC }, frames, n,
			alike);
}

static uint64_t
wire_bytes(const struct m82576_sum *sum)
{
	return sum->bytes + sum->frames * M82576_FCS_LEN;
}

void
m82576_stats_received(struct m82576 *m, const struct m82576_sum *arrived,
		const struct m82576_sum *good, const struct m82576_sum *delivered)
{
	struct m82576_counters *c = &m->rxc;

	m82576_count(&c->stat[M82576_STAT(IGB_TPR)], arrived->frames);
	m82576_count(&c->stat[M82576_STAT(IGB_TORL)], wire_bytes(arrived));
	m82576_count(&c->stat[M82576_STAT(IGB_GPRC)], good->frames);
	m82576_count(&c->stat[M82576_STAT(IGB_GORCL)], wire_bytes(good));
	m82576_count(&c->stat[M82576_STAT(IGB_RPTHC)], delivered->frames);
	m82576_count(&c->stat[M82576_STAT(IGB_HGORCL)], wire_bytes(delivered));
	m82576_count(&c->frames, delivered->frames);
	m82576_count(&c->bytes, delivered->bytes);
}

void
m82576_stats_tx(struct m82576 *m, const struct m82576_frame *frames, unsigned int n, bool alike)
{
	struct m82576_counters *c = &m->txc;
	uint64_t *s = c->stat, bytes, wire;

	if (n == 0)
		return;
	bytes = count_kinds(s, (struct kinds){ IGB_PTC64, IGB_MPTC, IGB_BPTC }, frames, n, alike);
	wire = bytes + (uint64_t)n * M82576_FCS_LEN;
	m82576_count(&s[M82576_STAT(IGB_GPTC)], n);
	m82576_count(&s[M82576_STAT(IGB_TPT)], n);
	m82576_count(&s[M82576_STAT(IGB_HGPTC)], n);
	m82576_count(&s[M82576_STAT(IGB_GOTCL)], wire);
	m82576_count(&s[M82576_STAT(IGB_TOTL)], wire);
	m82576_count(&s[M82576_STAT(IGB_HGOTCL)], wire);
	m82576_count(&c->frames, n);
	m82576_count(&c->bytes, bytes);
}

void
m82576_get_stats(const struct m82576 *m, struct m82576_stats *st)
{
	struct vfu_server_stats vs;
	unsigned int i;

	vfu_server_get_stats(m->server, &vs);
	st->tx_frames = m82576_counter(&m->txc.frames);
	st->tx_bytes = m82576_counter(&m->txc.bytes);
	st->tx_bad = m82576_counter(&m->txc.bad);
	st->rx_frames = m82576_counter(&m->rxc.frames);
	st->rx_bytes = m82576_counter(&m->rxc.bytes);
	st->rx_no_desc = m82576_counter(&m->rxc.no_desc);
	st->rx_filtered = m82576_counter(&m->rxc.filtered);
	st->rx_bad = m82576_counter(&m->rxc.bad);
	st->rx_off = m82576_counter(&m->rxc.off);
	st->dma_faults = vs.dma_faults;
	st->bad_doorbells = m82576_counter(&m->rxc.bad_doorbells) +
			m82576_counter(&m->txc.bad_doorbells);
	for (i = 0; i < IGB_MAX_QUEUES; i++) {
		st->queue[i].tx_frames = m82576_counter(&m->txq[i].frames);
		st->queue[i].rx_frames = m82576_counter(&m->rxq[i].frames);
		st->queue[i].rx_no_desc = m82576_counter(&m->rxq[i].no_desc);
	}
	st->client = m82576_ld(&m->gates) & M82576_GATE_CLIENT;
	st->link = m82576_ld(&m->gates) & M82576_GATE_LINK;
}
