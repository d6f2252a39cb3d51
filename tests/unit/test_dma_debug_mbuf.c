/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer's view of mbufs (dma_debug_mbuf.c): a driver of a few lines
 * (dma_mbufs.h), mempools of each kind, and an application that makes one mistake, or none.
 *
 * An mbuf is owned by the pool, the application or the device. The plays violate that in one way
 * each; the library must report it, name the mbuf, its pool, queue and descriptor, and keep the
 * pool intact: no mbuf is lost, and none is in the pool twice.
 */

#include "dma_mbufs.h"
#include "dma_bus.h"

#include "gantry_dma_sg.h"

/*
 * The application.
 */

static HERE void
freed_sent(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr;

	/* An application that wants to keep the mbuf must take a reference. */
	if (fixed)
		rte_mbuf_refcnt_update(m, 1);
	addr = drv_send(dev, m, 7);
	rte_pktmbuf_free(m);
	drv_complete(dev, m, addr);
}

static HERE void
freed_posted(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	gantry_dma_addr_t addr = drv_post(dev, m, 3);

	if (!fixed)
		rte_pktmbuf_free(m);
	drv_deliver(dev, m, addr);
	rte_pktmbuf_free(m);
}

static HERE void
freed_twice(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();

	rte_pktmbuf_free(m);
	if (!fixed)
		rte_pktmbuf_free(m);
}

static HERE void
freed_twice_at_once(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m[4] = { frame(), frame(), frame(), frame() };

	if (!fixed)
		rte_mempool_put(pool, m[2]);
	rte_pktmbuf_free_bulk(m, 4);
}

/* The driver frees it after transmission, and so does the application. */
static HERE void
freed_after_sent(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr = drv_send(dev, m, 0);

	drv_complete(dev, m, addr);
	if (!fixed)
		rte_pktmbuf_free(m);
}

static HERE void
written_after_send(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr;

	if (fixed)
		*rte_pktmbuf_mtod_offset(m, char *, FRAME - 1) ^= 1;
	addr = drv_send(dev, m, 9);
	if (!fixed)
		*rte_pktmbuf_mtod_offset(m, char *, FRAME - 1) ^= 1;
	drv_complete(dev, m, addr);
}

static HERE void
sent_posted(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	gantry_dma_addr_t posted = drv_post(dev, m, 3), sent;

	if (fixed) {
		drv_deliver(dev, m, posted);
		drv_complete(dev, m, drv_send(dev, m, 4));
		return;
	}
	m->data_len = FRAME;
	sent = drv_send(dev, m, 4);
	drv_complete(dev, m, sent);
	drv_deliver(dev, m, posted);
	rte_pktmbuf_free(m);
}

/* One packet in two queues. */
static HERE void
sent_twice(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t a, b;

	if (fixed)
		rte_mbuf_refcnt_update(m, 1);
	a = drv_send(dev, m, 4);
	b = drv_send(dev, m, 5);
	drv_complete(dev, m, a);
	drv_complete(dev, m, b);
}

static HERE void
sent_after_free(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();

	if (!fixed)
		rte_pktmbuf_free(m);
	drv_complete(dev, m, drv_send(dev, m, 6));
}

/* Delivered from one descriptor while it is posted in another. */
static HERE void
delivered_posted(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *n = fixed ? rte_pktmbuf_alloc(pool) : m;
	gantry_dma_addr_t a = drv_post(dev, m, 11), b = drv_post(dev, n, 12);

	gantry_dma_unmap_mbuf(dev, m, a, FRAME, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_free(m);
	gantry_dma_unmap_mbuf(dev, n, b, FRAME, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_free(n);
}

/*
 * The next allocation detects the write. The pool has no other free mbuf, so it returns this one.
 */
static HERE void
written_free(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *others[MBUFS - 1], *m = rte_pktmbuf_alloc(pool);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, others, MBUFS - 1), 0);
	drv_deliver(dev, m, drv_post(dev, m, 13));
	if (fixed)
		data[1]++;
	rte_pktmbuf_free(m);
	if (!fixed)
		data[1]++;
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free_bulk(others, MBUFS - 1);
}

