/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer's checks between the hand-over of an mbuf for sending and its return
 * (dma_debug_mbuf.c): of data in buffers that are not the mbuf's own, of fields, and of the number
 * of references. It also tests the promises that an application has made about its mbufs.
 */

#include "dma_mbufs.h"

#include <sys/mman.h>

#include "gantry_dma_sg.h"

#define ROOM 4096 /* of a buffer of the application: one page */

/* A device that may send any memory of the process. */
static struct gantry_dma_dev *
bounce_device(const char *name)
{
	struct gantry_dma_params p = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.mode = GANTRY_DMA_MODE_BOUNCE,
		.debug = GANTRY_DMA_DEBUG_ON,
		.bounce_slots = { 4, 4, 4, 0 },
	};
	struct gantry_dma_dev *dev = gantry_dma_dev_create(&p);

	assert_non_null(dev);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dev, GANTRY_DMA_BIT_MASK(64)), 0);
	return dev;
}

/* Where the data of an mbuf is. */
struct place {
	const char *name;
	uint64_t flags; /* of the mbuf */
	bool behind;    /* the buffer follows the mbuf, which is in no pool */
};

static const struct place places[] = {
	{ "set by hand", 0, false },
	{ "attached", RTE_MBUF_F_EXTERNAL, false },
	{ "attached, behind its mbuf", RTE_MBUF_F_EXTERNAL, true },
};

/* Memory of the application, which EAL does not know: a page for an mbuf, and one for its data. */
static uint8_t *area;

static struct rte_mbuf *
packet_at(const struct place *p)
{
	struct rte_mbuf *m = p->behind ? (struct rte_mbuf *)area : rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	m->buf_addr = area + ROOM;
	m->data_off = 0;
	m->data_len = m->pkt_len = FRAME;
	m->nb_segs = 1;
	m->ol_flags = p->flags;
	rte_mbuf_refcnt_set(m, 1);
	memset(m->buf_addr, 0x5A, FRAME);
	return m;
}

enum between {
	NOTHING,
	WRITE,
	UNMAP,
};

/* Send a packet, do something with its buffer, and unmap it. */
static HERE void
send_from(struct gantry_dma_dev *dev, const struct place *p, enum between what)
{
	struct rte_mempool *own;
	struct rte_mbuf *m;
	gantry_dma_addr_t addr;

	area = mmap(NULL, 2 * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	m = packet_at(p);
	own = m->pool;
	addr = drv_send(dev, m, 0);
	if (what == WRITE)
		area[ROOM + FRAME - 1] ^= 1;
	else if (what == UNMAP)
		assert_int_equal(munmap(area + ROOM, ROOM), 0);
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME, GANTRY_DMA_TO_DEVICE);
	if (own != NULL) {
		m->buf_addr = rte_mbuf_buf_addr(m, own);
		m->ol_flags = 0;
		rte_pktmbuf_free(m);
	}
	/* Another mapping may be in the place of the second half by now. */
	munmap(area, what == UNMAP ? ROOM : 2 * ROOM);
}

/* The application may change or unmap such a buffer at any time, and must not while it is sent. */
static void
data_in_memory_of_application_is_followed(void **state)
{
	struct gantry_dma_dev *dev;
	unsigned int i;

	make_pool(&kinds[1]);
	for (i = 0; i < RTE_DIM(places); i++) {
		print_message("%s\n", places[i].name);
		dev = bounce_device("data");
		reports_begin();
		send_from(dev, &places[i], NOTHING);
		assert_int_equal(reports.nr, 0);
		send_from(dev, &places[i], WRITE);
		reports_expect(GANTRY_DMA_MISUSE_MBUF_WRITTEN, "send_from");
		reports_begin();
		send_from(dev, &places[i], UNMAP);
		reports_expect(GANTRY_DMA_MISUSE_FREED_MAPPED, "send_from");
		assert_non_null(strstr(reports.at[0].text,
				"its data was unmapped from the process "
				"between its hand-over"));
		gantry_dma_dev_destroy(dev);
	}
	drop_pool();
}

/*
 * References. An mbuf is sent `sent` times, as one piece or in two, and the number of its
 * references changes while the device has it.
 */
