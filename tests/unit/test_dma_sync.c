/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of sync (gantry_dma_inline.h, dma_sg.c, dma_bounce.c) for chains of mbufs, and for segments
 * that cover several pieces, in each mode, with and without the debug layer.
 *
 * A sync promises the same in each mode. In bounce mode the test can also see that the sync copies
 * only the range it was called with.
 */

#include "dma_bus.h"

#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "dma_reports.h"
#include "gantry_dma_sg.h"

#define SLOT   2048 /* bytes of a piece, and of the bounce buffer that it fills */
#define PIECES 4
#define LEN    ((size_t)PIECES * SLOT)

static const struct mode {
	const char *name;
	enum gantry_dma_mode_id id;
	const struct gantry_dma_ops *ops;
	unsigned int bits;
	bool apart; /* each mapping has its own pages: nothing merges */
} modes[] = {
	{ "direct", GANTRY_DMA_MODE_DIRECT, &bus_without, 64, false },
	{ "window", GANTRY_DMA_MODE_WINDOW, &bus_with_table, 32, false },
	{ "on-demand", GANTRY_DMA_MODE_WINDOW, &bus_any_memory, 24, true },
	{ "strict", GANTRY_DMA_MODE_STRICT, &bus_with_table, 64, true },
	{ "bounce", GANTRY_DMA_MODE_BOUNCE, &bus_with_files, 32, false },
};

static struct rte_mempool *pool;

/* Create a device with just enough bounce buffers, which are then handed out in order. */
static struct gantry_dma_dev *
device(const struct mode *m, bool debug)
{
	const struct gantry_dma_params p = {
		.name = m->name,
		.socket_id = SOCKET_ID_ANY,
		.ops = m->ops,
		.mode = m->id,
		.has_iommu = m->ops->map != NULL,
		.debug = debug ? GANTRY_DMA_DEBUG_ON : GANTRY_DMA_DEBUG_OFF,
		.bounce_slots = { 0, PIECES, 0, 0 },
	};
	struct gantry_dma_dev *dev;

	bus_reset();
	dev = gantry_dma_dev_create(&p);
	assert_non_null(dev);
	bus_mask(dev, m->bits);
	reports_begin();
	return dev;
}

static void
drop(struct gantry_dma_dev *dev)
{
	if (reports.nr != 0)
		fail_msg("%s", reports.at[0].text);
	gantry_dma_dev_destroy(dev);
	assert_int_equal(reports.nr, 0);
}

/* Assert that there is one report. Other tests check its place. */
static void
expect(enum gantry_dma_misuse misuse)
{
	if (reports.nr != 1 || reports.at[0].misuse != misuse)
		fail_msg("%u reports, and not %s: %s", reports.nr, gantry_dma_misuse_name(misuse),
				reports.nr > 0 ? reports.at[0].text : "");
}

static bool
copies(struct gantry_dma_dev *dev)
{
	return strcmp(gantry_dma_mode_name(dev), "bounce") == 0;
}

/*
 * The CPU's data, in separate pieces of a chain or a list; and the device's data.
 */

static void
cpu_fill(struct rte_mbuf *m, uint8_t value)
{
	for (; m != NULL; m = m->next)
		memset(rte_pktmbuf_mtod(m, void *), value, m->data_len);
}

/*
 * Assert that bytes in [off, off + size) are `inside`, and, if the mode copies, that the others are
 * `outside`.
 */
static void
cpu_check(struct gantry_dma_dev *dev, const struct rte_mbuf *m, size_t off, size_t size,
		uint8_t inside, uint8_t outside)
{
	size_t at = 0, i;

	for (; m != NULL; m = m->next) {
		for (i = 0; i < m->data_len; i++, at++) {
			const bool in = at - off < size;
			const uint8_t is = *rte_pktmbuf_mtod_offset(m, const uint8_t *, i);

			if ((in || copies(dev)) && is != (in ? inside : outside))
				fail_msg("%s: byte %zu is %u", gantry_dma_mode_name(dev), at, is);
		}
	}
}

