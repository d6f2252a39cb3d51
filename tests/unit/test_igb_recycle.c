/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of mbuf recycling (drivers/net/igb/igb_recycle.c), for DPDK 23.11 and later. The test is the
 * device and the application (igb_fake.h): it receives packets, sends them, reports them as sent,
 * and has their mbufs moved back to the receive ring. Outside direct mode no mbuf moves.
 */

#include "igb_fake.h"

#define GROUP 32

static struct rte_eth_recycle_rxq_info info;

static bool
is_direct(void)
{
	return strcmp(iommu.mode, "direct") == 0;
}

/* Receive n packets, and send them in one burst. */
static void
forward(unsigned int n)
{
	struct rte_mbuf *pkts[64];
	unsigned int i;

	for (i = 0; i < n; i++)
		write_back(i, GOOD, 60);
	assert_int_equal(rte_eth_rx_burst(PORT, 0, pkts, n), n);
	for (i = 0; i < n; i++)
		pkts[i]->ol_flags = 0;
	assert_int_equal(rte_eth_tx_burst(PORT, 0, pkts, n), n);
}

static void
report_all(void)
{
	unsigned int i;

	for (i = 0; i < txq()->nb_desc; i++)
		txq()->ring[i].wb.status |= IGB_TXD_STAT_DD;
}

/* Post the mbufs of a group as another driver's transmit queue would have them posted. */
static void
refill(void)
{
	struct rte_mbuf **m = &rxq()->sw_mbuf[rxq()->fill];
	const uint16_t at = rxq()->fill;
	uint16_t i;

	assert_int_equal(rte_mempool_get_bulk(pool, (void **)m, GROUP), 0);
	rte_eth_fp_ops[PORT].recycle_rx_descriptors_refill(rxq(), GROUP);
	assert_int_equal(rxq()->posted, NB_DESC - 1);
	assert_int_equal(*reg(IGB_RDT(0)), (at + GROUP) % NB_DESC);
	for (i = at; i < at + GROUP; i++)
		assert_int_equal(rxq()->ring[i].read.pkt_addr, rxq()->sw_addr[i]);
}

/*
 * Start a ring whose next refill begins at the start of a line, because the first one ends before
 * the last descriptor.
 */
static void
start_recycling(uint64_t tx_offloads)
{
	const struct rte_eth_conf conf = { .txmode.offloads = tx_offloads };

	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(rte_eth_recycle_rx_queue_info_get(PORT, 0, &info), 0);
	assert_int_equal(info.refill_requirement, is_direct() ? 0 : UINT16_MAX);
	forward(GROUP + 1);
	tx_all_done();
	assert_int_equal(rxq()->fill, GROUP);
}

