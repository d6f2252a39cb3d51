/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's transmit path (drivers/net/igb/igb_tx.c): reclaiming, context descriptors,
 * chains, and what cannot be mapped. The test is the device (igb_fake.h). Every mbuf returns to its
 * pool once. The program runs once in each DMA mode (direct, window, strict, bounce).
 */

#include "igb_fake.h"

/* Done is reported early, twice, for descriptors that were never sent, and in any order. */
static void
tx_random_done_bits_lose_no_mbuf(void **state)
{
	unsigned int turn, i;

	start(0);
	srand(2);
	for (turn = 0; turn < 20000; turn++) {
		transmit(rand() % 40, 1 + rand() % 3);
		for (i = 0; i < (unsigned int)rand() % 64; i++)
			txq()->ring[rand() % NB_DESC].wb.status ^= (uint32_t)rand();
		if (rand() % 16 == 0)
			assert_true(rte_eth_tx_done_cleanup(PORT, 0, rand() % 8) >= 0);
		rte_eth_tx_descriptor_status(PORT, 0, rand() % NB_DESC);
		assert_in_range(txq()->nb_free, 0, NB_DESC - 1);
	}
}

/*
 * At most n packets are freed. n does not count descriptors, and the rest of the burst is not
 * freed with them.
 */
static void
tx_cleanup_frees_no_more_than_requested(void **state)
{
	static const unsigned int requested[] = { 1, 3, 1, 2, 5, 0 };
	unsigned int i, n, left = 30, segs = 3;
	struct rte_mbuf *burst[30];

	start(0);
	for (i = 0; i < left; i++) {
		struct rte_mbuf *next[2];

		burst[i] = rte_pktmbuf_alloc(pool);
		assert_non_null(burst[i]);
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, next, 2), 0);
		rte_pktmbuf_append(burst[i], 60);
		rte_pktmbuf_append(next[0], 60);
		rte_pktmbuf_append(next[1], 60);
		rte_pktmbuf_chain(burst[i], next[0]);
		rte_pktmbuf_chain(burst[i], next[1]);
		burst[i]->ol_flags = i % 4 == 0 ? RTE_MBUF_F_TX_VLAN : 0;
		burst[i]->vlan_tci = i; /* a context descriptor precedes it */
	}
	assert_int_equal(rte_eth_tx_burst(PORT, 0, burst, left), left);
	assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 1), 0);
	for (i = 0; i < NB_DESC; i++)
		txq()->ring[i].wb.status |= IGB_TXD_STAT_DD;
	for (i = 0; i < RTE_DIM(requested); i++) {
		n = requested[i] == 0 ? left : requested[i];
		assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, requested[i]), n);
		left -= n;
		assert_int_equal(rte_mempool_avail_count(pool),
				MBUFS - (NB_DESC - 1) - left * segs);
		/* A group that is partly freed is still watched and reported as one group. */
		assert_int_equal(rte_eth_tx_descriptor_status(PORT, 0, (txq()->nb_desc - 1)),
				RTE_ETH_TX_DESC_DONE);
	}
	assert_int_equal(txq()->nb_free, NB_DESC - 1);
	assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 0), 0);
	assert_int_equal(transmit(50, 1), 50);
}

/*
 * Stop, reset, MTU changes and a new set-up of the queues take nothing back; only
 * rte_eth_stats_reset() does.
 */
static void
counters_never_go_back(void **state)
{
	struct rte_eth_stats s;
	unsigned int turn, i;

	for (turn = 1; turn <= 4; turn++) {
		start(0);
		for (i = 0; i < 10; i++)
			write_back(i, GOOD, 60);
		write_back(10, GOOD, 0);
		drain();
		transmit(5, 1);
		*reg(IGB_TDH(0)) = 3; /* the two after it are never sent */
		*reg(IGB_RQDPC(0)) = 7;
		assert_int_equal(rte_eth_dev_set_mtu(PORT, turn % 2 != 0 ? 9000 : 1500), 0);
		if (turn == 2) {
			assert_int_equal(rte_eth_dev_rx_queue_stop(PORT, 0), 0);
			assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
			assert_int_equal(rte_eth_dev_rx_queue_start(PORT, 0), 0);
			assert_int_equal(rte_eth_dev_tx_queue_start(PORT, 0), 0);
		}
		fake.dead = fake.quiesced = turn == 4;
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		if (turn == 3)
			assert_int_equal(rte_eth_dev_reset(PORT), 0);
		assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
		assert_int_equal(s.ipackets, 10 * turn);
		assert_int_equal(s.ibytes, 600 * turn);
		assert_int_equal(s.ierrors, turn);
		assert_int_equal(s.opackets, 5 * turn);
		assert_int_equal(s.obytes, 300 * turn);
		/*
		 * A removed device does not report how many of the five were sent: none counts as
		 * sent.
		 */
		assert_int_equal(s.oerrors, turn < 4 ? 2 * turn : 11);
		/* Counts in the registers of a removed device are lost. */
		assert_int_equal(s.imissed, 7 * RTE_MIN(turn, 3));
	}
	assert_int_equal(rte_eth_stats_reset(PORT), 0);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_true(s.ipackets == 0 && s.opackets == 0 && s.imissed == 0 && s.ierrors == 0);
}

