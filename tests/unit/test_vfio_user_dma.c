/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The gantry authors
 */

/*
 * The client's memory, as the server accesses it: translation, permission, the promise of
 * DMA_UNMAP, memory that shrinks, memory without a descriptor.
 */

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "vfu_rcu.h"
#include "vfu_server_test.h"

static void *
ptr(uint64_t iova, size_t len, uint32_t prot)
{
	return device_ptr(&dev, iova, len, prot);
}

static void
invalid_dma_maps_are_refused(void **state)
{
	int s = raw_attach(&dev), mem = memory_file(MEM_SIZE), ro, dir, pipes[2];
	char link[40];
	struct vfio_user_dma_map m = { sizeof(m), VFIO_USER_DMA_MAP_F_MMAP | RW, 0, 0x1000,
		0x1000 };

	assert_int_equal(raw_map(s, mem, 0, 0x100000, 0, RW), EINVAL);
	assert_int_equal(raw_map(s, mem, 0, 0x100000, 0x800, RW), EINVAL);
	assert_int_equal(raw_map(s, mem, 0, 0x100800, 0x1000, RW), EINVAL);
	assert_int_equal(raw_map(s, mem, 0x800, 0x100000, 0x1000, RW), EINVAL);
	assert_int_equal(raw_map(s, mem, 0, 0x100000, 0x1000, 0), EINVAL);
	assert_int_equal(raw_map(s, mem, 0, 0x100000, 0x1000, RW | 8), EINVAL);
	assert_int_equal(raw_map(s, mem, 0, 0x100000, 0x1000, RW | (1u << 31)), EINVAL);
	assert_int_equal(raw_map(s, mem, 0, UINT64_MAX - 0xfff, 0x2000, RW), EINVAL);
	assert_int_equal(raw_map(s, -1, 0, 0x2000, UINT64_MAX - 0xfff, RW), EINVAL);
	assert_int_equal(raw_command(s, VFIO_USER_DMA_MAP, &m, sizeof(m)), EINVAL);
	/* The file is shorter than the mapping. */
	assert_int_equal(raw_map(s, mem, 0, 0, MEM_SIZE + 0x1000, RW), EINVAL);
	assert_int_equal(raw_map(s, mem, 0x1000, 0, MEM_SIZE, RW), EINVAL);
	assert_int_equal(raw_map(s, mem, UINT64_MAX - 0xfff, 0, 0x1000, RW), EINVAL);
	assert_non_null(strstr(dev.line, "MAP"));
	/* Descriptors that are not memory. */
	dir = open("/", O_RDONLY | O_DIRECTORY);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(raw_map(s, dir, 0, 0, 0x1000, VFU_DMA_READ), EINVAL);
	assert_int_equal(raw_map(s, pipes[0], 0, 0, 0x1000, VFU_DMA_READ), EINVAL);
	assert_int_equal(raw_map(s, s, 0, 0, 0x1000, VFU_DMA_READ), EINVAL);
	/*
	 * A file that is not open for writing: a client cannot gain write permission through
	 * the server.
	 */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", mem);
	ro = open(link, O_RDONLY);
	assert_int_equal(raw_map(s, ro, 0, 0, 0x1000, RW), EACCES);
	assert_int_equal(raw_map(s, ro, 0, 0, 0x1000, VFU_DMA_READ), 0);
	assert_null(ptr(0, 1, VFU_DMA_WRITE));
	assert_non_null(ptr(0, 1, VFU_DMA_READ));

	assert_int_equal(raw_unmap(s, 0, 0), EINVAL);
	assert_int_equal(raw_unmap(s, UINT64_MAX, 2), EINVAL);
	assert_int_equal(raw_unmap(s, 0x1000, 0), EINVAL);
	close(s);
	wait_until(is_forgotten(&dev));
	close(ro);
	close(dir);
	close(pipes[0]);
	close(pipes[1]);
	close(mem);
}

