/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Runs of plain frames (m82576_tx_run.c) against the general way (m82576_tx.c). A device gets the
 * same random descriptors twice. The second time its runs are off. Frames, descriptors and counters
 * must be equal both times.
 */

#include "igb_rig.h"
#include "m82576_tx.h"

#define TURNS   1000
#define BURSTS  12
#define BURST   32
#define QUEUES  3
#define RING    (QUEUES * RIG_DESCS * sizeof(union igb_tx_desc))
#define BUF_LEN 2048u
#define DIM(a)  (sizeof(a) / sizeof((a)[0]))

static bool runs;             /* are on */
static unsigned int run_took; /* frames that runs made */

unsigned int __real_m82576_tx_run(struct m82576 *m, struct m82576_txq *t,
		const struct m82576_ring *r, struct m82576_tx_burst *b);
unsigned int __wrap_m82576_tx_run(struct m82576 *m, struct m82576_txq *t,
		const struct m82576_ring *r, struct m82576_tx_burst *b);

unsigned int
__wrap_m82576_tx_run(struct m82576 *m, struct m82576_txq *t, const struct m82576_ring *r,
		struct m82576_tx_burst *b)
{
	const unsigned int n = runs ? __real_m82576_tx_run(m, t, r, b) : 0;

	run_took += n;
	return n;
}

/* In place of the clock for limits, which must be the same both times. */
uint64_t
m82576_about_now(void)
{
	return 1000;
}

/* The driver's side of a turn. */
static union igb_tx_desc descs[QUEUES][RIG_DESCS];
static uint32_t heads[QUEUES];
static struct {
	unsigned int n;
	uint32_t bytes;
	uint32_t tails[QUEUES];
	bool flush;
} bursts[BURSTS];

/* The result of a turn. */
static struct result {
	struct m82576_frame frames[BURSTS][BURST]; /* data: an offset in sent[] */
	unsigned int nr[BURSTS];
	uint32_t nr_sent; /* bytes of sent[] */
	uint8_t ring[RING];
	struct m82576_counters counters;
	uint64_t queued[QUEUES];
	uint32_t heads[QUEUES];
	uint8_t sent[BURSTS * BURST * (IGB_MAX_FRAME + 64)];
} results[2];

static unsigned int
one_of(unsigned int n)
{
	return (unsigned int)rand() % n;
}

static uint32_t
any_length(void)
{
	static const uint32_t limits[] = { 1, 14, 31, 32, 33, 59, 60, 61, 64, 65, 127, 128, 255,
		256, 257, 1514, 1518, 9724, 9725, 9728 };

	switch (one_of(4)) {
	case 0:
		return limits[one_of(DIM(limits))];
	case 1:
		return 1 + one_of(2000);
	default:
		return 60;
	}
}

static union igb_tx_desc
any_desc(void)
{
	static const uint32_t bits[] = { IGB_TXD_DEXT, IGB_TXD_EOP, IGB_TXD_IFCS, IGB_TXD_VLE,
		IGB_TXD_DTYP_DATA, IGB_TXD_DTYP_CTXT };
	const uint32_t len = any_length();
	union igb_tx_desc d = {
		.data.addr = RIG_IOVA + RIG_TXBUF + one_of(1024) * BUF_LEN + one_of(3) * 7,
		.data.cmd_type_len = IGB_TXD_DEXT | IGB_TXD_DTYP_DATA | IGB_TXD_EOP | IGB_TXD_IFCS |
				len,
		.data.olinfo = len << IGB_TXD_PAYLEN_SHIFT,
	};

	if (one_of(8) == 0)
		d.data.cmd_type_len |= IGB_TXD_RS;
	switch (one_of(40)) {
	case 0:
		d.data.cmd_type_len ^= bits[one_of(DIM(bits))];
		break;
	case 1:
		d.data.olinfo |= one_of(2) ? IGB_TXD_POPTS_IXSM : IGB_TXD_POPTS_TXSM;
		break;
	case 2:
		d.data.addr = one_of(2) ? 0 : RIG_IOVA + RIG_MEM - 8;
		break;
	case 3:
		d.ctx.type_tucmd = IGB_TXD_DEXT | IGB_TXD_DTYP_CTXT;
		break;
	}
	return d;
}