static void
nic_fill(const struct gantry_dma_seg *segs, unsigned int n, uint8_t value)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		assert_true(device_fill(segs[i].addr, value, segs[i].len));
}

static void
nic_check(struct gantry_dma_dev *dev, const struct gantry_dma_seg *segs, unsigned int n, size_t off,
		size_t size, uint8_t inside, uint8_t outside)
{
	size_t at = 0, i;
	unsigned int k;
	uint8_t is = 0;

	for (k = 0; k < n; k++) {
		for (i = 0; i < segs[k].len; i++, at++) {
			const bool in = at - off < size;

			assert_true(device_read(segs[k].addr + i, &is, 1));
			if ((in || copies(dev)) && is != (in ? inside : outside))
				fail_msg("%s: byte %zu is %u", gantry_dma_mode_name(dev), at, is);
		}
	}
}

/* The first and the second mbuf fill a slot each, the third is empty. */
static struct rte_mbuf *
chain(void)
{
	static const uint16_t len[] = { SLOT, SLOT, 0, 700 };
	struct rte_mbuf *m, *head = NULL;
	unsigned int i;

	for (i = 0; i < RTE_DIM(len); i++) {
		m = rte_pktmbuf_alloc(pool);
		assert_non_null(m);
		assert_non_null(rte_pktmbuf_append(m, len[i]));
		if (head == NULL)
			head = m;
		else
			assert_int_equal(rte_pktmbuf_chain(head, m), 0);
	}
	return head;
}

#define CHAIN_LEN (2 * SLOT + 700)

static const struct {
	size_t off, size;
} parts[] = {
	{ 0, 1 },
	{ 10, 100 },
	{ SLOT - 1, 2 },
	{ SLOT - 10, SLOT + 20 },
	{ 2 * SLOT, 700 },
	{ CHAIN_LEN - 1, 1 },
	{ CHAIN_LEN, 0 },
	{ 100, 0 },
	{ 0, CHAIN_LEN },
};

#define CHAIN_SEGS 8 /* at most */

/* Make a chain, filled with ones, and map it. */
static struct rte_mbuf *
chain_mapped(struct gantry_dma_dev *dev, struct gantry_dma_seg *segs, int *n,
		enum gantry_dma_dir dir)
{
	struct rte_mbuf *m = chain();

	cpu_fill(m, 1);
	*n = gantry_dma_map_mbuf_chain(dev, m, segs, CHAIN_SEGS, dir);
	assert_true(*n > 0);
	return m;
}

static void
chain_received(struct gantry_dma_dev *dev, enum gantry_dma_dir dir)
{
	struct gantry_dma_seg segs[CHAIN_SEGS];
	unsigned int i;
	int n;
	struct rte_mbuf *m = chain_mapped(dev, segs, &n, dir);

	for (i = 0; i < RTE_DIM(parts); i++) {
		nic_fill(segs, n, 2);
		gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m, segs, n,
				(struct gantry_dma_part){ parts[i].off, parts[i].size }, dir);
		cpu_check(dev, m, parts[i].off, parts[i].size, 2, 1);
		nic_fill(segs, n, 1);
		gantry_dma_sync_mbuf_chain_for_cpu(dev, m, segs, n, dir);
		cpu_check(dev, m, 0, CHAIN_LEN, 1, 0);
		/* Handed back to the device in two parts, and once as a whole. */
		gantry_dma_sync_mbuf_chain_range_for_device(dev, m, segs, n,
				(struct gantry_dma_part){ 0, 100 }, dir);
		gantry_dma_sync_mbuf_chain_range_for_device(dev, m, segs, n,
				(struct gantry_dma_part){ 100, CHAIN_LEN - 100 }, dir);
		gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m, segs, n,
				(struct gantry_dma_part){ 0, 14 }, dir);
		gantry_dma_sync_mbuf_chain_for_device(dev, m, segs, n, dir);
	}
	nic_fill(segs, n, 3);
	gantry_dma_unmap_mbuf_chain(dev, m, segs, n, dir);
	cpu_check(dev, m, 0, CHAIN_LEN, 3, 0);
	rte_pktmbuf_free(m);
}

