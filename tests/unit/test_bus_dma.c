/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * drivers/bus/vfio_user/vfio_user_dma.c over a client that is the test: it keeps what is mapped,
 * and refuses when it is told to, which no server of ours does. And lib/dma above it, by the
 * ready-made operations.
 */

#include "dma_eal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <rte_malloc.h>

#include "gantry_dma_vfio.h"
#include "vfio_user_dma_ops.h"
#include "vfio_user_private.h"

#define PAGE  4096u
#define MAPS  4096
#define PAGES 3 /* of a heap beside EAL's: a mapping for each */

int vfio_user_logtype;

static struct {
	uint64_t iova, len;
	uint32_t prot;
	int fd;
} maps[MAPS];
static unsigned int nr_maps, unmaps, fail_unmap_at;
static bool fail_map, takes_tables;
static unsigned int tables;
static const uint64_t *server_sees;

bool
vfu_client_alive(const struct vfu_client *client)
{
	return true;
}

int
vfu_client_dma_map(struct vfu_client *client, int fd, uint64_t offset, uint64_t iova,
		uint64_t size, uint32_t prot)
{
	if (fail_map || nr_maps == MAPS)
		return -ENOSPC;
	maps[nr_maps].iova = iova;
	maps[nr_maps].len = size;
	maps[nr_maps].fd = fd;
	maps[nr_maps++].prot = prot;
	return 0;
}

int
vfu_client_dma_unmap(struct vfu_client *client, uint64_t iova, uint64_t size)
{
	unsigned int i;

	if (++unmaps == fail_unmap_at)
		return -EIO;
	for (i = 0; i < nr_maps; i++) {
		if (maps[i].iova == iova && maps[i].len == size) {
			maps[i] = maps[--nr_maps];
			return 0;
		}
	}
	return -ENOENT;
}

