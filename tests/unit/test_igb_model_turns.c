/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The work between two flushes, and between two lives of a queue: turns and budgets of the
 * transmitter, queues that are enabled again, loopback without a speed, closed gates, heads and
 * their hints, and the sizes of receive buffers.
 */

#include "igb_limits.h"

/* In place of the clock for limits. */
static __thread uint64_t clock_ns, clock_step;

uint64_t
m82576_about_now(void)
{
	return clock_ns += clock_step;
}

/* Give queue q a ring of nr_descs, and n frames that hold its number. */
static void
post_frames(struct rig *g, unsigned int q, unsigned int n)
{
	rig_tx_start(g, q);
	g->mem[RIG_TXBUF + q * 64 + 14] = (uint8_t)q;
	for (unsigned int i = 0; i < n; i++) {
		rig_txd(g, q, i)->data.addr = RIG_IOVA + RIG_TXBUF + q * 64;
		rig_txd(g, q, i)->data.cmd_type_len = 64 | RIG_LAST | IGB_TXD_DTYP_DATA |
				IGB_TXD_DEXT;
		rig_txd(g, q, i)->data.olinfo = 64u << IGB_TXD_PAYLEN_SHIFT;
	}
	rig_tdt(g, q, n);
}

/* A turn has eight frames, in however many bursts they are taken. */
static void
turn_continues_across_bursts(void **state)
{
	static const unsigned int queues[] = { 2, 7, 15 };
	struct m82576_frame out[8];
	struct rig *g = *state;

	for (unsigned int burst = 1; burst < 8; burst++) {
		unsigned int n = 0;

		rig_wr(g, IGB_TXDCTL(0), 0);
		for (unsigned int i = 0; i < 3; i++) {
			rig_wr(g, IGB_TXDCTL(queues[i]), 0);
			post_frames(g, queues[i], 24);
		}
		g->m->tx_next = 2;
		g->m->tx_quantum = 0;
		while (n < 72) {
			const unsigned int got = m82576_tx(g->m, out, burst, UINT32_MAX);

			assert_int_equal(got, n + burst <= 72 ? burst : 72 - n);
			for (unsigned int i = 0; i < got; i++, n++)
				assert_int_equal(out[i].data[14], queues[n / 8 % 3]);
			m82576_tx_flush(g->m);
			vfu_rcu_quiescent();
		}
		assert_int_equal(m82576_tx(g->m, out, burst, UINT32_MAX), 0);
	}
}

/* Queues whose generation is even have no frame, although their bits are still set. */
static void
queue_that_is_being_disabled_has_no_frame(void **state)
{
	struct rig *g = *state;

	post_frames(g, 3, 5);
	rig_wr(g, IGB_TXDCTL(3), 0);
	__atomic_fetch_or(&g->m->tx_enabled, 3u << 3, __ATOMIC_RELAXED);
	assert_int_equal(rig_take(g, &fr), 0);
	assert_false(m82576_tx_pending(g->m));
	__atomic_fetch_and(&g->m->tx_enabled, ~(3u << 3), __ATOMIC_RELAXED);
}

/* 1024 descriptors between two flushes, of which none makes a frame. */
static void
descriptors_between_flushes_are_bounded(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDLEN(0), 4096 * 16);
	rig_wr(g, IGB_TDBAL(0), (uint32_t)(RIG_IOVA + RIG_TXBUF));
	rig_wr(g, IGB_TDH(0), 0);
	memset(g->mem + RIG_TXBUF, 0, 4096 * 16);
	for (unsigned int i = 0; i < 4096; i++) {
		volatile union igb_tx_desc *d = (volatile union igb_tx_desc *)(g->mem + RIG_TXBUF +
				i * 16);

		d->ctx.type_tucmd = IGB_TXD_DTYP_CTXT | IGB_TXD_DEXT;
	}
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	rig_tdt(g, 0, 3000);
	for (unsigned int i = 1; i < 4; i++) {
		for (unsigned int k = 0; k < 2; k++) /* without a flush, no more */
			assert_int_equal(m82576_tx(g->m, &fr, 1, 0), 0);
		m82576_tx_flush(g->m);
		vfu_rcu_quiescent();
		assert_int_equal(rig_rd(g, IGB_TDH(0)), i < 3 ? i * 1024 : 3000);
	}
}

