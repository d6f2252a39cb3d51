/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The limits of interrupts, each tested on both sides: intervals of throttling, to the nanosecond
 * by a clock of the test; messages in one flush; descriptors below the threshold; causes that are
 * reported once, and a level that is reported again.
 */

#include <sys/syscall.h>

#include "igb_limits.h"

#define VEC 3

static __thread uint64_t clock_ns; /* time of this thread; 0: the real time */

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (clock_ns == 0)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = (time_t)(clock_ns / 1000000000);
	ts->tv_nsec = (long)(clock_ns % 1000000000);
	return 0;
}

static int fds[IGB_MSIX_VECTORS];

static void
wire_up(struct rig *g, unsigned int index, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_set_irq_fds(g->c, index, 0, n, fds), 0);
	vfu_rcu_online();
}

static void
unwire(unsigned int n)
{
	while (n-- > 0)
		close(fds[n]);
}

static unsigned int
fired(unsigned int v)
{
	uint64_t n = 0;

	return read(fds[v], &n, 8) == 8 ? (unsigned int)n : 0;
}

/* Each receive queue has the vector of its number, which clears itself. */
static void
vectors(struct rig *g, unsigned int nr)
{
	wire_up(g, VFIO_PCI_MSIX_IRQ_INDEX, IGB_MSIX_VECTORS);
	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	for (unsigned int q = 0; q < nr; q++)
		rig_wr(g, IGB_IVAR_REG(q),
				rig_rd(g, IGB_IVAR_REG(q)) |
						(q | IGB_IVAR_VALID) << IGB_IVAR_SHIFT(q, false));
	rig_wr(g, IGB_EIAC, (1u << nr) - 1);
	rig_wr(g, IGB_EIMS, (1u << nr) - 1);
}

static void
throttling_is_exact_to_the_nanosecond(void **state)
{
	struct rig *g = *state;

	vectors(g, 8);
	rig_wr(g, IGB_EITR(VEC), 100 << IGB_EITR_INTERVAL_SHIFT); /* 100 us */
	clock_ns = 1000000000;
	m82576_intr_queues(g->m, 1u << VEC, false);
	assert_int_equal(fired(VEC), 1);
	for (unsigned int i = 0; i < 3; i++) {
		m82576_intr_queues(g->m, 1u << VEC, false);
		clock_ns += 99999;
		m82576_intr_fire(g->m);
		assert_int_equal(fired(VEC), 0);
		assert_true(g->m->intr_pending);
		/* Other vectors do not wait. */
		m82576_intr_queues(g->m, 1u << (VEC + 1), false);
		assert_int_equal(fired(VEC + 1), 1);
		clock_ns++;
		m82576_intr_fire(g->m);
		assert_int_equal(fired(VEC), 1);
		assert_false(g->m->intr_pending);
	}
	clock_ns = 0;
	unwire(IGB_MSIX_VECTORS);
}

/* Two messages in a flush, whether they are throttled or not; the next vector is first then. */
static void
messages_of_a_flush_are_two(void **state)
{
	struct rig *g = *state;

	for (unsigned int us = 0; us < 2; us++) {
		vectors(g, 8);
		for (unsigned int v = 0; v < 8; v++)
			rig_wr(g, IGB_EITR(v), us << IGB_EITR_INTERVAL_SHIFT);
		clock_ns = 1000000000;
		g->m->intr_next = 5;
		m82576_intr_flush(true);
		m82576_intr_queues(g->m, 0xFF, false);
		for (unsigned int v = 0; v < 8; v++)
			assert_int_equal(fired(v), v == 5 || v == 6);
		m82576_intr_queues(g->m, 0xFF, false);
		for (unsigned int v = 0; v < 8; v++)
			assert_int_equal(fired(v), 0);
		assert_true(g->m->intr_pending);
		m82576_intr_flush(true);
		m82576_intr_fire(g->m);
		for (unsigned int v = 0; v < 8; v++)
			assert_int_equal(fired(v), v == 7 || v == 0);
		m82576_intr_flush(false);
		/* Outside of a flush all are sent. */
		clock_ns += 1000;
		m82576_intr_fire(g->m);
		for (unsigned int v = 0; v < 8; v++)
			assert_int_equal(fired(v), v != 7 && v != 0);
		clock_ns = 0; /* the client needs the real time */
		assert_int_equal(rig_rd(g, IGB_EICR), 0);
		unwire(IGB_MSIX_VECTORS);
	}
}

