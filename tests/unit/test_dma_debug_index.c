/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the indexes of the debug layer's books (dma_debug_books.c), without the layer: which
 * entry an unmapping takes out, and which entries are found at an address. Devices and memory are
 * numbers.
 */

#include "dma_device.h"

#include "dma_debug_books.h"

#undef DEV
#define DEV(n)  ((struct gantry_dma_dev *)(uintptr_t)(0x100000 + (n)*4096))
#define MEM     UINT64_C(0x10000000)
#define BUS     UINT64_C(0x20000000)
#define PTR(at) ((uint8_t *)(uintptr_t)(at))

static struct dma_entry *
add(struct dma_entry what, void (*fn)(struct dma_entry *other, void *arg), void *arg)
{
	struct dma_entry *e = dma_books_new();

	assert_non_null(e);
	*e = what;
	dma_books_add(e, fn, arg);
	return e;
}

static void
ignore(struct dma_entry *other, void *arg)
{
}

static void
assert_empty(void)
{
	assert_int_equal(gantry_dma_debug_live(NULL), 0);
}

/* Take out everything, in any order. */
static unsigned int
clear(unsigned int dev)
{
	struct dma_entry *e;
	unsigned int n = 0;

	while ((e = dma_books_take_any(DEV(dev), NULL)) != NULL) {
		assert_ptr_equal(e->dev, DEV(dev));
		dma_books_free(e);
		n++;
	}
	return n;
}

/*
 * Several mappings may begin at one bus address. The one is taken that is most like what is wanted;
 * each property counts more than all that follow it.
 */
enum { KIND, SIZE, DIR, MBUF, OWNER, POINTER, NR_PROPERTIES };

static const struct dma_want wanted = {
	.dev = DEV(0),
	.addr = BUS,
	.kind = DMA_KIND_SINGLE,
	.size = 100,
	.dir = GANTRY_DMA_TO_DEVICE,
	.mbuf = (const void *)1,
	.owner = (const void *)2,
	.ptr = PTR(MEM),
};

/* Return an entry that is as wanted, except for some properties, which are bits. */
static struct dma_entry
unlike(unsigned int properties)
{
	return (struct dma_entry){
		.dev = wanted.dev,
		.addr = wanted.addr,
		.kind = properties & 1 << KIND ? DMA_KIND_MBUF : wanted.kind,
		.size = wanted.size + (properties >> SIZE & 1),
		.dir = properties & 1 << DIR ? GANTRY_DMA_FROM_DEVICE : wanted.dir,
		.mbuf = properties & 1 << MBUF ? NULL : (struct rte_mbuf *)(uintptr_t)wanted.mbuf,
		.owner = properties & 1 << OWNER ? NULL : wanted.owner,
		.ptr = PTR(MEM + (properties & 1 << POINTER ? 4096 : 0)),
	};
}

static void
entry_most_like_the_description_is_taken(void **state)
{
	const unsigned int all = (1 << NR_PROPERTIES) - 1;
	struct dma_entry *better, *worse, *e, other;
	struct dma_want w;
	unsigned int p, lower, order;

	assert_int_equal(dma_books_open(), 0);
	for (p = 0; p < NR_PROPERTIES; p++) {
		lower = all & ~((2 << p) - 1);
		for (order = 0; order < 2; order++) {
			/* The better one differs in all that counts less, the other one here. */
			if (order == 0) {
				better = add(unlike(lower), ignore, NULL);
				worse = add(unlike(1 << p), ignore, NULL);
			} else {
				worse = add(unlike(1 << p), ignore, NULL);
				better = add(unlike(lower), ignore, NULL);
			}
			e = dma_books_take(&wanted, &other);
			if (e != better)
				fail_msg("property %u, order %u", p, order);
			assert_int_equal(other.addr, GANTRY_DMA_MAPPING_ERROR);
			assert_ptr_equal(dma_books_take(&wanted, &other), worse);
			assert_null(dma_books_take(&wanted, &other));
			assert_int_equal(other.addr, GANTRY_DMA_MAPPING_ERROR);
			dma_books_free(better);
			dma_books_free(worse);
		}
	}
	/* A description without owner or pointer accepts any. */
	w = wanted;
	w.owner = w.ptr = NULL;
	better = add(unlike(1 << OWNER | 1 << POINTER), ignore, NULL);
	worse = add(unlike(1 << MBUF), ignore, NULL);
	assert_ptr_equal(dma_books_take(&w, &other), better);
	assert_ptr_equal(dma_books_take(&w, &other), worse);
	dma_books_free(better);
	dma_books_free(worse);
	assert_empty();
}

