/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Queues that start and stop while frames flow.
 *
 * A driver may free the memory of a queue once the device has acknowledged that the queue is
 * disabled, so the device must not write to that memory afterwards. In this file the polling
 * thread is a separate thread.
 */

#include <pthread.h>
#include <time.h>

#include "igb_rig.h"

struct poller {
	struct rig *g;
	pthread_t thread;
	bool stop;
	uint64_t rounds;
};

static void *
poll_loop(void *arg)
{
	struct poller *p = arg;
	uint8_t f[60] = { 0 };
	struct m82576_frame fr, in = { .data = f, .len = sizeof(f) };
	unsigned int i;

	vfu_rcu_register();
	rig_eth(f, rig_mac, 0x88B5);
	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 32; i++) {
			m82576_tx(p->g->m, &fr, 1, 0);
			m82576_rx(p->g->m, &in, 1, false);
			/*
			 * Write-backs stay held back across quiescent states, as the interface
			 * permits.
			 */
			if (i % 8 == 0)
				vfu_rcu_quiescent();
		}
		m82576_tx_flush(p->g->m);
		m82576_rx_flush(p->g->m);
		vfu_rcu_quiescent();
		__atomic_store_n(&p->rounds, p->rounds + 1, __ATOMIC_RELEASE);
	}
	vfu_rcu_unregister();
	return NULL;
}

static void
poller_start(struct poller *p, struct rig *g)
{
	p->g = g;
	p->stop = false;
	p->rounds = 0;
	assert_int_equal(pthread_create(&p->thread, NULL, poll_loop, p), 0);
}

static void
poller_stop(struct poller *p)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELEASE);
	vfu_rcu_offline();
	pthread_join(p->thread, NULL);
	vfu_rcu_online();
}

/* Wait until the polling thread has completed n more rounds. */
static void
rounds(struct poller *p, uint64_t n)
{
	uint64_t until = __atomic_load_n(&p->rounds, __ATOMIC_ACQUIRE) + n;

	vfu_rcu_offline();
	while (__atomic_load_n(&p->rounds, __ATOMIC_ACQUIRE) < until)
		usleep(100);
	vfu_rcu_online();
}

static bool
received(struct rig *g, uint32_t i)
{
	return __atomic_load_n(&rig_rxd(g, 0, i)->wb.staterr, __ATOMIC_ACQUIRE) & IGB_RXD_STAT_DD;
}

