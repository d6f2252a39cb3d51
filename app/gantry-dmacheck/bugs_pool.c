/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Applications: what is put into a pool and does not belong there. It stays outside, and the right
 * free of the mbuf that it was taken for is no double one.
 */

#include <stdlib.h>

#include "app.h"

/* Puts what is wrong, or with fixed what is right, and looks whether the pool is as it was. */
static __rte_always_inline void
put(struct rig *r, void *wrong, struct rte_mbuf *m, bool fixed)
{
	const unsigned int before = rte_mempool_avail_count(r->pool);

	if (!fixed)
		rte_mempool_put(r->pool, wrong);
	rte_pktmbuf_free(m);
	/* Without the debug mode the pool has what is wrong, too. */
	CHECK(r, !fixed || rte_mempool_avail_count(r->pool) == before + 1);
}

/* Behind the mbuf there is the application's own structure, whose address it puts. */
CULPRIT void
app_put_private(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 50);

	put(r, rte_mbuf_to_priv(m), m, fixed);
	if (r->debug)
		echo(r, 50);
}

/* The pointer to the frame's data, which is what most of the application knows of an mbuf. */
CULPRIT void
app_put_data(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 51);

	put(r, rte_pktmbuf_mtod(m, void *), m, fixed);
}

/* A mark in the pointer's lowest bit, which is not taken off. */
CULPRIT void
app_put_marked(struct rig *r, bool fixed)
{
	struct rte_mbuf *m = frame(r, 52);

	put(r, (uint8_t *)m + 1, m, fixed);
}

/* A message of the heap, by the same function as those that came from the wire. */
CULPRIT void
app_put_heap(struct rig *r, bool fixed)
{
	void *message = malloc(LEN);

	if (message == NULL)
		broken("no memory");
	put(r, message, frame(r, 53), fixed);
	free(message);
}

/* An array with a hole, where a packet was dropped. */
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

/* An mbuf of another pool, which the port has never seen. */
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

/* Two ports' pools are mixed up: that of the port which it goes to is taken. */
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

/* A burst that has a packet twice goes back at once. */
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