/* Neither another device's mapping, nor one that begins elsewhere. */
static void
entry_of_another_place_is_not_taken(void **state)
{
	struct dma_entry what = unlike(0), *e, other;
	struct dma_want w;

	assert_int_equal(dma_books_open(), 0);
	e = add(what, ignore, NULL);
	w = wanted;
	w.addr++;
	assert_null(dma_books_take(&w, &other));
	w.addr = wanted.addr - 1;
	assert_null(dma_books_take(&w, &other));
	w = wanted;
	w.dev = DEV(1);
	assert_null(dma_books_take(&w, &other));
	assert_int_equal(gantry_dma_debug_live(DEV(0)), 1);
	assert_int_equal(gantry_dma_debug_live(DEV(1)), 0);
	assert_ptr_equal(dma_books_take(&wanted, &other), e);
	dma_books_free(e);
	assert_empty();
}

/* A mapping of memory is ended as any other such mapping; blocks and BARs only as what they are. */
static void
kind_decides_what_may_be_taken(void **state)
{
	static const struct {
		enum dma_kind is, wanted;
		unsigned int owner; /* 0: the wanted one */
		bool taken;
	} cases[] = {
		{ DMA_KIND_SINGLE, DMA_KIND_MBUF, 0, true },
		{ DMA_KIND_MBUF, DMA_KIND_SINGLE, 0, true },
		{ DMA_KIND_SG, DMA_KIND_SINGLE, 1, true },
		{ DMA_KIND_SINGLE, DMA_KIND_CHAIN, 1, true },
		{ DMA_KIND_SINGLE, DMA_KIND_COHERENT, 0, false },
		{ DMA_KIND_CHAIN, DMA_KIND_RESOURCE, 0, false },
		{ DMA_KIND_COHERENT, DMA_KIND_SINGLE, 0, false },
		{ DMA_KIND_COHERENT, DMA_KIND_COHERENT, 1, true },
		{ DMA_KIND_COHERENT, DMA_KIND_POOL, 0, false },
		{ DMA_KIND_POOL, DMA_KIND_POOL, 0, true },
		{ DMA_KIND_POOL, DMA_KIND_POOL, 1, false },
		{ DMA_KIND_RESOURCE, DMA_KIND_RESOURCE, 1, true },
		{ DMA_KIND_RESOURCE, DMA_KIND_CHAIN, 0, false },
	};
	struct dma_entry what, *e, other;
	struct dma_want w = wanted;
	unsigned int i;

	assert_int_equal(dma_books_open(), 0);
	for (i = 0; i < RTE_DIM(cases); i++) {
		what = unlike(0);
		what.kind = cases[i].is;
		what.flags = 7;
		if (cases[i].owner != 0)
			what.owner = (const void *)(uintptr_t)99;
		e = add(what, ignore, NULL);
		w.kind = cases[i].wanted;
		if (dma_books_take(&w, &other) != (cases[i].taken ? e : NULL))
			fail_msg("case %u", i);
		assert_int_equal(gantry_dma_debug_live(NULL), !cases[i].taken);
		if (cases[i].taken) {
			assert_int_equal(other.addr, GANTRY_DMA_MAPPING_ERROR);
			dma_books_free(e);
			continue;
		}
		assert_int_equal(other.addr, BUS);
		assert_int_equal(other.kind, cases[i].is);
		assert_int_equal(other.flags, 7);
		assert_int_equal(clear(0), 1);
	}
	assert_empty();
}