static void
translation_respects_ranges_and_permissions(void **state)
{
	int s = raw_attach(&dev), mem = memory_file(MEM_SIZE), before = count_fds();
	uint8_t *m = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	uint8_t buf[0x3000], *p;

	for (size_t i = 0; i < MEM_SIZE; i++)
		m[i] = (uint8_t)(i * 7 + (i >> 12));
	/* Three adjacent bus pages, in another order than in the file, and one hole. */
	assert_int_equal(raw_map(s, mem, 0x5000, 0x200000, 0x1000, RW), 0);
	assert_int_equal(raw_map(s, mem, 0x1000, 0x202000, 0x1000, VFU_DMA_READ), 0);
	assert_int_equal(raw_map(s, mem, 0x3000, 0x201000, 0x1000, RW), 0);
	assert_int_equal(raw_map(s, mem, 0x8000, 0x204000, 0x2000, VFU_DMA_WRITE), 0);
	/* The last page of the address space. */
	assert_int_equal(raw_map(s, mem, 0x7000, UINT64_MAX - 0xfff, 0x1000, RW), 0);
	wait_until(count_fds() <= before); /* none remains open */

	p = ptr(0x200010, 16, VFU_DMA_READ);
	assert_non_null(p);
	assert_memory_equal(p, m + 0x5010, 16);
	p = ptr(0x201ff0, 16, RW);
	assert_memory_equal(p, m + 0x3ff0, 16);
	assert_non_null(ptr(UINT64_MAX, 1, VFU_DMA_READ));
	assert_null(ptr(UINT64_MAX, 2, VFU_DMA_READ)); /* wraps around */
	assert_null(ptr(UINT64_MAX - 0xfff, SIZE_MAX, VFU_DMA_READ));
	assert_null(ptr(0x1fffff, 1, VFU_DMA_READ));
	assert_null(ptr(0x1fffff, 2, VFU_DMA_READ));
	assert_null(ptr(0x203000, 1, VFU_DMA_READ));
	assert_null(ptr(0x200000, 0, VFU_DMA_READ));
	assert_null(ptr(0x200ff1, 16, VFU_DMA_READ)); /* into the neighbour: by copy only */
	assert_null(ptr(0x202000, 1, VFU_DMA_WRITE));
	assert_null(ptr(0x202000, 1, RW));
	assert_null(ptr(0x204000, 1, VFU_DMA_READ));
	assert_int_equal(device_faults(&dev), 0);

	POLLING(assert_int_equal(dma_read(dev.server, 0x200800, buf, 0x2000), 0));
	assert_memory_equal(buf, m + 0x5800, 0x800);
	assert_memory_equal(buf + 0x800, m + 0x3000, 0x1000);
	assert_memory_equal(buf + 0x1800, m + 0x1000, 0x800);
	memset(buf, 0xaa, 0x800);
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x200c00, buf, 0x800), 0));
	assert_int_equal(m[0x5bff], (uint8_t)(0x5bff * 7 + 5));
	assert_memory_equal(m + 0x5c00, buf, 0x400);
	assert_memory_equal(m + 0x3000, buf, 0x400);
	assert_int_equal(device_faults(&dev), 0);

	POLLING(assert_int_equal(dma_read(dev.server, 0x202800, buf, 0x1000), -EFAULT));
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0x202000, buf, 1), -EFAULT));
	POLLING(assert_int_equal(dma_read(dev.server, 0x204000, buf, 1), -EFAULT));
	POLLING(assert_int_equal(dma_read(dev.server, UINT64_MAX, buf, 2), -EFAULT));
	POLLING(assert_int_equal(dma_read(dev.server, 0, buf, 0), 0));
	assert_int_equal(device_faults(&dev), 4);

	/* Overlaps, at every edge. */
	assert_int_equal(raw_map(s, mem, 0, 0x200000, 0x1000, RW), EEXIST);
	assert_int_equal(raw_map(s, mem, 0, 0x1ff000, 0x2000, RW), EEXIST);
	assert_int_equal(raw_map(s, mem, 0, 0x205000, 0x1000, RW), EEXIST);
	assert_int_equal(raw_map(s, mem, 0, 0x203000, 0x2000, RW), EEXIST);
	assert_int_equal(raw_map(s, -1, 0, 0, UINT64_MAX & ~0xfffull, RW), EEXIST);
	assert_int_equal(raw_map(s, mem, 0, 0x203000, 0x1000, RW), 0);

	/* DMA_UNMAP removes one or several mappings, but only whole ones. */
	assert_int_equal(raw_unmap(s, 0x204000, 0x1000), EINVAL);
	assert_int_equal(raw_unmap(s, 0x200000, 0x5000), EINVAL);
	assert_non_null(ptr(0x204000, 1, VFU_DMA_WRITE));
	assert_int_equal(raw_unmap(s, 0x201000, 0x1000), 0);
	assert_null(ptr(0x201000, 1, VFU_DMA_READ));
	assert_int_equal(raw_unmap(s, 0x200000, 0x6000), 0);
	assert_null(ptr(0x204000, 1, VFU_DMA_WRITE));
	assert_non_null(ptr(UINT64_MAX, 1, VFU_DMA_READ));
	munmap(m, MEM_SIZE);
	close(mem);
	close(s);
	wait_until(is_forgotten(&dev));
	assert_null(ptr(UINT64_MAX, 1, VFU_DMA_READ));
}

static void
count_entry(void *arg, const struct vfu_dma_entry *e)
{
	uint64_t *sum = arg;

	sum[0]++;
	sum[1] += e->size;
	assert_true(e->vaddr != NULL);
}

/* A client with IOVA-as-PA: thousands of pages, in no order. */
static void
thousands_of_single_pages_translate(void **state)
{
	enum { N = 4096 };
	int s = raw_attach(&dev), mem = memory_file((size_t)N * 4096);
	uint32_t *m = mmap(NULL, (size_t)N * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	struct vfu_server_stats st;
	uint64_t sum[2] = { 0, 0 };

	for (uint32_t i = 0; i < N; i++) {
		uint32_t at = (i * 2654435761u) % N; /* odd multiplier: each once */

		m[i * 1024] = i;
		assert_int_equal(raw_map(s, mem, (uint64_t)i * 4096, (uint64_t)at << 21, 4096, RW),
				0);
	}
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.dma_maps, N);
	assert_int_equal(st.dma_bytes, (uint64_t)N * 4096);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t *p = ptr((uint64_t)((i * 2654435761u) % N) << 21, 4, VFU_DMA_READ);

		assert_non_null(p);
		assert_int_equal(*p, i);
	}
	POLLING(vfu_server_dma_for_each(dev.server, count_entry, sum));
	assert_int_equal(sum[0], N);
	assert_int_equal(sum[1], (uint64_t)N * 4096);
	munmap(m, (size_t)N * 4096);
	close(mem);
	close(s);
	wait_until(is_forgotten(&dev));
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.dma_maps, 0);
	assert_int_equal(st.dma_bytes, 0);
}