/* A clone is in flight, and the mbuf whose buffer it uses is put into the pool directly. */
static HERE void
freed_lent(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame(), *clone = rte_pktmbuf_clone(m, pool);
	gantry_dma_addr_t addr;

	assert_non_null(clone);
	addr = drv_send(dev, clone, 8);
	if (fixed)
		rte_pktmbuf_free(m);
	else
		rte_mempool_put(pool, m);
	drv_complete(dev, clone, addr);
	if (!fixed)
		rte_pktmbuf_free(m);
}

/*
 * Receive with all mbufs of the pool, each time with other lengths, as frames arrive from a wire.
 */
static HERE void
received_all(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *all[MBUFS];
	gantry_dma_addr_t addr[MBUFS];
	static unsigned int seed;
	unsigned int i;

	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, all, MBUFS), 0);
	for (i = 0; i < MBUFS; i++)
		addr[i] = drv_post(dev, all[i], i);
	for (i = 0; i < MBUFS; i++) {
		drv_deliver(dev, all[i], addr[i]);
		rte_pktmbuf_trim(all[i], ++seed % FRAME);
		all[i]->port = seed % 8;
	}
	rte_pktmbuf_free_bulk(all, MBUFS);
	if (!fixed)
		rte_pktmbuf_free(all[MBUFS - 1]);
}

static const struct play plays[] = {
	PLAY(received_all, MBUF_DOUBLE_FREE),
	PLAY(freed_sent, MBUF_FREED),
	PLAY(freed_posted, MBUF_FREED),
	PLAY(freed_twice, MBUF_DOUBLE_FREE),
	PLAY(freed_twice_at_once, MBUF_DOUBLE_FREE),
	PLAY(freed_after_sent, MBUF_DOUBLE_FREE),
	PLAY(sent_posted, MBUF_IN_RING),
	PLAY(sent_twice, MBUF_IN_RING),
	PLAY(sent_after_free, MBUF_FREED),
	PLAY(delivered_posted, MBUF_RECEIVED_INTO),
	PLAY(written_free, MBUF_WRITTEN_FREE),
	PLAY(written_after_send, MBUF_WRITTEN),
	PLAY(freed_lent, MBUF_FREED),
};

/* A pinned buffer is not lent by its mbuf: DPDK counts its references. */
static bool
is_played(const struct play *p, const struct kind *k)
{
	return !k->pinned || p->play != freed_lent;
}

/* The driver's call detects it, not the call that made the mistake. */
static bool
is_found_late(const struct play *p)
{
	return p->misuse == GANTRY_DMA_MISUSE_MBUF_WRITTEN || p->play == sent_posted ||
			p->play == sent_twice || p->play == sent_after_free;
}

static void
correct_use_is_not_reported(void **state)
{
	struct gantry_dma_dev *dev;
	unsigned int i, k, round;

	for (k = 0; k < RTE_DIM(kinds); k++) {
		make_pool(&kinds[k]);
		dev = device("twins");
		reports_begin();
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		for (round = 0; round < 3; round++) {
			for (i = 0; i < RTE_DIM(plays); i++) {
				if (!is_played(&plays[i], &kinds[k]))
					continue;
				plays[i].play(dev, true);
				if (reports.nr != 0)
					fail_msg("%s: %s", plays[i].name, reports.at[0].text);
				assert_true(rte_mempool_full(pool));
			}
		}
		assert_int_equal(gantry_dma_debug_live(dev), 0);
		gantry_dma_dev_destroy(dev);
		drop_pool();
	}
}

/* Return the function that the report names: the place of the misuse, or where it is found. */
static const char *
expected_symbol(const struct play *play)
{
	if (!is_found_late(play))
		return play->name;
	return play->misuse == GANTRY_DMA_MISUSE_MBUF_WRITTEN ? "drv_complete" : "drv_send";
}

static void
each_mistake_is_reported_and_pool_stays_intact(void **state)
{
	struct gantry_dma_dev *dev;
	unsigned int i, k, round;

	for (k = 0; k < RTE_DIM(kinds); k++) {
		for (i = 0; i < RTE_DIM(plays); i++) {
			if (!is_played(&plays[i], &kinds[k]))
				continue;
			make_pool(&kinds[k]);
			dev = device(plays[i].name);
			assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
			reports_begin();
			for (round = 0; round < 3; round++) {
				plays[i].play(dev, false);
				if (is_found_late(&plays[i]))
					assert_non_null(strstr(reports.at[0].text, plays[i].name));
				reports_expect(plays[i].misuse, expected_symbol(&plays[i]));
				assert_string_equal(reports.at[0].device, plays[i].name);
				assert_string_equal(reports.at[0].pool, "mbufs");
				assert_non_null(reports.at[0].mbuf);
				/* No mbuf is lost, and none is in the pool twice. */
				assert_true(rte_mempool_full(pool));
			}
			gantry_dma_dev_destroy(dev);
			drop_pool();
		}
	}
}

