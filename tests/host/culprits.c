/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * An application that transmits each mbuf by one of two functions and then, while the device may
 * own it, frees it by one of two others:
 *
 *	culprits EAL-ARGS
 *
 * This file contains nothing that is specific to gantry. It is built with and without optimisation;
 * without optimisation, the inline functions of the ethdev headers are functions of this program.
 */

#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "../common/link_up.h"

#define P    0
#define SIZE 200

static struct rte_mempool *pool;

/*
 * The asm statement keeps the compiler from merging functions with the same body, and from turning
 * the call into a jump, so that each function has its own frame on the stack.
 */
#define FUNCTION(name, call) \
	static __attribute__((noinline)) void name(struct rte_mbuf *m) \
	{ \
		call; \
		__asm__ volatile("" : : "i"(__LINE__) : "memory"); \
	}

FUNCTION(send_one, rte_eth_tx_burst(P, 0, &m, 1))
FUNCTION(send_two, rte_eth_tx_burst(P, 0, &m, 1))
FUNCTION(free_one, rte_pktmbuf_free(m))
FUNCTION(free_two, rte_pktmbuf_free_bulk(&m, 1))

static void
play(void (*send)(struct rte_mbuf *m), void (*free)(struct rte_mbuf *m))
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	/* A broadcast frame. */
	memset(rte_pktmbuf_append(m, SIZE), 0xFF, SIZE);
	send(m);
	free(m);
}

int
main(int argc, char **argv)
{
	static const struct rte_eth_conf conf;

	if (rte_eal_init(argc, argv) < 0)
		return 1;
	pool = rte_pktmbuf_pool_create("pool", 1023, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
			SOCKET_ID_ANY);
	if (pool == NULL || rte_eth_dev_configure(P, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(P, 0, 64, SOCKET_ID_ANY, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup(P, 0, 256, SOCKET_ID_ANY, NULL) != 0 ||
			rte_eth_dev_start(P) != 0 || wait_link_up(P, 20000) != 0)
		return 1;
	play(send_one, free_one);
	play(send_one, free_two);
	play(send_two, free_one);
	play(send_two, free_two);
	play(send_two, free_two);
	printf("culprits: done\n");
	rte_eth_dev_stop(P);
	rte_eth_dev_close(P);
	return 0;
}