static void
tx_descriptor_status_is_right_across_the_wrap(void **state)
{
	unsigned int i;

	start(0);
	assert_int_equal(transmit(NB_DESC - 10, 1), NB_DESC - 10);
	tx_all_done();
	assert_int_equal(transmit(20, 1), 20);
	assert_int_equal(txq()->tail, 10);
	/* Offset 0 is the tail: the 20 packets that were sent are at the last offsets. */
	for (i = 0; i < NB_DESC; i++)
		assert_int_equal(rte_eth_tx_descriptor_status(PORT, 0, i),
				i < NB_DESC - 20 ? RTE_ETH_TX_DESC_DONE : RTE_ETH_TX_DESC_FULL);
	assert_int_equal(rte_eth_tx_descriptor_status(PORT, 0, NB_DESC), -EINVAL);
	/* Each burst of one packet is a group. */
	for (i = 0; i < 20; i++) {
		txq()->ring[(NB_DESC - 10 + i) % NB_DESC].wb.status |= IGB_TXD_STAT_DD;
		assert_int_equal(rte_eth_tx_descriptor_status(PORT, 0, NB_DESC - 20 + i),
				RTE_ETH_TX_DESC_DONE);
		if (i < 19)
			assert_int_equal(rte_eth_tx_descriptor_status(PORT, 0, NB_DESC - 19 + i),
					RTE_ETH_TX_DESC_FULL);
	}
}

static void
tx_context_descriptor_wraps_and_is_counted(void **state)
{
	struct rte_mbuf *m;

	start(0);
	assert_int_equal(transmit(NB_DESC - 1, 1), NB_DESC - 1);
	tx_all_done();
	assert_int_equal(txq()->tail, NB_DESC - 1);
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, 60));
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	m->vlan_tci = 5;
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
	assert_int_equal(rte_le_to_cpu_32(txq()->ring[NB_DESC - 1].data.cmd_type_len),
			IGB_TXD_DEXT | IGB_TXD_DTYP_CTXT);
	assert_null(txq()->sw_mbuf[NB_DESC - 1]);
	assert_ptr_equal(txq()->sw_mbuf[0], m);
	assert_int_equal(txq()->tail, 1);
	assert_int_equal(txq()->nb_free, NB_DESC - 3);
	/* The context counts: one free descriptor does not hold a context and a segment. */
	assert_int_equal(transmit(NB_DESC - 4, 1), NB_DESC - 4);
	assert_int_equal(txq()->nb_free, 1);
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(rte_pktmbuf_append(m, 60));
	m->ol_flags = RTE_MBUF_F_TX_VLAN;
	m->vlan_tci = 6;
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 0);
	rte_pktmbuf_free(m);
}

static struct rte_mbuf *
chain_of(unsigned int segs)
{
	struct rte_mbuf *head = NULL, *m;

	while (segs-- != 0) {
		m = rte_pktmbuf_alloc(pool);
		assert_non_null(m);
		assert_non_null(rte_pktmbuf_append(m, 60));
		if (head == NULL)
			head = m;
		else
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
	}
	return head;
}

static void
tx_fast_free_returns_linked_segments_unlinked(void **state)
{
	const struct rte_eth_conf conf = { .txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
				RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE };
	static struct rte_mbuf *all[MBUFS];
	struct rte_mbuf *m;
	unsigned int i, n;

	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL), 0);
	assert_true(txq()->fast_free);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	m = chain_of(3);
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
	tx_all_done();
	n = rte_mempool_avail_count(pool);
	assert_int_equal(rte_mempool_get_bulk(pool, (void **)all, n), 0);
	for (i = 0; i < n; i++) {
		assert_null(all[i]->next);
		assert_int_equal(all[i]->nb_segs, 1);
	}
	rte_mempool_put_bulk(pool, (void **)all, n);
}

