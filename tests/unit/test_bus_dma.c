/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * Test of the DMA part of the vfio-user bus (vfio_user_dma.c, vfio_user_dma_driver.c,
 * vfio_user_map.c and vfio_user_pool.c in drivers/bus/vfio_user), and of lib/dma above it through
 * the ready-made operations (vfio_user_dma_ops).
 *
 * The test replaces the client of lib/vfio_user: it defines the vfu_client_* functions that the bus
 * calls. These record what is mapped, and refuse a request if the test asks for it, which none of
 * our servers does.
 *
 *     rte_vfio_user_dma_map() ...  -->  vfio_user_map.c  -->  vfu_client_dma_map()    maps[]
 *     EAL memory events, mempools  -->                       vfu_client_dma_unmap()
 *                                                            vfu_client_page_table()  server_sees
 */

#include "dma_eal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "gantry_dma_vfio.h"
#include "stderr_capture.h"
#include "vfio_user_dma_ops.h"
#include "../common/fds.h"
#include "vfio_user_private.h"

#define PAGE      4096u
#define MAPS      4096
#define PAGES     3 /* pages of a heap that is not EAL memory: one mapping each */
#define LATE_IOVA UINT64_C(0x7100000000)

int vfio_user_logtype;

static struct {
	uint64_t iova, len;
	uint32_t prot;
	int fd;
} maps[MAPS];
static unsigned int nr_maps, unmaps, fail_unmap_at;
static bool fail_map, loses_maps, takes_tables;
static unsigned int tables;
static const uint64_t *server_sees;

bool
vfu_client_alive(const struct vfu_client *client)
{
	return true;
}

int
vfu_client_dma_map(struct vfu_client *client, int fd, uint64_t offset, uint64_t iova, uint64_t size,
		uint32_t prot)
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
			return loses_maps ? -ENOENT : 0;
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
	/* The server's process cannot write the table, even if it opens the file again. */
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
	pthread_rwlock_init(&priv.served_lock, NULL);
	nr_maps = unmaps = fail_unmap_at = 0;
	fail_map = loses_maps = takes_tables = false;
	tables = 0;
	assert_int_equal(vfio_user_dma_attach(&priv, false), 0);
	vfio_user_pool_attach();
	return 0;
}

static int
detach(void **state)
{
	vfio_user_dma_detach(&priv);
	assert_int_equal(nr_maps, 0);
	return 0;
}

/* A checksum of the device's mappings that does not depend on their order. */
static uint64_t
all_maps(void)
{
	uint64_t sum = nr_maps;
	unsigned int i;

	for (i = 0; i < nr_maps; i++)
		sum += (maps[i].iova ^ maps[i].len * 31 ^ maps[i].prot) * 2654435761u;
	return sum;
}

/*
 * A claim fails if the server refuses to unmap one of the mappings: it changes nothing, and a later
 * claim may succeed.
 */
static void
failed_claim_changes_nothing_and_can_be_retried(void **state)
{
	const unsigned int nr = nr_maps;
	const uint64_t before = all_maps();
	unsigned int at;

	assert_true(nr > PAGES);
	for (at = 1; at <= nr; at++) {
		/* a second attempt fails in the same way */
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

/*
 * The server also refuses to map again what it has already unmapped: the bus records the lost
 * mappings as lost, and a later claim succeeds.
 */
static void
claim_succeeds_after_server_lost_mappings(void **state)
{
	unmaps = 0;
	fail_unmap_at = 3;
	fail_map = true;
	assert_int_equal(rte_vfio_user_dma_claim(&dev), -EIO);
	fail_unmap_at = 0;
	assert_int_equal(rte_vfio_user_dma_claim(&dev), 0);
	assert_int_equal(nr_maps, 0);
}

/*
 * The server has already lost the mapping: unmap succeeds, because the device no longer reaches the
 * memory.
 */
static void
mapping_that_the_server_has_lost_is_unmapped(void **state)
{
	uint8_t *va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(va, MAP_FAILED);
	loses_maps = true;
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, PAGE, 3), 0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, PAGE), 0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, PAGE), -ENOENT);
	assert_int_equal(rte_vfio_user_dma_claim(&dev), 0);
	assert_int_equal(nr_maps, 0);
	munmap(va, PAGE);
}

