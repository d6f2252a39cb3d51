/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's data path and watchdog (drivers/net/igb) against a device that is broken or
 * hostile. The test is the device: a bus with a page of registers, and rings that the test writes
 * to (igb_fake.h).
 *
 * The driver must uphold the following, whatever the device does: it does not crash; it delivers
 * well-formed mbufs or none; it counts errors; and it returns each mbuf to its pool in the end,
 * once. The program runs once in each DMA mode (direct, window, strict, bounce).
 */

#include "igb_fake.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

#define GOOD (IGB_RXD_STAT_DD | IGB_RXD_STAT_EOP)

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
		assert_true(rxq()->first == NULL || rxq()->first->nb_segs <=
			IGB_MAX_FRAME / rxq()->buf_len + 1);
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

static void
queues_of(struct rte_mempool *mp, uint16_t nb_desc)
{
	static const struct rte_eth_conf conf;

	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, nb_desc, SOCKET_ID_ANY, NULL, mp), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY, NULL), 0);
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
		mp[i] = rte_pktmbuf_pool_create(name, NB_DESC, 0, 0,
			room[i] + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
		assert_non_null(mp[i]);
		assert_int_equal(rte_eth_rx_queue_setup(PORT, i, NB_DESC, SOCKET_ID_ANY, NULL,
			mp[i]), 0);
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
			rxq()->ring[rxq()->next].wb.pkt_info = t[i].ptype << IGB_RXD_PTYPE_SHIFT;
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
			write_back(i, (uint32_t)rand() << 16 ^ (uint32_t)rand() ^
				(rand() % 8 != 0), rand() % 4 != 0 ? rand() % 2100 : rand());
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

static unsigned int
transmit(unsigned int nb, unsigned int segs)
{
	unsigned int i, s, sent = 0;

	for (i = 0; i < nb; i++) {
		struct rte_mbuf *m = NULL;

		for (s = 0; s < segs; s++) {
			struct rte_mbuf *next = rte_pktmbuf_alloc(pool);

			assert_non_null(next);
			assert_non_null(rte_pktmbuf_append(next, 60));
			if (m == NULL)
				m = next;
			else
				assert_int_equal(rte_pktmbuf_chain(m, next), 0);
		}
		if (rte_eth_tx_burst(PORT, 0, &m, 1) == 1)
			sent++;
		else
			rte_pktmbuf_free(m);
	}
	return sent;
}

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
tx_cleanup_frees_no_more_than_asked_for(void **state)
{
	static const unsigned int asked[] = { 1, 3, 1, 2, 5, 0 };
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
	for (i = 0; i < RTE_DIM(asked); i++) {
		n = asked[i] == 0 ? left : asked[i];
		assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, asked[i]), n);
		left -= n;
		assert_int_equal(rte_mempool_avail_count(pool), MBUFS - (NB_DESC - 1) -
			left * segs);
		/* A group that is partly freed is still watched and reported as one group. */
		assert_int_equal(rte_eth_tx_descriptor_status(PORT, 0,
			(txq()->nb_desc - 1)), RTE_ETH_TX_DESC_DONE);
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

/* Write everything that was sent back, as the device. */
static void
tx_all_done(void)
{
	unsigned int i;

	for (i = 0; i < NB_DESC; i++)
		txq()->ring[i].wb.status |= IGB_TXD_STAT_DD;
	rte_eth_tx_done_cleanup(PORT, 0, 0);
	assert_int_equal(txq()->nb_free, NB_DESC - 1);
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
		assert_int_equal(rte_eth_tx_descriptor_status(PORT, 0, i), i < NB_DESC - 20 ?
			RTE_ETH_TX_DESC_DONE : RTE_ETH_TX_DESC_FULL);
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
	assert_null(txq()->sw[NB_DESC - 1].mbuf);
	assert_ptr_equal(txq()->sw[0].mbuf, m);
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
	uint16_t i;

	start(0);
	avail = rte_mempool_avail_count(pool);
	mapped = nr_mapped();
	for (bad = 0; bad < 4; bad++) {
		m = chain_of(3);
		if (bad == 0)
			m->next->next->data_len = 0;
		else if (bad == 1)
			m->nb_segs = 4;
		else if (bad == 2)
			m->nb_segs = 2;
		else
			m->pkt_len++;
		assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
		assert_int_equal(nr_mapped(), mapped);
		assert_int_equal(rte_mempool_avail_count(pool), avail);
		assert_int_equal(txq()->nb_free, NB_DESC - 1);
		for (i = 0; i < NB_DESC; i++)
			assert_null(txq()->sw[i].mbuf);
	}
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, bad);
}