struct change {
	uint16_t refs, sent;
	bool in_parts;
	int by;
	const char *how; /* in the report; NULL: correct */
};

static HERE void
change_references(struct gantry_dma_dev *dev, const struct change *c)
{
	const uint16_t first = c->in_parts ? FRAME / 2 : FRAME;
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr[4][2];
	unsigned int i;

	rte_mbuf_refcnt_set(m, c->refs);
	for (i = 0; i < c->sent; i++) {
		addr[i][0] = gantry_dma_map_mbuf(dev, m, m->data_off, first, GANTRY_DMA_TO_DEVICE);
		assert_false(gantry_dma_mapping_error(dev, addr[i][0]));
		if (!c->in_parts)
			continue;
		addr[i][1] = gantry_dma_map_mbuf(dev, m, m->data_off + first, FRAME - first,
				GANTRY_DMA_TO_DEVICE);
		assert_false(gantry_dma_mapping_error(dev, addr[i][1]));
	}
	rte_mbuf_refcnt_update(m, c->by);
	for (i = 0; i < c->sent; i++) {
		gantry_dma_unmap_mbuf(dev, m, addr[i][0], first, GANTRY_DMA_TO_DEVICE);
		if (c->in_parts)
			gantry_dma_unmap_mbuf(dev, m, addr[i][1], FRAME - first,
					GANTRY_DMA_TO_DEVICE);
	}
	rte_mbuf_refcnt_set(m, 1);
	rte_pktmbuf_free(m);
}

/*
 * The application may take and drop references as long as it has one itself: not if the hand-overs
 * need all of them.
 */
static void
references_that_the_device_needs_stay_as_they_are(void **state)
{
	static const struct change changes[] = {
		{ 1, 1, false, 0, NULL },
		{ 1, 1, false, 1, "refcnt from 1 to 2, and nobody else had a reference" },
		{ 2, 1, false, 1, NULL },
		{ 2, 1, false, -1, NULL },
		{ 2, 2, false, 1, "refcnt from 2 to 3, and nobody else had a reference" },
		{ 2, 2, false, -1, "refcnt to 1, where 2 references are with a device" },
		{ 3, 2, false, 1, NULL },
		{ 3, 2, false, -1, NULL },
		{ 3, 3, false, 1, "refcnt from 3 to 4, and nobody else had a reference" },
		{ 1, 1, true, 0, NULL },
		{ 1, 1, true, 1, "refcnt from 1 to 2, and nobody else had a reference" },
		{ 2, 1, true, 1, NULL },
		{ 2, 1, true, -1, NULL },
		{ 3, 2, true, 1, NULL },
	};
	struct gantry_dma_dev *dev;
	unsigned int i;

	make_pool(&kinds[1]);
	for (i = 0; i < RTE_DIM(changes); i++) {
		print_message("%u references, sent %u times, %+d\n", changes[i].refs,
				changes[i].sent, changes[i].by);
		dev = device("references");
		reports_begin();
		change_references(dev, &changes[i]);
		if (changes[i].how == NULL) {
			if (reports.nr != 0)
				fail_msg("%s", reports.at[0].text);
		} else {
			reports_expect(GANTRY_DMA_MISUSE_MBUF_CHANGED, "change_references");
			if (strstr(reports.at[0].text, changes[i].how) == NULL)
				fail_msg("not \"%s\": %s", changes[i].how, reports.at[0].text);
		}
		gantry_dma_dev_destroy(dev);
	}
	drop_pool();
}

/*
 * Fields. A field changes while the device has the mbuf, and gets its former value back afterwards.
 */
struct field {
	const char *how; /* in the report, to its end; NULL: correct */
	bool received;
	int data_off, data_len, pkt_len, nb_segs, next, buf_addr; /* differences */
};

/* Change the fields of an mbuf, or change them back. */
static void
change_by(struct rte_mbuf *m, const struct field *f, int sign)
{
	m->data_off += sign * f->data_off;
	m->data_len += sign * f->data_len;
	m->pkt_len += sign * f->pkt_len;
	m->nb_segs += sign * f->nb_segs;
	m->next = RTE_PTR_ADD(m->next, sign * f->next);
	m->buf_addr = RTE_PTR_ADD(m->buf_addr, sign * f->buf_addr);
}

