/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Applications: pointers that do not belong into a pool are put into it. Debug mode keeps them out,
 * and the correct free of the mbuf that a pointer was taken for is no double free.
 */

#include <stdlib.h>

#include "app.h"

/* Put the wrong pointer; if fixed, only free the mbuf. Check that the pool is as before. */
static __rte_always_inline void
put(struct rig *r, void *wrong, struct rte_mbuf *m, bool fixed)
{
	const unsigned int before = rte_mempool_avail_count(r->pool);

	if (!fixed)
		rte_mempool_put(r->pool, wrong);
	rte_pktmbuf_free(m);
	/* Without debug mode the pool also holds the wrong pointer. */
	CHECK(r, !fixed || rte_mempool_avail_count(r->pool) == before + 1);
}

/* The application puts the address of its own structure, which follows the mbuf. */
CULPRIT void
app_put_private(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 50);

	put(r, rte_mbuf_to_priv(m), m, fixed);
	if (r->debug)
		echo(r, 50);
}

/* The application puts the pointer to the data of the frame, which it mostly works with. */
CULPRIT void
app_put_data(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 51);

	put(r, rte_pktmbuf_mtod(m, void *), m, fixed);
}

/* The application does not clear a mark in the lowest bit of the pointer. */
CULPRIT void
app_put_marked(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 52);

	put(r, (uint8_t *)m + 1, m, fixed);
}

/* A message on the heap is freed by the function for messages from the wire. */
CULPRIT void
app_put_heap(struct rig *r, bool fixed)
{
	void *message = malloc(LEN);

	if (message == NULL)
		broken("no memory");
	put(r, message, frame(r, 53), fixed);
	free(message);
}

/* An array has a hole, where a packet was dropped. */
CULPRIT void
app_put_null(struct rig *r, bool fixed)
{
	void *burst[3] = { frame(r, 54), NULL, frame(r, 54) };
	const unsigned int before = rte_mempool_avail_count(r->pool);

	if (fixed) {
		rte_pktmbuf_free(burst[0]);
		rte_pktmbuf_free(burst[2]);
	} else {
		rte_mempool_put_bulk(r->pool, burst, 3);
	}
	CHECK(r, !r->debug || rte_mempool_avail_count(r->pool) == before + 2);
}

#define OTHER (2u * RING) /* mbufs */

static struct rte_mempool *
other_pool(void)
{
	struct rte_mempool *other = rte_pktmbuf_pool_create("other", OTHER, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (other == NULL)
		broken("no pool");
	return other;
}

/* An mbuf of another pool, which the port never saw. */
CULPRIT void
app_put_strange(struct rig *r, bool fixed)
{
	struct rte_mempool *other = other_pool();
	struct rte_mbuf *m = rte_pktmbuf_alloc(other);

	if (m == NULL)
		broken("no mbuf");
	rte_mempool_put(fixed ? other : r->pool, m);
	CHECK(r, rte_mempool_avail_count(other) == (fixed ? OTHER : OTHER - 1));
}

/* The application confuses the pools of two ports, and uses that of the outgoing port. */
CULPRIT void
app_put_wrong_pool(struct rig *r, bool fixed)
{
	struct rte_mempool *other = other_pool();
	struct rte_mbuf *m;

	restart(other, 0);
	m = rte_pktmbuf_alloc(other);
	if (m == NULL)
		broken("no mbuf");
	rte_mempool_put(fixed ? other : r->pool, m);
	if (!fixed)
		rte_pktmbuf_free(m);
	echo(r, 55);
}

/* A burst that holds a packet twice is freed in one call. */
CULPRIT void
app_put_twice_at_once(struct rig *r, bool fixed)
{
	void *burst[3] = { frame(r, 56), frame(r, 56), NULL };

	burst[2] = fixed ? frame(r, 56) : burst[0];
	rte_mempool_put_bulk(r->pool, burst, 3);
	if (r->debug)
		echo(r, 56);
	CHECK(r, !fixed || rte_mempool_avail_count(r->pool) > 3);
}

static const struct bug bugs[] = {
	APP(app_put_private, MBUF_NOT_OF_POOL),
	APP(app_put_data, MBUF_NOT_OF_POOL),
	APP(app_put_marked, MBUF_NOT_OF_POOL),
	APP(app_put_heap, MBUF_NOT_OF_POOL),
	APP(app_put_null, MBUF_NOT_OF_POOL),
	APP(app_put_strange, MBUF_NOT_OF_POOL),
	APP(app_put_wrong_pool, MBUF_NOT_OF_POOL),
	APP(app_put_twice_at_once, MBUF_DOUBLE_FREE),
};

FAMILY(pool, bugs, true);
