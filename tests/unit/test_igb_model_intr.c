/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/* The model's interrupts: vectors, masks, auto-clear and auto-mask, throttling, link changes. */

#include <fcntl.h>
#include <poll.h>

#include <time.h>

#include "igb_rig.h"

#define VEC 3

static int fds[IGB_MSIX_VECTORS];

static void
wire_up(struct rig *g, unsigned int index, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_set_irq_fds(g->c, index, 0, n, fds), 0);
	vfu_rcu_online();
}

/**
 * Read and clear the event count of vector v.
 *
 * @return how often the vector has fired since the last call
 */
static uint64_t
fired(unsigned int v)
{
	uint64_t n = 0;

	if (read(fds[v], &n, 8) != 8)
		return 0;
	return n;
}

static void
unwire(unsigned int n)
{
	while (n-- > 0)
		close(fds[n]);
}

static void
unmask(struct rig *g, unsigned int index)
{
	vfu_rcu_offline();
	assert_int_equal(vfu_client_unmask_irqs(g->c, index, 0, 1), 0);
	vfu_rcu_online();
}

static void
frame_in(struct rig *g)
{
	uint8_t f[60] = { 0 };

	rig_eth(f, rig_mac, 0x88B5);
	rig_send_in(g, f, 60, 0);
}

static void
msix(struct rig *g)
{
	wire_up(g, VFIO_PCI_MSIX_IRQ_INDEX, IGB_MSIX_VECTORS);
	rig_wr(g, IGB_GPIE,
			IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_PBA | IGB_GPIE_EIAME | IGB_GPIE_NSICR);
	rig_wr(g, IGB_IVAR_REG(0), (VEC | IGB_IVAR_VALID) << IGB_IVAR_SHIFT(0, false));
	rig_wr(g, IGB_IVAR_MISC, (1u | IGB_IVAR_VALID) << IGB_IVAR_MISC_OTHER_SHIFT);
	rig_wr(g, IGB_EIAC, 1u << VEC | 2);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
}

static void
msix_vectors_obey_masks_auto_clear_and_auto_mask(void **state)
{
	struct rig *g = *state;

	msix(g);
	frame_in(g);
	assert_int_equal(fired(VEC), 0);                /* masked */
	assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_RXDW); /* regardless of the vectors */
	rig_wr(g, IGB_EIMS, 1u << VEC);
	assert_int_equal(fired(VEC), 1); /* it was pending */
	frame_in(g);
	frame_in(g);
	assert_int_equal(fired(VEC), 2);
	assert_int_equal(fired(0), 0);
	/* Auto-mask. */
	rig_wr(g, IGB_EIAM, 1u << VEC);
	frame_in(g);
	frame_in(g);
	assert_int_equal(fired(VEC), 1);
	assert_int_equal(rig_rd(g, IGB_EIMS), 0);
	rig_wr(g, IGB_EIMS, 1u << VEC);
	assert_int_equal(fired(VEC), 1);
	/* An interrupt that software triggers. */
	rig_wr(g, IGB_EIAM, 0);
	rig_wr(g, IGB_EIMS, 1u << 7);
	rig_wr(g, IGB_EICS, 1u << 7);
	assert_int_equal(fired(7), 1);
	/* Without auto-clear the device reports a cause once, until the driver clears it. */
	rig_wr(g, IGB_EICS, 1u << 7);
	frame_in(g);
	fired(VEC);
	rig_wr(g, IGB_EIAC, 0);
	rig_wr(g, IGB_EIMS, 1u << VEC);
	frame_in(g);
	frame_in(g);
	assert_int_equal(fired(VEC), 1);
	assert_true(rig_rd(g, IGB_EICR) & 1u << VEC);
	frame_in(g);
	assert_int_equal(fired(VEC), 1);
	rig_wr(g, IGB_EICR, ~0u);
	assert_int_equal(rig_rd(g, IGB_EICR), 0);
	unwire(IGB_MSIX_VECTORS);
}