static void
make_turn(void)
{
	unsigned int q, i;
	uint32_t tails[QUEUES];

	for (q = 0; q < QUEUES; q++) {
		for (i = 0; i < RIG_DESCS; i++)
			descs[q][i] = any_desc();
		tails[q] = heads[q] = one_of(RIG_DESCS);
	}
	for (i = 0; i < BURSTS; i++) {
		bursts[i].n = 1 + one_of(BURST);
		bursts[i].bytes = one_of(2) ? UINT32_MAX : one_of(4000);
		bursts[i].flush = one_of(2);
		for (q = 0; q < QUEUES; q++) {
			if (q == 0 || one_of(3) == 0)
				tails[q] += one_of(20);
			/* Never past the first head: the ring has one round. */
			if (tails[q] > heads[q] + RIG_DESCS - 1)
				tails[q] = heads[q] + RIG_DESCS - 1;
			bursts[i].tails[q] = tails[q] % RIG_DESCS;
		}
	}
}

static void
keep_frames(struct result *res, unsigned int b, const struct m82576_frame *frames)
{
	for (unsigned int i = 0; i < res->nr[b]; i++) {
		struct m82576_frame *f = &res->frames[b][i];
		const bool whole = frames[i].rest == NULL;

		*f = (struct m82576_frame){ .len = frames[i].len,
			.flags = frames[i].flags,
			.rest = frames[i].rest,
			.sender = whole ? NULL : frames[i].sender };
		f->data = (const uint8_t *)(uintptr_t)res->nr_sent;
		memcpy(res->sent + res->nr_sent, frames[i].data, whole ? f->len : M82576_HEADER);
		res->nr_sent += f->len;
	}
}

/* Send what make_turn() made, with nr_queues queues. */
static void
send_turn(struct rig *g, unsigned int nr_queues, bool rest, struct result *res)
{
	struct m82576_frame out[BURST];
	unsigned int q, b;

	memset(res, 0, offsetof(struct result, sent));
	for (q = 0; q < QUEUES; q++) {
		rig_wr(g, IGB_TXDCTL(q), 0);
		g->m->txq[q].frames = 0;
	}
	memset(&g->m->txc, 0, sizeof(g->m->txc));
	g->m->tx_next = g->m->tx_quantum = 0;
	g->m->tx_rest_allowed = rest;
	for (q = 0; q < nr_queues; q++) {
		rig_tx_start(g, q);
		rig_wr(g, IGB_TXDCTL(q), 0);
		memcpy((void *)rig_txd(g, q, 0), descs[q], sizeof(descs[q]));
		rig_wr(g, IGB_TDH(q), heads[q]);
		rig_wr(g, IGB_TDT(q), heads[q]);
		rig_wr(g, IGB_TXDCTL(q), IGB_DCTL_ENABLE);
	}
	for (b = 0; b < BURSTS; b++) {
		for (q = 0; q < nr_queues; q++)
			rig_tdt(g, q, bursts[b].tails[q]);
		res->nr[b] = m82576_tx(g->m, out, bursts[b].n, bursts[b].bytes);
		keep_frames(res, b, out);
		if (bursts[b].flush)
			m82576_tx_flush(g->m);
		vfu_rcu_quiescent();
	}
	m82576_tx_flush(g->m);
	memcpy(res->ring, g->mem + RIG_TXRING, RING);
	res->counters = g->m->txc;
	for (q = 0; q < nr_queues; q++) {
		res->queued[q] = g->m->txq[q].frames;
		res->heads[q] = rig_rd(g, IGB_TDH(q));
	}
	vfu_rcu_quiescent();
}

static void
fill_buffers(struct rig *g)
{
	for (uint32_t i = RIG_TXBUF; i < RIG_MEM; i += 4) {
		const int r = rand();

		memcpy(g->mem + i, &r, 4);
	}
}

