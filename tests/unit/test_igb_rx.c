/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's receive path (drivers/net/igb/igb_rx.c) against a device that is broken or
 * hostile. The test is the device: a bus with a page of registers, and rings that the test writes
 * to (igb_fake.h).
 *
 * The driver must uphold the following, whatever the device does: it does not crash; it delivers
 * well-formed mbufs or none; it counts errors; and it returns each mbuf to its pool in the end,
 * once. The program runs once in each DMA mode (direct, window, strict, bounce).
 */

#include "igb_fake.h"

static void
rx_good_frames_are_delivered(void **state)
{
	unsigned int turn, i;

	start(0);
	for (turn = 0; turn < 100; turn++) {
		for (i = 0; i < 50; i++)
			write_back(i, GOOD, 60 + i);
		assert_int_equal(drain(), 50);
	}
	assert_int_equal(ierrors(), 0);
}

static void
rx_bad_lengths_are_counted_as_errors(void **state)
{
	static const uint16_t bad[] = { 0, 2049, 4096, 9728, 0x8000, 0xFFFF };
	unsigned int i;

	start(0);
	for (i = 0; i < RTE_DIM(bad); i++) {
		write_back(0, GOOD, bad[i]);
		write_back(1, GOOD, 60);
		assert_int_equal(drain(), 1);
		assert_int_equal(ierrors(), i + 1);
	}
	write_back(0, GOOD, rxq()->buf_len);
	write_back(1, GOOD | IGB_RXD_ERR_RXE, 60);
	assert_int_equal(drain(), 1);
	assert_int_equal(ierrors(), i + 1);
}

static void
count_buffer(void *arg, const struct gantry_dma_mapping *m)
{
	*(unsigned int *)arg += m->reach == GANTRY_DMA_REACH_BUFFER;
}

/* Return how many buffers the device reaches, apart from memory that it reaches as a whole. */
static unsigned int
buffers_in_reach(void)
{
	unsigned int n = 0;

	gantry_dma_for_each_mapping(igb_adapter_of(&rte_eth_devices[PORT])->dma, count_buffer, &n);
	return n;
}

/* Before their mbufs are back in the pool, where somebody else may get them. */
static void
rx_stop_takes_every_buffer_from_the_device(void **state)
{
	start(0);
	assert_int_equal(buffers_in_reach(),
			strcmp(iommu.mode, "strict") == 0 || strcmp(iommu.mode, "bounce") == 0 ?
					rxq()->posted :
					0);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(buffers_in_reach(), 0);
	assert_pool_is_whole();
}

/* Write-backs from before the start are no frames. The last descriptor has no buffer. */
static void
rx_start_clears_the_ring(void **state)
{
	unsigned int i;

	start(0);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	memset(rxq()->ring, 0xFF, NB_DESC * sizeof(*rxq()->ring));
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	for (i = 0; i < NB_DESC; i++)
		assert_int_equal(rxq()->ring[i].qw[1], 0);
	assert_int_equal(rxq()->ring[NB_DESC - 1].qw[0], 0);
}

/* A frame without an end does not grow beyond the maximum length of a frame. */
static void
rx_frame_without_end_is_bounded(void **state)
{
	unsigned int turn, i;

	start(RTE_ETH_RX_OFFLOAD_SCATTER);
	for (turn = 0; turn < 100; turn++) {
		for (i = 0; i < 100; i++)
			write_back(i, IGB_RXD_STAT_DD, 1 + i % 7);
		assert_int_equal(drain(), 0);
		assert_true(rxq()->first == NULL ||
				rxq()->first->nb_segs <= IGB_MAX_FRAME / rxq()->buf_len + 1);
	}
	assert_int_equal(ierrors(), 1);
	write_back(0, GOOD, 60); /* its end */
	write_back(1, IGB_RXD_STAT_DD, 1000);
	write_back(2, GOOD, 60);
	assert_int_equal(drain(), 1);
	/* The port stops in the middle of a frame. */
	write_back(0, IGB_RXD_STAT_DD, 60);
	write_back(1, IGB_RXD_STAT_DD, 60);
	assert_int_equal(drain(), 0);
	assert_non_null(rxq()->first);
}

/* An application that has not enabled scattered frames receives none. */
static void
rx_scatter_needs_offload(void **state)
{
	start(0);
	write_back(0, IGB_RXD_STAT_DD, 60);
	write_back(1, IGB_RXD_STAT_DD, 60);
	write_back(2, GOOD, 60);
	write_back(3, GOOD, 60);
	assert_int_equal(drain(), 1);
	assert_int_equal(ierrors(), 1);
}