/* A transmit queue that reports a descriptor raises its own vector, and no other. */
static void
each_transmit_queue_has_its_vector(void **state)
{
	struct m82576_frame frame;
	struct rig *g = *state;
	unsigned int q, v;

	msix(g);
	rig_wr(g, IGB_EIAC, ~0u);
	for (q = 0; q < 16; q++) {
		volatile union igb_tx_desc *d = rig_txd(g, q, 0);
		const uint32_t ivar = rig_rd(g, IGB_IVAR_REG(q)) &
				~(0xFFu << IGB_IVAR_SHIFT(q, true));

		v = (q + 2) | IGB_IVAR_VALID;
		rig_wr(g, IGB_IVAR_REG(q), ivar | v << IGB_IVAR_SHIFT(q, true));
		rig_wr(g, IGB_EIMS, 1u << (q + 2));
		rig_tx_start(g, q);
		d->data.addr = RIG_IOVA + RIG_TXBUF;
		d->data.cmd_type_len = RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | 60;
		d->data.olinfo = 60u << IGB_TXD_PAYLEN_SHIFT;
		rig_tdt(g, q, 1);
		assert_int_equal(rig_take(g, &frame), 1);
		for (v = 0; v < IGB_MSIX_VECTORS; v++)
			assert_int_equal(fired(v), v == q + 2);
	}
	unwire(IGB_MSIX_VECTORS);
}

/*
 * However many vectors are pending in each flush, one flush sends few messages, and each vector
 * gets its turn.
 */
static void
flush_sends_few_messages(void **state)
{
	const unsigned int nr = 8;
	struct rig *g = *state;
	uint64_t n, all = 0;

	msix(g);
	for (unsigned int q = 0; q < nr; q++) {
		uint32_t ivar = rig_rd(g, IGB_IVAR_REG(q)) & ~(0xFFu << IGB_IVAR_SHIFT(q, false));

		rig_wr(g, IGB_IVAR_REG(q), ivar | (q | IGB_IVAR_VALID) << IGB_IVAR_SHIFT(q, false));
	}
	rig_wr(g, IGB_EIAC, 0xFF);
	rig_wr(g, IGB_EIMS, 0xFF);
	for (unsigned int flush = 0; flush < nr / 2; flush++) {
		m82576_intr_flush(true);
		m82576_intr_queues(g->m, 0xFF, false);
		m82576_intr_queues(g->m, 0xFF, false);
		m82576_intr_flush(false);
	}
	for (unsigned int v = 0; v < nr; v++) {
		n = fired(v);
		assert_int_equal(n, 1);
		all += n;
	}
	/* The other messages are pending, and are sent without a new cause. */
	for (unsigned int flush = 0; flush < nr / 2; flush++) {
		assert_true(g->m->intr_pending);
		m82576_rx_flush(g->m);
		vfu_rcu_quiescent();
	}
	for (unsigned int v = 0; v < nr; v++)
		all += fired(v);
	assert_int_equal(all, 2 * nr);
	m82576_rx_flush(g->m);
	assert_false(g->m->intr_pending);
	unwire(IGB_MSIX_VECTORS);
}

/*
 * One interrupt for all causes, and EIMS: a message that finds no room in a flush is sent in a
 * later one. The same holds for a message that EITR holds back.
 */