/* Send random turns with and without runs. Return how many frames were sent. */
static uint64_t
compare_turns(struct rig *g, unsigned int turns, bool paged)
{
	uint64_t sent = 0;

	fill_buffers(g);
	run_took = 0;
	for (unsigned int turn = 0; turn < turns; turn++) {
		const unsigned int nr_queues = one_of(2) ? 1 : QUEUES;
		const bool rest = one_of(2);

		make_turn();
		for (unsigned int k = 0; k < 2; k++) {
			runs = k == 0;
			send_turn(g, nr_queues, rest, &results[k]);
		}
		sent += results[0].counters.frames;
		assert_memory_equal(results[0].nr, results[1].nr, sizeof(results[0].nr));
		assert_memory_equal(&results[0], &results[1], offsetof(struct result, sent));
		assert_memory_equal(results[0].sent, results[1].sent, results[0].nr_sent);
		for (unsigned int b = 0; b < BURSTS && paged; b++)
			for (unsigned int i = 0; i < results[0].nr[b]; i++)
				assert_null(results[0].frames[b][i].rest);
	}
	return sent;
}

static void
runs_send_what_the_general_way_sends(void **state)
{
	const uint64_t sent = compare_turns(*state, TURNS, false);

	/* Runs made most of the frames. */
	assert_true(run_took > sent / 2);
	assert_true(sent > TURNS * RIG_DESCS / 4);
}

/* With an I/O page table, each pointer serves one access: no frame has a rest. */
static void
runs_obey_a_page_table(void **state)
{
	uint64_t *table = rig_page_table(*state);
	const uint64_t sent = compare_turns(*state, TURNS / 10, true);

	assert_true(run_took > sent / 2);
	munmap(table, RIG_PAGES * 8);
}

/* The frames of a burst are one behind the other: 26 of the longest fill the staging memory. */
static void
longest_frames_of_a_burst_fit_the_staging_memory(void **state)
{
	const uint32_t len = IGB_MAX_FRAME - M82576_FCS_LEN;
	struct m82576_frame out[BURST];
	struct rig *g = *state;
	unsigned int n, i;

	fill_buffers(g);
	runs = true;
	rig_tx_start(g, 0);
	for (i = 0; i < BURST; i++) {
		rig_txd(g, 0, i)->data.addr = RIG_IOVA + RIG_TXBUF + i * 64;
		rig_txd(g, 0, i)->data.cmd_type_len = IGB_TXD_DEXT | IGB_TXD_DTYP_DATA |
				IGB_TXD_EOP | IGB_TXD_IFCS | len;
		rig_txd(g, 0, i)->data.olinfo = len << IGB_TXD_PAYLEN_SHIFT;
	}
	rig_tdt(g, 0, BURST);
	n = m82576_tx(g->m, out, BURST, UINT32_MAX);
	assert_int_equal(n, 26);
	for (i = 0; i < n; i++) {
		assert_true(out[i].data + len <= g->m->txq[0].staging + M82576_STAGING);
		assert_memory_equal(out[i].data, g->mem + RIG_TXBUF + i * 64, len);
	}
	m82576_tx_flush(g->m);
	vfu_rcu_quiescent();
	assert_int_equal(m82576_tx(g->m, out, BURST, UINT32_MAX), BURST - 26);
}