/*
 * Single pages of one file, with each permission, share few mappings of the process, and none
 * remains.
 */
static void
single_pages_share_process_mappings(void **state)
{
	enum { N = 2048 }; /* 8 MiB: four units */
	int s = raw_attach(&dev), mem = memory_file((size_t)N * 4096), ro;
	uint32_t *m = mmap(NULL, (size_t)N * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	unsigned int before = count_mappings("");
	char path[40];

	for (uint32_t i = 0; i < N; i++) {
		m[i * 1024] = i;
		assert_int_equal(raw_map(s, mem, (uint64_t)i * 4096, (uint64_t)(N - i) << 21, 4096,
						 1 + i % 3),
				0);
	}
	assert_true(count_mappings("") <= before + 4 * 3 + 2); /* the allocator may add some */
	for (uint32_t i = 0; i < N; i++) {
		uint64_t at = (uint64_t)(N - i) << 21;
		uint32_t prot = 1 + i % 3, *p = ptr(at, 4, prot);

		assert_non_null(p);
		if (prot & VFU_DMA_READ)
			assert_int_equal(*p, i);
		if (prot != RW)
			assert_null(ptr(at, 4, RW ^ prot));
		assert_null(ptr(at + 4095, 2, prot));
	}
	/*
	 * A page that is already mapped for writing does not help a descriptor that is not open
	 * for writing.
	 */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", mem);
	ro = open(path, O_RDONLY);
	assert_int_equal(raw_map(s, ro, 2 * 4096, 4096, 4096, RW), EACCES);
	close(ro);
	/* The same page again; a range across two units; a larger range. */
	assert_int_equal(raw_map(s, mem, 2 * 4096, 4096, 4096, RW), 0);
	assert_int_equal(*(uint32_t *)ptr(4096, 4, RW), 2);
	assert_int_equal(raw_map(s, mem, 511 * 4096, 0x10000, 0x2000, RW), 0);
	assert_int_equal(*(uint32_t *)ptr(0x11000, 4, RW), 512);
	assert_int_equal(raw_map(s, mem, 0, 0x1000000000, (uint64_t)N * 4096, RW), 0);
	assert_int_equal(*(uint32_t *)ptr(0x1000000000 + 2047 * 4096, 4, RW), 2047);
	assert_int_equal(raw_unmap(s, 4096, 4096), 0);
	assert_null(ptr(4096, 4, RW));
	for (uint32_t i = 0; i < N; i += 2)
		assert_int_equal(raw_unmap(s, (uint64_t)(N - i) << 21, 4096), 0);
	assert_int_equal(*(uint32_t *)ptr((uint64_t)(N - 3) << 21, 4, VFU_DMA_READ), 3);
	assert_int_equal(raw_unmap(s, 0, UINT64_C(1) << 62), 0);
	assert_true(count_mappings("") <= before + 2);
	munmap(m, (size_t)N * 4096);
	close(mem);
	close(s);
	wait_until(is_forgotten(&dev));
}

/*
 * Random DMA_MAP and DMA_UNMAP, compared with a simple table: for each page of bus addresses,
 * the page of the file, and whether a mapping begins there.
 */
static void
random_maps_and_unmaps_match_a_simple_table(void **state)
{
	enum { PAGES = 3000, FILE_PAGES = 700, OPS = 12000 };
	static struct {
		int at;
		bool first;
	} want[PAGES + 8];
	int s = raw_attach(&dev), mem = memory_file((size_t)FILE_PAGES * 4096);
	uint32_t *m = mmap(NULL, (size_t)FILE_PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem,
			0);
	const uint64_t base = 0x7000000000;
	struct vfu_server_stats st;
	uint64_t seed = 99, nr = 0, most = 0;

	for (unsigned int i = 0; i < FILE_PAGES; i++)
		m[i * 1024] = i;
	for (unsigned int i = 0; i < PAGES + 8; i++)
		want[i].at = -1;
	for (unsigned int op = 0; op < OPS; op++) {
		/* The table fills and empties in turns. */
		bool filling = op / 2000 % 2 == 0;
		unsigned int r, page, len, at;
		int expect;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		r = (unsigned int)(seed >> 33);
		page = r % PAGES;
		at = r / PAGES % (FILE_PAGES - 4);
		if ((r >> 8) % 8 < (filling ? 7 : 2)) {
			len = 1 + (r >> 20) % 10 / 7;
			expect = 0;
			for (unsigned int i = page; i < page + len; i++)
				expect |= want[i].at >= 0 ? EEXIST : 0;
			assert_int_equal(raw_map(s, mem, at * 4096ul, base + page * 4096ul,
							 len * 4096ul, RW),
					expect);
			for (unsigned int i = 0; expect == 0 && i < len; i++) {
				want[page + i].at = (int)(at + i);
				want[page + i].first = i == 0;
			}
			nr += expect == 0;
		} else {
			unsigned int found = 0;

			len = 1 + (r >> 20) % (r % 64 == 0 ? 700 : 3);
			if (len > PAGES - page)
				len = PAGES - page;
			for (unsigned int i = page; i < page + len; i++)
				found += want[i].at >= 0;
			expect = 0;
			if (found != 0 &&
					((want[page].at >= 0 && !want[page].first) ||
							(want[page + len].at >= 0 &&
									!want[page + len].first)))
				expect = EINVAL;
			assert_int_equal(raw_unmap(s, base + page * 4096ul, len * 4096ul), expect);
			for (unsigned int i = page; expect == 0 && i < page + len; i++) {
				nr -= want[i].at >= 0 && want[i].first;
				want[i].at = -1;
			}
		}
		most = nr > most ? nr : most;
		for (unsigned int i = 0; i < 4; i++) {
			unsigned int look = (page + i * i * 37) % PAGES;
			uint32_t *p = ptr(base + look * 4096ul, 4096, RW);

			assert_true((p != NULL) == (want[look].at >= 0));
			if (p != NULL)
				assert_int_equal(*p, want[look].at);
		}
		vfu_server_get_stats(dev.server, &st);
		assert_int_equal(st.dma_maps, nr);
	}
	assert_true(most > 1000); /* several leaves */
	for (unsigned int i = 0; i < PAGES; i++)
		assert_true((ptr(base + i * 4096ul, 1, RW) != NULL) == (want[i].at >= 0));
	munmap(m, (size_t)FILE_PAGES * 4096);
	close(mem);
	close(s);
	wait_until(is_forgotten(&dev));
}

/*
 * QEMU's virtual IOMMU unmaps a whole address space in pieces of 2^n bytes, whether or not
 * something is mapped there. That is no error, and the reply states how many bytes were
 * unmapped.
 */
static void
unmap_of_empty_ranges_succeeds(void **state)
{
	static const struct {
		uint64_t addr, size, mapped;
	} unmaps[] = {
		{ 0x1000, 0x1000, 0 }, /* an empty table */
		{ 0, UINT64_C(1) << 63, 0x4000 },
		{ 0, UINT64_C(1) << 63, 0 },                 /* again */
		{ UINT64_C(1) << 63, UINT64_C(1) << 62, 0 }, /* between two mappings */
		{ UINT64_C(3) << 62, UINT64_C(1) << 62, 0x1000 },
	};
	struct vfio_user_dma_unmap all = { sizeof(all), VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 }, u;
	int s = raw_attach(&dev), mem = memory_file(MEM_SIZE), refused = dev.refused;
	struct vfu_server_stats before, st;
	size_t len;

	vfu_server_get_stats(dev.server, &before);
	for (unsigned int i = 0; i < sizeof(unmaps) / sizeof(unmaps[0]); i++) {
		if (i == 1) {
			assert_int_equal(raw_map(s, mem, 0, 0x10000, 0x3000, RW), 0);
			assert_int_equal(raw_map(s, -1, 0, 0x20000, 0x1000, RW), 0);
			assert_int_equal(raw_map(s, mem, 0, UINT64_MAX - 0xfff, 0x1000, RW), 0);
		}
		u = (struct vfio_user_dma_unmap){ sizeof(u), 0, unmaps[i].addr, unmaps[i].size };
		assert_int_equal(raw_command_fds(s, VFIO_USER_DMA_UNMAP, &u, sizeof(u), NULL, 0, &u,
						 &len)
						 .error_no,
				0);
		assert_int_equal(len, sizeof(u));
		assert_true(u.argsz == sizeof(u) && u.addr == unmaps[i].addr);
		assert_true(u.size == unmaps[i].mapped);
	}
	assert_int_equal(raw_command(s, VFIO_USER_DMA_UNMAP, &all, sizeof(all)), 0);
	vfu_server_get_stats(dev.server, &st);
	assert_int_equal(st.dma_maps, 0);
	assert_int_equal(st.bad_messages, before.bad_messages);
	assert_int_equal(dev.refused, refused);
	close(mem);
	close(s);
	wait_until(is_forgotten(&dev));
}

/*
 * After the reply to DMA_UNMAP the device has ended its accesses. A polling thread writes as
 * fast as it can. The client unmaps, and checks that nothing changes from then on.
 */

struct poller {
	pthread_t thread;
	atomic_bool stop;
	atomic_ulong hits, misses;
	uint64_t iova;
	unsigned int slot;
	struct vfu_tlb *tlb; /* NULL: the thread uses none */
};

static void *
poll_writes(void *arg)
{
	struct poller *p = arg;

	vfu_rcu_register();
	while (!p->stop) {
		if (p->tlb != NULL)
			vfu_tlb_begin(p->tlb, dev.server);
		for (unsigned int i = 0; i < 64; i++) {
			volatile uint64_t *w = p->tlb != NULL ?
					vfu_tlb_ptr(p->tlb, p->iova, 4096, VFU_DMA_WRITE) :
					vfu_dma_ptr(dev.server, p->iova, 4096, RW);

			if (w != NULL) {
				/* As a device does: translate first, and write some time later. */
				for (unsigned int k = 0; k < 512; k += 8)
					w[k]++;
				p->hits++;
			} else {
				p->misses++;
			}
		}
		vfu_rcu_quiescent();
	}
	vfu_rcu_unregister();
	return NULL;
}

static void
unmap_while_a_thread_writes(struct vfu_tlb *tlb)
{
	struct vfu_client_params params = { .timeout_ms = SOON_MS };
	struct poller p = { .iova = 0x10000000, .tlb = tlb };
	struct vfu_client *c;
	char err[VFU_ERR_LEN];
	int mem = memory_file(4096);
	uint8_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0), copy[4096];

	assert_int_equal(vfu_client_connect(dev.path, &params, &c, err), 0);
	assert_int_equal(pthread_create(&p.thread, NULL, poll_writes, &p), 0);
	for (unsigned int i = 0; i < 300; i++) {
		unsigned long hits;

		assert_int_equal(vfu_client_dma_map(c, mem, 0, p.iova, 4096, RW), 0);
		hits = p.hits;
		wait_until(p.hits != hits);
		assert_int_equal(vfu_client_dma_unmap(c, p.iova, 4096), 0);
		memcpy(copy, m, sizeof(copy));
		usleep(i % 50 == 0 ? 2000 : 20);
		assert_memory_equal(m, copy, sizeof(copy));
	}
	/* The same when the client disconnects. */
	assert_int_equal(vfu_client_dma_map(c, mem, 0, p.iova, 4096, RW), 0);
	vfu_client_close(c);
	wait_until(is_forgotten(&dev));
	p.stop = true;
	pthread_join(p.thread, NULL);
	munmap(m, 4096);
	close(mem);
}