static size_t
nr_mapped(void)
{
	size_t i, n = 0;

	for (i = 0; i < iommu.nr; i++)
		n += iommu.table[i] != 0;
	return n;
}

static void
tx_failing_chain_leaves_no_mapping(void **state)
{
	struct rte_eth_stats s;
	unsigned int bad, avail;
	struct rte_mbuf *m;
	size_t mapped;

	start(0);
	avail = rte_mempool_avail_count(pool);
	mapped = nr_mapped();
	for (bad = 0; bad < 5; bad++) {
		m = chain_of(3);
		if (bad == 0)
			m->next->next->data_len = 0;
		else if (bad == 1)
			m->nb_segs = 4;
		else if (bad == 2)
			m->nb_segs = 2;
		else if (bad == 3)
			m->pkt_len++;
		else { /* one segment by all fields of the first line, and a chain by the second */
			m->nb_segs = 1;
			m->pkt_len = m->data_len;
		}
		assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
		assert_int_equal(nr_mapped(), mapped);
		assert_int_equal(rte_mempool_avail_count(pool), avail);
		assert_int_equal(txq()->nb_free, NB_DESC - 1);
	}
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, bad);
}

/*
 * A packet that cannot be mapped is dropped if no transmission is in flight. Otherwise the burst
 * function does not take it, and the application may send it again.
 */
static void
tx_chain_that_cannot_be_mapped_is_undone(void **state)
{
	struct rte_mbuf *m, *last;
	struct rte_eth_stats s;
	unsigned int avail;
	size_t mapped;

	if (strcmp(iommu.mode, "bounce") == 0)
		return; /* bounce mode can map any memory */
	start(0);
	avail = rte_mempool_avail_count(pool);
	mapped = nr_mapped();
	m = chain_of(3);
	last = m->next->next;
	no_iova(pool, NULL, last, 0);
	log_begin();
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
	assert_int_equal(log_end("tx queue 0: a packet is dropped, because a buffer cannot be "
				 "mapped"),
			1);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, 1);
	assert_int_equal(rte_mempool_avail_count(pool), avail);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	assert_int_equal(nr_mapped(), mapped);

	assert_int_equal(transmit(1, 1), 1);
	mapped = nr_mapped();
	m = chain_of(3);
	last = m->next->next;
	no_iova(pool, NULL, last, 0);
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 0);
	assert_int_equal(nr_mapped(), mapped);
	assert_int_equal(txq()->nb_free, NB_DESC - 2);
	assert_int_equal(txq()->tail, 1);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_avail_count(pool), avail - 1);
	/* The mbuf in flight keeps its mapping, and the pool's mbufs get their own buffers back. */
	tx_all_done();
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
}

/* One line for each start of the queue, however many packets are dropped. */
static void
tx_unmappable_packets_are_logged_once_for_each_start(void **state)
{
	struct rte_eth_stats s;
	unsigned int turn, i;
	struct rte_mbuf *m;

	if (strcmp(iommu.mode, "bounce") == 0)
		return; /* bounce mode can map any memory */
	start(0);
	rte_mempool_obj_iter(pool, no_iova, NULL);
	for (turn = 1; turn <= 2; turn++) {
		log_begin();
		for (i = 0; i < 100; i++)
			assert_int_equal(transmit(1, 1), 1);
		assert_int_equal(log_end("cannot be mapped"), 1);
		assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
		assert_int_equal(s.oerrors, 100 * turn);
		assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
		assert_int_equal(rte_eth_dev_tx_queue_start(PORT, 0), 0);
	}
	/* A malformed chain is no question of mappings. */
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	m = chain_of(3);
	m->nb_segs = 2;
	log_begin();
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
	assert_int_equal(log_end("cannot be mapped"), 0);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, 201);
}

/* Descriptors are never done: the ring fills, and the driver takes no more packets. */
static void
tx_full_ring_takes_no_more(void **state)
{
	start(0);
	assert_int_equal(transmit(1000, 1), NB_DESC - 1);
	assert_int_equal(transmit(10, 3), 0);
	assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 0), 0);
}