static HERE void
change_fields(struct gantry_dma_dev *dev, const struct field *f)
{
	struct rte_mbuf *m = frame();
	gantry_dma_addr_t addr = f->received ? drv_post(dev, m, 0) : drv_send(dev, m, 0);

	change_by(m, f, 1);
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME,
			f->received ? GANTRY_DMA_FROM_DEVICE : GANTRY_DMA_TO_DEVICE);
	change_by(m, f, -1);
	rte_pktmbuf_free(m);
}

/* A driver writes the length of received data before it unmaps it, and nothing else. */
static void
fields_stay_as_they_are_while_the_device_has_the_mbuf(void **state)
{
	static const struct field fields[] = {
		{ .how = NULL },
		{ .how = NULL, .received = true },
		{ .how = NULL, .received = true, .data_len = 1, .pkt_len = 1 },
		{ .how = "return: data_off from 128 to 127", .data_off = -1 },
		{ .how = "return: data_off from 128 to 129", .received = true, .data_off = 1 },
		{ .how = "return: data_len from 200 to 199", .data_len = -1 },
		{ .how = "return: pkt_len from 200 to 201", .pkt_len = 1 },
		{ .how = "return: data_len from 200 to 202, pkt_len from 200 to 203",
				.data_len = 2,
				.pkt_len = 3 },
		{ .how = "return: nb_segs from 1 to 2", .nb_segs = 1 },
		{ .how = "return: nb_segs from 1 to 0", .received = true, .nb_segs = -1 },
		{ .how = "return: next from (nil) to 0x40", .next = 64 },
		{ .how = "return: next from (nil) to 0x40, nb_segs from 1 to 2",
				.received = true,
				.next = 64,
				.nb_segs = 1 },
		{ .how = "return: buf_addr from 0x", .buf_addr = 64 },
		{ .how = "return: buf_addr from 0x", .received = true, .buf_addr = -64 },
	};
	struct gantry_dma_dev *dev;
	unsigned int i;

	make_pool(&kinds[1]);
	for (i = 0; i < RTE_DIM(fields); i++) {
		dev = device("fields");
		reports_begin();
		change_fields(dev, &fields[i]);
		if (fields[i].how == NULL) {
			if (reports.nr != 0)
				fail_msg("%u: %s", i, reports.at[0].text);
		} else {
			reports_expect(GANTRY_DMA_MISUSE_MBUF_CHANGED, "change_fields");
			if (strstr(reports.at[0].text, fields[i].how) == NULL)
				fail_msg("not \"%s\": %s", fields[i].how, reports.at[0].text);
			assert_null(strstr(reports.at[0].text, "refcnt")); /* it did not change */
		}
		gantry_dma_dev_destroy(dev);
	}
	drop_pool();
}