static void
chain_sent(struct gantry_dma_dev *dev, enum gantry_dma_dir dir)
{
	struct gantry_dma_seg segs[CHAIN_SEGS];
	unsigned int i;
	int n;
	struct rte_mbuf *m = chain_mapped(dev, segs, &n, dir);

	for (i = 0; i < RTE_DIM(parts); i++) {
		cpu_fill(m, 2);
		gantry_dma_sync_mbuf_chain_range_for_device(dev, m, segs, n,
				(struct gantry_dma_part){ parts[i].off, parts[i].size }, dir);
		nic_check(dev, segs, n, parts[i].off, parts[i].size, 2, 1);
		cpu_fill(m, 1);
		gantry_dma_sync_mbuf_chain_for_device(dev, m, segs, n, dir);
		nic_check(dev, segs, n, 0, CHAIN_LEN, 1, 0);
	}
	gantry_dma_unmap_mbuf_chain(dev, m, segs, n, dir);
	rte_pktmbuf_free(m);
}

static void
chain_sync_copies_only_its_range(void **state)
{
	struct gantry_dma_dev *dev;
	unsigned int i;

	for (i = 0; i < 2 * RTE_DIM(modes); i++) {
		dev = device(&modes[i / 2], i % 2);
		chain_received(dev, GANTRY_DMA_FROM_DEVICE);
		chain_received(dev, GANTRY_DMA_BIDIRECTIONAL);
		chain_sent(dev, GANTRY_DMA_TO_DEVICE);
		chain_sent(dev, GANTRY_DMA_BIDIRECTIONAL);
		/* Segments that are shorter than mbufs. */
		assert_int_equal(gantry_dma_set_max_seg_size(dev, 1500), 0);
		chain_received(dev, GANTRY_DMA_FROM_DEVICE);
		chain_sent(dev, GANTRY_DMA_TO_DEVICE);
		drop(dev);
	}
}

/*
 * A sync beyond the end copies nothing, not even the bytes that are within the chain. It is
 * reported if sync has an effect.
 */
static void
sync_beyond_chain_copies_nothing(void **state)
{
	static const struct {
		size_t off, size;
	} beyond[] = { { 0, CHAIN_LEN + 1 }, { CHAIN_LEN, 1 }, { 1, SIZE_MAX }, { SIZE_MAX, 2 } };
	struct rte_mbuf *m = chain();
	struct gantry_dma_seg segs[8];
	struct gantry_dma_dev *dev;
	unsigned int i, k;
	int n;

	for (i = 0; i < 2 * RTE_DIM(modes); i++) {
		dev = device(&modes[i / 2], i % 2);
		cpu_fill(m, 1);
		n = gantry_dma_map_mbuf_chain(dev, m, segs, RTE_DIM(segs), GANTRY_DMA_FROM_DEVICE);
		assert_true(n > 0);
		for (k = 0; k < RTE_DIM(beyond); k++) {
			if (copies(dev))
				nic_fill(segs, n, 2);
			dma_fail("nothing");
			gantry_dma_sync_mbuf_chain_range_for_cpu(dev, m, segs, n,
					(struct gantry_dma_part){ beyond[k].off, beyond[k].size },
					GANTRY_DMA_FROM_DEVICE);
			cpu_check(dev, m, 0, CHAIN_LEN, 1, 0);
			if (i % 2)
				expect(GANTRY_DMA_MISUSE_SYNC_RANGE);
			else if (copies(dev))
				assert_reason("beyond the end of the chain");
		}
		gantry_dma_unmap_mbuf_chain(dev, m, segs, n, GANTRY_DMA_FROM_DEVICE);
		assert_int_equal(reports.nr, i % 2);
		reports_begin();
		drop(dev);
	}
	rte_pktmbuf_free(m);
}

