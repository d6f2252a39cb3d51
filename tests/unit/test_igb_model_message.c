/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The model on memory without a file descriptor: each access to a ring or a buffer takes a
 * message, and the client does not answer for a while.
 */

#include <time.h>

#include "igb_rig.h"

#define TIMEOUT_MS 20000

static uint8_t f[2048];

static uint64_t
ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int
setup(void **state)
{
	struct rig *g;

	rig_setup_as(state,
			(struct m82576_params){ .speed_mbps = 1000, .dma_timeout_ms = TIMEOUT_MS },
			(struct rig){ .by_message = true });
	g = *state;
	for (unsigned int i = 0; i < sizeof(f); i++)
		f[i] = (uint8_t)(i * 7 + 1);
	memcpy(f, rig_mac, 6);
	rig_tx_start(g, 0);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	return 0;
}

/**
 * Run one round of a polling thread.
 *
 * @return 1 if a frame was ready to be sent, else 0
 */
static int
poll_once(struct rig *g, struct m82576_frame *frame)
{
	int n = rig_take(g, frame);

	m82576_rx_flush(g->m);
	vfu_rcu_quiescent();
	return n;
}

#define poll_until(g, cond) \
	do { \
		struct m82576_frame frame_; \
		uint64_t end_ = ms() + TIMEOUT_MS; \
		bool met_; /* the condition may change again */ \
		while (!(met_ = (cond)) && ms() < end_) \
			poll_once(g, &frame_); \
		assert_true(met_); \
	} while (0)

/* Poll until the device sends a frame. */
static void
poll_for_frame(struct rig *g, struct m82576_frame *frame)
{
	uint64_t end = ms() + TIMEOUT_MS;
	int n;

	while ((n = poll_once(g, frame)) == 0 && ms() < end)
		;
	assert_int_equal(n, 1);
}

static bool
dd(struct rig *g, unsigned int i)
{
	return rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD;
}

static void
frames_go_both_ways(void **state)
{
	struct rig *g = *state;
	struct m82576_frame frame;

	for (unsigned int i = 0; i < 100; i++) {
		f[20] = (uint8_t)i;
		/* In two buffers. */
		rig_post(g, f, 20, IGB_TXD_IFCS, 600u << IGB_TXD_PAYLEN_SHIFT);
		rig_post(g, f + 20, 580, RIG_LAST, 0);
		rig_ring_bell(g);
		poll_for_frame(g, &frame);
		assert_int_equal(frame.len, 600);
		assert_memory_equal(frame.data, f, 600);
		poll_until(g, rig_txd(g, 0, g->tx_next - 1)->qw[1] >> 32 & IGB_TXD_STAT_DD);
	}
	for (unsigned int i = 0; i < 150; i++) {
		unsigned int at = i % RIG_DESCS;
		uint64_t end = ms() + TIMEOUT_MS;
		struct m82576_stats st;

		f[21] = (uint8_t)i;
		/* A frame that arrives before its descriptor was read is dropped, and counted. */
		do {
			rig_send_in(g, f, 700, 0);
			m82576_get_stats(g->m, &st);
			usleep(50);
		} while (st.rx_frames == i && ms() < end);
		poll_until(g, dd(g, at));
		assert_int_equal(rig_rxd(g, 0, at)->wb.length, 700);
		assert_memory_equal(rig_rxbuf(g, 0, at), f, 700);
		rig_rxd(g, 0, at)->qw[0] = RIG_IOVA + RIG_RXBUF + at * RIG_BUF;
		rig_rxd(g, 0, at)->qw[1] = 0;
		rig_rdt(g, 0, at);
	}
}