int
vfu_client_page_table(struct vfu_client *client, int fd, uint64_t base, uint64_t nr)
{
	char path[32];
	int again;

	if (!takes_tables)
		return -ENOTSUP;
	/* Its process can't write it, not even if it opens the file anew. */
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_true(mmap(NULL, nr * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (again >= 0) {
		assert_int_equal(write(again, path, 8), -1);
		assert_true(mmap(NULL, nr * 8, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0) ==
			MAP_FAILED);
		close(again);
	}
	server_sees = mmap(NULL, nr * 8, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(server_sees != MAP_FAILED);
	tables++;
	return 0;
}

static struct vfio_user_priv priv;
static struct rte_vfio_user_device dev = { .path = (char *)"device", .bus_private = &priv };

static int
attach(void **state)
{
	memset(&priv, 0, sizeof(priv));
	priv.dev = &dev;
	TAILQ_INIT(&priv.eal_maps);
	pthread_rwlock_init(&priv.nofd_lock, NULL);
	nr_maps = unmaps = fail_unmap_at = 0;
	fail_map = takes_tables = false;
	tables = 0;
	return vfio_user_dma_attach(&priv, false);
}

static int
detach(void **state)
{
	vfio_user_dma_detach(&priv);
	assert_int_equal(nr_maps, 0);
	return 0;
}

/* What the device reaches, without its order. */
static uint64_t
all_maps(void)
{
	uint64_t sum = nr_maps;
	unsigned int i;

	for (i = 0; i < nr_maps; i++)
		sum += (maps[i].iova ^ maps[i].len * 31 ^ maps[i].prot) * 2654435761u;
	return sum;
}

/* A server that refuses one of the mappings: nothing has changed, and the next may succeed. */
static void
test_claim_fails(void **state)
{
	const unsigned int nr = nr_maps;
	const uint64_t before = all_maps();
	unsigned int at;

	assert_true(nr > PAGES);
	for (at = 1; at <= nr; at++) {
		/* As often as it is tried. */
		for (int twice = 0; twice < 2; twice++) {
			unmaps = 0;
			fail_unmap_at = at;
			assert_int_equal(rte_vfio_user_dma_claim(&dev), -EIO);
			assert_true(all_maps() == before);
			assert_false(priv.dma_claimed);
		}
	}
	fail_unmap_at = 0;
	assert_int_equal(rte_vfio_user_dma_claim(&dev), 0);
	assert_int_equal(nr_maps, 0);
	assert_int_equal(rte_vfio_user_dma_claim(&dev), 0);
}

/* One that takes back nothing, either: what is lost is not in the books. */
static void
test_claim_fails_for_good(void **state)
{
	unmaps = 0;
	fail_unmap_at = 3;
	fail_map = true;
	assert_int_equal(rte_vfio_user_dma_claim(&dev), -EIO);
	fail_unmap_at = 0;
	assert_int_equal(rte_vfio_user_dma_claim(&dev), 0);
	assert_int_equal(nr_maps, 0);
}

/* Memory that comes after a claim that failed is the device's, as it would have been. */
static void
test_memory_comes(void **state)
{
	unsigned int n;
	void *more;

	if (!eal_huge() || eal_free_hugepages() < 80) {
		print_message("needs 80 free hugepages\n");
		skip();
	}
	fail_unmap_at = 1;
	assert_int_equal(rte_vfio_user_dma_claim(&dev), -EIO);
	n = nr_maps;
	more = rte_malloc(NULL, 128 << 20, 0);
	assert_non_null(more);
	assert_true(nr_maps > n);
	rte_free(more);
	fail_unmap_at = 0;
}

/* The ready-made operations say what they are told. */
static void
test_ops(void **state)
{
	static const struct {
		enum gantry_dma_dir dir;
		uint32_t prot;
	} cases[] = {
		{ GANTRY_DMA_TO_DEVICE, RTE_VFIO_USER_DMA_READ },
		{ GANTRY_DMA_FROM_DEVICE, RTE_VFIO_USER_DMA_WRITE },
		{ GANTRY_DMA_BIDIRECTIONAL, RTE_VFIO_USER_DMA_READ | RTE_VFIO_USER_DMA_WRITE },
	};
	const struct gantry_dma_ops *ops = &vfio_user_dma_ops;
	const uint64_t iova = UINT64_C(1) << 40;
	uint8_t *p = aligned_alloc(PAGE, 2 * PAGE);
	unsigned int i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(ops->map(&dev, p, iova, PAGE, cases[i].dir), 0);
		assert_int_equal(maps[nr_maps - 1].prot, cases[i].prot);
		assert_int_equal(maps[nr_maps - 1].fd, -1);
		assert_int_equal(ops->map(&dev, p, iova, PAGE, cases[i].dir), -EEXIST);
		assert_int_equal(ops->unmap(&dev, p + PAGE, iova, PAGE), -ENOENT);
		assert_int_equal(ops->unmap(&dev, p, iova, PAGE), 0);
		assert_int_equal(ops->map_fd(&dev, 1, 0, p, iova, PAGE, cases[i].dir), 0);
		assert_int_equal(maps[nr_maps - 1].prot, cases[i].prot);
		assert_int_equal(maps[nr_maps - 1].fd, 1);
		assert_int_equal(ops->unmap(&dev, p, iova, PAGE), 0);
	}
	assert_int_equal(ops->map(&dev, p, iova, PAGE, GANTRY_DMA_NONE), -EINVAL);
	assert_int_equal(ops->page_table(&dev, 0, 1, &(uint64_t *){ NULL }), -ENOTSUP);
	free(p);
}

/* One, for the server to read, even if it would take another. */
static void
test_page_table(void **state)
{
	uint64_t *entries, *other = NULL;

	takes_tables = true;
	assert_int_equal(rte_vfio_user_dma_page_table(&dev, 0, 512, &entries), 0);
	entries[7] = 4711;
	assert_int_equal(server_sees[7], 4711);
	assert_int_equal(rte_vfio_user_dma_page_table(&dev, 0, 512, &other), -EEXIST);
	assert_null(other);
	assert_int_equal(tables, 1);
	entries[7] = 4712;
	assert_int_equal(server_sees[7], 4712);
	munmap((void *)(uintptr_t)server_sees, 4096);
	vfio_user_dma_free(&priv);
}

/* A direction that is none is no permission, to the kernel's vfio, either. */
static void
test_vfio_direction(void **state)
{
	uint8_t *p = aligned_alloc(PAGE, PAGE);

	assert_int_equal(gantry_dma_vfio_map(-1, p, 0, PAGE, GANTRY_DMA_NONE), -EINVAL);
	assert_int_equal(gantry_dma_vfio_map(-1, p, 0, PAGE, (enum gantry_dma_dir)-1), -EINVAL);
	assert_int_equal(gantry_dma_vfio_map(-1, p, 0, PAGE, GANTRY_DMA_BIDIRECTIONAL), -EBADF);
	free(p);
}

/*
 * The library's window. New memory arrives with EAL's memory lock held for writing, and its file is
 * looked for then; this hangs where that takes the lock.
 */
static void
test_window(void **state)
{
	const struct gantry_dma_params p = { .name = "dev", .socket_id = SOCKET_ID_ANY,
		.ops = &vfio_user_dma_ops, .opaque = &dev, .has_iommu = true,
		.mode = GANTRY_DMA_MODE_WINDOW };
	struct gantry_dma_dev *dma = gantry_dma_dev_create(&p);
	gantry_dma_addr_t a;
	uint8_t *more;

	assert_non_null(dma);
	assert_int_equal(gantry_dma_set_mask_and_coherent(dma, GANTRY_DMA_BIT_MASK(32)), 0);
	for (unsigned int i = 0; i < nr_maps; i++)
		assert_true(maps[i].fd >= 0 && maps[i].iova + maps[i].len - 1 <= UINT32_MAX);
	if (eal_huge() && eal_free_hugepages() >= 80) {
		const unsigned int n = nr_maps;

		more = rte_malloc(NULL, 128 << 20, PAGE);
		assert_non_null(more);
		assert_true(nr_maps >= n + 64);
		for (unsigned int i = n; i < nr_maps; i++)
			assert_true(maps[i].fd >= 0);
		a = gantry_dma_map_single(dma, more, 2048, GANTRY_DMA_TO_DEVICE);
		assert_false(gantry_dma_mapping_error(dma, a));
		assert_true(a <= UINT32_MAX);
		gantry_dma_unmap_single(dma, a, 2048, GANTRY_DMA_TO_DEVICE);
		rte_free(more);
		assert_int_equal(nr_maps, n);
	}
	gantry_dma_dev_destroy(dma);
	assert_int_equal(nr_maps, 0);
}

#define ATTACHED(f) cmocka_unit_test_setup_teardown(f, attach, detach)

int
main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		ATTACHED(test_claim_fails),
		ATTACHED(test_claim_fails_for_good),
		ATTACHED(test_memory_comes),
		ATTACHED(test_ops),
		ATTACHED(test_page_table),
		cmocka_unit_test(test_vfio_direction),
		ATTACHED(test_window),
	};
	rte_iova_t iovas[PAGES] = { 0x7000000000, 0x7000005000, 0x7000002000 };
	const size_t len = PAGES * PAGE;
	void *heap;
	int ret;

	eal_start(argc, argv, NULL);
	heap = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (heap == MAP_FAILED || rte_malloc_heap_create("beside") != 0 ||
			rte_malloc_heap_memory_add("beside", heap, len, iovas, PAGES, PAGE) != 0)
		return 1;
	ret = cmocka_run_group_tests_name(argc > 1 ? argv[1] : "no-huge", tests, NULL, NULL);
	rte_malloc_heap_memory_remove("beside", heap, len);
	munmap(heap, len);
	return ret;
}