/*
 * Segments that cover several pieces: the driver knows only the segment's address.
 */

/*
 * Map n pieces of this memory. In a mode that copies, pieces need not be adjacent for their slots
 * to be adjacent, so there the pieces are two slots apart.
 */
static unsigned int
pieces(struct gantry_dma_dev *dev, struct gantry_sg *sg, unsigned int n, uint8_t *mem,
		enum gantry_dma_dir dir)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		gantry_sg_set_buf(&sg[i], mem + i * SLOT * (copies(dev) ? 2 : 1), SLOT);
	return gantry_dma_map_sg(dev, sg, n, dir);
}

static void
pieces_fill(const struct gantry_sg *sg, unsigned int n, uint8_t value)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		memset(sg[i].addr, value, SLOT);
}

static void
pieces_check(struct gantry_dma_dev *dev, const struct gantry_sg *sg, unsigned int n, size_t off,
		size_t size, uint8_t inside, uint8_t outside)
{
	size_t at;

	for (at = 0; at < (size_t)n * SLOT; at++) {
		const bool in = at - off < size;
		const uint8_t is = ((uint8_t *)sg[at / SLOT].addr)[at % SLOT];

		if ((in || copies(dev)) && is != (in ? inside : outside))
			fail_msg("%s: byte %zu is %u", gantry_dma_mode_name(dev), at, is);
	}
}

static void
merged(struct gantry_dma_dev *dev, const struct mode *m, uint8_t *mem, enum gantry_dma_dir dir)
{
	static const struct {
		size_t off, size;
	} part[] = {
		{ 0, LEN },
		{ 0, SLOT },
		{ SLOT, SLOT },
		{ SLOT - 1, 2 },
		{ 100, 3 * SLOT },
		{ LEN - 1, 1 },
		{ SLOT + 1, 2 * SLOT },
	};
	struct gantry_dma_seg seg;
	struct gantry_sg sg[PIECES];
	unsigned int i, n;

	n = pieces(dev, sg, PIECES, mem, dir);
	if (n != 1) {
		assert_true(m->apart);
		gantry_dma_unmap_sg(dev, sg, PIECES, dir);
		return;
	}
	seg = sg[0].dma;
	assert_int_equal(seg.len, LEN);
	for (i = 0; i < RTE_DIM(part); i++) {
		if (dir != GANTRY_DMA_TO_DEVICE) {
			pieces_fill(sg, PIECES, 1);
			nic_fill(&seg, 1, 2);
			gantry_dma_sync_single_range_for_cpu(dev, seg.addr, part[i].off,
					part[i].size, dir);
			pieces_check(dev, sg, PIECES, part[i].off, part[i].size, 2, 1);
		}
		if (dir != GANTRY_DMA_FROM_DEVICE) {
			pieces_fill(sg, PIECES, 1);
			gantry_dma_sync_single_for_device(dev, seg.addr, LEN, dir);
			nic_check(dev, &seg, 1, 0, LEN, 1, 0);
			pieces_fill(sg, PIECES, 3);
			gantry_dma_sync_single_range_for_device(dev, seg.addr, part[i].off,
					part[i].size, dir);
			nic_check(dev, &seg, 1, part[i].off, part[i].size, 3, 1);
		} else {
			gantry_dma_sync_single_for_device(dev, seg.addr, LEN, dir);
		}
	}
	gantry_dma_unmap_sg(dev, sg, PIECES, dir);
}

static uint8_t *
memory(void)
{
	uint8_t *mem = rte_zmalloc(NULL, 2 * LEN, 2 * LEN);

	assert_non_null(mem);
	return mem;
}