/* The driver may test several mappings later; until then, and afterwards, all checks hold. */
static HERE void
write_after_late_test(struct gantry_dma_dev *dev, bool write)
{
	struct rte_mbuf *m[2] = { frame(), frame() };
	gantry_dma_addr_t addr[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		addr[i] = gantry_dma_map_mbuf(dev, m[i], m[i]->data_off, FRAME,
				GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < 2; i++)
		assert_false(gantry_dma_mapping_error(dev, addr[i]));
	if (write)
		*rte_pktmbuf_mtod(m[0], uint8_t *) ^= 1;
	for (i = 0; i < 2; i++) {
		gantry_dma_unmap_mbuf(dev, m[i], addr[i], FRAME, GANTRY_DMA_TO_DEVICE);
		rte_pktmbuf_free(m[i]);
	}
}

static void
late_test_of_a_mapping_keeps_its_checks(void **state)
{
	struct gantry_dma_dev *dev;

	make_pool(&kinds[1]);
	dev = device("late");
	reports_begin();
	write_after_late_test(dev, false);
	assert_int_equal(reports.nr, 0);
	write_after_late_test(dev, true);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_WRITTEN, "write_after_late_test");
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/*
 * Chains. If one was cut or extended, its pieces differ, which is another misuse.
 */
static HERE void
change_chain(struct gantry_dma_dev *dev, uint16_t by)
{
	struct rte_mbuf *m = frame(), *tail = frame();
	struct gantry_dma_seg segs[2];
	int n;

	assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
	n = gantry_dma_map_mbuf_chain(dev, m, segs, RTE_DIM(segs), GANTRY_DMA_TO_DEVICE);
	assert_in_range(n, 1, 2);
	m->nb_segs += by;
	gantry_dma_unmap_mbuf_chain(dev, m, segs, n, GANTRY_DMA_TO_DEVICE);
	m->nb_segs -= by;
	rte_pktmbuf_free(m);
}

static void
fields_of_a_chain_stay_as_they_are(void **state)
{
	struct gantry_dma_dev *dev;

	make_pool(&kinds[1]);
	dev = device("chain");
	reports_begin();
	change_chain(dev, 0);
	assert_int_equal(reports.nr, 0);
	change_chain(dev, 1);
	reports_expect(GANTRY_DMA_MISUSE_MBUF_CHANGED, "change_chain");
	assert_non_null(strstr(reports.at[0].text, "return: nb_segs from 2 to 3"));
	gantry_dma_dev_destroy(dev);
	drop_pool();
}

/*
 * Promises.
 */
static struct rte_mempool *other_pool;

enum sort {
	PLAIN,
	OF_OTHER_POOL,
	TWO_REFERENCES,
	CHAINED,
	CLONE,
	EXTERNAL,
	OF_NO_POOL,
	OF_NO_POOL_SHARED,
	NR_SORTS,
};

static void
keep_buffer(void *addr, void *opaque)
{
}

/* Return an mbuf of that sort, with FRAME bytes of data in it; *more: another one, to be freed. */
static struct rte_mbuf *
mbuf_of_sort(enum sort sort, struct rte_mbuf **more)
{
	static struct rte_mbuf_ext_shared_info info = { .free_cb = keep_buffer };
	static uint8_t alone[sizeof(struct rte_mbuf) + ROOM] __rte_cache_aligned;
	struct rte_mbuf *m;

	*more = NULL;
	if (sort == OF_NO_POOL || sort == OF_NO_POOL_SHARED) {
		m = (struct rte_mbuf *)alone;
		memset(m, 0, sizeof(*m));
		m->buf_addr = area;
		m->ol_flags = RTE_MBUF_F_EXTERNAL;
		m->data_len = m->pkt_len = FRAME;
		m->nb_segs = 1;
		rte_mbuf_refcnt_set(m, sort == OF_NO_POOL ? 1 : 2);
		return m;
	}
	m = rte_pktmbuf_alloc(sort == OF_OTHER_POOL ? other_pool : pool);
	assert_non_null(m);
	if (sort == CLONE) {
		*more = frame();
		rte_pktmbuf_attach(m, *more);
	} else if (sort == EXTERNAL) {
		rte_mbuf_ext_refcnt_set(&info, 1);
		rte_pktmbuf_attach_extbuf(m, area, RTE_BAD_IOVA, ROOM, &info);
	}
	m->data_len = m->pkt_len = FRAME;
	if (sort == CHAINED)
		assert_int_equal(rte_pktmbuf_chain(m, frame()), 0);
	return m;
}

/* Send an mbuf, and change its data in the meantime, which is not reported as well. */
static HERE void
send_sort(struct gantry_dma_dev *dev, enum sort sort, bool write)
{
	struct rte_mbuf *more, *m = mbuf_of_sort(sort, &more);
	gantry_dma_addr_t addr;

	if (sort == TWO_REFERENCES)
		rte_mbuf_refcnt_update(m, 1);
	addr = gantry_dma_map_mbuf(dev, m, m->data_off, FRAME, GANTRY_DMA_TO_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	if (write)
		*rte_pktmbuf_mtod(m, uint8_t *) ^= 1;
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME, GANTRY_DMA_TO_DEVICE);
	if (sort == TWO_REFERENCES)
		rte_mbuf_refcnt_update(m, -1);
	if (m->pool != NULL)
		rte_pktmbuf_free(m);
	rte_pktmbuf_free(more);
}

/* Receive an mbuf of that sort. */
static HERE void
post_sort(struct gantry_dma_dev *dev, enum sort sort)
{
	struct rte_mbuf *more, *m = mbuf_of_sort(sort, &more);
	gantry_dma_addr_t addr;

	addr = gantry_dma_map_mbuf(dev, m, m->data_off, FRAME, GANTRY_DMA_FROM_DEVICE);
	assert_false(gantry_dma_mapping_error(dev, addr));
	gantry_dma_unmap_mbuf(dev, m, addr, FRAME, GANTRY_DMA_FROM_DEVICE);
	if (m->pool != NULL)
		rte_pktmbuf_free(m);
	rte_pktmbuf_free(more);
}

/* Why an mbuf of each sort may not be sent on a queue with these promises; NULL: it may be. */
static const struct {
	bool fast_free, one_segment;
	const char *but[NR_SORTS];
} promises[] = {
	{ .fast_free = false },
	{ .one_segment = true, .but = { [CHAINED] = "without RTE_ETH_TX_OFFLOAD_MULTI_SEGS" } },
	{ .fast_free = true,
			.but = { [OF_OTHER_POOL] = "and is of another pool than those before",
					[TWO_REFERENCES] = "and has more references than one",
					[CLONE] = "and is indirect: its buffer is another mbuf's",
					[EXTERNAL] = "and has an external buffer",
					[OF_NO_POOL] = "and is of another pool than those before",
					[OF_NO_POOL_SHARED] =
							"and has more references than one" } },
};

static void
check_sort(unsigned int i, enum sort sort)
{
	struct gantry_dma_promise promise = { .fast_free = promises[i].fast_free,
		.one_segment = promises[i].one_segment };
	const char *but = promises[i].but[sort];
	struct gantry_dma_dev *dev = bounce_device("promise");

	reports_begin();
	gantry_dma_debug_promise(&promise);
	send_sort(dev, PLAIN, false); /* decides about the pool */
	assert_ptr_equal(promise.pool, promise.fast_free ? pool : NULL);
	post_sort(dev, sort); /* received mbufs are not promised anything about */
	assert_int_equal(reports.nr, 0);
	send_sort(dev, sort, but != NULL);
	if (but == NULL) {
		if (reports.nr != 0)
			fail_msg("%u, %d: %s", i, sort, reports.at[0].text);
	} else {
		reports_expect(sort == CHAINED ? GANTRY_DMA_MISUSE_MBUF_CHAIN :
						 GANTRY_DMA_MISUSE_MBUF_FAST_FREE,
				"send_sort");
		if (strstr(reports.at[0].text, but) == NULL)
			fail_msg("not \"%s\": %s", but, reports.at[0].text);
	}
	assert_ptr_equal(promise.pool, promise.fast_free ? pool : NULL);
	gantry_dma_debug_promise(NULL);
	gantry_dma_dev_destroy(dev);
	/* Without a promise, each sort may be sent. */
	dev = bounce_device("no promise");
	reports_begin();
	send_sort(dev, sort, false);
	assert_int_equal(reports.nr, 0);
	gantry_dma_dev_destroy(dev);
}

static void
promises_of_a_queue_hold_for_each_mbuf_that_is_sent(void **state)
{
	unsigned int i, k;
	enum sort sort;

	area = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	for (k = 1; k < RTE_DIM(kinds); k += 3) { /* also with buffers that are pinned for life */
		make_pool(&kinds[k]);
		other_pool = rte_pktmbuf_pool_create("other", 7, 0, 0, 2048, SOCKET_ID_ANY);
		assert_non_null(other_pool);
		for (i = 0; i < RTE_DIM(promises); i++)
			for (sort = PLAIN; sort < NR_SORTS; sort++)
				if (!kinds[k].pinned || (sort != CLONE && sort != EXTERNAL))
					check_sort(i, sort);
		rte_mempool_free(other_pool);
		drop_pool();
	}
	munmap(area, ROOM);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_in_memory_of_application_is_followed),
		cmocka_unit_test(references_that_the_device_needs_stay_as_they_are),
		cmocka_unit_test(fields_stay_as_they_are_while_the_device_has_the_mbuf),
		cmocka_unit_test(late_test_of_a_mapping_keeps_its_checks),
		cmocka_unit_test(fields_of_a_chain_stay_as_they_are),
		cmocka_unit_test(promises_of_a_queue_hold_for_each_mbuf_that_is_sent),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	return cmocka_run_group_tests_name("dma_debug_data", tests, NULL, NULL);
}