/* Give an mbuf a buffer in process memory, for which EAL has no bus address. */
static void
no_iova(struct rte_mempool *mp, void *arg, void *obj, unsigned int i)
{
	static uint8_t buf[RTE_MBUF_DEFAULT_BUF_SIZE];
	struct rte_mbuf *m = obj;

	m->buf_addr = buf;
	rte_mbuf_iova_set(m, RTE_BAD_IOVA);
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
	uint16_t i;

	if (strcmp(iommu.mode, "bounce") == 0)
		return; /* bounce mode can map any memory */
	start(0);
	avail = rte_mempool_avail_count(pool);
	mapped = nr_mapped();
	m = chain_of(3);
	last = m->next->next;
	no_iova(pool, NULL, last, 0);
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, 1);
	assert_int_equal(rte_mempool_avail_count(pool), avail);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	assert_int_equal(nr_mapped(), mapped);
	for (i = 0; i < NB_DESC; i++)
		assert_null(txq()->sw[i].mbuf);

	assert_int_equal(transmit(1, 1), 1);
	mapped = nr_mapped();
	m = chain_of(3);
	last = m->next->next;
	no_iova(pool, NULL, last, 0);
	assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 0);
	assert_int_equal(nr_mapped(), mapped);
	assert_int_equal(txq()->nb_free, NB_DESC - 2);
	assert_int_equal(txq()->tail, 1);
	for (i = 1; i < NB_DESC; i++)
		assert_null(txq()->sw[i].mbuf);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.oerrors, 1);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_avail_count(pool), avail - 1);
	/* The mbuf in flight keeps its mapping, and the pool's mbufs get their own buffers back. */
	tx_all_done();
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
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

/* If the device does not release a queue, the driver resets the device and frees the queue. */
static void
stuck_queue_is_freed_by_reset(void **state)
{
	start(0);
	transmit(50, 1);
	fake.sticky = true;
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	fake.sticky = false;
	start(0);
	write_back(0, GOOD, 60);
	assert_int_equal(drain(), 1);
}

static void
count_block(void *arg, const struct gantry_dma_block *b)
{
	++*(unsigned int *)arg;
}

static unsigned int
nr_blocks(void)
{
	unsigned int n = 0;

	gantry_dma_for_each_block(igb_adapter_of(&rte_eth_devices[PORT])->dma, count_block, &n);
	return n;
}

/*
 * Memory that the port keeps for good, including that of its mappings, is not a leak for
 * LeakSanitizer.
 */
static int
port_new_that_keeps_memory(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
	__lsan_disable();
#endif
	return port_new(state);
}

static int
port_kept(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
	__lsan_enable();
#endif
	return 0;
}

/*
 * The driver does not release memory that the device may still write to, even when the port is
 * closed.
 */