static void
no_access_after_the_unmap_reply(void **state)
{
	struct vfu_tlb tlb = { 0 };

	unmap_while_a_thread_writes(NULL);
	unmap_while_a_thread_writes(&tlb);
}

/* Translate twice by the TLB: by a search, and by the range that it then holds. */
static void
assert_tlb_agrees(struct vfu_tlb *tlb, uint64_t iova, size_t len, uint32_t prot)
{
	vfu_rcu_online();
	vfu_tlb_begin(tlb, dev.server);
	for (unsigned int i = 0; i < 2; i++)
		assert_ptr_equal(vfu_tlb_ptr(tlb, iova, len, prot),
				vfu_dma_ptr(dev.server, iova, len, prot));
	vfu_rcu_quiescent();
	vfu_rcu_offline();
}

/* A TLB gives the pointers of vfu_dma_ptr() before and after each change of the table. */
static void
tlb_translates_as_the_table_does(void **state)
{
	/* Neighbours, another permission, the same place in the TLB, the ends of the space. */
	static const struct {
		uint64_t iova, size;
		uint32_t prot;
	} maps[] = {
		{ 0x200000, 0x2000, RW },
		{ 0x202000, 0x1000, VFU_DMA_READ },
		{ 0x203000, 0x1000, VFU_DMA_WRITE },
		{ 0x200000 + (VFU_TLB_RANGES << 21), 0x1000, RW },
		{ 0, 0x1000, RW },
		{ UINT64_MAX - 0xfff, 0x1000, RW },
	};
	const unsigned int nr = sizeof(maps) / sizeof(maps[0]);
	int s = raw_attach(&dev), mem = memory_file(MEM_SIZE);
	struct vfu_tlb tlb = { 0 };

	for (unsigned int step = 0; step < 2 * nr; step++) {
		const unsigned int m = step % nr;

		if (step < nr)
			assert_int_equal(raw_map(s, mem, 0, maps[m].iova, maps[m].size,
							 maps[m].prot),
					0);
		else
			assert_int_equal(raw_unmap(s, maps[m].iova, maps[m].size), 0);
		for (unsigned int i = 0; i < nr; i++) {
			for (uint32_t prot = VFU_DMA_READ; prot <= VFU_DMA_WRITE; prot++) {
				const uint64_t first = maps[i].iova;
				const uint64_t end = first + maps[i].size;

				assert_tlb_agrees(&tlb, first, 1, prot);
				assert_tlb_agrees(&tlb, first, maps[i].size, prot);
				assert_tlb_agrees(&tlb, first, maps[i].size + 1, prot);
				assert_tlb_agrees(&tlb, first - 1, 1, prot);
				assert_tlb_agrees(&tlb, first - 1, 2, prot);
				assert_tlb_agrees(&tlb, end - 1, 1, prot);
				assert_tlb_agrees(&tlb, end - 1, 2, prot);
				assert_tlb_agrees(&tlb, end, 1, prot);
				assert_tlb_agrees(&tlb, first + 8, SIZE_MAX, prot);
			}
		}
		assert_true(vfu_tlb_lasts(&tlb));
	}
	/* Memory without a file descriptor takes messages, so that the TLB holds nothing. */
	assert_int_equal(raw_map(s, -1, 0, 0x400000, 0x1000, RW), 0);
	assert_tlb_agrees(&tlb, 0x400000, 1, VFU_DMA_READ);
	assert_false(vfu_tlb_lasts(&tlb));
	close(mem);
	close(s);
	wait_until(is_forgotten(&dev));
}