static void
sent_mbufs_move_to_the_receive_ring(void **state)
{
	static const uint64_t offloads[] = { 0, RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE };
	struct rte_mbuf *sent[GROUP];
	unsigned int turn, lap, avail;
	uint16_t at, i;

	for (turn = 0; turn < RTE_DIM(offloads); turn++) {
		start_recycling(offloads[turn]);
		for (lap = 0; lap < 30; lap++) {
			forward(GROUP);
			avail = rte_mempool_avail_count(pool);
			for (i = 0; i < GROUP; i++)
				sent[i] = txq()->sw_mbuf[(txq()->clean + i) % NB_DESC];
			at = rxq()->fill;
			/* Not before the device has reported them. */
			assert_int_equal(rte_eth_recycle_mbufs(PORT, 0, PORT, 0, &info), 0);
			report_all();
			if (!is_direct() || txq()->clean + GROUP > NB_DESC) {
				assert_int_equal(rte_eth_recycle_mbufs(PORT, 0, PORT, 0, &info), 0);
				tx_all_done();
				refill();
				continue;
			}
			assert_int_equal(rte_eth_recycle_mbufs(PORT, 0, PORT, 0, &info), GROUP);
			assert_int_equal(rte_mempool_avail_count(pool), avail);
			assert_int_equal(txq()->nb_free, NB_DESC - 1);
			assert_int_equal(*reg(IGB_RDT(0)), (at + GROUP) % NB_DESC);
			for (i = 0; i < GROUP; i++) {
				assert_ptr_equal(rxq()->sw_mbuf[at + i], sent[i]);
				assert_int_equal(rxq()->ring[at + i].read.pkt_addr,
						rte_mbuf_data_iova_default(sent[i]));
				assert_int_equal(rxq()->ring[at + i].read.hdr_addr, 0);
			}
		}
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
}

static void
full_receive_ring_takes_no_mbufs(void **state)
{
	start_recycling(0);
	forward(GROUP);
	report_all();
	/* The ring is full again: the mbufs of the group do not fit. */
	rxq()->free_thresh = GROUP - 1;
	assert_int_equal(rte_eth_rx_burst(PORT, 0, &(struct rte_mbuf *){ NULL }, 1), 0);
	assert_int_equal(rxq()->posted, NB_DESC - 2);
	assert_int_equal(rte_eth_recycle_mbufs(PORT, 0, PORT, 0, &info), 0);
	assert_int_equal(txq()->nb_free, NB_DESC - 1 - GROUP);
}

static void
referenced_mbufs_do_not_move(void **state)
{
	struct rte_mbuf *m;
	unsigned int avail;

	start_recycling(0);
	forward(GROUP);
	m = txq()->sw_mbuf[txq()->clean];
	rte_mbuf_refcnt_update(m, 1);
	report_all();
	avail = rte_mempool_avail_count(pool);
	assert_int_equal(rte_eth_recycle_mbufs(PORT, 0, PORT, 0, &info), 0);
	tx_all_done();
	/* The others returned to the pool. */
	assert_int_equal(rte_mempool_avail_count(pool), avail + GROUP - 1);
	rte_pktmbuf_free(m);
}

/* The vector receive of other drivers has them equal when its ring is full. */
static void
equal_head_and_tail_take_no_mbufs(void **state)
{
	struct rte_eth_recycle_rxq_info other;
	uint16_t at = 0;

	start_recycling(0);
	forward(GROUP);
	report_all();
	other = info;
	other.refill_requirement = 0;
	other.refill_head = other.receive_tail = &at;
	assert_int_equal(igb_recycle_tx_mbufs_reuse(txq(), &other), 0);
	assert_int_equal(txq()->nb_free, NB_DESC - 1 - GROUP);
}

static void
stopped_queue_returns_mbufs_to_its_pool(void **state)
{
	unsigned int avail;

	start_recycling(0);
	assert_int_equal(rte_eth_dev_rx_queue_stop(PORT, 0), 0);
	avail = rte_mempool_avail_count(pool);
	assert_int_equal(rte_mempool_get_bulk(pool, (void **)&rxq()->sw_mbuf[rxq()->fill], GROUP),
			0);
	rte_eth_fp_ops[PORT].recycle_rx_descriptors_refill(rxq(), GROUP);
	assert_int_equal(rxq()->posted, 0);
	assert_int_equal(rte_mempool_avail_count(pool), avail);
	assert_int_equal(rte_eth_dev_rx_queue_start(PORT, 0), 0);
}

/* Other drivers calculate the room of a ring for sizes that are powers of 2. */
static void
ring_of_another_size_takes_no_mbufs(void **state)
{
	queues_of(pool, NB_DESC - 8);
	assert_int_equal(rte_eth_recycle_rx_queue_info_get(PORT, 0, &info), 0);
	assert_int_equal(info.refill_requirement, UINT16_MAX);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(sent_mbufs_move_to_the_receive_ring),
		PORT_TEST(full_receive_ring_takes_no_mbufs),
		PORT_TEST(referenced_mbufs_do_not_move),
		PORT_TEST(equal_head_and_tail_take_no_mbufs),
		PORT_TEST(stopped_queue_returns_mbufs_to_its_pool),
		PORT_TEST(ring_of_another_size_takes_no_mbufs),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_recycle", tests, NULL, NULL);
}
