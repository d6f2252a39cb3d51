/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Grace periods: where the datasheet promises that the hardware no longer accesses memory, the
 * device closes a gate, or changes a queue's generation, and then waits. The linker replaces the
 * wait (--wrap), and the test looks at what was closed when it began.
 */

#include "igb_rig.h"

static struct m82576 *device;
static unsigned int waits;
static uint32_t gates, rx_gen, tx_gen; /* at the last wait */

void __real_vfu_rcu_wait(struct vfu_server *server);
void __wrap_vfu_rcu_wait(struct vfu_server *server);

void
__wrap_vfu_rcu_wait(struct vfu_server *server)
{
	if (device != NULL) {
		__atomic_fetch_add(&waits, 1, __ATOMIC_RELAXED);
		gates = m82576_ld(&device->gates);
		rx_gen = m82576_ld(&device->rx_ring[0].gen);
		tx_gen = m82576_ld(&device->tx_ring[0].gen);
	}
	__real_vfu_rcu_wait(server);
}

static int
setup(void **state)
{
	struct rig *g;

	device = NULL;
	rig_setup(state);
	g = *state;
	rig_rx_start(g, 0, RIG_ADV);
	rig_tx_start(g, 0);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_SLU);
	device = g->m;
	waits = 0;
	return 0;
}

static int
teardown(void **state)
{
	device = NULL;
	return rig_teardown(state);
}

/* Expect a number of waits since the last call, the last of them with these gates closed. */
static void
assert_waited(unsigned int n, uint32_t closed)
{
	assert_int_equal(waits, n);
	if (n != 0)
		assert_int_equal(gates & closed, 0);
	waits = 0;
}

static void
bits_that_stop_accesses_wait_when_they_change(void **state)
{
	static const struct {
		uint32_t reg, stop, go, gate;
	} t[] = {
		{ IGB_RCTL, IGB_RCTL_SECRC, IGB_RCTL_SECRC | IGB_RCTL_RXEN, M82576_GATE_RXEN },
		{ IGB_TCTL, IGB_TCTL_PSP, IGB_TCTL_PSP | IGB_TCTL_EN, M82576_GATE_TXEN },
		{ IGB_CTRL, IGB_CTRL_SLU | IGB_CTRL_GIO_MASTER_DISABLE, IGB_CTRL_SLU,
				M82576_GATE_MASTER },
	};
	struct rig *g = *state;

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		for (unsigned int k = 0; k < 2; k++) {
			rig_wr(g, t[i].reg, t[i].go);
			rig_wr(g, t[i].reg, t[i].go);
			assert_waited(0, 0);
			assert_true(m82576_ld(&g->m->gates) & t[i].gate);
			rig_wr(g, t[i].reg, t[i].stop);
			assert_waited(1, t[i].gate);
			assert_false(m82576_ld(&g->m->gates) & t[i].gate);
			rig_wr(g, t[i].reg, t[i].stop);
			assert_waited(0, 0);
		}
		rig_wr(g, t[i].reg, t[i].go);
	}
	for (unsigned int k = 0; k < 2; k++) {
		rig_cfg_wr(g, 4, 2, 2);
		assert_waited(1, M82576_GATE_BME);
		rig_cfg_wr(g, 4, 2, 2);
		rig_cfg_wr(g, 4, 6, 2);
		rig_cfg_wr(g, 4, 6, 2);
		assert_waited(0, 0);
		assert_true(m82576_ld(&g->m->gates) & M82576_GATE_BME);
	}
}

static void
queue_waits_when_it_is_disabled(void **state)
{
	struct rig *g = *state;

	for (unsigned int i = 0; i < 4; i++) {
		const uint32_t reg = i % 2 == 0 ? IGB_RXDCTL(0) : IGB_TXDCTL(0);

		rig_wr(g, reg, IGB_DCTL_ENABLE);
		assert_waited(0, 0);
		rig_wr(g, reg, 0);
		assert_int_equal((i % 2 == 0 ? rx_gen : tx_gen) & 1, 0);
		assert_waited(1, 0);
		rig_wr(g, reg, 0);
		assert_waited(0, 0);
		rig_wr(g, reg, IGB_DCTL_ENABLE);
	}
}

/* Resets of each kind wait for all queues, behind closed gates. */
static void
resets_wait_behind_closed_gates(void **state)
{
	struct rig *g = *state;

	for (unsigned int i = 0; i < 4; i++) {
		rig_rx_start(g, 0, RIG_ADV);
		rig_tx_start(g, 0);
		rig_rx_on(g, IGB_RCTL_SECRC);
		waits = 0;
		switch (i) {
		case 0:
			rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
			break;
		case 1:
			rig_cfg_wr(g, 0xA8, 0x8000, 2);
			break;
		case 2:
			vfu_rcu_offline();
			assert_int_equal(vfu_client_reset(g->c), 0);
			vfu_rcu_online();
			break;
		case 3:
			rig_disconnect(g);
			break;
		}
		assert_true(waits >= 1);
		assert_int_equal(gates & (M82576_GATE_RXEN | M82576_GATE_TXEN), 0);
		assert_int_equal(rx_gen & 1, 0);
		assert_int_equal(tx_gen & 1, 0);
		assert_int_equal(m82576_ld(&g->m->rx_enabled) | m82576_ld(&g->m->tx_enabled), 0);
		if (i == 3)
			assert_int_equal(gates & M82576_GATE_CLIENT, 0);
	}
	rig_connect(g);
}

/* The receiver changes its owner only when the former one is outside. */
static void
receiver_changes_its_owner_by_a_wait(void **state)
{
	struct rig *g = *state;

	for (unsigned int i = 0; i < 2; i++) {
		rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LBM_MAC);
		assert_waited(1, M82576_GATE_WIRE | M82576_GATE_LOOP);
		assert_true(m82576_ld(&g->m->gates) & M82576_GATE_LOOP);
		rig_rx_on(g, IGB_RCTL_SECRC | IGB_RCTL_LBM_MAC);
		assert_waited(0, 0);
		rig_rx_on(g, IGB_RCTL_SECRC);
		assert_waited(1, M82576_GATE_WIRE | M82576_GATE_LOOP);
		assert_true(m82576_ld(&g->m->gates) & M82576_GATE_WIRE);
	}
}

#define GRACE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		GRACE(bits_that_stop_accesses_wait_when_they_change),
		GRACE(queue_waits_when_it_is_disabled),
		GRACE(resets_wait_behind_closed_gates),
		GRACE(receiver_changes_its_owner_by_a_wait),
	};

	return cmocka_run_group_tests_name("igb_model_grace", tests, NULL, NULL);
}
