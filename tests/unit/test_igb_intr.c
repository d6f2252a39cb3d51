/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the driver's interrupts (drivers/net/igb/igb_intr.c), with the fake device (igb_fake.h)
 * and event file descriptors in place of vectors.
 */

#include "igb_fake.h"

#include "../common/fds.h"

static unsigned int lsc_events, reset_events;

/* The linker replaces these functions (--wrap). */
static unsigned int fail_eventfd; /* the call of this number fails, from 1 */
static unsigned int fail_index;   /* the same, for rte_intr_efds_index_set() */
static int fail_nb;               /* this number of descriptors is refused */
static bool fail_list, fail_enable, fail_write;
static unsigned int busy; /* the handler runs during so many calls to unregister it */
static bool in_handler;   /* the caller is the handler */
static unsigned int unregisters, pending, sleeps;

int __real_eventfd(unsigned int count, int flags);
int __wrap_eventfd(unsigned int count, int flags);
int __real_rte_intr_vec_list_alloc(struct rte_intr_handle *handle, const char *name, int size);
int __wrap_rte_intr_vec_list_alloc(struct rte_intr_handle *handle, const char *name, int size);
int __real_rte_intr_enable(const struct rte_intr_handle *handle);
int __wrap_rte_intr_enable(const struct rte_intr_handle *handle);

int
__wrap_eventfd(unsigned int count, int flags)
{
	if (fail_eventfd == 0 || --fail_eventfd != 0)
		return __real_eventfd(count, flags);
	errno = EMFILE;
	return -1;
}

int
__wrap_rte_intr_vec_list_alloc(struct rte_intr_handle *handle, const char *name, int size)
{
	return fail_list ? -ENOMEM : __real_rte_intr_vec_list_alloc(handle, name, size);
}

int
__wrap_rte_intr_enable(const struct rte_intr_handle *handle)
{
	return fail_enable ? -1 : __real_rte_intr_enable(handle);
}

#define FAKE(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

FAKE(int, eventfd_write, int fd, eventfd_t value)
{
	errno = EAGAIN;
	return fail_write ? -1 : __real_eventfd_write(fd, value);
}

FAKE(int, rte_intr_efds_index_set, struct rte_intr_handle *handle, int index, int fd)
{
	rte_errno = ERANGE;
	return fail_index != 0 && --fail_index == 0 ?
			-ERANGE :
			__real_rte_intr_efds_index_set(handle, index, fd);
}

FAKE(int, rte_intr_nb_efd_set, struct rte_intr_handle *handle, int nb)
{
	rte_errno = ERANGE;
	return nb != 0 && nb == fail_nb ? -ERANGE : __real_rte_intr_nb_efd_set(handle, nb);
}

FAKE(int, rte_intr_callback_unregister, const struct rte_intr_handle *handle,
		rte_intr_callback_fn cb, void *arg)
{
	unregisters++;
	if (busy == 0)
		return __real_rte_intr_callback_unregister(handle, cb, arg);
	busy--;
	return -EAGAIN;
}

FAKE(int, rte_intr_callback_unregister_pending, const struct rte_intr_handle *handle,
		rte_intr_callback_fn cb, void *arg, rte_intr_unregister_callback_fn done)
{
	pending++;
	assert_null(done);
	return __real_rte_intr_callback_unregister(handle, cb, arg);
}

FAKE(int, rte_thread_is_intr, void)
{
	return in_handler || __real_rte_thread_is_intr();
}

FAKE(void, rte_delay_us_sleep, unsigned int us)
{
	sleeps++;
}

static int
on_event(uint16_t port, enum rte_eth_event_type type, void *arg, void *ret)
{
	__atomic_fetch_add((unsigned int *)arg, 1, __ATOMIC_RELEASE);
	return 0;
}

static int
port_with_interrupts(uint32_t nb_vectors, bool per_queue)
{
	fake_init();
	lsc_events = reset_events = 0;
	fake.intr = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	assert_non_null(fake.intr);
	rte_intr_type_set(fake.intr, RTE_INTR_HANDLE_VDEV);
	rte_intr_fd_set(fake.intr, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	fake.nb_vectors = nb_vectors;
	fake.intr_per_queue = per_queue;
	assert_int_equal(probe(), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("fake0", &fake.port), 0);
	return 0;
}

static int
intr_new(void **state)
{
	return port_with_interrupts(25, true);
}

static int
few_new(void **state)
{
	return port_with_interrupts(3, true);
}

static int
single_new(void **state)
{
	return port_with_interrupts(1, false);
}

static int
intr_gone(void **state)
{
	const int fd = rte_intr_fd_get(fake.intr);
	int ret = port_gone(state);

	close(fd);
	rte_intr_instance_free(fake.intr);
	fake.intr = NULL;
	return ret;
}

/* Raise vector 0, and wait until the handler has drained it and written the register `rearm`. */
static void
raise_misc(uint32_t icr, uint32_t rearm)
{
	const unsigned int before = __atomic_load_n(&fake.drained, __ATOMIC_ACQUIRE);
	unsigned int i;

	*reg(IGB_ICR) = icr;
	*reg(rearm) = 0;
	eventfd_write(rte_intr_fd_get(fake.intr), 1);
	for (i = 0; i < 100000; i++) {
		if (__atomic_load_n(&fake.drained, __ATOMIC_ACQUIRE) != before &&
				__atomic_load_n(reg(rearm), __ATOMIC_ACQUIRE) != 0)
			break;
		usleep(1000);
	}
	assert_int_not_equal(__atomic_load_n(reg(rearm), __ATOMIC_ACQUIRE), 0);
}

static void
wait_events(const unsigned int *events, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 100000 && __atomic_load_n(events, __ATOMIC_ACQUIRE) != n; i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(events, __ATOMIC_ACQUIRE), n);
}

