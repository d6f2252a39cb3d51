/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Calls on a port that the applications of the corpus share. They use ethdev only, nothing of
 * gantry. The port is net_gantry_igb on a soft NIC, with dma_debug=1 on the EAL command line, as
 * any application can have it.
 *
 * If a frame must still be in the ring, the play holds the wire, so no play depends on timing.
 */

#ifndef APP_H
#define APP_H

#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ether.h>

#include "dmacheck.h"

#define PORT 0
#define LEN  200
#define RING 64

/*
 * The code of the loop of an application is part of the function that contains the bug, as in a
 * real application. These functions are therefore inline.
 */

/* Return a broadcast frame whose payload depends on a seed. */
static inline struct rte_mbuf *
frame(struct rig *r, unsigned int seed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
	struct rte_ether_hdr *eth;

	if (m == NULL || rte_pktmbuf_append(m, LEN) == NULL)
		broken("no mbuf");
	fill(rte_pktmbuf_mtod(m, void *), LEN, seed);
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr.addr_bytes[0] = 2;
	eth->ether_type = RTE_BE16(0x88b5); /* for local experiments */
	return m;
}

/* True if a received mbuf holds that frame. */
static inline bool
is_frame(const struct rte_mbuf *m, unsigned int seed)
{
	uint8_t want[LEN];

	fill(want, LEN, seed);
	return m != NULL && m->pkt_len == LEN &&
			memcmp(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), want + 14, LEN - 14) == 0;
}

/* Return the next frame; NULL if none arrives within 5 s. */
static __rte_always_inline struct rte_mbuf *
receive(void)
{
	const uint64_t end = rte_get_timer_cycles() + 5 * rte_get_timer_hz();
	struct rte_mbuf *m;

	do {
		if (rte_eth_rx_burst(PORT, 0, &m, 1) == 1)
			return m;
		usleep(50);
	} while (rte_get_timer_cycles() < end);
	return NULL;
}

static __rte_always_inline void
receive_and_free(struct rig *r, unsigned int seed)
{
	struct rte_mbuf *m = receive();

	CHECK(r, is_frame(m, seed));
	rte_pktmbuf_free(m);
}

static __rte_always_inline void
transmit(struct rte_mbuf *m)
{
	if (rte_eth_tx_burst(PORT, 0, &m, 1) != 1)
		broken("the ring is full");
}

/* Have the driver release n packets that it has sent. */
static __rte_always_inline void
reclaim(unsigned int n)
{
	const uint64_t end = rte_get_timer_cycles() + 5 * rte_get_timer_hz();
	int done;

	while (n > 0) {
		done = rte_eth_tx_done_cleanup(PORT, 0, 0);
		if (done < 0 || rte_get_timer_cycles() > end)
			broken("the frames that were sent do not come back");
		n -= RTE_MIN(n, (unsigned int)done);
		usleep(50);
	}
}

/* Start the port again, with other transmit offloads or another pool. */
static inline void
restart(struct rte_mempool *pool, uint64_t tx_offloads)
{
	const struct rte_eth_conf conf = { .txmode.offloads = tx_offloads };

	if (rte_eth_dev_stop(PORT) != 0 || rte_eth_dev_configure(PORT, 1, 1, &conf) != 0 ||
			rte_eth_rx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL, pool) != 0 ||
			rte_eth_tx_queue_setup(PORT, 0, RING, SOCKET_ID_ANY, NULL) != 0 ||
			rte_eth_dev_start(PORT) != 0)
		broken("the port does not start");
}

/*
 * External buffers. The application states the bus address of a buffer, and learns when the
 * buffer may be freed.
 */
static inline void
ext_free(void *addr, void *opaque)
{
}

static inline struct rte_mbuf *
ext_frame(struct rig *r, void *buf, struct rte_mbuf_ext_shared_info *info, rte_iova_t iova)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);

	if (m == NULL)
		broken("no mbuf");
	info->free_cb = ext_free;
	info->fcb_opaque = NULL;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, buf, iova, LEN, info);
	m->data_len = LEN;
	m->pkt_len = LEN;
	return m;
}

/* Send a frame and receive it, without a mistake. */
static __rte_always_inline void
echo(struct rig *r, unsigned int seed)
{
	transmit(frame(r, seed));
	receive_and_free(r, seed);
	reclaim(1);
}

#define APP(fn, class)            APP_FROM(fn, class, "planted")
#define APP_FROM(fn, class, from) APP_AND(fn, class, from, NULL)
#define APP_AND(fn, class, from, first) \
	{ \
		.name = #fn, .misuse = GANTRY_DMA_MISUSE_##class, .source = from, .play = fn, \
		.culprit = #fn, .mapper = first \
	}
#define DRIVER "(librte_net_gantry_igb.so)"

#endif /* APP_H */