/* A message is sent once for a cause, until the cause is cleared in the way of its register. */
static void
cause_is_reported_once_until_it_is_cleared(void **state)
{
	struct rig *g = *state;

	vectors(g, 8);
	rig_wr(g, IGB_EIAC, 0);
	m82576_intr_queues(g->m, 1u << VEC, false);
	m82576_intr_queues(g->m, 1u << VEC, false);
	assert_int_equal(fired(VEC), 1);
	/* A write of other bits does not clear it, and neither does enabling it again. */
	rig_wr(g, IGB_EICR, ~(1u << VEC));
	rig_wr(g, IGB_EIMS, 1u << VEC);
	m82576_intr_queues(g->m, 1u << VEC, false);
	assert_int_equal(fired(VEC), 0);
	rig_wr(g, IGB_EICR, 1u << VEC);
	m82576_intr_queues(g->m, 1u << VEC, false);
	assert_int_equal(fired(VEC), 1);
	/* A read clears what EIAC does not clear, and only that. */
	rig_wr(g, IGB_EIAC, 1u << (VEC + 1));
	rig_wr(g, IGB_EIMC, ~0u);
	rig_wr(g, IGB_EICS, 3u << VEC);
	assert_int_equal(rig_rd(g, IGB_EICR), 3u << VEC);
	assert_int_equal(rig_rd(g, IGB_EICR), 2u << VEC);
	/* EIAM masks a vector that was sent only if GPIE.EIAME is set. */
	rig_wr(g, IGB_EICR, ~0u);
	rig_wr(g, IGB_EIAM, ~0u);
	rig_wr(g, IGB_EIMS, 1u << VEC);
	rig_wr(g, IGB_EICS, 1u << VEC);
	assert_int_equal(rig_rd(g, IGB_EIMS), 1u << VEC);
	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_EIAME);
	rig_wr(g, IGB_EICS, 1u << VEC);
	assert_int_equal(rig_rd(g, IGB_EIMS), 0);
	unwire(IGB_MSIX_VECTORS);
}

/* INTx by EIMS: it is asserted while a queue's cause is set, and unmasking signals it again. */
static void
intx_of_queue_causes_is_a_level(void **state)
{
	struct rig *g = *state;

	wire_up(g, VFIO_PCI_INTX_IRQ_INDEX, 1);
	rig_wr(g, IGB_IVAR_REG(0), IGB_IVAR_VALID << IGB_IVAR_SHIFT(0, false));
	rig_wr(g, IGB_EIMS, 1);
	assert_false(m82576_intr_asserted(g->m));
	m82576_intr_queues(g->m, 1, false);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(fired(0), 1);
		assert_true(m82576_intr_asserted(g->m));
		vfu_rcu_offline();
		assert_int_equal(vfu_client_unmask_irqs(g->c, VFIO_PCI_INTX_IRQ_INDEX, 0, 1), 0);
		vfu_rcu_online();
	}
	assert_int_equal(fired(0), 1);
	assert_int_equal(rig_rd(g, IGB_EICR), 1);
	assert_false(m82576_intr_asserted(g->m));
	vfu_rcu_offline();
	assert_int_equal(vfu_client_unmask_irqs(g->c, VFIO_PCI_INTX_IRQ_INDEX, 0, 1), 0);
	vfu_rcu_online();
	assert_int_equal(fired(0), 0);
	/* Everything else, in the same register. */
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	rig_wr(g, IGB_ICS, IGB_ICR_LSC);
	assert_int_equal(rig_rd(g, IGB_EICR), IGB_EICR_OTHER);
	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	assert_false(m82576_intr_asserted(g->m));
	assert_int_equal(rig_rd(g, IGB_EICR), 0);
	unwire(1);
}

/* Receive frames until the ring has so many descriptors left. */
static void
leave(struct rig *g, unsigned int left)
{
	uint32_t head;

	while ((head = rig_rd(g, IGB_RDH(0)),
			       (rig_rd(g, IGB_RDT(0)) + RIG_DESCS - head) % RIG_DESCS) > left)
		rig_send_in(g, f, 60, 0);
}