static void
stuck_queues_keep_their_memory_when_they_are_released(void **state)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create("kept", MBUFS, 0, 0,
		RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	const unsigned int left = MBUFS - (NB_DESC - 1) - 10;
	struct rte_mbuf *m;
	unsigned int i;

	assert_non_null(mp);
	queues_of(mp, NB_DESC);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	for (i = 0; i < 10; i++) {
		m = rte_pktmbuf_alloc(mp);
		rte_pktmbuf_append(m, 60);
		assert_int_equal(rte_eth_tx_burst(PORT, 0, &m, 1), 1);
	}
	fake.sticky = fake.no_reset = true;
	log_begin();
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(log_end("2 rings and 265 mbufs are not given back"), 1);
	assert_int_equal(rte_mempool_avail_count(mp), left);
	assert_int_equal(nr_blocks(), 2);
	assert_true(rte_eth_dev_rx_queue_start(PORT, 0) < 0);
	assert_true(rte_eth_dev_tx_queue_start(PORT, 0) < 0);
	queues_of(pool, NB_DESC);
	assert_int_equal(rte_mempool_avail_count(mp), left);
	assert_int_equal(nr_blocks(), 4);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	assert_int_equal(rte_mempool_avail_count(mp), left);
	assert_pool_is_whole();
}

/* A device that no longer answers may still write: the driver keeps the memory. */
static void
unresponsive_device_keeps_its_memory(void **state)
{
	start(0);
	transmit(50, 1);
	fake.dead = true;
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS - 50 - (NB_DESC - 1));
	/*
	 * The device's accesses have ended in the meantime: port_gone() finds everything returned.
	 */
	fake.quiesced = true;
}

static void
removed_device_releases_all_mbufs(void **state)
{
	start(0);
	transmit(50, 1);
	fake.dead = fake.quiesced = true;
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	assert_int_not_equal(rte_eth_dev_start(PORT), 0);
}

static void
counters_of_all_ones_are_survived(void **state)
{
	struct rte_eth_xstat x[128];
	struct rte_eth_stats s;

	start(0);
	fake.ones = true;
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_true(rte_eth_xstats_get(PORT, x, RTE_DIM(x)) > 0);
	assert_int_equal(rte_eth_stats_reset(PORT), 0);
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
			pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, sizes[i], SOCKET_ID_ANY, NULL), 0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(rxq()->posted, sizes[i] - 1);
		assert_int_equal(transmit(sizes[i], 1), sizes[i] - 1);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
	for (i = 0; i < IGB_MIN_DESC; i += 8)
		assert_true(rte_eth_rx_queue_setup(PORT, 0, i == 0 ? 4104 : i, SOCKET_ID_ANY,
			NULL, pool) < 0);
}

static void
register_dump_needs_full_length(void **state)
{
	struct rte_dev_reg_info info = { 0 };
	uint32_t *values;

	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), 0);
	values = calloc(info.length, info.width);
	info.data = values;
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), 0);
	assert_int_equal(values[1] & IGB_STATUS_LU, IGB_STATUS_LU);
	info.length--;
	assert_int_equal(rte_eth_dev_get_reg_info(PORT, &info), -ENOTSUP);
	free(values);
}

/* The test calls the watchdog itself: EAL's alarm would interfere. */
#define STALL 5

static void
start_unwatched(void)
{
	start(0);
	igb_watchdog_stop(&rte_eth_devices[PORT]);
}

/* Count the looks, of n, that find a (new) stall. */
static unsigned int
stalls(unsigned int n)
{
	unsigned int found = 0;

	while (n-- > 0)
		found += igb_watchdog_look(&rte_eth_devices[PORT]);
	return found;
}

static void
tx_done(void)
{
	unsigned int i;

	for (i = 0; i < NB_DESC; i++)
		txq()->ring[i].wb.status = IGB_TXD_STAT_DD;
}

/* The device has fetched all descriptors, or none: in either case it reports none as done. */
static void
watchdog_reports_tx_stall_once(void **state)
{
	unsigned int turn;

	start_unwatched();
	assert_int_equal(stalls(3 * STALL), 0);
	for (turn = 0; turn < 2; turn++) {
		transmit(10, 1);
		if (turn == 0)
			*reg(IGB_TDH(0)) = txq()->tail;
		log_begin();
		assert_int_equal(stalls(STALL - 1), 0);
		assert_int_equal(stalls(1), 1);
		assert_int_equal(stalls(3 * STALL), 0); /* once */
		assert_int_equal(log_end("tx queue 0 stalls"), 1);
		tx_done();
		assert_int_equal(stalls(STALL), 0);
		rte_eth_tx_burst(PORT, 0, NULL, 0);
		memset(txq()->ring, 0, txq()->ring_size);
	}
	/* A restart cures the stall, and the queue is watched again. */
	transmit(10, 1);
	assert_int_equal(stalls(STALL), 1);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	igb_watchdog_stop(&rte_eth_devices[PORT]);
	assert_int_equal(stalls(2 * STALL), 0);
	transmit(10, 1);
	assert_int_equal(stalls(STALL), 1);
}

