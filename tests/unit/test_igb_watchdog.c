/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's watchdog (drivers/net/igb/igb_watchdog.c, igb_numa.c): it reports a queue
 * that stalls, once, and no queue that is slow, paused, idle or not polled. The test is the device
 * (igb_fake.h), and calls the watchdog itself.
 */

#include "igb_fake.h"

#include <rte_alarm.h>

#define STALL 5

/*
 * The linker replaces these functions (--wrap): an alarm of a port never fires by itself. lib/dma
 * has alarms of its own.
 */
static struct {
	unsigned int set, cancelled;
	uint64_t us;
	rte_eal_alarm_callback fire;
	void *arg;
	bool refuse;
} alarms;

int __real_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback fn, void *arg);
int __wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback fn, void *arg);
int __real_rte_eal_alarm_cancel(rte_eal_alarm_callback fn, void *arg);
int __wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback fn, void *arg);

int
__wrap_rte_eal_alarm_set(uint64_t us, rte_eal_alarm_callback fn, void *arg)
{
	if (arg != &rte_eth_devices[PORT])
		return __real_rte_eal_alarm_set(us, fn, arg);
	alarms.set++;
	alarms.us = us;
	alarms.fire = fn;
	alarms.arg = arg;
	return alarms.refuse ? -ENOMEM : 0;
}

int
__wrap_rte_eal_alarm_cancel(rte_eal_alarm_callback fn, void *arg)
{
	if (arg != &rte_eth_devices[PORT])
		return __real_rte_eal_alarm_cancel(fn, arg);
	assert_ptr_equal(fn, alarms.fire);
	alarms.cancelled++;
	return 1;
}

static void
start_unwatched(void)
{
	start(0);
	igb_watchdog_stop(&rte_eth_devices[PORT]);
}

