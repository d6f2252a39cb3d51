/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the life of queues (drivers/net/igb/igb_queue.c) on the fake device of igb_fake.h: what
 * set-up and start refuse, rings that do not start, and the bursts with the debug layer of lib/dma.
 * A queue that does not stop is the subject of test_igb_lost.c.
 */

#include "igb_fake.h"

#include "gantry_dma_debug.h"

static struct rte_eth_dev *
device(void)
{
	return &rte_eth_devices[PORT];
}

static uint32_t
dctl(bool rx)
{
	return rx ? IGB_RXDCTL(0) : IGB_TXDCTL(0);
}

/* ethdev also checks these numbers. The driver does not depend on that. */
static void
descriptors_have_a_number_that_the_device_supports(void **state)
{
	static const struct {
		uint16_t nb;
		bool ok;
	} t[] = {
		{ 0, false },
		{ 24, false },
		{ 32, true },
		{ 36, false },
		{ 40, true },
		{ 4096, true },
		{ 4104, false },
	};
	struct rte_eth_dev_info info;
	unsigned int i, rx;
	int ret;

	configure(1, 1, NULL);
	assert_int_equal(rte_eth_dev_info_get(PORT, &info), 0);
	for (i = 0; i < RTE_DIM(t); i++) {
		for (rx = 0; rx <= 1; rx++) {
			ret = rx ? igb_rx_queue_setup(device(), 0, t[i].nb, SOCKET_ID_ANY,
						   &info.default_rxconf, pool) :
				   igb_tx_queue_setup(device(), 0, t[i].nb, SOCKET_ID_ANY,
						   &info.default_txconf);
			if (ret != (t[i].ok ? 0 : -EINVAL))
				fail_msg("%u descriptors: %d", t[i].nb, ret);
		}
		/* A queue that is refused does not leave the former one in its place. */
		assert_int_equal(rxq() != NULL, t[i].ok);
		assert_int_equal(txq() != NULL, t[i].ok);
	}
}

/* The device knows 256 and 512 bytes, and multiples of 1 KB up to 63 KB. */
static void
buffers_have_a_size_that_the_device_supports(void **state)
{
	static const struct {
		uint16_t room, len;
	} t[] = {
		{ 255, 0 },
		{ 256, 256 },
		{ 511, 256 },
		{ 512, 512 },
		{ 1023, 512 },
		{ 1024, 1024 },
		{ 2047, 1024 },
		{ 2048, 2048 },
		{ 64511, 62 * 1024 },
		{ 64512, 63 * 1024 },
		{ 65407, 63 * 1024 },
	};
	static const struct rte_eth_conf conf;
	struct rte_eth_rxq_info info;
	struct rte_mempool *mp;
	unsigned int i;
	int ret;

	assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, 64, SOCKET_ID_ANY, NULL), 0);
	for (i = 0; i < RTE_DIM(t); i++) {
		mp = rte_pktmbuf_pool_create("sized", 128, 0, 0, t[i].room + RTE_PKTMBUF_HEADROOM,
				SOCKET_ID_ANY);
		assert_non_null(mp);
		ret = igb_rx_queue_setup(device(), 0, 128, SOCKET_ID_ANY,
				&(struct rte_eth_rxconf){ .rx_free_thresh = 8 }, mp);
		if (ret != (t[i].len != 0 ? 0 : -EINVAL))
			fail_msg("%u bytes: %d", t[i].room, ret);
		if (ret == 0) {
			assert_int_equal(rte_eth_rx_queue_info_get(PORT, 0, &info), 0);
			assert_int_equal(info.rx_buf_size, t[i].len);
			assert_int_equal(rte_eth_dev_start(PORT), 0);
			assert_int_equal(*reg(IGB_SRRCTL(0)) & 0x7F, t[i].len / 1024);
			/* As many as the longest frame needs. */
			assert_true(rxq()->max_bufs * t[i].len >= IGB_MAX_FRAME);
			assert_true((rxq()->max_bufs - 1) * t[i].len < IGB_MAX_FRAME);
			assert_int_equal(rte_eth_dev_stop(PORT), 0);
			igb_rx_queue_release(device(), 0);
		}
		assert_int_equal(rte_mempool_avail_count(mp), 128);
		rte_mempool_free(mp);
	}
}

