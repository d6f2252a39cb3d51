/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Runs of plain frames (m82576_rx_run.c) against the general way (m82576_rx.c). A device gets the
 * same bursts of random frames twice. The second time, double VLAN tags, which no frame has, switch
 * the runs off. Descriptors, buffers and counters must be equal both times.
 */

#include "igb_rig.h"
#include "m82576_rx.h"

#define BURST  32
#define BURSTS 4
#define TURNS  800
#define RING   (RIG_DESCS * sizeof(union igb_rx_desc))
#define BUFS   (RIG_DESCS * RIG_BUF)
#define DIM(a) (sizeof(a) / sizeof((a)[0]))
#define NO_TAG 0xFFFFu /* EtherType of no frame */

static uint8_t data[BURST * BURSTS][IGB_MAX_FRAME + 64];
static struct m82576_frame frames[BURST * BURSTS];
static unsigned int nr[BURSTS]; /* frames of each burst */
static bool wait[BURSTS];       /* the wire can wait for descriptors */

/* The result of a turn. */
static uint8_t ring[RING], bufs[BUFS];
static struct m82576_counters counters;

static unsigned int
one_of(unsigned int n)
{
	return (unsigned int)rand() % n;
}

static uint32_t
frame_length(void)
{
	static const uint32_t limits[] = { 59, 60, 61, 123, 124, 251, 252, 507, 508, 1019, 1020,
		1514, 1515, 1518, 1519, 2048, 2049 };

	switch (one_of(4)) {
	case 0:
		return limits[one_of(DIM(limits))];
	case 1:
		return 40 + one_of(1700);
	default:
		return 60;
	}
}

/* Change one byte of the headers, or a field to a limit. */
static void
spoil(uint8_t *f, uint32_t len)
{
	switch (one_of(6)) {
	case 0:
		f[one_of(60)] = (uint8_t)rand();
		break;
	case 1:
		rig_put16(f + 16, len - 14 - 2 + one_of(5)); /* total length */
		break;
	case 2:
		rig_put16(f + 20, 1u << one_of(16)); /* fragment */
		break;
	case 3:
		f[46] = (uint8_t)(one_of(16) << 4); /* length of a TCP header */
		break;
	case 4:
		rig_put16(f + 16, 20 + one_of(40));
		break;
	default:
		f[23] = (uint8_t)one_of(140); /* protocol */
		break;
	}
}

/* Let the receiver find the bytes behind the header elsewhere, as those of a long frame. */
static void
cut(struct rig *g, unsigned int i)
{
	static uint8_t headers[BURST * BURSTS][M82576_HEADER];

	memcpy(headers[i], data[i], M82576_HEADER);
	frames[i].data = headers[i];
	frames[i].rest = data[i] + M82576_HEADER;
	frames[i].sender = g->m->server;
}

/* Make a frame that equals the one before, or differs in a byte or in its length. */
static void
make_alike(unsigned int i)
{
	memcpy(data[i], data[i - 1], sizeof(data[i]));
	frames[i] = (struct m82576_frame){ .data = data[i], .len = frames[i - 1].len };
	switch (one_of(4)) {
	case 0:
		data[i][one_of(60)] ^= (uint8_t)(1u << one_of(8));
		break;
	case 1:
		frames[i].len = frame_length();
		break;
	}
}

static void
make_frame(unsigned int i)
{
	static const uint16_t types[] = { 0x0800, 0x0800, 0x0800, 0x86DD, 0x0806, 0x8100, 0x88F7 };
	static const uint8_t addresses[][6] = { { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF },
		{ 0x01, 0, 0x5E, 0, 0, 1 }, { 0x02, 0x11, 0x22, 0x33, 0x44, 0x56 } };
	const unsigned int a = one_of(6);
	uint8_t *f = data[i];
	uint32_t len = frame_length(), k;

	for (k = 0; k < len; k += 4) {
		const int r = rand();

		memcpy(f + k, &r, 4);
	}
	rig_eth(f, a < DIM(addresses) ? addresses[a] : rig_mac, types[one_of(DIM(types))]);
	f[14] = 0x45;
	rig_put16(f + 16, len - 14);
	rig_put16(f + 20, 0);
	f[23] = one_of(2) ? 17 : 6;
	f[46] = 0x50;
	if (one_of(3) == 0)
		spoil(f, len);
	frames[i] = (struct m82576_frame){ .data = f, .len = len };
	if (one_of(20) == 0)
		frames[i].flags = M82576_FRAME_BAD_FCS;
	else if (one_of(20) == 0)
		frames[i].flags = M82576_FRAME_LOOPED;
}