/* Count the checks, of n, that find a (new) stall. */
static unsigned int
stalls(unsigned int n)
{
	unsigned int found = 0;

	while (n-- > 0)
		found += igb_watchdog_check(&rte_eth_devices[PORT]);
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

/* A refused access is reported once for each start, and the start forgets earlier ones. */
static void
watchdog_reports_refused_access_once(void **state)
{
	static const struct {
		uint16_t status;
		const char *name;
	} aborts[] = {
		{ PCI_STATUS_REC_MASTER_ABORT, "master abort" },
		{ PCI_STATUS_REC_TARGET_ABORT, "target abort" },
	};
	uint16_t *status = (uint16_t *)&fake.config[PCI_STATUS];
	unsigned int i;

	for (i = 0; i < RTE_DIM(aborts); i++) {
		*status = PCI_STATUS_CAP_LIST | aborts[i].status;
		log_begin();
		start_unwatched();
		assert_int_equal(*status, PCI_STATUS_CAP_LIST);
		assert_int_equal(stalls(2), 0);
		assert_int_equal(log_end("abort"), 0);

		*status |= aborts[i].status;
		log_begin();
		assert_int_equal(stalls(2), 0); /* the application needs no reset */
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_int_equal(log_end(aborts[i].name), 1);
	}
	/* The stop finds a refusal after the last check. A card that was pulled reads all ones. */
	start_unwatched();
	*status |= PCI_STATUS_REC_MASTER_ABORT;
	log_begin();
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(log_end("master abort"), 1);
	start_unwatched();
	*status = UINT16_MAX;
	log_begin();
	assert_int_equal(stalls(1), 0);
	assert_int_equal(log_end("abort"), 0);
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

/* Exactly one lap of the ring between two checks, each just before a report: busy, not stalled. */
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

static void
watchdog_watches_every_queue(void **state)
{
	struct rte_mbuf *m;

	begin(3, 3, NULL);
	igb_watchdog_stop(&rte_eth_devices[PORT]);
	m = rte_pktmbuf_alloc(pool);
	rte_pktmbuf_append(m, 60);
	assert_int_equal(rte_eth_tx_burst(PORT, 2, &m, 1), 1);
	log_begin();
	assert_int_equal(stalls(3 * STALL), 1);
	assert_int_equal(log_end("tx queue 2 stalls"), 1);
	*reg(IGB_RDH(1)) = 10;
	log_begin();
	assert_int_equal(stalls(3 * STALL), 1);
	assert_int_equal(log_end("rx queue 1 stalls"), 1);
}

/* Count the stalls while the device misses frames. */
static unsigned int
stalls_with_misses(void)
{
	unsigned int i, found = 0;

	for (i = 0; i < 3 * STALL; i++) {
		*reg(IGB_RQDPC(0)) = 1 + i;
		found += stalls(1);
	}
	return found;
}

/*
 * The device does not reach its descriptors: it misses frames although there are many descriptors.
 */
static void
watchdog_reports_misses_despite_descriptors(void **state)
{
	unsigned int i;

	start_unwatched();
	assert_int_equal(stalls_with_misses(), 1);
	/* With few descriptors, as when a pool has run dry, the device is not the cause. */
	rxq()->free_thresh = UINT16_MAX;
	for (i = 0; i < NB_DESC - 11; i++)
		write_back(i, GOOD, 60);
	*reg(IGB_RDH(0)) = NB_DESC - 11;
	assert_int_equal(drain(), NB_DESC - 11);
	assert_int_equal(rxq()->posted, 10);
	assert_int_equal(stalls_with_misses(), 0);
}

/* From half of the ring on, there are many descriptors. */
static void
watchdog_counts_misses_from_half_a_ring(void **state)
{
	unsigned int i, less;

	for (less = 0; less < 2; less++) {
		start_unwatched();
		rxq()->free_thresh = UINT16_MAX;
		for (i = 0; i < NB_DESC / 2 - 1 + less; i++)
			write_back(i, GOOD, 60);
		*reg(IGB_RDH(0)) = NB_DESC / 2 - 1 + less;
		assert_int_equal(drain(), NB_DESC / 2 - 1 + less);
		assert_int_equal(rxq()->posted, NB_DESC / 2 - less);
		assert_int_equal(stalls_with_misses(), !less);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
	}
}

/* A head counts if it is among the descriptors that the device has, up to the tail. */
static void
watchdog_trusts_only_heads_up_to_the_tail(void **state)
{
	unsigned int i;

	start_unwatched();
	for (i = 0; i < 100; i++)
		write_back(i, GOOD, 60);
	rxq()->free_thresh = UINT16_MAX;
	assert_int_equal(drain(), 100);
	assert_int_equal(rxq()->posted, 155);
	*reg(IGB_RDH(0)) = 0; /* one behind the tail */
	assert_int_equal(stalls(3 * STALL), 0);
	*reg(IGB_RDH(0)) = 99;
	assert_int_equal(stalls(3 * STALL), 0);
	*reg(IGB_RDH(0)) = NB_DESC - 1;
	assert_int_equal(stalls(3 * STALL), 1);
	/* The device has descriptor 0, but none has the number of descriptors. */
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	start_unwatched();
	for (i = 0; i < 100; i++)
		write_back(i, GOOD, 60);
	assert_int_equal(drain(), 100);
	assert_true(rxq()->posted > NB_DESC - 100);
	*reg(IGB_RDH(0)) = NB_DESC;
	assert_int_equal(stalls(3 * STALL), 0);
	*reg(IGB_RDH(0)) = 0;
	assert_int_equal(stalls(3 * STALL), 1);
}

/* Descriptors that the device writes back in groups may wait for the rest of their group. */
static void
watchdog_leaves_queues_that_write_back_in_groups(void **state)
{
	static const struct rte_eth_conf conf;
	struct rte_eth_dev_info info;
	uint16_t more;

	assert_int_equal(rte_eth_dev_info_get(PORT, &info), 0);
	for (more = 0; more < 2; more++) {
		info.default_rxconf.rx_thresh.wthresh = 1 + more;
		info.default_txconf.tx_thresh.wthresh = 1 + more;
		assert_int_equal(rte_eth_dev_configure(PORT, 1, 1, &conf), 0);
		assert_int_equal(rte_eth_rx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY,
						 &info.default_rxconf, pool),
				0);
		assert_int_equal(rte_eth_tx_queue_setup(PORT, 0, NB_DESC, SOCKET_ID_ANY,
						 &info.default_txconf),
				0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		igb_watchdog_stop(&rte_eth_devices[PORT]);
		*reg(IGB_RDH(0)) = 10;
		assert_int_equal(stalls(2 * STALL), !more);
		assert_int_equal(transmit(10, 1), 10);
		assert_int_equal(stalls(2 * STALL), !more);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
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

static unsigned int reset_calls, removal_calls;

static int
on_event(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	assert_int_equal(port, PORT);
	++*(unsigned int *)arg;
	return 0;
}

/* Once a second from start to stop. A stall is an event; a lost device ends the checks. */
static void
alarm_checks_and_reports_until_the_device_is_lost(void **state)
{
	unsigned int i;

	memset(&alarms, 0, sizeof(alarms));
	reset_calls = removal_calls = 0;
	start(0);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_calls);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RMV, on_event, &removal_calls);
	assert_int_equal(alarms.set, 1);
	assert_int_equal(alarms.us, 1000000);
	assert_ptr_equal(alarms.arg, &rte_eth_devices[PORT]);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(alarms.cancelled, 1);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(alarms.set, 2);
	transmit(10, 1);
	for (i = 1; i <= 2 * STALL; i++) {
		alarms.fire(alarms.arg);
		assert_int_equal(alarms.set, 2 + i);
		assert_int_equal(reset_calls, i >= STALL);
	}
	fake.dead = fake.quiesced = true;
	alarms.fire(alarms.arg);
	assert_int_equal(alarms.set, 2 + 2 * STALL);
	assert_int_equal(removal_calls, 1);
	assert_int_equal(reset_calls, 1);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_calls);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RMV, on_event, &removal_calls);
}