/* Fetch descriptors of equal frames, and let nothing limit a run but its step. */
static struct m82576_txq *
begin_runs(struct rig *g, struct m82576_frame *out, struct m82576_tx_burst *b)
{
	struct m82576_txq *t = &g->m->txq[0];

	if (t->fetched == 0) {
		fill_buffers(g);
		runs = true;
		rig_tx_start(g, 0);
		for (unsigned int i = 0; i < RIG_DESCS - 1; i++)
			rig_txd(g, 0, i)->data.addr = RIG_IOVA + RIG_TXBUF;
		rig_tdt(g, 0, RIG_DESCS - 1);
		rig_txd(g, 0, 0)->data.cmd_type_len = IGB_TXD_DEXT | IGB_TXD_DTYP_DATA |
				IGB_TXD_EOP | IGB_TXD_IFCS | 60;
		assert_int_equal(m82576_tx(g->m, out, 1, UINT32_MAX), 1);
		g->mem[RIG_TXBUF] &= 0xFE;
	}
	for (unsigned int i = 1; i < RIG_DESCS - 1; i++) {
		t->desc[i].data.addr = RIG_IOVA + RIG_TXBUF;
		t->desc[i].data.cmd_type_len = IGB_TXD_DEXT | IGB_TXD_DTYP_DATA | IGB_TXD_EOP |
				IGB_TXD_IFCS | 60;
		t->desc[i].data.olinfo = 60u << IGB_TXD_PAYLEN_SHIFT;
	}
	t->used = 1;
	t->wb_count = t->at = 0;
	t->has_rests = false;
	g->m->tx_descs = g->m->tx_bytes = g->m->tx_quantum = 0;
	*b = (struct m82576_tx_burst){ .frames = out,
		.max = BURST,
		.turn = BURST,
		.left = 1 << 30 };
	vfu_tlb_begin(&g->m->tx_tlb, g->m->server);
	return t;
}

static void
run_ends_at_each_limit(void **state)
{
	const uint32_t room = M82576_STAGING - M82576_HEADROOM - IGB_MAX_FRAME -
			M82576_TX_STEP * (M82576_HEADROOM + M82576_CACHE_LINE);
	/* If not 0: other values than those of begin_runs(). A frame has 84 bytes on the wire. */
	const struct {
		uint32_t wb_count, descs, quantum, n, bytes, at;
		int64_t less; /* of what b.left may be */
		unsigned int want;
	} t[] = {
		{ .want = M82576_TX_STEP },
		{ .wb_count = M82576_WB_BATCH - 4, .want = 4 },
		{ .wb_count = M82576_WB_BATCH, .want = 0 },
		{ .descs = 5, .want = M82576_TX_STEP - 5 },
		{ .quantum = BURST - 3, .want = 3 },
		{ .n = BURST - 2, .want = 2 },
		{ .less = -1, .want = 0 },
		{ .less = 83, .want = 1 },
		{ .less = 84, .want = 2 },
		{ .bytes = M82576_TX_BYTES, .want = 0 },
		{ .bytes = M82576_TX_BYTES - 1, .want = 1 },
		{ .bytes = M82576_TX_BYTES - 1 - 83, .want = 1 },
		{ .bytes = M82576_TX_BYTES - 1 - 84, .want = 2 },
		{ .at = room + 1, .want = 0 },
		{ .at = room, .want = 1 },
		{ .at = room - 83, .want = 1 },
		{ .at = room - 84, .want = 2 },
	};
	struct m82576_frame out[BURST];
	struct m82576_tx_burst b;
	struct rig *g = *state;

	for (unsigned int i = 0; i < DIM(t); i++) {
		struct m82576_txq *q = begin_runs(g, out, &b);

		q->wb_count = t[i].wb_count;
		q->at = t[i].at;
		g->m->tx_descs = t[i].descs;
		g->m->tx_bytes = t[i].bytes;
		g->m->tx_quantum = t[i].quantum;
		b.n = t[i].n;
		out[0].len = 60;
		b.left = t[i].less != 0 ? t[i].less : b.left;
		assert_int_equal(__real_m82576_tx_run(g->m, q, &g->m->tx_ring[0], &b), t[i].want);
		assert_int_equal(b.n, t[i].n + t[i].want);
		assert_int_equal(q->used, 1 + t[i].want);
		assert_int_equal(g->m->tx_descs, t[i].descs + t[i].want);
		assert_int_equal(g->m->tx_quantum, t[i].quantum + t[i].want);
		assert_int_equal(g->m->tx_bytes, t[i].bytes + 60 * t[i].want);
		assert_int_equal(q->at, t[i].at + 128 * t[i].want); /* cache lines */
		q->wb_count = 0;
	}
}