static void
merged_segment_sync_covers_pieces(void **state)
{
	uint8_t *mem = memory();
	struct gantry_dma_dev *dev;
	unsigned int i, dir;

	for (i = 0; i < 2 * RTE_DIM(modes); i++) {
		for (dir = GANTRY_DMA_BIDIRECTIONAL; dir < GANTRY_DMA_NONE; dir++) {
			dev = device(&modes[i / 2], i % 2);
			merged(dev, &modes[i / 2], mem, dir);
			drop(dev);
		}
	}
	rte_free(mem);
}

/* A sync does not extend to an adjacent slot of another list, or of a single mapping. */
static void
sync_stops_at_foreign_slot(void **state)
{
	const struct mode *bounce = &modes[RTE_DIM(modes) - 1];
	struct gantry_sg a[2], b[2];
	uint8_t *mem = memory(), *other = memory();
	gantry_dma_addr_t x, y;
	struct gantry_dma_dev *dev;
	unsigned int debug;

	for (debug = 0; debug < 2; debug++) {
		dev = device(bounce, debug);
		assert_int_equal(pieces(dev, a, 2, mem, GANTRY_DMA_FROM_DEVICE), 1);
		assert_int_equal(pieces(dev, b, 2, other, GANTRY_DMA_FROM_DEVICE), 1);
		assert_int_equal(a[0].dma.addr + a[0].dma.len, b[0].dma.addr);
		pieces_fill(a, 2, 1);
		pieces_fill(b, 2, 1);
		nic_fill(&a[0].dma, 1, 2);
		nic_fill(&b[0].dma, 1, 2);
		dma_fail("nothing");
		gantry_dma_sync_single_for_cpu(dev, a[0].dma.addr, 2 * SLOT + 1,
				GANTRY_DMA_FROM_DEVICE);
		assert_reason(debug ? "" : "beyond the end");
		assert_int_equal(reports.nr, debug);
		pieces_check(dev, a, 2, 0, 2 * SLOT, 1, 0);
		pieces_check(dev, b, 2, 0, 2 * SLOT, 1, 0);
		gantry_dma_unmap_sg(dev, a, 2, GANTRY_DMA_FROM_DEVICE);
		gantry_dma_unmap_sg(dev, b, 2, GANTRY_DMA_FROM_DEVICE);
		reports_begin();
		drop(dev);

		dev = device(bounce, debug);
		x = bus_map_ok(dev, mem, SLOT, GANTRY_DMA_FROM_DEVICE);
		y = bus_map_ok(dev, other, SLOT, GANTRY_DMA_FROM_DEVICE);
		assert_int_equal(x + SLOT, y);
		dma_fail("nothing");
		memset(mem, 1, SLOT);
		assert_true(device_fill(x, 2, 2 * SLOT));
		gantry_dma_sync_single_for_cpu(dev, x, 2 * SLOT, GANTRY_DMA_FROM_DEVICE);
		assert_bytes(mem, 1, SLOT);
		assert_reason(debug ? "" : "beyond the end");
		assert_int_equal(reports.nr, debug);
		gantry_dma_unmap_single(dev, x, SLOT, GANTRY_DMA_FROM_DEVICE);
		gantry_dma_unmap_single(dev, y, SLOT, GANTRY_DMA_FROM_DEVICE);
		reports_begin();
		drop(dev);
	}
	rte_free(mem);
	rte_free(other);
}

/*
 * Several mappings, lists and single ones, of the same bytes for reading: a sync is correct if it
 * fits any of them.
 */