/*
 * After a failed claim, the bus still maps new memory for the device, as it would have without it.
 */
static void
memory_added_after_failed_claim_is_mapped(void **state)
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

static bool
is_mapped(uint64_t iova, uint64_t len)
{
	for (unsigned int i = 0; i < nr_maps; i++) {
		if (iova >= maps[i].iova && len <= maps[i].len &&
				iova - maps[i].iova <= maps[i].len - len)
			return true;
	}
	return false;
}

static struct rte_mempool *
empty_pool(const char *name, unsigned int n)
{
	struct rte_mempool *mp = rte_mempool_create_empty(name, n, 1000, 0, 0, SOCKET_ID_ANY, 0);

	assert_non_null(mp);
	assert_int_equal(rte_mempool_set_ops_byname(mp, "ring_mp_mc", NULL), 0);
	return mp;
}

static void
heap_of_the_application_reaches_the_device_by_event_or_mempool(void **state)
{
	const size_t len = 16 * PAGE;
	const unsigned int before = nr_maps;
	rte_iova_t iovas[16];
	struct rte_mempool *mp;
	uint8_t *va;

	va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(va, MAP_FAILED);
	for (unsigned int i = 0; i < 16; i++)
		iovas[i] = LATE_IOVA + i * PAGE;
	assert_int_equal(rte_malloc_heap_create("late"), 0);
	assert_int_equal(rte_malloc_heap_memory_add("late", va, len, iovas, 16, PAGE), 0);
	assert_int_equal(is_mapped(LATE_IOVA, len), eal_huge());
	mp = rte_mempool_create("late", 16, 1000, 0, 0, NULL, NULL, NULL, NULL,
			rte_malloc_heap_get_socket("late"), 0);
	assert_non_null(mp);
	assert_true(is_mapped(LATE_IOVA, len));
	assert_int_equal(nr_maps, before + 1);
	/* The application may also map this memory itself, before or after the bus has. */
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, len, 3), 0);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va + PAGE, LATE_IOVA + PAGE, PAGE, 3), 0);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA + PAGE, PAGE, 3), 0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA + PAGE, PAGE), 0);
	rte_mempool_free(mp);
	assert_int_equal(rte_malloc_heap_memory_remove("late", va, len), 0);
	rte_vfio_user_dma_give_heaps();
	assert_int_equal(nr_maps, before);
	assert_int_equal(rte_malloc_heap_destroy("late"), 0);
	munmap(va, len);
}

/*
 * The memory of external mbuf data, or of a pool's pinned external buffers: no mempool's own memory
 * resides in it.
 */
static void
heap_without_a_mempool_reaches_the_device_by_other_pool_or_start(void **state)
{
	const size_t len = 16 * PAGE;
	const unsigned int before = nr_maps;
	struct rte_pktmbuf_extmem ext = { .elt_size = 4096, .buf_len = len, .buf_iova = LATE_IOVA };
	rte_iova_t iovas[16];
	struct rte_mempool *mp;
	uint8_t *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(va, MAP_FAILED);
	for (unsigned int i = 0; i < 16; i++)
		iovas[i] = LATE_IOVA + i * PAGE;
	for (int pinned = 0; pinned < 2; pinned++) {
		assert_int_equal(rte_malloc_heap_create("late"), 0);
		assert_int_equal(rte_malloc_heap_memory_add("late", va, len, iovas, 16, PAGE), 0);
		ext.buf_ptr = va;
		mp = NULL;
		if (pinned) {
			mp = rte_pktmbuf_pool_create_extbuf("pinned", 16, 0, 0, 2176, SOCKET_ID_ANY,
					&ext, 1);
			assert_non_null(mp);
		} else {
			rte_vfio_user_dma_give_heaps(); /* a port starts */
		}
		assert_true(is_mapped(LATE_IOVA, len));
		assert_int_equal(nr_maps, before + 1);
		rte_mempool_free(mp);
		assert_true(is_mapped(LATE_IOVA, len)); /* it may contain other buffers */
		assert_int_equal(rte_malloc_heap_memory_remove("late", va, len), 0);
		assert_int_equal(nr_maps, before + !eal_huge());
		rte_vfio_user_dma_give_heaps();
		assert_int_equal(nr_maps, before);
		assert_int_equal(rte_malloc_heap_destroy("late"), 0);
	}
	munmap(va, len);
}