/* Receive the one frame that is there, assert its length and number of mbufs, and free it. */
static void
assert_received(uint32_t len, uint16_t segs)
{
	struct rte_mbuf *m;
	const char *why;

	assert_int_equal(rte_eth_rx_burst(PORT, 0, &m, 1), 1);
	if (rte_mbuf_check(m, 1, &why) != 0)
		fail_msg("%s", why);
	assert_int_equal(m->pkt_len, len);
	assert_int_equal(m->nb_segs, segs);
	rte_pktmbuf_free(m);
}

/* Write a frame of len bytes back, as the device, over as many buffers as it takes. */
static void
write_frame(uint32_t len)
{
	const uint16_t part = rxq()->buf_len;
	unsigned int i;

	for (i = 0; len > part; len -= part)
		write_back(i++, IGB_RXD_STAT_DD, part);
	write_back(i, GOOD, len);
}

/*
 * Frames that do not fit one buffer arrive as chains, whether or not the application enabled
 * scatter.
 */
static void
rx_frames_beyond_buffer_are_chained(void **state)
{
	/*
	 * Bytes after the headroom; the number of them that the device uses; RCTL.BSIZE; whether
	 * frames of the standard MTU are scattered.
	 */
	static const struct {
		uint16_t room, used;
		uint32_t bsize;
		bool scatter;
	} t[] = {
		{ 2048, 2048, IGB_RCTL_BSIZE_2048, false },
		{ 1920, 1024, IGB_RCTL_BSIZE_2048, true },
		{ 1024, 1024, IGB_RCTL_BSIZE_2048, true },
		{ 1023, 512, IGB_RCTL_BSIZE_512, true },
		{ 511, 256, IGB_RCTL_BSIZE_256, true },
		{ 256, 256, IGB_RCTL_BSIZE_256, true },
	};
	struct rte_eth_rxq_info info;
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		struct rte_mempool *mp = rte_pktmbuf_pool_create("small", MBUFS, 0, 0,
				t[i].room + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);

		assert_non_null(mp);
		queues_of(mp, NB_DESC);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(*reg(IGB_SRRCTL(0)) & IGB_SRRCTL_BSIZEPKT_MASK, t[i].used / 1024);
		assert_int_equal(*reg(IGB_RCTL) & IGB_RCTL_BSIZE_MASK, t[i].bsize);
		assert_int_equal(rte_eth_rx_queue_info_get(PORT, 0, &info), 0);
		assert_int_equal(info.rx_buf_size, t[i].used);
		assert_int_equal(info.scattered_rx, t[i].scatter);
		write_frame(1518);
		assert_received(1518, (1518 + t[i].used - 1) / t[i].used);
		assert_int_equal(ierrors(), 0);

		/* A larger MTU at run time, and back while a frame of that size is in the ring. */
		assert_int_equal(rte_eth_dev_set_mtu(PORT, 9000), 0);
		assert_int_equal(*reg(IGB_RLPML), 9022);
		assert_int_equal(rte_eth_rx_queue_info_get(PORT, 0, &info), 0);
		assert_true(info.scattered_rx);
		write_frame(9018);
		assert_int_equal(rte_eth_dev_set_mtu(PORT, 1500), 0);
		assert_int_equal(*reg(IGB_RLPML), 1522);
		assert_received(9018, (9018 + t[i].used - 1) / t[i].used);
		assert_int_equal(ierrors(), 0);

		/* The next start decides again. */
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(rte_eth_rx_queue_info_get(PORT, 0, &info), 0);
		assert_int_equal(info.scattered_rx, t[i].scatter);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		queues_of(pool, NB_DESC);
		rte_mempool_free(mp);
	}
}

/*
 * The longest frame of an MTU decides, with a tag and without FCS: as long as a buffer, or one byte
 * longer.
 */