/*
 * Places. A search visits each granule of each size that was ever used.
 */

static const struct {
	uint64_t at; /* bytes from the beginning of the memory */
	size_t size;
} places[] = {
	{ 0, 1 },
	{ 8191, 1 },
	{ 8190, 3 },        /* the last two bytes of a granule, and one of the next */
	{ 100, 8192 },      /* the longest of the first size */
	{ 100, 8193 },      /* of the second one */
	{ 131000, 131072 }, /* the longest of that */
	{ 4096, 131073 },
	{ 2097000, 2097152 },
	{ 4096, 2097153 }, /* of the last one */
	{ 0, UINT64_C(1) << 33 },
};

struct found {
	const struct dma_entry *e;
	unsigned int nr;
	bool stop;
};

static bool
find(struct dma_entry *e, void *arg)
{
	struct found *f = arg;

	f->nr += e == f->e;
	return f->stop && e == f->e;
}

static void
count_meeting(struct dma_entry *other, void *arg)
{
	struct found *f = arg;

	f->nr += other == f->e;
}

static struct dma_entry
placed(unsigned int i)
{
	struct dma_entry e = unlike(0);

	e.ptr = PTR(MEM + places[i].at);
	e.addr = BUS + places[i].at;
	e.size = places[i].size;
	return e;
}

static bool
is_found(const struct dma_entry *e, uint64_t at, size_t size)
{
	struct found f = { .e = e };

	dma_debug_for_each_at(PTR(at), size, find, &f);
	return f.nr != 0;
}

static void
entry_is_found_at_each_of_its_bytes(void **state)
{
	struct dma_entry *e, other;
	struct found f;
	struct dma_want w = wanted;
	uint64_t first, last;
	unsigned int i;

	assert_int_equal(dma_books_open(), 0);
	for (i = 0; i < RTE_DIM(places); i++) {
		e = add(placed(i), ignore, NULL);
		first = MEM + places[i].at;
		last = first + places[i].size - 1;
		assert_true(is_found(e, first, 1));
		assert_true(is_found(e, last, 1));
		assert_true(is_found(e, first + places[i].size / 2, 1));
		assert_true(is_found(e, first - 10, 11));
		assert_true(is_found(e, last, 100));
		assert_true(is_found(e, first - (UINT64_C(1) << 27), UINT64_C(1) << 36));
		f = (struct found){ .e = e };
		assert_false(dma_books_at_bus(DEV(0), e->addr, find, &f));
		assert_int_equal(f.nr, 1);
		f = (struct found){ .e = e, .stop = true };
		assert_true(dma_books_at_bus(DEV(0), e->addr + e->size - 1, find, &f));
		assert_int_equal(f.nr, 1);
		f = (struct found){ .e = e };
		dma_debug_for_each(find, &f);
		assert_int_equal(f.nr, 1);
		/* Then it is gone from each place. */
		w.addr = e->addr;
		w.size = e->size;
		w.ptr = e->ptr;
		assert_ptr_equal(dma_books_take(&w, &other), e);
		assert_false(is_found(e, first, places[i].size));
		f = (struct found){ .e = e };
		assert_false(dma_books_at_bus(DEV(0), BUS + places[i].at, find, &f));
		assert_int_equal(f.nr, 0);
		dma_books_free(e);
	}
	assert_empty();
}

/*
 * Each bucket has entries. Walks visit the buckets in their order, so that the first and the last
 * entry of a walk are in the first and the last bucket.
 */

#define ALL (1 << 18)

struct ends {
	struct dma_entry *first, *last;
	unsigned int nr;
};

static bool
see_ends(struct dma_entry *e, void *arg)
{
	struct ends *x = arg;

	if (x->nr++ == 0)
		x->first = e;
	x->last = e;
	return false;
}