/* The client truncates memory that it shared while a thread accesses it. */
static void
truncated_memory_drops_the_client(void **state)
{
	struct poller p = { .iova = 0x10000000 };

	device_start(&dev); /* here, because cmocka handles SIGBUS when a test begins */
	for (unsigned int round = 0; round < 3; round++) {
		int s = raw_attach(&dev), mem = memory_file(0x40000), other = memory_file(4096);
		uint64_t before = device_faults(&dev);

		assert_false(vfu_server_dma_poisoned(dev.server));
		assert_int_equal(raw_map(s, other, 0, 0, 4096, RW), 0);
		assert_int_equal(raw_map(s, mem, 0x10000, p.iova, 0x30000, RW), 0);
		p.stop = false;
		p.hits = 0;
		assert_int_equal(pthread_create(&p.thread, NULL, poll_writes, &p), 0);
		wait_until(p.hits != 0);
		assert_int_equal(ftruncate(mem, round == 0 ? 0 : round == 1 ? 0x10000 : 0x8000), 0);
		wait_until(is_forgotten(&dev));
		assert_non_null(strstr(dev.why, "truncated"));
		assert_true(raw_closed(s));
		p.stop = true;
		pthread_join(p.thread, NULL);
		assert_true(device_faults(&dev) > before);
		close(s);
		close(mem);
		close(other);
	}
	device_stop(&dev);
}