static bool
was_raised(uint16_t queue)
{
	eventfd_t n;

	return eventfd_read(rte_intr_efds_index_get(fake.intr, queue), &n) == 0;
}

static void
each_queue_has_its_own_vector(void **state)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.intr_conf = { .lsc = 1, .rxq = 1 },
	};
	unsigned int q;

	for (q = 0; q < 3; q++)
		*reg(IGB_EITR(q)) = 77;
	begin(16, 1, &conf);
	assert_int_equal(*reg(IGB_GPIE),
			IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_PBA | IGB_GPIE_EIAME | IGB_GPIE_NSICR);
	assert_int_equal(*reg(IGB_IVAR_MISC), 0x80u << 8);
	for (q = 0; q < 8; q++) /* queue q, and q + 8 in the upper half */
		assert_int_equal(*reg(IGB_IVAR(q)), (0x81u + q) | (0x89u + q) << 16);
	assert_int_equal(*reg(IGB_EIAC), 0x1FFFF);
	assert_int_equal(*reg(IGB_EIAM), 0x1FFFF);
	assert_int_equal(*reg(IGB_EIMS), 1);
	assert_int_equal(*reg(IGB_EITR(1)), 0);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_LSC | IGB_ICR_FER | IGB_ICR_DOUTSYNC);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 0), 0);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 15), 0);
	assert_int_equal(*reg(IGB_EIMS), 1 | 1u << 1 | 1u << 16);
	assert_int_equal(rte_eth_dev_rx_intr_disable(PORT, 15), 0);
	assert_int_equal(*reg(IGB_EIMS), 1 | 1u << 1);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(*reg(IGB_EIMS), 0);
	assert_int_equal(*reg(IGB_IMS), 0);
	/* Without receive interrupts, no queue raises an interrupt. */
	memset(reg(IGB_IVAR(0)), 0, 32);
	begin(2, 1, &(struct rte_eth_conf){ .rxmode.mq_mode = RTE_ETH_MQ_RX_RSS });
	assert_int_equal(*reg(IGB_IVAR(0)), 0);
	assert_int_equal(*reg(IGB_EIAC), 1);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_FER | IGB_ICR_DOUTSYNC);
}

/* In later controllers of the family, a register of IVAR serves queues 2n and 2n + 1. */
static void
neighbours_share_a_register_in_later_controllers(void **state)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.intr_conf.rxq = 1,
	};
	struct igb_hw *hw = &igb_adapter_of(&rte_eth_devices[PORT])->hw;
	const struct igb_controller *own = hw->ctl;
	static struct igb_controller later;
	unsigned int k;

	later = *own;
	later.ivar_by_pair = true;
	hw->ctl = &later;
	for (k = 0; k < 8; k++)
		*reg(IGB_IVAR(k)) = 0;
	begin(5, 2, &conf);
	assert_int_equal(*reg(IGB_IVAR(0)), 0x81 | 0x82 << 16);
	assert_int_equal(*reg(IGB_IVAR(1)), 0x83 | 0x84 << 16);
	assert_int_equal(*reg(IGB_IVAR(2)), 0x85);
	for (k = 3; k < 8; k++)
		assert_int_equal(*reg(IGB_IVAR(k)), 0);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	hw->ctl = own;
}