/* However long the client takes, the polling thread continues, and sends each request once. */
static void
polling_thread_does_not_wait(void **state)
{
	struct rig *g = *state;
	struct m82576_frame frame;
	unsigned int asked;

	poll_until(g, g->asked != 0);
	vfu_rcu_offline();
	while (g->asked != 1) /* the request for the receive descriptors */
		usleep(100);
	vfu_rcu_online();
	poll_until(g, m82576_tx_pending(g->m) == false);
	asked = g->asked;
	g->silent = true;
	rig_post(g, f, 600, RIG_LAST, 600u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(poll_once(g, &frame), 0);
	assert_false(m82576_tx_pending(g->m)); /* no frame is complete yet */
	poll_until(g, g->asked == asked + 1);
	/* Descriptors that are posted in the meantime do not change the pending request. */
	rig_post(g, f, 500, RIG_LAST, 500u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(poll_once(g, &frame), 0);
	assert_int_equal(g->asked, asked + 1);
	asked++;
	g->silent = false;
	poll_for_frame(g, &frame);
	assert_int_equal(frame.len, 600);
	assert_memory_equal(frame.data, f, 600);
	poll_for_frame(g, &frame);
	assert_int_equal(frame.len, 500);
	/* A descriptor and its data, twice, and at most two write-backs. */
	assert_in_range(g->asked, asked + 3, asked + 5);
}

/* Data, then DD, then the interrupt; none of them while the client is silent. */
static void
interrupt_comes_behind_the_frame(void **state)
{
	struct rig *g = *state;
	int efd = eventfd(0, EFD_NONBLOCK);
	struct m82576_stats st;
	uint64_t n, end = ms() + TIMEOUT_MS;

	rig_wr(g, IGB_GPIE, IGB_GPIE_MULTIPLE_MSIX);
	rig_wr(g, IGB_IVAR_REG(0), IGB_IVAR_VALID << IGB_IVAR_SHIFT(0, false));
	rig_wr(g, IGB_EIAC, 1);
	rig_wr(g, IGB_EIMS, 1);
	vfu_rcu_offline();
	assert_int_equal(vfu_client_set_irq_fds(g->c, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &efd), 0);
	vfu_rcu_online();
	/* Repeat until the descriptors have arrived. */
	do {
		poll_until(g, true);
		usleep(200);
		rig_send_in(g, f, 60, 0);
		m82576_get_stats(g->m, &st);
	} while (st.rx_frames == 0 && ms() < end);
	while (read(efd, &n, 8) != 8 && ms() < end)
		usleep(100);
	assert_true(dd(g, 0));

	g->silent = true;
	rig_send_in(g, f, 700, 0);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 2);
	usleep(20000);
	assert_false(dd(g, 1));
	assert_int_equal(read(efd, &n, 8), -1);
	g->silent = false;
	end = ms() + TIMEOUT_MS;
	while (read(efd, &n, 8) != 8 && ms() < end)
		usleep(100);
	assert_true(ms() < end);
	assert_true(dd(g, 1));
	assert_memory_equal(rig_rxbuf(g, 0, 1), f, 700);
	close(efd);
}

/* After the reply to the write that disables a queue, the queue writes nothing. */
static void
disabled_queue_has_written_all(void **state)
{
	struct rig *g = *state;
	struct m82576_stats st;
	uint64_t end = ms() + TIMEOUT_MS;
	unsigned int asked;

	for (unsigned int i = 0; i < 40; i++) {
		rig_send_in(g, f, 700, 0);
		poll_until(g, true);
		usleep(100);
	}
	m82576_get_stats(g->m, &st);
	assert_true(st.rx_frames > 0 && ms() < end);
	rig_wr(g, IGB_RXDCTL(0), 0);
	for (unsigned int i = 0; i < st.rx_frames; i++)
		assert_true(dd(g, i));
	asked = g->asked;
	usleep(5000);
	assert_int_equal(g->asked, asked);
}

/* By messages, the descriptors of a burst are written back in the order of the ring. */
static void
burst_is_written_in_order(void **state)
{
	static const uint32_t order[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	struct m82576_frame in[7];
	struct rig *g = *state;
	uint64_t end = ms() + TIMEOUT_MS;
	struct m82576_stats st;

	do { /* until the descriptors are read */
		rig_send_in(g, f, 700, 0);
		m82576_get_stats(g->m, &st);
		usleep(50);
	} while (st.rx_frames == 0 && ms() < end);
	poll_until(g, g->nr_written == 1);
	for (unsigned int i = 0; i < 7; i++)
		in[i] = (struct m82576_frame){ .data = f, .len = 100 + i };
	assert_int_equal(m82576_rx(g->m, in, 7, false), 7);
	vfu_rcu_quiescent();
	poll_until(g, g->nr_written == 8);
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(g->written[i], order[i]);
	for (unsigned int i = 1; i < 8; i++)
		assert_int_equal(rig_rxd(g, 0, i)->wb.length, 100 + i - 1);
}

/* A read that was requested for a former life of a queue does not count for the next one. */
static void
enabled_queue_requests_its_own_descriptors(void **state)
{
	struct rig *g = *state;
	struct m82576_frame frame;
	unsigned int asked;

	poll_until(g, g->asked != 0); /* the receive descriptors */
	for (unsigned int i = 0; i < 3; i++)
		rig_post(g, f, 600 + i, RIG_LAST, (600 + i) << IGB_TXD_PAYLEN_SHIFT);
	asked = g->asked;
	g->silent = true;
	rig_ring_bell(g);
	poll_until(g, g->asked > asked);
	g->silent = false;
	rig_wr(g, IGB_TXDCTL(0), 0);
	/* The same descriptors, but the driver posts only the first. */
	rig_wr(g, IGB_TDH(0), 0);
	rig_wr(g, IGB_TDT(0), 0);
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	rig_tdt(g, 0, 1);
	poll_for_frame(g, &frame);
	assert_int_equal(frame.len, 600);
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(poll_once(g, &frame), 0);
	assert_int_equal(g->m->txq[0].head, 1);
	assert_false(m82576_tx_pending(g->m));
	rig_tdt(g, 0, 3);
	poll_for_frame(g, &frame);
	assert_int_equal(frame.len, 601);
	poll_for_frame(g, &frame);
	assert_int_equal(frame.len, 602);
}

/* Each queue reads in a slot of its own: reads of several queues are requested at the same time. */
static void
queues_read_independently(void **state)
{
	struct rig *g = *state;
	struct m82576_frame frame;
	uint32_t slots = 0;
	unsigned int q;

	for (q = 0; q < IGB_MAX_QUEUES; q++)
		slots |= 1u << g->m->rxq[q].read.slot | 1u << g->m->txq[q].read.slot;
	assert_int_equal(slots, UINT32_MAX);
	/* Both queues of number 0 wait for the client. */
	poll_until(g, g->m->rxq[0].fetched != 0);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	g->silent = true;
	rig_post(g, f, 600, RIG_LAST, 600u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	poll_until(g, g->m->txq[0].read.asked != 0 && g->m->rxq[0].read.asked != 0);
	g->silent = false;
	poll_for_frame(g, &frame);
	assert_int_equal(frame.len, 600);
	assert_memory_equal(frame.data, f, 600);
	poll_until(g, g->m->rxq[0].fetched != 0);
}

/* Receive descriptors that are posted during a read come with the next one. */
static void
pending_read_of_descriptors_keeps_its_length(void **state)
{
	struct rig *g = *state;
	unsigned int asked;

	poll_until(g, g->m->rxq[0].fetched != 0);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDH(0), 0);
	rig_wr(g, IGB_RDT(0), 10);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	asked = g->asked;
	g->silent = true;
	poll_until(g, g->m->rxq[0].read.asked != 0);
	assert_int_equal(g->m->rxq[0].read.asked, 10 * IGB_DESC_SIZE);
	rig_rdt(g, 0, 20);
	for (unsigned int i = 0; i < 3; i++) {
		struct m82576_frame frame;

		assert_int_equal(poll_once(g, &frame), 0);
		assert_int_equal(g->m->rxq[0].read.asked, 10 * IGB_DESC_SIZE);
	}
	g->silent = false;
	poll_until(g, g->m->rxq[0].fetched == 20);
	assert_int_equal(g->asked, asked + 2);
	for (unsigned int i = 0; i < 20; i++)
		assert_int_equal(g->m->rxq[0].desc[i].read.pkt_addr,
				RIG_IOVA + RIG_RXBUF + i * RIG_BUF);
}

/* The device reads no descriptors of a queue that is disabled, invalid or has met a DMA fault. */
static void
queue_that_is_not_in_order_is_not_read(void **state)
{
	struct rig *g = *state;
	struct m82576_frame frame;
	struct m82576_stats st;
	unsigned int asked;

	poll_until(g, g->m->rxq[0].fetched != 0);
	asked = g->asked;
	/* Its length is no multiple of 128 bytes, so that no tail is inside of it. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDLEN(0), 130);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(poll_once(g, &frame), 0);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.bad_doorbells, 0);
	assert_int_equal(st.dma_faults, 0);
	/* It is disabled at this moment: the generation has changed, and the bit not yet. */
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDLEN(0), RIG_DESCS * IGB_DESC_SIZE);
	g->m->rx_enabled = 1;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(poll_once(g, &frame), 0);
	assert_int_equal(g->m->rxq[0].read.asked, 0);
	/* Its ring is not mapped. */
	rig_wr(g, IGB_RDBAH(0), 0);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(poll_once(g, &frame), 0);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.dma_faults, 1);
	assert_int_equal(g->asked, asked);
}