/* The registers of a turn. */
struct setting {
	uint32_t rctl, srrctl, rxcsum, rlpml, head;
};

static struct setting
any_setting(void)
{
	static const uint32_t bits[] = { IGB_RCTL_UPE, IGB_RCTL_MPE, IGB_RCTL_BAM, IGB_RCTL_LPE,
		IGB_RCTL_SBP, IGB_RCTL_VFE };
	static const uint32_t types[] = { IGB_SRRCTL_DESCTYPE_LEGACY, IGB_SRRCTL_DESCTYPE_HDR_SPLIT,
		IGB_SRRCTL_DESCTYPE_HDR_ALWAYS };
	struct setting t = {
		.head = one_of(RIG_DESCS),
		.rctl = one_of(8) ? IGB_RCTL_SECRC : 0,
		.srrctl = (one_of(4) ? IGB_SRRCTL_DESCTYPE_ADV_ONE : types[one_of(DIM(types))]) |
				2u << IGB_SRRCTL_BSIZEHDR_SHIFT | (1 + one_of(2)),
		.rxcsum = (one_of(8) ? IGB_RXCSUM_PCSD : 0) | (one_of(8) ? 0 : one_of(4) << 8),
		.rlpml = one_of(2) ? IGB_MAX_FRAME : 60 + one_of(2000),
	};
	unsigned int i;

	for (i = 0; i < DIM(bits); i++)
		t.rctl |= one_of(2) ? bits[i] : 0;
	return t;
}

/* Receive all bursts of a turn. */
static void
receive(struct rig *g, const struct setting *t, bool runs)
{
	unsigned int b;

	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_CTRL_EXT, runs ? 0 : IGB_CTRL_EXT_EXT_VLAN);
	rig_wr(g, IGB_VET, NO_TAG << 16 | 0x8100);
	rig_wr(g, IGB_RLPML, t->rlpml);
	rig_wr(g, IGB_RXCSUM, t->rxcsum);
	memset(g->mem + RIG_RXBUF, 0, BUFS);
	memset(&g->m->rxc, 0, sizeof(g->m->rxc));
	g->m->rxq[0].frames = g->m->rxq[0].no_desc = 0;
	rig_rx_start(g, 0, t->srrctl);
	for (b = 0; b < RIG_DESCS; b++)
		rig_rxd(g, 0, b)->read.hdr_addr = RIG_IOVA + RIG_TXBUF + b * 256;
	/* The ring begins anywhere, so that it wraps. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDH(0), t->head);
	rig_wr(g, IGB_RDT(0), (t->head + RIG_DESCS - 1) % RIG_DESCS);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE | 1u << 16);
	rig_rx_on(g, t->rctl);
	for (b = 0; b < BURSTS; b++) {
		assert_true(m82576_rx(g->m, frames + b * BURST, nr[b], wait[b]) <= nr[b]);
		if (b % 2) /* otherwise write-backs are held back */
			m82576_rx_flush(g->m);
		vfu_rcu_quiescent();
	}
}