/* 20 us between two flushes, by a clock that is read after each 16 descriptors. */
static void
time_between_flushes_is_exact(void **state)
{
	struct rig *g = *state;

	for (unsigned int i = 0; i < 2; i++) {
		rig_wr(g, IGB_TXDCTL(0), 0);
		rig_tx_start(g, 0);
		for (unsigned int k = 0; k < 60; k++)
			rig_post(g, f, 1, IGB_TXD_IFCS, 0); /* no end of a frame */
		rig_ring_bell(g);
		clock_ns = 1000;
		clock_step = i == 0 ? 20001 : 6666; /* three readings are 19998 */
		assert_int_equal(rig_take(g, &fr), 0);
		clock_step = 0;
		assert_int_equal(rig_rd(g, IGB_TDH(0)), i == 0 ? 16 : 60);
	}
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_tx_start(g, 0);
	for (unsigned int k = 0; k < 60; k++)
		rig_post(g, f, 1, IGB_TXD_IFCS, 0);
	rig_ring_bell(g);
	clock_step = 10000; /* the second reading is 20000 after the first, the third is later */
	assert_int_equal(rig_take(g, &fr), 0);
	clock_step = 0;
	assert_int_equal(rig_rd(g, IGB_TDH(0)), 48);
}

/* A queue that is enabled again has no half of a frame, no segments and no contexts. */
static void
enabled_queue_has_no_trace_of_its_former_life(void **state)
{
	struct rig *g = *state;
	struct m82576_stats st;

	/* Half a frame. */
	memset(f, 0x11, 200);
	rig_post(g, f, 100, IGB_TXD_IFCS, 200u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 0);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_tx_start(g, 0);
	assert_int_equal(sends(g, 70, 70, 0, 0), 1);
	assert_int_equal(fr.len, 70);
	/* A bad frame that has not ended. */
	rig_post(g, f, 100, IGB_TXD_IFCS, 200u << IGB_TXD_PAYLEN_SHIFT);
	rig_txd(g, 0, g->tx_next - 1)->data.addr = 0x1000;
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 0);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_tx_start(g, 0);
	assert_int_equal(sends(g, 71, 71, 0, 0), 1);
	assert_int_equal(fr.len, 71);
	/* Segments. */
	rig_ipv4(f, 6, 300);
	rig_ctx(g, 1, 14, 20, 20, 100, TCP4, 0);
	assert_int_equal(sends(g, 354, 300, IGB_TXD_TSE, 1u << IGB_TXD_IDX_SHIFT), 1);
	assert_true(m82576_tx_pending(g->m));
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_tx_start(g, 0);
	assert_false(m82576_tx_pending(g->m));
	assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(sends(g, 72, 72, 0, 0), 1);
	assert_int_equal(fr.len, 72);
	/* Contexts. */
	assert_int_equal(sends(g, 354, 300, IGB_TXD_TSE, 1u << IGB_TXD_IDX_SHIFT), 0);
	/* Descriptors that were fetched. */
	post_frames(g, 0, 20);
	assert_int_equal(rig_take(g, &fr), 1);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_tx_start(g, 0);
	assert_int_equal(rig_take(g, &fr), 0);
	/* A tail outside the ring counts once in each life. */
	for (unsigned int i = 1; i < 3; i++) {
		rig_tdt(g, 0, RIG_DESCS + 3);
		assert_int_equal(rig_take(g, &fr), 0);
		assert_int_equal(rig_take(g, &fr), 0);
		m82576_get_stats(g->m, &st);
		assert_int_equal(st.bad_doorbells, i);
		rig_wr(g, IGB_TXDCTL(0), 0);
		rig_tx_start(g, 0);
	}
}

/* The first descriptor is at the head that software set, if the ring has it. */
static void
queue_begins_at_its_head(void **state)
{
	struct rig *g = *state;

	for (unsigned int head = RIG_DESCS - 2; head < RIG_DESCS + 2; head++) {
		const unsigned int at = head < RIG_DESCS ? head : 0;

		rig_wr(g, IGB_TXDCTL(0), 0);
		rig_tx_start(g, 0);
		rig_wr(g, IGB_TXDCTL(0), 0);
		g->tx_next = at;
		rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
		rig_wr(g, IGB_TDH(0), head);
		rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
		assert_int_equal(rig_rd(g, IGB_TDH(0)), at);
		rig_ring_bell(g);
		assert_int_equal(rig_take(g, &fr), 1);
		assert_int_equal(rig_take(g, &fr), 0);
		assert_int_equal(rig_rd(g, IGB_TDH(0)), (at + 1) % RIG_DESCS);
	}
}