/* While the client has many writes to answer, the receiver begins no frame, and reports none. */
static void
receiver_rests_while_writes_are_queued(void **state)
{
	struct rig *g = *state;
	struct m82576_frame in = { .data = f, .len = 1514 }, frame;
	struct m82576_stats st;

	poll_until(g, g->m->rxq[0].fetched != 0);
	g->silent = true;
	assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
	while (!vfu_dma_busy(m82576_server(g->m))) /* other writes, of which a ring has too few */
		assert_int_equal(vfu_dma_write(m82576_server(g->m), RIG_IOVA + RIG_TXBUF, f,
						 sizeof(f)),
				0);
	assert_false(g->m->rx_busy);
	m82576_rx_flush(g->m);
	assert_true(g->m->rx_busy);
	assert_int_equal(m82576_rx(g->m, &in, 1, true), 0);
	assert_int_equal(m82576_rx(g->m, &in, 1, false), 1);
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 1);
	assert_int_equal(st.rx_no_desc, 1);
	assert_int_equal(g->m->reg[IGB_RDH(0) / 4], 0);
	g->silent = false;
	poll_until(g, dd(g, 0));
	assert_false(g->m->rx_busy);
	assert_int_equal(poll_once(g, &frame), 0);
	assert_int_equal(m82576_rx(g->m, &in, 1, true), 1);
}