/* One signal is enough: a client may have truncated other ranges, which the TLB may hold. */
static void
tlb_holds_no_range_of_a_client_that_truncated_memory(void **state)
{
	struct vfu_tlb tlb = { 0 };
	int s, mem = memory_file(0x10000), other = memory_file(0x1000);
	const volatile uint8_t *p;

	device_start(&dev);
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, mem, 0, 0, 0x10000, RW), 0);
	assert_int_equal(raw_map(s, other, 0, 0x200000, 0x1000, RW), 0);
	assert_int_equal(raw_map(s, other, 0, 0x400000, 0x1000, RW), 0);
	vfu_rcu_online();
	vfu_tlb_begin(&tlb, dev.server);
	p = vfu_tlb_ptr(&tlb, 0, 0x10000, VFU_DMA_READ);
	assert_non_null(p);
	assert_non_null(vfu_tlb_ptr(&tlb, 0x200000, 1, VFU_DMA_READ));
	assert_int_equal(ftruncate(mem, 0), 0);
	assert_int_equal(p[0], 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_null(vfu_tlb_ptr(&tlb, 0x400000, 1, VFU_DMA_READ));
	vfu_tlb_begin(&tlb, dev.server);
	assert_null(vfu_tlb_ptr(&tlb, 0x200000, 1, VFU_DMA_READ));
	vfu_rcu_quiescent();
	vfu_rcu_offline();
	wait_until(is_forgotten(&dev));
	close(s);
	close(mem);
	close(other);
	device_stop(&dev);
}

static void
copy_from_truncated_memory_fails_and_foreign_sigbus_kills(void **state)
{
	int s, mem = memory_file(0x10000), status;
	uint8_t buf[0x2000];

	signal(SIGBUS, SIG_DFL);
	device_start(&dev);
	s = raw_attach(&dev);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(raw_map(s, mem, 0, 0, 0x10000, RW), 0);
	POLLING(assert_int_equal(vfu_dma_write(dev.server, 0, buf, sizeof(buf)), 0));
	assert_int_equal(ftruncate(mem, 0x1000), 0);
	POLLING(assert_int_equal(dma_read(dev.server, 0, buf, sizeof(buf)), -EFAULT);
			assert_true(vfu_server_dma_poisoned(dev.server)));
	wait_until(is_forgotten(&dev));
	close(s);
	close(mem);
	/* A SIGBUS of another origin still ends the process: the library must not hide it. */
	if (fork() == 0) {
		int own = memfd_create("own", 0);
		volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, own, 0);

		signal(SIGALRM, SIG_DFL);
		alarm(20);
		_exit(p[0]);
	}
	assert_true(wait(&status) > 0);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
	if (WIFSIGNALED(status))
		assert_int_equal(WTERMSIG(status), SIGBUS);
	device_stop(&dev);
}

/* Memory without a descriptor. */

struct own_memory {
	uint8_t mem[0x20000];
	uint64_t iova;
	atomic_int reads, writes, lost;
	int fail;
	unsigned int delay_ms;
};

static int
own_read(void *opaque, uint64_t iova, void *buf, size_t len)
{
	struct own_memory *o = opaque;

	assert_true(len <= 65536 && iova >= o->iova && iova + len <= o->iova + sizeof(o->mem));
	o->reads++;
	usleep(o->delay_ms * 1000);
	memcpy(buf, o->mem + (iova - o->iova), len);
	return o->fail;
}

static int
own_write(void *opaque, uint64_t iova, const void *buf, size_t len)
{
	struct own_memory *o = opaque;

	assert_true(len <= 65536 && iova >= o->iova && iova + len <= o->iova + sizeof(o->mem));
	o->writes++;
	memcpy(o->mem + (iova - o->iova), buf, len);
	return o->fail;
}

static void
own_lost(void *opaque, const char *why)
{
	((struct own_memory *)opaque)->lost++;
}

static struct vfu_client *
connect_own(struct own_memory *o)
{
	struct vfu_client_params params = {
		.dma_read = own_read,
		.dma_write = own_write,
		.lost = own_lost,
		.opaque = o,
		.timeout_ms = SOON_MS,
	};
	struct vfu_client *c;
	char err[VFU_ERR_LEN];

	o->iova = 0x40000000;
	if (vfu_client_connect(dev.path, &params, &c, err) != 0)
		fail_msg("%s", err);
	return c;
}