static void
memory_of_a_mempool_that_eal_does_not_know_reaches_the_device(void **state)
{
	const unsigned int before = nr_maps;
	const size_t len = 32 * PAGE;
	struct rte_mempool *one = empty_pool("one", 16), *two = empty_pool("two", 16), *anon;
	uint8_t *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int n;

	/* Two mempools share a page. */
	assert_ptr_not_equal(va, MAP_FAILED);
	assert_true(rte_mempool_populate_iova(one, (char *)va, LATE_IOVA, len / 2 + 64, NULL,
				    NULL) > 0);
	assert_true(is_mapped(LATE_IOVA, len / 2 + PAGE));
	assert_true(rte_mempool_populate_iova(two, (char *)va + len / 2 + 64,
				    LATE_IOVA + len / 2 + 64, len / 2 - 64, NULL, NULL) > 0);
	assert_int_equal(nr_maps, before + 2);
	assert_true(is_mapped(LATE_IOVA + len - PAGE, PAGE));
	rte_mempool_free(one);
	assert_true(is_mapped(LATE_IOVA + len / 2, PAGE));
	rte_mempool_free(two);
	assert_int_equal(nr_maps, before);

	/* As testpmd's --mp-alloc=anon. */
	anon = empty_pool("anon", 64);
	/*
	 * The mlock() of EAL does nothing under AddressSanitizer, and a page that is not present
	 * has no address.
	 */
	syscall(SYS_mlockall, MCL_FUTURE);
	assert_true(rte_mempool_populate_anon(anon) > 0);
	syscall(SYS_munlockall);
	n = nr_maps;
	assert_true(n > before);
	assert_true(is_mapped(STAILQ_FIRST(&anon->mem_list)->iova, PAGE));
	/* A device that is attached later also reaches the memory. */
	detach(NULL);
	attach(NULL);
	assert_int_equal(nr_maps, n);
	rte_mempool_free(anon);
	assert_int_equal(nr_maps, before);
	munmap(va, len);
}

static void
requests_of_the_server_for_memory_that_has_gone_are_refused(void **state)
{
	uint8_t *va = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0),
		buf[8] = "abcdefg";

	assert_ptr_not_equal(va, MAP_FAILED);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, 2 * PAGE, 3), 0);
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + 100, buf, 8), 0);
	assert_string_equal((char *)va + 100, "abcdefg");
	munmap(va + PAGE, PAGE);
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + PAGE, buf, 8), -EFAULT);
	assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA + PAGE - 4, buf, 8), -EFAULT);
	assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA + 2 * PAGE, buf, 8), -EFAULT);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, 2 * PAGE), 0);
	munmap(va, PAGE);
}

/* Count this process' mappings of files whose path contains this name. */
static unsigned int
mappings_named(const char *name)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];
	unsigned int n = 0;

	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, name) != NULL;
	fclose(f);
	return n;
}

/* The result of the kernel's copies; 0: as much as it can. */
static int copies_fail;
static unsigned int copies;

ssize_t
process_vm_readv(pid_t pid, const struct iovec *local, unsigned long nr_local,
		const struct iovec *remote, unsigned long nr_remote, unsigned long flags)
{
	copies++;
	errno = copies_fail;
	return copies_fail != 0 ? -1 :
				  syscall(SYS_process_vm_readv, pid, local, nr_local, remote,
						  nr_remote, flags);
}

ssize_t
process_vm_writev(pid_t pid, const struct iovec *local, unsigned long nr_local,
		const struct iovec *remote, unsigned long nr_remote, unsigned long flags)
{
	copies++;
	errno = copies_fail;
	return copies_fail != 0 ? -1 :
				  syscall(SYS_process_vm_writev, pid, local, nr_local, remote,
						  nr_remote, flags);
}