/*
 * Send a freed mbuf, and then allocate all mbufs of the pool: the device has an mbuf that the
 * application owns.
 */
static HERE struct rte_mbuf *
sent_free(struct gantry_dma_dev *dev, gantry_dma_addr_t *addr, struct rte_mbuf *all[MBUFS])
{
	struct rte_mbuf *m = frame();

	rte_pktmbuf_free(m);
	*addr = drv_send(dev, m, 0);
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, all, MBUFS), 0);
	return m;
}

static void
drv_unmap(struct gantry_dma_dev *dev, struct rte_mbuf *m, gantry_dma_addr_t addr)
{
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME, GANTRY_DMA_TO_DEVICE);
}

/*
 * A driver must not free an mbuf that was free when it was sent: it remains with the application
 * that has allocated it since. If the driver does not free it, its owner may still free it without
 * a report.
 */
static void
mbuf_sent_while_free_stays_with_new_owner(void **state)
{
	struct rte_mbuf *all[MBUFS], *m, *other;
	struct gantry_dma_dev *dev;
	gantry_dma_addr_t addr, b;
	unsigned int k;

	for (k = 0; k < RTE_DIM(kinds); k++) {
		make_pool(&kinds[k]);
		dev = device("unowned");
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		reports_begin();

		/* The driver frees it, after it has unmapped another one. */
		m = sent_free(dev, &addr, all);
		other = all[0] != m ? all[0] : all[1];
		assert_non_null(rte_pktmbuf_append(other, FRAME));
		b = drv_send(dev, other, 1);
		drv_unmap(dev, m, addr);
		drv_unmap(dev, other, b);
		rte_pktmbuf_free(m);
		assert_true(rte_mempool_empty(pool));
		rte_pktmbuf_free_bulk(all, MBUFS);
		assert_true(rte_mempool_full(pool));

		/* The driver does not free it; the thread maps another one. */
		m = sent_free(dev, &addr, all);
		drv_unmap(dev, m, addr);
		other = all[0] != m ? all[0] : all[1];
		assert_non_null(rte_pktmbuf_append(other, FRAME));
		drv_unmap(dev, other, drv_send(dev, other, 1));
		rte_pktmbuf_free_bulk(all, MBUFS);
		assert_true(rte_mempool_full(pool));

		/* The driver does not free it; the thread itself allocates it. */
		m = frame();
		rte_pktmbuf_free(m);
		drv_unmap(dev, m, drv_send(dev, m, 0));
		assert_int_equal(rte_pktmbuf_alloc_bulk(pool, all, MBUFS), 0);
		rte_pktmbuf_free_bulk(all, MBUFS);
		assert_true(rte_mempool_full(pool));

		/*
		 * Each send was reported as one of a free mbuf; the sends come from two places, so
		 * there are two reports.
		 */
		assert_int_equal(reports.nr, 2);
		assert_int_equal(reports.at[0].misuse, GANTRY_DMA_MISUSE_MBUF_FREED);
		assert_int_equal(reports.at[1].misuse, GANTRY_DMA_MISUSE_MBUF_FREED);
		gantry_dma_dev_destroy(dev);
		drop_pool();
	}
}