static void
start_needs_every_queue(void **state)
{
	static const struct rte_eth_conf conf;
	struct igb_rx_queue *rx;
	struct igb_tx_queue *tx;
	void **of;

	configure(2, 2, &conf);
	rx = device()->data->rx_queues[1];
	tx = device()->data->tx_queues[1];
	fake.nr_writes = 0;
	for (of = device()->data->rx_queues; of != NULL;
			of = of == device()->data->rx_queues ? device()->data->tx_queues : NULL) {
		of[1] = NULL;
		log_begin();
		assert_int_equal(rte_eth_dev_start(PORT), -EINVAL);
		assert_int_equal(
				log_end(of == device()->data->rx_queues ?
								"rx queue 1: not set up, the port is not "
								"started: call rte_eth_rx_queue_setup()" :
								"tx queue 1: not set up, the port is not "
								"started: call rte_eth_tx_queue_setup()"),
				1);
		of[1] = of == device()->data->rx_queues ? (void *)rx : (void *)tx;
	}
	assert_int_equal(fake.nr_writes, 0);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
}

/* Start one queue that was stopped. */
static int
start_one(bool rx)
{
	return rx ? rte_eth_dev_rx_queue_start(PORT, 0) : rte_eth_dev_tx_queue_start(PORT, 0);
}

static void
stop_both(void)
{
	assert_int_equal(rte_eth_dev_rx_queue_stop(PORT, 0), 0);
	assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
	assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
}

static void
ring_that_does_not_start_gives_its_buffers_back(void **state)
{
	struct rte_eth_dev_data *data;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	unsigned int rx;

	assert_non_null(rte_pktmbuf_append(m, 60));
	begin(1, 1, NULL);
	data = device()->data;
	assert_int_equal(rte_eth_dev_rx_queue_stop(PORT, 0), 0);
	assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
	for (rx = 0; rx <= 1; rx++) {
		fake.never = dctl(rx);
		log_begin();
		assert_int_equal(start_one(rx), -ETIMEDOUT);
		assert_int_equal(log_end("ENABLE not set after 100 ms"), 1);
		assert_int_equal(*reg(dctl(rx)) & IGB_DCTL_ENABLE, 0);
		assert_int_equal(rte_mempool_avail_count(pool), MBUFS - 1);
		assert_int_equal((rx ? data->rx_queue_state : data->tx_queue_state)[0],
				RTE_ETH_QUEUE_STATE_STOPPED);
		if (rx)
			assert_int_equal(rte_eth_rx_burst(PORT, 0, &m, 1), 0);
		else
			assert_int_equal(igb_xmit_pkts(txq(), &m, 1), 0);
		fake.never = 0;
		assert_int_equal(start_one(rx), 0);
	}
	rte_pktmbuf_free(m);
	stop_both();
}

/* It is removed while the driver waits for ENABLE, and may access memory until the bus knows. */
static void
ring_of_a_removed_device_keeps_its_buffers_until_it_is_quiet(void **state)
{
	struct igb_hw *hw;
	unsigned int rx, quiet;

	begin(1, 1, NULL);
	hw = igb_hw_of(device());
	for (rx = 0; rx <= 1; rx++) {
		for (quiet = 0; quiet <= 1; quiet++) {
			assert_int_equal(rte_eth_dev_rx_queue_stop(PORT, 0), 0);
			assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
			fake.gone_at = dctl(rx);
			fake.quiesced = quiet;
			log_begin();
			assert_int_equal(start_one(rx), -EIO);
			assert_int_equal(log_end("queue 0: the device was removed"), 1);
			assert_int_equal(rte_mempool_avail_count(pool),
					MBUFS - (rx && !quiet ? 63 : 0));
			assert_int_equal(rxq()->stuck, rx && !quiet);
			assert_int_equal(txq()->stuck, !rx && !quiet);
			/* Back again. A stuck ring is not touched until the port stops. */
			fake.dead = hw->lost = false;
			fake.gone_at = 0;
			fake.nr_writes = 0;
			assert_int_equal(start_one(rx), quiet ? 0 : -EIO);
			assert_int_equal(fake.nr_writes != 0, quiet);
			restart();
		}
	}
}

