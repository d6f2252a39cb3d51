/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of a port as the end of a wire (lib/igb_model/wire_dev.c): each call of the wire reaches the
 * device.
 */

#include "igb_limits.h"

#include "wire.h"
#include "wire_fault.h"

static struct wire_source *src;
static struct wire_sink *sink;

static int
setup(void **state)
{
	char err[WIRE_ERR_LEN];
	struct rig *g;

	limits_setup(state);
	g = *state;
	assert_int_equal(wire_dev_open(g->m, &src, &sink, err), 0);
	rig_eth(f, rig_mac, 0x88B5);
	return 0;
}

static int
teardown(void **state)
{
	src->close(src);
	sink->close(sink);
	return rig_teardown(state);
}

static void
sent_frame_comes_from_the_source(void **state)
{
	struct rig *g = *state;
	struct m82576_frame out;

	assert_false(src->pending(src));
	assert_int_equal(src->next(src, 0, &out, 1, 0), 0);
	rig_post(g, f, 100, RIG_LAST, 100 << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_true(src->pending(src));
	assert_int_equal(src->next(src, 0, &out, 1, 0), 1);
	assert_int_equal(out.len, 100);
	assert_memory_equal(out.data, f, 100);
	/* The flush writes the descriptor back. */
	assert_false(rig_txd(g, 0, 0)->data.olinfo & 1);
	src->flush(src);
	assert_true(rig_txd(g, 0, 0)->data.olinfo & 1);
	vfu_rcu_quiescent();
	src->pause(src, true);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_TXOFF);
	src->pause(src, false);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_TXOFF);
}