/* The contents of a report. */
static void
report_names_mbuf_pool_queue_and_descriptor(void **state)
{
	struct gantry_dma_dev *dev = device("nic0");
	const struct report *r = &reports.at[0];
	struct rte_mbuf *m;
	gantry_dma_addr_t addr;

	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	m = frame();
	addr = drv_send(dev, m, 77);
	rte_pktmbuf_free(m);
	drv_complete(dev, m, addr);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_FREED, "report_names_mbuf_pool_queue_and_descriptor");
	assert_int_equal(r->queue, 2);
	assert_int_equal(r->queue_kind, 't');
	assert_int_equal(r->descriptor, 77);
	assert_ptr_equal(r->mbuf, m);
	assert_int_equal(r->addr, addr);
	assert_int_equal(r->size, FRAME);
	assert_int_equal(r->dir, GANTRY_DMA_TO_DEVICE);
	assert_non_null(strstr(r->map_symbol, "drv_send+0x"));
	assert_non_null(strstr(r->text, "of pool 'mbufs'"));

	/*
	 * A report of a double free also names the function that freed the mbuf first, whether or
	 * not DPDK's function is inlined.
	 */
	reports_begin();
	freed_twice(dev, false);
	assert_non_null(strstr(r->map_symbol, "freed_twice+0x"));
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/*
 * The mapping is that of a clone; the freed mbuf is the one whose buffer the clone uses, from
 * another pool.
 */
static void
report_names_mbuf_whose_buffer_a_clone_uses(void **state)
{
	struct rte_mempool *clones = rte_pktmbuf_pool_create("clones", 31, 0, 0, 0, SOCKET_ID_ANY);
	struct gantry_dma_dev *dev = device("lent");
	const struct report *r = &reports.at[0];
	struct rte_mbuf *m, *clone;
	gantry_dma_addr_t addr;

	make_pool(&kinds[1]);
	assert_non_null(clones);
	assert_int_equal(gantry_dma_debug_watch(dev, clones), 0);
	reports_begin();
	m = frame();
	clone = rte_pktmbuf_clone(m, clones);
	assert_non_null(clone);
	addr = drv_send(dev, clone, 8);
	rte_mempool_put(pool, m);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_FREED, "report_names_mbuf_whose_buffer_a_clone_uses");
	assert_ptr_equal(r->mbuf, m);
	assert_string_equal(r->pool, "mbufs");
	assert_int_equal(r->addr, addr);
	assert_ptr_equal(r->cpu, rte_pktmbuf_mtod(m, void *));
	assert_int_equal(r->descriptor, 8);
	assert_non_null(strstr(r->map_symbol, "drv_send+0x"));
	drv_complete(dev, clone, addr);
	rte_pktmbuf_free(m);
	gantry_dma_dev_destroy(dev);
	drop_pool();
	rte_mempool_free(clones);
}

/* A report of an mbuf that is put into the wrong pool names its own pool, which is also watched. */
static void
report_names_pool_of_a_strange_mbuf(void **state)
{
	struct rte_mempool *other = rte_pktmbuf_pool_create("others", 31, 0, 0,
			RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	struct gantry_dma_dev *dev = device("strange");
	const struct report *r = &reports.at[0];
	struct rte_mbuf *m;

	make_pool(&kinds[1]);
	assert_non_null(other);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	assert_int_equal(gantry_dma_debug_watch(dev, other), 0);
	m = rte_pktmbuf_alloc(other);
	assert_non_null(m);
	reports_begin();
	rte_mempool_put(pool, m);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_NOT_OF_POOL, "report_names_pool_of_a_strange_mbuf");
	assert_ptr_equal(r->mbuf, m);
	assert_string_equal(r->pool, "others");
	rte_pktmbuf_free(m);
	gantry_dma_dev_destroy(dev);
	drop_pool();
	rte_mempool_free(other);
}

/*
 * A report of a write to a free mbuf names the CPU as the writer if no device can have written it.
 */
static void
report_names_cpu_if_no_device_can_write(void **state)
{
	const struct gantry_dma_params p = {
		.name = "strict",
		.socket_id = SOCKET_ID_ANY,
		.ops = &bus_with_table,
		.has_iommu = true,
		.mode = GANTRY_DMA_MODE_STRICT,
		.debug = GANTRY_DMA_DEBUG_ON,
	};
	static const char known[] = "by the CPU, as no device reaches unmapped memory";
	static const char open[] = "by the CPU, or by a device that still owned it";
	struct gantry_dma_dev *direct, *strict;

	bus_reset();
	strict = gantry_dma_dev_create(&p);
	assert_non_null(strict);
	bus_mask(strict, 64);
	make_pool(&kinds[0]);
	reports_begin();
	written_free(strict, false);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_WRITTEN_FREE, "written_free");
	assert_non_null(strstr(reports.at[0].text, known));

	direct = device("direct");
	assert_int_equal(gantry_dma_debug_watch(direct, pool), 0);
	reports_begin();
	written_free(direct, false);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_WRITTEN_FREE, "written_free");
	assert_non_null(strstr(reports.at[0].text, open));
	gantry_dma_dev_destroy(direct);
	gantry_dma_dev_destroy(strict);
	drop_pool();
}