/* A sandbox may forbid the kernel's copies, or not know them. */
static void
requests_of_the_server_are_served_in_a_sandbox(void **state)
{
	static const int forbidden[] = { 0, EPERM, ENOSYS };
	uint8_t *memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	uint8_t buf[4];
	unsigned int i;

	assert_ptr_not_equal(memory, MAP_FAILED);
	strcpy((char *)memory, "abcdefg");
	assert_int_equal(rte_vfio_user_dma_map(&dev, memory, LATE_IOVA, PAGE, 3), 0);
	for (i = 0; i < RTE_DIM(forbidden); i++) {
		copies = 0;
		copies_fail = forbidden[i];
		assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA + 4, buf, 4), 0);
		assert_memory_equal(buf, "efg", 4);
		buf[0] = (uint8_t)('0' + i);
		assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + 2, buf, 1), 0);
		assert_int_equal(memory[2], '0' + i);
		assert_int_equal(memory[1], 'b');
		assert_int_equal(memory[3], 'd');
		assert_int_equal(copies, 2);
	}
	copies_fail = ESRCH;
	assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA, buf, 1), -EFAULT);
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA, buf, 1), -EFAULT);
	copies_fail = 0;
	assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA + PAGE - 3, buf, 4), -EFAULT);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, memory, LATE_IOVA, PAGE), 0);
	munmap(memory, PAGE);
}

static void
mapping_that_the_server_refuses_leaves_nothing(void **state)
{
	const unsigned int before = nr_maps, tables_before = mappings_named("gantry-io-page-table");
	uint8_t *va = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *entries = NULL;
	uint8_t buf[8];
	int files;

	assert_ptr_not_equal(va, MAP_FAILED);
	for (int turn = 0; turn < 2; turn++) {
		fail_map = true;
		assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, PAGE, 3), -ENOSPC);
		fail_map = false;
		assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA, buf, 8), -EFAULT);
		assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, PAGE), -ENOENT);
		assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, PAGE, 3), 0);
		assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA, buf, 8), 0);
		assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, PAGE), 0);
		assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA, buf, 8), -EFAULT);
	}
	/* The same for a page table, the largest one. */
	files = count_fds();
	assert_int_equal(rte_vfio_user_dma_page_table(&dev, 0, VFU_MAX_PTES, &entries), -ENOTSUP);
	assert_int_equal(count_fds(), files);
	assert_null(entries);
	assert_int_equal(mappings_named("gantry-io-page-table"), tables_before);
	assert_int_equal(rte_vfio_user_dma_page_table(&dev, 1, 512, &entries), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(&dev, 0, 0, &entries), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_page_table(&dev, 0, VFU_MAX_PTES + 1, &entries),
			-EINVAL);
	assert_int_equal(nr_maps, before);
	munmap(va, PAGE);
}

static void
mappings_have_exact_ends(void **state)
{
	uint8_t *va = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0),
		buf[8] = "1234567";
	const uint64_t top = UINT64_MAX - PAGE + 1;

	assert_ptr_not_equal(va, MAP_FAILED);
	/* Adjacent mappings do not overlap. */
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, PAGE, 3), 0);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va + PAGE, LATE_IOVA + PAGE, PAGE, 1), 0);
	assert_int_equal(maps[nr_maps - 1].prot, 1);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, PAGE), 0);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, PAGE, 3), 0);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, 2 * PAGE, 3), -EEXIST);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA - PAGE, 2 * PAGE, 3), -EEXIST);
	/* The bus serves a request from one mapping, up to its last byte. */
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + PAGE - 8, buf, 8), 0);
	assert_memory_equal(va + PAGE - 8, buf, 8);
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + PAGE - 7, buf, 8), -EFAULT);
	assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA + 2 * PAGE - 8, buf, 8), 0);
	assert_int_equal(vfio_user_dma_read(&priv, LATE_IOVA - 1, buf, 1), -EFAULT);
	/* An unmap must match a mapping exactly. */
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, 2 * PAGE), -ENOENT);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va + 1, LATE_IOVA, PAGE), -ENOENT);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, 0), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, PAGE), 0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va + PAGE, LATE_IOVA + PAGE, PAGE), 0);
	/* The last page of the address space, and one beyond it. */
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, top, PAGE, 3), 0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, top, PAGE), 0);
	assert_int_equal(rte_vfio_user_dma_map(&dev, (void *)top, LATE_IOVA, PAGE, 3), 0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, (void *)top, LATE_IOVA, PAGE), 0);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, top, 2 * PAGE, 3), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map(&dev, (void *)top, LATE_IOVA, 2 * PAGE, 3), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, 0, 3), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA + 2048, PAGE, 3), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, 2048, 3), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, PAGE, 0), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map(&dev, va, LATE_IOVA, PAGE, 7), -EINVAL);
	assert_int_equal(rte_vfio_user_dma_map_fd(&dev, (struct rte_vfio_user_dma_file){ -1, 0 },
					 va, LATE_IOVA, PAGE, 3),
			-EBADF);
	assert_int_equal(rte_vfio_user_dma_map_fd(&dev, (struct rte_vfio_user_dma_file){ 0, 0 }, va,
					 LATE_IOVA, PAGE, 3),
			0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va, LATE_IOVA, PAGE), 0);
	munmap(va, 2 * PAGE);
}