/* A stall is found although the application continues to send, until the ring is full. */
static void
watchdog_finds_stall_while_ring_fills(void **state)
{
	unsigned int i, found = 0;

	start_unwatched();
	for (i = 0; i < STALL; i++) {
		transmit(20, 2);
		found += stalls(1);
	}
	assert_int_equal(found, 1);
}

static void
watchdog_ignores_slow_paused_and_stopped_tx(void **state)
{
	unsigned int i;

	start_unwatched();
	/* Slow: the head moves, but the report of the oldest group is far away. */
	transmit(200, 1);
	for (i = 0; i < 4 * STALL; i++) {
		*reg(IGB_TDH(0)) = i / 2;
		assert_int_equal(stalls(1), 0);
	}
	/* Done long ago, but the application does not call the driver. */
	tx_done();
	assert_int_equal(stalls(4 * STALL), 0);
	rte_eth_tx_burst(PORT, 0, NULL, 0);
	rte_eth_tx_done_cleanup(PORT, 0, 0);
	memset(txq()->ring, 0, txq()->ring_size);

	/* No link, then paused: the device is not the cause. */
	transmit(10, 1);
	fake.no_link = true;
	assert_int_equal(stalls(4 * STALL), 0);
	fake.no_link = false;
	fake.status = IGB_STATUS_TXOFF;
	assert_int_equal(stalls(4 * STALL), 0);
	fake.status = 0;
	assert_int_equal(stalls(STALL - 2), 0);
	assert_int_equal(stalls(1), 1);
	/* A stopped queue is not watched. */
	assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
	assert_int_equal(stalls(2 * STALL), 0);
}

/* Exactly one lap of the ring between two looks, each just before a report: busy, not stalled. */
static void
watchdog_ignores_full_laps(void **state)
{
	unsigned int i, sent;

	start_unwatched();
	for (i = 0; i < 4 * STALL; i++) {
		for (sent = 0; sent < NB_DESC; sent += 32) {
			assert_int_equal(transmit(32, 1), 32);
			if (sent + 32 == NB_DESC)
				assert_int_equal(stalls(1), 0);
			tx_done();
			assert_int_equal(rte_eth_tx_done_cleanup(PORT, 0, 0), 32);
			memset(txq()->ring, 0, txq()->ring_size);
		}
	}
}

static void
watchdog_reports_rx_without_write_back(void **state)
{
	unsigned int i;

	start_unwatched();
	write_back(0, GOOD, 60);
	write_back(1, GOOD, 60);
	assert_int_equal(drain(), 2);
	*reg(IGB_RDH(0)) = 2;
	/* Idle; a few missed frames are not a stall either. */
	for (i = 0; i < 4 * STALL; i++) {
		*reg(IGB_RQDPC(0)) = i % 3 == 0;
		assert_int_equal(stalls(1), 0);
	}
	/* Frames wait, and the application does not poll. */
	for (i = 0; i < 100; i++)
		write_back(i, GOOD, 60);
	*reg(IGB_RDH(0)) = 102;
	assert_int_equal(stalls(4 * STALL), 0);
	assert_int_equal(drain(), 100);
	assert_int_equal(stalls(4 * STALL), 0);
	/* The head moved on, and the device wrote nothing. */
	*reg(IGB_RDH(0)) = 110;
	log_begin();
	assert_int_equal(stalls(STALL - 2), 0);
	*reg(IGB_RDH(0)) = 111;
	assert_int_equal(stalls(3 * STALL), 1);
	assert_int_equal(log_end("rx queue 0 stalls"), 1);
	/* The device did write in the end. */
	for (i = 0; i < 9; i++)
		write_back(i, GOOD, 60);
	assert_int_equal(drain(), 9);
	assert_int_equal(stalls(4 * STALL), 0);
}