static void
runs_do_what_the_general_way_does(void **state)
{
	struct rig *g = *state;
	uint64_t delivered = 0, queued;
	unsigned int turn, b, i;

	for (turn = 0; turn < TURNS; turn++) {
		const struct setting t = any_setting();

		for (b = 0; b < BURSTS; b++) {
			nr[b] = 1 + one_of(BURST);
			wait[b] = one_of(2);
			for (i = 0; i < nr[b]; i++) {
				const unsigned int k = b * BURST + i;

				if (i > 0 && one_of(2))
					make_alike(k);
				else
					make_frame(k);
				if (frames[k].len >= 2 * M82576_HEADER && one_of(2))
					cut(g, k);
			}
		}
		receive(g, &t, true);
		memcpy(ring, g->mem + RIG_RXRING, RING);
		memcpy(bufs, g->mem + RIG_RXBUF, BUFS);
		counters = g->m->rxc;
		queued = g->m->rxq[0].frames;
		receive(g, &t, false);
		assert_memory_equal(ring, g->mem + RIG_RXRING, RING);
		assert_memory_equal(bufs, g->mem + RIG_RXBUF, BUFS);
		assert_memory_equal(&counters, &g->m->rxc, sizeof(counters));
		assert_int_equal(queued, g->m->rxq[0].frames);
		delivered += queued;
	}
	assert_true(delivered > TURNS * BURST / 4);
}

/* Set up a device whose runs are on, and receive its first frame. Return a burst of it. */
static struct m82576_rx_burst
begin_runs(struct rig *g)
{
	const struct setting t = {
		.rctl = IGB_RCTL_SECRC,
		.srrctl = RIG_ADV,
		.rxcsum = IGB_RXCSUM_PCSD,
	};
	struct m82576_rx_burst b = {
		.rctl = IGB_RCTL_SECRC,
		.rxcsum = IGB_RXCSUM_PCSD,
		.vet = 0x8100,
	};

	/* The general way opens the queue. */
	frames[0] = (struct m82576_frame){ .data = data[0], .len = 60 };
	rig_eth(data[0], rig_mac, 0x88B5);
	memset(nr, 0, sizeof(nr));
	nr[0] = 1;
	receive(g, &t, true);
	b.run_longest = m82576_rx_run_longest(g->m, &b);
	vfu_tlb_begin(&g->m->rx_tlb, g->m->server);
	return b;
}

/* Otherwise the first test would compare the general way with itself. */
static void
run_takes_all_plain_frames(void **state)
{
	struct rig *g = *state;
	struct m82576_rx_burst b = begin_runs(g);

	assert_int_equal(b.run_longest, 1514);
	for (unsigned int i = 0; i < BURST; i++) {
		frames[i] = (struct m82576_frame){ .data = data[i], .len = 60 };
		rig_eth(data[i], rig_mac, 0x88B5);
	}
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), BURST);
	frames[5].len = 1515;
	cut(g, 4);
	frames[4].len = 1514;
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), 5);
	assert_int_equal(b.delivered.frames, BURST + 5);
	m82576_rx_flush(g->m);
	assert_int_equal(rig_rxd(g, 0, BURST + 5)->wb.staterr, IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP);
}

/* A run ends with the fetched descriptors, at the end of the ring, and at 64 write-backs. */
static void
run_ends_at_the_limits_of_a_queue(void **state)
{
	struct rig *g = *state;
	struct m82576_rx_burst b = begin_runs(g);

	for (unsigned int i = 0; i < BURST; i++)
		frames[i] = frames[0];
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), BURST);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), RIG_DESCS - 2 - BURST);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), 0);
	/* A driver that does not wait for write-backs, but for that of the first frame. */
	rig_rxd(g, 0, 0)->qw[0] = RIG_IOVA + RIG_RXBUF;
	rig_rdt(g, 0, 20);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), 1);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), 1);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), 0);
	m82576_rx_flush(g->m);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), 19);
}

/*
 * Memory that its client has truncated: one frame meets that, and the next ones are not written.
 * The device is made here, because cmocka handles SIGBUS until the test begins.
 */