/* If the application maps a part of external memory, the device keeps the rest. */
static void
application_may_map_a_part_of_a_heap(void **state)
{
	const size_t len = 8 * PAGE;
	const unsigned int before = nr_maps;
	uint8_t *va = mmap(NULL, 2 * len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
	rte_iova_t iovas[8];

	assert_ptr_not_equal(va, MAP_FAILED);
	for (unsigned int i = 0; i < 8; i++)
		iovas[i] = LATE_IOVA + i * PAGE;
	assert_int_equal(rte_malloc_heap_create("late"), 0);
	assert_int_equal(rte_malloc_heap_memory_add("late", va, len, iovas, 8, PAGE), 0);
	rte_vfio_user_dma_give_heaps();
	assert_int_equal(nr_maps, before + 1);
	/*
	 * The application maps other memory at bus addresses of the heap: the bus unmaps the pages
	 * in the way, page by page.
	 */
	assert_int_equal(rte_vfio_user_dma_map(&dev, va + len, LATE_IOVA + 2 * PAGE, 3 * PAGE, 3),
			0);
	assert_int_equal(nr_maps, before + 3);
	assert_true(is_mapped(LATE_IOVA, 2 * PAGE));
	assert_false(is_mapped(LATE_IOVA, 2 * PAGE + 1));
	assert_true(is_mapped(LATE_IOVA + 2 * PAGE, 3 * PAGE));
	assert_true(is_mapped(LATE_IOVA + 5 * PAGE, 3 * PAGE));
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + 2 * PAGE, "there", 6), 0);
	assert_string_equal((char *)va + len, "there");
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + 5 * PAGE, "here", 5), 0);
	assert_string_equal((char *)va + 5 * PAGE, "here");
	assert_int_equal(vfio_user_dma_write(&priv, LATE_IOVA + PAGE, "first", 6), 0);
	assert_string_equal((char *)va + PAGE, "first");
	/* Only the gap that this leaves is mapped again. */
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va + len, LATE_IOVA + 2 * PAGE, 3 * PAGE),
			0);
	assert_false(is_mapped(LATE_IOVA + 2 * PAGE, 1));
	rte_vfio_user_dma_give_heaps();
	assert_true(is_mapped(LATE_IOVA + 2 * PAGE, 3 * PAGE));
	assert_int_equal(nr_maps, before + 3);
	/* The first page, and the last one: one piece of what it is cut from is left. */
	assert_int_equal(rte_vfio_user_dma_map(&dev, va + len, LATE_IOVA, PAGE, 3), 0);
	assert_int_equal(nr_maps, before + 4);
	assert_true(is_mapped(LATE_IOVA + PAGE, PAGE));
	assert_int_equal(rte_vfio_user_dma_map(&dev, va + len, LATE_IOVA + 7 * PAGE, PAGE, 3), 0);
	assert_int_equal(nr_maps, before + 5);
	assert_true(is_mapped(LATE_IOVA + 5 * PAGE, 2 * PAGE));
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va + len, LATE_IOVA, PAGE), 0);
	assert_int_equal(rte_vfio_user_dma_unmap(&dev, va + len, LATE_IOVA + 7 * PAGE, PAGE), 0);
	assert_int_equal(rte_malloc_heap_memory_remove("late", va, len), 0);
	rte_vfio_user_dma_give_heaps();
	assert_int_equal(nr_maps, before);
	assert_int_equal(rte_malloc_heap_destroy("late"), 0);
	munmap(va, 2 * len);
}