/* A queue is disabled between the two words that the receiver reads: its ring is not read ahead. */
static void
disabled_queue_is_not_read_ahead(void **state)
{
	struct rig *g = *state;
	unsigned int asked;
	uint32_t gen;

	poll_until(g, g->m->rxq[0].fetched != 0);
	asked = g->asked;
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RXDCTL(1), 0);
	gen = g->m->rxq[1].gen;
	rig_wr(g, IGB_RDBAL(1), (uint32_t)(RIG_IOVA + RIG_RXRING + RIG_DESCS * IGB_DESC_SIZE));
	rig_wr(g, IGB_RDBAH(1), (uint32_t)(RIG_IOVA >> 32));
	rig_wr(g, IGB_RDLEN(1), RIG_DESCS * IGB_DESC_SIZE);
	rig_rdt(g, 1, 8);
	g->m->rx_ring[1].gen += 2; /* disabled once more */
	assert_false(g->m->rx_ring[1].gen & 1);
	g->m->rx_enabled |= 3;
	m82576_rx_flush(g->m);
	assert_int_equal(g->asked, asked);
	assert_int_equal(g->m->rxq[1].gen, gen);
	g->m->rx_enabled &= ~3u;
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(frames_go_both_ways),
		T(polling_thread_does_not_wait),
		T(interrupt_comes_behind_the_frame),
		T(disabled_queue_has_written_all),
		T(burst_is_written_in_order),
		T(enabled_queue_requests_its_own_descriptors),
		T(queues_read_independently),
		T(pending_read_of_descriptors_keeps_its_length),
		T(queue_that_is_not_in_order_is_not_read),
		T(receiver_rests_while_writes_are_queued),
		T(disabled_queue_is_not_read_ahead),
	};

	return cmocka_run_group_tests_name("igb_model_message", tests, NULL, NULL);
}