/* After its last device is destroyed, a pool is as it was before it was watched. */
static void
pool_is_restored_after_last_device(void **state)
{
	struct gantry_dma_dev *a = device("a"), *b = device("b");
	unsigned int k, limit = 0;
	struct rte_mbuf *m;
	int32_t ops;

	for (k = 0; k < RTE_DIM(kinds); k++) {
		make_pool(&kinds[k]);
		ops = pool->ops_index;
		if (kinds[k].cache != 0)
			limit = pool->local_cache[0].flushthresh;
		assert_int_equal(gantry_dma_debug_watch(a, pool), 0);
		assert_int_equal(gantry_dma_debug_watch(b, pool), 0);
		assert_int_equal(gantry_dma_debug_watch(b, pool), 0);
		assert_int_not_equal(pool->ops_index, ops);
		if (kinds[k].cache != 0)
			assert_int_equal(pool->local_cache[0].flushthresh, 0);
		assert_int_equal(rte_pktmbuf_data_room_size(pool), 2048);
		assert_int_equal(rte_mempool_avail_count(pool), MBUFS);
		m = frame();
		gantry_dma_dev_destroy(a);
		assert_int_not_equal(pool->ops_index, ops);
		gantry_dma_dev_destroy(b);
		assert_int_equal(pool->ops_index, ops);
		assert_int_equal(pool->cache_size, kinds[k].cache);
		if (kinds[k].cache != 0) {
			assert_int_equal(pool->local_cache[0].size, kinds[k].cache);
			assert_int_equal(pool->local_cache[0].flushthresh, limit);
			assert_int_equal(pool->local_cache[1].flushthresh, limit);
		}
		rte_pktmbuf_free(m);
		drop_pool();
		a = device("a");
		b = device("b");
	}
	gantry_dma_dev_destroy(a);
	gantry_dma_dev_destroy(b);
}