/* The hint of a head is stored when its queue rests, or after some flushes. */
static void
tx_hint_waits_until_its_queue_rests(void **state)
{
	struct rig *g = *state;
	volatile uint32_t *hint = (volatile uint32_t *)(g->bar + IGB_TDH(0));

	for (unsigned int i = 1; i <= M82576_HINT_AGE + 2; i++) {
		assert_int_equal(sends(g, 60, 60, 0, 0), 1);
		assert_int_equal(rig_rd(g, IGB_TDH(0)), i);
		assert_int_equal(*hint, i <= M82576_HINT_AGE ? 0 : M82576_HINT_AGE + 1);
	}
	m82576_tx_flush(g->m);
	assert_int_equal(*hint, M82576_HINT_AGE + 2);
	/* A queue that was disabled in the meantime keeps what software reads. */
	assert_int_equal(sends(g, 60, 60, 0, 0), 1);
	rig_wr(g, IGB_TXDCTL(0), 0);
	rig_wr(g, IGB_TDH(0), 9);
	m82576_tx_flush(g->m);
	m82576_tx_flush(g->m);
	assert_int_equal(*hint, 9);
	vfu_rcu_quiescent();
}

/* Reports that are held back wait while a gate is closed, and a reset drops them. */
static void
reports_wait_behind_closed_gates(void **state)
{
	struct m82576_frame in = { .data = f, .len = 60 };
	struct rig *g = *state;

	rig_eth(f, rig_mac, 0x88B5);
	for (unsigned int i = 0; i < 2; i++) {
		rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
		rig_ring_bell(g);
		assert_int_equal(m82576_tx(g->m, &fr, 1, 0), 1);
		assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
		if (i == 0)
			rig_cfg_wr(g, 4, 2, 2);
		else
			rig_wr(g, IGB_CTRL, IGB_CTRL_SLU | IGB_CTRL_GIO_MASTER_DISABLE);
		m82576_tx_flush(g->m);
		m82576_rx_flush(g->m);
		vfu_rcu_quiescent();
		assert_false(rig_txd(g, 0, i)->wb.status & IGB_TXD_STAT_DD);
		assert_false(rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD);
		assert_int_equal(m82576_tx(g->m, &fr, 1, 0), 0);
		if (i == 0)
			rig_cfg_wr(g, 4, 6, 2);
		else
			rig_wr(g, IGB_CTRL, IGB_CTRL_SLU);
		m82576_tx_flush(g->m);
		m82576_rx_flush(g->m);
		vfu_rcu_quiescent();
		assert_true(rig_txd(g, 0, i)->wb.status & IGB_TXD_STAT_DD);
		assert_true(rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD);
	}
}

/* Without a speed a looped frame waits for a descriptor; the driver sees that in STATUS. */
static void
looped_frame_waits_without_a_speed(void **state)
{
	struct rig *g;

	rig_setup_params(state, (struct m82576_params){ .speed_mbps = 0 });
	g = *state;
	rig_tx_start(g, 0);
	rig_eth(f, rig_mac, 0x88B5);
	for (unsigned int i = 0; i < 2; i++) {
		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_rx_start(g, 0, RIG_ADV);
		rig_rdt(g, 0, 0);
		rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LBM_MAC);
		rig_post(g, f, 60 + i, RIG_LAST, (60 + i) << IGB_TXD_PAYLEN_SHIFT);
		rig_ring_bell(g);
		for (unsigned int k = 0; k < 3; k++) {
			assert_int_equal(rig_take(g, &fr), 0);
			assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_TXOFF);
		}
		if (i == 1) { /* the frame is lost when loopback ends */
			rig_rx_on(g, IGB_RCTL_SECRC);
			assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_TXOFF);
			rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LBM_MAC);
		}
		rig_rdt(g, 0, 1);
		assert_int_equal(rig_take(g, &fr), i == 0);
		assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_TXOFF);
		assert_int_equal(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD, i == 0);
		assert_int_equal(rig_take(g, &fr), 0);
	}
	/* A receiver that is off loses the frame. */
	rig_wr(g, IGB_RCTL, IGB_RCTL_LBM_MAC);
	rig_post(g, f, 62, RIG_LAST, 62u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_true(fr.flags & M82576_FRAME_LOOPED);
	assert_int_equal(m82576_tx(g->m, &fr, 0, 0), 0);
	rig_teardown(state);
}