static void
frame_in_the_sink_is_received(void **state)
{
	struct rig *g = *state;
	struct m82576_frame in = { .data = f, .len = 60 };
	const uint64_t at = 0;

	assert_true(sink->listening(sink));
	assert_int_equal(sink->put(sink, &at, &in, 1, true), 1);
	assert_false(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	sink->flush(sink);
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	assert_memory_equal(rig_rxbuf(g, 0, 0), f, 60);
	vfu_rcu_quiescent();
	assert_int_equal(sink->filtered(sink), 0);
	f[5] ^= 1;
	assert_int_equal(sink->put(sink, &at, &in, 1, true), 1);
	assert_int_equal(sink->filtered(sink), 1);
	f[5] ^= 1;
	/* No descriptor: the frame waits, or the device drops it and counts it. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	rig_wr(g, IGB_RDT(0), rig_rd(g, IGB_RDH(0)));
	assert_int_equal(sink->put(sink, &at, &in, 1, true), 0);
	assert_int_equal(sink->drops(sink), 0);
	assert_int_equal(sink->put(sink, &at, &in, 1, false), 1);
	assert_int_equal(sink->drops(sink), 1);
	vfu_rcu_quiescent();
	rig_wr(g, IGB_RCTL, 0);
	assert_false(sink->listening(sink));
	assert_int_equal(sink->put(sink, &at, &in, 1, true), 1);
	assert_int_equal(sink->drops(sink), 2);
}

static void
ends_of_the_cable_see_each_other(void **state)
{
	struct rig *g = *state;

	assert_int_equal(src->carrier(src), m82576_carrier(g->m));
	assert_int_equal(src->ability(src), M82576_ABLE_ALL);
	assert_int_equal(src->speed(src), 0);
	assert_int_equal(sink->speed(sink), 0);
	assert_true(sink->busy_at(sink) != 0);
	assert_int_equal(sink->busy_at(sink), m82576_busy_at(g->m));
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	sink->carrier(sink, false);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	sink->partner(sink, M82576_ABLE_100_FULL);
	sink->carrier(sink, true);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	assert_int_equal(src->speed(src), 100);
	assert_int_equal(sink->speed(sink), 100);
}

/* The rest of a long frame stays where it is, if the sink may take it from there, until asked. */
static void
rests_of_frames_pass_from_port_to_port(void **state)
{
	struct rig *g = *state;
	struct m82576_frame out;

	assert_true(sink->takes_rest);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	for (unsigned int i = 0; i < 3; i++) {
		rig_post(g, f, 1000, RIG_LAST, 1000u << IGB_TXD_PAYLEN_SHIFT);
		rig_ring_bell(g);
		if (i == 1)
			src->allow_rest(src);
		assert_int_equal(src->next(src, 0, &out, 1, 0), 1);
		assert_int_equal(out.rest != NULL, i > 0);
		if (i == 2)
			src->gather(src, &out, 1);
		if (i != 1) {
			assert_null(out.rest);
			assert_memory_equal(out.data, f, 1000);
		}
		assert_int_equal(sink->put(sink, &(uint64_t){ 0 }, &out, 1, false), 1);
		src->flush(src);
		sink->flush(sink);
		vfu_rcu_quiescent();
		assert_int_equal(rig_rxd(g, 0, i)->wb.length, 1000);
		assert_memory_equal(rig_rxbuf(g, 0, i), f, 1000);
	}
}

/* The client may use its buffer again when the frame is sent, while a copy is on the wire. */
static void
delayed_frame_is_a_copy_of_what_was_sent(void **state)
{
	const struct wire_faults faults = {
		.corrupt = { .probability = WIRE_FAULT_ALWAYS, .bits = 1, .offset = 500 },
		.duplicate = WIRE_FAULT_ALWAYS,
		.delay = { .ns = 1000 },
	};
	struct rig *g = *state;
	struct wire_source *from;
	struct wire_sink *to;
	struct wire_dir *dir;
	char err[WIRE_ERR_LEN];

	assert_int_equal(wire_dev_open(g->m, &from, &to, err), 0);
	dir = wire_dir_new(from, to, 1000);
	assert_non_null(dir);
	rig_wr(g, IGB_RXCSUM, IGB_RXCSUM_PCSD);
	assert_int_equal(wire_dir_set_faults(dir, &faults), 0);
	rig_post(g, f, 1000, RIG_LAST, 1000u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(wire_dir_poll(dir, 1000000), 1);
	vfu_rcu_quiescent();
	assert_true(rig_txd(g, 0, 0)->data.olinfo & 1);
	assert_memory_equal(g->mem + RIG_TXBUF, f, 1000);
	memset(g->mem + RIG_TXBUF, 0xEE, 1000);
	assert_false(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	assert_int_equal(wire_dir_poll(dir, 1001000), 2);
	vfu_rcu_quiescent();
	for (unsigned int i = 0; i < 2; i++) {
		const uint8_t *in = rig_rxbuf(g, 0, i);
		unsigned int flips = 0;

		assert_true(rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD);
		assert_int_equal(rig_rxd(g, 0, i)->wb.length, 1000);
		assert_memory_equal(in, f, 500);
		for (unsigned int j = 500; j < 1000; j++)
			flips += (unsigned int)__builtin_popcount(in[j] ^ f[j]);
		assert_int_equal(flips, 1);
	}
	wire_dir_free(dir);
}

/* A port may be at one end of a wire only. */
static void
one_end_can_be_opened_alone(void **state)
{
	struct rig *g = *state;
	struct wire_source *only_src;
	struct wire_sink *only_sink;
	char err[WIRE_ERR_LEN];

	assert_int_equal(wire_dev_open(g->m, &only_src, NULL, err), 0);
	only_src->close(only_src);
	assert_int_equal(wire_dev_open(g->m, NULL, &only_sink, err), 0);
	only_sink->close(only_sink);
}

#define WIRED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WIRED(sent_frame_comes_from_the_source),
		WIRED(frame_in_the_sink_is_received),
		WIRED(ends_of_the_cable_see_each_other),
		WIRED(rests_of_frames_pass_from_port_to_port),
		WIRED(delayed_frame_is_a_copy_of_what_was_sent),
		WIRED(one_end_can_be_opened_alone),
	};

	return cmocka_run_group_tests_name("wire_dev", tests, NULL, NULL);
}
