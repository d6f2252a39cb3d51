/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the debug layer's checks between the hand-over of an mbuf for sending and its return
 * (dma_debug_mbuf.c): of data in buffers that are not the mbuf's own, and of the number of
 * references.
 */

#include "dma_mbufs.h"

#include <sys/mman.h>

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

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_in_memory_of_application_is_followed),
		cmocka_unit_test(references_that_the_device_needs_stay_as_they_are),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	return cmocka_run_group_tests_name("dma_debug_data", tests, NULL, NULL);
}