/* The threshold is reported when it is crossed, each time, and not while it is crossed. */
static void
descriptor_threshold_is_exact(void **state)
{
	struct rig *g = *state;

	rig_eth(f, rig_mac, 0x88B5);
	for (unsigned int rdmts = 0; rdmts < 4; rdmts++) {
		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_rx_start(g, 0, RIG_ADV | rdmts << IGB_SRRCTL_RDMTS_SHIFT);
		rig_rd(g, IGB_ICR);
		for (unsigned int turn = 0; turn < 2; turn++) {
			leave(g, rdmts * 16);
			assert_false(rig_rd(g, IGB_ICR) & IGB_ICR_RXDMT0);
			if (rdmts != 0) {
				leave(g, rdmts * 16 - 1);
				assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_RXDMT0);
				leave(g, rdmts * 16 - 3);
				assert_false(rig_rd(g, IGB_ICR) & IGB_ICR_RXDMT0);
			}
			assert_int_equal(rig_rd(g, IGB_RXDMTC), rdmts != 0);
			/* Far above it again. */
			for (unsigned int i = 0; i < RIG_DESCS; i++) {
				rig_rxd(g, 0, i)->read.pkt_addr = RIG_IOVA + RIG_RXBUF;
				rig_rxd(g, 0, i)->read.hdr_addr = 0;
			}
			rig_rdt(g, 0, (rig_rd(g, IGB_RDH(0)) + RIG_DESCS - 1) % RIG_DESCS);
			rig_send_in(g, f, 60, 0);
		}
	}
}

/* A frame without a descriptor overruns the receiver, unless its queue may drop it. */
static void
overrun_is_a_cause_of_queues_that_may_not_drop(void **state)
{
	struct rig *g = *state;
	struct m82576_stats st;

	rig_eth(f, rig_mac, 0x88B5);
	for (unsigned int i = 0; i < 2; i++) {
		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_rx_start(g, 0, RIG_ADV | (i == 0 ? 0 : IGB_SRRCTL_DROP_EN));
		leave(g, 0);
		rig_rd(g, IGB_ICR);
		rig_rd(g, IGB_GPRC);
		rig_send_in(g, f, 60, 0);
		assert_int_equal(rig_rd(g, IGB_ICR), i == 0 ? IGB_ICR_RXO : 0);
		assert_int_equal(rig_rd(g, IGB_RNBC), i == 0);
		assert_int_equal(rig_rd(g, IGB_MPC), i == 0);
		assert_int_equal(rig_rd(g, IGB_RQDPC(0)), i == 1);
		assert_int_equal(rig_rd(g, IGB_GPRC), i == 1);
		rig_send_in(g, f, 100, M82576_FRAME_BAD_FCS);
		assert_int_equal(rig_rd(g, IGB_ICR), 0); /* the cause was reported once */
	}
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_no_desc, 2);
}

/* Causes of the receiver and of the PHY send a message by themselves, if they are not masked. */
static void
causes_of_no_queue_send_a_message(void **state)
{
	struct rig *g = *state;

	wire_up(g, VFIO_PCI_MSIX_IRQ_INDEX, 1);
	rig_eth(f, rig_mac, 0x88B5);
	for (unsigned int masked = 0; masked < 2; masked++) {
		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_rx_start(g, 0, RIG_ADV | 1 << IGB_SRRCTL_RDMTS_SHIFT);
		rig_rd(g, IGB_ICR);
		rig_wr(g, IGB_IMC, ~0u);
		if (!masked)
			rig_wr(g, IGB_IMS, IGB_ICR_RXDMT0 | IGB_ICR_RXO);
		leave(g, 16);
		assert_int_equal(fired(0), 0);
		leave(g, 15);
		assert_int_equal(fired(0), !masked);
		leave(g, 0);
		assert_int_equal(fired(0), 0);
		rig_send_in(g, f, 60, 0);
		assert_int_equal(fired(0), !masked);
		assert_int_equal(rig_rd(g, IGB_ICR) & (IGB_ICR_RXDMT0 | IGB_ICR_RXO),
				IGB_ICR_RXDMT0 | IGB_ICR_RXO);
	}
	unwire(1);
}

/*
 * A cause that was reported is reported again if it is still set when software unmasks it, and each
 * time that software sets it. Enabling what is enabled already, or another cause, repeats nothing.
 */