static void
memory_without_descriptor_is_accessed_by_message(void **state)
{
	static struct own_memory o;
	struct vfu_client *c;
	static uint8_t buf[0x20000];
	int mem = memory_file(0x1000);

	memset(&o, 0, sizeof(o));
	for (size_t i = 0; i < sizeof(o.mem); i++)
		o.mem[i] = (uint8_t)(i ^ (i >> 8));
	c = connect_own(&o);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, o.iova, 0x10000, RW), 0);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, o.iova + 0x10000, 0x10000, VFU_DMA_READ), 0);
	assert_int_equal(vfu_client_dma_map(c, mem, 0, o.iova - 0x1000, 0x1000, RW), 0);
	assert_null(ptr(o.iova, 1, VFU_DMA_READ));

	POLLING(assert_int_equal(dma_read(dev.server, o.iova + 5, buf, 100), 0));
	assert_memory_equal(buf, o.mem + 5, 100);
	POLLING(assert_int_equal(dma_read(dev.server, o.iova, buf, sizeof(buf)), 0));
	assert_memory_equal(buf, o.mem, sizeof(buf));
	/* Half by pointer, half by message. */
	memset(buf, 0x55, 0x200);
	POLLING(assert_int_equal(vfu_dma_write(dev.server, o.iova - 0x100, buf, 0x200), 0));
	vfu_dma_wait(dev.server);
	assert_memory_equal(o.mem, buf, 0x100);
	POLLING(assert_int_equal(vfu_dma_write(dev.server, o.iova + 0xfffc, buf, 8), -EFAULT));
	o.fail = -EIO;
	POLLING(assert_int_equal(dma_read(dev.server, o.iova, buf, 4), -EFAULT));
	o.fail = 0;
	POLLING(assert_int_equal(dma_read(dev.server, o.iova, buf, 4), 0));
	assert_int_equal(vfu_client_dma_unmap(c, o.iova, 0x10000), 0);
	POLLING(assert_int_equal(dma_read(dev.server, o.iova, buf, 4), -EFAULT));
	POLLING(assert_int_equal(dma_read(dev.server, o.iova + 0x10000, buf, 4), 0));
	assert_int_equal(o.lost, 0);
	vfu_client_close(c);
	assert_int_equal(o.lost, 0);
	close(mem);
}

/* The device accesses memory without a descriptor while it executes a register write. */
static void
write_reads_memory(struct device *d, uint64_t offset, const void *buf, size_t len)
{
	uint32_t v = 0;

	if (offset == 0x200)
		assert_int_equal(dma_read(d->server, 0x40000010, &v, 4), 0);
	memcpy(d->bar + 0x300, &v, 4);
}

static atomic_ulong message_reads;

static void *
poll_reads(void *arg)
{
	struct poller *p = arg;
	uint32_t v;

	vfu_rcu_register();
	while (!p->stop) {
		if (vfu_dma_read(dev.server, p->slot, p->iova, &v, 4) == 0)
			message_reads++;
		vfu_rcu_quiescent();
	}
	vfu_rcu_unregister();
	return NULL;
}

/*
 * All of it concurrently: two polling threads that read by message, register writes whose
 * execution reads by message, and unmaps that wait for the polling threads.
 */
static void
concurrent_message_accesses_and_unmaps_do_not_deadlock(void **state)
{
	static struct own_memory o;
	struct poller p[2] = { { .iova = 0x40000000, .slot = 1 },
		{ .iova = 0x40000800, .slot = 2 } };
	struct vfu_client *c;
	int mem = memory_file(0x1000);
	uint32_t v = 1;

	memset(&o, 0x5a, sizeof(o));
	o.lost = o.reads = o.writes = 0;
	o.fail = 0;
	o.delay_ms = 0;
	dev.on_write = write_reads_memory;
	c = connect_own(&o);
	assert_int_equal(vfu_client_dma_map(c, -1, 0, o.iova, 0x1000, RW), 0);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&p[i].thread, NULL, poll_reads, &p[i]), 0);
	for (unsigned int i = 0; i < 200; i++) {
		assert_int_equal(vfu_client_region_write(c, 0, 0x200, &v, 4), 0);
		assert_int_equal(vfu_client_region_read(c, 0, 0x300, &v, 4), 0);
		assert_int_equal(v, 0x5a5a5a5a);
		assert_int_equal(vfu_client_dma_map(c, mem, 0, 0, 0x1000, RW), 0);
		assert_int_equal(vfu_client_dma_unmap(c, 0, 0x1000), 0);
	}
	wait_until(message_reads > 100);
	assert_true(vfu_client_alive(c));
	/* The client disconnects in the middle of it. */
	vfu_client_close(c);
	wait_until(is_forgotten(&dev));
	for (unsigned int i = 0; i < 2; i++) {
		p[i].stop = true;
		pthread_join(p[i].thread, NULL);
	}
	close(mem);
}

/* The server drops a client that does not answer for 200 ms. */
static void
client_that_does_not_answer_is_dropped_after_200_ms(void **state)
{
	uint64_t start;
	uint32_t v;
	int s;

	device_start_dma(&dev, 0);
	s = raw_attach(&dev);
	assert_int_equal(raw_map(s, -1, 0, 0, 0x1000, RW), 0);
	start = now_ms();
	POLLING(assert_int_equal(dma_read(dev.server, 0, &v, 4), -EFAULT));
	assert_true(now_ms() - start >= 190);
	wait_until(is_forgotten(&dev));
	assert_non_null(strstr(dev.why, "does not answer"));
	close(s);
	device_stop(&dev);
}

/* Wrong answers of each kind, and commands between request and answer. */
struct liar {
	int sock;
	pthread_t thread;
	struct vfio_user_header hdr;
	struct vfio_user_dma_access a;
	uint8_t data[8];
	size_t len;
};

static void *
lie(void *arg)
{
	struct liar *l = arg;
	struct {
		struct vfio_user_header h;
		struct vfio_user_dma_access a;
	} req;
	struct vfio_user_header cmd = {
		.msg_id = 77,
		.cmd = VFIO_USER_DEVICE_RESET,
		.msg_size = 16,
	};
	uint8_t msg[64];

	if (!raw_recv(l->sock, &req, sizeof(req), NULL))
		return NULL;
	raw_send(l->sock, &cmd, sizeof(cmd), NULL, 0);
	l->hdr.msg_id ^= req.h.msg_id;
	l->hdr.msg_size = (uint32_t)(16 + l->len);
	memcpy(msg, &l->hdr, 16);
	memcpy(msg + 16, &l->a, 16);
	memcpy(msg + 32, l->data, 8);
	send(l->sock, msg, 16 + l->len, MSG_NOSIGNAL);
	return NULL;
}