static void
single_message_stays_due(void **state)
{
	struct rig *g = *state;
	unsigned int n = 0;

	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	wire_up(g, VFIO_PCI_MSI_IRQ_INDEX, 1);
	rig_wr(g, IGB_IVAR_REG(0), IGB_IVAR_VALID << IGB_IVAR_SHIFT(0, false));
	rig_wr(g, IGB_EIMS, 1);
	/* Two other messages are sent first. */
	m82576_intr_flush(true);
	for (unsigned int i = 0; i < 3; i++) {
		m82576_intr_queues(g->m, 1, false);
		if (i < 2) {
			assert_int_equal(fired(0), 1);
			rig_wr(g, IGB_EICR, 1);
		}
	}
	m82576_intr_flush(false);
	assert_int_equal(fired(0), 0);
	m82576_rx_flush(g->m);
	assert_int_equal(fired(0), 1);

	rig_wr(g, IGB_EITR(0), 2000u << IGB_EITR_INTERVAL_SHIFT);
	rig_wr(g, IGB_EICR, 1);
	m82576_intr_queues(g->m, 1, false); /* fires now or is held back */
	rig_wr(g, IGB_EICR, 1);
	fired(0);
	m82576_intr_queues(g->m, 1, false);
	for (unsigned int i = 0; i < 20000 && n == 0; i++) {
		m82576_rx_flush(g->m);
		n += (unsigned int)fired(0);
		usleep(100);
	}
	assert_int_equal(n, 1);
	unwire(1);
}

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/**
 * Receive three frames. The ring has descriptors for 20 such bursts.
 *
 * @return true if that took less than 6 ms, so that it ended within one interval of 8 ms
 */
static bool
quick_burst(struct rig *g)
{
	const uint64_t start = now_us();
	unsigned int i;

	for (i = 0; i < 3; i++)
		frame_in(g);
	return now_us() - start < 6000;
}

static void
eitr_holds_messages_back_and_loses_none(void **state)
{
	struct rig *g = *state;
	unsigned int i, n = 0;

	msix(g);
	rig_wr(g, IGB_EITR(VEC), 8000u << IGB_EITR_INTERVAL_SHIFT); /* 8 ms */
	rig_wr(g, IGB_EIMS, 1u << VEC);
	/*
	 * If the thread lost its core during the burst, begin again after two intervals. The
	 * flush between them sends the pending message, and the second interval passes without
	 * an interrupt.
	 */
	for (i = 0; i < 20 && !quick_burst(g); i++) {
		usleep(9000);
		m82576_rx_flush(g->m);
		usleep(9000);
		fired(VEC);
	}
	assert_true(i < 20);
	assert_int_equal(fired(VEC), 1);
	/* The message is held back, not lost. */
	usleep(9000);
	assert_int_equal(fired(VEC), 0);
	m82576_rx_flush(g->m);
	assert_int_equal(fired(VEC), 1);
	for (i = 0; i < 30; i++) {
		m82576_tx_flush(g->m);
		usleep(500);
		n += (unsigned int)fired(VEC);
	}
	assert_int_equal(n, 0);
	unwire(IGB_MSIX_VECTORS);
}

/* The first message after a reset does not wait for the interval of the last one before it. */
static void
reset_ends_the_interval_of_a_vector(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	wire_up(g, VFIO_PCI_MSIX_IRQ_INDEX, IGB_MSIX_VECTORS);
	for (i = 0; i < 2; i++) {
		rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
		rig_wr(g, IGB_EITR(VEC), 8000u << IGB_EITR_INTERVAL_SHIFT); /* 8 ms */
		rig_wr(g, IGB_EIMS, 1u << VEC);
		rig_wr(g, IGB_EICS, 1u << VEC);
		assert_int_equal(fired(VEC), 1);
		rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	}
	unwire(IGB_MSIX_VECTORS);
}

static void
link_change_raises_lsc_once(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	struct m82576_stats st;

	msix(g);
	rig_wr(g, IGB_EIMS, 2);
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	rig_rd(g, IGB_ICR);
	fired(1);
	m82576_set_link(g->m, false);
	rig_take(g, &fr);
	assert_int_equal(fired(1), 1);
	assert_false(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_LSC);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
	frame_in(g);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_off, 1);
	assert_false(st.link);
	m82576_set_link(g->m, false);
	rig_take(g, &fr);
	assert_int_equal(fired(1), 0); /* no change */
	m82576_set_link(g->m, true);
	m82576_rx_flush(g->m);
	assert_int_equal(fired(1), 1);
	assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
	unwire(IGB_MSIX_VECTORS);
}