/* A port whose second ring does not start has none that runs. */
static void
start_that_fails_stops_the_rings_before(void **state)
{
	static const uint32_t at[] = { IGB_TXDCTL(1), IGB_RXDCTL(1) };
	unsigned int i, q;

	configure(2, 2, NULL);
	for (i = 0; i < RTE_DIM(at); i++) {
		fake.never = at[i];
		assert_int_equal(rte_eth_dev_start(PORT), -ETIMEDOUT);
		for (q = 0; q < 2; q++)
			assert_false((*reg(IGB_RXDCTL(q)) | *reg(IGB_TXDCTL(q))) & IGB_DCTL_ENABLE);
		assert_false(*reg(IGB_RCTL) & IGB_RCTL_RXEN);
		assert_false(*reg(IGB_TCTL) & IGB_TCTL_EN);
		assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
		assert_false(igb_adapter_of(device())->link_on);
		assert_false(device()->data->dev_started);
	}
	fake.never = 0;
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_true(*reg(IGB_RCTL) & IGB_RCTL_RXEN);
	assert_true(*reg(IGB_TCTL) & IGB_TCTL_EN);
}

static unsigned int given;

static void
give_memory(void *dev)
{
	/* After the reset, before the device may use memory. */
	assert_false(*reg(IGB_RXDCTL(0)) & IGB_DCTL_ENABLE);
	given++;
}

/* The bus maps memory at each start, unless it does not start. */
static void
start_resets_the_device_before_it_gives_memory(void **state)
{
	static struct igb_bus_ops ops;
	struct igb_hw *hw;

	configure(1, 1, NULL);
	hw = igb_hw_of(device());
	ops = *hw->bus;
	ops.give_memory = give_memory;
	hw->bus = &ops;
	given = 0;
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(given, 1);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	fake.no_reset = true;
	*reg(IGB_RLPML) = 0;
	assert_int_equal(rte_eth_dev_start(PORT), -ETIMEDOUT);
	assert_int_equal(given, 1);
	assert_int_equal(*reg(IGB_RLPML), 0);
	fake.no_reset = false;
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(given, 2);
	hw->bus = &fake_ops;
}

struct shown {
	unsigned int rx, tx, nr_pools, indexes[8];
	const char *pools[8];
};

static int
note(void *arg, const struct rte_pmd_gantry_igb_object *o)
{
	struct shown *s = arg;

	s->rx += o->type == RTE_PMD_GANTRY_IGB_RX_RING;
	s->tx += o->type == RTE_PMD_GANTRY_IGB_TX_RING;
	if (o->type != RTE_PMD_GANTRY_IGB_RX_POOL)
		return 0;
	assert_true(s->nr_pools < RTE_DIM(s->pools));
	s->indexes[s->nr_pools] = o->index;
	s->pools[s->nr_pools++] = o->name;
	return 0;
}