/*
 * The device does not reach its descriptors: it misses frames although there are many descriptors.
 */
static void
watchdog_reports_misses_despite_descriptors(void **state)
{
	unsigned int i, found = 0;

	start_unwatched();
	for (i = 0; i < 3 * STALL; i++) {
		*reg(IGB_RQDPC(0)) = 1 + i;
		found += stalls(1);
	}
	assert_int_equal(found, 1);
	/* With few descriptors, as when a pool has run dry, the device is not the cause. */
	rxq()->free_thresh = UINT16_MAX;
	for (i = 0; i < NB_DESC - 11; i++)
		write_back(i, GOOD, 60);
	*reg(IGB_RDH(0)) = NB_DESC - 11;
	assert_int_equal(drain(), NB_DESC - 11);
	assert_int_equal(rxq()->posted, 10);
	for (i = 0; i < 3 * STALL; i++) {
		*reg(IGB_RQDPC(0)) = 1 + i;
		assert_int_equal(stalls(1), 0);
	}
}

/* The driver trusts none of the values that the device reports. */
static void
watchdog_survives_random_registers(void **state)
{
	unsigned int i;

	start_unwatched();
	srand(3);
	for (i = 0; i < 20000; i++) {
		*reg(IGB_TDH(0)) = rand();
		*reg(IGB_RDH(0)) = rand();
		*reg(IGB_RQDPC(0)) = rand();
		write_back(rand() % NB_DESC, rand(), rand());
		txq()->ring[rand() % NB_DESC].wb.status ^= (uint32_t)rand();
		transmit(rand() % 4, 1 + rand() % 3);
		drain();
		stalls(1);
	}
}

/* A card that was removed without notice: the removal is reported once. */
static int removals;

static int
on_removal(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	removals++;
	return 0;
}

static void
removal_is_reported_once_and_device_left_alone(void **state)
{
	uint32_t value;

	start(0);
	transmit(50, 1);
	removals = 0;
	assert_int_equal(rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RMV, on_removal,
		NULL), 0);
	fake.quiesced = true;
	igb_ethdev_lost(&fake.device);
	igb_ethdev_lost(&fake.device);
	assert_int_equal(removals, 1);
	assert_int_equal(rte_eth_dev_is_removed(PORT), 1);
	/* The driver accesses nothing any longer, although the device would answer. */
	*reg(IGB_RDH(0)) = 7;
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_RDH(0), &value), -EIO);
	assert_int_equal(rte_pmd_gantry_igb_reg_write(PORT, IGB_RDH(0), 8), -EIO);
	assert_int_equal(drain(), 0);
	transmit(5, 1);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(*reg(IGB_RDH(0)), 7);
	assert_true(*reg(IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	assert_true(rte_eth_dev_start(PORT) < 0);
	assert_int_equal(removals, 1);
	assert_int_equal(rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RMV, on_removal,
		NULL), 0);
}

static void
register_access_is_bounded(void **state)
{
	uint32_t value;

	assert_int_equal(rte_pmd_gantry_igb_reg_write(PORT, IGB_RDH(3), 77), 0);
	assert_int_equal(*reg(IGB_RDH(3)), 77);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_RDH(3), &value), 0);
	assert_int_equal(value, 77);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_RDH(3) + 2, &value), -EINVAL);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT, IGB_BAR0_SIZE, &value), -EINVAL);
	assert_int_equal(rte_pmd_gantry_igb_reg_read(PORT + 1, 0, &value), -ENODEV);
}

/*
 * The port receives on its own address from the start of reception until it gets another address.
 */