/* A packet and a context descriptor must fit into an empty ring. */
static void
tx_chain_has_a_limit_of_segments(void **state)
{
	static const struct {
		uint16_t nb_desc, most;
	} t[] = { { 32, 30 }, { 64, 62 }, { 72, 64 }, { NB_DESC, 64 } };
	struct rte_eth_stats s;
	struct rte_mbuf *m;
	unsigned int i, more;

	start(0);
	for (i = 0; i < RTE_DIM(t); i++) {
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, t[i].nb_desc, SOCKET_ID_ANY, NULL),
				0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		for (more = 0; more <= 1; more++) {
			m = chain_of(t[i].most + more);
			rte_errno = 0;
			assert_int_equal(igb_prep_pkts(txq(), &m, 1), !more);
			assert_int_equal(rte_errno, more ? EINVAL : 0);
			assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
			assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
			assert_int_equal(s.oerrors, i + more);
			tx_all_done();
		}
	}
}

/*
 * Entries of free descriptors are stale while a queue runs. A queue that stops frees the mbufs in
 * flight and no others, wherever they are in the ring.
 */
static void
tx_stop_frees_what_is_in_flight(void **state)
{
	static const unsigned int before[] = { 0, 1, NB_DESC - 2, NB_DESC - 1, NB_DESC, 100 };
	static const unsigned int in_flight[] = { 0, 1, 5, 40 };
	struct rte_mbuf *others[MBUFS];
	unsigned int i, j, k, avail, nr;
	size_t mapped;

	start(0);
	avail = rte_mempool_avail_count(pool);
	mapped = nr_mapped();
	for (i = 0; i < RTE_DIM(before); i++)
		for (j = 0; j < RTE_DIM(in_flight); j++) {
			for (k = 0; k < before[i]; k += nr) {
				nr = RTE_MIN(before[i] - k, 20u);
				assert_int_equal(transmit(nr, 1 + k % 2), nr);
				tx_all_done();
			}
			assert_int_equal(transmit(in_flight[j], 1), in_flight[j]);
			/* Their owner must not lose them to the queue. */
			nr = RTE_MIN(rte_mempool_avail_count(pool), RTE_DIM(others));
			assert_int_equal(rte_pktmbuf_alloc_bulk(pool, others, nr), 0);
			assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
			assert_int_equal(rte_mempool_avail_count(pool), in_flight[j]);
			assert_int_equal(nr_mapped(), mapped);
			for (k = 0; k < NB_DESC; k++)
				assert_null(txq()->sw_mbuf[k]);
			for (k = 0; k < nr; k++)
				assert_int_equal(rte_mbuf_refcnt_read(others[k]), 1);
			rte_pktmbuf_free_bulk(others, nr);
			assert_int_equal(rte_mempool_avail_count(pool), avail);
			assert_int_equal(rte_eth_dev_tx_queue_start(PORT, 0), 0);
		}
}

/* The defaults fit each size of ring. */
static void
defaults_fit_each_ring_size(void **state)
{
	static const uint16_t sizes[] = { IGB_MIN_DESC, 40, 1024 };
	static const struct rte_eth_conf conf;
	unsigned int i;

	for (i = 0; i < RTE_DIM(sizes); i++) {
		assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
		assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, sizes[i], SOCKET_ID_ANY, NULL,
						 pool),
				0);
		assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, sizes[i], SOCKET_ID_ANY, NULL), 0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(rxq()->posted, sizes[i] - 1);
		assert_int_equal(transmit(sizes[i], 1), sizes[i] - 1);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
	for (i = 0; i < IGB_MIN_DESC; i += 8)
		assert_true(rte_eth_rx_queue_setup(PORT, 0, i == 0 ? 4104 : i, SOCKET_ID_ANY, NULL,
					    pool) < 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(tx_cleanup_frees_no_more_than_requested),
		PORT_TEST(tx_descriptor_status_is_right_across_the_wrap),
		PORT_TEST(tx_context_descriptor_wraps_and_is_counted),
		PORT_TEST(tx_fast_free_returns_linked_segments_unlinked),
		PORT_TEST(tx_failing_chain_leaves_no_mapping),
		PORT_TEST(tx_chain_that_cannot_be_mapped_is_undone),
		PORT_TEST(counters_never_go_back),
		PORT_TEST(tx_random_done_bits_lose_no_mbuf),
		PORT_TEST(tx_unmappable_packets_are_logged_once_for_each_start),
		PORT_TEST(tx_full_ring_takes_no_more),
		PORT_TEST(tx_chain_has_a_limit_of_segments),
		PORT_TEST(tx_stop_frees_what_is_in_flight),
		PORT_TEST(defaults_fit_each_ring_size),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_tx", tests, NULL, NULL);
}