/* A claimed device gets what its driver maps, and nothing else. */
static void
claimed_device_gets_no_heap_and_no_mempool(void **state)
{
	const size_t len = 4 * PAGE;
	uint8_t *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rte_mempool *mp = empty_pool("claimed", 2);

	assert_ptr_not_equal(va, MAP_FAILED);
	assert_int_equal(rte_vfio_user_dma_claim(&dev), 0);
	rte_vfio_user_dma_give_heaps();
	assert_true(rte_mempool_populate_iova(mp, (char *)va, LATE_IOVA, len, NULL, NULL) > 0);
	vfio_user_dma_give_pool(mp);
	assert_int_equal(nr_maps, 0);
	/* As at the attach of a device that is claimed. */
	vfio_user_dma_detach(&priv);
	assert_int_equal(vfio_user_dma_attach(&priv, true), 0);
	vfio_user_pool_attach();
	assert_int_equal(nr_maps, 0);
	assert_true(priv.dma_attached);
	rte_mempool_free(mp);
	munmap(va, len);
}

/* The bus asks for events of mempools once, whatever number of devices comes. */
static void
each_device_after_the_first_has_the_same_events(void **state)
{
	/* The bus warns of an event that it cannot get; its log is that of EAL here. */
	assert_int_equal(rte_log_set_level(vfio_user_logtype, RTE_LOG_WARNING), 0);
	begin_stderr_capture();
	vfio_user_pool_attach();
	vfio_user_pool_attach();
	assert_string_equal(captured_stderr(), "");
	assert_int_equal(rte_log_set_level(vfio_user_logtype, RTE_LOG_ERR), 0);
}

/* A mempool that is not for devices, and one whose bus address does not fit pages. */
static void
mempool_that_no_device_can_use_is_not_mapped(void **state)
{
	const unsigned int before = nr_maps;
	const size_t len = 4 * PAGE;
	uint8_t *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rte_mempool *mp = empty_pool("unfit", 2);

	assert_ptr_not_equal(va, MAP_FAILED);
	assert_true(rte_mempool_populate_iova(mp, (char *)va, LATE_IOVA + 64, len, NULL, NULL) > 0);
	assert_int_equal(nr_maps, before);
	rte_mempool_free(mp);
	mp = empty_pool("private", 2);
	assert_true(rte_mempool_populate_iova(mp, (char *)va, LATE_IOVA, len, NULL, NULL) > 0);
	assert_int_equal(nr_maps, before + 1);
	detach(NULL);
	mp->flags |= RTE_MEMPOOL_F_NON_IO;
	attach(NULL);
	assert_int_equal(nr_maps, before);
	mp->flags &= ~RTE_MEMPOOL_F_NON_IO;
	vfio_user_dma_give_pool(mp);
	assert_int_equal(nr_maps, before + 1);
	rte_mempool_free(mp);
	assert_int_equal(nr_maps, before);
	munmap(va, len);
}

static void
detached_device_has_no_mappings(void **state)
{
	uint64_t *entries = NULL;
	unsigned int i;

	takes_tables = true;
	detach(NULL);
	assert_false(priv.dma_attached);
	assert_null(priv.maps);
	for (i = 0; i < 2; i++) {
		dev.bus_private = i == 0 ? &priv : NULL; /* as in a secondary process */
		assert_int_equal(rte_vfio_user_dma_map(&dev, &priv, LATE_IOVA, PAGE, 3), -ENODEV);
		assert_int_equal(rte_vfio_user_dma_map_fd(&dev,
						 (struct rte_vfio_user_dma_file){ 0, 0 }, &priv,
						 LATE_IOVA, PAGE, 3),
				-ENODEV);
		assert_int_equal(rte_vfio_user_dma_unmap(&dev, &priv, LATE_IOVA, PAGE), -ENODEV);
		assert_int_equal(rte_vfio_user_dma_claim(&dev), -ENODEV);
		assert_int_equal(rte_vfio_user_dma_page_table(&dev, 0, 512, &entries), -ENODEV);
	}
	dev.bus_private = &priv;
	assert_null(entries);
	assert_int_equal(nr_maps + tables, 0);
}