static void
run_ends_with_truncated_memory(void **state)
{
	struct m82576_rx_burst b;
	struct rig *g;

	rig_setup(state);
	g = *state;
	b = begin_runs(g);
	for (unsigned int i = 0; i < BURST; i++)
		frames[i] = frames[0];
	assert_int_equal(ftruncate(g->memfd, RIG_RXBUF), 0);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, BURST), 1);
	assert_true(vfu_server_dma_poisoned(g->m->server));
	rig_teardown(state);
}

/* The tail of a queue that was never enabled has no meaning. */
static void
run_needs_an_enabled_queue(void **state)
{
	struct m82576_frame in = { .data = data[0], .len = 60 };
	struct rig *g = *state;

	rig_eth(data[0], rig_mac, 0x88B5);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rdt(g, 0, 5);
	rig_rx_on(g, IGB_RCTL_SECRC);
	assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
	assert_int_equal(g->m->rxc.off, 1);
	assert_int_equal(g->m->rxc.bad_doorbells, 0);
}

static uint32_t
longest(struct rig *g, bool rss, uint32_t rctl, uint32_t rxcsum, uint32_t rlpml)
{
	const struct m82576_rx_burst b = { .rss = rss, .rctl = rctl, .rxcsum = rxcsum };

	rig_wr(g, IGB_RLPML, rlpml);
	return m82576_rx_run_longest(g->m, &b);
}

/* The registers limit the length of a frame of a run, and forbid runs. */
static void
registers_limit_the_frames_of_a_run(void **state)
{
	const uint32_t all = IGB_RCTL_SECRC | IGB_RCTL_LPE, pcsd = IGB_RXCSUM_PCSD;
	struct rig *g = *state;

	assert_int_equal(longest(g, false, IGB_RCTL_SECRC, pcsd, 0), 1514);
	assert_int_equal(longest(g, true, IGB_RCTL_SECRC, pcsd, 0), 0);
	assert_int_equal(longest(g, false, 0, pcsd, 0), 0);
	assert_int_equal(longest(g, false, IGB_RCTL_SECRC, 0, 0), 0);
	assert_int_equal(longest(g, false, IGB_RCTL_SECRC, pcsd | IGB_RXCSUM_IPOFL, 0), 0);
	assert_int_equal(longest(g, false, IGB_RCTL_SECRC, pcsd | IGB_RXCSUM_TUOFL, 0), 0);
	assert_int_equal(longest(g, false, all, pcsd, 3), 0);
	assert_int_equal(longest(g, false, all, pcsd, 4), 0);
	assert_int_equal(longest(g, false, all, pcsd, 64), 60);
	assert_int_equal(longest(g, false, all, pcsd, IGB_MAX_FRAME), IGB_MAX_FRAME - 4);
	assert_int_equal(longest(g, false, all, pcsd, IGB_MAX_FRAME - 1), IGB_MAX_FRAME - 5);
	assert_int_equal(longest(g, false, all, pcsd, IGB_MAX_FRAME + 1), IGB_MAX_FRAME - 4);
	rig_wr(g, IGB_CTRL_EXT, IGB_CTRL_EXT_EXT_VLAN);
	assert_int_equal(longest(g, false, all, pcsd, 64), 0);
}

static int
setup_by_message(void **state)
{
	return rig_setup_as(state, (struct m82576_params){ .speed_mbps = 1000 },
			(struct rig){ .by_message = true });
}

static void
memory_by_message_has_no_run(void **state)
{
	assert_int_equal(longest(*state, false, IGB_RCTL_SECRC, IGB_RXCSUM_PCSD, 0), 0);
}