/* One of four receive queues was not set up, and two have the same pool. */
static void
each_pool_of_the_queues_is_shown_once(void **state)
{
	static const struct rte_eth_conf conf;
	struct rte_mempool *second = rte_pktmbuf_pool_create("second", 64, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct shown shown = { .rx = 0 };

	assert_non_null(second);
	assert_int_equal(pool->nb_mem_chunks, 1);
	assert_int_equal(second->nb_mem_chunks, 1);
	assert_int_equal(rte_eth_dev_configure(PORT, 4, 2, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 1, 64, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 2, 64, SOCKET_ID_ANY, NULL, second), 0);
	assert_int_equal(rte_eth_rx_queue_setup(PORT, 3, 64, SOCKET_ID_ANY, NULL, pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(PORT, 1, 64, SOCKET_ID_ANY, NULL), 0);
	assert_int_equal(rte_pmd_gantry_igb_for_each_object(PORT, note, &shown), 0);
	assert_int_equal(shown.rx, 3);
	assert_int_equal(shown.tx, 1);
	assert_int_equal(shown.nr_pools, 2);
	assert_ptr_equal(shown.pools[0], pool->name);
	assert_int_equal(shown.indexes[0], 1);
	assert_ptr_equal(shown.pools[1], second->name);
	assert_int_equal(shown.indexes[1], 2);
	igb_rx_queue_release(device(), 2);
	rte_mempool_free(second);
}

/* Also those of numbers that no queue has now. The first and the last number stand for all. */
static void
counters_of_each_queue_number_are_added_up_and_reset(void **state)
{
	static const uint16_t numbers[] = { 0, IGB_MAX_QUEUES - 1 };
	struct igb_adapter *ad;
	struct rte_eth_stats s;
	unsigned int i;

	begin(1, 1, NULL);
	ad = igb_adapter_of(device());
	for (i = 0; i < RTE_DIM(numbers); i++) {
		ad->rx_stats[numbers[i]].now = (struct igb_queue_counts){ 1, 20, 300, 4000 };
		ad->tx_stats[numbers[i]].now = (struct igb_queue_counts){ 5, 60, 700, 0 };
		ad->rqdpc[numbers[i]] = 8;
	}
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.ipackets, 2);
	assert_int_equal(s.ibytes, 40);
	assert_int_equal(s.ierrors, 600);
	assert_int_equal(s.rx_nombuf, 8000);
	assert_int_equal(s.opackets, 10);
	assert_int_equal(s.obytes, 120);
	assert_int_equal(s.oerrors, 1400);
	assert_int_equal(s.imissed, 16);
	assert_int_equal(rte_eth_stats_reset(PORT), 0);
	assert_int_equal(rte_eth_stats_get(PORT, &s), 0);
	assert_int_equal(s.ipackets + s.ibytes + s.ierrors + s.rx_nombuf + s.imissed, 0);
	assert_int_equal(s.opackets + s.obytes + s.oerrors, 0);
}

/*
 * The debug layer.
 */

static struct {
	unsigned int nr;
	enum gantry_dma_misuse misuse;
	int queue, descriptor;
	char kind;
	char mapped_by[160];
} report;

static void
on_report(void *arg, const struct gantry_dma_error *e)
{
	assert_ptr_equal(arg, &report);
	if (report.nr++ != 0)
		return;
	report.misuse = e->misuse;
	report.queue = e->queue;
	report.descriptor = e->descriptor;
	report.kind = e->queue_kind;
	snprintf(report.mapped_by, sizeof(report.mapped_by), "%s",
			e->map_symbol != NULL ? e->map_symbol : "");
}

/* A packet of 60 bytes, which `refs` owners have. */
static struct rte_mbuf *
packet(uint16_t refs)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, 60));
	rte_mbuf_refcnt_set(m, refs);
	return m;
}