static void
unmasking_reports_what_is_still_set(void **state)
{
	static const struct {
		uint32_t gpie, cause, other, set, mask, unmask;
	} t[] = {
		{ 0, IGB_ICR_LSC, IGB_ICR_RXO, IGB_ICS, IGB_IMC, IGB_IMS },
		{ IGB_GPIE_MULTIPLE_MSIX, 1, 2, IGB_EICS, IGB_EIMC, IGB_EIMS },
	};
	struct rig *g = *state;

	wire_up(g, VFIO_PCI_MSIX_IRQ_INDEX, IGB_MSIX_VECTORS);
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_wr(g, IGB_GPIE, t[i].gpie);
		rig_rd(g, IGB_ICR);
		rig_wr(g, t[i].unmask, t[i].cause);
		for (unsigned int turn = 0; turn < 2; turn++) {
			rig_wr(g, t[i].set, t[i].cause);
			assert_int_equal(fired(0), 1);
			rig_wr(g, t[i].unmask, t[i].cause);
			rig_wr(g, t[i].unmask, t[i].other);
			assert_int_equal(fired(0), 0);
			rig_wr(g, t[i].mask, t[i].cause);
			assert_int_equal(fired(0), 0);
			rig_wr(g, t[i].unmask, t[i].cause);
			assert_int_equal(fired(0), 1);
		}
		/* These two are only written. */
		assert_int_equal(rig_rd(g, t[i].set), 0);
		assert_int_equal(rig_rd(g, IGB_EIMC), 0);
		rig_wr(g, t[i].mask, ~0u);
	}
	unwire(IGB_MSIX_VECTORS);
}

/* A queue whose causes are masked does not look at the messages of other vectors. */
static void
masked_queue_sends_no_message_of_another(void **state)
{
	struct rig *g = *state;

	vectors(g, 8);
	rig_wr(g, IGB_EIMC, 1u << (VEC + 1));
	rig_wr(g, IGB_EITR(VEC), 100 << IGB_EITR_INTERVAL_SHIFT);
	for (unsigned int is_tx = 0; is_tx < 2; is_tx++) {
		clock_ns += 1000000000;
		m82576_intr_queues(g->m, 1u << VEC, false);
		assert_int_equal(fired(VEC), 1);
		m82576_intr_queues(g->m, 1u << VEC, false); /* too soon */
		clock_ns += 100000;
		m82576_intr_queues(g->m, 1u << (VEC + 1), is_tx);
		assert_int_equal(fired(VEC), 0);
		assert_true(g->m->intr_pending);
		m82576_intr_fire(g->m);
		assert_int_equal(fired(VEC), 1);
	}
	clock_ns = 0;
	unwire(IGB_MSIX_VECTORS);
}

/* The single message that comes too soon stays due, and a later flush sends it. */
static void
single_message_that_is_too_soon_is_sent_later(void **state)
{
	struct rig *g = *state;

	wire_up(g, VFIO_PCI_MSIX_IRQ_INDEX, 1);
	rig_wr(g, IGB_EITR(0), 100 << IGB_EITR_INTERVAL_SHIFT);
	rig_wr(g, IGB_IVAR_REG(0), IGB_IVAR_VALID << IGB_IVAR_SHIFT(0, false));
	for (unsigned int by_queue = 0; by_queue < 2; by_queue++) {
		rig_wr(g, IGB_IMS, by_queue ? 0 : IGB_ICR_RXDW);
		rig_wr(g, IGB_EIMS, by_queue);
		clock_ns = (by_queue + 1) * 1000000000ull;
		m82576_intr_queues(g->m, 1, false);
		assert_int_equal(fired(0), 1);
		clock_ns = 0;
		assert_true(rig_rd(g, IGB_ICR) & IGB_ICR_RXDW);
		rig_rd(g, IGB_EICR);
		clock_ns = (by_queue + 1) * 1000000000ull + 1;
		m82576_intr_queues(g->m, 1, false);
		assert_int_equal(fired(0), 0);
		assert_true(g->m->intr_pending);
		clock_ns += 99999;
		m82576_rx_flush(g->m);
		assert_int_equal(fired(0), 1);
		assert_false(g->m->intr_pending);
		clock_ns = 0;
		rig_wr(g, IGB_IMC, ~0u);
		rig_wr(g, IGB_EIMC, ~0u);
		rig_rd(g, IGB_ICR);
		rig_rd(g, IGB_EICR);
	}
	unwire(1);
}