/* The headers of a frame, and whether a run takes it. */
static const struct kind {
	uint32_t type, version, total, fragment, protocol, header, len;
	int ptype; /* negative: it is not plain */
} kinds[] = {
	{ 0x88B5, 0, 0, 0, 0, 0, 60, 0 },
	{ 0x88B5, 0, 0, 0, 0, 0, 1514, 0 },
	{ 0x88B5, 0, 0, 0, 0, 0, 59, -1 },
	{ 0x8100, 0, 0, 0, 0, 0, 60, -1 },
	{ 0x86DD, 0, 0, 0, 0, 0, 60, -1 },
	{ 0x0800, 0x45, 28, 0, 17, 0, 60, IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_UDP },
	{ 0x0800, 0x45, 27, 0, 17, 0, 60, -1 },
	{ 0x0800, 0x45, 46, 0x4000, 17, 0, 60, IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_UDP },
	{ 0x0800, 0x45, 47, 0, 17, 0, 60, -1 },
	{ 0x0800, 0x45, 28, 0x2000, 17, 0, 60, -1 },
	{ 0x0800, 0x45, 28, 0x0001, 17, 0, 60, -1 },
	{ 0x0800, 0x46, 46, 0, 17, 0, 60, -1 },
	{ 0x0800, 0x45, 40, 0, 6, 5, 60, IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_TCP },
	{ 0x0800, 0x45, 39, 0, 6, 5, 60, -1 },
	{ 0x0800, 0x45, 46, 0, 6, 4, 60, -1 },
	{ 0x0800, 0x45, 80, 0, 6, 15, 94, IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_TCP },
	{ 0x0800, 0x45, 79, 0, 6, 15, 94, -1 },
	{ 0x0800, 0x45, 46, 0, 1, 0, 60, -1 },
};

/* Write the headers of a kind of frame. */
static struct m82576_frame
make_kind(uint8_t *f, const struct kind *k)
{
	memset(f, 0, k->len);
	rig_eth(f, rig_mac, k->type);
	f[14] = (uint8_t)k->version;
	rig_put16(f + 16, k->total);
	rig_put16(f + 20, k->fragment);
	f[23] = (uint8_t)k->protocol;
	f[46] = (uint8_t)(k->header << 4);
	return (struct m82576_frame){ .data = f, .len = k->len };
}

/* Each kind of plain frame goes the quick way, also the shortest and the longest of it. */
static void
run_takes_each_kind_of_plain_frame(void **state)
{
	struct rig *g = *state;
	struct m82576_rx_burst b = begin_runs(g);
	uint32_t taken = 0;

	for (const struct kind *k = kinds; k < kinds + DIM(kinds); k++) {
		const struct m82576_frame in = make_kind(data[0], k);

		assert_int_equal(m82576_rx_run(g->m, &b, &in, 1), k->ptype >= 0);
		if (k->ptype < 0)
			continue;
		taken++;
		m82576_rx_flush(g->m);
		assert_int_equal(rig_rxd(g, 0, taken)->wb.pkt_info,
				k->ptype << IGB_RXD_PTYPE_SHIFT);
		assert_int_equal(rig_rxd(g, 0, taken)->wb.length, k->len);
	}
	assert_int_equal(b.delivered.frames, taken);
}

/* A frame that differs from the one before in a bit is taken as if it came alone. */
static void
each_bit_of_a_header_decides_as_alone(void **state)
{
	static const struct kind udp = { 0x0800, 0x45, 46, 0, 17, 0, 60, 0 };
	struct rig *g = *state;

	for (unsigned int bit = 0; bit < 24 * 8; bit++) {
		struct m82576_rx_burst b = begin_runs(g);
		unsigned int both, alone;

		frames[0] = make_kind(data[0], &udp);
		frames[1] = make_kind(data[1], &udp);
		data[1][bit / 8] ^= (uint8_t)(1u << bit % 8);
		both = m82576_rx_run(g->m, &b, frames, 2);
		alone = m82576_rx_run(g->m, &b, frames + 1, 1);
		assert_int_equal(both, 1 + alone);
		m82576_rx_flush(g->m);
		/* The first descriptor is that of begin_runs(). */
		if (alone) {
			assert_int_equal(rig_rxd(g, 0, 2)->qw[0], rig_rxd(g, 0, 3)->qw[0]);
			assert_int_equal(rig_rxd(g, 0, 2)->qw[1], rig_rxd(g, 0, 3)->qw[1]);
		}
	}
}