static void
rx_scatters_from_one_byte_more_than_a_buffer(void **state)
{
	struct rte_eth_rxq_info info;
	uint16_t more;

	for (more = 0; more < 2; more++) {
		queues_of(pool, NB_DESC);
		assert_int_equal(rte_eth_dev_set_mtu(PORT, 2048 - 18 + more), 0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(rte_eth_rx_queue_info_get(PORT, 0, &info), 0);
		assert_int_equal(info.rx_buf_size, 2048);
		assert_int_equal(info.scattered_rx, more);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_int_equal(rte_eth_dev_set_mtu(PORT, 1500), 0);
	}
}

/*
 * Up to an MTU of 1500 RLPML is the limit that the device has without RLPML: 1522 bytes with a VLAN
 * tag.
 */
static void
rx_limit_is_that_of_standard_frames(void **state)
{
	static const uint16_t mtu[] = { 68, 576, 1499, 1500, 1501, 9000, IGB_MAX_MTU };
	unsigned int i;

	start(0);
	for (i = 0; i < RTE_DIM(mtu); i++) {
		assert_int_equal(rte_eth_dev_set_mtu(PORT, mtu[i]), 0);
		assert_int_equal(*reg(IGB_RLPML), RTE_MAX(mtu[i], 1500) + 22);
	}
}

/* All queues with buffers below 1 KB share one RCTL.BSIZE: the smallest of their buffer sizes. */
static void
rx_bsize_is_smallest_of_queues(void **state)
{
	static const uint16_t room[] = { 256, 600, 1920, 4096 }, used[] = { 256, 256, 1024, 4096 };
	static const struct rte_eth_conf conf = { .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS };
	struct rte_mempool *mp[RTE_DIM(room)];
	struct rte_eth_rxq_info info;
	char name[16];
	uint16_t i;

	assert_int_equal(rte_eth_dev_configure(PORT, RTE_DIM(room), 1, &conf), 0);
	for (i = 0; i < RTE_DIM(room); i++) {
		snprintf(name, sizeof(name), "mixed%u", i);
		mp[i] = rte_pktmbuf_pool_create(name, NB_DESC, 0, 0, room[i] + RTE_PKTMBUF_HEADROOM,
				SOCKET_ID_ANY);
		assert_non_null(mp[i]);
		assert_int_equal(rte_eth_rx_queue_setup(PORT, i, NB_DESC, SOCKET_ID_ANY, NULL,
						 mp[i]),
				0);
	}
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(*reg(IGB_RCTL) & IGB_RCTL_BSIZE_MASK, IGB_RCTL_BSIZE_256);
	for (i = 0; i < RTE_DIM(room); i++) {
		assert_int_equal(rte_eth_rx_queue_info_get(PORT, i, &info), 0);
		assert_int_equal(info.rx_buf_size, used[i]);
		assert_int_equal(*reg(IGB_SRRCTL(i)) & IGB_SRRCTL_BSIZEPKT_MASK, used[i] / 1024);
	}
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	queues_of(pool, NB_DESC);
	for (i = 0; i < RTE_DIM(room); i++)
		rte_mempool_free(mp[i]);
}

/*
 * The driver refuses a ring that can never hold a frame, at start and at run time; a ring that can
 * receives it.
 */
static void
rx_ring_too_short_for_frame_is_refused(void **state)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create("small", MBUFS, 0, 0,
			256 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
	unsigned int turn;

	assert_non_null(mp);
	queues_of(mp, IGB_MIN_DESC);
	assert_int_equal(rte_eth_dev_set_mtu(PORT, 7700), 0);
	log_begin();
	assert_int_equal(rte_eth_dev_start(PORT), -EINVAL);
	assert_int_equal(log_end("takes 31 buffers of 256 bytes, more than 32 descriptors"), 1);
	assert_int_equal(rte_eth_dev_set_mtu(PORT, 1500), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(rte_eth_dev_set_mtu(PORT, 7700), -EINVAL);
	/* 30 of the 31 buffers: the driver refills the ring in time, whatever the threshold. */
	assert_int_equal(rte_eth_dev_set_mtu(PORT, 7662), 0);
	for (turn = 0; turn < 3 * IGB_MIN_DESC; turn++) {
		write_back(0, GOOD, 60);
		assert_received(60, 1);
		assert_true(rxq()->posted >= 30);
	}
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	queues_of(pool, NB_DESC);
	rte_mempool_free(mp);
}

/* All descriptors but one have a buffer after the start, whatever the threshold divides. */
static void
rx_ring_is_filled_at_the_start(void **state)
{
	struct rte_eth_dev_info info;
	struct rte_eth_rxconf *conf = &info.default_rxconf;
	unsigned int thresh;

	assert_int_equal(rte_eth_dev_info_get(PORT, &info), 0);
	queues_of(pool, NB_DESC);
	for (thresh = 1; thresh < NB_DESC - 1; thresh++) {
		conf->rx_free_thresh = thresh;
		assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, conf,
						 pool),
				0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(rxq()->posted, NB_DESC - 1);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
	queues_of(pool, NB_DESC);
}

static uint64_t
nombuf(void)
{
	struct rte_eth_stats s;

	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	return s.rx_nombuf;
}

/* A descriptor without an mbuf counts once, however often the application polls. */
static void
rx_nombuf_counts_shortages(void **state)
{
	static struct rte_mbuf *taken[MBUFS];
	unsigned int turn, i, n;

	start(0);
	for (turn = 1; turn <= 2; turn++) {
		const uint64_t before = nombuf();

		n = rte_mempool_avail_count(pool);
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, taken, n), 0);
		for (i = 0; i < 40; i++)
			write_back(i, GOOD, 60);
		/* The application keeps the mbuf of each frame: 40 descriptors are empty. */
		assert_int_equal(rte_eth_rx_burst(PORT, 0, taken + n, 40), 40);
		assert_int_equal(nombuf(), before + 40);
		for (i = 0; i < 1000; i++)
			drain();
		assert_int_equal(nombuf(), before + 40);
		/* Five more frames: five more mbufs are missing. */
		for (i = 0; i < 5; i++)
			write_back(i, GOOD, 60);
		assert_int_equal(rte_eth_rx_burst(PORT, 0, taken + n + 40, 40), 5);
		for (i = 0; i < 1000; i++)
			drain();
		assert_int_equal(nombuf(), before + 45);
		/* The shortage ends, and the next one is counted again. */
		rte_pktmbuf_free_bulk(taken, n + 45);
		drain();
		assert_int_equal(nombuf(), before + 45);
	}
	assert_int_equal(rte_eth_stats_reset(PORT), 0);
	assert_int_equal(nombuf(), 0);
}