static void
malformed_dma_read_answers_drop_the_client(void **state)
{
	/* cmd, flags, errno; address, count; length; result */
	static const struct {
		struct vfio_user_header h;
		struct vfio_user_dma_access a;
		size_t len;
		bool ok, dropped;
	} t[] = {
		{ { .cmd = 11, .flags = 1 }, { 0, 4 }, 20, true, false },
		{ { .cmd = 11, .flags = 0x21, .error_no = 14 }, { 0, 0 }, 0, false, false },
		{ { .cmd = 11, .flags = 0x21 }, { 0, 4 }, 20, false, false },
		{ { .cmd = 11, .flags = 1 }, { 0, 4 }, 19, false, true },
		{ { .cmd = 11, .flags = 1 }, { 0, 4 }, 24, false, true },
		{ { .cmd = 11, .flags = 1 }, { 0, 4 }, 0, false, true },
		{ { .cmd = 11, .flags = 1 }, { 0, 8 }, 20, false, true },
		{ { .cmd = 11, .flags = 1 }, { 8, 4 }, 20, false, true },
		{ { .cmd = 12, .flags = 1 }, { 0, 4 }, 20, false, true },
		{ { .cmd = 11, .flags = 1, .msg_id = 1 }, { 0, 4 }, 20, false, true },
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		struct liar l = {
			.sock = raw_attach(&dev),
			.hdr = t[i].h,
			.a = t[i].a,
			.len = t[i].len,
			.data = { 1, 2, 3, 4 },
		};
		int resets = dev.resets, detached = dev.detached, ret;
		uint32_t v = 0;

		assert_int_equal(raw_map(l.sock, -1, 0, 0, 0x1000, RW), 0);
		pthread_create(&l.thread, NULL, lie, &l);
		POLLING(ret = dma_read(dev.server, 0, &v, 4));
		pthread_join(l.thread, NULL);
		assert_int_equal(ret, t[i].ok ? 0 : -EFAULT);
		if (t[i].ok)
			assert_int_equal(v, 0x04030201);
		if (t[i].dropped) {
			wait_until(dev.detached == detached + 1);
		} else {
			/* The server also executes the command that arrived before the answer. */
			struct vfio_user_header r;

			wait_until(dev.resets == resets + 1);
			assert_true(raw_recv(l.sock, &r, sizeof(r), NULL));
			assert_int_equal(r.msg_id, 77);
		}
		close(l.sock);
		wait_until(is_forgotten(&dev));
	}
}

/* The reply to DMA_WRITE has 16 bytes, or 12 as the specification draws it. */
static void
dma_write_reply_of_12_or_16_bytes_is_accepted(void **state)
{
	for (size_t len = 8; len <= 20; len += 4) {
		struct liar l = {
			.sock = raw_attach(&dev),
			.hdr = { .cmd = 12, .flags = 1 },
			.a = { 0, 4 },
			.len = len,
		};
		uint64_t faults = device_faults(&dev);
		uint32_t v = 0x12345678, got[5];

		assert_int_equal(raw_map(l.sock, -1, 0, 0, 0x1000, RW), 0);
		pthread_create(&l.thread, NULL, lie, &l);
		POLLING(assert_int_equal(vfu_dma_write(dev.server, 0, &v, 4), 0));
		pthread_join(l.thread, NULL);
		vfu_dma_wait(dev.server);
		faults = device_faults(&dev) - faults;
		assert_int_equal(faults, len == 12 || len == 16 ? 0 : 1);
		if (faults == 0) {
			assert_true(raw_recv(l.sock, got, 4, NULL)); /* unread by lie() */
			assert_int_equal(got[0], v);
		}
		close(l.sock);
		wait_until(is_forgotten(&dev));
	}
}

int
main(void)
{
	int ret;
	const struct CMUnitTest tests[] = {
		T(invalid_dma_maps_are_refused),
		T(translation_respects_ranges_and_permissions),
		T(thousands_of_single_pages_translate),
		T(single_pages_share_process_mappings),
		T(random_maps_and_unmaps_match_a_simple_table),
		T(unmap_of_empty_ranges_succeeds),
		T(no_access_after_the_unmap_reply),
		T(tlb_translates_as_the_table_does),
		cmocka_unit_test(truncated_memory_drops_the_client),
		cmocka_unit_test(tlb_holds_no_range_of_a_client_that_truncated_memory),
		cmocka_unit_test(copy_from_truncated_memory_fails_and_foreign_sigbus_kills),
		T(memory_without_descriptor_is_accessed_by_message),
		T(concurrent_message_accesses_and_unmaps_do_not_deadlock),
		cmocka_unit_test(client_that_does_not_answer_is_dropped_after_200_ms),
		T(malformed_dma_read_answers_drop_the_client),
		T(dma_write_reply_of_12_or_16_bytes_is_accepted),
	};

	vfu_rcu_register();
	vfu_rcu_offline();
	ret = cmocka_run_group_tests_name("vfio_user_dma", tests, NULL, NULL);
	vfu_rcu_unregister();
	return ret;
}