/* One interrupt for everything: MSI-X vector 0 without Multiple_MSIX, MSI, INTx. */
static void
single_interrupt_reports_all_causes_by_msix_msi_intx(void **state)
{
	static const unsigned int index[3] = { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX,
		VFIO_PCI_INTX_IRQ_INDEX };
	struct rig *g = *state;
	unsigned int i;
	uint32_t v;

	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_rd(g, IGB_ICR);
	for (i = 0; i < 3; i++) {
		wire_up(g, index[i], 1);
		frame_in(g);
		assert_int_equal(fired(0), 0);
		rig_wr(g, IGB_IMS, IGB_ICR_RXDW);
		assert_int_equal(fired(0), 1);
		frame_in(g); /* not cleared yet */
		assert_int_equal(fired(0), 0);
		rig_wr(g, IGB_IAM, ~0u);
		v = rig_rd(g, IGB_ICR);
		assert_true(v & IGB_ICR_INT_ASSERTED);
		assert_true(v & IGB_ICR_RXDW);
		assert_int_equal(rig_rd(g, IGB_IMS), 0); /* IAM */
		unmask(g, index[i]);
		rig_wr(g, IGB_IMS, IGB_ICR_RXDW);
		frame_in(g);
		assert_int_equal(fired(0), 1);
		/* Masked and read, the cause is cleared. */
		rig_wr(g, IGB_IMC, ~0u);
		assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_RXDW);
		vfu_rcu_offline();
		assert_int_equal(vfu_client_set_irq_fds(g->c, index[i], 0, 0, NULL), 0);
		vfu_rcu_online();
		unwire(1);
	}
}

#define COMMAND       0x04
#define STATUS        0x06
#define STATUS_INTX   0x08
#define INTX_DISABLED 0x400
#define MASTER        0x006
#define MSI_MASK      0x60
#define MSI_PENDING   0x64

/* A reset masks every interrupt, and forgets every cause (8.8). */
static void
reset_clears_masks_and_causes(void **state)
{
	struct rig *g = *state;

	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	rig_wr(g, IGB_EIMS, ~0u);
	rig_wr(g, IGB_IMS, ~0u);
	rig_wr(g, IGB_EICS, ~0u);
	rig_wr(g, IGB_ICS, ~0u);
	assert_int_equal(rig_rd(g, IGB_EIMS) & 0x1FFFFFF, 0x1FFFFFF);
	assert_true(rig_rd(g, IGB_IMS) & 1 && rig_rd(g, IGB_IMS) & IGB_ICR_LSC);
	rig_wr(g, IGB_CTRL, rig_rd(g, IGB_CTRL) | IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_EIMS), 0);
	assert_int_equal(rig_rd(g, IGB_IMS), 0);
	assert_int_equal(rig_rd(g, IGB_EICR), 0);
	assert_int_equal(rig_rd(g, IGB_ICR), 0);
}

/*
 * INTx stays asserted until its cause is cleared: a driver that unmasks it earlier gets it
 * again.
 */