/* Make a run of one descriptor. Return the number of frames. */
static unsigned int
run_of_one(struct rig *g, struct m82576_frame *out, uint32_t len, uint64_t flip)
{
	struct m82576_tx_burst b;
	struct m82576_txq *t = begin_runs(g, out, &b);

	t->desc[1].qw[1] = (t->desc[1].qw[1] - 60 + len) ^ flip;
	b.max = 1;
	return __real_m82576_tx_run(g->m, t, &g->m->tx_ring[0], &b);
}

/* Each plain descriptor goes the quick way, and no other. */
static void
run_takes_each_plain_descriptor(void **state)
{
	static const uint64_t bits[] = { IGB_TXD_DEXT, 1u << 20, 1u << 21, IGB_TXD_EOP,
		IGB_TXD_IFCS, IGB_TXD_TSE, IGB_TXD_VLE, (uint64_t)IGB_TXD_POPTS_IXSM << 32,
		(uint64_t)IGB_TXD_POPTS_TXSM << 32 };
	struct m82576_frame out[BURST];
	struct rig *g = *state;
	struct m82576_txq *t = &g->m->txq[0];

	assert_int_equal(run_of_one(g, out, 59, 0), 0);
	assert_int_equal(run_of_one(g, out, 60, 0), 1);
	assert_int_equal(run_of_one(g, out, IGB_MAX_FRAME - 4, 0), 1);
	assert_int_equal(run_of_one(g, out, IGB_MAX_FRAME - 3, 0), 0);
	/* With its headroom a frame uses whole cache lines. */
	assert_int_equal(run_of_one(g, out, 112, 0), 1);
	assert_int_equal(t->at, 128);
	assert_int_equal(run_of_one(g, out, 113, 0), 1);
	assert_int_equal(t->at, 192);
	for (unsigned int i = 0; i < DIM(bits); i++)
		assert_int_equal(run_of_one(g, out, 60, bits[i]), 0);
	assert_int_equal(t->wb_count, 0);
	assert_int_equal(run_of_one(g, out, 60, IGB_TXD_RS), 1);
	assert_int_equal(t->wb_count, 1);
	/* A long frame leaves its rest in the buffer, if it may. */
	g->m->tx_rest = true;
	assert_int_equal(run_of_one(g, out, M82576_REST_MIN - 1, 0), 1);
	assert_null(out[0].rest);
	assert_false(t->has_rests);
	assert_int_equal(run_of_one(g, out, M82576_REST_MIN, 0), 1);
	assert_memory_equal(out[0].rest, g->mem + RIG_TXBUF + M82576_HEADER, M82576_HEADER);
	assert_ptr_equal(out[0].sender, g->m->server);
	assert_true(t->has_rests);
	t->wb_count = 0;
}

/* Whether the frames of a burst differ, which decides how they are counted. */
static void
run_notes_frames_that_differ(void **state)
{
	struct m82576_frame out[BURST];
	struct m82576_tx_burst b;
	struct rig *g = *state;

	for (unsigned int i = 0; i < 3; i++) {
		struct m82576_txq *t = begin_runs(g, out, &b);

		if (i == 1)
			t->desc[3].data.cmd_type_len++;
		if (i == 2) {
			t->desc[3].data.addr += BUF_LEN;
			g->mem[RIG_TXBUF + BUF_LEN] |= 1; /* a group address */
		}
		assert_int_equal(__real_m82576_tx_run(g->m, t, &g->m->tx_ring[0], &b), 16);
		assert_int_equal(b.differ != 0, i != 0);
		assert_int_equal(g->m->tx_bytes, 16 * 60 + (i == 1));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_send_what_the_general_way_sends, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(runs_obey_a_page_table, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(longest_frames_of_a_burst_fit_the_staging_memory,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(run_ends_at_each_limit, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(run_takes_each_plain_descriptor, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(run_notes_frames_that_differ, rig_setup,
				rig_teardown),
	};

	return cmocka_run_group_tests_name("igb_model_tx_run", tests, NULL, NULL);
}