/* A port without an alarm works, and its stalls are not detected. */
static void
refused_alarm_is_logged(void **state)
{
	alarms.refuse = true;
	log_begin();
	start(0);
	assert_int_equal(log_end("cannot set an alarm, stalls are not detected"), 1);
	alarms.refuse = false;
	restart();
}

static int
unreadable(void *dev, void *buf, size_t len, uint32_t offset)
{
	memset(buf, 0x7F, len); /* all aborts, if they were read */
	return -EIO;
}

static void
unreadable_status_is_no_refusal(void **state)
{
	static struct igb_bus_ops ops;
	struct igb_hw *hw;

	start_unwatched();
	hw = igb_hw_of(&rte_eth_devices[PORT]);
	ops = *hw->bus;
	ops.read_config = unreadable;
	hw->bus = &ops;
	log_begin();
	assert_int_equal(stalls(1), 0);
	assert_int_equal(log_end("refused"), 0);
	hw->bus = &fake_ops;
}

/* The count begins again when the queue runs again: it was idle, not stalled. */
static void
watchdog_forgets_a_stopped_queue(void **state)
{
	static const struct igb_watch none;
	struct igb_adapter *ad;

	start_unwatched();
	ad = igb_adapter_of(&rte_eth_devices[PORT]);
	assert_int_equal(rte_eth_dev_rx_queue_stop(PORT, 0), 0);
	assert_int_equal(rte_eth_dev_tx_queue_stop(PORT, 0), 0);
	memset(&ad->rx_watch[0], 1, sizeof(none));
	memset(&ad->tx_watch[0], 1, sizeof(none));
	assert_int_equal(stalls(1), 0);
	assert_memory_equal(&ad->rx_watch[0], &none, sizeof(none));
	assert_memory_equal(&ad->tx_watch[0], &none, sizeof(none));
	/* As at each start of the port. */
	memset(&ad->rx_watch[IGB_MAX_QUEUES - 1], 1, sizeof(none));
	memset(&ad->tx_watch[IGB_MAX_QUEUES - 1], 1, sizeof(none));
	restart();
	assert_memory_equal(&ad->rx_watch[IGB_MAX_QUEUES - 1], &none, sizeof(none));
	assert_memory_equal(&ad->tx_watch[IGB_MAX_QUEUES - 1], &none, sizeof(none));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		PORT_TEST(watchdog_reports_tx_stall_once),
		PORT_TEST(watchdog_reports_refused_access_once),
		PORT_TEST(watchdog_finds_stall_while_ring_fills),
		PORT_TEST(watchdog_ignores_slow_paused_and_stopped_tx),
		PORT_TEST(watchdog_ignores_full_laps),
		PORT_TEST(watchdog_reports_rx_without_write_back),
		PORT_TEST(watchdog_watches_every_queue),
		PORT_TEST(watchdog_reports_misses_despite_descriptors),
		PORT_TEST(watchdog_counts_misses_from_half_a_ring),
		PORT_TEST(watchdog_trusts_only_heads_up_to_the_tail),
		PORT_TEST(watchdog_leaves_queues_that_write_back_in_groups),
		PORT_TEST(watchdog_survives_random_registers),
		PORT_TEST(far_queue_is_logged_once),
		PORT_TEST(alarm_checks_and_reports_until_the_device_is_lost),
		PORT_TEST(refused_alarm_is_logged),
		PORT_TEST(unreadable_status_is_no_refusal),
		PORT_TEST(watchdog_forgets_a_stopped_queue),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_watchdog", tests, NULL, NULL);
}