static void
entry_is_found_in_each_bucket(void **state)
{
	struct dma_entry what = unlike(0), *e, other;
	struct dma_want w = wanted;
	struct ends x = { 0 }, by_cpu = { 0 };
	unsigned int i;

	assert_int_equal(dma_books_open(), 0);
	for (i = 0; i < ALL; i++) {
		what.addr = BUS + i * UINT64_C(8192);
		what.ptr = PTR(MEM + i * UINT64_C(8192));
		add(what, ignore, NULL);
	}
	assert_int_equal(gantry_dma_debug_live(DEV(0)), ALL);
	dma_debug_for_each(see_ends, &x);
	assert_int_equal(x.nr, ALL);
	dma_debug_for_each_at(PTR(MEM), ALL * UINT64_C(8192), see_ends, &by_cpu);
	assert_int_equal(by_cpu.nr, ALL);
	w.ptr = NULL;
	for (i = 0; i < ALL; i++) {
		w.addr = BUS + i * UINT64_C(8192);
		if (w.addr == x.first->addr || w.addr == x.last->addr)
			continue;
		e = dma_books_take(&w, &other);
		assert_non_null(e);
		dma_books_free(e);
	}
	assert_int_equal(clear(0), 2);
	assert_empty();
}

/* If two entries share bytes, the later one meets the earlier one, whatever their sizes. */
static void
later_entry_meets_the_earlier_one(void **state)
{
	struct dma_entry *a, *b, *alone;
	struct found f;
	unsigned int i, k;

	assert_int_equal(dma_books_open(), 0);
	for (i = 0; i < RTE_DIM(places); i++) {
		for (k = 0; k < RTE_DIM(places); k++) {
			struct dma_entry x = placed(i), y = placed(k);

			if (!dma_same_bytes(&x, &y))
				continue;
			a = add(x, ignore, NULL);
			f = (struct found){ .e = a };
			b = add(y, count_meeting, &f);
			if (f.nr == 0)
				fail_msg("%u, %u", i, k);
			assert_int_equal(clear(0), 2);
			assert_true(a != b);
		}
		/* None meets itself. */
		f = (struct found){ .e = NULL };
		alone = dma_books_new();
		*alone = placed(i);
		f.e = alone;
		dma_books_add(alone, count_meeting, &f);
		assert_int_equal(f.nr, 0);
		assert_int_equal(clear(0), 1);
	}
	assert_empty();
}

/* Blocks and BARs have no place among mappings of memory. */
static void
block_is_found_by_its_bus_address_only(void **state)
{
	static const enum dma_kind kinds[] = { DMA_KIND_COHERENT, DMA_KIND_POOL,
		DMA_KIND_RESOURCE };
	struct dma_entry what = unlike(0), *e;
	struct found f;
	unsigned int i;

	assert_int_equal(dma_books_open(), 0);
	for (i = 0; i < RTE_DIM(kinds); i++) {
		what.kind = kinds[i];
		e = add(what, ignore, NULL);
		assert_false(is_found(e, MEM, 100));
		f = (struct found){ .e = e };
		dma_books_at_bus(DEV(0), BUS, find, &f);
		assert_int_equal(f.nr, 1);
		assert_int_equal(clear(0), 1);
	}
	assert_empty();
}

/* A device, or one pool of blocks, ends while entries of it are left. */
static void
rest_of_an_owner_is_taken(void **state)
{
	static const int owners[2];
	struct dma_entry what, *e;
	unsigned int i;

	assert_int_equal(dma_books_open(), 0);
	for (i = 0; i < 12; i++) {
		what = unlike(0);
		what.dev = DEV(i % 2);
		what.addr = BUS + i * 65536;
		what.kind = i < 4 ? DMA_KIND_SG : DMA_KIND_POOL;
		what.owner = &owners[i % 4 / 2];
		add(what, ignore, NULL);
	}
	assert_int_equal(gantry_dma_debug_live(DEV(0)), 6);
	for (i = 0; (e = dma_books_take_any(DEV(0), &owners[0])) != NULL; i++) {
		assert_ptr_equal(e->dev, DEV(0));
		assert_ptr_equal(e->owner, &owners[0]);
		assert_int_equal(e->kind, DMA_KIND_POOL);
		dma_books_free(e);
	}
	assert_int_equal(i, 2);
	assert_null(dma_books_take_any(DEV(2), NULL));
	assert_int_equal(clear(0), 4);
	assert_int_equal(gantry_dma_debug_live(DEV(1)), 6);
	assert_int_equal(clear(1), 6);
	assert_empty();
}