/* The ready-made operations pass on direction, file descriptor and errors. */
static void
ready_made_ops_pass_direction_fd_and_errors(void **state)
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
		assert_int_equal(ops->map_fd(&dev, (struct gantry_dma_file){ 1, 0 }, p, iova, PAGE,
						 cases[i].dir),
				0);
		assert_int_equal(maps[nr_maps - 1].prot, cases[i].prot);
		assert_int_equal(maps[nr_maps - 1].fd, 1);
		assert_int_equal(ops->unmap(&dev, p, iova, PAGE), 0);
	}
	assert_int_equal(ops->map(&dev, p, iova, PAGE, GANTRY_DMA_NONE), -EINVAL);
	assert_int_equal(ops->page_table(&dev, 0, 1, &(uint64_t *){ NULL }), -ENOTSUP);
	free(p);
}

/*
 * The bus creates one page table, which the server may only read, even if the server accepts two.
 */
static void
one_page_table_that_server_can_only_read(void **state)
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

/* gantry_dma_vfio_map() also rejects a direction that gives the kernel's vfio no permission. */
static void
vfio_map_without_direction_is_refused(void **state)
{
	uint8_t *p = aligned_alloc(PAGE, PAGE);

	assert_int_equal(gantry_dma_vfio_map(-1, p, 0, PAGE, GANTRY_DMA_NONE), -EINVAL);
	assert_int_equal(gantry_dma_vfio_map(-1, p, 0, PAGE, (enum gantry_dma_dir) - 1), -EINVAL);
	assert_int_equal(gantry_dma_vfio_map(-1, p, 0, PAGE, GANTRY_DMA_BIDIRECTIONAL), -EBADF);
	free(p);
}

/*
 * The window mode of lib/dma. The bus receives new memory while EAL holds its memory lock for
 * writing, and looks up the memory's file there. If that took the lock, this test would hang.
 */
static void
window_maps_memory_added_under_eal_lock(void **state)
{
	const struct gantry_dma_params p = {
		.name = "dev",
		.socket_id = SOCKET_ID_ANY,
		.ops = &vfio_user_dma_ops,
		.opaque = &dev,
		.has_iommu = true,
		.mode = GANTRY_DMA_MODE_WINDOW,
	};
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
		ATTACHED(failed_claim_changes_nothing_and_can_be_retried),
		ATTACHED(claim_succeeds_after_server_lost_mappings),
		ATTACHED(mapping_that_the_server_has_lost_is_unmapped),
		ATTACHED(memory_added_after_failed_claim_is_mapped),
		ATTACHED(heap_of_the_application_reaches_the_device_by_event_or_mempool),
		ATTACHED(heap_without_a_mempool_reaches_the_device_by_other_pool_or_start),
		ATTACHED(memory_of_a_mempool_that_eal_does_not_know_reaches_the_device),
		ATTACHED(requests_of_the_server_for_memory_that_has_gone_are_refused),
		ATTACHED(requests_of_the_server_are_served_in_a_sandbox),
		ATTACHED(mapping_that_the_server_refuses_leaves_nothing),
		ATTACHED(mappings_have_exact_ends),
		ATTACHED(application_may_map_a_part_of_a_heap),
		ATTACHED(claimed_device_gets_no_heap_and_no_mempool),
		ATTACHED(each_device_after_the_first_has_the_same_events),
		ATTACHED(mempool_that_no_device_can_use_is_not_mapped),
		ATTACHED(detached_device_has_no_mappings),
		ATTACHED(ready_made_ops_pass_direction_fd_and_errors),
		ATTACHED(one_page_table_that_server_can_only_read),
		cmocka_unit_test(vfio_map_without_direction_is_refused),
		ATTACHED(window_maps_memory_added_under_eal_lock),
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