/* A reset ends the interval of each vector, of the first and of the last one. */
static void
reset_ends_every_interval(void **state)
{
	struct rig *g = *state;

	for (unsigned int v = 0; v < IGB_MSIX_VECTORS; v++)
		g->m->intr_last[v] = 1000000000;
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	for (unsigned int v = 0; v < IGB_MSIX_VECTORS; v++)
		assert_int_equal(g->m->intr_last[v], 0);
}

/* The causes of no queue have a vector only if IVAR_MISC names one that exists, as valid. */
static void
vector_of_other_causes_must_be_valid(void **state)
{
	static const struct {
		uint32_t ivar, eicr;
	} t[] = {
		{ 0, 0 },
		{ 3, 0 },
		{ IGB_IVAR_VALID, 1 },
		{ IGB_IVAR_VALID | 3, 1u << 3 },
		{ IGB_IVAR_VALID | (IGB_MSIX_VECTORS - 1), 1u << (IGB_MSIX_VECTORS - 1) },
		{ IGB_IVAR_VALID | IGB_MSIX_VECTORS, 0 },
		{ IGB_IVAR_VALID | 31, 0 },
	};
	struct rig *g = *state;

	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	rig_wr(g, IGB_IMS, IGB_ICR_LSC);
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rig_wr(g, IGB_IVAR_MISC, t[i].ivar << IGB_IVAR_MISC_OTHER_SHIFT);
		rig_wr(g, IGB_ICS, IGB_ICR_LSC);
		assert_int_equal(rig_rd(g, IGB_EICR), t[i].eicr);
		rig_rd(g, IGB_ICR);
	}
}

/* A burst that must wait ends with a flush, whose limit of messages ends with it. */
static void
limit_of_messages_ends_with_its_flush(void **state)
{
	struct m82576_frame in = { .data = f, .len = 60 };
	struct rig *g = *state;

	vectors(g, 8);
	rig_eth(f, rig_mac, 0x88B5);
	leave(g, 0);
	for (unsigned int v = 0; v < 8; v++)
		fired(v);
	assert_int_equal(m82576_rx(g->m, &in, 1, true), 0);
	m82576_intr_queues(g->m, 0xFF, false);
	for (unsigned int v = 0; v < 8; v++)
		assert_int_equal(fired(v), 1);
	unwire(IGB_MSIX_VECTORS);
}

/* The last descriptor and the frame behind it in one burst: both causes come at its flush. */
static void
threshold_and_overrun_come_together(void **state)
{
	struct m82576_frame burst[20];
	struct rig *g = *state;

	rig_eth(f, rig_mac, 0x88B5);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_rx_start(g, 0, RIG_ADV | 1 << IGB_SRRCTL_RDMTS_SHIFT);
	leave(g, 19);
	rig_rd(g, IGB_ICR);
	for (unsigned int i = 0; i < 20; i++)
		burst[i] = (struct m82576_frame){ .data = f, .len = 60 };
	assert_int_equal(m82576_rx(g->m, burst, 20, false), 20);
	m82576_rx_flush(g->m);
	assert_int_equal(rig_rd(g, IGB_ICR) & (IGB_ICR_RXDMT0 | IGB_ICR_RXO),
			IGB_ICR_RXDMT0 | IGB_ICR_RXO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LIMIT(throttling_is_exact_to_the_nanosecond),
		LIMIT(messages_of_a_flush_are_two),
		LIMIT(cause_is_reported_once_until_it_is_cleared),
		LIMIT(intx_of_queue_causes_is_a_level),
		LIMIT(descriptor_threshold_is_exact),
		LIMIT(overrun_is_a_cause_of_queues_that_may_not_drop),
		LIMIT(causes_of_no_queue_send_a_message),
		LIMIT(unmasking_reports_what_is_still_set),
		LIMIT(masked_queue_sends_no_message_of_another),
		LIMIT(single_message_that_is_too_soon_is_sent_later),
		LIMIT(reset_ends_every_interval),
		LIMIT(vector_of_other_causes_must_be_valid),
		LIMIT(limit_of_messages_ends_with_its_flush),
		LIMIT(threshold_and_overrun_come_together),
	};

	return cmocka_run_group_tests_name("igb_model_intr_limits", tests, NULL, NULL);
}
