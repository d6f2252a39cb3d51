/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver (drivers/net/igb) with a device that is silent, stuck, removed, or broken from
 * the start: what it reports, which memory it keeps, and which it releases. The test is the device
 * (igb_fake.h). The program runs once in each DMA mode (direct, window, strict, bounce).
 */

#include "igb_fake.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

/*
 * If the device does not release a queue, the driver resets the device and frees the queue. The
 * statistics that the reset clears have been read.
 */
static void
stuck_queue_is_freed_by_reset(void **state)
{
	start(0);
	transmit(50, 1);
	fake.sticky = true;
	*reg(IGB_GPTC) = 50;
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
	assert_int_equal(xstat("tx_hw_good_packets"), 50);
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
port_new_for_quarantine(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
	__lsan_disable();
#endif
	return port_new(state);
}

static int
port_quarantined(void **state)
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
memory_of_stuck_queues_stays_in_quarantine(void **state)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create("other", MBUFS, 0, 0,
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
	assert_int_equal(log_end("2 rings and 265 mbufs in quarantine"), 1);
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

/* The device vanishes between two counters: what they read then is no count. */
static void
counters_of_a_device_that_vanishes_are_not_added(void **state)
{
	static const uint32_t at[] = { IGB_CRCERRS, IGB_MPC, IGB_RQDPC(0) };
	struct rte_eth_stats s;
	unsigned int i;

	start(0);
	for (i = 0; i < RTE_DIM(at); i++) {
		fake.gone_at = at[i];
		assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
		assert_true(fake.dead);
		assert_int_equal(s.ierrors, 0);
		assert_int_equal(s.imissed, 0);
		fake.gone_at = 0;
		fake.dead = igb_hw_of(&rte_eth_devices[PORT])->lost = false;
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
					 NULL),
			0);
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
					 NULL),
			0);
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

/* Filters are in registers: a call that cannot write them fails. */
static void
filters_of_a_removed_device_are_not_set(void **state)
{
	struct rte_eth_rss_reta_entry64 reta[2] = { { .mask = 1 }, { .mask = 0 } };
	struct rte_eth_rss_conf rss = { .rss_hf = RTE_ETH_RSS_IPV4 };
	struct rte_ether_addr addr = other;
	struct rte_eth_dev *dev;

	begin(2, 1, NULL);
	dev = &rte_eth_devices[PORT];
	assert_int_equal(igb_vlan_filter_set(dev, 5, 1), 0);
	fake.dead = fake.quiesced = true;
	assert_int_equal(igb_promiscuous_enable(dev), -ENODEV);
	assert_int_equal(igb_promiscuous_disable(dev), -ENODEV);
	assert_int_equal(igb_allmulticast_enable(dev), -ENODEV);
	assert_int_equal(igb_allmulticast_disable(dev), -ENODEV);
	assert_int_equal(igb_mac_addr_add(dev, &addr, 1, 0), -ENODEV);
	assert_int_equal(igb_mac_addr_set(dev, &addr), -ENODEV);
	assert_int_equal(igb_set_mc_addr_list(dev, &addr, 1), -ENODEV);
	assert_int_equal(igb_vlan_filter_set(dev, 6, 1), -ENODEV);
	assert_int_equal(igb_vlan_offload_set(dev, RTE_ETH_VLAN_STRIP_MASK), -ENODEV);
	assert_int_equal(igb_rss_hash_update(dev, &rss), -ENODEV);
	assert_int_equal(igb_reta_update(dev, reta, 128), -ENODEV);
}

static unsigned int lsc_calls, rmv_calls;

static int
closing_callback(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	if (type == RTE_ETH_EVENT_INTR_RMV)
		rmv_calls++;
	else if (++lsc_calls == 1)
		igb_event_enable(&rte_eth_devices[port], false);
	return 0;
}

/* The loss of one device does not concern the ports of others, nor a port that was closed. */
static void
loss_is_reported_to_the_open_port_of_the_device(void **state)
{
	static const struct rte_device another = { .name = "fake1" };
	struct igb_hw *hw;

	start(0);
	hw = igb_hw_of(&rte_eth_devices[PORT]);
	lsc_calls = rmv_calls = 0;
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_LSC, closing_callback, NULL);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RMV, closing_callback, NULL);
	igb_ethdev_lost(&another);
	assert_int_equal(lsc_calls + rmv_calls, 0);
	assert_false(hw->lost);
	/* The first callback closes the port, so the second event does not arrive. */
	igb_ethdev_lost(&fake.device);
	assert_int_equal(lsc_calls, 1);
	assert_int_equal(rmv_calls, 0);
	assert_true(hw->lost);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_LSC, closing_callback, NULL);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RMV, closing_callback, NULL);
	fake.dead = fake.quiesced = true;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(stuck_queue_is_freed_by_reset),
		PORT_TEST(unresponsive_device_keeps_its_memory),
		PORT_TEST(removed_device_releases_all_mbufs),
		PORT_TEST(counters_of_all_ones_are_survived),
		PORT_TEST(counters_of_a_device_that_vanishes_are_not_added),
		PORT_TEST(unmappable_buffers_are_logged_once_and_not_lost),
		PORT_TEST(removal_is_reported_once_and_device_left_alone),
		cmocka_unit_test(failed_probe_leaves_nothing),
		PORT_TEST(filters_of_a_removed_device_are_not_set),
		PORT_TEST(loss_is_reported_to_the_open_port_of_the_device),
		/* The last one, because the memory that it leaves to the device remains mapped. */
		cmocka_unit_test_setup_teardown(memory_of_stuck_queues_stays_in_quarantine,
				port_new_for_quarantine, port_quarantined),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_lost", tests, NULL, NULL);
}