/* Former mappings are found until the device ends, or another one is unmapped there. */
static void
former_mapping_is_found_until_its_device_ends(void **state)
{
	struct dma_entry e = unlike(0), later;
	const int sites[3];
	struct dma_former f;

	assert_int_equal(dma_books_open(), 0);
	e.site = &sites[0];
	e.flags = DMA_REPORTED;
	dma_books_add_former(&e, &sites[1]);
	later = e;
	later.dev = DEV(1);
	dma_books_add_former(&later, &sites[1]);
	assert_true(dma_books_find_former(DEV(0), BUS, &f));
	assert_ptr_equal(f.ptr, e.ptr);
	assert_int_equal(f.size, e.size);
	assert_ptr_equal(f.map_site, &sites[0]);
	assert_ptr_equal(f.unmap_site, &sites[1]);
	assert_int_equal(f.flags >> 16, DMA_REPORTED);
	assert_int_equal(f.flags >> 8 & 0xFF, e.dir);
	assert_int_equal(f.flags & 0xFF, e.kind);
	assert_false(dma_books_find_former(DEV(0), BUS + 1, &f));
	assert_false(dma_books_find_former(DEV(2), BUS, &f));
	e.size = 7;
	e.site = &sites[2];
	dma_books_add_former(&e, NULL);
	assert_true(dma_books_find_former(DEV(0), BUS, &f));
	assert_int_equal(f.size, 7);
	assert_ptr_equal(f.map_site, &sites[2]);
	assert_null(f.unmap_site);
	dma_books_forget(DEV(0));
	assert_false(dma_books_find_former(DEV(0), BUS, &f));
	assert_true(dma_books_find_former(DEV(1), BUS, &f));
	dma_books_forget(DEV(1));
	assert_false(dma_books_find_former(DEV(1), BUS, &f));
}

/* Each place of former mappings had one of the device. */
static void
former_mappings_of_an_ended_device_are_forgotten(void **state)
{
	struct dma_entry e = unlike(0);
	struct dma_former f;
	unsigned int i;

	assert_int_equal(dma_books_open(), 0);
	for (i = 0; i < ALL; i++) {
		e.addr = BUS + i;
		dma_books_add_former(&e, NULL);
		assert_true(dma_books_find_former(DEV(0), e.addr, &f));
	}
	dma_books_forget(DEV(0));
	for (i = 0; i < ALL; i++)
		assert_false(dma_books_find_former(DEV(0), BUS + i, &f));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		/* The first: later, walks visit buckets once for each size that was used. */
		cmocka_unit_test(entry_is_found_in_each_bucket),
		cmocka_unit_test(entry_most_like_the_description_is_taken),
		cmocka_unit_test(entry_of_another_place_is_not_taken),
		cmocka_unit_test(kind_decides_what_may_be_taken),
		cmocka_unit_test(entry_is_found_at_each_of_its_bytes),
		cmocka_unit_test(later_entry_meets_the_earlier_one),
		cmocka_unit_test(block_is_found_by_its_bus_address_only),
		cmocka_unit_test(rest_of_an_owner_is_taken),
		cmocka_unit_test(former_mapping_is_found_until_its_device_ends),
		cmocka_unit_test(former_mappings_of_an_ended_device_are_forgotten),
	};

	return cmocka_run_group_tests_name("dma_debug_index", tests, NULL, NULL);
}