/* Three vectors: queues 0 and 1 have one each, queues 2 to 4 share vector 0. */
static void
queues_beyond_the_vectors_share_one(void **state)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.intr_conf.rxq = 1,
	};
	struct igb_rx_queue *q3;

	assert_int_equal(rte_eth_dev_configure(PORT, 5, 1, &conf), 0);
	begin(5, 1, &conf);
	q3 = rte_eth_devices[PORT].data->rx_queues[3];
	assert_int_equal(*reg(IGB_IVAR(0)), 0x81);
	assert_int_equal(*reg(IGB_IVAR(1)), 0x82);
	assert_int_equal(*reg(IGB_IVAR(2)), 0);
	assert_int_equal(*reg(IGB_EIAC), 7);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 2), 0);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 3), 0);
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 4), 0);
	assert_int_equal(*reg(IGB_IVAR(2)), 0x80);
	assert_int_equal(*reg(IGB_IVAR(4)), 0x80);
	assert_int_equal(rte_eth_dev_rx_intr_disable(PORT, 4), 0);
	assert_int_equal(*reg(IGB_IVAR(4)), 0);
	assert_false(was_raised(2) || was_raised(3) || was_raised(4));
	/* Queues that have enabled their interrupt are woken, once. */
	raise_misc(0, IGB_EIMS);
	assert_true(was_raised(2) && was_raised(3));
	assert_false(was_raised(4) || was_raised(1));
	assert_int_equal(*reg(IGB_IVAR(2)), 0);
	raise_misc(0, IGB_EIMS);
	assert_false(was_raised(2) || was_raised(3));
	/*
	 * If a frame is present when a queue enables its interrupt, the queue is woken immediately.
	 */
	q3->ring[0].wb.staterr = GOOD;
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 3), 0);
	assert_true(was_raised(3));
	assert_int_equal(*reg(IGB_IVAR(3)), 0);
	assert_int_equal(rte_intr_nb_efd_get(fake.intr), 5);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	assert_int_equal(rte_intr_nb_efd_get(fake.intr), 0);
}

static void
link_changes_and_errors_are_events(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	struct rte_eth_link link;

	begin(1, 1, &conf);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_events);
	fake.no_link = true;
	raise_misc(IGB_ICR_LSC, IGB_EIMS);
	wait_events(&lsc_events, 1);
	assert_int_equal(rte_eth_link_get_nowait(PORT, &link), 0);
	assert_int_equal(link.link_status, RTE_ETH_LINK_DOWN);
	/* Nothing has changed. */
	raise_misc(IGB_ICR_LSC, IGB_EIMS);
	fake.no_link = false;
	raise_misc(0, IGB_EIMS);
	raise_misc(IGB_ICR_FER, IGB_EIMS);
	wait_events(&reset_events, 1);
	assert_int_equal(lsc_events, 1);
	raise_misc(IGB_ICR_LSC | IGB_ICR_DOUTSYNC, IGB_EIMS);
	wait_events(&reset_events, 2);
	assert_int_equal(lsc_events, 2);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_events);
}

static void
single_interrupt_is_armed_by_its_causes(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };

	*reg(IGB_GPIE) = 77;
	begin(1, 1, &conf);
	assert_int_equal(*reg(IGB_GPIE), 0);
	assert_int_equal(*reg(IGB_EIMS), 0);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_LSC | IGB_ICR_FER | IGB_ICR_DOUTSYNC);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	fake.no_link = true;
	raise_misc(IGB_ICR_LSC, IGB_IMS);
	wait_events(&lsc_events, 1);
	assert_int_equal(*reg(IGB_IMS), IGB_ICR_LSC | IGB_ICR_FER | IGB_ICR_DOUTSYNC);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	assert_int_equal(igb_rx_queue_intr_enable(&rte_eth_devices[PORT], 0), -ENOTSUP);
	assert_int_equal(igb_rx_queue_intr_disable(&rte_eth_devices[PORT], 0), -ENOTSUP);
}

/* Three vectors and five queues: the bus makes two descriptors, and the driver three. */
static void
start_without_interrupts_fails_and_can_be_retried(void **state)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.intr_conf.rxq = 1,
	};
	unsigned int i;
	int before;

	configure(5, 1, &conf);
	assert_int_equal(rte_eth_dev_start(PORT), 0);
	assert_int_equal(rte_eth_dev_stop(PORT), 0);
	before = count_fds();
	for (i = 0; i < 9; i++) {
		fail_eventfd = i < 3 ? 3 + i : 0;
		fail_index = i == 6 || i == 7 ? i - 3 : 0; /* the first two by the bus */
		fail_nb = i == 8 ? 4 : 0;
		fail_list = i == 3;
		fail_enable = i == 4;
		if (i == 5)
			fake.nb_vectors = 2; /* fewer than the bus reported */
		assert_int_not_equal(rte_eth_dev_start(PORT), 0);
		fake.nb_vectors = 3;
		fail_list = fail_enable = false;
		fail_nb = 0;
		assert_int_equal(fail_eventfd, 0);
		assert_int_equal(fail_index, 0);
		assert_int_equal(count_fds(), before);
		assert_int_equal(rte_intr_nb_efd_get(fake.intr), 0);
		assert_int_equal(*reg(IGB_IMS) | *reg(IGB_EIMS), 0);
		assert_int_equal(rte_eth_dev_start(PORT), 0);
		assert_int_equal(rte_intr_nb_efd_get(fake.intr), 5);
		assert_int_equal(rte_eth_dev_stop(PORT), 0);
		assert_int_equal(count_fds(), before);
	}
}