static void
own_address_stays_valid_until_changed(void **state)
{
	struct rte_ether_addr own, other = { { 2, 1, 2, 3, 4, 5 } };

	start(0);
	assert_int_equal(rte_eth_macaddr_get(PORT, &own), 0);
	assert_int_equal(rte_eth_dev_default_mac_addr_set(PORT, &own), 0);
	assert_int_equal(fake.deaf, 0);
	assert_true(*reg(IGB_RAH(0)) & IGB_RAH_AV);
	assert_int_equal(rte_eth_dev_default_mac_addr_set(PORT, &other), 0);
	assert_int_equal(fake.deaf, 1);
	assert_memory_equal(reg(IGB_RAL(0)), &other, 4);
	assert_int_equal(*reg(IGB_RAH(0)), IGB_RAH_AV | 0x0504);
}

/* A device far from its memory, and far from the core that polls it. */
static void
far_queue_is_logged_once(void **state)
{
	static const int nodes[] = { SOCKET_ID_ANY, 0, 1 };
	unsigned int turn, i;

	for (turn = 0; turn < RTE_DIM(nodes); turn++) {
		const unsigned int far = nodes[turn] == 1;

		assert_int_equal(igb_ethdev_remove(&fake.device), 0);
		fake.device.numa_node = nodes[turn];
		assert_int_equal(probe(), 0);
		log_begin();
		start_unwatched();
		assert_int_equal(log_end("every access crosses"), far * 2);
		log_begin();
		assert_int_equal(stalls(3), 0);
		assert_int_equal(log_end("that polls it"), 0); /* no core polls it */
		log_begin();
		transmit(10, 1);
		for (i = 0; i < 100; i++)
			write_back(i, GOOD, 60);
		drain();
		tx_done();
		rte_eth_tx_burst(PORT, 0, NULL, 0);
		stalls(3);
		/* Once for each queue. */
		assert_int_equal(log_end("lcore 0 that polls it on node 0"), far * 2);
	}
}

/* A failed probe leaves nothing behind. */
static void
failed_probe_leaves_nothing(void **state)
{
	unsigned int i;

	for (i = 0; i < 9; i++) {
		fake_init();
		switch (i) {
		case 0:
			fake.nvm[5]++;
			break;
		case 1: /* a multicast address */
			fake.nvm[0] |= 1;
			fake.nvm[IGB_NVM_CHECKSUM]--;
			break;
		case 2:
			fake.no_reset = true;
			break;
		case 3:
			fake.no_nvm = true;
			break;
		case 4:
			fake.no_phy = true;
			break;
		case 5:
			fake.dead = true;
			break;
		case 6: /* firmware never releases the NVM */
			*reg(IGB_SW_FW_SYNC) = UINT32_MAX - 1;
			break;
		case 7: /* must succeed: a capability list that is a loop */
		case 8: /* must succeed: a process that died with all semaphores */
			fake.config[0x34] = 0x40;
			fake.config[0x41] = 0x40;
			*reg(IGB_SW_FW_SYNC) = i == 8 ? 0x1f : 0;
			assert_int_equal(probe(), 0);
			assert_int_equal(igb_ethdev_remove(&fake.device), 0);
			continue;
		}
		assert_true(probe() < 0);
		assert_int_equal(rte_eth_dev_count_avail(), 0);
	}
}

/*
 * Buffers without a bus address: the driver logs them as such, once in a row of failures, and loses
 * nothing.
 */