/* A pool that no device has announced is watched from its first mapping on. */
static void
unannounced_pool_is_watched_from_first_mapping(void **state)
{
	struct gantry_dma_dev *dev = device("late");
	struct rte_mbuf *m;

	make_pool(&kinds[1]);
	reports_begin();
	m = frame();
	drv_complete(dev, m, drv_send(dev, m, 0));
	assert_int_equal(reports.nr, 0);
	freed_twice(dev, false);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_DOUBLE_FREE, "freed_twice");
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/* A pool is freed while the device has buffers of it. */
static void
pool_freed_in_flight_is_reported(void **state)
{
	struct gantry_dma_dev *dev = device("gone");
	struct rte_mbuf *m;

	make_pool(&kinds[1]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(m);
	drv_post(dev, m, 5);
	rte_mempool_free(pool);
	reports_expect(GANTRY_DMA_MISUSE_FREED_MAPPED, "pool_freed_in_flight_is_reported");
	assert_int_equal(reports.at[0].descriptor, 5);
	/* Another pool, perhaps at the same address. */
	make_pool(&kinds[2]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	freed_twice(dev, true);
	assert_int_equal(reports.nr, 1);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 1);
	drop_pool();
}

/* Correct uses that must not be reported: chains, clones, external buffers, use of the headroom. */
static void
ext_free(void *addr, void *opaque)
{
	*(unsigned int *)opaque += 1;
}

static void
chains_clones_and_external_buffers_are_accepted(void **state)
{
	struct gantry_dma_dev *dev = device("shapes");
	struct rte_mbuf_ext_shared_info shinfo = { .free_cb = ext_free };
	unsigned int freed = 0;
	struct rte_mbuf *m, *n, *c;
	gantry_dma_addr_t a, b;
	uint8_t *ext = rte_zmalloc("ext", 2048, 64);

	make_pool(&kinds[2]);
	assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
	reports_begin();

	/* A chain, mapped segment by segment; a clone of each segment is sent as well. */
	m = frame();
	n = frame();
	assert_int_equal(rte_pktmbuf_chain(m, n), 0);
	c = rte_pktmbuf_clone(m, pool);
	assert_non_null(c);
	a = drv_send(dev, m, 0);
	b = drv_send(dev, n, 1);
	drv_complete(dev, c->next, drv_send(dev, c->next, 2));
	c->next = NULL;
	c->nb_segs = 1;
	drv_complete(dev, c, drv_send(dev, c, 3));
	n = m->next;
	drv_complete(dev, m, a);
	drv_complete(dev, n, b);

	/* An external buffer. */
	assert_non_null(ext);
	m = rte_pktmbuf_alloc(pool);
	shinfo.fcb_opaque = &freed;
	rte_mbuf_ext_refcnt_set(&shinfo, 1);
	rte_pktmbuf_attach_extbuf(m, ext, rte_malloc_virt2iova(ext), 2048, &shinfo);
	assert_non_null(rte_pktmbuf_append(m, FRAME));
	a = drv_send(dev, m, 4);
	drv_complete(dev, m, a);
	assert_int_equal(freed, 1);

	/* A received buffer is sent, with more data in front. */
	m = rte_pktmbuf_alloc(pool);
	drv_deliver(dev, m, drv_post(dev, m, 0));
	memset(rte_pktmbuf_prepend(m, 64), 1, 64);
	drv_complete(dev, m, drv_send(dev, m, 5));
	if (reports.nr != 0)
		fail_msg("%s", reports.at[0].text);
	assert_true(rte_mempool_full(pool));
	gantry_dma_dev_destroy(dev);
	rte_free(ext);
	drop_pool();
}

/*
 * An mbuf that is mapped in parts: for several descriptors, or as entries of a list.
 */

#define HEADER 64

static HERE gantry_dma_addr_t
map_part(struct gantry_dma_dev *dev, struct rte_mbuf *m, uint32_t off, size_t size,
		enum gantry_dma_dir dir)
{
	gantry_dma_addr_t addr = gantry_dma_map_mbuf(dev, m, RTE_PKTMBUF_HEADROOM + off, size, dir);

	assert_false(gantry_dma_mapping_error(dev, addr));
	return addr;
}

/* Header and payload have a descriptor each. */
static HERE void
parts_sent_twice(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t header[2], rest[2];
	unsigned int i;

	if (fixed)
		rte_mbuf_refcnt_update(m, 1);
	for (i = 0; i < 2; i++) {
		header[i] = map_part(dev, m, 0, HEADER, GANTRY_DMA_TO_DEVICE);
		rest[i] = map_part(dev, m, HEADER, FRAME - HEADER, GANTRY_DMA_TO_DEVICE);
	}
	for (i = 0; i < 2; i++) {
		gantry_dma_unmap_mbuf(dev, m, header[i], HEADER, GANTRY_DMA_TO_DEVICE);
		gantry_dma_unmap_mbuf(dev, m, rest[i], FRAME - HEADER, GANTRY_DMA_TO_DEVICE);
	}
	rte_mbuf_refcnt_set(m, 1);
	rte_pktmbuf_free(m);
}

/* The header precedes each half of the payload, so one list contains its bytes twice. */
static HERE void
list_sent_twice(struct gantry_dma_dev *dev, bool fixed)
{
	const size_t half = (FRAME - HEADER) / 2;
	struct rte_mbuf *m = frame();
	struct gantry_sg sg[2][4];
	unsigned int i;

	if (fixed)
		rte_mbuf_refcnt_update(m, 1);
	for (i = 0; i < 2; i++) {
		gantry_sg_set_mbuf(&sg[i][0], m, RTE_PKTMBUF_HEADROOM, HEADER);
		gantry_sg_set_mbuf(&sg[i][1], m, RTE_PKTMBUF_HEADROOM + HEADER, half);
		gantry_sg_set_mbuf(&sg[i][2], m, RTE_PKTMBUF_HEADROOM, HEADER);
		gantry_sg_set_mbuf(&sg[i][3], m, RTE_PKTMBUF_HEADROOM + HEADER + half, half);
		assert_int_not_equal(gantry_dma_map_sg(dev, sg[i], 4, GANTRY_DMA_TO_DEVICE), 0);
	}
	for (i = 0; i < 2; i++)
		gantry_dma_unmap_sg(dev, sg[i], 4, GANTRY_DMA_TO_DEVICE);
	rte_mbuf_refcnt_set(m, 1);
	rte_pktmbuf_free(m);
}

/*
 * The device writes the header to one part and the payload to another; or both to overlapping
 * parts.
 */
static HERE void
parts_posted_twice(struct gantry_dma_dev *dev, bool fixed)
{
	const size_t rest = 1024, second = fixed ? HEADER : HEADER / 2;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	gantry_dma_addr_t a, b;

	a = map_part(dev, m, 0, HEADER, GANTRY_DMA_FROM_DEVICE);
	b = map_part(dev, m, second, rest, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf(dev, m, a, HEADER, GANTRY_DMA_FROM_DEVICE);
	gantry_dma_unmap_mbuf(dev, m, b, rest, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_free(m);
}

/* A request is sent from an mbuf, and the device writes the status behind it; or over it. */
static HERE void
answer_in_request(struct gantry_dma_dev *dev, bool fixed)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t status, request;

	status = map_part(dev, m, fixed ? 1024 : HEADER, HEADER, GANTRY_DMA_FROM_DEVICE);
	request = map_part(dev, m, 0, FRAME, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_mbuf(dev, m, request, FRAME, GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_mbuf(dev, m, status, HEADER, GANTRY_DMA_FROM_DEVICE);
	rte_pktmbuf_free(m);
}

static void
overlapping_parts_are_reported(void **state)
{
	static const struct {
		struct play play;
		const char *found_in;
	} parts[] = {
		{ PLAY(parts_sent_twice, MBUF_IN_RING), "map_part" },
		{ PLAY(list_sent_twice, MBUF_IN_RING), "list_sent_twice" },
		{ PLAY(parts_posted_twice, MBUF_RECEIVED_INTO), "parts_posted_twice" },
		{ PLAY(answer_in_request, MBUF_IN_RING), "map_part" },
	};
	struct gantry_dma_dev *dev;
	unsigned int i, round;

	for (i = 0; i < RTE_DIM(parts); i++) {
		make_pool(&kinds[1]);
		dev = device(parts[i].play.name);
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		reports_begin();
		for (round = 0; round < 3; round++) {
			parts[i].play.play(dev, true);
			if (reports.nr != 0)
				fail_msg("%s: %s", parts[i].play.name, reports.at[0].text);
		}
		parts[i].play.play(dev, false);
		reports_expect_first(parts[i].play.misuse, parts[i].found_in);
		assert_int_equal(gantry_dma_debug_live(dev), 0);
		gantry_dma_dev_destroy(dev);
		drop_pool();
	}
}

/*
 * Threads, half of them lcores with mbufs in their caches from before the watching. The pool's
 * objects move between the threads.
 */

#define THREADS 4

/*
 * Pools in which a thread that is preempted in the middle of a call does not delay others for long.
 */
static const struct kind preemptible[] = {
	{ .ops = "ring_mt_hts", .cache = CACHE },
	{ .ops = "stack", .cache = CACHE },
};

struct worker {
	pthread_t thread;
	struct gantry_dma_dev *dev;
	unsigned int id, bad;
	unsigned int *ready;
	const bool *watched;
};

static void *
work(void *arg)
{
	struct rte_mbuf *m[8];
	struct worker *w = arg;
	unsigned int round, i;

	if (w->id % 2 == 0 && rte_thread_register() != 0)
		w->bad++;
	/* Fill a part of this lcore's cache. */
	if (rte_pktmbuf_alloc_bulk(pool, m, 8) == 0)
		rte_pktmbuf_free_bulk(m, 8);
	__atomic_fetch_add(w->ready, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(w->watched, __ATOMIC_ACQUIRE))
		sched_yield();
	for (round = 0; round < 500; round++) {
		for (i = 0; i < 8; i++) {
			m[i] = rte_pktmbuf_alloc(pool);
			if (m[i] == NULL)
				break;
			memset(rte_pktmbuf_append(m[i], FRAME), w->id, FRAME);
		}
		while (i-- > 0) {
			if (round % 2 == 0)
				drv_complete(w->dev, m[i], drv_send(w->dev, m[i], w->id));
			else if (round % 3 == 0)
				drv_deliver(w->dev, m[i], drv_post(w->dev, m[i], w->id));
			if (round % 2 != 0)
				rte_pktmbuf_free(m[i]);
		}
	}
	if (w->id % 2 == 0)
		rte_thread_unregister();
	return NULL;
}

static void
watching_begins_while_threads_use_pool(void **state)
{
	unsigned int i, k, ready;
	struct worker w[THREADS];
	struct gantry_dma_dev *dev;
	bool watched;

	for (k = 0; k < RTE_DIM(preemptible); k++) {
		make_pool(&preemptible[k]);
		dev = device("threads");
		reports_begin();
		ready = 0;
		watched = false;
		for (i = 0; i < THREADS; i++) {
			w[i] = (struct worker){
				.dev = dev,
				.id = i,
				.ready = &ready,
				.watched = &watched,
			};
			start_thread(&w[i].thread, work, &w[i]);
		}
		while (__atomic_load_n(&ready, __ATOMIC_ACQUIRE) != THREADS)
			sched_yield();
		assert_int_equal(gantry_dma_debug_watch(dev, pool), 0);
		__atomic_store_n(&watched, true, __ATOMIC_RELEASE);
		for (i = 0; i < THREADS; i++) {
			pthread_join(w[i].thread, NULL);
			assert_int_equal(w[i].bad, 0);
		}
		if (reports.nr != 0)
			fail_msg("%s", reports.at[0].text);
		assert_int_equal(gantry_dma_debug_live(dev), 0);
		gantry_dma_dev_destroy(dev);
		drop_pool();
	}
}

/* More pools than can be watched: the rest works unwatched, and the library logs that once. */
static void
pools_beyond_limit_work_unwatched(void **state)
{
	struct gantry_dma_dev *dev = device("pools");
	struct rte_mempool *pools[300];
	unsigned int i, k, lines = 0;
	char name[32], *log = NULL;
	gantry_dma_addr_t addr;
	struct rte_mbuf *m;
	size_t len;
	FILE *f = open_memstream(&log, &len);

	assert_non_null(f);
	rte_openlog_stream(f);
	rte_log_set_level_pattern("lib.gantry_dma", RTE_LOG_NOTICE);
	reports_begin();
	for (i = 0; i < RTE_DIM(pools); i++) {
		snprintf(name, sizeof(name), "pool%u", i);
		pools[i] = rte_pktmbuf_pool_create(name, 1, 0, 0, 1024, SOCKET_ID_ANY);
		assert_non_null(pools[i]);
		for (k = 0; k < 3; k++) {
			m = rte_pktmbuf_alloc(pools[i]);
			assert_non_null(m);
			addr = gantry_dma_map_mbuf(dev, m, RTE_PKTMBUF_HEADROOM, FRAME,
					GANTRY_DMA_FROM_DEVICE);
			assert_false(gantry_dma_mapping_error(dev, addr));
			gantry_dma_unmap_mbuf(dev, m, addr, FRAME, GANTRY_DMA_FROM_DEVICE);
			rte_pktmbuf_free(m);
		}
	}
	rte_log_set_level_pattern("lib.gantry_dma", RTE_LOG_CRIT);
	rte_openlog_stream(NULL);
	fclose(f);
	for (char *at = log; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	if (lines != 1 || strstr(log, "256 pools were watched already") == NULL)
		fail_msg("%u lines: %.400s", lines, log);
	free(log);
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
	for (i = 0; i < RTE_DIM(pools); i++)
		rte_mempool_free(pools[i]);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(correct_use_is_not_reported),
		cmocka_unit_test(each_mistake_is_reported_and_pool_stays_intact),
		cmocka_unit_test(mbuf_sent_while_free_stays_with_new_owner),
		cmocka_unit_test(report_names_mbuf_pool_queue_and_descriptor),
		cmocka_unit_test(report_names_mbuf_whose_buffer_a_clone_uses),
		cmocka_unit_test(report_names_pool_of_a_strange_mbuf),
		cmocka_unit_test(report_names_cpu_if_no_device_can_write),
		cmocka_unit_test(pool_is_restored_after_last_device),
		cmocka_unit_test(unannounced_pool_is_watched_from_first_mapping),
		cmocka_unit_test(pool_freed_in_flight_is_reported),
		cmocka_unit_test(chains_clones_and_external_buffers_are_accepted),
		cmocka_unit_test(overlapping_parts_are_reported),
		cmocka_unit_test(watching_begins_while_threads_use_pool),
		cmocka_unit_test(pools_beyond_limit_work_unwatched), /* last: it fills the table */
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
