/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Scenarios about the owner of an mbuf: an application that frees what the device owns, and a
 * device that does not return what it owns. A test plays them line by line together with the
 * program.
 */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ethdev_calls.h"

#define PATTERN 0xA5

static const char *
read_line(void)
{
	static char line[64];

	CHECK(fgets(line, sizeof(line), stdin) != NULL);
	return line;
}

static __rte_noinline void
free_sent_mbuf(void)
{
	struct rte_mbuf *m = frame(&own, -1);

	transmit(m);
	rte_pktmbuf_free(m);
	printf("freed\n");
	fflush(stdout);
}

/*
 * Commit a mistake: free an mbuf that the device owns. Repeat it when a line arrives on standard
 * input. The scenario is of use only if something watches for the mistake.
 */
void
free_in_flight(void)
{
	static const struct rte_eth_conf conf;
	unsigned int i;

	up(&conf);
	free_sent_mbuf();
	read_line();
	free_sent_mbuf();
	for (i = 0; i < 2; i++) {
		struct rte_mbuf *m = receive(SOON_MS);

		CHECK(m != NULL);
		rte_pktmbuf_free(m);
	}
	down();
}

static void
forward(void)
{
	struct rte_mbuf *pkts[32];
	uint16_t n = rte_eth_rx_burst(P, 0, pkts, 32);
	uint16_t sent = rte_eth_tx_burst(P, 0, pkts, n);

	rte_pktmbuf_free_bulk(pkts + sent, n - sent);
}

/*
 * Frames circulate; then the device stops responding; then the port is stopped, and closed if the
 * test demands it. The scenario then takes every mbuf that was returned to the pool, fills it with
 * a pattern, and checks that the device does not write to it.
 */
void
unresponsive_device(void)
{
	static const struct rte_eth_conf conf;
	static struct rte_mbuf *mbufs[MBUFS];
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned int i, nb = 0, bad = 0;
	bool close_too;
	uint64_t end;
	size_t at;

	up(&conf);
	/* Promiscuous mode also lets a frame return whose bytes have become the pattern. */
	OK(rte_eth_promiscuous_enable(P));
	for (i = 0; i < 200; i++)
		transmit(frame(&own, -1));
	printf("flowing\n");
	fflush(stdout);
	while (poll(&in, 1, 0) == 0)
		forward();
	close_too = strcmp(read_line(), "close\n") == 0;
	/* The device is stopped, so all mbufs accumulate in the transmit ring. */
	end = rte_get_timer_cycles() + rte_get_timer_hz() / 5;
	while (rte_get_timer_cycles() < end)
		forward();
	rte_eth_dev_stop(P);
	if (close_too)
		rte_eth_dev_close(P);

	while (nb < MBUFS && rte_mempool_get(pool, (void **)&mbufs[nb]) == 0)
		memset(mbufs[nb++]->buf_addr, PATTERN, rte_pktmbuf_data_room_size(pool));
	printf("%u mbufs taken, %u withheld\n", nb, MBUFS - nb);
	fflush(stdout);
	read_line();
	for (i = 0; i < nb; i++) {
		for (at = 0; at < rte_pktmbuf_data_room_size(pool) &&
				((uint8_t *)mbufs[i]->buf_addr)[at] == PATTERN;
				at++)
			;
		bad += at != rte_pktmbuf_data_room_size(pool);
	}
	if (bad != 0)
		wrong("the device overwrote %u mbufs", bad);
	rte_mempool_put_bulk(pool, (void **)mbufs, nb);
	/*
	 * The connection has ended, so the driver knows that the device no longer owns the buffers.
	 */
	if (!close_too)
		rte_eth_dev_close(P);
	printf("%u mbufs in the end\n", rte_mempool_avail_count(pool));
}