static void
unmappable_buffers_are_logged_once_and_not_lost(void **state)
{
	struct rte_eth_stats stats;
	unsigned int turn, i;

	start(0);
	if (strcmp(iommu.mode, "bounce") == 0)
		return; /* bounce mode can map any memory */
	rte_mempool_obj_iter(pool, no_iova, NULL);
	log_begin();
	for (turn = 0; turn < 5; turn++) {
		for (i = 0; i < 50; i++)
			write_back(i, GOOD, 60);
		drain();
	}
	assert_int_equal(log_end("cannot be mapped"), 1);
	assert_int_equal(rte_eth_stats_get(PORT, &stats), 0);
	assert_true(stats.rx_nombuf > 0);

	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	log_begin();
	assert_int_equal(rte_eth_dev_start(PORT), -EFAULT);
	rte_openlog_stream(NULL);
	fflush(log_file);
	assert_null(strstr(log_text, "has mbufs for"));
	assert_int_equal(log_end("cannot be mapped"), 1);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

int
main(int argc, char **argv)
{
#define PORT_TEST(name) cmocka_unit_test_setup_teardown(name, port_new, port_gone)
	const struct CMUnitTest tests[] = {
		PORT_TEST(rx_good_frames_are_delivered),
		PORT_TEST(rx_bad_lengths_are_counted_as_errors),
		PORT_TEST(rx_frame_without_end_is_bounded),
		PORT_TEST(rx_scatter_needs_offload),
		PORT_TEST(rx_frames_beyond_buffer_are_chained),
		PORT_TEST(rx_limit_is_that_of_standard_frames),
		PORT_TEST(rx_bsize_is_smallest_of_queues),
		PORT_TEST(rx_ring_too_short_for_frame_is_refused),
		PORT_TEST(rx_nombuf_counts_shortages),
		PORT_TEST(rx_checksum_flags_match_descriptor),
		PORT_TEST(rx_waits_for_next_descriptor),
		PORT_TEST(rx_random_write_backs_give_well_formed_mbufs),
		PORT_TEST(tx_cleanup_frees_no_more_than_asked_for),
		PORT_TEST(rx_queue_count_and_status_are_right_across_the_wrap),
		PORT_TEST(tx_descriptor_status_is_right_across_the_wrap),
		PORT_TEST(tx_context_descriptor_wraps_and_is_counted),
		PORT_TEST(tx_fast_free_returns_linked_segments_unlinked),
		PORT_TEST(tx_failing_chain_leaves_no_mapping),
		PORT_TEST(tx_chain_that_cannot_be_mapped_is_undone),
		PORT_TEST(counters_never_go_back),
		PORT_TEST(tx_random_done_bits_lose_no_mbuf),
		PORT_TEST(tx_full_ring_takes_no_more),
		PORT_TEST(stuck_queue_is_freed_by_reset),
		PORT_TEST(unresponsive_device_keeps_its_memory),
		PORT_TEST(removed_device_releases_all_mbufs),
		PORT_TEST(counters_of_all_ones_are_survived),
		PORT_TEST(register_dump_needs_full_length),
		PORT_TEST(defaults_fit_each_ring_size),
		PORT_TEST(unmappable_buffers_are_logged_once_and_not_lost),
		PORT_TEST(watchdog_reports_tx_stall_once),
		PORT_TEST(watchdog_finds_stall_while_ring_fills),
		PORT_TEST(watchdog_ignores_slow_paused_and_stopped_tx),
		PORT_TEST(watchdog_ignores_full_laps),
		PORT_TEST(watchdog_reports_rx_without_write_back),
		PORT_TEST(watchdog_reports_misses_despite_descriptors),
		PORT_TEST(watchdog_survives_random_registers),
		PORT_TEST(removal_is_reported_once_and_device_left_alone),
		PORT_TEST(register_access_is_bounded),
		PORT_TEST(own_address_stays_valid_until_changed),
		PORT_TEST(far_queue_is_logged_once),
		cmocka_unit_test(failed_probe_leaves_nothing),
		/* The last one, because the memory that it leaves to the device remains mapped. */
		cmocka_unit_test_setup_teardown(
			stuck_queues_keep_their_memory_when_they_are_released,
			port_new_that_keeps_memory, port_kept),
	};

	static char args[32];

	iommu.mode = argv[--argc];
	snprintf(args, sizeof(args), "dma=%s", iommu.mode);
	iommu.devargs.args = args;
	eal_start(argc, argv, NULL);
	pool = rte_pktmbuf_pool_create("test", MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
		SOCKET_ID_ANY);
	assert_non_null(pool);
	return cmocka_run_group_tests_name("igb_rxtx", tests, NULL, NULL);
}