static void
intx_is_a_level(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_rd(g, IGB_ICR);
	wire_up(g, VFIO_PCI_INTX_IRQ_INDEX, 1);
	rig_wr(g, IGB_IMS, IGB_ICR_RXDW | IGB_ICR_LSC);
	assert_int_equal(fired(0), 0);
	assert_false(rig_cfg_rd(g, STATUS, 2) & STATUS_INTX);
	frame_in(g);
	for (i = 0; i < 3; i++) {
		assert_int_equal(fired(0), 1);
		assert_true(rig_cfg_rd(g, STATUS, 2) & STATUS_INTX);
		rig_wr(g, IGB_ICS, IGB_ICR_LSC); /* INTx is asserted already: no further message */
		assert_int_equal(fired(0), 0);
		unmask(g, VFIO_PCI_INTX_IRQ_INDEX);
	}
	assert_int_equal(fired(0), 1);
	/*
	 * The driver clears the cause, and a new cause appears and is cleared, before the
	 * driver unmasks.
	 */
	assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_LSC);
	assert_false(rig_cfg_rd(g, STATUS, 2) & STATUS_INTX);
	frame_in(g);
	rig_rd(g, IGB_ICR);
	unmask(g, VFIO_PCI_INTX_IRQ_INDEX);
	assert_int_equal(fired(0), 0);
	/* Masked by the device's own mask. */
	rig_wr(g, IGB_IMC, ~0u);
	rig_wr(g, IGB_ICS, IGB_ICR_LSC);
	assert_int_equal(fired(0), 0);
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	assert_int_equal(fired(0), 1);
	rig_wr(g, IGB_IMC, ~0u);
	unmask(g, VFIO_PCI_INTX_IRQ_INDEX);
	assert_int_equal(fired(0), 0);
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	assert_int_equal(fired(0), 1);
	/* Masked in configuration space: the status bit stays. */
	rig_cfg_wr(g, COMMAND, MASTER | INTX_DISABLED, 2);
	unmask(g, VFIO_PCI_INTX_IRQ_INDEX);
	assert_int_equal(fired(0), 0);
	assert_true(rig_cfg_rd(g, STATUS, 2) & STATUS_INTX);
	rig_cfg_wr(g, COMMAND, MASTER, 2);
	assert_int_equal(fired(0), 1);
	/* A client that begins to listen also gets an asserted INTx. */
	vfu_rcu_offline();
	assert_int_equal(vfu_client_set_irq_fds(g->c, VFIO_PCI_INTX_IRQ_INDEX, 0, 0, NULL), 0);
	vfu_rcu_online();
	unwire(1);
	wire_up(g, VFIO_PCI_INTX_IRQ_INDEX, 1);
	assert_int_equal(fired(0), 1);
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	unmask(g, VFIO_PCI_INTX_IRQ_INDEX);
	assert_int_equal(fired(0), 0);
	unwire(1);
}

/* A message that is masked in configuration space is pending, and its pending bit is set. */
static void
masked_msi_is_pending(void **state)
{
	struct rig *g = *state;

	rig_rd(g, IGB_ICR);
	wire_up(g, VFIO_PCI_MSI_IRQ_INDEX, 1);
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	rig_cfg_wr(g, MSI_MASK, 1, 4);
	rig_wr(g, IGB_ICS, IGB_ICR_LSC);
	assert_int_equal(fired(0), 0);
	assert_int_equal(rig_cfg_rd(g, MSI_PENDING, 4), 1);
	rig_cfg_wr(g, MSI_MASK, 0, 4);
	assert_int_equal(fired(0), 1);
	assert_int_equal(rig_cfg_rd(g, MSI_PENDING, 4), 0);
	/*
	 * The message has been sent: to unmask again sends no other, although the cause is
	 * still there.
	 */
	rig_cfg_wr(g, MSI_MASK, 1, 4);
	rig_cfg_wr(g, MSI_MASK, 0, 4);
	assert_int_equal(fired(0), 0);
	unwire(1);
}

static void
rxdmt0_is_raised_at_the_descriptor_threshold(void **state)
{
	struct rig *g = *state;
	unsigned int i;

	rig_rx_start(g, 0, RIG_ADV | 2u << IGB_SRRCTL_RDMTS_SHIFT); /* 32 descriptors */
	rig_rx_on(g, IGB_RCTL_SECRC);
	for (i = 0; i < 40; i++) {
		frame_in(g);
		if (i == 30)
			assert_false(rig_rd(g, IGB_ICR) & IGB_ICR_RXDMT0);
	}
	assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_RXDMT0);
	assert_int_equal(rig_rd(g, IGB_RXDMTC), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(msix_vectors_obey_masks_auto_clear_and_auto_mask,
				rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(each_transmit_queue_has_its_vector, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(flush_sends_few_messages, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(single_message_stays_due, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(eitr_holds_messages_back_and_loses_none, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(reset_ends_the_interval_of_a_vector, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(link_change_raises_lsc_once, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(
				single_interrupt_reports_all_causes_by_msix_msi_intx, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(reset_clears_masks_and_causes, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(intx_is_a_level, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(masked_msi_is_pending, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(rxdmt0_is_raised_at_the_descriptor_threshold,
				rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