/* In loopback the transmitting thread owns the receiver, and flushes it; else the receiving one. */
static void
receiver_is_flushed_by_its_owner(void **state)
{
	struct rig *g = *state;
	struct m82576_frame in = { .data = f, .len = 60 };

	rig_eth(f, rig_mac, 0x88B5);
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LBM_MAC);
	rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(rig_next(g, &fr), 1);
	m82576_rx_flush(g->m);
	assert_false(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	m82576_tx_flush(g->m);
	assert_true(rig_rxd(g, 0, 0)->wb.staterr & IGB_RXD_STAT_DD);
	vfu_rcu_quiescent();
	rig_rx_on(g, IGB_RCTL_SECRC);
	assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
	m82576_tx_flush(g->m);
	assert_false(rig_rxd(g, 0, 1)->wb.staterr & IGB_RXD_STAT_DD);
	m82576_rx_flush(g->m);
	assert_true(rig_rxd(g, 0, 1)->wb.staterr & IGB_RXD_STAT_DD);
}

/* RCTL.BSIZE counts if SRRCTL has no size: the buffers that a frame of 2100 bytes fills. */
static void
receive_buffers_have_the_size_of_their_register(void **state)
{
	static const struct {
		uint32_t bsize, srrctl, size;
	} t[] = {
		{ 0, 0, 2048 },
		{ 1, 0, 1024 },
		{ 2, 0, 512 },
		{ 3, 0, 256 },
		{ 3, 1, 1024 },
		{ 3, 2, 2048 },
	};
	struct rig *g = *state;

	rig_eth(f, rig_mac, 0x88B5);
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		const unsigned int n = (2100 + t[i].size - 1) / t[i].size;

		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_rx_start(g, 0, IGB_SRRCTL_DESCTYPE_ADV_ONE | t[i].srrctl);
		rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LPE | t[i].bsize << IGB_RCTL_BSIZE_SHIFT);
		rig_send_in(g, f, 2100, 0);
		for (unsigned int k = 0; k < n; k++)
			assert_int_equal(rig_rxd(g, 0, k)->wb.length,
					k + 1 < n ? t[i].size : 2100 - (n - 1) * t[i].size);
		assert_int_equal(rig_rxd(g, 0, n - 1)->wb.staterr, DD_EOP);
		assert_int_equal(rig_rd(g, IGB_RDH(0)), n);
	}
}

/* The errors of the legacy format, one at a time. */
static void
legacy_errors_are_exact(void **state)
{
	static const uint8_t want[] = { 0, IGB_RXD_LEG_ERR_IPE, IGB_RXD_LEG_ERR_TCPE,
		IGB_RXD_LEG_ERR_RXE, IGB_RXD_LEG_ERR_RXE };
	struct rig *g = *state;
	uint32_t len = 0;

	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, 2);
	rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_SBP);
	rig_rxd(g, 0, 4)->read.pkt_addr = 0x1000;
	for (unsigned int i = 0; i < 5; i++) {
		volatile union igb_rx_desc *d = rig_rxd(g, 0, i);

		len = rig_ipv4(f, 17, 40);
		f[22] ^= i == 1; /* TTL */
		f[len - 1] ^= i == 2;
		rig_send_in(g, f, len, i == 3 ? M82576_FRAME_BAD_FCS : 0);
		assert_int_equal(d->legacy.errors, want[i]);
		assert_true(d->legacy.status & IGB_RXD_STAT_DD);
		assert_int_equal(d->legacy.length, len);
		assert_int_equal(d->legacy.addr,
				i < 4 ? RIG_IOVA + RIG_RXBUF + i * RIG_BUF : 0x1000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT(turn_continues_across_bursts),
		LIMIT(queue_that_is_being_disabled_has_no_frame),
		LIMIT(descriptors_between_flushes_are_bounded),
		LIMIT(time_between_flushes_is_exact),
		LIMIT(enabled_queue_has_no_trace_of_its_former_life),
		LIMIT(queue_begins_at_its_head),
		LIMIT(tx_hint_waits_until_its_queue_rests),
		LIMIT(reports_wait_behind_closed_gates),
		cmocka_unit_test(looped_frame_waits_without_a_speed),
		LIMIT(receiver_is_flushed_by_its_owner),
		LIMIT(receive_buffers_have_the_size_of_their_register),
		LIMIT(legacy_errors_are_exact),
	};

	return cmocka_run_group_tests_name("igb_model_turns", tests, NULL, NULL);
}