/* IPv6 has no header checksum that could be wrong; a frame that is not IP is not marked as good. */
static void
rx_checksum_flags_match_descriptor(void **state)
{
	static const struct {
		uint16_t ptype;
		uint32_t status;
		uint64_t flags;
	} t[] = {
		{ 0, 0, 0 },
		{ IGB_RXD_PTYPE_IPV4, 0, 0 },
		{ IGB_RXD_PTYPE_IPV4, IGB_RXD_STAT_IPCS, RTE_MBUF_F_RX_IP_CKSUM_GOOD },
		{ IGB_RXD_PTYPE_IPV4, IGB_RXD_STAT_IPCS | IGB_RXD_ERR_IPE,
				RTE_MBUF_F_RX_IP_CKSUM_BAD },
		{ IGB_RXD_PTYPE_IPV6, 0, RTE_MBUF_F_RX_IP_CKSUM_GOOD },
		{ IGB_RXD_PTYPE_IPV6_EXT, 0, RTE_MBUF_F_RX_IP_CKSUM_GOOD },
		{ IGB_RXD_PTYPE_IPV6 | IGB_RXD_PTYPE_TCP, IGB_RXD_STAT_L4I,
				RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD },
		{ IGB_RXD_PTYPE_IPV6 | IGB_RXD_PTYPE_UDP, IGB_RXD_STAT_L4I | IGB_RXD_ERR_L4E,
				RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD },
		/* IPv4 around IPv6: the checksum that the device verified decides. */
		{ IGB_RXD_PTYPE_IPV4 | IGB_RXD_PTYPE_IPV6, IGB_RXD_STAT_IPCS | IGB_RXD_ERR_IPE,
				RTE_MBUF_F_RX_IP_CKSUM_BAD },
	};
	static const uint64_t offloads[] = { RTE_ETH_RX_OFFLOAD_CHECKSUM, 0 };
	const uint64_t mask = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct rte_mbuf *m;
	unsigned int i, k;

	for (k = 0; k < RTE_DIM(offloads); k++) {
		start(offloads[k]);
		for (i = 0; i < RTE_DIM(t); i++) {
			/* Without the offload the device checks nothing. */
			write_back(0, GOOD | (k == 0 ? t[i].status : 0), 60);
			/* The type of RSS, next to that of the packet, decides nothing. */
			rxq()->ring[rxq()->next].wb.pkt_info = t[i].ptype << IGB_RXD_PTYPE_SHIFT |
					0xF;
			assert_int_equal(rte_eth_rx_burst(PORT, 0, &m, 1), 1);
			assert_int_equal(m->ol_flags & mask, k == 0 ? t[i].flags : 0);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
}

static void
rx_waits_for_next_descriptor(void **state)
{
	unsigned int i;

	start(0);
	for (i = 1; i < NB_DESC; i += 2)
		write_back(i, GOOD, 60);
	assert_int_equal(drain(), 0);
	assert_in_range(rte_eth_rx_queue_count(PORT, 0), 0, NB_DESC);
	for (i = 0; i < 100; i += 2)
		write_back(i, GOOD, 60);
	assert_int_equal(drain(), 100);
	/* All descriptors at once, including the one that the driver never handed over. */
	for (i = 0; i < NB_DESC; i++)
		rxq()->ring[i].qw[1] = UINT64_MAX;
	drain();
}

static void
rx_random_write_backs_give_well_formed_mbufs(void **state)
{
	unsigned int turn, i;

	start(RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_CHECKSUM |
			RTE_ETH_RX_OFFLOAD_VLAN_STRIP);
	srand(1);
	for (turn = 0; turn < 20000; turn++) {
		const unsigned int n = rand() % NB_DESC;

		for (i = 0; i < n; i++)
			write_back(i, (uint32_t)rand() << 16 ^ (uint32_t)rand() ^ (rand() % 8 != 0),
					rand() % 4 != 0 ? rand() % 2100 : rand());
		/* The driver does not read these. */
		*reg(IGB_RDH(0)) = rand();
		*reg(IGB_RDT(0)) = rand();
		*reg(IGB_TDH(0)) = rand();
		*reg(IGB_TDT(0)) = rand();
		drain();
		rte_eth_rx_queue_count(PORT, 0);
		rte_eth_rx_descriptor_status(PORT, 0, rand() % NB_DESC);
	}
	assert_true(ierrors() > 0);
}

static void
rx_queue_count_and_status_are_right_across_the_wrap(void **state)
{
	unsigned int i;

	start(0);
	while (rxq()->next < NB_DESC - 10) {
		write_back(0, GOOD, 60);
		assert_int_equal(drain(), 1);
	}
	assert_int_equal(rte_eth_rx_queue_count(PORT, 0), 0);
	for (i = 0; i < 20; i++) {
		write_back(i, GOOD, 60);
		assert_int_equal(rte_eth_rx_queue_count(PORT, 0), i + 1);
		assert_int_equal(rte_eth_rx_descriptor_status(PORT, 0, i), RTE_ETH_RX_DESC_DONE);
		assert_int_equal(rte_eth_rx_descriptor_status(PORT, 0, i + 1),
				RTE_ETH_RX_DESC_AVAIL);
	}
	assert_int_equal(rte_eth_rx_descriptor_status(PORT, 0, rxq()->posted - 1),
			RTE_ETH_RX_DESC_AVAIL);
	assert_int_equal(rte_eth_rx_descriptor_status(PORT, 0, rxq()->posted),
			RTE_ETH_RX_DESC_UNAVAIL);
	assert_int_equal(rte_eth_rx_descriptor_status(PORT, 0, NB_DESC), -EINVAL);
	assert_int_equal(drain(), 20);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(rx_good_frames_are_delivered),
		PORT_TEST(rx_bad_lengths_are_counted_as_errors),
		PORT_TEST(rx_stop_takes_every_buffer_from_the_device),
		PORT_TEST(rx_start_clears_the_ring),
		PORT_TEST(rx_frame_without_end_is_bounded),
		PORT_TEST(rx_scatter_needs_offload),
		PORT_TEST(rx_frames_beyond_buffer_are_chained),
		PORT_TEST(rx_scatters_from_one_byte_more_than_a_buffer),
		PORT_TEST(rx_limit_is_that_of_standard_frames),
		PORT_TEST(rx_bsize_is_smallest_of_queues),
		PORT_TEST(rx_ring_too_short_for_frame_is_refused),
		PORT_TEST(rx_ring_is_filled_at_the_start),
		PORT_TEST(rx_nombuf_counts_shortages),
		PORT_TEST(rx_checksum_flags_match_descriptor),
		PORT_TEST(rx_waits_for_next_descriptor),
		PORT_TEST(rx_random_write_backs_give_well_formed_mbufs),
		PORT_TEST(rx_queue_count_and_status_are_right_across_the_wrap),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_rx", tests, NULL, NULL);
}