/* After the reply to clearing ENABLE the device writes nothing to the ring or its buffers. */
static void
disabled_rx_queue_writes_nothing_after_the_reply(void **state)
{
	struct rig *g = *state;
	struct poller p;
	static uint8_t copy[RIG_BUF * RIG_DESCS];
	unsigned int i;

	poller_start(&p, g);
	for (i = 0; i < 200; i++) {
		memset(rig_rxbuf(g, 0, 0), 0xEE, sizeof(copy));
		rig_rx_start(g, 0, RIG_ADV);
		rig_rx_on(g, IGB_RCTL_SECRC);
		assert_true(rig_rd(g, IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);
		rig_wr(g, IGB_RXDCTL(0), 0);
		assert_false(rig_rd(g, IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);
		memset(g->mem + RIG_RXRING, 0x5A, RIG_DESCS * 16);
		memcpy(copy, rig_rxbuf(g, 0, 0), sizeof(copy));
		rounds(&p, 2);
		assert_memory_equal(rig_rxbuf(g, 0, 0), copy, sizeof(copy));
		assert_int_equal(g->mem[RIG_RXRING], 0x5A);
		assert_int_equal(g->mem[RIG_RXRING + 12], 0x5A);
	}
	poller_stop(&p);
}

/* Resets of every kind, and clients that disconnect, while frames flow. */
static void
reset_or_disconnect_under_load_ends_all_writes(void **state)
{
	struct rig *g = *state;
	struct poller p;
	uint8_t f[64] = { 0 };
	unsigned int i, k;

	poller_start(&p, g);
	for (i = 0; i < 60; i++) {
		rig_rx_start(g, 0, RIG_ADV);
		rig_rx_on(g, IGB_RCTL_SECRC);
		rig_tx_start(g, 0);
		for (k = 0; k < 32; k++)
			rig_post(g, f, 64, RIG_LAST, 64u << 14);
		rig_ring_bell(g);
		switch (i % 4) {
		case 0:
			rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
			break;
		case 1:
			vfu_rcu_offline();
			assert_int_equal(vfu_client_reset(g->c), 0);
			vfu_rcu_online();
			break;
		case 2:
			rig_cfg_wr(g, 0xA8, 0x8000, 2); /* function level reset */
			break;
		case 3:
			rig_disconnect(g);
			memset(g->mem + RIG_RXRING, 0, RIG_DESCS * 16);
			usleep(1000);
			rig_connect(g);
			break;
		}
		assert_false(rig_rd(g, IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);
		memset(g->mem + RIG_RXRING, 0x5A, RIG_DESCS * 16);
		rounds(&p, 2);
		assert_int_equal(g->mem[RIG_RXRING + 12], 0x5A);
	}
	poller_stop(&p);
}

/* Bus mastering ends, and the cable is pulled, while frames flow. */
static void
bus_master_off_ends_all_writes(void **state)
{
	struct rig *g = *state;
	struct poller p;
	unsigned int i;

	poller_start(&p, g);
	for (i = 0; i < 50; i++) {
		rig_rx_start(g, 0, RIG_ADV);
		rig_rx_on(g, IGB_RCTL_SECRC);
		rig_cfg_wr(g, 4, 2, 2);
		memset(g->mem + RIG_RXRING, 0x5A, RIG_DESCS * 16);
		m82576_set_link(g->m, i & 1);
		rounds(&p, 2);
		assert_int_equal(g->mem[RIG_RXRING + 12], 0x5A);
		rig_wr(g, IGB_RXDCTL(0), 0);
		rig_cfg_wr(g, 4, 6, 2);
		m82576_set_link(g->m, true);
	}
	poller_stop(&p);
}

static uint32_t *
mapped(struct rig *g, uint32_t off)
{
	return (uint32_t *)(g->bar + off);
}

/*
 * The device ignores stores into the queue pages, except into the tails. ENABLE is the most
 * important case.
 */
static void
only_tails_are_read_from_the_mapping(void **state)
{
	struct rig *g = *state;
	struct poller p;
	uint32_t o;

	rig_rx_start(g, 0, RIG_ADV);
	rig_wr(g, IGB_RXDCTL(0), 0);
	rig_wr(g, IGB_RDH(0), 0);
	rig_rx_on(g, IGB_RCTL_SECRC);
	poller_start(&p, g);

	__atomic_store_n(mapped(g, IGB_RXDCTL(0)), IGB_DCTL_ENABLE, __ATOMIC_RELEASE);
	rounds(&p, 50);
	assert_false(received(g, 0));
	assert_false(rig_rd(g, IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);

	/*
	 * Enabled by message while the page holds other values: the registers written by
	 * message count.
	 */
	for (o = 0; o < IGB_QUEUE_STRIDE; o += 4)
		if (o != IGB_Q_TAIL)
			__atomic_store_n(mapped(g, IGB_RXQ_BASE + o), 0, __ATOMIC_RELEASE);
	rig_rdt(g, 0, 8);
	rig_wr(g, IGB_RXDCTL(0), IGB_DCTL_ENABLE);
	while (!received(g, 7))
		rounds(&p, 1);
	assert_true(rig_rd(g, IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);
	assert_int_equal(rig_rd(g, IGB_RDLEN(0)), RIG_DESCS * 16);
	assert_int_equal(rig_rd(g, IGB_RDH(0)), 8);
	assert_int_equal(rig_rd(g, IGB_RDT(0)), 8);
	/* The head is visible in the page, as a hint, when the queue rests. */
	rounds(&p, 2);
	assert_int_equal(*mapped(g, IGB_RDH(0)), 8);
	poller_stop(&p);
}

/* A head moves at each flush for those who ask by message; its hint waits until the queue rests. */
static void
hint_waits_until_its_queue_rests(void **state)
{
	struct rig *g = *state;
	uint8_t f[60] = { 0 };
	uint32_t i;

	rig_eth(f, rig_mac, 0x88B5);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, IGB_RCTL_SECRC);
	for (i = 1; i <= M82576_HINT_AGE + 2; i++) {
		rig_send_in(g, f, 60, 0);
		assert_int_equal(rig_rd(g, IGB_RDH(0)), i);
		assert_int_equal(*mapped(g, IGB_RDH(0)),
				i <= M82576_HINT_AGE ? 0 : M82576_HINT_AGE + 1);
	}
	m82576_rx_flush(g->m);
	assert_int_equal(*mapped(g, IGB_RDH(0)), M82576_HINT_AGE + 2);
	vfu_rcu_quiescent();
}

/* By message, heads, tails and drops of all sixteen queues behave as the datasheet specifies. */
static void
trapped_registers_are_exact(void **state)
{
	struct rig *g = *state;
	struct m82576_stats st;
	struct m82576_frame fr;
	uint8_t f[60] = { 0 };
	uint32_t q, i, drops;

	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_eth(f, rig_mac, 0x88B5);
	for (q = 0; q < IGB_MAX_QUEUES; q += 5) { /* the first four also have other addresses */
		const uint32_t rdt = q < 4 ? IGB_RXQ_ALIAS_BASE + q * 0x100 + IGB_Q_TAIL :
					     IGB_RDT(q);

		rig_rx_start(g, q, RIG_ADV | IGB_SRRCTL_DROP_EN);
		rig_wr(g, rdt, 0xABCD0003);
		assert_int_equal(rig_rd(g, rdt), 3);
		assert_int_equal(rig_rd(g, IGB_RDT(q)), 3);
		for (i = 0; i < IGB_NUM_RETA / 4; i++)
			rig_wr(g, IGB_RETA(i), q * 0x01010101u);
		rig_wr(g, IGB_MRQC, IGB_MRQC_ENABLE_RSS | 0x00030000u);
		for (i = 0; i < 5; i++) {
			uint8_t ip[200];

			rig_send_in(g, ip, rig_ipv4(ip, 17, 20), 0);
			assert_int_equal(rig_rd(g, IGB_RDH(q)), i < 3 ? i + 1 : 3);
		}
		assert_true(rig_rxd(g, q, 2)->wb.staterr & IGB_RXD_STAT_DD);
		m82576_get_stats(g->m, &st);
		drops = rig_rd(g,
				q < 4 ? IGB_RXQ_ALIAS_BASE + q * 0x100 + IGB_Q_RQDPC :
					IGB_RQDPC(q));
		assert_int_equal(drops, 2);
		assert_int_equal(st.queue[q].rx_no_desc, drops);
		assert_int_equal(rig_rd(g, IGB_RQDPC(q)), 0); /* clears on read */
	}
	for (q = 0; q < 2; q++) {
		rig_tx_start(g, q);
		for (i = 0; i < 3; i++) {
			volatile union igb_tx_desc *d = rig_txd(g, q, i);

			d->data.addr = RIG_IOVA + RIG_TXBUF;
			d->data.cmd_type_len = RIG_LAST | IGB_TXD_DTYP_DATA | IGB_TXD_DEXT | 60;
			d->data.olinfo = 60u << IGB_TXD_PAYLEN_SHIFT;
			rig_tdt(g, q, i + 1);
			assert_int_equal(rig_take(g, &fr), 1);
			assert_int_equal(rig_rd(g, IGB_TDH(q)), i + 1);
			assert_int_equal(rig_rd(g, IGB_TDT(q)), i + 1);
		}
		/* SWFLSH clears itself, and leaves the queue as it is. */
		rig_wr(g, IGB_TXDCTL(q), IGB_DCTL_ENABLE | IGB_DCTL_SWFLSH);
		assert_int_equal(rig_rd(g, IGB_TXDCTL(q)), IGB_DCTL_ENABLE);
		assert_int_equal(rig_rd(g, IGB_TDH(q)), 3);
		/* The head of a running queue belongs to the device. */
		rig_wr(g, IGB_TDH(q), 9);
		assert_int_equal(rig_rd(g, IGB_TDH(q)), 3);
	}
	/* Bits that do not exist, and the gaps between registers. */
	rig_wr(g, IGB_RDBAL(7), ~0u);
	assert_int_equal(rig_rd(g, IGB_RDBAL(7)), 0xFFFFFF80);
	rig_wr(g, IGB_TDLEN(7), ~0u);
	assert_int_equal(rig_rd(g, IGB_TDLEN(7)), 0xFFFF0);
	rig_wr(g, IGB_TXQ(7, IGB_Q_SRRCTL), ~0u);
	assert_int_equal(rig_rd(g, IGB_TXQ(7, IGB_Q_SRRCTL)), 0);
	rig_wr(g, IGB_RXQ(7, 0x20), ~0u);
	assert_int_equal(rig_rd(g, IGB_RXQ(7, 0x20)), 0);
}

/* Each client gets its own pages: stores of a former client reach no other client. */
static void
former_clients_mapping_leads_nowhere(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	uint8_t f[60] = { 0 }, *old;
	uint32_t o;

	memset(g->bar + IGB_TXQ_BASE, 0xA5, RIG_PAGE);
	old = mremap(g->bar, 0, RIG_BAR, MREMAP_MAYMOVE); /* a second view, which remains mapped */
	assert_ptr_not_equal(old, MAP_FAILED);
	rig_disconnect(g);
	rig_connect(g);
	for (o = 0; o < RIG_PAGE; o++)
		assert_int_equal(g->bar[IGB_TXQ_BASE + o], 0);
	rig_tx_start(g, 0);
	rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
	*(volatile uint32_t *)(old + IGB_TDT(0)) = 1;
	assert_int_equal(rig_take(g, &fr), 0);
	assert_int_equal(rig_rd(g, IGB_TDT(0)), 0);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_int_equal(*(volatile uint32_t *)(old + IGB_TDT(0)), 1);
	munmap(old, RIG_BAR);
}

/* Invalid rings stay idle, are reported, and do no harm. */
static void
invalid_rings_stay_idle_and_do_no_harm(void **state)
{
	struct rig *g = *state;
	struct m82576_frame fr;
	static const uint32_t lens[] = { 0, 16, 130, 0x80080, 0xFFFFF };
	unsigned int i;

	rig_rx_on(g, IGB_RCTL_SECRC);
	rig_wr(g, IGB_TCTL, IGB_TCTL_EN);
	for (i = 0; i < 5; i++) {
		rig_wr(g, IGB_TDLEN(0), lens[i]);
		rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
		rig_tdt(g, 0, 5);
		assert_int_equal(rig_take(g, &fr), 0);
		rig_wr(g, IGB_TXDCTL(0), 0);
	}
	rig_wr(g, IGB_TDLEN(0), 0x80000); /* the largest, which is mapped only in part */
	rig_wr(g, IGB_TDBAL(0), (uint32_t)RIG_IOVA + RIG_MEM - 0x1000);
	rig_wr(g, IGB_TDBAH(0), (uint32_t)(RIG_IOVA >> 32));
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	rig_tdt(g, 0, 32767);
	for (i = 0; i < 100; i++)
		rig_take(g, &fr);
	/* A ring with random values in every byte. */
	rig_wr(g, IGB_TXDCTL(0), 0);
	srand(1);
	for (i = 0; i < 0x20000; i++)
		g->mem[i] = (uint8_t)rand();
	rig_wr(g, IGB_TDBAL(0), (uint32_t)RIG_IOVA);
	rig_wr(g, IGB_TDLEN(0), 0x20000);
	rig_wr(g, IGB_TDH(0), 0);
	rig_wr(g, IGB_TXDCTL(0), IGB_DCTL_ENABLE);
	rig_tdt(g, 0, 0x1FFF);
	for (i = 0; i < 20000; i++)
		rig_take(g, &fr);
	/* Write random values to all registers, and read them. The device must still work. */
	for (i = 0; i < IGB_BAR0_SIZE; i += 4) {
		if (i == IGB_CTRL || i == IGB_CTRL_DUP)
			continue;
		rig_wr(g, i, (uint32_t)rand());
		rig_rd(g, i);
	}
	for (i = 0; i < 2000; i++) {
		uint8_t f[1514];

		for (unsigned int k = 0; k < sizeof(f); k++)
			f[k] = (uint8_t)rand();
		if (i & 1)
			rig_ipv4(f, i & 2 ? 6 : 17, 1000);
		f[14 + rand() % 60] ^= (uint8_t)rand();
		rig_send_in(g, f, 60 + (uint32_t)rand() % 1454, 0);
		rig_take(g, &fr);
	}
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	assert_int_equal(rig_rd(g, IGB_RAL(0)), 0x33221102);
}

static void
phy_write(struct rig *g, unsigned int reg, uint32_t v)
{
	rig_wr(g, IGB_MDIC,
			IGB_MDIC_OP_WRITE | IGB_PHY_ADDR << IGB_MDIC_PHY_SHIFT |
					reg << IGB_MDIC_REG_SHIFT | v);
}

/*
 * In loopback, by the MAC and by the PHY, the device receives its own frames. They do not leave
 * the device, and frames from outside do not enter.
 */
static void
loopback_receives_own_frames_only(void **state)
{
	struct rig *g = *state;
	struct m82576_stats st;
	struct m82576_frame fr;
	uint8_t f[60] = { 0 };
	unsigned int i;

	rig_rx_start(g, 0, RIG_ADV);
	rig_tx_start(g, 0);
	rig_eth(f, rig_mac, 0x88B5);
	for (i = 0; i < 2; i++) {
		f[20] = (uint8_t)(0x10 + i);
		if (i == 0) {
			rig_rx_on(g, IGB_RCTL_LBM_MAC);
		} else {
			rig_rx_on(g, 0);
			/* As Linux's driver does, and also without a cable. */
			m82576_set_link(g->m, false);
			phy_write(g, IGB_PHY_CTRL, 0x4140);
			assert_true(rig_rd(g, IGB_STATUS) & IGB_STATUS_LU);
		}
		assert_false(m82576_listening(g->m));
		rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
		rig_ring_bell(g);
		assert_int_equal(rig_take(g, &fr), 1);
		assert_true(fr.flags & M82576_FRAME_LOOPED);
		assert_true(rig_rxd(g, 0, i)->wb.staterr & IGB_RXD_STAT_DD);
		assert_memory_equal(rig_rxbuf(g, 0, i), f, 60);
		/* Nothing enters from outside. */
		assert_int_equal(rig_send_in(g, f, 60, 0), 1);
		assert_false(rig_rxd(g, 0, i + 1)->wb.staterr & IGB_RXD_STAT_DD);
	}
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, 2);
	assert_int_equal(st.tx_frames, 2);
	assert_int_equal(st.rx_off, 2);

	/* While the receiver is off, nothing is received, and the frame is lost. */
	rig_wr(g, IGB_RCTL, 0);
	rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
	rig_ring_bell(g);
	assert_int_equal(rig_take(g, &fr), 1);
	assert_false(rig_rxd(g, 0, 2)->wb.staterr & IGB_RXD_STAT_DD);
	rig_rx_on(g, 0);

	/* Leave loopback by a register, then by a reset. */
	phy_write(g, IGB_PHY_CTRL, 0x1140);
	m82576_set_link(g->m, true);
	assert_true(m82576_listening(g->m));
	rig_send_in(g, f, 60, 0);
	assert_true(rig_rxd(g, 0, 2)->wb.staterr & IGB_RXD_STAT_DD);
	rig_rx_on(g, IGB_RCTL_LBM_MAC);
	assert_false(m82576_listening(g->m));
	rig_wr(g, IGB_CTRL, IGB_CTRL_RST);
	rig_rx_start(g, 0, RIG_ADV);
	rig_rx_on(g, 0);
	assert_true(m82576_listening(g->m));
}

static void *
receive_loop(void *arg)
{
	struct poller *p = arg;
	uint8_t f[60] = { 0 };
	struct m82576_frame in = { .data = f, .len = 60 };

	vfu_rcu_register();
	rig_eth(f, rig_mac, 0x88B5);
	while (!__atomic_load_n(&p->stop, __ATOMIC_ACQUIRE)) {
		m82576_rx(p->g->m, &in, 1, false);
		m82576_rx_flush(p->g->m);
		vfu_rcu_quiescent();
		__atomic_store_n(&p->rounds, p->rounds + 1, __ATOMIC_RELEASE);
	}
	vfu_rcu_unregister();
	return NULL;
}

/* Two threads that never wait hand the receiver to each other: no frame is lost or duplicated. */
static void
loopback_switch_between_threads_loses_and_duplicates_no_frame(void **state)
{
	struct rig *g = *state;
	struct poller p = { .g = g };
	struct m82576_stats st;
	struct m82576_frame fr;
	uint32_t next = 0, got = 0, looped = 0, i, n, k;
	uint8_t f[60] = { 0 };

	rig_rx_start(g, 0, RIG_ADV);
	rig_tx_start(g, 0);
	rig_eth(f, rig_mac, 0x88B5);
	f[20] = 1; /* marks a looped frame */
	assert_int_equal(pthread_create(&p.thread, NULL, receive_loop, &p), 0);
	for (i = 0; i < 400; i++) {
		rig_rx_on(g, i & 1 ? IGB_RCTL_LBM_MAC : 0);
		/* Let the other thread run, so that some frames are from outside. */
		if (i % 20 == 0)
			rounds(&p, 2);
		for (n = 0; n < 20; n++) {
			rig_post(g, f, 60, RIG_LAST, 60u << IGB_TXD_PAYLEN_SHIFT);
			rig_ring_bell(g);
			assert_int_equal(rig_take(g, &fr), 1);
			assert_int_equal(!!(fr.flags & M82576_FRAME_LOOPED), i & 1);
			/* No more at a time: the other thread may be faster than the messages. */
			for (k = 0; k < 2 && received(g, next); k++) {
				looped += rig_rxbuf(g, 0, next)[20];
				got++;
				rig_rxd(g, 0, next)->read.pkt_addr = RIG_IOVA + RIG_RXBUF +
						next * RIG_BUF;
				rig_rxd(g, 0, next)->read.hdr_addr = 0;
				rig_rdt(g, 0, next);
				next = (next + 1) % RIG_DESCS;
			}
		}
	}
	rig_wr(g, IGB_RXDCTL(0), 0);
	__atomic_store_n(&p.stop, true, __ATOMIC_RELEASE);
	vfu_rcu_offline();
	pthread_join(p.thread, NULL);
	vfu_rcu_online();
	while (received(g, next)) {
		looped += rig_rxbuf(g, 0, next)[20];
		got++;
		rig_rxd(g, 0, next)->read.hdr_addr = 0;
		next = (next + 1) % RIG_DESCS;
	}
	m82576_get_stats(g->m, &st);
	assert_int_equal(st.rx_frames, got);
	assert_true(looped <= 200 * 20);
	assert_true(got > looped);
}

int
main(void)
{
/* clang-format off */
#define BOTH(test)                                                                                 \
	cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown),                            \
		{#test " trapped", test, rig_setup_trapped, rig_teardown, NULL}
	/* clang-format on */
	const struct CMUnitTest tests[] = {
		BOTH(disabled_rx_queue_writes_nothing_after_the_reply),
		BOTH(reset_or_disconnect_under_load_ends_all_writes),
		BOTH(bus_master_off_ends_all_writes),
		BOTH(trapped_registers_are_exact),
		cmocka_unit_test_setup_teardown(only_tails_are_read_from_the_mapping, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(hint_waits_until_its_queue_rests, rig_setup,
				rig_teardown),
		cmocka_unit_test_setup_teardown(former_clients_mapping_leads_nowhere, rig_setup,
				rig_teardown),
		BOTH(invalid_rings_stay_idle_and_do_no_harm),
		cmocka_unit_test_setup_teardown(loopback_receives_own_frames_only, rig_setup,
				rig_teardown),
		BOTH(loopback_switch_between_threads_loses_and_duplicates_no_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
