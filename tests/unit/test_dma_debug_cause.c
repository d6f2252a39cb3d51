/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of causes: the debug layer reports repeated mistakes once if they have the same cause. A
 * cause is the pair of the place in the application that made the mistake and the place that
 * mapped, or freed, the memory.
 *
 * The place is the caller of DPDK's functions, not the function of DPDK. This must hold if that
 * function is in DPDK's library, if it is inlined, and if it is a function of this program, as in a
 * build without optimisation. This program is therefore also built once without optimisation.
 */

#include "dma_mbufs.h"

/*
 * A driver that names its caller, and functions that stand for those of the ethdev library, as if
 * they were not inlined.
 */

static HERE gantry_dma_addr_t
driver_burst(struct gantry_dma_dev *dev, struct rte_mbuf *m)
{
	gantry_dma_addr_t addr;

	gantry_dma_debug_caller(__builtin_return_address(0));
	addr = drv_send(dev, m, 1);
	gantry_dma_debug_caller(NULL);
	return addr;
}

HERE gantry_dma_addr_t rte_test_tx_burst(struct gantry_dma_dev *dev, struct rte_mbuf *m);

gantry_dma_addr_t
rte_test_tx_burst(struct gantry_dma_dev *dev, struct rte_mbuf *m)
{
	return driver_burst(dev, m);
}

/* As rte_eth_tx_buffer() does. */
HERE gantry_dma_addr_t rte_test_tx_buffer(struct gantry_dma_dev *dev, struct rte_mbuf *m);

gantry_dma_addr_t
rte_test_tx_buffer(struct gantry_dma_dev *dev, struct rte_mbuf *m)
{
	return rte_test_tx_burst(dev, m);
}

/*
 * The application. The line number in each function keeps the compiler from merging equal
 * functions.
 */

#define SENDER(name, send) \
	static HERE gantry_dma_addr_t name(struct gantry_dma_dev *dev, struct rte_mbuf *m) \
	{ \
		gantry_dma_addr_t addr = send(dev, m); \
\
		__asm__ volatile("" : : "i"(__LINE__) : "memory"); \
		return addr; \
	}

SENDER(send_one, rte_test_tx_burst)
SENDER(send_two, rte_test_tx_burst)
SENDER(send_three, rte_test_tx_buffer)
SENDER(send_four, driver_burst)

#define FREER(name, call) \
	static HERE void name(struct rte_mbuf *m) \
	{ \
		call; \
		__asm__ volatile("" : : "i"(__LINE__) : "memory"); \
	}

FREER(free_one, rte_pktmbuf_free(m))
FREER(free_two, rte_pktmbuf_free(m))
FREER(free_three, rte_pktmbuf_free_bulk(&m, 1))
FREER(free_four, rte_pktmbuf_free_bulk(&m, 1))
FREER(free_five, rte_mempool_put(m->pool, m))

static const struct sender {
	const char *name;
	gantry_dma_addr_t (*send)(struct gantry_dma_dev *dev, struct rte_mbuf *m);
} senders[] = {
	{ "send_one+0x", send_one },
	{ "send_two+0x", send_two },
	{ "send_three+0x", send_three },
	{ "send_four+0x", send_four },
};

static const struct freer {
	const char *name;
	void (*free)(struct rte_mbuf *m);
} freers[] = {
	{ "free_one+0x", free_one },
	{ "free_two+0x", free_two },
	{ "free_three+0x", free_three },
	{ "free_four+0x", free_four },
	{ "free_five+0x", free_five },
};

/* Assert that there is one more report, of this class and with these names. */
static void
expect_one_more_report(unsigned int *nr, enum gantry_dma_misuse misuse, const char *mapped,
		const char *here)
{
	const struct report *r = &reports.at[*nr];

	if (reports.nr != *nr + 1)
		fail_msg("%s, %s: %u reports", mapped, here, reports.nr - *nr);
	if (r->misuse != misuse || strncmp(r->symbol, here, strlen(here)) != 0 ||
			strncmp(r->map_symbol, mapped, strlen(mapped)) != 0 ||
			strstr(strstr(r->text, "; here by "), here) == NULL)
		fail_msg("not %s, %s: %s", mapped, here, r->text);
	++*nr;
}

static struct gantry_dma_dev *
begin(void)
{
	struct gantry_dma_dev *dev = device("nic0");

	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	return dev;
}

static void
end(struct gantry_dma_dev *dev)
{
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

static void
free_in_flight(struct gantry_dma_dev *dev, const struct sender *s, const struct freer *f)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr = s->send(dev, m);

	f->free(m);
	drv_complete(dev, m, addr);
}

/*
 * One report for each function that frees what send_one() has sent, and one for each sender whose
 * mbufs free_three() frees.
 */
static void
each_freeing_or_sending_place_is_one_cause(void **state)
{
	struct gantry_dma_dev *dev = begin();
	unsigned int nr = 0, i, again;

	for (i = 0; i < RTE_DIM(freers); i++) {
		for (again = 0; again < 3; again++)
			free_in_flight(dev, &senders[0], &freers[i]);
		expect_one_more_report(&nr, GANTRY_DMA_MISUSE_MBUF_FREED, senders[0].name,
				freers[i].name);
	}
	for (i = 1; i < RTE_DIM(senders); i++) {
		for (again = 0; again < 3; again++)
			free_in_flight(dev, &senders[i], &freers[2]);
		expect_one_more_report(&nr, GANTRY_DMA_MISUSE_MBUF_FREED, senders[i].name,
				freers[2].name);
	}
	assert_int_equal(gantry_dma_debug_errors(dev), nr);
	end(dev);
}

/* One report for each function that frees first, and one for each that frees again. */
static void
each_pair_of_freeing_places_is_one_cause(void **state)
{
	struct gantry_dma_dev *dev = begin();
	unsigned int nr = 0, i, k, again;

	for (i = 0; i < RTE_DIM(freers); i++) {
		for (again = 0; again < 3; again++) {
			struct rte_mbuf *m = frame();

			freers[i].free(m);
			freers[3].free(m);
		}
		expect_one_more_report(&nr, GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE, freers[i].name,
				freers[3].name);
	}
	for (k = 0; k < RTE_DIM(freers); k++) {
		struct rte_mbuf *m;

		if (k == 3)
			continue;
		m = frame();
		freers[2].free(m);
		freers[k].free(m);
		expect_one_more_report(&nr, GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE, freers[2].name,
				freers[k].name);
	}
	end(dev);
}

/* The driver finds it: one report for each function that sends again what send_one() has sent. */
static void
each_second_sender_is_one_cause(void **state)
{
	struct gantry_dma_dev *dev = begin();
	unsigned int nr = 0, i, again;
	gantry_dma_addr_t a, b;

	for (i = 0; i < RTE_DIM(senders); i++) {
		for (again = 0; again < 3; again++) {
			struct rte_mbuf *m = frame();

			a = senders[0].send(dev, m);
			b = senders[i].send(dev, m);
			gantry_dma_unmap_mbuf(dev, m, a, FRAME, GANTRY_DMA_TO_DEVICE);
			drv_complete(dev, m, b);
		}
		expect_one_more_report(&nr, GANTRY_DMA_MISUSE_MBUF_IN_RING, senders[0].name,
				senders[i].name);
	}
	end(dev);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_freeing_or_sending_place_is_one_cause),
		cmocka_unit_test(each_pair_of_freeing_places_is_one_cause),
		cmocka_unit_test(each_second_sender_is_one_cause),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