/* One queue that cannot be woken does not keep the others asleep. */
static void
failing_wake_is_logged(void **state)
{
	const struct rte_eth_conf conf = {
		.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS,
		.intr_conf.rxq = 1,
	};
	struct igb_rx_queue *q3;

	begin(5, 1, &conf);
	q3 = rte_eth_devices[PORT].data->rx_queues[3];
	q3->ring[0].wb.staterr = GOOD;
	fail_write = true;
	log_begin();
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 3), 0);
	assert_int_equal(log_end("rx queue 3: cannot raise its interrupt"), 1);
	fail_write = false;
	assert_false(was_raised(3));
	assert_int_equal(rte_eth_dev_rx_intr_enable(PORT, 3), 0);
	assert_true(was_raised(3));
}

/* All ones are no causes, and there is nothing to arm. The second interrupt follows the first. */
static void
interrupt_of_a_removed_device_is_no_event(void **state)
{
	const struct rte_eth_conf conf = { .intr_conf.lsc = 1 };
	unsigned int i, k, before;

	begin(1, 1, &conf);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	rte_eth_dev_callback_register(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_events);
	fake.quiesced = true;
	__atomic_store_n(&fake.dead, true, __ATOMIC_RELEASE);
	for (k = 0; k < 2; k++) {
		before = __atomic_load_n(&fake.drained, __ATOMIC_ACQUIRE);
		eventfd_write(rte_intr_fd_get(fake.intr), 1);
		for (i = 0; i < 100000; i++) {
			if (__atomic_load_n(&fake.drained, __ATOMIC_ACQUIRE) != before)
				break;
			usleep(1000);
		}
		assert_int_not_equal(__atomic_load_n(&fake.drained, __ATOMIC_ACQUIRE), before);
	}
	assert_int_equal(__atomic_load_n(&lsc_events, __ATOMIC_ACQUIRE), 0);
	assert_int_equal(__atomic_load_n(&reset_events, __ATOMIC_ACQUIRE), 0);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_LSC, on_event, &lsc_events);
	rte_eth_dev_callback_unregister(PORT, RTE_ETH_EVENT_INTR_RESET, on_event, &reset_events);
}

/* Close waits for the handler, unless it is called from there, and not for ever. */
static void
close_waits_for_the_handler(void **state)
{
	static const struct {
		unsigned int busy, unregisters, pending;
		bool in_handler;
	} t[] = {
		{ 0, 1, 0, false },
		{ 2, 3, 0, false },
		{ 2, 1, 1, true },
		{ 2000, 1000, 1, false },
	};
	struct rte_eth_dev *dev;
	unsigned int i;

	for (i = 0; i < RTE_DIM(t); i++) {
		dev = &rte_eth_devices[PORT];
		unregisters = pending = sleeps = 0;
		busy = t[i].busy;
		in_handler = t[i].in_handler;
		igb_intr_teardown(dev);
		busy = 0;
		in_handler = false;
		assert_int_equal(unregisters, t[i].unregisters);
		assert_int_equal(pending, t[i].pending);
		assert_int_equal(sleeps, unregisters - !t[i].pending - t[i].in_handler);
		assert_false(igb_adapter_of(dev)->intr_registered);
		/* Once. */
		igb_intr_teardown(dev);
		assert_int_equal(unregisters, t[i].unregisters);
		assert_int_equal(igb_intr_setup(dev), 0);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_queue_has_its_own_vector, intr_new, intr_gone),
		cmocka_unit_test_setup_teardown(neighbours_share_a_register_in_later_controllers,
				intr_new, intr_gone),
		cmocka_unit_test_setup_teardown(queues_beyond_the_vectors_share_one, few_new,
				intr_gone),
		cmocka_unit_test_setup_teardown(start_without_interrupts_fails_and_can_be_retried,
				few_new, intr_gone),
		cmocka_unit_test_setup_teardown(link_changes_and_errors_are_events, intr_new,
				intr_gone),
		cmocka_unit_test_setup_teardown(single_interrupt_is_armed_by_its_causes, single_new,
				intr_gone),
		cmocka_unit_test_setup_teardown(failing_wake_is_logged, few_new, intr_gone),
		cmocka_unit_test_setup_teardown(interrupt_of_a_removed_device_is_no_event, intr_new,
				intr_gone),
		cmocka_unit_test_setup_teardown(close_waits_for_the_handler, intr_new, intr_gone),
	};

	fake_start_eal(argc, argv);
	return cmocka_run_group_tests_name("igb_intr", tests, NULL, NULL);
}