static void
sync_fits_any_reader(void **state)
{
	static const unsigned int n[] = { 1, PIECES, 2, 3 };
	struct gantry_sg sg[RTE_DIM(n)][PIECES];
	uint8_t *mem = memory();
	struct gantry_dma_dev *dev = device(&modes[0], true);
	gantry_dma_addr_t x;
	unsigned int i, k;

	x = bus_map_ok(dev, mem, SLOT / 2, GANTRY_DMA_TO_DEVICE);
	for (i = 0; i < RTE_DIM(n); i++)
		assert_int_equal(pieces(dev, sg[i], n[i], mem, GANTRY_DMA_TO_DEVICE), 1);
	for (k = 0; k < RTE_DIM(n); k++) {
		gantry_dma_sync_single_for_device(dev, x, sg[k][0].dma.len, GANTRY_DMA_TO_DEVICE);
		gantry_dma_sync_sg_for_device(dev, sg[k], n[k], GANTRY_DMA_TO_DEVICE);
	}
	assert_int_equal(reports.nr, 0);
	/* After the longest one is unmapped, a sync of its length is too long. */
	gantry_dma_unmap_sg(dev, sg[1], n[1], GANTRY_DMA_TO_DEVICE);
	gantry_dma_sync_single_for_device(dev, x, 3 * SLOT, GANTRY_DMA_TO_DEVICE);
	assert_int_equal(reports.nr, 0);
	gantry_dma_sync_single_for_device(dev, x, LEN, GANTRY_DMA_TO_DEVICE);
	expect(GANTRY_DMA_MISUSE_SYNC_RANGE);
	reports_begin();
	for (i = 0; i < RTE_DIM(n); i++)
		if (i != 1)
			gantry_dma_unmap_sg(dev, sg[i], n[i], GANTRY_DMA_TO_DEVICE);
	gantry_dma_unmap_single(dev, x, SLOT / 2, GANTRY_DMA_TO_DEVICE);
	drop(dev);
	rte_free(mem);
}

/* Ownership passes for a list or chain as a whole. A buffer may also be handed back in parts. */
static void
ownership_passes_as_a_whole_or_in_parts(void **state)
{
	uint8_t *mem = memory();
	struct gantry_dma_dev *dev = device(&modes[0], true);
	const enum gantry_dma_dir dir = GANTRY_DMA_FROM_DEVICE;
	struct gantry_sg sg[PIECES];
	gantry_dma_addr_t x;

	assert_int_equal(pieces(dev, sg, PIECES, mem, dir), 1);
	x = sg[0].dma.addr;
	/* The CPU reads a header, and all is handed back: as a list, as a segment. */
	gantry_dma_sync_single_for_cpu(dev, x, 64, dir);
	gantry_dma_sync_sg_for_device(dev, sg, PIECES, dir);
	gantry_dma_sync_single_for_cpu(dev, x + SLOT, 64, dir);
	gantry_dma_sync_single_for_device(dev, x, LEN, dir);
	assert_int_equal(reports.nr, 0);
	/* A second time has no effect, and is reported. */
	gantry_dma_sync_single_for_device(dev, x, LEN, dir);
	expect(GANTRY_DMA_MISUSE_SYNC_POINTLESS);
	reports_begin();
	gantry_dma_unmap_sg(dev, sg, PIECES, dir);

	x = bus_map_ok(dev, mem, LEN, dir);
	gantry_dma_sync_single_for_cpu(dev, x, LEN, dir);
	gantry_dma_sync_single_for_device(dev, x, 64, dir);
	gantry_dma_sync_single_for_device(dev, x + 64, LEN - 64, dir);
	gantry_dma_unmap_single(dev, x, LEN, dir);
	drop(dev);
	rte_free(mem);
}

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_sync_copies_only_its_range),
		cmocka_unit_test(sync_beyond_chain_copies_nothing),
		cmocka_unit_test(merged_segment_sync_covers_pieces),
		cmocka_unit_test(sync_stops_at_foreign_slot),
		cmocka_unit_test(sync_fits_any_reader),
		cmocka_unit_test(ownership_passes_as_a_whole_or_in_parts),
	};

	eal_start(argc, argv, "--log-level", "lib.gantry_dma:critical", NULL);
	gantry_dma_debug_handler(reports_add, NULL);
	pool = rte_pktmbuf_pool_create("mbufs", 15, 0, 0, RTE_PKTMBUF_HEADROOM + SLOT,
			SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	return cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
}