static void
debug_bursts_name_queue_and_caller_and_end_with_the_burst(void **state)
{
	static struct rte_devargs debug = { .args = (char *)(uintptr_t) "dma=direct,dma_debug=1" };
	const struct rte_eth_conf conf = {
		.txmode.offloads = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
	};
	struct rte_eth_burst_mode mode;
	struct gantry_dma_dev *dma;
	gantry_dma_addr_t addr;
	struct rte_mbuf *m, *shared = packet(1);
	char by_burst[sizeof(report.mapped_by)];
	unsigned int i;

	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	fake.device.devargs = &debug;
	assert_int_equal(probe(), 0);
	rte_pmd_gantry_igb_dma_debug_handler(on_report, &report);
	configure(1, 2, &conf);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	dma = igb_adapter_of(device())->dma;
	assert_int_equal(rte_eth_rx_burst_mode_get(PORT, 0, &mode), 0);
	assert_string_equal(mode.info, "Scalar");
	assert_int_equal(rte_eth_tx_burst_mode_get(PORT, 0, &mode), 0);
	assert_string_equal(mode.info, "Scalar");

	/* A good burst, in both directions. */
	memset(&report, 0, sizeof(report));
	m = packet(1);
	assert_int_equal(rte_eth_tx_burst(PORT, 1, &m, 1), 1);
	write_back(0, GOOD, 60);
	assert_int_equal(rte_eth_rx_burst(PORT, 0, &m, 1), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(report.nr, 0);

	/* The promise of the queue is broken, on the queue and by the function that sends. */
	m = packet(2);
	assert_int_equal(rte_eth_tx_burst(PORT, 1, &m, 1), 1);
	assert_int_equal(report.nr, 1);
	assert_int_equal(report.misuse, GANTRY_DMA_MISUSE_MBUF_FAST_FREE);
	assert_int_equal(report.queue, 1);
	assert_int_equal(report.kind, 't');
	assert_int_equal(report.descriptor, 1);
	assert_memory_equal(report.mapped_by, __func__, strlen(__func__));

	/* A mapping that no burst makes has no promise, no queue, and is the caller's own. */
	strcpy(by_burst, report.mapped_by);
	memset(&report, 0, sizeof(report));
	rte_mbuf_refcnt_set(shared, 2);
	addr = gantry_dma_map_mbuf(dma, shared, shared->data_off, 60, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(gantry_dma_mapping_error(dma, addr), 0);
	gantry_dma_unmap_mbuf(dma, shared, addr, 60, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(report.nr, 0);
	rte_mbuf_refcnt_set(shared, 1);
	gantry_dma_unmap_mbuf(dma, shared, addr, 60, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(report.nr, 1);
	assert_int_equal(report.misuse, GANTRY_DMA_MISUSE_UNMAP_TWICE);
	assert_int_equal(report.queue, -1);
	assert_int_equal(report.kind, 0);
	assert_string_not_equal(report.mapped_by, by_burst);

	rte_pmd_gantry_igb_dma_debug_handler(NULL, NULL);
	rte_pktmbuf_free(shared);
	for (i = 0; i < 2; i++) { /* one for each reference, the other by the driver */
		struct igb_tx_queue *q = device()->data->tx_queues[1];

		q->ring[i].wb.status |= IGB_TXD_STAT_DD;
	}
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	rte_pktmbuf_free(m);
	assert_int_equal(igb_ethdev_remove(&fake.device), 0);
	fake.device.devargs = &iommu.devargs;
	assert_int_equal(probe(), 0);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(descriptors_have_a_number_that_the_device_supports),
		PORT_TEST(buffers_have_a_size_that_the_device_supports),
		PORT_TEST(start_needs_every_queue),
		PORT_TEST(ring_that_does_not_start_gives_its_buffers_back),
		PORT_TEST(ring_of_a_removed_device_keeps_its_buffers_until_it_is_quiet),
		PORT_TEST(start_that_fails_stops_the_rings_before),
		PORT_TEST(start_resets_the_device_before_it_gives_memory),
		PORT_TEST(each_pool_of_the_queues_is_shown_once),
		PORT_TEST(counters_of_each_queue_number_are_added_up_and_reset),
		PORT_TEST(debug_bursts_name_queue_and_caller_and_end_with_the_burst),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_queue", tests, NULL, NULL);
}