/* A frame of zeros equals no frame that was decided, whatever came before it. */
static void
run_takes_no_frame_of_zeros(void **state)
{
	static const struct kind tcp = { 0x0800, 0x45, 46, 0, 6, 5, 60, 0 };
	static const struct kind udp = { 0x0800, 0x45, 46, 0, 17, 0, 60, 0 };
	static const uint8_t zero[64];
	struct rig *g = *state;
	struct m82576_rx_burst b = begin_runs(g);

	frames[0] = make_kind(data[0], &tcp);
	frames[1] = (struct m82576_frame){ .data = zero, .len = 1 };
	assert_int_equal(m82576_rx_run(g->m, &b, frames + 1, 1), 0);
	assert_int_equal(m82576_rx_run(g->m, &b, frames, 2), 1);
	frames[0] = make_kind(data[0], &udp);
	frames[1].len = 60;
	assert_int_equal(m82576_rx_run(g->m, &b, frames, 2), 1);
}

/* With an I/O page table a pointer serves one access: a run is one frame. */
static void
run_with_a_page_table_is_one_frame(void **state)
{
	struct rig *g = *state;
	uint64_t *table = rig_page_table(g);
	struct m82576_rx_burst b = begin_runs(g);

	for (unsigned int i = 0; i < BURST; i++) {
		frames[i] = (struct m82576_frame){ .data = data[i], .len = 60 };
		rig_eth(data[i], rig_mac, 0x88B5);
		data[i][20] = (uint8_t)i;
	}
	for (unsigned int i = 0; i < BURST; i++)
		assert_int_equal(m82576_rx_run(g->m, &b, frames + i, BURST - i), 1);
	m82576_rx_flush(g->m);
	for (unsigned int i = 0; i < BURST; i++)
		assert_memory_equal(rig_rxbuf(g, 0, i + 1), data[i], 60);
	vfu_rcu_quiescent();
	munmap(table, RIG_PAGES * 8);
}

/* With an I/O page table each write-back has its own address, also behind the end of the ring. */
static void
paged_write_backs_wrap_with_the_ring(void **state)
{
	struct rig *g = *state;
	uint64_t *table = rig_page_table(g);
	struct m82576_rx_burst b = begin_runs(g);

	for (unsigned int i = 0; i < RIG_DESCS - 2; i++)
		assert_int_equal(m82576_rx_run(g->m, &b, frames, 1), 1);
	m82576_rx_flush(g->m);
	for (unsigned int i = 0; i < RIG_DESCS; i++) {
		rig_rxd(g, 0, i)->qw[0] = RIG_IOVA + RIG_RXBUF;
		rig_rxd(g, 0, i)->qw[1] = 0;
	}
	rig_rdt(g, 0, 8);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(m82576_rx_run(g->m, &b, frames, 1), 1);
	m82576_rx_flush(g->m);
	for (unsigned int i = 0; i < RIG_DESCS; i++)
		assert_int_equal(rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD,
				i < 5 || i == RIG_DESCS - 1 ? IGB_RXD_STAT_DD : 0);
	vfu_rcu_quiescent();
	munmap(table, RIG_PAGES * 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_do_what_the_general_way_does, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(run_takes_all_plain_frames, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(run_takes_each_kind_of_plain_frame, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(registers_limit_the_frames_of_a_run, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(memory_by_message_has_no_run, setup_by_message,
				rig_teardown),
		cmocka_unit_test_setup_teardown(run_ends_at_the_limits_of_a_queue, rig_setup,
				rig_teardown),
		cmocka_unit_test(run_ends_with_truncated_memory),
		cmocka_unit_test_setup_teardown(run_needs_an_enabled_queue, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(each_bit_of_a_header_decides_as_alone, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(run_takes_no_frame_of_zeros, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(run_with_a_page_table_is_one_frame, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(paged_write_backs_wrap_with_the_ring, rig_setup,
				rig_teardown),
	};

	return cmocka_run_group_tests_name("igb_model_rx_run", tests, NULL, NULL);
}
